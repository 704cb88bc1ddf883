# However a conninfo is misspelt, no piece of its password is seen: not in what
# nginx says when it refuses the configuration, and where it takes it, not in
# the error log, at the level that tells all, nor in a variable.

use strict;
use warnings;

use lib 't/lib';

use Test::More;

use UniqueRandom::Nginx;
use UniqueRandom::Postgres;
use UniqueRandom::Util qw( free_port read_file );

# What passwords are made of.  The digits are a port to libpq, and nothing that
# nginx logs begins with a zero, but for what is within hexadecimal numbers.
my ($first, $second, $digits) = qw( Qx7aa Zk9bb 06133 );
my $piece = qr/\Q$first\E|\Q$second\E|(?<![0-9a-f])\Q$digits\E(?![0-9a-f])/i;

my $pg = UniqueRandom::Postgres->new(conf => { max_connections => 400 });

# A user that is a host as well, where a password makes one of it, and a
# database, where none is named.
$pg->psql('postgres', 'CREATE ROLE localhost LOGIN');

for my $db (qw( numbers localhost )) {
    $pg->create_database($db)->apply_schema($db);
    $pg->psql($db, 'GRANT unique_random TO localhost');
}

my $host   = '127.0.0.1';
my $here   = "$host:" . $pg->port;
my $closed = "$host:" . free_port();
my $pairs  = "host=$host port=" . $pg->port . ' user=localhost dbname=numbers';

my @forms = (
    "postgresql://localhost:%s\@$here/numbers",
    "postgresql://localhost:%s\@$here",
    "postgresql://localhost\@$here/numbers?password=%s",
    "$pairs password=%s",
    "password=%s $pairs",
);

my @conninfos;

