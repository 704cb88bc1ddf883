# What a client gets: status, headers and body, to the byte.

use lib 't/lib';
use UniqueRandom::Slot;
use Test::Nginx::Socket;
use UniqueRandom::Blocks;

plan tests => 450;

no_long_string();
run_tests();

__DATA__

=== TEST 1: a GET is answered with a number
--- response_headers
Content-Type: application/json
Content-Length: 12
Cache-Control: no-store
! ETag
! Last-Modified
! Accept-Ranges
! Retry-After
! Allow
--- response_body: {"number":7}

=== TEST 2: a POST is answered with a number
--- shard: range=0-0
--- request: POST /random
--- more_headers
Content-Length: 0
--- response_headers
Content-Type: application/json
Content-Length: 12
Cache-Control: no-store
--- response_body: {"number":0}

=== TEST 3: the longest number
--- shard: range=9223372036854775807-9223372036854775807
--- response_headers
Content-Length: 30
--- response_body: {"number":9223372036854775807}

=== TEST 4: a body that is sent is read and makes no difference
--- request
POST /random
{"how":"small"}
--- response_headers
Content-Length: 12
--- response_body: {"number":7}

=== TEST 5: a body of one million bytes
--- request eval
"POST /random\n" . 'x' x 1_000_000
--- response_headers
Content-Length: 12
--- response_body: {"number":7}

=== TEST 6: a chunked body
--- request eval
"POST /random\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n"
--- more_headers
Transfer-Encoding: chunked
--- response_headers
Content-Length: 12
--- response_body: {"number":7}

=== TEST 7: a large chunked body
--- request eval
"POST /random\n" . ("10000\r\n" . 'x' x 65536 . "\r\n") x 10 . "0\r\n\r\n"
--- more_headers
Transfer-Encoding: chunked
--- response_headers
Content-Length: 12
--- response_body: {"number":7}

=== TEST 8: a body that never comes is not waited for
--- location
    # how long the client has to wait for the end of the connection
    lingering_timeout  1s;
--- request: POST /random
--- more_headers
Content-Length: 1000
--- response_headers
Content-Length: 12
--- response_body: {"number":7}

