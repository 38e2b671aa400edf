// SPDX-License-Identifier: Apache-2.0
/* What happens while the disk does not take files: on small tmpfs mounts of a mount namespace of our own (root only), and on plain folders. */
#include <sched.h>
#include <sys/mount.h>

#include "tests/unit/store/window.h"
#include "tests/unit/store/window_sum.h"
#include "user/store/reader.h"
#include "user/store/rollup.h"

#define KIB 1024u

static bool can_mount;

/* Mounts vanish with this process, however it ends. */
static int own_mounts(void **state)
{
	(void)state;
	can_mount = unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
	return 0;
}

static void need_disk(struct fixture *f, const char *options)
{
	if (!can_mount)
		skip();
	assert_int_equal(mount("everprof-test", f->dir, "tmpfs", 0, options), 0);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	store__close(f->store);
	f->store = NULL;
	umount2(f->dir, MNT_DETACH);
	return fixture__teardown(state);
}

/* Somebody else's file takes all that is left but `leave` bytes. */
static void fill_disk(struct fixture *f, size_t leave)
{
	char path[256], block[4096] = {1};
	int fd;

	fixture__path(f, "somebody-else", path);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
	assert_true(fd >= 0);
	while (write(fd, block, sizeof(block)) == sizeof(block))
		;
	if (leave)
		assert_int_equal(ftruncate(fd, lseek(fd, 0, SEEK_END) - (off_t)leave), 0);
	close(fd);
}

static void free_disk(struct fixture *f)
{
	char path[256];

	fixture__path(f, "somebody-else", path);
	assert_int_equal(unlink(path), 0);
}

static void step(struct fixture *f, uint64_t ns)
{
	f->real_ns += ns;
	f->mono_ns += ns;
}

static void a_full_disk_costs_the_oldest_and_no_window(void **state)
{
	struct fixture *f = *state;
	struct store_opts opts = fixture__opts(f);
	struct store_stats stats;
	struct fixture_list l;

	need_disk(f, "size=2m");
	fixture__open(f, &opts);
	for (uint64_t m = 0; m < 60; m++)
		assert_int_equal(fixture__put(f, "cpu", AT(11, m), MIN_NS, 64 * KIB), 0);
	stats = fixture__stats(f);
	assert_int_equal(stats.n_spooled, 0);
	assert_int_equal(stats.n_outages, 0);
	assert_int_equal(stats.n_files + stats.n_deleted[STORE_DELETED_FULL], 60);
	assert_in_range(stats.n_files, 28, 32);
	fixture__list(f, &l, "cpu", AT(11, 58), UINT64_MAX);
	assert_string_equal(l.text, "115800Z.60s.cpu.pb.gz 115900Z.60s.cpu.pb.gz");
	assert_false(fixture__exists(f, "snapshots/2026-01-31/110000Z.60s.cpu.pb.gz"));
	assert_int_equal(fixture__logged(f, ""), 0);
}

static void an_outage_is_told_once_and_loses_nothing_that_fits_the_spool(void **state)
{
	struct fixture *f = *state;
	struct store_opts opts = fixture__opts(f);
	struct store_stats stats;

	need_disk(f, "size=2m");
	fixture__open(f, &opts);
	fill_disk(f, 0);
	for (uint64_t m = 0; m < 20; m++) {
		assert_int_equal(fixture__put(f, "cpu", AT(11, m), MIN_NS, 16 * KIB), 0);
		step(f, MIN_NS);
		store__flush(f->store);
	}
	stats = fixture__stats(f);
	assert_true(stats.is_failing);
	assert_int_equal(stats.failing_err, -ENOSPC);
	assert_int_equal(stats.n_spooled, 20);
	assert_int_equal(stats.n_files, 0);
	assert_int_equal(stats.write_errors[0].err, ENOSPC);
	assert_int_equal(stats.write_errors[0].n, stats.n_write_errors);
	assert_int_equal(
		fixture__logged(f, "No space left on device, profiling goes on in memory, will retry"), 1);
	assert_int_equal(fixture__logged(f, ""), 1);
	free_disk(f);
	step(f, MIN_NS);
	assert_int_equal(store__flush(f->store), 0);
	stats = fixture__stats(f);
	assert_false(stats.is_failing);
	assert_int_equal(stats.n_spooled, 0);
	assert_int_equal(stats.n_files, 20);
	assert_int_equal(stats.n_lost, 0);
	assert_true(fixture__exists(f, "snapshots/2026-01-31/110000Z.60s.cpu.pb.gz"));
	assert_int_equal(fixture__logged(f, "works again after 1260 s; 20 windows written late, 0 lost"), 1);
	assert_int_equal(fixture__logged(f, ""), 2);
}

