# Many numbers while a shard is down, hangs, and is back: the others serve, soon,
# as long as they have enough; and what then is in doubt is not used up.

use strict;
use warnings;

use Test::More;
use Time::HiRes qw( sleep );

use UniqueRandom::Bulk     ();
use UniqueRandom::Load     ();
use UniqueRandom::Nginx    ();
use UniqueRandom::Postgres ();
use UniqueRandom::Util     qw( tcp_proxy wait_until );

use constant SIZE => 500_000;

my ($pg0) = UniqueRandom::Postgres->new_shard(0, SIZE);
my ($pg1) = UniqueRandom::Postgres->new_shard(1, SIZE);

my $proxy = tcp_proxy($pg1->port);

my $nginx = UniqueRandom::Nginx->new(
    http => 'unique_random_pool numbers { wait_timeout 15s;'
        . ' connect_timeout 60s; reserve_timeout 60s;'
        . ' shard ' . $pg0->url(db => 'numbers') . ' range=1-' . SIZE . ';'
        . ' shard ' . $pg1->url(db => 'numbers', port => $proxy->port)
        . ' fail_timeout=1s range=' . (SIZE + 1) . '-' . 2 * SIZE . '; }',
    server => 'unique_random_max_count 1000000;'
        . 'location /random { unique_random; }'
        . 'location /status { unique_random_status json; }',
);

my $bulk = UniqueRandom::Bulk->new($nginx);

# Whoever waits for one that does not answer is refused.
sub takes {
    my ($count, $what) = @_;

    my $numbers = $bulk->take('/random', $count) // [];

    is @$numbers, $count, "$what: $count numbers";

    return grep { $_ > SIZE } @$numbers;
}

# One that is late has no part in it.
for my $round (1 .. 9) {
    my $half = takes(10_000, 'both shards');

    next if ($half < 4400 || $half > 5600) && $round < 9;
    cmp_ok abs($half - 5000), '<=', 600, '... about half of them of each';
    last;
}

# Whoever asks it first does so ahead of need, and others are not to wait for
# what it will not answer.
$proxy->hang;
takes(20_000, 'one hangs') for 1 .. 5;

{
    my $load = UniqueRandom::Load->new(
        port        => $nginx->port,
        connections => 4,
        duration    => 2,
    )->start;

    takes(5_000, 'one hangs, beside others') for 1 .. 3;

    my $singles = $load->finish;
    is $singles->failed + ($singles->attempts - $singles->status(200)), 0,
        '... all of whom are served';
    $bulk->count('{"numbers":[' . join(',', $singles->numbers) . ']}');
}

$proxy->cut;
$proxy->refuse;
takes(20_000, 'one is down') for 1 .. 3;

# More than the other one has.
{
    my $answer = $nginx->get('/random?count=600000');
    is $answer->{status}, 503, 'more than are to be had now';
    is $answer->{content}, '{"detail":"600000 numbers could not be reserved in'
        . ' time.","code":"unavailable"}', '... which is said';
    is $answer->{headers}{'retry-after'}, 1, '... with when to ask again';
    takes(20_000, 'then fewer');
}

$proxy->accept;
$proxy->forward;

my $back;
wait_until(sub { $back = $bulk->take('/random', 400_000) }, 20, 'it is back');
cmp_ok scalar(grep { $_ > SIZE } @$back), '>', 0, 'it gives some';

my ($status) = $bulk->drain('/random', 100_000);
is $status, 409, 'all are used up then';

my $all = $bulk->account('numbers');
is_deeply $all, [], 'the account closes';
is $bulk->repeated, 0, 'none came twice';

my $lost = $bulk->burned('numbers');
cmp_ok scalar($bulk->numbers), '>=', 2 * SIZE - $lost,
    "each came, but for at most $lost that were lost";

$pg1->stop;
sleep 1.2;
is $nginx->get('/random?count=2')->{status}, 409, 'all were used up already';

is_deeply [ $nginx->errors ], [], 'nothing was worse than an error';

done_testing;
