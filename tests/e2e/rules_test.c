// SPDX-License-Identifier: Apache-2.0
/* Rules of the running agent over real processes: who fires, who does not, what is captured, who is told, and what is left after SIGKILL. */
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <jansson.h>
#include <signal.h>

#include "tests/e2e/e2e.h"
#include "tests/support/agent.h"
#include "tests/support/alertmanager.h"
#include "user/base/clock.h"

#define MANY  "200"
#define CROWD "300"

/* One rule of process scope over the alarm-* of this test, learning nothing: the agent is as young as the test. */
static void configure_with(const struct recording *r, const char *events, const char *rule)
{
	char text[16384], workload[4096], program[PATH_MAX];

	run__path_workload("alarms", workload);
	assert_non_null(realpath(workload, program));
	snprintf(
		text, sizeof(text),
		"profiling:\n  window: 5s\n  cpu: {frequency: 99}\n%s"
		"  output: {directory: %s/store}\nserver: {listen: off}\n"
		"alerting: {defaults: {scope: process, match: {comm: \"alarm-*\", exe: [\"%s\", \"%s/*\"]},\n"
		"  keep_firing: 3s, action: keep, capture: {before: 10s, after: 2s}, limits: {learning: 1s, "
		"targets: 3}}}\n"
		"alerts: [%s]\n",
		events, r->dir, program, r->dir, rule);
	agent__write_config(r, text);
}

static void configure(const struct recording *r, const char *rule)
{
	configure_with(r, "  memory: {enabled: false}\n  alloc: {enabled: false}\n", rule);
}

static void play(struct recording *r, const char *way, const char *seconds, const char *n,
		 long long *ret_chosen)
{
	char program[4096];

	run__path_workload("alarms", program);
	assert_int_equal(run__start(&r->workload, ARGS(program, way, seconds, n)), 0);
	assert_int_equal(run__wait_number(&r->workload, "chosen ", 30000, ret_chosen), 0);
	assert_int_equal(run__wait_number(&r->workload, "ready ", 30000, &r->pid), 0);
}

/* ---- what came of it -------------------------------------------------------------------------------------------------- */

static int find_captures(const struct recording *r, char last[2048])
{
	char pattern[1100];
	glob_t found = {0};
	int n;

	snprintf(pattern, sizeof(pattern), "%s/store/captures/*/*", r->dir);
	assert_true(glob(pattern, GLOB_ERR, NULL, &found) != GLOB_ABORTED);
	n = (int)found.gl_pathc;
	if (n)
		snprintf(last, 2048, "%s", found.gl_pathv[n - 1]);
	globfree(&found);
	return n;
}

/* What `everprof rules --json` says of the first rule; free with json_decref. */
static json_t *ask_rule(const struct recording *r)
{
	char everprof[4096], store[128];
	struct run run = {};
	json_t *all, *rule;
	int status;

	run__path_everprof(everprof);
	snprintf(store, sizeof(store), "%s/store", r->dir);
	assert_int_equal(
		run__to_end(&run, 30000, &status, ARGS(everprof, "rules", "--json", "--store", store)), 0);
	if (status)
		fail_msg("everprof rules: %s", run__errors(&run));
	all = json_loads(run__out(&run), 0, NULL);
	assert_non_null(all);
	rule = json_array_get(
		json_object_get(json_array_get(json_object_get(json_object_get(all, "data"), "groups"), 0),
				"rules"),
		0);
	assert_non_null(rule);
	json_incref(rule);
	json_decref(all);
	run__done(&run);
	return rule;
}

static long long number_of(const struct recording *r, const char *key)
{
	json_t *rule = ask_rule(r);
	long long n = json_integer_value(json_object_get(rule, key));

	json_decref(rule);
	return n;
}

/* Until the number of the rule is at least `n`, for `seconds`. */
static bool comes(const struct recording *r, const char *key, long long n, int seconds)
{
	for (int i = 0; i < seconds * 4; i++) {
		if (number_of(r, key) >= n)
			return true;
		usleep(250000);
	}
	return false;
}

