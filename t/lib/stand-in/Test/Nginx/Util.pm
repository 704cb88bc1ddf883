package Test::Nginx::Util;

# The work of the stand-in: for each block, nginx with its configuration, its
# requests, and a look at the answers and the error log.

use strict;
use warnings;

use Exporter qw( import );
use File::Path qw( make_path remove_tree );
use File::Spec ();
use HTTP::Response ();
use IO::Select ();
use IO::Socket::INET ();
use List::Util qw( shuffle );
use Test::More ();
use Time::HiRes qw( sleep time );

use UniqueRandom::Sanitizer ();
use UniqueRandom::Util qw(
    at_exit free_port is_alive read_file run wait_gone wait_until write_file
);

our @EXPORT = qw(
    add_block_preprocessor add_cleanup_handler bail_out env_to_nginx html_dir
    log_level master_off master_on no_long_string no_root_location no_shuffle
    repeat_each run_tests server_port server_port_for_client server_root
    timeout worker_connections workers
);

my %known = map { $_ => 1 } qw(
    config http_config main_config user_files log_level must_die
    request more_headers raw_request raw_request_middle_delay
    pipelined_requests timeout abort wait skip_eval
    error_code error_code_like response_headers
    raw_response_headers_like raw_response_headers_unlike
    response_body response_body_like response_body_unlike
    error_log no_error_log
    ONLY SKIP LAST
);

# What Test::Base keeps in a block besides its sections.
my %own = map { $_ => 1 } qw(
    name description seq_num is_filtered blocks_object original_values
);

my $binary      = $ENV{TEST_NGINX_BINARY} || 'nginx';
my $server_root = $ENV{TEST_NGINX_SERVROOT} || File::Spec->rel2abs('t/servroot');
my $log_file    = "$server_root/logs/error.log";
my $pid_file    = "$server_root/logs/nginx.pid";

my $server_port = $ENV{TEST_NGINX_SERVER_PORT} || $ENV{TEST_NGINX_PORT} || 1984;
my $client_port = $ENV{TEST_NGINX_CLIENT_PORT} || $server_port;

my $timeout            = $ENV{TEST_NGINX_TIMEOUT} || 3;
my $log_level          = $ENV{TEST_NGINX_LOG_LEVEL} || 'debug';
my $master             = $ENV{TEST_NGINX_MASTER_PROCESS} || 'off';
my $shuffle            = !$ENV{TEST_NGINX_NO_SHUFFLE};
my $repeat             = 1;
my $workers            = 1;
my $worker_connections = 64;
my $root_location      = 1;
my (@env, @preprocessors, @cleanup_handlers, %random_port, $log_position);

$ENV{TEST_NGINX_SERVER_ROOT} = $server_root;

# What the test scripts call

sub _accessor {
    my ($variable) = @_;

    return sub {
        $$variable = shift if @_;
        return $$variable;
    };
}

{
    no warnings 'once';
    *log_level              = _accessor(\$log_level);
    *repeat_each            = _accessor(\$repeat);
    *server_port            = _accessor(\$server_port);
    *server_port_for_client = _accessor(\$client_port);
    *timeout                = _accessor(\$timeout);
    *worker_connections     = _accessor(\$worker_connections);
    *workers                = _accessor(\$workers);
}

sub master_on ()        { return $master = 'on' }
sub master_off ()       { return $master = 'off' }
sub no_root_location () { return $root_location = 0 }
sub no_shuffle ()       { return $shuffle = 0 }
sub no_long_string ()   { return }
sub html_dir ()         { return "$server_root/html" }
sub server_root ()      { return $server_root }

sub env_to_nginx (@)             { return push @env, @_ }
sub add_block_preprocessor (&)   { return unshift @preprocessors, shift }
sub add_cleanup_handler ($)      { return unshift @cleanup_handlers, shift }

sub bail_out (@) {
    return Test::More::BAIL_OUT(@_);
}

sub run_tests () {
    $ENV{TEST_NGINX_SERVER_PORT} //= $server_port;

    my @blocks = Test::Base::blocks();

    for my $block ($shuffle ? shuffle(@blocks) : @blocks) {
        $_->($block) for @preprocessors;

        for my $section (grep { !$own{$_} && !/^_/ } keys %$block) {
            die 'section "', $section, '" of "', $block->name,
                "\" is not one that the stand-in knows\n"
                if !$known{$section};
        }

        $block->set_value('name', "$0 " . $block->name);
        _run_block($block);
    }

    return;
}

# One block

