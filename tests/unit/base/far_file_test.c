/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/folder.h"
#include "user/base/clock.h"
#include "user/base/far_file.h"
#include "user/base/io.h"

/* Each test has a folder of its own, opened as `dir`. */
static char root[FOLDER_MAX];
static int dir = FD_CLOSED;

static int begin(void **state)
{
	(void)state;
	if (folder__make(root))
		return -1;
	dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir < 0 ? -1 : 0;
}

static int end(void **state)
{
	(void)state;
	io__close(&dir);
	return folder__remove(root);
}

static void put(const char *name, const char *text)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(io__write_full(fd, text, strlen(text)), 0);
	close(fd);
}

/* Takes the descriptor. */
static void assert_holds(int fd, const char *text)
{
	struct buf b;

	buf__init(&b, 4096);
	assert_int_equal(io__read_fd(fd, 4096, &b), 0);
	assert_string_equal(buf__str(&b), text);
	buf__done(&b);
	io__close(&fd);
}

static void links_do_not_leave_the_root(void **state)
{
	static const char *const paths[] = {"absolute", "/upwards", "/../../etc/hostname"};
	struct far_mounts mounts;

	(void)state;
	assert_int_equal(mkdirat(dir, "etc", 0755), 0);
	put("etc/hostname", "inside");
	assert_int_equal(symlinkat("/etc/hostname", dir, "absolute"), 0);
	assert_int_equal(symlinkat("../../../../../etc/hostname", dir, "upwards"), 0);
	assert_int_equal(symlinkat("/proc/self/exe", dir, "nowhere"), 0);
	far_mounts__init_own(&mounts);
	for (int i = 0; i < 6; i++) {
		struct far_mounts *m = i < 3 ? NULL : &mounts;
		int fd = FD_CLOSED;

		assert_int_equal(far_file__open_in_root(m, dir, paths[i % 3], &fd), 0);
		assert_holds(fd, "inside");
		assert_int_equal(far_file__open_in_root(m, dir, "nowhere", &fd), -ENOENT);
		assert_int_equal(far_file__open_in_root(m, dir, "/etc", &fd), -EINVAL);
	}
	far_mounts__done(&mounts);
}

static void magic_links_are_refused_in_a_root(void **state)
{
	int real_root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = FD_CLOSED;

	(void)state;
	assert_int_equal(far_file__open_in_root(NULL, real_root, "/proc/self/exe", &fd), -ELOOP);
	assert_int_equal(far_file__open_in_root(NULL, real_root, "/proc/self/root/etc/passwd", &fd), -ELOOP);
	close(real_root);
}

/* To open it may take a lock of the process that is meant. */
static void nothing_of_proc_is_opened_by_a_path(void **state)
{
	int real_root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = FD_CLOSED;
	struct far_mounts mounts;
	char link[PATH_MAX];

	(void)state;
	far_mounts__init_own(&mounts);
	assert_int_equal(symlinkat("/proc/self/status", dir, "status"), 0);
	snprintf(link, sizeof(link), "%s/status", root);
	for (int i = 0; i < 2; i++) {
		struct far_mounts *m = i ? &mounts : NULL;

		assert_int_equal(far_file__open_in_root(m, real_root, "/proc/self/status", &fd), -EREMOTE);
		assert_int_equal(far_file__open_in_root(m, real_root, link, &fd), -EREMOTE);
	}
	far_mounts__done(&mounts);
	close(real_root);
}

static void a_file_without_a_name_is_near(void **state)
{
	int made = memfd_create("near", MFD_CLOEXEC), fd = FD_CLOSED;
	struct far_mounts mounts;
	char link[64];

	(void)state;
	assert_int_equal(io__write_full(made, "text", 4), 0);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", made);
	far_mounts__init_own(&mounts);
	assert_int_equal(far_file__open_link(&mounts, AT_FDCWD, link, &fd), 0);
	assert_holds(fd, "text");
	close(made);
	put("file", "on a disk, or in memory");
	snprintf(link, sizeof(link), "%s/file", root);
	assert_int_equal(far_file__open_link(&mounts, AT_FDCWD, link, &fd), 0);
	assert_holds(fd, "on a disk, or in memory");
	far_mounts__done(&mounts);
}

