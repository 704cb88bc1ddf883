# A standby may be behind the adoption: it is passed over for the primary, and
# nothing is wrong with the range.

use strict;
use warnings;

use Test::More;

use UniqueRandom::Nginx    ();
use UniqueRandom::Postgres ();

my $pg = UniqueRandom::Postgres->new;
$pg->create_database('numbers')->apply_schema('numbers');

my $standby = $pg->standby;
$standby->psql('numbers', 'SELECT pg_wal_replay_pause()');

$pg->psql('numbers', 'CREATE TABLE used_numbers (number integer PRIMARY KEY)');
$pg->psql('numbers', "SELECT * FROM unique_random.adopt('numbers', 1, 20000,"
        . " 'used_numbers', 'number')");

my $nginx = UniqueRandom::Nginx->new(
    workers => 1,
    http    => 'unique_random_pool numbers { shard '
        . $pg->url(
        db    => 'numbers',
        hosts => [ map { '127.0.0.1:' . $_->port } $standby, $pg ],
        )
        . ' adopted=1-20000; connect_timeout 60s; reserve_timeout 60s;'
        . ' wait_timeout 25s; }',
);

is $nginx->get('/random')->{status}, 200,
    'a standby does not have the range yet: the primary is asked';
is_deeply [ $nginx->errors(qr/emerg|alert|crit|error/) ], [],
    '... and without an error';

done_testing;
