# Numbers that are never issued: what "exclude" takes, and what it leaves.  See
# 040 for how to add a directive, and t/scenario/exclude.t for larger pools.

use lib 't/lib';
use UniqueRandom::Slot;
use Test::Nginx::Socket;
use UniqueRandom::Blocks;

plan tests => 3 * blocks('emerg') + 7 * blocks('accepted') + 83;

no_long_string();
run_tests();

__DATA__

=== TEST 1: "exclude" with no arguments
--- pool: exclude;
--- emerg: invalid number of arguments in "exclude" directive

=== TEST 2: "exclude" with too many arguments
--- pool: exclude -i a b;
--- emerg: invalid number of arguments in "exclude" directive

=== TEST 3: two patterns in one
--- pool: exclude a b;
--- emerg: invalid parameter "a", "exclude" takes one pattern, with "-i" before it or not

=== TEST 4: "-i" behind the pattern
--- pool: exclude a -i;
--- emerg: invalid parameter "a", "exclude" takes one pattern, with "-i" before it or not

=== TEST 5: "-i" without a pattern
--- pool: exclude -i;
--- emerg: "exclude" directive has no pattern after "-i"

=== TEST 6: a pattern that is not closed
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        exclude "(4";
        exclude 5;
    }
--- emerg: pcre2_compile() failed: missing closing parenthesis in "(4" in http.conf:3

=== TEST 7: a pattern that looks like a mistake, and is none
--- pool: exclude "4*+5";
--- accepted

=== TEST 8: a pattern that repeats nothing
--- pool: exclude -i "*4";
--- emerg: pcre2_compile() failed: quantifier does not follow a repeatable item in "*4" at "*4"

=== TEST 9: all numbers are excluded
--- pool: exclude "^";
--- emerg: "exclude" of unique_random_pool "numbers" leaves no numbers: 100% of 9 that were tried are excluded in http.conf:1

=== TEST 10: all are, by several patterns
--- pool
    exclude [1-4];
    exclude -i [5-9];
--- emerg: "exclude" of unique_random_pool "numbers" leaves no numbers: 100% of 9 that were tried are excluded in http.conf:1

=== TEST 11: an empty pattern excludes all
--- pool: exclude "";
--- emerg: "exclude" of unique_random_pool "numbers" leaves no numbers: 100% of 9 that were tried are excluded in http.conf:1

=== TEST 12: all of those that are tried
--- shard: range=1000000-9000000
--- pool: exclude "^[1-9]\d{5}";
--- emerg: "exclude" of unique_random_pool "numbers" leaves no numbers: 100% of 10000 that were tried are excluded in http.conf:1

=== TEST 13: a pattern that is too much
--- shard: range=1000000000000000000-1100000000000000000
--- pool: exclude "^(\d*\d*\d*)*[x-z]";
--- emerg: "exclude" of unique_random_pool "numbers" cannot match number 1088331080821364256, a simpler pattern is expected in http.conf:1

=== TEST 14: less than nine in ten are excluded
--- shard: range=100-999
--- pool: exclude [1-8]$;
--- accepted

=== TEST 15: nine in ten are
--- shard: range=100-999
--- pool: exclude [1-9]$;
--- config
    location = /ok {
        return 200 ok;
    }
--- request: GET /ok
--- response_body: ok
--- error_log eval
qr/\[warn\] \S+ "exclude" of unique_random_pool "numbers" leaves few numbers: 90\.0% of 900 that were tried are excluded in \S+:\d+/

=== TEST 16: of ranges by their sizes
--- shard: range=1000000-1000999
--- pool
    shard $TEST_NGINX_SHARD_B range=2000000-2998999;
    exclude ^2;
--- config
    location = /ok {
        return 200 ok;
    }
--- request: GET /ok
--- response_body: ok
--- error_log eval
qr/\[warn\] \S+ "exclude" of unique_random_pool "numbers" leaves few numbers: 99\.[89]% of 10000 that were tried are excluded in \S+:\d+/

=== TEST 17: a pattern that takes long
--- shard: range=100000000000000000-110000000000000000
--- pool: exclude "^(\d+)+[x-z]";
--- config
    location = /ok {
        return 200 ok;
    }
--- request: GET /ok
--- response_body: ok
--- error_log eval
qr/\[warn\] \S+ "exclude" of unique_random_pool "numbers" is slow: only \d+ numbers were matched in a second in \S+:\d+/

=== TEST 18: numbers that are excluded do not come
--- shard: range=1-9
--- pool: exclude [1-689];
--- request eval
["GET /random", "GET /random"]
--- error_code eval
[200, 409]
--- response_body eval
['{"number":7}', '{"detail":"All available numbers have been used."}']

=== TEST 19: nor those of any of several patterns
--- shard: range=1-9
--- pool
    exclude [1-3];
    exclude [4-6];
    exclude [89];
--- request eval
["GET /random", "GET /random"]
--- error_code eval
[200, 409]
--- response_body eval
['{"number":7}', '{"detail":"All available numbers have been used."}']

=== TEST 20: it is the written form that is matched
--- shard: range=10-15
--- pool
    exclude  "^id:0[a-e]";
    format   hex width=2 prefix=id:;
--- request eval
["GET /random", "GET /random"]
--- error_code eval
[200, 409]
--- response_body eval
['{"number":"id:0f"}', '{"detail":"All available numbers have been used."}']

=== TEST 21: the order of the two makes no difference
--- shard: range=10-15
--- pool
    format   hex width=2 prefix=id:;
    exclude  "^id:0[a-e]";
--- request eval
["GET /random", "GET /random"]
--- error_code eval
[200, 409]
--- response_body eval
['{"number":"id:0f"}', '{"detail":"All available numbers have been used."}']

=== TEST 22: a pattern is of one case
--- shard: range=10-11
--- pool
    format   hex;
    exclude  A;
    exclude  b;
--- request eval
["GET /random", "GET /random"]
--- error_code eval
[200, 409]
--- response_body eval
['{"number":"a"}', '{"detail":"All available numbers have been used."}']

=== TEST 23: or of both
--- shard: range=10-11
--- pool
    format   hex;
    exclude  -i A;
--- request eval
["GET /random", "GET /random"]
--- error_code eval
[200, 409]
--- response_body eval
['{"number":"b"}', '{"detail":"All available numbers have been used."}']

=== TEST 24: a number as one has it without a format
--- shard: range=9-11
--- pool: exclude "^\d$|1$";
--- response_body: {"number":10}

=== TEST 25: what remains is excluded
--- shard: range=7-7
--- pool
    shard    postgresql://postgres@127.0.0.1:$TEST_NGINX_CLOSED_PORT/numbers range=8-8 down;
    exclude  7;
--- request eval
["GET /random", "GET /random"]
--- error_code eval
[503, 503]
--- response_body eval
[('{"detail":"No number could be reserved in time."}') x 2]

=== TEST 26: with JIT
--- main_config: pcre_jit on;
--- shard: range=1-9
--- pool: exclude [1-689];
--- request eval
["GET /random", "GET /random"]
--- error_code eval
[200, 409]
--- response_body eval
['{"number":7}', '{"detail":"All available numbers have been used."}']
