// SPDX-License-Identifier: Apache-2.0
/*
 * collector_alloc - allocations: which files hold allocators, and what the samples of a window stand for.
 *
 * Windows are opened by a thread of their own (alloc_prober). Here the files are found that it probes: each file that a process has mapped as code is looked
 * through once for allocators, whatever process it is in and in whatever container; those that have some are opened by the mapping itself, so that a
 * file that was deleted or replaced is the right one. Sets of mappings are shared and have ids that are not used twice, so that only new ones are looked at.
 * Samples carry their round; what they are multiplied by is asked for when they come in. When the profile is complete the stretches of its windows are held
 * against its length, and the error of its totals goes into its comments.
 * Cost: some 0.3 ms for a file that is new on the host, once; LOOK_NS a second at most.
 * What it does not do: see mappings that a process made since its set was last known, until the next second.
 */
#include "user/pipeline/collector_impl.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/base/buf.h"
#include "user/base/clock.h"
#include "user/base/err.h"
#include "user/base/intern.h"
#include "user/base/io.h"
#include "user/base/log.h"
#include "user/object/alloc_sites.h"
#include "user/object/elf.h"
#include "user/object/object_place.h"
#include "user/pipeline/alloc_estimate.h"
#include "user/pipeline/alloc_prober.h"
#include "user/pipeline/alloc_rate.h"

/* CPU time a second for looking through files, and at the start. */
#define LOOK_NS       (10 * NS_PER_MS)
#define LOOK_FIRST_NS (400 * NS_PER_MS)
/* So often all is looked at, to let go of files that nobody has mapped any more. */
#define SWEEP_NS     (60 * NS_PER_SEC)
#define NOTE_MAX     2000
#define NOTE_LARGEST 8

/* A file that was looked through. */
struct looked {
	uint32_t object;
	struct alloc_sites *sites; /* NULL: no allocator */
};

struct alloc_state {
	struct alloc_prober *prober;
	struct alloc_estimate estimate;
	struct alloc_rates rates;
	struct looked *looked;
	uint64_t *sets; /* ids of those that were looked at in this sweep */
	struct hashmap looked_by_object, sets_by_id;
	uint32_t n_looked, cap_looked, n_sets, cap_sets;
	uint64_t swept_ns;
	bool is_sweep_whole;              /* every set so far could be looked at */
	struct alloc_prober_stats before; /* when the open profile began */
};

static struct alloc_state *state_of(const struct collector *c)
{
	return c->source_state[EVENT_ALLOC];
}

/* ---- files ---- */

static bool is_object(uint32_t index, const void *key, const void *owner)
{
	return ((const struct looked *)owner)[index].object == *(const uint32_t *)key;
}

static bool is_set(uint32_t index, const void *key, const void *owner)
{
	return ((const uint64_t *)owner)[index] == *(const uint64_t *)key;
}

/* Room for one more of n elements. */
static int grow(void *array, uint32_t n, uint32_t *cap, size_t size)
{
	void **at = array, *grown;
	uint32_t wanted = *cap ? *cap * 2 : 64;

	if (n < *cap)
		return 0;
	grown = reallocarray(*at, wanted, size);
	if (!grown)
		return -ENOMEM;
	*at = grown;
	*cap = wanted;
	return 0;
}

static struct alloc_sites *load_sites(struct collector *c, uint32_t object)
{
	struct alloc_sites found, *sites = NULL;
	int fd = FD_CLOSED;
	struct elf *e = NULL;

	if (!object_cache__open_fd(c->objects, object, clock__mono_ns(), &fd) && !elf__open(fd, &e) &&
	    !alloc_sites__load(e, &found)) {
		sites = malloc(sizeof(*sites));
		if (sites)
			*sites = found;
	}
	elf__free(e);
	io__close(&fd);
	return sites;
}

