// SPDX-License-Identifier: Apache-2.0
#include "user/cmd/top_wall.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "user/base/err.h"
#include "user/cmd/inputs.h"
#include "user/profile/merge.h"
#include "user/profile/profile.h"
#include "user/query/source.h"
#include "user/query/wall.h"

static const char *const events[WALL_KIND_N] = {"cpu", "offcpu", "wall"};

static int add(struct profile **sum, struct profile *p, const char *path, struct err *e)
{
	int err = 0;

	if (!*sum) {
		*sum = profile__new(NULL);
		err = *sum ? 0 : -ENOMEM;
	}
	if (!err)
		err = profile__merge(*sum, p);
	return err ? err__set(e, err, "cannot add '%s': %s", path, strerror(-err)) : 0;
}

/* A folder has all three; a file is what its sample types say. */
static int load_path(const char *path, const struct source_opts *source, struct profile *sums[WALL_KIND_N],
		     struct err *e)
{
	struct source_opts o = *source;
	struct stat st;
	bool is_folder = path && strcmp(path, "-") && !stat(path, &st) && S_ISDIR(st.st_mode);
	int err = 0;

	for (int k = 0; k < WALL_KIND_N && !err; k++) {
		enum wall_kind kind;
		struct profile *p = NULL;

		o.event = events[k];
		err = inputs__load(path ? &path : NULL, path ? 1 : 0, &o, &p, e);
		if (!err && wall__kind_of(p, &kind))
			err = err__set(e, -EINVAL,
				       "'%s': --wall adds up profiles of cpu, offcpu and wall, and this is "
				       "none of them",
				       path ? path : "the store");
		if (!err)
			err = add(&sums[kind], p, path ? path : "the store", e);
		profile__free(p);
		if (path && !is_folder)
			break;
	}
	return err;
}

static int load(const char *const *paths, uint32_t n, const struct source_opts *source,
		struct profile *sums[WALL_KIND_N], struct err *e)
{
	int err = n ? 0 : load_path(NULL, source, sums, e);

	for (uint32_t i = 0; i < n && !err; i++)
		err = load_path(paths[i], source, sums, e);
	for (int k = 0; k < WALL_KIND_N && !err; k++) {
		if (!sums[k])
			return err__set(e, -ENOENT,
					"--wall needs a profile of event %s too: record -e cpu,offcpu writes "
					"all three",
					events[k]);
		err = profile__seal(sums[k]);
	}
	return err;
}

int top_wall__print(const char *const *paths, uint32_t n, const struct source_opts *source,
		    const struct top_wall_opts *opts, struct buf *to, bool *ret_holds, struct err *e)
{
	const struct wall_print_opts print = {.n_rows = opts->n_rows, .colour = opts->colour};
	struct profile *sums[WALL_KIND_N] = {NULL};
	struct wall *w = NULL;
	int err = load(paths, n, source, sums, e);

	if (!err)
		err = wall__new((const struct profile *const *)sums, opts->by ? opts->by : "thread", &w, e);
	if (!err) {
		wall__print(w, sums[WALL_OFFCPU], &print, to);
		*ret_holds = wall__holds(w);
		wall__free(w);
	}
	for (int k = 0; k < WALL_KIND_N; k++)
		profile__free(sums[k]);
	return err;
}
