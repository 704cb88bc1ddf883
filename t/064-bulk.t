# Many numbers: what "count" may be, how it is refused, and what is answered; and
# the directives that are about it.

use lib 't/lib';
use UniqueRandom::Slot;
use Test::Nginx::Socket;
use UniqueRandom::Blocks;

plan tests => 335;

no_long_string();
run_tests();

__DATA__

=== TEST 1: one number, in a list
--- request: GET /random?count=1
--- response_headers
Content-Type: application/json
Cache-Control: no-store
Transfer-Encoding: chunked
! Content-Length
! ETag
! Accept-Ranges
! Retry-After
! X-Unique-Random-Remaining
--- response_body: {"numbers":[7]}

=== TEST 2: several
--- shard: range=3-4
--- request: GET /random?count=2
--- response_body_like: ^\{"numbers":\[(?:3,4|4,3)\]\}$

=== TEST 3: by POST, whatever its body is
--- request
POST /random?count=1
{"count":5}
--- response_body: {"numbers":[7]}

=== TEST 4: among other arguments
--- request: GET /random?a=1&count=1&b=count=2
--- response_body: {"numbers":[7]}

=== TEST 5: the name in another way of writing
--- request: GET /random?c%6funt=1
--- response_body: {"numbers":[7]}

=== TEST 6: zeros before it mean nothing
--- request: GET /random?count=0001
--- response_body: {"numbers":[7]}

=== TEST 7: another name
--- request: GET /random?counts=5&Count=6&xcount=7
--- response_body: {"number":7}

=== TEST 8: as text, a line each
--- shard: range=3-4
--- request: GET /random?count=2
--- more_headers
Accept: text/plain
--- response_headers
Content-Type: text/plain
Cache-Control: no-store
--- response_body_like: ^(?:3\n4|4\n3)\n$

=== TEST 9: with a format, as texts
--- pool: format decimal prefix=N- width=5;
--- request: GET /random?count=1
--- response_body: {"numbers":["N-00007"]}

=== TEST 10: with a format, as lines
--- pool: format decimal prefix=N- width=5;
--- request: GET /random?count=1
--- more_headers
Accept: text/plain
--- response_body
N-00007

=== TEST 11: HEAD uses none
--- request eval
["HEAD /random?count=1", "GET /random"]
--- error_code eval
[405, 200]
--- response_body eval
["", '{"number":7}']

=== TEST 12: more than are left, of which none is used
--- shard: range=3-4
--- request eval
["GET /random?count=3", "GET /random?count=2", "GET /random?count=1"]
--- error_code eval
[409, 200, 409]
--- response_headers eval
["Content-Type: application/json", "", ""]
--- response_body_like eval
[qr/^\{"detail":"Fewer than 3 numbers are left.","code":"exhausted"\}$/,
    qr/^\{"numbers":\[[34],[34]\]\}$/,
    qr/^\{"detail":"Fewer than 1 numbers are left.","code":"exhausted"\}$/]

=== TEST 13: not in time
--- http_config
    unique_random_pool numbers {
        shard postgresql://nobody@127.0.0.1:$TEST_NGINX_CLOSED_PORT/no range=1-9;
        wait_timeout 100ms;
    }
--- request: GET /random?count=5
--- error_code: 503
--- response_headers
Retry-After: 1
Cache-Control: no-store
--- response_body: {"detail":"5 numbers could not be reserved in time.","code":"unavailable"}

=== TEST 14: refused: no value
--- request eval
["GET /random?count", "GET /random"]
--- error_code eval
[400, 200]
--- response_body eval
['{"detail":"count must be one number from 1 to 1000.","code":"count"}', '{"number":7}']

=== TEST 15: refused: an empty value
--- request eval
["GET /random?count=", "GET /random"]
--- error_code eval
[400, 200]
--- response_body eval
['{"detail":"count must be one number from 1 to 1000.","code":"count"}', '{"number":7}']

=== TEST 16: refused: zero
--- request eval
["GET /random?count=0", "GET /random"]
--- error_code eval
[400, 200]
--- response_body eval
['{"detail":"count must be one number from 1 to 1000.","code":"count"}', '{"number":7}']

=== TEST 17: refused: many zeros
--- request eval
["GET /random?count=000", "GET /random"]
--- error_code eval
[400, 200]
--- response_body eval
['{"detail":"count must be one number from 1 to 1000.","code":"count"}', '{"number":7}']

=== TEST 18: refused: a sign
--- request eval
["GET /random?count=-1", "GET /random"]
--- error_code eval
[400, 200]
--- response_body eval
['{"detail":"count must be one number from 1 to 1000.","code":"count"}', '{"number":7}']

