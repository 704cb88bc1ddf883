# Requests for many numbers of all kinds that nginx has: streams of HTTP/2,
# subrequests, filters, redirects, and a process that is all there is.

use strict;
use warnings;

use Test::More;
use Time::HiRes qw( sleep time );

use UniqueRandom::Bulk     ();
use UniqueRandom::Nginx    ();
use UniqueRandom::Postgres ();
use UniqueRandom::Util     qw( run tmp_dir wait_until write_file );

my ($pg, $shard) = UniqueRandom::Postgres->new_shard(0, 20_000_000);

my $long = 'connect_timeout 60s; reserve_timeout 60s;';

# Once it is, nobody asks before a fail_timeout is over.
my $fenced = 'shard ' . $pg->url(db => 'numbers') . ' range=30000001-40000000;';
$pg->psql('numbers', "SELECT unique_random.add('fenced', 30000001, 40000000)");

my $root = tmp_dir() . '/root';
mkdir $root;

write_file("$root/page.html", join '|', map {
    "<!--# include virtual=\"/random?count=$_\" -->"
} 3, 30_000, 1, 5000);
write_file("$root/plain", 'plain');
write_file("$root/long", 'long' x 10_000);

my %arg = (
    http   => "unique_random_pool numbers { $long wait_timeout 25s; shard $shard; }"
        . "gzip_types *; unique_random_pool fenced { lease off; $long"
        . " wait_timeout 9s; $fenced }",
    server => <<"EOT",
        unique_random_max_count 1000000;
        location /random { unique_random numbers; }
        location /fenced { post_action /plain; unique_random fenced; }
        location /gzip { gzip on; unique_random numbers; }
        location /text { unique_random numbers; }
        location /page { root $root; ssi on; }
        location /auth { auth_request /random; root $root; try_files /plain =404; }
        location /mirror { mirror /mirrored; root $root; try_files /plain =404; }
        location /mirrored { unique_random numbers; }
        location /long { mirror /mirrored; limit_rate 1k; root $root; }
        location /rewrite { rewrite ^ /random?count=7? last; }
        location /error { error_page 400 503 = /plain; unique_random numbers; }
        location /after { post_action /plain; unique_random numbers; }
        location /brief { post_action /plain; send_timeout 1s; unique_random numbers; }
        location /plain { root $root; }
        location /status { unique_random_status json; }
EOT
);

my $nginx = UniqueRandom::Nginx->new(%arg);
my $bulk  = UniqueRandom::Bulk->new($nginx);

sub curl {
    my (@option) = @_;

    my ($code, $out) = run(command => [ qw( curl -sS --max-time 60 ), @option ]);
    is $code, 0, "curl @option[0 .. $#option - 1]";
    return $out;
}

is @{ $bulk->count(curl('--compressed', $nginx->url('/gzip?count=100000'))) },
    100_000, 'gzip';

{
    my @lines = split /\n/, curl('-H', 'Accept: text/plain',
        $nginx->url('/text?count=20000')), -1;
    is pop @lines, '', 'text: a line each';
    is @{ $bulk->count('{"numbers":[' . join(',', @lines) . ']}') }, 20_000,
        '... as many';
}

