/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server of a real agent: what it tells is true, what it may is nothing, whom it serves is who may ask, and its death costs no sample.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>

#include <jansson.h>

#include "exporters/format/pprof.h"
#include "tests/e2e/e2e.h"
#include "tests/support/agent.h"
#include "tests/support/answer.h"
#include "user/base/buf.h"
#include "user/base/err.h"
#include "user/base/clock.h"
#include "user/base/io.h"

#define ALWAYS_CPU "cpu: {frequency: 999}"

/* An agent with a server on a port of its own, and that port. `events` stands below "profiling:", `more` below "server:". */
static int launch(struct recording *r, const char *scheme, const char *events, const char *more)
{
	char text[4096];

	snprintf(text, sizeof(text),
		 "profiling:\n  window: 2s\n  %s\n  output: {directory: %s/store}\n"
		 "server:\n  listen: 127.0.0.1:0\n%s",
		 events, r->dir, more);
	agent__write_config(r, text);
	agent__launch(r);
	return agent__expect_port(r, scheme);
}

/* The same without TLS, once it answers. */
static int serve_events(struct recording *r, const char *events, const char *more)
{
	int port = launch(r, "http", events, more);

	for (int i = 0; i < 200 && answer__status(port, "/healthz", "") != 200; i++)
		usleep(20000);
	assert_int_equal(answer__status(port, "/healthz", ""), 200);
	return port;
}

static int serve(struct recording *r, const char *more)
{
	return serve_events(r, ALWAYS_CPU, more);
}

/* Until something of the workload has been recorded, however busy the machine is. */
static void wait_for(int port, const char *path, const char *headers)
{
	for (int i = 0; i < 200 && answer__status(port, path, headers) != 200; i++)
		usleep(100000);
}

/* What it was started with stands in its command line: the agent has other children, which hold probes or send alerts. */
static bool is_server(pid_t pid)
{
	char path[64];
	struct buf b;
	bool is;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	buf__init(&b, 4096);
	is = !io__read_at(AT_FDCWD, path, 4095, &b) && memmem(b.data, b.len, "server-process", 14);
	buf__done(&b);
	return is;
}

/* The process that serves, once there is one. */
static pid_t serving_pid(const struct recording *r)
{
	char path[64], *at, *rest;
	pid_t pid = 0;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", r->everprof.pid, r->everprof.pid);
	for (int i = 0; i < 1000 && !pid; i++) {
		struct buf b;

		buf__init(&b, 4096);
		assert_int_equal(io__read_at(AT_FDCWD, path, 4095, &b), 0);
		rest = strdup(buf__str(&b));
		buf__done(&b);
		assert_non_null(rest);
		for (char *word = strtok_r(rest, " \n", &at); word && !pid; word = strtok_r(NULL, " \n", &at))
			if (is_server(atoi(word)))
				pid = atoi(word);
		free(rest);
		if (!pid)
			usleep(10000);
	}
	assert_true(pid > 0);
	return pid;
}

static struct profile *decode(const struct answer *a)
{
	struct profile *p = NULL;
	struct err e = {""};

	if (a->status != 200)
		fail_msg("status %d: %s", a->status, a->body);
	if (pprof__decode(a->body, a->len, NULL, &p, &e))
		fail_msg("no profile: %s", e.text);
	return p;
}

static void the_next_seconds_are_those_of_the_machine(void **state)
{
	struct recording *r = *state;
	struct expect_filter mine;
	uint64_t truth, window_ns;
	struct answer a;
	int port;

	recording__start(r, ARGS("calltree", RECORDING_LONG));
	port = serve(r, "");
	assert_int_equal(cpu_track__start((pid_t)r->pid, &r->track), 0);
	wait_for(port, "/api/v1/query?from=now-1m&format=pprof", "");
	answer__get(port, "/debug/pprof/profile?seconds=3", "", &a);
	assert_non_null(strstr((char *)a.all.data, "Content-Type: application/octet-stream"));
	assert_non_null(strstr((char *)a.all.data, "filename=\"profile\""));
	assert_null(strstr((char *)a.all.data, "Content-Encoding"));
	cpu_track__stop(r->track);
	r->profile = decode(&a);
	buf__done(&a.all);
	mine = (struct expect_filter){.pid = r->pid};
	expect_share(r->profile, &mine, "top1;c1;b1;a1;tree_round" TO_ROOT, 0.5);
	expect_complete(r->profile, &mine, COMPLETE);
	/* slices are seconds: three of them, or two and three by where the second began */
	assert_in_range(profile__meta(r->profile)->duration_ns / 1000000, 1900, 5000);
	truth = recording__truth(r, &window_ns);
	expect_total(r->profile, &mine, truth, window_ns, RECORDING_HZ);
}

