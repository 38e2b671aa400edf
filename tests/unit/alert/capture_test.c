// SPDX-License-Identifier: Apache-2.0
/* Captures under way, over an agent of ten lines: what is asked when, what comes of it, and what becomes of one that something stands in the way of. */
#include <sys/stat.h>

#include "tests/support/folder.h"
#include "tests/unit/alert/profiles.h"
#include "user/alert/capture.h"
#include "user/alert/capture_head.h"
#include "user/base/err.h"
#include "user/base/loop.h"
#include "user/store/capture_folder.h"

#define ASKS_MAX 32

struct ask {
	uint64_t id, from_ns, to_ns;
	enum event event;
	bool is_dump;
};

static struct world {
	char dir[FOLDER_MAX];
	struct loop *loop;
	struct captures *captures;
	struct ask asks[ASKS_MAX];
	uint32_t n_asks, recorded, refuse, raised[16], n_raised;
	void (*job)(void *ctx, bool is_ending);
	void *job_ctx;
	bool is_held; /* the other thread does not get to it */
	struct capture_result result;
	char path[CAPTURE_PATH_MAX], id[CAPTURE_ID_MAX];
	uint32_t n_done;
} w;

static uint32_t recorded(void *ctx)
{
	(void)ctx;
	return w.recorded;
}

static int ask(uint64_t id, enum event ev, uint64_t from_ns, uint64_t to_ns, bool is_dump)
{
	if (w.refuse) {
		w.refuse--;
		return -EAGAIN;
	}
	assert_true(w.n_asks < ASKS_MAX);
	w.asks[w.n_asks++] = (struct ask){id, from_ns, to_ns, ev, is_dump};
	return 0;
}

static int profile(void *ctx, uint64_t id, enum event ev, uint64_t from_ns, uint64_t to_ns)
{
	(void)ctx;
	return ev == EVENT_KMEM ? -ENOENT : ask(id, ev, from_ns, to_ns, false);
}

static int dump(void *ctx, uint64_t id, enum event ev, const struct metric_target *target)
{
	(void)ctx, (void)target;
	return ev == EVENT_THREADS ? ask(id, ev, 0, 0, true) : -EOPNOTSUPP;
}

static int run(void *ctx, void (*fn)(void *fn_ctx, bool is_ending), void *fn_ctx)
{
	(void)ctx;
	w.job = fn;
	w.job_ctx = fn_ctx;
	if (!w.is_held)
		fn(fn_ctx, false);
	return 0;
}

static uint32_t raise_to(void *ctx, uint32_t hz)
{
	(void)ctx;
	w.raised[w.n_raised++] = hz;
	return hz ? hz : 99;
}

static void done(void *ctx, const struct capture_result *r)
{
	assert_ptr_equal(ctx, &w);
	w.n_done++;
	w.result = *r;
	snprintf(w.path, sizeof(w.path), "%s", r->path);
	snprintf(w.id, sizeof(w.id), "%s", r->id);
	loop__stop(w.loop);
}

static int setup(void **state)
{
	const struct capture_port port = {
		.recorded = recorded, .profile = profile, .dump = dump, .run = run, .raise = raise_to};
	struct captures_opts opts = {.store_dir = w.dir, .frequency_hz = 99, .max_frequency_hz = 198};
	struct err e = {""};

	(void)state;
	w = (struct world){.recorded = 1u << EVENT_CPU};
	if (folder__make(w.dir) || loop__new(&w.loop))
		return -1;
	return captures__new(&opts, &port, NULL, w.loop, &w.captures, &e);
}

static int teardown(void **state)
{
	(void)state;
	captures__free(w.captures);
	loop__free(w.loop);
	return folder__remove(w.dir);
}

/* Half a second of `after`. */
static struct capture_request request(void)
{
	return (struct capture_request){.rule = "R",
					.target = {.scope = SCOPE_PROCESS, .pid = 7, .start_ns = 1},
					.metric = METRIC_N,
					.fired_real_ns = FIRED_NS,
					.fired_mono_ns = clock__mono_ns(),
					.before_ns = 30 * NS_PER_SEC,
					.after_ns = NS_PER_SEC / 2,
					.done = done,
					.ctx = &w};
}

