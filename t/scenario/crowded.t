# More workers than the table in a zone has entries: those that find none count
# by themselves, and the account closes once they have left.

use strict;
use warnings;

use JSON::PP    qw( decode_json );
use List::Util  qw( sum0 );
use Test::More;

use UniqueRandom::Load     ();
use UniqueRandom::Nginx    ();
use UniqueRandom::Postgres ();

use constant WORKERS => 256 + 64;

my ($pg, $shard) = UniqueRandom::Postgres->new_shard(0, 1_000_000);

# each gets its part of the connections
my $nginx = UniqueRandom::Nginx->new(
    workers => WORKERS,
    listen  => 'reuseport',
    events  => 'worker_connections 32;',
    http    => "unique_random_pool numbers { lease min=1000;"
        . " connect_timeout 60s; reserve_timeout 60s; wait_timeout 120s;"
        . " shard $shard; }",
    server  => 'location /random { unique_random; }'
        . ' location /status { unique_random_status json; }',
);

$nginx->wait_for_log(qr/more than 256 workers/, 30);

my $result = UniqueRandom::Load->new(
    port => $nginx->port, connections => 256, count => 4096,
    timeout => 120)->run;

is $result->numbers, 4096, 'numbers, with more workers than entries';

$nginx->configure(workers => 1);
$nginx->reload(timeout => 60);

my $pool  = decode_json($nginx->get('/status')->{content})->{pools}[0];
my $range = $pool->{ranges}[0];

is $range->{issued}, 4096, 'once they have left, all are counted as issued';
is $pool->{requests}{leased} + $pool->{requests}{waited}, 4096,
    '... and as requested';
is sum0(@$range{qw( issued leased batched given_back )},
    values %{ $range->{burned} }), $range->{granted}, '... the account closes'
    or diag explain $range;

done_testing;
