# "unique_random_body": the answer in the words of a location.

use lib 't/lib';
use UniqueRandom::Slot;
use Test::Nginx::Socket;
use UniqueRandom::Blocks;

plan tests => 3 * blocks('emerg') + 7 * blocks('accepted') + 77;

no_long_string();
run_tests();

__DATA__

=== TEST 1: no text
--- location: unique_random_body;
--- emerg: invalid number of arguments in "unique_random_body" directive in nginx.conf

=== TEST 2: too many parameters
--- location: unique_random_body a type=text/plain b;
--- emerg: invalid number of arguments in "unique_random_body" directive in nginx.conf

=== TEST 3: twice in a location
--- location
    unique_random_body a;
    unique_random_body b;
--- emerg: "unique_random_body" directive is duplicate in nginx.conf

=== TEST 4: an unknown parameter
--- location: unique_random_body a text/plain;
--- emerg: invalid parameter "text/plain", "unique_random_body" takes a text and "type=" in nginx.conf

=== TEST 5: an empty type
--- location: unique_random_body a type=;
--- emerg: invalid parameter "type=", a MIME type such as text/plain is expected in nginx.conf

=== TEST 6: a type that is none
--- location: unique_random_body a type=json;
--- emerg: invalid parameter "type=json", a MIME type such as text/plain is expected in nginx.conf

=== TEST 7: in a pool
--- pool: unique_random_body a;
--- emerg: unknown directive "unique_random_body" in unique_random_pool

=== TEST 8: where no number is the answer it has no effect
--- config
    unique_random_body a;

    location = /ok {
        return 200 ok;
    }
--- accepted

=== TEST 9: the number alone
--- location: unique_random_body $unique_random_number;
--- response_headers
Content-Type: text/plain
Content-Length: 1
Cache-Control: no-store
--- response_body chomp: 7

=== TEST 10: another type, and what a client already expects
--- location: unique_random_body '<id pool="$arg_pool">$unique_random_number</id>' type=application/xml;
--- request: GET /random?pool=a
--- response_headers
Content-Type: application/xml
--- response_body chomp: <id pool="a">7</id>

=== TEST 11: a text without variables
--- location: unique_random_body "taken\n" "type=text/plain; charset=utf-8";
--- response_headers
Content-Type: text/plain; charset=utf-8
--- response_body
taken

=== TEST 12: errors stay as they are
--- shard: range=7-7
--- location: unique_random_body $unique_random_number;
--- request eval
["HEAD /random", "PUT /random", "POST /random\nbody", "GET /random"]
--- error_code eval
[405, 405, 200, 409]
--- response_headers eval
[("Content-Type: application/json\nAllow: GET, POST") x 2,
"Content-Type: text/plain", "Content-Type: application/json"]
--- response_body eval
["", '{"detail":"Method Not Allowed"}', "7",
'{"detail":"All available numbers have been used."}']

=== TEST 13: a text that is empty
--- location: unique_random_body $arg_nothing;
--- response_headers
Content-Type: text/plain
Content-Length: 0
--- response_body chomp

=== TEST 14: an empty one in a page
--- shard: range=1-2
--- location: unique_random_body $arg_nothing;
--- config
    location = /page {
        ssi        on;
        ssi_types  text/plain;
    }
--- user_files
>>> page
[<!--# include virtual="/random" --><!--# include virtual="/random" -->]
--- request: GET /page
--- response_body
[]

=== TEST 15: it is inherited, and replaced
--- http_config
    unique_random_body http:$unique_random_number;
--- shard: range=7-7
--- location
--- response_body chomp: http:7

=== TEST 16: of a server, a location and an "if"
--- shard: range=1-9
--- config
    unique_random_body server;

    location = /server {
        unique_random;
    }

    location = /location {
        unique_random_body location;
        unique_random;

        if ($args) {
            unique_random_body if type=a/b;
        }
    }
--- request eval
["GET /server", "GET /location", "GET /location?a"]
--- response_headers eval
[("Content-Type: text/plain") x 2, "Content-Type: a/b"]
--- response_body eval
["server", "location", "if"]

=== TEST 17: whether there is a number is told as before
--- config
    unique_random_body $unique_random_number;

    location = /ready {
        unique_random_ready;
    }
--- request: GET /ready
--- response_headers
Content-Type: application/json
--- response_body: {"status":"ready"}

=== TEST 18: with a number of "unique_random_set"
--- shard: range=1-2
--- location
    unique_random_set   $id;
    unique_random_body  "$id $unique_random_number";
--- response_body_like: ^(?:1 2|2 1)$
