// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "user/alert/profile_value.h"
#include "user/alert/rule_engine.h"
#include "user/alert/rule_memory.h"
#include "user/base/arena.h"
#include "user/base/buf.h"
#include "user/base/err.h"
#include "user/base/io.h"
#include "user/config/yaml.h"

#define S 1000000000ull

static const char rules_text[] = "- {name: hot, condition: cpu_usage_percent > 80, duration: 0s, action: "
				 "keep, scope: process, keep_firing: 0s, "
				 "limits: {cooldown: 10m, learning: 0s, captures_per_hour: 2}}\n"
				 "- {name: host, condition: cpu_usage_percent > 80, duration: 0s, action: "
				 "none, keep_firing: 60s, limits: {learning: 0s}}";

struct fixture {
	struct arena arena;
	struct rule_list rules;
	struct rule_engine *engine;
	struct rule_time now;
	struct buf saved;
	uint32_t n_captures, n_firing, n_resolved;
	char resolved_comm[32];
	uint64_t resolved_fired_ns, process_start_ns;
	bool is_slow; /* its captures are under way until the test ends them */
	struct capture_request last;
	/* of the last that was told */
	uint32_t n_captured;
	char id[CAPTURE_ID_MAX], refused[RULE_CAUSE_MAX], metric[64];
	double value, threshold;
	struct profile_value profile; /* of every target; n 0: there is none */
};

static int fake_capture(void *ctx, const struct capture_request *r, char ret_id[CAPTURE_ID_MAX],
			struct err *err)
{
	struct fixture *f = ctx;

	(void)err;
	f->n_captures++;
	f->last = *r;
	strcpy(ret_id, "id");
	if (!f->is_slow)
		r->done(r->ctx, &(struct capture_result){.id = "id", .path = "/c"});
	return 0;
}

static void fake_tell(void *ctx, const struct alert_news *n)
{
	struct fixture *f = ctx;

	f->n_firing += n->kind == NEWS_FIRING;
	f->n_captured += n->kind == NEWS_CAPTURED;
	strcpy(f->id, n->capture);
	strcpy(f->refused, n->refused);
	strcpy(f->metric, n->metric == METRIC_N ? "" : metric__get(n->metric)->name);
	f->value = n->value;
	f->threshold = n->threshold;
	if (n->kind != NEWS_RESOLVED)
		return;
	f->n_resolved++;
	strcpy(f->resolved_comm, n->target->comm ? n->target->comm : "");
	f->resolved_fired_ns = n->fired_real_ns;
}

static bool fake_profile(void *ctx, const struct condition *c, const struct metric_target *t,
			 struct profile_value *ret)
{
	(void)c, (void)t;
	*ret = ((struct fixture *)ctx)->profile;
	return ret->n > 0;
}

static void start(struct fixture *f)
{
	const struct rule_engine_opts opts = {
		.captures_per_hour = 100, .capture_bytes_per_day = 1ull << 40, .window_ns = 60 * S};
	const struct rule_port port = {
		.capture = fake_capture, .tell = fake_tell, .of_profile = fake_profile, .ctx = f};

	rule_engine__free(f->engine);
	f->engine = NULL;
	assert_int_equal(rule_engine__new(&opts, &port, &f->rules, &f->now, &f->engine), 0);
}

static void parse(struct fixture *f, const char *text)
{
	struct err e = {0};
	struct yaml y;

	assert_int_equal(yaml__parse("f", text, strlen(text), &y, &e), 0);
	assert_int_equal(
		rule__parse_list(&(struct rule_source){"f", y.root}, NULL, NULL, &f->arena, &f->rules, &e),
		0);
	yaml__done(&y);
}

static int set_up(void **state)
{
	static struct fixture f;

	f = (struct fixture){.now = {1000 * S, 1700000000 * S, 1000 * S}, .process_start_ns = 5};
	arena__init(&f.arena, 1 << 20);
	buf__init(&f.saved, RULE_MEMORY_BYTES_MAX);
	parse(&f, rules_text);
	start(&f);
	*state = &f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	rule_engine__free(f->engine);
	buf__done(&f->saved);
	arena__done(&f->arena);
	return 0;
}

