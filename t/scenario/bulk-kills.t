# Many numbers while workers are killed, configurations are reloaded, and nginx
# is stopped in the middle of an answer: none comes twice, what was held is given
# back or burned, and what has an end is whole.

use strict;
use warnings;

use Test::More;
use Time::HiRes qw( sleep time );

use UniqueRandom::Bulk     ();
use UniqueRandom::Load     ();
use UniqueRandom::Nginx    ();
use UniqueRandom::Postgres ();
use UniqueRandom::Util     qw( wait_until );

use constant SIZE => 20_000_000;

my ($pg0, $shard0) = UniqueRandom::Postgres->new_shard(0, SIZE);
my ($pg1, $shard1) = UniqueRandom::Postgres->new_shard(1, SIZE);

my $pool = 'unique_random_pool numbers { connect_timeout 20s;'
    . ' reserve_timeout 20s; wait_timeout 20s;';
my $both = "$pool shard $shard0; shard $shard1; }";
my $one  = "$pool shard $shard0; }";

my $nginx = UniqueRandom::Nginx->new(
    workers => 2,
    listen  => 'sndbuf=16k',
    http    => $both,
    server  => 'unique_random_max_count 1000000;'
        . 'location /random { unique_random; }'
        . 'location /status { unique_random_status json; }',
);

my $bulk = UniqueRandom::Bulk->new($nginx);

sub some {
    my ($client) = @_;

    $bulk->count("{\"numbers\":[$_]}")
        for $client->read(20_000) =~ /(?<=[\[,])(\d+)(?=,)/g;
    return;
}

# Singles and many, while $do is done some times.
sub under_load {
    my ($what, $times, $do) = @_;

    my $load = UniqueRandom::Load->new(
        port        => $nginx->port,
        connections => 8,
        duration    => $times * 0.5,
    )->start;

    my ($whole, $cut) = (0, 0);

    for my $i (1 .. $times) {
        my $slow = $bulk->client('GET /random?count=500000 HTTP/1.1');
        my $fast = $bulk->client('GET /random?count=20000 HTTP/1.1');

        sleep 0.2;
        $do->($i);

        my $numbers = $bulk->count($fast->rest);
        $numbers && @$numbers == 20_000 ? $whole++ : $cut++;
        some($slow);
        $slow->close;
    }

    my $singles = $load->finish;
    $bulk->count('{"numbers":[' . join(',', $singles->numbers) . ']}');
    is $singles->malformed, 0, "$what: each answer is one";
    is $singles->status(503) + $singles->status(409), 0, '... or a number';

    wait_until(sub { $nginx->worker_pids == 2 }, 20);
    return ($whole, $cut, $singles);
}

{
    my ($whole, $cut) = under_load('killed', 8, sub {
        my @workers = $nginx->worker_pids or return;
        kill KILL => $workers[ rand @workers ];
    });

    note "$whole whole, $cut cut off";
    is_deeply $bulk->account('numbers'), [], '... the account closes';
}

{
    my ($whole, $cut, $singles) = under_load('reloaded', 6, sub {
        $nginx->configure(http => $_[0] % 2 ? $one : $both);
        $nginx->reload(wait => 'new');
    });

    is $cut, 0, '... all are whole';
    is $singles->failed, 0, '... no one fails';
    $nginx->configure(http => $both);
    $nginx->reload;
    is_deeply $bulk->account('numbers'), [], '... the account closes';
}

# In the middle of answers.  There is a second to give back what they held, so
# there are some tries.
{
    my @gone;

    for my $try (1 .. 5) {
        my @clients = map {
            $bulk->client('GET /random?count=1000000 HTTP/1.1')
        } 1 .. 4;

        is $_->status, 200, 'a million' for @clients;

        my $log  = length $nginx->error_log;
        my $late = $nginx->too_late;

        $nginx->term;
        some($_), $_->close for @clients;

        @gone = substr($nginx->error_log, $log) =~ join '(?#)',
            qr/of (\d+) positions that were granted to unique_random_pool/,
            qr/ "numbers", (\d+) are issued, (\d+) excluded, (\d+) given back,/,
            qr/ (\d+) burned/;

        is $gone[1] + $gone[2] + $gone[3] + $gone[4], $gone[0],
            "stopped: @gone: the account closes";

        last if $nginx->too_late == $late || $try == 5;
        $nginx->start;
    }

    cmp_ok $gone[3], '>', 3_900_000, '... and what was held is given back';
}

$nginx->start;
is @{ $bulk->take('/random', 1_000_000) // [] }, 1_000_000, 'started again';

is $bulk->repeated, 0, 'none came twice';
is_deeply [ grep { !/exited on signal 9/ } $nginx->errors ], [],
    'nothing was an error';

done_testing;
