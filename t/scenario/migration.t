# docs/migration.md: from a service that kept a row per number to nginx, each of
# the ways, with every command as it is printed; what is made up in them (hosts,
# ports, folders) is replaced.

use strict;
use warnings;

use lib 't/lib';

use Cwd qw( abs_path getcwd );
use Test::More;

use UniqueRandom::Former;
use UniqueRandom::Nginx;
use UniqueRandom::Postgres;
use UniqueRandom::Sanitizer;
use UniqueRandom::Util qw( read_file run write_file );

# Nobody's settings but those of the test.
delete @ENV{ grep {/^(?:DB_SHARD_|PG)/} keys %ENV };

# The blocks of sh, by the heading of the way that they are of.
my %blocks;

{
    my $heading = 'all';
    my $text    = read_file('docs/migration.md') // die "no docs\n";

    while ($text =~ /^## ([^\n]*)\n|^```sh\n(.*?)^```\n/gms) {
        if (defined $1) {
            $heading = $1;
        } else {
            push @{ $blocks{$heading} }, $2;
        }
    }
}

my ($preamble) = @{ delete $blocks{all} };

# What a service has left behind: two databases, with some of the numbers of
# their ranges.
sub service {
    my ($way) = @_;

    my %service = (clusters => [], old => {});

    for my $i (0, 1) {
        my $pg    = UniqueRandom::Postgres->new(name => "shard$i");
        my $first = $i * 500_000 + 1;

        $pg->create_database('numbers');
        $pg->psql('numbers', 'CREATE TABLE used_numbers (id serial PRIMARY KEY,'
            . ' number integer NOT NULL CONSTRAINT uq_number UNIQUE);'
            . ' INSERT INTO used_numbers (number) SELECT n FROM'
            . " generate_series($first, $first + 499999, 7) n");
        push @{ $service{clusters} }, $pg;
    }

    return { %service, nginx => example() };
}

sub old_numbers {
    my ($service) = @_;

    return map { $_ => 1 } map {
        split /\n/, $_->psql('numbers', 'SELECT number FROM used_numbers')
    } @{ $service->{clusters} };
}

