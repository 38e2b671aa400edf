/* SPDX-License-Identifier: Apache-2.0 */
/* A real store in a folder of the test; its clock can be stopped, which holds up whoever writes, as a slow disk does. */
#include "tests/unit/pipeline/known_library.h"

#include <pthread.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "exporters/format/pprof.h"
#include "user/base/buf.h"
#include "user/base/err.h"
#include "user/base/log.h"
#include "user/config/idle_pattern.h"
#include "user/pipeline/idle_match.h"
#include "user/pipeline/publish.h"
#include "user/store/store.h"

struct disk {
	char dir[96];
	struct store *store;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool is_slow, is_waited_for;
	uint64_t mono_ns, real_ns;
	int nice, least_nice; /* of who asks last, and of all */
	id_t tid;
};

static uint64_t disk__real_ns(void *ctx)
{
	struct disk *d = ctx;

	pthread_mutex_lock(&d->lock);
	d->tid = (id_t)gettid();
	d->nice = getpriority(PRIO_PROCESS, 0);
	if (d->nice < d->least_nice)
		d->least_nice = d->nice;
	d->is_waited_for = d->is_slow;
	pthread_cond_broadcast(&d->changed);
	while (d->is_slow)
		pthread_cond_wait(&d->changed, &d->lock);
	pthread_mutex_unlock(&d->lock);
	return __atomic_load_n(&d->real_ns, __ATOMIC_RELAXED);
}

static uint64_t disk__mono_ns(void *ctx)
{
	return __atomic_load_n(&((struct disk *)ctx)->mono_ns, __ATOMIC_RELAXED);
}

static void disk__set_slow(struct disk *d, bool slow)
{
	pthread_mutex_lock(&d->lock);
	d->is_slow = slow;
	pthread_cond_broadcast(&d->changed);
	pthread_mutex_unlock(&d->lock);
}

static void disk__wait_until_waited_for(struct disk *d)
{
	pthread_mutex_lock(&d->lock);
	while (!d->is_waited_for)
		pthread_cond_wait(&d->changed, &d->lock);
	pthread_mutex_unlock(&d->lock);
}

static void disk__open(struct disk *d, const struct known *k, size_t spool_bytes)
{
	const struct store_opts opts = {.dir = d->dir,
					.spool_bytes = spool_bytes,
					.real_ns = disk__real_ns,
					.mono_ns = disk__mono_ns,
					.clock_ctx = d};
	struct err err = {0};

	*d = (struct disk){.mono_ns = SECOND(1000), .real_ns = NOON_NS, .least_nice = 100};
	pthread_mutex_init(&d->lock, NULL);
	pthread_cond_init(&d->changed, NULL);
	snprintf(d->dir, sizeof(d->dir), "%s/disk/store", k->tree.dir);
	known__shell(k, "mkdir disk");
	if (store__open(&opts, &d->store, &err))
		fail_msg("%s", err.text);
}

static struct publish_opts opts_of(const struct known *k)
{
	return (struct publish_opts){.clock = "cpu-clock", .objects = k->objects};
}

static struct publisher *new_publisher(const struct publish_opts *opts, struct store *store)
{
	struct publisher *p = NULL;
	struct err err = {0};

	assert_int_equal(publisher__new(opts, store, &p, &err), 0);
	return p;
}

/* The closed window of a second that begins n minutes after noon and has n + 1 samples. */
static struct window *minute(uint32_t n)
{
	const struct window_opts opts = {.from_ns = SECOND(1),
					 .real_ns = NOON_NS + SECOND(60 * n),
					 .period_ns = PERIOD_NS,
					 .limit_bytes = MANY_BYTES};
	struct window *w = NULL;

	assert_int_equal(window__new(&opts, &w), 0);
	assert_int_equal(window__begin_slice(w, SECOND(1)), 0);
	for (uint32_t i = 0; i <= n; i++)
		add_sample(w, SAMPLE(w, 7, frame_of_raw(0x1000)));
	end_window(w);
	return w;
}

/* Stats once n windows are through; a publisher that stands still fails the test. */
static struct publish_stats wait_for_windows(const struct publisher *p, uint64_t n)
{
	const struct timespec pause = {.tv_nsec = 2 * NS_PER_MS};
	struct publish_stats stats;

	for (int i = 0; i < 5000; i++, nanosleep(&pause, NULL)) {
		publisher__stats(p, &stats);
		if (stats.windows >= n)
			return stats;
	}
	fail_msg("%llu windows of %llu after 10 s", (unsigned long long)stats.windows, (unsigned long long)n);
	return stats;
}

/* What the store has: samples of each file, in the order of their starts. */
struct files {
	struct store *store;
	uint32_t n;
	int64_t samples[32], time_ns[32];
	bool zstd[32];
	char leaf[64]; /* function of the last one */
};