=== TEST 19: refused: another sign
--- request eval
["GET /random?count=+5", "GET /random"]
--- error_code eval
[400, 200]
--- response_body eval
['{"detail":"count must be one number from 1 to 1000.","code":"count"}', '{"number":7}']

=== TEST 20: refused: a space
--- request eval
["GET /random?count=%205", "GET /random"]
--- error_code eval
[400, 200]
--- response_body eval
['{"detail":"count must be one number from 1 to 1000.","code":"count"}', '{"number":7}']

=== TEST 21: refused: a fraction
--- request eval
["GET /random?count=1.0", "GET /random"]
--- error_code eval
[400, 200]
--- response_body eval
['{"detail":"count must be one number from 1 to 1000.","code":"count"}', '{"number":7}']

=== TEST 22: refused: an exponent
--- request eval
["GET /random?count=1e3", "GET /random"]
--- error_code eval
[400, 200]
--- response_body eval
['{"detail":"count must be one number from 1 to 1000.","code":"count"}', '{"number":7}']

=== TEST 23: refused: hexadecimal
--- request eval
["GET /random?count=0x10", "GET /random"]
--- error_code eval
[400, 200]
--- response_body eval
['{"detail":"count must be one number from 1 to 1000.","code":"count"}', '{"number":7}']

=== TEST 24: refused: a digit in another way of writing
--- request eval
["GET /random?count=%31", "GET /random"]
--- error_code eval
[400, 200]
--- response_body eval
['{"detail":"count must be one number from 1 to 1000.","code":"count"}', '{"number":7}']

=== TEST 25: refused: a word
--- request eval
["GET /random?count=many", "GET /random"]
--- error_code eval
[400, 200]
--- response_body eval
['{"detail":"count must be one number from 1 to 1000.","code":"count"}', '{"number":7}']

=== TEST 26: refused: more than it may be
--- request eval
["GET /random?count=1001", "GET /random"]
--- error_code eval
[400, 200]
--- response_body eval
['{"detail":"count must be one number from 1 to 1000.","code":"count"}', '{"number":7}']

=== TEST 27: refused: far more
--- request eval
["GET /random?count=99999999999999999999999", "GET /random"]
--- error_code eval
[400, 200]
--- response_body eval
['{"detail":"count must be one number from 1 to 1000.","code":"count"}', '{"number":7}']

=== TEST 28: refused: 2^64 + 1
--- request eval
["GET /random?count=18446744073709551617", "GET /random"]
--- error_code eval
[400, 200]
--- response_body eval
['{"detail":"count must be one number from 1 to 1000.","code":"count"}', '{"number":7}']

=== TEST 29: refused: twice
--- request eval
["GET /random?count=1&count=1", "GET /random"]
--- error_code eval
[400, 200]
--- response_body eval
['{"detail":"count must be one number from 1 to 1000.","code":"count"}', '{"number":7}']

=== TEST 30: refused: twice, in two ways of writing
--- request eval
["GET /random?count=1&%63ount=2", "GET /random"]
--- error_code eval
[400, 200]
--- response_body eval
['{"detail":"count must be one number from 1 to 1000.","code":"count"}', '{"number":7}']

=== TEST 31: refused: a list
--- request eval
["GET /random?count=1,2", "GET /random"]
--- error_code eval
[400, 200]
--- response_body eval
['{"detail":"count must be one number from 1 to 1000.","code":"count"}', '{"number":7}']

=== TEST 32: refused: something behind it
--- request eval
["GET /random?count=1;b", "GET /random"]
--- error_code eval
[400, 200]
--- response_body eval
['{"detail":"count must be one number from 1 to 1000.","code":"count"}', '{"number":7}']

=== TEST 33: refused, with its headers, whatever error_page says
--- location
    error_page 400 = /other;
--- request: GET /random?count=0
--- error_code: 400
--- response_headers
Content-Type: application/json
Cache-Control: no-store
--- response_body: {"detail":"count must be one number from 1 to 1000.","code":"count"}

=== TEST 34: as many as a location allows
--- shard: range=1-9
--- location: unique_random_max_count 2;
--- request eval
["GET /random?count=3", "GET /random?count=2"]
--- error_code eval
[400, 200]
--- response_body_like eval
[qr/"count must be one number from 1 to 2\."/, qr/^\{"numbers":\[\d,\d\]\}$/]

=== TEST 35: inherited, and not
--- shard: range=1-9
--- http_config
    unique_random_max_count 3;
--- location: unique_random_max_count 5;
--- config
    location = /other {
        unique_random;
    }
--- request eval
["GET /random?count=6", "GET /other?count=4"]
--- error_code eval
[400, 400]
--- response_body_like eval
[qr/from 1 to 5\./, qr/from 1 to 3\./]

