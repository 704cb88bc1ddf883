# Of two nginx one remembers a range and the other one nothing, when the range's
# database is blank or put back to an earlier moment: the range stops for who
# remembers, and when an operator has mended it, nobody is given a number twice.
# What a single nginx makes of it is in restore.t.

use strict;
use warnings;

use Test::More;

use UniqueRandom::Faults   ();
use UniqueRandom::Nginx    ();
use UniqueRandom::Postgres ();
use UniqueRandom::Util     qw( wait_until );

use constant SIZE => 3000;

my $other = UniqueRandom::Postgres->new(name => 'other');

# A machine that stands still for a while is no failure of a shard, and does not
# use it up.
my @patient = (timeout => '30s', more => 'wait_timeout 60s;', rate => 100);

# I6, I8: another nginx, which remembers nothing, makes the range again in a
# blank database.  What it issues, nobody can know to have been issued before:
# who remembers another key takes no part in it, but may itself be the one that
# is at the wrong database.
{
    my $pg   = UniqueRandom::Postgres->new;
    my $pool = UniqueRandom::Faults->new(
        name     => 'anew',
        size     => SIZE,
        clusters => [ $pg, $other ],
    );
    my $nginx = $pool->nginx(@patient);

    $pool->wait_for(0, $nginx);
    $pool->take($nginx, 100);

    my ($key, $known) = map { $pool->row(0, $_) }
        "encode(key, 'hex')", 'reserved';

    $pg->psql('numbers', 'DROP SCHEMA unique_random CASCADE');

    my $stranger = UniqueRandom::Nginx->new(
        http => 'unique_random_pool anew { bootstrap on; lease max=20;'
            . ' reserve_timeout 30s;'
            . ' shard ' . $pool->url(0) . ' range=1-' . SIZE
            . ' fail_timeout=200ms; }',
    );
    wait_until(sub { $stranger->get('/random')->{status} == 200 }, 30,
        'a number of the new range');

    $pool->start($nginx);
    $nginx->wait_for_log(qr/\[alert\].*is fenced: the key has changed;/, 30);
    my $during = $pool->finish;
    is $during->status(200), $during->attempts,
        'a range that was made again: no request failed';

    is $stranger->get('/random')->{status}, 200,
        '... and who made it is not stopped by who knows another key';

    # With the old key, and without those who know another one.
    $stranger->stop;
    $pool->sql(0, 'DELETE FROM unique_random.ranges;' . $pool->add_sql(0,
        "key => decode('$key', 'hex')", "reserved => $known"));
    $pool->wait_for(0, $nginx);
    $pool->end('a range that was made again', $nginx);
}

# I8, the attack for which there are holders: of two nginx one remembers
# nothing, and by what it reserves after a restore serial and reserved come to
# be above what the other one has seen.  What it issues until then, nobody can
# know to have been issued before; but then the range stops for both, and no
# number that comes after accept() was ever given.
{
    my $pg   = UniqueRandom::Postgres->new;
    my $pool = UniqueRandom::Faults->new(
        name     => 'two',
        size     => 5000,
        clusters => [ $pg, $other ],
    );
    my @lease = (lease => 'min=100 max=100', @patient);
    my $one   = $pool->nginx(@lease);
    my $until = sub {
        my ($nginx, $serial) = @_;

        wait_until(
            sub {
                $pool->take($nginx, 50);
                return $pool->row(0, 'serial') >= $serial;
            },
            30, "serial $serial",
        );
    };

    $until->($one, 5);
    my $copy = $pg->stop->save_data;
    $pg->start;
    $until->($one, 10);
    my ($serial, $reserved) = map { $pool->row(0, $_) } qw( serial reserved );

    $pg->stop->restore_data($copy)->start;
    my $two = $pool->nginx(@lease);
    $until->($two, $serial + 3);
    wait_until(
        sub {
            $pool->take($two, 16);
            return $pool->row(0, 'reserved') > $reserved + 100;
        },
        30, 'more than was reserved before',
    );

    $pool->start($one, $two);
    $_->wait_for_log(
        qr/\[alert\].*is fenced: the grant with serial \d+ is forgotten;/, 30)
        for $one, $two;
    pass 'two nginx, one remembers: the range is fenced for both';

    my $during = $pool->finish;
    is $during->status(200), $during->attempts, '... no request failed';
    is $pool->of(0, $pool->take($_, 100)), 0, '... and nothing comes of it'
        for $one, $two;

    my $before = $pool->result;
    note scalar($before->duplicates), ' repeated that nobody could know of';

    my ($at_least) = sort { $b <=> $a }
        map { $_->error_log =~ /at_least => (\d+)/ } $one, $two;
    $pool->sql(0,
        "SELECT unique_random.accept('two', 1, at_least => $at_least)");
    $pool->wait_for(0, $_) for $one, $two;
    $pool->drain($one, $two);

    my %given = map { $_ => 1 } $before->numbers;
    my @after = $pool->result->numbers;
    splice @after, 0, scalar $before->numbers;

    is scalar(grep { $given{$_}++ } @after), 0,
        '... after accept() no number comes that was given before';
    cmp_ok scalar(@after), '>', 5000, '... and many come';
}

done_testing;
