# Reloads as fast as nginx takes them, while workers are killed at whatever
# instruction they are: its master answers throughout, nobody is given a number
# twice (I4), what is burned is what the dead had, and nothing is left behind.

use strict;
use warnings;

use lib 't/lib';

use Test::More;
use Time::HiRes qw( time );

use UniqueRandom::Faults qw( report );
use UniqueRandom::Load;
use UniqueRandom::Nginx;
use UniqueRandom::Postgres;
use UniqueRandom::Storm;
use UniqueRandom::Util qw( read_file wait_until );

my $instrumented = $ENV{TEST_NGINX_USE_VALGRIND}
    || ($ENV{TEST_NGINX_LOAD_MODULES} // '') =~ m{/build/asan/};

my $reloads = $instrumented ? 200 : 2000;

use constant {
    RANGE       => 10_000_000,
    RANGES      => 3,
    MASTERS     => 3,
    WORKERS     => 4,
    CONNECTIONS => 8,
    LEASE_MAX   => 64,
};

my $pg = UniqueRandom::Postgres->new(conf => { max_connections => 500 });
$pg->create_database('numbers')->apply_schema('numbers');

my @shards = map {
    my ($first, $last) = ($_ * RANGE + 1, ($_ + 1) * RANGE);

    $pg->psql('numbers', "SELECT unique_random.add('numbers', $first, $last)");
    'shard ' . $pg->url(db => 'numbers')
        . " range=$first-$last name=s$_ max_fails=0;";
} 0 .. RANGES - 1;

my @changes = (
    [ @shards[ 0, 1 ] ], \@shards, [ @shards[ 2, 0 ] ], [ $shards[0] ],
);

# All draw from the same ranges, whichever these are at the time; all of them in
# the end.
my $storm = UniqueRandom::Storm->new(
    masters => MASTERS,
    kills   => 0.8,
    nginx   => {
        workers => WORKERS,
        http    => 'limit_req_zone $server_port zone=slow:1m rate=2000r/s;',
        server  => 'location = /random { limit_req zone=slow burst=100;'
            . ' unique_random; }',
    },
    pool => sub {
        my ($i) = @_;

        my $shards = $i < UniqueRandom::Storm::LAST
            ? $changes[ $i % @changes ] : \@shards;

        return <<"EOT";
unique_random_pool numbers {
    zone 64k;
    lease min=1 max=@{[ LEASE_MAX ]} ahead=100ms;
    @$shards
}
EOT
    },
);

my @masters = $storm->nginxes;
my @loads   = map {
    UniqueRandom::Load->new(
        port        => $_->port,
        connections => CONNECTIONS,
        processes   => 1,
        duration    => 280,
    )->start
} @masters;

my $started = time;
my $ok      = $storm->run($reloads);
my @results = map { $_->stop->finish } @loads;
my $kills   = $storm->killed;

note sprintf '%d reloads in %.0f s, %d were seen to serve, the slowest after'
    . ' %.2f s; %d kills', $storm->done, time - $started, $storm->served,
    $storm->slowest, $kills;

if (!ok $ok, 'the masters take every reload') {
    $_->kill9 for @masters;
    done_testing;
    exit;
}

cmp_ok $kills, '>', $reloads / 10, 'many workers were killed';

ok eval { $storm->settle },
    'then all serve as told, and no old worker is left' or diag $@;

for my $nginx (@masters) {
    my $master = $nginx->master_pid;

    my $after = UniqueRandom::Load->new(
        port  => $nginx->port,
        count => 1000,
    )->run;

    push @results, $after;
    is $after->status(200) + $after->closed, 1000, 'at the end all is as before';

    # One whose death the master has not heard of would be there for ever.
    ok eval {
        wait_until(sub {
            return !grep { (read_file($_) // '') =~ /\) Z $master / }
                glob '/proc/[0-9]*/stat';
        }, 20);
    }, '... no zombie is left';

    $nginx->stop;
    pass '... and it ends cleanly';
}

my $all      = UniqueRandom::Load->merge(@results);
my $reserved = $pg->psql('numbers',
    'SELECT sum(reserved) FROM unique_random.ranges');
my $returned = $pg->psql('numbers',
    'SELECT coalesce(sum(stop - start), 0) FROM unique_random.returned');
my $burned = $reserved - $returned - $all->status(200);

note sprintf '%d attempts, %d acknowledged, %d failed, %d closed, %d refused,'
    . ' %d duplicates; %d reserved, %d returned, %d burned (%.1f a kill)',
    $all->attempts, $all->status(200), $all->failed, $all->closed,
    $all->status(503), scalar $all->duplicates, $reserved, $returned, $burned,
    $burned / ($kills || 1);

report(
    fault  => 'workers killed while nginx reloads',
    runs   => $kills,
    result => $all,
    burned => $burned,
);

is scalar $all->duplicates, 0, 'no number comes twice';
is $all->out_of_range(1, RANGES * RANGE), 0, 'no number is out of range';
is_deeply [ $all->malformed ], [], 'every answer is to the letter';
is $all->status(409), 0, 'nobody is told that all is used';
cmp_ok $burned, '>=', 0, 'nobody gets what is not reserved';

# As in kill-workers.t: of each range a reservation and a batch, and an answer
# for each client.
cmp_ok $burned, '<=',
    ($kills + MASTERS * WORKERS) * (RANGES * 2 * LEASE_MAX + CONNECTIONS),
    'each death burns at most what the worker was about to lease or to answer';

my @errors = grep {
    !/worker process \d+ exited on signal 9/
        && !/shared memory zone ".*" was locked by/
} map { $_->errors } @masters;
is_deeply \@errors, [], 'nothing else is wrong in the error log';

done_testing;
