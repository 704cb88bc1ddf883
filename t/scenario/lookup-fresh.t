# A look-up that is to be fresh has the range looked at: once a second at most,
# for no longer than others wait, and so that nobody who wants a number notices.

use strict;
use warnings;

use lib 't/lib';

use Test::More;

use JSON::PP qw( decode_json );
use Time::HiRes qw( sleep time );

use UniqueRandom::Client;
use UniqueRandom::Nginx;
use UniqueRandom::Postgres;
use UniqueRandom::Proxy;
use UniqueRandom::Util qw( wait_until );

use constant {
    SIZE => 200,

    # What a database may take that is only slow.
    PATIENT => 'connect_timeout 20s; reserve_timeout 20s; wait_timeout 20s;',

    # What hangs does so for longer than clients wait, which is 30 s.
    FOR_EVER => 'reserve_timeout 120s; wait_timeout 120s;',

    # Who waits for a shard that has failed would do so for 20 s.
    LATER   => 'fail_timeout=60s',
    AT_ONCE => 10,
};

my $pg = UniqueRandom::Postgres->new;

my $server = <<'EOT';
keepalive_requests 1000000;
location = /random { unique_random POOL; }
location = /ready { unique_random_ready POOL; }
location = /lookup { unique_random_lookup POOL fresh; }
location = /stale { unique_random_lookup POOL; }
location = /status { unique_random_status json; }
location = /busy { stub_status; }
EOT

# A database with one range of a pool by its name, behind a proxy.
sub database {
    my ($name) = @_;

    $pg->create_database($name)->apply_schema($name);
    $pg->psql($name, "SELECT unique_random.add('$name', 1, @{[ SIZE ]})");

    return UniqueRandom::Proxy->new(to => $pg->port);
}