static int begin(const struct capture_request *r)
{
	char id[CAPTURE_ID_MAX];
	struct err e = {""};

	return captures__begin(w.captures, r, id, &e);
}

static int on_spun(uint64_t n_expired, void *ctx)
{
	(void)n_expired, (void)ctx;
	loop__stop(w.loop);
	return 0;
}

/* Lets the loop do what is due, for a moment. */
static void spin(void)
{
	struct loop_source *timer;

	assert_int_equal(loop__add_timer(w.loop, 20 * NS_PER_MS, 0, on_spun, NULL, &timer), 0);
	assert_int_equal(loop__run(w.loop), 0);
	loop__remove(w.loop, timer);
}

static void answer(uint32_t i, int64_t ms)
{
	captures__profile_done(w.captures, w.asks[i].id, 0,
			       profile_fd(cpu_profile(FIRED_NS, NS_PER_SEC, ms)));
}

static void one_ask_for_before_and_one_for_after_of_each_event_exact_to_the_nanosecond(void **state)
{
	struct capture_request r = request();

	(void)state;
	w.recorded = 1u << EVENT_CPU | 1u << EVENT_OFFCPU;
	assert_int_equal(begin(&r), 0);
	assert_int_equal(w.n_asks, 4);
	/* and the slice in which that lies */
	assert_int_equal(w.asks[0].from_ns, r.fired_mono_ns - 31 * NS_PER_SEC);
	assert_int_equal(w.asks[0].to_ns, r.fired_mono_ns);
	assert_int_equal(w.asks[1].from_ns, r.fired_mono_ns);
	assert_int_equal(w.asks[1].to_ns, r.fired_mono_ns + NS_PER_SEC / 2);
	assert_int_equal(w.asks[2].event, EVENT_OFFCPU);
	for (uint32_t i = 0; i < 4; i++)
		captures__profile_done(w.captures, w.asks[i].id, -ENODATA, FD_CLOSED);
}

static void when_all_is_answered_the_capture_is_written(void **state)
{
	struct capture_request r = request();
	struct capture_folder f;
	struct capture_head h;
	struct stat st;

	(void)state;
	assert_int_equal(begin(&r), 0);
	answer(0, 400);
	answer(1, 100);
	assert_int_equal(w.n_done, 0); /* `after` is not over */
	assert_int_equal(loop__run(w.loop), 0);
	assert_int_equal(w.n_done, 1);
	assert_int_equal(w.result.err, 0);
	assert_int_equal(w.result.events, 1u << EVENT_CPU);
	assert_true(w.result.bytes > 0);
	assert_int_equal(stat(w.path, &st), 0);
	assert_int_equal(capture_folder__find(w.dir, w.id, &f), 0);
	assert_int_equal(capture_head__read(w.dir, &f, &h), 0);
	assert_false(h.is_cut_short);
	assert_true(clock__mono_ns() >= r.fired_mono_ns + r.after_ns);
}

static void one_target_has_one_capture_at_a_time(void **state)
{
	struct capture_request r = request(), other = request();

	(void)state;
	assert_false(captures__is_busy(w.captures, &r.target));
	assert_int_equal(begin(&r), 0);
	assert_true(captures__is_busy(w.captures, &r.target));
	assert_int_equal(begin(&r), -EBUSY);
	/* the pid again, another process */
	other.target.start_ns += NS_PER_SEC;
	assert_false(captures__is_busy(w.captures, &other.target));
	for (int i = 1; i < CAPTURES_MAX; i++) {
		other.target.start_ns += NS_PER_SEC;
		assert_int_equal(begin(&other), 0);
	}
	other.target.start_ns += NS_PER_SEC;
	assert_int_equal(begin(&other), -EAGAIN);
}

