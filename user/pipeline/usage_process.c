// SPDX-License-Identifier: Apache-2.0
/*
 * usage_process - from records of threads to what each process uses a second.
 *
 * Problem: a thread's sums go over to its process when it ends, and the records of a process's threads are not of one moment: a thread that ends between its
 *   process's record and its own is in none of them, or in both. An hour of CPU time would be missing, or be there twice, for a second.
 * Idea: each record says how many threads of its process had ended by then; where that is not the same in all of them, the process keeps its rates of before, and
 *   the next pass covers the longer time. A process whose threads end faster than that is taken as it is after TORN_MAX passes; and sums never go
 *   back: what was once counted is the base until it is passed.
 * Invariants: rates are of the time from `last_ns`; a process that was first met in this pass has none, unless it is younger than the pass before.
 * Cost: a look-up a thread; one look for its control group now and then.
 */
#include "user/pipeline/usage_impl.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "user/process/process.h"

#define TORN_MAX    5
#define CAP_MIN     128
#define COUNT_EVERY 5  /* passes: counting the goroutines of a program takes 0.1 ms */
#define GROUP_EVERY 32 /* passes; version 1 does not tell when a process moves */

struct process_id {
	uint64_t start_ns;
	uint32_t pid;
};

static uint64_t id_hash(const struct process_id *id)
{
	return hash_pair(id->start_ns, id->pid);
}

static bool id_eq(uint32_t index, const void *key, const void *owner)
{
	const struct usage_process *p = &((const struct usage *)owner)->processes[index];
	const struct process_id *id = key;

	return p->pid == id->pid && p->start_ns == id->start_ns;
}

static struct usage_process *process__add(struct usage *u, const struct process_id *id)
{
	struct usage_process *p;

	if (u->n_processes == USAGE_PROCESSES_MAX) {
		u->stats.left_out++;
		return NULL;
	}
	if (u->n_processes == u->cap_processes) {
		uint32_t cap = u->cap_processes ? u->cap_processes * 2 : CAP_MIN;

		p = realloc(u->processes, cap * sizeof(*p));
		if (!p)
			return NULL;
		u->processes = p;
		u->cap_processes = cap;
	}
	if (hashmap__add(&u->by_pid, id_hash(id), u->n_processes))
		return NULL;
	p = &u->processes[u->n_processes++];
	*p = (struct usage_process){.start_ns = id->start_ns, .pid = id->pid};
	return p;
}

/* The last one takes its place. */
static void process__remove(struct usage *u, uint32_t i)
{
	struct usage_process *p = &u->processes[i], *last = &u->processes[u->n_processes - 1];
	const struct process_id id = {p->start_ns, p->pid}, last_id = {last->start_ns, last->pid};

	hashmap__remove(&u->by_pid, id_hash(&id), i);
	usage_series__done(&p->series, &u->allowance);
	if (p != last) {
		hashmap__remove(&u->by_pid, id_hash(&last_id), u->n_processes - 1);
		*p = *last;
		if (hashmap__add(&u->by_pid, id_hash(&last_id), i)) {
			/* cannot be for want of room: one was just removed */
			usage_series__done(&p->series, &u->allowance);
		}
	}
	u->n_processes--;
}

/* After a crowd there is room again for as many as there are, and as many more. */
static void processes__shrink(struct usage *u)
{
	uint32_t cap = u->n_processes * 2 < CAP_MIN ? CAP_MIN : u->n_processes * 2;
	struct usage_process *fewer;

	if (u->cap_processes / 2 <= cap)
		return;
	fewer = realloc(u->processes, cap * sizeof(*fewer));
	if (!fewer)
		return;
	u->processes = fewer;
	u->cap_processes = cap;
}

static void sums__add(struct usage_sums *to, const struct usage_sums *s)
{
	to->run_ns += s->run_ns;
	to->voluntary += s->voluntary;
	to->involuntary += s->involuntary;
	to->minor += s->minor;
	to->major += s->major;
	to->read_bytes += s->read_bytes;
	to->written_bytes += s->written_bytes;
}

static void raise(__u64 *last, __u64 now)
{
	if (now > *last)
		*last = now;
}

static void sums__raise(struct usage_sums *last, const struct usage_sums *now)
{
	raise(&last->run_ns, now->run_ns);
	raise(&last->voluntary, now->voluntary);
	raise(&last->involuntary, now->involuntary);
	raise(&last->minor, now->minor);
	raise(&last->major, now->major);
	raise(&last->read_bytes, now->read_bytes);
	raise(&last->written_bytes, now->written_bytes);
}

static void process__begin(struct usage_process *p, const struct usage_record *r, uint32_t pass)
{
	p->pass = pass;
	p->now = (struct usage_sums){0};
	p->for_cpu_ns = 0;
	p->sequence = r->sequence;
	p->n_met = p->n_on_disk = 0;
	p->is_torn = p->has_process = p->has_memory = p->has_fds = 0;
	memset(p->rss_pages, 0, sizeof(p->rss_pages));
	p->is_kernel_thread = !!(r->flags & USAGE_KERNEL_THREAD);
}

