# Conninfos, of which nothing is ever shown that may be a password.  See 040 for
# how to add one.

use lib 't/lib';
use UniqueRandom::Slot;
use Test::Nginx::Socket;
use UniqueRandom::Blocks;

plan tests => 3 * blocks('emerg') + 7 * blocks('accepted') + 12;

no_long_string();
run_tests();

__DATA__

=== TEST 74: a conninfo that was not quoted
--- conninfo: host=127.0.0.1 user=nginx password=sesame dbname=numbers
--- emerg: invalid parameter 2 of "shard" (it is not shown, since it may be a piece of a conninfo, which must be quoted if it has spaces), it takes "range=FIRST-LAST", "adopted=FIRST-LAST", "name=LABEL", "max_fails=NUMBER", "fail_timeout=TIME", "failover=fence", "failover=trust", "failover=advance:NUMBER", "drain" and "down"

=== TEST 75: a conninfo after the range
--- conninfo: host=127.0.0.1
--- shard: range=1-9 password=sesame
--- emerg: invalid parameter 3 of "shard" (it is not shown, since it may be a piece of a conninfo, which must be quoted if it has spaces), it takes "range=FIRST-LAST", "adopted=FIRST-LAST", "name=LABEL", "max_fails=NUMBER", "fail_timeout=TIME", "failover=fence", "failover=trust", "failover=advance:NUMBER", "drain" and "down"

=== TEST 98: a conninfo that is a word
--- conninfo: sesame
--- emerg: the conninfo of "shard" is neither a URI nor a list of key=value pairs that libpq understands (it is not shown, since it may hold a password)

=== TEST 99: a conninfo of another database
--- conninfo: mysql://nginx:sesame@127.0.0.1/numbers
--- emerg: the conninfo of "shard" is neither a URI nor a list of key=value pairs that libpq understands (it is not shown, since it may hold a password)

=== TEST 100: a URI with a wrong bracket
--- conninfo: "postgresql://nginx:sesame@[::1/numbers"
--- emerg: the conninfo of "shard" is neither a URI nor a list of key=value pairs that libpq understands (it is not shown, since it may hold a password)

=== TEST 101: a URI with wrong escapes
--- conninfo: postgresql://nginx:sesame%ZZ@127.0.0.1/numbers
--- emerg: the conninfo of "shard" is neither a URI nor a list of key=value pairs that libpq understands (it is not shown, since it may hold a password)

=== TEST 102: a URI with an unknown parameter
--- conninfo: postgresql://nginx:sesame@127.0.0.1/numbers?sesame=1
--- emerg: the conninfo of "shard" is neither a URI nor a list of key=value pairs that libpq understands (it is not shown, since it may hold a password)

=== TEST 103: a conninfo with an unknown key
--- conninfo: "host=127.0.0.1 password=sesame sesame=1"
--- emerg: the conninfo of "shard" is neither a URI nor a list of key=value pairs that libpq understands (it is not shown, since it may hold a password)

=== TEST 104: a conninfo without an equals sign
--- conninfo: "host=127.0.0.1 password sesame"
--- emerg: the conninfo of "shard" is neither a URI nor a list of key=value pairs that libpq understands (it is not shown, since it may hold a password)

=== TEST 105: a conninfo with an open quote
--- conninfo: "host=127.0.0.1 password='sesame"
--- emerg: the conninfo of "shard" is neither a URI nor a list of key=value pairs that libpq understands (it is not shown, since it may hold a password)

=== TEST 106: a conninfo with a scheme that is only a driver
--- conninfo: +psycopg2://nginx:sesame@127.0.0.1/numbers
--- emerg: the conninfo of "shard" is neither a URI nor a list of key=value pairs that libpq understands (it is not shown, since it may hold a password)

=== TEST 107: a conninfo with a service
--- conninfo: "service=numbers password=sesame"
--- emerg: the conninfo of "shard" has "service" or "replication", which are not supported (it is not shown, since it may hold a password)

=== TEST 108: a conninfo for replication
--- conninfo: "host=127.0.0.1 replication=database password=sesame"
--- emerg: the conninfo of "shard" has "service" or "replication", which are not supported (it is not shown, since it may hold a password)