static void expect_comes(const struct recording *r, const char *key, long long n, int seconds)
{
	json_t *rule;

	if (comes(r, key, n, seconds))
		return;
	rule = ask_rule(r);
	fail_msg("'%s' of the rule does not come to %lld:\n%s", key, n, json_dumps(rule, JSON_INDENT(1)));
}

/* ---- tests ------------------------------------------------------------------------------------------------------------ */

static void a_spike_in_one_of_many_is_captured_with_what_was_before(void **state)
{
	struct recording *r = *state;
	struct expect_filter mine;
	struct expect_sum before;
	char dir[2048], path[4096], target[64];
	struct profile *p;
	long long chosen;

	/* how much of a CPU it gets is the machine's business: that it gets more later makes no second capture */
	configure(r, "{name: Spike, condition: cpu_usage_percent > 10, duration: 1s, limits: {escalation: "
		     "1000%}}");
	agent__start(r);
	play(r, "spike", "40", MANY, &chosen);
	expect_comes(r, "captures", 1, 60);
	/* it is written when its two seconds are over, and no other comes */
	usleep(8000000);
	assert_int_equal(find_captures(r, dir), 1);
	assert_int_equal(number_of(r, "fired"), 1);
	snprintf(target, sizeof(target), "-%lld_", chosen);
	if (!strstr(dir, target))
		fail_msg("process %lld burned, captured is '%s'", chosen, dir);
	mine = (struct expect_filter){.pid = chosen};
	snprintf(path, sizeof(path), "%s/before.cpu.pb.gz", dir);
	p = expect_profile(path);
	/* it held for a second before it fired, at a tenth of a CPU at least */
	expect__sum(p, &mine, &before);
	assert_true(before.ns >= NS_PER_SEC / 10);
	expect_at_least(p, &mine, "spike_leaf;spike_caller" TO_ROOT, 0.5);
	profile__free(p);
	expect_comes(r, "targets", 200, 1);
	agent__expect_end(r);
}

static void of_a_crowd_that_crosses_at_once_the_worst_few_are_captured(void **state)
{
	struct recording *r = *state;
	int n_firing = 0, n_waiting = 0;
	json_t *rule;
	char dir[2048];
	long long chosen;

	configure(r, "{name: Crowd, condition: rss > 3MiB, duration: 2s}");
	agent__start(r);
	play(r, "crowd", "40", CROWD, &chosen);
	expect_comes(r, "captures", 3, 60);
	usleep(8000000);
	rule = ask_rule(r);
	assert_int_equal(json_integer_value(json_object_get(rule, "fired")), 3);
	assert_int_equal(json_integer_value(json_object_get(rule, "firing")), 3);
	assert_int_equal(json_integer_value(json_object_get(rule, "leftOut")), 297);
	assert_non_null(
		strstr(json_string_value(json_object_get(rule, "why")), "297 more hold and are left out"));
	for (size_t i = 0; i < json_array_size(json_object_get(rule, "alerts")); i++) {
		json_t *a = json_array_get(json_object_get(rule, "alerts"), i);

		const char *firing = json_string_value(json_object_get(a, "state"));

		n_firing += !strcmp(firing, "firing");
		n_waiting += strstr(json_string_value(json_object_get(a, "why")), "rate-limited") != NULL;
		assert_true(strtod(json_string_value(json_object_get(a, "value")), NULL) > 3 << 20);
	}
	/* each of the others says why it does not */
	assert_int_equal(n_firing, 3);
	assert_int_equal(n_waiting, 297);
	json_decref(rule);
	assert_int_equal(find_captures(r, dir), 3);
	agent__expect_end(r);
}

