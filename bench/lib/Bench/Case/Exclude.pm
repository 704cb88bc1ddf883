package Bench::Case::Exclude;

# What a number costs that five patterns have to be matched with, beside one of
# a pool without patterns in the same nginx: as they are, and with "pcre_jit on".

use strict;
use warnings;

use Bench::Case::Callgrind ();
use Bench::Row             qw( beside figure );
use Bench::Stack           ();
use Bench::Stats           qw( rounds );

use constant LEASE => Bench::Case::Callgrind::LEASE;

# One number of a hundred or so is excluded.
my @patterns = (
    '(\\d)\\1{4}',
    '^(\\d+)\\1$',
    '012345|123456|234567|345678|456789',
    '(\\d\\d)\\1\\1',
    '0000$|6666$',
);

sub exclude {
    my ($bench) = @_;

    my $stack = Bench::Stack->new(
        shards => 1,
        pools  => {
            none => { conf => LEASE },
            five => {
                conf => LEASE . join '', map {"\nexclude '$_';"} @patterns,
            },
        },
    );

    my @rows = (
        _numbers($bench, $stack, 'a number'),
        _numbers($bench, $stack, 'with pcre_jit on', main => 'pcre_jit on;'),
        Bench::Case::Callgrind::beside(
            $stack, $bench->{requests},
            map({ [ $_ => "/$_" ] } qw( none five )),
            unit  => 'five patterns/none',
            chart => undef,
        ),
    );

    $stack->end;
    return @rows;
}

sub _numbers {
    my ($bench, $stack, $label, @nginx) = @_;

    my $nginx = $stack->nginx(@nginx);
    my ($none, $five)
        = $stack->slices([$nginx], [qw( /none /five )], connections => 32);

    $_->(seconds => 2) for $none, $five;    # leases find their size
    ($none, $five) = rounds($bench->{plain}, $none, $five);
    $nginx->term;

    return beside(
        $five, $none,
        label   => $label,
        unit    => 'five patterns/none, requests/s',
        target  => undef,
        chart   => undef,
        figures => [ figure(none => $none), figure(five => $five) ],
    );
}

1;
