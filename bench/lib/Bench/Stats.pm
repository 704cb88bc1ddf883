package Bench::Stats;

# Orders to measure in, and what is said about the values.
#
# A machine is not as fast from one second to the next as it was, so nothing is
# compared but what was measured side by side: a ratio is taken within each
# round, and what is reported is the median of these ratios.

use strict;
use warnings;

use Exporter qw( import );

our @EXPORT_OK = qw( rounds summary ratios );

# Runs all of @code by turns, once forwards, once backwards: two of them
# A B B A, so that a machine that gets slower is as hard on one as on the
# other.  Returns an array a piece of code, each with a result a round.
sub rounds {
    my ($n, @code) = @_;

    my @results;

    for my $round (1 .. $n) {
        my @order = $round % 2 ? 0 .. $#code : reverse 0 .. $#code;
        push @{ $results[$_] }, $code[$_]->() for @order;
    }

    return @results;
}

# Of two arrays of results, value by value; results without the key have none.
sub ratios {
    my ($key, $of, $to) = @_;

    return map { $of->[$_]{$key} / $to->[$_]{$key} }
        grep { $to->[$_]{$key} } 0 .. $#$of;
}

sub summary {
    my @sorted = sort { $a <=> $b } @_ or return;

    return {
        n      => scalar @sorted,
        min    => $sorted[0],
        q1     => _quantile(0.25, \@sorted),
        median => _quantile(0.5, \@sorted),
        q3     => _quantile(0.75, \@sorted),
        max    => $sorted[-1],
    };
}

# Between two values, in proportion.
sub _quantile {
    my ($part, $sorted) = @_;

    my $at    = $part * $#$sorted;
    my $below = int $at;
    my $above = $below < $#$sorted ? $below + 1 : $below;

    return $sorted->[$below]
        + ($at - $below) * ($sorted->[$above] - $sorted->[$below]);
}

1;
