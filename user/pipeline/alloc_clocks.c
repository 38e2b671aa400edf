// SPDX-License-Identifier: Apache-2.0
#include "user/pipeline/alloc_clocks.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "user/base/clock.h"

/* linux/include/linux/posix-timers_types.h: all threads of a process, to the nanosecond. */
#define PROCESS_CLOCK(pid) ((clockid_t)(~(uint32_t)(pid) << 3 | 2))

static bool read_clock(struct alloc_followed *f, uint64_t *ret_ns)
{
	struct timespec t;

	if (f->is_gone || clock_gettime(PROCESS_CLOCK(f->key.tgid), &t)) {
		f->is_gone = true;
		return false;
	}
	*ret_ns = (uint64_t)t.tv_sec * NS_PER_SEC + (uint64_t)t.tv_nsec;
	if (*ret_ns < f->last.cpu_ns) /* another process by now */
		f->is_gone = true;
	return !f->is_gone;
}

static struct alloc_followed *find(struct alloc_clocks *a, const struct task_key *key)
{
	for (uint32_t i = 0; i < a->n; i++)
		if (!memcmp(&a->followed[i].key, key, sizeof(*key)))
			return &a->followed[i];
	return NULL;
}

bool alloc_clocks__follow(struct alloc_clocks *a, const struct task_key *key, uint64_t born_ns,
			  uint64_t from_ns, uint64_t now_ns)
{
	struct alloc_followed f = {.key = *key};
	uint32_t at = 0;

	if (find(a, key) || !read_clock(&f, &f.last.cpu_ns))
		return false;
	while (at < a->n && !a->followed[at].is_gone)
		at++;
	if (at == ALLOC_CLOCKS_MAX)
		return false;
	f.last.at_ns = now_ns;
	f.first = born_ns >= from_ns ? (struct alloc_clock_reading){.at_ns = born_ns} : f.last;
	a->followed[at] = f;
	if (at == a->n)
		a->n++;
	return true;
}

void alloc_clocks__begin(struct alloc_clocks *a)
{
	for (uint32_t i = 0; i < a->n; i++) {
		struct alloc_followed *f = &a->followed[i];

		f->is_read = read_clock(f, &f->last.cpu_ns);
		if (f->is_read)
			f->last.at_ns = clock__mono_ns();
	}
}

void alloc_clocks__end(struct alloc_clocks *a)
{
	for (uint32_t i = 0; i < a->n; i++) {
		struct alloc_followed *f = &a->followed[i];
		struct alloc_clock_reading now;

		f->is_read = f->is_read && read_clock(f, &now.cpu_ns);
		if (!f->is_read)
			continue;
		now.at_ns = clock__mono_ns();
		f->window.at_ns = now.at_ns - f->last.at_ns;
		f->window.cpu_ns = now.cpu_ns - f->last.cpu_ns;
		f->last = now;
	}
}

void alloc_clocks__restart(struct alloc_clocks *a, uint64_t now_ns)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < a->n; i++) {
		struct alloc_followed f = a->followed[i];

		if (!read_clock(&f, &f.last.cpu_ns))
			continue;
		f.last.at_ns = now_ns;
		f.first = f.last;
		a->followed[kept++] = f;
	}
	a->n = kept;
}

bool alloc_clocks__total(struct alloc_clocks *a, const struct task_key *key, uint64_t from_ns, uint64_t to_ns,
			 uint64_t now_ns, double *ret_cpu_ns)
{
	struct alloc_followed *f = find(a, key);
	uint64_t cpu_ns;

	if (!f)
		return false;
	if (read_clock(f, &cpu_ns))
		f->last = (struct alloc_clock_reading){now_ns, cpu_ns};
	if (f->last.at_ns <= f->first.at_ns || to_ns <= from_ns)
		return false;
	*ret_cpu_ns = (double)(f->last.cpu_ns - f->first.cpu_ns) * (double)(to_ns - from_ns) /
		      (double)(f->last.at_ns - f->first.at_ns);
	return true;
}
