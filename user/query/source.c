/* SPDX-License-Identifier: Apache-2.0 */
#include "user/query/source.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "exporters/format/pprof.h"
#include "user/base/buf.h"
#include "user/base/err.h"
#include "user/base/io.h"
#include "user/profile/merge.h"
#include "user/profile/profile.h"
#include "user/store/dir.h"
#include "user/store/reader.h"

#define DEFAULT_EVENT "cpu"

static int load_file(const char *path, struct profile **ret_profile, struct err *e)
{
	bool is_stdin = !strcmp(path, "-");
	struct buf bytes;
	int fd = STDIN_FILENO, err = 0;

	buf__init(&bytes, SOURCE_FILE_MAX);
	if (!is_stdin)
		err = io__open_regular(AT_FDCWD, path, &fd);
	if (!err)
		err = io__read_fd(fd, SOURCE_FILE_MAX, &bytes);
	if (err)
		err__set(e, err, "cannot read '%s': %s", path,
			 err == -EINVAL ? "not a regular file" : strerror(-err));
	else
		err = pprof__decode(bytes.data, bytes.len, NULL, ret_profile, e);
	if (err && e && !e->text[0])
		err__set(e, err, "'%s': %s", path, err == -E2BIG ? "too large for memory" : strerror(-err));
	else if (err == -EBADMSG || (err == -E2BIG && e && !strncmp(e->text, "pprof: ", 7)))
		err__prefix(e, err, "'%s'", path);
	if (!is_stdin)
		io__close(&fd);
	buf__done(&bytes);
	return err;
}

static int load_store(const char *path, const struct source_opts *o, struct profile **ret_profile,
		      struct err *e)
{
	const char *event = o->event ? o->event : DEFAULT_EVENT;
	uint64_t from_ns, to_ns;
	int err = store_reader__span(path, event, &from_ns, &to_ns, e);

	if (err)
		return err;
	if (o->to_ns)
		to_ns = o->to_ns;
	if (o->from_ns)
		from_ns = o->from_ns;
	else
		from_ns = to_ns > SOURCE_DEFAULT_NS ? to_ns - SOURCE_DEFAULT_NS : 0;
	return store_reader__load(path, event, from_ns, to_ns, NULL, ret_profile, NULL, e);
}

static int load_path(const char *path, const struct source_opts *o, struct profile **ret_profile,
		     struct err *e)
{
	char inner[PATH_MAX];
	struct stat st;

	if (!strcmp(path, "-") || stat(path, &st) || !S_ISDIR(st.st_mode))
		return load_file(path, ret_profile, e);
	if (snprintf(inner, sizeof(inner), "%s/" STORE_SNAPSHOTS, path) < (int)sizeof(inner) &&
	    stat(inner, &st) &&
	    snprintf(inner, sizeof(inner), "%s/%s.pb.gz", path, o->event ? o->event : DEFAULT_EVENT) <
		    (int)sizeof(inner) &&
	    !stat(inner, &st))
		return load_file(inner, ret_profile, e);
	return load_store(path, o, ret_profile, e);
}

int source__load(const char *const *paths, uint32_t n, const struct source_opts *opts,
		 struct profile **ret_profile, struct err *e)
{
	struct profile *sum = NULL, *one = NULL;
	int err;

	if (n == 1)
		return load_path(paths[0], opts, ret_profile, e);
	sum = profile__new(NULL);
	err = sum ? 0 : -ENOMEM;
	for (uint32_t i = 0; !err && i < n; i++) {
		err = load_path(paths[i], opts, &one, e);
		if (err)
			break;
		err = profile__merge(sum, one);
		if (err == -EINVAL)
			err__set(e, err, "'%s' and '%s' have different sample types", paths[0], paths[i]);
		else if (err)
			err__set(e, err, "cannot merge '%s': %s", paths[i], strerror(-err));
		profile__free(one);
	}
	if (!err)
		err = profile__seal(sum);
	if (err)
		profile__free(sum);
	else
		*ret_profile = sum;
	return err;
}
