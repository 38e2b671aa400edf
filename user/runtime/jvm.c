// SPDX-License-Identifier: Apache-2.0
#include "user/runtime/jvm.h"

#include <errno.h>
#include <stdlib.h>

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

int jvm__read(uint32_t pid, const struct elf *libjvm, uint64_t bias, const struct jvm *last,
	      struct jvm **ret_jvm)
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
	free(j);
}

size_t jvm__bytes(const struct jvm *j)
{
	return sizeof(*j) + j->code.n * (sizeof(*j->code.blobs) + sizeof(*j->names.at)) + j->names.capacity;
}

const char *jvm__name(const struct jvm *j, uint64_t pc)
{
	const struct jvm_blob *b = jvm_code__find(&j->code, pc);

	return b ? jvm_names__find(&j->names, (size_t)(b - j->code.blobs)) : NULL;
}
