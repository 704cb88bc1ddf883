# What a look-up says of a number against what was really given out: of each
# number of a range, and of none twice what cannot both be true.

use strict;
use warnings;

use lib 't/lib';

use Test::More;

use JSON::PP qw( decode_json );

use UniqueRandom::Client;
use UniqueRandom::Former;
use UniqueRandom::Nginx;
use UniqueRandom::Postgres;
use UniqueRandom::Util qw( tmp_dir wait_until );

my $pg = UniqueRandom::Postgres->new;
$pg->create_database($_)->apply_schema($_)
    for qw( a b former closed );

my $server = <<'EOT';
location = /random { unique_random POOL; }
location = /lookup { unique_random_lookup POOL; }
EOT

sub nginx {
    my ($pool, $http, %more) = @_;

    return UniqueRandom::Nginx->new(
        http   => "unique_random_pool $pool { connect_timeout 30s;"
            . " reserve_timeout 30s; $http }",
        server => $server =~ s/POOL/$pool/gr,
        %more,
    );
}

sub shard {
    my ($db, $ranges) = @_;

    return "shard @{[ $pg->url(db => $db) ]} name=$db $ranges fail_timeout=1s;";
}

sub look_up {
    my ($nginx, $number) = @_;

    my $reply = $nginx->get("/lookup?number=$number");

    return { status => "answered with $reply->{status}" }
        if $reply->{status} != 200;
    return decode_json($reply->{content});
}

# { status => [ numbers ] } of all these numbers, over one connection.
sub statuses {
    my ($nginx, @numbers) = @_;

    my $client = UniqueRandom::Client->new($nginx);
    my %statuses;

    for my $number (@numbers) {
        my $reply  = $client->get("/lookup?number=$number");
        my $answer = decode_json($reply->{content});

        push @{ $statuses{ $answer->{status} } }, $number;
    }

    return \%statuses;
}

