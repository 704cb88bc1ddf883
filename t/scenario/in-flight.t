# A reservation under way may bring numbers, so that nobody is told meanwhile
# that all are used.  One whose worker has died brings none, and must not keep
# others from being told.

use strict;
use warnings;

use lib 't/lib';

use Test::More;

use UniqueRandom::Client;
use UniqueRandom::Load;
use UniqueRandom::Nginx;
use UniqueRandom::Postgres;
use UniqueRandom::Util qw( wait_gone wait_until );

use constant SIZE => 20;

my $pg = UniqueRandom::Postgres->new;
$pg->create_database('numbers')->apply_schema('numbers');
$pg->psql('numbers', 'SELECT unique_random.add(\'numbers\', 1, ' . SIZE . ')');

my $nginx = UniqueRandom::Nginx->new(
    UniqueRandom::Client::by_worker(
        workers => 2,
        http    => 'unique_random_pool numbers { lease off; shard '
            . $pg->url(db => 'numbers') . ' range=1-' . SIZE . ' max_fails=0;'
            . ' reserve_timeout 60s; wait_timeout 1s; }',
        server => 'location = /random { unique_random; }',
    ),
);

my ($pid, @others) = $nginx->worker_pids;
my ($dying, $living)
    = map { UniqueRandom::Client->of($nginx, $_) } $pid, @others;

my %seen;

for (1 .. SIZE) {
    my ($number) = $dying->get('/random')->{content} =~ /(\d+)/;
    $seen{$number}++;
}

is keys %seen, SIZE, 'all numbers are given';
is $_->get('/random')->{status}, 409, '... and whoever asks is told so'
    for $dying, $living;

# The database is asked again once a second.  A request that does so while it
# stands still is not answered at once.
sub ask {
    wait_until(sub { return !$dying->get('/random', 0.3) }, 30,
        'a reservation is under way');
    return;
}

$pg->pause;
ask();
is $living->get('/random')->{status}, 503,
    'while a reservation is under way nobody is told that all is used';
is $dying->reply->{status}, 503, '... nor who waits for it';

kill KILL => $pid;
wait_gone(10, $pid);
$pg->resume;

# They keep asking, and so there is always a reservation of the living.
my $result = UniqueRandom::Load->new(
    port        => $nginx->port,
    connections => 8,
    duration    => 20,
    until       => 409,
)->run;

note join ', ', map { "$_: " . $result->status($_) }
    sort keys %{ $result->status };

cmp_ok $result->status(409), '>', 0,
    'after the death of its worker they are told again';
is $result->status(200), 0, '... and no number came twice';

my @errors = grep { !/exited on signal 9/ } $nginx->errors;
is_deeply \@errors, [], 'nothing else is wrong in the error log';

done_testing;
