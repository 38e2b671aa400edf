// SPDX-License-Identifier: Apache-2.0
/*
 * Problem. A deployment makes a program slower in one function that nobody has written a rule for. What is known is when: a build-id that was not there before.
 *
 * Idea. Of each build of each program (the path of its executable) the time by function is kept, window by window. The distance between two builds is the total
 * variation of the two, half the sum of |p - q| over all functions: the share of the time that has moved elsewhere. It is told for an hour after the new build was first
 * seen; afterwards that is the usual one.
 *
 * Samples are few, and two halves of one profile already differ: the sum of what each function's share varies by chance is taken off, and how much a sum of so many
 * samples varies is the width of the interval. What is compared with the threshold is the lower end.
 *
 *      value = max(TV - E, 0)   E = ½ Σ sqrt(2/π · p(1 - p)(1/n + 1/m))     half width = 1.96 · ½ · sqrt(1/n + 1/m)
 *
 * A start has forgotten all that, and a deployment may come with one, or while the agent is away: what it recorded is in the store, window by window, and is taken in
 * again before the first window. So there is no file of its own to keep, and none that could be damaged or of another version.
 *
 * Invariants. Builds that were there when the first window was seen have none before them: a start without a store tells nothing. Two builds side by side do not mix.
 * Code without names is one function a file, else all of a stripped program would have moved.
 *
 * Rejected. Comparing functions one by one (a page of alarms for one deployment); chi-square (says that something differs, not how much).
 *
 * Cost. A look-up a sample and window, on the thread that names it; 8 KiB a build. A start reads up to an hour of the store once, on that thread.
 *
 * What it does not do: know why. More load, or another hour of the day, moves time as well: the threshold is to be above that.
 */
#include "user/alert/build_drift.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/clock.h"
#include "user/base/hashmap.h"
#include "user/profile/profile.h"
#include "user/store/reader.h"

#define SAMPLES_KEPT 20000.0
#define NONE         UINT32_MAX

/* ---- weights ---------------------------------------------------------------------------------------------------------- */

uint64_t drift__function(const char *name)
{
	static const char *const suffixes[] = {".constprop.", ".isra.", ".part.", ".cold", ".lto_priv."};
	size_t len = strlen(name);

	if (*name == '[' && strstr(name, "]+0x")) {
		len = (size_t)(strstr(name, "]+0x") - name);
	} else {
		for (size_t i = 0; i < sizeof(suffixes) / sizeof(*suffixes); i++) {
			const char *at = strstr(name, suffixes[i]);

			if (at && (size_t)(at - name) < len)
				len = (size_t)(at - name);
		}
	}
	return hash_bytes(name, len) | 1;
}

static double *slot_of(struct drift_weights *w, uint64_t function)
{
	uint32_t i = (uint32_t)(function >> 32) % DRIFT_SLOTS;

	for (; w->slots[i].function; i = (i + 1) % DRIFT_SLOTS)
		if (w->slots[i].function == function)
			return &w->slots[i].ns;
	if (w->n_functions == DRIFT_FUNCTIONS)
		return &w->other_ns;
	w->n_functions++;
	w->slots[i].function = function;
	return &w->slots[i].ns;
}

static void drift_weights__add(struct drift_weights *w, uint64_t function, double ns, double n)
{
	*slot_of(w, function) += ns;
	w->total_ns += ns;
	w->n += n;
}

static void drift_weights__age(struct drift_weights *w)
{
	if (w->n <= SAMPLES_KEPT)
		return;
	for (int i = 0; i < DRIFT_SLOTS; i++)
		w->slots[i].ns /= 2;
	w->other_ns /= 2;
	w->total_ns /= 2;
	w->n /= 2;
}

static double share_in(const struct drift_weights *w, uint64_t function)
{
	uint32_t i = (uint32_t)(function >> 32) % DRIFT_SLOTS;

	for (; w->slots[i].function; i = (i + 1) % DRIFT_SLOTS)
		if (w->slots[i].function == function)
			return w->slots[i].ns / w->total_ns;
	return 0;
}

