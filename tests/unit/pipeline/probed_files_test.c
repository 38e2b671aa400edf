// SPDX-License-Identifier: Apache-2.0
/*
 * What a window knows of those who use a file that was left out of it, and what the next one stands for; which targets are one file; and who keeps his lock. No probe is put anywhere, and what the
 * kernel says of a file is said here.
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "user/kernel/watched_code.h"
#include "user/object/alloc_sites.h"
#include "user/pipeline/probed_files.h"

#define SECOND 1e9

static const struct alloc_sites sites = {.sites = {{.name = "malloc", .offset = 64, .size = ALLOC_SIZE_ARG1}},
					 .n = 1};

/* Of the files that are added from now on; 0: the kernel does not answer. */
static uint64_t tree;

int watched_code__init(struct watched_code *w, int file_fd, uint64_t first_offset, uint64_t last_offset)
{
	(void)file_fd, (void)first_offset, (void)last_offset;
	*w = (struct watched_code){.page = (void *)(uintptr_t)tree};
	return 0;
}

void watched_code__done(struct watched_code *w)
{
	(void)w;
}

/* In one look after the other, who has his lock taken, and whether somebody reads; the last one is repeated. */
#define READER (1ull << 63)
static const uint64_t *held;

int watched_code__ask(struct watched_code *w, int prog_fd, struct code_reader *answer)
{
	(void)prog_fd;
	*answer = (struct code_reader){.kind = held && *held & READER ? CODE_READER_DATA : CODE_READER_NONE,
				       .held = held ? answer->held & *held & ~READER : 0};
	held += held && held[1];
	w->tree = (uintptr_t)w->page;
	return w->tree ? 0 : -EINVAL;
}

/* What the calls of the n-th file that was added say. */
static uint64_t file_bit(uint32_t n)
{
	return probed_files__bit(n << 8 | 3);
}

static void add(struct probed_files *f, uint64_t ino)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(probed_files__add(f, fd, 1, ino, "file", &sites), 0);
}

static void choose(struct probed_files *f, uint32_t n)
{
	uint32_t groups;

	assert_int_equal(probed_files__choose(f, 0, &groups), n);
}

/* reader_fd: none: nobody reads any; otherwise all files are taken for read, because no question is answered. */
static struct probed_files *two_files(int reader_fd)
{
	struct probed_files *f;

	tree = 0;
	assert_int_equal(probed_files__new(-1, reader_fd, &f), 0);
	add(f, 1);
	add(f, 2);
	return f;
}

static void who_uses_a_file_that_was_left_out_is_not_known(void **state)
{
	int no_program = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct probed_files *f = two_files(no_program);

	(void)state;
	choose(f, 2);
	assert_int_equal(probed_files__spare(f), 0);
	assert_true(probed_files__miss(f, file_bit(0)));
	assert_true(probed_files__miss(f, file_bit(1) | file_bit(7)));
	assert_false(probed_files__miss(f, file_bit(2)));
	assert_false(probed_files__miss(f, 0));
	probed_files__free(f);
	close(no_program);
}

static void nor_where_it_could_not_be_probed(void **state)
{
	struct probed_files *f = two_files(-1);

	(void)state;
	choose(f, 2);
	assert_int_equal(probed_files__spare(f), 2);
	assert_true(probed_files__miss(f, file_bit(0)));
	assert_false(probed_files__miss(f, file_bit(2)));
	probed_files__free(f);
}

