# Tapeloop. `make help` lists the targets. Everything that is built goes below build/.
#
# Sources are found by folder: lib/*/ makes one static library, each services/NAME/ (with its sub-folders) one program
# NAME, cli/ the program tapeloop, tests/unit/**/test_*.c one program each, tests/fuzz/fuzz_*.c one program each,
# tests/tools/NAME.c one program each. A new file needs no line here.

PREFIX  ?= /usr/local
DESTDIR ?=
ifeq ($(origin CC),default)
  CC    := gcc
endif
CLANG   ?= clang
BPFTOOL ?= bpftool
SAN     ?=
OPT     ?= -O2
V       ?= 0

VERSION := 0.1.0

# A sanitizer or another compiler gets a folder of its own, so that objects never mix.
comma := ,
B     := build/$(notdir $(CC))$(if $(SAN),-$(subst $(comma),-,$(SAN)))
GEN   := build/gen

ifeq ($(V),1)
  Q :=
  say = @:
else
  Q := @
  say = @printf '  %-5s %s\n'
endif

# The packages they come from: deploy/packages.txt.
PKGS     := libnats libuv libprotobuf-c liblz4 libbpf libpcap liburing libxxhash libcurl libmicrohttpd jansson libmnl libcrypto libcap-ng sqlite3 libnghttp2 zlib libbrotlidec libzstd libpcre2-8
CPPFLAGS += -D_GNU_SOURCE -DTAPELOOP_VERSION='"$(VERSION)"' -I. -Ilib -I$(GEN) $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla -Wno-format-zero-length -Werror
# Sanitizers add paths that gcc takes for ways to an uninitialised variable.
sanitize := $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer $(if $(findstring gcc,$(CC)),-Wno-maybe-uninitialized))
fortify  := $(if $(SAN)$(filter -O0,$(OPT)),,-D_FORTIFY_SOURCE=2)
CFLAGS   += -std=gnu11 -g $(OPT) -fno-strict-aliasing -fno-common -fstack-protector-strong $(WARNINGS) $(sanitize) $(fortify)
LDFLAGS  += $(if $(SAN),-fsanitize=$(SAN))
LDLIBS   += $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lpthread -lm
# `make fuzz` sets FUZZ=1: every object is instrumented, and the targets are linked with libFuzzer instead of tests/fuzz/replay.c.
FUZZ     ?=
ifeq ($(FUZZ),1)
  CFLAGS += -fsanitize=fuzzer-no-link
endif

