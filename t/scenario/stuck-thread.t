# A thread that connects does not come back: it is inside of an open() that
# nothing can end.  That is the trouble of its worker alone, for as long as it
# lasts, and leaves nothing behind.

use strict;
use warnings;

use lib 't/lib';

use Test::More;
use Time::HiRes qw( time );

use UniqueRandom::Client   ();
use UniqueRandom::Gate     ();
use UniqueRandom::Nginx    ();
use UniqueRandom::Postgres ();
use UniqueRandom::Util     qw( read_file wait_gone wait_until );

use constant {
    SIZE => 1_000_000,

    # Requests in a row, between which all has to go on.
    SOME => 200,
};

my $pg = UniqueRandom::Postgres->new;
$pg->create_database('numbers')->apply_schema('numbers');
$pg->psql('numbers', "SELECT unique_random.add('numbers', 1, @{[ SIZE ]})");

my $ca = UniqueRandom::Gate->new(read_file($pg->enable_tls));
my %seen;

# Arguments: the block; parameters of the shard; and those of Nginx->new.
sub nginx {
    my ($block, $shard, %arg) = @_;

    my $url = $pg->url(
        db     => 'numbers',
        params => { sslmode => 'verify-ca', sslrootcert => $ca->path },
    );

    return UniqueRandom::Nginx->new(
        UniqueRandom::Client::by_worker(
            http => <<"EOT",
keepalive_requests 1000000;
unique_random_pool numbers {
    $block
    idle_timeout 10m;
    shard "$url" range=1-@{[ SIZE ]} $shard;
}
EOT
            server => 'location = /random { unique_random; }',
            %arg,
        ),
    );
}

sub number {
    my ($reply) = @_;

    return 0 if !$reply;

    my ($number) = $reply->{content} =~ /\A\{"number":(\d+)\}\z/
        or return 0;

    $seen{$number}++;
    return 1;
}

sub lines {
    my ($nginx, $pattern) = @_;

    return scalar grep {/$pattern/} split /^/, $nginx->error_log;
}

# One that is at the gate.
sub wait_for_thread {
    my ($nginx, $pid) = @_;

    return wait_until(sub { $nginx->thread_count($pid) > 1 }, 20,
        'a thread is out');
}

subtest 'in one worker of two' => sub {
    # One failure is enough to give the shard up.
    my $nginx = nginx(
        'lease off; connect_timeout 500ms; reserve_timeout 20s;'
            . ' wait_timeout 5s;',
        'max_fails=1 fail_timeout=300ms',
        workers => 2,
    );
    my ($stuck, $well) = $nginx->worker_pids;
    my $client = UniqueRandom::Client->of($nginx, $well);

    wait_until(sub { number($client->get('/random')) }, 20,
        'one has a connection');

    $ca->close;
    my $other = UniqueRandom::Client->of($nginx, $stuck);
    $other->send('/random');
    wait_for_thread($nginx, $stuck);
    is $other->reply->{status}, 503, '... the other one has none';
    $nginx->wait_for_log(qr/has not come back for/, 20);

    # That failure is of the shard, since nobody knows better yet.
    wait_until(sub { number($client->get('/random')) }, 20, 'it is due');

    my ($given, $tried) = (0, 0);
    my $begun = time;

    # The stuck one is asked all the time, for longer than fail_timeout.
    while ($given < SOME || time - $begun < 3) {
        $other->send('/random');

        for (1 .. 100) {
            $tried++;
            $given += number($client->get('/random'));
        }

        $other->reply->{status} == 503 or die "a number of the stuck one\n";
    }

    is $given, $tried, '... the one that has it gives a number each time';
    cmp_ok lines($nginx, qr/could not reserve/), '<=', 1,
        '... the shard has failed once';
    is lines($nginx, qr/has not come back for/), 1,
        '... and the thread is told of once';
    is lines($nginx, qr/has come back/), 0, '... it is still away';
    is $nginx->thread_count($stuck), 2, '... there is no other one';

    $ca->open;
    $nginx->wait_for_log(qr/the thread that connects to .* has come back/, 20);
    ok eval {
        wait_until(sub { number($other->get('/random')) }, 20, 'a number');
    }, 'it comes back: numbers of both';
    ok number($client->get('/random')), '... now';
    is lines($nginx, qr/has come back/), 1, '... which is told once';
    ok eval { wait_until(sub { $nginx->thread_count($stuck) == 1 }, 20) },
        '... it has gone';
    ok eval { wait_until(sub { $pg->sessions('numbers') == 2 }, 20) },
        '... the worker uses the connection that it came with';
    is_deeply [ $nginx->errors ], [], '... and no alert';
};

