package UniqueRandom::Postgres::Sql;

# Methods of a cluster, see UniqueRandom::Postgres: SQL, and the databases that
# tests want.

use strict;
use warnings;

use Carp qw( croak );
use Cwd ();
use File::Basename qw( dirname );

use UniqueRandom::Postgres::Programs qw( program );
use UniqueRandom::Util qw( read_file run );

my $schema = Cwd::abs_path(dirname(__FILE__) . '/../../../../sql/schema.sql');

# Runs SQL as the superuser, or as user => ..., password => ..., through the
# socket and returns what psql -At prints, without the last newline.
sub psql {
    my ($self, $db, $sql, %as) = @_;

    my ($code, $out, $err) = $self->try_psql($db, $sql, %as);
    croak "psql failed: $err" if $code;

    chomp $out;
    return $out;
}

# The same, but returns psql's exit code, output and errors.
sub try_psql {
    my ($self, $db, $sql, %as) = @_;

    local $ENV{PGPASSWORD}        = $as{password} // '';
    local $ENV{PGCONNECT_TIMEOUT} = 20;
    local $ENV{PGOPTIONS}         = '--client-min-messages=warning';

    return run(
        command => [
            program('psql'), '-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1',
            '-h', $as{host} // $self->socket, '-p', $self->{port},
            '-U', $as{user} // 'postgres', '-d', $db,
        ],
        input => $sql,
    );
}

# How many there are in that database.
sub sessions {
    my ($self, $db) = @_;

    return $self->psql('postgres',
        "SELECT count(*) FROM pg_stat_activity WHERE datname = '$db'");
}

sub create_database {
    my ($self, $db, %arg) = @_;

    $self->psql('postgres', qq{CREATE DATABASE "$db"}
        . ($arg{owner} ? qq{ OWNER "$arg{owner}"} : ''));
    return $self;
}

# As an operator does it, in one go.
sub apply_schema {
    my ($self, $db, %as) = @_;

    $self->psql($db, read_file($schema) // die("no schema\n"), %as);
    return $self;
}

# A cluster with a database "numbers" and range $i of a pool of that name, each
# of $size numbers; and its parameters for `shard` in nginx.conf.
sub new_shard {
    my ($class, $i, $size) = @_;

    my $self = $class->new(name => "shard$i");
    my ($first, $last) = ($i * $size + 1, ($i + 1) * $size);

    $self->create_database('numbers')->apply_schema('numbers');
    $self->psql('numbers',
        "SELECT unique_random.add('numbers', $first, $last)");

    return ($self, $self->url(db => 'numbers') . " range=$first-$last");
}

1;