static int read_file(const struct store_file *file, void *ctx)
{
	struct files *f = ctx;
	struct profile *p = NULL;
	uint32_t location, parent;
	struct buf b;

	buf__init(&b, 1 << 20);
	assert_true(f->n < 32);
	assert_int_equal(store__read(f->store, &file->name, 1 << 20, &b), 0);
	assert_int_equal(pprof__decode(b.data, b.len, NULL, &p, NULL), 0);
	assert_int_equal(profile__n_samples(p), 1);
	f->samples[f->n] = profile__get_sample(p, 0)->values[0];
	f->time_ns[f->n] = profile__meta(p)->time_ns;
	f->zstd[f->n++] = file->name.codec == STORE_ZSTD;
	profile__get_stack_node(p, profile__get_sample(p, 0)->stack, &location, &parent);
	snprintf(f->leaf, sizeof(f->leaf), "%s",
		 profile__str(p, profile__get_function(
					 p, profile__lines(p, profile__get_location(p, location))->function)
					 ->name));
	profile__free(p);
	buf__done(&b);
	return 0;
}

static struct files files_of(struct disk *d)
{
	struct files f = {.store = d->store};

	assert_int_equal(store__list(d->store, "cpu", 0, UINT64_MAX, read_file, &f), 0);
	return f;
}

static void windows_reach_the_store_whole(void **state)
{
	struct known *k = *state;
	struct publish_opts opts = opts_of(k);
	struct publisher *p;
	struct files files;
	struct disk d;

	disk__open(&d, k, 0);
	p = new_publisher(&opts, d.store);
	for (uint32_t i = 0; i < 3; i++)
		publisher__put(p, minute(i));
	publisher__free(p);
	files = files_of(&d);
	assert_int_equal(files.n, 3);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(files.samples[i], i + 1);
		assert_int_equal(files.time_ns[i], NOON_NS + SECOND(60 * i));
		assert_false(files.zstd[i]);
	}
	store__close(d.store);
}

static void minute_files_are_zstd_where_asked(void **state)
{
	struct known *k = *state;
	struct publish_opts opts = opts_of(k);
	struct publisher *p;
	struct disk d;

	disk__open(&d, k, 0);
	opts.zstd = true;
	p = new_publisher(&opts, d.store);
	publisher__put(p, minute(0));
	publisher__free(p);
	assert_true(files_of(&d).zstd[0]);
	store__close(d.store);
}

static void windows_over_the_queue_are_dropped_and_counted(void **state)
{
	struct known *k = *state;
	struct publish_opts opts = opts_of(k);
	struct publish_stats stats;
	struct publisher *p;
	struct window *last = minute(31);
	struct files files;
	struct disk d;

	disk__open(&d, k, 0);
	log__set_level(LOG_LEVEL_ERROR);
	disk__set_slow(&d, true);
	p = new_publisher(&opts, d.store);
	publisher__put(p, minute(0));
	disk__wait_until_waited_for(&d); /* it has one in hand */
	for (uint32_t i = 1; i <= PUBLISH_QUEUE_MAX; i++)
		publisher__put(p, minute(i));
	publisher__stats(p, &stats);
	assert_int_equal(stats.dropped, 0);
	publisher__put(p, minute(30));
	publisher__put(p, window__ref(last));
	publisher__stats(p, &stats);
	assert_int_equal(stats.dropped, 2);
	assert_int_equal(last->n_refs, 1); /* given back */
	disk__set_slow(&d, false);
	publisher__free(p); /* works off what waits */
	files = files_of(&d);
	assert_int_equal(files.n, PUBLISH_QUEUE_MAX + 1);
	for (uint32_t i = 0; i < files.n; i++)
		assert_int_equal(files.samples[i], i + 1);
	window__unref(last);
	store__close(d.store);
	log__set_level(LOG_LEVEL_INFO);
}

static void who_cannot_keep_up_hurries_until_nothing_waits(void **state)
{
	struct known *k = *state;
	struct publish_opts opts = opts_of(k);
	struct publisher *p;
	struct disk d;

	if (geteuid() || getpriority(PRIO_PROCESS, 0))
		skip(); /* a priority may not be had back, or is somebody's choice */
	disk__open(&d, k, 0);
	d.least_nice = 100; /* opening it was at ours */
	p = new_publisher(&opts, d.store);
	for (uint32_t i = 0; i < 4; i++)
		publisher__put(p, minute(i));
	wait_for_windows(p, 4);
	assert_int_equal(d.least_nice, 10);
	disk__set_slow(&d, true);
	publisher__put(p, minute(4));
	disk__wait_until_waited_for(&d);
	assert_int_equal(d.nice, 10);
	for (uint32_t i = 5; i < PUBLISH_QUEUE_MAX; i++)
		publisher__put(p, minute(i));
	assert_int_equal(getpriority(PRIO_PROCESS, d.tid), 0); /* with the slow one in hand still */
	disk__set_slow(&d, false);
	wait_for_windows(p, PUBLISH_QUEUE_MAX);
	assert_int_equal(d.least_nice, 0);
	publisher__put(p, minute(PUBLISH_QUEUE_MAX));
	wait_for_windows(p, PUBLISH_QUEUE_MAX + 1);
	assert_int_equal(d.nice, 10);
	publisher__free(p);
	store__close(d.store);
}

