package UniqueRandom::Monitoring;

# What is in monitoring/, and the metrics that docs/reference.md has.

use strict;
use warnings;

use Exporter qw( import );
use JSON::PP ();

use UniqueRandom::Util qw( read_file );

our @EXPORT_OK = qw( alerts dashboard documented metric_names panels queries
    types_of );

my $prefix = 'nginx_unique_random_';

# Type by name, as the table says.
sub documented {
    my ($table) = (read_file('docs/reference.md') // '')
        =~ /^## Metrics\n(.*?)^##/ms or die "no metrics\n";

    return +{ map { /^\| `(\w+)`[ *]*\| (\w+) \|/ ? ($prefix . $1, $2) : () }
        split /\n/, $table };
}

# The same of what nginx exports, in the text format of Prometheus.
sub types_of {
    my ($text) = @_;

    return { $text =~ /^# TYPE (\S+) (\w+)$/mg };
}

# Names in PromQL, with those of a histogram as its own.
sub metric_names {
    my ($text) = @_;

    my $types = documented();
    my %seen;

    for my $name ($text =~ /\b((?:\w+:)?$prefix\w+(?::\w+)?)/g) {
        my ($histogram) = $name =~ /\A(\w+)_(?:bucket|count|sum)\z/;
        $seen{ $histogram && ($types->{$histogram} // '') eq 'histogram'
            ? $histogram : $name }++;
    }

    my @names = sort keys %seen;
    return @names;
}

# The rules that alert, in their order.
sub alerts {
    my $text = read_file('monitoring/alerts.yml') // die "no rules\n";

    return map {
        my $rule = $_;
        +{ map { $_ => $rule =~ /^ *(?:- )?$_: *(\S.*)$/m ? $1 : undef }
            qw( alert severity summary description runbook_url for ) };
    } grep { /\A- alert: / } split /^ {6}(?=- )/m, $text;
}

sub dashboard {
    return JSON::PP->new->utf8->decode(
        read_file('monitoring/grafana-dashboard.json') // die "no dashboard\n");
}

# All but the rows.
sub panels { return grep { $_->{type} ne 'row' } @{ $_[0]->{panels} } }

# Each query of it, with what Grafana puts in: [ what it is for, PromQL ].
sub queries {
    my ($dashboard) = @_;

    my @queries = (
        (map {
            my $panel = $_;
            map { [ "$panel->{title} $_->{refId}", $_->{expr} ] }
                @{ $panel->{targets} };
        } panels($dashboard)),
        (map { [ $_->{name}, $_->{expr} ] }
            grep { $_->{expr} } @{ $dashboard->{annotations}{list} }),
    );

    for (@queries) {
        $_->[1] =~ s/\$__(?:rate_)?interval\b/5m/g;
        $_->[1] =~ s/\$(?:job|instance|pool)\b/.*/g;
    }

    return @queries;
}

1;
