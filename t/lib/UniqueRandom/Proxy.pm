package UniqueRandom::Proxy;

# A TCP proxy in a process of its own, which can be told to misbehave.
#
#   my $proxy = UniqueRandom::Proxy->new(to => $port);   # on 127.0.0.1
#   $proxy->port
#
#   $proxy->hang         takes data from neither side; connections stay open
#   $proxy->deaf         forwards to the server, drops what it answers
#   $proxy->mute         drops what clients send
#   $proxy->partial(9)   forwards 9 bytes of what the server answers from now
#                        on, ends the connection and takes no new ones
#   $proxy->delay(0.2)   forwards what the server answers that much later
#   $proxy->flood        says to clients what flood => $text is, without end,
#                        also where the server says something
#   $proxy->forward      as in the beginning; what was held back goes out
#   $proxy->cut          breaks the connections there are
#   $proxy->refuse       breaks them and takes no new ones
#   $proxy->accept       takes new ones again
#
#   $proxy->connections  how many were accepted so far
#   $proxy->bytes        how many were received from clients so far
#   $proxy->sent         in how many pieces: what libpq sends at once is one,
#                        so these are the round trips of all connections
#   $proxy->answered     how many from the server
#   $proxy->ended        how many connections partial() has ended so far
#
# Without `to` it is a black hole, which accepts and says nothing.  With
# edit => sub { my ($text) = @_; ...; return $text } it changes what the server
# answers, piece by piece.  It may have an address and a port that others know.

use strict;
use warnings;

use Errno qw( EAGAIN EINTR EWOULDBLOCK );
use IO::Select;
use IO::Socket::INET;
use Socket qw( SOL_SOCKET SO_LINGER IPPROTO_TCP TCP_NODELAY );
use Time::HiRes qw( time );

use UniqueRandom::Util qw( free_port );

use parent 'UniqueRandom::Helper';

sub new {
    my ($class, %arg) = @_;

    my $self = bless {
        address => $arg{address} // '127.0.0.1',
        port    => $arg{port}    // free_port(),
        to      => $arg{to},
        edit    => $arg{edit},
        flood   => $arg{flood},
    }, $class;

    return $self->_launch;
}

sub port { return $_[0]->{port} }

sub hang        { return $_[0]->_command('mode hang') }
sub deaf        { return $_[0]->_command('mode deaf') }
sub mute        { return $_[0]->_command('mode mute') }
sub partial     { return $_[0]->_command("mode partial $_[1]") }
sub flood       { return $_[0]->_command('mode flood') }
sub forward     { return $_[0]->_command('mode forward') }
sub delay       { return $_[0]->_command("mode delay $_[1]") }
sub cut         { return $_[0]->_command('cut') }
sub refuse      { return $_[0]->_command('refuse') }
sub accept      { return $_[0]->_command('accept') }
sub connections { return $_[0]->_command('connections') }
sub bytes       { return $_[0]->_command('bytes') }
sub sent        { return $_[0]->_command('sent') }
sub answered    { return $_[0]->_command('answered') }
sub ended       { return $_[0]->_command('ended') }

# The process

sub _listen {
    my ($self) = @_;

    return IO::Socket::INET->new(
        LocalAddr => $self->{address},
        LocalPort => $self->{port},
        ReuseAddr => 1,
        Listen    => 128,
        Blocking  => 0,
    ) // die "cannot listen on port $self->{port}: $!\n";
}

