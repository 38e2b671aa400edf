/* SPDX-License-Identifier: Apache-2.0 */
/* Each test names one stack and looks at its locations, leaf first. */
#include "tests/unit/pipeline/known_library.h"

#define KERNEL(addr) (0xffffffff00000000ull | (addr))

struct named {
	struct profile *p;
	uint32_t locations[8], n;
};

/* The profile of a window with the one sample; the window goes. */
static struct named name_one(const struct known *k, struct window *w)
{
	struct named named;

	end_window(w);
	named.p = known__name(k, w, false, 0, UINT64_MAX);
	window__unref(w);
	assert_int_equal(profile__n_samples(named.p), 1);
	named.n = profile__get_stack(named.p, profile__get_sample(named.p, 0)->stack, named.locations, 8);
	assert_true(named.n <= 8);
	return named;
}

static const struct function *function_at(const struct named *n, uint32_t i)
{
	const struct location *l = profile__get_location(n->p, n->locations[i]);

	assert_true(i < n->n);
	assert_int_equal(l->n_lines, 1);
	return profile__get_function(n->p, profile__lines(n->p, l)->function);
}

static const char *name_at(const struct named *n, uint32_t i)
{
	return profile__str(n->p, function_at(n, i)->name);
}

static uint64_t address_at(const struct named *n, uint32_t i)
{
	return profile__get_location(n->p, n->locations[i])->address;
}

/* NULL: none. */
static const struct mapping *mapping_at(const struct named *n, uint32_t i)
{
	uint32_t id = profile__get_location(n->p, n->locations[i])->mapping;

	return id ? profile__get_mapping(n->p, id) : NULL;
}

/* Two addresses of libknown.so, the second the first one's caller's. */
static struct named name_pair(struct known *k, uint64_t leaf, uint64_t caller)
{
	struct window *w = begun_window();
	uint32_t id;

	known__build(k);
	id = known__map(k, 7, "libknown.so", "/opt/libknown.so");
	add_sample(w, SAMPLE(w, 7, frame_of_object(id, leaf), frame_of_object(id, caller)));
	return name_one(k, w);
}

static void frames_of_a_file_get_its_functions_and_its_segment(void **state)
{
	struct known *k = *state;
	struct named n = name_pair(k, 0x7058, 0x701f);
	const struct mapping *m;

	assert_int_equal(n.n, 2);
	assert_string_equal(name_at(&n, 0), "outer::inner");
	assert_string_equal(profile__str(n.p, function_at(&n, 0)->system_name), "_ZN5outer5innerEi");
	assert_int_equal(address_at(&n, 0), 0x7058);
	assert_string_equal(name_at(&n, 1), "alpha");
	assert_int_equal(address_at(&n, 1), 0x701f);
	m = mapping_at(&n, 0);
	assert_ptr_equal(m, mapping_at(&n, 1));
	assert_int_equal(m->start, 0x7000);
	assert_int_equal(m->limit, 0x8000);
	assert_int_equal(m->offset, 0x1000);
	assert_string_equal(profile__str(n.p, m->filename), "/opt/libknown.so");
	assert_string_equal(profile__str(n.p, m->build_id), KNOWN_BUILD_ID);
	assert_true(m->has_functions);
	assert_false(m->has_filenames);
	assert_false(m->has_line_numbers);
	profile__free(n.p);
}

/* The segment of one address is not that of another. */
static void address_outside_of_the_segments_has_none_beside_one_that_has(void **state)
{
	struct known *k = *state;
	struct named n = name_pair(k, 0x9058, 0x7058);

	assert_int_equal(n.n, 2);
	assert_int_equal(mapping_at(&n, 0)->limit, 0);
	assert_int_equal(mapping_at(&n, 1)->start, 0x7000);
	assert_int_equal(mapping_at(&n, 1)->limit, 0x8000);
	profile__free(n.p);
}

static void address_between_functions_is_told_as_binary_and_offset(void **state)
{
	struct known *k = *state;
	struct named n = name_pair(k, 0x7000, 0x7030);

	assert_string_equal(name_at(&n, 0), "alpha");
	assert_string_equal(name_at(&n, 1), "[libknown.so]+0x7030");
	assert_ptr_equal(mapping_at(&n, 1), mapping_at(&n, 0));
	profile__free(n.p);
}

