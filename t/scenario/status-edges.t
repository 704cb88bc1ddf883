# unique_random_status where configurations are large, odd or wrong.

use strict;
use warnings;

use JSON::PP   qw( decode_json );
use Test::More;

use UniqueRandom::Nginx    ();
use UniqueRandom::Postgres ();
use UniqueRandom::Util     qw( run write_file );

my $url = 'postgres://nobody@127.0.0.1:1/numbers';

# Of shards as many as of ranges: each has an account in the zone.

my $shards = join '', map {
    "shard $url name=shard$_ range=${_}0-${_}9;\n"
} 1 .. 600;

my $nginx = UniqueRandom::Nginx->new(
    http   => <<"EOT",
unique_random_pool many { zone 1m; $shards }
unique_random_pool numbers { shard $url range=1-1000; wait_timeout 1s; }
EOT
    server => <<'EOT',
location /status { unique_random_status json; }
location /both { unique_random numbers;
    if ($arg_status) { unique_random_status json; }
    if ($arg_also) { set $also 1; } }
location /none {
    if ($arg_status) { unique_random_status json; }
    if ($arg_number) { unique_random numbers; }
    if ($arg_also) { set $also 1; } }
EOT
);

my $many = decode_json($nginx->get('/status')->{content})->{pools}[0];
is @{ $many->{shards} }, 600, '600 shards in a zone of a megabyte';
is $many->{zone}{ranges}, 600, '... and as many ranges';
is_deeply [ grep { $_->{failures} } @{ $many->{shards} } ], [],
    '... none of which has been asked';

# The last "if" that is true counts.

for (
    [ '/both?status=1',        200 ],
    [ '/both?status=1&also=1', 503 ],
    [ '/none?status=1',        200 ],
    [ '/none?status=1&also=1', 404 ],
    [ '/none?number=1&also=1', 404 ],
) {
    my ($path, $status) = @$_;
    is $nginx->get($path)->{status}, $status, $path;
}

# Names may have any bytes, and any length.

my $e = "\xc3\xa9";

my @names = (
    "n" x 900, $e x 300, "n" . $e x 300,
    "not UTF-8: \xc3\xff \xed\xa0\x80 \xe9t\xe9 $e\xc3", "tab\tline\nend\r\x01",
    "</script><!-- &lt;",
);

$nginx->configure(
    http   => join('', map {
        qq{unique_random_pool "$_" { shard $url range=1-1000 "name=$_"; }\n}
    } @names),
    server => <<'EOT',
location /status { unique_random_status; }
location /small { unique_random_status;
    gzip on; gzip_types text/plain application/openmetrics-text;
    charset koi8-r; charset_types *; }
EOT
);
$nginx->reload;

my $odd = decode_json($nginx->get('/status')->{content});
my @shown = map { $_->{name} } @{ $odd->{pools} };
utf8::encode($_) for @shown;
my @expected = @names;
$expected[3] = "not UTF-8: ?? ??? ?t? $e?";
is_deeply \@shown, \@expected, 'names are what they are, as JSON';

my ($code, $out) = run(
    command => [qw( promtool check metrics )],
    input   => $nginx->get('/status',
        headers => { Accept => 'text/plain' })->{content},
    merge   => 1,
);
is_deeply [ $code, $out ], [ 0, '' ], '... and as metrics';

my $html = $nginx->get('/status', headers => { Accept => 'text/html' });
ok utf8::decode($html->{content}), '... and as HTML';

# Filters see what it is.

for (
    [ 'text/html',  'text/html; charset=utf-8' ],
    [ 'text/plain', 'text/plain; version=0.0.4; charset=utf-8' ],
    [ 'application/openmetrics-text',
      'application/openmetrics-text; version=1.0.0; charset=utf-8' ],
) {
    my ($accept, $type) = @$_;
    my $reply = $nginx->get('/small',
        headers => { Accept => $accept, 'Accept-Encoding' => 'gzip' });

    is_deeply [ @{ $reply->{headers} }{qw( content-type content-encoding )} ],
        [ $type, 'gzip' ], "$accept, as it is, compressed";
}

