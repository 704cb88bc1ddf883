# A shard's host is a name, or one of a list.  All addresses are tried, so that
# one that is dead, silent or a standby costs a try, and no request.

use strict;
use warnings;

use lib 't/lib';

use POSIX ();
use Test::More;

use UniqueRandom::Client     ();
use UniqueRandom::NameServer ();
use UniqueRandom::Nginx      ();
use UniqueRandom::Postgres   ();
use UniqueRandom::Util       qw( black_hole full_backlog );

use constant {
    SIZE  => 10_000_000,
    DRAWS => 150,

    # Of those with as much in common with 127.0.0.1, getaddrinfo() does not
    # change the order.
    PRIMARY => '127.0.0.130',
    TWO     => '127.0.0.131',
    THREE   => '127.0.0.132',
    OFF     => '127.0.0.137',
    SILENT  => '127.0.0.138',
    CLOSED  => '127.0.0.139',
};

if (my $why = UniqueRandom::Nginx::why_no_files()) {
    plan skip_all => $why;
}

my @trust = ('host all all 127.0.0.0/8 trust', 'host all all ::1/128 trust');
my $pg = UniqueRandom::Postgres->new(
    name => 'primary',
    hba  => \@trust,
    conf => {
        log_connections  => 'on',
        listen_addresses => '127.0.0.1,' . PRIMARY,
    },
);
my $port = $pg->port;

$pg->create_database('numbers')->apply_schema('numbers');
$pg->psql('numbers', "SELECT unique_random.add('numbers', 1, @{[ SIZE ]})");

# One name may be all three.
my @standby = map {
    $pg->standby(
        name => "standby-$_",
        port => $port,
        conf => { listen_addresses => $_ },
    )
} TWO, THREE;

$pg->wait_for_standby($_) for @standby;

my $hole    = black_hole(address => SILENT, port => $port);
my $backlog = full_backlog(OFF, $port);
my @results;

# Whoever asks is known by this name in the log of a server.
my $asker = 'nginx0';

