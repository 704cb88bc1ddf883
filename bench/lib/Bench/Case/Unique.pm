package Bench::Case::Unique;

# Every number that two nginx give out under load, looked at.

use strict;
use warnings;

use UniqueRandom::Util qw( tmp_dir );

use Bench::Row   qw( row );
use Bench::Stack qw( RANGE );
use Bench::Wrk   ();

use constant SHARDS => 2;

sub uniqueness {
    my ($bench) = @_;

    my $stack = Bench::Stack->new(shards => SHARDS);
    my @nginx = map { $stack->nginx(workers => 2) } 1, 2;

    # Eight bytes a number, since there are many.
    my $numbers = '';

    while (length $numbers < 8 * $bench->{numbers}) {
        $numbers .= _slice(@nginx);
    }

    $stack->end;

    my $n = _check($numbers);

    return row(
        label => "$n numbers of 2 nginx, 2 workers each: none twice,"
            . ' none out of range',
    );
}

sub _slice {
    my (@nginx) = @_;

    my $i   = 0;
    my @wrk = map {
        {   port        => $_->port,
            path        => '/random',
            connections => 32,
            bodies      => tmp_dir() . '/bodies-' . $i++,
        };
    } @nginx;

    my @running = map { Bench::Wrk->start(%$_) } @wrk;
    my $numbers = '';

    for my $i (0 .. $#wrk) {
        my $slice    = $running[$i]->finish;
        my $received = _read($wrk[$i]{bodies});

        die "of $slice->{requests} answers, not all were written\n"
            if length $received < 8 * $slice->{requests};
        $numbers .= $received;
    }

    return $numbers;
}

sub _read {
    my ($file) = @_;

    my $numbers = '';
    open my $in, '<', $file or die "$file: $!\n";

    while (my $body = readline $in) {
        die "not the body that was expected: $body"
            if $body !~ /\A\{"number":([1-9][0-9]{0,18})\}\n\z/;
        $numbers .= pack 'Q', $1;
    }

    unlink $file;
    return $numbers;
}

sub _check {
    my ($numbers) = @_;

    my @sorted = sort { $a <=> $b } unpack 'Q*', $numbers;
    my @twice  = grep { $sorted[$_] == $sorted[ $_ - 1 ] } 1 .. $#sorted;

    die "given twice: @sorted[@twice]\n" if @twice;
    die "out of range: $sorted[0], $sorted[-1]\n"
        if $sorted[0] < 1 || $sorted[-1] > SHARDS * RANGE;

    return scalar @sorted;
}

1;
