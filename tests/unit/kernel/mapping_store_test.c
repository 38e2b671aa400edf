// SPDX-License-Identifier: Apache-2.0
/*
 * Sets and processes as the kernel would see them: `mappings` is plain memory, `processes` a real map, and a look-up is done as
 * bpf/mapping.bpf.h does it.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/kernel/bpf_here.h"
#include "user/kernel/loader.h"
#include "user/kernel/mapping_store.h"

#define PROCESSES_HERE 64

struct memory {
	struct kernel_maps maps;
	struct gate gate;
	struct mapping_store *store;
};

static int setup(void **state)
{
	struct memory *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	m->maps.processes_fd = bpf_here__map(BPF_MAP_TYPE_HASH, sizeof(uint32_t),
					     sizeof(struct process_entry), PROCESSES_HERE, NULL);
	m->maps.gate = &m->gate;
	m->maps.mappings = calloc(MAPPINGS_MAX, sizeof(struct mapping_entry));
	assert_non_null(m->maps.mappings);
	assert_int_equal(mapping_store__new(&m->maps, &m->store), 0);
	*state = m;
	return 0;
}

static int teardown(void **state)
{
	struct memory *m = *state;

	mapping_store__free(m->store);
	close(m->maps.processes_fd);
	free(m->maps.mappings);
	free(m);
	return 0;
}

static struct task_key key_of(uint32_t tgid, uint32_t exec_id)
{
	return (struct task_key){.start_ns = 1000 + tgid, .tgid = tgid, .exec_id = exec_id};
}

/* What a walk would see; NULL: nothing. */
static const struct mapping_entry *see(const struct memory *m, const struct task_key *key, uint32_t *ret_n)
{
	struct process_entry p;

	if (bpf_map_lookup_elem(m->maps.processes_fd, &key->tgid, &p))
		return NULL;
	if (p.key.start_ns != key->start_ns || p.key.exec_id != key->exec_id)
		return NULL;
	assert_true(p.set_first > 0 && p.set_first + p.set_count < MAPPINGS_MAX);
	if (m->maps.mappings[p.set_first].start != p.set_id)
		return NULL;
	*ret_n = p.set_count;
	return &m->maps.mappings[p.set_first + 1];
}

/* n mappings whose numbers follow from `seed`. */
static struct mapping_entry *make(uint64_t seed, uint32_t n)
{
	struct mapping_entry *e = calloc(n ? n : 1, sizeof(*e));

	assert_non_null(e);
	for (uint32_t i = 0; i < n; i++)
		e[i] = (struct mapping_entry){
			.start = seed * 0x100000 + i * 0x1000, .bias = seed, .pages = 1, .object = i + 1};
	return e;
}

static int set(struct memory *m, const struct task_key *key, uint64_t id, uint32_t n)
{
	struct mapping_entry *e = make(id, n);
	int err = mapping_store__set_process(m->store, key, id, e, n);

	free(e);
	return err;
}

static void assert_sees(const struct memory *m, const struct task_key *key, uint64_t id, uint32_t n)
{
	struct mapping_entry *want = make(id, n);
	uint32_t got_n = 0;
	const struct mapping_entry *got = see(m, key, &got_n);

	assert_non_null(got);
	assert_int_equal(got_n, n);
	assert_memory_equal(got, want, n * sizeof(*want));
	free(want);
}

static struct mapping_store_stats stats(const struct memory *m)
{
	struct mapping_store_stats s;

	mapping_store__stats(m->store, &s);
	return s;
}

static void a_process_is_seen_with_its_mappings(void **state)
{
	struct memory *m = *state;
	struct task_key a = key_of(10, 1), b = key_of(11, 1);
	uint32_t n;

	assert_int_equal(set(m, &a, 1, 5), 0);
	assert_int_equal(set(m, &b, 2, 0), 0);
	assert_sees(m, &a, 1, 5);
	assert_sees(m, &b, 2, 0);
	a.exec_id = 2; /* another program in the same process */
	assert_null(see(m, &a, &n));
	assert_int_equal(stats(m).processes, 2);
	assert_int_equal(stats(m).elements, 7); /* headers count */
}

