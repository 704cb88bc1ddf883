# nginx.conf.example is what operators copy: it has to start as it is, with its
# shards from the environment, under the names that the environments of the
# service before it have.

use strict;
use warnings;

use lib 't/lib';

use Test::More;

use UniqueRandom::Nginx;
use UniqueRandom::Postgres;
use UniqueRandom::Util qw( read_file tmp_dir wait_until write_file );

my $pg = UniqueRandom::Postgres->new(name => 'shards');

my $url = $pg->url(db => 'shard0', user => 'nginx');
(my $sqlalchemy = $pg->url(db => 'shard1', user => 'nginx'))
    =~ s/^postgresql:/postgresql+psycopg2:/;

my %ranges = (shard0 => [ 1, 500_000 ], shard1 => [ 500_001, 1_000_000 ]);

$pg->psql('postgres', 'CREATE ROLE nginx LOGIN');

sub add_range {
    my ($db, $first, $last) = @_;

    $pg->create_database($db);
    $pg->apply_schema($db);
    $pg->psql($db, "SELECT unique_random.add('numbers', $first, $last)");
    $pg->psql($db, 'GRANT unique_random TO nginx');
    return;
}

add_range($_, @{ $ranges{$_} }) for sort keys %ranges;

# Where the pages are installed: one of them, and its style, will do.
sub pages {
    my $dir  = tmp_dir() . '/pages';
    my $conf = read_file('pages/docs.conf');

    mkdir $dir;
    chmod 0755, tmp_dir(), $dir;
    write_file("$dir/$_", read_file("pages/$_"))
        for qw( start.html start.css start.svg index.html );

    $conf =~ s{alias  \S+/pages/;}{alias  $dir/;} or die "no alias\n";
    return write_file("$dir.conf", $conf);
}

