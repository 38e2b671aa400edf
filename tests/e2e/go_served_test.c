/* SPDX-License-Identifier: Apache-2.0 */
/* Goroutines and memory of Go programs, asked of a running agent as a person would: each time as they are then. */
#include <fcntl.h>

#include "tests/e2e/e2e.h"
#include "tests/support/agent.h"
#include "user/base/buf.h"
#include "user/base/clock.h"
#include "user/base/io.h"

#define RECEIVERS "**;main.receiver;runtime.goexit;main.makeAll"
#define FORGOTTEN "**;main.forgotten;runtime.goexit;main.leaker"
#define CPU_ONLY  "cpu: {enabled: true}"

/* An agent that records these events in windows of 2 s; its address. */
static void serve(struct recording *r, const char *events, char *address, size_t size)
{
	char text[4096];

	snprintf(text, sizeof(text),
		 "profiling:\n  window: 2s\n  offcpu: {enabled: false}\n  memory: {enabled: false}\n"
		 "  alloc: {enabled: false}\n  %s\n  output: {directory: %s/store}\n"
		 "server:\n  listen: 127.0.0.1:0\n",
		 events, r->dir);
	agent__write_config(r, text);
	agent__launch(r);
	snprintf(address, size, "http://127.0.0.1:%d/", agent__expect_port(r, "http"));
}

/* Into <dir>/answer, in the end with status 200; the process that serves may still be starting. */
static const char *get(struct recording *r, const char *address, const char *path)
{
	const char *file = recording__file(r, "answer");
	char url[1024];
	struct run curl;
	int status = -1;

	snprintf(url, sizeof(url), "%s%s", address, path + 1); /* the address ends in a slash */
	for (int i = 0; i < 200 && status; i++) {
		assert_int_equal(run__to_end(&curl, 30000, &status,
					     ARGS("/usr/bin/curl", "-sf", "-m", "25", "-o", file, url)),
				 0);
		run__done(&curl);
		if (status)
			usleep(100000);
	}
	if (status)
		fail_msg("no answer from %s: %s", url, run__errors(&r->everprof));
	return file;
}

static uint64_t goroutines_at(struct recording *r, const char *address, const char *stack)
{
	struct expect_sum sum;
	char path[128];

	snprintf(path, sizeof(path), "/debug/pprof/goroutine?pid=%lld", r->pid);
	profile__free(r->profile);
	r->profile = expect_profile(get(r, address, path));
	expect__sum(r->profile, &(struct expect_filter){.pid = r->pid, .stack = stack}, &sum);
	return sum.samples;
}

/* Whether the event is on or not; each time as it is then. */
static void goroutines_of_now_are_told_at_once(void **state)
{
	struct recording *r = *state;
	char address[128];
	uint64_t began, before;

	recording__start(r, ARGS("goroutines", "3", recording__file(r, "runtime.pb"), "leak"));
	serve(r, CPU_ONLY, address, sizeof(address));
	assert_int_equal(goroutines_at(r, address, RECEIVERS), 30);
	before = goroutines_at(r, address, FORGOTTEN);
	usleep(300000);
	began = clock__mono_ns();
	assert_true(goroutines_at(r, address, FORGOTTEN) > before + 30);
	assert_true(clock__mono_ns() - began < 5 * NS_PER_SEC);
}