sub nginx {
    my ($name, $proxy, $settings, %more) = (@_[0 .. 2],
        lease => 'lease min=10 max=10;',
        shard => '', @_[3 .. $#_]);

    my $url = $pg->url(db => $name, port => $proxy->port);

    return UniqueRandom::Nginx->new(
        http => "unique_random_pool $name { $settings shard $url name=a "
            . "range=1-@{[ SIZE ]} $more{shard}; $more{lease} }",
        UniqueRandom::Client::by_worker(server => $server =~ s/POOL/$name/gr),
        %more,
    );
}

# What is answered, and in how many seconds.
sub look_up {
    my ($nginx, $number, $path) = @_;

    my $start = time;
    my $reply = $nginx->get(($path // '/lookup') . "?number=$number");

    return { status => "answered with $reply->{status}" }
        if $reply->{status} != 200;
    return { %{ decode_json($reply->{content}) }, took => time - $start };
}

# It is known of since it was asked for, but for the clock of nginx, which is
# less exact.
sub is_new {
    my ($answer, $what) = @_;

    return cmp_ok $answer->{age} // 999, '<=', $answer->{took} + 0.1, $what;
}

# So many requests wait.
sub wait_for_requests {
    my ($nginx, $n) = @_;

    return wait_until(sub {
        my ($all) = $nginx->get('/busy')->{content} =~ /Writing: (\d+)/;
        return $all == $n + 1;
    }, 20, "$n requests wait");
}

sub row {
    my ($db, $columns) = @_;

    return $pg->psql($db, "SELECT $columns FROM unique_random.ranges");
}

# One nginx looks up what another one has been given.
{
    my $proxy = database('two');
    my $one   = nginx('two', $proxy, PATIENT);
    my $other = nginx('two', $proxy, PATIENT);

    is look_up($one, 1, '/stale')->{status}, 'unknown', 'nothing is known';

    my $before = row('two', 'xmin, reserved, serial');
    my $answer = look_up($one, 1);
    is $answer->{status}, 'unreserved', 'fresh: the database is asked';
    is_new($answer, '... now');
    is row('two', 'xmin, reserved, serial'), $before,
        '... and nothing in it changes';
    is look_up($one, 1, '/stale')->{status}, 'unreserved',
        '... and it is known to who does not ask, too';

    my (undef, @numbers) = UniqueRandom::Client->draw($other, 10);
    is @numbers, 10, 'somebody else is given numbers';

    sleep 1.2;
    is_deeply [ map { look_up($one, $_, '/stale')->{status} } @numbers ],
        [ ('unreserved') x 10 ], '... which nobody has told this nginx';
    is_deeply [ map { look_up($one, $_)->{status} } @numbers ],
        [ ('reserved') x 10 ], '... and a fresh look-up finds';

    is $one->get('/random')->{status}, 200, '... and a number can be had';
    is_deeply [ $one->errors(qr/emerg|alert|crit|error|warn/) ], [],
        '... without a word in the log';
}

# However many look up, in however many workers.
{
    my $proxy = database('often');
    my $nginx = nginx('often', $proxy, PATIENT, workers => 2);

    my @clients = map { UniqueRandom::Client->of($nginx, $_) }
        $nginx->worker_pids;

    is_deeply [ map { $_->get('/random')->{status} } @clients ], [ 200, 200 ],
        'two workers, each with a connection';

    # Both have connected, and nothing has to be leased for a while.

    sleep 1.1;

    my ($sent, $connected) = ($proxy->sent, $proxy->connections);
    my ($looked, $looks, $start) = (0, 0, time);

    wait_until(sub {
        for (1 .. 20) {
            my $number = 1 + $looked % SIZE;
            $_->send("/lookup?number=$number") for @clients;
            $_->reply for @clients;
            $looked += 2;
        }

        $looks = $proxy->sent - $sent;
        return $looks > 1 && $looked > 200 && time - $start > 3;
    }, 20, 'many look-ups, and the range is looked at more than once');

    my $took = time - $start;

    note sprintf '%d look-ups, %d round trips, in %.1f s', $looked, $looks,
        $took;

    # A worker may connect for one of them, which takes a few.
    cmp_ok $looks, '<=', $took + 2 + 4 * ($proxy->connections - $connected),
        'many look-ups have the range looked at once a second at most';
}

# Who waits is told what is known when the time is up.
{
    my $proxy = database('late');
    my $nginx = nginx('late', $proxy, 'connect_timeout 20s; '
        . 'reserve_timeout 120s; wait_timeout 700ms;');

    my $number;
    wait_until(sub {
        (undef, $number) = UniqueRandom::Client->draw($nginx, 1);
        return defined $number;
    }, 20, 'a number');

    sleep 1.1;
    $proxy->hang;

    my $answer = look_up($nginx, $number);
    is $answer->{status}, 'reserved', 'a database that hangs: what is known';
    cmp_ok $answer->{age},  '>', 1, '... with its age';
    cmp_ok $answer->{took}, '>', 0.6, '... after as long as others wait';
    cmp_ok $answer->{took}, '<', 15, '... and not as long as the database is';

    my $sent = UniqueRandom::Client->new($nginx);
    $sent->send("/lookup?number=$number");
    sleep 0.1;
    $nginx->reload(wait => 'new');
    is $sent->reply->{status}, 200, 'a reload: who waits is answered';

    $proxy->forward;
    wait_until(sub {
        ($answer) = look_up($nginx, $number);
        return defined $answer->{age} && $answer->{age} <= $answer->{took};
    }, 20, 'fresh');
    is $answer->{status}, 'reserved', '... and fresh, later';
    is_deeply [ $nginx->errors ], [], '... without an alert';
}

# Nobody waits when it is no use, and who does keeps nobody from anything else.
{
    my $proxy = database('queue');
    my $nginx = nginx('queue', $proxy,
        'connect_timeout 20s; queue 4; ' . FOR_EVER);

    my (undef, $number) = UniqueRandom::Client->draw($nginx, 1);

    sleep 1.1;
    $proxy->hang;

    my @waiting = map { UniqueRandom::Client->new($nginx) } 1 .. 4;
    $_->send("/lookup?number=$number") for @waiting;
    wait_for_requests($nginx, 4);

    is look_up($nginx, $number)->{status}, 'reserved',
        'a full queue: at once';
    is $nginx->get('/ready')->{status}, 200, 'others need not wait: ready';
    is $nginx->get('/random')->{status}, 200, '... and a number';
    is_deeply [ grep { $_->reply(0.01) } @waiting ], [], '... before those';

    my $leaves = UniqueRandom::Client->new($nginx);
    $leaves->send("/lookup?number=$number");
    $_->close for shift @waiting, $leaves;
    wait_for_requests($nginx, 3);
    $proxy->forward;
    is_deeply [ map { $_->reply->{status} } @waiting ], [ (200) x 3 ],
        'those who stay are answered, those who leave are not';

    sleep 1.1;
    $proxy->hang;

    my $sent = UniqueRandom::Client->new($nginx);
    $sent->write("GET /lookup?number=$number HTTP/1.1\r\nHost: a\r\n"
        . "Content-Length: 10\r\n\r\n01234");
    wait_for_requests($nginx, 1);
    $sent->write("56789GET /lookup?number=x HTTP/1.1\r\nHost: a\r\n\r\n");
    sleep 0.1;
    $proxy->forward;
    is_deeply [ map { $sent->reply->{status} } 1, 2 ], [ 200, 422 ],
        'a body that comes meanwhile is read, and no request';
    is_deeply [ $nginx->errors ], [], '... without an alert';
}

# A look that is not answered keeps nobody from the numbers of other shards.
{
    my $proxy = database('beside');
    database('other');
    $pg->psql('other', q{SELECT unique_random.add('beside', 1001, 1200)});

    my $nginx = nginx('beside', $proxy, 'lease off; ' . FOR_EVER
        . ' shard ' . $pg->url(db => 'other') . ' range=1001-1200;',
        lease => '');

    is look_up($nginx, 1001)->{status}, 'unreserved', 'two shards';
    $proxy->hang;

    my $waits = UniqueRandom::Client->new($nginx);
    $waits->send('/lookup?number=1');
    wait_for_requests($nginx, 1);

    my ($status, @numbers) = UniqueRandom::Client->draw($nginx, 5);
    is_deeply $status, { 200 => 5 }, '... of which one hangs: numbers';
    is_deeply [ grep { $_ < 1001 } @numbers ], [], '... of the other one';
    is $waits->reply(0.01), undef, '... without waiting for the look';

    $waits->close;
}

# Nobody answers for it.
{
    my $proxy = database('gone');
    my $nginx = nginx('gone', $proxy, PATIENT, shard => LATER);
    my (undef, $number) = UniqueRandom::Client->draw($nginx, 1);

    sleep 1.1;
    $proxy->refuse;

    wait_until(sub {
        look_up($nginx, $number);
        return $nginx->error_log =~ /it is unavailable for now/;
    }, 30, 'a shard that is given up');

    my $answer = look_up($nginx, $number);
    is $answer->{status}, 'reserved', 'a shard that is given up: what is known';
    cmp_ok $answer->{took}, '<', AT_ONCE,
        '... at once, since nobody would answer';

    is $nginx->get('/random')->{status}, 200, '... and what is leased is drawn';
}

# Whatever is looked up, a fence comes from the database alone, and goes so.
{
    my $proxy = database('fenced');
    my $nginx = nginx('fenced', $proxy, PATIENT, shard => LATER);
    my (undef, @numbers) = UniqueRandom::Client->draw($nginx, 5);

    for my $number (1 .. SIZE) {
        $nginx->get("/lookup?number=$number") if $number % 20 == 0;
    }

    sleep 1.1;
    look_up($nginx, 999_999);
    look_up($nginx, 1);

    is row('fenced', 'fenced IS NULL'), 't', 'look-ups fence nothing';
    is_deeply [ $nginx->errors(qr/emerg|alert|crit|error|warn/) ], [],
        '... nor does the log say so';

    my $status = decode_json($nginx->get('/status')->{content});
    my ($range) = @{ $status->{pools}[0]{ranges} };
    is_deeply [ grep {$_} values %{ $range->{burned} } ], [],
        '... and burn nothing';

    $pg->psql('fenced', q{UPDATE unique_random.ranges SET reserved = 0});
    sleep 1.1;
    is look_up($nginx, $numbers[0])->{status}, 'reserved',
        'a database that has gone back: what is known';
    ok $nginx->wait_for_log(qr/is fenced/), '... which a look-up may find';

    my $answer = look_up($nginx, $numbers[1]);
    is $answer->{status}, 'reserved', '... then, too';
    cmp_ok $answer->{age}, '>', 1, '... as of before: it tells no more';
    cmp_ok $answer->{took}, '<', AT_ONCE,
        '... at once: it will be asked later';
}

# Of a range that is drained nothing is reserved, and it can be looked at.
{
    my $proxy = database('drained');
    my $nginx = nginx('drained', $proxy, PATIENT);
    my (undef, @numbers) = UniqueRandom::Client->draw($nginx, 5);

    $nginx->configure(http => $nginx->{http} =~ s/range=/drain range=/r);
    $nginx->reload;
    sleep 1.1;

    my $answer = look_up($nginx, $numbers[0]);
    is $answer->{status}, 'reserved', 'drained: still reserved';
    is_new($answer, '... and looked at');

    $nginx->configure(http => $nginx->{http} =~ s/drain range=/down range=/r);
    $nginx->reload;
    sleep 1.1;

    $answer = look_up($nginx, $numbers[0]);
    is $answer->{status}, 'reserved', 'down: still reserved';
    cmp_ok $answer->{age}, '>', 1, '... and not asked';
    cmp_ok $answer->{took}, '<', AT_ONCE, '... nor waited for';
}

done_testing;
