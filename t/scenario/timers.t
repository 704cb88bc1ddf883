# A timer means what it was set to last.  nginx would leave one as it is if its
# new time is within 300 ms of the old one.

use strict;
use warnings;

use Test::More;

use UniqueRandom::Load     ();
use UniqueRandom::Nginx    ();
use UniqueRandom::Postgres ();
use UniqueRandom::Util     qw( read_file tcp_proxy tmp_dir wait_until );

use constant {
    COUNT  => 24,
    ROUNDS => 10,

    # of a round, by the machine; a fault makes six of them late, or more
    FEW => 3,
};

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

sub reserved {
    return $pg->psql('numbers',
        "SELECT reserved FROM unique_random.ranges WHERE pool = 'idle'");
}

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

# A few late timers are the machine's; if there are more, the next round tells:
# those that are wrong are so in all of them.
sub late {
    my ($round) = @_;

    my $late;

    for (1 .. ROUNDS) {
        $late = $round->();
        last if $late <= FEW;
    }

    return $late;
}

# When the next reservation is sent, the connection would be idle for no more
# than 45 ms, which is less than the reply takes.  That is well within its own
# timeout.
subtest 'a reservation after an idle time' => sub {
    $proxy->delay(0.09);

    my $burned = late(sub {
        my $reserved = reserved();
        my $result   = take('/idle');

        is $result->duplicates, 0, 'none comes twice';

        my $burned = reserved() - $reserved - $result->status(200);
        note "$burned burned, ", $result->status(503), ' refused';
        return $burned + $result->status(503);
    });

    cmp_ok $burned, '<=', FEW, 'hardly any is burned, or refused';
};

# Another range would be asked after 250 ms, if there was one.
subtest 'a request that waits' => sub {
    $proxy->hang;

    my $seen = 0;

    my $late = late(sub {
        is_deeply take('/wait')->status, { 503 => COUNT },
            'everybody is refused';

        # Which may come after the answers.
        my @waits;

        ok eval {
            wait_until(sub {
                @waits = read_file($log) =~ /^(.*)\n/mg;
                return @waits >= $seen + COUNT;
            }, 20, 'all are logged');
        }, 'all are logged';

        splice @waits, 0, $seen;
        $seen += @waits;

        is scalar(grep { $_ < 0.26 } @waits), 0,
            'nobody before the time is up';
        return scalar grep { $_ >= 0.5 } @waits;
    });

    cmp_ok $late, '<=', FEW, 'hardly anybody long after that';
};

is_deeply [ $nginx->errors ], [], 'nothing is wrong in the error log';

done_testing;
