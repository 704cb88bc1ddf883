package UniqueRandom::Postgres::Copies;

# Methods of a cluster, see UniqueRandom::Postgres: to keep what it has, and to
# go back or over to it.

use strict;
use warnings;

use Carp qw( croak );
use File::Basename qw( dirname );
use File::Path ();

use UniqueRandom::Postgres::Programs qw(
    copy give_away program run_program server_version
);
use UniqueRandom::Util qw( free_port wait_until write_file );

# A copy of the files, of a cluster that is not running, to come back to with
# restore_data() or to start another cluster from with new(data => ...).
sub save_data {
    my ($self) = @_;

    croak "$self->{name} is running" if $self->{pid};

    my $copy = "$self->{dir}/saved-" . ++$self->{saved};
    copy($self->{data}, $copy);
    return $copy;
}

sub restore_data {
    my ($self, $copy) = @_;

    croak "$self->{name} is running" if $self->{pid};

    File::Path::remove_tree($self->{data});
    copy($copy, $self->{data});
    $self->_configure;
    return $self;
}

# A copy that pg_basebackup takes while it runs, for recover().
sub base_backup {
    my ($self) = @_;

    my $copy = "$self->{dir}/backup-" . ++$self->{saved};
    run_program(command => [
        program('pg_basebackup'), '-D', $copy, '-X', 'none', '-c', 'fast',
        '--no-sync', '-h', $self->socket, '-p', $self->{port},
        '-U', 'postgres',
    ]);
    return $copy;
}

# What pg_basebackup does, where there is none, but that the WAL is streamed.
sub copy_while_it_runs {
    my ($self, $to) = @_;

    my ($start, $stop) = (server_version() =~ /^(\d+)/)[0] >= 15
        ? (q{pg_backup_start('copy', true)}, 'pg_backup_stop(false)')
        : (q{pg_start_backup('copy', true, false)}, 'pg_stop_backup(false, false)');

    # Files may go meanwhile.  The last one is that which tells a copy of a
    # standby how far it has to get before it is consistent.
    my $label = $self->psql('postgres', <<"EOT");
SELECT $start \\g /dev/null
\\! cp -a $self->{data} $to 2> $to.log
\\! cp -a $self->{data}/global/pg_control $to/global
SELECT labelfile FROM $stop;
EOT

    unlink "$to/postmaster.pid";
    write_file("$to/backup_label", $label);
    return give_away("$to/backup_label");
}

# Goes back to a moment after a base backup: recovery_target_... => '...'.
sub recover {
    my ($self, $backup, %target) = @_;

    $self->restore_data($backup);
    $self->_write('recovery.signal', '');
    $self->set_conf(%target, recovery_target_action => 'promote');
    $self->start;
    wait_until(sub { !$self->is_in_recovery }, 30, "$self->{name} is back");

    return $self->set_conf(map { $_ => undef } keys %target,
        'recovery_target_action');
}

# As if it had made transactions up to this one.  It is not running.
sub set_next_xid {
    my ($self, $xid) = @_;

    croak "$self->{name} is running" if $self->{pid};

    # 32 pages of the commit log, with two bits for each transaction.
    $self->_write(sprintf('pg_xact/%04X', $xid / (32 * 8192 * 4)),
        "\0" x (32 * 8192));
    run_program(command => [
        program('pg_resetwal'), '-x', $xid, '-D', $self->{data},
    ]);
    return $self;
}

# The SQL that makes a database as it is now.
sub dump {
    my ($self, $db) = @_;

    return run_program(command => [
        program('pg_dump'), '-h', $self->socket, '-p', $self->{port},
        '-U', 'postgres', $db,
    ]);
}

# Takes over what another cluster has, by pg_upgrade.  Neither is running.
sub upgrade_from {
    my ($self, $old) = @_;

    for my $cluster ($self, $old) {
        croak "$cluster->{name} is running" if $cluster->{pid};
    }

    my $bin = dirname(program('postgres'));

    run_program(command => [
        'env', '-C', $self->{dir}, "$bin/pg_upgrade", '--no-sync',
        '-U', 'postgres', '-b', $bin, '-B', $bin,
        '-d', $old->{data}, '-p', free_port(),
        '-D', $self->{data}, '-P', free_port(),
    ]);
    return $self;
}

1;
