/* SPDX-License-Identifier: Apache-2.0 */
/* The identity of time: samples, before they are scaled and after, against what the kernel accounts of each thread. */
#include <fcntl.h>
#include <math.h>
#include <sys/wait.h>

#include "tests/e2e/e2e.h"
#include "exporters/format/pprof.h"
#include "tests/support/profile_text.h"
#include "tests/support/waits.h"
#include "user/base/clock.h"

#define TOLERANCE 0.03

/* What the kernel accounts of all threads, and what was sampled of that before it was scaled to it, as the file says; in seconds. */
struct account {
	double interval_ms, ran, cpu, cpu_sampled, other, other_sampled;
};

static struct account read_account(const struct recording *r)
{
	const char *text = expect__comment(r->profile, "waits by switch, one taken in ");
	struct account a;

	assert_non_null(text);
	print_message("%s\n", text);
	assert_int_equal(sscanf(text,
				"%lf ms; of %*u threads the kernel accounts: ran %lf s, waited for a CPU %lf "
				"s (samples "
				"%lf s), for something else %lf s (samples %lf s)",
				&a.interval_ms, &a.ran, &a.cpu, &a.cpu_sampled, &a.other, &a.other_sampled),
			 6);
	return a;
}

/* Chance allows the root of what was sampled times the mean interval. */
static void samples_agree_with_the_kernel_before_they_are_made_to(void **state)
{
	struct recording *r = *state;
	struct account a;
	char pid[32];

	recording__start(r, ARGS("waits", "cond", RECORDING_LONG));
	snprintf(pid, sizeof(pid), "%lld", r->pid);
	recording__record(r, 0, ARGS("-e", "offcpu", "-d", "5s", "-p", pid));
	a = read_account(r);
	assert_true(fabs(a.other_sampled - a.other) <=
		    fmax(TOLERANCE * a.other, 3 * sqrt(a.other * a.interval_ms / 1000)));
	assert_true(fabs(a.cpu_sampled - a.cpu) <=
		    fmax(TOLERANCE * (a.cpu + a.other), 3 * sqrt(a.cpu * a.interval_ms / 1000)));
	/* three threads: the main one waits for the two others */
	assert_true(a.other > 10 && a.other < 15.2);
}

/* As many short waits as there may be, in as many stacks, from the very first second on: how few are taken of them is found out before there is no room. */
static void a_swarm_of_short_waits_has_room_from_the_first_second(void **state)
{
	struct recording *r = *state;
	struct account a;
	char pid[32];

	recording__start(r, ARGS("waits", "swarm", RECORDING_LONG));
	snprintf(pid, sizeof(pid), "%lld", r->pid);
	/* at this frequency there is no room to spare for ticks of the clock */
	recording__record(r, 0, ARGS("-F", "99", "-e", "offcpu", "-d", "2s", "-p", pid));
	a = read_account(r);
	assert_true(a.other > 100); /* of 60 threads, 2 s each */
	/* without that room a third of it was lost; chance moves it by some 3 % */
	assert_true(fabs(a.other_sampled - a.other) <= 0.2 * a.other);
	assert_null(expect__comment(r->profile, "lost count_full"));
}

/* They have left no CPU before, so nobody has noted when they did; and they exit by the hundred, some of them in the middle of being looked at. */
static void what_new_threads_wait_for_their_first_cpu_is_sampled(void **state)
{
	struct recording *r = *state;
	struct account a;
	struct amount first;
	struct bill truth;
	double error;

	waits__record(r, "born", "3", NULL);
	a = read_account(r);
	first = waits__sum(r->profile,
			   &(struct part){.comm = "newborn", .state = "runnable", .has_ended = true});
	truth = waits__truth(r, "newborn");
	print_message("first waits of %lld threads: %.3f s, of which sampled threads have %.3f s\n", truth.n,
		      truth.delay_ns / 1e9, first.ns / 1e9);
	assert_true(a.cpu > 3); /* each of 32 waits for some of the others */
	assert_true(first.ns >= 0.4 * truth.delay_ns);
	/* to their last switch, which half of them come to a turn of the queue after they began to exit */
	error = 5 * sqrt(a.cpu * a.interval_ms / 1000);
	assert_true(fabs(a.cpu_sampled - a.cpu) <= fmax(0.15 * a.cpu, error));
	assert_null(expect__comment(r->profile, "lost wait_pending"));
}

