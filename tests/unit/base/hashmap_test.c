// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "user/base/hashmap.h"

#define N 20000

static uint64_t keys[N];

static bool same_key(uint32_t index, const void *key, const void *owner)
{
	return ((const uint64_t *)owner)[index] == *(const uint64_t *)key;
}

static uint32_t find(const struct hashmap *m, uint64_t key, uint64_t (*hash)(uint64_t))
{
	return hashmap__find(m, hash(key), same_key, &key, keys);
}

/* All keys at one of four homes, so that every probe crosses others and removal has to shift. */
static uint64_t poor_hash(uint64_t v)
{
	return (v % 4) << 32;
}

static void added_are_found_and_others_are_not(void **state)
{
	struct hashmap m;

	(void)state;
	hashmap__init(&m);
	hashmap__prefetch(&m, hash_u64(1));
	assert_int_equal(find(&m, 1, hash_u64), HASHMAP_NONE);
	for (uint32_t i = 0; i < N; i++) {
		size_t foretold = hashmap__bytes_after_add(&m);

		keys[i] = i * 7ull;
		assert_int_equal(hashmap__add(&m, hash_u64(keys[i]), i), 0);
		assert_int_equal(hashmap__bytes(&m), foretold);
	}
	assert_int_equal(m.n, N);
	for (uint32_t i = 0; i < N; i++) {
		assert_int_equal(find(&m, i * 7ull, hash_u64), i);
		assert_int_equal(find(&m, i * 7ull + 3, hash_u64), HASHMAP_NONE);
	}
	hashmap__clear(&m);
	assert_int_equal(find(&m, 7, hash_u64), HASHMAP_NONE);
	assert_true(hashmap__bytes(&m) >= N * 8);
	hashmap__done(&m);
	hashmap__done(NULL);
}

/* Adds and removes at random beside a plain array of flags, which is the truth. */
static void churn(uint64_t (*hash)(uint64_t), uint32_t n_keys, int steps)
{
	static bool present[N];
	uint32_t seed = 12345, n = 0;
	struct hashmap m;

	memset(present, 0, sizeof(present));
	hashmap__init(&m);
	for (uint32_t i = 0; i < n_keys; i++)
		keys[i] = i;
	for (int step = 0; step < steps; step++) {
		uint32_t i;

		seed = seed * 1664525 + 1013904223;
		i = (seed >> 8) % n_keys;
		assert_int_equal(find(&m, i, hash), present[i] ? i : HASHMAP_NONE);
		if (present[i])
			assert_true(hashmap__remove(&m, hash(i), i));
		else
			assert_int_equal(hashmap__add(&m, hash(i), i), 0);
		assert_false(present[i] && hashmap__remove(&m, hash(i), i));
		n += present[i] ? -1u : 1u;
		present[i] = !present[i];
		assert_int_equal(m.n, n);
	}
	for (uint32_t i = 0; i < n_keys; i++)
		assert_int_equal(find(&m, i, hash), present[i] ? i : HASHMAP_NONE);
	hashmap__done(&m);
}

static void removal_keeps_the_others_findable(void **state)
{
	(void)state;
	churn(hash_u64, N, 200000);
}

static void removal_among_collisions_keeps_the_others_findable(void **state)
{
	(void)state;
	churn(poor_hash, 200, 50000);
}

/* When a crowd has gone, its slots go too, whether one by one or all at once; those that stay are found. */
static void slots_of_a_crowd_are_given_back(void **state)
{
	struct hashmap m;
	size_t most, bytes;

	(void)state;
	hashmap__init(&m);
	for (uint32_t i = 0; i < N; i++) {
		keys[i] = i * 7ull;
		assert_int_equal(hashmap__add(&m, hash_u64(keys[i]), i), 0);
	}
	most = hashmap__bytes(&m);
	for (uint32_t i = 0; i < N - 10; i++) {
		assert_true(hashmap__remove(&m, hash_u64(keys[i]), i));
		assert_int_equal(find(&m, keys[N - 1], hash_u64), N - 1);
	}
	assert_true(hashmap__bytes(&m) <= most / 256);
	for (uint32_t i = 0; i < N; i++)
		assert_int_equal(find(&m, keys[i], hash_u64), i < N - 10 ? HASHMAP_NONE : i);
	for (uint32_t i = 0; i < N - 10; i++)
		assert_int_equal(hashmap__add(&m, hash_u64(keys[i]), i), 0);
	hashmap__clear(&m);
	assert_int_equal(hashmap__bytes(&m), most); /* as many may come again */
	for (int windows = 0; windows < 8; windows++) {
		assert_int_equal(hashmap__add(&m, hash_u64(keys[1]), 1), 0);
		hashmap__clear(&m);
	}
	bytes = hashmap__bytes(&m);
	assert_true(bytes && bytes <= most / 256);
	hashmap__done(&m);
}

