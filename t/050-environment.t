# ${NAME} and ${NAME:-default} in the parameters of "shard".

use lib 't/lib';
use UniqueRandom::Slot;
use Test::Nginx::Socket;
use UniqueRandom::Blocks;

plan tests => 169;

$ENV{DB_SHARD_0_RANGE_START} = 7;
$ENV{DB_SHARD_0_RANGE_END}   = 7;

$ENV{UR_SCHEME}       = 'postgresql+psycopg2';
$ENV{UR_HOST}         = '127.0.0.1';
$ENV{UR_PORT}         = $ENV{TEST_NGINX_PG_PORT};
$ENV{UR_PASSWORD}     = 'sesame';
$ENV{UR_BAD_CONNINFO} = 'postgresql://nginx:sesame@[::1/numbers';
$ENV{UR_ZERO}         = 0;
$ENV{UR_FIRST}        = 7;
$ENV{UR_LAST}         = 8;
$ENV{UR_RANGE}        = 'range=7-7';
$ENV{UR_BAD_RANGE}    = '9-1';
$ENV{UR_NAME}         = 'first';
$ENV{UR_FAILS}        = 2;
$ENV{UR_TIME}         = '5s';
$ENV{UR_POLICY}       = 'trust';
$ENV{UR_FLAG}         = 'down';
$ENV{UR_TRAP}         = '${UR_NAME}';
$ENV{UR_EMPTY}        = '';

delete @ENV{qw( UR_UNSET DB_SHARD_1_RANGE_START DB_SHARD_1_RANGE_END )};

# As an operator would, for a binary upgrade.
env_to_nginx(qw( DB_SHARD_0_URL DB_SHARD_0_RANGE_START DB_SHARD_0_RANGE_END ));

