/* SPDX-License-Identifier: Apache-2.0 */
/* The agent as a service: windows on disk one after the other, whole or not at all, whatever signal comes. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/inotify.h>

#include "tests/e2e/e2e.h"
#include "tests/support/agent.h"
#include "user/base/err.h"

#define KILLS 20

static struct expect_sum sum_of_files(const struct agent_files *files, const struct expect_filter *f,
				      int64_t *ret_from, int64_t *ret_to)
{
	struct expect_sum sum = {}, one;

	*ret_from = INT64_MAX;
	*ret_to = 0;
	for (int i = 0; i < files->n; i++) {
		struct profile *p = expect_profile(files->path[i]);
		const struct profile_meta *meta = profile__meta(p);

		expect__sum(p, f, &one);
		sum.ns += one.ns;
		sum.samples += one.samples;
		sum.rows += one.rows;
		if (meta->time_ns < *ret_from)
			*ret_from = meta->time_ns;
		if (meta->time_ns + meta->duration_ns > *ret_to)
			*ret_to = meta->time_ns + meta->duration_ns;
		profile__free(p);
	}
	return sum;
}

static void windows_follow_each_other_and_add_up(void **state)
{
	struct recording *r = *state;
	struct agent_files files;
	struct expect_filter mine;
	struct cpu_track *track;
	struct expect_sum sum;
	int64_t from, to, last_end = 0;
	uint64_t truth;

	recording__start(r, ARGS("calltree", RECORDING_LONG));
	assert_int_equal(cpu_track__start((pid_t)r->pid, &track), 0);
	r->track = track;
	agent__configure(r, "2s");
	agent__start(r);
	agent__expect_n_files(r, 3, &files);
	agent__expect_end(r);
	cpu_track__stop(track);
	agent__expect_files(r, &files);
	assert_true(files.n >= 3);
	for (int i = 0; i < files.n; i++) {
		struct profile *p = expect_profile(files.path[i]);
		const struct profile_meta *meta = profile__meta(p);

		/* no gap and no overlap, but for the millisecond of the swap */
		if (last_end && llabs(meta->time_ns - last_end) > 5000000)
			fail_msg("'%s' begins %lld us after the end of the one before", files.path[i],
				 (long long)(meta->time_ns - last_end) / 1000);
		last_end = meta->time_ns + meta->duration_ns;
		if (i && i + 1 < files.n)
			assert_int_equal(files.seconds[i], 2);
		profile__free(p);
	}
	mine = (struct expect_filter){.pid = r->pid};
	sum = sum_of_files(&files, &mine, &from, &to);
	assert_int_equal(cpu_track__between(track, (uint64_t)from, (uint64_t)to, &truth), 0);
	assert_true(sum.ns > 0);
	/* one file's totals are checked as a profile is; here the sum of them */
	if ((double)sum.ns < 0.97 * (double)truth || (double)sum.ns > 1.03 * (double)truth)
		fail_msg("the windows hold %.1f ms of pid %lld, the kernel accounts %.1f ms",
			 (double)sum.ns / 1e6, r->pid, (double)truth / 1e6);
}

static void first_complete_window_has_the_whole_machine_with_whole_stacks(void **state)
{
	struct recording *r = *state;
	struct agent_files files;
	struct expect_filter mine;
	struct run second = {};
	char program[4096];
	long long pid;

	recording__start(r, ARGS("calltree", RECORDING_LONG));
	run__path_workload("realign", program);
	assert_int_equal(run__start(&second, ARGS(program, RECORDING_LONG)), 0);
	assert_int_equal(run__wait_number(&second, "ready ", 10000, &pid), 0);
	agent__configure(r, "2s");
	agent__start(r);
	agent__expect_n_files(r, 2, &files);
	agent__expect_end(r);
	run__done(&second);
	r->profile = expect_profile(files.path[1]);
	mine = (struct expect_filter){.pid = r->pid};
	expect_share(r->profile, &mine, "top1;c1;b1;a1;tree_round" TO_ROOT, 0.5);
	expect_complete(r->profile, &mine, COMPLETE);
	expect_at_least(r->profile, &(struct expect_filter){.pid = pid}, "realign_leaf;realigned;**" TO_ROOT,
			NEARLY_ALL);
	/* without labels.tid a snapshot does not tell threads apart */
	for (uint32_t i = 0; i < profile__n_samples(r->profile); i++)
		assert_null(
			profile__find_label(r->profile, profile__get_sample(r->profile, i)->labels, "tid"));
}

