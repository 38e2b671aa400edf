// SPDX-License-Identifier: Apache-2.0
#include "user/pipeline/alloc_clocks.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "user/base/clock.h"
#include "user/base/io.h"
#include "user/pipeline/alloc_control.h"

/* linux/include/linux/posix-timers_types.h: all threads of a process, as of the last tick. */
#define PROCESS_CLOCK(pid) ((clockid_t)(~(uint32_t)(pid) << 3 | 2))
/* So far that may be behind what was read in a window: ticks of all its threads. */
#define BEHIND_NS (100 * NS_PER_MS)
/* What a process did before it executed its program is the program's where it had no more time for it than this share of what was read since. */
#define BEFORE_EXEC_MAX 0.02

int alloc_clocks__init(struct alloc_clocks *a, int prog_fd, struct alloc_cpu_table *table)
{
	*a = (struct alloc_clocks){.link_fd = FD_CLOSED};
	a->table = table;
	memset(table, 0, sizeof(*table));
	a->link_fd = prog_fd < 0 ? -EOPNOTSUPP : bpf_link_create(prog_fd, 0, BPF_TRACE_ITER, NULL);
	return a->link_fd < 0 ? a->link_fd : 0;
}

void alloc_clocks__done(struct alloc_clocks *a)
{
	io__close(&a->link_fd);
}

static void see(struct alloc_followed *f, uint64_t at_ns, uint64_t cpu_ns)
{
	f->is_gone |= cpu_ns < f->last.cpu_ns; /* another process by now */
	if (!f->is_gone)
		f->last = (struct alloc_clock_reading){at_ns, cpu_ns};
}

static void read_clock(struct alloc_followed *f, uint64_t now_ns)
{
	struct timespec t;
	uint64_t cpu_ns;

	if (f->is_gone || clock_gettime(PROCESS_CLOCK(f->key.tgid), &t)) {
		f->is_gone = true;
		return;
	}
	cpu_ns = (uint64_t)t.tv_sec * NS_PER_SEC + (uint64_t)t.tv_nsec;
	if (cpu_ns < f->last.cpu_ns && f->last.cpu_ns - cpu_ns < BEHIND_NS)
		cpu_ns = f->last.cpu_ns;
	see(f, now_ns, cpu_ns);
}

static bool is_of(const struct alloc_clocks *a, uint32_t place, const struct task_key *key)
{
	return a->table->slots[place].tgid && !memcmp(&a->followed[place].key, key, sizeof(*key));
}

static struct alloc_followed *find(struct alloc_clocks *a, const struct task_key *key)
{
	for (uint32_t i = 0; i < ALLOC_FOLLOWED_TRIES; i++) {
		uint32_t place = alloc_cpu__place(key->tgid, i);

		if (is_of(a, place, key))
			return &a->followed[place];
	}
	return NULL;
}

/* What this process was before it executed another program is nothing any more; who ended is still asked of. ALLOC_FOLLOWED: no place is free. */
static uint32_t free_place(struct alloc_clocks *a, uint32_t tgid)
{
	uint32_t found = ALLOC_FOLLOWED, gone = ALLOC_FOLLOWED;

	for (uint32_t i = ALLOC_FOLLOWED_TRIES; i--;) {
		uint32_t place = alloc_cpu__place(tgid, i);
		struct alloc_cpu_slot *s = &a->table->slots[place];

		if (s->tgid == tgid)
			s->tgid = 0;
		if (!s->tgid)
			found = place;
		else if (a->followed[place].is_gone)
			gone = place;
	}
	return found < ALLOC_FOLLOWED ? found : gone;
}

bool alloc_clocks__follow(struct alloc_clocks *a, const struct task_key *key, uint64_t files, uint64_t now_ns)
{
	struct alloc_followed *f = find(a, key);
	uint32_t place;

	if (f) {
		f->files |= files;
		return false;
	}
	place = free_place(a, key->tgid);
	if (place == ALLOC_FOLLOWED)
		return false;
	f = &a->followed[place];
	*f = (struct alloc_followed){.key = *key, .files = files};
	read_clock(f, now_ns);
	f->first = f->last;
	a->table->slots[place] = (struct alloc_cpu_slot){.tgid = f->is_gone ? 0 : key->tgid};
	return !f->is_gone;
}

void alloc_clocks__prepare(struct alloc_clocks *a)
{
	for (uint32_t i = 0; i < ALLOC_FOLLOWED; i++)
		a->table->slots[i] = (struct alloc_cpu_slot){.tgid = a->table->slots[i].tgid};
}

