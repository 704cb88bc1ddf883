# What monitoring/ has for Prometheus and Grafana, against promtool, the
# reference and the page that says what to do.  That nginx exports what the
# reference says is tested elsewhere.

use strict;
use warnings;

use lib 't/lib';

use Cwd qw( abs_path );
use Test::More;

use UniqueRandom::Monitoring qw(
    alerts dashboard documented metric_names panels queries types_of
);
use UniqueRandom::Util qw( read_file run tmp_dir write_file );

plan skip_all => 'the files are the same in each build'
    if ($ENV{TEST_NGINX_LOAD_MODULES} // '') =~ m{/build/(?:asan|memcheck)/};

my $dir   = abs_path('monitoring');
my @tests = map { s{.*/}{}r } glob "$dir/*.test.yml";

# In a shell, in the folder.
sub ok_shell {
    my ($what, $script, @args) = @_;

    my ($code, $out) = run(
        command => [ 'env', '-C', $dir, 'sh', '-ec', $script, 'sh', @args ],
        merge   => 1,
    );
    is $code, 0, $what or diag $out;
    return $out;
}

# The rules

ok_shell('prometheus.yml, with its rules',
    'promtool check config prometheus.yml');
is @tests, 2, 'tests of the rules';
ok_shell("... $_", 'promtool test rules "$1"', $_) for @tests;

my $rules  = read_file("$dir/alerts.yml");
my @alerts = alerts();

cmp_ok scalar @alerts, '>', 10, 'alerts';
is scalar(() = $rules =~ /^ *- alert:/mg), @alerts, '... all of them are found';

# Whether tests have an alert fire, and not.
my %tested;

for (map { split /^ {6}(?=- )/m, read_file("$dir/$_") } @tests) {
    my ($alert) = /^ *(?:- )?alertname: (\w+)$/m or next;

    if (/^ +exp_alerts:/m) {
        $tested{"$alert $_ fires"}++ for /^ +severity: (\w+)$/mg;
    } else {
        $tested{"$alert is silent"}++;
    }
}

my $operations = read_file('docs/operations.md');
my %todo       = $operations =~ /^### (UniqueRandom\w+)\n\n(.*)$/mg;

for (@alerts) {
    my ($alert, $severity) = @$_{qw( alert severity )};

    like $alert, qr/\AUniqueRandom[A-Z]/, $alert;
    like $severity, qr/\A(?:critical|warning)\z/, "... $severity";
    ok defined $_->{summary} && defined $_->{description},
        '... says what it is';
    is $_->{runbook_url}, 'docs/operations.md#' . lc $alert,
        '... and what to do';
    like $todo{$alert} // '', qr/\*$severity\b/i, '... which is there';
    ok $tested{"$alert $severity fires"}, '... fires in a test';
    ok $tested{"$alert is silent"}, '... and does not in another one';
}

my %alerts = map { $_->{alert} => 1 } @alerts;

is_deeply [ grep { !$alerts{$_} } sort keys %todo ], [],
    'nothing is explained that is no alert';

my ($sed) = $operations =~ /^ {4}(sed -i '.*?' alerts\.yml)$/m;
like ok_shell('what puts an address before the paths',
    'cp alerts.yml "$1"; cd "$1"; eval "$2"; cat alerts.yml',
    tmp_dir(), $sed // 0),
    qr{runbook_url: https://[\w./]+/docs/operations.md#uniquerandomstocklow$}m,
    '... does';

# The dashboard

my $dashboard = dashboard();
my @panels    = panels($dashboard);

like $dashboard->{uid}, qr/\A[a-z-]{1,40}\z/,
    'the dashboard has a name of its own';
is $dashboard->{id}, undef, '... but no number';
is_deeply [ map {"$_->{type} $_->{pluginId}"} @{ $dashboard->{__inputs} } ],
    ['datasource prometheus'], '... asks for the data source';
is_deeply [ map { $_->{name} } @{ $dashboard->{templating}{list} } ],
    [qw( datasource job instance pool )], '... has these variables';
cmp_ok scalar @panels, '<=', 12, '... and not too many panels';

my %current = map { $_ => 1 }
    qw( bargauge row stat state-timeline table timeseries );
my (%id, @used);

for my $panel (@{ $dashboard->{panels} }) {
    my $grid = $panel->{gridPos};

    ok $current{ $panel->{type} }, "$panel->{title}: $panel->{type}";
    ok !$id{ $panel->{id} }++, '... has a number of its own';

    my @cells = map {
        my $y = $_;
        map { [ $y, $_ ] } $grid->{x} .. $grid->{x} + $grid->{w} - 1;
    } $grid->{y} .. $grid->{y} + $grid->{h} - 1;

    is scalar(grep { $_->[1] > 23 || $used[ $_->[0] ][ $_->[1] ]++ } @cells), 0,
        '... and a place';
}

for my $panel (@panels) {
    ok $panel->{description}, "$panel->{title} is explained";
    is_deeply [ grep { $_ ne '${datasource}' }
        map { $_->{datasource}{uid} } $panel, @{ $panel->{targets} } ], [],
        '... and asks the data source';
}

# As rules, which promtool can check.
my $i = 0;
write_file(tmp_dir() . '/queries.yml', join '',
    "groups:\n- name: q\n  rules:\n",
    map { "  - record: 'q:" . $i++ . "'\n    expr: |\n"
        . $_->[1] =~ s/^/      /mgr . "\n" } queries($dashboard));
like ok_shell('the queries', 'promtool check rules "$1"',
    tmp_dir() . '/queries.yml'),
    qr/SUCCESS: $i rules/, '... are right';

# Names

my $types = documented();
my %known = map { $_ => 1 } keys %$types, $rules =~ /^ *- record: (\S+)$/mg;

cmp_ok scalar keys %$types, '>', 30, 'the reference has metrics';

my ($states) = read_file('docs/reference.md') =~ /^### States\n(.*?)^###/ms;
my %state = map { $_ => 1 } $states =~ /`(\w+)`/g;

for my $file ((glob "$dir/*"), 'docs/operations.md') {
    my $text = read_file($file);

    is_deeply [ grep { !$known{$_} } metric_names($text) ], [],
        $file =~ s{.*/}{}r . ' has no others';
    is_deeply [ grep { !$state{$_} } map { split /\|/ }
        $text =~ /\bstate[=!]~?\\?"([a-z|]+)\\?"/g ], [],
        '... nor other states';
}

my $exported = read_file('t/scenario/data/metrics.txt');

is_deeply types_of($exported), $types, 'the sample has all of them';
is_deeply [ grep { !$state{$_} } $exported =~ /_state\{.*state="(\w+)"/g ], [],
    '... and no other state';
ok_shell('... and is clean', 'promtool check metrics < "$1"',
    abs_path('t/scenario/data/metrics.txt'));

done_testing;
