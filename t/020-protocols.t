# The ways a request takes through nginx: protocols, subrequests, redirects,
# and what refuses it before it draws a number.

use lib 't/lib';
use UniqueRandom::Slot;
use Test::Nginx::Socket;
use UniqueRandom::Blocks;

plan tests => 340;

no_long_string();
run_tests();

__DATA__

=== TEST 1: HTTP/1.0
--- http_config
    unique_random_pool numbers {
        shard      $TEST_NGINX_SHARD range=7-7;
        bootstrap  on;
    }
--- config
    location = /random {
        unique_random;
    }
--- request
GET /random HTTP/1.0
--- response_headers
Content-Length: 12
Connection: close
--- response_body chomp
{"number":7}



=== TEST 2: HTTP/1.0 with keep-alive
--- http_config
    unique_random_pool numbers {
        shard      $TEST_NGINX_SHARD range=7-7;
        bootstrap  on;
    }
--- config
    location = /random {
        unique_random;

        # how long the client has to wait for the end of the connection
        keepalive_timeout  100ms;
    }
--- request
GET /random HTTP/1.0
--- more_headers
Connection: keep-alive
--- response_headers
Content-Length: 12
Connection: keep-alive
--- response_body chomp
{"number":7}



=== TEST 3: requests in a pipeline get a number each, in the order they came
--- http_config
    unique_random_pool numbers {
        shard      $TEST_NGINX_SHARD range=1-4;
        bootstrap  on;
    }
--- config
    location = /random {
        unique_random;
    }

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
--- http_config
    unique_random_pool numbers {
        shard      $TEST_NGINX_SHARD range=1-4;
        bootstrap  on;
    }

    log_format  numbers $unique_random_number;
--- config
    location = /random {
        unique_random;
        access_log  $TEST_NGINX_SERVER_ROOT/html/numbers numbers;
    }
--- pipelined_requests eval
[("GET /random") x 4, "GET /numbers"]
--- error_code eval
[(200) x 5]
--- response_body eval
[(qr/\A\{"number":[1-4]\}\z/) x 4,
qr/\A([1-4])\n(?!\1)([1-4])\n(?!\1|\2)([1-4])\n(?!\1|\2|\3)[1-4]\n\z/]



=== TEST 5: two numbers in one page (SSI)
--- http_config
    unique_random_pool numbers {
        shard      $TEST_NGINX_SHARD range=1-2;
        bootstrap  on;
    }
--- config
    location = /random {
        unique_random;
    }

    location = /page {
        ssi        on;
        ssi_types  text/plain;
    }
--- user_files
>>> page
<!--# include virtual="/random" --> and <!--# include virtual="/random" -->
--- request
GET /page
--- response_headers
! Cache-Control
--- response_body_like chomp
^(?:\{"number":1\} and \{"number":2\}|\{"number":2\} and \{"number":1\})\n$



=== TEST 6: a page waits for one number after another
--- http_config
    unique_random_pool numbers {
        shard      $TEST_NGINX_SHARD range=1-2;
        bootstrap  on;
        lease      off;
    }
--- config
    location = /random {
        unique_random;
    }

    location = /page {
        ssi        on;
        ssi_types  text/plain;
    }
--- user_files
>>> page
<!--# include virtual="/random" wait="yes" --> and <!--# include virtual="/random" wait="yes" -->, <!--# include virtual="/random" -->
--- request
GET /page
--- response_body_like chomp
^(?:\{"number":1\} and \{"number":2\}|\{"number":2\} and \{"number":1\}), \{"detail":"All available numbers have been used\."\}\n$



=== TEST 7: a number in a page that was posted to
--- http_config
    unique_random_pool numbers {
        shard      $TEST_NGINX_SHARD range=7-7;
        bootstrap  on;
    }
--- config
    location = /random {
        unique_random;
    }

    location = /page {
        ssi         on;
        ssi_types   text/plain;
        error_page  405 =200 $uri;
    }
--- user_files
>>> page
<!--# include virtual="/random" -->
--- request
POST /page
body
--- response_body
{"number":7}