int alloc_clocks__read(struct alloc_clocks *a, uint32_t end)
{
	int fd = a->link_fd < 0 ? a->link_fd : bpf_iter_create(a->link_fd);
	char nothing[64];
	ssize_t n;

	if (fd < 0)
		return fd;
	__atomic_store_n(&a->table->end, end, __ATOMIC_SEQ_CST);
	clock__thread_cpu_ns(); /* moves the clock of our CPU */
	do
		n = read(fd, nothing, sizeof(nothing));
	while (n > 0 || (n < 0 && errno == EAGAIN));
	io__close(&fd);
	return n < 0 ? -errno : 0;
}

bool alloc_clocks__window(struct alloc_clocks *a, uint32_t place, struct alloc_aids *ret)
{
	const struct alloc_cpu_slot *s = &a->table->slots[place];
	struct alloc_followed *f = &a->followed[place];

	if (!s->tgid || f->is_gone || !s->at_ns[0])
		return false;
	f->is_gone = !s->at_ns[1];
	if (f->is_gone || s->cpu_ns[1] < s->cpu_ns[0] || s->at_ns[1] <= s->at_ns[0])
		return false;
	see(f, s->at_ns[1], s->cpu_ns[1]);
	f->last_sleeps = (struct alloc_sleep_reading){s->at_ns[1], s->sleeps[1]};
	if (!f->first_sleeps.at_ns)
		f->first_sleeps = f->last_sleeps;
	ret->by[ALLOC_BY_CPU] = (double)(s->cpu_ns[1] - s->cpu_ns[0]);
	ret->by[ALLOC_BY_SLEEPS] = (double)s->sleeps[1] - (double)s->sleeps[0];
	return !f->is_gone;
}

double alloc_clocks__part(const struct alloc_clocks *a, uint32_t place)
{
	const struct alloc_cpu_slot *s = &a->table->slots[place % ALLOC_FOLLOWED];

	if (place >= ALLOC_FOLLOWED || !s->at_ns[0] || s->at_ns[1] <= s->at_ns[0])
		return 1;
	return (double)ALLOC_WINDOW_NS / (double)(s->at_ns[1] - s->at_ns[0]);
}

void alloc_clocks__restart(struct alloc_clocks *a, uint64_t now_ns)
{
	for (uint32_t i = 0; i < ALLOC_FOLLOWED; i++) {
		struct alloc_followed *f = &a->followed[i];

		if (!a->table->slots[i].tgid)
			continue;
		read_clock(f, now_ns);
		f->first = f->last;
		f->first_sleeps = f->last_sleeps;
		if (f->is_gone)
			a->table->slots[i].tgid = 0;
	}
}

/* Of [from, to], as much a second as between two readings; 0: not known. */
static double over(uint64_t from_ns, uint64_t to_ns, uint64_t first_ns, uint64_t last_ns, uint64_t n)
{
	return last_ns > first_ns ? (double)n * (double)(to_ns - from_ns) / (double)(last_ns - first_ns) : 0;
}

void alloc_clocks__note_lives(struct alloc_clocks *a, alloc_life_fn life, void *ctx)
{
	for (uint32_t i = 0; i < ALLOC_FOLLOWED; i++)
		if (a->table->slots[i].tgid && !a->followed[i].life.died_ns)
			(void)life(ctx, &a->followed[i].key, &a->followed[i].life);
}

/* Is what its clocks have all the program's? */
static bool is_its_own(const struct alloc_followed *f)
{
	const struct alloc_life *l = &f->life;

	return l->born_ns <= l->started_ns ||
	       (double)(l->born_ns - l->started_ns) <=
		       BEFORE_EXEC_MAX * ((double)f->last.at_ns - (double)l->born_ns);
}

bool alloc_clocks__total(struct alloc_clocks *a, const struct task_key *key, uint64_t from_ns, uint64_t to_ns,
			 struct alloc_aids *ret)
{
	struct alloc_followed *f = find(a, key);
	struct alloc_clock_reading first;
	struct alloc_sleep_reading slept;

	if (!f || !f->life.born_ns)
		return false;
	read_clock(f, clock__mono_ns());
	first = f->first;
	slept = f->first_sleeps;
	if (f->life.born_ns >= from_ns) {
		from_ns = f->life.born_ns;
		if (is_its_own(f)) { /* all that it ever had */
			first = (struct alloc_clock_reading){.at_ns = from_ns};
			slept = (struct alloc_sleep_reading){.at_ns = from_ns};
		}
	}
	if (f->life.died_ns && f->life.died_ns < to_ns)
		to_ns = f->life.died_ns;
	if (f->last.at_ns <= first.at_ns || to_ns <= from_ns)
		return false;
	ret->by[ALLOC_BY_CPU] =
		over(from_ns, to_ns, first.at_ns, f->last.at_ns, f->last.cpu_ns - first.cpu_ns);
	ret->by[ALLOC_BY_SLEEPS] =
		over(from_ns, to_ns, slept.at_ns, f->last_sleeps.at_ns, f->last_sleeps.n - slept.n);
	return true;
}
