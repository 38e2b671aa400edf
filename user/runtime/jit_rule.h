/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jit_rule - the one unwind rule that a JIT compiler tells debuggers for all of its code.
 *
 * Owns: nothing. Thread: any; reading may take as long as the process likes (its memory may be a file of its own making). Limit: JIT_IMAGES_MAX images of
 * JIT_IMAGE_BYTES_MAX. Errors: -ENOENT the program does not tell, -ENODATA it has not yet; -EOPNOTSUPP what it tells is not one rule for all; -EBADMSG damaged;
 * -errno of what cannot be read.
 */
#ifndef EVERPROF_RUNTIME_JIT_RULE_H
#define EVERPROF_RUNTIME_JIT_RULE_H

#include <stddef.h>
#include <stdint.h>

#include "bpf/row.h"

#define JIT_IMAGES_MAX      8
#define JIT_IMAGE_BYTES_MAX 65536

struct elf;

/* Addresses [start, end) of the process. */
struct jit_rule {
	uint64_t start, end;
	struct unwind_row row;
};

/* The rule of an image as a debugger gets it: an ELF file whose code lies elsewhere in the process. */
int jit_rule__of_image(const void *bytes, size_t len, struct jit_rule *ret_rule);
/* Asks the process that runs `program`, which is loaded at `bias`. */
int jit_rule__read(uint32_t pid, const struct elf *program, uint64_t bias, struct jit_rule *ret_rule);

#endif
