package UniqueRandom::Util;

# What the other modules share: processes, ports, deadlines, and one place
# that clears up whatever way a test ends.

use strict;
use warnings;

use Carp qw( croak );
use Errno qw( EINTR );
use Exporter qw( import );
use File::Path ();
use File::Temp ();
use IO::Socket::INET;
use POSIX ();
use Test::More ();    # so that its END, which reports, comes after ours
use Time::HiRes qw( sleep time );

our @EXPORT_OK = qw(
    at_exit fail_at_exit tmp_dir memory_dir read_file write_file
    wait_until free_port
    user_ids run spawn is_alive children descendants wait_gone
    black_hole full_backlog silent_name_server tcp_proxy
);

# A test that a signal ends still has to stop what it started.
for my $signal (qw( HUP INT PIPE TERM )) {
    $SIG{$signal} //= sub {
        $SIG{$signal} = 'IGNORE';
        exit 128 + POSIX->can("SIG$signal")->();
    };
}

# Where others use the machine, everything takes longer; under valgrind, too.
my $factor = $ENV{UNIQUE_RANDOM_TIMEOUT_FACTOR}
    || ($ENV{TEST_NGINX_USE_VALGRIND} ? 10 : 3);

# One that hangs, too.
$SIG{ALRM} = sub {
    Test::More::diag('this takes too long');
    exit 142;
};
alarm 600 * $factor;

my $owner = $$;
my @at_exit;
my $failed;
my $tmp_dir;
my $memory_dir;

# Runs $code when the test ends; the last one registered comes first.
sub at_exit {
    my ($code) = @_;

    push @at_exit, $code;
    return;
}

# Makes the test fail although it may have reported all its results.
sub fail_at_exit {
    my ($why) = @_;

    Test::More::diag($why);
    $failed = 1;
    return;
}

END {
    # Forked helpers leave by POSIX::_exit, but may die before that.
    if ($$ == $owner) {
        my $status = $?;

        while (my $code = pop @at_exit) {
            eval { $code->(); 1 } or fail_at_exit("at exit: $@");
        }

        if (!$ENV{UNIQUE_RANDOM_KEEP}) {
            File::Path::remove_tree(grep({defined} $tmp_dir, $memory_dir),
                { error => \my $ignored });
        }

        $? = $status || ($failed ? 1 : 0);
    }
}

# The folder of this test: short, since Unix sockets live in it, and open to
# the users that servers run as.  UNIQUE_RANDOM_KEEP=1 leaves it behind.
sub tmp_dir {
    return $tmp_dir //= _new_folder('/tmp');
}

# The same for databases.  What a killed process has written stays in memory as
# well as on a disk, and there are a thousand files to each cluster, of which
# ext4 makes hundreds a second where as many have just been removed.
sub memory_dir {
    return $memory_dir //= _has_room('/dev/shm')
        ? _new_folder('/dev/shm') : tmp_dir();
}

sub _new_folder {
    my ($where) = @_;

    my $folder = File::Temp::mkdtemp("$where/ur-XXXXXX")
        or die "mkdtemp: $!\n";
    chmod 0755, $folder;
    Test::More::diag("files are kept in $folder") if $ENV{UNIQUE_RANDOM_KEEP};

    return $folder;
}

