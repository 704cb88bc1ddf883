# Two nginx that know nothing of each other share the shards: only the
# databases keep them apart.

use strict;
use warnings;

use Test::More;

use UniqueRandom::Faults   qw( report );
use UniqueRandom::Load     ();
use UniqueRandom::Nginx    ();
use UniqueRandom::Postgres ();

use constant RANGE => 30_000;

my (@clusters, @shards);

for my $i (0, 1) {
    my ($pg, $shard) = UniqueRandom::Postgres->new_shard($i, RANGE);

    push @clusters, $pg;
    push @shards, "shard $shard;";
}

# In different orders, as two hosts may well have them.
my @nginx = map {
    UniqueRandom::Nginx->new(
        workers => 2,
        http    => "unique_random_pool numbers { connect_timeout 60s;"
            . " reserve_timeout 60s; wait_timeout 120s; @$_ }",
    )
} [@shards], [ reverse @shards ];

# Both at the same time, as many as are said or to the end.
sub take {
    my (%arg) = @_;

    my @loads = map {
        UniqueRandom::Load->new(
            port        => $_->port,
            connections => 32,
            processes   => 1,
            timeout     => 120,
            %arg,
        )->start
    } @nginx;

    return map { $_->finish } @loads;
}

# One that stands still meanwhile would find nothing left.
my @first   = take(count => RANGE / 5, deadline => 600);
my @rest    = take(until => 409, duration => 600);
my @results = map { UniqueRandom::Load->merge($first[$_], $rest[$_]) } 0, 1;
my $all     = UniqueRandom::Load->merge(@results);

my $duplicates = $all->duplicates;
my $missing    = $all->missing(1, 2 * RANGE);

note sprintf '%d + %d acknowledged, %d attempts, %d used up, %d failed, '
    . '%d duplicates, %d out of range, %d missing, %.1f s',
    (map { $_->status(200) } @results), $all->attempts, $all->status(409),
    $all->failed, $duplicates, scalar $all->out_of_range(1, 2 * RANGE),
    $missing, $all->elapsed;

is $all->status(200), 2 * RANGE, 'as many answers as there are numbers';
is $duplicates, 0, 'no number comes twice';
report(
    fault  => 'none: two nginx drain the same shards',
    result => $all,
    burned => $missing,
);

is $missing,    0, 'no number is missing';
is $all->out_of_range(1, 2 * RANGE), 0, 'no number is out of range';
is $all->attempts, $all->status(200) + $all->status(409),
    'whoever does not get a number is told that all are used';
is_deeply [ $all->malformed ], [], 'every answer is to the letter';

# The last numbers may all be leased to one of them, the first are not.
for my $i (0, 1) {
    is $first[$i]->status(200), RANGE / 5,
        "while there are enough, no request to instance $i fails";
}

is_deeply [ map { $_->errors } @nginx ], [],
    'nothing is wrong in the error logs';

done_testing;
