# A real Prometheus, as monitoring/ has it configured: it scrapes the metrics,
# has an answer to each query of the dashboard, and raises the alert when a
# range is fenced, and takes it back.

use strict;
use warnings;

use lib 't/lib';

use HTTP::Tiny ();
use JSON::PP qw( decode_json );
use Test::More;

use UniqueRandom::Load ();
use UniqueRandom::Monitoring qw( dashboard queries );
use UniqueRandom::Nginx;
use UniqueRandom::Postgres ();
use UniqueRandom::Util qw(
    at_exit free_port is_alive read_file spawn tmp_dir wait_gone wait_until
    write_file
);

my $dir = tmp_dir() . '/prometheus';
mkdir $dir or die "$dir: $!\n";

# What has /status, what fences its range, and what accepts that.  Some have
# waited for their numbers.
sub target {
    my ($pg, $shard) = UniqueRandom::Postgres->new_shard(0, 1_000_000);

    $pg->psql('numbers', 'SELECT unique_random.add('
            . "'numbers', 1000001, 2000000)");

    my $nginx = UniqueRandom::Nginx->new(
        http   => "unique_random_pool numbers { state $dir/state;"
            . " shard $shard name=a fail_timeout=1s range=1000001-2000000; }",
        server => 'location = /random { unique_random; }'
            . ' location = /status { unique_random_status; }',
    );

    UniqueRandom::Load->new(port => $nginx->port, count => 2000)->run;

    my $fence = sub {
        $pg->psql('numbers', 'UPDATE unique_random.ranges'
                . ' SET reserved = reserved - 1 WHERE first = 1');
        wait_until(sub {
            UniqueRandom::Load->new(port => $nginx->port, count => 500)->run;
            return $nginx->error_log =~ /is fenced/;
        }, 20);
    };

    my $accept = sub {
        my ($sql) = $nginx->error_log =~ /(SELECT unique_random\.accept\(.*?\);)/;

        $pg->psql('numbers', $sql);
        wait_until(sub {
            $nginx->get('/random');
            return $nginx->error_log =~ /is fenced.*is granted from/s;
        }, 20);
    };

    return ($nginx, $fence, $accept);
}

my ($nginx, $fence, $accept) = target();

# In place of minutes, seconds; and nginx is this one.
sub configure {
    my ($name, %instead) = @_;

    my $text = read_file("monitoring/$name") // die "no $name\n";

    for my $this (keys %instead) {
        $text =~ s/$this/$instead{$this}/g or die "no $this in $name\n";
    }

    write_file("$dir/$name", $text);
    return;
}

configure('alerts.yml', 'for: \d+\w' => 'for: 1s', '\[2m\]' => '[5s]');
configure('prometheus.yml',
    'scrape_interval: \d+s' => 'scrape_interval: 1s',
    '\A'                    => "global:\n  evaluation_interval: 1s\n\n",
    'nginx0[.]\S+'          => "127.0.0.1:" . $nginx->port,
    ' +- nginx1[.]\S+\n'    => '',
);

my $listen = '127.0.0.1:' . free_port();
my $pid    = spawn(
    log     => "$dir/log",
    command => [
        qw( setpriv --pdeathsig KILL prometheus ),
        "--config.file=$dir/prometheus.yml", "--storage.tsdb.path=$dir/data",
        '--storage.tsdb.retention.time=1d',
        "--web.listen-address=$listen",
    ],
);

at_exit(sub {
    kill KILL => $pid;
    wait_gone(20, $pid);
});

# What its API says.
sub ask {
    my ($path, %query) = @_;

    my $http  = HTTP::Tiny->new(timeout => 20);
    my $reply = $http->post_form("http://$listen/api/v1/$path", \%query);
    $reply = $http->get("http://$listen/api/v1/$path")
        if $reply->{status} == 405;

    die "$path: $reply->{content}\n" . read_file("$dir/log")
        if !is_alive($pid) || $reply->{status} !~ /\A(?:200|503|599)\z/;
    return $reply->{success} ? decode_json($reply->{content})->{data} : undef;
}

sub result { return @{ (ask('query', query => $_[0]) // {})->{result} // [] } }

# By alert, what says where.
sub firing {
    return map {
        my $labels = $_->{labels};
        "$labels->{alertname} $labels->{range}";
    } grep { $_->{state} eq 'firing' }
        @{ (ask('alerts') // {})->{alerts} // [] };
}

# What a list comes to be: a scrape may fail on a machine that stands still for
# a second, and what is late alerts.
sub becomes {
    my ($list, $expected, $what) = @_;

    my $is;
    eval {
        wait_until(sub { ($is = join ', ', $list->()) eq $expected }, 30);
    };
    return is $is, $expected, $what;
}

wait_until(sub { result('up == 1') }, 30, 'nginx is scraped');
becomes(sub {
    return map {"$_->{health} $_->{lastError}"}
        @{ (ask('targets') // {})->{activeTargets} // [] };
}, 'up ', 'nginx is scraped');

wait_until(sub { result('sum_over_time(up[1m]) > 3') }, 30, 'and again');

# Of what has been drawn for a day there can be no rate yet, nor of how long
# nothing waited.
my %empty = map { $_ => 1 } ('Days left A', 'Configuration loaded');

for (queries(dashboard())) {
    my ($what, $query) = @$_;

    ok scalar(result($query)), $what if !$empty{$what};
}

becomes(\&firing, '', 'nothing is wrong');

$fence->();
becomes(\&firing, 'UniqueRandomRangeFenced 1-1000000', 'a fence is');

my ($alert) = grep { $_->{labels}{alertname} =~ /Fenced/ }
    @{ ask('alerts')->{alerts} };
is $alert->{labels}{severity}, 'critical', '... at once';
like $alert->{annotations}{runbook_url}, qr/#uniquerandomrangefenced\z/,
    '... with what to do';

$accept->();
becomes(\&firing, '', 'a range that is accepted is not');

unlike read_file("$dir/log"), qr/level=(?:warn|error)/,
    'Prometheus does not complain';

done_testing;
