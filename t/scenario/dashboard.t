# The page that "unique_random_status" fills in, as who operates it sees it: in
# a browser, against answers that are made up.
#
# UPDATE_SCREENSHOT=1 puts what it looks like into docs/status-*.png.

use strict;
use warnings;

use lib 't/lib';

use Cwd qw( abs_path );
use JSON::PP ();
use Test::More;
use Time::HiRes qw( sleep time );

use UniqueRandom::Browser;
use UniqueRandom::Nginx;
use UniqueRandom::Status qw( in_html in_json pool range shard status );
use UniqueRandom::Util qw( read_file run tmp_dir wait_until write_file );

plan skip_all => 'the pages are not the module'
    if ($ENV{TEST_NGINX_LOAD_MODULES} // '') =~ m{/build/(?:asan|memcheck)/};

my $dir = tmp_dir() . '/status';

for my $command ([ 'tools/pages', $dir ], [ 'tools/pages', '--tools' ]) {
    my ($script, $argument) = @$command;
    my ($code, $out) = run(
        command => [ abs_path($script), $argument ], merge => 1);

    is $code, 0, "@$command" or die $out;
}

my $template = read_file("$dir/status.html");
my $axe      = read_file('build/pages-lint/node_modules/axe-core/axe.min.js');

is scalar(() = $template =~ /<!-- snapshot -->/g), 1,
    'the page has one place for what the module says';
unlike $template, qr{<(?:link|script)\b[^>]*(?:src|href)="(?!data:)},
    '... and is one file';

# Who answers.  What a test needs of it: url(), stop(), start(), and say(), by
# which it answers something else.

sub source {
    my $nginx = UniqueRandom::Nginx->new(
        http => 'map $http_accept $kind { default json;'
            . ' ~^application/json json; ~text/html html; }',
        server => <<"EOT");
location = /status {
    root $dir;
    try_files /status.\$kind =404;
    types { text/html html; application/json json; }
    ssi on;
    ssi_types application/json;
    add_header Cache-Control no-store;
    add_header Vary Accept;
    add_header Content-Security-Policy "frame-ancestors 'none'";
}
location = /page {
    root $dir;
    try_files /status.html =404;
    types { text/html html; }
    ssi on;
    add_header Cache-Control no-store;
}
EOT

    my $say = sub {
        my ($status) = @_;

        my $tables = in_html($status);
        write_file("$dir/status.json.new", in_json($status));
        write_file("$dir/status.html.new",
            $template =~ s/<!-- snapshot -->/$tables/r);
        rename "$dir/status.$_.new", "$dir/status.$_" for qw( html json );
        return;
    };

    return ($nginx, $say);
}

my ($nginx, $say) = source();
my $url     = $nginx->url('/status');
my $browser = UniqueRandom::Browser->new(size => '1280,1000');

sub screen {
    my ($width, $height, $scheme) = @_;

    $browser->devtools('Emulation.setDeviceMetricsOverride',
        width => $width, height => $height, deviceScaleFactor => 1,
        mobile => JSON::PP::false);
    return $browser->devtools('Emulation.setEmulatedMedia',
        features => [ { name => 'prefers-color-scheme', value => $scheme } ]);
}

# The page as it is now: for wait_until(), without waiting for elements.
sub page {
    return $browser->run(<<'EOT');
const text = selector =>
    document.querySelector(selector)?.textContent ?? '';
return {
    title: document.title,
    icon: decodeURIComponent(document.querySelector('link[rel=icon]').href),
    head: document.getElementById('top').className,
    verdict: text('.verdict'), age: text('.age'), lost: text('.since'),
    news: text('#news'), attention: text('.attention'),
    ranges: [...document.querySelectorAll('.ranges .item th')]
        .map(th => th.textContent),
    sql: [...document.querySelectorAll('.cause pre')]
        .map(pre => pre.textContent),
    wide: document.documentElement.scrollWidth > innerWidth,
};
EOT
}

# Within 5 seconds, on a machine that has time; on others it may take longer.
sub page_is {
    my ($what, %expected) = @_;

    my $page;
    my $begun = time;
    my $is = eval {
        wait_until(sub {
            $page = page();
            return !grep { $page->{$_} !~ $expected{$_} } keys %expected;
        }, 20, $what);
    };

    ok $is, sprintf '%s, after %.1f s', $what, time - $begun
        or diag explain { map { $_ => $page->{$_} } keys %expected };
    return $page;
}

# What a promise of the page brings about.
sub comes {
    my ($what, $check) = @_;

    return ok eval { wait_until($check, 20, $what) }, $what;
}

sub axe_is_content {
    my ($what) = @_;

    my $violations = $browser->run("$axe\n" . <<'EOT');
return axe.run().then(({ violations }) => violations.map(found =>
    `${found.id}: ${found.nodes.map(node => node.html).slice(0, 3)}`));
EOT

    return is_deeply $violations, [], "axe: $what";
}

sub clipboard {
    return $browser->run('return navigator.clipboard.readText()');
}

my %red   = (title => qr/^Critical/, icon => qr/#d1242f/, head => qr/critical/);
my %amber = (title => qr/^Warning/,  icon => qr/#bf7a00/, head => qr/warning/);
my %green = (title => qr/^In order/, icon => qr/#1a8754/, head => qr/\bok\b/);

# All is well

$say->(status(pool()));
screen(1280, 1000, 'light');
$browser->open($url);

my $page = page_is('all is in order', %green, verdict => qr/nothing needs you/,
    age => qr/^[012](?:\.\d)? s old$/);

is_deeply $page->{ranges}, [ '1-500000', '500001-1000000' ],
    '... with its ranges';
ok $browser->run('return !document.querySelector(".snapshot")'),
    '... in place of those that came with the page';
comes('... and a curve', sub {
    $browser->run(
        'return document.querySelector(".plot canvas")?.width > 500');
});
like $browser->text('.tiles'), qr/^Per second\n1\.64\n/m, '... the rate';
like $browser->text('.shards'), qr{3\.9 ms / 37 ms}, '... the latency';

# A shard turns unavailable, and nothing is left without it

$say->(status(pool(state => 'critical', shards => [ shard('a',
    state => 'unavailable', fails => 7, failures => 7,
    last_error => {
        time => time - 1, text => 'connection refused <img src=x onerror=x>',
    },
) ])));

$page = page_is('the only shard is unavailable', %red,
    news => qr/^Critical: Shard a of numbers is unavailable\.$/,
    attention => qr/Shard a of numbers is unavailable/);

ok $browser->run(
    'return document.querySelector(".shards tr.state-unavailable.critical")'),
    '... its row, too';
like $browser->text('.shards .message'), qr/<img src=x onerror=x>$/,
    'what a server says is text';

# A range is fenced, the second one

my $sql = "SELECT unique_random.accept('numbers', 500001, "
    . 'at_least => 182300, advance => 100000);';

my $fenced = status(pool(
    state  => 'critical',
    ranges => [ range(1), range(2,
        state => 'fenced', since => time - 75, leased => 0, batched => 0,
        reason => 'timeline is 2 instead of 1; 182300 of its positions are'
            . ' known to be reserved',
        sql    => $sql,
        burned => {
            lost => 16, killed => 0, fenced => 584, life => 0, skipped => 0,
        },
    ) ],
));

$say->($fenced);
$page = page_is('a range is fenced', %red,
    attention => qr/Range 500001-1000000 of numbers is fenced/);

is_deeply $page->{ranges}, [ '500001-1000000', '1-500000' ],
    '... the worst comes first';
is_deeply $page->{sql}, [$sql], '... with what to run';

$browser->devtools('Browser.grantPermissions', origin => $nginx->url,
    permissions => [qw( clipboardReadWrite clipboardSanitizedWrite )]);
$browser->click('[data-copy]');
comes('... that can be copied', sub { clipboard() eq $sql });
comes('... which is said', sub { $browser->text('#news') =~ /copied/ });

$browser->run('return navigator.clipboard.writeText("").then(() => {'
    . ' navigator.clipboard.writeText = () => Promise.reject(); })');
is clipboard(), '', '... once';
$browser->click('[data-copy]');
comes('... also by an address without encryption',
    sub { clipboard() eq $sql });

$browser->click('[data-goto]');
like $browser->run('return document.activeElement.textContent'),
    qr/500001-1000000/, 'a link leads to the row';

my $pause = $browser->run(<<'EOT');
const row = document.activeElement;
return new Promise(done => setTimeout(() =>
    done(row === document.activeElement), 2500));
EOT
ok $pause, '... where who reads it stays';

# What it is like to read

for my $look ([ 1280, 'light' ], [ 1280, 'dark' ], [ 375, 'light' ],
    [ 375, 'dark' ])
{
    my ($width, $scheme) = @$look;

    screen($width, 900, $scheme);
    ok !page()->{wide}, "$width pixels are wide enough";
    axe_is_content("$width pixels, $scheme");
}

if ($ENV{UPDATE_SCREENSHOT}) {
    for my $picture ([ 1150, 1040, 'light' ], [ 375, 860, 'dark' ]) {
        my ($width, $height, $scheme) = @$picture;

        screen($width, $height, $scheme);
        $browser->run('document.activeElement.blur(); scrollTo(0, 0);'
            . ' getSelection().removeAllRanges()');
        sleep 1;
        $browser->screenshot("docs/status-$scheme"
            . ($width < 500 ? '-phone' : '') . '.png');
    }
}

screen(1280, 1000, 'light');

# Nothing but what is missing: in no sum of the pool, but for leases

$say->(status(pool(state => 'critical', size => 0, reserved => 0,
    remaining => 0, leased => 50, batched => 0,
    ranges => [ range(1, state => 'missing', sql => 'SELECT 1;') ])));

$page = page_is('the only range is missing', %red,
    attention => qr/Pool numbers can issue nothing at present/);
unlike $page->{attention}, qr/are used/, '... which is not to be used up';
like $browser->text('.cause'), qr{run the SQL there, after sql/schema\.sql},
    '... where there may be no schema either';
like $browser->text('.key'), qr/used 0,/, '... nothing is used of it';

# Many ranges

my @many = map { range($_, $_ % 70 ? () : (state => 'missing')) } 1 .. 200;
$say->(status(pool(state => 'warning', ranges => \@many)));

$page = page_is('two of 200 ranges are missing', %amber,
    verdict => qr/Range 34500001-35000000 .* is missing, and 1 more/);
is scalar @{ $page->{ranges} }, 20, '... the worst 20 are shown';
like $page->{ranges}[0], qr/^34500001-/, '... those first';

$browser->click('[data-complete]');
is scalar @{ page()->{ranges} }, 200, '... or all';
axe_is_content('200 ranges');

$browser->type('[data-filter]', 'missing 345');
is_deeply page()->{ranges}, ['34500001-35000000'], '... or some';
is $browser->text('.filter [role=status]'), '1 of 200', '... and how many';

# Numbers of any size

my %big = (size => 9.2e18, remaining => 4.6e18);
$say->(status(pool(ranges => [ range(1, %big) ], %big)));
page_is('the largest range', %green);
like $browser->text('.key'), qr/left 4\.6 E, 50\.0 %/, '... in few digits';

# What came with the page, without its script

$say->($fenced);
$browser->devtools('Emulation.setScriptExecutionDisabled',
    value => JSON::PP::true);
screen(375, 900, 'light');
$browser->open($url);
like $browser->text('.snapshot'), qr/500001-1000000.*\Q$sql\E/s,
    'a table without a script';
like $browser->text('#top'), qr/reload it/, '... that says how old it is';
ok !$browser->run('return document.documentElement.scrollWidth > innerWidth'),
    '... in the width of a phone';
$browser->devtools('Emulation.setScriptExecutionDisabled',
    value => JSON::PP::false);

# The end

$browser->open($url);
page_is('with its script again', %red);

is_deeply [ $browser->console ], [], 'nothing in the console';
is_deeply [ grep { $_ ne $url && !/\A(?:data|chrome):/ } $browser->asked ], [],
    'nobody else is asked';

$browser->run('return fetch("http://127.0.0.1:9/").catch(() => 0)');
like join("\n", $browser->console), qr/violates .* "connect-src 'self'"/,
    '... nor could be';

$nginx->stop;
page_is('contact is lost',
    title => qr/^Contact lost/, icon => qr/#6b7785/, head => qr/lost/,
    lost => qr/^All below is as of \d{4}-\d\d-\d\d \d\d:/,
    age => qr/^(?:[6-9]|\d\d) s old: the server does not answer$/,
    news => qr/^Contact lost/);
axe_is_content('contact is lost');

$nginx->start;
page_is('it is back', %red, lost => qr/^$/, age => qr/old$/);

unlink "$dir/status.json";
page_is('another answer', title => qr/^Contact lost/,
    age => qr/the server answers 404$/);

# A location that has nothing but the page

$say->(status(pool(shards => [ shard('</script><!-- a') ])));
$browser->open($nginx->url('/page'));
page_is('a page alone', %green, age => qr/^\d+(?:\.\d)? s old$/);
like $browser->text('.shards'), qr{</script><!-- a}, '... any name is in it';

$say->($fenced);
page_is('... hears of what is new', %red,
    attention => qr/Range 500001-1000000 of numbers is fenced/);
is_deeply [ grep { /violates/ } $browser->console ], [],
    '... and is allowed to';

$browser->close;
done_testing;
