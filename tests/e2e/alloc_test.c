// SPDX-License-Identifier: Apache-2.0
/*
 * Programs that allocate known amounts from known functions: what the profile says of them is right within the error that it states, and that is small where
 * there was much to see. And: whatever ends the profiler, no probe stays, and nobody is harmed.
 */
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "exporters/format/pprof.h"
#include "tests/e2e/e2e.h"
#include "tests/support/agent.h"
#include "tests/support/answer.h"
#include "user/base/err.h"

#define SECONDS "6"
/* Standard errors: of ten thousand runs less than one is further off by chance. */
#define ERRORS      4
#define WINDOWS_MIN 16 /* of 18 where most of each goes into probes, up to some 60 elsewhere */
#define TRIES       4
/* Functions are parts of what the error is stated of; each has its own luck. */
#define PART_ERRORS 6
#define KILLS       20
#define CODE_BYTES  16
#define CLEAN_MS    5000

struct amount {
	double objects, bytes;
};

struct stated {
	double objects_error, bytes_error; /* shares */
};

static struct amount truth_of(struct recording *r, const char *function)
{
	struct amount a;
	char prefix[64];
	const char *line;

	snprintf(prefix, sizeof(prefix), "truth %s ", function);
	line = strstr(run__out(&r->everprof), prefix);
	if (!line || sscanf(line + strlen(prefix), "%lf %lf", &a.objects, &a.bytes) != 2)
		fail_msg("no truth of '%s': %s", function, run__out(&r->everprof));
	return a;
}

static struct amount sum(const struct profile *p, const char *process, const char *stack)
{
	struct expect_filter f = {.process = process, .stack = stack};
	struct expect_sum s;

	expect__sum(p, &f, &s);
	return (struct amount){.objects = (double)s.samples, .bytes = (double)s.ns};
}

/* What the profile's comments say of the process. */
static struct stated stated_of(const struct profile *p, const char *process)
{
	const char *text = expect__comment(p, "allocations in ");
	struct stated s;
	char name[80];
	const char *at;

	if (!text)
		fail_msg("the profile does not say how it was made");
	snprintf(name, sizeof(name), "(%s):", process);
	at = strstr(text, name);
	if (!at || sscanf(at + strlen(name), " %*g objects ±%lf%%, %*g bytes ±%lf%%", &s.objects_error,
			  &s.bytes_error) != 2)
		fail_msg("no error stated of '%s': %s", process, text);
	s.objects_error /= 100;
	s.bytes_error /= 100;
	return s;
}

/* Of both the smaller one is measured by: half of the truth is as far off as twice of it. */
static void assert_near(const char *what, double found, double truth, double error)
{
	if (fabs(found - truth) > error * fmin(found, truth))
		fail_msg("%s: %.4g for %.4g, which is %+.1f %%; off by %.1f %% of itself is allowed", what,
			 found, truth, (found / truth - 1) * 100, error * 100);
}

static double n_windows(struct recording *r)
{
	const char *text = expect__comment(r->profile, "allocations in ");

	return text ? atof(text) : 0;
}

/* Where the machine is so busy with other things that the budget opens few windows, a program may be met by none: again, until there are enough. */
static void record_allocs(struct recording *r, const char *const *args)
{
	for (int i = 0; i < TRIES; i++) {
		recording__record(r, 0, args);
		if (n_windows(r) >= WINDOWS_MIN)
			return;
		print_message("%.0f windows only\n", n_windows(r));
	}
	fail_msg("%d times fewer than %d windows", TRIES, WINDOWS_MIN);
}

