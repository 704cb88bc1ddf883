package UniqueRandom::Defaults;

# What a block need not say, and how it says the rest in a line each.
#
# A block without http_config has a pool "numbers" with one shard, bootstrap on,
# and 7 as its only number.  One without config has a location /random that
# draws from it, and one without a request asks that for a number.  These say in
# which way they are different:
#
#   --- conninfo: postgresql://...    of the shard
#   --- shard: range=1-9 name=a       what the shard has besides
#   --- pool: lease off;              directives of the pool, after the shard
#   --- location: etag on;            directives of the location
#
# With any of them, http_config or config is what comes after that pool or
# location.  The shard is the blank database $TEST_NGINX_SHARD, but in a block
# that is only about what nginx makes of its configuration:
#
#   --- emerg: MESSAGE
#
#       It is refused, in exactly these words.  A message ends with the file and
#       the line: " in http.conf:3" is line 3 of http_config, which is put into
#       a file for this, and " in nginx.conf" is anywhere in config.  If it does
#       not, the last line of the shard and the directives above is meant.  This
#       makes 3 results.
#
#   --- accepted
#
#       It is accepted, without a warning.  This makes 7 results.  With a
#       response_body there is a database, and a number is asked for, after all.
#
# Such a pool has neither bootstrap on nor a database.  Its conninfo is only an
# example, with numbers from 1 to 9 and the password "sesame"; that this is not
# in the error log is one of the results.

use strict;
use warnings;

my $example = 'postgresql://nginx:sesame@127.0.0.1/numbers';

my $silence = join "\n", qw( [emerg] [alert] [crit] [warn] sesame );

my $ok = <<'EOT';
    location = /ok {
        return 200 ok;
    }
EOT

sub fill_in {
    my ($block) = @_;

    my %short = map { $_ => _take($block, $_) }
        qw( conninfo shard pool location emerg accepted );

    # Such a block says everything itself.
    return if defined $block->must_die;

    my $refused = defined $short{emerg};
    my $draws   = !$refused
        && (!defined $short{accepted} || defined $block->response_body);

    my $line = _add_pool($block, $draws, @short{qw( conninfo shard pool )});
    _add_location($block, $draws, $short{location});

    if ($refused) {
        _refuse($block, $short{emerg}, $line);
        return;
    }

    _default($block, no_error_log => $silence) if defined $short{accepted};

    if (!$draws) {
        _default($block,
            config => $ok, request => 'GET /ok', response_body => 'ok');

    } elsif (!defined $block->pipelined_requests
        && !defined $block->raw_request)
    {
        _default($block, request => 'GET /random');
    }

    return;
}

# Returns the number of the last line of the shard and the directives.
sub _add_pool {
    my ($block, $draws, $conninfo, $shard, $pool) = @_;

    return
        if defined $block->http_config
        && !grep {defined} $conninfo, $shard, $pool;

    $conninfo //= $draws ? '$TEST_NGINX_SHARD' : $example;
    $shard    //= $draws ? 'range=7-7' : 'range=1-9';

    my $text = "    unique_random_pool numbers {\n"
        . "        shard $conninfo $shard;\n" . _lines($pool);
    my $line = $text =~ tr/\n//;

    $text .= "        bootstrap on;\n" if $draws;
    $text .= "    }\n" . _lines($block->http_config);
    $block->set_value(http_config => $text);

    return $line;
}

sub _add_location {
    my ($block, $draws, $location) = @_;

    return if !defined $location && (!$draws || defined $block->config);

    $block->set_value(config =>
        "    location = /random {\n        unique_random;\n"
        . _lines($location) . "    }\n" . _lines($block->config));

    return;
}

sub _lines {
    my ($text) = @_;

    return ($text // '') =~ s/(?<=\S)\s*\z/\n/r;
}

sub _refuse {
    my ($block, $message, $line) = @_;

    my $root = $ENV{TEST_NGINX_SERVER_ROOT};

    $message =~ s/\s+\z//;
    $message .= " in http.conf:$line"
        if defined $line && $message !~ / in \w+\.conf(?::\d+)?\z/;
    $message =~ s/\$TEST_NGINX_SERVER_ROOT\b/$root/g;
    $message =~ s{ in (?=\w+\.conf:)}{ in $root/html/}g;

    # With quotemeta(), nobody could read what a failed test has looked for.
    $message =~ s/([\\^\$.|?*+()\[\]{}])/\\$1/g;
    $message =~ s{ in nginx\\\.conf\z}{ in \\S+/nginx\\.conf:\\d+};

    _default($block, config => '', user_files => '');
    $block->set_value(user_files =>
        $block->user_files . ">>> http.conf\n" . $block->http_config);
    $block->set_value(http_config  => "include $root/html/http.conf;\n");
    $block->set_value(must_die     => '');
    $block->set_value(no_error_log => "sesame\n");
    $block->set_value(error_log    =>
        qr/^\S+ \S+ \[emerg\] \d+#\d+: $message$/);

    return;
}

sub _default {
    my ($block, %value) = @_;

    for my $section (keys %value) {
        $block->set_value($section => $value{$section})
            if !defined $block->$section;
    }

    return;
}

# Nothing that Test::Nginx does not know remains in the block.
sub _take {
    my ($block, $section) = @_;

    my $value = delete $block->{$section};

    return $value && $value->[0];
}

1;
