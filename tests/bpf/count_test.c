// SPDX-License-Identifier: Apache-2.0
/*
 * Counting into a slice: rows, stacks in the frame store, what is lost when either is full, and many programs at once.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/bpf/shim.h"

#include "bpf/count.bpf.h"

#define SLOTS   64
#define CHUNKS  3
#define WORDS   ((__u64)CHUNKS * FRAME_CHUNK_WORDS)
#define THREADS 4

static const struct task_key key = {.start_ns = 11, .tgid = 42, .exec_id = 3};

static int open_tables(__u32 slots)
{
	shim__open(&losses, SHIM_ARRAY, 4, 8, LOSS_KEYS);
	shim__open(&count_slots, SHIM_ARRAY, 4, sizeof(struct count_slot), COUNT_HALVES * slots);
	shim__open(&count_frames, SHIM_ARRAY, 4, FRAME_CHUNK_WORDS * sizeof(__u64), COUNT_HALVES * CHUNKS);
	memset(&gate, 0, sizeof(gate));
	memset(halves, 0, sizeof(halves));
	settings = (struct settings){.count_slots = slots, .frame_chunks = CHUNKS};
	return 0;
}

static int setup(void **state)
{
	(void)state;
	return open_tables(SLOTS);
}

static int teardown(void **state)
{
	(void)state;
	shim__close(&losses);
	shim__close(&count_slots);
	shim__close(&count_frames);
	return 0;
}

/* A stack of n words, the first of which is `first`, hashed as a walk hashes it. */
static void make(struct walk *w, __u64 first, __u32 n)
{
	w->hash = 0;
	w->n_words = 0;
	w->n_kernel = 0;
	w->end = END_END_MARK;
	for (__u32 i = 0; i < n; i++)
		walk__append(w, first + i);
}

static struct count_slot *slot(__u32 half, __u32 i)
{
	return (struct count_slot *)count_slots.values + half * settings.count_slots + i;
}

/* The row of that stack in a half, or NULL. */
static struct count_slot *find(__u32 half, __u64 first)
{
	const __u64 *words = (const __u64 *)count_frames.values + half * WORDS;

	for (__u32 i = 0; i < settings.count_slots; i++) {
		struct count_slot *s = slot(half, i);

		if (s->hash && s->frames != FRAMES_NONE && words[s->frames] == first)
			return s;
	}
	return NULL;
}

static void assert_kept(__u32 half, const struct count_slot *s, __u64 first, __u32 n)
{
	const __u64 *words = (const __u64 *)count_frames.values + half * WORDS + s->frames;

	assert_int_not_equal(s->frames, FRAMES_NONE);
	assert_true(s->frames + n <= WORDS);
	assert_int_equal(s->frames / FRAME_CHUNK_WORDS,
			 (s->frames + n - 1) / FRAME_CHUNK_WORDS); /* in one chunk */
	for (__u32 i = 0; i < n; i++)
		assert_int_equal(words[i], first + i);
}

static void add_tagged(struct walk *w, const struct task_key *k, struct sample_tag tag, __u32 tid,
		       __u64 count, __u64 value)
{
	struct task_struct task = {.comm = "worker", .cgroup = 77};
	const struct task_sample s = {
		.task = &task, .key = *k, .tag = tag, .tid = tid, .count = count, .value = value};

	count__add(w, &s);
}

static void add(struct walk *w, const struct task_key *k, __u32 tid, __u64 count, __u64 value)
{
	add_tagged(w, k, (struct sample_tag){.event = EVENT_CPU, .syscall = SYSCALL_NONE}, tid, count, value);
}

