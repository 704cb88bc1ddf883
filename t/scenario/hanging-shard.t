# Nothing that a shard fails to say, and nothing that has to be done before it
# can be asked, blocks a worker: while one hangs, in whatever phase, the worker
# goes on with everything else it does, takes numbers from the other shard, and
# leaves when it is told to.

use strict;
use warnings;

use Test::More;
use Time::HiRes qw( sleep time );

use UniqueRandom::Client   ();
use UniqueRandom::Gate     ();
use UniqueRandom::Load     ();
use UniqueRandom::Nginx    ();
use UniqueRandom::Postgres ();
use UniqueRandom::Server   ();
use UniqueRandom::Util     qw(
    black_hole free_port full_backlog read_file silent_name_server tmp_dir
    wait_gone wait_until write_file
);

use constant {
    RANGE   => 10_000_000,
    TIMEOUT => 3,

    # Far below the time that the shard hangs, and enough for a machine that
    # is busy with something else.
    SLOW => 2,

    # What a worker may take to leave: a second to give leases back, and some
    # for the machine.
    LEAVE => 5,

    # More than any test waits for.
    NEVER => 600,

    ROUNDS => 2_147_483_647,

    # The server says these: the promise of TLS, its hello, the change of
    # cipher, its extensions, certificate, proof and end, tickets if it has
    # any, two of them, and that we are in.
    RECORDS => 9,
};

my @in = (R => pack 'N', 0);
my ($in, $parameter, $notice) = map { UniqueRandom::Server::message(@$_) }
    \@in, [ S => "a\0b\0" ], [ N => "SNOTICE\0Mwait\0\0" ];

my $healthy = UniqueRandom::Postgres->new(name => 'healthy');
my ($first, $last) = (1, RANGE);
$healthy->create_database('numbers')->apply_schema('numbers');
$healthy->psql('numbers', "SELECT unique_random.add('numbers', $first, $last)");

my $hanging = UniqueRandom::Postgres->new(name => 'hanging');
($first, $last) = (RANGE + 1, 2 * RANGE);
$hanging->create_database('numbers')->apply_schema('numbers');
$hanging->psql('numbers', "SELECT unique_random.add('numbers', $first, $last)");
my $ca = $hanging->enable_tls;

my @results;

# How many connections hang by now, as a function, by the name of the shard.
my %reached;

my $backlog = free_port();
my $held    = full_backlog('127.0.0.1', $backlog);

# Each: what hangs, in words; the shards by name; more arguments of try().
# "stuck" is where a thread does not come back by itself.
my @silent = (
    'that says nothing',
    {
        backlog => url($backlog),
        deaf(),
        server(in_tls => sub { $_[0]->tls->silence }, sslmode => 'require'),
        server(in_auth => sub {
            my ($link) = @_;
            $link->startup->message(R => pack 'N', 3);
            $link->expect('p');
            $link->silence;
        }),
        server(is_in => sub { $_[0]->startup->message(@in)->silence }),
    },
);

my @tls = (
    'whose TLS stands still',
    { map { stands_still($_) } 0 .. RECORDS },
);

my @slow = (
    'that says something all the time',
    {
        server(bytes => sub {
            $_[0]->startup->trickle(1, $in . $parameter x 100);
        }),
        server(parameters => sub {
            $_[0]->startup->message(@in)->repeat(0.1, $parameter);
        }),
        server(notices => sub {
            $_[0]->startup->message(@in)->repeat(0.1, $notice);
        }),
        server(error => sub {
            $_[0]->startup->write(pack 'a N', 'E', 0x3fffffff)
                ->repeat(0.01, 'x' x 1000);
        }),
    },
);

my @rounds = (
    'that asks for rounds',
    { server(rounds => sub { $_[0]->scram(ROUNDS)->silence }) },
    stuck => 1,
);

my @files = (
    'with files that cannot be read',
    {
        sslrootcert => tls_url(sslrootcert => fifo()),
        sslcert     => tls_url(sslrootcert => $ca, sslcert => fifo()),
        sslcrl      => tls_url(sslrootcert => $ca, sslcrl  => fifo()),
    },
    stuck => 1,
);

