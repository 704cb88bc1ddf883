# /ready tells a load balancer whether a number could be had, and takes none:
# at once while there is a lease, else as soon as a shard has answered.

use strict;
use warnings;

use lib 't/lib';

use Test::More;

use UniqueRandom::Nginx;
use UniqueRandom::Postgres;
use UniqueRandom::Util qw( read_file wait_until );

my $pg = UniqueRandom::Postgres->new;

my $server = <<'EOT';
location = /random { unique_random POOL; }
location = /ready {
    unique_random_ready POOL;
    add_header X-Status "[$unique_random_status$unique_random_wait]" always;
}
EOT

sub pool {
    my ($pool, $size, $more) = @_;

    $pg->create_database($pool)->apply_schema($pool);
    $pg->psql($pool, "SELECT unique_random.add('$pool', 1, $size)");

    return UniqueRandom::Nginx->new(
        http => "unique_random_pool $pool { $more connect_timeout 20s;"
            . " reserve_timeout 20s; wait_timeout 5s; shard "
            . $pg->url(db => $pool) . " range=1-$size fail_timeout=1s; }",
        server => $server =~ s/POOL/$pool/gr,
    );
}

sub answers {
    my ($nginx, $status, $content, $what, $method) = @_;

    my $reply = $nginx->request($method // 'GET', '/ready');

    is $reply->{status},  $status,  $what;
    is $reply->{content} // '', $content, '... with that body';
    is $reply->{headers}{'content-type'}, 'application/json', '... as JSON';
    is $reply->{headers}{'cache-control'}, 'no-store', '... that none may keep';

    return $reply->{headers};
}

my $ready  = '{"status":"ready"}';
my $late   = '{"status":"unavailable",'
    . '"detail":"No number could be reserved in time."}';
my $used   = '{"status":"unavailable",'
    . '"detail":"All available numbers have been used."}';

{
    my $nginx = pool('cold', 1000, '');

    answers($nginx, 200, $ready, 'a cold start: ready') for 1, 2;

    my $headers = answers($nginx, 200, '', 'HEAD', 'HEAD');
    is $headers->{'content-length'}, length $ready, '... has the length';
    is $headers->{'x-status'}, '[]', '... and no variable is set';

    $headers = answers($nginx, 405, '{"detail":"Method Not Allowed"}', 'POST',
        'POST');
    is $headers->{allow}, 'GET, HEAD', '... names what is allowed';

    is $pg->psql('cold', 'SELECT reserved FROM unique_random.ranges'), 16,
        'all that costs no number but a lease';

    $pg->stop;
    answers($nginx, 200, $ready, 'no database, but a lease: ready');
    my $given = grep { $nginx->get('/random')->{status} == 200 } 1 .. 17;
    is $given, 16, '... which is given to those who ask for it';

    $headers = answers($nginx, 503, $late, 'neither: not ready');
    is $headers->{'retry-after'}, 1, '... for the moment';

    $pg->start;
    wait_until(sub { $nginx->get('/ready')->{status} == 200 }, 30, 'ready');
    pass 'ready again, though nobody has asked for a number';
    is_deeply [ $nginx->errors(qr/emerg|alert|crit/) ], [], 'no alert';
}

{
    my $nginx = pool('off', 2, 'lease off;');

    answers($nginx, 200, $ready, 'lease off: ready') for 1 .. 5;
    is $pg->psql('off', 'SELECT reserved FROM unique_random.ranges'), 1,
        '... one position is kept for the next to ask';

    is $nginx->get('/random')->{status}, 200, 'a number' for 1, 2;
    answers($nginx, 503, $used, 'used up: not ready');
    is $nginx->get('/random')->{status}, 409, '... indeed';
}

# At nginx -t.
{
    my $shard = $pg->url(db => 'off');
    my $nginx = UniqueRandom::Nginx->new(start => 0);
    my $pools = join ' ',
        map {"unique_random_pool $_ { shard $shard range=1-2; }"} qw( a b );

    for (
        [ '', 'unique_random_ready',
            qr/"unique_random_ready" needs a "unique_random_pool", and there is none in \S+:\d+/ ],
        [ $pools, 'unique_random_ready',
            qr/"unique_random_ready" must name one of the pools "a", "b" in \S+:\d+/ ],
        [ $pools, 'unique_random_ready c',
            qr/unknown unique_random_pool "c", the pools are "a", "b" in/ ],
        [ $pools, 'unique_random_ready a b',
            qr/invalid number of arguments in "unique_random_ready"/ ],
        [ $pools, 'unique_random a; unique_random_ready a',
            qr/"unique_random_ready" directive is duplicate/ ],
        [ $pools, 'unique_random_ready ""', qr/it must not be empty/ ],
        )
    {
        my ($http, $directive, $message) = @$_;

        $nginx->configure(http => $http,
            server => "location = /ready { $directive; }");
        my ($code, $out) = $nginx->test_config;
        ok $code, "$directive: refused";
        like $out, $message, '... with the reason';
    }
}

done_testing;
