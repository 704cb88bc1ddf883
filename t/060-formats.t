# The written form of numbers: what "format" takes, and what clients get.  See
# 040 for how to add a directive; t/unit has the forms themselves.

use lib 't/lib';
use UniqueRandom::Slot;
use Test::Nginx::Socket;
use UniqueRandom::Blocks;

plan tests => 3 * blocks('emerg') + 7 * blocks('accepted') + 212;

no_long_string();
run_tests();

__DATA__

=== TEST 1: "format" with no arguments
--- pool: format;
--- emerg: invalid number of arguments in "format" directive

=== TEST 2: two of them
--- pool
    format hex;
    format hex;
--- emerg: "format" directive is duplicate

=== TEST 3: an alphabet that there is not
--- pool: format base64;
--- emerg: invalid format "base64", it must be "decimal", "hex", "base32", "base58" or "base62"

=== TEST 4: no alphabet in front
--- pool: format width=6 hex;
--- emerg: invalid format "width=6", it must be "decimal", "hex", "base32", "base58" or "base62"

=== TEST 5: alphabets are in lower case
--- pool: format HEX;
--- emerg: invalid format "HEX", it must be "decimal", "hex", "base32", "base58" or "base62"

=== TEST 6: a parameter that there is not
--- pool: format hex colour=red;
--- emerg: invalid parameter "colour=red", "format" takes "width=", "prefix=", "group=", "separator=", "check=" and "string"

=== TEST 7: a parameter without its value
--- pool: format hex width;
--- emerg: invalid parameter "width", "format" takes "width=", "prefix=", "group=", "separator=", "check=" and "string"

=== TEST 8: "string" has none
--- pool: format hex string=on;
--- emerg: invalid parameter "string=on", "format" takes "width=", "prefix=", "group=", "separator=", "check=" and "string"

=== TEST 9: a parameter twice
--- pool: format hex width=8 width=8;
--- emerg: duplicate parameter "width=8" in "format" directive

=== TEST 10: "string" twice
--- pool: format hex string string;
--- emerg: duplicate parameter "string" in "format" directive

=== TEST 11: no width
--- pool: format hex width=0;
--- emerg: invalid value "width=0" in "format" directive, a number between 1 and 20 is expected

=== TEST 12: an empty width
--- pool: format hex width=;
--- emerg: invalid value "width=" in "format" directive, a number between 1 and 20 is expected

=== TEST 13: a width above the highest one
--- pool: format hex width=21;
--- emerg: invalid value "width=21" in "format" directive, a number between 1 and 20 is expected

=== TEST 14: a width that is no number
--- pool: format hex width=wide;
--- emerg: invalid value "width=wide" in "format" directive, a number between 1 and 20 is expected

=== TEST 15: an empty prefix
--- pool: format hex prefix=;
--- emerg: invalid value "prefix=" in "format" directive, a text is expected

=== TEST 16: no group
--- pool: format hex group=0;
--- emerg: invalid value "group=0" in "format" directive, a number between 1 and 20 is expected

=== TEST 17: a group above the highest one
--- pool: format hex group=21;
--- emerg: invalid value "group=21" in "format" directive, a number between 1 and 20 is expected

=== TEST 18: a separator of two characters
--- pool: format hex group=2 separator=--;
--- emerg: invalid value "separator=--" in "format" directive, one character is expected

=== TEST 19: an empty separator
--- pool: format hex group=2 separator=;
--- emerg: invalid value "separator=" in "format" directive, one character is expected

=== TEST 20: a check that there is not
--- pool: format decimal check=crc32;
--- emerg: invalid value "check=crc32" in "format" directive, "luhn", "damm", "mod97", "crockford" or "gf32" is expected

=== TEST 21: an empty check
--- pool: format decimal check=;
--- emerg: invalid value "check=" in "format" directive, "luhn", "damm", "mod97", "crockford" or "gf32" is expected

