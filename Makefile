# Tapeloop. `make help` lists the targets. Everything that is built goes below build/.
#
# Sources are found by folder: lib/*/ makes one static library, each services/NAME/ (with its sub-folders) one program
# NAME, cli/ the program tapeloop, tests/unit/**/test_*.c one program each, tests/fuzz/fuzz_*.c one program each,
# tests/tools/NAME.c one program each. A new file needs no line here.

PREFIX  ?= /usr/local
DESTDIR ?=
CC      ?= gcc
CLANG   ?= clang
BPFTOOL ?= bpftool
SAN     ?=
V       ?= 0

VERSION := 0.1.0

# A sanitizer or another compiler gets a folder of its own, so that objects never mix.
variant := $(notdir $(CC))$(if $(SAN),-$(subst $(comma),-,$(SAN)))
comma   := ,
B       := build/$(notdir $(CC))$(if $(SAN),-$(subst $(comma),-,$(SAN)))
GEN     := build/gen

ifeq ($(V),1)
  Q :=
  say = @:
else
  Q := @
  say = @printf '  %-5s %s\n'
endif

PKGS     := libnats libuv libprotobuf-c liblz4 libbpf libpcap liburing libxxhash libcurl libmicrohttpd jansson libmnl libcrypto
CPPFLAGS += -D_GNU_SOURCE -I. -DTAPELOOP_VERSION='"$(VERSION)"' -Ilib -I$(GEN) $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla -Wno-format-zero-length -Werror
OPT      ?= -O2
CFLAGS   += -std=gnu11 -g $(OPT) -fno-strict-aliasing -fno-common -fstack-protector-strong $(WARNINGS) $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer,-D_FORTIFY_SOURCE=2)
LDFLAGS  += $(if $(SAN),-fsanitize=$(SAN))
LDLIBS   += $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lpthread -lm

protos    := $(wildcard proto/*.proto)
proto_gen := $(patsubst proto/%.proto,$(GEN)/%.pb-c.c,$(protos))
bpf_src   := $(shell find services -name '*.bpf.c')
bpf_gen   := $(patsubst %.bpf.c,$(GEN)/%.skel.h,$(notdir $(bpf_src)))

lib_src  := $(wildcard lib/*/*.c)
lib_obj  := $(lib_src:%.c=$(B)/%.o) $(patsubst $(GEN)/%.c,$(B)/gen/%.o,$(proto_gen))
services := $(notdir $(patsubst %/,%,$(dir $(wildcard services/*/main.c))))
programs := $(services:%=$(B)/bin/%) $(if $(wildcard cli/main.c),$(B)/bin/tapeloop)

units    := $(shell find tests/unit -name 'test_*.c' 2>/dev/null)
fuzzers  := $(wildcard tests/fuzz/fuzz_*.c)
tools    := $(wildcard tests/tools/*.c)
unit_bin := $(units:%.c=$(B)/%)
fuzz_bin := $(fuzzers:%.c=$(B)/%)
tool_bin := $(tools:%.c=$(B)/%)

.PHONY: all clean help
.SECONDARY:
.DELETE_ON_ERROR:

all: $(programs)

generated: $(proto_gen) $(bpf_gen)
.PHONY: generated

$(GEN)/%.pb-c.c: proto/%.proto
	$(say) GEN $@
	@mkdir -p $(@D)
	$(Q)protoc-c --proto_path=proto --c_out=$(GEN) $<

$(GEN)/vmlinux.h:
	@mkdir -p $(@D)
	$(say) BTF $@
	$(Q)$(BPFTOOL) btf dump file /sys/kernel/btf/vmlinux format c > $@

define bpf_rule
$(GEN)/$(notdir $(1:.bpf.c=.bpf.o)): $(1)
	@mkdir -p $$(@D)
	$$(say) BPF $$@
	$$(Q)$$(CLANG) -g -O2 -target bpf -D__TARGET_ARCH_x86 -Wall -Werror -I$(dir $(1)) -I/usr/include/$$(shell uname -m)-linux-gnu -MMD -MP -MF $$@.d -c $$< -o $$@
$(GEN)/$(notdir $(1:.bpf.c=.skel.h)): $(GEN)/$(notdir $(1:.bpf.c=.bpf.o))
	$$(say) SKEL $$@
	$$(Q)$$(BPFTOOL) gen skeleton $$< name $(notdir $(1:.bpf.c=)) > $$@
endef
$(foreach f,$(bpf_src),$(eval $(call bpf_rule,$(f))))

$(B)/gen/%.o: $(GEN)/%.c
	@mkdir -p $(@D)
	$(say) CC $<
	$(Q)$(CC) $(CPPFLAGS) $(filter-out $(WARNINGS),$(CFLAGS)) -MMD -MP -c $< -o $@

$(B)/%.o: %.c | generated
	@mkdir -p $(@D)
	$(say) CC $<
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(CFLAGS_$(firstword $(subst /, ,$*))) -MMD -MP -c $< -o $@

$(B)/lib/bus/definitions.o: proto/streams.json # embedded with .incbin

$(B)/libtapeloop.a: $(lib_obj)
	$(say) AR $@
	@rm -f $@
	$(Q)ar rcs $@ $^

# A program is its folder's objects and what it needs of the library.
define program_rule
$(B)/bin/$(1): $(patsubst %.c,$(B)/%.o,$(filter-out %.bpf.c,$(shell find $(2) -name '*.c'))) $(B)/libtapeloop.a
	@mkdir -p $$(@D)
	$$(say) LD $$@
	$$(Q)$$(CC) $$(LDFLAGS) $$^ $$(LDLIBS) -o $$@
endef
$(foreach s,$(services),$(eval $(call program_rule,$(s),services/$(s))))
$(eval $(call program_rule,tapeloop,cli))

# A test mirrors a source file: tests/unit/services/x/test_y.c is linked with the objects of services/x but its main.
service_objs = $(patsubst %.c,$(B)/%.o,$(filter-out %.bpf.c %/main.c,$(if $(filter services/%,$(1)),$(shell find services/$(word 2,$(subst /, ,$(1))) -name '*.c'))$(if $(filter cli/%,$(1)),$(wildcard cli/*.c))))
define unit_rule
$(B)/$(1:.c=): $(B)/$(1:.c=.o) $(call service_objs,$(patsubst tests/unit/%,%,$(1))) $(B)/libtapeloop.a
	$$(say) LD $$@
	$$(Q)$$(CC) $$(LDFLAGS) $$^ $$(LDLIBS) -lcmocka -o $$@
endef
$(foreach t,$(units),$(eval $(call unit_rule,$(t))))

$(tool_bin): $(B)/%: $(B)/%.o $(B)/libtapeloop.a
	$(say) LD $@
	$(Q)$(CC) $(LDFLAGS) $^ $(LDLIBS) -o $@

units: $(unit_bin)
tools: $(tool_bin)
.PHONY: units tools

clean:
	rm -rf build

-include $(shell find build -name '*.d' 2>/dev/null)
