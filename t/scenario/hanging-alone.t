# While a shard hangs, in whatever phase, and no other one has numbers,
# everybody is refused in time, and the worker goes on with everything else.

use strict;
use warnings;

use Test::More;
use Time::HiRes qw( time );

use UniqueRandom::Hanging qw( NEVER cases nginx watch );
use UniqueRandom::Load  ();
use UniqueRandom::Nginx ();

for my $case (cases(qw( silent slow rounds files name ))) {
    my ($name, $shards, %arg) = @$case;

    subtest "no shard but one $name" => sub {
        my $why = $arg{files} && UniqueRandom::Nginx->why_no_files;
        plan skip_all => $why if $why;

        alone($shards, %arg);
    };
}

done_testing;

sub alone {
    my ($shards, %arg) = @_;

    my $nginx = nginx($shards, timeout => NEVER, %arg, alone => 1);
    my ($worker) = $nginx->worker_pids;
    my $load = UniqueRandom::Load->new(
        port        => $nginx->port,
        connections => 8,
        processes   => 1,
        count       => 16,
        timeout     => 60,
    )->start;
    my $started = time;

    # What blocks the worker does so for ever.
    watch($nginx, sub { time - $started > 3 }, 60, 'all were refused', 20);

    my $result = $load->finish;

    is $result->status(503), $result->attempts, 'everybody is refused';
    cmp_ok $result->elapsed, '<', 30, '... in time';
    is_deeply [ $nginx->worker_pids ], [$worker], 'the worker lives';
    $nginx->term;
    is_deeply [ $nginx->errors ], [], 'nothing is wrong in the error log';

    return;
}
