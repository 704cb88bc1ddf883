# A row that was made anew as a range of another kind, or with another domain,
# is another range: what was leased of the former one is given out no more.

use strict;
use warnings;

use Test::More;
use Time::HiRes qw( sleep time );

use UniqueRandom::Nginx    ();
use UniqueRandom::Postgres ();
use UniqueRandom::Util     qw( wait_until );

use constant SIZE => 20_000;

# A database that is slow for a moment is asked on.
my $patient = 'connect_timeout 20s; reserve_timeout 20s;';

my $pg = UniqueRandom::Postgres->new;

sub adopt {
    my ($name, $used) = @_;

    $pg->psql($name, 'DROP TABLE IF EXISTS used_numbers;'
            . ' CREATE TABLE used_numbers (number integer PRIMARY KEY);'
            . " INSERT INTO used_numbers SELECT generate_series(1, $used)");

    return $pg->psql($name, "SELECT * FROM unique_random.adopt('$name', 1,"
            . " @{[ SIZE ]}, 'used_numbers', 'number')");
}

sub plain {
    my ($name) = @_;

    return $pg->psql($name,
        "SELECT unique_random.add('$name', 1, @{[ SIZE ]})");
}

# The first number, however long that takes.
sub first_of {
    my ($nginx, $what) = @_;

    return ok eval {
        wait_until(sub { $nginx->get('/random')->{status} == 200 }, 20, $what);
    }, $what;
}

my %kinds = (
    'an ordinary range'  => [ range => sub { plain($_[0]) } ],
    'an adopted one'     => [ adopted => sub { adopt($_[0], SIZE / 2) } ],
    'one with more left' => [ adopted => sub { adopt($_[0], 10) } ],
);

# What it was, and what it becomes.
my @changes = (
    [ 'an ordinary range', 'an adopted one' ],
    [ 'an adopted one', 'an ordinary range' ],
    [ 'an adopted one', 'one with more left' ],
);

for my $i (0 .. $#changes) {
    my ($from, $to) = @{ $changes[$i] };
    my ($parameter, $make) = @{ $kinds{$from} };
    my $name = "remade$i";

    $pg->create_database($name)->apply_schema($name);
    $make->($name);

    my $nginx = UniqueRandom::Nginx->new(
        workers => 1,
        http    => "unique_random_pool $name { $patient wait_timeout 500ms;"
            . ' lease min=100 max=100; shard '
            . $pg->url(db => $name)
            . " name=a fail_timeout=1s $parameter=1-@{[ SIZE ]}; }",
    );

    first_of($nginx, "$from becomes $to");

    $pg->psql($name, 'DELETE FROM unique_random.ranges;'
            . ' DELETE FROM unique_random.domains');
    $kinds{$to}->[1]->($name);
    $pg->psql($name, 'UPDATE unique_random.ranges'
            . ' SET reserved = least(15000, coalesce(size, 15000)),'
            . ' writer = pg_current_xact_id()');

    # It is asked again after 50, and may take a moment to say so.
    my $n = 0;
    while ($n < 300 && $nginx->get('/random')->{status} == 200) {
        sleep 0.2 if ++$n > 45;
    }

    cmp_ok $n, '<', 80, '... and as soon as that is seen nothing more comes';
    ok $nginx->wait_for_log(qr/is fenced/), '... which the log says';
    is scalar(() = $nginx->error_log =~ /unavailable for now/g), 0,
        '... of the range, not of the shard';
}

# Its key alone would make one of all numbers, those of the table, too.
{
    $pg->create_database('gone')->apply_schema('gone');
    adopt('gone', 10);

    my $nginx = UniqueRandom::Nginx->new(
        http => "unique_random_pool gone { $patient wait_timeout 500ms;"
            . ' lease min=10 max=10; shard '
            . $pg->url(db => 'gone')
            . " fail_timeout=1s adopted=1-@{[ SIZE ]}; }",
    );

    first_of($nginx, 'the row of an adopted one');
    $pg->psql('gone', 'DELETE FROM unique_random.ranges');
    1 while $nginx->get('/random')->{status} == 200;

    ok $nginx->wait_for_log(
        qr/is fenced: the range is not what it was.*add\('gone', 1, @{[ SIZE ]}, key => \.\.\., reserved => \d+, domain => \.\.\.\);/),
        '... is gone: what makes it again names its domain';
}

# Where the domain has to be fetched anew, that of another range is no use, but
# nor is it fetched again and again.
{
    $pg->create_database('away')->apply_schema('away');
    $pg->psql('away', "SELECT unique_random.add('away', 30000, 39999)");
    adopt('away', 10);

    my $pool = sub {
        return "unique_random_pool away { $patient wait_timeout 20s;"
            . ' lease min=100 max=100; shard '
            . $pg->url(db => 'away')
            . " fail_timeout=200ms range=30000-39999 $_[0]; }";
    };
    my $adopted = 'adopted=1-' . SIZE;

    my $nginx = UniqueRandom::Nginx->new(
        workers => 2,
        http    => $pool->($adopted),
    );
    $nginx->get('/random') for 1 .. 20;

    $nginx->configure(http => $pool->(''));
    $nginx->reload;

    $pg->psql('away', 'DELETE FROM unique_random.ranges WHERE first = 1;'
            . ' DELETE FROM unique_random.domains');
    adopt('away', SIZE / 2);

    $nginx->configure(http => $pool->($adopted));
    $nginx->reload;

    my $end = time + 5;
    my %status;
    wait_until(sub {
        $status{ $nginx->get('/random')->{status} }++ for 1 .. 10;
        return time > $end && $nginx->error_log =~ /is fenced/;
    }, 20, 'that is seen');

    is_deeply [ keys %status ], [200],
        'made anew while it was not configured: the others serve';
    is scalar(() = $nginx->error_log =~ /numbers that were not used/g), 2,
        '... and its new domain is fetched once';
    is scalar(() = $nginx->error_log =~ /is fenced/g), 1,
        '... and it is fenced';
}

done_testing;