static void a_leak_fires_and_a_sawtooth_does_not(void **state)
{
	static const char rule[] = "{name: Leak, condition: memory_growth_rate > 1MB/s, duration: 10s}";
	struct recording *r = *state;
	struct expect_filter mine;
	struct run sawtooth = {};
	char program[4096], target[64], dir[2048], path[4096];
	struct profile *p;
	long long chosen, pid;

	configure_with(r, "  memory: {enabled: true}\n  alloc: {enabled: false}\n", rule);
	agent__start(r);
	run__path_workload("alarms", program);
	assert_int_equal(run__start(&sawtooth, ARGS(program, "sawtooth", "120", "3")), 0);
	assert_int_equal(run__wait_number(&sawtooth, "ready ", 10000, &pid), 0);
	/* the leak begins when the other has gone up and down five times */
	usleep(15000000);
	assert_int_equal(number_of(r, "fired"), 0);
	play(r, "leak", "60", "3", &chosen);
	expect_comes(r, "captures", 1, 50);
	usleep(6000000);
	assert_int_equal(number_of(r, "fired"), 1);
	assert_int_equal(find_captures(r, dir), 1);
	snprintf(target, sizeof(target), "-%lld_", chosen);
	if (!strstr(dir, target))
		fail_msg("process %lld leaks, captured is '%s'", chosen, dir);
	run__done(&sawtooth);
	/* where it grew: nearly all of it below the loop that keeps what it takes */
	mine = (struct expect_filter){.pid = chosen};
	snprintf(path, sizeof(path), "%s/memory.pb.gz", dir);
	p = expect_profile(path);
	expect_at_least(p, &mine, "**;take;saw" TO_ROOT, 0.9);
	profile__free(p);
	agent__expect_end(r);
}

static void a_function_that_takes_its_share_fires_for_who_burns_it(void **state)
{
	struct recording *r = *state;
	char dir[2048], target[64];
	long long chosen;

	configure(r, "{name: Share, condition: {metric: function_share, of: \"spike_l*\", above: 60%, "
		     "samples: 40}, "
		     "duration: 1s}");
	agent__start(r);
	play(r, "spike", "60", "5", &chosen);
	expect_comes(r, "captures", 1, 60);
	usleep(4000000);
	assert_int_equal(number_of(r, "fired"), 1);
	assert_int_equal(find_captures(r, dir), 1);
	snprintf(target, sizeof(target), "-%lld_", chosen);
	if (!strstr(dir, target))
		fail_msg("process %lld burned, captured is '%s'", chosen, dir);
	agent__expect_end(r);
}

/* Runs what is at that path for so long; the path is what the program is known by. */
static void run_build(struct recording *r, const char *build, const char *seconds)
{
	char command[4200], path[4096];

	run__done(&r->workload);
	run__path_workload(build, path);
	snprintf(command, sizeof(command), "rm -f alarm-prog && cp %s alarm-prog", path);
	assert_int_equal(recording__shell(r, command), 0);
	assert_int_equal(run__start(&r->workload, ARGS(recording__file(r, "alarm-prog"), seconds)), 0);
}

/* A program is built anew: first the same work, then, while no agent runs, other work. Only the second is a drift. */
static void a_new_build_fires_when_its_time_goes_elsewhere(void **state)
{
	struct recording *r = *state;
	json_t *rule;

	configure(
		r,
		"{name: Drift, condition: {metric: profile_drift, above: 40%, samples: 100}, duration: 1s}");
	agent__start(r);
	run_build(r, "calltree", "20");
	usleep(17000000);
	assert_int_equal(number_of(r, "measured"), 0);
	run_build(r, "calltree_fp", "40");
	expect_comes(r, "measured", 1, 40);
	rule = ask_rule(r);
	if (json_number_value(json_object_get(rule, "value")) > 25)
		fail_msg("the same work drifts:\n%s", json_dumps(rule, JSON_INDENT(1)));
	json_decref(rule);
	usleep(6000000);
	assert_int_equal(number_of(r, "fired"), 0);
	agent__expect_end(r);
	run_build(r, "recursion", "60");
	agent__start(r);
	expect_comes(r, "fired", 1, 40);
	agent__expect_end(r);
}

