// SPDX-License-Identifier: Apache-2.0
#include "user/query/deadlocks.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "user/base/buf.h"
#include "user/base/hashmap.h"
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

/* A thread in a circle. Texts of a profile are the same where their numbers are. */
struct member {
	uint32_t circle;
	int64_t tid;
};

/* Those of all samples, each with its first: a merged profile has a thread once for each stack. */
struct members {
	const struct profile *p;
	struct hashmap map; /* samples */
};

static struct member member_of(const struct profile *p, const struct sample *s)
{
	const struct label *l = profile__find_label(p, s->labels, DEADLOCK_LABEL);

	return (struct member){.circle = l ? l->str : 0, .tid = number_of(p, s, "tid")};
}

static bool is_member(uint32_t i, const void *key, const void *owner)
{
	const struct member m = member_of(owner, profile__get_sample(owner, i)), *k = key;

	return m.circle == k->circle && m.tid == k->tid;
}

/* Its sample, or NULL. */
static const struct sample *find(const struct members *all, struct member m)
{
	uint32_t i = hashmap__find(&all->map, hash_pair(m.circle, (uint64_t)m.tid), is_member, &m, all->p);

	return i == HASHMAP_NONE ? NULL : profile__get_sample(all->p, i);
}

/* Where memory is short, of as many as there is room for. */
static void find_members(struct members *all, const struct profile *p)
{
	all->p = p;
	hashmap__init(&all->map);
	for (uint32_t i = 0; i < profile__n_samples(p); i++) {
		const struct member m = member_of(p, profile__get_sample(p, i));

		if (m.circle && !find(all, m) &&
		    hashmap__add(&all->map, hash_pair(m.circle, (uint64_t)m.tid), i))
			return;
	}
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
static void follow(const struct members *all, const struct sample *first, struct deadlock *ret)
{
	const struct profile *p = all->p;
	struct member m = member_of(p, first);
	const struct sample *s = first;

	*ret = (struct deadlock){.pid = number_of(p, first, "pid"), .process = text_of(p, first, "process")};
	while (s && ret->n < DEADLOCK_THREADS_MAX && (!ret->n || s != first)) {
		m.tid = number_of(p, s, "holder_tid");
		ret->threads[ret->n++] =
			(struct deadlock_thread){.tid = number_of(p, s, "tid"),
						 .holder_tid = m.tid,
						 .comm = text_of(p, s, "comm"),
						 .holder = text_of(p, s, "holder"),
						 .lock_address = text_of(p, s, "lock_address"),
						 .stack = s->stack};
		s = find(all, m);
	}
}

uint32_t deadlocks__each(const struct profile *p, deadlock_fn fn, void *ctx)
{
	struct members all;
	uint32_t circles = 0;

	find_members(&all, p);
	for (uint32_t i = 0; all.map.n && i < profile__n_samples(p); i++) {
		const struct sample *s = profile__get_sample(p, i);
		const struct member m = member_of(p, s);
		struct deadlock d;
		char tid[24];

		snprintf(tid, sizeof(tid), "%lld", (long long)m.tid);
		if (!m.circle || strcmp(profile__str(p, m.circle), tid) || find(&all, m) != s)
			continue; /* the thread that a circle is named by stands for it, once */
		circles++;
		follow(&all, s, &d);
		if (fn)
			fn(ctx, p, &d);
	}
	hashmap__done(&all.map);
	return circles;
}

uint32_t deadlocks__print(const struct profile *p, struct buf *to)
{
	return deadlocks__each(p, print_circle, to);
}
