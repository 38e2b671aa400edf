// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "exporters/format/pprof.h"
#include "tests/support/profile_dump.h"
#include "user/base/buf.h"
#include "user/base/err.h"
#include "user/profile/fold.h"
#include "user/profile/merge.h"
#include "user/profile/profile.h"
#include "user/store/feed.h"
#include "user/store/index.h"

#define FILES     12
#define DAMAGED   5 /* this one cannot be read, */
#define GONE      8 /* and this one is not there */
#define STACKS    20000
#define FUNCTIONS 700 /* ids of one byte and of two */
#define DEPTH     40
#define LIMIT     ((size_t)256 << 20)
#define SHIFT     9 /* of 20,000 samples what has less than 39 is small */

struct world {
	struct store_file files[FILES];
	struct buf bytes[FILES];
	uint32_t n_reads; /* atomic */
};

static uint32_t next_random(uint32_t *x)
{
	*x = *x * 1103515245u + 12345u;
	return *x >> 8;
}

/* Stacks that share callers with one another, as those of a program do, under a few labels; every file has some of its own. */
static struct profile *make(uint32_t file)
{
	struct profile *p = profile__new(NULL);
	uint32_t locations[FUNCTIONS], stack[DEPTH], labels[4], x = 42 + file / 2, depth = 0, id;
	char text[32];

	profile__add_type(p, "samples", "count");
	profile__add_type(p, "cpu", "nanoseconds");
	assert_int_equal(profile__string(p, "cpu", &profile__meta_mut(p)->default_type), 0);
	for (uint32_t i = 0; i < FUNCTIONS; i++) {
		struct function f = {0};
		struct line line = {.line = 1};

		snprintf(text, sizeof(text), "f%u", (i + file) % FUNCTIONS);
		assert_int_equal(profile__string(p, text, &f.name), 0);
		assert_int_equal(profile__function(p, &f, &line.function), 0);
		assert_int_equal(profile__location(p, 0, 0, false, &line, 1, &locations[i]), 0);
	}
	for (uint32_t i = 0; i < 4; i++) {
		struct label l = {.num = i + 1};

		assert_int_equal(profile__string(p, "pid", &l.key), 0);
		assert_int_equal(profile__string(p, "id", &l.num_unit), 0);
		assert_int_equal(profile__labels(p, &l, 1, &labels[i]), 0);
	}
	for (uint32_t i = 0; i < STACKS; i++) {
		uint32_t leaf_first[DEPTH], keep = depth ? next_random(&x) % depth : 0;

		for (depth = keep; depth < keep + 1 + next_random(&x) % 6 && depth < DEPTH; depth++)
			stack[depth] = locations[next_random(&x) % FUNCTIONS];
		for (uint32_t k = 0; k < depth; k++)
			leaf_first[k] = stack[depth - 1 - k];
		assert_int_equal(profile__stack(p, leaf_first, depth, &id), 0);
		assert_int_equal(profile__add(p, id, labels[next_random(&x) % 4], (int64_t[]){1, 10 + i % 7}),
				 0);
	}
	assert_int_equal(profile__seal(p), 0);
	return p;
}

static int read_file(void *ctx, const struct store_name *name, struct buf *to)
{
	struct world *w = ctx;

	__atomic_add_fetch(&w->n_reads, 1, __ATOMIC_RELAXED);
	if (name->start_s == GONE)
		return -ENOENT;
	buf__append(to, w->bytes[name->start_s].data, w->bytes[name->start_s].len);
	return buf__err(to);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	const struct pprof_opts opts = {.compression = COMPRESSION_ZSTD};

	for (uint32_t i = 0; i < FILES; i++) {
		struct profile *p = make(i);

		w->files[i].name = (struct store_name){.event = "cpu", .start_s = i};
		buf__init(&w->bytes[i], LIMIT);
		assert_int_equal(pprof__encode(p, &opts, &w->bytes[i]), 0);
		profile__free(p);
	}
	memset((char *)w->bytes[DAMAGED].data + 100, 0x5a, 50);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	for (uint32_t i = 0; i < FILES; i++)
		buf__done(&w->bytes[i]);
	free(w);
	return 0;
}

static struct feed *feed_of(struct world *w, uint32_t n, uint32_t fold_shift)
{
	const struct feed_opts opts = {.files = w->files,
				       .n = n,
				       .read = read_file,
				       .ctx = w,
				       .file_bytes = LIMIT,
				       .limit_bytes = LIMIT,
				       .fold_shift = fold_shift};
	struct feed *f;

	assert_int_equal(feed__new(&opts, &f), 0);
	return f;
}

static void files_come_in_their_order_and_each_with_its_error(void **state)
{
	struct world *w = *state;
	struct feed *f = feed_of(w, FILES, 0);
	const struct store_file *file;
	struct profile *p;
	struct err err;

	for (uint32_t i = 0; i < FILES; i++) {
		p = NULL;
		err.text[0] = '\0';
		assert_int_equal(feed__next(f, &file, &p, &err), i == DAMAGED ? -EBADMSG
								 : i == GONE  ? -ENOENT
									      : 0);
		assert_ptr_equal(file, &w->files[i]);
		assert_true((i == DAMAGED || i == GONE) == (p == NULL) && !p == (err.text[0] != '\0'));
		profile__free(p);
	}
	assert_int_equal(feed__next(f, &file, &p, &err), -ENODATA);
	assert_int_equal(w->n_reads, FILES);
	feed__free(f);
}

