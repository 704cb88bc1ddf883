# The page at /docs, as somebody with a browser finds it: it shows the API,
# gets a number when it is told to, and asks no other host for anything.
#
# UPDATE_SCREENSHOT=1 puts what it looks like into docs/api-page.png.

use strict;
use warnings;

use lib 't/lib';

use Cwd qw( abs_path );
use HTTP::Tiny;
use JSON::PP ();
use MIME::Base64 qw( decode_base64 );
use Test::More;

use UniqueRandom::Nginx;
use UniqueRandom::Postgres;
use UniqueRandom::Util qw(
    at_exit descendants free_port is_alive read_file run spawn tmp_dir
    wait_gone wait_until write_file
);

plan skip_all => 'the pages are not the module'
    if ($ENV{TEST_NGINX_LOAD_MODULES} // '') =~ m{/build/(?:asan|memcheck)/};

my $pages = tmp_dir() . '/pages';

my ($code, $out) = run(
    command => [ abs_path('tools/pages'), $pages ],
    merge   => 1,
);
is $code, 0, 'tools/pages' or die $out;

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
        . $pg->url(db => 'numbers') . ' range=1-500000; }',
    server => "$listen\nlocation = /random { unique_random; }"
        . "\ninclude " . tmp_dir() . '/docs.conf;',
);

my $here = $listen ? 'http://127.0.0.1:8000' : $nginx->url;

# What is served

my %type = (
    '/docs'                              => 'text/html',
    '/docs/page.js'                      => 'text/javascript',
    '/docs/page.css'                     => 'text/css',
    '/docs/swagger-ui-bundle.js'         => 'text/javascript',
    '/docs/swagger-ui.css'               => 'text/css',
    '/docs/favicon-16x16.png'            => 'image/png',
    '/docs/favicon-32x32.png'            => 'image/png',
    '/docs/swagger-ui.LICENSE'           => 'text/plain',
    '/docs/swagger-ui.NOTICE'            => 'text/plain',
    '/docs/swagger-ui-bundle.js.LICENSE.txt' => 'text/plain',
    '/openapi.json'                      => 'application/json',
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

my ($page) = map { $_->{content} } $nginx->get('/docs');

is join(' ', grep { !$type{$_} } $page =~ /(?:href|src)="([^"]*)"/g), '',
    'what the page loads is there';

my $reply = $nginx->get('/docs/swagger-ui-bundle.js',
    headers => { 'Accept-Encoding' => 'gzip' });
is $reply->{headers}{'content-encoding'}, 'gzip', 'what is large is packed';

for my $path (qw( /docs/none.js /docs/none/page.js )) {
    $reply = $nginx->get($path);
    is $reply->{status}, 404, "$path is not there";
    headers_are($reply, '... with the headers');
}

is $nginx->get($_)->{status}, 404, "$_ is not there"
    for qw( /docs/ /docsy /docs../pages/page.js /docs/../page.js );
is $nginx->get('/docs/%2e%2e/docs.conf')->{status}, 404, 'no way out';

my $json = JSON::PP->new->canonical->utf8;

$reply = $nginx->get('/openapi.json');
is $json->decode($reply->{content})->{openapi}, '3.1.0', '/openapi.json';

# So that it need not wait for the first one.
$nginx->get('/random');

# The browser

my $tmp = tmp_dir() . '/browser';
mkdir $tmp or die "$tmp: $!\n";

# It leaves its settings nowhere else.
local $ENV{HOME} = $tmp;
local $ENV{TMPDIR} = $tmp;
delete @ENV{ grep {/^XDG_/} keys %ENV };

my $port = free_port();
my @browser;

# The browser hangs on a pipe to its driver, and the driver goes when the test
# does, however that ends.
my $driver = spawn(
    log     => "$tmp/log",
    command => [
        qw( setpriv --pdeathsig KILL chromedriver ), "--port=$port",
    ],
);

at_exit(sub {
    push @browser, descendants($driver);
    kill KILL => grep { is_alive($_) } $driver, @browser;
    wait_gone(20, $driver, @browser);
});

my $session = '';

# A command of the W3C's WebDriver; undef if there is no such element.
sub webdriver {
    my ($method, $command, $content) = @_;

    my $answer = HTTP::Tiny->new(timeout => 60)->request($method,
        "http://127.0.0.1:$port$session$command", {
            headers => { 'Content-Type' => 'application/json' },
            $content ? (content => $json->encode($content)) : (),
        });
    my $value = eval { $json->decode($answer->{content})->{value} };

    return $value if $answer->{success};
    return if ref $value && $value->{error} eq 'no such element';
    die "$method $command: $answer->{content}\n" . read_file("$tmp/log");
}

