# The domain of a range is fetched by one worker, for all: whoever is killed,
# cut off or stopped meanwhile keeps nobody else from it, and nothing is given
# out before all of it is there.

use strict;
use warnings;

use Test::More;
use Time::HiRes qw( sleep );

use UniqueRandom::Load     ();
use UniqueRandom::Nginx    ();
use UniqueRandom::Postgres ();
use UniqueRandom::Util     qw( tcp_proxy wait_until );

# More than two chunks, nearly all of it used.
use constant {
    SIZE   => 2_500_000,
    UNUSED => 1_000,
};

my $pg = UniqueRandom::Postgres->new;
$pg->create_database('numbers')->apply_schema('numbers');

$pg->psql('numbers', 'CREATE TABLE used_numbers (number integer PRIMARY KEY)');
$pg->psql('numbers', 'INSERT INTO used_numbers'
        . " SELECT n FROM generate_series(1, @{[ SIZE ]}) AS n"
        . " WHERE n % @{[ SIZE / UNUSED ]} <> 0");
$pg->psql('numbers', "SELECT * FROM unique_random.adopt('numbers', 1,"
        . " @{[ SIZE ]}, 'used_numbers', 'number')");

my $proxy = tcp_proxy($pg->port);
my $nginx = UniqueRandom::Nginx->new(
    workers => 2,
    http    => 'unique_random_pool numbers { reserve_timeout 5s;'
        . ' wait_timeout 25s; lease max=50; shard '
        . $pg->url(db => 'numbers', port => $proxy->port)
        . " adopted=1-@{[ SIZE ]}; }",
);

# Each reply takes long enough for something to happen in between.
$proxy->delay(0.2);

my $load = UniqueRandom::Load->new(
    port        => $nginx->port,
    connections => 8,
    count       => 400,
)->start;

for my $round (1 .. 3) {
    sleep 0.5;
    kill KILL => ($nginx->worker_pids)[0];
}

sleep 0.5;
$nginx->reload;
$proxy->delay(0);

my $first = $load->finish;
my $rest  = UniqueRandom::Load->new(
    port        => $nginx->port,
    connections => 8,
    count       => UNUSED,
)->run;

my @numbers = ($first->numbers, $rest->numbers);
my %seen;

is scalar(grep { $_ % (SIZE / UNUSED) } @numbers), 0,
    'workers killed while they fetch: no number of the table comes';
is scalar(grep { $seen{$_}++ } @numbers), 0, '... none comes twice';
cmp_ok scalar(@numbers), '>', UNUSED / 2, '... and most of the others do';
is_deeply [ $nginx->errors(qr/emerg|crit/) ], [], '... without an error';

done_testing;
