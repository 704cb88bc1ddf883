# docs/operations.md is what an operator has at hand when something has gone
# wrong.  Each command that it prints is run here, as it is printed, in the
# situation that it is meant for; what is made up in it (connection strings,
# marks) is replaced.

use strict;
use warnings;

use lib 't/lib';

use Cwd qw( getcwd );
use Test::More;

use UniqueRandom::Load;
use UniqueRandom::Nginx;
use UniqueRandom::Postgres;
use UniqueRandom::Util qw( is_alive read_file run tmp_dir wait_until );

# The blocks of sh, by the heading that they stand under.
my %blocks;

{
    my $heading = '';
    my $text    = read_file('docs/operations.md') // die "no docs\n";

    while ($text =~ /^## ([^\n]*)\n|^ *```sh\n(.*?)^ *```\n/gms) {
        if (defined $1) {
            $heading = $1;
        } else {
            push @{ $blocks{$heading} }, $2 =~ s/^ +//mgr;
        }
    }
}

my $top  = getcwd();
my $here = tmp_dir() . '/shell';
mkdir $here or die "$here: $!\n";
symlink "$top/sql", "$here/sql" or die "$here/sql: $!\n";

my ($nginx, %seen);

# Runs the next block under a heading, with s/THIS/THAT/ for what is made up.
sub operator {
    my ($heading, $env, %instead) = @_;

    my $block = shift @{ $blocks{$heading} }
        // die "nothing is left under \"$heading\"\n";

    for my $this (keys %instead) {
        $block =~ s/\Q$this\E/$instead{$this}/
            or die "no \"$this\" in: $block\n";
    }

    local @ENV{ keys %$env } = values %$env;
    local $ENV{NGINX_COMMAND} = join ' ', $ENV{TEST_NGINX_BINARY} || '/usr/sbin/nginx',
        $nginx ? ('-p', $nginx->dir . '/', '-e', 'error.log', '-c', 'nginx.conf')
        : ();

    my ($code, $out) = run(
        command => [
            'sh', '-euc',
            "cd $here\nnginx() { \$NGINX_COMMAND \"\$\@\"; }\n$block",
        ],
        merge => 1,
    );
    is $code, 0, "$heading: " . (split /\n/, $block)[0];
    diag $out if $code;

    return $out;
}

# A pool with these lines of shards.
sub serve {
    my ($pool, @shards) = @_;

    my $state = tmp_dir() . '/state';

    return (
        http   => "unique_random_pool $pool { state $state; lease min=10 max=10;"
            . ' connect_timeout 30s; reserve_timeout 30s;'
            . ' ' . join(' ', map {"$_;"} @shards) . ' }',
        server => "location = /random { unique_random $pool; }",
    );
}

sub take {
    my ($n) = @_;

    my $taken = 0;

    for (1 .. $n) {
        my $reply = $nginx->get('/random');
        $seen{$1}++, $taken++ if $reply->{content} =~ /"number":(\d+)/;
    }

    return $taken;
}

# Numbers of a range that begins with FIRST come again.
sub comes_again {
    my ($first, $what) = @_;

    my $before = grep { $_ >= $first && $_ < $first + 500_000 } keys %seen;

    wait_until(
        sub {
            take(10);
            return $before
                < grep { $_ >= $first && $_ < $first + 500_000 } keys %seen;
        },
        30, $what,
    );
    is scalar(grep { $_ > 1 } values %seen), 0, "... $what, no number twice";
    return;
}

# What the alert knows to be reserved.
sub mark {
    my ($pattern) = @_;

    my ($mark) = reverse $nginx->error_log
        =~ /is fenced: $pattern; (\d+) of its positions are known/g;
    ok $mark, "... the alert has a mark: $mark";
    return $mark;
}

my $old = UniqueRandom::Postgres->new(name => 'old');
$old->create_database('numbers');
$old->psql('postgres', 'CREATE ROLE nginx LOGIN');

my $other = UniqueRandom::Postgres->new(name => 'other');
$other->create_database('numbers')->create_database('next');
$other->psql('postgres', 'CREATE ROLE nginx LOGIN');

