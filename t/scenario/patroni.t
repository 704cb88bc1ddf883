# Failover as it is done where people run PostgreSQL: Patroni promotes, and nobody
# tells nginx.  Primaries are killed, switched over, stand still, or are cut off
# from etcd, with synchronous replication and failover=trust, and with
# asynchronous replication and failover=advance:N.  Several nginx share a range:
# with a stock for a second and for half a minute, directly and by way of a
# PgBouncer in front of each server.
#
# No number comes twice, no range is fenced, and all go on by themselves.  What
# the clients had is printed as tables: docs/reliability.md has those of
# FAILOVERS=20, which makes so many of each kind.  FAILOVERS_OF picks modes and
# kinds by a pattern of "MODE: KIND"; without it, there is no strict mode.

use strict;
use warnings;

use List::Util qw( max sum0 );
use Test::More;
use Time::HiRes qw( sleep time );

use UniqueRandom::Faults    qw( report );
use UniqueRandom::Load      ();
use UniqueRandom::Nginx     ();
use UniqueRandom::Patroni   ();
use UniqueRandom::PgBouncer ();
use UniqueRandom::Util      qw( read_file tmp_dir wait_until );

use constant {
    LAST    => 1_000_000_000,
    ADVANCE => 100_000,
    RATE    => 50,

    # Seconds: a gap between two numbers that is none of the clients' own.
    GAP => 0.5,
};

# Seconds until there is a stock for half a minute, where that is measured.
use constant WARM => $ENV{FAILOVERS} ? 30 : 3;

my $failovers = $ENV{FAILOVERS}    || 1;
my $chosen    = $ENV{FAILOVERS_OF} || '^a?synchronous:';

# How Patroni replicates, and what that means for the range.
my @modes = (
    [ 'synchronous',  'trust', synchronous => 1 ],
    [ 'asynchronous', 'advance:' . ADVANCE ],
    [ 'strictly synchronous', 'trust', synchronous => 1,
        synchronous_mode_strict => \1 ],
);

# What happens to the primary, and how it is mended.
my @kinds = (
    [ 'kill -9', sub { $_[1]->kill9 }, sub { $_[0]->start } ],
    [ 'switchover', sub { $_[0]->switch_over }, sub { } ],
    [ 'SIGSTOP', sub { $_[1]->pause }, sub { $_[0]->resume } ],
    [ 'cut off from etcd', sub { $_[1]->cut_off }, sub { $_[0]->reconnect } ],
);

my (@stock, @ranges);
my $nginx_count = 0;

alarm 900 + 2 * @kinds * $failovers * 120;

sub chosen {
    my ($mode) = @_;

    return grep {"$mode: $_->[0]" =~ /$chosen/} @kinds;
}

sub nginx {
    my ($way, $ahead, $policy, @servers) = @_;

    my $hosts = join ',', map { '127.0.0.1:' . $_->port } @servers;
    my $rate  = RATE;

    # Of this cluster: another one has the range with another key.
    my $state = tmp_dir() . '/state-' . $nginx_count++;

    return {
        way   => $way,
        ahead => $ahead,
        nginx => UniqueRandom::Nginx->new(
            workers => 2,
            start   => 0,
            level   => 'notice',
            http    => <<"EOH",
log_format when '\$msec \$status';
limit_req_zone \$server_port zone=slow:1m rate=${rate}r/s;
limit_req_log_level notice;
unique_random_pool numbers {
    lease ahead=$ahead;
    state $state;
    shard postgresql://postgres\@$hosts/numbers range=1-@{[ LAST ]}
        failover=$policy;
}
EOH
            server => 'location = /random { unique_random; access_log when.log'
                . ' when; limit_req zone=slow burst=100; }',
        ),
    };
}

# A column of the row, as the primary has it.
sub row {
    my ($primary, $column) = @_;

    return $primary->psql('numbers',
        "SELECT $column FROM unique_random.ranges");
}

# What is reserved, and not there to be granted again.
sub taken {
    my ($cluster) = @_;

    return row($cluster->primary, 'reserved - (SELECT'
        . ' coalesce(sum(t.stop - t.start), 0) FROM unique_random.returned t)');
}

# Seconds between $from and $to in which clients were given nothing.
sub without {
    my ($nginx, $from, $to) = @_;

    my $log   = read_file($nginx->dir . '/when.log');
    my @given = grep { $_ > $from && $_ < $to } $log =~ /^(\S+) 200$/mg;
    my ($seconds, $last) = (0, $from);

    for my $time (@given, $to) {
        $seconds += $time - $last if $time - $last > GAP;
        $last = $time;
    }

    return $seconds;
}

# Whether clients are given numbers after that moment.
sub is_given {
    my ($nginx, $from) = @_;

    return eval {
        wait_until(sub {
            my $log = read_file($nginx->dir . '/when.log') // '';
            return grep { $_ > $from } $log =~ /^(\S+) 200$/mg;
        }, 10, 'numbers');
    };
}

# How many positions a failover has made the range skip.
sub skipped {
    my ($primary) = @_;

    return row($primary, 'began') =~ /, (\d+) positions from/ ? $1 : 0;
}

# The range goes on by itself; if it does not, somebody has to accept it.
sub is_granted_again {
    my ($cluster, $primary) = @_;

    my $now = $primary->psql('numbers', 'SELECT unique_random.timeline()');
    my $ok  = eval {
        wait_until(sub {
            return row($primary, "timeline = $now AND fenced IS NULL") eq 't';
        }, 10, 'the range is granted from');
    };

    if (!$ok) {
        diag 'it is not granted from: ', row($primary,
            "concat_ws(' ', timeline, synchronous, fenced)");
        $primary->psql('numbers', "SELECT unique_random.accept('numbers', 1,"
            . ' advance => 1000000)');
    }

    return $ok;
}

