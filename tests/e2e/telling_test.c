// SPDX-License-Identifier: Apache-2.0
/* Who is told of an alarm: over https, by whose certificate, and by whom others are not held up. */
#include <jansson.h>

#include "tests/e2e/e2e.h"
#include "tests/support/agent.h"
#include "user/base/clock.h"

/* A rule that fires for `alarms hover`, and tells as said; more of `alerting` in `also`. */
static void configure(const struct recording *r, const char *notify, const char *also)
{
	char text[16384], program[4096], *exe;

	/* other alarms on this machine are none of ours */
	run__path_workload("alarms", program);
	exe = realpath(program, NULL);
	assert_non_null(exe);
	snprintf(text, sizeof(text),
		 "profiling:\n  window: 5s\n  memory: {enabled: false}\n  alloc: {enabled: false}\n"
		 "  output: {directory: %s/store}\nserver: {listen: off}\nalerting:\n"
		 "  defaults: {scope: process, limits: {learning: 1s}, keep_firing: 1s}\n%s"
		 "alerts:\n  - name: Big\n    condition: rss > 10MiB\n    duration: 1s\n    match: {exe: "
		 "\"%s\"}\n"
		 "    action: none\n    annotations: {summary: \"{target} has {value}\"}\n    notify: [%s]\n",
		 r->dir, also, exe, notify);
	free(exe);
	agent__write_config(r, text);
}

static void play(struct recording *r)
{
	char program[4096];

	run__path_workload("alarms", program);
	assert_int_equal(run__start(&r->workload, ARGS(program, "hover", "90", "1")), 0);
	assert_int_equal(run__wait_number(&r->workload, "ready ", 30000, &r->pid), 0);
}

/* argv: from the folder on. */
static long long start_receiver(struct run *receiver, const char *const *args)
{
	const char *argv[RUN_ARGS_MAX] = {"/usr/bin/python3", "tests/support/receiver.py"};
	long long port;
	int n = 2;

	while (*args)
		argv[n++] = *args++;
	argv[n] = NULL;
	assert_int_equal(run__start(receiver, argv), 0);
	assert_int_equal(run__wait_number(receiver, "ready ", 10000, &port), 0);
	return port;
}

/* The n-th body that came into <dir>/<folder>, within so many seconds; NULL: it did not. Free it with json_decref. */
static json_t *body(const struct recording *r, const char *folder, int n, int seconds)
{
	char path[2048];
	json_t *root = NULL;

	snprintf(path, sizeof(path), "%s/%s/%d.json", r->dir, folder, n);
	for (int i = 0; !root && i < seconds * 10; i++) {
		root = json_load_file(path, 0, NULL);
		if (!root)
			usleep(100000);
	}
	return root;
}

static void make_certificate(const struct recording *r, const char *name)
{
	char command[512];

	snprintf(command, sizeof(command),
		 "mkdir -p got && chmod 755 . && openssl req -x509 -newkey rsa:2048 -nodes -keyout %s.key "
		 "-out %s.pem -days 2 "
		 "-subj /CN=%s -addext subjectAltName=IP:127.0.0.1 2>/dev/null && chmod 644 %s.pem",
		 name, name, name, name);
	assert_int_equal(recording__shell(r, command), 0);
}

/* The receiver proves who it is by `server`; `known` is what the agent believes. */
static void over_https(struct recording *r, const char *known, struct run *receiver)
{
	char got[1200], pem[1200], key[1200], notify[128], also[1300];
	long long port;

	make_certificate(r, "server");
	make_certificate(r, "other");
	snprintf(got, sizeof(got), "%s/got", r->dir);
	snprintf(pem, sizeof(pem), "%s/server.pem", r->dir);
	snprintf(key, sizeof(key), "%s/server.key", r->dir);
	port = start_receiver(receiver, ARGS(got, "--tls", pem, key));
	snprintf(notify, sizeof(notify), "{webhook: \"https://127.0.0.1:%lld/hook\"}", port);
	snprintf(also, sizeof(also), "  ca_file: %s/%s.pem\n", r->dir, known);
	configure(r, notify, also);
	agent__start(r);
	play(r);
}

static void firing_and_resolved_are_told_over_https_to_whom_the_certificate_proves(void **state)
{
	struct recording *r = *state;
	struct run receiver = {};
	json_t *firing, *resolved, *alert;
	const char *summary;

	over_https(r, "server", &receiver);
	firing = body(r, "got", 1, 30);
	if (!firing)
		fail_msg("nobody was told: %s",
			 (run__wait_line(&r->everprof, "never", 100, (char[16]){""}, 16),
			  run__errors(&r->everprof)));
	assert_string_equal(json_string_value(json_object_get(firing, "version")), "4");
	assert_string_equal(json_string_value(json_object_get(firing, "status")), "firing");
	alert = json_array_get(json_object_get(firing, "alerts"), 0);
	assert_string_equal(json_string_value(json_object_get(json_object_get(alert, "labels"), "alertname")),
			    "Big");
	summary = json_string_value(json_object_get(json_object_get(alert, "annotations"), "summary"));
	if (!strstr(summary, "(alarm-hover) has "))
		fail_msg("the summary is '%s'", summary);
	run__done(&r->workload);
	resolved = body(r, "got", 2, 30);
	assert_non_null(resolved);
	assert_string_equal(json_string_value(json_object_get(resolved, "status")), "resolved");
	/* by which others know that it is the same alert */
	assert_string_equal(json_string_value(json_object_get(resolved, "groupKey")),
			    json_string_value(json_object_get(firing, "groupKey")));
	json_decref(firing);
	json_decref(resolved);
	run__done(&receiver);
	agent__expect_end(r);
}

