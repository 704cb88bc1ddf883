# unique_random.reserve() as a person calls it with psql: many ranges at once,
# who waits for whom, what is durable, and who is believed.

use strict;
use warnings;

use Test::More;

use UniqueRandom::Caller   ();
use UniqueRandom::Postgres ();
use UniqueRandom::Session  ();

my $pg = UniqueRandom::Postgres->new;
$pg->create_database('numbers')->apply_schema('numbers');

my $session = UniqueRandom::Session->new(pg => $pg, db => 'numbers');

sub caller_of {
    my ($pool, %arg) = @_;

    return UniqueRandom::Caller->new(session => $session, pool => $pool, %arg);
}

sub add {
    my ($pool, @firsts) = @_;

    $session->run("SELECT unique_random.add('$pool', $_, @{[ $_ + 99 ]})")
        for @firsts;
    return;
}

sub fenced {
    my ($pool) = @_;

    return $session->run('SELECT fenced FROM unique_random.ranges'
        . " WHERE pool = '$pool'");
}

# Many ranges.
{
    add('many', 1, 101, 201);
    my $caller = caller_of('many');
    my @rows   = $caller->ask_all(
        [ [ 201, 300, 10, 1 ], [ 1, 100, 0 ], [ 301, 400, 5 ], [ 101, 200, 200 ],
            [ 1, 99, 3 ] ],
    );

    is_deeply [ map { $_->{first} } @rows ], [ 201, 1, 301, 101, 1 ],
        'one row for each range, in order';
    is_deeply [ map { $_->{pool} } @rows ], [ ('many') x 5 ],
        '... each with the pool';
    is_deeply [ map { $_->{refusal} } @rows ],
        [ undef, undef, 'missing', undef, 'mismatch' ],
        '... and a refusal of its own';
    is_deeply [ map { [ @$_{qw( starts stops )} ] } @rows ],
        [ [ [0], [10] ], [ [], [] ], [ [], [] ], [ [0], [100] ], [ [], [] ] ],
        '... and its grant';
    is_deeply [ map { defined $_->{key} ? 1 : 0 } @rows ], [ 1, 0, 0, 0, 0 ],
        '... and its key, if it was asked for';

    is_deeply [ map { $_->{refusal} } $caller->ask_all([
            [ 101, 200, 1 ], [ 101, 200, 0 ] ]) ],
        [ 'exhausted', 'exhausted' ],
        'a range is used up for who wants and for who looks';
}

# Who waits for whom.
{
    add('busy', 1, 101);

    my $other = UniqueRandom::Session->new(pg => $pg, db => 'numbers');
    my ($one, $two) = (caller_of('busy'), caller_of('busy'));

    $other->run('BEGIN; ' . $two->statement([ [ 1, 100, 10 ] ]));

    is_deeply [ map { $_->{refusal} } $one->ask_all([
            [ 1, 100, 10 ], [ 101, 200, 10 ] ]) ], [ 'busy', undef ],
        'who wants of several ranges waits for none of them';
    is_deeply [ map { $_->{refusal} } $one->ask_all([
            [ 1, 100, 0 ], [ 101, 200, 10 ] ]) ], [ undef, undef ],
        '... who looks, not at all';
    like $session->try($one->statement([ [ 1, 100, 10 ] ], lock_wait => 50)),
        qr/canceling statement due to lock timeout/,
        '... and who wants of one, as long as it says';

    # That a look finds it wrong is not worth to wait for either.
    $one->memory(1, serial => 100, epoch => 1,
        digest => $session->run("SELECT encode(sha256(key), 'hex')"
            . " FROM unique_random.ranges WHERE pool = 'busy' AND first = 1"));
    is $one->ask([ 1, 100, 0 ])->{refusal}, 'fenced', 'a look sees it is wrong';
    $other->run('COMMIT');
    is $session->run('SELECT fenced FROM unique_random.ranges'
        . " WHERE pool = 'busy' AND first = 1"), '',
        '... and does not wait to say so';
}

# What is granted is durable, whatever the database says of commits.
{
    add('durable', 1);
    $pg->psql('postgres', 'ALTER DATABASE numbers SET synchronous_commit = off');

    my $caller = UniqueRandom::Caller->new(pg => $pg, db => 'numbers',
        pool => 'durable');
    is $caller->ask([ 1, 100, 10 ])->{synchronous_commit}, 'on',
        'synchronous_commit is on for a grant, until its transaction ends';

    $pg->psql('postgres',
        'ALTER DATABASE numbers SET synchronous_commit = remote_apply');
    is $caller->ask([ 1, 100, 10 ])->{synchronous_commit}, 'remote_apply',
        '... and never lowered';

    my $before = $session->run('SHOW client_min_messages');
    is $session->run('BEGIN; ' . $caller->statement([ [ 1, 100, 1 ] ],
            lock_wait => 77)
            . "; SELECT current_setting('client_min_messages')"
            . " || current_setting('lock_timeout'); COMMIT") =~ /\nwarning77ms\z/,
        1, 'warnings are let through and waits are bounded as long';
    is $session->run('SHOW client_min_messages'), $before, '... and no longer';
    $pg->psql('postgres', 'ALTER DATABASE numbers RESET synchronous_commit');
}

