# The ways in which real databases are reached: through PgBouncer, over TLS,
# with a password, over a Unix socket, by several hosts of which one is the
# primary, and by a name that changes its address.

use strict;
use warnings;

use Test::More;

use UniqueRandom::Load       ();
use UniqueRandom::NameServer ();
use UniqueRandom::Nginx      ();
use UniqueRandom::PgBouncer  ();
use UniqueRandom::Postgres   ();
use UniqueRandom::Util       qw( tmp_dir user_ids wait_until write_file );

use constant RANGE => 3000;

my $moves = 0;

my $pg = cluster('primary');
$pg->create_user('nginx', 'correct horse');
$pg->psql('numbers', 'GRANT unique_random TO nginx');

subtest 'through PgBouncer in transaction mode' => sub {
    # Two servers for all, so that the transactions of a client change them.
    my $bouncer = UniqueRandom::PgBouncer->new(
        postgres => $pg,
        conf     => { default_pool_size => 2 },
    );

    drains('bouncer', $bouncer->url(db => 'numbers'));
};

subtest 'with a password' => sub {
    drains('in_uri', $pg->url(
        db       => 'numbers',
        user     => 'nginx',
        password => 'correct horse',
    ));

    my $passfile = write_file(tmp_dir() . '/passfile',
        '127.0.0.1:' . $pg->port . ":numbers:nginx:correct horse\n");
    chmod 0600, $passfile;

    # The workers read it.
    my $ids = user_ids('www-data');
    chown @$ids, $passfile if $ids;

    drains('in_passfile', $pg->url(
        db     => 'numbers',
        user   => 'nginx',
        params => { passfile => $passfile },
    ));
};

subtest 'over a Unix socket' => sub {
    drains('socket', $pg->url(db => 'numbers', socket => 1));
};

# They would lead elsewhere, or be an error.
subtest 'with variables of libpq in the environment of workers' => sub {
    for my $env (qw(
        PGSERVICE=nope PGHOSTADDR=127.0.0.9 PGTARGETSESSIONATTRS=nope
        PGLOADBALANCEHOSTS=nope
    )) {
        my ($name) = $env =~ /(\w+)=/;

        drains(lc $name, $pg->url(db => 'numbers', socket => 1), $pg,
            main => "env $env;");
    }
};

subtest 'over TLS' => sub {
    my $tls   = cluster('tls');
    my $ca    = $tls->enable_tls(names => ['db.example'], require => 1);
    my $other = cluster('other_tls');

    my $conninfo = sub {
        my ($host, $root) = @_;
        return "host=$host hostaddr=127.0.0.1 port=" . $tls->port
            . ' user=postgres dbname=numbers sslmode=verify-full'
            . " sslrootcert=$root";
    };

    drains('tls', $conninfo->('db.example', $ca), $tls);

    refused('wrong_host', $conninfo->('elsewhere.example', $ca), $tls,
        qr/server certificate for ".*" .*does not match host name "elsewhere.example"/);
    refused('wrong_ca', $conninfo->('db.example', $other->enable_tls), $tls,
        qr/certificate verify failed/);
    refused('no_tls', $tls->url(
        db     => 'numbers',
        params => { sslmode => 'disable' },
    ), $tls, qr/pg_hba.conf rejects connection .* no encryption/);
};

subtest 'several hosts, of which one is the primary' => sub {
    my $standby = $pg->standby;

    my $hosts = sub {
        return 'postgresql://postgres@'
            . join(',', map { '127.0.0.1:' . $_->port } @_) . '/numbers';
    };

    # What a standby would have to know to be asked for.
    my @pools = qw( standby_first standby_last standby_only );
    add($pg, $_) for @pools;
    $pg->wait_for_standby($standby);

    drains('standby_first', $hosts->($standby, $pg));
    drains('standby_last',  $hosts->($pg, $standby));
    refused('standby_only', $hosts->($standby), $pg,
        qr/it does not accept writes/);

    $standby->stop;
};

# The same port at two addresses, of which one has a server at a time.  No
# answer to the question for IPv6 takes the machine a while, and no more.
for my $by (
    'a file',
    'a name server',
    'a name server that is silent about IPv6',
    )
{
    subtest "a name that changes its address, by $by" => sub {
        my $why = UniqueRandom::Nginx::why_no_files();
        plan skip_all => $why if $why;

        changes_address($by);
    };
}

done_testing;

sub cluster {
    my ($name, %arg) = @_;

    my $cluster = UniqueRandom::Postgres->new(name => $name, %arg);
    return $cluster->create_database('numbers')->apply_schema('numbers');
}

sub add {
    my ($cluster, $pool) = @_;

    $cluster->psql('numbers', 'SELECT unique_random.add('
        . "'$pool', 1, @{[ RANGE ]}) WHERE NOT EXISTS (SELECT FROM "
        . "unique_random.ranges WHERE pool = '$pool')");
    return;
}

