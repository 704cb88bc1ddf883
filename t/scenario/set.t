# A request of any location that has to wait for its number goes on with its
# body, its redirects and its subrequests as if it had not waited; one whose
# client leaves takes no number with it.

use strict;
use warnings;

use lib 't/lib';

use Digest::MD5 qw( md5_hex );
use IO::Socket::INET;
use JSON::PP qw( decode_json );
use Test::More;

use UniqueRandom::Nginx;
use UniqueRandom::Postgres;
use UniqueRandom::Server;
use UniqueRandom::Util qw(
    free_port read_file spawn tcp_proxy tmp_dir wait_until write_file
);

use constant { RANGE => 300, LEAVE => 20 };

my $pg = UniqueRandom::Postgres->new;
$pg->create_database('numbers')->apply_schema('numbers');
$pg->psql('numbers', "SELECT unique_random.add('$_->[0]', $_->[1])") for
    [ numbers   => '1, ' . RANGE ], [ left => '2001, 2300' ], [ others => '1001, 1300' ],
    map { [ $_ => '7, 7' ] } qw( few first second impatient );

my $proxy = tcp_proxy($pg->port);
my $http2 = free_port();
my $log   = tmp_dir() . '/requests.log';
my $html  = tmp_dir() . '/html';

# Says which number it was told, and what body it was sent.
my $backend = UniqueRandom::Server->new(sub {
    my ($link) = @_;

    my $header = '';
    $header .= $link->read(1) while $header !~ /\r\n\r\n\z/;

    my ($id)     = $header =~ /^X-Id: (.*)\r$/m;
    my ($length) = $header =~ /^Content-Length: (\d+)\r$/mi;
    my $body     = $link->read($length // 0);

    my $text = ($id // '-') . (length $body ? ' ' . md5_hex($body) : '') . "\n";
    $link->write("HTTP/1.0 200 OK\r\n"
        . ($header =~ m{^GET /redirect } ? "X-Accel-Redirect: /after\r\n" : '')
        . 'Content-Length: ' . length($text) . "\r\n\r\n$text");
    return;
});

mkdir $html;
write_file("$html/$_", $_) for qw( file sorry );
write_file("$html/page",  '<!--# include virtual="/part?a" -->,' x 4);
write_file("$html/left_page", '<!--# include virtual="/left_part" -->' x 4);
write_file("$html/mixed", join ',', map {"<!--# include virtual=\"/$_\" -->"}
    qw( first second ));

my $locations = <<"EOT";
    root $html;
    proxy_set_header X-Id \$id;
    client_max_body_size 10m;

    location = /status  { stub_status; access_log off; }
    location = /numbers { unique_random_status json; access_log off; }

    location ~ ^/(proxied|after|part)\$ {
        unique_random_set \$id pool=numbers;
        proxy_pass http://127.0.0.1:@{[ $backend->port ]};
    }
    location = /unbuffered {
        unique_random_set \$id pool=numbers;
        proxy_request_buffering off;
        proxy_pass http://127.0.0.1:@{[ $backend->port ]};
    }
    location = /mirrored {
        unique_random_set \$id pool=numbers;
        mirror /mirror;
        proxy_pass http://127.0.0.1:@{[ $backend->port ]};
    }
    location = /mirror {
        internal;
        unique_random_set \$id pool=numbers;
        proxy_pass http://127.0.0.1:@{[ $backend->port ]};
    }
    location = /accel {
        unique_random_set \$id pool=numbers;
        proxy_pass http://127.0.0.1:@{[ $backend->port ]}/redirect;
    }
    location = /error {
        unique_random_set \$id pool=numbers;
        error_page 404 = /after;
    }
    location = /too_large {
        client_max_body_size 1;
        error_page 413 = \@discarded;
    }
    location \@discarded {
        unique_random_set \$id pool=numbers;
        proxy_pass_request_body off;
        proxy_set_header Content-Length 0;
        proxy_set_header X-Id \$id;
        proxy_pass http://127.0.0.1:@{[ $backend->port ]};
    }

    location = /both {
        unique_random_set \$id pool=numbers;
        unique_random_set \$other pool=others;
        unique_random numbers;
        unique_random_body '\$id \$other \$unique_random_number';
    }

    location = /page  { ssi on; ssi_types *; }
    location = /mixed { ssi on; ssi_types *; }
    location = /first {
        unique_random_set \$id pool=first;
        proxy_pass http://127.0.0.1:@{[ $backend->port ]};
    }
    location = /second {
        unique_random_set \$id pool=second;
        proxy_pass http://127.0.0.1:@{[ $backend->port ]};
    }

    location = /few {
        unique_random_set \$id pool=few;
        error_page 409 /sorry;
        try_files /file =404;
    }
    location = /late {
        unique_random_set \$id pool=impatient;
        error_page 503 /sorry;
    }
    location = /late_without_page { unique_random_set \$id pool=impatient; }
    location = /optional {
        unique_random_set \$id pool=impatient optional;
        proxy_pass http://127.0.0.1:@{[ $backend->port ]};
    }

    location = /left {
        unique_random_set \$id pool=left;
        try_files /file =404;
    }
    location = /left_then_named {
        unique_random_set \$id pool=left;
        post_action \@named;
    }
    location \@named { return 204; }
    location = /left_then_drawn {
        unique_random_set \$id pool=left;
        post_action /left_part;
    }
    location = /left_part {
        unique_random_set \$id pool=left;
        proxy_pass http://127.0.0.1:@{[ $backend->port ]};
    }
    location = /left_page { ssi on; ssi_types *; }
EOT

sub pool {
    my ($name, $range, $wait) = @_;

    return <<"EOT";
unique_random_pool $name {
    lease off;
    connect_timeout 60s;
    reserve_timeout 60s;
    wait_timeout $wait;
    shard @{[ $pg->url(db => 'numbers', port => $proxy->port) ]}
        range=$range fail_timeout=1s;
}
EOT
}

my $pools = pool('numbers', '1-' . RANGE, '60s')
    . pool('left', '2001-2300', '60s') . pool('others', '1001-1300', '60s') . pool('impatient', '7-7', '300ms')
    . join '', map { pool($_, '7-7', '60s') } qw( few first second );

my $nginx = UniqueRandom::Nginx->new(
    http => "log_format ids '\$uri \$status \$id \$unique_random_status';\n"
        . "$pools server { listen 127.0.0.1:$http2 http2; $locations }",
    server => "access_log $log ids;\n$locations",
);

# How many requests there are, without the one that asks.
sub requests {
    my ($n) = $nginx->get('/status')->{content} =~ /Writing: (\d+)/;
    return $n - 1;
}

sub outcomes {
    my ($pool) = @_;

    my ($this) = grep { $_->{name} eq $pool }
        @{ decode_json($nginx->get('/numbers')->{content})->{pools} };
    return $this->{requests};
}

sub ask {
    my ($path, $body) = @_;

    my $socket = IO::Socket::INET->new(
        PeerAddr => '127.0.0.1',
        PeerPort => $nginx->port,
    ) or die "connect: $!\n";
    my $length = defined $body
        ? 'Content-Length: ' . length($body) . "\r\n" : '';
    print {$socket} defined $body ? 'POST' : 'GET',
        " $path HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n$length\r\n";
    return $socket;
}

sub answer {
    my ($socket) = @_;

    local $/;
    my ($status, $header, $body)
        = <$socket> =~ /\AHTTP\/1\.1 (\d+) (.*?)\r\n\r\n(.*)\z/s;

    # No body here is long enough to come in several chunks but a page's.
    $body = join '', $body =~ /^[0-9a-f]+\r\n(.*?)\r\n/gms
        if $header =~ /chunked/;
    $body =~ s/\n//g;
    return ($status, $body, $header);
}

# Asks while no database answers, and returns the answer.  A body is sent in
# parts: while the request waits, and the rest when the database answers again.
sub waited {
    my ($path, $body) = @_;

    $proxy->hang;
    my $socket = ask($path, $body);
    print {$socket} substr $body, 0, 1000 if defined $body;
    wait_until(sub { requests() == 1 }, 20, 'it waits');
    $proxy->forward;
    print {$socket} substr $body, 1000 if defined $body;
    return answer($socket);
}

my %given;

sub given {
    my ($number, $what) = @_;

    like $number, qr/\A\d+\z/, "$what gets a number";
    fail "$number comes twice" if $given{$number}++;
    return;
}

# What was logged since the last time, [uri, status, id, outcome].
my $read = 0;

sub logged {
    # A client may have its answer before.
    wait_until(sub { requests() == 0 }, 20, 'all are logged');

    my $text = substr read_file($log) // '', $read;
    $text =~ s/[^\n]*\z//;
    $read += length $text;
    return map { [ split / / ] } split /\n/, $text;
}

my $body = join '', map {"$_\n"} 1 .. 300_000;

for my $path (qw( /proxied /unbuffered /mirrored )) {
    for my $case ([ 'no body' => '' ], [ 'a small one' => 'x' x 1500 ],
        [ 'a large one' => $body ])
    {
        my ($what, $sent) = @$case;
        my ($status, $told) = waited($path, length $sent ? $sent : undef);
        my ($id, $md5) = split / /, $told;

        given($id, "$path, $what,");
        is $md5, length $sent ? md5_hex($sent) : undef, 'the body is whole';
    }
}

subtest 'redirects' => sub {
    for my $path (qw( /accel /error )) {
        my (undef, $id) = waited($path);
        given($id, $path);
        is_deeply [ logged() ]->[-1], [ '/after', 200, $id, 'WAITED' ],
            'it is the same after the redirect';
    }

    my ($status, $id) = waited('/too_large', $body);
    given($id, 'one whose body is discarded');
};

subtest 'two numbers, and one as the answer' => sub {
    my (undef, $text) = waited('/both');
    my ($id, $other, $number) = split / /, $text;

    given($_, 'each') for $id, $number;
    cmp_ok $other, '>', 1000, 'the other one is of the other pool';
};

subtest 'subrequests' => sub {
    my $before = outcomes('numbers')->{waited};
    my (undef, $page) = waited('/page');
    my ($id, @others) = split /,/, $page;

    given($id, 'a page');
    is_deeply \@others, [ ($id) x 3 ], 'all its parts have the same';
    is outcomes('numbers')->{waited} - $before, 1, 'one was drawn';

    # Both wait, each for a pool; whoever is the first to be served serves both.
    is((waited('/mixed'))[1], '7,7', 'parts of two pools have the same');
    is outcomes('first')->{waited} + outcomes('second')->{waited}, 1,
        'one was drawn';
};

subtest 'no number' => sub {
    is_deeply [ (waited('/few'))[ 0, 1 ] ], [ 200, 'file' ], 'the last one';
    is_deeply [ (answer(ask('/few')))[ 0, 1 ] ], [ 409, 'sorry' ],
        'all are used';
    is_deeply outcomes('few'),
        { leased => 0, waited => 1, exhausted => 1, unavailable => 0 },
        'each is counted once';

    $proxy->hang;
    my ($status, $text, $header) = answer(ask('/late'));
    is "$status $text", '503 sorry', 'none in time, an error page';
    like $header, qr/^Retry-After: 1\r?$/m, 'when to try again';

    ($status, $text, $header) = answer(ask('/late_without_page'));
    is $status, 503, 'none in time';
    like $text, qr/503 Service Temporarily Unavailable/, 'as nginx says it';
    like $header, qr/^Retry-After: 1\r?$/m, 'when to try again';

    my $socket = ask('/optional', $body);
    print {$socket} $body;
    is_deeply [ (answer($socket))[ 0, 1 ] ], [ 200, '- ' . md5_hex($body) ],
        'one that is optional goes on without';
    $proxy->forward;
    is outcomes('impatient')->{unavailable}, 3, 'each is counted once';
};

# The first one's reservation is under way, the others wait for the next.
sub leaving {
    my ($path, $goes_on) = @_;

    logged();
    $proxy->hang;
    my $stay = ask('/left');
    wait_until(sub { requests() == 1 }, 20, 'one waits');

    my @leaving = map { ask($path) } 1 .. LEAVE;
    wait_until(sub { requests() == 1 + LEAVE }, 20, 'all wait');
    close $_ for @leaving;
    wait_until(sub { requests() == 1 + ($goes_on // 0) }, 20, 'they have left');
    $proxy->forward;

    is((answer($stay))[1], 'file', 'who stayed is served');
    wait_until(sub { requests() == 0 }, 20, 'nobody is left');
    return grep { $_->[0] ne '/file' } logged();
}

subtest 'clients that leave' => sub {
    is_deeply [ leaving('/left') ], [ ([ '/left', 499, '-', '-' ]) x LEAVE ],
        'they take none';
    is_deeply [ leaving('/left_then_named') ],
        [ ([ '/left_then_named', 204, '-', '-' ]) x LEAVE ],
        'nor does a post_action';

    my @after = leaving('/left_then_drawn', LEAVE);
    is scalar @after, LEAVE, 'but one that has the directive draws its own';
    given($_->[2], 'each') for @after;

    is_deeply [ leaving('/left_page') ], [ ([ '/left_page', 499, '-', '-' ]) x LEAVE ],
        'nor does a page, all parts of which wait';
};

subtest 'a reload while they wait' => sub {
    $proxy->hang;
    my @waiting = map { ask('/proxied', $body) } 1 .. 3;
    wait_until(sub { requests() == 3 }, 20, 'they wait');
    $nginx->reload(wait => 'new');
    $proxy->forward;

    for my $socket (@waiting) {
        print {$socket} $body;
        my ($id, $md5) = split / /, (answer($socket))[1];
        given($id, 'each');
        is $md5, md5_hex($body), 'the body is whole';
    }

    wait_until(sub { !$nginx->old_worker_pids }, 30, 'the worker ends');
};

subtest 'HTTP/2' => sub {
    my $file = write_file(tmp_dir() . '/body', $body);
    my $out  = tmp_dir() . '/streams';

    for my $case ([ '-' ], [ md5_hex($body), '-d', $file ]) {
        my ($md5, @option) = @$case;

        unlink $out;
        $proxy->hang;
        my $pid = spawn(
            log     => $out,
            command => [
                'nghttp', '-t', 30, '-m', 20, @option,
                "http://127.0.0.1:$http2/proxied",
            ],
        );
        wait_until(sub { requests() == 20 }, 20, 'all streams wait');
        $proxy->forward;
        waitpid $pid, 0;
        is $?, 0, 'they have ended';

        my @told = map { [ split / / ] } split /\n/, read_file($out);
        is_deeply [ map { $_->[1] // '-' } @told ], [ ($md5) x 20 ],
            'each body is whole';
        given($_->[0], 'each') for @told;
    }
};

is_deeply [ $nginx->errors ], [], 'nothing is wrong in the error log';

done_testing;
