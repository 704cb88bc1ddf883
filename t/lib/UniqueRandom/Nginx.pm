package UniqueRandom::Nginx;

# Real nginx processes, master and workers, on a port of their own.
#
#   my $nginx = UniqueRandom::Nginx->new(
#       workers => 2,
#       http    => 'unique_random_pool numbers { shard ...; }',
#   );                                           # and started
#   $nginx->get('/random')->{content}
#
# A crash of a worker or a sanitizer's report makes the test fail when it ends,
# whether or not it looked.

use strict;
use warnings;

use Carp qw( croak );
use Cwd ();
use File::Basename qw( dirname );
use HTTP::Tiny ();
use List::Util qw( sum0 );
use POSIX ();
use Scalar::Util qw( weaken );

use UniqueRandom::Sanitizer ();
use UniqueRandom::Util qw(
    at_exit children fail_at_exit free_port is_alive read_file run tmp_dir
    wait_gone wait_until write_file
);

my $top = Cwd::abs_path(dirname(__FILE__) . '/../../..');

my $binary = $ENV{TEST_NGINX_BINARY} || '/usr/sbin/nginx';
my @load   = split ' ', $ENV{TEST_NGINX_LOAD_MODULES}
    || "$top/build/ngx_http_unique_random_module.so";

my $instances = 0;

# Arguments:
#   http      text inside http { }, before the server
#   server    text inside the server { } that listens on port();
#             default: location = /random { unique_random; }
#   listen    parameters of its listen directive, such as http2
#   main      text at the top level
#   workers   1
#   events    text inside events { }: worker_connections 1024;
#   level     of the error log: info
#   env       { NAME => value } in nginx's environment when it starts
#   files     { path => text } of files that nginx, and it alone, finds there
#             instead of the machine's, such as /etc/hosts.  configure() changes
#             their text, also while nginx runs, but not which they are.  Only
#             where why_no_files() has no objection.
#   start     0 not to start it
sub new {
    my ($class, %arg) = @_;

    my $dir  = tmp_dir() . '/nginx-' . $instances++;
    my $self = bless {
        server  => 'location = /random { unique_random; }',
        http    => '',
        main    => '',
        listen  => '',
        workers => 1,
        events  => 'worker_connections 1024;',
        level   => 'info',
        env     => {},
        files   => {},
        %arg,
        dir   => $dir,
        port  => free_port(),
        owner => $$,
    }, $class;

    mkdir $dir or die "$dir: $!\n";

    my $weak = $self;
    weaken($weak);
    at_exit(sub { $weak->_abandon if $weak });

    $self->configure;
    $self->start unless exists $arg{start} && !$arg{start};

    return $self;
}

