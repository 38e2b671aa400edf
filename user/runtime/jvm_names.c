// SPDX-License-Identifier: Apache-2.0
/*
 * jvm_names - Problem: code in no file has no symbols; a JVM writes a map of it only when it is asked to, and as of then.
 * Idea: a method's piece of code leads to its names in five steps (method, constant part, constant pool, class, symbols), and a step is one
 *   system call for all methods together. Names of pieces that were there at the last reading are copied.
 * Rejected: the method's parameters (overloads of one name are mostly one function to who reads a profile, and a map's lines are three times as long); to follow the
 *   steps when a name is wanted (the method may be gone by then, and each would wait for the process).
 * Invariants: nothing that the process says is more than an address to be read or a length that is bounded; control characters of a name become '?'.
 * Cost: 2 ms for a thousand methods, once; some tens of bytes a name.
 */
#include "user/runtime/jvm_names.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "user/process/process_memory.h"

#define AT_A_TIME 64
#define TEXT_MAX  (2 * JVM_NAME_MAX + 2)

struct symbol_text {
	uint64_t at;
	uint64_t len;
	char text[JVM_NAME_MAX];
};

struct names_reader {
	const struct jvm_memory *memory;
	const struct jvm_layout *layout;
	struct jvm_names *names;
	size_t blobs[AT_A_TIME]; /* those that are being named */
	uint64_t base[AT_A_TIME], pool[AT_A_TIME];
	uint64_t index[AT_A_TIME];
	struct symbol_text class_name[AT_A_TIME], method[AT_A_TIME];
	char text[AT_A_TIME][TEXT_MAX];
	size_t n;
};

/* What a process calls things is shown on terminals, too. */
static void drop_control(char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			text[i] = '?';
}

static int names__add(struct jvm_names *names, size_t blob, const char *text, size_t len)
{
	uint32_t capacity = names->capacity ? names->capacity : 4096;
	char *grown;

	if (!len || len + 1 > JVM_NAMES_BYTES_MAX - names->n_bytes)
		return 0;
	while (capacity < names->n_bytes + len + 1)
		capacity *= 2;
	if (capacity != names->capacity) {
		grown = realloc(names->bytes, capacity);
		if (!grown)
			return -ENOMEM;
		names->bytes = grown;
		names->capacity = capacity;
	}
	memcpy(names->bytes + names->n_bytes, text, len);
	names->bytes[names->n_bytes + len] = '\0';
	names->at[blob] = names->n_bytes;
	names->n_bytes += (uint32_t)len + 1;
	return 0;
}

/* A hidden class has its address behind its name ("Lambda+0x00007f…"), which is another one in each run. */
static size_t class_len_of(const char *name, size_t len)
{
	for (size_t i = 0; i + 2 < len; i++)
		if (!memcmp(name + i, "+0x", 3))
			return i;
	return len;
}

size_t jvm_names__format(const char *class_name, size_t class_len, const char *method, size_t method_len,
			 char *to)
{
	size_t n = class_len_of(class_name, class_len);

	memcpy(to, class_name, n);
	for (size_t i = 0; i < n; i++)
		if (to[i] == '/')
			to[i] = '.';
	to[n++] = '.';
	memcpy(to + n, method, method_len);
	n += method_len;
	drop_control(to, n);
	to[n] = '\0';
	return n;
}

/* Reads `len` bytes for each, from from[i] + offset to to[i] of `stride` bytes; 0 where that cannot be read. */
static int gather(const struct names_reader *r, const uint64_t *from, const struct jvm_place *field, void *to,
		  size_t stride)
{
	struct memory_span spans[AT_A_TIME];

	for (size_t i = 0; i < r->n; i++) {
		uint64_t *word = (uint64_t *)((char *)to + i * stride);

		spans[i] = (struct memory_span){
			.addr = from[i] ? from[i] + field->at : 0, .to = word, .len = field->width};
		*word = 0; /* it may be from[i] */
	}
	return r->memory->read_spans(r->memory->ctx, spans, r->n);
}

/* The symbols' lengths, then what they say. */
static int read_symbols(const struct names_reader *r, struct symbol_text *s)
{
	const struct jvm_place *f = r->layout->fields;
	struct memory_span spans[AT_A_TIME];
	uint64_t at[AT_A_TIME];
	int err;

	for (size_t i = 0; i < r->n; i++)
		at[i] = s[i].at;
	err = gather(r, at, &f[JVM_SYMBOL_LENGTH], &s[0].len, sizeof(*s));
	for (size_t i = 0; i < r->n; i++) {
		if (s[i].len > JVM_NAME_MAX)
			s[i].len = JVM_NAME_MAX;
		spans[i] = (struct memory_span){
			.addr = s[i].at + f[JVM_SYMBOL_BODY].at, .to = s[i].text, .len = (uint32_t)s[i].len};
	}
	if (!err)
		err = r->memory->read_spans(r->memory->ctx, spans, r->n);
	for (size_t i = 0; i < r->n; i++)
		if (!spans[i].is_read)
			s[i].len = 0;
	return err;
}

