# HTTP/2, which Test::Nginx's own client does not speak: one connection in
# clear text, with one stream and with many.

use strict;
use warnings;

use lib 't/lib';
use Test::More;

use UniqueRandom::Nginx;
use UniqueRandom::Postgres;
use UniqueRandom::Util qw( black_hole run tmp_dir write_file );

my $pg   = UniqueRandom::Postgres->new(name => 'shard');
my $hole = black_hole();

$pg->create_database($_) for qw( numbers few );

my $nginx = UniqueRandom::Nginx->new(
    listen => 'http2',
    http   => <<"EOT",
    unique_random_pool numbers {
        shard      @{[ $pg->url(db => 'numbers') ]} range=1-1000000;
        bootstrap  on;
        connect_timeout 60s;
        reserve_timeout 60s;
        wait_timeout 60s;
    }

    unique_random_pool few {
        shard      @{[ $pg->url(db => 'few') ]} range=1-50;
        bootstrap  on;
        connect_timeout 60s;
        reserve_timeout 60s;
        wait_timeout 60s;
        lease      off;
    }

    unique_random_pool none {
        shard            postgresql://x\@127.0.0.1:@{[ $hole->port ]}/x range=1-9;
        connect_timeout  1s;
        wait_timeout     300ms;
    }
EOT
    server => <<'EOT',
        location = /random { unique_random numbers; }
        location = /few    { unique_random few; }
        location = /none   { unique_random none; }
EOT
);

# Makes a request $count times at once, on one connection, and returns the
# headers and the body of each answer, as nghttp shows them frame by frame.
sub streams {
    my ($count, $path, @option) = @_;

    my ($code, $out, $err) = run(command => [
        'nghttp', '-v', '--no-dep', '-t', 60, '-m', $count, @option,
        $nginx->url($path),
    ]);

    is($code, 0, "$count streams for $path have ended") or diag($err);

    my %answer;

    while ($out =~ /recv \(stream_id=(\d+)\) (:?[\w-]+): ([^\n]*)\n/g) {
        $answer{$1}{$2} = $3;
    }

    # The text of a body comes right before what is told of its frame.
    while ($out =~ /(\{"[^\[\n]*)\[[^\n]*recv DATA [^\n]*stream_id=(\d+)>/g) {
        $answer{$2}{body} .= $1;
    }

    return map { { body => '', %{ $answer{$_} } } } keys %answer;
}

my $number = qr/\A\{"number":([1-9]\d*)\}\z/;

{
    my ($answer, @other) = streams(1, '/random');

    is(scalar @other, 0, 'one answer to a GET');
    is($answer->{':status'}, 200, 'its status');
    is($answer->{'content-type'}, 'application/json', 'its type');
    is($answer->{'cache-control'}, 'no-store', 'it is not to be stored');
    is($answer->{'content-length'}, length $answer->{body}, 'its length');
    like($answer->{body}, $number, 'its number');
}

my $small = write_file(tmp_dir() . '/small', 'body');
my $large = write_file(tmp_dir() . '/large', 'x' x 1_000_000);

for my $file ($small, $large) {
    my ($answer) = streams(1, '/random', '-d', $file);

    is($answer->{':status'}, 200, "a POST of $file");
    like($answer->{body}, $number, 'its number');
}

for my $method (qw( HEAD PUT BREW )) {
    my ($answer) = streams(1, '/random', '-H', ":method: $method",
        $method eq 'HEAD' ? () : ('-d', $small));

    is($answer->{':status'}, 405, "$method is not allowed");
    is($answer->{allow}, 'GET, POST', 'what is');
    is($answer->{'content-length'}, 31, 'the length');
    is($answer->{body},
        $method eq 'HEAD' ? '' : '{"detail":"Method Not Allowed"}',
        'the body');
}

for my $answer (streams(10, '/none')) {
    is($answer->{':status'}, 503, 'no number in time');
    is($answer->{'retry-after'}, 1, 'when to try again');
    is($answer->{body}, '{"detail":"No number could be reserved in time."}',
        'the body');
}

{
    my @answers = streams(60, '/few');
    my @used_up = grep { $_->{':status'} == 409 } @answers;
    my @numbers = map { $_->{body} =~ $number ? $1 : () }
        grep { $_->{':status'} == 200 } @answers;

    is_deeply([ sort { $a <=> $b } @numbers ], [ 1 .. 50 ],
        'each of 50 numbers went to one of 60 streams');
    is(scalar @used_up, 10, 'the others were told that there are no more');
    is($_->{body}, '{"detail":"All available numbers have been used."}',
        'the body') for @used_up;
}

{
    my %seen;
    my @numbers = map { $_->{body} =~ $number ? $1 : () }
        streams(500, '/random');

    is(scalar(grep { !$seen{$_}++ } @numbers), 500,
        '500 streams got 500 different numbers');
}

is_deeply([ $nginx->errors ], [], 'nothing to worry about in the log');

done_testing();
