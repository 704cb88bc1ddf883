# Clients of many numbers that read slowly, or not at all, and leave: they hold
# little memory, what they do not get is for others, and what they get is whole.

use strict;
use warnings;

use Test::More;
use Time::HiRes qw( sleep time );

use UniqueRandom::Bulk     ();
use UniqueRandom::Nginx    ();
use UniqueRandom::Postgres ();

use constant {
    SIZE  => 4_000_000,
    SMALL => 2_000_000,
};

my ($pg, $shard) = UniqueRandom::Postgres->new_shard(0, SIZE);

my $range = join '-', SIZE + 1, SIZE + SMALL;

$pg->psql('numbers', "SELECT unique_random.add('small', "
        . $range =~ s/-/, /r . ')');

# A database that is slow for a moment is none of this.
my $patient = 'reserve_timeout 20s; wait_timeout 20s;';

# The kernel takes little of what is not read.
my $nginx = UniqueRandom::Nginx->new(
    listen => 'sndbuf=16k',
    http => "unique_random_pool numbers { $patient shard $shard; }"
        . "unique_random_pool small { $patient shard " . $pg->url(db => 'numbers')
        . " range=$range; }"
        . 'send_timeout 60s; lingering_timeout 1s; gzip_types *;',
    server => 'unique_random_max_count 1000000; keepalive_requests 1000000;'
        . 'location /random { unique_random numbers; }'
        . 'location /slowly { unique_random numbers; limit_rate 100k; }'
        . 'location /brief { unique_random numbers; send_timeout 1s; }'
        . 'location /gzip { gzip on; unique_random numbers; }'
        . 'location /small { unique_random small; }'
        . 'location /status { unique_random_status json; }',
);

my $bulk     = UniqueRandom::Bulk->new($nginx);
my ($worker) = $nginx->worker_pids;

# What is under way when the last buffer is filled is not nginx's last word.
for my $count (200_000, 400_000) {
    my $client = $bulk->client("GET /random?count=$count HTTP/1.1");

    $client->read(1000);
    sleep 0.5;

    my $numbers = $bulk->count($client->rest) // [];
    is @$numbers, $count, "read slowly: $count numbers";
    is $client->left, 0, '... and no more than that';

    $client->close;
}

# Answers one behind the other, none of which is read at first.
{
    my @counts = map { 1 + $_ * 7 % 1500 } 0 .. 300;
    my $client = $bulk->client("GET /random?count=$counts[0] HTTP/1.1");

    $client->write(join '', map {
        "GET /random?count=$_ HTTP/1.1\r\nHost: a\r\n\r\n"
    } @counts[ 1 .. 300 ]);

    sleep 1;

    is_deeply [ map { scalar @{ $bulk->count($client->rest) // [] } } 0 .. 300 ],
        [ @counts[ 0 .. 300 ] ], 'pipelined: each answer is whole';
    is $client->left, 0, '... and there is nothing else';
}

{
    my $client = $bulk->client('GET /random?count=50000 HTTP/1.0',
        'Connection: keep-alive');
    is @{ $bulk->count($client->rest) // [] }, 50_000, 'HTTP/1.0';

    my $start = time;
    $client = $bulk->client('GET /slowly?count=30000 HTTP/1.1');
    is @{ $bulk->count($client->rest) // [] }, 30_000, 'limit_rate';
    cmp_ok time - $start, '>', 1, '... which takes its time';
    is $client->left, 0, '... and no more';
}

# A body that comes later than the answer is read.
{
    my $client = $bulk->client('POST /random?count=400000 HTTP/1.1',
        'Content-Length: 10');

    $client->write('12345')->read(1000);
    sleep 3;

    my $body = $client->rest;
    $client->write("67890GET /random?count=1 HTTP/1.1\r\nHost: a\r\n\r\n");

    is @{ $bulk->count($body) // [] }, 400_000,
        'a body that stops for a while does not end the answer';
    is @{ $bulk->count($client->rest) // [] }, 1, '... nor the connection';
}

# One that takes everything and reads nothing.
{
    my $before = $nginx->rss($worker);
    my $client = $bulk->client('GET /random?count=1000000 HTTP/1.1');

    is $client->status, 200, 'a million for one that does not read';
    sleep 1;

    my $grown = ($nginx->rss($worker) - $before) / 1024;
    cmp_ok $grown, '<', 1024, "... takes $grown kB";

    my ($range) = $bulk->ranges('numbers');
    cmp_ok $range->{batched}, '>', 500_000, '... and most are held for it';

    is $nginx->get('/random')->{status}, 200, '... others are served';
    is $bulk->burned('numbers'), 0, '... and nothing is burned';
    my $issued = $range->{issued};
    $client->close;

    is_deeply $bulk->account('numbers'), [], 'it has left: the account closes';
    ($range) = $bulk->ranges('numbers');
    cmp_ok $range->{issued} - $issued, '<', 10_000, '... what it had is back';
    is $bulk->burned('numbers'), 0, '... and nothing is burned';
}

{
    my $client = $bulk->client('GET /brief?count=1000000 HTTP/1.1');

    is $client->status, 200, 'one that does not read for long';
    is_deeply $bulk->account('numbers'), [], '... is given up';
    is $client->rest, undef, '... and cut off';
    is $bulk->burned('numbers'), 0, '... with nothing burned';
}

# Far more at once than there are places for what comes back.
{
    my @clients = map { $bulk->client('GET /small?count=19000 HTTP/1.1') }
        1 .. 100;

    for my $i (0 .. 99) {
        is $clients[$i]->status, 200, "client $i" if $i % 20 == 0;
        $clients[$i]->read($i % 3 ? 12 : 2000);
    }

    $_->close for @clients[ map { $_ * 37 % 100 } 0 .. 99 ];

    my ($status, $came) = $bulk->drain('/small', 100_000);
    is $status, 409, 'a hundred who leave: then all can be taken';

    is_deeply $bulk->account('small'), [], '... and the account closes';
    is $bulk->burned('small'), 0, '... with nothing burned';
    my ($all) = $bulk->ranges('small');
    is $all->{issued}, SMALL, '... all are issued';
    cmp_ok $came, '>', 1, "... $came of them to who reads";
}

is $bulk->repeated, 0, 'none came twice';
is_deeply [ $nginx->errors ], [], 'nothing was an error';

done_testing;
