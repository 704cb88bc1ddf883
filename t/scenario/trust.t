# failover=trust while synchronous_standby_names is empty, as replication
# managers leave it for a while when they promote a standby.  Nothing is granted
# then, and nothing is fenced: what was leased before is issued, the other shard
# serves, and when the setting is back, numbers come by themselves.
#
# That is so if a standby was waited for by the last grant that is known where
# it was promoted.  If not, later ones may be missing: the range is fenced.

use strict;
use warnings;

use JSON::PP qw( decode_json );
use Test::More;
use Time::HiRes qw( time );

use UniqueRandom::Caller   ();
use UniqueRandom::Faults   ();
use UniqueRandom::Load     ();
use UniqueRandom::Nginx    ();
use UniqueRandom::Postgres ();
use UniqueRandom::Util     qw( wait_until );

use constant {
    SIZE => 5000,
    WHY  => 'timeline is 2 instead of 1, trust waits for'
        . ' synchronous_standby_names',
};

use constant FENCED => qr/\[alert\] .* range 1-\d+ of shard .* is fenced: timeline is 2 instead of 1; /;

use constant WARNING => qr/\[warn\] .* range 1-\d+ of shard .* is not granted from yet: @{[ WHY ]}; .* run SELECT unique_random\.set_failover\('\w+', 1, 'fence'\); instead/;

my $other = UniqueRandom::Postgres->new(name => 'other');
my $first = UniqueRandom::Postgres->new(name => 'first');
my $pool  = UniqueRandom::Faults->new(
    name     => 'trust',
    size     => SIZE,
    clusters => [ $first, $other ],
    failover => 'trust',
);

add(qw( alone lives asked ));
$first->psql('numbers', "SELECT unique_random.add('used', 1, 10,"
    . " failover => 'trust'), unique_random.add('fence', 1, @{[ SIZE ]})");

my $second = $first->standby(name => 'second');
my $third  = $second->standby(name => 'third');
my $hosts  = 'postgresql://postgres@'
    . join(',', map { '127.0.0.1:' . $_->port } $first, $second) . '/numbers';

# Of a pool that has this one range, which is looked at again no sooner than
# after ten minutes if it is refused for good.
sub nginx {
    my ($name, $lease, $wait) = @_;

    return UniqueRandom::Nginx->new(
        workers => 2,
        http    => "unique_random_pool $name { lease min=$lease max=$lease;"
            . " wait_timeout $wait;"
            . ' reserve_timeout 30s; connect_timeout 30s;'
            . " shard $hosts range=1-@{[ SIZE ]}"
            . ' fail_timeout=600s max_fails=0; }',
        server => 'location = /random { unique_random; }'
            . 'location = /status { unique_random_status json; }',
    );
}

# Of the range, what the status says.
sub status {
    my ($nginx) = @_;

    return decode_json($nginx->get('/status')->{content})
        ->{pools}[0]{ranges}[0];
}

sub load {
    my ($nginx, $count, $connections) = @_;

    return UniqueRandom::Load->new(
        port => $nginx->port, connections => $connections // 1,
        processes => 1, count => $count, timeout => 300, deadline => 300,
    );
}

sub caller_of {
    my ($name, $pg) = @_;

    return UniqueRandom::Caller->new(pg => $pg, db => 'numbers',
        pool => $name);
}

# All that the database has, with who wrote it.
sub rows {
    return join "\n", map {
        $second->psql('numbers', "SELECT xmin, * FROM unique_random.$_ t"
            . ' ORDER BY t')
    } qw( ranges holders returned );
}

# In a transaction that is undone, what the first statements change and the
# last one says.
sub undone {
    return $second->psql('numbers', "BEGIN; @_; ROLLBACK");
}

sub grants {
    my ($caller) = @_;

    my $reply = $caller->ask([ 1, SIZE, 10 ]);
    return !defined $reply->{refusal} && @{ $reply->{starts} } > 0;
}

# Whether a standby was waited for, as the row says.
sub synchronous {
    my ($name, $pg) = @_;

    return ($pg // $first)->psql('numbers', 'SELECT synchronous FROM'
        . " unique_random.ranges WHERE pool = '$name'");
}

