# A reservation counts only when it outlives the database's power cord, even
# where the database was told to acknowledge first and write later; and a
# database that would lose it anyhow is given up.

use strict;
use warnings;

use Test::More;

use UniqueRandom::Faults   qw( report );
use UniqueRandom::Load     ();
use UniqueRandom::Nginx    ();
use UniqueRandom::Postgres ();
use UniqueRandom::Util     qw( wait_until );

use constant {
    RANGE  => 30_000,
    ROUNDS => 5,
    LEASE  => 500,
};

my $pg = UniqueRandom::Postgres->new(
    conf => { wal_writer_delay => '10s' },
);

$pg->create_database('numbers')->apply_schema('numbers');
$pg->psql('numbers', <<"EOT");
ALTER DATABASE numbers SET synchronous_commit = off;
SELECT unique_random.add('numbers', 1, @{[ RANGE ]});
CREATE TABLE plain (n bigint);
INSERT INTO plain VALUES (0);
CHECKPOINT;
EOT

# Each one begins without a memory of what others have seen, which would make
# it stop in front of a database that has forgotten something.
my @nginx;

sub new_nginx {
    push @nginx, UniqueRandom::Nginx->new(
        workers => 2,
        http    => 'unique_random_pool numbers { lease min=100 max=' . LEASE . ';'
            . 'connect_timeout 60s; reserve_timeout 60s; wait_timeout 25s;'
            . 'shard ' . $pg->url(db => 'numbers') . ' range=1-' . RANGE
            . ' fail_timeout=1s; }',
    );
    return $nginx[-1];
}

my @results;

sub take {
    my ($nginx, %arg) = @_;

    my $result = UniqueRandom::Load->new(port => $nginx->port, %arg)->run;
    push @results, $result;
    return $result;
}

# That the database does forget: without this the test would show nothing.
# The WAL writer may happen to wake up in between, once in ten seconds.
{
    my ($written, $found) = (0, 0);

    for my $attempt (1 .. 5) {
        $pg->psql('numbers', 'CHECKPOINT');
        $written = $pg->psql('numbers',
            'UPDATE plain SET n = n + 1 RETURNING n');
        $pg->kill9->start;
        $found = $pg->psql('numbers', 'SELECT n FROM plain');
        last if $found < $written;
    }

    note "plain UPDATE: $written was acknowledged, $found was found";
    cmp_ok $found, '<', $written,
        'a plain UPDATE is lost when the database is killed';
}

my $reserved = 0;

for my $round (1 .. ROUNDS) {
    # Nothing is written for any other reason between its last reservation and
    # the end.
    my $result = take(new_nginx(), count => 2000);
    $pg->kill9;

    is_deeply $result->status, { 200 => 2000 },
        "round $round: numbers are given, then the database is killed";

    $pg->start;

    my $before = $reserved;
    $reserved = $pg->psql('numbers',
        'SELECT reserved FROM unique_random.ranges');
    cmp_ok $reserved, '>=', $before + 2000,
        "round $round: the database remembers";
}

# To the end, and what the others have left of their leases.
my @loads = map {
    UniqueRandom::Load->new(
        port        => $_->port,
        connections => 4,
        processes   => 1,
        until       => 409,
        duration    => 120,
    )->start
} new_nginx(), @nginx[ 0 .. ROUNDS - 1 ];
push @results, map { $_->finish } @loads;

{
    my $all        = UniqueRandom::Load->merge(@results);
    my $duplicates = $all->duplicates;
    my $missing    = $all->missing(1, RANGE);

    note sprintf '%d crashes: %d attempts, %d acknowledged, %d refused, %d used '
        . 'up, %d failed, %d duplicates, %d out of range, %d missing', ROUNDS,
        $all->attempts, $all->status(200), $all->status(503),
        $all->status(409), $all->failed, $duplicates,
        scalar $all->out_of_range(1, RANGE), $missing;

    is $duplicates, 0, 'no number comes twice';
    is $all->out_of_range(1, RANGE), 0, 'no number is out of range';

    # One may have been fetching ahead as the database died.
    report(
        fault  => 'PostgreSQL killed under load, synchronous_commit=off',
        runs   => ROUNDS,
        result => $all,
        burned => $missing,
    );

    cmp_ok $missing, '<=', ROUNDS * LEASE,
        'no more are missing than may have been under way';
    cmp_ok $all->status(409), '>', ROUNDS, 'all say that it is used up';
}

# fsync is off: whatever is acknowledged may be lost.
{
    my $careless = UniqueRandom::Postgres->new(conf => { fsync => 'off' });

    $careless->create_database('numbers')->apply_schema('numbers');
    $careless->psql('numbers',
        "SELECT unique_random.add('numbers', 1, 1000)");

    my $nginx = UniqueRandom::Nginx->new(
        http => 'unique_random_pool numbers { wait_timeout 2s;'
            . 'shard ' . $careless->url(db => 'numbers')
            . ' range=1-1000 fail_timeout=1s;'
            . ' connect_timeout 60s; reserve_timeout 60s; }',
    );

    my $result = take($nginx, connections => 4, count => 20);

    note sprintf 'fsync=off: %d attempts, %d acknowledged, %d refused',
        $result->attempts, $result->status(200), $result->status(503);
    is_deeply $result->status, { 503 => 20 },
        'fsync=off: nothing is given to anybody';
    like $nginx->error_log,
        qr/\[error\] .* could not reserve from shard ".*".*: its commits are not durable: fsync is off,/,
        'and the log says why';

    my $reserved = $careless->psql('numbers',
        'SELECT reserved FROM unique_random.ranges');
    note "fsync=off: $reserved burned";

    $careless->set_conf(fsync => 'on');

    wait_until(sub { take($nginx, count => 1)->status(200) == 1 }, 60,
        'it is durable again');
    pass 'with fsync=on numbers are given, without a reload';

    is_deeply [ $nginx->errors ], [], 'nothing else is wrong in the error log';
}

is_deeply [ map { $_->errors } @nginx ], [],
    'nothing is wrong in the error logs';

done_testing;