=== TEST 109: a port of 0
--- conninfo: "host=127.0.0.1 port=0 password=sesame"
--- emerg: the conninfo of "shard" has a port that is not a number between 1 and 65535 (it is not shown, since it may hold a password)

=== TEST 110: a port beyond 65535
--- conninfo: postgresql://nginx:sesame@127.0.0.1:65536/numbers
--- emerg: the conninfo of "shard" has a port that is not a number between 1 and 65535 (it is not shown, since it may hold a password)

=== TEST 111: a port that is negative
--- conninfo: "host=127.0.0.1 port=-1 password=sesame"
--- emerg: the conninfo of "shard" has a port that is not a number between 1 and 65535 (it is not shown, since it may hold a password)

=== TEST 112: a port that is a word
--- conninfo: postgresql://nginx:sesame@127.0.0.1:postgresql/numbers
--- emerg: the conninfo of "shard" has a port that is not a number between 1 and 65535 (it is not shown, since it may hold a password)

=== TEST 113: a second port that is out of range
--- conninfo: "host=127.0.0.1,127.0.0.2 port=5432,65536 password=sesame"
--- emerg: the conninfo of "shard" has a port that is not a number between 1 and 65535 (it is not shown, since it may hold a password)

=== TEST 114: more ports than hosts
--- conninfo: "host=127.0.0.1,127.0.0.2 port=1,2,3 password=sesame"
--- emerg: the conninfo of "shard" has not as many "port" as "host" (it is not shown, since it may hold a password)

=== TEST 115: more addresses than hosts
--- conninfo: "host=a,b hostaddr=127.0.0.1 password=sesame"
--- emerg: the conninfo of "shard" has not as many "host" as "hostaddr" (it is not shown, since it may hold a password)

=== TEST 116: a host that nobody knows, in a shard that is down
--- shard: range=1-9
--- pool: shard postgresql://nginx:sesame@no-such-host.invalid/numbers range=10-19 down;
--- response_body_like: ^\{"number":[1-9]\}$
--- no_error_log
[warn]
[error]
sesame

=== TEST 184: "postgresql+psycopg2://" is "postgresql://"
--- conninfo: postgresql+psycopg2://postgres:sesame@127.0.0.1:$TEST_NGINX_PG_PORT/$TEST_NGINX_DATABASE
--- response_body: {"number":7}
--- accepted

=== TEST 185: "postgres+asyncpg://" is "postgres://"
--- conninfo: postgres+asyncpg://postgres:sesame@127.0.0.1:$TEST_NGINX_PG_PORT/$TEST_NGINX_DATABASE
--- response_body: {"number":7}
--- accepted

=== TEST 186: key=value
--- conninfo: "host=127.0.0.1 port=$TEST_NGINX_PG_PORT user=postgres dbname=$TEST_NGINX_DATABASE password=sesame"
--- response_body: {"number":7}
--- accepted

=== TEST 187: a Unix socket in a URI
--- conninfo: postgresql://postgres:sesame@/$TEST_NGINX_DATABASE?host=$TEST_NGINX_PG_SOCKET&port=$TEST_NGINX_PG_PORT
--- response_body: {"number":7}
--- accepted

=== TEST 188: a Unix socket in key=value
--- conninfo: "host=$TEST_NGINX_PG_SOCKET port=$TEST_NGINX_PG_PORT user=postgres dbname=$TEST_NGINX_DATABASE password=sesame"
--- response_body: {"number":7}
--- accepted

=== TEST 189: an IPv6 address
--- conninfo: postgresql://postgres:sesame@[::1]:5432/numbers
--- pool: shard "host=::1 port=5433 password=sesame" range=10-19;
--- accepted

=== TEST 190: an address beside a host that nobody knows
--- conninfo: "host=no-such-host.invalid hostaddr=127.0.0.1 port=$TEST_NGINX_PG_PORT user=postgres dbname=$TEST_NGINX_DATABASE password=sesame"
--- response_body: {"number":7}
--- accepted