/* Of two programs of one name the one that allocates. */
static void who_allocates_fires_and_who_waits_does_not(void **state)
{
	struct recording *r = *state;
	char built[4096], program[4096], dir[2048], target[64];
	struct run idle = {0};

	configure_with(
		r, "  memory: {enabled: false}\n  alloc: {enabled: true}\n",
		"{name: Churn, match: {comm: churner}, condition: alloc_rate > 500KB/s, duration: 2s}");
	agent__start(r);
	run__path_workload("allocs", built);
	snprintf(program, sizeof(program), "%s", recording__file(r, "churner"));
	recording__copy(built, program);
	assert_int_equal(run__start(&idle, ARGS(program, "idle", "90")), 0);
	recording__start(r, ARGS(program, "steady", "90"));
	expect_comes(r, "captures", 1, 80);
	usleep(8000000);
	find_captures(r, dir); /* one more where it became worse: it ramps up */
	snprintf(target, sizeof(target), "-%lld_", r->pid);
	if (!strstr(dir, target))
		fail_msg("a capture of another one than %lld: %s", r->pid, dir);
	assert_int_equal(number_of(r, "fired"), 1);
	kill(idle.pid, SIGKILL);
	run__done(&idle);
}

static void values_that_hover_fire_once_also_over_sigkill(void **state)
{
	struct recording *r = *state;
	long long chosen;
	int status;

	configure(r, "{name: Hover, condition: rss > 21MiB, duration: 1s, keep_firing: 10s}");
	agent__start(r);
	play(r, "hover", "90", "5", &chosen);
	expect_comes(r, "fired", 1, 30);
	usleep(10000000);
	assert_int_equal(number_of(r, "fired"), 1);
	assert_int_equal(number_of(r, "firing"), 1);
	agent__signal(r, SIGKILL);
	assert_int_equal(run__wait(&r->everprof, 10000, &status), 0);
	run__done(&r->everprof);
	agent__launch(r);
	for (int i = 0; i < 100 && !strstr(run__errors(&r->everprof), "rules are in force"); i++) {
		run__wait_line(&r->everprof, "never", 100, (char[16]){""}, 16);
	}
	expect_comes(r, "firing", 1, 20);
	usleep(8000000);
	/* of this run, which knows what the one before had told */
	assert_int_equal(number_of(r, "fired"), 0);
	assert_int_equal(number_of(r, "firing"), 1);
	run__done(&r->workload);
	for (int i = 0; i < 80 && number_of(r, "firing"); i++)
		usleep(250000);
	assert_int_equal(number_of(r, "firing"), 0);
	agent__expect_end(r);
	assert_non_null(strstr(run__errors(&r->everprof), "'Hover' is over for pid"));
}

/* A program that dies of a signal: an event, told under the name that it was started by, and its process is gone by then. */
static void a_fatal_signal_is_captured_once(void **state)
{
	struct recording *r = *state;
	char dir[2048], target[64];
	long long chosen;

	configure(r, "{name: Died, condition: fatal_signal, match: {comm: alarm-hover}}");
	agent__start(r);
	play(r, "hover", "60", "3", &chosen);
	usleep(2000000);
	assert_int_equal(number_of(r, "fired"), 0);
	assert_int_equal(kill((pid_t)chosen, SIGSEGV), 0);
	expect_comes(r, "captures", 1, 20);
	usleep(6000000);
	assert_int_equal(number_of(r, "fired"), 1);
	assert_int_equal(find_captures(r, dir), 1);
	snprintf(target, sizeof(target), "-%lld_", chosen);
	assert_non_null(strstr(dir, target));
	/* over after its time, although nothing of it is measured any more */
	for (int i = 0; i < 60 && number_of(r, "firing"); i++)
		usleep(250000);
	assert_int_equal(number_of(r, "firing"), 0);
	agent__expect_end(r);
}

/*
 * In a control group of its own in each hierarchy of this host, with a tenth of a CPU, before all others, and 200 MiB: runs the command. "has 1": there are such limits,
 * and the kernel tells the group's pressure.
 */
