package UniqueRandom::Session;

# A psql that stays connected: for transactions that last.
#
#   my $session = UniqueRandom::Session->new(pg => $pg, db => 'numbers');
#   $session->run('BEGIN; SELECT 1')            # "1"
#   $session->try('SELECT 1/0')                 # what it says, errors too
#   $session->send('SELECT ...'); ...; $session->wait

use strict;
use warnings;

use Carp qw( croak );
use IO::Handle ();
use IPC::Open3 ();

# Arguments: pg, db, user, set => [ psql's NAME=VALUE ].
sub new {
    my ($class, %arg) = @_;

    my $self = bless { asked => 0, %arg }, $class;

    local $ENV{PGOPTIONS} = '--client-min-messages=warning';

    $self->{pid} = IPC::Open3::open3(
        $self->{in}, $self->{out}, undef,
        'psql', '-X', '-q', '-A', '-t', (map { ('-v', $_) } @{ $arg{set} // [] }),
        '-h', $arg{pg}->socket, '-p', $arg{pg}->port,
        '-U', $arg{user} // 'postgres', '-d', $arg{db},
    );
    $self->{in}->autoflush;
    return $self;
}

sub send {
    my ($self, $sql) = @_;

    my $end = 'end ' . ++$self->{asked};
    print { $self->{in} } "$sql\n;\n\\echo $end\n";
    return $self;
}

# What was printed since, errors included.
sub wait {
    my ($self) = @_;

    my ($end, $text) = ("end $self->{asked}\n", '');

    while (defined(my $line = readline $self->{out})) {
        last if $line eq $end;
        $text .= $line;
    }

    chomp $text;
    return $text;
}

sub try {
    my ($self, $sql) = @_;

    return $self->send($sql)->wait;
}

sub run {
    my ($self, $sql) = @_;

    my $text = $self->try($sql);
    croak "psql failed: $text" if $text =~ /^(?:psql:[^\n]*)?ERROR:/m;
    return $text;
}

sub end {
    my ($self) = @_;

    return if !$self->{pid};

    close $self->{in};
    close $self->{out};
    waitpid delete $self->{pid}, 0;
    return;
}

sub DESTROY {
    my ($self) = @_;

    local ($?, $!, $@);
    $self->end;
    return;
}

1;
