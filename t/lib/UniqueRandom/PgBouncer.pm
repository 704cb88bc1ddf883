package UniqueRandom::PgBouncer;

# A PgBouncer in front of a cluster, in transaction mode unless told otherwise.
#
#   my $bouncer = UniqueRandom::PgBouncer->new(postgres => $pg);
#   $bouncer->url(db => 'numbers')

use strict;
use warnings;

use Carp qw( croak );
use IO::Socket::INET;
use Scalar::Util qw( weaken );

use UniqueRandom::Util qw(
    at_exit free_port is_alive read_file spawn tmp_dir user_ids wait_gone
    wait_until write_file
);

# It refuses to run as root, like what it stands in front of.
my $ids = user_ids('postgres');

my $bouncers = 0;

# Arguments: postgres, conf => { setting => value }, users => { name =>
# password }; the superuser needs none.
sub new {
    my ($class, %arg) = @_;

    my $pg   = $arg{postgres} or croak 'postgres?';
    my $dir  = tmp_dir() . '/pgbouncer-' . $bouncers++;
    my $self = bless {
        postgres => $pg,
        dir      => $dir,
        port     => free_port(),
        owner    => $$,
    }, $class;

    mkdir $dir or die "$dir: $!\n";
    chown @$ids, $dir if $ids;

    my %users = (postgres => '', %{ $arg{users} // {} });
    write_file("$dir/users",
        join '', map {qq{"$_" "$users{$_}"\n}} sort keys %users);

    my %conf = (
        listen_addr     => '127.0.0.1',
        listen_port     => $self->{port},
        unix_socket_dir => '',
        auth_type       => 'trust',
        auth_file       => "$dir/users",
        pool_mode       => 'transaction',
        %{ $arg{conf} // {} },
    );

    write_file("$dir/pgbouncer.ini", "[databases]\n"
        . '* = host=127.0.0.1 port=' . $pg->port . "\n\n[pgbouncer]\n"
        . join '', map {"$_ = $conf{$_}\n"} sort keys %conf);

    my $weak = $self;
    weaken($weak);
    at_exit(sub { $weak->stop if $weak });

    return $self->start;
}

sub start {
    my ($self) = @_;

    $self->{pid} = spawn(
        as      => $ids,
        log     => "$self->{dir}/log",
        command => [ '/usr/sbin/pgbouncer', "$self->{dir}/pgbouncer.ini" ],
    );

    wait_until(sub {
        return IO::Socket::INET->new(
            PeerAddr => '127.0.0.1',
            PeerPort => $self->{port},
        ) || !is_alive($self->{pid});
    }, 20, 'pgbouncer accepts connections');

    croak 'pgbouncer does not start: ' . $self->log_text
        if !is_alive($self->{pid});

    return $self;
}

sub port     { return $_[0]->{port} }
sub log_text { return read_file("$_[0]->{dir}/log") // '' }

sub url {
    my ($self, %arg) = @_;

    return $self->{postgres}->url(%arg, port => $self->{port});
}

sub stop {
    my ($self) = @_;

    return if $self->{owner} != $$ || !$self->{pid};

    kill TERM => $self->{pid};
    wait_gone(10, delete $self->{pid});
    return $self;
}

sub DESTROY {
    my ($self) = @_;

    local ($?, $!, $@);
    $self->stop;
    return;
}

1;
