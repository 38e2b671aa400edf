// SPDX-License-Identifier: Apache-2.0
#include "user/pipeline/publish.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "exporters/format/pprof.h"
#include "user/base/buf.h"
#include "user/base/clock.h"
#include "user/base/err.h"
#include "user/base/heap.h"
#include "user/base/log.h"
#include "user/pipeline/footprint.h"
#include "user/pipeline/idle_match.h"
#include "user/pipeline/naming.h"
#include "user/pipeline/wall_profile.h"
#include "user/pipeline/window.h"
#include "user/profile/profile.h"
#include "user/store/rollup.h"
#include "user/store/store.h"
#include "user/symbolize/symbolizer.h"

#define FILE_BYTES_MAX      ((size_t)256 << 20)
#define NICE                10 /* what is profiled comes first */
#define HURRY_WAITING       6  /* windows: more than end at one moment, so that it cannot keep up */
#define STEP_NS             NS_PER_SEC
#define CLEANUP_NS          (60 * NS_PER_SEC) /* where nothing was said */
#define ROLLUP_FILES_A_STEP 4
#define TABLE_BYTES_MAX     ((size_t)8 << 20) /* of one file's symbols */

struct publisher {
	struct publish_opts opts; /* debug_dirs: our own copies */
	struct store *store;
	struct rollup *rollup;
	struct symbolizer *symbolizer;
	pthread_t thread;
	bool has_thread;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t more;
	struct window *waiting[PUBLISH_QUEUE_MAX];
	uint32_t n_waiting;
	struct publish_job {
		publish_job_fn fn;
		void *ctx;
	} jobs[PUBLISH_JOBS_MAX];
	uint32_t n_jobs;
	bool ending;
	bool hurries;
	id_t tid; /* 0: it has not begun */
	publish_seen_fn seen;
	void *seen_ctx;
	size_t symbol_bytes;
	uint64_t peak_bytes;
	struct publish_stats stats;
};

static int publish__symbolizer(const struct publish_opts *opts, struct symbolizer **ret)
{
	const struct symbolizer_opts so = {
		.cache_bytes = opts->symbol_bytes,
		.table_bytes = opts->symbol_bytes < TABLE_BYTES_MAX ? opts->symbol_bytes : TABLE_BYTES_MAX,
		.read_bytes = opts->section_bytes,
		.debug_dirs = opts->debug_dirs,
		.n_debug_dirs = opts->n_debug_dirs,
	};

	return symbolizer__new(&so, NULL, ret);
}

static struct naming publish__naming(const struct publish_opts *opts, struct symbolizer *symbolizer)
{
	return (struct naming){
		.symbolizer = symbolizer,
		.objects = opts->objects,
		.clock = opts->clock,
		.label_tid = opts->label_tid,
		.idle = opts->idle,
	};
}

int publish__once(const struct publish_opts *opts, const struct window *w, struct profile **ret_profile)
{
	struct symbolizer *symbolizer = NULL;
	struct naming n;
	int err = publish__symbolizer(opts, &symbolizer);

	if (!err) {
		n = publish__naming(opts, symbolizer);
		n.system_names = true;
		err = naming__profile(&n, w, 0, UINT64_MAX, ret_profile);
	}
	symbolizer__free(symbolizer);
	return err;
}

static void publisher__tell(struct publisher *p, enum event ev, const struct profile *profile)
{
	publish_seen_fn seen;
	void *ctx;

	pthread_mutex_lock(&p->lock);
	seen = p->seen;
	ctx = p->seen_ctx;
	pthread_mutex_unlock(&p->lock);
	if (seen)
		seen(ctx, ev, profile);
}

/* With a reference to its patterns, the caller's: a reload may take others meanwhile. */
static struct naming publisher__naming(struct publisher *p, struct idle_match **ret_idle)
{
	struct naming n;

	pthread_mutex_lock(&p->lock);
	n = publish__naming(&p->opts, p->symbolizer);
	*ret_idle = idle_match__ref(p->opts.idle);
	pthread_mutex_unlock(&p->lock);
	return n;
}

