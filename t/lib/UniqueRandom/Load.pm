package UniqueRandom::Load;

# Clients that take numbers as fast as they can, and what they were given.
#
#   my $result = UniqueRandom::Load->new(
#       port => $nginx->port, connections => 32, count => 10_000,
#   )->run;
#
#   my $load = UniqueRandom::Load->new(port => ..., duration => 60)->start;
#   ...                                # meanwhile
#   my $result = $load->stop->finish;
#
# The result is an object, too:
#
#   attempts       requests sent, or that could not be: the sum of the next
#   status         { 200 => how many, ... }
#   failed         without a whole answer: refused, reset, timed out
#   closed         sent as the server closed a connection that was kept alive;
#                  a client is expected to send these again
#   numbers        what the 200s gave, as an array
#   malformed      "STATUS BODY" of each answer that is not to the letter
#   elapsed
#
#   duplicates, out_of_range(FIRST, LAST), missing(FIRST, LAST)   lists
#
# and merge() makes one of several.

use strict;
use warnings;

use Carp qw( croak );
use Errno qw( EAGAIN EINTR EWOULDBLOCK );
use Fcntl qw( F_SETFL O_NONBLOCK );
use POSIX ();
use Scalar::Util qw( weaken );
use Socket qw(
    AF_INET IPPROTO_TCP SOCK_STREAM TCP_NODELAY inet_aton pack_sockaddr_in
);
use Storable ();
use Time::HiRes qw( time );

use UniqueRandom::Util qw( at_exit tmp_dir );

my %body = (
    409 => '{"detail":"All available numbers have been used."}',
    503 => '{"detail":"No number could be reserved in time."}',
);

my $loads = 0;

# Arguments: port, path (/random), method (GET), headers (text with CRLF),
# connections (16), processes (2), timeout of a request in seconds (30), and
# when to end, whichever comes first: count of attempts, duration in seconds,
# until => an HTTP status (each process ends when it sees it), and in any case
# after deadline seconds (120), since a test that waits for ever tells nothing.
sub new {
    my ($class, %arg) = @_;

    my $self = bless {
        path        => '/random',
        method      => 'GET',
        headers     => '',
        connections => 16,
        processes   => 2,
        timeout     => 30,
        deadline    => 120,
        %arg,
        file  => tmp_dir() . '/load-' . $loads++,
        owner => $$,
    }, $class;

    croak 'port?' if !$self->{port};

    $self->{processes} = $self->{connections}
        if $self->{processes} > $self->{connections};

    return $self;
}

sub run {
    my ($self) = @_;

    return $self->start->finish;
}

sub start {
    my ($self) = @_;

    my $n = $self->{processes};

    # Who is stopped as soon as it is there has what stops it by then.
    my $term = POSIX::SigSet->new(POSIX::SIGTERM());
    POSIX::sigprocmask(POSIX::SIG_BLOCK(), $term);

    for my $i (0 .. $n - 1) {
        my $pid = fork // die "fork: $!\n";

        if ($pid == 0) {
            my $stop = 0;
            @SIG{qw( INT TERM PIPE )} = ('IGNORE', sub { $stop = 1 }, 'IGNORE');
            POSIX::sigprocmask(POSIX::SIG_UNBLOCK(), $term);

            my $ok = eval {
                Storable::nstore(
                    $self->_client(
                        \$stop,
                        _share($self->{connections}, $i, $n),
                        defined $self->{count}
                        ? _share($self->{count}, $i, $n) : undef
                    ),
                    "$self->{file}.$i"
                );
                1;
            };
            print STDERR $@ unless $ok;
            POSIX::_exit($ok ? 0 : 1);
        }

        push @{ $self->{pids} }, $pid;
    }

    POSIX::sigprocmask(POSIX::SIG_UNBLOCK(), $term);

    my $weak = $self;
    weaken($weak);
    at_exit(sub { $weak->_abandon if $weak });

    return $self;
}

