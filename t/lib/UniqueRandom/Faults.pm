package UniqueRandom::Faults;

# A pool of two ranges in two databases, what clients are given of it while
# something happens to the first one, and a line that sums it up.
#
#   my $pool = UniqueRandom::Faults->new(name => 'cut', clusters => [$a, $b]);
#   my $nginx = $pool->nginx;
#
#   $pool->take($nginx, 100)             # a Load's result
#   $pool->start($nginx, ...);           # slow clients, until
#   $pool->finish                        # and what they were given
#   $pool->end('what happened', $nginx, ...);
#
# end() takes all that is left, and checks what every fault has in common: no
# number came twice, and those that nobody was given are those that are burned.

use strict;
use warnings;

use Exporter qw( import );
use Fcntl qw( LOCK_EX );
use Test::More ();

use UniqueRandom::Load  ();
use UniqueRandom::Nginx ();
use UniqueRandom::Util  qw( wait_until );

our @EXPORT_OK = qw( report );

# Prints a line for a person and, if FAULTS names a file, adds it to the table
# there.  Arguments: fault, runs (1), result, which is a Load's, and burned:
# positions that are reserved and will never be issued.
sub report {
    my (%arg) = @_;

    my $result = $arg{result};
    my ($attempts, $given) = ($result->attempts, $result->status(200));

    # That all numbers are used is no failure.
    my $line = join ' | ', $arg{fault}, $arg{runs} // 1, $attempts, $given,
        $attempts - $given - $result->status(409),
        scalar $result->duplicates, $arg{burned};

    Test::More::diag($line);

    if (my $path = $ENV{FAULTS}) {
        open my $file, '>>', $path or die "$path: $!\n";
        flock $file, LOCK_EX or die "$path: $!\n";
        print {$file} "| $line |\n";
        close $file or die "$path: $!\n";
    }

    return;
}

my %made;

# Arguments: name; clusters, one for each range, where it is in the database
# "numbers", which is made if it is not there; size of a range (10_000);
# failover, of the first range.
sub new {
    my ($class, %arg) = @_;

    my $self = bless {
        size    => 10_000,
        results => [],
        %arg,
        clusters => [ @{ $arg{clusters} } ],
    }, $class;

    for my $i (0, 1) {
        my $pg = $self->{clusters}[$i];

        $pg->create_database('numbers')->apply_schema('numbers')
            if !$made{ $pg->port }++;
        $self->sql($i, $self->add_sql($i,
            $i == 0 && $arg{failover} ? "failover => '$arg{failover}'" : ()));
    }

    return $self;
}

sub name  { return $_[0]->{name} }
sub url   { return $_[0]->{clusters}[ $_[1] ]->url(db => 'numbers') }
sub first { return $_[1] * $_[0]->{size} + 1 }
sub last  { return ($_[1] + 1) * $_[0]->{size} }

sub add_sql {
    my ($self, $i, @more) = @_;

    return 'SELECT unique_random.add(' . join(', ', "'$self->{name}'",
        $self->first($i), $self->last($i), @more) . ');';
}

# In the database of range $i, which may have moved to another cluster.
sub sql {
    my ($self, $i, $sql) = @_;

    return $self->{clusters}[$i]->psql('numbers', $sql);
}

sub moved {
    my ($self, $i, $pg) = @_;

    $self->{clusters}[$i] = $pg;
    return $self;
}

# A column of the row of range $i.
sub row {
    my ($self, $i, $column) = @_;

    return $self->sql($i, "SELECT $column FROM unique_random.ranges"
        . " WHERE pool = '$self->{name}'");
}

