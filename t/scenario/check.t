# unique_random.check(), and sql/check.sql, which says the same of a server that
# has no schema yet: to whom, of what kind of server, and what is missing.

use strict;
use warnings;

use Test::More;

use UniqueRandom::Postgres ();
use UniqueRandom::Util     qw( read_file );

my $pg = UniqueRandom::Postgres->new(name => 'primary');

$pg->psql('postgres', 'CREATE ROLE landlord LOGIN CREATEROLE;'
    . ' CREATE ROLE guest LOGIN');
$pg->create_database('numbers', owner => 'landlord');

# As one paste.
my $paste = read_file('sql/check.sql');

sub rows {
    my ($server, $sql, %arg) = @_;

    my $out = $server->psql('numbers', $sql, %arg);
    return map {
        my ($capability, $ok, $value, $meaning) = split /\|/, $_, 4;
        $capability => { ok => $ok, value => $value, meaning => $meaning };
    } grep {/\|/} split /\n/, $out;
}

sub before { return rows($_[0] // $pg, $paste, user => $_[1] // 'landlord') }

sub after {
    return rows($_[0] // $pg, 'SELECT * FROM unique_random.check()',
        user => $_[1] // 'landlord');
}

# What is not to be had.
sub bad {
    my (%rows) = @_;

    return join ', ', map {"$_ $rows{$_}{ok}"}
        grep { $rows{$_}{ok} ne 't' } sort keys %rows;
}

my $tables = 'SELECT count(*) FROM pg_class, pg_proc, pg_namespace';
my $count  = $pg->psql('numbers', $tables);
my %new    = before();

is bad(%new), 'synchronous replication ', 'a server that was just made will do';
is scalar(keys %new), 15, '... which is said row by row';
like $new{'synchronous replication'}{meaning},
    qr/trust a failover fences a range or, .* last grant, has it wait for/,
    '... what trust means without a standby';
is $new{superuser}{value}, 'role landlord is none', '... to no superuser';
is $new{timeline}{value}, 1, '... with its timeline';
is $new{'system identifier'}{value}, $pg->psql('postgres',
    'SELECT system_identifier FROM pg_control_system()'),
    '... and system identifier';
is $pg->psql('numbers', $tables), $count, '... and defines nothing';

my %guest = before($pg, 'guest');
is bad(%guest), 'role unique_random f, schema unique_random f,'
    . ' synchronous replication ', 'who may not make it is told so';

$pg->psql('numbers', read_file('sql/schema.sql'), user => 'landlord');

# Both say the same, in the same words.
sub same {
    my ($what, $server, $user) = @_;

    my %before = before($server, $user);
    my %after  = after($server, $user);

    is_deeply \%after, \%before, "$what: check() says the same";
    return %after;
}

my %there = same('with the schema');
is bad(%there), 'synchronous replication ', '... it will do';
is $there{'schema unique_random'}{value}, 'is there', '... the schema is there';
same('to a superuser', $pg, 'postgres');

my ($code, undef, $err)
    = $pg->try_psql('numbers', 'SELECT unique_random.check()', user => 'guest');
isnt $code, 0, 'others may not call it';

# The same text, not only the same words.
my ($in_schema) = read_file('sql/schema.sql')
    =~ /FUNCTION unique_random\.check\(\).*?AS \$\$\n(.*?END LOOP;)/s;
my ($alone) = $paste =~ /DO \$\$\n(.*?END LOOP;)/s;
is $alone, $in_schema, 'sql/check.sql has the text of check()';

# A standby.
my $standby = $pg->standby(name => 'standby');
$pg->set_conf(synchronous_standby_names => 'standby');
is bad(same('with a synchronous standby')), '', '... everything is there';
$pg->wait_for_standby($standby);
is bad(same('a standby', $standby)), 'primary f, synchronous replication ,'
    . ' timeline ', '... which is none of a primary';
$standby->stop;
$pg->set_conf(synchronous_standby_names => undef);

# What may be wrong.
$pg->set_conf(fsync => 'off', full_page_writes => 'off',
    default_transaction_isolation => 'serializable');
is bad(same('settings')), 'fsync f, full_page_writes , synchronous replication ,'
    . ' transaction isolation ', '... are told of';
$pg->set_conf(fsync => undef, full_page_writes => undef,
    default_transaction_isolation => undef, default_transaction_read_only => 'on');
is bad(same('read-only')), 'primary f, synchronous replication ', '... is told of';
$pg->set_conf(default_transaction_read_only => undef);

# As on a service that keeps functions to itself.
$pg->psql('numbers', "REVOKE EXECUTE ON FUNCTION $_ FROM PUBLIC")
    for 'pg_control_system()', 'pg_walfile_name(pg_lsn)';
my %kept = same('functions that are kept');
is bad(%kept), 'functions f, synchronous replication , system identifier f,'
    . ' timeline f', '... are told of';
is $kept{functions}{value}, 'pg_control_system(), pg_walfile_name(pg_lsn)',
    '... by name';
like $kept{timeline}{value}, qr/^permission denied for function/,
    '... with the error';

done_testing;
