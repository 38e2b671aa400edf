/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/pipeline/known_library.h"

#include <sys/utsname.h>

#define A frame_of_raw(0x1000)
#define B frame_of_raw(0x2000)

/* The sample whose leaf has that raw address; fails where there are none or several. */
static const struct sample *sample_at(const struct profile *p, uint64_t address)
{
	const struct sample *found = NULL;
	uint32_t location, parent;

	for (uint32_t i = 0; i < profile__n_samples(p); i++) {
		const struct sample *s = profile__get_sample(p, i);

		profile__get_stack_node(p, s->stack, &location, &parent);
		if (profile__get_location(p, location)->address != address)
			continue;
		assert_null(found);
		found = s;
	}
	assert_non_null(found);
	return found;
}

static const char *text_label(const struct profile *p, const struct sample *s, const char *key)
{
	const struct label *l = profile__find_label(p, s->labels, key);

	return l ? profile__str(p, l->str) : NULL;
}

static void assert_id_label(const struct profile *p, const struct sample *s, const char *key, int64_t id)
{
	const struct label *l = profile__find_label(p, s->labels, key);

	assert_non_null(l);
	assert_int_equal(l->str, 0);
	assert_int_equal(l->num, id);
	assert_string_equal(profile__str(p, l->num_unit), "id");
}

static bool has_comment(const struct profile *p, const char *text)
{
	for (uint32_t i = 0; i < profile__n_comments(p); i++)
		if (!strcmp(profile__get_comment(p, i), text))
			return true;
	return false;
}

static void head_says_what_was_measured(void **state)
{
	struct known *k = *state;
	struct window *w = begun_window();
	const struct profile_meta *meta;
	struct profile *p;
	uint32_t type = 99;

	add_sample(w, SAMPLE(w, 7, A));
	next_slice(w);
	end_window(w);
	p = known__name(k, w, false, 0, UINT64_MAX);
	meta = profile__meta(p);
	assert_int_equal(profile__n_types(p), 2);
	assert_string_equal(profile__str(p, profile__type(p, 0).type), "samples");
	assert_string_equal(profile__str(p, profile__type(p, 0).unit), "count");
	assert_string_equal(profile__str(p, profile__type(p, 1).type), "cpu");
	assert_string_equal(profile__str(p, profile__type(p, 1).unit), "nanoseconds");
	assert_int_equal(profile__find_type(p, NULL, &type), 0);
	assert_int_equal(type, 1);
	assert_string_equal(profile__str(p, meta->period_type.type), "cpu");
	assert_string_equal(profile__str(p, meta->period_type.unit), "nanoseconds");
	assert_int_equal(meta->period, PERIOD_NS);
	assert_int_equal(meta->time_ns, NOON_NS);
	assert_int_equal(meta->duration_ns, SECOND(2));
	profile__free(p);
	window__unref(w);
}

static void samples_carry_the_labels_that_are_known(void **state)
{
	const char *const labels[WL_MAX] = {
		[WL_NAME] = "nginx",
		[WL_EXE] = "/usr/sbin/nginx",
		[WL_CGROUP] = "/system.slice/nginx.service",
		[WL_UNIT] = "nginx.service",
		[WL_CONTAINER] = "0123abcd",
		[WL_POD] = "9f-77",
		[WL_NAMESPACE] = "shop",
	};
	static const char *const keys[] = {"process",   "exe", "cgroup",   "unit",
					   "container", "pod", "namespace"};
	struct known *k = *state;
	struct window *w = begun_window();
	struct task_key key = key_of(7);
	const struct sample *s;
	struct profile *p;
	uint32_t index, n;

	assert_int_equal(window__add_process(w, &key, labels, &index), 0);
	add_sample(w, SAMPLE(w, 7, A));
	add_sample(w, SAMPLE(w, 9, B)); /* only its name is known */
	end_window(w);
	p = known__name(k, w, false, 0, UINT64_MAX);
	s = sample_at(p, 0x1000);
	assert_id_label(p, s, "pid", 7);
	assert_string_equal(text_label(p, s, "comm"), "t");
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		assert_string_equal(text_label(p, s, keys[i]), labels[i]);
	profile__get_labels(p, s->labels, &n);
	assert_int_equal(n, 9); /* those, pid and comm: no tid */
	s = sample_at(p, 0x2000);
	assert_id_label(p, s, "pid", 9);
	assert_string_equal(text_label(p, s, "process"), "p9");
	profile__get_labels(p, s->labels, &n);
	assert_int_equal(n, 3);
	profile__free(p);
	window__unref(w);
}

