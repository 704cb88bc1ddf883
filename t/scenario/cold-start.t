# The first request of a cold start: it makes all ranges known, so that the
# numbers after it are of all of them, and what hangs costs it nothing.

use strict;
use warnings;

use lib 't/lib';

use List::Util qw( sum );
use Test::More;

use UniqueRandom::Load;
use UniqueRandom::Nginx;
use UniqueRandom::Postgres;
use UniqueRandom::Util qw( tcp_proxy wait_until );

# A machine that is busy may take long to connect, or to answer.
use constant PATIENT =>
    'connect_timeout 20s; reserve_timeout 20s; wait_timeout 25s;';

my $size = 1_000_000;
my $pg   = UniqueRandom::Postgres->new;

# Three shards of one pool, through a proxy each.
sub shards {
    my ($pool) = @_;

    return map {
        my $db = "${pool}_$_";
        my ($first, $last) = ($_ * $size, ($_ + 1) * $size - 1);

        $pg->create_database($db)->apply_schema($db);
        $pg->psql($db, "SELECT unique_random.add('$pool', $first, $last)");

        my $proxy = tcp_proxy($pg->port);
        +{
            db    => $db,
            proxy => $proxy,
            line  => 'shard ' . $pg->url(db => $db, port => $proxy->port)
                . " range=$first-$last;",
        };
    } 0 .. 2;
}

sub reserved {
    return map {
        $pg->psql($_->{db}, 'SELECT reserved FROM unique_random.ranges')
    } @_;
}

{
    my @shards = shards('met');
    my $nginx  = UniqueRandom::Nginx->new(
        http => "unique_random_pool met { @{[ PATIENT ]}"
            . " @{[ map { $_->{line} } @shards ]} }");

    is $nginx->get('/random')->{status}, 200, 'one request';
    wait_until(sub { !grep { !$_ } reserved(@shards) }, 30, 'three leases');
    is_deeply [ reserved(@shards) ], [ 16, 16, 16 ],
        '... and each shard has leased the least';
}

{
    my @shards = shards('off');
    my $nginx  = UniqueRandom::Nginx->new(
        http => "unique_random_pool off { lease off; @{[ PATIENT ]}"
            . " @{[ map { $_->{line} } @shards ]} }",
        server => 'location = /random { unique_random;'
            . ' add_header X-Wait $unique_random_wait; }');
    my $reply = $nginx->get('/random');

    is $reply->{status}, 200, 'lease off: one request';

    # One that is slow has another one asked, after a quarter of a second.
    my $slow = int($reply->{headers}{'x-wait'} / 0.24);
    cmp_ok sum(reserved(@shards)), '<=', 1 + $slow,
        '... and nobody is asked for more than it';
}

{
    my @shards = shards('burst');

    my $nginx = UniqueRandom::Nginx->new(
        workers => 2,
        http    => "unique_random_pool burst { @{[ PATIENT ]}"
            . " @{[ map { $_->{line} } @shards ]} }");

    $_->{proxy}->delay(0.05) for @shards;
    $shards[1]{proxy}->hang;

    my $load = UniqueRandom::Load->new(
        port        => $nginx->port,
        connections => 256,
        count       => 50_000,
        deadline    => 600,
    )->run;

    is_deeply $load->{status}, { 200 => 50_000 },
        '256 connections at once, and a shard that hangs: no request fails';
    is scalar($load->duplicates), 0, '... no number comes twice';
    is_deeply [ $nginx->errors(qr/emerg|alert|crit/) ], [], '... no alert';
}

done_testing;
