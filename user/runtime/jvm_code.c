// SPDX-License-Identifier: Apache-2.0
/*
 * Problem: HotSpot's compiled code keeps no frame pointer, and its code has no file: only 37 to 99 % of the stacks of its programs are whole by frame pointers, by how much of them it
 *   compiled. To tell every program to be started with -XX:+PreserveFramePointer is not for a profiler that is just there.
 * Idea: compiled code has one frame size for each method, and the JVM writes it in front of the method, where its own collector finds it. libjvm.so tells where all of
 *   this is, for a debugger: no table by release is needed. A code heap has a byte for each segment of 64 to 256 bytes, in which 0 says that a block begins; so
 *   one read brings all blocks, and one more for some hundred of them brings their headers.
 * Rejected: to search the segment map while the stack is walked (a dozen reads a frame, in the kernel); to search the stack for what looks like a return address
 *   (it guesses); -XX:+PreserveFramePointer by the attach interface (cannot be changed while it runs).
 * Invariants: what the process says is only believed inside of what was read: a block's code lies in its block, blocks lie in their heap, and none overlaps another.
 *   A header that does not (a method that is just being written, or was freed) is left out.
 * Cost: a byte of the segment map a segment, up to some hundred bytes a block: 0.8 to 5 ms for 670 to 820 pieces, beside 20 to 28 ms once for the layout.
 * What it does not do: where a frame is taken down (the code's bytes say that, bpf/unwind.bpf.h); stacks of virtual threads whose outer frames lie in the Java heap.
 *
 * Reference: HotSpot vmStructs.cpp, memory/heap.hpp, code/codeBlob.hpp.
 */
#include "user/runtime/jvm_code.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/bisect.h"
#include "user/process/process_memory.h"
#include "user/runtime/jvm_rows.h"

#define BLOBS_AT_A_TIME  256
#define HEADER_BYTES_MAX 512
#define NAME_BYTES       16
#define LOG2_MIN         6
#define LOG2_MAX         12
#define FRAME_WORDS_MAX  (1u << 20)
/* HotSpot's own limit of a code cache (CODE_CACHE_SIZE_LIMIT), and where addresses of programs end */
#define CACHE_BYTES_MAX (2ull << 30)
#define ADDRESS_MAX     (1ull << 47)
/* It asks the CPU what it is, for milliseconds where a hypervisor answers, and does not tell that it pushes RBP, RBX, RSI and the flags. */
#define CPUID_NAME  "VM_Version stub"
#define CPUID_WORDS 5

struct heap {
	uint64_t low;
	uint32_t n_segments;
	uint8_t log2;
};

/* A header as it was read, and the block that it is of. */
struct header {
	uint64_t at, end;
	uint32_t len;
	uint8_t bytes[HEADER_BYTES_MAX];
	char name[NAME_BYTES];
};

struct reader {
	const struct jvm_memory *memory;
	const struct jvm_layout *layout;
	struct jvm_code *code;
	struct header *headers; /* BLOBS_AT_A_TIME */
	uint32_t n_headers;
	uint32_t least_bytes, header_bytes; /* of a header: what each has, and a method's */
	size_t capacity;
};

static uint64_t field_of(const uint8_t *bytes, const struct jvm_place *p)
{
	uint64_t v = 0;

	memcpy(&v, bytes + p->at, p->width);
	return v;
}

/* Sign extended: widths are 1, 2, 4 or 8. */
static int64_t signed_of(const uint8_t *bytes, const struct jvm_place *p)
{
	unsigned int shift = 64 - 8u * p->width;

	return (int64_t)(field_of(bytes, p) << shift) >> shift;
}

static int read_field(const struct reader *r, uint64_t base, enum jvm_field f, uint64_t *ret)
{
	*ret = 0;
	return jvm_memory__read(r->memory, base + r->layout->fields[f].at, ret, r->layout->fields[f].width);
}

static int read_static(const struct reader *r, enum jvm_field f, uint64_t *ret)
{
	return read_field(r, 0, f, ret);
}

/* -- the pieces -- */

