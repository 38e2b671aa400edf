// SPDX-License-Identifier: Apache-2.0
/*
 * Any unfinished stack over any rows and mappings. The walk ends within its limits, in words that have a kind, with a reason.
 *
 *      header (struct input) | mappings | rows | stack
 *
 * Numbers are made small enough to meet each other: the stack is where SP points, mappings lie beside it, rows are sorted as a page has them.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "user/kernel/finish.h"
#include "user/kernel/losses.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAPPINGS_HERE 4
#define ROWS_HERE     32
#define CODE_START    0x10000ull
#define STACK_START   0x7f0000ull

struct input_mapping {
	uint8_t first_page, n_pages, object, bias_pages;
};

struct input {
	uint8_t n_mappings, n_rows, leaf, fp_unknown;
	uint16_t n_kernel, n_user;
	uint8_t end, wild; /* wild: registers as they come, else near the stack and the code */
	uint16_t pc, sp, fp;
	uint64_t regs[REGS_N];
};

struct world {
	struct walk_mapping mappings[MAPPINGS_HERE];
	uint32_t n_mappings;
	struct unwind_row rows[ROWS_HERE];
	uint32_t n_rows;
	uint32_t asked;
};

static int find_mapping(void *ctx, const struct task_key *key, uint64_t pc, struct walk_mapping *ret)
{
	struct world *w = ctx;

	(void)key;
	w->asked++;
	for (uint32_t i = 0; i < w->n_mappings; i++) {
		if (pc >= w->mappings[i].start && pc < w->mappings[i].end) {
			*ret = w->mappings[i];
			return 0;
		}
	}
	return END_NO_MAPPING;
}

static int find_row(void *ctx, uint32_t object, uint64_t vaddr, struct unwind_row *ret_row)
{
	struct world *w = ctx;

	w->asked++;
	if (object == 255 || (vaddr >> ROW_PAGE_BITS) % 7 == 6)
		return END_NO_ROWS;
	*ret_row = (struct unwind_row){.cfa = ROW_CFA_NONE};
	for (uint32_t i = 0; i < w->n_rows && w->rows[i].pc <= (uint16_t)vaddr; i++)
		*ret_row = w->rows[i];
	return 0;
}

static int read_code(void *ctx, const struct task_key *key, uint32_t object, uint64_t vaddr, void *to,
		     size_t len)
{
	(void)key;
	(void)ctx;
	if (object % 3 == 2)
		return -ENOENT;
	/* each other address stands behind a call */
	memset(to, vaddr & 1 ? 0xe8 : 0x90, len);
	return 0;
}

static int row__compare(const void *a, const void *b)
{
	return (int)((const struct unwind_row *)a)->pc - (int)((const struct unwind_row *)b)->pc;
}

/* Takes up to `len` bytes off the input. */
static size_t take(const uint8_t **at, size_t *left, void *to, size_t len)
{
	size_t n = len < *left ? len : *left;

	memcpy(to, *at, n);
	*at += n;
	*left -= n;
	return n;
}

static void read_world(struct world *w, const struct input *in, const uint8_t **at, size_t *left)
{
	struct input_mapping m[MAPPINGS_HERE] = {0};

	w->n_mappings = in->n_mappings % (MAPPINGS_HERE + 1);
	take(at, left, m, w->n_mappings * sizeof(*m));
	for (uint32_t i = 0; i < w->n_mappings; i++) {
		uint64_t start = CODE_START + m[i].first_page * 4096ull;

		w->mappings[i] = (struct walk_mapping){
			.start = start,
			.end = start + m[i].n_pages * 4096ull,
			.bias = start - m[i].bias_pages * 4096ull,
			.object = m[i].object,
		};
	}
	w->n_rows = in->n_rows % (ROWS_HERE + 1);
	take(at, left, w->rows, w->n_rows * sizeof(*w->rows));
	qsort(w->rows, w->n_rows, sizeof(*w->rows), row__compare);
}

static void read_record(struct unfinished_record *r, const struct input *in, const uint8_t **at, size_t *left)
{
	r->type = RECORD_UNFINISHED;
	r->n_kernel = in->n_kernel;
	r->n_user = in->n_user;
	r->leaf = in->leaf;
	r->fp_unknown = in->fp_unknown;
	r->end = in->end;
	memcpy(r->regs, in->regs, sizeof(r->regs));
	if (in->wild & 1) {
		r->pc = in->regs[0];
		r->sp = in->regs[7];
		r->fp = in->regs[6];
	} else {
		r->pc = CODE_START + in->pc;
		r->sp = STACK_START + (in->sp & ~7u);
		r->fp = r->sp + in->fp;
	}
	r->stack_at = r->sp;
	r->stack_bytes = (uint32_t)take(at, left, r->stack, STACK_COPY_MAX);
	if (in->wild & 4) {
		r->root_at = r->stack_at + r->stack_bytes + in->sp;
		r->root_bytes = in->fp % (STACK_ROOT_MAX + 1);
		for (uint32_t i = 0; i < r->root_bytes; i++)
			unfinished_record__root(r)[i] = r->stack[i % STACK_COPY_MAX];
	}
	if (in->wild & 2) { /* more than the record may hold, at times */
		memset(r->stack + r->stack_bytes, 0, sizeof(r->stack) - r->stack_bytes);
		r->stack_bytes += (uint64_t)in->fp * 16;
	}
}

static void check(const struct walk *w, const struct world *world)
{
	if (w->end >= END_MAX || w->n_words > STACK_WORDS_MAX || w->n_kernel > w->n_words)
		abort();
	if (w->n_words - w->n_kernel > USER_FRAMES_MAX + OUTER_FRAMES_MAX + 3)
		abort();
	/* no step asks more than once for each */
	if (world->asked > 2 * (WALK_FRAMES_MAX + 1))
		abort();
	if (end_is_complete(w->end))
		return;
	if (!w->n_words || w->words[w->n_words - 1] != frame_of_cut(w->end))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct unfinished_record record; /* half a MiB; only what an input sets is set back */
	struct world world = {0};
	const struct finish_ports ports = {
		.find_mapping = find_mapping, .find_row = find_row, .read_code = read_code, .ctx = &world};
	const uint8_t *at = data;
	size_t left = size;
	struct walk walk;
	struct input in;

	if (take(&at, &left, &in, sizeof(in)) < sizeof(in))
		return 0;
	memset(&record, 0, offsetof(struct unfinished_record, words));
	read_world(&world, &in, &at, &left);
	read_record(&record, &in, &at, &left);
	if (!finish__walk(&record, sizeof(record), &ports, &walk))
		check(&walk, &world);
	return 0;
}
