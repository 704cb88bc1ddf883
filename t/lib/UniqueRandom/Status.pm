package UniqueRandom::Status;

# What "unique_random_status" answers, made up: for tests of who reads it.
#
#   status(pool(ranges => [ range(1), range(2, state => 'fenced', ...) ]))

use strict;
use warnings;

use Exporter qw( import );
use JSON::PP ();

our @EXPORT_OK = qw( in_html in_json pool range shard status );

# A server that has it in a file puts the time there.
use constant NOW => 'NOW';

my $json = JSON::PP->new->canonical->utf8;

my @bounds = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5);

# Of so many in each bucket.
sub histogram {
    my (@counts) = @_;

    my $count = 0;
    my @buckets = map {
        $count += shift @counts // 0;
        { le => $_, count => $count };
    } @bounds, undef;

    return { count => $count, sum_seconds => 0.004 * $count,
        buckets => \@buckets };
}

# The nth half million of numbers.
sub range {
    my ($n, %arg) = @_;

    my $first = 1 + ($n - 1) * 500_000;
    my $last  = $n * 500_000;

    return {
        range => "$first-$last", first => $first, last => $last,
        shard => 'a', adopted => JSON::PP::false,
        state => 'active', since => time - 7200,
        reason => undef, sql => undef,
        size => 500_000, reserved => 182_300, returned => 0,
        remaining => 317_700, granted => 60_000, issued => 59_300,
        excluded => 0, leased => 520, batched => 64, given_back => 100,
        burned => {
            lost => 16, killed => 0, fenced => 0, life => 0, skipped => 0,
        },
        rate => { seconds => 0.82, minute => 0.79, hour => 0.8, day => undef },
        exhausted_in_seconds => { hour => 397_125, day => undef },
        serial => 412, epoch => 1_764_400_000_000_000,
        last_reservation => {
            time => time - 41, size => 512, seconds => 0.0042,
        },
        %arg,
    };
}

sub shard {
    my ($name, %arg) = @_;

    return {
        name => $name, state => 'available', fails => 0,
        reservations => 412, failures => 0,
        last_success => time - 41, last_error => undef,
        connections => { idle => 1, busy => 0, connecting => 0 },
        latency => histogram(0, 41, 290, 60, 15, 4, 2),
        %arg,
    };
}

sub pool {
    my (%arg) = @_;

    my @ranges = @{ $arg{ranges} // [ range(1), range(2) ] };
    my %sum;

    for my $what (qw(
        size reserved returned remaining leased batched issued excluded
    )) {
        $sum{$what} += $_->{$what} for @ranges;
    }

    return {
        name => 'numbers', state => 'ok',
        zone => {
            created => time - 86_400, size_bytes => 1_048_576,
            ranges => scalar @ranges, free_ranges => 400,
        },
        state_file => { unsaved_ranges => 0, written => time - 3 },
        requests => {
            leased => 118_541, waited => 59, exhausted => 0, unavailable => 0,
        },
        waiting => { now => 0, oldest_seconds => 0, limit => 4096 },
        waits => histogram(0, 2, 30, 20, 6, 1),
        %sum,
        rate => { seconds => 1.64, minute => 1.58, hour => 1.6, day => undef },
        exhausted_in_seconds => { hour => 397_125, day => undef },
        history => {
            step_seconds => 5,
            issued => [
                map { int 8.5 + 3 * sin($_ / 6) + 1.5 * sin($_ * 1.9) }
                    1 .. 60
            ],
        },
        shards => [ shard('a') ],
        ranges => \@ranges,
        %arg,
    };
}

# With the state of the worst pool.
sub status {
    my (@pools) = @_;

    my ($state) = grep {
        my $this = $_;
        grep { $_->{state} eq $this } @pools;
    } qw( critical warning ok );

    return {
        version => 1, now => NOW, state => $state, pools => \@pools,
        build => {
            module => '1.1.0', nginx => 'nginx/1.22.1', libpq => '15.14',
            openssl => 'OpenSSL 3.0.17',
        },
        process_started => time - 86_400, config_loaded => time - 3600,
        config_loads => 3,
    };
}

# For nginx's SSI, which knows the time of the request.
sub in_json {
    my ($status) = @_;

    my $now = '<!--# echo var="msec" -->';
    return $json->encode($status) =~ s/"@{[NOW]}"/$now/r;
}

sub _table {
    my ($what, $keys, @rows) = @_;

    my $cells = sub {
        my ($tag, @texts) = @_;
        return join '', map {
            (my $text = $_ // '') =~ s/([<>&"])/sprintf '&#%d;', ord $1/ge;
            "<$tag>$text</$tag>";
        } @texts;
    };

    my $head = $cells->(th => @$keys);
    my $body = join "\n", map {
        qq{<tr class="state-$_->{state}">} . $cells->(td => @$_{@$keys})
            . '</tr>'
    } @rows;

    return qq{<table class="\l$what"><caption>$what</caption>}
        . "<thead><tr>$head</tr></thead>\n<tbody>$body</tbody></table>\n";
}

# As the module puts it into a page.
sub in_html {
    my ($status) = @_;

    my @pools = @{ $status->{pools} };

    return _table('Ranges', [qw(
            range shard state size reserved remaining leased issued excluded
            reason sql
        )], map { @{ $_->{ranges} } } @pools)
        . _table('Shards', [qw( name state reservations failures )],
            map { @{ $_->{shards} } } @pools)
        . _table('Pools', [qw( name state size remaining issued )], @pools)
        . '<script type="application/json" id="snapshot">'
        . in_json($status) =~ s/<(?!!--#)/\\u003c/gr . "</script>\n";
}

1;
