/* SPDX-License-Identifier: Apache-2.0 */
/* A collector on a kernel that has nothing to hook on: what it asks for fails, as where the kernel is old or files are too many. */
#include "tests/unit/pipeline/window.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "user/base/err.h"
#include "user/base/log.h"
#include "user/pipeline/collector_impl.h"

#define LOADER_BYTES (1u << 20) /* more than it has */

struct bare {
	struct collector c;
	struct kernel_maps maps;
	struct gate gate;
	struct fault_gate faults;
	struct kmem_gate kmem;
	struct target_set old_include, fresh_include, exclude;
	char last_note[256]; /* of the window that came last */
};

static void take_window(void *ctx, struct window *w)
{
	struct bare *b = ctx;

	snprintf(b->last_note, sizeof(b->last_note), "%s", window__str(w, w->note));
	window__unref(w);
}

static int setup(void **state)
{
	struct process_table_opts opts = {.proc_root_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC)};
	struct bare *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	b->maps = (struct kernel_maps){.gate = &b->gate,
				       .faults = &b->faults,
				       .kmem = &b->kmem,
				       .targets_fd = -1,
				       .fault_clocks_fd = -1,
				       .kmem_clocks_fd = -1};
	b->c.maps = &b->maps;
	b->c.loader = calloc(1, LOADER_BYTES); /* all zero: it has no hook */
	b->c.proc_fd = opts.proc_root_fd;
	b->c.ports = (struct collector_ports){.window = take_window, .ctx = b};
	b->c.frequency_hz = b->c.max_frequency_hz = 99;
	b->c.orders = (struct governor_orders){.window_bytes = MANY_BYTES, .frequency_hz = UINT32_MAX};
	b->c.opts = (struct collector_opts){.may_change = true,
					    .frequency_hz = 99,
					    .history_ns = SECOND(5),
					    .kernel_stacks = true,
					    .selector = {.include = &b->old_include, .exclude = &b->exclude}};
	history__init(&b->c.history, SECOND(5), MANY_BYTES);
	assert_non_null(b->c.loader);
	assert_int_equal(process_table__new(&opts, &b->c.processes), 0);
	assert_int_equal(object_cache__new(&(struct object_cache_opts){.proc_root_fd = opts.proc_root_fd},
					   &b->c.objects),
			 0);
	log__set_level(LOG_LEVEL_ERROR);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bare *b = *state;

	for (int ev = 0; ev < EVENT_N; ev++)
		window__unref(b->c.windows[ev]);
	history__done(&b->c.history);
	process_table__free(b->c.processes);
	object_cache__free(b->c.objects);
	close(b->c.proc_fd);
	free(b->c.loader);
	free(b);
	log__set_level(LOG_LEVEL_INFO);
	return 0;
}

/* As an agent's reload does: who gets the error frees what the new options borrow. */
static void options_that_fail_late_leave_nothing_of_themselves(void **state)
{
	struct bare *b = *state;
	struct collector_opts fresh = b->c.opts;
	struct err err = {""};

	fresh.events[EVENT_THREADCREATE].on = true;
	fresh.kernel_stacks = false;
	fresh.history_ns = SECOND(60);
	fresh.selector.include = &b->fresh_include;
	assert_int_equal(collector__reconfigure(&b->c, &fresh, &err), -EOPNOTSUPP);
	assert_string_not_equal(err.text, "");
	assert_ptr_equal(b->c.opts.selector.include, &b->old_include);
	assert_false(b->c.opts.events[EVENT_THREADCREATE].on);
	assert_null(b->c.windows[EVENT_THREADCREATE]);
	assert_false(b->c.is_recording[EVENT_THREADCREATE]);
	assert_int_equal(b->c.history.age_ns, SECOND(5));
	assert_int_equal(b->gate.kernel_stacks, 1);
}

/* The object of this program, which nobody has mapped any more; used last at now_ns. */
static void have_idle_object(struct bare *b, uint64_t now_ns)
{
	struct object_mapping m = {.tgid = (uint32_t)getpid(), .pid_dir_fd = -1};
	uint64_t here = (uint64_t)(uintptr_t)have_idle_object, bias;
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[4200], path[4096] = "";
	uint32_t id = 0;

	assert_non_null(maps);
	while ((here < m.start || here >= m.end) && fgets(line, sizeof(line), maps))
		sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %" SCNx64 " %*s %*s %4095s", &m.start, &m.end,
		       &m.pgoff, path);
	fclose(maps);
	m.path = path;
	assert_int_equal(object_cache__open_mapping(b->c.objects, &m, now_ns, &id, &bias), 0);
	assert_int_not_equal(id, 0);
	object_cache__put(b->c.objects, id);
}

static void assert_kept_for(struct bare *b, const struct collector_opts *opts, uint64_t ns)
{
	static uint64_t now_ns = SECOND(1);
	struct collector_opts fresh = *opts;
	struct err err = {""};

	/* without a clock none can be taken but those that are gone back to */
	b->c.opts = *opts;
	fresh.events[EVENT_THREADCREATE].on = true;
	assert_int_equal(collector__reconfigure(&b->c, &fresh, &err), -EOPNOTSUPP);
	have_idle_object(b, now_ns);
	assert_int_equal(object_cache__retire(b->c.objects, now_ns + ns - 1), 0);
	assert_int_equal(object_cache__retire(b->c.objects, now_ns + ns), 1);
	now_ns += ns;
}

/* A file of an hour's window is asked for when the window ends, and again as long as that is kept. */
static void objects_are_kept_as_long_as_windows_are(void **state)
{
	struct bare *b = *state;
	struct collector_opts fresh = b->c.opts;

	assert_kept_for(b, &fresh, SECOND(600));
	fresh.history_ns = SECOND(1200);
	fresh.events[EVENT_OFFCPU].window_ns = SECOND(3600);
	fresh.events[EVENT_CPU].window_ns = SECOND(60);
	assert_kept_for(b, &fresh, SECOND(3600 + 1200 + 60));
	fresh.events[EVENT_OFFCPU].window_ns = SECOND(60);
	assert_kept_for(b, &fresh, SECOND(60 + 1200 + 60));
}

/* Its start is no error, which would end the agent; its profile says what it lacks. */
static void expect_recorded_as_nothing(struct bare *b, enum event ev)
{
	const struct event_source *s = event_source__of(ev);
	struct err err = {""};

	s->init(&b->c, &err); /* there are no rings to map: that of page faults has its state alone */
	assert_int_equal(collector__demand(&b->c, ev), 0);
	b->c.started = true;
	assert_int_equal(event_sources__follow(&b->c), 0);
	assert_true(b->c.is_recording[ev]);
	event_sources__control(&b->c);
	b->c.windows[ev]->is_private = false;
	collector__release(&b->c, ev);
	assert_false(b->c.is_recording[ev]);
	assert_non_null(strstr(b->last_note, "nothing of them is recorded"));
	s->done(&b->c);
}

static void kernel_allocations_that_cannot_be_hooked_end_nothing(void **state)
{
	expect_recorded_as_nothing(*state, EVENT_KMEM);
}

static void page_faults_that_cannot_be_followed_end_nothing(void **state)
{
	expect_recorded_as_nothing(*state, EVENT_MEMORY);
}

#define bare_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		bare_test(options_that_fail_late_leave_nothing_of_themselves),
		bare_test(objects_are_kept_as_long_as_windows_are),
		bare_test(kernel_allocations_that_cannot_be_hooked_end_nothing),
		bare_test(page_faults_that_cannot_be_followed_end_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
