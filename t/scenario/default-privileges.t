# Some databases take EXECUTE on functions from PUBLIC by default privileges,
# which decide about the constructors of our own type, too: an update calls them
# that moves a row to another page.

use strict;
use warnings;

use Test::More;

use UniqueRandom::Caller   ();
use UniqueRandom::Postgres ();
use UniqueRandom::Session  ();
use UniqueRandom::Util     qw( read_file );

my $pg = UniqueRandom::Postgres->new;

$pg->psql('postgres', "CREATE ROLE $_ LOGIN")
    for qw( landlord mogul tenant );
$pg->psql('postgres', 'ALTER ROLE mogul SUPERUSER; CREATE ROLE unique_random;'
    . ' GRANT unique_random TO tenant');

# By superusers for whatever they make, and by the owner for what it makes.
sub database {
    my ($owner) = @_;

    $pg->create_database("of_$owner", owner => $owner);
    $pg->psql("of_$owner", "ALTER DEFAULT PRIVILEGES FOR ROLE $_"
        . ' REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC') for 'postgres', $owner;

    return $pg->try_psql("of_$owner", read_file('sql/schema.sql'), user => $owner);
}

# Many reservations while dead rows stay: the page gets full.
sub moves {
    my ($db) = @_;

    my $old = UniqueRandom::Session->new(pg => $pg, db => $db);
    $old->run('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');

    my $caller = UniqueRandom::Caller->new(pool => 'numbers',
        session => UniqueRandom::Session->new(pg => $pg, db => $db,
            user => 'tenant'));
    $caller->ask([ 1, 10_000, 10 ]) for 1 .. 100;
    is $caller->ask([ 1, 10_000, 10 ])->{refusal}, undef,
        "$db: reservations go on";

    # What is given back, by an update of its own.
    is $caller->give_back([ 1, 10_000 ], [ 1000 + 2 * $_ ], [ 1001 + 2 * $_ ]),
        '', '... and what is given back is taken' for 0 .. 3;

    is $pg->psql($db, <<'EOT'), 't', '... where rows have moved';
SELECT pg_relation_size('unique_random.ranges') > 8192
EOT
    return;
}

for my $owner (qw( postgres mogul )) {
    my (undef, undef, $err) = database($owner);

    is $err, '', "a superuser, $owner, is not kept from anything";
    $pg->psql("of_$owner", "SELECT unique_random.add('numbers', 1, 10000)",
        user => $owner);
    moves("of_$owner");
}

{
    my ($code, undef, $err) = database('landlord');
    my ($grant) = $err =~ /as a superuser, run (.*;) and then run schema\.sql again$/m;

    isnt $code, 0, 'an owner that is none cannot have the type';
    like $err, qr/role "landlord" may not call the functions of a type/,
        '... and is told why';

    $pg->psql('of_landlord', $grant);
    (undef, undef, $err) = $pg->try_psql('of_landlord',
        read_file('sql/schema.sql'), user => 'landlord');
    is $err, '', '... and what to run';
    $pg->psql('of_landlord', "SELECT unique_random.add('numbers', 1, 10000)",
        user => 'landlord');
    moves('of_landlord');

    # As if the type had been made in another way.
    my $revoke = 'REVOKE EXECUTE ON FUNCTION'
        . ' unique_random.names(text, text, text) FROM landlord';
    my $names = 'GRANT EXECUTE ON FUNCTION'
        . ' unique_random.names(text, text, text) TO landlord;';
    $pg->psql('of_landlord', $revoke);

    (undef, undef, $err) = $pg->try_psql('of_landlord',
        read_file('sql/schema.sql'), user => 'landlord');
    like $err, qr/WARNING: .*role "landlord", which owns the tables, may not call unique_random\.names\(\): as a superuser, run \Q$names\E/,
        'without its constructor a warning says what to run';

    for my $user (qw( landlord postgres )) {
        (undef, undef, $err) = $pg->try_psql('of_landlord',
            "SELECT unique_random.add('more', 1, 10000)", user => $user);
        like $err, qr/ERROR: .*as a superuser, run \Q$names\E/,
            "... and $user can make no range that would fail later";
    }

    $pg->psql('of_landlord', $names);
    (undef, undef, $err) = $pg->try_psql('of_landlord',
        read_file('sql/schema.sql'), user => 'landlord');
    is $err, '', '... until nothing is missing any more';
}

done_testing;