static void what_has_no_time_for_us_is_asked_again(void **state)
{
	struct capture_request r = request();

	(void)state;
	w.refuse = 3;
	assert_int_equal(begin(&r), 0);
	assert_int_equal(w.n_asks, 0);
	while (w.n_asks < 2)
		spin();
	answer(0, 10);
	answer(1, 10);
	assert_int_equal(loop__run(w.loop), 0);
	assert_int_equal(w.result.err, 0);
}

static void a_state_is_looked_at_now_what_is_not_recorded_is_from_now_on_and_what_cannot_be_is_told(
	void **state)
{
	struct capture_request r = request();
	struct capture_folder f;
	struct buf meta;
	int fd;

	(void)state;
	r.events = 1u << EVENT_CPU | 1u << EVENT_LOCK | 1u << EVENT_THREADS | 1u << EVENT_KMEM;
	assert_int_equal(begin(&r), 0);
	assert_int_equal(w.n_asks, 4);
	/* in the order in which they are planned: what can wait a moment comes last */
	assert_int_equal(w.asks[0].event, EVENT_LOCK);
	assert_int_equal(w.asks[0].from_ns, r.fired_mono_ns);
	assert_true(w.asks[1].is_dump);
	assert_int_equal(w.asks[1].event, EVENT_THREADS);
	assert_int_equal(w.asks[2].event, EVENT_CPU);
	for (uint32_t i = 0; i < 4; i++)
		answer(i, 10);
	assert_int_equal(loop__run(w.loop), 0);
	assert_int_equal(w.result.events, 1u << EVENT_CPU | 1u << EVENT_LOCK | 1u << EVENT_THREADS);
	assert_int_equal(capture_folder__find(w.dir, w.id, &f), 0);
	assert_int_equal(capture_folder__open(w.dir, &f, CAPTURE_META, &fd), 0);
	buf__init(&meta, 1 << 20);
	assert_int_equal(io__read_fd(fd, 1 << 20, &meta), 0);
	io__close(&fd);
	assert_non_null(strstr(buf__str(&meta), "\"not_recorded\": [\n  \"kmem\"\n ]"));
	buf__done(&meta);
}

/* What takes no probe is had all the same: the stacks of threads that hang are looked for most where nothing is left. */
static void where_the_host_is_in_need_only_a_look_is_taken_besides(void **state)
{
	struct capture_request r = request();

	(void)state;
	r.only_recorded = true;
	r.events = 1u << EVENT_CPU | 1u << EVENT_THREADS | 1u << EVENT_LOCK;
	assert_int_equal(begin(&r), 0);
	assert_int_equal(w.n_asks, 3);
	for (uint32_t i = 0; i < w.n_asks; i++)
		assert_true(w.asks[i].event != EVENT_LOCK &&
			    w.asks[i].is_dump == (w.asks[i].event == EVENT_THREADS));
}

static void the_frequency_is_raised_for_after_and_no_further_than_allowed(void **state)
{
	struct capture_request r = request();

	(void)state;
	r.frequency_hz = 5000;
	assert_int_equal(begin(&r), 0);
	assert_int_equal(w.n_raised, 1);
	assert_int_equal(w.raised[0], 198);
	answer(0, 10);
	answer(1, 10);
	assert_int_equal(loop__run(w.loop), 0);
	assert_int_equal(w.n_raised, 2);
	assert_int_equal(w.raised[1], 0);
	/* what is less than the configured one raises nothing */
	r = request();
	r.frequency_hz = 49;
	assert_int_equal(begin(&r), 0);
	assert_int_equal(w.n_raised, 2);
}

