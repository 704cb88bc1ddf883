# What nginx remembers of its ranges outlives it on disk: a database that has
# gone back in time while nginx was down is found out at the first contact.

use strict;
use warnings;

use lib 't/lib';

use Test::More;

use UniqueRandom::Nginx;
use UniqueRandom::Postgres;
use UniqueRandom::Util qw( read_file run tmp_dir wait_until write_file );

use constant SIZE => 10_000;

my $pg     = UniqueRandom::Postgres->new;
my $number = 0;

my %seen;                               # numbers of the pool at hand

# An nginx with a pool, a shard and a state folder of its own.  Where there may
# be no numbers, nobody waits for them long.
sub pool {
    my ($pool, %arg) = @_;

    if (!$arg{same_database}) {
        $pg->create_database($pool)->apply_schema($pool);
        $pg->psql($pool, "SELECT unique_random.add('$pool', 1, " . SIZE . ')');
        %seen = ();
    }

    my $folder = $arg{folder} // tmp_dir() . '/state-' . $number++;
    my $nginx  = UniqueRandom::Nginx->new(
        http => "unique_random_pool $pool { state $folder; lease min=10;"
            . ' connect_timeout 60s; reserve_timeout 60s; wait_timeout '
            . ($arg{wait} // '25s') . '; shard ' . $pg->url(db => $pool)
            . ' range=1-' . SIZE . ' fail_timeout=1s; ' . ($arg{more} // '') . ' }',
        server => "location = /random { unique_random $pool; }",
        %{ $arg{nginx} // {} },
    );

    return ($nginx, "$folder/$pool.state");
}

sub take {
    my ($nginx, $n) = @_;

    my $taken = 0;

    for (1 .. $n) {
        my $reply = $nginx->get('/random');
        $seen{$1}++, $taken++ if $reply->{content} =~ /"number":(\d+)/;
    }

    return $taken;
}

sub repeated { return scalar grep { $_ > 1 } values %seen }

sub remembered {
    my ($file) = @_;

    return (read_file($file) // '') =~ /^range 1-\d+ .* serial (\d+) /m
        ? $1 : 0;
}

sub serial {
    my ($pool) = @_;

    return $pg->psql($pool, 'SELECT serial FROM unique_random.ranges');
}

# Written while it runs, and at the end.
{
    my ($nginx, $file) = pool('numbers', wait => '500ms');

    like $nginx->error_log, qr/\[notice\].*"\Q$file\E" is not there yet/,
        'a first start says that nothing is remembered';

    take($nginx, 50);
    wait_until(sub { remembered($file) == serial('numbers') }, 30, 'a state');

    my $text = read_file($file);
    like $text, qr/\Aunique_random state 1\npool numbers\nrange 1-10000 epoch 1 incarnation [0-9a-f-]{36} serial \d+ reserved \d+ timeline 1 key [0-9a-f]{64}\nsha256 [0-9a-f]{64}\n\z/,
        'a person can read it';
    my $key = $pg->psql('numbers',
        "SELECT encode(key, 'hex') FROM unique_random.ranges");
    unlike $text, qr/$key/, '... and the key is not in it';
    is sprintf('%o', (stat $file)[2] & 07777), '600', '... nor for others';

    # A worker that does not leave in time is killed by its master, and has not
    # written anything then.
    for my $time (1 .. 9) {
        take($nginx, 200);
        $nginx->term;
        last if $nginx->error_log !~ /exited on signal 9/ || $time == 9;
        unlink $nginx->dir . '/error.log';
        $nginx->start;
    }
    is remembered($file), serial('numbers'), 'it is up to date at the end';

    # A database that was restored meanwhile.
    $pg->psql('numbers', 'UPDATE unique_random.ranges SET serial = serial - 2,'
        . ' reserved = reserved - 20, writer = pg_current_xact_id()');
    $nginx->start;

    is take($nginx, 3), 0, 'the memory outlives nginx: nothing is issued';
    like $nginx->error_log,
        qr/\[alert\].* is fenced: reserved is \d+, but \d+ were seen/,
        '... and an alert says why';

    my ($accept) = $nginx->error_log =~ /run (SELECT unique_random\.accept.*;)/;
    $pg->psql('numbers', $accept);
    wait_until(sub { take($nginx, 1) }, 30, 'a number after accept()');
    take($nginx, 50);
    is repeated(), 0, 'after accept() no number comes twice';
    wait_until(sub { read_file($file) =~ /epoch \d{10} / }, 30, 'the next epoch');
    pass '... and the new life of the range is remembered';
    is scalar($nginx->errors(qr/crit|emerg/)), 0, 'nothing else was wrong';
}

# A blank database is no reason for "bootstrap on" to make the range again.
{
    my ($nginx, $file) = pool('blank', wait => '500ms',
        more => 'bootstrap on;');

    take($nginx, 20);
    $nginx->stop;
    $pg->psql('blank', 'DROP SCHEMA unique_random CASCADE');
    $nginx->start;

    is take($nginx, 3), 0, 'a blank database gives nothing';
    is $pg->psql('blank', "SELECT to_regnamespace('unique_random') IS NULL"),
        't', '... and "bootstrap on" does not make it again';

    # By hand, with another key.
    $pg->apply_schema('blank');
    $pg->psql('blank',
        "SELECT unique_random.add('blank', 1, " . SIZE . ')');
    wait_until(sub { take($nginx, 1); $nginx->error_log =~ /the key has changed/ },
        30, 'the alert');
    is repeated(), 0, '... nor does one that was made by hand';
    is $pg->psql('blank', 'SELECT fenced FROM unique_random.ranges'), '',
        '... which for others may be the right one';
}

# Files that are not as they were left.
{
    my ($nginx, $file) = pool('damaged');

    take($nginx, 20);
    $nginx->stop;

    my $text = read_file($file);

    for (
        [ 'cut short' => substr $text, 0, -20 ],
        [ 'empty'     => '' ],
        [ 'changed'   => $text =~ s/serial /serial 9/r ],
        [ 'no text'   => join '', map { chr int rand 256 } 1 .. 1000 ],
        )
    {
        my ($what, $content) = @$_;

        write_file($file, $content);
        my $alerts = $nginx->errors(qr/alert/);
        $nginx->start;

        is $nginx->errors(qr/alert/), $alerts + 1, "$what: an alert";
        like +($nginx->errors(qr/alert/))[-1],
            qr/"\Q$file\E" is damaged: what it remembered of the ranges of unique_random_pool "damaged" is lost/,
            '... says so';
        is take($nginx, 5), 5, '... and nginx goes on';
        $nginx->stop;
        is remembered($file), serial('damaged'), '... and writes it again';
    }

    $text = read_file($file);
    unlink $file;
    $nginx->start;
    is take($nginx, 5), 5, 'a missing one does no harm';
    $nginx->stop;
    is remembered($file), serial('damaged'), '... and is there again';

    for (
        [ 'another pool\'s' => $text =~ s/^pool .*/pool other/mr,
            qr/\[emerg\].*"\Q$file\E" is the state of another pool than "damaged"/ ],
        [ 'a later version\'s' => $text =~ s/state 1/state 2/r,
            qr/\[emerg\].*"\Q$file\E" was written by a later version/ ],
        )
    {
        my ($what, $content, $message) = @$_;

        write_file($file, $content);
        my ($code, $out) = $nginx->test_config;
        is $code, 0, "$what: nginx -t does not look at it";
        ok !eval { $nginx->start; 1 }, '... but nginx does not start';
        like $nginx->error_log, $message, '... and says why';
        is read_file($file), $content, '... and leaves it as it is';
    }
}

# nginx -t leaves it alone while nginx runs.
{
    my ($nginx, $file) = pool('tested');

    take($nginx, 20);
    wait_until(sub { remembered($file) == serial('tested') }, 30, 'a state');

    my ($code, @before, @after);

    # Leases may still come that are asked for ahead of need.
    wait_until(sub {
        my $serial = serial('tested');

        return if remembered($file) != $serial;
        @before = (stat $file)[ 1, 7, 9 ];
        ($code) = $nginx->test_config;
        @after  = (stat $file)[ 1, 7, 9 ];
        return serial('tested') == $serial;
    }, 30, 'nothing is asked for');
    is $code, 0, 'nginx -t';
    is_deeply \@after, \@before, '... writes nothing';
}

# Two nginx on one folder, and ranges that come and go.
{
    my $folder = tmp_dir() . '/shared';
    my ($one, $file) = pool('shared', folder => $folder);
    my ($two) = pool('shared', folder => $folder, same_database => 1);

    take($one, 100);
    take($two, 30);
    take($one, 1);
    $two->stop;
    $one->stop;
    is remembered($file), serial('shared'), 'of two the higher serial is kept';

    $_->start for $one, $two;
    take($_, 30) for $two, $one, $two;
    $one->upgrade;
    take($one, 30);
    $_->stop for $one, $two;
    is remembered($file), serial('shared'), '... also over a binary upgrade';
    is scalar(map { $_->errors(qr/emerg|alert|crit/) } $one, $two), 0,
        '... without an alert';

    my $text = read_file($file);
    $one->configure(http => 'unique_random_pool shared { state ' . $folder
            . '; lease min=10; shard ' . $pg->url(db => 'shared')
            . ' range=20001-30000; }');
    $pg->psql('shared', "SELECT unique_random.add('shared', 20001, 30000)");
    $one->start;
    take($one, 10);
    $one->stop;
    my ($line) = $text =~ /^(range 1-.*\n)/m;
    like read_file($file), qr/^\Q$line\Erange 20001-30000 /m,
        'a range that is not configured any more stays remembered';
}

# A folder that is full, or not to be written to.
{
    my $folder = tmp_dir() . '/full';
    mkdir $folder or die "$folder: $!\n";

    my ($code) = run(command => [
        'mount', '-t', 'tmpfs', '-o', 'size=16k', 'tmpfs', $folder ]);

    SKIP: {
        skip 'nothing can be mounted here', 5 if $code;

        my ($nginx, $file) = pool('full', folder => $folder);

        take($nginx, 20);
        wait_until(sub { remembered($file) == serial('full') }, 30, 'a state');

        open my $fill, '>', "$folder/fill" or die "$!\n";
        $fill->autoflush(1);
        print {$fill} 'x' x 4096 or last for 1 .. 10;
        close $fill;

        is take($nginx, 100), 100, 'a full disk stops no number';
        $nginx->wait_for_log(qr/\[crit\].*write.*state\.new" failed, what is remembered of the ranges of unique_random_pool "full" is not kept \(28: No space/, 30);
        pass '... and is told of';

        take($nginx, 100);
        sleep 3;
        is scalar($nginx->errors(qr/crit/)), 1, '... once';
        cmp_ok remembered($file), '>', 0, '... the old state is still there';

        unlink "$folder/fill";
        $nginx->wait_for_log(qr/\[notice\].*"\Q$file\E" is written again/, 30);
        ok eval {
            wait_until(sub { remembered($file) == serial('full') }, 30);
        }, '... and up to date when it can';
        $nginx->stop;
    }

    run(command => [ 'umount', $folder ]) if !$code;
}

# A folder that somebody else owns now.
{
    my $folder = tmp_dir() . '/theirs';
    my ($nginx, $file) = pool('theirs', folder => $folder);

    take($nginx, 20);
    wait_until(sub { remembered($file) == serial('theirs') }, 30, 'a state');

    my ($mode, $uid, $gid) = (stat $folder)[ 2, 4, 5 ];
    chmod 0500, $folder;
    chown 0, 0, $folder if $> == 0;

    is take($nginx, 100), 100, 'a folder that cannot be written to stops none';
    $nginx->wait_for_log(qr/\[crit\].*open\(\) "\Q$file\E\.?\w*" failed, what is remembered .* is not kept \(13: Permission denied\)/, 30);
    pass '... and is told of';

    chown $uid, $gid, $folder if $> == 0;
    chmod $mode & 07777, $folder;
    $nginx->wait_for_log(qr/\[notice\].*"\Q$file\E" is written again/, 30);
    pass '... until it can';
}

done_testing;
