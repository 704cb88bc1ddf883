# sql/schema.sql is what an operator runs, on databases of all kinds, twice,
# and at the same time as somebody else.

use strict;
use warnings;

use POSIX ();
use Test::More;

use UniqueRandom::Caller   ();
use UniqueRandom::Load     ();
use UniqueRandom::Nginx    ();
use UniqueRandom::Postgres ();
use UniqueRandom::Util     qw( read_file );

my $pg = UniqueRandom::Postgres->new;

sub sql {
    my ($db, $sql, %as) = @_;

    return $pg->psql($db, $sql, %as);
}

sub fails {
    my ($db, $sql, $error, $what, %as) = @_;

    my ($code, $out, $err) = $pg->try_psql($db, $sql, %as);
    isnt $code, 0, "$what: refused";
    like $err, $error, "$what: and the error says why";
    return;
}

# All that there is of the schema.
sub contents {
    my ($db) = @_;

    return sql($db, <<'EOT');
SELECT p.oid::regprocedure, p.prosrc, p.proacl
  FROM pg_proc p WHERE p.pronamespace = 'unique_random'::regnamespace
 ORDER BY 1;
SELECT c.oid::regclass, c.relkind, c.relacl
  FROM pg_class c WHERE c.relnamespace = 'unique_random'::regnamespace
 ORDER BY 1;
SELECT c.conrelid::regclass, pg_get_constraintdef(c.oid)
  FROM pg_constraint c
 WHERE c.connamespace = 'unique_random'::regnamespace ORDER BY 1, 2;
SELECT * FROM unique_random.ranges ORDER BY pool, first;
EOT
}

# Runs the schema in several processes at once and returns how many failed.
sub at_once {
    my (@dbs) = @_;

    my @pids = map {
        my $db  = $_;
        my $pid = fork // die "fork: $!\n";

        if ($pid == 0) {
            my $ok = eval { $pg->apply_schema($db); 1 };
            print STDERR $@ if !$ok;
            POSIX::_exit($ok ? 0 : 1);
        }

        $pid;
    } @dbs;

    my $failed = 0;
    for my $pid (@pids) {
        waitpid $pid, 0;
        $failed++ if $?;
    }
    return $failed;
}

subtest 'at once' => sub {
    $pg->create_database($_) for qw( one two );

    # The role is the cluster's: two databases may race for it.
    is at_once(('one', 'two') x 4), 0, 'eight at once in two databases';
    is sql('one', "SELECT count(*) FROM pg_roles WHERE rolname = 'unique_random'"),
        1, 'there is one role';
    is contents('one'), contents('two'), 'both databases have the same';

    $pg->create_database('three');
    is at_once(('three') x 8), 0, 'eight at once in one database';
    is contents('three'), contents('one'), 'it has the same';
};

subtest 'again' => sub {
    sql('one', "SELECT unique_random.add('numbers', 1, 1000)");

    my $before = contents('one');
    $pg->apply_schema('one') for 1 .. 2;
    is contents('one'), $before, 'nothing is changed';
};

subtest 'comments' => sub {
    is sql('one', <<'EOT'), '', 'every function, table and column has one';
SELECT p.oid::regprocedure::text FROM pg_proc p
 WHERE p.pronamespace = 'unique_random'::regnamespace
   AND p.prolang <> (SELECT oid FROM pg_language WHERE lanname = 'internal')
   AND obj_description(p.oid, 'pg_proc') IS NULL
UNION ALL
SELECT c.oid::regclass::text FROM pg_class c
 WHERE c.relnamespace = 'unique_random'::regnamespace AND c.relkind = 'r'
   AND obj_description(c.oid, 'pg_class') IS NULL
UNION ALL
SELECT format('%s.%s', c.oid::regclass, a.attname)
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
 WHERE c.relnamespace = 'unique_random'::regnamespace AND c.relkind = 'r'
   AND a.attnum > 0 AND NOT a.attisdropped
   AND col_description(c.oid, a.attnum) IS NULL
EOT
    isnt sql('one',
        "SELECT obj_description('unique_random'::regnamespace, 'pg_namespace')"),
        '', 'and so has the schema';
};

