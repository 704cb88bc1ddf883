# What nginx remembers and the file that it cannot read, or cannot write, or
# that says something else: in doubt a range is neither made again nor
# forgotten.

use strict;
use warnings;

use Digest::SHA qw( sha256_hex );
use Test::More;
use Time::HiRes qw( sleep );

use UniqueRandom::Load     ();
use UniqueRandom::Memory   ();
use UniqueRandom::Postgres ();
use UniqueRandom::Util     qw( read_file wait_until write_file );

use constant SIZE => 10_000;

my $other = UniqueRandom::Postgres->new(name => 'other');
my $pg    = UniqueRandom::Postgres->new(name => 'mine');
my $range = '1-' . SIZE;

sub pool {
    my ($name, %arg) = @_;

    my $pool = UniqueRandom::Memory->new(
        name     => $name,
        size     => SIZE,
        clusters => [ $arg{pg} // $pg, $other ],
        %arg,
    );
    my $nginx = $pool->nginx(%{ $arg{conf} // {} });
    $pool->wait_for($_, $nginx) for 0, 1;

    return ($pool, $nginx);
}

sub explain_log {
    my ($pool, $nginx) = @_;

    diag $pool->name, ", the log:\n",
        $nginx->errors(qr/emerg|alert|crit|error|warn/)
        if !Test::More->builder->is_passing;
    return;
}

# Whether "bootstrap on" has to refuse nobody can tell when the file is of no
# use; so it does.
for my $case (
    [ damaged    => sub { write_file($_[0], "unique_random state 1\n") } ],
    [ unreadable => sub { unlink $_[0]; mkdir $_[0] or die "$_[0]: $!\n" } ],
    )
{
    my ($what, $spoil) = @$case;
    my $blank = UniqueRandom::Postgres->new(name => $what);

    my ($pool, $nginx) = pool($what, pg => $blank, bootstrap => 'on');

    $pool->draw(0, $nginx, 100);
    $nginx->stop;
    $pool->configure($nginx, ranges => [1])->start;
    $blank->psql('numbers', 'DROP SCHEMA unique_random CASCADE');
    $spoil->($pool->file);

    # The second time a damaged one has been written again, and is as good as
    # new, but knows no more of the range.  That such a configuration is refused
    # would be all right, too.
    my @during;

    my $asked = sub {
        return scalar(() = $blank->log_text =~ /ERROR: .*unique_random/g);
    };

    for (1, 2) {
        my $before = $asked->();
        my $taken  = eval { $pool->reload($nginx); 1 } or note $@;

        wait_until(
            sub {
                push @during, $pool->take($nginx, 50);
                return !$taken || $pool->of(0, $during[-1])
                    || $asked->() > $before;
            },
            30, 'the database is asked for the range',
        );

        $pool->wait_saved(1) if $what eq 'damaged';
    }

    my $during = UniqueRandom::Load->merge(@during, $pool->take($nginx, 200));
    is $pool->of(0, $during), 0, "the state is $what: no number of the range";
    is $during->status(200), $during->attempts, '... no request failed';
    is $blank->psql('numbers',
        "SELECT to_regnamespace('unique_random') IS NULL"),
        't', '... and "bootstrap on" does not make it again';
    explain_log($pool, $nginx);
    $nginx->stop;
}

# A file that has the range with another key, or in a life that is another one
# with the same number, is the evidence: it is kept.
for my $field (qw( key incarnation )) {
    my ($pool, $nginx) = pool("another_$field");

    $pool->wait_saved($_) for 0, 1;

    my ($text) = read_file($pool->file) =~ /\A(.*)^sha256 /ms;
    $text =~ s/^(range $range .*\b$field )(.)/$1 . ($2 eq '0' ? 1 : 0)/me;
    $text .= 'sha256 ' . sha256_hex($text) . "\n";

    # nginx may be about to write what it has read before.
    wait_until(
        sub {
            write_file($pool->file . '.ours', $text);
            rename $pool->file . '.ours', $pool->file or die "rename: $!\n";
            sleep 0.3;
            return read_file($pool->file) eq $text;
        },
        20, 'the state is another one',
    );
    my $older = $pool->remembered(0);
    isnt $older->{$field}, $field eq 'key'
        ? $pool->row(0, "encode(sha256(key), 'hex')") : $pool->row(0, $field),
        "another $field in the state";

    $pool->draw($_, $nginx, 100) for 0, 1;
    $pool->wait_saved(1);
    $nginx->stop;

    ok scalar(grep {/\[alert\].*range $range\b/} $nginx->errors),
        '... an alert says which range';
    my $line = $pool->remembered(0);
    is $line->{$_}, $older->{$_}, "... the older $_ stays in it"
        for qw( key incarnation epoch );
    cmp_ok $pool->remembered(1)->{reserved}, '>=', $pool->row(1, 'reserved'),
        '... and the other range is saved';
    explain_log($pool, $nginx);
}

# A range that is nowhere but in the zone does not leave it for another one.
{
    my %conf = (zone => '32k');
    my ($pool, $nginx) = pool('unsaved', conf => \%conf);
    my $most = $pool->others_that_fit('32k');

    # In the way of the next file, for root as well.
    my $obstacle = $pool->file . '.new';
    wait_until(sub { mkdir $obstacle }, 10, 'an obstacle');

    $pool->draw(0, $nginx, 100);
    $pool->reload($nginx, %conf, ranges => [1]);

    my $reloaded = eval {
        $pool->reload($nginx, %conf, ranges => [1], others => $most);
        1;
    };
    ok !$reloaded, 'a range that is not saved is not pushed out of the zone';
    like $@, qr/zone of unique_random_pool "unsaved"/, '... and that is said';
    is $pool->take($nginx, 100)->status(200), 100, '... the other one goes on';

    rmdir $obstacle or die "$obstacle: $!\n";
    ok eval { $pool->wait_saved(0) }, '... it is saved as soon as that can be'
        or diag $@;
    ok eval {
        $pool->reload($nginx, %conf, ranges => [1], others => $most);
        1;
    }, '... and then makes room' or diag $@;
    explain_log($pool, $nginx);
}

done_testing;