for my $c (qw( @ / ? % & = : [ ] \\ ' " ; + $ @@ ?x= &x= /?x= ), '#', ',', ' ')
{
    # In front, within, behind, after digits.
    for my $password (
        "$first$c$second", "$c$first", "$first$c", "$digits$c$second",
        )
    {
        push @conninfos, sprintf $forms[0], $password;
    }

    push @conninfos, sprintf $forms[1], "$digits$c$second";
    push @conninfos, map { sprintf $_, "$first$c$second" } @forms[ 2 .. 4 ];
}

push @conninfos, (

    # Parts that are not there.
    "postgresql://:$first\@$here/numbers",
    "postgresql://:$digits/$second\@$closed/numbers",
    "postgresql://$first\@$closed/numbers",
    "postgresql://$first\@$closed",
    "postgresql://$first:\@$closed",
    "postgresql://localhost:$first",
    "postgresql://localhost:$digits/$second\@",
    "postgresql:///localhost:$first\@$here/numbers",
    "postgresql:localhost:$first\@$here/numbers",
    "postgresql:/localhost:$first\@$here/numbers?sslmode=allow",
    "localhost:$first\@$here/numbers",
    "//localhost:$first\@$here/numbers?sslmode=allow",
    "$first",
    "$first=",
    "$first==",
    "$first=$second",

    # Others that begin in the same way.
    "POSTGRESQL://localhost:$first\@$here/numbers",
    " postgresql://localhost:$first\@$here/numbers",
    "'postgresql://localhost:$first\@$here/numbers?sslmode=allow'",
    "jdbc:postgresql://$here/numbers?user=localhost&password=$first",
    "pgsql://localhost:$first\@$here/numbers?sslmode=allow",
    "URL=postgresql://localhost:$first\@$here/numbers",
    "postgresql+psycopg2://localhost:$digits/$second\@$here/numbers",

    # Escapes where none belong.
    "postgresql://localhost%3A$first%40$host/numbers",
    "postgresql://localhost%3A$first\@$closed/numbers",
    "postgresql://localhost:$first%2540$second\@$here/numbers",
    "postgresql:///localhost:$first%40$host",
    "postgresql://localhost:$first%00\@$here/numbers",

    # Several hosts.
    "postgresql://localhost:$first\@$second\@$here,$closed/numbers",
    "postgresql://localhost:p\@$closed,localhost:$first\@$here/numbers",
    "postgresql://localhost:p\@$closed,$first\@$here/numbers",
    "postgresql://localhost:$digits,$second/x\@$here/numbers",
    "host=$host,$first\@$host password=p",

    # Passwords that have parameters in them.
    "postgresql://localhost:$digits/$second?user=x\@$here/numbers",
    "postgresql://localhost:p\@$first?user=x\@$here/numbers",
    "postgresql://$here?password=p\@$first",
    "postgresql://$here?pasword=p\@$first",
    "postgresql://$host?password=p\@$first",
    "postgresql://$here/numbers?user=localhost&password=p&$first=x",
    "postgresql://$here/numbers?user=localhost&sslpassword=p&$first=x",
    "postgresql://$here/numbers?host=$first\@$host",
    "postgresql://$here/numbers?dbname=$first\@$host",
    "postgresql://localhost:$first\@$here/numbers?$first=x",
    "postgresql://localhost:p/x?$first=x\@$here",
    "postgresql://localhost:p/x?$first=x",

    # Pairs that are not separated as libpq has it, values that are missing.
    "host=$host;port=" . $pg->port . ";password=$first",
    "host=$host,password=$first",
    "host=$host&password=$first",
    "hostaddr=$host;password=$first",
    "hostaddr=$host;secret=$first",
    "hostaddr=/$first",
    "Host=$host;Username=localhost;Password=$first",
    "host=/tmp;secret=$first",
    "host= password=$first",
    "$pairs sslmode=prefer;password=$first",
    "$pairs sslrootcert=/ca.pem;password=$first",
    "$pairs channel_binding=prefer;Password=$first",
    "$pairs options= password=$first",
    "host=$host user=localhost:$first",
    "host=$host user= password=$first",
    "host=localhost:$first",
    "host=localhost:$first\@$host",
    "host=$host dbname=localhost:$first\@$host",
    "host=$host dbname=localhost/$first\@$host",
    "$pairs password=x $first=1",
    "$pairs password=x $first = 1",
    "$pairs password='x'$first=1",
    "$pairs password='x' host=$first'",
    "$pairs password=x port=$first",
    "$pairs password $first",
    "$pairs password='$first",
    "$pairs Password=$first",
    "$pairs passwd=$first $second=1",
    "$pairs password$first==",
    "pw$first=1 $pairs",
    "postgresql://$here/numbers?user=localhost&password-$first=",
    "postgresql://$here/numbers?user=localhost&password.$first=1",
    "postgresql://$here/numbers?user=localhost&sslpassword.$first=1",

    # Sockets.
    "host=//localhost:$first\@$host/numbers user=localhost",
    "host=/localhost:$first\@$host/numbers user=localhost",
    "host=\@localhost:$first\@$host user=localhost",
    "postgresql:///numbers?host=\@localhost:$first\@$host&user=localhost",

    # Behind a value that libpq or the server would quote.
    "$pairs channel_binding=prefer;$first",
    "$pairs keepalives=1;pw=$first",
    "$pairs keepalives=1,password:$first",
    "$pairs keepalives_idle=1:$first",
    "$pairs tcp_user_timeout=1;pw=$first",
    "$pairs ssl_min_protocol_version=TLSv1.2;pw=$first",
    "$pairs client_encoding=utf8;$first",
    "$pairs options=-cstatement_timeout=1;$first",
    "postgresql://$here/numbers?user=localhost&channel_binding=prefer;$first",

    # Behind a database, and in place of one.
    "$pairs dbname=numbers;password:$first",
    "$pairs dbname=numbers,pw:$first",
    "postgresql://$here/numbers password $first",
    "postgresql://$here/numbers;$first",
    "postgresql://$here/numbers#$first",
    "postgresql://localhost:$digits/$first%40$host",

    # Behind a user.
    "postgresql://localhost;$first\@$here/numbers",
    "postgresql://localhost%2F$first\@$here/numbers",
    "postgresql://localhost $first\@$here/numbers",
    "$pairs user=localhost;$first",
    "$pairs user=localhost/$first",
    "$pairs user=localhost,pw=$first",
    "host=$host port=@{[ $pg->port ]} user= pw=$first dbname=numbers",
);

my $nginx = UniqueRandom::Nginx->new(
    start => 0, level => 'debug', http => '', server => '',
);

sub is_secret {
    my ($text, $what) = @_;

    my ($line) = $text =~ /^(.*(?:$piece).*)$/m;
    ok !defined $line, $what or diag "seen in: $line";
    return;
}

sub pool {
    my ($i, $shard) = @_;

    return "unique_random_pool p$i { wait_timeout 1s;"
        . " shard $shard range=1-1000; }\n";
}

# Without a location that uses it a pool is read all the same.
sub test_config {
    my ($shard, %env) = @_;

    my ($code, $out) = $nginx->configure(
        http => pool(0, $shard), env => \%env,
    )->test_config;

    is_secret($out, (%env ? $env{CONNINFO} : $shard)
        . ($code ? ' is refused' : ' is taken'));
    return ($code, $out);
}

my ($refused, %taken) = (0);

for my $conninfo (@conninfos) {
    my ($code, $out) = test_config('"${CONNINFO}"', CONNINFO => $conninfo);

    if ($code) {
        $refused++;
        next;
    }

    $taken{ 'CONNINFO' . keys %taken } = $conninfo;
}

note "$refused are refused, ", scalar keys %taken, ' are taken';

# Not quoted, where nginx itself takes the text apart.
for my $shard (
    "postgresql://localhost:$digits $second\@$here/numbers",
    "postgresql://localhost:$digits;$second\@$here/numbers",
    "postgresql://localhost:$digits {$second\@$here/numbers",
    "postgresql://localhost:$first'$second\@x\@$here/numbers",
    "\"postgresql://localhost:$digits\"$second\@$here/numbers",
    "host=$host password=$first $second",
    "host=$host password= $first",
    "host=$host password = $first",
    "$pairs password=$first",
    )
{
    my ($code) = test_config($shard);
    isnt $code, 0, '... it is refused';
}

is_secret(read_file($nginx->dir . '/error.log') // '',
    'nor does the error log have it');

subtest 'what is taken' => sub {
    my @pools = map {"p$_"} 0 .. keys(%taken) - 1;

    for my $db (qw( numbers localhost )) {
        $pg->psql($db, join '',
            map {"SELECT unique_random.add('$_', 1, 1000);"} @pools);
    }

    my $log = $nginx->dir . '/access.log';

    $nginx->configure(
        env  => \%taken,
        http => 'log_format all "[$unique_random_number|$unique_random_shard|'
            . '$unique_random_status|$unique_random_wait]";'
            . join('', map { pool($_, "\"\${CONNINFO$_}\"") } 0 .. $#pools),
        server => "access_log $log all;"
            . 'add_header X-Shard $unique_random_shard always;'
            . join('', map {"location = /$_ { unique_random $_; }"} @pools),
    )->start;

    my %answers;

    for my $i (0 .. $#pools) {
        my $answer = $nginx->get("/$pools[$i]");

        $answers{ $answer->{status} }++;
        note "$answer->{status}: $taken{ \"CONNINFO$i\" }";
        is_secret(join("\n", $answer->{content}, %{ $answer->{headers} }),
            'the answer does not have it');
    }

    cmp_ok $answers{200} // 0, '>=', 30, 'numbers are given';
    is $answers{200} + ($answers{503} // 0), @pools, '... or refused';

    $nginx->stop;

    is_secret($nginx->error_log, 'the error log does not have it');

    my $access = read_file($log);
    is_secret($access, 'nor has the access log');

    my %shards = map { $_ => 1 } $access =~ /^\[\d+\|(.*?)\|/mg;
    is_deeply [ sort keys %shards ], [ $here, "$here/numbers" ],
        'the names of shards are right';
};

done_testing;
