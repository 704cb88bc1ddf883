# docs/openapi.yaml is what clients are written by, so it has to be true: each
# answer in it is one that nginx gives with nginx.conf.example, to the letter,
# and nginx gives no header that is not in it.

use strict;
use warnings;

use lib 't/lib';

use Cwd qw( abs_path );
use JSON::PP ();
use Test::More;

use UniqueRandom::Load;
use UniqueRandom::Nginx;
use UniqueRandom::OpenAPI;
use UniqueRandom::Pages qw( make_pages );
use UniqueRandom::Postgres;
use UniqueRandom::Util qw( free_port read_file run wait_until );

plan skip_all => 'the answers are tested elsewhere with the sanitizers'
    if ($ENV{TEST_NGINX_LOAD_MODULES} // '') =~ m{/build/(?:asan|memcheck)/};

my $json = JSON::PP->new->canonical->allow_nonref->utf8;

my ($code, $out) = run(
    command => [ abs_path('tools/pages'), '--lint' ],
    merge   => 1,
);
is $code, 0, 'the linter has nothing to say' or diag $out;

my $pages     = make_pages();
my $described = UniqueRandom::OpenAPI->new("$pages/openapi.json");
my $api       = $described->api;

sub is_described { return $described->is_described(@_) }

# By another parser than the one that made the JSON.
($code, $out) = run(command => [
    'node', '-e',
    'const [, lint, yaml] = process.argv;'
        . 'const { parse } = require(`${lint}/@stoplight/yaml`);'
        . 'const text = require("fs").readFileSync(yaml, "utf8");'
        . 'console.log(JSON.stringify(parse(text)))',
    abs_path('build/pages-lint/node_modules'), abs_path('docs/openapi.yaml'),
]);
is_deeply $code ? $out : $json->decode($out), $api,
    'openapi.json is what openapi.yaml says';

# The locations of the example, and its limits.
my $example = read_file('nginx.conf.example');

my $http = join '',
    $example =~ /^( {4}(?:limit_req\w*|server_tokens) +.*;\n)/mg;
my $server = join '',
    $example =~ /^( {8}location = \/\w+ \{\n.*?^ {8}\}\n)/msg;

sub nginx {
    my ($shard, $more) = @_;

    # A database that is slow for a moment is asked on.
    $more .= ' wait_timeout 20s;' if $more !~ /wait_timeout/;

    return UniqueRandom::Nginx->new(
        http => 'unique_random_pool numbers { connect_timeout 20s;'
            . " reserve_timeout 20s; shard $shard; $more }\n$http",
        server => $server,
    );
}

my $pg = UniqueRandom::Postgres->new(name => 'shard');

$pg->create_database($_) for qw( many few );

my $nginx = nginx($pg->url(db => 'many') . ' range=0-9999', 'bootstrap on;');

is_described($nginx->request(@$_), lc $_->[0], $_->[1], "@$_[0, 1]") for
    [ 'GET',  '/random' ],
    [ 'GET',  '/random?count=3' ],
    [ 'GET',  '/random?count=0' ],
    [ 'POST', '/random' ],
    [ 'POST', '/random?count=3' ],
    [ 'POST', '/random?count=1001' ],
    [ 'POST', '/random', content => '{"count":1}',
        headers => { 'Content-Type' => 'application/json' } ],
    [ 'GET',  '/random', headers => { Accept => 'text/plain' } ],
    [ 'POST', '/random', headers => { Accept => 'text/plain' } ],
    [ 'GET',  '/health' ],
    [ 'GET',  '/ready' ];

is_deeply [ map { $_->{schema} } @{ $api->{paths}{'/random'}{$_}{parameters} } ],
    [ { type => 'integer', minimum => 1, maximum => 1000 } ],
    "count, as it may be in a $_" for qw( get post );

my $head = $nginx->request('HEAD', '/ready');
is $head->{status} . ($head->{content} // ''), '200', 'HEAD /ready';

for my $method (qw( PUT DELETE OPTIONS )) {
    my $reply = $nginx->request($method, '/random');

    is $reply->{status}, 405, "$method /random";
    is_described($reply, $_, '/random', $method) for qw( get post );

    is_described($nginx->request($method, '/ready'), 'get', '/ready', $method);
}

is $nginx->request('HEAD', '/random')->{status}, 405, 'HEAD /random';

for my $method (qw( GET POST )) {
    my $reply;
    my $flood = UniqueRandom::Load->new(port => $nginx->port,
        method => $method, deadline => 300)->start;

    wait_until(sub {
        $reply = $nginx->request($method, '/random');
        return $reply->{status} != 200;
    }, 60, 'too many requests');
    $flood->stop->finish;

    is $reply->{status}, 429, "a flood of $method";
    is_described($reply, lc $method, '/random', $method);
}

$nginx->stop;

# Numbers in a form of their own.
for my $method (qw( GET POST )) {
    $pg->create_database("written_$method");
    $nginx = nginx($pg->url(db => "written_$method") . ' range=572-572',
        'bootstrap on; format decimal width=7 prefix=INV- check=damm;');

    my $written = $nginx->request($method, '/random');

    is_described($written, lc $method, '/random', "written, $method");
    is $written->{content}, '{"number":"INV-00005724"}', '... as it says';
    $nginx->stop;
}

# The last number has been issued.
$nginx = nginx($pg->url(db => 'few') . ' range=1-2', 'bootstrap on;');
$nginx->get('/random') for 1 .. 2;

for my $path ('/random', '/random?count=3') {
    is_described($nginx->request($_, $path), lc $_, $path, "then $_ $path")
        for qw( GET POST );
}

is_described($nginx->get('/ready'), 'get', '/ready', 'then /ready');
is $nginx->get('/health')->{status}, 200, '... and nginx still runs';
$nginx->stop;

# No database can be reached.
$nginx = nginx(
    'postgresql://127.0.0.1:' . free_port() . '/none range=1-2',
    'wait_timeout 100ms;',
);

for my $path ('/random', '/random?count=3') {
    is_described($nginx->request($_, $path), lc $_, $path,
        "without a database, $_ $path") for qw( GET POST );
}

is_described($nginx->get('/ready'), 'get', '/ready', '... /ready');
$nginx->stop;

# And nothing in it is made up.
is join(' ', $described->missing), '', 'every answer in it was given';

# Locations of the API that it does not know of.
my @locations = $server =~ /location = (\S+)/g;

is_deeply [ sort grep { !$api->{paths}{$_} && !m{^/docs} } @locations ], [],
    'every location of the example is in it';
is join(', ', $described->operations),
    'get /health, get /random, post /random, get /ready',
    'and these are all operations';

done_testing;
