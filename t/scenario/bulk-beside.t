# Requests for one number beside those for many: none fails, none waits for long;
# with the last number, all have come once, from two workers and two nginx.

use strict;
use warnings;

use List::Util qw( max );
use Test::More;
use Time::HiRes qw( sleep time );

use UniqueRandom::Bulk     ();
use UniqueRandom::Client   ();
use UniqueRandom::Load     ();
use UniqueRandom::Nginx    ();
use UniqueRandom::Postgres ();

use constant {
    SIZE   => 3_000_000,
    MEDIUM => 300_000,
};

my ($pg0, $shard0) = UniqueRandom::Postgres->new_shard(0, SIZE);
my ($pg1, $shard1) = UniqueRandom::Postgres->new_shard(1, SIZE);

my ($first, $last) = (2 * SIZE + 1, 2 * SIZE + MEDIUM);
$pg0->psql('numbers', "SELECT unique_random.add('medium', $first, $last)");

my $patient = 'connect_timeout 20s; reserve_timeout 20s; wait_timeout 20s;';

my %arg = (
    workers => 2,
    http    => "unique_random_pool numbers { $patient shard $shard0;"
        . " shard $shard1; }"
        . "unique_random_pool medium { connect_timeout 20s;"
        . " reserve_timeout 20s; wait_timeout 10s; shard "
        . $pg0->url(db => 'numbers') . " range=$first-$last; }",
    server => 'unique_random_max_count 1000000;'
        . 'location /random { unique_random numbers; }'
        . 'location /medium { unique_random medium; }'
        . 'location /status { unique_random_status json; }',
);

my $nginx = UniqueRandom::Nginx->new(%arg);
my $bulk  = UniqueRandom::Bulk->new($nginx);

sub singles {
    my ($load) = @_;

    $bulk->count('{"numbers":[' . join(',', $load->numbers) . ']}');
    return $load->status(200) == $load->attempts;
}

# A batch of a hundred thousand is written between the answers to others: those
# who get it do not read, so it would be for ever that others wait for them.
{
    my $load = UniqueRandom::Load->new(
        port        => $nginx->port,
        connections => 8,
        duration    => 10,
    )->start;

    my $client = UniqueRandom::Client->new($nginx);
    my (@took, @many);

    for (1 .. 8) {
        my @bulks = map { $bulk->client('GET /random?count=100000 HTTP/1.1') }
            1 .. 3;

        for (1 .. 20) {
            my $start = time;
            my $reply = $client->get('/random');
            push @took, time - $start;
            $bulk->count("{\"numbers\":[$1]}")
                if $reply->{content} =~ /(\d+)/;
        }

        push @many, map { scalar @{ $bulk->count($_->rest) // [] } } @bulks;
    }

    is_deeply [ grep { $_ != 100_000 } @many ], [], 'many, all of them';
    ok singles($load->finish), '... beside others, all of whom have one';
    cmp_ok max(@took), '<', 15, sprintf '... after %.3f s at most', max(@took);
    is_deeply $bulk->account('numbers'), [], '... and the account closes';
}

# To the last one.
{
    my $other  = UniqueRandom::Nginx->new(%arg);
    my $second = UniqueRandom::Bulk->new($other);

    my @loads = map {
        UniqueRandom::Load->new(
            port        => $_->port,
            path        => '/medium',
            connections => 4,
            until       => 409,
            deadline    => 400,
        )->start;
    } $nginx, $other;

    my ($many, $n) = (0, 0);

    for my $count (5000, 2000, 500, 100, 20, 5, 1) {
        while (1) {
            my $who     = $n++ % 2 ? $second : $bulk;
            my $numbers = $who->take('/medium', $count) or last;

            $many += @$numbers;
            $bulk->count('{"numbers":[' . join(',', @$numbers) . ']}')
                if $who == $second;
        }
    }

    $_ = $_->finish for @loads;
    singles($_) for @loads;

    is $_->failed, 0, 'to the last one: no one fails' for @loads;
    is $_->status(503), 0, '... or is told to try again' for @loads;

    # What one of them has leased when the other has none left.
    for my $who ($bulk, $second) {
        my ($status) = $who->drain('/medium', 4096);
        is $status, 409, '... used up';
        is_deeply $who->account('medium'), [], '... the account closes';
        is $who->burned('medium'), 0, '... with nothing burned';
    }

    my $all = grep { $_ >= $first } $bulk->numbers;
    my $few = grep { $_ >= $first && !$bulk->{seen}{$_} } $second->numbers;

    is $all + $few, MEDIUM, "... all have come, $many of them by many";
    is_deeply [ $other->errors ], [], '... nothing was an error';
}

is $bulk->repeated, 0, 'none came twice';
is_deeply [ $nginx->errors ], [], 'nothing was an error';

done_testing;
