// SPDX-License-Identifier: Apache-2.0
#include "user/cmd/output.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "exporters/format/format.h"
#include "user/base/buf.h"
#include "user/base/err.h"
#include "user/base/io.h"
#include "user/pipeline/window.h"
#include "user/profile/amount.h"
#include "user/profile/profile.h"
#include "user/query/deadlocks.h"
#include "user/query/idle.h"

#define OUTPUT_LINE_MAX 1024

/* Devices and pipes (/dev/null, a process substitution) are written to; they cannot be replaced. */
static bool is_special(const char *path)
{
	return !strncmp(path, "/dev/", 5) || !strncmp(path, "/proc/", 6);
}

static const struct format *output__format(const char *path)
{
	return !strcmp(path, "-") || is_special(path) ? format__by_name("pprof") : format__by_path(path);
}

bool output__is_known(const char *path)
{
	return output__format(path) != NULL;
}

static int write_file(const char *path, const struct buf *b, struct err *err)
{
	char *for_dir = strdup(path), *for_base = strdup(path);
	int dir_fd = FD_CLOSED, ret = -ENOMEM;

	if (for_dir && for_base) {
		dir_fd = open(dirname(for_dir), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		ret = dir_fd < 0 ? -errno
				 : io__write_replace(dir_fd, basename(for_base), b->data, b->len, 0644);
	}
	io__close(&dir_fd);
	free(for_dir);
	free(for_base);
	return ret ? err__set(err, ret, "cannot write '%s': %s", path, strerror(-ret)) : 0;
}

static int write_bytes(const char *path, const struct buf *b, struct err *err)
{
	int fd, ret;

	if (strcmp(path, "-") && !is_special(path))
		return write_file(path, b, err);
	fd = strcmp(path, "-") ? open(path, O_WRONLY | O_CLOEXEC) : dup(STDOUT_FILENO);
	ret = fd < 0 ? -errno : io__write_full(fd, b->data, b->len);
	io__close(&fd);
	return ret ? err__set(err, ret, "cannot write '%s': %s", path, strerror(-ret)) : 0;
}

/* A profile for a picture, without idle waits: a new one, or NULL where it has none. */
static int without_idle(const struct profile *p, const char *path, const struct output_opts *opts,
			struct profile **ret_shown)
{
	struct idle_hidden hidden;
	struct buf b;
	int ret = idle__hide(p, opts->format.type, ret_shown, &hidden);

	if (ret || !*ret_shown || opts->quiet)
		return ret;
	buf__init(&b, OUTPUT_LINE_MAX);
	idle_hidden__print(&hidden, &b);
	fprintf(stderr, "%s: without %s; --idle keeps them\n", path, buf__str(&b));
	buf__done(&b);
	return 0;
}

int output__write_as(const struct profile *p, const char *path, const struct output_opts *opts,
		     struct err *err)
{
	const struct format *format = output__format(path);
	struct profile *shown = NULL;
	struct buf b;
	int ret = 0;

	buf__init(&b, OUTPUT_BYTES_MAX);
	if (!opts->keep_idle && strncmp(format->name, "pprof", 5))
		ret = without_idle(p, path, opts, &shown);
	if (!ret)
		ret = format->encode(shown ? shown : p, &opts->format, &b);
	if (ret == -ENOENT)
		err__set(err, ret, "the profile has no sample type '%s'",
			 opts->format.type ? opts->format.type : "");
	else if (ret)
		err__set(err, ret, "cannot encode the profile: %s", strerror(-ret));
	else
		ret = write_bytes(path, &b, err);
	profile__free(shown);
	buf__done(&b);
	return ret;
}

/* How much of the waits is idling; nothing in a profile without waits. */
static void print_idle(const struct profile *p)
{
	const struct value_type type = profile__type(p, profile__n_types(p) - 1);
	int64_t all = 0, idle = 0;

	for (uint32_t i = 0; i < profile__n_samples(p); i++) {
		const struct sample *s = profile__get_sample(p, i);
		int64_t value = s->values[profile__n_types(p) - 1];

		all += value;
		idle += profile__find_label(p, s->labels, IDLE_LABEL) ? value : 0;
	}
	if (idle)
		fprintf(stderr, ", %s of waits, %s of them idle",
			amount__format(all, profile__str(p, type.unit)).text,
			amount__percent(idle, all).text);
}

static void print_deadlocks(const struct profile *p)
{
	struct buf b;

	buf__init(&b, OUTPUT_BYTES_MAX);
	if (deadlocks__print(p, &b) && !buf__err(&b))
		fwrite(b.data, 1, b.len, stderr);
	buf__done(&b);
}

void output__print_summary(const struct profile *p, const struct window *w, const char *path)
{
	uint64_t whole = 0, lost = 0;

	for (int i = 0; i < END_MAX; i++)
		whole += end_reason__is_complete((enum end_reason)i) ? w->ends[i] : 0;
	fprintf(stderr, "%s: %llu samples in %.1f s", strcmp(path, "-") ? path : "profile",
		(unsigned long long)w->samples, (double)profile__meta(p)->duration_ns / 1e9);
	if (w->samples)
		fprintf(stderr, ", %.1f %% of stacks whole", 100.0 * (double)whole / (double)w->samples);
	print_idle(p);
	for (int i = 0; i < LOSS_MAX; i++) {
		if (loss__is_doubt((enum loss)i))
			continue;
		if (w->lost.n[i])
			fprintf(stderr, "%s%llu %s",
				lost ? ", " : "; lost: ", (unsigned long long)w->lost.n[i],
				loss__name((enum loss)i));
		lost += w->lost.n[i];
	}
	if (w->lost.n[LOSS_DERIVED_RULES])
		fprintf(stderr, "; in doubt: %llu %s", (unsigned long long)w->lost.n[LOSS_DERIVED_RULES],
			loss__name(LOSS_DERIVED_RULES));
	fputs("\n", stderr);
	print_deadlocks(p);
}
