# Reloads and deaths while half of what connects hangs: what threads wait for
# does not keep a process, a descriptor or memory, and delays no reload.

use strict;
use warnings;

use POSIX ();
use Test::More;
use Time::HiRes qw( sleep time );

use UniqueRandom::Load     ();
use UniqueRandom::Nginx    ();
use UniqueRandom::Postgres ();
use UniqueRandom::Server   ();
use UniqueRandom::Storm    ();
use UniqueRandom::Util     qw(
    black_hole children read_file silent_name_server tmp_dir wait_until
);

my ($variant) = ($ENV{TEST_NGINX_LOAD_MODULES} // '') =~ m{/build/([at]san)/};
my $valgrind = $ENV{TEST_NGINX_USE_VALGRIND};

# ThreadSanitizer has two of its own.
my $own_threads = ($variant // '') eq 'tsan' ? 2 : 0;

my $reloads = $valgrind || $own_threads ? 150 : $variant ? 300 : 1000;

use constant {
    RANGE       => 10_000_000,
    MASTERS     => 3,
    WORKERS     => 2,
    CONNECTIONS => 8,
};

my (@clusters, @shards);

for my $i (0, 1) {
    my ($pg, $shard) = UniqueRandom::Postgres->new_shard($i, RANGE);

    push @clusters, $pg;
    push @shards, "shard $shard name=s$i max_fails=0;";
}

my $ca   = $clusters[0]->enable_tls;
my $hole = black_hole();
my $fifo = tmp_dir() . '/fifo';
POSIX::mkfifo($fifo, 0644) or die "mkfifo: $!\n";

# Rounds take a processor, so there are only a few who have to count them.
my $rounds = UniqueRandom::Server->new(sub {
    my ($link) = @_;

    return $$ % 50 ? $link->startup->silence
        : $link->scram(2_147_483_647)->silence;
});

my %hanging = (
    hole   => $clusters[0]->url(db => 'numbers', port => $hole->port),
    rounds => $clusters[0]->url(
        db       => 'numbers',
        port     => $rounds->port,
        password => 'secret',
    ),
    file => $clusters[0]->url(
        db     => 'numbers',
        params => { sslmode => 'verify-ca', sslrootcert => $fifo },
    ),
);
my ($name_server, $files);

if (my $why = UniqueRandom::Nginx->why_no_files) {
    note "without a silent name server: $why";

} else {
    ($name_server, $files) = silent_name_server();
    $hanging{name} = 'host=unknown.example user=postgres dbname=numbers';
}

my $i = @shards;

for my $name (sort keys %hanging) {
    push @shards, sprintf 'shard "%s" range=%d-%d name=%s max_fails=0;',
        $hanging{$name}, $i * RANGE + 1, ($i + 1) * RANGE, $name;
    $i++;
}

my $storm = UniqueRandom::Storm->new(
    masters => MASTERS,
    kills   => 0.3,

    # The cache manager.
    others => 1,
    nginx   => {
        workers => WORKERS,
        files   => $files // {},
        http    => 'limit_req_zone $server_port zone=slow:1m rate=500r/s;'
            . ' limit_req_log_level info;',
        server  => 'location = /random { limit_req zone=slow burst=100;'
            . ' unique_random; }',
    },
    pool => sub {
        my ($i, $nginx) = @_;

        # Small leases, so that requests wait, and have all shards asked.
        return 'unique_random_pool numbers { lease min=1 max=8;'
            . ' connect_timeout 500ms; state ' . $nginx->dir . '/state;'
            . " @shards }";
    },
);

my $most    = 0;
my $started = time;
my @results;

# The first ones make what stays.
my $ok     = stretch($reloads / 10);
my @before = map { usage($_) } $storm->nginxes;
$ok &&= stretch($reloads);

note sprintf '%d reloads in %.0f s, %d were seen to serve, the slowest after'
    . ' %.2f s; %d kills; at most %d threads in a worker', $storm->done,
    time - $started, $storm->served, $storm->slowest, $storm->killed, $most;

if (!ok $ok, 'the masters take every reload') {
    $_->kill9 for $storm->nginxes;
    done_testing;
    exit;
}

# Three of ten on average, of 150 at least.
cmp_ok $storm->killed, '>=', $reloads / 15, 'many workers were killed';
cmp_ok $most, '>', 1 + $own_threads, 'threads connected';

cmp_ok $most, '<=', 1 + @shards + $own_threads,
    '... no more than one for each shard and worker';

# What was closed on the other side is closed when a worker has seen that.
my @after = map { rest($_) } 0 .. MASTERS - 1;

for my $n (0 .. MASTERS - 1) {
    my ($before, $after) = ($before[$n], $after[$n]);

    for my $what (sort keys %$before) {
        note "master $n: $what: $before->{$what}, then $after->{$what}";
        next if !judged($what);

        cmp_ok $after->{$what}, '<=',
            allowed($before, $what),
            "master $n: as many or as much as before: $what";
    }
}

for my $nginx ($storm->nginxes) {
    my $master = $nginx->master_pid;

    # One whose death the master has not heard of.
    ok eval {
        wait_until(sub {
            return !grep { (read_file($_) // '') =~ /\) Z $master / }
                glob '/proc/[0-9]*/stat';
        }, 20, 'it has heard of all');
    }, 'no zombie is left';

    my @errors = grep {
        !/worker process \d+ exited on signal 9/
            && !/cache manager process \d+ exited on signal 9/
            && !/shared memory zone ".*" was locked by/
    } $nginx->errors;
    is_deeply \@errors, [], '... nothing else is wrong in the error log';

    my $quit = time;
    $nginx->quit;
    note sprintf 'QUIT took %.2f s', time - $quit;
}

my $all = UniqueRandom::Load->merge(@results);

note sprintf '%d attempts, %d acknowledged, %d failed, %d closed, %d refused, '
    . '%d duplicates', $all->attempts, $all->status(200), $all->failed,
    $all->closed, $all->status(503), scalar $all->duplicates;

cmp_ok $all->status(200), '>', $reloads, 'numbers were given meanwhile';
is $all->duplicates, 0, 'no number comes twice';
is $all->out_of_range(1, 2 * RANGE), 0, 'no number is out of range';
is_deeply [ $all->malformed ], [], 'every answer is to the letter';

done_testing;

# So many reloads in all, under load; and all is quiet afterwards.
sub stretch {
    my ($reloads) = @_;

    my @loads = map {
        UniqueRandom::Load->new(
            port        => $_->port,
            connections => CONNECTIONS,
            processes   => 1,
            duration    => 280,
            deadline    => 290,
        )->start
    } $storm->nginxes;

    my $ok = $storm->run($reloads, sub {
        for my $worker (map { $_->worker_pids } $storm->nginxes) {
            next if ((stat "/proc/$worker/task")[3] // 0) - 2 <= $most;

            my $threads = threads($worker);
            $most = $threads if $threads > $most;
        }
    });

    push @results, map { $_->stop->finish } @loads;

    $storm->settle if $ok;
    return $ok;
}

sub threads {
    my ($pid) = @_;

    # The kernel may still have one that was joined: it is exiting (PF_EXITING).
    return scalar grep {
        (read_file($_) // '') =~ /\) \S (?:\S+ ){5}(\d+) / && !($1 & 4);
    } glob "/proc/$pid/task/[0-9]*/stat";
}

# What master $n has, once that is no more than before; or after a while.
sub rest {
    my ($n) = @_;

    my ($nginx, $before) = (($storm->nginxes)[$n], $before[$n]);
    my $usage;

    eval {
        wait_until(sub {
            $usage = usage($nginx);
            return !grep { $usage->{$_} > allowed($before, $_) }
                grep { judged($_) } keys %$usage;
        }, 10);
    };
    return $usage;
}

# What is measured of the memory with a sanitizer is the sanitizer.
sub judged {
    my ($what) = @_;

    return $what ne 'memory' || !($variant || $valgrind);
}

sub allowed {
    my ($before, $what) = @_;

    return $before->{$what} + ($what eq 'memory' ? 2_000_000 : 0);
}

# What the processes of an nginx have, all together and each at most.
sub usage {
    my ($nginx) = @_;

    my $master  = $nginx->master_pid;
    my @workers = $nginx->worker_pids;
    my %worker  = map { $_ => 1 } @workers;
    my @all     = ($master, children($master));
    my ($manager) = grep { !$worker{$_} && $_ != $master } @all;

    my $max = sub { (sort { $b <=> $a } @_)[0] };

    return {
        processes              => scalar @all,
        threads                => $max->(map { threads($_) } @all),
        'files of the master'  => $nginx->fd_count($master),
        'files of a worker'    => $max->(map { $nginx->fd_count($_) } @workers),
        'files of the manager' => $nginx->fd_count($manager),
        memory                 => $nginx->rss($master),
    };
}
