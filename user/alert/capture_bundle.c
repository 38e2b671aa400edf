// SPDX-License-Identifier: Apache-2.0
/*
 * Problem: who opens a capture at three in the morning wants the answer first and the evidence beside it, in files that every tool reads.
 *
 * Idea: one event after the other. Its two profiles, of the whole machine as they were recorded, are cut down to the target, added up, set beside the baseline, and encoded;
 * what is said of them is said once for people (summary.txt) and once for programs (meta.json), from the same accounts.
 *
 * Invariants: <event>.pb.gz is the sum of before and after, so either can be left unopened. What could not be had is told with its reason.
 *
 * Cost: the profiles of one event at a time are encoded; the small ones of the target stay until the texts are written.
 *
 * What it does not do: write (user/store/capture_folder.h): the bytes are complete before the disk sees the first of them.
 */
#include "user/alert/capture_bundle.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exporters/format/pprof.h"
#include "user/alert/capture_account.h"
#include "user/base/buf.h"
#include "user/base/memfd.h"
#include "user/profile/diff.h"
#include "user/profile/merge.h"
#include "user/profile/profile.h"
#include "user/query/top.h"

#define DIFF_ROWS 200

/* The bytes of the buf become the bundle's. */
static int bundle__add(struct capture_bundle *b, const char *name, struct buf *bytes)
{
	int err = buf__err(bytes);

	if (!err && (b->n == CAPTURE_FILES_MAX || b->bytes + bytes->len > BUNDLE_BYTES_MAX))
		err = -E2BIG;
	if (err) {
		buf__done(bytes);
		return err;
	}
	snprintf(b->files[b->n].name, sizeof(b->files[b->n].name), "%s", name);
	b->files[b->n].bytes = bytes->data;
	b->files[b->n++].len = bytes->len;
	b->bytes += bytes->len;
	return 0;
}

static int bundle__add_profile(struct capture_bundle *b, const char *prefix, enum event ev,
			       const struct profile *p)
{
	char name[CAPTURE_FILE_NAME_MAX];
	struct buf bytes;
	int err;

	if (!p)
		return 0;
	snprintf(name, sizeof(name), "%s%s.pb.gz", prefix, event__name(ev));
	buf__init(&bytes, BUNDLE_BYTES_MAX);
	err = pprof__encode(p, NULL, &bytes);
	if (err) {
		buf__done(&bytes);
		return err;
	}
	return bundle__add(b, name, &bytes);
}

void capture_bundle__done(struct capture_bundle *b)
{
	while (b->n)
		free((void *)b->files[--b->n].bytes);
	b->bytes = 0;
}

/* -- the profiles of one event -- */

/* What a memfd holds, of the target alone. NULL and success: it has nothing of the target. */
static int load_part(const struct capture_case *c, int fd, struct profile **ret)
{
	const struct profile_merge_opts keep = {.keep = capture_case__keeps, .keep_ctx = (void *)c};
	struct profile *all = NULL, *ours = profile__new(NULL);
	struct buf b;
	int err;

	buf__init(&b, (size_t)512 << 20);
	err = ours ? memfd__read(fd, (size_t)512 << 20, &b) : -ENOMEM;
	if (!err)
		err = pprof__decode(b.data, b.len, NULL, &all, NULL);
	buf__done(&b);
	if (!err)
		err = profile__merge_as(ours, all, &keep);
	profile__free(all);
	return profile__finish(ours, err, ret);
}

static int add_both(struct capture_account *a)
{
	struct profile *sum = profile__new(NULL);
	int err = sum ? 0 : -ENOMEM;

	for (int w = 0; !err && w < WHEN_N; w++)
		if (a->of[w])
			err = profile__merge(sum, a->of[w]);
	return profile__finish(sum, err, &a->whole);
}

static const char *reason_of(int err)
{
	return err == -ENODATA     ? "nothing was recorded then"
	       : err == -ECANCELED ? "everprof ended before it was over"
	       : err == -ENOENT    ? "it is not recorded"
				   : strerror(-err);
}

static int account__load(const struct capture_case *c, const struct capture_part *part,
			 struct capture_account *a)
{
	int err = 0, why = -ENODATA;

	for (int w = 0; !err && w < WHEN_N; w++) {
		if (!part->of[w].ask)
			continue;
		if (part->of[w].fd < 0)
			why = part->of[w].err;
		else
			err = load_part(c, part->of[w].fd, &a->of[w]);
	}
	if (err)
		return err;
	if (!a->of[WHEN_BEFORE] && !a->of[WHEN_AFTER]) {
		snprintf(a->missing, sizeof(a->missing), "%s", reason_of(why));
		return 0;
	}
	err = add_both(a);
	if (!err && !profile__n_samples(a->whole)) {
		snprintf(a->missing, sizeof(a->missing), "nothing of the target was recorded");
		profile__free(a->whole);
		a->whole = NULL;
	}
	return err;
}

