# ${NAME} and ${NAME:-default} in the parameters of "shard".

use lib 't/lib';
use UniqueRandom::Slot;
use Test::Nginx::Socket;
use UniqueRandom::Blocks;

plan tests => 3 * blocks('emerg') + 109;

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

no_long_string();
run_tests();

__DATA__

=== TEST 1: a conninfo
--- conninfo: ${DB_SHARD_0_URL}
--- response_body: {"number":7}

=== TEST 2: a conninfo in quotes
--- conninfo: "${DB_SHARD_0_URL}"
--- response_body: {"number":7}

=== TEST 3: a conninfo in single quotes
--- conninfo: '${DB_SHARD_0_URL}'
--- response_body: {"number":7}

=== TEST 4: the variables of two shards, and defaults for those that are not set
--- conninfo: "${DB_SHARD_0_URL}"
--- shard: range=${DB_SHARD_0_RANGE_START:-1}-${DB_SHARD_0_RANGE_END:-500000}
--- pool: shard "${DB_SHARD_1_URL}" range=${DB_SHARD_1_RANGE_START:-500001}-${DB_SHARD_1_RANGE_END:-500002};
--- request eval
[("GET /random") x 4]
--- error_code eval
[200, 200, 200, 409]
--- response_body eval
[(qr/\A\{"number":(?:7|50000[12])\}\z/) x 3,
'{"detail":"All available numbers have been used."}']

=== TEST 5: a driver in the scheme of a variable
--- conninfo: "${UR_SCHEME}://postgres@127.0.0.1:$TEST_NGINX_PG_PORT/$TEST_NGINX_DATABASE"
--- response_body: {"number":7}

=== TEST 6: parts of a conninfo
--- conninfo: "host=${UR_HOST} port=${UR_PORT} user=postgres dbname=$TEST_NGINX_DATABASE password=${UR_PASSWORD}"
--- no_error_log
[alert]
[crit]
sesame
--- response_body: {"number":7}

=== TEST 7: a whole range
--- shard: ${UR_RANGE}
--- response_body: {"number":7}

=== TEST 8: FIRST and LAST of a range
--- shard: range=${UR_FIRST}-${UR_FIRST}
--- response_body: {"number":7}

=== TEST 9: several in a row, and text around them
--- shard: range=${UR_ZERO}${UR_FIRST}-${UR_EMPTY}0${UR_FIRST}${UR_EMPTY}
--- response_body: {"number":7}

=== TEST 10: a name
--- shard: range=7-7 name=the-${UR_NAME}-one
--- location: add_header X-Shard $unique_random_shard;
--- response_headers
X-Shard: the-first-one

=== TEST 11: max_fails, fail_timeout and failover
--- shard: range=7-7 max_fails=${UR_FAILS} fail_timeout=${UR_TIME} failover=${UR_POLICY}
--- response_body: {"number":7}

=== TEST 12: a flag
--- shard: range=7-7 ${UR_FLAG}
--- error_code: 503
--- response_body: {"detail":"No number could be reserved in time."}

=== TEST 13: a default is used when the variable is not set
--- shard: range=${UR_UNSET:-7}-${UR_UNSET:-7}
--- response_body: {"number":7}

=== TEST 14: a default is used when the variable is empty
--- shard: range=${UR_EMPTY:-7}-7
--- response_body: {"number":7}

=== TEST 15: a default is not used when the variable is set
--- shard: range=${UR_FIRST:-1}-${UR_FIRST:-9}
--- response_body: {"number":7}

=== TEST 16: a default that is empty
--- shard: range=${UR_UNSET:-}7-7${UR_EMPTY:-}
--- response_body: {"number":7}

=== TEST 17: a default with a colon, a dash and spaces
--- conninfo: "${UR_UNSET:-host=127.0.0.1 port=$TEST_NGINX_PG_PORT user=postgres dbname=$TEST_NGINX_DATABASE}"
--- shard: range=${UR_UNSET:-7-7}
--- response_body: {"number":7}

=== TEST 18: a URL as default
--- conninfo: "${UR_UNSET:-$TEST_NGINX_SHARD}"
--- response_body: {"number":7}

=== TEST 19: a variable that is empty is nothing
--- shard: range=${UR_EMPTY}7-7
--- response_body: {"number":7}

=== TEST 20: the value of a variable is not looked into
--- shard: range=7-7 name=${UR_TRAP}
--- location: add_header X-Shard $unique_random_shard;
--- response_headers
X-Shard: ${UR_NAME}

=== TEST 21: a dollar without a bracket is a dollar
--- shard: range=7-7 name=$UR_NAME-$$
--- location: add_header X-Shard $unique_random_shard;
--- response_headers
X-Shard: $UR_NAME-$$

