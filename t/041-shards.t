# The parameters of shards, except for conninfos.  See 040 for how to add one.

use lib 't/lib';
use UniqueRandom::Slot;
use Test::Nginx::Socket;
use UniqueRandom::Blocks;

plan tests => 3 * blocks('emerg') + 7 * blocks('accepted') + 20;

no_long_string();
run_tests();

__DATA__

=== TEST 47: a shard without a range
--- shard:
--- emerg: "shard" must have "range" parameter

=== TEST 48: a range that is empty
--- shard: range=
--- emerg: invalid range "range=", FIRST-LAST is expected, numbers between 0 and 9223372036854775807

=== TEST 49: a range of one number without a dash
--- shard: range=5
--- emerg: invalid range "range=5", FIRST-LAST is expected, numbers between 0 and 9223372036854775807

=== TEST 50: a range without FIRST
--- shard: range=-9
--- emerg: invalid range "range=-9", FIRST-LAST is expected, numbers between 0 and 9223372036854775807

=== TEST 51: a range without LAST
--- shard: range=1-
--- emerg: invalid range "range=1-", FIRST-LAST is expected, numbers between 0 and 9223372036854775807

=== TEST 52: a range that is only a dash
--- shard: range=-
--- emerg: invalid range "range=-", FIRST-LAST is expected, numbers between 0 and 9223372036854775807

=== TEST 53: a range that is negative
--- shard: range=-5--1
--- emerg: invalid range "range=-5--1", FIRST-LAST is expected, numbers between 0 and 9223372036854775807

=== TEST 54: a range with a negative LAST
--- shard: range=1--1
--- emerg: invalid range "range=1--1", FIRST-LAST is expected, numbers between 0 and 9223372036854775807

=== TEST 55: a range with three numbers
--- shard: range=1-2-3
--- emerg: invalid range "range=1-2-3", FIRST-LAST is expected, numbers between 0 and 9223372036854775807

=== TEST 56: a range with a plus sign
--- shard: range=+1-9
--- emerg: invalid range "range=+1-9", FIRST-LAST is expected, numbers between 0 and 9223372036854775807

=== TEST 57: a range that is not decimal
--- shard: range=0x1-0x9
--- emerg: invalid range "range=0x1-0x9", FIRST-LAST is expected, numbers between 0 and 9223372036854775807

=== TEST 58: a range with a unit
--- shard: range=1k-9k
--- emerg: invalid range "range=1k-9k", FIRST-LAST is expected, numbers between 0 and 9223372036854775807

=== TEST 59: a range with two dots
--- shard: range=1..9
--- emerg: invalid range "range=1..9", FIRST-LAST is expected, numbers between 0 and 9223372036854775807

=== TEST 60: a range beyond 2^63-1
--- shard: range=1-9223372036854775808
--- emerg: invalid range "range=1-9223372036854775808", FIRST-LAST is expected, numbers between 0 and 9223372036854775807

=== TEST 61: a range far beyond 2^64
--- shard: range=1-99999999999999999999999
--- emerg: invalid range "range=1-99999999999999999999999", FIRST-LAST is expected, numbers between 0 and 9223372036854775807

=== TEST 62: a range whose FIRST is beyond 2^63-1
--- shard: range=9223372036854775808-9223372036854775809
--- emerg: invalid range "range=9223372036854775808-9223372036854775809", FIRST-LAST is expected, numbers between 0 and 9223372036854775807

=== TEST 63: a range with spaces
--- shard: "range=1 - 9"
--- emerg: invalid range "range=1 - 9", FIRST-LAST is expected, numbers between 0 and 9223372036854775807

=== TEST 64: a range whose FIRST is greater than LAST
--- shard: range=9-1
--- emerg: invalid range "range=9-1", FIRST must not be greater than LAST

=== TEST 65: a range of more than 2^63-1 numbers
--- shard: range=0-9223372036854775807
--- emerg: invalid range "range=0-9223372036854775807", it must not hold more than 9223372036854775807 numbers

=== TEST 66: ranges of one shard that overlap
--- shard: range=1-9 range=9-20
--- emerg: range "range=9-20" overlaps range 1-9 of unique_random_pool "numbers", it was declared in http.conf:2 in http.conf:2

