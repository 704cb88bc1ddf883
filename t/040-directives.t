# The configuration: what is refused, and how nginx says so; what is not.
#
# A message is compared as a whole, with the number of its line.  For that, the
# http_config of a block that must die is put into a file http.conf, of which
# the numbers are known.  All conninfos hold the password "sesame", which must
# not be in the error log, whatever is wrong with them.

use lib 't/lib';
use UniqueRandom::Slot;
use Test::Nginx::Socket;
use UniqueRandom::Blocks;

plan tests => 819;

add_block_preprocessor(sub {
    my ($block) = @_;

    return if !defined $block->must_die;

    my $html = server_root() . '/html';

    if (defined $block->http_config) {
        $block->set_value(user_files =>
            ($block->user_files // '') . ">>> http.conf\n" . $block->http_config);
        $block->set_value(http_config => "include $html/http.conf;\n");
    }

    (my $message = $block->error_log) =~ s/\s+\z//;
    my ($text, $file, $line) = $message =~ /^(.*?)(?: in (\w+\.conf)(:\d+)?)?\z/;

    $text =~ s/\$TEST_NGINX_SERVER_ROOT\b/server_root()/ge;

    my $where = !defined $file ? ''
        : $file eq 'nginx.conf' ? qr/ in \S+\/nginx\.conf:\d+/
        :                         qr/ in \Q$html\E\/\Q$file$line\E/;

    $block->set_value(error_log =>
        qr/^\S+ \S+ \[emerg\] \d+#\d+: \Q$text\E$where$/);
});

no_long_string();
run_tests();

__DATA__

=== TEST 1: a pool without a name
--- http_config
    unique_random_pool {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
    }
--- config
--- must_die
--- error_log
invalid number of arguments in "unique_random_pool" directive in http.conf:1
--- no_error_log
sesame



=== TEST 2: a pool with two names
--- http_config
    unique_random_pool a b {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
    }
--- config
--- must_die
--- error_log
invalid number of arguments in "unique_random_pool" directive in http.conf:1
--- no_error_log
sesame



=== TEST 3: a pool with an empty name
--- http_config
    unique_random_pool "" {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
    }
--- config
--- must_die
--- error_log
invalid pool name "", it must not be empty in http.conf:1
--- no_error_log
sesame



=== TEST 4: a pool without a block
--- http_config
    unique_random_pool numbers;
--- config
--- must_die
--- error_log
directive "unique_random_pool" has no opening "{" in http.conf:1
--- no_error_log
sesame



=== TEST 5: a pool that is not closed
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
--- config
--- must_die
--- error_log
unexpected end of file, expecting "}" in http.conf:3
--- no_error_log
sesame



=== TEST 6: two pools of one name
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
    }

    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
    }
--- config
--- must_die
--- error_log
duplicate unique_random_pool "numbers", it was declared in $TEST_NGINX_SERVER_ROOT/html/http.conf:1 in http.conf:5
--- no_error_log
sesame



=== TEST 7: a pool without shards
--- http_config
    unique_random_pool numbers {
        zone 256k;
    }
--- config
--- must_die
--- error_log
no shards in unique_random_pool "numbers" in http.conf:3
--- no_error_log
sesame



=== TEST 8: an unknown directive in a pool
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        shards 2;
    }
--- config
--- must_die
--- error_log
unknown directive "shards" in unique_random_pool in http.conf:3
--- no_error_log
sesame



=== TEST 9: a directive of http in a pool
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        gzip on;
    }
--- config
--- must_die
--- error_log
unknown directive "gzip" in unique_random_pool in http.conf:3
--- no_error_log
sesame



=== TEST 10: a block in a pool
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers {
        }
    }
--- config
--- must_die
--- error_log
unexpected "{" in http.conf:2
--- no_error_log
sesame



=== TEST 11: a file to include that is not there
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        include nothing.conf;
    }
--- config
--- must_die
--- error_log
open() "$TEST_NGINX_SERVER_ROOT/conf/nothing.conf" failed (2: No such file or directory) in http.conf:3
--- no_error_log
sesame



=== TEST 12: "zone" with no arguments
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        zone;
    }
--- config
--- must_die
--- error_log
invalid number of arguments in "zone" directive in http.conf:3
--- no_error_log
sesame



=== TEST 13: "zone" with too many arguments
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        zone 256k 256k;
    }
--- config
--- must_die
--- error_log
invalid number of arguments in "zone" directive in http.conf:3
--- no_error_log
sesame



=== TEST 14: "shard" with no arguments
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        shard;
    }
--- config
--- must_die
--- error_log
invalid number of arguments in "shard" directive in http.conf:3
--- no_error_log
sesame



=== TEST 15: "lease" with no arguments
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        lease;
    }
--- config
--- must_die
--- error_log
invalid number of arguments in "lease" directive in http.conf:3
--- no_error_log
sesame



=== TEST 16: "lease" with too many arguments
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        lease min=1 max=2 ahead=1s min=1;
    }
--- config
--- must_die
--- error_log
invalid number of arguments in "lease" directive in http.conf:3
--- no_error_log
sesame



=== TEST 17: "bootstrap" with no arguments
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        bootstrap;
    }
--- config
--- must_die
--- error_log
invalid number of arguments in "bootstrap" directive in http.conf:3
--- no_error_log
sesame



=== TEST 18: "bootstrap" with too many arguments
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        bootstrap on off;
    }
--- config
--- must_die
--- error_log
invalid number of arguments in "bootstrap" directive in http.conf:3
--- no_error_log
sesame



=== TEST 19: "state" with no arguments
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        state;
    }
--- config
--- must_die
--- error_log
invalid number of arguments in "state" directive in http.conf:3
--- no_error_log
sesame



=== TEST 20: "state" with too many arguments
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        state /a /b;
    }
--- config
--- must_die
--- error_log
invalid number of arguments in "state" directive in http.conf:3
--- no_error_log
sesame



=== TEST 21: "queue" with no arguments
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        queue;
    }
--- config
--- must_die
--- error_log
invalid number of arguments in "queue" directive in http.conf:3
--- no_error_log
sesame



=== TEST 22: "queue" with too many arguments
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        queue 1 2;
    }
--- config
--- must_die
--- error_log
invalid number of arguments in "queue" directive in http.conf:3
--- no_error_log
sesame



=== TEST 23: "connect_timeout" with no arguments
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        connect_timeout;
    }
--- config
--- must_die
--- error_log
invalid number of arguments in "connect_timeout" directive in http.conf:3
--- no_error_log
sesame



=== TEST 24: "connect_timeout" with too many arguments
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        connect_timeout 1s 2s;
    }
--- config
--- must_die
--- error_log
invalid number of arguments in "connect_timeout" directive in http.conf:3
--- no_error_log
sesame



=== TEST 25: "reserve_timeout" with no arguments
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        reserve_timeout;
    }
--- config
--- must_die
--- error_log
invalid number of arguments in "reserve_timeout" directive in http.conf:3
--- no_error_log
sesame



=== TEST 26: "reserve_timeout" with too many arguments
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        reserve_timeout 1s 2s;
    }
--- config
--- must_die
--- error_log
invalid number of arguments in "reserve_timeout" directive in http.conf:3
--- no_error_log
sesame



=== TEST 27: "wait_timeout" with no arguments
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        wait_timeout;
    }
--- config
--- must_die
--- error_log
invalid number of arguments in "wait_timeout" directive in http.conf:3
--- no_error_log
sesame



=== TEST 28: "wait_timeout" with too many arguments
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        wait_timeout 1s 2s;
    }
--- config
--- must_die
--- error_log
invalid number of arguments in "wait_timeout" directive in http.conf:3
--- no_error_log
sesame



=== TEST 29: "idle_timeout" with no arguments
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        idle_timeout;
    }
--- config
--- must_die
--- error_log
invalid number of arguments in "idle_timeout" directive in http.conf:3
--- no_error_log
sesame



=== TEST 30: "idle_timeout" with too many arguments
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        idle_timeout 1s 2s;
    }
--- config
--- must_die
--- error_log
invalid number of arguments in "idle_timeout" directive in http.conf:3
--- no_error_log
sesame



=== TEST 31: "include" with no arguments
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        include;
    }
--- config
--- must_die
--- error_log
invalid number of arguments in "include" directive in http.conf:3
--- no_error_log
sesame



=== TEST 32: "include" with too many arguments
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        include a b;
    }
--- config
--- must_die
--- error_log
invalid number of arguments in "include" directive in http.conf:3
--- no_error_log
sesame



=== TEST 33: "zone" twice
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        zone 256k;
        zone 256k;
    }
--- config
--- must_die
--- error_log
"zone" directive is duplicate in http.conf:4
--- no_error_log
sesame



=== TEST 34: "lease" twice
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        lease off;
        lease off;
    }
--- config
--- must_die
--- error_log
"lease" directive is duplicate in http.conf:4
--- no_error_log
sesame



