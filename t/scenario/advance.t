# failover=advance:N: a standby that may have lagged is promoted, and the range
# goes on by itself.  It skips N positions, once, in a new life, which burns what
# was leased in the old one.  What anybody remembers beyond that, and all that is
# wrong with a range besides, fences it as ever.

use strict;
use warnings;

use JSON::PP   qw( decode_json );
use List::Util qw( sum0 );
use Test::More;
use Time::HiRes qw( sleep );

use UniqueRandom::Caller   ();
use UniqueRandom::Faults   ();
use UniqueRandom::Nginx    ();
use UniqueRandom::Postgres ();
use UniqueRandom::Session  ();
use UniqueRandom::Util     qw( wait_until );

use constant {
    SIZE    => 5000,
    ADVANCE => 600,
};

use constant ALERT => qr/\[alert\] .* range 1-@{[ SIZE ]} of shard .* went on after a failover with failover=advance:@{[ ADVANCE ]}: timeline is 2 instead of 1, (\d+) positions from (\d+) on are skipped; the lost primary must not come back as a primary/;

my $other = UniqueRandom::Postgres->new(name => 'other');
my $old   = UniqueRandom::Postgres->new(name => 'old', archive => 1);
my $pool  = UniqueRandom::Faults->new(
    name     => 'advance',
    size     => SIZE,
    clusters => [ $old, $other ],
    failover => 'advance:' . ADVANCE,
);

my @range = (1, 1000);

sub caller_of {
    my ($name, $pg) = @_;

    return UniqueRandom::Caller->new(pg => $pg, db => 'numbers',
        pool => $name);
}

sub row {
    my ($pg, $name, $columns) = @_;

    return $pg->psql('numbers', "SELECT $columns FROM unique_random.ranges"
        . " WHERE pool = '$name'");
}

