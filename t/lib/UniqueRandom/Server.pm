package UniqueRandom::Server;

# What speaks PostgreSQL's protocol up to a point, and then does as the test
# says: a process that accepts, and one for each connection.
#
#   my $server = UniqueRandom::Server->new(sub {
#       my ($link) = @_;                   # one connection; see below
#
#       $link->startup;
#       $link->message(R => pack 'N', 0);  # AuthenticationOk
#       $link->silence;
#   });                                    # on 127.0.0.1; port => one that
#                                          # another server has had
#
#   $server->port
#   $server->accepted     how many connections there were
#   $server->reached      how many of them have come to where they hang, or to
#                         what the code calls reach() for
#
# A connection whose code returns, or dies since the client says something
# else, is closed.

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use POSIX ();
use Scalar::Util qw( weaken );
use Time::HiRes  ();

use UniqueRandom::Util qw( at_exit free_port tmp_dir write_file );

my $servers = 0;

sub new {
    my ($class, $code, %arg) = @_;

    my $listener = IO::Socket::INET->new(
        LocalAddr => '127.0.0.1',
        LocalPort => $arg{port} // free_port(),
        ReuseAddr => 1,
        Listen    => 128,
    ) or die "cannot listen: $!\n";

    my $self = bless {
        port  => $listener->sockport,
        owner => $$,
        file  => tmp_dir() . '/server-' . $servers++,
    }, $class;

    write_file("$self->{file}.$_", '') for qw( accepted reached );

    $self->{pid} = fork // die "fork: $!\n";

    if ($self->{pid} == 0) {
        # The connections' processes end with this one.
        setpgrp;
        @SIG{qw( HUP INT PIPE TERM )} = ('DEFAULT') x 4;
        @SIG{qw( INT CHLD )}          = ('IGNORE') x 2;
        $self->_accept($listener, $code);
    }

    # Here too, or it may be killed before it is a group.
    setpgrp $self->{pid}, $self->{pid};

    my $weak = $self;
    weaken($weak);
    at_exit(sub { $weak->stop if $weak });

    return $self;
}

sub port     { return $_[0]->{port} }
sub accepted { return (-s "$_[0]->{file}.accepted") || 0 }
sub reached  { return (-s "$_[0]->{file}.reached")  || 0 }

# A message of the protocol, for what links write.
sub message {
    my ($type, $payload) = @_;

    return pack 'a N a*', $type, 4 + length $payload, $payload;
}

sub stop {
    my ($self) = @_;

    return if $self->{owner} != $$ || !$self->{pid};

    my $pid = delete $self->{pid};
    kill KILL => -$pid;
    local $?;
    waitpid $pid, 0;
    return;
}

sub DESTROY { $_[0]->stop; return }

sub _accept {
    my ($self, $listener, $code) = @_;

    my $select = IO::Select->new($listener);

    while (1) {
        # The test may have been killed.
        kill KILL => -$$ if getppid != $self->{owner};

        my $socket = $select->can_read(1) && $listener->accept or next;
        $self->_count('accepted');

        my $pid = fork // next;

        if ($pid == 0) {
            close $listener;
            eval {
                $code->(UniqueRandom::Server::Link->_new($self, $socket));
                1;
            } or print STDERR "server on port $self->{port}: $@";
            close $socket;
            POSIX::_exit(0);
        }

        close $socket;
    }
}

sub _count {
    my ($self, $what) = @_;

    open my $out, '>>', "$self->{file}.$what" or return;
    syswrite $out, '.';
    return;
}

package UniqueRandom::Server::Link;

use constant {
    SSL_REQUEST => 80877103,
    VERSION     => 3 << 16,
};

sub _new {
    my ($class, $server, $socket) = @_;

    return bless { server => $server, socket => $socket }, $class;
}

# So many bytes.  A client that closes is done with us.
sub read {
    my ($self, $n) = @_;

    my $data = '';

    while (length $data < $n) {
        sysread $self->{socket}, $data, $n - length $data, length $data
            or POSIX::_exit(0);
    }

    return $data;
}

