package UniqueRandom::Images;

# Images and containers by Debian's podman, with a storage of their own in
# build/containers: images stay there, as a cache, and containers go with the
# test.  They run in a network of their own, so no port is anybody else's.
#
# A test is skipped where that cannot be, but in .ci/run, where it has to.
#
#   my $images = UniqueRandom::Images->new;
#   $images->build('unique-random', '-f', 'docker/Dockerfile', '.');
#   my $out = $images->podman('run', '--rm', 'unique-random', 'id');

use strict;
use warnings;

use Cwd qw( getcwd );
use Fcntl qw( LOCK_EX );
use File::Path qw( make_path );
use List::Util qw( min );
use Test::More;

use UniqueRandom::Util qw(
    at_exit read_file run spawn tmp_dir wait_gone wait_until write_file
);

use constant {
    BASE    => 'docker.io/library/debian',
    RELEASE => 'bookworm',
    SERVER  => 'docker.io/library/postgres:15-bookworm',
};

# As Debian's images are made, and with whom this machine trusts: an npm that
# has to go through a company's proxy would not get far without.
my @mmdebstrap = (
    'mmdebstrap', '--quiet', '--variant=minbase', '--include=ca-certificates',
    '--dpkgopt=force-unsafe-io',
    (map {"--dpkgopt=path-exclude=/usr/share/$_/*"} qw( doc info locale man )),
    '--customize-hook=copy-in /etc/ssl/certs/ca-certificates.crt'
        . ' /etc/ssl/certs',
);

sub new {
    my ($class) = @_;

    my $folder = getcwd() . '/build/containers';
    my $self   = bless {
        folder => $folder, containers => [], volumes => [],
    }, $class;

    if (my $why = $self->_why_not) {
        die "$why\n" if $ENV{CI};
        plan skip_all => $why;
    }

    $self->_prepare;
    $self->_enter_network;

    at_exit(sub { $self->_clear_up });
    return $self;
}

# Why there are no containers here; nothing if there are.
sub _why_not {
    my ($self) = @_;

    return 'containers are run as root' if $> != 0;

    for my $program (qw( podman runc mmdebstrap )) {
        return "$program is missing: tools/install-deps images"
            if !grep { -x "$_/$program" } split /:/, $ENV{PATH};
    }

    my ($code, $out) = run(
        command => [qw( unshare --net --mount true )],
        merge   => 1,
    );
    return "no namespaces here: $out" if $code;

    make_path($self->{folder});
    $self->_configure;

    ($code, $out, my $err) = $self->command(qw( podman info ));
    return $code ? "podman does not work here: $err" : undef;
}

