# The connection to a shard breaks at every stage of the protocol.  Whatever may
# have been granted by then is burned, and never given to anybody (I3); nothing
# else is; and no request fails, since the other shard has stock.

use strict;
use warnings;

use Test::More;

use UniqueRandom::Faults   ();
use UniqueRandom::Postgres ();
use UniqueRandom::Util     qw( tcp_proxy wait_until );

use constant LEASE => 40;

my @clusters = map { UniqueRandom::Postgres->new(name => "shard$_") } 0, 1;

my $pool = UniqueRandom::Faults->new(
    name     => 'cut',
    size     => 8000,
    clusters => \@clusters,
);

# One that has to give a password, so that there is more to authenticate.
$clusters[0]->create_user('app', 'secret');
$pool->sql(0, 'GRANT unique_random TO app');

my (@nginx, @proxies);
my $lost = 0;

# A database that is slow for a moment loses nothing, and no request fails; but
# that of a stage may be about it.
my $timeout = '20s';

# An nginx and a proxy of its own, on which nothing is under way: the first
# lease has been drawn from, and is not used up to the half.  Its clients do not
# use up what the other shard has.
sub quiet {
    my $proxy = tcp_proxy($clusters[0]->port);
    my $nginx = $pool->nginx(
        workers  => 1,
        rate     => 60,
        timeout  => $timeout,
        more     => 'wait_timeout 20s;',
        lease    => 'min=' . LEASE . ' max=' . LEASE,
        conninfo => [
            $clusters[0]->url(
                db       => 'numbers',
                user     => 'app',
                password => 'secret',
                port     => $proxy->port,
                params   => {
                    sslmode          => 'disable',
                    application_name => 'nginx' . $proxy->port,
                },
            ),
        ],
    );

    wait_until(sub { $pool->of(0, $pool->take($nginx, 1)) }, 30, 'a number');
    push @nginx,   $nginx;
    push @proxies, $proxy;

    return ($proxy, $nginx);
}

# What is reserved when no session is there by way of the proxy any more: one
# that is idle may have a query on its way.
sub reserved {
    my ($proxy) = @_;

    wait_until(
        sub {
            $pool->sql(0, 'SELECT count(*) FROM pg_stat_activity'
                . " WHERE application_name = 'nginx" . $proxy->port . "'") == 0;
        },
        30, 'all sessions have ended',
    );

    return $pool->row(0, 'reserved');
}

# Clients take numbers while the connection fails: $fail is called before they
# begin, and $cut when they have, which returns when the connection is at that
# stage, or is cut.  $grants is how many grants are lost.
sub stage {
    my ($what, $grants, $fail, $cut) = @_;

    my ($proxy, $nginx) = quiet();
    my $before = $pool->row(0, 'reserved');

    $fail->($proxy, $nginx);
    $pool->start($nginx);
    $cut->($proxy, $nginx, $before);
    $proxy->refuse;

    my $granted = reserved($proxy) - $before;
    my $result  = $pool->finish;
    $lost += $granted;

    is $granted, $grants * LEASE, "$what: $grants grants are lost";
    is $result->status(200), $result->attempts, '... no request failed of '
        . $result->attempts;

    $proxy->forward;
    $proxy->accept;
    wait_until(
        sub {
            $pool->take($nginx, 16);
            return $pool->row(0, 'reserved') > $before + $granted;
        },
        30, 'reservations',
    );

    is_deeply [ $nginx->errors ], [], '... and nothing is wrong';
    return;
}

sub until_more {
    my ($proxy, $counter, $than) = @_;

    return wait_until(sub { $proxy->$counter > $than }, 30, "more $counter");
}

# How long is what the server says, in all and to one reservation?
my ($all, $reply);
{
    my ($proxy, $nginx) = quiet();
    $all = $proxy->answered;

    my $serial = $pool->row(0, 'serial');
    wait_until(
        sub {
            $pool->take($nginx, 1);
            return $pool->row(0, 'serial') > $serial;
        },
        30, 'the next reservation',
    );
    until_more($proxy, 'answered', $all);
    $reply = $proxy->answered - $all;

    # The first one has the key, in hexadecimal digits.
    cmp_ok $reply, '>', 200, "a reply has $reply bytes";
    cmp_ok $all - $reply, '>', 500, "all that comes before it $all";
}

stage(
    'refused', 0,
    sub { $_[0]->refuse },
    sub { $_[1]->wait_for_log(qr/could not reserve .*refused/, 30) },
);

stage(
    'accepted, and cut', 0,
    sub { my ($proxy) = @_; $proxy->refuse; $proxy->hang; $proxy->accept },
    sub { until_more($_[0], 'connections', 1) },
);

{
    my $bytes;

    stage(
        'before the query arrives', 0,
        sub { my ($proxy) = @_; $bytes = $proxy->bytes; $proxy->mute },
        sub { until_more($_[0], 'bytes', $bytes) },
    );
}

# Who waits for a reply that does not come gives up after reserve_timeout.
stage(
    'after the commit, before the reply', 1,
    sub { $_[0]->deaf },
    sub {
        my ($proxy, $nginx, $reserved) = @_;

        wait_until(sub { $pool->row(0, 'reserved') > $reserved }, 30,
            'a commit');
    },
);

$timeout = '5s';
stage(
    'no reply in time', 1,
    sub { $_[0]->deaf },
    sub {
        my ($proxy, $nginx) = @_;
        my $port = $proxy->port;

        $nginx->wait_for_log(
            qr/:$port\/.* timed out, what was asked for is bur/, 30);
    },
);
$timeout = '20s';

stage(
    "after $_ of $reply bytes of the reply", 1,
    sub { $_[0]->partial($_) },
    sub { until_more($_[0], 'ended', 0) },
) for 1, int($reply / 2), $reply - 1;

# And on new connections, from the first byte of the authentication to the last
# but one of the reply, the longest one of those with a key left out.
{
    my @bytes = map { int($_ * ($all - 80) / 15) } 0 .. 15;
    my (@granted, $n);

    my ($proxy, $nginx) = quiet();
    $proxy->refuse;
    my $before = reserved($proxy);
    $pool->start($nginx);

    for my $bytes (@bytes) {
        $proxy->partial($bytes);
        $n = $proxy->ended;
        $proxy->accept;
        until_more($proxy, 'ended', $n);
        $proxy->refuse;

        my $after = reserved($proxy);
        push @granted, $after - $before;
        $lost += $granted[-1];
        $before = $after;
    }

    my $result = $pool->finish;
    note "lost after @bytes bytes: @granted";
    is $result->status(200), $result->attempts,
        'cut at every stage: no request failed of ' . $result->attempts;
    cmp_ok scalar(grep { $_ == 0 } @granted), '>=', 3,
        '... some before the grant';
    cmp_ok scalar(grep { $_ == LEASE } @granted), '>=', 3,
        '... some after the grant';

    $proxy->forward;
    $proxy->accept;
    is_deeply [ $nginx->errors ], [], '... and nothing is wrong';
}

is $pool->end('the connection is cut at each of ' . (8 + 16) . ' stages',
    @nginx), $lost, '... which is what was lost on the way';

done_testing;