static void processes_of_one_set_share_it(void **state)
{
	struct memory *m = *state;
	struct task_key parent = key_of(10, 1), child = key_of(11, 1);
	uint32_t n;

	assert_int_equal(set(m, &parent, 9, 100), 0);
	assert_int_equal(set(m, &child, 9, 100), 0);
	assert_int_equal(stats(m).sets, 1);
	assert_ptr_equal(see(m, &parent, &n), see(m, &child, &n));
	mapping_store__drop_process(m->store, &parent);
	assert_null(see(m, &parent, &n));
	assert_sees(m, &child, 9, 100);
	mapping_store__drop_process(m->store, &child);
	assert_int_equal(stats(m).sets, 0);
	assert_int_equal(stats(m).elements, 0);
	assert_int_equal(stats(m).processes, 0);
}

static void a_new_set_takes_the_place_of_the_old(void **state)
{
	struct memory *m = *state;
	struct task_key a = key_of(10, 1);

	for (uint64_t id = 1; id <= 50; id++) {
		assert_int_equal(set(m, &a, id, (uint32_t)id % 7 + 1), 0);
		assert_sees(m, &a, id, (uint32_t)id % 7 + 1);
	}
	assert_int_equal(set(m, &a, 50, 2), 0); /* the same again */
	assert_int_equal(stats(m).sets, 1);
	assert_int_equal(stats(m).processes, 1);
}

static void a_run_that_was_given_back_is_no_set_at_once(void **state)
{
	struct memory *m = *state;
	struct task_key a = key_of(10, 1);
	struct process_entry old;

	assert_int_equal(set(m, &a, 5, 3), 0);
	assert_int_equal(bpf_map_lookup_elem(m->maps.processes_fd, &a.tgid, &old), 0);
	mapping_store__drop_process(m->store, &a);
	/* a walk that still has the old entry sees that the header is another's */
	assert_int_equal(m->maps.mappings[old.set_first].start, MAPPING_SET_GIVEN_BACK(old.set_id));
}

static void a_run_is_not_written_again_while_a_walk_may_be_in_it(void **state)
{
	struct memory *m = *state;
	struct task_key a = key_of(10, 1), b = key_of(11, 1);
	struct process_entry old, new;

	assert_int_equal(set(m, &a, 5, 3), 0);
	assert_int_equal(bpf_map_lookup_elem(m->maps.processes_fd, &a.tgid, &old), 0);
	mapping_store__drop_process(m->store, &a);
	/* and the rest of the array is free to be used meanwhile */
	assert_int_equal(set(m, &b, 6, 3), 0);
	assert_int_equal(bpf_map_lookup_elem(m->maps.processes_fd, &b.tgid, &new), 0);
	assert_true(new.set_first > old.set_first + old.set_count);
	assert_sees(m, &b, 6, 3);
}

static void short_lived_processes_are_never_refused(void **state)
{
	struct memory *m = *state;

	/* a build: each process lives for a moment, and its set goes as the next comes */
	for (uint32_t i = 1; i <= 500; i++) {
		struct task_key key = key_of(i, 1);

		assert_int_equal(set(m, &key, i, 20), 0);
		assert_sees(m, &key, i, 20);
		mapping_store__drop_process(m->store, &key);
	}
	assert_int_equal(stats(m).refused, 0);
	assert_int_equal(stats(m).elements, 0);
}

static void what_was_given_back_can_be_used_again_as_one(void **state)
{
	const struct timespec past_reuse = {.tv_nsec = 600 * 1000 * 1000};
	struct memory *m = *state;
	struct task_key big = key_of(60, 1);

	for (uint32_t i = 1; i <= 50; i++) {
		struct task_key key = key_of(i, 1);

		assert_int_equal(set(m, &key, i, 1000), 0);
	}
	for (uint32_t i = 1; i <= 50; i++) {
		struct task_key key = key_of(i * 7 % 51, 1); /* in another order */

		mapping_store__drop_process(m->store, &key);
	}
	assert_int_equal(stats(m).elements, 0);
	nanosleep(&past_reuse, NULL);
	assert_int_equal(set(m, &big, 100, MAPPINGS_MAX - 2), 0); /* all there is */
	assert_sees(m, &big, 100, MAPPINGS_MAX - 2);
}

static void a_set_too_large_is_refused_and_counted(void **state)
{
	struct memory *m = *state;
	struct task_key a = key_of(10, 1), b = key_of(11, 1);
	uint32_t n;

	assert_int_equal(set(m, &b, 1, 10), 0);
	assert_int_equal(set(m, &a, 2, MAPPINGS_MAX), -E2BIG);
	assert_int_equal(stats(m).refused, 1);
	assert_null(see(m, &a, &n));
	assert_sees(m, &b, 1, 10);
	assert_int_equal(set(m, &a, 3, 4), 0);
	assert_sees(m, &a, 3, 4);
}

