package Bench::Case::Callgrind;

# Instructions of a request, as valgrind counts them: the one figure that a
# busy machine does not change.

use strict;
use warnings;

use Carp qw( croak );
use IO::Socket::INET;

use UniqueRandom::Load ();
use UniqueRandom::Util qw( is_alive run spawn tmp_dir wait_gone wait_until );

use Bench::Row   qw( row );
use Bench::Stack qw( nginx_binary );
use Bench::Stats qw( summary );

use constant TOP => 15;

# Under valgrind nginx is slow, and would ask for leases as small.  This is
# about what it asks for at full rate.
use constant LEASE => 'lease min=16384;';

sub instructions {
    my ($bench) = @_;

    my $stack = Bench::Stack->new(
        shards => 2,
        pools  => { random => { conf => LEASE } },
    );
    my $row = beside(
        $stack, $bench->{requests}, [ LIMIT => '/limit' ], [ OURS => '/random' ],
        unit   => 'OURS/LIMIT',
        target => [ '<=', 1.25 ],
    );

    $stack->end;
    return $row;
}

# A row for two paths, of which one has more to do, with their names; nginx =>
# arguments of Bench::Stack->nginx().
sub beside {
    my ($stack, $requests, $little, $much, %row) = @_;

    my $nginx = $stack->nginx(
        start => 0,
        main  => "daemon off;\nmaster_process off;",
        %{ delete $row{nginx} // {} },
    );

    # Each is the difference of two runs, so that what happens once is not in
    # it: the start, the first lease, the end.
    my @functions = map { _per_request($nginx, $_->[1], $requests) }
        $little, $much;
    my @totals = map { _total($_) } @functions;

    my $figure = sub {
        my ($name, $value) = @_;
        return { name => $name, columns =>
                [ { name => 'instructions/request', value => summary($value) } ]
        };
    };

    return row(
        label   => 'instructions of a request',
        value   => summary($totals[1] / $totals[0]),
        chart   => 'cost',
        figures => [
            $figure->($little->[0] => $totals[0]),
            $figure->($much->[0]   => $totals[1]),
        ],
        notes => [ _differences(@functions) ],
        %row,
    );
}

sub _per_request {
    my ($nginx, $path, $n) = @_;

    my $few  = _count($nginx, $path, $n / 10);
    my $many = _count($nginx, $path, $n + $n / 10);

    return { map { $_ => (($many->{$_} // 0) - ($few->{$_} // 0)) / $n }
            keys %{ { %$few, %$many } } };
}

sub _total {
    my ($functions) = @_;

    my $sum = 0;
    $sum += $_ for values %$functions;
    return $sum;
}

my $runs = 0;

# Instructions of each function while nginx answers $n requests.
sub _count {
    my ($nginx, $path, $n) = @_;

    my $name = tmp_dir() . '/callgrind-' . $runs++;
    my $dir  = $nginx->dir;

    my $pid = spawn(
        log     => "$name.log",
        command => [
            'valgrind', '--tool=callgrind', '--vgdb=no',
            "--callgrind-out-file=$name.out", nginx_binary(),
            '-e', "$dir/error.log", '-p', "$dir/", '-c', "$dir/nginx.conf",
        ],
    );

    my $ok = eval { _requests($nginx, $pid, $path, $n); 1 };
    my $error = $@;

    kill QUIT => $pid;
    wait_gone(60, $pid);
    croak $error if !$ok;

    return _functions("$name.out");
}

sub _requests {
    my ($nginx, $pid, $path, $n) = @_;

    wait_until(sub {
        !is_alive($pid)
            || IO::Socket::INET->new(
            PeerAddr => '127.0.0.1',
            PeerPort => $nginx->port,
            );
    }, 60, 'nginx answers under valgrind');

    my $result = UniqueRandom::Load->new(
        port        => $nginx->port,
        path        => $path,
        connections => 8,
        processes   => 1,
        count       => $n,
    )->run;

    croak "$n requests for $path failed or were refused"
        if $result->status(200) != $n || $result->attempts != $n;
    return;
}

# By "name (object)".  A stripped object has names only for what it exports.
sub _functions {
    my ($file) = @_;

    my ($code, $out, $err) = run(command =>
            [ 'callgrind_annotate', '--auto=no', '--threshold=100', $file ]);
    croak "callgrind_annotate failed: $err" if $code;

    my (%count, %object);

    for (split /\n/, $out) {
        my ($count, $name) = /^ *([\d,]+) \( *[\d.]+%\)  (.*)/ or next;
        next if $name =~ /PROGRAM TOTALS/;

        my $object = $name =~ s{ \[(?:.*/)?([^/]*)\]$}{} ? $1 : undef;
        $name =~ s/^.*?://;
        $name .= " ($object)" if defined $object && $name =~ /^0x/;
        $count =~ tr/,//d;

        # A line for each source file that a function has parts of, and not
        # all of them say which object it is in.
        $count{$name} += $count;
        $object{$name} //= $object;
    }

    my %named = map {
        /^0x/ || !defined $object{$_} ? ($_ => $_) : ($_ => "$_ ($object{$_})")
    } keys %count;

    return { map { $named{$_} => $count{$_} } keys %count };
}

sub _differences {
    my ($limit, $ours) = @_;

    my %more = map { $_ => ($ours->{$_} // 0) - ($limit->{$_} // 0) }
        keys %{ { %$limit, %$ours } };
    my @by_size = sort { $more{$b} <=> $more{$a} } keys %more;

    return 'what a request of OURS has more, in instructions:',
        map { sprintf '%7.1f  %s', $more{$_}, $_ } @by_size[ 0 .. TOP - 1 ];
}

1;
