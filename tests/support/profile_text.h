/* SPDX-License-Identifier: Apache-2.0 */
/*
 * profile_text - profiles from short texts, so that a test reads as the case it is about.
 *
 * put(p, "main@/bin/x;work~inner@/bin/x;read@[kernel.kallsyms]", "comm=sh,pid=7 id", 3, 300) adds a sample, root first;
 * "comm='7" is a text. "work~inner" is one location whose function inner was inlined into work. A binary's build-id is "b1d" and its name's length;
 * an address is the hash of the frame's text.
 *
 * Owns: text_profile's result is the caller's to free. Thread: one. Limit: frames and labels of 256 bytes. Errors: fails the test.
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
		if (*value == '\'')
			l[n] = (struct label){.key = l[n].key, .str = text_string(p, value + 1)};
		else if (unit)
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

#endif