static uint32_t n_files(struct disk *d)
{
	struct store_stats stats;

	store__stats(d->store, &stats);
	return stats.n_files;
}

/* Long before the minute that is the default would be over. */
static void wait_until_nothing_is_kept(struct disk *d)
{
	const struct timespec pause = {.tv_nsec = 10 * NS_PER_MS};

	for (int i = 0; i < 4000; i++, nanosleep(&pause, NULL))
		if (!n_files(d))
			return;
	fail_msg("a file that is too old is still there after 40 s");
}

/* Where nothing is written, only the interval makes that files go. */
static void limits_are_enforced_by_the_interval(void **state)
{
	struct known *k = *state;
	struct publish_opts opts = opts_of(k);
	struct publisher *p;
	struct disk d;

	disk__open(&d, k, 0);
	store__set_limits(d.store, SECOND(60), 0,
			  0); /* within the hour, which is not rolled up before its end */
	opts.cleanup_ns = SECOND(1);
	p = new_publisher(&opts, d.store);
	publisher__put(p, minute(0));
	wait_for_windows(p, 1);
	assert_int_equal(n_files(&d), 1);
	__atomic_store_n(&d.real_ns, NOON_NS + SECOND(1800), __ATOMIC_RELAXED);
	wait_until_nothing_is_kept(&d);
	/* a longer one keeps them, until a reload says otherwise */
	publisher__set_cleanup(p, SECOND(86400));
	__atomic_store_n(&d.real_ns, NOON_NS, __ATOMIC_RELAXED);
	publisher__put(p, minute(1));
	wait_for_windows(p, 2);
	__atomic_store_n(&d.real_ns, NOON_NS + SECOND(1800), __ATOMIC_RELAXED);
	nanosleep(&(struct timespec){.tv_sec = 2}, NULL);
	assert_true(n_files(&d) > 0);
	publisher__set_cleanup(p, SECOND(1));
	wait_until_nothing_is_kept(&d);
	publisher__free(p);
	store__close(d.store);
}

static void failing_store_costs_the_window_alone(void **state)
{
	struct known *k = *state;
	struct publish_opts opts = opts_of(k);
	struct publish_stats stats;
	struct publisher *p;
	struct files files;
	struct disk d;

	disk__open(&d, k, 1); /* room for no window */
	log__set_level(LOG_LEVEL_ERROR);
	p = new_publisher(&opts, d.store);
	known__shell(k, "mv disk elsewhere");
	publisher__put(p, minute(0));
	stats = wait_for_windows(p, 1);
	assert_int_equal(stats.failed, 1);
	assert_int_equal(stats.bytes, 0);
	known__shell(k, "mv elsewhere disk");
	__atomic_store_n(&d.mono_ns, SECOND(2000), __ATOMIC_RELAXED);
	publisher__put(p, minute(1));
	stats = wait_for_windows(p, 2);
	assert_int_equal(stats.failed, 1);
	assert_true(stats.bytes > 0);
	publisher__free(p);
	files = files_of(&d);
	assert_int_equal(files.n, 1);
	assert_int_equal(files.samples[0], 2);
	store__close(d.store);
	log__set_level(LOG_LEVEL_INFO);
}

static void without_a_store_windows_are_named_and_let_go(void **state)
{
	struct known *k = *state;
	struct publish_opts opts = opts_of(k);
	struct publisher *p = new_publisher(&opts, NULL);
	struct window *w = minute(2);
	struct publish_stats stats;

	publisher__put(p, window__ref(w));
	stats = wait_for_windows(p, 1);
	assert_int_equal(stats.failed, 0);
	assert_int_equal(stats.bytes, 0);
	assert_int_equal(stats.rows, 1);
	publisher__free(p);
	assert_int_equal(w->n_refs, 1);
	window__unref(w);
}