static void stripped_file_keeps_mapping_and_build_id(void **state)
{
	struct known *k = *state;
	struct window *w = begun_window();
	struct named n;
	uint32_t id;

	known__build(k);
	known__shell(k, "strip -s libknown.so");
	id = known__map(k, 7, "libknown.so", "/opt/libknown.so");
	add_sample(w, SAMPLE(w, 7, frame_of_object(id, 0x7010)));
	n = name_one(k, w);
	assert_string_equal(name_at(&n, 0), "[libknown.so]+0x7010");
	assert_string_equal(profile__str(n.p, mapping_at(&n, 0)->build_id), KNOWN_BUILD_ID);
	assert_int_equal(mapping_at(&n, 0)->offset, 0x1000);
	profile__free(n.p);
}

static void file_that_cannot_be_read_has_a_mapping_without_bounds(void **state)
{
	struct known *k = *state;
	struct window *w = begun_window();
	struct object_mapping m = {.tgid = 7,
				   .pid_dir_fd = FD_CLOSED,
				   .start = KNOWN_BASE,
				   .end = KNOWN_BASE + 0x1000,
				   .pgoff = 0x2000,
				   .path = "/gone/libgone.so"};
	uint64_t bias = 0;
	struct named n;
	uint32_t id = 0;

	assert_int_equal(object_cache__open_mapping(k->objects, &m, NS_PER_SEC, &id, &bias), 0);
	add_sample(w, SAMPLE(w, 7, frame_of_object(id, 0x2004)));
	n = name_one(k, w);
	assert_string_equal(name_at(&n, 0), "[libgone.so]+0x2004");
	assert_string_equal(profile__str(n.p, mapping_at(&n, 0)->filename), "/gone/libgone.so");
	assert_int_equal(mapping_at(&n, 0)->start, 0);
	assert_int_equal(mapping_at(&n, 0)->limit, 0);
	profile__free(n.p);
}

static void object_that_was_let_go_is_unknown(void **state)
{
	struct known *k = *state;
	struct window *w = begun_window();
	struct named n;

	add_sample(w, SAMPLE(w, 7, frame_of_object(4711, 0x10)));
	n = name_one(k, w);
	assert_string_equal(name_at(&n, 0), "[unknown]+0x10");
	profile__free(n.p);
}

static void kernel_frames_are_named_by_kallsyms(void **state)
{
	struct known *k = *state;
	struct window *w = begun_window();
	const struct mapping *m;
	struct named n;

	fixture__write(&k->tree, "kallsyms", "%s",
		       "ffffffff81000000 T schedule\nffffffff81000100 T vfs_read\n"
		       "ffffffffc0000000 t ext4_readdir\t[ext4]\n");
	add_sample(w, SAMPLE(w, 7, KERNEL(0x81000010), KERNEL(0xc0000004), KERNEL(0x80000000)));
	n = name_one(k, w);
	assert_string_equal(name_at(&n, 0), "schedule");
	assert_int_equal(address_at(&n, 0), KERNEL(0x81000010));
	assert_string_equal(name_at(&n, 1), "ext4_readdir");
	assert_string_equal(profile__str(n.p, function_at(&n, 1)->filename), "[ext4]");
	assert_string_equal(name_at(&n, 2), "[kernel]+0xffffffff80000000");
	m = mapping_at(&n, 0);
	assert_string_equal(profile__str(n.p, m->filename), "[kernel.kallsyms]");
	assert_true(m->start <= KERNEL(0x80000000) && m->limit > KERNEL(0xc0000004));
	for (uint32_t i = 1; i < 3; i++)
		assert_ptr_equal(mapping_at(&n, i), m);
	profile__free(n.p);
}

static const char *jit_name(void *ctx, const struct task_key *key, uint64_t addr)
{
	(void)ctx, (void)key;
	return addr == 0x5000 ? "LazyCompile:~hot /app.js:3" : NULL;
}

static void code_in_no_file_has_its_jit_name_or_its_address(void **state)
{
	struct known *k = *state;
	struct window *w = begun_window();
	struct window_sample s = SAMPLE(w, 7, frame_of_raw(0x5000), frame_of_raw(0x7f0000001234));
	struct named n;

	assert_int_equal(window__add(w, &s, jit_name, NULL), 0);
	n = name_one(k, w);
	assert_string_equal(name_at(&n, 0), "LazyCompile:~hot /app.js:3");
	assert_int_equal(address_at(&n, 0), 0x5000);
	assert_null(mapping_at(&n, 0));
	assert_string_equal(name_at(&n, 1), "[anonymous]+0x7f0000001234");
	assert_null(mapping_at(&n, 1));
	profile__free(n.p);
}

