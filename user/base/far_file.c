// SPDX-License-Identifier: Apache-2.0
/*
 * Problem: any user may mount a file system that is a program of his (FUSE), and run a program from there. Whoever opens, stats or reads such a file waits until that
 * program answers, and where it has taken the question, no signal ends the wait: who reads everybody's binaries can be held by anybody, and could not even be
 * killed.
 *
 * Idea: such a file is not touched. All that it takes to know is had without a word to its file system: a magic link is followed to an O_PATH descriptor,
 * statx(AT_STATX_DONT_SYNC) says what the kernel remembers, and which mount it is of; /proc/PID/mountinfo says what that mount is.
 *
 *      link ──────────────────> O_PATH, statx ──> block device ─────────────────────────────> open
 *      path ─ RESOLVE_CACHED ─>      │
 *           ─ RESOLVE_NO_XDEV ─>     └──> mount of the process, or of ours ──> near ────────> open
 *                                                                         └──> far, unknown > -EREMOTE
 *
 * Far is FUSE that was not mounted by root (user_id=0), all FUSE where the mounts are of another user namespace, and an overlay there, which may lie over
 * such; but not what is mounted with us, too: nobody but root could do that.
 *
 * A path may lead into /proc, by a link or a mount, where to look up a name or to open takes the locks of the process that is meant (proc_file): what is not at hand is followed aside, and
 * nothing of /proc is opened by a path.
 *
 * Rejected: statfs, which asks the file system; to copy such files on a thread that can be left behind (it would keep the agent from ending, as it cannot be
 * killed); to take all that is on no block device for far (the libraries of all containers).
 *
 * Cost: a statx on a block device; else 30 us and more, for a file that was not known.
 *
 * What it does not do: wait less for a network file system, a FUSE of root's or a disk that does not answer: who mounts one is root. See a mount that comes between the
 * look and the open of a path that is not in the cache, where no mount was far. Read programs of containers whose files are FUSE or an overlay that their user
 * mounted (rootless ones): their frames keep addresses and build-ids.
 */
#include "user/base/far_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "user/base/aside.h"
#include "user/base/io.h"
#include "user/base/key_lines.h"
#include "user/base/proc_file.h"

#define RESOLVE_TRIES 16

/* A line of mountinfo. Its text ends in no NUL: a function that looks for one reads all that is behind it, for each line of 100,000. */
struct mount_line {
	uint64_t id, device;
	const char *type;
	size_t type_len;
	bool is_roots; /* FUSE: mounted by root */
};

int far_file__who(int fd, struct statx *ret)
{
	if (statx(fd, "", AT_STATX_DONT_SYNC | AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_MNT_ID, ret))
		return -errno;
	return S_ISREG(ret->stx_mode) ? 0 : -EINVAL;
}

/* -- mounts -- */

void far_mounts__init(struct far_mounts *m, uint32_t pid, int dir_fd, const char *prefix)
{
	*m = (struct far_mounts){.pid = pid, .dir_fd = dir_fd};
	snprintf(m->prefix, sizeof(m->prefix), "%s", prefix);
	buf__init(&m->text, FAR_MOUNTS_MAX);
}

void far_mounts__init_own(struct far_mounts *m)
{
	far_mounts__init(m, (uint32_t)getpid(), AT_FDCWD, "/proc/self/");
}

void far_mounts__done(struct far_mounts *m)
{
	buf__done(&m->text);
}

/* Who has a user namespace of his own makes mounts there as he likes. */
static bool is_of_our_users(const struct far_mounts *m, const char *mount_namespace)
{
	int mounts_fd, owner_fd;
	struct stat owner, ours;
	bool is_ours;

	if (proc_file__open(m->pid, m->dir_fd, mount_namespace, O_RDONLY, &mounts_fd))
		return false;
	owner_fd = ioctl(mounts_fd, NS_GET_USERNS);
	is_ours = owner_fd >= 0 && !fstat(owner_fd, &owner) && !stat("/proc/self/ns/user", &ours) &&
		  owner.st_ino == ours.st_ino;
	io__close(&owner_fd);
	io__close(&mounts_fd);
	return is_ours;
}

static const char *far_mounts__text(struct far_mounts *m)
{
	char name[40];

	if (!m->is_read) {
		snprintf(name, sizeof(name), "%sns/mnt", m->prefix);
		m->are_ours = is_of_our_users(m, name);
		snprintf(name, sizeof(name), "%smountinfo", m->prefix);
		if (io__read_at(m->dir_fd, name, FAR_MOUNTS_MAX - 1, &m->text))
			buf__clear(&m->text); /* nothing is known */
		m->is_read = true;
	}
	return buf__str(&m->text);
}

static bool has_word(const char *list, size_t len, const char *word)
{
	const size_t n = strlen(word);

	for (const char *at = list, *end = list + len; at < end;) {
		const char *comma = memchr(at, ',', (size_t)(end - at));
		const size_t l = (size_t)((comma ? comma : end) - at);

		if (l == n && !memcmp(at, word, n))
			return true;
		at += l + 1;
	}
	return false;
}

