package UniqueRandom::Patroni::Member;

# A Patroni and the PostgreSQL that it runs, see UniqueRandom::Patroni: also
# what may happen to them.  It has psql() and url() as clusters have.
#
# All at once, as where a host does: kill9, then start; pause, resume.  And
# cut_off from etcd, which it reaches through a proxy of its own, then reconnect.

use strict;
use warnings;

use Carp qw( croak );
use File::Basename qw( dirname );
use JSON::PP ();

use parent qw(
    UniqueRandom::Postgres::Access
    UniqueRandom::Postgres::Sql
);

use UniqueRandom::Postgres::Programs qw(
    give_away make_folder program spawn_program
);
use UniqueRandom::Util qw(
    descendants free_port is_alive read_file tcp_proxy wait_gone write_file
);

# Arguments: name, dir, which is made, etcd, its port, and dcs: the dynamic
# configuration, if it is this one that makes the cluster.
sub new {
    my ($class, %arg) = @_;

    my $self = bless {
        %arg,
        port => free_port(),
        rest => free_port(),
    }, $class;

    make_folder($_) for $self->{dir}, $self->socket;
    $self->{proxy} = tcp_proxy($arg{etcd});
    $self->_configure;
    return $self;
}

sub name        { return $_[0]->{name} }
sub port        { return $_[0]->{port} }
sub socket      { return "$_[0]->{dir}/socket" }
sub api         { return "http://127.0.0.1:$_[0]->{rest}" }
sub config_file { return "$_[0]->{dir}/patroni.yml" }

# YAML is JSON, too.
sub _configure {
    my ($self) = @_;

    my $postgres = {
        use_pg_rewind => \1,
        parameters    => {
            wal_log_hints      => 'on',
            max_connections    => 100,
            shared_buffers     => '16MB',
            checkpoint_timeout => '1h',
            jit                => 'off',
            wal_retrieve_retry_interval => '100ms',
        },
    };
    my $user = { username => 'postgres' };

    write_file($self->config_file, JSON::PP->new->pretty->encode({
        scope   => 'numbers',
        name    => $self->{name},
        restapi => { listen => "127.0.0.1:$self->{rest}" },

        # Without looking for etcd elsewhere.
        etcd => {
            hosts       => ["127.0.0.1:" . $self->{proxy}->port],
            use_proxies => \1,
        },
        bootstrap => {
            dcs    => { %{ $self->{dcs} }, postgresql => $postgres },
            initdb => [
                { encoding => 'UTF8' }, { locale => 'C.UTF-8' },
                { auth => 'trust' }, 'no-sync',
            ],
        },
        postgresql => {
            listen         => "127.0.0.1:$self->{port}",
            data_dir       => "$self->{dir}/data",
            bin_dir        => dirname(program('postgres')),
            pgpass         => "$self->{dir}/pgpass",
            authentication => {
                superuser => $user, replication => $user, rewind => $user,
            },
            parameters => { unix_socket_directories => $self->socket },
            pg_hba     => [
                'local all         all              trust',
                'host  all         all 127.0.0.1/32 trust',
                'host  replication all 127.0.0.1/32 trust',
            ],
            remove_data_directory_on_rewind_failure      => \1,
            remove_data_directory_on_diverged_timelines => \1,
        },
    }));
    give_away($self->config_file);
    return;
}

sub start {
    my ($self) = @_;

    croak "$self->{name} is running" if $self->{patroni};

    $self->{patroni} = spawn_program(
        log     => "$self->{dir}/log",
        command => [ '/usr/bin/patroni', $self->config_file ],
    );
    delete $self->{down};
    return $self;
}

# The postmaster is no child of Patroni's.
sub _postmaster {
    my ($self) = @_;

    my ($pid) = split /\n/,
        read_file("$self->{dir}/data/postmaster.pid") // '';
    return $pid && is_alive($pid) ? $pid : ();
}

sub _all {
    my ($self) = @_;

    return map { ($_, descendants($_)) }
        grep {defined} $self->{patroni}, $self->_postmaster;
}

# Patroni and the postmaster; its children find out by themselves.
sub kill9 {
    my ($self) = @_;

    my @all = $self->_all;

    $self->{down} = 1;
    kill KILL => delete $self->{patroni}, $self->_postmaster;
    wait_gone(30, @all);

    # Where its process number stays taken, it would mistake that for itself.
    unlink "$self->{dir}/data/postmaster.pid";
    return $self;
}

# The host stands still: connections stay open, and nothing answers.
sub pause {
    my ($self) = @_;

    my %stopped;
    $self->{down} = 1;

    while (my @pids = grep { !$stopped{$_}++ } $self->_all) {
        kill STOP => @pids;
    }

    return $self;
}

sub resume {
    my ($self) = @_;

    kill CONT => $self->_all;
    delete $self->{down};
    return $self;
}

sub is_in_recovery {
    my ($self) = @_;

    my ($code, $out) = $self->try_psql('postgres',
        'SELECT pg_is_in_recovery()');
    return $code || $out ne "f\n";
}

sub cut_off {
    my ($self) = @_;

    $self->{proxy}->hang;
    return $self;
}

sub reconnect {
    my ($self) = @_;

    $self->{proxy}->cut;
    $self->{proxy}->forward;
    return $self;
}

# The last lines that Patroni has logged.
sub log_end {
    my ($self) = @_;

    my @lines = split /^/, read_file("$self->{dir}/log") // '';
    splice @lines, 0, -20;
    return "$self->{name}:\n", @lines;
}

# One that is killed leaves its shared memory behind.
sub stop {
    my ($self) = @_;

    my @all = $self->_all;

    kill KILL => delete $self->{patroni} if $self->{patroni};
    kill QUIT => $self->_postmaster;
    kill CONT => @all;
    wait_gone(30, @all);
    return;
}

1;
