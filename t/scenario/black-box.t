# For a client, nginx is a drop-in for a service that kept a row per number:
# the tests that such a service came with, through nothing but HTTP, each with
# blank databases.  The way from the one to the other is in migration.t.
#
# TEST_DB_SHARD_0_URL and TEST_DB_SHARD_1_URL are databases to use, WHICH ARE
# EMPTIED: what is in their schema unique_random is dropped.  Without them two
# private clusters are started.

use strict;
use warnings;

use lib 't/lib';

use B ();
use JSON::PP ();
use Test::More;

use UniqueRandom::Nginx;
use UniqueRandom::Postgres;
use UniqueRandom::Util qw( read_file run );

my @given = grep { defined && $_ ne '' }
    @ENV{qw( TEST_DB_SHARD_0_URL TEST_DB_SHARD_1_URL )};

die "TEST_DB_SHARD_0_URL and TEST_DB_SHARD_1_URL: both, or none\n"
    if @given == 1;

# Nobody's settings but those of the test.
delete @ENV{ grep {/^(?:DB_SHARD_|PG)/} keys %ENV };

my @clusters;

if (!@given) {
    for my $i (0, 1) {
        my $pg = UniqueRandom::Postgres->new(name => "shard$i");
        $pg->create_database('numbers');
        push @clusters, $pg;
    }
}

my @urls = @given ? @given : map { $_->url(db => 'numbers') } @clusters;
my %env  = map { ("DB_SHARD_${_}_URL" => $urls[$_]) } 0, 1;

# psql, which knows no driver of Python's.
sub psql {
    my ($i, $sql) = @_;

    (my $url = $urls[$i]) =~ s/^(postgres(?:ql)?)\+\w+:/$1:/;
    my ($code, $out, $err) = run(command => [
        'psql', '-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1', '-d', $url,
        '-c', $sql,
    ]);
    die "psql: $err\n" if $code;
    chomp $out;
    return $out;
}

# As docs/reference.md says.
my ($reset) = read_file('docs/reference.md')
    =~ /^### Resetting a test database\n.*?psql -d numbers -c "([^"]+)"$/ms;
ok $reset, 'how to reset a database is documented';

psql($_, $reset =~ s/SCHEMA/SCHEMA IF EXISTS/r) for 0, 1;

my $nginx;

# With blank databases.
sub client {
    my ($what, $test, @ranges) = @_;

    @ranges = ([ 1, 500_000 ], [ 500_001, 1_000_000 ]) if !@ranges;

    if ($nginx) {
        $nginx->stop;
        for my $i (0, 1) {
            psql($i, $reset)
                if psql($i, "SELECT to_regnamespace('unique_random')") ne '';
        }
    }

    my $shards = join "\n", map {
        qq{shard "\${DB_SHARD_${_}_URL}" range=$ranges[$_][0]-$ranges[$_][1];}
    } 0 .. $#ranges;

    $nginx = UniqueRandom::Nginx->new(
        env    => \%env,
        http   => "unique_random_pool numbers { bootstrap on;"
            . ' connect_timeout 20s; reserve_timeout 20s; wait_timeout 20s;'
            . " $shards }",
        server => <<'EOT',
location = /random { unique_random; }
location = /health {
    default_type application/json;
    return 200 '{"status":"ok"}';
}
EOT
    );

    return subtest($what => $test);
}

# One answer, as a JSON library reads it.
sub get {
    my ($path) = @_;

    my $reply = $nginx->get($path);
    return ($reply->{status}, JSON::PP->new->decode($reply->{content}), $reply);
}

sub is_integer {
    my ($value) = @_;

    return !ref $value
        && B::svref_2object(\$value)->FLAGS & B::SVf_IOK && $value =~ /^\d+$/;
}

client('the health check' => sub {
    my ($status, $data) = get('/health');

    is $status, 200, 'it answers';
    is_deeply $data, { status => 'ok' }, '... that all is well';
});

client('a number' => sub {
    my ($status, $data, $reply) = get('/random');

    is $status, 200, 'it is there';
    is_deeply [ keys %$data ], ['number'], '... and nothing else';
    ok is_integer($data->{number}), '... an integer';
    cmp_ok $data->{number}, '>=', 1, '... not below the range';
    cmp_ok $data->{number}, '<=', 1_000_000, '... nor above it';
    is $reply->{headers}{'content-type'}, 'application/json', '... as JSON';
});

client('ten numbers' => sub {
    my %seen;

    for (1 .. 10) {
        my ($status, $data) = get('/random');
        is $status, 200, 'one more';
        $seen{ $data->{number} }++;
    }
    is keys %seen, 10, 'each is another one';
});

# Twice, since the second time shows that the databases are blank again.
for my $time ('at first', 'and once more') {
    client("a pool of two numbers, $time" => sub {
        my @replies = map { [ get('/random') ] } 1 .. 4;

        is join(' ', map { $_->[0] } @replies), '200 200 409 409',
            'two, and no more';
        is join(' ', sort map { $_->[1]{number} // () } @replies), '1 2',
            '... the two that there are';
        is_deeply $replies[$_][1],
            { detail => 'All available numbers have been used.' },
            '... and a reason' for 2, 3;
    }, [ 1, 2 ]);
}

client('both shards' => sub {
    my @numbers = map { (get('/random'))[1]{number} // () } 1 .. 5;

    is join(' ', sort { $a <=> $b } @numbers), '1 2 500001 500002',
        'each gives what it has';
}, [ 1, 2 ], [ 500_001, 500_002 ]);

$nginx->stop;
psql($_, $reset) for 0, 1;

done_testing;