/* `most`: no error may be stated that is larger. `beside`: bytes and objects of the process that no truth is told of, a share. */
static void assert_stacks(struct recording *r, const char *process, const char *stack, double most,
			  double beside)
{
	struct amount small = truth_of(r, "small"), large = truth_of(r, "large");
	struct amount found = sum(r->profile, process, stack);
	struct stated s = stated_of(r->profile, process);

	print_message("%s: objects %+.1f %% (stated %.1f), bytes %+.1f %% (stated %.1f)\n", process,
		      (found.objects / (small.objects + large.objects) - 1) * 100, s.objects_error * 100,
		      (found.bytes / (small.bytes + large.bytes) - 1) * 100, s.bytes_error * 100);
	if (s.objects_error > most || s.bytes_error > most)
		fail_msg("'%s': stated errors of %.1f %% and %.1f %%, expected up to %.0f %%", process,
			 s.objects_error * 100, s.bytes_error * 100, most * 100);
	assert_near("objects", found.objects, small.objects + large.objects,
		    ERRORS * s.objects_error + beside);
	assert_near("bytes", found.bytes, small.bytes + large.bytes, ERRORS * s.bytes_error + beside);
}

static void assert_process(struct recording *r, const char *process, double most)
{
	assert_stacks(r, process, "**;take_*;**", most, 0);
}

static void assert_function(struct recording *r, const char *process, const char *stack, const char *function)
{
	struct amount truth = truth_of(r, function), found = sum(r->profile, process, stack);
	struct stated s = stated_of(r->profile, process);
	double error = fmax(s.objects_error, s.bytes_error);

	assert_near(stack, found.bytes, truth.bytes, PART_ERRORS * error);
	assert_near(stack, found.objects, truth.objects, PART_ERRORS * error);
}

static void record_program(struct recording *r, const char *program, const char *way)
{
	char path[4096];

	run__path_workload(program, path);
	if (way)
		record_allocs(r, ARGS("-e", "alloc", "--", path, way, SECONDS));
	else
		record_allocs(r, ARGS("-e", "alloc", "--", path, SECONDS));
}

/* -- amounts -- */
static void a_steady_program_is_known_by_function(void **state)
{
	struct recording *r = *state;

	record_program(r, "allocs", "steady");
	assert_process(r, "allocs", 0.3);
	assert_function(r, "allocs", "malloc;take_small;**", "small");
	assert_function(r, "allocs", "calloc;take_large;**", "large");
}

/* What its probes take is taken off its windows. */
static void a_program_that_never_waits_is_not_undercounted(void **state)
{
	record_program(*state, "allocs", "spin");
	assert_process(*state, "allocs", 0.3);
}

/* What the programs of a recording said, each for itself. */
static double all_that_was_allocated(struct recording *r)
{
	double all = 0, objects;

	for (const char *line = run__out(&r->everprof); (line = strstr(line, "truth ")) != NULL; line++)
		all += sscanf(line, "truth %*s %lf", &objects) == 1 ? objects : 0;
	return all;
}

/*
 * A window in which the C library had to be left alone, beside another file that had not, knows nothing of those who use it. What lives for longer is known by its CPU time
 * meanwhile, what comes and goes is not.
 */
static void who_glances_at_code_does_not_hide_what_is_allocated(void **state)
{
	struct recording *r = *state;
	char other[4096], path[4096];
	const char *text;
	double error;

	recording__start(r, ARGS("touchy", "glances", "60"));
	run__path_workload("allocs_static", other);
	run__path_workload("allocs", path);
	record_allocs(r, ARGS("-e", "alloc", "--", "/bin/sh", "-c",
			      "\"$0\" idle 8 & for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 "
			      "21 22 23 24; do "
			      "\"$1\" steady 0.3; done; wait",
			      other, path));
	text = expect__comment(r->profile, "allocations in ");
	text = text ? strstr(text, "standard errors: all") : NULL;
	if (!text || sscanf(text, "standard errors: all %*g objects ±%lf%%", &error) != 1)
		fail_msg("no error stated: %s", expect__comment(r->profile, "allocations in "));
	print_message("objects %+.1f %% (stated %.1f)\n",
		      (sum(r->profile, "allocs", "**;take_*;**").objects / all_that_was_allocated(r) - 1) *
			      100,
		      error);
	if (error > 50)
		fail_msg("a stated error of %.1f %%, expected up to 50 %%", error);
	assert_near("objects", sum(r->profile, "allocs", "**;take_*;**").objects, all_that_was_allocated(r),
		    3 * error / 100);
}