/* Total variation, less what chance alone would make of it; n: samples of the smaller one. */
static struct profile_value drift_weights__distance(const struct drift_weights *a,
						    const struct drift_weights *b)
{
	double apart, by_chance, per_sample = 1 / a->n + 1 / b->n, width;
	double p = a->other_ns / a->total_ns, q = b->other_ns / b->total_ns;

#define POOLED(p, q) (((p)*a->n + (q)*b->n) / (a->n + b->n))
#define CHANCE(p, q) sqrt(2 / M_PI * POOLED(p, q) * (1 - POOLED(p, q)) * per_sample)
	apart = fabs(p - q);
	by_chance = CHANCE(p, q);
	for (int i = 0; i < DRIFT_SLOTS; i++) {
		if (a->slots[i].function) {
			p = a->slots[i].ns / a->total_ns;
			q = share_in(b, a->slots[i].function);
			apart += fabs(p - q);
			by_chance += CHANCE(p, q);
		}
		if (b->slots[i].function && share_in(a, b->slots[i].function) <= 0) {
			q = b->slots[i].ns / b->total_ns;
			apart += q;
			by_chance += CHANCE(0, q);
		}
	}
#undef CHANCE
#undef POOLED
	apart = fmax(apart / 2 - by_chance / 2, 0);
	width = PROFILE_VALUE_Z * sqrt(per_sample) / 2;
	return (struct profile_value){.value = apart * 100,
				      .low = fmax(apart - width, 0) * 100,
				      .high = fmin(apart + width, 1) * 100,
				      .n = (uint64_t)fmin(a->n, b->n)};
}

/* ---- builds ----------------------------------------------------------------------------------------------------------- */

static uint32_t find_build(const struct build_drift *d, uint64_t program, uint64_t build)
{
	for (uint32_t i = 0; i < d->n; i++)
		if (d->builds[i].program == program && d->builds[i].build == build)
			return i;
	return NONE;
}

static uint32_t oldest(const struct build_drift *d)
{
	uint32_t at = 0;

	for (uint32_t i = 1; i < d->n; i++)
		if (d->builds[i].last_ns < d->builds[at].last_ns)
			at = i;
	return at;
}

/* NONE: no memory. */
static uint32_t build_of(struct build_drift *d, uint64_t program, uint64_t build, uint64_t now_ns)
{
	uint32_t i = find_build(d, program, build);
	struct drift_weights *weights;

	if (i == NONE) {
		if (d->n < DRIFT_BUILDS_MAX) {
			weights = calloc(1, sizeof(*weights));
			if (!weights)
				return NONE;
			i = d->n++;
		} else {
			i = oldest(d);
			weights = d->builds[i].weights;
			*weights = (struct drift_weights){0};
		}
		d->builds[i] = (struct drift_build){
			.program = program, .build = build, .first_ns = now_ns, .weights = weights};
	}
	d->builds[i].last_ns = now_ns;
	return i;
}

/* The newest of those that were there before it. */
static const struct drift_build *before(const struct build_drift *d, const struct drift_build *b)
{
	const struct drift_build *found = NULL;

	for (uint32_t i = 0; i < d->n; i++) {
		const struct drift_build *o = &d->builds[i];

		if (o->program == b->program && o->first_ns < b->first_ns &&
		    (!found || o->first_ns > found->first_ns))
			found = o;
	}
	return found;
}

void build_drift__done(struct build_drift *d)
{
	for (uint32_t i = 0; i < d->n; i++)
		free(d->builds[i].weights);
	d->n = 0;
}

/* ---- a window --------------------------------------------------------------------------------------------------------- */

struct member {
	uint32_t pid, build;
};

