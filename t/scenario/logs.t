# What somebody reads afterwards: each answered request is a line, and stays
# one while logrotate does its work; the error log says once what has changed,
# and nothing for each request.

use strict;
use warnings;

use lib 't/lib';

use JSON::PP ();
use Test::More;

use UniqueRandom::Load;
use UniqueRandom::Nginx;
use UniqueRandom::Postgres;
use UniqueRandom::Util
    qw( children read_file run tcp_proxy wait_until write_file );

plan skip_all => 'it runs what is built for production'
    if ($ENV{TEST_NGINX_LOAD_MODULES} // '') =~ m{/build/(?:asan|memcheck)/};

# Numbers that nothing else in a log looks like.
use constant FIRST => 5_000_000_000;
use constant SIZE  => 10_000_000;

my (@clusters, @proxies, @shards);

for my $i (0, 1) {
    my $pg = UniqueRandom::Postgres->new(name => "shard$i");
    my ($first, $last) = (FIRST + $i * SIZE, FIRST + ($i + 1) * SIZE - 1);

    $pg->create_database('numbers')->apply_schema('numbers');
    $pg->psql('numbers', "SELECT unique_random.add('numbers', $first, $last)");
    push @clusters, $pg;

    # It counts how often the shard is asked.
    push @proxies, tcp_proxy($pg->port);
    push @shards, 'shard '
        . $pg->url(db => 'numbers', port => $proxies[-1]->port)
        . " range=$first-$last name=shard$i fail_timeout=500ms;";
}

# The formats, where operators find them.
my ($text) = read_file('nginx.conf.example')
    =~ /^ *(log_format +unique_random\s.*?;)\n/ms;
my ($json) = read_file('docker/templates/default.conf.template')
    =~ /^(log_format +json .*?;\n.*?^map .*?^\}\n)/ms;
ok $text && $json, 'both formats are found';

my $nginx = UniqueRandom::Nginx->new(
    start => 0, workers => 2, level => 'notice',
);
my $dir   = $nginx->dir;

$nginx->configure(
    http => <<"EOT",
unique_random_pool numbers {
    lease max=1000;
    connect_timeout 20s;
    reserve_timeout 20s;
    wait_timeout 30s;
    @shards
}
$text
$json
EOT
    server => <<"EOT",
    access_log $dir/access.log unique_random;
    access_log $dir/json.log json;
    location = /random { unique_random; }
    location / { return 404; }
EOT
)->start;

sub load {
    my ($connections) = @_;

    return UniqueRandom::Load->new(
        port => $nginx->port, connections => $connections, processes => 1,
    )->start;
}

# Our configuration for logrotate, in the folders of this test.  Only root gives
# files away.
my $conf  = read_file('logrotate/ngx_http_unique_random_module');
my $owner = $> == 0 ? ' www-data adm' : '';

for (
    [ qr{/var/log/nginx/access\.log}, "$dir/access.log $dir/json.log" ],
    [ qr{/var/log/nginx/error\.log},  "$dir/error.log" ],
    [ qr{-s /run/nginx\.pid},         "-s $dir/nginx.pid" ],
    [ qr{cat /run/nginx\.pid},        "cat $dir/nginx.pid" ],
    [ qr{0640 www-data adm},          "0640$owner" ],
) {
    my ($from, $to) = @$_;
    $conf =~ s/$from/$to/ or die "no $from in the configuration\n";
}
write_file("$dir/logrotate.conf", $conf);
chmod 0644, "$dir/logrotate.conf";