# Who is believed: who knows the range by its key, and what it says is signed.
{
    add('word', 1);
    my $range  = [ 1, 100, 1 ];
    my $caller = caller_of('word');
    my $says   = ', says nginx ' . substr($caller->holder, 0, 8)
        . ' \(role postgres\)';

    $caller->ask($range);
    my %true = %{ $caller->memory(1) };

    for (
        [ serial        => 100, qr/^serial is 1, but 100 was seen/ ],
        [ reserved      => 90,
            qr/^reserved is 1, but 90 were seen to be reserved/ ],
        [ timeline      => 7, qr/^timeline is 1, but 7 was seen/ ],
        [ holder_serial => 50, qr/^the grant with serial 50 is forgotten/ ],
        )
    {
        my ($name, $value, $detail) = @$_;

        for my $digest (undef, '0' x 64) {
            $caller->memory(1, %true, $name => $value, digest => $digest);
            is $caller->ask($range)->{refusal}, 'fenced',
                "$name of a caller without the key: refused";
            is fenced('word'), '', '... and believed by nobody else';
        }

        $caller->memory(1, %true, $name => $value);
        my $reply = $caller->ask([ 1, 100, 0 ]);
        like $reply->{detail}, qr/$detail$says$/, "$name: who said so is said";
        is fenced('word'), $reply->{detail}, '... to all';

        $session->run("SELECT unique_random.accept('word', 1, at_least => 1)");
        $session->run('UPDATE unique_random.ranges SET serial = 1, epoch = 1,'
            . " incarnation = '$true{incarnation}', writer ="
            . " pg_current_xact_id() WHERE pool = 'word'");
        $session->run('INSERT INTO unique_random.holders VALUES'
            . " ('@{[ $caller->holder ]}', 'word', 1, 1)");
    }

    $caller->memory(1, %true, digest => '0' x 64);
    is $caller->ask($range)->{detail}, 'the key has changed',
        'another key is another range';

    # Later lives.
    for (
        [ 5, $true{incarnation}, 'epoch 5, this copy has epoch 1' ],
        [ 1, '00000000-0000-4000-8000-000000000000',
            'epoch 1, this copy has epoch 1 of another incarnation' ],
        )
    {
        my ($epoch, $incarnation, $detail) = @$_;
        my $later = "a later life of the range has been seen: $detail";

        $caller->memory(1, %true, epoch => $epoch, incarnation => $incarnation,
            digest => undef);
        is $caller->ask($range)->{refusal}, 'stale', "$detail: stale";
        is fenced('word'), '', '... which needs the key, too';

        $caller->memory(1, digest => $true{digest});
        is $caller->ask($range)->{detail}, $later, '... both epochs are said';
        like fenced('word'), qr/^\Q$later\E$says$/, '... to all, and by whom';
        $session->run('UPDATE unique_random.ranges SET fenced = NULL,'
            . " writer = pg_current_xact_id() WHERE pool = 'word'");
    }

    # What the row says against itself needs no word of anybody.
    $session->run("UPDATE unique_random.ranges SET reserved = 0");
    is caller_of('word')->ask([ 1, 100, 0 ])->{detail},
        'the row was not written by a reservation', 'the row itself';
    is fenced('word'), 'the row was not written by a reservation',
        '... is believed';

    # Over TCP, with the address.
    add('tcp', 1);
    my $remote = UniqueRandom::Caller->new(pg => $pg, db => 'numbers',
        pool => 'tcp');
    $remote->ask($range);
    $remote->memory(1, serial => 9);
    like $pg->psql('numbers', $remote->statement([ [ 1, 100, 0 ] ]),
        host => '127.0.0.1'), qr/\(role postgres, 127\.0\.0\.1\)/,
        'and where it was said from';
}

# A clock in the future.
{
    add('clock', 1);
    my $future = 4_000_000_000;
    my $now    = $session->run('SELECT extract(epoch FROM now())::bigint');
    my $accept = 'SELECT epoch FROM unique_random.accept(';

    cmp_ok $session->run("${accept}'clock', 1, advance => 0)"), '<=', $now + 60,
        'a life begins by the clock';
    is $session->run("${accept}'clock', 1, advance => 0, after => $future)"),
        $future + 1, '... or after one of a clock in the future';
    is $session->run("${accept}'clock', 1, advance => 0)"), $future + 2,
        '... which no later one falls back behind';
    is $session->run("${accept}'clock', 1, advance => 0, after => 5)"),
        $future + 3, '... whatever it is to be after';

    my $go_on = $session->run("SELECT unique_random.close('clock', 1)");
    like $go_on, qr/, after => @{[ $future + 3 ]}\);$/, 'close() hands it on';
    $session->run("DELETE FROM unique_random.ranges WHERE pool = 'clock';"
        . $go_on);
    is $session->run('SELECT epoch FROM unique_random.ranges'
        . " WHERE pool = 'clock'"), $future + 4, '... and add() takes it over';

    $session->run("SELECT unique_random.add('no_clock', 1, 9, after => 7)");
    is $session->run('SELECT epoch FROM unique_random.ranges'
        . " WHERE pool = 'no_clock'"), 8, '... of a range without a key, too';
}

done_testing;
