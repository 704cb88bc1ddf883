# The directives of a pool: what they take, and how nginx refuses the rest.
#
# A new directive takes three lines for each message, which is compared as a
# whole, with the line that it is about:
#
#   === TEST 231: "colour" with no arguments
#   --- pool: colour;
#   --- emerg: invalid number of arguments in "colour" directive
#
# UniqueRandom::Defaults makes a configuration of them.  041 to 043 are about
# shards, conninfos, and where pools may be; a number is that of one test in all
# four.

use lib 't/lib';
use UniqueRandom::Slot;
use Test::Nginx::Socket;
use UniqueRandom::Blocks;

plan tests => 3 * blocks('emerg') + 7 * blocks('accepted');

no_long_string();
run_tests();

__DATA__

=== TEST 12: "zone" with no arguments
--- pool: zone;
--- emerg: invalid number of arguments in "zone" directive

=== TEST 13: "zone" with too many arguments
--- pool: zone 256k 256k;
--- emerg: invalid number of arguments in "zone" directive

=== TEST 14: "shard" with no arguments
--- pool: shard;
--- emerg: invalid number of arguments in "shard" directive

=== TEST 15: "lease" with no arguments
--- pool: lease;
--- emerg: invalid number of arguments in "lease" directive

=== TEST 16: "lease" with too many arguments
--- pool: lease min=1 max=2 ahead=1s min=1;
--- emerg: invalid number of arguments in "lease" directive

=== TEST 17: "bootstrap" with no arguments
--- pool: bootstrap;
--- emerg: invalid number of arguments in "bootstrap" directive

=== TEST 18: "bootstrap" with too many arguments
--- pool: bootstrap on off;
--- emerg: invalid number of arguments in "bootstrap" directive

=== TEST 19: "state" with no arguments
--- pool: state;
--- emerg: invalid number of arguments in "state" directive

=== TEST 20: "state" with too many arguments
--- pool: state /a /b;
--- emerg: invalid number of arguments in "state" directive

=== TEST 21: "queue" with no arguments
--- pool: queue;
--- emerg: invalid number of arguments in "queue" directive

=== TEST 22: "queue" with too many arguments
--- pool: queue 1 2;
--- emerg: invalid number of arguments in "queue" directive

=== TEST 23: "connect_timeout" with no arguments
--- pool: connect_timeout;
--- emerg: invalid number of arguments in "connect_timeout" directive

=== TEST 24: "connect_timeout" with too many arguments
--- pool: connect_timeout 1s 2s;
--- emerg: invalid number of arguments in "connect_timeout" directive

=== TEST 25: "reserve_timeout" with no arguments
--- pool: reserve_timeout;
--- emerg: invalid number of arguments in "reserve_timeout" directive

=== TEST 26: "reserve_timeout" with too many arguments
--- pool: reserve_timeout 1s 2s;
--- emerg: invalid number of arguments in "reserve_timeout" directive

=== TEST 27: "wait_timeout" with no arguments
--- pool: wait_timeout;
--- emerg: invalid number of arguments in "wait_timeout" directive

=== TEST 28: "wait_timeout" with too many arguments
--- pool: wait_timeout 1s 2s;
--- emerg: invalid number of arguments in "wait_timeout" directive

=== TEST 29: "idle_timeout" with no arguments
--- pool: idle_timeout;
--- emerg: invalid number of arguments in "idle_timeout" directive

=== TEST 30: "idle_timeout" with too many arguments
--- pool: idle_timeout 1s 2s;
--- emerg: invalid number of arguments in "idle_timeout" directive

=== TEST 31: "include" with no arguments
--- pool: include;
--- emerg: invalid number of arguments in "include" directive

=== TEST 32: "include" with too many arguments
--- pool: include a b;
--- emerg: invalid number of arguments in "include" directive

=== TEST 33: "zone" twice
--- pool
    zone 256k;
    zone 256k;
--- emerg: "zone" directive is duplicate

=== TEST 34: "lease" twice
--- pool
    lease off;
    lease off;
--- emerg: "lease" directive is duplicate

=== TEST 35: "bootstrap" twice
--- pool
    bootstrap off;
    bootstrap off;
--- emerg: "bootstrap" directive is duplicate

=== TEST 36: "state" twice
--- pool
    state /nowhere/unique_random;
    state /nowhere/unique_random;
--- emerg: "state" directive is duplicate

=== TEST 37: "queue" twice
--- pool
    queue 1;
    queue 1;
--- emerg: "queue" directive is duplicate

=== TEST 38: "connect_timeout" twice
--- pool
    connect_timeout 1s;
    connect_timeout 1s;
--- emerg: "connect_timeout" directive is duplicate

=== TEST 39: "reserve_timeout" twice
--- pool
    reserve_timeout 1s;
    reserve_timeout 1s;
--- emerg: "reserve_timeout" directive is duplicate

