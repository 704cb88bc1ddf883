# Many numbers for who waits behind one that cannot be served, and whose time is
# up with it: it is tried before it is refused.

use strict;
use warnings;

use Test::More;

use UniqueRandom::Bulk     ();
use UniqueRandom::Nginx    ();
use UniqueRandom::Postgres ();
use UniqueRandom::Util     qw( tcp_proxy tmp_dir write_file );

my ($pg0) = UniqueRandom::Postgres->new_shard(0, 1000);
my ($pg1) = UniqueRandom::Postgres->new_shard(1, 1000);

my $proxy = tcp_proxy($pg1->port);
my $root  = tmp_dir() . '/root';
mkdir $root;

# Both begin in the same millisecond.
write_file("$root/page.html", join '|', map {
    "<!--# include virtual=\"/random?count=$_\" -->"
} 1500, 10);

my $nginx = UniqueRandom::Nginx->new(
    http => 'unique_random_pool numbers { wait_timeout 5s; reserve_timeout 20s;'
        . ' connect_timeout 20s;'
        . ' shard ' . $pg0->url(db => 'numbers') . ' range=1-1000;'
        . ' shard ' . $pg1->url(db => 'numbers', port => $proxy->port)
        . ' range=1001-2000; }',
    server => "ssi on; root $root; unique_random_max_count 5000;"
        . 'location /random { unique_random; }'
        . 'location /page { }'
        . 'location /status { unique_random_status json; }',
);

my $bulk = UniqueRandom::Bulk->new($nginx);

is @{ $bulk->take('/random', 2) // [] }, 2, 'both shards are there';

$proxy->hang;

my ($many, $few) = split /\|/, $nginx->get('/page.html')->{content};

like $many, qr/1500 numbers could not be reserved in time/, 'one hangs: many';
is @{ $bulk->count($few) // [] }, 10, '... and those behind, who are served';

done_testing;
