// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/store/files.h"

#define FILE_LEN 4096

/* What one file of FILE_LEN bytes takes here. */
static uint64_t one_file(struct fixture *f)
{
	struct store_opts opts = fixture__opts(f);
	uint64_t bytes;

	fixture__open(f, &opts);
	assert_int_equal(fixture__put(f, "cpu", AT(0, 0), MIN_NS, FILE_LEN), 0);
	bytes = fixture__stats(f).bytes;
	store__close(f->store);
	f->store = NULL;
	folder__remove(f->dir);
	assert_int_equal(mkdir(f->dir, 0700), 0);
	assert_true(bytes >= FILE_LEN);
	return bytes;
}

static void files_go_when_their_end_is_older_than_the_retention(void **state)
{
	struct fixture *f = *state;
	struct store_opts opts = fixture__opts(f);
	struct fixture_list l;

	opts.retention_ns = HOUR_NS;
	fixture__open(f, &opts);
	for (uint64_t m = 0; m < 5; m++)
		assert_int_equal(fixture__put(f, "cpu", AT(11, m), MIN_NS, FILE_LEN), 0);
	f->real_ns = AT(12, 2) - 1; /* the second window ends at 11:02 */
	assert_int_equal(store__enforce(f->store), 0);
	assert_string_equal(fixture__list(f, &l, "cpu", 0, AT(11, 2)), "110100Z.60s.cpu.pb.gz");
	f->real_ns = AT(12, 2);
	assert_int_equal(store__enforce(f->store), 0);
	assert_string_equal(fixture__list(f, &l, "cpu", 0, UINT64_MAX),
			    "110200Z.60s.cpu.pb.gz 110300Z.60s.cpu.pb.gz 110400Z.60s.cpu.pb.gz");
	assert_int_equal(fixture__stats(f).n_deleted[STORE_DELETED_AGE], 2);
	f->real_ns = AT(24, 0);
	assert_int_equal(store__enforce(f->store), 0);
	assert_int_equal(fixture__stats(f).n_files, 0);
	assert_int_equal(fixture__stats(f).bytes, 0);
	/* the folder of a day without files goes too */
	assert_false(fixture__exists(f, "snapshots/2026-01-31"));
	assert_true(fixture__exists(f, "snapshots"));
}

static void a_start_enforces_what_was_missed(void **state)
{
	struct fixture *f = *state;
	struct store_opts opts = fixture__opts(f);
	struct fixture_list l;

	opts.retention_ns = HOUR_NS;
	fixture__plant_window(f, "snapshots/2026-01-20/110000Z.60s.cpu.pb.gz");
	fixture__plant_window(f, "snapshots/2026-01-31/103000Z.60s.cpu.pb.gz");
	fixture__plant_window(f, "snapshots/2026-01-31/113000Z.60s.cpu.pb.gz");
	/* a day's roll-up ends when the day does */
	fixture__plant_window(f, "snapshots/2026-01-31/000000Z.86400s.cpu.pb.zst");
	fixture__open(f, &opts);
	assert_string_equal(fixture__list(f, &l, "cpu", AT(11, 0), AT(12, 0)), "113000Z.60s.cpu.pb.gz");
	assert_int_equal(fixture__stats(f).n_files, 2);
	assert_int_equal(fixture__stats(f).n_deleted[STORE_DELETED_AGE], 2);
	assert_false(fixture__exists(f, "snapshots/2026-01-20"));
}

static void no_retention_means_for_ever(void **state)
{
	struct fixture *f = *state;
	struct store_opts opts = fixture__opts(f);

	fixture__plant_window(f, "snapshots/1970-01-01/000000Z.60s.cpu.pb.gz");
	fixture__open(f, &opts);
	assert_int_equal(fixture__stats(f).n_files, 1);
}

static void the_oldest_go_when_bytes_are_short_and_no_more_than_needed(void **state)
{
	struct fixture *f = *state;
	uint64_t each = one_file(f);
	struct store_opts opts = fixture__opts(f);
	struct fixture_list l;

	opts.max_bytes = 3 * each;
	fixture__open(f, &opts);
	for (uint64_t m = 0; m < 5; m++) {
		assert_int_equal(fixture__put(f, "cpu", AT(11, m), MIN_NS, FILE_LEN), 0);
		assert_true(fixture__stats(f).bytes <= 3 * each);
	}
	assert_string_equal(fixture__list(f, &l, "cpu", 0, UINT64_MAX),
			    "110200Z.60s.cpu.pb.gz 110300Z.60s.cpu.pb.gz 110400Z.60s.cpu.pb.gz");
	assert_int_equal(fixture__stats(f).n_deleted[STORE_DELETED_BYTES], 2);
	assert_int_equal(fixture__stats(f).bytes, 3 * each);
}

