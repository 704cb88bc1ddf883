package UniqueRandom::Gate;

# A file that can be held back: who opens it then waits, as on a network file
# system that has gone.
#
#   my $gate = UniqueRandom::Gate->new($text);
#   $gate->path          # a file with that text
#
#   $gate->close         # the next one that opens it waits
#   $gate->open          # it goes on, and finds the text; others do at once
#
# Only one may wait.

use strict;
use warnings;

use Fcntl qw( O_RDWR );
use POSIX ();

use UniqueRandom::Util qw( tmp_dir write_file );

my $gates = 0;

sub new {
    my ($class, $text) = @_;

    my $self = bless {
        text => $text,
        path => tmp_dir() . '/gate-' . $gates++,
    }, $class;

    write_file($self->{path}, $text);
    return $self;
}

sub path { return $_[0]->{path} }

sub close {
    my ($self) = @_;

    my ($path, $held) = ($self->{path}, "$self->{path}.held");

    # By another name too, for open() to reach who waits.
    POSIX::mkfifo($held, 0644) or die "mkfifo: $!\n";
    link $held, "$path.new" or die "link: $!\n";
    rename "$path.new", $path or die "rename: $!\n";

    return $self;
}

sub open {
    my ($self) = @_;

    my ($path, $held) = ($self->{path}, "$self->{path}.held");

    write_file("$path.new", $self->{text});
    rename "$path.new", $path or die "rename: $!\n";

    # To read and write, since that waits for nobody.
    sysopen my $fifo, $held, O_RDWR or die "$held: $!\n";
    syswrite $fifo, $self->{text};
    unlink $held;

    return $self;
}

1;
