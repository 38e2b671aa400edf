// SPDX-License-Identifier: Apache-2.0
#include "user/runtime/jvm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/frame.h"
#include "user/process/process_memory.h"

static int read_process_spans(void *ctx, struct memory_span *spans, size_t n)
{
	return process_memory__read_spans(*(const uint32_t *)ctx, spans, n);
}

static int read_layout(const struct jvm_memory *memory, const struct elf *libjvm, uint64_t bias,
		       struct jvm_layout *ret)
{
	struct jvm_tables tables;
	int err = jvm_layout__find_tables(memory, libjvm, bias, &tables);

	return err ? err : jvm_layout__read(memory, &tables, ret);
}

static int by_start(const void *a, const void *b)
{
	const struct jvm_blob *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

/* Those that were known, and those that were met. */
static int gather_methods(const struct jvm_code *last, const uint64_t *methods, size_t n,
			  struct jvm_code *ret)
{
	size_t n_last = last ? last->n : 0, kept = 0;
	struct jvm_blob *b;

	if (n > JVM_METHODS_MAX - n_last)
		n = JVM_METHODS_MAX - n_last;
	if (n_last + n == 0)
		return 0;
	b = calloc(n_last + n, sizeof(*b));
	if (!b)
		return -ENOMEM;
	if (n_last)
		memcpy(b, last->blobs, n_last * sizeof(*b));
	for (size_t i = 0; i < n; i++)
		b[n_last + i] = (struct jvm_blob){
			.start = methods[i], .bytes = 1, .is_method = true, .named_by = methods[i]};
	qsort(b, n_last + n, sizeof(*b), by_start);
	for (size_t i = 0; i < n_last + n; i++)
		if (!kept || b[kept - 1].start != b[i].start)
			b[kept++] = b[i];
	*ret = (struct jvm_code){.blobs = b, .n = kept};
	return 0;
}

int jvm__read(uint32_t pid, const struct elf *libjvm, uint64_t bias, const struct jvm *last,
	      const uint64_t *methods, size_t n_methods, struct jvm **ret_jvm)
{
	const struct jvm_memory memory = {.read_spans = read_process_spans, .ctx = &pid};
	struct jvm *j = calloc(1, sizeof(*j));
	int err = 0;

	if (!j)
		return -ENOMEM;
	j->refs = 1;
	if (last)
		j->layout = last->layout;
	else
		err = read_layout(&memory, libjvm, bias, &j->layout);
	if (!err)
		err = jvm_code__read(&memory, &j->layout, &j->code);
	if (!err)
		err = jvm_names__read(&memory, &j->layout, &j->code, last ? &last->code : NULL,
				      last ? &last->names : NULL, &j->names);
	if (!err)
		err = gather_methods(last ? &last->interpreted : NULL, methods, n_methods, &j->interpreted);
	if (!err)
		err = jvm_names__read(&memory, &j->layout, &j->interpreted, last ? &last->interpreted : NULL,
				      last ? &last->interpreted_names : NULL, &j->interpreted_names);
	if (err)
		jvm__unref(j);
	else
		*ret_jvm = j;
	return err;
}

struct jvm *jvm__ref(struct jvm *j)
{
	if (j)
		__atomic_fetch_add(&j->refs, 1, __ATOMIC_RELAXED);
	return j;
}

void jvm__unref(struct jvm *j)
{
	if (!j || __atomic_fetch_sub(&j->refs, 1, __ATOMIC_ACQ_REL) > 1)
		return;
	jvm_code__done(&j->code);
	jvm_names__done(&j->names);
	jvm_code__done(&j->interpreted);
	jvm_names__done(&j->interpreted_names);
	free(j);
}

static size_t bytes_of(const struct jvm_code *code, const struct jvm_names *names)
{
	return code->n * (sizeof(*code->blobs) + sizeof(*names->at)) + names->capacity;
}

size_t jvm__bytes(const struct jvm *j)
{
	return sizeof(*j) + bytes_of(&j->code, &j->names) + bytes_of(&j->interpreted, &j->interpreted_names);
}

static const char *find_name(const struct jvm_code *code, const struct jvm_names *names, uint64_t addr)
{
	const struct jvm_blob *b = jvm_code__find(code, addr);

	return b ? jvm_names__find(names, (size_t)(b - code->blobs)) : NULL;
}

const char *jvm__name(const struct jvm *j, uint64_t addr)
{
	if (addr & FRAME_METHOD)
		return find_name(&j->interpreted, &j->interpreted_names, addr & ~FRAME_METHOD);
	return find_name(&j->code, &j->names, addr);
}

bool jvm__has_met(const struct jvm *j, uint64_t method)
{
	return j->interpreted.n >= JVM_METHODS_MAX || jvm_code__find(&j->interpreted, method);
}