subtest 'an owner that is no superuser' => sub {
    sql('postgres', 'CREATE ROLE landlord LOGIN; CREATE ROLE tenant LOGIN');
    $pg->create_database('house', owner => 'landlord');

    $pg->apply_schema('house', user => 'landlord');
    $pg->apply_schema('house', user => 'landlord');
    is sql('house', "SELECT count(*) FROM pg_class WHERE "
        . "relnamespace = 'unique_random'::regnamespace AND relkind = 'r' "
        . "AND relowner = 'landlord'::regrole"), 6, 'it owns the tables';
    sql('house', "SELECT unique_random.add('numbers', 1, 500)",
        user => 'landlord');

    sql('postgres', 'GRANT unique_random TO tenant');

    my $nginx = UniqueRandom::Nginx->new(
        workers => 2,
        http    => 'unique_random_pool numbers { shard '
            . $pg->url(db => 'house', user => 'tenant') . ' range=1-500;'
            . ' connect_timeout 60s; reserve_timeout 60s; wait_timeout 25s; }',
    );
    my $all = UniqueRandom::Load->new(
        port  => $nginx->port,
        until => 409,
    )->run;

    my $duplicates = $all->duplicates;
    note sprintf '%d attempts, %d acknowledged, %d used up, %d failed, '
        . '%d duplicates, %d out of range, %d missing', $all->attempts,
        $all->status(200), $all->status(409), $all->failed, $duplicates,
        scalar $all->out_of_range(1, 500), scalar $all->missing(1, 500);
    is $all->status(200), 500, 'the role is enough for nginx';
    is $duplicates, 0, 'no number comes twice';
    is_deeply [ $nginx->errors('error|warn|alert|crit|emerg') ], [],
        'nothing is wrong in the error log';
};

subtest 'an owner that cannot make the role' => sub {
    my $alone = UniqueRandom::Postgres->new(name => 'alone');

    $alone->psql('postgres', 'CREATE ROLE landlord LOGIN');
    $alone->create_database('house', owner => 'landlord');

    my ($code, undef, $err) = $alone->try_psql('house',
        read_file('sql/schema.sql'), user => 'landlord');
    is $code, 0, 'the rest is made';
    my ($create, $grant) = $err =~ /WARNING: *role "unique_random" was not created: .*; let somebody who may run (CREATE ROLE unique_random NOLOGIN;) and then run schema\.sql again, or (SELECT unique_random\.grant_to\('unique_random'\);)$/m;
    isnt $grant, undef, 'a warning tells of the role, and what to run';

    $alone->psql('house', "SELECT unique_random.add('numbers', 1, 1000)",
        user => 'landlord');
    $alone->psql('house', $create);
    $alone->psql('house', $grant, user => 'landlord');
    $alone->psql('house',
        'CREATE ROLE tenant LOGIN; GRANT unique_random TO tenant');

    my $tenant = UniqueRandom::Caller->new(pg => $alone, db => 'house',
        pool => 'numbers', user => 'tenant');
    is_deeply $tenant->ask([ 1, 1000, 10 ])->{starts}, [0],
        '... and that is all there is to it';
};

