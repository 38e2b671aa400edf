// SPDX-License-Identifier: Apache-2.0
/*
 * Problem: when a rule fires, what it is about lies seconds back, goes on for seconds more, and the machine is at its busiest. What is kept must be exact to the
 * second, and keeping it must not make anything worse.
 *
 * Idea: a capture is a set of asks. Of each event that is recorded one ask is for what lies before the moment and one for what comes after it; both are answered out of
 * the slices that are recorded anyway. When all are answered, one job on the thread that names windows makes the files and writes them (capture_slot.c);
 * what its target did in the minutes around is added when those are over (capture_sequel.c).
 *
 * Cost: a timer four times a second while one is under way. A raised frequency begins a window, and costs what its samples cost for as long as `after` is.
 *
 * What it does not do: decide when to capture (rules do), or keep two captures of one target apart: the second is refused while the first goes on.
 */
#include "user/alert/capture_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include "user/base/clock.h"
#include "user/base/err.h"
#include "user/base/io.h"
#include "user/base/log.h"
#include "user/base/loop.h"
#include "user/base/queue.h"

#define TICK_NS         (250 * NS_PER_MS)
#define FIRST_UPKEEP_NS (10 * NS_PER_SEC)
#define UPKEEP_NS       (600 * NS_PER_SEC)

struct capture_limits captures__limits(const struct captures *c)
{
	return (struct capture_limits){.age_ms = c->opts.retention_ns / NS_PER_MS,
				       .max_bytes = c->opts.max_bytes,
				       .max_per_rule = c->opts.max_per_rule};
}

/* -- jobs: what takes long is done on a thread that may wait -- */

static void job__work(void *ctx, bool is_ending)
{
	struct capture_job *j = ctx;
	uint64_t one = 1;

	j->err = is_ending ? -ECANCELED : j->work(j);
	queue__push(j->owner->worked, j); /* as long as there are jobs: never full */
	/* fails only where the counter is full, and then it is rung already */
	(void)!write(j->owner->event_fd, &one, sizeof(one));
}

bool captures__run(struct captures *c, struct capture_job *j)
{
	if (c->is_stopped)
		return false;
	j->is_at_work = true;
	j->is_at_work = !c->port.run(c->port.ctx, job__work, j);
	return j->is_at_work;
}

static void captures__take_jobs(struct captures *c)
{
	void *item;

	while (c->worked && !queue__try_pop(c->worked, &item)) {
		struct capture_job *j = item;

		j->is_at_work = false;
		j->done(j);
	}
}

static int on_worked(int fd, uint32_t events, void *ctx)
{
	uint64_t n;

	(void)events;
	if (read(fd, &n, sizeof(n)) == sizeof(n))
		captures__take_jobs(ctx);
	return 0;
}

/* -- retention -- */

void captures__tidy(struct captures *c, struct capture_tidying *t)
{
	t->is_done =
		!capture_upkeep__run(c->upkeep, c->opts.store_dir, &t->limits, &t->n_deleted, &t->kept_bytes);
}

void captures__count_tidied(struct captures *c, struct capture_tidying *t)
{
	c->stats.n_deleted += t->n_deleted;
	if (t->is_done)
		c->stats.kept_bytes = t->kept_bytes;
	t->n_deleted = 0;
	t->is_done = false;
}

static int upkeep__work(struct capture_job *j)
{
	captures__tidy(j->owner, &((struct capture_upkeep_job *)j)->tidying);
	return 0;
}

static void upkeep__done(struct capture_job *j)
{
	captures__count_tidied(j->owner, &((struct capture_upkeep_job *)j)->tidying);
}

/* Captures get old without any new one. */
static int on_slow(uint64_t n_expired, void *ctx)
{
	struct captures *c = ctx;

	(void)n_expired;
	if (c->upkeep_job.job.is_at_work)
		return 0;
	c->upkeep_job.tidying.limits = captures__limits(c);
	captures__run(c, &c->upkeep_job.job);
	return 0;
}

/* -- those under way -- */

void captures__follow_frequency(struct captures *c)
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

