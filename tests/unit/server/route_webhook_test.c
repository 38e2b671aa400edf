// SPDX-License-Identifier: Apache-2.0
/* What an Alertmanager's notification is answered. The link to the collector is one of this test's. */
#include <errno.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "user/base/buf.h"
#include "user/base/err.h"
#include "user/server/link.h"
#include "user/server/server.h"

#define N_TAKEN 8

static int n_asked, full_from; /* which is refused since as many as may be are under way; 0: none */

int link__command(struct link *l, const char *verb, const char *text, struct buf *to, struct err *err)
{
	(void)l;
	assert_string_equal(verb, "trigger");
	assert_non_null(strstr(text, "rule=Slow\n"));
	if (++n_asked == full_from)
		return err__set(err, -EAGAIN, "8 captures are under way");
	buf__printf(to, "id%d\n", n_asked);
	return 0;
}

static struct settings settings;

/* The status; *ret is what it says of each, to be freed. */
static int post(const char *body, json_t **ret)
{
	struct server s = {.settings = &settings};
	struct http_request r = {0};
	struct response to = {.status = 200};
	json_t *answer;

	n_asked = 0;
	buf__init(&r.body, 1 << 20);
	buf__init(&to.body, 1 << 20);
	buf__append_str(&r.body, body);
	webhook_routes[0].answer(&s, &r, &to);
	answer = json_loads(buf__str(&to.body), 0, NULL);
	*ret = json_incref(json_object_get(answer, "captures"));
	json_decref(answer);
	buf__done(&r.body);
	buf__done(&to.body);
	return to.status;
}

/* So many that are over, of another host, and that fire here. */
static void notification(int n_over, int n_elsewhere, int n_firing, struct buf *to)
{
	const char *comma = "";

	buf__init(to, 1 << 20);
	buf__append_str(to, "{\"version\":\"4\",\"alerts\":[");
	for (int i = 0; i < n_over + n_elsewhere + n_firing; i++, comma = ",")
		buf__printf(to, "%s{\"status\":\"%s\",\"labels\":{\"alertname\":\"Slow\"%s}}", comma,
			    i < n_over ? "resolved" : "firing",
			    i >= n_over && i < n_over + n_elsewhere ? ",\"node\":\"elsewhere\"" : "");
	buf__append_str(to, "]}");
}

static const char *said(const json_t *all, size_t i, const char *key)
{
	return json_string_value(json_object_get(json_array_get(all, i), key));
}

static void each_alert_gets_its_capture_or_the_reason(void **state)
{
	struct buf b;
	json_t *all;

	(void)state;
	notification(20, 20, N_TAKEN + 2, &b);
	assert_int_equal(post(buf__str(&b), &all), 200);
	assert_int_equal(n_asked, N_TAKEN);
	assert_int_equal(json_array_size(all), 40 + N_TAKEN + 2);
	for (size_t i = 0; i < json_array_size(all); i++) {
		const char *why = said(all, i, "skipped"), *id = said(all, i, "id");

		assert_string_equal(said(all, i, "alert"), "Slow");
		if (i < 20) {
			assert_string_equal(why, "it does not fire");
		} else if (i < 40) {
			assert_string_equal(why, "it is of another host");
		} else if (i < 40 + N_TAKEN) {
			assert_null(why);
			assert_int_equal(atoi(id + 2), i - 39);
		} else {
			assert_null(id);
			assert_non_null(strstr(why, "8 others of this notification fire"));
		}
	}
	json_decref(all);
	buf__done(&b);
}

static void where_there_is_no_room_it_is_to_be_sent_again(void **state)
{
	struct buf b;
	json_t *all;

	(void)state;
	notification(3, 0, 5, &b);
	full_from = 1;
	assert_int_equal(post(buf__str(&b), &all), 503);
	assert_int_equal(n_asked, 1);
	assert_null(all);
	/* not where some have begun: sent again, they would be captured twice */
	full_from = 4;
	assert_int_equal(post(buf__str(&b), &all), 200);
	assert_int_equal(n_asked, 4);
	assert_string_equal(said(all, 5, "id"), "id3");
	assert_string_equal(said(all, 6, "skipped"), "8 captures are under way");
	assert_string_equal(said(all, 7, "skipped"), "as many captures are under way as may be");
	json_decref(all);
	full_from = 0;
	assert_int_equal(post("{\"alerts\":[]}", &all), 200);
	assert_int_equal(json_array_size(all), 0);
	json_decref(all);
	assert_int_equal(post("{\"alerts\":{}}", &all), 400);
	assert_int_equal(post("[", &all), 400);
	buf__done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_alert_gets_its_capture_or_the_reason),
		cmocka_unit_test(where_there_is_no_room_it_is_to_be_sent_again),
	};

	return cmocka_run_group_tests_name("route_webhook", tests, NULL, NULL);
}
