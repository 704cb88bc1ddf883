# To leave a shard alone for a while helps where another one can be asked.  If
# there is none, its database is asked again as soon as it is back; but not one
# that refuses for a reason that only an operator can do something about.

use strict;
use warnings;

use lib 't/lib';

use Test::More;
use Time::HiRes qw( time );

use UniqueRandom::Load;
use UniqueRandom::Nginx;
use UniqueRandom::Postgres;
use UniqueRandom::Util qw( free_port tcp_proxy wait_until );

use constant {
    SIZE => 1_000_000,
    USED => 10,

    # Seconds that a shard is left alone for, and that one may take to be asked
    # again for which that is no help.
    LEFT_ALONE => 120,
    SOON       => 30,
};

my $pg   = UniqueRandom::Postgres->new(name => 'restarts');
my $full = UniqueRandom::Postgres->new(name => 'used');

for my $db (qw( one used hosts )) {
    $pg->create_database($db)->apply_schema($db);
    $pg->psql($db, "SELECT unique_random.add('$db', 1, @{[ SIZE ]})");
}

my ($next, $last) = (SIZE + 1, SIZE + USED);
$full->create_database('used')->apply_schema('used');
$full->psql('used', "SELECT unique_random.add('used', $next, $last)");

my $range   = 'range=1-' . SIZE;
my $alone   = 'fail_timeout=' . LEFT_ALONE . 's';
my $patient = 'connect_timeout 20s; reserve_timeout 20s; wait_timeout 12s;';

(my $hosts = $pg->url(db => 'hosts'))
    =~ s/\@([^\/]+)/'@127.0.0.1:' . free_port() . ",$1"/e;

for (
    [ one  => 'shard ' . $pg->url(db => 'one') . " $range $alone;" ],
    [ used => 'shard ' . $pg->url(db => 'used') . " $range $alone;"
            . 'shard ' . $full->url(db => 'used') . " range=$next-$last;" ],
    [ hosts => "shard $hosts $range $alone;" ],
    )
{
    my ($pool, $shards) = @$_;

    my %what = (
        one   => 'a single shard',
        used  => 'one of two, the other is used up',
        hosts => 'one with two hosts, one of which is dead',
    );
    my $what = $what{$pool};

    my $nginx = UniqueRandom::Nginx->new(
        workers => 2,
        http    => "unique_random_pool $pool { lease off; $patient $shards }",
    );

    my @results;
    my $take = sub {
        push @results,
            UniqueRandom::Load->new(port => $nginx->port, @_)->run;
        return $results[-1];
    };

    # The few that the other range has are drawn when there are no others.
    if ($pool eq 'used') {
        $pg->stop;
        $take->(until => 503, duration => 60, connections => 2);
        is scalar grep({ $_ > SIZE } $results[0]->numbers), USED,
            'a range is used up';
        $pg->start;
        wait_until(sub { $take->(count => 16)->status(200) == 16 }, 60,
            'numbers of the other');
    }

    is $take->(count => 100)->status(200), 100, "$what: numbers are given";

    my $load = UniqueRandom::Load->new(
        port        => $nginx->port,
        connections => 8,
        processes   => 1,
    )->start;

    my $given_up = sub {
        return scalar(() = $nginx->error_log =~ /it is unavailable for now/g);
    };
    my $before = $given_up->();

    $pg->stop;
    wait_until(sub { $given_up->() > $before }, 30, 'it is given up');
    $pg->start;

    my $back = time;
    wait_until(sub { $nginx->get('/random')->{status} == 200 }, 30,
        'numbers are given again');
    my $after = time - $back;

    push @results, $load->stop->finish;

    # Those of the client that looked are not counted.
    my $all = UniqueRandom::Load->merge(@results);

    note sprintf '%s: a number %.2f s after the database was back; %d numbers,'
        . ' %d refused', $what, $after, $all->status(200), $all->status(503);
    cmp_ok $after, '<', SOON, '... and again soon after a restart';
    is scalar $all->duplicates, 0, '... none came twice';
}

# Each attempt is a connection, and clients ask all the time.
$pg->create_user(nobody => 'secret');

for (
    [ 'a wrong password', $pg->url(db => 'one', user => 'nobody',
        password => 'wrong', port => 'PORT') ],
    [ 'a database that does not exist', $pg->url(db => 'gone',
        port => 'PORT') ],
    )
{
    my ($what, $url) = @$_;

    my $proxy = tcp_proxy($pg->port);
    my $port  = $proxy->port;
    my $nginx = UniqueRandom::Nginx->new(
        workers => 2,
        http    => 'unique_random_pool one { connect_timeout 20s;'
            . ' reserve_timeout 20s; wait_timeout 1s; shard '
            . ($url =~ s/PORT/$port/r)
            . " $range max_fails=1 fail_timeout=2s; }",
    );

    my $start  = time;
    my $result = UniqueRandom::Load->new(
        port     => $nginx->port,
        duration => 6,
    )->run;
    my $connections = $proxy->connections;
    my $took        = time - $start;

    is $result->status(200), 0, "$what: no number";
    note sprintf '%d requests, %d connections in %.1f s', $result->attempts,
        $connections, $took;

    # At 0, 2, 4 and 6 s, perhaps by both workers at once, and a late one.
    cmp_ok $connections, '<=', 2 * (2 + $took / 2),
        '... the database is asked each fail_timeout, and no more often';
}

done_testing;
