/* SPDX-License-Identifier: Apache-2.0 */
/* What a real agent says that processes use, held against /proc: as JSON, as a series, and for Prometheus. */
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <jansson.h>

#include "tests/e2e/e2e.h"
#include "tests/support/agent.h"
#include "user/base/buf.h"
#include "user/base/io.h"
#include "user/profile/utf8.h"

/* An agent with a server, and its port. */
static int serve(struct recording *r)
{
	char text[512];

	snprintf(
		text, sizeof(text),
		"profiling:\n  window: 10s\n  output: {directory: %s/store}\nserver: {listen: 127.0.0.1:0}\n",
		r->dir);
	agent__write_config(r, text);
	agent__launch(r);
	return agent__expect_port(r, "http");
}

/* The body of an answer; status -1: there was none. */
static int get(struct recording *r, int port, const char *path, struct buf *body)
{
	char command[1024];
	struct buf status;
	int code;

	snprintf(command, sizeof(command),
		 "curl -s -m 20 --retry 20 --retry-connrefused -o body -w '%%{http_code}' "
		 "'http://127.0.0.1:%d%s' >status",
		 port, path);
	if (recording__shell(r, command))
		return -1;
	buf__init(&status, 64);
	assert_int_equal(io__read_at(AT_FDCWD, recording__file(r, "status"), 64, &status), 0);
	code = atoi(buf__str(&status));
	buf__done(&status);
	buf__clear(body);
	assert_int_equal(io__read_at(AT_FDCWD, recording__file(r, "body"), 1 << 20, body), 0);
	return code;
}

static json_t *get_json(struct recording *r, int port, const char *path)
{
	struct buf b;
	json_t *all;
	int status;

	buf__init(&b, 2 << 20);
	status = get(r, port, path, &b);
	all = json_loadb((const char *)b.data, b.len, 0, NULL);
	if (status != 200 || !all)
		fail_msg("status %d: %s", status, buf__str(&b));
	buf__done(&b);
	return all;
}

static double number_of(const json_t *of, const char *name)
{
	const json_t *v = json_object_get(of, name);

	if (!json_is_number(v))
		fail_msg("no number '%s'", name);
	return json_number_value(v);
}

