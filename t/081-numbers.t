# "unique_random_set": numbers for requests that others answer, files above all,
# whose header says what the variable was.

use lib 't/lib';
use UniqueRandom::Slot;
use Test::Nginx::Socket;
use UniqueRandom::Blocks;

plan tests => 208;

no_long_string();
run_tests();

__DATA__

=== TEST 1: a number for a file, and none for the next one
--- config
    location = /index.html {
        unique_random_set $id;
        add_header X-Id $id always;
    }
--- request eval
["GET /index.html", "GET /index.html"]
--- error_code eval
[200, 409]
--- response_headers eval
["X-Id: 7\nContent-Type: text/html\n! Retry-After",
"! X-Id\nContent-Type: text/html\n! Retry-After"]
--- response_body_like eval
["It works", "409 Conflict"]

=== TEST 2: a number for the server behind a proxy
--- config
    location = /order {
        unique_random_set  $order_id;
        proxy_set_header   X-Order-Id $order_id;
        proxy_pass         http://127.0.0.1:$server_port/echo;
    }

    location = /echo {
        client_body_in_single_buffer  on;
        proxy_set_header              X-Body "$http_x_order_id: $request_body";
        proxy_pass                    http://127.0.0.1:$server_port/body;
    }

    location = /body {
        return 200 "$request_method $http_x_body\n";
    }
--- request
POST /order
two shirts
--- response_body
POST 7: two shirts

=== TEST 3: whatever the method
--- shard: range=1-4
--- config
    unique_random_set $id;
    add_header X-Id $id always;
--- request eval
["HEAD /index.html", "PUT /index.html\nbody", "DELETE /nothing", "GET /nothing"]
--- error_code eval
[200, 405, 405, 404]
--- raw_response_headers_like eval
[("X-Id: [1-4]\r") x 4]

=== TEST 4: it is read before, often, and in other letters
--- http_config
    map $id $copy {
        default [$id];
    }
--- shard: range=7-7
--- config
    location = /index.html {
        unique_random_set $id;

        if ($ID) {
            return 500;
        }

        add_header X-Id "$id $ID $id";
        add_header X-Copy $copy;
    }
--- response_headers
X-Id: 7 7 7
X-Copy: [7]
--- request: GET /index.html
--- error_code: 200

=== TEST 5: where nothing is drawn it is empty
--- config
    add_header X-Id $id always;

    location = /number {
        unique_random_set $id;
    }
--- request eval
["GET /index.html", "GET /nothing"]
--- error_code eval
[200, 404]
--- response_headers eval
[("! X-Id") x 2]
--- no_error_log
[alert]
uninitialized

=== TEST 6: nothing to be had in time
--- http_config
    unique_random_pool numbers {
        shard  $TEST_NGINX_SHARD range=1-9 down;
    }
--- config
    location = /index.html {
        unique_random_set $id;
        add_header X-Id $id always;
    }
--- request: GET /index.html
--- error_code: 503
--- response_headers
! X-Id
Retry-After: 1
Content-Type: text/html
--- response_body_like: 503 Service Temporarily Unavailable

=== TEST 7: error pages, of locations that want a number themselves
--- shard: range=7-7
--- http_config
    unique_random_pool none {
        shard  $TEST_NGINX_SHARD_B range=1-9 down;
    }
--- config
    unique_random_set $id pool=numbers;
    error_page 409 = /used_up.html;
    error_page 503 @sorry;

    add_header X-Id $id always;

    location = /none {
        unique_random_set $id pool=none;
    }

    location @sorry {
        root $TEST_NGINX_SERVER_ROOT/html;
        rewrite ^ /sorry.html break;
    }
--- user_files
>>> used_up.html
all used
>>> sorry.html
sorry
--- request eval
["GET /index.html", "GET /index.html", "GET /none"]
--- error_code eval
[200, 200, 409]
--- response_headers eval
["X-Id: 7", "! X-Id", "! X-Id"]
--- response_body_like eval
["It works", "^all used\$", "409 Conflict"]

=== TEST 8: an error page that inherits the directive
--- http_config
    unique_random_pool numbers {
        shard  $TEST_NGINX_SHARD range=1-9 down;
    }
--- config
    unique_random_set $id;
    error_page 503 @sorry;

    location @sorry {
        rewrite ^ /sorry.html break;
    }