static void a_long_outage_keeps_the_newest_and_counts_the_rest(void **state)
{
	struct fixture *f = *state;
	struct store_opts opts = fixture__opts(f);
	struct store_stats stats;
	struct fixture_list l;

	need_disk(f, "size=2m");
	opts.spool_bytes = 48 * KIB;
	fixture__open(f, &opts);
	fill_disk(f, 0);
	for (uint64_t m = 0; m < 10; m++)
		assert_int_equal(fixture__put(f, "cpu", AT(11, m), MIN_NS, 16 * KIB), 0);
	assert_int_equal(fixture__put(f, "cpu", AT(11, 30), MIN_NS, 49 * KIB), -E2BIG);
	stats = fixture__stats(f);
	assert_int_equal(stats.n_lost, 8);
	assert_int_equal(stats.spooled_bytes, 48 * KIB);
	free_disk(f);
	step(f, MIN_NS);
	assert_int_equal(store__flush(f->store), 0);
	assert_string_equal(fixture__list(f, &l, "cpu", 0, UINT64_MAX),
			    "110700Z.60s.cpu.pb.gz 110800Z.60s.cpu.pb.gz 110900Z.60s.cpu.pb.gz");
	assert_int_equal(fixture__logged(f, "3 windows written late, 8 lost"), 1);
}

/* Windows of 10 to 11 o'clock that are counted, whether by themselves or in their hour. */
static int64_t windows_of_the_hour(struct fixture *f)
{
	struct profile *p;
	struct err err = {""};
	int64_t n;

	if (window__sum(f, "cpu", AT(10, 0), AT(11, 0), 0, &p, NULL, &err))
		fail_msg("%s", err.text);
	n = window__value(p, "samples", 0);
	profile__free(p);
	return n;
}

static void an_hour_that_the_disk_refuses_is_written_when_there_is_room_and_counts_once(void **state)
{
	struct fixture *f = *state;
	struct store_opts opts = fixture__opts(f);
	struct rollup_opts ro = {.mono_ns = fixture__mono_ns, .clock_ctx = f};
	struct rollup_stats stats;
	struct rollup *r;
	bool more;

	need_disk(f, "size=2m");
	fixture__open(f, &opts);
	/* too few for any to be given up for room */
	for (uint64_t m = 0; m < 60; m += 10)
		window__put(f, "cpu", AT(10, m), &(struct window_value){0, 1, 1}, 1);
	ro.store = f->store;
	assert_int_equal(rollup__new(&ro, &r), 0);
	f->real_ns = AT(12, 0);
	assert_int_equal(rollup__step(r, 3, &more), 0);
	fill_disk(f, 0);
	for (int i = 0; i < 10; i++) {
		rollup__step(r, 30, &more);
		step(f, MIN_NS);
		assert_int_equal(windows_of_the_hour(f), 6);
	}
	rollup__stats(r, &stats);
	assert_in_range(stats.n_write_failures, 2, 10);
	assert_int_equal(stats.n_hours, 0);
	free_disk(f);
	step(f, MIN_NS);
	do {
		rollup__step(r, 60, &more);
	} while (more);
	rollup__stats(r, &stats);
	assert_int_equal(stats.n_hours, 1);
	assert_true(fixture__exists(f, "snapshots/2026-01-31/100000Z.3600s.cpu.pb.zst"));
	assert_int_equal(windows_of_the_hour(f), 6);
	rollup__free(r);
}

