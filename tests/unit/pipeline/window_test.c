/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/pipeline/window.h"

#include "user/base/intern.h"

#define A frame_of_object(1, 0x1000)
#define B frame_of_object(1, 0x2000)
#define C frame_of_object(2, 0x1000)

static uint64_t value_in(const struct window *w, uint32_t slice, uint32_t row)
{
	const struct window_slice *s = &w->slices[slice];
	uint64_t value = 0;

	for (uint32_t i = s->first_entry; i < s->first_entry + s->n_entries; i++)
		value += w->entries[i].row == row ? w->entries[i].value : 0;
	return value;
}

static void equal_samples_of_a_slice_are_one_entry(void **state)
{
	struct window *w = begun_window();

	(void)state;
	add_sample(w, SAMPLE(w, 7, A, B));
	add_sample(w, SAMPLE(w, 7, A, B));
	add_sample(w, SAMPLE(w, 7, B));
	end_window(w);
	assert_int_equal(w->n_rows, 2);
	assert_int_equal(w->n_entries, 2);
	assert_int_equal(w->entries[0].count, 2);
	assert_int_equal(w->entries[0].value, 2 * PERIOD_NS);
	assert_int_equal(w->entries[1].count, 1);
	assert_int_equal(w->samples, 3);
	window__unref(w);
}

static void slices_share_rows_but_not_entries(void **state)
{
	struct window *w = begun_window();

	(void)state;
	add_sample(w, SAMPLE(w, 7, A));
	next_slice(w);
	next_slice(w); /* nothing ran */
	add_sample(w, SAMPLE(w, 7, A));
	add_sample(w, SAMPLE(w, 7, A));
	end_window(w);
	assert_int_equal(w->n_rows, 1);
	assert_int_equal(w->n_slices, 3);
	assert_int_equal(value_in(w, 0, 0), PERIOD_NS);
	assert_int_equal(w->slices[1].n_entries, 0);
	assert_int_equal(value_in(w, 2, 0), 2 * PERIOD_NS);
	assert_int_equal(w->slices[2].from_ns, SECOND(3));
	assert_int_equal(w->slices[2].to_ns, SECOND(4));
	assert_int_equal(w->to_ns, SECOND(4));
	window__unref(w);
}

static void rows_differ_by_thread_name_and_process(void **state)
{
	struct window *w = begun_window();
	struct window_sample s = SAMPLE(w, 7, A);

	(void)state;
	add_sample(w, s);
	s.tid = 8;
	add_sample(w, s);
	s.comm = "renamed";
	add_sample(w, s);
	add_sample(w, SAMPLE(w, 9, A));
	assert_int_equal(w->n_rows, 4);
	assert_int_equal(w->n_frames, 1);
	assert_int_equal(stack_table__count(&w->stacks), 1);
	assert_string_equal(window__str(w, w->rows[2].comm), "renamed");
	assert_int_equal(w->rows[2].tid, 8);
	assert_int_equal(w->processes[w->rows[3].process].key.tgid, 9);
	window__unref(w);
}

static void stacks_are_kept_leaf_first_and_share_their_roots(void **state)
{
	uint32_t items[8], depth;
	struct window *w = begun_window();

	(void)state;
	add_sample(w, SAMPLE(w, 7, A, B, C));
	add_sample(w, SAMPLE(w, 7, B, C));
	depth = stack_table__get(&w->stacks, w->rows[0].stack, items, 8);
	assert_int_equal(depth, 3);
	assert_int_equal(w->frames[items[0]].word, A);
	assert_int_equal(w->frames[items[1]].word, B);
	assert_int_equal(w->frames[items[2]].word, C);
	assert_int_equal(stack_table__count(&w->stacks), 3);
	assert_int_equal(stack_table__node(&w->stacks, w->rows[0].stack)->parent, w->rows[1].stack);
	window__unref(w);
}

/* A stack of up to 90 frames, the outer ones shared with the others of its kind; raw frames among them, which are each process's own. */
static uint32_t mixed_stack(uint32_t seed, uint64_t words[90])
{
	uint32_t n = seed * 7 % 90, common = seed * 13 % 91;

	for (uint32_t i = 0; i < n; i++) {
		uint64_t at = i < common ? i : seed * 1000 + i;

		words[n - 1 - i] = i % 5 == 4 ? frame_of_raw(0x7000 + at) : frame_of_object(1, at);
	}
	return n;
}