# Arguments: hosts of the shard; names => { NAME => [ its addresses ] }.  With
# by => 'server' it is a name server that knows them, as `resolver` does.
sub nginx {
    my ($hosts, %arg) = @_;

    my %names = %{ $arg{names} // {} };
    my $url   = $pg->url(
        db     => 'numbers',
        hosts  => $hosts,
        params => { application_name => ++$asker },
    );
    my ($http, $server, %files) = '';

    if (($arg{by} // 'hosts') eq 'server') {
        $server = UniqueRandom::NameServer->new(%names);
        %files  = ('/etc/resolv.conf' => $server->resolv_conf);
        $http   = 'resolver ' . $server->address . ' valid=1s;';

    } else {
        %files = ('/etc/hosts' => etc_hosts(%names));
    }

    my $nginx = UniqueRandom::Nginx->new(
        workers => 1,
        files   => \%files,
        http    => <<"EOT",
$http
unique_random_pool numbers {
    lease off;
    idle_timeout 1ms;
    connect_timeout 24s;
    reserve_timeout 30s;
    wait_timeout 60s;
    shard $url range=1-@{[ SIZE ]};
}
EOT
    );

    @$nginx{qw( asker name_server )} = ($asker, $server);
    return $nginx;
}

sub etc_hosts {
    my (%names) = @_;

    return join '', "127.0.0.1 localhost\n", map {
        my $name = $_;
        map {"$_ $name\n"} @{ $names{$name} }
    } sort keys %names;
}

# With a new connection for nearly each.
sub draw {
    my ($status, @numbers) = UniqueRandom::Client->draw(@_, 0.03);

    push @results, @numbers;
    return $status;
}

sub connections {
    my ($server, $nginx) = @_;

    return scalar(() = $server->log_text
        =~ /connection authorized: .*application_name=$nginx->{asker}\n/g);
}

# All that have such a name draw at the same time, since they wait for most of
# it.  Arguments: what, the nginx.
sub all_draw {
    my (%nginx) = @_;

    my %pid;

    # Numbers are told by a pipe.
    for my $what (sort keys %nginx) {
        pipe my $read, my $write or die "pipe: $!\n";
        my $pid = fork // die "fork: $!\n";

        if ($pid == 0) {
            @results = ();
            my $status = draw($nginx{$what}, DRAWS);
            print {$write} join(' ', %$status), "\n@results\n";
            close $write;
            POSIX::_exit(0);
        }

        close $write;
        $pid{$what} = [ $pid, $read ];
    }

    for my $what (sort keys %nginx) {
        my ($pid, $read) = @{ $pid{$what} };
        my %status = split ' ', readline $read;

        push @results, split ' ', readline $read;
        waitpid $pid, 0;

        is_deeply \%status, { 200 => DRAWS }, "$what: " . DRAWS . ' numbers';

        my $nginx = $nginx{$what};
        unlike $nginx->error_log, qr/could not reserve from shard/,
            '... the shard has not failed';

        my ($primary, @others)
            = map { connections($_, $nginx) } $pg, @standby;
        note "$what: $primary connections of the primary, @others of standbys";
        cmp_ok $primary, '>', DRAWS / 10, '... connecting anew';
        cmp_ok $_, '<=', 1, '... a standby is not asked twice' for @others;
        $nginx->stop;
    }

    return;
}

subtest 'one address is dead or silent' => sub {
    my %nginx;

    for my $dead (CLOSED, SILENT, OFF) {
        my $is = { CLOSED, 'closed', SILENT, 'silent', OFF, 'off' }->{$dead};

        $nginx{$is} = nginx(['db.example'],
            names => { 'db.example' => [ $dead, PRIMARY ] });
    }

    all_draw(%nginx);
};

subtest 'one address is dead, a name server says' => sub {
    my %nginx;

    for my $addresses (
        [ CLOSED, PRIMARY ],
        [ SILENT, PRIMARY ],
        [ THREE, PRIMARY, TWO ],
        [ CLOSED, TWO, OFF, PRIMARY ],
        )
    {
        $nginx{"@$addresses"} = nginx(['db.example'],
            by    => 'server',
            names => { 'db.example' => $addresses });
    }

    all_draw(%nginx);
};

subtest 'a primary and two standbys' => sub {
    my %nginx;

    for my $addresses (
        [ PRIMARY, TWO, THREE ],
        [ TWO, PRIMARY, THREE ],
        [ THREE, TWO, PRIMARY ],
        )
    {
        $nginx{"a name: @$addresses"} = nginx(['db.example'],
            names => { 'db.example' => $addresses });
        $nginx{"a list: @$addresses"} = nginx($addresses);
    }

    all_draw(%nginx);
};

subtest 'a list of names, some of several addresses' => sub {
    my %names = (
        'one.example'   => [ CLOSED, TWO ],
        'two.example'   => [ THREE, PRIMARY ],
        'three.example' => [ CLOSED, OFF ],
    );
    my %nginx;

    for my $hosts (
        [qw( one.example two.example )],
        [qw( two.example one.example )],
        [ TWO, qw( nowhere.invalid three.example two.example ) ],
        [ qw( three.example one.example ), PRIMARY ],
        )
    {
        $nginx{"@$hosts"} = nginx($hosts, names => \%names);
        $nginx{"@$hosts, by a name server"} = nginx($hosts,
            names => \%names, by => 'server')
            if $hosts->[0] eq 'one.example';
    }

    all_draw(%nginx);
};

subtest 'IPv4 and IPv6' => sub {
    require IO::Socket::IP;
    IO::Socket::IP->new(LocalHost => '::1', Listen => 1)
        or plan skip_all => "no IPv6: $@";

    # Which address comes first is for the machine to say: IPv6 mostly.
    for my $good (PRIMARY, '::1') {
        listen_on($good);

        my %nginx = (
            map {
                my @addresses = @$_;
                ("good is $good: @addresses" => nginx(['db.example'],
                    names => { 'db.example' => \@addresses }))
            } [ '::1', PRIMARY ], [ PRIMARY, '::1' ]
        );
        $nginx{"good is $good, by a name server"} = nginx(['db.example'],
            by    => 'server',
            names => { 'db.example' => [ PRIMARY, '::1' ] });

        all_draw(%nginx);
    }

    listen_on('127.0.0.1,' . PRIMARY);
};

{
    my %seen;
    my @twice = grep { $seen{$_}++ } @results;

    is_deeply \@twice, [], 'of ' . @results . ' numbers none came twice';
}

done_testing;

sub listen_on {
    my ($addresses) = @_;

    $pg->set_conf(listen_addresses => $addresses);
    $pg->restart;
    return;
}
