package Test::Nginx::StandIn::Settings;

# What the environment and the test scripts have said, and texts that name it.

use strict;
use warnings;

use Cwd            ();
use Exporter       qw( import );
use File::Basename qw( dirname );
use File::Spec     ();

use UniqueRandom::Util qw( free_port );

our @EXPORT_OK = qw( %setting expand expand_port forget_ports );

my $root = $ENV{TEST_NGINX_SERVROOT} || File::Spec->rel2abs('t/servroot');
my $port = $ENV{TEST_NGINX_SERVER_PORT} || $ENV{TEST_NGINX_PORT} || 1984;

my $built = Cwd::abs_path(dirname(__FILE__) . '/../../../../../..')
    . '/build/ngx_http_unique_random_module.so';

our %setting = (
    modules            => $ENV{TEST_NGINX_LOAD_MODULES} // $built,
    binary             => $ENV{TEST_NGINX_BINARY} || 'nginx',
    root               => $root,
    log_file           => "$root/logs/error.log",
    pid_file           => "$root/logs/nginx.pid",
    server_port        => $port,
    client_port        => $ENV{TEST_NGINX_CLIENT_PORT} || $port,
    timeout            => $ENV{TEST_NGINX_TIMEOUT} || 3,
    log_level          => $ENV{TEST_NGINX_LOG_LEVEL} || 'debug',
    master             => $ENV{TEST_NGINX_MASTER_PROCESS} || 'off',
    shuffle            => !$ENV{TEST_NGINX_NO_SHUFFLE},
    repeat             => 1,
    workers            => 1,
    worker_connections => 64,
    root_location      => 1,
    env                => [],
);

$ENV{TEST_NGINX_SERVER_ROOT} = $root;

my %random_port;

sub expand {
    my ($text) = @_;

    return '' if !defined $text;

    $text =~ s{\$(TEST_NGINX_[_A-Z0-9]+)}{
        my $variable = $1;

        $variable =~ /^TEST_NGINX_RAND_PORT_\d+$/
            ? $random_port{$variable} //= free_port()
            : $ENV{$variable} // die "\$$variable is not in the environment\n";
    }ge;

    return $text;
}

# Sections that name the server.
sub expand_port {
    my ($text) = @_;

    $text =~ s/\$ServerPort\b/$setting{server_port}/g;
    $text =~ s/\$ServerPortForClient\b/$setting{client_port}/g;
    return $text;
}

# Those of the block before, in a text that expand() is given.
sub forget_ports {
    %random_port = ();
    return;
}

1;
