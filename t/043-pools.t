# Where "unique_random_pool" and "unique_random" may be, and what is in them.  See
# 040 for how to add one.

use lib 't/lib';
use UniqueRandom::Slot;
use Test::Nginx::Socket;
use UniqueRandom::Blocks;

plan tests => 3 * blocks('emerg') + 7 * blocks('accepted') + 60;

no_long_string();
run_tests();

__DATA__

=== TEST 1: a pool without a name
--- http_config
    unique_random_pool {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
    }
--- emerg: invalid number of arguments in "unique_random_pool" directive in http.conf:1

=== TEST 2: a pool with two names
--- http_config
    unique_random_pool a b {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
    }
--- emerg: invalid number of arguments in "unique_random_pool" directive in http.conf:1

=== TEST 3: a pool with an empty name
--- http_config
    unique_random_pool "" {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
    }
--- emerg: invalid pool name "", it must not be empty in http.conf:1

=== TEST 4: a pool without a block
--- http_config
    unique_random_pool numbers;
--- emerg: directive "unique_random_pool" has no opening "{" in http.conf:1

=== TEST 5: a pool that is not closed
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
--- emerg: unexpected end of file, expecting "}" in http.conf:3

=== TEST 6: two pools of one name
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
    }

    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
    }
--- emerg: duplicate unique_random_pool "numbers", it was declared in http.conf:1 in http.conf:5

=== TEST 7: a pool without shards
--- http_config
    unique_random_pool numbers {
        zone 256k;
    }
--- emerg: no shards in unique_random_pool "numbers" in http.conf:3

=== TEST 8: an unknown directive in a pool
--- pool: shards 2;
--- emerg: unknown directive "shards" in unique_random_pool

=== TEST 9: a directive of http in a pool
--- pool: gzip on;
--- emerg: unknown directive "gzip" in unique_random_pool

=== TEST 10: a block in a pool
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers {
        }
    }
--- emerg: unexpected "{" in http.conf:2

=== TEST 11: a file to include that is not there
--- pool: include nothing.conf;
--- emerg: open() "$TEST_NGINX_SERVER_ROOT/conf/nothing.conf" failed (2: No such file or directory)

=== TEST 159: "unique_random" without any pool
--- http_config
--- config
    location = /random {
        unique_random;
    }
--- emerg: "unique_random" needs a "unique_random_pool", and there is none in nginx.conf

=== TEST 160: "unique_random" with a name, and no pool
--- http_config
--- config
    location = /random {
        unique_random numbers;
    }
--- emerg: "unique_random" needs a "unique_random_pool", and there is none in nginx.conf

=== TEST 161: "unique_random" of an unknown pool
--- http_config
    unique_random_pool a {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
    }

    unique_random_pool b {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
    }
--- config
    location = /random {
        unique_random c;
    }
--- emerg: unknown unique_random_pool "c", the pools are "a", "b" in nginx.conf

=== TEST 162: "unique_random" of a pool in capitals
--- config
    location = /random {
        unique_random NUMBERS;
    }
--- emerg: unknown unique_random_pool "NUMBERS", the pools are "numbers" in nginx.conf

=== TEST 163: "unique_random" with an empty name and two pools
--- http_config
    unique_random_pool a {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
    }

    unique_random_pool b {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
    }
--- config
    location = /random {
        unique_random "";
    }
--- emerg: invalid pool name "", it must not be empty in nginx.conf

=== TEST 164: "unique_random" without a name and two pools
--- http_config
    unique_random_pool a {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
    }

    unique_random_pool b {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
    }
--- config
    location = /random {
        unique_random;
    }
--- emerg: "unique_random" must name one of the pools "a", "b" in nginx.conf

=== TEST 165: "unique_random" with two names
--- http_config
    unique_random_pool a {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
    }

    unique_random_pool b {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
    }
--- config
    location = /random {
        unique_random a b;
    }
--- emerg: invalid number of arguments in "unique_random" directive in nginx.conf

=== TEST 166: "unique_random" twice in a location
--- config
    location = /random {
        unique_random;
        unique_random;
    }
--- emerg: "unique_random" directive is duplicate in nginx.conf

=== TEST 167: "unique_random" in http
--- shard: range=1-9
--- http_config
    unique_random;
--- emerg: "unique_random" directive is not allowed here in http.conf:4

=== TEST 168: "unique_random" in server
--- config
    unique_random;
--- emerg: "unique_random" directive is not allowed here in nginx.conf

=== TEST 169: "unique_random" in limit_except
--- config
    location = /random {
        limit_except GET {
            unique_random;
        }
    }
--- emerg: "unique_random" directive is not allowed here in nginx.conf

=== TEST 170: a pool in server
--- http_config
--- config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
    }
--- emerg: "unique_random_pool" directive is not allowed here in nginx.conf

=== TEST 171: a pool in location
--- http_config
--- config
    location = /random {
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
    }
    }
--- emerg: "unique_random_pool" directive is not allowed here in nginx.conf