static int account__compare(const struct capture_case *c, struct store *store, struct capture_account *a)
{
	int err = -ENODATA;

	if (!a->whole)
		return 0;
	if (!c->request.baseline)
		snprintf(a->no_baseline, sizeof(a->no_baseline), "not asked for");
	else
		err = capture_baseline__load(c, store, a->event,
					     (uint64_t)profile__meta(a->whole)->duration_ns, &a->baseline);
	if (!err)
		err = profile__diff(a->baseline.profile, a->whole, NULL, &a->diff);
	if (err == -EINVAL) /* other sample types: an older version's files */
		snprintf(a->no_baseline, sizeof(a->no_baseline),
			 "the store's files are of other sample types");
	else if (err && !a->no_baseline[0])
		snprintf(a->no_baseline, sizeof(a->no_baseline), "%s",
			 err == -ENODATA ? "the store has nothing of the time before" : strerror(-err));
	return err == -ENOMEM || err == -E2BIG ? err : 0;
}

static int account__show(struct capture_account *a)
{
	struct idle_hidden ignored;
	int err = a->whole ? idle__hide(a->whole, NULL, &a->shown, &a->hidden) : 0;

	if (!err && a->baseline.profile)
		err = idle__hide(a->baseline.profile, NULL, &a->shown_normal, &ignored);
	return err;
}

const struct profile *capture_account__whole(const struct capture_account *a)
{
	return a->shown ? a->shown : a->whole;
}

const struct profile *capture_account__normal(const struct capture_account *a)
{
	return a->shown_normal ? a->shown_normal : a->baseline.profile;
}

static void account__done(struct capture_account *a)
{
	profile__free(a->shown);
	profile__free(a->shown_normal);
	for (int w = 0; w < WHEN_N; w++)
		profile__free(a->of[w]);
	profile__free(a->whole);
	profile__free(a->diff);
	profile__free(a->baseline.profile);
}

int64_t capture_account__total(const struct profile *p, const char **ret_unit)
{
	uint32_t type = 0;
	int64_t total = 0;

	if (ret_unit)
		*ret_unit = "";
	if (!p || profile__find_type(p, NULL, &type))
		return 0;
	for (uint32_t i = 0; i < profile__n_samples(p); i++)
		total += profile__get_sample(p, i)->values[type];
	if (ret_unit)
		*ret_unit = profile__str(p, profile__type(p, type).unit);
	return total;
}

/* -- files -- */

static int add_diff_text(struct capture_bundle *b, const struct capture_account *a)
{
	const struct top_opts opts = {.sort = TOP_BY_CUM, .by = "function"};
	const struct top_print_opts print = {.n_rows = DIFF_ROWS};
	char name[CAPTURE_FILE_NAME_MAX];
	struct top *t = NULL;
	struct buf text;
	int err;

	if (!a->diff)
		return 0;
	err = top__new(a->diff, &opts, &t, NULL);
	if (err)
		return err;
	snprintf(name, sizeof(name), "diff.%s.txt", event__name(a->event));
	buf__init(&text, BUNDLE_BYTES_MAX);
	top__print(t, a->diff, &print, &text);
	top__free(t);
	return bundle__add(b, name, &text);
}

static int add_event(struct capture_bundle *b, const struct capture_account *a)
{
	int err;

	if (!a->whole)
		return 0;
	err = bundle__add_profile(b, "", a->event, a->whole);
	if (!err && !a->is_state)
		err = bundle__add_profile(b, "before.", a->event, a->of[WHEN_BEFORE]);
	if (!err && !a->is_state)
		err = bundle__add_profile(b, "after.", a->event, a->of[WHEN_AFTER]);
	if (!err)
		err = bundle__add_profile(b, "baseline.", a->event, a->baseline.profile);
	if (!err)
		err = bundle__add_profile(b, "diff.", a->event, a->diff);
	if (!err)
		err = add_diff_text(b, a);
	b->events |= 1u << a->event;
	return err;
}

static int add_texts(struct capture_bundle *b, const struct capture_case *c,
		     const struct capture_account *accounts)
{
	struct buf text;
	int err;

	buf__init(&text, BUNDLE_BYTES_MAX);
	capture_summary__print(c, accounts, c->n_parts, &text);
	err = bundle__add(b, CAPTURE_SUMMARY, &text);
	if (err)
		return err;
	buf__init(&text, BUNDLE_BYTES_MAX);
	err = capture_meta__encode(c, accounts, c->n_parts, b->files, b->n, &text);
	if (err) {
		buf__done(&text);
		return err;
	}
	return bundle__add(b, CAPTURE_META, &text);
}

int capture_bundle__make(const struct capture_case *c, struct store *store, struct capture_bundle *ret)
{
	struct capture_account *accounts = calloc(EVENT_N, sizeof(*accounts));
	int err = accounts ? 0 : -ENOMEM;

	*ret = (struct capture_bundle){0};
	for (uint32_t i = 0; !err && i < c->n_parts; i++) {
		struct capture_account *a = &accounts[i];

		a->event = c->parts[i].event;
		a->is_state = c->parts[i].is_dump;
		a->is_extra = c->parts[i].is_extra;
		err = account__load(c, &c->parts[i], a);
		if (!err)
			err = account__compare(c, store, a);
		if (!err)
			err = account__show(a);
		if (!err)
			err = add_event(ret, a);
	}
	if (!err)
		err = add_texts(ret, c, accounts);
	for (uint32_t i = 0; accounts && i < c->n_parts; i++)
		account__done(&accounts[i]);
	free(accounts);
	if (err)
		capture_bundle__done(ret);
	return err;
}
