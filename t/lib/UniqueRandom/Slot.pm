package UniqueRandom::Slot;

# Where Test::Nginx runs its nginx: at a port and in a folder of this process
# alone, unless the environment says where.  It reads that when it is loaded:
#
#   use UniqueRandom::Slot;
#   use Test::Nginx::Socket;

use strict;
use warnings;

use UniqueRandom::Util qw( free_port tmp_dir );

$ENV{TEST_NGINX_SERVER_PORT}
    ||= '127.0.0.1:' . ($ENV{TEST_NGINX_PORT} || free_port());
$ENV{TEST_NGINX_CLIENT_PORT} ||= $ENV{TEST_NGINX_SERVER_PORT} =~ s/.*://r;
$ENV{TEST_NGINX_SERVROOT}    ||= tmp_dir() . '/servroot';

# A machine that stands still for a while is no answer that does not come.
$ENV{TEST_NGINX_TIMEOUT} ||= 30;

1;
