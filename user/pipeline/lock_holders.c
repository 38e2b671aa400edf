// SPDX-License-Identifier: Apache-2.0
#include "user/pipeline/lock_holders.h"

#include <errno.h>
#include <stdlib.h>

#include "user/base/hashmap.h"

/* A tid, and of whose: that process's own, or everybody's (0). */
struct name {
	uint32_t tgid, tid;
};

struct finding {
	const struct lock_thread *threads;
	const struct lock_holders_port *port;
	struct name *names;           /* of each thread, the one that locks have */
	uint32_t *waiters, n_waiters; /* of each process with one, the first: an index */
	bool *is_apart;               /* as waiters */
	struct hashmap by_name, by_process;
};

static bool is_named(uint32_t index, const void *key, const void *owner)
{
	const struct name *a = &((const struct finding *)owner)->names[index], *b = key;

	return a->tgid == b->tgid && a->tid == b->tid;
}

static bool is_of_process(uint32_t index, const void *key, const void *owner)
{
	const struct finding *f = owner;

	return f->threads[f->waiters[index]].tgid == *(const uint32_t *)key;
}

static uint32_t find_process(const struct finding *f, uint32_t tgid)
{
	return hashmap__find(&f->by_process, hash_u64(tgid), is_of_process, &tgid, f);
}

static int note_waiters(struct finding *f, uint32_t n)
{
	int err = 0;

	for (uint32_t i = 0; i < n && !err; i++) {
		uint32_t tgid = f->threads[i].tgid;

		if (!f->threads[i].holder || find_process(f, tgid) != HASHMAP_NONE)
			continue;
		f->waiters[f->n_waiters] = i;
		f->is_apart[f->n_waiters] = f->port->is_apart(f->port->ctx, i);
		err = hashmap__add(&f->by_process, hash_u64(tgid), f->n_waiters++);
	}
	return err;
}

static bool is_apart(const struct finding *f, uint32_t tgid)
{
	uint32_t at = find_process(f, tgid);

	return at != HASHMAP_NONE && f->is_apart[at];
}

static int name_threads(struct finding *f, uint32_t n)
{
	int err = 0;

	for (uint32_t i = 0; i < n && !err; i++) {
		const struct lock_thread *t = &f->threads[i];
		bool apart = is_apart(f, t->tgid);

		f->names[i] = (struct name){.tgid = apart ? t->tgid : 0,
					    .tid = apart ? f->port->tid_there(f->port->ctx, i) : t->tid};
		if (f->names[i].tid) /* else it is gone */
			err = hashmap__add(&f->by_name, hash_pair(f->names[i].tgid, f->names[i].tid), i);
	}
	return err;
}

static uint32_t find_holder(const struct finding *f, const struct lock_thread *t)
{
	const struct name wanted = {.tgid = is_apart(f, t->tgid) ? t->tgid : 0, .tid = t->holder};
	uint32_t at = HASHMAP_NONE;

	if (t->holder)
		at = hashmap__find(&f->by_name, hash_pair(wanted.tgid, wanted.tid), is_named, &wanted, f);
	return at == HASHMAP_NONE ? LOCK_HOLDERS_NOBODY : at;
}

int lock_holders__find(const struct lock_thread *threads, uint32_t n, const struct lock_holders_port *port,
		       uint32_t *ret_holders)
{
	struct finding f = {.threads = threads, .port = port};
	int err = -ENOMEM;

	hashmap__init(&f.by_name);
	hashmap__init(&f.by_process);
	f.names = calloc(n + 1, sizeof(*f.names));
	f.waiters = calloc(n + 1, sizeof(*f.waiters));
	f.is_apart = calloc(n + 1, sizeof(*f.is_apart));
	if (f.names && f.waiters && f.is_apart)
		err = note_waiters(&f, n);
	if (!err)
		err = name_threads(&f, n);
	for (uint32_t i = 0; i < n && !err; i++)
		ret_holders[i] = find_holder(&f, &threads[i]);
	hashmap__done(&f.by_name);
	hashmap__done(&f.by_process);
	free(f.names);
	free(f.waiters);
	free(f.is_apart);
	return err;
}