/* Of a process whose mounts cannot be read nothing is near that is on no block device. */
static void what_is_not_known_is_far(void **state)
{
	struct far_mounts mounts;
	int fd = FD_CLOSED;

	(void)state;
	far_mounts__init(&mounts, (uint32_t)getpid(), dir, "");
	assert_true(far_mounts__any_far(&mounts));
	assert_int_equal(far_file__open_link(&mounts, AT_FDCWD, "/proc/self/status", &fd),
			 0); /* ours has it */
	io__close(&fd);
	far_mounts__done(&mounts);
}

#define OURS                                                                              \
	"21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"                         \
	"30 21 0:40 / /mnt/a\\040b rw,nosuid master:2 shared:9 - fuse.sshfs a@b:/ "       \
	"rw,user_id=1000,group_id=1000\n"                                                 \
	"31 21 0:41 / /mnt/c rw - fuse.lxcfs lxcfs rw,user_id=0,group_id=0,allow_other\n" \
	"32 21 0:42 / /var/lib/c/merged rw - overlay overlay rw,lowerdir=/a,user_id=0\n"  \
	"33 21 0:43 / /mnt/d rw - fuse x rw,xuser_id=0,group_id=0\n"                      \
	"34 21 0:44 / /mnt/e rw - nfs4 h:/e rw\n"                                         \
	"35 21 8:2 / /mnt/f rw - fuseblk /dev/sda2 rw,user_id=0"

#define THEIRS                                                              \
	"damaged\n"                                                         \
	"\n"                                                                \
	"52 51 0:42 / / rw - overlay overlay rw,lowerdir=/a\n"              \
	"53 52 0:60 / /own rw - overlay overlay rw,lowerdir=/b\n"           \
	"54 52 0:61 / /home rw - fuse.own own rw,user_id=0,group_id=0\n"    \
	"55 52 0:41 / /proc/cpuinfo rw - fuse.lxcfs lxcfs rw,user_id=0\n"   \
	"56 52 0:40 / /mnt rw - fuse.sshfs a@b:/ rw,user_id=0,group_id=0\n" \
	"57 52 0:62 / /tmp rw - tmpfs tmpfs rw\n"

static int is_far(const char *text, const char *ours, uint64_t id)
{
	bool far = false;
	int err = parse_far_mount(text, ours, id, &far);

	return err ? err : far;
}

static void fuse_of_users_is_far_and_of_root_is_not(void **state)
{
	(void)state;
	assert_int_equal(is_far(OURS, NULL, 21), 0);
	assert_int_equal(is_far(OURS, NULL, 30), 1);
	assert_int_equal(is_far(OURS, NULL, 31), 0);
	assert_int_equal(is_far(OURS, NULL, 32), 0);
	assert_int_equal(is_far(OURS, NULL, 33), 1);
	assert_int_equal(is_far(OURS, NULL, 34), 0);
	assert_int_equal(is_far(OURS, NULL, 35), 0);
	assert_int_equal(is_far(OURS, NULL, 36), -ENOENT);
	assert_int_equal(is_far("", NULL, 36), -ENOENT);
}

/* In a user namespace anybody is root. */
static void in_others_namespaces_only_that_is_near_which_we_see_too(void **state)
{
	(void)state;
	assert_int_equal(is_far(THEIRS, OURS, 52), 0);
	assert_int_equal(is_far(THEIRS, OURS, 53), 1);
	assert_int_equal(is_far(THEIRS, OURS, 54), 1);
	assert_int_equal(is_far(THEIRS, OURS, 55), 0);
	assert_int_equal(is_far(THEIRS, OURS, 56), 1);
	assert_int_equal(is_far(THEIRS, OURS, 57), 0);
	assert_int_equal(is_far(THEIRS, "", 52), 1);
}