=== TEST 8: a subrequest that is not answered with a number
--- http_config
    unique_random_pool numbers {
        shard  $TEST_NGINX_SHARD range=1-9 down;
    }
--- config
    location = /random {
        unique_random;
    }

    location = /page {
        ssi        on;
        ssi_types  text/plain;
    }
--- user_files
>>> page
[<!--# include virtual="/random" -->]
--- request
GET /page
--- response_headers
! Retry-After
--- response_body
[{"detail":"No number could be reserved in time."}]



=== TEST 9: a number before a page and one after it (addition)
--- http_config
    unique_random_pool numbers {
        shard      $TEST_NGINX_SHARD range=1-2;
        bootstrap  on;
    }
--- config
    location = /random {
        unique_random;
    }

    location = /page {
        addition_types   text/plain;
        add_before_body  /random;
        add_after_body   /random;
    }
--- user_files
>>> page
 and
--- skip_eval: 4: UniqueRandom::Blocks::nginx_lacks('http_addition_module')
--- request
GET /page
--- response_body_like chomp
^(?:\{"number":1\} and\n\{"number":2\}|\{"number":2\} and\n\{"number":1\})$



=== TEST 10: whom the pool has a number for is let in (auth_request)
--- http_config
    unique_random_pool numbers {
        shard      $TEST_NGINX_SHARD range=7-7;
        bootstrap  on;
    }
--- config
    location = /random {
        unique_random;
    }

    location = /page {
        auth_request      /random;
        auth_request_set  $ticket $unique_random_number;
        add_header        X-Ticket $ticket;
    }
--- user_files
>>> page
welcome
--- request eval
["GET /page", "GET /random"]
--- error_code eval
[200, 409]
--- response_headers eval
["X-Ticket: 7", "! X-Ticket"]
--- response_body eval
["welcome\n", '{"detail":"All available numbers have been used."}']



=== TEST 11: a location that is asked for a number before it draws one itself
--- http_config
    unique_random_pool numbers {
        shard      $TEST_NGINX_SHARD range=1-2;
        bootstrap  on;
    }
--- config
    location = /random {
        auth_request  /ticket;
        unique_random;
    }

    location = /ticket {
        unique_random;
    }
--- request eval
["GET /random", "GET /ticket"]
--- error_code eval
[200, 409]
--- response_body eval
[qr/\A\{"number":[12]\}\z/,
'{"detail":"All available numbers have been used."}']



=== TEST 12: internal redirects (rewrite, try_files, error_page)
--- http_config
    unique_random_pool numbers {
        shard      $TEST_NGINX_SHARD range=1-5;
        bootstrap  on;
    }
--- config
    location = /random {
        unique_random;
    }

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



=== TEST 13: a redirect from where a number was drawn
--- http_config
    unique_random_pool numbers {
        shard      $TEST_NGINX_SHARD range=1-2;
        bootstrap  on;
    }
--- config
    location = /random {
        unique_random;
    }

    location = /ticket {
        auth_request  /random;
        error_page    404 = /random;
        root          $TEST_NGINX_SERVER_ROOT/nothing;
    }
--- request eval
["GET /ticket", "GET /random"]
--- error_code eval
[200, 409]
--- response_body eval
[qr/\A\{"number":[12]\}\z/,
'{"detail":"All available numbers have been used."}']



=== TEST 14: X-Accel-Redirect, and a plain proxy to it
--- http_config
    unique_random_pool numbers {
        shard      $TEST_NGINX_SHARD range=1-3;
        bootstrap  on;
    }
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



=== TEST 16: limit_except refuses without using a number
--- http_config
    unique_random_pool numbers {
        shard      $TEST_NGINX_SHARD range=1-2;
        bootstrap  on;
    }
--- config
    location = /get {
        limit_except GET {
            deny all;
        }

        unique_random;
    }

    location = /post {
        limit_except POST {
            allow all;
        }

        unique_random;
    }
--- request eval
["POST /get\nbody", "GET /get", "GET /post", "POST /post\nbody", "PUT /post"]
--- error_code eval
[403, 200, 200, 409, 405]
--- response_body eval
[qr/403 Forbidden/, qr/\A\{"number":[12]\}\z/, qr/\A\{"number":[12]\}\z/,
'{"detail":"All available numbers have been used."}',
'{"detail":"Method Not Allowed"}']



=== TEST 17: named locations
--- http_config
    unique_random_pool numbers {
        shard      $TEST_NGINX_SHARD range=1-3;
        bootstrap  on;
    }
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
--- http_config
    unique_random_pool numbers {
        shard      $TEST_NGINX_SHARD range=7-7;
        bootstrap  on;
    }
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



=== TEST 19: a mirrored request draws a number that nobody sees
--- http_config
    unique_random_pool numbers {
        shard      $TEST_NGINX_SHARD range=1-2;
        bootstrap  on;
    }
--- config
    location = /random {
        unique_random;
    }

    location = /mirror {
        internal;
        unique_random;
    }

    location = /page {
        mirror  /mirror;
    }
--- user_files
>>> page
page
--- request eval
["GET /page", "GET /random", "GET /random"]
--- error_code eval
[200, 200, 409]
--- response_body eval
["page\n", qr/\A\{"number":[12]\}\z/,
'{"detail":"All available numbers have been used."}']



=== TEST 20: who draws a number can be mirrored
--- http_config
    unique_random_pool numbers {
        shard      $TEST_NGINX_SHARD range=1-2;
        bootstrap  on;
    }
--- config
    location = /random {
        mirror  /mirror;
        unique_random;
    }

    location = /mirror {
        internal;
        unique_random;
    }
--- request eval
["POST /random\nbody", "GET /random"]
--- error_code eval
[200, 409]
--- response_body eval
[qr/\A\{"number":[12]\}\z/,
'{"detail":"All available numbers have been used."}']



=== TEST 21: whom limit_req refuses uses no number
--- http_config
    unique_random_pool numbers {
        shard      $TEST_NGINX_SHARD range=1-2;
        bootstrap  on;
    }

    limit_req_zone    $server_name zone=requests:1m rate=1r/m;
    limit_req_status  429;
--- config
    location = /random {
        limit_req  zone=requests;
        unique_random;
    }

    location = /unlimited {
        unique_random;
    }
--- request eval
["GET /random", "GET /random", "GET /random", "GET /unlimited",
"GET /unlimited"]
--- error_code eval
[200, 429, 429, 200, 409]
--- response_body eval
[qr/\A\{"number":[12]\}\z/, qr/429 Too Many/, qr/429 Too Many/,
qr/\A\{"number":[12]\}\z/,
'{"detail":"All available numbers have been used."}']



=== TEST 22: who has no access uses no number
--- http_config
    unique_random_pool numbers {
        shard      $TEST_NGINX_SHARD range=7-7;
        bootstrap  on;
    }
--- config
    location = /auth_basic {
        auth_basic            numbers;
        auth_basic_user_file  $TEST_NGINX_SERVER_ROOT/html/users;
        unique_random;
    }

    location = /deny {
        deny all;
        unique_random;
    }

    location = /internal {
        internal;
        unique_random;
    }
--- user_files
>>> users
alice:{PLAIN}secret
--- request eval
["GET /auth_basic", "GET /auth_basic", "GET /deny", "GET /internal",
"GET /auth_basic", "GET /auth_basic"]
--- more_headers eval
["", "Authorization: Basic YWxpY2U6d3Jvbmc=", "", "",
("Authorization: Basic YWxpY2U6c2VjcmV0") x 2]
--- error_code eval
[401, 401, 403, 404, 200, 409]
--- response_body eval
[(qr/401 Authorization Required/) x 2, qr/403 Forbidden/, qr/404 Not Found/,
'{"number":7}', '{"detail":"All available numbers have been used."}']



=== TEST 23: virtual servers and their locations share a pool
--- http_config
    unique_random_pool numbers {
        shard      $TEST_NGINX_SHARD range=1-2;
        bootstrap  on;
    }

    server {
        listen       $TEST_NGINX_SERVER_PORT;
        server_name  other;

        location / {
            unique_random numbers;
        }
    }
--- config
    location = /random {
        unique_random;
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
