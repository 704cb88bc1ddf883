# The promise in its plainest form: whoever takes all numbers of a pool gets
# each of them exactly once, and is told when there are no more; and the order
# they come in says nothing to one who looks at it with the usual statistics.

use strict;
use warnings;

use Test::More;

use UniqueRandom::Load     ();
use UniqueRandom::Nginx    ();
use UniqueRandom::Postgres ();
use UniqueRandom::Util     qw( wait_until );

use constant {
    RANGE  => 50_000,
    LONG   => 1_000_000,
    SAMPLE => 20_000,
};

my @shards;

for my $name (qw( shard0 shard1 )) {
    my $pg = UniqueRandom::Postgres->new(name => $name);
    $pg->create_database('numbers')->apply_schema('numbers');
    push @shards, $pg;
}

# Fixed keys, so that what is random is the choice between the shards alone.
sub add_ranges {
    my ($pool, $size) = @_;

    return join '', map {
        my ($first, $last) = ($_ * $size + 1, ($_ + 1) * $size);
        $shards[$_]->psql('numbers', "SELECT unique_random.add('$pool', "
            . "$first, $last, key => sha256('$pool $first'))");
        'shard ' . $shards[$_]->url(db => 'numbers') . " range=$first-$last;\n"
    } 0 .. $#shards;
}

# What is asked for in vain is burned.
my $patient
    = 'connect_timeout 60s; reserve_timeout 60s; wait_timeout 120s; ';

my $nginx = UniqueRandom::Nginx->new(
    workers => 2,
    http    => "unique_random_pool numbers { $patient"
        . add_ranges('numbers', RANGE) . '}'

        # No lease of it runs dry within the sample, which could be the other
        # shard's for as long as that.
        . 'unique_random_pool long { lease min=' . SAMPLE . "; $patient"
        . add_ranges('long', LONG) . '}',
    server => 'keepalive_requests 1000000;'
        . 'location = /random { unique_random numbers; }'
        . 'location = /long { unique_random long; }',
);

{
    my $all = UniqueRandom::Load->new(
        port        => $nginx->port,
        connections => 64,
        until       => 409,
        timeout     => 120,
        duration    => 600,
    )->run;

    my $duplicates   = $all->duplicates;
    my $out_of_range = $all->out_of_range(1, 2 * RANGE);
    my $missing      = $all->missing(1, 2 * RANGE);

    note sprintf 'drain: %d attempts, %d acknowledged, %d used up, %d failed, '
        . '%d duplicates, %d out of range, %d missing, %.1f s',
        $all->attempts, $all->status(200), $all->status(409), $all->failed,
        $duplicates, $out_of_range, $missing, $all->elapsed;

    is $all->status(200), 2 * RANGE, 'as many answers as there are numbers';
    is $duplicates,       0,         'no number comes twice';
    is $out_of_range,     0,         'no number is out of range';
    is $missing,          0,         'no number is missing';
    is $all->attempts, $all->status(200) + $all->status(409),
        'whoever does not get a number is told that all are used';
    is_deeply [ $all->malformed ], [], 'every answer is to the letter';
}

{
    my $late = UniqueRandom::Load->new(
        port        => $nginx->port,
        connections => 64,
        count       => 1000,
    )->run;

    is_deeply $late->status, { 409 => 1000 }, 'then everyone is told so';
    is_deeply [ $late->malformed ], [], 'to the letter';
}

for my $i (0, 1) {
    is $shards[$i]->psql('numbers',
        "SELECT reserved FROM unique_random.ranges WHERE pool = 'numbers'"),
        RANGE, "shard $i has nothing left";
}

# Until nginx has met both shards it can draw from one only.
wait_until(sub {
    my @numbers = sequence(100)->numbers;
    return grep({ $_ > LONG } @numbers) && grep { $_ <= LONG } @numbers;
}, 20, 'numbers come from both shards');

{
    my $sample = sequence(SAMPLE);

    is $sample->status(200),  SAMPLE, 'one client takes a sample';
    is $sample->duplicates,   0,      'no number of it comes twice';
    is $sample->out_of_range(1, 2 * LONG), 0, 'nor is one out of range';

    looks_random($sample->numbers);
}

is_deeply [ $nginx->errors ], [], 'nothing is wrong in the error log';

done_testing;

# What one client gets that asks for one number after the other.
sub sequence {
    my ($count) = @_;

    return UniqueRandom::Load->new(
        port        => $nginx->port,
        path        => '/long',
        connections => 1,
        processes   => 1,
        count       => $count,
    )->run;
}

# For truly random numbers each of the tests below raises a false alarm with a
# probability of less than 1e-10, all of them together of less than 1e-9.  (The
# sample is drawn without replacement, a hundredth of the pool, which makes
# the statistics vary less, not more.)
sub looks_random {
    my (@numbers) = @_;

    # Chi-square over 64 buckets, 63 degrees of freedom.  By Wilson and
    # Hilferty (X/k)^(1/3) is normal with mean 1-2/(9k) and variance 2/(9k);
    # 6.5 standard deviations, two-sided 8e-11, are k (1 - 2/9k +- 6.5 sqrt(2/9k))^3
    # = 14.1 and 166.1.
    my @bucket = (0) x 64;
    $bucket[ ($_ - 1) * 64 / (2 * LONG) ]++ for @numbers;

    my $expected   = @numbers / 64;
    my $chi_square = 0;
    $chi_square += ($_ - $expected)**2 / $expected for @bucket;

    note sprintf 'chi-square: %.1f', $chi_square;
    cmp_ok $chi_square, '<', 166.1, 'the numbers spread evenly';
    cmp_ok $chi_square, '>', 14.1,  'but not too evenly';

    # Serial correlation: for independent numbers r * sqrt(n) is normal with
    # mean 0 and variance 1, so again 6.5.
    my $mean = 0;
    $mean += $_ / @numbers for @numbers;
    my @centered = map { $_ - $mean } @numbers;
    my $variance = 0;
    $variance += $_**2 for @centered;

    for my $lag (1 .. 4) {
        my $sum = 0;
        $sum += $centered[$_] * $centered[ $_ - $lag ] for $lag .. $#centered;

        my $deviation = $sum / $variance * sqrt @numbers;
        note sprintf 'serial correlation at lag %d: %.2f standard deviations',
            $lag, $deviation;
        cmp_ok abs $deviation, '<', 6.5,
            "a number says nothing about number $lag after it";
    }

    return;
}
