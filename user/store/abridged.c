// SPDX-License-Identifier: Apache-2.0
/*
 * Problem. Nearly every tick of a window is a row of its own: its address is a new one, its process lived for a second. Added up as they are, an hour of
 *   windows is sixty times one, too large to be made within the agent's memory and too slow to be asked; and nobody asks an hour which
 *   instruction it was, or which of fourteen thousand `date`s.
 *
 * Idea. Three things are left out, and nothing of any value:
 *     addresses and lines   a location becomes its function, inlined ones as frames of their own. Of a function without a name the address where it begins
 *                           is its name, so that it can still be looked up by build-id.
 *     ids of processes      (`pid`, and `tid` with it) of those that were in one part only. They keep their name, program, control group and container.
 *     small branches        where that leaves more than ABRIDGED_ROWS_MAX rows: see profile/fold.
 *   Which processes those are is known when the last part has been added: until then all have their ids, then the sum is merged once more.
 *
 * Cost. An hour of a machine that is half busy with a hundred processes: a third of the rows of its windows. One more merge at the end. While parts are added
 *   the sum is folded, too, when it has half of the limit: a day of busy hours would not fit.
 */
#include "user/store/abridged.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/profile/fold.h"
#include "user/profile/merge.h"
#include "user/profile/profile.h"

struct abridged_process {
	int64_t pid;
	uint32_t last_part, n_parts;
};

static const struct profile_merge_opts by_function = {.functions_only = true}, as_it_is;

void abridged__init(struct abridged *a, size_t limit_bytes)
{
	*a = (struct abridged){0};
	store_sum__init(&a->sum, limit_bytes);
	a->sum.merge = &by_function;
	a->sum.grown_bytes = limit_bytes / 2;
	a->sum.rows_max = ABRIDGED_ROWS_MAX;
	hashmap__init(&a->by_pid);
}

void abridged__done(struct abridged *a)
{
	size_t limit_bytes = a->sum.limit_bytes;

	store_sum__done(&a->sum);
	free(a->processes);
	hashmap__done(&a->by_pid);
	abridged__init(a, limit_bytes);
}

static bool is_pid(uint32_t index, const void *key, const void *owner)
{
	const struct abridged *a = owner;

	return a->processes[index].pid == *(const int64_t *)key;
}

static struct abridged_process *find(const struct abridged *a, int64_t pid)
{
	uint32_t i = hashmap__find(&a->by_pid, hash_u64((uint64_t)pid), is_pid, &pid, a);

	return i == HASHMAP_NONE ? NULL : &a->processes[i];
}

static int add_process(struct abridged *a, int64_t pid)
{
	if (a->n == a->cap) {
		uint32_t cap = a->cap + a->cap / 2 + 256;
		struct abridged_process *grown = realloc(a->processes, cap * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		a->processes = grown;
		a->cap = cap;
	}
	a->processes[a->n] = (struct abridged_process){pid, a->sum.n_added, 1};
	return hashmap__add(&a->by_pid, hash_u64((uint64_t)pid), a->n++);
}

/* After the part was added: sum.n_added is its number. */
static int note_processes(struct abridged *a, const struct profile *part)
{
	int err = 0;

	for (uint32_t i = 1; !err && i <= profile__n_label_sets(part); i++) {
		const struct label *l = profile__find_label(part, i, "pid");
		struct abridged_process *p = l ? find(a, l->num) : NULL;

		if (l && !p)
			err = add_process(a, l->num);
		else if (p && p->last_part != a->sum.n_added) {
			p->last_part = a->sum.n_added;
			p->n_parts++;
		}
	}
	return err;
}

int abridged__add(struct abridged *a, const struct buf *file, struct err *err)
{
	struct profile *part = NULL;
	int rc = store_sum__decode(&a->sum, file, &part, err);

	if (!rc)
		rc = store_sum__add_profile(&a->sum, part, err);
	if (!rc)
		rc = note_processes(a, part);
	profile__free(part);
	return rc;
}

/* Ids of a process that was in one part. */
static bool is_passing(const struct profile *sum, uint32_t labels, const struct label *l, void *ctx)
{
	const char *key = profile__str(sum, l->key);
	const struct abridged_process *p;
	const struct label *pid;

	if (strcmp(key, "pid") && strcmp(key, "tid"))
		return false;
	pid = profile__find_label(sum, labels, "pid");
	p = pid ? find(ctx, pid->num) : NULL;
	return p && p->n_parts == 1;
}

int abridged__take(struct abridged *a, struct profile **ret_profile)
{
	const struct profile_merge_opts opts = {.drop = is_passing, .drop_ctx = a};
	struct profile_opts limits = {.limit_bytes = a->sum.limit_bytes, .adds_late = true};
	/* one file is all that there is: no process of it is a passing one */
	bool has_passing = a->sum.n_added > 1;
	struct profile *all = NULL, *p;
	int rc = store_sum__take(&a->sum, &all);

	if (rc)
		return rc;
	p = profile__new(&limits);
	rc = p ? profile__merge_as(p, all, has_passing ? &opts : &as_it_is) : -ENOMEM;
	if (!rc)
		rc = profile__fold(&p, ABRIDGED_ROWS_MAX, NULL);
	profile__free(all);
	return profile__finish(p, rc, ret_profile);
}
