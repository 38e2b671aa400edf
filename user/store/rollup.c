// SPDX-License-Identifier: Apache-2.0
/*
 * Problem. A question over a week must not open ten thousand files, and a full store should lose resolution before it loses time. Yet
 *   the work must not show beside the profiled machine, must survive a kill at any moment, and must never make a minute count twice or not at all.
 *
 * Idea. One roll-up at a time, one file a step:
 *
 *       idle ── an hour is due: the store closes its set of parts ──> adding ── last part ──> encoded ── written ──> idle
 *        ^                                                              |                       |   ^
 *        └────────── does not fit, nothing readable: skipped ───────────┘            disk full  └───┘ again after a pause
 *
 *   Nothing is kept of an unfinished roll-up: after a kill the hour has no roll-up yet, is due, and begins anew. The file appears by a rename,
 *   and only from then on do its parts count as covered; the store deletes them when it wants the room, not before.
 *
 * Invariants. Values of a roll-up are the sums of its parts, exactly (integers are added); what it does not hold of them abridged.c says. A part that cannot be read is left, counted and
 *   told in the roll-up as "lost windows_damaged". An hour that is refused blocks its day, so that a day never hides minutes that it does
 *   not hold.
 *
 * Cost. One decode and one merge a step; memory as the header says; an idle step looks up what ended since the last.
 *
 * What it does not do. It does not roll again when late windows come.
 */
#include "user/store/rollup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "exporters/format/pprof.h"
#include "user/base/buf.h"
#include "user/base/clock.h"
#include "user/base/err.h"
#include "user/base/log.h"
#include "user/config/event.h"
#include "user/profile/profile.h"
#include "user/store/abridged.h"
#include "user/store/outage.h"
#include "user/store/store.h"

struct skip {
	struct store_name rollup;
	enum store_verdict verdict;
};

struct rollup {
	struct rollup_opts opts;
	struct rollup_stats stats;
	struct outage outage;
	struct skip skips[ROLLUP_SKIPS_MAX]; /* a ring: what is forgotten is tried once more */
	uint32_t n_skips;
	/* the one in progress; parts == NULL: none */
	struct store_name name;
	struct store_name *parts;
	uint32_t n_parts, next_part, n_damaged;
	struct abridged sum;
	struct buf encoded; /* len > 0: finished, waits for the disk */
};

int rollup__new(const struct rollup_opts *opts, struct rollup **ret_rollup)
{
	struct rollup *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->opts = *opts;
	if (!r->opts.grace_ns)
		r->opts.grace_ns = ROLLUP_GRACE_NS;
	if (!r->opts.limit_bytes)
		r->opts.limit_bytes = ROLLUP_LIMIT_BYTES;
	abridged__init(&r->sum, r->opts.limit_bytes);
	buf__init(&r->encoded, r->opts.limit_bytes);
	*ret_rollup = r;
	return 0;
}

static uint64_t mono_ns(const struct rollup *r)
{
	return r->opts.mono_ns ? r->opts.mono_ns(r->opts.clock_ctx) : clock__mono_ns();
}

/* Forgets the one in progress. */
static void drop(struct rollup *r)
{
	free(r->parts);
	r->parts = NULL;
	r->n_parts = r->next_part = r->n_damaged = 0;
	abridged__done(&r->sum);
	buf__done(&r->encoded);
}

void rollup__free(struct rollup *r)
{
	if (!r)
		return;
	if (r->parts)
		store__end_rollup(r->opts.store, NULL, 0);
	drop(r);
	free(r);
}

void rollup__stats(const struct rollup *r, struct rollup_stats *ret)
{
	*ret = r->stats;
}

/* ---- which ----------------------------------------------------------------------------------------------------------- */

static enum store_verdict judge(const struct store_name *rollup, const void *ctx)
{
	const struct rollup *r = ctx;
	uint32_t n = r->n_skips < ROLLUP_SKIPS_MAX ? r->n_skips : ROLLUP_SKIPS_MAX;

	if (event__is_state(rollup->event))
		return STORE_ROLL_NOT_EVENT;
	for (uint32_t i = 0; i < n; i++)
		if (store_name__compare(&r->skips[i].rollup, rollup) == 0)
			return r->skips[i].verdict;
	return STORE_ROLL;
}

/* Gives up the one in progress for this run. */
static void skip_rollup(struct rollup *r, enum store_verdict verdict)
{
	r->skips[r->n_skips++ % ROLLUP_SKIPS_MAX] = (struct skip){r->name, verdict};
	/* the ring has wrapped: keep the counter from running back to "few" */
	if (r->n_skips == 2 * ROLLUP_SKIPS_MAX)
		r->n_skips = ROLLUP_SKIPS_MAX;
	store__end_rollup(r->opts.store, NULL, 0);
	drop(r);
}

