# Which ranges many numbers are from: of each by what it has left, however few
# are asked for, or many ranges there are; and what no lease has room for is not
# asked for.

use strict;
use warnings;

use Test::More;

use UniqueRandom::Bulk     ();
use UniqueRandom::Nginx    ();
use UniqueRandom::Postgres ();
use UniqueRandom::Util     qw( wait_until );

use constant {
    RANGES => 500,
    OF     => 200,
};

my $pg = UniqueRandom::Postgres->new(name => 'shard');

$pg->create_database('numbers')->apply_schema('numbers');

my $url = $pg->url(db => 'numbers');

sub add {
    my ($pool, $first, $last) = @_;

    $pg->psql('numbers', "SELECT unique_random.add('$pool', $first, $last)");
    return "range=$first-$last";
}

my $uneven = join ' ', add('uneven', 1, 20), add('uneven', 21, 1_000_020);
my $spread = join ' ', add('spread', 1, 300_000);
my $drained = 'shard ' . $pg->url(db => 'numbers', port => $pg->port)
    . ' name=a ' . add('drained', 1, 1000);
my $kept = "shard $url name=b " . add('drained', 1001, 2000);

$pg->psql('numbers', "SELECT unique_random.add('many', i * @{[ OF ]} + 1,"
        . " (i + 1) * @{[ OF ]}) FROM generate_series(0, @{[ RANGES - 1 ]}) i");

my $full = 'shard ' . $pg->url(db => 'numbers', port => $pg->port)
    . ' name=a ' . add('full', 1, 10_000) . "; shard $url name=b "
    . add('full', 10_001, 40_000);

my $many = join ' ', map { 'range=' . ($_ * OF + 1) . '-' . ($_ + 1) * OF }
    0 .. RANGES - 1;

# A database that is slow for a moment is waited for, longer than two hundred
# reservations may take on a slow disk; who waits in vain does so for less.
my $patient = 'connect_timeout 20s; reserve_timeout 20s;';
my $whole   = "unique_random_pool full { $patient wait_timeout 8s; $full";

my $http = "unique_random_pool uneven { $patient wait_timeout 25s;"
    . " shard $url $uneven; }"
    . "unique_random_pool many { $patient wait_timeout 25s; zone 2m;"
    . " shard $url $many; }"
    . "unique_random_pool spread { $patient wait_timeout 25s; lease max=100;"
    . " shard $url $spread; }"
    . "unique_random_pool drained { $patient wait_timeout 8s;";

my $server = 'unique_random_max_count 1000000;'
    . (join '', map {"location /$_ { unique_random $_; }"}
        qw( uneven many spread drained full ))
    . 'location /slowly { unique_random full; limit_rate 1k; }'
    . 'location /status { unique_random_status json; }';

my $nginx = UniqueRandom::Nginx->new(
    http   => "$whole; } $http $drained; $kept; }",
    server => $server,
);

my $bulk = UniqueRandom::Bulk->new($nginx);

sub in_vain { return $_[0] =~ s/wait_timeout \K8s/1s/gr }