# Messages are compared as a whole.
add_block_preprocessor(sub {
    my ($block) = @_;

    return if !defined $block->must_die;

    (my $message = $block->error_log) =~ s/\s+\z//;
    $block->set_value(error_log =>
        qr/^\S+ \S+ \[emerg\] \d+#\d+: \Q$message\E in \S+nginx\.conf:\d+$/);
});

no_long_string();
run_tests();

__DATA__

=== TEST 1: a conninfo
--- http_config
    unique_random_pool numbers {
        shard      ${DB_SHARD_0_URL} range=7-7;
        bootstrap  on;
    }
--- config
    location = /random {
        unique_random;
    }
--- request
GET /random
--- response_body chomp
{"number":7}



=== TEST 2: a conninfo in quotes
--- http_config
    unique_random_pool numbers {
        shard      "${DB_SHARD_0_URL}" range=7-7;
        bootstrap  on;
    }
--- config
    location = /random {
        unique_random;
    }
--- request
GET /random
--- response_body chomp
{"number":7}



=== TEST 3: a conninfo in single quotes
--- http_config
    unique_random_pool numbers {
        shard      '${DB_SHARD_0_URL}' range=7-7;
        bootstrap  on;
    }
--- config
    location = /random {
        unique_random;
    }
--- request
GET /random
--- response_body chomp
{"number":7}



=== TEST 4: the variables of two shards, and defaults for those that are not set
--- http_config
    unique_random_pool numbers {
        shard  "${DB_SHARD_0_URL}"
               range=${DB_SHARD_0_RANGE_START:-1}-${DB_SHARD_0_RANGE_END:-500000};
        shard  "${DB_SHARD_1_URL}"
               range=${DB_SHARD_1_RANGE_START:-500001}-${DB_SHARD_1_RANGE_END:-500002};
        bootstrap  on;
    }
--- config
    location = /random {
        unique_random;
    }
--- request eval
[("GET /random") x 4]
--- error_code eval
[200, 200, 200, 409]
--- response_body eval
[(qr/\A\{"number":(?:7|50000[12])\}\z/) x 3,
'{"detail":"All available numbers have been used."}']



=== TEST 5: a driver in the scheme of a variable
--- http_config
    unique_random_pool numbers {
        shard      "${UR_SCHEME}://postgres@127.0.0.1:$TEST_NGINX_PG_PORT/$TEST_NGINX_DATABASE" range=7-7;
        bootstrap  on;
    }
--- config
    location = /random {
        unique_random;
    }
--- request
GET /random
--- response_body chomp
{"number":7}



=== TEST 6: parts of a conninfo
--- http_config
    unique_random_pool numbers {
        shard      "host=${UR_HOST} port=${UR_PORT} user=postgres dbname=$TEST_NGINX_DATABASE password=${UR_PASSWORD}"
                   range=7-7;
        bootstrap  on;
    }
--- config
    location = /random {
        unique_random;
    }
--- request
GET /random
--- no_error_log
[alert]
[crit]
sesame
--- response_body chomp
{"number":7}



=== TEST 7: a whole range
--- http_config
    unique_random_pool numbers {
        shard      $TEST_NGINX_SHARD ${UR_RANGE};
        bootstrap  on;
    }
--- config
    location = /random {
        unique_random;
    }
--- request
GET /random
--- response_body chomp
{"number":7}



=== TEST 8: FIRST and LAST of a range
--- http_config
    unique_random_pool numbers {
        shard      $TEST_NGINX_SHARD range=${UR_FIRST}-${UR_FIRST};
        bootstrap  on;
    }
--- config
    location = /random {
        unique_random;
    }
--- request
GET /random
--- response_body chomp
{"number":7}



=== TEST 9: several in a row, and text around them
--- http_config
    unique_random_pool numbers {
        shard      $TEST_NGINX_SHARD range=${UR_ZERO}${UR_FIRST}-${UR_EMPTY}0${UR_FIRST}${UR_EMPTY};
        bootstrap  on;
    }
--- config
    location = /random {
        unique_random;
    }
--- request
GET /random
--- response_body chomp
{"number":7}



=== TEST 10: a name
--- http_config
    unique_random_pool numbers {
        shard      $TEST_NGINX_SHARD range=7-7 name=the-${UR_NAME}-one;
        bootstrap  on;
    }
--- config
    location = /random {
        unique_random;
        add_header  X-Shard $unique_random_shard;
    }
--- request
GET /random
--- response_headers
X-Shard: the-first-one



=== TEST 11: max_fails, fail_timeout and failover
--- http_config
    unique_random_pool numbers {
        shard      $TEST_NGINX_SHARD range=7-7
                   max_fails=${UR_FAILS} fail_timeout=${UR_TIME} failover=${UR_POLICY};
        bootstrap  on;
    }
--- config
    location = /random {
        unique_random;
    }
--- request
GET /random
--- response_body chomp
{"number":7}



=== TEST 12: a flag
--- http_config
    unique_random_pool numbers {
        shard      $TEST_NGINX_SHARD range=7-7 ${UR_FLAG};
        bootstrap  on;
    }
--- config
    location = /random {
        unique_random;
    }
--- request
GET /random
--- error_code: 503
--- response_body chomp
{"detail":"No number could be reserved in time."}



=== TEST 13: a default is used when the variable is not set
--- http_config
    unique_random_pool numbers {
        shard      $TEST_NGINX_SHARD range=${UR_UNSET:-7}-${UR_UNSET:-7};
        bootstrap  on;
    }
--- config
    location = /random {
        unique_random;
    }
--- request
GET /random
--- response_body chomp
{"number":7}



=== TEST 14: a default is used when the variable is empty
--- http_config
    unique_random_pool numbers {
        shard      $TEST_NGINX_SHARD range=${UR_EMPTY:-7}-7;
        bootstrap  on;
    }
--- config
    location = /random {
        unique_random;
    }
--- request
GET /random
--- response_body chomp
{"number":7}



=== TEST 15: a default is not used when the variable is set
--- http_config
    unique_random_pool numbers {
        shard      $TEST_NGINX_SHARD range=${UR_FIRST:-1}-${UR_FIRST:-9};
        bootstrap  on;
    }
--- config
    location = /random {
        unique_random;
    }
--- request
GET /random
--- response_body chomp
{"number":7}



=== TEST 16: a default that is empty
--- http_config
    unique_random_pool numbers {
        shard      $TEST_NGINX_SHARD range=${UR_UNSET:-}7-7${UR_EMPTY:-};
        bootstrap  on;
    }
--- config
    location = /random {
        unique_random;
    }
--- request
GET /random
--- response_body chomp
{"number":7}



=== TEST 17: a default with a colon, a dash and spaces
--- http_config
    unique_random_pool numbers {
        shard      "${UR_UNSET:-host=127.0.0.1 port=$TEST_NGINX_PG_PORT user=postgres dbname=$TEST_NGINX_DATABASE}"
                   range=${UR_UNSET:-7-7};
        bootstrap  on;
    }
--- config
    location = /random {
        unique_random;
    }
--- request
GET /random
--- response_body chomp
{"number":7}



=== TEST 18: a URL as default
--- http_config
    unique_random_pool numbers {
        shard      "${UR_UNSET:-$TEST_NGINX_SHARD}" range=7-7;
        bootstrap  on;
    }
--- config
    location = /random {
        unique_random;
    }
--- request
GET /random
--- response_body chomp
{"number":7}



=== TEST 19: a variable that is empty is nothing
--- http_config
    unique_random_pool numbers {
        shard      $TEST_NGINX_SHARD range=${UR_EMPTY}7-7;
        bootstrap  on;
    }
--- config
    location = /random {
        unique_random;
    }
--- request
GET /random
--- response_body chomp
{"number":7}



=== TEST 20: the value of a variable is not looked into
--- http_config
    unique_random_pool numbers {
        shard      $TEST_NGINX_SHARD range=7-7 name=${UR_TRAP};
        bootstrap  on;
    }
--- config
    location = /random {
        unique_random;
        add_header  X-Shard $unique_random_shard;
    }
--- request
GET /random
--- response_headers
X-Shard: ${UR_NAME}



=== TEST 21: a dollar without a bracket is a dollar
--- http_config
    unique_random_pool numbers {
        shard      $TEST_NGINX_SHARD range=7-7 name=$UR_NAME-$$;
        bootstrap  on;
    }
--- config
    location = /random {
        unique_random;
        add_header  X-Shard $unique_random_shard;
    }
--- request
GET /random
--- response_headers
X-Shard: $UR_NAME-$$



=== TEST 22: a variable that "env" changes is read as it was
--- http_config
    unique_random_pool numbers {
        shard      $TEST_NGINX_SHARD range=${UR_FIRST}-7;
        bootstrap  on;
    }
--- config
    location = /random {
        unique_random;
    }
--- request
GET /random
--- main_config
    env  UR_FIRST=1;
--- response_body chomp
{"number":7}



=== TEST 23: a variable in a file that is included
--- http_config
    unique_random_pool numbers {
        include    $TEST_NGINX_SERVER_ROOT/html/shard.conf;
        bootstrap  on;
    }
--- config
    location = /random {
        unique_random;
    }
--- request
GET /random
--- user_files
>>> shard.conf
shard "${DB_SHARD_0_URL}" range=${UR_FIRST}-${UR_FIRST};
--- response_body chomp
{"number":7}



=== TEST 24: a conninfo that is not set
--- http_config
    unique_random_pool numbers {
        shard  ${UR_UNSET} range=1-9;
    }
--- config
--- must_die
--- error_log
environment variable "UR_UNSET" is not set (a binary upgrade keeps it only with "env UR_UNSET;")
--- no_error_log
sesame



=== TEST 25: a part of a conninfo that is not set
--- http_config
    unique_random_pool numbers {
        shard  postgresql://nginx:sesame@${UR_UNSET}/numbers range=1-9;
    }
--- config
--- must_die
--- error_log
environment variable "UR_UNSET" is not set (a binary upgrade keeps it only with "env UR_UNSET;")
--- no_error_log
sesame



=== TEST 26: a range that is not set
--- http_config
    unique_random_pool numbers {
        shard  postgresql://nginx:sesame@127.0.0.1/numbers range=1-${UR_UNSET};
    }
--- config
--- must_die
--- error_log
environment variable "UR_UNSET" is not set (a binary upgrade keeps it only with "env UR_UNSET;")
--- no_error_log
sesame



=== TEST 27: a name that is not set
--- http_config
    unique_random_pool numbers {
        shard  postgresql://nginx:sesame@127.0.0.1/numbers range=1-9 name=${UR_UNSET};
    }
--- config
--- must_die
--- error_log
environment variable "UR_UNSET" is not set (a binary upgrade keeps it only with "env UR_UNSET;")
--- no_error_log
sesame



=== TEST 28: a max_fails that is not set
--- http_config
    unique_random_pool numbers {
        shard  postgresql://nginx:sesame@127.0.0.1/numbers range=1-9 max_fails=${UR_UNSET};
    }
--- config
--- must_die
--- error_log
environment variable "UR_UNSET" is not set (a binary upgrade keeps it only with "env UR_UNSET;")
--- no_error_log
sesame



=== TEST 29: a fail_timeout that is not set
--- http_config
    unique_random_pool numbers {
        shard  postgresql://nginx:sesame@127.0.0.1/numbers range=1-9 fail_timeout=${UR_UNSET};
    }
--- config
--- must_die
--- error_log
environment variable "UR_UNSET" is not set (a binary upgrade keeps it only with "env UR_UNSET;")
--- no_error_log
sesame



=== TEST 30: a failover that is not set
--- http_config
    unique_random_pool numbers {
        shard  postgresql://nginx:sesame@127.0.0.1/numbers range=1-9 failover=${UR_UNSET};
    }
--- config
--- must_die
--- error_log
environment variable "UR_UNSET" is not set (a binary upgrade keeps it only with "env UR_UNSET;")
--- no_error_log
sesame



=== TEST 31: a flag that is not set
--- http_config
    unique_random_pool numbers {
        shard  postgresql://nginx:sesame@127.0.0.1/numbers range=1-9 ${UR_UNSET};
    }
--- config
--- must_die
--- error_log
environment variable "UR_UNSET" is not set (a binary upgrade keeps it only with "env UR_UNSET;")
--- no_error_log
sesame



=== TEST 32: the second variable is not set
--- http_config
    unique_random_pool numbers {
        shard  postgresql://nginx:sesame@127.0.0.1/numbers range=${UR_FIRST}-${UR_UNSET};
    }
--- config
--- must_die
--- error_log
environment variable "UR_UNSET" is not set (a binary upgrade keeps it only with "env UR_UNSET;")
--- no_error_log
sesame



=== TEST 33: a bracket that is not closed in a conninfo
--- http_config
    unique_random_pool numbers {
        shard  postgresql://nginx:sesame@${UR_HOST range=1-9;
    }
--- config
--- must_die
--- error_log
the closing bracket of "${" is missing
--- no_error_log
sesame



=== TEST 34: a bracket that is not closed in a range
--- http_config
    unique_random_pool numbers {
        shard  postgresql://nginx:sesame@127.0.0.1/numbers range=1-${UR_LAST;
    }
--- config
--- must_die
--- error_log
the closing bracket of "${" is missing
--- no_error_log
sesame



=== TEST 35: a bracket that is not closed after one that is
--- http_config
    unique_random_pool numbers {
        shard  postgresql://nginx:sesame@127.0.0.1/numbers range=${UR_FIRST}-${UR_LAST;
    }
--- config
--- must_die
--- error_log
the closing bracket of "${" is missing
--- no_error_log
sesame



=== TEST 36: a bracket with nothing in it
--- http_config
    unique_random_pool numbers {
        shard  postgresql://nginx:sesame@127.0.0.1/numbers range=1-${};
    }
--- config
--- must_die
--- error_log
invalid environment variable ""
--- no_error_log
sesame



=== TEST 37: a default of nothing
--- http_config
    unique_random_pool numbers {
        shard  postgresql://nginx:sesame@127.0.0.1/numbers range=1-${:-9};
    }
--- config
--- must_die
--- error_log
invalid environment variable ""
--- no_error_log
sesame



=== TEST 38: a colon needs a dash
--- http_config
    unique_random_pool numbers {
        shard  postgresql://nginx:sesame@127.0.0.1/numbers range=1-${UR_LAST:9};
    }
--- config
--- must_die
--- error_log
invalid text after environment variable "UR_LAST", "}" or ":-" is expected
--- no_error_log
sesame



=== TEST 39: a flag that is empty is none
--- http_config
    unique_random_pool numbers {
        shard $TEST_NGINX_SHARD range=5-5 ${UR_EMPTY};
        bootstrap on;
    }
--- config
    location = /random {
        unique_random;
    }
--- request
GET /random
--- response_body chomp
{"number":5}



=== TEST 40: a name that is empty
--- http_config
    unique_random_pool numbers {
        shard  postgresql://nginx:sesame@127.0.0.1/numbers range=1-9 name=${UR_EMPTY};
    }
--- config
--- must_die
--- error_log
invalid value "name=" in "shard" directive, a name is expected
--- no_error_log
sesame



=== TEST 41: a conninfo that is wrong is not shown
--- http_config
    unique_random_pool numbers {
        shard  "${UR_BAD_CONNINFO}" range=1-9;
    }
--- config
--- must_die
--- error_log
the conninfo of "shard" is neither a URI nor a list of key=value pairs that libpq understands (it is not shown, since it may hold a password)
--- no_error_log
sesame



=== TEST 42: a range that is wrong
--- http_config
    unique_random_pool numbers {
        shard  postgresql://nginx:sesame@127.0.0.1/numbers range=${UR_BAD_RANGE};
    }
--- config
--- must_die
--- error_log
invalid range "range=9-1", FIRST must not be greater than LAST
--- no_error_log
sesame



=== TEST 43: a secret that is no conninfo is not shown
--- http_config
    unique_random_pool numbers {
        shard  "${UR_PASSWORD}" range=1-9;
    }
--- config
--- must_die
--- error_log
the conninfo of "shard" is neither a URI nor a list of key=value pairs that libpq understands (it is not shown, since it may hold a password)
--- no_error_log
sesame



=== TEST 44: only "shard" reads the environment
--- http_config
    unique_random_pool numbers {
        shard  postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        queue  ${UR_FIRST};
    }
--- config
--- must_die
--- error_log
invalid value "${UR_FIRST}" in "queue" directive, a number between 0 and 1000000 is expected
--- no_error_log
sesame
