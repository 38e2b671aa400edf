/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/cpu_track.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "user/base/clock.h"

struct note {
	uint64_t real_ns, cpu_ns;
};

struct cpu_track {
	pthread_t thread;
	pid_t pid;
	bool joined;
	atomic_bool stop;
	uint32_t n;
	struct note notes[CPU_TRACK_MAX];
};

int read_process_cpu(pid_t pid, uint64_t *ret_ns)
{
	unsigned long long sum = 0, ns;
	struct dirent *entry;
	char path[512];
	DIR *tasks;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	tasks = opendir(path);
	if (!tasks)
		return -ESRCH;
	while ((entry = readdir(tasks))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat", (int)pid, entry->d_name);
		f = fopen(path, "re");
		if (!f)
			continue;
		if (fscanf(f, "%llu", &ns) == 1)
			sum += ns;
		fclose(f);
	}
	closedir(tasks);
	*ret_ns = sum;
	return sum ? 0 : -ESRCH;
}

static void cpu_track__note(struct cpu_track *t)
{
	uint64_t before = clock__real_ns(), cpu_ns;

	/* the middle of before and after: the thread may have been preempted while it read */
	if (read_process_cpu(t->pid, &cpu_ns))
		cpu_ns = t->n ? t->notes[t->n - 1].cpu_ns : 0;
	t->notes[t->n++] = (struct note){before / 2 + clock__real_ns() / 2, cpu_ns};
}

static void *cpu_track__run(void *arg)
{
	struct cpu_track *t = arg;

	while (!atomic_load(&t->stop) && t->n < CPU_TRACK_MAX - 1) {
		cpu_track__note(t);
		usleep(CPU_TRACK_STEP_NS / 1000);
	}
	return NULL;
}

int cpu_track__start(pid_t pid, struct cpu_track **ret_track)
{
	struct cpu_track *t = calloc(1, sizeof(*t));
	int err;

	if (!t)
		return -ENOMEM;
	t->pid = pid;
	cpu_track__note(t); /* the thread's own first and last note come when it gets a CPU */
	err = -pthread_create(&t->thread, NULL, cpu_track__run, t);
	if (err) {
		free(t);
		return err;
	}
	*ret_track = t;
	return 0;
}

void cpu_track__stop(struct cpu_track *t)
{
	if (!t || t->joined)
		return;
	atomic_store(&t->stop, true);
	pthread_join(t->thread, NULL);
	t->joined = true;
	cpu_track__note(t);
}

void cpu_track__free(struct cpu_track *t)
{
	cpu_track__stop(t);
	free(t);
}

static int cpu_track__at(const struct cpu_track *t, uint64_t real_ns, double *ret_cpu_ns)
{
	for (uint32_t i = 1; i < t->n; i++) {
		const struct note *a = &t->notes[i - 1], *b = &t->notes[i];

		if (real_ns < a->real_ns)
			return -ERANGE;
		if (real_ns > b->real_ns || b->real_ns == a->real_ns)
			continue;
		*ret_cpu_ns = (double)a->cpu_ns + (double)(b->cpu_ns - a->cpu_ns) *
							  (double)(real_ns - a->real_ns) /
							  (double)(b->real_ns - a->real_ns);
		return 0;
	}
	return -ERANGE;
}

int cpu_track__between(const struct cpu_track *t, uint64_t from_real_ns, uint64_t to_real_ns,
		       uint64_t *ret_ns)
{
	double from, to;
	int err = cpu_track__at(t, from_real_ns, &from);

	if (!err)
		err = cpu_track__at(t, to_real_ns, &to);
	if (err)
		return err;
	*ret_ns = to > from ? (uint64_t)(to - from) : 0;
	return 0;
}