/* The system and one process, pid 0: none. */
static void pass(struct fixture *f, double system, uint32_t pid, double value)
{
	struct metric_sample s = {.target = {.scope = SCOPE_SYSTEM},
				  .known = 1ull << METRIC_cpu_usage_percent};

	f->now.mono_ns += S;
	f->now.real_ns += S;
	f->now.boot_ns += S;
	rule_engine__begin(f->engine, &f->now);
	s.values[METRIC_cpu_usage_percent] = system;
	rule_engine__take(f->engine, &s);
	if (pid) {
		s.target = (struct metric_target){.scope = SCOPE_PROCESS,
						  .pid = pid,
						  .start_ns = f->process_start_ns,
						  .comm = "burner"};
		s.values[METRIC_cpu_usage_percent] = value;
		rule_engine__take(f->engine, &s);
	}
	rule_engine__end(f->engine);
}

/* As SIGKILL and another start: other clocks but the wall's. */
static void restart(struct fixture *f, const char *boot)
{
	buf__clear(&f->saved);
	assert_int_equal(rule_engine__save(f->engine, "boot-1", &f->saved), 0);
	f->now.real_ns += 5 * S;
	f->now.mono_ns += 5 * S;
	f->now.boot_ns += 5 * S;
	start(f);
	assert_int_equal(rule_engine__restore(f->engine, boot, f->saved.data, f->saved.len, &f->now), 0);
}

static void an_alarm_goes_on_after_a_restart_and_is_told_once(void **state)
{
	struct fixture *f = *state;
	uint64_t fired;

	pass(f, 10, 7, 99);
	fired = f->now.real_ns;
	assert_int_equal(f->n_firing, 1);
	restart(f, "boot-1");
	pass(f, 10, 7, 99);
	pass(f, 10, 7, 99);
	assert_int_equal(f->n_firing, 1);
	assert_int_equal(f->n_captures, 1);
	pass(f, 10, 7, 9);
	assert_int_equal(f->n_resolved, 1);
	assert_string_equal(f->resolved_comm, "burner");
	assert_int_equal(f->resolved_fired_ns, fired);
}

static void what_went_while_nobody_looked_is_over(void **state)
{
	struct fixture *f = *state;

	pass(f, 10, 7, 99);
	restart(f, "boot-1");
	pass(f, 10, 0, 0);
	assert_int_equal(f->n_resolved, 1);
	assert_string_equal(f->resolved_comm, "burner");
}

static void a_cooling_target_still_cools(void **state)
{
	struct fixture *f = *state;

	pass(f, 10, 7, 99);
	pass(f, 10, 7, 9);
	assert_int_equal(f->n_resolved, 1);
	for (int i = 0; i < 5; i++) {
		restart(f, "boot-1");
		pass(f, 10, 7, 99);
		pass(f, 10, 7, 9);
	}
	assert_int_equal(f->n_firing, 1);
}

static void captures_of_the_hour_are_counted_on(void **state)
{
	struct fixture *f = *state;

	for (uint32_t pid = 1; pid <= 6; pid++) {
		pass(f, 10, pid, 99);
		restart(f, "boot-1");
	}
	assert_int_equal(f->n_firing, 6);
	assert_int_equal(f->n_captures, 2);
}

static void after_another_boot_only_the_system_is_the_same(void **state)
{
	struct fixture *f = *state;

	pass(f, 99, 7, 99);
	assert_int_equal(f->n_firing, 2);
	restart(f, "boot-2");
	pass(f, 99, 7, 99);
	assert_int_equal(f->n_firing, 3);   /* the process of that pid is another one … */
	assert_int_equal(f->n_resolved, 1); /* … and of the one before it is told that it is over */
	assert_string_equal(f->resolved_comm, "burner");
	pass(f, 99, 7, 99);
	assert_int_equal(f->n_resolved, 1);
}

static void what_a_changed_rule_told_is_over_after_a_restart(void **state)
{
	struct fixture *f = *state;

	pass(f, 99, 7, 99);
	assert_int_equal(f->n_firing, 2);
	parse(f, "- {name: host, condition: cpu_usage_percent > 90, duration: 0s, action: none, "
		 "keep_firing: 60s, limits: {learning: 0s}}");
	restart(f, "boot-1");
	pass(f, 89, 7, 99);
	/* of the rule that is gone nobody could say to whom; the one that has its name says that it is over */
	assert_int_equal(f->n_resolved, 1);
	assert_string_equal(f->resolved_comm, "");
	assert_int_equal(f->n_firing, 2);
}

