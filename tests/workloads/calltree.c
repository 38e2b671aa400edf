/* SPDX-License-Identifier: Apache-2.0 */
/*
 * calltree SECONDS [unlink]: the tree of tree.h in one thread. Built with and without frame pointers, static, PIE and not, with musl,
 * stripped with its symbols elsewhere, … (mk/e2e.mk). With `unlink` it first removes its own file.
 */
#include "tests/workloads/tree.h"

#ifdef VARIANT
/* Tells builds apart that would else be the same bytes under the same build-id. */
static const char variant[] __attribute__((used)) = VARIANT;
#endif

static void remove_own_file(void)
{
	char path[4096];
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);

	if (len <= 0) {
		perror("readlink /proc/self/exe");
		exit(1);
	}
	path[len] = '\0';
	if (unlink(path)) {
		perror(path);
		exit(1);
	}
}

int main(int argc, char **argv)
{
	struct work w;

	work__init(&w, argc, argv);
	if (argc > 2 && !strcmp(argv[2], "unlink"))
		remove_own_file();
	work__ready();
	while (work__go(&w))
		tree_round(w.scale);
	return work__done();
}
