# The numbers of a former service: those that it gave out never come again, and
# all others do, once, to the last.

use strict;
use warnings;

use Test::More;

use UniqueRandom::Load     ();
use UniqueRandom::Nginx    ();
use UniqueRandom::Postgres ();

use constant SIZE => 20_000;

my $pg = UniqueRandom::Postgres->new;

# A database whose table has so many of the numbers 1 to SIZE, and what they are.
sub former {
    my ($name, $used) = @_;

    $pg->create_database($name)->apply_schema($name);
    $pg->psql($name, 'CREATE TABLE used_numbers ('
            . 'id serial PRIMARY KEY, number integer NOT NULL UNIQUE)');
    $pg->psql($name, 'INSERT INTO used_numbers (number) SELECT n'
            . " FROM generate_series(1, @{[ SIZE ]}) AS n"
            . " ORDER BY md5(n::text) LIMIT $used");

    return split /\n/, $pg->psql($name, 'SELECT number FROM used_numbers');
}

sub adopt {
    my ($name) = @_;

    $pg->psql($name, "CALL unique_random.adopt_prepare('$name', 1, @{[ SIZE ]},"
            . " 'used_numbers', 'number')");
    return $pg->psql($name, "SELECT * FROM unique_random.adopt('$name', 1,"
            . " @{[ SIZE ]}, 'used_numbers', 'number')");
}

sub nginx {
    my ($name, %arg) = @_;

    return UniqueRandom::Nginx->new(
        workers => 2,
        http    => "unique_random_pool $name { lease max=500;"
            . " connect_timeout 20s; reserve_timeout 20s;"
            . " wait_timeout @{[ $arg{wait} // '5s' ]};"
            . " $arg{pool} shard @{[ $pg->url(db => $name) ]} name=a"
            . " @{[ $arg{range} // 'adopted=1-' . SIZE ]}; }",
    );
}

# All that comes until nothing does.
sub drain {
    my ($nginx, $n) = @_;

    my $load = UniqueRandom::Load->new(
        port        => $nginx->port,
        connections => 16,
        count       => $n,
    )->run;

    return $load;
}

for my $used (0, SIZE / 2, SIZE - 20, SIZE) {
    my $name   = "used_$used";
    my @former = former($name, $used);
    my $unused = SIZE - $used;

    adopt($name);

    my $nginx = nginx($name, pool => '');

    if ($unused > 1000) {
        my $load = drain($nginx, $unused / 2);

        $nginx->reload;

        my $rest = drain($nginx, $unused / 2);

        is_deeply [ map { $_->status } $load, $rest ],
            [ ({ 200 => $unused / 2 }) x 2 ],
            "$used of @{[ SIZE ]} used: all others are given out";
        is_deeply [ sort { $a <=> $b } @former, $load->numbers, $rest->numbers ],
            [ 1 .. SIZE ], '... and each number came once, there or here';
    }
    elsif ($unused) {
        my $load = drain($nginx, $unused);

        is_deeply $load->status, { 200 => $unused },
            "$used of @{[ SIZE ]} used: all others are given out";
        is_deeply [ sort { $a <=> $b } @former, $load->numbers ], [ 1 .. SIZE ],
            '... and each number came once, there or here';
    }

    is $nginx->get('/random')->{status}, 409, "$used used: ... to the last";
    is_deeply [ $nginx->errors(qr/emerg|alert|crit|error/) ], [],
        '... and without an error';
}

# What is configured is not what is there.
{
    former('plain', 0);
    $pg->psql('plain', "SELECT unique_random.add('plain', 1, @{[ SIZE ]})");

    my $nginx = nginx('plain', pool => '', wait => '1s');
    is $nginx->get('/random')->{status}, 503, 'adopted=, of an ordinary range';
    ok $nginx->wait_for_log(qr/was not adopted, configure it with "range="/),
        '... which the log says';
}

{
    former('other', 7);
    adopt('other');

    my $nginx = nginx('other', pool => '', wait => '1s',
        range => 'range=1-' . SIZE);
    is $nginx->get('/random')->{status}, 503, 'range=, of an adopted one';
    ok $nginx->wait_for_log(qr/was adopted, configure it with "adopted="/),
        '... which the log says';
}

{
    former('nothing', 7);

    my $nginx = nginx('nothing', pool => 'bootstrap on;', wait => '1s');
    is $nginx->get('/random')->{status}, 503, 'adopted=, of none';
    ok $nginx->wait_for_log(qr/has to be adopted first/),
        '... which is not made by bootstrap, but told';
}

{
    former('beside', 7);

    my $nginx = nginx('beside', pool => 'bootstrap on;',
        range => 'adopted=1-' . SIZE . ' range=30000-39999');
    is $nginx->get('/random')->{status}, 200, '... nor beside one that is made';
    is $pg->psql('beside', 'SELECT first FROM unique_random.ranges'), 30_000,
        '... alone';
}

done_testing;
