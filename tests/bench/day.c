// SPDX-License-Identifier: Apache-2.0
/*
 * day WINDOWS STORE HOURS END: makes a store of many hours from the windows of some minutes, through the agent's own store and roll-ups, and says what it takes.
 *
 *   WINDOWS   a folder of snapshots/<date>; its windows are taken in order, again and again, with new times
 *   END       seconds since 1970: where the last hour ends, rounded down to a full one
 *
 * Minutes that repeat would make hours that are too small: a real hour has new stacks and new processes in each of its minutes. So
 *   - processes that are in one window only have other ids each time;
 *   - of the n distinct rows by function that N windows have, the exponent of their growth is taken (rows of all windows against rows of the first half), and so
 *     many samples of the m-th window of an hour get a leaf function of another sample as that growth asks for.
 * Every hour is varied anew, so a day has more distinct rows than a real one, whose hours are alike.
 *
 * Prints <event>.{windows,hours,days}.{n,bytes,rows}, <event>.growth (the exponent), and rollup_ns of every minute that made a roll-up: CPU time of one.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exporters/format/pprof.h"
#include "user/base/buf.h"
#include "user/base/clock.h"
#include "user/base/err.h"
#include "user/base/io.h"
#include "user/profile/merge.h"
#include "user/profile/profile.h"
#include "user/store/reader.h"
#include "user/store/rollup.h"
#include "user/store/store.h"
#include "user/store/dir.h"
#include "user/store/sum.h"

#define WINDOWS_MAX  256
#define EVENTS_MAX   16
#define BYTES_MAX    ((size_t)1 << 30)
#define HOUR_WINDOWS 60
#define PID_STEP     100000
#define DEPTH_MAX    4096
#define BLOCK_BYTES  4096 /* files take whole blocks, as du counts */

struct source {
	char event[STORE_EVENT_MAX];
	struct profile *windows[WINDOWS_MAX];
	uint32_t n;
	double growth; /* exponent */
	double rows;   /* distinct by function, of all windows */
	struct total { /* by level: what was written, what it holds */
		uint64_t n, bytes, rows;
	} totals[STORE_DAY + 1];
	struct { /* how many windows each process is in */
		int64_t pid;
		uint32_t n;
	} * processes;
	uint32_t n_processes;
};

struct maker {
	struct store *store;
	struct rollup *rollup;
	struct source sources[EVENTS_MAX];
	uint32_t n;
	uint64_t now_ns;
	uint64_t random;
};

static void check(int err, const char *what)
{
	if (!err)
		return;
	fprintf(stderr, "day: %s: %s\n", what, strerror(-err));
	exit(1);
}

static uint64_t next_random(struct maker *m)
{
	m->random ^= m->random << 13;
	m->random ^= m->random >> 7;
	m->random ^= m->random << 17;
	return m->random;
}

/* ---- what was recorded ------------------------------------------------------------------------------------------------ */

static struct profile *load(const char *dir, const struct store_name *name)
{
	struct store_sum sum;
	struct profile *p = NULL;
	struct err err = {""};
	struct buf b;
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/" STORE_SNAPSHOTS, dir);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	buf__init(&b, BYTES_MAX);
	store_sum__init(&sum, BYTES_MAX);
	check(store_dir__read(fd, name, BYTES_MAX, &b), "read a window");
	check(store_sum__decode(&sum, &b, &p, &err), err.text);
	buf__done(&b);
	io__close(&fd);
	return p;
}

static struct source *source_of(struct maker *m, const char *event)
{
	for (uint32_t i = 0; i < m->n; i++)
		if (!strcmp(m->sources[i].event, event))
			return &m->sources[i];
	if (m->n == EVENTS_MAX)
		check(-E2BIG, "events");
	snprintf(m->sources[m->n].event, STORE_EVENT_MAX, "%s", event);
	return &m->sources[m->n++];
}

static void read_windows(struct maker *m, const char *dir)
{
	struct store_file *files;
	struct err err = {""};
	uint32_t n;

	check(store_reader__list(dir, NULL, 0, UINT64_MAX, &files, &n, &err), err.text);
	for (uint32_t i = 0; i < n; i++) {
		struct source *s = source_of(m, files[i].name.event);

		/* the first and the last are shorter: the agent began and ended in them */
		if (files[i].name.seconds == HOUR_WINDOWS && s->n < WINDOWS_MAX)
			s->windows[s->n++] = load(dir, &files[i].name);
	}
	free(files);
}

/* Distinct rows of the first n windows, as a roll-up counts them but for the ids of processes, which are varied by themselves. */
static double rows_by_function(const struct source *s, uint32_t n)
{
	struct profile *sum = profile__new(NULL);
	const struct profile_merge_opts opts = {.functions_only = true};
	double rows;

	for (uint32_t i = 0; i < n; i++)
		check(profile__merge_as(sum, s->windows[i], &opts), "merge");
	check(profile__seal(sum), "seal");
	rows = profile__n_samples(sum);
	profile__free(sum);
	return rows;
}

