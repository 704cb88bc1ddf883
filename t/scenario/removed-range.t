# A range that a reload removes leaves nothing behind that would be missed: what
# was leased of it goes back to its database, and what is known of it to the
# state, as if nginx had been stopped.

use strict;
use warnings;

use Test::More;

use UniqueRandom::Memory   ();
use UniqueRandom::Postgres ();
use UniqueRandom::Util     qw( children wait_gone );

use constant SIZE => 3000;

my @clusters = map { UniqueRandom::Postgres->new(name => "shard$_") } 0, 1;

sub pool {
    my ($name) = @_;

    my $pool = UniqueRandom::Memory->new(
        name     => $name,
        size     => SIZE,
        clusters => \@clusters,
        timeout  => '30s',
    );
    my $nginx = $pool->nginx;
    $pool->wait_for($_, $nginx) for 0, 1;

    return ($pool, $nginx);
}

# Positions of range $i that were given back and not yet issued again.
sub returned {
    my ($pool, $i) = @_;

    return $pool->sql($i, 'SELECT coalesce(sum(stop - start), 0)'
        . " FROM unique_random.returned WHERE pool = '@{[ $pool->name ]}'");
}

# What the file has of range 0, and what its database has.
sub is_saved {
    my ($pool, $what) = @_;

    my $file = $pool->remembered(0) // {};

    cmp_ok $file->{$_} // -1, '>=', $pool->row(0, $_),
        "$what: the state has its $_" for qw( reserved serial );
    is $file->{$_}, $pool->row(0, $_), "... and its $_"
        for qw( epoch incarnation );
    return;
}

sub explain_log {
    my ($pool, $nginx) = @_;

    my $last = SIZE;
    diag $pool->name, ", the log:\n", grep {/range 1-$last\b|\.state/}
        $nginx->errors(qr/emerg|alert|crit|error|warn|notice/)
        if !Test::More->builder->is_passing;
    return;
}

# Its last numbers are drawn while the old workers leave, and the process that
# writes the state ends before it has seen them.
for my $pool_too (0, 1) {
    my ($pool, $nginx) = pool("removed$pool_too");
    my $what = 'a range is removed' . ($pool_too ? ', then its pool' : '');

    $pool->wait_saved(0);
    my $manager = $pool->manager($nginx);
    kill STOP => $manager;
    $pool->draw(0, $nginx, 300);

    my @old = children($nginx->master_pid);
    $pool->start($nginx);
    $pool->configure($nginx, ranges => [1])->reload(wait => 'new');
    kill KILL => $manager;
    wait_gone(30, @old);
    my $during = $pool->finish;
    $pool->reload($nginx, pool => 0) if $pool_too;
    $nginx->stop;

    is_saved($pool, $what);
    is $during->failed, 0, '... no request failed';
    explain_log($pool, $nginx);
}

# Those that are leased stay in the zone, for the range may come back.
{
    my ($pool, $nginx) = pool('leases');

    $pool->draw(0, $nginx, 100);
    $pool->start($nginx);
    $pool->configure($nginx, ranges => [1])->reload;

    my $during = $pool->finish;
    is $during->status(200) + $during->closed, $during->attempts,
        'a range with leases is removed: no request failed';
    is returned($pool, $_), 0, "... range $_ keeps its leases" for 0, 1;

    # It comes, goes, and comes back.
    for (1 .. 3) {
        $pool->reload($nginx);
        $pool->wait_for(0, $nginx);
        $pool->reload($nginx, ranges => [1]);
    }

    # What another try has to give back is what it has drawn for.
    my $again;

    $nginx->stop_in_time(sub {
        $pool->reload($nginx);
        $pool->draw(0, $nginx, 20) if $again++;
    });
    my $late = $nginx->too_late;
    cmp_ok $pool->unissued, '<=', $late,
        '... and nothing is lost, nor at a clean stop';

    $pool->configure($nginx)->start;
    cmp_ok $pool->end('a range removed by a reload and added again', $nginx),
        '<=', $late, '... and all its numbers come in the end';
    is_deeply [ $nginx->errors ], [], '... and nothing else is wrong';
    explain_log($pool, $nginx);
}

# Without a state as well, by a reload that changes the zone, too: the leases of
# both are the old workers' (I5).
{
    my ($pool, $nginx) = pool('resized');

    $pool->draw(0, $nginx, 100);
    $pool->reload($nginx, ranges => [1], state => 0, zone => '512k');
    cmp_ok returned($pool, $_)
        + $nginx->too_late($pool->first($_) . '-' . $pool->last($_)), '>', 0,
        "a range removed as the zone is resized: range $_ is given back"
        for 0, 1;
    $nginx->stop;
    cmp_ok $pool->unissued, '<=', $nginx->too_late, '... nothing is lost';
    explain_log($pool, $nginx);
}

done_testing;
