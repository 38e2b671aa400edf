/* SPDX-License-Identifier: Apache-2.0 */
/* One tree, built every way that binaries come; and names from every place that they come from. */
#include <ctype.h>
#include <limits.h>
#include <sys/stat.h>

#include "tests/e2e/e2e.h"

#define TREE_ROOT ";tree_round" TO_ROOT

static void expect_tree(const struct recording *r, const char *root)
{
	struct expect_filter mine = {.pid = r->pid};
	char pattern[256];

	snprintf(pattern, sizeof(pattern), "top1;c1;b1;a1%s", root);
	expect_share(r->profile, &mine, pattern, 0.5);
	snprintf(pattern, sizeof(pattern), "top2;b2;a1%s", root);
	expect_share(r->profile, &mine, pattern, 0.3);
	snprintf(pattern, sizeof(pattern), "top3;c1;a2%s", root);
	expect_share(r->profile, &mine, pattern, 0.2);
}

static void expect_whole_tree(const struct recording *r)
{
	expect_tree(r, TREE_ROOT);
	expect_complete(r->profile, &(struct expect_filter){.pid = r->pid}, COMPLETE);
}

static void program_that_is_not_position_independent(void **state)
{
	struct recording *r = *state;

	recording__of(r, ARGS("calltree_nopie", RECORDING_LONG));
	expect_whole_tree(r);
}

static void static_program(void **state)
{
	struct recording *r = *state;

	recording__of(r, ARGS("calltree_static", RECORDING_LONG));
	expect_whole_tree(r);
}

static void static_position_independent_program(void **state)
{
	struct recording *r = *state;

	recording__of(r, ARGS("calltree_static_pie", RECORDING_LONG));
	expect_whole_tree(r);
}

/* musl has no unwind tables for its own C code: what lies between main and the root is cut, and says so or ends there. */
static void program_of_musl(void **state)
{
	struct recording *r = *state;

	recording__of(r, ARGS("calltree_musl", RECORDING_LONG));
	expect_tree(r, ";tree_round;main;**");
}

static void static_program_of_musl(void **state)
{
	struct recording *r = *state;

	recording__of(r, ARGS("calltree_musl_static", RECORDING_LONG));
	expect_tree(r, ";tree_round;main;**");
}

static void stripped_program_has_binary_and_offset_and_whole_stacks(void **state)
{
	struct recording *r = *state;
	struct expect_filter mine;

	recording__of(r, ARGS("calltree_stripped", RECORDING_LONG));
	mine = (struct expect_filter){.pid = r->pid};
#define BARE "\\[calltree_stripped]+0x*"
	/* leaf, c1, b1, a1, tree_round, main, two of the C library, _start */
	expect_share(r->profile, &mine, BARE ";" BARE ";" BARE ";" BARE ";" BARE ";" BARE ";*;*;" BARE, 0.5);
	expect_share(r->profile, &mine, BARE ";" BARE ";" BARE ";" BARE ";" BARE ";*;*;" BARE, 0.5);
	expect_complete(r->profile, &mine, COMPLETE);
}

/* The build-id of a file, as readelf prints it. */
static void build_id(const char *path, char *hex, size_t size)
{
	struct run readelf;
	const char *at;
	size_t n = 0;
	int status;

	assert_int_equal(run__to_end(&readelf, 10000, &status, ARGS("/usr/bin/readelf", "-n", path)), 0);
	at = strstr(run__out(&readelf), "Build ID: ");
	assert_non_null(at);
	for (at += strlen("Build ID: "); isxdigit((unsigned char)*at) && n + 1 < size; at++)
		hex[n++] = *at;
	hex[n] = '\0';
	run__done(&readelf);
	assert_int_equal(n, 40);
}

static void names_come_from_a_debug_file_by_build_id(void **state)
{
	struct recording *r = *state;
	char program[4096], symbols[4104], hex[64], dir[PATH_MAX], path[PATH_MAX];

	if (geteuid())
		skip();
	run__path_workload("calltree_buildid", program);
	snprintf(symbols, sizeof(symbols), "%s.symbols", program);
	build_id(program, hex, sizeof(hex));
	snprintf(dir, sizeof(dir), "/usr/lib/debug/.build-id/%.2s", hex);
	snprintf(path, sizeof(path), "/usr/lib/debug/.build-id/%.2s/%s.debug", hex, hex + 2);
	mkdir("/usr/lib/debug", 0755);
	mkdir("/usr/lib/debug/.build-id", 0755);
	mkdir(dir, 0755);
	unlink(path);
	recording__copy(symbols, path);
	recording__of(r, ARGS("calltree_buildid", RECORDING_LONG));
	unlink(path);
	rmdir(dir);
	expect_whole_tree(r);
}

