package UniqueRandom::Storm;

# Reloads as fast as nginx takes them, and workers killed meanwhile, at
# whatever instruction they are.
#
#   my $storm = UniqueRandom::Storm->new(
#       masters => 3,
#       nginx   => { workers => 2, server => '...' },
#       pool    => sub { my ($i) = @_; return 'unique_random_pool ...' },
#       kills   => 0.8,
#   );
#   $storm->run(1000) or ...;     # false: some master takes no more
#   $storm->settle;               # all is loaded once more, old workers leave
#
# A master takes eight reloads a second at most: it sleeps 100 ms in each.  So
# there are several.  With reload $i it serves what pool($i) says; those that
# settle() makes have numbers above LAST.

use strict;
use warnings;

use Time::HiRes qw( sleep time );

use UniqueRandom::Client ();
use UniqueRandom::Nginx  ();
use UniqueRandom::Util   qw( children wait_until write_file );

use constant {
    # A master that waits for what never comes does so for ever.
    PATIENCE => 60,

    # More than any test reloads.
    LAST => 1_000_000,
};

# Arguments: see above; kills is how many a reload has on average, and others
# are the processes of an nginx besides workers (0).
sub new {
    my ($class, %arg) = @_;

    my $self = bless {
        others  => 0,
        %arg,
        killed  => 0,
        served  => 0,
        slowest => 0,
        stuck   => 0,
    }, $class;

    $self->{masters} = [ map { $self->_start } 1 .. $arg{masters} ];

    return $self;
}

# What is seen of them: how many reloads there were, how many of these to
# serve, after how many seconds the slowest one; how many workers were killed.
sub done    { my $n = 0; $n += $_->{done} for @{ $_[0]->{masters} }; return $n }
sub served  { return $_[0]->{served} }
sub slowest { return $_[0]->{slowest} }
sub killed  { return $_[0]->{killed} }

sub nginxes { return map { $_->{nginx} } @{ $_[0]->{masters} } }

sub run {
    my ($self, $reloads, $look) = @_;

    my $masters = $self->{masters};

    $self->_reload($_) for @$masters;

    while (!$self->{stuck} && $self->done < $reloads) {
        for my $master (@$masters) {
            $self->_reload($master) if $self->_look($master);
        }

        $look->() if $look;

        # This is no waiting: the processors are needed for reloads.
        sleep 0.005;
    }

    return !$self->{stuck};
}

sub settle {
    my ($self) = @_;

    # The last reload may be on its way: one more.
    for my $master (@{ $self->{masters} }) {
        my $nginx = $master->{nginx};
        my $last  = ++$master->{last};

        $self->_configure($nginx, $last);
        $nginx->signal('HUP');
        wait_until(sub { _generation($nginx) == $last }, 20,
            'the last one serves');
        wait_until(sub {
            return $nginx->worker_pids == $self->{nginx}{workers}
                && children($nginx->master_pid)
                == $self->{nginx}{workers} + $self->{others};
        }, 30, 'old processes have gone');
        delete $master->{pending};
    }

    return $self;
}

sub _start {
    my ($self) = @_;

    my %arg = %{ $self->{nginx} };

    my $nginx = UniqueRandom::Nginx->new(
        %arg,
        start  => 0,
        http   => ($arg{http} // '') . ' include storm.conf;',
        server => $arg{server}
            . ' location = /generation { return 200 $generation; }',
    );

    $self->_configure($nginx, 0);
    $nginx->start;

    open my $log, '<', $nginx->dir . '/error.log' or die "error.log: $!\n";

    return {
        nginx => $nginx,
        log   => $log,
        sent  => 0,
        done  => 0,
        last  => LAST,
    };
}

# In one step, since the master may be reading the one before.
sub _configure {
    my ($self, $nginx, $i) = @_;

    my $path = $nginx->dir . '/storm.conf';

    write_file("$path.new", $self->{pool}->($i, $nginx)
        . "map \$host \$generation { default $i; }\n");
    rename "$path.new", $path or die "rename: $!\n";
    return;
}

# The generation that serves, as far as anybody does.
sub _generation {
    my ($nginx) = @_;

    my $client = UniqueRandom::Client->new($nginx) or return -1;
    my $reply  = $client->get('/generation', 1)    or return -1;

    return $reply->{content};
}

sub _reload {
    my ($self, $master) = @_;

    my $nginx = $master->{nginx};
    my $i     = ++$master->{sent};

    $self->_configure($nginx, $i);

    my @workers = children($nginx->master_pid);

    $nginx->signal('HUP');
    $master->{at} = time;

    # Some worker, of whatever generation it is, at any moment, but mostly while
    # the master reads the configuration.
    if (@workers && rand() < $self->{kills}) {
        sleep rand(0.01) if rand() < 0.8;
        $self->{killed} += kill KILL => $workers[ rand @workers ];
    }

    # The next one may bring this, too.
    $master->{pending} //= [ $i, $master->{at} ];
    return;
}

# Whether it is time for the next reload.
sub _look {
    my ($self, $master) = @_;

    my $log = $master->{log};

    # Signals that come together are one reload.
    seek $log, 0, 1;
    $master->{done} += grep {/: reconfiguring$/} readline $log;

    my ($i, $at) = @{ $master->{pending} };
    my $lag = time - $at;

    $self->{slowest} = $lag if $lag > $self->{slowest};
    $self->{stuck}   = 1    if $lag > PATIENCE;

    if (_generation($master->{nginx}) >= $i) {
        $self->{served}++;
        delete $master->{pending};
        return 1;
    }

    return time - $master->{at} > 0.05;
}

1;
