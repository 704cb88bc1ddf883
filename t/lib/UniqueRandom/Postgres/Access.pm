package UniqueRandom::Postgres::Access;

# Methods of a cluster, see UniqueRandom::Postgres: who gets in, and how.

use strict;
use warnings;

use Carp qw( croak );

use UniqueRandom::Util qw( read_file run write_file );

# A role that has to give its password, over TCP.
sub create_user {
    my ($self, $user, $password, $options) = @_;

    $options //= '';
    $self->psql('postgres', "SET password_encryption = 'scram-sha-256';"
        . qq{CREATE ROLE "$user" LOGIN PASSWORD '$password' $options});

    unshift @{ $self->{hba} }, qq{host all "$user" 127.0.0.1/32 scram-sha-256};
    $self->_configure;
    $self->reload;
    return $self;
}

# A CA of our own and a certificate for the given names (and 127.0.0.1);
# returns the CA's file.  With require => 1, TCP without TLS is refused.
sub enable_tls {
    my ($self, %arg) = @_;

    my @names = @{ $arg{names} // ['localhost'] };
    my $dir   = "$self->{dir}/tls";

    mkdir $dir or die "$dir: $!\n";
    write_file("$dir/extensions", 'subjectAltName=IP:127.0.0.1'
        . join('', map {",DNS:$_"} @names) . "\n");

    my @new_key = qw( -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes );

    for my $command (
        [ 'req', '-x509', @new_key, '-days', 2, '-subj', '/CN=test CA',
            '-keyout', "$dir/ca.key", '-out', "$dir/ca.crt" ],
        [ 'req', @new_key, '-subj', "/CN=$names[0]",
            '-keyout', "$dir/server.key", '-out', "$dir/server.csr" ],
        [ 'x509', '-req', '-in', "$dir/server.csr", '-days', 2,
            '-CA', "$dir/ca.crt", '-CAkey', "$dir/ca.key", '-CAcreateserial',
            '-extfile', "$dir/extensions", '-out', "$dir/server.crt" ],
        )
    {
        my ($code, $out)
            = run(command => [ 'openssl', @$command ], merge => 1);
        croak "openssl failed: $out" if $code;
    }

    $self->_write('server.key', read_file("$dir/server.key"));
    $self->_write('server.crt', read_file("$dir/server.crt"));
    $self->{conf}{ssl} = 'on';
    push @{ $self->{hba} }, 'hostnossl all all 127.0.0.1/32 reject'
        if $arg{require};
    $self->_configure;
    $self->reload;

    return "$dir/ca.crt";
}

# Where clients find it.  Arguments: db, user, password, params => { libpq's };
# port for one of a proxy; hosts => [ NAME, or NAME:PORT ]; socket => 1 for the
# Unix socket.
sub url {
    my ($self, %arg) = @_;

    my $escape = sub {
        (my $text = shift) =~ s/([^\w.~-])/sprintf '%%%02X', ord $1/ge;
        return $text;
    };
    my $port   = $arg{port} // $self->{port};
    my %params = %{ $arg{params} // {} };
    my $where  = join ',', map { /:\d+\z/ ? $_ : "$_:$port" }
        @{ $arg{hosts} // ['127.0.0.1'] };

    if ($arg{socket}) {
        @params{qw( host port )} = ($self->socket, $port);
        $where = '';
    }

    my $query = join '&',
        map { "$_=" . $escape->($params{$_}) } sort keys %params;

    return 'postgresql://'
        . $escape->($arg{user} // 'postgres')
        . (defined $arg{password} ? ':' . $escape->($arg{password}) : '')
        . "\@$where/"
        . $escape->($arg{db} // 'postgres')
        . ($query ne '' ? "?$query" : '');
}

1;