static void process__take(struct usage_process *p, const struct usage_record *r)
{
	p->has_process = 1;
	sums__add(&p->now, &r->ended);
	p->ppid = r->ppid;
	p->n_threads = r->n_threads;
	if (p->exec_id != r->exec_id || p->cgroup_id != r->cgroup)
		p->group_pass = 0;
	p->exec_id = r->exec_id;
	p->cgroup_id = r->cgroup;
	memcpy(p->comm, r->comm, USAGE_COMM_LEN);
	p->fds_limit = r->fds_limit;
}

/* A leader that ended before its threads holds neither any more: the first of these that does tells. */
static void process__take_held(struct usage_process *p, const struct usage_record *r)
{
	if (!p->has_memory && r->flags & USAGE_MEMORY) {
		p->has_memory = 1;
		memcpy(p->rss_pages, r->rss_pages, sizeof(p->rss_pages));
	}
	if (!p->has_fds && r->flags & USAGE_FDS) {
		p->has_fds = 1;
		p->n_fds = r->n_fds;
	}
}

int usage__on_record(const struct usage_record *r, void *ctx)
{
	struct usage *u = ctx;
	const struct process_id id = {r->start_ns, r->tgid};
	uint32_t i = hashmap__find(&u->by_pid, id_hash(&id), id_eq, &id, u);
	struct usage_process *p = i != HASHMAP_NONE ? &u->processes[i] : process__add(u, &id);

	if (!p)
		return 0;
	if (p->pass != u->pass)
		process__begin(p, r, u->pass);
	else if (p->sequence != r->sequence)
		p->is_torn = 1;
	p->n_met++;
	p->n_on_disk += !!(r->flags & USAGE_ON_DISK);
	p->for_cpu_ns += r->run_delay_ns;
	p->slept_ns += sleepers__note(&u->sleepers, r, u->pass);
	sums__add(&p->now, &r->sums);
	if (!(r->flags & USAGE_PROCESS))
		return 0;
	if (!p->has_process)
		process__take(p, r);
	process__take_held(p, r);
	return 0;
}

/* ---- rates ------------------------------------------------------------------------------------------------------- */

static double pages_to_bytes(const struct usage *u, int64_t pages)
{
	return pages > 0 ? (double)pages * u->page_bytes : 0;
}

static double process__rss(const struct usage *u, const struct usage_process *p)
{
	return pages_to_bytes(u, p->rss_pages[USAGE_FILE]) + pages_to_bytes(u, p->rss_pages[USAGE_ANON]) +
	       pages_to_bytes(u, p->rss_pages[USAGE_SHMEM]);
}

/* A base for rates: of one that began since the last pass, its beginning. */
static void process__first(struct usage *u, struct usage_process *p)
{
	uint64_t began = (uint64_t)((int64_t)p->start_ns - u->boot_offset_ns);

	p->has_last = 1;
	/* that it is there is no growth: groups and the host would grow with every fork */
	p->last_rss_bytes = process__rss(u, p);
	if (u->last_ns && (int64_t)began > (int64_t)u->last_ns && began < u->now_ns) {
		p->last_ns = began;
		return;
	}
	p->last = p->now;
	p->last_for_cpu_ns = p->for_cpu_ns;
	p->slept_ns = 0;
	p->last_ns = u->now_ns;
}

static void process__timed(struct usage *u, struct usage_process *p)
{
	const struct usage_sums *a = &p->last, *b = &p->now;
	double s = usage__seconds(p->last_ns, u->now_ns), rss = p->rates.rss_bytes;
	struct usage_rates *r = &p->rates;

	if (s <= 0)
		return;
	r->n_timed = 1;
	p->share = fmin(s / usage__seconds(u->last_ns, u->now_ns), 1);
	r->cpu = usage__rate(b->run_ns, a->run_ns, s) / 1e9;
	r->for_cpu = usage__rate(p->for_cpu_ns, p->last_for_cpu_ns + p->slept_ns, s) / 1e9;
	r->minor = usage__rate(b->minor, a->minor, s);
	r->major = usage__rate(b->major, a->major, s);
	r->switches = usage__rate(b->voluntary + b->involuntary, a->voluntary + a->involuntary, s);
	r->read_bytes = usage__rate(b->read_bytes, a->read_bytes, s);
	r->written_bytes = usage__rate(b->written_bytes, a->written_bytes, s);
	r->growth_bytes = (rss - p->last_rss_bytes) / s;
	usage_growth__add(&p->growth, r->growth_bytes, s);
	sums__raise(&p->last, &p->now);
	p->last_for_cpu_ns = p->for_cpu_ns; /* of the threads that are there: it may go back */
	p->slept_ns = 0;
	p->last_rss_bytes = rss;
	p->last_ns = u->now_ns;
}

