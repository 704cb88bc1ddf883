# Nothing that a shard fails to say blocks a worker: while one hangs, in
# whatever phase, the worker goes on with everything else it does, and takes
# numbers from the other shard.

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use POSIX ();
use Test::More;
use Time::HiRes qw( time );

use UniqueRandom::Load     ();
use UniqueRandom::Nginx    ();
use UniqueRandom::Postgres ();
use UniqueRandom::Util     qw( at_exit black_hole free_port wait_until );

use constant {
    RANGE   => 10_000_000,
    TIMEOUT => 3,

    # Far below the time that the shard hangs, and enough for a machine that
    # is busy with something else.
    SLOW => 2,
};

my $healthy = cluster(0);
my $hanging = cluster(1);

# libpq's first packets.  Whoever gets past what it is sent stays there.
my $ssl_request = qr/\A\0\0\0\x08\x04\xd2\x16\x2f/;
my $startup     = qr/\A\0\0..\0\x03\0\0/s;

my $black_hole = black_hole();
my @results;

for my $phase (
    [ 'with a full backlog', url(full_backlog()) ],
    [ 'that accepts and says nothing', url($black_hole->port) ],
    [
        'that says nothing in the TLS handshake',
        url(server($ssl_request => 'S'), sslmode => 'require')
    ],
    [
        'that says nothing once it has the password',
        url(server($startup => "R\0\0\0\x08\0\0\0\x03"), sslmode => 'disable')
    ],
    [
        'that says nothing once it has let us in',
        url(server($startup => "R\0\0\0\x08\0\0\0\0"), sslmode => 'disable')
    ],
    [
        'that says nothing to a query',
        $hanging->url(db => 'numbers'),
        sub { $hanging->pause },
        sub { $hanging->resume },
    ],
    )
{
    my ($name, $url, $hang, $end) = @$phase;

    subtest "a shard $name" => sub { try($url, $hang) };
    $end->() if $end;
}

is_deeply [ UniqueRandom::Load->merge(@results)->duplicates ], [],
    'no number came twice in all this time';

done_testing;

sub try {
    my ($url, $hang) = @_;

    my $timeout = TIMEOUT;
    my ($r0, $r1) = map { $_ * RANGE + 1 . '-' . ($_ + 1) * RANGE } 0, 1;

    my $nginx = UniqueRandom::Nginx->new(
        workers => 1,
        http    => <<"EOT",
unique_random_pool numbers {
    lease min=16 max=200;
    connect_timeout ${timeout}s;
    reserve_timeout ${timeout}s;
    wait_timeout 60s;
    shard @{[ $healthy->url(db => 'numbers') ]} range=$r0;
    shard $url range=$r1 name=hanging fail_timeout=1s;
}
EOT
        server => 'location = /random { unique_random; }'
            . 'location = /ping { return 204; }',
    );

    if ($hang) {
        # It hangs on a connection that it has used.
        wait_until(sub {
            my $result = UniqueRandom::Load->new(
                port  => $nginx->port,
                count => 200,
            )->run;
            push @results, $result;
            return grep { $_ > RANGE } $result->numbers;
        }, 20, 'both shards have given numbers');

        $hang->();
    }

    my $load = UniqueRandom::Load->new(
        port        => $nginx->port,
        connections => 8,
        processes   => 1,
        duration    => 120,
    )->start;

    my ($pings, $slowest, $failed) = (0, 0, 0);

    wait_until(sub {
        my $start = time;

        $failed++ if $nginx->get('/ping')->{status} != 204;
        $pings++;
        $slowest = time - $start if time - $start > $slowest;

        return $nginx->error_log =~ /"hanging".*timed out/;
    }, 60, 'the time of the hanging shard is over');

    my $result = $load->stop->finish;
    push @results, $result;
    my $duplicates = $result->duplicates;

    note sprintf '%d attempts, %d acknowledged, %d refused, %d failed, '
        . '%d duplicates, %d out of range; %d pings, the slowest took %.3f s',
        $result->attempts, $result->status(200), $result->status(503),
        $result->failed, $duplicates,
        scalar $result->out_of_range(1, 2 * RANGE), $pings, $slowest;

    cmp_ok $pings, '>', 20, 'the worker answers other requests meanwhile';
    is $failed, 0, 'all of them';
    cmp_ok $slowest, '<', SLOW, 'without delay';
    cmp_ok $result->attempts, '>', 8, 'it is asked for numbers meanwhile';
    is $result->status(200), $result->attempts,
        'everyone gets one, from the other shard';
    is $duplicates, 0, 'no number comes twice';
    is_deeply [ $nginx->errors ], [], 'nothing is wrong in the error log';

    return;
}

sub cluster {
    my ($i) = @_;

    my $pg = UniqueRandom::Postgres->new(name => "shard$i");
    my ($first, $last) = ($i * RANGE + 1, ($i + 1) * RANGE);

    $pg->create_database('numbers')->apply_schema('numbers');
    $pg->psql('numbers', "SELECT unique_random.add('numbers', $first, $last)");
    return $pg;
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

# Listens, accepts nothing, and has no room for more who want to be accepted:
# the kernel then drops what they send.
sub full_backlog {
    my $listener = IO::Socket::INET->new(
        LocalAddr => '127.0.0.1',
        LocalPort => free_port(),
        Listen    => 1,
    ) or die "cannot listen: $!\n";

    my @held = $listener;

    while (1) {
        my $socket = IO::Socket::INET->new(
            PeerAddr => '127.0.0.1',
            PeerPort => $listener->sockport,
            Blocking => 0,
        ) or die "socket: $!\n";
        push @held, $socket;

        last if !IO::Select->new($socket)->can_write(0.5);
    }

    # Held until the end.
    at_exit(sub { close $_ for @held });

    return $listener->sockport;
}

# Answers the first packet, if it is like that, and says no more.
sub server {
    my ($packet, $answer) = @_;

    my $listener = IO::Socket::INET->new(
        LocalAddr => '127.0.0.1',
        LocalPort => free_port(),
        Listen    => 128,
    ) or die "cannot listen: $!\n";

    my $pid = fork // die "fork: $!\n";

    if ($pid == 0) {
        my $select = IO::Select->new($listener);
        my %answered;

        while (1) {
            for my $socket ($select->can_read) {
                if ($socket == $listener) {
                    $select->add($listener->accept || next);

                } elsif (!sysread $socket, my $data, 65536) {
                    $select->remove($socket);
                    delete $answered{$socket};
                    close $socket;

                } elsif (!$answered{$socket}++) {
                    # Anything else would end the test in a wrong phase.
                    POSIX::_exit(1) if $data !~ $packet;
                    syswrite $socket, $answer;
                }
            }
        }
    }

    at_exit(sub { kill KILL => $pid; local $?; waitpid $pid, 0 });

    return $listener->sockport;
}
