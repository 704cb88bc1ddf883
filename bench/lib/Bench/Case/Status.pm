package Bench::Case::Status;

# A pool of a thousand ranges that is scraped: what it costs those who draw
# numbers, what a scrape takes, and how long the pool's mutex is held for a
# range of it.

use strict;
use warnings;

use Carp qw( croak );
use File::Basename qw( dirname );
use IO::Socket::INET;
use List::Util qw( sum );

use UniqueRandom::Util qw( read_file run tmp_dir );

use Bench::Case::Callgrind ();
use Bench::Row             qw( beside figure row );
use Bench::Stack           ();
use Bench::Stats           qw( rounds summary );

use constant {
    RANGES  => 1000,
    SCRAPES => 100,    # of a slice in which nothing else is asked
    SHIM    => dirname(__FILE__) . '/../../../holds.c',
};

# By the media type that is asked for.
my @representations = (
    [ 'JSON'        => 'application/json' ],
    [ 'HTML'        => 'text/html' ],
    [ 'OpenMetrics' => 'application/openmetrics-text' ],
    [ 'text format' => 'text/plain' ],
);

sub status {
    my ($bench) = @_;

    # Leases that last: what is measured is not how a thousand are fetched.
    my $stack = Bench::Stack->new(
        shards => 1,
        pools  => {
            random => {
                ranges => RANGES,
                conf   => 'zone 4m; ' . Bench::Case::Callgrind::LEASE,
            },
        },
    );

    my $nginx = $stack->nginx;
    $stack->load([$nginx], path => '/random', connections => 32, seconds => 3);

    my @rows = (_speed($bench, $stack, $nginx), _scrapes($bench, $nginx));
    $nginx->kill9;    # to give all of that back takes longer than a stop may

    push @rows, _holds($bench, $stack);
    $stack->end;
    return @rows;
}

# The bytes of a status.  Who asks uses as little of the machine as possible.
sub _scrape {
    my ($nginx, $accept) = @_;

    my $socket = IO::Socket::INET->new(
        PeerAddr => '127.0.0.1',
        PeerPort => $nginx->port,
    ) or croak "cannot connect: $!";

    print {$socket} "GET /status HTTP/1.0\r\nAccept: $accept\r\n\r\n";

    my ($head, $bytes) = ('', 0);

    while (sysread $socket, my $part, 1 << 16) {
        $head = $part if $bytes == 0;
        $bytes += length $part;
    }

    my ($header, $type, $length) = $head =~ m{\A(HTTP/1\.1\ 200\ .*?
        ^Content-Type:\ ([^;\r]+) .*? ^Content-Length:\ (\d+) .*? \r\n\r\n)}msx
        or croak "the status is not there: $head";

    croak "$type in place of $accept" if $type ne $accept;
    croak 'a part of the status' if $bytes != $length + length $header;

    return $length;
}

# Numbers with and without one scrape in each second.  What that costs is less
# than the noise of a busy machine: the CPU of a scrape tells more.
sub _speed {
    my ($bench, $stack, $nginx) = @_;

    my $slice = sub {
        my ($accept) = @_;

        return $stack->load(
            [$nginx],
            path        => '/random',
            connections => 32,
            seconds     => 1,
            meanwhile   => sub { _scrape($nginx, $accept) if $accept },
        );
    };

    my ($without, @with) = rounds($bench->{pairs}, $slice,
        map { my $accept = $_->[1]; sub { $slice->($accept) } }
            @representations);

    return map {
        my $name = $representations[$_][0];

        beside(
            $with[$_], $without,
            label   => "scraped once a second: $name",
            unit    => 'with/without, requests/s',
            target  => [ '>=', 0.99 ],
            chart   => undef,
            figures => [
                figure('not scraped'      => $without),
                figure("scraped as $name" => $with[$_]),
            ],
        )
    } 0 .. $#representations;
}