static void cut_stack_ends_in_its_reason(void **state)
{
	struct known *k = *state;

	for (int end = 0; end < END_MAX; end++) {
		struct window *w = begun_window();
		char wanted[64];
		struct named n;

		add_sample(w, SAMPLE(w, 7, frame_of_raw(0x5000), frame_of_cut((uint8_t)end)));
		n = name_one(k, w);
		assert_int_equal(n.n, 2);
		snprintf(wanted, sizeof(wanted), "[truncated: %s]", end_reason__name((enum end_reason)end));
		assert_string_equal(name_at(&n, 1), wanted);
		assert_null(mapping_at(&n, 1));
		profile__free(n.p);
	}
}

static void reason_that_is_not_known_is_told_as_that(void **state)
{
	struct known *k = *state;
	struct window *w = begun_window();
	struct named n;

	add_sample(w, SAMPLE(w, 7, frame_of_cut(250)));
	n = name_one(k, w);
	assert_string_equal(name_at(&n, 0), "[truncated: unknown]");
	profile__free(n.p);
}

/* Stripped, with the names in a debug file that only the image of process 7 has. */
static uint32_t map_stripped(struct known *k)
{
	known__build(k);
	known__shell(k, "mkdir -p image/usr/lib/debug/.build-id/01 && "
			"objcopy --only-keep-debug libknown.so image/usr/lib/debug/" KNOWN_DEBUG
			" && strip -s libknown.so");
	fixture__process(&k->tree, 7, "app", 700, 0, "");
	known__shell(k, "ln -s ../image 7/root && echo '1 0 8:1 / / rw - ext4 disk rw' >7/mountinfo");
	return known__map(k, 7, "libknown.so", "/opt/libknown.so");
}

static void debug_file_is_found_in_the_root_of_a_process_that_runs_the_code(void **state)
{
	struct known *k = *state;
	struct window *w = begun_window();
	struct named n;
	uint32_t id = map_stripped(k);

	add_sample(w, SAMPLE(w, 7, frame_of_object(id, 0x7010)));
	n = name_one(k, w);
	assert_string_equal(name_at(&n, 0), "alpha");
	profile__free(n.p);
}

static void process_that_ended_does_not_hide_another_one_that_runs_the_code(void **state)
{
	struct known *k = *state;
	struct window *w = begun_window();
	struct window_sample s;
	uint32_t id = map_stripped(k);
	struct profile *p;
	uint32_t found = 0;

	add_sample(w, SAMPLE(w, 6, frame_of_object(id, 0x7010)));
	s = SAMPLE(w, 7, frame_of_object(id, 0x7018));
	add_sample(w, s);
	end_window(w);
	p = known__name(k, w, false, 0, UINT64_MAX);
	for (uint32_t i = 1; i <= profile__n_functions(p); i++)
		found += !strcmp(profile__str(p, profile__get_function(p, i)->name), "alpha");
	assert_int_equal(found, 1);
	assert_int_equal(profile__n_functions(p), 1);
	profile__free(p);
	window__unref(w);
}

static void root_of_a_later_process_with_the_same_pid_is_not_searched(void **state)
{
	struct known *k = *state;
	struct window *w = begun_window();
	struct named n;
	uint32_t id = map_stripped(k);

	fixture__process(&k->tree, 7, "other", 701, 0, ""); /* started later than the key says */
	add_sample(w, SAMPLE(w, 7, frame_of_object(id, 0x7010)));
	n = name_one(k, w);
	assert_string_equal(name_at(&n, 0), "[libknown.so]+0x7010");
	profile__free(n.p);
}

#define location_test(f) cmocka_unit_test_setup_teardown(f, known__setup, known__teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		location_test(frames_of_a_file_get_its_functions_and_its_segment),
		location_test(address_outside_of_the_segments_has_none_beside_one_that_has),
		location_test(address_between_functions_is_told_as_binary_and_offset),
		location_test(stripped_file_keeps_mapping_and_build_id),
		location_test(file_that_cannot_be_read_has_a_mapping_without_bounds),
		location_test(object_that_was_let_go_is_unknown),
		location_test(kernel_frames_are_named_by_kallsyms),
		location_test(code_in_no_file_has_its_jit_name_or_its_address),
		location_test(cut_stack_ends_in_its_reason),
		location_test(reason_that_is_not_known_is_told_as_that),
		location_test(debug_file_is_found_in_the_root_of_a_process_that_runs_the_code),
		location_test(process_that_ended_does_not_hide_another_one_that_runs_the_code),
		location_test(root_of_a_later_process_with_the_same_pid_is_not_searched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
