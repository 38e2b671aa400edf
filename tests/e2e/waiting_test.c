/* SPDX-License-Identifier: Apache-2.0 */
/* Waits that have begun before anybody looked, or that go on through many looks: what passes over all threads tell, and what they hand over to switches. */
#include <math.h>

#include "tests/e2e/e2e.h"
#include "tests/support/waits.h"

#define EDGE_MS       20 /* what the beginning of a recording makes uncertain */
#define WINDOW_MIN_NS 200000000ll

/* ---- an agent, window after window ---- */
/* Until there are so many, and the last one; option: a --set of its own. */
static void record_windows(struct recording *r, const char *window, const char *option, int n)
{
	char command[8192], everprof[4096];

	run__path_everprof(everprof);
	snprintf(command, sizeof(command),
		 "'%s' agent --store store --set profiling.window=%s --set server.listen=off --set "
		 "labels.tid=true --set '%s' & agent=$!; "
		 "for i in $(seq 200); do [ $(find store -name '*.offcpu.pb.gz' | wc -l) -ge %d ] && break; "
		 "sleep 0.1; done; "
		 "kill -INT $agent; wait $agent",
		 everprof, window, option, n);
	assert_int_equal(recording__shell(r, command), 0);
}

struct span {
	long long from_ns, to_ns;
	long long n_ended; /* waits */
	int n;             /* windows */
};

/* In each window the thread waits in that way for all of its time. All of them, as one stretch. */
static struct span assert_waits_in_each_window(const struct recording *r, const struct part *part)
{
	struct span all = {.from_ns = INT64_MAX};
	char command[8192], path[8192];
	FILE *list;

	snprintf(command, sizeof(command), "find '%s/store' -name '*.offcpu.pb.gz' | sort", r->dir);
	list = popen(command, "r");
	for (; fgets(path, sizeof(path), list); all.n++) {
		long long from, length;
		struct profile *p;
		struct amount a;

		path[strcspn(path, "\n")] = '\0';
		p = expect_profile(path);
		a = waits__sum(p, part);
		from = profile__meta(p)->time_ns;
		length = profile__meta(p)->duration_ns;
		print_message("%s of %.3f s: %s %.4f of it\n", strrchr(path, '/') + 1, (double)length / 1e9,
			      part->comm, a.ns / (double)length);
		/* what a last window of a moment has is whole, but none of it may have been taken: without its system call */
		if (length >= WINDOW_MIN_NS && fabs(a.ns / (double)length - 1) > WAITS_TOLERANCE) {
			waits__print(p);
			fail_msg("%s does not wait all the time", part->comm);
		}
		all.n_ended += a.n;
		all.from_ns = from < all.from_ns ? from : all.from_ns;
		all.to_ns = from + length > all.to_ns ? from + length : all.to_ns;
		profile__free(p);
	}
	pclose(list);
	return all;
}

/* ---- who is asked for ---- */
/* A crowd waits, now and then another one of it less: its threads come first in each pass, and are more than one pass takes stacks of. One more waits all along. */
static void start_beside_crowd(struct recording *r, struct run *crowd)
{
	char program[4096];
	long long pid = 0;

	if (geteuid())
		skip();
	run__path_workload("waits", program);
	assert_int_equal(run__start(crowd, ARGS(program, "crowd", RECORDING_LONG)), 0);
	assert_int_equal(run__wait_number(crowd, "ready ", 10000, &pid), 0);
	recording__start(r, ARGS("waits", "pause", RECORDING_LONG));
	if (pid > r->pid)
		print_message("pids have gone round: the crowd comes last\n");
}

/* Stacks are told anew in each window. */
static void stacks_of_processes_that_nobody_asked_for_are_not_taken(void **state)
{
	struct recording *r = *state;
	struct run crowd = {};
	char option[64];

	start_beside_crowd(r, &crowd);
	snprintf(option, sizeof(option), "targets.include.pid=[%lld]", r->pid);
	record_windows(r, "2s", option, 3);
	run__done(&crowd);
	assert_waits_in_each_window(
		r, &(struct part){.comm = "blocker", .state = "blocked", .syscall = "pause"});
}

