# $unique_random_number, _shard, _status and _wait, in headers and in logs.

use lib 't/lib';
use UniqueRandom::Slot;
use Test::Nginx::Socket;
use UniqueRandom::Blocks;

plan tests => 157;

no_long_string();
run_tests();

__DATA__

=== TEST 1: of a number that was waited for, and of one that was leased
--- shard: range=1-2 name=first
--- location
    add_header  X-Number $unique_random_number always;
    add_header  X-Shard  $unique_random_shard always;
    add_header  X-Status $unique_random_status always;
    add_header  X-Wait   $unique_random_wait always;
--- request eval
["GET /random", "POST /random\nbody"]
--- raw_response_headers_like eval
["X-Number: [12]\r\nX-Shard: first\r\n"
. "X-Status: WAITED\r\nX-Wait: \\d+\\.\\d\\d\\d\r\n\$",
"X-Number: [12]\r\nX-Shard: first\r\n"
. "X-Status: LEASED\r\nX-Wait: 0\\.000\r\n\$"]
--- error_code eval
[200, 200]
--- response_body_like eval
['^\{"number":[12]\}$', '^\{"number":[12]\}$']

=== TEST 2: the number in the header is the one in the body
--- shard: range=9223372036854775807-9223372036854775807
--- location: add_header X-Number $unique_random_number;
--- response_headers
X-Number: 9223372036854775807
--- response_body: {"number":9223372036854775807}

=== TEST 3: zero is a number
--- shard: range=0-0
--- location: add_header X-Number $unique_random_number;
--- response_headers
X-Number: 0
--- response_body: {"number":0}

=== TEST 4: of a pool that is used up
--- shard: range=7-7 name=first
--- location
    add_header  X-Number $unique_random_number always;
    add_header  X-Shard  $unique_random_shard always;
    add_header  X-Status $unique_random_status always;
    add_header  X-Wait   $unique_random_wait always;
--- request eval
["GET /random", "GET /random", "GET /random"]
--- error_code eval
[200, 409, 409]
--- response_headers eval
["X-Number: 7\nX-Shard: first\nX-Status: WAITED",
("! X-Number\n! X-Shard\nX-Status: EXHAUSTED") x 2]
--- raw_response_headers_like eval
[(qr/^X-Wait: \d+\.\d\d\d\r$/m) x 3]

=== TEST 5: of a pool that has no number to give
--- http_config
    unique_random_pool numbers {
        shard  $TEST_NGINX_SHARD range=1-9 down;
    }
--- location
    add_header  X-Number $unique_random_number always;
    add_header  X-Shard  $unique_random_shard always;
    add_header  X-Status $unique_random_status always;
    add_header  X-Wait   $unique_random_wait always;
--- error_code: 503
--- response_headers
! X-Number
! X-Shard
X-Status: UNAVAILABLE
X-Wait: 0.000

=== TEST 6: of a queue that is full
--- shard: range=1-9
--- pool: queue 0;
--- location
    add_header  X-Status $unique_random_status always;
    add_header  X-Wait   $unique_random_wait always;
--- error_code: 503
--- response_headers
X-Status: UNAVAILABLE
X-Wait: 0.000

=== TEST 7: of a request that has waited for nothing
--- http_config
    unique_random_pool numbers {
        shard            postgresql://x@127.0.0.1:$TEST_NGINX_HOLE_PORT/x range=1-9;
        connect_timeout  1s;
        wait_timeout     300ms;
    }
--- location
    add_header  X-Status $unique_random_status always;
    add_header  X-Wait   $unique_random_wait always;
--- error_code: 503
--- raw_response_headers_like
X-Status: UNAVAILABLE\r
X-Wait: (?!0\.[012])\d+\.\d\d\d\r

=== TEST 8: where no number is drawn they are empty
--- shard: range=7-7
--- http_config
    add_header  X-Number $unique_random_number always;
    add_header  X-Shard  $unique_random_shard always;
    add_header  X-Status $unique_random_status always;
    add_header  X-Wait   $unique_random_wait always;
