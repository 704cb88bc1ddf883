# What "make run" starts is what somebody sees of the project first: numbers
# from two shards, and nothing left behind when it is told to stop.

use strict;
use warnings;

use lib 't/lib';

use Cwd qw( abs_path );
use HTTP::Tiny;
use Test::More;
use Time::HiRes qw( sleep );

use UniqueRandom::Util
    qw( descendants free_port is_alive read_file spawn tmp_dir wait_gone wait_until );

my $dir  = tmp_dir();
my $run  = "$dir/run";
my $log  = "$dir/log";
my $port = free_port();

chmod 0755, $dir;

local $ENV{RUN}         = $run;
local $ENV{PORT}        = $port;
local $ENV{SHARD_PORTS} = join ' ', free_port(), free_port();
local $ENV{NGINX}       = $ENV{TEST_NGINX_BINARY} || '/usr/sbin/nginx';

my $script = abs_path('tools/run');
my $module = (split ' ', $ENV{TEST_NGINX_LOAD_MODULES}
    || abs_path('build/ngx_http_unique_random_module.so'))[0];

plan skip_all => 'it runs what is built for production'
    if $module =~ m{/build/(?:asan|memcheck)/};

my $requests = 0;
my %seen;

for my $time ('at first', 'and again, with the data that were kept') {
    my $pid = spawn(command => [ $script, $module ], log => $log);

    wait_until(sub { (read_file($log) // '') =~ /^Ready\./m || !is_alive($pid) },
        120, 'tools/run');
    like read_file($log), qr{curl http://127\.0\.0\.1:$port/random},
        "$time: it says what to type";

    my $http = HTTP::Tiny->new;
    my $number = sub {
        my $reply = $http->get("http://127.0.0.1:$port/random");
        my ($number) = $reply->{content} =~ /\A\{"number":(\d+)\}\z/;
        $requests++;
        $seen{ $number // "$reply->{status} $reply->{content}" }++;
        return $number // 0;
    };

    # The first numbers are of the shard that answers first.
    for my $of (0, 1) {
        wait_until(sub { $number->() > 500_000 == $of }, 30, "shard $of");
    }

    $number->() for 1 .. 200;

    is $http->get("http://127.0.0.1:$port/health")->{content},
        '{"status":"ok"}', '... /health';

    my $start = $http->get("http://127.0.0.1:$port/")->{content};
    like $start, qr{<title>Unique random numbers}, '... /';
    like $start, qr{<a href="/status">.*?\bdashboard\b}s, '... a dashboard';

    for my $path ($start =~ /href="([^"]*)"/g) {
        is $http->get("http://127.0.0.1:$port$path")->{status}, 200,
            "... links $path" if $path ne '/docs' || -e 'build/pages/index.html';
    }

    like $http->get("http://127.0.0.1:$port/docs")->{content},
        qr{<title>Unique random numbers}, '... /docs' if -e 'build/pages/index.html';

    like $http->get("http://127.0.0.1:$port/status",
        { headers => { Accept => 'text/html' } })->{content},
        qr{<script}, '... /status, as a page' if -e 'build/pages/status.html';

    my @started = descendants($pid);
    cmp_ok scalar(@started), '>', 1, '... it runs ' . @started . ' processes';

    # As who is told by a supervisor and, once more, by make.
    for (1 .. 100) {
        kill TERM => $pid;
        sleep 0.001;
    }

    wait_gone(60, $pid, @started);
    pass '... and stops them all';

    unlink $log;
}

is scalar(keys %seen), $requests, "$requests requests have as many numbers";
is_deeply [ grep { !/^\d+$/ || $_ < 1 || $_ > 1_000_000 } keys %seen ], [],
    '... from 1 to 1,000,000';
ok scalar(grep { $_ <= 500_000 } keys %seen), '... of the first shard';
ok scalar(grep { $_ > 500_000 } keys %seen),  '... and of the second one';

done_testing;
