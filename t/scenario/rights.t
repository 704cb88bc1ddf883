# What the role of a running nginx may do in the database: reserve, give back
# what it was granted, and look.  Everything else is tried here, and refused.

use strict;
use warnings;

use Test::More;

use UniqueRandom::Caller   ();
use UniqueRandom::Postgres ();
use UniqueRandom::Session  ();

my $pg = UniqueRandom::Postgres->new;

$pg->psql('postgres', "CREATE ROLE $_ LOGIN")
    for qw( landlord tenant stranger accountant );
$pg->psql('postgres', 'CREATE ROLE billing; CREATE ROLE unique_random;'
    . ' GRANT unique_random TO tenant, landlord; GRANT billing TO accountant');

my %owner = (house => 'landlord', palace => 'postgres');

for my $db (sort keys %owner) {
    $pg->create_database($db, owner => $owner{$db});
    $pg->apply_schema($db, user => $owner{$db});
}

sub caller_of {
    my ($db, $pool, $user) = @_;

    return UniqueRandom::Caller->new(pg => $pg, db => $db, pool => $pool,
        user => $user);
}

sub owner {
    my ($db, $sql) = @_;

    return $pg->psql($db, $sql, user => $owner{$db});
}

# How many of the statements are not refused, each of which is told.
sub allowed {
    my ($db, $user, $error, @statements) = @_;

    my $allowed = 0;

    for my $sql (@statements) {
        my ($code, undef, $err) = $pg->try_psql($db, $sql, user => $user);
        next if $code && $err =~ $error;

        $allowed++;
        diag "$user in $db: $sql: ", $code ? $err : 'done';
    }

    return $allowed;
}

# Each function of the schema but those, called with as many NULL.
sub calls {
    my ($db, @but) = @_;

    my $but = join ', ', map {"'$_'"} '', @but;

    return split /\n/, $pg->psql($db, <<"EOT");
SELECT format('%s unique_random.%I(%s)',
              CASE p.prokind WHEN 'p' THEN 'CALL' ELSE 'SELECT' END, p.proname,
              (SELECT string_agg(format('NULL::%s', t::regtype), ', ')
                 FROM unnest(p.proargtypes) AS t))
  FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
 WHERE p.pronamespace = 'unique_random'::regnamespace
   AND l.lanname <> 'internal' AND p.proname NOT IN ($but)
EOT
}

# What can be said to a table.
sub accesses {
    my ($db) = @_;

    my @columns = map { [ split /\|/ ] } split /\n/, $pg->psql($db, <<'EOT');
SELECT a.attrelid::regclass, quote_ident(a.attname)
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
 WHERE c.relnamespace = 'unique_random'::regnamespace AND c.relkind = 'r'
   AND a.attnum > 0 AND NOT a.attisdropped
EOT
    my %tables = map { $_->[0] => 1 } @columns;

    return (
        (map {
            my ($table, $column) = @$_;
            (
                "SELECT $column FROM $table",
                "UPDATE $table SET $column = $column",
                "INSERT INTO $table ($column) VALUES (NULL)",
                "SELECT count($column) FROM $table",
                "COPY $table ($column) TO STDOUT",
            );
        } @columns),
        (map {
            (
                "DELETE FROM $_", "TRUNCATE $_", "TABLE $_",
                "SELECT count(*) FROM $_", "SELECT FROM $_ FOR UPDATE",
                "SELECT tableoid FROM $_", "COPY $_ FROM STDIN",
                "INSERT INTO $_ DEFAULT VALUES",
                "BEGIN; LOCK TABLE $_ IN ROW SHARE MODE", "DROP TABLE $_",
                "ALTER TABLE $_ SET UNLOGGED", "GRANT SELECT ON $_ TO PUBLIC",
                "CREATE TRIGGER t BEFORE UPDATE ON $_ FOR EACH ROW EXECUTE"
                    . ' FUNCTION suppress_redundant_updates_trigger()',
                "CREATE INDEX ON $_ ((1))",
            );
        } sort keys %tables),
    );
}

