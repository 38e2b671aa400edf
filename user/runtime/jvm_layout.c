// SPDX-License-Identifier: Apache-2.0
#include "user/runtime/jvm_layout.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "user/object/variable.h"
#include "user/process/process_memory.h"

#define NAME_BYTES       32 /* with its NUL; longer names are none of ours */
#define STRIDE_MAX       256
#define FIELDS_AT_A_TIME 128
#define OFFSET_MAX       65536 /* within a structure that has a name */

static const struct wanted {
	const char *type, *field;
} wanted[JVM_FIELDS_N] = {
	[JVM_HEAPS] = {"CodeCache", "_heaps"},
	[JVM_LOW_BOUND] = {"CodeCache", "_low_bound"},
	[JVM_HIGH_BOUND] = {"CodeCache", "_high_bound"},
	[JVM_ARRAY_LEN] = {"GrowableArrayBase", "_len"},
	[JVM_ARRAY_DATA] = {"GrowableArray<int>", "_data"},
	[JVM_HEAP_MEMORY] = {"CodeHeap", "_memory"},
	[JVM_HEAP_SEGMAP] = {"CodeHeap", "_segmap"},
	[JVM_HEAP_LOG2] = {"CodeHeap", "_log2_segment_size"},
	[JVM_SPACE_LOW] = {"VirtualSpace", "_low"},
	[JVM_SPACE_HIGH] = {"VirtualSpace", "_high"},
	[JVM_BLOCK_LENGTH] = {"HeapBlock::Header", "_length"},
	[JVM_BLOCK_USED] = {"HeapBlock::Header", "_used"},
	[JVM_BLOB_NAME] = {"CodeBlob", "_name"},
	[JVM_BLOB_FRAME_SIZE] = {"CodeBlob", "_frame_size"},
	[JVM_BLOB_FRAME_COMPLETE] = {"CodeBlob", "_frame_complete_offset"},
	[JVM_BLOB_CODE_BEGIN] = {"CodeBlob", "_code_begin"},
	[JVM_BLOB_CODE_OFFSET] = {"CodeBlob", "_code_offset"},
	[JVM_BLOB_DATA_OFFSET] = {"CodeBlob", "_data_offset"},
	[JVM_BLOB_METHOD] = {"nmethod", "_method"},
	[JVM_METHOD_CONST] = {"Method", "_constMethod"},
	[JVM_CONST_POOL] = {"ConstMethod", "_constants"},
	[JVM_CONST_NAME] = {"ConstMethod", "_name_index"},
	[JVM_POOL_HOLDER] = {"ConstantPool", "_pool_holder"},
	[JVM_KLASS_NAME] = {"Klass", "_name"},
	[JVM_SYMBOL_LENGTH] = {"Symbol", "_length"},
	[JVM_SYMBOL_BODY] = {"Symbol", "_body"},
	[JVM_POOL_BYTES] = {"ConstantPool", "ConstantPool"},
};

/* From JDK 11 to 22 nmethod's is there. */
#define METHOD_TYPE_BEFORE "CompiledMethod"

int jvm_memory__read(const struct jvm_memory *memory, uint64_t addr, void *to, uint32_t len)
{
	struct memory_span span = {.addr = addr, .to = to, .len = len};
	int err = memory->read_spans(memory->ctx, &span, 1);

	return err ? err : span.is_read ? 0 : -EFAULT;
}

int jvm_layout__find_tables(const struct jvm_memory *memory, const struct elf *libjvm, uint64_t bias,
			    struct jvm_tables *ret_tables)
{
	static const char *const names[] = {
		"gHotSpotVMStructs",
		"gHotSpotVMStructEntryArrayStride",
		"gHotSpotVMStructEntryTypeNameOffset",
		"gHotSpotVMStructEntryFieldNameOffset",
		"gHotSpotVMStructEntryTypeStringOffset",
		"gHotSpotVMStructEntryOffsetOffset",
		"gHotSpotVMStructEntryAddressOffset",
		"gHotSpotVMTypes",
		"gHotSpotVMTypeEntryArrayStride",
		"gHotSpotVMTypeEntryTypeNameOffset",
		"gHotSpotVMTypeEntrySizeOffset",
	};
	enum { N = sizeof(names) / sizeof(names[0]) };
	uint64_t vaddrs[N] = {0}, values[N];
	int err = variable__find_symbols(libjvm, names, N, vaddrs);

