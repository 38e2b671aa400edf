// SPDX-License-Identifier: Apache-2.0
#include "user/cmd/telling.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/alert/delivery.h"
#include "user/alert/delivery_queue.h"
#include "user/alert/notice.h"
#include "user/base/buf.h"
#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/base/loop.h"
#include "user/cmd/program.h"
#include "user/config/config.h"
#include "user/server/courier.h"

#define URL_MAX          1024
#define ALERTMANAGER_API "/api/v2/alerts"
#define LOOK_AGAIN_NS    (500 * NS_PER_MS)
#define BODIES_MAX       16 /* of one round: one for each Alertmanager, more where there is more than one holds */
#define BODY_BYTES_MAX   (DELIVERY_BYTES_MAX - 2 * DELIVERY_LINE_MAX) /* beside the address */
#define COURIERS         4 /* addresses that are slow at once, without holding up a fifth */

/* What fires, for one Alertmanager. */
struct body {
	char url[URL_MAX + 32];
	struct buf alerts; /* a list without its end */
};

struct telling {
	const char *host;
	char url[URL_MAX], server_url[URL_MAX], run_as[64], ca_file[COURIER_CA_MAX];
	struct loop *loop;
	struct loop_source *timer;
	struct delivery_queue queue;
	struct courier *couriers[COURIERS];
	struct program *program;
	struct buf bytes;
	struct delivery *current;
	struct body collected[BODIES_MAX];
	uint32_t n_collected;
	uint64_t round_seq; /* what the last round put has lower ones */
	bool is_losing;     /* the queue takes nothing: said once */
	int disk_err;       /* why it is not written, as it was said last */
};

/* ---- working through the queue ---------------------------------------------------------------------------------------- */

static void pump(struct telling *t);

static void on_posted(void *ctx, const struct courier_answer *a)
{
	struct telling *t = ctx;

	if (a->is_taken) {
		delivery_queue__done(&t->queue, a->id);
	} else if (a->is_worth_a_try) {
		if (a->status)
			log_warn("rules: tell others: the answer is %d, will retry", a->status);
		else
			log_warn("rules: tell others: %s, will retry", a->text);
		delivery_queue__failed(&t->queue, a->id, clock__mono_ns(), a->after_ns);
	} else {
		log_warn("rules: tell others: the answer is %d, which means no: it is not tried again",
			 a->status);
		delivery_queue__refused(&t->queue, a->id);
	}
	pump(t);
}

static void on_program_done(void *ctx, uint64_t id, int status)
{
	struct telling *t = ctx;

	if (status)
		log_warn("rules: a program that was run ended with status %d", status);
	/* a program that ran is not run twice */
	if (status)
		delivery_queue__refused(&t->queue, id);
	else
		delivery_queue__done(&t->queue, id);
	pump(t);
}

