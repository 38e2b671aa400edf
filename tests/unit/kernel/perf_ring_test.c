// SPDX-License-Identifier: Apache-2.0
/*
 * Records as the kernel writes them (perf_event_open(2)), made by hand: what they say, cut at every length, and around the end of the ring.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <linux/perf_event.h>

#include "user/kernel/perf_ring.h"

#define TGID   4711
#define TID    4712
#define TIME   123456789012345ull
#define PROT_X 5

/* A record that is being written. */
struct writer {
	union {
		struct perf_event_header header;
		uint8_t bytes[8192];
	};
	size_t len;
};

static void add(struct writer *w, const void *bytes, size_t len)
{
	assert_true(w->len + len <= sizeof(w->bytes));
	memcpy(w->bytes + w->len, bytes, len);
	w->len += len;
}

static void add_u32(struct writer *w, uint32_t v)
{
	add(w, &v, sizeof(v));
}

static void add_u64(struct writer *w, uint64_t v)
{
	add(w, &v, sizeof(v));
}

static void start(struct writer *w, uint32_t type, uint16_t misc)
{
	memset(w, 0, sizeof(*w));
	w->header.type = type;
	w->header.misc = misc;
	w->len = sizeof(w->header);
}

/* pid, tid and time follow each record. */
static void finish(struct writer *w)
{
	add_u32(w, TGID + 1); /* of the trailer, which is not looked at: another task may have mapped */
	add_u32(w, TID);
	add_u64(w, TIME);
	w->header.size = (uint16_t)w->len;
}

static void add_path(struct writer *w, const char *path)
{
	size_t len = strlen(path) + 1;

	add(w, path, len);
	while (len++ % 8)
		add(w, "", 1);
}

static void write_mmap2(struct writer *w, uint16_t misc, const uint8_t id[24], const char *path)
{
	start(w, PERF_RECORD_MMAP2, misc);
	add_u32(w, TGID);
	add_u32(w, TID);
	add_u64(w, 0x7f0000001000);
	add_u64(w, 0x22000);
	add_u64(w, 0x3000);
	add(w, id, 24);
	add_u32(w, PROT_X);
	add_u32(w, 2); /* flags */
	add_path(w, path);
	finish(w);
}

static void a_mapping_is_told_with_its_inode(void **state)
{
	static const uint8_t place[24] = {8, 0, 0, 0, 1, 0, 0, 0, 0x21, 0x43, 0x65, 0, 0, 0, 0, 0, 7};
	struct sideband_event e;
	struct writer w;

	(void)state;
	write_mmap2(&w, PERF_RECORD_MISC_USER, place, "/usr/lib/libx.so.1");
	assert_int_equal(parse_sideband_record(&w.header, w.len, &e), 0);
	assert_int_equal(e.type, SIDEBAND_MMAP);
	assert_int_equal(e.mmap.time_ns, TIME);
	assert_int_equal(e.mmap.tgid, TGID);
	assert_int_equal(e.mmap.prot, PROT_X);
	assert_int_equal(e.mmap.addr, 0x7f0000001000);
	assert_int_equal(e.mmap.len, 0x22000);
	assert_int_equal(e.mmap.pgoff, 0x3000);
	assert_int_equal(e.mmap.ino, 0x654321);
	assert_string_equal(e.mmap.path, "/usr/lib/libx.so.1");
}

/* The kernel leaves it set where another tool asked for build-ids. */
static void a_mark_of_a_build_id_that_was_not_asked_for_means_nothing(void **state)
{
	static const uint8_t place[24] = {20, 0, 0, 0, 1, 0, 0, 0, 0x21, 0x43};
	struct sideband_event e;
	struct writer w;

	(void)state;
	write_mmap2(&w, PERF_RECORD_MISC_MMAP_BUILD_ID | PERF_RECORD_MISC_USER, place, "/usr/lib/libx.so.1");
	assert_int_equal(parse_sideband_record(&w.header, w.len, &e), 0);
	assert_int_equal(e.mmap.ino, 0x4321);
	assert_string_equal(e.mmap.path, "/usr/lib/libx.so.1");
}

