// SPDX-License-Identifier: Apache-2.0
/*
 * Problem. A question over a day reads eighty files, and most of its time goes into reading them and leaving out what is too small for the answer, the rest into adding
 *   them up.
 *
 * Idea. Reading and folding a file depend on no other file, adding up on all before. So one thread reads and folds ahead, and the caller adds up what is next; where
 *   that is not ready it reads one itself instead of waiting. Files are handed out in their order, and folded at a share of their own, whoever does it: the sum is the
 *   same to the byte.
 *
 *       files   0 1 2 3 4 5 6 7 …
 *                   ^given  ^taken       slots[i % FEED_AHEAD], given <= i < taken <= given + FEED_AHEAD
 *
 * Cost. One thread while it lasts; FEED_AHEAD profiles of single files beside the sum.
 *
 * What it does not do. Add up in parallel: two sums would have to be added at the end, which costs what was saved.
 */
#include "user/store/feed.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "exporters/format/pprof.h"
#include "user/base/buf.h"
#include "user/base/err.h"
#include "user/profile/fold.h"
#include "user/profile/profile.h"
#include "user/store/index.h"

#define STACK_BYTES (1u << 20) /* stacks of a profile are walked in arrays of 4096 */

struct feed {
	struct feed_opts opts;
	pthread_t thread;
	bool has_thread, is_stopped;
	pthread_mutex_t lock; /* of all below */
	pthread_cond_t changed;
	uint32_t n_taken, n_given;
	struct slot {
		bool is_ready;
		int code;
		struct profile *profile;
		struct err err;
	} slots[FEED_AHEAD];
};

static struct slot *slot_of(struct feed *f, uint32_t i)
{
	return &f->slots[i % FEED_AHEAD];
}

static bool may_take(const struct feed *f)
{
	return f->n_taken < f->opts.n && f->n_taken < f->n_given + FEED_AHEAD;
}

static void fold(const struct feed *f, struct slot *to)
{
	struct profile *small;

	to->code = profile__folded(to->profile, f->opts.fold_shift, &small);
	if (!to->code && !small)
		return;
	profile__free(to->profile);
	to->profile = to->code ? NULL : small;
	if (to->code)
		err__set(&to->err, to->code, "%s", strerror(-to->code));
}

static void read_file(const struct feed *f, uint32_t i, struct slot *to)
{
	const struct pprof_decode_opts opts = {.limit_bytes = f->opts.file_bytes,
					       .profile_limit_bytes = f->opts.limit_bytes,
					       .as_list = true};
	struct buf b;

	buf__init(&b, f->opts.file_bytes);
	to->code = f->opts.read(f->opts.ctx, &f->opts.files[i].name, &b);
	if (!to->code)
		to->code = pprof__decode(b.data, b.len, &opts, &to->profile, &to->err);
	else
		err__set(&to->err, to->code, "%s", strerror(-to->code));
	buf__done(&b);
	if (!to->code && f->opts.fold_shift)
		fold(f, to);
}

/* Reads the next file that nobody has taken; the lock is given away meanwhile. */
static void take(struct feed *f)
{
	uint32_t i = f->n_taken++;
	struct slot read = {.is_ready = true};

	pthread_mutex_unlock(&f->lock);
	read_file(f, i, &read);
	pthread_mutex_lock(&f->lock);
	*slot_of(f, i) = read;
	pthread_cond_broadcast(&f->changed);
}

static void *run(void *ctx)
{
	struct feed *f = ctx;

	pthread_mutex_lock(&f->lock);
	while (!f->is_stopped && f->n_taken < f->opts.n) {
		if (may_take(f))
			take(f);
		else
			pthread_cond_wait(&f->changed, &f->lock);
	}
	pthread_mutex_unlock(&f->lock);
	return NULL;
}

/* Signals are for the threads that wait for them. */
static void start_thread(struct feed *f)
{
	pthread_attr_t attr;
	sigset_t all, before;

	sigfillset(&all);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	f->has_thread = !pthread_create(&f->thread, &attr, run, f);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
}

int feed__new(const struct feed_opts *opts, struct feed **ret)
{
	struct feed *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	f->opts = *opts;
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->changed, NULL);
	if (opts->n > 1)
		start_thread(f);
	*ret = f;
	return 0;
}

int feed__next(struct feed *f, const struct store_file **ret_file, struct profile **ret_profile,
	       struct err *err)
{
	struct slot *s = slot_of(f, f->n_given);
	int code;

	if (f->n_given == f->opts.n)
		return -ENODATA;
	pthread_mutex_lock(&f->lock);
	while (!s->is_ready) {
		if (may_take(f))
			take(f);
		else
			pthread_cond_wait(&f->changed, &f->lock);
	}
	code = s->code;
	*ret_file = &f->opts.files[f->n_given];
	if (!code)
		*ret_profile = s->profile;
	else if (err)
		*err = s->err;
	*s = (struct slot){0};
	f->n_given++;
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
	return code;
}

void feed__free(struct feed *f)
{
	if (!f)
		return;
	pthread_mutex_lock(&f->lock);
	f->is_stopped = true;
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
	if (f->has_thread)
		pthread_join(f->thread, NULL);
	for (uint32_t i = 0; i < FEED_AHEAD; i++)
		profile__free(f->slots[i].profile);
	pthread_cond_destroy(&f->changed);
	pthread_mutex_destroy(&f->lock);
	free(f);
}
