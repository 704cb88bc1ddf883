package UniqueRandom::Former;

# The table of a service before, which has a row for each number that it gave
# out, and what has become of it in the schema.
#
#   my $former = UniqueRandom::Former->new(pg => $pg, db => 'numbers',
#       table => 'used_numbers', first => 1, last => 500_000);
#   $former->create('integer NOT NULL UNIQUE')->fill('generate_series(1, 5)');
#   $former->prepare;
#   my $report = $former->adopt;            # { rows => 5, ... }
#   is $former->domain, $former->expected($former->numbers), 'exactly'
#
# The pool is by default one by the name of the table.

use strict;
use warnings;

use Digest::SHA qw( sha256 );

use constant CHUNK => 1 << 20;

my @report = qw( rows in_range duplicates out_of_range nulls used unused );

sub new {
    my ($class, %arg) = @_;

    my $self = bless { db => 'numbers', table => 'used_numbers', %arg }, $class;

    $self->{pool} //= $self->{table};
    return $self;
}

sub size { return $_[0]->{last} - $_[0]->{first} + 1 }

sub sql {
    my ($self, $sql) = @_;

    return $self->{pg}->psql($self->{db}, $sql);
}

sub create {
    my ($self, $type) = @_;

    $self->sql("CREATE TABLE $self->{table}"
        . " (id bigserial PRIMARY KEY, number $type)");
    return $self;
}

sub fill {
    my ($self, $from) = @_;

    $self->sql("INSERT INTO $self->{table} (number) SELECT n FROM $from AS n");
    return $self;
}

# What adopt_prepare() and adopt() are called with.
sub arguments {
    my ($self) = @_;

    return "'$self->{pool}', $self->{first}, $self->{last},"
        . " '$self->{table}', 'number'";
}

sub prepare {
    my ($self) = @_;

    return $self->sql('CALL unique_random.adopt_prepare('
        . $self->arguments . ')');
}

sub adopt_statement {
    my ($self) = @_;

    return 'SELECT * FROM unique_random.adopt(' . $self->arguments . ')';
}

sub report {
    my ($self, $row) = @_;

    my %report;
    @report{@report} = split /\|/, $row;
    return \%report;
}

sub adopt {
    my ($self) = @_;

    return $self->report($self->sql($self->adopt_statement));
}

sub numbers {
    my ($self) = @_;

    return split /\n/, $self->sql("SELECT number FROM $self->{table}");
}

# What the report says of rows with these numbers, '' for NULL.
sub count {
    my ($self, @numbers) = @_;

    my @known = grep { $_ ne '' } @numbers;
    my @in    = grep { $_ >= $self->{first} && $_ <= $self->{last} } @known;
    my %used  = map { $_ => 1 } @in;

    return {
        rows         => scalar @numbers,
        in_range     => scalar @in,
        duplicates   => @in - keys %used,
        out_of_range => @known - @in,
        nulls        => @numbers - @known,
        used         => scalar keys %used,
        unused       => $self->size - keys %used,
    };
}

# A character for each number: 1 if the range has to have it.
sub expected {
    my ($self, @numbers) = @_;

    my $bits = '1' x $self->size;

    for (grep { $_ ne '' && $_ >= $self->{first} && $_ <= $self->{last} }
        @numbers)
    {
        substr $bits, $_ - $self->{first}, 1, '0';
    }

    return $bits . '0' x (-$self->size % 8);
}

sub chunks {
    my ($self) = @_;

    return map { pack 'H*', $_ } split /\n/, $self->sql(
        "SELECT encode(bits, 'hex') FROM unique_random.domains"
            . " WHERE pool = '$self->{pool}' AND first = $self->{first}"
            . ' ORDER BY chunk');
}

# The same of what there is.
sub domain {
    my ($self) = @_;

    return join '', map { unpack 'b*', $_ } $self->chunks;
}

# The digest of the domain, as nginx computes it.
sub digest {
    my ($self) = @_;

    return sha256(join '', map { sha256($_) } $self->chunks);
}

1;
