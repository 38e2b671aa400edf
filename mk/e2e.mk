# SPDX-License-Identifier: Apache-2.0
#
# Known-answer workloads and the end-to-end tests over them. A workload is one source; its variants are the same work built another way.
# `make workloads` builds them all into $(BUILD)/workloads, `make e2e` runs the tests (root and a BPF kernel are needed).

WL := $(BUILD)/workloads
WL_DIR := tests/workloads
WL_HEADERS := $(WL_DIR)/work.h $(WL_DIR)/tree.h $(WL_DIR)/fuse.h
# No frame pointers, no jumps instead of calls; compilers other than the C compiler of the tree are optional, each named where it is used.
WL_CFLAGS := -std=gnu11 -O2 -g -Wall -Wextra -Wshadow -iquote . -D_GNU_SOURCE -fomit-frame-pointer -fno-optimize-sibling-calls -fno-stack-protector
WL_FP := -fno-omit-frame-pointer -mno-omit-leaf-frame-pointer
MUSL_GCC ?= musl-gcc
GO ?= $(firstword $(wildcard /usr/lib/go-*/bin/go) go)

WL_PLAIN := calltree recursion signal_handler coroutines realign vfork_child threads prefork exec_in_place short_lived jit jit_rule syscall_heavy vdso_spin touchy \
	contained dlopen_late waits allocs alarms creator touch standstill unserved far held storm_spawn storm_brief storm_crowd storm_mappings storm_dlopen
WL_PROGRAMS := $(addprefix $(WL)/,$(WL_PLAIN) calltree_fp calltree_clang calltree_nopie calltree_static calltree_static_pie calltree_musl calltree_musl_static \
	calltree_stripped calltree_buildid calltree_debuglink calltree_minidebug jit_static storm_brief_static asm_frames plt_spin plt_lazy cpp gotree gotree_stripped gogc \
	allocs_static allocs_musl_static allocs_new allocs_new_static goallocs goallocs_stripped goroutines goroutines_stripped goroutines_pie goroutines_path gomemory gomemory_stripped gomemory_path \
	liblate_a.so liblate_b.so liblacks.so JavaTree.class)

.PHONY: workloads
workloads: $(WL_PROGRAMS) ## build the known-answer programs

wl_cc = $(call msg,WL,$@); mkdir -p $(@D); $(CC) $(WL_CFLAGS)

$(addprefix $(WL)/,$(WL_PLAIN)): $(WL)/%: $(WL_DIR)/%.c $(WL_HEADERS)
	$(Q)$(wl_cc) -pthread -o $@ $<
$(WL)/calltree_fp: $(WL_DIR)/calltree.c $(WL_HEADERS)
	$(Q)$(wl_cc) $(WL_FP) -o $@ $<
$(WL)/calltree_clang: $(WL_DIR)/calltree.c $(WL_HEADERS)
	$(Q)$(call msg,WL,$@); mkdir -p $(@D); $(CLANG) $(WL_CFLAGS) -Wno-unknown-attributes -o $@ $<
$(WL)/calltree_nopie: $(WL_DIR)/calltree.c $(WL_HEADERS)
	$(Q)$(wl_cc) -fno-pie -no-pie -o $@ $<
$(WL)/calltree_static: $(WL_DIR)/calltree.c $(WL_HEADERS)
	$(Q)$(wl_cc) -fno-pie -static -o $@ $<
$(WL)/calltree_static_pie: $(WL_DIR)/calltree.c $(WL_HEADERS)
	$(Q)$(wl_cc) -fPIE -static-pie -o $@ $<
$(WL)/jit_static: $(WL_DIR)/jit.c $(WL_HEADERS)
	$(Q)$(wl_cc) -fno-pie -static -o $@ $<
$(WL)/storm_brief_static: $(WL_DIR)/storm_brief.c $(WL_HEADERS)
	$(Q)$(wl_cc) -fno-pie -static -o $@ $<
$(WL)/calltree_musl: $(WL_DIR)/calltree.c $(WL_HEADERS)
	$(Q)$(call msg,WL,$@); mkdir -p $(@D); $(MUSL_GCC) $(WL_CFLAGS) -o $@ $<
$(WL)/calltree_musl_static: $(WL_DIR)/calltree.c $(WL_HEADERS)
	$(Q)$(call msg,WL,$@); mkdir -p $(@D); $(MUSL_GCC) $(WL_CFLAGS) -static -o $@ $<
