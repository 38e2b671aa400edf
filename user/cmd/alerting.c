// SPDX-License-Identifier: Apache-2.0
#include "user/cmd/alerting.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/alert/capture.h"
#include "user/alert/capture_case.h"
#include "user/alert/notice.h"
#include "user/alert/profile_watch.h"
#include "user/alert/rule_engine.h"
#include "user/alert/rule_memory.h"
#include "user/base/buf.h"
#include "user/base/clock.h"
#include "user/base/err.h"
#include "user/base/io.h"
#include "user/base/log.h"
#include "user/base/loop.h"
#include "user/cmd/control.h"
#include "user/cmd/telling.h"
#include "user/cmd/watching.h"
#include "user/config/config.h"
#include "user/pipeline/collector.h"
#include "user/pipeline/publish.h"
#include "user/store/store.h"

#define BOOT_ID_PATH "/proc/sys/kernel/random/boot_id"
#define HOST_MAX     256

#define SAVE_AGAIN_NS (10 * NS_PER_SEC) /* after it failed */

struct alerting {
	struct alerting_parts parts;
	const struct config *config;
	int watcher;
	uint64_t pass_ns; /* of the pass whose samples come now */
	struct rule_engine *engine;
	struct profile_watch *profiles;
	struct telling *telling;
	bool is_stopped;
	char boot_id[RULE_MEMORY_BOOT_MAX];
	char host[HOST_MAX];
	char *store_dir; /* a reload does not change it */
	int store_fd;
	uint64_t told_again_ns;
	uint64_t save_from_ns; /* not before */
	bool is_kept;          /* there is a file of its memory */
	bool must_save;        /* although nothing changed: the file went, or could not be written */
	bool is_failing;       /* to write it: said once */
};

static struct rule_time time_now(void)
{
	return (struct rule_time){
		.mono_ns = clock__mono_ns(), .real_ns = clock__real_ns(), .boot_ns = clock__boot_ns()};
}

static struct rule_engine_opts engine_opts(const struct alerting *a, const struct config *c)
{
	return (struct rule_engine_opts){
		.host = a->host,
		.captures_per_hour = c->alerting.captures_per_hour,
		.capture_bytes_per_day = c->alerting.capture_bytes_per_day,
		.window_ns = c->event[EVENT_CPU].snapshot_interval_ns,
	};
}

/* ---- what happened ---------------------------------------------------------------------------------------------------- */

static int on_capture(void *ctx, const struct capture_request *r, char ret_id[CAPTURE_ID_MAX],
		      struct err *err)
{
	return captures__begin(((struct alerting *)ctx)->parts.captures, r, ret_id, err);
}

static bool on_profile_asked(void *ctx, const struct condition *c, const struct metric_target *target,
			     struct profile_value *ret)
{
	return profile_watch__find(((struct alerting *)ctx)->profiles, c, target, ret);
}

/* On the publisher's thread. */
static void on_profile(void *ctx, enum event ev, const struct profile *profile)
{
	if (ev == EVENT_CPU)
		profile_watch__look(((struct alerting *)ctx)->profiles, profile, clock__mono_ns());
}

static void watch_profiles(struct alerting *a)
{
	int err = profile_watch__set(a->profiles, &a->config->alerts);

	if (err)
		log_warn("rules: %s, some have no data, ignoring",
			 err == -E2BIG ? "too many functions and libraries are watched" : strerror(-err));
}

static void log_news(const struct alert_news *n)
{
	char who[NOTICE_TEXT_MAX], value[CASE_VALUE_MAX] = "";

	notice__target(n->target, who);
	if (n->metric != METRIC_N)
		capture_value__format(n->metric, n->value, false, value);
	switch (n->kind) {
	case NEWS_FIRING:
		log_warn("rules: '%s' fires for %s: %s%s%s; %s%s", n->rule->name, who,
			 n->rule->condition.text, *value ? ", is " : "", value,
			 *n->capture ? "capture " : "no capture: ",
			 *n->capture   ? n->capture
			 : *n->refused ? n->refused
				       : "none is asked for");
		if (n->n_left)
			log_warn("rules: '%s' holds for %u more that are left out (limits.targets)",
				 n->rule->name, n->n_left);
		break;
	case NEWS_CAPTURED:
		if (*n->path)
			log_info("rules: '%s' captured %s in '%s'", n->rule->name, who, n->path);
		else
			log_warn("rules: '%s': %s", n->rule->name, n->refused);
		break;
	case NEWS_RESOLVED:
		log_info("rules: '%s' is over for %s", n->rule->name, who);
		break;
	}
}

static void on_news(void *ctx, const struct alert_news *n)
{
	struct alerting *a = ctx;

	log_news(n);
	telling__tell(a->telling, n);
}

static void on_still_firing(void *ctx, const struct alert_news *n)
{
	telling__collect(((struct alerting *)ctx)->telling, n);
}