static void names_come_from_a_debug_file_by_debuglink(void **state)
{
	struct recording *r = *state;

	recording__of(r, ARGS("calltree_debuglink", RECORDING_LONG));
	expect_whole_tree(r);
}

static void names_come_from_compressed_symbols_inside_the_file(void **state)
{
	struct recording *r = *state;

	recording__of(r, ARGS("calltree_minidebug", RECORDING_LONG));
	expect_whole_tree(r);
}

static void deleted_program_keeps_its_names(void **state)
{
	struct recording *r = *state;
	char program[4096];

	run__path_workload("calltree", program);
	recording__copy(program, recording__file(r, "deleted"));
	recording__of(r, ARGS(recording__file(r, "deleted"), RECORDING_LONG, "unlink"));
	assert_int_equal(access(recording__file(r, "deleted"), F_OK), -1);
	expect_whole_tree(r);
}

static void cpp_names_are_demangled(void **state)
{
	struct recording *r = *state;
	struct expect_filter mine;

	recording__of(r, ARGS("cpp", RECORDING_LONG));
	mine = (struct expect_filter){.pid = r->pid};
	expect_at_least(
		r->profile, &mine,
		"shop::Box<std::pair<int, char>*>::spin*;shop::\\(anonymous namespace)::call*" TO_ROOT,
		NEARLY_ALL);
	expect_complete(r->profile, &mine, COMPLETE);
}

#define GO_ROOT ";main.treeRound;main.main;runtime.main;runtime.goexit*"

static void go_tree(const struct recording *r)
{
	struct expect_filter mine = {.pid = r->pid};

	/* the rest is the runtime's own: its timer thread, the collector */
	expect_share(r->profile, &mine, "main.spin;main.top1;main.c1;main.b1;main.a1" GO_ROOT, 0.5);
	expect_share(r->profile, &mine, "main.spin;main.top2;main.b2;main.a1" GO_ROOT, 0.3);
	expect_share(r->profile, &mine, "main.spin;main.top3;main.c1;main.a2" GO_ROOT, 0.2);
	expect_complete(r->profile, &mine, COMPLETE);
}

static void go_program_has_its_shares(void **state)
{
	struct recording *r = *state;

	recording__of(r, ARGS("gotree", RECORDING_LONG));
	go_tree(r);
}

static void go_function_without_a_frame_keeps_its_caller(void **state)
{
	struct recording *r = *state;
	struct expect_filter mine;

	recording__of(r, ARGS("gotree", RECORDING_LONG, "frameless"));
	mine = (struct expect_filter){.pid = r->pid};
	expect_share(r->profile, &mine, "main.spinFrameless;main.top1;main.c1;main.b1;main.a1" GO_ROOT, 0.5);
	expect_share(r->profile, &mine, "main.spinFrameless;main.top2;main.b2;main.a1" GO_ROOT, 0.3);
}

/* Line `number` of the file, which is the one that the program was built from, begins with `text`. */
static void expect_source_line(const char *path, int64_t number, const char *text)
{
	char line[256] = "";
	FILE *f = fopen(path, "re");

	if (!f)
		fail_msg("'%s' is not where the program was built from", path);
	while (number > 0 && fgets(line, sizeof(line), f))
		number--;
	fclose(f);
	if (number || strncmp(line, text, strlen(text)))
		fail_msg("that line of '%s' is '%s', expected '%s…'", path, line, text);
}

