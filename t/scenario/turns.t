# A shard has several hosts, and some of them are of no use in ways that take
# time.  Each of the others has its turn: what a host takes, fails to say, or
# says, keeps nobody from the one that grants.

use strict;
use warnings;

use lib 't/lib';

use Test::More;
use Time::HiRes qw( sleep time );

use UniqueRandom::Nginx    ();
use UniqueRandom::Postgres ();
use UniqueRandom::Server   ();
use UniqueRandom::Util     qw( black_hole free_port tcp_proxy wait_until );

use constant SIZE => 1_000_000;

my $pg = UniqueRandom::Postgres->new(name => 'primary');
$pg->create_database('numbers')->apply_schema('numbers');
$pg->psql('numbers', "SELECT unique_random.add('numbers', 1, @{[ SIZE ]})");

my $standby = $pg->standby(name => 'standby');
$pg->wait_for_standby($standby);

my %seen;

# Arguments: hosts, or ports of 127.0.0.1; parameters of the shard; the block.
sub nginx {
    my ($hosts, $shard, $block, %arg) = @_;

    my $url = $pg->url(
        db    => 'numbers',
        hosts => [ map { /\A\d+\z/ ? "127.0.0.1:$_" : $_ } @$hosts ],
    );

    return UniqueRandom::Nginx->new(%arg, http => <<"EOT");
unique_random_pool numbers {
    lease off;
    $block
    shard $url range=1-@{[ SIZE ]} $shard;
}
EOT
}

sub number {
    my ($nginx) = @_;

    my ($number) = $nginx->get('/random')->{content} =~ /:(\d+)\}\z/
        or return 0;

    $seen{$number}++;
    return 1;
}

# Within what one request may wait, which is many times connect_timeout.
sub gives {
    my ($nginx, $what) = @_;

    my $begun = time;

    ok number($nginx), $what;
    note sprintf '... after %.2f s', time - $begun;
    is_deeply [ $nginx->errors ], [], '... and no alert';
    return;
}

# One byte comes, and then nothing more.
sub half_dead {
    my (%arg) = @_;

    return UniqueRandom::Server->new(sub {
        my ($link) = @_;
        $link->read(8);
        $link->write('N')->silence;
    }, %arg);
}

# What is not logged is done all the same.
for my $level (qw( error warn notice )) {
    subtest "hosts that are of no use, at level $level" => sub {
        my @block = ('max_fails=0', 'connect_timeout 5s; wait_timeout 25s;');

        gives(nginx([ free_port(), free_port(), $pg->port ], @block,
                level => $level), 'two dead ones');
        gives(nginx([ $standby->port, $pg->port ], @block, level => $level),
            'a standby');

        my $nginx = nginx([ free_port(), free_port() ], 'max_fails=1',
            'connect_timeout 1s; wait_timeout 1s;', level => $level);

        ok !number($nginx), 'none but dead ones: no number';
        is $nginx->get('/')->{status}, 404, '... and the worker goes on';
    };
}

for my $count (1, 2) {
    subtest "half-dead hosts before the primary: $count" => sub {
        my @dead  = map { half_dead() } 1 .. $count;
        my $nginx = nginx([ (map { $_->port } @dead), $pg->port ],
            'max_fails=0', 'connect_timeout 5s; wait_timeout 25s;');

        gives($nginx, 'a number comes');
        is scalar(grep { !$_->reached } @dead), 0, '... all were asked before';
    };
}

subtest 'the host that was right is half-dead' => sub {
    my $proxy = tcp_proxy($pg->port);
    my $nginx = nginx([ $proxy->port, $pg->port ],
        'max_fails=0', 'connect_timeout 5s; wait_timeout 25s;');

    gives($nginx, 'a number of the first one');
    is $proxy->connections, 1, '... which is the first';

    $proxy->stop;
    my $dead = half_dead(port => $proxy->port);

    gives($nginx, 'a number of the other one');
    ok $dead->reached, '... the first was asked before';
};