=== TEST 22: a width that is too small for the largest number
--- shard: range=1-100000
--- pool: format decimal width=5;
--- emerg: invalid format "decimal" of unique_random_pool "numbers", whose largest number is 100000 and takes width=6: width is too small for the largest number in http.conf:3

=== TEST 23: the largest number may be of a shard that follows
--- pool
    format decimal width=1;
    shard postgresql://nginx:sesame@127.0.0.2/numbers range=100-200;
--- emerg: invalid format "decimal" of unique_random_pool "numbers", whose largest number is 200 and takes width=3: width is too small for the largest number in http.conf:3

=== TEST 24: a prefix of 33 characters
--- pool: format hex prefix=123456789012345678901234567890123;
--- emerg: invalid format "hex" of unique_random_pool "numbers", whose largest number is 9 and takes width=1: prefix must have at most 32 characters in http.conf:3

=== TEST 25: a prefix that would have to be escaped
--- pool: format hex 'prefix="';
--- emerg: invalid format "hex" of unique_random_pool "numbers", whose largest number is 9 and takes width=1: prefix must consist of letters, digits and - . _ : / in http.conf:3

=== TEST 26: a prefix with a line in it
--- pool
    format hex "prefix=a\nb";
--- emerg: invalid format "hex" of unique_random_pool "numbers", whose largest number is 9 and takes width=1: prefix must consist of letters, digits and - . _ : / in http.conf:3

=== TEST 27: a check of decimal with another alphabet
--- pool: format base32 check=luhn;
--- emerg: invalid format "base32" of unique_random_pool "numbers", whose largest number is 9 and takes width=1: checks "luhn", "damm" and "mod97" are of decimal only in http.conf:3

=== TEST 28: a check of base32 with another alphabet
--- pool: format decimal check=gf32;
--- emerg: invalid format "decimal" of unique_random_pool "numbers", whose largest number is 9 and takes width=1: checks "crockford" and "gf32" are of base32 only in http.conf:3

=== TEST 29: a separator without a group
--- pool: format hex separator=-;
--- emerg: invalid format "hex" of unique_random_pool "numbers", whose largest number is 9 and takes width=1: separator must be with a group in http.conf:3

=== TEST 30: a separator that might be taken for something else
--- pool: format hex group=2 separator=+;
--- emerg: invalid format "hex" of unique_random_pool "numbers", whose largest number is 9 and takes width=1: separator must be one of - . _ : / or a space in http.conf:3

=== TEST 31: no warning for texts of numbers above 2^53
--- shard: range=1-9223372036854775807
--- pool: format decimal string;
--- accepted

=== TEST 32: all parameters at once
--- pool: format base32 width=20 prefix=Az09-._:/ group=20 separator=/ check=gf32 string;
--- accepted

=== TEST 33: as wide as the largest number there is
--- pool
    format decimal width=19;
    shard postgresql://nginx:sesame@127.0.0.2/numbers range=9223372036854775807-9223372036854775807;
--- accepted
--- no_error_log
[emerg]
[alert]
[crit]
[error]
sesame

=== TEST 34: decimal is as wide as the largest number
--- shard: range=42-42
--- pool
    format decimal;
    shard $TEST_NGINX_SHARD_B range=123456-123456 down;
--- response_headers
Content-Type: application/json
Content-Length: 19
--- response_body: {"number":"000042"}

=== TEST 35: "string" alone changes nothing but the quotes
--- shard: range=42-42
--- pool
    format decimal string;
    shard $TEST_NGINX_SHARD_B range=123456-123456 down;
--- response_headers
Content-Length: 15
--- response_body: {"number":"42"}

=== TEST 36: hex
--- shard: range=123456789-123456789
--- pool: format hex;
--- response_body: {"number":"75bcd15"}

=== TEST 37: base32
--- shard: range=123456789-123456789
--- pool: format base32;
--- response_body: {"number":"3NQK8N"}

=== TEST 38: base58
--- shard: range=123456789-123456789
--- pool: format base58;
--- response_body: {"number":"BukQL"}

