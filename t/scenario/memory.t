# What nginx remembers of a range is not lost on any way that its configuration
# can take: while the range is not in use, its database is put back to what it
# was, and when it is in use again that is noticed at the first contact.  The
# range is fenced, the other one goes on, and no number comes twice.

use strict;
use warnings;

use Test::More;

use UniqueRandom::Load     ();
use UniqueRandom::Memory   ();
use UniqueRandom::Postgres ();
use UniqueRandom::Util     qw( wait_until );

use constant SIZE => 100_000;

my $other = UniqueRandom::Postgres->new(name => 'other');

# What is reserved from now on, the process that writes the state does not see
# before it ends: nothing says that it has to within that second.
my $stop_manager = sub {
    my ($pool, $nginx) = @_;
    kill STOP => $pool->{manager} = $pool->manager($nginx);
};
my $most;

# How the memory of a range leaves and comes back.  "alone" is called before
# numbers are drawn that will be forgotten, "away" before the database is put
# back, and "back" after that.

my %ways = (
    'added by a reload' => {
        away => sub {
            my ($pool, $nginx) = @_;
            $nginx->stop;
            $pool->configure($nginx, ranges => [1])->start;
        },
        back => sub { $_[0]->reload($_[1]) },
    },

    'removed by a reload' => {
        alone => $stop_manager,
        away  => sub {
            my ($pool, $nginx) = @_;
            $pool->start($nginx);
            $pool->configure($nginx, ranges => [1])->reload(wait => 'new');
            kill KILL => $pool->{manager};
            $pool->finish;
            $nginx->stop;
        },
        back => sub { $_[0]->configure($_[1])->start },
    },
    'removed with its pool after it' => {
        alone => $stop_manager,
        away  => sub {
            my ($pool, $nginx) = @_;
            $pool->configure($nginx, ranges => [1])->reload(wait => 'new');
            $pool->configure($nginx, pool => 0)->reload(wait => 'new');
            kill KILL => $pool->{manager};
            $nginx->stop;
        },
        back => sub { $_[0]->configure($_[1])->start },
    },
    'removed and added again' => {
        away => sub { $_[0]->reload($_[1], ranges => [1]) },
        back => sub { $_[0]->reload($_[1]) },
    },

    # The zone is full of others meanwhile.
    'its slot reused' => {
        conf => { zone => '32k' },
        away => sub {
            my ($pool, $nginx) = @_;
            my %conf = (zone => '32k', ranges => [1]);
            $pool->wait_saved(0);
            $pool->reload($nginx, %conf);
            $most //= $pool->others_that_fit('32k');
            $pool->reload($nginx, %conf, others => $most);
            $pool->reload($nginx, %conf);
        },
        back => sub { $_[0]->reload($_[1], zone => '32k') },
    },
    'the zone resized' => {
        back => sub { $_[0]->reload($_[1], zone => '512k') },
    },
    'the zone resized without it' => {
        away => sub {
            my ($pool, $nginx) = @_;
            $pool->reload($nginx, ranges => [1]);
            $pool->reload($nginx, ranges => [1], zone => '512k');
        },
        back => sub { $_[0]->reload($_[1], zone => '512k') },
    },
    'restarted' => {
        away => sub { $_[1]->stop },
        back => sub { $_[1]->start },
    },
    'killed' => {
        away => sub { $_[0]->wait_saved(0); $_[1]->kill9 },
        back => sub { $_[1]->start },
    },

    # It is in the zone, which knows nothing of it, and in the file.
    '"state" added by a reload' => {
        away => sub {
            my ($pool, $nginx) = @_;
            $nginx->stop;
            $pool->configure($nginx, state => 0, down => 1)->start;
        },
        back => sub { $_[0]->reload($_[1]) },
    },
    '"state" added by a reload, then restarted' => {
        conf => { state => 0 },
        away => sub {
            my ($pool, $nginx) = @_;
            $pool->reload($nginx);
            $nginx->stop;
        },
        back => sub { $_[1]->start },
    },
);

# A step of a case.  One that fails ends the case, not the others.
sub attempt {
    my ($case, $step) = @_;

    return if $case->{failed} || !$step;

    eval { $step->(@$case{qw( pool nginx )}); 1 } or do {
        $case->{failed} = 1;
        fail("$case->{what}: $@");
        explain_log($case);
    };
    return;
}

sub explain_log {
    my ($case) = @_;

    diag "$case->{what}, the log:\n",
        grep {/range 1-|zone of|\.state/}
        $case->{nginx}->errors(qr/emerg|alert|crit|error|warn|notice/);
    return;
}