=== TEST 9: a body that comes while the request waits for its number
--- raw_request eval
["POST /random HTTP/1.1\r
Host: localhost\r
Content-Length: 10\r
Connection: close\r
\r
01234", "56789"]
--- raw_request_middle_delay: 0.001
--- response_headers
Content-Length: 12
--- response_body: {"number":7}

=== TEST 10: who expects 100 Continue gets it, and the answer
--- request
POST /random
body
--- more_headers
Expect: 100-continue
--- error_code: 100
--- response_body_like: ^HTTP/1\.1 200 OK\r\n.*\r\nContent-Length: 12\r\n.*\r\n\r\n\{"number":7\}$

=== TEST 11: a body that is too large is refused and uses no number
--- location: client_max_body_size 10;
--- request eval
["POST /random\nmore than ten bytes", "GET /random"]
--- error_code eval
[413, 200]
--- response_body eval
[qr/Request Entity Too Large/, '{"number":7}']

=== TEST 12: a pool of two answers 200, 200, 409
--- shard: range=1-2
--- request eval
["GET /random", "GET /random", "GET /random", "POST /random"]
--- error_code eval
[200, 200, 409, 409]
--- response_headers eval
["Content-Length: 12", "Content-Length: 12",
("Content-Type: application/json
Content-Length: 50
Cache-Control: no-store
! Retry-After
! ETag") x 2]
--- response_body eval
[(qr/\A\{"number":[12]\}\z/) x 2,
('{"detail":"All available numbers have been used."}') x 2]

=== TEST 13: the numbers of a pool are different ones
--- shard: range=1-3
--- location
--- config
    location = /all {
        ssi        on;
        ssi_types  text/plain;
    }
--- user_files
>>> all
<!--# include virtual="/random" --><!--# include virtual="/random" --><!--# include virtual="/random" --><!--# include virtual="/random" -->
--- request: GET /all
--- response_body eval
my $n = '\{"number":([123])\}';
qr/\A$n(?!.*"\1)$n(?!.*"\2)$n\{"detail":"All available numbers have been used\."\}\n\z/

=== TEST 14: numbers of two shards and of two ranges of one shard
--- shard: range=1-1 range=3-3
--- pool: shard $TEST_NGINX_SHARD_B range=2-2;
--- location
--- config
    location = /all {
        ssi        on;
        ssi_types  text/plain;
    }
--- user_files
>>> all
<!--# include virtual="/random" --><!--# include virtual="/random" --><!--# include virtual="/random" --><!--# include virtual="/random" -->
--- request: GET /all
--- response_body eval
my $n = '\{"number":([123])\}';
qr/\A$n(?!.*:\1)$n(?!.*:\2)$n\{"detail":"All available numbers have been used\."\}\n\z/

=== TEST 15: nobody listens where the shard is said to be
--- http_config
    unique_random_pool numbers {
        shard  postgresql://postgres@127.0.0.1:$TEST_NGINX_CLOSED_PORT/numbers range=1-9;
    }
--- error_code: 503
--- response_headers
Content-Type: application/json
Content-Length: 49
Cache-Control: no-store
Retry-After: 1
! ETag
! Allow
--- response_body: {"detail":"No number could be reserved in time."}

=== TEST 16: the only shard is down
--- shard: range=1-9 down
--- request eval
["GET /random", "POST /random\nbody"]
--- error_code eval
[503, 503]
--- response_headers eval
["Retry-After: 1\nContent-Length: 49", "Retry-After: 1\nContent-Length: 49"]
--- response_body eval
[('{"detail":"No number could be reserved in time."}') x 2]

=== TEST 17: the only shard is being drained and has nothing leased
--- shard: range=1-9 drain
--- error_code: 503
--- response_headers
Retry-After: 1
--- response_body: {"detail":"No number could be reserved in time."}

=== TEST 18: a pool is not used up as long as one of its shards is down
--- shard: range=1-1
--- pool: shard $TEST_NGINX_SHARD_B range=2-2 down;
--- request eval
["GET /random", "GET /random", "GET /random"]
--- error_code eval
[200, 503, 503]
--- response_headers eval
["! Retry-After", "Retry-After: 1", "Retry-After: 1"]
--- response_body eval
['{"number":1}', ('{"detail":"No number could be reserved in time."}') x 2]

=== TEST 19: a pool is not used up as long as one of its shards was never seen
--- shard: range=1-1
--- pool
    shard         postgresql://postgres@127.0.0.1:$TEST_NGINX_CLOSED_PORT/numbers range=2-2;
    wait_timeout  5s;
--- request eval
["GET /random", "GET /random", "GET /random"]
--- error_code eval
[200, 503, 503]
--- response_headers eval
["! Retry-After", "Retry-After: 1", "Retry-After: 1"]
--- response_body eval
['{"number":1}', ('{"detail":"No number could be reserved in time."}') x 2]

=== TEST 20: the range is not in the database, and bootstrap is off
--- http_config
    unique_random_pool numbers {
        shard  $TEST_NGINX_SHARD range=1-9;
    }
--- error_code: 503
--- response_headers
Retry-After: 1
--- response_body: {"detail":"No number could be reserved in time."}

=== TEST 21: nobody may wait
--- shard: range=1-9
--- pool: queue 0;
--- error_code: 503
--- response_headers
Content-Type: application/json
Cache-Control: no-store
Retry-After: 1
--- response_body: {"detail":"No number could be reserved in time."}

=== TEST 22: no request waits longer than wait_timeout
--- http_config
    unique_random_pool numbers {
        shard            postgresql://postgres@127.0.0.1:$TEST_NGINX_HOLE_PORT/numbers range=1-9;
        connect_timeout  1s;
        wait_timeout     300ms;
    }
--- error_code: 503
--- response_headers
Retry-After: 1
--- response_body: {"detail":"No number could be reserved in time."}

=== TEST 23: HEAD is not allowed and uses no number
--- request eval
["HEAD /random", "GET /random"]
--- error_code eval
[405, 200]
--- response_headers eval
["Allow: GET, POST
Content-Type: application/json
Content-Length: 31
Cache-Control: no-store
! ETag
! Retry-After", "! Allow"]
--- response_body eval
['', '{"number":7}']

=== TEST 24: PUT is not allowed and uses no number
--- request eval
["PUT /random\nwith a body", "GET /random"]
--- error_code eval
[405, 200]
--- response_headers eval
["Allow: GET, POST
Content-Type: application/json
Content-Length: 31
Cache-Control: no-store
! Retry-After", "! Allow"]
--- response_body eval
['{"detail":"Method Not Allowed"}', '{"number":7}']

=== TEST 25: no method but GET and POST is allowed or uses a number
--- request eval
[(map {"$_ /random"} qw( DELETE OPTIONS PATCH PROPFIND MKCOL LOCK BREW GETS )),
"GET /random"]
--- error_code eval
[(405) x 8, 200]
--- response_headers eval
[("Allow: GET, POST
Content-Type: application/json
Content-Length: 31
Cache-Control: no-store") x 8, "! Allow"]
--- response_body eval
[('{"detail":"Method Not Allowed"}') x 8, '{"number":7}']

=== TEST 26: TRACE is refused by nginx itself and uses no number
--- request eval
["TRACE /random", "GET /random"]
--- error_code eval
[405, 200]
--- response_body eval
[qr/405 (?:Method )?Not Allowed/, '{"number":7}']

=== TEST 27: error_page does not change answers
--- shard: range=7-7
--- http_config
    unique_random_pool down {
        shard  $TEST_NGINX_SHARD_B range=1-1 down;
    }

    error_page  405 409 503 =200 /error;
--- config
    location = /random {
        unique_random numbers;
    }

    location = /down {
        unique_random down;
        error_page  503 @error;
    }

    location = /error {
        return 200 error;
    }

    location @error {
        return 200 error;
    }
--- request eval
["PUT /random", "GET /random", "GET /random", "GET /down"]
--- error_code eval
[405, 200, 409, 503]
--- response_headers eval
["Allow: GET, POST", "Content-Length: 12", "Content-Length: 50",
"Retry-After: 1"]
--- response_body eval
['{"detail":"Method Not Allowed"}', '{"number":7}',
'{"detail":"All available numbers have been used."}',
'{"detail":"No number could be reserved in time."}']

=== TEST 28: conditions and ranges do not change a 200
--- shard: range=1-9
--- request eval
[("GET /random") x 8]
--- more_headers eval
["If-Match: \"a\"", "If-None-Match: *", "If-None-Match: \"a\", W/\"b\"",
"If-Modified-Since: Fri, 31 Dec 2100 23:59:59 GMT",
"If-Unmodified-Since: Thu, 01 Jan 1970 00:00:01 GMT",
"Range: bytes=0-0", "Range: bytes=1000-\nIf-Range: \"a\"",
"If-Match: *\nIf-Unmodified-Since: Fri, 31 Dec 2100 23:59:59 GMT"]
--- error_code eval
[(200) x 8]
--- response_headers eval
[("Content-Length: 12\n! Content-Range\n! Accept-Ranges") x 8]
--- response_body eval
[(qr/\A\{"number":[1-9]\}\z/) x 8]

=== TEST 29: conditions and ranges do not change the other answers
--- shard: range=7-7
--- http_config
    unique_random_pool down {
        shard  $TEST_NGINX_SHARD_B range=1-1 down;
    }
--- config
    location = /random {
        unique_random numbers;
    }

    location = /down {
        unique_random down;
    }
--- request eval
["DELETE /random", "GET /random", "GET /random", "GET /down"]
--- more_headers
If-Match: "a"
If-Unmodified-Since: Thu, 01 Jan 1970 00:00:01 GMT
Range: bytes=0-0
--- error_code eval
[405, 200, 409, 503]
--- response_headers eval
[map {"Content-Length: $_\n! Content-Range"} 31, 12, 50, 49]
--- response_body eval
['{"detail":"Method Not Allowed"}', '{"number":7}',
'{"detail":"All available numbers have been used."}',
'{"detail":"No number could be reserved in time."}']

=== TEST 30: expires and add_header cannot take no-store away
--- location
    expires     1h;
    add_header  Cache-Control public always;
    etag        on;
--- request eval
["GET /random", "GET /random"]
--- error_code eval
[200, 409]
--- raw_response_headers_like eval
[(qr/^Cache-Control: no-store\r$/m) x 2]
--- response_body eval
['{"number":7}', '{"detail":"All available numbers have been used."}']

=== TEST 31: a cache that keeps all it may does not keep numbers
--- shard: range=1-2
--- http_config
    proxy_cache_path  $TEST_NGINX_SERVER_ROOT/cache keys_zone=cache:1m;
--- config
    location = /random {
        unique_random;

        expires     1h;
        add_header  Cache-Control "public, max-age=3600" always;
    }

    location = /cached {
        proxy_pass         http://$TEST_NGINX_SERVER_PORT/random;
        proxy_cache        cache;
        proxy_cache_valid  any 1h;
        add_header         X-Cache $upstream_cache_status always;
    }
--- request eval
[("GET /cached") x 3]
--- error_code eval
[200, 200, 409]
--- response_headers eval
[("X-Cache: MISS") x 3]
--- response_body eval
[(qr/\A\{"number":[12]\}\z/) x 2,
'{"detail":"All available numbers have been used."}']

=== TEST 32: gzip leaves alone who does not ask for it
--- shard: range=7-7
--- http_config
    gzip             on;
    gzip_types       *;
    gzip_min_length  1;
--- response_headers
Content-Length: 12
! Content-Encoding
--- response_body: {"number":7}

=== TEST 33: gzip
--- shard: range=7-7
--- http_config
    gzip             on;
    gzip_types       *;
    gzip_min_length  1;
--- more_headers
Accept-Encoding: gzip
--- response_headers
Content-Type: application/json
Content-Encoding: gzip
Cache-Control: no-store
! Content-Length
--- response_body eval
qr/\A\x1f\x8b\x08/

=== TEST 34: what gzip has packed is the number
--- shard: range=7-7
--- http_config
    gzip             on;
    gzip_types       *;
    gzip_min_length  1;
--- location
--- config
    location = /unpacked {
        gunzip              on;
        proxy_pass          http://$TEST_NGINX_SERVER_PORT/random;
        proxy_http_version  1.1;
        proxy_set_header    Accept-Encoding gzip;
    }
--- skip_eval: 4: UniqueRandom::Blocks::nginx_lacks('http_gunzip_module')
--- request: GET /unpacked
--- response_body: {"number":7}

=== TEST 35: neither default_type nor charset changes the type
--- config
    location = /random.html {
        unique_random;

        default_type  text/html;
        charset       utf-8;
    }
--- request: GET /random.html
--- response_headers
Content-Type: application/json
--- response_body: {"number":7}

=== TEST 36: how many remain, on whatever is answered
--- shard: range=7-8
--- location: unique_random_remaining_header on;
--- request eval
["PUT /random", "GET /random", "GET /random", "GET /random", "HEAD /random"]
--- error_code eval
[405, 200, 200, 409, 405]
--- response_headers eval
[map { "X-Unique-Random-Remaining: $_" } 2, 1, 0, 0, 0]