=== TEST 35: "bootstrap" twice
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        bootstrap off;
        bootstrap off;
    }
--- config
--- must_die
--- error_log
"bootstrap" directive is duplicate in http.conf:4
--- no_error_log
sesame



=== TEST 36: "state" twice
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        state /nowhere/unique_random;
        state /nowhere/unique_random;
    }
--- config
--- must_die
--- error_log
"state" directive is duplicate in http.conf:4
--- no_error_log
sesame



=== TEST 37: "queue" twice
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        queue 1;
        queue 1;
    }
--- config
--- must_die
--- error_log
"queue" directive is duplicate in http.conf:4
--- no_error_log
sesame



=== TEST 38: "connect_timeout" twice
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        connect_timeout 1s;
        connect_timeout 1s;
    }
--- config
--- must_die
--- error_log
"connect_timeout" directive is duplicate in http.conf:4
--- no_error_log
sesame



=== TEST 39: "reserve_timeout" twice
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        reserve_timeout 1s;
        reserve_timeout 1s;
    }
--- config
--- must_die
--- error_log
"reserve_timeout" directive is duplicate in http.conf:4
--- no_error_log
sesame



=== TEST 40: "wait_timeout" twice
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        wait_timeout 1s;
        wait_timeout 1s;
    }
--- config
--- must_die
--- error_log
"wait_timeout" directive is duplicate in http.conf:4
--- no_error_log
sesame



=== TEST 41: "idle_timeout" twice
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        idle_timeout 1s;
        idle_timeout 1s;
    }
--- config
--- must_die
--- error_log
"idle_timeout" directive is duplicate in http.conf:4
--- no_error_log
sesame



=== TEST 42: "zone" that is no size
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        zone much;
    }
--- config
--- must_die
--- error_log
invalid zone size "much", a size such as 256k or 1m is expected in http.conf:3
--- no_error_log
sesame



=== TEST 43: "zone" that is negative
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        zone -256k;
    }
--- config
--- must_die
--- error_log
invalid zone size "-256k", a size such as 256k or 1m is expected in http.conf:3
--- no_error_log
sesame



=== TEST 44: "zone" that is too small for anything
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        zone 31k;
    }
--- config
--- must_die
--- error_log
zone size "31k" is too small, it must be at least 32768 bytes in http.conf:3
--- no_error_log
sesame



=== TEST 45: "zone" of no size
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        zone 0;
    }
--- config
--- must_die
--- error_log
zone size "0" is too small, it must be at least 32768 bytes in http.conf:3
--- no_error_log
sesame



=== TEST 46: "zone" that is too small for its ranges
--- http_config eval
"    unique_random_pool numbers {
        zone  32k;
        shard postgresql://nginx:sesame\@127.0.0.1/numbers"
. CORE::join("", map {" range=$_-$_"} 1 .. 500) . ";
    }
"
--- config
--- must_die
--- error_log
zone of unique_random_pool "numbers" is too small, 32768 bytes do not hold its 500 ranges in http.conf:1
--- no_error_log
sesame



=== TEST 47: a shard without a range
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers;
    }
--- config
--- must_die
--- error_log
"shard" must have "range" parameter in http.conf:2
--- no_error_log
sesame



=== TEST 48: a range that is empty
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=;
    }
--- config
--- must_die
--- error_log
invalid range "range=", FIRST-LAST is expected, numbers between 0 and 9223372036854775807 in http.conf:2
--- no_error_log
sesame



=== TEST 49: a range of one number without a dash
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=5;
    }
--- config
--- must_die
--- error_log
invalid range "range=5", FIRST-LAST is expected, numbers between 0 and 9223372036854775807 in http.conf:2
--- no_error_log
sesame



=== TEST 50: a range without FIRST
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=-9;
    }
--- config
--- must_die
--- error_log
invalid range "range=-9", FIRST-LAST is expected, numbers between 0 and 9223372036854775807 in http.conf:2
--- no_error_log
sesame



=== TEST 51: a range without LAST
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-;
    }
--- config
--- must_die
--- error_log
invalid range "range=1-", FIRST-LAST is expected, numbers between 0 and 9223372036854775807 in http.conf:2
--- no_error_log
sesame



=== TEST 52: a range that is only a dash
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=-;
    }
--- config
--- must_die
--- error_log
invalid range "range=-", FIRST-LAST is expected, numbers between 0 and 9223372036854775807 in http.conf:2
--- no_error_log
sesame



=== TEST 53: a range that is negative
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=-5--1;
    }
--- config
--- must_die
--- error_log
invalid range "range=-5--1", FIRST-LAST is expected, numbers between 0 and 9223372036854775807 in http.conf:2
--- no_error_log
sesame



=== TEST 54: a range with a negative LAST
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1--1;
    }
--- config
--- must_die
--- error_log
invalid range "range=1--1", FIRST-LAST is expected, numbers between 0 and 9223372036854775807 in http.conf:2
--- no_error_log
sesame



=== TEST 55: a range with three numbers
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-2-3;
    }
--- config
--- must_die
--- error_log
invalid range "range=1-2-3", FIRST-LAST is expected, numbers between 0 and 9223372036854775807 in http.conf:2
--- no_error_log
sesame



=== TEST 56: a range with a plus sign
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=+1-9;
    }
--- config
--- must_die
--- error_log
invalid range "range=+1-9", FIRST-LAST is expected, numbers between 0 and 9223372036854775807 in http.conf:2
--- no_error_log
sesame



=== TEST 57: a range that is not decimal
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=0x1-0x9;
    }
--- config
--- must_die
--- error_log
invalid range "range=0x1-0x9", FIRST-LAST is expected, numbers between 0 and 9223372036854775807 in http.conf:2
--- no_error_log
sesame



=== TEST 58: a range with a unit
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1k-9k;
    }
--- config
--- must_die
--- error_log
invalid range "range=1k-9k", FIRST-LAST is expected, numbers between 0 and 9223372036854775807 in http.conf:2
--- no_error_log
sesame



=== TEST 59: a range with two dots
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1..9;
    }
--- config
--- must_die
--- error_log
invalid range "range=1..9", FIRST-LAST is expected, numbers between 0 and 9223372036854775807 in http.conf:2
--- no_error_log
sesame



=== TEST 60: a range beyond 2^63-1
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9223372036854775808;
    }
--- config
--- must_die
--- error_log
invalid range "range=1-9223372036854775808", FIRST-LAST is expected, numbers between 0 and 9223372036854775807 in http.conf:2
--- no_error_log
sesame



=== TEST 61: a range far beyond 2^64
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-99999999999999999999999;
    }
--- config
--- must_die
--- error_log
invalid range "range=1-99999999999999999999999", FIRST-LAST is expected, numbers between 0 and 9223372036854775807 in http.conf:2
--- no_error_log
sesame



=== TEST 62: a range whose FIRST is beyond 2^63-1
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=9223372036854775808-9223372036854775809;
    }
--- config
--- must_die
--- error_log
invalid range "range=9223372036854775808-9223372036854775809", FIRST-LAST is expected, numbers between 0 and 9223372036854775807 in http.conf:2
--- no_error_log
sesame



=== TEST 63: a range with spaces
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers "range=1 - 9";
    }
--- config
--- must_die
--- error_log
invalid range "range=1 - 9", FIRST-LAST is expected, numbers between 0 and 9223372036854775807 in http.conf:2
--- no_error_log
sesame



=== TEST 64: a range whose FIRST is greater than LAST
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=9-1;
    }
--- config
--- must_die
--- error_log
invalid range "range=9-1", FIRST must not be greater than LAST in http.conf:2
--- no_error_log
sesame



=== TEST 65: a range of more than 2^63-1 numbers
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=0-9223372036854775807;
    }
--- config
--- must_die
--- error_log
invalid range "range=0-9223372036854775807", it must not hold more than 9223372036854775807 numbers in http.conf:2
--- no_error_log
sesame



=== TEST 66: ranges of one shard that overlap
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9 range=9-20;
    }
--- config
--- must_die
--- error_log
range "range=9-20" overlaps range 1-9 of unique_random_pool "numbers", it was declared in $TEST_NGINX_SERVER_ROOT/html/http.conf:2 in http.conf:2
--- no_error_log
sesame



=== TEST 67: a range of a shard twice
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9 range=1-9;
    }
--- config
--- must_die
--- error_log
range "range=1-9" overlaps range 1-9 of unique_random_pool "numbers", it was declared in $TEST_NGINX_SERVER_ROOT/html/http.conf:2 in http.conf:2
--- no_error_log
sesame



=== TEST 68: ranges of two shards that overlap
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=10-20;
        shard postgresql://nginx:sesame@127.0.0.2/numbers range=1-10;
    }
--- config
--- must_die
--- error_log
range "range=1-10" overlaps range 10-20 of unique_random_pool "numbers", it was declared in $TEST_NGINX_SERVER_ROOT/html/http.conf:2 in http.conf:3
--- no_error_log
sesame



