/* SPDX-License-Identifier: Apache-2.0 */
/*
 * profile_text - profiles from short texts, and back, so that a test reads as the case it is about.
 *
 * put(p, "main@/bin/x;work~inner@/bin/x;read@[kernel.kallsyms]", "comm=sh,pid=7 id", 3, 300) adds a sample, root first;
 * "work~inner" is one location whose function inner was inlined into work. A binary's build-id is "b1d" and its name's length;
 * an address is the hash of the frame's text. profile_text(p) is everything in p as sorted lines, whatever its ids.
 *
 * Owns: profile_text's result is the caller's to free. Thread: one. Limit: frames and labels of 256 bytes. Errors: fails the test.
 */
#ifndef EVERPROF_TESTS_SUPPORT_PROFILE_TEXT_H
#define EVERPROF_TESTS_SUPPORT_PROFILE_TEXT_H

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/buf.h"
#include "user/profile/profile.h"

static inline uint32_t text_string(struct profile *p, const char *s)
{
	uint32_t id;

	assert_int_equal(profile__string(p, s, &id), 0);
	return id;
}

static inline struct profile *text_profile(const char *type0, const char *unit0, const char *type1,
					   const char *unit1)
{
	struct profile *p = profile__new(NULL);

	assert_non_null(p);
	assert_int_equal(profile__add_type(p, type0, unit0), 0);
	if (type1)
		assert_int_equal(profile__add_type(p, type1, unit1), 0);
	return p;
}

static inline uint32_t text_frame(struct profile *p, char *frame)
{
	struct line lines[8] = {0};
	uint64_t address = 5381;
	uint32_t mapping = 0, id, n = 0;
	char *at, *name, *rest = frame;

	for (const char *c = frame; *c; c++)
		address = (address * 33 + (unsigned char)*c) & 0xffffff;
	at = strchr(frame, '@');
	if (at) {
		struct mapping m = {.start = 0, .limit = 0x1000000, .has_functions = true};
		char build_id[32];

		*at++ = '\0';
		snprintf(build_id, sizeof(build_id), "b1d%02zx", strlen(at));
		m.filename = text_string(p, at);
		m.build_id = text_string(p, build_id);
		assert_int_equal(profile__mapping(p, &m, &mapping), 0);
	}
	for (; (name = strsep(&rest, "~")); n++) {
		char file[300];
		struct function f = {
			.name = text_string(p, name), .system_name = text_string(p, name), .start_line = 10};

		assert_true(n < 8);
		snprintf(file, sizeof(file), "%s.c", name);
		f.filename = text_string(p, file);
		memmove(&lines[1], &lines[0], n * sizeof(*lines)); /* innermost first */
		lines[0] = (struct line){.line = 11 + n};
		assert_int_equal(profile__function(p, &f, &lines[0].function), 0);
	}
	assert_int_equal(profile__location(p, mapping, address, false, lines, n, &id), 0);
	return id;
}

static inline uint32_t text_labels(struct profile *p, const char *labels)
{
	struct label l[PROFILE_LABELS_MAX] = {0};
	char *copy = strdup(labels), *rest = copy, *one;
	uint32_t n = 0, id;

	while (*labels && (one = strsep(&rest, ","))) {
		char *value = strchr(one, '='), *unit;
		char *end;

		*value++ = '\0';
		l[n].key = text_string(p, one);
		l[n].num = strtoll(value, &end, 10);
		unit = end != value && (*end == ' ' || !*end) ? end + (*end == ' ') : NULL;
		if (unit)
			l[n].num_unit = text_string(p, unit);
		else
			l[n].str = text_string(p, value);
		n++;
	}
	assert_int_equal(profile__labels(p, l, n, &id), 0);
	free(copy);
	return id;
}

static inline void put(struct profile *p, const char *stack, const char *labels, int64_t v0, int64_t v1)
{
	char *copy = strdup(stack), *rest = copy, *frame;
	uint32_t id = 0;

	while (*stack && (frame = strsep(&rest, ";"))) {
		uint32_t location = text_frame(p, frame);

		assert_int_equal(profile__stack_push(p, id, location, &id), 0);
	}
	assert_int_equal(profile__add(p, id, text_labels(p, labels), (int64_t[]){v0, v1, 0, 0}), 0);
	free(copy);
}

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

static inline void text_of_labels(const struct profile *p, uint32_t id, struct buf *b)
{
	char *texts[PROFILE_LABELS_MAX];
	const struct label *l;
	uint32_t n;

	l = profile__get_labels(p, id, &n);
	for (uint32_t i = 0; i < n; i++) {
		int len;

		if (l[i].str)
			len = asprintf(&texts[i], " %s=\"%s\"", profile__str(p, l[i].key),
				       profile__str(p, l[i].str));
		else
			len = asprintf(&texts[i], " %s=%" PRId64 "%s", profile__str(p, l[i].key), l[i].num,
				       profile__str(p, l[i].num_unit));
		assert_true(len > 0);
	}
	if (n)
		qsort(texts, n, sizeof(*texts), text_compare);
	for (uint32_t i = 0; i < n; i++) {
		buf__append_str(b, texts[i]);
		free(texts[i]);
	}
}

static inline char *text_of_sample(const struct profile *p, const struct sample *s)
{
	uint32_t *locations = calloc(PROFILE_DEPTH_MAX, sizeof(*locations));
	uint32_t depth = profile__get_stack(p, s->stack, locations, PROFILE_DEPTH_MAX);
	struct buf b;
	char *text;

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
	text = strdup(buf__str(&b));
	buf__done(&b);
	free(locations);
	return text;
}

static inline char *profile_text(const struct profile *p)
{
	const struct profile_meta *m = profile__meta(p);
	uint32_t n = profile__n_samples(p);
	char **lines = calloc(n + 1, sizeof(*lines)), *text;
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
	qsort(lines, n, sizeof(*lines), text_compare);
	for (uint32_t i = 0; i < n; i++) {
		buf__printf(&b, "%s\n", lines[i]);
		free(lines[i]);
	}
	free(lines);
	assert_int_equal(buf__err(&b), 0);
	text = strdup(buf__str(&b));
	buf__done(&b);
	return text;
}

#endif