static const char in_group[] =
	"for d in /sys/fs/cgroup /sys/fs/cgroup/unified /sys/fs/cgroup/cpu /sys/fs/cgroup/memory; do\n"
	"	[ -e $d/cgroup.procs ] || continue\n"
	"	[ ! -e $d/cgroup.subtree_control ] || { echo +cpu; echo +memory; } "
	">>$d/cgroup.subtree_control\n"
	"	g=$d/$1; mkdir -p $g && echo $$ >$g/cgroup.procs\n"
	"	[ ! -e $g/cpu.pressure ] || pressure=1\n"
	"	[ ! -e $g/cpu.max ] || { echo 10000 >$g/cpu.weight; echo 10000 100000 >$g/cpu.max && "
	"quota=1; }\n"
	"	[ ! -e $g/cpu.cfs_quota_us ] || { echo 262144 >$g/cpu.shares; echo 10000 "
	">$g/cpu.cfs_quota_us && quota=1; }\n"
	"	[ ! -e $g/memory.max ] || { echo 209715200 >$g/memory.max && limit=1; }\n"
	"	[ ! -e $g/memory.limit_in_bytes ] || { echo 209715200 >$g/memory.limit_in_bytes && limit=1; "
	"}\n"
	"done 2>/dev/null\n"
	"[ \"$pressure$quota$limit\" = 111 ] && echo has 1 || echo has 0\n"
	"exec taskset -c 0 sh -c \"$2\"\n";

static bool run_in_group(struct run *run, const char *name, const char *command)
{
	long long has;

	assert_int_equal(run__start(run, ARGS("/bin/sh", "-c", in_group, "sh", name, command)), 0);
	assert_int_equal(run__wait_number(run, "has ", 10000, &has), 0);
	return has;
}

static void end_group(struct run *run, const char *name)
{
	char line[512];
	int status;

	run__done(run);
	snprintf(line, sizeof(line),
		 "for i in $(seq 100); do rmdir /sys/fs/cgroup/%s /sys/fs/cgroup/*/%s; "
		 "ls -d /sys/fs/cgroup/%s /sys/fs/cgroup/*/%s || break; sleep 0.05; done >/dev/null 2>&1; "
		 "true",
		 name, name, name, name);
	assert_int_equal(run__to_end(run, 20000, &status, ARGS("/bin/sh", "-c", line)), 0);
	run__done(run);
}

/* Of two groups with the same limits the one that wants more: by its pressure, its throttling, its share of the quota, and the time to its limit at once. */
static void a_group_that_is_held_back_fires_and_its_idle_sibling_does_not(void **state)
{
	static const char *const members[] = {"sh", "taskset", "alarms", "alarm-leak", "sleep", "mkdir"};
	struct recording *r = *state;
	char busy[64], idle[64], rule[1024], dir[2048], program[4096], command[4200];
	struct run sibling = {0};
	struct expect_sum all, own;
	struct profile *p;
	bool can;

	snprintf(busy, sizeof(busy), "everprof-held-%d-busy", (int)getpid());
	snprintf(idle, sizeof(idle), "everprof-held-%d-idle", (int)getpid());
	can = run_in_group(&sibling, idle, "sleep 1000");
	can = run_in_group(&r->workload, busy, "exec sleep 1000") && can;
	if (!can) {
		end_group(&sibling, idle);
		end_group(&r->workload, busy);
		print_message("no control group with limits and pressure can be made here\n");
		skip();
	}
	snprintf(rule, sizeof(rule),
		 "{name: Held, scope: cgroup, match: {cgroup: \"/everprof-held-%d-*\", comm: [], exe: []}, "
		 "duration: 2s, limits: {escalation: 1000%%}, condition: {all: [psi_cpu_some_percent > 50, "
		 "throttled_percent > 50, cpu_limit_percent > 50, memory_limit_eta < 10m]}}",
		 (int)getpid());
	configure(r, rule);
	agent__start(r);
	expect_comes(r, "targets", 2, 20);
	usleep(3000000);
	assert_int_equal(number_of(r, "fired"), 0);
	run__done(&r->workload);
	/* one of the two always waits, and the third grows by up to 4 MiB a second */
	run__path_workload("alarms", program);
	snprintf(command, sizeof(command), "%s leak 60 1 & while :; do :; done & while :; do :; done",
		 program);
	assert_true(run_in_group(&r->workload, busy, command));
	expect_comes(r, "captures", 1, 60);
	for (int i = 0; i < 240 && !find_captures(r, dir); i++)
		usleep(250000);
	assert_int_equal(find_captures(r, dir), 1);
	assert_int_equal(number_of(r, "fired"), 1);
	assert_int_equal(number_of(r, "firing"), 1);
	if (!strstr(dir, "-busy_"))
		fail_msg("captured is '%s'", dir);
	p = expect_profile(strcat(dir, "/cpu.pb.gz"));
	expect__sum(p, NULL, &all);
	for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++) {
		expect__sum(p, &(struct expect_filter){.comm = members[i]}, &own);
		assert_true(i || own.ns > 0);
		all.ns -= own.ns;
	}
	if (all.ns) {
		expect__print(p, NULL);
		fail_msg("others than its own are in its capture");
	}
	profile__free(p);
	end_group(&r->workload, busy);
	for (int i = 0; i < 80 && number_of(r, "firing"); i++)
		usleep(250000);
	assert_int_equal(number_of(r, "firing"), 0);
	end_group(&sibling, idle);
	agent__expect_end(r);
}