/* Names the methods that were gathered. */
static int read_methods(struct names_reader *r)
{
	const struct jvm_place *f = r->layout->fields;
	int err = gather(r, r->base, &f[JVM_METHOD_CONST], r->base, sizeof(*r->base));

	if (!err)
		err = gather(r, r->base, &f[JVM_CONST_NAME], r->index, sizeof(*r->index));
	if (!err)
		err = gather(r, r->base, &f[JVM_CONST_POOL], r->pool, sizeof(*r->pool));
	if (!err)
		err = gather(r, r->pool, &f[JVM_POOL_HOLDER], r->base, sizeof(*r->base));
	if (!err)
		err = gather(r, r->base, &f[JVM_KLASS_NAME], &r->class_name[0].at, sizeof(*r->class_name));
	for (size_t i = 0; i < r->n; i++)
		r->pool[i] += r->pool[i] ? r->index[i] * sizeof(*r->pool) : 0;
	if (!err)
		err = gather(r, r->pool, &f[JVM_POOL_BYTES], &r->method[0].at, sizeof(*r->method));
	if (!err)
		err = read_symbols(r, r->class_name);
	if (!err)
		err = read_symbols(r, r->method);
	for (size_t i = 0; i < r->n && !err; i++) {
		const struct symbol_text *c = &r->class_name[i], *m = &r->method[i];

		if (c->len && m->len)
			err = names__add(r->names, r->blobs[i], r->text[i],
					 jvm_names__format(c->text, c->len, m->text, m->len, r->text[i]));
	}
	r->n = 0;
	return err;
}

/* Names the others that were gathered: theirs is a string. */
static int read_strings(struct names_reader *r)
{
	struct memory_span spans[AT_A_TIME];
	int err;

	for (size_t i = 0; i < r->n; i++)
		spans[i] = (struct memory_span){
			.addr = r->base[i], .to = r->text[i], .len = JVM_BLOB_NAME_BYTES};
	err = r->memory->read_spans(r->memory->ctx, spans, r->n);
	for (size_t i = 0; i < r->n && !err; i++) {
		size_t len = spans[i].is_read ? strnlen(r->text[i], JVM_BLOB_NAME_BYTES) : 0;

		drop_control(r->text[i], len);
		err = names__add(r->names, r->blobs[i], r->text[i], len);
	}
	r->n = 0;
	return err;
}

static const char *name_before(const struct jvm_blob *b, const struct jvm_code *last_code,
			       const struct jvm_names *last)
{
	const struct jvm_blob *was = last ? jvm_code__find(last_code, b->start) : NULL;

	if (!was || was->start != b->start || was->is_method != b->is_method || was->named_by != b->named_by)
		return NULL;
	return jvm_names__find(last, (size_t)(was - last_code->blobs));
}

/* Those of one kind that are not known. */
static int read_kind(struct names_reader *r, const struct jvm_code *code, bool is_method)
{
	int err = 0;

	for (size_t i = 0; i < code->n && !err; i++) {
		const struct jvm_blob *b = &code->blobs[i];

		if (b->is_method != is_method || !b->named_by || r->names->at[i])
			continue;
		r->blobs[r->n] = i;
		r->base[r->n] = b->named_by;
		if (++r->n == AT_A_TIME)
			err = is_method ? read_methods(r) : read_strings(r);
	}
	if (err || !r->n)
		return err;
	return is_method ? read_methods(r) : read_strings(r);
}

int jvm_names__read(const struct jvm_memory *memory, const struct jvm_layout *layout,
		    const struct jvm_code *code, const struct jvm_code *last_code,
		    const struct jvm_names *last, struct jvm_names *ret_names)
{
	struct jvm_names names = {.n_bytes = 1};
	struct names_reader *r = calloc(1, sizeof(*r));
	int err = 0;

	names.at = calloc(code->n + 1, sizeof(*names.at));
	if (!r || !names.at)
		err = -ENOMEM;
	for (size_t i = 0; i < code->n && !err; i++) {
		const char *name = name_before(&code->blobs[i], last_code, last);

		if (name)
			err = names__add(&names, i, name, strlen(name));
	}
	if (!err) {
		*r = (struct names_reader){.memory = memory, .layout = layout, .names = &names};
		err = read_kind(r, code, false);
	}
	if (!err && layout->has_names)
		err = read_kind(r, code, true);
	free(r);
	if (err)
		jvm_names__done(&names);
	else
		*ret_names = names;
	return err;
}

void jvm_names__done(struct jvm_names *names)
{
	free(names->bytes);
	free(names->at);
	*names = (struct jvm_names){0};
}

const char *jvm_names__find(const struct jvm_names *names, size_t blob)
{
	return names->at && names->at[blob] ? names->bytes + names->at[blob] : NULL;
}