static void equal_stacks_are_one_row(void **state)
{
	struct count_slot *s;
	struct walk w;

	(void)state;
	for (int i = 0; i < 5; i++) {
		make(&w, 1000, 20);
		w.n_kernel = 4;
		add(&w, &key, 43, 2, 30);
	}
	assert_int_equal(halves[0].slots_used, 1);
	assert_int_equal(halves[0].words_used, 20);
	assert_int_equal(halves[0].writers, 0);
	s = find(0, 1000);
	assert_non_null(s);
	assert_int_equal(s->count, 10);
	assert_int_equal(s->value, 150);
	assert_int_equal(s->n_kernel, 4);
	assert_int_equal(s->n_user, 16);
	assert_int_equal(s->tid, 43);
	assert_int_equal(s->cgroup, 77);
	assert_int_equal(s->end, END_END_MARK);
	assert_string_equal(s->comm, "worker");
	assert_memory_equal(&s->key, &key, sizeof(key));
	assert_kept(0, s, 1000, 20);
}

static void threads_programs_and_stacks_are_kept_apart(void **state)
{
	struct task_key other = key;
	struct walk w;

	(void)state;
	make(&w, 1, 3);
	add(&w, &key, 1, 1, 1);
	add(&w, &key, 2, 1, 1);
	other.exec_id++;
	add(&w, &other, 1, 1, 1);
	other.start_ns += 1000000; /* the pid was used again */
	add(&w, &other, 1, 1, 1);
	other.tgid++;
	add(&w, &other, 1, 1, 1);
	make(&w, 1, 4);
	add(&w, &key, 1, 1, 1);
	make(&w, 2, 3);
	add(&w, &key, 1, 1, 1);
	assert_int_equal(halves[0].slots_used, 7);
}

static void what_a_row_is_of_keeps_it_apart(void **state)
{
	static const struct sample_tag tags[] = {
		{.event = EVENT_CPU, .syscall = SYSCALL_NONE},
		{.event = EVENT_OFFCPU, .syscall = SYSCALL_NONE},
		{.event = EVENT_OFFCPU, .state = 1, .syscall = SYSCALL_NONE},
		{.event = EVENT_OFFCPU, .state = 1, .syscall = 0},
		{.event = EVENT_OFFCPU, .state = 1, .syscall = 1},
		{.event = EVENT_OFFCPU, .state = 1, .syscall = 1, .arg = 1},
	};
	const size_t n = sizeof(tags) / sizeof(*tags);
	struct walk w;

	(void)state;
	make(&w, 1, 3);
	for (size_t i = 0; i < 2 * n; i++)
		add_tagged(&w, &key, tags[i % n], 1, 1, 10 + i % n);
	assert_int_equal(halves[0].slots_used, n);
	for (__u32 i = 0; i < settings.count_slots; i++) {
		const struct count_slot *s = slot(0, i);

		if (s->hash)
			assert_memory_equal(&s->tag, &tags[s->value / 2 - 10], sizeof(s->tag));
	}
}

static void a_sample_without_stack_is_counted(void **state)
{
	struct walk w;

	(void)state;
	make(&w, 0, 0);
	w.end = END_KERNEL_THREAD;
	add(&w, &key, 1, 1, 10);
	assert_int_equal(halves[0].slots_used, 1);
	assert_int_equal(shim__lost(LOSS_FRAMES_FULL), 0);
}

static void the_gate_chooses_the_half(void **state)
{
	struct walk w;

	(void)state;
	make(&w, 5, 2);
	add(&w, &key, 1, 1, 1);
	gate.half = 1;
	add(&w, &key, 1, 1, 1);
	add(&w, &key, 1, 1, 1);
	assert_int_equal(find(0, 5)->count, 1);
	assert_int_equal(find(1, 5)->count, 2);
	assert_int_equal(halves[0].slots_used, 1);
	assert_int_equal(halves[1].slots_used, 1);
}