static void each_of_many_threads_in_turn_has_its_own_labels(void **state)
{
	enum { PROCESSES = 150, ROUNDS = 3 };
	struct known *k = *state;
	struct window *w = begun_window();
	struct profile *p;
	char text[16];

	for (uint32_t i = 0; i < PROCESSES; i++) {
		for (uint32_t round = 0; round < ROUNDS; round++) {
			struct window_sample s =
				SAMPLE(w, 1 + i, frame_of_object(1, 0x1000 * (1 + i * ROUNDS + round)));

			snprintf(text, sizeof(text), "t%u", round);
			s.comm = text;
			add_sample(w, s);
		}
	}
	end_window(w);
	p = known__name(k, w, false, 0, UINT64_MAX);
	for (uint32_t i = 0; i < PROCESSES * ROUNDS; i++) {
		const struct sample *s = sample_at(p, 0x1000 * (1 + i));

		assert_id_label(p, s, "pid", 1 + i / ROUNDS);
		snprintf(text, sizeof(text), "p%u", 1 + i / ROUNDS);
		assert_string_equal(text_label(p, s, "process"), text);
		snprintf(text, sizeof(text), "t%u", i % ROUNDS);
		assert_string_equal(text_label(p, s, "comm"), text);
	}
	profile__free(p);
	window__unref(w);
}

static void threads_are_told_apart_only_when_asked(void **state)
{
	struct known *k = *state;
	struct window *w = begun_window();
	struct window_sample s = SAMPLE(w, 7, A);
	struct profile *p;

	add_sample(w, s);
	s.tid = 8;
	add_sample(w, s);
	end_window(w);
	p = known__name(k, w, false, 0, UINT64_MAX);
	assert_int_equal(profile__n_samples(p), 1);
	assert_int_equal(profile__get_sample(p, 0)->values[0], 2);
	assert_int_equal(profile__get_sample(p, 0)->values[1], 2 * PERIOD_NS);
	assert_null(profile__find_label(p, profile__get_sample(p, 0)->labels, "tid"));
	profile__free(p);
	p = known__name(k, w, true, 0, UINT64_MAX);
	assert_int_equal(profile__n_samples(p), 2);
	for (uint32_t i = 0, seen = 0; i < 2; i++) {
		int64_t tid = profile__find_label(p, profile__get_sample(p, i)->labels, "tid")->num;

		assert_true(tid == 7 || tid == 8);
		assert_int_not_equal(tid, seen);
		seen = (uint32_t)tid;
		assert_id_label(p, profile__get_sample(p, i), "tid", tid);
		assert_int_equal(profile__get_sample(p, i)->values[0], 1);
	}
	profile__free(p);
	window__unref(w);
}

/* Three slices from SECOND(1) on: A; A A B; B. */
static struct window *three_slices(void)
{
	struct window *w = begun_window();

	add_sample(w, SAMPLE(w, 7, A));
	next_slice(w);
	add_sample(w, SAMPLE(w, 7, A));
	add_sample(w, SAMPLE(w, 7, A));
	add_sample(w, SAMPLE(w, 7, B));
	next_slice(w);
	add_sample(w, SAMPLE(w, 7, B));
	end_window(w);
	return w;
}

/* What the part [from_ns, to_ns) has: samples of A and of B, and where it lies, in whole seconds from noon. */
static void assert_part(struct known *k, const struct window *w, uint64_t from_ns, uint64_t to_ns,
			int64_t n_a, int64_t n_b, uint64_t from_s, uint64_t seconds)
{
	struct profile *p = known__name(k, w, false, from_ns, to_ns);

	assert_int_equal(profile__n_samples(p), !!n_a + !!n_b);
	if (n_a) {
		assert_int_equal(sample_at(p, 0x1000)->values[0], n_a);
		assert_int_equal(sample_at(p, 0x1000)->values[1], n_a * (int64_t)PERIOD_NS);
	}
	if (n_b)
		assert_int_equal(sample_at(p, 0x2000)->values[0], n_b);
	assert_int_equal(profile__meta(p)->time_ns, NOON_NS + SECOND(from_s));
	assert_int_equal(profile__meta(p)->duration_ns, SECOND(seconds));
	profile__free(p);
}

