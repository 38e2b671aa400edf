// SPDX-License-Identifier: Apache-2.0
/*
 * Kernels that were built without something: all programs load there.
 *
 * Problem. What a kernel has in its structs is a matter of its configuration, and a field that is read without a question keeps the program from loading where it is not. Other
 * kernels than distributions build are rare, and nobody's to boot here.
 * Idea. The loader adapts the programs by type information of the kernel. It is given this kernel's with those fields renamed: what asks for them is told that there are none, and
 * leaves out code that is cut off before the verifier, which is this kernel's own, comes there. What does not ask is refused.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <bpf/btf.h>

#include "tests/support/folder.h"
#include "tests/unit/kernel/bpf_here.h"
#include "user/base/clock.h"
#include "user/base/err.h"
#include "user/base/io.h"
#include "user/kernel/loader.h"

struct field {
	const char *of, *name;
};

/* In the struct, and in those without a name within it. to: a name that is there, and no field's. */
static bool rename_in(struct btf *btf, const struct btf_type *t, const char *name, uint32_t to)
{
	struct btf_member *m = btf_members(t);
	bool found = false;

	for (int i = 0; btf_is_composite(t) && i < btf_vlen(t); i++) {
		if (!m[i].name_off) {
			found |= rename_in(btf, btf__type_by_id(btf, m[i].type), name, to);
		} else if (!strcmp(btf__name_by_offset(btf, m[i].name_off), name)) {
			m[i].name_off = to;
			found = true;
		}
	}
	return found;
}

/* Renames the field in every struct of that name; false: there is none. */
static bool rename_field(struct btf *btf, const struct field *f)
{
	bool found = false;

	for (uint32_t id = 1; id < btf__type_cnt(btf); id++) {
		const struct btf_type *t = btf__type_by_id(btf, id);

		if (btf_is_struct(t) && !strcmp(btf__name_by_offset(btf, t->name_off), f->of))
			found |= rename_in(btf, t, f->name, t->name_off);
	}
	return found;
}

static void write_btf(const struct field *fields, const char *path)
{
	struct btf *btf = btf__parse_raw("/sys/kernel/btf/vmlinux");
	const void *bytes;
	uint32_t size;
	int fd;

	assert_non_null(btf);
	for (; fields->of; fields++)
		if (!rename_field(btf, fields))
			print_message("struct %s has no %s here either\n", fields->of, fields->name);
	bytes = btf__raw_data(btf, &size);
	assert_non_null(bytes);
	fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
	assert_true(fd >= 0);
	assert_int_equal(io__write_full(fd, bytes, size), 0);
	close(fd);
	btf__free(btf);
}

static struct loader *load(const char *btf_path)
{
	const struct loader_opts opts = {.period_ns = NS_PER_SEC / 99,
					 .slice_ns = NS_PER_SEC,
					 .n_cpus = 4,
					 .events = ~0u,
					 .kernel_stacks = true,
					 .btf_path = btf_path};
	struct loader *l = NULL;
	struct err err = {};
	int ret = loader__open(&opts, &l, &err);

	if (ret)
		fail_msg("%s", err__text(&err, ret));
	return l;
}

/* Which programs are in place, as bits. */
static uint32_t hooks_of(const struct loader *l)
{
	uint32_t hooks = 0;

	for (int i = 0; i < HOOK_N; i++)
		hooks |= (uint32_t)loader__has_hook(l, (enum hook)i) << i;
	return hooks;
}

static void assert_loads_without(const struct field *fields)
{
	char dir[FOLDER_MAX], path[FOLDER_MAX + 8];
	static uint32_t all; /* of this kernel as it is */
	struct loader *l;

	close(bpf_here__map(BPF_MAP_TYPE_ARRAY, 4, 4, 1, NULL));
	if (access("/sys/kernel/btf/vmlinux", R_OK)) {
		print_message("no type information of the kernel here\n");
		skip();
	}
	if (!all) {
		l = load(NULL);
		all = hooks_of(l);
		loader__close(l);
	}
	assert_int_equal(folder__make(dir), 0);
	snprintf(path, sizeof(path), "%s/btf", dir);
	write_btf(fields, path);
	l = load(path);
	assert_int_equal(hooks_of(l), all);
	loader__close(l);
	folder__remove(dir);
}

