# What is leased and not issued goes back to the database at a clean stop, and
# comes again when the fresh positions are used up: so a pool is issued to its
# last number, however often nginx was stopped.

use strict;
use warnings;

use lib 't/lib';

use Test::More;

use UniqueRandom::Faults qw( report );
use UniqueRandom::Load;
use UniqueRandom::Nginx;
use UniqueRandom::Postgres;
use UniqueRandom::Util qw( tcp_proxy wait_until );

use constant { SIZE => 3000, LEASE => 100 };

my $pg = UniqueRandom::Postgres->new;

# A database with one range, and the line of nginx.conf for it.
sub shard {
    my ($pool, $i, %arg) = @_;

    my ($first, $last) = ($i * SIZE + 1, ($i + 1) * SIZE);

    $pg->create_database("$pool$i")->apply_schema("$pool$i");
    $pg->psql("$pool$i",
        "SELECT unique_random.add('$pool', $first, $last)");

    return 'shard ' . $pg->url(db => "$pool$i", %arg)
        . " range=$first-$last fail_timeout=1s;";
}

sub nginx {
    my ($pool, @shards) = @_;

    return UniqueRandom::Nginx->new(
        pool    => $pool,
        workers => 2,
        http    => "unique_random_pool $pool { lease min=50"
            . " max=@{[ LEASE ]}; connect_timeout 30s; reserve_timeout 30s; @shards }",
        server  => "location = /random { unique_random $pool; }",
    );
}

sub take {
    my ($nginx, %arg) = @_;

    return UniqueRandom::Load->new(
        port        => $nginx->port,
        connections => 8,
        %arg,
    )->run;
}

sub returned {
    my ($db) = @_;

    return $pg->psql($db, 'SELECT coalesce(sum(stop - start), 0)'
        . ' FROM unique_random.returned');
}

{
    my $nginx = nginx('often', map { shard('often', $_) } 0, 1);
    my @results;

    for my $i (1 .. 20) {
        push @results, take($nginx, count => 100);
        $i % 2 ? $nginx->stop : $nginx->term;
        $nginx->start;
    }

    # Whom the master has killed, since it took too long to leave, says nothing.
    my $late   = $nginx->too_late;
    my $killed = () = $nginx->error_log =~ /exited on signal 9/g;
    my @given  = $nginx->error_log
        =~ /(\d+) positions of range .* are given back to shard/g;
    cmp_ok scalar(@given), '>', 20, 'after each of 20 stops leases go back';

    push @results, take($nginx, until => 409);

    my $all = UniqueRandom::Load->merge(@results);

    note sprintf '%d attempts, %d acknowledged, %d duplicates, %d missing',
        $all->attempts, $all->status(200), scalar $all->duplicates,
        scalar $all->missing(1, 2 * SIZE);

    report(
        fault  => 'nginx stopped and started, then drained',
        runs   => 20,
        result => $all,
        burned => scalar $all->missing(1, 2 * SIZE),
    );

    my $missing = $all->missing(1, 2 * SIZE);

    note "$late positions were too late, $killed workers were killed";
    cmp_ok $killed, '<', 5, '... workers leave in time';
    is $all->duplicates, 0, '... no number twice';

    # Of each range there are two leases at most.
    cmp_ok $missing, '<=', $late + $killed * 2 * 2 * LEASE,
        '... and then the pool is issued, with none missing';
    is $all->failed + $all->status(503), 0, '... and no request failed';
    is returned('often0') + returned('often1'), 0, '... none is left returned';
    is_deeply [ grep { $killed + $late == 0 || !/exited on|and are burned/ }
            $nginx->errors(qr/emerg|alert|crit|error|warn/) ], [],
        '... and nothing is wrong in the error log';
}

# A reload is no stop: the new workers go on with the leases.  The last of a pool
# has a second to give them back, so there are some tries.
{
    my $returned;

    for my $pool (map {"reload$_"} 'a' .. 'h') {
        my $nginx = nginx($pool, shard($pool, 0));

        take($nginx, count => 10);
        $nginx->reload for 1 .. 3;
        is returned("${pool}0"), 0, 'a reload gives nothing back';

        $nginx->configure(http => '', server => '');
        $nginx->reload;
        $returned = returned("${pool}0");

        last if !$nginx->too_late;
        note "$pool was given back too late";
    }

    cmp_ok $returned, '>=', 40,
        'a pool that a reload leaves out is given back by its last worker';
}