my @name = (
    'whose name nobody knows',
    { name => 'host=unknown.example user=postgres dbname=numbers' },
    stuck => 1,
    files => unknown(),
);

for my $case (\@silent, \@tls, \@slow, \@rounds, \@files, \@name) {
    my ($name, $shards, %arg) = @$case;

    subtest "a shard $name" => sub {
        my $why = $arg{files} && UniqueRandom::Nginx->why_no_files;
        plan skip_all => $why if $why;

        try($shards, %arg);
        leaves($shards, %arg);
    };
}

subtest 'a shard that asks for what takes long to compute' => sub {
    costs(server(costs => sub {
        my ($link) = @_;
        $link->scram(600_000)->expect('p');
        $link->reach;
    }));
};

subtest 'a shard whose certificates take long to read' => sub {
    my $bundle = tmp_dir() . '/bundle.crt';
    my $range  = join '-', RANGE + 1, 2 * RANGE;

    write_file($bundle, read_file($ca) x 500);

    # Each number on a connection of its own, however long that takes.
    my $nginx = UniqueRandom::Nginx->new(
        workers => 1,
        http    => 'unique_random_pool numbers { lease off; idle_timeout 1ms;'
            . ' connect_timeout 60s; wait_timeout 60s;'
            . ' shard ' . $hanging->url(
            db     => 'numbers',
            params => { sslmode => 'verify-ca', sslrootcert => $bundle },
            ) . " range=$range; }",
    );
    my ($worker) = $nginx->worker_pids;

    my $given = 0;

    for (1 .. 20) {
        $given += load($nginx, count => 1)->status(200);
        sleep 0.02;
    }

    is $given, 20, 'numbers are given';
    served_by_others($nginx, $worker);
};

subtest 'a shard that says nothing to a query' => sub {
    try(
        { hanging => $hanging->url(db => 'numbers') },
        before => sub {
            my ($nginx) = @_;

            # It hangs on a connection that it has used.
            wait_until(sub {
                return grep { $_ > RANGE } load($nginx, count => 200)->numbers;
            }, 20, 'both shards have given numbers');

            $hanging->pause;
        },
    );
    $hanging->resume;
};

for my $case (\@silent, \@slow, \@rounds, \@files, \@name) {
    my ($name, $shards, %arg) = @$case;

    subtest "no shard but one $name" => sub {
        my $why = $arg{files} && UniqueRandom::Nginx->why_no_files;
        plan skip_all => $why if $why;

        alone($shards, %arg);
    };
}

is_deeply [ UniqueRandom::Load->merge(@results)->duplicates ], [],
    'no number came twice in all this time';

done_testing;

# The shards hang beside one that does not.
sub try {
    my ($shards, %arg) = @_;

    my $nginx = nginx($shards, timeout => TIMEOUT, %arg);

    $arg{before}->($nginx) if $arg{before};

    my $load = UniqueRandom::Load->new(
        port        => $nginx->port,
        path        => '/slow',
        connections => 8,
        processes   => 1,
        duration    => 120,
    )->start;

    my $pings = watch($nginx, sub {
        my $log = $nginx->error_log;

        for my $name (keys %$shards) {
            return if $log !~ /"$name".*timed out/;
        }

        return 1;
    }, 60, 'the time of the hanging shards is over');

    my $result = $load->stop->finish;
    push @results, $result;

    note sprintf '%d attempts, %d acknowledged, %d refused, %d failed, '
        . '%d duplicates, %d out of range',
        $result->attempts, $result->status(200), $result->status(503),
        $result->failed, scalar $result->duplicates,
        scalar $result->out_of_range(1, 2 * RANGE);

    cmp_ok $pings, '>', 20, 'the worker answers other requests meanwhile';
    cmp_ok $result->attempts, '>', 8, 'it is asked for numbers meanwhile';
    is $result->status(200), $result->attempts,
        'everyone gets one, from the other shard';
    is $result->duplicates, 0, 'no number comes twice';

    reported($nginx, $shards) if $arg{stuck};

    $nginx->term;
    is_deeply [ $nginx->errors ], [], 'nothing is wrong in the error log';

    return;
}

