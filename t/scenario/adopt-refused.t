# What is not adopted, with what the error says to do about it; and what else a
# range that was adopted goes through: accept(), close(), a standby.

use strict;
use warnings;

use lib 't/lib';

use Test::More;

use UniqueRandom::Caller;
use UniqueRandom::Former;
use UniqueRandom::Postgres;

my $pg = UniqueRandom::Postgres->new;
$pg->create_database('numbers')->apply_schema('numbers');

sub sql { return $pg->psql('numbers', @_) }

sub refused {
    my ($sql, $error, $what) = @_;

    my ($code, undef, $err) = $pg->try_psql('numbers', $sql);
    isnt $code, 0, "$what: refused";
    like $err, $error, '... and the error says why';
    return $err;
}

# Both ways in.
sub neither {
    my ($arguments, $error, $what) = @_;

    refused("CALL unique_random.adopt_prepare($arguments)", $error, $what);
    return refused("SELECT unique_random.adopt($arguments)", $error, $what);
}

# What the hint says to run.
sub hint {
    my ($err) = @_;

    my ($sql) = $err =~ /^HINT: .*?run (.*;)$/im
        or return fail 'the hint says what to run';
    sql($sql);
    return $sql;
}

subtest 'tables' => sub {
    sql(<<'EOT');
CREATE TABLE big (number integer);
INSERT INTO big SELECT generate_series(1, 100000);
CREATE INDEX ON big (number) WHERE number > 5;
CREATE INDEX ON big USING hash (number);
CREATE INDEX ON big ((number + 1));
CREATE TABLE texts (number text);
CREATE TABLE parts (number integer) PARTITION BY RANGE (number);
CREATE TABLE part PARTITION OF parts FOR VALUES FROM (1) TO (1000);
CREATE TABLE parent (number integer);
CREATE TABLE child () INHERITS (parent);
CREATE UNLOGGED TABLE unlogged (number integer);
CREATE VIEW view AS SELECT * FROM big;
CREATE SEQUENCE sequence;
EOT

    neither("'p', 1, 10, 'no_table', 'number'",
        qr/relation "no_table" does not exist/, 'no table');
    neither("'p', 1, 10, 'big', 'no_column'",
        qr/there is no column "no_column" in public\.big/, 'no column');
    neither("'p', 1, 10, 'big', 'ctid'", qr/there is no column "ctid"/,
        'a column of the system');
    neither("'p', 1, 10, 'texts', 'number'",
        qr/column "number" of public\.texts is no ordinary smallint, integer or bigint/,
        'a text');
    neither("'p', 1, 10, '$_', 'number'",
        qr/public\.$_ is not an ordinary table/, $_)
        for qw( parts part parent child unlogged view sequence );

    my $err = neither("'p', 1, 10, 'big', 'number'",
        qr/public\.big has no index that begins with column "number"/,
        'no index');
    hint($err);
    sql('DELETE FROM big WHERE number < 5');
    is sql("SELECT used FROM unique_random.adopt('p', 1, 10, 'big', 'number')"),
        6, '... that it needs';

    sql('CREATE TABLE "Odd ""Name" ("Some ""Number" smallint)');
    sql('INSERT INTO "Odd ""Name" VALUES (3)');
    sql("CALL unique_random.adopt_prepare('odd ''name', 1, 10,"
        . qq{ '"Odd ""Name"', 'Some "Number')});
    sql('INSERT INTO "Odd ""Name" VALUES (4)');
    is sql("SELECT used FROM unique_random.adopt('odd ''name', 1, 10,"
        . qq{ '"Odd ""Name"', 'Some "Number')}), 2, 'names of any kind';
};

