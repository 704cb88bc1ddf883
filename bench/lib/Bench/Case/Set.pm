package Bench::Case::Set;

# What `unique_random_set` costs a request that goes to another server, beside
# the same request with a header that is always the same.

use strict;
use warnings;

use Bench::Case::Callgrind ();
use Bench::Row             qw( beside figure );
use Bench::Stack           ();
use Bench::Stats           qw( rounds );

use constant LEASE => Bench::Case::Callgrind::LEASE;

sub set {
    my ($bench) = @_;

    my $stack = Bench::Stack->new(
        shards => 2,
        pools  => { random => { conf => LEASE } },
    );
    my %also = _locations($stack->nginx);
    my @rows = (
        _requests($bench, $stack, %also),
        Bench::Case::Callgrind::beside(
            $stack, $bench->{requests},
            [ without => '/without' ], [ with => '/with' ],
            nginx  => \%also,
            unit   => 'with/without a number',
            target => [ '<=', 1.15 ],
        ),
    );

    $stack->end;
    return @rows;
}

sub _requests {
    my ($bench, $stack, %also) = @_;

    my $nginx = $stack->nginx(%also);
    my ($without, $with)
        = $stack->slices([$nginx], [qw( /without /with )], connections => 32);

    $_->(seconds => 2) for $without, $with;    # leases find their size
    ($without, $with) = rounds($bench->{plain}, $without, $with);
    $nginx->term;

    return beside(
        $with, $without,
        label   => 'a request to a proxy',
        unit    => 'with/without a number, requests/s',
        chart   => undef,
        figures => [ figure(without => $without), figure(with => $with) ],
    );
}

# What nginx has besides: a server behind it, another nginx.
sub _locations {
    my ($behind) = @_;

    return (
        http_too => <<"EOT",
upstream behind {
    server 127.0.0.1:@{[ $behind->port ]};
    keepalive 64;
}
EOT
        server_too => <<'EOT',
proxy_http_version 1.1;
location /without {
    proxy_set_header X-Order-Id 1082623117580;
    proxy_set_header Connection '';
    proxy_pass http://behind/limit;
}
location /with {
    unique_random_set $order_id pool=random;
    proxy_set_header X-Order-Id $order_id;
    proxy_set_header Connection '';
    proxy_pass http://behind/limit;
}
EOT
    );
}

1;
