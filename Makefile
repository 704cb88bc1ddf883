# Builds, tests, runs and installs ngx_http_unique_random_module.
#
# The generated makefile of nginx tracks the sources; this one only decides
# when nginx's configure has to run again.

MODULE     := ngx_http_unique_random_module
BUILD      ?= build
NGINX_DEV  := /usr/share/nginx/src
NGINX_SRC  ?= $(NGINX_DEV)
DISTRIBUTED := $(filter $(NGINX_DEV),$(NGINX_SRC))
JOBS       ?= $(shell nproc)

# The distribution's hardening, as its own modules have it.
CC_OPT     ?= $(shell dpkg-buildflags --get CFLAGS 2>/dev/null || echo -O2 -g) \
              $(shell dpkg-buildflags --get CPPFLAGS 2>/dev/null) -fPIC
LD_OPT     ?= $(shell dpkg-buildflags --get LDFLAGS 2>/dev/null) -fPIC

DEBUG      := -O1 -g -DNGX_DEBUG_PALLOC=1 -DNGX_HAVE_NONALIGNED=0
SANITIZE   := -fsanitize=address,undefined \
              -fno-sanitize=nonnull-attribute,pointer-overflow \
              -fno-sanitize-recover=all -fno-omit-frame-pointer

# Barriers are between processes, which is more than it looks at; and its
# atexit() does not call what a module has registered when that is unloaded.
THREADS    := -fsanitize=thread -Wno-tsan -Wl,-z,nodelete \
              -fno-omit-frame-pointer

DESTDIR    ?=
prefix     ?= /usr
modulesdir ?= $(prefix)/lib/nginx/modules
datadir    ?= $(prefix)/share/$(MODULE)
docdir     ?= $(prefix)/share/doc/$(MODULE)

build      := $(abspath $(BUILD))
so         := $(build)/$(MODULE).so
nginx_h    := $(NGINX_SRC)/src/core/nginx.h
submake     = $(MAKE) --no-print-directory
jobs        = $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(JOBS))

# In a folder that tools/configure has made.
in_tree     = $(submake) -s $(jobs) -C $(1)/src -f $(1)/obj/Makefile $(2)
configure   = CC_OPT='$(CC_OPT)' LD_OPT='$(LD_OPT)' \
                  NGX_CONFIGURE='$(NGX_CONFIGURE)' \
                  tools/configure $(abspath $(NGINX_SRC)) $(1) $(2)

# A file whose timestamp is the last time that its content changed.
update      = mkdir -p $(@D) && printf '%s\n' $(1) > $@.new && \
                  if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi
refresh     = cmp -s $(1) $@ || { install -m $(2) $(1) $@ && echo "built $@"; }

# Ways to build share the machine and the table of faults: one after another.
.NOTPARALLEL:
.PHONY: all nginx deps pages run bench fuzz install clean help FORCE \
        test test-release test-asan test-heavy test-tsan test-valgrind \
        asan tsan memcheck

all: $(so)	## build the module (default); NGINX_SRC=dir for other nginx sources

$(so): $(build)/module/obj/Makefile FORCE
	@$(call in_tree,$(build)/module,modules)
	@$(call refresh,$(build)/module/obj/$(MODULE).so,644)

# Configured by itself: a change of the module's config costs no new nginx.
nginx: $(build)/nginx	## build nginx itself, from NGINX_SRC

$(build)/nginx: $(build)/core/obj/Makefile FORCE
	@$(call in_tree,$(build)/core,binary)
	@$(call refresh,$(build)/core/obj/nginx,755)

$(build)/flags: FORCE
	@$(call update,'$(NGINX_SRC)' '$(CC_OPT)' '$(LD_OPT)' '$(NGX_CONFIGURE)')

$(build)/sources: FORCE
	@$(call update,'$(sort $(wildcard *.c src/*.c src/*.h))')

$(build)/core/obj/Makefile: $(build)/flags $(nginx_h) tools/configure
	@$(call configure,$(build)/core)

$(build)/module/obj/Makefile: $(build)/flags $(build)/sources $(nginx_h) \
                              config $(wildcard sql/schema.sql) tools/configure
	@$(call configure,$(build)/module,$(CURDIR))

