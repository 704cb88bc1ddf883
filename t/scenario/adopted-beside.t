# A domain may take long to be fetched, or not come at all: the other ranges of
# its shard are asked meanwhile.

use strict;
use warnings;

use Test::More;

use UniqueRandom::Load     ();
use UniqueRandom::Nginx    ();
use UniqueRandom::Postgres ();
use UniqueRandom::Util     qw( tcp_proxy );

# Twenty chunks, a second for each: longer than anybody waits for a number.
use constant {
    SIZE  => 20_000_000,
    DELAY => 1,
    WAIT  => 12,
};

my $pg = UniqueRandom::Postgres->new;
$pg->create_database('numbers')->apply_schema('numbers');

$pg->psql('numbers', 'CREATE TABLE used_numbers (number integer PRIMARY KEY)');
$pg->psql('numbers', "SELECT * FROM unique_random.adopt('numbers', 1,"
        . " @{[ SIZE ]}, 'used_numbers', 'number')");
$pg->psql('numbers',
    "SELECT unique_random.add('numbers', 30000000, 39999999)");

my $proxy = tcp_proxy($pg->port);

sub pool {
    my (%arg) = @_;

    return 'unique_random_pool numbers { connect_timeout 20s;'
        . " reserve_timeout 8s; wait_timeout @{[ WAIT ]}s; $arg{lease} shard "
        . $pg->url(db => 'numbers', port => $proxy->port)
        . " fail_timeout=1s range=30000000-39999999 $arg{more}; }";
}

my $more = 'adopted=1-' . SIZE;

for my $lease ('lease max=20;', 'lease off;') {
    my $nginx = UniqueRandom::Nginx->new(
        workers => 1,
        http    => pool(lease => $lease, more => ''),
    );

    is $nginx->get('/random')->{status}, 200, "$lease an ordinary range";

    $nginx->configure(http => pool(lease => $lease, more => $more));
    $proxy->delay(DELAY);
    $nginx->reload;

    my $load = UniqueRandom::Load->new(
        port        => $nginx->port,
        connections => 4,
        count       => $lease =~ /off/ ? 24 : 160,
    )->run;

    is_deeply [ keys %{ $load->status } ], [200],
        '... and one that is adopted comes: no request fails';

    ok $nginx->wait_for_log(qr/numbers that were not used before/, 60),
        '... and all of its domain is fetched';

    $proxy->delay(0);
}

done_testing;
