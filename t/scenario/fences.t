# A database that has gone back in time, or that was changed behind the back of
# the module, gives nothing until an operator has said how far it had got; the
# other shards go on, and nobody is given a number twice.

use strict;
use warnings;

use lib 't/lib';

use Test::More;

use UniqueRandom::Nginx;
use UniqueRandom::Postgres;
use UniqueRandom::Util qw( wait_until );

use constant SIZE => 1000;

my $pg = UniqueRandom::Postgres->new;
$pg->create_database($_)->apply_schema($_) for qw( a b c );

# Asks until the pool has nothing to give for the moment, or $most times.
sub take {
    my ($nginx, $path, $seen, $most) = @_;

    my $taken = 0;

    for (1 .. $most) {
        my $reply = $nginx->get($path);
        last if $reply->{status} != 200;
        my ($number) = $reply->{content} =~ /(\d+)/;
        $seen->{$number}++;
        $taken++;
    }

    return $taken;
}

sub repeated {
    my ($seen) = @_;

    return scalar grep { $_ > 1 } values %$seen;
}

sub add {
    my ($db, $pool, $first) = @_;

    $pg->psql($db, "SELECT unique_random.add('$pool', $first, "
        . ($first + SIZE - 1) . ')');
    return;
}

sub shard {
    my ($db, $first) = @_;

    return 'shard ' . $pg->url(db => $db)
        . " range=$first-@{[ $first + SIZE - 1 ]} fail_timeout=1s;";
}

# A number that takes long is none that is refused, nor burned.
my $settings = 'connect_timeout 20s; reserve_timeout 20s; wait_timeout 5s;'
    . ' lease min=10 max=10;';

