# The container, without a Docker engine: its files are laid out in a folder as
# the Dockerfile says, where its entrypoint and nginx run as they would there:
# as www-data, with the environment of the container alone.

use strict;
use warnings;

use lib 't/lib';

use Cwd qw( getcwd );
use File::Basename qw( dirname );
use File::Find ();
use File::Path qw( make_path );
use HTTP::Tiny ();
use IO::Socket::INET;
use JSON::PP qw( decode_json );
use Test::More;

use UniqueRandom::Dockerfile qw( instructions stages );
use UniqueRandom::Postgres;
use UniqueRandom::Util qw(
    at_exit descendants free_port is_alive read_file run spawn tmp_dir
    user_ids wait_gone wait_until write_file
);

my $top    = getcwd();
my $nginx  = $ENV{TEST_NGINX_BINARY} || '/usr/sbin/nginx';
my @module = split ' ', $ENV{TEST_NGINX_LOAD_MODULES}
    || "$top/build/ngx_http_unique_random_module.so";

plan skip_all => 'it runs what is built for production'
    if grep { m{/build/(?:asan|memcheck)/} } @module;

my $password = 'a-secret-password';
my $www_data = user_ids('www-data');

my $containers = 0;

# What the runtime stage has, with the paths of configurations in $root.
sub lay_out {
    my ($root) = @_;

    make_path(map {"$root/$_"} qw( etc/nginx/conf.d var/log/nginx tmp
        var/lib/nginx/unique_random usr/share/nginx ));
    chown @$www_data, map {"$root/$_"} qw( etc/nginx/conf.d tmp
        var/lib/nginx/unique_random ) if $www_data;

    for (instructions('runtime', 'COPY')) {
        my @path = split ' ';
        my $to   = pop @path;

        make_path("$root$to");

        # What is built is not what this is about.
        if ($path[0] eq '--from=build') {
            write_file("$root$to/docs.conf", read_file('pages/docs.conf'))
                if $to =~ m{/share/};
            next;
        } elsif ($path[0] eq '--from=pages') {
            write_file("$root$to/index.html", 'the page');
            next;
        }

        run(command => [ 'cp', '-a', (map {"$top/$_" =~ s{/$}{/.}r} @path),
            "$root$to" ]);
    }

    my ($run) = grep {/ln -sf/} instructions('runtime', 'RUN');
    while ($run =~ m{ln -sf (\S+) (\S+)}g) {
        symlink $1, "$root$2" or die "$root$2: $!\n";
    }

    my $load = join '', map {"load_module $_;\n"} @module;
    my %places;

    File::Find::find(sub {
        return if !/\.(?:conf|template|sh|envsh)$/;
        my $text = read_file($_);

        $text =~ s{(?<=[\s"=-])(/(?:var|tmp|usr|etc/nginx)/)}{
            $places{$1}++; "$root$1"}gex if !/^docker-entrypoint/;
        $text =~ s/^load_module .*;\n/$load/m;
        write_file($_, $text);
    }, map {"$root/$_"} qw( etc/nginx usr/share docker-entrypoint.d ));

    die "no paths are found\n" if keys %places != 4;
    return;
}

my (@running, @roots);

at_exit(sub {
    # Daemons as well.
    push @running, grep {
        (read_file("/proc/$_/cmdline") // '') =~ /^nginx: master/
    } map { (read_file("$_/tmp/nginx.pid") // '') =~ /^(\d+)$/ } @roots;

    kill KILL => map { ($_, descendants($_)) } @running;
});

sub has_gone {
    my ($pid) = @_;

    @running = grep { $_ != $pid } @running;
    return;
}

# Runs the entrypoint with this environment: { code, log } if it has ended, and
# { pid, log, port } if nginx is there.
sub container {
    my (%env) = @_;

    my $files  = delete $env{files} // {};
    my $daemon = delete $env{daemon};
    my $root  = tmp_dir() . '/container-' . $containers++;
    my $port  = free_port();

    push @roots, $root;
    lay_out($root);
    for (keys %$files) {
        make_path(dirname("$root$_"));
        write_file("$root$_", $files->{$_});
    }

    # Docker, too, gives the user the pipe that it reads.
    my $log = write_file("$root/log", '');
    chown @$www_data, $log if $www_data;

    my ($entrypoint) = map { @{ decode_json($_) } }
        instructions('runtime', 'ENTRYPOINT');
    my (undef, @options) = map { @{ decode_json($_) } }
        instructions((stages())[-1], 'CMD');
    s/daemon off/daemon on/ for $daemon ? @options : ();

    # Names of the image, but this machine's nginx.
    local %ENV = (
        PATH                 => $ENV{PATH},
        NGINX_ENTRYPOINT_DIR => "$root/docker-entrypoint.d",
        NGINX_PORT           => $port,
        %env,
    );

    my $pid = spawn(
        as      => $www_data,
        log     => $log,
        command => [
            "$root$entrypoint", $nginx, '-p', "$root/usr/share/nginx/",
            '-e', 'stderr', '-c', "$root/etc/nginx/nginx.conf", @options,
        ],
    );
    push @running, $pid;

    my $self = { pid => $pid, root => $root, log => $log, port => $port };

    # A daemon is there when the process that has started it has gone.
    wait_until(sub {
        return !is_alive($pid) || !$daemon
            && IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port");
    }, 20, 'nginx starts or fails');

    $self->{failed} = !is_alive($pid);
    has_gone($pid) if $self->{failed};
    return $self;
}

sub get {
    my ($self, $path) = @_;

    return HTTP::Tiny->new->get("http://127.0.0.1:$self->{port}$path");
}

sub log_of { return read_file($_[0]->{log}) }

sub stop {
    my ($self) = @_;

    my ($signal) = instructions('runtime', 'STOPSIGNAL');
    kill $signal => $self->{pid};
    wait_gone(30, $self->{pid});
    return has_gone($self->{pid});
}

sub health {
    my ($self) = @_;

    my ($command) = map {/CMD (.*)/} instructions('runtime', 'HEALTHCHECK');
    local $ENV{NGINX_PORT} = $self->{port};
    my ($code) = run(
        command => [ $self->{root} . decode_json($command)->[0] ],
        merge   => 1,
    );
    return $code;
}

sub cluster {
    my ($i) = @_;

    my $pg = UniqueRandom::Postgres->new(name => "shard$i");

    $pg->create_database('numbers');
    $pg->create_user('numbers', $password, 'SUPERUSER');
    return $pg;
}

my @pg = map { cluster($_) } 0, 1;

sub url {
    my ($i, $db) = @_;

    return $pg[$i]->url(db => $db // 'numbers', user => 'numbers',
        password => $password);
}

(my $sqlalchemy = url(1)) =~ s/^postgresql:/postgresql+psycopg2:/;
my %shards = (DB_SHARD_0_URL => url(0), DB_SHARD_1_URL => $sqlalchemy);

# Numbers until each of the shards has been seen.
sub take_from {
    my ($self, $shards) = @_;

    my (%seen, %from);
    wait_until(sub {
        my $reply = get($self, '/random');
        if ($reply->{content} =~ /\A\{"number":(\d+)\}\z/) {
            $seen{$1}++;
            $from{ int(($1 - 1) / 500_000) }++;
        }
        return keys %from == $shards;
    }, 30, "$shards shards give numbers");

    return join ' ', (sort keys %from),
        map {"$_ came $seen{$_} times"} grep { $seen{$_} > 1 } keys %seen;
}

sub files_with {
    my ($root, $pattern) = @_;

    my @found;
    File::Find::find(sub {
        push @found, $File::Find::name
            if -f && !-l && (read_file($_) // '') =~ $pattern;
    }, $root);
    return @found;
}

subtest 'two shards, and nothing else said' => sub {
    my $self = container(%shards, UNIQUE_RANDOM_BOOTSTRAP => 'on');
    ok !$self->{failed}, 'it starts' or diag log_of($self);

    my $reply = get($self, '/health');
    is "$reply->{status} $reply->{content}", '200 {"status":"ok"}', '/health';
    is health($self), 0, '... and so the container is healthy';

    is take_from($self, 2), '0 1', 'numbers of both';
    is get($self, '/ready')->{content}, '{"status":"ready"}', '/ready';
    is get($self, '/docs')->{content}, 'the page', '/docs';
    is get($self, '/')->{content}, 'the page', '... to which / leads';
    $reply = HTTP::Tiny->new(max_redirect => 0)
        ->get("http://127.0.0.1:$self->{port}/");
    is $reply->{headers}{location}, '/docs', '... through whatever port';
    is get($self, '/nothing')->{status}, 404, 'there is nothing else';

    # Which may come after the answers.
    eval {
        wait_until(sub { log_of($self) =~ m{"GET /random HTTP/1\.1" 200 } },
            20);
    };
    my $log = log_of($self);
    like $log, qr/^\S+ \S+ \[notice\] /m,
        'what nginx says goes to where the container prints';
    unlike $log, qr/ \[(?:info|debug)\] /, '... from notice on';
    like $log, qr{^127\.0\.0\.1\ .*"GET\ /random\ HTTP/1\.1"\ 200\ .*
        (?:LEASED|WAITED)\ shard="shard[01]"\ wait=\d+\.\d{3}$}mx,
        '... and so does the access log';
    unlike $log, qr{/health}, '... without the health checks';

    is_deeply [ files_with($self->{root}, qr/\Q$password/) ], [],
        'the password is in no file and no log';

    stop($self);

    # In a second, or not at all.
    like log_of($self), qr/positions\ of\ range\ \S+
        \ (?:are\ given\ back|could\ not\ be\ given\ back\ .*time)/x,
        'a stop gives back what is leased';
    isnt health($self), 0, '... and the container is not healthy any more';
};

# A container's nginx ignores USR2, since it is no daemon; one that was made a
# daemon has the variables for its successor.
subtest 'a new binary' => sub {
    my $self = container(%shards, daemon => 1);
    my $file = "$self->{root}/tmp/nginx.pid";
    my $pid  = sub { return (read_file($file) // '') =~ /^(\d+)\n/ ? $1 : 0 };

    # A signal that comes before is dealt with when another one does.
    wait_until(sub { log_of($self) =~ / start cache manager process/ }, 20,
        'the daemon has its processes');

    my $old = $pid->();
    push @running, $old;
    kill USR2 => $old;

    my $new = wait_until(sub {
        my $now = $pid->();
        return $now != $old ? $now : 0;
    }, 20, 'the new binary has written its pid');
    push @running, $new;
    stop({ pid => $old });

    is take_from($self, 2), '0 1', 'it has the variables of the old one';
    stop({ pid => $new });
};

subtest 'settings' => sub {
    my $self = container(
        %shards,
        LOG_LEVEL                => 'INFO',
        UNIQUE_RANDOM_LOG_FORMAT => 'json',
        NGINX_WORKER_PROCESSES   => 1,
        NGINX_RESOLVER           => '127.0.0.1 valid=10s',
        UNIQUE_RANDOM_LEASE_MAX  => 1000,
    );
    ok !$self->{failed}, 'it starts' or diag log_of($self);
    is take_from($self, 2), '0 1', 'numbers of both';
    wait_until(sub { log_of($self) =~ /^\{.*"outcome":"\w/m }, 10, 'a line');
    stop($self);

    my ($line) = log_of($self) =~ /^(\{.*)$/m;
    is decode_json($line)->{request}, 'GET /random HTTP/1.1',
        'UNIQUE_RANDOM_LOG_FORMAT=json';
    like log_of($self), qr/ \[info\] /, 'LOG_LEVEL=INFO';
    is scalar(() = log_of($self) =~ / start worker process \d/g), 1,
        'NGINX_WORKER_PROCESSES=1';

    my ($conf) = read_file("$self->{root}/etc/nginx/conf.d/default.conf");
    like $conf, qr/^resolver 127\.0\.0\.1 valid=10s;$/m, 'NGINX_RESOLVER';
    like $conf, qr/lease +min=16 max=1000;/, 'UNIQUE_RANDOM_LEASE_MAX';

    $self = container(%shards, LOG_LEVEL => 'ERROR');
    is get($self, '/random')->{status}, 200, 'LOG_LEVEL=ERROR';
    stop($self);
    unlike log_of($self), qr/ \[(?:warn|notice|info)\] /, '... is quiet';
};

subtest 'shards' => sub {
    $pg[0]->create_database('third');

    my $self = container(%shards, DB_SHARD_2_URL => url(0, 'third'),
        UNIQUE_RANDOM_BOOTSTRAP => 'on');
    ok !$self->{failed}, 'a line more is a shard more' or diag log_of($self);
    is take_from($self, 3), '0 1 2', '... with numbers of its own';
    stop($self);
    is $pg[0]->psql('third', 'SELECT first, last FROM unique_random.ranges'),
        '1000001|1500000', '... that go on from the others';

    my %own = (
        DB_SHARD_0_URL         => url(0),
        DB_SHARD_0_RANGE_END   => 500_000,
        DB_SHARD_7_URL         => url(0, 'third'),
        DB_SHARD_7_RANGE_START => 1_000_001,
        DB_SHARD_7_RANGE_END   => 1_500_000,
    );
    $self = container(%own);
    is take_from($self, 2), '0 2', 'ranges of their own, and a gap';
    stop($self);

    # What is leased when a shard begins to drain ended with the last one.
    $self = container(%own, DB_SHARD_7_OPTIONS => 'drain max_fails=5');
    my @numbers;
    wait_until(sub {
        push @numbers, get($self, '/random')->{content} =~ /"number":(\d+)/;
        return @numbers == 50;
    }, 30, '50 numbers');
    is scalar(grep { $_ <= 500_000 } @numbers), 50, 'DB_SHARD_n_OPTIONS';
    like read_file("$self->{root}/etc/nginx/conf.d/shards/DB_SHARD_7_URL.conf"),
        qr/ name=shard7 drain max_fails=5;$/m, '... are in their line';
    stop($self);
};

subtest 'a range that was adopted' => sub {
    $pg[0]->create_database('former');
    $pg[0]->apply_schema('former');
    $pg[0]->psql('former', 'CREATE TABLE used_numbers (number integer UNIQUE);'
        . ' INSERT INTO used_numbers SELECT generate_series(1, 99, 2);'
        . " SELECT unique_random.adopt('numbers', 1, 100, 'used_numbers',"
        . " 'number')");

    my $self = container(
        DB_SHARD_0_URL       => url(0, 'former'),
        DB_SHARD_0_RANGE_END => 100,
        DB_SHARD_0_OPTIONS   => 'adopted fail_timeout=1s',
    );
    my (@numbers, $reply);

    wait_until(sub {
        $reply = get($self, '/random');
        push @numbers, $reply->{content} =~ /"number":(\d+)/;
        return $reply->{status} == 409;
    }, 30, 'all are used') if !$self->{failed};

    is join(' ', sort { $a <=> $b } @numbers), join(' ', map { 2 * $_ } 1 .. 50),
        'has each number that was left, once' or diag log_of($self);
    stop($self);
};

subtest 'where it is rendered to' => sub {
    my $next = sub { return tmp_dir() . "/container-$containers" };

    for my $folder ('/tmp', '/etc/nginx', '/etc/nginx/conf.d/main') {
        my $dir  = $next->() . $folder;
        my $self = container(%shards, NGINX_ENVSUBST_OUTPUT_DIR => $dir);

        ok $self->{failed}, "$folder is not where nginx looks";
        like log_of($self), qr/^NGINX_ENVSUBST_OUTPUT_DIR is "\Q$dir\E", /m,
            '... which is said';
        stop($self) if !$self->{failed};
    }

    my $self = container(%shards,
        NGINX_ENVSUBST_OUTPUT_DIR => $next->() . '/etc/nginx/conf.d/');
    ok !$self->{failed}, 'a folder may end with a slash' or diag log_of($self);
    stop($self);

    # An nginx.conf that reads what is there, and one that only mentions it.
    my $first = $self->{root};
    my $conf = read_file("$first/etc/nginx/nginx.conf");

    for my $include ('include', '#include') {
        my $root = $next->();
        my $dir  = "$root/tmp/rendered";
        my $own  = $conf =~ s/\Q$first\E/$root/gr
            =~ s{include  conf\.d/(\S+);}{$include "$dir/$1";# a}gr;

        $self = container(%shards, NGINX_ENVSUBST_OUTPUT_DIR => $dir,
            files => { '/etc/nginx/nginx.conf' => $own });

        if ($include eq 'include') {
            ok !$self->{failed}, 'an nginx.conf that includes it'
                or diag log_of($self);
            is get($self, '/health')->{status}, 200, '... has a server';
        } else {
            ok $self->{failed}, 'none that does so in a comment'
                or diag read_file("$root/etc/nginx/nginx.conf");
        }
        stop($self) if !$self->{failed};
    }
};

subtest 'own templates and scripts' => sub {
    my $template = <<'EOT';
server {
    listen ${NGINX_PORT};
    return 200 "${GREETING} ${DB_SHARD_0_URL} $uri";
}
EOT

    my $self = container(
        DB_SHARD_0_URL => url(0),
        GREETING       => 'hello',
        uri            => 'no variable of nginx',
        files          => {
            '/etc/nginx/templates/default.conf.template' => $template,
            '/docker-entrypoint.d/README' => 'no script',
        },
    );

    # nginx, which knows no such variables, does not start.
    ok $self->{failed}, 'variables are replaced only if they are meant for it';
    my $conf = read_file("$self->{root}/etc/nginx/conf.d/default.conf");
    like $conf, qr/listen \d+;/, '... as NGINX_PORT is';
    like $conf, qr/"\$\{GREETING\} \$\{DB_SHARD_0_URL\} \$uri"/,
        '... and others are not';
    like log_of($self), qr/ignoring .*README/, 'what is no script is not run';

    $self = container(
        DB_SHARD_0_URL         => url(0),
        GREETING               => 'hello',
        NGINX_ENVSUBST_FILTER  => '.',
        files                  => {
            '/etc/nginx/templates/default.conf.template' => $template,
        },
    );
    $conf = read_file("$self->{root}/etc/nginx/conf.d/default.conf");
    like $conf, qr/"hello \$\{DB_SHARD_0_URL\} \$uri"/,
        'NGINX_ENVSUBST_FILTER is for others, but for no secret';
};

subtest 'the example of an environment' => sub {
    my %env = read_file('.env.example') =~ /^#?([A-Z]\w+)=(.*)/mg;
    delete @env{ qw( POSTGRES_PASSWORD NGINX_PORT ),
        grep {/^DB_SHARD_2/} keys %env };

    my $self = container(%env, %shards);
    ok !$self->{failed}, 'the example works' or diag log_of($self);
    is take_from($self, 2), '0 1', '... with both shards';
    stop($self);
};

done_testing;