/* "36 35 98:0 /root /point rw,noatime master:1 - ext3 /dev/root rw,errors=continue"; false: it is none. */
static bool parse_line(const char *line, size_t len, struct mount_line *ret)
{
	static const char behind[] = "  : "; /* each of the four numbers */
	const char *end = line + len, *at = line, *options, *type_end;
	uint64_t numbers[4];

	for (int i = 0; i < 4; i++) {
		const size_t n = key_lines__number(at, (size_t)(end - at), &numbers[i]);

		if (!n || at + n == end || at[n] != behind[i])
			return false;
		at += n + 1;
	}
	ret->type = memmem(at, (size_t)(end - at), " - ", 3);
	if (!ret->type)
		return false;
	ret->type += 3;
	type_end = memchr(ret->type, ' ', (size_t)(end - ret->type));
	if (!type_end)
		return false;
	ret->type_len = (size_t)(type_end - ret->type);
	ret->id = numbers[0];
	ret->device = numbers[2] << 32 | numbers[3];
	/* no blank is in a line but between its fields */
	options = memrchr(line, ' ', len);
	ret->is_roots = has_word(options + 1, (size_t)(end - options - 1), "user_id=0");
	return true;
}

static bool is_fuse(const struct mount_line *l)
{
	return l->type_len >= 4 && !memcmp(l->type, "fuse", 4) && (l->type_len == 4 || l->type[4] == '.');
}

static bool is_overlay(const struct mount_line *l)
{
	return l->type_len == strlen("overlay") && !memcmp(l->type, "overlay", l->type_len);
}

/* The next line; NULL behind the last. */
static const char *next_line(const char **at, const char *end, size_t *ret_len)
{
	const char *line = *at, *stop;

	if (line == end)
		return NULL;
	stop = memchr(line, '\n', (size_t)(end - line));
	*at = stop ? stop + 1 : end;
	*ret_len = (size_t)((stop ? stop : end) - line);
	return line;
}

/* The next mount: the one with that id, where only is set. */
static bool next_mount(const char **at, const char *end, const uint64_t *only, struct mount_line *ret)
{
	const char *line;
	uint64_t id;
	size_t len;

	while ((line = next_line(at, end, &len))) {
		if (only && (!key_lines__number(line, len, &id) || id != *only))
			continue;
		if (parse_line(line, len, ret))
			return true;
	}
	return false;
}

static int compare_devices(const void *va, const void *vb)
{
	const uint64_t *a = va, *b = vb;

	return *a < *b ? -1 : *a > *b;
}

/* Of our file systems those that are near, and would be far if they were not ours: their devices, ascending. */
static void find_near_devices(struct buf *near, const char *ours)
{
	const char *end = ours + strlen(ours);
	struct mount_line l;

	buf__init(near, FAR_MOUNTS_MAX);
	while (next_mount(&ours, end, NULL, &l))
		if (is_fuse(&l) ? l.is_roots : is_overlay(&l))
			buf__append(near, &l.device, sizeof(l.device));
	if (near->len)
		qsort(near->data, near->len / sizeof(uint64_t), sizeof(uint64_t), compare_devices);
}

static bool has_device(const struct buf *near, uint64_t device)
{
	return near->len && !buf__err(near) &&
	       bsearch(&device, near->data, near->len / sizeof(uint64_t), sizeof(uint64_t), compare_devices);
}

static bool is_far(const struct mount_line *l, const struct buf *ours)
{
	if (!ours)
		return is_fuse(l) && !l->is_roots;
	return (is_fuse(l) || is_overlay(l)) && !has_device(ours, l->device);
}

int parse_far_mount(const char *text, const char *ours, uint64_t id, bool *ret_is_far)
{
	struct buf near = {};
	struct mount_line l;

	if (!next_mount(&text, text + strlen(text), &id, &l))
		return -ENOENT;
	if (ours)
		find_near_devices(&near, ours);
	*ret_is_far = is_far(&l, ours ? &near : NULL);
	buf__done(&near);
	return 0;
}

bool any_far_mount(const char *text, const char *ours)
{
	const char *end = text + strlen(text);
	struct buf near = {};
	struct mount_line l;
	bool any = !*text;

	if (ours)
		find_near_devices(&near, ours);
	while (!any && next_mount(&text, end, NULL, &l))
		any = is_far(&l, ours ? &near : NULL);
	buf__done(&near);
	return any;
}

bool far_mounts__any_far(struct far_mounts *m)
{
	const char *text = far_mounts__text(m);
	struct far_mounts own;
	bool any;

	far_mounts__init_own(&own);
	any = any_far_mount(text, m->are_ours ? NULL : far_mounts__text(&own));
	far_mounts__done(&own);
	return any;
}

/* The kernel's own mount, which is in no list, of files that have no name anywhere: memfds, shared memory. */
static uint64_t nameless_mount;

