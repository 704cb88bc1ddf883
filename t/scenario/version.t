# An operator sees in the log which module runs: from the start, and after a
# reload, but not of a configuration that is only tested.

use strict;
use warnings;

use Test::More;

use UniqueRandom::Nginx ();
use UniqueRandom::Util  qw( read_file );

my ($version) = read_file('src/core/version.h')
    =~ /^#define NGX_UR_VERSION  "(\d+\.\d+\.\d+)"$/m;
my $line = qr{\[notice\] .*: ngx_http_unique_random_module/\Q$version\E, libpq \d+\.\d+$}m;

my $nginx = UniqueRandom::Nginx->new(
    http => 'unique_random_pool numbers { shard postgresql://127.0.0.1/numbers range=1-9; }');

is scalar(() = $nginx->error_log =~ /$line/g), 1, 'at the start';

$nginx->reload;
is scalar(() = $nginx->error_log =~ /$line/g), 2, 'after a reload';

is +($nginx->test_config)[0], 0, '-t ...';
is scalar(() = $nginx->error_log =~ /$line/g), 2, '... does not say so';

done_testing;
