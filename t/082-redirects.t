# "unique_random_set": one number for a request, wherever it is redirected and
# whatever subrequests it has, and none for one that is refused.  A pool of one
# number would refuse a second one.

use lib 't/lib';
use UniqueRandom::Slot;
use Test::Nginx::Socket;
use UniqueRandom::Blocks;

plan tests => 132;

no_long_string();
run_tests();

__DATA__

=== TEST 1: error_page
--- config
    unique_random_set $id;
    add_header X-Id $id always;

    location = /error {
        error_page 404 = /index.html;
    }
--- request eval
["GET /error", "GET /index.html"]
--- error_code eval
[200, 409]
--- response_headers eval
["X-Id: 7", "! X-Id"]

=== TEST 2: a named location
--- config
    unique_random_set $id;
    add_header X-Id $id always;

    location = /named {
        error_page 404 = @named;
    }

    location @named {
        rewrite ^ /index.html break;
    }
--- request eval
["GET /named", "GET /index.html"]
--- error_code eval
[200, 409]
--- response_headers eval
["X-Id: 7", "! X-Id"]

=== TEST 3: try_files
--- config
    unique_random_set $id;
    add_header X-Id $id always;

    location = /tried {
        try_files $uri/nothing /index.html;
    }
--- request eval
["GET /tried", "GET /index.html"]
--- error_code eval
[200, 409]
--- response_headers eval
["X-Id: 7", "! X-Id"]

=== TEST 4: an index
--- config
    unique_random_set $id;
    add_header X-Id $id always;
--- request eval
["GET /", "GET /index.html"]
--- error_code eval
[200, 409]
--- response_headers eval
["X-Id: 7", "! X-Id"]

=== TEST 5: "rewrite ... last", which comes before
--- config
    unique_random_set $id;
    add_header X-Id $id always;

    location = /rewritten {
        rewrite ^ /index.html last;
    }
--- request eval
["GET /rewritten", "GET /index.html"]
--- error_code eval
[200, 409]
--- response_headers eval
["X-Id: 7", "! X-Id"]

=== TEST 6: X-Accel-Redirect
--- config
    add_header X-Id $id always;

    location = /accel {
        unique_random_set  $id;
        proxy_set_header   X-Id $id;
        proxy_pass         http://127.0.0.1:$server_port/backend;
    }

    location = /backend {
        add_header  X-Accel-Redirect /internal/$http_x_id.html;
        return      204;
    }

    location /internal/ {
        internal;
        alias              $TEST_NGINX_SERVER_ROOT/html/;
        unique_random_set  $id;
    }
--- user_files
>>> 7.html
seven
--- request: GET /accel
--- response_headers
X-Id: 7
--- response_body
seven

=== TEST 7: locations with directives of their own, and one with none
--- config
    add_header X-Id $id always;
    error_page 404 /index.html;

    location = /a {
        unique_random_set $id;
        error_page 404 = /b;
    }

    location = /b {
        unique_random_set $id pool=numbers optional;
        error_page 404 = /index.html;
        recursive_error_pages on;
    }
--- request: GET /a
--- error_code: 404
--- response_headers
X-Id: 7

=== TEST 8: two fragments of a page
--- config
    unique_random_set $id optional;
    add_header X-Id $id;

    location = /page {
        ssi        on;
        ssi_types  text/plain;
    }

    location = /fragment {
        proxy_set_header  X-Id $id;
        proxy_pass        http://127.0.0.1:$server_port/echo;
    }

    location = /echo {
        unique_random_set $other optional;
        return 200 "[$http_x_id]";
    }
--- user_files
>>> page
<!--# include virtual="/fragment" --><!--# include virtual="/fragment" --> <!--# echo var="id" -->
--- request: GET /page
--- response_headers
X-Id: 7
--- response_body
[7][7] 7
--- no_error_log
[alert]
[crit]

=== TEST 9: two fragments, and not the page
--- config
    location = /page {
        ssi        on;
        ssi_types  text/plain;
    }

    location = /fragment {
        unique_random_set  $id;
        proxy_set_header   X-Id $id;
        proxy_pass         http://127.0.0.1:$server_port/echo;
    }

    location = /echo {
        return 200 "[$http_x_id]";
    }
--- user_files
>>> page
<!--# include virtual="/fragment" --><!--# include virtual="/fragment" -->
--- request: GET /page
--- response_body
[7][7]

=== TEST 10: a fragment that gets none is an error page of its own
--- http_config
    unique_random_pool numbers {
        shard  $TEST_NGINX_SHARD range=1-9 down;
    }
--- config
    location = /page {
        ssi        on;
        ssi_types  text/plain;
    }

    location = /fragment {
        unique_random_set $id;
        error_page 503 /sorry;
    }
