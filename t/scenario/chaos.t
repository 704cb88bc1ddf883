# Everything dies, again and again and in no order: databases, workers, the
# whole of nginx.  That costs the numbers that were leased or on their way, and
# the test says how many, but no number comes twice.

use strict;
use warnings;

use lib 't/lib';

use List::Util qw( shuffle );
use Test::More;
use Time::HiRes qw( sleep time );

use UniqueRandom::Faults qw( report );
use UniqueRandom::Load;
use UniqueRandom::Nginx;
use UniqueRandom::Postgres;
use UniqueRandom::Util qw( tmp_dir wait_until );

use constant {
    RANGE       => 10_000_000,
    CONNECTIONS => 32,
    LEASE_MAX   => 500,
};

my $sanitized = ($ENV{TEST_NGINX_BINARY} // '') =~ m{/build/};
my $seconds   = $sanitized ? 20 : 60;

my $seed = $ENV{SEED} // time % 1_000_000;
srand $seed;

my (@clusters, @shards);

for my $i (0, 1) {
    my ($pg, $shard) = UniqueRandom::Postgres->new_shard($i, RANGE);

    push @clusters, $pg;
    push @shards, "shard $shard fail_timeout=1s;";
}

my $nginx = UniqueRandom::Nginx->new(
    workers => 2,
    http    => 'unique_random_pool numbers { lease min=16 max=' . LEASE_MAX
        . '; state ' . tmp_dir() . "/state; @shards }",
);

my $load = UniqueRandom::Load->new(
    port        => $nginx->port,
    connections => CONNECTIONS,
    duration    => $seconds,
    deadline    => 2 * $seconds,
)->start;

my %deaths = (database => 0, worker => 0, nginx => 0);
my $end    = time + $seconds;
my @next;

# This is no waiting: the pace of the killing.  In no order, but each has its
# turn, however few deaths there are.
while (time < $end || grep { !$_ } values %deaths) {
    sleep 0.1 + rand 0.5;

    @next = shuffle(qw( database worker worker worker nginx )) if !@next;
    my $victim = shift @next;

    if ($victim eq 'database') {
        my $pg = $clusters[ rand @clusters ];
        $pg->kill9;
        sleep rand 0.5;
        $pg->start;

    } elsif ($victim eq 'worker') {
        my @workers = $nginx->worker_pids or next;
        kill KILL => $workers[ rand @workers ];

    } else {
        $nginx->kill9;
        $nginx->start;
    }

    $deaths{$victim}++;
}

my $during = $load->finish;

wait_until(sub { $nginx->get('/random')->{status} == 200 }, 60,
    'nginx serves as before');
$nginx->stop;

my ($reserved, $returned) = (0, 0);

for my $pg (@clusters) {
    $reserved += $pg->psql('numbers', 'SELECT reserved FROM unique_random.ranges');
    $returned += $pg->psql('numbers', 'SELECT coalesce(sum(stop - start), 0)'
        . ' FROM unique_random.returned');
}

my $deaths     = $deaths{database} + $deaths{worker} + $deaths{nginx};
my $duplicates = $during->duplicates;
my $burned     = $reserved - $returned - $during->status(200);

note sprintf '%d databases, %d workers, %d times nginx killed in %d s (SEED=%d): '
    . '%d attempts, %d acknowledged, %d failed, %d refused, %d duplicates, '
    . '%d out of range; %d burned (%.1f a death)',
    @deaths{qw( database worker nginx )}, $seconds, $seed,
    $during->attempts, $during->status(200), $during->failed,
    $during->status(503), $duplicates,
    scalar $during->out_of_range(1, 2 * RANGE), $burned, $burned / $deaths;

report(
    fault  => 'databases, workers and the whole of nginx killed at random',
    runs   => $deaths,
    result => $during,
    burned => $burned,
);

cmp_ok $deaths{$_}, '>', 0, "of each kind some were killed: $_"
    for sort keys %deaths;
cmp_ok $during->status(200), '>', 1000, 'and numbers given meanwhile';
is $duplicates, 0, 'no number comes twice';
is $during->out_of_range(1, 2 * RANGE), 0, 'no number is out of range';
is $during->status(409), 0, 'nobody is told that the pool is used up';
is_deeply [ $during->malformed ], [], 'every answer is to the letter';
cmp_ok $burned, '>=', 0, 'nobody gets what is not reserved';

# All that is leased of both ranges: two leases of each, one more on its way to
# each worker, and the answers to the clients.
my $leased = 2 * 4 * LEASE_MAX + CONNECTIONS;
cmp_ok $burned, '<=', ($deaths + 1) * $leased,
    'each death burns at most what was leased';

my @errors = grep {
    !/worker process \d+ exited on signal 9/
        && !/shared memory zone ".*" was locked by/
} $nginx->errors;
is_deeply \@errors, [], 'nothing else is wrong in the error log';

done_testing;
