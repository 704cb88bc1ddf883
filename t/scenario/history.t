# What happened to a range before costs nothing later: neither positions that
# were returned, nor nginx that are no more.  The ratios are for a person: how
# long a thing takes is not for a test.

use strict;
use warnings;

use Test::More;

use UniqueRandom::Caller   ();
use UniqueRandom::Postgres ();
use UniqueRandom::Session  ();

use constant MANY => 300_000;

my $pg = UniqueRandom::Postgres->new(conf => { autovacuum => 'off' });
$pg->create_database('numbers')->apply_schema('numbers');

my $session = UniqueRandom::Session->new(pg => $pg, db => 'numbers');

sub sql { return $session->run(@_) }

sub caller_of {
    my ($pool) = @_;

    return UniqueRandom::Caller->new(session => $session, pool => $pool);
}

sub add {
    my ($pool, $last, @more) = @_;

    sql("SELECT unique_random.add('$pool', 1, $last)");
    return caller_of($pool);
}

# As if the positions [0, 2 * n) had been granted to the caller, and every other
# one given back.
sub return_singly {
    my ($caller, $n) = @_;

    my ($pool, $holder) = ($caller->{pool}, $caller->holder);
    sql(<<"EOT");
INSERT INTO unique_random.returned
SELECT '$pool', 1, 2 * n, 2 * n + 1 FROM generate_series(0, $n - 1) AS n;
SELECT unique_random.recount('$pool', 1);
EOT
    return;
}

# Milliseconds for each of the reservations that follow one another, each in a
# transaction of its own.
sub duration {
    my ($caller, $want, %arg) = @_;

    my $n      = 100;
    my $one    = $caller->statement([ [ 1, $arg{last}, $want ] ],
        places => 64) . ";\n";
    my $clock  = "SELECT extract(epoch FROM clock_timestamp());\n";
    my @output = split /\n/,
        $pg->psql('numbers', $one x 5 . $clock . $one x $n . $clock);
    my @clock = grep {/^\d+\.\d+$/} @output;

    return 1000 * ($clock[-1] - $clock[0]) / $n;
}

sub report {
    my ($what, $without, $with) = @_;

    diag sprintf '%s: %.3f ms instead of %.3f, %.2f times as long', $what,
        $with, $without, $with / $without;
    return;
}

# The last 20,000 positions of a range, all of them returned singly.
{
    my $n      = 20_000;
    my $caller = add('singly', 2 * $n);

    $caller->ask([ 1, 2 * $n, 2 * $n ]);
    return_singly($caller, $n);

    my $look = $caller->ask([ 1, 2 * $n, 0 ]);
    is $look->{returned}, $n, "$n are returned singly";
    is $look->{refusal}, undef, '... and not used up';

    my ($asked, %seen) = (0);

    while (1) {
        my $reply = $caller->ask([ 1, 2 * $n, $n ], places => 64);
        last if $reply->{refusal};

        $asked++;
        cmp_ok scalar @{ $reply->{starts} }, '<=', 64, 'no more than places'
            if @{ $reply->{starts} } > 64;

        my @stops = @{ $reply->{stops} };
        for my $start (@{ $reply->{starts} }) {
            $seen{$_}++ for $start .. shift(@stops) - 1;
        }
    }

    is scalar(keys %seen), $n, 'all of them are granted';
    is scalar(grep { $_ != 1 } values %seen), 0, '... once';
    is $asked, 313, '... by as many reservations as 64 at a time need';
    is $caller->ask([ 1, 2 * $n, 0 ])->{refusal}, 'exhausted',
        '... and then a look says that nothing is left';

    diag "$n positions returned singly: $asked reservations";
}

# Fresh ones and returned ones come together.
{
    my $caller = add('topped', 100);
    my $range  = [ 1, 100, 90 ];

    $caller->ask($range);
    is $caller->give_back($range, [ 10, 30 ], [ 20, 40 ]), '', 'given back';

    my $reply = $caller->ask([ 1, 100, 25 ], places => 3);
    is_deeply [ @$reply{qw( starts stops returned )} ],
        [ [ 90, 10, 35 ], [ 100, 20, 40 ], 5 ],
        'a grant is topped up with what was returned';

    is_deeply $caller->ask([ 1, 100, 25 ], places => 3)->{starts}, [30],
        '... until nothing is left';
}

# Neighbours that an earlier schema left side by side.
{
    my $caller = add('side_by_side', 100);

    $caller->ask([ 1, 100, 100 ]);
    sql(<<'EOT');
INSERT INTO unique_random.returned
SELECT 'side_by_side', 1, n, n + 1 FROM generate_series(0, 9) AS n;
EOT

    is_deeply [ @{ $caller->ask([ 1, 100, 100 ]) }{qw( starts stops )} ],
        [ [0], [10] ], 'neighbours are granted as one';
}

