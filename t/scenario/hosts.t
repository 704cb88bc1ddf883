# A shard has several hosts, of which one accepts writes.  Who that is only the
# reservation tells: not the order, not what was so before, and not what a
# pooler remembers of the server behind it.

use strict;
use warnings;

use lib 't/lib';

use Test::More;

use UniqueRandom::Load       ();
use UniqueRandom::NameServer ();
use UniqueRandom::Nginx      ();
use UniqueRandom::PgBouncer  ();
use UniqueRandom::Postgres   ();
use UniqueRandom::Util qw(
    black_hole free_port full_backlog tcp_proxy tmp_dir wait_until
);

use constant {
    SIZE => 10_000,

    # Of those with as much in common with 127.0.0.1, getaddrinfo() does not
    # change the order.
    PRIMARY => '127.0.0.130',
    STANDBY => '127.0.0.131',
    CLOSED  => '127.0.0.139',
};

my @trust = 'host all all 127.0.0.0/8 trust';
my @results;

sub cluster {
    my ($name, %arg) = @_;

    my $cluster = UniqueRandom::Postgres->new(
        name => $name,
        hba  => \@trust,
        conf => { log_connections => 'on' },
        %arg,
    );
    return $cluster->create_database('numbers')->apply_schema('numbers');
}

sub add {
    my ($pg, $pool, @more) = @_;

    $pg->psql('numbers', 'SELECT unique_random.add('
        . join(', ', "'$pool'", 1, SIZE, @more) . ')');
    return;
}

# Arguments: conninfo of the shard, block, and those of Nginx->new.
sub nginx {
    my ($pool, $conninfo, %arg) = @_;

    my $block = delete $arg{block} // 'lease off;';
    $block .= ' connect_timeout 30s; reserve_timeout 30s;'
        if $block !~ /connect_timeout/;
    my $http  = delete $arg{http}  // '';

    return UniqueRandom::Nginx->new(
        workers => 2,
        http    => "$http unique_random_pool $pool { $block"
            . " shard $conninfo range=1-@{[ SIZE ]}; }",
        %arg,
    );
}

sub take {
    my ($nginx, $count) = @_;

    my $result = UniqueRandom::Load->new(
        port        => $nginx->port,
        connections => 4,
        count       => $count,
        timeout     => 90,
    )->run;

    push @results, [ $nginx, $result ];
    return $result;
}

sub serves {
    my ($nginx, $what) = @_;

    is_deeply take($nginx, 50)->status, { 200 => 50 }, $what;
    return;
}

sub comes_to_serve {
    my ($nginx, $what) = @_;

    ok eval {
        wait_until(sub { take($nginx, 4)->status(200) == 4 }, 20, $what);
    }, $what;
    serves($nginx, '... all of them');
    return;
}

sub never_failed {
    my ($nginx) = @_;

    unlike $nginx->error_log, qr/could not reserve from shard/,
        '... the shard has not failed';
    is_deeply [ $nginx->errors ], [], '... and no alert';
    return;
}

# What its clients over TCP were, of whatever they are.
sub connections {
    my ($pg) = @_;

    return scalar(() = $pg->log_text =~ /connection received: host=127/g);
}

# PgBouncer greets with what the server said that it connected to first.
subtest 'a server promoted behind PgBouncer' => sub {
    my $old     = cluster('old');
    my $new     = $old->standby(name => 'new');
    my $bouncer = UniqueRandom::PgBouncer->new(postgres => $new);

    $old->wait_for_standby($new);

    my $nginx = nginx('promoted', $bouncer->url(db => 'numbers'));

    is take($nginx, 4)->status(200), 0, 'a standby: no number';

    $old->stop;
    $new->promote;
    add($new, 'promoted');

    comes_to_serve($nginx, 'promoted: numbers come, nobody said RECONNECT');

    serves(nginx('promoted', $bouncer->url(db => 'numbers')),
        '... also to one who never met the standby');
};

