// SPDX-License-Identifier: Apache-2.0
#include "user/runtime/jvm_rows.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "bpf/frame.h"
#include "user/object/unwind_row.h"

#define WORD     8u
#define PUSH_RBP 0x55
#define MOV_LEN  3u /* mov %rsp,%rbp: with -XX:+PreserveFramePointer */

/* sub $n,%rsp: its length, or 0. */
static size_t sub_len(const uint8_t *b, size_t len)
{
	if (len >= 4 && b[0] == 0x48 && b[1] == 0x83 && b[2] == 0xec)
		return 4;
	return len >= 7 && b[0] == 0x48 && b[1] == 0x81 && b[2] == 0xec ? 7 : 0;
}

/* mov %rbp,n(%rsp): its length, or 0. */
static size_t store_len(const uint8_t *b, size_t len)
{
	if (len >= 5 && b[0] == 0x48 && b[1] == 0x89 && b[2] == 0x6c && b[3] == 0x24)
		return 5;
	return len >= 8 && b[0] == 0x48 && b[1] == 0x89 && b[2] == 0xac && b[3] == 0x24 ? 8 : 0;
}

static bool is_mov(const uint8_t *b)
{
	return b[0] == 0x48 && ((b[1] == 0x8b && b[2] == 0xec) || (b[1] == 0x89 && b[2] == 0xe5));
}

/* Where the push that stands before `at` begins; `at` where there is none. */
static size_t find_push(const uint8_t *bytes, size_t at)
{
	size_t end = at > MOV_LEN && is_mov(bytes + at - MOV_LEN) ? at - MOV_LEN : at;

	return end && bytes[end - 1] == PUSH_RBP ? end - 1 : at;
}

/* From the end: what stands before the frame (a check of the receiver, a touch of the stack) may have any bytes. */
struct jvm_prologue jvm_prologue__parse(const uint8_t *bytes, size_t len)
{
	struct jvm_prologue p = {0};
	size_t at, sub = 0, push;

	for (at = len; at && !sub; at--)
		sub = sub_len(bytes + at - 1, len - at + 1);
	at = sub ? at : len;
	push = find_push(bytes, at);
	p.has_push = push < at;
	if (p.has_push)
		p.after_push = (uint8_t)(len - push - 1);
	if (!sub)
		return p;
	p.has_sub = true;
	p.after_sub = (uint8_t)(len - at - sub);
	for (size_t i = at + sub, store = 0; i < len && !store; i++) {
		store = store_len(bytes + i, len - i);
		if (store)
			p.after_store = (uint8_t)(len - i - store);
	}
	return p;
}

static struct unwind_row row_of_frame(uint32_t frame_bytes, bool fp_is_saved)
{
	struct unwind_row row = {.cfa = ROW_REG_RSP};

	if (!unwind_row__set_cfa_bytes(&row, frame_bytes))
		return unwind_row__of(ROW_CFA_UNSUPPORTED);
	if (fp_is_saved) {
		row.saved |= ROW_FP_AT_CFA;
		row.fp_off = -2;
	}
	return row;
}

struct page {
	struct row_list rows;
	uint64_t start;
};

/* From `at` on; what is before the page holds at its start. */
static void page__put(struct page *p, uint64_t at, struct unwind_row row)
{
	if (at < p->start + ROW_PAGE_SIZE)
		row_list__append(&p->rows, at > p->start ? (uint32_t)(at - p->start) : 0, row);
}

static void page__put_method(struct page *p, const struct jvm_blob *b)
{
	const struct jvm_prologue *f = &b->prologue;
	uint64_t complete = b->start + (b->frame_complete > 0 ? (uint32_t)b->frame_complete : 0);

	if (f->has_push || f->has_sub)
		page__put(p, b->start, row_of_frame(WORD, false));
	if (f->has_push)
		page__put(p, complete - f->after_push, row_of_frame(2 * WORD, true));
	if (f->has_sub)
		page__put(p, complete - f->after_sub, row_of_frame(b->frame_bytes, f->has_push));
	page__put(p, f->has_sub ? complete - f->after_store : complete, row_of_frame(b->frame_bytes, true));
}

static void page__put_blob(struct page *p, const struct jvm_blob *b)
{
	switch (b->kind) {
	case JVM_BLOB_COMPILED:
		page__put_method(p, b);
		break;
	case JVM_BLOB_BARE:
		page__put(p, b->start, row_of_frame(WORD, 0));
		break;
	case JVM_BLOB_INTERPRETER:
		page__put(p, b->start, unwind_row__of(ROW_CFA_INTERPRETER));
		break;
	case JVM_BLOB_STUBS:
		page__put(p, b->start, unwind_row__of(ROW_CFA_FRAME_POINTER));
		break;
	}
	page__put(p, b->start + b->bytes, unwind_row__of(ROW_CFA_NONE));
}

/* The whole address of what a frame has of one. */
static uint64_t address_of(const struct jvm_code *c, uint64_t vaddr)
{
	uint64_t at = (c->low & ~FRAME_VADDR_MASK) | (vaddr & FRAME_VADDR_MASK);

	return at < (c->low & ~(uint64_t)(ROW_PAGE_SIZE - 1)) ? at + FRAME_VADDR_MASK + 1 : at;
}

int jvm_rows__build(const struct jvm_code *code, uint64_t vaddr, struct unwind_row *rows, uint32_t max,
		    uint32_t *ret_n)
{
	struct page p = {.rows = {.rows = rows, .max = max},
			 .start = address_of(code, vaddr) & ~(uint64_t)(ROW_PAGE_SIZE - 1)};
	size_t i = jvm_code__count_to(code, p.start);

	page__put(&p, p.start, unwind_row__of(ROW_CFA_NONE));
	if (i && code->blobs[i - 1].start + code->blobs[i - 1].bytes > p.start)
		i--;
	if (i == code->n || code->blobs[i].start >= p.start + ROW_PAGE_SIZE)
		return -ENOENT;
	for (; i < code->n && code->blobs[i].start < p.start + ROW_PAGE_SIZE; i++)
		page__put_blob(&p, &code->blobs[i]);
	*ret_n = p.rows.n;
	return p.rows.full ? -E2BIG : 0;
}
