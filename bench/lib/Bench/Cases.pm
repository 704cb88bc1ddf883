package Bench::Cases;

# The cases, in order.  Each is called with its sizes and returns its rows; it
# dies if anything failed that must not fail.

use strict;
use warnings;

use Bench::Case::Adopted   ();
use Bench::Case::Bulk      ();
use Bench::Case::Burst     ();
use Bench::Case::Callgrind ();
use Bench::Case::Database  ();
use Bench::Case::Exclude   ();
use Bench::Case::History   ();
use Bench::Case::Set       ();
use Bench::Case::Speed     ();
use Bench::Case::Status    ();
use Bench::Case::Unique    ();
use Bench::Stack           ();

my @cases = (
    [ plain => \&Bench::Case::Speed::plain,
        'beside `return 200` in the same nginx' ],
    [ pipelined => \&Bench::Case::Speed::pipelined,
        'with pipelined requests' ],
    [ delay => \&Bench::Case::Speed::delay, 'with distant databases' ],
    [ fill  => \&Bench::Case::Speed::fill,  'as the pool is used up' ],
    [ bulk => \&Bench::Case::Bulk::bulk, 'many numbers in one answer' ],
    [ lease_off => \&Bench::Case::Database::lease_off,
        'without leases, beside a reservation a number' ],
    [ classic => \&Bench::Case::Database::classic,
        'beside a row a number' ],
    [ shards => \&Bench::Case::Speed::shards, 'with more shards, more nginx' ],
    [ trips => \&Bench::Case::Database::trips, 'what the databases notice' ],
    [ history => \&Bench::Case::History::history,
        'what history costs a reservation' ],
    [ adopted => \&Bench::Case::Adopted::adopted,
        'a range that was adopted' ],
    [ exclude => \&Bench::Case::Exclude::exclude,
        'numbers that are matched with patterns' ],
    [ set => \&Bench::Case::Set::set,
        'a number for a request that is proxied' ],
    [ status => \&Bench::Case::Status::status,
        'what the status of a thousand ranges costs' ],
    [ cold  => \&Bench::Case::Burst::cold,     'a burst at a cold start' ],
    [ uniqueness => \&Bench::Case::Unique::uniqueness,
        'every number looked at' ],
    [ instructions => \&Bench::Case::Callgrind::instructions,
        'under valgrind' ],
);

my %full = (
    pairs    => 48,           # of slices: half a second, or 100 reservations
    plain    => 96,           # of them where p99 is of interest
    rounds   => 6,            # of slices, of so many
    seconds  => 2,
    bursts   => 10,           # cold starts
    growth   => 10_000_000,   # numbers to draw
    numbers  => 1_000_000,    # numbers to look at
    requests => 20_000,       # requests to count instructions of
);

my %quick = (
    pairs    => 8,
    plain    => 8,
    rounds   => 2,
    seconds  => 1,
    bursts   => 3,
    growth   => 1_000_000,
    numbers  => 200_000,
    requests => 5_000,
);

sub names { return map { $_->[0] } @cases }

# { name, title, rows, error, seconds }
sub run {
    my ($name, $quick) = @_;

    my ($case) = grep { $_->[0] eq $name } @cases;
    my %result = (name => $name, title => $case->[2], rows => []);
    my $start  = time;

    eval { $result{rows} = [ $case->[1]->($quick ? \%quick : \%full) ]; 1 }
        or $result{error} = $@ . Bench::Stack::complaints();

    $result{seconds} = time - $start;
    return \%result;
}

1;
