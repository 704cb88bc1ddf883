package UniqueRandom::NameServer;

# A name server in a process of its own, on port 53 of an address of its own.
#
#   my $names = UniqueRandom::NameServer->new(
#       'db.example' => [ '::1', '127.0.0.1' ],
#   );
#   $names->resolv_conf('search example')    # the text of a resolv.conf
#   $names->address                          # for "resolver" in nginx.conf
#
#   $names->set('db.example' => ['127.0.0.2']);
#   $names->set('db.example' => undef);      # there is no such name
#   $names->silent('AAAA');                  # it answers no such question
#
# "*" is any name that is not said.  What it says may be kept for a second.

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use Socket qw( AF_INET AF_INET6 inet_pton );

use parent 'UniqueRandom::Helper';

use constant { A => 1, AAAA => 28, SERVER_PORT => 53 };

my $servers = 0;

sub new {
    my ($class, %names) = @_;

    my $self = bless { names => \%names, silent => '' }, $class;

    return $self->_launch;
}

sub address { return $_[0]->{address} }

sub resolv_conf {
    my ($self, @more) = @_;

    return join '', map {"$_\n"} "nameserver $self->{address}", @more;
}

sub set {
    my ($self, $name, $addresses) = @_;

    $self->_command('set', $name, $addresses ? @$addresses : '-');
    return $self;
}

sub silent {
    my ($self, $type) = @_;

    $self->_command('silent', $type);
    return $self;
}

# The process

# Other tests have theirs at the same time.
sub _listen {
    my ($self) = @_;

    for (1 .. 100) {
        $self->{address} = join '.', 127, 53, 1 + $$ % 250,
            1 + (int($$ / 250) + $servers++) % 250;

        my $socket = IO::Socket::INET->new(
            LocalAddr => $self->{address},
            LocalPort => SERVER_PORT,
            Proto     => 'udp',
        );
        return $socket if $socket;
    }

    die "cannot be a name server: $!\n";
}

sub _serve {
    my ($self, $control, $socket) = @_;

    my $select = IO::Select->new($control, $socket);

    while (1) {
        for my $ready ($select->can_read) {
            if ($ready == $control) {
                my $line = readline $control;
                return unless defined $line;
                $self->_obey(split ' ', $line);
                print {$control} "ok\n";
                next;
            }

            my $from  = recv $socket, my $query, 512, 0;
            my $reply = defined $from ? $self->_reply($query) : undef;
            send $socket, $reply, 0, $from if defined $reply;
        }
    }
}

sub _obey {
    my ($self, $verb, @words) = @_;

    if ($verb eq 'silent') {
        $self->{silent} = $words[0];

    } else {
        my ($name, @addresses) = @words;
        $self->{names}{$name}
            = "@addresses" eq '-' ? undef : \@addresses;
    }

    return;
}

sub _reply {
    my ($self, $query) = @_;

    my ($id, $name, $type)
        = $query =~ /\A(..).{10}((?:[^\0]+)*\0)(..)../s or return;

    $type = unpack 'n', $type;
    return if $self->{silent} eq 'AAAA' && $type == AAAA
        || $self->{silent} eq 'A' && $type == A;

    my $names     = $self->{names};
    my $question  = $name . pack 'nn', $type, 1;
    my $text      = lc join '.', unpack '(C/a)*', $name;
    my $addresses = $names->{ $text =~ s/\.\z//r } // $names->{'*'};

    # No such name.
    return $id . pack('n5', 0x8183, 1, 0, 0, 0) . $question if !$addresses;

    my $family = $type == AAAA ? AF_INET6 : AF_INET;
    my @answers = $type != A && $type != AAAA ? ()
        : grep {defined} map { inet_pton($family, $_) }
        grep { /:/ ? $type == AAAA : $type == A } @$addresses;

    return $id . pack('n5', 0x8180, 1, scalar @answers, 0, 0) . $question
        . join '',
        map { pack 'nnnNn/a', 0xc00c, $type, 1, 1, $_ } @answers;
}

1;
