# Reloads as fast as nginx takes them, while workers are killed at whatever
# instruction they are: its master answers throughout, nobody is given a number
# twice (I4), what is burned is what the dead had, and nothing is left behind.

use strict;
use warnings;

use lib 't/lib';

use Test::More;
use Time::HiRes qw( sleep time );

use UniqueRandom::Client;
use UniqueRandom::Faults qw( report );
use UniqueRandom::Load;
use UniqueRandom::Nginx;
use UniqueRandom::Postgres;
use UniqueRandom::Util
    qw( children read_file wait_until write_file );

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

    # A master that waits for what never comes does so for ever.
    PATIENCE => 10,
};

my $pg = UniqueRandom::Postgres->new(conf => { max_connections => 500 });
$pg->create_database('numbers')->apply_schema('numbers');

my @shards = map {
    my ($first, $last) = ($_ * RANGE + 1, ($_ + 1) * RANGE);

    $pg->psql('numbers', "SELECT unique_random.add('numbers', $first, $last)");
    'shard ' . $pg->url(db => 'numbers')
        . " range=$first-$last name=s$_ max_fails=0;";
} 0 .. RANGES - 1;

# A master takes eight reloads a second at most: it sleeps 100 ms in each.  So
# there are several, which draw from the same ranges.
my @masters = map {
    UniqueRandom::Nginx->new(
        start   => 0,
        workers => WORKERS,
        http    => 'include pool.conf;'
            . ' limit_req_zone $server_port zone=slow:1m rate=2000r/s;',
        server  => 'location = /random { limit_req zone=slow burst=100;'
            . ' unique_random; }'
            . 'location = /generation { return 200 $generation; }',
    )
} 1 .. MASTERS;

# In one step, since the master may be reading the one before.
sub configure {
    my ($nginx, $generation, @shards) = @_;

    my $path = $nginx->dir . '/pool.conf';

    write_file("$path.new", <<"EOT");
unique_random_pool numbers {
    zone 64k;
    lease min=1 max=@{[ LEASE_MAX ]} ahead=100ms;
    @shards
}
map \$host \$generation { default $generation; }
EOT
    rename "$path.new", $path or die "rename: $!\n";
    return;
}

my @changes = (
    [ @shards[ 0, 1 ] ], \@shards, [ @shards[ 2, 0 ] ], [ $shards[0] ],
);

# The generation that serves, as far as anybody does.
sub generation {
    my ($nginx) = @_;

    my $client = UniqueRandom::Client->new($nginx)   or return -1;
    my $reply  = $client->get('/generation', 1) or return -1;

    return $reply->{content};
}

my $kills = 0;

sub start {
    my ($nginx) = @_;

    configure($nginx, 0, @shards);
    $nginx->start;

    open my $log, '<', $nginx->dir . '/error.log' or die "error.log: $!\n";

    return {
        nginx => $nginx,
        log   => $log,
        sent  => 0,
        done  => 0,
        load  => UniqueRandom::Load->new(
            port        => $nginx->port,
            connections => CONNECTIONS,
            processes   => 1,
            duration    => 280,
        )->start,
    };
}

my @storms = map { start($_) } @masters;
my ($served, $worst, $stuck) = (0, 0, 0);

sub reload {
    my ($storm) = @_;

    my $nginx = $storm->{nginx};
    my $i     = ++$storm->{sent};

    configure($nginx, $i, @{ $changes[ $i % @changes ] });

    my @workers = children($nginx->master_pid);

    $nginx->signal('HUP');
    $storm->{at} = time;

    # Some worker, of whatever generation it is, at any moment, but mostly while
    # the master reads the configuration.
    if (@workers && rand() < 0.8) {
        sleep rand(0.01) if rand() < 0.8;
        $kills += kill KILL => $workers[ rand @workers ];
    }

    # The next one may bring this, too.
    $storm->{pending} //= [ $i, $storm->{at} ];
    return;
}

# Whether it is time for the next reload.
sub look {
    my ($storm) = @_;

    my $log = $storm->{log};

    # Signals that come together are one reload.
    seek $log, 0, 1;
    $storm->{done} += grep {/: reconfiguring$/} readline $log;

    my ($i, $at) = @{ $storm->{pending} };
    my $lag = time - $at;

    $worst = $lag if $lag > $worst;
    $stuck = 1    if $lag > PATIENCE;

    if (generation($storm->{nginx}) >= $i) {
        $served++;
        delete $storm->{pending};
        return 1;
    }

    return time - $storm->{at} > 0.05;
}

my $started = time;
my $done    = 0;

reload($_) for @storms;

while (!$stuck && $done < $reloads) {
    for my $storm (@storms) {
        reload($storm) if look($storm);
    }

    $done = 0;
    $done += $_->{done} for @storms;

    # This is no waiting: the processors are needed for reloads.
    sleep 0.005;
}

my @results = map { $_->{load}->stop->finish } @storms;

note sprintf '%d reloads in %.0f s, %d were seen to serve, the slowest after'
    . ' %.2f s; %d kills', $done, time - $started, $served, $worst, $kills;

if (!ok !$stuck, 'the masters take every reload') {
    $_->kill9 for @masters;
    done_testing;
    exit;
}

cmp_ok $kills, '>', $reloads / 10, 'many workers were killed';

for my $nginx (@masters) {
    my $master = $nginx->master_pid;
    my $last   = 1_000_000;

    # The last reload may be on its way: one more, with all ranges.
    configure($nginx, $last, @shards);
    $nginx->signal('HUP');
    wait_until(sub { generation($nginx) == $last }, 20, 'the last one serves');

    my $after = UniqueRandom::Load->new(
        port  => $nginx->port,
        count => 1000,
    )->run;

    push @results, $after;
    is $after->status(200) + $after->closed, 1000, 'at the end all is as before';

    ok eval {
        wait_until(sub { children($master) == WORKERS }, 30,
            'old workers have gone');
    }, '... no old worker is left';

    # One whose death the master has not heard of.
    my @zombies = grep { (read_file($_) // '') =~ /\) Z $master / }
        glob '/proc/[0-9]*/stat';
    is @zombies, 0, '... and no zombie';

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
