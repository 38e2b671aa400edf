// SPDX-License-Identifier: Apache-2.0
/*
 * Any bytes as a list of idle patterns, and after a NUL as the texts of a wait. A list is refused with one line, or is written so that it reads to the same;
 * what is matched is what the shell's own matching says.
 */
#include <fnmatch.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/arena.h"
#include "user/base/buf.h"
#include "user/base/err.h"
#include "user/config/idle_pattern.h"
#include "user/config/yaml.h"
#include "user/pipeline/idle_match.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool take(const char *text, size_t len, struct arena *arena, struct idle_list *list)
{
	struct err e = {0};
	struct yaml y;
	int err = yaml__parse("f", text, len, &y, &e);

	if (!err) {
		err = idle_list__take(y.root, arena, list, &e);
		yaml__done(&y);
	}
	if (err && (!e.text[0] || strchr(e.text, '\n')))
		abort();
	return !err;
}

static void write_and_read(const struct idle_list *list, struct arena *arena)
{
	struct idle_list again;
	struct buf a, b;

	buf__init(&a, 4u << 20);
	buf__init(&b, 4u << 20);
	idle_list__format(list, &a);
	if (buf__err(&a) || !take(buf__str(&a), a.len, arena, &again))
		abort();
	idle_list__format(&again, &b);
	if (strcmp(buf__str(&a), buf__str(&b)) || again.n != list->n)
		abort();
	buf__done(&a);
	buf__done(&b);
}

static bool any_fits(const struct text_list *l, const char *text)
{
	for (uint32_t i = 0; i < l->n; i++)
		if (!fnmatch(l->items[i], text, 0))
			return true;
	return false;
}

struct stack {
	const struct idle_match *m;
	const char *function;
};

static bool has_function(void *ctx, uint32_t set)
{
	const struct stack *s = ctx;

	return idle_match__is_in_set(s->m, set, s->function);
}

/* The same by the plainest reading of the patterns. */
static const char *plain(const struct idle_list *list, const struct idle_wait *w, const char *function)
{
	for (uint32_t i = 0; i < list->n; i++) {
		const struct idle_pattern *p = &list->patterns[i];

		if ((!p->wait.n || any_fits(&p->wait, w->wait)) &&
		    (!p->syscall.n || any_fits(&p->syscall, w->syscall)) &&
		    (!p->leaf.n || any_fits(&p->leaf, w->leaf)) &&
		    (!p->process.n || any_fits(&p->process, w->process)) &&
		    (!p->comm.n || any_fits(&p->comm, w->comm)) && (!p->exe.n || any_fits(&p->exe, w->exe)) &&
		    (!p->function.n || any_fits(&p->function, function)) &&
		    (!p->except.n || !any_fits(&p->except, function)))
			return p->name;
	}
	return NULL;
}

static void match(const struct idle_list *list, const char *text)
{
	struct idle_match *m;
	struct stack s = {.function = text};

	if (idle_match__new(list, &m))
		return;
	s.m = m;
	for (int i = 0; i < 3; i++) {
		struct idle_wait w = {
			.syscall = i == 1 ? "futex" : text,
			.wait = i == 2 ? "epoll" : text,
			.leaf = text,
			.comm = text,
			.process = text,
			.exe = text,
			.has_function = has_function,
			.ctx = &s,
		};
		const char *found = idle_match__find(m, &w), *want = plain(list, &w, text);

		if (!found != !want || (found && strcmp(found, want)))
			abort();
	}
	idle_match__unref(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct idle_list list;
	struct arena arena;
	char *text;

	if (size > 8192)
		return 0;
	text = malloc(size + 2);
	if (!text)
		return 0;
	if (size)
		memcpy(text, data, size);
	text[size] = text[size + 1] = '\0';
	arena__init(&arena, 16u << 20);
	if (take(text, strlen(text), &arena, &list)) {
		write_and_read(&list, &arena);
		match(&list, strlen(text) < size ? text + strlen(text) + 1 : "");
	}
	arena__done(&arena);
	free(text);
	return 0;
}
