# A worker that has no connection of nginx left, or no file descriptor, cannot
# ask a database.  That says nothing of the database: the other workers go on,
# and so does this one when it has some again.

use strict;
use warnings;

use lib 't/lib';

use Test::More;

use UniqueRandom::Client;
use UniqueRandom::Nginx;
use UniqueRandom::Postgres;
use UniqueRandom::Util qw( wait_until );

use constant ENOUGH => 200;

my $pg = UniqueRandom::Postgres->new;
$pg->create_database('numbers')->apply_schema('numbers');

my %seen;

sub number {
    my ($reply) = @_;

    my ($number) = $reply && $reply->{content} =~ /\A\{"number":(\d+)\}\z/
        or return 0;
    $seen{$number}++;
    return 1;
}

for (
    [ 'connections', events => 'worker_connections 24;' ],
    [ 'descriptors', main => 'worker_rlimit_nofile 32;' ],
    )
{
    my ($what, @limit) = @$_;

    $pg->psql('numbers', "SELECT unique_random.add('$what', 1, 1000000)");
    %seen = ();

    # One failure is enough to give the shard up.
    my $nginx = UniqueRandom::Nginx->new(
        UniqueRandom::Client::by_worker(
            workers => 2,
            @limit,
            http => "unique_random_pool $what { lease off; wait_timeout 2s;"
                . ' shard ' . $pg->url(db => 'numbers')
                . ' range=1-1000000 max_fails=1; }',
            server => 'location = /random { unique_random; }',
        ),
    );

    my ($short, $well) = $nginx->worker_pids;
    my $client = UniqueRandom::Client->of($nginx, $well);

    ok number($client->get('/random')), "$what: a number";

    # Those that are in the middle of a request are not closed to make room.
    my @clients = UniqueRandom::Client->of($nginx, $short);
    my $head    = "GET /random HTTP/1.1\r\nHost: localhost\r\n";
    $clients[0]->write($head);

    my $refused = 0;

    for (1 .. 10 * ENOUGH) {
        my $next  = UniqueRandom::Client->new($nginx) or last;
        my $reply = $next->get('/pid', 0.5);

        # Nobody answers but those of a worker that has no room.
        last if !$reply && ++$refused == 3;
        push @clients, $next->write($head)
            if $reply && $reply->{content} == $short;
    }

    is $refused, 3, "a worker has no $what left";

    # All its clients end their requests, and it can ask for none of them.
    $_->write("\r\n") for @clients;

    my $given = 0;
    $given += number($client->get('/random', 10)) for 1 .. 20;
    is $given, 20, '... the other one gives numbers';

    my @replies = grep {$_} map { $_->reply(10) } @clients;
    is @replies, @clients, '... its own clients have an answer';
    number($_) for @replies;

    $given = 0;
    $given += number($client->get('/random', 10)) for 1 .. 20;
    is $given, 20, '... while the other one still gives some';

    ok scalar(grep {/ \[alert\] $short#/} $nginx->errors(qr/alert/)),
        '... an alert is in the log, from that worker';
    unlike $nginx->error_log, qr/it is unavailable for now/,
        '... and none that speaks of the shard';

    # With room again, it asks again.
    my $last = shift @clients;
    $_->close for @clients;
    wait_until(sub { number($last->get('/random', 10)) }, 20, 'a number of it');
    pass '... it gives numbers when some clients have left';
    is scalar(grep { $_ > 1 } values %seen), 0, '... none came twice';
}

done_testing;