static void a_damaged_file_is_refused_whole(void **state)
{
	struct fixture *f = *state;
	struct rule_memory m;
	uint8_t *bytes;
	size_t len;

	pass(f, 99, 7, 99);
	assert_int_equal(rule_engine__save(f->engine, "boot-1", &f->saved), 0);
	len = f->saved.len;
	assert_int_equal(rule_memory__parse(f->saved.data, len, &m), 0);
	assert_int_equal(m.header.n_alerts, 2);
	for (size_t cut = 0; cut < len; cut += 1 + cut / 7)
		assert_int_equal(rule_memory__parse(f->saved.data, cut, &m), -EBADMSG);
	bytes = malloc(len);
	for (size_t at = 0; at < len; at += 13) {
		memcpy(bytes, f->saved.data, len);
		bytes[at] ^= 0x40;
		assert_int_equal(rule_memory__parse(bytes, len, &m), -EBADMSG);
	}
	free(bytes);
}

/* Else the search begins with bytes that are refused at once, and finds nothing. The first is in the format before this one. */
static void the_first_inputs_of_the_search_are_of_these_formats(void **state)
{
	static const char *const seeds[] = {"tests/fuzz/corpus/rule_memory/seed-01",
					    "tests/fuzz/corpus/rule_memory/seed-02"};
	struct fixture *f = *state;
	struct rule_memory m;

	for (int i = 0; i < 2; i++) {
		buf__clear(&f->saved);
		assert_int_equal(io__read_at(AT_FDCWD, seeds[i], RULE_MEMORY_BYTES_MAX, &f->saved), 0);
		assert_int_equal(rule_memory__parse(f->saved.data, f->saved.len, &m), 0);
		assert_true(m.header.n_alerts > 1);
		assert_string_equal(m.header.magic, i ? "evalrt4" : "evalrt3");
	}
}

static void a_program_that_comes_back_cools_over_a_restart_and_another_boot(void **state)
{
	struct fixture *f = *state;

	pass(f, 10, 7, 99);
	pass(f, 10, 0, 0);
	assert_int_equal(f->n_resolved, 1);
	restart(f, "boot-2");
	f->process_start_ns = f->now.boot_ns;
	for (int i = 0; i < 5; i++)
		pass(f, 10, 8, 99);
	assert_int_equal(f->n_firing, 1);
}

static void a_clock_that_was_set_back_meanwhile_makes_nothing_cool_for_longer(void **state)
{
	struct fixture *f = *state;

	pass(f, 10, 7, 99);
	pass(f, 10, 7, 9);
	assert_int_equal(f->n_firing, 1);
	f->now.real_ns -= 300ull * 24 * 3600 * S;
	restart(f, "boot-1");
	pass(f, 10, 7, 99);
	pass(f, 10, 7, 9);
	assert_int_equal(f->n_firing, 1);
	f->now.real_ns += 600 * S;
	pass(f, 10, 7, 99);
	assert_int_equal(f->n_firing, 2);
}

/* ---- captures that were under way --------------------------------------------------------------------------------------- */

static void a_capture_that_was_under_way_is_told_to_be_lost_and_made_anew(void **state)
{
	struct fixture *f = *state;

	f->is_slow = true;
	pass(f, 10, 7, 99);
	assert_string_equal(f->id, "id");
	restart(f, "boot-1");
	/* whoever waits for it hears of it */
	assert_int_equal(f->n_captured, 1);
	assert_string_equal(f->id, "");
	assert_non_null(strstr(f->refused, "capture lost"));
	pass(f, 10, 7, 99);
	assert_int_equal(f->n_captures, 2);
	assert_string_equal(f->last.cause, "fires on, and its capture was lost");
	pass(f, 10, 7, 99);
	f->last.done(f->last.ctx, &(struct capture_result){.id = "id", .path = "/c"});
	assert_int_equal(f->n_captured, 2);
	assert_string_equal(f->id, "id");
	assert_string_equal(f->refused, "");
	/* that one is there, for later agents too */
	restart(f, "boot-1");
	pass(f, 10, 7, 99);
	assert_int_equal(f->n_captured, 2);
	assert_int_equal(f->n_captures, 2);
	assert_int_equal(f->n_firing, 1);
	pass(f, 10, 7, 9);
	assert_int_equal(f->n_resolved, 1);
	assert_string_equal(f->id, "id");
}