/* What $2 says, and three that always want the same CPU, in a group of version 2 of their own, where there is that hierarchy: has 1. */
static const char crowd_of_three[] =
	"eval \"$2\"\n"
	"for d in /sys/fs/cgroup /sys/fs/cgroup/unified; do\n"
	"	[ -e $d/cgroup.controllers ] || continue\n"
	"	mkdir -p $d/$1 && echo $$ >$d/$1/cgroup.procs && echo has 1 && "
	"exec taskset -c 0 sh -c 'while :; do :; done & while :; do :; done & while :; do :; done'\n"
	"done 2>/dev/null\n"
	"echo has 0\n";

/* What the kernel's account says of the group's threads: for how long they have waited for a CPU, and how often they came to one. */
static void read_waits(const char *group, double *ret_ns, double *ret_n)
{
	struct run run = {};
	char line[512];
	int status;

	snprintf(line, sizeof(line),
		 "cat $(sed 's|.*|/proc/&/schedstat|' /sys/fs/cgroup/%s/cgroup.procs "
		 "/sys/fs/cgroup/unified/%s/cgroup.procs) | "
		 "awk '{ ns += $2; n += $3 } END { printf \"%%.0f %%d\", ns, n }'",
		 group, group);
	assert_int_equal(run__to_end(&run, 20000, &status, ARGS("/bin/sh", "-c", line)), 0);
	assert_int_equal(sscanf(run__out(&run), "%lf %lf", ret_ns, ret_n), 2);
	run__done(&run);
}

/*
 * Each waits while the two others have their turn, and for an instant each time that something else of this host comes between: the longer ones are a good part of all,
 * whatever comes. What a rule goes by is the upper end of a power of two.
 */