--- user_files
>>> page
[<!--# include virtual="/fragment" --><!--# include virtual="/fragment" -->]
>>> sorry
sorry
--- request: GET /page
--- response_headers
! Retry-After
--- response_body
[sorry
sorry
]

=== TEST 11: auth_request draws it, and who is let in has it
--- config
    add_header X-Id $id always;

    location = /index.html {
        auth_request       /auth;
        unique_random_set  $id;
    }

    location = /auth {
        internal;
        unique_random_set  $id;
        proxy_set_header   X-Id $id;
        proxy_pass         http://127.0.0.1:$server_port/check;
    }

    location = /check {
        if ($http_x_id = 7) {
            return 204;
        }

        return 403;
    }
--- request eval
["GET /index.html", "GET /index.html"]
--- error_code eval
[200, 500]
--- response_headers eval
["X-Id: 7", "! X-Id"]

=== TEST 12: whom access rules refuse uses none
--- http_config
    limit_req_zone $server_name zone=requests:1m rate=1r/m;
--- shard: range=7-7
--- config
    add_header X-Id $id always;

    location = /deny {
        unique_random_set $id;
        deny all;
    }

    location = /auth_basic {
        unique_random_set $id;
        auth_basic            numbers;
        auth_basic_user_file  $TEST_NGINX_SERVER_ROOT/html/users;
    }

    location = /limit_req {
        limit_req zone=requests;
        alias $TEST_NGINX_SERVER_ROOT/html/index.html;
    }

    location = /limited {
        unique_random_set $id;
        limit_req zone=requests;
    }

    location = /any {
        unique_random_set $id;
        satisfy any;
        deny all;
        auth_basic            numbers;
        auth_basic_user_file  $TEST_NGINX_SERVER_ROOT/html/users;
        alias $TEST_NGINX_SERVER_ROOT/html/index.html;
    }

    location = /internal {
        internal;
        unique_random_set $id;
    }
--- user_files
>>> users
alice:{PLAIN}secret
--- request eval
["GET /deny", "GET /auth_basic", "GET /limit_req", "GET /limited", "GET /any",
"GET /internal", "GET /any"]
--- more_headers eval
[("") x 6, "Authorization: Basic YWxpY2U6c2VjcmV0"]
--- error_code eval
[403, 401, 200, 503, 401, 404, 200]
--- response_headers eval
[("! X-Id") x 6, "X-Id: 7"]

=== TEST 13: whom auth_request refuses uses none
--- config
    add_header X-Id $id always;

    location = /refused {
        unique_random_set $id;
        auth_request /no;
    }

    location = /no {
        return 403;
    }

    location = /index.html {
        unique_random_set $id;
    }
--- request eval
["GET /refused", "GET /index.html"]
--- error_code eval
[403, 200]
--- response_headers eval
["! X-Id", "X-Id: 7"]

=== TEST 14: a mirror shares it
--- config
    location = /index.html {
        unique_random_set  $id;
        mirror             /mirror;
        add_header         X-Id $id;
    }

    location = /mirror {
        internal;
        unique_random_set  $id;
        error_page 409     /used_up;
        proxy_pass         http://127.0.0.1:$server_port/echo;
    }

    location = /echo {
        return 204;
    }
--- request: GET /index.html
--- response_headers
X-Id: 7
--- no_error_log
[alert]
[crit]
[error]

=== TEST 15: what comes after a request shares it (post_action)
--- config
    location = /index.html {
        unique_random_set $id;
        post_action /after;
    }

    location = /after {
        unique_random_set  $id;
        proxy_set_header   X-Id $id;
        proxy_pass         http://127.0.0.1:$server_port/echo;
    }

    location = /echo {
        log_subrequest  on;
        access_log      logs/echo.log echo;
        return          204;
    }

    location = /log {
        alias $TEST_NGINX_SERVER_ROOT/logs/echo.log;
    }
--- http_config
    log_format echo "[$http_x_id]";
--- shard: range=7-7
--- request eval
["GET /index.html", "GET /log"]
--- response_body_like eval
["It works", "^\\[7\\]\$"]

=== TEST 16: none where it is off, also for those who are refused
--- config
    unique_random_set $id;
    error_page 403 /refused.html;
    add_header X-Id "[$id]" always;

    location = /denied {
        deny all;
    }

    location = /refused.html {
        unique_random_set off;
        alias $TEST_NGINX_SERVER_ROOT/html/index.html;
    }
--- shard: range=7-7
--- request eval
["GET /denied", "GET /refused.html", "GET /index.html"]
--- error_code eval
[403, 200, 200]
--- response_headers eval
["X-Id: []", "X-Id: []", "X-Id: [7]"]
