package UniqueRandom::Patroni;

# Three PostgreSQL that Patroni replicates and promotes, with Debian's packages:
# an etcd, and members on ports of their own.
#
#   my $cluster = UniqueRandom::Patroni->new(synchronous => 1);  # and healthy
#   my $old = $cluster->primary;         # see UniqueRandom::Patroni::Member
#   $old->kill9;
#   my $new = $cluster->wait_for_primary($old);
#   $old->start;
#   $cluster->wait_until_healthy;
#
# A test is skipped where Patroni is missing, but under CI, where it may not be.

use strict;
use warnings;

use HTTP::Tiny ();
use JSON::PP qw( decode_json );
use List::Util qw( all first );
use Scalar::Util qw( weaken );
use Test::More;
use Time::HiRes qw( sleep time );

use UniqueRandom::Patroni::Member ();
use UniqueRandom::Postgres::Programs qw( make_folder spawn_program );
use UniqueRandom::Util qw(
    at_exit free_port memory_dir wait_gone wait_until
);

# Seconds: a leader that does not renew its key is deposed after "ttl", and one
# that cannot steps down after "retry_timeout".  Patroni asks for loop_wait +
# 2 * retry_timeout <= ttl; by default it has 30, 10 and 10.
use constant TIMINGS => (ttl => 6, loop_wait => 1, retry_timeout => 2);

use constant POLL => 0.1;

# Seconds until one that still starts is given up.
use constant STUCK => 20;

my $clusters = 0;

# Arguments: synchronous, and what else is to be in the dynamic configuration.
sub new {
    my ($class, %arg) = @_;

    if (my $missing = first { !-x } map {"/usr/bin/$_"}
        qw( patroni patronictl etcd ))
    {
        my $why = "$missing is missing: tools/install-deps failover";
        die "$why\n" if $ENV{CI};
        plan skip_all => $why;
    }

    my $synchronous = delete $arg{synchronous};
    my $self        = bless {
        dir         => memory_dir() . '/patroni-' . $clusters++,
        synchronous => $synchronous,
        owner       => $$,
    }, $class;

    make_folder($self->{dir});

    my $weak = $self;
    weaken($weak);
    at_exit(sub { $weak->stop if $weak });

    $self->_start_etcd;
    $self->{members} = [
        map {
            UniqueRandom::Patroni::Member->new(
                name => "pg$_",
                dir  => "$self->{dir}/pg$_",
                etcd => $self->{etcd_port},
                dcs  => {
                    TIMINGS,
                    synchronous_mode => $synchronous ? \1 : \0,
                    %arg,
                },
            )
        } 0 .. 2
    ];

    # The one that comes first makes the cluster, which the others copy.
    $self->{members}[0]->start;
    $self->wait_for_primary;
    $_->start for @{ $self->{members} }[ 1, 2 ];
    return $self->wait_until_healthy;
}

sub members { return @{ $_[0]->{members} } }

sub _start_etcd {
    my ($self) = @_;

    # By the third version of its API, Patroni before 3.1 may wait for ever after
    # it has stood still, since it believes an old revision of a key.
    my ($client, $peer) = map { free_port() } 1 .. 2;
    my ($here,   $there) = map {"http://127.0.0.1:$_"} $client, $peer;

    $self->{etcd_port} = $client;
    $self->{etcd} = spawn_program(
        log     => "$self->{dir}/etcd.log",
        command => [
            '/usr/bin/etcd', '--enable-v2', '--data-dir', "$self->{dir}/etcd",
            '--listen-client-urls', $here, '--advertise-client-urls', $here,
            '--listen-peer-urls', $there,
            '--initial-advertise-peer-urls', $there,
            '--initial-cluster', "default=$there",
        ],
    );

    return wait_until(sub { _get("$here/health") }, 30, 'etcd is healthy');
}

# What is said there, if the status is 200.
sub _get {
    my ($url) = @_;

    my $reply = HTTP::Tiny->new(timeout => 2)->get($url);
    return $reply->{status} == 200 ? decode_json($reply->{content}) : undef;
}

# The member that holds the key, by its own word, and has been promoted.
sub primary {
    my ($self) = @_;

    return first {
        !$_->{down} && _get($_->api . '/primary') && !$_->is_in_recovery
    } $self->members;
}

# Until another one than $old is the primary.
sub wait_for_primary {
    my ($self, $old) = @_;

    my $new;
    wait_until(sub {
        sleep POLL;
        $new = $self->primary;
        return $new && (!$old || $new != $old);
    }, 60, 'there is a primary');
    return $new;
}

# Tells Patroni to have another one; see wait_for_primary().
sub switch_over {
    my ($self) = @_;

    my $old = $self->primary;
    spawn_program(
        log     => "$self->{dir}/patronictl.log",
        command => [
            '/usr/bin/patronictl', '-c', $old->config_file, 'switchover',
            '--leader', $old->name, '--force', 'numbers',
        ],
    );
    return $self;
}

# Until all follow the primary, closely and, where that is wanted, one of them
# synchronously.
sub wait_until_healthy {
    my ($self) = @_;

    my $last  = '';
    my $stuck = time + STUCK;
    my $ok = eval {
        wait_until(sub {
            sleep POLL;
            my $primary = $self->primary or return 0;
            my $says    = _get($primary->api . '/cluster') or return 0;

            $last = JSON::PP->new->canonical->pretty->encode($says);
            return 1 if $self->_is_healthy(@{ $says->{members} });

            if (time > $stuck) {
                $self->_make_anew(@{ $says->{members} });
                $stuck = time + STUCK;
            }

            return 0;
        }, 90, 'the cluster is healthy');
    };

    die "$@$last", map { $_->log_end } $self->members if !$ok;
    return $self;
}

# A primary that stood still may need WAL to become consistent that only it had
# and nobody can ask it what, so Patroni does not rewind it: an operator has it
# copied anew.
sub _make_anew {
    my ($self, @members) = @_;

    my %starts = map { $_->{name} => 1 } grep { $_->{state} eq 'starting' } @members;

    for my $member (grep { $starts{ $_->name } } $self->members) {
        note $member->name, ' is made anew';
        HTTP::Tiny->new(timeout => 10)->post($member->api . '/reinitialize',
            { content => '{"force":true}' });
    }

    return;
}

sub _is_healthy {
    my ($self, @members) = @_;

    my $leader = first { $_->{role} eq 'leader' } @members;

    return @members == 3 && $leader
        && (all { $_->{state} =~ /^(?:running|streaming)\z/
                && ($_->{timeline} // 0) == ($leader->{timeline} // -1)
                && ($_ == $leader || $_->{lag} eq '0') } @members)
        && (!$self->{synchronous}
            || grep { $_->{role} eq 'sync_standby' } @members);
}

sub stop {
    my ($self) = @_;

    return if $self->{owner} != $$ || !$self->{etcd};

    $_->stop for @{ $self->{members} // [] };

    kill KILL => $self->{etcd};
    wait_gone(10, delete $self->{etcd});
    return;
}

sub DESTROY {
    my ($self) = @_;

    local ($?, $!, $@);
    $self->stop;
    return;
}

1;