--- user_files
>>> sorry.html
sorry
--- request: GET /index.html
--- error_code: 503
--- response_headers
Retry-After: 1
--- response_body
sorry

=== TEST 9: another pool, where one has nothing
--- http_config
    unique_random_pool none {
        shard  $TEST_NGINX_SHARD_B range=1-9 down;
    }
--- shard: range=7-7
--- config
    location = /index.html {
        unique_random_set $id pool=none;
        error_page 503 = @other;
    }

    location = /twice {
        unique_random_set $id pool=none;
        error_page 503 = @again;
    }

    location @again {
        unique_random_set $id pool=none;
    }

    location @other {
        unique_random_set $id pool=numbers;
        add_header X-Id $id;
    }
--- request eval
["GET /index.html", "GET /twice"]
--- error_code eval
[200, 503]
--- raw_response_headers_unlike eval
["Retry-After", "(?s)Retry-After.*Retry-After"]
--- response_headers eval
["X-Id: 7", "Retry-After: 1"]
--- response_body_like eval
["It works", "503 Service Temporarily Unavailable"]

=== TEST 10: one that is optional
--- http_config
    unique_random_pool none {
        shard  $TEST_NGINX_SHARD_B range=1-9 down;
    }
--- shard: range=7-7
--- config
    location = /index.html {
        unique_random_set $id pool=numbers optional;
        unique_random_set $none pool=none optional;
        add_header X-Id "[$id] [$none]";
    }
--- request eval
["GET /index.html", "GET /index.html"]
--- error_code eval
[200, 200]
--- response_headers eval
["X-Id: [7] []\n! Retry-After", "X-Id: [] []\n! Retry-After"]

=== TEST 11: two variables, of two pools and of one
--- http_config
    unique_random_pool letters {
        shard      $TEST_NGINX_SHARD_B range=8-8;
        bootstrap  on;
    }
--- shard: range=0-0 range=9223372036854775807-9223372036854775807
--- config
    location = /index.html {
        unique_random_set $a pool=numbers;
        unique_random_set $b pool=letters;
        unique_random_set $c pool=numbers;
        add_header X-Id "$a $b $c";
    }
--- request: GET /index.html
--- raw_response_headers_like: X-Id: (?:0 8 9223372036854775807|9223372036854775807 8 0)

=== TEST 12: what a location has replaces what it would inherit
--- shard: range=7-7
--- config
    unique_random_set $id;
    add_header X-Id "[$id] [$other]";

    location = /other {
        alias $TEST_NGINX_SERVER_ROOT/html/index.html;
        unique_random_set $other;
    }
--- request: GET /other
--- response_headers
X-Id: [] [7]
--- response_body_like: It works

=== TEST 13: in "if" of a location
--- config
    location = /index.html {
        add_header X-Id "[$id]";

        if ($args) {
            unique_random_set $id;
        }
    }
--- request eval
["GET /index.html", "GET /index.html?a", "GET /index.html?a"]
--- error_code eval
[200, 200, 409]
--- response_headers eval
["X-Id: []", "X-Id: [7]", "! X-Id"]

=== TEST 14: before "try_files" and "mirror"
--- config
    unique_random_set $id;

    location = /mirrored {
        mirror     /mirror;
        try_files  /$id.html =404;
    }

    location = /mirror {
        internal;
        proxy_set_header  X-Id $id;
        proxy_pass        http://127.0.0.1:$server_port/echo;
    }

    location = /echo {
        access_log logs/echo.log echo;
        return 204;
    }

    location = /log {
        unique_random_set $other optional;
        alias $TEST_NGINX_SERVER_ROOT/logs/echo.log;
    }
--- shard: range=7-7
--- http_config
    log_format echo "[$http_x_id]";
--- user_files
>>> 7.html
seven
--- request eval
["GET /mirrored", "GET /log"]
--- error_code eval
[200, 200]
--- response_body eval
["seven\n", "[7]\n"]

=== TEST 15: with a number as the answer
--- shard: range=1-2
--- config
    location = /random {
        unique_random_set $id;
        unique_random;

        add_header X-Id $id;
        add_header X-Number $unique_random_number;
        add_header X-Status $unique_random_status;
    }
