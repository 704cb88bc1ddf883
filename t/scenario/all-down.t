# With no database and no lease there is no number, and a client is told so
# soon enough to try again; it costs the worker nothing to wait, and when the
# databases are back nobody has to do anything.

use strict;
use warnings;

use Test::More;
use Time::HiRes qw( time );

use UniqueRandom::Load     ();
use UniqueRandom::Nginx    ();
use UniqueRandom::Postgres ();
use UniqueRandom::Util     qw( wait_until );

use constant {
    RANGE => 1_000_000,
    WAIT  => 2,
};

my (@clusters, @shards);

for my $i (0, 1) {
    my $pg = UniqueRandom::Postgres->new(name => "shard$i");
    my ($first, $last) = ($i * RANGE + 1, ($i + 1) * RANGE);

    $pg->create_database('numbers')->apply_schema('numbers');
    for my $pool (qw( eager leased )) {
        $pg->psql('numbers', "SELECT unique_random.add('$pool', $first, $last)");
    }
    push @clusters, $pg;
    push @shards, 'shard ' . $pg->url(db => 'numbers') . " range=$first-$last "
        . 'fail_timeout=1s;';
}

my $wait  = WAIT;
my $nginx = UniqueRandom::Nginx->new(
    workers => 2,
    http    => <<"EOT",
unique_random_pool eager {
    lease off;
    connect_timeout 1s;
    reserve_timeout 1s;
    wait_timeout ${wait}s;
    @shards
}
unique_random_pool leased {
    lease min=100;
    connect_timeout 1s;
    reserve_timeout 1s;
    wait_timeout ${wait}s;
    @shards
}
EOT
    server => 'location = /eager { unique_random eager; }'
        . 'location = /leased { unique_random leased; }',
);

my %results;

sub take {
    my ($pool, %arg) = @_;

    my $result = UniqueRandom::Load->new(
        port => $nginx->port,
        path => "/$pool",
        %arg,
    )->run;

    push @{ $results{$pool} }, $result;
    return $result;
}

gives($_, 'numbers are given') for qw( eager leased );

# To all who ask, unless the machine stands still for as long as they wait.
sub gives {
    my ($pool, $what) = @_;

    return ok eval {
        wait_until(sub { take($pool, count => 300)->status(200) == 300 }, 60,
            'numbers are given');
    }, "pool $pool: $what";
}

for my $way (
    [ 'stopped',  sub { $_[0]->stop('fast') }, sub { $_[0]->start } ],
    [ 'paused',   sub { $_[0]->pause },        sub { $_[0]->resume } ],
    )
{
    my ($name, $fail, $back) = @$way;

    $fail->($_) for @clusters;

    # The leased pool has a rest to give.
    my $rest = take('leased', connections => 4, until => 503, duration => 60);
    cmp_ok $rest->status(503), '>', 0,
        "$name: the leases come to an end (" . $rest->status(200) . ' were left)';
    is $rest->attempts, $rest->status(200) + $rest->status(503),
        "$name: with nothing but numbers and refusals";

    for my $pool (qw( eager leased )) {
        my $response = $nginx->get("/$pool");

        is $response->{status}, 503, "$name, pool $pool: it is unavailable";
        is $response->{headers}{'retry-after'}, 1,
            "$name, pool $pool: and to be tried again";
        is $response->{content},
            '{"detail":"No number could be reserved in time."}',
            "$name, pool $pool: and says why";

        # Many that wait, each as long as may be.
        my @workers = $nginx->worker_pids;
        my $cpu     = 0;
        $cpu -= $nginx->cpu_time($_) for @workers;
        my $start = time;

        my $waiting = take($pool, connections => 200, count => 200);

        my $elapsed = time - $start;
        $cpu += $nginx->cpu_time($_) for @workers;

        note sprintf '%s, pool %s: %d attempts, %d acknowledged, %d refused, '
            . '%d failed in %.1f s; the workers used %.2f s', $name, $pool,
            $waiting->attempts, $waiting->status(200), $waiting->status(503),
            $waiting->failed, $elapsed, $cpu;

        is_deeply $waiting->status, { 503 => 200 },
            "$name, pool $pool: all that wait are refused";
        is_deeply [ $waiting->malformed ], [],
            "$name, pool $pool: to the letter";

        # Twenty seconds for a machine that is busy with something else.
        cmp_ok $elapsed, '<', WAIT + 20,
            "$name, pool $pool: when the time to wait is over";

        # One that polls or spins uses a whole processor all the time.
        cmp_ok $cpu, '<', 0.25 + 0.2 * $elapsed,
            "$name, pool $pool: the workers are idle meanwhile";
    }

    $back->($_) for @clusters;

    for my $pool (qw( eager leased )) {
        gives($pool, "no longer $name: it has recovered by itself");
    }
}

for my $pool (sort keys %results) {
    my $all        = UniqueRandom::Load->merge(@{ $results{$pool} });
    my $duplicates = $all->duplicates;

    note sprintf 'pool %s: %d attempts, %d acknowledged, %d refused, %d failed, '
        . '%d duplicates, %d out of range', $pool, $all->attempts,
        $all->status(200), $all->status(503), $all->failed, $duplicates,
        scalar $all->out_of_range(1, 2 * RANGE);
    is $duplicates,  0, "pool $pool: no number comes twice";
    is $all->failed, 0, "pool $pool: no request is without an answer";
}

is_deeply [ $nginx->errors ], [], 'nothing is wrong in the error log';

done_testing;
