# Whoever may create things in "public", or temporary ones, plants there what our
# functions call, by every name that their sources and our constraints have;
# none of it may ever run, least of all as the superuser who owns the schema.

use strict;
use warnings;

use Test::More;

use UniqueRandom::Caller   ();
use UniqueRandom::Postgres ();
use UniqueRandom::Session  ();
use UniqueRandom::Util     qw( read_file );

my $pg = UniqueRandom::Postgres->new;

$pg->psql('postgres', 'CREATE ROLE unique_random; CREATE ROLE mallory LOGIN'
    . ' IN ROLE unique_random');

sub database {
    my ($db) = @_;

    $pg->create_database($db);
    $pg->psql($db, "GRANT CREATE ON SCHEMA public TO PUBLIC;"
        . ' CREATE TABLE public.ran (what text, who text);'
        . ' GRANT INSERT ON public.ran TO PUBLIC');
    return;
}

# What there is to plant: functions by the names that are called, with the
# signatures that PostgreSQL has and with those that would suit a call better;
# operators of the types that we have.  Each notes that it ran, and as whom.
sub plants {
    my ($db, $schema) = @_;

    my $source = read_file('sql/schema.sql');
    my %names  = map { $_ => 1 } $source =~ /(?<![\w.])([a-z]\w*) ?\(/g;
    my $names  = join ', ', map {"'$_'"} sort keys %names;

    my @signatures = split /\n/, $pg->psql($db, <<"EOT");
SELECT DISTINCT format('%I(%s)|%s', p.proname,
                       pg_get_function_identity_arguments(p.oid),
                       p.prorettype::regtype)
  FROM pg_proc p
 WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind = 'f'
   AND p.proname IN ($names) AND p.provariadic = 0
   AND 0 <> ALL (p.proargtypes::oid[])
   AND NOT 'internal'::regtype = ANY (p.proargtypes::oid[])
EOT

    push @signatures,
        'concat(uuid, uuid, uuid)|text', 'format(text, bigint)|text',
        'format(text, bigint, bigint)|text', 'format(text, text)|text',
        'format(text, text, text)|text', 'format(text, uuid, name, text)|text',
        'numrange(bigint, bigint, text)|numrange',
        'current_setting(unknown)|text',
        'set_config(text, text, boolean)|text',
        'pg_has_role(name, regrole, text)|boolean',
        'pg_has_role(name, name, text)|boolean',
        'left(text, integer)|text', 'encode(bytea, text)|text',
        'length(bytea)|integer', 'set_bit(bytea, integer, integer)|bytea',
        'to_hex(bigint)|text', 'lpad(text, integer, text)|text',
        'sha256(bytea)|bytea', 'substr(bytea, integer, integer)|bytea',
        'cardinality(bigint[])|integer',
        'array_position(bigint[], bigint)|integer',
        'array_remove(bigint[], bigint)|bigint[]',
        'unnest(bigint[], bigint[])|SETOF bigint';

    my @plants;
    my %seen;

    for (grep { !/unknown|SETOF|"?any|cstring|trigger|void|record|internal/ }
        @signatures)
    {
        my ($signature, $type) = split /\|/;
        next if $seen{$signature}++;

        $signature =~ s/\bOUT [^,)]*,? ?//g;
        (my $note = $signature) =~ s/'/''/g;
        push @plants, "CREATE FUNCTION $schema.$signature RETURNS $type"
            . " LANGUAGE plpgsql AS \$\$ BEGIN INSERT INTO public.ran VALUES"
            . " ('$note', current_user); RETURN NULL; END \$\$";
    }

    for my $type (qw( bigint text bytea oid xid xid8 uuid boolean numrange
        unique_random.names bigint[] ))
    {
        my $f = 'op_' . join '_', $type =~ /\w+/g, $type =~ /\[/ ? 'array' : ();

        push @plants, "CREATE FUNCTION $schema.$f(a $type, b $type)"
            . ' RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN INSERT INTO'
            . " public.ran VALUES ('operator of $type', current_user);"
            . ' RETURN NULL; END $$';
        push @plants, map {
            "CREATE OPERATOR $schema.$_ (FUNCTION = $schema.$f,"
                . " LEFTARG = $type, RIGHTARG = $type)"
        } qw( = <> < > <= >= && || + - & );
    }

    return @plants;
}

sub plant {
    my ($session, @plants) = @_;

    # What PostgreSQL has no such type for here is not planted.
    my @failed = grep { $session->try($_) =~ /ERROR/ } @plants;

    return (@plants - @failed, @failed);
}

sub exercise {
    my ($db, $session) = @_;

    for my $call (
        "add('numbers', 1, 1000)",
        "add('numbers', 1001, 2000, key => sha256('x'), reserved => 5,"
            . ' after => 7)',
        "accept('numbers', 1, at_least => 5, advance => 1, after => 7)",
        "set_failover('numbers', 1, 'trust')",
        "set_failover('numbers', 1, 'advance', 7)", 'check()',
        "set_role('numbers', 'unique_random')",
        "bootstrap('other', '{3001}', '{4000}')",
        "recount('numbers', 1)", "grant_to('unique_random')",
        'revoke_tables()', "close('other', 3001)",
        )
    {
        $session->run("SELECT unique_random.$call");
    }

    # A table of the operator's own, whose name it looks for itself.
    $session->run('CREATE SCHEMA former; CREATE TABLE former.used (number int);'
        . ' INSERT INTO former.used VALUES (1), (2)');

    for my $step ('CALL unique_random.adopt_prepare',
        'INSERT INTO former.used VALUES (3); SELECT unique_random.adopt')
    {
        $session->run(
            "$step('adopted', 1, 1000, 'former.used', 'number')");
    }
    $session->run("SELECT unique_random.domain('adopted', 1, 1000, 0);"
        . " SELECT unique_random.close('adopted', 1);"
        . " CALL unique_random.adopt_prepare('adopted', 2001, 2010,"
        . " 'former.used', 'number');"
        . " SELECT unique_random.adopt_cancel('adopted', 2001)");

    # With a row that moves to another page, and one that is judged.
    for my $caller (map {
        UniqueRandom::Caller->new(session => $_, pool => 'numbers')
        } $session, UniqueRandom::Session->new(pg => $pg, db => $db,
            user => 'mallory'))
    {
        $caller->ask([ 1, 1000, 10, 1 ]) for 1 .. 60;
        $caller->ask_all([ [ 1, 1000, 10 ], [ 1001, 2000, 10 ] ], places => 3);
        $caller->ask([ 5, 6, 1 ]);
        $caller->give_back([ 1, 1000 ],
            ([ $caller->memory(1)->{reserved} - 5 ],
                [ $caller->memory(1)->{reserved} - 2 ]));
        $caller->ask([ 1001, 2000, 1000 ]) for 1, 2;
        $caller->memory(1, serial => 1000);
        is $caller->ask([ 1, 1000, 0 ])->{refusal}, 'fenced', 'it is fenced';
        $session->run("SELECT unique_random.accept('numbers', 1, advance => 0)");
    }
    return;
}

for my $when (qw( before after )) {
    subtest "planted in public $when the schema is there" => sub {
        database($when);

        # Types of the schema are to be had afterwards only.
        my $mallory = UniqueRandom::Session->new(pg => $pg, db => $when,
            user => 'mallory');
        $pg->apply_schema($when) if $when eq 'after';
        my ($planted, @failed) = plant($mallory, plants($when, 'public'));
        cmp_ok $planted, '>', 150, "$planted are planted";
        note "not: $_" for @failed;

        $pg->apply_schema($when);
        exercise($when,
            UniqueRandom::Session->new(pg => $pg, db => $when));
        is $pg->psql($when, 'SELECT DISTINCT what, who FROM public.ran'), '',
            'none of them ran';
    };
}

# Functions are not looked for in pg_temp, but tables and types are.
subtest 'temporary ones' => sub {
    database('temporary');
    $pg->apply_schema('temporary');
    $pg->psql('temporary', "SELECT unique_random.add('numbers', 1, 1000)");

    my $session = UniqueRandom::Session->new(pg => $pg, db => 'temporary',
        user => 'mallory');
    my ($planted) = plant($session, plants('temporary', 'pg_temp'));
    cmp_ok $planted, '>', 150, "$planted are planted";

    for my $table (qw( pg_database pg_class pg_namespace pg_proc ranges holders
        returned ))
    {
        $session->run("CREATE TEMPORARY TABLE $table (datname name, oid oid,"
            . ' relpersistence "char", pool text, first bigint)');
    }
    $session->run("CREATE DOMAIN pg_temp.$_ AS pg_catalog.text")
        for qw( bigint xid xid8 uuid regclass oid regrole );

    my $caller = UniqueRandom::Caller->new(session => $session,
        pool => 'numbers');
    $session->run('SET search_path = pg_temp, public, pg_catalog');
    (my $statement = $caller->statement([ [ 1, 1000, 10 ] ]))
        =~ s/json_agg|current_setting/pg_catalog.$&/g;
    my ($row) = $caller->read($session->run($statement));
    is_deeply $row->{starts}, [0], 'a reservation does not see them';
    is $pg->psql('temporary', 'SELECT DISTINCT what, who FROM public.ran'), '',
        '... and none of them ran';
};

# A procedure that commits cannot have it.
is $pg->psql('after', <<'EOT'), '', 'every function has its search_path';
SELECT p.oid::regprocedure FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
 WHERE p.pronamespace = 'unique_random'::regnamespace
   AND l.lanname <> 'internal' AND p.prokind = 'f'
   AND 'search_path=pg_catalog, pg_temp' <> ALL (coalesce(p.proconfig, '{}'))
EOT

done_testing;