static int publisher__encode(struct publisher *p, const struct window *w, struct buf *b,
			     uint64_t *ret_duration_ns, uint64_t *ret_time_ns)
{
	const struct pprof_opts opts = {.compression = p->opts.zstd ? COMPRESSION_ZSTD : COMPRESSION_GZIP};
	struct idle_match *idle;
	struct naming n = publisher__naming(p, &idle);
	uint64_t began = clock__thread_cpu_ns(), named, resident;
	struct profile *profile = NULL;
	int err;

	err = naming__profile(&n, w, 0, UINT64_MAX, &profile);
	idle_match__unref(idle);
	if (err)
		return err;
	named = clock__thread_cpu_ns();
	publisher__tell(p, w->event, profile);
	err = pprof__encode(profile, &opts, b);
	resident = footprint__resident("/proc/self"); /* now it is most */
	*ret_duration_ns = (uint64_t)profile__meta(profile)->duration_ns;
	*ret_time_ns = (uint64_t)profile__meta(profile)->time_ns;
	pthread_mutex_lock(&p->lock);
	p->stats.rows += profile__n_samples(profile);
	if (resident > p->peak_bytes)
		p->peak_bytes = resident;
	p->stats.naming_ns += named - began;
	p->stats.encoding_ns += clock__thread_cpu_ns() - named;
	pthread_mutex_unlock(&p->lock);
	profile__free(profile);
	return err;
}

/* Beside a window of waits, the account that they were held against. */
static void publisher__wall(struct publisher *p, const struct window *w, uint64_t time_ns,
			    uint64_t duration_ns)
{
	const struct pprof_opts opts = {.compression = p->opts.zstd ? COMPRESSION_ZSTD : COMPRESSION_GZIP};
	struct profile *profile = NULL;
	struct buf b;
	int err;

	if (w->event != EVENT_OFFCPU || !w->n_threads || !p->store)
		return;
	buf__init(&b, FILE_BYTES_MAX);
	err = wall_profile__make(w, p->opts.label_tid, &profile);
	if (!err)
		err = pprof__encode(profile, &opts, &b);
	if (err)
		log_warn("publish: encode the account of threads: %s, it is lost", strerror(-err));
	else
		store__put(p->store, WALL_EVENT, time_ns, duration_ns, b.data, b.len);
	profile__free(profile);
	buf__done(&b);
}

/* Within the bytes that are allowed now; the symbolizer is this thread's. */
static void publisher__rest(struct publisher *p)
{
	struct symbolizer_stats stats;
	size_t bytes;

	pthread_mutex_lock(&p->lock);
	bytes = p->symbol_bytes;
	pthread_mutex_unlock(&p->lock);
	symbolizer__set_cache_bytes(p->symbolizer, bytes);
	symbolizer__rest(p->symbolizer);
	heap__give_back();
	symbolizer__stats(p->symbolizer, &stats);
	pthread_mutex_lock(&p->lock);
	p->stats.symbol_bytes = stats.cache.bytes;
	p->opts.symbol_bytes = bytes;
	pthread_mutex_unlock(&p->lock);
}

static void publisher__window(struct publisher *p, struct window *w)
{
	uint64_t duration_ns, time_ns;
	struct buf b;
	int err;

	buf__init(&b, FILE_BYTES_MAX);
	err = publisher__encode(p, w, &b, &duration_ns, &time_ns);
	if (err)
		log_warn("publish: name and encode a window: %s, it is lost", strerror(-err));
	else if (p->store)
		err = store__put(p->store, event__name(w->event), time_ns, duration_ns, b.data,
				 b.len); /* reports by itself */
	if (!err)
		publisher__wall(p, w, time_ns, duration_ns);
	pthread_mutex_lock(&p->lock);
	p->stats.windows++;
	p->stats.failed += err != 0;
	p->stats.bytes += p->store && !err ? b.len : 0;
	pthread_mutex_unlock(&p->lock);
	buf__done(&b);
	publisher__rest(p);
	window__unref(w);
}

/*
 * Of a CPU that twenty others want, its low priority is half a percent, and that is less than the windows of a minute take: they would come late, ever later, and be dropped
 * where most is to be seen. So it is one of those others until nothing waits any more. Called by who adds a window, too: the one in hand may be what takes long.
 */
static void publisher__set_pace(struct publisher *p)
{
	bool hurries = p->ending || p->n_waiting >= HURRY_WAITING || (p->hurries && p->n_waiting);

	if (p->tid && hurries != p->hurries) /* refused without CAP_SYS_NICE, and then it is as it was */
		setpriority(PRIO_PROCESS, p->tid, hurries ? 0 : NICE);
	p->hurries = hurries;
}

