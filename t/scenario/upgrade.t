# sql/schema.sql over an earlier one that is in use: every row stays, who calls
# it as an earlier module does goes on, one of this version says what to run and
# waits for it, and nothing is fenced.

use strict;
use warnings;

use POSIX ();
use Test::More;
use Time::HiRes qw( sleep );

use UniqueRandom::Caller   ();
use UniqueRandom::Load     ();
use UniqueRandom::Nginx    ();
use UniqueRandom::Postgres ();
use UniqueRandom::Session  ();
use UniqueRandom::Util     qw( read_file wait_until );

use constant SIZE => 20_000;

my $pg = UniqueRandom::Postgres->new;

$pg->psql('postgres', "CREATE ROLE $_ LOGIN") for qw( landlord tenant );

sub database {
    my ($db) = @_;

    $pg->create_database($db, owner => 'landlord');
    $pg->psql($db, read_file('t/scenario/data/schema-1.sql'),
        user => $db eq 'house' ? 'landlord' : 'postgres');
    return;
}

database('numbers');
$pg->psql('postgres', 'GRANT unique_random TO tenant');
database('house');

sub sql { return $pg->psql('numbers', @_) }

# What an earlier schema has of the ranges that nobody uses meanwhile.
my $columns = 'pool, first, last, algorithm, key, reserved, granted, serial,'
    . ' epoch, incarnation, fenced, failover, system_identifier, timeline,'
    . ' database, relation';

sub idle {
    return sql("SELECT $columns FROM unique_random.ranges"
        . " WHERE pool <> 'numbers' ORDER BY pool, first")
        . sql('SELECT holder, pool, first, serial FROM unique_random.holders'
            . " WHERE pool <> 'numbers' ORDER BY 1, 2, 3");
}

sub columns_of {
    my ($db) = @_;

    return $pg->psql($db, 'SELECT string_agg(attname, chr(32)) FROM pg_attribute'
        . " WHERE attrelid = 'unique_random.ranges'::regclass AND attnum > 0");
}

sub at_once {
    my ($n) = @_;

    my @pids = map {
        my $pid = fork // die "fork: $!\n";

        if ($pid == 0) {
            my $ok = eval { $pg->apply_schema('numbers'); 1 };
            print STDERR $@ if !$ok;
            POSIX::_exit($ok ? 0 : 1);
        }

        $pid;
    } 1 .. $n;

    my $failed = 0;
    for my $pid (@pids) {
        waitpid $pid, 0;
        $failed++ if $?;
    }
    return $failed;
}

sql("SELECT unique_random.add('$_', 1, @{[ SIZE ]})")
    for qw( numbers idle returned foreign );
sql("SELECT unique_random.add('trust', 1, @{[ SIZE ]}, failover => 'trust')");
sql('INSERT INTO unique_random.holders VALUES'
    . " ('00000000-0000-4000-8000-000000000001', 'idle', 1, 0)");
sql(<<'EOT');
INSERT INTO unique_random.returned (pool, first, start, stop)
VALUES ('returned', 1, 0, 1), ('returned', 1, 1, 2), ('returned', 1, 2, 5),
       ('returned', 1, 7, 8), ('returned', 1, 8, 9), ('foreign', 1, 0, 5);
UPDATE unique_random.ranges SET reserved = 10 WHERE pool = 'foreign';
BEGIN;
DELETE FROM unique_random.ranges WHERE pool = 'returned';
SELECT unique_random.add('returned', 1, 20000, reserved => 19995);
COMMIT;
EOT

my $before = idle();

# While somebody is in a long transaction, it does not hold up reservations.
{
    my $old   = UniqueRandom::Session->new(pg => $pg, db => 'numbers');
    my $there = columns_of('numbers');
    $old->run('BEGIN; SELECT FROM unique_random.ranges LIMIT 1');

    my ($code, undef, $err)
        = $pg->try_psql('numbers', read_file('sql/schema.sql'));
    isnt $code, 0, 'in a long transaction of somebody else';
    like $err, qr/canceling statement due to lock timeout/, '... it gives up';
    is columns_of('numbers'), $there, '... and changes nothing';
    $old->end;
}

# This version has to wait.
my $nginx = UniqueRandom::Nginx->new(
    workers => 2,
    http    => 'unique_random_pool numbers { lease min=4 max=8;'
        . ' connect_timeout 20s; reserve_timeout 20s; wait_timeout 5s;'
        . ' shard ' . $pg->url(db => 'numbers', user => 'tenant')
        . ' range=1-' . SIZE . ' fail_timeout=200ms; }',
    server => 'location = /random { unique_random; }',
);

