package UniqueRandom::Blocks;

# What the suites in Test::Nginx's format share.  Loading it starts a cluster,
# and each block that asks for one has a database to itself:
#
#   $TEST_NGINX_SHARD        conninfo of a blank database of this block
#   $TEST_NGINX_SHARD_B      and of another one
#   ${DB_SHARD_0_URL}        and of two that nginx itself reads from its
#   ${DB_SHARD_1_URL}        environment
#   $TEST_NGINX_PG_PORT      where the cluster listens, on 127.0.0.1
#   $TEST_NGINX_PG_SOCKET    the folder of its Unix socket
#   $TEST_NGINX_DATABASE     the name of the database of $TEST_NGINX_SHARD
#   $TEST_NGINX_CLOSED_PORT  a port where nobody listens
#   $TEST_NGINX_HOLE_PORT    one where connections are accepted and no more
#
# Blocks are run in any order, and each of them counts on blank databases: a
# suite must not set repeat_each().  A block that says nothing else about the
# error log expects no [alert] and no [crit] in it, for each of its requests.
# UniqueRandom::Defaults has what else a block need not say.

use strict;
use warnings;

use Test::Nginx::Socket ();
use UniqueRandom::Defaults ();
use UniqueRandom::Postgres ();
use UniqueRandom::Util qw( black_hole free_port run );

# Not lexicals, which would end with this file.
our $pg   = UniqueRandom::Postgres->new(name => 'blocks');
our $hole = black_hole();

my $blocks = 0;

$ENV{TEST_NGINX_PG_PORT}     = $pg->port;
$ENV{TEST_NGINX_PG_SOCKET}   = $pg->socket;
$ENV{TEST_NGINX_CLOSED_PORT} = free_port();
$ENV{TEST_NGINX_HOLE_PORT}   = $hole->port;

# libpq, and so psql, would take defaults from there.
delete @ENV{ grep {/^PG/} keys %ENV };

Test::Nginx::Util::add_block_preprocessor(sub {
    my ($block) = @_;

    UniqueRandom::Defaults::fill_in($block);

    _give_time($block) if !defined $block->must_die;

    my $text = join '', map { $_ // '' } $block->main_config,
        $block->http_config, $block->config, $block->user_files;

    $blocks++;

    for my $variable (qw( SHARD SHARD_B DB_SHARD_0_URL DB_SHARD_1_URL )) {
        my $name = $variable =~ /^DB_/ ? $variable : "TEST_NGINX_$variable";

        # By the variable, or by the name of its database alone.
        next if $text !~ /\$\{?$name\b/
            && ($variable ne 'SHARD' || $text !~ /\$TEST_NGINX_DATABASE\b/);

        my $database = "block${blocks}_\L$variable";

        $pg->create_database($database);
        $ENV{$name} = $pg->url(db => $database);
        $ENV{TEST_NGINX_DATABASE} = $database if $variable eq 'SHARD';
    }

    $block->set_value(no_error_log => "[alert]\n[crit]\n")
        if !defined $block->no_error_log && !defined $block->must_die;
});

# By default a range is given up that does not answer for two seconds, and what
# was asked for is burned: less than a machine may stand still.
sub _give_time {
    my ($block) = @_;

    my $text = $block->http_config // return;
    my $more = join '', map { $text =~ /\b$_->[0]\b/ ? () : " @$_;" }
        [ connect_timeout => '20s' ], [ reserve_timeout => '30s' ];

    $block->set_value(http_config => $text)
        if $text =~ s/^(\s*unique_random_pool \s*\S+ \s*\{)/$1$more/gmx;
    return;
}

# Whether this nginx was built without a module, for `skip_eval`.
my $options;

sub nginx_lacks {
    my ($module) = @_;

    $options //= (run(
        command => [ $ENV{TEST_NGINX_BINARY} || 'nginx', '-V' ],
        merge   => 1,
    ))[1];

    return $options !~ /--with-\Q$module\E\b/;
}

1;
