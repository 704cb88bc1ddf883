package Bench::Row;

# The rows of a case: what Bench::Report and Bench::Chart show.
#
#   label    what was measured
#   value    a summary of Bench::Stats: of ratios, or what is counted
#   unit     what of
#   target   [ '>=', 0.95 ] if there is one, and met: 1 or 0
#   chart    limit, database or cost: see Bench::Chart
#   also     [ { name, value, target, met } ]: ratios beside that
#   figures  [ { name, columns => [ { name, value } ] } ]: what they are of

use strict;
use warnings;

use Exporter qw( import );

use Bench::Stats qw( ratios summary );

our @EXPORT_OK = qw( row beside figure );

my %compare = (
    '>=' => sub { $_[0] >= $_[1] },
    '<=' => sub { $_[0] <= $_[1] },
    '<'  => sub { $_[0] < $_[1] },
);

sub row {
    my (%row) = @_;

    if (my $target = $row{target}) {
        my ($operator, $bound) = @$target;
        $row{met}
            = $compare{$operator}->($row{value}{median}, $bound) ? 1 : 0;

    } else {
        delete $row{target};
    }

    return \%row;
}

# A row for slices of /random and those of /limit in the same rounds.  More
# arguments: p99_target and cpu_target, as "target" is.
sub beside {
    my ($ours, $limit, %row) = @_;

    my @also;
    my %target = map { $_ => delete $row{"${_}_target"} } qw( p99 cpu );

    for my $column ([ p99 => 'p99' ], [ cpu => 'CPU' ]) {
        my ($key, $name) = @$column;
        my $value = summary(ratios($key, $ours, $limit)) or next;
        push @also,
            row(name => $name, value => $value, target => $target{$key});
    }

    return row(
        value   => summary(ratios('rate', $ours, $limit)),
        unit    => 'OURS/LIMIT, requests/s',
        target  => [ '>=', 0.95 ],
        chart   => 'limit',
        also    => \@also,
        figures => [ figure(LIMIT => $limit), figure(OURS => $ours) ],
        %row,
    );
}

my @columns = (
    [ rate  => 'requests/s' ],
    [ p50   => 'p50 ms' ],
    [ p99   => 'p99 ms' ],
    [ p999  => 'p99.9 ms' ],
    [ cpu   => 'CPU us/request' ],
    [ ms    => 'ms' ],
    [ whole => 'ms with the commit' ],
    [ next  => 'ms of the next one' ],
    [ bytes => 'bytes' ],
    [ us    => 'us' ],
);

# What is known of slices.
sub figure {
    my ($name, $slices) = @_;

    my @known;

    for my $column (@columns) {
        my ($key, $title) = @$column;
        my $value = summary(grep {defined} map { $_->{$key} } @$slices)
            or next;
        push @known, { name => $title, value => $value };
    }

    return { name => $name, columns => \@known };
}

1;