sub _run_block {
    my ($block) = @_;

    my $name = $block->name;
    my ($to_skip, $skip);

    if (defined $block->skip_eval) {
        ($to_skip, my $code) = $block->skip_eval =~ /^\s*(\d+)\s*:\s*(.*)/s
            or die "$name: invalid skip_eval\n";
        $skip = eval $code;    ## no critic (StringyEval)
        die "$name: skip_eval: $@" if $@;
    }

    for (1 .. $repeat) {
        next if !$skip;
        SKIP: { Test::More::skip("$name - skip_eval", $to_skip) }
    }

    return if $skip;

    die "$name: there is no config\n" if !defined $block->config;

    %random_port = ();
    _stop();
    _set_up($block);
    $log_position = 0;

    if (defined $block->must_die) {
        for (1 .. $repeat) {
            my ($status, $out) = _start();

            if ($block->must_die =~ /^\s*(\d+)\s*$/) {
                Test::More::is($1, $status,
                    "$name - die with the expected exit code");

            } else {
                Test::More::isnt($status, 0, "$name - die as expected");
            }

            _check_error_log($block);
            _stop();
        }

    } else {
        my ($status, $out) = _start();
        die "$name: nginx does not start: $out" if $status;

        for my $i (1 .. $repeat) {
            _write_user_files($block) if $i > 1;
            _run_requests($block);
        }
    }

    _stop();

    # One result too many, which is a failure by itself, is not to be missed.
    my $reports
        = UniqueRandom::Sanitizer::reports(read_file($log_file) // '');
    Test::More::fail("$name - the sanitizers have nothing to say\n$reports")
        if $reports ne '';

    return;
}

sub _expand {
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
sub _expand_port {
    my ($text) = @_;

    $text =~ s/\$ServerPort\b/$server_port/g;
    $text =~ s/\$ServerPortForClient\b/$client_port/g;
    return $text;
}

# nginx

sub _set_up {
    my ($block) = @_;

    remove_tree(map {"$server_root/$_"} qw( conf html logs ));
    remove_tree(glob "$server_root/*_temp");
    make_path(map {"$server_root/$_"} qw( conf html logs ));

    write_file("$server_root/html/index.html",
        '<html><head><title>It works!</title></head>'
            . '<body>It works!</body></html>');
    _write_user_files($block);

    my $level   = $block->log_level // $log_level;
    my $modules = join ' ', map {"load_module $_;"}
        split ' ', $ENV{TEST_NGINX_LOAD_MODULES} // '';
    my $temp = join ' ', map {"${_}_temp_path $server_root/${_}_temp;"}
        qw( client_body proxy fastcgi scgi uwsgi );

    my $main_config = _expand($block->main_config);
    my $http_config = _expand($block->http_config);
    my $config      = _expand($block->config);
    my $env  = join '', map { /\s/ ? "env '$_';\n" : "env $_;\n" } @env;
    my $user = $> == 0 ? 'user root;' : '';
    my $root = !$root_location ? '' : <<"EOT";
        location / {
            root $server_root/html;
            index index.html index.htm;
        }
EOT

    $env .= UniqueRandom::Sanitizer::env_directives();

    write_file("$server_root/conf/nginx.conf", <<"EOT");
worker_processes $workers;
daemon on;
master_process $master;
error_log $log_file $level;
pid $pid_file;
$env$user
$modules $main_config

http {
    access_log $server_root/logs/access.log;
    $temp
    default_type text/plain;
    keepalive_timeout 68000ms;

$http_config

    server {
        listen $server_port;
        server_name localhost;
        client_max_body_size 30M;

$config

$root
    }
}

events {
    accept_mutex off;
    worker_connections $worker_connections;
}
EOT

    return;
}

sub _write_user_files {
    my ($block) = @_;

    my $files = $block->user_files // return;

    if (!ref $files) {
        my (undef, @parts) = split /^>>> (\S+)[^\n]*\n/m, $files;

        $files = [];
        push @$files, [ splice @parts, 0, 2 ] while @parts;
    }

    for my $file (@$files) {
        my ($path, $content) = @$file;

        $path = "$server_root/html/$path" if $path !~ m{^/};
        make_path($path =~ m{^(.*)/});
        write_file($path, _expand($content));
    }

    return;
}

sub _start {
    my ($status, $out) = run(
        command => [
            UniqueRandom::Sanitizer::command($binary), '-e', $log_file,
            '-p', "$server_root/", '-c', "$server_root/conf/nginx.conf",
        ],
        merge => 1,
    );

    wait_until(\&_pid, 10, 'nginx has written its pid') if $status == 0;

    return ($status, $out);
}

sub _pid {
    return (read_file($pid_file) // '') =~ /^(\d+)\n/ ? $1 : undef;
}

# Also one that an earlier test has left behind.
sub _stop {
    my $pid = _pid();

    if (defined $pid && is_alive($pid)) {
        kill QUIT => $pid;

        eval { wait_gone($timeout, $pid); 1 } or do {
            warn "nginx does not leave; killing it\n";
            kill KILL => $pid;
            wait_gone(5, $pid);
        };
    }

    unlink $pid_file;
    return;
}

at_exit(sub {
    _stop();
    $_->() for @cleanup_handlers;
});

# Requests

sub _run_requests {
    my ($block) = @_;

    my @sent     = _requests($block);
    my $pipeline = $block->pipelined_requests;
    my $count    = $pipeline ? @$pipeline : @sent;
    my $rest     = '';

    for my $i (0 .. $count - 1) {
        if (!$pipeline || $i == 0) {
            warn 'WARNING: ', $block->name, " - bytes after the response: $rest\n"
                if $rest ne '';
            $rest = _exchange($block, $sent[$i]);
        }

        (my $response, my $headers, $rest) = _parse_response($block, $rest);

        _check_response($block, $response, $headers,
            sub { _expected($block, $_[0], $i, $count > 1 || $pipeline) });

        sleep $block->wait if $block->wait;
        _check_error_log($block);
    }

    return;
}

# What to expect of request $i in a section: one of several if there are.
sub _expected {
    my ($block, $section, $i, $several) = @_;

    my $value = $block->$section;

    return $value if ref $value ne 'ARRAY' && !$several;
    return $value->[$i] if ref $value eq 'ARRAY';

    die $block->name, ": with several requests, $section must be an array\n";
}

# Each request is an array of what to send in one piece.
sub _requests {
    my ($block) = @_;

    if (defined(my $raw = $block->raw_request)) {
        return ref $raw eq 'ARRAY' ? $raw : [$raw];
    }

    my $requests = $block->pipelined_requests;
    my $pipeline = defined $requests;

    $requests //= $block->request // die $block->name, ": there is no request\n";
    $requests = [$requests] if !ref $requests;

    my @all;

    for my $i (0 .. $#$requests) {
        my $headers = $block->more_headers // '';

        if (ref $headers eq 'ARRAY') {
            $headers = $headers->[$i]
                // die $block->name, ": more_headers lacks request $i\n";
        }

        push @all, [
            _build_request(
                $pipeline ? _expand($requests->[$i]) : $requests->[$i],
                $headers,
                $pipeline && $i < $#$requests ? 'keep-alive' : 'close'
            )
        ];
    }

    return $pipeline ? [ join '', map {@$_} @all ] : @all;
}

sub _build_request {
    my ($text, $more_headers, $connection) = @_;

    die "a request in pieces is not implemented\n" if ref $text;

    1 while $text =~ s/\A\s+|\A#[^\n]*\n//;

    my ($line, $body) = split /\n/, $text, 2;
    my ($method, $url, $version, $surplus) = split ' ', $line // '';
    die "invalid request line\n" if !defined $method || defined $surplus;

    my @headers = map { s/^([^:]*):\s*/$1: /r }
        grep { !/^\s*#/ } split /\n+/, $more_headers;
    my $has = sub { my $re = shift; return grep {/^$re:/i} @headers };

    $body //= '';
    unshift @headers, "Connection: $connection" if !$has->('Connection');
    unshift @headers, 'Host: localhost'         if !$has->('Host');

    if ($body ne '' && !$has->('Content-Length')
        && !grep {/^Transfer-Encoding: chunked$/i} @headers)
    {
        $body =~ s/^\s+|\s+$//g;
        push @headers, 'Content-Length: ' . length $body;
    }

    return join "\r\n",
        join(' ', $method, $url // '/', $version // 'HTTP/1.1'),
        @headers, '', $body;
}

# Sends, and reads until the server closes the connection.
sub _exchange {
    my ($block, $pieces) = @_;

    my $limit = $block->timeout // $timeout;
    $limit = $limit =~ /^([\d.]+)ms$/ ? $1 / 1000 : $limit =~ s/s$//r;

    my $socket = wait_until(sub {
        IO::Socket::INET->new(
            PeerAddr => '127.0.0.1',
            PeerPort => $client_port,
        );
    }, 10, 'nginx accepts connections');

    local $SIG{PIPE} = 'IGNORE';
    my $select = IO::Select->new($socket);
    my $answer = '';

    for my $i (0 .. $#$pieces) {
        sleep $block->raw_request_middle_delay
            if $i && $block->raw_request_middle_delay;
        syswrite $socket, $pieces->[$i];
    }

    while ($select->can_read($limit)) {
        return $answer
            if !sysread $socket, $answer, 65536, length $answer;
    }

    Test::More::fail('ERROR: client socket timed out - ' . $block->name)
        if !defined $block->abort;

    return $answer;
}

# Returns the response, the text of its headers, and what follows it.
sub _parse_response {
    my ($block, $raw) = @_;

    my $headers  = $raw =~ /\A(.*?\r\n)\r\n/s ? $1 : '';
    my $response = HTTP::Response->parse($raw);

    $response->code(undef) if ($response->code // '') !~ /^\d+$/;

    return ($response, $headers, '')
        if ($response->code // 0) =~ /^(?:101|304)$/;

    my $content = $response->content;
    my $length  = $response->header('Content-Length');
    my $rest    = '';

    if (($response->header('Transfer-Encoding') // '') eq 'chunked') {
        my $decoded = '';

        while ($content =~ s/\A[ \t]*([0-9A-Fa-f]+)[ \t]*\r\n//) {
            my $size = hex $1;

            $decoded .= substr $content, 0, $size, '';
            $content =~ s/\A\r\n// or last;

            if ($size == 0) {
                $rest    = $content;
                $content = undef;
                last;
            }
        }

        Test::More::fail($block->name . ' - invalid chunked body')
            if defined $content;
        $response->content($decoded);

    } elsif (defined $length && length $content > $length) {
        $rest = substr $content, $length;
        $response->content(substr $content, 0, $length);
    }

    return ($response, $headers, $rest);
}

# Results

sub _check_response {
    my ($block, $response, $headers, $expected) = @_;

    my $name = $block->name;
    my $code = $response->code // '';
    my $body = $response->content;

    if (defined $block->error_code_like) {
        my $pattern = $expected->('error_code_like');
        Test::More::like($code, qr/$pattern/sm, "$name - status code ok");

    } else {
        Test::More::is($code,
            defined $block->error_code ? $expected->('error_code') : 200,
            "$name - status code ok");
    }

    if (defined $block->raw_response_headers_like) {
        my $pattern = $expected->('raw_response_headers_like');
        Test::More::like($headers, qr/$pattern/s,
            "$name - raw resp headers like");
    }

    if (defined $block->raw_response_headers_unlike) {
        my $pattern = $expected->('raw_response_headers_unlike');
        Test::More::unlike($headers, qr/$pattern/s,
            "$name - raw resp headers unlike");
    }

    if (defined $block->response_headers) {
        my %header;

        for my $line (split /\n/, $expected->('response_headers')) {
            $line =~ s/^\s+|\s+$//g;

            if ($line =~ s/^!\s*//) {
                $header{$line} = undef;

            } else {
                my ($key, $value) = split /\s*:\s*/, $line, 2;
                $header{$key} = $value;
            }
        }

        for my $key (sort keys %header) {
            if (!defined $header{$key}) {
                Test::More::unlike($headers, qr/^\s*\Q$key\E\s*:/ms,
                    "$name - header $key not present in the raw headers");

            } else {
                Test::More::is(scalar $response->header($key) // '',
                    _expand_port($header{$key}), "$name - header $key ok");
            }
        }
    }

    if (defined $block->response_body) {
        my $text = $expected->('response_body');

        if (ref $text) {
            Test::More::like($body, $text, "$name - response_body - like");

        } else {
            Test::More::is($body, _expand(_expand_port($text)),
                "$name - response_body - response is expected");
        }

    } elsif (defined $block->response_body_like) {
        my $pattern = _expand_port($expected->('response_body_like'));
        Test::More::like($body, qr/$pattern/s, "$name - response_body_like");

    } elsif (defined $block->response_body_unlike) {
        my $pattern = _expand_port($expected->('response_body_unlike'));
        Test::More::unlike($body, qr/$pattern/s,
            "$name - response_body_unlike");
    }

    return;
}

# What was logged since the last time.
sub _new_log {
    my $log = read_file($log_file) // '';

    return substr $log, $log_position < length $log ? $log_position : length $log;
}

sub _patterns {
    my ($value) = @_;

    my @patterns
        = ref $value eq 'ARRAY' ? @$value
        : ref $value            ? $value
        :                         split /\n+/, $value // '';

    return map { ref $_ ? $_ : qr/\Q$_\E/ } @patterns;
}

sub _check_error_log {
    my ($block) = @_;

    my $name   = $block->name;
    my @wanted = _patterns($block->error_log);
    my @taboo  = _patterns($block->no_error_log);

    # A request is logged after its connection was closed.
    sleep 0.045;

    my $log = _new_log();
    my $has = sub {
        my ($pattern) = @_;
        return scalar grep { $_ =~ $pattern } split /^/, $log;
    };

    if (@wanted) {
        eval {
            wait_until(sub {
                $log = _new_log();
                return !grep { !$has->($_) } @wanted;
            }, 0.5);
        };
    }

    $log_position += length $log;

    Test::More::ok($has->($_),
        "$name - pattern \"$_\" should match a line in error.log")
        for @wanted;

    Test::More::ok(!$has->($_),
        "$name - pattern \"$_\" should not match any line in error.log")
        for @taboo;

    for my $line (grep {/\[(?:alert|crit|emerg)\]/} split /^/, $log) {
        warn "WARNING: $name - $line" if !grep { $line =~ $_ } @wanted;
    }

    return;
}

1;
