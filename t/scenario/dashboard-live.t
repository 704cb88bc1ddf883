# The page of "unique_random_status" as nginx serves it, in a browser, while a
# shard is stopped, a range is fenced, and nginx itself is gone.

use strict;
use warnings;

use lib 't/lib';

use Test::More;
use Time::HiRes qw( time );

use UniqueRandom::Browser;
use UniqueRandom::Load ();
use UniqueRandom::Nginx;
use UniqueRandom::Pages qw( make_pages );
use UniqueRandom::Postgres ();
use UniqueRandom::Util qw( wait_until );

plan skip_all => 'the pages are not the module'
    if ($ENV{TEST_NGINX_LOAD_MODULES} // '') =~ m{/build/(?:asan|memcheck)/};

my $pages = make_pages();

my ($a, $shard_a) = UniqueRandom::Postgres->new_shard(0, 1_000_000);
my ($b, $shard_b) = UniqueRandom::Postgres->new_shard(1, 1_000_000);

my $nginx = UniqueRandom::Nginx->new(
    workers => 2,
    http    => 'unique_random_pool numbers { lease max=50; connect_timeout 30s;'
        . ' reserve_timeout 30s; wait_timeout 25s;'
        . " shard $shard_a name=a fail_timeout=2s;"
        . " shard $shard_b name=b fail_timeout=2s; }",
    server  => 'location /random { unique_random; }'
        . " location /status { unique_random_status page=$pages/status.html; }"
        . " location /page { unique_random_status html"
        . " page=$pages/status.html; }",
);

my $browser = UniqueRandom::Browser->new(size => '1280,1000');

sub draw {
    return UniqueRandom::Load->new(port => $nginx->port, count => $_[0])->run;
}

# Soon, while numbers are drawn.
sub page_is {
    my ($what, %expected) = @_;

    my %page;
    my $begun = time;

    my $is = eval {
        wait_until(sub {
            draw(20) if $nginx->master_pid;
            %page = %{ $browser->run(<<'EOT') };
const all = selector =>
    [...document.querySelectorAll(selector)].map(e => e.textContent).join();
return { title: document.title, attention: all('.attention'),
    sql: all('.cause pre'), lost: all('.since'), ranges: all('.ranges') };
EOT
            return !grep { $page{$_} !~ $expected{$_} } keys %expected;
        }, 20, $what);
    };

    ok $is, sprintf '%s, after %.1f s', $what, time - $begun
        or diag explain \%page;
    return;
}

draw(500);

my $tables = $nginx->get('/status', headers => { Accept => 'text/html' });
like $tables->{content}, qr{<table class="ranges">.*<td>1-1000000</td>}s,
    'without script there are tables';

my ($policy) = $tables->{content}
    =~ /<meta http-equiv="Content-Security-Policy" content="([^"]*)"/;
is $tables->{headers}{'content-security-policy'},
    "$policy; frame-ancestors 'none'", 'its policy is in a header, too';

$browser->open($nginx->url('/status'));
page_is('all is in order', title => qr/^In order/,
    ranges => qr/1-1000000.*1000001-2000000/);

$b->stop;
page_is('a shard is stopped: it is red', title => qr/^Critical/,
    attention => qr/Shard b of numbers is unavailable/);

$b->start;
page_is('... and green again', title => qr/^In order/);

$a->psql('numbers', 'UPDATE unique_random.ranges SET reserved = reserved - 1');
page_is('a range is fenced: what to run is there', title => qr/^Critical/,
    sql => qr/^SELECT unique_random\.accept\('numbers', 1, at_least => \d+,/);

$browser->open($nginx->url('/page'));
page_is('a location that has the page alone', title => qr/^Critical/,
    sql => qr/^SELECT unique_random\.accept\('numbers', 1, at_least => \d+,/);

$b->stop;
page_is('... hears that a shard is stopped',
    attention => qr/Shard b of numbers is unavailable/);

is_deeply [ $browser->console ], [], 'nothing is wrong with the page';

$nginx->stop;
page_is('nginx is gone: it says so', lost => qr/./, title => qr/^(?!In order)/);

done_testing;
