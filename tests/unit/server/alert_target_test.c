// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "user/base/buf.h"
#include "user/server/alert_target.h"

static const char hosts[2][SETTINGS_HOST_MAX] = {"web-1.example.org", "web-1-internal"};

/* The selectors of the trigger, without what it is called and its pairs; or the error. */
static int map(const char *labels, char ret_text[1024])
{
	char json[2048], *rule;
	json_t *alert;
	struct buf b;
	int err;

	snprintf(json, sizeof(json),
		 "{\"status\":\"firing\",\"labels\":%s,\"annotations\":{\"summary\":\"it is slow\"}}",
		 labels);
	alert = json_loads(json, 0, NULL);
	assert_non_null(alert);
	buf__init(&b, 4096);
	err = alert_target__map(alert, hosts, 2, &b);
	if (!err) {
		snprintf(ret_text, 1024, "%s", buf__str(&b));
		rule = strstr(ret_text, "rule=");
		assert_non_null(rule);
		*rule = '\0';
	}
	buf__done(&b);
	json_decref(alert);
	return err;
}

static void labels_that_exporters_use_become_ours(void **state)
{
	static const struct {
		const char *labels, *text;
	} cases[] = {
		{"{}", ""},
		{"{\"pid\":\"4711\",\"comm\":\"nginx\"}", "pid=4711\n"},
		{"{\"pid\":\"x\",\"comm\":\"nginx\"}", "comm=nginx\n"},
		{"{\"container_id\":\"containerd://3fa9c1d2e4f5\"}", "container=3fa9c1d2e4f5*\n"},
		/* a container's name is not its id */
		{"{\"container\":\"web\",\"pod_uid\":\"0f1e-2d3c\"}", "pod=0f1e-2d3c\n"},
		{"{\"id\":\"/kubepods/pod1\"}", "cgroup=/kubepods/pod1\ncgroup=/kubepods/pod1/*\n"},
		{"{\"id\":\"/\"}", ""},
		{"{\"name\":\"nginx.service\"}", "unit=nginx.service\n"},
		{"{\"name\":\"web\"}", ""},
		{"{\"groupname\":\"a*b\"}", "comm=a\\*b\n"},
		{"{\"exe\":\"/usr/bin/[x\"}", "exe=/usr/bin/\\[x\n"},
		/* nothing gets out of its line */
		{"{\"comm\":\"a\\nrule=b\"}", ""},
	};
	char text[1024];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(map(cases[i].labels, text), 0);
		assert_string_equal(text, cases[i].text);
	}
}

static void an_alert_of_another_host_is_none_of_ours(void **state)
{
	static const struct {
		const char *labels;
		int err;
	} cases[] = {
		{"{\"instance\":\"web-1.example.org:9100\"}", 0},
		{"{\"instance\":\"WEB-1:9100\"}", 0},
		{"{\"instance\":\"web-1\"}", 0},
		{"{\"instance\":\"web-1-internal:9100\"}", 0},
		{"{\"instance\":\"localhost:9100\"}", 0},
		{"{\"instance\":\"10.0.0.7:9100\"}", 0},
		{"{\"instance\":\"[2001:db8::1]:9100\"}", 0},
		{"{\"instance\":\"web-2:9100\"}", -EXDEV},
		{"{\"instance\":\"web-1.example.com:9100\"}", -EXDEV},
		{"{\"instance\":\"web-11:9100\"}", -EXDEV},
		{"{\"node\":\"web-2\",\"instance\":\"web-1:9100\"}", -EXDEV},
		/* scraped through an exporter elsewhere, about us */
		{"{\"node\":\"web-1\",\"instance\":\"kube-state-metrics:8080\"}", 0},
	};
	char text[1024];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		if (map(cases[i].labels, text) != cases[i].err)
			fail_msg("%s", cases[i].labels);
}

static void the_alert_s_words_go_with_it(void **state)
{
	json_t *alert = json_loads(
		"{\"labels\":{\"alertname\":\"HighLoad\",\"severity\":\"page\",\"bad\":\"a\\nb\",\"n\":1},"
		"\"annotations\":{\"summary\":\"it is slow\"}}",
		0, NULL);
	struct buf b;

	(void)state;
	buf__init(&b, 4096);
	assert_int_equal(alert_target__map(alert, hosts, 2, &b), 0);
	assert_string_equal(
		buf__str(&b),
		"rule=HighLoad\ncause=an alert of Prometheus: it is slow\nlabel.alertname=HighLoad\n"
		"label.severity=page\nannotation.summary=it is slow\n");
	buf__done(&b);
	json_decref(alert);
	alert = json_loads("{\"labels\":[]}", 0, NULL);
	buf__init(&b, 4096);
	assert_int_equal(alert_target__map(alert, hosts, 2, &b), -EINVAL);
	buf__done(&b);
	json_decref(alert);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(labels_that_exporters_use_become_ours),
		cmocka_unit_test(an_alert_of_another_host_is_none_of_ours),
		cmocka_unit_test(the_alert_s_words_go_with_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
