package UniqueRandom::Bulk;

# Clients that ask for many numbers, and what they were given.
#
#   my $bulk = UniqueRandom::Bulk->new($nginx);
#   my @numbers = $bulk->take('/random', 1000);     # undef unless it is a 200
#   $bulk->drain('/random', 1000);                  # and less, to the last one
#   $bulk->repeated                                 # of all of them
#   $bulk->numbers
#
#   $bulk->account('numbers')      # of each range of the pool, at rest, by
#                                  # /status: [ those whose account is open ]
#
# One that reads as little as it is told to, by a connection of its own:
#
#   my $client = $bulk->client('GET /random?count=9 HTTP/1.1', @headers);
#   $client->read(1000);           # so many bytes, if they come in time
#   $client->rest                  # the body, undef if it was cut off
#   $client->close                 # with what is unread: a reset

use strict;
use warnings;

use IO::Select       ();
use IO::Socket::INET ();
use JSON::PP         qw( decode_json );
use List::Util       qw( sum0 );
use Socket           qw( SOL_SOCKET SO_RCVBUF );

use UniqueRandom::Util qw( wait_until );

sub new {
    my ($class, $nginx) = @_;

    return bless { nginx => $nginx, seen => {}, repeated => 0 }, $class;
}

# What a body has, which is counted; undef if it is none of an answer.
sub count {
    my ($self, $body) = @_;

    my $numbers = eval { decode_json($body // '')->{numbers} } or return;

    $self->{repeated} += $self->{seen}{$_}++ ? 1 : 0 for @$numbers;
    return $numbers;
}

sub take {
    my ($self, $path, $count, %option) = @_;

    my $answer = $self->{nginx}->get("$path?count=$count", %option);
    return if $answer->{status} != 200;

    return $self->count($answer->{content});
}

# All that are left, the status of the last answer, and how many came now.
sub drain {
    my ($self, $path, $count) = @_;

    my ($status, $all) = (200, 0);

    while ($count) {
        my $answer = $self->{nginx}->get("$path?count=$count");

        $status = $answer->{status};

        if ($status == 200) {
            $all += @{ $self->count($answer->{content}) // [] };

        } elsif ($status == 409) {
            $count = int $count / 4;

        } else {
            last;
        }
    }

    return ($status, $all);
}

sub repeated { return $_[0]{repeated} }
sub numbers  { return keys %{ $_[0]{seen} } }

sub ranges {
    my ($self, $pool) = @_;

    my $answer = $self->{nginx}->get('/status');
    my ($found) = grep { $_->{name} eq $pool }
        @{ decode_json($answer->{content})->{pools} };

    return @{ $found->{ranges} };
}

# Once all are put back.
sub account {
    my ($self, $pool) = @_;

    my @ranges;

    wait_until(sub {
        @ranges = $self->ranges($pool);
        return !grep { $_->{batched} } @ranges;
    }, 10, "all of $pool are put back");

    return [ grep {
        $_->{granted} != sum0(
            @$_{qw( issued excluded leased batched given_back )},
            values %{ $_->{burned} });
    } @ranges ];
}

sub burned {
    my ($self, $pool) = @_;

    return sum0(map { values %{ $_->{burned} } } $self->ranges($pool));
}

sub client {
    my ($self, $request, @headers) = @_;

    my $socket = IO::Socket::INET->new(Proto => 'tcp') or die "socket: $!\n";

    # before it connects, for the window
    setsockopt $socket, SOL_SOCKET, SO_RCVBUF, pack 'l', 4096;
    connect $socket, pack 'S n a4 x8', 2, $self->{nginx}->port,
        pack 'C4', 127, 0, 0, 1
        or die "connect: $!\n";

    my $client = bless { socket => $socket, buffer => '' },
        'UniqueRandom::Bulk::Client';

    return $client->write(join "\r\n", $request, 'Host: 127.0.0.1', @headers,
        '', '');
}

package UniqueRandom::Bulk::Client;

use strict;
use warnings;

use Time::HiRes qw( sleep );

sub write {
    my ($self, $text) = @_;

    local $SIG{PIPE} = 'IGNORE';
    syswrite $self->{socket}, $text;
    return $self;
}

# Until there are so many bytes, or as many as came in so many seconds (30).
sub read {
    my ($self, $size, $timeout) = @_;

    my $select = IO::Select->new($self->{socket});

    while (length $self->{buffer} < $size) {
        $select->can_read($timeout // 30) or last;

        sysread $self->{socket}, $self->{buffer}, $size - length $self->{buffer},
            length $self->{buffer} or last;
    }

    return $self->{buffer};
}

sub status {
    my ($self) = @_;

    return $self->read(12) =~ m{\AHTTP/1\.\d (\d\d\d)} ? $1 : undef;
}

# The body of the next answer: in chunks, of the length that it says, or as long
# as the connection.  undef if it is cut off.  With a pause, read slowly.
sub rest {
    my ($self, $pause) = @_;

    my $head = $self->_line("\r\n\r\n") // return;

    if ($head =~ /^Content-Length: (\d+)/im) {
        return $self->_bytes($1);
    }

    if ($head !~ /^Transfer-Encoding: chunked/im) {
        1 while $self->_more;
        my $body = $self->{buffer};
        $self->{buffer} = '';
        return $body;
    }

    my $body = '';

    while (1) {
        my $size  = $self->_line("\r\n")    // return;
        my $chunk = $self->_bytes(hex $size) // return;

        ($self->_line("\r\n") // 'cut off') eq '' or return;

        return $body if $chunk eq '';

        $body .= $chunk;
        sleep $pause if $pause;
    }
}

# What comes before the end, which is left out, and so many bytes.
sub _line {
    my ($self, $end) = @_;

    my $at;

    while (($at = index $self->{buffer}, $end) < 0) {
        $self->_more or return;
    }

    my $line = substr $self->{buffer}, 0, $at, '';
    substr $self->{buffer}, 0, length $end, '';
    return $line;
}

sub _bytes {
    my ($self, $size) = @_;

    while (length $self->{buffer} < $size) {
        $self->_more or return;
    }

    return substr $self->{buffer}, 0, $size, '';
}

# Nothing for a while, and nothing will be.
sub _more {
    my ($self) = @_;

    return if $self->{ended};

    my $got = IO::Select->new($self->{socket})->can_read(15)
        && sysread $self->{socket}, $self->{buffer}, 65536,
        length $self->{buffer};

    $self->{ended} = !$got;
    return $got;
}

# How many bytes there are beyond the answers that were read.
sub left {
    my ($self) = @_;

    return length $self->read(1_000_000, 0.3);
}

sub close {
    my ($self) = @_;

    CORE::close $self->{socket};
    return;
}

1;
