/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Problem: the newest minute is what somebody with a problem looks at first, and it is in no file yet; a timeline of an hour needs a number from each of
 * sixty files, again and again.
 *
 * Idea: files of the store for what they cover, then one question to the collector for the rest up to now. For timelines each file is read once and its digest
 * kept; files never change, so a digest is good for ever.
 *
 * What it does not do: keep profiles. A second look at the same range reads the files again.
 */
#include "user/server/range.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exporters/format/pprof.h"
#include "user/base/buf.h"
#include "user/base/clock.h"
#include "user/base/err.h"
#include "user/config/event.h"
#include "user/profile/profile.h"
#include "user/query/digest.h"
#include "user/query/selection.h"
#include "user/server/link.h"
#include "user/store/feed.h"
#include "user/store/index.h"

#define FILE_BYTES_MAX ((size_t)256 << 20)
#define FRESH_NS       (2 * NS_PER_SEC)   /* a gap at the end that is shorter is not asked for */
#define SETTLED_NS     (1250 * NS_PER_MS) /* what is older has been read from the kernel: nobody waits for it */
#define LOOK_BACK_NS   (2 * 3600 * NS_PER_SEC) /* how old the last complete window may be */
/* What is in no file yet began no longer ago: a window of an hour that has just ended, and the history before it. */
#define LIVE_MAX_NS (2 * 3600 * NS_PER_SEC)

static int decode(const struct buf *bytes, bool as_list, struct profile **ret, struct err *err)
{
	const struct pprof_decode_opts opts = {
		.limit_bytes = FILE_BYTES_MAX, .profile_limit_bytes = RANGE_BYTES_MAX, .as_list = as_list};

	return pprof__decode(bytes->data, bytes->len, &opts, ret, err);
}

/* To be added up, into a profile or a digest. */
static int load_file(struct link *l, const struct store_name *name, struct profile **ret, struct err *err)
{
	struct buf b;
	int code;

	buf__init(&b, FILE_BYTES_MAX);
	code = link__read_file(l, name, &b);
	if (!code)
		code = decode(&b, true, ret, err);
	buf__done(&b);
	return code;
}

static int load_live(struct link *l, const struct range *r, const struct cancel *cancel, struct profile **ret,
		     struct err *err)
{
	struct buf b;
	int code;

	buf__init(&b, FILE_BYTES_MAX);
	code = link__live(l, r->event, r->from_ns, r->to_ns, r->rate_hz, cancel, &b);
	if (!code)
		code = decode(&b, false, ret, err);
	buf__done(&b);
	return code;
}

/* What is recorded after the last file of the range; -ENODATA: nothing, or not worth asking. */
static int load_rest(struct link *l, const struct range *r, const struct store_file *files, uint32_t n,
		     struct profile **ret)
{
	uint64_t now = clock__real_ns(), settled = now - SETTLED_NS;
	struct range rest = {
		.event = r->event, .from_ns = r->from_ns, .to_ns = r->to_ns < settled ? r->to_ns : settled};

	for (uint32_t i = 0; i < n; i++)
		if (store_name__end_s(&files[i].name) * NS_PER_SEC > rest.from_ns)
			rest.from_ns = store_name__end_s(&files[i].name) * NS_PER_SEC;
	/* where nothing was written for longer, or ever: what is recorded now counts all the same */
	if (rest.from_ns + LIVE_MAX_NS < now)
		rest.from_ns = now - LIVE_MAX_NS;
	if (rest.from_ns + FRESH_NS > rest.to_ns)
		return -ENODATA;
	return load_live(l, &rest, NULL, ret, NULL);
}

static int no_data(const struct range *r, struct err *err)
{
	return err__set(err, -ENODATA, "nothing of event '%s' was recorded in that range", r->event);
}

static int read_for_feed(void *link, const struct store_name *name, struct buf *to)
{
	return link__read_file(link, name, to);
}

/* A part of a range, and how many there were. */
struct walk {
	part_fn fn;
	void *ctx;
	bool is_state;
	uint32_t n;
};

static bool is_over(const struct walk *w)
{
	return w->is_state && w->n;
}

static int take(struct walk *w, const struct profile *p)
{
	int code = w->fn(p, w->ctx);

	w->n += !code;
	return code == -EINVAL ? 0 : code;
}

