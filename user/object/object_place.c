/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Problem: a path in a mapping is a name in another mount namespace, perhaps of a file that was deleted or replaced
 * since, perhaps of a process that is gone.
 *
 * Idea: three places, from certain to likely. map_files leads to the mapped inode itself and needs no name; but what
 * is mapped there now may be the next library, so it has the inode number of the mapping or its very name. A path
 * below the process's root is the right file unless it was replaced, so it must have the mapping's inode number or
 * (checked by the caller) its build-id. The host's root has short-lived host processes' files; there an inode number
 * or build-id is required, not just compared.
 *
 * Why inode numbers and not devices: overlayfs and btrfs report another device in a mapping than in stat(2).
 *
 * Cost: one or two system calls a place. What it does not do: look into containers that have no process left.
 *
 * Reference: proc_pid_map_files(5), which needs CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/base/far_file.h"
#include "user/base/io.h"
#include "user/base/proc_file.h"
#include "user/object/object_place.h"

#define MAPPED_PATH_MAX 4096

/* The process's folder as (directory, prefix), so that one format serves a held folder and a pid. */
static int place__folder(int proc_root_fd, const struct object_mapping *m, char *prefix, size_t size)
{
	if (m->pid_dir_fd >= 0) {
		prefix[0] = '\0';
		return m->pid_dir_fd;
	}
	snprintf(prefix, size, "%" PRIu32 "/", m->tgid);
	return proc_root_fd;
}

static int place__map_files_name(int proc_root_fd, const struct object_mapping *m, char *name, size_t size)
{
	char prefix[16];
	int dir_fd = place__folder(proc_root_fd, m, prefix, sizeof(prefix));

	snprintf(name, size, "%smap_files/%" PRIx64 "-%" PRIx64, prefix, m->start, m->end);
	return dir_fd;
}

/*
 * An event is read a moment late, and libraries take each other's place. Some file systems number a file in another way than a mapping of
 * it does (overlayfs), so where the number differs the name decides.
 */
static bool place__is_same(int dir_fd, const char *name, const struct object_identity *id,
			   const struct object_mapping *m)
{
	char path[MAPPED_PATH_MAX];
	ssize_t n;

	if (!m->ino || m->ino == id->ino)
		return true;
	n = proc_file__read_link(m->tgid, dir_fd, name, path, sizeof(path));
	return n > 0 && m->path && (size_t)n == strlen(m->path) && !memcmp(path, m->path, (size_t)n);
}

static void place__mounts(int proc_root_fd, const struct object_mapping *m, struct far_mounts *ret)
{
	char prefix[16];
	int dir_fd = place__folder(proc_root_fd, m, prefix, sizeof(prefix));

	far_mounts__init(ret, m->tgid, dir_fd, prefix);
}

/* The inode that is mapped, if it still is the mapping's. */
static int open_mapped(int proc_root_fd, const struct object_mapping *m, int *ret_fd)
{
	struct object_identity id;
	struct far_mounts mounts;
	int fd = FD_CLOSED, dir_fd, r;
	char name[64];

	place__mounts(proc_root_fd, m, &mounts);
	dir_fd = place__map_files_name(proc_root_fd, m, name, sizeof(name));
	r = far_file__open_link(&mounts, dir_fd, name, &fd);
	far_mounts__done(&mounts);
	if (r == 0)
		r = read_object_identity(fd, &id);
	if (r == 0 && !place__is_same(dir_fd, name, &id, m))
		r = -ESTALE;
	if (r < 0)
		io__close(&fd);
	else
		*ret_fd = fd;
	return r;
}

/* The path below that root, if it still is the file that was mapped. */
static int open_named(struct far_mounts *mounts, int root_fd, const struct object_mapping *m, bool must_prove,
		      int *ret_fd)
{
	struct object_identity id;
	int fd = FD_CLOSED;
	int r;

	if (!m->path || m->path[0] != '/' || m->deleted)
		return -ENOENT;
	r = far_file__open_in_root(mounts, root_fd, m->path, &fd);
	if (r < 0)
		return r;
	r = read_object_identity(fd, &id);
	/* A build-id is the better proof, and the caller's to check. */
	if (r == 0 && m->build_id_len == 0 && (m->ino ? id.ino != m->ino : must_prove))
		r = -ESTALE;
	if (r < 0)
		io__close(&fd);
	else
		*ret_fd = fd;
	return r;
}

static int open_root(uint32_t pid, int dir_fd, const char *name, int *ret_fd)
{
	return proc_file__open(pid, dir_fd, name, O_PATH | O_DIRECTORY, ret_fd);
}

static int open_below_root_of(int proc_root_fd, const struct object_mapping *m, bool host, int *ret_fd)
{
	char prefix[16], name[32];
	int dir_fd = place__folder(proc_root_fd, m, prefix, sizeof(prefix));
	struct far_mounts mounts;
	int root_fd = FD_CLOSED;
	int r;

	snprintf(name, sizeof(name), "%sroot", prefix);
	r = host ? open_root(1, proc_root_fd, "1/root", &root_fd)
		 : open_root(m->tgid, dir_fd, name, &root_fd);
	/* where process 1 is out of bounds, our own root is mostly the host's; the inode has to prove it in any case */
	if (r < 0 && host)
		r = open_root((uint32_t)getpid(), proc_root_fd, "self/root", &root_fd);
	if (host)
		far_mounts__init(&mounts, (uint32_t)getpid(), proc_root_fd, "self/");
	else
		place__mounts(proc_root_fd, m, &mounts);
	if (r == 0)
		r = open_named(&mounts, root_fd, m, host, ret_fd);
	far_mounts__done(&mounts);
	io__close(&root_fd);
	return r;
}

int object_place__open(int proc_root_fd, const struct object_mapping *m, enum object_place place, int *ret_fd)
{
	switch (place) {
	case OBJECT_PLACE_MAP_FILES:
		return open_mapped(proc_root_fd, m, ret_fd);
	case OBJECT_PLACE_ROOT:
		return open_below_root_of(proc_root_fd, m, false, ret_fd);
	case OBJECT_PLACE_HOST:
		return open_below_root_of(proc_root_fd, m, true, ret_fd);
	default:
		return -EINVAL;
	}
}

int object_place__identify(int proc_root_fd, const struct object_mapping *m,
			   struct object_identity *ret_identity)
{
	char name[64];
	int dir_fd = place__map_files_name(proc_root_fd, m, name, sizeof(name));
	struct object_identity id;
	int fd = FD_CLOSED, r;

	r = proc_file__open(m->tgid, dir_fd, name, O_PATH, &fd);
	if (r == 0)
		r = read_object_identity(fd, &id);
	io__close(&fd);
	if (r < 0)
		return r;
	if (!place__is_same(dir_fd, name, &id, m))
		return -ESTALE;
	*ret_identity = id;
	return 0;
}

bool object_place__process_alive(int proc_root_fd, const struct object_mapping *m)
{
	char prefix[16], name[32];
	int dir_fd = place__folder(proc_root_fd, m, prefix, sizeof(prefix));
	struct stat st;

	/* A held folder outlives its process; what is in it does not. */
	snprintf(name, sizeof(name), "%sstat", prefix);
	return fstatat(dir_fd, name, &st, 0) == 0;
}