/* Off in the configuration, an event is recorded for as long as somebody asks for it, and nothing of that goes to the disk. */
static void what_is_off_is_recorded_for_who_asks(void **state)
{
	struct recording *r = *state;
	struct agent_files files;
	struct answer a;
	int port;

	recording__start(r, ARGS("calltree", RECORDING_LONG));
	port = serve_events(r, "cpu: {enabled: false, frequency: 999}", "");
	assert_int_equal(cpu_track__start((pid_t)r->pid, &r->track), 0);
	for (int i = 0; i < 2; i++) {
		struct expect_filter mine = {.pid = r->pid};

		answer__get(port, "/debug/pprof/profile?seconds=2", "", &a);
		profile__free(r->profile);
		r->profile = decode(&a);
		buf__done(&a.all);
		expect_share(r->profile, &mine, "top1;c1;b1;a1;tree_round" TO_ROOT, 0.5);
		assert_in_range(profile__meta(r->profile)->duration_ns / 1000000, 900, 4000);
	}
	cpu_track__stop(r->track);
	usleep(3000000);
	agent__expect_files(r, &files);
	assert_int_equal(files.n, 0);
}

static void expect_in_focus(int port, const char *focus, bool is_some)
{
	char path[200];
	struct answer a;

	snprintf(path, sizeof(path), "/api/v1/query?from=now-1m&format=top&comm=calltree&focus=%s", focus);
	assert_int_equal(answer__get(port, path, "", &a), 200);
	assert_int_equal(strstr(a.body, "\"in_focus\":0,") == NULL, is_some);
	buf__done(&a.all);
}

static void a_selector_takes_a_part_and_nothing_else(void **state)
{
	struct recording *r = *state;
	char path[200];
	struct answer a;
	int port;

	recording__start(r, ARGS("calltree", RECORDING_LONG));
	port = serve(r, "");
	wait_for(port, "/api/v1/query?from=now-1m&format=pprof", "");
	usleep(3000000);
	snprintf(path, sizeof(path), "/api/v1/query?event=cpu&from=now-1m&format=pprof&pid=%lld", r->pid);
	answer__get(port, path, "", &a);
	r->profile = decode(&a);
	buf__done(&a.all);
	assert_true(profile__n_samples(r->profile) > 0);
	for (uint32_t i = 0; i < profile__n_samples(r->profile); i++)
		assert_int_equal(
			profile__find_label(r->profile, profile__get_sample(r->profile, i)->labels, "pid")
				->num,
			r->pid);
	assert_int_equal(
		answer__status(port, "/api/v1/query?event=cpu&from=now-1m&pid=1999999999&format=pprof", ""),
		200);
	assert_int_equal(answer__status(port, "/api/v1/query?event=cpu&from=now-1m&pid=calltree", ""), 400);
	/* no regular expression: of these, "tree_{1,9}" would be in all of them and "((" an error */
	expect_in_focus(port, "%5Etree_", true);
	expect_in_focus(port, "tree_%7B1,9%7D", false);
	expect_in_focus(port, "%28%28", false);
	assert_int_equal(answer__status(port, "/api/v1/query?event=nosuch", ""), 404);
	assert_int_equal(answer__status(port, "/api/v1/query?from=yesterday", ""), 400);
}

#define BROWSER "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0)\r\n"

