/* SPDX-License-Identifier: Apache-2.0 */
/* What `record` promises beside its stacks: totals, labels, comments, selection, exit status, and that nothing of it stays. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <math.h>
#include <signal.h>
#include <sys/syscall.h>

#include "tests/e2e/e2e.h"
#include "user/base/clock.h"

static void total_is_what_the_kernel_accounts(void **state)
{
	struct recording *r = *state;
	uint64_t window_ns, ns;

	recording__of(r, ARGS("calltree", RECORDING_LONG));
	ns = recording__truth(r, &window_ns);
	/* asked for two seconds */
	assert_true(window_ns > 1900000000 && window_ns < 2500000000);
	expect_total(r->profile, &(struct expect_filter){.pid = r->pid}, ns, window_ns, RECORDING_HZ);
}

static void total_of_kernel_time_is_what_the_kernel_accounts(void **state)
{
	struct recording *r = *state;
	uint64_t window_ns, ns;

	recording__of(r, ARGS("syscall_heavy", RECORDING_LONG));
	ns = recording__truth(r, &window_ns);
	expect_total(r->profile, &(struct expect_filter){.pid = r->pid}, ns, window_ns, RECORDING_HZ);
}

static void total_of_threads_is_what_the_kernel_accounts(void **state)
{
	struct recording *r = *state;
	uint64_t window_ns, ns;

	recording__of(r, ARGS("threads", RECORDING_LONG));
	ns = recording__truth(r, &window_ns);
	/* three threads on several CPUs: as many clocks as CPUs watched */
	window_ns *= (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);
	expect_total(r->profile, &(struct expect_filter){.pid = r->pid}, ns, window_ns, RECORDING_HZ);
}

static void total_at_the_default_frequency_is_what_the_kernel_accounts(void **state)
{
	struct recording *r = *state;
	struct cpu_track *track;
	uint64_t window_ns, ns;
	char pid[32];

	recording__start(r, ARGS("calltree", RECORDING_LONG));
	snprintf(pid, sizeof(pid), "%lld", r->pid);
	assert_int_equal(cpu_track__start((pid_t)r->pid, &track), 0);
	r->track = track;
	recording__record(r, 0, ARGS("-F", "99", "-d", "4s", "-p", pid));
	cpu_track__stop(track);
	ns = recording__truth(r, &window_ns);
	expect_total(r->profile, &(struct expect_filter){.pid = r->pid}, ns, window_ns, 99);
}

/* The program knows its own bill, from exec to its last line. */
static void command_is_recorded_from_its_first_to_its_last_instruction(void **state)
{
	struct recording *r = *state;
	char program[4096];
	long long pid, ns;

	run__path_workload("calltree", program);
	recording__record(r, 0, ARGS("--", program, "2"));
	assert_int_equal(run__wait_number(&r->everprof, "ready ", 0, &pid), 0);
	assert_int_equal(run__wait_number(&r->everprof, "cpu_ns ", 0, &ns), 0);
	expect_total(r->profile, &(struct expect_filter){.pid = pid}, (uint64_t)ns, 2000000000, RECORDING_HZ);
	/* the command and its children, and nobody else */
	expect_total(r->profile, NULL, (uint64_t)ns, 2000000000, RECORDING_HZ);
	expect_complete(r->profile, &(struct expect_filter){.pid = pid}, COMPLETE);
}

static void exit_status_is_that_of_the_command(void **state)
{
	struct recording *r = *state;

	recording__record(r, 7, ARGS("--", "/bin/sh", "-c", "exit 7"));
	recording__record(r, 0, ARGS("--", "/bin/true"));
}

/* The command goes on; what it did afterwards is not in the file. */
static void a_duration_ends_the_recording_of_a_command_that_does_not_end(void **state)
{
	struct recording *r = *state;
	char program[4096], line[8192];
	uint64_t ns;

	run__path_workload("calltree", program);
	snprintf(line, sizeof(line), "'%s' 4; exit 7", program);
	recording__record(r, 7, ARGS("-d", "1s", "--", "/bin/sh", "-c", line));
	ns = (uint64_t)profile__meta(r->profile)->duration_ns;
	assert_in_range(ns, 1000000000, 3500000000);
	assert_non_null(strstr(run__out(&r->everprof), "cpu_ns "));
}

