package Bench::Stack;

# Shards, and nginx in front of them.
#
#   my $stack = Bench::Stack->new(shards => 2);
#   my $nginx = $stack->nginx(workers => 2);
#   my $slice = $stack->load([$nginx], path => '/random', connections => 32);
#   $stack->end;
#
# nginx answers /limit with a text of its own, as long as what it sends of these
# shards, /POOL with the numbers of each pool, and /status with what it knows of
# them; there is one pool that is called "random" unless others are asked for.

use strict;
use warnings;

use Carp qw( croak );
use Exporter qw( import );
use List::Util qw( max min sum );

use UniqueRandom::Nginx    ();
use UniqueRandom::Postgres ();
use UniqueRandom::Util     qw( at_exit tcp_proxy );

use Bench::Wrk ();

our @EXPORT_OK = qw( RANGE nginx_binary );

# Numbers of a shard: more than anybody draws.
use constant RANGE    => 1 << 40;
use constant CLUSTERS => 4;

my @clusters;
my $databases = 0;

# The instances of the case that is running.
my @instances;

sub nginx_binary { return $ENV{TEST_NGINX_BINARY} || '/usr/sbin/nginx' }

# A cluster for all cases.  Where the tests are out for speed, the settings are
# PostgreSQL's own.
sub _cluster {
    my ($i) = @_;

    if (!$clusters[$i]) {
        my $pg = UniqueRandom::Postgres->new(
            name => "bench$i",
            conf => {
                autovacuum_naptime => '1min',
                checkpoint_timeout => '5min',
                shared_buffers     => '128MB',
                max_connections    => 200,
            },
        );

        # It would be killed, which leaves shared memory behind.  With "fast",
        # it would write out everything first.
        at_exit(sub { $pg->stop('immediate') });

        for my $setting (qw( fsync synchronous_commit full_page_writes )) {
            croak "$setting is not on"
                if $pg->psql('postgres', "SHOW $setting") ne 'on';
        }

        $clusters[$i] = $pg;
    }

    return $clusters[$i];
}

sub server_version {
    return _cluster(0)->psql('postgres', 'SHOW server_version');
}

# Arguments: shards, how many; proxy => 1 to put a proxy before each; pools =>
# { NAME => { conf => directives, used => 0.5, the part that is, size => of one
# range, ranges => of a shard, 1, adopt => code that makes it in place of add(),
# called with the shard } }.
sub new {
    my ($class, %arg) = @_;

    my $self = bless {
        pools  => $arg{pools} // { random => {} },
        shards => [],
    }, $class;

    for my $i (0 .. $arg{shards} - 1) {
        my $pg    = _cluster($i % CLUSTERS);
        my $db    = 'bench' . $databases++;
        my $shard = {
            pg    => $pg,
            db    => $db,
            index => $i,
            proxy => $arg{proxy} && tcp_proxy($pg->port),
        };

        $pg->create_database($db)->apply_schema($db);
        push @{ $self->{shards} }, $shard;
        $self->_add($shard, $_) for sort keys %{ $self->{pools} };
    }

    return $self;
}

sub _size {
    my ($self, $pool) = @_;

    return $self->{pools}{$pool}{size} // RANGE;
}

# The first and the last number of each range that a pool has in a shard.
sub _bounds {
    my ($self, $shard, $pool) = @_;

    my $size   = $self->_size($pool);
    my $ranges = $self->{pools}{$pool}{ranges} // 1;
    my $before = $shard->{index} * $ranges;

    return map { [ $_ * $size + 1, ($_ + 1) * $size ] }
        $before .. $before + $ranges - 1;
}