/* An agent that is killed again and again has its target cool all the same. */
static void a_lost_capture_of_what_is_over_is_told_and_not_made_anew(void **state)
{
	struct fixture *f = *state;

	f->is_slow = true;
	pass(f, 10, 7, 99);
	pass(f, 10, 7, 9);
	assert_int_equal(f->n_resolved, 1);
	for (int i = 0; i < 3; i++) {
		restart(f, "boot-1");
		pass(f, 10, 7, 99);
		pass(f, 10, 7, 9);
	}
	assert_int_equal(f->n_captured, 1);
	assert_int_equal(f->n_captures, 1);
	assert_int_equal(f->n_firing, 1);
}

static void a_capture_that_was_lost_with_the_host_is_told(void **state)
{
	struct fixture *f = *state;

	f->is_slow = true;
	pass(f, 10, 7, 99);
	pass(f, 10, 7, 9);
	restart(f, "boot-2");
	assert_int_equal(f->n_captured, 1);
	assert_string_equal(f->resolved_comm, "burner");
	pass(f, 10, 0, 0);
	assert_int_equal(f->n_resolved, 1);
}

/* ---- values ----------------------------------------------------------------------------------------------------------- */

/* In the format before this one: what was captured is a value. */
static void restart_from_the_earlier_format(struct fixture *f, double captured)
{
	struct rule_memory_header *h;
	struct rule_memory_alert *a;
	uint64_t checksum;
	size_t len;

	buf__clear(&f->saved);
	assert_int_equal(rule_engine__save(f->engine, "boot-1", &f->saved), 0);
	len = f->saved.len - sizeof(checksum);
	memcpy(f->saved.data, "evalrt3", 8);
	a = (struct rule_memory_alert *)(void *)(f->saved.data + sizeof(struct rule_memory_header));
	a->captured = captured;
	h = (struct rule_memory_header *)(void *)f->saved.data;
	h->programs.items[0].captured = captured;
	a->is_under_way = 3; /* it was a number of steps */
	checksum = rule_memory__checksum(f->saved.data, len);
	memcpy(f->saved.data + len, &checksum, sizeof(checksum));
	start(f);
	assert_int_equal(rule_engine__restore(f->engine, "boot-1", f->saved.data, f->saved.len, &f->now), 0);
}

static void what_an_earlier_agent_has_kept_is_taken(void **state)
{
	struct fixture *f = *state;

	pass(f, 10, 7, 99);
	restart_from_the_earlier_format(f, 99);
	assert_int_equal(f->n_captured, 1); /* its own, of before */
	pass(f, 10, 7, 120);
	assert_int_equal(f->n_firing, 1);
	assert_int_equal(f->n_captures, 1);
	pass(f, 10, 7, 124);
	assert_int_equal(f->n_captures, 2);
}

/* What began after the last alarm of its program cools, however bad it is: that was a value of nobody knows which threshold. */
static void programs_of_an_earlier_agent_cool(void **state)
{
	struct fixture *f = *state;

	pass(f, 10, 7, 99);
	pass(f, 10, 0, 0);
	restart_from_the_earlier_format(f, 0.02); /* of seconds, say */
	f->process_start_ns = f->now.boot_ns;
	for (int i = 0; i < 5; i++)
		pass(f, 10, 8, 99);
	assert_int_equal(f->n_firing, 1);
}

