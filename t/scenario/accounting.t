# For one nginx at rest: what was granted to it has been issued, or excluded, or
# is leased, or was given back, or is burned, and why; and the databases agree.  Whatever
# happened to workers, connections, databases and configurations before.

use strict;
use warnings;

use JSON::PP    qw( decode_json );
use List::Util  qw( sum0 );
use Test::More;
use Time::HiRes qw( sleep );

use UniqueRandom::Load     ();
use UniqueRandom::Nginx    ();
use UniqueRandom::Postgres ();
use UniqueRandom::Util     qw( tcp_proxy wait_until );

use constant SIZE => 10_000_000;

my ($pg, $shard) = UniqueRandom::Postgres->new_shard(0, SIZE);

my $proxy = tcp_proxy($pg->port);
my $issued = 0;

sub pool {
    my ($more) = @_;

    return 'unique_random_pool numbers { lease max=500;'
        . ' connect_timeout 60s; reserve_timeout 60s;'
        . ' exclude "[37]$";'
        . " shard @{[ $pg->url(db => 'numbers', port => $proxy->port) ]}"
        . ' name=a fail_timeout=1s range=1-' . SIZE . "; @{[ $more // '' ]} }";
}

my $nginx = UniqueRandom::Nginx->new(
    workers => 2,
    http    => pool(),
    server  => 'location /random { unique_random; }'
        . ' location /status { unique_random_status json; }',
);

sub status {
    return decode_json($nginx->get('/status')->{content})->{pools}[0];
}

# All that are answered with a number are counted.
sub draw {
    my (%arg) = @_;

    my $load = UniqueRandom::Load->new(
        port        => $nginx->port,
        connections => 16,
        %arg,
    );

    return $load;
}

sub drawn {
    my ($load) = @_;

    $issued += $load->numbers;
    return $load;
}

# Once batches have been put back, and nothing is asked for ahead of need.
sub rests {
    my $range;

    wait_until(sub {
        my $pool = status();

        $range = $pool->{ranges}[0];
        return $range->{batched} == 0
            && !$pool->{shards}[0]{connections}{busy};
    }, 30, 'all batches are put back');

    return $range;
}

sub closes {
    my ($what, %arg) = @_;

    my $range  = rests();
    my $burned = $range->{burned};
    my $sum    = sum0(@$range{qw( issued excluded leased batched given_back )},
        values %$burned);

    is $sum, $range->{granted}, "$what: the account closes"
        or diag explain $range;
    cmp_ok $range->{excluded}, '>', $range->{issued} / 8,
        '... with what is excluded';

    # who was killed may have issued what nobody heard of
    my $unheard = $arg{unheard} // 0;
    cmp_ok $range->{issued} - $issued, '>=', 0, '... as many issued';
    cmp_ok $range->{issued} - $issued, '<=', $unheard,
        '... as were received';
    $issued = $range->{issued};

    my $reserved = $pg->psql('numbers', 'SELECT reserved - returned'
            . ' FROM unique_random.ranges');
    cmp_ok $range->{granted}, '>=', $reserved - ($arg{skipped} // 0),
        '... and the database has reserved no more';

    return $range;
}

drawn(draw(count => 5000)->run);
my $range = closes('drawn from');
is sum0(values %{ $range->{burned} }), 0, '... with nothing burned';
is $range->{reserved}, $range->{granted}, '... all that was reserved';

{
    my $load = draw->start;

    for (1 .. 5) {
        sleep 0.4;
        kill KILL => ($nginx->worker_pids)[0];
        wait_until(sub { $nginx->worker_pids == 2 });
    }

    drawn($load->stop->finish);

    my $killed = closes('workers killed', unheard => 16 * 5)->{burned}{killed};
    cmp_ok $killed, '<=', 5 * 64, "... $killed positions with their batches";
}

{
    my $load = draw->start;

    for (1 .. 5) {
        sleep 0.4;
        $nginx->reload;
    }

    drawn($load->stop->finish);
    closes('reloaded');
}

{
    my $load = draw->start;

    for (1 .. 5) {
        sleep 0.3;
        $proxy->cut;
    }

    drawn($load->stop->finish);
    my $lost = closes('replies lost')->{burned}{lost};
    cmp_ok $lost, '<=', 5 * 2 * 500, "... $lost positions at most";
}

{
    my $was = rests();

    $pg->psql('numbers', 'UPDATE unique_random.ranges'
            . ' SET reserved = reserved - 1000');
    wait_until(sub {
        draw(count => 500)->run;
        return rests()->{state} eq 'fenced';
    }, 20);
    $issued = rests()->{issued};

    my $fenced = closes('fenced', skipped => SIZE);
    like $fenced->{sql}, qr/^SELECT unique_random\.accept\('numbers', 1,/,
        '... and the status says what to run';
    like $fenced->{reason}, qr/./, '... and why';

    $pg->psql('numbers', $fenced->{sql} =~ s/advance => \d+/advance => 2000/r);
    wait_until(sub { $nginx->get('/random')->{status} == 200 }, 20);
    $issued = rests()->{issued};

    my $life = closes('a new life', skipped => SIZE);
    is $life->{state}, 'active', '... is active';
    is $life->{leased} + $life->{burned}{life} > 0, 1,
        '... leases of the old one are burned';
}

drawn(draw(count => 1000)->run);
$range = closes('and at last', skipped => SIZE);

my $before = length $nginx->error_log;
$nginx->stop;
my $at_stop = substr $nginx->error_log, $before;

my ($granted, $gone, $excluded, $back, $burned) = $at_stop =~ /
    of\ (\d+)\ positions\ .*\ (\d+)\ are\ issued,\ (\d+)\ excluded,
    \ (\d+)\ given\ back,\ (\d+)\ burned/x;

is $gone + $excluded + $back + $burned, $granted,
    'stopped: the log has the account';
is $gone, $range->{issued}, '... of all that was issued';
is $excluded, $range->{excluded}, '... and excluded';

# In a second, or not at all.
ok $back || $at_stop =~ /could not be given back .*: .*time/,
    '... and given back';

done_testing;