=== TEST 69: a range within that of another shard
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-100;
        shard postgresql://nginx:sesame@127.0.0.2/numbers range=200-300 range=50-60;
    }
--- config
--- must_die
--- error_log
range "range=50-60" overlaps range 1-100 of unique_random_pool "numbers", it was declared in $TEST_NGINX_SERVER_ROOT/html/http.conf:2 in http.conf:3
--- no_error_log
sesame



=== TEST 70: an unknown parameter of a shard
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9 weight=2;
    }
--- config
--- must_die
--- error_log
invalid parameter 3 of "shard" (it is not shown, since it may be a piece of a conninfo, which must be quoted if it has spaces), it takes "range=FIRST-LAST", "name=LABEL", "max_fails=NUMBER", "fail_timeout=TIME", "failover=fence", "failover=trust", "drain" and "down" in http.conf:2
--- no_error_log
sesame



=== TEST 71: an unknown flag of a shard
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9 backup;
    }
--- config
--- must_die
--- error_log
invalid parameter 3 of "shard" (it is not shown, since it may be a piece of a conninfo, which must be quoted if it has spaces), it takes "range=FIRST-LAST", "name=LABEL", "max_fails=NUMBER", "fail_timeout=TIME", "failover=fence", "failover=trust", "drain" and "down" in http.conf:2
--- no_error_log
sesame



=== TEST 72: a flag with a value
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9 down=1;
    }
--- config
--- must_die
--- error_log
invalid parameter 3 of "shard" (it is not shown, since it may be a piece of a conninfo, which must be quoted if it has spaces), it takes "range=FIRST-LAST", "name=LABEL", "max_fails=NUMBER", "fail_timeout=TIME", "failover=fence", "failover=trust", "drain" and "down" in http.conf:2
--- no_error_log
sesame



=== TEST 73: a parameter without a value
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9 max_fails;
    }
--- config
--- must_die
--- error_log
invalid parameter 3 of "shard" (it is not shown, since it may be a piece of a conninfo, which must be quoted if it has spaces), it takes "range=FIRST-LAST", "name=LABEL", "max_fails=NUMBER", "fail_timeout=TIME", "failover=fence", "failover=trust", "drain" and "down" in http.conf:2
--- no_error_log
sesame



=== TEST 74: a conninfo that was not quoted
--- http_config
    unique_random_pool numbers {
        shard host=127.0.0.1 user=nginx password=sesame dbname=numbers range=1-9;
    }
--- config
--- must_die
--- error_log
invalid parameter 2 of "shard" (it is not shown, since it may be a piece of a conninfo, which must be quoted if it has spaces), it takes "range=FIRST-LAST", "name=LABEL", "max_fails=NUMBER", "fail_timeout=TIME", "failover=fence", "failover=trust", "drain" and "down" in http.conf:2
--- no_error_log
sesame



=== TEST 75: a conninfo after the range
--- http_config
    unique_random_pool numbers {
        shard host=127.0.0.1 range=1-9 password=sesame;
    }
--- config
--- must_die
--- error_log
invalid parameter 3 of "shard" (it is not shown, since it may be a piece of a conninfo, which must be quoted if it has spaces), it takes "range=FIRST-LAST", "name=LABEL", "max_fails=NUMBER", "fail_timeout=TIME", "failover=fence", "failover=trust", "drain" and "down" in http.conf:2
--- no_error_log
sesame



=== TEST 76: "name" twice in a shard
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9 name=a name=b;
    }
--- config
--- must_die
--- error_log
duplicate parameter "name=b" in "shard" directive in http.conf:2
--- no_error_log
sesame



=== TEST 77: "max_fails" twice in a shard
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9 max_fails=1 max_fails=1;
    }
--- config
--- must_die
--- error_log
duplicate parameter "max_fails=1" in "shard" directive in http.conf:2
--- no_error_log
sesame



=== TEST 78: "fail_timeout" twice in a shard
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9 fail_timeout=1s fail_timeout=2s;
    }
--- config
--- must_die
--- error_log
duplicate parameter "fail_timeout=2s" in "shard" directive in http.conf:2
--- no_error_log
sesame



=== TEST 79: "failover" twice in a shard
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9 failover=fence failover=trust;
    }
--- config
--- must_die
--- error_log
duplicate parameter "failover=trust" in "shard" directive in http.conf:2
--- no_error_log
sesame



=== TEST 80: "drain" twice in a shard
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9 drain drain;
    }
--- config
--- must_die
--- error_log
duplicate parameter "drain" in "shard" directive in http.conf:2
--- no_error_log
sesame



=== TEST 81: "down" twice in a shard
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9 down down;
    }
--- config
--- must_die
--- error_log
duplicate parameter "down" in "shard" directive in http.conf:2
--- no_error_log
sesame



=== TEST 82: an empty name
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9 name=;
    }
--- config
--- must_die
--- error_log
invalid value "name=" in "shard" directive, a name is expected in http.conf:2
--- no_error_log
sesame



=== TEST 83: "max_fails="
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9 max_fails=;
    }
--- config
--- must_die
--- error_log
invalid value "max_fails=" in "shard" directive, a number is expected in http.conf:2
--- no_error_log
sesame



=== TEST 84: "max_fails=-1"
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9 max_fails=-1;
    }
--- config
--- must_die
--- error_log
invalid value "max_fails=-1" in "shard" directive, a number is expected in http.conf:2
--- no_error_log
sesame



=== TEST 85: "max_fails=many"
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9 max_fails=many;
    }
--- config
--- must_die
--- error_log
invalid value "max_fails=many" in "shard" directive, a number is expected in http.conf:2
--- no_error_log
sesame



=== TEST 86: "max_fails=1.5"
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9 max_fails=1.5;
    }
--- config
--- must_die
--- error_log
invalid value "max_fails=1.5" in "shard" directive, a number is expected in http.conf:2
--- no_error_log
sesame



=== TEST 87: "max_fails=99999999999999999999"
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9 max_fails=99999999999999999999;
    }
--- config
--- must_die
--- error_log
invalid value "max_fails=99999999999999999999" in "shard" directive, a number is expected in http.conf:2
--- no_error_log
sesame



=== TEST 88: "fail_timeout="
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9 fail_timeout=;
    }
--- config
--- must_die
--- error_log
invalid value "fail_timeout=" in "shard" directive, a time greater than 0 is expected in http.conf:2
--- no_error_log
sesame



=== TEST 89: "fail_timeout=0"
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9 fail_timeout=0;
    }
--- config
--- must_die
--- error_log
invalid value "fail_timeout=0" in "shard" directive, a time greater than 0 is expected in http.conf:2
--- no_error_log
sesame



=== TEST 90: "fail_timeout=-1s"
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9 fail_timeout=-1s;
    }
--- config
--- must_die
--- error_log
invalid value "fail_timeout=-1s" in "shard" directive, a time greater than 0 is expected in http.conf:2
--- no_error_log
sesame



=== TEST 91: "fail_timeout=soon"
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9 fail_timeout=soon;
    }
--- config
--- must_die
--- error_log
invalid value "fail_timeout=soon" in "shard" directive, a time greater than 0 is expected in http.conf:2
--- no_error_log
sesame



=== TEST 92: "fail_timeout=1s1s"
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9 fail_timeout=1s1s;
    }
--- config
--- must_die
--- error_log
invalid value "fail_timeout=1s1s" in "shard" directive, a time greater than 0 is expected in http.conf:2
--- no_error_log
sesame



=== TEST 93: "failover="
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9 failover=;
    }
--- config
--- must_die
--- error_log
invalid value "failover=" in "shard" directive, "fence" or "trust" is expected in http.conf:2
--- no_error_log
sesame



=== TEST 94: "failover=on"
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9 failover=on;
    }
--- config
--- must_die
--- error_log
invalid value "failover=on" in "shard" directive, "fence" or "trust" is expected in http.conf:2
--- no_error_log
sesame



=== TEST 95: "failover=TRUST"
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9 failover=TRUST;
    }
--- config
--- must_die
--- error_log
invalid value "failover=TRUST" in "shard" directive, "fence" or "trust" is expected in http.conf:2
--- no_error_log
sesame



=== TEST 96: one database in two shards
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=10-19;
    }
--- config
--- must_die
--- error_log
duplicate shard "127.0.0.1:5432/numbers" in unique_random_pool "numbers"; give one shard all of its ranges, or shards different names with "name=" in http.conf:3
--- no_error_log
sesame



=== TEST 97: two shards of one name
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9 name=a;
        shard postgresql://nginx:sesame@127.0.0.2/numbers range=10-19 name=a;
    }
--- config
--- must_die
--- error_log
duplicate shard "a" in unique_random_pool "numbers"; give one shard all of its ranges, or shards different names with "name=" in http.conf:3
--- no_error_log
sesame



=== TEST 98: a conninfo that is a word
--- http_config
    unique_random_pool numbers {
        shard sesame range=1-9;
    }
