// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "user/pipeline/footprint.h"

#define MIB ((size_t)1 << 20)

static const char text[] =
	"55d0a0000000-55d0a0021000 rw-p 00000000 00:00 0                          [heap]\n"
	"Size:                132 kB\n"
	"Rss:                 100 kB\n"
	"Pss:                 100 kB\n"
	"VmFlags: rd wr mr mw me ac\n"
	"7f0000000000-7f0000100000 rw-s 00000000 00:0e 1043               anon_inode:bpf-map\n"
	"Size:               1024 kB\n"
	"Rss:                 512 kB\n"
	"7f0000200000-7f0000300000 r-xp 00000000 08:01 77            /lib/anon_inode:bpf-map.so\n"
	"Rss:                   8 kB\n";

static void pages_of_bpf_maps_are_told_apart(void **state)
{
	struct footprint f;

	(void)state;
	assert_int_equal(footprint__parse_smaps(text, strlen(text), &f), 0);
	assert_int_equal(f.resident_bytes, (100 + 512 + 8) * 1024);
	assert_int_equal(f.bpf_bytes, 512 * 1024);
}

static void every_prefix_of_a_file_is_safe_to_read(void **state)
{
	struct footprint f;

	(void)state;
	for (size_t n = 0; n <= strlen(text); n++) {
		int err = footprint__parse_smaps(text, n, &f);

		assert_true(err == 0 || err == -EBADMSG);
		assert_true(err || f.bpf_bytes <= f.resident_bytes);
	}
}

static void what_is_not_smaps_is_refused(void **state)
{
	const char absurd[] = "Rss: 99999999999999999999999999999999 kB\n";
	struct footprint f = {.resident_bytes = 1};

	(void)state;
	assert_int_equal(footprint__parse_smaps("", 0, &f), -EBADMSG);
	assert_int_equal(footprint__parse_smaps("hello\n", 6, &f), -EBADMSG);
	assert_int_equal(f.resident_bytes, 1);
	assert_int_equal(footprint__parse_smaps(absurd, strlen(absurd), &f), 0);
	assert_true(f.resident_bytes > 1ull << 40);
	assert_int_equal(footprint__read("/proc/no-such-process", &f), -ENOENT);
	assert_int_equal(footprint__resident("/proc/no-such-process"), 0);
}

static void memory_that_is_touched_shows(void **state)
{
	struct footprint before, after;
	char *p;

	(void)state;
	assert_int_equal(footprint__read("/proc/self", &before), 0);
	p = mmap(NULL, 16 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(p != MAP_FAILED);
	memset(p, 1, 16 * MIB);
	assert_int_equal(footprint__read("/proc/self", &after), 0);
	assert_in_range(after.resident_bytes - before.resident_bytes, 15 * MIB, 18 * MIB);
	assert_int_equal(after.bpf_bytes, 0);
	assert_in_range(footprint__resident("/proc/self"), after.resident_bytes - 4 * MIB,
			after.resident_bytes + 4 * MIB);
	munmap(p, 16 * MIB);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_of_bpf_maps_are_told_apart),
		cmocka_unit_test(every_prefix_of_a_file_is_safe_to_read),
		cmocka_unit_test(what_is_not_smaps_is_refused),
		cmocka_unit_test(memory_that_is_touched_shows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
