# The primary of a shard dies and a standby takes its place: one that may have
# lagged grants nothing before an operator has said how far the lost one had
# got; one that cannot have lagged may be trusted.  Nobody is given a number
# twice, and the other shard serves meanwhile.

use strict;
use warnings;

use Test::More;

use UniqueRandom::Faults   ();
use UniqueRandom::Postgres ();
use UniqueRandom::Util     qw( tmp_dir wait_until );

use constant SIZE => 5000;

my $other = UniqueRandom::Postgres->new(name => 'other');

# A machine that stands still for a while is no failure of a shard, and does not
# use it up.
my @patient = (timeout => '30s', rate => 50);

# A shard's servers, in the order in which they are tried.
sub hosts {
    return 'postgresql://postgres@'
        . join(',', map { '127.0.0.1:' . $_->port } @_) . '/numbers';
}

sub pool {
    my ($name, $primary, %arg) = @_;

    return UniqueRandom::Faults->new(
        name     => $name,
        size     => SIZE,
        clusters => [ $primary, $other ],
        %arg,
    );
}

sub all_served {
    my ($pool, $what) = @_;

    my $result = $pool->finish;
    is $result->status(200), $result->attempts,
        "$what: no request failed of " . $result->attempts;
    return $result;
}

# Takes until more than $more positions have been reserved.
sub reserve_more {
    my ($pool, $nginx, $more) = @_;

    my $before = $pool->row(0, 'reserved');

    return wait_until(
        sub {
            $pool->take($nginx, 50);
            return $pool->row(0, 'reserved') > $before + $more;
        },
        30, 'reservations',
    );
}

sub accept_largest {
    my ($pool, @nginx) = @_;

    my ($at_least) = sort { $b <=> $a }
        map { $_->error_log =~ /at_least => (\d+)/g } @nginx;
    my $name = $pool->name;

    $pool->sql(0,
        "SELECT unique_random.accept('$name', 1, at_least => $at_least)");
    return $at_least;
}

# I7, I8: a standby that lags is promoted.  Its timeline is not that of the row,
# so that it grants nothing to anybody; not to one either that has never seen
# the old primary, which is the first to ask.
{
    my $old  = UniqueRandom::Postgres->new(name => 'old');
    my $pool = pool('lag', $old);
    my $new  = $old->standby(name => 'new');
    my $one  = $pool->nginx(
        conninfo => [ hosts($old, $new) ], @patient,
        more     => 'state ' . tmp_dir() . '/lag;',
    );

    $pool->wait_for(0, $one);
    $old->wait_for_standby($new);
    $new->stop_receiving;
    reserve_more($pool, $one, 100);

    my $forgotten = $pool->row(0, 'reserved');
    $pool->moved(0, $new);
    $forgotten -= $pool->row(0, 'reserved');
    cmp_ok $forgotten, '>=', 100, "a standby lags by $forgotten positions";

    $pool->start($one);
    $old->kill9;
    $one->wait_for_log(qr/could not reserve from shard/, 30);
    all_served($pool, '... the primary is killed');

    my $two = $pool->nginx(conninfo => [ hosts($old, $new) ], @patient);

    $pool->start($two);
    $new->promote;
    my $alert = qr/\[alert\].* is fenced: timeline is 2 instead of 1;/;
    $two->wait_for_log($alert, 30);
    my $result = all_served($pool, '... the standby is promoted');
    is $pool->of(0, $result), 0, '... and it gives nothing, as an alert tells';

    $pool->start($one);
    $one->wait_for_log($alert, 30);
    all_served($pool, '... nor to one that knew the old primary');
    is $pool->of(0, $pool->take($one, 100)), 0, '... not from a lease either';

    my $at_least = accept_largest($pool, $one, $two);
    cmp_ok $at_least, '>=', $pool->row(0, 'reserved'), '... it is accepted';
    $pool->wait_for(0, $_) for $one, $two;
    pass '... and gives numbers to both, without a reload';

    # I8: the old primary comes back, and is the first in the list.  Who has
    # seen the later life of the range goes on to the next host, be it that its
    # workers are new or that it has it from its state; and the row of the old
    # one is fenced, so that one that has seen nothing goes on, too.  Had such
    # a one been the first to ask, that would be the split brain that nobody can
    # notice, and is not tried.
    $old->start;
    my $row = 'SELECT serial, reserved FROM unique_random.ranges';
    my $before = $old->psql('numbers', $row);

    $two->reload;
    reserve_more($pool, $two, 50);
    like $two->error_log,
        qr/a later life of the range has been seen, trying the next host/,
        'the old primary is back: it is found out after a reload';

    $one->restart;
    reserve_more($pool, $one, 50);
    is_deeply [ map { scalar $_->errors } $one, $two ], [ 1, 1 ],
        '... and after a restart, without another alert';

    my $three = $pool->nginx(conninfo => [ hosts($new, $old) ], @patient);
    reserve_more($pool, $three, 50);
    pass '... who asks the new one first draws from it';

    my $four = $pool->nginx(conninfo => [ hosts($old, $new) ], @patient);
    reserve_more($pool, $four, 50);
    pass '... who has seen nothing and asks the old one is sent on';
    is $old->psql('numbers', $row), $before, '... the old one gives nothing';

    $four->stop;
    $pool->end('a lagging standby is promoted, the old primary comes back',
        $one, $two, $three);
}

