# A shard may own many ranges, and be some way off: how long it takes to know
# them all, or to know that all are used up, must not grow with their number.

use strict;
use warnings;

use lib 't/lib';

use Test::More;

use UniqueRandom::Load;
use UniqueRandom::Nginx;
use UniqueRandom::Postgres;
use UniqueRandom::Util qw( tcp_proxy wait_until );

use constant ROUND_TRIP => 0.015;

my $pg = UniqueRandom::Postgres->new;

# $count ranges of $size numbers in a database of their own, behind a proxy.
sub start {
    my ($pool, $count, $size, $zone) = @_;

    $pg->create_database($pool)->apply_schema($pool);
    $pg->psql($pool, "SELECT unique_random.add('$pool', i * $size + 1,"
        . " (i + 1) * $size) FROM generate_series(0, $count - 1) i");

    my $proxy = tcp_proxy($pg->port);
    $proxy->delay(ROUND_TRIP);

    my $ranges = join "\n", map {
        'range=' . ($_ * $size + 1) . '-' . ($_ + 1) * $size
    } 0 .. $count - 1;

    my $nginx = UniqueRandom::Nginx->new(
        workers => 2,
        http    => "unique_random_pool $pool { zone $zone; connect_timeout 20s;"
            . ' reserve_timeout 20s; wait_timeout 20s; shard '
            . $pg->url(db => $pool, port => $proxy->port) . "\n$ranges; }",
    );

    return ($nginx, $proxy);
}

sub take {
    my ($nginx, %arg) = @_;

    return UniqueRandom::Load->new(
        port        => $nginx->port,
        connections => 4,
        processes   => 1,
        %arg,
    )->run;
}

{
    my ($count, $size) = (100, 5);
    my ($nginx, $proxy) = start('used', $count, $size, '512k');

    my $drain = take($nginx, until => 409, duration => 300);
    note 'to the end: ' . join ', ', map { "$_: " . $drain->status($_) }
        sort keys %{ $drain->status };

    cmp_ok $drain->status(409), '>', 0, 'all is used, and that is said';
    is scalar $drain->missing(1, $count * $size), 0, '... every number';
    is scalar $drain->duplicates, 0, '... and none came twice';

    # Long enough for the database to be asked again, more than once.
    my $after = take($nginx, duration => 4);

    cmp_ok $after->status(409), '>', 1, 'who asks then is told so';
    is $after->status(409) + $after->closed, $after->attempts,
        '... and is told nothing else';
}

{
    my ($count, $size) = (1000, 1000);
    my ($nginx, $proxy) = start('cold', $count, $size, '4m');

    my $first = take($nginx, connections => 1, count => 1);
    is $first->status(200), 1, 'a cold start: the first who asks has a number';
    note 'after ' . $proxy->sent . ' round trips';

    my @results = ($first);
    my $ranges;

    # Few have their chance before the database has answered for all.
    my $many = eval {
        wait_until(sub {
            my $result = take($nginx, count => 400);
            my %of     = map { int(($_ - 1) / $size) => 1 } $result->numbers;

            push @results, $result;
            return ($ranges = keys %of) > 250;
        }, 20);
    };

    my $sent = $proxy->sent;
    my $all  = UniqueRandom::Load->merge(@results);

    note sprintf '%d numbers and %d round trips later, 400 are of %d ranges',
        $all->status(200), $sent, $ranges;
    ok $many, 'soon numbers are of many ranges';
    cmp_ok $sent, '<', 200, "... for which $count ranges are asked together";
    is $all->status(200), $all->attempts, 'all who ask have numbers';
    is scalar $all->duplicates, 0, '... and none came twice';
    is_deeply [ $nginx->errors ], [], 'nothing is wrong in the error log';
}

done_testing;
