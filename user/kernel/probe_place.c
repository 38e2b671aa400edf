// SPDX-License-Identifier: Apache-2.0
/*
 * probe_place - what surrounds us: other processes in /proc, kernel symbols, files with symbols, limits, the store.
 */
#include "user/kernel/probe_impl.h"
#include "user/process/namespace.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "bpf/abi.h"
#include "user/base/io.h"
#include "user/base/proc_file.h"

/* include/linux/proc_ns.h */
#define PID_NS_INIT_INO     0xEFFFFFFCull
#define CGROUP_NS_INIT_INO  0xEFFFFFFBull
#define MEMORY_DEFAULT      (64ull << 20)
#define STORE_FREE_MIN      (256ull << 20)
#define PROCESSES_TRIED_MAX 1024
#define FILES_SPARE         256 /* descriptors for everything but clocks, rings and segments of rows */

/* ---- processes ---- */

static uint64_t place__namespace(struct probe *p, const char *path, const char *type)
{
	char link[64] = "";
	uint64_t inode = 0;

	if (readlinkat(p->root_fd, path, link, sizeof(link) - 1) < 0 ||
	    parse_namespace_link(link, type, &inode))
		return 0;
	return inode;
}

static void place__pid_namespace(struct probe *p, const struct probe_subject *s)
{
	uint64_t inode = place__namespace(p, "proc/self/ns/pid", "pid");

	if (!inode)
		probe__say(p, s, PROBE_REDUCED,
			   "not known: /proc/self/ns/pid cannot be read (is /proc mounted?)");
	else if (inode == PID_NS_INIT_INO)
		probe__say(p, s, PROBE_OK, "the host's");
	else
		probe__say(p, s, PROBE_MISSING, "one of its own: /proc shows other pids than samples carry");
}

static void place__cgroup_namespace(struct probe *p, const struct probe_subject *s)
{
	uint64_t inode = place__namespace(p, "proc/self/ns/cgroup", "cgroup");

	if (!inode || inode == CGROUP_NS_INIT_INO)
		probe__say(p, s, PROBE_OK, "the host's");
	else
		probe__say(p, s, PROBE_REDUCED, "one of its own");
}

static void place__hidepid(struct probe *p, const struct probe_subject *s)
{
	char options[PROBE_TEXT_MAX], text[PROBE_FILE_MAX];
	const char *at;

	if (probe__read(p, "proc/self/mountinfo", text)) {
		probe__say(p, s, PROBE_REDUCED, "not known: /proc/self/mountinfo cannot be read");
		return;
	}
	parse_proc_mount(text, options);
	at = strstr(options, "hidepid=");
	if (!at || !strncmp(at, "hidepid=0", 9) || !strncmp(at, "hidepid=off", 11))
		probe__say(p, s, PROBE_OK, "shows all processes");
	else if (probe__has(p, PROBE_CAP_SYS_PTRACE))
		probe__say(p, s, PROBE_OK, "%.*s, which CAP_SYS_PTRACE overrules", (int)strcspn(at, ","), at);
	else
		probe__say(p, s, PROBE_MISSING, "mounted with %.*s", (int)strcspn(at, ","), at);
}

/* 0, or why the mappings of that process cannot be read; one that went in between can. */
static int place__try_maps(struct probe *p, const char *pid)
{
	char path[64];
	int fd, err;

	snprintf(path, sizeof(path), "proc/%.20s/maps", pid);
	err = proc_file__open((uint32_t)strtoul(pid, NULL, 10), p->root_fd, path, O_RDONLY | O_NONBLOCK, &fd);
	if (!err)
		io__close(&fd);
	return err == -ENOENT || err == -ESRCH ? 0 : err;
}

