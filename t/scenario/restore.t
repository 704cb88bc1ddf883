# A database that is put back to an earlier moment, in any of the ways that
# people have for it, has forgotten positions that were issued since.  It is
# noticed, its range is fenced and explained, the other range goes on; and when
# an operator has said how far the lost database had got, the range goes on,
# too, and nobody is given a number twice.

use strict;
use warnings;

use Test::More;

use UniqueRandom::Faults   ();
use UniqueRandom::Nginx    ();
use UniqueRandom::Postgres ();
use UniqueRandom::Util     qw( tmp_dir wait_until );

use constant SIZE => 3000;

my $other = UniqueRandom::Postgres->new(name => 'other');

# What becomes of nginx while its database goes back: it keeps running; it is
# restarted, and has a state; or it is another one, which remembers nothing.
my %cases = (
    running   => { },
    restarted => { restart => 1, state => 1 },
    forgotten => { restart => 1, stranger => 1 },
);

# Arguments: name; pg; cases, of those above; remember, which keeps the moment
# to come back to; go_back; alert, what it says; accept, the SQL to go on with,
# by default accept() with what the alert proposes; more, for the pools, which
# the code is called with.
sub go_back {
    my ($fault, %arg) = @_;

    my @cases = map { { how => $_, %{ $cases{$_} } } } @{ $arg{cases} };
    my @pools;

    for my $case (@cases) {
        my $name = "$arg{name}_$case->{how}";
        my $pool = $case->{pool} = UniqueRandom::Faults->new(
            name     => $name,
            size     => SIZE,
            clusters => [ $arg{pg}, $other ],
            database => $arg{database} // 'numbers',
        );

        $case->{nginx} = $pool->nginx(more => ($arg{more} // '')
                . ($case->{state} ? "state @{[ tmp_dir() ]}/$name;" : ''));
        $pool->wait_for(0, $case->{nginx});
        push @pools, $pool;
    }

    $arg{remember}->(@pools) if $arg{remember};

    for my $case (@cases) {
        my ($pool, $nginx) = @$case{qw( pool nginx )};
        my $before = $pool->row(0, 'reserved');

        wait_until(
            sub {
                $pool->take($nginx, 50);
                return $pool->row(0, 'reserved') > $before + 100;
            },
            30, 'positions that will be forgotten',
        );

        $nginx->stop if $case->{restart};
        $case->{known} = $pool->row(0, 'reserved');
        $case->{key}   = $pool->row(0, "encode(key, 'hex')");
        $pool->start($nginx) if !$case->{restart};
    }

    $arg{go_back}->(@pools);

    for my $case (@cases) {
        my ($pool, $nginx) = @$case{qw( pool nginx )};
        my $what = "$fault, nginx $case->{how}";

        if ($case->{restart}) {
            $nginx->start;
            $pool->start($nginx);
        }

        $nginx->wait_for_log(qr/\[alert\]/, 30);
        my $during = $pool->finish;

        my ($alert) = $nginx->errors(qr/alert/);
        my $last = SIZE;
        like $alert, qr/range 1-$last .* is fenced: $arg{alert};/,
            "$what: an alert says why";
        is $during->status(200), $during->attempts, '... no request failed';
        is $pool->of(0, $pool->take($nginx, 100)), 0,
            '... and no number comes of it, of a lease neither';

        # One that remembers nothing has no proposal.
        my ($at_least) = $alert =~ /at_least => (\d+)/;
        cmp_ok $at_least, '>=', $case->{known},
            '... the alert proposes as much as was reserved'
            if !$case->{stranger};
        $at_least = $case->{known} if $case->{stranger};

        $pool->sql(0, $arg{accept} ? $arg{accept}->($case, $at_least)
            : "SELECT unique_random.accept('$arg{name}_$case->{how}', 1,"
                . " at_least => $at_least)");
        $pool->wait_for(0, $nginx);

        $pool->end($what, $nginx);
        is scalar($nginx->errors), 1, '... and nothing else is wrong';
        $nginx->stop;
    }

    return;
}

# The range as it was, for a database that has nothing of it.
sub add_again {
    my ($case, $at_least) = @_;

    return $case->{pool}->add_sql(0, "key => decode('$case->{key}', 'hex')",
        "reserved => $at_least");
}

# I8: a copy of the files has the fingerprint of the original, so only those
# who remember what was granted since can tell: a running nginx, or one that
# has it from its state.  One that remembers nothing cannot, and is not tried.
{
    my $pg = UniqueRandom::Postgres->new;
    my $copy;

    go_back(
        'a copy of the files is restored',
        name     => 'files',
        pg       => $pg,
        cases    => [qw( running restarted )],
        remember => sub { $copy = $pg->stop->save_data; $pg->start },
        go_back  => sub { $pg->stop->restore_data($copy)->start },
        alert    => qr/reserved is \d+, but \d+ were seen to be reserved/,
    );
}

# I7: recovery to an earlier moment ends in a new timeline, which the row does
# not have: one that remembers nothing can tell.
{
    my $pg = UniqueRandom::Postgres->new(archive => 1);
    my $backup;

    go_back(
        'a point-in-time recovery',
        name     => 'pitr',
        pg       => $pg,
        cases    => [qw( running restarted forgotten )],
        remember => sub {
            $backup = $pg->base_backup;
            $pg->psql('postgres', "SELECT pg_create_restore_point('then')");
        },
        go_back => sub {
            $pg->psql('postgres', 'SELECT pg_switch_wal()');
            $pg->stop->recover($backup, recovery_target_name => 'then');
        },
        alert => qr/timeline is 2 instead of 1/,
    );
}

# I7: a dump is restored into another cluster, whose identifier is not that of
# the row.
{
    my $pg = UniqueRandom::Postgres->new;
    my $dump;

    go_back(
        'a dump is restored',
        name     => 'dump',
        pg       => $pg,
        cases    => [qw( running restarted forgotten )],
        remember => sub { $dump = $pg->dump('numbers') },
        go_back  => sub {
            $pg->stop;

            # Not before it is complete does it get the name.
            my $new = UniqueRandom::Postgres->new(port => $pg->port);
            $new->create_database('new');
            $new->psql('new', "CREATE ROLE unique_random; $dump");
            $new->psql('postgres', 'ALTER DATABASE new RENAME TO numbers');
            $_->moved(0, $new) for @_;
        },
        alert => qr/system identifier is \d+ instead of \d+/,
    );
}

# I7: pg_upgrade moves all there is into a new cluster.  Nothing was forgotten,
# but that is for an operator to say.
{
    my $pg = UniqueRandom::Postgres->new;

    go_back(
        'pg_upgrade',
        name    => 'upgrade',
        pg      => $pg,
        cases   => [qw( running forgotten )],
        go_back => sub {
            $pg->stop;
            my $new = UniqueRandom::Postgres->new(
                port  => $pg->port,
                start => 0,
            )->upgrade_from($pg)->start;
            $_->moved(0, $new) for @_;
        },
        alert  => qr/system identifier is \d+ instead of \d+/,
        accept => sub {
            my $name = $_[0]{pool}->name;
            return "SELECT unique_random.accept('$name', 1, advance => 0)";
        },
    );
}

# I7: a copy within the cluster has its identifier and its timeline, and is
# known by the database's OID.
{
    my $pg = UniqueRandom::Postgres->new;

    # As long as somebody is connected a database is not copied, nor renamed.
    my $alone = sub {
        $pg->psql('postgres', $_) for
            'ALTER DATABASE numbers ALLOW_CONNECTIONS false',
            'SELECT pg_terminate_backend(pid) FROM pg_stat_activity'
                . " WHERE datname = 'numbers'",
            @_, 'ALTER DATABASE numbers ALLOW_CONNECTIONS true';
    };

    go_back(
        'a copy of the database is put in its place',
        name     => 'template',
        pg       => $pg,
        cases    => [qw( running forgotten )],
        remember => sub { $alone->('CREATE DATABASE copy TEMPLATE numbers') },
        go_back  => sub {
            $alone->(
                'ALTER DATABASE numbers RENAME TO past',
                'ALTER DATABASE copy RENAME TO numbers',
            );
        },
        alert => qr/database OID is \d+ instead of \d+/,
    );
}

# I7, I8: somebody changes the table by hand.
{
    my $pg     = UniqueRandom::Postgres->new;
    my $ranges = 'unique_random.ranges';
    my $n      = 0;

    for my $change (
        [
            'UPDATE lowers the counter', [qw( running forgotten )],
            "UPDATE $ranges SET reserved = reserved - 90",
            qr/the row was not written by a reservation/,
        ],
        [
            'the table is rewritten', [qw( running forgotten )],
            "ALTER TABLE $ranges ADD note float DEFAULT random()",
            qr/the row was not written by a reservation/,
        ],
        [
            'SET UNLOGGED', [qw( running forgotten )],
            "ALTER TABLE $ranges SET UNLOGGED",
            qr/the table is unlogged or temporary/,
            sub {
                my ($case, $at_least) = @_;
                my $name = $case->{pool}->name;
                return "ALTER TABLE $ranges SET LOGGED; SELECT"
                    . " unique_random.accept('$name', 1, at_least => $at_least)";
            },
        ],

        # To one that remembers nothing these are ranges yet to be made.
        [
            'TRUNCATE', [qw( running restarted )],
            "TRUNCATE $ranges", qr/the range is not what it was/, \&add_again,
        ],
        [
            'DROP TABLE', [qw( running restarted )],
            "DROP TABLE $ranges CASCADE",
            qr/the range is not what it was/,
            sub {
                my ($case) = @_;
                $pg->apply_schema('drop_table');
                return add_again(@_);
            },
        ],
        )
    {
        my ($fault, $cases, $sql, $alert, $accept) = @$change;
        (my $db = lc $fault) =~ s/ /_/g;

        go_back(
            $fault,
            name     => 'hand' . ++$n,
            pg       => $pg,
            database => $db,
            cases    => $cases,
            go_back  => sub { $pg->psql($db, $sql) },
            alert    => $alert,
            accept   => $accept,
        );
    }

    # What everybody's database does is no change.
    my $pool = UniqueRandom::Faults->new(
        name     => 'vacuum',
        size     => SIZE,
        clusters => [ $pg, $other ],
    );
    my $nginx = $pool->nginx;

    for my $sql ('VACUUM FREEZE', 'VACUUM FULL', 'CLUSTER unique_random.ranges'
        . ' USING ranges_pkey', 'REINDEX DATABASE numbers', 'ANALYZE')
    {
        $pool->wait_for(0, $nginx);
        my $serial = $pool->row(0, 'serial');
        $pool->sql(0, $sql);
        wait_until(
            sub {
                $pool->take($nginx, 16);
                return $pool->row(0, 'serial') > $serial + 1;
            },
            30, "reservations after $sql",
        );
        pass "$sql changes nothing";
    }

    $pool->end('maintenance', $nginx);
    is_deeply [ $nginx->errors ], [], '... and nothing is wrong';
}

# I8: a blank database is in the place of the one that was there: for who
# remembers a range, "bootstrap on" does not make it again.
{
    my $pg = UniqueRandom::Postgres->new;
    my $new;

    go_back(
        'a blank database',
        name    => 'blank',
        pg      => $pg,
        cases   => [qw( running restarted )],
        more    => 'bootstrap on;',
        go_back => sub {
            $pg->stop;
            $new = UniqueRandom::Postgres->new(port => $pg->port)
                ->create_database('numbers');
            $_->moved(0, $new) for @_;
        },
        alert  => qr/the range is not what it was/,
        accept => sub {
            is $new->psql('numbers', 'SELECT count(*) FROM pg_namespace'
                    . " WHERE nspname = 'unique_random'"),
                $_[0]{how} eq 'running' ? 0 : 1, '... and nothing was made';
            $new->apply_schema('numbers');
            return add_again(@_);
        },
    );
}

# I6, I8: another nginx, which remembers nothing, makes the range again in a
# blank database.  What it issues until somebody who remembers comes by, nobody
# can know to have been issued before; but then the range stops for all.
{
    my $pg   = UniqueRandom::Postgres->new;
    my $pool = UniqueRandom::Faults->new(
        name     => 'anew',
        size     => SIZE,
        clusters => [ $pg, $other ],
    );
    my $nginx = $pool->nginx;

    $pool->wait_for(0, $nginx);
    $pool->take($nginx, 200);

    my $case  = { pool => $pool, key => $pool->row(0, "encode(key, 'hex')") };
    my $known = $pool->row(0, 'reserved');

    $pg->psql('numbers', 'DROP SCHEMA unique_random CASCADE');

    my $stranger = UniqueRandom::Nginx->new(
        http => 'unique_random_pool anew { bootstrap on; lease max=20; shard '
            . $pool->url(0) . ' range=1-' . SIZE . ' fail_timeout=200ms; }',
    );
    wait_until(sub { $stranger->get('/random')->{status} == 200 }, 30,
        'a number of the new range');

    $pool->start($nginx);
    $nginx->wait_for_log(qr/\[alert\].*is fenced: the key has changed;/, 30);
    my $during = $pool->finish;
    is $during->status(200), $during->attempts,
        'a range that was made again: no request failed';

    wait_until(sub { $stranger->get('/random')->{status} == 503 }, 30,
        'the new range stops');
    like $stranger->error_log, qr/\[alert\].*is fenced: the key has changed;/,
        '... and stops for who made it, too';

    # With the old key, and without those who know another one.
    $stranger->stop;
    $pool->sql(0, 'DELETE FROM unique_random.ranges;'
            . add_again($case, $known));
    $pool->wait_for(0, $nginx);
    $pool->end('a range that was made again', $nginx);
}

done_testing;
