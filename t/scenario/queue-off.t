# With "queue 0" nobody waits: a request that finds no number has the database
# asked for those who come after it, and is answered at once.  It asks as one
# that waits does: another shard while the first one hangs, and it is told the
# truth about a pool that is used up.

use strict;
use warnings;

use Test::More;

use UniqueRandom::Load     ();
use UniqueRandom::Nginx    ();
use UniqueRandom::Postgres ();
use UniqueRandom::Util     qw( tcp_proxy wait_until );

use constant {
    SIZE  => 10_000,
    TINY  => 10,
    TRIES => 5,
};

my $pg = UniqueRandom::Postgres->new;
$pg->create_database($_)->apply_schema($_) for qw( hangs serves tiny );

my ($next, $last) = (SIZE + 1, 2 * SIZE);

$pg->psql('hangs',  "SELECT unique_random.add('two', 1, @{[ SIZE ]})");
$pg->psql('serves', "SELECT unique_random.add('two', $next, $last)");
$pg->psql('tiny',   "SELECT unique_random.add('one', 1, @{[ TINY ]})");

my $proxy = tcp_proxy($pg->port);
my $hangs = $pg->url(db => 'hangs', port => $proxy->port);

# What hangs does so until this test has ended.  With "lease off" each number
# has to be asked for.
my $nginx = UniqueRandom::Nginx->new(
    http => <<"EOT",
unique_random_pool two {
    queue 0;
    lease off;
    connect_timeout 30s;
    reserve_timeout 300s;
    shard $hangs range=1-@{[ SIZE ]};
    shard @{[ $pg->url(db => 'serves') ]} range=$next-$last;
}
unique_random_pool one {
    queue 0;
    connect_timeout 30s;
    reserve_timeout 300s;
    shard @{[ $pg->url(db => 'tiny') ]} range=1-@{[ TINY ]};
}
EOT
    server => 'location = /two { unique_random two; }'
        . 'location = /one { unique_random one; }',
);

my %results;

# One request, as a client that tries again makes it.
sub ask {
    my ($pool) = @_;

    my $result = UniqueRandom::Load->new(
        port        => $nginx->port,
        path        => "/$pool",
        connections => 1,
        processes   => 1,
        count       => 1,
    )->run;

    push @{ $results{$pool} }, $result;
    return $result;
}

sub result { return UniqueRandom::Load->merge(@{ $results{ $_[0] } }) }

for my $first (1, $next) {
    wait_until(
        sub {
            grep { $_ >= $first && $_ < $first + SIZE } ask('two')->numbers;
        },
        20, "a number of the range that begins with $first",
    );
}

pass 'with "queue 0", both shards give numbers';

my $sent = $proxy->sent;
$proxy->mute;
wait_until(sub { ask('two'); $proxy->sent > $sent }, 20,
    'one of them is asked and hangs');

for my $i (1 .. TRIES) {
    ok eval {
        wait_until(
            sub { grep { $_ >= $next } ask('two')->numbers },
            30, 'the other one gives a number',
        );
    }, "... while one hangs the other gives number $i" or diag($@), last;
}

is scalar result('two')->duplicates, 0, '... none came twice';
is result('two')->failed, 0, '... every request has an answer';

ok eval { wait_until(sub { ask('one')->status(409) }, 30, 'it says 409') },
    'a pool that is used up says so' or diag $@;
is scalar result('one')->missing(1, TINY), 0, '... when all was given';
is scalar result('one')->duplicates, 0, '... and once';

done_testing;