static void find_nameless_mount(void)
{
	int fd = memfd_create("mount", MFD_CLOEXEC);
	struct statx who;

	if (fd >= 0 && !far_file__who(fd, &who))
		nameless_mount = who.stx_mnt_id;
	io__close(&fd);
}

static bool is_near(struct far_mounts *m, const struct statx *who)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct far_mounts own;
	const char *text;
	bool far = true;

	if (!m || who->stx_dev_major)
		return true;
	pthread_once(&once, find_nameless_mount);
	if (!(who->stx_mask & STATX_MNT_ID)) /* before 5.8 */
		return !far_mounts__any_far(m);
	if (who->stx_mnt_id == nameless_mount)
		return true;
	text = far_mounts__text(m);
	if (m->are_ours && !parse_far_mount(text, NULL, who->stx_mnt_id, &far))
		return !far;
	far_mounts__init_own(&own);
	/* who starts a container may still run what it opened outside of it */
	if (m->are_ours || parse_far_mount(text, far_mounts__text(&own), who->stx_mnt_id, &far))
		parse_far_mount(far_mounts__text(&own), NULL, who->stx_mnt_id, &far);
	far_mounts__done(&own);
	return !far;
}

/* -- files -- */

static bool is_of_proc(int path_fd)
{
	struct statfs fs;

	return !fstatfs(path_fd, &fs) && fs.f_type == PROC_SUPER_MAGIC;
}

/* Takes the O_PATH descriptor. */
static int open_found(struct far_mounts *m, int path_fd, bool by_path, int *ret_fd)
{
	struct statx who;
	int err = far_file__who(path_fd, &who);

	if (!err && !is_near(m, &who))
		err = -EREMOTE;
	if (!err && by_path && !who.stx_dev_major && is_of_proc(path_fd))
		err = -EREMOTE;
	if (!err)
		err = io__open_resolved(path_fd, ret_fd);
	io__close(&path_fd);
	return err;
}

int far_file__open_link(struct far_mounts *m, int dir_fd, const char *name, int *ret_fd)
{
	int path_fd, err = proc_file__open(m->pid, dir_fd, name, O_PATH, &path_fd);

	return err ? err : open_found(m, path_fd, false, ret_fd);
}

static int resolve(int root_fd, const char *path, uint64_t how_far)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | how_far,
	};
	long fd = -1;

	/* EAGAIN: something was renamed while a ".." was followed. Somebody who renames all the time gets no names. */
	for (int i = 0; i < RESOLVE_TRIES; i++) {
		fd = syscall(SYS_openat2, root_fd, path, &how, sizeof(how));
		if (fd >= 0 || how_far & RESOLVE_CACHED || (errno != EAGAIN && errno != EINTR))
			break;
	}
	return fd < 0 ? -errno : (int)fd;
}

struct resolve_job {
	struct aside_job job;
	int root_fd, fd;
	uint64_t how_far;
	char path[];
};

static void resolve_job__run(struct aside_job *job)
{
	struct resolve_job *j = (struct resolve_job *)job;

	j->fd = resolve(j->root_fd, j->path, j->how_far);
}

static void resolve_job__drop(struct aside_job *job)
{
	struct resolve_job *j = (struct resolve_job *)job;

	if (j->fd >= 0)
		io__close(&j->fd);
	free(j);
}

/* To look a name up in a folder of /proc takes its process's locks; that path is the fault of that process. */
static int resolve_aside(uint32_t pid, int root_fd, const char *path, uint64_t how_far)
{
	struct resolve_job *j = malloc(sizeof(*j) + strlen(path) + 1);
	int err, fd;

	if (!j)
		return -ENOMEM;
	*j = (struct resolve_job){.job = {resolve_job__run, resolve_job__drop},
				  .root_fd = root_fd,
				  .fd = FD_CLOSED,
				  .how_far = how_far};
	strcpy(j->path, path);
	err = aside__run(pid, &j->job);
	if (err)
		return err;
	fd = j->fd;
	free(j);
	return fd;
}

int far_file__open_in_root(struct far_mounts *m, int root_fd, const char *path, int *ret_fd)
{
	struct statx root;
	int fd = -EAGAIN;

	if (m)
		fd = resolve(root_fd, path, RESOLVE_CACHED);
	if (m && (fd == -EAGAIN || fd == -EINVAL)) {     /* not at hand; or before 5.12 */
		int err = far_file__who(root_fd, &root); /* a folder */

		fd = !err || err == -EINVAL ? -EREMOTE : err;
		if (fd == -EREMOTE && is_near(m, &root))
			fd = resolve_aside(m->pid, root_fd, path, RESOLVE_NO_XDEV);
	}
	if (!m || (fd == -EXDEV && !far_mounts__any_far(m)))
		fd = resolve_aside(m ? m->pid : (uint32_t)getpid(), root_fd, path, 0);
	return fd < 0 ? (fd == -EXDEV ? -EREMOTE : fd) : open_found(m, fd, true, ret_fd);
}
