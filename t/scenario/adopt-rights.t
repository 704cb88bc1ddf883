# Whose table is adopted gets nothing of the rights of who adopts it, nor of the
# schema's owner, as whom its changes are noted; who may not adopt is told why;
# and where it cannot be done.

use strict;
use warnings;

use lib 't/lib';

use Test::More;

use UniqueRandom::Former;
use UniqueRandom::Postgres;

my $pg = UniqueRandom::Postgres->new;

# Who owns the schema may use what mallory has, and not the other way round.
$pg->psql('postgres', "CREATE ROLE $_ LOGIN")
    for qw( landlord mallory stranger );
$pg->psql('postgres', 'GRANT mallory TO landlord');
$pg->create_database('house', owner => 'landlord');
$pg->apply_schema('house', user => 'landlord');

sub as { return $pg->psql('house', $_[1], user => $_[0]) }

sub refused {
    my ($user, $sql, $error, $what) = @_;

    my ($code, undef, $err) = $pg->try_psql('house', $sql, user => $user);
    isnt $code, 0, "$what: refused";
    like $err, $error, '... and the error says why';
    return $err;
}

# What mallory has: functions that tell as whom they run, called by casts of a
# type of its own.
as('postgres', 'GRANT CREATE ON SCHEMA public TO PUBLIC');
as('mallory', <<'EOT');
CREATE TABLE ran (who text);
GRANT INSERT ON ran TO PUBLIC;
CREATE TYPE evil AS (number integer);
CREATE FUNCTION to_bigint(evil) RETURNS bigint LANGUAGE plpgsql AS $$
    BEGIN INSERT INTO public.ran VALUES (current_user); RETURN 5; END $$;
CREATE FUNCTION to_text(evil) RETURNS text LANGUAGE plpgsql AS $$
    BEGIN INSERT INTO public.ran VALUES (current_user); RETURN '5'; END $$;
CREATE TYPE worse AS ENUM ('worse');
CREATE SEQUENCE called;
GRANT USAGE ON called TO PUBLIC;
CREATE FUNCTION to_json(worse) RETURNS json LANGUAGE plpgsql AS $$
    BEGIN PERFORM nextval('public.called'); RETURN '5'; END $$;
CREATE FUNCTION is_fine(bigint) RETURNS boolean LANGUAGE plpgsql AS $$
    BEGIN INSERT INTO public.ran VALUES (current_user); RETURN true; END $$;
CREATE CAST (evil AS bigint) WITH FUNCTION to_bigint(evil) AS IMPLICIT;
CREATE CAST (evil AS text) WITH FUNCTION to_text(evil) AS IMPLICIT;
CREATE CAST (worse AS json) WITH FUNCTION to_json(worse);
CREATE DOMAIN checked AS bigint CHECK (is_fine(VALUE));
EOT

# Another type is refused, by each that reads the table, and nothing of it runs.
for my $type (qw( evil checked )) {
    subtest "a column that becomes $type" => sub {
        my $table  = "is_$type";
        my $number = $type eq 'evil' ? 'row(number)::evil' : 'number';
        my $former = UniqueRandom::Former->new(pg => $pg, db => 'house',
            table => $table, first => 1, last => 1000);

        as('mallory', "CREATE TABLE $table (number integer)");
        as('landlord', 'CALL unique_random.adopt_prepare('
            . $former->arguments . ')');
        as('mallory', "INSERT INTO $table VALUES (3); ALTER TABLE $table ALTER"
            . " number TYPE $type USING $number; TRUNCATE ran");

        # It is noted, or it fails.
        $pg->try_psql('house', "INSERT INTO $table SELECT number FROM $table",
            user => 'mallory');

        for my $step ('SELECT unique_random.adopt_step'
            . "('$table', 1, '$table')",
            'CALL unique_random.adopt_prepare(' . $former->arguments . ')',
            $former->adopt_statement)
        {
            refused($_, $step, qr/column "number" of public\.$table is no ord/,
                $_) for qw( landlord postgres );
        }

        is as('mallory', "SELECT who FROM ran WHERE who <> 'mallory'"), '',
            'nothing ran as somebody else';
    };
}

# Where there is no such column any more, a function by its name is not called.
subtest 'a column by the name of a function' => sub {
    as('mallory', 'CREATE TABLE named (to_json integer, other worse)');
    as('landlord',
        "CALL unique_random.adopt_prepare('named', 1, 10, 'named', 'to_json')");
    as('mallory', 'ALTER TABLE named RENAME to_json TO before');
    refused('mallory', "INSERT INTO named VALUES (1, 'worse')",
        qr/column "to_json" does not exist/, 'who writes');
    is as('mallory', 'SELECT is_called FROM called'), 'f',
        '... and nothing ran';
};

subtest 'whose table it is' => sub {
    my $former = UniqueRandom::Former->new(pg => $pg, db => 'house',
        table => 'foreign_one', first => 1, last => 10);
    my @steps = ('CALL unique_random.adopt_prepare(' . $former->arguments . ')',
        $former->adopt_statement);

    as('stranger', 'CREATE TABLE foreign_one (number integer)');

    for my $step (@steps) {
        my $error = refused('landlord', $step,
            qr/role "landlord" may not adopt public\.foreign_one, which belongs to role "stranger"/,
            'another one\'s');
        like $error, qr/HINT: .*GRANT stranger TO landlord;/,
            '... with what to run';
        refused('stranger', $step, qr/permission denied for schema/,
            'by who has no right to the schema');
    }

    as('postgres', 'GRANT stranger TO landlord');
    as('landlord', $_) for @steps;
    is $former->domain, '1' x 10 . '0' x 6, 'who has both is not refused';
};

subtest 'columns of another kind' => sub {
    as('landlord', 'CREATE TABLE kinds (a checked, b integer GENERATED ALWAYS'
        . ' AS (1) STORED, c numeric, d integer[])');
    refused('landlord',
        "SELECT unique_random.adopt('kinds', 1, 10, 'kinds', '$_')",
        qr/column "$_" of public\.kinds is no ordinary smallint, integer or bigint/,
        $_) for qw( a b c d );
};

subtest 'where it cannot be done' => sub {
    as('landlord', 'CREATE TABLE used (number integer)');
    my $arguments = "'numbers', 1, 10, 'used', 'number'";
    my $standby   = $pg->standby(name => 'standby');
    $pg->wait_for_standby($standby);

    for my $step ("CALL unique_random.adopt_prepare($arguments)",
        "SELECT unique_random.adopt($arguments)")
    {
        my (undef, undef, $err) = $standby->try_psql('house', $step,
            user => 'landlord');
        like $err, qr/a table cannot be adopted on a standby\nHINT: .*primary/,
            "a standby: $step";
        refused('landlord', "SET default_transaction_read_only = on; $step",
            qr/cannot be adopted in a transaction that is read-only/,
            'who may not write');

        for my $level ('repeatable read', 'serializable') {
            my $error = refused('landlord',
                "SET default_transaction_isolation = '$level'; $step",
                qr/in transactions that are read committed, not $level/,
                $level);
            my ($set) = $error =~ /HINT: +Run (SET .*?;)/;
            is $set, "SET default_transaction_isolation = 'read committed';",
                '... with what to run';
        }
    }

    $standby->stop;
    as('landlord', "SELECT unique_random.adopt($arguments)");
};

done_testing;
