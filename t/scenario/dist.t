# What "make dist" makes: a tarball that builds, installs and explains the
# module where there is neither git nor a test, and the same one every time.

use strict;
use warnings;

use lib 't/lib';

use Cwd qw( abs_path );
use File::Basename qw( dirname );
use File::Find qw( find );
use Test::More;

use UniqueRandom::Release qw( git_tree ok_shell shell version );
use UniqueRandom::Util qw( read_file tmp_dir write_file );

plan skip_all => 'it builds what is built for production'
    if ($ENV{TEST_NGINX_LOAD_MODULES} // '') =~ m{/build/(?:asan|memcheck)/};

my $module = 'ngx_http_unique_random_module';
my $top    = abs_path('.');
my $dir    = tmp_dir();
my $tree   = "$dir/tree";

# The files below a folder, by their names in it.
sub files {
    my ($folder) = @_;

    my @files;
    find({ no_chdir => 1, wanted => sub {
        push @files, substr $_, 1 + length $folder if !-d;
    } }, $folder);
    @files = sort @files;
    return @files;
}

git_tree($tree);

my $version = version($tree);
my $tarball = "$module-$version.tar.gz";

is((read_file("$tree/CHANGES") =~ /^Changes with $module (\S+)  /m)[0],
    $version, 'CHANGES begins with the version that src/core/version.h has');

unlike ok_shell('make dist', 'make -s -C "$1" dist', $tree),
    qr/not committed/, '... of all that there is';

ok_shell('it is made again elsewhere, by somebody else', <<'EOT', $tree, $dir);
umask 077
git clone -q "$1" "$2/clone"
"$2/clone/tools/dist" "$2/again"
EOT

ok read_file("$tree/build/dist/$tarball") eq read_file("$dir/again/$tarball"),
    '... and is the same';

write_file("$tree/new", '');
like ok_shell('made with a file that is new', '"$1/tools/dist"', $tree),
    qr/what is not committed is not in it/, '... it says what is missing';

my $unpacked = "$dir/elsewhere/$module-$version";

ok_shell('it is unpacked', <<'EOT', "$tree/build/dist/$tarball", $dir);
mkdir "$2/elsewhere"
tar -xzf "$1" -C "$2/elsewhere"
EOT

my @files = files($unpacked);

is_deeply [ glob "$dir/elsewhere/*" ], [$unpacked], '... as one folder';
is_deeply [ grep { m{^(?:t|\.ci|\.git\w*)/|^\.git|\.t$|^docker/test} } @files ],
    [], '... without a test, or anything of git';

my @lost;
for my $page (grep { /\.md$/ } @files) {
    (my $text = read_file("$unpacked/$page")) =~ s/^```.*?^```$//msg;

    while ($text =~ /\]\((?!\w+:)([^)#]+)/g) {
        push @lost, "$page: $1" if !-e dirname("$unpacked/$page") . "/$1";
    }
}
is_deeply \@lost, [], '... and no page has a link that leads nowhere';

my $help = ok_shell('make help', 'make -s -C "$1" help', $unpacked);

is_deeply [ sort $help =~ /^  make (\S+)/mg ],
    [qw( all clean deb deps help install nginx pages run )],
    '... has targets that work there';

ok_shell('make', 'make -s -C "$1"', $unpacked);
# Of which nginx-dev has the headers.
my ($failed, $said) = shell(<<'EOT', $unpacked, "$dir/headers");
mkdir -p "$2/src/core"
touch "$2/src/core/nginx.h"
make -s -C "$1" nginx NGINX_SRC="$2"
EOT
isnt $failed, 0, 'make nginx, without its sources';
like $said, qr{/src/core/nginx\.c is missing, .* set NGINX_SRC to a folder},
    '... says what to set';

like ok_shell('make install', 'make -s -C "$1" install DESTDIR="$2"',
    $unpacked, "$dir/root"),
    qr{^Next:\n.*load_module /usr/lib/nginx/modules/$module\.so;}ms,
    '... says what is next';

is_deeply [ files("$dir/root") ], [
    "usr/lib/nginx/modules/$module.so",
    "usr/share/doc/$module/logrotate",
    "usr/share/doc/$module/nginx.conf.example",
    "usr/share/doc/$module/systemd.conf",
    "usr/share/$module/check.sql",
    "usr/share/$module/docs.conf",
    (map {"usr/share/$module/monitoring/$_"} qw(
        alerts.test.yml alerts.yml grafana-dashboard.json prometheus.yml
        stock.test.yml
    )),
    "usr/share/$module/schema.sql",
], '... installs what it should';

write_file("$dir/nginx.conf", <<"EOT");
load_module $dir/root/usr/lib/nginx/modules/$module.so;
error_log stderr;
pid $dir/pid;
events {}
EOT

ok_shell('... and nginx loads it', '"$1" -t -e stderr -c "$2"',
    $ENV{TEST_NGINX_BINARY} || '/usr/sbin/nginx', "$dir/nginx.conf");

# Of what is committed somewhere else, nothing is to be released.
for my $where ("$dir/clone/build", $dir) {
    my ($code, $out) = shell(<<'EOT', $top, "$where/copy");
mkdir -p "$2"
cp -r "$1/tools" "$1/src" "$2"
"$2/tools/dist"
EOT

    isnt $code, 0, "no release in $where, where there is no git working tree";
    like $out, qr{tools/dist: not a git working tree}, '... for that reason';
}

done_testing;
