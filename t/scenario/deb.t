# The Debian package: it is made by "make deb", installs into a fresh Debian,
# enables the module, gives numbers, replaces the module of a running nginx when
# it is upgraded, and says what becomes of the rest when it goes.

use strict;
use warnings;

use lib 't/lib';

use Test::More;

use UniqueRandom::Release qw( git_tree ok_shell version );
use UniqueRandom::Root;
use UniqueRandom::Util qw( read_file tmp_dir write_file );

plan skip_all => 'it builds what is built for production'
    if ($ENV{TEST_NGINX_LOAD_MODULES} // '') =~ m{/build/(?:asan|memcheck)/};

my $missing = UniqueRandom::Root::missing();
plan skip_all => $missing if defined $missing;

my $dir     = tmp_dir();
my $tree    = "$dir/tree";
my $package = 'libnginx-mod-http-unique-random';
my $so      = 'ngx_http_unique_random_module.so';
my $old     = '1.0.99';

my $root = UniqueRandom::Root->new;

git_tree($tree);
my $new = version($tree);

# A release, and what was one before.
ok_shell('an older release', <<'EOT', $tree, "$dir/old", $old, $new);
mkdir "$2"
"$1/tools/dist" "$2"
tar -xzf "$2"/*.tar.gz -C "$2" --strip-components=1
rm "$2"/*.tar.gz
sed -i "s/\"$4\"/\"$3\"/" "$2/src/core/version.h"
sed -i "1,/^Changes/ s/$4/$3/" "$2/CHANGES"
EOT

ok_shell('... its package', '"$1/tools/deb" -b "$2"', "$dir/old", "$dir/old-deb");

# As if the API page were built.
ok_shell('make deb', <<'EOT', $tree);
mkdir -p "$1/build/pages"
echo page > "$1/build/pages/index.html"
make -s -C "$1" deb
EOT

my $made = "$dir/tree/build/deb";

is ok_shell('lintian', 'cd "$1"; lintian --pedantic -EvI *.changes 2>&1'
    . q( | grep -v -e '^N: ' -e '^running with root' || true), $made), '',
    '... has nothing to say';

like read_file("$made/build.log"), qr/dh_nginx/, 'dh_nginx did its part';

$root->start;

ok_shell('both are there', 'cp "$1"/*_*.deb "$2"/*_*.deb "$3"',
    "$dir/old-deb", $made, $root->dir . '/root');

sub ok_root {
    my ($what, $script) = @_;

    my ($out, $code) = $root->shell($script);
    is $code, 0, $what or die $out;
    return $out;
}

sub install { return "dpkg -i /root/${package}_$_[0]-1_*.deb" }

# All numbers that are drawn, and with each how often.
my %seen;

sub draw {
    my ($what, $meanwhile) = @_;

    my $out = ok_root($what, <<"EOT");
curl -sS --rate 500/s --fail-early --fail 'http://127.0.0.1:8000/random?[1-2000]' \\
    > /root/numbers 2>&1 &
@{[ $meanwhile // '' ]}
wait \$!
EOT
    $seen{$_}++ for read_file($root->dir . '/root/numbers') =~ /:(\d+)\}/g;
    return $out;
}

# The version that a new master has logged last.
sub running {
    my @versions = read_file($root->dir . '/var/log/nginx/error.log')
        =~ m{ngx_http_unique_random_module/(\S+), libpq}g;
    return $versions[-1];
}

# Installed

ok_root('it is installed', install($old));

is readlink($root->dir . '/etc/nginx/modules-enabled/'
    . '50-mod-http-unique-random.conf'),
    '/usr/share/nginx/modules-available/mod-http-unique-random.conf',
    '... and enabled';

ok_root('a log that tells of versions', <<'EOT');
sed -i 's|error_log .*|error_log /var/log/nginx/error.log notice;|' \
    /etc/nginx/nginx.conf
EOT

write_file($root->dir . '/root/numbers-test',
    read_file("$tree/debian/tests/numbers"));
ok_root('the test of the package', 'sh /root/numbers-test');
is running(), $old, '... with this version';
draw('numbers');

# Upgraded

ok_root('a schema that was another one',
    "echo '-- old' >> /usr/share/ngx_http_unique_random_module/schema.sql");

like draw('an upgrade with another schema', install($new)
    . '; nginx -s reload; sleep 1'),
    qr/nginx goes on with the module that was there before.*schema.sql/,
    '... says what to run';
is running(), $old, '... and nginx goes on, though it is reloaded';

draw('an upgrade with the same schema', install($new));
is running(), $new, '... loads the new module';
draw('... which gives numbers');

like ok_root('an upgrade while an upgrade is not over', <<"EOT"),
perl -MIO::Socket::INET -e 'my \$s = IO::Socket::INET->new("127.0.0.1:8000");
    print \$s "GET"; sleep 50' &
sleep 1
service nginx upgrade
@{[ install($new) ]}
kill \$!
EOT
    qr/nginx goes on .* run "service nginx upgrade"/,
    '... says that it could not be done';

# Removed

like draw('removed', "dpkg -r $package"),
    qr/the configuration of nginx still uses the module/,
    '... it says what stays behind';
like +($root->shell('nginx -t'))[0], qr/unknown directive "unique_random_pool"/,
    '... and nginx does not start with it';

unlike draw('installed again', install($new) . '; nginx -t'),
    qr/nginx goes on/, '... and loaded';
draw('... it gives numbers');

ok_root('without its configuration', 'rm /etc/nginx/conf.d/unique_random.conf');
unlike ok_root('... it is removed', "dpkg -r $package; nginx -t"),
    qr/still uses/, '... without a word';

like ok_root('purged', "dpkg -P $package"),
    qr{/var/lib/unique_random is kept},
    '... it says that the state is kept';
is ok_root('what is left', <<'EOT'), "/var/lib/unique_random\n", '... is that';
find / -xdev -path /proc -prune -o -path /root -prune -o -name postgresql -prune \
    -o -name '*unique[_-]random*' -print
EOT

is keys %seen, 2000 * 7, 'all numbers came';
is scalar(grep { $_ > 1 } values %seen), 0, '... and none twice';

done_testing;
