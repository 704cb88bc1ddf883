# The table of a service before is adopted: the range goes on with exactly the
# numbers that are not in it, however full it is and whatever it is written
# meanwhile.

use strict;
use warnings;

use lib 't/lib';

use Digest::SHA qw( sha256_hex );
use POSIX       ();
use Test::More;
use Time::HiRes qw( sleep time );

use UniqueRandom::Caller;
use UniqueRandom::Former;
use UniqueRandom::Postgres;
use UniqueRandom::Session;
use UniqueRandom::Util qw( wait_until );

my $pg = UniqueRandom::Postgres->new;
$pg->create_database('numbers')->apply_schema('numbers');

sub sql { return $pg->psql('numbers', @_) }

sub former {
    my ($table, $first, $last) = @_;

    return UniqueRandom::Former->new(pg => $pg, table => $table,
        first => $first, last => $last);
}

# What waits for a lock of a table that is in use does not do so for long, and is
# called again.
sub again {
    my ($sql) = @_;

    my ($code, $out, $err);

    wait_until(sub {
        ($code, $out, $err) = $pg->try_psql('numbers', $sql);
        return !$code || $err !~ /due to lock timeout/;
    }, 60, 'the table can be locked');
    die $err if $code;

    chomp $out;
    return $out;
}

# The row of the range, and its domain, are of these numbers.
sub is_adopted {
    my ($former, $report, @numbers) = @_;

    is_deeply $report, $former->count(@numbers), 'the report is true';
    is $former->domain eq $former->expected(@numbers), 1,
        'the range has what the table has not';
    is sql('SELECT first, last, size, domain, reserved, key IS NOT NULL FROM'
            . " unique_random.ranges WHERE pool = '$former->{table}'"),
        join('|', $former->{first}, $former->{last}, $report->{unused},
            '\x' . unpack('H*', $former->digest), 0, 't'),
        'its row says how many, and which';

    my $left = join ' + ',
        map {"(SELECT count(*) FROM unique_random.$_)"}
        qw( adoptions adoption_changes );
    is sql("SELECT $left"), 0, 'nothing is left of the preparation';
    is sql("SELECT count(*) FROM pg_trigger WHERE tgrelid ="
            . " '$former->{table}'::regclass"), 0, 'nor a trigger';
    return;
}

sub used_up {
    my ($caller, $former) = @_;

    return $caller->ask([ @$former{qw( first last )}, 10 ])->{refusal};
}

# Sizes that are no multiple of 8, of 64, and of a chunk; and one that is.
for (
    [ 'blank',     1,       100_000,   0 ],
    [ 'half',      1,       2_000_003, 50 ],
    [ 'nearly',    500_001, 1_548_576, 99.9 ],
    [ 'whole',     7,       100_003,   100 ],
    [ 'single',    5,       5,         0 ],
    )
{
    my ($table, $first, $last, $percent) = @$_;

    subtest "$percent % of $first-$last used" => sub {
        my $former = former($table, $first, $last);

        $former->create('integer NOT NULL UNIQUE')
            ->fill("(SELECT n FROM generate_series($first, $last) AS n"
                . " WHERE n::bigint * 7919 % 1000 < 10 * $percent)");
        my $start = time;
        $former->prepare if $first == 1;
        my $report = $former->adopt;
        note sprintf '%d rows are read in %.1f s', $report->{rows},
            time - $start;
        is_adopted($former, $report, $former->numbers);

        my $insert = "INSERT INTO $table (number) VALUES";
        my ($code, undef, $err)
            = $pg->try_psql('numbers', "$insert ($first)");
        like $err, qr/violates check constraint "unique_random_${first}_$last"/,
            'the service gives out no number of it any more';
        isnt $code, 0, '... it fails';
        sql("$insert (0), (@{[ $last + 1 ]})");
        pass '... but others';
    };
}

subtest 'a range that is full is used up' => sub {
    my $former = former('whole', 7, 100_003);
    my $caller = UniqueRandom::Caller->new(pg => $pg, db => 'numbers',
        pool => 'whole');

    is used_up($caller, $former), 'exhausted', 'nothing is reserved';
    is $caller->ask([ 7, 100_003, 0 ])->{refusal}, 'exhausted',
        '... as a look says';
};