	for (int i = 0; i < N && !err; i++)
		err = vaddrs[i] ? jvm_memory__read(memory, vaddrs[i] + bias, &values[i], sizeof(values[i]))
				: -ENOENT;
	if (!err)
		*ret_tables = (struct jvm_tables){
			.fields = {values[0], values[1], values[2], values[3], values[4], values[5],
				   values[6]},
			.types = {values[7], values[8], values[9], values[9], values[9], values[10],
				  values[10]},
		};
	return err;
}

/* How many bytes a field of such a type takes; 0 for a structure within. */
static uint8_t width_of(const char *type)
{
	static const struct {
		const char *name;
		uint8_t width;
	} types[] = {{"int", 4},          {"int16_t", 2}, {"uint16_t", 2}, {"int32_t", 4},
		     {"uint32_t", 4},     {"bool", 1},    {"size_t", 8},   {"address", 8},
		     {"VirtualSpace", 8}, {"u1", 1},      {"u2", 2},       {"unsigned short", 2},
		     {"ConstantPool", 8}};
	size_t len = strlen(type);

	if (len && type[len - 1] == '*')
		return 8;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (!strcmp(types[i].name, type))
			return types[i].width;
	return 0;
}

/* One entry's words, and what they point to. */
struct entry {
	uint64_t type_name, field_name, type_string, offset, address;
	char type[NAME_BYTES], field[NAME_BYTES], of[NAME_BYTES];
};

static uint64_t word_at(const uint8_t *bytes, uint64_t offset)
{
	uint64_t v;

	memcpy(&v, bytes + offset, sizeof(v));
	return v;
}

static void take(struct jvm_layout *l, const struct entry *e)
{
	for (int i = 0; i < JVM_FIELDS_N; i++) {
		bool is_before = i == JVM_BLOB_METHOD && !strcmp(e->type, METHOD_TYPE_BEFORE);

		if (strcmp(wanted[i].field, e->field) || (strcmp(wanted[i].type, e->type) && !is_before))
			continue;
		l->fields[i].at = e->address ? e->address : e->offset;
		l->fields[i].width = width_of(e->of);
	}
}

static void add_name(struct memory_span *spans, size_t *n, uint64_t addr, char to[NAME_BYTES])
{
	memset(to, 0, NAME_BYTES);
	if (addr)
		spans[(*n)++] = (struct memory_span){.addr = addr, .to = to, .len = NAME_BYTES - 1};
}

/* A piece of the table, whose entries lie in `bytes`. 1: its end was in it. */
static int read_piece(const struct jvm_memory *m, const struct jvm_table *t, uint64_t at, uint8_t *bytes,
		      struct entry *entries, struct jvm_layout *l)
{
	struct memory_span spans[FIELDS_AT_A_TIME * 3];
	size_t n_spans = 0;
	uint32_t n = 0;
	int err, ended = 0;