# What is stuck is said once, however often its shard is due again.
sub reported {
    my ($nginx, $shards) = @_;

    my $threads = sub {
        my ($name) = @_;
        return grep {/ \[warn\] .*a thread that connects to .*"$name"/}
            split /^/, $nginx->error_log;
    };

    my $since = time;

    # The shards are due again each second.
    wait_until(sub {
        load($nginx, count => 10);
        return time - $since > 3;
    }, 20, 'the shards are due again');

    for my $name (sort keys %$shards) {
        my @lines = $threads->($name);

        is @lines, 1, "the thread of $name is reported, once";
        note $lines[0] // 'not at all';
    }

    return;
}

# What it costs to connect is not paid by the thread that serves.
sub costs {
    my (%shards) = @_;

    my ($name)   = keys %shards;
    my $nginx    = nginx(\%shards, timeout => 60);
    my ($worker) = $nginx->worker_pids;
    my $load     = UniqueRandom::Load->new(
        port        => $nginx->port,
        path        => '/slow',
        connections => 8,
        processes   => 1,
        duration    => 120,
    )->start;

    watch($nginx, sub { $reached{$name}->() >= 6 }, 60, 'some connects');
    push @results, $load->stop->finish;

    served_by_others($nginx, $worker);

    return;
}

sub served_by_others {
    my ($nginx, $worker) = @_;

    my ($all, $serves) = map { $nginx->cpu_time($_) }
        $worker, "$worker/task/$worker";

    note sprintf 'the worker took %.2f s, of these its first thread %.2f s',
        $all, $serves;
    cmp_ok $serves, '<', $all / 2, 'most of it is taken by others';

    return;
}

# While it connects, and would do so for ever.
sub leaves {
    my ($shards, %arg) = @_;

    for my $signals ([qw( HUP QUIT )], ['TERM']) {
        my $nginx = nginx($shards, timeout => NEVER, %arg);

        for my $signal (@$signals) {
            my ($worker) = $nginx->worker_pids;

            my %before = map { $_ => $reached{$_}->() } keys %reached;

            wait_until(sub {
                load($nginx, count => 16)->status(200) == 16
                    or die "no numbers\n";
                return !grep { $reached{$_} && $reached{$_}->() == $before{$_} }
                    keys %$shards;
            }, 20, 'all hang');

            my $started = time;

            $nginx->signal($signal);
            wait_gone(30, $worker);

            my $took = time - $started;
            note sprintf '%s: the worker left within %.3f s', $signal, $took;
            cmp_ok $took, '<', LEAVE, "$signal ends the worker";

            wait_until(sub { $nginx->worker_pids }, 20, 'a new worker')
                if $signal eq 'HUP';
        }

        $nginx->term;
        is_deeply [ $nginx->errors ], [], 'nothing is wrong in the error log';
    }

    return;
}

# Nobody else has numbers.
sub alone {
    my ($shards, %arg) = @_;

    my $nginx = nginx($shards, timeout => NEVER, %arg, alone => 1);
    my ($worker) = $nginx->worker_pids;
    my $load = UniqueRandom::Load->new(
        port        => $nginx->port,
        connections => 8,
        processes   => 1,
        count       => 16,
    )->start;
    my $started = time;

    watch($nginx, sub { time - $started > 3 }, 20, 'all were refused');

    my $result = $load->finish;

    is $result->status(503), $result->attempts, 'everybody is refused';
    cmp_ok $result->elapsed, '<', 2 * (1 + SLOW), '... in time';
    is_deeply [ $nginx->worker_pids ], [$worker], 'the worker lives';
    $nginx->term;
    is_deeply [ $nginx->errors ], [], 'nothing is wrong in the error log';

    return;
}