static void tries_become_rare(void **state)
{
	struct fixture *f = *state;
	struct store_opts opts = fixture__opts(f);
	uint64_t after_first;

	need_disk(f, "size=1m");
	fixture__open(f, &opts);
	fill_disk(f, 0);
	assert_int_equal(fixture__put(f, "cpu", AT(11, 0), MIN_NS, 16 * KIB), 0);
	after_first = fixture__stats(f).n_write_errors;
	assert_int_equal(after_first, 1);
	for (int s = 0; s < 600; s++) {
		step(f, NS_PER_SEC);
		store__flush(f->store);
	}
	/* after 1, 3, 7, 15, 31, 63 s, then once a minute: 123 … 543 */
	assert_int_equal(fixture__stats(f).n_write_errors, after_first + 6 + 8);
}

/* A window of more than half of all that is there would cost more than it brings. */
static void history_is_not_given_up_for_one_big_window(void **state)
{
	struct fixture *f = *state;
	struct store_opts opts = fixture__opts(f);

	need_disk(f, "size=2m");
	fixture__open(f, &opts);
	for (uint64_t m = 0; m < 10; m++)
		assert_int_equal(fixture__put(f, "cpu", AT(11, m), MIN_NS, 64 * KIB), 0);
	fill_disk(f, 0);
	assert_int_equal(fixture__put(f, "cpu", AT(11, 30), MIN_NS, 400 * KIB), 0);
	for (int s = 0; s < 600; s++) {
		step(f, NS_PER_SEC);
		store__flush(f->store);
	}
	assert_int_equal(fixture__stats(f).n_files, 10);
	assert_int_equal(fixture__stats(f).n_spooled, 1);
}

/* Deleting does not help where somebody else takes the room, or, as here, holds the files by links of their own: that must not go on until nothing
 * is left. */
static void an_outage_costs_history_once(void **state)
{
	struct fixture *f = *state;
	struct store_opts opts = fixture__opts(f);
	uint64_t n_after_first;

	need_disk(f, "size=2m");
	fixture__open(f, &opts);
	for (uint64_t m = 0; m < 20; m++) {
		char below[64], from[256], to[256];

		assert_int_equal(fixture__put(f, "cpu", AT(11, m), MIN_NS, 16 * KIB), 0);
		snprintf(below, sizeof(below), "snapshots/2026-01-31/11%02u00Z.60s.cpu.pb.gz", (unsigned)m);
		fixture__path(f, below, from);
		snprintf(below, sizeof(below), "link-%u", (unsigned)m);
		fixture__path(f, below, to);
		assert_int_equal(link(from, to), 0);
	}
	fill_disk(f, 0);
	assert_int_equal(fixture__put(f, "cpu", AT(11, 30), MIN_NS, 16 * KIB), 0);
	n_after_first = fixture__stats(f).n_deleted[STORE_DELETED_FULL];
	assert_int_equal(n_after_first, 5); /* 16 KiB and 64 KiB to spare */
	for (int s = 0; s < 600; s++) {
		step(f, NS_PER_SEC);
		store__flush(f->store);
	}
	assert_int_equal(fixture__stats(f).n_deleted[STORE_DELETED_FULL], n_after_first);
	assert_int_equal(fixture__stats(f).n_files, 15);
	assert_true(fixture__stats(f).is_failing);
}

static void a_failed_write_leaves_no_temporary_file(void **state)
{
	struct fixture *f = *state;
	struct store_opts opts = fixture__opts(f);
	char path[256];

	need_disk(f, "size=1m");
	fixture__open(f, &opts);
	assert_int_equal(fixture__put(f, "cpu", AT(11, 0), MIN_NS, 4 * KIB), 0);
	fill_disk(f, 32 * KIB);
	assert_int_equal(fixture__put(f, "cpu", AT(11, 1), MIN_NS, 256 * KIB), 0);
	assert_int_equal(fixture__stats(f).n_spooled, 1);
	/* the folder holds nothing but the first window: then it can be removed */
	fixture__path(f, "snapshots/2026-01-31/110000Z.60s.cpu.pb.gz", path);
	assert_int_equal(unlink(path), 0);
	fixture__path(f, "snapshots/2026-01-31", path);
	assert_int_equal(rmdir(path), 0);
}