static void assert_queue(struct recording *r, const char *beside, const char *budget, const char *says)
{
	char group[64], rule[512], events[128], line[256];
	double before_ns, ns, before_n, n, mean, value;
	long long has;
	json_t *told;

	snprintf(group, sizeof(group), "everprof-crowd-%d", (int)getpid());
	assert_int_equal(run__start(&r->workload, ARGS("/bin/sh", "-c", crowd_of_three, "sh", group, beside)),
			 0);
	assert_int_equal(run__wait_number(&r->workload, "has ", 10000, &has), 0);
	if (!has) {
		end_group(&r->workload, group);
		print_message("no control group of version 2 can be made here\n");
		skip();
	}
	snprintf(rule, sizeof(rule),
		 "{name: Queue, scope: cgroup, match: {cgroup: \"/%s\", comm: [], exe: []}, duration: 1s, "
		 "condition: run_queue_latency_p95 > 1h}",
		 group);
	snprintf(events, sizeof(events),
		 "  memory: {enabled: false}\n  alloc: {enabled: false}\n  offcpu: {budget: %s}\n", budget);
	configure_with(r, events, rule);
	agent__start(r);
	for (int i = 0; i < 80 && !strstr(run__errors(&r->everprof), says); i++)
		run__wait_line(&r->everprof, "nothing that it says", 250, line, sizeof(line));
	assert_non_null(strstr(run__errors(&r->everprof), says));
	expect_comes(r, "measured", 1, 20);
	read_waits(group, &before_ns, &before_n);
	usleep(3000000);
	/* a second in which none was seen says nothing, and the passes of rules and those over all threads are not in step */
	told = ask_rule(r);
	for (int i = 0; i < 40 && !json_is_number(json_object_get(told, "value")); i++) {
		json_decref(told);
		usleep(250000);
		told = ask_rule(r);
	}
	read_waits(group, &ns, &n);
	value = json_number_value(json_object_get(told, "value"));
	mean = (ns - before_ns) / (n - before_n) / NS_PER_SEC;
	if (!(n - before_n > 30) || !(mean > 0.0005) || !(value >= mean / 2 && value <= mean * 20))
		fail_msg("%g s, of %g waits of %g s:\n%s", value, n - before_n, mean,
			 json_dumps(told, JSON_INDENT(1)));
	json_decref(told);
	end_group(&r->workload, group);
	agent__expect_end(r);
}

static void a_groups_wait_for_a_cpu_is_that_of_the_kernels_account(void **state)
{
	assert_queue(*state, ":", "10%", "");
}

/* So often does the other CPU change its thread that the hook costs too much, and goes for half a minute. */
static void so_it_is_where_switches_are_too_many_to_be_looked_at(void **state)
{
	assert_queue(*state, "taskset -c 1 perf bench sched pipe -l 100000000 >/dev/null 2>&1 &", "0.01%",
		     "waits are sampled by passes over all threads");
}

/* ---- the real Alertmanager -------------------------------------------------------------------------------------------- */

/* The body at http://127.0.0.1:port/path, or "". */
static const char *get(struct run *run, int port, const char *path)
{
	char url[256];
	int status;

	run__done(run);
	*run = (struct run){};
	snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", port, path);
	assert_int_equal(run__to_end(run, 20000, &status, ARGS("/usr/bin/curl", "-s", "-m", "10", url)), 0);
	return status ? "" : run__out(run);
}

/* Its own count of what it has received over the API that is pushed to. */
static double received(int port, const char *status)
{
	struct run run = {};
	char line[128];
	const char *text = get(&run, port, "/metrics"), *at;
	double n;

	snprintf(line, sizeof(line), "alertmanager_alerts_received_total{status=\"%s\",version=\"v2\"} ",
		 status);
	at = strstr(text, line);
	n = at ? strtod(at + strlen(line), NULL) : -1;
	run__done(&run);
	return n;
}

static bool is_received(int port, const char *status, int seconds)
{
	for (int i = 0; i < seconds * 2; i++) {
		if (received(port, status) >= 1)
			return true;
		usleep(500000);
	}
	return false;
}

static void the_real_alertmanager_receives_firing_and_resolved(void **state)
{
	struct recording *r = *state;
	struct run am = {}, answer = {};
	char rule[512], pid[32];
	const char *alerts;
	json_t *list, *labels;
	long long chosen;
	int port;

	if (!alertmanager__is_here())
		skip();
	port = alertmanager__free_port();
	snprintf(rule, sizeof(rule),
		 "{name: Big, condition: rss > 10MiB, duration: 1s, labels: {severity: page}, "
		 "annotations: {summary: \"{target} has {value}\"}, notify: [{alertmanager: "
		 "\"http://127.0.0.1:%d\"}]}",
		 port);
	configure(r, rule);
	agent__start(r);
	play(r, "hover", "60", "3", &chosen);
	/* nobody is there yet: it waits on the disk, and is tried again */
	expect_comes(r, "fired", 1, 30);
	usleep(2000000);
	alertmanager__start(r, &am, port, "{receiver: none}", "[{name: none}]");
	assert_true(is_received(port, "firing", 40));
	alerts = get(&answer, port, "/api/v2/alerts");
	list = json_loads(alerts, 0, NULL);
	if (json_array_size(list) != 1)
		fail_msg("Alertmanager knows: %s", alerts);
	labels = json_object_get(json_array_get(list, 0), "labels");
	snprintf(pid, sizeof(pid), "%lld", chosen);
	assert_string_equal(json_string_value(json_object_get(labels, "alertname")), "Big");
	assert_string_equal(json_string_value(json_object_get(labels, "severity")), "page");
	assert_string_equal(json_string_value(json_object_get(labels, "comm")), "alarm-hover");
	assert_string_equal(json_string_value(json_object_get(labels, "pid")), pid);
	json_decref(list);
	assert_int_equal(received(port, "resolved"), 0);
	run__done(&r->workload);
	assert_true(is_received(port, "resolved", 40));
	alerts = get(&answer, port, "/api/v2/alerts?active=true");
	assert_string_equal(alerts, "[]\n");
	run__done(&answer);
	run__done(&am);
	agent__expect_end(r);
}

