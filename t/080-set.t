# "unique_random_set": where it may be, what it takes, and where nginx warns that
# it is in vain.

use lib 't/lib';
use UniqueRandom::Slot;
use Test::Nginx::Socket;
use UniqueRandom::Blocks;

plan tests => 3 * blocks('emerg') + 7 * blocks('accepted') + 69;

no_long_string();
run_tests();

__DATA__

=== TEST 1: no variable
--- config
    unique_random_set;
--- emerg: invalid number of arguments in "unique_random_set" directive in nginx.conf

=== TEST 2: too many parameters
--- config
    unique_random_set $id pool=numbers optional optional;
--- emerg: invalid number of arguments in "unique_random_set" directive in nginx.conf

=== TEST 3: a name without a dollar
--- config
    unique_random_set id;
--- emerg: invalid variable name "id", "$" and a name of letters, digits and "_" that does not begin with a digit is expected in nginx.conf

=== TEST 4: a dollar without a name
--- config
    unique_random_set $;
--- emerg: invalid variable name "$", "$" and a name of letters, digits and "_" that does not begin with a digit is expected in nginx.conf

=== TEST 5: a name that no variable can have
--- config
    unique_random_set $order-id;
--- emerg: invalid variable name "$order-id", "$" and a name of letters, digits and "_" that does not begin with a digit is expected in nginx.conf

=== TEST 6: a capture
--- config
    unique_random_set $1;
--- emerg: invalid variable name "$1", "$" and a name of letters, digits and "_" that does not begin with a digit is expected in nginx.conf

=== TEST 7: a variable of nginx
--- config
    unique_random_set $uri;
--- emerg: the duplicate "uri" variable in nginx.conf

=== TEST 8: a variable of nginx that may be changed
--- config
    unique_random_set $args;
--- emerg: the variable "$args" is set by another directive already, "unique_random_set" needs one of its own in nginx.conf

=== TEST 9: a variable of the module
--- config
    unique_random_set $unique_random_number;
--- emerg: the duplicate "unique_random_number" variable in nginx.conf

=== TEST 10: a variable of "set" before it
--- config
    set $id 1;
    unique_random_set $id;
--- emerg: the variable "$id" is set by another directive already, "unique_random_set" needs one of its own in nginx.conf

=== TEST 11: a variable of "set" after it
--- config
    unique_random_set $id;
    set $id 1;
--- emerg: the duplicate "id" variable in nginx.conf

=== TEST 12: a variable of "map" before it
--- shard: range=1-9
--- http_config
    map $uri $id {
        default 1;
    }
--- config
    unique_random_set $id;
--- emerg: the variable "$id" is set by another directive already, "unique_random_set" needs one of its own in nginx.conf

=== TEST 13: a variable twice in a server
--- config
    unique_random_set $id;
    unique_random_set $id optional;
--- emerg: duplicate variable "$id" in "unique_random_set" directive in nginx.conf

=== TEST 14: a variable twice in a location, in other letters
--- config
    location /a {
        unique_random_set $id;
        unique_random_set $ID;
    }
--- emerg: duplicate variable "$ID" in "unique_random_set" directive in nginx.conf

=== TEST 15: an unknown parameter
--- config
    unique_random_set $id numbers;
--- emerg: invalid parameter "numbers", "unique_random_set" takes "pool=" and "optional" in nginx.conf

=== TEST 16: a pool without a name
--- config
    unique_random_set $id pool=;
--- emerg: invalid pool name "", it must not be empty in nginx.conf

=== TEST 17: two pools
--- config
    unique_random_set $id pool=numbers pool=numbers;
--- emerg: duplicate parameter "pool=numbers" in "unique_random_set" directive in nginx.conf

=== TEST 18: "optional" twice
--- config
    unique_random_set $id optional optional;
--- emerg: duplicate parameter "optional" in "unique_random_set" directive in nginx.conf

=== TEST 19: an unknown pool
--- config
    unique_random_set $id pool=letters;
--- emerg: unknown unique_random_pool "letters", the pools are "numbers" in nginx.conf

=== TEST 20: one of two pools that is not named
--- http_config
    unique_random_pool a {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
    }

    unique_random_pool b {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
    }
--- config
    unique_random_set $id;
--- emerg: "unique_random_set" must name one of the pools "a", "b" in nginx.conf

=== TEST 21: no pool at all
--- http_config
--- config
    unique_random_set $id;
--- emerg: "unique_random_set" needs a "unique_random_pool", and there is none in nginx.conf

=== TEST 22: in http
--- shard: range=1-9
--- http_config
    unique_random_set $id;
--- emerg: "unique_random_set" directive is not allowed here in http.conf:4

