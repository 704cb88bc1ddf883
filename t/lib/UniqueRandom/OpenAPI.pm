package UniqueRandom::OpenAPI;

# Whether answers are as a description in OpenAPI has them, and whether there is
# one for all that it has.
#
#     my $api = UniqueRandom::OpenAPI->new("$pages/openapi.json");
#
#     $api->is_described($nginx->get('/ready'), 'get', '/ready', 'GET /ready');
#
#     is join(' ', $api->missing), '', 'every answer in it was given';

use strict;
use warnings;

use JSON::PP ();
use Test::More;

use UniqueRandom::Util qw( read_file );

my $json = JSON::PP->new->canonical->allow_nonref->utf8;

my %matches = (
    string  => qr/\A".*"\z/s,
    integer => qr/\A-?\d+\z/,
    number  => qr/\A-?\d+(?:\.\d+)?\z/,
    boolean => qr/\A(?:true|false)\z/,
    null    => qr/\Anull\z/,
    object  => qr/\A\{.*\}\z/s,
    array   => qr/\A\[.*\]\z/s,
);

# Headers that are HTTP's own.
my %usual = map { $_ => 1 }
    qw( connection content-length content-type date server transfer-encoding );

sub new {
    my ($class, $file) = @_;

    return bless {
        api      => $json->decode(read_file($file)),
        answered => {},
        examples => {},
    }, $class;
}

# What the file says, decoded.
sub api { return $_[0]{api} }

sub resolve {
    my ($self, $what) = @_;

    while (ref $what eq 'HASH' && defined $what->{'$ref'}) {
        my ($path) = $what->{'$ref'} =~ m{\A#/(.+)} or die $what->{'$ref'};

        $what = $self->{api};
        $what = $what->{$_} // die "no $path\n" for split m{/}, $path;
    }

    return $what;
}

# What is wrong with a value, by the part of JSON Schema that is in use.
sub _misfits {
    my ($self, $schema, $value, $name) = @_;

    $schema = $self->resolve($schema);

    if ($schema->{oneOf}) {
        my @each = map { [ $self->_misfits($_, $value, $name) ] }
            @{ $schema->{oneOf} };
        my @fits = grep { !@$_ } @each;

        return @fits == 1 ? () : map { @$_ } @each;
    }

    my $text = $json->encode($value);
    return "$name is no $schema->{type}: $text"
        if $text !~ $matches{ $schema->{type} };

    my @misfits;

    push @misfits, "$name is $text"
        if exists $schema->{const} && $text ne $json->encode($schema->{const});
    push @misfits, "$name is $text"
        if $schema->{enum} && !grep { $_ eq $value } @{ $schema->{enum} };
    push @misfits, "$name is less than $schema->{minimum}"
        if exists $schema->{minimum} && $value < $schema->{minimum};

    if ($schema->{type} eq 'array') {
        push @misfits,
            map { $self->_misfits($schema->{items}, $_, "one of $name") }
            @$value;
        push @misfits, "$name is too short"
            if @$value < ($schema->{minItems} // 0);
        push @misfits, "$name is too long"
            if @$value > ($schema->{maxItems} // @$value);
    }

    if ($schema->{type} eq 'object') {
        my $properties = $schema->{properties};

        push @misfits, map {"$name lacks $_"}
            grep { !exists $value->{$_} } @{ $schema->{required} };
        push @misfits, map {
            $properties->{$_}
                ? $self->_misfits($properties->{$_}, $value->{$_}, $_)
                : "$_ is not described"
        } sort keys %$value;
    }

    return @misfits;
}

# One number is as good as another.
sub _text {
    my ($body) = @_;

    return $json->encode($body) =~ s/\d+(?:\.\d+)?(?=[\],}])/0/gr;
}

sub _header_misfits {
    my ($self, $answer, $headers) = @_;

    my %described = map { lc $_ => $self->resolve($answer->{headers}{$_}) }
        keys %{ $answer->{headers} // {} };
    my @misfits = map {"the header $_ is not described"}
        grep { !$usual{$_} && !$described{$_} } sort keys %$headers;

    for my $name (sort keys %described) {
        my $schema = $self->resolve($described{$name}{schema});
        my $value  = $headers->{$name};

        $value += 0
            if $schema->{type} eq 'integer' && ($value // '') =~ /\A\d+\z/;

        push @misfits, defined $value
            ? $self->_misfits($schema, $value, $name)
            : "there is no header $name";
    }

    return @misfits;
}

# Whether the answer is one that the description has for the operation.
sub is_described {
    my ($self, $reply, $operation, $path, $what) = @_;

    # A failure is where the caller is called.
    local $Test::Builder::Level = $Test::Builder::Level + 2;

    $path =~ s/\?.*//;

    my $status = $reply->{status};
    my $name   = "$operation $path $status";
    my $answer = $self->{api}{paths}{$path}{$operation}{responses}{$status};

    $self->{answered}{$name} = 1;
    return fail "$what: $status is not described" if !$answer;

    my @misfits = $self->_header_misfits($answer, $reply->{headers});

    my $type  = $reply->{headers}{'content-type'};
    my $media = $answer->{content}{$type};

    push @misfits, "Content-Type is $type" if !$media;
    $self->{answered}{"$name $type"} = 1;

    if ($type eq 'application/json') {
        my $body = eval { $json->decode($reply->{content}) };

        push @misfits, defined $body
            ? $self->_misfits($media->{schema}, $body, 'the body')
            : "this is not JSON: $reply->{content}";

        my @examples = $media->{example}
            // map { $_->{value} } values %{ $media->{examples} };

        push @misfits,
            map { $self->_misfits($media->{schema}, $_, 'the example') }
            @examples;

        my $text = _text($body);
        my ($is) = grep { _text($_) eq $text } @examples;

        push @misfits, "no example is $text" if !$is;
        $self->{examples}{$name}{$text} = 1;
    }
    elsif ($type eq 'text/plain') {
        push @misfits, map {"no number and line feed: $_"}
            grep { !/\A[0-9]+\n\z/ } $reply->{content}, $media->{example};
    }

    return is join("\n", @misfits), '', "$what: $status is as described";
}

# As "get /ready", in order.
sub operations {
    my ($self) = @_;

    my $paths = $self->{api}{paths};

    return map {
        my $path = $_;
        map {"$_ $path"} sort keys %{ $paths->{$path} };
    } sort keys %$paths;
}

# What nobody was answered: statuses, types, examples.
sub missing {
    my ($self) = @_;

    my @missing;

    for ($self->operations) {
        my ($operation, $path) = split / /;
        my $answers = $self->{api}{paths}{$path}{$operation}{responses};

        for my $status (sort keys %$answers) {
            my $name    = "$_ $status";
            my $content = $answers->{$status}{content};

            push @missing, grep { !$self->{answered}{$_} } $name,
                map {"$name $_"} keys %$content;
            push @missing, map {"$name: $_"}
                grep { !$self->{examples}{$name}{$_} }
                map { _text($_->{value}) }
                map { values %{ $_->{examples} // {} } } values %$content;
        }
    }

    return @missing;
}

1;