/* A program is told where the capture is, and can do nothing that nobody could. */
static void a_program_runs_without_privileges_and_finds_the_capture(void **state)
{
	struct recording *r = *state;
	char rule[1024], text[4096] = "", dir[2048];
	long long chosen;
	FILE *f;

	assert_int_equal(
		recording__shell(r, "mkdir out && chmod 777 out . && cat > told <<'X'\n"
				    "#!/bin/sh\n"
				    "cd \"$1\" && { id -u; grep -c '^CapEff:.0*$' /proc/self/status; echo "
				    "\"$EVERPROF_CAPTURE\"; "
				    "ls \"$EVERPROF_CAPTURE\" >/dev/null 2>&1 && echo reads || echo cannot; "
				    "echo \"$EVERPROF_STATUS $EVERPROF_RULE $EVERPROF_PID\"; } "
				    ">\"$EVERPROF_STATUS.tmp\" && mv "
				    "\"$EVERPROF_STATUS.tmp\" \"$EVERPROF_STATUS\"\n"
				    "X\nchmod 755 told"),
		0);
	snprintf(rule, sizeof(rule),
		 "{name: Big, condition: rss > 10MiB, duration: 1s, notify: [{run: [\"%s/told\", "
		 "\"%s/out\"]}]}",
		 r->dir, r->dir);
	configure(r, rule);
	agent__start(r);
	play(r, "hover", "60", "3", &chosen);
	for (int i = 0; i < 240 && access(recording__file(r, "out/firing"), R_OK); i++)
		usleep(250000);
	f = fopen(recording__file(r, "out/firing"), "r");
	assert_non_null(f);
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	assert_int_equal(find_captures(r, dir), 1);
	{
		char expected[4096];

		snprintf(expected, sizeof(expected), "61909\n1\n%s\ncannot\nfiring Big %lld\n", dir, chosen);
		assert_string_equal(text, expected);
	}
	agent__expect_end(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		e2e_test(a_spike_in_one_of_many_is_captured_with_what_was_before),
		e2e_test(of_a_crowd_that_crosses_at_once_the_worst_few_are_captured),
		e2e_test(a_leak_fires_and_a_sawtooth_does_not),
		e2e_test(a_function_that_takes_its_share_fires_for_who_burns_it),
		e2e_test(a_new_build_fires_when_its_time_goes_elsewhere),
		e2e_test(who_allocates_fires_and_who_waits_does_not),
		e2e_test(values_that_hover_fire_once_also_over_sigkill),
		e2e_test(a_fatal_signal_is_captured_once),
		e2e_test(a_group_that_is_held_back_fires_and_its_idle_sibling_does_not),
		e2e_test(a_groups_wait_for_a_cpu_is_that_of_the_kernels_account),
		e2e_test(so_it_is_where_switches_are_too_many_to_be_looked_at),
		e2e_test(the_real_alertmanager_receives_firing_and_resolved),
		e2e_test(a_program_runs_without_privileges_and_finds_the_capture),
	};

	return cmocka_run_group_tests_name("rules", tests, NULL, NULL);
}