/* By the clock: what probes take comes out of its sleep. Of some sixty windows six to ten meet a burst; it may be one or two, and then hardly anything is known. */
static void bursts_by_the_clock_are_not_overcounted(void **state)
{
	record_program(*state, "allocs", "burst");
	assert_process(*state, "allocs", 2.5);
}

/*
 * Three functions that allocate equally often, so densely that most of a window goes into probes: the error is what is not known of their cost, several times over.
 * What one of them has beside another does not depend on that: twice as much where calls within its calls were counted, too. Some 300 samples tell the
 * third of one to a twelfth of itself.
 */
static void calls_within_calls_are_counted_once(void **state)
{
	static const char *const stacks[] = {"**;take_small;**", "**;take_nested;**", "**;take_large;**"};
	struct recording *r = *state;
	double all;

	record_program(r, "allocs", "tiny");
	assert_process(r, "allocs", 0.7);
	all = sum(r->profile, "allocs", "**;take_*;**").objects;
	for (int i = 0; i < 3; i++)
		assert_near(stacks[i], sum(r->profile, "allocs", stacks[i]).objects, all / 3, 0.4);
}

/* It looks like one that has not returned yet: what is allocated behind it is not within it. */
static void a_return_address_that_was_left_behind_is_no_call(void **state)
{
	record_program(*state, "allocs", "behind");
	assert_stacks(*state, "allocs", "**;take_*;**", 0.3, 0.06);
}

/* Where the allocator is as close as the program itself, two of forty are taken for calls within calls. */
static void nor_where_it_was_made_close_by(void **state)
{
	record_program(*state, "allocs_static", "behind");
	assert_stacks(*state, "allocs_static", "**;take_*;**", 0.3, 0.06);
}

static void few_large_blocks_have_the_error_that_is_stated(void **state)
{
	record_program(*state, "allocs", "large");
	assert_process(*state, "allocs", 0.7);
}

static void threads_are_added_up(void **state)
{
	record_program(*state, "allocs", "threads");
	assert_process(*state, "allocs", 0.3);
}

/* One of them jumps to malloc for what malloc gives anyway. */
static void aligned_blocks_are_counted_once(void **state)
{
	record_program(*state, "allocs", "aligned");
	assert_process(*state, "allocs", 0.3);
}

/* -- allocators -- */
static void a_static_program_is_probed_in_itself(void **state)
{
	struct recording *r = *state;

	record_program(r, "allocs_static", "steady");
	assert_process(r, "allocs_static", 0.3);
	assert_function(r, "allocs_static", "*malloc;take_small;**", "small");
}

static void musl_is_an_allocator_like_others(void **state)
{
	record_program(*state, "allocs_musl_static", "steady");
	assert_process(*state, "allocs_musl_sta", 0.3);
}

static void new_is_counted_once_over_malloc(void **state)
{
	struct recording *r = *state;

	record_program(r, "allocs_new", NULL);
	assert_process(r, "allocs_new", 0.35);
	assert_function(r, "allocs_new", "malloc;**;take_small*;**", "small");
}

static void new_is_counted_once_where_malloc_is_in_the_same_file(void **state)
{
	record_program(*state, "allocs_new_static", NULL);
	assert_process(*state, "allocs_new_stat", 0.35);
}

static void record_preloaded(struct recording *r, const char *library)
{
	char path[4096], preload[128];

	snprintf(preload, sizeof(preload), "/usr/lib/x86_64-linux-gnu/%s", library);
	if (access(preload, R_OK))
		skip();
	snprintf(preload, sizeof(preload), "LD_PRELOAD=/usr/lib/x86_64-linux-gnu/%s", library);
	run__path_workload("allocs_new", path);
	record_allocs(r, ARGS("-e", "alloc", "--", "/usr/bin/env", preload, path, SECONDS));
	assert_process(r, "allocs_new", 0.35);
	if (sum(r->profile, "allocs_new", "*Zn*;take_*;**").bytes +
		    sum(r->profile, "allocs_new", "operator new*;take_*;**").bytes +
		    sum(r->profile, "allocs_new", "*_new*;take_*;**").bytes <
	    0.9 * sum(r->profile, "allocs_new", "**;take_*;**").bytes)
		fail_msg("blocks that the library's operator new did not give");
}

