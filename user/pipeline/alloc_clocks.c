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
	return a->table->slots[place].key.tgid && !memcmp(&a->followed[place].key, key, sizeof(*key));
}

static const struct alloc_followed *find(const struct alloc_clocks *a, const struct task_key *key)
{
	for (uint32_t i = 0; i < ALLOC_FOLLOWED_TRIES; i++) {
		uint32_t place = alloc_cpu__place(key->tgid, i);

		if (is_of(a, place, key))
			return &a->followed[place];
	}
	return NULL;
}

/* What has a place that was another's, or none. */
static void take(struct alloc_clocks *a, uint32_t place, uint64_t now_ns)
{
	struct alloc_followed *f = &a->followed[place];

	*f = (struct alloc_followed){.key = a->table->slots[place].key, .since_ns = now_ns};
	read_clock(f, now_ns);
	f->first = f->last;
}

/* Of one that ended, what it had is kept for the profile, if it allocated at all. */
static void leave(struct alloc_clocks *a, uint32_t place)
{
	a->followed[place].is_gone = true;
	if (!a->followed[place].is_met)
		a->table->slots[place].key.tgid = 0;
}

void alloc_clocks__prepare(struct alloc_clocks *a)
{
	for (uint32_t i = 0; i < ALLOC_FOLLOWED; i++)
		a->table->slots[i] = (struct alloc_cpu_slot){.key = a->table->slots[i].key,
							     .is_gone = a->followed[i].is_gone};
}

void alloc_clocks__follow(struct alloc_clocks *a, uint64_t now_ns)
{
	for (uint32_t i = 0; i < ALLOC_FOLLOWED; i++) {
		const struct alloc_cpu_slot *s = &a->table->slots[i];

		if (!s->key.tgid)
			continue;
		if (!s->is_alive)
			leave(a, i);
		else if (!is_of(a, i, &s->key))
			take(a, i, now_ns);
	}
}

bool alloc_clocks__meet(struct alloc_clocks *a, uint32_t place, const struct task_key *key,
			uint64_t probed_ns)
{
	struct alloc_followed *f = &a->followed[place % ALLOC_FOLLOWED];
	bool is_first;

	if (place >= ALLOC_FOLLOWED || !is_of(a, place, key))
		return false;
	is_first = !f->is_met;
	f->is_met = true;
	return is_first && f->since_ns < probed_ns;
}

void alloc_clocks__bury(struct alloc_clocks *a, const struct task_key *key, const struct alloc_life *life)
{
	struct alloc_followed *f = (struct alloc_followed *)find(a, key);

	if (f)
		f->life = *life;
}

bool alloc_clocks__life(const struct alloc_clocks *a, const struct task_key *key, struct alloc_life *ret)
{
	const struct alloc_followed *f = find(a, key);

	if (!f || !f->life.born_ns)
		return false;
	*ret = f->life;
	return true;
}

int alloc_clocks__read(struct alloc_clocks *a, enum alloc_cpu_pass pass)
{
	int fd = a->link_fd < 0 ? a->link_fd : bpf_iter_create(a->link_fd);
	char nothing[64];
	ssize_t n;

	if (fd < 0)
		return fd;
	__atomic_store_n(&a->table->pass, pass, __ATOMIC_SEQ_CST);
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

	if (!s->key.tgid || f->is_gone || !s->at_ns[0])
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

		if (!a->table->slots[i].key.tgid)
			continue;
		read_clock(f, now_ns);
		f->first = f->last;
		f->first_sleeps = f->last_sleeps;
		if (f->is_gone)
			a->table->slots[i].key.tgid = 0;
	}
}

/* Of [from, to], as much a second as between two readings; 0: not known. */
static double over(uint64_t from_ns, uint64_t to_ns, uint64_t first_ns, uint64_t last_ns, uint64_t n)
{
	return last_ns > first_ns ? (double)n * (double)(to_ns - from_ns) / (double)(last_ns - first_ns) : 0;
}

bool alloc_clocks__total(struct alloc_clocks *a, const struct task_key *key, uint64_t from_ns, uint64_t to_ns,
			 uint64_t whole_ns, struct alloc_aids *ret)
{
	struct alloc_followed *f = (struct alloc_followed *)find(a, key);
	struct alloc_clock_reading first;
	struct alloc_sleep_reading slept;

	if (!f)
		return false;
	read_clock(f, clock__mono_ns());
	first = whole_ns ? (struct alloc_clock_reading){.at_ns = whole_ns} : f->first;
	slept = whole_ns ? (struct alloc_sleep_reading){.at_ns = whole_ns} : f->first_sleeps;
	if (f->last.at_ns <= first.at_ns || to_ns <= from_ns)
		return false;
	ret->by[ALLOC_BY_CPU] =
		over(from_ns, to_ns, first.at_ns, f->last.at_ns, f->last.cpu_ns - first.cpu_ns);
	ret->by[ALLOC_BY_SLEEPS] =
		over(from_ns, to_ns, slept.at_ns, f->last_sleeps.at_ns, f->last_sleeps.n - slept.n);
	return true;
}
