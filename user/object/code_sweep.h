/* SPDX-License-Identifier: Apache-2.0 */
/*
 * code_sweep - follows the code of a stretch of bytes from where functions start, and knows the stack at each instruction it came by.
 *
 * Owns: some twenty bytes for each byte of code. Borrows the bytes. Thread: one owner. Limit: CODE_SWEEP_MAX bytes of code, CODE_SWEEP_STEPS instructions a byte, ways
 * to go included; past that nothing is known. Errors: -E2BIG, -ENOMEM.
 */
#ifndef EVERPROF_OBJECT_CODE_SWEEP_H
#define EVERPROF_OBJECT_CODE_SWEEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/object/stack_state.h"

struct code_sweep;
struct noreturn;

#define CODE_SWEEP_MAX   (1u << 18)
#define CODE_SWEEP_STEPS 4

/* Where jump tables are read from: other bytes of the same file. */
struct code_memory {
	bool (*read)(void *ctx, uint64_t vaddr, void *to, size_t len);
	void *ctx;
};

/* The code lies at virtual address `start`. memory may be NULL: jumps through tables lead nowhere then. habits: enum stack_habit. */
int code_sweep__new(const uint8_t *bytes, size_t len, uint64_t start, const struct code_memory *memory,
		    unsigned int habits, struct code_sweep **ret_sweep);
void code_sweep__free(struct code_sweep *s);
/* Addresses [from, to) are to be followed; others have rules of their own. */
void code_sweep__allow(struct code_sweep *s, uint64_t from, uint64_t to);
/* How much that is, in bytes. */
uint32_t code_sweep__n_allowed(const struct code_sweep *s);
/* A function starts there. */
void code_sweep__add_start(struct code_sweep *s, uint64_t vaddr);
/* Something points there: if nothing leads there, a function starts. */
void code_sweep__add_pointed(struct code_sweep *s, uint64_t vaddr);
/* Functions that never return; borrowed. */
void code_sweep__set_noreturn(struct code_sweep *s, const struct noreturn *noreturn);
/* What is called, or pointed to, from these bytes of code at `start`: its own, or others of the file. */
void code_sweep__find_starts(struct code_sweep *s, const uint8_t *bytes, size_t len, uint64_t start);
/* The same of addresses that it has as numbers, as in a program that is linked to one place. */
void code_sweep__find_constants(struct code_sweep *s, const uint8_t *bytes, size_t len, uint64_t start);
/* Follows the code from all starts. */
void code_sweep__run(struct code_sweep *s);
/* Then from where functions seem to start, in what was not reached: behind padding, aligned. Less is made of these than of the others. */
void code_sweep__run_rest(struct code_sweep *s);
/* The state before the instruction that starts there; NULL where none was come by. ret_len: its length. */
const struct stack_state *code_sweep__find(const struct code_sweep *s, uint64_t vaddr, uint8_t *ret_len);

#endif