static void labels_say_who_it_was(void **state)
{
	struct recording *r = *state;

	recording__of(r, ARGS("threads", RECORDING_LONG));
	assert_true(profile__n_samples(r->profile) > 0);
	for (uint32_t i = 0; i < profile__n_samples(r->profile); i++) {
		const struct sample *s = profile__get_sample(r->profile, i);
		const struct label *pid = profile__find_label(r->profile, s->labels, "pid");
		const struct label *tid = profile__find_label(r->profile, s->labels, "tid");
		const struct label *comm = profile__find_label(r->profile, s->labels, "comm");
		const struct label *process = profile__find_label(r->profile, s->labels, "process");
		const struct label *exe = profile__find_label(r->profile, s->labels, "exe");

		assert_non_null(pid);
		assert_non_null(tid);
		assert_non_null(comm);
		assert_non_null(process);
		assert_non_null(exe);
		assert_int_equal(pid->str, 0);
		assert_int_equal(pid->num, r->pid);
		assert_string_equal(profile__str(r->profile, pid->num_unit), "id");
		assert_string_equal(profile__str(r->profile, tid->num_unit), "id");
		assert_true(tid->num >= pid->num);
		assert_string_equal(profile__str(r->profile, process->str), "threads");
		assert_non_null(strstr(profile__str(r->profile, exe->str), "/workloads/threads"));
		/* the main thread waits; the three have names of their own */
		if (tid->num != pid->num)
			assert_true(strlen(profile__str(r->profile, comm->str)) >= 3);
	}
}

static void types_and_period_are_those_of_the_contract(void **state)
{
	struct recording *r = *state;
	const struct profile_meta *meta;
	struct value_type type;

	recording__of(r, ARGS("calltree", RECORDING_LONG));
	meta = profile__meta(r->profile);
	assert_int_equal(profile__n_types(r->profile), 2);
	type = profile__type(r->profile, 0);
	assert_string_equal(profile__str(r->profile, type.type), "samples");
	assert_string_equal(profile__str(r->profile, type.unit), "count");
	type = profile__type(r->profile, 1);
	assert_string_equal(profile__str(r->profile, type.type), "cpu");
	assert_string_equal(profile__str(r->profile, type.unit), "nanoseconds");
	assert_true(llabs(meta->period - 1000000000 / RECORDING_HZ) <= 1);
	/* within the last minute */
	assert_true(llabs(meta->time_ns - (int64_t)clock__real_ns()) < 60000000000);
}

/* Some comment holds the words, in whatever case. */
static bool comment_holds(const struct profile *p, const char *words)
{
	for (uint32_t i = 0; i < profile__n_comments(p); i++)
		if (strcasestr(profile__get_comment(p, i), words))
			return true;
	return false;
}

static void comments_say_version_frequency_clock_kernel_and_host(void **state)
{
	static const char *const words[] = {"everprof", "999", "clock", "kernel", "host"};
	struct recording *r = *state;
	char host[256] = "";

	recording__of(r, ARGS("calltree", RECORDING_LONG));
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (comment_holds(r->profile, words[i]))
			continue;
		expect__print(r->profile, NULL);
		fail_msg("no comment says '%s'", words[i]);
	}
	gethostname(host, sizeof(host) - 1);
	assert_true(comment_holds(r->profile, host));
}

/* -- what is left behind -- */

#define IDS_MAX 1024

struct ids {
	unsigned int progs[IDS_MAX], maps[IDS_MAX];
	int n_progs, n_maps;
};

/* The BPF programs and maps that a process holds, by its fdinfo. */
static void ids__read(struct ids *ids, pid_t pid)
{
	char path[512], line[256];
	struct dirent *entry;
	unsigned int id;
	DIR *dir;
	FILE *f;

	*ids = (struct ids){};
	snprintf(path, sizeof(path), "/proc/%d/fdinfo", (int)pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/%d/fdinfo/%s", (int)pid, entry->d_name);
		f = fopen(path, "re");
		while (f && fgets(line, sizeof(line), f)) {
			if (sscanf(line, "prog_id: %u", &id) == 1 && ids->n_progs < IDS_MAX)
				ids->progs[ids->n_progs++] = id;
			else if (sscanf(line, "map_id: %u", &id) == 1 && ids->n_maps < IDS_MAX)
				ids->maps[ids->n_maps++] = id;
		}
		if (f)
			fclose(f);
	}
	if (dir)
		closedir(dir);
}

static bool id_exists(unsigned int cmd, unsigned int id)
{
	union bpf_attr attr;
	int fd;

	memset(&attr, 0, sizeof(attr));
	attr.prog_id = id; /* map_id is the same word */
	fd = (int)syscall(SYS_bpf, cmd, &attr, sizeof(attr));
	if (fd < 0)
		return errno != ENOENT;
	close(fd);
	return true;
}

static int ids__count_alive(const struct ids *ids)
{
	int n = 0;

	for (int i = 0; i < ids->n_progs; i++)
		n += id_exists(BPF_PROG_GET_FD_BY_ID, ids->progs[i]);
	for (int i = 0; i < ids->n_maps; i++)
		n += id_exists(BPF_MAP_GET_FD_BY_ID, ids->maps[i]);
	return n;
}

static void start_recorder(struct recording *r, const char *seconds)
{
	char everprof[4096];

	if (geteuid())
		skip();
	run__path_everprof(everprof);
	snprintf(r->path, sizeof(r->path), "%s/p.pb.gz", r->dir);
	assert_int_equal(run__start(&r->everprof, ARGS(everprof, "record", "-F", RECORDING_HZ_TEXT, "-o",
						       r->path, "-d", seconds)),
			 0);
}