=== TEST 67: a range of a shard twice
--- shard: range=1-9 range=1-9
--- emerg: range "range=1-9" overlaps range 1-9 of unique_random_pool "numbers", it was declared in http.conf:2 in http.conf:2

=== TEST 68: ranges of two shards that overlap
--- shard: range=10-20
--- pool: shard postgresql://nginx:sesame@127.0.0.2/numbers range=1-10;
--- emerg: range "range=1-10" overlaps range 10-20 of unique_random_pool "numbers", it was declared in http.conf:2 in http.conf:3

=== TEST 69: a range within that of another shard
--- shard: range=1-100
--- pool: shard postgresql://nginx:sesame@127.0.0.2/numbers range=200-300 range=50-60;
--- emerg: range "range=50-60" overlaps range 1-100 of unique_random_pool "numbers", it was declared in http.conf:2 in http.conf:3

=== TEST 232: an adopted range of more than 2^30 numbers
--- shard: adopted=0-1073741824
--- emerg: invalid range "adopted=0-1073741824", one that was adopted must not hold more than 1073741824 numbers

=== TEST 233: an adopted range that overlaps another one
--- shard: range=1-9 adopted=9-20
--- emerg: range "adopted=9-20" overlaps range 1-9 of unique_random_pool "numbers", it was declared in http.conf:2 in http.conf:2

=== TEST 234: an adopted range without an end
--- shard: adopted=1
--- emerg: invalid range "adopted=1", FIRST-LAST is expected, numbers between 0 and 9223372036854775807

=== TEST 70: an unknown parameter of a shard
--- shard: range=1-9 weight=2
--- emerg: invalid parameter 3 of "shard" (it is not shown, since it may be a piece of a conninfo, which must be quoted if it has spaces), it takes "range=FIRST-LAST", "adopted=FIRST-LAST", "name=LABEL", "max_fails=NUMBER", "fail_timeout=TIME", "failover=fence", "failover=trust", "failover=advance:NUMBER", "drain" and "down"

=== TEST 71: an unknown flag of a shard
--- shard: range=1-9 backup
--- emerg: invalid parameter 3 of "shard" (it is not shown, since it may be a piece of a conninfo, which must be quoted if it has spaces), it takes "range=FIRST-LAST", "adopted=FIRST-LAST", "name=LABEL", "max_fails=NUMBER", "fail_timeout=TIME", "failover=fence", "failover=trust", "failover=advance:NUMBER", "drain" and "down"

=== TEST 72: a flag with a value
--- shard: range=1-9 down=1
--- emerg: invalid parameter 3 of "shard" (it is not shown, since it may be a piece of a conninfo, which must be quoted if it has spaces), it takes "range=FIRST-LAST", "adopted=FIRST-LAST", "name=LABEL", "max_fails=NUMBER", "fail_timeout=TIME", "failover=fence", "failover=trust", "failover=advance:NUMBER", "drain" and "down"

=== TEST 73: a parameter without a value
--- shard: range=1-9 max_fails
--- emerg: invalid parameter 3 of "shard" (it is not shown, since it may be a piece of a conninfo, which must be quoted if it has spaces), it takes "range=FIRST-LAST", "adopted=FIRST-LAST", "name=LABEL", "max_fails=NUMBER", "fail_timeout=TIME", "failover=fence", "failover=trust", "failover=advance:NUMBER", "drain" and "down"

=== TEST 76: "name" twice in a shard
--- shard: range=1-9 name=a name=b
--- emerg: duplicate parameter "name=b" in "shard" directive

=== TEST 77: "max_fails" twice in a shard
--- shard: range=1-9 max_fails=1 max_fails=1
--- emerg: duplicate parameter "max_fails=1" in "shard" directive

=== TEST 78: "fail_timeout" twice in a shard
--- shard: range=1-9 fail_timeout=1s fail_timeout=2s
--- emerg: duplicate parameter "fail_timeout=2s" in "shard" directive

=== TEST 79: "failover" twice in a shard
--- shard: range=1-9 failover=fence failover=trust
--- emerg: duplicate parameter "failover=trust" in "shard" directive

=== TEST 80: "drain" twice in a shard
--- shard: range=1-9 drain drain
--- emerg: duplicate parameter "drain" in "shard" directive

