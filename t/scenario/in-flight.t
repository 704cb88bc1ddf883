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

wait_until(sub {
    my ($number) = $dying->get('/random')->{content} =~ /"number":(\d+)/;
    $seen{$number}++ if defined $number;
    return keys %seen == SIZE;
}, 30, 'all numbers are given');

# A database that is slow is waited for.
sub is_told {
    my ($client, $status, $what) = @_;

    my $told = eval {
        wait_until(sub { $client->get('/random')->{status} == $status },
            20, "$status comes");
    };
    my $why = $@;

    return ok($told, $what) || diag $why;
}

is_deeply [ grep { $_ != 1 } values %seen ], [], 'all numbers are given, once';
is_told($_, 409, '... and whoever asks is told so') for $dying, $living;

# The database is asked again once a second.  A request that does so while it
# stands still waits for it, and it does for a minute.
$pg->pause;
is_told($dying, 503,
    'while a reservation is under way nobody is told that all is used');
is $living->get('/random')->{status}, 503, '... in no worker';

kill KILL => $pid;
wait_gone(10, $pid);
$pg->resume;

# They keep asking, and so there is always a reservation of the living.
my $result = UniqueRandom::Load->new(
    port        => $nginx->port,
    connections => 8,
    duration    => 60,
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