static void the_next_window_stands_for_that_time_too(void **state)
{
	int no_program = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct probed_files *f = two_files(no_program);

	(void)state;
	choose(f, 2);
	assert_true(probed_files__longer(f, file_bit(0), SECOND) == 0);
	probed_files__spare(f);
	probed_files__end_window(f, SECOND);
	choose(f, 2);
	assert_true(fabs(probed_files__longer(f, file_bit(0), SECOND) - 1) < 1e-9);
	assert_true(fabs(probed_files__longer(f, file_bit(1) | file_bit(9), 2 * SECOND) - 0.5) < 1e-9);
	assert_true(probed_files__longer(f, file_bit(9), SECOND) == 0);
	/* a time that is long past is let go of */
	probed_files__spare(f);
	probed_files__end_window(f, 60 * SECOND);
	choose(f, 2);
	assert_true(fabs(probed_files__longer(f, file_bit(0), SECOND) - 10) < 1e-9);
	/* this window had it: nothing is owed */
	probed_files__end_window(f, SECOND);
	choose(f, 2);
	assert_true(probed_files__longer(f, file_bit(0), SECOND) == 0);
	probed_files__free(f);
	close(no_program);
}

/* Is it among those that were chosen? No probe was put on it, and so nothing is known of who uses it. */
static bool is_chosen(const struct probed_files *f, uint32_t n)
{
	return probed_files__miss(f, file_bit(n));
}

static void a_file_of_many_mounts_is_probed_once(void **state)
{
	int answers = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct probed_files *f;
	struct probed_files_stats stats;
	uint32_t groups;

	(void)state;
	assert_int_equal(probed_files__new(-1, answers, &f), 0);
	tree = 10;
	for (uint64_t ino = 0; ino < 3 * PROBED_LINKS_MAX; ino++)
		add(f, ino);
	tree = 20;
	add(f, 100);
	assert_int_equal(probed_files__choose(f, 0, &groups), 2);
	assert_int_equal(groups, 1); /* what is seen is all that there is */
	assert_true(is_chosen(f, 0) && is_chosen(f, 3 * PROBED_LINKS_MAX) && !is_chosen(f, 1));
	probed_files__stats(f, &stats);
	assert_int_equal(stats.n_files, 2);
	assert_int_equal(stats.n_places, 2);
	/* the first mount goes: the next one that is there takes over */
	probed_files__forget_unseen(f);
	assert_true(probed_files__see(f, 1, 2));
	probed_files__forget_unseen(f);
	choose(f, 1);
	assert_true(is_chosen(f, 2) && !is_chosen(f, 0));
	assert_false(probed_files__see(f, 1, 1));
	probed_files__free(f);
	close(answers);
}

static uint32_t n_spared_of_one(const uint64_t *looks)
{
	int answers = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct probed_files *f;
	uint32_t n;

	assert_int_equal(probed_files__new(-1, answers, &f), 0);
	tree = 10;
	add(f, 1);
	choose(f, 1);
	held = looks;
	n = probed_files__spare(f);
	held = NULL;
	probed_files__free(f);
	close(answers);
	return 1 - n;
}

static void who_keeps_his_lock_has_the_file_left_out(void **state)
{
	static const uint64_t one[] = {0x10, 0x1f, 0x10, 0x30, 0x10, 0},
			      many[] = {0x3, 0x6, 0xc, 0x8, 0x11, 0};
	static const uint64_t beside_a_reader[] = {READER | 0x10, READER | 0x30, 0x10, 0},
			      busy[] = {1, 1, 1, 1, 1, 1, 2, 0};
	static const uint64_t others[] = {0x3, 0xc, 0x30, 0xc0, 0x300, 0}, nobody[] = {0, 0};

	(void)state;
	assert_int_equal(n_spared_of_one(one), 1);
	assert_int_equal(n_spared_of_one(beside_a_reader), 1);
	assert_int_equal(n_spared_of_one(many), 0);
	assert_int_equal(n_spared_of_one(busy), 0);
	assert_int_equal(n_spared_of_one(others), 0);
	assert_int_equal(n_spared_of_one(nobody), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_uses_a_file_that_was_left_out_is_not_known),
		cmocka_unit_test(nor_where_it_could_not_be_probed),
		cmocka_unit_test(the_next_window_stands_for_that_time_too),
		cmocka_unit_test(a_file_of_many_mounts_is_probed_once),
		cmocka_unit_test(who_keeps_his_lock_has_the_file_left_out),
	};

	return cmocka_run_group_tests_name("probed_files", tests, NULL, NULL);
}
