// SPDX-License-Identifier: Apache-2.0
#include "user/query/deadlocks.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "user/base/buf.h"
#include "user/profile/profile.h"
#include "user/query/printable.h"

#define KERNEL_FILE "[kernel.kallsyms]"

static const char *text_of(const struct profile *p, const struct sample *s, const char *key)
{
	const struct label *l = profile__find_label(p, s->labels, key);

	return l ? profile__str(p, l->str) : "";
}

static int64_t number_of(const struct profile *p, const struct sample *s, const char *key)
{
	const struct label *l = profile__find_label(p, s->labels, key);

	return l ? l->num : 0;
}

/* The thread's sample in the circle, or NULL. A merged profile has a thread once for each stack: the first stands for it. */
static const struct sample *find(const struct profile *p, const char *circle, int64_t tid)
{
	for (uint32_t i = 0; i < profile__n_samples(p); i++) {
		const struct sample *s = profile__get_sample(p, i);

		if (!strcmp(text_of(p, s, DEADLOCK_LABEL), circle) && number_of(p, s, "tid") == tid)
			return s;
	}
	return NULL;
}

static bool is_kernel(const struct profile *p, const struct location *l)
{
	return l->mapping &&
	       !strcmp(profile__str(p, profile__get_mapping(p, l->mapping)->filename), KERNEL_FILE);
}

/* How it came to wait, in user space. */
static void print_stack(const struct profile *p, uint32_t stack, struct buf *to)
{
	uint32_t location, parent, shown = 0;

	for (; stack; stack = parent) {
		const struct location *l;

		profile__get_stack_node(p, stack, &location, &parent);
		l = profile__get_location(p, location);
		for (uint32_t i = 0; i < l->n_lines && !is_kernel(p, l); i++) {
			if (shown++ == DEADLOCK_FRAMES_MAX) {
				buf__printf(to, "        ...\n");
				return;
			}
			buf__printf(to, "        ");
			printable__append(
				to,
				profile__str(
					p, profile__get_function(p, profile__lines(p, l)[i].function)->name));
			buf__printf(to, "\n");
		}
	}
}

void deadlock_thread__print(const struct deadlock_thread *t, struct buf *to)
{
	buf__printf(to, "    thread %lld '", (long long)t->tid);
	printable__append(to, t->comm);
	buf__printf(to, "' waits for the lock at %s, which thread %lld '", t->lock_address,
		    (long long)t->holder_tid);
	printable__append(to, t->holder);
	buf__append_str(to, "' holds\n");
}

static void print_circle(void *ctx, const struct profile *p, const struct deadlock *d)
{
	struct buf *to = ctx;

	buf__printf(to, "deadlock: %u thread%s of process %lld '", d->n, d->n == 1 ? "" : "s",
		    (long long)d->pid);
	printable__append(to, d->process);
	buf__append_str(to, d->n == 1 ? "' waits for itself\n" : "' wait for each other\n");
	for (uint32_t i = 0; i < d->n; i++) {
		deadlock_thread__print(&d->threads[i], to);
		print_stack(p, d->threads[i].stack, to);
	}
}

/* Around the circle, from the thread that it is named by. */
static void follow(const struct profile *p, const char *circle, const struct sample *first,
		   struct deadlock *ret)
{
	const struct sample *s = first;

	*ret = (struct deadlock){.pid = number_of(p, first, "pid"), .process = text_of(p, first, "process")};
	while (s && ret->n < DEADLOCK_THREADS_MAX && (!ret->n || s != first)) {
		ret->threads[ret->n++] =
			(struct deadlock_thread){.tid = number_of(p, s, "tid"),
						 .holder_tid = number_of(p, s, "holder_tid"),
						 .comm = text_of(p, s, "comm"),
						 .holder = text_of(p, s, "holder"),
						 .lock_address = text_of(p, s, "lock_address"),
						 .stack = s->stack};
		s = find(p, circle, number_of(p, s, "holder_tid"));
	}
}

uint32_t deadlocks__each(const struct profile *p, deadlock_fn fn, void *ctx)
{
	uint32_t circles = 0;

	for (uint32_t i = 0; i < profile__n_samples(p); i++) {
		const struct sample *s = profile__get_sample(p, i);
		const char *circle = text_of(p, s, DEADLOCK_LABEL);
		struct deadlock d;
		char tid[24];

		snprintf(tid, sizeof(tid), "%lld", (long long)number_of(p, s, "tid"));
		if (!*circle || strcmp(circle, tid) || find(p, circle, number_of(p, s, "tid")) != s)
			continue; /* the thread that a circle is named by stands for it, once */
		circles++;
		follow(p, circle, s, &d);
		if (fn)
			fn(ctx, p, &d);
	}
	return circles;
}

uint32_t deadlocks__print(const struct profile *p, struct buf *to)
{
	return deadlocks__each(p, print_circle, to);
}
