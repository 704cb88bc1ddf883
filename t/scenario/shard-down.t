# A shard that is gone, or hangs, costs no request anything while the other
# has numbers; and it is used again when it is back, without a reload.

use strict;
use warnings;

use Test::More;

use UniqueRandom::Load     ();
use UniqueRandom::Nginx    ();
use UniqueRandom::Postgres ();
use UniqueRandom::Util     qw( wait_until );

use constant RANGE => 10_000_000;

my (@clusters, @shards);

for my $i (0, 1) {
    my ($pg, $shard) = UniqueRandom::Postgres->new_shard($i, RANGE);

    push @clusters, $pg;
    push @shards, "shard $shard fail_timeout=1s;";
}

# Nobody waits longer than for the other shard to be asked, so the deadline
# for that is far away: this test is about failures, not about time.
my $nginx = UniqueRandom::Nginx->new(
    workers => 2,
    http    => <<"EOT",
unique_random_pool numbers {
    lease min=16 max=1000;
    connect_timeout 5s;
    reserve_timeout 5s;
    wait_timeout 60s;
    @shards
}
EOT
);

my @results;

# Takes numbers and returns how many came from each shard.
sub take {
    my ($count) = @_;

    my $result = UniqueRandom::Load->new(
        port        => $nginx->port,
        connections => 16,
        count       => $count,
        timeout     => 60,
    )->run;

    push @results, $result;
    return from($result);
}

sub from {
    my ($result) = @_;

    my $first = grep { $_ <= RANGE } $result->numbers;
    return ($first, $result->numbers - $first);
}

sub reserved {
    my ($i) = @_;

    return $clusters[$i]->psql('numbers',
        'SELECT reserved FROM unique_random.ranges');
}

# How often the second one has, and what the log says then.
sub failures {
    my ($then) = @_;

    my $port = $clusters[1]->port;

    return scalar(() = $nginx->error_log
        =~ m{could not reserve from shard "[^"]*:$port/numbers"$then}g);
}

sub wait_for_both {
    my ($what) = @_;

    my @before = map { reserved($_) } 0, 1;

    wait_until(sub {
        take(500);
        return reserved(0) > $before[0] && reserved(1) > $before[1];
    }, 60, $what);

    return pass $what;
}

wait_for_both('both shards are reserved from');

for my $way (
    [
        'is stopped', sub { $_[0]->stop('fast') }, sub { $_[0]->start },
        ', it is unavailable for now'
    ],

    # What times out may not do so often enough within fail_timeout.
    [ 'stands still', sub { $_[0]->pause }, sub { $_[0]->resume }, '' ],
    )
{
    my ($name, $fail, $back, $then) = @$way;

    my $during = UniqueRandom::Load->new(
        port        => $nginx->port,
        connections => 16,
        timeout     => 60,
        duration    => 60,
    )->start;

    my $before = failures($then);

    $fail->($clusters[1]);

    # It has noticed, and what was leased from the shard is used up.
    wait_until(sub { (take(500))[1] == 0 }, 60, 'the shard is used no more');
    wait_until(sub { take(500); failures($then) > $before }, 60,
        "the shard has failed$then");

    my $result = $during->stop->finish;
    push @results, $result;
    my @from = from($result);

    note sprintf 'shard 1 %s: %d attempts, %d acknowledged (%d + %d), '
        . '%d refused, %d failed', $name, $result->attempts,
        $result->status(200), @from, $result->status(503), $result->failed;
    is $result->status(200), $result->attempts,
        "shard 1 $name: every request is answered with a number";

    $back->($clusters[1]);
    wait_for_both("it no longer $name: it is reserved from again");
}

my $all        = UniqueRandom::Load->merge(@results);
my $duplicates = $all->duplicates;

note sprintf 'in all: %d attempts, %d acknowledged, %d refused, %d failed, '
    . '%d duplicates, %d out of range', $all->attempts, $all->status(200),
    $all->status(503) + $all->status(409), $all->failed, $duplicates,
    scalar $all->out_of_range(1, 2 * RANGE);

is $all->status(200), $all->attempts, 'no request failed';
is $duplicates, 0, 'no number comes twice';
is $all->out_of_range(1, 2 * RANGE), 0, 'no number is out of range';
is_deeply [ $all->malformed ], [], 'every answer is to the letter';

is_deeply [ $nginx->errors ], [], 'nothing is wrong in the error log';

done_testing;
