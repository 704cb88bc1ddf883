# Many numbers where OpenSSL fails, so that no position becomes a number: whoever
# asks is told so, and the worker goes on.

use strict;
use warnings;

use Test::More;

use UniqueRandom::Bulk     ();
use UniqueRandom::Nginx    ();
use UniqueRandom::Postgres ();
use UniqueRandom::Util     qw( run tmp_dir write_file );

plan skip_all => 'what is loaded first there is the sanitizer'
    if ($ENV{TEST_NGINX_LOAD_MODULES} // '') =~ m{/build/asan/};

# In front of OpenSSL: there is no context for who has the file.
my $source = write_file(tmp_dir() . '/refuse.c', <<'EOT');
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

void *EVP_CIPHER_CTX_new(void)
{
    const char *file = getenv("REFUSE");
    void *(*real)(void) = dlsym(RTLD_NEXT, "EVP_CIPHER_CTX_new");

    return (file && access(file, F_OK) == 0) ? NULL : real();
}
EOT

my $shim = tmp_dir() . '/refuse.so';
my $file = tmp_dir() . '/refused';

my ($code, $out) = run(
    command => [ qw( cc -shared -fPIC -o ), $shim, $source, '-ldl' ],
    merge   => 1,
);
die $out if $code;

my ($pg, $shard) = UniqueRandom::Postgres->new_shard(0, 10_000);

my $nginx = UniqueRandom::Nginx->new(
    env  => { LD_PRELOAD => $shim, REFUSE => $file },
    main => 'env REFUSE;',
    http => "unique_random_pool numbers { shard $shard; exclude 9;"
        . ' connect_timeout 60s; reserve_timeout 60s; wait_timeout 25s; }',
    server => 'location /random { unique_random; }'
        . 'location /ok { return 200 ok; }'
        . 'location /status { unique_random_status json; }',
);

my $bulk = UniqueRandom::Bulk->new($nginx);

write_file($file, '');

is $nginx->get("/random?count=$_")->{status}, 500, "$_ numbers cannot be made"
    for 1, 500;
is $nginx->get('/ok')->{content}, 'ok', '... the worker goes on';
is_deeply $bulk->account('numbers'), [], '... all are put back';
is $bulk->burned('numbers'), 0, '... with nothing burned';

unlink $file;

is @{ $bulk->take('/random', 500) // [] }, 500, 'then they can be';
is_deeply [ $nginx->errors ], [], 'nothing was an error';

done_testing;