static void a_refused_set_leaves_no_older_one_to_be_taken_for_it(void **state)
{
	struct memory *m = *state;
	struct task_key a = key_of(10, 1);
	uint32_t n;

	assert_int_equal(set(m, &a, 1, 10), 0);
	assert_int_equal(set(m, &a, 2, MAPPINGS_MAX), -E2BIG);
	assert_null(see(m, &a, &n));
	assert_int_equal(stats(m).sets, 0);
	assert_int_equal(stats(m).processes, 0);
	assert_int_equal(set(m, &a, 1, 10), 0);
	assert_sees(m, &a, 1, 10);
}

static void slots_are_used_again(void **state)
{
	struct memory *m = *state;

	for (uint32_t round = 0; round < 3; round++) {
		for (uint32_t i = 1; i <= PROCESSES_HERE; i++) {
			struct task_key key = key_of(i, round);

			assert_int_equal(set(m, &key, round * 1000 + i, i % 7), 0);
			assert_sees(m, &key, round * 1000 + i, i % 7);
		}
		for (uint32_t i = 1; i <= PROCESSES_HERE; i += round + 1) {
			struct task_key key = key_of(i, round);

			mapping_store__drop_process(m->store, &key);
		}
	}
	for (uint32_t i = 1; i <= PROCESSES_HERE; i++) {
		struct task_key key = key_of(i, 2);

		if (i % 3 != 1)
			assert_sees(m, &key, 2000 + i, i % 7);
	}
}

static void a_full_process_map_refuses_and_leaves_nothing(void **state)
{
	struct memory *m = *state;
	struct task_key one_more = key_of(PROCESSES_HERE + 1, 1), first = key_of(1, 1);
	uint32_t n;

	for (uint32_t i = 1; i <= PROCESSES_HERE; i++) {
		struct task_key key = key_of(i, 1);

		assert_int_equal(set(m, &key, i, 2), 0);
	}
	assert_true(set(m, &one_more, 1000, 2) < 0);
	assert_int_equal(stats(m).processes, PROCESSES_HERE);
	assert_int_equal(stats(m).sets, PROCESSES_HERE);
	assert_int_equal(stats(m).refused, 1);
	assert_null(see(m, &one_more, &n));
	mapping_store__drop_process(m->store, &first);
	assert_int_equal(set(m, &one_more, 1001, 2), 0);
	assert_sees(m, &one_more, 1001, 2);
}

static void an_end_of_an_older_incarnation_is_late_news(void **state)
{
	struct memory *m = *state;
	struct task_key old = key_of(10, 1), new = key_of(10, 2);

	assert_int_equal(set(m, &old, 1, 2), 0);
	assert_int_equal(set(m, &new, 2, 3), 0);
	mapping_store__drop_process(m->store, &old);
	assert_sees(m, &new, 2, 3);
	mapping_store__drop_process(m->store, &new);
	mapping_store__drop_process(m->store, &new); /* twice does no harm */
	assert_int_equal(stats(m).processes, 0);
}

/* Programs remember what they found until a change is counted. */
static void every_change_of_an_entry_is_counted(void **state)
{
	struct memory *m = *state;
	struct task_key a = key_of(10, 1);

	assert_int_equal(set(m, &a, 5, 3), 0);
	assert_int_equal(m->gate.n_changes, 1);
	assert_int_equal(set(m, &a, 6, 4), 0);
	assert_int_equal(m->gate.n_changes, 2);
	assert_int_equal(set(m, &a, 7, MAPPINGS_MAX), -E2BIG); /* the old entry goes */
	assert_int_equal(m->gate.n_changes, 3);
	assert_int_equal(set(m, &a, 6, 4), 0);
	mapping_store__drop_process(m->store, &a);
	assert_int_equal(m->gate.n_changes, 5);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_process_is_seen_with_its_mappings),
		TEST(processes_of_one_set_share_it),
		TEST(a_new_set_takes_the_place_of_the_old),
		TEST(a_run_that_was_given_back_is_no_set_at_once),
		TEST(a_run_is_not_written_again_while_a_walk_may_be_in_it),
		TEST(short_lived_processes_are_never_refused),
		TEST(what_was_given_back_can_be_used_again_as_one),
		TEST(a_set_too_large_is_refused_and_counted),
		TEST(a_refused_set_leaves_no_older_one_to_be_taken_for_it),
		TEST(slots_are_used_again),
		TEST(a_full_process_map_refuses_and_leaves_nothing),
		TEST(every_change_of_an_entry_is_counted),
		TEST(an_end_of_an_older_incarnation_is_late_news),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
