# docs/formats.md is what decoders are written by: those that it has read the
# vectors beside it, and its examples are what they write.

use strict;
use warnings;

use lib 't/lib';

use Cwd qw( abs_path );
use JSON::PP ();
use Test::More;

use UniqueRandom::Util qw( read_file run tmp_dir write_file );

plan skip_all => 'the page is the same with any nginx'
    if ($ENV{TEST_NGINX_LOAD_MODULES} // '') =~ m{/build/(?:asan|memcheck)/};

my $json = JSON::PP->new->canonical;
my $page = read_file('docs/formats.md');

# What follows the code of the page: a line for each vector that is not read or
# written as it should be, and then how many there were.
my %harness = (
    python => <<'PYTHON',
import json, sys
valid, invalid = (json.load(open(path))["vectors"] for path in sys.argv[1:])
for vector in valid:
    number = int(vector["number"])
    if decode(vector["format"], vector["text"]) != number:
        print("not read:", vector)
    if encode(vector["format"], number) != vector["text"]:
        print("not written:", vector)
for vector in invalid:
    try:
        print("read:", vector, decode(vector["format"], vector["text"]))
    except ValueError:
        pass
print(len(valid), len(invalid))
PYTHON

    javascript => <<'JAVASCRIPT',
const [valid, invalid] = process.argv.slice(2).map((path) =>
    JSON.parse(require("fs").readFileSync(path, "utf8")).vectors);
for (const vector of valid) {
    const number = BigInt(vector.number);
    if (decode(vector.format, vector.text) !== number)
        console.log("not read:", vector);
    if (encode(vector.format, number) !== vector.text)
        console.log("not written:", vector);
}
for (const vector of invalid) {
    try {
        console.log("read:", vector, decode(vector.format, vector.text));
    } catch (error) {
        if (!(error instanceof RangeError)) throw error;
    }
}
console.log(valid.length, invalid.length);
JAVASCRIPT
);

my %interpreter = (
    python     => [ 'python3', 'py' ],
    javascript => [ 'node',    'cjs' ],
);

sub check_decoder {
    my ($language, $valid, $invalid) = @_;

    my ($command, $suffix) = @{ $interpreter{$language} };

    my @code = $page =~ /^```$language\n(.*?)^```$/msg;
    is scalar @code, 1, "$language is there once" or return;

    my $program = tmp_dir() . "/decoder.$suffix";
    write_file($program, "$code[0]\n$harness{$language}");

    my ($code, $out) = run(
        command => [ $command, $program, map { abs_path($_) } $valid,
            $invalid ],
        merge   => 1,
    );
    is $code, 0, '... and runs';
    is $out, join(' ', map {
        scalar @{ $json->decode(read_file($_))->{vectors} }
    } $valid, $invalid) . "\n", '... and reads just what is valid';
    return;
}

# The words of a directive, as the format of a vector; without a width, it is
# one that is not fixed.
sub format_of {
    my ($directive) = @_;

    my ($alphabet, @words) = map { s/"//gr }
        $directive =~ /\G(?:^format )?\s*("[^"]*"|[^\s;]+)/g;

    my %format = (alphabet => $alphabet);
    for my $word (grep { $_ ne 'string' } @words) {
        my ($name, $value) = $word =~ /^(\w+)=(.+)$/ or die "$word\n";
        $format{$name} = $value =~ /^[0-9]+$/ ? 0 + $value : $value;
    }
    return \%format;
}

my @examples;

while ($page =~ /^\| `(format .*;)` \| ([0-9]+) \| `(.*)` \|$/mg) {
    push @examples, { format => format_of($1), number => $2, text => $3 };
}
cmp_ok scalar @examples, '>=', 9, 'the page has examples';

# In the list of checks, "`damm` ...: 572 has 4."
my $checks = 0;

while ($page =~ /^-[ ]`(\w+)`(?:(?!^-[ ]).)*?
                 \b([0-9]+)(?:,[ ]which[ ]is[ ](\w+),)?\shas\s(\w+)\.$/msgx) {
    push @examples, {
        format => {
            alphabet => $3 ? 'base32' : 'decimal',
            width    => length($3 // $2),
            check    => $1,
        },
        number => $2,
        text   => ($3 // $2) . $4,
    };
    $checks++;
}
is $checks, 5, '... and one of each check';

my ($examples, $none) = map { tmp_dir() . "/$_.json" } qw( examples none );
write_file($examples, $json->encode({ vectors => \@examples }));
write_file($none, $json->encode({ vectors => [] }));

for my $language (sort keys %harness) {
    check_decoder($language, 'docs/formats/valid.json',
        'docs/formats/invalid.json');
    check_decoder($language, $examples, $none);
}

# A sample of each thing that there is to be decoded.
my @valid = @{ $json->decode(read_file('docs/formats/valid.json'))->{vectors} };
my %has;

for my $vector (@valid) {
    my $format = $vector->{format};

    $has{$_}++ for keys %$format, grep { defined }
        @{$format}{qw( alphabet check )};
}

for my $name ($page =~ /^\| `(\w+)` \|/mg, qw( width prefix group separator )) {
    next if $name =~ /^(?:format|text|number|error|why|lenient)$/;
    ok $has{$name}, "the vectors have $name";
}

done_testing;
