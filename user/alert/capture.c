// SPDX-License-Identifier: Apache-2.0
/*
 * Problem: when a rule fires, what it is about lies seconds back, goes on for seconds more, and the machine is at its busiest. What is kept must be exact to the
 * second, and keeping it must not make anything worse.
 *
 * Idea: a capture is a set of asks. Of each event that is recorded one ask is for what lies before the moment and one for what comes after it; both are answered out of
 * the slices that are recorded anyway. When all are answered, one job on the thread that names windows makes the files and writes them.
 *
 *      GATHERING ── all answered ──> MAKING ── written ──> done
 *                                      ^  └─ the disk refuses ─> WAITING ── 10 s ──┐
 *                                      └───────────────────────────────────────────┘
 *
 * Invariants: `done` is called once for each begin that succeeded. A capture that the disk refuses is complete in memory: it is written when the disk takes it, or
 * given up after GIVE_UP_NS; nothing else is deleted for it, for what is deleted goes only after the new one is safe.
 *
 * Cost: a timer four times a second while one is under way. A raised frequency begins a window, and costs what its samples cost for as long as `after` is.
 *
 * What it does not do: decide when to capture (rules do), or keep two captures of one target apart: the second is refused while the first goes on.
 */
#include "user/alert/capture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include "user/alert/capture_bundle.h"
#include "user/alert/capture_case.h"
#include "user/alert/capture_upkeep.h"
#include "user/base/clock.h"
#include "user/base/err.h"
#include "user/base/io.h"
#include "user/base/log.h"
#include "user/base/loop.h"
#include "user/base/queue.h"
#include "user/store/capture_folder.h"

#define TICK_NS    (250 * NS_PER_MS)
#define RETRY_NS   (10 * NS_PER_SEC)
#define GIVE_UP_NS (600 * NS_PER_SEC)
#define UPKEEP_NS  (600 * NS_PER_SEC)

enum capture_state { CAPTURE_FREE, CAPTURE_GATHERING, CAPTURE_MAKING, CAPTURE_WAITING, CAPTURE_UPKEEP };

/* One capture under way, or the upkeep, which runs the same way. */
struct capture_slot {
	struct captures *owner;
	enum capture_state state;
	bool is_at_work; /* the other thread has it */
	struct capture_case *kase;
	struct capture_bundle bundle;
	bool is_made;
	uint64_t raise_until_ns, retry_at_ns, give_up_ns;
	uint32_t raise_hz;
	/* set by the work */
	struct capture_limits limits;
	int err;
	uint64_t bytes, kept_bytes;
	uint32_t n_deleted;
	bool has_upkept;
};

struct captures {
	struct captures_opts opts; /* store_dir: our own copy */
	struct capture_port port;
	struct store *store;
	struct loop *loop;
	struct loop_source *tick, *slow, *event_source;
	int event_fd; /* rung by the other thread */
	struct queue *worked;
	struct capture_upkeep *upkeep;
	struct capture_slot slots[CAPTURES_MAX];
	struct capture_slot upkeep_slot;
	uint64_t next_ask, raised_since_ns;
	uint32_t raised_hz; /* wanted now */
	bool is_stopped;
	char lost_id[CAPTURE_ID_MAX]; /* of the last one */
	int lost_err;
	struct captures_stats stats;
};

static struct capture_limits limits_of(const struct captures *c)
{
	return (struct capture_limits){.age_ms = c->opts.retention_ns / NS_PER_MS,
				       .max_bytes = c->opts.max_bytes,
				       .max_per_rule = c->opts.max_per_rule};
}

/* -- on the thread that may wait -- */

static void slot__upkeep(struct capture_slot *s)
{
	s->has_upkept = !capture_upkeep__run(s->owner->upkeep, s->owner->opts.store_dir, &s->limits,
					     &s->n_deleted, &s->kept_bytes);
}

