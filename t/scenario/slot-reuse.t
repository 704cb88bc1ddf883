# A range that a reload has removed may still be asked for by an old worker,
# and its place in the zone be another range's by the time when the reply
# comes, or is lost.  Neither must show in the other one.

use strict;
use warnings;

use lib 't/lib';

use JSON::PP qw( decode_json );
use Test::More;

use UniqueRandom::Client;
use UniqueRandom::Load;
use UniqueRandom::Nginx;
use UniqueRandom::Postgres;
use UniqueRandom::Util qw( children tcp_proxy wait_until );

use constant {
    SIZE    => 200,
    WAITING => 30,
};

my $pg = UniqueRandom::Postgres->new;

for my $case (
    [ 'the reply comes late', sub { $_[0]->forward } ],
    [ 'the reply is lost',    sub { $_[0]->cut } ],
    )
{
    my ($what, $end) = @$case;
    my $db = $what =~ /late/ ? 'late' : 'lost';

    # The removed range is the first one.
    $pg->create_database($db)->apply_schema($db);
    $pg->psql($db, "SELECT unique_random.add('numbers', i * @{[ SIZE ]} + 1,"
        . " (i + 1) * @{[ SIZE ]}) FROM generate_series(0, 40) i");

    my $proxy = tcp_proxy($pg->port);

    my $pool = sub {
        my ($i) = @_;

        my $port = $i ? $pg->port : $proxy->port;
        my ($first, $last) = ($i * SIZE + 1, ($i + 1) * SIZE);

        return 'unique_random_pool numbers { zone 32k; lease off;'
            . ' connect_timeout 60s; reserve_timeout 60s; wait_timeout 20s;'
            . ' shard ' . $pg->url(db => $db, port => $port)
            . " range=$first-$last; }";
    };

    my $nginx = UniqueRandom::Nginx->new(
        http   => $pool->(0),
        server => 'location = /random { unique_random; }'
            . 'location = /status { unique_random_status json; }'
            . 'location = /here { return 200 here; }',
    );

    my $old = UniqueRandom::Client->new($nginx);
    like $old->get('/random')->{content}, qr/\{"number":\d+\}/,
        "$what: a range gives numbers";

    $db eq 'late' ? $proxy->hang : $proxy->deaf;
    $old->send('/random');
    wait_until(
        sub {
            my $status = decode_json($nginx->get('/status')->{content});
            return $status->{pools}[0]{waiting}{now} == 1;
        },
        20, 'it waits',
    );
    ok !$old->reply(0.5), '... one that is asked for is on its way';

    # A range a reload, until one has the place of another.
    my $i = 0;
    my $reused;

    while (!$reused && $i < 40) {
        $nginx->configure(http => $pool->(++$i));
        $nginx->reload(wait => 'new');
        $reused = $nginx->error_log =~ /range \S+ is forgotten/;
    }

    ok $reused, '... meanwhile another range is given a place that was used';
    note "after $i reloads";

    my ($first, $last) = ($i * SIZE + 1, ($i + 1) * SIZE);
    my $row = sub {
        return $pg->psql($db, "SELECT $_[0] FROM unique_random.ranges"
            . " WHERE first = $first");
    };

    $end->($proxy);
    my $reply = $old->reply;

    # Nothing else is to be had in the old configuration.
    my ($number) = $reply->{content} =~ /(\d+)/;
    ok $reply->{status} == 503 || $number <= SIZE,
        '... its client is not given one of another range';
    wait_until(sub { children($nginx->master_pid) == 1 }, 30,
        'the old worker ends');

    # After a lost reply a range is asked for little at first: but not this one,
    # which has lost none.
    my ($worker) = children($nginx->master_pid);
    my @clients = map { UniqueRandom::Client->new($nginx) } 1 .. WAITING;

    $_->get('/here') for @clients;

    kill STOP => $worker;
    $_->send('/random') for @clients;
    kill CONT => $worker;

    my @numbers = map { $_->reply->{content} =~ /\{"number":(\d+)\}/ } @clients;

    is @numbers, WAITING, 'the other range gives numbers to all who wait';
    is $row->('serial'), 1, '... from one reservation';

    my $rest = UniqueRandom::Load->new(
        port     => $nginx->port,
        until    => 409,
        duration => 30,
    )->run;

    push @numbers, $rest->numbers;

    cmp_ok $rest->status(409), '>', 0, '... is used up in the end';
    is_deeply [ sort { $a <=> $b } @numbers ], [ $first .. $last ],
        '... and has given all its numbers, each once, and no other';
    is_deeply [ $nginx->errors ], [], 'nothing is wrong in the error log';
}

done_testing;