/* Resident memory as /proc has it now. */
static double resident_bytes(long long pid)
{
	char path[64];
	long long pages = 0;
	struct buf b;

	snprintf(path, sizeof(path), "/proc/%lld/statm", pid);
	buf__init(&b, 4096);
	assert_int_equal(io__read_at(AT_FDCWD, path, 4095, &b), 0);
	assert_int_equal(sscanf(buf__str(&b), "%*d %lld", &pages), 1);
	buf__done(&b);
	return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

/* The one process of the answer. */
static const json_t *process_of(const json_t *all)
{
	assert_true(number_of(all, "n_processes") == 1);
	return json_array_get(json_object_get(all, "processes"), 0);
}

/* The last of its series. */
static double last_resident(const json_t *all)
{
	const json_t *series = json_object_get(json_object_get(all, "series"), "rss_bytes");

	assert_true(json_array_size(series) >= 3);
	assert_int_equal(json_array_size(json_object_get(json_object_get(all, "series"), "times")),
			 json_array_size(series));
	return json_number_value(json_array_get(series, json_array_size(series) - 1));
}

static double resident_now(const json_t *all)
{
	return number_of(process_of(all), "rss_bytes");
}

/* A pass is a second old, and a page may come or go meanwhile (probes of whoever measures here make some): soon there is one that saw what is there now. */
static json_t *await_resident(struct recording *r, int port, const char *path,
			      double (*of)(const json_t *all))
{
	double told = 0, is = 0;
	json_t *all;

	for (int i = 0; i < 20; i++) {
		all = get_json(r, port, path);
		told = of(all);
		is = resident_bytes(r->pid);
		if (told == is)
			return all;
		json_decref(all);
		usleep(700000);
	}
	fail_msg("%s: %.0f bytes are resident, %.0f are told", path, is, told);
	return NULL;
}

static void memory_is_that_of_proc(void **state)
{
	struct recording *r = *state;
	const json_t *one;
	char path[200], start[200];
	struct buf b;
	json_t *all;
	int port;

	recording__start(r, ARGS("calltree", RECORDING_LONG));
	port = serve(r);
	sleep(5);
	snprintf(path, sizeof(path), "/api/v1/profiling/memory?pid=%lld", r->pid);
	all = await_resident(r, port, path, resident_now);
	one = process_of(all);
	assert_true(number_of(one, "pid") == (double)r->pid);
	assert_string_equal(json_string_value(json_object_get(one, "comm")), "calltree");
	assert_true(number_of(one, "rss_bytes") == number_of(one, "anon_bytes") +
							   number_of(one, "file_bytes") +
							   number_of(one, "shmem_bytes"));
	assert_true(number_of(one, "cpu_percent") > 1);
	json_decref(all);
	/* pass by pass */
	snprintf(path, sizeof(path), "/api/v1/profiling/memory?series=1&pid=%lld", r->pid);
	json_decref(await_resident(r, port, path, last_resident));
	/* for Prometheus */
	buf__init(&b, 2 << 20);
	snprintf(path, sizeof(path), "/metrics/usage?pid=%lld", r->pid);
	snprintf(start, sizeof(start), "\neverprof_process_resident_bytes{pid=\"%lld\",comm=\"calltree\"} ",
		 r->pid);
	for (int i = 0; i < 20; i++) {
		const char *at;

		assert_int_equal(get(r, port, path, &b), 200);
		at = strstr(buf__str(&b), start);
		assert_non_null(at);
		if (atof(at + strlen(start)) == resident_bytes(r->pid))
			break;
		assert_true(i < 19);
		usleep(700000);
	}
	buf__done(&b);
}

/* A process names itself as it likes, and the kernel cuts a name where it cuts it; a scrape with one byte that is no UTF-8 is thrown away as a whole. */
static void a_name_that_is_no_text_breaks_no_scrape(void **state)
{
	static const char wanted[] = "comm=\"\xef\xbf\xbd \\\"\xc3\xa9\xef\xbf\xbd\"";
	struct recording *r = *state;
	int port = serve(r), status;
	pid_t child = fork();
	char path[64];
	struct buf b;

	assert_true(child >= 0);
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, "\xff \"\xc3\xa9\xc3");
		while (true)
			pause();
	}
	buf__init(&b, 2 << 20);
	snprintf(path, sizeof(path), "/metrics/usage?pid=%d", child);
	for (int i = 0; i < 300 && (get(r, port, path, &b) != 200 || !strstr(buf__str(&b), wanted)); i++)
		usleep(100000);
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	assert_non_null(strstr(buf__str(&b), wanted));
	assert_true(utf8__valid(buf__str(&b), b.len));
	buf__done(&b);
}

static void the_largest_come_first(void **state)
{
	struct recording *r = *state;
	const json_t *processes;
	double before = 0;
	struct buf b;
	json_t *all;
	int port = serve(r);

	sleep(4);
	all = get_json(r, port, "/api/v1/profiling/memory?n=5&sort=rss");
	processes = json_object_get(all, "processes");
	assert_true(number_of(all, "n_processes") >= 3);
	for (size_t i = 0; i < json_array_size(processes); i++) {
		double rss = number_of(json_array_get(processes, i), "rss_bytes");

		assert_true(i == 0 || rss <= before);
		before = rss;
	}
	assert_true(number_of(json_object_get(all, "system"), "total_bytes") >
		    number_of(json_array_get(processes, 0), "rss_bytes"));
	json_decref(all);
	buf__init(&b, 2 << 20);
	assert_int_equal(get(r, port, "/api/v1/profiling/memory?sort=size", &b), 400);
	assert_int_equal(get(r, port, "/api/v1/profiling/memory?series=1&pid=999999999", &b), 404);
	buf__done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		e2e_test(memory_is_that_of_proc),
		e2e_test(a_name_that_is_no_text_breaks_no_scrape),
		e2e_test(the_largest_come_first),
	};

	return cmocka_run_group_tests_name("usage", tests, NULL, NULL);
}
