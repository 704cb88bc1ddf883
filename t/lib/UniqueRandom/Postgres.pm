package UniqueRandom::Postgres;

# Private PostgreSQL clusters, in the temporary folder of the test.
#
#   my $pg = UniqueRandom::Postgres->new(name => 'shard0');    # and started
#   $pg->create_database('numbers');
#   $pg->apply_schema('numbers');
#   $pg->url(db => 'numbers')                    # for `shard` in nginx.conf
#   $pg->psql('numbers', 'SELECT 1')             # "1"
#
# What they can do besides is in the modules of the folder Postgres: SQL, who
# gets in, standbys, copies.
#
# They are durable as in production, fsync included: what a test sees after
# kill9() is what the module may rely on.  Where there is memory enough they are
# there, which outlives a process as a disk does.

use strict;
use warnings;

use Carp qw( croak );
use File::Path ();
use Scalar::Util qw( weaken );

use parent qw(
    UniqueRandom::Postgres::Access
    UniqueRandom::Postgres::Copies
    UniqueRandom::Postgres::Replication
    UniqueRandom::Postgres::Sql
);

use UniqueRandom::Postgres::Programs qw(
    copy give_away new_data program server_version spawn_program
);
use UniqueRandom::Util qw(
    at_exit descendants free_port is_alive memory_dir read_file wait_gone
    wait_until write_file
);

my $clusters = 0;

# Arguments: name, conf => { setting => value }, hba => [ lines that come
# before those that trust everybody ], data => a folder of save_data(), port =>
# one that another cluster has had, archive => 1 to archive WAL for recover(),
# start => 0.
sub new {
    my ($class, %arg) = @_;

    my $self = $class->_new(%arg);

    if ($arg{data}) {
        copy($arg{data}, $self->{data});

    } else {
        new_data($self->{data});
    }

    $self->_configure;
    $self->start unless exists $arg{start} && !$arg{start};

    return $self;
}