# Killed workers are not waited for, and do not keep the others from it.
{
    my $nginx = nginx('killed', shard('killed', 0));

    $nginx->stop_in_time(sub {
        take($nginx, count => 10);

        my @workers = $nginx->worker_pids;
        kill KILL => $workers[0];
        wait_until(
            sub {
                my @now = $nginx->worker_pids;
                return @now == 2 && !grep { $_ == $workers[0] } @now;
            },
            20, 'the next worker',
        );
    });
    cmp_ok returned('killed0'), '>=', 40, 'after a worker was killed';
}

# It takes a second at most, whatever becomes of the shards.  The master waits
# for little more than that, as long as the machine may stand still: there are
# some tries, but one that waits for its shard would fail in each.
{
    my ($proxy, $nginx, $taken);
    my $told = qr/\[warn\].* \d+ positions of range 1-3000 could not be given back to shard "\S+" and are burned: no time is left/;

    for my $pool (map {"hangs$_"} 'a' .. 'h') {
        $proxy = tcp_proxy($pg->port);
        $nginx = nginx(
            $pool,
            shard($pool, 0, port => $proxy->port),
            shard($pool, 1),
        );
        $taken = 0;

        wait_until(
            sub {
                $taken += take($nginx, count => 10)->numbers;
                return 2 == grep {
                    $pg->psql("$pool$_",
                        'SELECT reserved FROM unique_random.ranges')
                } 0, 1;
            },
            30, 'leases of both shards',
        );

        $proxy->hang;
        $nginx->term;

        is returned("${pool}0"), 0, 'a shard that hangs gets nothing';

        last if $nginx->error_log !~ /exited on signal 9/
            && $nginx->error_log =~ $told
            && returned("${pool}1") >= 50 - $taken;
        note "$pool was stopped too late";
    }

    cmp_ok returned($nginx->{pool} . '1'), '>=', 50 - $taken,
        '... the other one gets all that is left';
    like $nginx->error_log, $told, '... and a warning tells what is burned';
    unlike $nginx->error_log, qr/exited on signal 9/,
        '... before the master loses its patience';
}

# In the life of the range that they are of, and of no other.
{
    my $nginx = nginx('accepted', shard('accepted', 0));

    $nginx->stop_in_time(sub {
        take($nginx, count => 10);
        $pg->psql('accepted0',
            "SELECT unique_random.accept('accepted', 1, advance => 0)");
    });

    is returned('accepted0'), 0, 'after accept() nothing of before is taken';
    like $nginx->error_log, qr/burned: the range has begun a new life/,
        '... and that is why';
}

{
    my $nginx = nginx('fenced', shard('fenced', 0));

    # The accept() is for another try, which finds it fenced.
    $nginx->stop_in_time(sub {
        $pg->psql('fenced0',
            "SELECT unique_random.accept('fenced', 1, advance => 0)");
        take($nginx, count => 10);
        $pg->psql('fenced0', 'UPDATE unique_random.ranges SET reserved = 0');
    });

    is returned('fenced0'), 0, 'a changed row takes nothing back';
    like $nginx->error_log, qr/burned: the row was not written by a/,
        '... and that is why';
}

# Once, and nothing that was not granted.
{
    shard('sql', 0);

    my $holder = '00000000-0000-4000-8000-000000000001';
    my $give = sub {
        my ($starts, $stops, %arg) = @_;

        my $memory = $pg->psql('sql0',
            "SELECT format('%L, %s, %s, %L, %s, %s, %s, %L',"
            . " '$holder', 0, epoch, incarnation, serial, reserved,"
            . " timeline, encode(sha256(key), 'hex'))"
            . ' FROM unique_random.ranges');

        return $pg->psql('sql0', "SELECT unique_random.give_back('sql', 1, "
            . SIZE . ", $memory, 1000, '{$starts}', '{$stops}')");
    };

    $pg->psql('sql0', "SELECT count FROM unique_random.reserve('sql', 1, "
        . SIZE . ", '$holder', 0, 0, NULL, 0, 0, 0, NULL, 1000, 100,"
        . ' true)');

    is $give->('10,50', '20,60'), '', 'what was granted is taken back';
    is returned('sql0'), 20, '... as it is said';

    for (
        [ '15', '25' ], [ '5',  '11' ], [ '12', '13' ], [ '0', '100' ],
        [ '90', '101' ], [ '100', '200' ],
        )
    {
        is $give->(@$_), "they are not the caller's",
            "[$_->[0], $_->[1]) is not taken";
    }

    is returned('sql0'), 20, '... and nothing has changed';
}

done_testing;