/* The allocators of an object. -EAGAIN: not looked through yet, and no time is left. */
static int sites_of(struct collector *c, uint32_t object, uint64_t until_ns, struct alloc_sites **ret)
{
	struct alloc_state *a = state_of(c);
	uint64_t hash = hash_u64(object);
	uint32_t at = hashmap__find(&a->looked_by_object, hash, is_object, &object, a->looked);

	if (at == HASHMAP_NONE) {
		if (clock__thread_cpu_ns() >= until_ns)
			return -EAGAIN;
		if (grow(&a->looked, a->n_looked, &a->cap_looked, sizeof(*a->looked)) ||
		    hashmap__add(&a->looked_by_object, hash, a->n_looked))
			return -ENOMEM;
		at = a->n_looked++;
		a->looked[at] = (struct looked){.object = object, .sites = load_sites(c, object)};
	}
	*ret = a->looked[at].sites;
	return 0;
}

/* Has the prober take the file behind a mapping. */
static void probe_file(struct collector *c, const struct process *p, const struct code_mapping *m,
		       const struct alloc_sites *sites)
{
	struct alloc_state *a = state_of(c);
	const struct object *object = NULL;
	const struct object_mapping place = {.tgid = p->key.tgid,
					     .pid_dir_fd = FD_CLOSED,
					     .start = m->start,
					     .end = m->end,
					     .pgoff = m->pgoff};
	struct object_identity id;
	int fd = FD_CLOSED, err = object_place__identify(c->proc_fd, &place, &id);

	if (!err && probed_files__see(alloc_prober__files(a->prober), id.dev, id.ino))
		return;
	if (!err)
		err = object_place__open(c->proc_fd, &place, OBJECT_PLACE_MAP_FILES, &fd);
	if (err) /* not permitted, or gone: another file of the same code will do where there is one */
		err = object_cache__open_fd(c->objects, m->object, clock__mono_ns(), &fd);
	if (!err)
		err = read_object_identity(fd, &id);
	if (!err && !object_cache__get(c->objects, m->object, &object)) {
		err = probed_files__add(alloc_prober__files(a->prober), fd, id.dev, id.ino, object->basename,
					sites);
		fd = FD_CLOSED; /* taken */
		if (err)
			log_warn("alloc: probe '%s': %s, ignoring", object->basename, strerror(-err));
		object_cache__put(c->objects, m->object);
	}
	io__close(&fd);
}

/* False: not all of it could be looked at now. */
static bool look_at(struct collector *c, const struct process *p, uint64_t until_ns)
{
	uint32_t n;
	const struct code_mapping *m = mapping_set__mappings(p->mappings, &n);

	for (uint32_t i = 0; i < n; i++) {
		struct alloc_sites *sites;

		if (!m[i].object)
			continue;
		if (sites_of(c, m[i].object, until_ns, &sites))
			return false;
		if (sites)
			probe_file(c, p, &m[i], sites);
	}
	return true;
}

static void look_at_all(struct collector *c, uint64_t budget_ns)
{
	struct alloc_state *a = state_of(c);
	uint64_t until_ns = clock__thread_cpu_ns() + budget_ns;
	struct process *p;
	uint32_t cursor = 0;

	while ((p = process_table__next(c->processes, &cursor))) {
		uint64_t id = mapping_set__id(p->mappings), hash = hash_u64(id);

		if (p->flags & (PROCESS_ENDED | PROCESS_KERNEL_THREAD | PROCESS_YOUNG) ||
		    hashmap__find(&a->sets_by_id, hash, is_set, &id, a->sets) != HASHMAP_NONE)
			continue;
		if (!look_at(c, p, until_ns)) {
			a->is_sweep_whole = false;
			continue;
		}
		if (grow(&a->sets, a->n_sets, &a->cap_sets, sizeof(*a->sets)) ||
		    hashmap__add(&a->sets_by_id, hash, a->n_sets))
			return;
		a->sets[a->n_sets++] = id;
	}
}

static bool life_of(void *ctx, const struct task_key *key, struct alloc_life *ret)
{
	const struct collector *c = ctx;
	const struct process *p = process_table__find(c->processes, key);
	uint64_t boot_to_mono = clock__boot_ns() - clock__mono_ns();

	if (p)
		*ret = (struct alloc_life){.started_ns = key->start_ns - boot_to_mono,
					   .born_ns = p->born_ns,
					   .died_ns = p->died_ns};
	return p != NULL;
}