# One of fifty thousand is in the small range.
{
    my @numbers = map { @{ $bulk->take('/uneven', 1 + $_ % 3) // [] } } 1 .. 99,
        1;
    my $small   = grep { $_ <= 20 } @numbers;

    is @numbers, 200, 'few at a time';
    cmp_ok $small, '<=', 2, "... are rarely from a small range: $small";

    my $rest = $bulk->take('/uneven', 900_000);
    $small = grep { $_ <= 20 } @$rest;
    cmp_ok abs($small - 18), '<=', 2, "... but many are, as they should: $small";
}

# More ranges than there are numbers, and each of them to the last one.
{
    my $seen   = UniqueRandom::Bulk->new($nginx);

    wait_until(sub {
        $seen->take('/many', 1);
        return !grep { !$_->{granted} } $seen->ranges('many');
    }, 20, 'all ranges are known');

    my $few    = $seen->take('/many', 100) // [];
    my %ranges = map { int(($_ - 1) / OF) => 1 } @$few;
    is keys %ranges, 100, 'a hundred of 500 ranges';

    my %count;
    $count{ int(($_ - 1) / OF) }++ for @{ $seen->take('/many', 5000) // [] };
    my @counts = sort { $a <=> $b } values %count;
    is @counts, RANGES, 'ten times as many: from each';
    cmp_ok $counts[-1] - $counts[0], '<=', 3,
        "... alike, $counts[0] to $counts[-1]";

    my ($status) = $seen->drain('/many', 20_000);
    is $status, 409, '... to the last one';
    is $seen->numbers, RANGES * OF, '... all of them';
    is $seen->repeated, 0, '... once';
    is_deeply $seen->account('many'), [], '... and the account closes';
}

# Many reservations for one answer, and two nginx whose leases do not join, so
# that no zone has place for as many.
{
    my $seen = UniqueRandom::Bulk->new($nginx);

    is @{ $seen->take('/spread', 20_000) // [] }, 20_000,
        'two hundred leases for one answer';

    my $other = UniqueRandom::Nginx->new(
        http   => "$whole; } $http $drained; $kept; }",
        server => $server,
    );
    my $others  = UniqueRandom::Bulk->new($other);
    my @clients = map { $_->client('GET /spread?count=30000 HTTP/1.1') }
        $seen, $others;

    my @status = map { $_->status } @clients;
    like "@status", qr/\A(?:200|503) (?:200|503)\z/, "at once: @status";
    $seen->count($clients[$_]->rest) for grep { $status[$_] == 200 } 0, 1;

    is $_->burned('spread'), 0, '... with nothing burned' for $seen, $others;

    for ($seen, $others) {
        my $few = $_->take('/spread', 500) // [];
        is @$few, 500, '... and fewer are there';
        $seen->count('{"numbers":[' . join(',', @$few) . ']}') if $_ != $seen;
    }

    is $seen->repeated, 0, '... none came twice';
    is_deeply $_->account('spread'), [], '... the account closes'
        for $seen, $others;
    $other->stop;
}

# What a drained shard has left is not used up.
{
    is @{ $bulk->take('/drained', 100) // [] }, 100, 'two shards';

    my $drain = "$whole; } $http $drained drain; $kept; }";

    $nginx->configure(http => in_vain($drain));
    $nginx->reload;

    is $nginx->get('/drained?count=1900')->{status}, 503,
        'one is drained: what it has left is no reason for 409';

    $nginx->configure(http => $drain);
    $nginx->reload;
    is @{ $bulk->take('/drained', 500) // [] }, 500, '... fewer are there';
}

# Nor is what a shard that is down has leased, though no more can be reserved.
{
    my $others = "$http $drained; $kept; }";
    my $seen   = UniqueRandom::Bulk->new($nginx);

    $nginx->configure(http => "$others $whole; }");
    $nginx->reload;

    my $client = $seen->client('GET /slowly?count=40000 HTTP/1.1');
    is $client->status, 200, 'all are leased';
    $client->close;
    is_deeply $seen->account('full'), [], '... and most are put back';

    $nginx->configure(http => "$others $whole down; }");
    $nginx->reload;

    my ($up, $down) = map { $_->{leased} } $seen->ranges('full');
    cmp_ok $down, '>', 1000, 'one is down, with leases';
    is @{ $seen->take('/full', $up) // [] }, $up, '... all of the others';

    $nginx->configure(http => in_vain("$others $whole down; }"));
    $nginx->reload;

    is $nginx->get("/full$_")->{status}, 503, "... then it is no 409: /full$_"
        for '', '?count=2';

    $nginx->configure(http => "$others $whole; }");
    $nginx->reload;

    is @{ $seen->take('/full', $down) // [] }, $down, '... they are kept';
    is $nginx->get('/full')->{status}, 409, '... and all are used then';
    is $seen->repeated, 0, '... once';
}

is_deeply [ $nginx->errors ], [], 'nothing was an error';

done_testing;
