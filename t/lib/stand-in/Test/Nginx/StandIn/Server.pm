package Test::Nginx::StandIn::Server;

# nginx: its files, from the sections of a block, and its processes.

use strict;
use warnings;

use Exporter qw( import );
use File::Path qw( make_path remove_tree );

use Test::Nginx::StandIn::Settings qw( %setting expand );
use UniqueRandom::Sanitizer ();
use UniqueRandom::Util qw(
    is_alive read_file run wait_gone wait_until write_file
);

our @EXPORT_OK = qw( set_up write_user_files start stop );

sub set_up {
    my ($block) = @_;

    remove_tree(map {"$setting{root}/$_"} qw( conf html logs ));
    remove_tree(glob "$setting{root}/*_temp");
    make_path(map {"$setting{root}/$_"} qw( conf html logs ));

    write_file("$setting{root}/html/index.html",
        '<html><head><title>It works!</title></head>'
            . '<body>It works!</body></html>');
    write_user_files($block);
    write_file("$setting{root}/conf/nginx.conf", _configuration($block));
    return;
}

sub _configuration {
    my ($block) = @_;

    my $level   = $block->log_level // $setting{log_level};
    my $modules = join ' ', map {"load_module $_;"}
        split ' ', $setting{modules};
    my $temp = join ' ', map {"${_}_temp_path $setting{root}/${_}_temp;"}
        qw( client_body proxy fastcgi scgi uwsgi );

    my $main_config = expand($block->main_config);
    my $http_config = expand($block->http_config);
    my $config      = expand($block->config);

    my $env = join '', map { /\s/ ? "env '$_';\n" : "env $_;\n" }
        @{ $setting{env} };
    my $user = $> == 0 ? 'user root;' : '';
    my $root = !$setting{root_location} ? '' : <<"EOT";
        location / {
            root $setting{root}/html;
            index index.html index.htm;
        }
EOT

    $env .= UniqueRandom::Sanitizer::env_directives();

    return <<"EOT";
worker_processes $setting{workers};
daemon on;
master_process $setting{master};
error_log $setting{log_file} $level;
pid $setting{pid_file};
$env$user
$modules $main_config

http {
    access_log $setting{root}/logs/access.log;
    $temp
    default_type text/plain;
    keepalive_timeout 68000ms;

$http_config

    server {
        listen $setting{server_port};
        server_name localhost;
        client_max_body_size 30M;

$config

$root
    }
}

events {
    accept_mutex off;
    worker_connections $setting{worker_connections};
}
EOT
}

sub write_user_files {
    my ($block) = @_;

    my $files = $block->user_files // return;

    if (!ref $files) {
        my (undef, @parts) = split /^>>> (\S+)[^\n]*\n/m, $files;

        $files = [];
        push @$files, [ splice @parts, 0, 2 ] while @parts;
    }

    for my $file (@$files) {
        my ($path, $content) = @$file;

        $path = "$setting{root}/html/$path" if $path !~ m{^/};
        make_path($path =~ m{^(.*)/});
        write_file($path, expand($content));
    }

    return;
}

sub start {
    my ($status, $out) = run(
        command => [
            UniqueRandom::Sanitizer::command($setting{binary}),
            '-e', $setting{log_file},
            '-p', "$setting{root}/", '-c', "$setting{root}/conf/nginx.conf",
        ],
        merge => 1,
    );

    wait_until(\&_pid, 10, 'nginx has written its pid') if $status == 0;

    return ($status, $out);
}

sub _pid {
    return (read_file($setting{pid_file}) // '') =~ /^(\d+)\n/ ? $1 : undef;
}

# Also one that an earlier test has left behind.
sub stop {
    my $pid = _pid();

    if (defined $pid && is_alive($pid)) {
        kill QUIT => $pid;

        eval { wait_gone($setting{timeout}, $pid); 1 } or do {
            warn "nginx does not leave; killing it\n";
            kill KILL => $pid;
            wait_gone(5, $pid);
        };
    }

    unlink $setting{pid_file};
    return;
}

1;