/* Function names, and the lines of gotree.go. */
static void stripped_go_program_has_names_files_and_lines(void **state)
{
	struct recording *r = *state;
	bool found = false;

	recording__of(r, ARGS("gotree_stripped", RECORDING_LONG));
	go_tree(r);
	for (uint32_t id = 1; id <= profile__n_locations(r->profile); id++) {
		const struct location *l = profile__get_location(r->profile, id);
		const struct line *lines = profile__lines(r->profile, l);

		for (uint32_t i = 0; i < l->n_lines; i++) {
			const struct function *f = profile__get_function(r->profile, lines[i].function);
			const char *file = profile__str(r->profile, f->filename);

			if (strcmp(profile__str(r->profile, f->name), "main.b1"))
				continue;
			found = true;
			expect_source_line(file, lines[i].line, "func b1(");
		}
	}
	assert_true(found);
}

static void jit_code_is_walked_and_named(struct recording *r, const char *mode)
{
	char map[64];

	recording__of(r, ARGS("jit", RECORDING_LONG, mode));
	snprintf(map, sizeof(map), "/tmp/perf-%lld.map", r->pid);
	unlink(map);
	expect_at_least(r->profile, &(struct expect_filter){.pid = r->pid},
			"jit::inner \\(work);jit::outer;jit_call" TO_ROOT, NEARLY_ALL);
	expect_complete(r->profile, &(struct expect_filter){.pid = r->pid}, COMPLETE);
}

static void jit_code_has_the_last_name_of_the_perf_map(void **state)
{
	jit_code_is_walked_and_named(*state, "plain");
}

static void perf_maps_may_write_0x(void **state)
{
	jit_code_is_walked_and_named(*state, "0x");
}

static void jit_code_without_names_is_still_walked(void **state)
{
	struct recording *r = *state;

	recording__of(r, ARGS("jit", RECORDING_LONG, "none"));
	expect_at_least(r->profile, &(struct expect_filter){.pid = r->pid}, "*;*;jit_call" TO_ROOT,
			NEARLY_ALL);
}

static void jit_code_without_frame_pointers_is_walked_by_the_rule_that_it_tells(void **state)
{
	struct recording *r = *state;

	recording__of(r, ARGS("jit_rule", RECORDING_LONG));
	expect_at_least(r->profile, &(struct expect_filter){.pid = r->pid}, "*;jit_call" TO_ROOT, NEARLY_ALL);
	expect_complete(r->profile, &(struct expect_filter){.pid = r->pid}, COMPLETE);
}

/* Its first stacks wait until it has told. */
static void jit_code_is_walked_by_a_rule_that_comes_later(void **state)
{
	struct recording *r = *state;

	recording__of(r, ARGS("jit_rule", RECORDING_LONG, "late"));
	expect_at_least(r->profile, &(struct expect_filter){.pid = r->pid}, "*;jit_call" TO_ROOT, NEARLY_ALL);
	expect_complete(r->profile, &(struct expect_filter){.pid = r->pid}, COMPLETE);
}

static void jit_code_that_tells_nothing_is_cut_and_says_so(void **state)
{
	struct recording *r = *state;

	recording__of(r, ARGS("jit_rule", RECORDING_LONG, "silent"));
	expect_at_least(r->profile, &(struct expect_filter){.pid = r->pid}, "*;\\[truncated: bad_fp]",
			NEARLY_ALL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		e2e_test(program_that_is_not_position_independent),
		e2e_test(static_program),
		e2e_test(static_position_independent_program),
		e2e_test(program_of_musl),
		e2e_test(static_program_of_musl),
		e2e_test(stripped_program_has_binary_and_offset_and_whole_stacks),
		e2e_test(names_come_from_a_debug_file_by_build_id),
		e2e_test(names_come_from_a_debug_file_by_debuglink),
		e2e_test(names_come_from_compressed_symbols_inside_the_file),
		e2e_test(deleted_program_keeps_its_names),
		e2e_test(cpp_names_are_demangled),
		e2e_test(go_program_has_its_shares),
		e2e_test(go_function_without_a_frame_keeps_its_caller),
		e2e_test(stripped_go_program_has_names_files_and_lines),
		e2e_test(jit_code_has_the_last_name_of_the_perf_map),
		e2e_test(perf_maps_may_write_0x),
		e2e_test(jit_code_without_names_is_still_walked),
		e2e_test(jit_code_without_frame_pointers_is_walked_by_the_rule_that_it_tells),
		e2e_test(jit_code_is_walked_by_a_rule_that_comes_later),
		e2e_test(jit_code_that_tells_nothing_is_cut_and_says_so),
	};

	return cmocka_run_group_tests_name("binaries", tests, NULL, NULL);
}
