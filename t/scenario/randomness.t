# docs/randomness.md is read by people who calculate: each of its odds is worked
# out here, and its recipe is made and drawn from.

use strict;
use warnings;

use lib 't/lib';

use Test::More;

use UniqueRandom::Load;
use UniqueRandom::Nginx;
use UniqueRandom::Postgres;
use UniqueRandom::Util qw( read_file run );

plan skip_all => 'the page is the same with the sanitizers'
    if ($ENV{TEST_NGINX_LOAD_MODULES} // '') =~ m{/build/(?:asan|memcheck)/};

my $page = read_file('docs/randomness.md') // die "no docs\n";

# log(1 - x) for small x as well.
sub log_less {
    my ($x) = @_;

    return log 1 - $x if $x > 1e-4;
    return -$x - $x**2 / 2 - $x**3 / 3;
}

# The odds that one of so many guesses hits one of i numbers among n: that all
# miss has the logarithm of the product of (n - i - j) / (n - j), j < guesses,
# which is the same factor all along where guesses are few beside n.
sub odds {
    my ($i, $n, $guesses) = @_;

    my $miss = 0;

    if ($guesses < 1000) {
        $miss += log_less($i / ($n - $_)) for 0 .. $guesses - 1;
    } else {
        $miss = $guesses * log_less($i / $n);
    }

    return $miss < -1e-4 ? 1 - exp $miss : -$miss - $miss**2 / 2;
}

# How many draws from n have a repeat half of the time.
sub draws_to_repeat {
    my ($n) = @_;

    my ($draws, $none) = (0, 1);
    $none *= 1 - $draws++ / $n while $none > 0.5;

    return $draws;
}

# As the page has it: 50 of "50 %", 50.0 of "50.0 %".
sub as_precise_as {
    my ($percent, $odds) = @_;

    my $places = $percent =~ /[.](\d+)/ ? length $1 : 0;

    return sprintf "%.${places}f", 100 * $odds;
}

{
    my $number = qr/[\d,]+/;
    my @rows   = $page =~ /^\| ($number) \| ($number) \| ($number) \| ([\d.]+) % \|$/mg;
    cmp_ok scalar(@rows), '>=', 4 * 5, 'the page has a table of odds';

    while (my ($i, $n, $guesses, $percent) = splice @rows, 0, 4) {
        tr/,//d for my @plain = ($i, $n, $guesses);
        is as_precise_as($percent, odds(@plain)), $percent,
            "$guesses guesses at $i of $n";
    }
}

# How long these take, and when independent draws repeat.
{
    my $text = $page =~ s/\s+/ /gr;

    my ($guesses) = $text =~ /At 10 a second in all, the ([\d,]+) of the table/;
    my ($years, $days) = $text =~ /take ([\d.]+) years; at 1,000, (\d+) days/;
    $guesses =~ tr/,//d;

    is $years, sprintf('%.1f', $guesses / 10 / 86400 / 365.25), 'years';
    is $days,  sprintf('%.0f', $guesses / 1000 / 86400),        'days';

    my ($of_half_a_million) = $text =~ /which is (\d+) of 500,000/;
    my ($of_a_million) = $text =~ /among 10\^6 numbers .* within ([\d,]+) draws/;
    $of_a_million =~ tr/,//d;

    is $of_half_a_million, draws_to_repeat(500_000),   'a repeat';
    is $of_a_million,      draws_to_repeat(1_000_000), 'a later one';
}

{
    my $pg = UniqueRandom::Postgres->new;
    $pg->create_database('numbers')->apply_schema('numbers');

    my ($recipe) = $page =~ /^```sh\n(.*?)^```$/ms;
    my ($first, $last) = $recipe =~ /add\('vouchers', (\d+), (\d+)\)/;

    local $ENV{SHARD} = $pg->url(db => 'numbers');
    my ($code, $out) = run(command => [ 'sh', '-euc', $recipe ], merge => 1);
    is $code, 0, 'the recipe' or diag $out;

    my $nginx = UniqueRandom::Nginx->new(
        http => 'unique_random_pool vouchers { connect_timeout 20s;'
            . " reserve_timeout 20s; wait_timeout 20s; shard $ENV{SHARD}"
            . " range=$first-$last; }",
        server => 'location = /random { unique_random; }',
    );
    my $drawn = UniqueRandom::Load->new(
        port        => $nginx->port,
        connections => 8,
        count       => 10_000,
    )->run;

    is $drawn->status(200), 10_000, '... gives numbers';
    is $drawn->duplicates,  0,      '... none twice';
    is scalar(grep { length != 15 } $drawn->numbers), 0, '... of 15 digits';
    is_deeply [ $nginx->errors ], [], '... and nothing to complain of';
}

done_testing;