static void the_worst_keeps_its_unit(void **state)
{
	struct metric_sample s = {.target = {.scope = SCOPE_SYSTEM},
				  .known = 1ull << METRIC_thread_count | 1ull << METRIC_rss};
	struct fixture *f = *state;

	parse(f,
	      "- {name: two, condition: {all: [thread_count > 10, rss > 500MB]}, duration: 0s, action: keep, "
	      "keep_firing: 0s, limits: {learning: 0s}}");
	start(f);
	for (int t = 0; t < 4; t++) {
		s.values[METRIC_thread_count] = t == 0 ? 20 : t < 3 ? 11 : 1;
		s.values[METRIC_rss] = 6e8;
		f->now.mono_ns += S;
		f->now.real_ns += S;
		rule_engine__begin(f->engine, &f->now);
		rule_engine__take(f->engine, &s);
		rule_engine__end(f->engine);
		if (t == 1)
			restart(f, "boot-1");
	}
	assert_int_equal(f->n_captures, 1);
	assert_int_equal(f->n_resolved, 1);
	assert_string_equal(f->metric, "thread_count");
	assert_true(f->value == 20 && f->threshold == 10);
}

/* ---- what takes its time to be known ------------------------------------------------------------------------------------ */

#define MINUTES 60

static void pass_rss(struct fixture *f, double rss)
{
	struct metric_sample s = {
		.target = {.scope = SCOPE_PROCESS, .pid = 7, .start_ns = 5, .comm = "leaky"},
		.known = 1ull << METRIC_rss | 1ull << METRIC_cpu_usage_percent};

	f->now.mono_ns += S;
	f->now.real_ns += S;
	f->now.boot_ns += S;
	s.values[METRIC_rss] = rss;
	rule_engine__begin(f->engine, &f->now);
	rule_engine__take(f->engine, &s);
	rule_engine__end(f->engine);
}

static void a_leak_that_goes_on_over_a_restart_is_one_alarm(void **state)
{
	struct fixture *f = *state;
	double rss = 1e8;
	int t;

	parse(f, "- {name: MemoryLeak, condition: memory_growth_rate > 100MB/hour, duration: 30m, action: "
		 "capture_memory_profile, scope: process}");
	start(f);
	for (t = 0; t < 60 * MINUTES; t++)
		pass_rss(f, rss += 1e5);
	assert_int_equal(f->n_firing, 1);
	for (int i = 0; i < 3; i++) {
		restart(f, "boot-1");
		for (t = 0; t < 12 * MINUTES; t++)
			pass_rss(f, rss += 1e5);
	}
	assert_int_equal(f->n_firing, 1);
	assert_int_equal(f->n_resolved, 0);
	/* that it ended is known as soon as anything is */
	restart(f, "boot-1");
	for (t = 0; t < 10 * MINUTES && !f->n_resolved; t++)
		pass_rss(f, rss);
	assert_int_equal(f->n_resolved, 1);
	assert_true(t > 7 * MINUTES);
}

/* Nobody can say of it that it ends, and it is not kept for ever. */
static void what_is_not_measured_any_more_ends_when_it_could_have_been_known(void **state)
{
	struct fixture *f = *state;
	double rss = 1e8;
	int t;

	parse(f,
	      "- {name: MemoryLeak, condition: memory_growth_rate > 100MB/hour, duration: 30m, action: none, "
	      "scope: process, keep_firing: 0s}");
	start(f);
	for (t = 0; t < 60 * MINUTES; t++)
		pass_rss(f, rss += 1e5);
	restart(f, "boot-1");
	for (t = 0; t < 15 * MINUTES && !f->n_resolved; t++)
		pass(f, 10, 7, 99);
	assert_int_equal(f->n_resolved, 1);
	assert_true(t > 9 * MINUTES && t < 12 * MINUTES);
}

static void what_a_profile_said_goes_on_until_there_is_another(void **state)
{
	struct fixture *f = *state;
	int t;

	parse(f,
	      "- {name: json, condition: {metric: function_share, of: \"json_*\", above: 30%}, duration: 0s, "
	      "action: keep, scope: process, keep_firing: 0s, limits: {learning: 0s}}");
	start(f);
	f->profile = profile_value__of_share(0.9, 1000);
	pass(f, 10, 7, 99);
	assert_int_equal(f->n_firing, 1);
	f->profile.n = 0;
	restart(f, "boot-1");
	for (t = 0; t < 130; t++)
		pass(f, 10, 7, 99);
	assert_int_equal(f->n_resolved, 0);
	f->profile.n = 1000;
	pass(f, 10, 7, 99);
	assert_int_equal(f->n_resolved, 0);
	f->profile.n = 0;
	for (t = 0; t < 60 && !f->n_resolved; t++)
		pass(f, 10, 7, 99);
	assert_true(t < 15);
}

