# Nothing that a shard fails to say, and nothing that has to be done before it
# can be asked, blocks a worker: while one hangs, in whatever phase, the worker
# goes on with everything else it does, takes numbers from the other shard, and
# leaves when it is told to.  hanging-alone.t has no other shard.

use strict;
use warnings;

use Test::More;
use Time::HiRes qw( sleep time );

use UniqueRandom::Hanging qw(
    RANGE NEVER $hanging $ca cases nginx reached server watch
);
use UniqueRandom::Load  ();
use UniqueRandom::Nginx ();
use UniqueRandom::Util  qw(
    read_file tmp_dir wait_gone wait_until write_file
);

use constant {
    TIMEOUT => 9,

    # What the worker is not late by because of a shard: a machine may be.
    LATE => 6,

    # What a worker may take to leave: a second to give leases back, and some
    # for the machine; a shard takes ten minutes.
    LEAVE => 30,
};

my @results;

for my $case (cases(qw( silent tls slow rounds files name ))) {
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
    }, 60, 'the time of the hanging shards is over', LATE);

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

    watch($nginx, sub { reached($name) >= 6 }, 60, 'some connects', 20);
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

            my %before = map { $_ => reached($_) } keys %$shards;

            wait_until(sub {
                load($nginx, count => 16)->status(200) == 16
                    or die "no numbers\n";
                return !grep { defined $before{$_}
                        && reached($_) == $before{$_} } keys %$shards;
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

sub load {
    my ($nginx, %arg) = @_;

    my $result = UniqueRandom::Load->new(port => $nginx->port, %arg)->run;
    push @results, $result;
    return $result;
}