{
    my $page  = $nginx->get('/page.html')->{content};
    my @parts = split /\|/, $page, -1;

    is_deeply [ map { scalar @{ $bulk->count($_) // [] } } @parts ],
        [ 3, 30_000, 1, 5000 ], 'included into a page';

    my $slow = $bulk->client('GET /page.html HTTP/1.1');
    @parts = split /\|/, $slow->rest(0.01) // '', -1;
    is_deeply [ map { scalar @{ $bulk->count($_) // [] } } @parts ],
        [ 3, 30_000, 1, 5000 ], '... that is read slowly';
    is $slow->left, 0, '... and no more';

    $slow = $bulk->client('GET /page.html HTTP/1.1');
    $slow->read(1000);
    $slow->close;
}

is @{ $bulk->take('/rewrite', 3) }, 7, 'rewritten';
is $nginx->get('/auth?count=3')->{content}, 'plain', 'auth_request';
is $nginx->get('/mirror?count=3')->{content}, 'plain', 'mirror';
is $nginx->get('/error?count=0')->{status}, 400, 'error_page has no part in it';
is @{ $bulk->take('/after', 50_000) }, 50_000, 'post_action';

{
    my $gone = $bulk->client('GET /after?count=1000000 HTTP/1.1');
    is $gone->status, 200, 'post_action, of one that leaves';
    $gone->close;
}

{
    my $late = $bulk->client('GET /brief?count=1000000 HTTP/1.1');
    is $late->status, 200, 'post_action, of one that does not read';
    is_deeply $bulk->account('numbers'), [], '... and is given up';
    is $late->rest, undef, '... it is cut off';

    $late->write("GET /plain HTTP/1.1\r\nHost: a\r\n\r\n");
    unlike $late->read(1_000_000, 1), qr/HTTP/, '... and nothing else comes';
}

{
    my $cut = $bulk->client('GET /fenced?count=1000000 HTTP/1.1');
    is $cut->status, 200, 'post_action, of one whose range is fenced';

    $pg->psql('numbers', 'UPDATE unique_random.ranges SET reserved = 1'
            . " WHERE pool = 'fenced'");
    wait_until(sub { $nginx->get('/fenced')->{status} == 503 }, 30,
        'the range is fenced');
    ok !defined $cut->rest, '... it is cut off';

    $cut->write("GET /plain HTTP/1.1\r\nHost: a\r\n\r\n");
    unlike $cut->read(1_000_000, 1), qr/HTTP/, '... and nothing else comes';
}

{
    my $long = $bulk->client('GET /long?count=1000 HTTP/1.1');
    is $long->status, 200, 'mirror, of one that takes long';
    is_deeply $bulk->account('numbers'), [], '... has nothing held for it';
    cmp_ok $long->left, '>', 0, '... though it goes on';
    $long->close;
}

is_deeply $bulk->account('numbers'), [], 'the account closes';
is $bulk->burned('numbers'), 0, '... and nothing is burned';

# A request that has been answered in part when its worker is to go.
{
    $nginx->configure(main => 'worker_shutdown_timeout 1s;',
        listen => 'sndbuf=16k');
    $nginx->reload;

    my $slow = $bulk->client('GET /random?count=1000000 HTTP/1.1');
    is $slow->status, 200, 'worker_shutdown_timeout';
    $nginx->reload;
    is_deeply $bulk->account('numbers'), [], '... the account closes';
    is $bulk->burned('numbers'), 0, '... and nothing is burned';
}

$nginx->configure(listen => 'http2');
$nginx->restart;

{
    my ($ok, $out) = run(command => [
        'nghttp', '--no-dep', '-t', 60, '-w', 14, '-W', 15,
        $nginx->url('/random?count=200000'),
    ]);

    is $ok, 0, 'HTTP/2, with small windows';
    is @{ $bulk->count($out) // [] }, 200_000, '... all are there';

    ($ok, $out) = run(command => [
        'nghttp', '-n', '--no-dep', '-t', 60, '-m', 5,
        $nginx->url('/random?count=60000'),
    ]);
    is $ok, 0, '... five at a time';

    $nginx->configure(listen => '');
    $nginx->reload;
    is_deeply $bulk->account('numbers'), [], '... the account closes';
}

is $bulk->repeated, 0, 'none came twice';
$nginx->stop;
is_deeply [ grep { !/fenced/ } $nginx->errors ], [], 'nothing was an error';

# One process, of which nobody takes care.
{
    my $single = UniqueRandom::Nginx->new(%arg, workers => 0,
        main => 'master_process off;');
    my $one = UniqueRandom::Bulk->new($single);

    is @{ $one->take('/random', 100_000) // [] }, 100_000, 'master_process off';

    my $log;

    # In a second, or not at all: there are some tries.
    for my $try (1 .. 5) {
        my $slow = $one->client('GET /random?count=1000000 HTTP/1.1');
        is $slow->status, 200, '... and a million';

        my $before = length $single->error_log;

        $single->term;
        $log = substr $single->error_log, $before;

        last if $log !~ /could not be given back .*time/ || $try == 5;
        $single->start;
    }

    like $log, qr/positions that were granted to.* 0 burned/,
        '... of which what is not sent is given back';
    is_deeply [ $single->errors ], [], 'nothing was an error';
}

done_testing;