static int slot__write(struct capture_slot *s)
{
	struct captures *c = s->owner;
	int err = s->is_made ? 0 : capture_bundle__make(s->kase, c->store, &s->bundle);

	s->is_made = s->is_made || !err;
	if (!err)
		err = capture_folder__write(c->opts.store_dir, s->kase->request.rule, &s->kase->name,
					    s->bundle.files, s->bundle.n, &s->bytes);
	return err;
}

static void slot__work(void *ctx, bool is_ending)
{
	struct capture_slot *s = ctx;
	uint64_t one = 1;

	s->err = is_ending ? -ECANCELED : s->state == CAPTURE_UPKEEP ? 0 : slot__write(s);
	if (!s->err)
		slot__upkeep(s);
	queue__push(s->owner->worked, s); /* as long as there are slots: never full */
	/* fails only where the counter is full, and then it is rung already */
	(void)!write(s->owner->event_fd, &one, sizeof(one));
}

/* -- the end of one -- */

static void captures__follow_frequency(struct captures *c)
{
	uint64_t now = clock__mono_ns();
	uint32_t wanted = 0, got;

	for (int i = 0; i < CAPTURES_MAX; i++) {
		const struct capture_slot *s = &c->slots[i];

		if (s->state != CAPTURE_FREE && now < s->raise_until_ns && s->raise_hz > wanted)
			wanted = s->raise_hz;
	}
	if (wanted == c->raised_hz || !c->port.raise)
		return;
	got = c->port.raise(c->port.ctx, wanted);
	if (!c->raised_hz)
		c->raised_since_ns = now;
	else if (!wanted)
		c->stats.raised_ns += now - c->raised_since_ns;
	c->raised_hz = wanted;
	for (int i = 0; wanted && i < CAPTURES_MAX; i++)
		if (c->slots[i].state == CAPTURE_GATHERING && now < c->slots[i].raise_until_ns &&
		    got > c->slots[i].kase->raised_hz)
			c->slots[i].kase->raised_hz = got;
}

static void captures__arm(struct captures *c)
{
	bool any = false;

	for (int i = 0; i < CAPTURES_MAX; i++)
		any = any || c->slots[i].state != CAPTURE_FREE;
	loop__set_timer(c->tick, any && !c->is_stopped ? TICK_NS : LOOP_TIMER_OFF, TICK_NS);
}

static void slot__path(const struct capture_slot *s, char path[CAPTURE_PATH_MAX])
{
	char rule[CAPTURE_RULE_MAX], name[CAPTURE_NAME_MAX];

	capture_name__format_rule(s->kase->request.rule, rule);
	capture_name__format(&s->kase->name, name);
	snprintf(path, CAPTURE_PATH_MAX, "%s/captures/%s/%s", s->owner->opts.store_dir, rule, name);
}

static void slot__end(struct capture_slot *s)
{
	struct captures *c = s->owner;
	struct capture_case *kase = s->kase;
	char path[CAPTURE_PATH_MAX] = "";
	struct capture_result r = {
		.id = kase->id, .path = path, .bytes = s->bytes, .events = s->bundle.events, .err = s->err};

	if (!s->err)
		slot__path(s, path);
	if (s->err) {
		c->stats.n_failed++;
		memcpy(c->lost_id, kase->id, sizeof(c->lost_id));
		c->lost_err = s->err;
		log_warn("captures: '%s' of rule '%s' is lost: %s", kase->id, kase->request.rule,
			 strerror(-s->err));
	} else {
		c->stats.n_written++;
		c->stats.written_bytes += s->bytes;
		log_info("captures: kept '%s'", path);
	}
	capture_bundle__done(&s->bundle);
	*s = (struct capture_slot){.owner = c};
	captures__follow_frequency(c);
	captures__arm(c);
	if (kase->request.done)
		kase->request.done(kase->request.ctx, &r);
	capture_case__free(kase);
}

