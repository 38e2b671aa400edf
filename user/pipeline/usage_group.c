// SPDX-License-Identifier: Apache-2.0
/*
 * usage_group - control groups: what their processes use, and what the kernel itself accounts of each.
 *
 * Sums over processes cost nothing, but miss those that came and went between two passes, and count memory that is shared as often as it is. The files of
 * a group are exact, and each costs a read of 2 to 20 us: they are read where somebody wants what they tell, through descriptors that stay open. Limits
 * change rarely: they are read every LIMITS_EVERY passes.
 *
 * A group counts in all that are around it. It is there as long as a process is in it.
 */
#include "user/pipeline/usage_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/base/clock.h"
#include "user/base/io.h"
#include "user/process/container.h"

#define LIMITS_EVERY 10
#define RETRY_EVERY  30
#define KEEP_PASSES  10
#define BIT(m)       (1ull << METRIC_##m)
#define WANT_CPU     (BIT(cpu_usage_percent) | BIT(cpu_limit_percent) | BIT(throttled_percent))
#define WANT_MEMORY  (BIT(rss) | BIT(memory_growth_rate))
#define WANT_LIMIT   (BIT(memory_limit_percent) | BIT(memory_limit_eta))
#define WANT_QUEUE   (BIT(run_queue_latency_p50) | BIT(run_queue_latency_p95) | BIT(run_queue_latency_p99))

/* ---- the table --------------------------------------------------------------------------------------------------- */

static bool path_eq(uint32_t index, const void *key, const void *owner)
{
	return !strcmp(((const struct usage *)owner)->groups[index]->path, key);
}

/* The folder's inode is the group's id in the kernel; of other hierarchies than the unified one it could be another group's, too. */
static uint64_t group__read_id(const struct usage *u, const char *path)
{
	static const enum cgroup_file files[] = {CGROUP_FILE_CPU_PRESSURE, CGROUP_FILE_CPU_STAT,
						 CGROUP_FILE_MEMORY_CURRENT, CGROUP_FILE_PIDS_CURRENT};
	char file[CGROUP_PATH_MAX];
	struct stat st;

	for (size_t i = 0; u->has_tree && i < sizeof(files) / sizeof(*files); i++) {
		if (cgroup_tree__path(&u->tree, u->root, path, files[i], file))
			continue;
		*strrchr(file, '/') = '\0';
		if (!stat(file, &st))
			return (uint64_t)st.st_ino |
			       (cgroup_tree__is_v1(&u->tree, files[i]) ? (uint64_t)i << 56 : 0);
	}
	return 0;
}

static void group__free(struct usage *u, struct usage_group *g)
{
	if (!g)
		return;
	for (int i = 0; i < CGROUP_FILE_N; i++) {
		u->n_files -= g->files[i].fd >= 0;
		io__close(&g->files[i].fd);
	}
	usage_series__done(&g->series, &u->allowance);
	if (g->pressed)
		usage_pressed__disarm(g->pressed);
	free(g->pressed);
	free(g->path);
	free(g->unit);
	free(g->container);
	free(g->pod);
	free(g);
}

static char *copy_name(const char *name)
{
	return *name ? strdup(name) : NULL;
}

static struct usage_group *group__new(struct usage *u, const char *path, struct usage_group *parent)
{
	struct usage_group *g = calloc(1, sizeof(*g));
	struct container_names *names = malloc(sizeof(*names));

	if (g && names && (g->path = strdup(path)) && !parse_cgroup_path(path, strlen(path), names)) {
		g->unit = copy_name(names->unit);
		g->container = copy_name(names->id);
		g->pod = copy_name(names->pod);
		g->is_container = g->container &&
				  !(parent && parent->container && !strcmp(parent->container, g->container));
	}
	free(names);
	if (g && !g->path) {
		free(g);
		g = NULL;
	}
	if (!g)
		return NULL;
	g->parent = parent;
	g->memory_limit = g->pids_limit = CGROUP_UNLIMITED;
	g->room_bytes = NAN;
	for (int i = 0; i < CGROUP_FILE_N; i++)
		g->files[i].fd = FD_CLOSED;
	g->id = group__read_id(u, path);
	return g;
}

