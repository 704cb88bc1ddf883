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

# Groups of packages, see tools/install-deps.
DEPS       := build pages run

DESTDIR    ?=
prefix     ?= /usr
modulesdir ?= $(prefix)/lib/nginx/modules
datadir    ?= $(prefix)/share/$(MODULE)
docdir     ?= $(prefix)/share/doc/$(MODULE)

build      := $(abspath $(BUILD))
so         := $(build)/$(MODULE).so
nginx_h    := $(NGINX_SRC)/src/core/nginx.h
nginx_c    := $(NGINX_SRC)/src/core/nginx.c
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

.PHONY: all nginx deps pages run install deb clean help FORCE

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
	@$(call update,'$(sort $(wildcard *.c src/*.h src/*/*.[ch]))')

$(build)/core/obj/Makefile: $(build)/flags $(nginx_h) $(nginx_c) \
                            tools/configure
	@$(call configure,$(build)/core)

$(build)/module/obj/Makefile: $(build)/flags $(build)/sources $(nginx_h) \
                              config $(wildcard sql/schema.sql) tools/configure
	@$(call configure,$(build)/module,$(CURDIR))

$(nginx_h):
	@echo >&2 "$@ is missing: run \"make deps\", which installs nginx-dev," \
	    "or set NGINX_SRC to a folder with nginx's sources"
	@exit 1

$(nginx_c):
	@echo >&2 "$@ is missing, since nginx-dev has no more than modules" \
	    "need: set NGINX_SRC to a folder with all of nginx's sources$(if \
	    $(wildcard tools/nginx-source),; \"tools/nginx-source $(BUILD)\" \
	    fetches those of Debian and prints where they are)"
	@exit 1

deps:	## install the packages that all of this needs (Debian)
	@tools/install-deps $(DEPS)

pages:	## build the pages for the API and the status, into build/pages
	@tools/install-deps pages
	@tools/pages $(build)/pages

run:	## two PostgreSQL clusters and nginx on 127.0.0.1:8000, until Ctrl-C
	@tools/install-deps build pages run
	@$(submake) all pages
	@exec tools/run $(so)

install: all	## install module, schema, examples and, if built, pages
	install -d $(DESTDIR)$(modulesdir) $(DESTDIR)$(datadir) $(DESTDIR)$(docdir)
	install -m 644 $(so) $(DESTDIR)$(modulesdir)/
	install -m 644 sql/schema.sql sql/check.sql $(DESTDIR)$(datadir)/
	install -d $(DESTDIR)$(datadir)/monitoring
	install -m 644 monitoring/* $(DESTDIR)$(datadir)/monitoring/
	sed 's|/usr/share/$(MODULE)|$(datadir)|' pages/docs.conf \
	    > $(DESTDIR)$(datadir)/docs.conf
	if [ -e $(build)/pages/index.html ]; then \
	    install -d $(DESTDIR)$(datadir)/pages && \
	    install -m 644 $(build)/pages/* $(DESTDIR)$(datadir)/pages/; fi
	install -m 644 nginx.conf.example $(DESTDIR)$(docdir)/
	install -m 644 logrotate/$(MODULE) $(DESTDIR)$(docdir)/logrotate
	install -m 644 systemd/unique_random.conf $(DESTDIR)$(docdir)/systemd.conf
	@printf '%s\n' '' 'Next:' \
	    '  in each database, as README.md says:' \
	    '      psql -f $(datadir)/schema.sql' \
	    '  at the top of nginx.conf, which may be as the example in' \
	    '  $(docdir):' \
	    '      load_module $(modulesdir)/$(MODULE).so;' \
	    '  then start nginx. One that runs with an older module needs a' \
	    '  restart or a binary upgrade: a reload keeps what is loaded.'

deb:	## make the Debian package, into build/deb
	@tools/install-deps deb
	@tools/deb $(build)/deb

clean:	## remove what was built (.run keeps the data of make run)
	rm -rf $(build)

help:	## show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' \
	    $(MAKEFILE_LIST)

# Targets for who works on the module: a release does not have them.
-include t/targets.mk