=== TEST 23: in "if" of a server
--- config
    if ($args) {
        unique_random_set $id;
    }
--- emerg: "unique_random_set" directive is not allowed here in nginx.conf

=== TEST 24: in limit_except
--- config
    location /a {
        limit_except GET {
            unique_random_set $id;
        }
    }
--- emerg: "unique_random_set" directive is not allowed here in nginx.conf

=== TEST 25: in a server, a location and an "if", and read before it is set
--- config
    add_header         X-Id $id;
    unique_random_set  $id pool=numbers;

    location /a {
        unique_random_set  $id optional;
        unique_random_set  $other optional pool=numbers;

        if ($args) {
            unique_random_set $id;
        }
    }

    location = /ok {
        return 200 ok;
    }
--- accepted

=== TEST 26: "return" in the same location
--- config
    location /a {
        unique_random_set $id;
        return 204;
    }
--- request: GET /a
--- error_code: 204
--- error_log eval
qr/\[warn\] \d+#\d+: "unique_random_set \$id" draws no number, since "return" comes first in \S+nginx\.conf:\d+$/
--- no_error_log
[alert]
is empty in

=== TEST 27: "return" in the same server
--- config
    return 204;
    unique_random_set $id;
--- request: GET /a
--- error_code: 204
--- error_log eval
qr/\[warn\] \d+#\d+: "unique_random_set \$id" draws no number, since "return" comes first in \S+nginx\.conf:\d+$/
--- no_error_log
[alert]
is empty in

=== TEST 28: "return" in a location that inherits it is no reason to warn
--- config
    unique_random_set $id;

    location = /ok {
        return 200 ok;
    }
--- accepted

=== TEST 29: "return" with a way past it is no reason to warn
--- config
    location /if {
        unique_random_set $id;

        if ($args) {
            return 204;
        }
    }

    location /break {
        unique_random_set $id;

        if ($args) {
            break;
        }

        return 204;
    }

    location /rewrite {
        unique_random_set $id;

        rewrite ^/rewrite/a /b break;
        return 204;
    }

    location = /ok {
        return 200 ok;
    }
--- accepted

=== TEST 30: nor is one that other locations inherit no "return" from
--- config
    unique_random_set $id;
    add_header X-Id $id always;
    error_page 404 @named;
    return 404;

    location @named {
        rewrite ^ /index.html break;
    }

    location /outer {
        unique_random_set $id;
        return 404;

        location = /outer/inner {
        }
    }
--- shard: range=7-7
--- request: GET /ok
--- error_code: 404
--- response_headers
X-Id: 7
--- response_body_like: It works
--- no_error_log
draws no number
[alert]

=== TEST 31: "return" after a "rewrite" with no way past it
--- config
    location /a {
        unique_random_set $id;
        rewrite ^/a/b /c last;
        return 204;
    }
--- request: GET /a
--- error_code: 204
--- error_log: draws no number, since "return" comes first
--- no_error_log: [alert]

=== TEST 32: what is read by "return" is empty
--- config
    unique_random_set $id optional;

    location /text {
        return 200 "[$request_method$id]";
    }
--- request: GET /text
--- response_body chomp: [GET]
--- error_log eval
qr/\[warn\] \d+#\d+: "\$id" is empty in "set", "if", "rewrite" and "return" of location \/text, which come before "unique_random_set" in \S+nginx\.conf:\d+$/
--- no_error_log
[alert]
draws no number

=== TEST 33: read by "set"
--- config
    location /set {
        unique_random_set $id optional;
        set $copy "$uri$id";
    }
--- request: GET /set
--- error_code: 404
--- error_log: "$id" is empty in "set", "if", "rewrite" and "return" of location /set,
--- no_error_log
[alert]
uninitialized

=== TEST 34: read by "if"
--- config
    location /if {
        unique_random_set $id optional;

        if ($id = 7) {
            return 204;
        }
    }
--- request: GET /if
--- error_code: 404
--- error_log: "$id" is empty in "set", "if", "rewrite" and "return" of location /if,
--- no_error_log
[alert]
uninitialized

=== TEST 35: read by "rewrite"
--- config
    location /rewrite {
        unique_random_set $id optional;
        rewrite ^ /a/$id break;
    }
--- request: GET /rewrite
--- error_code: 404
--- error_log: "$id" is empty in "set", "if", "rewrite" and "return" of location /rewrite,
--- no_error_log
[alert]
uninitialized

=== TEST 36: read in an "if"
--- config
    location /if {
        unique_random_set $id optional;

        if ($args) {
            set $copy $id;
        }
    }
--- request: GET /if
--- error_code: 404
--- error_log: "$id" is empty in "set", "if", "rewrite" and "return" of location /if,
--- no_error_log
[alert]
uninitialized

