package Bench::Report;

# The results as text and as JSON: ratios first, since nothing else means
# anything on another machine.

use strict;
use warnings;

use Exporter qw( import );
use JSON::PP ();
use List::Util qw( max );

our @EXPORT_OK = qw( spread );

sub text {
    my ($report) = @_;

    my @cases = @{ $report->{cases} };

    return join "\n", _head($report), "RATIOS, median [min to max]\n",
        (map { _ratios($_) } @cases), "FIGURES, median [min to max]\n",
        map { _figures($_) } @cases;
}

sub _head {
    my ($report) = @_;

    my $text = join '', map { sprintf "%-12s%s\n", @$_ }
        @{ $report->{machine} };

    return $text . ($report->{quick} ? "\nA quick run: too few rounds.\n" : '')
        . <<'EOT';

The machine was perhaps not alone, nor is it yours: only ratios mean anything.
LIMIT is `return 200` with the same headers, OURS is this module.
EOT
}

# Two to four digits that mean something.
sub number {
    my ($value) = @_;

    my $digits = abs $value >= 100 ? 0 : abs $value >= 10 ? 1 : 2;
    $digits = 3 if abs $value < 1 && $value != 0;
    return sprintf "%.${digits}f", $value;
}

sub spread {
    my ($summary) = @_;

    my ($median, $min, $max)
        = map { number($_) } @$summary{qw( median min max )};
    return $summary->{n} == 1 ? $median : "$median [$min to $max]";
}

sub verdict {
    my ($row) = @_;

    return '' if !$row->{target};
    return "target $row->{target}[0] $row->{target}[1]: "
        . ($row->{met} ? 'met' : 'MISSED')
        . ' (' . number($row->{value}{median}) . ')';
}

sub _title {
    my ($case) = @_;

    return "$case->{name}: $case->{title}\n"
        . (defined $case->{error} ? "  FAILED: $case->{error}\n" : '');
}

sub _ratios {
    my ($case) = @_;

    my @lines = map {
        my $row = $_;
        [   $row->{label},
            $row->{value}
            ? (spread($row->{value}), $row->{unit}, verdict($row),
                join ', ', map { _also($_) } @{ $row->{also} // [] })
            : ()
        ];
    } @{ $case->{rows} };

    return _title($case) . _table(@lines);
}

sub _also {
    my ($row) = @_;

    my $verdict = verdict($row);
    return "$row->{name} " . spread($row->{value})
        . ($verdict eq '' ? '' : " $verdict");
}

sub _figures {
    my ($case) = @_;

    my $text = '';

    for my $row (@{ $case->{rows} }) {
        my @figures = @{ $row->{figures} // [] } or next;

        $text .= "  $row->{label}\n"
            . _table(map { [ "  $_->{name}", map {"$_->{name} "
                . spread($_->{value})} @{ $_->{columns} } ] } @figures);
        $text .= join '', map {"    $_\n"} @{ $row->{notes} // [] };
    }

    return $text eq '' ? () : "$case->{name}\n$text";
}

sub _table {
    my (@lines) = @_;

    my @width;

    for my $line (@lines) {
        $width[$_] = max $width[$_] // 0, length $line->[$_] for 0 .. $#$line;
    }

    return join '', map {
        my $line = $_;
        my $text = join '  ', '',
            map { sprintf "%-$width[$_]s", $line->[$_] } 0 .. $#$line;
        $text =~ s/ +\z//;
        "$text\n";
    } @lines;
}

sub json {
    my ($report) = @_;

    return JSON::PP->new->canonical->pretty->indent_length(1)->encode({
        machine => { map {@$_} @{ $report->{machine} } },
        quick   => $report->{quick} ? JSON::PP::true : JSON::PP::false,
        cases   => [ map { _short($_) } @{ $report->{cases} } ],
    });
}

# With numbers of as many digits as they deserve, and as numbers.
sub _short {
    my ($data) = @_;

    return [ map { _short($_) } @$data ] if ref $data eq 'ARRAY';
    return { map { $_ => _short($data->{$_}) } keys %$data }
        if ref $data eq 'HASH';
    return defined $data && $data =~ /\A-?\d+(?:\.\d+)?(?:e[-+]?\d+)?\z/
        ? 0 + sprintf '%.5g', $data : $data;
}

1;
