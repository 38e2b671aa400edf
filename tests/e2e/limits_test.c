/* SPDX-License-Identifier: Apache-2.0 */
/* An agent over its limit: it goes on, gives something up, says so in the profiles, and their time stays true. */
#include <math.h>

#include "tests/e2e/e2e.h"
#include "tests/support/agent.h"

#define WORK_SECONDS "130" /* longer than the agent takes to judge itself */
#define FILES_MAX    24    /* of five seconds */

/* The first minute is not judged. 999 Hz cost several times the least limit there is. */
static void what_is_given_up_stands_in_the_profiles_and_their_time_is_true(void **state)
{
	struct recording *r = *state;
	struct agent_files files = {};
	const char *given_up = NULL;
	int64_t from = 0, to = 0, ns = 0;
	struct expect_filter mine;
	struct cpu_track *track;
	char text[4096];
	double variance = 0, off; /* of ticks that come by chance, each of its own worth */
	uint64_t truth;

	recording__start(r, ARGS("calltree", WORK_SECONDS));
	assert_int_equal(cpu_track__start((pid_t)r->pid, &track), 0);
	r->track = track;
	snprintf(text, sizeof(text),
		 "profiling: {window: 5s, cpu: {frequency: 999}, offcpu: {enabled: false}, memory: {enabled: "
		 "false}, "
		 "alloc: {enabled: false}, output: {directory: %s/store}}\n"
		 "server: {listen: 'off'}\n"
		 "limits: {cpu: 0.1%%}\n",
		 r->dir);
	agent__write_config(r, text);
	agent__launch(r);
	for (int n = 1; !given_up && n < FILES_MAX; n++) {
		agent__expect_n_files(r, n, &files);
		profile__free(r->profile);
		r->profile = expect_profile(files.path[files.n - 1]);
		given_up = expect__comment(r->profile, "given up: ");
	}
	agent__expect_end(r);
	cpu_track__stop(track);
	assert_non_null(given_up);
	if (!strstr(given_up, "(limits.cpu)"))
		fail_msg("given up: %s", given_up);
	agent__expect_files(r, &files);
	mine = (struct expect_filter){.pid = r->pid};
	for (int i = 0; i < files.n; i++) {
		struct profile *p = expect_profile(files.path[i]);
		const struct profile_meta *meta = profile__meta(p);
		struct expect_sum sum;

		expect__sum(p, &mine, &sum);
		ns += sum.ns;
		variance += (double)sum.ns * (double)meta->period;
		from = i ? from : meta->time_ns;
		to = meta->time_ns + meta->duration_ns;
		profile__free(p);
	}
	assert_int_equal(cpu_track__between(track, (uint64_t)from, (uint64_t)to, &truth), 0);
	off = fabs((double)ns - (double)truth);
	if (off > fmax(0.03 * (double)truth, 4 * sqrt(variance)))
		fail_msg("the windows hold %.1f ms of pid %lld, the kernel accounts %.1f ms",
			 (double)ns / 1e6, r->pid, (double)truth / 1e6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		e2e_test(what_is_given_up_stands_in_the_profiles_and_their_time_is_true),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
