# Every variable of the image that reaches a directive is checked before nginx
# sees it, and what is wrong is said by the variable's name; a URL, which may
# have a password, is never shown.

use strict;
use warnings;

use lib 't/lib';

use Cwd qw( getcwd );
use Test::More;

use UniqueRandom::Util qw( read_file run tmp_dir );

plan skip_all => 'it does not run the module'
    if ($ENV{TEST_NGINX_LOAD_MODULES} // '') =~ m{/build/(?:asan|memcheck)/};

my $scripts = getcwd() . '/docker/entrypoint.d';
my $url     = 'postgresql://nginx:secret@db0.example.com/numbers';

# Code and output of a script, or of what is run after it is sourced.
sub script {
    my ($env, @command) = @_;

    local %ENV = (PATH => $ENV{PATH}, %$env);
    return run(command => \@command, merge => 1);
}

sub settings {
    my ($env) = @_;

    return script($env, qw( sh -e -c ),
        ". $scripts/10-settings.envsh; env");
}

sub shards {
    my ($env) = @_;

    return script({ NGINX_ENVSUBST_OUTPUT_DIR => tmp_dir() . '/conf.d', %$env },
        "$scripts/15-shards.sh");
}

sub said {
    my ($env) = @_;

    return join ' ', map {"$_=$env->{$_}"} sort keys %$env;
}

my %wrong = (
    NGINX_PORT => [
        qr/a port or an address with one, such as 8000/,
        'abc', '0', '99999', '8000;', '80 81', '1.2:80', '[::]', '[::]:', 'h:1',
        '1.2.3.4.5:80', '1.2.3.256:80', '[1:2]:80', '[::1:80', ':80', '::1:80',
        '1.2.3.4:0', '1.2.3.4:65536', '*',
    ],
    NGINX_WORKER_PROCESSES => [
        qr/auto or a number from 1 to 256$/, qw( 0 257 many 1; ),
    ],
    NGINX_RESOLVER => [
        qr/addresses or names of name servers/, '127.0.0.1;', '* x', '{',
        '127.0.0.1 valid=', '127.0.0.1 valid=soon', '127.0.0.1 ipv6=maybe',
        'valid=10s', ' ', '127.0.0.1:0', '[::1', '[x]:53', ':53', '::1',
        'nobody.invalid', 'localhost:dns',
    ],
    NGINX_ENVSUBST_TEMPLATE_DIR    => [ qr/a folder$/, '/nowhere' ],
    NGINX_ENVSUBST_TEMPLATE_SUFFIX => [ qr/the end of a file's name/, '.none' ],
    NGINX_ENVSUBST_FILTER          => [ qr/a regular expression$/, '(' ],
    NGINX_ENVSUBST_OUTPUT_DIR => [ qr{/etc/nginx/conf\.d}, '/tmp/elsewhere' ],
    LOG_LEVEL                 => [ qr/debug, info, .* or emerg$/, 'loud' ],
    UNIQUE_RANDOM_LOG_FORMAT  => [ qr/text or json$/, 'xml', 'text;' ],
    UNIQUE_RANDOM_BOOTSTRAP   => [ qr/on or off$/, qw( yes ON 1 ) ],
    UNIQUE_RANDOM_POOL        => [
        qr/a name without spaces, quotes/, 'two words', 'a;', 'a{', '"a"',
        'a$b', "a\nb", 'a#b',
    ],
    UNIQUE_RANDOM_LEASE_MIN => [
        qr/a number from 1 to 100000000$/, qw( 0 -1 1k 100000001 1; ),
    ],
    UNIQUE_RANDOM_LEASE_MAX => [
        qr/a number from 1 to 100000000$/, qw( 0 off 9999999999999999999999 ),
    ],
);

for my $name (sort keys %wrong) {
    my ($must, @values) = @{ $wrong{$name} };

    for my $value (@values) {
        my ($code, $out) = settings({ $name => $value });

        isnt $code, 0, "$name=$value";
        like $out, qr/\A$name is "\Q$value\E", which must be .*$must/,
            '... says what it must be';
    }
}

for (
    [ { UNIQUE_RANDOM_LEASE_MAX => 10 },
        qr/UNIQUE_RANDOM_LEASE_MAX is "10", which must be at least .* 16$/ ],
    [ { NGINX_PORT => 'tcp://10.0.0.1:80' },
        qr/NGINX_PORT is "tcp.*: Kubernetes .*enableServiceLinks: false/ ],
    )
{
    my ($env, $message) = @$_;
    my ($code, $out) = settings($env);

    isnt $code, 0, said($env);
    like $out, qr/\A$message/, '... says what to do';
}

for (
    [ {}, qr/DB_SHARD_0_URL is not set/ ],
    [ { DB_SHARD_0_URL => '' }, qr/DB_SHARD_0_URL is not set/ ],
    [ { DB_SHARD_0_URL => 'mysql://nginx:secret@h/d' },
        qr/DB_SHARD_0_URL must begin with postgresql:/ ],
    [ { DB_SHARD_0_URL => 'secret' },
        qr/DB_SHARD_0_URL must begin with postgresql:/ ],
    [ { DB_SHARD_0_URL => $url, DB_SHARD_1_RANGE_END => 7 },
        qr/DB_SHARD_1_URL is not set/ ],
    [ { DB_SHARD_0_URL => $url, DB_SHARD_0_RANGE_END => 7,
            DB_SHARD_2_URL => $url },
        qr/shard 2 .* DB_SHARD_2_RANGE_START and DB_SHARD_2_RANGE_END$/ ],
    [ { DB_SHARD_2_URL => $url, DB_SHARD_2_RANGE_START => 7 },
        qr/shard 2 .* no DB_SHARD_2_RANGE_END$/ ],
    [ { DB_SHARD_0_URL => $url, DB_SHARD_0_RANGE_START => '1;' },
        qr/DB_SHARD_0_RANGE_START is "1;", which must be a number from 0/ ],
    [ { DB_SHARD_0_URL => $url, DB_SHARD_0_RANGE_END => '9223372036854775808' },
        qr/DB_SHARD_0_RANGE_END is "9223372036854775808", which must/ ],
    [ { DB_SHARD_0_URL => $url, DB_SHARD_0_RANGE_START => 7,
            DB_SHARD_0_RANGE_END => 6 },
        qr/DB_SHARD_0_RANGE_START is "7", .* more than DB_SHARD_0_RANGE_END/ ],
    [ { DB_SHARD_0_URL => $url, DB_SHARD_1_URL => $url,
            DB_SHARD_1_RANGE_START => 500_000 },
        qr/DB_SHARD_1_RANGE_START is "500000", but DB_SHARD_0_RANGE_END is/ ],
    [ { DB_SHARD_0_URL => $url, DB_SHARD_0_OPTIONS => 'drain; }' },
        qr/DB_SHARD_0_OPTIONS is "drain; }": it takes drain,/ ],
    [ { DB_SHARD_0_URL => $url, DB_SHARD_0_OPTIONS => 'weight=5' },
        qr/DB_SHARD_0_OPTIONS is "weight=5": it takes drain,/ ],
    )
{
    my ($env, $message) = @$_;
    my ($code, $out) = shards($env);

    isnt $code, 0, said($env) =~ s/secret/.../gr;
    like $out, qr/\A15-shards\.sh: $message/, '... and says why';
    unlike $out, qr/secret/, '... but no secret';
}

# What is right, at its ends.
for (
    [ { NGINX_PORT => '65535' }, qr/listen 65535;/ ],
    [ { NGINX_PORT => '127.0.0.1:80' }, qr/=listen 127\.0\.0\.1:80;$/m ],
    [ { NGINX_PORT => '[fe80::1]:80' }, qr/=listen \[fe80::1\]:80;$/m ],
    [ { NGINX_PORT => '*:80' }, qr/=listen \*:80;$/m ],
    [ { NGINX_RESOLVER => '127.0.0.11 [::1]:53 valid=1m30s ipv6=off' },
        qr/=resolver 127\.0\.0\.11 \[::1\]:53 valid=1m30s ipv6=off;$/m ],
    [ { NGINX_RESOLVER => 'localhost:5353 127.0.0.1:53 [::1]' },
        qr/=resolver localhost:5353 127\.0\.0\.1:53 \[::1\];$/m ],
    [ { NGINX_ENVSUBST_TEMPLATE_DIR => getcwd() . '/docker/templates',
            NGINX_ENVSUBST_TEMPLATE_SUFFIX => '.conf.template',
            NGINX_ENVSUBST_FILTER => '^(A|B)' },
        qr/^NGINX_ENVSUBST_FILTER=/m ],
    [ { NGINX_WORKER_PROCESSES => 256, UNIQUE_RANDOM_LEASE_MIN => 1,
            UNIQUE_RANDOM_LEASE_MAX => 1, UNIQUE_RANDOM_POOL => 'a-b.c_1' },
        qr/^UNIQUE_RANDOM_POOL=a-b\.c_1$/m ],
    )
{
    my ($env, $result) = @$_;
    my ($code, $out) = settings($env);

    is $code, 0, said($env) or diag $out;
    like $out, $result, '... is taken';
}

{
    my ($code, $out) = shards({
        DB_SHARD_0_URL         => 'host=db0 password=secret://=',
        DB_SHARD_0_RANGE_START => 0,
        DB_SHARD_0_RANGE_END   => 7,
        DB_SHARD_1_URL         => $url,
        DB_SHARD_1_RANGE_START => 8,
        DB_SHARD_1_RANGE_END   => '9223372036854775807',
        DB_SHARD_1_OPTIONS     => 'max_fails=5 fail_timeout=1m30s'
            . ' failover=advance:1000',
    });
    is $code, 0, 'neighbours, up to the last number' or diag $out;

    my $folder = tmp_dir() . '/conf.d/shards';
    is read_file("$folder/DB_SHARD_1_URL.conf"), 'shard "${DB_SHARD_1_URL}"'
        . ' range=8-9223372036854775807 name=shard1'
        . " max_fails=5 fail_timeout=1m30s failover=advance:1000;\n", '... with its options';

    shards({ DB_SHARD_0_URL => $url });
    ok !-e "$folder/DB_SHARD_1_URL.conf", 'one that is gone is not left over';
}

done_testing;
