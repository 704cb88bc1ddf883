package UniqueRandom::Helper;

# What is common to those of our servers that are a process of their own, and
# that the test tells what to do.  They have _listen(), which returns a socket,
# and _serve($control, $socket), which reads commands, a line each, and writes
# a line for each.

use strict;
use warnings;

use POSIX ();
use Scalar::Util qw( weaken );
use Socket qw( AF_UNIX PF_UNSPEC SOCK_STREAM );

use UniqueRandom::Util qw( at_exit );

sub _launch {
    my ($self) = @_;

    $self->{owner} = $$;

    my $socket = $self->_listen;

    socketpair my $control, my $theirs, AF_UNIX, SOCK_STREAM, PF_UNSPEC
        or die "socketpair: $!\n";
    $_->autoflush(1) for $control, $theirs;

    $self->{pid} = fork // die "fork: $!\n";

    if ($self->{pid} == 0) {
        close $control;
        @SIG{qw( INT TERM PIPE )} = ('IGNORE') x 3;
        eval { $self->_serve($theirs, $socket); 1 } or warn $@;
        POSIX::_exit(0);
    }

    close $theirs;
    $self->{control} = $control;

    my $weak = $self;
    weaken($weak);
    at_exit(sub { $weak->stop if $weak });

    return $self;
}

# Every command is acknowledged, so that it holds when the method returns.
sub _command {
    my ($self, @words) = @_;

    print { $self->{control} } "@words\n";
    my $answer = readline $self->{control};
    die ref($self) . " has died\n" unless defined $answer;
    chomp $answer;
    return $answer;
}

sub stop {
    my ($self) = @_;

    return if $self->{owner} != $$ || !$self->{control};

    # It would leave when its control connection ends, but a process that was
    # forked since then may hold that open.
    close delete $self->{control};
    kill KILL => $self->{pid};
    local $?;
    waitpid $self->{pid}, 0;
    return;
}

sub DESTROY { $_[0]->stop; return }

1;