subtest 'ranges' => sub {
    sql('CREATE TABLE used (number integer UNIQUE);'
        . " SELECT unique_random.add('taken', 1001, 2000)");

    neither("'p', $_, 'used', 'number'", qr/invalid range/, "range $_")
        for '5, 4', '-1, 5', 'NULL, 5';
    neither("NULL, 1, 5, 'used', 'number'", qr/invalid range/, 'no pool');
    neither("'', 1, 5, 'used', 'number'",
        qr/invalid pool name "", it must not be empty/, 'a pool without a name');
    neither("'taken', 1, 1001, 'used', 'number'",
        qr/range 1-1001 overlaps range 1001-2000 of pool "taken"/,
        'numbers that the pool has');
    neither("'p2', 1, 1073741825, 'used', 'number'",
        qr/has more than 1073741824 numbers.*HINT: .*as several ranges/s,
        'too many');
    refused("SELECT unique_random.adopt('p2', 1, 5, 'used', 'number', 'maybe')",
        qr/failover must be fence, trust or advance:N .* not maybe/, 'another policy');

    is sql('SELECT count(*) FROM unique_random.adoptions'), 0,
        'nothing is begun';
};

subtest 'one that is prepared' => sub {
    my $same  = "'one', 1, 1000, 'used', 'number'";
    my $other = 'is being adopted';

    sql('CREATE TABLE used2 (number integer, again integer)');
    sql("CALL unique_random.adopt_prepare($same)");

    neither("'one', 1, 1001, 'used', 'number'", qr/$other up to 1000/,
        'another end');
    neither("'one', 1, 1000, 'used2', 'number'", qr/$other from public\.used$/m,
        'another table');
    neither("'one', 500, 2000, 'used', 'number'",
        qr/range 500-2000 overlaps range 1-1000 of pool "one", which $other/,
        'others of its numbers');
    neither("'two', 500, 2000, 'used', 'number'",
        qr/numbers 1-1000 of public\.used are being adopted by pool "one"/,
        '... by another pool');
    refused("SELECT unique_random.add('one', $_)", qr/which $other/, "add($_)")
        for '1, 1000', '1000, 1000';
    refused('TRUNCATE used', qr/public\.used $other/, 'TRUNCATE');

    is sql("SELECT unique_random.bootstrap('one', '{1}', '{1000}', 'fence',"
        . " '{}')"), 'f', 'bootstrap makes no range of it';
    refused("SELECT unique_random.bootstrap('two', '{1}', '{1000}', 'fence',"
        . " '{p,odd ''name}')", qr/since pool "one" has numbers of 1-1000 already/,
        'nor under another name');
    is(UniqueRandom::Caller->new(pg => $pg, db => 'numbers', pool => 'one')
        ->ask([ 1, 1000, 1 ])->{detail},
        'it is prepared, and adopt() has not been called yet',
        'who asks for it is told');

    sql('ALTER TABLE used RENAME number TO "Old"');
    my ($code) = $pg->try_psql('numbers', 'INSERT INTO used VALUES (1)');
    isnt $code, 0, 'no change is missed where the column is renamed';
    sql('ALTER TABLE used RENAME "Old" TO number');

    for my $change ('DISABLE TRIGGER USER', 'ENABLE TRIGGER USER') {
        sql("ALTER TABLE used $change");
        hint(neither($same, qr/without its triggers: changes may be lost/,
            $change));
        sql("CALL unique_random.adopt_prepare($same)");
    }

    sql("SELECT unique_random.adopt($same)");
    neither("'$_->[0]', $_->[1], 'used', 'number'",
        qr/numbers 1-1000 of public\.used are adopted already/,
        "pool $_->[0], of $_->[1]")
        for [ 'two', '1, 1000' ], [ 'two', '1000, 1000' ];
    neither($same, qr/overlaps range 1-1000 of pool "one"/, 'a second time');
    sql("SELECT unique_random.adopt('two', 1001, 2000, 'used', 'number')");
    pass 'the rest of the table may be adopted';

    refused("SELECT unique_random.adopt_cancel('one', 1)",
        qr/pool "one" has no range that begins with 1 and is being adopted/,
        'adopt_cancel() of what is there');
    refused("BEGIN; CALL unique_random.adopt_prepare('p3', 1, 5, 'used2',"
        . " 'number')", qr/invalid transaction termination/,
        'adopt_prepare() in a transaction');
    is sql('SELECT count(*) FROM unique_random.adoptions'), 0,
        '... which leaves nothing';
};

