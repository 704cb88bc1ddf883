# What a database says goes to the error log, and whoever reads that, a person
# at a terminal or a program, must be able to trust it: no text of a database
# begins a line, or has anything in it but characters.

use strict;
use warnings;

use Test::More;

use UniqueRandom::Nginx    ();
use UniqueRandom::Postgres ();

use constant SIZE => 1000;

my $pg     = UniqueRandom::Postgres->new;
my $forged = '2026/01/01 00:00:00 [emerg] 1#1: forged';

# In the syntax of E''.
my $text = "\\n$forged\\r$forged \\t\\x1b[31m\\x7f end";

my $trigger = <<"EOT";
CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql
    AS \$\$ BEGIN RAISE %s USING MESSAGE = E'%s'; RETURN NEW; END \$\$;
CREATE TRIGGER tell AFTER UPDATE ON unique_random.ranges
    FOR EACH ROW EXECUTE FUNCTION tell();
EOT

for my $way (
    [ warning => sprintf $trigger, 'WARNING',   "a warning$text" ],
    [ error   => sprintf $trigger, 'EXCEPTION', "an error$text" ],
    [ fence => "UPDATE unique_random.ranges SET fenced = E'a fence$text'" ],
    )
{
    my ($what, $sql) = @$way;

    $pg->create_database($what)->apply_schema($what);
    $pg->psql($what, "SELECT unique_random.add('numbers', 1, @{[ SIZE ]})");
    $pg->psql($what, $sql);

    my $nginx = UniqueRandom::Nginx->new(
        http => 'unique_random_pool numbers { connect_timeout 20s;'
            . ' reserve_timeout 20s; wait_timeout 1s; shard '
            . $pg->url(db => $what) . ' range=1-' . SIZE . '; }',
    );

    $nginx->get('/random');
    $nginx->wait_for_log(qr/\ban? $what.*\bend\b/s);

    my $log = $nginx->error_log;

    like $log, qr/\ban? $what.*forged.*forged.* end/,
        "a $what of a database is in the log, on one line";
    unlike $log, qr/^\Q$forged/m, '... and is not taken for a line of nginx';
    unlike $log, qr/[^\n -~]/, '... nor can it do anything to a terminal';
}

done_testing;