sub nginx {
    my ($pool, $conninfo, $directives, %arg) = @_;

    return UniqueRandom::Nginx->new(
        workers => 2,
        http    => "unique_random_pool $pool {"
            . ($directives
                // 'lease max=200; connect_timeout 20s; reserve_timeout 20s;'
                    . ' wait_timeout 60s;')
            . " shard \"$conninfo\" range=1-@{[ RANGE ]} fail_timeout=1s; }",
        %arg,
    );
}

sub summary {
    my ($what, @results) = @_;

    my $all        = UniqueRandom::Load->merge(@results);
    my $duplicates = $all->duplicates;

    note sprintf '%s: %d attempts, %d acknowledged, %d used up, %d refused, '
        . '%d failed, %d duplicates, %d out of range, %d missing', $what,
        $all->attempts, $all->status(200), $all->status(409),
        $all->status(503), $all->failed, $duplicates,
        scalar $all->out_of_range(1, RANGE),
        scalar $all->missing(1, RANGE);
    is $duplicates, 0, "$what: no number comes twice";
    return $all;
}

# Every number once, then none.
sub drains {
    my ($pool, $conninfo, $cluster, %arg) = @_;

    add($cluster // $pg, $pool);
    my $nginx = nginx($pool, $conninfo, undef, %arg);

    my $all = summary($pool, UniqueRandom::Load->new(
        port  => $nginx->port,
        until => 409,
    )->run);

    is $all->status(200), RANGE, "$pool: every number is given";
    is $all->attempts, $all->status(200) + $all->status(409),
        "$pool: no request is refused";
    is $all->out_of_range(1, RANGE), 0, "$pool: no number is out of range";
    is_deeply [ $nginx->errors ], [],
        "$pool: nothing is wrong in the error log";
    return;
}

# No number, and the reason in the log.
sub refused {
    my ($pool, $conninfo, $cluster, $reason) = @_;

    add($cluster, $pool);
    my $nginx = nginx($pool, $conninfo,
        'connect_timeout 20s; wait_timeout 3s;');

    my $all = summary($pool, UniqueRandom::Load->new(
        port  => $nginx->port,
        count => 20,
    )->run);

    is_deeply $all->status, { 503 => 20 }, "$pool: no number is given";
    ok $nginx->wait_for_log(qr/\[(?:warn|error)\] .*$reason/, 30),
        "$pool: the log says why";
    is $cluster->psql('numbers', 'SELECT reserved FROM unique_random.ranges'
        . " WHERE pool = '$pool'"), 0, "$pool: nothing is reserved";
    is_deeply [ $nginx->errors ], [],
        "$pool: nothing else is wrong in the error log";
    return;
}

sub changes_address {
    my ($by) = @_;

    my $pool  = 'moved' . ++$moves;
    my $moved = cluster($pool, hba => ['host all all 127.0.0.0/8 trust']);
    my $names = UniqueRandom::NameServer->new;
    my $etc   = $by eq 'a file' ? '/etc/hosts' : '/etc/resolv.conf';

    $names->silent('AAAA') if $by =~ /silent/;
    add($moved, $pool);

    # At once, though what is under way when the name moves fails.
    my $nginx = nginx(
        $pool,
        $moved->url(db => 'numbers', hosts => ['db.example']),
        'lease off; idle_timeout 100ms; connect_timeout 5s; wait_timeout 6s;',
        files => {
            $etc => $by eq 'a file' ? ''
                : $names->resolv_conf('options timeout:1 attempts:1'),
        },
    );
    my @pids = $nginx->worker_pids;

    my $leads_to = sub {
        my ($address) = @_;

        return $names->set('db.example' => $address && [$address])
            if $by ne 'a file';
        return $nginx->configure(files =>
            { $etc => $address ? "$address db.example\n" : '' });
    };

    my @results;
    my $take = sub {
        push @results, UniqueRandom::Load->new(
            port        => $nginx->port,
            connections => 4,
            count       => 4,
        )->run;
        return $results[-1]->status(200) == 4;
    };

    $leads_to->('127.0.0.1');
    wait_until($take, 60, 'numbers are given');
    pass 'numbers come from where the name leads';

    # The database moves to another address and the name follows.
    $moved->stop;
    $moved->set_conf(listen_addresses => '127.0.0.2');
    $moved->start;
    ok !$take->(), 'none come where the database is no more';

    $leads_to->('127.0.0.2');
    wait_until($take, 60, 'numbers are given');
    pass 'they come from where the name leads now';
    is_deeply [ $nginx->worker_pids ], \@pids, '... without a reload';

    $leads_to->(undef);
    $moved->stop;
    wait_until(sub {
        $take->();
        $nginx->error_log
            =~ /could not reserve from shard .*"db\.example".* not known/;
    }, 60, 'the log says that the name leads nowhere');
    pass 'a name that leads nowhere is told in the log';

    summary($pool, @results);
    is_deeply [ $nginx->errors ], [], 'nothing is wrong in the error log';
    return;
}