# One failover under load.  Adds to what is known of the kind.
sub fail_over {
    my ($cluster, $kind, $sum, @clients) = @_;

    my (undef, $break, $mend) = @$kind;

    $_->{load} = UniqueRandom::Load->new(port => $_->{nginx}->port,
        connections => 8, processes => 1, deadline => 600)->start
        for @clients;
    sleep $sum->{headless} ? 3 : WARM;

    my $old  = $cluster->primary;
    my $from = time;
    $break->($cluster, $old);
    my $new = $cluster->wait_for_primary($old);
    push @{ $sum->{headless} }, time - $from;

    $sum->{fenced}++ if !is_granted_again($cluster, $new);
    $mend->($old);
    $cluster->wait_until_healthy;
    $sum->{skipped} += skipped($new);

    # All go on by themselves.
    my $mended = time;
    $sum->{late} += !is_given($_->{nginx}, $mended) for @clients;
    sleep 1;

    my $to = time;
    $_->{load}->stop for @clients;

    for my $client (@clients) {
        push @{ $client->{results} }, (delete $client->{load})->finish;
        push @{ $client->{without} }, without($client->{nginx}, $from, $to);
    }

    note join ' ', "$kind->[0]:", $old->name, '->', $new->name,
        map { sprintf '%.1f', $_ } $sum->{headless}[-1],
        map { $_->{without}[-1] } @clients;
    return;
}

sub median {
    my @sorted = sort { $a <=> $b } @_;

    return $sorted[ $#sorted / 2 ];
}

# Of several failovers: the median, and the longest.
sub seconds {
    my (@seconds) = @_;

    return sprintf '%.1f, %.1f', median(@seconds), max(@seconds);
}

# Of all that one kind of fault has done in one mode.
sub sum_up {
    my ($mode, $kind, $sum, $taken, @clients) = @_;

    my $fault = "$mode: $kind";
    my %all   = map {
        $_->{way} . $_->{ahead} =>
            UniqueRandom::Load->merge(@{ $_->{results} })
    } @clients;
    my $all    = UniqueRandom::Load->merge(values %all);
    my $burned = $taken - $all->status(200);

    is scalar $all->duplicates, 0, "$fault: no number came twice";
    is $all->malformed, 0, '... all answers are to the letter';
    is $sum->{fenced} // 0, 0, '... the range is not fenced';
    is $sum->{late}   // 0, 0, '... all nginx go on by themselves';

    report(fault => "Patroni, $fault", runs => $failovers, result => $all,
        burned => $burned);
    push @ranges, [ $fault, $failovers, seconds(@{ $sum->{headless} }),
        $all->attempts, $all->status(200), scalar $all->duplicates,
        $burned, $sum->{skipped} // 0 ];

    for my $client (@clients) {
        my $result = $all{ $client->{way} . $client->{ahead} };
        my @gaps   = grep { $_ > 0 } @{ $client->{without} };

        push @stock, [ $fault, @$client{qw( ahead way )},
            $result->attempts, $result->status(200),
            $result->attempts - $result->status(200) - $result->closed,
            scalar(@gaps) . " of $failovers", seconds(@{ $client->{without} }) ];
    }

    return $all;
}

sub table {
    my (@rows) = @_;

    splice @rows, 1, 0, [ map {'---'} @{ $rows[0] } ];
    diag join '', "\n", map { '| ' . join(' | ', @$_) . " |\n" } @rows;
    return;
}

for (@modes) {
    my ($mode, $policy, @settings) = @$_;
    my @chosen = chosen($mode) or next;

    my $cluster = UniqueRandom::Patroni->new(@settings);
    my $primary = $cluster->primary;

    $primary->create_database('numbers')->apply_schema('numbers');
    $primary->psql('numbers', "SELECT unique_random.add('numbers', 1,"
        . " @{[ LAST ]}, failover => '$policy')");

    # PgBouncer keeps to a server that has failed for a while: a short one.
    my @bouncers = map {
        UniqueRandom::PgBouncer->new(postgres => $_, conf => {
            server_connect_timeout => 2,
            server_login_retry     => 1,
        })
    } $cluster->members;
    my @clients = map {
        nginx(direct => $_, $policy, $cluster->members),
            nginx(PgBouncer => $_, $policy, @bouncers)
    } qw( 1s 30s );
    my @all;

    for my $kind (@chosen) {
        my $before = taken($cluster);
        my $sum    = {};

        for my $client (@clients) {
            $client->{nginx}->start;
            @$client{qw( results without )} = ([], []);
        }

        fail_over($cluster, $kind, $sum, @clients) for 1 .. $failovers;

        # What is leased is given back.
        $_->{nginx}->stop for @clients;
        push @all, sum_up($mode, $kind->[0], $sum, taken($cluster) - $before,
            @clients);
    }

    is scalar UniqueRandom::Load->merge(@all)->duplicates, 0,
        "$mode: nor did one in all of that";
}

table([ 'replication: fault', 'failovers', 'seconds without a primary',
    'attempts', 'numbers', 'duplicates', 'burned', 'of these skipped' ],
    @ranges);
table([ 'replication: fault', 'ahead', 'by way of', 'attempts', 'numbers',
    'failed', 'without stock', 'seconds' ], @stock);

done_testing;
