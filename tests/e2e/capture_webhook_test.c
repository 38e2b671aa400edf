// SPDX-License-Identifier: Apache-2.0
/* An Alertmanager asks for a capture, the real one; and clients that are slow do not keep it from being heard. */
#include <arpa/inet.h>
#include <jansson.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "tests/e2e/e2e.h"
#include "tests/support/agent.h"
#include "tests/support/alertmanager.h"
#include "tests/support/captured.h"
#include "user/base/clock.h"

#define N_SLOW    20
#define N_AT_ONCE "8"

static int serve(struct recording *r)
{
	return agent__serve_captures(r, "  memory: {enabled: false}\n  alloc: {enabled: false}\n",
				     "capture bearer may-capture\n");
}

/* Tells the Alertmanager what a Prometheus would; until it listens. */
static void raise_alert(int am_port, long long pid)
{
	char url[128], alert[512];
	int status = 1;

	snprintf(url, sizeof(url), "http://127.0.0.1:%d/api/v2/alerts", am_port);
	snprintf(alert, sizeof(alert),
		 "[{\"labels\":{\"alertname\":\"SlowRequests\",\"pid\":\"%lld\",\"severity\":\"page\"},"
		 "\"annotations\":{\"summary\":\"too slow\"}}]",
		 pid);
	for (int i = 0; status && i < 100; i++) {
		struct run run = {};

		assert_int_equal(run__to_end(&run, 20000, &status,
					     ARGS("/usr/bin/curl", "-s", "-f", "-m", "5", "-H",
						  "Content-Type: application/json", "--data", alert, url)),
				 0);
		run__done(&run);
		if (status)
			usleep(200000);
	}
	assert_int_equal(status, 0);
}

static void the_real_alertmanagers_webhook_begins_a_capture(void **state)
{
	struct recording *r = *state;
	struct expect_sum mine, all;
	struct run am = {};
	struct captured c;
	char receivers[512];
	struct profile *p;
	int port, am_port;

	if (!alertmanager__is_here())
		skip();
	recording__start(r, ARGS("calltree", RECORDING_LONG));
	port = serve(r);
	am_port = alertmanager__free_port();
	snprintf(receivers, sizeof(receivers),
		 "[{name: everprof, webhook_configs: [{url: 'http://127.0.0.1:%d/api/v1/alerts/webhook', "
		 "http_config: {authorization: {credentials: may-capture}}}]}]",
		 port);
	alertmanager__start(r, &am, am_port, "{receiver: everprof, group_wait: 0s, group_by: [alertname]}",
			    receivers);
	raise_alert(am_port, r->pid);
	captured__expect(r, &c);
	assert_string_equal(captured__text(&c, "rule"), "SlowRequests");
	assert_string_equal(json_string_value(json_object_get(json_object_get(c.meta, "labels"), "severity")),
			    "page");
	assert_string_equal(
		json_string_value(json_object_get(json_object_get(c.meta, "annotations"), "summary")),
		"too slow");
	/* of the target that the alert names, and of nobody else */
	p = captured__profile(&c, "cpu.pb.gz");
	expect__sum(p, &(struct expect_filter){.pid = r->pid}, &mine);
	expect__sum(p, &(struct expect_filter){0}, &all);
	assert_true(mine.ns > 0);
	assert_int_equal(mine.ns, all.ns);
	profile__free(p);
	run__done(&am);
	agent__expect_end(r);
}

/* Connections that have said half of a request, and never say the rest while they are open. */
static void open_slow(int port, int fds[N_SLOW])
{
	static const char half[] =
		"POST /api/v1/alerts/webhook HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer "
		"may-capture\r\nContent-Length: 100000\r\n\r\n{\"alerts\": [";
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	for (int i = 0; i < N_SLOW; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_true(fds[i] >= 0);
		assert_int_equal(connect(fds[i], (struct sockaddr *)&to, sizeof(to)), 0);
		assert_int_equal(send(fds[i], half, sizeof(half) - 1, MSG_NOSIGNAL), sizeof(half) - 1);
	}
}

static void notifications_at_once_are_all_heard_whoever_is_slow(void **state)
{
	struct recording *r = *state;
	int fds[N_SLOW], port, status;
	struct run run = {};
	struct captured c;
	char command[1024];
	uint64_t began;

	recording__start(r, ARGS("calltree", RECORDING_LONG));
	port = serve(r);
	open_slow(port, fds);
	began = clock__mono_ns();
	/* as many as there may be captures, each of another target */
	snprintf(command, sizeof(command),
		 "for i in $(seq " N_AT_ONCE
		 "); do curl -s -m 20 -o /dev/null -w '%%{http_code}\\n' -H 'Authorization: "
		 "Bearer may-capture' --data "
		 "'{\"alerts\":[{\"status\":\"firing\",\"labels\":{\"alertname\":\"N'$i'\","
		 "\"comm\":\"calltre*\",\"unit\":\"*'$i'\"}}]}' http://127.0.0.1:%d/api/v1/alerts/webhook & "
		 "done; wait",
		 port);
	assert_int_equal(run__to_end(&run, 60000, &status, ARGS("/bin/sh", "-c", command)), 0);
	assert_string_equal(run__out(&run), "200\n200\n200\n200\n200\n200\n200\n200\n");
	/* far less than a connection may be silent for */
	assert_true(clock__mono_ns() - began < 15 * NS_PER_SEC);
	run__done(&run);
	for (int i = 0; i < 300 && captured__find(r, &c) < atoi(N_AT_ONCE); i++)
		usleep(100000);
	assert_int_equal(captured__find(r, &c), atoi(N_AT_ONCE));
	for (int i = 0; i < N_SLOW; i++)
		close(fds[i]);
	agent__expect_end(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		e2e_test(the_real_alertmanagers_webhook_begins_a_capture),
		e2e_test(notifications_at_once_are_all_heard_whoever_is_slow),
	};

	return cmocka_run_group_tests_name("capture_webhook", tests, NULL, NULL);
}