static void who_cannot_prove_it_is_told_nothing(void **state)
{
	struct recording *r = *state;
	struct run receiver = {};

	over_https(r, "other", &receiver);
	assert_null(body(r, "got", 1, 8));
	run__done(&receiver);
	agent__expect_end(r);
	assert_non_null(strstr(run__errors(&r->everprof), "will retry"));
	/* it waits for better times */
	assert_int_equal(recording__shell(r, "ls store/deliveries/*.delivery >/dev/null"), 0);
}

static void who_is_slow_holds_up_nobody_else(void **state)
{
	struct recording *r = *state;
	struct run slow = {}, quick = {};
	char slow_dir[1200], quick_dir[1200], notify[256];
	long long slow_port, quick_port;
	uint64_t started;
	json_t *root;

	assert_int_equal(recording__shell(r, "mkdir slow quick"), 0);
	snprintf(slow_dir, sizeof(slow_dir), "%s/slow", r->dir);
	snprintf(quick_dir, sizeof(quick_dir), "%s/quick", r->dir);
	slow_port = start_receiver(&slow, ARGS(slow_dir, "--slow", "8"));
	quick_port = start_receiver(&quick, ARGS(quick_dir));
	/* a program is one more who may take its time */
	snprintf(notify, sizeof(notify),
		 "{webhook: \"http://127.0.0.1:%lld/\"}, {run: [/bin/sleep, \"8\"]}, {webhook: "
		 "\"http://127.0.0.1:%lld/\"}",
		 slow_port, quick_port);
	configure(r, notify, "");
	agent__start(r);
	play(r);
	root = body(r, "quick", 1, 40);
	started = clock__mono_ns();
	assert_non_null(root);
	json_decref(root);
	/* the slow one has its answer still to come, and gets it */
	root = body(r, "slow", 1, 1);
	assert_null(root);
	root = body(r, "slow", 1, 20);
	assert_non_null(root);
	json_decref(root);
	assert_true(clock__mono_ns() - started > 4 * NS_PER_SEC);
	run__done(&slow);
	run__done(&quick);
	agent__expect_end(r);
}

/* Until the command succeeds, for so long. */
static bool comes(const struct recording *r, const char *command, int seconds)
{
	for (int i = 0; i < seconds * 4; i++) {
		if (!recording__shell(r, command))
			return true;
		usleep(250000);
	}
	return false;
}

static void expect_comes(struct recording *r, const char *command)
{
	if (comes(r, command, 60))
		return;
	run__wait_line(&r->everprof, "never", 100, (char[16]){""}, 16);
	fail_msg("it does not come to '%s':\n%s", command, run__errors(&r->everprof));
}

/* First all that is in it goes, then the folder itself: who is to be told is told, commands are answered, and what rules know is on the disk. */
static void a_store_that_is_emptied_and_replaced_keeps_nobody_from_being_told(void **state)
{
	struct recording *r = *state;
	char got[1200], notify[2400], everprof[4096], rules[4200];
	struct run receiver = {};
	json_t *root;
	long long port;

	assert_int_equal(recording__shell(r, "mkdir got out && chmod 777 . out"), 0);
	snprintf(got, sizeof(got), "%s/got", r->dir);
	port = start_receiver(&receiver, ARGS(got));
	/* a script of several lines is a program, too */
	snprintf(notify, sizeof(notify),
		 "{webhook: \"http://127.0.0.1:%lld/\"}, {run: [/bin/sh, -c, \"cd $1\\necho "
		 "$EVERPROF_RULE >$EVERPROF_STATUS\\n\", sh, \"%s/out\"]}",
		 port, r->dir);
	configure(r, notify, "");
	run__path_everprof(everprof);
	snprintf(rules, sizeof(rules), "%s rules --store store >/dev/null 2>&1", everprof);
	agent__start(r);
	expect_comes(r, rules);
	assert_int_equal(recording__shell(r, "rm -r store/*"), 0);
	play(r);
	root = body(r, "got", 1, 40);
	if (!root)
		fail_msg("nobody was told: %s",
			 (run__wait_line(&r->everprof, "never", 100, (char[16]){""}, 16),
			  run__errors(&r->everprof)));
	assert_string_equal(json_string_value(json_object_get(root, "status")), "firing");
	json_decref(root);
	expect_comes(r, "[ \"$(cat out/firing)\" = Big ]");
	expect_comes(r, rules);
	expect_comes(r, "[ -s store/alerts.state ]");
	assert_int_equal(recording__shell(r, "mv store away"), 0);
	expect_comes(r, rules);
	expect_comes(r, "[ -s store/alerts.state ]");
	run__done(&r->workload);
	root = body(r, "got", 2, 40);
	assert_non_null(root);
	assert_string_equal(json_string_value(json_object_get(root, "status")), "resolved");
	json_decref(root);
	expect_comes(r, "[ \"$(cat out/resolved)\" = Big ] && ! ls store/deliveries/*.delivery");
	run__done(&receiver);
	agent__expect_end(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		e2e_test(firing_and_resolved_are_told_over_https_to_whom_the_certificate_proves),
		e2e_test(who_cannot_prove_it_is_told_nothing),
		e2e_test(who_is_slow_holds_up_nobody_else),
		e2e_test(a_store_that_is_emptied_and_replaced_keeps_nobody_from_being_told),
	};

	return cmocka_run_group_tests_name("telling", tests, NULL, NULL);
}
