# Numbers that "exclude" matches are passed over for good; all others come
# exactly once, whatever several nginx exclude, and whatever a reload changes.
# Where nearly all are excluded, nobody else has to wait for those who look.

use strict;
use warnings;

use JSON::PP    qw( decode_json );
use List::Util  qw( max sum0 );
use Test::More;
use Time::HiRes qw( time );

use UniqueRandom::Bulk     ();
use UniqueRandom::Client   ();
use UniqueRandom::Load     ();
use UniqueRandom::Nginx    ();
use UniqueRandom::Postgres ();
use UniqueRandom::Util     qw( wait_until );

use constant {
    SIZE => 20_000,
    RARE => 300_000,
    SLOW => 1_600_000,

    # If it were looked for without a pause, one at most would be answered
    # before, and another one before anybody sees that.
    OTHERS => 8,
};

my $pg = UniqueRandom::Postgres->new(name => 'shard');
$pg->create_database('numbers')->apply_schema('numbers');

# Two ranges, from $first on.
sub pool {
    my ($name, $size, $directives, $first) = @_;

    $first //= 1;

    my ($half, $last) = ($first + $size / 2, $first + $size - 1);
    my @bounds = ([ $first, $half - 1 ], [ $half, $last ]);

    for my $range (@bounds) {
        $pg->psql('numbers', 'SELECT unique_random.add('
                . "'$name', $range->[0], $range->[1])"
                . ' WHERE NOT EXISTS (SELECT FROM unique_random.ranges'
                . " WHERE pool = '$name' AND first = $range->[0])");
    }

    return "unique_random_pool $name { shard " . $pg->url(db => 'numbers')
        . join('', map {" range=$_->[0]-$_->[1]"} @bounds)
        . "; connect_timeout 60s; reserve_timeout 60s; wait_timeout 60s;"
        . " $directives }\n";
}

my $server = 'keepalive_requests 100000; location = /status { unique_random_status json; }'
    . ' location = /ok { return 200 ok; }'
    . join '', map {" location = /$_ { unique_random $_; }"}
    qw( drained shared changed rare hasty );

sub pools {
    my (%exclude) = @_;

    return join '',
        pool(drained => SIZE, 'exclude "7"; exclude "^1.*[02468]$";'),
        pool(shared  => SIZE, "exclude $exclude{shared};"),
        pool(changed => SIZE, "lease max=64; exclude $exclude{changed};"),
        pool(rare    => RARE, 'exclude "(?<!777)$";'),
        pool(hasty   => SIZE, 'lease min=65536; queue 0; exclude "(?<!77)$";');
}

my $nginx = UniqueRandom::Nginx->new(
    workers => 2,
    http    => pools(shared => '"[0-4]$"', changed => '"[0-8]$"'),
    server  => $server,
);

my $other = UniqueRandom::Nginx->new(
    workers => 2,
    http    => pools(shared => '"[3-7]$"', changed => '"[0-8]$"'),
    server  => $server,
);

sub load {
    my ($nginx, $pool, %arg) = @_;

    return UniqueRandom::Load->new(
        port        => $nginx->port,
        path        => "/$pool",
        connections => 32,
        duration    => 120,
        until       => 409,
        %arg,
    );
}

# Of a pool, with its ranges put together.
sub account {
    my ($nginx, $name) = @_;

    my ($pool) = grep { $_->{name} eq $name }
        @{ decode_json($nginx->get('/status')->{content})->{pools} };
    my %sum;

    for my $range (@{ $pool->{ranges} }) {
        $sum{$_} += $range->{$_}
            for qw( granted issued excluded leased batched given_back );
        $sum{burned} += sum0 values %{ $range->{burned} };
    }

    is $pool->{excluded}, $sum{excluded}, "$name: a pool has those of its ranges";
    is sum0(@sum{qw( issued excluded leased batched given_back burned )}),
        $sum{granted}, '... and the account closes';

    return \%sum;
}

{
    my $all  = load($nginx, 'drained')->run;
    my @want = grep { !/7|^1.*[02468]$/ } 1 .. SIZE;

    is_deeply [ sort { $a <=> $b } $all->numbers ], \@want,
        'each number that is not excluded comes exactly once';
    is $all->attempts, @want + $all->status(409), '... then all are used';
    is_deeply [ $all->malformed ], [], '... to the letter';

    my $account = account($nginx, 'drained');
    is $account->{issued},   @want,        '... as many are issued';
    is $account->{excluded}, SIZE - @want, '... and all others are excluded';
}

{
    my @loads = map { load($_, 'shared', processes => 1)->start }
        $nginx, $other;
    my @results = map { $_->finish } @loads;
    my $all     = UniqueRandom::Load->merge(@results);
    my %seen    = map { $_ => 1 } $all->numbers;

    is $all->duplicates, 0, 'two nginx with different lists: none comes twice';
    is_deeply [ grep {/[0-4]$/} $results[0]->numbers ], [],
        '... nor what the one excludes from it';
    is_deeply [ grep {/[3-7]$/} $results[1]->numbers ], [],
        '... nor what the other one does';
    is_deeply [ grep { /[89]$/ && !$seen{$_} } 1 .. SIZE ], [],
        '... and what neither excludes comes';

    my @accounts = map { account($_, 'shared') } $nginx, $other;

    is sum0(map { @$_{qw( issued excluded )} } @accounts), SIZE,
        '... nothing is left';
    is scalar(keys %seen), sum0(map { $_->{issued} } @accounts),
        '... all that was issued came';
}