--- config
--- must_die
--- error_log
the conninfo of "shard" is neither a URI nor a list of key=value pairs that libpq understands (it is not shown, since it may hold a password) in http.conf:2
--- no_error_log
sesame



=== TEST 99: a conninfo of another database
--- http_config
    unique_random_pool numbers {
        shard mysql://nginx:sesame@127.0.0.1/numbers range=1-9;
    }
--- config
--- must_die
--- error_log
the conninfo of "shard" is neither a URI nor a list of key=value pairs that libpq understands (it is not shown, since it may hold a password) in http.conf:2
--- no_error_log
sesame



=== TEST 100: a URI with a wrong bracket
--- http_config
    unique_random_pool numbers {
        shard "postgresql://nginx:sesame@[::1/numbers" range=1-9;
    }
--- config
--- must_die
--- error_log
the conninfo of "shard" is neither a URI nor a list of key=value pairs that libpq understands (it is not shown, since it may hold a password) in http.conf:2
--- no_error_log
sesame



=== TEST 101: a URI with wrong escapes
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame%ZZ@127.0.0.1/numbers range=1-9;
    }
--- config
--- must_die
--- error_log
the conninfo of "shard" is neither a URI nor a list of key=value pairs that libpq understands (it is not shown, since it may hold a password) in http.conf:2
--- no_error_log
sesame



=== TEST 102: a URI with an unknown parameter
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers?sesame=1 range=1-9;
    }
--- config
--- must_die
--- error_log
the conninfo of "shard" is neither a URI nor a list of key=value pairs that libpq understands (it is not shown, since it may hold a password) in http.conf:2
--- no_error_log
sesame



=== TEST 103: a conninfo with an unknown key
--- http_config
    unique_random_pool numbers {
        shard "host=127.0.0.1 password=sesame sesame=1" range=1-9;
    }
--- config
--- must_die
--- error_log
the conninfo of "shard" is neither a URI nor a list of key=value pairs that libpq understands (it is not shown, since it may hold a password) in http.conf:2
--- no_error_log
sesame



=== TEST 104: a conninfo without an equals sign
--- http_config
    unique_random_pool numbers {
        shard "host=127.0.0.1 password sesame" range=1-9;
    }
--- config
--- must_die
--- error_log
the conninfo of "shard" is neither a URI nor a list of key=value pairs that libpq understands (it is not shown, since it may hold a password) in http.conf:2
--- no_error_log
sesame



=== TEST 105: a conninfo with an open quote
--- http_config
    unique_random_pool numbers {
        shard "host=127.0.0.1 password='sesame" range=1-9;
    }
--- config
--- must_die
--- error_log
the conninfo of "shard" is neither a URI nor a list of key=value pairs that libpq understands (it is not shown, since it may hold a password) in http.conf:2
--- no_error_log
sesame



=== TEST 106: a conninfo with a scheme that is only a driver
--- http_config
    unique_random_pool numbers {
        shard +psycopg2://nginx:sesame@127.0.0.1/numbers range=1-9;
    }
--- config
--- must_die
--- error_log
the conninfo of "shard" is neither a URI nor a list of key=value pairs that libpq understands (it is not shown, since it may hold a password) in http.conf:2
--- no_error_log
sesame



=== TEST 107: a conninfo with a service
--- http_config
    unique_random_pool numbers {
        shard "service=numbers password=sesame" range=1-9;
    }
--- config
--- must_die
--- error_log
the conninfo of "shard" has "service" or "replication", which are not supported (it is not shown, since it may hold a password) in http.conf:2
--- no_error_log
sesame



=== TEST 108: a conninfo for replication
--- http_config
    unique_random_pool numbers {
        shard "host=127.0.0.1 replication=database password=sesame" range=1-9;
    }
--- config
--- must_die
--- error_log
the conninfo of "shard" has "service" or "replication", which are not supported (it is not shown, since it may hold a password) in http.conf:2
--- no_error_log
sesame



=== TEST 109: a port of 0
--- http_config
    unique_random_pool numbers {
        shard "host=127.0.0.1 port=0 password=sesame" range=1-9;
    }
--- config
--- must_die
--- error_log
the conninfo of "shard" has a port that is not a number between 1 and 65535 (it is not shown, since it may hold a password) in http.conf:2
--- no_error_log
sesame



=== TEST 110: a port beyond 65535
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1:65536/numbers range=1-9;
    }
--- config
--- must_die
--- error_log
the conninfo of "shard" has a port that is not a number between 1 and 65535 (it is not shown, since it may hold a password) in http.conf:2
--- no_error_log
sesame



=== TEST 111: a port that is negative
--- http_config
    unique_random_pool numbers {
        shard "host=127.0.0.1 port=-1 password=sesame" range=1-9;
    }
--- config
--- must_die
--- error_log
the conninfo of "shard" has a port that is not a number between 1 and 65535 (it is not shown, since it may hold a password) in http.conf:2
--- no_error_log
sesame



=== TEST 112: a port that is a word
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1:postgresql/numbers range=1-9;
    }
--- config
--- must_die
--- error_log
the conninfo of "shard" has a port that is not a number between 1 and 65535 (it is not shown, since it may hold a password) in http.conf:2
--- no_error_log
sesame



=== TEST 113: a second port that is out of range
--- http_config
    unique_random_pool numbers {
        shard "host=127.0.0.1,127.0.0.2 port=5432,65536 password=sesame" range=1-9;
    }
--- config
--- must_die
--- error_log
the conninfo of "shard" has a port that is not a number between 1 and 65535 (it is not shown, since it may hold a password) in http.conf:2
--- no_error_log
sesame



=== TEST 114: more ports than hosts
--- http_config
    unique_random_pool numbers {
        shard "host=127.0.0.1,127.0.0.2 port=1,2,3 password=sesame" range=1-9;
    }
--- config
--- must_die
--- error_log
the conninfo of "shard" has not as many "port" as "host" (it is not shown, since it may hold a password) in http.conf:2
--- no_error_log
sesame



=== TEST 115: more addresses than hosts
--- http_config
    unique_random_pool numbers {
        shard "host=a,b hostaddr=127.0.0.1 password=sesame" range=1-9;
    }
--- config
--- must_die
--- error_log
the conninfo of "shard" has not as many "host" as "hostaddr" (it is not shown, since it may hold a password) in http.conf:2
--- no_error_log
sesame



=== TEST 116: a host that nobody knows, in a shard that is down
--- http_config
    unique_random_pool numbers {
        shard $TEST_NGINX_SHARD range=1-9;
        shard postgresql://nginx:sesame@no-such-host.invalid/numbers range=10-19 down;
        bootstrap on;
    }
--- config
    location = /random {
        unique_random;
    }
--- request
GET /random
--- response_body_like chomp
^\{"number":[1-9]\}$
--- no_error_log
[warn]
[error]
sesame



=== TEST 117: "lease" with an unknown parameter
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        lease step=9;
    }
--- config
--- must_die
--- error_log
invalid parameter "step=9", "lease" takes "off", or "min=", "max=" and "ahead=" in http.conf:3
--- no_error_log
sesame



=== TEST 118: "lease on"
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        lease on;
    }
--- config
--- must_die
--- error_log
invalid parameter "on", "lease" takes "off", or "min=", "max=" and "ahead=" in http.conf:3
--- no_error_log
sesame



=== TEST 119: "lease off" with a parameter
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        lease off max=9;
    }
--- config
--- must_die
--- error_log
invalid parameter "off", "lease" takes "off", or "min=", "max=" and "ahead=" in http.conf:3
--- no_error_log
sesame



=== TEST 120: "lease min="
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        lease min=;
    }
--- config
--- must_die
--- error_log
invalid value "min=" in "lease" directive, a number between 1 and 100000000 is expected in http.conf:3
--- no_error_log
sesame



=== TEST 121: "lease min=0"
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        lease min=0;
    }
--- config
--- must_die
--- error_log
invalid value "min=0" in "lease" directive, a number between 1 and 100000000 is expected in http.conf:3
--- no_error_log
sesame



=== TEST 122: "lease min=-1"
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        lease min=-1;
    }
--- config
--- must_die
--- error_log
invalid value "min=-1" in "lease" directive, a number between 1 and 100000000 is expected in http.conf:3
--- no_error_log
sesame



=== TEST 123: "lease min=many"
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        lease min=many;
    }
--- config
--- must_die
--- error_log
invalid value "min=many" in "lease" directive, a number between 1 and 100000000 is expected in http.conf:3
--- no_error_log
sesame



=== TEST 124: "lease min=100000001"
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        lease min=100000001;
    }
--- config
--- must_die
--- error_log
invalid value "min=100000001" in "lease" directive, a number between 1 and 100000000 is expected in http.conf:3
--- no_error_log
sesame



=== TEST 125: "lease min=1k"
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        lease min=1k;
    }
--- config
--- must_die
--- error_log
invalid value "min=1k" in "lease" directive, a number between 1 and 100000000 is expected in http.conf:3
--- no_error_log
sesame