static void a_stack_is_the_same_whichever_came_before_it(void **state)
{
	enum { N = 2000, PROCESSES = 70 };
	struct window *w = begun_window();
	uint64_t words[90];
	uint32_t items[90], rows[N];

	(void)state;
	for (uint32_t i = 0; i < N; i++) {
		struct window_sample s = SAMPLE(w, 100 + (i / 4) * (i / 3) % PROCESSES, A);

		s.words = words;
		s.n_words = mixed_stack(i, words);
		assert_int_equal(window__add(w, &s, NULL, NULL), 0);
		rows[i] = s.row;
	}
	for (uint32_t i = 0; i < N; i++) {
		const struct window_row *row = &w->rows[rows[i]];
		uint32_t n = mixed_stack(i, words);

		assert_int_equal(w->processes[row->process].key.tgid, 100 + (i / 4) * (i / 3) % PROCESSES);
		assert_int_equal(stack_table__get(&w->stacks, row->stack, items, 90), n);
		for (uint32_t j = 0; j < n; j++) {
			const struct window_frame *f = &w->frames[items[j]];

			assert_int_equal(f->word, words[j]);
			assert_int_equal(f->process, FRAME_KIND(words[j]) == FRAME_RAW ? row->process : 0);
		}
	}
	window__unref(w);
}

static void sample_without_frames_has_the_empty_stack(void **state)
{
	struct window *w = begun_window();
	struct window_sample s = SAMPLE(w, 7, A);

	(void)state;
	s.words = NULL;
	s.n_words = 0;
	add_sample(w, s);
	assert_int_equal(w->rows[0].stack, 0);
	assert_int_equal(w->entries[0].count, 1);
	window__unref(w);
}

static const char *name_of(void *ctx, const struct task_key *key, uint64_t addr)
{
	++*(uint32_t *)ctx;
	return key->tgid == 7 && addr == 0x5000 ? "jitted" : NULL;
}

static void code_in_no_file_is_named_once_for_each_process(void **state)
{
	struct window *w = begun_window();
	const uint64_t jit = frame_of_raw(0x5000);
	struct window_sample here = SAMPLE(w, 7, jit, A), there = SAMPLE(w, 9, jit, A);
	uint32_t n_asked = 0;

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(window__add(w, &here, name_of, &n_asked), 0);
		assert_int_equal(window__add(w, &there, name_of, &n_asked), 0);
	}
	/* the file's frame is one, the same address of two processes is not */
	assert_int_equal(n_asked, 2);
	assert_int_equal(w->n_frames, 3);
	for (uint32_t i = 0; i < w->n_frames; i++) {
		const struct window_frame *f = &w->frames[i];
		bool is_here = f->word == jit && w->processes[f->process].key.tgid == 7;

		assert_string_equal(window__str(w, f->name), is_here ? "jitted" : "");
	}
	window__unref(w);
}

static void process_is_found_by_its_incarnation(void **state)
{
	struct window *w = begun_window();
	const char *const labels[WL_MAX] = {
		[WL_NAME] = "sh", [WL_EXE] = "/bin/sh", [WL_UNIT] = "", [WL_POD] = "p-1"};
	struct task_key key = key_of(7), other = key;
	uint32_t index, found;

	(void)state;
	assert_int_equal(window__find_process(w, &key, &found), -ENOENT);
	assert_int_equal(window__add_process(w, &key, labels, &index), 0);
	assert_int_equal(window__find_process(w, &key, &found), 0);
	assert_int_equal(found, index);
	other.exec_id++;
	assert_int_equal(window__find_process(w, &other, &found), -ENOENT);
	other = key;
	other.start_ns++;
	assert_int_equal(window__find_process(w, &other, &found), -ENOENT);
	assert_string_equal(window__str(w, w->processes[index].name), "sh");
	assert_string_equal(window__str(w, w->processes[index].exe), "/bin/sh");
	assert_string_equal(window__str(w, w->processes[index].pod), "p-1");
	assert_int_equal(w->processes[index].unit, 0);
	assert_int_equal(w->processes[index].cgroup, 0);
	window__unref(w);
}