--- location
--- config
    location = /elsewhere {
        return 200 "[$unique_random_number$unique_random_shard$unique_random_status$unique_random_wait]\n";
    }
--- request eval
["PUT /random", "GET /elsewhere", "GET /index.html", "GET /nothing"]
--- error_code eval
[405, 200, 200, 404]
--- response_headers eval
[("! X-Number\n! X-Shard\n! X-Status\n! X-Wait") x 4]
--- response_body eval
['{"detail":"Method Not Allowed"}', "[]\n", qr/It works/, qr/404 Not Found/]

=== TEST 9: they are the request's, not its subrequests'
--- shard: range=1-2
--- location
--- config
    location = /page {
        ssi        on;
        ssi_types  text/plain;
    }
--- user_files
>>> page
<!--# include virtual="/random" --> [<!--# echo var="unique_random_number" default="" -->] <!--# include virtual="/random" -->
--- request: GET /page
--- response_body_like
^\{"number":[12]\} \[\] \{"number":[12]\}

=== TEST 10: in the access log
--- shard: range=1-1 name=first
--- http_config
    unique_random_pool down {
        shard  $TEST_NGINX_SHARD_B range=1-1 down;
    }

    log_format  random
                '$request_uri $unique_random_status shard="$unique_random_shard" number="$unique_random_number" wait=$unique_random_wait';

    access_log  $TEST_NGINX_SERVER_ROOT/html/log random;
--- config
    location = /random {
        unique_random numbers;
    }

    location = /down {
        unique_random down;
    }

    location = /log {
        access_log  off;
    }
--- pipelined_requests eval
["GET /random", "GET /random", "GET /down", "PUT /random\nbody",
"GET /index.html", "GET /log"]
--- error_code eval
[200, 409, 503, 405, 200, 200]
--- response_body eval
['{"number":1}', '{"detail":"All available numbers have been used."}',
'{"detail":"No number could be reserved in time."}',
'{"detail":"Method Not Allowed"}', qr/It works/,
qr/\A
\/random[ ]WAITED[ ]shard="first"[ ]number="1"[ ]wait=\d+\.\d{3}\n
\/random[ ]EXHAUSTED[ ]shard="-"[ ]number="-"[ ]wait=\d+\.\d{3}\n
\/down[ ]UNAVAILABLE[ ]shard="-"[ ]number="-"[ ]wait=0\.000\n
\/random[ ]-[ ]shard="-"[ ]number="-"[ ]wait=-\n
\/index\.html[ ]-[ ]shard="-"[ ]number="-"[ ]wait=-\n
\z/x]

=== TEST 11: a shard without a name has its host, port and database for one
--- shard: range=7-7
--- http_config
    log_format  shard $unique_random_shard;
--- location: access_log $TEST_NGINX_SERVER_ROOT/html/log shard;
--- request eval
["GET /random", "GET /log"]
--- error_code eval
[200, 200]
--- response_body eval
['{"number":7}', "127.0.0.1:\$TEST_NGINX_PG_PORT/\$TEST_NGINX_DATABASE\n"]

=== TEST 12: each number has the shard that owns it
--- shard: range=1-2 range=5-6 name=first
--- pool: shard $TEST_NGINX_SHARD_B range=3-4 name=second;
--- http_config
    log_format  shard "$unique_random_number $unique_random_shard";
--- location: access_log $TEST_NGINX_SERVER_ROOT/html/log shard;
--- pipelined_requests eval
[("GET /random") x 6, "GET /log"]
--- error_code eval
[(200) x 7]
--- response_body eval
[(qr/\A\{"number":[1-6]\}\z/) x 6, qr/\A(?:[1256] first\n|[34] second\n){6}\z/]

=== TEST 13: they come late enough for whom the request was redirected to
--- location
--- config
    location = /ticket {
        auth_request      /random;
        auth_request_set  $ticket $unique_random_number;
        try_files         /nothing =404;
        add_header        X-Ticket $ticket always;
    }
--- request: GET /ticket
--- error_code: 404
--- response_headers
X-Ticket: 7
