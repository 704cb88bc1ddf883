package UniqueRandom::Caller;

# An nginx as the database knows it: a holder that asks for ranges of a pool
# and remembers what it was told.
#
#   my $caller = UniqueRandom::Caller->new(pg => $pg, db => 'numbers',
#       pool => 'numbers', user => 'nginx');
#
#   $caller->ask([1, 1000, 10])->{starts}       # want 10 of range 1-1000
#   $caller->ask_all([ [1, 1000, 10], [1001, 2000, 10] ], places => 4)
#   $caller->give_back([1, 1000], [5, 8], [8, 9])   # '' or why not
#
# statement() is what ask() sends, for use within a transaction.

use strict;
use warnings;

use JSON::PP qw( decode_json );

my $callers = 0;

# Arguments: pg, db, user, or a session, which is faster; pool; holder, by default
# another one each time.
sub new {
    my ($class, %arg) = @_;

    return bless {
        user   => 'postgres',
        holder => sprintf('00000000-0000-4000-8000-%012d', ++$callers),
        memory => {},
        %arg,
    }, $class;
}

sub holder { return $_[0]->{holder} }

# What it remembers of the range that begins with $first: changed by a hash.
sub memory {
    my ($self, $first, %change) = @_;

    my $memory = $self->{memory}{$first} //= {};
    @$memory{ keys %change } = values %change;
    return $memory;
}

sub _run {
    my ($self, $sql) = @_;

    return $self->{session}
        ? $self->{session}->run($sql)
        : $self->{pg}->psql($self->{db}, $sql, user => $self->{user});
}

sub _array {
    my (@values) = @_;

    return "'{" . join(',', map { $_ // 'NULL' } @values) . "}'";
}

# The ranges are [ first, last, want, with_key ].  Arguments: places (1),
# lock_wait (1000 ms).
sub statement {
    my ($self, $ranges, %arg) = @_;

    my @memory = map { $self->memory($_->[0]) } @$ranges;
    my $seen   = sub { my ($name) = @_; _array(map { $_->{$name} } @memory) };

    return 'SELECT json_agg(r) FROM (SELECT r.*,'
        . " current_setting('synchronous_commit') AS synchronous_commit"
        . ' FROM unique_random.reserve('
        . join(', ',
            "'$self->{pool}'", "'$self->{holder}'", $arg{lock_wait} // 1000,
            _array(map { $_->[0] } @$ranges),
            _array(map { $_->[1] } @$ranges),
            $seen->('holder_serial'), $seen->('epoch'), $seen->('incarnation'),
            $seen->('serial'), $seen->('reserved'), $seen->('timeline'),
            $seen->('digest'),
            _array(map { $_->[2] } @$ranges),
            $arg{places} // 1,
            _array(map { $_->[3] ? 'true' : 'false' } @$ranges))
        . ') AS r) AS r';
}

sub ask_all {
    my ($self, $ranges, %arg) = @_;

    my @rows = $self->read($self->_run($self->statement($ranges, %arg)));
    return @rows;
}

sub ask {
    my ($self, $range, %arg) = @_;

    return ($self->ask_all([$range], %arg))[0];
}

# The rows of a reply, which it remembers as the module does.
sub read {
    my ($self, $json) = @_;

    my @rows = @{ decode_json($json) };

    for my $row (grep { !defined $_->{refusal} } @rows) {
        my $memory = $self->memory($row->{first});
        $memory->{holder_serial} = 0
            if ($memory->{epoch} // 0) != $row->{epoch};
        $self->memory($row->{first},
            map { $_ => $row->{$_} }
                qw( epoch incarnation serial reserved timeline digest ));
        $self->memory($row->{first}, holder_serial => $row->{serial})
            if @{ $row->{starts} };
    }

    return @rows;
}

sub give_back_statement {
    my ($self, $range, $starts, $stops) = @_;

    my $m = $self->memory($range->[0]);
    my $text = sub { return defined $_[0] ? "'$_[0]'" : 'NULL' };

    return 'SELECT unique_random.give_back('
        . join(', ',
            "'$self->{pool}'", $range->[0], $range->[1], "'$self->{holder}'",
            $m->{holder_serial} // 0, $m->{epoch} // 0,
            $text->($m->{incarnation}), $m->{serial} // 0,
            $m->{reserved} // 0, $m->{timeline} // 0, $text->($m->{digest}),
            1000, _array(@$starts), _array(@$stops))
        . ')';
}

sub give_back {
    my ($self, @arg) = @_;

    return $self->_run($self->give_back_statement(@arg));
}

1;