static void count_process(struct source *s, int64_t pid)
{
	for (uint32_t i = 0; i < s->n_processes; i++)
		if (s->processes[i].pid == pid) {
			s->processes[i].n++;
			return;
		}
	s->processes = realloc(s->processes, (s->n_processes + 1) * sizeof(*s->processes));
	s->processes[s->n_processes].pid = pid;
	s->processes[s->n_processes++].n = 1;
}

static void measure(struct source *s)
{
	s->rows = rows_by_function(s, s->n);
	s->growth =
		s->n > 1 ? log(s->rows / rows_by_function(s, s->n / 2)) / log((double)s->n / (s->n / 2)) : 1;
	for (uint32_t w = 0; w < s->n; w++) {
		const struct profile *p = s->windows[w];
		int64_t last = -1;

		for (uint32_t i = 1; i <= profile__n_label_sets(p); i++) {
			const struct label *l = profile__find_label(p, i, "pid");

			/* once a window is near enough: label sets of one process stand together */
			if (l && l->num != last)
				count_process(s, last = l->num);
		}
	}
}

static bool stays(const struct source *s, int64_t pid)
{
	for (uint32_t i = 0; i < s->n_processes; i++)
		if (s->processes[i].pid == pid)
			return s->processes[i].n > 1;
	return false;
}

/* ---- a window again, as another one ------------------------------------------------------------------------------------- */

static uint32_t other_labels(const struct source *s, struct profile *p, uint32_t set, int64_t step)
{
	struct label out[PROFILE_LABELS_MAX];
	const struct label *labels;
	uint32_t n, ret = set;

	labels = profile__get_labels(p, set, &n);
	for (uint32_t i = 0; i < n; i++) {
		out[i] = labels[i];
		if (!strcmp(profile__str(p, labels[i].key), "pid") && !stays(s, labels[i].num))
			out[i].num += step;
	}
	check(profile__labels(p, out, n, &ret), "labels");
	return ret;
}

static uint32_t other_stack(struct maker *m, struct profile *p, uint32_t stack, uint32_t n_samples)
{
	uint32_t locations[DEPTH_MAX], leaf, parent, n, ret = stack;
	const struct sample *other = profile__get_sample(p, (uint32_t)(next_random(m) % n_samples));

	n = profile__get_stack(p, stack, locations, DEPTH_MAX);
	if (!n || !other->stack)
		return stack;
	profile__get_stack_node(p, other->stack, &leaf, &parent);
	locations[0] = leaf;
	check(profile__stack(p, locations, n, &ret), "stack");
	return ret;
}

/* fresh: which share of the samples gets another stack. */
static struct profile *vary(struct maker *m, const struct source *s, const struct profile *from,
			    uint64_t start_ns, int64_t step, double fresh)
{
	struct profile *p = profile__new(NULL);
	uint32_t n;

	check(profile__merge(p, from), "copy");
	n = profile__n_samples(p);
	for (uint32_t i = 0; i < n; i++) {
		struct sample old = *profile__get_sample(p, i);
		int64_t minus[PROFILE_VALUES_MAX];
		uint32_t stack = old.stack, labels = step ? other_labels(s, p, old.labels, step) : old.labels;

		if ((double)(next_random(m) % 1000000) / 1e6 < fresh)
			stack = other_stack(m, p, stack, n);
		if (stack == old.stack && labels == old.labels)
			continue;
		for (int v = 0; v < PROFILE_VALUES_MAX; v++)
			minus[v] = -old.values[v];
		check(profile__add(p, old.stack, old.labels, minus), "add");
		check(profile__add(p, stack, labels, old.values), "add");
	}
	profile__meta_mut(p)->time_ns = (int64_t)start_ns;
	check(profile__seal(p), "seal");
	return p;
}

static void add_total(struct source *s, enum store_level level, uint64_t bytes, const struct profile *p)
{
	s->totals[level].n++;
	s->totals[level].bytes += bytes;
	s->totals[level].rows += profile__n_samples(p);
}

