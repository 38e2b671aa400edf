// SPDX-License-Identifier: Apache-2.0
#include "user/kernel/row_page.h"

#include <errno.h>
#include <string.h>

#define RULES_FOUND_MAX 1024 /* distinct rules that are looked for; a page of more repeats some */
#define RULE_SLOTS      (RULES_FOUND_MAX * 2)

/* The page's rules so far, where they lie. */
struct rules {
	uint32_t *cells;
	uint32_t n, max;
	uint16_t slots[RULE_SLOTS]; /* number + 1, by hash */
};

static uint64_t rule_of(const struct unwind_row *row)
{
	return (uint64_t)row->cfa | (uint64_t)row->saved << 8 | (uint64_t)(uint16_t)row->cfa_off << 16 |
	       (uint64_t)(uint16_t)row->fp_off << 32;
}

static int rules__number(struct rules *r, uint64_t rule, uint32_t *ret)
{
	uint32_t at = (uint32_t)((rule * 0x9e3779b97f4a7c15ull) >> 40) & (RULE_SLOTS - 1);

	for (; r->slots[at]; at = (at + 1) & (RULE_SLOTS - 1)) {
		const uint32_t *c = &r->cells[(r->slots[at] - 1) * 2];

		*ret = r->slots[at] - 1u;
		if (c[0] == (uint32_t)rule && c[1] == (uint32_t)(rule >> 32))
			return 0;
	}
	if (r->n == r->max)
		return -E2BIG;
	if (r->n < RULES_FOUND_MAX)
		r->slots[at] = (uint16_t)(r->n + 1);
	r->cells[r->n * 2] = (uint32_t)rule;
	r->cells[r->n * 2 + 1] = (uint32_t)(rule >> 32);
	*ret = r->n++;
	return 0;
}

/* Counts the rows that say another thing than the one before. */
static int count_rows(const struct unwind_row *rows, uint32_t n, uint32_t *ret)
{
	uint32_t kept = 1;

	if (!n || n > ROW_PAGE_SIZE || rows[0].pc)
		return -EINVAL;
	for (uint32_t i = 1; i < n; i++) {
		if (rows[i].pc <= rows[i - 1].pc)
			return -EINVAL;
		kept += rule_of(&rows[i]) != rule_of(&rows[i - 1]);
	}
	*ret = kept;
	return 0;
}

/* For each part, the last row at or before its start. */
static void index__fill(uint32_t *cells, uint32_t n)
{
	uint32_t row = 0;

	memset(cells, 0, ROW_INDEX_CELLS * sizeof(*cells));
	for (uint32_t part = 0; part < ROW_INDEX_PARTS; part++) {
		while (row + 1 < n && (cells[ROW_INDEX_CELLS + row + 1] & 0xffff) <= part << ROW_INDEX_SHIFT)
			row++;
		cells[part / 2] |= part & 1 ? row << 16 : row;
	}
}

int row_page__pack(const struct unwind_row *rows, uint32_t n, uint32_t *cells, uint32_t max_cells,
		   struct row_page_size *ret)
{
	uint32_t n_rows, kept = 0, number, used;
	struct rules r = {};
	int err = count_rows(rows, n, &n_rows);

	if (err)
		return err;
	if (ROW_INDEX_CELLS + n_rows + 2 > max_cells)
		return -E2BIG;
	r.cells = cells + ROW_INDEX_CELLS + n_rows;
	r.max = (max_cells - ROW_INDEX_CELLS - n_rows) / 2;
	for (uint32_t i = 0; i < n; i++) {
		if (i && rule_of(&rows[i]) == rule_of(&rows[i - 1]))
			continue;
		err = rules__number(&r, rule_of(&rows[i]), &number);
		if (err)
			return err;
		cells[ROW_INDEX_CELLS + kept++] = rows[i].pc | number << 16;
	}
	index__fill(cells, kept);
	used = ROW_INDEX_CELLS + kept + 2 * r.n;
	*ret = (struct row_page_size){
		.rows = kept,
		.cells = (used + ROW_PAGE_ALIGN - 1) / ROW_PAGE_ALIGN * ROW_PAGE_ALIGN,
	};
	return 0;
}
