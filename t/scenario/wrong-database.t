# An nginx that is pointed at another one's database stops by itself, and for
# nobody else; and a name with a typo is told of, not made a second pool.

use strict;
use warnings;

use Test::More;

use UniqueRandom::Load     ();
use UniqueRandom::Nginx    ();
use UniqueRandom::Postgres ();
use UniqueRandom::Util     qw( wait_until );

use constant SIZE => 5000;

my $pg = UniqueRandom::Postgres->new;

for my $db (qw( production staging )) {
    $pg->create_database($db)->apply_schema($db);
    $pg->psql($db, "SELECT unique_random.add('numbers', 1, @{[ SIZE ]})");
}

sub conf {
    my ($db, %arg) = @_;

    my $pool = $arg{pool} // 'numbers';
    my $wait = $arg{wait} // '25s';
    return "unique_random_pool $pool { lease min=4 max=8; wait_timeout $wait;"
        . ' connect_timeout 30s; reserve_timeout 30s;'
        . ($arg{more} // '') . ' shard ' . $pg->url(db => $db) . ' range=1-'
        . SIZE . ' max_fails=0 fail_timeout=200ms; }';
}

sub nginx {
    my (@arg) = @_;

    return UniqueRandom::Nginx->new(workers => 2, http => conf(@arg));
}

sub take {
    my ($nginx, $count) = @_;

    return UniqueRandom::Load->new(port => $nginx->port, count => $count,
        processes => 1)->run;
}

my ($production, $staging) = map { nginx($_) } qw( production staging );
my @results = take($production, 100);
is $results[0]->status(200), 100, 'one nginx has its database';
is take($staging, 100)->status(200), 100, '... and so has another';

# The other one remembers more of its own range than there is of this one.
take($staging, 2000);
$staging->configure(http => conf('production', wait => '500ms'));
$staging->reload;

wait_until(sub { take($staging, 10)->status(503) }, 30,
    'no number of the wrong database');
$staging->wait_for_log(
    qr/\[alert\].*range 1-5000 .* is fenced: the key has changed;/, 30);
pass 'the other one, pointed at this database, stops';

for (1 .. 20) {
    push @results, take($production, 100);
    take($staging, 1);
}

my $all = UniqueRandom::Load->merge(@results);
is $all->status(200), $all->attempts, 'the one goes on';
is scalar $all->duplicates, 0, '... without a repeat';
is $pg->psql('production', 'SELECT fenced FROM unique_random.ranges'), '',
    '... its range is not touched';
is_deeply [ $production->errors ], [], '... and it has no alert';

$staging->configure(http => conf('staging'));
$staging->reload;
wait_until(sub { take($staging, 1)->status(200) }, 30,
    'the other one goes on, too');
pass 'the other one goes on where it belongs';

# A name with a typo.
{
    my $nginx = nginx('production', pool => 'numbrs', wait => '500ms');
    take($nginx, 1);
    $nginx->wait_for_log(
        qr/range 1-5000 is missing or not visible in shard .*: pool "numbers" has it;/,
        30);
    pass 'a name with a typo: the log says which pool is there';

    my $eager = nginx('production', pool => 'numbrs', wait => '500ms',
        more => 'bootstrap on;');
    take($eager, 1);
    $eager->wait_for_log(
        qr/pool "numbrs" is not made, since pool "numbers" has numbers of 1-5000 already/,
        30);
    pass '... and "bootstrap on" does not make another one';
    is $pg->psql('production', 'SELECT count(*) FROM unique_random.ranges'), 1,
        '... in this database';

    my (undef, undef, $err) = $pg->try_psql('production',
        "SELECT unique_random.bootstrap('numbrs', '{1,6001}', '{5000,7000}',"
            . " others => '{numbrs}')");
    like $err, qr/HINT: .*numbers of its own, .* run SELECT unique_random\.add\('numbrs', 1, 5000\); SELECT unique_random\.add\('numbrs', 6001, 7000\);/,
        '... whoever means it is told what to run';
    is $pg->psql('production',
        "SELECT unique_random.bootstrap('others', '{6001}', '{7000}')"), 't',
        'numbers that nobody has are made';
}

done_testing;
