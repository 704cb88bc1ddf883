# The file of "state" while somebody else has its lock, and waits for the disk:
# what is not written yet is written later, and nobody is alarmed before that
# lasts.

use strict;
use warnings;

use Fcntl      qw( LOCK_EX LOCK_UN );
use Test::More;
use Time::HiRes qw( sleep time );

use UniqueRandom::Nginx    ();
use UniqueRandom::Postgres ();
use UniqueRandom::Util     qw( read_file tmp_dir wait_until );

# Less than it has to last for anybody to be alarmed.
use constant LASTS => 8;

my ($pg, $shard) = UniqueRandom::Postgres->new_shard(0, 100_000);

my $state = tmp_dir() . '/state';
my $file  = "$state/numbers.state";

my $nginx = UniqueRandom::Nginx->new(
    http => "unique_random_pool numbers { lease min=100 max=100; state $state;"
        . " shard $shard; }",
    server => 'location /random { unique_random; }',
);

my $lock;

sub draw {
    my $before = $pg->psql('numbers', 'SELECT reserved FROM unique_random.ranges');
    wait_until(sub {
        $nginx->get('/random') for 1 .. 40;
        return $pg->psql('numbers', 'SELECT reserved FROM unique_random.ranges')
            > $before;
    }, 60, 'a reservation');
    return;
}

sub lock_it {
    open $lock, '>>', "$file.lock" or die "$file.lock: $!\n";
    flock $lock, LOCK_EX or die "flock: $!\n";
    return;
}

sub unlock_it {
    flock $lock, LOCK_UN or die "flock: $!\n";
    return;
}

draw();
wait_until(sub { -s $file }, 20, 'it is written');

# For a while: if the machine takes too long for it, once more.

my ($took, $told, @errors);

for (1 .. 10) {
    $told = () = $nginx->errors;

    lock_it();

    my $since   = time;
    my $written = read_file($file);

    draw();
    sleep 3.5;
    is read_file($file), $written, 'nobody writes it meanwhile';

    # The last workers of before leave.
    $nginx->reload;
    @errors = $nginx->errors;
    $took   = time - $since;

    unlock_it();
    wait_until(sub { read_file($file) ne $written }, 20, 'it is written again');
    pass '... it is written then';

    last if $took < LASTS;
    note sprintf 'it took %.1f s', $took;
}

SKIP: {
    skip 'it took too long each time', 1 if $took >= LASTS;

    is scalar @errors, $told, '... nor says so';
    unlike $nginx->error_log, qr/is written again/,
        '... as if nothing had been' if !$told;
}

# For long

my $before = () = $nginx->errors;

lock_it();
draw();
wait_until(sub { $nginx->errors > $before }, 60, 'an error');
like +($nginx->errors)[-1],
    qr/\[crit\] .*flock\(\) "\Q$file\E\.lock" failed, .* is not kept/,
    'what lasts is told';
is scalar(() = $nginx->errors), $before + 1, '... once';

unlock_it();
$nginx->wait_for_log(qr/"\Q$file\E" is written again/, 20);

# And no later than when nginx ends

$told = () = $nginx->errors;
lock_it();
draw();
$nginx->quit;
cmp_ok scalar(() = $nginx->errors), '>', $told,
    'who is the last one cannot come again, and tells';

done_testing;