/* Reads what has happened in the watched folder; a final name that was opened for writing there is one that a reader could see half. */
static int count_renames(int fd, int timeout_ms)
{
	char bytes[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
	int n_moved = 0;

	while (poll(&poll_fd, 1, timeout_ms) > 0) {
		ssize_t len = read(fd, bytes, sizeof(bytes));

		for (char *at = bytes; len > 0 && at < bytes + len;) {
			struct inotify_event *event = (void *)at;

			at += sizeof(*event) + event->len;
			if (!event->len || event->name[0] == '.' || !strstr(event->name, ".pb."))
				continue;
			if (event->mask & (IN_CREATE | IN_MODIFY))
				fail_msg("'%s' was written in place", event->name);
			n_moved += !!(event->mask & IN_MOVED_TO);
		}
	}
	return n_moved;
}

static void files_appear_by_rename_only(void **state)
{
	struct recording *r = *state;
	struct agent_files files;
	char day[512], *slash;
	int fd, n;

	agent__configure(r, "1s");
	agent__start(r);
	agent__expect_files(r, &files);
	assert_true(files.n >= 1);
	snprintf(day, sizeof(day), "%s", files.path[files.n - 1]);
	slash = strrchr(day, '/');
	assert_non_null(slash);
	*slash = '\0';
	fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	assert_true(fd >= 0);
	assert_true(inotify_add_watch(fd, day, IN_CREATE | IN_MODIFY | IN_MOVED_TO) >= 0);
	sleep(3);
	agent__expect_end(r);
	n = count_renames(fd, 200);
	close(fd);
	if (n < 2)
		fail_msg("%d files were renamed into '%s' in three seconds of windows of one", n, day);
}

static void termination_writes_the_last_window(void **state)
{
	struct recording *r = *state;
	struct agent_files files;
	struct expect_filter mine;
	int err;

	recording__start(r, ARGS("calltree", RECORDING_LONG));
	/* the window is far from over when the end comes */
	agent__configure(r, "1h");
	agent__launch(r);
	err = run__wait(&r->everprof, 4000, &(int){0});
	assert_int_equal(err, -ETIMEDOUT);
	agent__expect_end(r);
	agent__expect_files(r, &files);
	if (files.n != 1)
		fail_msg("%d files, expected the one of the unfinished window: %s", files.n,
			 run__errors(&r->everprof));
	assert_true(files.seconds[0] < 3600);
	r->profile = expect_profile(files.path[0]);
	mine = (struct expect_filter){.pid = r->pid};
	expect_share(r->profile, &mine, "top1;c1;b1;a1;tree_round" TO_ROOT, 0.5);
}

static void reload_of_a_bad_file_is_refused_and_profiling_goes_on(void **state)
{
	struct recording *r = *state;
	struct agent_files files;
	int before;

	agent__configure(r, "1s");
	agent__start(r);
	agent__write_config(r, "profiling:\n  windw: 1s\n");
	agent__signal(r, SIGHUP);
	run__wait(&r->everprof, 500, &(int){0});
	agent__expect_files(r, &files);
	before = files.n;
	agent__expect_n_files(r, before + 2, &files);
	agent__expect_end(r);
	/* file, line and key */
	assert_non_null(strstr(run__errors(&r->everprof), "profiler.yaml:2"));
	assert_non_null(strstr(run__errors(&r->everprof), "windw"));
}

static void reload_of_a_good_file_acts(void **state)
{
	struct recording *r = *state;
	struct agent_files files;
	struct expect_filter mine;
	struct expect_sum sum;
	bool found = false;
	int64_t from, to;
	int before;

	agent__configure(r, "1s");
	agent__start(r);
	agent__configure(r, "3s");
	agent__signal(r, SIGHUP);
	run__wait(&r->everprof, 500, &(int){0});
	/* a program that was not there under the old configuration, for whose symbols the configured folders are searched */
	recording__start(r, ARGS("calltree_stripped", RECORDING_LONG));
	agent__expect_files(r, &files);
	before = files.n;
	/* the one that was running, one of three seconds, and the rest */
	agent__expect_n_files(r, before + 2, &files);
	agent__expect_end(r);
	for (int i = 0; i < files.n; i++)
		found = found || files.seconds[i] == 3;
	if (!found)
		fail_msg("no window of three seconds after the reload: %s", run__errors(&r->everprof));
	mine = (struct expect_filter){.pid = r->pid, .stack = "\\[calltree_stripped]+0x*;**"};
	sum = sum_of_files(&files, &mine, &from, &to);
	if (!sum.ns)
		fail_msg("a program that came after the reload is in no window: %s",
			 run__errors(&r->everprof));
}

/* Until it was said `n` times. */
static void expect_said(struct recording *r, const char *text, int n)
{
	int n_said = 0;

	for (int i = 0; i < 200 && n_said < n; i++) {
		n_said = 0;
		for (const char *p = run__errors(&r->everprof); (p = strstr(p, text)); p++)
			n_said++;
		if (n_said < n && run__wait(&r->everprof, 100, &(int){0}) != -ETIMEDOUT)
			break;
	}
	if (n_said < n)
		fail_msg("'%s' was said %d times: %s", text, n_said, run__errors(&r->everprof));
}

/* Told each time: what runs is what it was started with. */
static void reload_tells_what_waits_for_the_next_start(void **state)
{
	static const char waits[] = "the next start, ignoring: profiling.max_duration, profiling.cpu.clock, "
				    "server.hosts, server.tls_client_ca\n",
			  loaded[] = "configuration loaded from";
	struct recording *r = *state;
	char text[2048];

	agent__configure(r, "1s");
	agent__start(r);
	snprintf(text, sizeof(text),
		 "profiling:\n"
		 "  window: 1s\n"
		 "  max_duration: 5m\n"
		 "  cpu: {frequency: 999, clock: cpu-clock}\n"
		 "  offcpu: {enabled: false}\n"
		 "  memory: {enabled: false}\n"
		 "  alloc: {enabled: false}\n"
		 "  output: {directory: %s/store}\n"
		 "server: {listen: 'off', hosts: [profiles.example], tls_client_ca: /nowhere}\n",
		 r->dir);
	/* the file's change is one reload, the signal another */
	agent__write_config(r, text);
	expect_said(r, waits, 1);
	expect_said(r, loaded, 1);
	agent__signal(r, SIGHUP);
	expect_said(r, waits, 2);
	expect_said(r, loaded, 2);
	agent__expect_end(r);
}

static void write_frequency(struct recording *r, unsigned hz)
{
	char text[2048];

	snprintf(text, sizeof(text),
		 "profiling:\n  window: 1s\n  cpu: {frequency: %u, clock: cpu-clock}\n  offcpu: {enabled: "
		 "false}\n"
		 "  memory: {enabled: false}\n  alloc: {enabled: false}\n  output: {directory: %s/store}\n"
		 "server: {listen: 'off'}\n",
		 hz, r->dir);
	agent__write_config(r, text);
}

static void reload_of_a_frequency_that_tables_have_no_room_for_is_as_much_as_they_have(void **state)
{
	struct recording *r = *state;

	agent__configure(r, "1s");
	write_frequency(r, 100);
	agent__start(r);
	write_frequency(r, 500);
	expect_said(
		r, "profiling.cpu.frequency of 500 needs tables that are made at a start: 200 until the next",
		1);
	expect_said(r, "configuration loaded from", 1);
	agent__expect_end(r);
}

static void statistics_are_printed_on_request(void **state)
{
	static const char *const words[] = {"cpu", "memory", "bpf"};
	struct recording *r = *state;
	size_t before;

	agent__configure(r, "1s");
	agent__start(r);
	run__wait(&r->everprof, 100, &(int){0});
	before = strlen(run__errors(&r->everprof)) + strlen(run__out(&r->everprof));
	agent__signal(r, SIGUSR1);
	run__wait(&r->everprof, 1000, &(int){0});
	if (strlen(run__errors(&r->everprof)) + strlen(run__out(&r->everprof)) <= before)
		fail_msg("SIGUSR1 printed nothing: %s", run__errors(&r->everprof));
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (!strcasestr(run__errors(&r->everprof), words[i]) &&
		    !strcasestr(run__out(&r->everprof), words[i]))
			fail_msg("the statistics do not speak of '%s': %s", words[i],
				 run__errors(&r->everprof));
	agent__expect_end(r);
}

static void a_store_has_one_agent(void **state)
{
	struct recording *r = *state;
	struct run second = {};
	char everprof[4096];
	int status = -1;

	agent__configure(r, "1s");
	agent__start(r);
	run__path_everprof(everprof);
	assert_int_equal(run__to_end(&second, 15000, &status,
				     ARGS(everprof, "agent", "-c", recording__file(r, "profiler.yaml"))),
			 0);
	if (status != 1 || !strstr(run__errors(&second), "store"))
		fail_msg("exit status %d: %s", status, run__errors(&second));
	run__done(&second);
	agent__expect_end(r);
}

static void top_reads_the_store(void **state)
{
	struct recording *r = *state;
	struct run top = {};
	char everprof[4096];
	int status = -1;

	recording__start(r, ARGS("calltree", RECORDING_LONG));
	agent__configure(r, "1s");
	agent__start(r);
	sleep(2);
	agent__expect_end(r);
	run__path_everprof(everprof);
	assert_int_equal(run__to_end(&top, 20000, &status,
				     ARGS(everprof, "top", recording__file(r, "store"), "--focus",
					  "tree_round", "-n", "3")),
			 0);
	if (status || !strstr(run__out(&top), "top1") || !strstr(run__out(&top), "top2"))
		fail_msg("exit status %d: %s%s", status, run__out(&top), run__errors(&top));
	run__done(&top);
}

/* Every visible file decodes. */
static int expect_no_damage(const struct recording *r)
{
	struct agent_files files;

	agent__expect_files(r, &files);
	for (int i = 0; i < files.n; i++) {
		struct profile *p = NULL;
		struct err err = {};
		int status = expect__read_profile(files.path[i], &p, &err);

		if (status)
			fail_msg("'%s': %s", files.path[i], err__text(&err, status));
		profile__free(p);
	}
	return files.n;
}

static void a_kill_at_any_moment_leaves_no_damaged_file(void **state)
{
	struct recording *r = *state;
	unsigned int seed = (unsigned int)getpid();
	struct agent_files files;
	int n = 0;

	recording__start(r, ARGS("calltree", RECORDING_LONG));
	agent__configure(r, "1s");
	for (int i = 0; i < KILLS; i++) {
		agent__launch(r);
		/* one in four in the start, the others somewhere in the window after the first, the writing of a file included */
		if (i % 4)
			agent__expect_n_files(r, n + 1, &files);
		usleep((useconds_t)(rand_r(&seed) % 1200000));
		if (kill(r->everprof.pid, SIGKILL) || run__wait(&r->everprof, 10000, &(int){0}))
			fail_msg("agent %d of %d: %s", i, KILLS, run__errors(&r->everprof));
		n = expect_no_damage(r);
	}
	/* and the next one cleans up what the killed ones left half done */
	agent__launch(r);
	agent__expect_n_files(r, n + 1, &files);
	agent__expect_end(r);
	assert_true(expect_no_damage(r) > n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		e2e_test(windows_follow_each_other_and_add_up),
		e2e_test(first_complete_window_has_the_whole_machine_with_whole_stacks),
		e2e_test(files_appear_by_rename_only),
		e2e_test(termination_writes_the_last_window),
		e2e_test(reload_of_a_bad_file_is_refused_and_profiling_goes_on),
		e2e_test(reload_of_a_good_file_acts),
		e2e_test(reload_tells_what_waits_for_the_next_start),
		e2e_test(reload_of_a_frequency_that_tables_have_no_room_for_is_as_much_as_they_have),
		e2e_test(statistics_are_printed_on_request),
		e2e_test(a_store_has_one_agent),
		e2e_test(top_reads_the_store),
		e2e_test(a_kill_at_any_moment_leaves_no_damaged_file),
	};

	return cmocka_run_group_tests_name("agent", tests, NULL, NULL);
}
