// SPDX-License-Identifier: Apache-2.0
/*
 * One capture under way: what is asked for it, what comes of that, and the job that makes and writes its files.
 *
 *      GATHERING ── all answered ──> MAKING ── written ──> done
 *                                      ^  └─ the disk refuses ─> WAITING ── 10 s ──┐
 *                                      └───────────────────────────────────────────┘
 *
 * Invariants: `done` of the request is called once for each that has begun. What the disk refuses is complete in memory: it is written when the disk takes it, or
 * given up after GIVE_UP_NS; nothing else is deleted for it, for what is deleted goes only after the new one is safe.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "user/alert/capture_impl.h"
#include "user/base/clock.h"
#include "user/base/io.h"
#include "user/base/log.h"

#define RETRY_NS   (10 * NS_PER_SEC)
#define GIVE_UP_NS (600 * NS_PER_SEC)
#define SLICE_NS   NS_PER_SEC

/* -- on the thread that may wait -- */

static int slot__write(struct capture_slot *s)
{
	struct captures *c = s->job.owner;
	int err = s->is_made ? 0 : capture_bundle__make(s->kase, c->store, &s->bundle);

	s->is_made = s->is_made || !err;
	if (!err)
		err = capture_folder__write(c->opts.store_dir, s->kase->request.rule, &s->kase->name,
					    s->bundle.files, s->bundle.n, &s->bytes);
	return err;
}

static int slot__work(struct capture_job *j)
{
	struct capture_slot *s = (struct capture_slot *)j;
	int err = slot__write(s);

	if (!err)
		captures__tidy(j->owner, &s->tidying);
	return err;
}

/* -- the end of one -- */

/* What passes by itself, or when somebody makes room. */
static bool is_of_the_disk(int err)
{
	return err == -ENOSPC || err == -EDQUOT || err == -EROFS || err == -EIO || err == -ENOENT ||
	       err == -ESTALE || err == -EMFILE || err == -ENFILE;
}

static void slot__count(struct capture_slot *s)
{
	struct captures *c = s->job.owner;

	if (!s->job.err) {
		c->stats.n_written++;
		c->stats.written_bytes += s->bytes;
		log_info("captures: kept '%s'", s->kase->path);
		return;
	}
	c->stats.n_failed++;
	memcpy(c->lost_id, s->kase->id, sizeof(c->lost_id));
	c->lost_err = s->job.err;
	log_warn("captures: '%s' of rule '%s' is lost: %s", s->kase->id, s->kase->request.rule,
		 strerror(-s->job.err));
}

static void slot__follow(struct captures *c, struct capture_case *kase)
{
	struct capture_folder folder = {.name = kase->name};

	capture_name__format_rule(kase->request.rule, folder.rule);
	capture_name__format(&kase->name, folder.text);
	capture_sequel__begin(c, &folder, &kase->track);
}

static void slot__end(struct capture_slot *s)
{
	struct captures *c = s->job.owner;
	struct capture_case *kase = s->kase;
	struct capture_result r = {.id = kase->id,
				   .path = s->job.err ? "" : kase->path,
				   .bytes = s->bytes,
				   .events = s->bundle.events,
				   .err = s->job.err};

	slot__count(s);
	capture_bundle__done(&s->bundle);
	capture_slot__init(s, c);
	captures__follow_frequency(c);
	captures__arm(c);
	if (kase->request.done)
		kase->request.done(kase->request.ctx, &r);
	if (!r.err)
		slot__follow(c, kase);
	capture_case__free(kase);
}

static void slot__done(struct capture_job *j)
{
	struct capture_slot *s = (struct capture_slot *)j;
	uint64_t now = clock__mono_ns();

	captures__count_tidied(j->owner, &s->tidying);
	if (j->err == -ECANCELED) /* capture_slot__finish writes it, or says that it is lost */
		return;
	if (!s->give_up_ns)
		s->give_up_ns = now + GIVE_UP_NS;
	if (!is_of_the_disk(j->err) || now >= s->give_up_ns) {
		slot__end(s);
		return;
	}
	if (s->state != CAPTURE_WAITING)
		log_warn("captures: cannot write '%s' of rule '%s': %s; it is kept in memory and tried again",
			 s->kase->id, s->kase->request.rule, strerror(-j->err));
	s->state = CAPTURE_WAITING;
	s->retry_at_ns = now + RETRY_NS;
}