# One that lives: numbers 1 to 100 of 1000 were given out.
sql('CREATE TABLE living (number integer UNIQUE);'
    . ' INSERT INTO living SELECT generate_series(1, 100);'
    . " SELECT unique_random.adopt('living', 1, 1000, 'living', 'number')");

my $living = UniqueRandom::Caller->new(pg => $pg, db => 'numbers',
    pool => 'living');

sub ranges {
    my ($db) = @_;

    return $pg->psql($db, 'SELECT pool, first, last, key, reserved, size,'
        . " domain FROM unique_random.ranges WHERE pool = 'living'")
        . $pg->psql($db, 'SELECT chunk, bits FROM unique_random.domains'
            . " WHERE pool = 'living'");
}

subtest 'the door of nginx' => sub {
    sql('CREATE ROLE tenant LOGIN; CREATE ROLE stranger LOGIN;'
        . ' CREATE ROLE other; GRANT unique_random TO tenant;'
        . " SELECT unique_random.set_role('two', 'other');"
        . " SELECT unique_random.set_role('one', 'other');"
        . ' GRANT other TO stranger');

    my $door = sub {
        my ($user, @arguments) = @_;

        return $pg->psql('numbers', "SELECT size, encode(domain, 'hex') <> '',"
            . ' length(bits) FROM unique_random.domain('
            . join(', ', @arguments) . ')', user => $user);
    };

    is $door->('tenant', "'living'", 1, 1000, 0), '900|t|125', 'it has a chunk';
    is $door->('tenant', "'living'", 1, 1000, $_), '900|t|',
        "... and no chunk $_" for -1, 1;
    is $door->('tenant', "'taken'", 1001, 2000, 0), '||',
        'an ordinary range has none';
    is $door->('tenant', "'living'", 1, 999, 0), '', 'another range is not there';
    is $door->('tenant', "'living'", 2, 1000, 0), '', '... nor this one';
    is $door->('stranger', "'living'", 1, 1000, 0), '',
        'nor is it there for others';
    is $door->('stranger', "'one'", 1, 1000, 0), '1000|t|125',
        '... who have their own';
    is $door->('tenant', "'one'", 1, 1000, 0), '', '... which is theirs';
};

# Who owns the table and the schema need be no superuser, and the service need
# have no right to the schema.
subtest 'an owner and a service' => sub {
    my $as = sub { $pg->psql('house', $_[1], user => $_[0]) };

    sql('CREATE ROLE landlord LOGIN; CREATE ROLE service LOGIN');
    $pg->create_database('house', owner => 'landlord');
    $pg->apply_schema('house', user => 'landlord');
    $pg->psql('house', 'GRANT CREATE ON SCHEMA public TO landlord');
    $as->('landlord', 'CREATE TABLE used (number integer UNIQUE);'
        . ' GRANT SELECT, INSERT, UPDATE, DELETE ON used TO service;'
        . " CALL unique_random.adopt_prepare('p', 1, 10, 'used', 'number')");
    $as->('service', "INSERT INTO used VALUES ($_)") for 1 .. 3;
    $as->('service', 'UPDATE used SET number = 5 WHERE number = 1;'
        . ' DELETE FROM used WHERE number = 2');

    # Hidden rows would be given out again.
    $as->('landlord', 'ALTER TABLE used ENABLE ROW LEVEL SECURITY;'
        . ' ALTER TABLE used FORCE ROW LEVEL SECURITY');
    my $adopt = 'SELECT rows, used, unused FROM'
        . " unique_random.adopt('p', 1, 10, 'used', 'number')";
    my ($code, undef, $err)
        = $pg->try_psql('house', $adopt, user => 'landlord');
    like $err, qr/query would be affected by row-level security policy/,
        'no row may be hidden';
    $as->('landlord', 'ALTER TABLE used NO FORCE ROW LEVEL SECURITY');
    is $as->('landlord', $adopt), '2|2|8', 'the rights that they have will do';
};

