# A server that is there and will not: no connection to spare, writes refused,
# no right to connect, to see, or to reserve.  The log says why, the other
# shard serves, and it is over as soon as the server's mind has changed.

use strict;
use warnings;

use lib 't/lib';

use Test::More;

use UniqueRandom::Load;
use UniqueRandom::Nginx;
use UniqueRandom::Postgres;
use UniqueRandom::Util qw( wait_until );

use constant RANGE => 1_000_000;

my $pg = UniqueRandom::Postgres->new;
$pg->psql('postgres', 'CREATE ROLE nginx LOGIN');

for my $db (qw( numbers0 numbers1 )) {
    $pg->create_database($db)->apply_schema($db);
    $pg->psql($db, 'GRANT unique_random TO nginx');
    $pg->psql($db, 'REVOKE CONNECT ON DATABASE ' . $db . ' FROM PUBLIC;'
        . " GRANT CONNECT ON DATABASE $db TO nginx");

    my $first = $db =~ /0/ ? 1 : RANGE + 1;
    $pg->psql($db, "SELECT unique_random.add('numbers', $first, "
        . ($first + RANGE - 1) . ')');
}

# With a role each: what is refused to one is refused to one shard.
my @shards = map {
    my $first = $_ ? RANGE + 1 : 1;
    'shard ' . $pg->url(db => "numbers$_", user => $_ ? 'postgres' : 'nginx')
        . " range=$first-@{[ $first + RANGE - 1 ]} max_fails=1 fail_timeout=1s;";
} 0, 1;

# Small leases and no idle connections: each refusal is noticed soon.
my $nginx = UniqueRandom::Nginx->new(
    http => "unique_random_pool numbers { lease min=1 max=4; idle_timeout 10ms;"
        . ' connect_timeout 30s; reserve_timeout 30s; wait_timeout 60s;'
        . " @shards }",
);

my @results;

# Takes numbers until $n are of the first shard, or 2,000 in all.
sub take {
    my ($n) = @_;

    my $of_first = 0;

    for (1 .. 20) {
        my $result = UniqueRandom::Load->new(
            port => $nginx->port, connections => 4, processes => 1,
            count => 100, timeout => 60,
        )->run;

        push @results, $result;
        $of_first += grep { $_ <= RANGE } $result->numbers;
        last if $of_first >= $n;
    }

    return $of_first;
}

wait_until(sub { take(10) >= 10 }, 30, 'both shards serve');

for (
    [ 'no connection for the role',
        'ALTER ROLE nginx CONNECTION LIMIT 0', 'ALTER ROLE nginx CONNECTION LIMIT -1',
        qr/too many connections for role "nginx"/ ],
    [ 'no connection to the database',
        'ALTER DATABASE numbers0 CONNECTION LIMIT 0',
        'ALTER DATABASE numbers0 CONNECTION LIMIT -1',
        qr/too many connections for database "numbers0"/ ],
    [ 'a role that may not log in',
        'ALTER ROLE nginx NOLOGIN', 'ALTER ROLE nginx LOGIN',
        qr/role "nginx" is not permitted to log in/ ],
    [ 'no right to connect',
        'REVOKE CONNECT ON DATABASE numbers0 FROM nginx',
        'GRANT CONNECT ON DATABASE numbers0 TO nginx',
        qr/permission denied for database "numbers0"/ ],
    [ 'read-only by default',
        'ALTER DATABASE numbers0 SET default_transaction_read_only = on',
        'ALTER DATABASE numbers0 RESET default_transaction_read_only',
        qr/it does not accept writes/ ],
    [ 'no right to the schema',
        'REVOKE USAGE ON SCHEMA unique_random FROM unique_random',
        'GRANT USAGE ON SCHEMA unique_random TO unique_random',
        qr/permission denied for schema unique_random/ ],
    [ 'no right to reserve',
        'REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA unique_random'
            . ' FROM unique_random',
        "SELECT unique_random.grant_to('unique_random')",
        qr/permission denied for function reserve/ ],
    )
{
    my ($what, $refuse, $allow, $reason) = @$_;

    my $where = $refuse =~ /SCHEMA/ ? 'numbers0' : 'postgres';
    my $seen = () = $nginx->error_log =~ /it is unavailable for now: .*$reason/g;

    $pg->psql($where, $refuse);
    wait_until(
        sub {
            take(1000);
            my $now = () = $nginx->error_log
                =~ /\[error\].*shard "\S+\/numbers0", it is unavailable for now: .*$reason/g;
            return $now > $seen;
        },
        30, "the reason: $what",
    );
    pass "$what: the log says so";

    $pg->psql($where, $allow);
    wait_until(sub { take(20) >= 20 }, 30, 'its end');
    pass '... and it is over when it is over';
}

my $all = UniqueRandom::Load->merge(@results);

note sprintf '%d attempts, %d acknowledged, %d failed, %d duplicates',
    $all->attempts, $all->status(200), $all->failed, scalar $all->duplicates;

is $all->status(200), $all->attempts, 'the other shard serves: no request fails';
is $all->duplicates, 0, 'no number comes twice';
is_deeply [ $nginx->errors(qr/emerg|alert|crit/) ], [], 'no alert';

done_testing;