static void removal_wants_that_very_index(void **state)
{
	struct hashmap m;

	(void)state;
	hashmap__init(&m);
	assert_false(hashmap__remove(&m, 1, 0));
	assert_int_equal(hashmap__add(&m, hash_u64(5), 3), 0);
	assert_false(hashmap__remove(&m, hash_u64(5), 4));
	assert_false(hashmap__remove(&m, hash_u64(6), 3));
	assert_true(hashmap__remove(&m, hash_u64(5), 3));
	assert_int_equal(m.n, 0);
	hashmap__done(&m);
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static uint32_t n_equal_neighbours(uint64_t *v, uint32_t n)
{
	uint32_t equal = 0;

	qsort(v, n, sizeof(*v), compare_u64);
	for (uint32_t i = 1; i < n; i++)
		equal += v[i] == v[i - 1];
	return equal;
}

/* Of N random 32-bit tags about N^2 / 2^33 = 0.05 pairs are equal; 10 would be chance once in 10^20 runs. */
static void tags_of_similar_keys_spread(void **state)
{
	static uint64_t tags[N];
	char name[32];

	(void)state;
	for (uint32_t i = 0; i < N; i++)
		tags[i] = hash_u64((uint64_t)i << 12) >> 32;
	assert_in_range(n_equal_neighbours(tags, N), 0, 10);
	for (uint32_t i = 0; i < N; i++)
		tags[i] = hash_pair(i / 100, i % 100) >> 32;
	assert_in_range(n_equal_neighbours(tags, N), 0, 10);
	for (uint32_t i = 0; i < N; i++)
		tags[i] = hash_bytes(name, (size_t)snprintf(name, sizeof(name), "function_%u", i)) >> 32;
	assert_in_range(n_equal_neighbours(tags, N), 0, 10);
}

/* Homes are taken from the tag's low bits: N keys in 4096 homes, each within five standard errors of its share. */
static void homes_are_evenly_filled(void **state)
{
	static uint32_t filled[64];

	(void)state;
	memset(filled, 0, sizeof(filled));
	for (uint32_t i = 0; i < N; i++)
		filled[hash_u64(i) >> 32 & 63]++;
	for (int i = 0; i < 64; i++)
		assert_in_range(filled[i], N / 64 - 5 * 18, N / 64 + 5 * 18);
}

static void every_byte_and_the_length_count(void **state)
{
	uint8_t bytes[70] = {0};

	(void)state;
	for (size_t len = 1; len <= sizeof(bytes); len++) {
		uint64_t h = hash_bytes(bytes, len);

		assert_int_equal(h, hash_bytes(bytes, len));
		assert_int_not_equal(h, hash_bytes(bytes, len - 1));
		for (size_t i = 0; i < len; i++) {
			bytes[i] ^= 1;
			assert_int_not_equal(h, hash_bytes(bytes, len));
			bytes[i] ^= 1;
		}
	}
}

/* The seed is drawn at first use, so a fresh process hashes differently. Run as `hashmap_test --hash`. */
static uint64_t hash_in_a_fresh_process(const char *self)
{
	uint64_t h = 0;
	int fds[2];
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		dup2(fds[1], STDOUT_FILENO);
		execl(self, self, "--hash", (char *)NULL);
		_exit(127);
	}
	close(fds[1]);
	assert_int_equal(read(fds[0], &h, sizeof(h)), sizeof(h));
	close(fds[0]);
	waitpid(pid, NULL, 0);
	return h;
}

static void each_process_draws_its_own_seed(void **state)
{
	(void)state;
	assert_int_not_equal(hash_in_a_fresh_process("/proc/self/exe"),
			     hash_in_a_fresh_process("/proc/self/exe"));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(added_are_found_and_others_are_not),
		cmocka_unit_test(removal_keeps_the_others_findable),
		cmocka_unit_test(removal_among_collisions_keeps_the_others_findable),
		cmocka_unit_test(slots_of_a_crowd_are_given_back),
		cmocka_unit_test(removal_wants_that_very_index),
		cmocka_unit_test(tags_of_similar_keys_spread),
		cmocka_unit_test(homes_are_evenly_filled),
		cmocka_unit_test(every_byte_and_the_length_count),
		cmocka_unit_test(each_process_draws_its_own_seed),
	};

	if (argc == 2 && strcmp(argv[1], "--hash") == 0) {
		uint64_t h = hash_bytes("everprof", 8);

		return write(STDOUT_FILENO, &h, sizeof(h)) == sizeof(h) ? 0 : 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
