# The sources keep to the layers of docs/internals.md, as tools/check-layers
# sees it; and it sees each way not to, in a small tree that has one.

use strict;
use warnings;

use lib 't/lib';

use Cwd qw( abs_path );
use File::Basename qw( basename dirname );
use File::Path qw( make_path );
use Test::More;

use UniqueRandom::Util qw( read_file run tmp_dir write_file );

my $module = $ENV{TEST_NGINX_LOAD_MODULES} // '';

plan skip_all => 'the sources are the same in each build'
    if $module =~ m{/build/(?:asan|memcheck)/};

# What make was told is not about the small tree.
delete $ENV{BUILD};

my $tool = abs_path('tools/check-layers');
my $tree = tmp_dir() . '/tree';

# Runs a command in a folder: its exit code, and what it says.
sub in_folder {
    my ($folder, @command) = @_;

    my ($code, $said) = run(
        command => [ 'sh', '-c', 'cd "$0" && exec "$@"', $folder, @command ],
        merge   => 1,
    );
    return ($code, $said);
}

SKIP: {
    my $objects = dirname($module) . '/module/obj';
    skip 'the module has not been built here', 1 if !-d "$objects/addon";

    is join("\n", in_folder(abs_path('.'), $tool, $objects)), "0\n",
        'the sources keep to the layers';
}

# A small tree: unit => what it uses.

my %uses = (
    'process/worker'   => ['http/handler'],
    'http/handler'     => ['postgres/reserve'],
    'postgres/reserve' => [ 'zone/slot', 'zone/health' ],
    'conf/shard'       => ['zone/slot'],
    'zone/health'      => ['zone/slot'],
    'zone/slot'        => ['core/lease'],
    'event/thread'     => [],
    'blocking/hosts'   => ['core/lease'],
    'core/lease'       => [],
);

sub function {
    my ($unit) = @_;

    my $name = basename($unit);
    return $unit =~ /^(?:core|blocking)/ ? "${name}_one" : "ngx_ur_$name";
}