subtest 'one that is not has as many positions' => sub {
    my $former = former('nearly', 500_001, 1_548_576);
    my $unused = sql("SELECT size FROM unique_random.ranges"
        . " WHERE pool = 'nearly'");
    my $caller = UniqueRandom::Caller->new(pg => $pg, db => 'numbers',
        pool => 'nearly');
    my $known  = $caller->ask([ 500_001, 1_548_576, 2_000_000, 1 ]);
    my $reply  = $caller->ask([ 500_001, 1_548_576, 2_000_000 ]);

    cmp_ok $unused, '>', 0, "$unused are unused";
    is_deeply $known->{starts}, [],
        'who does not know the key yet is granted nothing';
    is_deeply [ $reply->{starts}, $reply->{stops} ], [ [0], [$unused] ],
        'as many are granted';
    is $known->{digest}, sha256_hex(pack('H*', $known->{key}), $former->digest),
        'the digest is of the key and the domain';
    is used_up($caller, $former), 'exhausted', 'there are no more';
    is $caller->give_back([ 500_001, 1_548_576 ], [0], [5]), '',
        'what is given back';
    is_deeply $caller->ask([ 500_001, 1_548_576, 10 ])->{stops}, [5],
        '... is granted again';
};

subtest 'a table of any rows' => sub {
    my $former = former('mixed', 100, 999);

    $former->create('bigint')
        ->fill('generate_series(-50, 1500)')
        ->fill('generate_series(150, 160)')
        ->fill('generate_series(155, 160)')
        ->fill('unnest(ARRAY[NULL, NULL, 1, -9223372036854775808,'
            . ' 9223372036854775807])');
    sql('DELETE FROM mixed WHERE number BETWEEN 500 AND 800');
    is_adopted($former, $former->adopt, $former->numbers);
};

# A service that goes on: transactions that end in all ways, within and without
# savepoints, some of them open while chunks are read.
sub busy {
    my ($former, $seed) = @_;

    my $pid = fork // die "fork: $!\n";
    return $pid if $pid;

    srand $seed;
    my $session = UniqueRandom::Session->new(pg => $pg, db => 'numbers');
    my $table   = $former->{table};
    my $any     = sub { $former->{first} - 1000 + int rand $former->size + 2000 };
    my $done    = 0;

    local $SIG{TERM} = sub { $done = 1 };

    my @writes = (
        sub { "INSERT INTO $table (number) VALUES (" . $any->() . ')' },
        sub { "UPDATE $table SET number = " . $any->()
            . ' WHERE number = ' . $any->() },
        sub { my $from = $any->();
            "UPDATE $table SET number = number + 1 WHERE number BETWEEN"
            . " $from AND $from + 30" },
        sub { my $from = $any->();
            "DELETE FROM $table WHERE number BETWEEN $from AND $from + 10" },
        sub { "INSERT INTO $table (number) VALUES (NULL)" },
        sub { "DELETE FROM $table WHERE id IN (SELECT id FROM $table"
            . ' WHERE number IS NULL LIMIT 1)' },
    );
    my $write = sub { $session->try($writes[ rand @writes ]->()) };

    while (!$done) {
        if (rand() < 0.9) {
            $write->();
            next;
        }

        $session->try('BEGIN');
        $write->() for 1 .. 3;
        $session->try('SAVEPOINT one');
        $write->();
        $session->try('ROLLBACK TO one') if rand() < 0.5;
        $write->();
        sleep rand 0.3;
        $session->try(rand() < 0.3 ? 'ROLLBACK' : 'COMMIT');
    }

    $session->end;
    POSIX::_exit(0);
}

subtest 'a table that is in use' => sub {
    my $former = former('busy', 1000, 2_000_000);

    $former->create('bigint');
    sql('CREATE INDEX ON busy (number)');
    $former->fill('(SELECT n FROM generate_series(1, 2000100, 3) AS n)')
        ->fill('generate_series(1, 100000, 2)');

    my @pids = map { busy($former, $_) } 1 .. 3;
    my $new  = 'SELECT last_value FROM busy_id_seq';

    my $prepare = 'CALL unique_random.adopt_prepare(' . $former->arguments . ')';
    my $writes  = sub {
        my ($n) = @_;
        my $from = sql($new);
        wait_until(sub { sql($new) > $from + $n }, 60, 'writes');
    };

    $writes->(20);
    again($prepare) for 1 .. 2;
    $writes->(500);
    my $noted = sql('SELECT count(*) FROM unique_random.adoption_changes');

    # What is there when it is adopted is seen under its lock.
    my ($report, @numbers) = split /\n/, again('BEGIN; '
        . $former->adopt_statement . '; SELECT number FROM busy; COMMIT');

    kill TERM => @pids;
    waitpid $_, 0 for @pids;

    cmp_ok $noted, '>', 0, "$noted changes were noted at the end";
    is_adopted($former, $former->report($report), @numbers);
};

