# A row that is written in a savepoint, in an EXCEPTION block or under psql's
# ON_ERROR_ROLLBACK has the id of a part of the transaction; it is no less
# written by these functions.  A row that somebody else wrote is found out all
# the same.

use strict;
use warnings;

use Test::More;

use UniqueRandom::Caller   ();
use UniqueRandom::Postgres ();
use UniqueRandom::Session  ();

my $pg = UniqueRandom::Postgres->new;
$pg->create_database('numbers')->apply_schema('numbers');

my $session = UniqueRandom::Session->new(pg => $pg, db => 'numbers');
my $careful = UniqueRandom::Session->new(pg => $pg, db => 'numbers',
    set => ['ON_ERROR_ROLLBACK=on']);

# The ways to run a statement in a part of a transaction.
my %ways = (
    savepoint => sub {
        return $session->run("BEGIN; SAVEPOINT a; SAVEPOINT b; $_[0];"
            . ' RELEASE b; COMMIT');
    },
    exception => sub {
        return $session->run("DO \$\$ BEGIN PERFORM $_[1]; EXCEPTION WHEN"
            . ' division_by_zero THEN NULL; END $$');
    },
    on_error_rollback => sub {
        return $careful->run("BEGIN;\n$_[0];\nCOMMIT");
    },
);

sub caller_of {
    my ($pool) = @_;

    return UniqueRandom::Caller->new(session => $session, pool => $pool);
}

sub foreign {
    my ($pool) = @_;

    $session->run("UPDATE unique_random.ranges SET serial = serial"
        . " WHERE pool = '$pool'");
    return;
}

sub in {
    my ($way, $call) = @_;

    return $ways{$way}->("SELECT unique_random.$call", "unique_random.$call");
}

for my $way (sort keys %ways) {
    my $caller = caller_of($way);
    my $range  = [ 1, 1000, 10 ];

    in($way, "add('$way', 1, 1000)");
    is $caller->ask($range)->{refusal}, undef, "$way: add()";

    in($way, "set_failover('$way', 1, 'trust')");
    is $caller->ask($range)->{refusal}, undef, "$way: set_failover()";

    in($way, "set_role('$way', 'unique_random')");
    is $caller->ask($range)->{refusal}, undef, "$way: set_role()";

    foreign($way);
    in($way, "accept('$way', 1, advance => 0)");
    is $caller->ask($range)->{refusal}, undef, "$way: accept()";

    # A reservation, and what is given back.
    my $statement = $caller->statement([$range]);
    (my $call = $statement) =~ s/^SELECT json_agg/json_agg/;
    $ways{$way}->($statement, $call);
    is $caller->ask($range)->{refusal}, undef, "$way: reserve()";

    my $give_back = $caller->give_back_statement($range, [40], [50]);
    my ($back) = $give_back =~ /^SELECT (.*)/;
    my $said = $ways{$way}->($give_back, $back);
    is $said, '', "$way: give_back()";
    is $caller->ask($range)->{refusal}, undef, '... and the row is in order';

    # Nobody is taken in by these who would not be otherwise.
    for my $change ("set_failover('$way', 1, 'fence')",
        "set_role('$way', 'unique_random')")
    {
        foreign($way);
        in($way, $change);
        like $caller->ask($range)->{detail},
            qr/the row was not written by a reservation/,
            "$way: $change blesses nothing";
        in($way, "accept('$way', 1, advance => 0)");
    }

    # As if a standby had been promoted since.
    in($way, "set_failover('$way', 1, 'advance', 50)");
    $session->run('UPDATE unique_random.ranges SET timeline = timeline - 1,'
        . " writer = pg_current_xact_id() WHERE pool = '$way'");
    my $again = $caller->statement([$range]);
    (my $advance = $again) =~ s/^SELECT json_agg/json_agg/;
    my $reserved = $session->run('SELECT reserved FROM unique_random.ranges'
        . " WHERE pool = '$way'");
    $ways{$way}->($again, $advance);
    my $reply = $caller->ask($range);
    is_deeply [ @$reply{qw( refusal starts )} ],
        [ undef, [ $reserved + 50 + 10 ] ],
        "$way: a range goes on after a failover";

    my $sql = in($way, "close('$way', 1)");
    is $caller->ask($range)->{detail}, 'closed: moved away', "$way: close()";
}

# A hand between two calls, in one transaction: what is written next must not
# have the id that the row says it was written with.
{
    my %before = (
        hand_in => [ '%s; SAVEPOINT a; %s; RELEASE a; %s', 'in a savepoint' ],
        hand_after => [ 'SAVEPOINT a; %s; RELEASE a; %s; SAVEPOINT b; %s',
            'after one' ],
    );

    for my $pool (sort keys %before) {
        my ($order, $what) = @{ $before{$pool} };
        my $caller = caller_of($pool);
        my $range  = [ 1, 1000, 10 ];

        $session->run("SELECT unique_random.add('$pool', 1, 1000)");
        $session->run('BEGIN; ' . sprintf($order,
            $caller->statement([$range]),
            'UPDATE unique_random.ranges SET reserved = 5'
                . " WHERE pool = '$pool'",
            "SELECT unique_random.set_failover('$pool', 1, 'trust')")
            . '; COMMIT');
        like $caller->ask($range)->{detail},
            qr/the row was not written by a reservation/,
            "a hand $what is found out";
    }
}

# ... and so must not what is written beside it.
{
    my $caller = caller_of('beside');
    $session->run("SELECT unique_random.add('beside', $_, $_ + 99)")
        for 1, 101;
    $session->run('BEGIN; ' . $caller->statement([ [ 101, 200, 10 ] ])
        . "; SAVEPOINT a; UPDATE unique_random.ranges SET reserved = 5"
        . " WHERE pool = 'beside' AND first = 101;"
        . " SELECT unique_random.set_failover('beside', 1, 'trust'); COMMIT");
    like $caller->ask([ 101, 200, 10 ])->{detail},
        qr/the row was not written by a reservation/,
        'a hand at another range is found out';
    is $caller->ask([ 1, 100, 10 ])->{refusal}, undef, '... and that alone';
}

# Ids have 32 bits in a row and 64 in "writer".
is $session->run(<<'EOT'), 't|t|t', 'an id is widened by its epoch';
SELECT unique_random.full_xid(now.id::text::xid8::xid) = now.id::text::xid8,
       unique_random.full_xid((now.id + 7)::text::xid)
           = (now.id + 7)::text::xid8,
       unique_random.full_xid('3') = (4294967296 + 3)::text::xid8
  FROM (SELECT pg_current_xact_id()::text::bigint AS id) AS now
EOT

done_testing;
