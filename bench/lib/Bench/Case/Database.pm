package Bench::Case::Database;

# What the databases have to do with it: numbers without leases, numbers
# without this module, and what leases cost the databases.

use strict;
use warnings;

use Time::HiRes qw( sleep );

use Bench::Pgbench ();
use Bench::Row     qw( figure row );
use Bench::Stack   qw( RANGE );
use Bench::Stats   qw( ratios rounds summary );
use Bench::Wrk     ();

# Connections, clients of pgbench, and the target.  More clients do not get
# more out of one row, but fewer are no match for many connections.
my @lease_off = (
    [ 1, 1 ], [ 32, 32 ], [ 256, 32, [ '>=', 5 ] ],
);

sub lease_off {
    my ($bench) = @_;

    my $stack = Bench::Stack->new(
        shards => 1,
        pools  => {
            random  => { conf => 'lease off;' },
            pgbench => {},
        },
    );
    my $nginx   = $stack->nginx;
    my ($shard) = $stack->shards;

    my %pgbench = map {
        my $clients = $_;
        ($clients => sub { _reserve($bench, $shard, $clients) });
    } 1, 32;

    my @ours = map {
        my ($connections) = @$_;
        sub {
            $stack->load([$nginx], path => '/random',
                connections => $connections, seconds => $bench->{seconds});
        };
    } @lease_off;

    my ($alone, $many, @results)
        = rounds($bench->{rounds}, @pgbench{ 1, 32 }, @ours);
    my %beside = (1 => $alone, 32 => $many);

    $stack->end;

    return map {
        my ($connections, $clients, $target) = @{ $lease_off[$_] };
        my ($slices, $pgbench) = ($results[$_], $beside{$clients});

        row(
            label   => "lease off, connections: $connections",
            value   => summary(ratios('rate', $slices, $pgbench)),
            unit    => "OURS/pgbench of $clients, numbers/s",
            chart   => 'database',
            target  => $target,
            figures => [
                figure("pgbench, clients: $clients" => $pgbench),
                figure(OURS                         => $slices),
            ],
        );
    } 0 .. $#lease_off;
}

# One number a transaction, and every transaction a number.
sub _reserve {
    my ($bench, $shard, $clients) = @_;

    my $granted = sub {
        $shard->{pg}->psql($shard->{db}, 'SELECT reserved'
            . " FROM unique_random.ranges WHERE pool = 'pgbench'");
    };

    my $before = $granted->();
    my $slice  = Bench::Pgbench::slice(
        pg      => $shard->{pg},
        db      => $shard->{db},
        clients => $clients,
        seconds => $bench->{seconds},
        script  => Bench::Pgbench::reservation(
            pool  => 'pgbench',
            first => 1,
            last  => RANGE,
        ),
    );
    my $numbers = $granted->() - $before;

    die "pgbench got $numbers numbers by $slice->{requests} reservations\n"
        if $numbers != $slice->{requests};

    return $slice;
}

# The pool of the classic way, and the parts of it that are used at first.
use constant CLASSIC => 1_000_000;

my @used = (0, 50, 90);

sub classic {
    my ($bench) = @_;

    my $stack   = Bench::Stack->new(shards => 2);
    my $nginx   = $stack->nginx;
    my ($shard) = $stack->shards;

    _fill($shard, $_) for @used;

    my @ways = map {
        my $count = $_;
        map { [ $_, $count ] } @used;
    } 0, 1;

    my @classic = map {
        my ($used, $count) = @$_;
        sub { _insert($bench, $shard, $used, $count) };
    } @ways;

    my $load = sub {
        $stack->load([$nginx], path => '/random', connections => 32,
            seconds => $bench->{seconds});
    };

    $load->();
    my ($ours, @results) = rounds($bench->{rounds}, $load, @classic);

    $stack->end;

    return map {
        my ($used, $count) = @{ $ways[$_] };
        my $slices = $results[$_];
        my @columns = (
            _column('numbers/s', rate => $slices),
            _column('tries/s', tries => $slices),
            _column('part that got one', got => $slices),
        );

        row(
            label => 'INSERT ... ON CONFLICT'
                . ($count ? ', count(*)' : '') . ", $used % used",
            value   => summary(ratios('rate', $ours, $slices)),
            unit    => 'OURS/classic, numbers/s',
            chart   => 'database',
            figures => [
                { name => 'INSERT, 32 clients', columns => \@columns },
                {   name    => 'OURS',
                    columns => [ _column('numbers/s', rate => $ours) ],
                },
            ],
        );
    } 0 .. $#ways;
}

sub _column {
    my ($name, $key, $slices) = @_;

    return { name => $name, value => summary(map { $_->{$key} } @$slices) };
}

sub _fill {
    my ($shard, $used) = @_;

    my $rows = CLASSIC * $used / 100;

    $shard->{pg}->psql($shard->{db}, <<"EOT" . "VACUUM ANALYZE used$used;");
CREATE TABLE used$used (number bigint PRIMARY KEY);
INSERT INTO used$used
SELECT n FROM generate_series(1, @{[CLASSIC]}) n ORDER BY random() LIMIT $rows;
EOT
    return;
}

