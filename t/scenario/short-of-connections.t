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
use UniqueRandom::Util qw( tcp_proxy wait_until );

use constant ENOUGH => 200;

# A database that is slow for a moment is not given up.
my $patient = 'connect_timeout 60s; reserve_timeout 60s;';

my $pg = UniqueRandom::Postgres->new;
$pg->create_database('numbers')->apply_schema('numbers');

my %seen;

sub number {
    my ($reply) = @_;

    return 0 if !$reply;

    my ($number) = $reply->{content} =~ /\A\{"number":(\d+)\}\z/
        or return 0;
    $seen{$number}++;
    return 1;
}

# Clients of that worker until it has no room: they have begun a request each,
# since those that are in the middle of one are not closed to make some.
# Returns them, and how often nobody answered in the end, as the log says why.
sub fill {
    my ($nginx, $pid) = @_;

    my @clients = UniqueRandom::Client->of($nginx, $pid);
    my $head    = "GET /random HTTP/1.1\r\nHost: localhost\r\n";
    my $refused = 0;

    my $no_room = sub {
        return scalar(() = $nginx->error_log =~ /\ \[(?:alert|crit)\]\ $pid\#.*
            (?:connections\ are\ not\ enough\n|Too\ many\ open\ files)/gx);
    };

    $clients[0]->write($head);

    for (1 .. 10 * ENOUGH) {
        my $before = $no_room->();
        my $next   = UniqueRandom::Client->new($nginx) or last;
        my $reply;

        $next->send('/pid');
        wait_until(sub {
            $reply = $next->reply(0.2);
            return $reply || $no_room->() > $before;
        }, 20, 'an answer, or no room for one');

        last if !$reply && ++$refused == 3;
        push @clients, $next->write($head)
            if $reply && $reply->{content} == $pid;
    }

    return (\@clients, $refused);
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
            http => "unique_random_pool $what { lease off; $patient"
                . ' wait_timeout 8s;'
                . ' shard ' . $pg->url(db => 'numbers')
                . ' range=1-1000000 max_fails=1; }',
            server => 'location = /random { unique_random; }',
        ),
    );

    my ($short, $well) = $nginx->worker_pids;
    my $client = UniqueRandom::Client->of($nginx, $well);

    ok number($client->get('/random')), "$what: a number";

    my ($clients, $refused) = fill($nginx, $short);
    my @clients = @$clients;

    is $refused, 3, "a worker has no $what left";

    # All its clients end their requests, and it can ask for none of them.
    $_->write("\r\n") for @clients;

    my $given = 0;
    $given += number($client->get('/random')) for 1 .. 20;
    is $given, 20, '... the other one gives numbers';

    my @replies = grep {$_} map { $_->reply } @clients;
    is @replies, @clients, '... its own clients have an answer';
    number($_) for @replies;

    $given = 0;
    $given += number($client->get('/random')) for 1 .. 20;
    is $given, 20, '... while the other one still gives some';

    ok scalar(grep {/ \[alert\] $short#/} $nginx->errors(qr/alert/)),
        '... an alert is in the log, from that worker';
    unlike $nginx->error_log, qr/it is unavailable for now/,
        '... and none that speaks of the shard';

    # With room again, it asks again.
    $_->close for @clients;
    wait_until(sub {
        my $next = UniqueRandom::Client->of($nginx, $short);
        return number($next->get('/random'));
    }, 20, 'a number of it');
    pass '... it gives numbers when some clients have left';
    is scalar(grep { $_ > 1 } values %seen), 0, '... none came twice';
}

subtest 'no session is made for nothing' => sub {
    my $proxy = tcp_proxy($pg->port);

    $pg->psql('numbers', q{SELECT unique_random.add('nothing', 1, 1000000)});
    %seen = ();

    my $nginx = UniqueRandom::Nginx->new(
        UniqueRandom::Client::by_worker(
            workers => 2,
            events  => 'worker_connections 24;',
            http    => "unique_random_pool nothing { lease off; $patient"
                . ' wait_timeout 60s; shard '
                . $pg->url(db => 'numbers', port => $proxy->port)
                . ' range=1-1000000; }',
            server => 'location = /random { unique_random; }',
        ),
    );
    my ($short) = $nginx->worker_pids;
    my ($clients, $refused) = fill($nginx, $short);
    my $first = shift @$clients;

    is $refused, 3, 'a worker has no connections left';

    # The others go on to have theirs.
    $first->write("\r\n");
    wait_until(sub {
        my @lines = grep {
            / $short#.*cannot connect.*no connection available/
        } $nginx->errors(qr/alert/);
        return @lines >= 8;
    }, 30, 'it has tried some times');
    is $proxy->connections, 0, '... and connects to no server';

    $_->close for @$clients;
    ok number($first->reply(30)), '... but for a number, when it has room';
    is $proxy->connections, 1, '... of one session';
};

done_testing;