# I7: what is acknowledged has reached the synchronous standby, so a changed
# timeline may be trusted where the row says so: nobody needs to do anything.
# But only as long as synchronous_standby_names is set: a server without it may
# have lagged, whatever the row says.  If it has, an operator has to say so.
{
    my $first  = UniqueRandom::Postgres->new(name => 'first');
    my $pool   = pool('trust', $first, failover => 'trust');
    my $second = $first->standby(name => 'second');
    my $third  = $second->standby(name => 'third');

    $first->set_conf(synchronous_standby_names => 'second');
    $second->set_conf(synchronous_standby_names => 'third');

    my $one = $pool->nginx(conninfo => [ hosts($first, $second, $third) ], @patient);

    $pool->wait_for(0, $one);
    reserve_more($pool, $one, 100);
    $pool->start($one);
    $first->kill9;
    $second->promote;
    $pool->moved(0, $second);
    wait_until(sub { $pool->row(0, 'timeline') == 2 }, 30,
        'reservations from the standby');
    all_served($pool, 'a synchronous standby is promoted, trusted');
    reserve_more($pool, $one, 100);
    is_deeply [ $one->errors ], [], '... nothing is wrong';

    $second->wait_for_standby($third);
    $pool->start($one);
    $second->kill9;
    $third->promote;
    $pool->moved(0, $third);
    $one->wait_for_log(qr/\[warn\].* timeline is 3 instead of 2, trust waits for/, 30);
    all_served($pool, 'another, which may have lagged, is not trusted');
    is_deeply [ $one->errors ], [], '... nor fenced';

    my ($command)
        = $one->error_log =~ /not granted from yet: .* run (SELECT .*?;)/;
    $pool->sql(0, $command);
    $pool->start($one);
    $one->wait_for_log(
        qr/\[alert\].* is fenced: timeline is 3 instead of 2;/, 30);
    all_served($pool, '... it is, as soon as an operator says so');

    accept_largest($pool, $one);
    $pool->wait_for(0, $one);
    $pool->end('synchronous standbys are promoted, failover=trust', $one);
}

# I2, I3: without its synchronous standby a commit is not acknowledged.  What
# was asked for is burned, once and not with each try; the positions are not
# given again when the standby is back.
{
    my $primary = UniqueRandom::Postgres->new(name => 'primary');
    my $pool    = pool('alone', $primary);
    my $standby = $primary->standby(name => 'standby');

    $primary->set_conf(synchronous_standby_names => 'standby');

    # Longer than the machine stands still, which would burn more.
    my $one = $pool->nginx(conninfo => [ hosts($primary, $standby) ],
        timeout => '5s', rate => 50);

    $pool->wait_for(0, $one);
    reserve_more($pool, $one, 50);

    $pool->start($one);
    $standby->stop;
    $one->wait_for_log(
        qr/could not reserve from .* timed out, what was asked for is burned/,
        30);
    $one->wait_for_log(qr/(?:could not reserve from .*?){4}/s, 30);
    $standby->start;
    reserve_more($pool, $one, 50);
    all_served($pool, 'the synchronous standby is gone, and comes back');

    my $burned = $pool->end('the synchronous standby is gone for a while',
        $one);
    cmp_ok $burned, '>', 0, '... what was not acknowledged is burned';
    cmp_ok $burned, '<=', 2 * 20, '... once for each worker at most';
    is_deeply [ $one->errors ], [], '... nothing is wrong';
}

done_testing;
