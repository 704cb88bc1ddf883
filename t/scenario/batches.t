# Workers take positions out of the zone many at a time.  What one holds and
# does not issue comes back to the others, to the database at a stop, and is
# never issued when its range may not be: so pools are issued to the last one.

use strict;
use warnings;

use lib 't/lib';

use JSON::PP qw( decode_json );
use Test::More;

use UniqueRandom::Client;
use UniqueRandom::Load;
use UniqueRandom::Nginx;
use UniqueRandom::Postgres;
use UniqueRandom::Util qw( free_port wait_until );

# Large leases, of which a worker takes 64 positions at a time.
use constant { SIZE => 1_000_000, LEASE => 10_000 };

my $pg = UniqueRandom::Postgres->new;
my %config;

# An nginx whose pool is one range, which begins with as many positions
# reserved.
sub nginx {
    my ($pool, %arg) = @_;

    $pg->create_database($pool)->apply_schema($pool);
    $pg->psql($pool, "SELECT unique_random.add('$pool', 1, @{[ SIZE ]})");
    $pg->psql($pool, "SELECT unique_random.accept('$pool', 1,"
        . " at_least => $arg{reserved})")
        if $arg{reserved};

    $config{$pool} = {
        workers => $arg{workers} // 4,
        http    => 'keepalive_requests 1000000;'
            . " unique_random_pool $pool {"
            . ' connect_timeout 20s; reserve_timeout 20s;'
            . ' wait_timeout ' . ($arg{wait} // '8s') . ';'
            . ' lease min=' . LEASE . '; shard ' . $pg->url(db => $pool)
            . " range=1-@{[ SIZE ]} fail_timeout=1s; }",
        server  => ($arg{server} // '')
            . 'location = /status { unique_random_status json; }'
            . 'location = /pid { return 200 $pid; }'
            . "location = /random { unique_random $pool;}",
    };

    $config{$pool}{listen} = 'reuseport' if $arg{by_worker};

    return UniqueRandom::Nginx->new(%{ $config{$pool} });
}

# Stops the database when no reservation is under way, which would be lost.
sub stop_database {
    my ($pool) = @_;

    wait_until(sub {
        return $pg->psql('postgres', 'SELECT count(*) FROM pg_stat_activity'
            . " WHERE datname = '$pool' AND state <> 'idle'") == 0;
    }, 20, 'the database is at rest');

    $pg->stop;
    return;
}

sub load {
    my ($nginx, %arg) = @_;

    return UniqueRandom::Load->new(port => $nginx->port, %arg)->run;
}

sub reserved {
    my ($pool) = @_;

    return $pg->psql($pool, 'SELECT reserved FROM unique_random.ranges');
}

sub returned {
    my ($pool) = @_;

    return $pg->psql($pool,
        'SELECT coalesce(sum(stop - start), 0) FROM unique_random.returned');
}

# Where only the answer of a commit was too late, what is burned is returned.
sub accounts {
    my ($pool, $known, $late, $what) = @_;

    my $reserved = reserved($pool);
    $known += returned($pool);

    return ok($known <= $reserved && $known + $late >= $reserved, $what)
        || diag "$known of $reserved, $late too late";
}

{
    my $nginx = nginx('idle');
    my $many  = load($nginx, connections => 32, count => 500);

    stop_database('idle');

    # One connection, so it is one worker that finds them all.
    my $one = load($nginx, connections => 1, until => 503);
    my $all = UniqueRandom::Load->merge($many, $one);

    $pg->start;
    my $reserved = reserved('idle');

    note sprintf '%d and %d of %d', $many->status(200), $one->status(200),
        $reserved;
    is $all->status(200), $reserved,
        'what workers that are idle have taken, another one issues';
    is $all->duplicates, 0, '... no number twice';
}

# More than there are places for what comes back.
{
    my $port  = free_port();
    my $nginx = nginx('crowd',
        workers => 60,
        server  => "listen 127.0.0.1:$port reuseport;",
    );

    is $nginx->get('/random')->{status}, 200, 'a number';

    my $many = load($nginx, port => $port, connections => 400, count => 2000);

    stop_database('crowd');

    my $one = load($nginx, connections => 1, until => 503);

    $pg->start;

    is 1 + $many->status(200) + $one->status(200), reserved('crowd'),
        'many workers that become idle at once put everything back';

    # And at once.
    wait_until(sub { $nginx->get('/random')->{status} == 200 }, 30,
        'a number again');

    my $again = load($nginx, port => $port, connections => 400, count => 2000);

    $nginx->stop;

    my $burned = 0;
    $burned += $_
        for $nginx->error_log =~ /(\d+) positions that this worker had/g;

    note "$burned burned";
    accounts('crowd',
        2 + $many->status(200) + $one->status(200) + $again->status(200)
            + $burned,
        $nginx->too_late,
        '... and when they are told to stop, all but what is logged');
}

{
    my $nginx = nginx('stop');
    my $given = 0;

    $nginx->stop_in_time(sub {
        $given += load($nginx, connections => 32, count => 500)->status(200);
    });

    accounts('stop', $given, $nginx->too_late,
        'what workers hold when they are told to stop is given back, in time');
}

# The others have used up the pool while one worker still holds a few: 409 must
# not be said before these have come back.
{
    my $left  = 800;
    my $nginx = nginx('last', reserved => SIZE - $left, wait => '20s',
        by_worker => 1);

    my ($idle, $busy) = map { UniqueRandom::Client->of($nginx, $_) }
        ($nginx->worker_pids)[ 0, 1 ];

    # The idle one takes a batch, and uses one number of it.
    $left -= () = ask($idle, 1) =~ /"number"/g;

    my $reply = ask($busy, $left + 10);
    my $given = () = $reply =~ /"number"/g;
    my $over  = () = $reply =~ /^409 /mg;

    is $given, $left, 'the last numbers come, though a worker held some';
    is $over, 10, '... and then 409';
}

# A backup is accepted as if nothing had been lost, and another nginx is given
# what this one holds.  It learns of the new life with a batch in its hand.
{
    my $nginx = nginx('life', workers => 1, wait => '20s');
    my $other = UniqueRandom::Nginx->new(%{ $config{life} });

    # One more batch, and half of the lease is gone: time to fetch the next.
    my $client = UniqueRandom::Client->new($nginx);
    ask($client, 78 * 64);

    $pg->psql('life', 'UPDATE unique_random.ranges SET reserved = 0');
    $pg->psql('life', "SELECT unique_random.accept('life', 1, advance => 0)");

    my $theirs = load($other, connections => 1, processes => 1,
        count => LEASE + 2000);
    my %theirs = map { $_ => 1 } @{ $theirs->{numbers} };

    # The first one asks, and the reply tells.
    ask($client, 1);
    wait_until(sub {
        my $status = decode_json($nginx->get('/status')->{content});
        return $status->{pools}[0]{ranges}[0]{burned}{life};
    }, 30, 'the next lease');

    my @ours = ask($client, 60) =~ /"number":(\d+)/g;

    is @ours, 60, 'a range goes on in a new life';
    is grep({ $theirs{$_} } @ours), 0,
        '... without what is held from the one before';
}

# Asks $n times at once, and returns the answers, to the first that is missing.
sub ask {
    my ($client, $n) = @_;

    $client->write("GET /random HTTP/1.1\r\nHost: a\r\n\r\n" x $n);

    my @answers;

    for (1 .. $n) {
        my $reply = $client->reply;

        push @answers,
            $reply ? "$reply->{status} $reply->{content}" : 'no answer';
        last if !$reply;
    }

    return join "\n", @answers;
}

{
    my $nginx = nginx('fenced', workers => 1, wait => '5s');

    is $nginx->get('/random')->{status}, 200, 'a range gives numbers';

    $pg->psql('fenced', 'UPDATE unique_random.ranges SET reserved = 0');

    my $given = 0;

    while (!grep { /is fenced/ } $nginx->errors(qr/alert/)) {
        $nginx->get('/random')->{status} == 200 or last;
        last if $given++ > LEASE;
    }

    cmp_ok $given, '<', LEASE, '... until it is seen to be wrong';
    is $nginx->get('/random')->{status}, 503,
        '... and then none, whatever its worker holds';
}

done_testing;