subtest 'a server behind PgBouncer that was read-only' => sub {
    my $pg      = cluster('read_only');
    my $bouncer = UniqueRandom::PgBouncer->new(postgres => $pg);
    my $set     = 'ALTER SYSTEM SET default_transaction_read_only';

    add($pg, 'read_only');
    $pg->psql('postgres', "$set = on");
    $pg->reload;

    my $nginx = nginx('read_only', $bouncer->url(db => 'numbers'));

    is take($nginx, 4)->status(200), 0, 'read-only: no number';
    like $nginx->error_log, qr/could not reserve from shard/,
        '... as the log says';

    $pg->psql('postgres', "$set = off");
    $pg->reload;

    comes_to_serve($nginx, 'no longer: numbers come, nobody said RECONNECT');

    serves(nginx('read_only', $bouncer->url(db => 'numbers')),
        '... also to one who never saw it read-only');
};

# The workers have connections, to the server or to a pooler before it, when
# another takes its place.
for my $case (
    [ direct  => 'trust' ],
    [ pooled  => 'trust' ],
    [ careful => 'fence' ],
    )
{
    my ($pool, $failover) = @$case;

    subtest "the primary becomes a standby, $pool" => sub {
        my $first   = cluster("first_$pool");
        my $second  = $first->standby(name => "second_$pool");
        my $bouncer = $pool eq 'pooled'
            ? UniqueRandom::PgBouncer->new(postgres => $first) : undef;

        # What is acknowledged the other one has, so it may be trusted.
        $first->set_conf(synchronous_standby_names => "second_$pool");
        add($first, $pool, "failover => '$failover'");

        my $nginx = nginx($pool, $first->url(
            db    => 'numbers',
            hosts => [
                '127.0.0.1:' . ($bouncer // $first)->port,
                '127.0.0.1:' . $second->port,
            ],
        ), workers => 1);

        serves($nginx, 'the first host serves');
        $first->wait_for_standby($second);
        $first->stop;
        $second->promote;
        $first->follow($second);
        $second->set_conf(synchronous_standby_names => "first_$pool");

        if ($failover eq 'trust') {
            serves($nginx, '... the second one does, at once');
            never_failed($nginx);

            my $before = connections($first);
            serves($nginx, '... and again');
            is connections($first), $before, '... nobody asks the first now';

        } else {
            is take($nginx, 4)->status(200), 0, '... the second one may not';
            $nginx->wait_for_log(
                qr/\[alert\].* is fenced: timeline is 2 instead of 1;/, 30);
            pass '... and it is the second one that was asked';
        }
    };
}

# Who has said something gets the time of those after it, who says nothing only
# a share.
subtest 'hosts that are slow, silent and dead' => sub {
    my $pg    = cluster('slow');
    my $proxy = tcp_proxy($pg->port);
    my $hole  = black_hole();
    my $off   = full_backlog(CLOSED, $pg->port);
    my @dead  = map {"127.0.0.1:$_"} free_port(), free_port();

    # Two answers to connect, the second of which is later than a share.
    $proxy->delay(4.2);

    for my $case (
        [ slow => '32s', '127.0.0.1:' . $proxy->port, @dead, CLOSED ],
        [ late => '15s', CLOSED, '127.0.0.1:' . $hole->port, '127.0.0.1' ],
        )
    {
        my ($pool, $timeout, @hosts) = @$case;

        add($pg, $pool);
        my $nginx = nginx($pool, $pg->url(db => 'numbers', hosts => \@hosts),
            block => "lease min=100; connect_timeout $timeout;"
                . ' reserve_timeout 30s; wait_timeout 90s;');

        serves($nginx, "$pool: numbers are given");
        never_failed($nginx);
    }
};

subtest 'hosts of all kinds' => sub {
    my $pg     = cluster('kinds');
    my ($port, $socket) = ($pg->port, $pg->socket);

    add($pg, 'kinds');

    for my $hosts (
        "host=@{[ CLOSED ]},$socket",
        "host=no.invalid,$socket,@{[ CLOSED ]}",
        "host=no.invalid,no.invalid hostaddr=@{[ CLOSED ]},127.0.0.1",
        "hostaddr=@{[ CLOSED ]},127.0.0.1",
        )
    {
        my $nginx = nginx('kinds',
            "\"$hosts port=$port user=postgres dbname=numbers\"");

        serves($nginx, "$hosts: numbers are given");
        never_failed($nginx);
        $nginx->stop;
    }
};

# The other one is true, and its life is later.
subtest 'the first host is an old copy' => sub {
    my $true = cluster('true');
    my $port = $true->port;

    add($true, 'copy');

    my $data = $true->stop->save_data;

    $true->start;
    $true->psql('numbers',
        "SELECT unique_random.accept('copy', 1, advance => 0)");

    my $url = $true->url(
        db    => 'numbers',
        hosts => [qw( 127.0.0.2 127.0.0.1 )],
    );
    my $state = tmp_dir() . '/copy';
    my $nginx = nginx('copy', $url,
        workers => 1,
        block   => "lease off; state $state;");

    serves($nginx, 'the true one serves');

    my $copy = UniqueRandom::Postgres->new(
        name => 'copy',
        data => $data,
        port => $port,
        hba  => \@trust,
        conf => { listen_addresses => '127.0.0.2', log_connections => 'on' },
    );
    my $row    = 'SELECT serial, reserved FROM unique_random.ranges';
    my $before = $copy->psql('numbers', $row);

    # Whom it asked last it does not know any more, what it saw it does.
    $nginx->restart;
    serves($nginx, '... also while the copy is there');
    like $nginx->error_log,
        qr/a later life of the range has been seen, trying the next host/,
        '... which was asked first';
    never_failed($nginx);
    is $copy->psql('numbers', $row), $before, '... and gave nothing';

    my $asked = connections($copy);
    serves($nginx, '... and is left alone');
    is connections($copy), $asked, '... from then on';
};

subtest 'leases go back the way they came' => sub {
    my $why = UniqueRandom::Nginx::why_no_files();
    plan skip_all => $why if $why;

    my $pg = cluster('tails', conf => { listen_addresses => PRIMARY });
    my $standby = $pg->standby(
        name => 'tails_standby',
        port => $pg->port,
        conf => { listen_addresses => STANDBY },
    );
    my $names = UniqueRandom::NameServer->new(
        'served.example' => [ CLOSED, STANDBY, PRIMARY ],
    );
    my $hosts = "127.0.0.1 localhost\n"
        . join '', map {"$_ db.example\n"} CLOSED, PRIMARY;

    for my $case (
        [ name   => 'db.example' ],
        [ served => 'served.example' ],
        [ list   => STANDBY, PRIMARY ],
        [ mixed  => CLOSED, STANDBY, 'served.example' ],
        )
    {
        my ($pool, @hosts) = @$case;

        add($pg, "tails_$pool");

        my $nginx = nginx("tails_$pool",
            $pg->url(db => 'numbers', hosts => \@hosts),
            block => 'lease min=50;',
            http  => 'resolver ' . $names->address . ' valid=1s;',
            files => {
                '/etc/hosts'       => $hosts,
                '/etc/resolv.conf' => $names->resolv_conf,
            },
        );

        # What was reserved is given, or goes back.
        my $given = 0;

        $nginx->stop_in_time(sub {
            is take($nginx, 10)->status(200), 10,
                "@hosts: numbers are given";
            $given += 10;
        });

        my $late = $nginx->too_late;
        my $kept = $pg->psql('numbers', 'SELECT reserved -'
            . ' (SELECT coalesce(sum(stop - start), 0)'
            . ' FROM unique_random.returned AS t WHERE t.pool = r.pool)'
            . " FROM unique_random.ranges AS r WHERE pool = 'tails_$pool'");
        ok $kept >= $given && $kept <= $given + $late,
            '... what is not goes back' or diag "$kept of $given, $late late";
        never_failed($nginx);
    }
};

{
    my %results;
    push @{ $results{ $_->[0]{dir} } }, $_->[1] for @results;

    my @twice = map { UniqueRandom::Load->merge(@$_)->duplicates }
        values %results;
    is_deeply \@twice, [], 'no number came twice';
}

done_testing;