/* By what a path is asked, and two that have an older name as well. */
static void a_path_is_asked_by_its_methods(void **state)
{
	static const struct {
		const char *method, *path;
		int status;
		const char *headers;
	} cases[] = {
		{"HEAD", "/metrics", 200},
		{"POST", "/metrics", 405},
		{"POST", "/", 405},
		{"OPTIONS", "/", 204},
		{"DELETE", "/api/v1/captures", 405},
		{"GET", "/api/v1/captures/trigger", 405},
		{"GET", "/api/v1/alerts/webhook", 405},
		{"GET", "/api/v1/capture/pin?id=x", 405},
		{"POST", "/api/v1/capture/pin?id=x", 404},
		{"POST", "/api/v1/profiling/cpu/start?duration=1s", 200},
		{"GET", "/api/v1/profiling/cpu/start?duration=1s", 200},
		/* a picture in a page of anybody's */
		{"GET", "/api/v1/profiling/cpu/start?duration=1s", 405, BROWSER},
		{"GET", "/api/v1/profiling/cpu/cancel/0123456789abcdef", 405, BROWSER},
		{"GET", "/api/v1/profiling/cpu/status/0123456789abcdef", 404, BROWSER},
		{"GET", "/api/v1/profiling/cpu/cancel/0123456789abcdef", 404,
		 BROWSER "Sec-Fetch-Site: none\r\n"},
		{"POST", "/api/v1/profiling/cpu/cancel/0123456789abcdef", 404, BROWSER},
		{"POST", "/debug/pprof/symbol", 200},
		{"GET", "/api/v1/profiling/goroutine?debug=1", 200},
		{"PUT", "/nothing", 404},
	};
	struct recording *r = *state;
	int port = serve(r, "");
	char request[300];
	struct answer a;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		snprintf(request, sizeof(request),
			 "%s %s HTTP/1.1\r\nHost: localhost\r\n%sConnection: close\r\n\r\n", cases[i].method,
			 cases[i].path, cases[i].headers ? cases[i].headers : "");
		if (answer__ask(port, request, &a) != cases[i].status)
			fail_msg("%s: %d, not %d", request, a.status, cases[i].status);
		buf__done(&a.all);
	}
}

