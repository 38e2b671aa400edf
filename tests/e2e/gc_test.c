/* SPDX-License-Identifier: Apache-2.0 */
/* Garbage collection seen as such: of a Go program that makes much garbage, samples under the collector have the label, and no others. */
#include "tests/e2e/e2e.h"

/* Does any function of the sample begin so? */
static bool has_function(const struct profile *p, const struct sample *s, const char *prefix)
{
	uint32_t locations[PROFILE_DEPTH_MAX];
	uint32_t depth = profile__get_stack(p, s->stack, locations, PROFILE_DEPTH_MAX);

	for (uint32_t i = 0; i < depth; i++) {
		const struct location *l = profile__get_location(p, locations[i]);

		for (uint32_t j = 0; j < l->n_lines; j++) {
			const struct function *f = profile__get_function(p, profile__lines(p, l)[j].function);

			if (!strncmp(profile__str(p, f->name), prefix, strlen(prefix)))
				return true;
		}
	}
	return false;
}

static void samples_under_the_collector_say_so_and_others_do_not(void **state)
{
	struct recording *r = *state;
	int64_t all = 0, gc = 0, workers = 0, work = 0;

	recording__of(r, ARGS("gogc", RECORDING_LONG));
	for (uint32_t i = 0; i < profile__n_samples(r->profile); i++) {
		const struct sample *s = profile__get_sample(r->profile, i);
		const struct label *l = profile__find_label(r->profile, s->labels, "gc");
		bool is_worker = has_function(r->profile, s, "runtime.gcBgMarkWorker");

		all += s->values[1];
		gc += l ? s->values[1] : 0;
		if (l)
			assert_string_equal(profile__str(r->profile, l->str), "go");
		if (is_worker)
			assert_non_null(l);
		workers += is_worker ? s->values[1] : 0;
		if (!l && has_function(r->profile, s, "main.tree"))
			work += s->values[1];
	}
	print_message("%.1f %% garbage collection, %.1f %% its workers\n", 100.0 * (double)gc / (double)all,
		      100.0 * (double)workers / (double)all);
	assert_true(workers > 0 && gc >= workers);
	/* a live tree of a million nodes is marked over and over, and trees are made meanwhile */
	assert_true(gc > all / 20);
	assert_true(work > all / 20);
}

static void top_says_how_much_it_is(void **state)
{
	struct recording *r = *state;
	char command[12288], everprof[4096];

	recording__of(r, ARGS("gogc", RECORDING_LONG));
	run__path_everprof(everprof);
	snprintf(command, sizeof(command), "'%s' top '%s' | grep -q '^Garbage collection: .* (go '", everprof,
		 r->path);
	assert_int_equal(recording__shell(r, command), 0);
	snprintf(command, sizeof(command), "'%s' top --by gc '%s' | grep -q ' go$'", everprof, r->path);
	assert_int_equal(recording__shell(r, command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		e2e_test(samples_under_the_collector_say_so_and_others_do_not),
		e2e_test(top_says_how_much_it_is),
	};

	return cmocka_run_group_tests_name("gc", tests, NULL, NULL);
}
