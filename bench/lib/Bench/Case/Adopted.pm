package Bench::Case::Adopted;

# A range that was adopted from a table of a million used numbers: how long the
# table is read, and locked, beside a count of its rows; and what a number of it
# costs, beside one of an ordinary range in the same nginx.

use strict;
use warnings;

use Time::HiRes qw( time );

use Bench::Case::Callgrind ();
use Bench::Row             qw( beside figure row );
use Bench::Stack           ();
use Bench::Stats           qw( ratios rounds summary );
use UniqueRandom::Session  ();

use constant {
    LEASE => Bench::Case::Callgrind::LEASE,
    ROWS  => 1_000_000,
    SIZE  => 1 << 24,    # more than is drawn
};

# Of the names of all pools, which are locations, too, nginx compares as many to
# find this one as it does to find "ordinary".
my $range = "'taken', 1, @{[SIZE]}, 'used', 'number'";

sub adopted {
    my ($bench) = @_;

    my @rows;
    my $stack = Bench::Stack->new(
        shards => 1,
        pools  => {

            # Of as many numbers: how often the permutation walks is the same.
            ordinary => { size => SIZE - ROWS, conf => LEASE },
            taken    => {
                size  => SIZE,
                conf  => LEASE,
                adopt => sub { push @rows, _adopt($bench, @_) },
            },
        },
    );

    unshift @rows, _numbers($bench, $stack),
        Bench::Case::Callgrind::beside(
        $stack, $bench->{requests},
        map({ [ $_ => "/$_" ] } qw( ordinary taken )),
        unit   => 'adopted/ordinary range',
        target => [ '<=', 1.03 ],
        );
    $stack->end;
    return @rows;
}

sub _numbers {
    my ($bench, $stack) = @_;

    my $nginx = $stack->nginx;
    my ($ordinary, $adopted)
        = $stack->slices([$nginx], [qw( /ordinary /taken )], connections => 32);

    $_->(seconds => 2) for $ordinary, $adopted;    # leases find their size
    ($ordinary, $adopted) = rounds($bench->{plain}, $ordinary, $adopted);
    $nginx->term;

    return beside(
        $adopted, $ordinary,
        label      => 'a number of it',
        unit       => 'adopted/ordinary range, requests/s',
        target     => [ '>=', 0.97 ],
        cpu_target => [ '<=', 1.03 ],
        chart      => undef,
        figures =>
            [ figure(ordinary => $ordinary), figure(adopted => $adopted) ],
    );
}

# Makes the table, measures, and leaves it adopted.
sub _adopt {
    my ($bench, $shard) = @_;

    my $session = UniqueRandom::Session->new(pg => $shard->{pg},
        db => $shard->{db});
    my $timed = sub {
        my ($sql, $undo) = @_;

        return sub {
            my $start = time;
            $session->run($sql);
            my $ms = 1000 * (time - $start);
            $session->run($undo // '');
            return { ms => $ms };
        };
    };

    # In another order than that of the numbers.
    $session->run(<<"SQL");
CREATE TABLE used (id bigserial PRIMARY KEY, number integer NOT NULL);
INSERT INTO used (number)
SELECT 16 * n + 1 + (hashint4(n) & 15) FROM generate_series(0, @{[ROWS]} - 1) n
 ORDER BY hashint4(n);
CREATE UNIQUE INDEX ON used (number);
VACUUM ANALYZE used;
SQL

    my $prepare = "CALL unique_random.adopt_prepare($range)";
    my $adopt   = "SELECT * FROM unique_random.adopt($range)";
    my $count   = $timed->('SELECT count(*) FROM used');

    my ($counted, $prepared) = rounds($bench->{rounds}, $count,
        $timed->($prepare, "SELECT unique_random.adopt_cancel('taken', 1)"));

    $session->run("$prepare; INSERT INTO used (number) VALUES (1), (16)"
        . ' ON CONFLICT DO NOTHING');
    my ($beside, $locked) = rounds($bench->{rounds}, $count,
        $timed->("BEGIN; $adopt", 'ROLLBACK'));

    $session->run($adopt);
    $session->end;

    return _row('adopt_prepare()', $prepared, $counted),
        _row('adopt(), which locks it', $locked, $beside);
}

sub _row {
    my ($label, $ours, $count) = @_;

    return row(
        label   => "$label, a million rows",
        value   => summary(ratios('ms', $ours, $count)),
        unit    => 'beside count(*), time',
        figures => [ figure('count(*)' => $count), figure($label => $ours) ],
    );
}

1;
