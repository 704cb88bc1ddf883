# What is leased of a range that was adopted belongs to its domain: nothing is
# given out by another one, by a part of one, or by none, whatever the range is
# configured as, and whoever was about to fetch it.

use strict;
use warnings;

use Test::More;
use Time::HiRes qw( sleep );

use UniqueRandom::Load     ();
use UniqueRandom::Nginx    ();
use UniqueRandom::Postgres ();
use UniqueRandom::Util     qw( tcp_proxy wait_until );

use constant {
    SIZE   => 1_100_000,    # more than a chunk
    UNUSED => 1_000,
};

my $pg = UniqueRandom::Postgres->new;

# A database that has adopted the range of which each $step-th is unused.
sub adopted {
    my ($name, $step) = @_;

    $step //= SIZE / UNUSED;

    $pg->create_database($name)->apply_schema($name);
    used($name, $step);
    adopt($name);

    return;
}

sub used {
    my ($name, $step) = @_;

    $pg->psql($name, 'DROP TABLE IF EXISTS used_numbers;'
            . ' CREATE TABLE used_numbers (number integer PRIMARY KEY)');
    $pg->psql($name, 'INSERT INTO used_numbers SELECT n'
            . " FROM generate_series(1, @{[ SIZE ]}) AS n WHERE n % $step <> 0");

    return;
}

sub adopt {
    my ($name) = @_;

    return $pg->psql($name, "SELECT * FROM unique_random.adopt('numbers', 1,"
            . " @{[ SIZE ]}, 'used_numbers', 'number')");
}