sub add {
    return $first->psql('numbers', join '', map {
        "SELECT unique_random.add('$_', 1, @{[ SIZE ]}, failover => 'trust');"
    } @_);
}

# What a row says of who was waited for.
my %of = map { $_ => caller_of($_ => $first) }
    qw( never added degraded mended accepted );

add(qw( never accepted ));
ok grants($of{never}), 'without the setting a range is granted from';
is synchronous('never'), 'f', '... and the row says so';
is synchronous('accepted'), 'f', '... as of one that was added';

$first->set_conf(synchronous_standby_names => 'second');
add(qw( added degraded mended queued ));
is synchronous('added'), 't', 'with the setting a range is added';
ok grants($of{degraded}), '... and granted from';

$first->set_conf(synchronous_standby_names => undef);
is $of{degraded}->give_back([ 1, SIZE ], [5], [10]), '',
    'without it, what is given back';
$first->psql('numbers', "SELECT unique_random.set_failover('$_', 1, 'trust')")
    for qw( never degraded );
is_deeply [ map { synchronous($_) } qw( never degraded ) ], [ 'f', 't' ],
    '... and set_failover() change nothing of that';
ok grants($of{$_}), '... it is granted from' for qw( degraded mended );
is_deeply [ map { synchronous($_) } qw( degraded mended ) ], [ 'f', 'f' ],
    '... which the row says again';

$first->set_conf(synchronous_standby_names => 'second');
ok grants($of{mended}), 'when the setting is back, it is granted from';
is synchronous('mended'), 't', '... and the row says so';

$first->psql('numbers',
    "SELECT unique_random.accept('accepted', 1, advance => 0)");
is synchronous('accepted'), 't', '... also of one that is accepted';

$first->psql('numbers', 'SET synchronous_commit = local;'
    . " SELECT unique_random.add('local', 1, 10)");
is synchronous('local'), 'f', '... but not who does not wait';

# What everybody has before it happens.
my @asked = (1, SIZE, 10);
my $asked = caller_of(asked => $first);
my $used  = caller_of(used  => $first);

is_deeply $asked->ask(\@asked)->{starts}, [0], 'an nginx is granted some';
is_deeply $used->ask([ 1, 10, 10 ])->{stops}, [10], '... and all of a range';
ok !defined caller_of(fence => $first)->ask(\@asked)->{refusal},
    '... and of one with failover=fence';

my @held = map {
    $pool->nginx(conninfo => [$hosts], lease => 'min=100 max=200',
        timeout => '30s', more => 'wait_timeout 60s;', rate => 50)
} 1 .. 2;
my ($one, $leaving) = @held;
my $alone  = nginx('alone',  20,  '200s');
my $queued = nginx('queued', 20,  '2s');
my $lives  = nginx('lives',  200, '1s');

$pool->wait_for(0, $_) for @held;

my $before = load($alone, 5)->run;
is $before->status(200), 5, '... and of one that has no other shard';
my $issued = 0;
wait_until(sub { ($issued += load($lives, 1)->run->status(200)) == 5 }, 30,
    '... and of one that begins a new life then');
$first->wait_for_standby($second);

$first->psql('numbers',
    "SELECT unique_random.accept('lives', 1, advance => 0)");
$first->kill9;
$second->promote;
$pool->moved(0, $second);
$_->{pg} = $second for $asked, $used, values %of;

my $rows = rows();

