package Bench::Machine;

# What was measured on, and with what: a list of [ name, value ].

use strict;
use warnings;

use POSIX ();

use UniqueRandom::Util qw( read_file run );

use Bench::Stack ();

sub describe {
    my $cpus = read_file('/proc/cpuinfo') // '';
    my ($model) = $cpus =~ /^model name\s*: (.*)$/m;
    my $cores = () = $cpus =~ /^processor\s*:/mg;

    my ($system, undef, $release) = POSIX::uname();
    my ($nginx) = _said(Bench::Stack::nginx_binary(), '-v') =~ m{nginx/(\S+)};
    my ($load)  = split ' ', read_file('/proc/loadavg') // '?';

    return (
        [ date       => POSIX::strftime('%Y-%m-%d', gmtime) ],
        [ CPU        => ($model // 'unknown') . ", cores: $cores" ],
        [ kernel     => "$system $release" ],
        [ nginx      => $nginx ],
        [ PostgreSQL => Bench::Stack::server_version()
            . ', fsync and synchronous_commit on' ],
        [ OpenSSL => (split ' ', _said('openssl', 'version'))[1] ],
        [ wrk     => _said('wrk', '-v') =~ m{^wrk (?:debian/)?([\w.]+)}m ],
        [ load    => "$load when it began" ],
    );
}

sub _said {
    my (@command) = @_;

    my (undef, $out) = run(command => \@command, merge => 1);
    return $out;
}

1;