# The module, the port and the folders are those of the test; nothing else is
# changed, and each change must find its place.
sub example {
    my ($nginx) = @_;

    my $dir  = $nginx->dir;
    my $port = $nginx->port;
    my $conf = read_file('nginx.conf.example');
    my ($load) = read_file("$dir/nginx.conf") =~ /\A((?:load_module .*;\n)+)/;

    for (
        [ qr/^load_module .*;\n/m,      $load ],
        [ qr{/run/nginx\.pid},          "$dir/nginx.pid" ],
        [ qr{(?<=state  )/var/lib/},      "$dir/" ],
        [ qr{/usr/share/\S+/docs\*\.conf}, pages() ],
        [ qr{/var/log/nginx/error},     "$dir/error" ],
        [ qr{/var/log/nginx/access},    "$dir/access" ],
        [ qr/listen  8000;/,            "listen  127.0.0.1:$port;" ],
        [ qr/^user .*;\n/m,             $> == 0 ? "user www-data;\n" : '' ],
        [ qr/^events \{/m,              UniqueRandom::Sanitizer::env_directives()
                                            . "\nevents {" ],
        [ qr/^http \{/m,                "http {\n" . join '', map {
                                            "${_}_temp_path $dir/$_;\n"
                                        } qw( client_body proxy fastcgi uwsgi scgi ) ],
    ) {
        my ($from, $to) = @$_;
        $conf =~ s/$from/$to/ or die "nginx.conf.example has no $from\n";
    }

    write_file("$dir/nginx.conf", $conf);
    return $nginx;
}

unlike read_file('nginx.conf.example'), qr{state +/var/lib/nginx\b},
    'what guards numbers outlives a purge of nginx';

my %env = (DB_SHARD_0_URL => $url, DB_SHARD_1_URL => $sqlalchemy);

my $nginx = example(UniqueRandom::Nginx->new(start => 0, env => \%env));

my ($code, $out) = $nginx->test_config;
is $code, 0, 'nginx -t takes the example' or diag $out;

$nginx->start;

my $reply = $nginx->get('/health');
is "$reply->{status} $reply->{content}", '200 {"status":"ok"}', '/health';
is $reply->{headers}{'content-type'}, 'application/json', '... is JSON';

my %seen;

sub draw {
    $reply = $nginx->get('/random');
    my ($number) = $reply->{content} =~ /\A\{"number":(\d+)\}\z/
        or diag "$reply->{status} $reply->{content}";
    $seen{$number}++ if defined $number;
    return;
}

draw() for 1 .. 100;

is keys %seen, 100, '100 requests have 100 numbers';
is scalar(grep { $_ < 1 || $_ > 1_000_000 } keys %seen), 0,
    '... from 1 to 1,000,000, the ranges by default';

# Both, at the latest when both have answered.
for my $is ([ 'the first', sub { $_ <= 500_000 } ],
    [ 'the second', sub { $_ > 500_000 } ])
{
    my ($which, $of) = @$is;

    ok eval {
        wait_until(sub {
            return 1 if grep { $of->() } keys %seen;
            draw();
            return;
        }, 20);
    }, "... of $which shard";
}

# By who is allowed, here this machine; the number is not in the log.
my ($issued) = sort { $b <=> $a } keys %seen;

$reply = $nginx->get("/lookup?number=$issued");
is $reply->{status}, 200, '/lookup of one of them';
like $reply->{content}, qr/\A\{"number":$issued,"status":"reserved",/,
    '... says that it is reserved';
like $reply->{headers}{'x-unique-random-remaining'} // '', qr/\A\d{6}\z/,
    '... and how many are left';
is $nginx->get('/lookup?number=1000001')->{status}, 404, '... of no range';

my $log;
wait_until(
    sub { ($log = read_file($nginx->dir . '/access.log') // '') =~ tr/\n// >= 100 },
    10, 'the access log',
);

like $log, qr{"GET /random HTTP/1\.1" 200 .*(?:LEASED|WAITED) shard="shard[01]" wait=\d+\.\d{3}\n},
    'the access log has the shard and the wait';
is scalar(grep { $log =~ /\b$_\b/ } grep { $_ > 9999 } keys %seen), 0,
    '... and no number';
unlike $log, qr/health/, '... and no health checks';
unlike $log, qr/lookup/, '... and no look-ups';

my $start = $nginx->get('/');
like $start->{content}, qr/<title>Unique random numbers/, '/ is a page';

my %linked = map { $_ => $nginx->get($_)->{status} }
    $start->{content} =~ /<a href="([^"]*)"/g;
cmp_ok scalar keys %linked, '>=', 6, '... with links';
is_deeply [ grep { $linked{$_} != 200 } sort keys %linked ], [],
    '... to what is there';

is $nginx->get('/nothing')->{status}, 404, 'there is nothing else';

# Everybody is let through at first, and a flood is not.
my %status;
$status{ $nginx->get('/random')->{status} }++ for 1 .. 2000;
note join ', ', map {"$_: $status{$_}"} sort keys %status;
is join(' ', grep { $_ != 200 && $_ != 429 } keys %status), '',
    'a flood gets 200 and 429 only';

is_deeply [ $nginx->errors(qr/emerg|alert|crit/) ], [], 'no alert';
$nginx->stop;

# Other ranges, by the environment.
%ranges = (small0 => [ 10, 11 ], small1 => [ 12, 13 ]);

for my $shard (0, 1) {
    my ($first, $last) = @{ $ranges{"small$shard"} };

    add_range("small$shard", $first, $last);
    $env{"DB_SHARD_${shard}_URL"}
        = $pg->url(db => "small$shard", user => 'nginx');
    $env{"DB_SHARD_${shard}_RANGE_START"} = $first;
    $env{"DB_SHARD_${shard}_RANGE_END"}   = $last;
}

$nginx = example(UniqueRandom::Nginx->new(start => 0, env => \%env));
$nginx->start;

my @replies = map { $nginx->get('/random') } 1 .. 5;

is join(' ', sort map { $_->{content} =~ /"number":(\d+)/ } @replies),
    '10 11 12 13', 'ranges from the environment';
is $replies[-1]{status}, 409, '... and nothing but them';
$nginx->stop;

# What is missing is named.
($code, $out) = example(
    UniqueRandom::Nginx->new(start => 0, env => { DB_SHARD_0_URL => $url })
)->test_config;

isnt $code, 0, 'without DB_SHARD_1_URL it does not start';
like $out, qr/environment variable "DB_SHARD_1_URL" is not set/,
    '... and says why';

done_testing;