/* Once a slice: what is new, and who ended. Now and then everything anew. */
static void control_allocs(struct collector *c)
{
	struct alloc_state *a = state_of(c);
	uint64_t now = clock__mono_ns();

	if (!a->prober)
		return;
	alloc_prober__set_budget(a->prober, collector__budget_ppm(c, EVENT_ALLOC));
	alloc_prober__note_lives(a->prober, life_of, c);
	if (now - a->swept_ns > SWEEP_NS) {
		if (a->is_sweep_whole)
			probed_files__forget_unseen(alloc_prober__files(a->prober));
		hashmap__clear(&a->sets_by_id);
		a->n_sets = 0;
		a->swept_ns = now;
		a->is_sweep_whole = true;
	}
	look_at_all(c, LOOK_NS);
}

/* ---- samples ---- */

static uint64_t rounded(double x)
{
	return x < 0x1p63 ? (uint64_t)floor(x + drand48()) : 1ull << 63;
}

static int weigh_alloc(struct collector *c, const struct task_key *key, struct window_sample *s)
{
	struct alloc_state *a = state_of(c);
	double objects = (double)s->count, bytes = (double)s->value;
	int err = a->prober ? alloc_prober__weigh(a->prober, key, s->tag.arg, s->tid, &objects, &bytes)
			    : -ENOENT;

	if (err == -ESTALE) /* what is of a window before the last start was not asked for */
		collector__lose(c, EVENT_ALLOC, LOSS_ALLOC_LATE, s->count);
	if (err)
		return err;
	alloc_rates__add(&a->rates, key, clock__mono_ns(), bytes); /* without room: not known */
	s->count = rounded(objects);
	s->value = rounded(bytes);
	s->tag.arg = 0; /* what it stands for is known: the same stack is the same row from here on */
	return 0;
}

/* ---- profiles ---- */

static void begin_allocs(struct collector *c, struct window *w)
{
	struct alloc_state *a = state_of(c);

	(void)w;
	if (!a->prober)
		return;
	alloc_prober__swap_estimate(a->prober, &a->estimate); /* of before */
	alloc_prober__stats(a->prober, &a->before);
	alloc_prober__restart_clocks(a->prober);
}

static double percent(double error, double of)
{
	return of > 0 ? error / of * 100 : 0;
}

static void note_total(struct buf *b, const char *who, const struct alloc_total *t)
{
	buf__printf(b, "%s %.4g objects ±%.1f%%, %.4g bytes ±%.1f%%", who, t->objects,
		    percent(t->objects_error, t->objects), t->bytes, percent(t->bytes_error, t->bytes));
}

static void note_largest(struct alloc_estimate *e, const struct window *w, struct buf *b)
{
	alloc_estimate__sort(e);
	for (uint32_t i = 0; i < e->n && i < NOTE_LARGEST; i++) {
		const struct alloc_process *p = &e->processes[i];

		if (p->total.bytes <= 0)
			break;
		buf__printf(b, "; %u", p->key.tgid);
		for (uint32_t k = 0; k < w->n_processes; k++)
			if (!memcmp(&w->processes[k].key, &p->key, sizeof(p->key)))
				buf__printf(b, " (%s)", window__str(w, w->processes[k].name));
		note_total(b, ":", &p->total);
	}
}

/* Of a profile as far as it is. */
struct settling {
	struct collector *c;
	struct window *w;
	struct alloc_estimate *estimate;
	struct alloc_prober_stats now;
	uint32_t n_windows;
	double covered_ns; /* their stretches */
	bool is_first;     /* no window was opened before it began */
	struct alloc_length length;
};

/* Not each file of its kind has a window; with one, it says what the others do not. */
static void note_length(const struct settling *s, struct buf *b)
{
	double stretch_ns = s->n_windows ? s->covered_ns / s->n_windows : (double)s->now.next_stretch_ns;

	if (s->is_first || stretch_ns * 2 <= (double)(s->w->to_ns - s->w->from_ns))
		return;
	buf__printf(
		b,
		"; windows are so far apart that not each file as long as this has one: those that have say "
		"more by that, here %.3g times what was met",
		s->n_windows ? s->length.aids : 0);
}

