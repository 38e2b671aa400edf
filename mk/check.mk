# SPDX-License-Identifier: Apache-2.0
#
# Checks of the source (lint), and the long ones that `make test` leaves out.

FORMATTED := $(shell find user bpf exporters tests -name '*.[ch]' 2>/dev/null)

.PHONY: lint format compile-db
lint: all ## layers, licences, sizes, names, format (what `make test` checks too)
	$(Q)BUILD=$(BUILD) tests/lint/run

format: ## bring all C sources into shape by .clang-format
	$(Q)clang-format -i $(FORMATTED)

compile-db: ## write compile_commands.json for editors and analysers
	$(Q)$(MAKE) --no-print-directory -n -B --keep-going V=1 test-programs $(E2E_TESTS) 2>/dev/null | mk/compile-db >compile_commands.json

.PHONY: verifier-budget
verifier-budget: $(BUILD)/tests/unit/kernel/verifier_budget_test ## write tests/budget/verifier anew (root, a BPF kernel)
	$(Q)$< --refresh

.PHONY: bench fuzz vm validate
bench: all ## measure our own cost
	$(Q)BUILD=$(BUILD) tests/bench/run

fuzz: ## hours of hostile input for every parser
	$(Q)BUILD=$(BUILD) tests/fuzz/run

vm: all ## other kernels, under emulation
	$(Q)BUILD=$(BUILD) tests/vm/run

# Programs of the long proofs, which build what they need.
VALIDATE := $(BUILD)/tests/validate

$(VALIDATE)/switch_trace: tests/validate/switch_trace.c tests/validate/switch_trace.h
	$(call msg,VALIDATE,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -o $@ $< -lbpf
$(VALIDATE)/switch_trace.bpf.o: tests/validate/switch_trace.bpf.c tests/validate/switch_trace.h bpf/kernel.bpf.h
	$(call msg,BPF,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -c -o $@ $<

validate: all ## long comparisons with the truth and with perf; results are kept in tests/results
	$(Q)BUILD=$(BUILD) tests/validate/run
