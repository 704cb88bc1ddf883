# What must not end a wait, and what must not begin one: a body that is still
# on its way, a queue without a place, a connect that nobody waits for.

use strict;
use warnings;

use lib 't/lib';

use IO::Select;
use IO::Socket::INET;
use Test::More;
use Time::HiRes qw( sleep time );

use UniqueRandom::Nginx;
use UniqueRandom::Postgres;
use UniqueRandom::Util qw( black_hole tcp_proxy wait_until );

my $pg = UniqueRandom::Postgres->new;
$pg->create_database('numbers')->apply_schema('numbers');
$pg->psql('numbers', "SELECT unique_random.add('$_', 1, 1000)")
    for qw( slow queue exit );

my $proxy = tcp_proxy($pg->port);
my $shard = $pg->url(db => 'numbers', port => $proxy->port);

# A body that is not there yet.  nginx ends a request whose body it discards
# after lingering_timeout without news; one that waits for a number has to
# outlive that, and to be answered.
{
    my $nginx = UniqueRandom::Nginx->new(
        http => <<"EOT",
unique_random_pool slow {
    lease off;
    connect_timeout 60s;
    reserve_timeout 60s;
    wait_timeout 60s;
    shard $shard range=1-1000;
}
lingering_timeout 300ms;
EOT
    );

    for my $rest ('', 'late, but whole') {
        $proxy->hang;

        my $client = IO::Socket::INET->new(
            PeerAddr => '127.0.0.1',
            PeerPort => $nginx->port,
        ) or die "connect: $!\n";

        my $what = 'a body of which ' . ($rest ? 'the rest' : 'nothing')
            . ' comes meanwhile';

        print {$client} "POST /random HTTP/1.1\r\nHost: localhost\r\n"
            . "Content-Length: 15\r\n\r\n";
        print {$client} $rest if $rest;

        # This long there has to be nothing, neither an answer nor an end.
        ok !IO::Select->new($client)->can_read(1.5), "$what: it waits";

        $proxy->forward;

        my $reply = '';
        wait_until(
            sub {
                sysread $client, $reply, 4096, length $reply
                    if IO::Select->new($client)->can_read(0.1);
                return $reply =~ /\}\z/;
            },
            30, 'the answer',
        );

        like $reply, qr/^HTTP\/1\.1 200 .*\{"number":\d+\}\z/s,
            "$what: it is answered";

        next if !$rest;

        # The connection is as good as before.
        print {$client} "GET /random HTTP/1.1\r\nHost: localhost\r\n\r\n";
        $reply = '';
        wait_until(
            sub {
                sysread $client, $reply, 4096, length $reply
                    if IO::Select->new($client)->can_read(0.1);
                return $reply =~ /\}\z/;
            },
            30, 'the next answer',
        );
        like $reply, qr/^HTTP\/1\.1 200 /, "$what: it is kept alive";
    }

    is_deeply [ $nginx->errors(qr/emerg|alert|crit/) ], [], 'no alert';
}

# Nobody may wait, so somebody who is refused has to ask.
{
    my $nginx = UniqueRandom::Nginx->new(
        http => "unique_random_pool queue { queue 0; connect_timeout 60s;"
            . " reserve_timeout 60s; shard $shard range=1-1000; }",
    );

    is $nginx->get('/random')->{status}, 503, 'queue 0: the first is refused';
    wait_until(sub { $nginx->get('/random')->{status} == 200 }, 30, 'a number');
    pass '... and others are not for long';
}

# A worker that is to exit does not wait for a host that does not answer.
{
    my $hole  = black_hole();
    my $nginx = UniqueRandom::Nginx->new(
        http => <<"EOT",
unique_random_pool exit {
    connect_timeout 600s;
    wait_timeout 200ms;
    shard postgresql://127.0.0.1:@{[ $hole->port ]}/numbers range=1-1000;
}
EOT
    );

    is $nginx->get('/random')->{status}, 503, 'a host that does not answer';
    $nginx->stop;
    pass 'a graceful exit does not wait for it';
    is_deeply [ $nginx->errors(qr/emerg|alert|crit/) ], [], 'no alert';
}

done_testing;
