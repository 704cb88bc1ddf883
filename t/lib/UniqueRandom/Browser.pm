package UniqueRandom::Browser;

# A headless Chromium, by the W3C's WebDriver.
#
#   my $browser = UniqueRandom::Browser->new(size => '1200,1380');
#   $browser->open($nginx->url('/docs'));
#   $browser->text('.title')
#
# It keeps what it writes in the test's folder, and goes when the test does.

use strict;
use warnings;

use HTTP::Tiny ();
use JSON::PP ();
use MIME::Base64 qw( decode_base64 );

use UniqueRandom::Util qw(
    at_exit descendants free_port is_alive read_file spawn tmp_dir wait_gone
    wait_until write_file
);

my $json = JSON::PP->new->canonical->utf8;

# Argument: size, of the window.
sub new {
    my ($class, %arg) = @_;

    my $tmp = tmp_dir() . '/browser';
    mkdir $tmp or die "$tmp: $!\n";

    # It leaves its settings nowhere else.
    local $ENV{HOME} = $tmp;
    local $ENV{TMPDIR} = $tmp;
    delete local @ENV{ grep {/^XDG_/} keys %ENV };

    my $self = bless {
        port    => free_port(),
        tmp     => $tmp,
        session => '',
        pids    => [],
    }, $class;

    # The browser hangs on a pipe to its driver, and the driver goes when the
    # test does, however that ends.
    $self->{driver} = spawn(
        log     => "$tmp/log",
        command => [
            qw( setpriv --pdeathsig KILL chromedriver ),
            "--port=$self->{port}",
        ],
    );

    at_exit(sub { $self->_end });

    $self->_start($arg{size});
    return $self;
}

sub _start {
    my ($self, $size) = @_;

    my $tmp = $self->{tmp};

    wait_until(sub {
        return !is_alive($self->{driver}) || HTTP::Tiny->new->get(
            "http://127.0.0.1:$self->{port}/status")->{success};
    }, 30, 'chromedriver answers');

    my ($chromium) = grep { -x } map {"$_/chromium"} split /:/, $ENV{PATH};

    my $session = $self->_ask(POST => '/session', { capabilities => {
        alwaysMatch => {
            browserName          => 'chrome',
            timeouts             => { script => 240_000 },
            'goog:loggingPrefs'  => { browser => 'ALL', performance => 'ALL' },
            'goog:chromeOptions' => {
                binary => $chromium,
                args   => [
                    qw(
                        --headless=new --no-sandbox --disable-gpu
                        --disable-dev-shm-usage --remote-debugging-pipe
                        --no-first-run --disable-background-networking
                        --disable-component-update --hide-scrollbars
                    ),
                    "--window-size=$size",
                    "--user-data-dir=$tmp/profile",
                ],
            },
        },
    } });

    $self->{session} = "/session/$session->{sessionId}";
    $self->{pids}    = [ descendants($self->{driver}) ];
    return;
}

# A command of the WebDriver; undef if there is no such element.
sub _ask {
    my ($self, $method, $command, $content) = @_;

    # A script may take long where others use the machine.
    my $answer = HTTP::Tiny->new(timeout => 300)->request($method,
        "http://127.0.0.1:$self->{port}$self->{session}$command", {
            headers => { 'Content-Type' => 'application/json' },
            $content ? (content => $json->encode($content)) : (),
        });
    my $value = eval { $json->decode($answer->{content})->{value} };

    return $value if $answer->{success};
    return if ref $value && $value->{error} eq 'no such element';
    die "$method $command: $answer->{content}\n"
        . read_file("$self->{tmp}/log");
}

sub open {    ## no critic (ProhibitBuiltinHomonyms)
    my ($self, $url) = @_;

    return $self->_ask(POST => '/url', { url => $url });
}

sub title { return $_[0]->_ask(GET => '/title') }

# Waits until the element is there.
sub element {
    my ($self, $selector) = @_;

    my $found = wait_until(sub {
        return $self->_ask(POST => '/element',
            { using => 'css selector', value => $selector });
    }, 30, "the page has $selector");

    return '/element/' . (values %$found)[0];
}

sub click {
    my ($self, $selector) = @_;

    return $self->_ask(POST => $self->element($selector) . '/click', {});
}

sub type {
    my ($self, $selector, $text) = @_;

    return $self->_ask(POST => $self->element($selector) . '/value',
        { text => $text });
}

sub text {
    my ($self, $selector) = @_;

    return $self->_ask(GET => $self->element($selector) . '/text');
}

# What a script returns, or a promise of it comes to.
sub run {
    my ($self, $script, @args) = @_;

    return $self->_ask(POST => '/execute/sync',
        { script => $script, args => \@args });
}

# A command of Chromium's own protocol.
sub devtools {
    my ($self, $command, %params) = @_;

    return $self->_ask(POST => '/goog/cdp/execute',
        { cmd => $command, params => \%params });
}

# What is in the window, into a file.
sub screenshot {
    my ($self, $path) = @_;

    return write_file($path, decode_base64($self->_ask(GET => '/screenshot')));
}

# What the console has said since the last call; a breach of a policy, too.
sub console {
    my ($self) = @_;

    return map {"$_->{level} $_->{message}"}
        @{ $self->_ask(POST => '/se/log', { type => 'browser' }) };
}

# The addresses that were asked since the last call.
sub asked {
    my ($self) = @_;

    my %asked;

    for (@{ $self->_ask(POST => '/se/log', { type => 'performance' }) }) {
        my $event = $json->decode($_->{message})->{message};

        $asked{ $event->{params}{request}{url} }++
            if $event->{method} eq 'Network.requestWillBeSent';
    }

    my @asked = sort keys %asked;
    return @asked;
}

sub close {    ## no critic (ProhibitBuiltinHomonyms)
    my ($self) = @_;

    $self->_ask(DELETE => '');
    kill TERM => $self->{driver};
    return wait_gone(30, $self->{driver}, @{ $self->{pids} });
}

sub _end {
    my ($self) = @_;

    my @pids = ($self->{driver}, @{ $self->{pids} },
        descendants($self->{driver}));
    kill KILL => grep { is_alive($_) } @pids;
    return wait_gone(20, @pids);
}

1;
