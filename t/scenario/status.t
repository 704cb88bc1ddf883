# One snapshot, four representations: which one a client gets, that each is what
# it says it is, that they agree, and that nothing of a request, no number and no
# secret is in any of them.

use strict;
use warnings;

use JSON::PP   qw( decode_json );
use Test::More;

use UniqueRandom::Load       ();
use UniqueRandom::Monitoring qw( documented types_of );
use UniqueRandom::Nginx    ();
use UniqueRandom::Postgres ();
use UniqueRandom::Util     qw( read_file run wait_until );

my ($pg, $shard) = UniqueRandom::Postgres->new_shard(0, 100_000);

$pg->psql('numbers', q{SELECT unique_random.add('odd "<&\ name', 1, 1000)});

my $nginx = UniqueRandom::Nginx->new(
    workers => 2,
    http    => <<"EOT",
unique_random_pool numbers {
    lease min=100;
    connect_timeout 20s;
    reserve_timeout 20s;
    wait_timeout 25s;
    shard $shard name=a;
    shard postgres://nobody:s3cr3t\@127.0.0.1:1/numbers name=b max_fails=1 fail_timeout=60s
          range=200001-300000;
}
unique_random_pool 'odd "<&\\\\ name' {
    shard @{[ $pg->url(db => 'numbers') ]} 'name="<&' range=1-1000;
}
log_format left '\$unique_random_remaining \$unique_random_version';
EOT
    server => <<'EOT',
location /random { unique_random numbers;
    add_header X-Remaining $unique_random_remaining;
    add_header X-Version $unique_random_version; }
location /odd { unique_random 'odd "<&\\ name'; }
location /status { unique_random_status; }
location /status.json { unique_random_status json; }
location /status.html { unique_random_status html; }
location /metrics { unique_random_status prometheus; }
location /limited { unique_random_status json; limit_except GET { deny all; } }
location /if { if ($arg_x) { unique_random_status json; } }
EOT
);

my %type = (
    json => 'application/json',
    html => 'text/html; charset=utf-8',
    open => 'application/openmetrics-text; version=1.0.0; charset=utf-8',
    text => 'text/plain; version=0.0.4; charset=utf-8',
);

sub get {
    my ($path, $accept, %option) = @_;

    return $nginx->request($option{method} // 'GET', $path,
        defined $accept ? (headers => { Accept => $accept }) : ());
}

my @numbers = UniqueRandom::Load->new(
    port => $nginx->port, connections => 8, count => 500)->run->numbers;
is @numbers, 500, 'some numbers';
$nginx->get('/odd');
wait_until(sub {
    my $shard = decode_json(get('/status.json')->{content})
        ->{pools}[0]{shards}[1];
    return $shard->{state} eq 'unavailable';
}, 20);

# By Accept