=== TEST 37: read by the server
--- config
    unique_random_set $id optional;
    set $copy $id;
--- request: GET /
--- error_log: "$id" is empty in "set", "if", "rewrite" and "return" of the server,
--- no_error_log
[alert]
uninitialized
--- response_body_like: It works

=== TEST 38: another variable is read, or where a redirect leads
--- config
    unique_random_set $id optional;
    error_page 503 /internal;

    location /other {
        set $copy "$uri$arg_id";
    }

    location /internal {
        internal;
        return 200 "[$id]";
    }

    location @named {
        return 200 "[$id]";
    }

    location = /ok {
        return 200 ok;
    }
--- accepted

=== TEST 39: "return" in an "if" that has it
--- config
    location /text {
        if ($args) {
            unique_random_set $id;
            return 200 "[$id]";
        }
    }
--- request: GET /text?1
--- response_body chomp: []
--- error_log eval
[qr/\[warn\] \d+#\d+: "unique_random_set \$id" draws no number, since "return" comes first in \S+nginx\.conf:\d+$/,
qr/\[warn\] \d+#\d+: "\$id" is empty in "set", "if", "rewrite" and "return" of location \/text, which come before "unique_random_set" in \S+nginx\.conf:\d+$/]
--- no_error_log: [alert]

=== TEST 40: "return" after such an "if"
--- config
    location /a {
        if ($args) {
            unique_random_set $id;
        }

        if ($arg_b) {
            set $b 1;
        }

        return 204;
    }
--- request: GET /a?1
--- error_code: 204
--- error_log: "unique_random_set $id" draws no number, since "return" comes first
--- no_error_log
[alert]
is empty in

=== TEST 41: "return" before it
--- config
    location /a {
        return 204;

        if ($args) {
            unique_random_set $id;
        }
    }
--- request: GET /a?1
--- error_code: 204
--- error_log: "unique_random_set $id" draws no number, since "return" comes first
--- no_error_log
[alert]
is empty in

=== TEST 42: read by "set" in such an "if"
--- config
    location /set {
        if ($args) {
            unique_random_set $id optional;
            set $copy $id;
        }
    }
--- request: GET /set?1
--- error_code: 404
--- error_log: "$id" is empty in "set", "if", "rewrite" and "return" of location /set,
--- no_error_log
[alert]
draws no number

=== TEST 43: read after it, among others, each of them
--- config
    location /set {
        if ($args) {
            unique_random_set $id optional;
        }

        if ($arg_b) {
            unique_random_set $b optional;
        }

        set $copy "$uri$id";
    }
--- request: GET /set?1
--- error_code: 404
--- error_log: "$id" is empty in "set", "if", "rewrite" and "return" of location /set,
--- no_error_log
[alert]
"$b" is empty
draws no number

=== TEST 44: an "if" that sets the same one is not told of as well
--- config
    location /set {
        unique_random_set $id optional;
        set $copy $id;

        if ($args) {
            unique_random_set $ID pool=numbers optional;
        }
    }
--- request: GET /set?1
--- error_code: 404
--- error_log: "$id" is empty in "set", "if", "rewrite" and "return" of location /set,
--- no_error_log
[alert]
"$ID" is empty
draws no number

=== TEST 45: an "if" with a way past "return", or that only inherits it
--- config
    location /break {
        if ($args) {
            unique_random_set $id;
            break;
        }

        return 204;
    }

    location /other {
        if ($arg_a) {
            return 204;
        }

        if ($arg_b) {
            unique_random_set $id;
            set $copy $arg_b;
        }

        if ($arg_c) {
            unique_random_set off;
            return 204;
        }
    }

    location /inherited {
        unique_random_set $id;

        if ($args) {
            return 204;
        }
    }

    location /internal {
        internal;

        if ($args) {
            unique_random_set $id optional;
            set $copy $id;
        }
    }

    location = /ok {
        return 200 ok;
    }
--- accepted

=== TEST 46: off beside a variable
--- config
    unique_random_set $id;
    unique_random_set off;
--- emerg: "unique_random_set" directive is "off" where it sets a variable in nginx.conf

=== TEST 47: a variable beside off
--- config
    unique_random_set off;
    unique_random_set $id;
--- emerg: "unique_random_set" is "off" on this level, where "$id" cannot be set in nginx.conf

=== TEST 48: off twice
--- config
    unique_random_set off;
    unique_random_set off;
--- emerg: "unique_random_set" directive is duplicate in nginx.conf

=== TEST 49: off with a parameter
--- config
    unique_random_set off optional;
--- emerg: invalid variable name "off", "$" and a name of letters, digits and "_" that does not begin with a digit is expected in nginx.conf