/* As Go itself prints it. */
static void goroutines_as_text(void **state)
{
	struct recording *r = *state;
	char address[128], path[128], text[65536];
	FILE *f;
	size_t n;

	recording__start(r, ARGS("goroutines", "3", recording__file(r, "runtime.pb"), "leak"));
	serve(r, CPU_ONLY, address, sizeof(address));
	snprintf(path, sizeof(path), "/debug/pprof/goroutine?debug=1&pid=%lld", r->pid);
	f = fopen(get(r, address, path), "r");
	assert_non_null(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	assert_int_equal(strncmp(text, "goroutine profile: total ", 25), 0);
	/* the number alone, as its readers want it */
	assert_int_equal(text[25 + strspn(text + 25, "0123456789")], '\n');
	assert_non_null(strstr(text, "\n30 @ 0x"));
	assert_non_null(strstr(text, "\tmain.leaker\t"));
}

/* What the runtime of a Go program knows of its memory, without any seconds to wait. */
/* A block for each, as a Go program that panics prints them; leaf first, at the end what made it. */
static void goroutines_as_a_dump(void **state)
{
	struct recording *r = *state;
	char address[128], path[128];
	const char *text;
	uint32_t receivers = 0;
	struct buf b;

	recording__start(r, ARGS("goroutines", "3", recording__file(r, "runtime.pb"), NULL));
	serve(r, CPU_ONLY, address, sizeof(address));
	snprintf(path, sizeof(path), "/debug/pprof/goroutine?debug=2&pid=%lld", r->pid);
	buf__init(&b, 16 << 20);
	assert_int_equal(io__read_at(AT_FDCWD, get(r, address, path), 16 << 20, &b), 0);
	text = buf__str(&b);
	assert_int_equal(strncmp(text, "goroutine 1 [", 13), 0);
	assert_null(strstr(text, "runtime.goexit"));
	for (const char *at = text; (at = strstr(at, "main.receiver(...)\n\t")); at++) {
		const char *end = strstr(at, "\n\n"), *by = strstr(at, "\ncreated by main.makeAll\n\t"),
			   *head = at;

		assert_true(end && by && by < end);
		while (head > text && strncmp(head, "\n\n", 2))
			head--;
		assert_non_null(memmem(head, (size_t)(at - head), " [chan receive]:\n", 17));
		receivers++;
	}
	assert_int_equal(receivers, 30);
	buf__done(&b);
}

static void memory_is_told_at_once(void **state)
{
	struct recording *r = *state;
	struct expect_sum part, all;
	char address[128], path[128];

	recording__start(r, ARGS("gomemory", recording__file(r, "own.pb")));
	serve(r, CPU_ONLY, address, sizeof(address));
	snprintf(path, sizeof(path), "/debug/pprof/heap?pid=%lld", r->pid);
	r->profile = expect_profile(get(r, address, path));
	assert_int_equal(profile__n_types(r->profile), 4);
	assert_string_equal(profile__str(r->profile, profile__type(r->profile, 3).type), "inuse_space");
	/* the last type: of 64, 32, 16 and 24 MiB in use; some 128 samples of the first were taken */
	expect__sum(r->profile, &(struct expect_filter){.pid = r->pid}, &all);
	expect__sum(r->profile, &(struct expect_filter){.pid = r->pid, .stack = "main.keepSmall;**"}, &part);
	assert_in_range(100 * expect__share(&part, &all), 35, 60);
	/* of the next seconds, what they change: nothing to speak of */
	profile__free(r->profile);
	snprintf(path, sizeof(path), "/debug/pprof/heap?seconds=2&pid=%lld", r->pid);
	r->profile = expect_profile(get(r, address, path));
	assert_int_equal(profile__n_types(r->profile), 4);
	assert_int_equal(profile__meta(r->profile)->duration_ns, 2 * NS_PER_SEC);
	expect__sum(r->profile, &(struct expect_filter){.pid = r->pid}, &part);
	assert_in_range(llabs((long long)part.ns), 0, all.ns / 2);
}

/* On, once a window. */
static void goroutines_of_each_window_are_kept(void **state)
{
	struct recording *r = *state;
	struct expect_sum sum;
	char address[128];

	recording__start(r, ARGS("goroutines", "1", recording__file(r, "runtime.pb"), NULL));
	serve(r, "goroutine: {enabled: true}", address, sizeof(address));
	r->profile =
		expect_profile(get(r, address, "/api/v1/query?event=goroutine&from=now-1m&format=pprof"));
	expect__sum(r->profile, &(struct expect_filter){.pid = r->pid, .stack = RECEIVERS}, &sum);
	/* ten in each look */
	assert_true(sum.samples >= 10);
	assert_int_equal(sum.samples % 10, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		e2e_test(goroutines_of_now_are_told_at_once),
		e2e_test(goroutines_as_text),
		e2e_test(goroutines_as_a_dump),
		e2e_test(memory_is_told_at_once),
		e2e_test(goroutines_of_each_window_are_kept),
	};

	return cmocka_run_group_tests_name("go_served", tests, NULL, NULL);
}
