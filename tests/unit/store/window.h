/* SPDX-License-Identifier: Apache-2.0 */
/*
 * window - real profiles with known values for the store's tests.
 *
 * Function "f<i>" of each window has the value that the test chose; a profile's answer is read back by that name.
 *
 * Owns: nothing. Thread: one. Limit: none. Errors: a failed assertion.
 */
#ifndef EVERPROF_TESTS_STORE_WINDOW_H
#define EVERPROF_TESTS_STORE_WINDOW_H

#include "exporters/format/pprof.h"
#include "tests/unit/store/files.h"
#include "user/base/buf.h"
#include "user/profile/profile.h"

struct window_value {
	uint32_t function;
	int64_t samples, ns;
};

static inline void window__encode(const struct window_value *values, size_t n, const char *unit,
				  uint64_t start_ns, uint64_t duration_ns, enum compression compression,
				  struct buf *to)
{
	struct pprof_opts opts = {.compression = compression};
	struct profile *p = profile__new(&(struct profile_opts){0});

	assert_non_null(p);
	assert_int_equal(profile__add_type(p, "samples", "count"), 0);
	assert_int_equal(profile__add_type(p, "cpu", unit), 0);
	for (size_t i = 0; i < n; i++) {
		uint32_t function, location, stack, name;
		char text[32];

		snprintf(text, sizeof(text), "f%u", values[i].function);
		assert_int_equal(profile__string(p, text, &name), 0);
		assert_int_equal(profile__function(p, &(struct function){.name = name}, &function), 0);
		assert_int_equal(profile__location(p, 0, 0x1000 + values[i].function, false,
						   &(struct line){.function = function}, 1, &location),
				 0);
		assert_int_equal(profile__stack(p, &location, 1, &stack), 0);
		assert_int_equal(profile__add(p, stack, 0, (int64_t[]){values[i].samples, values[i].ns}), 0);
	}
	profile__meta_mut(p)->time_ns = (int64_t)start_ns;
	profile__meta_mut(p)->duration_ns = (int64_t)duration_ns;
	assert_int_equal(profile__comment(p, "lost count_full: 1"), 0);
	assert_int_equal(profile__seal(p), 0);
	assert_int_equal(pprof__encode(p, &opts, to), 0);
	profile__free(p);
}

static inline void window__put(struct fixture *f, const char *event, uint64_t start_ns,
			       const struct window_value *values, size_t n)
{
	struct buf bytes;

	buf__init(&bytes, 16 << 20);
	window__encode(values, n, "nanoseconds", start_ns, MIN_NS, COMPRESSION_GZIP, &bytes);
	assert_int_equal(store__put(f->store, event, start_ns, MIN_NS, bytes.data, bytes.len), 0);
	buf__done(&bytes);
}

static inline struct profile *window__decode(const struct fixture *f, const char *below)
{
	struct profile *p = NULL;
	struct err err = {0};
	struct buf bytes;
	char path[256];
	FILE *in;
	int c;

	fixture__path(f, below, path);
	in = fopen(path, "r");
	assert_non_null(in);
	buf__init(&bytes, 16 << 20);
	while ((c = fgetc(in)) != EOF)
		buf__append_char(&bytes, (char)c);
	fclose(in);
	if (pprof__decode(bytes.data, bytes.len, NULL, &p, &err))
		fail_msg("%s: %s", path, err.text);
	buf__done(&bytes);
	return p;
}

/* The value of column `type` under function "f<function>". */
static inline int64_t window__value(const struct profile *p, const char *type, uint32_t function)
{
	uint32_t column, location, parent;
	int64_t sum = 0;
	char text[32];

	snprintf(text, sizeof(text), "f%u", function);
	assert_int_equal(profile__find_type(p, type, &column), 0);
	for (uint32_t i = 0; i < profile__n_samples(p); i++) {
		const struct sample *s = profile__get_sample(p, i);
		const struct location *l;

		profile__get_stack_node(p, s->stack, &location, &parent);
		l = profile__get_location(p, location);
		if (strcmp(profile__str(p, profile__get_function(p, profile__lines(p, l)->function)->name),
			   text) == 0)
			sum += s->values[column];
	}
	return sum;
}

static inline bool window__has_comment(const struct profile *p, const char *text)
{
	for (uint32_t i = 0; i < profile__n_comments(p); i++)
		if (strcmp(profile__get_comment(p, i), text) == 0)
			return true;
	return false;
}

#endif