sub _add {
    my ($self, $shard, $pool) = @_;

    my ($adopt, $used) = @{ $self->{pools}{$pool} }{qw( adopt used )};
    return $adopt->($shard) if $adopt;

    my $bounds = join ', ', map { "($_->[0], $_->[1])" }
        $self->_bounds($shard, $pool);
    $used = int $self->_size($pool) * ($used // 0);

    $shard->{pg}->psql($shard->{db}, "SELECT unique_random.add('$pool', first,"
        . " last, reserved => $used) FROM (VALUES $bounds) AS v (first, last)");
    return;
}

# Another nginx on these shards; arguments of UniqueRandom::Nginx->new(), and
# http_too and server_too, beside what it has anyway.
sub nginx {
    my ($self, %arg) = @_;

    my ($http, $server) = ('keepalive_requests 1000000000;'
        . ' unique_random_max_count 1000000;', <<'EOT');
location /limit {
    add_header Cache-Control no-store always;
    default_type application/json;
    return 200 '{"number":1082623117580}';
}
location = /status {
    unique_random_status;
}
EOT

    for my $pool (sort keys %{ $self->{pools} }) {
        $server .= "location /$pool { unique_random $pool; }\n";
        $http .= "\nunique_random_pool $pool {\n"
            . ($self->{pools}{$pool}{conf} // '')
            . join('',
                map { $self->_directive($_, $pool) } @{ $self->{shards} })
            . "\n}";
    }

    my $nginx = UniqueRandom::Nginx->new(
        http   => $http . (delete $arg{http_too} // ''),
        server => $server . (delete $arg{server_too} // ''),
        level  => 'notice',
        %arg,
    );

    push @instances, $nginx;
    return $nginx;
}

sub _directive {
    my ($self, $shard, $pool) = @_;

    my $word   = $self->{pools}{$pool}{adopt} ? 'adopted' : 'range';
    my $ranges = join ' ', map { "$word=$_->[0]-$_->[1]" }
        $self->_bounds($shard, $pool);
    my $url = $shard->{pg}->url(
        db   => $shard->{db},
        port => ($shard->{proxy} // $shard->{pg})->port,
    );

    return "\nshard $url $ranges name=$shard->{db};";
}

sub shards { return @{ $_[0]->{shards} } }

# What every answer of a database, of a connecting one as well, comes later by.
sub delay {
    my ($self, $seconds) = @_;

    $_->{proxy}->delay($seconds) for $self->shards;
    return;
}

# A slice of load on each instance at once; arguments of Bench::Wrk, and
# meanwhile => code to run.  Their sum has the worst of their latencies, and cpu,
# the microseconds that the workers used for a request.
sub load {
    my ($self, $instances, %arg) = @_;

    my $cpu    = sub { sum map { cpu($_) } @$instances };
    my $before = $cpu->();
    my @wrk    = map { Bench::Wrk->start(port => $_->port, %arg) } @$instances;

    $arg{meanwhile}->() if $arg{meanwhile};

    my @slices = map { $_->finish } @wrk;

    my %sum = map {
        my $key = $_;
        ($key => sum map { $_->{$key} } @slices);
    } qw( requests rate );

    for my $key (qw( p50 p99 p999 max )) {
        my @values = grep {defined} map { $_->{$key} } @slices or next;
        $sum{$key} = max @values;
    }

    $sum{cpu} = 1e6 * ($cpu->() - $before) / $sum{requests};
    return \%sum;
}

# Code for a slice of each path, with the same arguments of load() and those
# that it is called with.
sub slices {
    my ($self, $instances, $paths, %load) = @_;

    return map {
        my $path = $_;
        sub { $self->load($instances, path => $path, %load, @_) };
    } @$paths;
}

# Seconds of the workers.
sub cpu {
    my ($nginx) = @_;

    return sum map { $nginx->cpu_time($_) } $nginx->worker_pids;
}

# What each shard says of itself: time, serial and reserved, in all ranges.
sub progress {
    my ($self) = @_;

    return map {
        my %now;
        @now{qw( time serial reserved )} = split /\|/,
            $_->{pg}->psql($_->{db}, 'SELECT extract(epoch FROM'
                . ' clock_timestamp()), sum(serial), sum(reserved)'
                . ' FROM unique_random.ranges');
        \%now;
    } $self->shards;
}

# Ends nginx and proxies, and the case if anything was wrong in a log.
sub end {
    my ($self) = @_;

    $_->term for @instances;
    $_->{proxy} && $_->{proxy}->stop for $self->shards;

    my $errors = complaints();
    die $errors if $errors ne '';
    return;
}

# What the instances have logged, the first lines of it, and ends them.
sub complaints {
    my @lines = map { $_->errors(qr/emerg|alert|crit|error|warn/) }
        splice @instances;

    return @lines ? join '', "nginx says:\n", @lines[ 0 .. min(9, $#lines) ]
        : '';
}

1;
