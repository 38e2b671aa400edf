/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "user/base/io.h"
#include "user/process/process_memory.h"

#define PAGE ((size_t)4096)
#define MANY ((size_t)IOV_MAX * 2 + 17)

static uint32_t self(void)
{
	return (uint32_t)getpid();
}

static uint64_t address_of(const void *p)
{
	return (uint64_t)(uintptr_t)p;
}

static void all_or_an_error(void **state)
{
	uint8_t *two = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t bytes[16];

	(void)state;
	assert_true(two != MAP_FAILED);
	memset(two, 7, 2 * PAGE);
	assert_int_equal(munmap(two + PAGE, PAGE), 0);
	assert_int_equal(process_memory__read(self(), address_of(two + PAGE - 16), bytes, 16), 0);
	assert_int_equal(bytes[15], 7);
	assert_int_equal(process_memory__read(self(), address_of(two + PAGE - 8), bytes, 16), -EFAULT);
	assert_int_equal(process_memory__read(self(), 0, bytes, 1), -EFAULT);
	assert_int_equal(process_memory__read(self(), UINT64_MAX - 4, bytes, 16), -EFAULT);
	munmap(two, PAGE);
}

static void no_such_process(void **state)
{
	struct memory_span span = {.addr = address_of(&state), .len = 8};
	uint64_t word;

	(void)state;
	span.to = &word;
	assert_int_equal(process_memory__read(INT32_MAX, address_of(&word), &word, 8), -ESRCH);
	assert_int_equal(process_memory__read_spans(INT32_MAX, &span, 1), -ESRCH);
}

/* More than one call takes, some of them nowhere: each by itself. */
static void spans_that_cannot_be_read_are_passed_over(void **state)
{
	struct memory_span *spans = calloc(MANY, sizeof(*spans));
	uint32_t *from = calloc(MANY, sizeof(*from)), *to = calloc(MANY, sizeof(*to));
	uint8_t *gone = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_true(gone != MAP_FAILED);
	munmap(gone, PAGE);
	for (size_t i = 0; i < MANY; i++) {
		from[i] = (uint32_t)i + 1;
		spans[i] = (struct memory_span){.addr = i % 100 == 99  ? 0
							: i % 50 == 49 ? address_of(gone)
								       : address_of(&from[i]),
						.to = &to[i],
						.len = 4};
	}
	assert_int_equal(process_memory__read_spans(self(), spans, MANY), 0);
	for (size_t i = 0; i < MANY; i++) {
		assert_int_equal(spans[i].is_read, i % 50 != 49);
		assert_int_equal(to[i], i % 50 != 49 ? i + 1 : 0);
	}
	free(spans);
	free(from);
	free(to);
}

struct child {
	pid_t pid;
	int go, ready;
};

/* A copy of this program, which at each word on `go` does the next thing: becomes `cat`, ends. */
static struct child start_child(void)
{
	int to[2], from[2];
	struct child c;
	char byte;

	assert_int_equal(pipe2(to, O_CLOEXEC) + pipe2(from, O_CLOEXEC), 0);
	c = (struct child){.pid = fork(), .go = to[1], .ready = from[0]};
	if (!c.pid) {
		dup2(to[0], 0);
		dup2(from[1], 1);
		if (read(0, &byte, 1) == 1)
			execlp("cat", "cat", NULL);
		_exit(1);
	}
	close(to[0]);
	close(from[1]);
	return c;
}

static void become_cat(struct child *c)
{
	char two[2] = "ab";

	assert_int_equal(write(c->go, two, 2), 2);
	assert_int_equal(read(c->ready, two, 1), 1); /* what cat says is that it is there */
}

static void end_child(struct child *c)
{
	int status;

	close(c->go);
	close(c->ready);
	assert_int_equal(waitpid(c->pid, &status, 0), c->pid);
}

static void memory_that_was_opened_is_never_another_programs(void **state)
{
	static const uint64_t ours = 0x1122334455667788;
	int proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC), before = FD_CLOSED, after = FD_CLOSED;
	struct child c = start_child();
	uint32_t pid = (uint32_t)c.pid;
	uint64_t word = 0;

	(void)state;
	assert_int_equal(process_memory__open(proc_fd, pid, 0, &before), 0);
	assert_int_equal(process_memory__read_open(before, pid, address_of(&ours), &word, 8), 0);
	assert_true(word == ours);
	assert_int_equal(process_memory__read_open(before, pid, 4096, &word, 8), -EFAULT);
	become_cat(&c);
	assert_int_equal(process_memory__read_open(before, pid, address_of(&ours), &word, 8), -ESRCH);
	assert_int_equal(process_memory__open(proc_fd, pid, 0, &after), 0);
	assert_int_equal(process_memory__read_open(after, pid, 4096, &word, 8), -EFAULT);
	end_child(&c);
	assert_int_equal(process_memory__read_open(after, pid, 4096, &word, 8), -ESRCH);
	assert_int_equal(process_memory__open(proc_fd, pid, 0, &after), -ESRCH);
	io__close(&before);
	io__close(&after);
	io__close(&proc_fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_or_an_error),
		cmocka_unit_test(no_such_process),
		cmocka_unit_test(spans_that_cannot_be_read_are_passed_over),
		cmocka_unit_test(memory_that_was_opened_is_never_another_programs),
	};

	return cmocka_run_group_tests_name("process_memory", tests, NULL, NULL);
}
