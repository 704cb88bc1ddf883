# The images as they are built and run: read-only, without capabilities, beside
# databases that they find by name, as users that nobody has thought of.

use strict;
use warnings;

use lib 't/lib';

use Test::More;

use UniqueRandom::Images;
use UniqueRandom::Util qw( tmp_dir wait_until write_file );

plan skip_all => 'it builds the module itself'
    if ($ENV{TEST_NGINX_LOAD_MODULES} // '') =~ m{/build/(?:asan|memcheck)/};

# All of Debian that they need is fetched and unpacked, the first time.
alarm 3600;

my $images = UniqueRandom::Images->new;

$images->build_server;
$images->build('unique-random', '-f', 'docker/Dockerfile', '.');
$images->build('unique-random:root', '-f', 'docker/Dockerfile', '--target',
    'root', '.');

cmp_ok $images->podman(qw( image inspect --format {{.Size}} unique-random )),
    '<', 300e6, 'the image is small';

$images->network('both', '10.243.1.0/24', 'fd43:1::/64');
$images->network('six', 'fd43:2::/64');
$images->start_server("shard$_", '--network=both') for 0, 1;

my @safe = (
    qw( --read-only --cap-drop=ALL --security-opt=no-new-privileges
        --tmpfs=/tmp --tmpfs=/etc/nginx/conf.d )
);
my %shards = map {
    ("DB_SHARD_${_}_URL" => "postgresql://numbers:secret\@shard$_/numbers")
} 0, 1;
my $count = 0;

# Arguments: options, image, network, env; shards by default.  An nginx, which
# is healthy, unless may_fail is set.
sub nginx {
    my (%arg) = @_;

    my $name    = 'nginx' . $count++;
    my $network = $arg{network} // 'both';
    my %env     = (%shards, %{ $arg{env} // {} });

    $images->start($name, "--network=$network", @{ $arg{options} // \@safe },
        '--volume', ($arg{volume} // $images->volume("state-$name"))
            . ':/var/lib/nginx/unique_random',
        (map {"--env=$_=$env{$_}"} sort keys %env),
        $arg{image} // 'unique-random');

    if (!$arg{may_fail}) {
        wait_until(sub {
            return $images->is_healthy($name)
                || $images->inspect($name, '{{.State.Running}}') ne 'true';
        }, 20, 'it is healthy or has ended');

        die join '', logs($name)
            if $images->inspect($name, '{{.State.Running}}') ne 'true';
    }

    my $field = $network eq 'six' ? 'GlobalIPv6Address' : 'IPAddress';
    my $address = $images->inspect($name,
        "{{.NetworkSettings.Networks.$network.$field}}");
    $address = "[$address]" if $address =~ /:/;

    my $port = $arg{port} // ':8000';
    return { name => $name, url => "http://$address$port" };
}

# What it printed: stdout, and stderr.
sub logs {
    my ($name) = @_;

    return $images->podman('logs', $name);
}

sub get {
    my ($self, $path) = @_;

    return $images->get("$self->{url}$path");
}

sub is_serving {
    my ($self, $what) = @_;

    ok $images->is_healthy($self->{name}), "$what: it is healthy";
    is join(' ', get($self, '/ready')), '200 {"status":"ready"}', '... ready';
    like join(' ', get($self, '/random')), qr/^200 \{"number":\d+\}$/,
        '... and gives numbers' or diag logs($self->{name});
    return;
}

# Numbers until all shards, of 500,000 each, have given one.
sub take_from {
    my ($self, $shards) = @_;

    my %from;

    eval {
        wait_until(sub {
            my (undef, $body) = get($self, '/random');
            $from{ int(($1 - 1) / 500_000) }++ if $body =~ /"number":(\d+)/;
            return keys %from == $shards;
        }, 30, "$shards shards give numbers");
    } or diag $@, logs($self->{name});

    return join ' ', sort keys %from;
}

sub is_stopped {
    my ($self, $what, @command) = @_;

    $images->podman(@command, $self->{name});
    my $code = $images->podman('wait', $self->{name});
    my (undef, $err) = logs($self->{name});

    is $code, 0, "$what: it ends";
    like $err, qr/ positions of range \S+ are given back to shard/,
        '... and gives back what is leased';
    return;
}

subtest 'as docs/docker.md has it' => sub {
    my $self = nginx(env => { UNIQUE_RANDOM_BOOTSTRAP => 'on' });
    my $name = $self->{name};

    is_serving($self, 'the first start');
    is take_from($self, 2), '0 1', 'numbers of both shards';
    is join(' ', get($self, '/health')), '200 {"status":"ok"}', '/health';

    my ($status, $page) = get($self, '/docs');
    is $status, 200, '/docs';
    like $page, qr/<html/, '... is a page';
    is +(get($self, '/openapi.json'))[0], 200, '/openapi.json';

    my $process = $images->podman('exec', $name, 'cat', '/proc/1/status');
    like $process, qr/^Uid:\s+33\s/m, 'it is www-data';
    like $process, qr/^CapEff:\s+0+$/m, '... without capabilities';
    like $process, qr/^NoNewPrivs:\s+1$/m, '... and cannot get any';

    my ($code) = $images->command('podman', 'exec', $name, 'touch', '/new');
    isnt $code, 0, '... nor write where it has nothing to write';

    my ($out, $err) = logs($name);
    like $out, qr{"GET /random HTTP/1.1" 200 }, 'the access log is on stdout';
    unlike $out, qr{ \[notice\] |/health}, '... and nothing else of nginx';
    like $err, qr/ \[notice\] .* start worker process/,
        'the error log is on stderr';
    unlike $err, qr/ \[(?:warn|error|crit|alert|emerg)\] /,
        '... where nothing is wrong';
    unlike "$out$err", qr/secret/, 'the password is in none';

    is_stopped($self, 'a stop', 'stop');
};

subtest 'SIGTERM' => sub {
    my $self = nginx();

    is_serving($self, 'an orchestrator\'s');
    is_stopped($self, 'its stop', 'kill', '--signal=TERM');
};

subtest 'a new container with the old volume' => sub {
    my $volume = $images->volume('kept');
    my $self   = nginx(volume => $volume);

    is take_from($self, 2), '0 1', 'numbers of both shards';
    get($self, '/random') for 1 .. 200;
    is_stopped($self, 'a stop', 'stop');

    # While it is away, one database goes back in time.
    $images->sql('shard1', 'UPDATE unique_random.ranges SET'
        . ' serial = serial - 2, reserved = reserved - 20,'
        . ' writer = pg_current_xact_id()');

    $self = nginx(volume => $volume);

    ok eval {
        wait_until(sub {
            get($self, '/random');
            return (logs($self->{name}))[1] =~ /\[alert\] .* is fenced: /;
        }, 20, 'it is fenced');
    }, '... which is found out' or diag $@, logs($self->{name});
    unlike +(logs($self->{name}))[1], qr/nothing is remembered/,
        '... by what is remembered';

    my ($accept) = (logs($self->{name}))[1]
        =~ /run (SELECT unique_random\.accept.*?;)/;
    $images->sql('shard1', $accept);
    is_stopped($self, 'a stop', 'stop');
};

subtest 'a shard more' => sub {
    $images->sql('shard0', 'CREATE DATABASE third');

    my $self = nginx(env => {
        UNIQUE_RANDOM_BOOTSTRAP => 'on',
        DB_SHARD_2_URL => 'postgresql://numbers:secret@shard0/third',
    });
    is take_from($self, 3), '0 1 2', 'is a line more';
    is_stopped($self, 'a stop', 'stop');
};

subtest 'another user, of the group root' => sub {
    my $self = nginx(options => [ @safe, '--user=1000680000:0' ],
        volume => $images->volume('other'));

    is_serving($self, 'a number that the image has no name for');
    is_stopped($self, 'a stop', 'stop');

    my ($out) = $images->podman(qw( run --rm --network=none --user=0
        --entrypoint=/bin/ls --volume=other:/state unique-random -ln /state ));
    like $out, qr/^-rw-------\s+1\s+1000680000\s+0\s.* numbers\.state$/m,
        '... and what is remembered is its own';
};

subtest 'a container that is not read-only' => sub {
    my $self = nginx(options => ['--user=1000680000:0']);

    is_serving($self, 'another user');
    is_stopped($self, 'a stop', 'stop');
};

subtest 'fewer open files than connections' => sub {
    my $self = nginx(options => [ @safe, $images->limit_files(1024, 2048) ]);

    is_serving($self, 'as many as there may be');
    like +(logs($self->{name}))[1],
        qr/4096 worker_connections exceed open file resource limit: 2048/,
        '... which nginx says';
};

subtest 'a state that cannot be written' => sub {
    my $folder = tmp_dir() . '/unwritable';
    mkdir $folder, 0755 or die "$folder: $!\n";

    my $self = nginx(volume => $folder);

    is +(get($self, '/health'))[0], 200, 'is no reason not to start';
    ok eval {
        wait_until(sub {
            return (logs($self->{name}))[1] =~ m{\[crit\]\ .*access\(\)
                \ "/var/lib/nginx/unique_random"\ failed,\ .*\ is\ not\ kept}x;
        }, 10, 'it is said');
    }, '... but said before there is a request' or diag $@, logs($self->{name});
};

subtest 'where nginx listens' => sub {
    for (
        [ '0.0.0.0:8001', ':8001' ],
        [ '[::]:8002', ':8002', 'six' ],
        [ '8003', ':8003', 'six' ],
        [ '8004', ':8004' ],
        )
    {
        my ($listen, $port, $network) = @$_;

        my $self = nginx(port => $port, network => $network,
            env => { NGINX_PORT => $listen });

        ok $images->is_healthy($self->{name}), "NGINX_PORT=$listen: healthy";
        is +(get($self, '/health'))[0], 200, '... and reached from elsewhere';
        $images->podman('kill', $self->{name});
    }
};

subtest 'IPv6 only' => sub {
    $images->start_server('six0', '--network=six');

    my $self = nginx(network => 'six', env => {
        DB_SHARD_0_URL          => 'postgresql://numbers:secret@six0/numbers',
        DB_SHARD_1_URL          => '',
        UNIQUE_RANDOM_BOOTSTRAP => 'on',
    });

    is_serving($self, 'beside a database');
    is_stopped($self, 'a stop', 'stop');
};

subtest 'the target "root"' => sub {
    my $self = nginx(
        image   => 'unique-random:root',
        port    => '',
        env     => { NGINX_PORT => 80 },
        options => [qw( --read-only --security-opt=no-new-privileges
            --tmpfs=/tmp --tmpfs=/etc/nginx/conf.d )],
    );

    is_serving($self, 'port 80');
    is join(' ', sort map {/^Uid:\s+(\d+)/m} map {
        $images->podman('exec', $self->{name}, 'cat', "/proc/$_/status")
    } split ' ', $images->podman('exec', $self->{name}, 'sh', '-c',
        'echo $(cat /proc/1/task/1/children) 1')) =~ s/ 33(?= 33)//gr, '0 33',
        'the master is root, and its processes are www-data';
    is_stopped($self, 'a stop', 'stop');
};

subtest 'what is wrong is said by name' => sub {
    for (
        [ NGINX_PORT => 'tcp://10.0.0.1:80', qr/Kubernetes/ ],
        [ NGINX_ENVSUBST_OUTPUT_DIR => '/tmp/elsewhere', qr/conf\.d/ ],
        )
    {
        my ($name, $value, $more) = @$_;

        my $self = nginx(may_fail => 1, env => { $name => $value });

        isnt $images->podman('wait', $self->{name}), 0, "$name=$value: it ends";
        like +(logs($self->{name}))[1],
            qr/\A$name is "\Q$value\E", which must be .*$more.*\n\z/,
            '... and says why';
    }
};

# An nginx.conf that reads templates where they are rendered to.
subtest 'another folder for what is rendered' => sub {
    my $dir = '/tmp/rendered';
    my $out = $images->podman(qw( run --rm --network=none --entrypoint=cat
        unique-random /etc/nginx/nginx.conf ));
    my $own = write_file(tmp_dir() . '/nginx.conf',
        $out =~ s{include  conf\.d/}{include  $dir/}gr);

    my $self = nginx(
        options => [ @safe, "--volume=$own:/etc/nginx/nginx.conf:ro" ],
        env     => { NGINX_ENVSUBST_OUTPUT_DIR => $dir },
    );
    is_serving($self, $dir);
};

done_testing;
