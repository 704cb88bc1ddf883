# Whoever changes the configuration of a busy server must not be afraid to:
# reloads cost no request, no number and no lease, and leave nothing behind.

use strict;
use warnings;

use JSON::PP   qw( decode_json );
use Test::More;

use UniqueRandom::Faults   qw( report );
use UniqueRandom::Load     ();
use UniqueRandom::Nginx    ();
use UniqueRandom::Postgres ();
use UniqueRandom::Util     qw( read_file wait_until );

use constant {
    RANGE   => 10_000_000,
    RELOADS => 50,
    WORKERS => 2,
};

my @clusters = map { UniqueRandom::Postgres->new(name => "shard$_") } 0, 1;
$_->create_database('numbers')->apply_schema('numbers') for @clusters;

# Two ranges, and so two shards, in each cluster.
my @shards = map {
    my ($first, $last) = ($_ * RANGE + 1, ($_ + 1) * RANGE);
    my $pg = $clusters[ $_ / 2 ];

    $pg->psql('numbers', "SELECT unique_random.add('numbers', $first, $last)");
    'shard ' . $pg->url(db => 'numbers') . " range=$first-$last name=s$_";
} 0 .. 3;

# The smallest zone: a slot that each reload leaves behind would soon fill it.
# Nobody waits so long for a database that is there.
sub pool {
    my ($shards, %arg) = @_;

    return 'unique_random_pool numbers {'
        . 'zone ' . ($arg{zone} // '32k') . ";\n"
        . 'lease min=' . ($arg{min} // 16) . " max=20000;\n"
        . 'idle_timeout ' . ($arg{idle_timeout} // '1s') . ";\n"
        . "connect_timeout 60s; reserve_timeout 60s;\n"
        . 'wait_timeout ' . ($arg{wait} // '20s') . ";\n"
        . join('', map {"$_;\n"} @$shards) . '}';
}

# Removed, added, reordered, drained, down; two at least always serve.
my ($s0, $s1, $s2, $s3) = @shards;
my @changes = (
    [ $s2, $s1, $s0 ],
    [ $s0, $s2 ],
    [ $s3, $s2, $s1, $s0 ],
    [ "$s0 drain", $s1, $s2 ],
    [ $s0, "$s1 down", $s2, "$s3 drain" ],
    [ $s3, "$s2 down", $s1 ],
    [ $s0, $s1, $s2, $s3 ],
);

my $nginx = UniqueRandom::Nginx->new(
    workers => WORKERS,
    http    => pool(\@shards),
    server  => 'location = /random { unique_random; }'
        . 'location = /status { unique_random_status json; }',
);

my @results;

sub take {
    my ($count, %arg) = @_;

    my $result = UniqueRandom::Load->new(
        port  => $nginx->port,
        count => $count,
        %arg,
    )->run;

    push @results, $result;
    return $result;
}

sub connections {
    my $n = 0;
    $n += $_->psql('postgres', 'SELECT count(*) FROM pg_stat_activity WHERE '
        . "datname = 'numbers' AND backend_type = 'client backend'")
        for @clusters;
    return $n;
}

# Those that nginx has: PostgreSQL may not have seen yet that one is closed.
sub open_connections {
    my $port = join '|', map { sprintf '%04X', $_->port } @clusters;

    return scalar grep {/^ *\d+: \S+ \S+:(?:$port) 01 /}
        split /^/, read_file('/proc/net/tcp');
}

# What processes hold on to that have nothing to do.
sub idle_fds {
    wait_until(sub { connections() == 0 }, 60,
        'idle connections to PostgreSQL are closed');
    wait_until(sub {
        my $log = $nginx->error_log;
        return WORKERS == (() = $log =~ /start worker process \d/g)
            - (() = $log =~ /worker process \d+ exited/g);
    }, 30, 'the master has heard of the workers that left');
    return ($nginx->fd_count($nginx->master_pid),
        sort map { $nginx->fd_count($_) } $nginx->worker_pids);
}

# The first reload is no leak: it closes what only the start needs.
take(1000);
$nginx->reload;
take(1000);
my @before = idle_fds();

{
    my $load = UniqueRandom::Load->new(
        port        => $nginx->port,
        connections => 16,
        duration    => 300,
    )->start;

    for my $i (1 .. RELOADS) {
        $nginx->configure(http => pool($changes[ $i % @changes ]));
        $nginx->reload(wait => 'new');

        # However slow it is, each configuration serves for a while.
        take(16);
    }

    # All of them, to draw all leases that there are.
    $nginx->configure(http => pool(\@shards));
    $nginx->reload;

    my $connections = open_connections();
    my $result      = $load->stop->finish;
    push @results, $result;

    note sprintf '%d reloads: %d attempts, %d acknowledged, %d sent as the '
        . 'server closed, %d refused, %d failed', RELOADS, $result->attempts,
        $result->status(200), $result->closed,
        $result->status(503) + $result->status(409), $result->failed;

    is $result->status(200) + $result->closed, $result->attempts,
        'every request is answered with a number, or had not been read';
    is $result->failed, 0, 'none failed';
    cmp_ok $result->status(200), '>', 1000, 'there were many';
    cmp_ok $connections, '<=', WORKERS * @shards,
        'each worker has one connection to a shard';
    is_deeply [ $nginx->old_worker_pids ], [], 'no old worker is left';

    my @after = idle_fds();
    note "open files of master and workers: before @before, after @after";
    is_deeply \@after, \@before, 'master and workers have no more open files';
}

# What is in the zone can be drawn without a database: nothing else can be, and
# nothing is lost.
$nginx->configure(http => pool(\@shards, wait => '5s'));
$nginx->reload;
$_->stop for @clusters;
my $rest = take(undef, connections => 4, until => 503, duration => 60);
$_->start for @clusters;

{
    my $all      = UniqueRandom::Load->merge(@results);
    my $reserved = 0;
    $reserved += $_->psql('numbers',
        'SELECT sum(reserved) FROM unique_random.ranges') for @clusters;
    my $burned = $reserved - $all->status(200);

    note sprintf '%d reserved, %d acknowledged, %d of them left in the zone, '
        . '%d burned', $reserved, $all->status(200), $rest->status(200), $burned;
    report(
        fault  => 'nginx reloaded: shards added, removed, reordered, drained',
        runs   => scalar(() = $nginx->error_log =~ /signal 1 \(SIGHUP\)/g),
        result => $all,
        burned => $burned,
    );

    is $burned, 0, 'no number was lost';
}

# The databases are back, and nginx has noticed.
wait_until(sub { take(16)->status(200) == 16 }, 60, 'numbers are given');

{
    $nginx->configure(http => pool(\@shards, min => 5000));
    $nginx->reload;

    # The first to be back serves alone.
    wait_until(
        sub {
            my %of = map { int(($_ - 1) / RANGE) => 1 } take(400)->numbers;
            return keys %of == @shards;
        },
        60, 'numbers of all shards',
    );

    # Half of a lease is drawn before the next is asked for; and what is asked
    # for has to have come.
    take(20_000);
    wait_until(sub {
        take(16);
        my $pool = decode_json($nginx->get('/status')->{content})->{pools}[0];
        return !grep({ $_->{leased} < 1000 } @{ $pool->{ranges} })
            && !grep { $_->{connections}{busy} } @{ $pool->{shards} };
    }, 60, 'leases of all shards');
    $_->stop for @clusters;

    for my $change (
        [ 'reordered',  [ reverse @shards ] ],
        [ 'drained',    [ map {"$_ drain"} @shards ] ],
        [ 'one only',   [ $s0 ] ],
        [ 'all again',  \@shards ],
        )
    {
        my ($name, $shards) = @$change;

        $nginx->configure(http => pool($shards, min => 5000));
        $nginx->reload;
        is_deeply take(200)->status, { 200 => 200 },
            "without a database leases go on after a reload: $name";
    }

    $_->start for @clusters;
    wait_until(sub { take(16)->status(200) == 16 }, 60, 'numbers are given');
}

{
    my $load = UniqueRandom::Load->new(
        port        => $nginx->port,
        connections => 16,
        duration    => 300,
    )->start;

    for my $zone (qw( 64k 128k 32k )) {
        my $seen = () = $nginx->error_log =~ /has another size/g;

        $nginx->configure(http => pool(\@shards, zone => $zone));
        $nginx->reload;

        my @burned = $nginx->error_log
            =~ /has another size: (\d+) leased positions are left to the old workers/g;
        is @burned, $seen + 1,
            "a zone of $zone: the log says how many leased positions that costs ($burned[-1])";
    }

    my $result = $load->stop->finish;
    push @results, $result;

    note sprintf 'other zones: %d attempts, %d acknowledged, %d sent as the '
        . 'server closed, %d refused, %d failed', $result->attempts,
        $result->status(200), $result->closed,
        $result->status(503) + $result->status(409), $result->failed;
    is $result->status(200) + $result->closed, $result->attempts,
        'every request is answered with a number, or had not been read';
}

my $all        = UniqueRandom::Load->merge(@results);
my $duplicates = $all->duplicates;

note sprintf 'in all: %d attempts, %d acknowledged, %d failed, %d duplicates, '
    . '%d out of range', $all->attempts, $all->status(200), $all->failed,
    $duplicates, scalar $all->out_of_range(1, @shards * RANGE);

is $duplicates, 0, 'no number comes twice';
is $all->out_of_range(1, @shards * RANGE), 0, 'no number is out of range';
is $all->failed, 0, 'no request failed';
is_deeply [ $all->malformed ], [], 'every answer is to the letter';
is_deeply [ $nginx->errors ], [], 'nothing is wrong in the error log';

done_testing;