=== TEST 40: "wait_timeout" twice
--- pool
    wait_timeout 1s;
    wait_timeout 1s;
--- emerg: "wait_timeout" directive is duplicate

=== TEST 41: "idle_timeout" twice
--- pool
    idle_timeout 1s;
    idle_timeout 1s;
--- emerg: "idle_timeout" directive is duplicate

=== TEST 42: "zone" that is no size
--- pool: zone much;
--- emerg: invalid zone size "much", a size such as 256k or 1m is expected

=== TEST 43: "zone" that is negative
--- pool: zone -256k;
--- emerg: invalid zone size "-256k", a size such as 256k or 1m is expected

=== TEST 44: "zone" that is too small for anything
--- pool: zone 31k;
--- emerg: zone size "31k" is too small, it must be at least 32768 bytes

=== TEST 45: "zone" of no size
--- pool: zone 0;
--- emerg: zone size "0" is too small, it must be at least 32768 bytes

=== TEST 46: "zone" that is too small for its ranges
--- shard eval: CORE::join ' ', map {"range=$_-$_"} 1 .. 500
--- pool: zone 32k;
--- emerg: zone of unique_random_pool "numbers" is too small, 32768 bytes do not hold its 500 ranges in http.conf:1

=== TEST 117: "lease" with an unknown parameter
--- pool: lease step=9;
--- emerg: invalid parameter "step=9", "lease" takes "off", or "min=", "max=" and "ahead="

=== TEST 118: "lease on"
--- pool: lease on;
--- emerg: invalid parameter "on", "lease" takes "off", or "min=", "max=" and "ahead="

=== TEST 119: "lease off" with a parameter
--- pool: lease off max=9;
--- emerg: invalid parameter "off", "lease" takes "off", or "min=", "max=" and "ahead="

=== TEST 120: "lease min="
--- pool: lease min=;
--- emerg: invalid value "min=" in "lease" directive, a number between 1 and 100000000 is expected

=== TEST 121: "lease min=0"
--- pool: lease min=0;
--- emerg: invalid value "min=0" in "lease" directive, a number between 1 and 100000000 is expected

=== TEST 122: "lease min=-1"
--- pool: lease min=-1;
--- emerg: invalid value "min=-1" in "lease" directive, a number between 1 and 100000000 is expected

=== TEST 123: "lease min=many"
--- pool: lease min=many;
--- emerg: invalid value "min=many" in "lease" directive, a number between 1 and 100000000 is expected

=== TEST 124: "lease min=100000001"
--- pool: lease min=100000001;
--- emerg: invalid value "min=100000001" in "lease" directive, a number between 1 and 100000000 is expected

=== TEST 125: "lease min=1k"
--- pool: lease min=1k;
--- emerg: invalid value "min=1k" in "lease" directive, a number between 1 and 100000000 is expected

=== TEST 126: "lease max="
--- pool: lease max=;
--- emerg: invalid value "max=" in "lease" directive, a number between 1 and 100000000 is expected

=== TEST 127: "lease max=0"
--- pool: lease max=0;
--- emerg: invalid value "max=0" in "lease" directive, a number between 1 and 100000000 is expected

=== TEST 128: "lease max=-1"
--- pool: lease max=-1;
--- emerg: invalid value "max=-1" in "lease" directive, a number between 1 and 100000000 is expected

=== TEST 129: "lease max=many"
--- pool: lease max=many;
--- emerg: invalid value "max=many" in "lease" directive, a number between 1 and 100000000 is expected

=== TEST 130: "lease max=100000001"
--- pool: lease max=100000001;
--- emerg: invalid value "max=100000001" in "lease" directive, a number between 1 and 100000000 is expected

=== TEST 131: "lease max=1k"
--- pool: lease max=1k;
--- emerg: invalid value "max=1k" in "lease" directive, a number between 1 and 100000000 is expected

=== TEST 132: "lease ahead="
--- pool: lease ahead=;
--- emerg: invalid value "ahead=" in "lease" directive, a time between 1ms and 1h is expected

=== TEST 133: "lease ahead=0"
--- pool: lease ahead=0;
--- emerg: invalid value "ahead=0" in "lease" directive, a time between 1ms and 1h is expected

=== TEST 134: "lease ahead=soon"
--- pool: lease ahead=soon;
--- emerg: invalid value "ahead=soon" in "lease" directive, a time between 1ms and 1h is expected

=== TEST 135: "lease ahead=2h"
--- pool: lease ahead=2h;
--- emerg: invalid value "ahead=2h" in "lease" directive, a time between 1ms and 1h is expected

=== TEST 136: "lease ahead=-1s"
--- pool: lease ahead=-1s;
--- emerg: invalid value "ahead=-1s" in "lease" directive, a time between 1ms and 1h is expected

=== TEST 137: "lease" with "min" twice
--- pool: lease min=1 min=1;
--- emerg: duplicate parameter "min=1" in "lease" directive