subtest 'ranges' => sub {
    my $db = 'two';
    my $max = '9223372036854775807';

    sql($db, "SELECT unique_random.add('numbers', 1001, 2000)");
    sql($db, "SELECT unique_random.add('numbers', 1, 1000)");
    sql($db, "SELECT unique_random.add('other', 1, 3000)");
    pass 'ranges side by side, and of another pool';

    for my $range ('1, 1000', '2000, 2001', '0, 1', '1500, 1600', '0, 5000') {
        fails($db, "SELECT unique_random.add('numbers', $range)",
            qr/range \d+-\d+ overlaps range \d+-\d+ of pool "numbers"/,
            "range $range");
    }

    # Two that look at the same time see nothing of each other.
    fails($db, <<'EOT', qr/ranges_overlap/, 'behind the back of add()');
INSERT INTO unique_random.ranges (pool, first, last, key, system_identifier,
                                  timeline, database, relation, writer)
SELECT 'numbers', 2000, 3000, key, system_identifier, timeline, database,
       relation, writer
  FROM unique_random.ranges LIMIT 1
EOT

    for my $range ('5000, 4999', '-1, 5', "0, $max") {
        fails($db, "SELECT unique_random.add('numbers', $range)",
            qr/invalid range/, "range $range");
    }

    fails($db, "SELECT unique_random.add('', 1, 5)",
        qr/invalid pool name "", it must not be empty/, 'a pool without a name');

    sql($db, "SELECT unique_random.add('all', 1, $max)");
    fails($db, "SELECT unique_random.add('all', $max, $max)",
        qr/overlaps/, 'the last number of all');

    fails($db, "SELECT unique_random.add('numbers', 5000, 6000, key => 'x')",
        qr/key must have 32 bytes, not 1/, 'a short key');
    fails($db, "SELECT unique_random.add('numbers', 5000, 6000, "
        . 'reserved => 1002)',
        qr/reserved must be between 0 and 1001, not 1002/, 'too many reserved');
    fails($db, "SELECT unique_random.add('numbers', 5000, 6000, "
        . "failover => 'maybe')",
        qr/failover must be fence, trust or advance:N .* not maybe/, 'another policy');

    is sql($db, 'SELECT count(*), count(DISTINCT key) FROM unique_random.ranges'),
        '4|4', 'every range has a key of its own';
};

