# Every variable of the image that reaches a directive is checked before nginx
# sees it, and what is wrong is said by the variable's name; a URL, which may
# have a password, is never shown.

use strict;
use warnings;

use lib 't/lib';

use Cwd qw( getcwd );
use Test::More;

use UniqueRandom::Util qw( read_file run tmp_dir write_file );

plan skip_all => 'it does not run the module'
    if ($ENV{TEST_NGINX_LOAD_MODULES} // '') =~ m{/build/(?:asan|memcheck)/};

my $scripts = getcwd() . '/docker/entrypoint.d';
my $url     = 'postgresql://nginx:secret@db0.example.com/numbers';

# Code and output of a script, or of what is run after it is sourced.  Where an
# nginx is asked for its version, it is one that says this one.
sub script {
    my ($env, @command) = @_;

    local %ENV = (PATH => tmp_dir() . "/bin:$ENV{PATH}", %$env);
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

# What is rendered of the image's templates.
sub templates {
    my ($env) = @_;

    my $dir = tmp_dir() . '/rendered';
    run(command => [ 'rm', '-rf', $dir ]);
    mkdir $dir or die "$dir: $!\n";

    return script({
        NGINX_ENVSUBST_OUTPUT_DIR   => $dir,
        NGINX_ENVSUBST_TEMPLATE_DIR => getcwd() . '/docker/templates',
        %$env,
    }, "$scripts/20-envsubst-on-templates.sh");
}

sub nginx_version {
    my ($version) = @_;

    my $file = tmp_dir() . '/bin/nginx';

    mkdir tmp_dir() . '/bin';
    write_file($file, "#!/bin/sh\necho 'nginx version: $version' >&2\n");
    chmod 0755, $file;
    return;
}

sub said {
    my ($env) = @_;

    return join ' ', map {"$_=$env->{$_}"} sort keys %$env;
}

nginx_version('nginx/1.22.1');

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
        'nobody.invalid', 'localhost:dns', '127.0.0.1 ipv4=off',
        '127.0.0.1 valid=10s5m', '127.0.0.1 valid=10ms',
        '127.0.0.1 valid=9999999999',
    ],
    NGINX_ENVSUBST_TEMPLATE_DIR    => [ qr/a folder$/, '/nowhere' ],
    NGINX_ENVSUBST_TEMPLATE_SUFFIX => [ qr/the end of a file's name/, '.none' ],
    NGINX_ENVSUBST_FILTER          => [ qr/a regular expression$/, '(' ],
    NGINX_ENVSUBST_OUTPUT_DIR => [ qr{/etc/nginx/conf\.d}, '/tmp/elsewhere', 'conf.d',
        qw( / /run /var/log/nginx ) ],
    LOG_LEVEL                 => [ qr/debug, info, .* or emerg$/, 'loud',
        'Verbose' ],
    UNIQUE_RANDOM_LOG_FORMAT  => [ qr/text or json$/, 'xml', 'text;' ],
    UNIQUE_RANDOM_BOOTSTRAP   => [ qr/on or off$/, qw( yes ON 1 ) ],
    UNIQUE_RANDOM_POOL        => [
        qr/a name without spaces, quotes/, 'two words', 'a;', 'a{', '"a"',
        'a$b', "a\nb", 'a#b', 'a' x 242, '/' x 81,
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
    [ { DB_SHARD_0_URL => $url, DB_SHARD_0_RANGE_START => '000',
            DB_SHARD_0_RANGE_END => '9223372036854775807' },
        qr/DB_SHARD_0_RANGE_START is "0" and DB_SHARD_0_RANGE_END .* more than/ ],
    [ { DB_SHARD_0_URL => $url, DB_SHARD_0_RANGE_START => 1,
            DB_SHARD_0_RANGE_END => 1_073_741_825,
            DB_SHARD_0_OPTIONS => 'adopted' },
        qr/DB_SHARD_0_RANGE_START .* adopted must not .* 1073741824 numbers$/ ],
    [ { DB_SHARD_99999999999999999999_URL => $url },
        qr/DB_SHARD_99999999999999999999_\*: .* up to 18 digits$/ ],
    [ { DB_SHARD_18446744073709_URL => $url },
        qr/shard 18446744073709 .* no DB_SHARD_18446744073709_RANGE_START/ ],
    (map {
        [ { DB_SHARD_0_URL => $url, DB_SHARD_0_OPTIONS => $_ },
            qr/DB_SHARD_0_OPTIONS is "\Q$_\E": it takes drain,/ ]
    } qw( weight=5 drain=1 adopted=1-7 max_fails= max_fails=9223372036854775808
        fail_timeout= fail_timeout=0 fail_timeout=0s fail_timeout=5s1h
        fail_timeout=1M fail_timeout=9999999999 failover= failover=advance:
        failover=advance:0 failover=advance:01
        failover=advance:4611686018427387905 failover=advance:1:2 )),
    (map {
        [ { DB_SHARD_0_URL => $url, DB_SHARD_0_OPTIONS => $_ },
            qr/DB_SHARD_0_OPTIONS is "\Q$_\E", which has "\w+" twice$/ ]
    } 'drain drain', 'adopted down adopted', 'max_fails=1 max_fails=1',
        'failover=trust failover=advance:7'),
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
    [ { NGINX_RESOLVER => '127.0.0.1 valid=1y2M3w4d5h6m7s8' },
        qr/=resolver 127\.0\.0\.1 valid=1y2M3w4d5h6m7s8;$/m ],
    [ { NGINX_RESOLVER => 'localhost:5353 127.0.0.1:53 [::1]' },
        qr/=resolver localhost:5353 127\.0\.0\.1:53 \[::1\];$/m ],
    [ { NGINX_ENVSUBST_TEMPLATE_DIR => getcwd() . '/docker/templates//',
            NGINX_ENVSUBST_TEMPLATE_SUFFIX => '.template',
            NGINX_ENVSUBST_FILTER => '^(A|B)' },
        qr{^NGINX_ENVSUBST_TEMPLATE_DIR=/.*/docker/templates$}m ],
    [ { NGINX_ENVSUBST_OUTPUT_DIR => '/etc/nginx/conf.d/' },
        qr{^NGINX_ENVSUBST_OUTPUT_DIR=/etc/nginx/conf\.d$}m ],
    [ { LOG_LEVEL => 'Warning' }, qr/^LOG_LEVEL=warn$/m ],
    [ { UNIQUE_RANDOM_POOL => 'a' x 241 }, qr/^UNIQUE_RANDOM_POOL=a{241}$/m ],
    [ { UNIQUE_RANDOM_POOL => '/' x 80 }, qr/^UNIQUE_RANDOM_POOL=/m ],
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

# What nginx knows since 1.23.1.
nginx_version('nginx/1.24.0 (Ubuntu)');
like +(settings({ NGINX_RESOLVER => '127.0.0.1 ipv4=off' }))[1],
    qr/=resolver 127\.0\.0\.1 ipv4=off;$/m, 'a newer nginx knows ipv4=';
like +(settings({ NGINX_RESOLVER => '127.0.0.1 ipv4=off ipv6=off' }))[1],
    qr/\ANGINX_RESOLVER is /, '... but not neither';

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

    for (
        [ 'fail_timeout=1w2d3h4m5s6ms7 max_fails=9223372036854775807' ],
        [ 'failover=advance:4611686018427387904' ],
        [ ' drain  adopted down', 'adopted=1-500000 name=shard0 drain down' ],
        [ 'adopted', 'adopted=1-1073741824 name=shard0', 1_073_741_824 ],
        [ 'drain', 'range=8-9 name=shard0 drain', '09', '08' ],
        )
    {
        my ($options, $line, $last, $first) = @$_;

        ($code, $out) = shards({
            DB_SHARD_0_URL         => $url,
            DB_SHARD_0_OPTIONS     => $options,
            DB_SHARD_0_RANGE_START => $first // '',
            DB_SHARD_0_RANGE_END   => $last // '',
        });
        is $code, 0, "DB_SHARD_0_OPTIONS=$options" or diag $out;

        $line //= "range=1-500000 name=shard0 $options";
        is read_file("$folder/DB_SHARD_0_URL.conf"),
            "shard \"\${DB_SHARD_0_URL}\" $line;\n", '... is in its line';
    }

    shards({ DB_SHARD_0_URL => $url });
    ok !-e "$folder/DB_SHARD_1_URL.conf", 'one that is gone is not left over';
}

# Without any *.conf there would be no server.
for (
    [ { NGINX_ENVSUBST_TEMPLATE_SUFFIX => 'e' }, qr/what follows "\.conf" in/ ],
    [ { NGINX_ENVSUBST_TEMPLATE_SUFFIX => '.conf.template' },
        qr/what follows "\.conf" in the name of a template/ ],
    [ { NGINX_ENVSUBST_TEMPLATE_DIR => getcwd() . '/docker' },
        qr/a folder with a template such as default\.conf\.template$/ ],
    )
{
    my ($env, $must) = @$_;
    my ($name, $value) = %$env;
    my ($code, $out)   = templates($env);

    isnt $code, 0, "$name=$value";
    like $out, qr/\A$name is "\Q$value\E", which must be .*$must/,
        '... says what it must be';
}

# What the image's templates name is replaced, whatever else is.
{
    my %env = (UNIQUE_RANDOM_POOL => 'vouchers', NGINX_WORKER_PROCESSES => 3);

    for my $filter ('^FOO', '', '.') {
        my ($code, $out)
            = templates({ %env, NGINX_ENVSUBST_FILTER => $filter });

        is $code, 0, "NGINX_ENVSUBST_FILTER=$filter" or diag $out;
        like read_file(tmp_dir() . '/rendered/default.conf'),
            qr/^unique_random_pool vouchers \{$/m, '... the pool is named';
        like read_file(tmp_dir() . '/rendered/main/main.conf'),
            qr/^worker_processes  3;$/m, '... and processes are counted';
    }
}

done_testing;
