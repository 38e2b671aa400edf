/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/pipeline/window.h"

#include "user/pipeline/history.h"

/* A closed window of one second that ends at SECOND(end) and takes n rows. */
static struct window *window_ending(uint32_t end, uint32_t n)
{
	const struct window_opts opts = {.from_ns = SECOND(end - 1), .limit_bytes = MANY_BYTES};
	struct window *w = NULL;

	assert_int_equal(window__new(&opts, &w), 0);
	assert_int_equal(window__begin_slice(w, SECOND(end - 1)), 0);
	for (uint32_t i = 0; i < n; i++)
		add_sample(w, SAMPLE(w, 7, frame_of_object(1, 16ull * i)));
	window__end_slice(w, SECOND(end), &nothing_lost);
	window__close(w, SECOND(end));
	return w;
}

static struct history *new_history(uint64_t age_ns, size_t limit_bytes)
{
	struct history *h = malloc(sizeof(*h));

	assert_non_null(h);
	history__init(h, age_ns, limit_bytes);
	return h;
}

static void windows_come_back_oldest_first(void **state)
{
	struct history *h = new_history(SECOND(100), MANY_BYTES);

	(void)state;
	assert_null(history__get(h, 0));
	for (uint32_t end = 2; end < 5; end++)
		history__add(h, window_ending(end, 1));
	assert_int_equal(h->n, 3);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(history__get(h, i)->to_ns, SECOND(2 + i));
	assert_null(history__get(h, 3));
	history__done(h);
	assert_int_equal(h->bytes, 0);
	free(h);
}

static void windows_go_when_they_are_old(void **state)
{
	struct history *h = new_history(SECOND(10), MANY_BYTES);

	(void)state;
	history__add(h, window_ending(2, 1));
	history__add(h, window_ending(3, 1));
	history__trim(h, SECOND(12)); /* 10 s after the end of the first: not older yet */
	assert_int_equal(h->n, 2);
	history__trim(h, SECOND(12) + 1);
	assert_int_equal(h->n, 1);
	assert_int_equal(history__get(h, 0)->to_ns, SECOND(3));
	history__add(h, window_ending(20, 1)); /* a new one drops the old by itself */
	assert_int_equal(h->n, 1);
	assert_int_equal(history__get(h, 0)->to_ns, SECOND(20));
	assert_int_equal(h->n_evicted, 0); /* age is no want of room */
	history__done(h);
	free(h);
}

static void windows_go_when_their_bytes_are_too_many_and_that_is_counted(void **state)
{
	struct window *first = window_ending(2, 500);
	size_t one = window__bytes(first);
	struct history *h = new_history(SECOND(100), 3 * one);

	(void)state;
	history__add(h, first);
	for (uint32_t end = 12; end < 52; end += 10)
		history__add(h, window_ending(end, 500));
	assert_int_equal(h->n, 3);
	assert_int_equal(h->n_evicted, 2);
	assert_int_equal(h->bytes, 3 * one);
	assert_int_equal(history__get(h, 0)->to_ns, SECOND(22));
	h->limit_bytes = one; /* as a reload may do */
	history__trim(h, SECOND(52));
	assert_int_equal(h->n, 1);
	assert_int_equal(history__get(h, 0)->to_ns, SECOND(42));
	history__done(h);
	free(h);
}

/* Windows of all events end at one moment, and who asks for more than one of them looks a little later. */
static void windows_over_the_limit_stay_until_who_asks_has_taken_them(void **state)
{
	struct history *h = new_history(SECOND(100), 1000);

	(void)state;
	history__add(h, window_ending(2, 500));
	history__add(h, window_ending(2, 500));
	assert_int_equal(h->n, 2);
	history__trim(h, SECOND(2) + HISTORY_TAKEN_NS);
	assert_int_equal(h->n, 2);
	history__trim(h, SECOND(2) + HISTORY_TAKEN_NS + 1);
	assert_int_equal(h->n, 0);
	assert_int_equal(h->bytes, 0);
	assert_int_equal(h->n_evicted, 2);
	history__done(h);
	free(h);
}

static void full_ring_drops_the_oldest(void **state)
{
	struct history *h = new_history(UINT64_MAX / 2, MANY_BYTES);

	(void)state;
	for (uint32_t end = 2; end < 2 + HISTORY_WINDOWS_MAX + 3; end++)
		history__add(h, window_ending(end, 0));
	assert_int_equal(h->n, HISTORY_WINDOWS_MAX);
	assert_int_equal(h->n_evicted, 3);
	assert_int_equal(history__get(h, 0)->to_ns, SECOND(5));
	assert_int_equal(history__get(h, HISTORY_WINDOWS_MAX - 1)->to_ns, SECOND(HISTORY_WINDOWS_MAX + 4));
	history__done(h);
	free(h);
}

static void window_lives_on_with_whoever_took_a_reference(void **state)
{
	struct history *h = new_history(SECOND(1), MANY_BYTES);
	struct window *w = window_ending(2, 1);

	(void)state;
	history__add(h, window__ref(w));
	history__trim(h, SECOND(50));
	assert_int_equal(h->n, 0);
	assert_int_equal(w->n_refs, 1);
	assert_int_equal(w->n_rows, 1);
	window__unref(w);
	history__done(h);
	free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(windows_come_back_oldest_first),
		cmocka_unit_test(windows_go_when_they_are_old),
		cmocka_unit_test(windows_go_when_their_bytes_are_too_many_and_that_is_counted),
		cmocka_unit_test(windows_over_the_limit_stay_until_who_asks_has_taken_them),
		cmocka_unit_test(full_ring_drops_the_oldest),
		cmocka_unit_test(window_lives_on_with_whoever_took_a_reference),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