/* For root and its group, under whatever name. */
static void the_unix_socket_serves_the_same(void **state)
{
	struct recording *r = *state;
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	const struct timeval limit = {.tv_sec = 20};
	struct answer a;
	struct stat st;
	char more[300];
	int fd;

	snprintf(to.sun_path, sizeof(to.sun_path), "%s/socket", r->dir);
	snprintf(more, sizeof(more), "  socket: %s\n", to.sun_path);
	serve(r, more);
	assert_int_equal(stat(to.sun_path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	answer__over(fd, "GET /metrics HTTP/1.1\r\nHost: everprof\r\nConnection: close\r\n\r\n", &a);
	assert_int_equal(a.status, 200);
	assert_non_null(strstr(a.body, "everprof_build_info"));
	buf__done(&a.all);
}

static void a_timeline_adds_up_to_what_the_files_have(void **state)
{
	struct recording *r = *state;
	long long sum = 0, values = 0;
	json_t *series, *one;
	struct answer a;
	size_t i;
	int port;

	recording__start(r, ARGS("calltree", RECORDING_LONG));
	port = serve(r, "");
	wait_for(port, "/api/v1/query?from=now-1m&format=pprof", "");
	usleep(2000000);
	answer__get(port, "/api/v1/series?by=process&from=now-1m&n=500", "", &a);
	assert_int_equal(a.status, 200);
	series = json_loadb(a.body, a.len, 0, NULL);
	assert_non_null(series);
	buf__done(&a.all);
	assert_string_equal(json_string_value(json_object_get(series, "type")), "cpu");
	json_array_foreach(json_object_get(series, "total"), i, one) sum += json_integer_value(one);
	json_array_foreach(json_object_get(series, "series"), i, one) values +=
		json_integer_value(json_object_get(one, "sum"));
	assert_true(sum > 0);
	assert_int_equal(sum, values);
	json_decref(series);
}

/* Asked for twice as many samples, each stands for half the time; then it is as it was. */
static void a_rate_is_kept_while_somebody_asks(void **state)
{
	struct recording *r = *state;
	const char *const paths[] = {"/debug/pprof/profile?seconds=2&rate=198",
				     "/debug/pprof/profile?seconds=2"};
	struct answer a;
	int port;

	recording__start(r, ARGS("calltree", RECORDING_LONG));
	port = serve_events(r, "cpu: {frequency: 99}", "");
	for (int i = 0; i < 2; i++) {
		struct profile *p;

		answer__get(port, paths[i], "", &a);
		p = decode(&a);
		buf__done(&a.all);
		assert_in_range(profile__meta(p)->period, (i ? 9900000 : 4900000), (i ? 10300000 : 5200000));
		expect_share(p, &(struct expect_filter){.pid = r->pid}, "top1;c1;b1;a1;tree_round" TO_ROOT,
			     0.5);
		profile__free(p);
	}
	assert_int_equal(answer__status(port, "/debug/pprof/profile?seconds=1&rate=5000", ""), 400);
}

/* Slices of the process by name, in nanoseconds; and from the start of the first to the end of the last. */
static double traced_ns(const json_t *trace, long long pid, const char *name, double *ret_span_ns)
{
	json_t *e;
	double us = 0, first = INFINITY, last = 0;
	size_t i;

	json_array_foreach(json_object_get(trace, "traceEvents"), i, e)
	{
		const char *is = json_string_value(json_object_get(e, "name"));

		assert_int_equal(json_integer_value(json_object_get(e, "pid")), pid);
		if (!strcmp(json_string_value(json_object_get(e, "ph")), "X") &&
		    (!name || !strcmp(is, name))) {
			double ts = json_number_value(json_object_get(e, "ts")),
			       dur = json_number_value(json_object_get(e, "dur"));

			us += dur;
			first = ts < first ? ts : first;
			last = ts + dur > last ? ts + dur : last;
		}
	}
	*ret_span_ns = (last - first) * 1000;
	return us * 1000;
}

static void a_timeline_has_all_the_time_of_a_thread(void **state)
{
	struct recording *r = *state;
	double all, ran, span, of_running;
	uint64_t before, after, took;
	long long unseen;
	struct answer a;
	char path[100];
	json_t *trace;
	int port;

	recording__start(r, ARGS("calltree", RECORDING_LONG));
	port = serve(r, "");
	snprintf(path, sizeof(path), "/debug/pprof/trace?seconds=2&pid=%lld", r->pid);
	took = clock__mono_ns();
	assert_int_equal(read_process_cpu((pid_t)r->pid, &before), 0);
	answer__get(port, path, "", &a);
	assert_int_equal(read_process_cpu((pid_t)r->pid, &after), 0);
	took = clock__mono_ns() - took;
	assert_int_equal(a.status, 200);
	trace = json_loadb(a.body, a.len, 0, NULL);
	assert_non_null(trace);
	buf__done(&a.all);
	all = traced_ns(trace, r->pid, NULL, &span);
	ran = traced_ns(trace, r->pid, "running", &of_running);
	unseen =
		json_integer_value(json_object_get(json_object_get(trace, "otherData"), "switches not seen"));
	/* One state after the other, without two at a time, for as long as the request took at most; and without a gap, unless it says itself that it did not see
	 * each switch: on a CPU that a hypervisor takes away some are not told. */
	print_message("%.3f of %.3f ms, %lld switches not seen\n", all / 1e6, span / 1e6, unseen);
	assert_true(all < span * 1.001 && all > span * (unseen ? 0.8 : 0.999));
	assert_true(span > 0.5e9 && span <= (double)took);
	/* It ran no more than the kernel says. What it ran beyond the slices it ran while the request was not in them: however long this machine
	 * took to begin and to answer, that cannot be more than the time that passed. */
	assert_true(ran <= (double)(after - before) * 1.01);
	assert_true(ran + ((double)took - all) >= (double)(after - before) * 0.98);
	json_decref(trace);
	assert_int_equal(answer__status(port, "/debug/pprof/trace?seconds=0", ""), 400);
	assert_int_equal(answer__status(port, "/debug/pprof/trace?seconds=301", ""), 400);
}

/* Every metric that the file names must be told; a histogram's parts are. */
static void expect_metrics_of(const char *path, const char *told)
{
	static const char prefix[] = "everprof_";
	uint32_t n = 0;
	struct buf b;

	buf__init(&b, 1 << 20);
	assert_int_equal(io__read_at(AT_FDCWD, path, 1 << 20, &b), 0);
	for (const char *at = buf__str(&b); (at = strstr(at, prefix)); n++) {
		size_t len = strspn(at, "abcdefghijklmnopqrstuvwxyz_");
		char line[128];

		snprintf(line, sizeof(line), "\n%.*s", (int)len, at);
		if (!strstr(told, line))
			fail_msg("%s names %.*s, which nobody tells", path, (int)len, at);
		at += len;
	}
	assert_true(n > 5);
	buf__done(&b);
}

static void dashboards_show_what_is_told(void **state)
{
	struct recording *r = *state;
	struct answer a;
	int port;

	recording__start(r, ARGS("calltree", RECORDING_LONG));
	port = serve(r, "");
	wait_for(port, "/debug/pprof/block", ""); /* a window is complete */
	answer__get(port, "/metrics", "", &a);
	assert_int_equal(a.status, 200);
	expect_metrics_of("deploy/grafana/everprof.json", a.body);
	expect_metrics_of("deploy/prometheus/everprof.rules.yaml", a.body);
	assert_non_null(strstr(a.body, "everprof_whole_stacks_ratio{runtime=\"native\"} "));
	buf__done(&a.all);
}

static void the_process_that_serves_may_nothing(void **state)
{
	struct recording *r = *state;
	char path[64];
	struct buf b;
	pid_t pid;

	serve(r, "");
	pid = serving_pid(r);
	assert_true(pid > 0);
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	buf__init(&b, 65536);
	assert_int_equal(io__read_at(AT_FDCWD, path, 65535, &b), 0);
	assert_null(strstr(buf__str(&b), "Uid:\t0\t"));
	assert_non_null(strstr(buf__str(&b), "Uid:\t61909\t61909\t61909\t61909\n"));
	assert_non_null(strstr(buf__str(&b), "Gid:\t61909\t61909\t61909\t61909\n"));
	assert_non_null(strstr(buf__str(&b), "Groups:\t \n"));
	assert_non_null(strstr(buf__str(&b), "CapInh:\t0000000000000000\n"));
	assert_non_null(strstr(buf__str(&b), "CapPrm:\t0000000000000000\n"));
	assert_non_null(strstr(buf__str(&b), "CapEff:\t0000000000000000\n"));
	assert_non_null(strstr(buf__str(&b), "CapBnd:\t0000000000000000\n"));
	assert_non_null(strstr(buf__str(&b), "CapAmb:\t0000000000000000\n"));
	assert_non_null(strstr(buf__str(&b), "NoNewPrivs:\t1\n"));
	assert_non_null(strstr(buf__str(&b), "Seccomp:\t2\n"));
	assert_int_equal(getpriority(PRIO_PROCESS, (id_t)pid), 0);
	buf__done(&b);
	/* nothing but what it was given: three standard ones, the wire, one socket that listens, and those of its own making */
	for (int fd = 0; fd < 64; fd++) {
		char to[256];
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
		n = readlink(path, to, sizeof(to) - 1);
		if (n <= 0)
			continue;
		to[n] = '\0';
		if (fd > 2 && strncmp(to, "socket:", 7) && strncmp(to, "anon_inode:[event", 17))
			fail_msg("it holds %s", to);
	}
}

static void its_death_costs_no_sample_and_a_second(void **state)
{
	struct recording *r = *state;
	struct agent_files files;
	uint64_t killed_ns, best = UINT64_MAX;
	struct answer a;
	int port;
	pid_t pid;

	recording__start(r, ARGS("calltree", RECORDING_LONG));
	port = serve(r, "");
	for (int i = 0; i < 3; i++) {
		uint64_t took;

		pid = serving_pid(r);
		killed_ns = clock__mono_ns();
		assert_int_equal(kill(pid, SIGKILL), 0);
		/* who connects meanwhile waits in the backlog; who was connected starts again */
		while (answer__status(port, "/healthz", "") != 200)
			assert_true(clock__mono_ns() - killed_ns < 20 * NS_PER_SEC);
		took = clock__mono_ns() - killed_ns;
		assert_int_not_equal(serving_pid(r), pid);
		if (took < best)
			best = took;
	}
	/* one of them within a second, whatever else the machine does */
	assert_true(best < NS_PER_SEC);
	agent__expect_n_files(r, 2, &files);
	answer__get(port, "/api/v1/query?from=now-1m&format=pprof", "", &a);
	r->profile = decode(&a);
	buf__done(&a.all);
	expect_share(r->profile, &(struct expect_filter){.pid = r->pid}, "top1;c1;b1;a1;tree_round" TO_ROOT,
		     0.5);
	agent__expect_end(r);
}

/* `kill -USR2 $(pidof everprof)`: all of that name get it, and it is the agent's. */
static void what_is_sent_to_all_of_its_name_does_not_end_it(void **state)
{
	static const int signals[] = {SIGHUP, SIGUSR1, SIGUSR2};
	struct recording *r = *state;
	int port = serve(r, "");
	pid_t pid = serving_pid(r);

	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		assert_int_equal(kill(pid, signals[i]), 0);
	usleep(500000);
	assert_int_equal(answer__status(port, "/healthz", ""), 200);
	assert_int_equal(serving_pid(r), pid);
}

static void roles_are_kept_apart(void **state)
{
	struct recording *r = *state;
	const char *path = recording__file(r, "who");
	char more[300];
	FILE *f = fopen(path, "we");
	int port;

	assert_non_null(f);
	fputs("view bearer only-to-look-1\ncapture basic ann secret-12\n", f);
	fclose(f);
	assert_int_equal(chmod(path, 0600), 0);
	snprintf(more, sizeof(more), "  credentials: %s\n", path);
	port = serve(r, more);
	wait_for(port, "/api/v1/query", "Authorization: Bearer only-to-look-1\r\n");
	static const struct {
		const char *path, *headers;
		int status;
	} cases[] = {
		{"/", "", 401},
		{"/metrics", "", 401},
		{"/nothing", "", 401},
		{"/api/v1/query", "Authorization: Bearer only-to-look-2\r\n", 401},
		{"/api/v1/query", "Authorization: Bearer only-to-look-1\r\n", 200},
		{"/metrics", "Authorization: Bearer only-to-look-1\r\n", 200},
		{"/nothing", "Authorization: Bearer only-to-look-1\r\n", 404},
		{"/debug/pprof/profile?seconds=1", "Authorization: Bearer only-to-look-1\r\n", 403},
		{"/api/v1/profiling/cpu/start?duration=1s", "Authorization: Bearer only-to-look-1\r\n", 403},
		{"/debug/pprof/profile?seconds=1", "Authorization: Basic YW5uOnNlY3JldC0xMg==\r\n", 200},
		{"/api/v1/profiling/cpu/start?duration=1s", "Authorization: Basic YW5uOnNlY3JldC0xMg==\r\n",
		 200},
		{"/healthz", "", 200},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int status = answer__status(port, cases[i].path, cases[i].headers);

		if (status != cases[i].status)
			fail_msg("%s %s: %d, not %d", cases[i].path, cases[i].headers, status,
				 cases[i].status);
	}
}

/* Who hangs up makes room at once, not when his time is over. */
static void a_client_that_hangs_up_frees_its_place(void **state)
{
	struct recording *r = *state;
	int port = serve(r, "  max_captures: 1\n"), fd, status = 0;
	static const char request[] = "GET /debug/pprof/%s?seconds=60 HTTP/1.1\r\nHost: localhost\r\n\r\n";
	static const char *const pages[] = {"profile", "trace"};

	for (int i = 0; i < 2; i++) {
		char text[200];

		snprintf(text, sizeof(text), request, pages[i]);
		fd = answer__connect(port);
		assert_true(fd >= 0);
		assert_int_equal(io__write_full(fd, text, strlen(text)), 0);
		usleep(500000);
		for (int j = 0; j < 200 && status != 429; j++) {
			usleep(20000);
			status = answer__status(port, "/debug/pprof/profile?seconds=1", "");
		}
		assert_int_equal(status, 429);
		io__close(&fd);
		for (int j = 0; j < 200 && status != 200; j++) {
			usleep(50000);
			status = answer__status(port, "/debug/pprof/profile?seconds=1", "");
		}
		assert_int_equal(status, 200);
	}
}

/* What the agent is asked waits for it; what it is not needed for does not wait behind that. */
static void an_agent_that_does_not_answer_holds_up_nobody_else(void **state)
{
	static const char *const asked[] = {"rules", "alerts", "rules", "alerts"};
	struct recording *r = *state;
	int port = serve(r, ""), fds[4];
	char text[200];

	agent__signal(r, SIGSTOP);
	for (int i = 0; i < 4; i++) {
		fds[i] = answer__connect(port);
		assert_true(fds[i] >= 0);
		snprintf(text, sizeof(text),
			 "GET /api/v1/%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", asked[i]);
		assert_int_equal(io__write_full(fds[i], text, strlen(text)), 0);
	}
	usleep(300000);
	assert_int_equal(answer__status(port, "/healthz", ""), 200);
	agent__signal(r, SIGCONT);
	for (int i = 0; i < 4; i++) {
		struct answer a = {0};

		assert_int_equal(answer__over(fds[i], "", &a), 200);
		assert_non_null(strstr(a.body, "\"status\":\"success\""));
		buf__done(&a.all);
	}
}

static void other_sites_and_other_names_are_refused(void **state)
{
	struct recording *r = *state;
	struct answer a;
	int port = serve(r, "");
	char headers[200];

	assert_int_equal(
		answer__ask(port, "GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", &a),
		421);
	buf__done(&a.all);
	assert_int_equal(answer__ask(port, "GET / HTTP/1.1\r\nConnection: close\r\n\r\n", &a), 400);
	buf__done(&a.all);
	assert_int_equal(answer__status(port, "/api/v1/events", "Origin: http://evil.example\r\n"), 403);
	assert_int_equal(answer__status(port, "/api/v1/events", "Sec-Fetch-Site: cross-site\r\n"), 403);
	snprintf(headers, sizeof(headers), "Origin: http://localhost:%d\r\nSec-Fetch-Site: same-origin\r\n",
		 port);
	assert_int_equal(answer__status(port, "/api/v1/events", headers), 200);
	answer__get(port, "/", "Accept-Encoding: gzip\r\n", &a);
	assert_int_equal(a.status, 200);
	assert_non_null(strstr((char *)a.all.data, "Content-Security-Policy: default-src 'none'"));
	assert_non_null(strstr((char *)a.all.data, "X-Content-Type-Options: nosniff"));
	assert_non_null(strstr((char *)a.all.data, "Content-Encoding: gzip"));
	buf__done(&a.all);
}

static void nobody_is_served_beyond_this_host_without_authentication(void **state)
{
	struct recording *r = *state;
	char everprof[4096], store[200];
	struct run run = {0};
	int status;

	run__path_everprof(everprof);
	snprintf(store, sizeof(store), "%s", recording__file(r, "store"));
	assert_int_equal(run__to_end(&run, 20000, &status,
				     ARGS(everprof, "agent", "--store", store, "--listen", "0.0.0.0:0")),
			 0);
	assert_int_equal(status, 1);
	assert_non_null(strstr(run__errors(&run), "server.listen_without_authentication"));
	run__done(&run);
}

static void a_session_is_started_followed_and_fetched(void **state)
{
	struct recording *r = *state;
	char id[32] = "", path[200];
	double progress = 1;
	struct answer a;
	int port, status = 409;

	recording__start(r, ARGS("calltree", RECORDING_LONG));
	port = serve(r, "  max_captures: 1\n");
	snprintf(path, sizeof(path), "/api/v1/profiling/cpu/start?duration=3s&pid=%lld", r->pid);
	assert_int_equal(answer__get(port, path, "", &a), 200);
	assert_int_equal(sscanf(a.body, "{\"session_id\":\"%16[0-9a-f]\"", id), 1);
	buf__done(&a.all);
	assert_int_equal(answer__status(port, "/api/v1/profiling/cpu/start?duration=1s", ""), 429);
	/* what is waited for is one of them, too */
	assert_int_equal(answer__status(port, "/debug/pprof/profile?seconds=1", ""), 429);
	snprintf(path, sizeof(path), "/api/v1/profiling/cpu/download/%s", id);
	assert_int_equal(answer__status(port, path, ""), 409);
	for (int i = 0; i < 100 && status == 409; i++) {
		usleep(100000);
		status = answer__get(port, path, "", &a);
		if (status == 409)
			buf__done(&a.all);
	}
	r->profile = decode(&a);
	buf__done(&a.all);
	expect_share(r->profile, &(struct expect_filter){.pid = r->pid}, "top1;c1;b1;a1;tree_round" TO_ROOT,
		     0.5);
	/* one that is cancelled ends at once and makes room */
	assert_int_equal(answer__get(port, "/api/v1/profiling/cpu/start?duration=60s", "", &a), 200);
	assert_int_equal(sscanf(a.body, "{\"session_id\":\"%16[0-9a-f]\"", id), 1);
	buf__done(&a.all);
	snprintf(path, sizeof(path), "/api/v1/profiling/cpu/cancel/%s", id);
	assert_int_equal(answer__status(port, path, ""), 200);
	snprintf(path, sizeof(path), "/api/v1/profiling/cpu/download/%s", id);
	for (int i = 0; i < 100 && answer__status(port, path, "") != 410; i++)
		usleep(50000);
	assert_int_equal(answer__status(port, path, ""), 410);
	snprintf(path, sizeof(path), "/api/v1/profiling/cpu/status/%s", id);
	assert_int_equal(answer__get(port, path, "", &a), 200);
	assert_non_null(strstr(a.body, "\"status\":\"cancelled\""));
	assert_int_equal(sscanf(strstr(a.body, "\"progress\":"), "\"progress\":%lf", &progress), 1);
	assert_true(progress < 1); /* of 60 s */
	buf__done(&a.all);
	assert_int_equal(answer__status(port, "/api/v1/profiling/cpu/download/0123456789abcdef", ""), 404);
	assert_int_equal(answer__status(port, "/api/v1/profiling/cpu/start?duration=30", ""), 400);
	assert_int_equal(answer__get(port, "/api/v1/profiling/cpus/start?duration=1s", "", &a), 404);
	assert_string_equal(a.body,
			    "there is no event 'cpus'; there are: cpu offcpu memory alloc heap lock threads "
			    "goroutine threadcreate kmem\n");
	buf__done(&a.all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		e2e_test(the_next_seconds_are_those_of_the_machine),
		e2e_test(what_is_off_is_recorded_for_who_asks),
		e2e_test(a_selector_takes_a_part_and_nothing_else),
		e2e_test(a_path_is_asked_by_its_methods),
		e2e_test(the_unix_socket_serves_the_same),
		e2e_test(a_timeline_adds_up_to_what_the_files_have),
		e2e_test(a_rate_is_kept_while_somebody_asks),
		e2e_test(a_timeline_has_all_the_time_of_a_thread),
		e2e_test(dashboards_show_what_is_told),
		e2e_test(the_process_that_serves_may_nothing),
		e2e_test(its_death_costs_no_sample_and_a_second),
		e2e_test(what_is_sent_to_all_of_its_name_does_not_end_it),
		e2e_test(roles_are_kept_apart),
		e2e_test(a_client_that_hangs_up_frees_its_place),
		e2e_test(an_agent_that_does_not_answer_holds_up_nobody_else),
		e2e_test(other_sites_and_other_names_are_refused),
		e2e_test(nobody_is_served_beyond_this_host_without_authentication),
		e2e_test(a_session_is_started_followed_and_fetched),
	};

	return cmocka_run_group_tests_name("server", tests, NULL, NULL);
}
