package UniqueRandom::Sanitizer;

# Makes a test fail whose nginx a sanitizer or valgrind complained about.
#
# The reports go to files of this test's own, those of UBSan to where nginx
# prints: its error log, once it has one.  Its exit code would not do, since
# an nginx that dies in a test may be one that is meant to.

use strict;
use warnings;

use UniqueRandom::Util qw( at_exit fail_at_exit read_file tmp_dir );

my $folder = tmp_dir() . '/sanitizer';
my %seen;

# Whatever user a worker runs as writes here.
mkdir $folder or die "$folder: $!\n";
chmod 01777, $folder;

# nginx's modules name their symbols alike (ngx_modules), and its cycle is
# never freed in a single process.  A worker may exit when one of its threads
# has just ended, or does not end at all.
my %default = (
    ASAN_OPTIONS =>
        'detect_odr_violation=0:detect_leaks=0:detect_stack_use_after_return=1',
    UBSAN_OPTIONS => 'print_stacktrace=1',
    TSAN_OPTIONS  => 'report_thread_leaks=0:atexit_sleep_ms=0',
);

for my $name (keys %default) {
    $ENV{$name} = join ':', $default{$name}, $ENV{$name} || (),
        "log_path=$folder/report";
}

# nginx clears its environment, and a binary upgrade starts from what is left.
sub env_directives {
    return join '', map {"env $_;\n"} sort keys %default;
}

# The command, under valgrind if TEST_NGINX_USE_VALGRIND has options for it.
sub command {
    my (@command) = @_;

    my $options = $ENV{TEST_NGINX_USE_VALGRIND} or return @command;

    return (
        'valgrind', '-q',
        ($options =~ /^\d+$/ ? '--leak-check=full' : split ' ', $options),
        "--log-file=$folder/report.%p", @command
    );
}

# The reports since the last call, and those in the texts given, as one text.
sub reports {
    my (@texts) = @_;

    return join '', (map { read_file($_) }
            grep { -s && !$seen{$_}++ } glob "$folder/*"),
        map {/^(.*: runtime error: (?:.*\n){1,30})/mg} @texts;
}

at_exit(sub {
    my $reports = reports();
    fail_at_exit($reports) if $reports ne '';
});

1;