/* Damaged files and those of other types are left out, as everprof top does. */
static int each_file(struct link *l, const struct store_file *files, uint32_t n, const struct parts_walk *how,
		     struct walk *w)
{
	const struct feed_opts opts = {.files = files,
				       .n = n,
				       .read = read_for_feed,
				       .ctx = l,
				       .file_bytes = FILE_BYTES_MAX,
				       .limit_bytes = RANGE_BYTES_MAX,
				       /* a state is one file: there is no sum */
				       .fold_shift = w->is_state ? 0 : how->fold_shift};
	const struct store_file *file;
	struct feed *feed = NULL;
	int code = feed__new(&opts, &feed);

	for (uint32_t i = 0; !code && i < n && !is_over(w); i++) {
		struct profile *p = NULL;

		code = feed__next(feed, &file, &p, NULL);
		if (!code)
			code = take(w, p);
		else if (code == -ENOENT)
			code = how->may_miss ? 0 : -ESTALE;
		else if (code == -EBADMSG)
			code = 0;
		profile__free(p);
	}
	feed__free(feed);
	return code;
}

static int each_part(const struct parts *parts, const struct parts_walk *how, part_fn fn, void *ctx,
		     struct err *err)
{
	const struct range_parts *p = (const struct range_parts *)parts; /* its first member */
	const struct range *r = p->range;
	struct walk w = {.fn = fn, .ctx = ctx, .is_state = event__is_state(r->event)};
	struct store_file *files = NULL;
	struct profile *rest = NULL;
	uint32_t n = 0;
	int code = link__list(p->link, r->event, r->from_ns, r->to_ns, false, &files, &n);

	if (code)
		return err__set(err, code, "cannot list the store: %s", strerror(-code));
	/* an empty end of a state would hide what is before it */
	if (!load_rest(p->link, r, files, n, &rest) && (!w.is_state || profile__n_samples(rest)))
		code = take(&w, rest);
	profile__free(rest);
	if (!code && !is_over(&w)) {
		store_files__turn(files, n);
		code = each_file(p->link, files, n, how, &w);
	}
	free(files);
	return !code && !w.n ? no_data(r, err) : code;
}

void range_parts__init(struct range_parts *p, struct link *l, const struct range *r)
{
	*p = (struct range_parts){.parts = {.each = each_part}, .link = l, .range = r};
}

struct gather_sum_opts range__sum_opts(const struct range *r)
{
	bool is_long = r->to_ns > r->from_ns + RANGE_WHOLE_NS;

	return (struct gather_sum_opts){.limit_bytes = RANGE_BYTES_MAX,
					.grown_bytes = RANGE_BYTES_GROWN,
					.rows_max = RANGE_ROWS_MAX,
					.part_shift = is_long ? RANGE_PART_SHIFT : 0};
}

int range__load(struct link *l, const struct range *r, const struct selection *s, struct profile **ret,
		struct err *err)
{
	struct range_parts parts;
	const struct gather_opts o = {.parts = &parts.parts, .selection = s};
	const struct gather_sum_opts sum = range__sum_opts(r);

	range_parts__init(&parts, l, r);
	return gather__sum(&o, &sum, ret, NULL, err);
}

int range__last_window(struct link *l, struct range *range, struct err *err)
{
	uint64_t now = clock__real_ns();
	struct store_file *files = NULL;
	uint32_t n = 0;
	int code = link__list(l, range->event, now - LOOK_BACK_NS, now, true, &files, &n);

	if (!code && !n)
		code = err__set(err, -ENODATA,
				"nothing of the event '%s' is in the store yet (is profiling.%s.enabled "
				"on?); seconds=N asks for "
				"the next N seconds",
				range->event, range->event);
	if (!code) {
		range->from_ns = files[n - 1].name.start_s * NS_PER_SEC;
		range->to_ns = store_name__end_s(&files[n - 1].name) * NS_PER_SEC;
	}
	free(files);
	return code;
}

int range__capture(struct link *l, const struct range *r, const struct selection *s,
		   const struct cancel *cancel, struct profile **ret, struct err *err)
{
	const struct profile_opts opts = {.limit_bytes = RANGE_BYTES_MAX};
	struct profile *all = NULL, *chosen;
	int code = load_live(l, r, cancel, &all, err);

	if (code == -ENOENT)
		return err__set(err, code, "this agent does not record the event '%s'", r->event);
	if (code == -ENODATA)
		return no_data(r, err);
	if (code)
		return code;
	if (!s || !s->n) {
		*ret = all;
		return 0;
	}
	chosen = profile__new(&opts);
	code = chosen ? selection__merge(s, chosen, all) : -ENOMEM;
	profile__free(all);
	return profile__finish(chosen, code, ret);
}