/* Asked of each process, since some may be guarded more than others (security modules, namespaces of their own). */
static void place__foreign_maps(struct probe *p, const struct probe_subject *s)
{
	int dir_fd = openat(p->root_fd, "proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC), err, first_err = 0;
	DIR *dir = dir_fd < 0 ? NULL : fdopendir(dir_fd);
	uint32_t n = 0, n_refused = 0;
	struct dirent *d;

	if (!dir) {
		err = errno;
		io__close(&dir_fd);
		probe__say(p, s, PROBE_MISSING, "/proc: %s", strerror(err));
		return;
	}
	while (n < PROCESSES_TRIED_MAX && (d = readdir(dir))) {
		if (!isdigit((unsigned char)d->d_name[0]) || atoi(d->d_name) == getpid())
			continue;
		err = place__try_maps(p, d->d_name);
		n++;
		n_refused += err < 0;
		first_err = first_err ? first_err : err;
	}
	closedir(dir);
	if (!n_refused)
		probe__say(p, s, PROBE_OK, "/proc/PID/maps of %u processes can be read", n);
	else
		probe__say(p, s, n_refused == n ? PROBE_MISSING : PROBE_REDUCED,
			   "/proc/PID/maps of %u in %u processes: %s", n_refused, n, strerror(-first_err));
}

/* Opens one of our own links: following them takes a capability even for these. */
static void place__map_files(struct probe *p, const struct probe_subject *s)
{
	int dir_fd = openat(p->root_fd, "proc/self/map_files", O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd,
	    err = ENOENT;
	DIR *dir = dir_fd < 0 ? NULL : fdopendir(dir_fd);
	struct dirent *d;

	if (!dir) {
		err = errno;
		io__close(&dir_fd);
		probe__say(p, s, PROBE_MISSING, "/proc/self/map_files: %s", strerror(err));
		return;
	}
	while ((d = readdir(dir)) && d->d_name[0] == '.')
		;
	if (d) {
		fd = openat(dirfd(dir), d->d_name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		err = fd < 0 ? errno : 0;
		io__close(&fd);
	}
	closedir(dir);
	if (err)
		probe__say(p, s, PROBE_MISSING, "a link of /proc/PID/map_files cannot be followed: %s",
			   strerror(err));
	else
		probe__say(p, s, PROBE_OK, "/proc/PID/map_files can be followed");
}

static void place__container(struct probe *p, const struct probe_subject *s)
{
	static const char *const marks[] = {"kubepods", "docker", "libpod", "crio", "containerd", "lxc"};
	char text[PROBE_FILE_MAX] = "";
	const char *kind = NULL;

	if (!faccessat(p->root_fd, ".dockerenv", F_OK, 0))
		kind = "docker";
	else if (!faccessat(p->root_fd, "run/.containerenv", F_OK, 0))
		kind = "podman";
	else if (!faccessat(p->root_fd, "run/secrets/kubernetes.io", F_OK, 0))
		kind = "kubernetes";
	else if (!probe__read(p, "proc/self/cgroup", text))
		for (size_t i = 0; i < sizeof(marks) / sizeof(*marks) && !kind; i++)
			if (strstr(text, marks[i]))
				kind = marks[i];
	if (kind)
		probe__say(p, s, PROBE_OK, "in a container (%s)", kind);
	else
		probe__say(p, s, PROBE_OK, "on the host itself");
}

/* ---- names ---- */

/* Where addresses are hidden every line begins with zeros. */
static void place__kallsyms(struct probe *p, const struct probe_subject *s)
{
	char text[PROBE_FILE_MAX];
	long long restricted = 0;
	int err = probe__read(p, "proc/kallsyms", text);

	if (err) {
		probe__say(p, s, PROBE_MISSING, "/proc/kallsyms: %s", strerror(-err));
		return;
	}
	for (const char *at = text; at && *at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL) {
		if (strtoull(at, NULL, 16)) {
			probe__say(p, s, PROBE_OK, "/proc/kallsyms tells addresses");
			return;
		}
	}
	probe__read_number(p, "proc/sys/kernel/kptr_restrict", &restricted);
	probe__say(p, s, PROBE_MISSING, "/proc/kallsyms hides addresses (kernel.kptr_restrict is %lld)",
		   restricted);
}

static void place__debug_files(struct probe *p, const struct probe_subject *s)
{
	static const char *const usual[] = {"/usr/lib/debug"};
	const char *const *dirs = p->opts->n_debug_directories ? p->opts->debug_directories : usual;
	uint32_t n = p->opts->n_debug_directories ? p->opts->n_debug_directories : 1;

	for (uint32_t i = 0; i < n; i++) {
		struct stat st;

		if (!fstatat(p->root_fd, dirs[i] + strspn(dirs[i], "/"), &st, 0) && S_ISDIR(st.st_mode)) {
			probe__say(p, s, PROBE_OK, "%s", dirs[i]);
			return;
		}
	}
	probe__say(p, s, PROBE_MISSING, "no %s", dirs[0]);
}

/* ---- limits ---- */

static void place__open_files(struct probe *p, const struct probe_subject *s)
{
	uint64_t soft = 0, hard = 0, want = 2ull * p->n_cpus + ROW_SEGMENTS_MAX + FILES_SPARE;
	char text[PROBE_FILE_MAX];

	if (probe__read(p, "proc/self/limits", text) || parse_limit(text, "Max open files", &soft, &hard))
		probe__say(p, s, PROBE_REDUCED, "not known: /proc/self/limits cannot be read");
	else if (soft >= want)
		probe__say(p, s, PROBE_OK, "%llu, at most %llu are wanted", (unsigned long long)soft,
			   (unsigned long long)want);
	else
		probe__say(p, s, PROBE_REDUCED, "%llu, up to %llu may be wanted (%u CPUs)",
			   (unsigned long long)soft, (unsigned long long)want, p->n_cpus);
}

static void place__locked_memory(struct probe *p, const struct probe_subject *s)
{
	uint64_t soft = 0, hard = 0;
	char text[PROBE_FILE_MAX];

	if (!p->release || p->release >= PROBE_RELEASE(5, 11)) {
		probe__say(p, s, PROBE_OK, "does not bound BPF maps on this kernel");
		return;
	}
	if (probe__read(p, "proc/self/limits", text) || parse_limit(text, "Max locked memory", &soft, &hard))
		probe__say(p, s, PROBE_REDUCED, "not known: /proc/self/limits cannot be read");
	else if (hard == UINT64_MAX || probe__has(p, PROBE_CAP_SYS_RESOURCE))
		probe__say(p, s, PROBE_OK, "can be raised");
	else
		probe__say(p, s, PROBE_REDUCED, "%llu KiB, and CAP_SYS_RESOURCE to raise it is missing",
			   (unsigned long long)hard >> 10);
}

/* The smallest limit from our control group up to the root; UINT64_MAX: none. */
static uint64_t place__smallest_limit(struct probe *p, const char *mount, const char *path, const char *file)
{
	char at[2 * PROBE_TEXT_MAX + 64], group[PROBE_TEXT_MAX];
	uint64_t smallest = UINT64_MAX;
	long long limit;

	snprintf(group, sizeof(group), "%s", strstr(path, "..") ? "" : path);
	for (;;) {
		char *slash;

		snprintf(at, sizeof(at), "%s%s/%s", mount, group, file);
		/* "max" is no number, and 2^63 less a page is how the first version says it */
		if (!probe__read_number(p, at, &limit) && limit >= 0 && limit < 1ll << 60 &&
		    (uint64_t)limit < smallest)
			smallest = (uint64_t)limit;
		slash = strrchr(group, '/');
		if (!slash)
			return smallest;
		*slash = '\0';
	}
}

static void place__memory_limit(struct probe *p, const struct probe_subject *s)
{
	static const struct {
		const char *controller, *mount, *file;
	} hierarchies[] = {
		{"", "sys/fs/cgroup", "memory.max"},
		{"", "sys/fs/cgroup/unified", "memory.max"},
		{"memory", "sys/fs/cgroup/memory", "memory.limit_in_bytes"},
	};
	uint64_t want = p->opts->memory_bytes ? p->opts->memory_bytes : MEMORY_DEFAULT, smallest = UINT64_MAX,
		 limit;
	char text[PROBE_FILE_MAX], path[PROBE_TEXT_MAX];

	if (probe__read(p, "proc/self/cgroup", text))
		text[0] = '\0';
	for (size_t i = 0; i < sizeof(hierarchies) / sizeof(*hierarchies); i++) {
		if (parse_own_cgroup(text, hierarchies[i].controller, path))
			continue;
		limit = place__smallest_limit(p, hierarchies[i].mount, path, hierarchies[i].file);
		smallest = limit < smallest ? limit : smallest;
	}
	if (smallest == UINT64_MAX)
		probe__say(p, s, PROBE_OK, "no limit from a control group");
	else
		probe__say(p, s, smallest < want ? PROBE_REDUCED : PROBE_OK,
			   "%llu MiB from a control group, %llu MiB are wanted",
			   (unsigned long long)smallest >> 20, (unsigned long long)want >> 20);
}

/* ---- the store ---- */

/* The directory, or the nearest one above it that exists: there it would be made. */
static int place__open_nearest(const char *path, char ret_path[PROBE_TEXT_MAX])
{
	snprintf(ret_path, PROBE_TEXT_MAX, "%s", path);
	for (;;) {
		int fd = open(ret_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		char *slash;

		if (fd >= 0 || errno != ENOENT)
			return fd < 0 ? -errno : fd;
		slash = strrchr(ret_path, '/');
		if (slash)
			slash[slash == ret_path] = '\0';
		else
			snprintf(ret_path, PROBE_TEXT_MAX, ".");
	}
}

/* A file without a name is the trial that leaves nothing behind; not every file system has it. */
static int place__try_write(int dir_fd)
{
	int fd = openat(dir_fd, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);

	if (fd >= 0) {
		io__close(&fd);
		return 0;
	}
	if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)
		return -errno;
	return faccessat(dir_fd, ".", W_OK | X_OK, AT_EACCESS) ? -errno : 0;
}

static void place__store(struct probe *p, const struct probe_subject *s)
{
	char path[PROBE_TEXT_MAX];
	struct statvfs fs;
	uint64_t free_bytes;
	int fd, err;

	if (!p->opts->store)
		return;
	fd = place__open_nearest(p->opts->store, path);
	err = fd < 0 ? fd : place__try_write(fd);
	if (!err && fstatvfs(fd, &fs))
		err = -errno;
	io__close(&fd);
	if (err) {
		probe__say(p, s, PROBE_MISSING, "%.160s: %s", path, strerror(-err));
		return;
	}
	free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	probe__say(p, s, free_bytes < STORE_FREE_MIN ? PROBE_REDUCED : PROBE_OK, "%.160s%s, %llu MiB free",
		   p->opts->store, strcmp(path, p->opts->store) ? " (to be made)" : "",
		   (unsigned long long)free_bytes >> 20);
}

#define PROCESSES "processes"
#define NAMES     "names"
#define LIMITS    "limits"

const struct probe_subject probe_place_subjects[] = {
	{PROCESSES, "pid_namespace", "pid namespace", PROBE_FEATURE, place__pid_namespace,
	 "names, files and unwind tables of all processes: samples carry the host's pids, /proc here shows "
	 "others",
	 "run in the host's pid namespace: hostPID: true (Kubernetes), --pid=host (docker, podman)"},
	{PROCESSES, "cgroup_namespace", "cgroup namespace", PROBE_FEATURE, place__cgroup_namespace,
	 "the labels cgroup, unit, container and pod of processes outside",
	 "docker and podman: --cgroupns=host"},
	{PROCESSES, "hidepid", "/proc", PROBE_FEATURE, place__hidepid,
	 "everything about other users' processes but their samples",
	 "give CAP_SYS_PTRACE, or mount /proc without hidepid"},
	{PROCESSES, "foreign_maps", "other processes", PROBE_FEATURE, place__foreign_maps,
	 "mappings of processes that ran before the start: their stacks have neither names nor unwind tables",
	 "give CAP_SYS_PTRACE; let no security module (AppArmor, SELinux) confine everprof"},
	{PROCESSES, "map_files", "deleted files", PROBE_FEATURE, place__map_files,
	 "binaries that were deleted or replaced while they run: their frames have no names",
	 "give CAP_CHECKPOINT_RESTORE (before Linux 5.9: CAP_SYS_ADMIN)"},
	{PROCESSES, "container", "place", PROBE_SPARE, place__container, "", ""},
	{NAMES, "kallsyms", "kernel symbols", PROBE_FEATURE, place__kallsyms, "names of kernel frames",
	 "give CAP_SYSLOG, and set kernel.kptr_restrict to 0 or 1"},
	{NAMES, "debug_files", "debug files", PROBE_SPARE, place__debug_files,
	 "names of functions that a stripped program does not export, where its package has a debug file",
	 "install debug packages (libc6-dbg, …-dbgsym); symbols.debug_directories names other places"},
	{LIMITS, "open_files", "open files", PROBE_FEATURE, place__open_files,
	 "clocks of CPUs, or unwind tables: each needs a descriptor",
	 "LimitNOFILE=65536 (systemd), ulimit -n 65536"},
	{LIMITS, "locked_memory", "locked memory", PROBE_FEATURE, place__locked_memory,
	 "BPF maps may not fit: the start may fail",
	 "LimitMEMLOCK=infinity (systemd), ulimit -l unlimited, or give CAP_SYS_RESOURCE"},
	{LIMITS, "memory", "memory", PROBE_FEATURE, place__memory_limit,
	 "unwind tables and names are dropped early and made again; the kernel may kill everprof",
	 "raise MemoryMax= (systemd) or resources.limits.memory (Kubernetes); BPF maps count, too"},
	{LIMITS, "store", "store", PROBE_FEATURE, place__store,
	 "profiles on disk: profiling goes on in memory, and writes again when it can",
	 "make the directory writable and free space, or name another: profiling.output.directory"},
	{0},
};