/* An exit is told before the memory is freed (from Linux 6.16 on): what the kernel's own sum of a process that ended has, its threads have. */
static void what_a_process_does_as_it_exits_is_in_its_account(void **state)
{
	struct recording *r = *state;
	struct account a;
	long long family_ns;

	waits__record(r, "leaving", "3", NULL);
	a = read_account(r);
	assert_int_equal(run__wait_number(&r->everprof, "family_ns ", 0, &family_ns), 0);
	print_message("ran %.3f s, %.3f s by the kernel's sum of processes\n", a.ran, family_ns / 1e9);
	assert_true(family_ns > 200000000); /* of three seconds, on a machine that has little to give */
	assert_true(fabs(a.ran - family_ns / 1e9) <= 0.05 * family_ns / 1e9);
}

/* What it waited in the first queue is a part of the same wait, and sampled as that: not only the queue from which it came to a CPU. */
static void a_thread_that_changes_queues_has_waited_for_a_cpu_in_both(void **state)
{
	struct recording *r = *state;
	struct account a;
	double error;

	waits__record(r, "moved", "4", NULL);
	a = read_account(r);
	error = 5 * sqrt(a.cpu * a.interval_ms / 1000);
	assert_true(a.cpu > 0.5); /* some 15 ms of 40 */
	assert_true(a.cpu_sampled >= 0.7 * a.cpu - error);
	assert_true(a.cpu_sampled <= 1.2 * a.cpu + error);
}

static void assert_identity(struct recording *r, const char *way)
{
	char program[4096], everprof[4096], command[16384];

	if (geteuid())
		skip();
	run__path_workload("waits", program);
	run__path_everprof(everprof);
	snprintf(command, sizeof(command), "'%s' record -q -F 999 -e cpu,offcpu -o both -- '%s' %s 3",
		 everprof, program, way);
	assert_int_equal(recording__shell(r, command), 0);
	snprintf(command, sizeof(command), "'%s' top --by thread --wall --check -n 0 both >both/wall.txt",
		 everprof);
	if (recording__shell(r, command)) {
		snprintf(command, sizeof(command), "cat '%s/both/wall.txt'", r->dir);
		if (system(command))
			print_message("nothing was printed\n");
		fail_msg("%s: the identity does not hold", way);
	}
}

