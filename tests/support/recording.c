/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/recording.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/support/cpu_track.h"
#include "tests/support/expect.h"
#include "user/base/io.h"
#include "user/process/host_stat.h"
#include "user/profile/profile.h"

/* Loading a profiler takes a moment on a busy machine; a hang shows all the same. */
#define START_TIMEOUT_MS  10000
#define RECORD_TIMEOUT_MS 60000

int recording__setup(void **state)
{
	struct recording *r = calloc(1, sizeof(*r));

	if (!r)
		return -1;
	strcpy(r->dir, "/tmp/everprof-e2e.XXXXXX");
	if (!mkdtemp(r->dir)) {
		free(r);
		return -1;
	}
	*state = r;
	return 0;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

int recording__teardown(void **state)
{
	struct recording *r = *state;

	cpu_track__free(r->track);
	run__done(&r->everprof);
	run__done(&r->workload);
	profile__free(r->profile);
	nftw(r->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	free(r);
	return 0;
}

const char *recording__file(const struct recording *r, const char *name)
{
	static char paths[2][4096];
	static int turn;

	turn = !turn;
	snprintf(paths[turn], sizeof(paths[turn]), "%s/%s", r->dir, name);
	return paths[turn];
}

int recording__shell(const struct recording *r, const char *command)
{
	char *line = NULL;
	int status;

	if (asprintf(&line, "cd '%s' && { %s; } >/dev/null 2>&1", r->dir, command) < 0)
		fail_msg("no memory for '%s'", command);
	status = system(line);
	free(line);
	return status;
}

void recording__copy(const char *from, const char *to)
{
	int in = open(from, O_RDONLY | O_CLOEXEC), out = -1;
	struct stat st;
	ssize_t n = -1;

	if (in >= 0 && !fstat(in, &st))
		out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, st.st_mode & 07777);
	if (out >= 0)
		while ((n = sendfile(out, in, NULL, 1 << 20)) > 0)
			;
	if (n < 0)
		fail_msg("copy '%s' to '%s': %s", from, to, strerror(errno));
	io__close(&in);
	io__close(&out);
}

static void recording__stop_workload(struct recording *r)
{
	run__done(&r->workload);
	r->pid = 0;
}

void recording__start(struct recording *r, const char *const *argv)
{
	const char *args[RUN_ARGS_MAX];
	char path[4096];
	int n = 0, err;

	if (geteuid())
		skip();
	recording__stop_workload(r);
	while (argv[n] && n < RUN_ARGS_MAX - 1) {
		args[n] = argv[n];
		n++;
	}
	args[n] = NULL;
	run__path_workload(argv[0], path);
	if (argv[0][0] != '/')
		args[0] = path;
	err = run__start(&r->workload, args);
	if (!err)
		err = run__wait_number(&r->workload, "ready ", START_TIMEOUT_MS, &r->pid);
	if (err)
		fail_msg("workload '%s': %s: %s", args[0], strerror(-err), run__errors(&r->workload));
}

/* What a hypervisor took of all CPUs since the boot. */
static uint64_t stolen_so_far(void)
{
	char text[256]; /* the first line is the sum */
	struct host_cpu cpu = {0};
	int fd = open("/proc/stat", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof(text));

	if (n < 0 || parse_host_cpu(text, (size_t)n, &cpu))
		fail_msg("/proc/stat: %s", strerror(errno));
	close(fd);
	return cpu.stolen_ns;
}

void recording__record(struct recording *r, int status, const char *const *args)
{
	const char *argv[RUN_ARGS_MAX] = {NULL, "record", "-F", RECORDING_HZ_TEXT, "-o", r->path};
	char everprof[4096];
	int n = 6, exit_status = -1, err;
	uint64_t stolen;

	if (geteuid())
		skip();
	run__path_everprof(everprof);
	argv[0] = everprof;
	snprintf(r->path, sizeof(r->path), "%s/p.pb.gz", r->dir);
	unlink(r->path);
	while (*args && n < RUN_ARGS_MAX - 1)
		argv[n++] = *args++;
	argv[n] = NULL;
	run__done(&r->everprof);
	profile__free(r->profile);
	r->profile = NULL;
	stolen = stolen_so_far();
	err = run__to_end(&r->everprof, RECORD_TIMEOUT_MS, &exit_status, argv);
	r->stolen_ns = stolen_so_far() - stolen;
	if (err || exit_status != status)
		fail_msg("everprof record: %s, exit status %d where %d was expected: %s%s",
			 err ? strerror(-err) : "ended", exit_status, status, run__out(&r->everprof),
			 run__errors(&r->everprof));
	r->profile = expect_profile(r->path);
}

void recording__of(struct recording *r, const char *const *argv)
{
	char pid[32];
	int err;

	recording__start(r, argv);
	cpu_track__free(r->track);
	r->track = NULL;
	err = cpu_track__start((pid_t)r->pid, &r->track);
	if (err)
		fail_msg("cpu_track: %s", strerror(-err));
	snprintf(pid, sizeof(pid), "%lld", r->pid);
	recording__record(r, 0, (const char *[]){"-d", RECORDING_SECONDS, "-p", pid, NULL});
	cpu_track__stop(r->track);
	run__done(&r->workload);
}

uint64_t recording__truth(const struct recording *r, uint64_t *ret_window_ns)
{
	const struct profile_meta *meta = profile__meta(r->profile);
	uint64_t from = (uint64_t)meta->time_ns, to = from + (uint64_t)meta->duration_ns, ns = 0;
	int err = cpu_track__between(r->track, from, to, &ns);

	if (err)
		fail_msg("the profile says it covers %llu + %llu ns, when the workload was not watched",
			 (unsigned long long)from, (unsigned long long)(to - from));
	*ret_window_ns = to - from;
	return ns;
}
