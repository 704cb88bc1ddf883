# Targets of the makefile for who works on the module, and not in a release.

DEPS       += deb test lint fuzz

DEBUG      := -O1 -g -DNGX_DEBUG_PALLOC=1 -DNGX_HAVE_NONALIGNED=0
SANITIZE   := -fsanitize=address,undefined \
              -fno-sanitize=nonnull-attribute,pointer-overflow \
              -fno-sanitize-recover=all -fno-omit-frame-pointer

# Barriers are between processes, which is more than it looks at; and its
# atexit() does not call what a module has registered when that is unloaded.
THREADS    := -fsanitize=thread -Wno-tsan -Wl,-z,nodelete \
              -fno-omit-frame-pointer

# Ways to build share the machine and the table of faults: one after another.
.NOTPARALLEL:
.PHONY: bench fuzz dist lint test test-release test-asan test-heavy \
        test-tsan test-valgrind test-postgres asan tsan memcheck

bench: all	## measure beside nginx alone, into bench/results (BENCH=--quick)
	@tools/install-deps build run test bench
	@bench/run $(BENCH) $(so)

fuzz:	## fuzz the parsers (FUZZ="--seconds=600 conninfo")
	@t/fuzz/run $(FUZZ)

dist:	## make the tarball of a release, from what is committed
	@tools/dist $(build)/dist

lint: all	## what linters have to say of the sources
	@tools/install-deps lint
	@tools/lint

# Tests.  T="t/a.t t/b.t" picks some, PROVE_FLAGS=-v shows more.  As many files
# as TEST_JOBS run at the same time, most of which wait, in the order that
# t/testrules.yml says.

HEAVY          := t/model/model.t $(addprefix t/scenario/,chaos.t \
                      compose.t deb.t hanging-alone.t hanging-shard.t images.t \
                      kill-workers.t leaks.t packages.t patroni.t readme.t \
                      recovery.t storm.t threads.t timers.t)
# What builds or installs all by itself is the same with any variant, and so is
# what a model says, or a database without nginx; Patroni's minutes are of the
# database, too.
PLAIN          := t/model/% t/fuzz/% $(addprefix t/scenario/,compose.t deb.t \
                      images.t patroni.t readme.t \
                      adopt-exact.t adopt-refused.t adopt-rights.t adopt-sql.t \
                      borrowed-identity.t check.t configure.t \
                      default-privileges.t history.t reserve.t rights.t \
                      search-path.t subtransactions.t trust-recovery.t)
