package Test::Nginx::StandIn::Exchange;

# Requests as the sections of a block have them, and what comes back.

use strict;
use warnings;

use Exporter qw( import );
use HTTP::Response ();
use IO::Select ();
use IO::Socket::INET ();
use Test::More ();
use Time::HiRes qw( sleep );

use Test::Nginx::StandIn::Settings qw( %setting expand );
use UniqueRandom::Util qw( wait_until );

our @EXPORT_OK = qw( requests exchange parse_response );

# Each request is an array of what to send in one piece.
sub requests {
    my ($block) = @_;

    if (defined(my $raw = $block->raw_request)) {
        return ref $raw eq 'ARRAY' ? $raw : [$raw];
    }

    my $requests = $block->pipelined_requests;
    my $pipeline = defined $requests;

    $requests //= $block->request
        // die $block->name, ": there is no request\n";
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
                $pipeline ? expand($requests->[$i]) : $requests->[$i],
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
sub exchange {
    my ($block, $pieces) = @_;

    my $limit = $block->timeout // $setting{timeout};
    $limit = $limit =~ /^([\d.]+)ms$/ ? $1 / 1000 : $limit =~ s/s$//r;

    my $socket = wait_until(sub {
        IO::Socket::INET->new(
            PeerAddr => '127.0.0.1',
            PeerPort => $setting{client_port},
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
sub parse_response {
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

1;
