package Bench::Pgbench;

# Slices of load by pgbench: what a database does without nginx.
#
#   my $slice = Bench::Pgbench::slice(pg => $pg, db => 'numbers',
#       script => 'SELECT 1', clients => 32, seconds => 2);
#
# A slice is a hash: requests, the transactions, and rate, those in a second.

use strict;
use warnings;

use Carp qw( croak );
use File::Basename qw( dirname );

use UniqueRandom::Util qw( read_file run tmp_dir write_file );

my $top = dirname(__FILE__) . '/../../..';

# Over TCP, as nginx.
sub slice {
    my (%arg) = @_;

    my $script = write_file(tmp_dir() . '/pgbench.sql', "$arg{script}\n");

    my ($code, $out, $err) = run(command => [
        'pgbench', '--no-vacuum', '--protocol', 'prepared',
        '--client', $arg{clients}, '--time', $arg{seconds} // 1,
        '--file', $script, '--host', '127.0.0.1',
        '--port', $arg{pg}->port, '--username', 'postgres', $arg{db},
    ]);
    croak "pgbench failed: $err" if $code;

    my ($requests) = $out =~ /^number of transactions .* processed: (\d+)/m;
    my ($rate)
        = $out =~ /^tps = ([\d.]+) \((?:without initial|excluding) /m
        or croak "pgbench said: $out";

    return { requests => $requests, rate => $rate };
}

# What the function is called with that is not one of the arguments below.
my %argument = (
    lock_wait => 1500,
    with_keys => "'{true}'",
);

# What an nginx remembers of a range, as the function calls it.
my %remembered = (
    holder_serials    => 'holder_serial',
    seen_epochs       => 'epoch',
    seen_incarnations => 'incarnation',
    seen_serials      => 'serial',
    seen_reserved     => 'reserved',
    seen_timelines    => 'timeline',
    seen_digests      => 'digest',
);

# The module's own statement, whatever it and the function look like by now, for
# one range.  Arguments: pool, first, last; want (1), places (1), holder, and
# memory, as UniqueRandom::Caller has it, by default that of one who has seen
# nothing.
sub reservation {
    my (%arg) = @_;

    my $statement = _find('src/core/statement.c',
        qr/\bstatement_reserve =\s*((?:"[^"]*"\s*)+);/);
    my $arguments = _find('sql/schema.sql',
        qr/FUNCTION unique_random\.reserve\(([^)]*)\)\s*RETURNS/);

    my $memory = $arg{memory} // {};
    my $holder = $arg{holder} // '00000000-0000-4000-8000-000000000001';
    my %value  = (
        %argument,
        of_pool => "'$arg{pool}'",
        holder  => "'$holder'",
        firsts  => "'{$arg{first}}'",
        lasts   => "'{$arg{last}}'",
        wants   => "'{@{[ $arg{want} // 1 ]}}'",
        places  => $arg{places} // 1,
        map { $_ => "'{@{[ $memory->{ $remembered{$_} } // 'NULL' ]}}'" }
            keys %remembered,
    );
    my @values = map {
        $value{$_} // die "what is $_ of unique_random.reserve()?\n"
    } $arguments =~ /^ *(\w+) \w+(?:\[\])?,?$/mg;

    my $sql = join '', $statement =~ /"([^"]*)"/g;
    $sql =~ s/\$(\d+)/$values[$1 - 1]/g;
    return $sql;
}

sub _find {
    my ($file, $pattern) = @_;

    my ($found) = read_file("$top/$file") =~ $pattern
        or die "$file does not have what is looked for\n";
    return $found;
}

1;
