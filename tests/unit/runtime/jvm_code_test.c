/* SPDX-License-Identifier: Apache-2.0 */
/* A made-up JVM: one heap of eight segments in a block of memory, and the tables that tell of it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "user/process/process_memory.h"
#include "user/runtime/jvm_code.h"

#define BASE    0x10000u
#define BYTES   8192u
#define STRIDE  48
#define TABLE   0x0
#define STRINGS 0x800
#define STATICS 0x1000
#define HEAP    0x1100
#define SEGMAP  0x1200
#define CODE    0x1400
#define SEGMENT 128
#define N_ROWS  17

static uint8_t image[BYTES];
static uint32_t strings_used;

static int read_image(void *ctx, struct memory_span *spans, size_t n)
{
	(void)ctx;
	for (size_t i = 0; i < n; i++) {
		uint64_t at = spans[i].addr - BASE;

		spans[i].is_read = spans[i].addr >= BASE && at <= BYTES && spans[i].len <= BYTES - at;
		if (spans[i].is_read)
			memcpy(spans[i].to, image + at, spans[i].len);
	}
	return 0;
}

static const struct jvm_memory memory = {read_image, NULL};
/* no type is told */
static const struct jvm_tables tables = {
	.fields = {BASE + TABLE, STRIDE, 0, 8, 16, 32, 40},
	.types = {BASE + CODE + 16 * SEGMENT, 16, 0, 0, 0, 8, 8},
};

static void put(uint64_t at, uint64_t v, size_t width)
{
	memcpy(image + at, &v, width);
}

static uint64_t put_string(const char *s)
{
	uint64_t at = STRINGS + strings_used;

	strings_used += (uint32_t)strlen(s) + 1;
	assert_true(STRINGS + strings_used < STATICS);
	strcpy((char *)image + at, s);
	return BASE + at;
}

static void put_field(uint32_t i, const char *type, const char *field, const char *of, uint64_t offset,
		      uint64_t address)
{
	uint64_t at = TABLE + (uint64_t)i * STRIDE;

	put(at, put_string(type), 8);
	put(at + 8, put_string(field), 8);
	put(at + 16, put_string(of), 8);
	put(at + 32, offset, 8);
	put(at + 40, address, 8);
}

static void put_tables(void)
{
	static const struct {
		const char *type, *field, *of;
		uint64_t offset, address;
	} fields[N_ROWS] = {
		{"CodeCache", "_heaps", "GrowableArray<CodeHeap*>*", 0, BASE + STATICS},
		{"CodeCache", "_low_bound", "address", 0, BASE + STATICS + 8},
		{"CodeCache", "_high_bound", "address", 0, BASE + STATICS + 16},
		{"GrowableArrayBase", "_len", "int", 0, 0},
		{"GrowableArray<int>", "_data", "int*", 8, 0},
		{"CodeHeap", "_memory", "VirtualSpace", 0, 0},
		{"CodeHeap", "_segmap", "VirtualSpace", 32, 0},
		{"CodeHeap", "_log2_segment_size", "int", 64, 0},
		{"VirtualSpace", "_low", "char*", 0, 0},
		{"VirtualSpace", "_high", "char*", 8, 0},
		{"HeapBlock::Header", "_length", "uint32_t", 0, 0},
		{"HeapBlock::Header", "_used", "bool", 4, 0},
		{"CodeBlob", "_name", "const char*", 8, 0},
		{"CodeBlob", "_frame_size", "int", 44, 0},
		{"CodeBlob", "_frame_complete_offset", "int16_t", 54, 0},
		{"CodeBlob", "_code_offset", "int", 36, 0},
		{"CodeBlob", "_data_offset", "int", 40, 0},
	};

	for (uint32_t i = 0; i < N_ROWS; i++)
		put_field(i, fields[i].type, fields[i].field, fields[i].of, fields[i].offset,
			  fields[i].address);
}

static void put_blob(uint32_t segment, const char *name, uint32_t words, int complete, uint32_t data_offset)
{
	uint64_t at = CODE + (uint64_t)segment * SEGMENT;

	image[SEGMAP + segment] = 0;
	put(at + 4, 1, 1);
	put(at + 8 + 8, put_string(name), 8);
	put(at + 8 + 36, 64, 4);
	put(at + 8 + 40, data_offset, 4);
	put(at + 8 + 44, words, 4);
	put(at + 8 + 54, (uint64_t)complete, 2);
}

static int make_image(void **state)
{
	(void)state;
	memset(image, 0, sizeof(image));
	strings_used = 0;
	put_tables();
	put(STATICS, BASE + STATICS + 32, 8);
	put(STATICS + 8, BASE + CODE, 8);
	put(STATICS + 16, BASE + CODE + 8 * SEGMENT, 8);
	put(STATICS + 32, 1, 4);
	put(STATICS + 40, BASE + STATICS + 48, 8);
	put(STATICS + 48, BASE + HEAP, 8);
	put(HEAP, BASE + CODE, 8);
	put(HEAP + 8, BASE + CODE + 8 * SEGMENT, 8);
	put(HEAP + 32, BASE + SEGMAP, 8);
	put(HEAP + 64, 7, 4);
	memset(image + SEGMAP, 1, 8);
	put_blob(0, "StubRoutines (1)", 0, -1, 120);
	put_blob(1, "nmethod", 6, 12, 300);
	put_blob(4, "Interpreter", 0, -1, 120);
	put_blob(5, "I2C/C2I adapters", 0, -1, 120);
	put_blob(6, "nmethod", 4, 12, 120);
	put(CODE + 6 * SEGMENT + 4, 0, 1); /* freed */
	put_blob(7, "VM_Version stub", 0, -1, 120);
	return 0;
}