=== TEST 126: "lease max="
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        lease max=;
    }
--- config
--- must_die
--- error_log
invalid value "max=" in "lease" directive, a number between 1 and 100000000 is expected in http.conf:3
--- no_error_log
sesame



=== TEST 127: "lease max=0"
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        lease max=0;
    }
--- config
--- must_die
--- error_log
invalid value "max=0" in "lease" directive, a number between 1 and 100000000 is expected in http.conf:3
--- no_error_log
sesame



=== TEST 128: "lease max=-1"
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        lease max=-1;
    }
--- config
--- must_die
--- error_log
invalid value "max=-1" in "lease" directive, a number between 1 and 100000000 is expected in http.conf:3
--- no_error_log
sesame



=== TEST 129: "lease max=many"
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        lease max=many;
    }
--- config
--- must_die
--- error_log
invalid value "max=many" in "lease" directive, a number between 1 and 100000000 is expected in http.conf:3
--- no_error_log
sesame



=== TEST 130: "lease max=100000001"
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        lease max=100000001;
    }
--- config
--- must_die
--- error_log
invalid value "max=100000001" in "lease" directive, a number between 1 and 100000000 is expected in http.conf:3
--- no_error_log
sesame



=== TEST 131: "lease max=1k"
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        lease max=1k;
    }
--- config
--- must_die
--- error_log
invalid value "max=1k" in "lease" directive, a number between 1 and 100000000 is expected in http.conf:3
--- no_error_log
sesame



=== TEST 132: "lease ahead="
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        lease ahead=;
    }
--- config
--- must_die
--- error_log
invalid value "ahead=" in "lease" directive, a time between 1ms and 1h is expected in http.conf:3
--- no_error_log
sesame



=== TEST 133: "lease ahead=0"
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        lease ahead=0;
    }
--- config
--- must_die
--- error_log
invalid value "ahead=0" in "lease" directive, a time between 1ms and 1h is expected in http.conf:3
--- no_error_log
sesame



=== TEST 134: "lease ahead=soon"
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        lease ahead=soon;
    }
--- config
--- must_die
--- error_log
invalid value "ahead=soon" in "lease" directive, a time between 1ms and 1h is expected in http.conf:3
--- no_error_log
sesame



=== TEST 135: "lease ahead=2h"
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        lease ahead=2h;
    }
--- config
--- must_die
--- error_log
invalid value "ahead=2h" in "lease" directive, a time between 1ms and 1h is expected in http.conf:3
--- no_error_log
sesame



=== TEST 136: "lease ahead=-1s"
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        lease ahead=-1s;
    }
--- config
--- must_die
--- error_log
invalid value "ahead=-1s" in "lease" directive, a time between 1ms and 1h is expected in http.conf:3
--- no_error_log
sesame



=== TEST 137: "lease" with "min" twice
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        lease min=1 min=1;
    }
--- config
--- must_die
--- error_log
duplicate parameter "min=1" in "lease" directive in http.conf:3
--- no_error_log
sesame



=== TEST 138: "lease" with "max" twice
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        lease max=9 max=9;
    }
--- config
--- must_die
--- error_log
duplicate parameter "max=9" in "lease" directive in http.conf:3
--- no_error_log
sesame



=== TEST 139: "lease" with "ahead" twice
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        lease ahead=1s ahead=1s;
    }
--- config
--- must_die
--- error_log
duplicate parameter "ahead=1s" in "lease" directive in http.conf:3
--- no_error_log
sesame



=== TEST 140: "lease" whose min is greater than max
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        lease min=10 max=9;
    }
--- config
--- must_die
--- error_log
"min=10" must not be greater than "max=9" in "lease" directive in http.conf:3
--- no_error_log
sesame



=== TEST 141: "lease" whose min is greater than the default of max
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        lease min=100000;
    }
--- config
--- must_die
--- error_log
"min=100000" must not be greater than "max=65536" in "lease" directive in http.conf:3
--- no_error_log
sesame



=== TEST 142: "lease" whose max is less than the default of min
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        lease max=8;
    }
--- config
--- must_die
--- error_log
"min=16" must not be greater than "max=8" in "lease" directive in http.conf:3
--- no_error_log
sesame



=== TEST 143: "bootstrap" that is neither on nor off
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        bootstrap yes;
    }
--- config
--- must_die
--- error_log
invalid value "yes" in "bootstrap" directive, it must be "on" or "off" in http.conf:3
--- no_error_log
sesame



=== TEST 144: "connect_timeout" that is no time
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        connect_timeout soon;
    }
--- config
--- must_die
--- error_log
invalid value "soon" in "connect_timeout" directive, a time such as 500ms or 2s is expected in http.conf:3
--- no_error_log
sesame



=== TEST 145: "connect_timeout" that is negative
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        connect_timeout -1s;
    }
--- config
--- must_die
--- error_log
invalid value "-1s" in "connect_timeout" directive, a time such as 500ms or 2s is expected in http.conf:3
--- no_error_log
sesame



=== TEST 146: "reserve_timeout" that is no time
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        reserve_timeout soon;
    }
--- config
--- must_die
--- error_log
invalid value "soon" in "reserve_timeout" directive, a time such as 500ms or 2s is expected in http.conf:3
--- no_error_log
sesame



=== TEST 147: "reserve_timeout" that is negative
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        reserve_timeout -1s;
    }
--- config
--- must_die
--- error_log
invalid value "-1s" in "reserve_timeout" directive, a time such as 500ms or 2s is expected in http.conf:3
--- no_error_log
sesame



=== TEST 148: "wait_timeout" that is no time
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        wait_timeout soon;
    }
--- config
--- must_die
--- error_log
invalid value "soon" in "wait_timeout" directive, a time such as 500ms or 2s is expected in http.conf:3
--- no_error_log
sesame



=== TEST 149: "wait_timeout" that is negative
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        wait_timeout -1s;
    }
--- config
--- must_die
--- error_log
invalid value "-1s" in "wait_timeout" directive, a time such as 500ms or 2s is expected in http.conf:3
--- no_error_log
sesame



=== TEST 150: "idle_timeout" that is no time
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        idle_timeout soon;
    }
--- config
--- must_die
--- error_log
invalid value "soon" in "idle_timeout" directive, a time such as 500ms or 2s is expected in http.conf:3
--- no_error_log
sesame



=== TEST 151: "idle_timeout" that is negative
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        idle_timeout -1s;
    }
--- config
--- must_die
--- error_log
invalid value "-1s" in "idle_timeout" directive, a time such as 500ms or 2s is expected in http.conf:3
--- no_error_log
sesame



=== TEST 152: "connect_timeout" of no time
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        connect_timeout 0;
    }
--- config
--- must_die
--- error_log
invalid value "0" in "connect_timeout" directive, it must be greater than 0 in http.conf:3
--- no_error_log
sesame



=== TEST 153: "reserve_timeout" of no time
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        reserve_timeout 0;
    }
--- config
--- must_die
--- error_log
invalid value "0" in "reserve_timeout" directive, it must be greater than 0 in http.conf:3
--- no_error_log
sesame



=== TEST 154: "queue many"
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        queue many;
    }
--- config
--- must_die
--- error_log
invalid value "many" in "queue" directive, a number between 0 and 1000000 is expected in http.conf:3
--- no_error_log
sesame



=== TEST 155: "queue -1"
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        queue -1;
    }
--- config
--- must_die
--- error_log
invalid value "-1" in "queue" directive, a number between 0 and 1000000 is expected in http.conf:3
--- no_error_log
sesame



=== TEST 156: "queue 1000001"
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        queue 1000001;
    }
--- config
--- must_die
--- error_log
invalid value "1000001" in "queue" directive, a number between 0 and 1000000 is expected in http.conf:3
--- no_error_log
sesame



=== TEST 157: "queue 1k"
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        queue 1k;
    }
--- config
--- must_die
--- error_log
invalid value "1k" in "queue" directive, a number between 0 and 1000000 is expected in http.conf:3
--- no_error_log
sesame



=== TEST 158: "queue "
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        queue "";
    }
--- config
--- must_die
--- error_log
invalid value "" in "queue" directive, a number between 0 and 1000000 is expected in http.conf:3
--- no_error_log
sesame



=== TEST 159: "unique_random" without any pool
--- http_config
--- config
    location = /random {
        unique_random;
    }
--- must_die
--- error_log
"unique_random" needs a "unique_random_pool", and there is none in nginx.conf
--- no_error_log
sesame



=== TEST 160: "unique_random" with a name, and no pool
--- http_config
--- config
    location = /random {
        unique_random numbers;
    }
--- must_die
--- error_log
"unique_random" needs a "unique_random_pool", and there is none in nginx.conf
--- no_error_log
sesame



=== TEST 161: "unique_random" of an unknown pool
--- http_config
    unique_random_pool a {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
    }

    unique_random_pool b {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
    }
--- config
    location = /random {
        unique_random c;
    }
