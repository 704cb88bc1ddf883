# Looking numbers up: how they are asked for, and what is answered, to the byte.

use lib 't/lib';
use UniqueRandom::Slot;
use Test::Nginx::Socket;
use UniqueRandom::Blocks;

plan tests => 3 * blocks('emerg') + 527;

no_long_string();
run_tests();

__DATA__

=== TEST 1: before the first reply nothing is known
--- location
--- config
    location = /lookup { unique_random_lookup; }
--- request: GET /lookup?number=7
--- response_headers
Content-Type: application/json
Content-Length: 56
Cache-Control: no-store
! ETag
! Last-Modified
! Accept-Ranges
! Allow
--- response_body: {"number":7,"status":"unknown","range":[7,7],"age":null}

=== TEST 2: after it, the one number that there is is reserved
--- location
--- config
    location = /lookup { unique_random_lookup numbers; }
--- request eval
["GET /random", "GET /lookup?number=7"]
--- response_body_like eval
['\A\{"number":7\}\z',
'\A\{"number":7,"status":"reserved","range":\[7,7\],"age":\d+\.\d\d\d\}\z']

=== TEST 3: one that is looked at is not
--- location
--- config
    location = /lookup { unique_random_lookup numbers fresh; }
--- request eval
["GET /lookup?number=7", "GET /random", "GET /lookup?number=7"]
--- response_body_like eval
['\A\{"number":7,"status":"unreserved","range":\[7,7\],"age":\d+\.\d\d\d\}\z',
'\A\{"number":7\}\z',
'\A\{"number":7,"status":"reserved","range":\[7,7\],"age":\d+\.\d\d\d\}\z']

=== TEST 4: the options alone, where there is one pool
--- location
--- config
    location = /lookup { unique_random_lookup fresh lenient; }