# What is leased is issued, to the last number.
{
    my $leased = $pool->row(0, 'reserved');
    my $leaves = $pool->of(0, $pool->result);
    my $all    = 0;

    wait_until(sub {
        my $result = $pool->take($one, 20);
        $all += $result->attempts - $result->status(200);
        return $one->error_log =~ WARNING;
    }, 30, 'the warning');

    wait_until(sub {
        my $before = $pool->of(0, $pool->result);
        my $result = $pool->take($one, 200);
        $all += $result->attempts - $result->status(200);
        return $pool->of(0, $result) == 0;
    }, 30, 'the end of its leases');

    is $all, 0, 'a standby is promoted: no request fails';
    cmp_ok $pool->of(0, $pool->result) - $leaves, '>', 50,
        '... what was leased is issued';
    is scalar $pool->result->duplicates, 0, '... once';
    is rows(), $rows, '... in the rows nothing changes';
    is $pool->row(0, 'fenced IS NULL'), 't', '... which are not fenced';
    is scalar(grep { $_ =~ WARNING } $one->errors('warn')), 1,
        '... the log says so once';
    is_deeply [ $one->errors('emerg|alert|crit|error') ], [],
        '... and nothing else';
}

# An nginx that stops meanwhile cannot give back what it has.
{
    $leaving->stop;
    like $leaving->error_log,
        qr/[1-9]\d* positions of range 1-\d+ could not be given back to shard .* and are burned: @{[ WHY ]}/,
        'one that stops cannot give back';
    is rows(), $rows, '... and nothing is stored';
}

# What the database says.
{
    for my $want (10, 0) {
        my $reply = $asked->ask([ @asked[0, 1], $want, 1 ]);
        is_deeply [ @$reply{qw( refusal detail starts reserved serial )} ],
            [ 'deferred', WHY, [], 10, 1 ], "who asks for $want has to wait";
        is length $reply->{key}, 64, '... with the key, if it is asked for';

        is $used->ask([ 1, 10, $want ])->{refusal}, 'exhausted',
            '... but not for what is used up';
    }

    is $asked->give_back([ 1, SIZE ], [5], [10]), WHY, 'so has who gives back';

    my $new = caller_of(asked => $second);
    is $new->ask([ @asked, 1 ])->{refusal}, 'deferred', '... and who is new';

    for my $want (10, 0) {
        my (undef, $out, $err) = $second->try_psql('numbers',
            'SELECT refusal FROM unique_random.reserve('
            . "'asked', 1, @{[ SIZE ]}, '" . $asked->holder
            . "', 1, 1, NULL, 1, 10, 1, NULL, 1000, $want, true)");
        is $out, '', 'an earlier module is told nothing that it does not know';
        like $err,
            qr/range 1-5000 is not granted from yet: its timeline has changed/,
            '... but gets an error';
    }

    my (undef, undef, $err) = $second->try_psql('numbers',
        "SELECT unique_random.close('asked', 1)");
    like $err, qr/range 1-5000 is not granted from yet: @{[ WHY ]}/,
        'close() says nothing of it';

    is rows(), $rows, 'all of that stores nothing';
}

# What else is wrong with a range comes first.
{
    my $ask    = $asked->statement([ \@asked ]);
    my $fenced = "SELECT fenced FROM unique_random.ranges WHERE pool = 'asked'";

    like undone("SELECT unique_random.set_failover('asked', 1, 'fence'); $ask;"
            . $fenced), qr/^timeline is 2 instead of 1$/m,
        'with failover=fence it is fenced';
    like undone('UPDATE unique_random.ranges SET serial = serial'
            . " WHERE pool = 'asked'; $ask; $fenced"),
        qr/^the row was not written by a reservation$/m,
        'it is fenced by who wrote it';
    like undone('UPDATE unique_random.ranges SET database = 1, writer ='
            . " pg_current_xact_id() WHERE pool = 'asked'; $ask; $fenced"),
        qr/^database OID is \d+ instead of 1$/m, '... by the database';
    like undone('UPDATE unique_random.ranges SET timeline = 3, writer ='
            . " pg_current_xact_id() WHERE pool = 'asked'; $ask; $fenced"),
        qr/^timeline is 2 instead of 3$/m, '... by an earlier timeline';

    my $memory = $asked->memory(1);
    my %knows_more = (%$memory, serial => 2, reserved => 20);
    my $more = caller_of(asked => $second);
    $more->memory(1, %knows_more, holder_serial => 0);
    like undone($more->statement([ \@asked ]), ";$fenced"),
        qr/^reserved is 10, but 20 were seen to be reserved, says nginx/m,
        '... by who remembers more';

    $more->memory(1, %$memory, epoch => $memory->{epoch} + 1);
    like undone($more->statement([ \@asked ])), qr/"refusal":"stale"/,
        '... it is stale for who has seen a later life';

    is rows(), $rows, 'all of that is undone';
    is caller_of(fence => $second)->ask(\@asked)->{detail},
        'timeline is 2 instead of 1', 'a range with failover=fence is fenced';
}