# For the tests that may run at the same time, with the WAL of their clusters.
sub _has_room {
    my ($where) = @_;

    my ($code, $out) = run(merge => 1,
        command => [ 'df', '--block-size=1G', '--output=fstype,avail', $where ]);

    return !$code && $out =~ /^tmpfs\s+(\d+)$/m && $1 >= 8
        && (read_file('/proc/meminfo') // '') =~ /^MemAvailable:\s+(\d+)/m
        && $1 >= 12 << 20;
}

sub read_file {
    my ($path) = @_;

    open my $in, '<:raw', $path or return;
    local $/;
    return scalar <$in> // '';
}

sub write_file {
    my ($path, $text) = @_;

    open my $out, '>:raw', $path or croak "cannot write $path: $!";
    print {$out} $text;
    close $out or croak "cannot write $path: $!";
    return $path;
}

# Polls until $check is true and returns what it returned.  The deadline is
# there to end a test that hangs, not to measure: a slow machine may stretch it.
sub wait_until {
    my ($check, $timeout, $what) = @_;

    my $deadline = time + $factor * ($timeout // 10);

    while (1) {
        my $result = $check->();
        return $result if $result;

        croak 'timed out waiting until ' . ($what // 'it is so')
            if time > $deadline;

        sleep 0.01;
    }
}

# Ports that are not taken by other tests, which may run at the same time: a
# block of them is ours as long as we hold the first, or a helper does that we
# have forked.  They are below the range that outgoing connections take theirs
# from, so that a server that restarts finds its port free.
use constant {
    FIRST_PORT => 10000,
    BLOCKS     => 200,
    BLOCK      => 100,
};

my (@held, @ports);

sub free_port {
    while (1) {
        @ports = _block() if !@ports;

        my $port = shift @ports;
        return $port if _bind($port, Listen => 1);
    }
}

sub _block {
    for my $i (1 .. BLOCKS) {
        my $first = FIRST_PORT + BLOCK * (($$ + $i) % BLOCKS);
        my $socket = _bind($first) or next;

        push @held, $socket;
        return $first + 1 .. $first + BLOCK - 1;
    }

    die "no free ports\n";
}

sub _bind {
    my ($port, @more) = @_;

    return IO::Socket::INET->new(
        LocalAddr => '127.0.0.1',
        LocalPort => $port,
        @more,
    );
}

# Processes

# The uid and gid to run a server as that refuses to run as root: undef when
# we are an ordinary user, which then is the one.
sub user_ids {
    my ($name) = @_;

    return if $> != 0;

    my ($uid, $gid) = (getpwnam $name)[2, 3];
    die "there is no user \"$name\"\n" unless defined $uid;

    return [$uid, $gid];
}

sub _exec {
    my ($ids, @command) = @_;

    if ($ids) {
        my ($uid, $gid) = @$ids;

        $) = "$gid $gid";
        $( = $gid;
        POSIX::setuid($uid) or POSIX::_exit(126);
    }

    # Ours may be closed to the other user.
    chdir '/';

    $ENV{LC_ALL} = 'C';
    no warnings 'exec';
    exec { $command[0] } @command;

    print STDERR "cannot run $command[0]: $!\n";
    POSIX::_exit(127);
}

sub _fork {
    my $pid = fork;
    die "fork: $!\n" unless defined $pid;
    return $pid;
}

# Starts a server in a session of its own, where Ctrl-C does not reach it.
sub spawn {
    my (%arg) = @_;

    my $pid = _fork();
    return $pid if $pid;

    POSIX::setsid();
    open STDIN,  '<',  '/dev/null';
    open STDOUT, '>>', $arg{log} // '/dev/null';
    open STDERR, '>&', \*STDOUT;
    _exec($arg{as}, @{ $arg{command} });
}

# Runs a command to its end and returns its exit code, its output and what it
# said on stderr; with merge => 1 the latter is part of the output.
sub run {
    my (%arg) = @_;

    my @file = map { scalar File::Temp->new } 1 .. 3;
    my ($in, $out, $err) = @file;

    print {$in} $arg{input} // '';
    $in->flush;
    seek $in, 0, 0;

    my $pid = _fork();

    if ($pid == 0) {
        open STDIN,  '<&', $in;
        open STDOUT, '>&', $out;
        open STDERR, '>&', $arg{merge} ? $out : $err;
        _exec($arg{as}, @{ $arg{command} });
    }

    _reap($pid);
    my $status = $?;

    return ($status & 127 ? 128 + ($status & 127) : $status >> 8,
        map { read_file($_->filename) } $out, $err);
}

sub _reap {
    my ($pid) = @_;

    while (1) {
        my $got = waitpid $pid, 0;
        return if $got != -1 || $! != EINTR;
    }
}

# A process's state and parent, unless it has gone.
sub _stat {
    my ($pid) = @_;

    my $stat = read_file("/proc/$pid/stat") // return;
    return $stat =~ /\) (\S) (\d+) / ? ($1, $2) : ();
}

# A daemon's remains can stay in the process table until init looks.
sub is_alive {
    my ($pid) = @_;

    # Where it is a child of ours, we are who has to look.
    waitpid $pid, POSIX::WNOHANG();

    my ($state) = _stat($pid);
    return defined $state && $state !~ /[ZX]/;
}

sub children {
    my ($parent) = @_;

    opendir my $proc, '/proc' or die "/proc: $!\n";

    return grep {
        my ($state, $ppid) = /^\d+$/ ? _stat($_) : ();
        defined $ppid && $ppid == $parent && $state !~ /[ZX]/;
    } readdir $proc;
}

sub descendants {
    my ($parent) = @_;

    return map { ($_, descendants($_)) } children($parent);
}

sub wait_gone {
    my ($timeout, @pids) = @_;

    return wait_until(sub { !grep { is_alive($_) } @pids },
        $timeout, "the processes @pids have gone");
}

# Networks that fail

# Accepts connections, says nothing and never closes them.  Arguments: address,
# port.
sub black_hole {
    my (%arg) = @_;

    require UniqueRandom::Proxy;
    return UniqueRandom::Proxy->new(%arg);
}

# Takes no connection and refuses none, as a host that is switched off: as long
# as what it returns is there.
sub full_backlog {
    my ($address, $port) = @_;

    my @sockets = IO::Socket::INET->new(
        LocalAddr => $address,
        LocalPort => $port,
        Listen    => 1,
    ) or die "cannot listen on $address:$port: $!\n";

    push @sockets, map {
        IO::Socket::INET->new(
            PeerAddr => $address,
            PeerPort => $port,
            Blocking => 0,
        );
    } 1 .. 8;

    return \@sockets;
}

# A name server that never answers: its socket, which keeps what it was asked,
# and the files that make it the one of an nginx.  Only root may have one.
sub silent_name_server {
    for my $i (1 .. 250) {
        my $socket = IO::Socket::INET->new(
            Proto     => 'udp',
            LocalAddr => "127.83.$i." . (1 + $$ % 250),
            LocalPort => 53,
            Blocking  => 0,
        ) or next;

        return $socket, {
            '/etc/resolv.conf' => 'nameserver ' . $socket->sockhost
                . "\noptions timeout:30 attempts:5\n",
            '/etc/hosts'         => "127.0.0.1 localhost\n",
            '/etc/nsswitch.conf' => "hosts: files dns\n",
        };
    }

    die "no address for a name server: $!\n";
}

# See UniqueRandom::Proxy.
sub tcp_proxy {
    my ($port, %arg) = @_;

    require UniqueRandom::Proxy;
    return UniqueRandom::Proxy->new(to => $port, %arg);
}

1;