subtest 'a preparation that is killed' => sub {
    my $former = former('killed', 1, 40 * UniqueRandom::Former::CHUNK - 5);

    # Where rows go that are written before, while and after it is killed.
    my @chunks = (3, 10, 39);
    my $rows = sub {
        my ($i) = @_;
        return 'unnest(ARRAY[' . join(', ',
            map { $_ * UniqueRandom::Former::CHUNK + $i } @chunks) . '])';
    };

    $former->create('integer UNIQUE')->fill('generate_series(1, 200000)');
    my ($session, $other)
        = map { UniqueRandom::Session->new(pg => $pg, db => 'numbers') } 1, 2;

    # It waits where somebody else has a chunk that may still come to nothing.
    $other->run('BEGIN; INSERT INTO unique_random.domains'
        . " VALUES ('killed', 1, 10, 'x')");
    $session->send('CALL unique_random.adopt_prepare('
        . $former->arguments . ')');

    my $of   = "FROM unique_random.domains WHERE pool = 'killed'";
    my $read = "SELECT count(*) $of";
    wait_until(sub { sql($read) == 10 }, 60, 'some chunks are read');
    $former->fill($rows->(5));
    $pg->kill9;
    $_->end for $session, $other;
    $pg->start;

    my $chunks = sql($read);
    is $chunks, 10, "$chunks of 40 chunks were read";
    $former->fill($rows->(6));

    my $xids = "SELECT string_agg(xmin::text, chr(32) ORDER BY chunk) $of"
        . " AND chunk < $chunks AND chunk NOT IN (3, 10, 39)";
    my $before = sql($xids);
    $former->prepare;
    is sql($xids), $before, 'it goes on where it was';
    is sql($read), 40, '... to the end';
    $former->fill($rows->(7));

    my $start = time;
    is_adopted($former, $former->adopt, $former->numbers);
    note sprintf 'adopted and compared in %.1f s', time - $start;
};

subtest 'a preparation that is abandoned' => sub {
    my $former = former('abandoned', 1, 1000);
    my $cancel = "SELECT unique_random.adopt_cancel('abandoned', 1)";

    $former->create('integer UNIQUE')->fill('generate_series(1, 500)')->prepare;
    sql($cancel);
    is sql("SELECT count(*) FROM pg_trigger"
            . " WHERE tgrelid = 'abandoned'::regclass"), 0,
        'there is no trigger any more';
    is $former->domain, '', '... and no domain';
    $former->fill('generate_series(501, 510)');
    sql('TRUNCATE abandoned');
    pass '... and the table is free';

    $former->fill('generate_series(3, 5)')->prepare;
    sql('DROP TABLE abandoned');
    sql($cancel);
    pass 'also if the table is gone';

    $former->create('integer UNIQUE')->fill('generate_series(400, 405)');
    is_adopted($former, $former->adopt, $former->numbers);
    isnt +($pg->try_psql('numbers', $cancel))[0], 0,
        'what has been adopted is not abandoned';
};

# One that was in a long transaction, and a lock that is not to be had.
subtest 'a table that somebody has locked' => sub {
    my $former = former('locked', 1, 1000);
    my $writer = UniqueRandom::Session->new(pg => $pg, db => 'numbers');

    $former->create('integer UNIQUE');
    $writer->run('BEGIN; INSERT INTO locked (number) VALUES (5)');

    for my $step ('CALL unique_random.adopt_prepare(' . $former->arguments . ')',
        $former->adopt_statement)
    {
        my ($code, undef, $err) = $pg->try_psql('numbers', $step);
        like $err, qr/canceling statement due to lock timeout/,
            'it does not wait for long';
    }
    is sql('SELECT count(*) FROM unique_random.adoptions'), 0,
        '... and leaves nothing behind';

    $writer->run('COMMIT');
    $former->prepare;

    # A snapshot of before would not know of what comes.
    my $old = UniqueRandom::Session->new(pg => $pg, db => 'numbers');
    $old->run('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
    sql('INSERT INTO locked (number) VALUES (6)');
    like $old->try($former->adopt_statement),
        qr/in transactions that are read committed, not repeatable read/,
        'nor does a snapshot of before do';
    $old->run('ROLLBACK');
    is_adopted($former, $former->adopt, 5, 6);
};

done_testing;