--- must_die
--- error_log
unknown unique_random_pool "c", the pools are "a", "b" in nginx.conf
--- no_error_log
sesame



=== TEST 162: "unique_random" of a pool in capitals
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
    }
--- config
    location = /random {
        unique_random NUMBERS;
    }
--- must_die
--- error_log
unknown unique_random_pool "NUMBERS", the pools are "numbers" in nginx.conf
--- no_error_log
sesame



=== TEST 163: "unique_random" with an empty name and two pools
--- http_config
    unique_random_pool a {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
    }

    unique_random_pool b {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
    }
--- config
    location = /random {
        unique_random "";
    }
--- must_die
--- error_log
invalid pool name "", it must not be empty in nginx.conf
--- no_error_log
sesame



=== TEST 164: "unique_random" without a name and two pools
--- http_config
    unique_random_pool a {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
    }

    unique_random_pool b {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
    }
--- config
    location = /random {
        unique_random;
    }
--- must_die
--- error_log
"unique_random" must name one of the pools "a", "b" in nginx.conf
--- no_error_log
sesame



=== TEST 165: "unique_random" with two names
--- http_config
    unique_random_pool a {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
    }

    unique_random_pool b {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
    }
--- config
    location = /random {
        unique_random a b;
    }
--- must_die
--- error_log
invalid number of arguments in "unique_random" directive in nginx.conf
--- no_error_log
sesame



=== TEST 166: "unique_random" twice in a location
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
    }
--- config
    location = /random {
        unique_random;
        unique_random;
    }
--- must_die
--- error_log
"unique_random" directive is duplicate in nginx.conf
--- no_error_log
sesame



=== TEST 167: "unique_random" in http
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
    }
    unique_random;
--- config
--- must_die
--- error_log
"unique_random" directive is not allowed here in http.conf:4
--- no_error_log
sesame



=== TEST 168: "unique_random" in server
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
    }
--- config
    unique_random;
--- must_die
--- error_log
"unique_random" directive is not allowed here in nginx.conf
--- no_error_log
sesame



=== TEST 169: "unique_random" in limit_except
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
    }
--- config
    location = /random {
        limit_except GET {
            unique_random;
        }
    }
--- must_die
--- error_log
"unique_random" directive is not allowed here in nginx.conf
--- no_error_log
sesame



=== TEST 170: a pool in server
--- config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
    }
--- must_die
--- error_log
"unique_random_pool" directive is not allowed here in nginx.conf
--- no_error_log
sesame



=== TEST 171: a pool in location
--- config
    location = /random {
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
    }
    }
--- must_die
--- error_log
"unique_random_pool" directive is not allowed here in nginx.conf
--- no_error_log
sesame



=== TEST 172: a pool in a pool
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        unique_random_pool b {
        }
    }
--- config
--- must_die
--- error_log
unexpected "{" in http.conf:3
--- no_error_log
sesame



=== TEST 173: "unique_random" in a pool
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        unique_random;
    }
--- config
--- must_die
--- error_log
unknown directive "unique_random" in unique_random_pool in http.conf:3
--- no_error_log
sesame



=== TEST 174: "shard" in http
--- http_config
    shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
--- config
--- must_die
--- error_log
unknown directive "shard" in http.conf:1
--- no_error_log
sesame



=== TEST 175: all directives and parameters at once
--- http_config
    unique_random_pool numbers {
        zone             1m;
        shard            "host=127.0.0.1 port=$TEST_NGINX_PG_PORT dbname=$TEST_NGINX_DATABASE user=postgres password=sesame"
                         range=7-7 range=8-8 name=first max_fails=0 fail_timeout=1500ms failover=fence;
        shard            postgresql://postgres:sesame@127.0.0.1:$TEST_NGINX_CLOSED_PORT/numbers
                         range=9-9 name=second failover=trust drain down;
        lease            min=1 max=1 ahead=1ms;
        bootstrap        on;
        state            $TEST_NGINX_SERVER_ROOT/logs/state;
        connect_timeout  1s;
        reserve_timeout  1s;
        wait_timeout     2s;
        idle_timeout     0;
        queue            1000000;
    }
--- config
    location = /random {
        unique_random numbers;
    }

    location = /state/ {
        alias      $TEST_NGINX_SERVER_ROOT/logs/state/;
        autoindex  on;
    }
--- request eval
["GET /random", "GET /random", "GET /random", "GET /state/"]
--- error_code eval
[200, 200, 503, 200]
--- response_body eval
[(qr/\A\{"number":[78]\}\z/) x 2,
'{"detail":"No number could be reserved in time."}', qr/Index of \/state\//]
--- no_error_log
[emerg]
[alert]
[crit]
sesame



=== TEST 176: a pool needs no location that uses it
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
    }
--- config
    location = /ok {
        return 200 ok;
    }
--- request
GET /ok
--- response_body chomp
ok
--- no_error_log
[emerg]
[alert]
[crit]
sesame
[warn]



=== TEST 177: the least that a pool needs
--- http_config
    unique_random_pool numbers {
        shard $TEST_NGINX_SHARD range=7-7;
        bootstrap on;
    }
--- config
    location = /random {
        unique_random;
    }
--- request
GET /random
--- response_body chomp
{"number":7}
--- no_error_log
[emerg]
[alert]
[crit]
sesame
[warn]



=== TEST 178: shards that are included
--- http_config
    unique_random_pool numbers {
        include $TEST_NGINX_SERVER_ROOT/html/shard*.conf;
        bootstrap on;
    }
--- config
    location = /random {
        unique_random;
    }
--- user_files
>>> shard0.conf
shard $TEST_NGINX_SHARD range=7-7;
>>> shard1.conf
shard $TEST_NGINX_SHARD_B range=8-8;
lease off;
--- request eval
[("GET /random") x 3]
--- error_code eval
[200, 200, 409]
--- response_body eval
[(qr/\A\{"number":[78]\}\z/) x 2,
'{"detail":"All available numbers have been used."}']



=== TEST 179: an error in a file that is included names that file
--- http_config
    unique_random_pool numbers {
        include $TEST_NGINX_SERVER_ROOT/html/shard.conf;
    }
--- config
--- user_files
>>> shard.conf

shard postgresql://nginx:sesame@127.0.0.1/numbers;
--- must_die
--- error_log
"shard" must have "range" parameter in shard.conf:2
--- no_error_log
sesame



=== TEST 180: a pool that is declared after it is used
--- http_config
    server {
        listen       $TEST_NGINX_SERVER_PORT;
        server_name  early;

        location / {
            unique_random numbers;
        }
    }

    unique_random_pool numbers {
        shard $TEST_NGINX_SHARD range=7-7;
        bootstrap on;
    }
--- config
--- request
GET /
--- more_headers
Host: early
--- response_body chomp
{"number":7}



=== TEST 181: two pools, with the same range in each
--- http_config
    unique_random_pool a {
        shard $TEST_NGINX_SHARD range=7-7;
        bootstrap on;
    }

    unique_random_pool b {
        shard $TEST_NGINX_SHARD range=7-7;
        bootstrap on;
    }
--- config
    location = /a {
        unique_random a;
    }

    location = /b {
        unique_random b;
    }
--- request eval
["GET /a", "GET /a", "GET /b", "GET /b"]
--- error_code eval
[200, 409, 200, 409]
--- response_body eval
[('{"number":7}', '{"detail":"All available numbers have been used."}') x 2]



=== TEST 182: a pool with an uncommon name
--- http_config
    unique_random_pool "a \"pool\" of '1' & more" {
        shard $TEST_NGINX_SHARD range=7-7;
        bootstrap on;
    }
--- config
    location = /random {
        unique_random 'a "pool" of \'1\' & more';
    }
--- request
GET /random
--- response_body chomp
{"number":7}



=== TEST 183: "include" that finds nothing
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        include nothing*.conf;
    }
--- config
    location = /ok {
        return 200 ok;
    }
--- request
GET /ok
--- response_body chomp
ok
--- no_error_log
[emerg]
[alert]
[crit]
sesame
[warn]



=== TEST 184: "postgresql+psycopg2://" is "postgresql://"
--- http_config
    unique_random_pool numbers {
        shard postgresql+psycopg2://postgres:sesame@127.0.0.1:$TEST_NGINX_PG_PORT/$TEST_NGINX_DATABASE range=7-7;
        bootstrap on;
    }
--- config
    location = /random {
        unique_random;
    }
--- request
GET /random
--- response_body chomp
{"number":7}
--- no_error_log
[emerg]
[alert]
[crit]
sesame
[warn]



=== TEST 185: "postgres+asyncpg://" is "postgres://"
--- http_config
    unique_random_pool numbers {
        shard postgres+asyncpg://postgres:sesame@127.0.0.1:$TEST_NGINX_PG_PORT/$TEST_NGINX_DATABASE range=7-7;
        bootstrap on;
    }
--- config
    location = /random {
        unique_random;
    }
--- request
GET /random
--- response_body chomp
{"number":7}
--- no_error_log
[emerg]
[alert]
[crit]
sesame
[warn]



