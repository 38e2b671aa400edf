// SPDX-License-Identifier: Apache-2.0
/* Captures of the running agent: what was recorded before somebody asked, exact to the second, of whom was asked for; and whole, whatever is killed. */
#include <errno.h>
#include <glob.h>
#include <math.h>
#include <signal.h>
#include <sys/resource.h>

#include "tests/e2e/e2e.h"
#include "tests/support/agent.h"
#include "tests/support/captured.h"
#include "user/base/clock.h"

#define SPIKE_S "5"
#define KILLS   6

/* Windows of 5 s, so that the part before lies in several, closed and open. */
static void configure(const struct recording *r)
{
	char text[2048];

	snprintf(text, sizeof(text),
		 "profiling:\n  window: 5s\n  cpu: {frequency: 99}\n  memory: {enabled: false}\n  alloc: "
		 "{enabled: false}\n"
		 "  captures: {before: 20s, after: 2s}\n  output: {directory: %s/store}\nserver: {listen: "
		 "off}\n",
		 r->dir);
	agent__write_config(r, text);
}

/* Of all that were waited for. */
static uint64_t children_cpu_ns(void)
{
	struct rusage u;

	getrusage(RUSAGE_CHILDREN, &u);
	return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * NS_PER_SEC +
	       (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000;
}

/* A spike that is over: five seconds of a process that has ended by the time that anybody asks. */
static long long a_spike(uint64_t *ret_cpu_ns)
{
	struct run spike = {};
	char program[4096];
	long long pid;
	int status;

	run__path_workload("calltree", program);
	assert_int_equal(run__start(&spike, ARGS(program, SPIKE_S)), 0);
	assert_int_equal(run__wait_number(&spike, "ready ", 10000, &pid), 0);
	*ret_cpu_ns = children_cpu_ns();
	assert_int_equal(run__wait(&spike, 60000, &status), 0);
	assert_int_equal(status, 0);
	*ret_cpu_ns = children_cpu_ns() - *ret_cpu_ns;
	run__done(&spike);
	return pid;
}

static void the_signal_keeps_what_burned_before_it_came(void **state)
{
	struct recording *r = *state;
	struct expect_filter mine;
	struct expect_sum before, after, all;
	struct captured f;
	const struct profile_meta *m;
	struct profile *p;
	uint64_t asked_ns, truth;
	double allowed;

	configure(r);
	agent__start(r);
	mine = (struct expect_filter){.pid = a_spike(&truth)};
	usleep(1500000);
	asked_ns = clock__real_ns();
	agent__signal(r, SIGUSR2);
	captured__expect(r, &f);
	assert_string_equal(captured__text(&f, "rule"), "manual");
	assert_true(llabs((long long)json_integer_value(json_object_get(f.meta, "fired_unix_ns")) -
			  (long long)asked_ns) < (long long)NS_PER_SEC / 2);

	p = captured__profile(&f, "before.cpu.pb.gz");
	m = profile__meta(p);
	/* it ends with the slice in which the signal came, and begins with that of 20 s before, or where recording began */
	assert_true(m->time_ns + m->duration_ns >= (int64_t)asked_ns - (int64_t)NS_PER_SEC / 20);
	assert_true(m->time_ns + m->duration_ns <= (int64_t)(asked_ns + 3 * NS_PER_SEC / 2));
	assert_true(m->time_ns >= (int64_t)(asked_ns - 22 * NS_PER_SEC));
	assert_true(m->duration_ns >= (int64_t)(7 * NS_PER_SEC));
	/* it says where it is less than was asked for: the agent began to record some ten seconds ago */
	assert_int_equal(expect__comment(p, "not covered: ") != NULL,
			 m->duration_ns < (int64_t)(18 * NS_PER_SEC));
	expect__sum(p, &mine, &before);
	/* where it had to share its CPU its few samples are as many as chance makes them */
	allowed = fmax(0.1 * (double)truth, 3 * sqrt((double)truth * NS_PER_SEC / 99));
	if (fabs((double)before.ns - (double)truth) > allowed)
		fail_msg("before holds %.0f ms of the spike, the kernel accounts %.0f ms",
			 (double)before.ns / 1e6, (double)truth / 1e6);
	expect_share(p, &mine, "top1;c1;b1;a1;tree_round" TO_ROOT, 0.5);
	profile__free(p);

	p = captured__profile(&f, "after.cpu.pb.gz");
	assert_true(llabs((long long)profile__meta(p)->duration_ns - 2 * (long long)NS_PER_SEC) <
		    (long long)NS_PER_SEC);
	expect__sum(p, &mine, &after);
	assert_int_equal(after.ns, 0);
	profile__free(p);
	p = captured__profile(&f, "cpu.pb.gz");
	expect__sum(p, &mine, &all);
	assert_int_equal(all.ns, before.ns);
	profile__free(p);
	p = captured__profile(&f, "offcpu.pb.gz");
	profile__free(p);
	agent__expect_end(r);
}

/* everprof captures … on the store of the recording; its standard output. */
static int captures(const struct recording *r, struct run *run, const char *const *args)
{
	const char *argv[RUN_ARGS_MAX] = {NULL, "captures", "--store", NULL};
	static char everprof[4096], store[128];
	int status, n = 4;

	run__path_everprof(everprof);
	snprintf(store, sizeof(store), "%s/store", r->dir);
	argv[0] = everprof;
	argv[3] = store;
	while (*args)
		argv[n++] = *args++;
	assert_int_equal(run__to_end(run, 60000, &status, argv), 0);
	return status;
}

static void a_process_is_captured_alone_pinned_and_deleted(void **state)
{
	struct recording *r = *state;
	struct expect_sum mine, all;
	struct captured f;
	struct run run = {};
	char pid[32], id[64];
	struct profile *p;

	recording__start(r, ARGS("calltree", RECORDING_LONG));
	configure(r);
	agent__start(r);
	snprintf(pid, sizeof(pid), "%lld", r->pid);
	assert_int_equal(captures(r, &run,
				  ARGS("trigger", "--pid", pid, "--before", "3s", "--after", "1s", "-F",
				       "500", "--rule", "ByHand", "--cause", "a test", "--wait")),
			 0);
	run__done(&run);
	captured__expect(r, &f);
	snprintf(id, sizeof(id), "%s", f.id);
	assert_string_equal(captured__text(&f, "rule"), "ByHand");
	assert_string_equal(json_string_value(json_object_get(json_object_get(f.meta, "trigger"), "cause")),
			    "a test");
	p = captured__profile(&f, "cpu.pb.gz");
	expect__sum(p, &(struct expect_filter){.pid = r->pid}, &mine);
	expect__sum(p, &(struct expect_filter){0}, &all);
	assert_true(mine.ns > NS_PER_SEC / 5);
	assert_int_equal(mine.ns, all.ns);
	profile__free(p);
	/* twice the configured frequency is what the tables are made for */
	p = captured__profile(&f, "after.cpu.pb.gz");
	assert_true(profile__meta(p)->period <= (int64_t)(NS_PER_SEC / 190));
	profile__free(p);

	assert_int_equal(captures(r, &run, ARGS("list")), 0);
	assert_non_null(strstr(run__out(&run), id));
	assert_non_null(strstr(run__out(&run), "ByHand: process calltree"));
	run__done(&run);
	assert_int_equal(captures(r, &run, ARGS("show", id)), 0);
	assert_non_null(strstr(run__out(&run), "top1"));
	assert_non_null(strstr(run__out(&run), "meta.json"));
	run__done(&run);
	assert_int_equal(captures(r, &run, ARGS("pin", id)), 0);
	run__done(&run);
	assert_int_equal(captures(r, &run, ARGS("delete", id)), 1);
	assert_non_null(strstr(run__errors(&run), "is pinned"));
	run__done(&run);
	assert_int_equal(captures(r, &run, ARGS("unpin", id)), 0);
	run__done(&run);
	assert_int_equal(captures(r, &run, ARGS("delete", id)), 0);
	run__done(&run);
	assert_int_equal(captures(r, &run, ARGS("show", id)), 1);
	run__done(&run);
	agent__expect_end(r);
	assert_int_equal(captures(r, &run, ARGS("trigger")), 1);
	assert_non_null(strstr(run__errors(&run), "no agent is running"));
	run__done(&run);
}

/* Each that is there can be read, whenever it is looked at: find_captures reads the facts, this the profiles. */
static int expect_all_whole(const struct recording *r)
{
	char pattern[1100];
	glob_t found = {0};
	int n;

	snprintf(pattern, sizeof(pattern), "%s/store/captures/*/*/*.pb.gz", r->dir);
	assert_true(glob(pattern, GLOB_ERR, NULL, &found) != GLOB_ABORTED);
	for (size_t i = 0; i < found.gl_pathc; i++)
		profile__free(expect_profile(found.gl_pathv[i]));
	n = (int)found.gl_pathc;
	globfree(&found);
	return n;
}

/* Captures and what is being written of them. */
static int n_folders(const struct recording *r)
{
	char pattern[1100];
	glob_t found = {0};
	int n;

	snprintf(pattern, sizeof(pattern), "%s/store/captures/*/*", r->dir);
	glob(pattern, GLOB_PERIOD, NULL, &found);
	n = (int)found.gl_pathc;
	globfree(&found);
	return n;
}

static void await_writing(const struct recording *r, int n_before)
{
	for (int i = 0; i < 3000 && n_folders(r) <= n_before; i++)
		usleep(10000);
	assert_true(n_folders(r) > n_before);
}

static void a_kill_at_any_moment_leaves_whole_captures(void **state)
{
	static const char *const patterns[] = {"c*", "ca*", "cal*", "call*"};
	struct recording *r = *state;
	struct captured last;
	uint32_t seed = 7;
	int n_files = 0;

	recording__start(r, ARGS("calltree", RECORDING_LONG));
	configure(r);
	agent__start(r);
	for (int i = 0; i < KILLS; i++) {
		struct run run = {};
		int n_before = n_folders(r);

		/* several at once, so that some are being written when the kill comes */
		for (int k = 0; k < 4; k++) {
			/* until it answers: an agent takes its time to start */
			for (int tries = 0; captures(r, &run,
						     ARGS("trigger", "--comm", patterns[k], "--before", "2s",
							  "--after", "1s", "-e", "cpu"));
			     tries++) {
				run__done(&run);
				assert_true(tries < 100);
				usleep(100000);
			}
			run__done(&run);
		}
		await_writing(r, n_before);
		seed = seed * 1664525 + 1013904223;
		usleep((seed >> 8) % 200000);
		agent__signal(r, SIGKILL);
		run__done(&r->everprof);
		n_files = expect_all_whole(r);
		captured__find(r, &last);
		agent__launch(r);
	}
	/* else nothing was written before a kill */
	assert_true(n_files > 0);
}

/* Until it is written, the list has it, and who asks for it is told so. */
static void one_that_goes_on_is_listed(void **state)
{
	struct recording *r = *state;
	char id[16] = "", want[64];
	struct run run = {};

	configure(r);
	agent__start(r);
	assert_int_equal(captures(r, &run, ARGS("trigger", "--after", "60s", "--rule", "mine")), 0);
	assert_int_equal(sscanf(run__out(&run), "%15s", id), 1);
	run__done(&run);
	snprintf(want, sizeof(want), "%s  under way, for ", id);
	assert_int_equal(captures(r, &run, ARGS("list", "--rule", "mine")), 0);
	assert_non_null(strstr(run__out(&run), want));
	run__done(&run);
	assert_int_equal(captures(r, &run, ARGS("list", "--rule", "other")), 0);
	assert_null(strstr(run__out(&run), id));
	run__done(&run);
	assert_int_equal(captures(r, &run, ARGS("show", id)), 1);
	assert_non_null(strstr(run__errors(&run), "is not written yet"));
	run__done(&run);
}

/* -- over HTTP -- */

/* curl of a path; the status, and the body in *run until run__done. */
static int http(const char *base, const char *path, const char *who, const char *method, const char *body,
		struct run *run)
{
	char url[1100];
	const char *mark;
	int status = 0, exit_status;

	snprintf(url, sizeof(url), "%s%s", base, path);
	assert_int_equal(
		run__to_end(run, 60000, &exit_status,
			    (const char *[]){"/usr/bin/curl", "-s", "-m", "20", "-w", "\n#%{http_code}", "-X",
					     method, "-H", who, body ? "--data" : "-H",
					     body ? body : "X-None: 1", url, NULL}),
		0);
	mark = strrchr(run__out(run), '#');
	if (mark)
		status = atoi(mark + 1);
	return status;
}

static void serve(struct recording *r, char base[64])
{
	int port = agent__serve_captures(r, "", "view bearer looking-only\ncapture bearer may-capture\n");

	snprintf(base, 64, "http://127.0.0.1:%d", port);
}

#define LOOKING "Authorization: Bearer looking-only"
#define MAY     "Authorization: Bearer may-capture"

static void captures_are_asked_for_shown_and_pinned_over_http(void **state)
{
	static const char notification[] = "{\"version\":\"4\",\"status\":\"firing\",\"alerts\":[{\"status\":"
					   "\"firing\",\"labels\":{\"alertname\":\"Slow\","
					   "\"instance\":\"localhost:9100\",\"comm\":\"calltree\"},"
					   "\"annotations\":{}},{\"status\":\"firing\",\"labels\":"
					   "{\"alertname\":\"Slow\",\"instance\":\"elsewhere:9100\"}}]}";
	struct recording *r = *state;
	char base[64], path[256];
	struct captured f;
	struct run run = {};
	struct profile *p;
	struct expect_sum mine, all;

	recording__start(r, ARGS("calltree", RECORDING_LONG));
	serve(r, base);
	sleep(4);
	/* a look is not enough, and asking is a POST */
	assert_int_equal(http(base, "/api/v1/captures/trigger", LOOKING, "POST", NULL, &run), 403);
	run__done(&run);
	assert_int_equal(http(base, "/api/v1/captures/trigger", MAY, "GET", NULL, &run), 405);
	run__done(&run);
	assert_int_equal(http(base, "/api/v1/alerts/webhook", LOOKING, "POST", notification, &run), 403);
	run__done(&run);
	assert_int_equal(http(base, "/api/v1/alerts/webhook", MAY, "POST", "{}", &run), 400);
	run__done(&run);
	assert_int_equal(http(base, "/api/v1/alerts/webhook", MAY, "POST", notification, &run), 200);
	assert_non_null(strstr(run__out(&run), "it is of another host"));
	run__done(&run);
	captured__expect(r, &f);
	assert_string_equal(captured__text(&f, "rule"), "Slow");
	p = captured__profile(&f, "cpu.pb.gz");
	expect__sum(p, &(struct expect_filter){.pid = r->pid}, &mine);
	expect__sum(p, &(struct expect_filter){0}, &all);
	assert_true(mine.ns > 0);
	assert_true(all.ns > 0);
	profile__free(p);

	assert_int_equal(http(base, "/api/v1/captures", LOOKING, "GET", NULL, &run), 200);
	assert_non_null(strstr(run__out(&run), f.id));
	run__done(&run);
	snprintf(path, sizeof(path), "/api/v1/captures/%s/cpu.pb.gz?format=top", f.id);
	assert_int_equal(http(base, path, LOOKING, "GET", NULL, &run), 200);
	assert_non_null(strstr(run__out(&run), "\"name\":\"top1\""));
	run__done(&run);
	snprintf(path, sizeof(path), "/api/v1/captures/%s/summary.txt", f.id);
	assert_int_equal(http(base, path, LOOKING, "GET", NULL, &run), 200);
	assert_non_null(strstr(run__out(&run), "everything with comm=calltree"));
	run__done(&run);
	snprintf(path, sizeof(path), "/api/v1/captures/%s/..%%2fmeta.json", f.id);
	assert_int_equal(http(base, path, LOOKING, "GET", NULL, &run) / 100, 4);
	run__done(&run);
	snprintf(path, sizeof(path), "/api/v1/capture/pin?id=%s", f.id);
	assert_int_equal(http(base, path, LOOKING, "POST", NULL, &run), 403);
	run__done(&run);
	assert_int_equal(http(base, path, MAY, "POST", NULL, &run), 200);
	run__done(&run);
	snprintf(path, sizeof(path), "/api/v1/capture/delete?id=%s", f.id);
	assert_int_equal(http(base, path, MAY, "POST", NULL, &run), 409);
	run__done(&run);
	assert_int_equal(captured__find(r, &f), 1);
	agent__expect_end(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		e2e_test(one_that_goes_on_is_listed),
		e2e_test(the_signal_keeps_what_burned_before_it_came),
		e2e_test(a_process_is_captured_alone_pinned_and_deleted),
		e2e_test(a_kill_at_any_moment_leaves_whole_captures),
		e2e_test(captures_are_asked_for_shown_and_pinned_over_http),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
