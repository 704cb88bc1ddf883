# For a client, nginx is a drop-in for a service that kept a row per number:
# the tests that such a service came with, through nothing but HTTP, each with
# blank databases; and then the way from the one to the other, as
# docs/migration.md has it.
#
# TEST_DB_SHARD_0_URL and TEST_DB_SHARD_1_URL are databases to use, WHICH ARE
# EMPTIED: what is in their schema unique_random is dropped.  Without them two
# private clusters are started.

use strict;
use warnings;

use lib 't/lib';

use B ();
use Cwd qw( abs_path getcwd );
use JSON::PP ();
use Test::More;

use UniqueRandom::Nginx;
use UniqueRandom::Postgres;
use UniqueRandom::Util qw( read_file run write_file );

my @given = grep { defined && $_ ne '' }
    @ENV{qw( TEST_DB_SHARD_0_URL TEST_DB_SHARD_1_URL )};

die "TEST_DB_SHARD_0_URL and TEST_DB_SHARD_1_URL: both, or none\n"
    if @given == 1;

# Nobody's settings but those of the test.
delete @ENV{ grep {/^(?:DB_SHARD_|PG)/} keys %ENV };

my @clusters;

if (!@given) {
    for my $i (0, 1) {
        my $pg = UniqueRandom::Postgres->new(name => "shard$i");
        $pg->create_database('numbers');
        push @clusters, $pg;
    }
}

my @urls = @given ? @given : map { $_->url(db => 'numbers') } @clusters;
my %env  = map { ("DB_SHARD_${_}_URL" => $urls[$_]) } 0, 1;

# psql, which knows no driver of Python's.
sub psql {
    my ($i, $sql) = @_;

    (my $url = $urls[$i]) =~ s/^(postgres(?:ql)?)\+\w+:/$1:/;
    my ($code, $out, $err) = run(command => [
        'psql', '-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1', '-d', $url,
        '-c', $sql,
    ]);
    die "psql: $err\n" if $code;
    chomp $out;
    return $out;
}

# As docs/reference.md says.
my ($reset) = read_file('docs/reference.md')
    =~ /^### Resetting a test database\n.*?psql -d numbers -c "([^"]+)"$/ms;
ok $reset, 'how to reset a database is documented';

psql($_, $reset =~ s/SCHEMA/SCHEMA IF EXISTS/r) for 0, 1;

my $nginx;

# With blank databases.
sub client {
    my ($what, $test, @ranges) = @_;

    @ranges = ([ 1, 500_000 ], [ 500_001, 1_000_000 ]) if !@ranges;

    if ($nginx) {
        $nginx->stop;
        for my $i (0, 1) {
            psql($i, $reset)
                if psql($i, "SELECT to_regnamespace('unique_random')") ne '';
        }
    }

    my $shards = join "\n", map {
        qq{shard "\${DB_SHARD_${_}_URL}" range=$ranges[$_][0]-$ranges[$_][1];}
    } 0 .. $#ranges;

    $nginx = UniqueRandom::Nginx->new(
        env    => \%env,
        http   => "unique_random_pool numbers { bootstrap on; $shards }",
        server => <<'EOT',
location = /random { unique_random; }
location = /health {
    default_type application/json;
    return 200 '{"status":"ok"}';
}
EOT
    );

    return subtest($what => $test);
}

# One answer, as a JSON library reads it.
sub get {
    my ($path) = @_;

    my $reply = $nginx->get($path);
    return ($reply->{status}, JSON::PP->new->decode($reply->{content}), $reply);
}

sub is_integer {
    my ($value) = @_;

    return !ref $value
        && B::svref_2object(\$value)->FLAGS & B::SVf_IOK && $value =~ /^\d+$/;
}

client('the health check' => sub {
    my ($status, $data) = get('/health');

    is $status, 200, 'it answers';
    is_deeply $data, { status => 'ok' }, '... that all is well';
});

client('a number' => sub {
    my ($status, $data, $reply) = get('/random');

    is $status, 200, 'it is there';
    is_deeply [ keys %$data ], ['number'], '... and nothing else';
    ok is_integer($data->{number}), '... an integer';
    cmp_ok $data->{number}, '>=', 1, '... not below the range';
    cmp_ok $data->{number}, '<=', 1_000_000, '... nor above it';
    is $reply->{headers}{'content-type'}, 'application/json', '... as JSON';
});

client('ten numbers' => sub {
    my %seen;

    for (1 .. 10) {
        my ($status, $data) = get('/random');
        is $status, 200, 'one more';
        $seen{ $data->{number} }++;
    }
    is keys %seen, 10, 'each is another one';
});