for my $db (sort keys %owner) {
    owner($db, "SELECT unique_random.add('numbers', 1, 1000)");

    my $tenant = caller_of($db, 'numbers', 'tenant');
    my $range  = [ 1, 1000, 10, 1 ];

    subtest "the owner is $owner{$db}" => sub {
        my $reply = $tenant->ask($range);
        is_deeply $reply->{starts}, [0], 'the role may reserve';
        like $reply->{key}, qr/^[0-9a-f]{64}$/, '... and has the key';
        is $tenant->ask([ 1, 1000, 0 ])->{refusal}, undef, '... and look';
        is $pg->psql($db, 'SELECT count(*) FROM'
            . " unique_random.domain('numbers', 1, 1000, 0)", user => 'tenant'),
            1, '... and ask for its numbers';
        is $tenant->give_back($range, [8], [10]), '', '... and give back';

        is allowed($db, 'tenant', qr/permission denied for (?:function|procedure)/,
            calls($db, qw( reserve give_back domain ))), 0,
            'it may call nothing else';
        is allowed($db, 'tenant',
            qr/permission denied|must be owner of/, accesses($db)),
            0, 'it has no right to any table nor column';
        is allowed($db, 'tenant',
            qr/permission denied for schema|must be (?:owner|able)|permission denied/,
            'CREATE TABLE unique_random.t ()',
            'CREATE FUNCTION unique_random.f() RETURNS int LANGUAGE sql AS'
                . " 'SELECT 1'",
            'DROP SCHEMA unique_random CASCADE',
            'DROP FUNCTION unique_random.timeline()',
            'ALTER FUNCTION unique_random.timeline() RESET search_path',
            "SET ROLE $owner{$db}",
        ), 0, 'nor to the schema';

        is allowed($db, 'stranger', qr/permission denied for schema/,
            calls($db), accesses($db)), 0, 'who is no member has none at all';
    };
}

subtest 'a pool for another role' => sub {
    my $db = 'house';

    owner($db, "SELECT unique_random.add('bills', 1, 1000);"
        . " SELECT unique_random.set_role('bills', 'billing');"
        . " SELECT unique_random.add('bills', 1001, 2000)");

    for my $range ([ 1, 1000, 10, 1 ], [ 1001, 2000, 10, 1 ]) {
        for my $want (10, 0) {
            my $reply = caller_of($db, 'bills', 'tenant')
                ->ask([ @$range[ 0, 1 ], $want, 1 ]);
            my ($key) = owner($db, "SELECT encode(key, 'hex')"
                . " FROM unique_random.ranges WHERE pool = 'bills'"
                . " AND first = $range->[0]");

            is $reply->{refusal}, 'missing', "$range->[0]: not for others";
            is $reply->{detail}, 'pool "bills" is for members of role "billing"',
                '... whose role is said';
            is_deeply [ grep {defined} @$reply{qw( key digest last serial )} ],
                [], '... and nothing else';
        }

        like caller_of($db, 'bills', $_)->ask($range)->{key},
            qr/^[0-9a-f]{64}$/, "$range->[0]: $_ may use it"
            for qw( accountant landlord postgres );
    }

    my ($tenant, $accountant)
        = map { caller_of($db, 'bills', $_) } qw( tenant accountant );

    $accountant->ask([ 1, 1000, 10 ]);
    $tenant->{holder} = $accountant->holder;
    $tenant->{memory} = $accountant->{memory};
    is $tenant->give_back([ 1, 1000 ], [21], [22]), 'missing',
        'others give nothing back to it';

    is caller_of($db, 'numbers', 'accountant')->ask([ 1, 1000, 1 ])->{detail},
        'pool "numbers" is for members of role "unique_random"',
        'its role may use no other';

    my $session = UniqueRandom::Session->new(pg => $pg, db => $db,
        user => 'tenant');
    $session->run('BEGIN; ' . $tenant->statement([ [ 1, 1000, 1 ] ]));
    is owner($db, 'SELECT count(*) FROM (SELECT FROM unique_random.ranges'
        . " WHERE pool = 'bills' FOR UPDATE NOWAIT) AS t"), 2, 'nor lock it';
    $session->end;

    # What a name with a typo has instead is said only of what one may use.
    is caller_of($db, 'bilsl', 'accountant')->ask([ 1, 1000, 0 ])->{detail},
        'pool "bills" has it', 'the pool that is meant is said';
    is caller_of($db, 'bilsl', 'tenant')->ask([ 1, 1000, 0 ])->{detail},
        'pool "numbers" has it', '... if the caller may use it';
    is caller_of($db, 'bilsl', 'tenant')->ask([ 1500, 1600, 0 ])->{detail},
        undef, '... and nothing else';

    my ($code, undef, $err) = $pg->try_psql($db,
        "SELECT unique_random.set_role('bills', 'nobody')");
    like $err, qr/there is no role "nobody"\nHINT: *Run CREATE ROLE nobody NOLOGIN; and GRANT nobody TO/,
        'there has to be such a role';
    like owner($db, "SELECT unique_random.close('bills', 1)"),
        qr/; SELECT unique_random\.set_role\('bills', 'billing'\);$/,
        'close() hands it on';

    $pg->psql($db, 'DROP OWNED BY billing; DROP ROLE billing');
    is caller_of($db, 'bills', 'tenant')->ask([ 1, 1000, 1 ])->{detail},
        'pool "bills" is for members of role "billing"',
        'a role that is gone has no members';
    is caller_of($db, 'bills', 'landlord')->ask([ 1001, 2000, 1 ])->{refusal},
        undef, '... and the owner goes on';
};

