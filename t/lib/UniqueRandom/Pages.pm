package UniqueRandom::Pages;

# The pages, made by the tool that makes them.
#
#   my $folder = make_pages();      # a test of its own

use strict;
use warnings;

use Cwd      qw( abs_path );
use Exporter qw( import );
use Test::More;

use UniqueRandom::Util qw( run tmp_dir );

our @EXPORT_OK = qw( make_pages );

sub make_pages {
    my $folder = tmp_dir() . '/pages';

    my ($code, $out) = run(
        command => [ abs_path('tools/pages'), $folder ],
        merge   => 1,
    );
    is $code, 0, 'tools/pages' or die $out;

    return $folder;
}

1;