=== TEST 36: the header that says how many are left
--- shard: range=1-9
--- location: unique_random_remaining_header on;
--- request eval
["GET /random?count=4", "GET /random?count=6", "GET /random?count=0",
    "POST /random?count=5", "GET /random"]
--- error_code eval
[200, 409, 400, 200, 409]
--- response_headers eval
["X-Unique-Random-Remaining: 5", "X-Unique-Random-Remaining: 5",
    "X-Unique-Random-Remaining: 5", "X-Unique-Random-Remaining: 0",
    "X-Unique-Random-Remaining: 0"]
--- response_body_like eval
[qr/numbers/, qr/detail/, qr/detail/, qr/numbers/, qr/detail/]

=== TEST 37: "unique_random_max_count" with "0"
--- location: unique_random_max_count 0;
--- emerg: invalid value "0" in "unique_random_max_count" directive, a number between 1 and 1000000 is expected in nginx.conf

=== TEST 38: "unique_random_max_count" with "-1"
--- location: unique_random_max_count -1;
--- emerg: invalid value "-1" in "unique_random_max_count" directive, a number between 1 and 1000000 is expected in nginx.conf

=== TEST 39: "unique_random_max_count" with "1000001"
--- location: unique_random_max_count 1000001;
--- emerg: invalid value "1000001" in "unique_random_max_count" directive, a number between 1 and 1000000 is expected in nginx.conf

=== TEST 40: "unique_random_max_count" with "many"
--- location: unique_random_max_count many;
--- emerg: invalid value "many" in "unique_random_max_count" directive, a number between 1 and 1000000 is expected in nginx.conf

=== TEST 41: "unique_random_max_count" with "1.5"
--- location: unique_random_max_count 1.5;
--- emerg: invalid value "1.5" in "unique_random_max_count" directive, a number between 1 and 1000000 is expected in nginx.conf

=== TEST 42: "unique_random_max_count" with "1k"
--- location: unique_random_max_count 1k;
--- emerg: invalid value "1k" in "unique_random_max_count" directive, a number between 1 and 1000000 is expected in nginx.conf

=== TEST 43: "unique_random_max_count" with no arguments
--- location: unique_random_max_count;
--- emerg: invalid number of arguments in "unique_random_max_count" directive in nginx.conf

=== TEST 44: "unique_random_max_count" with too many arguments
--- location: unique_random_max_count 1 2;
--- emerg: invalid number of arguments in "unique_random_max_count" directive in nginx.conf

=== TEST 45: "unique_random_remaining_header" with no arguments
--- location: unique_random_remaining_header;
--- emerg: invalid number of arguments in "unique_random_remaining_header" directive in nginx.conf

=== TEST 46: "unique_random_remaining_header" with too many arguments
--- location: unique_random_remaining_header on off;
--- emerg: invalid number of arguments in "unique_random_remaining_header" directive in nginx.conf

=== TEST 47: "unique_random_remaining_header" with "yes"
--- location: unique_random_remaining_header yes;
--- emerg: invalid value "yes" in "unique_random_remaining_header" directive, it must be "on" or "off" in nginx.conf

=== TEST 48: "unique_random_max_count" twice
--- location
    unique_random_max_count 1;
    unique_random_max_count 1;
--- emerg: "unique_random_max_count" directive is duplicate in nginx.conf

=== TEST 49: "unique_random_max_count" in a pool
--- pool: unique_random_max_count 1;
--- emerg: unknown directive "unique_random_max_count" in unique_random_pool

=== TEST 50: "unique_random_remaining_header" twice
--- location
    unique_random_remaining_header on;
    unique_random_remaining_header on;
--- emerg: "unique_random_remaining_header" directive is duplicate in nginx.conf

=== TEST 51: "unique_random_remaining_header" in a pool
--- pool: unique_random_remaining_header on;
--- emerg: unknown directive "unique_random_remaining_header" in unique_random_pool

=== TEST 52: the most that it may be
--- location: unique_random_max_count 1000000;
--- request: GET /random?count=1000000
--- error_code: 409
--- response_body: {"detail":"Fewer than 1000000 numbers are left.","code":"exhausted"}

=== TEST 53: both, wherever they may be
--- shard: range=1-9
--- http_config
    unique_random_max_count 10;
    unique_random_remaining_header on;
--- location
    unique_random_max_count 20;
    unique_random_remaining_header off;

    if ($arg_a) {
        unique_random;
        unique_random_max_count 30;
        unique_random_remaining_header on;
    }
--- request eval
["GET /random?count=2", "GET /random?a=1&count=31"]
--- error_code eval
[200, 400]
--- response_headers eval
["! X-Unique-Random-Remaining", "X-Unique-Random-Remaining: 7"]
--- response_body_like eval
[qr/numbers/, qr/from 1 to 30\./]
