package UniqueRandom::Memory;

# A pool of two ranges, as of Faults, which remembers on disk what it has seen
# of them, and whose configuration changes while it does.
#
#   my $pool = UniqueRandom::Memory->new(name => 'm', clusters => [$a, $b]);
#   my $nginx = $pool->nginx(bootstrap => 'on');
#
#   $pool->reload($nginx, ranges => [1]);    # without the first range
#   $pool->remembered(0)->{reserved}         # what the file has of it

use strict;
use warnings;

use parent 'UniqueRandom::Faults';

use UniqueRandom::Nginx ();
use UniqueRandom::Util
    qw( children free_port read_file tmp_dir wait_until );

# Arguments: those of Faults->new, bootstrap ("off"), and timeout (1s) of
# connecting and reserving.
sub new {
    my ($class, %arg) = @_;

    my $self = $class->SUPER::new(bootstrap => 'off', timeout => '1s', %arg);

    $self->{folder} = tmp_dir() . "/state-$arg{name}";
    return $self;
}

sub file { return "$_[0]->{folder}/$_[0]->{name}.state" }

# From now on a configuration names another folder.
sub move {
    my ($self) = @_;

    $self->{folder} .= '-moved';
    return $self;
}

# The line of range $i in the file, as a hash; undef if it has none.
sub remembered {
    my ($self, $i) = @_;

    my ($first, $last) = ($self->first($i), $self->last($i));
    my ($line) = (read_file($self->file) // '') =~ /^range $first-$last (.*)$/m;

    return defined $line ? { split ' ', $line } : undef;
}

# Returns when the file has all that the database of range $i has reserved.
sub wait_saved {
    my ($self, $i) = @_;

    my $reserved = $self->row($i, 'reserved');

    return wait_until(
        sub {
            my $remembered = $self->remembered($i);
            return $remembered && $remembered->{reserved} >= $reserved;
        },
        30, "the state has range $i of $self->{name}",
    );
}

# What nginx.conf says.  Arguments: ranges ([0, 1]); zone (256k); lease; state,
# 0 for none; down => 1 for the first range; others, so many ranges beside those
# two, which nobody asks for; pool => 0 for a configuration without it.
sub configuration {
    my ($self, %arg) = @_;

    if (!($arg{pool} // 1)) {
        return (http => '', server => 'location / { return 204; }');
    }

    my @shards = map {
        'shard ' . $self->url($_) . ' range=' . $self->first($_) . '-'
            . $self->last($_) . ' fail_timeout=200ms max_fails=0'
            . ($_ == 0 && $arg{down} ? ' down' : '') . ';'
    } @{ $arg{ranges} // [ 0, 1 ] };

    if ($arg{others}) {
        $self->{nobody} //= free_port();

        push @shards, "shard postgresql://127.0.0.1:$self->{nobody}/x down"
            . join('', map {
                my $first = 1_000_000_000 + $_ * 10;
                " range=$first-" . ($first + 9)
            } 1 .. $arg{others}) . ';';
    }

    my $lines = join "\n    ",
        'zone ' . ($arg{zone} // '256k') . ';',
        'lease ' . ($arg{lease} // 'min=10 max=20') . ';',
        ($arg{state} // 1) ? "state $self->{folder};" : (),
        "bootstrap $self->{bootstrap};",
        @shards;

    return (
        http => <<"EOT",
limit_req_zone \$server_port zone=slow:1m rate=100r/s;
unique_random_pool $self->{name} {
    connect_timeout $self->{timeout};
    reserve_timeout $self->{timeout};
    $lines
}
EOT
        server => 'location = /random { unique_random; }'
            . 'location = /slow { limit_req zone=slow burst=100;'
            . ' unique_random; }',
    );
}

# Arguments of configuration(), and start => 0 not to start it.
sub nginx {
    my ($self, %arg) = @_;

    return UniqueRandom::Nginx->new(
        workers => 2,
        start   => $arg{start} // 1,
        $self->configuration(%arg),
    );
}

sub configure {
    my ($self, $nginx, %arg) = @_;

    return $nginx->configure($self->configuration(%arg));
}

sub reload {
    my ($self, $nginx, %arg) = @_;

    return $self->configure($nginx, %arg)->reload;
}

# How many other ranges a zone of that size holds beside the second one.
sub others_that_fit {
    my ($self, $zone) = @_;

    my $nginx = $self->nginx(start => 0, zone => $zone, ranges => [1]);
    my ($fit, $not) = (0, 4096);

    while ($not - $fit > 1) {
        my $n = int(($fit + $not) / 2);

        $self->configure($nginx, zone => $zone, ranges => [1], others => $n);
        my ($code, $out) = $nginx->test_config;
        die $out if $code && $out !~ /zone of unique_random_pool/;

        ($code ? $not : $fit) = $n;
    }

    return $fit;
}

# Draws until so many more positions of range $i are reserved.
sub draw {
    my ($self, $i, $nginx, $count) = @_;

    my $before = $self->row($i, 'reserved');

    return wait_until(
        sub {
            $self->take($nginx, 50);
            return $self->row($i, 'reserved') >= $before + $count;
        },
        30, "$count more positions of range $i of $self->{name}",
    );
}

# The process that writes the state while nginx runs.  One that stands still is
# as one whose disk is slow.  It takes a moment to say what it is.
sub manager {
    my ($self, $nginx) = @_;

    return wait_until(
        sub {
            my ($manager) = grep {
                (read_file("/proc/$_/cmdline") // '') =~ /cache manager proc/
            } children($nginx->master_pid);

            return $manager;
        },
        20, 'nginx has its cache manager',
    );
}

1;