/* C1's barriers tell -1: they have a frame, of which no more is said. */
static enum jvm_blob_kind kind_of(const char name[NAME_BYTES], int64_t frame_words)
{
	if (!strncmp(name, "Interpreter", NAME_BYTES))
		return JVM_BLOB_INTERPRETER;
	if (frame_words < 0 || !strncmp(name, "StubRoutines", strlen("StubRoutines")))
		return JVM_BLOB_STUBS;
	return frame_words ? JVM_BLOB_COMPILED : JVM_BLOB_BARE;
}

/* What a header says, if it can be: false else, as where a method is just being written or was freed. */
static bool parse(const struct reader *r, const struct header *h, struct jvm_blob *ret)
{
	const struct jvm_place *f = r->layout->fields;
	const uint8_t *b = h->bytes + r->layout->block_header_bytes;
	uint64_t blob = h->at + r->layout->block_header_bytes;
	int64_t words = strcmp(h->name, CPUID_NAME) ? signed_of(b, &f[JVM_BLOB_FRAME_SIZE]) : CPUID_WORDS;
	int64_t complete = signed_of(b, &f[JVM_BLOB_FRAME_COMPLETE]);
	uint64_t start, end;

	start = f[JVM_BLOB_CODE_BEGIN].width ? field_of(b, &f[JVM_BLOB_CODE_BEGIN])
					     : blob + (uint64_t)signed_of(b, &f[JVM_BLOB_CODE_OFFSET]);
	end = blob + (uint64_t)signed_of(b, &f[JVM_BLOB_DATA_OFFSET]);
	if (start < blob || end < start || end > h->end || words < -1 || words > FRAME_WORDS_MAX)
		return false;
	if (complete < -1 || complete > (int64_t)(end - start))
		complete = -1;
	*ret = (struct jvm_blob){
		.start = start,
		.bytes = (uint32_t)(end - start),
		.frame_bytes = words < 0 ? 0 : (uint32_t)words * 8,
		.frame_complete = (int32_t)complete,
		.kind = kind_of(h->name, words),
		.is_method = !strcmp(h->name, "nmethod") || !strcmp(h->name, "native nmethod"),
	};
	ret->named_by = field_of(b, &f[ret->is_method ? JVM_BLOB_METHOD : JVM_BLOB_NAME]);
	return end > start;
}