# What is skipped is said by the reply, the first time that its caller sees it.
sub skipped {
    my ($n, $from, $timeline, $more) = @_;

    return 'timeline is ' . ($timeline // 2)
        . " instead of 1, $n positions from $from on are skipped"
        . ($more // '');
}

# Ranges of a thousand numbers, of which ten were granted when the standby had
# its last WAL.
my @names = qw( first look held beyond little used hand fence twice left late
    closed overtaken excused fresh );
my %of;

for my $name (@names) {
    my $policy = $name eq 'fence' ? 'fence' : 'advance:100';
    $old->psql('numbers', "SELECT unique_random.add('$name', 1, 1000,"
        . " failover => '$policy')");
    $of{$name} = caller_of($name => $old);
    $of{$name}->ask([ @range, $name eq 'used' ? 1000 : 10 ]);
}

my $other_one = caller_of(first => $old);
is_deeply $other_one->ask([ @range, 5 ])->{starts}, [10],
    'two nginx are granted some';
is $of{first}->give_back([@range], [2], [4]), '', '... and give some back';
$old->psql('numbers', 'UPDATE unique_random.ranges SET reserved = reserved'
    . " WHERE pool = 'hand'");
$old->psql('numbers',
    "SELECT unique_random.set_failover('little', 1, 'advance', 2000)");
is row($old, 'little', 'failover, advance'), 'advance|2000',
    'set_failover() takes N by itself, too';

my $new   = $old->standby(name => 'new');
my $third = $old->standby(name => 'third');
my $hosts = 'postgresql://postgres@'
    . join(',', map { '127.0.0.1:' . $_->port } $old, $new) . '/numbers';

# The last one has a stock that lasts until it learns of the failover.
my @nginx = map {
    $pool->nginx(
        conninfo => [$hosts],
        lease    => $_,
        timeout  => '20s',
        more     => 'wait_timeout 20s;',
        server   => 'location = /random { unique_random; }'
            . 'location = /slow { limit_req zone=slow burst=100;'
            . ' unique_random; }'
            . 'location = /status { unique_random_status json; }',
    )
} ('min=50 max=100') x 2, 'min=400 max=400';
my $idle = pop @nginx;

$pool->wait_for(0, $_) for @nginx, $idle;

# What the standby lacks.
for my $standby ($new, $third) {
    $old->wait_for_standby($standby);
    $standby->stop_receiving;
}

my $had = $pool->row(0, 'reserved');
wait_until(
    sub {
        $pool->take($_, 20) for @nginx;
        return $pool->row(0, 'reserved') >= $had + 150;
    },
    30, 'more reservations',
);

my $lost = $pool->row(0, 'reserved') - $had;
cmp_ok $lost, '<=', ADVANCE, "a standby lags by $lost positions";

is_deeply $of{first}->ask([ @range, 30 ])->{starts}, [15],
    '... and by some of other ranges';
$of{$_}->ask([ @range, 30 ]) for qw( look late );
$of{beyond}->ask([ @range, 101 ]);
$of{$_}->ask([ @range, 250 ]) for qw( overtaken excused );
$of{twice}->ask([ @range, 100 ]);

$old->kill9;
$pool->start(@nginx);
$new->promote;
$pool->moved(0, $new);
$_->{pg} = $new for values %of, $other_one;

# Nginx go on by themselves.
my $skipped;
{
    $_->wait_for_log(ALERT, 30) for @nginx;
    wait_until(sub { $pool->row(0, 'reserved') > $had + ADVANCE + 200 }, 30,
        'reservations from the standby');

    my $result = $pool->finish;
    # Half of its stock, and then slowly, while it asks for more.
    $pool->take($idle, 300);
    wait_until(sub {
        $pool->take($idle, 4);
        sleep 0.1;
        return $idle->error_log =~ ALERT;
    }, 30, 'one that was idle');
    is $result->status(200), $result->attempts,
        'a standby that lags is promoted: of ' . $result->attempts
            . ' requests none failed';

    my %said;
    for my $nginx (@nginx, $idle) {
        my ($n, $from) = $nginx->error_log =~ ALERT;
        $said{"$n from $from"}++;
        is scalar $nginx->errors, 1, '... an alert says so, once';

        my $range;
        wait_until(sub {
            $range = decode_json($nginx->get('/status')->{content})
                ->{pools}[0]{ranges}[0];
            return $range->{batched} == 0;
        }, 20, 'all batches are put back');

        is $range->{state}, 'active', '... the status has it in order';
        cmp_ok $range->{burned}{life}, '>', 0,
            '... what was leased before is burned'
            if $nginx == $idle;
        is $range->{burned}{$_}, 0, "... and nothing by $_"
            for qw( fenced skipped );
        is $range->{granted}, $range->{issued} + $range->{leased}
            + $range->{given_back} + sum0(values %{ $range->{burned} }),
            '... the account is closed';
    }

    like $idle->error_log,
        qr/has failover=advance:@{[ ADVANCE ]} in its row, which is what counts; to change it, run SELECT unique_random\.set_failover\('advance', 1, 'fence'\);/,
        '... who is configured otherwise is told so';

    is join(', ', values %said), 3, '... all tell of the same';

    my ($n, $from) = (keys %said)[0] =~ /(\d+) from (\d+)/;
    is $from, $had, '... from what the standby knew';
    cmp_ok $n, '>=', ADVANCE, '... at least what the policy says';
    $skipped = $n;
    is $pool->row(0, 'timeline'), 2, '... the row has the new timeline';
}

# Who knows most is the first, and then another one.
{
    my $reply = $of{first}->ask([ @range, 20 ]);
    is_deeply [ @$reply{qw( refusal starts stops )} ], [ undef, [145], [165] ],
        'N is skipped beyond what the caller has seen';
    is $reply->{detail}, skipped(130, 15), '... who is told so';
    is row($new, 'first', 'returned, timeline, fenced IS NULL'), '0|2|t',
        '... what was returned before is forgotten';

    my $before = row($new, 'first', 'epoch, incarnation');
    $reply = $other_one->ask([ @range, 20 ]);
    is_deeply [ @$reply{qw( starts detail )} ], [ [165], skipped(130, 15) ],
        'another one is granted what comes next, and told';
    is row($new, 'first', 'epoch, incarnation'), $before,
        '... in the same life';

    is $other_one->ask([ @range, 5 ])->{detail}, undef, '... once';
    is caller_of(first => $new)->ask([ @range, 5 ])->{detail}, undef,
        'one that is new is told nothing';

    $old->start;
    is caller_of(first => $old)->ask([ @range, 5 ])->{refusal}, undef,
        'two primaries at once: the old one grants, and nothing tells';
    is row($old, 'first', 'epoch'), 1, '... in the old life';
    cmp_ok $skipped, '<=', row($old, 'advance', 'reserved') - $had + ADVANCE,
        '... and no more was skipped than it had granted, and N';

    $of{first}->memory(1, epoch => 1,
        incarnation => row($old, 'first', 'incarnation'));
    is $of{first}->give_back([@range], [30], [40]),
        'the range has begun a new life', '... of which nothing comes back';

    $other_one->{pg} = $old;
    is $other_one->ask([ @range, 5 ])->{refusal}, 'stale',
        '... but not to who has seen the new one';
    $old->kill9;
}

# Who only looks has it go on as well.
{
    my $session = UniqueRandom::Session->new(pg => $new, db => 'numbers');
    $session->run('BEGIN; SELECT FROM unique_random.ranges WHERE pool ='
        . " 'look' FOR UPDATE");
    is $of{look}->ask([ @range, 0 ])->{refusal}, 'busy',
        'a look does not wait for a lock';
    like +($new->try_psql('numbers', 'SELECT * FROM unique_random.reserve('
            . "'look', 1, 1000, '" . $of{look}->holder . "', 0, 0, NULL, 0, 0,"
            . ' 0, NULL, 1000, 0, true)'))[2], qr/is not granted from yet/,
        '... which an earlier module is told by an error';
    $session->end;

    my $reply = $of{look}->ask([ @range, 0 ]);
    is_deeply [ @$reply{qw( refusal starts reserved detail )} ],
        [ undef, [], 140, skipped(130, 10) ], '... and skips as well';
    is $of{look}->ask([ @range, 5 ])->{starts}[0], 140, '... once';
}

# Before that, what is not to be believed is not.
is $of{held}->give_back([@range], [5], [10]), 'timeline is 2 instead of 1',
    'nothing is given back before';
like +($new->try_psql('numbers', "SELECT unique_random.close('closed', 1)"))[2],
    qr/range 1-1000 has not gone on yet after a failover/, '... nor closed';
$of{closed}->ask([ @range, 5 ]);
like $new->psql('numbers', "SELECT unique_random.close('closed', 1)"),
    qr/reserved => 115, failover => 'advance:100', after => \d+/,
    '... afterwards it is, with its policy';

is caller_of(late => $new)->ask([ @range, 5 ])->{starts}[0], 110,
    'who has seen nothing skips from what the row has';
is $of{late}->ask([ @range, 5 ])->{starts}[0], 115,
    '... who has seen no more than that goes on';

{
    my $reply = $of{beyond}->ask([ @range, 5 ]);
    like $reply->{detail},
        qr/^reserved is 10, but 111 were seen to be reserved, says nginx/,
        'N is less than what an nginx remembers: the range is fenced';
    is $reply->{refusal}, 'fenced', '... for all';
    is caller_of(beyond => $new)->ask([ @range, 5 ])->{refusal}, 'fenced',
        '... for one that has seen nothing, too';
}

# So it is when others have been granted more than that meanwhile.
{
    my $new_one = caller_of(overtaken => $new);
    my $reply   = $new_one->ask([ @range, 200 ]);

    is_deeply [ @$reply{qw( starts reserved detail )} ],
        [ [110], 310, skipped(100, 10) ],
        'who makes a range skip is told so, though it knows of no failover';
    is $new_one->ask([ @range, 5 ])->{detail}, undef, '... once';

    $reply = $of{overtaken}->ask([ @range, 5 ]);
    like $reply->{detail},
        qr/^this life began at position 110, but 260 were seen to be reserved before, says nginx/,
        'N is less than what one remembers that asks later: it is fenced';
    is $reply->{refusal}, 'fenced', '... for all';
    is $new_one->ask([ @range, 5 ])->{refusal}, 'fenced',
        '... for the one that was granted that, too';

    $new->psql('numbers', "SELECT unique_random.accept('overtaken', 1,"
        . ' at_least => 200)');
    is $of{overtaken}->ask([ @range, 5 ])->{starts}[0], 315,
        '... until it is accepted: no more than that was ever granted';
}

# What the next failover skips is no excuse for what this one did not.
{
    caller_of(excused => $new)->ask([ @range, 200 ]);
    $new->psql('numbers', 'UPDATE unique_random.ranges SET timeline = 1,'
        . " writer = pg_current_xact_id() WHERE pool = 'excused'");

    like $of{excused}->ask([ @range, 5 ])->{detail},
        qr/^this life began at position 110, but 260 were seen to be reserved before/,
        'and when a second failover comes before it asks';
}

# An nginx that was not there before makes a range skip as well, and says so.
{
    my $nginx = UniqueRandom::Nginx->new(
        http => 'unique_random_pool fresh { connect_timeout 20s;'
            . ' reserve_timeout 20s; wait_timeout 20s; shard '
            . $new->url(db => 'numbers')
            . ' name=a range=1-1000 failover=advance:100; }',
        server => 'location = /random { unique_random fresh; }',
    );

    is $nginx->get('/random')->{status}, 200, 'an nginx begins after it';
    ok $nginx->wait_for_log(
        qr/\[alert\] .* range 1-1000 of shard "a" went on after a failover with failover=advance:100: timeline is 2 instead of 1, 100 positions from 10 on are skipped;/,
        30), '... and tells of what it made the range skip';
}

{
    my $reply = $of{little}->ask([ @range, 5 ]);
    is_deeply [ @$reply{qw( refusal reserved detail )} ],
        [ 'exhausted', 1000, skipped(990, 10, 2, ', which leaves none') ],
        'N is more than what is left: the range is used up';
    is $of{little}->ask([ @range, 5 ])->{refusal}, 'exhausted',
        '... for good';

    $reply = $of{used}->ask([ @range, 5 ]);
    is_deeply [ @$reply{qw( refusal detail )} ], [ 'exhausted', undef ],
        'one that was used up before stays so, without a word';
}

is $of{hand}->ask([ @range, 5 ])->{detail},
    'the row was not written by a reservation',
    'a row that somebody else has written is fenced';
is $of{fence}->ask([ @range, 5 ])->{detail}, 'timeline is 2 instead of 1',
    'a range with failover=fence is fenced';

# What else is wrong with a range comes first.
for my $case (
    [ 'system_identifier = 1', qr/^system identifier is \d+ instead of 1$/ ],
    [ 'database = 1',          qr/^database OID is \d+ instead of 1$/ ],
    [ 'relation = 1',          qr/^table OID is \d+ instead of 1$/ ],
    [ 'timeline = 3',          qr/^timeline is 2 instead of 3$/ ],
) {
    my ($change, $why) = @$case;
    my $said = $new->psql('numbers', 'BEGIN; UPDATE unique_random.ranges SET'
        . " $change, writer = pg_current_xact_id() WHERE pool = 'left'; "
        . $of{left}->statement([ [ @range, 5 ] ]) . '; SELECT fenced FROM'
        . " unique_random.ranges WHERE pool = 'left'; ROLLBACK");
    like +(split /\n/, $said)[-1], $why, "$change: fenced";
}

# The next standby has nothing of what was skipped, nor of what was granted
# after that: each timeline counts, but the first for both.
{
    is $of{twice}->ask([ @range, 100 ])->{starts}[0], 210,
        'a standby has lost no more than N, and grants as many';
    # It is told of that timeline by the archive.
    my $history = "$old->{dir}/archive/00000002.history";
    wait_until(sub { -s $history }, 30, 'the timeline is in the archive');
    $third->promote;
    is row($third, 'twice', 'timeline'), 1, 'another standby lags as well';
    like $third->psql('numbers', 'BEGIN; '
            . $of{twice}->statement([ [ @range, 5 ] ])
            . '; SELECT fenced FROM unique_random.ranges WHERE pool ='
            . " 'twice'; ROLLBACK"),
        qr/"refusal":"stale".*\na later life of the range has been seen/s,
        '... to who has seen the first one it is a stale copy, for all';
    my $third_of = caller_of(twice => $third);
    my $reply    = $third_of->ask([ @range, 5 ]);
    is $reply->{timeline}, 3, '... it is promoted after the first one';
    is $reply->{starts}[0], 310,
        '... and makes up for what both primaries have granted';
    $third->stop;
}

# A recovery to a point in time is no promotion.
{
    my $pg = UniqueRandom::Postgres->new(name => 'back', archive => 1);
    $pg->create_database('numbers')->apply_schema('numbers');
    $pg->psql('numbers', "SELECT unique_random.add('back', 1, 1000,"
        . " failover => 'advance:100')");
    my $backup = $pg->base_backup;
    caller_of(back => $pg)->ask([ @range, 5 ]);
    $pg->psql('postgres', q{SELECT pg_create_restore_point('here')});
    caller_of(back => $pg)->ask([ @range, 5 ]);
    $pg->psql('postgres', 'SELECT pg_switch_wal(), pg_sleep(1)');
    $pg->stop;
    $pg->recover($backup, recovery_target_name => 'here');
    is caller_of(back => $pg)->ask([ @range, 5 ])->{detail},
        'timeline is 2 instead of 1, by a recovery to a point in time',
        'a recovery to a point in time is no failover';
    $pg->stop;
}

# It is made so where nginx makes the range.
{
    $other->create_database('blank');

    my $nginx = UniqueRandom::Nginx->new(
        http => 'unique_random_pool blank { bootstrap on;'
            . ' connect_timeout 20s; reserve_timeout 20s; wait_timeout 20s;'
            . ' shard '
            . $other->url(db => 'blank')
            . ' range=1-1000 failover=advance:7; }',
        server => 'location = /random { unique_random blank; }',
    );

    is $nginx->get('/random')->{status}, 200, 'bootstrap makes a range';
    is $other->psql('blank', 'SELECT failover, advance FROM'
        . ' unique_random.ranges'), 'advance|7', '... with the policy';
    is_deeply [ $nginx->errors('warn') ], [], '... which it then has';
}

$pool->end('a lagging standby is promoted, failover=advance', @nginx, $idle);

done_testing;
