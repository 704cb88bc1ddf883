# Many numbers of a pool with numbers that are excluded: as many as were asked
# for, whatever part of them is, and 409 if there are not as many.

use strict;
use warnings;

use Test::More;
use Time::HiRes qw( sleep );

use UniqueRandom::Bulk     ();
use UniqueRandom::Load     ();
use UniqueRandom::Nginx    ();
use UniqueRandom::Postgres ();

use constant SIZE => 100_000;

my $patient = 'connect_timeout 20s; reserve_timeout 20s; wait_timeout 20s;';

my ($pg, $shard) = UniqueRandom::Postgres->new_shard(0, SIZE);
my $url = $pg->url(db => 'numbers');

sub pool {
    my ($name, $directives) = @_;

    $pg->psql('numbers', "SELECT unique_random.add('$name', 1, @{[ SIZE ]})");
    return "unique_random_pool $name { $directives $patient"
        . " shard $url range=1-@{[ SIZE ]}; }";
}

# Of two ranges, so that those excluded are mixed with the others.
my $lines = join ' ', map {
    my $first = 1_000_000_001 + $_ * SIZE;
    my $last  = $first + SIZE - 1;

    $pg->psql('numbers', "SELECT unique_random.add('lines', $first, $last)");
    "range=$first-$last";
} 0, 1;

my $nginx = UniqueRandom::Nginx->new(
    http => pool('half', 'exclude [02468]$;')
        . "unique_random_pool lines { shard $url $lines; exclude '(?<!77)\$';"
        . " $patient }"
        . pool('most', 'exclude [1-9]$; exclude [1-9]0$;')
        . pool('none', 'exclude 9; queue 0;'),
    server => 'unique_random_max_count 1000000;'
        . (join '', map {"location /$_ { unique_random $_; }"}
            qw( half most none lines ))
        . 'location /status { unique_random_status json; }',
);

for my $case ([ half => SIZE / 2, qr/[13579]$/ ], [ most => SIZE / 100, qr/00$/ ])
{
    my ($name, $left, $like) = @$case;
    my $bulk = UniqueRandom::Bulk->new($nginx);

    my $numbers = $bulk->take("/$name", $left / 2) // [];
    is @$numbers, $left / 2, "$name: as many as were asked for";
    is scalar(grep { !/$like/ } @$numbers), 0, '... none of which is excluded';

    is $nginx->get("/$name?count=" . ($left / 2 + 1))->{status}, 409,
        '... more than are left';
    is_deeply $bulk->account($name), [], '... all is put back';

    is @{ $bulk->take("/$name", $left / 2) // [] }, $left / 2, '... the rest';
    is $nginx->get("/$name?count=1")->{status}, 409, '... which was all';
    is $bulk->repeated, 0, '... none came twice';
    is_deeply $bulk->account($name), [], '... the account closes';
    is $bulk->burned($name), 0, '... with nothing burned';
}

# To be checked is not to wait.
{
    my $bulk = UniqueRandom::Bulk->new($nginx);

    for my $count (1, 100, 20_000) {
        my $numbers;
        for (1 .. 300) {
            $numbers = $bulk->take('/none', $count) and last;
            sleep 0.1;
        }
        is @{ $numbers // [] }, $count, "queue 0: $count numbers";
    }

    is scalar(grep {/9/} $bulk->numbers), 0, '... none of which is excluded';
    is_deeply $bulk->account('none'), [], '... the account closes';
}

# With some that are excluded behind the last line.
{
    my @cut;

    for my $count ((1 .. 20) x 3) {
        my $answer = $nginx->get("/lines?count=$count",
            headers => { Accept => 'text/plain' });
        my $got = () = $answer->{content} =~ /^\d{8}77$/mg;

        push @cut, "$count: $answer->{status}, $got"
            if $answer->{status} != 200 || $got != $count;
    }

    is_deeply \@cut, [], 'as text: all are whole';
}

is_deeply [ $nginx->errors ], [], 'nothing was an error';

done_testing;