/* ---- SIGKILL ---------------------------------------------------------------------------------------------------------- */

#define PIDS      40
#define HOUR      (3600 * S)
#define ALL_MAX   4096
#define KILLS     30
#define RULE_HOUR 12
#define TARGETS   3

/* What outlives the agent: the clock, and the captures whose files appeared. */
struct world {
	uint64_t real_ns;
	uint32_t n_captures, n_told, most_firing;
	uint64_t captured_ns[ALL_MAX];
};

struct life {
	struct world *world;
	struct capture_request asked[ALERT_QUOTA_MAX];
	uint64_t asked_ns[ALERT_QUOTA_MAX];
	uint32_t n_asked;
};

static int ask_capture(void *ctx, const struct capture_request *r, char ret_id[CAPTURE_ID_MAX],
		       struct err *err)
{
	struct life *l = ctx;

	(void)err;
	l->asked[l->n_asked] = *r;
	l->asked_ns[l->n_asked++] = r->fired_real_ns;
	strcpy(ret_id, "id");
	return 0;
}

static void count_news(void *ctx, const struct alert_news *n)
{
	((struct life *)ctx)->world->n_told += n->kind == NEWS_FIRING;
}

/* A capture is there when what follows the moment is over: in the pass after. */
static void finish_captures(struct life *l)
{
	struct world *w = l->world;

	for (uint32_t i = 0; i < l->n_asked; i++) {
		assert_true(w->n_captures < ALL_MAX);
		w->captured_ns[w->n_captures] = l->asked_ns[i];
		w->n_captures++;
		l->asked[i].done(l->asked[i].ctx,
				 &(struct capture_result){.id = "id", .path = "/c", .bytes = 1});
	}
	l->n_asked = 0;
}

static void random_pass(struct rule_engine *e, const struct rule_time *now)
{
	rule_engine__begin(e, now);
	for (uint32_t pid = 1; pid <= PIDS; pid++) {
		struct metric_sample s = {
			.target = {.scope = SCOPE_PROCESS, .pid = pid, .start_ns = 5, .comm = "p"},
			.known = 1ull << METRIC_cpu_usage_percent};

		s.values[METRIC_cpu_usage_percent] = rand() % 120;
		if (rand() % 10)
			rule_engine__take(e, &s);
	}
	rule_engine__end(e);
}

/* An agent's life, until it is killed: as cmd/alerting has it, with the file that it has. */
static void live(struct world *w, int dir, const struct rule_list *rules, unsigned int seed)
{
	static struct life l;
	const struct rule_engine_opts opts = {.captures_per_hour = RULE_HOUR + 5,
					      .capture_bytes_per_day = 1ull << 40};
	const struct rule_port port = {.capture = ask_capture, .tell = count_news, .ctx = &l};
	struct rule_time now = {w->real_ns, w->real_ns, w->real_ns};
	struct rule_engine_stats stats;
	struct rule_engine *e;
	struct buf b;

	srand(seed);
	l = (struct life){.world = w};
	buf__init(&b, RULE_MEMORY_BYTES_MAX);
	if (rule_engine__new(&opts, &port, rules, &now, &e))
		_exit(3);
	if (!io__read_at(dir, RULE_MEMORY_FILE, RULE_MEMORY_BYTES_MAX, &b) &&
	    rule_engine__restore(e, "boot", b.data, b.len, &now))
		_exit(4);
	for (;;) {
		now.mono_ns = now.boot_ns = now.real_ns = w->real_ns += S;
		finish_captures(&l);
		random_pass(e, &now);
		rule_engine__stats(e, &stats);
		if (stats.n_firing > w->most_firing)
			w->most_firing = stats.n_firing;
		buf__clear(&b);
		if (rule_engine__is_dirty(e) &&
		    (rule_engine__save(e, "boot", &b) ||
		     io__write_replace(dir, RULE_MEMORY_FILE, b.data, b.len, 0600)))
			_exit(5);
	}
}