my $db  = { SHARD => $old->url(db => 'numbers') };
my $db1 = { SHARD => $other->url(db => 'numbers') };

# A pool of one shard becomes one of two.
{
    $old->apply_schema('numbers');
    $old->psql('numbers', 'GRANT unique_random TO nginx');
    $old->psql('numbers', "SELECT unique_random.add('numbers', 1, 500000)");

    my @shards = ($old->url(user => 'nginx', db => 'numbers') . ' range=1-500000'
            . ' fail_timeout=1s');

    $nginx = UniqueRandom::Nginx->new(serve('numbers', map {"shard $_"} @shards));
    is take(50), 50, 'one shard';

    my $heading = 'Adding a shard';
    operator($heading, $db1);

    push @shards, $other->url(user => 'nginx', db => 'numbers')
        . ' range=500001-1000000 fail_timeout=1s';
    $nginx->configure(serve('numbers', map {"shard $_"} @shards));
    operator($heading, $db1);

    comes_again(500_001, 'numbers of the new shard');
}

# The first shard has a standby, which is promoted without its last grants.
my $standby;
my @shards = (
    'shard postgresql://nginx@127.0.0.1:' . $old->port . ',127.0.0.1:%d/numbers'
        . ' range=1-500000 fail_timeout=1s',
    'shard ' . $other->url(user => 'nginx', db => 'numbers')
        . ' range=500001-1000000 fail_timeout=1s',
);

{
    $standby = $old->standby(name => 'standby');
    $shards[0] = sprintf $shards[0], $standby->port;
    $nginx->configure(serve('numbers', @shards));
    $nginx->reload;
    is take(50), 50, 'a primary and its standby';

    $standby->stop_receiving;
    take(100);
    $old->kill9;
    $standby->promote;
    is take(100), 100, 'after a failover the other shard serves';

    $nginx->wait_for_log(qr/is fenced: timeline is 2 instead of 1/, 30);
    my $mark = mark('timeline is 2 instead of 1');

    my $heading = 'After a failover';
    $db = { SHARD => $standby->url(db => 'numbers') };
    operator($heading, $db, 123456 => $mark);
    comes_again(1, 'numbers of the promoted standby');

    operator($heading, $db);
    is $standby->psql('numbers', 'SELECT failover FROM unique_random.ranges'),
        'trust', '... and a policy';

    operator($heading, $db);
    is $standby->psql('numbers', 'SELECT failover, advance FROM'
        . ' unique_random.ranges'), 'advance|10000', '... or another one';

    like operator('Whether a server will do', $db),
        qr/^ timeline +\| t +\| 2 +\|/m, 'the server tells what it can';
}

# A backup of it is restored.
{
    $standby->stop;
    my $backup = $standby->save_data;
    $standby->start;
    comes_again(1, 'numbers before the restore');
    take(200);
    $standby->stop;
    $standby->restore_data($backup);
    $standby->start;

    wait_until(
        sub {
            take(10);
            return $nginx->error_log =~ /is fenced: (reserved|serial) is/;
        },
        30, 'the alert',
    );
    my $mark = mark('(?:reserved|serial) is [^;]*');

    operator('After a restore', $db, 123456 => $mark);
    comes_again(1, 'numbers of the restored database');
}

# The range moves.
{
    my $heading = 'Moving a range to another server';
    my $new     = $other->url(db => 'next');

    operator($heading, $db);
    operator($heading, { %$db, NEW_SHARD => $new });
    ok !-e "$here/move.sql", '... the key is not left behind';

    $shards[0] = 'shard ' . $other->url(user => 'nginx', db => 'next')
        . ' range=1-500000 fail_timeout=1s';
    $nginx->configure(serve('numbers', @shards));
    $nginx->reload;
    comes_again(1, 'numbers of the moved range');

    $db = { SHARD => $new };
}