my %file = (
    'docs/internals.md'               => read_file('docs/internals.md'),
    'ngx_http_unique_random_module.c' =>
        qq{#include "process/worker.h"\n#include "schema.h"\n}
        . 'int ngx_http_unique_random_module = WORKER;',
    'src/pool.h' => qq{#pragma once\n#include <ngx_core.h>\n}
        . qq{#include "core/lease.h"\n}
        . "typedef struct ngx_ur_range_s ngx_ur_range_t;\n"
        . "struct ngx_ur_pool_s {\n    enum lease_e  lease;\n};\n",
    't/unit/test.c'      => '',
    't/fuzz/fuzz.h'      => '',
    't/lib/Some.pm'      => '',
    't/table.t'          => "1;\n__DATA__\n" . "\n" x 600,
    'bench/lib/Bench.pm' => '',
    'tools/run'          => '',
);

for my $unit (keys %uses) {
    my $name     = basename($unit);
    my $function = function($unit);
    my @used     = sort @{ $uses{$unit} };

    $file{"src/$unit.h"} = join "\n", '#pragma once',
        "#define \U$name\E 1", "enum ${name}_e { \U$name\E_A };",
        "int $function(int n);", "static inline int", "${name}_half(int n)",
        '{', '    if (n) {', '        return n / 2;', '    }', '    return 0;',
        '}', '';
    $file{"src/$unit.c"} = join "\n", map({ qq{#include "$_.h"} } $unit, @used),
        'int', "$function(int n)", '{',
        map({ '    n += ' . function($_) . '(n);' } @used), '    return n;',
        '}', '';
}

$file{config} = join "\n", 'schema=$NGX_OBJS/schema.h',
    map { ("ngx_module_$_->[0]=\" \\", sources($_->[1]), '    "') }
    [ deps => qr/\.h$/ ], [ srcs => qr/\.c$/ ];

sub sources {
    my ($suffix) = @_;

    return map { "    \$ngx_addon_dir/$_ \\" }
        sort grep { /$suffix/ && /^(?:src|ngx)/ } keys %file;
}

# Headers that are not ours.
my $others = tmp_dir() . '/others';
make_path($others);
write_file("$others/$_", '') for qw( ngx_core.h libpq-fe.h schema.h );

# nginx names the folder of an object after that of its source.
sub object {
    my ($path) = @_;

    return 'build/module/obj/addon/' . basename(dirname("$tree/$path")) . '/'
        . basename($path, '.c') . '.o';
}

# Writes files, and compiles those that have an object.
sub put {
    my (%text) = @_;

    for my $path (keys %text) {
        make_path(dirname("$tree/$path"));
        write_file("$tree/$path", $text{$path});
    }
    for my $path (grep { /\.c$/ && !/^t/ } keys %text) {
        make_path(dirname("$tree/" . object($path)));
        my ($code, $said) = in_folder($tree, 'cc', '-Isrc', "-I$others", '-c',
            '-o', object($path), $path);
        die $said if $code;
    }
    return;
}

put(%file);
is join("\n", in_folder($tree, $tool)), "0\n", 'a tree without a failure';

# The failures that a change of files leads to; each is undone.
sub fails {
    my ($what, $changes, @expected) = @_;

    my %text;
    for my $path (keys %$changes) {
        local $_ = $file{$path} // '';
        $changes->{$path}->();
        $text{$path} = $_;
    }
    put(%text);
    my ($code, $said) = in_folder($tree, $tool);
    is $said, join('', map { "$_\n" } @expected), $what;
    is $code, @expected ? 1 : 0, '... with its status';

    put(map { $_ => $file{$_} } grep { defined $file{$_} } keys %text);
    unlink map { ("$tree/$_", "$tree/" . object($_)) }
        grep { !defined $file{$_} } keys %text;
    return;
}

sub before { my ($text) = @_; return sub { $_ = "$text\n$_" } }
sub after  { my ($text) = @_; return sub { $_ .= "$text\n" } }
sub only   { my ($text) = @_; return sub { $_ = $text } }

sub around {
    my ($first, $last) = @_;

    return sub { $_ = "$first\n$_$last\n" };
}

my $zone = 'src/zone/, src/pool.h, src/event/, src/blocking/, src/core/';

# Includes

fails 'a header of a higher layer',
    { 'src/zone/slot.c' => around('#include "http/handler.h"',
        'enum { MORE = HANDLER };') },
    "src/zone/slot.c:1: includes http/handler.h of src/http/; allowed: $zone";

fails 'a header by another path',
    { 'src/zone/slot.c' => before('#include "slot.h"') },
    'src/zone/slot.c:1: includes slot.h; allowed: headers of ours, by their'
    . ' paths from src/';

fails 'a header as if it were not ours',
    { 'src/zone/slot.c' => before('#include <zone/slot.h>') },
    'src/zone/slot.c:1: includes zone/slot.h, which is ours; allowed: quotes';

fails 'nginx where it is not known', {
    'src/core/lease.c'     => before('#include <ngx_core.h>'),
    'src/blocking/hosts.h' => before('#include <ngx_core.h>'),
    },
    'src/blocking/hosts.h:1: includes ngx_core.h; allowed in src/blocking/: no'
    . ' nginx',
    'src/core/lease.c:1: includes ngx_core.h; allowed in src/core/: no nginx';

fails 'more in the header of the nouns',
    { 'src/pool.h' => around(
        qq{#include "event/thread.h"\n#include <libpq-fe.h>},
        'enum { MORE = THREAD };') },
    'src/pool.h:1: includes event/thread.h of src/event/; allowed: src/core/',
    'src/pool.h:2: includes libpq-fe.h; allowed: src/core/ and headers of'
    . ' nginx';

fails 'a header for nothing', { 'src/conf/shard.c' => before(
        qq{#include "event/thread.h"\n/* THREAD */\n#define TEXT "THREAD"}) },
    'src/conf/shard.c:1: includes event/thread.h for nothing; allowed: what is'
    . ' used';

fails "a header for $_", { 'src/conf/shard.c' => around(
        qq{#include "event/thread.h"\n#include "pool.h"},
        "static ngx_ur_range_t  *range;\n$_;") }
    for 'enum { A = THREAD }', 'enum { A = THREAD_A }',
        'static enum thread_e  a', 'static int (*a)(int) = thread_half',
        'static int (*a)(int) = ngx_ur_thread';

fails 'a header for a struct that another one names', {
    'src/event/thread.h' => after('struct ngx_ur_range_s { int  n; };'),
    'src/conf/shard.c'   => around(
        qq{#include "event/thread.h"\n#include "pool.h"},
        'static ngx_ur_range_t  range;'),
};

# Calls

fails 'a call of a higher layer',
    { 'src/zone/slot.c' => after("int ngx_ur_handler(int n);\nint\n"
        . "ngx_ur_slot_more(void)\n{\n    return ngx_ur_handler(1);\n}") },
    'src/zone/slot.c:9: uses ngx_ur_handler of src/http/handler.c; allowed: '
    . $zone;

fails "the module's own symbol",
    { 'src/zone/slot.c' => after("extern int  ngx_http_unique_random_module;\n"
        . 'int  *ngx_ur_slot_more = &ngx_http_unique_random_module;') };

# Circles

fails 'a circle of calls', { 'src/zone/slot.c' => around(
        '#include "zone/health.h"',
        'int (*ngx_ur_slot_more)(int) = ngx_ur_health;') },
    'src/zone/health.c:6: health uses slot (ngx_ur_slot), slot uses health'
    . ' (ngx_ur_health); allowed: no circle of units in a layer';

fails 'a circle of includes', { 'src/zone/slot.h' => around(
        '#include "zone/health.h"', 'enum { MORE = HEALTH };') },
    'src/zone/health.c:6: health uses slot (ngx_ur_slot), slot uses health'
    . ' (#include); allowed: no circle of units in a layer';

# Names

fails 'names of another unit', {
    'src/zone/slot.c'    => after("int  ngx_ur_slots;\nint\nngx_ur_some(void)"
        . "\n{\n    return 0;\n}\nint  ngx_ur_slot_more;"),
    'src/core/lease.c'   => after("const int  leaser = 1;\nint  leases_more;"),
    'src/blocking/hosts.c' => after("int  ngx_ur_hosts;"),
    },
    'src/blocking/hosts.c:9: defines ngx_ur_hosts; allowed: hosts, hosts_*',
    'src/core/lease.c:7: defines leaser; allowed: lease, lease_*, leases_*',
    map { "$_; allowed: ngx_ur_slot, ngx_ur_slot_*" }
    'src/zone/slot.c:9: defines ngx_ur_slots',
    'src/zone/slot.c:11: defines ngx_ur_some';

fails "a function in another unit's header", {
    'src/zone/health.h' => after("int ngx_ur_slot(int n);\nint nowhere(void);"),
    'src/pool.h'        => after('int *ngx_ur_thread(int n);'),
    },
    'src/pool.h:8: declares ngx_ur_thread, which src/event/thread.c defines;'
    . ' allowed: inline functions, macros, types',
    'src/zone/health.h:13: declares ngx_ur_slot, which src/zone/slot.c defines;'
    . ' allowed: what src/zone/health.c defines',
    'src/zone/health.h:14: declares nowhere, which is not defined; allowed:'
    . ' what src/zone/health.c defines';

# Sizes

my $lines = "    (void) 0;\n" x 56;

fails 'a function that is too long', {
    't/unit/test.c' => only("static void\nlong_enough(void)\n{\n" . $lines
            . "}\n\n\nstatic void\ntoo_long(int n,\n    int m)\n{\n$lines}\n"),
    },
    't/unit/test.c:63: too_long() has 61 lines; allowed: 60';

fails 'a line that is too long',
    { 't/fuzz/fuzz.h' => only('/' x 80 . "\n" . '/' x 81 . "\n") },
    't/fuzz/fuzz.h:2: has 81 columns; allowed: 80';

fails 'files that are too long',
    { map { $_ => only("\n" x 501) } 't/unit/test.c', 't/lib/Some.pm',
        'bench/lib/Bench.pm', 'tools/run' },
    map { "$_:501: has 501 lines; allowed: 500" } 'bench/lib/Bench.pm',
    't/lib/Some.pm', 't/unit/test.c', 'tools/run';

# Lists

fails 'a source and a header that config does not list', {
    'src/zone/random.c' => before('#include "zone/random.h"'),
    'src/zone/random.h' => before(''),
    },
    'config:14: ngx_module_deps has no src/zone/random.h, which is there',
    'config:26: ngx_module_srcs has no src/zone/random.c, which is there';

fails 'what config lists and is not there', {
    config => sub { s{src/pool\.h}{src/pond.h} },
    },
    'config:8: ngx_module_deps has src/pond.h; allowed: what is there',
    'config:14: ngx_module_deps has no src/pool.h, which is there';

fails 'a file in no layer, and a layer without files', {
    'docs/internals.md' => sub { s{`src/event/`}{`src/events/`} },
    },
    'docs/internals.md:1: has the layer src/events/, which is not there',
    map { "src/event/thread.$_:1: is in no layer of docs/internals.md" }
    qw( c h );

# Objects

utime 1, 1, "$tree/build/module/obj/addon/zone/slot.o";
unlink "$tree/build/module/obj/addon/core/lease.o";
fails 'objects that are old, or missing', {},
    'src/core/lease.c:1: has no object in build/module/obj',
    'src/core/lease.h:4: declares lease_one, which is not defined; allowed:'
    . ' what src/core/lease.c defines',
    'src/zone/slot.c:1: is newer than its object: run "make"';
put(map { $_ => $file{$_} } 'src/zone/slot.c', 'src/core/lease.c');

my ($code, $said) = in_folder($tree, $tool, '--list');
is $said, <<'END', 'the units, and what each uses';
ngx_http_unique_random_module.c
    ngx_http_unique_random_module process/worker
src/process/
    worker               http/handler
src/http/
    handler              postgres/reserve
src/postgres/
    reserve              zone/health zone/slot
src/conf/
    shard                zone/slot
src/zone/
    health               zone/slot
    slot                 core/lease
src/pool.h
    pool                 core/lease
src/event/
    thread
src/blocking/
    hosts                core/lease
src/core/
    lease
END

done_testing;
