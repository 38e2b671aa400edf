/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory_kind - the kinds of memory that a page fault may bring, and those that the kernel takes for itself, by the names that the label `memory` has.
 *
 * Owns: nothing. Thread: any. Limit: MEMORY_KIND_MAX. Errors: none.
 */
#ifndef EVERPROF_CONFIG_MEMORY_KIND_H
#define EVERPROF_CONFIG_MEMORY_KIND_H

#include "bpf/kmem.h"
#include "bpf/memory_kind.h"

/* "" where there is no such kind. */
const char *memory_kind__name(unsigned int kind);
const char *kmem_kind__name(unsigned int kind);

#endif
