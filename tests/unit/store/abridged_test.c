// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/store/window.h"
#include "user/store/abridged.h"

#define LIMIT ((size_t)16 << 20)

/* One tick at an address of `function`, called from line 10 + address of "caller", by a thread of process `pid`. */
struct tick {
	const char *function;
	uint64_t address;
	int64_t pid, tid;
	int64_t value;
};

static uint32_t location_of(struct profile *p, const char *name, uint64_t address)
{
	struct function f = {0};
	struct line l = {.line = (int64_t)(10 + address)};
	uint32_t id;

	assert_int_equal(profile__string(p, name, &f.name), 0);
	assert_int_equal(profile__string(p, "_Zname", &f.system_name), 0);
	assert_int_equal(profile__function(p, &f, &l.function), 0);
	assert_int_equal(profile__location(p, 0, address, false, &l, 1, &id), 0);
	return id;
}

static uint32_t labels_of(struct profile *p, const struct tick *t)
{
	struct label labels[] = {{.num = t->pid}, {.num = t->tid}, {0}};
	uint32_t id;

	assert_int_equal(profile__string(p, "pid", &labels[0].key), 0);
	assert_int_equal(profile__string(p, "tid", &labels[1].key), 0);
	assert_int_equal(profile__string(p, "comm", &labels[2].key), 0);
	assert_int_equal(profile__string(p, "worker", &labels[2].str), 0);
	assert_int_equal(profile__labels(p, labels, 3, &id), 0);
	return id;
}

static void add_part(struct abridged *a, const struct tick *ticks, size_t n)
{
	struct profile *p = profile__new(NULL);
	struct err err = {""};
	struct buf b;

	assert_int_equal(profile__add_type(p, "cpu", "nanoseconds"), 0);
	for (size_t i = 0; i < n; i++) {
		uint32_t stack, locations[] = {location_of(p, ticks[i].function, ticks[i].address),
					       location_of(p, "caller", ticks[i].address)};

		assert_int_equal(profile__stack(p, locations, 2, &stack), 0);
		assert_int_equal(profile__add(p, stack, labels_of(p, &ticks[i]), &ticks[i].value), 0);
	}
	assert_int_equal(profile__seal(p), 0);
	buf__init(&b, LIMIT);
	assert_int_equal(pprof__encode(p, NULL, &b), 0);
	if (abridged__add(a, &b, &err))
		fail_msg("%s", err.text);
	buf__done(&b);
	profile__free(p);
}

/* The value of rows of that function and process (0: without one), and how many there are. */
static int64_t value_of(const struct profile *p, const char *function, int64_t pid, uint32_t *ret_n)
{
	int64_t sum = 0;

	*ret_n = 0;
	for (uint32_t i = 0; i < profile__n_samples(p); i++) {
		const struct sample *s = profile__get_sample(p, i);
		const struct label *l = profile__find_label(p, s->labels, "pid");
		const struct location *at;
		uint32_t location, parent;

		profile__get_stack_node(p, s->stack, &location, &parent);
		at = profile__get_location(p, location);
		assert_int_equal(at->address, 0);
		assert_int_equal(profile__lines(p, at)->line, 0);
		assert_int_equal(profile__get_function(p, profile__lines(p, at)->function)->system_name, 0);
		assert_non_null(profile__find_label(p, s->labels, "comm"));
		/* the thread goes with its process */
		assert_int_equal(!l, !profile__find_label(p, s->labels, "tid"));
		if (strcmp(profile__str(p, profile__get_function(p, profile__lines(p, at)->function)->name),
			   function) ||
		    (l ? l->num : 0) != pid)
			continue;
		sum += s->values[0];
		++*ret_n;
	}
	return sum;
}

static void rows_are_by_function_and_passing_processes_have_no_id(void **state)
{
	struct abridged a;
	struct profile *p;
	uint32_t n;

	(void)state;
	abridged__init(&a, LIMIT);
	add_part(&a, (struct tick[]){{"work", 1, 7, 7, 10}, {"work", 2, 7, 7, 20}, {"work", 3, 8, 8, 1}}, 3);
	add_part(&a, (struct tick[]){{"work", 1, 9, 9, 2}, {"work", 4, 9, 91, 4}, {"rest", 1, 9, 9, 8}}, 3);
	add_part(&a, (struct tick[]){{"work", 5, 7, 7, 40}, {"rest", 1, 7, 71, 80}}, 2);
	assert_int_equal(abridged__take(&a, &p), 0);
	assert_int_equal(value_of(p, "work", 7, &n), 70);
	assert_int_equal(n, 1);
	assert_int_equal(value_of(p, "rest", 7, &n), 80);
	/* 8 was in the first part only, 9 in the second */
	assert_int_equal(value_of(p, "work", 0, &n), 7);
	assert_int_equal(n, 1);
	assert_int_equal(value_of(p, "rest", 0, &n), 8);
	assert_int_equal(value_of(p, "work", 8, &n), 0);
	assert_int_equal(value_of(p, "work", 9, &n), 0);
	profile__free(p);
	abridged__done(&a);
}

static void the_ids_of_the_only_part_stay(void **state)
{
	struct abridged a;
	struct profile *p;
	uint32_t n;

	(void)state;
	abridged__init(&a, LIMIT);
	add_part(&a, (struct tick[]){{"work", 1, 8, 8, 3}, {"work", 2, 8, 8, 4}}, 2);
	assert_int_equal(abridged__take(&a, &p), 0);
	assert_int_equal(value_of(p, "work", 8, &n), 7);
	assert_int_equal(n, 1);
	profile__free(p);
	/* it can be used again, and remembers nothing */
	assert_int_equal(abridged__take(&a, &p), -ENODATA);
	abridged__done(&a);
	add_part(&a, (struct tick[]){{"work", 1, 8, 8, 5}}, 1);
	add_part(&a, (struct tick[]){{"work", 1, 9, 9, 6}}, 1);
	assert_int_equal(abridged__take(&a, &p), 0);
	assert_int_equal(value_of(p, "work", 0, &n), 11);
	profile__free(p);
	abridged__done(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_by_function_and_passing_processes_have_no_id),
		cmocka_unit_test(the_ids_of_the_only_part_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
