# Two workers ask for the same range, and the reply to the first one comes last:
# its numbers are given out, but what it says of the range is no longer so.

use strict;
use warnings;

use Test::More;

use JSON::PP qw( decode_json );

use UniqueRandom::Client   ();
use UniqueRandom::Nginx    ();
use UniqueRandom::Postgres ();
use UniqueRandom::Util     qw( tcp_proxy wait_until );

my $pg    = UniqueRandom::Postgres->new;
my $proxy = tcp_proxy($pg->port);
my $db    = 'numbers';

$pg->create_database($db)->apply_schema($db);

# So many numbers, of which the second worker takes some while the reply to the
# first one is on its way; and what the status has then.
for (
    [ 'some are left', 100, 5, 'active',    92 ],
    [ 'none is left',  12,  9, 'exhausted', 0 ],
) {
    my ($what, $size, $meanwhile, $state, $remaining) = @$_;

    my $pool = "of_$size";
    $pg->psql($db, "SELECT unique_random.add('$pool', 1, $size)");

    # Each request asks by itself.
    my $nginx = UniqueRandom::Nginx->new(
        workers => 2,
        http    => "unique_random_pool $pool { lease off; connect_timeout 20s;"
            . ' reserve_timeout 30s; wait_timeout 40s; shard '
            . $pg->url(db => $db, port => $proxy->port)
            . " name=a range=1-$size; }",
        server => "location /random { unique_random $pool; }"
            . 'location /status { unique_random_status json; }'
            . 'location /pid { return 200 $pid; }',
    );
    my ($first, $second) = map { UniqueRandom::Client->of($nginx, $_) }
        $nginx->worker_pids;

    # So that both have a connection.
    $proxy->forward;
    my @replies = map { $_->get('/random') } $first, $second;

    my $answered = $proxy->answered;
    $proxy->delay(3);
    $first->send('/random');
    wait_until(sub { $proxy->answered > $answered }, 20, 'a reply');

    $proxy->delay(0);
    push @replies, map { $second->get('/random') } 1 .. $meanwhile;
    push @replies, $first->reply(30);

    my %seen = map { ($_->{content} =~ /(\d+)/)[0] => 1 } @replies;
    is keys %seen, @replies, "$what: each request has a number";

    my ($range) = @{ decode_json($nginx->get('/status')->{content})
        ->{pools}[0]{ranges} };
    is $range->{remaining}, $remaining, '... the status knows how many';
    is $range->{state}, $state, "... and that it is $state";
}

done_testing;
