// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "user/alert/rule_engine.h"
#include "user/alert/rule_memory.h"
#include "user/base/arena.h"
#include "user/base/buf.h"
#include "user/base/err.h"
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
	uint64_t resolved_fired_ns;
};

static int fake_capture(void *ctx, const struct capture_request *r, char ret_id[CAPTURE_ID_MAX],
			struct err *err)
{
	struct fixture *f = ctx;

	(void)r;
	(void)err;
	f->n_captures++;
	strcpy(ret_id, "id");
	return 0;
}

static void fake_tell(void *ctx, const struct alert_news *n)
{
	struct fixture *f = ctx;

	f->n_firing += n->kind == NEWS_FIRING;
	if (n->kind != NEWS_RESOLVED)
		return;
	f->n_resolved++;
	strcpy(f->resolved_comm, n->target->comm ? n->target->comm : "");
	f->resolved_fired_ns = n->fired_real_ns;
}

static void start(struct fixture *f)
{
	const struct rule_engine_opts opts = {.captures_per_hour = 100, .capture_bytes_per_day = 1ull << 40};

	rule_engine__free(f->engine);
	f->engine = NULL;
	assert_int_equal(rule_engine__new(&opts, &(struct rule_port){fake_capture, fake_tell, f}, &f->rules,
					  &f->now, &f->engine),
			 0);
}

static int set_up(void **state)
{
	static struct fixture f;
	struct err e = {0};
	struct yaml y;

	f = (struct fixture){.now = {1000 * S, 1700000000 * S, 1000 * S}};
	arena__init(&f.arena, 1 << 20);
	buf__init(&f.saved, RULE_MEMORY_BYTES_MAX);
	assert_int_equal(yaml__parse("f", rules_text, strlen(rules_text), &y, &e), 0);
	assert_int_equal(
		rule__parse_list(&(struct rule_source){"f", y.root}, NULL, NULL, &f.arena, &f.rules, &e), 0);
	yaml__done(&y);
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
		s.target = (struct metric_target){
			.scope = SCOPE_PROCESS, .pid = pid, .start_ns = 5, .comm = "burner"};
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
	assert_int_equal(f->n_firing, 3); /* the process of that pid is another one */
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

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(an_alarm_goes_on_after_a_restart_and_is_told_once),
		TEST(what_went_while_nobody_looked_is_over),
		TEST(a_cooling_target_still_cools),
		TEST(captures_of_the_hour_are_counted_on),
		TEST(after_another_boot_only_the_system_is_the_same),
		TEST(a_damaged_file_is_refused_whole),
	};

	return cmocka_run_group_tests_name("rule_memory", tests, NULL, NULL);
}