static void ways_that_walks_ended_are_counted_in_samples(void **state)
{
	struct window *w = begun_window();
	struct window_sample s = SAMPLE(w, 7, A);

	(void)state;
	s.end = END_NO_ROWS;
	s.count = 3;
	add_sample(w, s);
	s.end = END_END_MARK;
	add_sample(w, s);
	s.end = 200; /* of a kernel side that knows more than we do */
	add_sample(w, s);
	assert_int_equal(w->ends[END_NO_ROWS], 3);
	assert_int_equal(w->ends[END_END_MARK], 3);
	assert_int_equal(w->samples, 9);
	window__unref(w);
}

static void losses_of_all_slices_add_up(void **state)
{
	struct losses lost = {};
	struct window *w = begun_window();

	(void)state;
	lost.n[LOSS_COUNT_FULL] = 5;
	window__end_slice(w, SECOND(2), &lost);
	assert_int_equal(window__begin_slice(w, SECOND(2)), 0);
	lost.n[LOSS_SIDEBAND] = 2;
	window__end_slice(w, SECOND(3), &lost);
	assert_int_equal(w->lost.n[LOSS_COUNT_FULL], 10);
	assert_int_equal(w->lost.n[LOSS_SIDEBAND], 2);
	assert_int_equal(w->lost.n[LOSS_HISTORY_FULL], 0);
	window__unref(w);
}

/* Adds rows with new stacks until the window refuses one; how many it took. */
static uint32_t fill(struct window *w)
{
	uint32_t n = 0;

	for (;; n++) {
		struct window_sample s =
			SAMPLE(w, 7, frame_of_object(3, 16ull * n), frame_of_object(4, 16ull * n));
		char comm[24];
		int err;

		snprintf(comm, sizeof(comm), "thread-%u", n);
		s.comm = comm;
		s.count = 2;
		err = window__add(w, &s, NULL, NULL);
		if (err) {
			assert_int_equal(err, -E2BIG);
			return n;
		}
	}
}

static void full_window_counts_what_it_refuses_and_stays_below_its_limit(void **state)
{
	const size_t limits[] = {64 << 10, 256 << 10, 1 << 20, 3000000};

	(void)state;
	for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
		struct window *w = new_window(limits[i]);
		uint32_t n;

		assert_int_equal(window__begin_slice(w, SECOND(1)), 0);
		n = fill(w);
		assert_true(n > limits[i] / 2000); /* it was used, too */
		assert_int_equal(w->samples, 2 * n);
		assert_int_equal(w->lost.n[LOSS_HISTORY_FULL], 2);
		assert_in_range(window__bytes(w), limits[i] / 4, limits[i]);
		assert_int_equal(w->n_entries, n);
		window__unref(w);
	}
}

static void full_window_still_counts_rows_that_it_has(void **state)
{
	struct window *w = new_window(256 << 10);
	uint64_t samples;

	(void)state;
	assert_int_equal(window__begin_slice(w, SECOND(1)), 0);
	add_sample(w, SAMPLE(w, 7, A, B));
	fill(w);
	samples = w->samples;
	add_sample(w, SAMPLE(w, 7, A, B));
	assert_int_equal(w->samples, samples + 1);
	assert_int_equal(w->entries[0].count, 2);
	window__unref(w);
}

static void closed_window_keeps_what_it_has_and_gives_back_the_rest(void **state)
{
	struct window *w = begun_window();
	uint32_t items[2];
	size_t bytes;

	(void)state;
	for (uint32_t i = 0; i < 1000; i++)
		add_sample(w, SAMPLE(w, 7, frame_of_object(3, 16 * i), A));
	bytes = window__bytes(w);
	end_window(w);
	assert_true(w->closed);
	assert_true(window__bytes(w) < bytes);
	assert_int_equal(w->n_rows, 1000);
	assert_int_equal(stack_table__get(&w->stacks, w->rows[999].stack, items, 2), 2);
	assert_int_equal(w->frames[items[0]].word, frame_of_object(3, 16 * 999));
	assert_int_equal(w->entries[999].count, 1);
	assert_string_equal(window__str(w, w->rows[999].comm), "t");
	window__unref(w);
}

