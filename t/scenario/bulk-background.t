# Many numbers for subrequests in the background, as those of njs: nobody reads
# them while they come, and they have no events.

use strict;
use warnings;

use Test::More;

use UniqueRandom::Bulk     ();
use UniqueRandom::Nginx    ();
use UniqueRandom::Postgres ();
use UniqueRandom::Util     qw( tmp_dir write_file );

my $njs = '/usr/lib/nginx/modules/ngx_http_js_module.so';

plan skip_all => 'no njs for this nginx'
    if $ENV{TEST_NGINX_BINARY} || !-e $njs;

my ($pg, $shard) = UniqueRandom::Postgres->new_shard(0, 2_000_000);

my $script = tmp_dir() . '/script.js';

write_file($script, <<'EOT');
async function page(r) {
    let reply = await r.subrequest(r.uri + '/random',
        { args: r.variables.args });

    r.return(reply.status, reply.responseText);
}

function detached(r) {
    r.subrequest('/page/random', { args: r.variables.args, detached: true });
    r.return(200, 'sent');
}

export default { page, detached };
EOT

my $nginx = UniqueRandom::Nginx->new(
    main => "load_module $njs;",
    http => "unique_random_pool numbers { shard $shard; exclude 9;"
        . ' connect_timeout 60s; reserve_timeout 60s; wait_timeout 25s; }'
        . "js_import script from $script;",
    server => 'unique_random_max_count 1000000;'
        . 'location /page { js_content script.page; }'
        . 'location /page/random { unique_random;'
        . ' subrequest_output_buffer_size 128k; }'
        . 'location /short { js_content script.page; }'
        . 'location /short/random { unique_random; }'
        . 'location /detached { js_content script.detached; }'
        . 'location /status { unique_random_status json; }',
);

my $bulk = UniqueRandom::Bulk->new($nginx);

# To begin with, nothing is leased.
for my $count (1, 3, 1000, 12_000) {
    my $numbers = $bulk->take('/page', $count) // [];
    is @$numbers, $count, "$count numbers in the background";
}

is $nginx->get('/page?count=0')->{status}, 400, '... none';

isnt $nginx->get('/short?count=50000')->{status}, 200,
    '... more than may be kept in memory';

is $nginx->get('/detached?count=1000')->{content}, 'sent', '... nobody waits';

is $bulk->repeated, 0, 'none came twice';
is_deeply $bulk->account('numbers'), [], '... the account closes';
is $bulk->burned('numbers'), 0, '... with nothing burned';
is_deeply [
    grep { !/too big subrequest response|pending events while closing/ }
        $nginx->errors
], [], 'nothing else was an error';

done_testing;