protos    := $(wildcard proto/*.proto)
proto_gen := $(protos:proto/%.proto=$(GEN)/%.pb-c.c)
bpf_src   := $(shell find services -name '*.bpf.c')
bpf_gen   := $(patsubst %.bpf.c,$(GEN)/%.skel.h,$(notdir $(bpf_src)))
bpf_arch  := $(subst x86_64,x86,$(subst aarch64,arm64,$(shell uname -m)))

lib_src  := $(wildcard lib/*/*.c)
lib_obj  := $(lib_src:%.c=$(B)/%.o) $(proto_gen:$(GEN)/%.c=$(B)/gen/%.o)
services := $(notdir $(patsubst %/,%,$(dir $(wildcard services/*/main.c))))
parts    := $(notdir $(wildcard services/*)) # also those without a main yet
programs := $(services:%=$(B)/bin/%) $(if $(wildcard cli/main.c),$(B)/bin/tapeloop)

units    := $(shell find tests/unit -name 'test_*.c' 2>/dev/null)
fuzzers  := $(wildcard tests/fuzz/fuzz_*.c)
tools    := $(wildcard tests/tools/*.c)
unit_bin := $(units:%.c=$(B)/%)
fuzz_bin := $(fuzzers:%.c=$(B)/%)
tool_bin := $(tools:%.c=$(B)/%)

.PHONY: all
all: $(programs)

.SECONDARY:
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

# ---- What is generated ------------------------------------------------------------------------------------------

.PHONY: generated
generated: $(proto_gen) $(bpf_gen)

# Written elsewhere and moved, because several variants may be built at once.
$(GEN)/%.pb-c.c: proto/%.proto | $(B)/flags
	$(say) GEN $@
	@mkdir -p $(@D)
	$(Q)t=$$(mktemp -d $(GEN)/XXXXXX) && protoc-c --proto_path=proto --c_out=$$t $< && mv $$t/$*.pb-c.h $$t/$*.pb-c.c $(@D)/ && rmdir $$t

# Only for BPF programs that include it.
$(GEN)/vmlinux.h:
	$(say) BTF $@
	@mkdir -p $(@D)
	$(Q)$(BPFTOOL) btf dump file /sys/kernel/btf/vmlinux format c > $@.$$$$ && mv $@.$$$$ $@

define bpf_rule
$(GEN)/$(notdir $(1:.c=.o)): $(1) $(if $(shell grep -l '"vmlinux.h"' $(1)),$(GEN)/vmlinux.h) | $(B)/flags
	$$(say) BPF $$@
	@mkdir -p $$(@D)
	$$(Q)$$(CLANG) -g -O2 -target bpf -D__TARGET_ARCH_$(bpf_arch) -Wall -Werror -I. -I$(GEN) -I/usr/include/$$(shell uname -m)-linux-gnu -MMD -MP -MF $$@.d -MT $$@ -c $$< -o $$@.$$$$$$$$ && mv $$@.$$$$$$$$ $$@
$(GEN)/$(notdir $(1:.bpf.c=.skel.h)): $(GEN)/$(notdir $(1:.c=.o))
	$$(say) SKEL $$@
	$$(Q)$$(BPFTOOL) gen skeleton $$< name $(notdir $(1:.bpf.c=)) > $$@.$$$$$$$$ && mv $$@.$$$$$$$$ $$@
endef
$(foreach f,$(bpf_src),$(eval $(call bpf_rule,$(f))))

# ---- Objects and the library ------------------------------------------------------------------------------------

# Changes when the flags do, so that every object of the variant is made anew then.
flags := $(CC) $(CPPFLAGS) $(CFLAGS)
.PHONY: always
$(B)/flags: always
	@mkdir -p $(@D)
	@pkg-config --exists --print-errors $(PKGS) || { echo 'Packages are missing: sudo deploy/setup.sh build' >&2; exit 2; }
	@echo '$(subst ','"'"',$(flags))' | cmp -s - $@ || echo '$(subst ','"'"',$(flags))' > $@

$(B)/gen/%.o: $(GEN)/%.c $(B)/flags
	$(say) CC $<
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(filter-out $(WARNINGS),$(CFLAGS)) -MMD -MP -c $< -o $@

$(B)/%.o: %.c $(B)/flags | generated
	$(say) CC $<
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

# Built into the library as bytes.
$(B)/lib/bus/definitions.o: proto/streams.json

define archive
	$(say) AR $@
	@mkdir -p $(@D)
	@rm -f $@
	$(Q)ar rcs $@ $(filter %.o,$^)
endef

$(B)/libtapeloop.a: $(lib_obj)
	$(archive)

# A service's objects without its main, for its program and its tests.
objects_of = $(patsubst %.c,$(B)/%.o,$(filter-out %.bpf.c $(1)/main.c,$(shell find $(1) -name '*.c' 2>/dev/null)))
define part_rule
$(B)/lib$(1)-parts.a: $(call objects_of,$(2))
	$$(archive)
$(B)/bin/$(1): $(B)/$(2)/main.o $(call objects_of,$(2)) $(B)/libtapeloop.a
	$$(say) LD $$@
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(LDFLAGS) $$^ $$(LDLIBS) -o $$@
endef
$(foreach s,$(parts),$(eval $(call part_rule,$(s),services/$(s))))
$(eval $(call part_rule,tapeloop,cli))

# ---- Tests ------------------------------------------------------------------------------------------------------

# A test mirrors a source file: tests/unit/services/x/test_y.c may use all of services/x.
part_of = $(if $(filter tests/unit/services/%,$(1)),$(B)/lib$(word 4,$(subst /, ,$(1)))-parts.a,$(if $(filter tests/unit/cli/%,$(1)),$(B)/libtapeloop-parts.a))
define unit_rule
$(B)/$(1:.c=): $(B)/$(1:.c=.o) $(call part_of,$(1)) $(B)/libtapeloop.a
	$$(say) LD $$@
	$$(Q)$$(CC) $$(LDFLAGS) $$^ $$(LDLIBS) -lcmocka -o $$@
endef
$(foreach t,$(units),$(eval $(call unit_rule,$(t))))

# Fuzz targets and tools are linked with the services whose headers they include.
parts_in = $(patsubst services/%,$(B)/lib%-parts.a,$(sort $(shell grep -o '"services/[a-z0-9-]*' $(1) | tr -d '"')))

fuzz_main := $(if $(filter 1,$(FUZZ)),,$(B)/tests/fuzz/replay.o)
define fuzz_rule
$(B)/$(1:.c=): $(B)/$(1:.c=.o) $(fuzz_main) $(call parts_in,$(1)) $(B)/libtapeloop.a
	$$(say) LD $$@
	$$(Q)$$(CC) $$(LDFLAGS) $(if $(filter 1,$(FUZZ)),-fsanitize=fuzzer) $$^ $$(LDLIBS) -o $$@
endef
$(foreach f,$(fuzzers),$(eval $(call fuzz_rule,$(f))))

define tool_rule
$(B)/$(1:.c=): $(B)/$(1:.c=.o) $(call parts_in,$(1)) $(B)/libtapeloop.a
	$$(say) LD $$@
	$$(Q)$$(CC) $$(LDFLAGS) $$^ $$(LDLIBS) -o $$@
endef
$(foreach t,$(tools),$(eval $(call tool_rule,$(t))))

.PHONY: units replays tools everything setup test check fuzz lint bench demo peers
units: $(unit_bin)
replays: $(fuzz_bin)
tools: $(tool_bin)
everything: all units replays tools

# The targets that start from a bare checkout: set up, then make again, because this run of make looked for libraries before they were there.
again = +$(Q)$(MAKE) --no-print-directory $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc))
# What root has built belongs to the owner of the checkout.
give_back = @chown -R --reference=Makefile build 2>/dev/null || true

setup:
	@deploy/setup.sh

test: setup
	$(again) check; code=$$?; chown -R --reference=Makefile build 2>/dev/null; exit $$code

# TESTS='system/loss unit/lib/*' chooses.
check: everything
	$(Q)B=$(B) tests/run.sh $(TESTS)

fuzz: setup
	$(again) CC=$(CLANG) SAN=address,undefined FUZZ=1 B=build/fuzz replays
	$(Q)B=build/fuzz tests/fuzz/run.sh $(TESTS)

lint:
	$(Q)tests/lint/run.sh

bench: setup
	$(again) all tools
	$(Q)B=$(B) tests/bench/run.sh
	$(give_back)

demo: setup
	$(again) all
	$(Q)B=$(B) deploy/demo.sh
	$(give_back)

peers:
	$(Q)tests/peers/build.sh

# ---- Installing -------------------------------------------------------------------------------------------------

dest := $(DESTDIR)$(PREFIX)
.PHONY: install
install: all
	$(say) INST $(dest)
	$(Q)install -d $(dest)/bin $(dest)/share/man/man1 $(dest)/share/man/man8 $(dest)/share/bash-completion/completions $(dest)/share/tapeloop
	$(Q)install -m 755 $(programs) $(dest)/bin/
	$(Q)install -m 644 $(wildcard proto/*) $(dest)/share/tapeloop/
	$(Q)$(B)/bin/tapeloop --generate-manual > $(dest)/share/man/man1/tapeloop.1
	$(Q)$(B)/bin/tapeloop --generate-completion > $(dest)/share/bash-completion/completions/tapeloop
	$(Q)$(foreach s,$(services),$(B)/bin/$(s) --generate-manual > $(dest)/share/man/man8/$(s).8;)

.PHONY: clean help
clean:
	rm -rf build

help:
	@echo 'make                 build the programs into $(B)/bin'
	@echo 'make test            install missing packages (as root), build, run all tests: unit, fuzz seeds, system'
	@echo 'make check           build and run all tests, or TESTS="GLOB..." (unit/..., fuzz/..., system/...)'
	@echo 'make demo            install missing packages (as root), build, show the whole system at work'
	@echo 'make units           build the unit tests'
	@echo 'make fuzz            fuzz each parser for FUZZ_SECONDS (300), or TESTS="GLOB..."'
	@echo 'make lint            check layers, lengths, banned calls, scripts'
	@echo 'make bench           measure beside other recorders, write docs/benchmarks.md'
	@echo 'make peers           build the test peers that Debian does not ship'
	@echo 'make install         install to PREFIX ($(PREFIX)) below DESTDIR'
	@echo 'make clean           remove build/'
	@echo
	@echo 'CC=clang             another compiler                SAN=address,undefined   sanitizers (or SAN=thread)'
	@echo 'V=1                  show the commands               OPT=-O0                 optimisation'

-include $(shell find $(B) $(GEN) -name '*.d' 2>/dev/null)
