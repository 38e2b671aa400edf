// SPDX-License-Identifier: Apache-2.0
/* Files of control groups as kernels write them: 6.1 (version 2) and 6.18 (version 1). */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "user/process/cgroup_stat.h"

#define PARSE(fn, text, ret) fn(text, strlen(text), ret)

static void cpu_stat_of_version_2_tells_usage_and_throttling(void **state)
{
	struct cgroup_cpu c;

	(void)state;
	assert_int_equal(
		PARSE(parse_cgroup_cpu_stat,
		      "usage_usec 1234567\nuser_usec 1000000\nsystem_usec 234567\n"
		      "core_sched.force_idle_usec 0\nnr_periods 100\nnr_throttled 25\nthrottled_usec 777\n"
		      "nr_bursts 0\nburst_usec 0\n",
		      &c),
		0);
	assert_int_equal(c.usage_ns, 1234567000);
	assert_int_equal(c.n_periods, 100);
	assert_int_equal(c.n_throttled, 25);
	assert_int_equal(c.throttled_ns, 777000);
}

static void cpu_stat_of_version_1_has_nanoseconds_and_no_usage(void **state)
{
	struct cgroup_cpu c;

	(void)state;
	assert_int_equal(PARSE(parse_cgroup_cpu_stat,
			       "nr_periods 9\nnr_throttled 3\nthrottled_time 12345\nnr_bursts 0\n", &c),
			 0);
	assert_int_equal(c.usage_ns, 0);
	assert_int_equal(c.n_throttled, 3);
	assert_int_equal(c.throttled_ns, 12345);
	assert_int_equal(PARSE(parse_cgroup_cpu_stat, "", &c), -EBADMSG);
	assert_int_equal(PARSE(parse_cgroup_cpu_stat, "rubbish\n", &c), -EBADMSG);
}

static void memory_stat_of_both_versions_counts_the_groups_below(void **state)
{
	struct cgroup_memory m;

	(void)state;
	assert_int_equal(
		PARSE(parse_cgroup_memory_stat,
		      "anon 4096\nfile 99999\nkernel 1\nshmem 300\nfile_mapped 8192\ninactive_anon 5\n"
		      "inactive_file 70\nanon_thp 0\n",
		      &m),
		0);
	assert_int_equal(m.anon_bytes, 4096);
	assert_int_equal(m.mapped_bytes, 8192);
	assert_int_equal(m.shmem_bytes, 300);
	assert_int_equal(m.inactive_file_bytes, 70);
	/* version 1: without total_ it is the group alone */
	assert_int_equal(PARSE(parse_cgroup_memory_stat,
			       "cache 1\nrss 2\nshmem 3\nmapped_file 4\ninactive_file 5\n"
			       "hierarchical_memory_limit 9223372036854771712\ntotal_cache 6\ntotal_rss 7\n"
			       "total_shmem 8\ntotal_mapped_file 9\ntotal_inactive_file 10\n",
			       &m),
			 0);
	assert_int_equal(m.anon_bytes, 7);
	assert_int_equal(m.shmem_bytes, 8);
	assert_int_equal(m.mapped_bytes, 9);
	assert_int_equal(m.inactive_file_bytes, 10);
	assert_int_equal(PARSE(parse_cgroup_memory_stat, "nothing 1\n", &m), -EBADMSG);
}

static void limits_are_numbers_or_none(void **state)
{
	double cpus = -1;
	uint64_t v = 0;

	(void)state;
	assert_int_equal(PARSE(parse_cgroup_cpu_max, "max 100000\n", &cpus), 0);
	assert_true(cpus == 0);
	assert_int_equal(PARSE(parse_cgroup_cpu_max, "150000 100000\n", &cpus), 0);
	assert_true(cpus == 1.5);
	assert_int_equal(PARSE(parse_cgroup_cpu_max, "150000\n", &cpus), -EBADMSG);
	assert_int_equal(PARSE(parse_cgroup_cpu_max, "150000 0\n", &cpus), -EBADMSG);
	assert_int_equal(PARSE(parse_cgroup_cpu_max, "max", &cpus), -EBADMSG);
	assert_int_equal(PARSE(parse_cgroup_number, "max\n", &v), 0);
	assert_true(v == CGROUP_UNLIMITED);
	assert_int_equal(PARSE(parse_cgroup_number, "-1\n", &v), 0);
	assert_true(v == CGROUP_UNLIMITED);
	assert_int_equal(PARSE(parse_cgroup_number, "9223372036854771712\n", &v), 0); /* version 1 */
	assert_true(v == CGROUP_UNLIMITED);
	assert_int_equal(PARSE(parse_cgroup_number, "1073741824\n", &v), 0);
	assert_int_equal(v, 1073741824);
	assert_int_equal(PARSE(parse_cgroup_number, "\n", &v), -EBADMSG);
}

static void pressure_is_the_total_of_its_line(void **state)
{
	struct pressure p;

	(void)state;
	assert_int_equal(PARSE(parse_pressure,
			       "some avg10=1.50 avg60=0.00 avg300=0.00 total=123\n"
			       "full avg10=0.00 avg60=0.00 avg300=0.00 total=45\n",
			       &p),
			 0);
	assert_int_equal(p.some_ns, 123000);
	assert_int_equal(p.full_ns, 45000);
	assert_true(p.has_full);
	assert_int_equal(PARSE(parse_pressure, "some avg10=1.50 avg60=0.00 avg300=0.00 total=7\n", &p), 0);
	assert_int_equal(p.some_ns, 7000);
	assert_false(p.has_full);
	/* the total of the second line is not that of the first */
	assert_int_equal(PARSE(parse_pressure, "some avg10=1.50\nfull avg10=0.00 total=45\n", &p), -EBADMSG);
	assert_int_equal(PARSE(parse_pressure, "", &p), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cpu_stat_of_version_2_tells_usage_and_throttling),
		cmocka_unit_test(cpu_stat_of_version_1_has_nanoseconds_and_no_usage),
		cmocka_unit_test(memory_stat_of_both_versions_counts_the_groups_below),
		cmocka_unit_test(limits_are_numbers_or_none),
		cmocka_unit_test(pressure_is_the_total_of_its_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
