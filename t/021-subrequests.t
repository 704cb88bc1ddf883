# Numbers for the subrequests of a request, and what refuses a request before it
# draws one.  Numbers of tests are unique in this file and 020.

use lib 't/lib';
use UniqueRandom::Slot;
use Test::Nginx::Socket;
use UniqueRandom::Blocks;

plan tests => 132;

no_long_string();
run_tests();

__DATA__

=== TEST 5: two numbers in one page (SSI)
--- shard: range=1-2
--- location
--- config
    location = /page {
        ssi        on;
        ssi_types  text/plain;
    }
--- user_files
>>> page
<!--# include virtual="/random" --> and <!--# include virtual="/random" -->
--- request: GET /page
--- response_headers
! Cache-Control
--- response_body_like: ^(?:\{"number":1\} and \{"number":2\}|\{"number":2\} and \{"number":1\})\n$

=== TEST 6: a page waits for one number after another
--- shard: range=1-2
--- pool: lease off;
--- location
--- config
    location = /page {
        ssi        on;
        ssi_types  text/plain;
    }
--- user_files
>>> page
<!--# include virtual="/random" wait="yes" --> and <!--# include virtual="/random" wait="yes" -->, <!--# include virtual="/random" -->
--- request: GET /page
--- response_body_like: ^(?:\{"number":1\} and \{"number":2\}|\{"number":2\} and \{"number":1\}), \{"detail":"All available numbers have been used\."\}\n$

=== TEST 7: a number in a page that was posted to
--- location
--- config
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
--- location
--- config
    location = /page {
        ssi        on;
        ssi_types  text/plain;
    }
--- user_files
>>> page
[<!--# include virtual="/random" -->]
--- request: GET /page
--- response_headers
! Retry-After
--- response_body
[{"detail":"No number could be reserved in time."}]

=== TEST 9: a number before a page and one after it (addition)
--- shard: range=1-2
--- location
--- config
    location = /page {
        addition_types   text/plain;
        add_before_body  /random;
        add_after_body   /random;
    }
--- user_files
>>> page
 and
--- skip_eval: 4: UniqueRandom::Blocks::nginx_lacks('http_addition_module')
--- request: GET /page
--- response_body_like: ^(?:\{"number":1\} and\n\{"number":2\}|\{"number":2\} and\n\{"number":1\})$

=== TEST 10: whom the pool has a number for is let in (auth_request)
--- location
--- config
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
--- shard: range=1-2
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

=== TEST 13: a redirect from where a number was drawn
--- shard: range=1-2
--- location
--- config
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

=== TEST 16: limit_except refuses without using a number
--- shard: range=1-2
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

=== TEST 19: a mirrored request draws a number that nobody sees
--- shard: range=1-2
--- location
--- config
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
--- shard: range=1-2
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
--- shard: range=1-2
--- http_config
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
[(qr/401 (?:Authorization Required|Unauthorized)/) x 2, qr/403 Forbidden/, qr/404 Not Found/,
'{"number":7}', '{"detail":"All available numbers have been used."}']
