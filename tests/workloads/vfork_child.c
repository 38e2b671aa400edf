/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vfork_child SECONDS: a vfork child works on its parent's stack, in its parent's memory, under its own pid, while the parent waits:
 *
 *      vfork_spin < vfork_user < main
 *
 * Says "child PID" for each child, of which there is one a second at most.
 */
#include <sys/wait.h>

#include "tests/workloads/work.h"

static WORK_FN void vfork_spin(struct work *w)
{
	while (work__go(w))
		work__spin(100 * w->scale);
}

static WORK_FN void vfork_user(struct work *w)
{
	pid_t pid = vfork();

	if (!pid) {
		vfork_spin(w);
		_exit(0);
	}
	if (pid > 0)
		waitpid(pid, NULL, 0);
	__asm__ volatile("" ::: "memory");
}

int main(int argc, char **argv)
{
	struct work w;

	work__init(&w, argc, argv);
	work__ready();
	vfork_user(&w);
	return work__done();
}
