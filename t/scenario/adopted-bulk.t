# Many numbers at once of ranges that were adopted: what an ordinary range does
# with them, and none that was given out before.

use strict;
use warnings;

use Test::More;

use UniqueRandom::Bulk     ();
use UniqueRandom::Nginx    ();
use UniqueRandom::Postgres ();
use UniqueRandom::Util     qw( wait_until );

use constant SIZE => 300_000;

my $pg = UniqueRandom::Postgres->new;
my $db = 'numbers';

$pg->create_database($db)->apply_schema($db);
$pg->psql($db, <<"EOT");
CREATE TABLE used_numbers (number integer PRIMARY KEY);
INSERT INTO used_numbers
SELECT n FROM generate_series(1, @{[ 5 * SIZE ]}) AS n WHERE n % 3 <> 0;
EOT

# Unused are the multiples of three.
sub adopt {
    my ($pool, $first, $last) = @_;

    $pg->psql($db, "SELECT * FROM unique_random.adopt('$pool', $first, $last,"
            . " 'used_numbers', 'number')");
    return "adopted=$first-$last";
}

sub add {
    my ($pool, $first, $last) = @_;

    $pg->psql($db, "SELECT unique_random.add('$pool', $first, $last)");
    return "range=$first-$last";
}

sub unused { return grep { $_ % 3 == 0 } $_[0] .. $_[1] }

my %ranges = (
    alone   => adopt(alone => 1, SIZE),
    beside  => join(' ', adopt(beside => SIZE + 1, 2 * SIZE),
        add(beside => 2_000_001, 2_050_000)),
    written => adopt(written => 2 * SIZE + 1, 3 * SIZE),
    fenced  => adopt(fenced => 3 * SIZE + 1, 5 * SIZE),
);

my $shard = 'shard ' . $pg->url(db => $db) . ' name=a';

my $nginx = UniqueRandom::Nginx->new(
    workers => 2,
    listen  => 'sndbuf=16k',
    http    => join('', map {
        "unique_random_pool $_ { connect_timeout 20s; reserve_timeout 20s;"
            . ' wait_timeout ' . ($_ eq 'fenced' ? '8s; ' : '25s; ')
            . ($_ eq 'written'
                ? 'format base32 width=6 check=crockford; exclude 7;' : '')
            . " $shard $ranges{$_}; }"
    } sort keys %ranges),
    server => 'unique_random_max_count 1000000;'
        . (join '', map {"location /$_ { unique_random $_; }"} keys %ranges)
        . 'location /look-up { unique_random_lookup alone; }'
        . 'location /status { unique_random_status json; }',
);

# To the last one, while others take one at a time.
{
    my $bulk = UniqueRandom::Bulk->new($nginx);

    my @one = map { $nginx->get('/alone')->{content} =~ /(\d+)/ } 1 .. 500;
    my ($status) = $bulk->drain('/alone', 40_000);

    is $status, 409, 'all of an adopted range';
    is_deeply [ sort { $a <=> $b } @one, $bulk->numbers ],
        [ unused(1, SIZE) ], '... and each of the unused numbers came once';
    is_deeply $bulk->account('alone'), [], '... and the account closes';

    like $nginx->get('/look-up?number=1')->{content},
        qr/"status":"reserved","adopted":true/,
        '... and a look-up knows a used one';
    like $nginx->get('/look-up?number=3')->{content},
        qr/"status":"reserved","range"/, '... from one that was given';
}

# Of the adopted one there are twice as many.
{
    my $bulk = UniqueRandom::Bulk->new($nginx);

    my $first = $bulk->take('/beside', 3000) // [];
    my $new   = grep { $_ > 2_000_000 } @$first;
    cmp_ok abs($new - 1000), '<', 300, "beside another range: $new of 3000";

    my ($status) = $bulk->drain('/beside', 60_000);

    is $status, 409, '... to the last one';
    is_deeply [ sort { $a <=> $b } $bulk->numbers ],
        [ unused(SIZE + 1, 2 * SIZE), 2_000_001 .. 2_050_000 ], '... each of them once';
    is_deeply $bulk->account('beside'), [], '... and the account closes';
}

# Some are excluded, for which others come.
{
    my $bulk = UniqueRandom::Bulk->new($nginx);

    my ($status) = $bulk->drain('/written', 20_000);

    is $status, 409, 'written, and some excluded';
    is scalar(grep { !/\A[0-9A-HJKMNP-TV-Z]{6}[0-9A-HJKMNP-TV-Z*~\$=U]\z/ || /7/ }
            $bulk->numbers), 0, '... all of them are as they should';
    is $bulk->repeated, 0, '... once';

    my ($range) = $bulk->ranges('written');
    is $bulk->numbers + $range->{excluded}, unused(1, SIZE), '... to the last one';
    is_deeply $bulk->account('written'), [], '... and the account closes';
}

# What was sent before its range was fenced does not come again after that.
{
    my $bulk = UniqueRandom::Bulk->new($nginx);

    my $slow = $bulk->client('GET /fenced?count=100000 HTTP/1.0');
    is $slow->status, 200, 'fenced, while numbers are sent';

    $pg->psql($db, "UPDATE unique_random.ranges SET fenced = 'test'"
            . " WHERE pool = 'fenced'");
    wait_until(sub { $nginx->get('/fenced?count=50000')->{status} == 503 }, 30,
        'the range is fenced');

    my $sent = $slow->rest // '';
    $sent =~ s/,?\d*\z//;
    ok !defined $bulk->count($sent), '... they are cut off';
    $bulk->count("$sent]}");
    my $before = $bulk->numbers;
    cmp_ok $before, '>', 0, "... after $before";

    $pg->psql($db, "SELECT unique_random.accept('fenced',"
            . " @{[ 3 * SIZE + 1 ]}, advance => 0)");
    wait_until(sub { $nginx->get('/fenced')->{status} == 200 }, 30,
        'it is accepted');
    $bulk->drain('/fenced', 20_000);
    cmp_ok $bulk->numbers, '>', $before, '... when it is accepted more come';
    is $bulk->repeated, 0, '... none of them a second time';
    is scalar(grep { $_ % 3 } $bulk->numbers), 0, '... nor one that was used';
    is_deeply $bulk->account('fenced'), [], '... and the account closes';
}

done_testing;
