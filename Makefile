# SPDX-License-Identifier: Apache-2.0
#
# everprof: `make` builds build/everprof; `sudo make run` and `sudo make test` do all their own set-up.
# Non-recursive: every source is found here, each folder of user/ and exporters/ becomes one archive, and the archives are
# linked in layer order, so that a call upwards does not link (tests/lint checks the includes too).

BUILD ?= build
PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
DESTDIR ?=
V ?= 0
WERROR ?= 1

CC ?= gcc
CLANG ?= clang
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool /usr/bin/bpftool /usr/local/sbin/bpftool) bpftool)
PKG_CONFIG ?= pkg-config

VERSION := $(shell cat VERSION 2>/dev/null || echo 0)
ARCH := $(shell uname -m | sed -e s/x86_64/x86/ -e s/aarch64/arm64/)

ifeq ($(V),1)
Q :=
msg = @:
else
Q := @
msg = @printf '  %-8s %s\n' "$(1)" "$(patsubst $(BUILD)/%,%,$(2))"
endif

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wno-missing-field-initializers
ifeq ($(WERROR),1)
WARNINGS += -Werror
endif
SANITIZE ?=
CFLAGS ?= -O2 -g
ALL_CFLAGS = -std=gnu11 $(CFLAGS) $(WARNINGS) $(SANITIZE) -D_GNU_SOURCE -DEVERPROF_VERSION='"$(VERSION)"' -iquote . -iquote $(BUILD) -fno-omit-frame-pointer \
	-fstack-protector-strong
LIBS := -lbpf -ldw -lelf -lyaml -ljansson -lz -lzstd -llzma -liberty -lmicrohttpd -lcurl -lgnutls -lseccomp -lcap-ng -lpthread -lm

# Layers, lowest first. A folder may use those before it (ARCHITECTURE: tests/lint/layers has the exact rules).
LAYERS := user/base user/config user/profile exporters/format user/object user/process user/runtime user/symbolize \
	user/kernel user/store user/query user/pipeline exporters/sink user/alert user/server user/cmd
