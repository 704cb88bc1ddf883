# The page at /docs, as somebody with a browser finds it: it shows the API,
# gets a number when it is told to, and asks no other host for anything.
#
# UPDATE_SCREENSHOT=1 puts what it looks like into docs/api-page.png.

use strict;
use warnings;

use lib 't/lib';

use JSON::PP ();
use Test::More;

use UniqueRandom::Browser;
use UniqueRandom::Nginx;
use UniqueRandom::Pages qw( make_pages );
use UniqueRandom::Postgres;
use UniqueRandom::Util qw( read_file tmp_dir write_file );

plan skip_all => 'the pages are not the module'
    if ($ENV{TEST_NGINX_LOAD_MODULES} // '') =~ m{/build/(?:asan|memcheck)/};

my $pages = make_pages();

# The one line that is to be adapted.
my $conf = read_file('pages/docs.conf');

is $conf =~ s{^    alias  /\S+/pages/;  +# \(\*\)$}{alias $pages/;}mg, 1,
    'docs.conf has one line to adapt';
is scalar(() = $conf =~ m{/usr/}g), 0, '... and no other path';
write_file(tmp_dir() . '/docs.conf', $conf);

my $pg = UniqueRandom::Postgres->new(name => 'shard');
$pg->create_database('numbers');

# As with "make run", for a picture that looks like it.
my $listen = $ENV{UPDATE_SCREENSHOT} ? 'listen 127.0.0.1:8000;' : '';

my $nginx = UniqueRandom::Nginx->new(
    http => 'unique_random_pool numbers { bootstrap on; shard '
        . $pg->url(db => 'numbers') . ' range=1-500000;'
        . ' connect_timeout 60s; reserve_timeout 60s; wait_timeout 25s; }',
    server => "$listen\nlocation = /random { unique_random; }"
        . "\nlocation = /health { return 200; }"
        . "\nlocation = /ready { unique_random_ready; }"
        . "\ninclude " . tmp_dir() . '/docs.conf;',
);

my $here = $listen ? 'http://127.0.0.1:8000' : $nginx->url;

# What is served

my %type = (
    '/docs/start.html'                   => 'text/html',
    '/docs/start.css'                    => 'text/css',
    '/docs/start.svg'                    => 'image/svg+xml',
    '/docs'                              => 'text/html',
    '/docs/'                             => 'text/html',
    '/docs/page.js'                      => 'text/javascript',
    '/docs/page.css'                     => 'text/css',
    '/docs/swagger-ui-bundle.js'         => 'text/javascript',
    '/docs/swagger-ui.css'               => 'text/css',
    '/docs/favicon-16x16.png'            => 'image/png',
    '/docs/favicon-32x32.png'            => 'image/png',
    '/docs/swagger-ui.LICENSE'           => 'text/plain',
    '/docs/swagger-ui.NOTICE'            => 'text/plain',
    '/docs/uPlot.LICENSE'                => 'text/plain',
    '/docs/swagger-ui-bundle.js.LICENSE.txt' => 'text/plain',
    '/openapi.json'                      => 'application/json',
    '/docs/lookup'                       => 'text/html',
    '/openapi-lookup.json'               => 'application/json',
);

my %header = (
    'cache-control'           => 'no-cache',
    'referrer-policy'         => 'no-referrer',
    'x-content-type-options'  => 'nosniff',
    'content-security-policy' => join('; ',
        "default-src 'none'", "script-src 'self'", "style-src 'self'",
        "img-src 'self' data:", "connect-src 'self'", "font-src 'self'",
        "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"),
);

sub headers_are {
    my ($reply, $what) = @_;

    my %got = map { $_ => $reply->{headers}{$_} } keys %header;
    return is_deeply \%got, \%header, $what;
}

for my $path (sort keys %type) {
    my $reply = $nginx->get($path);

    is "$reply->{status} $reply->{headers}{'content-type'}",
        "200 $type{$path}", $path;
    headers_are($reply, '... with the headers');

    my $again = $nginx->get($path,
        headers => { 'If-None-Match' => $reply->{headers}{etag} });
    is $again->{status}, 304, '... and only if it has changed';
}

for my $path (qw( /docs /docs/start.html )) {
    my ($page) = map { $_->{content} } $nginx->get($path);

    is join(' ', grep { !$type{$_} }
        $page =~ /(?:<link [^>]*href|src)="([^"]*)"/g), '',
        "what $path loads is there";
}

my $reply = $nginx->get('/docs/swagger-ui-bundle.js',
    headers => { 'Accept-Encoding' => 'gzip' });
is $reply->{headers}{'content-encoding'}, 'gzip', 'what is large is packed';

for my $path (qw( /docs/none.js /docs/none/page.js )) {
    $reply = $nginx->get($path);
    is $reply->{status}, 404, "$path is not there";
    headers_are($reply, '... with the headers');
}

is $nginx->get($_)->{status}, 404, "$_ is not there"
    for qw( /docs/status.html /docsy /docs../pages/page.js /docs/../page.js );
is $nginx->get('/docs/%2e%2e/docs.conf')->{status}, 404, 'no way out';

my $json = JSON::PP->new->canonical->utf8;

$reply = $nginx->get('/openapi.json');
is $json->decode($reply->{content})->{openapi}, '3.1.0', '/openapi.json';
is join(' ', keys %{
    $json->decode($nginx->get('/openapi-lookup.json')->{content})->{paths}
}), '/lookup', '/openapi-lookup.json';

# So that it need not wait for the first one.
$nginx->get('/random');

# The browser

my $browser = UniqueRandom::Browser->new(size => '1200,1600');

$browser->open("$here/docs/start.html");
is $browser->run('return getComputedStyle(document.body).maxWidth'), '544px',
    'the browser shows what links the pages, in its style';

$browser->open("$here/docs");

like $browser->text('.info .title'), qr/^Unique random numbers\b/,
    'the browser shows the page';
is $browser->title, 'Unique random numbers', '... its title';

my $api = $json->decode($nginx->get('/openapi.json')->{content});

for my $path (sort keys %{ $api->{paths} }) {
    for my $operation (values %{ $api->{paths}{$path} }) {
        my $block
            = "#operations-$operation->{tags}[0]-$operation->{operationId}";

        # With the zero-width spaces where it may be broken.
        (my $shown = $browser->text("$block .opblock-summary-path")) =~ s/\x{200b}//g;
        is $shown, $path, "... $operation->{operationId}";
    }
}

my %tried = map { $_ => 1 } qw( getRandom postRandom );
my %seen;

for my $operation (sort keys %tried) {
    my $block = "#operations-numbers-$operation";

    $browser->click("$block .opblock-summary-control");
    $browser->click("$block .try-out__btn");
    $browser->click("$block .execute");

    my $live = "$block .live-responses-table .response";

    like $browser->text("$live .response-col_status"), qr/^200\b/,
        "$operation: Try it out, Execute";

    my ($number) = $browser->text("$live .highlight-code code")
        =~ /\A\{\s*"number": (\d+)\s*\}\z/;
    ok $number && $number <= 500_000, '... shows a number';
    $seen{$number}++;

    like $browser->text("$live .response-col_description"),
        qr/^ *cache-control: no-store *$/m, '... and the headers';

    if ($ENV{UPDATE_SCREENSHOT} && $operation eq 'getRandom') {
        $browser->run('document.activeElement.blur(); scrollTo(0, 0)');
        $browser->screenshot('docs/api-page.png');
    }

    $browser->click("$block .opblock-summary-control");
}

is keys %seen, 2, 'the numbers differ';

# On a phone, where nothing is wider than the screen, as it is and unfolded.
$browser->devtools('Emulation.setDeviceMetricsOverride',
    width => 375, height => 700, deviceScaleFactor => 2,
    mobile => JSON::PP::true);

sub fits {
    my ($what) = @_;

    my $wide = $browser->run(<<'EOT');
return [...document.querySelectorAll('body *')]
    .filter(e => e.getBoundingClientRect().right > 375)
    .map(e => `${e.tagName} ${e.className} ${e.getBoundingClientRect().right}`);
EOT
    my $width = $browser->run('return document.documentElement.scrollWidth');

    return is($width, 375, "$what fits a phone") || diag explain $wide;
}

fits('the page');

for my $path (sort keys %{ $api->{paths} }) {
    for my $operation (values %{ $api->{paths}{$path} }) {
        my $id    = $operation->{operationId};
        my $block = "#operations-$operation->{tags}[0]-$id";

        $browser->click("$block .opblock-summary-control");
        $browser->element("$block .responses-inner");
        fits($id);
        $browser->click("$block .try-out__btn:not(.cancel)") if !$tried{$id};
        $browser->click("$block .execute");
        $browser->element("$block .live-responses-table .response");
        fits("... its answer");
        $browser->click("$block .opblock-summary-control");
    }
}

# Look-ups, by the link to them.
is $browser->run(<<'EOT'), "$here/docs/lookup", 'the page tells of look-ups';
return document.querySelector('.info .description a[href$="lookup"]').href;
EOT

$browser->open("$here/docs/lookup");

like $browser->text('.info .title'), qr/^Look-ups of unique random numbers\b/,
    '... which have a page';
like $browser->text('#operations-lookup-lookUp .opblock-summary-path'),
    qr{lookup}, '... with the operation';
fits('it');

# A breach of the policy would be in the console, too.
is_deeply [ $browser->console ], [], 'nothing in the console';

my @asked = $browser->asked;

is scalar(grep { $_ eq "$here/docs" || $_ eq "$here/random" } @asked), 2,
    'the browser has asked this nginx';

# chrome: is what the browser shows before there is a page.
is_deeply [ grep { !m{\A(?:\Q$here\E/|data:|chrome:)} } @asked ], [],
    '... and nobody else';

$browser->close;
pass 'the browser has gone';

done_testing;
