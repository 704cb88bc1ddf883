# A database that is put back to an earlier moment, in any of the ways that
# people have for it, has forgotten positions that were issued since.  It is
# noticed, its range is fenced and explained, the other range goes on; and when
# an operator has said how far the lost database had got, the range goes on,
# too, and nobody is given a number twice.

use strict;
use warnings;

use Test::More;

use UniqueRandom::Faults   ();
use UniqueRandom::Load     ();
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
        );

        # No more than what the other range has while a database goes back; and
        # nothing is granted that nginx does not hear of.
        $case->{nginx} = $pool->nginx(
            rate    => 30,
            timeout => '20s',
            more    => 'wait_timeout 10s;' . ($arg{more} // '')
                . ($case->{state} ? "state @{[ tmp_dir() ]}/$name;" : ''),
        );
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

        $case->{what} = "$fault, nginx $case->{how}";

        if ($case->{restart}) {
            $nginx->start;
            $pool->start($nginx);
        }

        $nginx->wait_for_log(qr/\[alert\]/, 30);
        my $during = $pool->finish;

        my ($last, $alert) = (SIZE, $nginx->errors(qr/alert/));
        like $alert, qr/range 1-$last .* is fenced: $arg{alert};/,
            "$case->{what}: an alert says why";
        is $during->status(200), $during->attempts, '... no request failed';
        is $pool->of(0, $pool->take($nginx, 100)), 0,
            '... and no number comes of it, of a lease neither';

        # One that remembers nothing has nothing to propose.
        next if $case->{stranger};

        my ($at_least) = $alert =~ /(\d+) of its positions are known/;
        cmp_ok $at_least, '>=', $case->{known},
            '... the alert proposes as much as was reserved';
        $case->{known} = $at_least;
    }

    for my $case (@cases) {
        my $name = $case->{pool}->name;

        $case->{pool}->sql(0, $arg{accept} ? $arg{accept}->($case)
            : "SELECT unique_random.accept('$name', 1,"
                . " at_least => $case->{known})");
    }

    for my $case (@cases) {
        my ($pool, $nginx) = @$case{qw( pool nginx )};

        $pool->wait_for(0, $nginx);
        $pool->end($case->{what}, $nginx);
        is scalar($nginx->errors), 1, '... and nothing else is wrong';
        $nginx->stop;
    }

    return;
}