/* CONFIG_FAIR_GROUP_SCHED, and what goes with it. */
static void all_load_where_there_are_no_groups_of_the_scheduler(void **state)
{
	static const struct field fields[] = {{"sched_entity", "cfs_rq"},
					      {"cfs_rq", "rq"},
					      {"cfs_rq", "throttle_count"},
					      {"cfs_rq", "throttled_clock_self"},
					      {"cfs_rq", "throttled_clock_self_time"},
					      {}};

	(void)state;
	assert_loads_without(fields);
}

/* CONFIG_CFS_BANDWIDTH; the last two since 6.6. */
static void all_load_where_there_are_no_quotas(void **state)
{
	static const struct field fields[] = {{"cfs_rq", "throttle_count"},
					      {"cfs_rq", "throttled_clock_self"},
					      {"cfs_rq", "throttled_clock_self_time"},
					      {}};

	(void)state;
	assert_loads_without(fields);
}

/* CONFIG_PREEMPT_RT. */
static void all_load_where_locks_do_not_say_who_has_them(void **state)
{
	static const struct field fields[] = {{"mutex", "owner"}, {"rw_semaphore", "owner"}, {}};

	(void)state;
	assert_loads_without(fields);
}

/* CONFIG_SCHED_INFO. */
static void all_load_where_waits_for_a_cpu_are_not_accounted(void **state)
{
	static const struct field fields[] = {{"sched_info", "run_delay"},
					      {"sched_info", "last_arrival"},
					      {"sched_info", "last_queued"},
					      {}};

	(void)state;
	assert_loads_without(fields);
}

/* CONFIG_MEMCG, CONFIG_CGROUPS, CONFIG_TASK_IO_ACCOUNTING; sched_delayed since 6.12. */
static void all_load_where_tasks_have_less(void **state)
{
	static const struct field fields[] = {{"mm_struct", "owner"},
					      {"task_struct", "frozen"},
					      {"task_io_accounting", "read_bytes"},
					      {"task_io_accounting", "write_bytes"},
					      {"sched_entity", "sched_delayed"},
					      {}};

	(void)state;
	assert_loads_without(fields);
}

/* The test is one: a field that every kernel has is asked for by nobody. */
static void a_field_that_nobody_asks_for_is_missed(void **state)
{
	static const struct field fields[] = {{"task_struct", "tgid"}, {}};
	const struct loader_opts opts = {.period_ns = 1, .slice_ns = 1, .n_cpus = 1};
	char dir[FOLDER_MAX], path[FOLDER_MAX + 8];
	struct loader_opts with = opts;
	struct loader *l = NULL;
	struct err err = {};

	(void)state;
	close(bpf_here__map(BPF_MAP_TYPE_ARRAY, 4, 4, 1, NULL));
	if (access("/sys/kernel/btf/vmlinux", R_OK))
		skip();
	assert_int_equal(folder__make(dir), 0);
	snprintf(path, sizeof(path), "%s/btf", dir);
	write_btf(fields, path);
	with.btf_path = path;
	assert_int_not_equal(loader__open(&with, &l, &err), 0);
	folder__remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_load_where_there_are_no_groups_of_the_scheduler),
		cmocka_unit_test(all_load_where_there_are_no_quotas),
		cmocka_unit_test(all_load_where_locks_do_not_say_who_has_them),
		cmocka_unit_test(all_load_where_waits_for_a_cpu_are_not_accounted),
		cmocka_unit_test(all_load_where_tasks_have_less),
		cmocka_unit_test(a_field_that_nobody_asks_for_is_missed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
