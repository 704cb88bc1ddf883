package UniqueRandom::Postgres::Programs;

# The programs of PostgreSQL, which are run as the user of that name, and the
# files that they work on.

use strict;
use warnings;

use Carp qw( croak );
use Cwd ();
use Exporter qw( import );
use File::Basename qw( dirname );
use File::Path ();
use Time::HiRes ();

use UniqueRandom::Util qw( run spawn tmp_dir user_ids );

our @EXPORT_OK = qw(
    program has_program server_version run_program spawn_program give_away
    make_folder copy new_data
);

my $build = Cwd::abs_path(dirname(__FILE__) . '/../../../..') . '/build';

# PostgreSQL refuses to run as root.
my $ids = user_ids('postgres');

# Of the newest PostgreSQL that is installed, where Debian puts it and nobody's
# PATH leads, or of the one that TEST_POSTGRES_BIN is the folder of.  That may be
# a server alone: any psql does for any server.
sub program {
    my ($program) = @_;

    my ($newest)
        = sort { ($b =~ m{/(\d+)/bin})[0] <=> ($a =~ m{/(\d+)/bin})[0] }
        grep { -x "$_/initdb" } glob '/usr/lib/postgresql/*/bin';

    my $chosen = $ENV{TEST_POSTGRES_BIN};
    my $bin    = !$chosen || ($program eq 'psql' && !-x "$chosen/psql")
        ? $newest : $chosen;

    return ($bin ? "$bin/" : '') . $program;
}

sub has_program {
    my ($program) = @_;

    my $path = program($program);
    return $path !~ m{/} || -x $path;
}

sub server_version {
    my ($version) = run_program(command => [ program('postgres'), '--version' ])
        =~ /\(PostgreSQL\) (\d\S*)/;
    return $version;
}

sub run_program {
    my (%arg) = @_;

    my ($code, $out) = run(as => $ids, merge => 1, %arg);
    croak "$arg{command}[0] failed: $out" if $code;
    return $out;
}

sub spawn_program {
    my (%arg) = @_;

    return spawn(as => $ids, %arg);
}

# To the user that they run as.
sub give_away {
    my (@paths) = @_;

    chown @$ids, @paths if $ids;
    return;
}

sub make_folder {
    my ($path) = @_;

    mkdir $path, 0700 or die "$path: $!\n";
    give_away($path);
    return $path;
}

sub copy {
    my ($from, $to) = @_;

    # As root, with the owners, from and to folders closed to others.
    my ($code, $out)
        = run(command => [ 'cp', '-a', $from, $to ], merge => 1);
    croak "cannot copy $from: $out" if $code;
    return;
}

# The files of a new cluster.
sub new_data {
    my ($data) = @_;

    if (has_program('pg_resetwal')) {
        copy(_template(), $data);
        _new_identity($data);

    } else {
        _initdb($data);
    }

    return;
}

sub _initdb {
    my ($data) = @_;

    make_folder($data);
    run_program(command => [
        program('initdb'), '-D', $data, '-A', 'trust', '-U', 'postgres',
        '-E', 'UTF8', '--locale=C.UTF-8', '--no-sync',
    ]);
    return;
}

# initdb once, copies from then on.  As for every file that all tests share,
# several may make it at once, and one of them wins.
sub _template {
    my $template = "$build/template-" . server_version() . "-$>";
    return $template if -d $template;

    my $new = tmp_dir() . '/template';
    _initdb($new);

    mkdir $build;
    copy($new, "$template.$$");
    rename "$template.$$", $template
        or File::Path::remove_tree("$template.$$");

    return $template;
}

# A copy of a cluster has its identity, by which the module tells one database
# from another; a new cluster has one of its own.
sub _new_identity {
    my ($data) = @_;

    my ($seconds, $microseconds) = Time::HiRes::gettimeofday();
    my $control = "$data/global/pg_control";
    open my $file, '+<:raw', $control or die "$control: $!\n";
    print {$file} pack 'Q', $seconds << 32 | $microseconds << 12 | $$ & 0xfff;
    close $file;

    # Mends the checksum and writes the identity into the WAL.
    run_program(command => [ program('pg_resetwal'), '-f', '-D', $data ]);
    return;
}

1;