/* The next window, NULL after STEP_NS without one or at the end; *ret_job.fn where a job comes first: somebody waits for it. */
static struct window *publisher__next(struct publisher *p, struct publish_job *ret_job, bool *ret_ending)
{
	struct window *w = NULL;
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += STEP_NS / NS_PER_SEC;
	pthread_mutex_lock(&p->lock);
	while (!p->n_waiting && !p->n_jobs && !p->ending)
		if (pthread_cond_timedwait(&p->more, &p->lock, &until))
			break;
	*ret_job = (struct publish_job){0};
	if (p->n_jobs) {
		*ret_job = p->jobs[0];
		memmove(p->jobs, p->jobs + 1, --p->n_jobs * sizeof(*p->jobs));
	} else if (p->n_waiting) {
		w = p->waiting[0];
		memmove(p->waiting, p->waiting + 1, --p->n_waiting * sizeof(*p->waiting));
	}
	*ret_ending = p->ending && !w && !ret_job->fn;
	publisher__set_pace(p);
	pthread_mutex_unlock(&p->lock);
	return w;
}

static void publisher__do(struct publisher *p, const struct publish_job *job)
{
	struct idle_match *idle;
	struct naming n = publisher__naming(p, &idle);
	uint64_t resident;

	job->fn(&n, job->ctx);
	idle_match__unref(idle);
	resident = footprint__resident("/proc/self");
	pthread_mutex_lock(&p->lock);
	if (resident > p->peak_bytes)
		p->peak_bytes = resident;
	pthread_mutex_unlock(&p->lock);
	publisher__rest(p);
}

int publisher__run_job(struct publisher *p, publish_job_fn fn, void *ctx)
{
	int err = 0;

	pthread_mutex_lock(&p->lock);
	if (p->n_jobs == PUBLISH_JOBS_MAX || p->ending) {
		err = -EAGAIN;
	} else {
		p->jobs[p->n_jobs++] = (struct publish_job){fn, ctx};
		pthread_cond_signal(&p->more);
	}
	pthread_mutex_unlock(&p->lock);
	return err;
}

static void publisher__upkeep(struct publisher *p, uint64_t *enforced_ns)
{
	uint64_t now = clock__mono_ns(), cleanup_ns;
	bool more = true, fewer;

	pthread_mutex_lock(&p->lock);
	fewer = p->symbol_bytes != p->opts.symbol_bytes;
	cleanup_ns = p->opts.cleanup_ns;
	pthread_mutex_unlock(&p->lock);
	if (fewer)
		publisher__rest(p);
	if (!p->store)
		return;
	store__flush(p->store);
	if (now - *enforced_ns >= cleanup_ns) {
		*enforced_ns = now;
		store__enforce(p->store);
	}
	rollup__step(p->rollup, ROLLUP_FILES_A_STEP, &more);
}

static void *publisher__run(void *ctx)
{
	struct publisher *p = ctx;
	uint64_t enforced_ns = clock__mono_ns();
	bool ending = false;

	pthread_mutex_lock(&p->lock);
	p->tid = (id_t)syscall(SYS_gettid);
	setpriority(PRIO_PROCESS, p->tid, NICE);
	p->hurries = false;
	pthread_mutex_unlock(&p->lock);
	while (!ending) {
		struct publish_job job;
		struct window *w = publisher__next(p, &job, &ending);

		if (job.fn)
			publisher__do(p, &job);
		else if (w)
			publisher__window(p, w);
		else if (!ending)
			publisher__upkeep(p, &enforced_ns);
	}
	return NULL;
}

static void publisher__free_dirs(struct publisher *p)
{
	for (uint32_t i = 0; i < p->opts.n_debug_dirs; i++)
		free((char *)p->opts.debug_dirs[i]);
	free((void *)p->opts.debug_dirs);
}

static int publisher__copy_dirs(struct publisher *p, const struct publish_opts *opts)
{
	char **dirs;

	p->opts.debug_dirs = NULL;
	p->opts.n_debug_dirs = 0;
	if (!opts->debug_dirs)
		return 0;
	dirs = calloc(opts->n_debug_dirs + 1, sizeof(*dirs)); /* an empty list is not the default */
	if (!dirs)
		return -ENOMEM;
	p->opts.debug_dirs = (const char *const *)dirs;
	for (; p->opts.n_debug_dirs < opts->n_debug_dirs; p->opts.n_debug_dirs++) {
		dirs[p->opts.n_debug_dirs] = strdup(opts->debug_dirs[p->opts.n_debug_dirs]);
		if (!dirs[p->opts.n_debug_dirs])
			return -ENOMEM;
	}
	return 0;
}