sub _serve {
    my ($self, $control, $listener) = @_;

    @$self{qw( listener mode argument links )} = ($listener, 'forward', 0, {});
    @$self{qw( connections bytes sent answered ended )} = (0) x 5;

    while (1) {
        my $read = IO::Select->new($control);
        $read->add($self->{listener}) if $self->{listener};

        my $write = IO::Select->new;
        my $soonest;

        for my $end (values %{ $self->{links} }) {
            $end->{out} .= $self->{flood}
                if $self->{mode} eq 'flood' && !$end->{is_server}
                    && length $end->{out} < 1 << 16;

            $read->add($end->{socket}) if $self->_may_read($end);

            next if !length $end->{out} || $self->{mode} eq 'hang';

            if ($end->{not_before} <= time) {
                $write->add($end->{socket});

            } elsif (!defined $soonest || $end->{not_before} < $soonest) {
                $soonest = $end->{not_before};
            }
        }

        my $wait
            = defined $soonest ? ($soonest > time ? $soonest - time : 0) : undef;
        my ($readable, $writable)
            = IO::Select->select($read, $write, undef, $wait);

        for my $socket (@{ $writable // [] }) {
            my $end = $self->{links}{$socket} or next;
            $self->_flush($end);
        }

        for my $socket (@{ $readable // [] }) {
            if ($socket == $control) {
                my $command = readline $control;
                return unless defined $command;
                print {$control} $self->_obey(split ' ', $command), "\n";

            } elsif ($self->{listener} && $socket == $self->{listener}) {
                $self->_accept_all;

            } elsif (my $end = $self->{links}{$socket}) {
                $self->_receive($end);
            }
        }
    }
}

sub _obey {
    my ($self, $verb, @arg) = @_;

    if ($verb eq 'mode') {
        ($self->{mode}, $self->{argument}) = ($arg[0], $arg[1] // 0);

        for my $end (values %{ $self->{links} }) {
            $end->{not_before} = 0 if $self->{mode} eq 'forward';
            $end->{passed}     = 0;
        }

    } elsif ($verb eq 'cut' || $verb eq 'refuse') {
        if ($verb eq 'refuse' && $self->{listener}) {
            close delete $self->{listener};
        }

        # What a dying host does, rather than a goodbye.
        for my $end (values %{ $self->{links} }) {
            setsockopt $end->{socket}, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0;
            close $end->{socket};
        }

        $self->{links} = {};

    } elsif ($verb eq 'accept') {
        $self->{listener} //= $self->_listen;

    } else {
        return $self->{$verb};
    }

    return 'ok';
}

sub _may_read {
    my ($self, $end) = @_;

    return 0 if $self->{mode} eq 'hang' && $end->{peer};
    return !$end->{peer} || length $end->{peer}{out} < 1 << 20;
}

sub _accept_all {
    my ($self) = @_;

    while (my $client = $self->{listener}->accept) {
        $self->{connections}++;

        my $end = $self->_end($client);

        next if !$self->{to};

        my $server = IO::Socket::INET->new(
            PeerAddr => '127.0.0.1',
            PeerPort => $self->{to},
        );

        if (!$server) {
            $self->_drop($end);
            next;
        }

        my $other = $self->_end($server);
        ($end->{peer}, $other->{peer}) = ($other, $end);
        $other->{is_server} = 1;
    }

    return;
}

sub _end {
    my ($self, $socket) = @_;

    $socket->blocking(0);
    setsockopt $socket, IPPROTO_TCP, TCP_NODELAY, 1;

    return $self->{links}{$socket}
        = { socket => $socket, out => '', not_before => 0, passed => 0 };
}

sub _drop {
    my ($self, $end) = @_;

    delete $self->{links}{ $end->{socket} };
    close $end->{socket};
    return;
}

sub _receive {
    my ($self, $end) = @_;

    my $n = sysread $end->{socket}, my $data, 65536;

    if (!defined $n) {
        return if $! == EAGAIN || $! == EWOULDBLOCK || $! == EINTR;
        $n = 0;
    }

    my $peer = $end->{peer};

    if ($n == 0) {
        $self->_close($end);
        return;
    }

    $self->{ $end->{is_server} ? 'answered' : 'bytes' } += $n;
    $self->{sent}++ if !$end->{is_server};

    return if !$peer
        || $self->{mode} eq ($end->{is_server} ? 'deaf' : 'mute');

    $data = $self->{edit}->($data) if $self->{edit} && $end->{is_server};

    if ($self->{mode} eq 'delay' && $end->{is_server} && !length $peer->{out})
    {
        $peer->{not_before} = time + $self->{argument};
    }

    if ($self->{mode} eq 'partial' && $end->{is_server}) {
        my $rest = $self->{argument} - $end->{passed};
        $end->{passed} += $n;

        if ($n >= $rest) {
            $peer->{out} .= substr $data, 0, $rest;
            $self->{ended}++;
            $self->_close($end);
            close delete $self->{listener} if $self->{listener};
            return;
        }
    }

    $peer->{out} .= $data;
    $self->_flush($peer) if $peer->{not_before} <= time;
    return;
}

# What is on its way to the other end still arrives.
sub _close {
    my ($self, $end) = @_;

    my $peer = $end->{peer};
    $self->_drop($end);

    if ($peer) {
        $peer->{closing} = 1;
        delete $peer->{peer};
        $self->_drop($peer) if !length $peer->{out};
    }

    return;
}

sub _flush {
    my ($self, $end) = @_;

    my $n = syswrite $end->{socket}, $end->{out};

    if (!defined $n) {
        return if $! == EAGAIN || $! == EWOULDBLOCK || $! == EINTR;
        $n = length $end->{out};
    }

    substr $end->{out}, 0, $n, '';
    $self->_drop($end) if $end->{closing} && !length $end->{out};
    return;
}

1;