# Part $i of $n, the first ones larger where it is uneven.
sub _share {
    my ($total, $i, $n) = @_;

    return int($total / $n) + ($i < $total % $n ? 1 : 0);
}

# Tells the clients to send no more; what is under way they wait for.
sub stop {
    my ($self) = @_;

    kill TERM => @{ $self->{pids} };
    return $self;
}

sub finish {
    my ($self) = @_;

    my @results;
    my $pids = $self->{pids};

    for my $i (0 .. $#$pids) {
        waitpid $pids->[$i], 0;
        croak 'a load process failed' if $?;

        my $result = Storable::retrieve("$self->{file}.$i");
        $result->{numbers} = [ unpack 'Q*', $result->{numbers} ];
        unlink "$self->{file}.$i";
        push @results, bless $result, 'UniqueRandom::Load::Result';
    }

    delete $self->{pids};

    return UniqueRandom::Load::Result->merge(@results);
}

sub merge {
    my (undef, @results) = @_;

    return UniqueRandom::Load::Result->merge(@results);
}

sub _abandon {
    my ($self) = @_;

    return if $self->{owner} != $$ || !$self->{pids};

    kill KILL => @{ $self->{pids} };
    waitpid $_, 0 for @{ delete $self->{pids} };
    return;
}

sub DESTROY {
    my ($self) = @_;

    local ($?, $!);
    $self->_abandon;
    return;
}