subtest 'in a worker that is about to leave' => sub {
    my $nginx = nginx('lease off; connect_timeout 500ms; wait_timeout 60s;',
        'max_fails=0');
    my ($worker) = $nginx->worker_pids;

    # Requests that have begun keep the worker.
    my @clients = map { UniqueRandom::Client->of($nginx, $worker) } 1 .. 4;
    $_->write("GET /random HTTP/1.1\r\nHost: localhost\r\n") for @clients;
    $nginx->reload(wait => 'new');
    wait_until(sub { $nginx->old_worker_pids == 1 }, 20, 'it is leaving');

    my $last = pop @clients;

    for my $client (@clients) {
        my $failed = lines($nginx, qr/could not reserve/);

        $ca->close;
        $client->write("\r\n");
        wait_for_thread($nginx, $worker);
        wait_until(sub { lines($nginx, qr/could not reserve/) > $failed },
            20, 'the attempt is given up');
        $ca->open;

        ok number($client->reply), 'a number comes when it is back';
    }

    ok eval { wait_until(sub { !$pg->sessions('numbers') }, 20, 'none'); },
        'no session is left of it';
    is_deeply [ $nginx->old_worker_pids ], [$worker], '... while it is there';

    $last->close;
    ok eval { wait_gone(20, $worker); 1 }, '... then it leaves';
    is_deeply [ $nginx->errors ], [], '... and no alert';
};

subtest 'when leases are to go back' => sub {
    my $nginx = nginx('lease min=16 max=16; connect_timeout 10m;'
        . ' wait_timeout 10s;', '');
    my ($worker) = $nginx->worker_pids;
    my $client = UniqueRandom::Client->of($nginx, $worker);

    ok number($client->get('/random')), 'a number, and a lease';

    # So that it has to connect again.
    my $files = $nginx->fd_count($worker);

    $pg->psql('postgres', q{SELECT pg_terminate_backend(pid)}
        . q{ FROM pg_stat_activity WHERE datname = 'numbers'});
    wait_until(sub { $nginx->fd_count($worker) < $files }, 20,
        'the connection has ended');
    $ca->close;

    my $given = 1;

    # The next lease is asked for when half of this one is left.
    wait_until(sub {
        $given += number($client->get('/random'));
        return $nginx->thread_count($worker) > 1;
    }, 20, 'a thread is out');
    cmp_ok $given, '<', 16, '... before the lease is used up';

    my $begun = time;

    $nginx->term;
    note sprintf 'the worker left within %.2f s', time - $begun;
    like $nginx->error_log, qr/[ ][1-9]\d*[ ]positions[ ]of[ ]range[ ]\d+-\d+
        [ ]could[ ]not[ ]be[ ]given[ ]back[ ]to[ ]shard[ ]"[^"]*"
        [ ]and[ ]are[ ]burned:[ ]the[ ]last[ ]attempt[ ]to[ ]connect
        [ ]has[ ]not[ ]come[ ]back$/mx, 'those that are left are burned';
    is_deeply [ $nginx->errors ], [], '... and no alert';
};

is scalar(grep { $_ > 1 } values %seen), 0, 'no number came twice';

done_testing;