sub write {
    my ($self, $data) = @_;

    syswrite $self->{socket}, $data;
    return $self;
}

# Lets a client in that does without TLS.
sub startup {
    my ($self) = @_;

    my ($code, $rest) = $self->_first;

    if ($code == SSL_REQUEST) {
        $self->write('N');
        ($code, $rest) = $self->_first;
    }

    die "the client begins with $code\n" if $code != VERSION;
    return $self;
}

# Waits for one that wants TLS, and promises it.
sub tls {
    my ($self) = @_;

    my ($code) = $self->_first;

    die "the client wants no TLS\n" if $code != SSL_REQUEST;
    return $self->write('S');
}

sub _first {
    my ($self) = @_;

    my ($length, $code) = unpack 'N2', $self->read(8);
    return ($code, $self->read($length - 8));
}

sub message {
    my ($self, $type, $payload) = @_;

    return $self->write(UniqueRandom::Server::message($type, $payload));
}

# Says no, for a reason with this SQLSTATE.
sub refuse {
    my ($self, $state) = @_;

    return $self->message(E => "SFATAL\0VFATAL\0C$state\0Mno\0\0");
}

# The payload of the next one, which has to be of this type.
sub expect {
    my ($self, $type) = @_;

    my ($got, $length) = unpack 'a N', $self->read(5);

    die "the client says $got, not $type\n" if $got ne $type;
    return $self->read($length - 4);
}

# Says that so many rounds are needed to prove that one knows the password.
sub scram {
    my ($self, $rounds) = @_;

    $self->startup->message(R => pack 'N Z* x', 10, 'SCRAM-SHA-256');

    my ($nonce) = $self->expect('p') =~ /,r=([^,]+)\z/
        or die "the client has no nonce\n";

    return $self->message(R => pack 'N a*', 11,
        "r=${nonce}x,s=c2FsdHNhbHQ=,i=$rounds");
}

# Says that again and again, or one byte of it each time.
sub repeat {
    my ($self, $seconds, $data) = @_;

    $self->reach;

    while (1) {
        $self->write(ref $data ? $data->() : $data);
        Time::HiRes::sleep($seconds);
    }
}

sub trickle {
    my ($self, $seconds, $data) = @_;

    return $self->repeat($seconds, sub {
        my $byte = substr $data, 0, 1, '';
        return $byte ne '' ? $byte : $self->silence;
    });
}

# A proxy to a server with TLS, from the SSLRequest on.  What the server says
# is passed on in pieces: the byte that promises TLS, and then records, as what
# $change->($i, $piece) makes of each; nothing more once it gives undef.
sub relay {
    my ($self, $port, $change) = @_;

    my $server = IO::Socket::INET->new(
        PeerAddr => '127.0.0.1',
        PeerPort => $port,
    ) or die "the server does not listen\n";

    my $select = IO::Select->new($self->{socket}, $server);
    my ($i, $data) = (0, '');

    while (1) {
        for my $socket ($select->can_read) {
            my $n = sysread $socket, my $buffer, 65536;

            if ($socket == $self->{socket}) {
                return if !$n;
                syswrite $server, $buffer;
                next;
            }

            return if !$n;
            $data .= $buffer;

            while (defined $i && length $data) {
                last if $i && length $data < 5;

                my $length = $i ? 5 + unpack 'x3 n', $data : 1;

                last if length $data < $length;

                my $piece = $change->($i, substr $data, 0, $length, '');

                if (defined $piece) {
                    $self->write($piece);
                    $i++;

                } else {
                    undef $i;
                    $self->reach;
                }
            }
        }
    }
}

# Nothing more, until the client has gone.
sub silence {
    my ($self) = @_;

    $self->reach;

    while (1) {
        $self->read(1);
    }
}

sub reach {
    my ($self) = @_;

    # Each counts once.
    $self->{server}->_count('reached') if !$self->{reached}++;
    return;
}

1;