=== TEST 172: a pool in a pool
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        unique_random_pool b {
        }
    }
--- emerg: unexpected "{" in http.conf:3

=== TEST 173: "unique_random" in a pool
--- pool: unique_random;
--- emerg: unknown directive "unique_random" in unique_random_pool

=== TEST 174: "shard" in http
--- http_config
    shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
--- emerg: unknown directive "shard" in http.conf:1

=== TEST 175: all directives and parameters at once
--- http_config
    unique_random_pool numbers {
        zone             1m;
        shard            "host=127.0.0.1 port=$TEST_NGINX_PG_PORT dbname=$TEST_NGINX_DATABASE user=postgres password=sesame"
                         range=7-7 range=8-8 name=first max_fails=0 fail_timeout=1500ms failover=fence;
        shard            postgresql://postgres:sesame@127.0.0.1:$TEST_NGINX_CLOSED_PORT/numbers
                         range=9-9 name=second failover=trust drain down;
        lease            min=1 max=1 ahead=1ms;
        bootstrap        on;
        state            $TEST_NGINX_SERVER_ROOT/logs/state;
        connect_timeout  1s;
        reserve_timeout  1s;
        wait_timeout     2s;
        idle_timeout     0;
        queue            1000000;
        format           base32 width=4 prefix=N group=2 separator=. check=gf32 string;
        exclude          -i x;
    }
--- config
    location = /random {
        unique_random numbers;
    }

    location = /state/ {
        alias      $TEST_NGINX_SERVER_ROOT/logs/state/;
        autoindex  on;
    }
--- request eval
["GET /random", "GET /random", "GET /random", "GET /state/"]
--- error_code eval
[200, 200, 503, 200]
--- response_body eval
[(qr/\A\{"number":"N00\.0[78]\.[EG]"\}\z/) x 2,
'{"detail":"No number could be reserved in time."}', qr/Index of \/state\//]
--- no_error_log
[emerg]
[alert]
[crit]
sesame

=== TEST 176: a pool needs no location that uses it
--- accepted

=== TEST 177: the least that a pool needs
--- response_body: {"number":7}
--- accepted

=== TEST 178: shards that are included
--- http_config
    unique_random_pool numbers {
        include $TEST_NGINX_SERVER_ROOT/html/shard*.conf;
        bootstrap on;
    }
--- user_files
>>> shard0.conf
shard $TEST_NGINX_SHARD range=7-7;
>>> shard1.conf
shard $TEST_NGINX_SHARD_B range=8-8;
lease off;
--- request eval
[("GET /random") x 3]
--- error_code eval
[200, 200, 409]
--- response_body eval
[(qr/\A\{"number":[78]\}\z/) x 2,
'{"detail":"All available numbers have been used."}']

=== TEST 179: an error in a file that is included names that file
--- http_config
    unique_random_pool numbers {
        include $TEST_NGINX_SERVER_ROOT/html/shard.conf;
    }
--- user_files
>>> shard.conf

shard postgresql://nginx:sesame@127.0.0.1/numbers;
--- emerg: "shard" must have "range" parameter in shard.conf:2

=== TEST 180: a pool that is declared after it is used
--- http_config
    server {
        listen       $TEST_NGINX_SERVER_PORT;
        server_name  early;

        location / {
            unique_random numbers;
        }
    }

    unique_random_pool numbers {
        shard $TEST_NGINX_SHARD range=7-7;
        bootstrap on;
    }
--- config
--- request: GET /
--- more_headers
Host: early
--- response_body: {"number":7}

=== TEST 181: two pools, with the same range in each
--- http_config
    unique_random_pool a {
        shard $TEST_NGINX_SHARD range=7-7;
        bootstrap on;
    }

    unique_random_pool b {
        shard $TEST_NGINX_SHARD range=7-7;
        bootstrap on;
    }
--- config
    location = /a {
        unique_random a;
    }

    location = /b {
        unique_random b;
    }
--- request eval
["GET /a", "GET /a", "GET /b", "GET /b"]
--- error_code eval
[200, 409, 200, 409]
--- response_body eval
[('{"number":7}', '{"detail":"All available numbers have been used."}') x 2]

=== TEST 182: a pool with an uncommon name
--- http_config
    unique_random_pool "a \"pool\" of '1' & more" {
        shard $TEST_NGINX_SHARD range=7-7;
        bootstrap on;
    }
--- config
    location = /random {
        unique_random 'a "pool" of \'1\' & more';
    }
--- response_body: {"number":7}

=== TEST 183: "include" that finds nothing
--- pool: include nothing*.conf;
--- accepted

=== TEST 245: a name that is too long for a file, since "/" takes three letters
--- http_config
    unique_random_pool ///////////////////////////////////////////////////////////////////////////////// {
        state $TEST_NGINX_SERVER_ROOT/state;
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
    }
--- emerg: the name of unique_random_pool "/////////////////////////////////////////////////////////////////////////////////" is too long for a file of "state" in http.conf:1
