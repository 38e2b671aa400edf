// SPDX-License-Identifier: Apache-2.0
/* Any bytes as a JVM's memory, its tables included: the pieces of code are in order, in the code's bounds, each is found where it is, and their pages of rows are sorted. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "user/process/process_memory.h"
#include "user/runtime/jvm_code.h"
#include "user/runtime/jvm_names.h"
#include "user/runtime/jvm_rows.h"

#define BASE 0x10000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct image {
	const uint8_t *bytes;
	size_t len;
};

static int read_image(void *ctx, struct memory_span *spans, size_t n)
{
	const struct image *image = ctx;

	for (size_t i = 0; i < n; i++) {
		uint64_t at = spans[i].addr - BASE;

		spans[i].is_read =
			spans[i].addr >= BASE && at <= image->len && spans[i].len <= image->len - at;
		if (spans[i].is_read)
			memcpy(spans[i].to, image->bytes + at, spans[i].len);
	}
	return 0;
}

/* Tables that can be right, so that what lies behind them is come by. */
static void make_layout(const uint8_t *data, struct jvm_layout *l)
{
	static const uint8_t widths[] = {1, 2, 4, 8};

	*l = (struct jvm_layout){0};
	for (int i = 0; i < JVM_FIELDS_N; i++) {
		l->fields[i].at = i <= JVM_HIGH_BOUND ? BASE + data[i] : data[i];
		l->fields[i].width = i == JVM_BLOB_CODE_BEGIN && data[0] & 1
					     ? 0
					     : widths[i < JVM_ARRAY_LEN ? 3 : data[i] & 3];
	}
	/* an offset is any number: it must not lead out of what was read */
	if (data[0] & 2)
		l->fields[JVM_BLOCK_USED].at = ~(uint64_t)data[JVM_BLOCK_USED];
	for (int i = JVM_BLOB_METHOD; i < JVM_FIELDS_N; i++)
		if (i != JVM_CONST_NAME && i != JVM_SYMBOL_LENGTH)
			l->fields[i].width = 8;
	l->has_names = true;
	/* as jvm_layout__read has it */
	l->fields[JVM_ARRAY_DATA].width = l->fields[JVM_BLOB_NAME].width = 8;
	l->fields[JVM_SPACE_LOW].width = l->fields[JVM_SPACE_HIGH].width = 8;
	l->fields[JVM_BLOB_CODE_BEGIN].width = data[0] & 1 ? 0 : 8;
	l->block_header_bytes = 2u * l->fields[JVM_BLOCK_LENGTH].width;
}

/* Printable, and the same when the reading before is at hand. */
static void check_names(const struct jvm_memory *memory, const struct jvm_layout *l, const struct jvm_code *c)
{
	struct jvm_names names, again;

	if (jvm_names__read(memory, l, c, NULL, NULL, &names))
		return;
	if (jvm_names__read(memory, l, c, c, &names, &again))
		abort();
	for (size_t i = 0; i < c->n; i++) {
		const char *name = jvm_names__find(&names, i), *same = jvm_names__find(&again, i);

		if (!name != !same || (name && (strcmp(name, same) || strlen(name) > 2 * JVM_NAME_MAX + 1)))
			abort();
	}
	jvm_names__done(&names);
	jvm_names__done(&again);
}

/* Of the page with that address: from its start on, by ascending addresses. */
static void check_rows(const struct jvm_code *c, uint64_t at)
{
	static struct unwind_row rows[ROW_PAGE_SIZE];
	uint32_t n = 0;

	if (jvm_rows__build(c, at, rows, ROW_PAGE_SIZE, &n))
		return;
	if (!n || n > ROW_PAGE_SIZE || rows[0].pc)
		abort();
	for (uint32_t i = 1; i < n; i++)
		if (rows[i].pc <= rows[i - 1].pc)
			abort();
}

static void check(const struct jvm_memory *memory, const struct jvm_layout *l)
{
	struct jvm_code c;

	if (jvm_code__read(memory, l, &c))
		return;
	for (size_t i = 0; i < c.n; i++) {
		const struct jvm_blob *b = &c.blobs[i];

		if (!b->bytes || (i && b->start < b[-1].start + b[-1].bytes))
			abort();
		if (b->frame_complete < -1 ||
		    (b->frame_complete > 0 && (uint32_t)b->frame_complete > b->bytes))
			abort();
		if (jvm_code__find(&c, b->start) != b || jvm_code__find(&c, b->start + b->bytes - 1) != b)
			abort();
		check_rows(&c, b->start);
		check_rows(&c, b->start + b->bytes);
	}
	check_names(memory, l, &c);
	jvm_code__done(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct image image = {data, size};
	const struct jvm_memory memory = {read_image, &image};
	const struct jvm_tables tables = {
		.fields = {BASE, 48, 0, 8, 16, 32, 40},
		.types = {BASE, 48, 0, 0, 0, 8, 8},
	};
	struct jvm_layout l;

	if (!jvm_layout__read(&memory, &tables, &l))
		check(&memory, &l);
	if (size < JVM_FIELDS_N)
		return 0;
	image = (struct image){data + JVM_FIELDS_N, size - JVM_FIELDS_N};
	make_layout(data, &l);
	check(&memory, &l);
	return 0;
}