/* What passes by itself, or when somebody makes room. */
static bool is_of_the_disk(int err)
{
	return err == -ENOSPC || err == -EDQUOT || err == -EROFS || err == -EIO || err == -ENOENT ||
	       err == -ESTALE || err == -EMFILE || err == -ENFILE;
}

static void slot__take_result(struct capture_slot *s)
{
	struct captures *c = s->owner;
	uint64_t now = clock__mono_ns();

	s->is_at_work = false;
	c->stats.n_deleted += s->n_deleted;
	if (s->has_upkept)
		c->stats.kept_bytes = s->kept_bytes;
	s->n_deleted = 0;
	s->has_upkept = false;
	if (s->state == CAPTURE_UPKEEP) {
		s->state = CAPTURE_FREE;
		return;
	}
	if (s->err == -ECANCELED) /* captures__free writes it, or says that it is lost */
		return;
	if (!s->give_up_ns)
		s->give_up_ns = now + GIVE_UP_NS;
	if (!is_of_the_disk(s->err) || now >= s->give_up_ns) {
		slot__end(s);
		return;
	}
	if (s->state != CAPTURE_WAITING)
		log_warn("captures: cannot write '%s' of rule '%s': %s; it is kept in memory and tried again",
			 s->kase->id, s->kase->request.rule, strerror(-s->err));
	s->state = CAPTURE_WAITING;
	s->retry_at_ns = now + RETRY_NS;
}

static int on_worked(int fd, uint32_t events, void *ctx)
{
	struct captures *c = ctx;
	uint64_t n;
	void *item;

	(void)events;
	if (read(fd, &n, sizeof(n)) == sizeof(n))
		while (!queue__try_pop(c->worked, &item))
			slot__take_result(item);
	return 0;
}

/* -- asking -- */

static void slot__ask(struct capture_slot *s, struct capture_part *p, int when)
{
	const struct capture_request *r = &s->kase->request;
	const struct capture_port *port = &s->owner->port;
	uint64_t fired = r->fired_mono_ns, from = fired > r->before_ns ? fired - r->before_ns : 0;
	int err;

	if (p->is_dump)
		err = port->dump(port->ctx, p->of[when].ask, p->event, &r->target);
	else if (when == WHEN_BEFORE)
		err = port->profile(port->ctx, p->of[when].ask, p->event, from, fired);
	else
		err = port->profile(port->ctx, p->of[when].ask, p->event, fired, fired + r->after_ns);
	if (err == -EAGAIN)
		return;
	p->of[when].is_asked = true;
	if (err) {
		p->of[when].is_over = true;
		p->of[when].err = err;
	}
}

static bool slot__is_complete(const struct capture_slot *s)
{
	for (uint32_t i = 0; i < s->kase->n_parts; i++)
		for (int w = 0; w < WHEN_N; w++)
			if (s->kase->parts[i].of[w].ask && !s->kase->parts[i].of[w].is_over)
				return false;
	return true;
}

static void slot__run(struct capture_slot *s)
{
	struct captures *c = s->owner;

	s->limits = limits_of(c);
	s->is_at_work = true;
	if (c->port.run(c->port.ctx, slot__work, s))
		s->is_at_work = false; /* the next tick tries again */
}

static void slot__step(struct capture_slot *s)
{
	if (s->is_at_work || s->owner->is_stopped)
		return;
	if (s->state == CAPTURE_GATHERING) {
		for (uint32_t i = 0; i < s->kase->n_parts; i++)
			for (int w = 0; w < WHEN_N; w++)
				if (s->kase->parts[i].of[w].ask && !s->kase->parts[i].of[w].is_asked)
					slot__ask(s, &s->kase->parts[i], w);
		if (!slot__is_complete(s) ||
		    clock__mono_ns() < s->kase->request.fired_mono_ns + s->kase->request.after_ns)
			return;
		capture_case__read_series(s->kase);
		s->state = CAPTURE_MAKING;
	}
	if (s->state == CAPTURE_MAKING || (s->state == CAPTURE_WAITING && clock__mono_ns() >= s->retry_at_ns))
		slot__run(s);
}