--- request: GET /lookup?number=7
--- response_body_like: ^\{"number":7,"status":"unreserved",

=== TEST 5: HEAD
--- location
--- config
    location = /lookup { unique_random_lookup; }
--- request: HEAD /lookup?number=7
--- response_headers
Content-Type: application/json
Content-Length: 56
Cache-Control: no-store
--- response_body:

=== TEST 6: HEAD of what is none
--- location
--- config
    location = /lookup { unique_random_lookup; }
--- request: HEAD /lookup?number=8
--- error_code: 404
--- response_headers
Content-Type: application/json
Content-Length: 117
--- response_body:

=== TEST 7: other methods
--- location
--- config
    location = /lookup { unique_random_lookup fresh; }
--- request eval
["POST /lookup?number=7\nnumber=7", "DELETE /lookup?number=7", "PUT /lookup"]
--- error_code eval
[405, 405, 405]
--- response_headers eval
[("Content-Type: application/json
Allow: GET, HEAD
Cache-Control: no-store") x 3]
--- response_body eval
[('{"detail":"Method Not Allowed","code":"method"}') x 3]

=== TEST 8: no number
--- location
--- config
    location = /lookup { unique_random_lookup; }
--- request eval
["GET /lookup", "GET /lookup?", "GET /lookup?Number=7", "GET /lookup?7",
"GET /lookup?numbers=7&a=number"]
--- error_code eval
[(400) x 5]
--- response_headers eval
[("Content-Type: application/json
Cache-Control: no-store") x 5]
--- response_body eval
[('{"detail":"number must be given.","code":"missing"}') x 5]

=== TEST 9: an empty one
--- location
--- config
    location = /lookup { unique_random_lookup; }
--- request eval
["GET /lookup?number=", "GET /lookup?number", "GET /lookup?a=7&number=&b"]
--- error_code eval
[(400) x 3]
--- response_body eval
[('{"detail":"number must not be empty.","code":"empty"}') x 3]

=== TEST 10: more than one
--- location
--- config
    location = /lookup { unique_random_lookup; }
--- request eval
["GET /lookup?number=7&number=7", "GET /lookup?number=7&number",
"GET /lookup?number=7&%6eumber=8"]
--- error_code eval
[(400) x 3]
--- response_body eval
[('{"detail":"number must be given once.","code":"repeated"}')
x 3]

=== TEST 11: one that is encoded, among others
--- location
--- config
    location = /lookup { unique_random_lookup; }
--- request eval
["GET /lookup?a=1&number=%37&b=2", "GET /lookup?&&n%75mber=7&"]
--- response_body_like eval
[('\A\{"number":7,"status":"unknown",') x 2]

=== TEST 12: what is no number is not repeated
--- location
--- config
    location = /lookup { unique_random_lookup lenient; }
--- request eval
[map { "GET /lookup?number=$_" } "x", "07", "+7", "%207", "7%20", "-7", "7.0",
"0x7", "7%00", "%00", "%", "7%3", "7%zz", "7-7", "7" x 300 . "x",
"018446744073709551616", "%3Cscript%3E", "%22,%22status%22:%22reserved",
"\xc3\xa4"]
--- error_code eval
[(422) x 19]
--- response_body eval
[('{"number":null,"status":"invalid","code":"malformed","detail":'
. '"A number has digits only, and no zeros before them."}') x 19]

=== TEST 13: the status has its name
--- location
--- config
    location = /lookup { unique_random_lookup; }
--- raw_request eval
"GET /lookup?number=x HTTP/1.0\r\n\r\n"
--- error_code: 422
--- raw_response_headers_like: ^HTTP/1\.1 422 Unprocessable Content\r\n

=== TEST 14: a number of no range
--- shard: range=10-19 range=30-39
--- location
--- config
    location = /lookup { unique_random_lookup; }
--- request eval
[map { "GET /lookup?number=$_" } 0, 9, 20, 29, 40, "18446744073709551615"]
--- error_code eval
[(404) x 6]
--- response_headers eval
[("Content-Type: application/json
Cache-Control: no-store") x 6]
--- response_body eval
[map { qq({"number":$_,"status":"invalid","code":"no_range",)
. '"detail":"No range has this number; the pool has some from 10 to 39."}' }
0, 9, 20, 29, 40, "18446744073709551615"]

=== TEST 15: numbers that are larger than any
--- location
--- config
    location = /lookup { unique_random_lookup; }
--- request eval
["HEAD /lookup?number=18446744073709551616",
map { "GET /lookup?number=$_" } "18446744073709551616", "7" x 300,
"%39" x 1000]
--- error_code eval
[(404) x 4]
--- response_headers eval
[("Content-Type: application/json
Content-Length: 120
Cache-Control: no-store") x 4]
--- response_body eval
["", ('{"number":null,"status":"invalid","code":"no_range",'
. '"detail":"No range has this number; the pool has some from 7 to 7."}') x 3]

=== TEST 16: the same, in a format
--- pool: format decimal width=20 prefix=N- group=10 check=luhn;
--- location
--- config
    location = /lookup { unique_random_lookup; }
    location = /lenient { unique_random_lookup lenient; }
--- request eval
["GET /lookup?number=N-1844674407-3709551616-0",
"GET /lookup?number=N-9999999999-9999999999-9",
"GET /lenient?number=n-99999999999999999999-9",
"GET /lookup?number=N-9999999999-999999999x-9",
"GET /lookup?number=N-99999999999999999999-9",
"GET /lookup?number=N-9999999999-9999999999-99"]
--- error_code eval
[404, 404, 404, 422, 422, 422]
--- response_body_like eval
[('\A\{"number":null,"status":"invalid","code":"no_range","detail":"No range has this number; the pool has some from N-0000000000-0000000007-5 to N-0000000000-0000000007-5\."\}\z') x 3,
('"code":"malformed"') x 3]

=== TEST 17: a format
--- shard: range=7-7
--- pool: format decimal width=3 prefix=N:/ group=2 check=luhn;
--- location
--- config
    location = /lookup { unique_random_lookup; }
--- request eval
["GET /random", map { "GET /lookup?number=$_" }
"N:/00-75", "N%3A%2f00%2D75", "N:/00-83", "N:/00-76", "N:/0075", "n:/00-75",
"7", "N:/00-75-", "N:/00%2075"]
--- error_code eval
[200, 200, 200, 404, (422) x 6]
--- response_body_like eval
['\A\{"number":"N:/00-75"\}\z',
('\A\{"number":"N:/00-75","status":"reserved","range":\[7,7\],"age":\d+\.\d+\}\z') x 2,
'\A\{"number":"N:/00-83","status":"invalid","code":"no_range","detail":"No range has this number; the pool has some from N:/00-75 to N:/00-75\."\}\z',
'\A\{"number":null,"status":"invalid","code":"check","detail":"The check symbols must be those of the number\."\}\z',
('\A\{"number":null,"status":"invalid","code":"malformed","detail":"A number is written as in \\\\"N:/00-75\\\\"\."\}\z') x 5]

=== TEST 18: the same, leniently
--- shard: range=7-7
--- pool: format decimal width=3 prefix=N:/ group=2 check=luhn;
--- location
--- config
    location = /lookup { unique_random_lookup lenient; }
--- request eval
[map { "GET /lookup?number=$_" } "N:/00-75", "n:/0075", "n:/-0-0-7--5-",
"N:/00.75", "N:/00+75", "n:/:0_0/7%205", "N:/00" . "-" x 300 . "75",
"N:/0076", "N:/00.76", "N:/075", "N-0075", "N-:/0075", "N:/00,75"]
--- error_code eval
[(200) x 7, (422) x 6]
--- response_body_like eval
[('\A\{"number":"N:/00-75","status":"unknown","range":\[7,7\],"age":null\}\z')
x 7, ('"code":"check"') x 2, ('"code":"malformed"') x 4]

=== TEST 19: separators, where the format has no groups
--- shard: range=674947-674947
--- pool: format base32 width=8 check=crockford;
--- location
--- config
    location = /lookup { unique_random_lookup lenient; }
    location = /strict { unique_random_lookup; }
--- request eval
["GET /lookup?number=0000-MK43Y", "GET /lookup?number=0000+mk43-y",
"GET /lookup?number=oooo" . "-" x 300 . "mk43y",
"GET /lookup?number=0000-MK43-Z", "GET /strict?number=0000-MK43Y"]
--- error_code eval
[200, 200, 200, 422, 422]
--- response_body_like eval
[('\A\{"number":"0000MK43Y","status":"unknown","range":\[674947,674947\],') x 3,
'"code":"check"', '"code":"malformed"']

=== TEST 20: symbols that look like others
--- shard: range=1000-1000
--- pool: format base32 check=crockford;
--- location
--- config
    location = /lookup { unique_random_lookup lenient; }
    location = /strict { unique_random_lookup; }
--- request eval
["GET /lookup?number=Z81", "GET /lookup?number=z8l", "GET /lookup?number=Z8I",
"GET /lookup?number=Z8%2A", "GET /lookup?number=Z8*",
"GET /strict?number=Z81", "GET /strict?number=z81", "GET /strict?number=Z8l"]
--- error_code eval
[200, 200, 200, 422, 422, 200, 422, 422]
--- response_body_like eval
[('\A\{"number":"Z81","status":"unknown","range":\[1000,1000\],') x 3,
('"code":"check"') x 2, '\A\{"number":"Z81",', ('"code":"malformed"') x 2]

=== TEST 21: a plain number as a string
--- pool: format decimal string;
--- location
--- config
    location = /lookup { unique_random_lookup; }
--- request eval
["GET /lookup?number=7", "GET /lookup?number=8", "GET /lookup?number=07"]
--- error_code eval
[200, 404, 422]
--- response_body eval
['{"number":"7","status":"unknown","range":[7,7],"age":null}',
'{"number":"8","status":"invalid","code":"no_range","detail":"No range has this number; the pool has some from 7 to 7."}',
'{"number":null,"status":"invalid","code":"malformed","detail":"A number has digits only, and no zeros before them."}']

=== TEST 22: in "if" and in "limit_except"
--- location
--- config
    location = /lookup {
        if ($arg_fresh) {
            unique_random_lookup fresh;
        }

        limit_except GET {
            deny all;
        }

        unique_random_lookup;
    }
--- request eval
["GET /lookup?number=7", "GET /lookup?number=7&fresh=1", "PUT /lookup?number=7"]
--- error_code eval
[200, 200, 403]
--- response_body_like eval
['"status":"unknown"', '"status":"unreserved"', '403 Forbidden']

=== TEST 23: of a subrequest, in a page
--- location
--- config
    location = /lookup { unique_random_lookup fresh; }

    location = /page {
        ssi        on;
        ssi_types  text/plain;
    }
--- user_files
>>> page
<!--# include virtual="/lookup?number=7" --> <!--# include virtual="/lookup?number=x" --> <!--# include virtual="/random" --> <!--# include virtual="/lookup?number=7" wait="yes" -->
--- request: GET /page?number=8
--- response_body_like: ^\{"number":7,"status":"(?:un)?reserved",.*\} \{"number":null,.*\} \{"number":7\} \{"number":7,"status":"(?:un)?reserved",.*\}\n$

=== TEST 24: by a redirect inside, with arguments of its own
--- location
--- config
    location = /lookup { unique_random_lookup fresh; }

    location /numbers/ {
        rewrite ^/numbers/(\d+)$ /lookup?number=$1? last;
    }
--- request: GET /numbers/7?number=8
--- response_body_like: ^\{"number":7,"status":"unreserved",

=== TEST 25: error_page has no part in it, variables are not set
--- location
--- config
    location = /lookup {
        unique_random_lookup;
        error_page  400 404 422 /random;
        add_header  X-Seen "[$unique_random_number$unique_random_status$unique_random_shard$unique_random_wait]" always;
    }
--- request eval
["GET /lookup?number=7", "GET /lookup?number=8", "GET /lookup?number=x",
"GET /lookup"]
--- error_code eval
[200, 404, 422, 400]
--- response_headers eval
[("X-Seen: []") x 4]
--- response_body_like eval
['"status":"unknown"', '"code":"no_range"', '"code":"malformed"',
'"code":"missing"']

=== TEST 26: a shard that is out of reach, and "queue 0"
--- http_config
    unique_random_pool numbers {
        shard  postgresql://postgres@127.0.0.1:$TEST_NGINX_CLOSED_PORT/numbers range=1-9;
        wait_timeout  2s;
    }

    unique_random_pool off {
        shard  postgresql://postgres@127.0.0.1:$TEST_NGINX_HOLE_PORT/numbers range=1-9;
        queue  0;
    }
--- config
    location = /lookup { unique_random_lookup numbers fresh; }
    location = /off { unique_random_lookup off fresh; }
--- request eval
["GET /lookup?number=7", "GET /off?number=7"]
--- response_body eval
[('{"number":7,"status":"unknown","range":[1,9],"age":null}') x 2]
--- timeout: 10

=== TEST 27: numbers that are excluded
--- shard: range=40-49
--- pool: exclude 4.*4; exclude ^48; lease min=10 max=10;
--- location
--- config
    location = /lookup { unique_random_lookup numbers; }
--- request eval
["GET /lookup?number=44", "GET /lookup?number=43", "GET /random",
map { "GET /lookup?number=$_" } 44, 48, 43]
--- response_body_like eval
['\A\{"number":44,"status":"excluded","range":\[40,49\],"age":null\}\z',
'"status":"unknown"', '\A\{"number":4\d\}\z',
('"status":"excluded","range":\[40,49\],"age":\d+\.\d+\}') x 2,
'"status":"(?:un)?reserved"']

=== TEST 28: an unknown pool
--- emerg: unknown unique_random_pool "b", the pools are "numbers" in nginx.conf
--- config
    location = /lookup { unique_random_lookup b fresh; }

=== TEST 29: no pool
--- emerg: "unique_random_lookup" needs a "unique_random_pool", and there is none in nginx.conf
--- http_config
--- config
    location = /lookup { unique_random_lookup fresh; }

=== TEST 30: a pool that comes after the options
--- emerg: invalid parameter "numbers", after the pool it takes "lenient" and "fresh", each once in nginx.conf
--- config
    location = /lookup { unique_random_lookup fresh numbers; }

=== TEST 31: an option that comes twice
--- emerg: invalid parameter "fresh", after the pool it takes "lenient" and "fresh", each once in nginx.conf
--- config
    location = /lookup { unique_random_lookup fresh fresh; }

=== TEST 32: a pool without a name
--- emerg: invalid pool name "", it must not be empty in nginx.conf
--- config
    location = /lookup { unique_random_lookup ""; }

=== TEST 33: too much
--- emerg: invalid number of arguments in "unique_random_lookup" directive in nginx.conf
--- config
    location = /lookup { unique_random_lookup numbers fresh lenient fresh; }

=== TEST 34: twice in a location
--- emerg: "unique_random_lookup" directive is duplicate in nginx.conf
--- config
    location = /lookup { unique_random_lookup; unique_random_lookup fresh; }

=== TEST 35: beside what else answers
--- emerg: "unique_random_lookup" directive is duplicate in nginx.conf
--- config
    location = /lookup { unique_random; unique_random_lookup; }

=== TEST 36: beside the status
--- emerg: "unique_random_status" directive is duplicate in nginx.conf
--- config
    location = /lookup { unique_random_lookup; unique_random_status; }
