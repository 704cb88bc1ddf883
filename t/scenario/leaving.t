# A request that waits may go on in other ways than with a number: its client
# leaves, nginx redirects it, its page ends, its worker has to.  Whatever it is,
# the request takes no number with it, and nobody answers it twice.

use strict;
use warnings;

use IO::Socket::INET;
use Socket qw( SOL_SOCKET SO_LINGER );
use Test::More;

use UniqueRandom::Load     ();
use UniqueRandom::Nginx    ();
use UniqueRandom::Postgres ();
use UniqueRandom::Util     qw(
    black_hole free_port read_file tcp_proxy tmp_dir wait_until write_file
);

use constant {
    RANGE => 2000,
    LEAVE => 20,
};

my $pg = UniqueRandom::Postgres->new;
$pg->create_database('numbers')->apply_schema('numbers');
$pg->psql('numbers', "SELECT unique_random.add('$_', 1, @{[ RANGE ]})")
    for qw( left cycle );

my $proxy = tcp_proxy($pg->port);
my $hole  = black_hole();
my $http2 = free_port();
my $log   = tmp_dir() . '/requests.log';

mkdir tmp_dir() . '/html';
write_file(tmp_dir() . '/html/page',
    '<!--# include virtual="/first" --> <!--# include virtual="/second" -->');

