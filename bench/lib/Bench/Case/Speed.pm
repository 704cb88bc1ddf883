package Bench::Case::Speed;

# /random beside /limit in the same nginx: how much of the speed that nginx has
# is left.  Each function is a case, as Bench::Cases says.

use strict;
use warnings;

use Bench::Row   qw( beside );
use Bench::Stack ();
use Bench::Stats qw( rounds );

sub _pair {
    my ($pairs, $stack, $instances, %load) = @_;

    my ($limit, $ours)
        = $stack->slices($instances, [ '/limit', '/random' ], %load);

    $ours->(seconds => 2);    # leases find their size

    return reverse rounds($pairs, $limit, $ours);
}

sub plain {
    my ($bench) = @_;

    my $stack = Bench::Stack->new(shards => 2);
    my @rows;

    for my $workers (1, 2) {
        my $nginx = $stack->nginx(workers => $workers);

        for my $connections (32, 256) {
            push @rows, beside(
                _pair($bench->{plain}, $stack, [$nginx],
                    connections => $connections),
                label => "$workers worker" . ($workers > 1 ? 's' : '')
                    . ", $connections connections",
                p99_target => [ '<=', 1.1 ],
            );
        }

        $nginx->term;
    }

    $stack->end;
    return @rows;
}

sub pipelined {
    my ($bench) = @_;

    my $stack = Bench::Stack->new(shards => 2);
    my $nginx = $stack->nginx;
    my $row   = beside(
        _pair($bench->{pairs}, $stack, [$nginx],
            connections => 32,
            pipeline    => 16,
        ),
        label  => '16 requests at a time, 32 connections',
        target => [ '>=', 0.92 ],
    );

    $stack->end;
    return $row;
}

sub delay {
    my ($bench) = @_;

    my $stack = Bench::Stack->new(shards => 2, proxy => 1);
    my $nginx = $stack->nginx;
    my @rows;

    # Connections, too, are made before.
    $stack->load([$nginx], path => '/random', connections => 32);

    for my $ms (1, 10, 50) {
        $stack->delay($ms / 1000);
        push @rows, beside(
            _pair($bench->{pairs}, $stack, [$nginx], connections => 32),
            label => "databases answer $ms ms later",
        );
    }

    $stack->end;
    return @rows;
}

# As the parts have names in URLs: 99.9 % is used999.
my @used = (
    [ used0   => 0,     '0 %' ],
    [ used50  => 0.5,   '50 %' ],
    [ used99  => 0.99,  '99 %' ],
    [ used999 => 0.999, '99.9 %' ],
);

sub fill {
    my ($bench) = @_;

    my $stack = Bench::Stack->new(
        shards => 2,
        pools  => { map { $_->[0] => { used => $_->[1] } } @used },
    );
    my $nginx = $stack->nginx;

    my @slices = $stack->slices([$nginx],
        [ '/limit', map {"/$_->[0]"} @used ], connections => 32);

    $_->(seconds => 2) for @slices[ 1 .. $#slices ];
    my ($limit, @ours) = rounds($bench->{pairs}, @slices);

    $stack->end;
    return map {
        beside($ours[$_], $limit, label => "$used[$_][2] of the pool used")
    } 0 .. $#used;
}

sub shards {
    my ($bench) = @_;

    my @rows;

    for my $n (2, 8, 32) {
        my $stack = Bench::Stack->new(shards => $n);
        my $nginx = $stack->nginx;

        push @rows, beside(
            _pair($bench->{pairs}, $stack, [$nginx], connections => 32),
            label => "$n shards",
        );
        $stack->end;
    }

    my $stack = Bench::Stack->new(shards => 2);
    my @nginx = map { $stack->nginx } 1, 2;

    push @rows, beside(
        _pair($bench->{pairs}, $stack, \@nginx, connections => 32),
        label => '2 nginx on 2 shards, their sum',
    );
    $stack->end;

    return @rows;
}

1;