# Twice, since the second time shows that the databases are blank again.
for my $time ('at first', 'and once more') {
    client("a pool of two numbers, $time" => sub {
        my @replies = map { [ get('/random') ] } 1 .. 4;

        is join(' ', map { $_->[0] } @replies), '200 200 409 409',
            'two, and no more';
        is join(' ', sort map { $_->[1]{number} // () } @replies), '1 2',
            '... the two that there are';
        is_deeply $replies[$_][1],
            { detail => 'All available numbers have been used.' },
            '... and a reason' for 2, 3;
    }, [ 1, 2 ]);
}

client('both shards' => sub {
    my @numbers = map { (get('/random'))[1]{number} // () } 1 .. 5;

    is join(' ', sort { $a <=> $b } @numbers), '1 2 500001 500002',
        'each gives what it has';
}, [ 1, 2 ], [ 500_001, 500_002 ]);

$nginx->stop;
psql($_, $reset) for 0, 1;

# The service before

subtest 'migration' => sub {
    plan skip_all => 'it makes roles, and not in databases that are given'
        if @given;

    # What the service has left behind: numbers up to the end of its ranges.
    my %old;
    for my $i (0, 1) {
        my $first = $i * 500_000 + 1;
        psql($i, 'CREATE TABLE used_numbers (id serial PRIMARY KEY, number'
            . ' integer NOT NULL CONSTRAINT uq_number UNIQUE)');
        psql($i, 'INSERT INTO used_numbers (number) SELECT n FROM'
            . " generate_series($first, $first + 499999, 7) n");
        $old{$_}++ for split /\n/, psql($i, 'SELECT number FROM used_numbers');
    }

    # The configuration that operators copy, in folders of this test.
    my $instance = UniqueRandom::Nginx->new(start => 0);
    my ($dir, $port) = ($instance->dir, $instance->port);
    my ($load) = read_file("$dir/nginx.conf") =~ /\A((?:load_module .*;\n)+)/;
    my $conf   = read_file('nginx.conf.example');
    my $temp   = join '', map {"${_}_temp_path $dir/$_;\n"}
        qw( client_body proxy fastcgi uwsgi scgi );
    my $env    = UniqueRandom::Sanitizer::env_directives();

    for (
        [ qr/^load_module .*;\n/m, $load ],
        [ qr/^user .*;\n/m,        $> == 0 ? "user www-data;\n" : '' ],
        [ qr{/run/nginx\.pid},     "$dir/nginx.pid" ],
        [ qr{/var/lib/nginx/},     "$dir/" ],
        [ qr{/usr/share/\S+/docs\*\.conf}, abs_path('pages/docs.conf') ],
        [ qr{/var/log/nginx/error},  "$dir/error" ],
        [ qr{/var/log/nginx/access}, "$dir/access" ],
        [ qr/listen  8000;/,         "listen  127.0.0.1:$port;" ],
        [ qr/^events \{/m, "$env\nevents {" ],
        [ qr/^http \{/m,   "http {\n$temp" ],
        )
    {
        my ($from, $to) = @$_;
        $conf =~ s/$from/$to/ or die "nginx.conf.example has no $from\n";
    }
    write_file("$dir/nginx.conf", $conf);

    # Each command, with what is made up in it replaced.
    my $text   = read_file('docs/migration.md');
    my @blocks = $text =~ /^```sh\n(.*?)^```\n/gms;
    my $script = join '', @blocks;

    for (
        [ 'db0.example.com', '127.0.0.1:' . $clusters[0]->port, 1 ],
        [ 'db1.example.com', '127.0.0.1:' . $clusters[1]->port, 1 ],
        [ '127.0.0.1:8000',  "127.0.0.1:$port",                 3 ],
        )
    {
        my ($from, $to, $times) = @$_;
        is $script =~ s/\Q$from\E/$to/g, $times, "$from is in the commands";
    }

    local %ENV = %ENV;
    for my $i (0, 1) {
        ($ENV{"DB_SHARD_${i}_URL"} = $urls[$i])
            =~ s/^postgresql:/postgresql+psycopg2:/;
    }
    $ENV{PASSWORD} = 'secret';

    # Not NGINX, where nginx looks for sockets of the binary before it.
    $ENV{NGINX_COMMAND} = join ' ',
        $ENV{TEST_NGINX_BINARY} || '/usr/sbin/nginx', '-p', "$dir/",
        '-e', "$dir/error.log", '-c', "$dir/nginx.conf";

    my ($code, $out) = run(
        command => [
            'bash', '-euc', "cd '" . getcwd() . "'\nset -o pipefail\n"
                . 'nginx() { $NGINX_COMMAND "$@" 2>&1; }' . "\n"
                . "curl() { command curl -sSf \"\$@\" && echo; }\n$script",
        ],
        merge => 1,
    );

    # It was started by the script, and is an nginx as any other from now on.
    $nginx = $instance;
    $nginx->adopt if -s "$dir/nginx.pid";
    is $code, 0, 'every command of docs/migration.md succeeds' or diag $out;

    like $out, qr/^\{"status":"ok"\}\n\{"status":"ready"\}\n\{"number":\d+\}$/m,
        'nginx answers';
    like $out, qr/^0\n0\n/m, 'no old number is in the new ranges';

    my @numbers = ($out =~ /"number":(\d+)/,
        map { (get('/random'))[1]{number} } 1 .. 200);
    is_deeply [ grep { $_ < 1_000_001 || $_ > 2_000_000 } @numbers ], [],
        'numbers are of the new ranges';
    is_deeply [ grep { $old{$_} } @numbers ], [], '... none was given before';
    ok scalar(grep { $_ <= 1_500_000 } @numbers), '... of the first shard';
    ok scalar(grep { $_ > 1_500_000 } @numbers),  '... and of the second one';

    for my $i (0, 1) {
        my $insert = 'INSERT INTO used_numbers (number) VALUES (2)';

        ok !eval { psql($i, $insert); 1 }, "the old table $i takes no more";
        like $@, qr/violates check constraint "closed"/, '... by that';
    }
    is psql(0, 'SELECT count(*) FROM used_numbers'),
        psql(0, 'SELECT (500000 + 6) / 7'), '... and has what it had';

    # What is said of the differences, as far as nginx shows it.
    for (
        [ GET    => '/health', 200 ],
        [ POST   => '/random', 200 ],
        [ HEAD   => '/random', 405 ],
        [ DELETE => '/random', 405 ],
        [ GET    => '/redoc',  404 ],
        )
    {
        my ($method, $path, $status) = @$_;
        is $nginx->request($method, $path)->{status}, $status,
            "$method $path: $status";
    }
    $nginx->stop;
};

done_testing;
