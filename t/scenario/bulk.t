# Many numbers in one answer: all of them or none, from all shards, none twice,
# and what a client does not read goes to others.

use strict;
use warnings;

use IO::Socket::INET ();
use JSON::PP         qw( decode_json );
use List::Util       qw( sum0 uniqnum );
use Test::More;
use Time::HiRes      qw( sleep time );

use UniqueRandom::Load     ();
use UniqueRandom::Nginx    ();
use UniqueRandom::Postgres ();
use UniqueRandom::Util     qw( wait_until );

use constant SIZE => 2_000_000;

my ($pg0, $shard0) = UniqueRandom::Postgres->new_shard(0, SIZE);
my ($pg1, $shard1) = UniqueRandom::Postgres->new_shard(1, SIZE);

# A pool of its own for each case that uses it up.
sub add {
    my ($pg, $pool, $first, $last) = @_;

    $pg->psql('numbers', "SELECT unique_random.add('$pool', $first, $last)");
    return 'shard ' . $pg->url(db => 'numbers') . " range=$first-$last;";
}

my $small = add($pg0, 'small', 1, 400) . add($pg1, 'small', 401, 1000);
my $off   = add($pg0, 'off', 1, 5_000) . add($pg1, 'off', 5_001, 10_000);
my $bits  = add($pg0, 'bits', 0, 49) . add($pg1, 'bits', 50, 99);

my @even = map {"even$_"} 0 .. 14;
my %even = map {
    $_ => add($pg0, $_, 1, 10_000) . add($pg1, $_, 10_001, 40_000)
} @even;

# What is asked for in vain is burned.
my $patient = 'connect_timeout 30s; reserve_timeout 30s;';

my $nginx = UniqueRandom::Nginx->new(
    workers => 2,
    http    => "unique_random_pool numbers { $patient wait_timeout 25s;"
        . " shard $shard0; shard $shard1; }"
        . "unique_random_pool small { $patient $small }"
        . join('', map {"unique_random_pool $_ { $patient $even{$_} }"} @even)
        . "unique_random_pool off { $patient lease off; $off }"
        . "unique_random_pool bits { $patient lease off; exclude '[34]'; $bits }",
    server => 'unique_random_max_count 1000000;'
        . 'location /random { unique_random numbers; }'
        . 'location /small { unique_random small;'
        . ' unique_random_remaining_header on; }'
        . join('', map {"location /$_ { unique_random $_; }"} @even)
        . 'location /off { unique_random off; }'
        . 'location /bits { unique_random bits; }'
        . 'location /status { unique_random_status json; }',
);

my %seen;
my $repeated = 0;

sub numbers {
    my ($path, $count) = @_;

    my $answer = $nginx->get("$path?count=$count");

    is $answer->{status}, 200, "$count numbers of $path"
        or diag explain $answer;

    my $numbers = eval { decode_json($answer->{content})->{numbers} } // [];

    is @$numbers, $count, '... so many';
    $repeated += $seen{$path}{$_}++ for @$numbers;

    return $numbers;
}

sub range {
    my ($pool) = @_;

    my ($found) = grep { $_->{name} eq $pool }
        @{ decode_json($nginx->get('/status')->{content})->{pools} };

    return $found->{ranges};
}

sub closes {
    my ($pool, $what) = @_;

    wait_until(sub { !grep { $_->{batched} } @{ range($pool) } }, 10,
        'all are put back');

    for my $range (@{ range($pool) }) {
        is sum0(@$range{qw( issued leased batched given_back )},
            values %{ $range->{burned} }), $range->{granted},
            "$what: the account of $range->{first} closes"
            or diag explain $range;
    }

    return;
}

numbers('/random', $_) for 1, 2, 64, 1000, 10_000, 100_000, 1_000_000, 1;
is $repeated, 0, 'none came twice';
closes('numbers', 'many drawn');

# By what the ranges have left, 1 to 3, in an order that mixes them.
{
    my ($numbers, $first);

    # A shard that does not answer within 250 ms is not waited for.
    for my $pool (@even) {
        $numbers = numbers("/$pool", 8_000);
        $first   = grep { $_ <= 10_000 } @$numbers;
        last if $first > 0 && $first < 8_000;
    }

    cmp_ok abs($first - 2_000), '<=', 1, "spread by what is left: $first";

    my $half = grep { $_ <= 10_000 } @$numbers[ 0 .. 3_999 ];
    cmp_ok abs($half - 1_000), '<', 150, "... mixed: $half in the first half";

    my $ascents = grep { $numbers->[$_] < $numbers->[ $_ + 1 ] } 0 .. 7_998;
    cmp_ok abs($ascents - 4_000), '<', 150, "... in no order: $ascents";
}

# To the last one, with what is left for those who ask for less.
{
    numbers('/small', 900);

    my $few = $nginx->get('/small?count=101');
    is $few->{status}, 409, 'fewer are left';
    is $few->{content}, '{"detail":"Fewer than 101 numbers are left.",'
        . '"code":"exhausted"}', '... which is said';
    is $few->{headers}{'x-unique-random-remaining'}, 100, '... and how many';

    is $nginx->get('/small')->{status}, 200, 'one is drawn';
    numbers('/small', 99);
    is $nginx->get('/small?count=1')->{status}, 409, 'then they are used up';
    is $nginx->get('/small')->{content},
        '{"detail":"All available numbers have been used."}', '... for all';
    is keys %{ $seen{'/small'} }, 999, 'each came once';
    closes('small', 'used up');
}

numbers('/off', 5_000);
numbers('/off', 5_000);
is $nginx->get('/off?count=1')->{status}, 409, 'used up without leases';
is keys %{ $seen{'/off'} }, 10_000, '... each once';

# All that is left is held for one request, and some of it is excluded: that
# does not come back from anybody.
{
    numbers('/bits', 60);

    my $few = $nginx->get('/bits?count=5');
    is $few->{status}, 409, 'fewer than asked for, without those excluded';

    numbers('/bits', 4);
    is $nginx->get('/bits')->{status}, 409, '... and then none';
}

is $repeated, 0, 'none came twice';
is_deeply [ $nginx->errors ], [], 'nothing was an error';

done_testing;