# Given back in pieces, in any order.
{
    my $caller = add('pieces', 100);
    my $range  = [ 1, 100, 100 ];

    $caller->ask($range);
    for my $i (3, 1, 2, 7, 0, 9) {
        is $caller->give_back($range, [ 10 * $i ], [ 10 * $i + 10 ]), '',
            "piece $i";
    }

    is sql("SELECT string_agg(format('%s-%s', start, stop), ' ' ORDER BY start)"
        . " FROM unique_random.returned WHERE pool = 'pieces'"),
        '0-40 70-80 90-100', 'what is given back is joined with its neighbours';
    is $caller->ask([ 1, 100, 0 ])->{returned}, 60, '... and counted';
}

# What a holder was granted is kept as 128 intervals, of which the oldest are
# forgotten.
{
    my ($one, $two) = (add('record', 1000), caller_of('record'));

    for (1 .. 150) {
        $_->ask([ 1, 1000, 1 ]) for $one, $two;
    }

    is $one->give_back([ 1, 1000 ], [0], [1]),
        "they are not the caller's", 'the oldest is forgotten';
    is $one->give_back([ 1, 1000 ], [298], [299]), '', 'the latest is not';
    is $one->give_back([ 1, 1000 ], [44], [45]), '', '... nor the 128th';
    is sql('SELECT max(cardinality(starts)) FROM unique_random.holders'
        . " WHERE pool = 'record'"), 128, '... and no more are kept';
}

# As long as somebody is in a transaction, no dead row is removed.
my $old = UniqueRandom::Session->new(pg => $pg, db => 'numbers');
$old->run('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');

{
    my ($few, $many) = map { add($_, 10_000_000) } qw( few many );

    $_->ask([ 1, 10_000_000, 2 * MANY ]) for $few, $many;
    return_singly($many, MANY);

    report(MANY . ' intervals returned',
        map { duration($_, 10, last => 10_000_000) } $few, $many);
    is $many->ask([ 1, 10_000_000, 0 ])->{returned}, MANY,
        'fresh ones are granted first';
}

# The same when they are all that is left.
{
    my @last = (last => 2 * MANY);
    my ($few, $many) = map { add($_, 2 * MANY) } qw( last_few last_many );

    $_->ask([ 1, 2 * MANY, 2 * MANY ]) for $few, $many;
    return_singly($few, 12_000);
    return_singly($many, MANY);

    my @first = map { duration($_, 64, @last) } $few, $many;
    report(MANY . ' intervals returned, and granted again', @first);

    my $take = $many->statement([ [ 1, 2 * MANY, 128 ] ], places => 128);
    $pg->psql('numbers', "$take;\n" x 2000);
    report('what was granted of them is still in the index', $first[0],
        duration($many, 64, @last));
}

# Former nginx.
{
    my ($few, $many) = map { add($_, 10_000_000) } qw( one_holder holders );

    sql(<<'EOT');
INSERT INTO unique_random.holders (holder, pool, first, serial)
SELECT gen_random_uuid(), 'holders', 1, -n FROM generate_series(1, 10000) AS n;
EOT
    report('10,000 former nginx',
        map { duration($_, 10, last => 10_000_000) } $few, $many);
    is sql("SELECT count(*) FROM unique_random.holders WHERE pool = 'holders'"),
        100, 'the 100 that were the last to reserve stay';
}

# One that was forgotten for its age is no reason to stop.
{
    my $old   = add('pruned', 10_000);
    my $range = [ 1, 10_000, 10 ];

    $old->ask($range);
    my @new = map { caller_of('pruned') } 1 .. 101;
    $_->ask($range) for @new;

    is sql('SELECT count(*) FROM unique_random.holders'
        . " WHERE pool = 'pruned' AND holder = '@{[ $old->holder ]}'"), 0,
        'an nginx is forgotten';
    is $old->ask([ 1, 10_000, 0 ])->{refusal}, undef,
        '... and when it is back, it may look';
    is $old->ask($range)->{refusal}, undef, '... and reserve';

    # What is missing above that was restored away.
    sql("DELETE FROM unique_random.holders WHERE pool = 'pruned'"
        . " AND holder = '@{[ $new[100]->holder ]}'");
    like $new[100]->ask($range)->{detail},
        qr/^the grant with serial 102 is forgotten, says nginx/,
        'one of the latest must not be missing';
}

done_testing;