static int append(struct reader *r, const struct jvm_blob *blob)
{
	struct jvm_code *c = r->code;

	if (c->n == JVM_BLOBS_MAX)
		return -EOPNOTSUPP;
	if (c->n == r->capacity) {
		size_t capacity = r->capacity ? r->capacity * 2 : 1024;
		struct jvm_blob *grown = realloc(c->blobs, capacity * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		c->blobs = grown;
		r->capacity = capacity;
	}
	c->blobs[c->n++] = *blob;
	return 0;
}

static int read_names(struct reader *r)
{
	struct memory_span spans[BLOBS_AT_A_TIME];

	for (uint32_t i = 0; i < r->n_headers; i++) {
		struct header *h = &r->headers[i];

		memset(h->name, 0, sizeof(h->name));
		spans[i] = (struct memory_span){.addr = field_of(h->bytes + r->layout->block_header_bytes,
								 &r->layout->fields[JVM_BLOB_NAME]),
						.to = h->name,
						.len = NAME_BYTES - 1};
	}
	return r->memory->read_spans(r->memory->ctx, spans, r->n_headers);
}

/* The code that sets up frames, of the blobs that were appended last. What cannot be read has none. */
static int read_prologues(const struct reader *r, struct jvm_blob *blobs, size_t n)
{
	uint8_t bytes[BLOBS_AT_A_TIME][JVM_PROLOGUE_BYTES];
	struct memory_span spans[BLOBS_AT_A_TIME];
	struct jvm_blob *of[BLOBS_AT_A_TIME];
	size_t n_spans = 0;
	int err;

	for (size_t i = 0; i < n; i++) {
		struct jvm_blob *b = &blobs[i];
		int32_t len = b->frame_complete < JVM_PROLOGUE_BYTES ? b->frame_complete : JVM_PROLOGUE_BYTES;

		if (b->kind != JVM_BLOB_COMPILED || len <= 0)
			continue;
		spans[n_spans] = (struct memory_span){.addr = b->start + (uint32_t)(b->frame_complete - len),
						      .to = bytes[n_spans],
						      .len = (uint32_t)len};
		of[n_spans++] = b;
	}
	err = n_spans ? r->memory->read_spans(r->memory->ctx, spans, n_spans) : 0;
	for (size_t i = 0; i < n_spans && !err; i++)
		if (spans[i].is_read)
			of[i]->prologue = jvm_prologue__parse(spans[i].to, spans[i].len);
	return err;
}

/* Reads the headers that were gathered; a name that cannot be read is of a block that is no longer. */
static int flush(struct reader *r)
{
	struct memory_span spans[BLOBS_AT_A_TIME];
	size_t first = r->code->n;
	uint32_t n = 0;
	int err;

	if (!r->n_headers)
		return 0;
	for (uint32_t i = 0; i < r->n_headers; i++)
		spans[i] = (struct memory_span){
			.addr = r->headers[i].at, .to = r->headers[i].bytes, .len = r->headers[i].len};
	err = r->memory->read_spans(r->memory->ctx, spans, r->n_headers);
	if (err)
		return err;
	for (uint32_t i = 0; i < r->n_headers; i++)
		if (spans[i].is_read && field_of(r->headers[i].bytes, &r->layout->fields[JVM_BLOCK_USED]))
			r->headers[n++] = r->headers[i];
	r->n_headers = n;
	if (n)
		err = read_names(r);
	for (uint32_t i = 0; i < n && !err; i++) {
		struct jvm_blob blob;

		if (parse(r, &r->headers[i], &blob))
			err = append(r, &blob);
	}
	r->n_headers = 0;
	if (err || r->code->n == first)
		return err;
	return read_prologues(r, r->code->blobs + first, r->code->n - first);
}

/* -- heaps -- */

static int read_heap(const struct reader *r, uint64_t at, struct heap *ret, uint64_t *ret_segmap)
{
	const struct jvm_place *f = r->layout->fields;
	uint64_t memory = at + f[JVM_HEAP_MEMORY].at, segmap = at + f[JVM_HEAP_SEGMAP].at, low, high, log2;
	int err = read_field(r, memory, JVM_SPACE_LOW, &low);

	if (!err)
		err = read_field(r, memory, JVM_SPACE_HIGH, &high);
	if (!err)
		err = read_field(r, segmap, JVM_SPACE_LOW, ret_segmap);
	if (!err)
		err = read_field(r, at, JVM_HEAP_LOG2, &log2);
	if (err)
		return err;
	if (log2 < LOG2_MIN || log2 > LOG2_MAX || high < low || (high - low) >> log2 > JVM_SEGMENTS_MAX ||
	    low < r->code->low || high > r->code->high)
		return -EOPNOTSUPP;
	*ret = (struct heap){low, (uint32_t)((high - low) >> log2), (uint8_t)log2};
	return 0;
}

static int read_blocks(struct reader *r, const struct heap *h, const uint8_t *segmap)
{
	int err = 0;

	for (uint32_t i = 0, next; i < h->n_segments && !err; i = next) {
		for (next = i + 1; next < h->n_segments && segmap[next]; next++)
			;
		uint64_t bytes = (uint64_t)(next - i) << h->log2;
		struct header *to = &r->headers[r->n_headers];

		if (segmap[i] || bytes < r->least_bytes)
			continue;
		to->at = h->low + ((uint64_t)i << h->log2);
		to->end = to->at + bytes;
		to->len = bytes < r->header_bytes ? (uint32_t)bytes : r->header_bytes;
		memset(to->bytes, 0, sizeof(to->bytes));
		if (++r->n_headers == BLOBS_AT_A_TIME)
			err = flush(r);
	}
	return err ? err : flush(r);
}

static int read_heaps(struct reader *r)
{
	uint64_t heaps, data, n, pointers[JVM_HEAPS_MAX], segmap_at, n_segments = 0;
	int err = read_static(r, JVM_HEAPS, &heaps);

	if (!err)
		err = read_field(r, heaps, JVM_ARRAY_LEN, &n);
	if (!err)
		err = read_field(r, heaps, JVM_ARRAY_DATA, &data);
	if (!err && (!n || n > JVM_HEAPS_MAX))
		return -EOPNOTSUPP;
	if (!err)
		err = jvm_memory__read(r->memory, data, pointers, (uint32_t)(n * sizeof(*pointers)));
	for (uint64_t i = 0; i < n && !err; i++) {
		uint8_t *segmap;
		struct heap h;

		err = read_heap(r, pointers[i], &h, &segmap_at);
		n_segments += err ? 0 : h.n_segments;
		if (err || n_segments > JVM_SEGMENTS_MAX)
			return err ? err : -EOPNOTSUPP;
		segmap = malloc(h.n_segments + 1);
		if (!segmap)
			return -ENOMEM;
		err = h.n_segments ? jvm_memory__read(r->memory, segmap_at, segmap, h.n_segments) : 0;
		if (!err)
			err = read_blocks(r, &h, segmap);
		free(segmap);
	}
	return err;
}

/* How much of a block is read: up to the end of the fields to the last. The offsets are the process's word: 0 where they cannot be. */
static uint32_t header_bytes(const struct jvm_layout *l, enum jvm_field last)
{
	uint64_t most = 0;

	for (int i = JVM_BLOCK_USED; i <= (int)last; i++) {
		uint64_t base = i == JVM_BLOCK_USED ? 0 : l->block_header_bytes, end;

		if (l->fields[i].at > HEADER_BYTES_MAX)
			return 0;
		end = base + l->fields[i].at + l->fields[i].width;
		if (end > most)
			most = end;
	}
	return most <= HEADER_BYTES_MAX ? (uint32_t)most : 0;
}

static int by_start(const void *a, const void *b)
{
	const struct jvm_blob *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

/* Two heaps that lie over each other are what no JVM has. */
static int sort(struct jvm_code *c)
{
	if (c->n)
		qsort(c->blobs, c->n, sizeof(*c->blobs), by_start);
	for (size_t i = 1; i < c->n; i++)
		if (c->blobs[i].start - c->blobs[i - 1].start < c->blobs[i - 1].bytes)
			return -EOPNOTSUPP;
	return 0;
}

int jvm_code__read(const struct jvm_memory *memory, const struct jvm_layout *layout,
		   struct jvm_code *ret_code)
{
	struct jvm_code c = {0};
	struct reader r = {.memory = memory,
			   .layout = layout,
			   .code = &c,
			   .least_bytes = header_bytes(layout, JVM_BLOB_DATA_OFFSET),
			   .header_bytes = header_bytes(layout, JVM_BLOB_METHOD)};
	int err;

	if (!r.least_bytes || !r.header_bytes)
		return -EOPNOTSUPP;
	err = read_static(&r, JVM_LOW_BOUND, &c.low);
	if (!err)
		err = read_static(&r, JVM_HIGH_BOUND, &c.high);
	if (err)
		return err;
	/* whoever looks at all of its pages trusts these two */
	if (c.high <= c.low || c.high > ADDRESS_MAX || c.high - c.low > CACHE_BYTES_MAX)
		return -EOPNOTSUPP;
	r.headers = malloc(BLOBS_AT_A_TIME * sizeof(*r.headers));
	err = r.headers ? read_heaps(&r) : -ENOMEM;
	free(r.headers);
	if (!err)
		err = c.n ? sort(&c) : -ENODATA;
	if (err)
		jvm_code__done(&c);
	else
		*ret_code = c;
	return err;
}

void jvm_code__done(struct jvm_code *code)
{
	free(code->blobs);
	*code = (struct jvm_code){0};
}

size_t jvm_code__count_to(const struct jvm_code *code, uint64_t pc)
{
	return bisect__count(code->n, i, code->blobs[i].start <= pc);
}

const struct jvm_blob *jvm_code__find(const struct jvm_code *code, uint64_t pc)
{
	size_t n = jvm_code__count_to(code, pc);
	const struct jvm_blob *b = n ? &code->blobs[n - 1] : NULL;

	return b && pc - b->start < b->bytes ? b : NULL;
}