# Which files all processes of nginx write to, but for those that have ended.
sub written_to {
    my $master = $nginx->master_pid;
    return join ' ', map { readlink $_ // () }
        map { glob "/proc/$_/fd/*" } $master, children($master);
}

sub rotate {
    my ($code, $out) = run(
        command => [
            '/usr/sbin/logrotate', '-f', '-s', "$dir/logrotate.state",
            "$dir/logrotate.conf",
        ],
        merge => 1,
    );
    is $code, 0, 'logrotate' or diag $out;
    is $out, '', '... has no complaints';

    # What was moved away shows under its new name.
    wait_until(sub { written_to() !~ /\.log\.1/ }, 10,
        'all write to the new files');
    return;
}

# All that was written to a log, the oldest first.
sub whole {
    my ($name) = @_;

    my @old = sort { ($b =~ /\.(\d+)/)[0] <=> ($a =~ /\.(\d+)/)[0] }
        glob "$dir/$name.log.*";

    return join '', map {
        /\.gz$/ ? (run(command => [ 'gzip', '-dc', $_ ]))[1] : read_file($_)
    } @old, "$dir/$name.log";
}

my ($answers, @numbers) = (0);

sub finish {
    my ($load) = @_;

    my $result = $load->stop->finish;
    my $n      = 0;

    $n += $_ for values %{ $result->status };
    is $result->failed, 0, "each of $n requests has an answer";
    is $result->malformed, 0, '... as it should be';
    $answers += $n;
    push @numbers, $result->numbers;
    return $n;
}

subtest 'rotation' => sub {
    my $load = load(8);
    my $size = sub { -s "$dir/access.log" };

    for (1 .. 4) {
        wait_until($size, 20, 'there are lines');
        rotate();
    }
    wait_until($size, 20, 'there are lines in the last one');
    finish($load);

    my @files = glob "$dir/access.log*";
    is @files, 5, 'four rotations leave five files';
    is scalar(grep {/\.gz$/} @files), 3, '... and all but the last one packed';
    cmp_ok scalar(grep { -s } @files), '==', 5, '... none of them empty';
};

subtest 'a shard that goes and comes back' => sub {
    my $before = length whole('error');
    my $said   = sub { substr whole('error'), $before };

    my $load = load(1);
    $clusters[0]->stop;
    wait_until(sub { $said->() =~ /shard "shard0", it is unavailable/ }, 30,
        'it is noticed');

    my $asked = $proxies[0]->connections;
    wait_until(sub { $proxies[0]->connections >= $asked + 3 }, 30,
        'it is asked again');

    $clusters[0]->start;
    wait_until(sub { $said->() =~ /shard "shard0" is available again/ }, 30,
        'it is back');

    my $grants = sub {
        return $clusters[0]->psql('numbers',
            'SELECT serial FROM unique_random.ranges');
    };
    my $granted = $grants->();
    wait_until(sub { $grants->() >= $granted + 3 }, 30, 'it goes on');

    my $n = finish($load);

    # As it begins there may be some failures, each for a reason of its own.
    my @said = grep {/shard0/} split /\n/, $said->();
    is scalar(grep {/ \[error\] .* it is unavailable/} @said), 1,
        'one line says that it is unavailable';
    is scalar(grep {/ \[notice\] .* is available again/} @said), 1,
        '... and one that it is back';
    cmp_ok scalar(@said), '<=', 5,
        "... and no more than three others, for $n requests"
        or diag join "\n", @said;
};

# Requests that are not for a number, or none at all, are lines as well.
sub raw {
    my ($request) = @_;

    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1:' . $nginx->port)
        or die "no connection\n";
    print {$socket} $request;
    local $/;
    $answers++;
    return scalar readline $socket;
}

raw("GET /no\"thing\\x HTTP/1.0\r\n\r\n");
raw("DELETE /random HTTP/1.0\r\n\r\n");
raw("GET /random\r\n\r\n");
raw("\x01\xff\"nonsense\r\n\r\n");

$nginx->stop;

my $access = whole('access');
my $lines  = whole('json');

is $access =~ tr/\n//, $answers, "no line is lost: $answers requests";
is $lines =~ tr/\n//, $answers, '... in either log';

my $form = qr{
    \A \S+\ -\ \S+\ \[[^]]+\]\ "((?:[^"\\]|\\x..)*)"\ (\d{3})\ \d+\ \d+\.\d{3}
    \ (LEASED|WAITED|EXHAUSTED|UNAVAILABLE|-)\ shard="(shard[01]|-)"
    \ wait=(\d+\.\d{3}|-) \z }x;

my (%text, %json, @odd);

for (split /\n/, $access) {
    my ($request, $status, $outcome, $shard) = /$form/ or push @odd, $_;
    $text{"$status $outcome $shard"}++ if defined $status;
}
is_deeply \@odd, [], 'each line of text has its form';

# nginx leaves bytes of clients that are not UTF-8 as they are.
my $parser = JSON::PP->new->latin1;

@odd = ();
for (split /\n/, $lines) {
    my $entry = eval { $parser->decode($_) };

    if (!$entry || grep { !defined $entry->{$_} }
        qw( time client request status bytes duration outcome shard ))
    {
        push @odd, $_;
        next;
    }
    push @odd, $_ if defined $entry->{wait} != ($entry->{outcome} ne '');
    $json{ join ' ', $entry->{status}, map { $_ ne '' ? $_ : '-' }
            @$entry{qw( outcome shard )} }++;
}
is_deeply \@odd, [], 'each line of JSON is an object';
is_deeply \%json, \%text, '... and both say the same';
note join ', ', map {"$_: $text{$_}"} sort keys %text;
is scalar(grep {/^200 (?:LEASED|WAITED) shard[01]$/} keys %text) >= 2, 1,
    '... with outcome and shard';
ok !$text{'200 - -'}, '... of each number';

# The error log names ranges, of which the first or the last one may be drawn.
(my $errors = whole('error')) =~ s/\d{10}-\d{10}//g;

my %number = map { $_ => 1 } @numbers;
is_deeply [ grep { $number{$_} } map {/(\d{10})/g} $access, $lines, $errors ],
    [], 'no number is in any of them';

is_deeply [ $nginx->errors(qr/emerg|alert|crit/) ], [], 'no alert';

done_testing;
