// SPDX-License-Identifier: Apache-2.0
/* Where files of control groups are, by lines of /proc/self/mountinfo. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "user/process/cgroup_tree.h"

static const char unified[] =
	"30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";
static const char hybrid[] =
	"29 24 0:25 / /sys/fs/cgroup ro,nosuid shared:8 - tmpfs tmpfs ro,size=4096k\n"
	"30 29 0:26 / /sys/fs/cgroup/unified rw shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
	"31 29 0:27 / /sys/fs/cgroup/systemd rw shared:10 - cgroup cgroup rw,xattr,name=systemd\n"
	"35 29 0:31 / /sys/fs/cgroup/cpu,cpuacct rw shared:15 - cgroup cgroup rw,cpu,cpuacct\n"
	"36 29 0:32 / /sys/fs/cgroup/cpuset rw shared:16 - cgroup cgroup rw,cpuset\n"
	"37 29 0:33 / /sys/fs/cgroup/memory rw shared:17 - cgroup cgroup rw,memory\n";

static const char *path_of(const struct cgroup_tree *t, const char *group, enum cgroup_file file)
{
	static char path[CGROUP_PATH_MAX];

	return cgroup_tree__path(t, "", group, file, path) ? "none" : path;
}

static void parse(const char *text, struct cgroup_tree *t)
{
	assert_int_equal(parse_cgroup_mounts(text, strlen(text), t), 0);
}

static void version_2_has_all_files_in_one_folder(void **state)
{
	struct cgroup_tree t;

	(void)state;
	parse(unified, &t);
	assert_false(cgroup_tree__is_v1(&t, CGROUP_FILE_MEMORY_MAX));
	assert_string_equal(path_of(&t, "/a.slice/b", CGROUP_FILE_MEMORY_MAX),
			    "/sys/fs/cgroup/a.slice/b/memory.max");
	assert_string_equal(path_of(&t, "/a.slice", CGROUP_FILE_CPU_PRESSURE),
			    "/sys/fs/cgroup/a.slice/cpu.pressure");
	assert_string_equal(path_of(&t, "/", CGROUP_FILE_CPU_STAT), "/sys/fs/cgroup/cpu.stat");
	assert_string_equal(path_of(&t, "/a", CGROUP_FILE_CPU_USAGE), "none"); /* of version 1 only */
}

static void hybrid_hosts_have_controllers_in_the_old_hierarchies(void **state)
{
	struct cgroup_tree t;

	(void)state;
	parse(hybrid, &t);
	assert_true(cgroup_tree__is_v1(&t, CGROUP_FILE_MEMORY_MAX));
	assert_string_equal(path_of(&t, "/x", CGROUP_FILE_MEMORY_MAX),
			    "/sys/fs/cgroup/memory/x/memory.limit_in_bytes");
	assert_string_equal(path_of(&t, "/x", CGROUP_FILE_CPU_USAGE),
			    "/sys/fs/cgroup/cpu,cpuacct/x/cpuacct.usage");
	assert_string_equal(path_of(&t, "/x", CGROUP_FILE_CPU_QUOTA),
			    "/sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_quota_us");
	assert_string_equal(path_of(&t, "/x", CGROUP_FILE_CPU_MAX), "none");
	assert_string_equal(path_of(&t, "/x", CGROUP_FILE_IO_PRESSURE),
			    "/sys/fs/cgroup/unified/x/io.pressure");
	/* no hierarchy has that controller, so the unified one may */
	assert_string_equal(path_of(&t, "/x", CGROUP_FILE_PIDS_MAX), "/sys/fs/cgroup/unified/x/pids.max");
}

static void a_part_of_the_tree_shows_its_groups_only(void **state)
{
	struct cgroup_tree t;

	(void)state;
	parse("30 24 0:26 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n", &t);
	assert_string_equal(path_of(&t, "/docker/abc/x", CGROUP_FILE_CPU_STAT), "/sys/fs/cgroup/x/cpu.stat");
	assert_string_equal(path_of(&t, "/docker/abc", CGROUP_FILE_CPU_STAT), "/sys/fs/cgroup/cpu.stat");
	assert_string_equal(path_of(&t, "/docker/abcd", CGROUP_FILE_CPU_STAT), "none");
	assert_string_equal(path_of(&t, "/docker", CGROUP_FILE_CPU_STAT), "none");
}

static void paths_do_not_lead_out(void **state)
{
	struct cgroup_tree t;

	(void)state;
	parse(unified, &t);
	assert_string_equal(path_of(&t, "/../x", CGROUP_FILE_CPU_STAT), "none");
	assert_string_equal(path_of(&t, "/x/..", CGROUP_FILE_CPU_STAT), "none");
	assert_string_equal(path_of(&t, "x", CGROUP_FILE_CPU_STAT), "none");
	assert_string_equal(path_of(&t, "/x..y", CGROUP_FILE_CPU_STAT), "/sys/fs/cgroup/x..y/cpu.stat");
}

static void other_mounts_are_none(void **state)
{
	static const char *const texts[] = {
		"",
		"\n",
		"1 2 3\n",
		"1 2 0:1 / /x rw - cgroup\n",
		"1 2 0:1 / /proc rw shared:1 - proc proc rw\n",
		"1 2 0:1 / /sys/fs/cgroup/net rw - cgroup cgroup rw,net_cls\n",
		"1 2 0:1 / /a\\040b rw - cgroup2 cgroup2 rw\n" /* a blank in it: not used */
	};
	struct cgroup_tree t;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		assert_int_equal(parse_cgroup_mounts(texts[i], strlen(texts[i]), &t), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(version_2_has_all_files_in_one_folder),
		cmocka_unit_test(hybrid_hosts_have_controllers_in_the_old_hierarchies),
		cmocka_unit_test(a_part_of_the_tree_shows_its_groups_only),
		cmocka_unit_test(paths_do_not_lead_out),
		cmocka_unit_test(other_mounts_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
