/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/socket.h>

#include "user/base/clock.h"
#include "user/base/io.h"
#include "user/server/wire.h"

static struct wire_request list_request(void)
{
	struct wire_request r = {.magic = WIRE_MAGIC, .type = WIRE_LIST, .id = 1, .from_ns = 5, .to_ns = 10};

	strcpy(r.event, "cpu");
	return r;
}

static struct wire_request open_request(void)
{
	struct wire_request r = {.magic = WIRE_MAGIC, .type = WIRE_OPEN, .id = 2};

	assert_int_equal(
		store_name__window("cpu", 1769860800ull * NS_PER_SEC, 60 * NS_PER_SEC, STORE_GZIP, &r.name),
		0);
	return r;
}

static int check(const struct wire_request *r)
{
	struct wire_request out;

	return wire__check(r, sizeof(*r), &out);
}

static void good_requests_pass(void **state)
{
	struct wire_request r = list_request();

	(void)state;
	assert_int_equal(check(&r), 0);
	memset(r.event, 0, sizeof(r.event));
	assert_int_equal(check(&r), 0); /* all events */
	r = open_request();
	assert_int_equal(check(&r), 0);
	r = (struct wire_request){.magic = WIRE_MAGIC, .type = WIRE_METRICS};
	assert_int_equal(check(&r), 0);
	r = (struct wire_request){.magic = WIRE_MAGIC, .type = WIRE_TRACE, .to_ns = 5};
	assert_int_equal(check(&r), 0);
	r.from_ns = 6;
	assert_int_equal(check(&r), -EBADMSG);
}

static void a_text_is_as_long_as_it_says_and_stands_where_one_may(void **state)
{
	char bytes[sizeof(struct wire_request) + WIRE_TEXT_MAX + 1] = {0};
	struct wire_request *r = (struct wire_request *)(void *)bytes, out;

	(void)state;
	*r = (struct wire_request){.magic = WIRE_MAGIC, .type = WIRE_COMMAND, .text_len = 5};
	memcpy(bytes + sizeof(*r), "pin\nx", 5);
	assert_int_equal(wire__check(bytes, sizeof(*r) + 5, &out), 0);
	assert_int_equal(wire__check(bytes, sizeof(*r) + 4, &out), -EBADMSG);
	assert_int_equal(wire__check(bytes, sizeof(*r) + 6, &out), -EBADMSG);
	bytes[sizeof(*r) + 2] = '\0';
	assert_int_equal(wire__check(bytes, sizeof(*r) + 5, &out), -EBADMSG);
	r->text_len = 0;
	assert_int_equal(wire__check(bytes, sizeof(*r), &out), -EBADMSG);
	memset(bytes + sizeof(*r), 'x', WIRE_TEXT_MAX + 1);
	r->text_len = WIRE_TEXT_MAX;
	assert_int_equal(wire__check(bytes, sizeof(*r) + WIRE_TEXT_MAX, &out), 0);
	r->text_len = WIRE_TEXT_MAX + 1;
	assert_int_equal(wire__check(bytes, sizeof(*r) + WIRE_TEXT_MAX + 1, &out), -EBADMSG);
	*r = (struct wire_request){.magic = WIRE_MAGIC, .type = WIRE_METRICS, .text_len = 1};
	assert_int_equal(wire__check(bytes, sizeof(*r) + 1, &out), -EBADMSG);
}

static void what_an_enemy_would_send_is_refused(void **state)
{
	struct wire_request good = list_request(), r = good, out;

	(void)state;
	assert_int_equal(wire__check(&r, sizeof(r) - 1, &out), -EBADMSG);
	r.magic ^= 1;
	assert_int_equal(check(&r), -EBADMSG);
	for (uint32_t type = WIRE_TYPE_MAX; type < WIRE_TYPE_MAX + 3; type++) {
		r = good;
		r.type = type;
		assert_int_equal(check(&r), -EBADMSG);
	}
	r = good;
	r.from_ns = 11; /* after its end */
	assert_int_equal(check(&r), -EBADMSG);
	r = good;
	r.to_ns = UINT64_MAX;
	assert_int_equal(check(&r), -EBADMSG);
	r = good;
	memset(r.event, 'a', sizeof(r.event)); /* no end */
	assert_int_equal(check(&r), -EBADMSG);
	r = good;
	strcpy(r.event, "../x");
	assert_int_equal(check(&r), -EBADMSG);
	r = good;
	r.event[5] = 'x'; /* behind the end */
	assert_int_equal(check(&r), -EBADMSG);
	r = good;
	r.type = WIRE_LIVE;
	memset(r.event, 0, sizeof(r.event)); /* of which event? */
	assert_int_equal(check(&r), -EBADMSG);
}

static void a_name_that_the_store_would_not_write_is_refused(void **state)
{
	struct wire_request r = open_request();
	uint8_t two = 2;

	(void)state;
	strcpy(r.name.event, "a/b");
	assert_int_equal(check(&r), -EBADMSG);
	r = open_request();
	r.name.codec = 9;
	assert_int_equal(check(&r), -EBADMSG);
	r = open_request();
	r.name.seconds = 0;
	assert_int_equal(check(&r), -EBADMSG);
	r = open_request();
	r.name.start_s = UINT64_MAX;
	assert_int_equal(check(&r), -EBADMSG);
	r = open_request();
	r.name.serial = 1;
	assert_int_equal(check(&r), -EBADMSG);
	r = open_request();
	memcpy((char *)&r + offsetof(struct wire_request, name.is_late), &two, 1);
	assert_int_equal(check(&r), -EBADMSG);
}

static void a_message_brings_its_file_and_no_more_than_one(void **state)
{
	const struct wire_reply reply = {.magic = WIRE_MAGIC, .id = 7};
	struct wire_reply got;
	char byte;
	int pair[2], pipes[2], fd;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(wire__receive(pair[1], &got, sizeof(got), &fd), -EAGAIN);
	assert_int_equal(wire__send(pair[0], &reply, sizeof(reply), pipes[0]), 0);
	assert_int_equal(wire__receive(pair[1], &got, sizeof(got), &fd), sizeof(got));
	assert_int_equal(got.id, 7);
	assert_true(fd >= 0);
	assert_int_equal(write(pipes[1], "x", 1), 1);
	assert_int_equal(read(fd, &byte, 1), 1);
	io__close(&fd);
	assert_int_equal(wire__send(pair[0], &reply, sizeof(reply), FD_CLOSED), 0);
	assert_int_equal(wire__receive(pair[1], &got, sizeof(got), &fd), sizeof(got));
	assert_int_equal(fd, FD_CLOSED);
	/* cut */
	assert_int_equal(wire__send(pair[0], &reply, sizeof(reply), FD_CLOSED), 0);
	assert_int_equal(wire__receive(pair[1], &got, 4, &fd), -EBADMSG);
	io__close(&pair[0]);
	assert_int_equal(wire__receive(pair[1], &got, sizeof(got), &fd), -EPIPE);
	io__close(&pair[1]);
	io__close(&pipes[0]);
	io__close(&pipes[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_requests_pass),
		cmocka_unit_test(a_text_is_as_long_as_it_says_and_stands_where_one_may),
		cmocka_unit_test(what_an_enemy_would_send_is_refused),
		cmocka_unit_test(a_name_that_the_store_would_not_write_is_refused),
		cmocka_unit_test(a_message_brings_its_file_and_no_more_than_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