$(nginx_h):
	@echo >&2 "$@ is missing: run \"make deps\", which installs nginx-dev," \
	    "or set NGINX_SRC to a folder with nginx's sources"
	@exit 1

deps:	## install the packages that building and testing need (Debian)
	@tools/install-deps build pages run test fuzz

pages:	## build the API page that /docs shows, into build/pages
	@tools/install-deps pages
	@tools/pages $(build)/pages

run:	## two PostgreSQL clusters and nginx on 127.0.0.1:8000, until Ctrl-C
	@tools/install-deps build pages run
	@$(submake) all pages
	@exec tools/run $(so)

bench: all	## measure beside nginx alone, into bench/results (BENCH=--quick)
	@tools/install-deps build run test bench
	@bench/run $(BENCH) $(so)

fuzz:	## fuzz the parsers (FUZZ="--seconds=600 conninfo")
	@t/fuzz/run $(FUZZ)

install: all	## install module, schema, example and, if built, pages
	install -d $(DESTDIR)$(modulesdir) $(DESTDIR)$(datadir) $(DESTDIR)$(docdir)
	install -m 644 $(so) $(DESTDIR)$(modulesdir)/
	install -m 644 sql/schema.sql $(DESTDIR)$(datadir)/
	sed 's|/usr/share/$(MODULE)|$(datadir)|' pages/docs.conf \
	    > $(DESTDIR)$(datadir)/docs.conf
	if [ -e $(build)/pages/index.html ]; then \
	    install -d $(DESTDIR)$(datadir)/pages && \
	    install -m 644 $(build)/pages/* $(DESTDIR)$(datadir)/pages/; fi
	install -m 644 nginx.conf.example $(DESTDIR)$(docdir)/
	install -m 644 logrotate/$(MODULE) $(DESTDIR)$(docdir)/logrotate

clean:	## remove what was built (.run keeps the data of make run)
	rm -rf $(build)

help:	## show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' \
	    $(firstword $(MAKEFILE_LIST))

# Tests.  T="t/a.t t/b.t" picks some, PROVE_FLAGS=-v shows more.  As many files
# as TEST_JOBS run at the same time, most of which wait, in the order that
# t/testrules.yml says.

HEAVY          := t/model/model.t $(addprefix t/scenario/,chaos.t \
                      hanging-shard.t kill-workers.t leaks.t recovery.t \
                      storm.t threads.t)
T              ?= $(build)/unit/*.t t/*.t t/fuzz/*.t \
                  $(filter-out $(HEAVY),$(wildcard t/scenario/*.t))
T_ASAN         ?= $(subst $(build)/unit/,$(build)/asan/unit/,\
                      $(filter-out t/model/% t/fuzz/%,$(T)))
T_TSAN         ?= t/000-load.t t/scenario/hanging-shard.t \
                  t/scenario/broken-handshake.t t/scenario/threads.t
T_VALGRIND     ?= t/000-load.t t/030-variables.t t/scenario/reload.t
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
	@$(submake) test-release test-asan test-heavy

# One run of prove, and so one summary, for each way to build.

test-release: all $(if $(DISTRIBUTED),,nginx)	## tests, as built for production
	@$(call unit,$(build)/unit,-O2 -g)
	@$(call prove,$(T))

test-asan: asan	## the same with AddressSanitizer and UBSan
	@$(call unit,$(build)/asan/unit,-O1 -g $(SANITIZE))
	@$(call prove,$(T_ASAN),asan)

test-heavy:	## what takes the processors: storms, models, other builds
	@$(submake) test-release test-asan T='$(HEAVY)'
	@$(submake) test-tsan test-valgrind

# It knows no other layout of addresses than the one without randomness.
test-tsan: tsan	## tests of what threads do, with ThreadSanitizer
	@$(call prove,$(T_TSAN),tsan,,$(shell setarch -R true \
	    2> /dev/null && echo setarch -R))

test-valgrind: memcheck	## some tests under valgrind
	@$(call prove,$(T_VALGRIND),memcheck,$(VALGRIND_FLAGS))

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
            $(4) prove -j $(TEST_JOBS) $(perl_libs) $(stand_in) $(PROVE_FLAGS) \
                $$files; \
        status=$$?; [ $$(wc -l < $$FAULTS) = 2 ] || cat $$FAULTS; \
        exit $$status

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
