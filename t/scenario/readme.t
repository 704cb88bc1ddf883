# README.md is typed from the top by somebody who has nothing but a Debian: each
# command that it prints is run as it is printed, in a clone, in a root that has
# neither a compiler nor make.  What is made up in it (hosts, paths) is replaced.

use strict;
use warnings;

use lib 't/lib';

use File::Copy qw( copy );
use Test::More;

use UniqueRandom::Release qw( git_tree ok_shell );
use UniqueRandom::Root;
use UniqueRandom::Util qw( read_file tmp_dir write_file );

plan skip_all => 'it runs what is built for production'
    if ($ENV{TEST_NGINX_LOAD_MODULES} // '') =~ m{/build/(?:asan|memcheck)/};

my $missing = UniqueRandom::Root::missing();
plan skip_all => $missing if defined $missing;

# Packages are fetched, and most of Debian's compilers and Node.js unpacked.
alarm 3600;

my $module = 'ngx_http_unique_random_module';
my $root   = UniqueRandom::Root->new;
my $dir    = $root->dir;
my $clone  = '/root/clone';

# The blocks of a language, by the heading that they stand under.
my %blocks;

{
    my $heading = '';
    my $text    = read_file('README.md') // die "no README.md\n";

    while ($text =~ /^##+ ([^\n]*)\n|^```(\w+)\n(.*?)^```\n/gms) {
        if (defined $1) {
            $heading = $1;
        } else {
            push @{ $blocks{$2}{$heading} }, $3;
        }
    }

    # As many commands as it says, with which one has numbers.
    for (
        [ 'Try it',       qr/with two commands,/i,         2, 1 ],
        [ 'On Debian 12', qr/with six commands and a file/i, 6, 2 ],
        )
    {
        my ($under, $words, $commands, $of) = @$_;
        my $all = join '', @{ $blocks{sh}{$under} }[ 0 .. $of - 1 ];
        my ($section) = $text =~ /^##+ $under\n(.*?)^##/ms;

        like $section, $words, "$under: how many commands there are";
        is scalar(() = $all =~ /(?:[^\n]*\\\n)*[^\n]+\n/g), $commands,
            '... is how many are printed';
    }

    $text =~ s/^```.*?^```$//gms;
    is_deeply [ $text =~ /^ {4}\S.*/mg ], [], 'commands are in blocks of "sh"';
}

my %made_up = (
    'db0.example.com'          => '127.0.0.1:5432',
    'db1.example.com'          => '127.0.0.1:5433',
    '/path/to/nginx-1.28.3'    => '/root/nginx',
    '/path/to/this/repository' => $clone,
);

# The next block under a heading.
sub block {
    my ($heading, $language) = @_;

    my $block = shift @{ $blocks{ $language // 'sh' }{$heading} }
        // die "nothing is left under \"$heading\"\n";

    $block =~ s/\Q$_\E/$made_up{$_}/g for keys %made_up;
    return $block;
}

sub ok_root {
    my ($what, $script, %arg) = @_;

    my ($out, $code) = $root->shell($script, %arg);
    is $code, 0, $what
        or die $out, read_file("$dir/var/log/nginx/error.log") // '';
    return $out;
}

# Runs the next one, command by command: only what fetches has a network, and
# nothing that it installs is started there.
sub newcomer {
    my ($heading, %arg) = @_;

    my $folder = $arg{folder} // $clone;
    my $out = '';

    for my $command (block($heading) =~ /((?:[^\n]*\\\n)*[^\n]+)\n/g) {
        if ((my $fetch = $command) =~ s/^(apt-get install)/$1 --download-only/) {
            ok_root("$heading: what is fetched", "cd $folder\n$fetch",
                network => 1);
        }

        $out .= ok_root("$heading: $command", "cd $folder\n$command",
            network => scalar $command =~ /^tools\/install-deps/);
    }

    return $out;
}

my $tree = git_tree(tmp_dir() . '/tree');

$root->start;
ok_shell('a clone', 'git clone -q "$1" "$2"', $tree, "$dir$clone");
copy('/etc/resolv.conf', "$dir/etc/resolv.conf");

# Nobody needs it after a power failure, or manuals.
write_file("$dir/etc/dpkg/dpkg.cfg.d/quick", <<'EOT');
force-unsafe-io
path-exclude /usr/share/doc/*
path-exclude /usr/share/man/*
EOT

# A company's proxy has a certificate that only this machine trusts.
my $ca = '/etc/ssl/certs/ca-certificates.crt';

# To be tried: what fetches does so before nginx and PostgreSQL are started, on
# the ports that are printed, where nobody else sees them.
{
    my ($install, $run) = split /\n/, block('Try it');

    ok_root("Try it: $install", "cd $clone\n$install", network => 1);
    copy($ca, "$dir$ca") if -e $ca;
    ok_root('the pages are built', "cd $clone\nmake -s pages", network => 1);

    is $run, 'make run', "Try it: $run";
    start_trial($run);

    like newcomer('Try it'),
        qr/\{"number":\d+\}.*\{"numbers":\[\d+,\d+,\d+\]\}\z/s, '... numbers';
    like ok_root('...', 'curl -sS http://127.0.0.1:8000/'), qr{href="/docs"},
        '... a page to begin with';
    like ok_root('...', 'curl -sS http://127.0.0.1:8000/docs'),
        qr/<title>Unique random/, '... the API';
    stop_trial();

    # PostgreSQL's user cannot reach what is in root's home.
    start_trial($run);
    stop_trial();
    my @data = glob "$dir/var/tmp/unique_random.*";
    is @data, 1, '... with the same data, which are elsewhere';
}

sub start_trial {
    my ($command) = @_;

    return ok_root('... says what to type', <<"EOT");
cd $clone
setsid $command > /root/log 2>&1 < /dev/null &
echo \$! > /root/pid
for _ in \$(seq 3000); do
    ! grep -q ^Ready /root/log || exit 0
    kill -0 \$! 2> /dev/null || break
    sleep 0.2
done
cat /root/log
exit 1
EOT
}

sub stop_trial {
    return ok_root('... Ctrl-C', <<'EOT');
kill -s TERM -- -$(cat /root/pid)
flock -w 60 /root/clone/.run/lock grep stopping /root/log
EOT
}

is block('Try it'), "make test\n", 'make test runs all of this';

# For production, where databases are.
ok_root('two databases', <<'EOT');
sed -i 's/scram-sha-256/trust/' /etc/postgresql/15/main/pg_hba.conf
service postgresql start
pg_createcluster 15 second -p 5433 > /dev/null
sed -i 's/scram-sha-256/trust/' /etc/postgresql/15/second/pg_hba.conf
pg_ctlcluster 15 second start
cd /
for port in 5432 5433; do
    until runuser -u postgres -- createdb -p $port numbers; do sleep 1; done
done
EOT

my $conf   = block('Configuration', 'nginx');
my $status = block('Status', 'nginx');
my $orders = block('Numbers for other locations', 'nginx');

$conf =~ s/^(?= *location )/$status$orders/m or die "no place for locations\n";
$conf .= <<'EOT';
server {
    listen 127.0.0.1:8080;
    location / {
        return 200 $http_x_order_id;
    }
}
EOT

newcomer('On Debian 12');
write_file("$dir/etc/nginx/conf.d/unique_random.conf", $conf);
newcomer('On Debian 12');

my $draw = <<'EOT';
curl -sS --fail --retry 10 --retry-connrefused --retry-all-errors \
    'http://127.0.0.1:8000/random?[1-500]'
EOT

my %seen;
$seen{$_}++ for ok_root('numbers', $draw) =~ /(\d+)\}/g;
is keys %seen, 500, '... each of them new';

like ok_root('the status', 'curl -sS --fail http://127.0.0.1:8000/status'),
    qr/"issued":500,/, '... has them all';

my $order = ok_root('an order',
    'curl -sS --fail -d shirts http://127.0.0.1:8000/orders');
like $order, qr/\A\d+\z/, '... gets a number';
is $seen{$order}, undef, '... that nobody had';

# Without a package, and where load_module goes then.
ok_root('the package goes', 'service nginx stop;'
    . ' dpkg -r libnginx-mod-http-unique-random > /dev/null');

like newcomer('On Debian 12'), qr/^Next:$/m, '... make install';

my $load = block('Where load_module goes', 'nginx');

write_file("$dir/etc/nginx/modules-enabled/unique_random.conf", $load);
ok_root('load_module in modules-enabled', 'nginx -t');
ok_root('... and nginx starts', 'service nginx start');
$seen{$_}++ for ok_root('... numbers', $draw) =~ /(\d+)\}/g;
is keys %seen, 1000, '... each of them new';

my ($out) = $root->shell('mv /etc/nginx/modules-enabled/unique_random.conf'
    . ' /etc/nginx/conf.d/a.conf; nginx -t');
like $out, qr/"load_module" directive is (?:specified too late|not allowed here)/,
    '... but not in conf.d';

# For another nginx, whose sources are somewhere; Debian's configure leaves out
# the makefile at their top.
ok_root('sources', <<'EOT');
cp -rL /usr/share/nginx/src /root/nginx
rm /root/nginx/conf_flags /etc/nginx/conf.d/*
printf 'modules:\n\t$(MAKE) -f objs/Makefile modules\n' > /root/nginx/Makefile
EOT

my %made = (
    "$clone/build" => sub { newcomer('For another nginx') },
    '/root/nginx/objs' =>
        sub { newcomer('For another nginx', folder => '/root/nginx') },
);

for my $folder ("$clone/build", '/root/nginx/objs') {
    $made{$folder}->();
    ok_root('... nginx loads it', "nginx -t -g 'load_module $folder/$module.so;'");
}

# What takes hours, or needs a machine to itself, is only known to make.  Each
# of them is run by .ci/run, or by who measures or fuzzes.
{
    for my $command (split /\n/, block('Tests')) {
        like $command, qr/^make [a-z-]+(?: T=\S+)?(?: *#.*)?$/, "Tests: $command";
        (my $dry = $command) =~ s/^make/make -n/;
        ok_root('... is known', "cd $clone\n$dry");
    }
}

is block('Tests'), "prove -It/lib -It/lib/stand-in t/scenario/drain.t\n",
    'prove is how others run a test';

is_deeply [ map { @$_ } map { values %$_ } values %blocks ], [],
    'each block of the page has been used';

done_testing;
