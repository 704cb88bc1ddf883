# What runs for years must not grow: reloads, clients that leave while they
# wait or do not read, pipelines, HTTP/2.  Neither memory, nor descriptors, nor
# connections, nor the zone, nor the places in the queue may leak.

use strict;
use warnings;

use lib 't/lib';

use IO::Socket::INET;
use JSON::PP qw( decode_json );
use Socket qw( SOL_SOCKET SO_LINGER SO_RCVBUF );
use Test::More;
use Time::HiRes qw( sleep );

use UniqueRandom::Faults qw( report );
use UniqueRandom::Load;
use UniqueRandom::Nginx;
use UniqueRandom::Postgres;
use UniqueRandom::Util qw( free_port run tcp_proxy wait_until );

use constant RANGE => 1_000_000_000;

# The sanitizers have a memory of their own, and all takes longer.
my $sanitized = ($ENV{TEST_NGINX_BINARY} // '') =~ m{/build/};
my $reloads   = $sanitized ? 100   : 1000;
my $aborts    = $sanitized ? 2_000 : 10_000;

my $pg = UniqueRandom::Postgres->new;

# What is asked for in vain is burned, and a shard that fails is not asked.
my $patient = 'connect_timeout 60s; reserve_timeout 60s;';

# Lines for shards from $from on, each a database of its own.
sub shards {
    my ($pool, $port, $from, $n) = @_;

    return map {
        my ($first, $last) = ($_ * RANGE + 1, ($_ + 1) * RANGE);

        if (!$pg->psql('postgres',
            "SELECT count(*) FROM pg_database WHERE datname = '$pool$_'"))
        {
            $pg->create_database("$pool$_")->apply_schema("$pool$_");
            $pg->psql("$pool$_",
                "SELECT unique_random.add('$pool', $first, $last)");
        }

        'shard ' . $pg->url(db => "$pool$_", port => $port)
            . " range=$first-$last fail_timeout=1s;";
    } $from .. $from + $n - 1;
}

sub connections {
    my ($pool) = @_;

    return $pg->psql('postgres', 'SELECT count(*) FROM pg_stat_activity'
        . " WHERE datname LIKE '$pool%'");
}

sub connect_to {
    my ($nginx, %arg) = @_;

    return IO::Socket::INET->new(
        PeerAddr => '127.0.0.1', PeerPort => $nginx->port, %arg,
    ) // die "connect: $!\n";
}

# How many wait for a number of its pool.
sub waiting {
    my ($nginx) = @_;

    return decode_json($nginx->get('/status')->{content})
        ->{pools}[0]{waiting}{now};
}

# Growth of what a process uses, from a first call to the next ones.
sub growth {
    my ($nginx, $pid, $before) = @_;

    my $now = { rss => $nginx->rss($pid), fds => $nginx->fd_count($pid) };

    return $now if !$before;
    return ($now->{rss} - $before->{rss}, $now->{fds} - $before->{fds});
}

# Reloads with ranges that come and go, in a zone that has no room for all of them.
{
    my @sets  = map { [ shards('reload', $pg->port, $_, 4) ] } 0, 2, 4;
    my $conf  = sub {
        return "unique_random_pool reload { zone 32k; $patient"
            . " wait_timeout 120s; @{ $sets[ $_[0] % 3 ] } }";
    };
    my $nginx = UniqueRandom::Nginx->new(
        level => 'notice', http => $conf->(0),
        server => 'location = /random { unique_random reload; }',
    );
    my $load = UniqueRandom::Load->new(
        port => $nginx->port, connections => 4, processes => 1,
        timeout => 120, duration => 800, deadline => 850,
    )->start;

    my $before;

    for my $i (1 .. $reloads) {
        my ($seen) = $nginx->worker_pids;

        $nginx->configure(http => $conf->($i));
        kill HUP => $nginx->master_pid;

        # The next one only when this one has been taken.
        wait_until(
            sub {
                my ($now) = $nginx->worker_pids;
                return $now && $seen && $now != $seen;
            },
            30, "reload $i",
        );

        $before = growth($nginx, $nginx->master_pid)
            if $i == $reloads / 10;
    }

    my $result = $load->stop->finish;
    wait_until(sub { !$nginx->old_worker_pids }, 60, 'the end of old workers');

    # A worker has ended a moment before its master has heard of it.
    my ($rss, $fds);
    eval {
        wait_until(sub {
            ($rss, $fds) = growth($nginx, $nginx->master_pid, $before);
            return $fds <= 0;
        }, 20);
    };

    note sprintf '%d reloads: %d attempts, %d acknowledged, %d sent as the '
        . 'server closed, %d failed, %d duplicates; master grew by %d kB and '
        . '%d descriptors', $reloads, $result->attempts, $result->status(200),
        $result->closed, $result->failed, scalar $result->duplicates,
        $rss / 1024, $fds;

    report(
        fault  => 'nginx reloaded with ranges that come and go',
        runs   => $reloads,
        result => $result,
        burned => 'those of ranges that went',
    );

    is $result->status(200) + $result->closed, $result->attempts,
        "$reloads reloads: no request fails";
    is $result->duplicates, 0, '... no number comes twice';
    cmp_ok $fds, '<=', 0, '... the master has as many descriptors as before';
    cmp_ok $rss, '<', 2_000_000, '... and as much memory' if !$sanitized;
    wait_until(sub { connections('reload') <= 4 }, 30, 'few connections');
    pass '... no connection is left behind';
    is_deeply [ $nginx->errors(qr/emerg|alert|crit/) ], [], '... no alert';
}

# Clients that leave while they wait give their places up.
{
    my $proxy = tcp_proxy($pg->port);
    my $nginx = UniqueRandom::Nginx->new(
        level => 'notice',
        http  => 'unique_random_pool abort { lease off; queue 100;'
            . ' wait_timeout 600s; connect_timeout 600s;'
            . ' reserve_timeout 600s; '
            . join(' ', shards('abort', $proxy->port, 0, 1)) . ' }',
        server => 'location = /random { unique_random abort; }'
            . 'location = /status { unique_random_status json; }',
    );
    my ($worker) = $nginx->worker_pids;

    is $nginx->get('/random')->{status}, 200, 'a number';
    my $reserved = sub {
        return $pg->psql('abort0', 'SELECT reserved FROM unique_random.ranges');
    };
    my $then = $reserved->();
    $proxy->hang;

    my $idle = $nginx->fd_count($worker);
    my $before;

    for my $round (1 .. $aborts / 100) {
        my @clients = map { connect_to($nginx) } 1 .. 100;

        print {$_} "GET /random HTTP/1.1\r\nHost: a\r\n\r\n" for @clients;

        # All wait: one more finds no place.
        if ($round % 10 == 1) {
            wait_until(sub { waiting($nginx) == 100 }, 30, 'a full queue');
            is $nginx->get('/random')->{status}, 503, 'the queue is full';
        }

        # Half of them reset, as browsers do.
        setsockopt $_, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0
            for @clients[ 0 .. 49 ];
        close $_ for @clients;

        wait_until(sub { $nginx->fd_count($worker) <= $idle }, 30,
            'their end');
        $before = growth($nginx, $worker) if $round == 5;
    }

    my ($rss) = growth($nginx, $worker, $before);
    note sprintf '%d aborts: the worker grew by %d kB', $aborts, $rss / 1024;

    pass "$aborts clients leave while they wait: no descriptor leaks";

    # A hundred bytes of each; threads that connect may take an arena meanwhile.
    cmp_ok $rss, '<', 1_000_000, '... nor memory' if !$sanitized;

    $proxy->forward;
    wait_until(sub { $nginx->get('/random')->{status} == 200 }, 60, 'a number');
    cmp_ok $reserved->() - $then, '<=', 210,
        '... who has left is given no number';
    is_deeply [ $nginx->errors(qr/emerg|alert|crit/) ], [], '... no alert';
}

# Pipelines, a client that does not read, and HTTP/2.
{
    my $nginx = UniqueRandom::Nginx->new(
        level  => 'notice',
        listen => 'http2',
        http   => 'keepalive_requests 1000000; unique_random_pool many { '
            . "$patient wait_timeout 25s;"
            . join(' ', shards('many', $pg->port, 0, 2)) . ' }'
            . ' server { listen 127.0.0.1:' . (my $port = free_port())
            . '; location = /random { unique_random many; } }',
        server => 'location = /random { unique_random many; }',
    );
    my ($worker) = $nginx->worker_pids;
    my $pipeline = sub {
        my ($socket, $n) = @_;

        my ($batch, %seen, $reply) = (100);

        for (1 .. $n / $batch) {
            print {$socket} "GET /random HTTP/1.1\r\nHost: a\r\n\r\n" x $batch;
            $reply = '';
            while ((my $got = () = $reply =~ /"number":\d+\}/g) < $batch) {
                sysread $socket, $reply, 65536, length $reply or die "$!\n";
            }
            $seen{$_}++ for $reply =~ /"number":(\d+)\}/g;
        }

        return scalar keys %seen;
    };
    my $h2 = sub {
        my ($code, $out) = run(
            command => [ 'h2load', '-n', $_[0], '-c', 8, '-m', 16,
                $nginx->url('/random') ],
            merge => 1,
        );
        return $out =~ /status codes: (\d+) 2xx, 0 3xx, 0 4xx, 0 5xx/ ? $1 : $out;
    };
    my $socket = connect_to($nginx, PeerPort => $port);

    $pipeline->($socket, 5000);
    $h2->(5000);

    my $before = growth($nginx, $worker);

    is $pipeline->($socket, 50_000), 50_000,
        '50,000 requests of one connection, 100 at a time: as many numbers';
    is $h2->(50_000), 50_000, '50,000 requests over HTTP/2';

    # Many requests whose answers nobody reads: nginx stops reading, too.
    my $deaf = connect_to($nginx, PeerPort => $port, Timeout => 5);
    setsockopt $deaf, SOL_SOCKET, SO_RCVBUF, 4096;
    $deaf->blocking(0);
    for (1 .. 2000) {
        last if !defined syswrite $deaf,
            "GET /random HTTP/1.1\r\nHost: a\r\n\r\n" x 20;
    }
    is $pipeline->($socket, 5000), 5000, 'a client that does not read';
    close $deaf;
    close $socket;

    wait_until(sub { $nginx->fd_count($worker) <= $before->{fds} }, 30,
        'the end of connections');
    my ($rss, $fds) = growth($nginx, $worker, $before);
    note sprintf 'the worker grew by %d kB and %d descriptors', $rss / 1024, $fds;
    cmp_ok $rss, '<', 2_000_000, '... no memory leaks' if !$sanitized;
    is_deeply [ $nginx->errors(qr/emerg|alert|crit/) ], [], '... no alert';
}

done_testing;