# What an engine has by default: few open files, and more for who asks.  podman
# would like to have more than some machines let it.
sub _configure {
    my ($self) = @_;

    my $limits = read_file('/proc/self/limits');
    my ($files, $processes) = map {
        $limits =~ /^Max $_ +\S+ +(\d+)/m ? $1 : 1_048_576;
    } 'open files', 'processes';

    $processes = min($processes, read_file('/proc/sys/kernel/pid_max') + 0);

    $self->{processes} = "nproc=$processes:$processes";

    my $dir = tmp_dir();

    # podman keeps to the first one that a storage was used with; what is there
    # goes with a restart of the machine, and so do containers.
    my $engine = '/run/unique-random-' . (stat $self->{folder})[1];

    $self->{env} = {
        CONTAINERS_CONF => write_file("$dir/containers.conf", <<"EOT"),
[containers]
default_ulimits = ["nofile=1024:$files", "$self->{processes}"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
tmp_dir = "$engine/engine"
[network]
network_backend = "netavark"
network_config_dir = "$dir/networks"
EOT
        CONTAINERS_STORAGE_CONF => write_file("$dir/storage.conf", <<"EOT"),
[storage]
driver = "overlay"
graphroot = "$self->{folder}/storage"
runroot = "$engine/storage"
EOT
    };

    return;
}

sub command {
    my ($self, @command) = @_;

    local @ENV{ keys %{ $self->{env} } } = values %{ $self->{env} };

    return run(command => [
        (map {
            ('nsenter', "--net=/proc/$_/ns/net", "--mount=/proc/$_/ns/mnt")
        } grep { defined } $self->{network}),
        'env', '-C', getcwd(), @command,
    ]);
}

# Its output; with what it said on stderr, if that is asked for.
sub podman {
    my ($self, @command) = @_;

    my ($code, $out, $err) = $self->command('podman', @command);
    die "podman @command: $out$err\n" if $code;

    chomp $out;
    return wantarray ? ($out, $err) : $out;
}

# The images that others are made from, once, and before anybody else builds.
sub _prepare {
    my ($self) = @_;

    my $locked = $self->_lock;
    my $slim   = BASE . ':' . RELEASE . '-slim';
    my ($none) = $self->command('podman', 'image', 'exists', $slim);

    if ($none) {
        my $tar = "$self->{folder}/base.tar";
        my ($code, $out, $err) = $self->command(@mmdebstrap, RELEASE, $tar);
        die "mmdebstrap failed: $out$err\n" if $code;

        $self->podman('import', $tar, $slim);
        unlink $tar;
    }

    $self->podman('tag', $slim, BASE . ':' . RELEASE);
    return;
}

sub _lock {
    my ($self) = @_;

    open my $lock, '>', "$self->{folder}/lock"
        or die "$self->{folder}/lock: $!\n";
    flock $lock, LOCK_EX or die "flock: $!\n";
    return $lock;
}

# Packages come from where this machine gets them.
sub build {
    my ($self, $name, @arguments) = @_;

    my $locked  = $self->_lock;
    my $network = delete local $self->{network};

    $self->podman('build', '--format=docker', '--network=host',
        '--tag', $name, @arguments);
    return $name;
}

sub build_server {
    my ($self) = @_;

    return $self->build(SERVER, 't/scenario/data/postgres');
}

# Where containers are beside each other, and nobody else.  What podman knows of
# networks is in one place for all of root's containers, unless another is there.
sub _enter_network {
    my ($self) = @_;

    make_path('/run/containers');

    $self->{network} = my $pid = spawn(
        command => [ qw( unshare --net --mount sh -ec ), <<'EOT' ],
mount -t tmpfs none /run/containers
ip link set lo up
exec sleep infinity
EOT
    );

    wait_until(sub { (read_file("/proc/$pid/cmdline") // '') =~ /^sleep/ }, 10,
        'there is a network');
    return;
}

sub network {
    my ($self, $name, @subnets) = @_;

    $self->podman(qw( network create ), (@subnets > 1 || $subnets[0] =~ /:/
            ? '--ipv6' : ()), (map {"--subnet=$_"} @subnets), $name);
    return $name;
}

# Starts a container, which is removed at the end.
sub start {
    my ($self, $name, @arguments) = @_;

    # It may have been started and have ended at once.
    push @{ $self->{containers} }, $name;
    return $self->podman(qw( run --detach --replace --name ), $name,
        @arguments);
}

# Options, since one limit that is given takes the place of all defaults.
sub limit_files {
    my ($self, $soft, $hard) = @_;

    return map {"--ulimit=$_"} "nofile=$soft:$hard", $self->{processes};
}

# A new one, which is removed at the end.
sub volume {
    my ($self, $name) = @_;

    $self->command(qw( podman volume rm --force ), $name);
    push @{ $self->{volumes} }, $name;
    return $name;
}

sub start_server {
    my ($self, $name, @arguments) = @_;

    $self->start($name, @arguments, '--tmpfs=/var/lib/postgresql/data',
        (map {"--env=POSTGRES_$_"} 'USER=numbers', 'PASSWORD=secret',
            'DB=numbers'), SERVER);

    wait_until(sub {
        my ($code) = $self->command('podman', 'exec', $name,
            qw( pg_isready -h localhost -U numbers -d numbers ));
        return $code == 0
            || $self->inspect($name, '{{.State.Running}}') ne 'true';
    }, 60, "the server $name is ready");

    die "$name has ended\n" . join '', $self->podman('logs', $name)
        if $self->inspect($name, '{{.State.Running}}') ne 'true';

    return $name;
}

sub sql {
    my ($self, $name, $sql) = @_;

    return $self->podman('exec', $name, 'psql', '-qAtX', '-v',
        'ON_ERROR_STOP=1', '-U', 'numbers', '-c', $sql);
}

sub is_healthy {
    my ($self, $name) = @_;

    my ($code) = $self->command(qw( podman healthcheck run ), $name);
    return $code == 0;
}

# Status and body, from a neighbour.
sub get {
    my ($self, $url) = @_;

    my (undef, $out) = $self->command('curl', '-sg', '--max-time', 10, '-w',
        '\n%{http_code}', $url);
    my ($body, $status) = $out =~ /\A(.*)\n(\d+)\z/s;
    return ($status, $body);
}

sub inspect {
    my ($self, $name, $format) = @_;

    return $self->podman('inspect', '--format', $format, $name);
}

sub _clear_up {
    my ($self) = @_;

    $self->command(qw( podman rm --force --volumes --time 0 --ignore ),
        @{ $self->{containers} });
    $self->command(qw( podman volume rm --force ), @{ $self->{volumes} })
        if @{ $self->{volumes} };
    $self->command(qw( podman network prune --force ));

    if ($self->{network}) {
        kill KILL => $self->{network};
        wait_gone(10, delete $self->{network});
    }

    return;
}

1;
