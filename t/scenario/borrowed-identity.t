# PostgreSQL runs functions of somebody else under the name of who maintains a
# table: ANALYZE, REFRESH.  reserve() and give_back() ask who has logged in, and
# are not to be had where that is not who calls.

use strict;
use warnings;

use Test::More;

use UniqueRandom::Caller   ();
use UniqueRandom::Postgres ();

my $pg = UniqueRandom::Postgres->new;

$pg->create_database('numbers')->apply_schema('numbers');
$pg->psql('postgres', 'CREATE ROLE theirs; CREATE ROLE mallory LOGIN;'
    . ' GRANT theirs TO mallory');
$pg->psql('numbers', <<'EOT');
SELECT unique_random.add('ours', 1, 1000);
SELECT unique_random.add('theirs', 1, 1000);
SELECT unique_random.set_role('theirs', 'theirs');
CREATE SCHEMA den AUTHORIZATION mallory;
EOT

sub mallory { return $pg->try_psql('numbers', $_[0], user => 'mallory') }

my $ask = UniqueRandom::Caller->new(pg => $pg, db => 'numbers', pool => 'ours')
    ->statement([ [ 1, 1000, 10, 1 ] ]);

my $theirs = UniqueRandom::Caller->new(pg => $pg, db => 'numbers',
    pool => 'theirs', user => 'mallory');

is $theirs->ask([ 1, 1000, 1 ])->{refusal}, undef, 'one who may use a pool';

my (undef, $out, $err) = mallory($ask);
like $out . $err, qr/"refusal":"missing"/, '... sees nothing of another one';

(undef, undef, $err) = mallory(<<"EOT");
CREATE TABLE den.loot (row json);
CREATE TABLE den.bait (x integer);
CREATE FUNCTION den.take() RETURNS void LANGUAGE plpgsql AS \$f\$
BEGIN
    INSERT INTO den.loot $ask;
END
\$f\$;
CREATE FUNCTION den.index(x integer) RETURNS integer IMMUTABLE LANGUAGE plpgsql
AS \$f\$
BEGIN
    IF session_user <> 'mallory' THEN
        PERFORM den.take();
    END IF;

    RETURN x;
END
\$f\$;
CREATE INDEX ON den.bait (den.index(x));
INSERT INTO den.bait SELECT generate_series(1, 100);
CREATE MATERIALIZED VIEW den.view AS $ask WITH NO DATA;
EOT
is $err, '', 'a trap is set';

for my $sql ('ANALYZE den.bait', 'REINDEX TABLE den.bait',
    'REFRESH MATERIALIZED VIEW den.view')
{
    my (undef, undef, $refused) = $pg->try_psql('numbers', $sql);
    like $refused, qr/security-restricted operation/,
        "$sql by a superuser is refused what it asks for";
}

is $pg->psql('numbers', 'SELECT count(*) FROM den.loot'), 0,
    'nothing was taken';
is $pg->psql('numbers',
    "SELECT reserved FROM unique_random.ranges WHERE pool = 'ours'"), 0,
    '... of this pool';

done_testing;
