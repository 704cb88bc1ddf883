package Test::Nginx::StandIn::Checks;

# What a block expects of a response and of the error log.

use strict;
use warnings;

use Exporter qw( import );
use Test::More ();
use Time::HiRes qw( sleep );

use Test::Nginx::StandIn::Settings qw( %setting expand expand_port );
use UniqueRandom::Util qw( read_file wait_until );

our @EXPORT_OK = qw( check_response check_error_log forget_log );

my $log_position = 0;

sub check_response {
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

    _check_headers($name, $response, $headers, $expected->('response_headers'))
        if defined $block->response_headers;

    if (defined $block->response_body) {
        my $text = $expected->('response_body');

        if (ref $text) {
            Test::More::like($body, $text, "$name - response_body - like");

        } else {
            Test::More::is($body, expand(expand_port($text)),
                "$name - response_body - response is expected");
        }

    } elsif (defined $block->response_body_like) {
        my $pattern = expand_port($expected->('response_body_like'));
        Test::More::like($body, qr/$pattern/s, "$name - response_body_like");

    } elsif (defined $block->response_body_unlike) {
        my $pattern = expand_port($expected->('response_body_unlike'));
        Test::More::unlike($body, qr/$pattern/s,
            "$name - response_body_unlike");
    }

    return;
}

# "NAME: VALUE" and "! NAME", a line for each.
sub _check_headers {
    my ($name, $response, $headers, $expected) = @_;

    my %header;

    for my $line (split /\n/, $expected) {
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
                expand_port($header{$key}), "$name - header $key ok");
        }
    }

    return;
}

# The one of the block before.
sub forget_log {
    $log_position = 0;
    return;
}

# What was logged since the last time.
sub _new_log {
    my $log = read_file($setting{log_file}) // '';

    return substr $log,
        $log_position < length $log ? $log_position : length $log;
}

sub _patterns {
    my ($value) = @_;

    my @patterns
        = ref $value eq 'ARRAY' ? @$value
        : ref $value            ? $value
        :                         split /\n+/, $value // '';

    return map { ref $_ ? $_ : qr/\Q$_\E/ } @patterns;
}

sub check_error_log {
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
            }, 10);
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
