# A client that gives up waiting takes no number with it, and there is an end
# to how many may wait.

use strict;
use warnings;

use IO::Socket::INET;
use Socket qw( SOL_SOCKET SO_LINGER );
use Test::More;

use UniqueRandom::Load     ();
use UniqueRandom::Nginx    ();
use UniqueRandom::Postgres ();
use UniqueRandom::Util     qw( tcp_proxy wait_until );

use constant {
    RANGE => 1000,
    LEAVE => 50,
    QUEUE => 10,
};

my $pg = UniqueRandom::Postgres->new;
$pg->create_database('numbers')->apply_schema('numbers');
$pg->psql('numbers', "SELECT unique_random.add('$_', 1, @{[ RANGE ]})")
    for qw( left queued );

my $proxy = tcp_proxy($pg->port);
my $shard = 'shard ' . $pg->url(db => 'numbers', port => $proxy->port)
    . ' range=1-' . RANGE . ' fail_timeout=1s;';

my $patient
    = 'connect_timeout 60s; reserve_timeout 300s; wait_timeout 300s;';

# With "lease off" it is exact: no more is reserved than is waited for.
my $nginx = UniqueRandom::Nginx->new(
    workers => 1,
    http    => <<"EOT",
unique_random_pool left {
    lease off;
    $patient
    $shard
}
unique_random_pool queued {
    lease off;
    queue @{[ QUEUE ]};
    $patient
    $shard
}
EOT
    server => 'location = /left { unique_random left; }'
        . 'location = /queued { unique_random queued; }'
        . 'location = /status { stub_status; }',
);

sub take {
    my ($pool, %arg) = @_;

    return UniqueRandom::Load->new(
        port => $nginx->port,
        path => "/$pool",
        timeout  => 300,
        deadline => 600,
        %arg,
    )->run;
}

sub reserved {
    my ($pool) = @_;

    return $pg->psql('numbers',
        "SELECT reserved FROM unique_random.ranges WHERE pool = '$pool'");
}

# How many connections it has, without the one that asks.
sub clients {
    my ($n) = $nginx->get('/status')->{content} =~ /Active connections: (\d+)/;
    return $n - 1;
}

sub ask {
    my ($pool) = @_;

    my $socket = IO::Socket::INET->new(
        PeerAddr => '127.0.0.1',
        PeerPort => $nginx->port,
    ) or die "connect: $!\n";
    syswrite $socket, "GET /$pool HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    return $socket;
}

sub summary {
    my ($what, @results) = @_;

    my $all        = UniqueRandom::Load->merge(@results);
    my $duplicates = $all->duplicates;

    note sprintf '%s: %d attempts, %d acknowledged, %d used up, %d refused, '
        . '%d failed, %d duplicates, %d out of range, %d missing', $what,
        $all->attempts, $all->status(200), $all->status(409),
        $all->status(503), $all->failed, $duplicates,
        scalar $all->out_of_range(1, RANGE),
        scalar $all->missing(1, RANGE);
    is $duplicates, 0, 'no number comes twice';
    is $all->failed, 0, 'every request has an answer';
    return $all;
}

subtest 'clients that leave' => sub {
    my @results = take('left', connections => 1, count => 1);
    my $before  = reserved('left');

    $proxy->hang;
    wait_until(sub { clients() == 0 }, 20, 'all clients have gone');

    # The first one's reservation is under way, the others wait for the next.
    my $first = ask('left');
    wait_until(sub { clients() == 1 }, 20, 'one waits');
    my @leaving = map { ask('left') } 1 .. LEAVE;
    wait_until(sub { clients() == LEAVE + 1 }, 20, 'all wait');

    # One way to leave is to close, another one to break the connection.
    for my $i (0 .. $#leaving) {
        setsockopt $leaving[$i], SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0
            if $i % 2;
        close $leaving[$i];
    }
    wait_until(sub { clients() == 1 }, 20, 'those who left are gone');

    $proxy->forward;

    sysread $first, my $answer, 4096;
    my ($number) = $answer =~ /\A HTTP\/1\.1\ 200\ .* \{"number":(\d+)\}\z/sx;
    ok defined $number, 'who stayed gets a number';
    close $first;

    push @results, take('left', connections => 8, until => 409);
    my $all = summary('left', @results);

    # The number of the first is one more.
    is $all->status(200) + 1, RANGE,
        LEAVE . ' who left took none: all the others get theirs';
    is_deeply [ $all->missing(1, RANGE) ], [$number],
        'none is missing but that of who stayed';
    note "$before reserved before, " . reserved('left') . ' after';
};

subtest 'a queue that is full' => sub {
    my @results = take('queued', connections => 1, count => 1);

    $proxy->hang;
    wait_until(sub { clients() == 0 }, 20, 'all clients have gone');

    my @waiting = map { ask('queued') } 1 .. QUEUE;
    wait_until(sub { clients() == QUEUE }, 20, 'all wait');

    my $response = $nginx->get('/queued');
    is $response->{status}, 503, 'who comes when the queue is full is refused';
    is $response->{headers}{'retry-after'}, 1, 'and told to try again';

    my $refused = take('queued', connections => 5, count => 50);
    is_deeply $refused->status, { 503 => 50 }, 'so is everybody else';
    is_deeply [ $refused->malformed ], [], 'to the letter';

    # There is room again as soon as one leaves.
    close pop @waiting;
    wait_until(sub { clients() == QUEUE - 1 }, 20, 'one has left');
    push @waiting, ask('queued');
    wait_until(sub { clients() == QUEUE }, 20, 'another one waits');

    $proxy->forward;

    my %number;
    for my $socket (@waiting) {
        sysread $socket, my $answer, 4096;
        $number{$1}++ if $answer =~ /\{"number":(\d+)\}\z/;
    }
    is keys %number, QUEUE, 'those who wait get their numbers';

    push @results, $refused, take('queued', connections => 8, until => 409);
    my $all = summary('queued', @results);
    is $all->status(200) + QUEUE, RANGE, 'every number was given';
    is_deeply [ $all->missing(1, RANGE) ], [ sort { $a <=> $b } keys %number ],
        'once';
};

is_deeply [ $nginx->errors ], [], 'nothing is wrong in the error log';

done_testing;