# Asks the worker for something else, every few milliseconds, until it is so.
sub watch {
    my ($nginx, $until, $timeout, $what) = @_;

    my $client = UniqueRandom::Client->new($nginx) or die "connect: $!\n";
    my $failed = 0;
    my @took;

    wait_until(sub {
        for (1 .. 10) {
            my $start = time;
            my $reply = $client->get('/health', 10);

            push @took, time - $start;

            if (!$reply || $reply->{status} != 204) {
                $failed++;
                $client = UniqueRandom::Client->new($nginx);
            }

            sleep 0.003;
        }

        return $until->();
    }, $timeout, $what);

    @took = sort { $a <=> $b } @took;

    note sprintf '%d requests for something else: p50 %.1f ms, p99 %.1f ms, '
        . 'p99.9 %.1f ms, the slowest %.1f ms', scalar @took,
        map { 1000 * $took[ $_ * $#took ] } 0.5, 0.99, 0.999, 1;

    is $failed, 0, 'each request for something else is answered';
    cmp_ok $took[-1], '<', SLOW, 'without delay';

    return scalar @took;
}

sub load {
    my ($nginx, %arg) = @_;

    my $result = UniqueRandom::Load->new(port => $nginx->port, %arg)->run;
    push @results, $result;
    return $result;
}

# With a range for each of the shards, and for the healthy one.
sub nginx {
    my ($shards, %arg) = @_;

    my $i     = 0;
    my $range = sub {
        my ($from, $to) = ($i * RANGE + 1, ($i + 1) * RANGE);
        $i++;
        return "range=$from-$to";
    };

    my @lines = 'shard ' . $healthy->url(db => 'numbers') . ' '
        . $range->() . ($arg{alone} ? ' down;' : ';');

    push @lines, "shard \"$shards->{$_}\" " . $range->()
        . " name=$_ fail_timeout=1s max_fails=1;" for sort keys %$shards;

    my $wait = $arg{alone} ? 1 : 60;

    # A worker waits for the reply to what it has asked.
    my $reserve = $arg{timeout} == NEVER ? 1 : $arg{timeout};

    # Where many want a number, some wait for it, and have all shards asked
    # that are due and have not answered yet.
    return UniqueRandom::Nginx->new(
        workers => 1,
        files   => $arg{files} // {},
        http    => <<"EOT",
keepalive_requests 1000000;
limit_req_zone \$server_port zone=slow:1m rate=500r/s;
limit_req_log_level info;
unique_random_pool numbers {
    lease min=1 max=1;
    connect_timeout $arg{timeout}s;
    reserve_timeout ${reserve}s;
    wait_timeout ${wait}s;
    @lines
}
EOT
        server => <<'EOT',
location = /random { unique_random; }
location = /slow { limit_req zone=slow burst=100; unique_random; }
location = /health { return 204; }
EOT
    );
}

sub url {
    my ($port, %params) = @_;

    return $healthy->url(
        db       => 'numbers',
        port     => $port,
        password => 'secret',
        params   => \%params,
    );
}

sub tls_url {
    my (%params) = @_;

    return $hanging->url(
        db     => 'numbers',
        params => { sslmode => 'verify-ca', %params },
    );
}

# Whose open() does not return.
sub fifo {
    return UniqueRandom::Gate->new('')->close->path;
}

# Files by which nobody knows a name.
sub unknown {
    return {} if UniqueRandom::Nginx->why_no_files;

    my ($socket, $files) = silent_name_server();
    my $asked = 0;

    $reached{name} = sub {
        my $question;
        $asked++ while defined $socket->recv($question, 512);
        return $asked;
    };

    return $files;
}

# Shards, each as a name and its URL: one that is accepted and no more,
sub deaf {
    my $hole = black_hole();

    $reached{deaf} = sub { $hole->connections };
    return deaf => url($hole->port);
}

# one that does as the code says,
sub server {
    my ($name, $code, %params) = @_;

    my $server = UniqueRandom::Server->new($code);

    $reached{$name} = sub { $server->reached };
    return $name => url($server->port, %params);
}

# and one that says nothing after so many pieces of the handshake.
sub stands_still {
    my ($n) = @_;

    return server("tls$n" => sub {
        $_[0]->relay($hanging->port, sub { $_[0] < $n ? $_[1] : undef });
    }, sslmode => 'verify-ca', sslrootcert => $ca);
}