/* Asked of others, where somebody wants to know. */
static void process__ask(struct usage *u, struct usage_process *p)
{
	const struct task_key key = {.start_ns = p->start_ns, .tgid = p->pid, .exec_id = p->exec_id};
	const struct usage_asides *ask = &u->port.asides;
	struct usage_rates *r = &p->rates;
	double v;

	if (p->is_kernel_thread)
		return;
	if (u->want_any >> METRIC_alloc_rate & 1 && ask->allocated) {
		v = ask->allocated(ask->ctx, &key);
		r->n_allocated = !isnan(v);
		r->allocated_bytes = r->n_allocated ? v : 0;
	}
	if (!(u->want_any >> METRIC_goroutine_count & 1) || !ask->goroutines) {
		r->n_goroutines = 0;
	} else if (!p->goroutines_pass || (u->pass + p->pid) % COUNT_EVERY == 0) {
		p->goroutines_pass = u->pass;
		v = ask->goroutines(ask->ctx, &key);
		r->n_goroutines = !isnan(v);
		r->goroutines = r->n_goroutines ? v : 0;
	}
}

static void process__rates(struct usage *u, struct usage_process *p)
{
	struct usage_rates *r = &p->rates;

	r->n = 1;
	r->rss_bytes = process__rss(u, p);
	r->swap_bytes = pages_to_bytes(u, p->rss_pages[USAGE_SWAP]);
	r->threads = p->n_threads ? p->n_threads : p->n_met;
	r->on_disk = p->n_on_disk;
	r->n_fds = p->has_fds;
	r->fds = p->has_fds ? p->n_fds : 0;
	process__ask(u, p);
	if (p->is_torn && p->n_torn < TORN_MAX) {
		p->n_torn++;
		return;
	}
	p->n_torn = 0;
	if (!p->has_last)
		process__first(u, p);
	process__timed(u, p);
}

static void process__find_group(struct usage *u, struct usage_process *p)
{
	const struct task_key key = {.start_ns = p->start_ns, .tgid = p->pid, .exec_id = p->exec_id};
	struct process_labels labels;

	if (p->group_pass && u->pass - p->group_pass < GROUP_EVERY)
		return;
	if (!u->port.labels || !u->port.labels(u->port.ctx, &key, p->cgroup_id, &labels))
		return; /* not known yet: the next pass asks again */
	p->group_pass = u->pass;
	p->group = *labels.cgroup ? usage__group(u, labels.cgroup) : NULL;
}

void usage__settle_processes(struct usage *u)
{
	u->host.rates = (struct usage_rates){0};
	for (uint32_t i = 0; i < u->n_groups; i++)
		u->groups[i]->rates = (struct usage_rates){0};
	for (uint32_t i = 0; i < u->n_processes;) {
		struct usage_process *p = &u->processes[i];

		if (p->pass != u->pass) {
			process__remove(u, i);
			continue;
		}
		process__rates(u, p);
		process__find_group(u, p);
		usage_rates__add(&u->host.rates, &p->rates, p->share);
		for (struct usage_group *g = p->group; g; g = g->parent) {
			g->pass = u->pass;
			usage_rates__add(&g->rates, &p->rates, p->share);
		}
		i++;
	}
	processes__shrink(u);
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

static void process__limits(struct usage *u, const struct usage_process *p, double values[METRIC_N],
			    uint64_t *known)
{
	double cpus = usage_group__cpu_limit(p->group), room = usage_group__room_bytes(p->group);
	uint64_t memory = usage_group__memory_limit(p->group);

	if (cpus > 0 && p->rates.n_timed)
		usage__set(values, known, METRIC_cpu_limit_percent, p->rates.cpu / cpus * 100);
	if (memory != CGROUP_UNLIMITED && memory && p->has_memory)
		usage__set(values, known, METRIC_memory_limit_percent,
			   p->rates.rss_bytes / (double)memory * 100);
	if (!isnan(room) && p->has_memory)
		usage__set_known(values, known, METRIC_memory_limit_eta,
				 usage_growth__eta_s(&p->growth, room));
	if (p->has_fds && p->fds_limit && usage__wants(u, SCOPE_PROCESS, METRIC_fd_limit_percent))
		usage__set(values, known, METRIC_fd_limit_percent,
			   (double)p->n_fds / (double)p->fds_limit * 100);
}

void usage_process__values(struct usage *u, const struct usage_process *p, double values[METRIC_N],
			   uint64_t *known)
{
	*known = 0;
	usage_rates__values(&p->rates, values, known);
	if (!p->has_memory)
		*known &= ~(1ull << METRIC_rss | 1ull << METRIC_memory_growth_rate);
	process__limits(u, p, values, known);
}

void usage__free_processes(struct usage *u)
{
	for (uint32_t i = 0; i < u->n_processes; i++)
		usage_series__done(&u->processes[i].series, &u->allowance);
	hashmap__done(&u->by_pid);
	free(u->processes);
}
