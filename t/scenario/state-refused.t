# A folder of the state on a file system that refuses something, as those on a
# network do: what is refused without need is no obstacle, and one that cannot
# be written is told of when nginx starts, while there is nothing to lose yet.

use strict;
use warnings;

use lib 't/lib';

use Test::More;

use UniqueRandom::Nginx;
use UniqueRandom::Postgres;
use UniqueRandom::Util qw( run tmp_dir wait_until write_file );

plan skip_all => 'what is loaded first there is the sanitizer'
    if ($ENV{TEST_NGINX_LOAD_MODULES} // '') =~ m{/build/asan/};

# In front of the C library, which it asks unless REFUSE has the call.
my $source = write_file(tmp_dir() . '/refuse.c', <<'EOT');
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int refused(const char *call)
{
    const char *calls = getenv("REFUSE");
    return calls && strstr(calls, call);
}

int chown(const char *path, uid_t uid, gid_t gid)
{
    int (*real)(const char *, uid_t, gid_t) = dlsym(RTLD_NEXT, "chown");

    if (refused("chown") && strstr(path, "/state-")) {
        errno = EPERM;
        return -1;
    }

    return real(path, uid, gid);
}

int fsync(int fd)
{
    struct stat st;
    int (*real)(int) = dlsym(RTLD_NEXT, "fsync");

    if ((refused("fsync") || refused("sync-of-folders"))
        && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
    {
        errno = refused("fsync") ? EIO : EINVAL;
        return -1;
    }

    return real(fd);
}
EOT

my $shim = tmp_dir() . '/refuse.so';
my ($code, $out) = run(
    command => [ qw( cc -shared -fPIC -o ), $shim, $source, '-ldl' ],
    merge   => 1,
);
die $out if $code;

my $pg = UniqueRandom::Postgres->new;
$pg->create_database('numbers')->apply_schema('numbers');
$pg->psql('numbers', q{SELECT unique_random.add('numbers', 1, 1000)});

my $count = 0;

# With a folder of that mode, and an nginx that is refused these calls.
sub nginx {
    my ($mode, $refuse, %arg) = @_;

    my $folder = tmp_dir() . '/state-' . $count++;
    mkdir $folder or die "$folder: $!\n";
    chmod $mode, $folder;

    my $nginx = UniqueRandom::Nginx->new(
        env    => { LD_PRELOAD => $shim, REFUSE => $refuse },
        main   => 'env REFUSE;',
        http   => "unique_random_pool numbers { state $folder; connect_timeout 60s;"
            . ' reserve_timeout 60s; wait_timeout 25s; shard '
            . $pg->url(db => 'numbers') . ' range=1-1000; }',
        server => 'location = /random { unique_random; }',
        %arg,
    );

    return ($nginx, $folder);
}

sub is_saved {
    my ($nginx, $folder, $what) = @_;

    is $nginx->get('/random')->{status}, 200, 'a number';

    ok eval {
        wait_until(sub {
            return -e "$folder/numbers.state";
        }, 20, 'the state is there');
    }, "... $what" or diag $@;

    return;
}

SKIP: {
    skip 'an ordinary user gives no folders away', 5 if $> != 0;

    my ($nginx, $folder) = nginx(0777, 'chown');

    is +(stat $folder)[4], 0, 'a folder that cannot be given away';
    is_saved($nginx, $folder, 'is written, since it can be');
    is scalar($nginx->errors(qr/warn|error|crit|alert|emerg/)), 0,
        '... and nothing is wrong';

    ($nginx, $folder) = nginx(0755, 'chown');

    ok eval {
        $nginx->wait_for_log(
            qr/\[crit\] .*access\(\) "\Q$folder\E" failed, .*is not kept/);
    }, 'one that cannot be written is told of before there is a request'
        or diag $nginx->error_log;
    $nginx->stop;
}

{
    my ($nginx, $folder) = nginx(0777, 'sync-of-folders');

    is_saved($nginx, $folder, 'is kept without a fsync() of folders');

    my $file    = "$folder/numbers.state";
    my @written = (stat $file)[ 1, 9 ];

    # It is looked at each second.
    sleep 3;
    is_deeply [ (stat $file)[ 1, 9 ] ], \@written,
        '... and is not written again and again';
    is scalar($nginx->errors(qr/crit|alert|emerg/)), 0,
        '... and nothing is said to be lost';
}

# What may be a loss is one, and is made good.
{
    my ($nginx, $folder) = nginx(0777, 'fsync');

    is $nginx->get('/random')->{status}, 200, 'a number';

    ok eval {
        $nginx->wait_for_log(
            qr/\[crit\] .*fsync\(\) "\Q$folder\E" failed, .*is not kept \(5: /);
    }, '... which a folder that fails is not to be relied on for'
        or diag $nginx->error_log;

    my $file    = "$folder/numbers.state";
    my $written = (stat $file)[1];

    ok eval {
        wait_until(sub { return (stat $file)[1] != $written }, 20, 'a new file');
    }, '... so that it is written again' or diag $@;
}

done_testing;