static int on_tick(uint64_t n_expired, void *ctx)
{
	struct captures *c = ctx;

	(void)n_expired;
	captures__follow_frequency(c);
	for (int i = 0; i < CAPTURES_MAX; i++)
		if (c->slots[i].state != CAPTURE_FREE)
			slot__step(&c->slots[i]);
	return 0;
}

/* Captures get old without any new one. */
static int on_slow(uint64_t n_expired, void *ctx)
{
	struct captures *c = ctx;
	struct capture_slot *s = &c->upkeep_slot;

	(void)n_expired;
	if (s->state == CAPTURE_FREE && !c->is_stopped) {
		s->state = CAPTURE_UPKEEP;
		slot__run(s);
		if (!s->is_at_work)
			s->state = CAPTURE_FREE;
	}
	return 0;
}

void captures__profile_done(struct captures *c, uint64_t ask, int err, int fd)
{
	for (int i = 0; i < CAPTURES_MAX; i++) {
		struct capture_case *k = c->slots[i].state == CAPTURE_GATHERING ? c->slots[i].kase : NULL;

		for (uint32_t p = 0; k && p < k->n_parts; p++) {
			for (int w = 0; w < WHEN_N; w++) {
				if (k->parts[p].of[w].ask != ask || k->parts[p].of[w].is_over)
					continue;
				k->parts[p].of[w].is_over = true;
				k->parts[p].of[w].err = err;
				k->parts[p].of[w].fd = fd;
				return;
			}
		}
	}
	io__close(&fd); /* of one that is over */
}

/* -- the beginning of one -- */

/* A state is looked at now or never: what it shows is this moment. False: the event is no state. */
static bool slot__plan_dump(struct capture_slot *s, struct capture_part *p)
{
	struct captures *c = s->owner;

	if (!c->port.dump)
		return false;
	p->is_dump = true;
	p->of[WHEN_BEFORE].ask = ++c->next_ask;
	slot__ask(s, p, WHEN_BEFORE);
	if (p->of[WHEN_BEFORE].err != -EOPNOTSUPP)
		return true;
	*p = (struct capture_part){.event = p->event};
	p->of[WHEN_BEFORE].fd = p->of[WHEN_AFTER].fd = FD_CLOSED;
	return false;
}

/* What is not recorded has no `before`. False: it has no `after` either. */
static bool slot__plan_windows(struct capture_slot *s, struct capture_part *p, bool is_recorded)
{
	const struct capture_request *r = &s->kase->request;

	if (r->before_ns && is_recorded)
		p->of[WHEN_BEFORE].ask = ++s->owner->next_ask;
	if (r->after_ns)
		p->of[WHEN_AFTER].ask = ++s->owner->next_ask;
	if (is_recorded)
		return true;
	if (p->of[WHEN_AFTER].ask)
		slot__ask(s, p, WHEN_AFTER);
	return p->of[WHEN_AFTER].ask && p->of[WHEN_AFTER].err != -ENOENT;
}

static void slot__plan(struct capture_slot *s)
{
	struct captures *c = s->owner;
	struct capture_case *k = s->kase;
	uint32_t recorded = c->port.recorded(c->port.ctx);
	uint32_t wanted = k->request.events ? k->request.events : recorded;

	for (enum event ev = 0; ev < EVENT_N; ev++) {
		struct capture_part *p = &k->parts[k->n_parts];

		if (!(wanted >> ev & 1))
			continue;
		*p = (struct capture_part){.event = ev};
		p->of[WHEN_BEFORE].fd = p->of[WHEN_AFTER].fd = FD_CLOSED;
		if (slot__plan_dump(s, p) || slot__plan_windows(s, p, recorded >> ev & 1))
			k->n_parts++;
		else
			k->not_recorded |= 1u << ev;
	}
}

static void add_process(void *ctx, const struct capture_process *p)
{
	capture_case__add_process(ctx, p);
}

