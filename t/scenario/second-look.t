# A range that was refused is looked at again, whoever is asked for it: those
# who only want to know whether there are numbers must not use up the chance of
# those who draw.

use strict;
use warnings;

use lib 't/lib';

use Test::More;
use Time::HiRes qw( sleep );

use UniqueRandom::Client;
use UniqueRandom::Nginx;
use UniqueRandom::Postgres;

use constant {
    SMALL => 1000,
    LARGE => 100_000,
    PACE  => 0.125,
};

my $pg = UniqueRandom::Postgres->new;
$pg->create_database($_)->apply_schema($_) for qw( good fenced );

# By its weight nearly every number is of the second range.
my $last = SMALL + LARGE;
my $next = SMALL + 1;

$pg->psql('good',   "SELECT unique_random.add('numbers', 1, @{[ SMALL ]})");
$pg->psql('fenced', "SELECT unique_random.add('numbers', $next, $last)");

my $nginx = UniqueRandom::Nginx->new(
    UniqueRandom::Client::by_worker(
        workers => 2,
        http    => 'unique_random_pool numbers { connect_timeout 20s;'
            . ' reserve_timeout 20s; wait_timeout 20s;'
            . ' shard ' . $pg->url(db => 'good') . " range=1-@{[ SMALL ]};"
            . 'shard ' . $pg->url(db => 'fenced')
            . " range=$next-$last fail_timeout=1s; }",
        server => 'location = /random { unique_random; }'
            . 'location = /ready { unique_random_ready; }',
    ),
);

my ($probe, $client)
    = map { UniqueRandom::Client->of($nginx, $_) } $nginx->worker_pids;

my (%seen, $of_fenced);

sub draw {
    my $reply = $client->get('/random');

    my ($number) = $reply->{content} =~ /\{"number":(\d+)\}/
        or return fail("a number, not $reply->{status}");

    $seen{$number}++;
    $of_fenced++ if $number > SMALL;
    return;
}

# Until the lease is used up, and the next one was refused.
draw() for 1 .. 8;
$pg->psql('fenced', 'UPDATE unique_random.ranges SET reserved = 0');
for (1 .. 100) {
    last if $nginx->errors(qr/alert/);
    draw();
}

$nginx->wait_for_log(qr/\[alert\].* is fenced/);
pass 'a range is fenced';

$pg->psql('fenced', "SELECT unique_random.accept('numbers', $next,"
    . ' at_least => 1000)');

# This is no waiting: the pace of a load balancer that probes, and of few
# clients.
$of_fenced = 0;

for (my $i = 0; !$of_fenced && $i < 20 / PACE; $i++) {
    sleep PACE;
    $probe->get('/ready');
    draw() if $i % 2;
}

cmp_ok $of_fenced, '>', 0, 'it gives numbers soon after it was accepted';
is scalar(grep { $_ > 1 } values %seen), 0, 'no number came twice';

done_testing;
