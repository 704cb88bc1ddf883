# A host that stands still for ten seconds: its connections stay open, nothing
# answers, and then everything does, too late.  The other shard serves, and
# what comes late is burned (I3).

use strict;
use warnings;

use lib 't/lib';

use Test::More;
use Time::HiRes qw( sleep );

use UniqueRandom::Faults;
use UniqueRandom::Postgres;

use constant SECONDS => 10;

my @clusters = map { UniqueRandom::Postgres->new(name => "shard$_") } 0, 1;
my $pool  = UniqueRandom::Faults->new(name => 'paused', clusters => \@clusters);
my $nginx = $pool->nginx;

$pool->wait_for($_, $nginx) for 0, 1;

my @cpu = map { $nginx->cpu_time($_) } $nginx->worker_pids;

$pool->start($nginx);
sleep 0.5;
$clusters[0]->pause;
sleep SECONDS;
$clusters[0]->resume;
my $during = $pool->finish;

is $during->status(200), $during->attempts,
    'a shard stands still for ' . SECONDS . " s: all @{[ $during->attempts ]}"
    . ' requests are answered with a number';

my $spent = -$cpu[0] - $cpu[1];
$spent += $nginx->cpu_time($_) for $nginx->worker_pids;
cmp_ok $spent, '<', SECONDS / 2, "... and nobody spins: $spent s of CPU";

$pool->wait_for(0, $nginx);
$pool->end('a shard stands still for ' . SECONDS . ' s', $nginx);

is_deeply [ $nginx->errors(qr/emerg|alert|crit/) ], [], 'no alert';

done_testing;