# Writes the configuration, with some of new()'s arguments changed: for
# test_config() and reload() to read.
sub configure {
    my ($self, %arg) = @_;

    my %files = (%{ $self->{files} }, %{ $arg{files} // {} });
    @$self{ keys %arg } = values %arg;
    $self->{files} = \%files;

    write_file($self->_file($_), $self->{files}{$_})
        for keys %files;

    my $modules = join '', map {"load_module $_;\n"} @load;
    my $user    = $> == 0 ? "user www-data;\n" : '';
    my $env     = UniqueRandom::Sanitizer::env_directives();
    my $temp    = join '', map {"    ${_}_temp_path $self->{dir}/$_;\n"}
        qw( client_body proxy fastcgi uwsgi scgi );

    write_file("$self->{dir}/nginx.conf", <<"EOT");
$modules$user$env
worker_processes $self->{workers};
pid $self->{dir}/nginx.pid;
error_log $self->{dir}/error.log $self->{level};
$self->{main}

events {
    $self->{events}
}

http {
    access_log off;
$temp
$self->{http}

    server {
        listen 127.0.0.1:$self->{port} $self->{listen};
$self->{server}
    }
}
EOT

    return $self;
}

sub port { return $_[0]->{port} }
sub dir  { return $_[0]->{dir} }
sub url  { return "http://127.0.0.1:$_[0]->{port}" . ($_[1] // '') }

# Where the text of one of new()'s files is.
sub _file {
    my ($self, $path) = @_;

    return "$self->{dir}/file" . $path =~ tr{/}{-}r;
}

# The command, in a mount namespace of its own if there are files to be found.
# It lives as long as the last process in it.
sub _with_files {
    my ($self, @command) = @_;

    my @mounts = map { ($self->_file($_), $_) } sort keys %{ $self->{files} };

    return @command if !@mounts;

    return (
        'unshare', '--mount', 'sh', '-ec',
        'while [ "$1" != -- ]; do mount --bind "$1" "$2"; shift 2; done;'
            . ' shift; exec "$@"',
        'sh', @mounts, '--', @command
    );
}

# Why nginx cannot have files of its own here, if so.
sub why_no_files {
    return 'only root can mount' if $> != 0;

    my ($code, $out) = run(
        command => [qw( unshare --mount mount --bind /etc/hosts /etc/hosts )],
        merge   => 1,
    );

    return $code ? "this machine does not let us mount: $out" : undef;
}

sub _run {
    my ($self, @option) = @_;

    local @ENV{ keys %{ $self->{env} } } = values %{ $self->{env} };

    my ($code, $out) = run(
        command => [
            $self->_with_files(
                UniqueRandom::Sanitizer::command($binary),
                '-e', "$self->{dir}/error.log", '-p', "$self->{dir}/",
                '-c', "$self->{dir}/nginx.conf", @option,
            )
        ],
        merge => 1,
    );

    my $reports = UniqueRandom::Sanitizer::reports($out);
    fail_at_exit($reports) if $reports ne '';

    return ($code, $out);
}

# Exit code and output of nginx -t.
sub test_config {
    my ($self) = @_;

    return $self->_run('-t');
}

sub start {
    my ($self) = @_;

    croak 'nginx is running' if $self->{master};

    my ($code, $out) = $self->_run;
    croak "nginx does not start: $out" if $code;

    $self->{master} = wait_until(sub { $self->_pid_file }, 20,
        'nginx has written its pid');
    wait_until(sub { $self->worker_pids >= $self->{workers} }, 20,
        'nginx has its workers');
    return $self;
}

sub _pid_file {
    my ($self) = @_;

    return (read_file("$self->{dir}/nginx.pid") // '') =~ /^(\d+)\n/
        ? $1 : undef;
}

sub master_pid { return $_[0]->{master} }

# The workers that serve, and those of the generation before that still do.
sub worker_pids     { return $_[0]->_workers(0) }
sub old_worker_pids { return $_[0]->_workers(1) }

sub _workers {
    my ($self, $old) = @_;

    # Angie's have the number of their generation.
    my $state = $old ? ' is shutting down' : '';
    my $title = qr/^(?:nginx|angie): worker process$state(?: #\d+)? *\z/;

    my @pids = !$self->{master} ? () : sort { $a <=> $b } grep {
        (my $cmdline = read_file("/proc/$_/cmdline") // '') =~ s/\0.*//s;

        # Under valgrind, a process has valgrind's title.
        $ENV{TEST_NGINX_USE_VALGRIND}
            ? $old == ($self->{old}{$_} // 0)
            : $cmdline =~ $title;
    } children($self->{master});

    return @pids;
}

# Reads a new configuration and returns when all workers of the one before
# have gone or, with wait => 'new', as soon as the new ones serve.
sub reload {
    my ($self, %arg) = @_;

    my %old    = map { $_ => 1 } children($self->{master});
    my $before = $self->errors(qr/emerg/);

    $self->{old} = \%old;
    kill HUP => $self->{master};

    wait_until(sub {
        my @emerg = $self->errors(qr/emerg/);
        if (@emerg > $before) {
            delete $self->{old};
            croak join '', "nginx does not reload:\n",
                @emerg[ $before .. $#emerg ];
        }

        return (grep { !$old{$_} } $self->worker_pids) >= $self->{workers};
    }, 20, 'nginx has its new workers');

    wait_gone($arg{timeout} // 30, keys %old)
        if ($arg{wait} // 'old') eq 'old';

    return $self;
}

# A new binary on the same sockets; the old one leaves.
sub upgrade {
    my ($self) = @_;

    my $old = $self->{master};

    kill USR2 => $old;
    wait_until(sub {
        my $pid = $self->_pid_file;
        return defined $pid && $pid != $old;
    }, 20, 'the new binary has written its pid');

    $self->adopt;

    kill QUIT => $old;
    wait_gone(30, $old);
    return $self;
}

# A master that somebody else has put into the place of the old one.
sub adopt {
    my ($self) = @_;

    $self->{master} = $self->_pid_file;
    wait_until(sub { $self->worker_pids >= $self->{workers} }, 20,
        'the new binary has its workers');
    return $self;
}

sub signal {
    my ($self, $signal) = @_;

    kill $signal => $self->{master};
    return $self;
}

# The ways to end, each complete when it returns: gracefully, fast, and as a
# power failure does it.
sub stop { return $_[0]->_end('QUIT') }
sub quit { return $_[0]->_end('QUIT') }
sub term { return $_[0]->_end('TERM') }

sub _end {
    my ($self, $signal) = @_;

    return $self if !$self->{master};

    my @pids = ($self->{master}, children($self->{master}));
    kill $signal => $self->{master};
    wait_gone(30, @pids);
    delete $self->{master};
    return $self;
}

sub kill9 {
    my ($self) = @_;

    return $self if !$self->{master};

    # One that stands still forks no successors for its workers.
    kill STOP => $self->{master};
    my @pids = ($self->{master}, children($self->{master}));
    kill KILL => @pids;
    wait_gone(10, @pids);
    unlink "$self->{dir}/nginx.pid";
    delete $self->{master};
    return $self;
}

# Does something and stops, and does both once more if there was no time to give
# back what is leased.
sub stop_in_time {
    my ($self, $code) = @_;

    for (1 .. 10) {
        my $late = $self->too_late;

        $code->();
        $self->stop;
        return $self if $self->too_late == $late;
        $self->start;
    }

    croak 'nginx never has time to give back what is leased';
}

sub restart {
    my ($self) = @_;

    $self->stop;
    return $self->start;
}

# One request, without keep-alive: HTTP::Tiny's { status, content, headers }.
sub get {
    my ($self, $path, %option) = @_;

    return $self->request('GET', $path, %option);
}

sub request {
    my ($self, $method, $path, %option) = @_;

    return HTTP::Tiny->new(keep_alive => 0, timeout => 30)
        ->request($method, $self->url($path), \%option);
}

# What it said

sub error_log { return read_file("$_[0]->{dir}/error.log") // '' }

# The lines of a level, by default all that nobody should have to read.
sub errors {
    my ($self, $level) = @_;

    $level //= qr/emerg|alert|crit/;
    return grep {/ \[(?:$level)\] /} split /^/, $self->error_log;
}

# Returns when the log has a line like that, or had it already.
sub wait_for_log {
    my ($self, $pattern, $timeout) = @_;

    return wait_until(sub { $self->error_log =~ $pattern }, $timeout,
        "the error log has $pattern");
}

# Positions, of this range or of all, that it had no time to give back.  A worker
# that leaves has a second for that, and some machines take longer for a commit.
sub too_late {
    my ($self, $range) = @_;

    $range //= '\d+-\d+';

    return sum0($self->error_log =~ /\ (\d+)\ positions\ of\ range\ $range\ could
        \ not\ be\ given\ back\ .*\ burned:
        .*(?:no\ time\ is\ left|timed\ out|timeout|not\ come\ back)/gx);
}

# What its processes use: seconds of CPU, open files, threads, bytes of memory,
# and the most that these ever were

sub cpu_time {
    my ($self, $pid) = @_;

    my $stat = read_file("/proc/$pid/stat") // return;
    $stat =~ s/^.*\) //;
    my ($user, $system) = (split ' ', $stat)[ 11, 12 ];
    return ($user + $system) / POSIX::sysconf(POSIX::_SC_CLK_TCK());
}

sub fd_count {
    my ($self, $pid) = @_;

    my @fds = glob "/proc/$pid/fd/*";
    return scalar @fds;
}

sub thread_count {
    my ($self, $pid) = @_;

    my @tasks = glob "/proc/$pid/task/*";
    return scalar @tasks;
}

sub rss {
    my ($self, $pid) = @_;

    my $statm = read_file("/proc/$pid/statm") // return;
    return (split ' ', $statm)[1] * POSIX::sysconf(POSIX::_SC_PAGESIZE());
}

sub peak_rss {
    my ($self, $pid) = @_;

    my $status = read_file("/proc/$pid/status") // return;
    return $status =~ /^VmHWM:\s+(\d+) kB$/m ? 1024 * $1 : undef;
}

# The end

sub _abandon {
    my ($self) = @_;

    return if $self->{owner} != $$ || $self->{abandoned}++;

    # An orderly exit is one more thing for the sanitizers to see.
    eval { $self->term; 1 } or $self->kill9;

    my $log     = $self->error_log;
    my $reports = UniqueRandom::Sanitizer::reports($log);
    fail_at_exit($reports) if $reports ne '';

    for my $signal (qw( ILL ABRT BUS FPE SEGV )) {
        my $number = POSIX->can("SIG$signal")->();
        fail_at_exit("a process of nginx died of SIG$signal")
            if $log =~ /exited on signal $number\b/;
    }

    if ($log ne '' && !Test::More->builder->is_passing) {
        my @lines = split /^/, $log;
        splice @lines, 0, -30;
        Test::More::diag("the end of $self->{dir}/error.log:\n", @lines);
    }

    return;
}

sub DESTROY {
    my ($self) = @_;

    local ($?, $!, $@);
    $self->_abandon;
    return;
}

1;