# The range as it was, for a database that has nothing of it.
sub add_again {
    my ($case) = @_;

    return $case->{pool}->add_sql(0, "key => decode('$case->{key}', 'hex')",
        "reserved => $case->{known}");
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
        cases    => [qw( running forgotten )],
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
        cases   => [qw( running )],
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

my $pg = UniqueRandom::Postgres->new;

# I7: a copy within the cluster has its identifier and its timeline, and is
# known by the database's OID.
{
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
        cases    => [qw( forgotten )],
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

# I7: somebody else than a reservation has written the row, or the table may
# not survive a crash.  Nobody needs to remember anything to see it.
{
    my $ranges = 'unique_random.ranges';

    go_back(
        'UPDATE lowers the counter',
        name     => 'update',
        pg       => $pg,
        cases    => [qw( forgotten )],
        go_back  => sub {
            $pg->psql('numbers', "UPDATE $ranges SET reserved = reserved - 90");
        },
        alert => qr/the row was not written by a reservation/,
    );

    go_back(
        'the table is rewritten',
        name     => 'rewrite',
        pg       => $pg,
        cases    => [qw( forgotten )],
        go_back  => sub {
            $pg->psql('numbers',
                "ALTER TABLE $ranges ADD note float DEFAULT random()");
        },
        alert => qr/the row was not written by a reservation/,
    );

    go_back(
        'SET UNLOGGED',
        name     => 'unlogged',
        pg       => $pg,
        cases    => [qw( forgotten )],
        go_back  => sub {
            $pg->psql('numbers', "ALTER TABLE $ranges SET UNLOGGED");
        },
        alert  => qr/the table is unlogged or temporary/,
        accept => sub {
            return "ALTER TABLE $ranges SET LOGGED;"
                . " SELECT unique_random.accept('unlogged_forgotten', 1,"
                . " at_least => $_[0]{known})";
        },
    );
}

# I8: to one that remembers nothing a row that has gone is a range yet to be
# made.  It is made again by who has kept its key.
{
    go_back(
        'TRUNCATE',
        name     => 'truncate',
        pg       => $pg,
        cases    => [qw( restarted )],
        go_back  => sub {
            $pg->psql('numbers', 'TRUNCATE unique_random.ranges');
        },
        alert  => qr/the range is not what it was/,
        accept => \&add_again,
    );

    go_back(
        'DROP TABLE',
        name     => 'drop',
        pg       => $pg,
        cases    => [qw( running )],
        go_back  => sub {
            $pg->psql('numbers', 'DROP TABLE unique_random.ranges CASCADE');
        },
        alert  => qr/the range is not what it was/,
        accept => sub { $pg->apply_schema('numbers'); add_again(@_) },
    );
}

# I8: a blank cluster is in the place of the one that was there: for who
# remembers a range, "bootstrap on" does not make it again.
{
    my $old = UniqueRandom::Postgres->new;
    my $new;

    go_back(
        'a blank database',
        name    => 'blank',
        pg      => $old,
        cases   => [qw( running restarted )],
        more    => 'bootstrap on;',
        go_back => sub {
            $old->stop;
            $new = UniqueRandom::Postgres->new(port => $old->port)
                ->create_database('numbers');
            $_->moved(0, $new) for @_;
        },
        alert  => qr/the range is not what it was/,
        accept => sub {
            my ($case) = @_;

            if ($case->{how} eq 'running') {
                is $new->psql('numbers', 'SELECT count(*) FROM pg_namespace'
                        . " WHERE nspname = 'unique_random'"),
                    0, 'a blank database: nothing was made';
                $new->apply_schema('numbers');
            }

            return add_again($case);
        },
    );
}

# A range that was fenced is asked again while the other one has stock for all:
# what these clients are given of it until then lasts for many fail_timeouts.
{
    my $pool = UniqueRandom::Faults->new(
        name     => 'looked_at',
        size     => SIZE,
        clusters => [ $pg, $other ],
    );
    my $nginx = $pool->nginx(rate => 50);

    $pool->wait_for(0, $nginx);
    $pool->sql(0, 'UPDATE unique_random.ranges SET serial = serial');
    $pool->start($nginx);
    $nginx->wait_for_log(qr/\[alert\]/, 30);
    $pool->finish;
    $pool->sql(0,
        "SELECT unique_random.accept('looked_at', 1, advance => 0)");

    my ($given, $found) = (0, 0);

    while (!$found && $given < SIZE / 2) {
        my $result = UniqueRandom::Load->new(
            port        => $nginx->port,
            path        => '/slow',
            connections => 8,
            count       => 50,
        )->run;

        $given += $result->status(200);
        $found  = $pool->of(0, $result);
        last if $result->status(200) != 50;
    }

    cmp_ok $found, '>', 0,
        'an accepted range is found though nobody has to wait';
}

# What everybody's database does to a table is no reason to stop.
{
    my $pool = UniqueRandom::Faults->new(
        name     => 'vacuum',
        size     => SIZE,
        clusters => [ $pg, $other ],
    );
    my $nginx = $pool->nginx;

    $pool->wait_for(0, $nginx);
    $pool->sql(0, $_) for 'VACUUM FREEZE', 'VACUUM FULL', 'ANALYZE',
        'CLUSTER unique_random.ranges USING ranges_pkey',
        'REINDEX DATABASE numbers', 'CHECKPOINT';

    $pool->end('maintenance', $nginx);
    is_deeply [ $nginx->errors ], [], '... is no reason to stop';
}

done_testing;