is $nginx->get('/random')->{status}, 503, 'an earlier schema gives nothing';
ok $nginx->wait_for_log(qr/its schema is of an older version than this module, run sql\/schema\.sql there as its owner/),
    '... and the log says what to run';

# What an earlier module sends, and remembers of what it is told.
my $earlier = UniqueRandom::Session->new(pg => $pg, db => 'numbers',
    user => 'tenant');
my @memory = (0, 0, 'NULL', 0, 0, 0, 'NULL');
my @granted;

sub reserve {
    my $row = $earlier->run('SELECT start, count, serial, epoch,'
        . ' quote_literal(incarnation), serial, reserved, timeline,'
        . " quote_literal(digest), refusal FROM unique_random.reserve('numbers',"
        . " 1, @{[ SIZE ]}, '00000000-0000-4000-8000-00000000000e', "
        . join(', ', @memory) . ', 1000, 8, false)');
    my ($start, $count, @seen) = split /\|/, $row;

    my $refusal = @seen > 7 ? pop @seen : '';
    die "refused: $row\n" if $refusal ne '' || $count != 8;

    @memory = @seen;
    push @granted, $start .. $start + $count - 1;
    return;
}

reserve() for 1 .. 20;

my $upgrade = fork // die "fork: $!\n";
POSIX::_exit(at_once(4) || at_once(2)) if $upgrade == 0;

# However long that takes, there are positions for it.
my $meanwhile = 0;

until (waitpid $upgrade, POSIX::WNOHANG()) {
    reserve() if $meanwhile++ < 1000 || $meanwhile % 20 == 0;
    sleep 0.01 if $meanwhile > 1000;
}

is $?, 0, 'four at once, and two more, while an earlier module reserves';

reserve() for 1 .. 20;
note "$meanwhile reservations meanwhile";

my %seen;
$seen{$_}++ for @granted;
is scalar(grep { $_ > 1 } values %seen), 0, '... which is granted nothing twice';

is $earlier->run("SELECT unique_random.give_back('numbers', 1, @{[ SIZE ]},"
    . " '00000000-0000-4000-8000-00000000000e', " . join(', ', @memory)
    . ", 1000, '{$granted[-8]}', '{" . ($granted[-1] + 1) . "}')"), '',
    '... and gives back what it was granted since';
splice @granted, -8;
$earlier->end;

wait_until(
    sub { $nginx->get('/random')->{status} == 200 },
    30, 'numbers of this version',
);
pass 'this version goes on by itself';

is idle(), $before, 'every row is as it was';
is sql('SELECT count(*) FROM unique_random.ranges WHERE fenced IS NOT NULL'), 0,
    'nothing is fenced';
is sql("SELECT synchronous FROM unique_random.ranges WHERE pool = 'trust'"),
    'f', 'what an earlier schema granted may not be on a standby';
is sql("SELECT string_agg(format('%s %s-%s', pool, start, stop), ' '"
    . ' ORDER BY pool, start) FROM unique_random.returned'
    . " WHERE pool <> 'numbers'"),
    'foreign 0-5 returned 0-5 returned 7-9', 'what was returned is joined';
is sql("SELECT string_agg(returned::text, ' ' ORDER BY pool)"
    . " FROM unique_random.ranges WHERE pool <> 'numbers'"), '5 0 7 0',
    '... and counted';
is sql('SELECT count(*) FROM pg_proc WHERE proname IN'
    . " ('add', 'accept', 'set_failover') AND pronamespace"
    . " = 'unique_random'::regnamespace"), 3,
    'there is one add(), one accept() and one set_failover()';

# A reservation of the earlier function that was on its way as this one took its
# place still calls them.
my $earlier_ones = "SELECT count(*) FROM pg_proc WHERE proname IN ('objection',"
    . " 'suspicion') AND pronamespace = 'unique_random'::regnamespace";
is sql($earlier_ones), 2, '... and what the earlier reserve() calls';

sub ask {
    my ($pool, $want, $places) = @_;

    return UniqueRandom::Caller->new(pg => $pg, db => 'numbers',
        pool => $pool, user => 'tenant')
        ->ask([ 1, SIZE, $want ], places => $places);
}