/* -- digests: a ring in order of arrival; the oldest go when there are too many bytes -- */

#define DIGESTS_MAX 4096

struct kept_digest {
	struct store_name name;
	struct digest *digest;
};

struct digest_cache {
	pthread_mutex_t lock;
	struct kept_digest kept[DIGESTS_MAX];
	uint32_t first, n;
	size_t bytes;
};

int digest_cache__new(struct digest_cache **ret)
{
	struct digest_cache *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	pthread_mutex_init(&c->lock, NULL);
	*ret = c;
	return 0;
}

static void cache__drop_oldest(struct digest_cache *c)
{
	struct kept_digest *k = &c->kept[c->first];

	c->bytes -= digest__bytes(k->digest);
	digest__free(k->digest);
	*k = (struct kept_digest){0};
	c->first = (c->first + 1) % DIGESTS_MAX;
	c->n--;
}

static const struct digest *cache__find(const struct digest_cache *c, const struct store_name *name)
{
	for (uint32_t i = 0; i < c->n; i++) {
		const struct kept_digest *k = &c->kept[(c->first + i) % DIGESTS_MAX];

		if (k->name.start_s == name->start_s && !store_name__compare(&k->name, name))
			return k->digest;
	}
	return NULL;
}

static void cache__keep(struct digest_cache *c, const struct store_name *name, struct digest *d)
{
	while (c->n == DIGESTS_MAX || (c->n && c->bytes + digest__bytes(d) > RANGE_DIGESTS_MAX))
		cache__drop_oldest(c);
	c->kept[(c->first + c->n++) % DIGESTS_MAX] = (struct kept_digest){*name, d};
	c->bytes += digest__bytes(d);
}

static int digest_file(struct link *l, const struct store_name *name, const char *function,
		       struct digest **ret)
{
	struct profile *p = NULL;
	int code = load_file(l, name, &p, NULL);

	if (!code)
		code = digest__new(p, function, ret);
	profile__free(p);
	return code;
}

/* What cannot be read (any more) is left out. */
static int point_of_file(struct link *l, struct digest_cache *c, const struct store_file *f,
			 const char *function, range_point_fn fn, void *ctx)
{
	const struct digest *d = function ? NULL : cache__find(c, &f->name);
	struct range_point point = {
		.start_s = f->name.start_s, .seconds = f->name.seconds, .is_cut = f->is_cut, .digest = d};
	struct digest *fresh = NULL;
	int code = 0;

	if (!d) {
		code = digest_file(l, &f->name, function, &fresh);
		if (code)
			return code == -ENOENT || code == -EBADMSG ? 0 : code;
		point.digest = fresh;
		if (!function)
			cache__keep(c, &f->name, fresh);
	}
	code = fn(&point, ctx);
	if (function)
		digest__free(fresh);
	return code;
}

static int point_of_rest(struct link *l, const struct range *r, const struct store_file *files, uint32_t n,
			 const char *function, range_point_fn fn, void *ctx)
{
	struct range_point point = {0};
	struct digest *d = NULL;
	struct profile *p;
	int code = load_rest(l, r, files, n, &p);

	if (code)
		return 0; /* the files are what there is */
	code = digest__new(p, function, &d);
	if (!code) {
		point.start_s = (uint64_t)profile__meta(p)->time_ns / NS_PER_SEC;
		point.seconds =
			(uint32_t)(((uint64_t)profile__meta(p)->duration_ns + NS_PER_SEC / 2) / NS_PER_SEC);
		point.digest = d;
		code = point.seconds ? fn(&point, ctx) : 0;
	}
	digest__free(d);
	profile__free(p);
	return code;
}

int range__points(struct link *l, struct digest_cache *c, const struct range *r, bool windows_only,
		  const char *function, range_point_fn fn, void *ctx, struct err *err)
{
	struct store_file *files = NULL;
	uint32_t n = 0;
	int code = link__list(l, r->event, r->from_ns, r->to_ns, windows_only, &files, &n);

	if (code)
		return err__set(err, code, "cannot list the store: %s", strerror(-code));
	if (!function)
		pthread_mutex_lock(&c->lock);
	for (uint32_t i = 0; !code && i < n; i++)
		code = point_of_file(l, c, &files[i], function, fn, ctx);
	if (!code)
		code = point_of_rest(l, r, files, n, function, fn, ctx);
	if (!function)
		pthread_mutex_unlock(&c->lock);
	free(files);
	return code;
}