static int groups__add(struct usage *u, struct usage_group *g)
{
	if (u->n_groups == u->cap_groups) {
		uint32_t cap = u->cap_groups ? u->cap_groups * 2 : 64;
		struct usage_group **groups = realloc(u->groups, cap * sizeof(struct usage_group *));

		if (!groups)
			return -ENOMEM;
		u->groups = groups;
		u->cap_groups = cap;
	}
	if (hashmap__add(&u->by_path, hash_bytes(g->path, strlen(g->path)), u->n_groups))
		return -ENOMEM;
	g->slot = u->n_groups;
	u->groups[u->n_groups++] = g;
	if (g->parent)
		g->parent->n_children++;
	return 0;
}

static struct usage_group *group__find(const struct usage *u, const char *path)
{
	uint32_t i = hashmap__find(&u->by_path, hash_bytes(path, strlen(path)), path_eq, path, u);

	return i == HASHMAP_NONE ? NULL : u->groups[i];
}

static struct usage_group *group__add(struct usage *u, const char *path, struct usage_group *parent)
{
	struct usage_group *g;

	if (u->n_groups == USAGE_GROUPS_MAX) {
		u->stats.left_out++;
		return NULL;
	}
	g = group__new(u, path, parent);
	if (g && groups__add(u, g)) {
		group__free(u, g);
		g = NULL;
	}
	return g;
}

struct usage_group *usage__group(struct usage *u, const char *path)
{
	size_t len = strlen(path);
	struct usage_group *g = NULL;
	char part[CGROUP_PATH_MAX];

	if (*path != '/' || len >= sizeof(part))
		return NULL;
	/* from the outermost in: each has the one before as its parent */
	for (size_t at = 1; at < len;) {
		size_t end = at + strcspn(path + at, "/");
		struct usage_group *inner;

		memcpy(part, path, end);
		part[end] = '\0';
		inner = group__find(u, part);
		if (!inner)
			inner = group__add(u, part, g);
		if (!inner)
			return g;
		g = inner;
		at = end + 1;
	}
	return g;
}

