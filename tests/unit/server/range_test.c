/* SPDX-License-Identifier: Apache-2.0 */
/* The other end of the link is a thread that lists one file, or none, and notes what it is asked for beyond the files; it has nothing of that. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "user/base/buf.h"
#include "user/base/clock.h"
#include "user/base/err.h"
#include "user/base/io.h"
#include "user/base/memfd.h"
#include "user/server/link.h"
#include "user/server/range.h"
#include "user/server/wire.h"
#include "user/store/index.h"

#define HOUR_NS (3600 * NS_PER_SEC)
/* What a machine may take from one line of a test to the next. */
#define SLACK_NS (600 * NS_PER_SEC)

static struct {
	int socket;
	pthread_t thread;
	struct link *link;
	struct digest_cache *cache;
	struct store_file file;
	uint32_t n_files, n_live;
	struct wire_request live;
} collector;

static void answer(const struct wire_request *r)
{
	struct wire_reply reply = {.magic = WIRE_MAGIC, .err = -ENODATA, .id = r->id};
	int fd = FD_CLOSED;

	if (r->type == WIRE_LIST)
		reply.err =
			memfd__new("test", &collector.file, collector.n_files * sizeof(collector.file), &fd);
	else if (r->type == WIRE_OPEN)
		reply.err = -ENOENT; /* gone since */
	if (r->type == WIRE_LIVE) {
		collector.live = *r;
		collector.n_live++;
	}
	wire__send(collector.socket, &reply, sizeof(reply), fd);
	io__close(&fd);
}

static void *collect(void *ctx)
{
	struct wire_request r;
	int given;

	(void)ctx;
	while (wire__receive(collector.socket, &r, sizeof(r), &given) == sizeof(r))
		answer(&r);
	return NULL;
}

static int start(void **state)
{
	int pair[2];

	(void)state;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -1;
	collector.socket = pair[0];
	return pthread_create(&collector.thread, NULL, collect, NULL) ||
	       link__new(pair[1], &collector.link) || digest_cache__new(&collector.cache);
}

static int no_point(const struct range_point *p, void *ctx)
{
	(void)p, (void)ctx;
	return 0;
}

/* Of a range that began and ended so long before `now`, with one file that ended so long before it (0: none). How often more was asked for. */
static uint32_t ask(uint64_t now, uint64_t from_ago_ns, uint64_t to_ago_ns, uint64_t file_ago_ns)
{
	const struct range r = {.event = "cpu", .from_ns = now - from_ago_ns, .to_ns = now - to_ago_ns};
	struct err err = {0};

	collector.n_live = 0;
	collector.n_files = file_ago_ns != 0;
	collector.file = (struct store_file){
		.name = {.start_s = (now - file_ago_ns) / NS_PER_SEC - 60, .seconds = 60, .event = "cpu"}};
	assert_int_equal(
		range__points(collector.link, collector.cache, &r, false, NULL, no_point, NULL, &err), 0);
	return collector.n_live;
}

static void what_is_in_no_file_yet_is_asked_for_from_where_files_end(void **state)
{
	uint64_t now = clock__real_ns() / NS_PER_SEC * NS_PER_SEC;

	(void)state;
	assert_int_equal(ask(now, HOUR_NS, 0, 30 * NS_PER_SEC), 1);
	assert_int_equal(collector.live.from_ns, now - 30 * NS_PER_SEC);
	assert_true(collector.live.to_ns <= now);
	assert_true(collector.live.to_ns + 2 * NS_PER_SEC >= now);
	assert_int_equal(ask(now, 600 * NS_PER_SEC, 0, 0), 1);
	assert_int_equal(collector.live.from_ns, now - 600 * NS_PER_SEC);
	/* the file reaches to the end of the range */
	assert_int_equal(ask(now, HOUR_NS, 300 * NS_PER_SEC, 299 * NS_PER_SEC), 0);
}

/* An agent that has just begun, or was off for long: its first window is in no file, and the range begins where nothing was. */
static void a_range_that_began_long_ago_has_the_newest_as_well(void **state)
{
	static const uint64_t files_ago_ns[] = {0, 20 * HOUR_NS, 3 * HOUR_NS};
	uint64_t now = clock__real_ns() / NS_PER_SEC * NS_PER_SEC;

	(void)state;
	for (size_t i = 0; i < sizeof(files_ago_ns) / sizeof(*files_ago_ns); i++) {
		assert_int_equal(ask(now, 24 * HOUR_NS, 0, files_ago_ns[i]), 1);
		/* as far back as anything can be that was not written yet, and no further */
		assert_true(collector.live.from_ns <= now - 2 * HOUR_NS + SLACK_NS);
		assert_true(collector.live.from_ns >= now - 2 * HOUR_NS);
		assert_true(collector.live.to_ns + 2 * NS_PER_SEC >= now);
	}
}

static void a_range_of_the_past_costs_the_collector_no_question(void **state)
{
	uint64_t now = clock__real_ns() / NS_PER_SEC * NS_PER_SEC;

	(void)state;
	assert_int_equal(ask(now, 24 * HOUR_NS, 3 * HOUR_NS, 0), 0);
	assert_int_equal(ask(now, 24 * HOUR_NS, 3 * HOUR_NS, 5 * HOUR_NS), 0);
}

/* Clients may ask as fast as they like: a collector that is asked too much replaces the process, with all that others wait for. */
static void the_collector_is_asked_no_faster_than_it_takes_for_a_load_of_clients(void **state)
{
	const uint32_t n = LINK_BURST + LINK_RATE / 5;
	uint64_t began = clock__mono_ns();
	struct buf b;

	(void)state;
	buf__init(&b, 4096);
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(link__metrics(collector.link, &b), -ENODATA);
	/* the last one's turn; the first come at once, but for those that the tests before have asked */
	assert_true(clock__mono_ns() - began >= (uint64_t)(n - LINK_BURST - 1) * NS_PER_SEC / LINK_RATE);
	buf__done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_in_no_file_yet_is_asked_for_from_where_files_end),
		cmocka_unit_test(a_range_that_began_long_ago_has_the_newest_as_well),
		cmocka_unit_test(a_range_of_the_past_costs_the_collector_no_question),
		cmocka_unit_test(the_collector_is_asked_no_faster_than_it_takes_for_a_load_of_clients),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