=== TEST 39: base62
--- shard: range=123456789-123456789
--- pool: format base62;
--- response_body: {"number":"8M0kX"}

=== TEST 40: zeros in front are of the alphabet
--- shard: range=0-0
--- pool: format base58 width=4;
--- response_body: {"number":"1111"}

=== TEST 41: the largest number
--- shard: range=9223372036854775807-9223372036854775807
--- pool: format hex;
--- response_body: {"number":"7fffffffffffffff"}

=== TEST 42: a prefix, groups and a check, whose zeros do not count
--- shard: range=123456-123456
--- pool: format decimal width=8 prefix=INV- group=3 check=luhn;
--- response_headers
Content-Length: 28
--- response_body: {"number":"INV-001-234-566"}

=== TEST 43: damm
--- shard: range=572-572
--- pool: format decimal check=damm;
--- response_body: {"number":"5724"}

=== TEST 44: mod97
--- shard: range=794-794
--- pool: format decimal check=mod97;
--- response_body: {"number":"79444"}

=== TEST 45: crockford
--- shard: range=1234-1234
--- pool: format base32 check=crockford;
--- response_body: {"number":"16JD"}

=== TEST 46: gf32
--- shard: range=1234-1234
--- pool: format base32 check=gf32;
--- response_body: {"number":"16JH"}

=== TEST 47: a separator of its own
--- shard: range=1234567-1234567
--- pool: format decimal group=2 "separator= ";
--- response_body: {"number":"12 34 56 7"}

=== TEST 48: all at once, as long as it gets
--- shard: range=1-1
--- pool: format base32 width=20 prefix=12345678901234567890123456789012 group=1 separator=. check=gf32;
--- response_headers
Content-Length: 86
--- response_body: {"number":"123456789012345678901234567890120.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.2"}

=== TEST 49: as plain text
--- pool: format decimal width=3 prefix=N;
--- more_headers
Accept: text/plain
--- response_headers
Content-Type: text/plain
Content-Length: 5
Cache-Control: no-store
! ETag
--- response_body
N007

=== TEST 50: as plain text, without a format
--- shard: range=9223372036854775807-9223372036854775807
--- more_headers
Accept: text/plain
--- response_headers
Content-Type: text/plain
Content-Length: 20
Cache-Control: no-store
--- response_body
9223372036854775807

=== TEST 51: plain text of a number that was waited for, and of one that was leased
--- shard: range=1-2
--- pool: format hex width=4;
--- request eval
["GET /random", "POST /random"]
--- more_headers
Accept: text/plain
--- response_headers eval
[("Content-Type: text/plain\nContent-Length: 5") x 2]
--- response_body eval
[(qr/\A000[12]\n\z/) x 2]

=== TEST 52: anything is JSON
--- more_headers
Accept: */*
--- response_headers
Content-Type: application/json
--- response_body: {"number":7}

=== TEST 53: any text is plain text
--- more_headers
Accept: text/*
--- response_headers
Content-Type: text/plain
--- response_body
7

=== TEST 54: any application is JSON
--- more_headers
Accept: application/*, text/plain;q=0.9
--- response_headers
Content-Type: application/json
--- response_body: {"number":7}

=== TEST 55: plain text that is liked less
--- more_headers
Accept: text/plain;q=0.5, application/json
--- response_headers
Content-Type: application/json
--- response_body: {"number":7}

=== TEST 56: plain text that is liked as much as anything
--- more_headers
Accept: text/plain, */*
--- response_headers
Content-Type: application/json
--- response_body: {"number":7}

=== TEST 57: plain text that is liked better than anything
--- more_headers
Accept: text/plain;q=0.5, */*;q=0.1
--- response_headers
Content-Type: text/plain
--- response_body
7

=== TEST 58: JSON that is not acceptable
--- more_headers
Accept: application/json;q=0, */*
--- response_headers
Content-Type: text/plain
--- response_body
7

