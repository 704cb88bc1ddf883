package UniqueRandom::Postgres;

# Private PostgreSQL clusters, in the temporary folder of the test.
#
#   my $pg = UniqueRandom::Postgres->new(name => 'shard0');    # and started
#   $pg->create_database('numbers');
#   $pg->apply_schema('numbers');
#   $pg->url(db => 'numbers')                    # for `shard` in nginx.conf
#   $pg->psql('numbers', 'SELECT 1')             # "1"
#
# They are durable as in production, fsync included: what a test sees after
# kill9() is what the module may rely on.

use strict;
use warnings;

use Carp qw( croak );
use Cwd ();
use File::Basename qw( dirname );
use File::Path ();
use Scalar::Util qw( weaken );
use Time::HiRes ();

use UniqueRandom::Util qw(
    at_exit descendants free_port is_alive read_file run spawn tmp_dir
    user_ids wait_gone wait_until write_file
);

my $top = Cwd::abs_path(dirname(__FILE__) . '/../../..');

# PostgreSQL refuses to run as root.
my $ids = user_ids('postgres');

my $clusters = 0;

# The newest installed one, where Debian puts it and nobody's PATH leads.
sub _bin {
    my ($program) = @_;

    my ($newest)
        = sort { ($b =~ m{/(\d+)/bin})[0] <=> ($a =~ m{/(\d+)/bin})[0] }
        grep { -x "$_/initdb" } glob '/usr/lib/postgresql/*/bin';

    return ($newest ? "$newest/" : '') . $program;
}

sub _run_ok {
    my (%arg) = @_;

    my ($code, $out) = run(as => $ids, merge => 1, %arg);
    croak "$arg{command}[0] failed: $out" if $code;
    return $out;
}

# initdb once, copies from then on.  As for every file that all tests share,
# several may make it at once, and one of them wins.
sub _template {
    my $version = _run_ok(command => [ _bin('postgres'), '--version' ]);
    $version =~ s/\s+\z//;
    $version =~ s/[^\w.-]+/_/g;

    my $template = "$top/build/template-$version-$>";
    return $template if -d $template;

    my $new = tmp_dir() . '/template';
    _make_folder($new);
    _run_ok(command => [
        _bin('initdb'), '-D', $new, '-A', 'trust', '-U', 'postgres',
        '-E', 'UTF8', '--locale=C.UTF-8', '--no-sync',
    ]);

    mkdir "$top/build";
    _copy($new, "$template.$$");
    rename "$template.$$", $template
        or File::Path::remove_tree("$template.$$");

    return $template;
}

sub _make_folder {
    my ($path) = @_;

    mkdir $path, 0700 or die "$path: $!\n";
    chown @$ids, $path if $ids;
    return $path;
}

sub _copy {
    my ($from, $to) = @_;

    # As root, with the owners, from and to folders closed to others.
    my ($code, $out)
        = run(command => [ 'cp', '-a', $from, $to ], merge => 1);
    croak "cannot copy $from: $out" if $code;
    return;
}

# A copy of a cluster has its identity, by which the module tells one database
# from another; a new cluster has one of its own.
sub _new_identity {
    my ($data) = @_;

    my ($seconds, $microseconds) = Time::HiRes::gettimeofday();
    my $control = "$data/global/pg_control";
    open my $file, '+<:raw', $control or die "$control: $!\n";
    print {$file} pack 'Q', $seconds << 32 | $microseconds << 12 | $$ & 0xfff;
    close $file;

    # Mends the checksum and writes the identity into the WAL.
    _run_ok(command => [ _bin('pg_resetwal'), '-f', '-D', $data ]);
    return;
}

# Arguments: name, conf => { setting => value }, hba => [ lines that come
# before those that trust everybody ], data => a folder of save_data(), port =>
# one that another cluster has had, archive => 1 to archive WAL for recover(),
# start => 0.
sub new {
    my ($class, %arg) = @_;

    my $self = $class->_new(%arg);

    if ($arg{data}) {
        _copy($arg{data}, $self->{data});

    } else {
        _copy(_template(), $self->{data});
        _new_identity($self->{data});
    }

    $self->_configure;
    $self->start unless exists $arg{start} && !$arg{start};

    return $self;
}