void captures__arm(struct captures *c)
{
	bool any = false;

	for (int i = 0; i < CAPTURES_MAX; i++)
		any = any || c->slots[i].state != CAPTURE_FREE;
	loop__set_timer(c->tick, any && !c->is_stopped ? TICK_NS : LOOP_TIMER_OFF, TICK_NS);
}

static int on_tick(uint64_t n_expired, void *ctx)
{
	struct captures *c = ctx;

	(void)n_expired;
	captures__follow_frequency(c);
	for (int i = 0; i < CAPTURES_MAX; i++)
		if (c->slots[i].state != CAPTURE_FREE)
			capture_slot__step(&c->slots[i]);
	return 0;
}

void captures__profile_done(struct captures *c, uint64_t ask, int err, int fd)
{
	for (int i = 0; i < CAPTURES_MAX; i++)
		if (capture_slot__take(&c->slots[i], ask, err, fd))
			return;
	io__close(&fd); /* of one that is over */
}

bool captures__are_tracked(const struct captures *c)
{
	for (int i = 0; i < CAPTURES_MAX; i++)
		if (c->slots[i].state != CAPTURE_FREE)
			return true;
	for (int i = 0; i < SEQUELS_MAX; i++)
		if (c->sequels[i].is_used)
			return true;
	return false;
}

void captures__take_sample(struct captures *c, const struct metric_sample *s)
{
	for (int i = 0; i < CAPTURES_MAX; i++)
		if (c->slots[i].state != CAPTURE_FREE && !c->slots[i].job.is_at_work)
			capture_track__take(&c->slots[i].kase->track, s);
	for (int i = 0; i < SEQUELS_MAX; i++)
		if (c->sequels[i].is_used && !c->sequels[i].job.is_at_work)
			capture_track__take(&c->sequels[i].track, s);
}

void captures__pass_done(struct captures *c, uint64_t mono_ns)
{
	capture_sequels__step(c, mono_ns);
}

/* -- the beginning of one -- */

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

const struct capture_case *captures__next_under_way(const struct captures *c, uint32_t *cursor)
{
	while (*cursor < CAPTURES_MAX) {
		const struct capture_slot *s = &c->slots[(*cursor)++];

		if (s->state != CAPTURE_FREE)
			return s->kase;
	}
	return NULL;
}

int captures__begin(struct captures *c, const struct capture_request *r, char ret_id[CAPTURE_ID_MAX],
		    struct err *err)
{
	struct capture_slot *s = NULL;
	struct capture_case *kase;
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
	code = capture_case__new(r, id, &kase);
	if (code)
		return err__set(err, code, "cannot begin a capture: %s", strerror(-code));
	if (!kase->request.episode)
		kase->request.episode = strtoull(id, NULL, 16);
	if (ret_id)
		memcpy(ret_id, id, sizeof(id));
	capture_slot__begin(s, kase);
	return 0;
}

/* -- life -- */

static int captures__add_sources(struct captures *c)
{
	int err;

	c->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	c->worked = queue__new(CAPTURES_MAX + SEQUELS_MAX + 1);
	c->upkeep = capture_upkeep__new();
	if (c->event_fd < 0 || !c->worked || !c->upkeep)
		return -ENOMEM;
	err = loop__add_fd(c->loop, c->event_fd, EPOLLIN, on_worked, c, &c->event_source);
	if (!err)
		err = loop__add_timer(c->loop, LOOP_TIMER_OFF, 0, on_tick, c, &c->tick);
	if (!err)
		err = loop__add_timer(c->loop, FIRST_UPKEEP_NS, UPKEEP_NS, on_slow, c, &c->slow);
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
		capture_slot__init(&c->slots[i], c);
	c->upkeep_job.job = (struct capture_job){.owner = c, .work = upkeep__work, .done = upkeep__done};
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

void captures__free(struct captures *c)
{
	if (!c)
		return;
	c->is_stopped = true;
	c->port.raise = NULL;
	captures__take_jobs(c);
	for (int i = 0; i < CAPTURES_MAX; i++)
		if (c->slots[i].state != CAPTURE_FREE)
			capture_slot__finish(&c->slots[i]);
	capture_sequels__finish(c);
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
