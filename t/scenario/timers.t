# A timer means what it was set to last.  nginx would leave one as it is if its
# new time is within 300 ms of the old one.

use strict;
use warnings;

use Test::More;

use UniqueRandom::Load     ();
use UniqueRandom::Nginx    ();
use UniqueRandom::Postgres ();
use UniqueRandom::Util     qw( read_file tcp_proxy tmp_dir );

use constant COUNT => 24;

my $pg = UniqueRandom::Postgres->new;
$pg->create_database('numbers')->apply_schema('numbers');
$pg->psql('numbers', "SELECT unique_random.add('$_', 1, 1000)")
    for qw( idle wait );

my $proxy = tcp_proxy($pg->port);
my $log   = tmp_dir() . '/waits.log';
my $shard = 'shard ' . $pg->url(db => 'numbers', port => $proxy->port)
    . ' range=1-1000 max_fails=0;';

# Requests reach the module one by one, 345 ms apart.
my $nginx = UniqueRandom::Nginx->new(
    http => <<"EOT",
limit_req_zone \$server_port zone=paced:1m rate=174r/m;
log_format waits \$unique_random_wait;
unique_random_pool idle {
    lease off;
    connect_timeout 60s;
    reserve_timeout 290ms;
    idle_timeout 300ms;
    $shard
}
unique_random_pool wait {
    lease off;
    connect_timeout 60s;
    reserve_timeout 60s;
    wait_timeout 260ms;
    $shard
}
EOT
    server => 'limit_req zone=paced burst=100;'
        . 'location = /idle { unique_random idle; }'
        . "location = /wait { unique_random wait; access_log $log waits; }",
);

sub take {
    my ($path) = @_;

    my $result = UniqueRandom::Load->new(
        port        => $nginx->port,
        path        => $path,
        connections => COUNT,
        count       => COUNT,
    )->run;

    is $result->failed, 0, 'every request has an answer';
    return $result;
}

# When the next reservation is sent, the connection would be idle for no more
# than 45 ms, which is less than the reply takes.  That is well within its own
# timeout, so that one late reply is the machine's, but no more.
subtest 'a reservation after an idle time' => sub {
    $proxy->delay(0.09);

    my $result   = take('/idle');
    my $reserved = $pg->psql('numbers',
        "SELECT reserved FROM unique_random.ranges WHERE pool = 'idle'");

    is $result->status(200), COUNT, 'everybody gets a number';
    is $result->duplicates, 0, 'none comes twice';
    cmp_ok $reserved - COUNT, '<=', 1, 'none is burned';
    note $reserved - COUNT, ' burned';
};

# Another range would be asked after 250 ms, if there was one.
subtest 'a request that waits' => sub {
    $proxy->hang;

    is_deeply take('/wait')->status, { 503 => COUNT }, 'everybody is refused';

    my @waits = split /\n/, read_file($log);
    is @waits, COUNT, 'all are logged';
    is scalar(grep { $_ < 0.26 } @waits), 0, 'nobody before the time is up';
    cmp_ok scalar(grep { $_ >= 0.5 } @waits), '<=', 1, 'nor long after that';
};

is_deeply [ $nginx->errors ], [], 'nothing is wrong in the error log';

done_testing;
