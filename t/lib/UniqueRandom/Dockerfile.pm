package UniqueRandom::Dockerfile;

# What docker/Dockerfile says.
#
#   stages()                           # their names, in order
#   instructions('runtime', 'COPY')    # the arguments of each, as a text

use strict;
use warnings;

use Exporter qw( import );

use UniqueRandom::Util qw( read_file );

our @EXPORT_OK = qw( instructions stages );

# By stage: [ INSTRUCTION, arguments ].
my (%stage, @stages);

{
    my $text = read_file('docker/Dockerfile');

    $text =~ s/^\s*#.*\n//mg;
    $text =~ s/\\\n\s*/ /g;

    for (split /\n/, $text) {
        my ($instruction, $rest) = /^(\w+)\s+(.*)/ or next;
        push @stages, $rest =~ / AS (\S+)/ if $instruction eq 'FROM';
        push @{ $stage{ $stages[-1] } }, [ $instruction, $rest ] if @stages;
    }
}

sub stages { return @stages }

sub instructions {
    my ($stage, $instruction) = @_;

    return map { $_->[1] } grep { $_->[0] eq $instruction } @{ $stage{$stage} };
}

1;
