# A worker may stand still, and then be killed, while it holds the lock of the
# zone.  nginx's master frees the lock when it hears of the death, and so must
# not wait for it itself: a reload meanwhile is taken in, all serve again when
# the worker has gone, and nginx can be stopped.

use strict;
use warnings;

use lib 't/lib';

use Test::More;

use UniqueRandom::Client;
use UniqueRandom::Load;
use UniqueRandom::Nginx;
use UniqueRandom::Postgres;
use UniqueRandom::Util
    qw( children is_alive read_file run spawn tmp_dir wait_until );

plan skip_all => 'valgrind is a debugger itself'
    if $ENV{TEST_NGINX_USE_VALGRIND};

my @gdb = qw( gdb -q -nx -batch );

{
    my $pid = spawn(command => [ 'sleep', 60 ]);
    my ($code, $out) = run(
        command => [ @gdb, '-p', $pid, '-ex', 'detach' ],
        merge   => 1,
    );
    kill KILL => $pid;

    plan skip_all => 'there is no gdb'                if $code == 127;
    plan skip_all => 'gdb may not debug: ' . ($out =~ /(ptrace.*)/)[0]
        if $out =~ /ptrace/;
}

use constant SIZE => 100_000;

my $pg = UniqueRandom::Postgres->new;
$pg->create_database('numbers')->apply_schema('numbers');

my @shards = map {
    my ($first, $last) = ($_ * SIZE + 1, ($_ + 1) * SIZE);

    $pg->psql('numbers', "SELECT unique_random.add('numbers', $first, $last)");
    'shard ' . $pg->url(db => 'numbers') . " range=$first-$last name=s$_;";
} 0, 1;

sub pool {
    my ($zone, @shards) = @_;

    return "unique_random_pool numbers { zone $zone; reserve_timeout 10s;"
        . " wait_timeout 15s; @shards }";
}

sub start {
    return UniqueRandom::Nginx->new(
        UniqueRandom::Client::by_worker(
            workers => 2,
            http    => pool('64k', $shards[0]),
            server  => 'location = /random { unique_random; }',
        ),
    );
}

sub state_of {
    my ($pid) = @_;

    return (read_file("/proc/$pid/status") // '') =~ /^State:\s+(\S)/m
        ? $1 : '';
}

# Stops a worker as it is about to free the lock, and returns its pid.
sub hold {
    my ($nginx) = @_;

    my ($worker) = $nginx->worker_pids;
    my $client   = UniqueRandom::Client->of($nginx, $worker);
    my $ready    = tmp_dir() . "/ready-$worker";

    my $gdb = spawn(
        log     => tmp_dir() . "/gdb-$worker",
        command => [
            @gdb, '-p', $worker, map { -ex => $_ }
                'handle all nostop noprint pass',
            'break ngx_shmtx_unlock',
            "shell touch $ready",
            'continue',
            "shell kill -STOP $worker",
            'detach',
        ],
    );

    wait_until(sub { -e $ready || !is_alive($gdb) }, 60, 'gdb has attached');
    $client->send('/random');
    wait_until(sub { !is_alive($gdb) }, 60, 'gdb has left');

    ok eval { wait_until(sub { state_of($worker) eq 'T' }, 20) },
        'a worker stands still'
        or diag(read_file(tmp_dir() . "/gdb-$worker"));

    return ($worker, $client);
}

# Returns when new workers have been started.  Where they never are, the rest
# of the test tells.
sub reload {
    my ($nginx, $http) = @_;

    my %old  = map { $_ => 1 } children($nginx->master_pid);
    my $read = () = $nginx->error_log =~ /reconfiguring/g;

    $nginx->configure(http => $http)->signal('HUP');
    wait_until(
        sub { $read < (() = $nginx->error_log =~ /reconfiguring/g) },
        20, 'the master reads its configuration',
    );

    eval {
        wait_until(sub {
            return grep({ !$old{$_} } $nginx->worker_pids) >= 2
                || $nginx->errors(qr/emerg/);
        }, 3);
    };

    return;
}

# Whether it becomes true, within a time that has nothing to do with speed.
sub comes {
    my ($check, $what) = @_;

    return ok eval { wait_until($check, 15); 1 }, $what;
}

sub number {
    my ($nginx) = @_;

    my $client = UniqueRandom::Client->new($nginx) or return;
    my $reply  = $client->get('/random', 1)        or return;

    return $reply->{status} == 200
        && $reply->{content} =~ /\{"number":(\d+)\}/ ? $1 : undef;
}

sub all_gone {
    my ($signal, @pids) = @_;

    return comes(sub { !grep { is_alive($_) } @pids },
        "SIG$signal: master and workers are gone");
}

my @results;

for (
    [ 'a reload that adds a range', pool('64k', @shards) ],
    [ 'one that changes nothing',   pool('64k', $shards[0]) ],
    [ 'one with another zone',      pool('128k', $shards[0]) ],
    )
{
    my ($what, $http) = @$_;

    my $nginx = start();
    my ($held, $client) = hold($nginx);
    my %old = map { $_ => 1 } $nginx->worker_pids;

    reload($nginx, $http);
    kill KILL => $held;

    # It need not wait for memory of the zone, but then says so.
    reload($nginx, $http) if $nginx->errors(qr/emerg/);

    my $serves = comes(
        sub {
            my @workers = $nginx->worker_pids;
            return @workers == 2 && !grep({ $old{$_} } @workers)
                && $nginx->old_worker_pids == 0;
        },
        "$what: new workers are there, and the old ones gone",
    );

    if ($serves && comes(sub { number($nginx) }, '... there are numbers')) {
        my $take = sub {
            push @results, UniqueRandom::Load->new(port => $nginx->port,
                count => 1000)->run;
            return $results[-1];
        };

        is_deeply $take->()->status, { 200 => 1000 }, '... to all who ask';

        my $of_other = sub { grep { $_ > SIZE } $results[-1]->numbers };

        # Who answers first is asked first.
        eval { wait_until(sub { $take->(); $of_other->() }, 15) }
            if $http =~ /s1/ && !$of_other->();

        is !!$of_other->(), $http =~ /s1/,
            '... of the ranges that are configured';
    }

    my @pids = ($nginx->master_pid, children($nginx->master_pid));

    $nginx->signal('QUIT');
    all_gone('QUIT', @pids) or $nginx->kill9;
}

for my $signal (qw( TERM QUIT )) {
    my $nginx = start();
    my ($held, $client) = hold($nginx);

    reload($nginx, pool('64k', @shards));

    my @pids = ($nginx->master_pid, children($nginx->master_pid));

    # That the master kills what does not end by itself is TERM's way alone.
    $nginx->signal($signal);
    kill KILL => $held if $signal eq 'QUIT';

    all_gone($signal, @pids) or $nginx->kill9;
}

is scalar(UniqueRandom::Load->merge(@results)->duplicates), 0,
    'no number came twice';

done_testing;