/* Until the recorder holds BPF programs, and a little longer. */
static void wait_until_loaded(const struct recording *r, struct ids *ids)
{
	for (int i = 0; i < 500; i++) {
		ids__read(ids, r->everprof.pid);
		if (ids->n_progs) {
			usleep(500000);
			ids__read(ids, r->everprof.pid);
			return;
		}
		usleep(20000);
	}
	fail_msg("no BPF program within ten seconds: %s", run__errors(&r->everprof));
}

static void expect_gone(const struct ids *ids)
{
	/* programs are freed after a grace period */
	for (int i = 0; i < 100 && ids__count_alive(ids); i++)
		usleep(50000);
	assert_int_equal(ids__count_alive(ids), 0);
}

static void no_program_and_no_map_stays_after_the_end(void **state)
{
	struct recording *r = *state;
	struct ids ids;
	int status;

	start_recorder(r, "2s");
	wait_until_loaded(r, &ids);
	assert_true(ids.n_progs > 0 && ids.n_maps > 0);
	assert_int_equal(run__wait(&r->everprof, 30000, &status), 0);
	assert_int_equal(status, 0);
	expect_gone(&ids);
}

static void no_program_and_no_map_stays_after_a_kill(void **state)
{
	struct recording *r = *state;
	struct ids ids;
	int status;

	start_recorder(r, "60s");
	wait_until_loaded(r, &ids);
	kill(r->everprof.pid, SIGKILL);
	assert_int_equal(run__wait(&r->everprof, 10000, &status), 0);
	assert_int_equal(status, 128 + SIGKILL);
	expect_gone(&ids);
	/* and no half file under the final name */
	assert_int_equal(access(r->path, F_OK), -1);
}

static void interrupt_ends_the_recording_with_a_whole_file(void **state)
{
	struct recording *r = *state;
	struct expect_sum sum;
	struct ids ids;
	int status;

	start_recorder(r, "0");
	wait_until_loaded(r, &ids);
	sleep(1);
	kill(r->everprof.pid, SIGINT);
	assert_int_equal(run__wait(&r->everprof, 15000, &status), 0);
	if (status)
		fail_msg("exit status %d: %s", status, run__errors(&r->everprof));
	r->profile = expect_profile(r->path);
	expect__sum(r->profile, NULL, &sum);
	assert_true(sum.rows > 0);
}

static void folded_output_has_root_first_and_the_tree(void **state)
{
	struct recording *r = *state;
	char everprof[4096], pid[32], line[8192];
	unsigned long long top1 = 0, all = 0;
	int status;
	FILE *f;

	recording__start(r, ARGS("calltree", RECORDING_LONG));
	run__path_everprof(everprof);
	snprintf(pid, sizeof(pid), "%lld", r->pid);
	assert_int_equal(
		run__to_end(&r->everprof, 60000, &status,
			    ARGS(everprof, "record", "-F", RECORDING_HZ_TEXT, "-d", RECORDING_SECONDS, "-p",
				 pid, "-o", recording__file(r, "p.folded"))),
		0);
	if (status)
		fail_msg("exit status %d: %s", status, run__errors(&r->everprof));
	f = fopen(recording__file(r, "p.folded"), "re");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		char *space = strrchr(line, ' ');

		assert_non_null(space);
		assert_true(isdigit((unsigned char)space[1]));
		all += strtoull(space + 1, NULL, 10);
		*space = '\0';
		if (strstr(line, "_start;") && strstr(line, ";main;tree_round;a1;b1;c1;top1") &&
		    !strstr(line, "top1;"))
			top1 += strtoull(space + 1, NULL, 10);
	}
	fclose(f);
	assert_true(all > 0);
	if (fabs((double)top1 / (double)all - 0.5) > expect__tolerance(0.5, 2 * RECORDING_HZ))
		fail_msg("top1 has %llu of %llu", top1, all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		e2e_test(total_is_what_the_kernel_accounts),
		e2e_test(total_of_kernel_time_is_what_the_kernel_accounts),
		e2e_test(total_of_threads_is_what_the_kernel_accounts),
		e2e_test(total_at_the_default_frequency_is_what_the_kernel_accounts),
		e2e_test(command_is_recorded_from_its_first_to_its_last_instruction),
		e2e_test(exit_status_is_that_of_the_command),
		e2e_test(a_duration_ends_the_recording_of_a_command_that_does_not_end),
		e2e_test(labels_say_who_it_was),
		e2e_test(types_and_period_are_those_of_the_contract),
		e2e_test(comments_say_version_frequency_clock_kernel_and_host),
		e2e_test(no_program_and_no_map_stays_after_the_end),
		e2e_test(no_program_and_no_map_stays_after_a_kill),
		e2e_test(interrupt_ends_the_recording_with_a_whole_file),
		e2e_test(folded_output_has_root_first_and_the_tree),
	};

	return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
