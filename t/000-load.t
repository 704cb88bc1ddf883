# The module loads without being configured, and nginx serves as usual.

use lib 't/lib';
use UniqueRandom::Slot;
use Test::Nginx::Socket;

repeat_each(2);

plan tests => repeat_each() * (blocks() * 4);

no_long_string();
run_tests();

__DATA__

=== TEST 1: nothing of the module is configured
--- config
    location = /hello {
        return 200 "hello\n";
    }
--- request
GET /hello
--- response_headers
Content-Type: text/plain
--- response_body
hello
--- no_error_log
[emerg]



=== TEST 2: static files
--- config
--- user_files
>>> a.txt
from a file
--- request
GET /a.txt
--- response_body
from a file
--- no_error_log
[alert]
[emerg]