static void jemalloc_is_probed_where_it_is_preloaded(void **state)
{
	record_preloaded(*state, "libjemalloc.so.2");
}

static void tcmalloc_is_probed_where_it_is_preloaded(void **state)
{
	record_preloaded(*state, "libtcmalloc_minimal.so.4");
}

static void mimalloc_is_probed_where_it_is_preloaded(void **state)
{
	record_preloaded(*state, "libmimalloc.so.2.0");
}

static void a_go_program_is_probed_in_its_runtime(void **state)
{
	struct recording *r = *state;

	record_program(r, "goallocs", NULL);
	assert_stacks(r, "goallocs", "**;main.take_*;**", 0.4, 0);
	assert_function(r, "goallocs", "**;main.take_large;**", "large");
}

static void a_go_program_without_symbols_has_them_in_its_table(void **state)
{
	record_program(*state, "goallocs_stripped", NULL);
	assert_stacks(*state, "goallocs_stripp", "**;main.take_*;**", 0.4, 0);
}

/* As it begins it allocates, too. */
static void python_is_probed_where_it_bypasses_malloc(void **state)
{
	struct recording *r = *state;

	record_allocs(r, ARGS("-e", "alloc", "--", "/usr/bin/python3", "-I", "-S",
			      "tests/workloads/pyallocs.py", SECONDS));
	assert_stacks(r, "python3", "**", 0.7, 0.04);
}

/* -- containers -- */
/* Overlays upon one folder, as the containers of an image have them, each with a program that runs: the calls of one of these would meet six probes. */
static void a_file_below_many_mounts_is_probed_once(void **state)
{
	static const char mounts[] = "for i in 1 2 3 4 5 6; do mkdir -p \"$0/$i\" && mount -t overlay -o "
				     "\"lowerdir=$0/below:$0/empty\" everprof \"$0/$i\" || exit 77; done; ";
	static const char programs[] =
		"for i in 2 3 4 5 6; do \"$0/$i/allocs_static\" idle 8 >/dev/null & done; "
		"\"$0/1/allocs_static\" steady \"$1\"; wait";
	struct recording *r = *state;
	struct run can_mount = {0};
	char path[4096], script[1024];
	int status = 0;

	assert_int_equal(mkdir(recording__file(r, "below"), 0755), 0);
	assert_int_equal(mkdir(recording__file(r, "empty"), 0755), 0);
	run__path_workload("allocs_static", path);
	recording__copy(path, recording__file(r, "below/allocs_static"));
	run__to_end(&can_mount, 10000, &status,
		    ARGS("/usr/bin/unshare", "-m", "/bin/sh", "-c", mounts, r->dir));
	run__done(&can_mount);
	if (status == 77)
		skip();
	assert_int_equal(status, 0);
	snprintf(script, sizeof(script), "%s%s", mounts, programs);
	record_allocs(r,
		      ARGS("-e", "alloc", "--", "unshare", "-m", "/bin/sh", "-c", script, r->dir, SECONDS));
	assert_process(r, "allocs_static", 0.3);
}

/* -- whose -- */
static void a_command_has_its_own_allocations_only(void **state)
{
	struct recording *r = *state;
	char path[4096];

	run__path_workload("allocs", path);
	recording__start(r, ARGS("allocs", "steady", RECORDING_LONG));
	recording__record(r, 0, ARGS("-e", "alloc", "--", path, "idle", "3"));
	if (sum(r->profile, "allocs", "**;steady;**").objects > 0)
		fail_msg("allocations of another process");
}

/* -- whoever asks -- */
/* What a running agent has by now; it is asked again while it has nothing. */
static struct profile *ask(int port, const char *path)
{
	struct profile *p = NULL;
	struct err e = {""};
	struct answer a = {0};

