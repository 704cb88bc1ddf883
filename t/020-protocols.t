# The ways a request takes through nginx: protocols, redirects, locations and
# servers.  Numbers of tests are unique in this file and 021.

use lib 't/lib';
use UniqueRandom::Slot;
use Test::Nginx::Socket;
use UniqueRandom::Blocks;

plan tests => 208;

no_long_string();
run_tests();

__DATA__

=== TEST 1: HTTP/1.0
--- request: GET /random HTTP/1.0
--- response_headers
Content-Length: 12
Connection: close
--- response_body: {"number":7}

=== TEST 2: HTTP/1.0 with keep-alive
--- location
    # how long the client has to wait for the end of the connection
    keepalive_timeout  100ms;
--- request: GET /random HTTP/1.0
--- more_headers
Connection: keep-alive
--- response_headers
Content-Length: 12
Connection: keep-alive
--- response_body: {"number":7}

=== TEST 3: requests in a pipeline get a number each, in the order they came
--- shard: range=1-4
--- location
--- config
    location = /between {
        return 200 between;
    }
--- pipelined_requests eval
["GET /random", "GET /random", "GET /between", "POST /random\nbody",
"PUT /random\nbody", "GET /random", "GET /random", "GET /between"]
--- error_code eval
[200, 200, 200, 200, 405, 200, 409, 200]
--- response_headers eval
["Connection: keep-alive", "Connection: keep-alive", "Connection: keep-alive",
"Connection: keep-alive", "Connection: keep-alive", "Connection: keep-alive",
"Connection: keep-alive", "Connection: close"]
--- response_body eval
my $number = qr/\A\{"number":[1-4]\}\z/;
[$number, $number, 'between', $number, '{"detail":"Method Not Allowed"}',
$number, '{"detail":"All available numbers have been used."}', 'between']

=== TEST 4: no number of a pipeline comes twice
--- shard: range=1-4
--- http_config
    log_format  numbers $unique_random_number;
--- location: access_log $TEST_NGINX_SERVER_ROOT/html/numbers numbers;
--- pipelined_requests eval
[("GET /random") x 4, "GET /numbers"]
--- error_code eval
[(200) x 5]
--- response_body eval
[(qr/\A\{"number":[1-4]\}\z/) x 4,
qr/\A([1-4])\n(?!\1)([1-4])\n(?!\1|\2)([1-4])\n(?!\1|\2|\3)[1-4]\n\z/]

=== TEST 12: internal redirects (rewrite, try_files, error_page)
--- shard: range=1-5
--- location
--- config
    location = /rewrite {
        rewrite ^ /random last;
    }

    location = /rewrite-and-stay {
        rewrite ^ /nothing break;
        unique_random;
    }

    location = /try_files {
        try_files /nothing /random;
    }

    location = /error_page {
        error_page  404 = /random;
        return      404;
    }

    location = /error_page-200 {
        error_page  404 =200 /random;
        return      404;
    }
--- request eval
["GET /rewrite", "GET /rewrite-and-stay", "GET /try_files", "GET /error_page",
"GET /error_page-200", "GET /random"]
--- error_code eval
[(200) x 5, 409]
--- response_headers eval
[("Cache-Control: no-store") x 6]
--- response_body eval
[(qr/\A\{"number":[1-5]\}\z/) x 5,
'{"detail":"All available numbers have been used."}']

=== TEST 14: X-Accel-Redirect, and a plain proxy to it
--- shard: range=1-3
--- config
    location = /random {
        internal;
        unique_random;
    }

    location = /backend {
        add_header  X-Accel-Redirect /random;
        return      200 backend;
    }

    location = /proxy {
        proxy_pass  http://$TEST_NGINX_SERVER_PORT/backend;
    }

    location = /twice {
        proxy_pass  http://$TEST_NGINX_SERVER_PORT/proxy;
    }
--- request eval
["GET /proxy", "POST /proxy\nbody", "GET /twice", "GET /proxy"]
--- error_code eval
[200, 200, 200, 409]
--- response_headers eval
[("Content-Type: application/json\nCache-Control: no-store") x 4]
--- response_body eval
[(qr/\A\{"number":[1-3]\}\z/) x 3,
'{"detail":"All available numbers have been used."}']

=== TEST 15: "if" in the location
--- http_config
    unique_random_pool a {
        shard      $TEST_NGINX_SHARD range=1-1;
        bootstrap  on;
    }

    unique_random_pool b {
        shard      $TEST_NGINX_SHARD_B range=2-2;
        bootstrap  on;
    }
--- config
    location = /random {
        unique_random a;

        if ($arg_header) {
            add_header X-If 1;
        }

        if ($arg_pool = b) {
            unique_random b;
        }

        if ($arg_pool = none) {
            return 200 none;
        }
    }

    location = /only-if {
        if ($arg_pool = b) {
            unique_random b;
        }

        return 404;
    }
--- request eval
["GET /random?header=1", "GET /random?pool=none", "GET /random?pool=b",
"GET /random", "GET /random?pool=b", "GET /random?header=1"]
--- error_code eval
[200, 200, 200, 409, 409, 409]
--- response_headers eval
["X-If: 1", ("! X-If") x 5]
--- response_body eval
['{"number":1}', 'none', '{"number":2}',
('{"detail":"All available numbers have been used."}') x 3]

=== TEST 17: named locations
--- shard: range=1-3
--- config
    location @random {
        unique_random;
    }

    location = /try_files {
        try_files /nothing @random;
    }

    location = /error_page {
        error_page  404 = @random;
        return      404;
    }

    location = /post {
        error_page  404 = @random;
        return      404;
    }
--- request eval
["GET /try_files", "GET /error_page", "POST /post\nbody", "PUT /try_files",
"GET /try_files"]
--- error_code eval
[200, 200, 200, 405, 409]
--- response_body eval
[(qr/\A\{"number":[123]\}\z/) x 3, '{"detail":"Method Not Allowed"}',
'{"detail":"All available numbers have been used."}']

=== TEST 18: nested locations do not inherit
--- config
    location /random {
        unique_random;

        location /random/static/ {
        }

        location ~ \.txt$ {
        }

        location /random/again/ {
            unique_random;
        }
    }
--- user_files
>>> random/static/file
static
>>> random/file.txt
text
--- request eval
["GET /random/static/file", "GET /random/file.txt", "GET /random/again/",
"GET /random/file"]
--- error_code eval
[200, 200, 200, 409]
--- response_body eval
["static\n", "text\n", '{"number":7}',
'{"detail":"All available numbers have been used."}']

=== TEST 23: virtual servers and their locations share a pool
--- shard: range=1-2
--- http_config
    server {
        listen       $TEST_NGINX_SERVER_PORT;
        server_name  other;

        location / {
            unique_random numbers;
        }
    }
--- request eval
["GET /random", "GET /", "GET /random", "GET /"]
--- more_headers eval
["Host: localhost", "Host: other", "Host: localhost", "Host: other"]
--- error_code eval
[200, 200, 409, 409]
--- response_body eval
[(qr/\A\{"number":[12]\}\z/) x 2,
('{"detail":"All available numbers have been used."}') x 2]