# Pages that are none

my $dir = $nginx->dir;

system('mkfifo', "$dir/pipe") == 0 or die;
write_file("$dir/large", '<!-- snapshot -->' . ' ' x (4 * 1024 * 1024));
write_file("$dir/twice", '<!-- snapshot -->' x 2);
write_file("$dir/empty", '');

for (
    [ 'pipe',        'it must be a file of at most 4194304 bytes' ],
    [ '.',           'it must be a file of at most 4194304 bytes' ],
    [ 'large',       'it must be a file of at most 4194304 bytes' ],
    [ 'twice',       'it must have one "<!-- snapshot -->"' ],
    [ 'empty',       'it must have one "<!-- snapshot -->"' ],
) {
    my ($page, $error) = @$_;

    $nginx->configure(
        server => "location / { unique_random_status page=$dir/$page; }");

    # That of the whole test goes on.
    my $left;
    my $out = eval {
        local $SIG{ALRM} = sub { die "it waits\n" };
        $left = alarm 60;
        ($nginx->test_config)[1];
    } // $@;
    alarm $left;

    like $out, qr/invalid page "[^"]*", \Q$error\E/, "page=$page";
}

for (
    [ q{default-src 'none'; img-src data:},
      q{default-src 'none'; img-src data:; frame-ancestors 'none'} ],
    [ '',            q{frame-ancestors 'none'} ],
    [ "a\nb: c",     q{frame-ancestors 'none'} ],
    [ 'a &amp; b',   q{frame-ancestors 'none'} ],
) {
    my ($policy, $header) = @$_;

    write_file("$dir/policy", '<META HTTP-EQUIV="content-security-policy"'
        . qq{ content="$policy"><!-- snapshot -->});
    $nginx->configure(
        server => "location / { unique_random_status html page=$dir/policy; }");
    $nginx->reload;

    is $nginx->get('/')->{headers}{'content-security-policy'}, $header,
        'the policy of a page, ' . ($policy =~ s/\n/\\n/r);
}

write_file("$dir/one", 'before <!-- snapshot --> after');
$nginx->configure(
    server => "location / { unique_random_status html page=$dir/one; }");
$nginx->reload;
like $nginx->get('/')->{content}, qr{^before <table.*</table>\n<script .*</script>\n after$}s,
    'a page';
is $nginx->get('/')->{headers}{'content-security-policy'},
    q{frame-ancestors 'none'}, '... that has no policy';

my ($data) = $nginx->get('/')->{content}
    =~ m{<script type="application/json" id="snapshot">([^<]*)</script>};
is_deeply [ map { $_->{name} } @{ decode_json($data)->{pools} } ],
    [ map { $_->{name} } @{ $odd->{pools} } ],
    '... with its data, whatever names there are';

unlink "$dir/one" or die;
ok !eval { $nginx->reload; 1 }, '... that is gone is not reloaded';
like $nginx->get('/')->{content}, qr/^before /, '... but shown';

# SQL is whole, or is not there.

my ($pg) = UniqueRandom::Postgres->new_shard(0, 1000);

for (
    [ 'x' x 300, 1 ],
    [ 'x' x 500, 0 ],
) {
    my ($name, $shown) = @$_;
    my $sql = "SELECT unique_random.add('$name', 2001, 2009);";

    $nginx->configure(
        http   => "unique_random_pool $name { bootstrap off;"
            . ' connect_timeout 20s; reserve_timeout 20s;'
            . " shard @{[ $pg->url(db => 'numbers') ]} range=2001-2009; }",
        server => 'location /random { unique_random; }'
            . ' location /status { unique_random_status json; }',
    );
    $nginx->reload;
    $nginx->get('/random');
    $nginx->wait_for_log(qr/\Q$sql\E/);

    is decode_json($nginx->get('/status')->{content})
        ->{pools}[0]{ranges}[0]{sql}, $shown ? $sql : undef,
        'SQL of ' . length($sql) . ' bytes';
}

done_testing;
