# A server warns of many things, and of one that matters to us: that a commit
# may not have reached its standby.  What was granted by that is given to
# nobody; whatever else it warns of is logged once, and numbers are given.

use strict;
use warnings;

use Test::More;

use UniqueRandom::Client   ();
use UniqueRandom::Load     ();
use UniqueRandom::Nginx    ();
use UniqueRandom::Postgres ();
use UniqueRandom::Util     qw( tcp_proxy wait_until );

use constant SIZE => 100;

# Before that many transactions PostgreSQL wants a VACUUM, loudly.
use constant NEXT_XID => 2**31 - 10_000_000;

my $says = <<'EOT';
CREATE FUNCTION says() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE WARNING E'% says\nat %', TG_NAME, clock_timestamp()
        USING ERRCODE = TG_ARGV[0];
    RETURN NEW;
END $$;
EOT

my $row_trigger = <<'EOT';
CREATE TRIGGER row_trigger AFTER UPDATE ON unique_random.ranges
    FOR EACH ROW EXECUTE FUNCTION says('01U01');
EOT

my $deferred_trigger = <<'EOT';
CREATE CONSTRAINT TRIGGER deferred_trigger AFTER UPDATE ON unique_random.ranges
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION says('01U02');
EOT

my @explain = (
    q(session_preload_libraries = 'auto_explain'),
    q(auto_explain.log_level = 'warning'),
    q(auto_explain.log_min_duration = 0),
);
my @explain_all = (@explain, q(auto_explain.log_nested_statements = on));

sub database {
    my ($pg, $name, $sql, @settings) = @_;

    $pg->create_database($name)->apply_schema($name);
    $pg->psql($name, "SELECT unique_random.add('numbers', 1, @{[ SIZE ]});"
        . $sql . join '', map {"ALTER DATABASE $name SET $_;"} @settings);
    return $name;
}

# One reservation for each number, if nobody waits for another.
sub nginx {
    my ($url, %arg) = @_;

    return UniqueRandom::Nginx->new(
        UniqueRandom::Client::by_worker(
            server => 'location = /random { unique_random; }',
        ),
        workers => 2,
        http    => "unique_random_pool numbers { lease off; wait_timeout 120s;"
            . " connect_timeout 30s; reserve_timeout 60s;"
            . " shard $url range=1-@{[ SIZE ]}; }",
        %arg,
    );
}

my %kinds = (
    transactions => qr/^database "\w+" must be vacuumed within \d+ transactions \(01000, GetNewTransactionId\), it is logged once, others like it at level "info"$/,
    explained => qr/^duration: .* plan: .* \(01000, explain_ExecutorEnd\), /,
    row       => qr/^row_trigger says at .* \(01U01, exec_stmt_raise\), /,
    deferred  => qr/^deferred_trigger says at .* \(01U02, exec_stmt_raise\), /,
);

# So many numbers by each worker, and what came instead.
sub take {
    my ($nginx, $count) = @_;

    my %status;

    for my $pid ($nginx->worker_pids) {
        my $client = UniqueRandom::Client->of($nginx, $pid);

        for (1 .. $count) {
            my $reply = $client->get('/random');
            $status{ $reply ? $reply->{status} : 'none' }++;
            push @{ $nginx->{given} }, $1
                if $reply && $reply->{content} =~ /^\{"number":(\d+)\}$/;
        }

        $client->close;
    }

    return \%status;
}

# All that are left.
sub drain {
    my ($nginx) = @_;

    my $result = UniqueRandom::Load->new(
        port        => $nginx->port,
        connections => 4,
        processes   => 1,
        until       => 409,
    )->run;

    push @{ $nginx->{given} }, $result->numbers;
    return;
}

sub repeated {
    my ($nginx) = @_;

    my %seen;
    return grep { $seen{$_}++ } @{ $nginx->{given} };
}