=== TEST 186: key=value
--- http_config
    unique_random_pool numbers {
        shard "host=127.0.0.1 port=$TEST_NGINX_PG_PORT user=postgres dbname=$TEST_NGINX_DATABASE password=sesame" range=7-7;
        bootstrap on;
    }
--- config
    location = /random {
        unique_random;
    }
--- request
GET /random
--- response_body chomp
{"number":7}
--- no_error_log
[emerg]
[alert]
[crit]
sesame
[warn]



=== TEST 187: a Unix socket in a URI
--- http_config
    unique_random_pool numbers {
        shard postgresql://postgres:sesame@/$TEST_NGINX_DATABASE?host=$TEST_NGINX_PG_SOCKET&port=$TEST_NGINX_PG_PORT range=7-7;
        bootstrap on;
    }
--- config
    location = /random {
        unique_random;
    }
--- request
GET /random
--- response_body chomp
{"number":7}
--- no_error_log
[emerg]
[alert]
[crit]
sesame
[warn]



=== TEST 188: a Unix socket in key=value
--- http_config
    unique_random_pool numbers {
        shard "host=$TEST_NGINX_PG_SOCKET port=$TEST_NGINX_PG_PORT user=postgres dbname=$TEST_NGINX_DATABASE password=sesame" range=7-7;
        bootstrap on;
    }
--- config
    location = /random {
        unique_random;
    }
--- request
GET /random
--- response_body chomp
{"number":7}
--- no_error_log
[emerg]
[alert]
[crit]
sesame
[warn]



=== TEST 189: an IPv6 address
--- http_config
    unique_random_pool numbers {
        shard postgresql://postgres:sesame@[::1]:5432/numbers range=1-9;
        shard "host=::1 port=5433 password=sesame" range=10-19;
    }
--- config
    location = /ok {
        return 200 ok;
    }
--- request
GET /ok
--- response_body chomp
ok
--- no_error_log
[emerg]
[alert]
[crit]
sesame
[warn]



=== TEST 190: an address beside a host that nobody knows
--- http_config
    unique_random_pool numbers {
        shard "host=no-such-host.invalid hostaddr=127.0.0.1 port=$TEST_NGINX_PG_PORT user=postgres dbname=$TEST_NGINX_DATABASE password=sesame" range=7-7;
        bootstrap on;
    }
--- config
    location = /random {
        unique_random;
    }
--- request
GET /random
--- response_body chomp
{"number":7}
--- no_error_log
[emerg]
[alert]
[crit]
sesame
[warn]



=== TEST 191: a host name that is in /etc/hosts
--- http_config
    unique_random_pool numbers {
        shard postgresql://postgres:sesame@localhost:$TEST_NGINX_PG_PORT/$TEST_NGINX_DATABASE range=7-7;
        bootstrap on;
    }
--- config
    location = /random {
        unique_random;
    }
--- request
GET /random
--- response_body chomp
{"number":7}
--- no_error_log
[emerg]
[alert]
[crit]
sesame
[warn]



=== TEST 192: a host that nobody knows
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@no-such-host.invalid/numbers range=1-9 name=lost;
        wait_timeout 1s;
    }
--- config
    location = /random {
        unique_random;
    }
--- request
GET /random
--- error_code: 503
--- response_body chomp
{"detail":"No number could be reserved in time."}
--- error_log eval
qr/could not reserve from shard "lost": could not translate host name "no-such-host.invalid" to address: /
--- no_error_log
[emerg]
[alert]
[crit]
sesame



=== TEST 193: range=0-0
--- http_config
    unique_random_pool numbers {
        shard $TEST_NGINX_SHARD range=0-0;
        bootstrap on;
    }
--- config
    location = /random {
        unique_random;
    }
--- request
GET /random
--- response_body_like chomp
^\{"number":0\}$
--- no_error_log
[warn]



=== TEST 194: range=9223372036854775807-9223372036854775807
--- http_config
    unique_random_pool numbers {
        shard $TEST_NGINX_SHARD range=9223372036854775807-9223372036854775807;
        bootstrap on;
    }
--- config
    location = /random {
        unique_random;
    }
--- request
GET /random
--- response_body_like chomp
^\{"number":9223372036854775807\}$
--- error_log
range "range=9223372036854775807-9223372036854775807" has numbers above 9007199254740992, which JavaScript cannot read exactly



=== TEST 195: range=0-9223372036854775806
--- http_config
    unique_random_pool numbers {
        shard $TEST_NGINX_SHARD range=0-9223372036854775806;
        bootstrap on;
    }
--- config
    location = /random {
        unique_random;
    }
--- request
GET /random
--- response_body_like chomp
^\{"number":\d+\}$
--- error_log
range "range=0-9223372036854775806" has numbers above 9007199254740992, which JavaScript cannot read exactly



=== TEST 196: range=1-9223372036854775807
--- http_config
    unique_random_pool numbers {
        shard $TEST_NGINX_SHARD range=1-9223372036854775807;
        bootstrap on;
    }
--- config
    location = /random {
        unique_random;
    }
--- request
GET /random
--- response_body_like chomp
^\{"number":\d+\}$
--- error_log
range "range=1-9223372036854775807" has numbers above 9007199254740992, which JavaScript cannot read exactly



=== TEST 197: no warning for numbers up to 2^53
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9007199254740992;
    }
--- config
    location = /ok {
        return 200 ok;
    }
--- request
GET /ok
--- response_body chomp
ok
--- no_error_log
[warn]
sesame



=== TEST 198: a warning for numbers above 2^53
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=9007199254740993-9007199254740993;
    }
--- config
    location = /ok {
        return 200 ok;
    }
--- request
GET /ok
--- response_body chomp
ok
--- error_log
[warn]
range "range=9007199254740993-9007199254740993" has numbers above 9007199254740992, which JavaScript cannot read exactly
--- no_error_log
[emerg]
sesame



=== TEST 199: ranges that touch
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9 range=10-19 range=0-0;
        shard postgresql://nginx:sesame@127.0.0.2/numbers range=20-20;
    }
--- config
    location = /ok {
        return 200 ok;
    }
--- request
GET /ok
--- response_body chomp
ok
--- no_error_log
[emerg]
[alert]
[crit]
sesame
[warn]



=== TEST 200: shards of one database that have names
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9 name=a;
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=10-19 name=b;
    }
--- config
    location = /ok {
        return 200 ok;
    }
--- request
GET /ok
--- response_body chomp
ok
--- no_error_log
[emerg]
[alert]
[crit]
sesame
[warn]



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
--- config
    location = /ok {
        return 200 ok;
    }
--- request
GET /ok
--- response_body chomp
ok
--- no_error_log
[emerg]
[alert]
[crit]
sesame
[warn]



=== TEST 202: "queue 0" and "wait_timeout 0"
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        queue 0;
        wait_timeout 0;
        idle_timeout 0;
    }
--- config
    location = /ok {
        return 200 ok;
    }
--- request
GET /ok
--- response_body chomp
ok
--- no_error_log
[emerg]
[alert]
[crit]
sesame
[warn]



=== TEST 203: a pool directive that is a conninfo
--- http_config
    unique_random_pool numbers {
        postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
    }
--- config
--- must_die
--- error_log
unknown directive in unique_random_pool (it is not shown, since it may hold a password) in http.conf:2
--- no_error_log
sesame



=== TEST 204: a conninfo of nothing
--- http_config
    unique_random_pool numbers {
        shard "" range=1-9;
    }
--- config
--- must_die
--- error_log
the conninfo of "shard" is empty (it is not shown, since it may hold a password) in http.conf:2
--- no_error_log
sesame



=== TEST 205: a password that was not quoted
--- http_config
    unique_random_pool numbers {
        shard password= sesame range=1-9;
    }
--- config
--- must_die
--- error_log
invalid parameter 2 of "shard" (it is not shown, since it may be a piece of a conninfo, which must be quoted if it has spaces), it takes "range=FIRST-LAST", "name=LABEL", "max_fails=NUMBER", "fail_timeout=TIME", "failover=fence", "failover=trust", "drain" and "down" in http.conf:2
--- no_error_log
sesame



=== TEST 206: a dbname that is a conninfo
--- http_config
    unique_random_pool numbers {
        shard dbname=postgresql://u:sesame@h/d range=1-9;
    }
--- config
--- must_die
--- error_log
the conninfo of "shard" has a "dbname" that looks like another conninfo (it is not shown, since it may hold a password) in http.conf:2
--- no_error_log
sesame



=== TEST 207: an sslmode that there is not
--- http_config
    unique_random_pool numbers {
        shard "host=127.0.0.1 password=sesame sslmode=bogus" range=1-9;
    }
--- config
--- must_die
--- error_log
the conninfo of "shard" has an invalid "sslmode", which is one of disable, allow, prefer, require, verify-ca and verify-full (it is not shown, since it may hold a password) in http.conf:2
--- no_error_log
sesame