# Arguments: conninfo => [ of the shards ], lease, more, for the pool, timeout of
# connecting and reserving (1s), rate, and those of Nginx->new.  /slow answers at
# that rate, requests a second, so that the pool is not used up while something
# else takes its time.
sub nginx {
    my ($self, %arg) = @_;

    my $conninfo = delete $arg{conninfo} // [];
    my $lease    = delete $arg{lease}    // 'min=10 max=20';
    my $more     = delete $arg{more}     // '';
    my $timeout  = delete $arg{timeout}  // '1s';
    my $rate     = delete $arg{rate}     // 300;

    my $shards = join "\n", map {
        my $url = $conninfo->[$_] // $self->url($_);
        "shard $url range=" . $self->first($_) . '-' . $self->last($_)
            . ' fail_timeout=200ms max_fails=0;'
    } 0, 1;

    return UniqueRandom::Nginx->new(
        workers => 2,
        http    => <<"EOT",
limit_req_zone \$server_port zone=slow:1m rate=${rate}r/s;
unique_random_pool $self->{name} {
    lease $lease;
    connect_timeout $timeout;
    reserve_timeout $timeout;
    $more
    $shards
}
EOT
        server => 'location = /random { unique_random; }'
            . 'location = /slow { limit_req zone=slow burst=100;'
            . ' unique_random; }',
        %arg,
    );
}

sub take {
    my ($self, $nginx, $count) = @_;

    my $result = UniqueRandom::Load->new(
        port        => $nginx->port,
        processes   => 1,
        count       => $count,
    )->run;

    push @{ $self->{results} }, $result;
    return $result;
}

sub start {
    my ($self, @nginx) = @_;

    push @{ $self->{loads} }, map {
        UniqueRandom::Load->new(
            port        => $_->port,
            path        => '/slow',
            connections => 8,
            processes   => 1,
        )->start
    } @nginx;
    return $self;
}

sub finish {
    my ($self) = @_;

    my @loads = @{ delete $self->{loads} };

    $_->stop for @loads;
    my @results = map { $_->finish } @loads;
    push @{ $self->{results} }, @results;

    return UniqueRandom::Load->merge(@results);
}

# How many of a result's numbers are of range $i.
sub of {
    my ($self, $i, $result) = @_;

    return scalar grep { $_ >= $self->first($i) && $_ <= $self->last($i) }
        $result->numbers;
}

# Takes until the range gives numbers.  It is so many at once that some have to
# wait, since it is they who have a range asked that was refused before.
sub wait_for {
    my ($self, $i, $nginx) = @_;

    return wait_until(
        sub { $self->of($i, $self->take($nginx, 16)) },
        60, "range $i of $self->{name} gives numbers",
    );
}

sub result {
    my ($self) = @_;

    return UniqueRandom::Load->merge(@{ $self->{results} });
}

# What is reserved and neither issued nor returned: with no lease left it is
# what is burned.
sub unissued {
    my ($self) = @_;

    my %issued;
    @issued{ $self->result->numbers } = ();
    my $n = -keys %issued;

    for my $i (0, 1) {
        $n += $self->row($i, 'reserved'
            . ' - (SELECT coalesce(sum(t.stop - t.start), 0)'
            . ' FROM unique_random.returned t WHERE t.pool = ranges.pool)');
    }

    return $n;
}

# Takes all that is left, and returns the result of that.
sub drain {
    my ($self, @nginx) = @_;

    my @loads = map {
        UniqueRandom::Load->new(
            port        => $_->port,
            connections => 4,
            processes   => 1,
            until       => 409,
        )->start
    } @nginx;

    my @results = map { $_->finish } @loads;
    push @{ $self->{results} }, @results;

    return UniqueRandom::Load->merge(@results);
}

# Returns what is burned.
sub end {
    my ($self, $fault, @nginx) = @_;

    my $rest    = $self->drain(@nginx);
    my $all     = $self->result;
    my $burned  = $self->unissued;
    my $last    = $self->last(1);
    my $missing = $all->missing(1, $last);

    Test::More::cmp_ok($rest->status(409), '>=', scalar @nginx,
        "$fault: all is used in the end");
    Test::More::is(scalar $all->duplicates, 0, '... no number came twice');
    Test::More::is(scalar $all->out_of_range(1, $last) + $all->malformed, 0,
        '... nor one that is out of range');
    Test::More::is($missing, $burned, "... $burned are burned, and no more");

    report(fault => $fault, result => $all, burned => $burned);
    return $burned;
}

1;