$(WL)/allocs_static: $(WL_DIR)/allocs.c $(WL_HEADERS)
	$(Q)$(wl_cc) -pthread -fno-pie -static -o $@ $<
$(WL)/allocs_musl_static: $(WL_DIR)/allocs.c $(WL_HEADERS)
	$(Q)$(call msg,WL,$@); mkdir -p $(@D); $(MUSL_GCC) $(WL_CFLAGS) -pthread -static -o $@ $<
$(WL)/allocs_new: $(WL_DIR)/allocs_new.cpp $(WL_HEADERS)
	$(Q)$(call msg,WL,$@); mkdir -p $(@D); $(CXX) $(filter-out -std=gnu11,$(WL_CFLAGS)) -std=gnu++17 -Wno-missing-field-initializers -o $@ $<
$(WL)/allocs_new_static: $(WL_DIR)/allocs_new.cpp $(WL_HEADERS)
	$(Q)$(call msg,WL,$@); mkdir -p $(@D); $(CXX) $(filter-out -std=gnu11,$(WL_CFLAGS)) -std=gnu++17 -Wno-missing-field-initializers -fno-pie -static -o $@ $<
$(WL)/asm_frames: $(WL_DIR)/asm_frames.c $(WL_DIR)/asm_entry.S $(WL_HEADERS)
	$(Q)$(wl_cc) -o $@ $(WL_DIR)/asm_frames.c $(WL_DIR)/asm_entry.S
$(WL)/cpp: $(WL_DIR)/cpp.cpp $(WL_HEADERS)
	$(Q)$(call msg,WL,$@); mkdir -p $(@D); $(CXX) $(filter-out -std=gnu11,$(WL_CFLAGS)) -std=gnu++17 -Wno-missing-field-initializers -o $@ $<

# -- libraries: one to reach through the PLT, two that take each other's place
$(WL)/libplt_target.so: $(WL_DIR)/plt_target.c
	$(Q)$(wl_cc) -fPIC -shared -o $@ $<
$(WL)/plt_spin: $(WL_DIR)/plt_spin.c $(WL)/libplt_target.so $(WL_HEADERS)
	$(Q)$(wl_cc) -fplt -Wl,-z,now -o $@ $< -L$(WL) -lplt_target '-Wl,-rpath,$$ORIGIN'
$(WL)/plt_lazy: $(WL_DIR)/plt_spin.c $(WL)/libplt_target.so $(WL_HEADERS)
	$(Q)$(wl_cc) -fplt -Wl,-z,lazy,-z,norelro -o $@ $< -L$(WL) -lplt_target '-Wl,-rpath,$$ORIGIN'
$(WL)/liblate_a.so: $(WL_DIR)/late_library.c $(WL_HEADERS)
	$(Q)$(wl_cc) -fPIC -shared -DLATE_ENTRY=late_a_entry -DLATE_LEAF=late_a_leaf -o $@ $<
$(WL)/liblacks.so: $(WL_DIR)/lacks.c
	$(Q)$(wl_cc) -fPIC -shared -o $@ $<
$(WL)/liblate_b.so: $(WL_DIR)/late_library.c $(WL_HEADERS)
	$(Q)$(wl_cc) -fPIC -shared -DLATE_ENTRY=late_b_entry -DLATE_LEAF=late_b_leaf -o $@ $<

# -- one program, its symbols in four places: nowhere, by build-id, by debuglink, inside itself compressed. VARIANT makes their build-ids differ.
$(WL)/calltree_stripped: $(WL_DIR)/calltree.c $(WL_HEADERS)
	$(Q)$(wl_cc) '-DVARIANT="no symbols"' -Wl,--build-id=sha1 -o $@ $< -Wl,-s
$(WL)/calltree_buildid: $(WL_DIR)/calltree.c $(WL_HEADERS)
	$(Q)$(wl_cc) '-DVARIANT="symbols by build-id"' -Wl,--build-id=sha1 -o $@.full $<
	$(Q)objcopy --only-keep-debug $@.full $@.symbols && objcopy --strip-all $@.full $@
$(WL)/calltree_debuglink: $(WL_DIR)/calltree.c $(WL_HEADERS)
	$(Q)$(wl_cc) '-DVARIANT="symbols by debuglink"' -Wl,--build-id=none -o $@.full $<
	$(Q)objcopy --only-keep-debug $@.full $@.debug && objcopy --strip-all --add-gnu-debuglink=$@.debug $@.full $@
