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
use UniqueRandom::Postgres;
use UniqueRandom::Util qw( free_port read_file run tmp_dir wait_until );

plan skip_all => 'the answers are tested elsewhere with the sanitizers'
    if ($ENV{TEST_NGINX_LOAD_MODULES} // '') =~ m{/build/(?:asan|memcheck)/};

my $json  = JSON::PP->new->canonical->allow_nonref->utf8;
my $pages = tmp_dir() . '/pages';

my ($code, $out) = run(
    command => [ abs_path('tools/pages'), '--lint' ],
    merge   => 1,
);
is $code, 0, 'the linter has nothing to say' or diag $out;

($code, $out) = run(
    command => [ abs_path('tools/pages'), $pages ],
    merge   => 1,
);
is $code, 0, 'tools/pages' or die $out;

my $api = $json->decode(read_file("$pages/openapi.json"));

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

sub resolve {
    my ($what) = @_;

    while (ref $what eq 'HASH' && defined $what->{'$ref'}) {
        my ($path) = $what->{'$ref'} =~ m{\A#/(.+)} or die $what->{'$ref'};

        $what = $api;
        $what = $what->{$_} // die "no $path\n" for split m{/}, $path;
    }

    return $what;
}

my %matches = (
    string  => qr/\A".*"\z/s,
    integer => qr/\A-?\d+\z/,
    object  => qr/\A\{.*\}\z/s,
    array   => qr/\A\[.*\]\z/s,
);

# What is wrong with a value, by the part of JSON Schema that is in use.
sub misfits {
    my ($schema, $value, $name) = @_;

    $schema = resolve($schema);

    if ($schema->{oneOf}) {
        my @each = map { [ misfits($_, $value, $name) ] } @{ $schema->{oneOf} };
        my @fits = grep { !@$_ } @each;

        return @fits == 1 ? () : map { @$_ } @each;
    }

    my $text = $json->encode($value);
    return "$name is no $schema->{type}: $text"
        if $text !~ $matches{ $schema->{type} };

    my @misfits;

    push @misfits, "$name is $text"
        if exists $schema->{const} && $text ne $json->encode($schema->{const});
    push @misfits, "$name is less than $schema->{minimum}"
        if exists $schema->{minimum} && $value < $schema->{minimum};

    if ($schema->{type} eq 'array') {
        push @misfits, map { misfits($schema->{items}, $_, "one of $name") }
            @$value;
        push @misfits, "$name is too short"
            if @$value < ($schema->{minItems} // 0);
    }

    if ($schema->{type} eq 'object') {
        my $properties = $schema->{properties};

        push @misfits, map {"$name lacks $_"}
            grep { !exists $value->{$_} } @{ $schema->{required} };
        push @misfits, map {
            $properties->{$_}
                ? misfits($properties->{$_}, $value->{$_}, $_)
                : "$_ is not described"
        } sort keys %$value;
    }

    return @misfits;
}

# Headers that are HTTP's own.
my %usual = map { $_ => 1 }
    qw( connection content-length content-type date server transfer-encoding );

my (%answered, %examples);

# One number is as good as another.
sub text {
    my ($body) = @_;

    return $json->encode($body) =~ s/\d+(?=[\],}])/0/gr;
}

# Whether the answer is one that the description has for the operation.
sub is_described {
    my ($reply, $operation, $path, $what) = @_;

    $path =~ s/\?.*//;

    my $status = $reply->{status};
    my $answer = $api->{paths}{$path}{$operation}{responses}{$status};

    $answered{"$operation $path $status"} = 1;
    return fail "$what: $status is not described" if !$answer;

    my %described = map { lc $_ => resolve($answer->{headers}{$_}) }
        keys %{ $answer->{headers} // {} };
    my $headers = $reply->{headers};
    my @misfits;

    push @misfits, map {"the header $_ is not described"}
        grep { !$usual{$_} && !$described{$_} } sort keys %$headers;

    for my $name (sort keys %described) {
        my $schema = resolve($described{$name}{schema});
        my $value  = $headers->{$name};

        $value += 0
            if $schema->{type} eq 'integer' && ($value // '') =~ /\A\d+\z/;

        push @misfits, defined $value
            ? misfits($schema, $value, $name) : "there is no header $name";
    }

    my $type  = $headers->{'content-type'};
    my $media = $answer->{content}{$type};

    push @misfits, "Content-Type is $type" if !$media;
    $answered{"$operation $path $status $type"} = 1;

    if ($type eq 'application/json') {
        my $body = eval { $json->decode($reply->{content}) };

        push @misfits, defined $body
            ? misfits($media->{schema}, $body, 'the body')
            : "this is not JSON: $reply->{content}";

        my @examples = $media->{example}
            // map { $_->{value} } values %{ $media->{examples} };

        push @misfits, map { misfits($media->{schema}, $_, 'the example') }
            @examples;

        my $text = text($body);
        my ($is) = grep { text($_) eq $text } @examples;

        push @misfits, "no example is $text" if !$is;
        $examples{"$operation $path $status"}{$text} = 1;
    }
    elsif ($type eq 'text/plain') {
        push @misfits, map {"no number and line feed: $_"}
            grep { !/\A[0-9]+\n\z/ } $reply->{content}, $media->{example};
    }

    return is join("\n", @misfits), '', "$what: $status is as described";
}

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
my (@missing, @operations);

for my $path (sort keys %{ $api->{paths} }) {
    for my $operation (sort keys %{ $api->{paths}{$path} }) {
        my $answers = $api->{paths}{$path}{$operation}{responses};

        for my $status (sort keys %$answers) {
            my $name = "$operation $path $status";

            push @missing, grep { !$answered{$_} } $name,
                map {"$name $_"} keys %{ $answers->{$status}{content} };
            push @missing, map {"$name: $_"}
                grep { !$examples{$name}{$_} }
                map { text($_->{value}) }
                map { values %{ $_->{examples} // {} } }
                values %{ $answers->{$status}{content} };
        }

        push @operations, "$operation $path";
    }
}

is "@missing", '', 'every answer in it was given';

# Locations of the API that it does not know of.
my @locations = $server =~ /location = (\S+)/g;

is_deeply [ sort grep { !$api->{paths}{$_} && !m{^/docs} } @locations ], [],
    'every location of the example is in it';
is join(', ', @operations),
    'get /health, get /random, post /random, get /ready',
    'and these are all operations';

done_testing;
