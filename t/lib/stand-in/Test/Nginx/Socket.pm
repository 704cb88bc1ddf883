package Test::Nginx::Socket;

# A stand-in for the Test::Nginx::Socket of CPAN, for where that is not
# installed: the part of it that the tests here use, with the same results and
# the same number of them.  A section or function that it does not know is an
# error, so that no test passes here by being ignored.

use Test::Base -Base;
use Test::Nginx::Util;

our @EXPORT = @Test::Nginx::Util::EXPORT;