static void write_profile(const struct recording *r, const char *name, struct profile *p)
{
	struct buf b;
	int fd = open(recording__file(r, name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	buf__init(&b, 1 << 20);
	assert_int_equal(profile__seal(p), 0);
	assert_int_equal(pprof__encode(p, &(struct pprof_opts){.compression = COMPRESSION_GZIP}, &b), 0);
	assert_int_equal(write(fd, b.data, b.len), b.len);
	close(fd);
	buf__done(&b);
	profile__free(p);
}

/*
 * A folder as `record` writes it, of a thread that waits for 4 of 5 s; `seen_s` of them were sampled. `stolen_s` passed beside them while it ran: told
 * as that, or (!is_told) as if it had run.
 */
static void write_three(const struct recording *r, int64_t seen_s, int64_t stolen_s, bool is_told)
{
	const int64_t ran = NS_PER_SEC, waited = 4 * NS_PER_SEC, stolen = stolen_s * NS_PER_SEC;
	struct profile *p = text_profile("samples", "count", "cpu", "nanoseconds");

	put(p, "main", "tid=7 id,comm=a", 100, ran);
	write_profile(r, "cpu.pb.gz", p);
	p = text_profile("events", "count", "off_cpu", "nanoseconds");
	put(p, "main", "tid=7 id,comm=a,state=blocked", 400, seen_s * NS_PER_SEC);
	write_profile(r, "offcpu.pb.gz", p);
	p = text_profile("on_cpu", "nanoseconds", "runnable", "nanoseconds");
	assert_int_equal(profile__add_type(p, "blocked", "nanoseconds"), 0);
	assert_int_equal(profile__add_type(p, "wall", "nanoseconds"), 0);
	assert_int_equal(profile__add(p, 0, text_labels(p, "tid=7 id,comm=a"),
				      (const int64_t[]){ran, 0, waited, ran + waited}),
			 0);
	assert_int_equal(
		profile__add(p, 0,
			     text_labels(p, is_told ? "tid=7 id,comm=a,state=stolen" : "tid=7 id,comm=a"),
			     (const int64_t[]){stolen, 0, 0, stolen}),
		0);
	write_profile(r, "wall.pb.gz", p);
}

static int top_wall(struct recording *r, const char *what)
{
	char everprof[4096], command[8192];

	run__path_everprof(everprof);
	snprintf(command, sizeof(command), "'%s' top --by thread --wall --check %s", everprof, what);
	return WEXITSTATUS(recording__shell(r, command));
}

static void check_says_by_its_exit_status_whether_time_adds_up(void **state)
{
	struct recording *r = *state;

	write_three(r, 4, 0, true);
	assert_int_equal(top_wall(r, "."), 0);
	assert_int_equal(top_wall(r, "wall.pb.gz cpu.pb.gz offcpu.pb.gz"), 0);
	assert_int_equal(top_wall(r, "wall.pb.gz cpu.pb.gz"), 1);
	write_three(r, 3, 0, true);
	assert_int_equal(top_wall(r, "."), 3);
	/* what a hypervisor took is no gap; the same gap where nothing was stolen, or beside it, is one */
	write_three(r, 4, 2, true);
	assert_int_equal(top_wall(r, "."), 0);
	write_three(r, 4, 2, false);
	assert_int_equal(top_wall(r, "."), 3);
	write_three(r, 3, 2, true);
	assert_int_equal(top_wall(r, "."), 3);
	assert_int_equal(top_wall(r, "--no-such-option"), 2);
}

static void time_of_threads_that_wait_adds_up(void **state)
{
	assert_identity(*state, "mutex");
}

/* They wait for a CPU and for nothing else, whatever a hypervisor takes of it. */
static void time_of_threads_that_starve_adds_up(void **state)
{
	struct recording *r = *state;
	struct amount for_cpu, for_other;
	struct profile *p;

	assert_identity(r, "starve");
	p = expect_profile(recording__file(r, "both/offcpu.pb.gz"));
	for_cpu = waits__sum(p, &(struct part){.comm = "hog", .for_cpu = true});
	for_other = waits__sum(p, &(struct part){.comm = "hog", .for_other = true});
	print_message("hogs waited %.6f s for a CPU, %.6f s for something else\n", for_cpu.ns / 1e9,
		      for_other.ns / 1e9);
	assert_true(for_cpu.ns > 4e9); /* at most one of four runs at a time, for 3 s */
	assert_true(for_other.ns < 0.005 * for_cpu.ns);
	profile__free(p);
}

/* Behind "processes ", how many threads were ever made, as the workload read it; `rest`: from where on. */
static double made_so_far(const char *text, const char **ret_rest)
{
	const char *at = strstr(text, "processes ");
	double n;

	if (!at || sscanf(at, "processes %lf", &n) != 1)
		fail_msg("no number of processes in '%s'", text);
	*ret_rest = at + 1;
	return n;
}

/*
 * While the recorder stands still four thousand threads end, more than the ring holds. An end is told twice, and who is missed by both is one. Others of the machine may end meanwhile: at most
 * those that were there, and those that were made.
 */
static void who_ended_without_an_account_is_missed_once(void **state)
{
	struct recording *r = *state;
	char program[4096], command[8192];
	const char *lost, *rest;
	double before, made, there, n;

	run__path_workload("creator", program);
	snprintf(command, sizeof(command),
		 "grep processes /proc/stat; echo there $(ls -d /proc/[0-9]*/task/[0-9]* | wc -l); "
		 "kill -STOP $PPID; %s 4000 0; kill -CONT $PPID; grep processes /proc/stat",
		 program);
	recording__record(r, 0, ARGS("-e", "offcpu", "--", "sh", "-c", command));
	before = made_so_far(run__out(&r->everprof), &rest);
	made = made_so_far(rest, &rest) - before;
	rest = strstr(run__out(&r->everprof), "there ");
	assert_true(rest && sscanf(rest, "there %lf", &there) == 1);
	lost = expect__comment(r->profile, "lost thread_accounts: ");
	assert_non_null(lost);
	n = strtod(lost, NULL);
	print_message("%.0f threads made, %.0f there before, %.0f without an account\n", made, there, n);
	assert_true(n >= 1000 && n <= made + there);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		e2e_test(samples_agree_with_the_kernel_before_they_are_made_to),
		e2e_test(a_swarm_of_short_waits_has_room_from_the_first_second),
		e2e_test(what_new_threads_wait_for_their_first_cpu_is_sampled),
		e2e_test(what_a_process_does_as_it_exits_is_in_its_account),
		e2e_test(a_thread_that_changes_queues_has_waited_for_a_cpu_in_both),
		e2e_test(check_says_by_its_exit_status_whether_time_adds_up),
		e2e_test(time_of_threads_that_wait_adds_up),
		e2e_test(time_of_threads_that_starve_adds_up),
		e2e_test(who_ended_without_an_account_is_missed_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
