# Whatever is done to a table between adopt_prepare() and adopt(), noticed or
# not, no number of it is in the range; and whoever adopts, adds, or thinks
# better of it at the same time, one range has each number.

use strict;
use warnings;

use lib 't/lib';

use Test::More;

use UniqueRandom::Caller;
use UniqueRandom::Former;
use UniqueRandom::Postgres;
use UniqueRandom::Session;
use UniqueRandom::Util qw( wait_until );

my $pg = UniqueRandom::Postgres->new;
$pg->create_database('numbers')->apply_schema('numbers');

sub sql { return $pg->psql('numbers', @_) }

sub session { return UniqueRandom::Session->new(pg => $pg, db => 'numbers') }

# A table with an index, and what it is filled with.
sub former {
    my ($table, %arg) = @_;

    return UniqueRandom::Former->new(pg => $pg, table => $table,
        first => 1, last => 1000, %arg)
        ->create($arg{type} // 'integer UNIQUE')
        ->fill($arg{from} // 'generate_series(1, 1000, 3)');
}

sub is_exact {
    my ($former, $report, @numbers) = @_;

    is_deeply $report, $former->count(@numbers), 'the report is true';
    is $former->domain eq $former->expected(@numbers), 1,
        'the range has what the table has not';
    return;
}

sub is_refused {
    my ($sql, $error, $what) = @_;

    my ($code, undef, $err) = $pg->try_psql('numbers', $sql);
    like $err, qr/ERROR: +$error/, $what;
    return $err;
}

# What changes nothing of the numbers, or is noted.
for (
    [ vacuumed  => 'VACUUM FULL %s' ],
    [ clustered => 'CLUSTER %s USING %1$s_pkey' ],
    [ wider     => 'ALTER TABLE %s ALTER number TYPE bigint' ],
    [ replica   => 'SET session_replication_role = replica; INSERT INTO %s'
            . ' (number) VALUES (2); DELETE FROM %1$s WHERE number = 4' ],
    [ copied => "COPY %s (number) FROM STDIN;\n2\n3\n\\.\n" ],
    [ moved  => 'CREATE SCHEMA elsewhere; ALTER TABLE %s SET SCHEMA elsewhere;'
            . ' INSERT INTO elsewhere.%1$s (number) VALUES (2);'
            . ' ALTER TABLE elsewhere.%1$s SET SCHEMA public' ],
    [ renamed => 'ALTER TABLE %s RENAME TO other; INSERT INTO other (number)'
            . ' VALUES (2); ALTER TABLE other RENAME TO %1$s' ],
    [ part => 'CREATE TABLE whole (LIKE %s) PARTITION BY RANGE (id);'
            . ' ALTER TABLE whole ATTACH PARTITION %1$s DEFAULT;'
            . ' INSERT INTO whole (id, number) VALUES (-1, 2);'
            . ' ALTER TABLE whole DETACH PARTITION %1$s; DROP TABLE whole' ],
    [ merged => 'INSERT INTO %s (number) VALUES (4), (5), (6)'
            . ' ON CONFLICT (number) DO UPDATE SET number = 8' ],
    )
{
    my ($table, $sql) = @$_;

    subtest "a table that is $table" => sub {
        my $former = former($table);

        $former->prepare;
        sql(sprintf $sql, $table);
        is_exact($former, $former->adopt, $former->numbers);
    };
}

# What nobody can note, or is of another column.
my $off = 'ALTER TABLE %s DISABLE TRIGGER USER;';
my $on  = 'ALTER TABLE %1$s ENABLE ALWAYS TRIGGER unique_random_1_1000_r,'
    . ' ENABLE ALWAYS TRIGGER unique_random_1_1000_t;';
my $not_indexed = <<'EOT';
UPDATE pg_index SET indisready = false
 WHERE indrelid = '%s'::regclass AND NOT indisprimary;
INSERT INTO %1$s (number) VALUES (2), (3);
UPDATE pg_index SET indisready = true WHERE indrelid = '%1$s'::regclass;
EOT

for (
    [ more   => "$off INSERT INTO %1\$s (number) VALUES (2); $on" ],
    [ blank  => "$off TRUNCATE %1\$s; $on" ],
    [ fewer  => "$off DELETE FROM %1\$s WHERE number = 4; $on" ],
    [ others => "$off DELETE FROM %1\$s WHERE number = 4;"
            . " INSERT INTO %1\$s (number) VALUES (2); $on" ],
    [ twice => "$off DELETE FROM %1\$s WHERE number = 4;"
            . ' ALTER TABLE %1$s DROP CONSTRAINT %1$s_number_key;'
            . " INSERT INTO %1\$s (number) VALUES (7); $on" ],
    [ computed => 'ALTER TABLE %s ALTER number TYPE integer'
            . ' USING number + 1' ],
    [ swapped => 'ALTER TABLE %s ADD number2 integer; UPDATE %1$s SET number2 ='
            . ' number + 1; ALTER TABLE %1$s RENAME number TO number3;'
            . ' ALTER TABLE %1$s RENAME number2 TO number' ],
    [ replaced => 'ALTER TABLE %s DROP number, ADD number integer UNIQUE;'
            . ' INSERT INTO %1$s (number) VALUES (5)' ],
    [ damaged => $not_indexed ],
    )
{
    my ($table, $sql) = @$_;

    subtest "a table that is unnoticed $table" => sub {
        my $former = former("un$table");

        $former->prepare;
        sql(sprintf $sql, "un$table");
        my $error = is_refused($former->adopt_statement,
            "what was read of public.un$table is not what it has",
            'it is not adopted');
        is sql('SELECT count(*) FROM unique_random.ranges'
            . " WHERE pool = 'un$table'"), 0, '... and nothing is made of it';

        my ($cancel, $reindex)
            = $error =~ /run (SELECT .*?;) and (REINDEX .*?;)/;
        sql($_) for $cancel, $reindex;
        is_exact($former, $former->adopt, $former->numbers);
    };
}

subtest 'an index that has not all rows from the beginning' => sub {
    my $former = former('indexed');

    sql(sprintf $not_indexed, 'indexed');
    is_refused($former->adopt_statement,
        'what was read of public.indexed is not what it has',
        'it is not believed');
};

subtest 'the last numbers of all' => sub {
    my $last = 9_223_372_036_854_775_807;

    for (
        [ end    => $last - 2_000_000,     $last ],
        [ chunk  => $last - (1 << 20) + 1, $last ],
        [ single => $last,                 $last ],
        [ before => $last - 1_100_000,     $last - 70 ],
        )
    {
        my ($table, $first, $to) = @$_;
        my $former = former("last_$table", first => $first, last => $to,
            type => 'bigint UNIQUE',
            from => "unnest(ARRAY[$last, $last - 80, $first - 1, 5, NULL])");

        $former->prepare;
        $former->fill("unnest(ARRAY[$last - 99, $last - 98])");
        is_exact($former, $former->adopt, $former->numbers);
    }
};

# In one transaction, which does or does not go on with what it did before.
subtest 'who has written to the table itself' => sub {
    for my $prepared (qw( blank begun whole )) {
        my $table   = "own_$prepared";
        my $former  = former($table);
        my $session = session();

        sql('SELECT unique_random.adopt_begin(' . $former->arguments
            . ", 'ACCESS SHARE')") if $prepared eq 'begun';
        $former->prepare if $prepared eq 'whole';
        $session->run(<<"EOT");
BEGIN;
INSERT INTO $table (number) VALUES (2), (5);
SAVEPOINT one;
DELETE FROM $table WHERE number < 20;
ROLLBACK TO one;
UPDATE $table SET number = 3 WHERE number = 4;
SAVEPOINT two;
EOT
        $session->run($former->adopt_statement);
        $session->run("ROLLBACK TO two; DELETE FROM $table WHERE number = 7");
        my $report = $former->report($session->run($former->adopt_statement));
        $session->run("DELETE FROM $table WHERE number = 10");
        is $session->try("INSERT INTO $table (number) VALUES (1001); COMMIT"),
            '', 'it goes on to its end';
        is_exact($former, $report,
            10, grep { $_ ne 1001 } $former->numbers);
        isnt +($pg->try_psql('numbers', "INSERT INTO $table (number)"
            . ' VALUES (7)'))[0], 0, 'the table is closed';
    }
};

subtest 'a transaction that is prepared' => sub {
    my $two = UniqueRandom::Postgres->new(name => 'two',
        conf => { max_prepared_transactions => 5 });
    $two->create_database('numbers')->apply_schema('numbers');
    my $former = UniqueRandom::Former->new(pg => $two, table => 'used',
        first => 1, last => 1000)->create('integer UNIQUE');

    $former->prepare;
    $two->psql('numbers', 'BEGIN; INSERT INTO used (number) VALUES (7);'
        . " PREPARE TRANSACTION 'service'");
    my (undef, undef, $err)
        = $two->try_psql('numbers', $former->adopt_statement);
    like $err, qr/lock timeout/, 'is waited for';
    $two->restart('immediate');
    $two->psql('numbers', "COMMIT PREPARED 'service'; BEGIN;"
        . $former->adopt_statement . "; PREPARE TRANSACTION 'adoption'");
    is $two->psql('numbers', 'SELECT count(*) FROM unique_random.ranges'), 0,
        'that of adopt() may be one';
    $two->psql('numbers', "COMMIT PREPARED 'adoption'");
    is $former->domain eq $former->expected(7), 1, '... and is as exact';
};

# The one has not committed yet when the other begins.
sub at_once {
    my ($one, $two, $error, $what) = @_;

    my ($first, $second) = (session(), session());

    $first->run("BEGIN; $one");
    my $pid = $second->run('SELECT pg_backend_pid()');
    $second->send($two);
    wait_until(sub {
        sql("SELECT coalesce(wait_event_type, '') = 'Lock' OR state <> 'active'"
            . " AND query NOT LIKE '%pg_backend_pid%' FROM pg_stat_activity"
            . " WHERE pid = $pid") eq 't';
    }, 30, 'the other one waits, or has been refused');
    $first->run('COMMIT');
    like $second->wait, $error, $what;
    return;
}

subtest 'two at once' => sub {
    my $former = former('once');
    my $adopt  = $former->adopt_statement;
    my $other  = "'other', 500, 2000, 'once', 'number'";
    my $taken  = qr/numbers 1-1000 of public\.once are adopted already/;
    my $anew   = sub {
        sql("DELETE FROM unique_random.ranges WHERE pool = 'once';"
            . " DELETE FROM unique_random.domains WHERE pool = 'once';"
            . ' ALTER TABLE once DROP CONSTRAINT unique_random_1_1000');
        $former->prepare;
    };

    $former->prepare;
    at_once($adopt, "SELECT unique_random.adopt_cancel('once', 1)",
        qr/ERROR: +pool "once" has no range that begins with 1 and is being/,
        'what was adopted is not abandoned any more');
    is_exact($former, $former->count($former->numbers), $former->numbers);

    $anew->();
    at_once($adopt, "CALL unique_random.adopt_prepare($other)", $taken,
        'another pool begins with none of its numbers');
    is_refused("SELECT unique_random.adopt($other)", $taken,
        '... nor has any of them');

    # As if both had begun without seeing each other.
    $anew->();
    sql('INSERT INTO unique_random.adoptions VALUES'
        . " ('other', 500, 2000, 'once', 'number')");
    is_refused($adopt, 'numbers 500-2000 of public.once are being adopted by'
        . ' pool "other"', 'nor does one end before the other one does');
    sql("SELECT unique_random.adopt_cancel('other', 500)");

    at_once($adopt, "SELECT unique_random.add('once', 1, 10)",
        qr/ERROR: .*(?:overlaps range 1-1000|ranges_overlap|ranges_pkey)/,
        'nor is there a range with some');
    is_refused($adopt, 'range 1-1000 overlaps range 1-1000 of pool "once"',
        'nor is it adopted twice');

    former('two', last => 3000);
    at_once("SELECT unique_random.add('two', 2000, 4000)",
        "SELECT unique_random.adopt('two', 1, 3000, 'two', 'number')",
        qr/ERROR: .*(?:overlaps range 2000-4000|ranges_overlap)/,
        'nor what others have made');
};

# A domain that is a range's stays as it is.
subtest 'the numbers of a range' => sub {
    my $former = former('kept');
    my $of     = "unique_random.domains WHERE pool = 'kept'";

    $former->adopt;
    is_refused($_, 'range \d+-\d+ of pool "\w+" has these numbers', $_)
        for "DELETE FROM $of",
        "UPDATE unique_random.domains SET bits = '\\x00' WHERE pool = 'kept'",
        'TRUNCATE unique_random.domains';

    # By who looked for rows that are of no range before it was there.
    my $late = former('late');
    $late->prepare;
    at_once($late->adopt_statement,
        'DELETE FROM unique_random.domains t WHERE NOT EXISTS (SELECT FROM'
            . ' unique_random.ranges r WHERE (r.pool, r.first) = (t.pool,'
            . ' t.first))', qr/range 1-1000 of pool "late" has these numbers/,
        'nor are they deleted while it is made');
    is_exact($late, $late->count($late->numbers), $late->numbers);

    sql("DELETE FROM unique_random.ranges WHERE pool = 'kept';"
        . " DELETE FROM $of");
    is $former->domain, '', '... but after the range';
};

like sql('SET enable_seqscan = off; EXPLAIN SELECT FROM'
    . " unique_random.adoption_changes WHERE pool = 'x' AND first = 1"),
    qr/adoption_changes_number/, 'noted changes are found by an index';

# A database that was dumped while one table was adopted, and another one was.
subtest 'a dump' => sub {
    my ($done, $half) = (former('done'), former('halfway'));

    $done->adopt;
    $half->prepare;
    sql('INSERT INTO halfway (number) VALUES (2)');

    my $copy = 'copy';
    $pg->create_database($copy)->psql($copy, $pg->dump('numbers'));

    my $caller = UniqueRandom::Caller->new(pg => $pg, db => $copy,
        pool => 'done');
    is $caller->ask([ 1, 1000, 10 ])->{refusal}, 'fenced',
        'a range that was adopted is fenced as others are';
    $_->{db} = $copy for $done, $half;
    is $done->domain eq $done->expected($done->numbers), 1,
        '... and has its numbers';
    isnt +($pg->try_psql($copy, 'INSERT INTO done (number) VALUES (2)'))[0], 0,
        '... which the table does not take';

    $half->fill('generate_series(3, 3)');
    $half->prepare;
    is_exact($half, $half->adopt, $half->numbers);
    is $pg->psql($copy, 'SELECT count(*) FROM pg_trigger WHERE tgrelid ='
        . " 'halfway'::regclass"), 0, 'what was under way goes on, and ends';
};

done_testing;
