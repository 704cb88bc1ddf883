# A server sends without end what nobody asked it for, while it is connected to
# or afterwards.  The worker does not go along with that.

use strict;
use warnings;

use lib 't/lib';

use Test::More;

use UniqueRandom::Client   ();
use UniqueRandom::Nginx    ();
use UniqueRandom::Postgres ();
use UniqueRandom::Server   ();
use UniqueRandom::Util     qw( tcp_proxy wait_until );

use constant {
    SIZE => 1_000_000,

    # What a worker may take for it: bytes, and seconds of CPU.
    MEMORY => 500_000_000,
    TIME   => 5,

    # So many of 2 kB at once.
    MESSAGES => 50,
};

my $notice = UniqueRandom::Server::message(
    N => "SNOTICE\0VNOTICE\0C00000\0M" . ('x' x 2000) . "\0\0");

my $n = 0;

# What comes, and how long it takes to come again.  libpq keeps what it has of
# a message that is not complete, so of that there is some each millisecond.
my %floods = (
    'new parameters' => [ 0, sub {
        return join '', map {
            UniqueRandom::Server::message(
                S => 'p' . $n++ . "\0" . ('v' x 2000) . "\0");
        } 1 .. MESSAGES;
    } ],
    'a parameter' => [ 0, UniqueRandom::Server::message(
        S => "p\0" . ('v' x 2000) . "\0") x MESSAGES ],
    'notices'  => [ 0, $notice x MESSAGES ],
    'a notice' => [ 0.001, sub {
        return $n++ ? 'x' x 10_000 : "N\x30\0\0\0SNOTICE\0M";
    } ],
);

# Arguments: where the shard is; the block.
sub nginx {
    my ($port, $block) = @_;

    return UniqueRandom::Nginx->new(
        UniqueRandom::Client::by_worker(
            workers => 1,
            http    => "unique_random_pool numbers { lease off; $block"
                . " shard postgresql://postgres\@127.0.0.1:$port/numbers"
                . ' range=1-' . SIZE . '; }',
            server => 'location = /random { unique_random; }',
        ),
    );
}

for my $what (sort keys %floods) {
    subtest "while it is connected to: $what" => sub {
        my $server = UniqueRandom::Server->new(sub {
            $_[0]->startup->message(R => pack 'N', 0)
                ->repeat(@{ $floods{$what} });
        });
        my $nginx = nginx($server->port,
            'connect_timeout 500ms; wait_timeout 1s;');
        my ($worker) = $nginx->worker_pids;
        my $before   = $nginx->peak_rss($worker);

        for my $time (1, 2) {
            # It is due again.
            wait_until(sub {
                $nginx->get('/random')->{status} == 503 or die "a number\n";
                return $server->reached >= $time;
            }, 20, 'it is asked');

            ok eval {
                wait_until(sub { $nginx->thread_count($worker) == 1 }, 20,
                    'it ends');
            }, 'the thread comes back';
            is $nginx->get('/pid')->{status}, 200, '... the worker answers';
        }

        my $more = $nginx->peak_rss($worker) - $before;
        note sprintf 'it took %.1f MB', $more / 1_000_000;
        cmp_ok $more, '<', MEMORY, '... and took little memory';
        is_deeply [ $nginx->worker_pids ], [$worker], '... it is the same one';
        is_deeply [ $nginx->errors ], [], '... and no alert';
    };
}

subtest 'on an idle connection' => sub {
    my $pg = UniqueRandom::Postgres->new;
    $pg->create_database('numbers')->apply_schema('numbers');
    $pg->psql('numbers',
        "SELECT unique_random.add('numbers', 1, @{[ SIZE ]})");

    my $proxy = tcp_proxy($pg->port, flood => $notice x MESSAGES);
    my $nginx = nginx($proxy->port, 'idle_timeout 10m; wait_timeout 20s;'
        . ' connect_timeout 60s; reserve_timeout 60s;');
    my ($worker) = $nginx->worker_pids;

    is $nginx->get('/random')->{status}, 200, 'a number';
    is $pg->sessions('numbers'), 1, '... its connection is kept';

    my ($peak, $cpu) = ($nginx->peak_rss($worker), $nginx->cpu_time($worker));

    my $client = UniqueRandom::Client->of($nginx, $worker);
    my ($answers, $asked) = (0, 0);

    $proxy->flood;
    ok eval {
        wait_until(sub {
            my $reply = $client->get('/pid', 20);
            $asked++;
            $answers++ if $reply && $reply->{status} == 200;
            return !$pg->sessions('numbers');
        }, 20, 'closed');
    }, 'it is closed when the server floods it';
    is $answers, $asked, '... the worker answers meanwhile';

    $peak = $nginx->peak_rss($worker) - $peak;
    $cpu  = $nginx->cpu_time($worker) - $cpu;
    note sprintf 'it took %.1f MB and %.2f s of CPU', $peak / 1_000_000, $cpu;
    cmp_ok $peak, '<', MEMORY, '... and took little memory';
    cmp_ok $cpu, '<', TIME, '... and little time';

    $proxy->forward;
    ok eval {
        wait_until(sub { $nginx->get('/random')->{status} == 200 }, 20, 'one');
    }, 'no longer: a number';
    is_deeply [ $nginx->worker_pids ], [$worker], '... of the same worker';
    is_deeply [ $nginx->errors ], [], '... and no alert';
};

done_testing;