wait_until(sub {
    return !is_alive($driver)
        || HTTP::Tiny->new->get("http://127.0.0.1:$port/status")->{success};
}, 30, 'chromedriver answers');

my ($chromium) = grep { -x } map {"$_/chromium"} split /:/, $ENV{PATH};

$session = '/session/' . webdriver(POST => '/session', { capabilities => {
    alwaysMatch => {
        browserName          => 'chrome',
        'goog:loggingPrefs'  => { browser => 'ALL', performance => 'ALL' },
        'goog:chromeOptions' => {
            binary => $chromium,
            args   => [
                qw(
                    --headless=new --no-sandbox --disable-gpu
                    --disable-dev-shm-usage --remote-debugging-pipe
                    --no-first-run --disable-background-networking
                    --disable-component-update --hide-scrollbars
                ),
                '--window-size=1200,1380',
                "--user-data-dir=$tmp/profile",
            ],
        },
    },
} })->{sessionId};

@browser = descendants($driver);

# Waits until the element is there.
sub element {
    my ($selector) = @_;

    my $found = wait_until(sub {
        return webdriver(POST => '/element',
            { using => 'css selector', value => $selector });
    }, 30, "the page has $selector");

    return '/element/' . (values %$found)[0];
}

sub click {
    my ($selector) = @_;

    return webdriver(POST => element($selector) . '/click', {});
}

sub text {
    my ($selector) = @_;

    return webdriver(GET => element($selector) . '/text');
}

webdriver(POST => '/url', { url => "$here/docs" });

like text('.info .title'), qr/^Unique random numbers\b/,
    'the browser shows the page';
is webdriver(GET => '/title'), 'Unique random numbers', '... its title';

my $api = $json->decode($nginx->get('/openapi.json')->{content});

for my $path (sort keys %{ $api->{paths} }) {
    for my $operation (values %{ $api->{paths}{$path} }) {
        my $block
            = "#operations-$operation->{tags}[0]-$operation->{operationId}";

        # With the zero-width spaces where it may be broken.
        (my $shown = text("$block .opblock-summary-path")) =~ s/\x{200b}//g;
        is $shown, $path, "... $operation->{operationId}";
    }
}

my %seen;

for my $operation (qw( getRandom postRandom )) {
    my $block = "#operations-numbers-$operation";

    click("$block .opblock-summary-control");
    click("$block .try-out__btn");
    click("$block .execute");

    my $live = "$block .live-responses-table .response";

    like text("$live .response-col_status"), qr/^200\b/,
        "$operation: Try it out, Execute";

    my ($number) = text("$live .highlight-code code")
        =~ /\A\{\s*"number": (\d+)\s*\}\z/;
    ok $number && $number <= 500_000, '... shows a number';
    $seen{$number}++;

    like text("$live .response-col_description"),
        qr/^ *cache-control: no-store *$/m, '... and the headers';

    if ($ENV{UPDATE_SCREENSHOT} && $operation eq 'getRandom') {
        webdriver(POST => '/execute/sync', {
            script => 'document.activeElement.blur(); scrollTo(0, 0)',
            args   => [],
        });
        write_file('docs/api-page.png',
            decode_base64(webdriver(GET => '/screenshot')));
    }

    click("$block .opblock-summary-control");
}

is keys %seen, 2, 'the numbers differ';

# A breach of the policy would be in the console, too.
is_deeply [
    map {"$_->{level} $_->{message}"}
        @{ webdriver(POST => '/se/log', { type => 'browser' }) }
], [], 'nothing in the console';

my %asked;

for (@{ webdriver(POST => '/se/log', { type => 'performance' }) }) {
    my $event = $json->decode($_->{message})->{message};

    $asked{ $event->{params}{request}{url} }++
        if $event->{method} eq 'Network.requestWillBeSent';
}

ok $asked{"$here/docs"} && $asked{"$here/random"},
    'the browser has asked this nginx';

# chrome: is what the browser shows before there is a page.
is_deeply [ grep { !m{\A(?:\Q$here\E/|data:|chrome:)} } sort keys %asked ],
    [], '... and nobody else';

webdriver(DELETE => '');
kill TERM => $driver;
wait_gone(30, $driver, @browser);
pass 'the browser has gone';

done_testing;
