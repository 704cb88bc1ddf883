package Bench::Case::Bulk;

# Many numbers in one answer: what a core makes of them, and what requests for
# one number notice of it.

use strict;
use warnings;

use Carp        qw( croak );
use POSIX       ();
use Time::HiRes qw( time );

use Bench::Row   qw( beside figure row );
use Bench::Stack ();
use Bench::Stats qw( rounds summary );

use constant {
    BATCHES => 200,    # of a slice
    MILLION => 1_000_000,
};

sub bulk {
    my ($bench) = @_;

    my @rows;

    for my $shards (1, 2) {
        my $stack = Bench::Stack->new(shards => $shards);
        my $nginx = $stack->nginx;

        push @rows, _numbers($bench, $nginx, $shards, $_) for 10_000, 100_000;
        push @rows, _singles($bench, $stack) if $shards == 2;
        $stack->end;
    }

    return @rows;
}

# One request after the other, on one connection.
sub _get {
    my ($nginx, $count, $batches) = @_;

    my $url = $nginx->url("/random?count=$count&n=[1-$batches]");
    my $pid = fork // croak "fork: $!";

    if ($pid == 0) {
        exec qw( curl -sS --fail -o /dev/null ), $url or POSIX::_exit(127);
    }

    return $pid;
}

sub _wait {
    my ($pid) = @_;

    waitpid $pid, 0;
    return $?;
}

# The client has a core of its own, if there are two.
sub _numbers {
    my ($bench, $nginx, $shards, $count) = @_;

    my $batches = BATCHES * 10_000 / $count;

    my $slice = sub {
        my ($cpu, $start) = (Bench::Stack::cpu($nginx), time);

        croak 'a request for many failed' if _wait(_get($nginx, $count,
            $batches));

        my $millions = $count * $batches / MILLION;

        return {
            rate => $millions / (time - $start),
            core => $millions / (Bench::Stack::cpu($nginx) - $cpu),
        };
    };

    $slice->();
    my ($slices) = rounds($bench->{pairs}, $slice);

    my $what = $shards == 1 ? 'a shard' : "$shards shards";

    return row(
        label  => "in batches of $count, of $what",
        value  => summary(map { $_->{core} } @$slices),
        unit   => 'million numbers in a second of CPU',
        target => [ '>=', 10 ],
        figures => [ figure('a million numbers each' => [
            map { { ms => 1000 / $_->{rate}, us => MILLION / $_->{core} } }
                @$slices
        ]) ],
    );
}

# One who takes them as fast as they come.
sub _singles {
    my ($bench, $stack) = @_;

    my $nginx = $stack->nginx(workers => 1);
    my %load  = (path => '/random', connections => 32, seconds => 1);

    my ($without, $with) = rounds($bench->{pairs},
        sub { $stack->load([$nginx], %load) },
        sub {
            my $pid = _get($nginx, 100_000, 10_000);
            my $slice = $stack->load([$nginx], %load);

            kill TERM => $pid;
            _wait($pid);
            return $slice;
        });

    return beside(
        $with, $without,
        label   => 'single requests beside batches of 100000',
        unit    => 'with/without, requests/s',
        target  => undef,
        chart   => undef,
        figures => [
            figure('without' => $without),
            figure('with'    => $with),
        ],
    );
}

1;