sub pool {
    my ($name, $ranges, %arg) = @_;

    # A reply that comes late would burn numbers, all of which are waited for.
    return 'unique_random_pool numbers { connect_timeout '
        . ($arg{connect} // '20s') . '; reserve_timeout '
        . ($arg{reserve} // '20s') . '; wait_timeout ' . ($arg{wait} // '25s')
        . "; lease max=100; $arg{rest} shard "
        . $pg->url(db => $name, $arg{port} ? (port => $arg{port}) : ())
        . " name=a fail_timeout=1s $ranges; }";
}

sub nginx {
    my ($name, $ranges, %arg) = (@_, rest => '');

    return UniqueRandom::Nginx->new(
        workers => $arg{workers} // 2,
        http    => pool($name, $ranges, %arg),
    );
}

sub draw {
    my ($nginx, $n) = @_;

    my $load = UniqueRandom::Load->new(
        port        => $nginx->port,
        connections => 8,
        count       => $n,
    )->run;

    is_deeply $load->status, { 200 => $n }, "... $n numbers";

    return $load->numbers;
}

sub reserved {
    my ($name) = @_;

    return $pg->psql($name, 'SELECT reserved - returned'
            . ' FROM unique_random.ranges WHERE size IS NOT NULL');
}

# Each of the unused numbers came once, and there are no more.
sub is_whole {
    my ($nginx, @numbers) = @_;

    is_deeply [ sort { $a <=> $b } @numbers ],
        [ map { $_ * SIZE / UNUSED } 1 .. UNUSED ],
        '... each of the unused numbers came once';
    is $nginx->get('/random')->{status}, 409, '... and no other does';

    return;
}

my $adopted = 'adopted=1-' . SIZE;
my $plain   = 'range=1-' . SIZE;
my $other   = 'range=3000000-3999999';

# Configured as what it is not, over leases.
{
    adopted('kind');

    my $nginx   = nginx('kind', $adopted);
    my @numbers = draw($nginx, 310);
    my $before  = reserved('kind');

    $nginx->configure(http => pool('kind', $plain, wait => '500ms', rest => ''));
    $nginx->reload;

    is $nginx->get('/random')->{status}, 503,
        'adopted= becomes range=: nothing is given out';
    ok $nginx->wait_for_log(qr/was adopted, configure it with "adopted="/),
        '... which the log says';
    is reserved('kind'), $before, '... and nothing is reserved';

    $nginx->configure(http => pool('kind', $adopted, rest => ''));
    $nginx->reload;

    is_whole($nginx, @numbers, draw($nginx, UNUSED - 310));
    is_deeply [ $nginx->errors(qr/alert|crit|emerg/) ], [], '... unfenced';
}

{
    $pg->create_database('plain')->apply_schema('plain');
    $pg->psql('plain', "SELECT unique_random.add('numbers', 1, @{[ SIZE ]})");

    my $nginx = nginx('plain', $plain);
    my @numbers = draw($nginx, 50);

    $nginx->configure(http => pool('plain', $adopted, wait => '500ms',
            rest => ''));
    $nginx->reload;

    is $nginx->get('/random')->{status}, 503,
        'range= becomes adopted=: nothing is given out';
    ok $nginx->wait_for_log(qr/was not adopted, configure it with "range="/),
        '... which the log says';

    $nginx->configure(http => pool('plain', $plain, rest => ''));
    $nginx->reload;

    my %seen = map { $_ => 1 } @numbers;
    is scalar(grep { $seen{$_} } draw($nginx, 500)), 0,
        '... and it goes on as before';
}

# Leases outlive the domain: it is fetched again before they go on.
{
    adopted('again');

    my $nginx   = nginx('again', $adopted);
    my @numbers = draw($nginx, UNUSED - 60);

    $pg->psql('again', "SELECT unique_random.add('numbers', 3000000, 3999999)");

    $nginx->configure(http => pool('again', $other, rest => ''));
    $nginx->reload;
    draw($nginx, 10);

    $nginx->configure(http => pool('again', "$adopted drain", rest => ''));
    $nginx->reload;
    push @numbers, draw($nginx, 1);

    $nginx->configure(http => pool('again', $adopted, rest => ''));
    $nginx->reload;

    is_whole($nginx, @numbers, draw($nginx, 59));
}

# Whoever was stopped while it fetched does not go on with it.
{
    adopted('stopped');

    my $proxy = tcp_proxy($pg->port);

    # For three times the one and twice the other it is waited for.
    my $nginx = nginx('stopped', $adopted, port => $proxy->port,
        reserve => '3s', connect => '3s', wait => '80s');

    $proxy->delay(0.4);

    my $clients = sub {
        return UniqueRandom::Load->new(
            port        => $nginx->port,
            connections => 8,
            count       => 100,
            timeout     => 90,
        )->start;
    };
    my @loads = $clients->();

    my $fetcher = wait_until(sub {
        my ($pid) = grep { has_connection($_, $proxy->port) }
            $nginx->worker_pids;
        return $pid;
    }, 20, 'a worker has a connection');

    sleep 1;
    kill STOP => $fetcher;
    $proxy->delay(0);

    # The first clients may be all of the one that stands still.
    push @loads, $clients->();

    ok $nginx->wait_for_log(qr/numbers that were not used before/, 30),
        'a worker stops while it fetches: another one does';

    kill CONT => $fetcher;

    my $result = UniqueRandom::Load->merge(map { $_->finish } @loads);

    is_deeply $result->status, { 200 => 200 }, '... and no request fails';
    is_whole($nginx, $result->numbers, draw($nginx, UNUSED - 200));
    is_deeply [ $nginx->errors(qr/alert|crit|emerg/) ], [],
        '... without an error';
}

sub has_connection {
    my ($pid, $port) = @_;

    my $hex    = sprintf ':%04X', $port;
    my %inodes = map { (split)[9] => 1 }
        grep { (split)[2] =~ /$hex$/ } split /\n/,
        UniqueRandom::Util::read_file("/proc/$pid/net/tcp");

    return scalar grep { /socket:\[(\d+)\]/ && $inodes{$1} }
        map { readlink // '' } glob "/proc/$pid/fd/*";
}

# A domain that was made anew before anything was granted.
{
    adopted('anew', 5);
    $pg->psql('anew', "UPDATE unique_random.ranges SET fenced = 'test'");

    my $nginx = nginx('anew', $adopted, wait => '5s');

    is $nginx->get('/random')->{status}, 503, 'a range is fenced from the start';

    used('anew', SIZE / UNUSED);
    $pg->psql('anew', 'DELETE FROM unique_random.ranges;'
            . ' DELETE FROM unique_random.domains');
    adopt('anew');

    wait_until(sub { $nginx->get('/random')->{status} == 200 }, 30,
        'a number');

    my @numbers = draw($nginx, UNUSED / 2);
    is scalar(grep { $_ % (SIZE / UNUSED) } @numbers), 0,
        '... and made anew: numbers are those of the new one';
}

# One that is damaged is its own range's affair.
{
    adopted('damaged');
    $pg->psql('damaged',
        "SELECT unique_random.add('numbers', 3000000, 3999999)");
    $pg->psql('damaged', 'CREATE TABLE kept AS'
            . ' SELECT * FROM unique_random.domains;'
            . ' SET session_replication_role = replica;'
            . ' UPDATE unique_random.domains SET bits = set_bit(bits, 9, 1)');

    my $nginx = nginx('damaged', "$adopted $other");

    is scalar(grep { $_ < 3_000_000 } draw($nginx, 500)), 0,
        'a domain is damaged: the shard serves from its other range';
    ok $nginx->wait_for_log(qr/cannot be used: .*damaged/),
        '... and the log names the range';
    is scalar(() = $nginx->error_log =~ /unavailable for now/g), 0,
        '... but not the shard';

    $pg->psql('damaged', 'SET session_replication_role = replica;'
            . ' UPDATE unique_random.domains d SET bits = k.bits'
            . ' FROM kept k WHERE k.chunk = d.chunk');

    ok wait_until(sub {
        $nginx->get('/random');
        return $nginx->error_log =~ /numbers that were not used before/;
    }, 30), '... until it is mended';
}

done_testing;