static void part_of_a_window_has_the_slices_that_begin_in_it(void **state)
{
	struct known *k = *state;
	struct window *w = three_slices();

	assert_part(k, w, 0, UINT64_MAX, 3, 2, 0, 3);
	assert_part(k, w, SECOND(1), SECOND(4), 3, 2, 0, 3);
	assert_part(k, w, SECOND(1), SECOND(2), 1, 0, 0, 1);
	assert_part(k, w, SECOND(2), SECOND(3), 2, 1, 1, 1);
	assert_part(k, w, SECOND(2), UINT64_MAX, 2, 2, 1, 2);
	/* not at slices' borders: what begins later counts, and the times say so */
	assert_part(k, w, SECOND(1) + 1, SECOND(3) + 1, 2, 2, 1, 2);
	window__unref(w);
}

static void part_without_slices_is_an_empty_profile(void **state)
{
	struct known *k = *state;
	struct window *w = three_slices();

	assert_part(k, w, SECOND(4), SECOND(9), 0, 0, 0, 0);
	assert_part(k, w, 0, SECOND(1), 0, 0, 0, 0);
	assert_part(k, w, SECOND(3), SECOND(2), 0, 0, 0, 0);
	window__unref(w);
}

static void comments_tell_version_event_clock_and_host(void **state)
{
	struct known *k = *state;
	struct window *w = three_slices();
	struct profile *p = known__name(k, w, false, 0, UINT64_MAX);
	struct utsname host;
	char text[512];

	uname(&host);
	assert_true(has_comment(p, "everprof " EVERPROF_VERSION ", event cpu"));
	assert_true(has_comment(p, "clock cpu-clock at 99 Hz"));
	snprintf(text, sizeof(text), "host %s, kernel %s %s", host.nodename, host.sysname, host.release);
	assert_true(has_comment(p, text));
	assert_true(has_comment(p, "lost in all: 0"));
	assert_int_equal(profile__n_comments(p), 4);
	profile__free(p);
	window__unref(w);
}

static void each_note_is_a_comment(void **state)
{
	struct known *k = *state;
	struct window *w = begun_window();
	struct profile *p;

	assert_int_equal(window__note(w, "process 1 does not sample"), 0);
	assert_int_equal(window__note(w, "process 2 does not sample"), 0);
	end_window(w);
	p = known__name(k, w, false, 0, UINT64_MAX);
	assert_true(has_comment(p, "process 1 does not sample"));
	assert_true(has_comment(p, "process 2 does not sample"));
	profile__free(p);
	window__unref(w);
}

static void frequency_is_that_of_the_windows_own_period(void **state)
{
	struct known *k = *state;

	for (uint32_t hz = 1; hz <= 1000; hz++) {
		const struct window_opts opts = {.period_ns = (NS_PER_SEC + hz / 2) / hz,
						 .limit_bytes = MANY_BYTES};
		struct window *w = NULL;
		struct profile *p;
		char text[64];

		assert_int_equal(window__new(&opts, &w), 0);
		window__close(w, SECOND(1));
		p = known__name(k, w, false, 0, UINT64_MAX);
		snprintf(text, sizeof(text), "clock cpu-clock at %u Hz", hz);
		assert_true(has_comment(p, text));
		profile__free(p);
		window__unref(w);
	}
}

static void losses_are_told_by_reason_and_in_all(void **state)
{
	struct known *k = *state;
	struct window *w = begun_window();
	struct losses lost = {};
	struct profile *p;
	char text[512];

	lost.n[LOSS_COUNT_FULL] = 3;
	lost.n[LOSS_DRAIN_LATE] = 1;
	window__end_slice(w, SECOND(2), &lost);
	window__close(w, SECOND(2));
	p = known__name(k, w, false, 0, UINT64_MAX);
	snprintf(text, sizeof(text), "lost count_full: 3 (%s)", loss__text(LOSS_COUNT_FULL));
	assert_true(has_comment(p, text));
	snprintf(text, sizeof(text), "lost drain_late: 1 (%s)", loss__text(LOSS_DRAIN_LATE));
	assert_true(has_comment(p, text));
	assert_true(has_comment(p, "lost in all: 4"));
	assert_int_equal(profile__n_comments(p), 6);
	profile__free(p);
	window__unref(w);
}