# A standby was not always waited for.
for my $name (qw( never degraded )) {
    is $of{$name}->ask(\@asked)->{detail}, 'timeline is 2 instead of 1',
        "$name waited for: the range is fenced";
}

is $of{$_}->ask(\@asked)->{detail}, WHY, "$_: the range has to wait"
    for qw( added mended accepted );

# Where there is nothing else, who asks waits, as for a locked row: more of them
# than have been leased.
my $waiting = load($alone, 100, 8)->start;

$alone->wait_for_log(WARNING, 30);
pass 'one that has no other shard waits';
is_deeply [ @{ status($alone) }{qw( state reason )} ], [ 'deferred', WHY ],
    '... the status says why';
like status($alone)->{sql}, qr/^SELECT unique_random\.set_failover\('alone'/,
    '... and what to run if the standby may have lagged';

is load($queued, 1)->run->status(503), 1, '... until its time is up';
$queued->wait_for_log(WARNING, 30);
is_deeply [ $queued->errors('emerg|alert|crit|error') ], [],
    '... the shard is not unavailable';

# A new life burns what was leased in the old one.
{
    my $refused;

    wait_until(sub {
        my $result = load($lives, 1)->run;
        $issued += $result->status(200);
        return $refused = $result->status(503);
    }, 30, 'a refusal');

    $lives->wait_for_log(WARNING, 30);
    pass 'one that has begun a new life waits';
    cmp_ok $issued, '<', 200, '... with nothing of the old one';
    note "$issued of 200 were issued";
}

# The setting is back.
{
    $second->wait_for_standby($third);
    $pool->start($one);

    my $row = $pool->row(0, 'reserved');
    $second->set_conf(synchronous_standby_names => 'third');

    my $back  = time;
    my $after = $waiting->finish;
    my $took = time - $back;
    is_deeply [ @{ status($alone) }{qw( state reason )} ], [ 'active', undef ],
        '... the status says so';

    is $after->status(200), 100, 'the setting is back: who waits is served';
    cmp_ok $took, '<', 60, '... soon';
    is scalar UniqueRandom::Load->merge($before, $after)->duplicates, 0,
        '... with new numbers';

    wait_until(sub { $pool->row(0, 'reserved') > $row }, 30, 'reservations');
    note sprintf 'beside another shard after %.3f s', time - $back;

    my $result = $pool->finish;
    is $result->status(200), $result->attempts,
        '... of ' . $result->attempts . ' requests none failed';
    is $pool->row(0, 'timeline'), 2, '... the row has the new timeline';

    is_deeply $asked->ask(\@asked)->{starts}, [10], '... a caller goes on';
    ok grants($of{$_}), "... so does $_" for qw( added mended accepted );
    is $of{$_}->ask(\@asked)->{refusal}, 'fenced', "... $_ stays fenced"
        for qw( never degraded );
    is $asked->give_back([ 1, SIZE ], [5], [10]), '', '... and may give back';

    for my $nginx ($one, $alone) {
        like $nginx->error_log, qr/range 1-\d+ of shard .* is granted from/,
            '... the log says so';
        is scalar(grep { $_ =~ WARNING } $nginx->errors('warn')), 1,
            '... and what was before, once';
        is_deeply [ $nginx->errors('emerg|alert|crit|error') ], [],
            '... nothing was wrong';
    }
}

# Emptied without a failover, nothing waits.
$second->set_conf(synchronous_standby_names => undef);
ok !defined $asked->ask(\@asked)->{refusal},
    'without a failover the setting does not matter';
$pool->end('a synchronous standby is promoted, its setting comes later', $one);

# Without synchronous replication numbers are lost with the primary, and when
# the promoted standby gets a standby of its own, the setting is set.
{
    my $old = UniqueRandom::Postgres->new(name => 'old');
    my $new = $old->standby(name => 'new');

    $old->create_database('numbers')->apply_schema('numbers');
    $old->psql('numbers', "SELECT unique_random.add('$_', 1, @{[ SIZE ]},"
        . " failover => 'trust')") for qw( lost late unwaited );

    my %nginx = map { $_ => single_of($old, $new) } qw( before after );
    my @given = map { number($nginx{before}) } 1 .. 20;

    $old->set_conf(synchronous_standby_names => 'new');
    my %waited = map { $_ => caller_of($_ => $old) } qw( late unwaited );
    ok grants($_), 'two ranges are synchronous' for values %waited;
    $old->set_conf(synchronous_standby_names => undef);

    $old->wait_for_standby($new);
    $new->stop_receiving;
    push @given, map { number($nginx{before}) } 1 .. 20;
    is scalar(grep {defined} @given), 40, 'numbers are given, half of them lost';

    $old->kill9;
    $new->promote;
    ok !defined number($nginx{after}), '... the standby gives none';
    $nginx{after}->wait_for_log(FENCED, 30);

    my $next = $new->standby(name => 'next');
    $new->set_conf(synchronous_standby_names => 'next');
    wait_until(sub {
        $new->psql('postgres', 'SELECT count(*) FROM pg_stat_replication'
            . " WHERE sync_state = 'sync'");
    }, 30, 'the next standby is a synchronous one');

    my $ask = caller_of(lost => $new);
    is $ask->ask(\@asked)->{detail}, 'timeline is 2 instead of 1',
        '... nor when it has a synchronous standby';
    ok !defined number($nginx{after}), '... to nobody';

    # What who knows most proposes.
    number($nginx{before});
    $nginx{before}->wait_for_log(FENCED, 30);
    my ($accept) = $nginx{before}->error_log =~ /run (SELECT .*?accept\(.*?;)/;
    $new->psql('numbers', $accept);

    wait_until(sub { push @given, number($nginx{after}); defined $given[-1] },
        30, 'numbers after accept()');
    push @given, map { number($nginx{after}) } 1 .. 20;

    my %seen;
    $seen{$_}++ for grep {defined} @given;
    is scalar(grep { $_ > 1 } values %seen), 0,
        '... after accept() numbers come, and none of them again';

    # PostgreSQL waits for nobody without a sender, whatever the setting says.
    $_->{pg} = $new for values %waited;
    $new->set_conf(max_wal_senders => 0);
    $new->restart;
    is $waited{unwaited}->ask(\@asked)->{detail}, 'timeline is 2 instead of 1',
        'a server that cannot wait for a standby grants nothing';

    $new->set_conf(synchronous_standby_names => undef);
    is $waited{late}->ask(\@asked)->{detail}, 'timeline is 2 instead of 1',
        '... nor does it without the setting';

    $new->set_conf(synchronous_standby_names => 'next');
    $new->psql('numbers', "SELECT unique_random.add('here', 1, 10)");
    is synchronous('here', $new), 'f', '... and a row says so';

    $new->set_conf(max_wal_senders => undef);
    $new->restart;
    is $waited{$_}->ask(\@asked)->{refusal}, 'fenced', "... $_ stays fenced"
        for qw( unwaited late );
}

done_testing;

# With one number at a time, of the range that is lost in part.
sub single_of {
    my (@servers) = @_;

    return UniqueRandom::Nginx->new(
        http => 'unique_random_pool lost { lease off; wait_timeout 6s;'
            . ' connect_timeout 30s; reserve_timeout 30s;'
            . ' shard postgresql://postgres@'
            . join(',', map { '127.0.0.1:' . $_->port } @servers)
            . "/numbers range=1-@{[ SIZE ]} fail_timeout=1s; }",
    );
}

sub number {
    my ($nginx) = @_;

    my $reply = $nginx->get('/random');
    return $reply->{status} == 200
        ? ($reply->{content} =~ /^\{"number":(\d+)\}$/)[0] : undef;
}