static void plant_sized(struct fixture *f, const char *name)
{
	uint8_t bytes[FILE_LEN] = {0x1f, 0x8b};
	char path[128];

	snprintf(path, sizeof(path), "snapshots/2026-01-31/%s", name);
	fixture__plant(f, path, bytes, sizeof(bytes));
}

static void windows_that_an_hour_holds_go_when_windows_are_kept_no_longer(void **state)
{
	struct fixture *f = *state;
	struct store_opts opts = fixture__opts(f);
	struct fixture_list l;

	plant_sized(f, "080000Z.60s.cpu.pb.gz"); /* in no roll-up: kept as long as anything */
	plant_sized(f, "090000Z.3600s.cpu.pb.zst");
	plant_sized(f, "090000Z.60s.cpu.pb.gz");
	plant_sized(f, "090000Z.60s.threads.pb.gz"); /* of another event */
	plant_sized(f, "090100Z.60s.cpu.late.pb.gz");
	plant_sized(f, "095900Z.60s.cpu.pb.gz");
	plant_sized(f, "100000Z.3600s.cpu.pb.zst");
	plant_sized(f, "100000Z.60s.cpu.pb.gz");
	opts.window_retention_ns = 2 * HOUR_NS;
	f->real_ns = AT(12, 0) - 1; /* the hour ended at 10:00 */
	fixture__open(f, &opts);
	assert_int_equal(fixture__stats(f).n_files, 8);
	f->real_ns = AT(12, 0);
	assert_int_equal(store__enforce(f->store), 0);
	assert_string_equal(fixture__list(f, &l, NULL, 0, UINT64_MAX),
			    "080000Z.60s.cpu.pb.gz 090000Z.3600s.cpu.pb.zst 090000Z.60s.threads.pb.gz "
			    "090100Z.60s.cpu.late.pb.gz 100000Z.3600s.cpu.pb.zst");
	assert_int_equal(fixture__stats(f).n_files, 6);
	assert_int_equal(fixture__stats(f).n_deleted[STORE_DELETED_ROLLED], 2);
	store__set_limits(f->store, 0, HOUR_NS, 0);
	assert_int_equal(store__enforce(f->store), 0);
	assert_int_equal(fixture__stats(f).n_deleted[STORE_DELETED_ROLLED], 3);
	store__set_limits(f->store, 0, 0, 0);
	f->real_ns = AT(480, 0);
	assert_int_equal(store__enforce(f->store), 0);
	assert_int_equal(fixture__stats(f).n_files, 5);
}

static void parts_of_rollups_go_before_older_files_and_all_together(void **state)
{
	struct fixture *f = *state;
	uint64_t each = one_file(f);
	struct store_opts opts = fixture__opts(f);
	struct fixture_list l;

	plant_sized(f, "080000Z.60s.cpu.pb.gz"); /* the oldest, in no roll-up */
	plant_sized(f, "090000Z.3600s.cpu.pb.zst");
	plant_sized(f, "090000Z.60s.cpu.pb.gz");
	plant_sized(f, "090000Z.60s.memory.pb.gz"); /* another event */
	plant_sized(f, "090100Z.60s.cpu.late.pb.gz");
	plant_sized(f, "090200Z.60s.cpu.pb.gz");
	plant_sized(f, "100000Z.3600s.cpu.pb.zst");
	plant_sized(f, "100000Z.60s.cpu.pb.gz");
	plant_sized(f, "110000Z.60s.cpu.pb.gz");
	opts.max_bytes = 8 * each; /* one too many: one hour's parts go, both of them */
	fixture__open(f, &opts);
	assert_string_equal(fixture__list(f, &l, "cpu", 0, UINT64_MAX),
			    "080000Z.60s.cpu.pb.gz 090000Z.3600s.cpu.pb.zst 090100Z.60s.cpu.late.pb.gz "
			    "100000Z.3600s.cpu.pb.zst "
			    "110000Z.60s.cpu.pb.gz");
	assert_int_equal(fixture__stats(f).n_files, 7);
	assert_int_equal(fixture__stats(f).n_deleted[STORE_DELETED_COVERED], 2);
	opts.max_bytes = 5 * each; /* now the second hour's part, then the oldest of all */
	fixture__reopen(f, &opts);
	assert_string_equal(fixture__list(f, &l, NULL, 0, UINT64_MAX),
			    "090000Z.3600s.cpu.pb.zst 090000Z.60s.memory.pb.gz 090100Z.60s.cpu.late.pb.gz "
			    "100000Z.3600s.cpu.pb.zst "
			    "110000Z.60s.cpu.pb.gz");
	assert_int_equal(fixture__stats(f).n_deleted[STORE_DELETED_COVERED], 1);
	assert_int_equal(fixture__stats(f).n_deleted[STORE_DELETED_BYTES], 1);
}