static int check_request(struct captures *c, const struct capture_request *r, struct err *err)
{
	if (!r->rule || !*r->rule)
		return err__set(err, -EINVAL, "a capture needs the name of its rule");
	if (r->before_ns > CAPTURE_RANGE_MAX_NS || r->after_ns > CAPTURE_RANGE_MAX_NS ||
	    !(r->before_ns + r->after_ns))
		return err__set(err, -EINVAL, "before and after: at most 1h each, and not both 0");
	if (c->is_stopped)
		return err__set(err, -ECANCELED, "the agent ends");
	return 0;
}

static void new_id(char id[CAPTURE_ID_MAX])
{
	uint64_t random;

	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != (ssize_t)sizeof(random))
		random = clock__real_ns() * 0x9e3779b97f4a7c15ull;
	snprintf(id, CAPTURE_ID_MAX, "%012llx", (unsigned long long)(random >> 16));
}

static void slot__begin(struct capture_slot *s)
{
	struct captures *c = s->owner;
	const struct capture_request *r = &s->kase->request;

	s->state = CAPTURE_GATHERING;
	s->kase->configured_hz = c->opts.frequency_hz;
	if (c->port.describe && !r->selection)
		c->port.describe(c->port.ctx, &r->target, c->opts.command_lines, add_process, s->kase);
	slot__plan(s);
	s->raise_hz = r->frequency_hz < c->opts.max_frequency_hz ? r->frequency_hz : c->opts.max_frequency_hz;
	if (s->raise_hz > c->opts.frequency_hz)
		s->raise_until_ns = r->fired_mono_ns + r->after_ns;
	captures__follow_frequency(c);
	c->stats.n_begun++;
	captures__arm(c);
	slot__step(s);
}

bool captures__is_busy(const struct captures *c, const struct metric_target *target)
{
	for (int i = 0; i < CAPTURES_MAX; i++) {
		const struct capture_slot *s = &c->slots[i];

		if (s->state == CAPTURE_GATHERING && !s->kase->request.selection &&
		    capture_target__is_same(&s->kase->request.target, target))
			return true;
	}
	return false;
}

int captures__state(const struct captures *c, const char *id)
{
	for (int i = 0; i < CAPTURES_MAX; i++)
		if (c->slots[i].state != CAPTURE_FREE && !strcmp(c->slots[i].kase->id, id))
			return 0;
	return !strcmp(c->lost_id, id) ? c->lost_err : -ENOENT;
}

int captures__begin(struct captures *c, const struct capture_request *r, char ret_id[CAPTURE_ID_MAX],
		    struct err *err)
{
	struct capture_slot *s = NULL;
	char id[CAPTURE_ID_MAX];
	int code = check_request(c, r, err);

	if (!code && !r->selection && captures__is_busy(c, &r->target))
		code = err__set(err, -EBUSY, "a capture of that target is under way");
	for (int i = 0; !code && !s && i < CAPTURES_MAX; i++)
		if (c->slots[i].state == CAPTURE_FREE)
			s = &c->slots[i];
	if (!code && !s)
		code = err__set(err, -EAGAIN, "%d captures are under way already", CAPTURES_MAX);
	if (code) {
		c->stats.n_refused++;
		return code;
	}
	new_id(id);
	code = capture_case__new(r, id, &s->kase);
	if (code)
		return err__set(err, code, "cannot begin a capture: %s", strerror(-code));
	if (!s->kase->request.episode)
		s->kase->request.episode = strtoull(id, NULL, 16);
	if (ret_id)
		memcpy(ret_id, id, sizeof(id));
	slot__begin(s);
	return 0;
}

/* -- life -- */