static void groups__remove(struct usage *u, struct usage_group *g)
{
	struct usage_group *last = u->groups[u->n_groups - 1];

	hashmap__remove(&u->by_path, hash_bytes(g->path, strlen(g->path)), g->slot);
	if (last != g) {
		uint64_t hash = hash_bytes(last->path, strlen(last->path));

		hashmap__remove(&u->by_path, hash, last->slot);
		last->slot = g->slot;
		u->groups[g->slot] = last;
		hashmap__add(&u->by_path, hash, last->slot); /* there is room: two were just removed */
	}
	u->n_groups--;
	if (g->parent)
		g->parent->n_children--;
	group__free(u, g);
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

/* Into u->text; its length, or -errno. `keep`: the descriptor stays open. */
static ssize_t group__read(struct usage *u, struct usage_group *g, enum cgroup_file file, bool keep)
{
	struct usage_group_file *f = &g->files[file];
	char path[CGROUP_PATH_MAX];
	ssize_t n;

	if (f->fd < 0) {
		if (!u->has_tree || (f->retry_pass && u->pass < f->retry_pass))
			return -ENOENT;
		if (!cgroup_tree__path(&u->tree, u->root, g->path, file, path))
			f->fd = open(path, O_RDONLY | O_CLOEXEC);
		if (f->fd < 0) {
			f->retry_pass = u->pass + RETRY_EVERY;
			return -ENOENT;
		}
		u->n_files++;
	}
	n = pread(f->fd, u->text, sizeof(u->text) - 1, 0);
	if (n < 0)
		n = -errno;
	if (n < 0 || !keep || u->n_files > USAGE_FILES_MAX) {
		io__close(&f->fd);
		u->n_files--;
	}
	return n;
}

static int group__number(struct usage *u, struct usage_group *g, enum cgroup_file file, bool keep,
			 uint64_t *ret)
{
	ssize_t n = group__read(u, g, file, keep);

	return n < 0 ? (int)n : parse_cgroup_number(u->text, (size_t)n, ret);
}

static void group__limits(struct usage *u, struct usage_group *g)
{
	uint64_t quota, period;
	ssize_t n;

	if (g->limits_pass && u->pass - g->limits_pass < LIMITS_EVERY)
		return;
	g->limits_pass = u->pass;
	g->cpu_limit = 0;
	if (cgroup_tree__is_v1(&u->tree, CGROUP_FILE_CPU_QUOTA)) {
		if (!group__number(u, g, CGROUP_FILE_CPU_QUOTA, false, &quota) && quota != CGROUP_UNLIMITED &&
		    !group__number(u, g, CGROUP_FILE_CPU_PERIOD, false, &period) && period)
			g->cpu_limit = (double)quota / (double)period;
	} else {
		n = group__read(u, g, CGROUP_FILE_CPU_MAX, false);
		if (n < 0 || parse_cgroup_cpu_max(u->text, (size_t)n, &g->cpu_limit))
			g->cpu_limit = 0;
	}
	if (group__number(u, g, CGROUP_FILE_MEMORY_MAX, false, &g->memory_limit))
		g->memory_limit = CGROUP_UNLIMITED;
	if (group__number(u, g, CGROUP_FILE_PIDS_MAX, false, &g->pids_limit))
		g->pids_limit = CGROUP_UNLIMITED;
}

double usage_group__cpu_limit(const struct usage_group *g)
{
	while (g && g->cpu_limit <= 0)
		g = g->parent;
	return g ? g->cpu_limit : 0;
}

static const struct usage_group *with_memory_limit(const struct usage_group *g)
{
	while (g && g->memory_limit == CGROUP_UNLIMITED)
		g = g->parent;
	return g;
}

uint64_t usage_group__memory_limit(const struct usage_group *g)
{
	g = with_memory_limit(g);
	return g ? g->memory_limit : CGROUP_UNLIMITED;
}

double usage_group__room_bytes(const struct usage_group *g)
{
	g = with_memory_limit(g);
	return g ? g->room_bytes : NAN;
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

static void group__cpu(struct usage *u, struct usage_group *g)
{
	struct cgroup_cpu now = {0};
	double s = usage__seconds(g->cpu_ns_at, u->now_ns);
	ssize_t n = group__read(u, g, CGROUP_FILE_CPU_STAT, true);
	bool has_stat = n >= 0 && !parse_cgroup_cpu_stat(u->text, (size_t)n, &now);
	uint64_t usage;

	if (cgroup_tree__is_v1(&u->tree, CGROUP_FILE_CPU_USAGE) &&
	    !group__number(u, g, CGROUP_FILE_CPU_USAGE, true, &usage))
		now.usage_ns = usage;
	if (!has_stat && !now.usage_ns)
		return;
	if (g->cpu_ns_at && s > 0) {
		uint64_t periods = now.n_periods - g->cpu.n_periods,
			 throttled = now.n_throttled - g->cpu.n_throttled;

		if (now.usage_ns && g->cpu.usage_ns)
			usage__set(g->values, &g->known, METRIC_cpu_usage_percent,
				   usage__rate(now.usage_ns, g->cpu.usage_ns, s) / 1e9 * 100);
		if (has_stat && now.n_periods >= g->cpu.n_periods && throttled <= periods)
			usage__set(g->values, &g->known, METRIC_throttled_percent,
				   periods ? (double)throttled / (double)periods * 100 : 0);
	}
	g->cpu = now;
	g->cpu_ns_at = u->now_ns;
}

static void group__resident(struct usage *u, struct usage_group *g, const struct cgroup_memory *m)
{
	double rss = (double)m->anon_bytes + (double)m->mapped_bytes,
	       s = usage__seconds(g->rss_at, u->now_ns);

	usage__set(g->values, &g->known, METRIC_rss, rss);
	if (g->rss_at && s > 0) {
		double growth = (rss - g->rss_bytes) / s;

		usage__set(g->values, &g->known, METRIC_memory_growth_rate, growth);
		usage_growth__add(&g->growth, growth, s);
	}
	g->rss_bytes = rss;
	g->rss_at = u->now_ns;
}

int usage_group__memory(struct usage *u, struct usage_group *g, struct cgroup_memory *ret)
{
	ssize_t n = group__read(u, g, CGROUP_FILE_MEMORY_STAT, true);

	return n < 0 ? (int)n : parse_cgroup_memory_stat(u->text, (size_t)n, ret);
}

static void group__memory(struct usage *u, struct usage_group *g, bool with_room)
{
	struct cgroup_memory m;
	uint64_t current;

	if (usage_group__memory(u, g, &m))
		return;
	group__resident(u, g, &m);
	g->room_bytes = NAN;
	if (!with_room || g->memory_limit == CGROUP_UNLIMITED ||
	    group__number(u, g, CGROUP_FILE_MEMORY_CURRENT, true, &current))
		return;
	current = current > m.inactive_file_bytes ? current - m.inactive_file_bytes : 0;
	g->room_bytes = g->memory_limit > current ? (double)(g->memory_limit - current) : 0;
}

static void group__memory_limit(struct usage_group *g)
{
	const struct usage_group *by = with_memory_limit(g);
	double room = usage_group__room_bytes(g);

	if (!by || !by->memory_limit || isnan(room))
		return;
	usage__set(g->values, &g->known, METRIC_memory_limit_percent,
		   ((double)by->memory_limit - room) / (double)by->memory_limit * 100);
	if (g->known >> METRIC_memory_growth_rate & 1)
		usage__set_known(g->values, &g->known, METRIC_memory_limit_eta,
				 usage_growth__eta_s(&g->growth, room));
}

static const struct {
	enum cgroup_file file;
	uint64_t bits;
} kinds[PRESSURE_N] = {
	{CGROUP_FILE_CPU_PRESSURE, BIT(psi_cpu_some_percent)},
	{CGROUP_FILE_MEMORY_PRESSURE, BIT(psi_memory_some_percent) | BIT(psi_memory_full_percent)},
	{CGROUP_FILE_IO_PRESSURE, BIT(psi_io_some_percent) | BIT(psi_io_full_percent)},
};

struct group_of {
	const struct usage *u;
	const struct usage_group *g;
};

static bool group__pressure_path(void *ctx, enum pressure_kind kind, char *ret_path, size_t size)
{
	const struct group_of *of = ctx;

	_Static_assert(CGROUP_PATH_MAX <= PATH_MAX, "room for the path");
	return size >= CGROUP_PATH_MAX && of->u->has_tree &&
	       !cgroup_tree__path(&of->u->tree, of->u->root, of->g->path, kinds[kind].file, ret_path);
}

/* Thresholds of groups, and of containers where it is one: the lower of the two. */
static void group__watch_pressure(struct usage *u, struct usage_group *g)
{
	struct group_of of = {u, g};
	double above[PRESSURE_LINES], any = 0;

	for (int i = 0; i < PRESSURE_LINES; i++) {
		double other = g->is_container ? u->arm_above[SCOPE_CONTAINER][i] : 0;

		above[i] = u->arm_above[SCOPE_CGROUP][i];
		if (other > 0 && (above[i] <= 0 || other < above[i]))
			above[i] = other;
		any += above[i];
	}
	if (!g->pressed && any > 0)
		g->pressed = calloc(1, sizeof(*g->pressed));
	if (!g->pressed)
		return;
	usage_pressed__arm(g->pressed, u->opts.triggers, u->arm_turn, above, group__pressure_path, &of);
	usage_pressed__raise(g->pressed, g->values, &g->known);
}

static void group__pressure(struct usage *u, struct usage_group *g, uint64_t want)
{
	for (int k = 0; k < PRESSURE_N; k++) {
		struct pressure now;
		ssize_t n;

		if (!(want & kinds[k].bits))
			continue;
		n = group__read(u, g, kinds[k].file, true);
		if (n < 0 || parse_pressure(u->text, (size_t)n, &now))
			continue;
		if (g->pressure_at[k])
			usage__set_pressure(g->values, &g->known, (enum pressure_kind)k, &g->pressure[k],
					    &now, usage__seconds(g->pressure_at[k], u->now_ns));
		g->pressure[k] = now;
		g->pressure_at[k] = u->now_ns;
	}
	if (u->opts.triggers)
		group__watch_pressure(u, g);
}

static void group__pids(struct usage *u, struct usage_group *g)
{
	uint64_t current;

	if (g->pids_limit != CGROUP_UNLIMITED && g->pids_limit &&
	    !group__number(u, g, CGROUP_FILE_PIDS_CURRENT, true, &current))
		usage__set(g->values, &g->known, METRIC_pids_limit_percent,
			   (double)current / (double)g->pids_limit * 100);
}

static uint64_t group__want(const struct usage *u, const struct usage_group *g)
{
	return u->want[SCOPE_CGROUP] | (g->is_container ? u->want[SCOPE_CONTAINER] : 0);
}

static void group__settle(struct usage *u, struct usage_group *g)
{
	uint64_t want = group__want(u, g), of_processes = u->want[SCOPE_PROCESS];
	/* its processes, and groups within it, may be held against its limits */
	uint64_t limits =
		(u->want_any & (WANT_LIMIT | BIT(cpu_limit_percent))) | (want & BIT(pids_limit_percent));
	double cpus;

	g->known = 0;
	usage_rates__values(&g->rates, g->values, &g->known);
	/* shared memory would count for each that has it */
	g->known &= ~(WANT_MEMORY);
	if (limits)
		group__limits(u, g);
	if (want & WANT_CPU)
		group__cpu(u, g);
	cpus = usage_group__cpu_limit(g);
	if (cpus > 0 && g->known & BIT(cpu_usage_percent))
		usage__set(g->values, &g->known, METRIC_cpu_limit_percent,
			   g->values[METRIC_cpu_usage_percent] / cpus);
	if (want & (WANT_MEMORY | WANT_LIMIT) ||
	    (u->want_any & WANT_LIMIT && g->memory_limit != CGROUP_UNLIMITED))
		group__memory(u, g, (u->want_any | of_processes) & WANT_LIMIT);
	if (want & BIT(pids_limit_percent))
		group__pids(u, g);
	group__pressure(u, g, want);
}

static void on_run_queue(const char *path, const struct run_queue *now, void *ctx)
{
	struct usage *u = ctx;
	struct usage_group *g = group__find(u, path);

	if (!g)
		return;
	if (g->has_run_queue)
		usage__set_run_queue(g->values, &g->known, &g->run_queue, now);
	g->run_queue = *now;
	g->has_run_queue = true;
}

void usage__settle_groups(struct usage *u)
{
	for (uint32_t i = 0; i < u->n_groups;) {
		struct usage_group *g = u->groups[i];

		if (g->pass != u->pass && !g->n_children && u->pass - g->pass > KEEP_PASSES) {
			groups__remove(u, g);
			continue;
		}
		if (g->pass == u->pass)
			group__settle(u, g);
		i++;
	}
	/* after all of them: the limit may be that of a group around it */
	for (uint32_t i = 0; i < u->n_groups; i++)
		if (u->groups[i]->pass == u->pass && group__want(u, u->groups[i]) & WANT_LIMIT)
			group__memory_limit(u->groups[i]);
	if ((u->want[SCOPE_CGROUP] | u->want[SCOPE_CONTAINER]) & WANT_QUEUE && u->port.run_queues)
		u->port.run_queues(u->port.ctx, on_run_queue, u);
}

void usage__free_groups(struct usage *u)
{
	for (uint32_t i = 0; i < u->n_groups; i++)
		group__free(u, u->groups[i]);
	hashmap__done(&u->by_path);
	free(u->groups);
}
