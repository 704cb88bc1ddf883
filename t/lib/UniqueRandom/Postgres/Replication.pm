package UniqueRandom::Postgres::Replication;

# Methods of a cluster, see UniqueRandom::Postgres: its standbys, and which of
# them is the primary.

use strict;
use warnings;

use Carp qw( croak );

use UniqueRandom::Postgres::Programs qw(
    has_program make_folder program run_program spawn_program
);
use UniqueRandom::Util qw( read_file wait_until );

# A streaming standby of this cluster, started.  For a synchronous one, set
# synchronous_standby_names to its name.
sub standby {
    my ($self, %arg) = @_;

    my $standby = ref($self)->_new(name => 'standby', %arg);

    my $primary = 'host=' . $self->socket . " port=$self->{port} user=postgres"
        . " application_name=$standby->{name}";

    if (has_program('pg_basebackup')) {
        run_program(command => [
            program('pg_basebackup'), '-D', $standby->{data}, '-R',
            '-X', 'stream', '-c', 'fast', '--no-sync', '-d', $primary,
        ]);

    } else {
        $self->copy_while_it_runs($standby->{data});
        $standby->_write('standby.signal', '');
        $standby->_write('postgresql.auto.conf',
            read_file("$self->{data}/postgresql.auto.conf")
                . "primary_conninfo = '$primary'\n");
    }

    # Settings that the primary was given hold here, too, as in a managed pair.
    $standby->{conf} = { %{ $self->{conf} }, %{ $standby->{conf} } };
    $standby->{hba}  = [ @{ $self->{hba} }, @{ $standby->{hba} } ];
    delete $standby->{conf}{synchronous_standby_names};

    $standby->_configure;
    $standby->start unless exists $arg{start} && !$arg{start};
    return $standby;
}

# One that was a primary and was stopped in order comes back as a standby of the
# one that took its place.
sub follow {
    my ($self, $primary) = @_;

    $self->_write('standby.signal', '');
    $self->set_conf(primary_conninfo => 'host=' . $primary->socket
            . " port=$primary->{port} user=postgres"
            . " application_name=$self->{name}");
    $self->start;
    $primary->wait_for_standby($self);
    return $self;
}

# What a synchronous standby does for commits, without being one: it takes
# the WAL in, and goes on to do so when this cluster is promoted.
sub receive_wal {
    my ($self, $name) = @_;

    my $dir = "$self->{dir}/$name";
    make_folder($dir);

    my $pid = spawn_program(
        log     => "$dir.log",
        command => [
            program('pg_receivewal'), '--synchronous', '-D', $dir, '-d',
            'host=' . $self->socket . " port=$self->{port} user=postgres"
                . " application_name=$name",
        ],
    );
    my $stop = sub { kill INT => $pid; local $?; waitpid $pid, 0; return };

    $self->{receivers}{$name} = $stop;
    wait_until(sub {
        $self->psql('postgres', 'SELECT count(*) FROM pg_stat_replication'
            . " WHERE application_name = '$name' AND state = 'streaming'");
    }, 30, "$name receives the WAL");
    return $self;
}

# A standby that falls behind: what its primary writes from now on does not
# reach it, whatever becomes of it.
sub stop_receiving {
    my ($self) = @_;

    my $receivers = 'SELECT count(*) FROM pg_stat_wal_receiver';

    $self->psql('postgres', "ALTER SYSTEM SET primary_conninfo = ''");
    $self->reload;
    wait_until(sub { $self->psql('postgres', $receivers) == 0 }, 30,
        "$self->{name} receives nothing");
    return $self;
}

sub is_in_recovery {
    my ($self) = @_;

    return $self->psql('postgres', 'SELECT pg_is_in_recovery()') eq 't';
}

sub promote {
    my ($self) = @_;

    my $ok = $self->psql('postgres', 'SELECT pg_promote(true, 30)');
    croak "$self->{name} was not promoted" if $ok ne 't';

    wait_until(sub { !$self->is_in_recovery }, 30,
        "$self->{name} is a primary");
    return $self;
}

# Until the standby has replayed what this cluster has written by now.
sub wait_for_standby {
    my ($self, $standby) = @_;

    my $lsn = $self->psql('postgres', 'SELECT pg_current_wal_lsn()');

    return wait_until(sub {
        $standby->psql('postgres',
            "SELECT pg_last_wal_replay_lsn() >= '$lsn'::pg_lsn") eq 't';
    }, 30, "$standby->{name} has caught up");
}

1;
