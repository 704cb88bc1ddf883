# What docker/ and the compose files say, as far as it shows without a Docker
# engine: they are checked by linters, and against each other and the
# documentation.  What comes of them is in container.t.

use strict;
use warnings;

use lib 't/lib';

use Cwd qw( getcwd );
use Digest::SHA qw( sha256_hex );
use JSON::PP qw( decode_json );
use Test::More;

use UniqueRandom::Dockerfile qw( instructions stages );
use UniqueRandom::Util qw( read_file run tmp_dir write_file );

plan skip_all => 'the files are the same in each build'
    if ($ENV{TEST_NGINX_LOAD_MODULES} // '') =~ m{/build/(?:asan|memcheck)/};

my $top   = getcwd();
my %stage = map { $_ => 1 } stages();

sub ok_command {
    my ($what, @command) = @_;

    my ($code, $out) = run(
        command => [ 'env', '-C', $top, @command ],
        merge   => 1,
    );
    return is($code, 0, $what) || diag $out;
}

# Linters; that of scripts is in t/lint.t

subtest 'scripts' => sub {
    my @scripts = (glob('docker/*.sh'), glob('docker/entrypoint.d/*'));

    cmp_ok scalar @scripts, '>=', 5, 'they are found';
    ok -x $_, "$_ can be run" for @scripts;
};

# npm's packages, kept in the build folder under what their lock file is.
sub linters {
    my $made = "$top/build/linters-"
        . substr sha256_hex(read_file('docker/test/package-lock.json')), 0, 16;

    return $made if -d $made;

    my $new = tmp_dir() . '/linters';
    mkdir $new or die "$new: $!\n";
    for my $name (qw( package.json package-lock.json )) {
        write_file("$new/$name", read_file("docker/test/$name"));
    }

    my ($code, $out) = run(
        command => [
            'npm', 'ci', '--prefix', $new, '--ignore-scripts', '--no-audit',
            '--no-fund',
        ],
        merge => 1,
    );
    die "npm ci failed: $out\n" if $code;

    mkdir "$top/build";
    run(command => [ 'cp', '-a', $new, "$made.$$" ]);
    rename "$made.$$", $made or run(command => [ 'rm', '-rf', "$made.$$" ]);
    return $made;
}

my $linters = eval { linters() };

SKIP: {
    # Where there is a network, it has to work.
    diag $@ if !$linters;
    die 'no linters' if !$linters && $ENV{CI};
    skip 'npm does not install the linters', 1 if !$linters;

    my $dclint = "$linters/node_modules/.bin/dclint";
    my @config = ('-c', 'docker/test/dclint.json');

    subtest 'compose files' => sub {
        for my $file (qw( docker-compose.yml docker-compose.test.yml )) {
            ok_command("$file is as the Compose Specification says",
                $dclint, @config, '--max-warnings', 0, $file);
        }

        my $wrong = tmp_dir() . '/wrong.yml';
        (my $text = read_file('docker-compose.yml'))
            =~ s/condition: service_healthy/condition: service_well/;
        write_file($wrong, $text);

        my ($code) = run(
            command => [ 'env', '-C', $top, $dclint, @config, $wrong ],
            merge   => 1,
        );
        isnt $code, 0, '... and a wrong one would be noticed';

        my %stack;
        for my $file (qw( docker-compose.yml docker-compose.test.yml )) {
            my ($failed, $json, $err) = run(command => [
                'env', '-C', $linters, 'node', '-e',
                'const fs = require("fs"), yaml = require("yaml");'
                    . 'console.log(JSON.stringify(yaml.parse(fs.readFileSync('
                    . 'process.argv[1], "utf8"), { merge: true })))',
                "$top/$file",
            ]);
            die "$file: $err\n" if $failed;
            $stack{$file} = decode_json($json);
        }
        check_stacks(@stack{qw( docker-compose.yml docker-compose.test.yml )});
    };

    subtest 'Dockerfile' => sub {
        ok_command('its syntax is right',
            "$linters/node_modules/.bin/dockerfile-utils", 'lint',
            'docker/Dockerfile');
    };
}

sub check_stacks {
    my ($dev, $test) = @_;

    isnt $dev->{name}, $test->{name}, 'the stacks have names of their own';

    my %port;
    for my $service (map { values %{ $_->{services} } } $dev, $test) {
        push @{ $port{ /(\d+):\d+$/ ? $1 : $_ } }, $service
            for @{ $service->{ports} // [] };
        ok !exists $service->{container_name} && !exists $service->{networks}
            && !exists $service->{network_mode}, '... and share nothing';
    }
    is join(' ', sort keys %port), '5432 5433 5435 5436 8000', 'ports';
    is_deeply [ grep { @$_ > 1 } values %port ], [], '... each used once';
    is_deeply [ grep { $_->{volumes} } values %{ $test->{services} } ], [],
        '... nothing is kept of the test';
    is_deeply [ grep { $_ && $_->{external} } values %{ $dev->{volumes} } ], [],
        '... and no volume comes from elsewhere';

    for my $stack ($dev, $test) {
        my $services = $stack->{services};

        for my $name (sort keys %$services) {
            my $service = $services->{$name};

            if (my $build = $service->{build}) {
                my $target = $build->{target} // (stages())[-1];
                ok $stage{$target}, "$stack->{name} $name: stage $target";

                is_deeply [
                    map { $service->{depends_on}{$_}{condition} // 'none' }
                        qw( shard0 shard1 )
                ], [ ('service_healthy') x 2 ], '... waits for the shards';
                next;
            }

            like $service->{image}, qr/^postgres:\d+/,
                "$stack->{name} $name: a version";
            like $service->{environment}{POSTGRES_PASSWORD},
                qr/^\$\{POSTGRES_PASSWORD:\?[^}]+\}$/,
                '... a password from outside, and none by default';
            is $service->{healthcheck}{test}[1], 'pg_isready',
                '... a health check';
        }
    }

    is_deeply [ grep { ($_->{restart} // '') ne 'unless-stopped' }
            values %{ $dev->{services} } ], [], 'what fails is restarted';

    # What a read-only container has to write to, a tmpfs or a volume is for.
    my $service = $dev->{services}{nginx};
    my @places  = map {s/:.*//r} @{ $service->{tmpfs} };
    push @places, map { (split /:/)[1] } @{ $service->{volumes} };
    is_deeply [ sort @places ], [
        sort '/tmp', '/etc/nginx/conf.d', instructions('runtime', 'VOLUME')
    ], 'nginx has places to write to';
    return;
}

# What is said of them

subtest 'every variable is documented' => sub {
    my $example = read_file('.env.example');
    my $docs    = read_file('docs/docker.md');
    my %set     = map { s/_\d_/_n_/r => 1 } $example =~ /^#?([A-Z]\w+)=/mg;
    my %said    = map { $_ => 1 } $docs =~ /`([A-Z]\w+)`/g;
    my %used;

    for my $file (glob('docker/entrypoint.d/* docker/*.sh docker/templates/*'),
        glob('docker/templates/*/* docker-compose.yml docker/Dockerfile'))
    {
        next if !-f $file;
        $used{ s/_\d_/_n_/r }{$file} = 1 for read_file($file)
            =~ /\b((?:NGINX|UNIQUE_RANDOM|DB_SHARD_[n\d]|LOG)_[A-Z_]+)\b/g;
    }

    # Parts of names, and what one script makes for the next.
    delete @used{ qw( NGINX_LISTEN_DIRECTIVES NGINX_RESOLVER_DIRECTIVE
        NGINX_ENTRYPOINT_DIR
        DB_SHARD_n_NAME ), grep {/_\z/} keys %used };
    $used{"DB_SHARD_n_$_"} = 1 for qw( URL RANGE_START RANGE_END OPTIONS );

    is_deeply [ grep { !$said{$_} } sort keys %used ], [],
        'docs/docker.md has each';
    is_deeply [
        grep { !$set{$_} && !/^NGINX_E|_VERSION\z/ } sort keys %used
    ], [], '.env.example has each that is a setting';
    is_deeply [ grep { !$used{$_} && !/^POSTGRES/ } sort keys %set ], [],
        '... and no other';

    my %env = $example =~ /^([A-Z]\w+)=(.*)/mg;
    is join(' ', keys %env), 'POSTGRES_PASSWORD', 'one has to be set';
};

subtest 'commands in docs/docker.md' => sub {
    my $docs = read_file('docs/docker.md');
    my @commands = map { split /\n/ } $docs =~ /^ *```sh\n(.*?)^ *```\n/gms;

    cmp_ok scalar @commands, '>', 10, 'there are some';
    for (map {/--target[= ](\S+)/ ? $1 : ()} @commands) {
        ok $stage{$_}, "--target $_";
    }
    for (map {/ -f (\S+)/ ? $1 : ()} @commands) {
        ok -f $_, "-f $_";
    }
};

done_testing;