static void hours_go_before_their_day(void **state)
{
	struct fixture *f = *state;
	uint64_t each = one_file(f);
	struct store_opts opts = fixture__opts(f);
	struct fixture_list l;

	plant_sized(f, "000000Z.86400s.cpu.pb.zst");
	plant_sized(f, "090000Z.3600s.cpu.pb.zst");
	plant_sized(f, "090000Z.60s.cpu.pb.gz");
	plant_sized(f, "100000Z.3600s.cpu.pb.zst");
	opts.max_bytes = 3 * each;
	fixture__open(f, &opts);
	/* the day's parts come first in time: both hours and the window go */
	assert_string_equal(fixture__list(f, &l, "cpu", 0, UINT64_MAX), "000000Z.86400s.cpu.pb.zst");
	assert_int_equal(fixture__stats(f).n_files, 1);
}

static void more_files_than_the_index_holds_cost_the_oldest(void **state)
{
	struct fixture *f = *state;
	struct store_opts opts = fixture__opts(f);
	struct fixture_list l;

	opts.max_files = 3;
	fixture__plant_window(f, "snapshots/2026-01-28/110000Z.60s.cpu.pb.gz");
	fixture__plant_window(f, "snapshots/2026-01-29/110000Z.60s.cpu.pb.gz");
	fixture__plant_window(f, "snapshots/2026-01-30/110000Z.60s.cpu.pb.gz");
	fixture__plant_window(f, "snapshots/2026-01-31/110000Z.60s.cpu.pb.gz");
	fixture__open(f, &opts);
	assert_false(fixture__exists(f, "snapshots/2026-01-28/110000Z.60s.cpu.pb.gz"));
	assert_int_equal(fixture__put(f, "cpu", AT(11, 1), MIN_NS, 20), 0);
	assert_false(fixture__exists(f, "snapshots/2026-01-29"));
	assert_int_equal(fixture__stats(f).n_deleted[STORE_DELETED_FILES], 2);
	assert_string_equal(fixture__list(f, &l, "cpu", 0, UINT64_MAX),
			    "110000Z.60s.cpu.pb.gz 110000Z.60s.cpu.pb.gz 110100Z.60s.cpu.pb.gz");
}

static void what_somebody_else_deleted_is_forgotten(void **state)
{
	struct fixture *f = *state;
	struct store_opts opts = fixture__opts(f);
	char path[256];

	opts.retention_ns = HOUR_NS;
	fixture__open(f, &opts);
	assert_int_equal(fixture__put(f, "cpu", AT(11, 0), MIN_NS, 20), 0);
	assert_int_equal(fixture__put(f, "cpu", AT(11, 1), MIN_NS, 20), 0);
	fixture__path(f, "snapshots/2026-01-31/110000Z.60s.cpu.pb.gz", path);
	assert_int_equal(unlink(path), 0);
	f->real_ns = AT(20, 0);
	assert_int_equal(store__enforce(f->store), 0);
	assert_int_equal(fixture__stats(f).n_files, 0);
	assert_int_equal(fixture__stats(f).bytes, 0);
	assert_int_equal(fixture__stats(f).n_deleted[STORE_DELETED_AGE], 1);
	assert_int_equal(fixture__stats(f).n_delete_errors, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(files_go_when_their_end_is_older_than_the_retention),
		fixture_test(a_start_enforces_what_was_missed),
		fixture_test(no_retention_means_for_ever),
		fixture_test(the_oldest_go_when_bytes_are_short_and_no_more_than_needed),
		fixture_test(windows_that_an_hour_holds_go_when_windows_are_kept_no_longer),
		fixture_test(parts_of_rollups_go_before_older_files_and_all_together),
		fixture_test(hours_go_before_their_day),
		fixture_test(more_files_than_the_index_holds_cost_the_oldest),
		fixture_test(what_somebody_else_deleted_is_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
