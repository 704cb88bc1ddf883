# What the status says while little is known: after a restart, of shards that
# nobody draws from, of one that is being asked again, and of ranges that are not
# there.

use strict;
use warnings;

use JSON::PP   qw( decode_json );
use Test::More;
use Time::HiRes qw( sleep time );

use UniqueRandom::Nginx    ();
use UniqueRandom::Postgres ();
use UniqueRandom::Util     qw( black_hole tmp_dir wait_until );

my $pg   = UniqueRandom::Postgres->new(name => 'shard');
my $hole = black_hole();

$pg->create_database('numbers')->apply_schema('numbers');

for my $n (0 .. 2) {
    $pg->psql('numbers', sprintf q{SELECT unique_random.add('numbers', %d, %d,}
        . q{ reserved => 60000)}, $n * 100_000 + 1, ($n + 1) * 100_000);
}

$pg->create_database('blank');

my $url   = $pg->url(db => 'numbers');
my $blank = $pg->url(db => 'blank');
my $state = tmp_dir() . '/state';

my @absent = (
    [ missing  => $url,   '1-100' ],
    [ mismatch => $url,   '1-100' ],
    [ blank    => $blank, '1-100' ],
);

$pg->psql('numbers', q{SELECT unique_random.add('mismatch', 1, 99)});

my $absent = join '', map {
    my ($name, $of, $range) = @$_;
    "unique_random_pool $name { connect_timeout 20s; reserve_timeout 20s;"
        . " bootstrap off; wait_timeout 100ms; shard $of range=$range; }\n";
} @absent;

my $http = sub {
    my ($zone) = @_;

    return <<"EOT";
unique_random_pool numbers {
    zone $zone;
    connect_timeout 20s;
    reserve_timeout 20s;
    wait_timeout 20s;
    state $state;
    shard $url name=a range=1-100000;
    shard $url name=b range=100001-200000 drain;
    shard $url name=c range=200001-300000 down;
}
unique_random_pool hanging {
    connect_timeout 1s;
    wait_timeout 100ms;
    shard postgres://nobody\@127.0.0.1:@{[ $hole->port ]}/numbers
          range=1-1000 max_fails=1 fail_timeout=300ms;
}
$absent
EOT
};

my $nginx = UniqueRandom::Nginx->new(
    http   => $http->('1m'),
    server => <<'EOT' . join('', map { <<"EOT" } @absent),
location /random { unique_random numbers;
    add_header X-Remaining $unique_random_remaining; }
location /hanging { unique_random hanging; }
location /status { unique_random_status json; }
location /metrics { unique_random_status prometheus; }
EOT
location /$_->[0] { unique_random $_->[0]; unique_random_remaining_header on; }
EOT
);

sub pool {
    my ($n) = @_;
    return decode_json($nginx->get('/status')->{content})->{pools}[$n];
}

# Ranges that nobody draws from

is $nginx->get('/random')->{status}, 200, 'a number';

my $pool = pool(0);
is $pool->{size}, 100_000, 'what is drained or down is no stock';
is $pool->{remaining} + $pool->{reserved} - $pool->{returned},
    $pool->{size}, '... so that what is used and what is left are all';
my $epoch = $pool->{ranges}[0]{epoch};
like $nginx->get('/metrics')->{content},
    qr/^nginx_unique_random_range_epoch\{[^}]*range="1-100000"\} $epoch$/m,
    'a life that is known is in the metrics';
unlike $nginx->get('/metrics')->{content},
    qr/^nginx_unique_random_range_epoch\{[^}]*range="200001-300000"\}/m,
    '... one that is not is not';

# After a restart

$nginx->quit;
$nginx->start;

$pool = pool(0);
cmp_ok $pool->{reserved}, '>=', 60_001, 'what was reserved is remembered';
is $pool->{returned}, 0, '... and not what was given back';
is $pool->{remaining}, 100_000 - $pool->{reserved}, '... nor taken for it';
is $pool->{ranges}[0]{state}, 'unknown', '... but how the range is now is not';
is $pool->{state}, 'ok', '... which is nothing to warn of';

my $reply = $nginx->get('/random');
cmp_ok $reply->{headers}{'x-remaining'}, '<=', 40_000,
    'a variable says what is left';

$pool = pool(0);
cmp_ok $pool->{remaining}, '<', 40_000, 'the database is heard of';
is $pool->{exhausted_in_seconds}{hour}, undef,
    '... all that was used before it is no rate';
is $pool->{state}, 'ok', '... and nothing to warn of';
is $pool->{ranges}[0]{state}, 'active', '... of a range that is known';

# Ranges that are not there

for my $n (0 .. $#absent) {
    my ($name) = @{ $absent[$n] };
    my ($pool, $reply);

    wait_until(sub {
        $reply = $nginx->get("/$name");
        $pool  = pool(2 + $n);
        return $pool->{ranges}[0]{state} =~ /^mis/;
    }, 60, "the range of $name is not there");

    is $pool->{state}, 'critical', "$name: nothing can be issued";
    is $pool->{remaining}, 0, '... nothing remains';
    is $pool->{size}, 0, '... of no stock';

    is $nginx->get("/$name")->{headers}{'x-unique-random-remaining'}, 0,
        '... as a header says';
}

# A fence, in a zone of another size, and after a restart

$pg->psql('numbers', 'UPDATE unique_random.ranges SET reserved = reserved - 1'
    . q{ WHERE pool = 'numbers' AND first = 1});

wait_until(sub {
    $nginx->get('/random');
    return pool(0)->{ranges}[0]{sql};
}, 60, 'the range is fenced');

my $fenced = pool(0)->{ranges}[0];
is $fenced->{state}, 'fenced', 'a range is fenced';

$nginx->configure(http => $http->('2m'));
$nginx->reload;

my $kept = pool(0)->{ranges}[0];
is_deeply { map { $_ => $kept->{$_} } qw( state reason sql since ) },
    { map { $_ => $fenced->{$_} } qw( state reason sql since ) },
    '... still in a zone of another size';

$nginx->quit;
$nginx->start;
is pool(0)->{ranges}[0]{state}, 'unknown', '... not known after a restart';

wait_until(sub {
    $nginx->get('/random');
    return pool(0)->{ranges}[0]{state} eq 'fenced';
}, 60, 'the range is fenced again');

$nginx->configure(http => $http->('1m'));
$nginx->reload;
$pg->psql('numbers', pool(0)->{ranges}[0]{sql});

wait_until(sub { $nginx->get('/random')->{status} == 200 }, 60,
    'the fence is lifted');
is pool(0)->{ranges}[0]{state}, 'active', '... and lifted in that zone, too';

# A shard that hangs, and is asked again all the time

my (%seen, $asked);

wait_until(sub { $nginx->get('/hanging'); pool(1)->{shards}[0]{fails} }, 20,
    'it has failed');

my $until = time + 5;

while (time < $until || !$asked && time < $until + 60) {
    $nginx->get('/hanging');
    my $hanging = pool(1);
    my $shard   = $hanging->{shards}[0];

    $seen{"$shard->{state}, $hanging->{ranges}[0]{state}"}++;
    $asked ||= $shard->{connections}{connecting};
}

ok $asked, 'a shard that hangs is asked again';
is_deeply [ keys %seen ], ['unavailable, failing'],
    '... and is unavailable meanwhile' or diag explain \%seen;

done_testing;
