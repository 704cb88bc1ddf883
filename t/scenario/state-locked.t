# The file of "state" while somebody else has its lock, and waits for the disk:
# what is not written yet is written later, and nobody is alarmed before that
# lasts.

use strict;
use warnings;

use Fcntl      qw( LOCK_EX LOCK_UN );
use Test::More;
use Time::HiRes qw( sleep );

use UniqueRandom::Nginx    ();
use UniqueRandom::Postgres ();
use UniqueRandom::Util     qw( read_file tmp_dir wait_until );

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
        $nginx->get('/random');
        return $pg->psql('numbers', 'SELECT reserved FROM unique_random.ranges')
            > $before;
    }, 20, 'a reservation');
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

# For a while

lock_it();

my $written = read_file($file);

draw();
sleep 3.5;
is read_file($file), $written, 'nobody writes it meanwhile';

# The last workers of before leave.
$nginx->reload;
is_deeply [ $nginx->errors ], [], '... nor says so';

unlock_it();
wait_until(sub { read_file($file) ne $written }, 20, 'it is written again');
pass '... it is written then';
unlike $nginx->error_log, qr/is written again/, '... as if nothing had been';

# For long

lock_it();
draw();
wait_until(sub { $nginx->errors }, 30, 'an error');
like +($nginx->errors)[0],
    qr/\[crit\] .*flock\(\) "\Q$file\E\.lock" failed, .* is not kept/,
    'what lasts is told';
is scalar(() = $nginx->errors), 1, '... once';

unlock_it();
$nginx->wait_for_log(qr/"\Q$file\E" is written again/, 20);

# And no later than when nginx ends

my $told = () = $nginx->errors;
lock_it();
draw();
$nginx->quit;
cmp_ok scalar(() = $nginx->errors), '>', $told,
    'who is the last one cannot come again, and tells';

done_testing;
