# What an operator is told when a database cannot be used, before it was set
# up, and when it was set up wrongly: the reason, what to do, and no secret.

use strict;
use warnings;

use JSON::PP qw( decode_json );
use Test::More;

use UniqueRandom::Load     ();
use UniqueRandom::Nginx    ();
use UniqueRandom::Postgres ();
use UniqueRandom::Util     qw( read_file wait_until );

use constant RANGE => 1000;

# None of it is about time: what a reply that comes late would burn is needed.
use constant PATIENT => 'connect_timeout 20s; reserve_timeout 30s;';

my $pg = UniqueRandom::Postgres->new;

# A database with the schema in it and no range.
sub database {
    my ($name) = @_;

    $pg->create_database($name)->apply_schema($name);
    return $name;
}

sub nginx {
    my ($conninfo, %arg) = @_;

    my $directives = delete $arg{directives} // '';
    my $wait       = delete $arg{wait}       // '2s';
    my $pool       = delete $arg{pool}       // 'numbers';

    return UniqueRandom::Nginx->new(
        http => "unique_random_pool \"$pool\" { @{[ PATIENT ]}"
            . " wait_timeout $wait; $directives shard \"$conninfo\""
            . ' range=1-' . RANGE . ' fail_timeout=1s; }',
        %arg,
    );
}

sub take {
    my ($nginx, $count, %arg) = @_;

    return UniqueRandom::Load->new(
        port        => $nginx->port,
        connections => 4,
        count       => $count,
        %arg,
    )->run;
}

sub summary {
    my (@results) = @_;

    my $all        = UniqueRandom::Load->merge(@results);
    my $duplicates = $all->duplicates;

    note sprintf '%d attempts, %d acknowledged, %d used up, %d refused, '
        . '%d failed, %d duplicates, %d out of range, %d missing',
        $all->attempts, $all->status(200), $all->status(409),
        $all->status(503), $all->failed, $duplicates,
        scalar $all->out_of_range(1, RANGE), scalar $all->missing(1, RANGE);
    is $duplicates, 0, 'no number comes twice';
    is $all->failed, 0, 'every request has an answer';
    return $all;
}

sub reserved {
    my ($db) = @_;

    return $pg->psql($db, 'SELECT sum(reserved) FROM unique_random.ranges');
}