LAYERS := $(foreach d,$(LAYERS),$(if $(wildcard $(d)/*.c),$(d)))

archive = $(BUILD)/lib/$(subst /,-,$(1)).a
sources = $(wildcard $(1)/*.c)
objects = $(patsubst %.c,$(BUILD)/obj/%.o,$(call sources,$(1)))
# a layer and all below it, highest first, as the linker wants them
upto = $(call upto_,$(1),$(LAYERS),)
upto_ = $(if $(2),$(if $(filter $(1),$(firstword $(2))),$(firstword $(2)) $(3),$(call upto_,$(1),$(wordlist 2,99,$(2)),$(firstword $(2)) $(3))),$(3))

ARCHIVES := $(foreach d,$(LAYERS),$(call archive,$(d)))
BPF_SOURCES := $(wildcard bpf/*.bpf.c)
BPF_HEADERS := $(wildcard bpf/*.h)
SKELETON := $(BUILD)/everprof.skel.h

UNIT_SOURCES := $(wildcard tests/unit/*/*_test.c)
UNIT_TESTS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(UNIT_SOURCES))
BPF_TEST_SOURCES := $(wildcard tests/bpf/*_test.c)
BPF_TESTS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(BPF_TEST_SOURCES))

.DELETE_ON_ERROR:
.SECONDARY:
.SUFFIXES:
.PHONY: all
all: $(BUILD)/everprof

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

# ---- the binary -------------------------------------------------------------------------------------------------------
$(BUILD)/everprof: $(BUILD)/obj/user/main.o $(ARCHIVES)
	$(call msg,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -Wl,-z,relro,-z,now -o $@ $< $(foreach d,$(call upto,$(lastword $(LAYERS))),$(call archive,$(d))) $(LDFLAGS) $(LIBS)

define archive_rule
$(call archive,$(1)): $(call objects,$(1))
	$$(call msg,AR,$$@)
	$$(Q)mkdir -p $$(@D) && rm -f $$@ && ar rcs $$@ $$^
endef
$(foreach d,$(LAYERS),$(eval $(call archive_rule,$(d))))

$(BUILD)/obj/%.o: %.c
	$(call msg,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# Whoever includes the skeleton needs it first; the dependency files know the rest.
$(call objects,user/kernel): | $(SKELETON)

# The names of system calls, of the headers that this build sees.
$(BUILD)/syscall_names.h:
	$(call msg,GEN,$@)
	$(Q)mkdir -p $(@D)
	$(Q)echo '#include <asm/unistd.h>' | $(CC) -E -dM - | sed -n 's/^#define __NR_\([a-z0-9_]*\) \([0-9][0-9]*\)$$/[\2] = "\1",/p' | sort -V >$@
$(BUILD)/obj/user/base/syscall_name.o: | $(BUILD)/syscall_names.h

# ---- the kernel side --------------------------------------------------------------------------------------------------
BPF_CFLAGS := -g -O2 -target bpf -mcpu=v3 -D__TARGET_ARCH_$(ARCH) -D__BPF__ -Wall -Wextra -Wno-unused-parameter -Werror -iquote . \
	-idirafter /usr/include/$(shell uname -m)-linux-gnu

$(BUILD)/bpf/%.bpf.o: bpf/%.bpf.c
	$(call msg,BPF,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/everprof.bpf.o: $(patsubst %.c,$(BUILD)/%.o,$(BPF_SOURCES))
	$(call msg,BPFLINK,$@)
	$(Q)$(BPFTOOL) gen object $@ $^

$(SKELETON): $(BUILD)/everprof.bpf.o
	$(call msg,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name everprof_bpf > $@

# ---- tests ------------------------------------------------------------------------------------------------------------
# tests/unit/<folder>/<noun>_test.c links that folder's layer and those below; the folder's name is its last component.
unit_layer = $(firstword $(filter %/$(1),$(LAYERS)))
define unit_rule
$(patsubst tests/%.c,$(BUILD)/tests/%,$(1)): $(1) $(foreach d,$(call upto,$(call unit_layer,$(notdir $(patsubst %/,%,$(dir $(1)))))),$(call archive,$(d)))
	$$(call msg,TEST,$$@)
	$$(Q)mkdir -p $$(@D)
	$$(Q)$$(CC) $$(ALL_CFLAGS) -Wno-missing-prototypes -MMD -MP -o $$@ $$(filter %.c,$$^) $$(filter %.a,$$^) -lcmocka $$(LDFLAGS) $$(LIBS)
endef
$(foreach t,$(UNIT_SOURCES),$(eval $(call unit_rule,$(t))))
# what some of them share
$(addprefix $(BUILD)/tests/unit/kernel/,finish_test finish_code_test finish_depth_test): tests/unit/kernel/finish_world.c
$(addprefix $(BUILD)/tests/unit/alert/,rule_engine_test rule_guard_test rule_report_test rule_terms_test): tests/unit/alert/engine.c
# the comparison of `make validate`, on a few files
$(BUILD)/tests/unit/object/cfi_test: tests/validate/cfi_answer.c tests/validate/cfi_compare.c

# The kernel-side logic compiled for the host over tests/bpf/shim.h.
$(BUILD)/tests/bpf/%_test: tests/bpf/%_test.c $(wildcard tests/bpf/*.h) $(BPF_HEADERS)
	$(call msg,TEST,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -Wno-missing-prototypes -fsanitize=address,undefined -fno-sanitize-recover=all -o $@ $< -lcmocka -lm

.PHONY: unit
unit: $(UNIT_TESTS) $(BPF_TESTS) ## build and run the unit tests (no root, no kernel)
	$(Q)tests/run $(UNIT_TESTS) $(BPF_TESTS)

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

include mk/web.mk mk/setup.mk mk/check.mk mk/install.mk mk/e2e.mk mk/fuzz.mk mk/bench.mk