# The configuration that operators copy, in folders of this test, and for a
# machine that may stand still for longer than theirs.
sub example {
    my $nginx = UniqueRandom::Nginx->new(start => 0);
    my ($dir, $port) = ($nginx->dir, $nginx->port);
    my ($load) = read_file("$dir/nginx.conf") =~ /\A((?:load_module .*;\n)+)/;
    my $conf   = read_file('nginx.conf.example');
    my $temp   = join '', map {"${_}_temp_path $dir/$_;\n"}
        qw( client_body proxy fastcgi uwsgi scgi );
    my $env    = UniqueRandom::Sanitizer::env_directives();

    for (
        [ qr/^load_module .*;\n/m, $load ],
        [ qr/^user .*;\n/m,        $> == 0 ? "user www-data;\n" : '' ],
        [ qr{/run/nginx\.pid},     "$dir/nginx.pid" ],
        [ qr{(?<=state  )/var/lib/}, "$dir/" ],
        [ qr{/usr/share/\S+/docs\*\.conf}, abs_path('pages/docs.conf') ],
        [ qr{/var/log/nginx/error},  "$dir/error" ],
        [ qr{/var/log/nginx/access}, "$dir/access" ],
        [ qr/listen  8000;/,         "listen  127.0.0.1:$port;" ],
        [ qr/connect_timeout  2s;/, 'connect_timeout  20s;' ],
        [ qr/reserve_timeout  2s;/, 'reserve_timeout  20s;' ],
        [ qr/wait_timeout     5s;/, 'wait_timeout     20s;' ],
        [ qr/^events \{/m, "$env\nevents {" ],
        [ qr/^http \{/m,   "http {\n$temp" ],
        )
    {
        my ($from, $to) = @$_;
        $conf =~ s/$from/$to/ or die "nginx.conf.example has no $from\n";
    }
    write_file("$dir/nginx.conf", $conf);

    return $nginx;
}

# Runs blocks of the way, in their order, and returns what they print.
sub operator {
    my ($way, $service, $blocks) = @_;

    my $nginx  = $service->{nginx};
    my $dir    = $nginx->dir;
    my @urls   = map { $_->url(db => 'numbers') } @{ $service->{clusters} };
    my $script = join '', splice @{ $blocks{$way} }, 0, $blocks;

    for (
        [ 'db0.example.com', '127.0.0.1:' . $service->{clusters}[0]->port ],
        [ 'db1.example.com', '127.0.0.1:' . $service->{clusters}[1]->port ],
        [ '127.0.0.1:8000',  '127.0.0.1:' . $nginx->port ],
        [ '/etc/nginx/',     "$dir/" ],
        )
    {
        my ($from, $to) = @$_;
        $script =~ s/\Q$from\E/$to/g;
    }

    local %ENV = %ENV;
    @ENV{qw( DB_SHARD_0_URL DB_SHARD_1_URL PASSWORD )} = (
        (map { s/^postgresql:/postgresql+psycopg2:/r } @urls), 'secret');

    # Not NGINX, where nginx looks for sockets of the binary before it.
    $ENV{NGINX_COMMAND} = join ' ',
        $ENV{TEST_NGINX_BINARY} || '/usr/sbin/nginx', '-p', "$dir/",
        '-e', "$dir/error.log", '-c', "$dir/nginx.conf";

    my ($code, $out) = run(
        command => [
            'sh', '-euc', "cd '" . getcwd() . "'\n"
                . 'nginx() { $NGINX_COMMAND "$@" 2>&1; }' . "\n"
                . "curl() { command curl -sSf \"\$@\" && echo; }\n"
                . $preamble . $script,
        ],
        merge => 1,
    );
    is $code, 0, 'commands of docs/migration.md succeed' or diag $out;

    # One that was started by the script is an nginx as any other.
    $nginx->adopt if -s "$dir/nginx.pid";

    return $out;
}

# Some numbers, and those that the script has printed.
sub is_new {
    my ($service, $out, $first, $last, %old) = @_;

    my @numbers = ($out =~ /"number":(\d+)/,
        map { $service->{nginx}->get('/random')->{content} =~ /"number":(\d+)/ }
            1 .. 200);
    my %seen = map { $_ => 1 } @numbers;
    my $half = $first + ($last - $first + 1) / 2;

    is @numbers, 201, 'there are numbers';
    is keys %seen, 201, '... each is another one';
    is_deeply [ grep { $_ < $first || $_ > $last } @numbers ], [],
        "... of $first-$last";
    is_deeply [ grep { $old{$_} } @numbers ], [], '... none was given before';
    ok scalar(grep { $_ < $half } @numbers),  '... of the first shard';
    ok scalar(grep { $_ >= $half } @numbers), '... and of the second one';
    return;
}

# What is said of the differences, as far as nginx shows it.
sub is_different {
    my ($service) = @_;

    for (
        [ GET    => '/health', 200 ],
        [ POST   => '/random', 200 ],
        [ HEAD   => '/random', 405 ],
        [ DELETE => '/random', 405 ],
        [ GET    => '/redoc',  404 ],
        )
    {
        my ($method, $path, $status) = @$_;
        is $service->{nginx}->request($method, $path)->{status}, $status,
            "$method $path: $status";
    }
    return;
}

# The old tables take no number of these any more.
sub is_closed {
    my ($service, $constraint) = @_;

    for my $i (0, 1) {
        my (undef, undef, $err) = $service->{clusters}[$i]->try_psql('numbers',
            'INSERT INTO used_numbers (number) VALUES ('
                . ($i * 500_000 + 2) . ')');
        like $err, qr/violates check constraint "$constraint"/,
            "the old table $i takes no more";
    }
    return;
}

subtest 'the table is adopted' => sub {
    my $way     = 'The table is adopted';
    my $service = service();

    like operator($way, $service, 2), qr/^0\n0\n\z/m,
        'a table has no number of the other one';
    operator($way, $service, 1);

    # The service goes on.
    $_->psql('numbers', 'UPDATE used_numbers SET number = number + 1'
        . ' WHERE number % 70 = 1; INSERT INTO used_numbers (number)'
        . ' SELECT number + 3 FROM used_numbers WHERE number % 70 = 9')
        for @{ $service->{clusters} };

    operator($way, $service, 1);
    is $service->{nginx}->get('/random')->{status}, 503,
        'nginx has no number before';

    my $out = operator($way, $service, 1);
    my %old = old_numbers($service);
    is $out =~ tr/|//, 24, 'it tells what has become of the rows';

    for my $i (0, 1) {
        my $former = UniqueRandom::Former->new(
            pg    => $service->{clusters}[$i],
            pool => 'numbers',
            first => $i * 500_000 + 1,
            last  => ($i + 1) * 500_000,
        );
        is $former->domain eq $former->expected(keys %old), 1,
            "shard $i has what the service has not given out";
    }
    is_closed($service, 'unique_random_\d+_\d+');

    is_new($service, operator($way, $service, 1), 1, 1_000_000, %old);
    is_different($service);
    $service->{nginx}->stop;
};

subtest 'ranges of its own' => sub {
    my $way     = 'Ranges of its own';
    my $service = service();
    my $out     = operator($way, $service, scalar @{ $blocks{$way} });

    like $out, qr/^\{"status":"ok"\}\n\{"status":"ready"\}\n\{"number":\d+\}$/m,
        'nginx answers';
    like $out, qr/^0\n0\n/m, 'no old number is in the new ranges';
    is_new($service, $out, 1_000_001, 2_000_000, old_numbers($service));
    is_closed($service, 'closed');
    is $service->{clusters}[0]->psql('numbers',
        'SELECT count(*) = (500000 + 6) / 7 FROM used_numbers'), 't',
        '... and has what it had';
    is_different($service);
    $service->{nginx}->stop;
};

is_deeply [ map {@$_} values %blocks ], [],
    'each command of the page has been run';

done_testing;