static void put_window(struct maker *m, struct source *s, uint64_t start_ns, uint32_t k)
{
	uint32_t in_hour = k % HOUR_WINDOWS + 1;
	double per_window = profile__n_samples(s->windows[k % s->n]);
	double fresh = k < s->n ? 0
				: s->rows *
					  (pow((double)in_hour / s->n, s->growth) -
					   pow((double)(in_hour - 1) / s->n, s->growth)) /
					  per_window;
	const struct pprof_opts opts = {.compression = COMPRESSION_GZIP};
	struct profile *p = vary(m, s, s->windows[k % s->n], start_ns, (int64_t)(k / s->n) * PID_STEP, fresh);
	struct buf b;

	buf__init(&b, BYTES_MAX);
	check(pprof__encode(p, &opts, &b), "encode");
	check(store__put(m->store, s->event, start_ns, HOUR_WINDOWS * NS_PER_SEC, b.data, b.len), "put");
	add_total(s, STORE_WINDOW, (b.len + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES, p);
	buf__done(&b);
	profile__free(p);
}

/* ---- the store ---------------------------------------------------------------------------------------------------------- */

static uint64_t now_of(void *ctx)
{
	return ((struct maker *)ctx)->now_ns;
}

static void roll_up(struct maker *m)
{
	uint64_t began = clock__thread_cpu_ns();
	struct rollup_stats before, after;
	bool more = true;

	rollup__stats(m->rollup, &before);
	while (more)
		check(rollup__step(m->rollup, 64, &more), "roll up");
	rollup__stats(m->rollup, &after);
	if (after.n_hours > before.n_hours)
		printf("rollup_ns %.0f\n",
		       (double)(clock__thread_cpu_ns() - began) / (double)(after.n_hours - before.n_hours));
	if (after.n_refused > before.n_refused)
		printf("refused %" PRIu64 "\n", after.n_refused);
}

struct listing {
	struct maker *m;
	const char *dir;
};

static int count_rollup(const struct store_file *f, void *ctx)
{
	enum store_level level = store_name__level(&f->name);
	const struct listing *l = ctx;
	struct profile *p;

	if (level == STORE_WINDOW)
		return 0;
	p = load(l->dir, &f->name);
	add_total(source_of(l->m, f->name.event), level, f->bytes, p);
	profile__free(p);
	return 0;
}

static int count_day(const struct store_file *f, void *ctx)
{
	return store_name__level(&f->name) == STORE_DAY ? count_rollup(f, ctx) : 0;
}

static void print(const struct source *s)
{
	static const char *const levels[] = {
		[STORE_WINDOW] = "windows", [STORE_HOUR] = "hours", [STORE_DAY] = "days"};

	printf("%s.growth %.3f\n", s->event, s->growth);
	for (int level = STORE_WINDOW; level <= STORE_DAY; level++)
		printf("%s.%s.n %" PRIu64 "\n%s.%s.bytes %" PRIu64 "\n%s.%s.rows %" PRIu64 "\n", s->event,
		       levels[level], s->totals[level].n, s->event, levels[level], s->totals[level].bytes,
		       s->event, levels[level], s->totals[level].rows);
}

int main(int argc, char **argv)
{
	struct maker m = {.random = 88172645463325252ull};
	struct store_opts so = {.real_ns = now_of, .clock_ctx = &m};
	struct rollup_opts ro = {0};
	struct listing l = {.m = &m};
	struct err err = {""};
	uint64_t end_s;
	uint32_t hours;

	if (argc != 5) {
		fputs("usage: day WINDOWS STORE HOURS END\n", stderr);
		return 2;
	}
	hours = (uint32_t)strtoul(argv[3], NULL, 10);
	end_s = strtoull(argv[4], NULL, 10) / 3600 * 3600;
	read_windows(&m, argv[1]);
	so.dir = argv[2];
	m.now_ns = (end_s - hours * 3600ull) * NS_PER_SEC;
	check(store__open(&so, &m.store, &err), err.text);
	ro.store = m.store;
	check(rollup__new(&ro, &m.rollup), "roll-up");
	for (uint32_t i = 0; i < m.n; i++) {
		measure(&m.sources[i]);
	}
	for (uint32_t k = 0; k < hours * HOUR_WINDOWS; k++) {
		for (uint32_t i = 0; i < m.n; i++)
			if (m.sources[i].n)
				put_window(&m, &m.sources[i], m.now_ns, k);
		m.now_ns += HOUR_WINDOWS * NS_PER_SEC;
		roll_up(&m);
	}
	m.now_ns += 2 * ROLLUP_GRACE_NS;
	roll_up(&m);
	l.dir = argv[2];
	for (uint64_t hour = end_s - hours * 3600ull; hour < end_s; hour += 3600)
		check(store__list(m.store, NULL, hour * NS_PER_SEC, (hour + 3600) * NS_PER_SEC, count_rollup,
				  &l),
		      "list");
	for (uint64_t day = end_s / 86400 * 86400 - (hours / 24 + 1) * 86400ull; day < end_s; day += 86400)
		check(store__list(m.store, NULL, day * NS_PER_SEC, (day + 86400) * NS_PER_SEC, count_day, &l),
		      "list");
	for (uint32_t i = 0; i < m.n; i++)
		print(&m.sources[i]);
	rollup__free(m.rollup);
	store__close(m.store);
	return 0;
}