	for (uint32_t i = 0; i < FIELDS_AT_A_TIME;
	     i++) /* by itself each: what lies behind the last need not be there */
		spans[i] = (struct memory_span){
			.addr = at + i * t->stride, .to = bytes + i * t->stride, .len = (uint32_t)t->stride};
	err = m->read_spans(m->ctx, spans, FIELDS_AT_A_TIME);
	for (; n < FIELDS_AT_A_TIME && !ended && !err && spans[n].is_read; n++) {
		const uint8_t *b = bytes + n * t->stride;
		struct entry *e = &entries[n];

		e->type_name = word_at(b, t->type_name);
		e->field_name = word_at(b, t->field_name);
		e->type_string = word_at(b, t->type_string);
		e->offset = word_at(b, t->offset);
		e->address = word_at(b, t->address);
		ended = !e->type_name;
	}
	if (!err && n < FIELDS_AT_A_TIME && !ended)
		err = -EFAULT;
	for (uint32_t i = 0; i < n; i++) {
		add_name(spans, &n_spans, entries[i].type_name, entries[i].type);
		add_name(spans, &n_spans, entries[i].field_name, entries[i].field);
		add_name(spans, &n_spans, entries[i].type_string, entries[i].of);
	}
	if (!err && n_spans)
		err = m->read_spans(m->ctx, spans, n_spans);
	for (uint32_t i = 0; i < n && !err; i++)
		take(l, &entries[i]);
	return err ? err : ended;
}

static int check(const struct jvm_layout *l)
{
	for (int i = 0; i < JVM_FIELDS_N; i++)
		if (!l->fields[i].width && i < JVM_BLOB_METHOD && i != JVM_BLOB_CODE_BEGIN &&
		    i != JVM_BLOB_CODE_OFFSET)
			return -EOPNOTSUPP;
	return l->fields[JVM_BLOB_CODE_BEGIN].width == 8 || l->fields[JVM_BLOB_CODE_OFFSET].width
		       ? 0
		       : -EOPNOTSUPP;
}

/* Pointers, and what is read into a word; the pool's size is where its first constant is. */
static bool has_names(const struct jvm_layout *l)
{
	for (int i = JVM_BLOB_METHOD; i < JVM_FIELDS_N; i++) {
		const struct jvm_place *f = &l->fields[i];
		bool is_pointer = i != JVM_CONST_NAME && i != JVM_SYMBOL_LENGTH && i != JVM_SYMBOL_BODY;

		/* the body is what follows: of it only the place is told */
		if (!(i == JVM_SYMBOL_BODY ? f->at : f->width) || f->at > OFFSET_MAX ||
		    (is_pointer && f->width != 8))
			return false;
	}
	return true;
}

static int offsets_fit(const struct jvm_table *t)
{
	const uint64_t offsets[] = {t->type_name, t->field_name, t->type_string, t->offset, t->address};

	if (t->stride < 8 || t->stride > STRIDE_MAX)
		return 0;
	for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++)
		if (offsets[i] > t->stride - 8)
			return 0;
	return 1;
}

static int read_table(const struct jvm_memory *memory, const struct jvm_table *t, struct jvm_layout *l)
{
	struct entry *entries;
	int err = 0;

	if (!offsets_fit(t))
		return -EOPNOTSUPP;
	entries = malloc(FIELDS_AT_A_TIME * (sizeof(*entries) + t->stride));
	if (!entries)
		return -ENOMEM;
	for (uint32_t i = 0; i < JVM_FIELDS_MAX && !err; i += FIELDS_AT_A_TIME)
		err = read_piece(memory, t, t->at + i * t->stride, (uint8_t *)(entries + FIELDS_AT_A_TIME),
				 entries, l);
	free(entries);
	return err == 1 ? 0 : err ? err : -EOPNOTSUPP;
}

int jvm_layout__read(const struct jvm_memory *memory, const struct jvm_tables *tables,
		     struct jvm_layout *ret_layout)
{
	struct jvm_layout l = {0};
	int err = read_table(memory, &tables->fields, &l);

	if (!err)
		err = check(&l);
	if (err)
		return err;
	/* the header of a block: its length and a flag, of the alignment of the length */
	l.block_header_bytes = 2u * l.fields[JVM_BLOCK_LENGTH].width;
	l.has_names = !read_table(memory, &tables->types, &l) && has_names(&l);
	*ret_layout = l;
	return 0;
}