	for (int i = 0; i < 200 && answer__get(port, path, "", &a) != 200; i++) {
		buf__done(&a.all);
		usleep(100000);
	}
	if (a.status != 200 || pprof__decode(a.body, a.len, NULL, &p, &e))
		fail_msg("%s: status %d: %s", path, a.status, e.text);
	buf__done(&a.all);
	return p;
}

/* Files of an hour begin with the hour: what is told is of one of them only until then. */
static void leave_time_before_the_hour(void)
{
	time_t left = 3600 - time(NULL) % 3600;

	if (left < 100)
		sleep((unsigned int)left);
}

static void ask_for_windows(struct recording *r, int port, double n)
{
	for (int i = 0; i < 600; i++) {
		profile__free(r->profile);
		r->profile = ask(port, "/api/v1/query?event=alloc&from=now-10m&format=pprof");
		if (n_windows(r) >= n)
			return;
		usleep(100000);
	}
	fail_msg("fewer than %.0f windows in a minute", n);
}

/*
 * Of a file that is not complete the same holds as of one that is: its rows are those of the totals that it states. What no file has yet is told without its last second: so who was seen has ended by then.
 * Less than half a per cent apart on a quiet machine; the bound is wider than one window of them all.
 */
static void what_is_asked_for_between_files_is_told_as_they_are(void **state)
{
	struct recording *r = *state;
	struct amount found, stated;
	struct expect_filter mine;
	struct expect_sum s;
	struct profile *memory;
	char text[1024], name[80];
	const char *at;
	int port, status;

	snprintf(text, sizeof(text),
		 "profiling:\n  window: 1h\n  output: {directory: %s/store}\nserver: {listen: 127.0.0.1:0}\n",
		 r->dir);
	agent__write_config(r, text);
	leave_time_before_the_hour();
	agent__launch(r);
	port = agent__expect_port(r, "http");
	recording__start(r, ARGS("allocs", "steady", RECORDING_LONG));
	ask_for_windows(r, port, WINDOWS_MIN);
	kill((pid_t)r->pid, SIGKILL);
	assert_int_equal(run__wait(&r->workload, 10000, &status), 0);
	sleep(3);
	ask_for_windows(r, port, WINDOWS_MIN);
	mine = (struct expect_filter){.pid = r->pid};
	expect__sum(r->profile, &mine, &s);
	found = (struct amount){.objects = (double)s.samples, .bytes = (double)s.ns};
	snprintf(name, sizeof(name), "; %lld (allocs): ", r->pid);
	at = strstr(expect__comment(r->profile, "allocations in "), name);
	if (!at ||
	    sscanf(at + strlen(name), "%lf objects ±%*g%%, %lf bytes", &stated.objects, &stated.bytes) != 2)
		fail_msg("nothing is stated of '%s': %s", name,
			 expect__comment(r->profile, "allocations in "));
	print_message("stated %.4g objects and %.4g bytes, %.5g and %.5g\n", stated.objects, stated.bytes,
		      found.objects, found.bytes);
	assert_near("objects", found.objects, stated.objects, 0.1);
	assert_near("bytes", found.bytes, stated.bytes, 0.1);
	memory = ask(port, "/api/v1/query?event=memory&from=now-10m&format=pprof");
	at = expect__comment(memory, "memory: one page fault in ");
	profile__free(memory);
	if (!at)
		fail_msg("a profile of memory does not say how it was made");
}

/* -- no traces -- */
static const void *const entries[] = {(const void *)malloc, (const void *)calloc, (const void *)realloc,
				      (const void *)posix_memalign, (const void *)aligned_alloc};
#define N_ENTRIES (sizeof(entries) / sizeof(*entries))

static void read_entries(uint8_t code[N_ENTRIES][CODE_BYTES])
{
	for (size_t i = 0; i < N_ENTRIES; i++)
		memcpy(code[i], entries[i], CODE_BYTES);
}