static void one_far_mount_is_enough(void **state)
{
	(void)state;
	assert_true(any_far_mount("", NULL));
	assert_true(any_far_mount(OURS, NULL));
	assert_true(any_far_mount(THEIRS, OURS));
	assert_false(any_far_mount(THEIRS, NULL));
	assert_false(any_far_mount("52 51 0:42 / / rw - overlay overlay rw\n", OURS));
	assert_true(any_far_mount("52 51 0:42 / / rw - overlay overlay rw\n", ""));
	assert_false(any_far_mount("55 52 0:41 / /a rw - fuse x rw,user_id=0\n", OURS));
	assert_true(any_far_mount("55 52 0:40 / /a rw - fuse x rw,user_id=0\n", OURS));
}

static void lines_that_are_cut_anywhere_are_none(void **state)
{
	static const char line[] = "30 21 0:40 / /mnt rw - fuse x rw,user_id=1000";
	char cut[sizeof(line)];

	(void)state;
	for (size_t n = 0; n < sizeof(line); n++) {
		snprintf(cut, n + 1, "%s", line);
		/* all that follows the type's blank is options */
		assert_int_equal(is_far(cut, NULL, 30),
				 n < (size_t)(strstr(line, " x") + 1 - line) ? -ENOENT : 1);
	}
	assert_int_equal(is_far("30 21 0:40 \n/ /mnt rw - fuse x rw\n", NULL, 30), -ENOENT);
	assert_int_equal(is_far("30\n21 0:40 / /mnt rw - fuse x rw\n", NULL, 30), -ENOENT);
	assert_int_equal(is_far("30 21 0:40 / /mnt rw - fusex x rw\n", NULL, 30), 0);
}

/* Anybody who has a user namespace has as many mounts as he likes: each program that runs beside them is looked up in their list. */
static void the_time_grows_with_the_mounts_and_not_with_their_square(void **state)
{
	const uint64_t limit_ns =
		5 * NS_PER_SEC; /* it takes a hundredth of it, and their square ten times as much */
	uint64_t start = clock__thread_cpu_ns(), n = 0;
	struct buf text;

	(void)state;
	buf__init(&text, FAR_MOUNTS_MAX);
	while (text.len < FAR_MOUNTS_MAX - 100)
		buf__printf(&text, "%" PRIu64 " 21 0:%" PRIu64 " / /m rw - overlay o rw\n", n + 100, n + 100),
			n++;
	assert_int_equal(buf__err(&text), 0);
	assert_false(any_far_mount(buf__str(&text), buf__str(&text)));
	assert_int_equal(is_far(buf__str(&text), buf__str(&text), n + 99), 0);
	assert_int_equal(is_far(buf__str(&text), NULL, n + 100), -ENOENT);
	assert_true(clock__thread_cpu_ns() - start < limit_ns);
	buf__done(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(links_do_not_leave_the_root, begin, end),
		cmocka_unit_test(magic_links_are_refused_in_a_root),
		cmocka_unit_test_setup_teardown(nothing_of_proc_is_opened_by_a_path, begin, end),
		cmocka_unit_test_setup_teardown(a_file_without_a_name_is_near, begin, end),
		cmocka_unit_test_setup_teardown(what_is_not_known_is_far, begin, end),
		cmocka_unit_test(fuse_of_users_is_far_and_of_root_is_not),
		cmocka_unit_test(in_others_namespaces_only_that_is_near_which_we_see_too),
		cmocka_unit_test(one_far_mount_is_enough),
		cmocka_unit_test(lines_that_are_cut_anywhere_are_none),
		cmocka_unit_test(the_time_grows_with_the_mounts_and_not_with_their_square),
	};

	return cmocka_run_group_tests_name("far_file", tests, NULL, NULL);
}
