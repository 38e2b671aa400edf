# SPDX-License-Identifier: Apache-2.0
#
# Programs of `make bench`: meters, the kernel's own walk, and readers over our own libraries. tests/bench/run builds and runs them.

BENCH := $(BUILD)/tests/bench
BENCH_PROGRAMS := $(addprefix $(BENCH)/,meter mallocs reference kernel_walk kernel_walk.bpf.o pipe_rate asker empty_hook.bpf.o rows reading day recursion_fp)

.PHONY: bench-programs
bench-programs: $(BUILD)/everprof $(BENCH_PROGRAMS) $(WL)/recursion

bench_cc = $(call msg,BENCH,$@); mkdir -p $(@D); $(CC) $(ALL_CFLAGS)

$(BENCH)/meter $(BENCH)/mallocs $(BENCH)/reference $(BENCH)/kernel_walk $(BENCH)/pipe_rate $(BENCH)/asker: $(BENCH)/%: tests/bench/%.c
	$(Q)$(bench_cc) -o $@ $< -lbpf
$(BENCH)/rows: tests/bench/rows.c $(foreach d,$(call upto,user/object),$(call archive,$(d)))
	$(Q)$(bench_cc) -o $@ $^ $(LIBS)
$(BENCH)/reading $(BENCH)/day: $(BENCH)/%: tests/bench/%.c $(foreach d,$(call upto,user/query),$(call archive,$(d)))
	$(Q)$(bench_cc) -o $@ $^ $(LIBS) -lm
$(BENCH)/recursion_fp: $(WL_DIR)/recursion.c $(WL_HEADERS)
	$(Q)$(wl_cc) $(WL_FP) -o $@ $<
$(BENCH)/%.bpf.o: tests/bench/%.bpf.c
	$(call msg,BPF,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -c -o $@ $<
