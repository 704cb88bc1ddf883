# Linters have nothing to say of the sources, and would say it.

use strict;
use warnings;

use lib 't/lib';

use Cwd qw( abs_path );
use File::Path qw( make_path );
use Test::More;

use UniqueRandom::Util qw( read_file run tmp_dir write_file );

plan skip_all => 'the sources are the same with any nginx'
    if ($ENV{TEST_NGINX_LOAD_MODULES} // '') =~ m{/build/(?:asan|memcheck)/};

# A mistake of each kind, in a tree that has nothing else.
my %mistakes = (
    c     => [ 'src/folder/leak.c' => <<'EOT', qr/leak\.c:\d+.*Memory leak/ ],
int
leak(void)
{
    char  *p;

    p = malloc(1);

    return p != NULL;
}


int
main(void)
{
    return leak();
}
EOT
    shell => [ 'tools/unquoted' => <<'EOT', qr/unquoted line \d+.*SC2086/s ],
#!/bin/sh
rm $1
EOT
    perl  => [ 't/two-words.t' => <<'EOT', qr/two-words\.t:\d+:.*"open"/ ],
use strict;
use warnings;
open my $file, '/etc/passwd';
EOT
    text  => [
        'tools/long.md' => ('word ' x 103) . "\n",
        qr/long\.md:1: a line of 515 characters; allowed: 512/,
    ],
);

my $top  = abs_path('.');
my $tree = tmp_dir();
make_path(map { "$tree/$_" } qw( src/folder t/unit t/fuzz tools ));

for my $name (qw( lint lint.cppcheck lint.perlcritic )) {
    symlink "$top/tools/$name", "$tree/tools/$name" or die "$name: $!\n";
}

for my $what (sort keys %mistakes) {
    my ($code, $out) = run(command => [ "$top/tools/lint", $what ], merge => 1);

    is $code, 0, "$what: nothing" or diag $out;

    my ($name, $text, $said) = @{ $mistakes{$what} };
    write_file("$tree/$name", $text);

    ($code, $out) = run(command => [ "$tree/tools/lint", $what ], merge => 1);

    isnt $code, 0, '... but for a mistake';
    like $out, $said, '... which is named';
}

# What a page tells people to type.
write_file("$tree/page.md", <<'EOT');
```sh
echo "${NAME/a/b}"
```
EOT
like +(run(command => [ "$tree/tools/lint", 'shell' ], merge => 1))[1],
    qr{line 2:.*SC3060.*which is \./page\.md$}ms, 'a page has another shell';

# Side by side, two of them would take each other's folder and port.
for my $name (grep { read_file($_) =~ /^use Test::Nginx::Socket;/m } glob 't/*.t') {
    like read_file($name),
        qr/^use UniqueRandom::Slot;\nuse Test::Nginx::Socket;/m,
        "$name has a slot of its own";
}

done_testing;