sub _new {
    my ($class, %arg) = @_;

    my $name = $arg{name} // 'pg' . $clusters;
    my $dir  = memory_dir() . "/$name-" . $clusters++;

    mkdir $dir or die "$dir: $!\n";

    # What postgres writes there: its socket, its log and its archive.
    mkdir $_ or die "$_: $!\n" for "$dir/socket", "$dir/archive";
    give_away($dir, "$dir/socket", "$dir/archive");

    my $self = bless {
        name  => $name,
        dir   => $dir,
        data  => "$dir/data",
        port  => $arg{port} // free_port(),
        conf  => { %{ $arg{conf} // {} } },
        hba   => [ @{ $arg{hba} // [] } ],
        owner => $$,
    }, $class;

    @{ $self->{conf} }{qw( archive_mode archive_command restore_command )}
        = ('on', "cp %p $dir/archive/%f", "cp $dir/archive/%f %p")
        if $arg{archive};

    my $weak = $self;
    weaken($weak);
    at_exit(sub { $weak->_abandon if $weak });

    return $self;
}

sub _configure {
    my ($self) = @_;

    my %conf = (
        listen_addresses         => '127.0.0.1',
        port                     => $self->{port},
        unix_socket_directories  => "$self->{dir}/socket",
        max_connections          => 100,
        shared_buffers           => '16MB',
        autovacuum_naptime       => '1h',
        checkpoint_timeout       => '1h',
        jit                      => 'off',
        log_line_prefix          => '%m [%p] %a ',
        max_wal_senders          => 5,
        wal_receiver_timeout     => '5s',
        wal_retrieve_retry_interval => '100ms',

        # Before it recovers, a cluster makes sure that its files are on disk:
        # with all at once, rather than one by one.
        (server_version() =~ /^(\d+)/)[0] >= 14
        ? (recovery_init_sync_method => 'syncfs') : (),
        %{ $self->{conf} },
    );

    my $quote = sub { (my $value = shift) =~ s/'/''/g; return "'$value'" };

    $self->_write('postgresql.conf', join '',
        map {"$_ = " . $quote->($conf{$_}) . "\n"} sort keys %conf);

    $self->_write('pg_hba.conf', join "\n", @{ $self->{hba} },
        'local all         all              trust',
        'host  all         all 127.0.0.1/32 trust',
        'local replication all              trust',
        'host  replication all 127.0.0.1/32 trust',
        '');
    return;
}

sub _write {
    my ($self, $name, $text, $mode) = @_;

    my $path = "$self->{data}/$name";
    unlink $path;
    write_file($path, $text);
    chmod $mode // 0600, $path;
    give_away($path);
    return $path;
}

sub name     { return $_[0]->{name} }
sub port     { return $_[0]->{port} }
sub data     { return $_[0]->{data} }
sub socket   { return "$_[0]->{dir}/socket" }
sub log_text { return read_file("$_[0]->{dir}/log") // '' }

# Settings: undef takes one back to its default.
sub set_conf {
    my ($self, %conf) = @_;

    for my $name (keys %conf) {
        if (defined $conf{$name}) {
            $self->{conf}{$name} = $conf{$name};

        } else {
            delete $self->{conf}{$name};
        }
    }

    $self->_configure;
    return $self->reload;
}

sub reload {
    my ($self) = @_;

    return if !$self->{pid};

    my $loaded = 'SELECT extract(epoch FROM pg_conf_load_time())';
    my $before = $self->psql('postgres', $loaded);

    kill HUP => $self->{pid};

    return wait_until(sub { $self->psql('postgres', $loaded) ne $before },
        10, "$self->{name} has read its configuration");
}

# Life and death

sub start {
    my ($self) = @_;

    croak "$self->{name} is running" if $self->{pid};

    $self->{pid} = spawn_program(
        log     => "$self->{dir}/log",
        command => [ program('postgres'), '-D', $self->{data} ],
    );

    my $state = '';

    wait_until(sub {
        $state = (split /\n/,
            read_file("$self->{data}/postmaster.pid") // '')[7] // '';
        return $state =~ /^(?:ready|standby)/ || !is_alive($self->{pid});
    }, 30, "$self->{name} accepts connections");

    if ($state !~ /^(?:ready|standby)/ || !is_alive($self->{pid})) {
        delete $self->{pid};
        croak "$self->{name} does not start: " . $self->log_text;
    }

    return $self;
}

my %stop_signal = (smart => 'TERM', fast => 'INT', immediate => 'QUIT');

sub stop {
    my ($self, $mode) = @_;

    return if !$self->{pid};

    my $signal = $stop_signal{ $mode // 'fast' } or croak "mode \"$mode\"?";
    kill $signal => $self->{pid};
    wait_gone(30, $self->{pid});
    delete $self->{pid};
    return $self;
}

sub restart {
    my ($self, $mode) = @_;

    $self->stop($mode);
    return $self->start;
}

# As if the host had lost its power: all processes at once.
sub kill9 {
    my ($self) = @_;

    my @pids = $self->_stop_all;
    kill KILL => @pids;
    wait_gone(10, @pids);

    # Where its process number stays taken, it would mistake that for itself.
    unlink "$self->{data}/postmaster.pid";

    delete $self->{pid};
    return $self;
}

# The host stands still: connections stay open, and nothing answers.
sub pause {
    my ($self) = @_;

    $self->_stop_all;
    return $self;
}

sub resume {
    my ($self) = @_;

    kill CONT => reverse $self->pids;
    return $self;
}

sub pids {
    my ($self) = @_;

    return $self->{pid} ? ($self->{pid}, descendants($self->{pid})) : ();
}

# The postmaster first, which then forks no more.
sub _stop_all {
    my ($self) = @_;

    my %stopped;

    while (my @pids = grep { !$stopped{$_}++ } $self->pids) {
        kill STOP => @pids;
    }

    return keys %stopped;
}

sub is_running {
    my ($self) = @_;

    return $self->{pid} && is_alive($self->{pid});
}

sub _abandon {
    my ($self) = @_;

    return if $self->{owner} != $$ || !$self->{dir};

    $_->() for values %{ delete $self->{receivers} // {} };

    # One that is killed leaves its shared memory behind.
    if ($self->{pid}) {
        eval { $self->resume; $self->stop('immediate'); 1 } or $self->kill9;
    }

    File::Path::remove_tree(delete $self->{dir}, { error => \my $ignored })
        unless $ENV{UNIQUE_RANDOM_KEEP};
    return;
}

sub DESTROY {
    my ($self) = @_;

    local ($?, $!, $@);
    $self->_abandon;
    return;
}

1;