struct members {
	struct member *items;
	uint32_t n, cap;
	struct hashmap by_pid;
};

static bool is_pid(uint32_t index, const void *key, const void *owner)
{
	return ((const struct members *)owner)->items[index].pid == *(const uint32_t *)key;
}

/* " (deleted)" is what the kernel says of a program that was replaced. */
static uint64_t program_of(const char *exe)
{
	static const char gone[] = " (deleted)";
	size_t len = strlen(exe), cut = sizeof(gone) - 1;

	if (len > cut && !strcmp(exe + len - cut, gone))
		len -= cut;
	return hash_bytes(exe, len);
}

static bool is_library(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

	return *name == '[' || strstr(name, ".so.") ||
	       (strlen(name) > 3 && !strcmp(name + strlen(name) - 3, ".so"));
}

/*
 * The build-id of the executable, of a stack that has a frame in it; 0: it has none. A file has the path by which its build was met first, and of a copy, a link
 * or another container's that is another one: then the program is where the stack begins, if that is no library.
 */
static uint32_t build_id_in(const struct profile *p, uint32_t stack, uint64_t program)
{
	uint32_t outermost = 0;

	while (stack) {
		const struct mapping *m;
		uint32_t location, id;

		profile__get_stack_node(p, stack, &location, &stack);
		id = profile__get_location(p, location)->mapping;
		m = id ? profile__get_mapping(p, id) : NULL;
		if (!m || !m->build_id)
			continue;
		if (program_of(profile__str(p, m->filename)) == program)
			return m->build_id;
		if (!is_library(profile__str(p, m->filename)))
			outermost = m->build_id;
	}
	return outermost;
}

static int members__add(struct members *l, uint32_t pid, uint32_t build)
{
	int err;

	if (l->n == l->cap) {
		uint32_t cap = l->cap ? l->cap * 2 : 64;
		struct member *more = realloc(l->items, cap * sizeof(*more));

		if (!more)
			return -ENOMEM;
		l->items = more;
		l->cap = cap;
	}
	err = hashmap__add(&l->by_pid, hash_u64(pid), l->n);
	if (!err)
		l->items[l->n++] = (struct member){pid, build};
	return err;
}

/* Which build each process runs: of those that have a sample in their own executable. */
static int find_members(struct build_drift *d, const struct profile *p, uint64_t now_ns, struct members *l)
{
	int err = 0;

	for (uint32_t i = 0; !err && i < profile__n_samples(p); i++) {
		const struct sample *s = profile__get_sample(p, i);
		const struct label *pid = profile__find_label(p, s->labels, "pid");
		const struct label *exe = profile__find_label(p, s->labels, "exe");
		uint32_t key = pid ? (uint32_t)pid->num : 0, id, build;
		uint64_t program;

		if (!pid || !exe || !exe->str ||
		    hashmap__find(&l->by_pid, hash_u64(key), is_pid, &key, l) != HASHMAP_NONE)
			continue;
		program = program_of(profile__str(p, exe->str));
		id = build_id_in(p, s->stack, program);
		if (!id)
			continue;
		build = build_of(d, program, hash_bytes(profile__str(p, id), strlen(profile__str(p, id))),
				 now_ns);
		err = build == NONE ? -ENOMEM : members__add(l, key, build);
	}
	return err;
}

