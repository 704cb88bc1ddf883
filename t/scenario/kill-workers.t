# A worker may die at any instruction: drawing, asking, holding the zone's
# mutex.  That may cost numbers, and the test says how many, but must never
# repeat one (I4).

use strict;
use warnings;

use Test::More;
use Time::HiRes qw( sleep time );

use UniqueRandom::Faults   qw( report );
use UniqueRandom::Load     ();
use UniqueRandom::Nginx    ();
use UniqueRandom::Postgres ();
use UniqueRandom::Util     qw( wait_until );

use constant {
    RANGE       => 50_000_000,
    SECONDS     => 20,
    CONNECTIONS => 32,
    LEASE_MAX   => 500,
};

my (@clusters, @shards);

for my $i (0, 1) {
    my ($pg, $shard) = UniqueRandom::Postgres->new_shard($i, RANGE);

    push @clusters, $pg;
    push @shards, "shard $shard fail_timeout=1s;";
}

# Small leases, so that many reservations are under way when one dies.
my $nginx = UniqueRandom::Nginx->new(
    workers => 3,
    http    => 'unique_random_pool numbers { lease min=16 max=' . LEASE_MAX
        . '; connect_timeout 20s; reserve_timeout 20s; wait_timeout 10s;'
        . " @shards }",
);

my $load = UniqueRandom::Load->new(
    port        => $nginx->port,
    connections => CONNECTIONS,
)->start;

my $kills = 0;
my $end   = time + SECONDS;

# This is no waiting: the pace of the killing.
while (time < $end || $kills <= SECONDS) {
    sleep 0.2;
    my @workers = $nginx->worker_pids or next;
    $kills += kill KILL => $workers[ rand @workers ];
}

my $during = $load->stop->finish;

# Without the databases what is left in the zone can be drawn, and no more.
$_->stop for @clusters;

my $rest = UniqueRandom::Load->new(
    port        => $nginx->port,
    connections => 8,
    until       => 503,
    duration    => 60,
)->run;

$_->start for @clusters;

my $all        = UniqueRandom::Load->merge($during, $rest);
my $duplicates = $all->duplicates;
my $reserved   = 0;
$reserved += $_->psql('numbers', 'SELECT reserved FROM unique_random.ranges')
    for @clusters;

my $burned = $reserved - $all->status(200);

note sprintf '%d kills: %d attempts, %d acknowledged, %d failed, '
    . '%d closed, %d refused, %d duplicates, %d out of range; then %d left in the zone; '
    . '%d reserved, %d burned (%.1f a kill)',
    $kills, $during->attempts, $during->status(200), $during->failed,
    $during->closed, $during->status(503), $duplicates,
    scalar $all->out_of_range(1, 2 * RANGE),
    $rest->status(200), $reserved, $burned, $burned / ($kills || 1);

report(
    fault  => 'workers killed, at any instruction',
    runs   => $kills,
    result => $all,
    burned => $burned,
);

cmp_ok $during->status(200), '>', 1000, 'and numbers given meanwhile';
is $duplicates, 0, 'no number comes twice';
is $all->out_of_range(1, 2 * RANGE), 0, 'no number is out of range';
is $during->status(503) + $during->status(409), 0, 'no request is refused';
is_deeply [ $all->malformed ], [], 'every answer is to the letter';
cmp_ok $rest->status(503), '>', 0, 'the zone is drained';
cmp_ok $burned, '>=', 0, 'nobody gets what is not reserved';

# A worker has at most one reservation of each range under way, and a batch, a
# 64th of two leases; and for each client at most one answer; each failure of the
# end burns one more.
my $batch  = 2 * LEASE_MAX / 64;
my $leased = ($kills + 3) * (2 * (LEASE_MAX + $batch) + CONNECTIONS);
cmp_ok $burned, '<=', $leased,
    'each death burns at most what the worker was about to lease or to answer';

# What the kills provoke.
my @errors = grep {
    !/worker process \d+ exited on signal 9/
        && !/shared memory zone ".*" was locked by/
} $nginx->errors;
is_deeply \@errors, [], 'nothing else is wrong in the error log';

wait_until(sub { $nginx->get('/random')->{status} == 200 }, 60,
    'nginx serves as before');

done_testing;