/* A reload frees the configuration that the names stood in. */
static void debug_folders_are_remembered_by_the_publisher(void **state)
{
	struct known *k = *state;
	struct publish_opts opts = opts_of(k);
	char dir[128], *dirs[] = {dir};
	struct publisher *p;
	struct window *w = begun_window();
	struct files files;
	struct disk d;
	uint32_t id;

	known__build(k);
	known__shell(k,
		     "mkdir -p debug/.build-id/01 && objcopy --only-keep-debug libknown.so debug/" KNOWN_DEBUG
		     " && strip -s libknown.so");
	id = known__map(k, 7, "libknown.so", "/opt/libknown.so");
	snprintf(dir, sizeof(dir), "%s/debug", k->tree.dir);
	disk__open(&d, k, 0);
	opts.debug_dirs = (const char *const *)dirs;
	opts.n_debug_dirs = 1;
	p = new_publisher(&opts, d.store);
	memset(dir, 'x', sizeof(dir) - 1);
	dirs[0] = NULL;
	add_sample(w, SAMPLE(w, 7, frame_of_object(id, 0x7010)));
	end_window(w);
	publisher__put(p, w);
	publisher__free(p);
	files = files_of(&d);
	assert_int_equal(files.n, 1);
	assert_string_equal(files.leaf, "alpha");
	store__close(d.store);
}

static void one_window_is_named_here_and_now(void **state)
{
	struct known *k = *state;
	struct publish_opts opts = opts_of(k);
	struct profile *p = NULL;
	struct window *w = minute(4);

	opts.label_tid = true;
	assert_int_equal(publish__once(&opts, w, &p), 0);
	assert_true(profile__sealed(p));
	assert_int_equal(profile__n_samples(p), 1);
	assert_int_equal(profile__get_sample(p, 0)->values[0], 5);
	assert_int_equal(profile__find_label(p, profile__get_sample(p, 0)->labels, "tid")->num, 7);
	profile__free(p);
	window__unref(w);
}

/* A job that asks for the idle patterns when it is told to. */
struct held_job {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool is_begun, may_go_on, is_done;
	char found[16];
};

static void held_job__await(struct held_job *j, const bool *flag)
{
	while (!*flag)
		pthread_cond_wait(&j->changed, &j->lock);
}

static void held_job__do(const struct naming *n, void *ctx)
{
	const struct idle_wait wait = {.syscall = "", .wait = "", .leaf = ""};
	struct held_job *j = ctx;

	pthread_mutex_lock(&j->lock);
	j->is_begun = true;
	pthread_cond_broadcast(&j->changed);
	held_job__await(j, &j->may_go_on);
	snprintf(j->found, sizeof(j->found), "%s", idle_match__find(n->idle, &wait));
	j->is_done = true;
	pthread_cond_broadcast(&j->changed);
	pthread_mutex_unlock(&j->lock);
}

/* One pattern, without a condition: all waits fit. */
static struct idle_match *idle_named(const char *name)
{
	struct idle_pattern pattern = {.name = name};
	struct idle_match *m = NULL;

	assert_int_equal(idle_match__new(&(struct idle_list){.patterns = &pattern, .n = 1}, &m), 0);
	return m;
}

/* A reload in the middle of it frees the old ones, and what comes next takes their memory. */
static void a_job_s_idle_patterns_stay_until_it_is_done(void **state)
{
	struct held_job j = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
	struct publish_opts opts = opts_of(*state);
	struct idle_match *later[8];
	struct publisher *p;

	opts.idle = idle_named("first");
	p = new_publisher(&opts, NULL);
	idle_match__unref(opts.idle); /* the publisher has its own */
	pthread_mutex_lock(&j.lock);
	assert_int_equal(publisher__run_job(p, held_job__do, &j), 0);
	held_job__await(&j, &j.is_begun);
	publisher__set_idle(p, idle_named("second"));
	for (size_t i = 0; i < sizeof(later) / sizeof(*later); i++)
		later[i] = idle_named("third");
	j.may_go_on = true;
	pthread_cond_broadcast(&j.changed);
	held_job__await(&j, &j.is_done);
	pthread_mutex_unlock(&j.lock);
	assert_string_equal(j.found, "first");
	publisher__free(p);
	for (size_t i = 0; i < sizeof(later) / sizeof(*later); i++)
		idle_match__unref(later[i]);
}

#define publish_test(f) cmocka_unit_test_setup_teardown(f, known__setup, known__teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		publish_test(windows_reach_the_store_whole),
		publish_test(minute_files_are_zstd_where_asked),
		publish_test(windows_over_the_queue_are_dropped_and_counted),
		publish_test(who_cannot_keep_up_hurries_until_nothing_waits),
		publish_test(limits_are_enforced_by_the_interval),
		publish_test(failing_store_costs_the_window_alone),
		publish_test(without_a_store_windows_are_named_and_let_go),
		publish_test(debug_folders_are_remembered_by_the_publisher),
		publish_test(one_window_is_named_here_and_now),
		publish_test(a_job_s_idle_patterns_stay_until_it_is_done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