$(WL)/calltree_minidebug: $(WL_DIR)/calltree.c $(WL_HEADERS)
	$(Q)$(wl_cc) '-DVARIANT="symbols compressed"' -Wl,--build-id=sha1 -o $@.full $<
	$(Q)objcopy --only-keep-debug --strip-debug $@.full $@.mini && rm -f $@.mini.xz && xz -C crc32 $@.mini
	$(Q)objcopy --strip-all --add-section .gnu_debugdata=$@.mini.xz $@.full $@

# -- Go as Debian has it; -s -w leaves the line table that the runtime itself needs
wl_go = $(call msg,WL,$@); mkdir -p $(@D); CGO_ENABLED=0 GO111MODULE=off GOFLAGS= GOCACHE=$(abspath $(WL))/.go-cache $(GO) build
$(WL)/gogc: $(WL_DIR)/gogc.go
	$(Q)$(wl_go) -o $@ $<
$(WL)/goallocs: $(WL_DIR)/goallocs.go
	$(Q)$(wl_go) -o $@ $<
$(WL)/goallocs_stripped: $(WL_DIR)/goallocs.go
	$(Q)$(wl_go) -ldflags '-s -w' -o $@ $<
$(WL)/gotree: $(WL_DIR)/gotree.go
	$(Q)$(wl_go) -o $@ $<
$(WL)/gotree_stripped: $(WL_DIR)/gotree.go
	$(Q)$(wl_go) -ldflags '-s -w' -o $@ $<
# the network and the collector of profiles come with a cache of their own, which is kept; _path: whichever Go stands first in PATH, mostly a newer one
$(WL)/goroutines: $(WL_DIR)/goroutines.go
	$(Q)$(wl_go) -o $@ $<
$(WL)/goroutines_stripped: $(WL_DIR)/goroutines.go
	$(Q)$(wl_go) -ldflags '-s -w' -o $@ $<
$(WL)/goroutines_pie: $(WL_DIR)/goroutines.go
	$(Q)$(wl_go) -buildmode=pie -ldflags '-s -w' -o $@ $<
$(WL)/gomemory: $(WL_DIR)/gomemory.go
	$(Q)$(wl_go) -o $@ $<
$(WL)/gomemory_stripped: $(WL_DIR)/gomemory.go
	$(Q)$(wl_go) -ldflags '-s -w' -o $@ $<
$(WL)/gomemory_path: $(WL_DIR)/gomemory.go
	$(Q)$(wl_go) -o $@ $<
$(WL)/goroutines_path $(WL)/gomemory_path: GO := go
$(WL)/goroutines_path: $(WL_DIR)/goroutines.go
	$(Q)$(wl_go) -o $@ $<

# -- Java: the JVM of whoever runs the tests
JAVAC ?= javac
$(WL)/JavaTree.class: $(WL_DIR)/JavaTree.java
	$(Q)$(call msg,WL,$@); mkdir -p $(@D); $(JAVAC) -d $(@D) $<

# -- the tests: tests/e2e/*_test.c over tests/support, which read profiles with our own codec
E2E_SOURCES := $(wildcard tests/e2e/*_test.c)
E2E_TESTS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(E2E_SOURCES))
E2E_SUPPORT := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard tests/support/*.c))
E2E_ARCHIVES := $(foreach d,$(call upto,user/process),$(call archive,$(d)))

$(BUILD)/lib/tests-support.a: $(E2E_SUPPORT)
	$(call msg,AR,$@)
	$(Q)mkdir -p $(@D) && rm -f $@ && ar rcs $@ $^

$(BUILD)/tests/e2e/%_test: tests/e2e/%_test.c tests/e2e/e2e.h $(BUILD)/lib/tests-support.a $(E2E_ARCHIVES)
	$(call msg,TEST,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -Wno-missing-prototypes -MMD -MP -o $@ $(filter %.c %.a,$^) -lcmocka $(LDFLAGS) $(LIBS)

.PHONY: e2e
e2e: $(BUILD)/everprof workloads $(E2E_TESTS) ## build and run the end-to-end tests (root, a BPF kernel)
	$(Q)TEST_TIMEOUT=$${TEST_TIMEOUT:-900} tests/run $(E2E_TESTS)
