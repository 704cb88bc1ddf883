# The protocol, searched by spin through all its interleavings: with every
# fence in place no position is issued twice, and each fence that is taken out
# is missed at once.  range.pml says what is modelled, and what is not.

use strict;
use warnings;

use Cwd qw( abs_path );
use File::Basename qw( dirname );
use File::Copy qw( copy );
use File::Temp qw( tempdir );
use POSIX ();
use Test::More;

my $models = dirname(abs_path(__FILE__));
my $dir    = tempdir(CLEANUP => 1);

# What a model may include: each search runs in a folder of its own.
my @shared = qw( range database zone );

# How many searches run at a time, each with at most this many megabytes.
use constant { JOBS => 2, MEGABYTES => 700 };

for my $tool (qw( spin gcc )) {
    grep { -x "$_/$tool" } split /:/, $ENV{PATH}
        or die "$tool is missing: apt-get install $tool\n";
}

# What an assertion that fails is about, as pan prints it.
my %about = (
    repeat   => qr/issued&|leased&mask|issued_key|owned\[/,
    alarm    => qr/outcome!=/,
    fenced   => qr/\(outcome==/,
    I6       => qr/new_key==/,
    I8       => qr/then\.mine/,
    all      => qr/issued!=/,
    tail     => qr/returned==/,
    joined   => qr/s>a/,
    whole    => qr/reserved_before/,
    again    => qr/epoch==1/,
    others   => qr/stranger/,
    evidence => qr/told/,
);

my $small = 'SIZE=2 EVENTS=4';

my $grants = 'grants SIZE=3 EVENTS=3';
my $tails  = "tails $small";

my $snapshot = "rewind $small RESTORES=1 ACCEPTS=1";
my $dump     = "rewind $small DUMPS=1 ACCEPTS=1";
my $failover = "rewind $small FAILOVERS=1 ACCEPTS=1";
my $upgrade  = "$failover UPGRADE";
my $careless = "$snapshot CARELESS";
my $frozen   = "$failover FROZEN";
my $vanished = 'rewind SIZE=1 EVENTS=4 RESTORES=1 BLANKS=1 ACCEPTS=2 FROZEN';
my $twice    = "rewind $small RESTORES=1 ACCEPTS=2 CHECK_STALE";
my $pruned   = "rewind $small PRUNES=2 ACCEPTS=1 CHECK_FENCED";
my $killed   = "rewind $small ACCEPTS=1 KILLS CHECK_INNOCENT";
my $workers  = 'rewind SIZE=1 EVENTS=3 DUMPS=1 ACCEPTS=1 WORKERS CHECK_FENCED';

# I8 to the letter, whoever asks first: there, numbers may repeat, but nobody
# is granted anything by a database that has forgotten his last grant.
my $unseen = "rewind $small UNSEEN REPEATS_ALLOWED";

my $caller   = "caller $small";
my $returned = 'returned SIZE=5';

# What is kept on disk, while the database goes back or is made anew; and a
# file that could not be read when it was needed: is what it says still there?
my $memory     = 'memory SIZE=2 EVENTS=3 CHANGES=3 RESTORES=1';
my $anew       = 'memory SIZE=2 EVENTS=3 CHANGES=3 BLANKS=1';
my $overtaken  = 'memory SIZE=2 EVENTS=3 CHANGES=2 RESTORES=1 KILLED=1';
my $unreadable = "$anew UNSEEN REPEATS_ALLOWED NEVER_RECALLED CHECK_EVIDENCE";

# Without an operator, by each policy and with the bound that it has.
my $trust   = 'failover SIZE=4 EVENTS=3 FAILOVERS=2 TRUST';
my $advance = 'failover SIZE=6 EVENTS=4 FAILOVERS=2 ADVANCE=1';

# Name, model with its macros, and what spin has to find: nothing, or what.
my @searches = (

    # The design holds.
    ['a database that stays as it is', $grants, ''],
    ['a snapshot is restored, an instance has its state, accept()',
        "$snapshot RESTARTS=1", ''],
    ['a snapshot is restored, an instance has crashed',
        'rewind SIZE=2 EVENTS=3 RESTORES=1 ACCEPTS=1 CRASHES=1', ''],
    ['the row vanishes, then a snapshot is restored',
        "rewind $small RESTORES=1 BLANKS=1", ''],
    ['a dump is restored, accept()', $dump, ''],
    ['a standby that lags is promoted, the old primary comes back, accept()',
        $failover, ''],
    ['the same to a cluster that counts its timelines anew', $upgrade, ''],
    ['a blank database is bootstrapped again, add()',
        "rewind $small BLANKS=1 ACCEPTS=1", ''],
    ['a snapshot is restored, and accept(advance => 0)', $careless, ''],
    ['a database that has forgotten grants nothing (I8)',
        "$unseen RESTORES=1 CRASHES=1", ''],
    ['another key is never accepted (I6)', "$unseen BLANKS=1 ACCEPTS=1", ''],
    ['tails, and a snapshot is restored', "$tails RESTORES=1", ''],
    ['a snapshot is restored once a later life was seen', "$snapshot STRICT",
        ''],
    ['accept() that knows of what was issued only', $frozen, ''],
    ['the row vanishes, a snapshot is restored, accept()', $vanished, ''],
    ['what was accepted is stale to nobody', $twice, ''],
    ['several workers, and no false alarm', $workers, ''],
    ['positions that workers have taken, and accept()', "$frozen BATCHES", ''],
    ['the same, and instances that crash',
        'rewind SIZE=1 EVENTS=4 RESTORES=1 CRASHES=1 ACCEPTS=1 BATCHES', ''],

    ['a tail that is returned twice', "$tails RETURN_RETRIED", ''],
    ['what is given back, by callers that are wrong at will', $returned, ''],
    ['holders are pruned, a snapshot is restored, accept()',
        "$snapshot PRUNES=1", ''],
    ['no holder is fenced for being pruned', $pruned, ''],
    ['a database that has forgotten, and few holders since (I8)',
        "$unseen RESTORES=1 PRUNES=2 FEW_SINCE", ''],
    ['a caller that is wrong is refused, and no row is fenced', $caller, ''],
    ['a worker is killed while it takes a reply in', $killed, ''],
    ['the same after a failover, accept()', "$frozen KILLS", ''],
    ['a worker is killed while it draws', 'word', ''],
    ['reloads, slots of other ranges, a new start, a snapshot', $memory, ''],
    ['the same, and bootstrap in a blank database', $anew, ''],
    ['the same, and all of nginx is killed', $overtaken, ''],
    ['the same, and accept()',
        'memory SIZE=2 EVENTS=3 CHANGES=2 RESTORES=1 ACCEPTS=1', ''],
    ['a file that could not be read keeps what it says', $unreadable, ''],
    ['trust: two failovers, and nothing is lost', "$trust BEHIND=0", ''],
    ['advance: two failovers, each of which loses no more than N',
        "$advance BEHIND=1", ''],

    # And not because nothing can happen.
    ['every position can be issued', "$grants NEVER_ALL", 'all'],
    ['tails can be granted again', "$tails NEVER_RETURNED", 'tail'],
    ['after accept(), numbers are issued again', "$failover NEVER_AGAIN",
        'again'],
    ['what came back can be granted at once', "$returned NEVER_AGAIN",
        'whole'],
    ['after a failover with advance, numbers are issued again',
        "$advance BEHIND=1 NEVER_AGAIN", 'again'],
    ['others go on when a caller is refused', "$caller NEVER_GOES_ON",
        'others'],

    # Each fence is needed.
    (map { [ "without: $_->[0]", @$_[1, 2] ] }
        ['the lock of the row (I1)', "$grants NO_ROW_LOCK", 'repeat'],
        ['waiting for the commit (I2)', "$grants NO_ACK_RULE", 'repeat'],
        ['burning what was lost (I3)', "$grants NO_BURN_ON_LOST_REPLY",
            'repeat'],
        ['a draw in one step (I4)', "$grants DRAW_IN_TWO_STEPS", 'repeat'],
        ['passing before using (I4)', "$grants USED_BEFORE_PASSED", 'repeat'],
        ['leases in one zone only (I5)', "$grants LEASES_COPIED", 'repeat'],
        ['the key (I6)', "$unseen BLANKS=1 ACCEPTS=1 NO_KEY", 'I6'],
        ['the timeline (I7)', "$failover NO_TIMELINE", 'repeat'],
        ['the writer (I7)', "$dump NO_WRITER", 'repeat'],
        ['epoch and incarnation (I8)', "$upgrade NO_EPOCH", 'repeat'],
        ['holders (I8)', "$unseen RESTORES=1 NO_HOLDERS", 'I8'],
        ['what is remembered of reserved (I8)', "$careless NO_RESERVED",
            'repeat'],
        ['what is remembered of serial and timeline (I8)',
            "$tails RESTORES=1 RESTARTS=1 NO_MEMORY_CHECK", 'repeat'],
        ['the fence in the row', "$snapshot NO_FENCE_IN_ROW", 'repeat'],
        ['the fence in the row that a look sets',
            "rewind $small RESTORES=1 BLANKS=1 LOOKS_CHANGE_NOTHING",
            'repeat'],
        ['freezing the leases', "$frozen NO_FREEZE", 'repeat'],
        ['burning the leases of an earlier life',
            "$frozen LEASES_KEPT_AFTER_ACCEPT", 'repeat'],
        ['freezing what workers have taken',
            "$frozen BATCHES BATCHES_NOT_FROZEN", 'repeat'],
        ['burning what they have taken in an earlier life',
            "$frozen BATCHES BATCHES_OF_ANY_EPOCH", 'repeat'],
        ['a fence that a stale reply does not lift',
            "$vanished STALE_LIFTS_FENCE", 'repeat'],
        ['the fence in the row of a stale copy',
            "$snapshot STRICT STALE_FENCES_NOT", 'repeat'],
        ['an epoch of the clock', "$twice EPOCHS_COUNTED", 'alarm'],
        ['a serial of grants only', "$workers LOOKS_RAISE_HOLDER_SERIAL",
            'alarm'],
        ['removing tails before they are returned',
            "$tails RETURNED_BEFORE_REMOVED", 'repeat'],
        ['a record, if tails are returned twice',
            "$tails RETURN_RETRIED NO_RECORD", 'repeat'],
        ['a record, if tails of an earlier life are returned',
            'tails SIZE=2 EVENTS=5 RESTORES=1 ACCEPTS=1 FROZEN'
                . ' NO_RETURN_EPOCH NO_RECORD', 'repeat'],
        ['a serial for tails that are granted again',
            "$tails RESTORES=1 CONSUMING_KEEPS_SERIAL", 'I8'],
        ['a record of what was granted to whom',
            "$returned REPEATS_ONLY NO_RECORD", 'repeat'],
        ['striking out of it what came back',
            "$returned REPEATS_ONLY RECORD_KEPT", 'repeat'],
        ['refusing intervals that overlap',
            "$returned REPEATS_ONLY OVERLAPS_ALLOWED", 'repeat'],
        ['joining them', "$returned NOT_JOINED", 'joined'],
        ['the highest serial that was pruned',
            "$pruned PRUNED_NOT_REMEMBERED", 'alarm'],
        ['suspicion of a holder that is missing',
            "$unseen RESTORES=1 PRUNES=1 FEW_SINCE MISSING_IS_PRUNED", 'I8'],
        ['doubt about a caller with another key',
            "$caller ANYBODY_IS_BELIEVED", 'fenced'],
        ['one store that publishes a new life', "$killed FIELD_BY_FIELD",
            'fenced'],
        ['burning the leases of the old life first',
            "$frozen KILLS BURNED_LAST", 'repeat'],
        ['lifting the fence last', "$frozen KILLS FENCE_LIFTED_FIRST",
            'repeat'],
        ['a position passed by one store (I4)', 'word IN_TWO_STORES',
            'repeat'],
        ['recall for a range that a reload adds',
            "$memory RECALLED_AT_START_ONLY", 'repeat'],
        ['recall for a range that bootstrap would make anew',
            "$anew RECALLED_AT_START_ONLY", 'repeat'],
        ['recall at a start', "$memory NEVER_RECALLED", 'repeat'],
        ['recall from the running zone', "$memory RECALLED_FROM_DISK_ONLY",
            'repeat'],
        ['saving a range that a reload has removed',
            "$memory SAVED_AS_CONFIGURED", 'repeat'],
        ['saving at the end of a generation',
            "$memory NOT_SAVED_AT_THE_END", 'repeat'],
        ['saving a slot before it is reclaimed', "$memory RECLAIMED_UNSAVED",
            'repeat'],
        ['merging by maximum', "$overtaken LAST_WRITER_WINS", 'repeat'],
        ['skipping for each timeline', "$advance BEHIND=1 SKIPS_ONCE",
            'repeat'],
        ['making up for what those between have granted',
            "$advance BEHIND=1 LACKS_NONE_BETWEEN", 'repeat'],
        ['leaving the older memory where it is',
            "$unreadable LAST_WRITER_WINS", 'evidence'],
    ),

    # What the documentation says cannot be noticed.
    ['undetectable: trust, and something is lost', "$trust BEHIND=1", 'repeat'],
    ['undetectable: advance, and more is lost than is skipped',
        "$advance BEHIND=2", 'repeat'],
    ['undetectable: advance, and two primaries at once',
        "$advance BEHIND=1 OLD_STAYS", 'repeat'],
    ['undetectable: advance, and a standby that knows nothing of the last one',
        "$advance BEHIND=1 SAME_TIMELINE", 'repeat'],
    ['undetectable: a snapshot, and nobody who remembers more asks first',
        "$snapshot UNSEEN", 'repeat'],
    ['undetectable: the same, and so many holders since that some are pruned',
        "$unseen RESTORES=1 PRUNES=1", 'I8'],
);

plan tests => scalar @searches;

# Runs a command in a folder; returns its output with that of errors.
sub output {
    my ($folder, @command) = @_;

    my $pid = open my $pipe, '-|';
    defined $pid or die "cannot fork: $!\n";

    if (!$pid) {
        open STDERR, '>&', \*STDOUT or die "cannot dup: $!\n";
        chdir $folder or die "cannot enter $folder: $!\n";
        exec @command or die "cannot run $command[0]: $!\n";
    }

    local $/;
    my $text = <$pipe>;

    close $pipe;
    return defined $text ? $text : '';
}

# One search, in a folder of its own: what pan said, and the story of an error.
# Those that have to find something do so at once: no need to optimize.
sub search {
    my ($folder, $what, $expected) = @_;

    my ($model, @macros) = split ' ', $what;
    my @flags = map { "-D$_" } @macros;
    my $text;

    for my $file (@shared, $model) {
        copy("$models/$file.pml", $folder) or die "cannot copy $file: $!\n";
    }

    $text = output($folder, 'spin', '-a', @flags, "$model.pml");
    $text .= output($folder, 'gcc', $expected ? '-O0' : '-O2',
        qw( -DSAFETY -DCOLLAPSE ), '-DMEMLIM=' . MEGABYTES,
        qw( -o pan pan.c ));
    $text .= output($folder, qw( ./pan -m20000 -w22 ));

    return $text if $text !~ /wrote .*\.trail/;

    my @story = grep { /^ +[^\s\d]/ }
        split /^/, output($folder, 'spin', '-t', @flags, "$model.pml");

    return $text . join '', "\n", map { s/^ +//r =~ s/ {2,}/ /gr } @story;
}

# Runs the searches, some at a time, in order.
my %running;

for my $n (0 .. $#searches) {
    if (keys %running == JOBS) {
        delete $running{ +wait };
    }

    mkdir "$dir/$n" or die "cannot make $dir/$n: $!\n";

    my $pid = fork;
    defined $pid or die "cannot fork: $!\n";

    if (!$pid) {
        open my $file, '>', "$dir/$n/result" or POSIX::_exit(1);
        print {$file} search("$dir/$n", @{ $searches[$n] }[1, 2]);
        close $file or POSIX::_exit(1);
        POSIX::_exit(0);
    }

    $running{$pid} = 1;
}

1 while wait != -1;

for my $n (0 .. $#searches) {
    my ($name, $what, $expected) = @{ $searches[$n] };

    open my $file, '<', "$dir/$n/result" or die "no result of $what: $!\n";
    my $text = do { local $/; <$file> };

    my ($errors) = $text =~ /errors: (\d+)/;
    my ($states) = $text =~ /(\d+) states, stored/;
    my ($failed) = $text =~ /^pan:\d+: assertion violated (.*)/m;

    my $whole = defined $states && $text !~ /Search not completed
        | max\ search\ depth\ too\ small | out\ of\ memory | -DMEMLIM/x;

    my $good = $expected
        ? defined $failed && $failed =~ $about{$expected}
        : $whole && defined $errors && $errors == 0;

    ok($good, $name)
        or diag("$what\n$text");

    note("$what: ", defined $states ? "$states states" : 'no search');
}