for (
    [ '/status', undef,                          'json' ],
    [ '/status', '*/*',                          'json' ],
    [ '/status', 'application/json',             'json' ],
    [ '/status', 'text/html,*/*;q=0.8',          'html' ],
    [ '/status', 'image/png',                    'json' ],
    [ '/status', 'text/plain',                   'text' ],
    [ '/status', 'text/plain;version=0.0.4;q=1,*/*;q=0.1', 'text' ],
    [ '/status', 'application/openmetrics-text;version=1.0.0,*/*;q=0.1',
      'open' ],
    [ '/metrics', undef,                         'text' ],
    [ '/metrics', 'text/html,*/*;q=0.8',         'text' ],
    [ '/metrics', 'application/openmetrics-text;version=1.0.0;q=0.5,'
      . 'text/plain;version=0.0.4;q=0.3,*/*;q=0.2', 'open' ],
    [ '/status', [ 'text/plain;q=0.5', 'text/html' ], 'html' ],
    [ '/status', [ '', 'text/plain' ],           'text' ],
    [ '/status.json', 'text/html',               'json' ],
    [ '/status.html', 'application/json',        'html' ],
) {
    my ($path, $accept, $what) = @$_;
    my $reply = get($path, $accept);

    is $reply->{headers}{'content-type'}, $type{$what},
        "$path, Accept: " . (ref $accept ? "@$accept" : $accept // 'none');
    is_deeply [ @{ $reply->{headers} }{qw( vary cache-control )} ],
        [ 'Accept', 'no-store' ], '... depends on it, and is not stored';
}

# Methods, and places

my $head = get('/status', 'text/plain', method => 'HEAD');
is $head->{status}, 200, 'HEAD';
is $head->{content} // '', '', '... without a body';
for (qw( POST PUT DELETE )) {
    my $reply = get('/status', undef, method => $_);
    is_deeply [ $reply->{status}, $reply->{headers}{allow} ],
        [ 405, 'GET, HEAD' ], $_;
}
is get('/limited')->{status}, 200, 'in limit_except';
is get('/limited', undef, method => 'POST')->{status}, 403, '... which denies';
is get('/if?x=1')->{headers}{'content-type'}, $type{json}, 'in if';

# What they are

my $text = get('/metrics')->{content};
my $open = get('/metrics', 'application/openmetrics-text')->{content};

sub promtool {
    my ($metrics) = @_;

    return [ run(command => [qw( promtool check metrics )], input => $metrics,
        merge => 1) ];
}

is_deeply [ @{ promtool($text) }[ 0, 1 ] ], [ 0, '' ],
    'promtool has nothing against the text format'
    or diag explain promtool($text);

# It reads no other: but for what OpenMetrics names otherwise, they are the same.
(my $as_text = $open) =~ s/^# (?:UNIT .*|EOF)\n//mg;
$as_text =~ s/^(# TYPE (\S+)) counter$/$1_total counter/mg;
my %counter = map { $_ => 1 } $open =~ /^# TYPE (\S+) counter$/mg;
$as_text =~ s/^(# HELP (\S+)) /$counter{$2} ? "$1_total " : "$1 "/mge;
is_deeply promtool($as_text), promtool($text), '... nor against the other one';
like $open, qr/\n# EOF\n\z/, 'OpenMetrics ends';

my ($code, $out) = run(input => $open, merge => 1,
    command => [ '/usr/bin/python3', '-c', <<'EOT' ]);
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
for f in text_string_to_metric_families(sys.stdin.read()):
    assert f.documentation, f.name
EOT
is $code, 0, '... and a strict reader takes it' or diag $out;

my @order = $text =~ /^(nginx_unique_random_\w+?)(?:_bucket|_sum|_count)?[{ ]/mg;
my (%seen, $last, @again);
for my $name (@order) {
    push @again, $name if $seen{$name}++ && $last ne $name;
    $last = $name;
}
is_deeply \@again, [], 'families are not interleaved';

is_deeply types_of($text), documented(), 'the reference has each metric';

my $status = decode_json(get('/status')->{content});
my ($pool, $odd) = @{ $status->{pools} };

is $status->{state}, 'critical', 'a shard that is unavailable is critical';
is $pool->{shards}[0]{state}, 'available', '... others are available';
is $pool->{shards}[1]{state}, 'unavailable', '... it is not';
like $pool->{shards}[1]{last_error}{text}, qr/refused/, '... and why';
is $pool->{ranges}[0]{state}, 'active', 'a range is active';
is $pool->{ranges}[1]{state}, 'failing', '... or fails with its shard';
is $odd->{name}, 'odd "<&\ name', 'names are what they are';
is $odd->{ranges}[0]{shard}, '"<&', '... of shards as well';
is $pool->{issued}, 500, 'numbers issued';
is $pool->{requests}{leased} + $pool->{requests}{waited}, 500, '... requested';
cmp_ok $pool->{waits}{count}, '>', 0, '... some waited';
cmp_ok $pool->{shards}[0]{latency}{count}, '>', 0, '... for the database';
like $text, qr/^\S*range_issued_numbers_total\{[^}]*range="1-100000"\} 500$/m,
    'metrics say the same';
like $text, qr/pool="odd \\"<&\\\\ name",shard="\\"<&"/,
    '... with names that are escaped';

my $html = get('/status.html');
like $html->{content}, qr{<td>odd &quot;&lt;&amp;\\ name</td>},
    'so they are in the page';
like $html->{headers}{'content-security-policy'},
    qr/^default-src 'none'; .*; frame-ancestors 'none'$/,
    '... which nobody can frame, and nothing be run in';

# Each table: of each row, what the columns have.
my %tables;
for ($html->{content} =~ m{<table (.*?)</table>}gs) {
    my ($name) = /^class="(\w+)"/;
    my @columns = m{<th scope="col">(.*?)</th>}g;

    for (m{<tr class=.*?</tr>}gs) {
        my @cells = m{<td>(.*?)</td>}gs;
        is @cells, @columns, "a row of the table of $name has all columns";

        my %row;
        @row{@columns} = @cells;
        push @{ $tables{$name} }, \%row;
    }
}

my $time = qr/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$/;

like $tables{build}[0]{made}, $time, 'the tables say when they were made';
is $tables{build}[0]{module}, $status->{build}{module}, '... and by what';
is $tables{pools}[0]{'at most'}, $pool->{waiting}{limit}, '... how many may wait';
is $tables{ranges}[0]{returned}, $pool->{ranges}[0]{returned},
    '... of a range, what was given back';
like $tables{ranges}[0]{burned}, qr/^\d+$/, '... what was burned';
like $tables{ranges}[0]{since}, $time, '... since when it is as it is';
like $tables{ranges}[0]{'last reservation'}, $time, '... its last reservation';
is $tables{ranges}[1]{'last reservation'}, '', '... if there was one';
like $tables{shards}[0]{'mean time'}, qr/^\d+\.\d ms$/, '... how fast a shard is';
is $tables{shards}[0]{at}, '', '... when it failed, if it did';
like $tables{shards}[1]{at}, $time, '... last';

# Each field, as the reference writes it; what is null may have more.
sub paths {
    my ($value, $path) = @_;

    return map { paths($value->{$_}, $path eq '' ? $_ : "$path.$_") } keys %$value
        if ref $value eq 'HASH';
    return map { paths($_, $path . '[]') } @$value
        if ref $value eq 'ARRAY';
    return $path;
}

my ($table) = read_file('docs/reference.md') =~ /^### Status as JSON\n(.*?)^##/ms;
my %documented = map { $_ => 1 }
    map { /^\| (`.*?) \|/ ? $1 =~ /`([^`]+)`/g : () } split /\n/, $table;
my %there = map { $_ => 1 } paths($status, '');

$there{"pools[].$_"} = 1
    for qw( state_file.unsaved_ranges state_file.written history.issued[] );
$there{$_} = 1 for grep { /state_file$|last_(?:error|reservation)$/ }
    keys %documented;

is_deeply [ sort keys %there ], [ sort keys %documented ],
    'the reference has each field';

# What they are not

my $asked = get('/status?<script>alert(1)</script>', 'text/html')->{content};
unlike $asked, qr/alert/, 'nothing of the request is in the page';

for my $what ($html->{content}, $text, $open, get('/status')->{content}) {
    unlike $what, qr/s3cr3t/, 'no password';

    my $key = $pg->psql('numbers',
        'SELECT encode(key, \'hex\') FROM unique_random.ranges LIMIT 1');
    unlike $what, qr/$key/, '... no key';
}

# The three times

my $before = decode_json(get('/status')->{content});
sleep 1;
$nginx->reload;
my $after = decode_json(get('/status')->{content});

is $after->{process_started}, $before->{process_started},
    'a reload starts no nginx';
cmp_ok $after->{config_loaded}, '>', $before->{config_loaded},
    '... it loads a configuration';
is $after->{config_loads} - $before->{config_loads}, 1, '... one';
is $after->{pools}[0]{zone}{created}, $before->{pools}[0]{zone}{created},
    '... and keeps the zone';
is $after->{pools}[0]{issued}, 500, '... with all that was counted';

# Variables

my $reply = $nginx->get('/random');
is $reply->{headers}{'x-version'}, $status->{build}{module},
    '$unique_random_version';

# what the batches of workers have is not in it
my $left = 200_000 - 501 - $reply->{headers}{'x-remaining'};
ok $left >= 0 && $left <= 128, '$unique_random_remaining' or diag $left;

# Bad input

for (
    [ 'xml', qr/invalid parameter "xml", it takes one of "json", "prometheus"/ ],
    [ 'json html', qr/invalid parameter "html"/ ],
    [ 'page=/nonexistent', qr{open\(\) "/nonexistent" failed \(2: } ],
    [ 'page=nginx.conf', qr/invalid page ".*", it must have one "<!-- snapshot/ ],
) {
    my ($parameters, $error) = @$_;

    $nginx->configure(server => "location / { unique_random_status $parameters; }");
    my (undef, $out) = $nginx->test_config;
    like $out, $error, "unique_random_status $parameters";
}

$nginx->configure(server => 'location / { unique_random numbers;'
        . ' unique_random_status; }');
like +($nginx->test_config)[1], qr/"unique_random_status" directive is duplicate/,
    'one location, two handlers';

done_testing;