static void an_exec_is_told_by_its_comm_record(void **state)
{
	struct sideband_event e;
	struct writer w;

	(void)state;
	start(&w, PERF_RECORD_COMM, PERF_RECORD_MISC_COMM_EXEC);
	add_u32(&w, TGID);
	add_u32(&w, TID);
	add_path(&w, "redis-server");
	finish(&w);
	assert_int_equal(parse_sideband_record(&w.header, w.len, &e), 0);
	assert_int_equal(e.type, SIDEBAND_COMM_EXEC);
	assert_int_equal(e.mmap.tgid, TGID);
	assert_int_equal(e.mmap.time_ns, TIME);
}

static void a_mere_rename_is_not_told(void **state)
{
	struct sideband_event e;
	struct writer w;

	(void)state;
	start(&w, PERF_RECORD_COMM, 0);
	add_u32(&w, TGID);
	add_u32(&w, TID);
	add_path(&w, "worker");
	finish(&w);
	assert_int_equal(parse_sideband_record(&w.header, w.len, &e), -ENOENT);
	start(&w, PERF_RECORD_FORK, 0);
	add_u64(&w, TGID);
	finish(&w);
	assert_int_equal(parse_sideband_record(&w.header, w.len, &e), -ENOENT);
}

static void losses_of_the_ring_are_counted(void **state)
{
	struct sideband_event e;
	struct writer w;

	(void)state;
	start(&w, PERF_RECORD_LOST, 0);
	add_u64(&w, 9);
	add_u64(&w, 1234);
	finish(&w);
	assert_int_equal(parse_sideband_record(&w.header, w.len, &e), 0);
	assert_int_equal(e.type, SIDEBAND_LOST);
	assert_int_equal(e.lost, 1234);
}

/* Cut anywhere, a record is refused or gives a path that ends inside of it; the copy is exact, so that a byte too far is seen. */
static void cut_records_are_refused(void **state)
{
	static const uint8_t id[24] = {20};
	struct writer whole;
	struct sideband_event e;

	(void)state;
	write_mmap2(&whole, PERF_RECORD_MISC_MMAP_BUILD_ID, id, "/usr/lib/x");
	for (size_t len = 0; len < whole.len; len++) {
		struct perf_event_header *cut = malloc(len ? len : 1);

		assert_non_null(cut);
		memcpy(cut, &whole.header, len);
		if (len >= sizeof(*cut)) {
			assert_int_equal(parse_sideband_record(cut, len, &e),
					 -EBADMSG); /* it says more than there is */
			cut->size = (uint16_t)len;
			/* a record made short by eight bytes at a time still holds the path's end, or is damaged */
			if (!parse_sideband_record(cut, len, &e))
				assert_true(e.mmap.path + strlen(e.mmap.path) < (char *)cut + len - 16);
		}
		free(cut);
	}
}

static void a_path_without_end_is_damage(void **state)
{
	static const uint8_t id[24] = {20};
	struct sideband_event e;
	struct writer w;
	uint8_t *path;

	(void)state;
	write_mmap2(&w, PERF_RECORD_MISC_MMAP_BUILD_ID, id, "/usr/lib/libx.so");
	path = w.bytes + w.len - 16 - 24; /* "/usr/lib/libx.so" in 24 bytes, the trailer behind */
	memset(path, 'x', 24);
	assert_int_equal(parse_sideband_record(&w.header, w.len, &e), -EBADMSG);
}

/* ---- the ring ---- */

struct ring {
	struct perf_ring r;
	struct perf_event_mmap_page *control;
	uint8_t *data;
	size_t bytes;
};

static void ring__init(struct ring *r)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	r->bytes = page;
	r->r.at = aligned_alloc(page, 2 * page);
	assert_non_null(r->r.at);
	memset(r->r.at, 0, 2 * page);
	r->r.fd = -1;
	r->r.data_bytes = page;
	r->control = r->r.at;
	r->data = (uint8_t *)r->r.at + page;
}

/* As the kernel does: at the head, around the end where it comes. */
static void ring__write(struct ring *r, const struct writer *w)
{
	for (size_t i = 0; i < w->len; i++)
		r->data[(r->control->data_head + i) % r->bytes] = w->bytes[i];
	r->control->data_head += w->len;
}