=== TEST 191: a host name that is in /etc/hosts
--- conninfo: postgresql://postgres:sesame@localhost:$TEST_NGINX_PG_PORT/$TEST_NGINX_DATABASE
--- response_body: {"number":7}
--- accepted

=== TEST 192: a host that nobody knows
--- http_config
    unique_random_pool numbers {
        shard postgresql://nginx:sesame@no-such-host.invalid/numbers range=1-9 name=lost;
        wait_timeout 3s;
    }
--- error_code: 503
--- response_body: {"detail":"No number could be reserved in time."}
--- error_log eval
qr/could not reserve from shard "lost": could not translate host name "no-such-host.invalid" to address: /
--- no_error_log
[emerg]
[alert]
[crit]
sesame

=== TEST 203: a pool directive that is a conninfo
--- http_config
    unique_random_pool numbers {
        postgresql://nginx:sesame@127.0.0.1/numbers range=1-9;
    }
--- emerg: unknown directive in unique_random_pool (it is not shown, since it may hold a password) in http.conf:2

=== TEST 204: a conninfo of nothing
--- conninfo: ""
--- emerg: the conninfo of "shard" is empty (it is not shown, since it may hold a password)

=== TEST 205: a password that was not quoted
--- conninfo: password= sesame
--- emerg: invalid parameter 2 of "shard" (it is not shown, since it may be a piece of a conninfo, which must be quoted if it has spaces), it takes "range=FIRST-LAST", "adopted=FIRST-LAST", "name=LABEL", "max_fails=NUMBER", "fail_timeout=TIME", "failover=fence", "failover=trust", "failover=advance:NUMBER", "drain" and "down"

=== TEST 206: a dbname that is a conninfo
--- conninfo: dbname=postgresql://u:sesame@h/d
--- emerg: the conninfo of "shard" has a "dbname" that looks like another conninfo (it is not shown, since it may hold a password)

=== TEST 207: an sslmode that there is not
--- conninfo: "host=127.0.0.1 password=sesame sslmode=bogus"
--- emerg: the conninfo of "shard" has an invalid "sslmode", which is one of disable, allow, prefer, require, verify-ca and verify-full (it is not shown, since it may hold a password)

=== TEST 208: a list of hosts with an empty one
--- conninfo: "host=a,,b password=sesame"
--- emerg: the conninfo of "shard" has an empty host in its list (it is not shown, since it may hold a password)

=== TEST 209: a hostaddr that is none
--- conninfo: "hostaddr=here password=sesame"
--- shard: range=1-9 name=a
--- emerg: invalid hostaddr "here", an IP address is expected in shard "a"

=== TEST 211: a password with an "@"
--- conninfo: postgresql://nginx:sesame@sesame@127.0.0.1/numbers
--- emerg: the conninfo of "shard" has an "@" that does not end the user and password; in a user, a password or a database of a URI, "@" is written as %40, "/" as %2F, "?" as %3F, "&" as %26, "=" as %3D and "%" as %25 (it is not shown, since it may hold a password)

=== TEST 212: a password with a slash
--- conninfo: postgresql://localhost:123/sesame@127.0.0.1/numbers
--- emerg: the conninfo of "shard" has an "@" that does not end the user and password; in a user, a password or a database of a URI, "@" is written as %40, "/" as %2F, "?" as %3F, "&" as %26, "=" as %3D and "%" as %25 (it is not shown, since it may hold a password)

=== TEST 213: a password with a question mark, and parameters
--- conninfo: postgresql://127.0.0.1:5432?password=open@sesame
--- emerg: the conninfo of "shard" has a "?" in its user or password; in a user, a password or a database of a URI, "@" is written as %40, "/" as %2F, "?" as %3F, "&" as %26, "=" as %3D and "%" as %25 (it is not shown, since it may hold a password)

=== TEST 214: a colon that is escaped
--- conninfo: postgresql://nginx%3Asesame@127.0.0.1/numbers
--- emerg: the conninfo of "shard" has ":" in its user, and no password; the ":" of a URI that ends the user is not escaped (it is not shown, since it may hold a password)

=== TEST 215: a host with an "@"
--- conninfo: "host=sesame@127.0.0.1 user=nginx"
--- emerg: the conninfo of "shard" has a host with "@" or another character that no host has; a password in key=value pairs is written as password='...', with \' for ' and \\ for \ (it is not shown, since it may hold a password)

