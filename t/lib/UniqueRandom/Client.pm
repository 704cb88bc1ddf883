package UniqueRandom::Client;

# A client that keeps its connection, and with it the worker that serves it.
#
#   my $client = UniqueRandom::Client->new($nginx);
#   $client->get('/random')       # { status, content }, undef if none comes
#   $client->send('/random');     # the same in two steps
#   $client->reply
#   $client->write($text)         # not even a request
#
#   my $nginx = UniqueRandom::Nginx->new(workers => 2, ...,
#       UniqueRandom::Client::by_worker(server => '...'));
#   UniqueRandom::Client->of($nginx, $pid)        # served by that worker
#
#   my ($status, @numbers) = UniqueRandom::Client->draw($nginx, 200, 0.01);
#
# by_worker() needs a listening socket for each worker, since from one of all
# it may be the same who accepts for ever; and a location that says who it is.

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use Time::HiRes qw( sleep time );

use UniqueRandom::Util qw( wait_until );

sub by_worker {
    my (%arg) = @_;

    return (
        %arg,
        listen => 'reuseport',
        server => $arg{server} . 'location = /pid { return 200 $pid; }',
    );
}

sub new {
    my ($class, $nginx) = @_;

    my $socket = IO::Socket::INET->new(
        PeerAddr => '127.0.0.1',
        PeerPort => $nginx->port,
    ) or return;

    return bless { socket => $socket, buffer => '' }, $class;
}

sub of {
    my ($class, $nginx, $pid) = @_;

    return wait_until(sub {
        my $client = $class->new($nginx) or return;
        my $reply  = $client->get('/pid', 5);
        return $reply && $reply->{content} eq $pid && $client;
    }, 20, "worker $pid accepts");
}

# Numbers in a row, with a pause after each; no more if there are none.  How
# often each status came, and the numbers.
sub draw {
    my ($class, $nginx, $count, $pause) = @_;

    my $client = $class->new($nginx);
    my (%status, @numbers);

    for (1 .. $count) {
        last if ($status{503} // 0) == 3;

        my $answer = $client->get('/random');

        $status{ $answer->{status} }++;
        push @numbers, $1
            if $answer->{content} =~ /\A\{"number":(\d+)\}\z/;
        sleep $pause if $pause;
    }

    return (\%status, @numbers);
}

sub write {
    my ($self, $text) = @_;

    local $SIG{PIPE} = 'IGNORE';
    syswrite $self->{socket}, $text;
    return $self;
}

sub send {
    my ($self, $path) = @_;

    return $self->write("GET $path HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
}

sub get {
    my ($self, $path, $timeout) = @_;

    return $self->send($path)->reply($timeout);
}

# The next one, if it comes within so many seconds (30).
sub reply {
    my ($self, $timeout) = @_;

    my $select = IO::Select->new($self->{socket});
    my $end    = time + ($timeout // 30);

    while (1) {
        # The one that has neither a length nor a body.
        if ($self->{buffer} =~ s{\A HTTP/1\.1\ 204\ .*? \r\n\r\n}{}sx) {
            return { status => 204, content => '' };
        }

        if ($self->{buffer} =~ m{
                \A HTTP/1\.1\ (\d\d\d)\ .*? \r\nContent-Length:\ (\d+)\r\n
                .*? \r\n\r\n (?=(.*)\z) }sxi
            && length $3 >= $2)
        {
            my $reply = { status => $1, content => substr $3, 0, $2 };
            substr $self->{buffer}, 0, $+[0] + $2, '';
            return $reply;
        }

        my $left = $end - time;
        return if $left <= 0 || !$select->can_read($left);

        sysread $self->{socket}, $self->{buffer}, 65536,
            length $self->{buffer} or return;
    }
}

sub close {
    my ($self) = @_;

    CORE::close $self->{socket};
    return;
}

1;