=== TEST 208: a list of hosts with an empty one
--- http_config
    unique_random_pool numbers {
        shard "host=a,,b password=sesame" range=1-9;
    }
--- config
--- must_die
--- error_log
the conninfo of "shard" has an empty host in its list (it is not shown, since it may hold a password) in http.conf:2
--- no_error_log
sesame



=== TEST 209: a hostaddr that is none
--- http_config
    unique_random_pool numbers {
        shard "hostaddr=here password=sesame" range=1-9 name=a;
    }
--- config
--- must_die
--- error_log
invalid hostaddr "here", an IP address is expected in shard "a" in http.conf:2
--- no_error_log
sesame



=== TEST 210: a state folder without a name
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
        state "";
    }
--- config
--- must_die
--- error_log
invalid value "" in "state" directive, a folder is expected in http.conf:3
--- no_error_log
sesame



=== TEST 211: a password with an "@"
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@sesame@127.0.0.1/numbers range=1-9;
    }
--- config
--- must_die
--- error_log
the conninfo of "shard" has an "@" that does not end the user and password; in a user, a password or a database of a URI, "@" is written as %40, "/" as %2F, "?" as %3F, "&" as %26, "=" as %3D and "%" as %25 (it is not shown, since it may hold a password) in http.conf:2
--- no_error_log
sesame



=== TEST 212: a password with a slash
--- http_config
    unique_random_pool numbers {
        shard postgresql://localhost:123/sesame@127.0.0.1/numbers range=1-9;
    }
--- config
--- must_die
--- error_log
the conninfo of "shard" has an "@" that does not end the user and password; in a user, a password or a database of a URI, "@" is written as %40, "/" as %2F, "?" as %3F, "&" as %26, "=" as %3D and "%" as %25 (it is not shown, since it may hold a password) in http.conf:2
--- no_error_log
sesame



=== TEST 213: a password with a question mark, and parameters
--- http_config
    unique_random_pool numbers {
        shard postgresql://127.0.0.1:5432?password=open@sesame range=1-9;
    }
--- config
--- must_die
--- error_log
the conninfo of "shard" has a "?" in its user or password; in a user, a password or a database of a URI, "@" is written as %40, "/" as %2F, "?" as %3F, "&" as %26, "=" as %3D and "%" as %25 (it is not shown, since it may hold a password) in http.conf:2
--- no_error_log
sesame



=== TEST 214: a colon that is escaped
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx%3Asesame@127.0.0.1/numbers range=1-9;
    }
--- config
--- must_die
--- error_log
the conninfo of "shard" has ":" in its user, and no password; the ":" of a URI that ends the user is not escaped (it is not shown, since it may hold a password) in http.conf:2
--- no_error_log
sesame



=== TEST 215: a host with an "@"
--- http_config
    unique_random_pool numbers {
        shard "host=sesame@127.0.0.1 user=nginx" range=1-9;
    }
--- config
--- must_die
--- error_log
the conninfo of "shard" has a host with "@" or another character that no host has; a password in key=value pairs is written as password='...', with \' for ' and \\ for \ (it is not shown, since it may hold a password) in http.conf:2
--- no_error_log
sesame



=== TEST 216: pairs with semicolons
--- http_config
    unique_random_pool numbers {
        shard "host=127.0.0.1;password=sesame" range=1-9;
    }
--- config
--- must_die
--- error_log
the conninfo of "shard" has a password within another value; key=value pairs are separated by spaces, and parameters of a URI by "&" (it is not shown, since it may hold a password) in http.conf:2
--- no_error_log
sesame



=== TEST 217: a parameter that nobody knows
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers?such=1 range=1-9;
    }
--- config
--- must_die
--- error_log
the conninfo of "shard" has an unknown parameter "such" (it is not shown, since it may hold a password) in http.conf:2
--- no_error_log
sesame



=== TEST 218: a parameter of another driver
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers?sslmode=require&username=me range=1-9;
    }
--- config
--- must_die
--- error_log
the conninfo of "shard" has an unknown parameter "username", which libpq calls "user" (it is not shown, since it may hold a password) in http.conf:2
--- no_error_log
sesame



=== TEST 219: a parameter in another spelling
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers?applicationName=me range=1-9;
    }
--- config
--- must_die
--- error_log
the conninfo of "shard" has an unknown parameter "applicationName", which libpq calls "application_name" (it is not shown, since it may hold a password) in http.conf:2
--- no_error_log
sesame



=== TEST 220: a parameter that has no meaning
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers?pgbouncer=true range=1-9;
    }
--- config
--- must_die
--- error_log
the conninfo of "shard" has an unknown parameter "pgbouncer", which has no meaning here, leave it out (it is not shown, since it may hold a password) in http.conf:2
--- no_error_log
sesame



=== TEST 221: a parameter that is a directive
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@127.0.0.1/numbers?socketTimeout=10 range=1-9;
    }
--- config
--- must_die
--- error_log
the conninfo of "shard" has an unknown parameter "socketTimeout", use the directive "reserve_timeout" in its place (it is not shown, since it may hold a password) in http.conf:2
--- no_error_log
sesame



=== TEST 222: a word of another driver after the password
--- http_config
    unique_random_pool numbers {
        shard "host=127.0.0.1 password=sesame ssl=true" range=1-9;
    }
--- config
--- must_die
--- error_log
the conninfo of "shard" has an unknown parameter "ssl", which libpq calls "sslmode" (it is not shown, since it may hold a password) in http.conf:2
--- no_error_log
sesame



=== TEST 223: a word after a password in a URI
--- http_config
    unique_random_pool numbers {
        shard postgresql://127.0.0.1/numbers?password=open&sesame=1 range=1-9;
    }
--- config
--- must_die
--- error_log
the conninfo of "shard" is neither a URI nor a list of key=value pairs that libpq understands (it is not shown, since it may hold a password) in http.conf:2
--- no_error_log
sesame



=== TEST 224: one host without a database for two users
--- http_config
    unique_random_pool numbers {
        shard postgresql://sesame@127.0.0.1 range=1-9;
        shard postgresql://nginx@127.0.0.1 range=11-19;
    }
--- config
--- must_die
--- error_log
duplicate shard "127.0.0.1:5432" in unique_random_pool "numbers"; give one shard all of its ranges, or shards different names with "name=" in http.conf:3
--- no_error_log
sesame



=== TEST 225: a resolver has no part in it
--- http_config
    resolver          127.0.0.1:$TEST_NGINX_CLOSED_PORT;
    resolver_timeout  100ms;

    unique_random_pool numbers {
        shard postgresql://postgres:sesame@localhost:$TEST_NGINX_PG_PORT/$TEST_NGINX_DATABASE range=7-7;
        bootstrap on;
    }
--- config
    location = /random {
        unique_random;
    }
--- request
GET /random
--- response_body chomp
{"number":7}
--- no_error_log
[emerg]
[alert]
[crit]
sesame
[warn]



=== TEST 226: a database that is not shown
--- http_config
    unique_random_pool numbers {
        shard "host=127.0.0.1 dbname='my sesame'" range=1-9;
    }
--- config
--- must_die
--- error_log
"shard" must have "name" parameter, since its "dbname" has other characters than letters, digits and "._-" (it is not shown, since it may hold a piece of a password) in http.conf:2
--- no_error_log
sesame



=== TEST 227: a database that is not shown, and a name
--- http_config
    unique_random_pool numbers {
        shard "host=127.0.0.1 dbname='my sesame'" range=1-9 name=a;
    }
--- config
    location = /ok {
        return 200 ok;
    }
--- request
GET /ok
--- response_body chomp
ok
--- no_error_log
[emerg]
[alert]
[crit]
sesame
[warn]



=== TEST 228: a value with a character that none has
--- http_config
    unique_random_pool numbers {
        shard "host=127.0.0.1 client_encoding=utf8;sesame" range=1-9;
    }
--- config
--- must_die
--- error_log
the conninfo of "shard" has a "client_encoding" with other characters than letters, digits and any of "._-"; key=value pairs are separated by spaces, and parameters of a URI by "&" (it is not shown, since it may hold a password) in http.conf:2
--- no_error_log
sesame



=== TEST 229: a parameter without its "="
--- http_config
    unique_random_pool numbers {
        shard "host=127.0.0.1 passwordsesame==" range=1-9;
    }
--- config
--- must_die
--- error_log
the conninfo of "shard" is neither a URI nor a list of key=value pairs that libpq understands (it is not shown, since it may hold a password) in http.conf:2
--- no_error_log
sesame



=== TEST 230: a space in a URI
--- http_config
    unique_random_pool numbers {
        shard "postgresql://nginx@127.0.0.1/numbers password sesame" range=1-9;
    }
--- config
--- must_die
--- error_log
the conninfo of "shard" has a space in a host or a database; parameters of a URI begin with "?" and are separated by "&" (it is not shown, since it may hold a password) in http.conf:2
--- no_error_log
sesame