# How each of them goes on when its client has left.  What is proxied goes to a
# host that does not answer, so that it is still at it when the numbers come.
my $locations = <<"EOT";
    lingering_timeout 1ms;
    root @{[ tmp_dir() ]}/html;
    access_log $log numbers;

    location = /stay     { unique_random left; }
    location = /stay_not { unique_random left; }
    location = /status   { stub_status; access_log off; }

    location = /to_static { unique_random left; post_action /static; }
    location = /to_named  { unique_random left; post_action \@named; }
    location = /to_proxy  { unique_random left; post_action /proxied; }
    location = /to_none   { unique_random left; post_action \@none; }
    location = /to_again  { unique_random left; post_action /again; }
    location = /to_guard  { unique_random left; post_action /guarded; }
    location = /to_cycle  { unique_random cycle; post_action /to_cycle; }

    location = /static  { return 200 static; }
    location \@named    { return 200 named; }
    location = /proxied { proxy_pass http://127.0.0.1:@{[ $hole->port ]}; }
    location = /again   { unique_random left; }
    location = /guarded { auth_request /guard; try_files /page =404; }
    location = /guard   { internal; unique_random left; }

    location = /error {
        auth_request /forbidden;
        error_page 403 = /to_proxy;
    }
    location = /forbidden { return 403; }

    location = /auth   { auth_request /asked; proxy_pass http://127.0.0.1:9; }
    location = /asked  { internal; unique_random left; post_action /proxied; }

    location = /page   { ssi on; ssi_types *; post_action /proxied; }
    location = /first  { internal; unique_random left; }
    location = /second { internal; unique_random left; post_action /proxied; }

    location = /mirror { mirror /second; unique_random left; }
    location = /copied { mirror /second; unique_random left;
                         post_action /proxied; }
EOT

sub pool {
    my ($name) = @_;

    return <<"EOT";
unique_random_pool $name {
    lease off;
    reserve_timeout 60s;
    wait_timeout 60s;
    shard @{[ $pg->url(db => 'numbers', port => $proxy->port) ]}
        range=1-@{[ RANGE ]} fail_timeout=1s;
}
EOT
}

my $nginx = UniqueRandom::Nginx->new(
    http => <<"EOT",
log_format numbers '\$uri \$unique_random_number \$status';
@{[ map { pool($_) } qw( left cycle ) ]}
server {
    listen 127.0.0.1:$http2 http2;
$locations
}
EOT
    server => $locations,
);

my %given;

sub given {
    my ($number) = @_;

    fail "$number comes twice" if $given{$number}++;
    return;
}

# How many requests it has, without the one that asks.
sub requests {
    my ($n) = $nginx->get('/status')->{content} =~ /Writing: (\d+)/;
    return $n - 1;
}

# Sends a request, by default a GET for a path.
sub ask {
    my ($path, $request) = @_;

    my $socket = IO::Socket::INET->new(
        PeerAddr => '127.0.0.1',
        PeerPort => $nginx->port,
    ) or die "connect: $!\n";
    $request //= "GET $path HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    syswrite $socket, $request;
    return $socket;
}

sub frame {
    my ($type, $flags, $stream, $payload) = @_;

    return substr(pack('N', length $payload), 1)
        . pack('CCN', $type, $flags, $stream) . $payload;
}

# The streams of an HTTP/2 connection are its odd numbers.
my @streams = map { 2 * $_ - 1 } 1 .. LEAVE;

sub ask_http2 {
    my ($path) = @_;

    my $socket = IO::Socket::INET->new(
        PeerAddr => '127.0.0.1',
        PeerPort => $http2,
    ) or die "connect: $!\n";

    # GET, http, and two literals: the path and the authority.
    my $headers = pack 'CC C C/a C C/a', 0x82, 0x86, 4, $path, 1, '127.0.0.1';

    syswrite $socket, join '', "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        frame(4, 0, 0, ''), map { frame(1, 5, $_, $headers) } @streams;
    return $socket;
}

# A number, read from a connection that waits for it.
sub take {
    my ($socket) = @_;

    sysread $socket, my $answer, 4096;
    my ($number) = $answer =~ /\A HTTP\/1\.1\ 200\ .* \{"number":(\d+)\}\z/sx;
    ok defined $number, 'who stayed gets a number';
    given($number);
    return;
}

# One way to leave is to close, another one to break the connection.
sub leave {
    my @sockets = @_;

    for my $i (0 .. $#sockets) {
        setsockopt $sockets[$i], SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0
            if $i % 2;
        close $sockets[$i];
    }

    return;
}

# How many were found to have left.
sub left {
    my @lines = $nginx->error_log =~ /client prematurely closed connection/g;
    return scalar @lines;
}

# What was logged, as [path, number, status], since the last time.
my $read = 0;

sub logged {
    my $text = substr read_file($log) // '', $read;
    $text =~ s/[^\n]*\z//;
    $read += length $text;
    return map { [ split / / ] } split /\n/, $text;
}

# Has LEAVE requests for a path wait, and their clients leave, between two that
# stay.  When both have their numbers, so would have those who left.  Returns
# what these left in the log.
sub leaving {
    my ($path, %arg) = @_;

    $arg{ask}   //= sub { return map { ask($path, $arg{request}) } 1 .. LEAVE };
    $arg{leave} //= \&leave;

    logged();

    # The first one's reservation is under way, the others wait for the next.
    $proxy->hang;
    my @stay = ask('/stay');
    wait_until(sub { requests() == 1 }, 20, 'one waits');

    my $before  = left();
    my @leaving = $arg{ask}->($path);
    wait_until(sub { requests() == LEAVE + 1 }, 20, 'all wait');

    $arg{leave}->(@leaving);
    wait_until(sub { left() - $before >= LEAVE }, 20, 'all have left');

    push @stay, ask('/stay');
    wait_until(sub { requests() == 2 + ($arg{goes_on} // 0) }, 20,
        'who is done with has gone');

    $proxy->forward;
    take($_) for @stay;

    $hole->cut;
    wait_until(sub { requests() == 0 }, 30, 'nobody is left');

    # A worker may still have to log the last one.
    wait_until(sub { !$nginx->old_worker_pids }, 30, 'nor who served before');

    return grep { $_->[0] ne '/stay' } logged();
}

for my $case (
    [ 'a page'             => '/to_static', '/static', 200, 0 ],
    [ 'a named location'   => '/to_named', '/to_named', 200, 0 ],
    [ 'no such location'   => '/to_none', '/to_none', 500, 0 ],
    [ 'an upstream server' => '/to_proxy', '/proxied', 499, LEAVE ],
) {
    my ($what, $path, $uri, $status, $goes_on) = @$case;

    subtest "post_action, $what" => sub {
        is_deeply [ leaving($path, goes_on => $goes_on) ],
            [ ([ $uri, '-', $status ]) x LEAVE ],
            'it goes there, once, without a number';
    };
}

# nginx would end what still has a body to discard after lingering_timeout.
for my $body ("Content-Length: 100000\r\n\r\nand no more",
    "Transfer-Encoding: chunked\r\n\r\n9\r\nand no mo")
{
    my ($what) = $body =~ /\A(.*):/;

    subtest "post_action, with a body on its way, $what" => sub {
        is_deeply [
            leaving('/to_proxy',
                goes_on => LEAVE,
                request => "POST /to_proxy HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                    . $body,
            )
        ], [ ([ '/proxied', '-', 499 ]) x LEAVE ], 'it goes there, once';
    };
}

# What comes after a client is a request of its own, as it is with a proxy.
subtest 'post_action, a number' => sub {
    my @after = leaving('/to_again', goes_on => LEAVE);

    is_deeply [ map { $_->[0] } @after ], [ ('/again') x LEAVE ],
        'it is asked for, and logged';
    given($_->[1]) for @after;
};

# A subrequest has a client, which has left.
subtest 'post_action, with a subrequest' => sub {
    is_deeply [ leaving('/to_guard') ],
        [ ([ '/guarded', '-', 499 ]) x LEAVE ], 'it ends without a number';
};

subtest 'post_action, the same again' => sub {
    my @after = leaving('/to_cycle', goes_on => LEAVE);

    is_deeply [ map { $_->[0] } @after ], [ ('/to_cycle') x LEAVE ],
        'it ends when nginx ends it';
    my %last = map { $_->[1] => 1 } @after;
    is keys %last, LEAVE, 'each with another number';
};

for my $case (
    [ 'redirected by error_page' => '/error', '/proxied', 499, LEAVE ],
    [ 'auth_request'             => '/auth', '/auth', 499, LEAVE ],
    [ 'SSI'                      => '/page', '/page', 499, 0 ],
    [ 'mirror'                   => '/mirror', '/mirror', 499, 0 ],
    [ 'mirror, and post_action'  => '/copied', '/proxied', 499, LEAVE ],
) {
    my ($what, $path, $uri, $status, $goes_on) = @$case;

    subtest $what => sub {
        is_deeply [ leaving($path, goes_on => $goes_on) ],
            [ ([ $uri, '-', $status ]) x LEAVE ],
            'it ends, once, without a number';
    };
}

# Each stream by itself, and the connection with all of them.
for my $case (
    [ 'streams that are reset' => sub {
        my ($socket) = @_;
        syswrite $socket,
            join '', map { frame(3, 0, $_, pack 'N', 8) } @streams;
    } ],
    [ 'a connection that is closed' => \&leave ],
) {
    my ($what, $leave) = @$case;
    my %arg = (ask => \&ask_http2, leave => $leave);

    subtest "HTTP/2, $what" => sub {
        is_deeply [ leaving('/stay_not', %arg) ],
            [ ([ '/stay_not', '-', 499 ]) x LEAVE ], 'they end';
        is_deeply [ leaving('/to_proxy', %arg, goes_on => LEAVE) ],
            [ ([ '/proxied', '-', 499 ]) x LEAVE ], 'post_action, a proxy';

        my @after = leaving('/to_again', %arg, goes_on => LEAVE);
        is_deeply [ map { $_->[0] } @after ], [ ('/again') x LEAVE ],
            'post_action, a number';
        given($_->[1]) for @after;
    };
}

subtest 'a worker that ends when all is done' => sub {
    is_deeply [
        leaving('/to_proxy',
            goes_on => LEAVE,
            leave   => sub {
                $nginx->reload(wait => 'new');
                leave(@_);
            },
        )
    ], [ ([ '/proxied', '-', 499 ]) x LEAVE ], 'it goes there, once';
};

subtest 'a worker that has to end' => sub {
    $nginx->configure(main => 'worker_shutdown_timeout 1ms;');
    $nginx->reload;
    logged();

    $proxy->hang;
    my @clients = map { ask('/to_again') } 1 .. LEAVE;
    wait_until(sub { requests() == LEAVE }, 20, 'all wait');

    $nginx->reload(wait => 'new');
    wait_until(sub { requests() == 0 }, 20, 'they are ended');
    $proxy->forward;
    wait_until(sub { !$nginx->old_worker_pids }, 30, 'the worker ends');

    is scalar(grep { sysread $_, my $answer, 4096 } @clients), 0,
        'without an answer';
    is_deeply [ logged() ], [ ([ '/to_again', '-', '000' ]) x LEAVE ],
        'and without a number';
};

# One that was reserved for who left is for somebody else, but for what was on
# its way to the worker that had to end.
my $rest = UniqueRandom::Load->new(
    port        => $nginx->port,
    path        => '/stay',
    connections => 8,
    until       => 409,
    deadline    => 400,
)->run;

given($_) for $rest->numbers;
is $rest->failed, 0, 'all the others are answered';
cmp_ok scalar(keys %given), '>=', RANGE - 1, 'nobody took one along';

$nginx->stop;
is_deeply [ $nginx->errors ], [], 'nothing is wrong in the error log';

done_testing;