/* ---- memory ----------------------------------------------------------------------------------------------------------- */

/*
 * Files may be removed while the agent runs, and another folder may stand under the path: that is ours as soon as the store has taken it, which looks again before each
 * file that it writes.
 */
static void stay_in_store(struct alerting *a)
{
	int fd, before = a->store_fd;

	if (before >= 0 && io__leads_to(AT_FDCWD, a->store_dir, before)) {
		a->must_save |= a->is_kept && faccessat(before, RULE_MEMORY_FILE, F_OK, AT_SYMLINK_NOFOLLOW);
		return;
	}
	fd = open(a->store_dir, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	if (fd < 0 || !store__holds(a->parts.store, fd)) {
		io__close(&fd);
		return;
	}
	a->store_fd = fd;
	telling__set_store(a->telling, fd);
	io__close(&before);
	a->must_save = true;
}

static void save(struct alerting *a)
{
	uint64_t now_ns = clock__mono_ns();
	struct buf b;
	int err;

	if (a->store_fd < 0 || now_ns < a->save_from_ns ||
	    (!rule_engine__is_dirty(a->engine) && !a->must_save))
		return;
	buf__init(&b, RULE_MEMORY_BYTES_MAX);
	err = rule_engine__save(a->engine, a->boot_id, &b);
	if (!err)
		err = io__write_replace(a->store_fd, RULE_MEMORY_FILE, b.data, b.len, 0600);
	buf__done(&b);
	if (err && !a->is_failing)
		log_warn("rules: write '%s': %s, limits will not survive a restart", RULE_MEMORY_FILE,
			 strerror(-err));
	a->is_failing = a->must_save = err != 0;
	a->is_kept |= !err;
	a->save_from_ns = err ? now_ns + SAVE_AGAIN_NS : 0;
}

static void restore(struct alerting *a)
{
	const struct rule_time now = time_now();
	struct buf b;
	int err;

	buf__init(&b, RULE_MEMORY_BYTES_MAX);
	err = a->store_fd < 0 ? -ENOENT
			      : io__read_at(a->store_fd, RULE_MEMORY_FILE, RULE_MEMORY_BYTES_MAX, &b);
	if (!err)
		err = rule_engine__restore(a->engine, a->boot_id, b.data, b.len, &now);
	a->is_kept = !err;
	if (err && err != -ENOENT)
		log_warn("rules: read '%s': %s, limits begin anew", RULE_MEMORY_FILE,
			 err == -EBADMSG ? "it is damaged" : strerror(-err));
	buf__done(&b);
}

static void read_boot_id(struct alerting *a)
{
	struct buf b;

	buf__init(&b, 256);
	if (!io__read_at(AT_FDCWD, BOOT_ID_PATH, 255, &b))
		snprintf(a->boot_id, sizeof(a->boot_id), "%.*s", (int)strcspn(buf__str(&b), "\n"),
			 buf__str(&b));
	buf__done(&b);
}

/* ---- passes ----------------------------------------------------------------------------------------------------------- */

static bool is_asking(void *ctx)
{
	const struct alerting *a = ctx;

	return !a->is_stopped && a->config->alerts.n;
}

static void on_sample(void *ctx, const struct metric_sample *s)
{
	struct alerting *a = ctx;
	struct rule_time now;

	if (!is_asking(a))
		return;
	/* a pass that broke off has no end: the next one begins anew, and nothing is taken for gone */
	if (a->pass_ns != s->at_ns) {
		now = time_now();
		a->pass_ns = now.mono_ns = s->at_ns;
		profile_watch__turn(a->profiles, s->at_ns);
		rule_engine__begin(a->engine, &now);
	}
	rule_engine__take(a->engine, s);
}

static void on_pass_done(void *ctx, uint64_t at_ns)
{
	struct alerting *a = ctx;

	if (a->is_stopped || a->pass_ns != at_ns)
		return;
	rule_engine__end(a->engine);
	stay_in_store(a);
	save(a);
	if (at_ns - a->told_again_ns >= NOTICE_AGAIN_NS) {
		a->told_again_ns = at_ns;
		rule_engine__each_firing(a->engine, on_still_firing, a);
		telling__tell_collected(a->telling);
	}
}

static void on_event(void *ctx, const struct host_event *event)
{
	struct alerting *a = ctx;
	const struct rule_time now = time_now();

	if (a->is_stopped)
		return;
	rule_engine__event(a->engine, event, &now);
	save(a);
}

/* ---- life ------------------------------------------------------------------------------------------------------------- */

static int on_asked(void *ctx, char *text, struct buf *to, struct err *err)
{
	const struct alerting *a = ctx;
	int code;

	if (!strcmp(text, "json")) {
		rule_engine__report_rules(a->engine, a->host, to);
	} else if (!strncmp(text, "rule ", 5)) {
		code = rule_engine__look_at(a->engine, text + 5);
		if (!code)
			code = rule_engine__print_close_up(a->engine, text + 5, to);
		if (code)
			return err__set(err, code,
					code == -EAGAIN ? "nothing was measured for it yet"
							: "the agent has no rule of that name");
	} else {
		rule_engine__print(a->engine, to);
	}
	return buf__err(to);
}

/* What a rule asks for and nobody records is said once, not when it fires. */
static void warn_of_events(const struct config *c)
{
	for (uint32_t i = 0; i < c->alerts.n; i++)
		for (enum event ev = 0; ev < EVENT_N; ev++)
			if (c->alerts.items[i].capture_events >> ev & 1 && !collector__can_record(ev))
				log_warn("rules: line %u: '%s' captures %s, which this version does not "
					 "record, ignoring",
					 c->alerts.items[i].line, c->alerts.items[i].name, event__name(ev));
}

static void watch_pressure(struct alerting *a)
{
	double above[SCOPE_N][PRESSURE_LINES];

	rule_engine__pressures(a->engine, above);
	watching__arm(a->parts.watching, above);
}

static int open_all(struct alerting *a)
{
	const struct rule_engine_opts opts = engine_opts(a, a->config);
	const struct rule_port port = {
		.capture = on_capture, .tell = on_news, .of_profile = on_profile_asked, .ctx = a};
	struct watcher watcher = {.ctx = a,
				  .is_asking = is_asking,
				  .sample = on_sample,
				  .done = on_pass_done,
				  .event = on_event};
	const struct rule_time now = time_now();
	int code = profile_watch__new(a->config->output.directory, &a->profiles);

	if (!code)
		code = rule_engine__new(&opts, &port, &a->config->alerts, &now, &a->engine);
	if (!code)
		code = telling__new(a->config, a->host, a->parts.loop, a->store_fd, &a->telling);
	if (!code && a->parts.control)
		code = control__add(a->parts.control, "rules", false, on_asked, a);
	if (code)
		return code;
	restore(a);
	watch_profiles(a);
	rule_engine__wants(a->engine, watcher.want);
	a->watcher = watching__add(a->parts.watching, &watcher);
	if (a->watcher < 0)
		return a->watcher;
	watch_pressure(a);
	publisher__show(a->parts.publisher, on_profile, a);
	return 0;
}

int alerting__new(const struct config *c, const struct alerting_parts *parts, struct alerting **ret,
		  struct err *err)
{
	struct alerting *a = calloc(1, sizeof(*a));
	int code;

	if (!a)
		return -ENOMEM;
	a->parts = *parts;
	a->config = c;
	a->store_dir = strdup(c->output.directory);
	if (!a->store_dir) {
		free(a);
		return -ENOMEM;
	}
	a->store_fd = open(a->store_dir, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	read_boot_id(a);
	if (gethostname(a->host, sizeof(a->host) - 1) || !*a->host)
		strcpy(a->host, "localhost");
	warn_of_events(c);
	code = open_all(a);
	if (code) {
		alerting__free(a);
		return err__set(err, code, "rules: cannot start: %s", strerror(-code));
	}
	*ret = a;
	return 0;
}

int alerting__prepare(struct alerting *a, const struct config *c, struct err *err)
{
	int code = rule_engine__prepare(a->engine, &c->alerts);

	return code ? err__set(err, code, "rules: cannot take the new ones: %s", strerror(-code)) : 0;
}

void alerting__set_config(struct alerting *a, const struct config *c)
{
	const struct rule_engine_opts opts = engine_opts(a, c);
	const struct rule_time now = time_now();
	uint64_t wants[SCOPE_N];

	rule_engine__set_rules(a->engine, &opts, &now);
	a->config = c;
	watch_profiles(a);
	telling__set_config(a->telling, c);
	warn_of_events(c);
	rule_engine__wants(a->engine, wants);
	watching__want(a->parts.watching, a->watcher, wants);
	watch_pressure(a);
}

void alerting__set_url(struct alerting *a, const char *url)
{
	telling__set_url(a->telling, url);
}

void alerting__stop(struct alerting *a)
{
	if (!a)
		return;
	a->is_stopped = true;
	a->save_from_ns = 0;
	if (a->engine)
		save(a);
}

void alerting__free(struct alerting *a)
{
	if (!a)
		return;
	alerting__stop(a);
	telling__free(a->telling);
	rule_engine__free(a->engine);
	profile_watch__free(a->profiles);
	io__close(&a->store_fd);
	free(a->store_dir);
	free(a);
}

void alerting__report_rules(const struct alerting *a, struct buf *to)
{
	rule_engine__report_rules(a->engine, a->host, to);
}

void alerting__report_alerts(const struct alerting *a, struct buf *to)
{
	rule_engine__report_alerts(a->engine, a->host, to);
}

void alerting__print_metrics(const struct alerting *a, struct buf *to)
{
	rule_engine__print_metrics(a->engine, to);
	telling__print_metrics(a->telling, to);
}
