package Bench::Chart;

# The ratios as an SVG: a bar for each median, a whisker from min to max, a
# dashed line where the target is.

use strict;
use warnings;

use List::Util qw( max min );
use POSIX qw( ceil floor );

use Bench::Report qw( spread );

use constant {
    WIDTH => 1000,
    LEFT  => 390,    # where bars begin
    BARS  => 380,    # how long they may be
    ROW   => 24,
    BAR   => 14,
};

my @panels = (
    [ limit => 'Requests per second, beside `return 200` in the same nginx',
        'more is better; 1 is what nginx can do', '#3b7dd8' ],
    [ database => 'Numbers per second, beside the database alone',
        'more is better; logarithmic', '#2e9e6b' ],
    [ cost => 'Costs', 'less is better', '#c9772b' ],
);

sub svg {
    my ($report) = @_;

    my $y    = 64;
    my $body = '';

    for my $panel (@panels) {
        my ($key, $title, $how, $color) = @$panel;
        my @rows = grep { ($_->{chart} // '') eq $key }
            map { _labelled($_) } @{ $report->{cases} };
        next if !@rows;

        $body .= _text(24, $y + 16, $title, 'class="title"')
            . _text(24, $y + 34, $how, 'class="dim"');
        $y += 50;

        my $scale = $key eq 'database' ? _log_scale(@rows) : _scale(@rows);
        my $height = ROW * @rows;

        $body .= _grid($scale, $y, $height);
        $body .= _row($rows[$_], $scale, $y + ROW * $_, $color) for 0 .. $#rows;
        $y += $height + 44;
    }

    my %machine = map {@$_} @{ $report->{machine} };
    my $where   = "nginx $machine{nginx}, PostgreSQL $machine{PostgreSQL}; "
        . "$machine{CPU}; $machine{date}";

    return sprintf(<<'EOT', WIDTH, $y, WIDTH, $y, WIDTH, $y)
<svg xmlns="http://www.w3.org/2000/svg" role="img"
 width="%d" height="%d" viewBox="0 0 %d %d">
<style>
text { font: 13px sans-serif; fill: #222 }
.head { font-size: 18px; font-weight: bold }
.title { font-size: 15px; font-weight: bold }
.dim { font-size: 12px; fill: #666 }
</style>
<rect width="%d" height="%d" fill="#fff"/>
EOT
        . _text(24, 30, 'unique_random: medians, with the least and the most',
        'class="head"')
        . _text(24, 50, $where, 'class="dim"')
        . $body
        . "</svg>\n";
}

sub _labelled {
    my ($case) = @_;

    return map { { %$_, label => "$case->{name}: $_->{label}" } }
        @{ $case->{rows} };
}

# A scale is what turns a value into an x, and the values to draw lines at.

sub _scale {
    my (@rows) = @_;

    my $most = max map { ($_->{value}{max}, ($_->{target} // [])->[1] // 0) }
        @rows;
    my $step = $most > 4 ? 1 : $most > 2 ? 0.5 : 0.2;
    my $end  = $step * ceil($most / $step);

    return {
        x     => sub { LEFT + BARS * $_[0] / $end },
        lines => [ map { $step * $_ } 0 .. int($end / $step + 0.5) ],
    };
}

sub _log_scale {
    my (@rows) = @_;

    my $log   = sub { log($_[0]) / log 10 };
    my $start = floor($log->(min 1, map { $_->{value}{min} } @rows));
    my $end   = ceil($log->(max 10, map { $_->{value}{max} } @rows));

    my $decade = BARS / ($end - $start);

    return {
        x     => sub { LEFT + $decade * ($log->($_[0]) - $start) },
        lines => [ map { 10**$_ } $start .. $end ],
    };
}

sub _grid {
    my ($scale, $y, $height) = @_;

    return join '', map {
        my $x = $scale->{x}->($_);
        _line($x, $y, $x, $y + $height, '#ddd')
            . _text($x, $y + $height + 14, 0 + sprintf('%.6g', $_),
            'class="dim" text-anchor="middle"');
    } @{ $scale->{lines} };
}

sub _row {
    my ($row, $scale, $y, $color) = @_;

    my ($median, $min, $max)
        = map { $scale->{x}->($_) } @{ $row->{value} }{qw( median min max )};
    my $middle = $y + ROW / 2;

    my $svg = _text(LEFT - 10, $middle + 4, $row->{label}, 'text-anchor="end"')
        . sprintf(
        qq{<rect x="%d" y="%.1f" width="%.1f" height="%d" fill="%s"/>\n},
        LEFT, $middle - BAR / 2, $median - LEFT, BAR, $color);

    if ($row->{value}{n} > 1) {
        $svg .= _line($min, $middle, $max, $middle, '#222');
        $svg .= _line($_, $middle - 4, $_, $middle + 4, '#222') for $min, $max;
    }

    if ($row->{target}) {
        my $x = $scale->{x}->($row->{target}[1]);
        $svg .= _line($x, $y + 1, $x, $y + ROW - 1, '#c00',
            'stroke-dasharray="3 2"');
    }

    return $svg
        . _text(LEFT + BARS + 16, $middle + 4, spread($row->{value}));
}

sub _text {
    my ($x, $y, $text, $attributes) = @_;

    my %entity = ('&' => '&amp;', '<' => '&lt;', '>' => '&gt;');
    $text =~ s/([&<>])/$entity{$1}/g;
    $attributes = defined $attributes ? " $attributes" : '';

    return sprintf qq{<text x="%.1f" y="%.1f"%s>%s</text>\n}, $x, $y,
        $attributes, $text;
}

sub _line {
    my ($x1, $y1, $x2, $y2, $color, $attributes) = @_;

    $attributes = defined $attributes ? " $attributes" : '';

    return sprintf
        qq{<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s"%s/>\n},
        $x1, $y1, $x2, $y2, $color, $attributes;
}

1;
