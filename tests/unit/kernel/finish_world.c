// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/kernel/finish_world.h"

static int find_mapping(void *ctx, const struct task_key *key, uint64_t pc, struct walk_mapping *ret)
{
	const struct world *w = ctx;

	assert_int_equal(key->tgid, 42);
	if (w->mapping_end)
		return w->mapping_end;
	if (pc >= CODE && pc < CODE_END)
		*ret = (struct walk_mapping){.start = CODE, .end = CODE_END, .bias = CODE, .object = OBJECT};
	else if (pc >= JIT && pc < JIT_END)
		*ret = (struct walk_mapping){.start = JIT, .end = JIT_END, .bias = w->jit_rule};
	else
		return END_NO_MAPPING;
	return 0;
}

static int find_row(void *ctx, uint32_t object, uint64_t vaddr, struct unwind_row *ret_row)
{
	const struct world *w = ctx;

	assert_int_equal(object, OBJECT);
	assert_true(vaddr < CODE_END - CODE);
	if (w->rows_end)
		return w->rows_end;
	*ret_row = (struct unwind_row){.cfa = ROW_CFA_NONE};
	for (uint32_t i = 0; i < w->n_rows && w->rows[i].pc <= (uint16_t)vaddr; i++)
		*ret_row = w->rows[i];
	return 0;
}

static int read_code(void *ctx, const struct task_key *key, uint32_t object, uint64_t vaddr, void *to,
		     size_t len)
{
	const struct world *w = ctx;

	assert_int_equal(key->tgid, 42);
	if (!object || !w->has_code)
		return -ENOENT;
	assert_int_equal(object, OBJECT);
	/* a call of five bytes before each multiple of 16, and nothing else */
	for (size_t i = 0; i < len; i++)
		((uint8_t *)to)[i] = (vaddr + i) % 16 == 11 ? 0xe8 : 0x90;
	return 0;
}

int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->record = calloc(1, sizeof(*w->record));
	assert_non_null(w->record);
	w->record->type = RECORD_UNFINISHED;
	w->record->key.tgid = 42;
	w->record->sp = STACK;
	w->record->stack_at = STACK;
	w->record->stack_bytes = 4096;
	w->record->leaf = 1;
	*state = w;
	return 0;
}

int teardown(void **state)
{
	struct world *w = *state;

	free(w->record);
	free(w);
	return 0;
}

/* The row that holds from `pc` on; rows are added in order. */
void row(struct world *w, uint16_t pc, uint8_t cfa, int16_t cfa_off, uint8_t saved, int16_t fp_off)
{
	assert_true(w->n_rows < ROWS_MAX);
	w->rows[w->n_rows++] = (struct unwind_row){
		.pc = pc, .cfa = cfa, .cfa_off = cfa_off, .saved = saved, .fp_off = fp_off};
}

void put(struct world *w, uint64_t addr, uint64_t value)
{
	assert_true(addr >= STACK && addr + 8 <= STACK + STACK_COPY_MAX);
	memcpy(w->record->stack + (addr - STACK), &value, sizeof(value));
}

struct finish_ports world__ports(struct world *w)
{
	return (struct finish_ports){
		.find_mapping = find_mapping, .find_row = find_row, .read_code = read_code, .ctx = w};
}

void walk(struct world *w, uint64_t pc)
{
	const struct finish_ports ports = world__ports(w);

	w->record->pc = pc;
	assert_int_equal(finish__walk(w->record, sizeof(*w->record), &ports, &w->walk), 0);
}

void expect(const struct world *w, uint8_t end, uint32_t n, const uint64_t *words)
{
	assert_int_equal(w->walk.end, end);
	assert_int_equal(w->walk.n_words, n);
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(w->walk.words[i], words[i]);
}
