# What lies in packaging/ and systemd/ for those who are not here: Fedora's
# rpmbuild, with macros as Fedora has them; the builder of the official image;
# systemd.

use strict;
use warnings;

use lib 't/lib';

use Test::More;

use UniqueRandom::Release qw( git_tree ok_shell version );
use UniqueRandom::Util qw( read_file run tmp_dir write_file );

plan skip_all => 'it builds what is built for production'
    if ($ENV{TEST_NGINX_LOAD_MODULES} // '') =~ m{/build/(?:asan|memcheck)/};

my $module  = 'ngx_http_unique_random_module';
my $dir     = tmp_dir();
my $tree    = git_tree("$dir/tree");
my $version = version($tree);
my $tarball = "$dir/dist/$module-$version.tar.gz";

ok_shell('a release', '"$1/tools/dist" "$2"', $tree, "$dir/dist");

subtest 'RPM' => sub {
    my $spec = "$tree/packaging/rpm/nginx-mod-unique-random.spec";

    # What Fedora's nginx-mod-devel has, but for where the sources are.
    my $macros = write_file("$dir/macros", <<'EOT');
%nginx_moddir /usr/lib64/nginx/modules
%nginx_modconfdir %{_datadir}/nginx/modules
%_vpath_builddir redhat-linux-build
%nginx_modconfigure(:-:) \
    cp -a /usr/share/nginx/src nginx-src; \
    cd nginx-src; \
    ./configure --with-compat --with-cc-opt="%{optflags} -fPIC" \\\
        --with-ld-opt="-Wl,-E" --add-dynamic-module="$(realpath ..)" \\\
        --builddir="$(realpath ..)/%{_vpath_builddir}" %{**}; \
    cd -
%nginx_modbuild make -C nginx-src -f ../%{_vpath_builddir}/Makefile modules
EOT

    my $out = ok_shell('rpmlint', 'rpmlint "$1" 2>&1', $spec);
    like $out, qr/ 0 errors/, '... finds no error';
    is_deeply [ $out =~ /: [WE]: (\S+)/g ], [qw( no-buildroot-tag invalid-url )],
        '... and what it warns of is as it should be';

    is ok_shell('its version', 'rpmspec --load "$1" -q --qf "%{version}" "$2"',
        $macros, $spec), $version, '... is that of the module';

    # A distribution that is not RPM's has none of its packages.
    ok_shell('rpmbuild', <<'EOT', $macros, "$dir/dist", $spec, "$dir/rpm");
rpmbuild --load "$1" -bb --nodeps -D "_sourcedir $2" -D "_topdir $4" \
    -D 'debug_package %{nil}' "$3"
EOT

    my ($rpm) = glob "$dir/rpm/RPMS/*/*.rpm";
    my @files = grep { !m{/doc/|/licenses/|/\.build-id} }
        split /\n/, ok_shell('what is in it', 'rpm -qlp "$1"', $rpm);

    is_deeply \@files, [
        "/usr/lib64/nginx/modules/$module.so",
        '/usr/share/nginx/modules/mod-unique-random.conf',
        "/usr/share/$module",
        "/usr/share/$module/check.sql",
        "/usr/share/$module/docs.conf",
        "/usr/share/$module/monitoring",
        (map {"/usr/share/$module/monitoring/$_"} qw(
            alerts.test.yml alerts.yml grafana-dashboard.json prometheus.yml
            stock.test.yml
        )),
        "/usr/share/$module/schema.sql",
    ], '... is what should be' or diag "@files";

    ok_shell('it is unpacked', 'mkdir "$2"; rpm2archive -n < "$1" | tar -x -C "$2"',
        $rpm, "$dir/unpacked");
    is read_file("$dir/unpacked/usr/share/nginx/modules/mod-unique-random.conf"),
        qq(load_module "/usr/lib64/nginx/modules/$module.so";\n), '... as a line';

    write_file("$dir/nginx.conf", <<"EOT");
load_module $dir/unpacked/usr/lib64/nginx/modules/$module.so;
pid $dir/pid;
events {}
EOT
    ok_shell('... nginx loads it', '"$1" -t -e stderr -c "$2"',
        $ENV{TEST_NGINX_BINARY} || '/usr/sbin/nginx', "$dir/nginx.conf");
};

# What modules/Dockerfile of docker-nginx does with a folder, and build_module.sh
# of pkg-oss with what is in it.
subtest 'the official image' => sub {
    my $folder = "$dir/modules/uniquerandom";

    ok_shell('a folder', 'mkdir "$1"; cp -r "$2" "$3" && cp "$4" "$3"',
        "$dir/modules", "$tree/packaging/docker-nginx/uniquerandom", $folder,
        $tarball);

    my ($name) = $folder =~ m{([^/]+)\z};
    is $name =~ s{[/_\-.\t ]}{}gr, lc $name, 'its name can be one of a package';

    ok -x "$folder/prebuild", 'what is run before can be run';
    ok_shell('... and runs', '"$1"', "$folder/prebuild");

    my @source = split ' ', read_file("$folder/source");
    is @source, 1, 'the source is one';
    my $source = $source[0] =~ s{^/modules/}{$dir/modules/}r;
    ok -d $source, '... that is there';

    my $config = read_file("$source/config") // '';
    like $config, qr{^\.\s+auto/module$}m, '... and a dynamic module';

    my ($so) = $config =~ /^ngx_module_name=\$(\w+)$/m;
    is_deeply [ $config =~ /^$so=(\S+)$/mg ], [$module], '... of this name';

    for my $needed (split ' ', read_file("$folder/build-deps")) {
        ok_shell("$needed is a package", 'dpkg-query -s "$1"', $needed);
    }
};

subtest 'systemd' => sub {
    my $unit = '/lib/systemd/system/nginx.service';

    plan skip_all => 'systemd is not installed'
        if (run(command => [ 'systemd-analyze', '--version' ], merge => 1))[0];
    plan skip_all => "there is no $unit" if !-e $unit;

    my $service = "$dir/units/nginx.service";
    my $check   = 'systemd-analyze verify --man=no "$1" 2>&1';

    ok_shell('a service', <<'EOT', $unit, $service, "$tree/systemd/unique_random.conf");
mkdir -p "$2.d"
cp "$1" "$2"
cp "$3" "$2.d"
EOT

    is ok_shell('is verified', $check, $service), '', '... and nothing is said';

    write_file("$service.d/unique_random.conf", "[Service]\nLimitNOFLE=1\n");
    like +(ok_shell('a mistake', $check, $service)), qr/LimitNOFLE/,
        '... would be named';
};

done_testing;
