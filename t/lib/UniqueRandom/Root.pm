package UniqueRandom::Root;

# A Debian of its own, blank but for some packages, in a folder: with processes,
# mounts and a network that nobody else sees, and that end with it.  Only root
# can have one.

use strict;
use warnings;

use Cwd qw( abs_path );
use File::Path qw( make_path );

use UniqueRandom::Util qw(
    at_exit children read_file run spawn tmp_dir wait_gone wait_until write_file
);

my @PACKAGES = qw( curl iproute2 nginx postgresql );

# Why there can be none here.
sub missing {
    return 'only root may make a root' if $> != 0;

    for my $program (qw( mmdebstrap nsenter unshare )) {
        return "$program is missing"
            if !grep { -x "$_/$program" } split /:/, $ENV{PATH};
    }

    my ($code, $out) = run(
        command => [qw( unshare --pid --fork --mount --net --ipc true )],
        merge   => 1,
    );
    return $code == 0 ? () : "namespaces cannot be made: $out";
}

# What all of them are unpacked from is kept in the build folder; making it takes
# a minute or two, and can go on while something else is done.
sub new {
    my ($class) = @_;

    my $self = bless {
        dir => tmp_dir() . '/root',
        tar => abs_path('.') . '/build/deb-root.tar',
    }, $class;

    make_path('build');
    $self->{log}   = tmp_dir() . '/mmdebstrap.log';
    $self->{maker} = spawn(log => $self->{log}, command => [
        'flock', "$self->{tar}.lock", 'sh', '-ec', <<'EOT', 'sh',
[ ! -e "$1" ] || exit 0
mmdebstrap --variant=minbase --include="$2" --format=tar bookworm "$1.new"
mv "$1.new" "$1"
EOT
        $self->{tar}, join ',', @PACKAGES ]);

    return $self;
}

sub dir { return $_[0]{dir} }

sub start {
    my ($self) = @_;

    wait_gone(200, $self->{maker});
    die read_file($self->{log}) if !-e $self->{tar};

    mkdir $self->{dir};
    run(command => [ 'tar', '-xf', $self->{tar}, '-C', $self->{dir},
        '--exclude=./dev/*' ]);

    # Where there is no init, services are left alone if nothing says not to.
    my $policy = "$self->{dir}/usr/sbin/policy-rc.d";
    write_file($policy, "#!/bin/sh\n");
    chmod 0755, $policy;

    # It is the parent of daemons, and has to bury them.
    my $pid = spawn(log => $self->{log}, command => [
        qw( unshare --pid --fork --kill-child --mount --net --ipc ),
        'sh', '-ec', <<'EOT', 'sh', $self->{dir} ]);
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
chroot "$1" ip link set lo up
exec chroot "$1" perl -e '$SIG{CHLD} = "IGNORE"; $| = 1; print "ready\n";
    sleep while 1'
EOT
    at_exit(sub { kill KILL => $pid; wait_gone(30, $pid) });

    wait_until(sub { read_file($self->{log}) =~ /^ready$/m }, 30, 'a root');
    ($self->{init}) = children($pid);
    return;
}

# What a script of a shell says, and how it ends.  With network => 1 it has that
# of the machine.
sub shell {
    my ($self, $script, %arg) = @_;

    my @net = $arg{network} ? () : '-n';
    my @env = map {"$_=$ENV{$_}"} grep { /_proxy\z/i && $arg{network} } keys %ENV;

    my ($code, $out) = run(merge => 1, command => [
        'nsenter', '-t', $self->{init}, qw( -p -m -i ), @net,
        'chroot', $self->{dir},
        'env', '-i', @env, 'LC_ALL=C', 'DEBIAN_FRONTEND=noninteractive',
        'PATH=/usr/sbin:/usr/bin:/sbin:/bin', 'sh', '-ec', $script ]);

    return ($out, $code);
}

1;