# A hand that lowers the counter.
{
    add('a', 'hand', 1);
    add('b', 'hand', SIZE + 1);

    my $nginx = UniqueRandom::Nginx->new(
        http => "unique_random_pool hand { $settings "
            . shard('a', 1) . shard('b', SIZE + 1) . ' }',
        server => 'location = /random { unique_random hand; }',
    );

    my %seen;
    take($nginx, '/random', \%seen, 200);

    $pg->psql('a', 'UPDATE unique_random.ranges SET reserved = 0');

    take($nginx, '/random', \%seen, 300);

    my $alert = qr/range 1-1000 .* is fenced: the row was not written by a/;
    $nginx->wait_for_log($alert, 30);
    is scalar(grep {/$alert/} $nginx->errors(qr/alert/)), 1,
        'a manual UPDATE is noticed, and told once';

    my ($known) = $nginx->error_log
        =~ /(\d+) of its positions are known to be reserved/;
    ok $known >= 10, "... with what is known to be reserved: $known";
    like $nginx->error_log,
        qr/run SELECT unique_random\.accept\('hand', 1, at_least => $known,/,
        '... and with what to run';

    my $before = grep { $_ <= SIZE } keys %seen;
    is take($nginx, '/random', \%seen, 100), 100, 'the other shard goes on';
    is scalar(grep { $_ <= SIZE } keys %seen), $before,
        '... alone: what is leased of the fenced one is frozen';

    # Too little: this nginx remembers more.
    $pg->psql('a', "SELECT unique_random.accept('hand', 1, advance => 1)");

    wait_until(
        sub {
            take($nginx, '/random', \%seen, 10);
            return $nginx->error_log
                =~ /is fenced: reserved is 1, but $known were seen/;
        },
        30, 'the second alert',
    );
    pass 'accepted with too little, it stays fenced and says by how much';

    $pg->psql('a',
        "SELECT unique_random.accept('hand', 1, at_least => $known)");

    wait_until(
        sub {
            take($nginx, '/random', \%seen, 10);
            return $before < grep { $_ <= SIZE } keys %seen;
        },
        30, 'numbers of the accepted range',
    );
    pass 'accepted, it is drawn from again, without a reload';

    wait_until(
        sub {
            take($nginx, '/random', \%seen, 3000);
            return $nginx->get('/random')->{status} == 409;
        },
        30, 'the end of both ranges',
    );

    is repeated(\%seen), 0, 'no number was given twice';
    note scalar(keys %seen) . ' of ' . 2 * SIZE . ' numbers';
    ok keys %seen > 2 * SIZE - 100, '... and few are burned';
}

# A copy from an earlier life: what accept() would need is said, but not its name.
{
    add('a', 'left', 1);
    $pg->psql('a', "SELECT unique_random.accept('left', 1, advance => 0)");

    my $nginx = UniqueRandom::Nginx->new(
        http   => "unique_random_pool left { $settings " . shard('a', 1) . ' }',
        server => 'location = /random { unique_random left; }',
    );

    my %seen;
    is take($nginx, '/random', \%seen, 50), 50, 'before the copy';

    $pg->psql('a', 'UPDATE unique_random.ranges SET epoch = epoch - 1,'
        . " writer = pg_current_xact_id() WHERE pool = 'left'");

    take($nginx, '/random', \%seen, SIZE);
    $nginx->wait_for_log(qr/is a stale copy/, 30);

    my ($known) = $nginx->error_log
        =~ /\[alert\] .* is a stale copy: a later life of the range has been seen.*; (\d+) of its positions are known to be reserved/;
    is $known, $pg->psql('a', 'SELECT reserved FROM unique_random.ranges'
        . " WHERE pool = 'left'"),
        'a copy that was left behind: the alert says what is known';
    unlike $nginx->error_log, qr/unique_random\.accept/,
        '... without a word of accept()';
    is repeated(\%seen), 0, '... no number was given twice';
}

# A blank database in the place of the one that was there.
{
    my $nginx = UniqueRandom::Nginx->new(
        http => "unique_random_pool blank { $settings bootstrap on; "
            . shard('c', 1) . ' }',
        server => 'location = /random { unique_random blank; }',
    );

    my %seen;
    wait_until(sub { take($nginx, '/random', \%seen, 1) }, 30, 'a number');
    take($nginx, '/random', \%seen, 20);

    $pg->psql('c', 'DROP SCHEMA unique_random CASCADE');

    my $rest = take($nginx, '/random', \%seen, SIZE);
    note "$rest more of the leases";
    $nginx->wait_for_log(qr/is fenced/, 30);
    cmp_ok $rest, '<=', 20, 'a schema that is dropped gives nothing';
    is $pg->psql('c', "SELECT to_regnamespace('unique_random') IS NULL"), 't',
        '... and "bootstrap on" does not make it again';
    like $nginx->error_log, qr/\[alert\].* is fenced: the range is not what/,
        '... an alert tells';
    like $nginx->error_log,
        qr/run SELECT unique_random\.add\('blank', 1, 1000, key => \.\.\., reserved => \d+\);/,
        '... how to have it again, with its key';

    $pg->apply_schema('c');
    add('c', 'blank', 1);

    wait_until(
        sub {
            take($nginx, '/random', \%seen, 1);
            return $nginx->error_log =~ /is fenced: the key has changed/;
        },
        30, 'the alert',
    );
    pass 'a range that is made anew has another key, and is refused';
    is repeated(\%seen), 0, 'no number was given twice';
}

# A range that moves to another database.
{
    add('a', 'moving', 1);

    my $conf = sub {
        my ($db) = @_;
        return "unique_random_pool moving { $settings " . shard($db, 1) . ' }';
    };

    my $nginx = UniqueRandom::Nginx->new(
        http   => $conf->('a'),
        server => 'location = /random { unique_random moving; }',
    );

    my %seen;
    is take($nginx, '/random', \%seen, 50), 50, 'before the move';

    my $sql = $pg->psql('a', "SELECT unique_random.close('moving', 1)");
    take($nginx, '/random', \%seen, SIZE);

    ok $nginx->wait_for_log(qr/\[error\].*is closed: moved away: configure it/,
        30), 'a closed range is told of';
    unlike $nginx->error_log, qr/unique_random\.accept/,
        '... without a word of accept()';

    my (undef, undef, $refused) = $pg->try_psql('a',
        "SELECT unique_random.accept('moving', 1, advance => 0)");
    like $refused, qr/is closed: it goes on elsewhere/, '... which refuses it';

    $pg->psql('b', $sql);
    $nginx->configure(http => $conf->('b'));
    $nginx->reload;

    wait_until(
        sub {
            take($nginx, '/random', \%seen, SIZE);
            return $nginx->get('/random')->{status} == 409;
        },
        30, 'the end of the range',
    );

    is repeated(\%seen), 0, 'after the move no number is given twice';
    note scalar(keys %seen) . ' of ' . SIZE . ' numbers';
    ok keys %seen > SIZE - 50, '... and few are burned';
    is_deeply [ $nginx->errors(qr/emerg|alert|crit/) ], [], 'no alert';
}

done_testing;