void capture_slot__init(struct capture_slot *s, struct captures *c)
{
	*s = (struct capture_slot){.job = {.owner = c, .work = slot__work, .done = slot__done}};
}

/* -- asking -- */

static void slot__ask(struct capture_slot *s, struct capture_part *p, int when)
{
	const struct capture_request *r = &s->kase->request;
	const struct capture_port *port = &s->job.owner->port;
	/* what is asked for are slices that begin in the range: with that in which the range begins, it is not shorter than it should be */
	uint64_t fired = r->fired_mono_ns, back = r->before_ns + SLICE_NS,
		 from = fired > back ? fired - back : 0;
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

static void slot__ask_all(struct capture_slot *s)
{
	for (uint32_t i = 0; i < s->kase->n_parts; i++)
		for (int w = 0; w < WHEN_N; w++)
			if (s->kase->parts[i].of[w].ask && !s->kase->parts[i].of[w].is_asked)
				slot__ask(s, &s->kase->parts[i], w);
}

void capture_slot__step(struct capture_slot *s)
{
	struct captures *c = s->job.owner;

	if (s->job.is_at_work || c->is_stopped)
		return;
	if (s->state == CAPTURE_GATHERING) {
		slot__ask_all(s);
		if (!slot__is_complete(s) ||
		    clock__mono_ns() < s->kase->request.fired_mono_ns + s->kase->request.after_ns)
			return;
		capture_case__read_series(s->kase);
		s->state = CAPTURE_MAKING;
	}
	if (s->state == CAPTURE_MAKING ||
	    (s->state == CAPTURE_WAITING && clock__mono_ns() >= s->retry_at_ns)) {
		s->tidying.limits = captures__limits(c);
		captures__run(c, &s->job);
	}
}

bool capture_slot__take(struct capture_slot *s, uint64_t ask, int err, int fd)
{
	struct capture_case *k = s->state == CAPTURE_GATHERING ? s->kase : NULL;

	for (uint32_t p = 0; k && p < k->n_parts; p++) {
		for (int w = 0; w < WHEN_N; w++) {
			if (k->parts[p].of[w].ask != ask || k->parts[p].of[w].is_over)
				continue;
			k->parts[p].of[w].is_over = true;
			k->parts[p].of[w].err = err;
			k->parts[p].of[w].fd = fd;
			return true;
		}
	}
	return false;
}

/* -- the beginning of one -- */

/* A state is looked at now or never: what it shows is this moment. False: the event is no state. */
static bool slot__plan_dump(struct capture_slot *s, struct capture_part *p)
{
	struct captures *c = s->job.owner;

	if (!c->port.dump)
		return false;
	p->is_dump = true;
	p->of[WHEN_BEFORE].ask = ++c->next_ask;
	slot__ask(s, p, WHEN_BEFORE);
	if (p->of[WHEN_BEFORE].err != -EOPNOTSUPP)
		return true;
	*p = (struct capture_part){.event = p->event, .is_extra = p->is_extra};
	p->of[WHEN_BEFORE].fd = p->of[WHEN_AFTER].fd = FD_CLOSED;
	return false;
}

/* What is not recorded has no `before`. False: it has no `after` either. */
static bool slot__plan_windows(struct capture_slot *s, struct capture_part *p, bool is_recorded)
{
	const struct capture_request *r = &s->kase->request;

	if (r->before_ns && is_recorded)
		p->of[WHEN_BEFORE].ask = ++s->job.owner->next_ask;
	if (r->after_ns)
		p->of[WHEN_AFTER].ask = ++s->job.owner->next_ask;
	if (is_recorded)
		return true;
	if (p->of[WHEN_AFTER].ask)
		slot__ask(s, p, WHEN_AFTER);
	return p->of[WHEN_AFTER].ask && p->of[WHEN_AFTER].err != -ENOENT;
}

/* Where the host is in need, nothing is recorded that is not anyway; a look at what was asked for takes no probe, and is had all the same. */
static bool slot__plan_part(struct capture_slot *s, struct capture_part *p, bool is_recorded)
{
	bool may_record = is_recorded || !s->kase->request.only_recorded;

	if ((may_record || !p->is_extra) && slot__plan_dump(s, p))
		return true;
	return may_record && slot__plan_windows(s, p, is_recorded);
}

static void slot__plan(struct capture_slot *s)
{
	struct captures *c = s->job.owner;
	struct capture_case *k = s->kase;
	uint32_t recorded = c->port.recorded(c->port.ctx);
	uint32_t named = k->request.events ? k->request.events : recorded, wanted = named;

	/* where memory went is told by more than its page faults: who allocated it, and what a Go program itself knows */
	if (k->request.events >> EVENT_MEMORY & 1)
		wanted |= (recorded & 1u << EVENT_ALLOC) | (c->port.dump ? 1u << EVENT_HEAP : 0);
	for (enum event ev = 0; ev < EVENT_N; ev++) {
		struct capture_part *p = &k->parts[k->n_parts];
		bool is_named = named >> ev & 1;

		if (!(wanted >> ev & 1))
			continue;
		*p = (struct capture_part){.event = ev, .is_extra = !is_named};
		p->of[WHEN_BEFORE].fd = p->of[WHEN_AFTER].fd = FD_CLOSED;
		if (slot__plan_part(s, p, recorded >> ev & 1))
			k->n_parts++;
		else if (is_named)
			k->not_recorded |= 1u << ev;
	}
}

static void add_process(void *ctx, const struct capture_process *p)
{
	capture_case__add_process(ctx, p);
}

static void add_past(void *ctx, enum metric_id metric, uint64_t at_ns, double value)
{
	capture_track__put(ctx, metric, at_ns, value);
}

static void slot__describe(struct capture_slot *s)
{
	const struct capture_port *port = &s->job.owner->port;
	struct capture_case *k = s->kase;

	if (port->past)
		port->past(port->ctx, &k->track.target, k->request.fired_mono_ns - TRACK_SIDE_NS, add_past,
			   &k->track);
	if (port->describe && !k->request.selection)
		port->describe(port->ctx, &k->request.target, s->job.owner->opts.command_lines, add_process,
			       k);
}

static void slot__name_path(struct capture_slot *s)
{
	char rule[CAPTURE_RULE_MAX], name[CAPTURE_NAME_MAX];

	capture_name__format_rule(s->kase->request.rule, rule);
	capture_name__format(&s->kase->name, name);
	snprintf(s->kase->path, sizeof(s->kase->path), "%s/captures/%s/%s", s->job.owner->opts.store_dir,
		 rule, name);
}

void capture_slot__begin(struct capture_slot *s, struct capture_case *kase)
{
	struct captures *c = s->job.owner;
	const struct capture_request *r = &kase->request;

	s->state = CAPTURE_GATHERING;
	s->kase = kase;
	kase->configured_hz = c->opts.frequency_hz;
	slot__name_path(s);
	slot__describe(s);
	slot__plan(s);
	s->raise_hz = r->frequency_hz < c->opts.max_frequency_hz ? r->frequency_hz : c->opts.max_frequency_hz;
	if (s->raise_hz > c->opts.frequency_hz)
		s->raise_until_ns = r->fired_mono_ns + r->after_ns;
	captures__follow_frequency(c);
	c->stats.n_begun++;
	captures__arm(c);
	capture_slot__step(s);
}

void capture_slot__finish(struct capture_slot *s)
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
	s->job.err = has_any ? slot__write(s) : -ECANCELED;
	slot__end(s);
}