=== TEST 22: a variable that "env" changes is read as it was
--- shard: range=${UR_FIRST}-7
--- main_config
    env  UR_FIRST=1;
--- response_body: {"number":7}

=== TEST 23: a variable in a file that is included
--- http_config
    unique_random_pool numbers {
        include    $TEST_NGINX_SERVER_ROOT/html/shard.conf;
        bootstrap  on;
    }
--- user_files
>>> shard.conf
shard "${DB_SHARD_0_URL}" range=${UR_FIRST}-${UR_FIRST};
--- response_body: {"number":7}

=== TEST 24: a conninfo that is not set
--- conninfo: ${UR_UNSET}
--- emerg: environment variable "UR_UNSET" is not set (a binary upgrade keeps it only with "env UR_UNSET;")

=== TEST 25: a part of a conninfo that is not set
--- conninfo: postgresql://nginx:sesame@${UR_UNSET}/numbers
--- emerg: environment variable "UR_UNSET" is not set (a binary upgrade keeps it only with "env UR_UNSET;")

=== TEST 26: a range that is not set
--- shard: range=1-${UR_UNSET}
--- emerg: environment variable "UR_UNSET" is not set (a binary upgrade keeps it only with "env UR_UNSET;")

=== TEST 27: a name that is not set
--- shard: range=1-9 name=${UR_UNSET}
--- emerg: environment variable "UR_UNSET" is not set (a binary upgrade keeps it only with "env UR_UNSET;")

=== TEST 28: a max_fails that is not set
--- shard: range=1-9 max_fails=${UR_UNSET}
--- emerg: environment variable "UR_UNSET" is not set (a binary upgrade keeps it only with "env UR_UNSET;")

=== TEST 29: a fail_timeout that is not set
--- shard: range=1-9 fail_timeout=${UR_UNSET}
--- emerg: environment variable "UR_UNSET" is not set (a binary upgrade keeps it only with "env UR_UNSET;")

=== TEST 30: a failover that is not set
--- shard: range=1-9 failover=${UR_UNSET}
--- emerg: environment variable "UR_UNSET" is not set (a binary upgrade keeps it only with "env UR_UNSET;")

=== TEST 31: a flag that is not set
--- shard: range=1-9 ${UR_UNSET}
--- emerg: environment variable "UR_UNSET" is not set (a binary upgrade keeps it only with "env UR_UNSET;")

=== TEST 32: the second variable is not set
--- shard: range=${UR_FIRST}-${UR_UNSET}
--- emerg: environment variable "UR_UNSET" is not set (a binary upgrade keeps it only with "env UR_UNSET;")

=== TEST 33: a bracket that is not closed in a conninfo
--- conninfo: postgresql://nginx:sesame@${UR_HOST
--- emerg: the closing bracket of "${" is missing

=== TEST 34: a bracket that is not closed in a range
--- shard: range=1-${UR_LAST
--- emerg: the closing bracket of "${" is missing

=== TEST 35: a bracket that is not closed after one that is
--- shard: range=${UR_FIRST}-${UR_LAST
--- emerg: the closing bracket of "${" is missing

=== TEST 36: a bracket with nothing in it
--- shard: range=1-${}
--- emerg: invalid environment variable ""

=== TEST 37: a default of nothing
--- shard: range=1-${:-9}
--- emerg: invalid environment variable ""

=== TEST 38: a colon needs a dash
--- shard: range=1-${UR_LAST:9}
--- emerg: invalid text after environment variable "UR_LAST", "}" or ":-" is expected

=== TEST 39: a flag that is empty is none
--- shard: range=5-5 ${UR_EMPTY}
--- response_body: {"number":5}

=== TEST 40: a name that is empty
--- shard: range=1-9 name=${UR_EMPTY}
--- emerg: invalid value "name=" in "shard" directive, a name is expected

=== TEST 41: a conninfo that is wrong is not shown
--- conninfo: "${UR_BAD_CONNINFO}"
--- emerg: the conninfo of "shard" is neither a URI nor a list of key=value pairs that libpq understands (it is not shown, since it may hold a password)

=== TEST 42: a range that is wrong
--- shard: range=${UR_BAD_RANGE}
--- emerg: invalid range "range=9-1", FIRST must not be greater than LAST

=== TEST 43: a secret that is no conninfo is not shown
--- conninfo: "${UR_PASSWORD}"
--- emerg: the conninfo of "shard" is neither a URI nor a list of key=value pairs that libpq understands (it is not shown, since it may hold a password)

=== TEST 44: only "shard" reads the environment
--- pool: queue ${UR_FIRST};
--- emerg: invalid value "${UR_FIRST}" in "queue" directive, a number between 0 and 1000000 is expected
