# Somebody holds the lock of a range's row: a backup, an operator's transaction
# that was left open.  That is no failure of the shard: its other range goes on,
# nobody asks for the locked one without a pause, and it comes back by itself.

use strict;
use warnings;

use Test::More;
use Time::HiRes qw( sleep time );

use UniqueRandom::Load     ();
use UniqueRandom::Nginx    ();
use UniqueRandom::Postgres ();
use UniqueRandom::Session  ();
use UniqueRandom::Util     qw( tcp_proxy wait_until );

use constant {
    SIZE    => 100_000,
    SECONDS => 5,
    OFTEN   => 60,
};

my $pg = UniqueRandom::Postgres->new;
$pg->create_database('numbers')->apply_schema('numbers');

# All statements of one nginx go this way.
my $proxy = tcp_proxy($pg->port);

my @ranges = ('1-' . SIZE, SIZE + 1 . '-' . 2 * SIZE);

# A load waits for its last answer before a lock is let go, so whoever stands
# still for the lock is refused; and one failure would be enough to give up the
# shard.
sub nginx {
    my ($pool, $wait) = @_;

    $pg->psql('numbers', "SELECT unique_random.add('$pool', 1, @{[ SIZE ]}),"
        . " unique_random.add('$pool', @{[ SIZE + 1 ]}, @{[ 2 * SIZE ]})");

    return UniqueRandom::Nginx->new(
        http => "unique_random_pool $pool { lease min=16 max=32;"
            . " wait_timeout $wait; connect_timeout 60s; reserve_timeout 60s;"
            . ' shard ' . $pg->url(db => 'numbers', port => $proxy->port)
            . ' max_fails=1 fail_timeout=60s'
            . join('', map {" range=$_"} @ranges) . '; }',
    );
}

sub lock_rows {
    my ($which) = @_;

    my $session = UniqueRandom::Session->new(pg => $pg, db => 'numbers');
    $session->run('BEGIN;'
        . " SELECT first FROM unique_random.ranges WHERE $which FOR UPDATE");
    return $session;
}

sub take {
    my ($nginx, %arg) = @_;

    return UniqueRandom::Load->new(
        port => $nginx->port, connections => 4, processes => 1, %arg,
    )->run;
}

sub of_first {
    my ($result) = @_;

    return scalar grep { $_ <= SIZE } $result->numbers;
}

sub never_unavailable {
    my ($nginx) = @_;

    unlike $nginx->error_log, qr/unavailable/,
        '... nobody calls the shard unavailable';
    is_deeply [ $nginx->errors(qr/emerg|alert|crit|error/) ], [],
        '... nor is there any other error';
    return;
}

# One of the two.
{
    my $nginx   = nginx('one', '20s');
    my @results = take($nginx, count => 200);

    my $session = lock_rows("pool = 'one' AND first = 1");
    my $during  = take($nginx, duration => SECONDS);
    push @results, $during;

    is $during->status(200), $during->attempts,
        'a row is locked for ' . SECONDS . " s: all @{[ $during->attempts ]}"
        . ' requests are answered with a number';
    cmp_ok of_first($during), '<', 100, '... nearly all of the other range';
    $session->run('ROLLBACK');

    wait_until(
        sub {
            push @results, take($nginx, count => 100);
            return of_first($results[-1]);
        },
        20, 'the range that was locked gives numbers',
    );
    pass '... and then the range that was locked gives some';

    is scalar UniqueRandom::Load->merge(@results)->duplicates, 0,
        '... none came twice';
    never_unavailable($nginx);
}

# Both of them, before anything is known of either, and a client that waits.
{
    my $nginx   = nginx('both', '200s');
    my $session = lock_rows("pool = 'both'");
    my $before  = $proxy->sent;

    my $load = UniqueRandom::Load->new(
        port => $nginx->port, connections => 1, processes => 1, count => 1,
        timeout => 200, deadline => 200,
    )->start;
    my $start = time;
    sleep SECONDS;
    my $sent    = $proxy->sent - $before;
    my $elapsed = time - $start;

    cmp_ok $sent, '<', OFTEN * $elapsed / SECONDS,
        "both rows are locked for $elapsed s: the database is asked $sent times";

    # To connect takes some of them.
    ok eval {
        wait_until(sub { $proxy->sent - $before > $sent + 2 }, 20, 'asked');
    }, '... and again and again for one who waits';

    $session->run('ROLLBACK');
    is $load->finish->status(200), 1, '... and gives a number in the end';
    never_unavailable($nginx);
}

done_testing;