static void a_disk_that_turns_read_only_is_an_outage(void **state)
{
	struct fixture *f = *state;
	struct store_opts opts = fixture__opts(f);

	need_disk(f, "size=2m");
	opts.retention_ns = HOUR_NS;
	fixture__open(f, &opts);
	assert_int_equal(fixture__put(f, "cpu", AT(11, 0), MIN_NS, 4 * KIB), 0);
	assert_int_equal(mount(NULL, f->dir, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
	for (uint64_t m = 1; m < 6; m++) {
		assert_int_equal(fixture__put(f, "cpu", AT(12, m), MIN_NS, 4 * KIB), 0);
		step(f, MIN_NS);
		assert_int_not_equal(store__enforce(f->store), 0);
	}
	assert_int_equal(fixture__stats(f).n_files, 1);
	assert_int_equal(fixture__logged(f, "Read-only file system, profiling goes on in memory"), 1);
	assert_int_equal(mount(NULL, f->dir, NULL, MS_REMOUNT, NULL), 0);
	step(f, MIN_NS);
	assert_int_equal(store__flush(f->store), 0);
	assert_int_equal(store__enforce(f->store), 0);
	assert_int_equal(fixture__stats(f).n_deleted[STORE_DELETED_AGE], 1);
	assert_int_equal(fixture__stats(f).n_files, 5);
	assert_int_equal(fixture__logged(f, "works again"), 1);
	assert_int_equal(fixture__logged(f, ""), 2);
}

static void a_start_on_a_read_only_disk_is_an_outage_too(void **state)
{
	struct fixture *f = *state;
	struct store_opts opts = fixture__opts(f);

	need_disk(f, "size=2m,ro");
	fixture__open(f, &opts);
	assert_true(fixture__stats(f).is_failing);
	assert_int_equal(fixture__put(f, "cpu", AT(11, 0), MIN_NS, 4 * KIB), 0);
	assert_int_equal(mount(NULL, f->dir, NULL, MS_REMOUNT, NULL), 0);
	step(f, NS_PER_SEC);
	assert_int_equal(store__flush(f->store), 0);
	assert_true(fixture__exists(f, "snapshots/2026-01-31/110000Z.60s.cpu.pb.gz"));
	assert_int_equal(fixture__logged(f, "Read-only file system, profiling goes on in memory"), 1);
	assert_int_equal(fixture__logged(f, ""), 2);
}

static void an_outage_ends_without_a_window_when_the_folder_is_back(void **state)
{
	struct fixture *f = *state;
	struct store_opts opts = fixture__opts(f);

	need_disk(f, "size=2m,ro");
	fixture__open(f, &opts);
	assert_int_equal(mount(NULL, f->dir, NULL, MS_REMOUNT, NULL), 0);
	step(f, NS_PER_SEC);
	assert_int_equal(store__flush(f->store), 0);
	assert_false(fixture__stats(f).is_failing);
}

/* Is what stands under its path the store's? */
static bool holds(const struct fixture *f)
{
	int fd = open(f->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	bool it_does = store__holds(f->store, fd);

	close(fd);
	return it_does;
}

static void a_removed_folder_is_made_anew(void **state)
{
	struct fixture *f = *state;
	struct store_opts opts = fixture__opts(f);
	struct store *second;

	fixture__open(f, &opts);
	assert_int_equal(fixture__put(f, "cpu", AT(11, 0), MIN_NS, 4 * KIB), 0);
	assert_true(holds(f));
	folder__remove(f->dir);
	/* somebody else's, until it looks */
	assert_int_equal(mkdir(f->dir, 0700), 0);
	assert_false(holds(f));
	for (uint64_t m = 1; m < 4; m++)
		assert_int_equal(fixture__put(f, "cpu", AT(11, m), MIN_NS, 4 * KIB), 0);
	assert_true(fixture__exists(f, "snapshots/2026-01-31/110100Z.60s.cpu.pb.gz"));
	assert_int_equal(fixture__stats(f).n_files, 3);
	assert_int_equal(fixture__logged(f, "was removed or replaced"), 1);
	assert_int_equal(fixture__logged(f, ""), 1);
	/* the lock moved along */
	assert_true(holds(f));
	assert_int_equal(store__open(&opts, &second, NULL), -EBUSY);
}

static void a_removed_day_is_made_anew(void **state)
{
	struct fixture *f = *state;
	struct store_opts opts = fixture__opts(f);
	char path[256];

	fixture__open(f, &opts);
	assert_int_equal(fixture__put(f, "cpu", AT(11, 0), MIN_NS, 4 * KIB), 0);
	fixture__path(f, "snapshots/2026-01-31", path);
	folder__remove(path);
	assert_int_equal(fixture__put(f, "cpu", AT(11, 1), MIN_NS, 4 * KIB), 0);
	assert_true(fixture__exists(f, "snapshots/2026-01-31/110100Z.60s.cpu.pb.gz"));
}

static void an_unmounted_disk_is_waited_for(void **state)
{
	struct fixture *f = *state;
	struct store_opts opts = fixture__opts(f);
	char above[256], dir[256];

	fixture__path(f, "mnt", above);
	fixture__path(f, "mnt/store", dir);
	opts.dir = dir;
	fixture__open(f, &opts);
	assert_int_equal(fixture__put(f, "cpu", AT(11, 0), MIN_NS, 4 * KIB), 0);
	folder__remove(above);
	for (uint64_t m = 1; m < 4; m++) {
		step(f, MIN_NS);
		assert_int_equal(fixture__put(f, "cpu", AT(11, m), MIN_NS, 4 * KIB), 0);
	}
	assert_false(fixture__exists(f, "mnt"));
	assert_int_equal(fixture__stats(f).n_spooled, 3);
	assert_int_equal(fixture__stats(f).n_files, 0);
	assert_int_equal(fixture__logged(f, "No such file or directory, profiling goes on in memory"), 1);
	assert_int_equal(mkdir(above, 0700), 0);
	step(f, MIN_NS);
	assert_int_equal(store__flush(f->store), 0);
	assert_true(fixture__exists(f, "mnt/store/snapshots/2026-01-31/110100Z.60s.cpu.pb.gz"));
	assert_int_equal(fixture__stats(f).n_files, 3);
	assert_int_equal(fixture__logged(f, "3 windows written late, 0 lost"), 1);
	assert_int_equal(fixture__logged(f, ""), 2);
}

static void the_last_windows_are_written_at_the_end(void **state)
{
	struct fixture *f = *state;
	struct store_opts opts = fixture__opts(f);

	need_disk(f, "size=1m");
	fixture__open(f, &opts);
	fill_disk(f, 0);
	assert_int_equal(fixture__put(f, "cpu", AT(11, 0), MIN_NS, 4 * KIB), 0);
	free_disk(f);
	store__close(f->store); /* its pause has not passed */
	f->store = NULL;
	assert_true(fixture__exists(f, "snapshots/2026-01-31/110000Z.60s.cpu.pb.gz"));
}

#define outbox_test(f) cmocka_unit_test_setup_teardown(f, fixture__setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		outbox_test(a_full_disk_costs_the_oldest_and_no_window),
		outbox_test(an_outage_is_told_once_and_loses_nothing_that_fits_the_spool),
		outbox_test(a_long_outage_keeps_the_newest_and_counts_the_rest),
		outbox_test(an_hour_that_the_disk_refuses_is_written_when_there_is_room_and_counts_once),
		outbox_test(tries_become_rare),
		outbox_test(history_is_not_given_up_for_one_big_window),
		outbox_test(an_outage_costs_history_once),
		outbox_test(a_failed_write_leaves_no_temporary_file),
		outbox_test(a_disk_that_turns_read_only_is_an_outage),
		outbox_test(a_start_on_a_read_only_disk_is_an_outage_too),
		outbox_test(an_outage_ends_without_a_window_when_the_folder_is_back),
		outbox_test(a_removed_folder_is_made_anew),
		outbox_test(a_removed_day_is_made_anew),
		outbox_test(an_unmounted_disk_is_waited_for),
		outbox_test(the_last_windows_are_written_at_the_end),
	};

	return cmocka_run_group_tests(tests, own_mounts, NULL);
}
