package Test::Nginx::Util;

# The work of the stand-in: for each block, nginx with its configuration, its
# requests, and a look at the answers and the error log.

use strict;
use warnings;

use Exporter qw( import );
use List::Util qw( shuffle );
use Test::More ();
use Time::HiRes qw( sleep );

use Test::Nginx::StandIn::Checks qw(
    check_error_log check_response forget_log
);
use Test::Nginx::StandIn::Exchange qw( exchange parse_response requests );
use Test::Nginx::StandIn::Server qw( set_up start stop write_user_files );
use Test::Nginx::StandIn::Settings qw( %setting forget_ports );
use UniqueRandom::Sanitizer ();
use UniqueRandom::Util qw( at_exit read_file );

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

my (@preprocessors, @cleanup_handlers);

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
    *log_level              = _accessor(\$setting{log_level});
    *repeat_each            = _accessor(\$setting{repeat});
    *server_port            = _accessor(\$setting{server_port});
    *server_port_for_client = _accessor(\$setting{client_port});
    *timeout                = _accessor(\$setting{timeout});
    *worker_connections     = _accessor(\$setting{worker_connections});
    *workers                = _accessor(\$setting{workers});
}

sub master_on ()        { return $setting{master} = 'on' }
sub master_off ()       { return $setting{master} = 'off' }
sub no_root_location () { return $setting{root_location} = 0 }
sub no_shuffle ()       { return $setting{shuffle} = 0 }
sub no_long_string ()   { return }
sub html_dir ()         { return "$setting{root}/html" }
sub server_root ()      { return $setting{root} }

sub env_to_nginx (@)             { return push @{ $setting{env} }, @_ }
sub add_block_preprocessor (&)   { return unshift @preprocessors, shift }
sub add_cleanup_handler ($)      { return unshift @cleanup_handlers, shift }

sub bail_out (@) {
    return Test::More::BAIL_OUT(@_);
}

sub run_tests () {
    $ENV{TEST_NGINX_SERVER_PORT} //= $setting{server_port};

    my @blocks = Test::Base::blocks();

    for my $block ($setting{shuffle} ? shuffle(@blocks) : @blocks) {
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

    for (1 .. $setting{repeat}) {
        next if !$skip;
        SKIP: { Test::More::skip("$name - skip_eval", $to_skip) }
    }

    return if $skip;

    die "$name: there is no config\n" if !defined $block->config;

    forget_ports();
    stop();
    set_up($block);
    forget_log();

    if (defined $block->must_die) {
        for (1 .. $setting{repeat}) {
            my ($status, $out) = start();

            if ($block->must_die =~ /^\s*(\d+)\s*$/) {
                Test::More::is($1, $status,
                    "$name - die with the expected exit code");

            } else {
                Test::More::isnt($status, 0, "$name - die as expected");
            }

            check_error_log($block);
            stop();
        }

    } else {
        my ($status, $out) = start();
        die "$name: nginx does not start: $out" if $status;

        for my $i (1 .. $setting{repeat}) {
            write_user_files($block) if $i > 1;
            _run_requests($block);
        }
    }

    stop();

    # One result too many, which is a failure by itself, is not to be missed.
    my $reports
        = UniqueRandom::Sanitizer::reports(read_file($setting{log_file}) // '');
    Test::More::fail("$name - the sanitizers have nothing to say\n$reports")
        if $reports ne '';

    return;
}

sub _run_requests {
    my ($block) = @_;

    my @sent     = requests($block);
    my $pipeline = $block->pipelined_requests;
    my $count    = $pipeline ? @$pipeline : @sent;
    my $rest     = '';

    for my $i (0 .. $count - 1) {
        if (!$pipeline || $i == 0) {
            warn 'WARNING: ', $block->name,
                " - bytes after the response: $rest\n"
                if $rest ne '';
            $rest = exchange($block, $sent[$i]);
        }

        (my $response, my $headers, $rest) = parse_response($block, $rest);

        check_response($block, $response, $headers,
            sub { _expected($block, $_[0], $i, $count > 1 || $pipeline) });

        sleep $block->wait if $block->wait;
        check_error_log($block);
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

at_exit(sub {
    stop();
    $_->() for @cleanup_handlers;
});

1;