static void frames_whose_file_is_gone_are_a_loss(void **state)
{
	struct known *k = *state;
	struct window *w = begun_window();
	struct profile *p;
	char text[512];

	add_sample(w, SAMPLE(w, 7, frame_of_object(4711, 0x10), frame_of_object(4711, 0x20), A));
	end_window(w);
	p = known__name(k, w, false, 0, UINT64_MAX);
	snprintf(text, sizeof(text), "lost object_gone: 2 (%s)", loss__text(LOSS_OBJECT_GONE));
	assert_true(has_comment(p, text));
	assert_true(has_comment(p, "lost in all: 2"));
	profile__free(p);
	window__unref(w);
}

static void sample_without_a_stack_keeps_its_value(void **state)
{
	struct known *k = *state;
	struct window *w = begun_window();
	struct window_sample s = SAMPLE(w, 7, A);
	struct profile *p;

	s.n_words = 0;
	add_sample(w, s);
	end_window(w);
	p = known__name(k, w, false, 0, UINT64_MAX);
	assert_int_equal(profile__n_samples(p), 1);
	assert_int_equal(profile__get_sample(p, 0)->stack, 0);
	assert_int_equal(profile__get_sample(p, 0)->values[1], PERIOD_NS);
	profile__free(p);
	window__unref(w);
}

/* The name of the leaf of the only sample, "" where it has no frame at all. */
static const char *only_leaf(const struct profile *p)
{
	const struct location *at;
	uint32_t leaf, parent;

	assert_int_equal(profile__n_samples(p), 1);
	if (!profile__get_sample(p, 0)->stack)
		return "";
	profile__get_stack_node(p, profile__get_sample(p, 0)->stack, &leaf, &parent);
	at = profile__get_location(p, leaf);
	return profile__str(p, profile__get_function(p, profile__lines(p, at)->function)->name);
}

/* On exec and exit the kernel's walk ends in our own programs at times. */
static void what_a_tracepoint_runs_is_where_a_tick_met_it_and_no_part_of_the_stack_of_a_wait(void **state)
{
	static const struct {
		enum event event;
		uint64_t outer;
		const char *leaf;
	} cases[] = {{EVENT_CPU, 0, "bpf_prog_1111_ours"},
		     {EVENT_CPU, 0xffffffff81000010, "bpf_prog_1111_ours"},
		     {EVENT_OFFCPU, 0xffffffff81000010, "schedule"}};
	struct known *k = *state;

	fixture__write(&k->tree, "kallsyms", "%s",
		       "ffffffff81000000 T schedule\nffffffff81000100 T next\n"
		       "ffffffffc0000000 t bpf_prog_1111_ours\t[bpf]\n");
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct window *w = begun_window();
		struct window_sample s = SAMPLE(w, 7, 0xffffffffc0000010, cases[i].outer);
		struct profile *p;

		w->event = cases[i].event;
		s.n_words = cases[i].outer ? 2 : 1;
		add_sample(w, s);
		end_window(w);
		p = known__name(k, w, false, 0, UINT64_MAX);
		assert_string_equal(only_leaf(p), cases[i].leaf);
		profile__free(p);
		window__unref(w);
	}
}

#define naming_test(f) cmocka_unit_test_setup_teardown(f, known__setup, known__teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		naming_test(head_says_what_was_measured),
		naming_test(samples_carry_the_labels_that_are_known),
		naming_test(each_of_many_threads_in_turn_has_its_own_labels),
		naming_test(threads_are_told_apart_only_when_asked),
		naming_test(part_of_a_window_has_the_slices_that_begin_in_it),
		naming_test(part_without_slices_is_an_empty_profile),
		naming_test(comments_tell_version_event_clock_and_host),
		naming_test(each_note_is_a_comment),
		naming_test(frequency_is_that_of_the_windows_own_period),
		naming_test(losses_are_told_by_reason_and_in_all),
		naming_test(frames_whose_file_is_gone_are_a_loss),
		naming_test(sample_without_a_stack_keeps_its_value),
		naming_test(what_a_tracepoint_runs_is_where_a_tick_met_it_and_no_part_of_the_stack_of_a_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