# The binary is replaced, and a shard retires.
{
    my $heading = 'Upgrading nginx or the module';

    operator($heading, $db);

    my $before = $nginx->master_pid;
    operator($heading, { PID => $nginx->dir . '/nginx.pid' });
    wait_until(
        sub {
            my ($pid) = (read_file($nginx->dir . '/nginx.pid') // '') =~ /(\d+)/;
            return $pid && $pid != $before && !is_alive($before);
        },
        30, 'the new nginx',
    );
    $nginx->adopt;
    comes_again(1, 'numbers of the new nginx');

    operator($heading, $db);
    comes_again(1, 'numbers without a right on any table');

    $nginx->configure(serve('numbers', $shards[0], "$shards[1] drain"));
    $nginx->reload;
    take(100);
    $nginx->configure(serve('numbers', $shards[0]));
    $nginx->reload;
    is take(50), 50, 'a shard retires';
}

# PostgreSQL is upgraded, nginx being without it meanwhile.
{
    my $upgraded = UniqueRandom::Postgres->new(name => 'upgraded', start => 0,
        port => $other->port);

    $other->stop;
    $upgraded->upgrade_from($other);
    $upgraded->start;
    wait_until(
        sub {
            take(1);
            return $nginx->error_log =~ /is fenced: system identifier is/;
        },
        30, 'the alert',
    );

    operator('Upgrading PostgreSQL', $db);
    comes_again(1, 'numbers after the upgrade');

    $other = $upgraded;
}

# All is lost but the key.
{
    operator('Backing up the keys', $db);

    my ($reserved, $key) = read_file("$here/keys.txt")
        =~ /^numbers\|1\|500000\|(\d+)\|([0-9a-f]{64})$/m;
    ok $key, '... the key is there';

    $other->psql('next', 'DROP SCHEMA unique_random CASCADE');
    operator('A lost database', { %$db, KEY => $key }, 200000 => $reserved + 100);
    comes_again(1, 'numbers of the database that was made again');

    # As if the life before had been begun by a clock in the future.
    operator('Other rewrites', $db, 123456 => $reserved + 100);
    comes_again(1, 'numbers of a life after that one');
}

# Somebody has read the key.
{
    my $heading = 'A leaked key';
    my $first   = 1_000_001;

    operator($heading, $db);

    $shards[0] =~ s/range=1-500000/range=$first-1500000/ or die "no range\n";
    $nginx->configure(serve('numbers', $shards[0]));
    operator($heading, $db);
    comes_again($first, 'numbers with another key');

    unlike operator($heading, $db), qr/[0-9a-f]{64}/, '... not printed';
    is $other->psql('next', 'SELECT first, fenced,'
            . ' count(*) FILTER (WHERE fenced IS NULL) OVER (PARTITION BY key)'
            . ' FROM unique_random.ranges ORDER BY first'),
        "1|closed: moved away|0\n$first||1", '... and the old one is closed';
    is take(50), 50, 'nginx goes on';
}

# A range that was adopted is lost.
{
    my ($lost, $blank) = map {
        my $pg = UniqueRandom::Postgres->new(name => $_);
        $pg->create_database('numbers')->psql('postgres',
            'CREATE ROLE nginx LOGIN');
        $pg;
    } qw( lost blank );

    $lost->apply_schema('numbers');
    $lost->psql('numbers', 'CREATE TABLE used (number integer UNIQUE);'
        . ' INSERT INTO used SELECT generate_series(1, 500000, 3);'
        . " SELECT unique_random.adopt('numbers', 1, 500000, 'used', 'number')");
    operator('Backing up the keys', { SHARD => $lost->url(db => 'numbers') });

    my $range = sub {
        return $_[0]->psql('numbers', "SELECT encode(key, 'hex'), size,"
            . " encode(domain, 'hex'), chunk, md5(bits) FROM"
            . ' unique_random.ranges JOIN unique_random.domains'
            . ' USING (pool, first)');
    };
    my ($key) = $range->($lost) =~ /^([0-9a-f]{64})/;
    my ($domain) = read_file("$here/domains.txt")
        =~ /^numbers\|1\|500000\|([0-9a-f]{64})$/m;

    operator('A lost database', { SHARD => $blank->url(db => 'numbers'),
        KEY => $key, DOMAIN => $domain }, 200000 => 1000);
    is $range->($blank), $range->($lost), '... with the numbers that it had';
}

is_deeply [ map { @{ $blocks{$_} } } sort keys %blocks ], [],
    'each command of the page has been run';
note scalar(keys %seen) . ' numbers';

done_testing;
