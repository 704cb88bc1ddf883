# docs/openapi-lookup.yaml, as openapi.t has it of openapi.yaml: each answer in
# it is one that nginx gives with the look-up of nginx.conf.example.

use strict;
use warnings;

use lib 't/lib';

use Test::More;

use UniqueRandom::Nginx;
use UniqueRandom::OpenAPI;
use UniqueRandom::Pages qw( make_pages );
use UniqueRandom::Postgres;
use UniqueRandom::Util qw( free_port read_file wait_until );

plan skip_all => 'the answers are tested elsewhere with the sanitizers'
    if ($ENV{TEST_NGINX_LOAD_MODULES} // '') =~ m{/build/(?:asan|memcheck)/};

my $pages = make_pages();

my $described = UniqueRandom::OpenAPI->new("$pages/openapi-lookup.json");

# The location of the example, and its limits.
my $example = read_file('nginx.conf.example');

my $http = join '',
    $example =~ /^( {4}(?:limit_req\w*|server_tokens) +.*;\n)/mg;
my ($server) = $example =~ /^( {8}location \/lookup \{\n.*?^ {8}\}\n)/ms
    or die "nginx.conf.example has no look-up\n";

like $server, qr/^ +limit_req +zone=/m, 'the example limits look-ups';
like $server, qr/^ +deny +all;/m, '... and who may have them';
like $server, qr/^ +access_log +off;/m, '... and does not log the numbers';

sub nginx {
    my ($shard, $more) = @_;

    return UniqueRandom::Nginx->new(
        http => 'unique_random_pool numbers { connect_timeout 20s;'
            . " reserve_timeout 20s; wait_timeout 20s; shard $shard; $more }\n"
            . $http,
        server => "$server location = /random { unique_random; }",
    );
}

# What is asked too often is asked again.
sub look_up {
    my ($nginx, $args, $method) = @_;

    my $reply;

    wait_until(sub {
        $reply = $nginx->request($method // 'GET', "/lookup$args");
        return $reply->{status} != 429;
    }, 60, "a look-up of $args");

    return $reply;
}

sub is_described {
    my ($nginx, $args, $method) = @_;

    my $reply = look_up($nginx, $args, $method);

    $described->is_described($reply, 'get', '/lookup',
        ($method // 'GET') . " /lookup$args");

    return $reply;
}

my $pg = UniqueRandom::Postgres->new(name => 'shard');

$pg->create_database($_) for qw( numbers written );

# Of all numbers at once, and of none yet.
my $nginx = nginx($pg->url(db => 'numbers') . ' range=1-1000000',
    'bootstrap on; exclude 666; lease min=16 max=16;');

is_described($nginx, "?number=$_") for 1, 1_000_001, '18446744073709551616', 'x';
is_described($nginx, $_) for '', '?number=', '?number=1&number=2';
is_described($nginx, '?number=1', $_) for qw( POST PUT DELETE );

is look_up($nginx, '?number=1', 'HEAD')->{status}, 200, 'HEAD /lookup';

my ($number) = $nginx->get('/random')->{content} =~ /"number":(\d+)/;

my $reply = is_described($nginx, "?number=$number");
like $reply->{content}, qr/"status":"reserved"/, '... which was issued';

is_described($nginx, '?number=666');

# Of a million, some hundred at most are reserved.
my ($other) = grep { look_up($nginx, "?number=$_")->{content} =~ /"unreserved"/ }
    1 .. 3;
is_described($nginx, "?number=$other");

wait_until(sub {
    $reply = $nginx->get("/lookup?number=$number");
    return $reply->{status} == 429;
}, 60, 'too many look-ups');
$described->is_described($reply, 'get', '/lookup', 'a flood');

$nginx->stop;

# Numbers in a form of their own.
$nginx = nginx($pg->url(db => 'written') . ' range=572-572',
    'bootstrap on; format decimal width=7 prefix=INV- check=damm;');

$nginx->get('/random');

is_described($nginx, "?number=$_") for qw( INV-00005724 INV-00005725 5724 );
$nginx->stop;

# Who may not ask.
$server =~ s/allow  127\.0\.0\.0\/8;/allow  192.0.2.1;/
    or die "the example allows others\n";
$nginx = nginx('postgresql://127.0.0.1:' . free_port() . '/none range=1-2', '');

is_described($nginx, '?number=1');
$nginx->stop;

# And nothing in it is made up.
is join(' ', $described->missing), '', 'every answer in it was given';
is join(', ', $described->operations), 'get /lookup', 'and there is no more';

done_testing;