# One process: select() over all its connections, each with one request under
# way.  Written for speed: it must not be what a test waits for.
sub _client {
    my ($self, $stop, $connections, $count) = @_;

    my ($attempts, $failed, $closed, $numbers, %status, @malformed)
        = (0, 0, 0, '');

    my $request = "$self->{method} $self->{path} HTTP/1.1\r\n"
        . "Host: 127.0.0.1\r\n$self->{headers}"
        . ($self->{method} eq 'POST' ? "Content-Length: 0\r\n" : '') . "\r\n";

    my $address = pack_sockaddr_in($self->{port}, inet_aton('127.0.0.1'));
    my $started = time;
    my $end     = $started + ($self->{duration} // $self->{deadline});
    my $timeout = $self->{timeout};
    my $until   = $self->{until} // 0;

    # By file number.
    my (@socket, @answer, @sent, @used);

    my $waiting  = '';              # the set for select()
    my $idle     = $connections;    # connections to open
    my $open_at  = 0;               # and when, after a failure
    my $next_look = $started + 1;   # for requests that time out, and more

    my $drop = sub {
        my ($fd) = @_;

        vec($waiting, $fd, 1) = 0;
        close $socket[$fd];
        undef $socket[$fd];
        $idle++;
        return;
    };

    my $more = sub {
        return !$$stop && (!defined $count || $attempts < $count);
    };

    my $send = sub {
        my ($fd) = @_;

        $attempts++;
        $answer[$fd] = '';
        $sent[$fd]   = time;

        # It fits the empty buffer of a socket; if the server has gone,
        # reading will tell.
        syswrite $socket[$fd], $request;
        return;
    };

    while (1) {
        my $now = time;

        $$stop = 1 if $now >= $end;

        while ($idle && $now >= $open_at && $more->()) {
            socket my $socket, AF_INET, SOCK_STREAM, IPPROTO_TCP
                or die "socket: $!\n";

            if (!connect $socket, $address) {
                $attempts++;
                $failed++;
                $open_at = $now + 0.02;
                last;
            }

            setsockopt $socket, IPPROTO_TCP, TCP_NODELAY, 1;
            fcntl $socket, F_SETFL, O_NONBLOCK;

            my $fd = fileno $socket;
            $socket[$fd] = $socket;
            $used[$fd]   = 0;
            vec($waiting, $fd, 1) = 1;
            $idle--;
            $send->($fd);
        }

        last if $idle == $connections && !$more->();

        my $ready;
        my $n = select $ready = $waiting, undef, undef,
            $idle && $more->() ? 0.02 : 0.2;

        if ($now >= $next_look) {
            $next_look = $now + 1;

            # The test may have been killed.
            POSIX::_exit(1) if getppid != $self->{owner};

            for my $fd (grep { $socket[$_] } 0 .. $#socket) {
                next if $now - $sent[$fd] < $timeout;
                $failed++;
                $drop->($fd);
                vec($ready, $fd, 1) = 0;
            }
        }

        next if $n <= 0;

        for my $fd (0 .. $#socket) {
            next if !vec($ready, $fd, 1);

            my $read = sysread $socket[$fd], $answer[$fd], 16384,
                length $answer[$fd];

            if (!$read) {
                next if !defined $read
                    && ($! == EAGAIN || $! == EWOULDBLOCK || $! == EINTR);

                if ($used[$fd] && $answer[$fd] eq '') {
                    $closed++;

                } else {
                    $failed++;
                }

                $drop->($fd);
                next;
            }

            next if $answer[$fd] !~ m{
                \A HTTP/1\.1\ (\d\d\d)\ .*?
                \r\nContent-Length:\ (\d+)\r\n .*? \r\n\r\n (.*) \z }sxi
                || length $3 < $2;

            my ($code, $content) = ($1, $3);

            $status{$code}++;
            $used[$fd] = 1;

            if ($code == 200
                && $content =~ /\A\{"number":(0|[1-9][0-9]{0,18})\}\z/)
            {
                $numbers .= pack 'Q', $1;

            } elsif (!defined $body{$code} || $content ne $body{$code}) {
                push @malformed, "$code $content";
            }

            $$stop = 1 if $code == $until;

            if ($answer[$fd] =~ /\r\nConnection: close\r\n/i || !$more->()) {
                $drop->($fd);

            } else {
                $send->($fd);
            }
        }
    }

    return {
        attempts  => $attempts,
        failed    => $failed,
        closed    => $closed,
        status    => \%status,
        numbers   => $numbers,
        malformed => \@malformed,
        elapsed   => time - $started,
    };
}

package UniqueRandom::Load::Result;

sub merge {
    my ($class, @results) = @_;

    my $all = bless {
        attempts  => 0,
        failed    => 0,
        closed    => 0,
        status    => {},
        numbers   => [],
        malformed => [],
        elapsed   => 0,
    }, $class;

    for my $result (@results) {
        $all->{$_} += $result->{$_} for qw( attempts failed closed );
        push @{ $all->{$_} }, @{ $result->{$_} } for qw( numbers malformed );

        while (my ($code, $n) = each %{ $result->{status} }) {
            $all->{status}{$code} += $n;
        }

        $all->{elapsed} = $result->{elapsed}
            if $result->{elapsed} > $all->{elapsed};
    }

    return $all;
}

sub attempts  { return $_[0]->{attempts} }
sub failed    { return $_[0]->{failed} }
sub closed    { return $_[0]->{closed} }
sub elapsed   { return $_[0]->{elapsed} }
sub numbers   { return @{ $_[0]->{numbers} } }
sub malformed { return @{ $_[0]->{malformed} } }

# How many answers had it; without an argument, all counts.
sub status {
    my ($self, $code) = @_;

    return defined $code ? $self->{status}{$code} // 0 : $self->{status};
}

# Numbers that were given more than once, each once.
sub duplicates {
    my ($self) = @_;

    my %seen;
    return grep { ++$seen{$_} == 2 } @{ $self->{numbers} };
}

sub out_of_range {
    my ($self, $first, $last) = @_;

    return grep { $_ < $first || $_ > $last } @{ $self->{numbers} };
}

# Numbers of the range that nobody was given.
sub missing {
    my ($self, $first, $last) = @_;

    my %seen;
    @seen{ @{ $self->{numbers} } } = ();
    return grep { !exists $seen{$_} } $first .. $last;
}

1;