# A hundredth of a second is what may be used once a second.
sub _scrapes {
    my ($bench, $nginx) = @_;

    my @slices = rounds($bench->{rounds}, map {
        my $accept = $_->[1];
        sub {
            my $start = Bench::Stack::cpu($nginx);
            my $bytes;
            $bytes = _scrape($nginx, $accept) for 1 .. SCRAPES;

            return {
                ms    => 1000 * (Bench::Stack::cpu($nginx) - $start) / SCRAPES,
                bytes => $bytes,
            };
        };
    } @representations);

    return map {
        row(
            label   => "a scrape: $representations[$_][0]",
            value   => summary(map { $_->{ms} } @{ $slices[$_] }),
            unit    => 'ms of CPU',
            target  => [ '<', 10 ],
            figures => [ figure($representations[$_][0] => $slices[$_]) ],
        )
    } 0 .. $#representations;
}

# While two workers draw numbers, and with one scrape in each second, as
# Prometheus would have it: caches know little of the last one.
sub _holds {
    my ($bench, $stack) = @_;

    my $file  = tmp_dir() . '/holds';
    my $nginx = $stack->nginx(
        workers => 2,
        env     => { LD_PRELOAD => _shim(), HOLDS => $file },
    );
    my %load = (path => '/random', connections => 32, seconds => 1);

    $stack->load([$nginx], %load, seconds => 3);
    my $before = _count($file);

    my $scrapes = $bench->{pairs};
    my $scrape  = sub { _scrape($nginx, $representations[0][1]) };
    $stack->load([$nginx], %load, meanwhile => $scrape) for 1 .. $scrapes;

    my @us = _of_ranges($file, $before, $scrapes);
    $nginx->kill9;

    my $long = grep { $_ >= 1 } @us;
    my @of_scrapes;
    push @of_scrapes, [ splice @us, 0, RANGES ] while @us;

    return _held($long, @of_scrapes);
}

# A hold is longer when the processor is taken away meanwhile: the median of a
# range tells whether it is that.  The first one of a scrape finds no code in the
# processor's caches.
sub _held {
    my ($long, @of_scrapes) = @_;

    my @medians = map {
        my $range = $_;
        summary(map { $_->[$range] } @of_scrapes)->{median};
    } 0 .. RANGES - 1;

    my $figure = sub {
        my ($name, @us) = @_;
        return figure($name => [ map { { us => $_ } } @us ]);
    };

    return row(
        label   => 'the mutex is held, for each range of a scrape',
        value   => summary(map { sum(@$_) / RANGES } @of_scrapes),
        unit    => 'us',
        target  => [ '<', 1 ],
        figures => [
            $figure->('the first range'   => $medians[0]),
            $figure->('medians of others' => @medians[ 1 .. $#medians ]),
            $figure->('each time'         => map {@$_} @of_scrapes),
        ],
        notes => [ "1 us or more: $long of " . RANGES * @of_scrapes . ' times' ],
    );
}

# What is preloaded.
sub _shim {
    my $shim = tmp_dir() . '/holds.so';

    my ($code, $out) = run(
        command => [ qw( cc -O2 -shared -fPIC -o ), $shim, SHIM, '-ldl' ],
        merge   => 1,
    );
    croak $out if $code;

    return $shim;
}

sub _count {
    my ($file) = @_;

    return unpack 'Q', read_file($file);
}

# Of all since, in microseconds: those of the one place that took the mutex once
# for each range and scrape.
sub _of_ranges {
    my ($file, $before, $scrapes) = @_;

    my ($count, @holds) = unpack 'Q (LL)*', read_file($file);
    my %by_place;

    for my $i ($before .. $count - 1) {
        my ($place, $ns) = @holds[ 2 * $i, 2 * $i + 1 ];
        push @{ $by_place{$place} }, $ns / 1000;
    }

    my @found = grep { @$_ == $scrapes * RANGES } values %by_place;
    croak 'the mutex was taken ', join(', ', map { scalar @$_ } values %by_place),
        ' times' if @found != 1;

    return @{ $found[0] };
}

1;
