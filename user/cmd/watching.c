// SPDX-License-Identifier: Apache-2.0
#include "user/cmd/watching.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/base/loop.h"
#include "user/pipeline/ceiling.h"
#include "user/pipeline/collector.h"

#define LOG_EVERY      600               /* passes that fail */
#define FLUSH_AFTER_NS (300 * NS_PER_MS) /* the victim dies meanwhile, and is sampled to its end */
#define FLUSH_EVERY_NS (10 * NS_PER_SEC)
#define LEAST_GAP_NS   (500 * NS_PER_MS) /* between passes: rates of a shorter time are noise */
/* who asked, and so long after the start: who does not yet, mostly will again */
#define ASKED_NS    (60 * NS_PER_SEC)
#define REST_PASSES 5 /* one pass in so many where nobody asks */

struct watching {
	struct loop *loop;
	struct loop_source *timer, *flush_timer;
	struct collector *collector;
	uint64_t flushed_ns;
	struct usage *usage;
	struct pressure_triggers triggers;
	uint64_t passed_ns, asked_ns;
	uint32_t n_skipped;
	struct ceiling *ceiling;
	struct watcher watchers[WATCHERS_MAX];
	int n_watchers;
	uint64_t n_failed;
};

static void on_sample(const struct metric_sample *s, void *ctx)
{
	const struct watching *w = ctx;

	for (int i = 0; i < w->n_watchers; i++)
		if (w->watchers[i].sample)
			w->watchers[i].sample(w->watchers[i].ctx, s);
}

/* Rules, or a capture under way. */
static bool watching__is_watched(const struct watching *w)
{
	for (int i = 0; i < w->n_watchers; i++)
		if (w->watchers[i].sample && w->watchers[i].is_asking(w->watchers[i].ctx))
			return true;
	return false;
}

static void watching__pass(struct watching *w, bool is_watched)
{
	uint64_t now = w->passed_ns = clock__mono_ns();
	int err = usage__pass(w->usage, now, is_watched ? on_sample : NULL, w);

	w->n_skipped = 0;
	if (err && w->n_failed++ % LOG_EVERY == 0)
		log_warn("agent: cannot see what processes use: %s; rules have no data, ignoring",
			 strerror(-err));
	for (int i = 0; !err && i < w->n_watchers; i++)
		if (w->watchers[i].done)
			w->watchers[i].done(w->watchers[i].ctx, now);
}

/* A pass costs a tenth of what sampling does: where nobody looks, what was is kept more coarsely. */
static int on_pass(uint64_t n_expired, void *ctx)
{
	struct watching *w = ctx;
	bool is_watched = watching__is_watched(w);

	(void)n_expired;
	if (is_watched || clock__mono_ns() - w->asked_ns < ASKED_NS || ++w->n_skipped >= REST_PASSES)
		watching__pass(w, is_watched);
	return 0;
}

struct usage *watching__look(struct watching *w)
{
	w->asked_ns = clock__mono_ns();
	if (w->asked_ns - w->passed_ns >= USAGE_PASS_NS + LEAST_GAP_NS)
		watching__pass(w, watching__is_watched(w));
	return w->usage;
}

/* Pressure is judged now, and not with the next second. */
static void on_pressure(void *ctx)
{
	struct watching *w = ctx;
	uint64_t since = clock__mono_ns() - w->passed_ns;

	loop__set_timer(w->timer, since < LEAST_GAP_NS ? LEAST_GAP_NS - since : 0, USAGE_PASS_NS);
}

static int on_flush(uint64_t n_expired, void *ctx)
{
	struct watching *w = ctx;

	(void)n_expired;
	w->flushed_ns = clock__mono_ns();
	return collector__flush(w->collector);
}

static const char *or_unknown(const char *text)
{
	return text ? text : "?";
}

