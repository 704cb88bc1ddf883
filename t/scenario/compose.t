# The compose files, by Debian's podman-compose, and so the image of the tests.
# That is of an older time than the Compose Specification that they are written
# to: what it does not know is put in words that it does, and nothing else.

use strict;
use warnings;

use lib 't/lib';

use Cwd qw( getcwd );
use Test::More;

use UniqueRandom::Images;
use UniqueRandom::Util qw(
    at_exit read_file tmp_dir wait_until write_file
);

plan skip_all => 'it builds the module itself'
    if ($ENV{TEST_NGINX_LOAD_MODULES} // '') =~ m{/build/(?:asan|memcheck)/};

# All of Debian that they need is fetched and unpacked, the first time.
alarm 3600;

my $images   = UniqueRandom::Images->new;
my $password = 'a1b2c3d4';

$images->build_server;
$images->build('unique-random', '-f', 'docker/Dockerfile', '.');
$images->build('unique-random-test', '-f', 'docker/Dockerfile', '--target',
    'test', '.');

my $folder = tmp_dir() . '/compose';
mkdir $folder or die "$folder: $!\n";

# As docs/docker.md says.
write_file("$folder/.env",
    read_file('.env.example') =~ s/^(POSTGRES_PASSWORD=).*/$1$password/mr);

sub compose {
    my ($file, @command) = @_;

    my ($code, $out, $err) = $images->command('env', '-C', $folder,
        'podman-compose', '--project-name', ($file =~ s/\W//gr), '-f', $file,
        @command);
    return ($code, "$out$err");
}

my @up;
at_exit(sub { compose($_, qw( down --volumes --timeout 0 )) for @up });

subtest 'docker-compose.yml' => sub {
    my $file = 'docker-compose.yml';
    my $text = read_file($file);

    $text =~ s/env_file:\n +- path: \.env\n +required: false/env_file: .env/
        or die "env_file is not what it was\n";
    $text =~ s/"\$\{DB_SHARD_\d_URL:-(.*)\}"$/"$1"/mg == 2
        or die "URLs are not what they were\n";
    write_file("$folder/$file", $text);

    push @up, $file;
    my ($code, $out) = compose($file, qw( up --detach ));
    is $code, 0, 'up' or diag $out;

    my $url = 'http://127.0.0.1:8000';
    my %from;

    ok eval {
        wait_until(sub {
            my (undef, $body) = $images->get("$url/random");
            $from{ int(($1 - 1) / 500_000) }++
                if ($body // '') =~ /"number":(\d+)/;
            return keys %from == 2;
        }, 60, 'numbers of both shards');
    }, 'numbers of both shards on port 8000' or diag $@;

    is +($images->get("$url/ready"))[0], 200, '/ready';
    is +($images->get("$url/docs"))[0], 200, '/docs';

    for my $port (5432, 5433) {
        my ($failed, $rows) = $images->command('psql', '-Atq', '-c',
            'SELECT first FROM unique_random.ranges',
            "postgresql://numbers:$password\@127.0.0.1:$port/numbers");
        is $rows, $port == 5432 ? "1\n" : "500001\n",
            "the database on port $port";
    }

    # A line more.
    my ($none) = compose($file, qw( exec shard0 createdb -U numbers third ));
    is $none, 0, 'exec';
    write_file("$folder/.env", read_file("$folder/.env")
        . "DB_SHARD_2_URL=postgresql://numbers:$password\@shard0/third\n");
    # It does not see that what is in .env has changed.
    $images->podman(qw( rm --force --time 40 dockercomposeyml_nginx_1 ));
    ($code, $out) = compose($file, qw( up --detach nginx ));
    is $code, 0, 'up, with a shard more in .env' or diag $out;

    ok eval {
        wait_until(sub {
            my (undef, $body) = $images->get("$url/random");
            return ($body // '') =~ /"number":(\d+)/ && $1 > 1_000_000;
        }, 60, 'the third shard');
    }, '... which gives numbers' or diag $@;

    ($code, $out) = compose($file, qw( down --volumes ));
    is $code, 0, 'down' or diag $out;
};

subtest 'docker-compose.test.yml' => sub {
    my $file = 'docker-compose.test.yml';
    write_file("$folder/$file", read_file($file));

    push @up, $file;
    my ($code, $out) = compose($file, qw( up --detach shard0 shard1 ));
    is $code, 0, 'up' or diag $out;

    for my $port (5435, 5436) {
        wait_until(sub {
            my ($failed) = $images->command('psql', '-qc', 'SELECT',
                "postgresql://numbers:$password\@127.0.0.1:$port/numbers");
            return !$failed;
        }, 60, "the server on port $port");
    }

    ($code, $out) = compose($file, qw( run --rm tests make test-release
        T=t/scenario/black-box.t ));
    is $code, 0, 'the suite in its container' or diag $out;
    like $out, qr/^Result: PASS/m, '... passes';

    ($code, $out) = compose($file, 'down');
    is $code, 0, 'down' or diag $out;
};

done_testing;
