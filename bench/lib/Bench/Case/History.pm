package Bench::Case::History;

# What happened to a range before: positions that were returned, and nginx that
# are no more.  The database is asked as nginx asks it, over connections that
# stay, and the same is done in two databases: in one that has little history,
# and in one that has much.

use strict;
use warnings;

use Bench::Pgbench        ();
use Bench::Row            qw( figure row );
use Bench::Stack          qw( RANGE );
use Bench::Stats          qw( ratios rounds summary );
use UniqueRandom::Caller  ();
use UniqueRandom::Session ();

use constant {
    INTERVALS => 300_000,    # returned, none beside another
    HOLDERS   => 10_000,
    SLICE     => 100,        # reservations
    AGAIN     => 4,          # intervals that each of them takes
    LAST      => 20_000,     # positions
    PLACES    => 32,         # what nginx has for intervals, at most
    BATCH     => 100,        # intervals that are given back at a time
};

sub history {
    my ($bench) = @_;

    # In one cluster, and in tables of their own.
    my @stacks = map { Bench::Stack->new(shards => 1, pools => {}) } 1, 2;
    my @sessions
        = map { UniqueRandom::Session->new(pg => $_->{pg}, db => $_->{db}) }
        map { $_->shards } @stacks;

    my @rows = (
        _fresh($bench, @sessions),
        _again($bench, @sessions),
        _holders($bench, @sessions),
        _new_holder($bench, @sessions),
        _last($sessions[0]),
    );

    $_->end for @sessions, @stacks;
    return @rows;
}

# Fresh positions are granted, and those that were returned are in the way.
sub _fresh {
    my ($bench, @sessions) = @_;

    my @nginx = map { _nginx($_, 'fresh', RANGE, 2 * INTERVALS) } @sessions;
    _return_singly($nginx[1], INTERVALS);

    return _compare(
        _rounds($bench, map { _repeat($_) } @nginx),
        label  => _thousands(INTERVALS) . ' intervals returned',
        unit   => 'with/without them, time of a reservation',
        names  => [ 'none', _thousands(INTERVALS) ],
        chart  => 'cost',
        target => [ '<=', 1.1 ],
    );
}

# Returned ones are all that is left: as many as are taken, or many more.
sub _again {
    my ($bench, @sessions) = @_;

    # One round comes before those that count.
    my $few = AGAIN * SLICE * ($bench->{pairs} + 1);
    my $all = 2 * INTERVALS;

    my @nginx = map { _nginx($_, 'again', $all, $all) } @sessions;
    _return_singly($nginx[0], $few);
    _return_singly($nginx[1], INTERVALS);

    return _compare(
        _rounds($bench, map { _repeat($_, AGAIN) } @nginx),
        label  => _thousands(INTERVALS) . ' intervals, granted again',
        unit   => 'beside ' . _thousands($few) . ', time of a reservation',
        names  => [ map { _thousands($_) } $few, INTERVALS ],
        chart  => 'cost',
        target => [ '<=', 1.1 ],
    );
}

# One that has reserved before, among others.
sub _holders {
    my ($bench, @sessions) = @_;

    my @nginx = map { _nginx($_, 'holders', RANGE, 1) } @sessions;
    _add_holders($nginx[0], 1);
    _add_holders($nginx[1], HOLDERS);

    return _compare(
        _rounds($bench, map { _repeat($_) } @nginx),
        label  => _thousands(HOLDERS) . ' other nginx',
        unit   => 'beside 1, time of a reservation',
        names  => [ 1, _thousands(HOLDERS) ],
        chart  => 'cost',
        target => [ '<=', 1.1 ],
    );
}

# One that has not: of the others, all but the latest hundred have to go.  That
# comes once, and then the next new one.
sub _new_holder {
    my ($bench, @sessions) = @_;

    my @nginx = map { _nginx($_, 'new', RANGE, 1) } @sessions;
    my @others = (1, HOLDERS);

    my ($little, $much) = _rounds($bench, map {
        my $i = $_;
        sub {
            _add_holders($nginx[$i], $others[$i]);

            my ($first, $next) = map { _reserve(_another($nginx[$i]), 1) } 1, 2;
            return { %$first, next => $next->{ms} };
        };
    } 0, 1);

    return _compare(
        $little, $much,
        label => 'the first new nginx, ' . _thousands(HOLDERS) . ' others',
        unit  => 'beside 1, time of its first reservation',
        names => [ 1, _thousands(HOLDERS) ],
        also  => [
            row(name => 'the next one',
                value => summary(ratios('next', $much, $little))),
        ],
    );
}

# How often the last positions have to be asked for, all of them returned.
sub _last {
    my ($session) = @_;

    # Of each batch every second one, and then those between.
    my @order  = sort { $b % 2 <=> $a % 2 || $a <=> $b } 0 .. BATCH - 1;
    my @joined = map {
        my $batch = BATCH * $_;
        map { $batch + $_ } @order;
    } 0 .. LAST / BATCH - 1;

    my @apart = map { 2 * $_ } 0 .. LAST - 1;

    return map {
        my ($name, $target, $positions) = @$_;

        row(
            label  => 'the last ' . _thousands(LAST) . ", $name",
            value  => summary(_use_up($session, $name, $positions)),
            unit   => 'reservations',
            target => [ '<=', $target ],
        );
    } [ 'returned singly', 1, \@joined ],
        [ 'every second one', LAST / PLACES, \@apart ];
}