static int run_program(struct telling *t, uint64_t seq, const struct delivery *d)
{
	const char *argv[DELIVERY_ARGS_MAX + 1] = {NULL};
	char *env[DELIVERY_ENV_MAX + 2] = {
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"};
	int n = 1;

	for (uint32_t i = 0; i < d->n_args; i++)
		argv[i] = d->args[i];
	for (size_t at = 0; at < d->body_len && n <= DELIVERY_ENV_MAX; at += strlen(d->body + at) + 1)
		env[n++] = (char *)(uintptr_t)(d->body + at);
	return program__run(t->program, seq, *t->run_as ? t->run_as : NULL, argv, env);
}

/* courier NULL: a program. */
static void start_one(struct telling *t, uint64_t seq, struct courier *courier)
{
	struct delivery *d = t->current;
	int err = delivery__parse(t->bytes.data, t->bytes.len, d);

	if (err) {
		delivery_queue__refused(&t->queue, seq);
		return;
	}
	err = courier ? courier__post(courier, seq, d->url, t->ca_file, d->body, d->body_len)
		      : run_program(t, seq, d);
	if (!err)
		return;
	log_warn("rules: tell others: %s, will retry", strerror(-err));
	delivery_queue__failed(&t->queue, seq, clock__mono_ns(), 0);
}

static void tell_of_disk(struct telling *t)
{
	if (t->queue.err == t->disk_err)
		return;
	t->disk_err = t->queue.err;
	if (t->disk_err)
		log_warn("rules: write '" DELIVERY_FOLDER "': %s, what is to be told waits in memory",
			 strerror(-t->disk_err));
	else
		log_info("rules: write '" DELIVERY_FOLDER "': works again");
}

static uint64_t next_of(struct telling *t, enum delivery_kind kind)
{
	return delivery_queue__next(&t->queue, kind, clock__mono_ns(), clock__real_ns(), &t->bytes);
}

/*
 * One program at a time, and as many posts as there are couriers; to one address one at a time, as the queue has it. So who is slow to answer holds up nobody else.
 * A courier that has nothing to do is kept, those beyond it are not: they are a process each.
 */
static void pump(struct telling *t)
{
	uint64_t seq;

	while (!program__is_busy(t->program) && (seq = next_of(t, DELIVERY_RUN)) != 0)
		start_one(t, seq, NULL);
	for (int i = 0; i < COURIERS; i++) {
		while (!courier__is_busy(t->couriers[i]) && (seq = next_of(t, DELIVERY_POST)) != 0)
			start_one(t, seq, t->couriers[i]);
		if (i && !courier__is_busy(t->couriers[i]))
			courier__dismiss(t->couriers[i]);
	}
	tell_of_disk(t);
	loop__set_timer(t->timer, t->queue.n ? LOOK_AGAIN_NS : LOOP_TIMER_OFF, 0);
}

static int on_timer(uint64_t n_expired, void *ctx)
{
	struct telling *t = ctx;

	(void)n_expired;
	delivery_queue__write(&t->queue);
	pump(t);
	return 0;
}

/* ---- what is told ----------------------------------------------------------------------------------------------------- */

static void put(struct telling *t, enum delivery_kind kind, const char *url, const struct text_list *argv,
		const struct buf *body)
{
	struct buf bytes;
	int err;

	buf__init(&bytes, DELIVERY_BYTES_MAX);
	err = buf__err(body);
	if (!err)
		err = delivery__write(kind, clock__real_ns(), url, argv ? argv->items : NULL,
				      argv ? argv->n : 0, body->data, body->len, &bytes);
	if (err)
		t->queue.n_lost++;
	else
		err = delivery_queue__add(&t->queue, bytes.data, bytes.len);
	buf__done(&bytes);
	if (err && !t->is_losing)
		log_warn("rules: tell others: keep it until it is told: %s", strerror(-err));
	t->is_losing = err != 0;
}

static void format_alertmanager(const char *url, char ret[URL_MAX + 32])
{
	size_t n = strlen(url);

	while (n && url[n - 1] == '/')
		n--;
	snprintf(ret, URL_MAX + 32, "%.*s%s", (int)n, url, strstr(url, "/api/") ? "" : ALERTMANAGER_API);
}

static struct notice_opts notice_opts(const struct telling *t)
{
	return (struct notice_opts){
		.host = t->host, .url = *t->url ? t->url : t->server_url, .real_ns = clock__real_ns()};
}

static void tell_one(struct telling *t, const struct rule_notify *to, const struct alert_news *n)
{
	const struct notice_opts o = notice_opts(t);
	char url[URL_MAX + 32];
	struct buf body;

	buf__init(&body, DELIVERY_BYTES_MAX);
	switch (to->kind) {
	case NOTIFY_WEBHOOK:
		notice__write_webhook(n, &o, &body);
		put(t, DELIVERY_POST, to->url, NULL, &body);
		break;
	case NOTIFY_ALERTMANAGER:
		notice__write_alertmanager(n, &o, &body);
		format_alertmanager(to->url, url);
		put(t, DELIVERY_POST, url, NULL, &body);
		break;
	case NOTIFY_RUN:
		notice__write_environment(n, &o, &body);
		put(t, DELIVERY_RUN, NULL, &to->argv, &body);
		break;
	}
	buf__done(&body);
}

static bool is_told(enum notify_kind kind, const struct alert_news *n)
{
	if (n->kind == NEWS_RESOLVED)
		return true;
	if (n->kind == NEWS_CAPTURED)
		return kind != NOTIFY_WEBHOOK;
	/* a program is for the capture: it runs when that is there */
	return kind != NOTIFY_RUN || !*n->capture;
}

void telling__tell(struct telling *t, const struct alert_news *n)
{
	for (uint32_t i = 0; i < n->rule->n_notify; i++)
		if (is_told(n->rule->notify[i].kind, n))
			tell_one(t, &n->rule->notify[i], n);
	pump(t);
}

/* One with room for so much; NULL: there is none. */
static struct body *body_for(struct telling *t, const char *url, size_t len)
{
	struct body *b = t->collected;

	for (; b < t->collected + t->n_collected; b++)
		if (!strcmp(b->url, url) && b->alerts.len + len + 1 <= BODY_BYTES_MAX)
			return b;
	if (t->n_collected == BODIES_MAX)
		return NULL;
	t->n_collected++;
	snprintf(b->url, sizeof(b->url), "%s", url);
	buf__init(&b->alerts, DELIVERY_BYTES_MAX);
	return b;
}

static void collect_one(struct telling *t, const char *url, const struct buf *alert)
{
	struct body *b = buf__err(alert) ? NULL : body_for(t, url, alert->len);

	if (!b) {
		t->queue.n_lost++;
		return;
	}
	buf__append_char(&b->alerts, b->alerts.len ? ',' : '[');
	buf__append(&b->alerts, alert->data, alert->len);
}

void telling__collect(struct telling *t, const struct alert_news *n)
{
	const struct notice_opts o = notice_opts(t);
	char url[URL_MAX + 32];
	struct buf alert;

	buf__init(&alert, BODY_BYTES_MAX - 2);
	for (uint32_t i = 0; i < n->rule->n_notify; i++) {
		if (n->rule->notify[i].kind != NOTIFY_ALERTMANAGER)
			continue;
		buf__clear(&alert);
		notice__write_alert(n, &o, &alert);
		format_alertmanager(n->rule->notify[i].url, url);
		collect_one(t, url, &alert);
	}
	buf__done(&alert);
}

void telling__tell_collected(struct telling *t)
{
	for (uint32_t i = 0; i < t->n_collected; i++) {
		struct body *b = &t->collected[i];

		buf__append_str(&b->alerts, "]\n");
		/* who has not even got the last one, or what came before that, gets those first; what came since is on its way */
		if (!delivery_queue__has(&t->queue, b->url, t->round_seq))
			put(t, DELIVERY_POST, b->url, NULL, &b->alerts);
		buf__done(&b->alerts);
	}
	t->n_collected = 0;
	t->round_seq = t->queue.next_seq;
	pump(t);
}

/* ---- life ------------------------------------------------------------------------------------------------------------- */

int telling__new(const struct config *c, const char *host, struct loop *loop, int store_fd,
		 struct telling **ret)
{
	struct telling *t = calloc(1, sizeof(*t));
	int err;

	if (!t)
		return -ENOMEM;
	t->host = host;
	t->loop = loop;
	t->queue.dir_fd = -1;
	buf__init(&t->bytes, DELIVERY_BYTES_MAX);
	t->current = malloc(sizeof(*t->current));
	err = t->current ? 0 : -ENOMEM;
	for (int i = 0; !err && i < COURIERS; i++)
		err = courier__new(loop, on_posted, t, &t->couriers[i]);
	if (!err)
		err = program__new(loop, on_program_done, t, &t->program);
	if (!err)
		err = loop__add_timer(loop, LOOP_TIMER_OFF, 0, on_timer, t, &t->timer);
	if (err) {
		telling__free(t);
		return err;
	}
	telling__set_config(t, c);
	delivery_queue__open(&t->queue, store_fd);
	tell_of_disk(t);
	loop__set_timer(t->timer, t->queue.n ? LOOK_AGAIN_NS : LOOP_TIMER_OFF, 0);
	*ret = t;
	return 0;
}

void telling__set_store(struct telling *t, int store_fd)
{
	delivery_queue__set_store(&t->queue, store_fd);
	tell_of_disk(t);
}

static void set_url(char to[URL_MAX], const char *url)
{
	size_t n = url ? strlen(url) : 0;

	snprintf(to, URL_MAX, "%s%s", n ? url : "", n && url[n - 1] != '/' ? "/" : "");
}

void telling__set_config(struct telling *t, const struct config *c)
{
	set_url(t->url, c->alerting.external_url);
	snprintf(t->ca_file, sizeof(t->ca_file), "%s", c->alerting.ca_file ? c->alerting.ca_file : "");
	snprintf(t->run_as, sizeof(t->run_as), "%s", c->alerting.run_as ? c->alerting.run_as : "");
}

void telling__set_url(struct telling *t, const char *url)
{
	set_url(t->server_url, url);
}

void telling__free(struct telling *t)
{
	uint32_t n_left;

	if (!t)
		return;
	program__free(t->program);
	for (int i = 0; i < COURIERS; i++)
		courier__free(t->couriers[i]);
	if (t->timer)
		loop__remove(t->loop, t->timer);
	n_left = delivery_queue__keep(&t->queue);
	if (n_left)
		log_warn("rules: tell others: %u that wait cannot be kept: %s", n_left,
			 strerror(-t->queue.err));
	delivery_queue__close(&t->queue);
	buf__done(&t->bytes);
	free(t->current);
	free(t);
}

static void counter(struct buf *to, const char *name, const char *help, uint64_t value)
{
	buf__printf(to, "# HELP everprof_%s %s\n# TYPE everprof_%s counter\neverprof_%s %" PRIu64 "\n", name,
		    help, name, name, value);
}

void telling__print_metrics(const struct telling *t, struct buf *to)
{
	counter(to, "deliveries_total", "What was told to others, and taken by them.", t->queue.n_done);
	counter(to, "delivery_failures_total", "Tries that failed, and were or will be repeated.",
		t->queue.n_failed_tries);
	counter(to, "deliveries_lost_total",
		"Not told: no room, refused by the other side, a day old, or damaged.",
		t->queue.n_lost + t->queue.n_given_up);
	buf__printf(to,
		    "# HELP everprof_deliveries_waiting What waits to be told.\n# TYPE "
		    "everprof_deliveries_waiting gauge\n"
		    "everprof_deliveries_waiting %u\n",
		    t->queue.n);
}