T              ?= $(build)/unit/*.t t/*.t t/fuzz/*.t \
                  $(filter-out $(HEAVY),$(wildcard t/scenario/*.t))
T_ASAN         ?= $(subst $(build)/unit/,$(build)/asan/unit/,\
                      $(filter-out $(PLAIN),$(T)))
T_TSAN         ?= t/000-load.t $(addprefix t/scenario/,hanging-alone.t \
                      hanging-shard.t broken-handshake.t threads.t)
T_VALGRIND     ?= t/000-load.t t/030-variables.t t/scenario/reload.t
T_POSTGRES     ?= t/000-load.t $(addprefix t/scenario/,default-privileges.t \
                      drain.t failover.t fences.t kill-workers.t \
                      postgres-crash.t rights.t schema.t search-path.t \
                      upgrade.t)
PGVERSION      ?= 13 18
TEST_JOBS      ?= $(shell expr 2 '*' $$(nproc))
PROVE_FLAGS    ?=
VALGRIND_FLAGS := --leak-check=full --show-possibly-lost=no --num-callers=40 \
                  --suppressions=$(CURDIR)/t/valgrind.suppress

# A folder with the Test::Nginx of CPAN; without one the stand-in serves.
TEST_NGINX_LIB ?=
perl_libs       = -It/lib $(addprefix -I,$(TEST_NGINX_LIB))
stand_in        = $(shell perl $(perl_libs) -MTest::Nginx::Socket -e 1 \
                      > /dev/null 2>&1 || echo -It/lib/stand-in)

TEST_NGINX_BINARY       ?= $(if $(DISTRIBUTED),/usr/sbin/nginx,$(build)/nginx)
TEST_NGINX_LOAD_MODULES ?= $(so)
export TEST_NGINX_BINARY TEST_NGINX_LOAD_MODULES

test: deps	## install what is missing and run the whole suite
	@$(submake) test-release test-asan test-heavy test-postgres

# One run of prove, and so one summary, for each way to build.

test-release: all $(if $(DISTRIBUTED),,nginx)	## tests, as built for production
	@$(call unit,$(build)/unit,-O2 -g)
	@$(call prove,$(T))

test-asan: asan	## the same with AddressSanitizer and UBSan
	@$(call unit,$(build)/asan/unit,-O1 -g $(SANITIZE))
	@$(if $(strip $(T_ASAN)),$(call prove,$(T_ASAN),asan))

test-heavy:	## images, and what takes the processors: storms, models, other builds
	@tools/install-deps images failover
	@$(submake) test-release test-asan T='$(HEAVY)'
	@$(submake) test-tsan test-valgrind

# It knows no other layout of addresses than the one without randomness.
test-tsan: tsan	## tests of what threads do, with ThreadSanitizer
	@$(call prove,$(T_TSAN),tsan,,$(shell setarch -R true \
	    2> /dev/null && echo setarch -R))

test-valgrind: memcheck	## some tests under valgrind
	@$(call prove,$(T_VALGRIND),memcheck,$(VALGRIND_FLAGS))

test-postgres: all	## some with the oldest and the newest PostgreSQL (PGVERSION=17)
	@$(foreach v,$(PGVERSION),($(call prove,$(T_POSTGRES),,,t/postgres/run $v)) &&) true

unit  = if [ -f t/unit/Makefile ]; then \
            $(submake) $(jobs) -s -C t/unit BUILD=$(1) CFLAGS='$(2)'; fi

# With the nginx and the module of a variant, if one is given.  Tests that break
# something add what came of it to a table, which docs/reliability.md explains.
prove = export $(if $(2),TEST_NGINX_BINARY=$(build)/$(2)/nginx \
            TEST_NGINX_LOAD_MODULES=$(build)/$(2)/$(MODULE).so) \
            TEST_NGINX_USE_VALGRIND='$(3)' FAULTS=$(build)/faults.md; \
        files=$$(ls -d $(1)) && \
            printf '| %s | %s | %s | %s | %s | %s | %s |\n' \
                fault runs attempts acknowledged failed duplicates burned \
                --- --- --- --- --- --- --- > $$FAULTS && \
            { $(4) prove --timer -j $(TEST_JOBS) $(perl_libs) $(stand_in) \
                  $(PROVE_FLAGS) $$files 2>&1; echo $$? > $$FAULTS.status; } \
                | tee $$FAULTS.log; \
        [ $$(wc -l < $$FAULTS) = 2 ] || cat $$FAULTS; \
        [ "$$(cat $$FAULTS.status)" = 0 ] || { $(failed) $$FAULTS.log; exit 1; }

# What failed comes last, where those look who see the end only; without the
# logs of nginx, which are long.
failed = awk '/^\# *Failed test/ { more = 8 } \
              more-- > 0 && /^\#/ && !/^\# [0-9\/]+ [0-9:]+ \[/ { \
                  print substr($$0, 1, 240) \
              } \
              /^Test Summary Report/ { summary = 1 } \
              summary'

# nginx's pools hide overruns and reused memory, hence NGX_DEBUG_PALLOC, which
# makes every allocation one of its own.  Reading words from odd addresses is
# what nginx does on purpose where the processor can; so is arithmetic with
# pointers that lead nowhere when it moves a long pipeline to another buffer.
source  = $(if $(DISTRIBUTED),$$(tools/nginx-source $(build)),$(NGINX_SRC))
variant = src=$(source) && $(submake) all nginx \
              BUILD=$(build)/$(1) NGINX_SRC="$$src" NGX_CONFIGURE= \
              CC_OPT='$(DEBUG) $(2)' LD_OPT='$(2)'

asan:	## build nginx and the module with the sanitizers, into build/asan
	@$(call variant,asan,$(SANITIZE))

tsan:	## build nginx and the module with ThreadSanitizer, into build/tsan
	@$(call variant,tsan,$(THREADS))

memcheck:	## build nginx and the module for valgrind, into build/memcheck
	@$(call variant,memcheck)