static bool stays(const uint8_t code[N_ENTRIES][CODE_BYTES], int n, int ms)
{
	uint8_t now[N_ENTRIES][CODE_BYTES];

	while (n--) {
		read_entries(now);
		if (memcmp(now, code, sizeof(now)) != 0)
			return false;
		usleep((useconds_t)ms * 1000);
	}
	return true;
}

/* Our own C library is probed as everybody's is, and everybody's as ours. Somebody else's windows pass. */
static void assert_no_probe(const uint8_t clean[N_ENTRIES][CODE_BYTES])
{
	for (int ms = 0; ms < CLEAN_MS; ms += 10) {
		if (stays(clean, 1, 0))
			return;
		usleep(10000);
	}
	fail_msg("a probe is in place %d ms after the profiler was killed", CLEAN_MS);
}

static void no_probe_stays_whatever_ends_the_profiler(void **state)
{
	struct recording *r = *state;
	char everprof[4096], out[4096];
	uint8_t clean[N_ENTRIES][CODE_BYTES];
	int status, exit_status;

	do
		read_entries(clean);
	while (!stays(clean, 10, 4));
	snprintf(out, sizeof(out), "%s", recording__file(r, "killed.pb.gz"));
	run__path_everprof(everprof);
	recording__start(r, ARGS("allocs", "spin", "40"));
	srand48(time(NULL));
	for (int i = 0; i < KILLS; i++) {
		struct run victim = {0};

		assert_int_equal(
			run__start(&victim, ARGS(everprof, "record", "-e", "alloc", "-d", "0", "-o", out)),
			0);
		usleep(600000 + (useconds_t)(drand48() * 300000)); /* it has opened some windows by then */
		assert_int_equal(kill(victim.pid, SIGKILL), 0);
		assert_int_equal(run__wait(&victim, 10000, &status), 0);
		assert_int_equal(status, 128 + SIGKILL);
		run__done(&victim);
		assert_no_probe(clean);
	}
	/* who was probed all the while ends as if nothing had been */
	assert_int_equal(run__wait(&r->workload, 60000, &exit_status), 0);
	assert_int_equal(exit_status, 0);
	if (!strstr(run__out(&r->workload), "cpu_ns "))
		fail_msg("the program did not come to its end: %s", run__out(&r->workload));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		e2e_test(a_steady_program_is_known_by_function),
		e2e_test(a_program_that_never_waits_is_not_undercounted),
		e2e_test(who_glances_at_code_does_not_hide_what_is_allocated),
		e2e_test(bursts_by_the_clock_are_not_overcounted),
		e2e_test(calls_within_calls_are_counted_once),
		e2e_test(a_return_address_that_was_left_behind_is_no_call),
		e2e_test(nor_where_it_was_made_close_by),
		e2e_test(few_large_blocks_have_the_error_that_is_stated),
		e2e_test(threads_are_added_up),
		e2e_test(aligned_blocks_are_counted_once),
		e2e_test(a_static_program_is_probed_in_itself),
		e2e_test(musl_is_an_allocator_like_others),
		e2e_test(new_is_counted_once_over_malloc),
		e2e_test(new_is_counted_once_where_malloc_is_in_the_same_file),
		e2e_test(jemalloc_is_probed_where_it_is_preloaded),
		e2e_test(tcmalloc_is_probed_where_it_is_preloaded),
		e2e_test(mimalloc_is_probed_where_it_is_preloaded),
		e2e_test(a_go_program_is_probed_in_its_runtime),
		e2e_test(a_go_program_without_symbols_has_them_in_its_table),
		e2e_test(python_is_probed_where_it_bypasses_malloc),
		e2e_test(a_file_below_many_mounts_is_probed_once),
		e2e_test(a_command_has_its_own_allocations_only),
		e2e_test(what_is_asked_for_between_files_is_told_as_they_are),
		e2e_test(no_probe_stays_whatever_ends_the_profiler),
	};

	return cmocka_run_group_tests_name("alloc", tests, NULL, NULL);
}
