package UniqueRandom::Hanging;

# Shards that hang, each in a way of its own, and one that does not.  Loading it
# starts two clusters.
#
#   my @cases = cases(qw( silent tls ));     # see below
#   my ($what, $shards, %arg) = @{ $cases[0] };
#
#   my $nginx = nginx($shards, timeout => 3, %arg);
#   watch($nginx, $until, 60, 'what it waits for');
#   reached($name)                           # how many connections hang by now

use strict;
use warnings;

use Exporter qw( import );
use Test::More ();
use Time::HiRes qw( sleep time );

use UniqueRandom::Client   ();
use UniqueRandom::Gate     ();
use UniqueRandom::Nginx    ();
use UniqueRandom::Postgres ();
use UniqueRandom::Server   ();
use UniqueRandom::Util     qw(
    black_hole free_port full_backlog silent_name_server wait_until
);

our @EXPORT_OK = qw(
    RANGE SLOW NEVER $hanging $ca cases nginx reached server watch
);

use constant {
    RANGE => 10_000_000,

    # Far below the time that the shard hangs, and enough for a machine that
    # is busy with something else.
    SLOW => 2,

    # More than any test waits for.
    NEVER => 600,

    ROUNDS => 2_147_483_647,

    # The server says these: the promise of TLS, its hello, the change of
    # cipher, its extensions, certificate, proof and end, tickets if it has
    # any, two of them, and that we are in.
    RECORDS => 9,
};

my @in = (R => pack 'N', 0);
my ($in, $parameter, $notice) = map { UniqueRandom::Server::message(@$_) }
    \@in, [ S => "a\0b\0" ], [ N => "SNOTICE\0Mwait\0\0" ];

my $healthy  = _cluster('healthy', 0);
our $hanging = _cluster('hanging', 1);
our $ca      = $hanging->enable_tls;

# How many connections hang by now, as a function, by the name of the shard.
my %reached;

# Not a lexical, which would end with this file.
my $backlog = free_port();
our $held   = full_backlog('127.0.0.1', $backlog);

# Each: what hangs, in words; the shards by name; more arguments of nginx().
# "stuck" is where a thread does not come back by itself.
my %case = (
    silent => sub {
        return 'that says nothing', {
            backlog => _url($backlog),
            _deaf(),
            server(
                in_tls => sub { $_[0]->tls->silence },
                sslmode => 'require',
            ),
            server(in_auth => sub {
                my ($link) = @_;
                $link->startup->message(R => pack 'N', 3);
                $link->expect('p');
                $link->silence;
            }),
            server(is_in => sub { $_[0]->startup->message(@in)->silence }),
        };
    },
    tls => sub {
        return 'whose TLS stands still',
            { map { _stands_still($_) } 0 .. RECORDS };
    },
    slow => sub {
        return 'that says something all the time', {
            server(bytes => sub {
                $_[0]->startup->trickle(1, $in . $parameter x 100);
            }),
            server(parameters => sub {
                $_[0]->startup->message(@in)->repeat(0.1, $parameter);
            }),
            server(notices => sub {
                $_[0]->startup->message(@in)->repeat(0.1, $notice);
            }),
            server(error => sub {
                $_[0]->startup->write(pack 'a N', 'E', 0x3fffffff)
                    ->repeat(0.01, 'x' x 1000);
            }),
        };
    },
    rounds => sub {
        return 'that asks for rounds',
            { server(rounds => sub { $_[0]->scram(ROUNDS)->silence }) },
            stuck => 1;
    },
    files => sub {
        return 'with files that cannot be read', {
            sslrootcert => _tls_url(sslrootcert => _fifo()),
            sslcert     => _tls_url(sslrootcert => $ca, sslcert => _fifo()),
            sslcrl      => _tls_url(sslrootcert => $ca, sslcrl  => _fifo()),
        }, stuck => 1;
    },
    name => sub {
        return 'whose name nobody knows',
            { name => 'host=unknown.example user=postgres dbname=numbers' },
            stuck => 1,
            files => _unknown();
    },
);

# Begins to listen for those with these names.
sub cases {
    my (@names) = @_;

    return map { [ $case{$_}->() ] } @names;
}

# Those of a shard, unless it is one whose connections cannot be counted.
sub reached {
    my ($name) = @_;

    return $reached{$name} && $reached{$name}->();
}

