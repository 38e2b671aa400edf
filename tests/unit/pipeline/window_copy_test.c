/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/pipeline/window.h"

#include "bpf/frame.h"
#include "user/pipeline/window_copy.h"

/* What readers of windows look at is the same in both. */
static void assert_same(const struct window *a, const struct window *b)
{
	assert_int_equal(a->from_ns, b->from_ns);
	assert_int_equal(a->to_ns, b->to_ns);
	assert_int_equal(a->real_ns, b->real_ns);
	assert_int_equal(a->period_ns, b->period_ns);
	assert_int_equal(a->samples, b->samples);
	assert_int_equal(a->n_rows, b->n_rows);
	assert_int_equal(a->n_slices, b->n_slices);
	assert_memory_equal(a->slices, b->slices, a->n_slices * sizeof(*a->slices));
	assert_memory_equal(a->entries, b->entries, a->n_entries * sizeof(*a->entries));
	assert_memory_equal(a->frames, b->frames, a->n_frames * sizeof(*a->frames));
	assert_memory_equal(&a->lost, &b->lost, sizeof(a->lost));
	assert_memory_equal(a->ends, b->ends, sizeof(a->ends));
	for (uint32_t i = 0; i < a->n_rows; i++) {
		assert_memory_equal(&a->rows[i], &b->rows[i], sizeof(a->rows[i]));
		assert_string_equal(window__str(a, a->rows[i].comm), window__str(b, b->rows[i].comm));
		assert_string_equal(window__str(a, a->processes[a->rows[i].process].name),
				    window__str(b, b->processes[b->rows[i].process].name));
	}
	assert_int_equal(stack_table__count(&a->stacks), stack_table__count(&b->stacks));
	assert_memory_equal(a->stacks.nodes, b->stacks.nodes, a->stacks.n * sizeof(*a->stacks.nodes));
}

static void a_copy_is_what_the_window_was_and_stays_so(void **state)
{
	struct window *w = begun_window(), *copy, *again;

	(void)state;
	for (uint32_t i = 0; i < 200; i++)
		add_sample(w, SAMPLE(w, 7 + i % 5, frame_of_object(1, 16ull * i), frame_of_object(2, 32)));
	next_slice(w);
	add_sample(w, SAMPLE(w, 9, frame_of_object(3, 64)));
	assert_int_equal(window__copy(w, &copy), 0);
	assert_true(copy->closed);
	assert_false(w->closed);
	assert_same(w, copy);
	/* the window goes on, the copy does not */
	assert_int_equal(window__copy(w, &again), 0);
	for (uint32_t i = 0; i < 500; i++)
		add_sample(w, SAMPLE(w, 100 + i, frame_of_object(4, 16ull * i)));
	end_window(w);
	window__unref(w);
	assert_int_equal(copy->samples, 201);
	assert_same(again, copy);
	window__unref(copy);
	window__unref(again);
}

static void an_empty_window_can_be_copied(void **state)
{
	struct window *w = begun_window(), *copy;

	(void)state;
	assert_int_equal(window__copy(w, &copy), 0);
	assert_int_equal(copy->samples, 0);
	window__unref(copy);
	window__unref(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_copy_is_what_the_window_was_and_stays_so),
		cmocka_unit_test(an_empty_window_can_be_copied),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