static void log_event(const struct host_event *e)
{
	const struct metric_target *t = &e->target;

	switch (e->kind) {
	case HOST_EVENT_OOM_KILL:
		log_warn("agent: the kernel killed '%s' (%u, %s) for memory: it had %.1f MiB",
			 or_unknown(t->comm), t->pid, or_unknown(t->cgroup),
			 (double)e->rss_bytes / (1 << 20));
		break;
	case HOST_EVENT_FATAL_SIGNAL:
		log_info("agent: '%s' (%u, %s) was ended by SIG%s", or_unknown(t->comm), t->pid,
			 or_unknown(t->cgroup), or_unknown(sigabbrev_np(e->signal)));
		break;
	default:
		log_debug("agent: '%s' (%u) runs a new build, %s", or_unknown(e->path), t->pid,
			  or_unknown(e->build_id));
		break;
	}
}

void watching__happened(struct watching *w, const struct host_event *e)
{
	uint64_t now = clock__mono_ns();

	log_event(e);
	if (e->kind == HOST_EVENT_OOM_KILL && (!w->flushed_ns || now - w->flushed_ns > FLUSH_EVERY_NS)) {
		w->flushed_ns = now;
		loop__set_timer(w->flush_timer, FLUSH_AFTER_NS, 0);
	}
	for (int i = 0; i < w->n_watchers; i++)
		if (w->watchers[i].event)
			w->watchers[i].event(w->watchers[i].ctx, e);
}

static uint64_t on_bpf_ns(void *ctx)
{
	struct ceiling_stats stats = {0};

	ceiling__stats(((const struct watching *)ctx)->ceiling, &stats);
	return stats.bpf.ns;
}

static double on_goroutines(void *ctx, const struct task_key *key)
{
	const struct watching *w = ctx;
	uint64_t n;

	return collector__goroutines(w->collector, key, &n) ? __builtin_nan("") : (double)n;
}

static double on_allocated(void *ctx, const struct task_key *key)
{
	return collector__allocated(((const struct watching *)ctx)->collector, key);
}

int watching__new(struct loop *loop, struct collector *collector, struct ceiling *ceiling,
		  struct watching **ret)
{
	struct watching *w = calloc(1, sizeof(*w));
	struct usage_opts opts = {0};
	struct usage_port port = {
		.asides = {.ctx = w, .goroutines = on_goroutines, .allocated = on_allocated}};
	int err;

	if (!w)
		return -ENOMEM;
	w->loop = loop;
	w->asked_ns = w->passed_ns = clock__mono_ns();
	w->collector = collector;
	w->ceiling = ceiling;
	w->triggers = (struct pressure_triggers){.loop = loop, .fired = on_pressure, .ctx = w};
	opts.triggers = &w->triggers;
	usage_port__of_collector(collector, &port);
	if (ceiling)
		port.asides.bpf_ns = on_bpf_ns;
	err = usage__new(&opts, &port, &w->usage);
	if (!err)
		err = loop__add_timer(loop, USAGE_PASS_NS, USAGE_PASS_NS, on_pass, w, &w->timer);
	if (!err)
		err = loop__add_timer(loop, LOOP_TIMER_OFF, 0, on_flush, w, &w->flush_timer);
	if (err)
		watching__free(w);
	else
		*ret = w;
	return err;
}

void watching__free(struct watching *w)
{
	if (!w)
		return;
	if (w->timer)
		loop__remove(w->loop, w->timer);
	if (w->flush_timer)
		loop__remove(w->loop, w->flush_timer);
	usage__free(w->usage);
	free(w);
}

static void watching__merge(struct watching *w)
{
	uint64_t want[SCOPE_N] = {0};

	for (int i = 0; i < w->n_watchers; i++)
		for (int s = 0; s < SCOPE_N; s++)
			want[s] |= w->watchers[i].want[s];
	usage__want(w->usage, want);
}

int watching__add(struct watching *w, const struct watcher *watcher)
{
	if (w->n_watchers == WATCHERS_MAX)
		return -E2BIG;
	w->watchers[w->n_watchers] = *watcher;
	w->n_watchers++;
	watching__merge(w);
	return w->n_watchers - 1;
}

void watching__want(struct watching *w, int watcher, const uint64_t want[SCOPE_N])
{
	memcpy(w->watchers[watcher].want, want, sizeof(w->watchers[watcher].want));
	watching__merge(w);
}

void watching__arm(struct watching *w, const double above[SCOPE_N][PRESSURE_LINES])
{
	usage__arm(w->usage, above);
}

struct usage *watching__usage(struct watching *w)
{
	return w->usage;
}
