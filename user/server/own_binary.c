// SPDX-License-Identifier: Apache-2.0
#include "user/server/own_binary.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * This very binary. By its own path where that still is the same file, for the kernel names a process after the path; else (it was replaced or
 * deleted) by the link, which always leads to what runs.
 */
const char *own_binary__path(char path[PATH_MAX])
{
	static const char link[] = "/proc/self/exe";
	struct stat ours, theirs;
	ssize_t n = readlink(link, path, PATH_MAX - 1);

	if (n <= 0 || stat(link, &ours))
		return link;
	path[n] = '\0';
	return !stat(path, &theirs) && theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino ? path
												    : link;
}

void own_binary__be_child(void)
{
	static const int not_ours[] = {SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE};

	prctl(PR_SET_NAME, "everprof"); /* what the kernel took from /proc/self/exe is "exe" */
	for (size_t i = 0; i < sizeof(not_ours) / sizeof(*not_ours); i++)
		signal(not_ours[i], SIG_IGN);
}
