# A shard whose connection breaks, at whatever step, is no business of others:
# what OpenSSL has to say of it stays away from the worker's own TLS clients,
# who are served as if there were no such shard.

use strict;
use warnings;

use File::Basename qw( dirname );
use POSIX ();
use Test::More;

use UniqueRandom::Client   ();
use UniqueRandom::Nginx    ();
use UniqueRandom::Postgres ();
use UniqueRandom::Server   ();
use UniqueRandom::Util     qw( free_port run );

use constant {
    ATTEMPTS => 20,

    # Of one client of the worker's, over one connection.
    REQUESTS => 20,

    # Of what the server says over TLS, that is the reply to the first query,
    # or the second where it sends no tickets; and over TLS 1.2, this is its
    # certificate.
    REPLY       => 9,
    CERTIFICATE => 2,
};

my $pg = UniqueRandom::Postgres->new;
my $ca = $pg->enable_tls;
my $other = UniqueRandom::Postgres->new;
my $other_ca = $other->enable_tls;

# Pools, by name: what each has for a shard.
my %server = (
    unharmed     => relay(sub { return $_[1] }),
    'no promise' => server(sub { $_[0]->read(8) }),
    'no hello'   => server(sub { $_[0]->tls }),
    junk         => server(sub {
        my ($link) = @_;
        $link->tls->read(1);
        $link->write('junk' x 100)->silence;
    }),
    'wrong CA'   => relay(sub { return $_[1] }),
    certificate  => relay(damaged(CERTIFICATE)),
    reply        => relay(damaged(REPLY)),
    login        => server(sub {
        $_[0]->startup->message(R => pack 'N', 0);
    }),
    refusal => server(sub {
        $_[0]->startup->message(E => "SFATAL\0C28000\0Mno\0\0");
    }),
    map { ("after $_" => relay(until_piece($_))) } 1 .. REPLY,
);

my %params = (
    login       => { sslmode => 'disable' },
    refusal     => { sslmode => 'disable' },
    'wrong CA'  => { sslmode => 'verify-ca', sslrootcert => $other_ca },
    certificate => {
        sslmode                  => 'verify-ca',
        sslrootcert              => $ca,
        ssl_max_protocol_version => 'TLSv1.2',
    },
);

my @names = sort keys %server;
my ($pools, $locations) = ('', '');

for my $i (0 .. $#names) {
    my $name  = $names[$i];
    my $first = $i * 1000 + 1;
    my $last  = $first + 999;
    my $url   = $pg->url(
        db     => "pool$i",
        port   => $server{$name}->port,
        params => $params{$name}
            // { sslmode => 'verify-ca', sslrootcert => $ca },
    );

    $pg->create_database("pool$i")->apply_schema("pool$i");
    $pg->psql("pool$i", "SELECT unique_random.add('pool$i', $first, $last)");

    # The machine may be slow, too.
    my $wait = $name eq 'unharmed' ? '60s' : '300ms';

    $pools .= "unique_random_pool pool$i { lease off; wait_timeout $wait;"
        . ($name eq 'unharmed' ? ' connect_timeout 30s; reserve_timeout 30s;' : '')
        . " shard $url range=$first-$last \"name=$name\" max_fails=0; }\n";
    $locations .= "location = /pool$i { unique_random pool$i; }\n";
}

my $tls_port = free_port();
my $keys     = dirname($ca);
my $nginx    = UniqueRandom::Nginx->new(
    workers => 1,
    http    => <<"EOT",
$pools
server {
    listen 127.0.0.1:$tls_port ssl;
    ssl_certificate $keys/server.crt;
    ssl_certificate_key $keys/server.key;
    location = /health { return 204; }
}
EOT
    server => $locations,
);

my @clients = map { UniqueRandom::Client->new($nginx) // die "connect: $!\n" }
    @names;
my (%status, %innocent);

my @harmed = grep { $_ ne 'unharmed' } @names;

while (grep { $_->accepted < ATTEMPTS } @server{@harmed}) {
    $clients[$_]->send("/pool$_") for 0 .. $#names;

    # Meanwhile, a handshake and some requests.
    my ($code, $out) = run(command => [
        'curl', '-s', '--cacert', $ca, '-w', '%{http_code} ',
        "https://127.0.0.1:$tls_port/health?[1-@{[ REQUESTS ]}]",
    ]);
    $innocent{$_}++ for split ' ', $out;

    for my $i (0 .. $#names) {
        my $reply = $clients[$i]->reply(90) // { status => 'none' };
        $status{ $names[$i] }{ $reply->{status} }++;
    }
}

for my $name (@names) {
    my ($why) = $nginx->error_log =~ /(?:shard "$name"[:,] |"$name":)(.*)/;

    note sprintf '%s: %d attempts; %s', $name, $server{$name}->accepted,
        $why // 'no reason';

    if ($name eq 'unharmed') {
        is_deeply [ keys %{ $status{$name} } ], [200],
            'the unharmed one serves';

    } else {
        delete $status{$name}{200};
        is_deeply [ keys %{ $status{$name} } ], [503], "$name: no number";
        ok defined $why, '... and the log says why';
    }
}

note "$innocent{204} requests over TLS";
is_deeply [ keys %innocent ], [204], 'others are served over TLS';

my @stale = grep {/ignoring stale global SSL error/} split /^/,
    $nginx->error_log;
is @stale, 0, 'and are not blamed for what others did' or diag $stale[0];

$nginx->quit;
is_deeply [ $nginx->errors ], [], 'nothing is wrong in the error log';

done_testing;

sub server {
    my ($code) = @_;

    return UniqueRandom::Server->new($code);
}

sub relay {
    my ($change) = @_;

    return server(sub { $_[0]->relay($pg->port, $change) });
}

sub damaged {
    my ($i) = @_;

    return sub {
        my ($n, $piece) = @_;

        substr $piece, 20, 60, "\xff" x 60 if $n == $i;
        return $piece;
    };
}

# Then it is gone, without a word.
sub until_piece {
    my ($i) = @_;

    return sub { $_[0] < $i ? $_[1] : POSIX::_exit(0) };
}