is ask('idle', 10, 1)->{refusal}, undef, 'who was in order is';
is ask('trust', 10, 1)->{refusal}, undef, '... also with failover=trust';
sql("SELECT unique_random.set_failover('trust', 1, 'advance', 5)");
is ask('trust', 10, 1)->{failover}, 'advance:5', '... or a policy that is new';
is_deeply ask('returned', 50, 5)->{starts}, [ 19_995, 0, 7 ],
    '... with what was returned';
is ask('foreign', 10, 1)->{detail}, 'the row was not written by a reservation',
    'who was not, is not';

# One that has less of these columns, while somebody is connected.
{
    my $session = UniqueRandom::Session->new(pg => $pg, db => 'numbers',
        user => 'tenant');
    my $caller = UniqueRandom::Caller->new(session => $session,
        pool => 'trust');
    my $there = columns_of('numbers');

    is $caller->ask([ 1, SIZE, 10 ])->{refusal}, undef, 'a caller is granted';
    sql("SELECT unique_random.set_failover('trust', 1, 'trust')");
    sql('ALTER TABLE unique_random.ranges DROP began_at, DROP size,'
        . ' DROP domain, DROP advance, DROP began');
    $pg->apply_schema('numbers');
    is +(columns_of('numbers') =~ s/\.+pg\.dropped\.\d+\.+ //gr), $there,
        '... a column that an earlier schema does not have is added';
    is $caller->ask([ 1, SIZE, 10 ])->{refusal}, undef,
        '... and the caller goes on';
    $session->end;
}

# The rights on the tables.
my $select = 'SELECT count(*) FROM unique_random.ranges';
is sql($select, user => 'tenant'), 5, 'the role has its rights on the tables';
sql('SELECT unique_random.revoke_tables()');
is sql($earlier_ones), 0, '... and functions, until they are taken away';
for my $table (qw( ranges holders returned )) {
    for my $column ('*', $table eq 'ranges' ? 'key' : 'first') {
        my ($code, undef, $err) = $pg->try_psql('numbers',
            "SELECT $column FROM unique_random.$table", user => 'tenant');
        like $err, qr/permission denied for table $table/,
            "... until they are taken away: $column of $table";
    }
}

my ($code, undef, $err) = $pg->try_psql('numbers',
    'UPDATE unique_random.ranges SET fenced = NULL', user => 'tenant');
like $err, qr/permission denied for table ranges/, '... that to write, too';

# The same nginx, without these.
my $all = UniqueRandom::Load->new(port => $nginx->port, count => 200,
    processes => 1)->run;
is $all->status(200), 200, 'nginx goes on without them';
is scalar $all->duplicates, 0, '... no number comes twice';
$nginx->stop;
like $nginx->error_log, qr/positions of range 1-20000 are given back/,
    '... and gives back what it was granted';
is_deeply [ grep { !/its schema is of an older version/ }
    $nginx->errors('error|alert|crit|emerg') ], [], '... and nothing is wrong';
is sql("SELECT returned = (SELECT sum(stop - start) FROM unique_random.returned"
    . " WHERE pool = 'numbers') FROM unique_random.ranges"
    . " WHERE pool = 'numbers'"), 't', '... which is counted';

# Run by the superuser on what is another one's, all of it stays the owner's.
{
    # Who could reserve without the role is told of, before it fails.
    $pg->psql('house', 'CREATE ROLE outsider; GRANT USAGE ON SCHEMA'
        . ' unique_random TO outsider; GRANT SELECT, UPDATE (serial) ON'
        . ' unique_random.ranges TO outsider');
    my (undef, undef, $warning)
        = $pg->try_psql('house', read_file('sql/schema.sql'));
    is join('', $warning =~ /WARNING: +(.*)/g),
        'role outsider has rights on the tables, which are not enough to'
        . ' reserve: run GRANT unique_random TO outsider;',
        'who had rights of its own is told of';

    is $pg->psql('house', <<'EOT'), '', 'everything is the owner\'s';
SELECT p.oid::regprocedure::text FROM pg_proc p
  JOIN pg_language l ON l.oid = p.prolang
 WHERE p.pronamespace = 'unique_random'::regnamespace
   AND l.lanname <> 'internal' AND p.proowner <> 'landlord'::regrole
UNION ALL
SELECT c.oid::regclass::text FROM pg_class c
 WHERE c.relnamespace = 'unique_random'::regnamespace
   AND c.relowner <> 'landlord'::regrole
EOT
    is $pg->psql('house', 'SELECT current_user = session_user'), 't',
        '... and who runs it stays who it is';
}

done_testing;