# Asks the worker for something else, every few milliseconds, until it is so.
# None of it may take longer than $slow seconds (SLOW).
sub watch {
    my ($nginx, $until, $timeout, $what, $slow) = @_;

    $slow //= SLOW;

    my $client = UniqueRandom::Client->new($nginx) or die "connect: $!\n";
    my $failed = 0;
    my @took;

    wait_until(sub {
        for (1 .. 10) {
            my $start = time;
            my $reply = $client->get('/health', $slow + 10);

            push @took, time - $start;

            if (!$reply || $reply->{status} != 204) {
                $failed++;
                $client = UniqueRandom::Client->new($nginx);
            }

            sleep 0.003;
        }

        return $until->();
    }, $timeout, $what);

    @took = sort { $a <=> $b } @took;

    Test::More::note(sprintf '%d requests for something else: p50 %.1f ms, '
        . 'p99 %.1f ms, p99.9 %.1f ms, the slowest %.1f ms', scalar @took,
        map { 1000 * $took[ $_ * $#took ] } 0.5, 0.99, 0.999, 1);

    Test::More::is($failed, 0,
        'each request for something else is answered');
    Test::More::cmp_ok($took[-1], '<', $slow, 'without delay');

    return scalar @took;
}

# With a range for each of the shards, and for the healthy one.
sub nginx {
    my ($shards, %arg) = @_;

    my $i     = 0;
    my $range = sub {
        my ($from, $to) = ($i * RANGE + 1, ($i + 1) * RANGE);
        $i++;
        return "range=$from-$to";
    };

    my @lines = 'shard ' . $healthy->url(db => 'numbers') . ' '
        . $range->() . ($arg{alone} ? ' down;' : ';');

    push @lines, "shard \"$shards->{$_}\" " . $range->()
        . " name=$_ fail_timeout=1s max_fails=1;" for sort keys %$shards;

    my $wait = $arg{alone} ? 1 : 60;

    # A worker waits for the reply to what it has asked.
    my $reserve = $arg{timeout} == NEVER ? 1 : $arg{timeout};

    # Where many want a number, some wait for it, and have all shards asked
    # that are due and have not answered yet.
    return UniqueRandom::Nginx->new(
        workers => 1,
        files   => $arg{files} // {},
        http    => <<"EOT",
keepalive_requests 1000000;
limit_req_zone \$server_port zone=slow:1m rate=500r/s;
limit_req_log_level info;
unique_random_pool numbers {
    lease min=1 max=1;
    connect_timeout $arg{timeout}s;
    reserve_timeout ${reserve}s;
    wait_timeout ${wait}s;
    @lines
}
EOT
        server => <<'EOT',
location = /random { unique_random; }
location = /slow { limit_req zone=slow burst=100; unique_random; }
location = /health { return 204; }
EOT
    );
}

sub _cluster {
    my ($name, $i) = @_;

    my $pg = UniqueRandom::Postgres->new(name => $name);
    my ($first, $last) = ($i * RANGE + 1, ($i + 1) * RANGE);

    $pg->create_database('numbers')->apply_schema('numbers');
    $pg->psql('numbers',
        "SELECT unique_random.add('numbers', $first, $last)");
    return $pg;
}

sub _url {
    my ($port, %params) = @_;

    return $healthy->url(
        db       => 'numbers',
        port     => $port,
        password => 'secret',
        params   => \%params,
    );
}

sub _tls_url {
    my (%params) = @_;

    return $hanging->url(
        db     => 'numbers',
        params => { sslmode => 'verify-ca', %params },
    );
}

# Whose open() does not return.
sub _fifo {
    return UniqueRandom::Gate->new('')->close->path;
}

# Files by which nobody knows a name.
sub _unknown {
    return {} if UniqueRandom::Nginx->why_no_files;

    my ($socket, $files) = silent_name_server();
    my $asked = 0;

    $reached{name} = sub {
        my $question;
        $asked++ while defined $socket->recv($question, 512);
        return $asked;
    };

    return $files;
}

# Shards, each as a name and its URL: one that is accepted and no more,
sub _deaf {
    my $hole = black_hole();

    $reached{deaf} = sub { $hole->connections };
    return deaf => _url($hole->port);
}

# one that does as the code says,
sub server {
    my ($name, $code, %params) = @_;

    my $server = UniqueRandom::Server->new($code);

    $reached{$name} = sub { $server->reached };
    return $name => _url($server->port, %params);
}

# and one that says nothing after so many pieces of the handshake.
sub _stands_still {
    my ($n) = @_;

    return server("tls$n" => sub {
        $_[0]->relay($hanging->port, sub { $_[0] < $n ? $_[1] : undef });
    }, sslmode => 'verify-ca', sslrootcert => $ca);
}

1;