sub warned {
    my ($nginx, $level) = @_;

    return map {/shard ".*?" warns: (.*)/} $nginx->errors($level // 'warn');
}

sub logged_once {
    my ($nginx, @kinds) = @_;

    my @warned = warned($nginx);
    my @found  = map {
        my $warned = $_;
        (grep { $warned =~ $kinds{$_} } keys %kinds)[0] // $warned
    } @warned;

    return is_deeply [ sort @found ], [ sort @kinds ],
        '... each warning is logged once: ' . (join(', ', @kinds) || 'none');
}

# Each kind is told once, whatever worker, configuration and connection hears
# of it, and nothing is the worse for it.
sub granted {
    my ($nginx, $what, @kinds) = @_;

    is_deeply take($nginx, 5), { 200 => 10 }, "$what: both workers give numbers";
    $nginx->reload;
    is_deeply take($nginx, 5), { 200 => 10 }, '... and those after a reload';

    logged_once($nginx, @kinds);

    cmp_ok scalar(warned($nginx, 'info')), '>=', 15,
        '... and from then on at another level';

    drain($nginx);
    is @{ $nginx->{given} }, SIZE, '... no number is burned';
    is repeated($nginx), 0, '... or comes twice';
    is_deeply [ $nginx->errors('error|crit|alert|emerg') ], [],
        '... nothing is wrong in the error log';
    return;
}

my $pg = UniqueRandom::Postgres->new(name => 'primary');

subtest 'triggers' => sub {
    my $db = database($pg, 'row_trigger', $says . $row_trigger);
    granted(nginx($pg->url(db => $db)), 'a trigger', 'row');

    $db = database($pg, 'deferred_trigger', $says . $deferred_trigger);
    granted(nginx($pg->url(db => $db)), 'a deferred trigger', 'deferred');
};

subtest 'auto_explain' => sub {
    my $db = database($pg, 'explained', '', @explain);
    granted(nginx($pg->url(db => $db)), 'the statement', 'explained');

    $db = database($pg, 'explained_all', '', @explain_all);
    granted(nginx($pg->url(db => $db)), 'all statements', 'explained');
};

subtest 'transactions that run out' => sub {
    # The launcher sleeps for an hour; "off" would make it start at once.
    my $old = UniqueRandom::Postgres->new(name => 'old');

    my $db  = database($old, 'numbers', '');
    my $all = database($old, 'everything',
        $says . $row_trigger . $deferred_trigger, @explain_all);

    $old->stop->set_next_xid(NEXT_XID)->start;

    granted(nginx($old->url(db => $db)), 'PostgreSQL itself', 'transactions');
    granted(nginx($old->url(db => $all)), 'all at once',
        'transactions', 'deferred', 'explained', 'row');
};

subtest 'a clean stop' => sub {
    my $db    = database($pg, 'stopped', $says . $row_trigger);
    my $nginx = UniqueRandom::Nginx->new(
        http => 'unique_random_pool numbers { lease min=5 max=5;'
            . ' connect_timeout 30s; reserve_timeout 30s; wait_timeout 25s; shard '
            . $pg->url(db => $db) . " range=1-@{[ SIZE ]}; }",
    );

    my $given = 0;

    $nginx->stop_in_time(sub {
        is $nginx->get('/random')->{status}, 200, 'a number is given';
        $given++;
    });

    my $late = $nginx->too_late;

    my $log = $nginx->error_log;
    like $log, qr/\[info\] .* sent a notice: WARNING: row_trigger says/,
        'what is said when leases are given back is logged';
    is_deeply [ grep { !m{^\d{4}/\d\d/\d\d } } split /^/, $log ], [],
        '... in lines of nginx';
    my $kept = $pg->psql($db, 'SELECT reserved -'
        . ' (SELECT coalesce(sum(stop - start), 0)'
        . ' FROM unique_random.returned) FROM unique_random.ranges');
    ok $kept >= $given && $kept <= $given + $late, '... and they are given back'
        or diag "$kept of $given, $late too late";
};

# A warning with another severity, in the fields that are named so: S is for
# people, V for programs.  An unknown field, which is to be ignored, makes up for
# the length.
sub severity {
    my (%field) = @_;

    return sub {
        my ($text) = @_;

        my $new = join '', map {"$_$field{$_}\0"} sort keys %field;

        $text =~ s{SWARNING\0VWARNING\0}
            { $new . 'x' x (length($&) - length($new) - 1) . "\0" }ge;
        return $text;
    };
}

# A range is granted from over what is changed in between.
sub changed {
    my ($db, $edit) = @_;

    my $proxy = tcp_proxy($pg->port, edit => $edit);

    my $nginx = nginx($pg->url(db => $db, port => $proxy->port), workers => 1);

    $nginx->{proxy} = $proxy;
    return $nginx;
}

# By a warning of something else, which is believed to be of the commit.
for my $case (
    [ nowhere => 'does not say where it comes from', sub {
        my ($text) = @_;

        # The field of another type, which is to be ignored.
        $text =~ s/\0R(?=exec_stmt_raise\0)/\0x/g;
        return $text;
    } ],
    [ unknown => 'does not say in English that it is one',
        severity(S => 'WARNUNG') ],
    )
{
    my ($db, $what, $edit) = @$case;

    subtest "a warning that $what" => sub {
        database($pg, $db, $says . $row_trigger);

        my $nginx = changed($db, $edit);
        my $load  = UniqueRandom::Load->new(
            port        => $nginx->port,
            connections => 1,
            processes   => 1,
            count       => 1,
        )->start;

        $nginx->wait_for_log(qr/could not reserve from shard .*: its commit may not be on its standby: row_trigger says at .*, what was asked for is burned/);
        is_deeply [ warned($nginx) ], [], 'it is no other warning';

        $pg->psql($db, 'DROP TRIGGER row_trigger ON unique_random.ranges');
        is $load->finish->status(200), 1, 'later on a number is given';
        cmp_ok $pg->psql($db, 'SELECT reserved FROM unique_random.ranges'),
            '>=', 2, '... and one is burned';
    };
}

subtest 'a notice' => sub {
    for my $case (
        [ notice     => S => 'NOTA', V => 'NOTICE' ],
        [ debug      => S => 'DEBUG', V => 'DEBUG' ],
        [ old_notice => S => 'NOTICE' ],
        [ old_info   => S => 'INFO' ],
        [ old_log    => S => 'LOG' ],
        )
    {
        my ($db, %field) = @$case;
        my $severity = $field{V} // $field{S};

        database($pg, $db, $says . $row_trigger);
        my $nginx = changed($db, severity(%field));

        is_deeply take($nginx, 3), { 200 => 3 },
            "$db: numbers are given";
        is scalar(() = $nginx->error_log
                =~ /\[info\].* sent a notice: $severity: row_trigger says/g),
            3, '... and it is logged';
        is $pg->psql($db, 'SELECT reserved FROM unique_random.ranges'), 3,
            '... nothing is burned';
    }
};

# A standby that stands still, and somebody who does not wait for it.
sub cancelled {
    my ($standby, $what, $db, $edit, @kinds) = @_;

    my $nginx = $edit ? changed($db, $edit)
                      : nginx($pg->url(db => $db), workers => 1);
    my $reserved
        = sub { $pg->psql($db, 'SELECT reserved FROM unique_random.ranges') };

    is_deeply take($nginx, 4), { 200 => 4 }, "$what: numbers are given";

    my $before = $reserved->();
    $standby->pause;

    my $load = UniqueRandom::Load->new(
        port        => $nginx->port,
        connections => 4,
        processes   => 1,
        count       => 4,
        timeout     => 120,
    )->start;

    my $waits = "datname = '$db' AND wait_event = 'SyncRep'";

    for (
        [ pg_cancel_backend => 'canceling wait for synchronous replication due to user request' ],
        [ pg_terminate_backend => 'canceling the wait for synchronous replication and terminating connection due to administrator command' ],
        )
    {
        my ($function, $reason) = @$_;

        wait_until(sub {
            $pg->psql('postgres', "SELECT $function(pid)"
                . " FROM pg_stat_activity WHERE $waits");
        }, 30, 'a reservation waits for the standby');

        $nginx->wait_for_log(qr/could not reserve from shard "\S+?"\S*: its commit may not be on its standby: \Q$reason\E, what was asked for is burned/, 30);
        pass "... $function(): it is burned, and the log says why";
    }

    # The next one is not to be seen before the standby has it.
    wait_until(sub {
        $pg->psql('postgres',
            "SELECT count(*) FROM pg_stat_activity WHERE $waits");
    }, 30, 'another reservation waits for the standby');

    my $burned = $reserved->() - $before;
    cmp_ok $burned, '>=', 2, '... what may not be replicated is reserved';

    $standby->resume;
    my $result = $load->finish;
    push @{ $nginx->{given} }, $result->numbers;
    is $result->status(200), 4, '... those who waited got other numbers';

    drain($nginx);
    is @{ $nginx->{given} }, SIZE - $burned, '... that alone is burned';
    is repeated($nginx), 0, '... and no number comes twice';

    logged_once($nginx, @kinds);
    is_deeply [ $nginx->errors ], [], '... nothing is wrong in the error log';
    return;
}

subtest 'a standby that was not waited for' => sub {
    my $quiet = database($pg, 'quiet', '');
    my $loud  = database($pg, 'loud',
        $says . $row_trigger . $deferred_trigger, @explain_all);
    my $standby = $pg->standby;

    $pg->set_conf(synchronous_standby_names => $standby->name);
    wait_until(sub {
        $pg->psql('postgres', 'SELECT count(*) FROM pg_stat_replication'
            . " WHERE sync_state = 'sync'");
    }, 30, 'the standby is a synchronous one');

    cancelled($standby, 'a quiet database', $quiet);
    cancelled($standby, 'one that warns of more', $loud, undef,
        'deferred', 'explained', 'row');

    # By where it comes from, whatever something in between has made of it.
    for my $case (
        [ no_severity => severity(S => 'WARNING') ],
        [ translated  => severity(S => 'WARNUNG') ],
        [ no_warning  => severity(S => 'NOTICE', V => 'NOTICE') ],
        )
    {
        my ($db, $edit) = @$case;

        cancelled($standby, $db, database($pg, $db, ''), $edit);
    }

    $pg->set_conf(synchronous_standby_names => undef);
};

done_testing;
