// SPDX-License-Identifier: Apache-2.0
#include "user/base/file_stamp.h"

#include <sys/stat.h>

#include "user/base/clock.h"

static int64_t to_ns(const struct timespec *t)
{
	return (int64_t)t->tv_sec * (int64_t)NS_PER_SEC + t->tv_nsec;
}

bool file_stamp__take(const char *path, struct file_stamp *ret)
{
	struct stat st;

	*ret = (struct file_stamp){0};
	if (stat(path, &st))
		return false;
	*ret = (struct file_stamp){.dev = st.st_dev,
				   .ino = st.st_ino,
				   .size = (uint64_t)st.st_size,
				   .written_ns = to_ns(&st.st_mtim),
				   .changed_ns = to_ns(&st.st_ctim)};
	return true;
}

bool file_stamp__is_same(const struct file_stamp *a, const struct file_stamp *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size && a->written_ns == b->written_ns &&
	       a->changed_ns == b->changed_ns;
}
