/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "bpf/tag.h"
#include "bpf/wait.h"
#include "exporters/format/trace.h"
#include "exporters/format/trace_json.h"
#include "user/base/buf.h"

#define MS 1000000ull

/* Two threads of "web" and one of "db" on two CPUs, from 1 s on. */
static const char texts[] = "\0web\0worker\0db";
#define WEB    1
#define WORKER 5
#define DB     12

struct fixture {
	struct trace_head head;
	struct trace_thread threads[3];
	struct trace_record records[16];
	uint32_t n;
	uint64_t bytes[512];
	size_t len;
	struct trace trace;
};

static void add(struct fixture *f, uint64_t ms, uint8_t kind, uint16_t cpu, uint32_t tid, uint32_t next,
		uint8_t state, int16_t syscall)
{
	f->records[f->n++] = (struct trace_record){.time_ns = 1000 * MS + ms * MS,
						   .tid = tid,
						   .next_tid = next,
						   .cpu = cpu,
						   .kind = kind,
						   .state = state,
						   .syscall = syscall};
}

static void pack(struct fixture *f)
{
	char *at = (char *)f->bytes;

	f->head = (struct trace_head){.magic = TRACE_MAGIC,
				      .n_threads = 3,
				      .n_records = f->n,
				      .text_bytes = sizeof(texts),
				      .from_ns = 1000 * MS,
				      .to_ns = 1100 * MS,
				      .real_ns = 42};
	f->threads[0] = (struct trace_thread){.tid = 10, .tgid = 10, .comm = WEB, .process = WEB};
	f->threads[1] = (struct trace_thread){.tid = 11, .tgid = 10, .comm = WORKER, .process = WEB};
	f->threads[2] = (struct trace_thread){.tid = 20, .tgid = 20, .comm = DB, .process = DB};
	memcpy(at, &f->head, sizeof(f->head));
	at += sizeof(f->head);
	memcpy(at, f->threads, sizeof(f->threads));
	at += sizeof(f->threads);
	memcpy(at, f->records, f->n * sizeof(*f->records));
	at += f->n * sizeof(*f->records);
	memcpy(at, texts, sizeof(texts));
	f->len = (size_t)(at + sizeof(texts) - (char *)f->bytes);
}

static json_t *encode(struct fixture *f,
		      bool (*keeps)(const struct trace *, const struct trace_thread *, void *), void *ctx)
{
	json_error_t error;
	struct buf b;
	json_t *j;

	pack(f);
	assert_int_equal(trace__parse(f->bytes, f->len, &f->trace), 0);
	buf__init(&b, 1 << 20);
	assert_int_equal(trace_json__encode(&f->trace, keeps, ctx, &b), 0);
	j = json_loadb((char *)b.data, b.len, 0, &error);
	if (!j)
		fail_msg("%s: %s", error.text, buf__str(&b));
	buf__done(&b);
	return j;
}

/* The n-th slice of the thread by time: "name from-to" in milliseconds must be it. */
static void expect_slice(const json_t *j, int tid, int pid, size_t n, const char *name, double from_ms,
			 double to_ms)
{
	json_t *e, *events = json_object_get(j, "traceEvents");
	size_t i, seen = 0;

	json_array_foreach(events, i, e)
	{
		double ts = json_number_value(json_object_get(e, "ts"));

		if (strcmp(json_string_value(json_object_get(e, "ph")), "X") ||
		    json_integer_value(json_object_get(e, "tid")) != tid ||
		    json_integer_value(json_object_get(e, "pid")) != pid || seen++ != n)
			continue;
		assert_string_equal(json_string_value(json_object_get(e, "name")), name);
		assert_true(ts > from_ms * 1000 - 0.001 && ts < from_ms * 1000 + 0.001);
		ts += json_number_value(json_object_get(e, "dur"));
		assert_true(ts > to_ms * 1000 - 0.002 && ts < to_ms * 1000 + 0.002);
		return;
	}
	fail_msg("thread %d has no slice %zu (%s)", tid, n, name);
}

static size_t count(const json_t *j, const char *phase)
{
	json_t *e, *events = json_object_get(j, "traceEvents");
	size_t i, n = 0;

	json_array_foreach(events, i, e) n += !strcmp(json_string_value(json_object_get(e, "ph")), phase);
	return n;
}

