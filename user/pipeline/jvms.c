// SPDX-License-Identifier: Apache-2.0
#include "user/pipeline/jvms.h"

#include <errno.h>

#include "bpf/code_pages.h"
#include "user/base/io.h"
#include "user/process/process_key.h"
#include "user/runtime/jvm.h"

static void let_go(struct jvms_entry *e)
{
	jvm__unref(e->jvm);
	io__close(&e->mem_fd);
}

void jvms__done(struct jvms *s)
{
	for (uint32_t i = 0; i < s->n; i++)
		let_go(&s->entries[i]);
	s->n = 0;
}

const struct jvms_entry *jvms__find(const struct jvms *s, const struct task_key *key)
{
	for (uint32_t i = 0; i < s->n; i++)
		if (process_key__eq(&s->entries[i].key, key))
			return &s->entries[i];
	return NULL;
}

const struct jvms_entry *jvms__find_number(const struct jvms *s, uint32_t number)
{
	for (uint32_t i = 0; i < s->n; i++)
		if (s->entries[i].number == number)
			return &s->entries[i];
	return NULL;
}

static size_t bytes_of(const struct jvms *s)
{
	size_t bytes = 0;

	for (uint32_t i = 0; i < s->n; i++)
		bytes += jvm__bytes(s->entries[i].jvm);
	return bytes;
}

int jvms__put(struct jvms *s, const struct task_key *key, struct jvm *jvm, int mem_fd, uint32_t *ret_number)
{
	struct jvms_entry *e;

	jvms__remove(s, key);
	if (s->n == JVMS_MAX || bytes_of(s) + jvm__bytes(jvm) > JVMS_BYTES_MAX) {
		io__close(&mem_fd);
		return -E2BIG;
	}
	e = &s->entries[s->n++];
	*e = (struct jvms_entry){.key = *key,
				 .jvm = jvm__ref(jvm),
				 .mem_fd = mem_fd,
				 .number = CODE_PAGES_UNTOLD + 1 + s->n_numbers++ % (CODE_PAGES_NUMBERS - 1)};
	*ret_number = e->number;
	return 0;
}

void jvms__remove(struct jvms *s, const struct task_key *key)
{
	struct jvms_entry *e = (struct jvms_entry *)jvms__find(s, key);

	if (!e)
		return;
	let_go(e);
	*e = s->entries[--s->n];
}