static void encode_and_free(struct profile *p, struct buf *to)
{
	assert_int_equal(profile__seal(p), 0);
	buf__init(to, LIMIT);
	assert_int_equal(pprof__encode(p, NULL, to), 0);
	profile__free(p);
}

/* The sum of what the feed hands out; each part is finished. */
static struct profile *sum_of_feed(struct world *w, uint32_t fold_shift)
{
	struct feed *f = feed_of(w, FILES, fold_shift);
	struct profile *sum = profile__new(&(struct profile_opts){.adds_late = true}), *p;
	const struct store_file *file;
	int code;

	while ((code = feed__next(f, &file, &p, NULL)) != -ENODATA) {
		if (code)
			continue;
		assert_true(profile__sealed(p));
		assert_int_equal(profile__merge(sum, p), 0);
		profile__free(p);
	}
	feed__free(f);
	return sum;
}

/* The slow way: one file after the other, samples and stacks found one by one. */
static void the_sum_is_that_of_the_slow_way_to_the_byte(void **state)
{
	struct world *w = *state;
	struct profile *quick = sum_of_feed(w, 0), *slow = profile__new(NULL), *p;
	struct buf x, y;

	for (uint32_t i = 0; i < FILES; i++) {
		if (i == GONE || pprof__decode(w->bytes[i].data, w->bytes[i].len, NULL, &p, NULL))
			continue;
		assert_int_equal(profile__merge(slow, p), 0);
		profile__free(p);
	}
	encode_and_free(quick, &x);
	encode_and_free(slow, &y);
	assert_int_equal(x.len, y.len);
	assert_memory_equal(x.data, y.data, x.len);
	buf__done(&x);
	buf__done(&y);
}

/* Of all samples under each label, of one file. */
struct totals {
	int64_t of_label[8], of_type[2];
	uint32_t n_samples;
};

static struct totals totals_of(const struct profile *p)
{
	struct totals t = {.n_samples = profile__n_samples(p)};

	for (uint32_t i = 0; i < t.n_samples; i++) {
		const struct sample *s = profile__get_sample(p, i);

		t.of_label[profile__find_label(p, s->labels, "pid")->num] += s->values[1];
		for (int v = 0; v < 2; v++)
			t.of_type[v] += s->values[v];
	}
	return t;
}

/* Whichever thread folds a part, the sum is the same; and nothing of any value is lost on the way. */
static void parts_that_come_folded_have_the_same_sums(void **state)
{
	struct world *w = *state;
	struct profile *quick = sum_of_feed(w, SHIFT),
		       *slow = profile__new(&(struct profile_opts){.adds_late = true}), *p, *small;
	struct buf x, y;

	for (uint32_t i = 0; i < FILES; i++) {
		struct totals whole, folded;

		if (i == GONE || pprof__decode(w->bytes[i].data, w->bytes[i].len, NULL, &p, NULL))
			continue;
		assert_int_equal(profile__folded(p, SHIFT, &small), 0);
		assert_non_null(small);
		whole = totals_of(p);
		folded = totals_of(small);
		assert_true(folded.n_samples < whole.n_samples / 2);
		assert_memory_equal(folded.of_label, whole.of_label, sizeof(whole.of_label));
		assert_memory_equal(folded.of_type, whole.of_type, sizeof(whole.of_type));
		assert_int_equal(profile__merge(slow, small), 0);
		profile__free(small);
		profile__free(p);
	}
	encode_and_free(quick, &x);
	encode_and_free(slow, &y);
	assert_int_equal(x.len, y.len);
	assert_memory_equal(x.data, y.data, x.len);
	buf__done(&x);
	buf__done(&y);
}

static void what_is_decoded_is_what_was_encoded_however_callers_are_shared(void **state)
{
	struct world *w = *state;
	struct profile *p = make(3), *q;
	char *x, *y;

	assert_int_equal(pprof__decode(w->bytes[3].data, w->bytes[3].len, NULL, &q, NULL), 0);
	x = profile_text(p);
	y = profile_text(q);
	assert_true(!strcmp(x, y)); /* too long to be printed */
	free(x);
	free(y);
	profile__free(p);
	profile__free(q);
}

static void it_ends_in_the_middle_with_nothing_left_behind(void **state)
{
	const struct store_file *file;

	for (uint32_t n_taken = 0; n_taken < 4; n_taken++) {
		struct feed *f = feed_of(*state, FILES, 0);
		struct profile *p;

		for (uint32_t i = 0; i < n_taken; i++) {
			assert_int_equal(feed__next(f, &file, &p, NULL), 0);
			profile__free(p);
		}
		feed__free(f);
	}
	feed__free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(files_come_in_their_order_and_each_with_its_error, setup,
						teardown),
		cmocka_unit_test_setup_teardown(the_sum_is_that_of_the_slow_way_to_the_byte, setup, teardown),
		cmocka_unit_test_setup_teardown(parts_that_come_folded_have_the_same_sums, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_is_decoded_is_what_was_encoded_however_callers_are_shared, setup, teardown),
		cmocka_unit_test_setup_teardown(it_ends_in_the_middle_with_nothing_left_behind, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