# Gives back these positions of a range that is used up, one by one, and takes
# them again.
sub _use_up {
    my ($session, $pool, $positions) = @_;

    my $size   = 1 + (sort { $b <=> $a } @$positions)[0];
    my $caller = _nginx($session, $pool, $size, $size)->{caller};
    my @left   = @$positions;

    while (my @batch = splice @left, 0, BATCH) {
        my $why = $caller->give_back([ 1, $size ],
            \@batch, [ map { $_ + 1 } @batch ]);
        die "positions are not taken back: $why\n" if $why ne '';
    }

    my ($asked, %times) = (0);

    while (1) {
        my $reply = $caller->ask([ 1, $size, LAST ], places => PLACES);
        last if ($reply->{refusal} // '') eq 'exhausted';
        die "refused: $reply->{refusal}\n" if defined $reply->{refusal};

        $asked++;
        my @stops = @{ $reply->{stops} };
        for my $start (@{ $reply->{starts} }) {
            $times{$_}++ for $start .. shift(@stops) - 1;
        }
    }

    my $once = grep { ($times{$_} // 0) == 1 } @$positions;
    die "$once of @{[ scalar @$positions ]} positions were granted once\n"
        if $once != @$positions || keys %times != @$positions;

    return $asked;
}

# An nginx that has reserved the first positions of a new range.
sub _nginx {
    my ($session, $pool, $last, $reserved) = @_;

    $session->run("SELECT unique_random.add('$pool', 1, $last)");

    my $nginx = {
        session => $session,
        pool    => $pool,
        last    => $last,
        caller  => UniqueRandom::Caller->new(session => $session,
            pool => $pool),
    };

    $nginx->{caller}->ask([ 1, $last, $reserved ]);
    return $nginx;
}

# One that knows nothing yet, of the same range.
sub _another {
    my ($nginx) = @_;

    return { %$nginx,
        caller => UniqueRandom::Caller->new(%$nginx{qw( session pool )}) };
}

# As if it had given back every other of its first 2 * n positions.
sub _return_singly {
    my ($nginx, $n) = @_;

    my ($session, $pool) = @$nginx{qw( session pool )};

    $session->run(<<"SQL");
INSERT INTO unique_random.returned
SELECT '$pool', 1, 2 * n, 2 * n + 1 FROM generate_series(0, $n - 1) AS n;
VACUUM ANALYZE unique_random.returned;
SELECT unique_random.recount('$pool', 1);
SQL
    return;
}

# So many others, who reserved earlier, and nobody else but this one.
sub _add_holders {
    my ($nginx, $n) = @_;

    my ($session, $pool) = @$nginx{qw( session pool )};
    my $holder = $nginx->{caller}->holder;

    $session->run(<<"SQL");
DELETE FROM unique_random.holders
 WHERE pool = '$pool' AND holder <> '$holder';
VACUUM unique_random.holders;
INSERT INTO unique_random.holders (holder, pool, first, serial)
SELECT gen_random_uuid(), '$pool', 1, -n FROM generate_series(1, $n) AS n;
VACUUM ANALYZE unique_random.holders;
SQL
    return;
}

sub _repeat {
    my ($nginx, $want) = @_;

    return sub { _reserve($nginx, SLICE, $want) };
}

# The first round reads functions and plans them.
sub _rounds {
    my ($bench, @code) = @_;

    $_->() for @code;
    return rounds($bench->{pairs}, @code);
}

# A slice: ms, the median time of the statement, and whole, of the statement
# and its commit, which waits for the disk and says little.
sub _reserve {
    my ($nginx, $n, $want) = @_;

    my $clock     = 'SELECT extract(epoch FROM clock_timestamp())';
    my $statement = Bench::Pgbench::reservation(
        pool   => $nginx->{pool},
        first  => 1,
        last   => $nginx->{last},
        want   => $want // 100,
        places => PLACES,
        holder => $nginx->{caller}->holder,
        memory => $nginx->{caller}->memory(1),
    );

    my @lines = map {
        split /\n/, $nginx->{session}
            ->run("BEGIN; $clock; $statement; $clock; COMMIT; $clock")
    } 1 .. $n;

    my @clock   = grep {/^\d+\.\d+$/} @lines;
    my $granted = grep {/^\|\|\Q$nginx->{pool}\E\|.*\{\d/} @lines;
    die "$granted of $n reservations were granted\n" if $granted != $n;

    my (@ms, @whole);

    while (my ($asked, $answered, $committed) = splice @clock, 0, 3) {
        push @ms,    1000 * ($answered - $asked);
        push @whole, 1000 * ($committed - $asked);
    }

    return {
        ms    => summary(@ms)->{median},
        whole => summary(@whole)->{median},
    };
}

# A row for slices with little history and with much.
sub _compare {
    my ($little, $much, %row) = @_;

    my @names = @{ delete $row{names} };
    my @also  = @{ delete $row{also} // [] };

    return row(
        value => summary(ratios('ms', $much, $little)),
        also  => [
            row(name => 'with its commit',
                value => summary(ratios('whole', $much, $little))),
            @also,
        ],
        figures => [ figure($names[0] => $little), figure($names[1] => $much) ],
        %row,
    );
}

sub _thousands {
    my ($n) = @_;

    1 while $n =~ s/^(\d+)(\d{3})/$1,$2/;
    return $n;
}

1;
