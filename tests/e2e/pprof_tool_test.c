/* SPDX-License-Identifier: Apache-2.0 */
/* The files in the hands of the tool that most people open them with: `go tool pprof` as Debian has it. */
#include <glob.h>

#include "tests/e2e/e2e.h"

/* Debian's go, not one that happens to be first in somebody's PATH. */
static void go_path(char path[4096])
{
	glob_t found = {};

	if (!glob("/usr/lib/go-*/bin/go", 0, NULL, &found))
		snprintf(path, 4096, "%s", found.gl_pathv[0]);
	else
		snprintf(path, 4096, "/usr/bin/go");
	globfree(&found);
	if (access(path, X_OK))
		skip();
}

/* No settings of the caller are read or written. Its build cache is: since Go 1.25 the tool is built when it is first called. */
static void be_at_home(const struct recording *r)
{
	setenv("HOME", "/root", 0);
	setenv("XDG_CONFIG_HOME", r->dir, 1);
}

/* Runs `go tool pprof ARGS… FILE`, expects it to work, and to print each of `words` (NULL at the end). */
static void pprof(struct recording *r, const char *const *args, const char *const *words)
{
	const char *argv[RUN_ARGS_MAX];
	struct run tool = {};
	char go[4096];
	int n = 0, status = -1, err;

	go_path(go);
	be_at_home(r);
	setenv("GOFLAGS", "", 1);
	setenv("PPROF_TMPDIR", r->dir, 1);
	argv[n++] = go;
	argv[n++] = "tool";
	argv[n++] = "pprof";
	argv[n++] = "-symbolize=none";
	while (*args)
		argv[n++] = *args++;
	argv[n++] = r->path;
	argv[n] = NULL;
	err = run__to_end(&tool, 60000, &status, argv);
	if (err || status)
		fail_msg("go tool pprof %s: status %d: %s", argv[4], status, run__errors(&tool));
	for (; *words; words++)
		if (!strcasestr(run__out(&tool), *words))
			fail_msg("go tool pprof %s does not print '%s': %s%s", argv[4], *words,
				 run__out(&tool), run__errors(&tool));
	run__done(&tool);
}

static void every_view_opens_the_file(void **state)
{
	struct recording *r = *state;
	char pid[32];

	recording__of(r, ARGS("calltree", RECORDING_LONG));
	snprintf(pid, sizeof(pid), "%lld", r->pid);
	pprof(r, ARGS("-top"), ARGS("Type: cpu", "top1", "top2", "top3"));
	pprof(r, ARGS("-top", "-sample_index=samples"), ARGS("Type: samples", "top1"));
	pprof(r, ARGS("-traces"), ARGS("tree_round", "_start"));
	pprof(r, ARGS("-tags"), ARGS("pid:", "comm:", "calltree", pid));
	pprof(r, ARGS("-peek", "^b1$"), ARGS("a1", "c1"));
	pprof(r, ARGS("-raw"), ARGS("PeriodType: ", "Mappings"));
	pprof(r, ARGS("-dot"), ARGS("digraph", "top1"));
	pprof(r, ARGS("-tree"), ARGS("b1", "top1"));
	pprof(r, ARGS("-callgrind"), ARGS("positions: instr line", "top1"));
	pprof(r, ARGS("-top", "-focus=^b2$"), ARGS("top2"));
	pprof(r, ARGS("-top", "-tagfocus=comm=calltree"), ARGS("top1"));
	pprof(r, ARGS("-comments"), ARGS("everprof"));
}

/* -top prints the share of each function; for top1 that is half. */
static void shares_are_those_of_the_tree(void **state)
{
	struct recording *r = *state;
	char line[1024], go[4096], *text, *rest, *word;
	struct run tool = {};
	double share = -1;
	int status = -1;

	recording__of(r, ARGS("calltree", RECORDING_LONG));
	go_path(go);
	be_at_home(r);
	assert_int_equal(run__to_end(&tool, 60000, &status,
				     ARGS(go, "tool", "pprof", "-symbolize=none", "-top", r->path)),
			 0);
	text = strdup(run__out(&tool));
	assert_non_null(text);
	for (char *l = strtok_r(text, "\n", &rest); l; l = strtok_r(NULL, "\n", &rest)) {
		size_t len = strlen(l);

		if (len < 5 || strcmp(l + len - 5, " top1"))
			continue;
		snprintf(line, sizeof(line), "%s", l);
		word = strchr(line, '%');
		assert_non_null(word);
		while (word > line && word[-1] != ' ')
			word--;
		share = strtod(word, NULL) / 100;
	}
	free(text);
	run__done(&tool);
	if (share < 0.5 - 0.05 || share > 0.5 + 0.05)
		fail_msg("top1 has %.3f of the time in go tool pprof", share);
}

static void a_difference_with_itself_is_nothing(void **state)
{
	struct recording *r = *state;
	char base[4200];

	recording__of(r, ARGS("calltree", RECORDING_LONG));
	snprintf(base, sizeof(base), "-diff_base=%s", r->path);
	pprof(r, ARGS("-top", base), ARGS("accounting for 0, 0%"));
	snprintf(base, sizeof(base), "-base=%s", r->path);
	pprof(r, ARGS("-top", base), ARGS("accounting for 0, 0%"));
}

/* Addresses are the file's own, so that the disassembly of a function finds its samples. */
static void disassembly_finds_the_samples(void **state)
{
	struct recording *r = *state;

	recording__of(r, ARGS("calltree_nopie", RECORDING_LONG));
	pprof(r, ARGS("-disasm=top1"), ARGS("ROUTINE", "top1", "imul"));
	recording__of(r, ARGS("calltree", RECORDING_LONG));
	pprof(r, ARGS("-disasm=top1"), ARGS("ROUTINE", "top1", "imul"));
}

/* A recording says functions and addresses, no lines: the tool finds those itself, from the addresses and the file that they are of. */
static void sources_stand_beside_their_time(void **state)
{
	struct recording *r = *state;

	recording__of(r, ARGS("calltree", RECORDING_LONG));
	pprof(r, ARGS("-list=^top1$", "-symbolize=force"), ARGS("ROUTINE", "top1 in", "work.h"));
	pprof(r, ARGS("-weblist=^top1$", "-symbolize=force", "-output=/dev/stdout"),
	      ARGS("<html", "top1", "work.h"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		e2e_test(every_view_opens_the_file),           e2e_test(shares_are_those_of_the_tree),
		e2e_test(a_difference_with_itself_is_nothing), e2e_test(disassembly_finds_the_samples),
		e2e_test(sources_stand_beside_their_time),
	};

	return cmocka_run_group_tests_name("pprof_tool", tests, NULL, NULL);
}