=== TEST 81: "down" twice in a shard
--- shard: range=1-9 down down
--- emerg: duplicate parameter "down" in "shard" directive

=== TEST 82: an empty name
--- shard: range=1-9 name=
--- emerg: invalid value "name=" in "shard" directive, a name is expected

=== TEST 83: "max_fails="
--- shard: range=1-9 max_fails=
--- emerg: invalid value "max_fails=" in "shard" directive, a number is expected

=== TEST 84: "max_fails=-1"
--- shard: range=1-9 max_fails=-1
--- emerg: invalid value "max_fails=-1" in "shard" directive, a number is expected

=== TEST 85: "max_fails=many"
--- shard: range=1-9 max_fails=many
--- emerg: invalid value "max_fails=many" in "shard" directive, a number is expected

=== TEST 86: "max_fails=1.5"
--- shard: range=1-9 max_fails=1.5
--- emerg: invalid value "max_fails=1.5" in "shard" directive, a number is expected

=== TEST 87: "max_fails=99999999999999999999"
--- shard: range=1-9 max_fails=99999999999999999999
--- emerg: invalid value "max_fails=99999999999999999999" in "shard" directive, a number is expected

=== TEST 88: "fail_timeout="
--- shard: range=1-9 fail_timeout=
--- emerg: invalid value "fail_timeout=" in "shard" directive, a time greater than 0 is expected

=== TEST 89: "fail_timeout=0"
--- shard: range=1-9 fail_timeout=0
--- emerg: invalid value "fail_timeout=0" in "shard" directive, a time greater than 0 is expected

=== TEST 90: "fail_timeout=-1s"
--- shard: range=1-9 fail_timeout=-1s
--- emerg: invalid value "fail_timeout=-1s" in "shard" directive, a time greater than 0 is expected

=== TEST 91: "fail_timeout=soon"
--- shard: range=1-9 fail_timeout=soon
--- emerg: invalid value "fail_timeout=soon" in "shard" directive, a time greater than 0 is expected

=== TEST 92: "fail_timeout=1s1s"
--- shard: range=1-9 fail_timeout=1s1s
--- emerg: invalid value "fail_timeout=1s1s" in "shard" directive, a time greater than 0 is expected

=== TEST 93: "failover="
--- shard: range=1-9 failover=
--- emerg: invalid value "failover=" in "shard" directive, "fence", "trust" or "advance:NUMBER" with a number from 1 to 4611686018427387904 is expected

=== TEST 94: "failover=on"
--- shard: range=1-9 failover=on
--- emerg: invalid value "failover=on" in "shard" directive, "fence", "trust" or "advance:NUMBER" with a number from 1 to 4611686018427387904 is expected

=== TEST 95: "failover=TRUST"
--- shard: range=1-9 failover=TRUST
--- emerg: invalid value "failover=TRUST" in "shard" directive, "fence", "trust" or "advance:NUMBER" with a number from 1 to 4611686018427387904 is expected

=== TEST 235: "failover=advance"
--- shard: range=1-9 failover=advance
--- emerg: invalid value "failover=advance" in "shard" directive, "fence", "trust" or "advance:NUMBER" with a number from 1 to 4611686018427387904 is expected

=== TEST 236: "failover=advance:"
--- shard: range=1-9 failover=advance:
--- emerg: invalid value "failover=advance:" in "shard" directive, "fence", "trust" or "advance:NUMBER" with a number from 1 to 4611686018427387904 is expected

=== TEST 237: "failover=advance:0"
--- shard: range=1-9 failover=advance:0
--- emerg: invalid value "failover=advance:0" in "shard" directive, "fence", "trust" or "advance:NUMBER" with a number from 1 to 4611686018427387904 is expected

=== TEST 238: "failover=advance:010"
--- shard: range=1-9 failover=advance:010
--- emerg: invalid value "failover=advance:010" in "shard" directive, "fence", "trust" or "advance:NUMBER" with a number from 1 to 4611686018427387904 is expected

=== TEST 239: "failover=advance:-1"
--- shard: range=1-9 failover=advance:-1
--- emerg: invalid value "failover=advance:-1" in "shard" directive, "fence", "trust" or "advance:NUMBER" with a number from 1 to 4611686018427387904 is expected