# In use again, under load.
sub check {
    my ($case) = @_;

    my ($pool, $nginx) = @$case{qw( pool nginx )};
    my ($last, $before, $given) = (SIZE, scalar $nginx->errors, 0);
    my @during;

    attempt($case, $ways{ $case->{way} }{back});
    return if $case->{failed};

    my $fenced = sub {
        my @new = $nginx->errors;
        splice @new, 0, $before;
        return grep {/\[alert\].*range 1-$last\b.* is fenced/} @new;
    };

    # What it still has leased may be issued; but that is not much.
    $pool->start($nginx);
    attempt($case, sub {
        wait_until(
            sub {
                push @during, $pool->take($nginx, 50);
                $given += $pool->of(0, $during[-1]);
                return $fenced->() || $given > 500;
            },
            30, 'the range is fenced',
        );
    });
    push @during, $pool->take($nginx, 200), $pool->finish;

    my $during     = UniqueRandom::Load->merge(@during);
    my $duplicates = $pool->result->duplicates;
    my $ok         = 1;

    $ok &= is $duplicates, 0, "$case->{what}: no number comes twice";
    $ok &= ok scalar($fenced->()), '... an alert says which range is fenced';
    $ok &= is $during->status(200), $during->attempts,
        '... no request failed';
    $ok &= cmp_ok $pool->of(1, $during), '>', 100,
        '... the other range goes on';

    $nginx->stop;
    $ok &= is +($pool->remembered(0) // {})->{key}, $case->{key},
        '... and the old key stays remembered';
    explain_log($case) if !$ok;

    return;
}

# Arguments: pg; more, for the pools; remember, which keeps what to come back
# to; put_back.
sub put_back {
    my ($fault, %arg) = @_;

    my @cases = map {
        my $n    = ++$arg{n};
        my $pool = UniqueRandom::Memory->new(
            name      => "$arg{name}$n",
            size      => SIZE,
            timeout   => '20s',
            clusters  => [ $arg{pg}, $other ],
            bootstrap => $arg{bootstrap} // 'off',
        );
        { way => $_, what => "$fault, $_", pool => $pool };
    } sort keys %ways;

    for my $case (@cases) {
        my $pool  = $case->{pool};
        my $conf  = $ways{ $case->{way} }{conf} // {};
        my $nginx = $case->{nginx} = $pool->nginx(%$conf);

        $pool->wait_for(0, $nginx);
        $case->{key} = $pool->row(0, "encode(sha256(key), 'hex')");
    }

    for my $case (@cases) {
        my $conf = $ways{ $case->{way} }{conf} // {};
        $case->{pool}->wait_saved(0) if $conf->{state} // 1;
    }

    $arg{remember}->() if $arg{remember};

    for my $case (@cases) {
        my $way = $ways{ $case->{way} };

        attempt($case, $way->{alone});
        attempt($case, sub { $case->{pool}->draw(0, $case->{nginx}, 300) });
        attempt($case, $way->{away});
    }

    $arg{put_back}->();

    for my $case (@cases) {
        check($case) if !$case->{failed};

        $case->{nginx}->stop;
        delete $case->{nginx};
    }

    return;
}

{
    my $pg = UniqueRandom::Postgres->new(name => 'files');
    my $copy;

    put_back(
        'a copy of the files is restored',
        name     => 'files',
        pg       => $pg,
        remember => sub { $copy = $pg->stop->save_data; $pg->start },
        put_back => sub { $pg->stop->restore_data($copy)->start },
    );
    $pg->stop;
}

{
    my $pg = UniqueRandom::Postgres->new(name => 'blank');

    put_back(
        'a blank database',
        name      => 'blank',
        pg        => $pg,
        bootstrap => 'on',
        put_back  => sub {
            $pg->psql('numbers', 'DROP SCHEMA unique_random CASCADE');
        },
    );

    is $pg->psql('numbers', "SELECT to_regnamespace('unique_random') IS NULL"),
        't', 'a blank database: "bootstrap on" made nothing again';
    $pg->stop;
}

{
    my $pg = UniqueRandom::Postgres->new(name => 'dump');
    my $dump;

    put_back(
        'an old dump is restored',
        name     => 'dump',
        pg       => $pg,
        remember => sub { $dump = $pg->dump('numbers') },
        put_back => sub {
            $pg->psql('postgres', 'DROP DATABASE numbers WITH (FORCE)');
            $pg->create_database('numbers')->psql('numbers', $dump);
        },
    );
    $pg->stop;
}

done_testing;