=== TEST 216: pairs with semicolons
--- conninfo: "host=127.0.0.1;password=sesame"
--- emerg: the conninfo of "shard" has a password within another value; key=value pairs are separated by spaces, and parameters of a URI by "&" (it is not shown, since it may hold a password)

=== TEST 217: a parameter that nobody knows
--- conninfo: postgresql://nginx:sesame@127.0.0.1/numbers?such=1
--- emerg: the conninfo of "shard" has an unknown parameter "such" (it is not shown, since it may hold a password)

=== TEST 218: a parameter of another driver
--- conninfo: postgresql://nginx:sesame@127.0.0.1/numbers?sslmode=require&username=me
--- emerg: the conninfo of "shard" has an unknown parameter "username", which libpq calls "user" (it is not shown, since it may hold a password)

=== TEST 219: a parameter in another spelling
--- conninfo: postgresql://nginx:sesame@127.0.0.1/numbers?applicationName=me
--- emerg: the conninfo of "shard" has an unknown parameter "applicationName", which libpq calls "application_name" (it is not shown, since it may hold a password)

=== TEST 220: a parameter that has no meaning
--- conninfo: postgresql://nginx:sesame@127.0.0.1/numbers?pgbouncer=true
--- emerg: the conninfo of "shard" has an unknown parameter "pgbouncer", which has no meaning here, leave it out (it is not shown, since it may hold a password)

=== TEST 221: a parameter that is a directive
--- conninfo: postgresql://nginx:sesame@127.0.0.1/numbers?socketTimeout=10
--- emerg: the conninfo of "shard" has an unknown parameter "socketTimeout", use the directive "reserve_timeout" in its place (it is not shown, since it may hold a password)

=== TEST 222: a word of another driver after the password
--- conninfo: "host=127.0.0.1 password=sesame ssl=true"
--- emerg: the conninfo of "shard" has an unknown parameter "ssl", which libpq calls "sslmode" (it is not shown, since it may hold a password)

=== TEST 223: a word after a password in a URI
--- conninfo: postgresql://127.0.0.1/numbers?password=open&sesame=1
--- emerg: the conninfo of "shard" is neither a URI nor a list of key=value pairs that libpq understands (it is not shown, since it may hold a password)

=== TEST 225: a resolver has no part in it
--- http_config
    resolver          127.0.0.1:$TEST_NGINX_CLOSED_PORT;
    resolver_timeout  100ms;

    unique_random_pool numbers {
        shard postgresql://postgres:sesame@localhost:$TEST_NGINX_PG_PORT/$TEST_NGINX_DATABASE range=7-7;
        bootstrap on;
    }
--- response_body: {"number":7}
--- accepted

=== TEST 226: a database that is not shown
--- conninfo: "host=127.0.0.1 dbname='my sesame'"
--- emerg: "shard" must have "name" parameter, since its "dbname" has other characters than letters, digits and "._-" (it is not shown, since it may hold a piece of a password)

=== TEST 227: a database that is not shown, and a name
--- conninfo: "host=127.0.0.1 dbname='my sesame'"
--- shard: range=1-9 name=a
--- accepted

=== TEST 228: a value with a character that none has
--- conninfo: "host=127.0.0.1 client_encoding=utf8;sesame"
--- emerg: the conninfo of "shard" has a "client_encoding" with other characters than letters, digits and any of "._-"; key=value pairs are separated by spaces, and parameters of a URI by "&" (it is not shown, since it may hold a password)

=== TEST 229: a parameter without its "="
--- conninfo: "host=127.0.0.1 passwordsesame=="
--- emerg: the conninfo of "shard" is neither a URI nor a list of key=value pairs that libpq understands (it is not shown, since it may hold a password)

=== TEST 230: a space in a URI
--- conninfo: "postgresql://nginx@127.0.0.1/numbers password sesame"
--- emerg: the conninfo of "shard" has a space in a host or a database; parameters of a URI begin with "?" and are separated by "&" (it is not shown, since it may hold a password)