static void note(const struct settling *s)
{
	const struct alloc_prober_stats *before = &state_of(s->c)->before, *now = &s->now;
	struct window *w = s->w;
	struct buf b;

	buf__init(&b, NOTE_MAX);
	buf__printf(
		&b,
		"allocations in %u windows of %.3g ms in %.4g s, each for %.3g ms; a probe %llu ns, in place "
		"%.3g %% of the time, the next window in %.3g s; standard errors: ",
		s->n_windows, ALLOC_WINDOW_NS / 1e6, (double)(w->to_ns - w->from_ns) / 1e9,
		s->n_windows ? s->covered_ns / s->n_windows / 1e6 : 0, (unsigned long long)now->probe_cost_ns,
		percent((double)(now->in_place_ns - before->in_place_ns), (double)(w->to_ns - w->from_ns)),
		(double)now->next_stretch_ns / 1e9);
	note_total(&b, "all", &s->estimate->total);
	note_largest(s->estimate, w, &b);
	note_length(s, &b);
	if (now->n_saturated > before->n_saturated)
		buf__printf(&b,
			    "; %llu times a thread did so little else that what it allocates is known to an "
			    "order of magnitude only",
			    (unsigned long long)(now->n_saturated - before->n_saturated));
	if (now->files.n_spared > before->files.n_spared)
		buf__printf(&b,
			    "; %llu times a file was left out of a window, because a program read its code "
			    "as data",
			    (unsigned long long)(now->files.n_spared - before->files.n_spared));
	if (!buf__err(&b))
		intern__add(w->strings, buf__str(&b), b.len, &w->note);
	buf__done(&b);
}

/* What a process had in the profile. */
static bool aids_of(void *ctx, const struct task_key *key, struct alloc_aids *ret)
{
	const struct settling *s = ctx;

	return alloc_prober__aids(state_of(s->c)->prober, key, s->w->from_ns, s->w->to_ns, ret);
}

/* Rows add up to the totals of their processes. */
static void scale_rows(const struct alloc_estimate *e, struct window *w, double factor)
{
	uint32_t last = UINT32_MAX;
	const struct alloc_process *p = NULL;

	for (uint32_t i = 0; i < w->n_entries; i++) {
		struct window_entry *entry = &w->entries[i];
		uint32_t process = w->rows[entry->row].process;

		if (process != last)
			p = alloc_estimate__find(e, &w->processes[process].key);
		last = process;
		window__set_count(w, entry, rounded(entry->count * (p ? p->factor[0] : factor)));
		entry->value = rounded((double)entry->value * (p ? p->factor[1] : factor));
	}
}

static void settle_by(struct collector *c, struct window *w, struct alloc_estimate *e)
{
	struct alloc_state *a = state_of(c);
	struct settling s = {.c = c, .w = w, .estimate = e};

	alloc_prober__stats(a->prober, &s.now);
	s.n_windows = (uint32_t)(s.now.n_windows - a->before.n_windows);
	s.covered_ns = (double)(s.now.stretch_ns - a->before.stretch_ns);
	s.is_first = !a->before.n_windows;
	s.length = alloc_length__of((double)(w->to_ns - w->from_ns), s.covered_ns, s.n_windows, s.is_first);
	alloc_prober__note_lives(a->prober, life_of, c);
	alloc_estimate__settle(e, s.n_windows, &s.length, aids_of, &s);
	scale_rows(e, w, s.length.windows);
	note(&s);
}

static bool is_missing(struct collector *c, struct window *w)
{
	static const char missing[] =
		"allocations are not recorded: the kernel has no uprobe_multi (Linux 6.6)";

	if (state_of(c)->prober)
		return false;
	intern__add(w->strings, missing, sizeof(missing) - 1, &w->note);
	return true;
}

static void settle_allocs(struct collector *c, struct window *w)
{
	struct alloc_state *a = state_of(c);

	if (is_missing(c, w))
		return;
	alloc_prober__swap_estimate(a->prober, &a->estimate);
	settle_by(c, w, &a->estimate);
}

