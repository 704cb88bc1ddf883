package UniqueRandom::Slot;

# Where Test::Nginx runs its nginx: at a port and in a folder of this process
# alone, unless the environment says where; and for how long it waits for an
# answer, on a machine that others use, too.  It reads that when it is loaded:
#
#   use UniqueRandom::Slot;
#   use Test::Nginx::Socket;

use strict;
use warnings;

use UniqueRandom::Util qw( free_port tmp_dir );

$ENV{TEST_NGINX_SERVER_PORT}
    ||= '127.0.0.1:' . ($ENV{TEST_NGINX_PORT} || free_port());
$ENV{TEST_NGINX_CLIENT_PORT} ||= $ENV{TEST_NGINX_SERVER_PORT} =~ s/.*://r;
$ENV{TEST_NGINX_TIMEOUT}     ||= 30;
$ENV{TEST_NGINX_SERVROOT}    ||= tmp_dir() . '/servroot';

1;
