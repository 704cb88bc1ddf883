package UniqueRandom::Release;

# A tree of git with all that is here, committed or not, for what is made of a
# commit.

use strict;
use warnings;

use Cwd qw( abs_path );
use Exporter qw( import );
use Test::More ();

use UniqueRandom::Util qw( read_file run );

our @EXPORT_OK = qw( git_tree ok_shell shell version );

# What make and git were told about the module is not about such a tree.
delete @ENV{qw( MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES BUILD T
    GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE )};

sub shell {
    my ($script, @args) = @_;

    return run(command => [ 'sh', '-ec', $script, 'sh', @args ], merge => 1);
}

sub ok_shell {
    my ($what, @script) = @_;

    my ($code, $out) = shell(@script);
    Test::More::is($code, 0, $what) or die $out;
    return $out;
}

sub git_tree {
    my ($tree) = @_;

    ok_shell('a tree of git', <<'EOT', abs_path('.'), $tree);
mkdir "$2"
cd "$1"
tar -c --exclude=./.git --exclude=./.run --exclude=./build \
    --exclude=./t/servroot . | tar -x -C "$2"
cd "$2"
git init -q
git add -A
git -c user.name=test -c user.email=test@example.com commit -q -m test
EOT
    return $tree;
}

# The one that src/core/version.h has.
sub version {
    my ($tree) = @_;

    my ($version) = read_file("$tree/src/core/version.h")
        =~ /^#define NGX_UR_VERSION  "(\d+\.\d+\.\d+)"$/m;
    return $version;
}

1;