--- request: GET /random
--- raw_response_headers_like eval
qr/X-Id: ([12])\r\nX-Number: (?!\1)[12]\r\nX-Status: (?:LEASED|WAITED)\r\n/
--- response_body_like eval
qr/\A\{"number":[12]\}\z/

=== TEST 16: the other variables are those of the last draw
--- http_config
    unique_random_pool letters {
        shard      $TEST_NGINX_SHARD_B range=1-9 name=last;
        bootstrap  on;
    }
--- shard: range=7-7 name=first
--- config
    add_header X-All "$unique_random_number $unique_random_shard $unique_random_status $unique_random_wait $unique_random_remaining" always;

    location = /index.html {
        unique_random_set $a pool=letters;
        unique_random_set $b pool=numbers optional;
    }
--- request eval
["GET /index.html", "GET /index.html", "GET /nothing"]
--- error_code eval
[200, 200, 404]
--- raw_response_headers_like eval
["X-All: 7 first WAITED \\d+\\.\\d{3} 0\r",
"X-All:   EXHAUSTED \\d+\\.\\d{3} 0\r", "X-All:     \r"]

=== TEST 17: as the pool writes it
--- pool: format base32 width=5 prefix=A- check=crockford;
--- shard: range=171-171
--- config
    location = /index.html {
        unique_random_set $id;
        add_header X-Id "$id $unique_random_number";
    }
--- request: GET /index.html
--- response_headers
X-Id: A-0005BQ A-0005BQ

=== TEST 18: none that is excluded
--- pool: exclude ^[1-6]$;
--- shard: range=1-7
--- config
    location = /index.html {
        unique_random_set $id;
        add_header X-Id $id always;
    }
--- request eval
["GET /index.html", "GET /index.html"]
--- error_code eval
[200, 409]
--- response_headers eval
["X-Id: 7", "! X-Id"]

=== TEST 19: more are excluded than are passed over in a turn
--- pool: exclude "^\d{1,3}$";
--- shard: range=1-1000
--- config
    location = /index.html {
        unique_random_set $id;
        add_header X-Id $id always;
    }
--- request eval
["GET /index.html", "GET /index.html"]
--- error_code eval
[200, 409]
--- response_headers eval
["X-Id: 1000", "! X-Id"]

=== TEST 20: what the module answers itself inherits none
--- shard: range=1-2
--- config
    unique_random_set $id;
    add_header X-Id $id always;

    location = /random { unique_random; }
    location = /ready { unique_random_ready; }
    location = /lookup { unique_random_lookup; }
    location = /status { unique_random_status; }
--- request eval
["GET /ready", "GET /lookup?number=1", "GET /status", "GET /random",
"GET /index.html", "GET /status", "GET /index.html"]
--- error_code eval
[(200) x 6, 409]
--- response_headers eval
[("! X-Id") x 4, "", "! X-Id", "! X-Id"]

=== TEST 21: the first one is used, also if there is no second one
--- http_config
    unique_random_pool none {
        shard  $TEST_NGINX_SHARD_B range=1-9 down;
    }
--- shard: range=7-7
--- config
    location = /both {
        unique_random_set $id pool=numbers;
        unique_random_set $none pool=none;
        add_header X-Id $id always;
    }

    location = /index.html {
        unique_random_set $id pool=numbers;
    }
--- request eval
["GET /both", "GET /index.html"]
--- error_code eval
[503, 409]
--- response_headers eval
["X-Id: 7\nRetry-After: 1", "! Retry-After"]

=== TEST 22: a location of numbers that an error page leads to
--- http_config
    unique_random_pool none {
        shard  $TEST_NGINX_SHARD_B range=1-9 down;
    }
--- shard: range=7-7
--- config
    location = /one {
        unique_random_set $id pool=none;
        error_page 503 = /number;
    }

    location = /number {
        unique_random numbers;
    }

    location = /none {
        unique_random_set $id pool=none;
        error_page 503 = /no-number;
    }

    location = /no-number {
        unique_random none;
    }
--- request eval
["GET /one", "GET /none"]
--- error_code eval
[200, 503]
--- raw_response_headers_unlike eval
["Retry-After", "(?s)Retry-After.*Retry-After"]
--- response_body eval
['{"number":7}', '{"detail":"No number could be reserved in time."}']
