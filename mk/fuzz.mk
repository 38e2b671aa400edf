# SPDX-License-Identifier: Apache-2.0
#
# Fuzz programs: tests/fuzz/<noun>_fuzz.c holds LLVMFuzzerTestOneInput, tests/fuzz/corpus/<noun>/ its first inputs. A harness says what it is
# about by its includes: it links the highest layer that it includes and those below. tests/fuzz/run builds them in $(BUILD)/fuzz,
# every archive with the sanitizers; nothing here is part of an ordinary build.

FUZZ_SOURCES := $(wildcard tests/fuzz/*_fuzz.c)
FUZZ_PROGRAMS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(FUZZ_SOURCES))
FUZZ_SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all

fuzz_folders = $(sort $(shell sed -n 's|^\#include "\(.*\)/[^/]*"|\1|p' $(1)))
fuzz_layer = $(lastword $(filter $(call fuzz_folders,$(1)),$(LAYERS)))
define fuzz_rule
$(patsubst tests/%.c,$(BUILD)/tests/%,$(1)): $(1) $(foreach d,$(call upto,$(call fuzz_layer,$(1))),$(call archive,$(d)))
	$$(call msg,FUZZ,$$@)
	$$(Q)mkdir -p $$(@D)
	$$(Q)$$(CC) $$(ALL_CFLAGS) -Wno-missing-prototypes -fsanitize=fuzzer -MMD -MP -o $$@ $$(filter %.c %.a,$$^) $$(LDFLAGS) $$(LIBS)
endef
$(foreach s,$(FUZZ_SOURCES),$(eval $(call fuzz_rule,$(s))))

.PHONY: fuzz-programs fuzz-programs-sanitized
fuzz-programs-sanitized: $(FUZZ_PROGRAMS)

# libFuzzer comes with clang only; what it warns of is not what the compiler of the tree warns of. The flags of the ordinary build do not reach this one.
fuzz-programs: ## build the fuzz programs in $(BUILD)/fuzz
	$(Q)$(MAKE) --no-print-directory --keep-going $(parallel) BUILD=$(BUILD)/fuzz CC=$(CLANG) WERROR=0 CFLAGS='-O1 -g' \
		SANITIZE='-fsanitize=fuzzer-no-link $(FUZZ_SANITIZE)' fuzz-programs-sanitized