sub _new {
    my ($class, %arg) = @_;

    my $name = $arg{name} // 'pg' . $clusters;
    my $dir  = tmp_dir() . "/$name-" . $clusters++;

    mkdir $dir or die "$dir: $!\n";

    # What postgres writes there: its socket, its log and its archive.
    mkdir $_ or die "$_: $!\n" for "$dir/socket", "$dir/archive";
    chown @$ids, $dir, "$dir/socket", "$dir/archive" if $ids;

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
        _bin('') =~ m{/(\d+)/} && $1 >= 14
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
    chown @$ids, $path if $ids;
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

    $self->{pid} = spawn(
        as      => $ids,
        log     => "$self->{dir}/log",
        command => [ _bin('postgres'), '-D', $self->{data} ],
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

# SQL

# Runs SQL as the superuser, or as user => ..., password => ..., through the
# socket and returns what psql -At prints, without the last newline.
sub psql {
    my ($self, $db, $sql, %as) = @_;

    my ($code, $out, $err) = $self->try_psql($db, $sql, %as);
    croak "psql failed: $err" if $code;

    chomp $out;
    return $out;
}

# The same, but returns psql's exit code, output and errors.
sub try_psql {
    my ($self, $db, $sql, %as) = @_;

    local $ENV{PGPASSWORD}        = $as{password} // '';
    local $ENV{PGCONNECT_TIMEOUT} = 20;
    local $ENV{PGOPTIONS}         = '--client-min-messages=warning';

    return run(
        command => [
            _bin('psql'), '-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1',
            '-h', $as{host} // $self->socket, '-p', $self->{port},
            '-U', $as{user} // 'postgres', '-d', $db,
        ],
        input => $sql,
    );
}

# How many there are in that database.
sub sessions {
    my ($self, $db) = @_;

    return $self->psql('postgres',
        "SELECT count(*) FROM pg_stat_activity WHERE datname = '$db'");
}

sub create_database {
    my ($self, $db, %arg) = @_;

    $self->psql('postgres', qq{CREATE DATABASE "$db"}
        . ($arg{owner} ? qq{ OWNER "$arg{owner}"} : ''));
    return $self;
}

# As an operator does it, in one go.
sub apply_schema {
    my ($self, $db, %as) = @_;

    $self->psql($db, read_file("$top/sql/schema.sql") // die("no schema\n"),
        %as);
    return $self;
}

# A cluster with a database "numbers" and range $i of a pool of that name, each
# of $size numbers; and its parameters for `shard` in nginx.conf.
sub new_shard {
    my ($class, $i, $size) = @_;

    my $self = $class->new(name => "shard$i");
    my ($first, $last) = ($i * $size + 1, ($i + 1) * $size);

    $self->create_database('numbers')->apply_schema('numbers');
    $self->psql('numbers', "SELECT unique_random.add('numbers', $first, $last)");

    return ($self, $self->url(db => 'numbers') . " range=$first-$last");
}

# A role that has to give its password, over TCP.
sub create_user {
    my ($self, $user, $password, $options) = @_;

    $options //= '';
    $self->psql('postgres', "SET password_encryption = 'scram-sha-256';"
        . qq{CREATE ROLE "$user" LOGIN PASSWORD '$password' $options});

    unshift @{ $self->{hba} }, qq{host all "$user" 127.0.0.1/32 scram-sha-256};
    $self->_configure;
    $self->reload;
    return $self;
}

# A CA of our own and a certificate for the given names (and 127.0.0.1);
# returns the CA's file.  With require => 1, TCP without TLS is refused.
sub enable_tls {
    my ($self, %arg) = @_;

    my @names = @{ $arg{names} // ['localhost'] };
    my $dir   = "$self->{dir}/tls";

    mkdir $dir or die "$dir: $!\n";
    write_file("$dir/extensions", 'subjectAltName=IP:127.0.0.1'
        . join('', map {",DNS:$_"} @names) . "\n");

    my @new_key = qw( -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes );

    for my $command (
        [ 'req', '-x509', @new_key, '-days', 2, '-subj', '/CN=test CA',
            '-keyout', "$dir/ca.key", '-out', "$dir/ca.crt" ],
        [ 'req', @new_key, '-subj', "/CN=$names[0]",
            '-keyout', "$dir/server.key", '-out', "$dir/server.csr" ],
        [ 'x509', '-req', '-in', "$dir/server.csr", '-days', 2,
            '-CA', "$dir/ca.crt", '-CAkey', "$dir/ca.key", '-CAcreateserial',
            '-extfile', "$dir/extensions", '-out', "$dir/server.crt" ],
        )
    {
        my ($code, $out)
            = run(command => [ 'openssl', @$command ], merge => 1);
        croak "openssl failed: $out" if $code;
    }

    $self->_write('server.key', read_file("$dir/server.key"));
    $self->_write('server.crt', read_file("$dir/server.crt"));
    $self->{conf}{ssl} = 'on';
    push @{ $self->{hba} }, 'hostnossl all all 127.0.0.1/32 reject'
        if $arg{require};
    $self->_configure;
    $self->reload;

    return "$dir/ca.crt";
}

# Where clients find it.  Arguments: db, user, password, params => { libpq's };
# port for one of a proxy; hosts => [ NAME, or NAME:PORT ]; socket => 1 for the
# Unix socket.
sub url {
    my ($self, %arg) = @_;

    my $escape = sub {
        (my $text = shift) =~ s/([^\w.~-])/sprintf '%%%02X', ord $1/ge;
        return $text;
    };
    my $port   = $arg{port} // $self->{port};
    my %params = %{ $arg{params} // {} };
    my $where  = join ',', map { /:\d+\z/ ? $_ : "$_:$port" }
        @{ $arg{hosts} // ['127.0.0.1'] };

    if ($arg{socket}) {
        @params{qw( host port )} = ($self->socket, $port);
        $where = '';
    }

    my $query = join '&',
        map { "$_=" . $escape->($params{$_}) } sort keys %params;

    return 'postgresql://'
        . $escape->($arg{user} // 'postgres')
        . (defined $arg{password} ? ':' . $escape->($arg{password}) : '')
        . "\@$where/"
        . $escape->($arg{db} // 'postgres')
        . ($query ne '' ? "?$query" : '');
}

# Copies

# A copy of the files, of a cluster that is not running, to come back to with
# restore_data() or to start another cluster from with new(data => ...).
sub save_data {
    my ($self) = @_;

    croak "$self->{name} is running" if $self->{pid};

    my $copy = "$self->{dir}/saved-" . ++$self->{saved};
    _copy($self->{data}, $copy);
    return $copy;
}

sub restore_data {
    my ($self, $copy) = @_;

    croak "$self->{name} is running" if $self->{pid};

    File::Path::remove_tree($self->{data});
    _copy($copy, $self->{data});
    $self->_configure;
    return $self;
}

# A copy that pg_basebackup takes while it runs, for recover().
sub base_backup {
    my ($self) = @_;

    my $copy = "$self->{dir}/backup-" . ++$self->{saved};
    _run_ok(command => [
        _bin('pg_basebackup'), '-D', $copy, '-X', 'none', '-c', 'fast',
        '--no-sync', '-h', $self->socket, '-p', $self->{port},
        '-U', 'postgres',
    ]);
    return $copy;
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
    _run_ok(command => [ _bin('pg_resetwal'), '-x', $xid, '-D', $self->{data} ]);
    return $self;
}

# The SQL that makes a database as it is now.
sub dump {
    my ($self, $db) = @_;

    return _run_ok(command => [
        _bin('pg_dump'), '-h', $self->socket, '-p', $self->{port},
        '-U', 'postgres', $db,
    ]);
}

# Takes over what another cluster has, by pg_upgrade.  Neither is running.
sub upgrade_from {
    my ($self, $old) = @_;

    for my $cluster ($self, $old) {
        croak "$cluster->{name} is running" if $cluster->{pid};
    }

    my $bin = dirname(_bin('postgres'));

    _run_ok(command => [
        'env', '-C', $self->{dir}, "$bin/pg_upgrade", '--no-sync',
        '-U', 'postgres', '-b', $bin, '-B', $bin,
        '-d', $old->{data}, '-p', free_port(),
        '-D', $self->{data}, '-P', free_port(),
    ]);
    return $self;
}

# A streaming standby of this cluster, started.  For a synchronous one, set
# synchronous_standby_names to its name.
sub standby {
    my ($self, %arg) = @_;

    my $standby = ref($self)->_new(name => 'standby', %arg);

    _run_ok(command => [
        _bin('pg_basebackup'), '-D', $standby->{data}, '-R', '-X', 'stream',
        '-c', 'fast', '--no-sync', '-d',
        'host=' . $self->socket . " port=$self->{port} user=postgres"
            . " application_name=$standby->{name}",
    ]);

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
    _make_folder($dir);

    my $pid = spawn(
        as      => $ids,
        log     => "$dir.log",
        command => [
            _bin('pg_receivewal'), '--synchronous', '-D', $dir, '-d',
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