/* Without memory: as it was sampled. */
static void settle_allocs_so_far(struct collector *c, struct window *w)
{
	struct alloc_estimate e;

	if (is_missing(c, w))
		return;
	alloc_estimate__init(&e);
	if (!alloc_prober__copy_estimate(state_of(c)->prober, &e))
		settle_by(c, w, &e);
	alloc_estimate__done(&e);
}

/* ---- life ---- */

static int start_allocs(struct collector *c)
{
	struct alloc_state *a = state_of(c);
	const struct alloc_prober_opts opts = {.prog_fd = loader__hook_fd(c->loader, HOOK_alloc),
					       .reader_fd = loader__hook_fd(c->loader, HOOK_code_reader),
					       .cpu_fd = loader__hook_fd(c->loader, HOOK_alloc_cpu),
					       .maps = c->maps,
					       .budget_ppm = collector__budget_ppm(c, EVENT_ALLOC),
					       .n_cpus = c->stats.n_cpus};
	int err;

	if (opts.prog_fd < 0) {
		log_warn("alloc: this kernel cannot probe many places at once (uprobe_multi, Linux 6.6): "
			 "allocations are not recorded");
		return 0;
	}
	if (opts.reader_fd < 0)
		log_warn("alloc: this kernel does not tell who reads code as data: emulators of this "
			 "architecture and "
			 "instrumenters can be harmed");
	err = alloc_prober__new(&opts, &a->prober);
	if (err)
		return err;
	hashmap__clear(&a->sets_by_id);
	a->n_sets = 0;
	a->swept_ns = clock__mono_ns();
	a->is_sweep_whole = true;
	look_at_all(c, LOOK_FIRST_NS);
	err = alloc_prober__start(a->prober);
	if (err) {
		alloc_prober__free(a->prober);
		a->prober = NULL;
	}
	return err;
}

static void stop_allocs(struct collector *c)
{
	struct alloc_state *a = state_of(c);

	alloc_prober__free(a->prober);
	a->prober = NULL;
}

static int init_allocs(struct collector *c, struct err *err)
{
	struct alloc_state *a = calloc(1, sizeof(*a));

	if (!a)
		return err__set(err, -ENOMEM, "alloc: no memory");
	alloc_estimate__init(&a->estimate);
	alloc_rates__init(&a->rates);
	hashmap__init(&a->looked_by_object);
	hashmap__init(&a->sets_by_id);
	c->source_state[EVENT_ALLOC] = a;
	return 0;
}

static void free_allocs(struct collector *c)
{
	struct alloc_state *a = state_of(c);

	if (!a)
		return;
	for (uint32_t i = 0; i < a->n_looked; i++)
		free(a->looked[i].sites);
	free(a->looked);
	free(a->sets);
	hashmap__done(&a->looked_by_object);
	hashmap__done(&a->sets_by_id);
	alloc_estimate__done(&a->estimate);
	alloc_rates__done(&a->rates);
	free(a);
	c->source_state[EVENT_ALLOC] = NULL;
}

void collector__alloc_stats(const struct collector *c, struct alloc_prober_stats *ret)
{
	struct alloc_state *a = state_of(c);

	*ret = (struct alloc_prober_stats){0};
	if (a && a->prober)
		alloc_prober__stats(a->prober, ret);
}

double collector__allocated(const struct collector *c, const struct task_key *key)
{
	struct alloc_state *a = state_of(c);

	return a && a->prober ? alloc_rates__of(&a->rates, key, clock__mono_ns()) : NAN;
}

/* Bytes that a sample stands for, on average. */
static uint64_t alloc_period(const struct collector *c)
{
	struct alloc_prober_stats now;

	collector__alloc_stats(c, &now);
	return now.interval * (now.next_stretch_ns / ALLOC_WINDOW_NS);
}

const struct event_source alloc_source = {
	.init = init_allocs,
	.start = start_allocs,
	.begin = begin_allocs,
	.control = control_allocs,
	.settle = settle_allocs,
	.settle_copy = settle_allocs_so_far,
	.stop = stop_allocs,
	.done = free_allocs,
	.weigh = weigh_alloc,
	.period = alloc_period,
};