=== TEST 240: "failover=advance:1k"
--- shard: range=1-9 failover=advance:1k
--- emerg: invalid value "failover=advance:1k" in "shard" directive, "fence", "trust" or "advance:NUMBER" with a number from 1 to 4611686018427387904 is expected

=== TEST 241: "failover=advance:4611686018427387905"
--- shard: range=1-9 failover=advance:4611686018427387905
--- emerg: invalid value "failover=advance:4611686018427387905" in "shard" directive, "fence", "trust" or "advance:NUMBER" with a number from 1 to 4611686018427387904 is expected

=== TEST 242: "failover=advance:99999999999999999999"
--- shard: range=1-9 failover=advance:99999999999999999999
--- emerg: invalid value "failover=advance:99999999999999999999" in "shard" directive, "fence", "trust" or "advance:NUMBER" with a number from 1 to 4611686018427387904 is expected

=== TEST 96: one database in two shards
--- pool: shard postgresql://nginx:sesame@127.0.0.1/numbers range=10-19;
--- emerg: duplicate shard "127.0.0.1:5432/numbers" in unique_random_pool "numbers"; give one shard all of its ranges, or shards different names with "name="

=== TEST 97: two shards of one name
--- shard: range=1-9 name=a
--- pool: shard postgresql://nginx:sesame@127.0.0.2/numbers range=10-19 name=a;
--- emerg: duplicate shard "a" in unique_random_pool "numbers"; give one shard all of its ranges, or shards different names with "name="

=== TEST 193: range=0-0
--- shard: range=0-0
--- response_body_like: ^\{"number":0\}$
--- no_error_log: [warn]

=== TEST 194: range=9223372036854775807-9223372036854775807
--- shard: range=9223372036854775807-9223372036854775807
--- response_body_like: ^\{"number":9223372036854775807\}$
--- error_log: range "range=9223372036854775807-9223372036854775807" has numbers above 9007199254740992, which JavaScript cannot read exactly

=== TEST 195: range=0-9223372036854775806
--- shard: range=0-9223372036854775806
--- response_body_like: ^\{"number":\d+\}$
--- error_log: range "range=0-9223372036854775806" has numbers above 9007199254740992, which JavaScript cannot read exactly

=== TEST 196: range=1-9223372036854775807
--- shard: range=1-9223372036854775807
--- response_body_like: ^\{"number":\d+\}$
--- error_log: range "range=1-9223372036854775807" has numbers above 9007199254740992, which JavaScript cannot read exactly

=== TEST 197: no warning for numbers up to 2^53
--- shard: range=1-9007199254740992
--- accepted

=== TEST 198: a warning for numbers above 2^53
--- shard: range=9007199254740993-9007199254740993
--- error_log
[warn]
range "range=9007199254740993-9007199254740993" has numbers above 9007199254740992, which JavaScript cannot read exactly: "format decimal string" would make texts of them in 
--- no_error_log
[emerg]
[alert]
[crit]
sesame
--- accepted

=== TEST 199: ranges that touch
--- shard: range=1-9 range=10-19 range=0-0
--- pool: shard postgresql://nginx:sesame@127.0.0.2/numbers range=20-20;
--- accepted

=== TEST 200: shards of one database that have names
--- shard: range=1-9 name=a
--- pool: shard postgresql://nginx:sesame@127.0.0.1/numbers range=10-19 name=b;
--- accepted

=== TEST 224: one host without a database for two users
--- conninfo: postgresql://sesame@127.0.0.1
--- pool: shard postgresql://nginx@127.0.0.1 range=11-19;
--- emerg: duplicate shard "127.0.0.1:5432" in unique_random_pool "numbers"; give one shard all of its ranges, or shards different names with "name="

=== TEST 243: no warning where ten failovers leave numbers
--- shard: range=1-10 range=101-9007199254740992 failover=advance:1
--- accepted

=== TEST 244: a warning for a range that bears less of them
--- shard: failover=advance:4611686018427387904 range=1-9007199254740992 name=a
--- error_log
[warn]
"failover=advance:4611686018427387904" uses up range 1-9007199254740992 of shard "a" in less than 10 failovers
--- no_error_log
[emerg]
[alert]
[crit]
sesame
--- accepted