struct told {
	uint32_t n;
	uint64_t sum;
	int answer;
};

static int on_record(const struct perf_event_header *record, void *ctx)
{
	struct sideband_event e;
	struct told *t = ctx;

	assert_int_equal(parse_sideband_record(record, record->size, &e), 0);
	t->n++;
	t->sum += e.lost;
	return t->answer;
}

static void write_lost(struct ring *r, uint64_t n)
{
	struct writer w;

	start(&w, PERF_RECORD_LOST, 0);
	add_u64(&w, 1);
	add_u64(&w, n);
	finish(&w);
	ring__write(r, &w);
}

static void records_are_read_around_the_end_of_the_ring(void **state)
{
	void *scratch = malloc(PERF_RECORD_BYTES_MAX);
	uint64_t want = 0;
	struct told t = {0};
	struct ring r;

	(void)state;
	ring__init(&r);
	/* 40 bytes a record do not divide a page: every place of the end is passed */
	for (uint64_t i = 1; i <= 1000; i++) {
		write_lost(&r, i);
		want += i;
		if (i % 7 == 0)
			assert_int_equal(perf_ring__read(&r.r, scratch, on_record, &t), 0);
	}
	assert_int_equal(perf_ring__read(&r.r, scratch, on_record, &t), 0);
	assert_int_equal(t.n, 1000);
	assert_int_equal(t.sum, want);
	assert_int_equal(r.control->data_tail, r.control->data_head);
	assert_int_equal(perf_ring__read(&r.r, scratch, on_record, &t), 0); /* an empty ring */
	assert_int_equal(t.n, 1000);
	free(scratch);
	free(r.r.at);
}

static void a_negative_answer_stops_and_the_rest_stays(void **state)
{
	void *scratch = malloc(PERF_RECORD_BYTES_MAX);
	struct told t = {.answer = -ECANCELED};
	struct ring r;

	(void)state;
	ring__init(&r);
	write_lost(&r, 1);
	write_lost(&r, 2);
	assert_int_equal(perf_ring__read(&r.r, scratch, on_record, &t), -ECANCELED);
	assert_int_equal(t.n, 1);
	t.answer = 0;
	assert_int_equal(perf_ring__read(&r.r, scratch, on_record, &t), 0);
	assert_int_equal(t.n, 2);
	assert_int_equal(t.sum, 3);
	free(scratch);
	free(r.r.at);
}

static void a_damaged_size_gives_up_what_follows(void **state)
{
	static const uint16_t sizes[] = {0, 7, 9, 39, 48, 4096, 65535};
	void *scratch = malloc(PERF_RECORD_BYTES_MAX);

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		struct told t = {0};
		struct ring r;

		ring__init(&r);
		write_lost(&r, 1);
		((struct perf_event_header *)r.data)->size = sizes[i];
		assert_int_equal(perf_ring__read(&r.r, scratch, on_record, &t), 0);
		assert_int_equal(t.n, 0);
		assert_int_equal(r.control->data_tail, r.control->data_head);
		/* and the ring is good again */
		write_lost(&r, 5);
		assert_int_equal(perf_ring__read(&r.r, scratch, on_record, &t), 0);
		assert_int_equal(t.sum, 5);
		free(r.r.at);
	}
	free(scratch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mapping_is_told_with_its_inode),
		cmocka_unit_test(a_mark_of_a_build_id_that_was_not_asked_for_means_nothing),
		cmocka_unit_test(an_exec_is_told_by_its_comm_record),
		cmocka_unit_test(a_mere_rename_is_not_told),
		cmocka_unit_test(losses_of_the_ring_are_counted),
		cmocka_unit_test(cut_records_are_refused),
		cmocka_unit_test(a_path_without_end_is_damage),
		cmocka_unit_test(records_are_read_around_the_end_of_the_ring),
		cmocka_unit_test(a_negative_answer_stops_and_the_rest_stays),
		cmocka_unit_test(a_damaged_size_gives_up_what_follows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
