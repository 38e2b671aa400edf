// SPDX-License-Identifier: Apache-2.0
/*
 * Turning halves over, on plain memory in the place of the maps; programs are played by hand.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "user/base/clock.h"
#include "user/kernel/drain.h"
#include "user/kernel/loader.h"

#define SLOTS  64
#define CHUNKS 2

struct memory {
	struct kernel_maps maps;
	struct gate gate;
	struct count_half halves[COUNT_HALVES];
	struct drain drain;
};

/* What was handed on. */
struct seen {
	uint32_t n, n_without_words;
	uint64_t count, value, words;
	int answer;
};

static int setup(void **state)
{
	struct memory *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	m->maps.gate = &m->gate;
	m->maps.halves = m->halves;
	m->maps.n_count_slots = SLOTS;
	m->maps.n_frame_chunks = CHUNKS;
	m->maps.count_slots = calloc(COUNT_HALVES * SLOTS, sizeof(struct count_slot));
	m->maps.count_words = calloc((size_t)COUNT_HALVES * CHUNKS * FRAME_CHUNK_WORDS, sizeof(uint64_t));
	assert_non_null(m->maps.count_slots);
	assert_non_null(m->maps.count_words);
	drain__init(&m->drain, &m->maps);
	*state = m;
	return 0;
}

static int teardown(void **state)
{
	struct memory *m = *state;

	free(m->maps.count_slots);
	free(m->maps.count_words);
	free(m);
	return 0;
}

/* What a sample does (bpf/count.bpf.h), without a race: into slot `at` of a half, with n_kernel and n_user words that say `word`. */
static struct count_slot *sample(struct memory *m, uint32_t half, uint32_t at, uint16_t n_kernel,
				 uint16_t n_user, uint64_t word)
{
	struct count_slot *slot = &m->maps.count_slots[half * SLOTS + at];
	uint64_t *words = m->maps.count_words + (size_t)half * CHUNKS * FRAME_CHUNK_WORDS;
	struct count_half *state = &m->halves[half];

	slot->hash = 0x1000 + at;
	slot->count = 1;
	slot->value = 10;
	slot->n_kernel = n_kernel;
	slot->n_user = n_user;
	slot->frames = (uint32_t)state->words_used;
	for (uint32_t i = 0; i < (uint32_t)n_kernel + n_user; i++)
		words[state->words_used++] = word;
	state->slots_used++;
	return slot;
}

static int on_slot(const struct count_slot *slot, const uint64_t *words, void *ctx)
{
	struct seen *seen = ctx;

	seen->n++;
	seen->count += slot->count;
	seen->value += slot->value;
	seen->n_without_words += !words;
	for (uint32_t i = 0; words && i < (uint32_t)slot->n_kernel + slot->n_user; i++)
		seen->words += words[i];
	return seen->answer;
}

static int slice(struct memory *m, struct seen *seen)
{
	int err = drain__turn(&m->drain);

	return err ? err : drain__read(&m->drain, on_slot, seen);
}

static void the_half_that_was_written_is_read_and_cleared(void **state)
{
	struct memory *m = *state;
	struct seen seen = {0};

	sample(m, 0, 3, 1, 2, 100);
	sample(m, 0, 63, 0, 5, 1000);
	assert_int_equal(slice(m, &seen), 0);
	assert_int_equal(seen.n, 2);
	assert_int_equal(seen.count, 2);
	assert_int_equal(seen.value, 20);
	assert_int_equal(seen.words, 3 * 100 + 5 * 1000);
	assert_int_equal(seen.n_without_words, 0);
	assert_int_equal(m->gate.half, 1);
	assert_int_equal(m->drain.stats.slots, 2);
	assert_int_equal(m->drain.stats.words, 8);
	assert_int_equal(m->halves[0].slots_used, 0);
	assert_int_equal(m->halves[0].words_used, 0);
	for (uint32_t i = 0; i < SLOTS; i++)
		assert_int_equal(m->maps.count_slots[i].hash, 0);
}

static void halves_take_turns_and_nothing_is_read_twice(void **state)
{
	struct memory *m = *state;
	struct seen seen = {0};

	for (uint32_t turn = 0; turn < 10; turn++) {
		sample(m, m->gate.half & 1, turn, 0, 1, turn);
		assert_int_equal(slice(m, &seen), 0);
		assert_int_equal(seen.n, turn + 1);
	}
	assert_int_equal(seen.words, 45);
	assert_int_equal(slice(m, &seen), 0);
	assert_int_equal(seen.n, 10);
}

