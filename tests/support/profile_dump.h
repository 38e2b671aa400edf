/* SPDX-License-Identifier: Apache-2.0 */
/*
 * profile_dump - everything in a profile as text, the same whatever its ids, so that two profiles can be compared.
 * Samples are sorted lines: frames from the root with functions, files, lines and mappings; labels sorted; values.
 * Owns: profile_text's result is the caller's to free. Thread: one. Limit: 256 MiB of text. Errors: fails the test.
 */
#ifndef EVERPROF_TESTS_SUPPORT_PROFILE_DUMP_H
#define EVERPROF_TESTS_SUPPORT_PROFILE_DUMP_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/buf.h"
#include "user/profile/profile.h"

static inline void text_of_location(const struct profile *p, uint32_t id, struct buf *b)
{
	const struct location *l = profile__get_location(p, id);

	for (uint32_t i = l->n_lines; i-- > 0;) {
		const struct line *line = &profile__lines(p, l)[i];
		const struct function *f = profile__get_function(p, line->function);

		buf__printf(b, "%s(%s,%s:%" PRId64 ":%" PRId64 ",%" PRId64 ")%s", profile__str(p, f->name),
			    profile__str(p, f->system_name), profile__str(p, f->filename), line->line,
			    line->column, f->start_line, i ? "~" : "");
	}
	if (l->mapping) {
		const struct mapping *m = profile__get_mapping(p, l->mapping);

		buf__printf(b, "@%s{%s,%" PRIx64 "-%" PRIx64 "+%" PRIx64 ",%d%d%d%d}",
			    profile__str(p, m->filename), profile__str(p, m->build_id), m->start, m->limit,
			    m->offset, m->has_functions, m->has_filenames, m->has_line_numbers,
			    m->has_inline_frames);
	}
	buf__printf(b, "+%" PRIx64 "%s", l->address, l->is_folded ? "*" : "");
}

static inline int text_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static inline void text_append_sorted(struct buf *b, char **texts, uint32_t n, const char *end)
{
	if (n)
		qsort(texts, n, sizeof(*texts), text_compare);
	for (uint32_t i = 0; i < n; i++) {
		buf__printf(b, "%s%s", texts[i], end);
		free(texts[i]);
	}
}

static inline void text_of_labels(const struct profile *p, uint32_t id, struct buf *b)
{
	char *texts[PROFILE_LABELS_MAX];
	uint32_t n;
	const struct label *l = profile__get_labels(p, id, &n);

	for (uint32_t i = 0; i < n; i++) {
		const char *key = profile__str(p, l[i].key), *str = profile__str(p, l[i].str);
		const char *unit = profile__str(p, l[i].num_unit);

		assert_true(asprintf(&texts[i], " %s=%s\"%" PRId64 "%s\"", key, str, l[i].num, unit) > 0);
	}
	text_append_sorted(b, texts, n, "");
}

static inline char *text_of_sample(const struct profile *p, const struct sample *s)
{
	uint32_t locations[PROFILE_DEPTH_MAX];
	uint32_t depth = profile__get_stack(p, s->stack, locations, PROFILE_DEPTH_MAX);
	struct buf b;

	buf__init(&b, 1 << 24);
	for (uint32_t i = depth; i-- > 0;) {
		text_of_location(p, locations[i], &b);
		buf__append_str(&b, i ? ";" : "");
	}
	buf__append_str(&b, " |");
	text_of_labels(p, s->labels, &b);
	buf__append_str(&b, " |");
	for (uint32_t v = 0; v < profile__n_types(p); v++)
		buf__printf(&b, " %" PRId64, s->values[v]);
	assert_int_equal(buf__err(&b), 0);
	return (char *)buf__str(&b);
}

static inline char *profile_text(const struct profile *p)
{
	const struct profile_meta *m = profile__meta(p);
	uint32_t n = profile__n_samples(p);
	char **lines = calloc(n + 1, sizeof(*lines));
	struct buf b;

	buf__init(&b, 1 << 28);
	for (uint32_t v = 0; v < profile__n_types(p); v++)
		buf__printf(&b, "type %s/%s\n", profile__str(p, profile__type(p, v).type),
			    profile__str(p, profile__type(p, v).unit));
	buf__printf(&b,
		    "time %" PRId64 " + %" PRId64 " period %s/%s %" PRId64
		    " default '%s' doc '%s' drop '%s' keep '%s'\n",
		    m->time_ns, m->duration_ns, profile__str(p, m->period_type.type),
		    profile__str(p, m->period_type.unit), m->period, profile__str(p, m->default_type),
		    profile__str(p, m->doc_url), profile__str(p, m->drop_frames),
		    profile__str(p, m->keep_frames));
	for (uint32_t i = 0; i < profile__n_comments(p); i++)
		buf__printf(&b, "# %s\n", profile__get_comment(p, i));
	for (uint32_t i = 0; i < n; i++)
		lines[i] = text_of_sample(p, profile__get_sample(p, i));
	text_append_sorted(&b, lines, n, "\n");
	free(lines);
	assert_int_equal(buf__err(&b), 0);
	return (char *)buf__str(&b);
}

#endif