subtest 'accept()' => sub {
    $living->ask([ 1, 1000, 100 ]);
    refused("SELECT unique_random.accept('living', 1, at_least => 901)",
        qr/at_least must be at most 900, the size of the range/,
        'more than there is');
    is sql('SELECT reserved FROM unique_random.accept('
        . "'living', 1, at_least => 200)"), 200, 'it skips';
    is sql('SELECT reserved FROM unique_random.accept('
        . "'living', 1, advance => 100000)"), 900, '... to the end at most';
    is $living->ask([ 1, 1000, 10 ])->{refusal}, 'exhausted',
        '... and nothing is left';

    my ($code, undef, $err) = $pg->try_psql('numbers',
        'UPDATE unique_random.ranges SET reserved = 901'
        . " WHERE pool = 'living'");
    like $err, qr/ranges_domain/, 'nor can anybody reserve more';

    for my $column (qw( size domain )) {
        (undef, undef, $err) = $pg->try_psql('numbers',
            "UPDATE unique_random.ranges SET $column = NULL"
                . " WHERE pool = 'living'");
        like $err, qr/ranges_domain/, "... nor take away the $column";
    }
};

subtest 'a standby' => sub {
    my $standby = $pg->standby(name => 'standby');

    $pg->wait_for_standby($standby);
    is $standby->psql('numbers', 'SELECT size, length(bits) FROM'
        . " unique_random.domain('living', 1, 1000, 0)", user => 'tenant'),
        '900|125', 'says which numbers a range has';
    $standby->stop;
};

subtest 'close()' => sub {
    sql('CREATE TABLE wide (number integer UNIQUE);'
        . ' INSERT INTO wide SELECT generate_series(1, 3000000, 2);'
        . " SELECT unique_random.adopt('wide', 1, 3000000, 'wide', 'number')");

    my %move = map { $_ => sql("SELECT unique_random.close('$_', 1)") }
        qw( living wide );
    my $db = 'next';
    $pg->create_database($db)->apply_schema($db);

    # The row without its chunks, and with others.
    my ($add) = $move{living} =~ /^(SELECT unique_random\.add\(.*)/m;
    my ($code, undef, $err) = $pg->try_psql($db, $add);
    like $err, qr/the domain of range 1-1000 is not in unique_random\.domains/,
        'a range does not move without its domain';

    $pg->psql($db, 'INSERT INTO unique_random.domains'
        . " VALUES ('living', 1, 0, decode(repeat('ff', 125), 'hex'))");
    (undef, undef, $err) = $pg->try_psql($db, $move{living});
    like $err, qr/the domain of range 1-1000 is not in unique_random\.domains/,
        '... nor with another one';
    my ($hint) = $err =~ /run (DELETE .*;)$/m;
    $pg->psql($db, $hint);

    # What is of a range stays.
    is sql('SELECT count(*) FROM unique_random.domains'
        . " WHERE pool = 'living'"), 1, 'it has one here';
    sql($hint);
    is sql('SELECT count(*) FROM unique_random.domains'
        . " WHERE pool = 'living'"), 1, '... which no hint takes away';

    (my $short = $move{living}) =~ s/, 1, 1000,/, 1, 999,/;
    isnt +($pg->try_psql($db, "BEGIN; $short; COMMIT"))[0], 0,
        '... nor with another end';

    $pg->psql($db, "BEGIN; $move{$_}; COMMIT") for qw( living wide );
    is ranges($db), ranges('numbers'), 'all of it is there';
    is $pg->psql($db, 'SELECT size FROM unique_random.ranges'
        . " WHERE pool = 'wide'"), 1_500_000, '... of several chunks';
    is $pg->psql($db, 'SELECT count(*), count(DISTINCT chunk) FROM'
        . " unique_random.domains WHERE pool = 'wide'"), '3|3', '... each';

    $pg->psql($db, "DELETE FROM unique_random.ranges WHERE pool = 'wide';"
        . " SELECT unique_random.add('wide', 1, 3000000)");
    is $pg->psql($db, 'SELECT count(*) FROM unique_random.domains'
        . " WHERE pool = 'wide'"), 0,
        'a new range has nothing of one that was deleted';
};

done_testing;
