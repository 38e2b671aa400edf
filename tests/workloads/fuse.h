/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuse - a file system that is this program, mounted as a user's, with one file in it, FUSE_FILE: just enough of its protocol.
 *
 * Owns: the mount, in a mount namespace of this process's own; it ends with the last descriptor of the connection, so nobody else may hold one. Thread: one. Limit: FUSE_REQUEST_BYTES a
 * request. Errors: whatever fails ends the program with 1.
 */
#ifndef EVERPROF_TESTS_WORKLOADS_FUSE_H
#define EVERPROF_TESTS_WORKLOADS_FUSE_H

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define FUSE_POINT         "/mnt" /* in a mount namespace of its own */
#define FUSE_FILE          FUSE_POINT "/prog"
#define FUSE_NODE          2
#define FUSE_REQUEST_BYTES (256 << 10)
#define FUSE_USER          1000

/* What is in the file. */
struct fuse_file {
	const unsigned char *bytes;
	size_t len;
};

static inline void fuse__expect(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "fuse: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* Nothing of it is kept by the kernel: each look is a question. */
static inline struct fuse_attr fuse__attr(const struct fuse_file *f, uint64_t node)
{
	struct fuse_attr a = {.ino = node, .nlink = 1, .blksize = 4096, .mode = S_IFDIR | 0755};

	if (node == FUSE_NODE) {
		a.mode = S_IFREG | 0755;
		a.size = f->len;
	}
	return a;
}

static inline void fuse__answer(int fd, const struct fuse_in_header *to, int err, const void *bytes,
				size_t len)
{
	struct fuse_out_header h = {.len = (uint32_t)(sizeof(h) + len), .error = err, .unique = to->unique};
	struct iovec v[] = {{&h, sizeof(h)}, {(void *)(uintptr_t)bytes, len}};

	if (writev(fd, v, 2) < 0 && errno != ENOENT) /* who asked was killed */
		fuse__expect(false, "answer");
}

static inline void fuse__answer_read(int fd, const struct fuse_file *f, const struct fuse_in_header *to)
{
	const struct fuse_read_in *r = (const struct fuse_read_in *)(to + 1);
	size_t at = r->offset < f->len ? (size_t)r->offset : f->len, len = f->len - at;

	fuse__answer(fd, to, 0, f->bytes + at, len < r->size ? len : r->size);
}

static inline void fuse__serve(int fd, const struct fuse_file *f, const struct fuse_in_header *r)
{
	const struct fuse_init_out init = {
		.major = 7, .minor = 31, .max_readahead = 65536, .max_write = 4096, .flags = FUSE_ASYNC_DIO};
	const struct fuse_attr_out attr = {.attr = fuse__attr(f, r->nodeid)};
	const struct fuse_entry_out entry = {.nodeid = FUSE_NODE, .attr = fuse__attr(f, FUSE_NODE)};
	const struct fuse_open_out open = {.open_flags = FOPEN_KEEP_CACHE};

	switch (r->opcode) {
	case FUSE_INIT:
		return fuse__answer(fd, r, 0, &init, sizeof(init));
	case FUSE_LOOKUP:
		return fuse__answer(fd, r, strcmp((const char *)(r + 1), "prog") ? -ENOENT : 0, &entry,
				    strcmp((const char *)(r + 1), "prog") ? 0 : sizeof(entry));
	case FUSE_GETATTR:
		return fuse__answer(fd, r, 0, &attr, sizeof(attr));
	case FUSE_OPEN:
		return fuse__answer(fd, r, 0, &open, sizeof(open));
	case FUSE_READ:
		return fuse__answer_read(fd, f, r);
	case FUSE_FLUSH:
	case FUSE_RELEASE:
		return fuse__answer(fd, r, 0, NULL, 0);
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		return;
	default:
		return fuse__answer(fd, r, -ENOSYS, NULL, 0);
	}
}

/* The descriptor of the connection. */
static inline int fuse__mount(void)
{
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	char options[128];

	fuse__expect(fd >= 0, "/dev/fuse");
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=%d,group_id=%d,allow_other", fd,
		 FUSE_USER, FUSE_USER);
	fuse__expect(!unshare(CLONE_NEWNS) && !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "unshare");
	fuse__expect(!mount("far", FUSE_POINT, "fuse", MS_NOSUID | MS_NODEV, options), "mount");
	return fd;
}

#endif
