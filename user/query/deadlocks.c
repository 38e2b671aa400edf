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

static void print_thread(const struct profile *p, const struct sample *s, struct buf *to)
{
	buf__printf(to, "    thread %lld '", (long long)number_of(p, s, "tid"));
	printable__append(to, text_of(p, s, "comm"));
	buf__printf(to, "' waits for the lock at %s, which thread %lld '", text_of(p, s, "lock_address"),
		    (long long)number_of(p, s, "holder_tid"));
	printable__append(to, text_of(p, s, "holder"));
	buf__printf(to, "' holds\n");
	print_stack(p, s->stack, to);
}

/* Around the circle, from the thread that it is named by. */
static void print_circle(const struct profile *p, const char *circle, const struct sample *first,
			 struct buf *to)
{
	const struct sample *ring[DEADLOCK_THREADS_MAX];
	const struct sample *s = first;
	uint32_t n = 0;

	while (s && n < DEADLOCK_THREADS_MAX && (!n || s != first)) {
		ring[n++] = s;
		s = find(p, circle, number_of(p, s, "holder_tid"));
	}
	buf__printf(to, "deadlock: %u thread%s of process %lld '", n, n == 1 ? "" : "s",
		    (long long)number_of(p, first, "pid"));
	printable__append(to, text_of(p, first, "process"));
	buf__printf(to, n == 1 ? "' waits for itself\n" : "' wait for each other\n");
	for (uint32_t i = 0; i < n; i++)
		print_thread(p, ring[i], to);
}

uint32_t deadlocks__print(const struct profile *p, struct buf *to)
{
	uint32_t circles = 0;

	for (uint32_t i = 0; i < profile__n_samples(p); i++) {
		const struct sample *s = profile__get_sample(p, i);
		const char *circle = text_of(p, s, DEADLOCK_LABEL);
		char tid[24];

		snprintf(tid, sizeof(tid), "%lld", (long long)number_of(p, s, "tid"));
		if (!*circle || strcmp(circle, tid) || find(p, circle, number_of(p, s, "tid")) != s)
			continue; /* the thread that a circle is named by stands for it, once */
		circles++;
		print_circle(p, circle, s, to);
	}
	return circles;
}