static void what_comes_into_the_other_half_stays_there(void **state)
{
	struct memory *m = *state;
	struct seen seen = {0};

	sample(m, 0, 1, 0, 1, 1);
	assert_int_equal(drain__turn(&m->drain), 0);
	sample(m, 1, 2, 0, 1, 7);
	assert_int_equal(drain__read(&m->drain, on_slot, &seen), 0);
	assert_int_equal(seen.words, 1);
	assert_int_equal(slice(m, &seen), 0);
	assert_int_equal(seen.words, 8);
}

static void words_that_were_not_kept_are_none(void **state)
{
	struct memory *m = *state;
	struct seen seen = {0};

	sample(m, 0, 1, 1, 1, 1)->frames = FRAMES_NONE;
	assert_int_equal(slice(m, &seen), 0);
	assert_int_equal(seen.n, 1);
	assert_int_equal(seen.n_without_words, 1);
}

static void words_past_the_store_are_not_read(void **state)
{
	struct memory *m = *state;
	struct seen seen = {0};

	sample(m, 0, 0, 0, 2, 1)->frames = CHUNKS * FRAME_CHUNK_WORDS - 1;
	sample(m, 0, 1, 0, 2, 1)->frames = FRAMES_NONE - 1;
	sample(m, 0, 2, 0, 1, 1)->n_user = UINT16_MAX;
	sample(m, 0, 3, 0, 1, 0)->frames = CHUNKS * FRAME_CHUNK_WORDS - 1; /* the very last word */
	assert_int_equal(slice(m, &seen), 0);
	assert_int_equal(seen.n, 4);
	assert_int_equal(seen.n_without_words, 3);
}

static void a_failing_reader_leaves_a_clean_half(void **state)
{
	struct memory *m = *state;
	struct seen seen = {.answer = -ENOMEM};

	sample(m, 0, 1, 0, 1, 1);
	sample(m, 0, 2, 0, 1, 1);
	assert_int_equal(slice(m, &seen), -ENOMEM);
	assert_int_equal(seen.n, 1);
	assert_int_equal(m->halves[0].slots_used, 0);
	assert_int_equal(m->maps.count_slots[2].hash, 0);
}

static void a_writer_that_does_not_leave_delays_the_half(void **state)
{
	struct memory *m = *state;
	struct seen seen = {0};
	uint64_t start = clock__mono_ns();

	sample(m, 0, 1, 0, 1, 1);
	m->halves[0].writers = 1;
	assert_int_equal(slice(m, &seen), -EAGAIN);
	assert_true(clock__mono_ns() - start >= DRAIN_GRACE_NS);
	assert_int_equal(seen.n, 0);
	assert_int_equal(m->gate.half, 0); /* programs go on where they were */
	assert_int_equal(m->drain.stats.late, 1);
	sample(m, 0, 2, 0, 1, 1);
	m->halves[0].writers = 0;
	assert_int_equal(slice(m, &seen), 0);
	assert_int_equal(seen.n, 2);
}

static void *leave_soon(void *arg)
{
	struct memory *m = arg;
	const struct timespec pause = {.tv_nsec = 5 * 1000 * 1000};

	nanosleep(&pause, NULL);
	/* the last thing a program does in a half: its value, then it leaves */
	__atomic_store_n(&m->maps.count_slots[1].value, 77, __ATOMIC_RELAXED);
	__atomic_fetch_sub(&m->halves[0].writers, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void a_writer_that_leaves_is_waited_for(void **state)
{
	struct memory *m = *state;
	struct seen seen = {0};
	pthread_t thread;

	sample(m, 0, 1, 0, 1, 1);
	m->halves[0].writers = 1;
	assert_int_equal(pthread_create(&thread, NULL, leave_soon, m), 0);
	assert_int_equal(slice(m, &seen), 0);
	assert_int_equal(seen.value, 77);
	pthread_join(thread, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_half_that_was_written_is_read_and_cleared),
		TEST(halves_take_turns_and_nothing_is_read_twice),
		TEST(what_comes_into_the_other_half_stays_there),
		TEST(words_that_were_not_kept_are_none),
		TEST(words_past_the_store_are_not_read),
		TEST(a_failing_reader_leaves_a_clean_half),
		TEST(a_writer_that_does_not_leave_delays_the_half),
		TEST(a_writer_that_leaves_is_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
