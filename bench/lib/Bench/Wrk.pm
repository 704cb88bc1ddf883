package Bench::Wrk;

# Slices of load by wrk.
#
#   my $slice = Bench::Wrk->start(port => ..., path => '/random',
#       connections => 32, seconds => 1)->finish;
#
# Without "seconds" a slice is of half a second: what else a machine does comes
# and goes in seconds, so short slices beside each other are alike.
#
# More arguments: pipeline => requests at a time, bodies => a file to write the
# bodies to.  A slice is a hash:
#
#   requests   that were answered
#   rate       of them in a second
#   p50, p99, p999, max    latency in ms; percentiles only without pipeline
#
# A request that failed, or was answered with an error, ends the case.

use strict;
use warnings;

use Carp qw( croak );
use File::Basename qw( dirname );
use JSON::PP ();
use POSIX qw( ceil );
use Time::HiRes qw( sleep time );

my $script = dirname(__FILE__) . '/../../wrk.lua';

sub start {
    my ($class, %arg) = @_;

    my $seconds = $arg{seconds} // 0.5;
    my $self    = bless {
        what => "$arg{path} of port $arg{port}",
        end  => time + $seconds,
    }, $class;

    local $ENV{BENCH_PIPELINE} = $arg{pipeline} // 1;
    local $ENV{BENCH_BODIES}   = $arg{bodies};
    delete $ENV{BENCH_BODIES} if !defined $arg{bodies};

    # It knows whole seconds only, and is interrupted when it has had enough.
    $self->{pid} = open $self->{out}, '-|', 'wrk', '--threads', 1,
        '--connections', $arg{connections},
        '--duration', 10 + ceil($seconds) . 's',
        '--script', $script, "http://127.0.0.1:$arg{port}$arg{path}"
        or croak "cannot run wrk: $!";

    return $self;
}

sub finish {
    my ($self) = @_;

    my $left = $self->{end} - time;
    sleep $left if $left > 0;
    kill INT => $self->{pid};

    my $text = do { local $/; readline $self->{out} };
    close $self->{out} or croak "wrk failed: $text";

    my ($json) = $text =~ /^(\{.*\})$/m or croak "wrk said: $text";
    my $slice = JSON::PP::decode_json($json);

    my @errors = map {"$slice->{$_} $_"}
        grep { $slice->{$_} } qw( connect read write status timeout );
    croak "failed requests to $self->{what}: @errors" if @errors;

    $slice->{rate} = $slice->{requests} / $slice->{seconds};
    $_ /= 1000 for grep {defined} @$slice{qw( p50 p99 p999 max )};

    return $slice;
}

1;