static void a_full_table_is_a_loss_of_samples(void **state)
{
	__u64 kept = 0;
	struct walk w;

	(void)state;
	for (__u32 i = 0; i < 4 * SLOTS; i++) {
		make(&w, 1000 + i, 1);
		add(&w, &key, 1, 3, 1);
	}
	for (__u32 i = 0; i < SLOTS; i++) {
		kept += slot(0, i)->count;
		assert_int_equal(slot(1, i)->hash, 0); /* the other half is not spilt into */
	}
	assert_int_equal(kept + shim__lost(LOSS_COUNT_FULL), 4 * SLOTS * 3);
	assert_int_equal(halves[0].slots_used, SLOTS);
	assert_int_equal(halves[0].writers, 0);
}

static void stacks_are_kept_until_the_store_is_full(void **state)
{
	static const __u32 depths[] = {1, 7, 30, 128, STACK_WORDS_MAX};
	struct walk w;

	(void)state;
	for (size_t d = 0; d < sizeof(depths) / sizeof(*depths); d++) {
		const __u32 n = depths[d];
		__u64 kept = 0;

		teardown(NULL);
		open_tables(65536);
		for (__u32 i = 0; shim__lost(LOSS_FRAMES_FULL) == 0; i++) {
			struct count_slot *s;

			make(&w, (__u64)(i + 1) << 32, n);
			add(&w, &key, 1, 1, 1);
			if (shim__lost(LOSS_FRAMES_FULL))
				break;
			s = i % 97 ? NULL : find(0, (__u64)(i + 1) << 32);
			if (s)
				assert_kept(0, s, (__u64)(i + 1) << 32, n);
			kept += n;
		}
		/* none is refused before the last chunk's end is near: what a chunk may leave empty is less than two stacks of full depth */
		assert_true(kept + CHUNKS * 2 * STACK_WORDS_MAX >= WORDS);
		/* and then time is still counted */
		make(&w, 7, n);
		add(&w, &key, 1, 1, 1);
		assert_int_equal(shim__lost(LOSS_FRAMES_FULL), 2);
		/* of each sample of such a row the stack is lost */
		add(&w, &key, 1, 5, 1);
		assert_int_equal(shim__lost(LOSS_FRAMES_FULL), 7);
		assert_int_equal(shim__lost(LOSS_COUNT_FULL), 0);
	}
}

/* ---- many at once ---- */

static void *count_many(void *arg)
{
	const __u32 tid = (__u32)(uintptr_t)arg;
	struct walk w;

	for (__u32 round = 0; round < 2000; round++) {
		make(&w, 1000 + round % 16, 5);
		add(&w, &key, round % 2 ? 0 : tid, 1, 10); /* half of them into rows that all share */
		if (tid == 0 && round % 50 == 49)
			__atomic_store_n(&gate.half, gate.half ^ 1, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

static void nothing_is_lost_or_doubled_by_many_programs_at_once(void **state)
{
	pthread_t threads[THREADS];
	__u64 count = 0, value = 0, slots = 0;

	(void)state;
	teardown(NULL);
	open_tables(1024);
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, count_many, (void *)i), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (__u32 half = 0; half < COUNT_HALVES; half++) {
		assert_int_equal(halves[half].writers, 0);
		for (__u32 i = 0; i < 1024; i++) {
			count += slot(half, i)->count;
			value += slot(half, i)->value;
			slots += slot(half, i)->hash != 0;
		}
	}
	assert_int_equal(slots, halves[0].slots_used + halves[1].slots_used);
	assert_int_equal(count + shim__lost(LOSS_COUNT_FULL), THREADS * 2000);
	assert_int_equal(value, count * 10);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(equal_stacks_are_one_row),
		TEST(threads_programs_and_stacks_are_kept_apart),
		TEST(what_a_row_is_of_keeps_it_apart),
		TEST(a_sample_without_stack_is_counted),
		TEST(the_gate_chooses_the_half),
		TEST(a_full_table_is_a_loss_of_samples),
		TEST(stacks_are_kept_until_the_store_is_full),
		TEST(nothing_is_lost_or_doubled_by_many_programs_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
