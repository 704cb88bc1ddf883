# In which order many numbers come, as if they had been drawn one by one, from the
# first number of an answer to its last; and which ranges few are from.

use strict;
use warnings;

use List::Util qw( sum0 );
use Test::More;

use UniqueRandom::Bulk     ();
use UniqueRandom::Nginx    ();
use UniqueRandom::Postgres ();

use constant {
    OF      => 5_000_000,
    BATCHES => 300,
    ENDS    => 10,
    SIGMA   => 7,               # one in a hundred thousand million by chance
};

my $pg = UniqueRandom::Postgres->new(name => 'shard');
$pg->create_database('numbers')->apply_schema('numbers');

my ($http, $server) = ('', '');

for my $ranges (2, 4) {
    my $pool = "of$ranges";

    $pg->psql('numbers', "SELECT unique_random.add('$pool', i * @{[ OF ]},"
            . " (i + 1) * @{[ OF ]} - 1) FROM generate_series(0, $ranges - 1) i");

    my $all = join ' ', map { sprintf 'range=%d-%d', $_ * OF, ($_ + 1) * OF - 1 }
        0 .. $ranges - 1;

    $http .= "unique_random_pool $pool { connect_timeout 20s;"
        . ' reserve_timeout 20s; wait_timeout 25s; lease min=65536;'
        . ' shard ' . $pg->url(db => 'numbers') . " $all; }";
    $server .= "location /$pool { unique_random $pool; }";
}

my $nginx = UniqueRandom::Nginx->new(http => $http, server => $server);
my %bulk  = map { $_ => UniqueRandom::Bulk->new($nginx) } qw( of2 of4 );

# Of each number of an answer, the range that it is from.
sub ranges_of {
    my ($pool, $count) = @_;

    my $numbers = $bulk{$pool}->take("/$pool", $count)
        or BAIL_OUT("$pool has no $count numbers");

    return map { int $_ / OF } @$numbers;
}

# How many pairs of them are from one range.
sub pairs {
    my %count;
    $count{$_}++ for @_;

    return sum0(map { $_ * ($_ - 1) / 2 } values %count);
}

# How many standard errors the mean is from 0.
sub deviation {
    my $mean     = sum0(@_) / @_;
    my $variance = sum0(map { ($_ - $mean)**2 } @_) / (@_ - 1);

    return $variance ? $mean / sqrt($variance / @_) : 0;
}

# All orders of what an answer has are alike.  So any two of its numbers are as
# often from one range as any other two are: neighbours, and those at its ends.
sub order {
    my ($pool, $count) = @_;

    my %more;

    for (1 .. BATCHES) {
        my @from   = ranges_of($pool, $count);
        my $chance = pairs(@from) / ($count * ($count - 1) / 2);
        my $alike  = grep { $from[$_] == $from[ $_ + 1 ] } 0 .. $count - 2;
        my $ends   = $chance * ENDS * (ENDS - 1) / 2;

        push @{ $more{neighbours} }, $alike - $chance * ($count - 1);
        push @{ $more{first} }, pairs(@from[ 0 .. ENDS - 1 ]) - $ends;
        push @{ $more{last} },  pairs(@from[ -ENDS() .. -1 ]) - $ends;
    }

    for my $what (qw( neighbours first last )) {
        my $deviation = deviation(@{ $more{$what} });

        cmp_ok abs($deviation), '<', SIGMA, sprintf
            '%d of %s, %s: %.1f standard errors', $count, $pool, $what,
            $deviation;
    }

    return;
}

for my $ranges (2, 4) {
    order("of$ranges", $_) for 20, 100, 256, 300, 1000;
}

# Where all have as much left, none has two of two; but any has one with any other.
{
    my %together;
    $together{ join ' ', sort(ranges_of('of4', 2)) }++ for 1 .. BATCHES;

    for my $pair ('0 1', '0 2', '0 3', '1 2', '1 3', '2 3') {
        cmp_ok $together{$pair} // 0, '>', BATCHES / 30, "$pair come together";
    }

    is keys %together, 6, '... and nothing else does';
}

is $_->repeated, 0, 'none came twice' for values %bulk;
is_deeply [ $nginx->errors ], [], 'nothing was an error';

done_testing;