subtest 'what is given back' => sub {
    my $db    = 'palace';
    my $range = [ 1, 1000, 100 ];

    owner($db, "SELECT unique_random.add('back', 1, 1000)");
    my ($one, $two) = map { caller_of($db, 'back', 'tenant') } 1, 2;

    $_->ask($range) for $one, $two;

    my $not = "they are not the caller's";

    for (
        [ [ 5, 6 ], [ 8, 9 ], 'what overlaps' ],
        [ [ 5, 5 ], [ 8, 8 ], 'the same twice' ],
        [ [ 50, 10 ], [ 60, 51 ], 'what overlaps in another order' ],
        [ [150], [160], 'what another one was granted' ],
        [ [90], [110], '... in part' ],
        [ [200], [201], 'what was not granted to anybody' ],
        [ [ 5, 999 ], [ 6, 1000 ], '... in part' ],
        [ [8], [5], 'what ends before it begins' ],
        [ [5], [5], 'nothing' ],
        [ [-1], [1], 'what is below 0' ],
        [ [ 5, 7 ], [6], 'an end too few' ],
        [ [5], [ 6, 7 ], 'a start too few' ],
        [ [undef], [6], 'no start' ],
        [ [5], [undef], 'no end' ],
        )
    {
        my ($starts, $stops, $what) = @$_;
        is $one->give_back($range, $starts, $stops), $not,
            "$what is not taken back";
    }

    is owner($db, "SELECT count(*) FROM unique_random.returned"
        . " WHERE pool = 'back'"), 0, '... not even in part';

    is $one->give_back($range, [ 20, 5 ], [ 30, 8 ]), '', 'what is its own is';
    is $one->give_back($range, [20], [30]), $not, '... once';
    is $one->give_back($range, [ 3, 10 ], [ 6, 11 ]), $not, '... nor in part';
    is $two->give_back($range, [5], [6]), $not, '... nor from another one';
    is owner($db, "SELECT returned FROM unique_random.ranges"
        . " WHERE pool = 'back'"), 13, '... and is counted';

    # By who does not know the life that it belongs to.
    my %memory = %{ $two->memory(1) };
    $two->memory(1, epoch => undef, incarnation => undef);
    is $two->give_back($range, [110], [120]), 'the range has begun a new life',
        'who remembers no life gives nothing back';
    $two->memory(1, %memory);

    owner($db, "SELECT unique_random.accept('back', 1, advance => 0)");
    is $two->give_back($range, [110], [120]), 'the range has begun a new life',
        'nor who remembers an earlier one';
    $two->ask([ 1, 1000, 10 ]);
    is $two->give_back($range, [110], [120]), $not,
        'what was granted in an earlier life is not taken back in this one';
    is $two->give_back($range, [200], [210]), '', '... what was in this one, is';

    # As a range by this name that was deleted had left them.
    owner($db, "DELETE FROM unique_random.ranges WHERE pool = 'back';"
        . " SELECT unique_random.add('back', 1, 1000)");
    my $new = caller_of($db, 'back', 'tenant');
    is $new->ask([ 1, 1000, 0 ])->{returned}, 0,
        'a new range has nothing of one that was deleted';
    is owner($db, "SELECT count(*) FROM unique_random.returned"
        . " WHERE pool = 'back'"), 0, '... nothing at all';
};

done_testing;