static int add_samples(struct build_drift *d, const struct profile *p, const struct members *l)
{
	uint64_t *functions = calloc(profile__n_functions(p) + 1, sizeof(*functions));
	uint32_t type = 0;
	int err = functions ? profile__find_type(p, NULL, &type) : -ENOMEM;

	for (uint32_t i = 1; !err && i <= profile__n_functions(p); i++)
		functions[i] = drift__function(profile__str(p, profile__get_function(p, i)->name));
	for (uint32_t i = 0; !err && i < profile__n_samples(p); i++) {
		const struct sample *s = profile__get_sample(p, i);
		const struct label *pid = profile__find_label(p, s->labels, "pid");
		uint32_t key = pid ? (uint32_t)pid->num : 0, at, location, parent;
		const struct location *loc;

		at = pid ? hashmap__find(&l->by_pid, hash_u64(key), is_pid, &key, l) : HASHMAP_NONE;
		if (at == HASHMAP_NONE || !s->stack)
			continue;
		profile__get_stack_node(p, s->stack, &location, &parent);
		loc = profile__get_location(p, location);
		if (loc->n_lines)
			drift_weights__add(d->builds[l->items[at].build].weights,
					   functions[profile__lines(p, loc)[0].function],
					   (double)s->values[type], (double)s->values[0]);
	}
	free(functions);
	return err;
}

static int tell(const struct build_drift *d, const struct members *l, uint64_t now_ns,
		int (*fn)(void *ctx, uint32_t pid, const struct profile_value *v), void *ctx)
{
	int err = 0;

	for (uint32_t i = 0; i < l->n && !err; i++) {
		const struct drift_build *b = &d->builds[l->items[i].build], *o;
		struct profile_value v;

		/* a clock that was set back tells nothing */
		o = now_ns >= b->first_ns && now_ns - b->first_ns <= DRIFT_FOR_NS ? before(d, b) : NULL;
		if (!o || o->weights->total_ns <= 0 || b->weights->total_ns <= 0)
			continue;
		v = drift_weights__distance(o->weights, b->weights);
		err = fn(ctx, l->items[i].pid, &v);
	}
	return err;
}

static uint64_t end_of(const struct profile *p)
{
	const struct profile_meta *m = profile__meta(p);

	return (uint64_t)m->time_ns + (uint64_t)m->duration_ns;
}

int build_drift__take(struct build_drift *d, const struct profile *p,
		      int (*fn)(void *ctx, uint32_t pid, const struct profile_value *v), void *ctx)
{
	uint64_t now_ns = end_of(p);
	struct members l = {0};
	int err;

	hashmap__init(&l.by_pid);
	err = find_members(d, p, now_ns, &l);
	if (!err)
		err = add_samples(d, p, &l);
	if (!err)
		err = fn ? tell(d, &l, now_ns, fn, ctx) : 0;
	for (uint32_t i = 0; i < d->n; i++)
		drift_weights__age(d->builds[i].weights);
	hashmap__done(&l.by_pid);
	free(l.items);
	return err;
}

struct recall {
	struct build_drift *drift;
	uint32_t n_taken;
};

static int on_recalled(const struct profile *p, void *ctx)
{
	struct recall *r = ctx;

	r->n_taken += !build_drift__take(r->drift, p, NULL, NULL);
	return 0;
}

uint32_t build_drift__recall(struct build_drift *d, const char *store_dir, const struct profile *p)
{
	uint64_t to_ns = (uint64_t)profile__meta(p)->time_ns, from_ns, end_ns;
	struct store_file *files = NULL;
	struct recall recall = {.drift = d};
	uint32_t n = 0, n_kept = 0, step;

	if (store_reader__span(store_dir, "cpu", &from_ns, &end_ns, NULL))
		return 0;
	to_ns = end_ns < to_ns ? end_ns : to_ns;
	if (to_ns <= from_ns)
		return 0;
	from_ns = to_ns - from_ns > DRIFT_FOR_NS ? to_ns - DRIFT_FOR_NS : from_ns;
	if (store_reader__list(store_dir, "cpu", from_ns, to_ns, &files, &n, NULL))
		return 0;
	step = (n + DRIFT_FILES_MAX - 1) / DRIFT_FILES_MAX;
	for (uint32_t i = 0; i < n; i += step)
		files[n_kept++] = files[i];
	store_reader__each(store_dir, files, n_kept, on_recalled,
			   &recall); /* what cannot be read is missing, no more */
	free(files);
	return recall.n_taken;
}