static void reference_keeps_a_window(void **state)
{
	struct window *w = begun_window(), *kept = window__ref(w);

	(void)state;
	add_sample(w, SAMPLE(w, 7, A));
	end_window(w);
	window__unref(w);
	assert_ptr_equal(kept, w);
	assert_int_equal(kept->n_rows, 1);
	assert_string_equal(window__str(kept, kept->rows[0].comm), "t");
	window__unref(kept);
	window__unref(NULL);
}

static void each_frame_has_an_owner_that_ran_it(void **state)
{
	struct window *w = begun_window();
	uint32_t owners[3] = {};

	(void)state;
	process_of(w, 5); /* runs nothing */
	add_sample(w, SAMPLE(w, 7, A, B));
	add_sample(w, SAMPLE(w, 9, C, B));
	end_window(w);
	assert_int_equal(window__frame_owners(w, owners), 0);
	for (uint32_t i = 0; i < w->n_frames; i++) {
		uint32_t tgid = w->processes[owners[i] - 1].key.tgid;

		assert_int_equal(tgid, w->frames[i].word == C ? 9 : 7);
	}
	window__unref(w);
}

static void what_an_entry_cannot_count_is_lost(void **state)
{
	struct window *w = begun_window();

	(void)state;
	add_sample(w, SAMPLE(w, 7, A));
	assert_int_equal(window__add_more(w, 0, UINT32_MAX - 3, 5000000000), 0);
	assert_int_equal(w->lost.n[LOSS_HISTORY_FULL], 0);
	assert_int_equal(window__add_more(w, 0, 10, 1), 0);
	end_window(w);
	assert_int_equal(w->entries[0].count, UINT32_MAX);
	assert_int_equal(w->entries[0].value, PERIOD_NS + 5000000001);
	assert_int_equal(w->lost.n[LOSS_HISTORY_FULL], 8);
	window__set_count(w, &w->entries[0], 1ull << 40);
	assert_int_equal(w->entries[0].count, UINT32_MAX);
	assert_int_equal(w->lost.n[LOSS_HISTORY_FULL], 8 + (1ull << 40) - UINT32_MAX);
	window__unref(w);
}

static void notes_are_lines_and_told_once(void **state)
{
	struct window *w = begun_window();
	char text[64];

	(void)state;
	assert_int_equal(window__note(w, "process 70 is odd"), 0);
	assert_int_equal(window__note(w, "process 7 is odd"), 0);
	assert_int_equal(window__note(w, "process 70 is odd"), 0);
	assert_int_equal(window__note(w, "process 7 is"), 0);
	assert_string_equal(window__str(w, w->note), "process 70 is odd\nprocess 7 is odd\nprocess 7 is");
	for (int i = 0; i < 1000; i++) {
		snprintf(text, sizeof(text), "process %d is even", i);
		assert_int_equal(window__note(w, text), 0);
	}
	assert_in_range(strlen(window__str(w, w->note)), 4096 - 64, 4096 + 64);
	assert_string_equal(strrchr(window__str(w, w->note), '\n'), "\nand more of the kind");
	window__unref(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_samples_of_a_slice_are_one_entry),
		cmocka_unit_test(slices_share_rows_but_not_entries),
		cmocka_unit_test(rows_differ_by_thread_name_and_process),
		cmocka_unit_test(stacks_are_kept_leaf_first_and_share_their_roots),
		cmocka_unit_test(a_stack_is_the_same_whichever_came_before_it),
		cmocka_unit_test(sample_without_frames_has_the_empty_stack),
		cmocka_unit_test(code_in_no_file_is_named_once_for_each_process),
		cmocka_unit_test(process_is_found_by_its_incarnation),
		cmocka_unit_test(ways_that_walks_ended_are_counted_in_samples),
		cmocka_unit_test(losses_of_all_slices_add_up),
		cmocka_unit_test(full_window_counts_what_it_refuses_and_stays_below_its_limit),
		cmocka_unit_test(full_window_still_counts_rows_that_it_has),
		cmocka_unit_test(closed_window_keeps_what_it_has_and_gives_back_the_rest),
		cmocka_unit_test(reference_keeps_a_window),
		cmocka_unit_test(each_frame_has_an_owner_that_ran_it),
		cmocka_unit_test(what_an_entry_cannot_count_is_lost),
		cmocka_unit_test(notes_are_lines_and_told_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
