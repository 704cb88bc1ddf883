# failover=trust and a recovery to a point in time: the rows of the backup say
# that a standby was waited for, which tells nothing of what the recovery left
# out.  So it is no promotion, with synchronous_standby_names or without.

use strict;
use warnings;

use Test::More;

use UniqueRandom::Caller   ();
use UniqueRandom::Postgres ();

use constant WHY =>
    'timeline is 2 instead of 1, by a recovery to a point in time';

my @range = (1, 1000);

my $pg = UniqueRandom::Postgres->new(archive => 1);
$pg->create_database('numbers')->apply_schema('numbers');
my $backup = $pg->base_backup;

# A standby that has the WAL is enough for a commit.
$pg->receive_wal('standby');
$pg->set_conf(synchronous_standby_names => 'standby');

my %of;

for my $name (qw( set empty )) {
    $pg->psql('numbers', "SELECT unique_random.add('$name', 1, 1000,"
        . " failover => 'trust')");
    $of{$name} = caller_of($name);
    $of{$name}->ask([ @range, 10 ]);
}

$pg->psql('postgres', q{SELECT pg_create_restore_point('here')});
is_deeply $of{$_}->ask([ @range, 10 ])->{starts}, [10],
    "$_: some are granted after that" for sort keys %of;
$pg->psql('postgres', 'SELECT pg_switch_wal(), pg_sleep(1)');
$pg->stop;

$pg->recover($backup, recovery_target_name => 'here');
is $pg->psql('numbers', 'SELECT DISTINCT synchronous, reserved FROM'
    . ' unique_random.ranges'), 't|10',
    'it is recovered to where a standby was waited for';

# What is committed would wait for a standby.
my $reply = $pg->psql('numbers', 'BEGIN; '
    . caller_of('set')->statement([ [ @range, 10 ] ])
    . "; SELECT fenced FROM unique_random.ranges WHERE pool = 'set'; ROLLBACK");
like $reply, qr/^@{[ WHY ]}$/m, 'that is no promotion: the range is fenced';
like $reply, qr/"starts":\[\]/, '... nothing is granted';

$pg->set_conf(synchronous_standby_names => undef);
$reply = caller_of('empty')->ask([ @range, 10 ]);
is_deeply [ @$reply{qw( refusal detail )} ], [ 'fenced', WHY ],
    '... for good, where no standby is waited for';

$pg->restart;
is caller_of('empty')->ask([ @range, 0 ])->{detail}, WHY,
    '... also without the settings of the recovery';

$pg->psql('numbers',
    "SELECT unique_random.accept('empty', 1, at_least => 20, advance => 0)");
is_deeply caller_of('empty')->ask([ @range, 10 ])->{starts}, [20],
    'accept() has it go on';
$pg->stop;

done_testing;

sub caller_of {
    my ($name) = @_;

    return UniqueRandom::Caller->new(pg => $pg, db => 'numbers',
        pool => $name);
}
