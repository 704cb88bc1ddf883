# The folder of the state is the operator's: two masters may share it, another
# one may be named, its file may be removed, and for a moment there may be no
# descriptor to read it with.  None of that makes nginx forget.

use strict;
use warnings;

use Fcntl          qw( LOCK_EX );
use File::Basename qw( dirname );
use Test::More;
use Time::HiRes qw( sleep );

use UniqueRandom::Memory   ();
use UniqueRandom::Postgres ();
use UniqueRandom::Util     qw( read_file run user_ids wait_until );

use constant {
    SIZE   => 10_000,
    LEASE  => 1000,
    ISSUED => 100,
};

my @clusters = map { UniqueRandom::Postgres->new(name => "shard$_") } 0, 1;

sub pool {
    my ($name) = @_;

    return UniqueRandom::Memory->new(
        name     => $name,
        size     => SIZE,
        timeout  => '20s',
        clusters => \@clusters,
    );
}

# What is in the file when nobody draws any more.
sub is_saved {
    my ($pool, $what) = @_;

    for my $i (0, 1) {
        ok eval { $pool->wait_saved($i) }, "$what: the file has range $i"
            or diag $@;
    }

    return;
}

# One master is told by the file what the other one has seen: a life in which
# its own leases are somebody else's.
{
    my $pool  = pool('shared');
    my %conf  = (lease => "min=@{[ LEASE ]} max=@{[ LEASE ]}");
    my $slept = $pool->nginx(%conf);
    my $awake = $pool->nginx(%conf);

    $clusters[0]->stop;
    my $copy = $clusters[0]->save_data;
    $clusters[0]->start;

    $pool->wait_for(0, $slept);
    cmp_ok $pool->of(0, $pool->result), '<', ISSUED,
        'a master holds leases, of which it has issued some';
    $pool->wait_saved(0);

    # The operator knows how far the clients have got, but nothing of leases.
    $clusters[0]->stop;
    $clusters[0]->restore_data($copy)->start;
    $pool->sql(0, "SELECT unique_random.accept('shared', 1,"
        . " at_least => @{[ ISSUED ]}, advance => 0)");

    $pool->draw(0, $awake, 2 * LEASE);
    wait_until(
        sub { $pool->remembered(0)->{epoch} == $pool->row(0, 'epoch') },
        20, 'the other master has saved what was accepted',
    );

    $slept->reload;
    is $pool->take($slept, LEASE)->status(200), LEASE,
        '... it goes on when it has read of the new life';
    $pool->end('two masters, one folder', $slept, $awake);
}

# What the zone has is written wherever a configuration says, at once: that it
# was written somewhere else before is of no use there.
{
    my $pool  = pool('moved');
    my $nginx = $pool->nginx;

    $pool->draw($_, $nginx, 100) for 0, 1;
    is_saved($pool, 'a folder');

    $pool->move->reload($nginx, ranges => [1]);
    is_saved($pool, 'another folder, and nothing is drawn');

    unlink $pool->file or die $pool->file, ": $!\n";
    $pool->reload($nginx, ranges => [1]);
    is_saved($pool, 'the file was removed, and nothing is drawn');
}

# ... with a zone of another size, too: what no configuration has now comes along.
{
    my $pool  = pool('resized');
    my $nginx = $pool->nginx;

    $pool->draw($_, $nginx, 100) for 0, 1;
    is_saved($pool, 'a zone');

    $pool->move->reload($nginx, ranges => [1], zone => '512k');
    is_saved($pool, 'another zone and another folder');
}

# ... by whoever has that configuration, though those of the one before, who save
# to their own folder until they have left, may be faster.
{
    my $pool  = pool('late');
    my $nginx = $pool->nginx;

    $pool->draw($_, $nginx, 100) for 0, 1;
    is_saved($pool, 'a folder of those who leave');

    # Whatever a reply tells would be written in any case.
    $_->stop for @clusters;
    wait_until(sub { time - (stat $pool->file)[9] > 3 }, 30, 'all is saved');

    my @known = map { $pool->remembered($_)->{reserved} } 0, 1;

    $pool->move;
    my $folder = dirname($pool->file);
    mkdir $folder or die "$folder: $!\n";
    chown @{ user_ids('www-data') }, $folder if $> == 0;

    open my $lock, '>>', $pool->file . '.lock' or die "no lock: $!\n";
    chmod 0666, $pool->file . '.lock';
    flock $lock, LOCK_EX or die "flock: $!\n";

    # Until the new manager does not wait for it any more, but comes again.
    $pool->reload($nginx, ranges => [1]);
    sleep 1;
    ok !-e $pool->file, 'another folder, and the old workers leave first';
    close $lock;

    ok eval {
        wait_until(sub { -s $pool->file }, 30, 'the new file is there');
    }, '... then it is written' or diag $@;
    is_deeply [ map { ($pool->remembered($_) // {})->{reserved} } 0, 1 ],
        \@known, '... with all that was known';

    $_->start for @clusters;
}

# A process that has no descriptor left cannot read the file: it is not damaged,
# and what has to be written waits.
{
    my $pool  = pool('unread');
    my $nginx = $pool->nginx;

    $pool->draw($_, $nginx, 100) for 0, 1;
    is_saved($pool, 'a file');
    $nginx->stop;

    # From now on nothing but the file knows of the first range.
    $pool->configure($nginx, ranges => [1])->start;
    my $before  = read_file($pool->file);
    my $manager = $pool->manager($nginx);

    # The lock of the file still gets one.  Root may not change what belongs to
    # somebody else in every container.
    my $limit = sub {
        my ($n) = @_;
        my ($code, $out) = run(
            as      => user_ids('www-data'),
            command => [ 'prlimit', "--pid=$manager", "--nofile=$n:" ],
            merge   => 1,
        );
        die $out if $code;
    };

    # It may be at its file just now: those that are free at some time.
    my %free;
    for (1 .. 10) {
        $free{$_} = 1 for grep { !-l "/proc/$manager/fd/$_" } 0 .. 200;
        sleep 0.1;
    }
    my @free = sort { $a <=> $b } keys %free;

    my ($soft) = read_file("/proc/$manager/limits")
        =~ /^Max open files +(\d+)/m;
    $limit->($free[1]);

    $pool->draw(1, $nginx, 100);
    my $file = $pool->file;
    $nginx->wait_for_log(qr/open\(\) "\Q$file\E" failed.*\(24:/);
    is read_file($file), $before, '... that cannot be read is kept';
    ok !-e "$file.damaged", '... and not put aside';

    $limit->($soft);
    is_saved($pool, '... that can be read again');
    $nginx->stop;
    is_saved($pool, '... when nginx has ended');
}

done_testing;
