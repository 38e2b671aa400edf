// SPDX-License-Identifier: Apache-2.0
/* Who is told what, and when again. The courier is one of this test's: it keeps what it is given, and is answered by hand. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/support/file_limit.h"
#include "tests/support/folder.h"
#include "user/alert/delivery.h"
#include "user/alert/rule_engine.h"
#include "user/base/buf.h"
#include "user/base/io.h"
#include "user/base/loop.h"
#include "user/cmd/telling.h"
#include "user/config/config.h"
#include "user/server/courier.h"

/* ---- the courier ------------------------------------------------------------------------------------------------------ */

#define POSTS_MAX 64

struct courier {
	courier_done_fn done;
	void *ctx;
	uint64_t id; /* 0: nothing is under way */
};

struct post {
	struct courier *courier;
	uint64_t id;
	char url[COURIER_URL_MAX];
	json_t *body;
	size_t len;
};

static struct post posts[POSTS_MAX];
static int n_posts;

int courier__new(struct loop *loop, courier_done_fn done, void *ctx, struct courier **ret)
{
	(void)loop;
	*ret = calloc(1, sizeof(**ret));
	assert_non_null(*ret);
	(*ret)->done = done;
	(*ret)->ctx = ctx;
	return 0;
}

void courier__free(struct courier *c)
{
	free(c);
}

bool courier__is_busy(const struct courier *c)
{
	return c->id != 0;
}

int courier__post(struct courier *c, uint64_t id, const char *url, const char *ca_file, const void *body,
		  size_t len)
{
	struct post *p = &posts[n_posts++];

	(void)ca_file;
	assert_true(n_posts <= POSTS_MAX);
	*p = (struct post){.courier = c, .id = id, .body = json_loadb(body, len, 0, NULL), .len = len};
	assert_non_null(p->body);
	snprintf(p->url, sizeof(p->url), "%s", url);
	c->id = id;
	return 0;
}

void courier__dismiss(struct courier *c)
{
	(void)c;
}

static void answer(int post, int status)
{
	struct post *p = &posts[post];
	const struct courier_answer a = {.id = p->id,
					 .status = status,
					 .text = "",
					 .is_taken = status == 200,
					 .is_worth_a_try = status >= 500};

	assert_int_equal(p->courier->id, p->id);
	p->courier->id = 0;
	p->courier->done(p->courier->ctx, &a);
}

/* ---- fixture ---------------------------------------------------------------------------------------------------------- */

#define A "http://a:9093"
#define B "http://b:9093/"

static const struct rule both = {.name = "Both",
				 .condition = {.text = "rss > 1GB"},
				 .notify = {{NOTIFY_ALERTMANAGER, A, {0}},
					    {NOTIFY_WEBHOOK, "http://hook/", {0}},
					    {NOTIFY_ALERTMANAGER, B, {0}}},
				 .n_notify = 3};
static const struct rule one = {.name = "One",
				.condition = {.text = "rss > 2GB"},
				.notify = {{NOTIFY_ALERTMANAGER, A "/", {0}}},
				.n_notify = 1};
static const struct rule hook = {.name = "Hook",
				 .condition = {.text = "rss > 3GB"},
				 .notify = {{NOTIFY_WEBHOOK, "http://hook/", {0}}},
				 .n_notify = 1};

struct fixture {
	char dir[FOLDER_MAX];
	int fd;
	struct loop *loop;
	struct telling *telling;
};

