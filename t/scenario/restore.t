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

done_testing;