=== TEST 59: plain text that is not acceptable
--- more_headers
Accept: text/plain;q=0, */*;q=0.1
--- response_headers
Content-Type: application/json
--- response_body: {"number":7}

=== TEST 60: neither is acceptable
--- more_headers
Accept: text/html
--- response_headers
Content-Type: application/json
--- response_body: {"number":7}

=== TEST 61: what a browser sends
--- more_headers
Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8
--- response_headers
Content-Type: application/json
--- response_body: {"number":7}

=== TEST 62: all are used, which is told as JSON
--- pool: format hex;
--- request eval
["GET /random", "GET /random", "HEAD /random"]
--- more_headers
Accept: text/plain
--- error_code eval
[200, 409, 405]
--- response_headers eval
["Content-Type: text/plain",
"Content-Type: application/json\nContent-Length: 50\nCache-Control: no-store",
"Content-Type: application/json\nContent-Length: 31\nAllow: GET, POST"]
--- response_body eval
["7\n", '{"detail":"All available numbers have been used."}', '']

=== TEST 63: none in time, which is told as JSON
--- pool
    format hex;
    queue  0;
--- more_headers
Accept: text/plain
--- error_code: 503
--- response_headers
Content-Type: application/json
Content-Length: 49
Retry-After: 1
--- response_body: {"detail":"No number could be reserved in time."}

=== TEST 64: HEAD is not allowed and uses no number
--- pool: format hex;
--- request eval
["HEAD /random", "GET /random"]
--- error_code eval
[405, 200]
--- response_headers eval
["Allow: GET, POST\nContent-Type: application/json\nContent-Length: 31",
"! Allow"]
--- response_body eval
['', '{"number":"7"}']

=== TEST 65: the variable is the number as it is written
--- http_config
    unique_random_pool numbers {
        shard      $TEST_NGINX_SHARD range=255-255;
        bootstrap  on;
        format     hex width=4 prefix=id: group=2;
    }

    log_format  number  "drawn: $unique_random_number";
--- config
    location = /random {
        unique_random;
        access_log  logs/number.log number;
        add_header  X-Number $unique_random_number;
    }

    location = /number.log {
        alias       logs/number.log;
    }
--- request eval
["GET /random", "GET /number.log"]
--- response_headers eval
["X-Number: id:00-ff", "! X-Number"]
--- response_body eval
['{"number":"id:00-ff"}', "drawn: id:00-ff\n"]

=== TEST 66: a larger range makes numbers longer, unless they have a width
--- http_config
    unique_random_pool short {
        shard      $TEST_NGINX_SHARD range=7-7;
        bootstrap  on;
        format     decimal;
    }

    unique_random_pool long {
        shard      $TEST_NGINX_SHARD range=7-7;
        shard      postgresql://postgres@127.0.0.1:$TEST_NGINX_CLOSED_PORT/numbers range=1000-9999 down;
        bootstrap  on;
        format     decimal;
    }

    unique_random_pool wide {
        shard      $TEST_NGINX_SHARD range=7-7;
        bootstrap  on;
        format     decimal width=4;
    }
--- config
    location = /short {
        unique_random short;
    }

    location = /long {
        unique_random long;
    }

    location = /wide {
        unique_random wide;
    }
--- request eval
["GET /short", "GET /long", "GET /wide"]
--- response_body eval
['{"number":"7"}', '{"number":"0007"}', '{"number":"0007"}']

=== TEST 67: what is liked is said in several lines
--- more_headers
Accept: application/json;q=0.5
X-Between: text/html
Accept: text/html, text/plain;q=0.4
Accept: text/plain
--- response_headers
Content-Type: text/plain
--- response_body
7

=== TEST 68: the second of two lines takes back what the first one says
--- more_headers
Accept: text/*
Accept: text/plain;q=0.1, application/json;q=0.2
--- response_headers
Content-Type: application/json
--- response_body: {"number":7}