subtest 'operators' => sub {
    my $db = 'three';

    sql($db, "SELECT unique_random.add('numbers', 1, 1000, reserved => 10)");

    fails($db, "SELECT unique_random.accept('numbers', 1)",
        qr/how far the lost database had got is not known.*HINT: .*at_least => N/s,
        'accept() of nothing');
    fails($db, "SELECT unique_random.accept('numbers', 2, advance => 1)",
        qr/pool "numbers" has no range that begins with 2/,
        'accept() of another range');
    fails($db, "SELECT unique_random.accept('numbers', 1, at_least => 1001)",
        qr/at_least must be at most 1000, the size of the range/,
        'accept() beyond the end');
    fails($db, "SELECT unique_random.accept('numbers', 1, advance => -1)",
        qr/must not be negative/, 'accept() backwards');

    my $accept = 'SELECT reserved, skipped FROM unique_random.accept';
    is sql($db, "$accept('numbers', 1, advance => 5)"), '15|5',
        'accept() skips';
    is sql($db, "$accept('numbers', 1, at_least => 100)"), '100|85',
        'accept() goes up to what is known';
    is sql($db, "$accept('numbers', 1, at_least => 50)"), '100|0',
        'accept() never goes back';
    is sql($db, "$accept('numbers', 1, at_least => 50, advance => 10)"),
        '110|10', 'accept() does both';
    is sql($db, "$accept('numbers', 1, at_least => 120, advance => 10)"),
        '130|20', '... one beyond the other';
    is sql($db, "$accept('numbers', 1, advance => 100000)"), '1000|870',
        'accept() ends at the end';
    my $epoch  = sql($db, 'SELECT epoch FROM unique_random.ranges');
    my $second = sql($db, 'SELECT extract(epoch FROM now())::bigint');
    cmp_ok $epoch, '>=', $second - 60,
        'each time is another epoch, later than any before it';
    is sql($db, "SELECT epoch > $epoch FROM unique_random.accept('numbers', 1,"
        . ' advance => 0)'), 't', '... also within a second';

    fails($db, "SELECT unique_random.set_failover('numbers', 1, 'maybe')",
        qr/failover must be fence, trust or advance:N .* not maybe/, 'another policy');
    fails($db, "SELECT unique_random.set_failover('numbers', 3, 'trust')",
        qr/pool "numbers" has no range that begins with 3/,
        'set_failover() of another range');
    sql($db, "SELECT unique_random.set_failover('numbers', 1, 'trust')");
    is sql($db, 'SELECT failover FROM unique_random.ranges'), 'trust',
        'set_failover() sets it';

    fails($db, "SELECT unique_random.close('numbers', 3)",
        qr/pool "numbers" has no range that begins with 3/,
        'close() of another range');

    # What a row says that is not to be believed does not go on elsewhere.
    sql($db, "SELECT unique_random.add('wrong', 1, 1000, reserved => 500);"
        . " UPDATE unique_random.ranges SET reserved = 0 WHERE pool = 'wrong'");
    fails($db, "SELECT unique_random.close('wrong', 1)",
        qr/range 1-1000 is fenced: the row was not written by a reservation.*accept\(\) first/s,
        'close() of one that has forgotten');
    sql($db, "DELETE FROM unique_random.ranges WHERE pool = 'wrong'");

    # The error of a constraint shows the row.
    for my $call ("set_failover('numbers', 1, NULL)",
        "add('null', 1, NULL)", "add('null', 1, 10, reserved => NULL)",
        'add(NULL, 1, 10)', "add('null', NULL, 10)")
    {
        my ($code, undef, $err) = $pg->try_psql($db,
            "SELECT unique_random.$call");
        isnt $code, 0, "$call: refused";
        unlike $err, qr/\\x[0-9a-f]{8}/, '... without the key';
    }

    # What it returns goes on with the range elsewhere.
    my $go_on = sql($db, "SELECT unique_random.close('numbers', 1)");
    like $go_on,
        qr/^SELECT unique_random\.add\('numbers', 1, 1000, key => decode\('[0-9a-f]{64}', 'hex'\), reserved => 1000, failover => 'trust', after => \d+\);$/,
        'close() returns what to run';
    is sql($db, 'SELECT fenced FROM unique_random.ranges'),
        'closed: moved away', 'and ends the range here';
    fails($db, "SELECT unique_random.accept('numbers', 1, advance => 0)",
        qr/range 1-1000 is closed: it goes on elsewhere/,
        'for good');

    $pg->create_database('four')->apply_schema('four');
    sql('four', $go_on);
    my $columns = 'SELECT pool, first, last, key, reserved, failover'
        . ' FROM unique_random.ranges';
    is sql('four', $columns), sql($db, $columns), 'the range is the same there';
};

# Some servers look like PostgreSQL and keep no WAL of their own.
subtest 'a server that cannot tell itself from a copy' => sub {
    my $db = 'aurora';

    $pg->create_database($db)->apply_schema($db);
    sql($db, "SELECT unique_random.add('numbers', 1, 1000)");
    sql($db, <<'EOT');
CREATE OR REPLACE FUNCTION unique_random.timeline() RETURNS bigint
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'pg_current_wal_lsn() is not supported'
    USING ERRCODE = '55000';
END
$$;
EOT

    for my $call (
        "add('other', 1, 1000)",
        "accept('numbers', 1, advance => 0)",
        "bootstrap('other', '{1001}', '{2000}')",
        )
    {
        my ($name) = $call =~ /^(\w+)/;
        fails($db, "SELECT unique_random.$call",
            qr/ERROR: *this server does not say which timeline it writes: pg_current_wal_lsn\(\) is not supported\nHINT: .*such as Amazon Aurora, are not supported\./,
            $name);
    }

    is sql($db, 'SELECT count(*) FROM unique_random.ranges'), 1,
        'nothing is made there';

    # One that recovers says what PostgreSQL says.
    $pg->apply_schema($db);
    my $standby = $pg->standby(name => 'standby');
    my (undef, undef, $err) = $standby->try_psql($db,
        "SELECT unique_random.accept('numbers', 1, advance => 0)");
    like $err, qr/read-only transaction|recovery is in progress/,
        'a standby is none of these';
    $standby->stop;
};

done_testing;