static int captures__add_sources(struct captures *c)
{
	int err;

	c->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	c->worked = queue__new(CAPTURES_MAX + 1);
	c->upkeep = capture_upkeep__new();
	if (c->event_fd < 0 || !c->worked || !c->upkeep)
		return -ENOMEM;
	err = loop__add_fd(c->loop, c->event_fd, EPOLLIN, on_worked, c, &c->event_source);
	if (!err)
		err = loop__add_timer(c->loop, LOOP_TIMER_OFF, 0, on_tick, c, &c->tick);
	if (!err)
		err = loop__add_timer(c->loop, RETRY_NS, UPKEEP_NS, on_slow, c, &c->slow);
	return err;
}

int captures__new(const struct captures_opts *opts, const struct capture_port *port, struct store *store,
		  struct loop *loop, struct captures **ret, struct err *err)
{
	struct captures *c = calloc(1, sizeof(*c));
	uint32_t n_cleaned = 0;
	int code;

	if (!c)
		return -ENOMEM;
	*c = (struct captures){
		.opts = *opts, .port = *port, .store = store, .loop = loop, .event_fd = FD_CLOSED};
	for (int i = 0; i < CAPTURES_MAX; i++)
		c->slots[i].owner = c;
	c->upkeep_slot.owner = c;
	c->opts.store_dir = strdup(opts->store_dir);
	code = c->opts.store_dir ? captures__add_sources(c) : -ENOMEM;
	if (code) {
		err__set(err, code, "captures: cannot start: %s", strerror(-code));
		captures__free(c);
		return code;
	}
	if (!capture_folder__clean(opts->store_dir, &n_cleaned) && n_cleaned)
		log_info("captures: removed %u that an earlier run left unfinished", n_cleaned);
	*ret = c;
	return 0;
}

void captures__set_opts(struct captures *c, const struct captures_opts *opts)
{
	const char *dir = c->opts.store_dir;

	c->opts = *opts;
	c->opts.store_dir = dir;
}

void captures__stop(struct captures *c)
{
	if (!c)
		return;
	c->is_stopped = true;
	captures__arm(c);
	for (int i = 0; i < CAPTURES_MAX; i++)
		c->slots[i].raise_until_ns = 0;
	captures__follow_frequency(c);
}

/* The other thread is gone: what has a profile is written here. */
static void slot__finish(struct capture_slot *s)
{
	const struct capture_request *r = &s->kase->request;
	bool has_any = s->is_made;

	if (s->state == CAPTURE_GATHERING) {
		s->kase->is_cut_short = clock__mono_ns() < r->fired_mono_ns + r->after_ns;
		capture_case__read_series(s->kase);
	}
	for (uint32_t i = 0; i < s->kase->n_parts; i++)
		for (int w = 0; w < WHEN_N; w++)
			has_any = has_any || s->kase->parts[i].of[w].fd >= 0;
	s->err = has_any ? slot__write(s) : -ECANCELED;
	slot__end(s);
}

void captures__free(struct captures *c)
{
	void *item;

	if (!c)
		return;
	c->is_stopped = true;
	c->port.raise = NULL;
	while (c->worked && !queue__try_pop(c->worked, &item))
		slot__take_result(item);
	for (int i = 0; i < CAPTURES_MAX; i++)
		if (c->slots[i].state != CAPTURE_FREE)
			slot__finish(&c->slots[i]);
	if (c->event_source)
		loop__remove(c->loop, c->event_source);
	if (c->tick)
		loop__remove(c->loop, c->tick);
	if (c->slow)
		loop__remove(c->loop, c->slow);
	capture_upkeep__free(c->upkeep);
	queue__free(c->worked);
	io__close(&c->event_fd);
	free((char *)c->opts.store_dir);
	free(c);
}

void captures__stats(const struct captures *c, struct captures_stats *ret)
{
	*ret = c->stats;
	for (int i = 0; i < CAPTURES_MAX; i++) {
		ret->n_running +=
			c->slots[i].state == CAPTURE_GATHERING || c->slots[i].state == CAPTURE_MAKING;
		ret->n_waiting_for_disk += c->slots[i].state == CAPTURE_WAITING;
	}
}