# One candidate a transaction; rate counts those that were free.
sub _insert {
    my ($bench, $shard, $used, $count) = @_;

    my ($pg, $db) = @$shard{qw( pg db )};
    my $script = <<"EOT";
\\set candidate random(1, @{[CLASSIC]})
INSERT INTO used$used (number) VALUES (:candidate) ON CONFLICT DO NOTHING;
EOT
    $script .= "SELECT count(*) FROM used$used;\n" if $count;

    # What is empty has to be so in every round; the others have room.
    $pg->psql($db, "TRUNCATE used$used") if $used == 0;

    my $rows   = sub { $pg->psql($db, "SELECT count(*) FROM used$used") };
    my $before = $rows->();
    my $slice  = Bench::Pgbench::slice(
        pg      => $pg,
        db      => $db,
        clients => 32,
        seconds => $bench->{seconds},
        script  => $script,
    );

    $slice->{got}   = ($rows->() - $before) / $slice->{requests};
    $slice->{tries} = $slice->{rate};
    $slice->{rate} *= $slice->{got};
    return $slice;
}

# How often the databases are asked, and what they have to keep.
sub trips {
    my ($bench) = @_;

    return _reservations($bench), _growth($bench);
}

# In windows of a load that does not pause.
sub _reservations {
    my ($bench) = @_;

    my $stack = Bench::Stack->new(shards => 2);
    my @rows;

    for my $workers (1, 2) {
        my $nginx = $stack->nginx(workers => $workers);
        my (@per_second, @per_million);

        my $wrk = Bench::Wrk->start(
            port        => $nginx->port,
            path        => '/random',
            connections => 32,
            seconds     => 3 + 2 * $bench->{rounds},
        );

        sleep 2;
        my @last = $stack->progress;

        for (1 .. $bench->{rounds}) {
            sleep 2;
            my @now = $stack->progress;

            for my $i (0 .. $#now) {
                my %grown = map { $_ => $now[$i]{$_} - $last[$i]{$_} }
                    keys %{ $now[$i] };
                push @per_second,  $grown{serial} / $grown{time};
                push @per_million, 1e6 * $grown{serial} / $grown{reserved};
            }

            @last = @now;
        }

        my $slice = $wrk->finish;
        $nginx->term;

        push @rows, row(
            label => "reservations, $workers worker"
                . ($workers > 1 ? 's' : ''),
            value   => summary(@per_second),
            unit    => 'reservations/s of a shard',
            target  => [ '<=', 2 ],
            chart   => 'cost',
            figures => [ {
                name    => 'OURS',
                columns => [
                    { name => 'requests/s', value => summary($slice->{rate}) },
                    {   name  => 'reservations for a million numbers',
                        value => summary(@per_million),
                    },
                ],
            } ],
        );
    }

    $stack->end;
    return @rows;
}

# What is left on disk, and went through the WAL, after many numbers.
sub _growth {
    my ($bench) = @_;

    my $stack   = Bench::Stack->new(shards => 2);
    my $nginx   = $stack->nginx;
    my $numbers = 0;
    my %load    = (path => '/random', connections => 32, pipeline => 16);

    # The first pages of tables are no growth.
    $stack->load([$nginx], %load);
    _vacuum($_) for $stack->shards;

    my @before = map { _size($_) } $stack->shards;

    while ($numbers < $bench->{growth}) {
        $numbers += $stack->load([$nginx], %load, seconds => 5)->{requests};
    }

    _vacuum($_) for $stack->shards;

    my @after = map { _size($_) } $stack->shards;
    $stack->end;

    my ($tables, $wal) = map {
        my $key = $_;
        my $sum = 0;
        $sum += $after[$_]{$key} - $before[$_]{$key} for 0 .. $#after;
        1e6 * $sum / $numbers;
    } qw( tables wal );

    return row(
        label => sprintf('growth by %.1f million numbers, 2 shards',
            $numbers / 1e6),
        figures => [ {
            name    => 'bytes for a million numbers',
            columns => [
                { name => 'tables', value => summary($tables) },
                { name => 'WAL',    value => summary($wal) },
            ],
        } ],
    );
}

sub _vacuum {
    my ($shard) = @_;

    $shard->{pg}->psql($shard->{db}, join '',
        map {"VACUUM unique_random.$_;\n"} qw( ranges holders returned ));
    return;
}

sub _size {
    my ($shard) = @_;

    my %size;
    @size{qw( tables wal )} = split /\|/,
        $shard->{pg}->psql($shard->{db}, <<'EOT');
SELECT sum(pg_total_relation_size(oid)), pg_current_wal_lsn() - '0/0'::pg_lsn
  FROM pg_class
 WHERE relnamespace = 'unique_random'::regnamespace AND relkind = 'r'
EOT
    return \%size;
}

1;