/* Names of threads are the collector's business: the kernel's side takes the stacks of all. */
static void threads_that_no_pattern_matches_leave_room_for_others(void **state)
{
	struct recording *r = *state;
	struct run crowd = {};

	start_beside_crowd(r, &crowd);
	record_windows(r, "2s", "targets.include.comm=[\"block*\"]", 3);
	run__done(&crowd);
	assert_waits_in_each_window(
		r, &(struct part){.pid = r->pid, .comm = "blocker", .state = "blocked", .syscall = "pause"});
}

/* ---- from the pass to the switch ---- */
/*
 * It sleeps already when the recording begins, and wakes in it: passes tell of it, and the switch has the rest. On a busy machine it is woken before it says so, and
 * waits for a CPU; if a pass comes then, that is all of the rest.
 */
static void a_wait_that_had_begun_before_is_counted_up_to_its_end(void **state)
{
	struct recording *r = *state;
	struct part slept = {.comm = "blocker", .syscall = "clock_nanosleep"},
		    blocked = {.comm = "blocker", .syscall = "clock_nanosleep", .state = "blocked"};
	long long woke = 0, began;
	char pid[32];

	recording__start(r, ARGS("waits", "once", "6"));
	snprintf(pid, sizeof(pid), "%lld", r->pid);
	recording__record(r, 0, ARGS("-e", "offcpu", "-d", "4s", "-p", pid));
	assert_int_equal(run__wait_number(&r->workload, "woke ", 10000, &woke), 0);
	began = profile__meta(r->profile)->time_ns;
	assert_in_range(woke, began + 500 * (long long)MS, began + profile__meta(r->profile)->duration_ns);
	assert_amount_slack(r->profile, &slept, (double)(woke - began), EDGE_MS * MS);
	if (waits__sum(r->profile, &blocked).n <= 1 && waits__sum(r->profile, &slept).n >= 1)
		return;
	waits__print(r->profile);
	fail_msg("not one wait has ended");
}

/* ---- windows ---- */
/* How often the workload says that it woke between the two. */
static long long wakes_in(struct recording *r, const struct span *s)
{
	long long n = 0, at;
	int status;

	assert_int_equal(run__wait(&r->workload, 20000, &status), 0);
	for (const char *line = run__out(&r->workload); line && *line;
	     line = strchr(line, '\n'), line += line != NULL)
		n += sscanf(line, "woke %lld", &at) == 1 && at >= s->from_ns && at < s->to_ns;
	return n;
}

/* One thread sleeps for longer than four windows, the other wakes in between: both are in each for all of its time, and each wait ends once. */
static void who_sleeps_through_windows_is_in_each(void **state)
{
	struct recording *r = *state;
	long long wakes;
	struct span s;

	if (geteuid())
		skip();
	recording__start(r, ARGS("waits", "naps", "13"));
	record_windows(r, "2s", "profiling.enabled=true", 4);
	s = assert_waits_in_each_window(r, &(struct part){.pid = r->pid, .comm = "blocker"});
	assert_true(s.n >= 4);
	assert_int_equal(s.n_ended, 0);
	s = assert_waits_in_each_window(r, &(struct part){.pid = r->pid, .comm = "napper"});
	wakes = wakes_in(r, &s);
	print_message("%lld of %lld waits have ended\n", s.n_ended, wakes);
	/* of one that waited for a CPU, too, both parts are counted */
	assert_in_range(s.n_ended, wakes - 1, 2 * wakes + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		e2e_test(stacks_of_processes_that_nobody_asked_for_are_not_taken),
		e2e_test(threads_that_no_pattern_matches_leave_room_for_others),
		e2e_test(a_wait_that_had_begun_before_is_counted_up_to_its_end),
		e2e_test(who_sleeps_through_windows_is_in_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