static void time_is_run_wait_and_queue_without_gaps(void **state)
{
	struct fixture f = {.n = 0};
	json_t *j;

	(void)state;
	/* out of order on purpose: records of two CPUs come as they were read */
	add(&f, 40, TRACE_SWITCH, 1, 20, 0, WAIT_DISK, SYSCALL_NONE);
	add(&f, 10, TRACE_SWITCH, 0, 10, 11, WAIT_BLOCKED, 202); /* futex */
	add(&f, 30, TRACE_WAKE, 1, 20, 10, 0, SYSCALL_NONE);
	add(&f, 50, TRACE_SWITCH, 0, 11, 10, WAIT_PREEMPTED, SYSCALL_NONE);
	j = encode(&f, NULL, NULL);
	expect_slice(j, 10, 10, 0, "running", 0, 10);
	expect_slice(j, 10, 10, 1, "futex", 10, 30);
	expect_slice(j, 10, 10, 2, "runnable", 30, 50);
	expect_slice(j, 10, 10, 3, "running", 50, 100);
	expect_slice(j, 11, 10, 0, "running", 10, 50);
	expect_slice(j, 11, 10, 1, "preempted", 50, 100);
	expect_slice(j, 20, 20, 0, "running", 0, 40);
	expect_slice(j, 20, 20, 1, "disk", 40, 100);
	/* the CPUs' own tracks */
	expect_slice(j, 0, 0, 0, "web", 0, 10);
	expect_slice(j, 0, 0, 1, "worker", 10, 50);
	expect_slice(j, 0, 0, 2, "web", 50, 100);
	expect_slice(j, 1, 0, 0, "db", 0, 40);
	assert_int_equal(count(j, "s"), 1);
	assert_int_equal(count(j, "f"), 1);
	json_decref(j);
}

static bool is_web(const struct trace *t, const struct trace_thread *thread, void *ctx)
{
	(void)ctx;
	return !strcmp(trace__label(t, thread, "process"), "web");
}

static void what_is_not_kept_is_told_only_as_who_woke(void **state)
{
	struct fixture f = {.n = 0};
	json_t *j, *e;
	size_t i, n = 0;

	(void)state;
	add(&f, 10, TRACE_SWITCH, 0, 10, 0, WAIT_BLOCKED, 202);
	add(&f, 30, TRACE_WAKE, 1, 20, 10, 0, SYSCALL_NONE);
	add(&f, 30, TRACE_SWITCH, 0, 0, 10, WAIT_PREEMPTED, SYSCALL_NONE);
	add(&f, 60, TRACE_SWITCH, 1, 20, 0, WAIT_BLOCKED, SYSCALL_NONE);
	j = encode(&f, is_web, NULL);
	json_array_foreach(json_object_get(j, "traceEvents"), i, e)
	{
		assert_int_equal(json_integer_value(json_object_get(e, "pid")), 10);
		n += json_object_get(json_object_get(e, "args"), "woken by") != NULL;
	}
	assert_int_equal(n, 1);
	assert_int_equal(count(j, "s"), 0);
	json_decref(j);
}

/* The CPU is left by somebody else than came: neither's time is known. */
static void a_switch_that_nobody_saw_makes_no_time_up(void **state)
{
	struct fixture f = {.n = 0};
	json_t *j;

	(void)state;
	add(&f, 10, TRACE_SWITCH, 0, 0, 10, WAIT_PREEMPTED, SYSCALL_NONE);
	add(&f, 60, TRACE_SWITCH, 0, 11, 0, WAIT_BLOCKED, SYSCALL_NONE);
	j = encode(&f, NULL, NULL);
	expect_slice(j, 11, 10, 0, "blocked", 60, 100);
	assert_int_equal(count(j, "X"), 1);
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(j, "otherData"), "switches not seen")), 1);
	json_decref(j);
}

static void a_thread_that_has_ended_does_nothing_more(void **state)
{
	struct fixture f = {.n = 0};
	json_t *j;

	(void)state;
	add(&f, 20, TRACE_SWITCH, 0, 20, 0, WAIT_MAX, SYSCALL_NONE);
	j = encode(&f, NULL, NULL);
	expect_slice(j, 20, 20, 0, "running", 0, 20);
	assert_int_equal(count(j, "X"), 2); /* and its CPU's */
	json_decref(j);
}

static void bytes_that_do_not_add_up_are_refused(void **state)
{
	struct fixture f = {.n = 0};
	struct trace t;

	(void)state;
	add(&f, 20, TRACE_SWITCH, 0, 20, 0, WAIT_MAX, SYSCALL_NONE);
	pack(&f);
	assert_int_equal(trace__parse(f.bytes, f.len, &t), 0);
	for (size_t len = 0; len < f.len; len++)
		assert_int_equal(trace__parse(f.bytes, len, &t), -EBADMSG);
	((struct trace_head *)f.bytes)->n_records = TRACE_RECORDS_MAX;
	assert_int_equal(trace__parse(f.bytes, f.len, &t), -EBADMSG);
	pack(&f);
	((struct trace_thread *)(void *)((char *)f.bytes + sizeof(f.head)))->unit = sizeof(texts);
	assert_int_equal(trace__parse(f.bytes, f.len, &t), -EBADMSG);
	pack(&f);
	((char *)f.bytes)[f.len - 1] = 'x';
	assert_int_equal(trace__parse(f.bytes, f.len, &t), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(time_is_run_wait_and_queue_without_gaps),
		cmocka_unit_test(what_is_not_kept_is_told_only_as_who_woke),
		cmocka_unit_test(a_switch_that_nobody_saw_makes_no_time_up),
		cmocka_unit_test(a_thread_that_has_ended_does_nothing_more),
		cmocka_unit_test(bytes_that_do_not_add_up_are_refused),
	};

	return cmocka_run_group_tests_name("trace", tests, NULL, NULL);
}
