// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "user/process/host_stat.h"

static void cpu_time_is_busy_or_idle_but_what_was_stolen(void **state)
{
	/* user nice system idle iowait irq softirq steal guest guest_nice, in 1/100 s */
	static const char text[] = "cpu  100 20 30 1000 50 4 6 70 9 9\ncpu0 1 1 1 1 1 1 1 1 1 1\n"
				   "intr 5 0 0\nctxt 4242\nbtime 1\n";
	struct host_cpu c;

	(void)state;
	assert_int_equal(parse_host_cpu(text, strlen(text), &c), 0);
	assert_int_equal(c.busy_ns, (100 + 20 + 30 + 4 + 6) * 10000000ull);
	assert_int_equal(c.all_ns, c.busy_ns + (1000 + 50) * 10000000ull);
	assert_int_equal(c.stolen_ns, 70 * 10000000ull);
	assert_true(c.has_switches);
	assert_int_equal(c.switches, 4242);
	/* of a part of it they are not known */
	assert_int_equal(parse_host_cpu(text, (size_t)(strstr(text, "ctxt") - text), &c), 0);
	assert_false(c.has_switches);
	assert_int_equal(parse_host_cpu("cpu  1 2 3", 10, &c), -EBADMSG);
	assert_int_equal(parse_host_cpu("cpu0 1 2 3 4 5 6 7 8\n", 21, &c), -EBADMSG);
	assert_int_equal(parse_host_cpu("", 0, &c), -EBADMSG);
}

static void memory_is_told_in_kib(void **state)
{
	static const char text[] =
		"MemTotal:        8000 kB\nMemFree:          100 kB\nMemAvailable:     500 kB\n"
		"Cached:            30 kB\nAnonPages:         40 kB\nMapped:            50 kB\n"
		"Shmem:              6 kB\nSwapTotal:          7 kB\nSwapFree:           1 kB\n";
	struct host_memory m;

	(void)state;
	assert_int_equal(parse_host_memory(text, strlen(text), &m), 0);
	assert_int_equal(m.total_bytes, 8000 * 1024);
	assert_int_equal(m.available_bytes, 500 * 1024);
	assert_int_equal(m.anon_bytes, 40 * 1024);
	assert_int_equal(m.mapped_bytes, 50 * 1024);
	assert_int_equal(m.swap_free_bytes, 1024);
	assert_int_equal(parse_host_memory("MemFree: 1 kB\n", 14, &m), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cpu_time_is_busy_or_idle_but_what_was_stolen),
		cmocka_unit_test(memory_is_told_in_kib),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
