# A shard's host is a name.  It is what this machine says it is, whatever
# `resolver` says; and it need not resolve when nginx starts, only when it is
# needed.

use strict;
use warnings;

use lib 't/lib';

use Test::More;
use Time::HiRes qw( time );

use UniqueRandom::Client     ();
use UniqueRandom::NameServer ();
use UniqueRandom::Nginx      ();
use UniqueRandom::Postgres   ();
use UniqueRandom::Util       qw( free_port wait_until );

use constant {
    SIZE => 10_000_000,

    # Where the server is, and where nobody listens.
    PRIMARY => '127.0.0.130',
    CLOSED  => '127.0.0.139',
};

if (my $why = UniqueRandom::Nginx::why_no_files()) {
    plan skip_all => $why;
}

my $pg = UniqueRandom::Postgres->new(
    hba  => ['host all all 127.0.0.0/8 trust'],
    conf => { listen_addresses => '127.0.0.1,' . PRIMARY },
);

$pg->create_database('numbers')->apply_schema('numbers');
$pg->psql('numbers', "SELECT unique_random.add('numbers', 1, @{[ SIZE ]})");

my $localhost = "127.0.0.1 localhost\n";
my @results;

# Arguments: hosts of the shard; pool, for the block (idle_timeout 10ms); shard,
# parameters; more shards; and those of Nginx->new.
sub nginx {
    my ($hosts, %arg) = @_;

    my $pool  = delete $arg{pool}
        // 'idle_timeout 10ms; connect_timeout 30s;';
    my $shard = delete $arg{shard}  // '';
    my $more  = delete $arg{shards} // '';
    my $url   = $pg->url(db => 'numbers', hosts => $hosts);

    return UniqueRandom::Nginx->new(
        files => { '/etc/hosts' => $localhost },
        http  => <<"EOT",
unique_random_pool numbers {
    lease off;
    reserve_timeout 30s;
    $pool
    shard $url range=1-@{[ SIZE ]} $shard;
    $more
}
EOT
        %arg,
    );
}

sub draw {
    my ($status, @numbers) = UniqueRandom::Client->draw(@_);

    push @results, @numbers;
    return $status;
}

# The names of shards are what they are on this machine.
for my $resolver ('does not answer', 'answers with another address') {
    subtest "a resolver that $resolver" => sub {
        my $elsewhere = UniqueRandom::NameServer->new('*' => [CLOSED]);
        my $searched  = UniqueRandom::NameServer->new(
            'db.example' => [PRIMARY],
        );
        my $address = $resolver =~ /not/ ? '127.0.0.1:' . free_port()
            : $elsewhere->address;

        for (
            [ 'localhost' ],
            [ 'db', '/etc/hosts' => PRIMARY . " db\n" ],
            [ 'db', '/etc/resolv.conf' =>
                $searched->resolv_conf('search example') ],
            )
        {
            my ($name, %files) = @$_;
            my $what = join ' by ', $name, keys %files;

            # It goes on with a configuration that has it.
            my $nginx = nginx([$name], files => \%files);
            my $http  = "resolver $address;\nresolver_timeout 1s;\n"
                . $nginx->{http};

            is_deeply draw($nginx, 4), { 200 => 4 }, "$what: without it";

            $nginx->configure(http => $http);
            is +($nginx->test_config)[0], 0, '... -t likes it';
            $nginx->reload;
            is_deeply draw($nginx, 4), { 200 => 4 }, '... after a reload';
            $nginx->restart;
            is_deeply draw($nginx, 4), { 200 => 4 }, '... after a start';
            is_deeply [ $nginx->errors(qr/emerg|alert|crit|error|warn/) ], [],
                '... and the log has no complaint';
        }
    };
}

subtest 'a name that does not resolve' => sub {
    my $away = 'away.invalid';

    # The one it cannot ask is never an obstacle to the other.
    my $down = nginx([PRIMARY], shards => 'shard '
            . $pg->url(db => 'away', hosts => [$away])
            . ' range=10000001-10000009 down;');
    is +($down->test_config)[0], 0, 'on a shard that is down: -t likes it';
    is_deeply draw($down, 4), { 200 => 4 }, '... the other one serves';

    # As it is tried before.
    my $nobody = UniqueRandom::NameServer->new;
    my $list   = nginx([ $away, 'here.invalid' ], files => {
        '/etc/hosts'       => $localhost . PRIMARY . " here.invalid\n",
        '/etc/resolv.conf' => $nobody->resolv_conf,
    });
    is +($list->test_config)[0], 0, 'in a list: -t likes it';
    is_deeply draw($list, 4), { 200 => 4 }, '... the other host serves';
    unlike $list->error_log, qr/could not reserve/,
        '... the shard has not failed';
    $_->stop for $down, $list;

    my $none = nginx([ $away, CLOSED ], files => {
        '/etc/hosts'       => $localhost,
        '/etc/resolv.conf' => $nobody->resolv_conf,
    });
    is $none->get('/random')->{status}, 503, 'in a list of none: no number';
    like $none->error_log, qr/\Q$away\E" to address/,
        '... the log names the one that nobody knows';
    like $none->error_log, qr/\Q@{[ CLOSED ]}\E.*refused/,
        '... and the one that is dead';
    $none->stop;

    for my $by (qw( hosts server )) {
        my $names = UniqueRandom::NameServer->new;
        my $nginx = nginx([$away],
            shard => 'name=lost',
            start => 0,
            files => {
                '/etc/hosts'       => $localhost,
                '/etc/resolv.conf' => $names->resolv_conf,
            });

        is +($nginx->test_config)[0], 0,
            "as the only host, by $by: -t likes it";
        $nginx->start;
        my @pids = $nginx->worker_pids;

        my $begun = time;
        is $nginx->get('/random')->{status}, 503, '... there is no number';
        note sprintf '503 after %.2f s', time - $begun;
        like $nginx->error_log,
            qr/could not reserve from shard "lost".*\Q$away\E/,
            '... and the log names the shard and the host';

        if ($by eq 'server') {
            $names->set($away => [PRIMARY]);

        } else {
            $nginx->configure(files =>
                { '/etc/hosts' => $localhost . PRIMARY . " $away\n" });
        }

        $begun = time;
        wait_until(sub { draw($nginx, 1)->{200} }, 30, 'numbers');
        note sprintf '... resolves: a number after %.2f s', time - $begun;
        is_deeply [ $nginx->worker_pids ], \@pids, '... without a reload';
        is_deeply [ $nginx->errors ], [], '... and no alert';
        $nginx->stop;
    }
};

# The machine asks for IPv6 three times, a second each: longer than
# connect_timeout.
subtest 'a name that takes long to look up' => sub {
    my $names = UniqueRandom::NameServer->new('db.example' => [PRIMARY]);
    my $nginx = nginx(
        ['db.example'],
        pool  => '',
        files => {
            '/etc/resolv.conf' =>
                $names->silent('AAAA')->resolv_conf('options timeout:1'),
        },
    );
    my $begun = time;

    wait_until(sub { draw($nginx, 1)->{200} }, 60, 'a number');
    note sprintf 'a number after %.2f s', time - $begun;
    is_deeply draw($nginx, 20), { 200 => 20 }, 'numbers come';
    is_deeply [ $nginx->errors ], [], '... and no alert';
};

{
    my %seen;
    my @twice = grep { $seen{$_}++ } @results;

    is_deeply \@twice, [], 'of ' . @results . ' numbers none came twice';
}

done_testing;

sub listen_on {
    my ($addresses) = @_;

    $pg->set_conf(listen_addresses => $addresses);
    $pg->restart;
    return;
}