static uint32_t most_in_an_hour(const struct world *w)
{
	uint32_t most = 0;

	for (uint32_t i = 0; i < w->n_captures; i++) {
		uint32_t n = 0;

		for (uint32_t k = 0; k < w->n_captures; k++)
			n += w->captured_ns[k] <= w->captured_ns[i] &&
			     w->captured_ns[i] - w->captured_ns[k] < HOUR;
		most = n > most ? n : most;
	}
	return most;
}

/* Killed at any moment, also amid writing the file: no hour has more captures than may be, no moment more that fire. */
static void limits_hold_over_sigkill_whenever_it_comes(void **state)
{
	static const char text[] =
		"- {name: a, condition: cpu_usage_percent > 80, duration: 1s, action: keep, scope: "
		"process, keep_firing: 2s, limits: {cooldown: 20s, learning: 0s, escalation: 5%, "
		"targets: 3, captures_per_hour: 12}}";
	struct fixture *f = *state;
	struct world *w = mmap(NULL, sizeof(*w), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char dir[] = "/tmp/everprof-memory.XXXXXX";
	struct err err = {0};
	uint64_t until_ns;
	struct yaml y;
	int fd, status;

	assert_true(w != MAP_FAILED);
	assert_non_null(mkdtemp(dir));
	fd = open(dir, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	assert_int_equal(yaml__parse("f", text, strlen(text), &y, &err), 0);
	assert_int_equal(
		rule__parse_list(&(struct rule_source){"f", y.root}, NULL, NULL, &f->arena, &f->rules, &err),
		0);
	yaml__done(&y);
	w->real_ns = 1700000000 * S;
	srand(77);
	for (int i = 0; i < KILLS; i++) {
		pid_t pid = fork();

		if (!pid)
			live(w, fd, &f->rules, (unsigned int)i);
		until_ns = w->real_ns + (uint64_t)(1 + rand() % 30) * S;
		for (int k = 0; k < 20000 && __atomic_load_n(&w->real_ns, __ATOMIC_RELAXED) < until_ns; k++)
			usleep(500);
		usleep((useconds_t)(rand() % 3000));
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	}
	/* it did happen, and much more would have */
	if (w->n_captures < RULE_HOUR || w->n_told <= w->n_captures)
		fail_msg("only %u captures of %u alarms in %u s", w->n_captures, w->n_told,
			 (unsigned int)(w->real_ns / S - 1700000000));
	if (most_in_an_hour(w) > RULE_HOUR)
		fail_msg("%u captures in an hour, %d may be", most_in_an_hour(w), RULE_HOUR);
	assert_true(w->most_firing <= TARGETS);
	unlinkat(fd, RULE_MEMORY_FILE, 0);
	close(fd);
	rmdir(dir);
	munmap(w, sizeof(*w));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(an_alarm_goes_on_after_a_restart_and_is_told_once),
		TEST(what_went_while_nobody_looked_is_over),
		TEST(a_cooling_target_still_cools),
		TEST(captures_of_the_hour_are_counted_on),
		TEST(what_a_changed_rule_told_is_over_after_a_restart),
		TEST(after_another_boot_only_the_system_is_the_same),
		TEST(a_damaged_file_is_refused_whole),
		TEST(the_first_inputs_of_the_search_are_of_these_formats),
		TEST(a_program_that_comes_back_cools_over_a_restart_and_another_boot),
		TEST(a_clock_that_was_set_back_meanwhile_makes_nothing_cool_for_longer),
		TEST(a_capture_that_was_under_way_is_told_to_be_lost_and_made_anew),
		TEST(a_lost_capture_of_what_is_over_is_told_and_not_made_anew),
		TEST(a_capture_that_was_lost_with_the_host_is_told),
		TEST(what_an_earlier_agent_has_kept_is_taken),
		TEST(programs_of_an_earlier_agent_cool),
		TEST(the_worst_keeps_its_unit),
		TEST(a_leak_that_goes_on_over_a_restart_is_one_alarm),
		TEST(what_is_not_measured_any_more_ends_when_it_could_have_been_known),
		TEST(what_a_profile_said_goes_on_until_there_is_another),
		TEST(limits_hold_over_sigkill_whenever_it_comes),
	};

	return cmocka_run_group_tests_name("rule_memory", tests, NULL, NULL);
}