static int read_code(struct jvm_code *ret)
{
	struct jvm_layout l;
	int err = jvm_layout__read(&memory, &tables, &l);

	*ret = (struct jvm_code){0};
	return err ? err : jvm_code__read(&memory, &l, ret);
}

static void each_piece_with_its_frame(void **state)
{
	const struct jvm_blob *b;
	struct jvm_code c;

	(void)state;
	assert_int_equal(read_code(&c), 0);
	assert_int_equal(c.n, 5);
	assert_int_equal(c.blobs[0].kind, JVM_BLOB_STUBS);
	assert_int_equal(c.blobs[2].kind, JVM_BLOB_INTERPRETER);
	assert_int_equal(c.blobs[3].kind, JVM_BLOB_BARE);
	assert_int_equal(c.blobs[4].kind, JVM_BLOB_COMPILED); /* … which it does not tell */
	assert_int_equal(c.blobs[4].frame_bytes, 5 * 8);
	b = jvm_code__find(&c, BASE + CODE + SEGMENT + 8 + 64);
	assert_ptr_equal(b, &c.blobs[1]);
	assert_int_equal(b->kind, JVM_BLOB_COMPILED);
	assert_int_equal(b->frame_bytes, 48);
	assert_int_equal(b->frame_complete, 12);
	assert_int_equal(b->bytes, 300 - 64);
	assert_null(jvm_code__find(&c, b->start - 1));
	assert_ptr_equal(jvm_code__find(&c, b->start + b->bytes - 1), b);
	assert_null(jvm_code__find(&c, b->start + b->bytes));
	assert_null(jvm_code__find(&c, 0));
	jvm_code__done(&c);
}

static void a_frame_that_is_not_told_is_that_of_a_stub(void **state)
{
	const struct jvm_blob *b;
	struct jvm_code c;

	(void)state;
	put(CODE + SEGMENT + 8 + 44, 0xffffffff, 4);
	assert_int_equal(read_code(&c), 0);
	b = jvm_code__find(&c, BASE + CODE + SEGMENT + 8 + 64);
	assert_non_null(b);
	assert_int_equal(b->kind, JVM_BLOB_STUBS);
	assert_int_equal(b->frame_bytes, 0);
	jvm_code__done(&c);
}

static void what_does_not_fit_its_block_is_left_out(void **state)
{
	struct jvm_code c;

	(void)state;
	put(CODE + SEGMENT + 8 + 40, 3 * SEGMENT, 4);    /* ends behind the block */
	put(CODE + 4 * SEGMENT + 8 + 36, 0xffffff00, 4); /* begins before it */
	put(CODE + 5 * SEGMENT + 8 + 44, 0xfffffffe, 4); /* a frame of less than nothing */
	assert_int_equal(read_code(&c), 0);
	assert_int_equal(c.n, 2);
	jvm_code__done(&c);
}

static void what_no_jvm_says_is_refused(void **state)
{
	static const struct {
		uint64_t at, value;
		size_t width;
		int err;
	} cases[] = {
		{STATICS + 32, 1000, 4, -EOPNOTSUPP}, /* heaps */
		{STATICS + 32, 0, 4, -EOPNOTSUPP},
		{STATICS, 8, 8, -EFAULT},                                       /* where they are */
		{STATICS + 16, UINT64_MAX, 8, -EOPNOTSUPP},                     /* a cache without an end */
		{STATICS + 16, BASE + CODE + (2ull << 30) + 1, 8, -EOPNOTSUPP}, /* larger than one can be */
		{HEAP + 64, 63, 4, -EOPNOTSUPP},                                /* segments of 2^63 bytes */
		{HEAP + 8, UINT64_MAX, 8, -EOPNOTSUPP},                         /* a heap without an end */
		{HEAP + 8, BASE, 8, -EOPNOTSUPP},                    /* that ends before it begins */
		{HEAP + 32, UINT64_MAX - 4, 8, -EFAULT},             /* its map */
		{TABLE, 0, 8, -EOPNOTSUPP},                          /* no fields */
		{TABLE + 13 * STRIDE, 0, 8, -EOPNOTSUPP},            /* not all of them */
		{TABLE + 14 * STRIDE + 32, 1 << 20, 8, -EOPNOTSUPP}, /* a blob of a megabyte */
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct jvm_code c;

		make_image(state);
		put(cases[i].at, cases[i].value, cases[i].width);
		assert_int_equal(read_code(&c), cases[i].err);
		assert_null(c.blobs);
	}
}

/* All of it, that is: a loop over its pages ends, and adds to no address that wraps. */
static void a_cache_lies_where_programs_have_memory(void **state)
{
	struct jvm_code c;

	(void)state;
	put(STATICS + 16, BASE + CODE + (2ull << 30), 8);
	assert_int_equal(read_code(&c), 0);
	assert_int_equal(c.high - c.low, 2ull << 30);
	jvm_code__done(&c);
	/* heaps that are empty say nothing against it */
	for (size_t at = 0; at < 16; at += 8) {
		put(STATICS + 8 + at, UINT64_MAX - 16 + at, 8);
		put(HEAP + at, UINT64_MAX - 16, 8);
	}
	assert_int_equal(read_code(&c), -EOPNOTSUPP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(each_piece_with_its_frame, make_image),
		cmocka_unit_test_setup(a_frame_that_is_not_told_is_that_of_a_stub, make_image),
		cmocka_unit_test_setup(what_does_not_fit_its_block_is_left_out, make_image),
		cmocka_unit_test_setup(what_no_jvm_says_is_refused, make_image),
		cmocka_unit_test_setup(a_cache_lies_where_programs_have_memory, make_image),
	};

	return cmocka_run_group_tests_name("jvm_code", tests, NULL, NULL);
}