static int set_up(void **state)
{
	static struct config config;
	static struct fixture f;

	f = (struct fixture){0};
	n_posts = 0;
	assert_int_equal(folder__make(f.dir), 0);
	f.fd = open(f.dir, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	assert_int_equal(loop__new(&f.loop), 0);
	assert_int_equal(telling__new(&config, "h", f.loop, f.fd, &f.telling), 0);
	*state = &f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	file_limit__set(RLIM_INFINITY);
	telling__free(f->telling);
	loop__free(f->loop);
	for (int i = 0; i < n_posts; i++)
		json_decref(posts[i].body);
	io__close(&f->fd);
	return folder__remove(f->dir);
}

static struct alert_news news(const struct rule *r, struct metric_target *t, uint32_t pid)
{
	*t = (struct metric_target){.scope = SCOPE_PROCESS, .pid = pid, .comm = "x"};
	return (struct alert_news){.kind = NEWS_FIRING,
				   .rule = r,
				   .target = t,
				   .metric = METRIC_rss,
				   .fired_real_ns = 1700000000000000000,
				   .capture = "",
				   .path = "",
				   .refused = ""};
}

static void tell(struct fixture *f, const struct rule *r, uint32_t pid)
{
	struct metric_target t;
	const struct alert_news n = news(r, &t, pid);

	telling__tell(f->telling, &n);
}

static void collect(struct fixture *f, const struct rule *r, uint32_t pid)
{
	struct metric_target t;
	const struct alert_news n = news(r, &t, pid);

	telling__collect(f->telling, &n);
}

static const char *label(int post, size_t alert, const char *key)
{
	const json_t *labels = json_object_get(json_array_get(posts[post].body, alert), "labels");

	return json_string_value(json_object_get(labels, key));
}

/* The first of that address from the n-th on; -1: there is none. */
static int find(const char *url, int from)
{
	for (int i = from; i < n_posts; i++)
		if (!strcmp(posts[i].url, url))
			return i;
	return -1;
}

static double metric(const struct fixture *f, const char *name)
{
	char line[64];
	struct buf b;
	const char *at;
	double n;

	buf__init(&b, 1 << 16);
	telling__print_metrics(f->telling, &b);
	snprintf(line, sizeof(line), "\neverprof_%s ", name);
	at = strstr(buf__str(&b), line);
	assert_non_null(at);
	n = strtod(at + strlen(line), NULL);
	buf__done(&b);
	return n;
}

/* ---- tests ------------------------------------------------------------------------------------------------------------ */

/* Two rules of which one writes the address with a slash, three alarms; a webhook forgets nothing. */
static void who_forgets_is_told_again_of_all_that_fires(void **state)
{
	struct fixture *f = *state;
	int a, b;

	collect(f, &both, 1);
	collect(f, &one, 2);
	collect(f, &hook, 3);
	collect(f, &both, 4);
	assert_int_equal(n_posts, 0);
	telling__tell_collected(f->telling);
	assert_int_equal(n_posts, 2);
	a = find("http://a:9093/api/v2/alerts", 0);
	b = find("http://b:9093/api/v2/alerts", 0);
	assert_true(a >= 0 && b >= 0);
	assert_int_equal(json_array_size(posts[a].body), 3);
	assert_string_equal(label(a, 0, "pid"), "1");
	assert_string_equal(label(a, 1, "pid"), "2");
	assert_string_equal(label(a, 1, "alertname"), "One");
	assert_string_equal(label(a, 2, "pid"), "4");
	assert_int_equal(json_array_size(posts[b].body), 2);
	answer(a, 200);
	answer(b, 200);
	/* and a minute later */
	collect(f, &both, 1);
	collect(f, &one, 2);
	telling__tell_collected(f->telling);
	assert_int_equal(n_posts, 4);
	assert_int_equal(json_array_size(posts[find("http://a:9093/api/v2/alerts", 2)].body), 2);
	/* nothing fires */
	answer(2, 200);
	answer(3, 200);
	telling__tell_collected(f->telling);
	assert_int_equal(n_posts, 4);
	assert_true(metric(f, "deliveries_total") == 4);
}

static void who_has_not_even_got_the_last_word_is_not_told_again(void **state)
{
	struct fixture *f = *state;

	tell(f, &one, 1);
	assert_int_equal(n_posts, 1);
	for (int minute = 0; minute < 5; minute++) {
		collect(f, &both, 1);
		collect(f, &one, 1);
		telling__tell_collected(f->telling);
	}
	/* the other one has it once, and has not answered */
	assert_int_equal(n_posts, 2);
	assert_int_equal(find("http://b:9093/api/v2/alerts", 0), 1);
	/* behind what was told is one round: nothing piles up */
	answer(0, 200);
	assert_int_equal(n_posts, 3);
	answer(2, 200);
	assert_int_equal(n_posts, 3);
	collect(f, &one, 1);
	telling__tell_collected(f->telling);
	assert_int_equal(n_posts, 4);
}

/* Alarms come and go all the time: one of them is always on its way. */
static void what_is_just_on_its_way_keeps_nobody_from_being_told_again(void **state)
{
	struct fixture *f = *state;

	for (int minute = 0; minute < 5; minute++) {
		int before = n_posts;

		tell(f, &one, 7);
		collect(f, &one, 1);
		telling__tell_collected(f->telling);
		assert_int_equal(n_posts, before + 1);
		answer(before, 200);
		assert_int_equal(n_posts, before + 2);
		assert_string_equal(label(before + 1, 0, "pid"), "1");
		answer(before + 1, 200);
	}
}

/* More than a post holds: several, and none is left out. */
static void however_many_fire_each_is_told_again(void **state)
{
	struct fixture *f = *state;
	bool seen[3001] = {false};
	int n = 0;

	for (uint32_t pid = 1; pid <= 3000; pid++)
		collect(f, &one, pid);
	telling__tell_collected(f->telling);
	for (int i = 0; i < n_posts; i++) {
		assert_true(posts[i].len <= DELIVERY_BYTES_MAX);
		for (size_t k = 0; k < json_array_size(posts[i].body); k++) {
			int pid = atoi(label(i, k, "pid"));

			assert_false(seen[pid]);
			seen[pid] = true;
			n++;
		}
		answer(i, 200);
	}
	assert_int_equal(n, 3000);
	assert_true(n_posts > 1);
	assert_true(metric(f, "deliveries_lost_total") == 0);
}

static void a_disk_that_refuses_keeps_nobody_from_being_told(void **state)
{
	struct fixture *f = *state;

	file_limit__set(0);
	tell(f, &both, 1);
	assert_int_equal(n_posts, 3);
	for (int i = 0; i < 3; i++)
		answer(i, 200);
	assert_true(metric(f, "deliveries_lost_total") == 0);
	assert_true(metric(f, "deliveries_total") == 3);
}

static void what_cannot_be_kept_counts_as_lost(void **state)
{
	static char text[DELIVERY_LINE_MAX + 1];
	static const char *const argv[] = {"/bin/true", text};
	const struct rule run = {.name = "Run",
				 .condition = {.text = "rss > 1GB"},
				 .notify = {{NOTIFY_RUN, NULL, {argv, 2}}},
				 .n_notify = 1};
	struct fixture *f = *state;

	memset(text, 'x', DELIVERY_LINE_MAX);
	tell(f, &run, 1);
	assert_true(metric(f, "deliveries_lost_total") == 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(who_forgets_is_told_again_of_all_that_fires),
		TEST(who_has_not_even_got_the_last_word_is_not_told_again),
		TEST(what_is_just_on_its_way_keeps_nobody_from_being_told_again),
		TEST(however_many_fire_each_is_told_again),
		TEST(a_disk_that_refuses_keeps_nobody_from_being_told),
		TEST(what_cannot_be_kept_counts_as_lost),
	};

	return cmocka_run_group_tests_name("telling", tests, NULL, NULL);
}