subtest 'a slow primary after a black hole' => sub {
    my $hole  = black_hole();
    my $proxy = tcp_proxy($pg->port);

    # The handshake has two round trips.
    $proxy->delay(0.6);

    my $nginx = nginx([ $hole->port, $proxy->port ], 'max_fails=0',
        'connect_timeout 2s; reserve_timeout 20s; wait_timeout 25s;');

    gives($nginx, 'a number comes');
    ok $hole->connections, '... the black hole was asked before';
};

for my $delay (0.5, 0.8) {
    subtest "a slow standby, a slow primary: $delay s" => sub {
        my @proxies = map { tcp_proxy($_->port) } $standby, $pg;

        $_->delay($delay) for @proxies;

        my $nginx = nginx([ map { $_->port } @proxies ], 'max_fails=0',
            'connect_timeout 2s; reserve_timeout 20s; wait_timeout 25s;');

        gives($nginx, 'a number comes');
        ok $proxies[0]->connections, '... the standby was asked before';
    };
}

for my $count (31, 33, 70) {
    subtest "hosts that refuse, before the primary: $count" => sub {
        my $closed = free_port();
        my $nginx  = nginx(
            [ (map {"127.0.1.$_:$closed"} 1 .. $count), $pg->port ],
            'max_fails=0', 'wait_timeout 25s;');

        gives($nginx, 'a number comes');
    };
}

sub refusing {
    return UniqueRandom::Server->new(sub { $_[0]->startup->refuse('28P01') });
}

# A try for each request that has nothing else, however long fail_timeout is,
# unless it is for the operator to mend.
for my $first (qw( refuses silent )) {
    subtest "one refuses, the other is silent, first: $first" => sub {
        my $proxy = tcp_proxy($pg->port);
        $proxy->hang;

        my $refusing = refusing();
        my @ports    = ($refusing->port, $proxy->port);
        my $nginx    = nginx(
            [ $first eq 'silent' ? reverse @ports : @ports ],
            'max_fails=1 fail_timeout=1h',
            'connect_timeout 1s; wait_timeout 2s;',
        );

        ok !number($nginx), 'no number';
        $nginx->wait_for_log(qr/could not reserve from shard/, 20);
        ok eval { wait_until(sub { $refusing->accepted }, 20) },
            '... it was asked who refuses';
        ok $proxy->connections, '... and who is silent';

        $proxy->forward;
        ok eval {
            wait_until(sub { number($nginx) }, 20, 'a number comes');
        }, '... and is asked again soon: a number comes';
    };
}

subtest 'all refuse' => sub {
    my @refusing = map { refusing() } 1, 2;
    my $nginx    = nginx([ map { $_->port } @refusing ],
        'max_fails=3 fail_timeout=1h',
        'connect_timeout 20s; wait_timeout 25s;');
    my $asked    = sub { join ' ', map { $_->accepted } @refusing };
    my $begun    = time;

    ok !number($nginx), 'no number';
    note sprintf '... after %.2f s', time - $begun;
    like $nginx->error_log, qr/it is unavailable for now: .*FATAL:  no/,
        '... the shard is given up at once';

    my $before = $asked->();

    # Longer than until the next try, if there were one.
    for (1 .. 10) {
        sleep 0.1;
        number($nginx) and fail 'a number';
    }

    is $asked->(), $before, '... and not asked again';
};

subtest 'the only host is a standby' => sub {
    my $proxy = tcp_proxy($standby->port);
    my $nginx = nginx([ $proxy->port ], 'max_fails=0', 'wait_timeout 100ms;');
    my $failed = sub {
        my @lines = grep {/could not reserve from shard/}
            split /^/, $nginx->error_log;
        return scalar @lines;
    };

    wait_until(sub {
        number($nginx) and die "a number\n";
        return $failed->() >= 5;
    }, 30, 'it has been asked some times');

    # One may be under way.
    ok eval {
        wait_until(sub { $proxy->connections == $failed->() }, 20, 'it ends');
    }, 'one connection for each time';
};

is scalar(grep { $_ > 1 } values %seen), 0, 'no number came twice';

done_testing;
