# What `config` refuses: a platform whose stores of 64 bits are two, so that a
# position could be passed halfway (I4), and an nginx without threads.

use strict;
use warnings;

use lib 't/lib';

use Cwd ();
use Test::More;

use UniqueRandom::Util qw( run tmp_dir write_file );

my $top = Cwd::abs_path('.');
my $dir = tmp_dir();

# nginx's configure has tried all that by the time when it reads our part.
mkdir "$dir/auto" or die "$dir/auto: $!\n";
mkdir "$dir/objs" or die "$dir/objs: $!\n";
write_file("$dir/auto/feature", "ngx_found=yes\n");
write_file("$dir/auto/have",    "\n");
write_file("$dir/auto/module",  "echo configured\n");

sub configure {
    my ($size, %arg) = @_;

    my $threads = $arg{threads} // 'YES';

    return run(
        command => [ 'env', '-C', $dir, 'sh', '-c', <<"EOT" ], merge => 1);
NGX_OBJS=objs
ngx_ptr_size=$size
USE_THREADS=$threads
ngx_addon_dir=$top
. $top/config
EOT
}

my ($code, $out) = configure(8);

is $code, 0, '64 bits: it is configured' or diag $out;
like $out, qr/configured/, '... as a module';

($code, $out) = configure(4);

isnt $code, 0, '32 bits: it is not';
like $out, qr/: error: the ngx_http_unique_random_module module requires a 64-bit platform/,
    '... for that reason';
unlike $out, qr/configured/, '... and no module is built';

($code, $out) = configure(8, threads => 'NO');

isnt $code, 0, 'without threads: it is not';
like $out, qr/: error: the ngx_http_unique_random_module module requires nginx with threads/,
    '... for that reason';
like $out, qr/--with-threads/, '... and says what to add';
unlike $out, qr/configured/, '... and no module is built';

done_testing;