static int publisher__start(struct publisher *p)
{
	pthread_condattr_t attr;
	sigset_t all, old;
	int err;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->more, &attr);
	pthread_condattr_destroy(&attr);
	/* signals are the loop's */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = -pthread_create(&p->thread, NULL, publisher__run, p);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	p->has_thread = !err;
	return err;
}

int publisher__new(const struct publish_opts *opts, struct store *store, struct publisher **ret,
		   struct err *err)
{
	struct publisher *p = calloc(1, sizeof(*p));
	struct rollup_opts ro = {.store = store};
	int code;

	if (!p)
		return -ENOMEM;
	p->opts = *opts;
	if (!p->opts.cleanup_ns)
		p->opts.cleanup_ns = CLEANUP_NS;
	idle_match__ref(opts->idle);
	p->symbol_bytes = opts->symbol_bytes;
	p->store = store;
	code = publisher__copy_dirs(p, opts);
	if (!code)
		code = publish__symbolizer(&p->opts, &p->symbolizer);
	if (!code && store)
		code = rollup__new(&ro, &p->rollup);
	if (!code)
		code = publisher__start(p);
	if (code) {
		publisher__free(p);
		return err__set(err, code, "publish: cannot start: %s", strerror(-code));
	}
	*ret = p;
	return 0;
}

void publisher__free(struct publisher *p)
{
	if (!p)
		return;
	if (p->has_thread) {
		pthread_mutex_lock(&p->lock);
		p->ending = true;
		publisher__set_pace(p);
		pthread_cond_signal(&p->more);
		pthread_mutex_unlock(&p->lock);
		pthread_join(p->thread, NULL);
	}
	for (uint32_t i = 0; i < p->n_jobs; i++)
		p->jobs[i].fn(NULL, p->jobs[i].ctx);
	rollup__free(p->rollup);
	symbolizer__free(p->symbolizer);
	publisher__free_dirs(p);
	idle_match__unref(p->opts.idle);
	free(p);
}

void publisher__put(struct publisher *p, struct window *w)
{
	struct window *dropped = NULL;

	pthread_mutex_lock(&p->lock);
	if (p->n_waiting == PUBLISH_QUEUE_MAX) {
		dropped = w;
		p->stats.dropped++;
	} else {
		p->waiting[p->n_waiting++] = w;
		publisher__set_pace(p);
		pthread_cond_signal(&p->more);
	}
	pthread_mutex_unlock(&p->lock);
	if (dropped) {
		log_warn("publish: a window is dropped: %d wait already", PUBLISH_QUEUE_MAX);
		window__unref(dropped);
	}
}

void publisher__show(struct publisher *p, publish_seen_fn fn, void *ctx)
{
	pthread_mutex_lock(&p->lock);
	p->seen = fn;
	p->seen_ctx = ctx;
	pthread_mutex_unlock(&p->lock);
}

void publisher__set_idle(struct publisher *p, struct idle_match *idle)
{
	struct idle_match *old;

	pthread_mutex_lock(&p->lock);
	old = p->opts.idle;
	p->opts.idle = idle;
	pthread_mutex_unlock(&p->lock);
	idle_match__unref(old);
}

void publisher__set_cleanup(struct publisher *p, uint64_t every_ns)
{
	pthread_mutex_lock(&p->lock);
	p->opts.cleanup_ns = every_ns;
	pthread_mutex_unlock(&p->lock);
}

void publisher__stats(const struct publisher *p, struct publish_stats *ret)
{
	pthread_mutex_lock((pthread_mutex_t *)&p->lock);
	*ret = p->stats;
	pthread_mutex_unlock((pthread_mutex_t *)&p->lock);
}

void publisher__set_symbol_bytes(struct publisher *p, size_t bytes)
{
	pthread_mutex_lock(&p->lock);
	p->symbol_bytes = bytes;
	pthread_mutex_unlock(&p->lock);
}

uint64_t publisher__take_peak(struct publisher *p)
{
	uint64_t peak;

	pthread_mutex_lock(&p->lock);
	peak = p->peak_bytes;
	p->peak_bytes = 0;
	pthread_mutex_unlock(&p->lock);
	return peak;
}
