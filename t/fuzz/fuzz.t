# Whatever parses input from outside, fuzzed for some seconds from the corpus
# that is kept here.  t/fuzz/run does it for long.

use strict;
use warnings;

use Cwd qw( abs_path );
use File::Basename qw( basename dirname );
use File::Copy qw( copy );
use File::Temp qw( tempdir );
use MIME::Base64 qw( encode_base64 );
use Test::More;

# With every seed tried first, which takes no time.
use constant SECONDS => 5;

my $here  = dirname(abs_path(__FILE__));
my $build = "$here/../../build/fuzz";

# The targets have a build of their own, sanitizers included.
if (($ENV{TEST_NGINX_LOAD_MODULES} // '') =~ m{/build/(asan|memcheck)/}) {
    plan skip_all => "the same with any nginx, so not again for $1";
}

grep { -x "$_/clang" } split /:/, $ENV{PATH}
    or die "clang is missing: run tools/install-deps fuzz\n";

my @targets = map { /fuzz_(\w+)\.c$/ } sort glob "$here/fuzz_*.c";

plan tests => scalar @targets;

# What make was told about the module is not about this.
delete @ENV{qw( MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES BUILD SOURCES )};

# Nor is what the sanitizers were.
delete @ENV{qw( ASAN_OPTIONS LSAN_OPTIONS )};
$ENV{UBSAN_OPTIONS} = 'print_stacktrace=1';

# Runs a command; returns its exit status and its output with that of errors.
sub output {
    my (@command) = @_;

    my $pid = open my $pipe, '-|';
    defined $pid or die "cannot fork: $!\n";

    if (!$pid) {
        open STDERR, '>&', \*STDOUT or die "cannot dup: $!\n";
        exec @command or die "cannot run $command[0]: $!\n";
    }

    local $/;
    my $text = <$pipe>;

    close $pipe;
    return ($?, defined $text ? $text : '');
}

my ($failed, $text) = output('make', '-s', '-j4', '-C', $here,
    "BUILD=$build");

die "the targets cannot be built:\n$text" if $failed;

for my $target (@targets) {
    my $dir   = tempdir(CLEANUP => 1);
    my @seeds = glob "$here/corpus/$target/*";

    # Among them it adds what it finds.
    mkdir "$dir/corpus" or die "cannot make $dir/corpus: $!\n";

    for my $seed (@seeds) {
        copy($seed, "$dir/corpus/") or die "cannot copy $seed: $!\n";
    }

    my @dictionary = grep { -f } "$here/$target.dict";

    my ($status, $text) = output(
        "$build/fuzz_$target", '-seed=1', '-max_total_time=' . SECONDS,
        qw( -timeout=60 -rss_limit_mb=1024 ), "-artifact_prefix=$dir/",
        (map { "-dict=$_" } @dictionary), "$dir/corpus"
    );

    # Each seed was tried, and what was made of them, as long as there was time.
    my ($runs) = $text =~ /^Done (\d+) runs/m;

    ok(@seeds && !$status && defined $runs && $runs >= @seeds, $target)
        or diag(@seeds ? $text : "corpus/$target has no files");

    for my $file (grep { -f } glob "$dir/*") {
        open my $in, '<:raw', $file or die "cannot read $file: $!\n";
        diag(basename($file), ', in base64: ',
            encode_base64(do { local $/; <$in> }, ''));
    }

    note("$runs runs") if defined $runs;
}