# The same, once nothing is on its way: who draws has more reserved.
sub settled {
    my ($nginx, $expected, @numbers) = @_;

    return wait_until(sub {
        my $statuses = statuses($nginx, @numbers);
        my $reserved = @{ $statuses->{reserved} // [] };

        return $reserved == $expected->() && $statuses;
    }, 20, 'so many are reserved as the rows say');
}

sub draw {
    my ($nginx, $n) = @_;

    my (undef, @numbers) = UniqueRandom::Client->draw($nginx, $n);
    return @numbers;
}

sub reserved {
    my ($db, $first) = @_;

    return $pg->psql($db,
        "SELECT reserved FROM unique_random.ranges WHERE first = $first");
}

# All that is known comes from replies, and outlives none of what it is kept in.
{
    $pg->psql('a', q{SELECT unique_random.add('pool', 1, 300)});

    my $state = tmp_dir() . '/state';
    my $nginx = nginx('pool', shard('a', 'range=1-300')
        . "lease min=20 max=20; state $state;");

    is_deeply look_up($nginx, 5),
        { number => 5, status => 'unknown', range => [ 1, 300 ], age => undef },
        'before the first reply nothing is known';

    my %drawn = map { $_ => 1 } draw($nginx, 57);
    is keys %drawn, 57, '57 numbers are drawn';

    my $statuses = settled($nginx, sub { reserved('a', 1) }, 1 .. 300);
    my %reserved = map { $_ => 1 } @{ $statuses->{reserved} };

    pass 'so many of its range are reserved as the row says';
    is_deeply [ sort keys %$statuses ], [qw( reserved unreserved )],
        '... of each number it is known whether it is reserved';
    is_deeply [ grep { !$reserved{$_} } keys %drawn ], [],
        '... all that were issued are';
    my $answer = look_up($nginx, (keys %drawn)[0]);
    like $answer->{age}, qr/\A\d+\.\d{1,3}\z/, '... as of so many seconds ago';
    ok !exists $answer->{adopted}, '... and none comes from a former table';

    my ($next) = grep { !$reserved{$_} } 1 .. 300;

    $nginx->reload;
    is look_up($nginx, $next)->{status}, 'unreserved',
        'a reload: what is known is';

    $nginx->stop_in_time(sub { $drawn{$_} = 1 for draw($nginx, 1) });
    $nginx->start;
    is_deeply look_up($nginx, $next),
        { number => $next, status => 'unknown', range => [ 1, 300 ],
            age => undef },
        'a new start: without the key, the state on disk tells nothing';

    my %rest = map { $_ => 1 } draw($nginx, 300);
    my @all  = 1 .. 300;
    my @missing = grep { !$rest{$_} && !$drawn{$_} } @all;
    cmp_ok scalar @missing, '<=', $nginx->too_late, '... the rest is drawn';
    is_deeply statuses($nginx, @all), { reserved => \@all },
        '... and then all are reserved';

    is_deeply [ $nginx->errors ], [], '... without an alert';
}

# Several shards and ranges, in no order, with what lies between them.
{
    $pg->psql('a', "SELECT unique_random.add('many', $_)")
        for '5000, 5049', '0, 49', '900, 949';
    $pg->psql('b', "SELECT unique_random.add('many', $_)")
        for '9223372036854775758, 9223372036854775807', '100, 149';

    my $nginx = nginx('many', shard('a', 'range=5000-5049 range=0-49 '
            . 'range=900-949')
        . shard('b', 'range=9223372036854775758-9223372036854775807 '
            . 'range=100-149')
        . ' lease min=5 max=5;');

    my @drawn = draw($nginx, 60);
    is @drawn, 60, 'several ranges: 60 are drawn';

    my $reserved = statuses($nginx, @drawn)->{reserved};
    is @{ $reserved // [] }, 60, '... which all are reserved';

    for (
        [ 0, 0, 49 ], [ 49, 0, 49 ], [ 100, 100, 149 ], [ 900, 900, 949 ],
        [ 5049, 5000, 5049 ],
        )
    {
        my ($number, @range) = @$_;

        is_deeply look_up($nginx, $number)->{range}, \@range,
            "... $number is of range $range[0]-$range[1]";
    }

    like $nginx->get('/lookup?number=9223372036854775807')->{content},
        qr/"range":\[9223372036854775758,9223372036854775807\]/,
        '... the largest number there is of the last one';

    for my $number (50, 99, 150, 899, 950, 4999, 5050, '9223372036854775757',
        '9223372036854775808', '18446744073709551615')
    {
        my $reply = $nginx->get("/lookup?number=$number");

        is $reply->{status}, 404, "... $number is of none";
        is $reply->{content},
            qq({"number":$number,"status":"invalid","code":"no_range",)
            . '"detail":"No range has this number; the pool has some from 0 to '
            . '9223372036854775807."}',
            '... which it says';
    }

    my @all = map { ($_->[0] .. $_->[1]) }
        [ 0, 49 ], [ 100, 149 ], [ 900, 949 ], [ 5000, 5049 ];

    settled($nginx, sub {
        return reserved('a', 0) + reserved('a', 900) + reserved('a', 5000)
            + reserved('b', 100);
    }, @all);
    pass '... and so many are reserved as the rows say';
}

# A number that the former table had was given out, though by somebody else.
{
    my $former = UniqueRandom::Former->new(pg => $pg, db => 'former',
        table => 'used_numbers', first => 1, last => 200);

    $former->create('integer NOT NULL UNIQUE')->fill('generate_series(3, 200, 4)');
    $former->prepare;
    $former->adopt;

    my $nginx = nginx('used_numbers', shard('former', 'adopted=1-200')
        . 'lease min=10 max=10;');

    is look_up($nginx, 3)->{status}, 'unknown',
        'adopted: without the domain nothing is known';

    my @drawn    = draw($nginx, 35);
    my $statuses = settled($nginx, sub { 50 + reserved('former', 1) },
        1 .. 200);
    my %reserved = map { $_ => 1 } @{ $statuses->{reserved} };

    is_deeply [ grep { !$reserved{$_} } @drawn, map { 4 * $_ - 1 } 1 .. 50 ],
        [], '... then all are reserved that were issued, there or here';

    my ($adopted, $own)
        = map { $nginx->get("/lookup?number=$_")->{content} } 3, $drawn[0];

    like $adopted, qr/\A\{"number":3,"status":"reserved","adopted":true,
        "range":\[1,200\],"age":\d+\.\d\d\d\}\z/x, '... it says which is which';
    unlike $own, qr/adopted/, '... and of which not';
}

# What the database says of itself meanwhile changes nothing of what is known.
{
    $pg->psql('closed', q{SELECT unique_random.add('closed', 1, 100)});

    my $nginx = nginx('closed', shard('closed', 'range=1-100')
        . 'lease min=10 max=10;');

    draw($nginx, 20);
    my $before = settled($nginx, sub { reserved('closed', 1) }, 1 .. 100);

    $pg->psql('closed', q{UPDATE unique_random.ranges SET reserved = 0});
    draw($nginx, 20);
    wait_until(sub { $nginx->error_log =~ /is fenced/ }, 20, 'a fence');

    my $after = statuses($nginx, 1 .. 100);
    my %after = map { $_ => 1 } @{ $after->{reserved} };

    is_deeply [ grep { !$after{$_} } @{ $before->{reserved} } ], [],
        'fenced: what was reserved is';

    $pg->stop;
    is_deeply statuses($nginx, 1 .. 100), $after, 'no database: the same';
    $pg->start;
}

done_testing;