{
    my $before = load($nginx, 'changed', count => 500)->run;
    my $passed = account($nginx, 'changed')->{excluded};

    is $before->status(200), 500, 'before a reload';
    cmp_ok $passed, '>', 2000, '... many are passed over';

    $nginx->configure(http => pools(shared => '"[0-4]$"', changed => '"9$"'));
    $nginx->reload;

    my $after = load($nginx, 'changed')->run;
    my $all   = UniqueRandom::Load->merge($before, $after);

    is $all->duplicates, 0, 'with another list, no number comes again';
    is_deeply [ grep {/9$/} $after->numbers ], [],
        '... none of those that it excludes';

    my $account = account($nginx, 'changed');

    is $account->{issued}, 500 + $after->status(200), '... each is counted';
    is $account->{issued} + $account->{excluded}, SIZE,
        '... and what was passed over before is gone';
}

{
    my @numbers = load($nginx, 'rare', count => 60, until => 0)->run->numbers;

    is scalar(grep {/777$/} @numbers), 60, 'one of a thousand is left';

    my $all = load($nginx, 'rare')->run;

    is_deeply [ sort { $a <=> $b } @numbers, $all->numbers ],
        [ map { 1000 * $_ + 777 } 0 .. RARE / 1000 - 1 ],
        '... each comes exactly once, and then all are used';
    account($nginx, 'rare');
}

# A pattern takes tens of microseconds for each number, and one of ten thousand
# is left.
{
    my $slow = UniqueRandom::Nginx->new(
        http => pool(slow => SLOW, 'lease min=200000 max=200000;'
                . ' exclude "^(\\d+)+[a-z]"; exclude "(?<!1111)$";',
            1_000_000_001),
        server => 'keepalive_requests 100000;'
            . ' location = /slow { unique_random slow; }'
            . ' location = /ok { return 200 ok; }'
            . ' location = /status { unique_random_status json; }',
    );

    my $bulk = UniqueRandom::Bulk->new($slow);

    is $slow->get('/slow')->{status}, 200, 'many are leased';

    my $one = qr/100\d{3}1111/;

    for (
        [ '/slow', 20, qr/"number":$one\}/, 'a rare number' ],
        [ '/slow?count=2', 9, qr/"numbers":\[$one,$one\]/,
            'a list of rare numbers' ],
        )
    {
        my ($path, $most, $pattern, $what) = @$_;
        my ($others, @wrong) = 0;

        # Some are found at once, and whoever asks may have to stand still.
        for my $round (1 .. $most) {
            last if $others >= OTHERS || @wrong;

            my $answer;
            ($others, $answer) = beside($slow, $bulk, $path);
            push @wrong, $answer if $answer !~ $pattern;
        }

        is_deeply \@wrong, [], $what;
        cmp_ok $others, '>=', OTHERS, '... while which others are answered';
    }
}

# Whoever may not wait is told that it was not in time, as long as some are
# leased, and then that all are used.
{
    my $client = UniqueRandom::Client->new($nginx);
    my $end    = time + 120;
    my (@numbers, %status);

    until ($status{409} || time > $end) {
        my $answer = $client->get('/hasty');

        $status{ $answer->{status} }++;
        push @numbers, $answer->{content} =~ /^\{"number":(\d+)\}$/;
    }

    note join ' ', map {"$_: $status{$_}"} sort keys %status;
    is_deeply [ sort { $a <=> $b } @numbers ],
        [ map { 100 * $_ + 77 } 0 .. SIZE / 100 - 1 ],
        'without a queue, too, 409 comes after the last one';
    account($nginx, 'hasty');
}

is_deeply [ grep { !/leaves few/ } map { $_->errors } $nginx, $other ], [],
    'nothing is wrong in the error logs';

done_testing;

# How many others are answered, one after the other, while numbers are looked
# for among those that are leased; and what comes of that.
sub beside {
    my ($nginx, $bulk, $path) = @_;

    my $granted = sub { sum0(map { $_->{granted} } $bulk->ranges('slow')) };
    my $leased  = $granted->();
    my $other  = UniqueRandom::Client->new($nginx);
    my $client = $bulk->client("GET $path HTTP/1.1", 'Connection: close');
    my ($start, @times) = time;

    # One that is cut off has nothing to read, for ever.
    while (length $client->read(12, 0) < 12 && time - $start < 60) {
        my $before = time;

        $other->get('/ok')->{status} == 200 or die "no answer\n";
        push @times, time - $before;
    }

    note sprintf '%s took %.3f s, %d others at most %.3f s', $path,
        time - $start, scalar @times, max 0, @times;

    my $answer = $client->rest // 'cut off';

    # Whoever waits for the database is in nobody's way.
    return ($granted->() == $leased ? scalar @times : 0, $answer);
}
