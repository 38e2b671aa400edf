/* SPDX-License-Identifier: Apache-2.0 */
/* Stacks that the kernel could not finish: each is counted once, with what is said of it, also where it was walked twice. */
#include "tests/unit/pipeline/window.h"
#include "tests/unit/process/fixture.h"

#include "bpf/walk.h"
#include "user/pipeline/collector_impl.h"

#define CODE  0x5000ull
#define STACK 0x70000000ull

static struct target_set nobody;

struct scene {
	struct collector c;
	struct fixture_tree proc;
	struct unfinished_record
		record; /* in code that nobody has told of, by way of a rule made from instructions */
	struct process *process;
};

static int setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));
	struct process_table_opts opts = {.rule = collector_jit__first_rule()};
	struct task_key key = {.tgid = 7, .exec_id = 1, .start_ns = SECOND(5)};

	assert_non_null(s);
	fixture__open(&s->proc);
	opts.proc_root_fd = s->proc.fd;
	assert_int_equal(process_table__new(&opts, &s->c.processes), 0);
	fixture__process(&s->proc, key.tgid, "jit", 500, 0, "5000-6000 r-xp 00000000 00:00 0 \n");
	assert_int_equal(process_table__scan_one(s->c.processes, SECOND(1), &key, &s->process), 0);
	s->process->jit_ask_ns = UINT64_MAX; /* its turn has not come */
	s->c.opts.selector = (struct selector){.include = &nobody, .exclude = &nobody};
	s->c.walk = calloc(1, sizeof(*s->c.walk));
	s->c.windows[EVENT_CPU] = begun_window();
	s->record = (struct unfinished_record){.type = RECORD_UNFINISHED,
					       .key = key,
					       .tag = {.event = EVENT_CPU, .syscall = SYSCALL_NONE},
					       .tid = key.tgid,
					       .count = 3,
					       .value = 3 * PERIOD_NS,
					       .end = END_NO_ROWS,
					       .pc = CODE + 8,
					       .sp = STACK,
					       .leaf = 1,
					       .derived = 1,
					       .stack_at = STACK,
					       .stack_bytes = 64};
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;

	collector_jit__done(&s->c.jit);
	window__unref(s->c.windows[EVENT_CPU]);
	process_table__free(s->c.processes);
	fixture__close(&s->proc);
	free(s->c.walk);
	free(s);
	return 0;
}

static void finish(struct scene *s)
{
	collector__finish(&s->c, &s->record, sizeof(s->record));
}

static uint64_t doubts(const struct scene *s)
{
	return s->c.lost_of[EVENT_CPU].n[LOSS_DERIVED_RULES];
}

/* It has been asked for long enough. */
static void a_stack_that_nobody_tells_of_is_counted_at_once(void **state)
{
	struct scene *s = *state;

	s->process->n_jit_asks = UINT32_MAX;
	finish(s);
	assert_true(s->c.stats.finish_ns > 0);
	assert_int_equal(s->c.jit.held.n, 0);
	assert_int_equal(doubts(s), 1);
	assert_int_equal(s->c.stats.unfinished, 1);
	assert_int_equal(s->c.windows[EVENT_CPU]->samples, 3);
}

/* A wait that another one's CPU ended in part: two samples, and one stack. */
static void a_stack_of_two_samples_is_in_doubt_once(void **state)
{
	struct scene *s = *state;

	s->c.jit.is_releasing = true;
	s->record.cpu_count = 1;
	s->record.cpu_value = PERIOD_NS;
	finish(s);
	assert_int_equal(s->c.windows[EVENT_CPU]->samples, 4);
	assert_int_equal(doubts(s), 1);
	s->record.value = s->record.count = 0;
	finish(s);
	assert_int_equal(doubts(s), 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_stack_that_nobody_tells_of_is_counted_at_once),
		TEST(a_stack_of_two_samples_is_in_doubt_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