static void what_the_disk_refuses_is_kept_and_written_later(void **state)
{
	struct capture_request r = request();
	struct captures_stats stats = {0};
	struct capture_folder f;
	char away[80];

	(void)state;
	snprintf(away, sizeof(away), "%s.away", w.dir);
	assert_int_equal(rename(w.dir, away), 0);
	assert_int_equal(begin(&r), 0);
	answer(0, 10);
	answer(1, 10);
	while (!stats.n_waiting_for_disk) {
		spin();
		captures__stats(w.captures, &stats);
	}
	assert_int_equal(w.n_done, 0);
	assert_int_equal(rename(away, w.dir), 0);
	/* the end of the agent is the last chance */
	captures__stop(w.captures);
	captures__free(w.captures);
	w.captures = NULL;
	assert_int_equal(w.n_done, 1);
	assert_int_equal(w.result.err, 0);
	assert_int_equal(capture_folder__find(w.dir, w.id, &f), 0);
}

static void the_end_of_the_agent_keeps_what_there_is(void **state)
{
	struct capture_request r = request(), nothing = request();
	struct capture_folder f;
	struct capture_head h;

	(void)state;
	r.after_ns = 60 * NS_PER_SEC;
	assert_int_equal(begin(&r), 0);
	nothing.target.pid = 8;
	answer(0, 400);
	captures__stop(w.captures);
	assert_int_equal(begin(&nothing), -ECANCELED);
	captures__profile_done(w.captures, w.asks[1].id, -ECANCELED, FD_CLOSED);
	captures__free(w.captures);
	w.captures = NULL;
	assert_int_equal(w.n_done, 1);
	assert_int_equal(w.result.err, 0);
	assert_int_equal(capture_folder__find(w.dir, w.id, &f), 0);
	assert_int_equal(capture_head__read(w.dir, &f, &h), 0);
	assert_true(h.is_cut_short);
}

static void one_that_got_no_answer_is_lost_and_said_to_be(void **state)
{
	struct capture_request r = request();

	(void)state;
	assert_int_equal(begin(&r), 0);
	for (int i = 0; i < 2; i++)
		captures__profile_done(w.captures, w.asks[i].id, -ECANCELED, FD_CLOSED);
	captures__stop(w.captures);
	captures__free(w.captures);
	w.captures = NULL;
	assert_int_equal(w.n_done, 1);
	assert_int_equal(w.result.err, -ECANCELED);
	assert_string_equal(w.path, "");
}

static void a_job_that_the_ending_thread_gives_back_is_written_at_the_end(void **state)
{
	struct capture_request r = request();
	struct captures_stats stats;

	(void)state;
	w.is_held = true;
	assert_int_equal(begin(&r), 0);
	answer(0, 10);
	answer(1, 10);
	while (!w.job)
		spin();
	captures__stats(w.captures, &stats);
	assert_int_equal(stats.n_running, 1);
	captures__stop(w.captures);
	w.job(w.job_ctx, true);
	captures__free(w.captures);
	w.captures = NULL;
	assert_int_equal(w.result.err, 0);
}

static void a_request_without_a_name_or_a_range_is_refused(void **state)
{
	struct capture_request r = request();

	(void)state;
	r.rule = "";
	assert_int_equal(begin(&r), -EINVAL);
	r = request();
	r.before_ns = r.after_ns = 0;
	assert_int_equal(begin(&r), -EINVAL);
	r.before_ns = CAPTURE_RANGE_MAX_NS + 1;
	assert_int_equal(begin(&r), -EINVAL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(one_ask_for_before_and_one_for_after_of_each_event_exact_to_the_nanosecond),
		TEST(when_all_is_answered_the_capture_is_written),
		TEST(one_target_has_one_capture_at_a_time),
		TEST(what_has_no_time_for_us_is_asked_again),
		TEST(a_state_is_looked_at_now_what_is_not_recorded_is_from_now_on_and_what_cannot_be_is_told),
		TEST(where_the_host_is_in_need_only_a_look_is_taken_besides),
		TEST(the_frequency_is_raised_for_after_and_no_further_than_allowed),
		TEST(what_the_disk_refuses_is_kept_and_written_later),
		TEST(the_end_of_the_agent_keeps_what_there_is),
		TEST(one_that_got_no_answer_is_lost_and_said_to_be),
		TEST(a_job_that_the_ending_thread_gives_back_is_written_at_the_end),
		TEST(a_request_without_a_name_or_a_range_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
