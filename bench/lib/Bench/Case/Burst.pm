package Bench::Case::Burst;

# From nothing to full load: an nginx that has just started holds no lease and
# no connection.

use strict;
use warnings;

use IO::Socket::INET;
use Time::HiRes qw( time );

use Bench::Row   qw( row );
use Bench::Stack ();
use Bench::Stats qw( summary );

# Added to each answer of the databases: without it, what is to be measured is
# lost in what a busy machine does.
use constant DELAY => 0.010;

sub cold {
    my ($bench) = @_;

    my $stack = Bench::Stack->new(shards => 2, proxy => 1);
    my $nginx = $stack->nginx(start => 0);
    my (@alone, @burst, @limit);

    $stack->delay(DELAY);

    for (1 .. $bench->{bursts}) {
        push @alone, _started($nginx, sub { _first_answer($nginx) });
        push @limit, _started($nginx, sub { _burst($stack, $nginx, '/limit') });
        push @burst,
            _started($nginx, sub { _burst($stack, $nginx, '/random') });
    }

    $stack->end;

    my $figure = sub {
        my ($name, @ms) = @_;
        return { name => $name,
            columns => [ { name => 'ms', value => summary(@ms) } ] };
    };

    return row(
        label  => 'longest wait, 256 connections at once',
        value  => summary(map { $burst[$_] / $alone[$_] } 0 .. $#alone),
        unit   => 'reservations with connecting',
        target => [ '<', 3 ],
        chart  => 'cost',
        figures => [
            $figure->('one request alone: connecting, one reservation',
                @alone),
            $figure->('longest wait, OURS', @burst),
            $figure->('longest wait, LIMIT', @limit),
        ],
    );
}

sub _started {
    my ($nginx, $measure) = @_;

    $nginx->start;
    my $result = $measure->();
    $nginx->term;
    return $result;
}

# Milliseconds.
sub _first_answer {
    my ($nginx) = @_;

    my $socket = IO::Socket::INET->new(
        PeerAddr => '127.0.0.1',
        PeerPort => $nginx->port,
    ) or die "cannot connect to nginx: $!\n";

    my $start = time;
    syswrite $socket, "GET /random HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    sysread $socket, my $answer, 4096;
    my $ms = 1000 * (time - $start);

    die "the first request failed: $answer\n"
        if $answer !~ m{\AHTTP/1\.1 200 };
    return $ms;
}

sub _burst {
    my ($stack, $nginx, $path) = @_;

    return $stack->load([$nginx], path => $path, connections => 256,
        seconds => 1)->{max};
}

1;