static void refuse(struct rollup *r, const char *why)
{
	char path[STORE_PATH_MAX];

	store_name__format_path(&r->name, path);
	r->stats.n_refused++;
	log_warn("store: roll up '%s': %s; its parts stay as they are, ignoring", path, why);
	skip_rollup(r, STORE_ROLL_REFUSED);
}

/* ---- adding ---------------------------------------------------------------------------------------------------------- */

static void note_damaged(struct rollup *r, const struct store_name *part, const char *why)
{
	char path[STORE_PATH_MAX];

	store_name__format_path(part, path);
	r->n_damaged++;
	r->stats.n_damaged++;
	log_warn("store: roll up '%s': %s, ignoring", path, why);
}

static int add_part(struct rollup *r, const struct store_name *part)
{
	struct err err = {0};
	struct buf file;
	int rc;

	buf__init(&file, r->opts.limit_bytes);
	rc = store__read(r->opts.store, part, r->opts.limit_bytes, &file);
	if (rc == -ENOENT) {
		r->stats.n_gone++;
		rc = 0;
		goto out;
	}
	if (!rc)
		rc = abridged__add(&r->sum, &file, &err);
	if (!rc) {
		r->stats.n_added++;
	} else if (rc == -EBADMSG || rc == -EIO) {
		note_damaged(r, part, err__text(&err, rc));
		rc = 0;
	}
out:
	buf__done(&file);
	return rc;
}

static int encode(struct rollup *r)
{
	struct pprof_opts opts = {.compression = COMPRESSION_ZSTD, .level = r->opts.level};
	struct profile *sum = NULL;
	int rc;

	if (r->n_damaged)
		rc = profile__comment(r->sum.sum.profile, "lost windows_damaged: %u", r->n_damaged);
	else
		rc = 0;
	if (!rc)
		rc = abridged__take(&r->sum, &sum);
	if (!rc)
		rc = pprof__encode(sum, &opts, &r->encoded);
	profile__free(sum);
	return rc;
}

/* ---- writing --------------------------------------------------------------------------------------------------------- */

static int write_rollup(struct rollup *r)
{
	char path[STORE_PATH_MAX];
	uint64_t length_ns;
	int rc;

	rc = store__end_rollup(r->opts.store, r->encoded.data, r->encoded.len);
	store_name__format_path(&r->name, path);
	if (!rc) {
		if (store_name__level(&r->name) == STORE_DAY)
			r->stats.n_days++;
		else
			r->stats.n_hours++;
		if (outage__end(&r->outage, mono_ns(r), &length_ns))
			log_info("store: roll up '%s': written after %.0f s", path, (double)length_ns / 1e9);
		drop(r);
		return 0;
	}
	r->stats.n_write_failures++;
	if (outage__fail(&r->outage, rc, mono_ns(r)))
		log_warn("store: roll up '%s': %s, will retry", path, strerror(-rc));
	/* The folder is another one, or somebody else wrote it: what is due is to be asked anew. */
	if (rc == -ESTALE || rc == -EEXIST) {
		store__end_rollup(r->opts.store, NULL, 0);
		drop(r);
	}
	return rc;
}

static int begin(struct rollup *r)
{
	return store__begin_rollup(r->opts.store, r->opts.grace_ns, judge, r, &r->name, &r->parts,
				   &r->n_parts);
}

static int finish(struct rollup *r)
{
	int rc;

	if (!r->encoded.len) {
		if (!r->sum.sum.n_added) {
			skip_rollup(r, STORE_ROLL_EMPTY);
			return 0;
		}
		rc = encode(r);
		if (rc == -ENOMEM)
			goto again;
		if (rc) {
			refuse(r, strerror(-rc));
			return 0;
		}
	}
	return write_rollup(r);
again:
	outage__fail(&r->outage, rc, mono_ns(r));
	store__end_rollup(r->opts.store, NULL, 0);
	drop(r);
	return rc;
}

int rollup__step(struct rollup *r, uint32_t max_files, bool *ret_more)
{
	int rc = 0;

	*ret_more = false;
	if (!outage__may_try(&r->outage, mono_ns(r)))
		return 0;
	if (!r->parts) {
		rc = begin(r);
		if (rc)
			return rc == -ENOENT ? 0 : rc;
	}
	for (uint32_t i = 0; i < max_files && r->next_part < r->n_parts; i++) {
		rc = add_part(r, &r->parts[r->next_part]);
		if (rc == -E2BIG || rc == -EINVAL) {
			refuse(r,
			       rc == -E2BIG ? "more than fits the memory limit" : "its sample types changed");
			*ret_more = true;
			return 0;
		}
		if (rc) {
			/* No memory, no descriptor: from the start after a pause. */
			outage__fail(&r->outage, rc, mono_ns(r));
			store__end_rollup(r->opts.store, NULL, 0);
			drop(r);
			return rc;
		}
		r->next_part++;
	}
	if (r->next_part == r->n_parts)
		rc = finish(r);
	*ret_more = rc == 0;
	return rc;
}