# No number for anybody, and the reason in the log, once as an error.
sub refused {
    my ($nginx, $reason, $told) = @_;

    my $all = summary(take($nginx, 8));
    is_deeply $all->status, { 503 => 8 }, 'no number is given';

    # They do not wait for the reason.
    $nginx->wait_for_log($reason, 30);

    my @lines = grep {/$reason/} $nginx->errors($told // 'error');
    is @lines, 1, 'the log says why, once' or diag $nginx->error_log;
    is_deeply [ $nginx->errors ], [], 'nothing else is wrong in the error log'
        if !$told;
    return;
}

sub works {
    my ($nginx, $count) = @_;

    wait_until(sub { take($nginx, 1)->status(200) }, 60, 'numbers are given');
    is_deeply take($nginx, $count)->status, { 200 => $count },
        'then numbers are given, without a reload';
    return;
}

subtest 'a wrong password' => sub {
    my $db = database('password');
    $pg->psql($db, "SELECT unique_random.add('numbers', 1, 1000)");
    $pg->create_user('nginx', 'the right one');
    $pg->psql($db, 'GRANT unique_random TO nginx');

    my $secret = 'Tr0ub4dor&3';
    my $url    = $pg->url(db => $db, user => 'nginx', password => $secret);

    # At the level that tells all.
    my $nginx = nginx($url, level => 'debug');
    refused($nginx, qr/password authentication failed for user "nginx"/);

    my ($code, $out) = $nginx->test_config;
    is $code, 0, 'the configuration is fine';

    for my $text ($nginx->error_log, $out) {
        unlike $text, qr/\Q$secret\E/, 'nobody tells the password';
        unlike $text, qr/Tr0ub4dor/, 'or a part of it';
    }

    $pg->psql('postgres', "ALTER ROLE nginx PASSWORD '$secret'");
    works($nginx, 10);

    unlike $nginx->error_log, qr/Tr0ub4dor/, 'not when it is right, either';
    my $key = $pg->psql($db,
        "SELECT encode(key, 'hex') FROM unique_random.ranges");
    unlike $nginx->error_log, qr/$key/i, 'nor the key of the range';
};

subtest 'no schema' => sub {
    $pg->create_database('bare');

    my $nginx = nginx($pg->url(db => 'bare'));
    refused($nginx, qr{range 1-1000 is missing or not visible in shard ".*/bare": .*run sql/schema\.sql and then SELECT unique_random\.add\('numbers', 1, 1000\);});

    $pg->apply_schema('bare');
    $pg->psql('bare', "SELECT unique_random.add('numbers', 1, 1000)");
    works($nginx, 10);
};

subtest 'no range' => sub {
    my $nginx = nginx($pg->url(db => database('empty')));
    refused($nginx, qr{range 1-1000 is missing or not visible in shard ".*/empty"; if it is the right database, run SELECT unique_random\.add\('numbers', 1, 1000\);});

    # It is what the message told that helps.
    my ($command) = $nginx->error_log =~ /run (SELECT .*?;)/;
    $pg->psql('empty', $command);
    works($nginx, 10);
};

subtest 'no range, and a name with a quote' => sub {
    my $nginx = nginx($pg->url(db => database('quote')), pool => "o'hara");
    refused($nginx, qr{run SELECT unique_random\.add\('o''hara', 1, 1000\);});

    my ($command) = $nginx->error_log =~ /run (SELECT .*?;)/;
    $pg->psql('quote', $command);
    works($nginx, 10);
};

subtest 'no range, and a long name' => sub {
    my $long  = 'n' x 400;
    my $nginx = nginx($pg->url(db => database('long')), pool => $long);
    refused($nginx, qr{run SELECT unique_random\.add\('$long', 1, 1000\);});
};

subtest 'a range that disagrees' => sub {
    my $db = database('mismatch');
    $pg->psql($db, "SELECT unique_random.add('numbers', 1, 2000)");

    refused(nginx($pg->url(db => $db)),
        qr{range 1-1000 is 1-2000 in shard ".*/mismatch"});
    is reserved($db), 0, 'nothing is reserved';
};

# Of a range that nginx remembers: what it would make again may be elsewhere.
sub gone {
    my ($nginx, $reason, $advice) = @_;

    $reason = "the range is not what it was$reason";
    is_deeply take($nginx, 4)->status, { 503 => 4 }, 'no number is given';
    $nginx->wait_for_log(qr/\[alert\].* is fenced: $reason/, 30);
    like(
        $nginx->error_log,
        qr{\[alert\] .* range 1-1000 of shard ".*" is fenced: $reason; [1-9]\d* of its positions are known to be reserved; $advice},
        'the log says why',
    );

    my $range
        = decode_json($nginx->get('/status')->{content})->{pools}[0]{ranges}[0];
    like $range->{reason}, qr/^$reason$/, '... and so does the status';
    return $range->{sql};
}

use constant AGAIN => qr/if this is the right database and no other has the range, restore its row or, from a copy of its key, run SELECT /;

use constant NOT_AGAIN => qr/let nginx see it, configure the database that has it, or restore it; it must not be made again while it is anywhere/;

subtest 'a range for another role' => sub {
    my $db = database('roles');
    $pg->psql($db, "SELECT unique_random.add('numbers', 1, 1000);"
        . 'CREATE ROLE teller LOGIN; CREATE ROLE pool_a NOLOGIN;'
        . 'GRANT unique_random TO teller');

    my $nginx = nginx($pg->url(db => $db, user => 'teller'), wait => '5s',
        directives => 'lease off;',
        server     => 'location = /random { unique_random; }'
            . 'location = /status { unique_random_status json; }');
    my @results = take($nginx, 4);
    is $results[0]->status(200), 4, 'numbers are given';

    $pg->psql($db, "SELECT unique_random.set_role('numbers', 'pool_a')");
    is gone($nginx, ': pool "numbers" is for members of role "pool_a"',
        NOT_AGAIN), undef, '... with nothing to run';
    unlike $nginx->error_log, qr/unique_random\.add\(/, '... nor in the log';

    $pg->psql($db, 'GRANT pool_a TO teller');
    works($nginx, 4);
    summary(@results, take($nginx, 4));
};

subtest 'a range that is in another database' => sub {
    my $db = database('right');
    $pg->psql($db, "SELECT unique_random.add('numbers', 1, 1000)");
    $pg->psql(database('left'), "SELECT unique_random.add('other', 1, 1000)");
    $pg->create_database('void');

    my $add = qr/^SELECT unique_random\.add\('numbers', 1, 1000, key => \.\.\., reserved => \d+\); -- if it is nowhere else$/;
    my $at = sub {
        my ($where) = @_;

        return (
            server => 'location = /random { unique_random; }'
                . 'location = /status { unique_random_status json; }',
            http => "unique_random_pool numbers { @{[ PATIENT ]}"
                . ' wait_timeout 5s; lease off; shard ' . $pg->url(db => $where)
                . ' name=one range=1-' . RANGE . ' fail_timeout=1s; }',
        );
    };

    my $nginx = UniqueRandom::Nginx->new($at->($db));
    is take($nginx, 4)->status(200), 4, 'numbers are given';

    $nginx->configure($at->('left'))->reload(wait => 'old');
    is gone($nginx, ': pool "other" has it', NOT_AGAIN), undef,
        '... with nothing to run where another pool has it';

    $nginx->configure($at->('empty'))->reload(wait => 'old');
    $pg->psql('empty', 'DELETE FROM unique_random.ranges');
    like gone($nginx, '', AGAIN), $add, '... but where nothing is known of it';

    $nginx->configure($at->('mismatch'))->reload(wait => 'old');
    is gone($nginx, ': it has another last number there', NOT_AGAIN), undef,
        '... nothing for another one';

    $nginx->configure($at->('void'))->reload(wait => 'old');
    like gone($nginx, '', 'there is no schema; ' . AGAIN), $add,
        '... but where there is no schema';

    $nginx->configure($at->($db))->reload(wait => 'old');
    works($nginx, 4);
};

subtest 'no database' => sub {
    my $nginx = nginx($pg->url(db => 'nowhere'));
    refused($nginx, qr/database "nowhere" does not exist/);

    database('nowhere');
    $pg->psql('nowhere', "SELECT unique_random.add('numbers', 1, 1000)");
    works($nginx, 10);
};

subtest 'a role without rights' => sub {
    my $db = database('rights');
    $pg->psql($db, "SELECT unique_random.add('numbers', 1, 1000);"
        . 'CREATE ROLE stranger LOGIN');

    my $nginx = nginx($pg->url(db => $db, user => 'stranger'));
    refused($nginx, qr/permission denied for schema unique_random/);

    $pg->psql($db, 'GRANT unique_random TO stranger');
    works($nginx, 10);
};

subtest 'bootstrap of two at once' => sub {
    $pg->create_database('blank');

    # Each worker of both of them finds nothing there.
    my @nginx = map {
        nginx($pg->url(db => 'blank'), workers => 2, wait => '60s',
            directives => 'bootstrap on;');
    } 1 .. 2;

    my @loads = map {
        UniqueRandom::Load->new(
            port        => $_->port,
            connections => 8,
            processes   => 1,
            until       => 409,
        )->start
    } @nginx;

    my $all = summary(map { $_->finish } @loads);

    is $all->status(200), RANGE, 'as many answers as there are numbers';
    is $all->status(503), 0, 'no request is refused';
    is $all->missing(1, RANGE), 0, 'no number is missing';
    is $pg->psql('blank', 'SELECT count(*), count(DISTINCT key), sum(reserved)'
        . ' FROM unique_random.ranges'), '1|1|1000', 'there is one range';

    my $created = () = join('', map { $_->error_log } @nginx)
        =~ /created the ranges of unique_random_pool "numbers"/g;
    is $created, 1, 'one of them says that it has made it';
    is_deeply [ map { $_->errors } @nginx ], [],
        'nothing is wrong in the error logs';
};

subtest 'bootstrap where there are other ranges of the pool' => sub {
    my $db = database('others');
    $pg->psql($db, "SELECT unique_random.add('numbers', 5001, 6000)");

    refused(nginx($pg->url(db => $db), directives => 'bootstrap on;'),
        qr{range 1-1000 is missing or not visible in shard ".*/others"});
    is $pg->psql($db, 'SELECT first FROM unique_random.ranges'), 5001,
        'nothing is made';
};

subtest 'bootstrap by a role without rights' => sub {
    $pg->create_database('theirs');
    $pg->psql('theirs', 'CREATE ROLE visitor LOGIN');

    refused(nginx($pg->url(db => 'theirs', user => 'visitor'),
            directives => 'bootstrap on;'),
        qr/permission denied for database theirs, so "bootstrap" cannot do it: run sql\/schema\.sql/);
};

subtest 'transactions that are serializable' => sub {
    my $db = database('serializable');
    $pg->psql($db, "SELECT unique_random.add('numbers', 1, 1000);"
        . "ALTER DATABASE $db"
        . ' SET default_transaction_isolation = serializable');

    my @nginx = map {
        nginx($pg->url(db => $db), workers => 2, wait => '60s',
            directives => 'lease off;');
    } 1 .. 2;

    my @loads = map {
        UniqueRandom::Load->new(
            port        => $_->port,
            connections => 8,
            processes   => 1,
            until       => 409,
        )->start
    } @nginx;

    my $all = summary(map { $_->finish } @loads);

    is $all->status(200), RANGE, 'as many answers as there are numbers';
    is $all->status(503), 0,     'no request is refused';
    is_deeply [ map { $_->errors('error|warn|alert|crit|emerg') } @nginx ], [],
        'nothing is wrong in the error logs';
};

subtest 'a synchronous standby that is missing' => sub {
    my $db = database('replicated');
    $pg->psql($db, "SELECT unique_random.add('numbers', 1, 1000)");

    my $nginx = nginx($pg->url(db => $db), wait => '60s',
        directives => 'lease off;');
    my @results = take($nginx, 4);
    is $results[0]->status(200), 4, 'numbers are given';
    my $before = reserved($db);

    $pg->set_conf(synchronous_standby_names => 'missing');

    my $load = UniqueRandom::Load->new(
        port        => $nginx->port,
        connections => 4,
        processes   => 1,
        count       => 4,
    )->start;

    # Committed, and shown to nobody before the standby has it.
    my $waiting = "datname = '$db' AND wait_event = 'SyncRep'";
    wait_until(sub {
        $pg->psql('postgres',
            "SELECT count(*) FROM pg_stat_activity WHERE $waiting");
    }, 30, 'a reservation waits for the standby');

    # Now it is committed here, with a warning, and may be nowhere else.
    $pg->psql('postgres',
        "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE $waiting");

    $nginx->wait_for_log(qr/may not be on its standby/, 30);
    $pg->set_conf(synchronous_standby_names => undef);

    push @results, $load->finish, take($nginx, 8);
    my $all    = summary(@results);
    my $burned = reserved($db) - $all->status(200);

    note "$before reserved before, $burned burned";
    is $all->status(200), 16, 'those who waited got other numbers';
    cmp_ok $burned, '>=', 1, 'what may not be replicated is given to nobody';
    like $nginx->error_log,
        qr/could not reserve from shard .*: its commit may not be on its standby: canceling wait for synchronous replication due to user request, what was asked for is burned/,
        'and the log says so';
    is_deeply [ $nginx->errors ], [], 'nothing else is wrong in the error log';
};

done_testing;