=== TEST 138: "lease" with "max" twice
--- pool: lease max=9 max=9;
--- emerg: duplicate parameter "max=9" in "lease" directive

=== TEST 139: "lease" with "ahead" twice
--- pool: lease ahead=1s ahead=1s;
--- emerg: duplicate parameter "ahead=1s" in "lease" directive

=== TEST 140: "lease" whose min is greater than max
--- pool: lease min=10 max=9;
--- emerg: "min=10" must not be greater than "max=9" in "lease" directive

=== TEST 141: "lease" whose min is greater than the default of max
--- pool: lease min=100000;
--- emerg: "min=100000" must not be greater than "max=65536" in "lease" directive

=== TEST 142: "lease" whose max is less than the default of min
--- pool: lease max=8;
--- emerg: "min=16" must not be greater than "max=8" in "lease" directive

=== TEST 143: "bootstrap" that is neither on nor off
--- pool: bootstrap yes;
--- emerg: invalid value "yes" in "bootstrap" directive, it must be "on" or "off"

=== TEST 144: "connect_timeout" that is no time
--- pool: connect_timeout soon;
--- emerg: invalid value "soon" in "connect_timeout" directive, a time such as 500ms or 2s is expected

=== TEST 145: "connect_timeout" that is negative
--- pool: connect_timeout -1s;
--- emerg: invalid value "-1s" in "connect_timeout" directive, a time such as 500ms or 2s is expected

=== TEST 146: "reserve_timeout" that is no time
--- pool: reserve_timeout soon;
--- emerg: invalid value "soon" in "reserve_timeout" directive, a time such as 500ms or 2s is expected

=== TEST 147: "reserve_timeout" that is negative
--- pool: reserve_timeout -1s;
--- emerg: invalid value "-1s" in "reserve_timeout" directive, a time such as 500ms or 2s is expected

=== TEST 148: "wait_timeout" that is no time
--- pool: wait_timeout soon;
--- emerg: invalid value "soon" in "wait_timeout" directive, a time such as 500ms or 2s is expected

=== TEST 149: "wait_timeout" that is negative
--- pool: wait_timeout -1s;
--- emerg: invalid value "-1s" in "wait_timeout" directive, a time such as 500ms or 2s is expected

=== TEST 150: "idle_timeout" that is no time
--- pool: idle_timeout soon;
--- emerg: invalid value "soon" in "idle_timeout" directive, a time such as 500ms or 2s is expected

=== TEST 151: "idle_timeout" that is negative
--- pool: idle_timeout -1s;
--- emerg: invalid value "-1s" in "idle_timeout" directive, a time such as 500ms or 2s is expected

=== TEST 152: "connect_timeout" of no time
--- pool: connect_timeout 0;
--- emerg: invalid value "0" in "connect_timeout" directive, it must be greater than 0

=== TEST 153: "reserve_timeout" of no time
--- pool: reserve_timeout 0;
--- emerg: invalid value "0" in "reserve_timeout" directive, it must be greater than 0

=== TEST 154: "queue many"
--- pool: queue many;
--- emerg: invalid value "many" in "queue" directive, a number between 0 and 1000000 is expected

=== TEST 155: "queue -1"
--- pool: queue -1;
--- emerg: invalid value "-1" in "queue" directive, a number between 0 and 1000000 is expected

=== TEST 156: "queue 1000001"
--- pool: queue 1000001;
--- emerg: invalid value "1000001" in "queue" directive, a number between 0 and 1000000 is expected

=== TEST 157: "queue 1k"
--- pool: queue 1k;
--- emerg: invalid value "1k" in "queue" directive, a number between 0 and 1000000 is expected

=== TEST 158: "queue "
--- pool: queue "";
--- emerg: invalid value "" in "queue" directive, a number between 0 and 1000000 is expected

=== TEST 201: "lease" with one parameter each
--- http_config
    unique_random_pool a {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        lease min=1;
    }
    unique_random_pool b {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        lease max=16;
    }
    unique_random_pool c {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        lease ahead=1h;
    }
    unique_random_pool d {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        lease min=100000000 max=100000000;
    }
    unique_random_pool e {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        lease off;
    }
--- accepted

=== TEST 202: "queue 0" and "wait_timeout 0"
--- pool
    queue 0;
    wait_timeout 0;
    idle_timeout 0;
--- accepted

=== TEST 210: a state folder without a name
--- pool: state "";
--- emerg: invalid value "" in "state" directive, a folder is expected

=== TEST 232: a state folder that is a cache as well
--- pool: state $TEST_NGINX_SERVER_ROOT/both;
--- http_config
    proxy_cache_path $TEST_NGINX_SERVER_ROOT/both keys_zone=both:1m;
--- emerg: the same path name "$TEST_NGINX_SERVER_ROOT/both" is used elsewhere and for "state" of unique_random_pool "numbers" in http.conf:1
