// SPDX-License-Identifier: Apache-2.0
/* The subcommand as a user meets it: arguments in, exit status and text out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "user/cmd/cmd.h"

struct result {
	int status;
	char out[64 << 10], err[4096];
};

static void slurp(FILE *f, char *text, size_t size)
{
	rewind(f);
	text[fread(text, 1, size - 1, f)] = '\0';
	fclose(f);
}

/* Runs `config ARGS…` in a child; the list ends with NULL. */
static struct result run(const char *const *args)
{
	static struct result r;
	FILE *out = tmpfile(), *err = tmpfile();
	int argc = 1, status;
	char *argv[16] = {(char[]){"config"}};
	pid_t pid;

	assert_non_null(out);
	assert_non_null(err);
	for (; args[argc - 1]; argc++)
		argv[argc] = (char *)(uintptr_t)args[argc - 1];
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		dup2(fileno(out), 1);
		dup2(fileno(err), 2);
		status = cmd_config(argc, argv);
		fflush(NULL);
		_exit(status);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	r.status = WEXITSTATUS(status);
	slurp(out, r.out, sizeof(r.out));
	slurp(err, r.err, sizeof(r.err));
	return r;
}

#define RUN(...) run((const char *const[]){__VA_ARGS__, NULL})

/* Writes the text into a fresh file and gives its path. */
static const char *file_with(const char *text)
{
	static char path[64];
	int fd;

	strcpy(path, "/tmp/everprof-cmd-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	return path;
}

static void a_good_file_is_checked_in_silence(void **state)
{
	const char *path = file_with("profiling: {window: 30s}\n");
	struct result r = RUN("check", path);

	(void)state;
	unlink(path);
	assert_int_equal(r.status, 0);
	assert_string_equal(r.out, "");
	assert_string_equal(r.err, "");
}

static void a_bad_file_is_one_line_and_status_1(void **state)
{
	const char *path = file_with("profiling:\n  widnow: 30s\n");
	struct result r = RUN("check", path);
	char expected[200];

	(void)state;
	unlink(path);
	snprintf(expected, sizeof(expected),
		 "everprof: config: %s:2: profiling.widnow: unknown key, did you mean 'window'?\n", path);
	assert_int_equal(r.status, 1);
	assert_string_equal(r.out, "");
	assert_string_equal(r.err, expected);
	r = RUN("check", "/nowhere/at/all.yaml");
	assert_int_equal(r.status, 1);
	assert_string_equal(r.err, "everprof: config: /nowhere/at/all.yaml: cannot read the configuration: "
				   "No such file or directory\n");
}

static void a_check_is_of_the_file_and_not_of_the_environment(void **state)
{
	const char *path = file_with("");
	struct result r;

	(void)state;
	setenv("EVERPROF_PROFILING_WINDOW", "60", 1);
	r = RUN("check", path);
	assert_int_equal(r.status, 0);
	r = RUN("show", "-c", path);
	assert_int_equal(r.status, 1);
	unsetenv("EVERPROF_PROFILING_WINDOW");
	unlink(path);
}

static void effective_values_are_shown_with_their_origin(void **state)
{
	const char *path = file_with("profiling: {window: 30s}\n");
	struct result r;

	(void)state;
	setenv("PROFILING_ENABLED", "false", 1);
	r = RUN("show", "-c", path, "--set", "profiling.cpu.frequency=7", "--set=labels.tid=true");
	unsetenv("PROFILING_ENABLED");
	unlink(path);
	assert_int_equal(r.status, 0);
	assert_string_equal(r.err, "");
	assert_non_null(strstr(
		r.out, "  enabled: false                                # environment PROFILING_ENABLED\n"));
	assert_non_null(strstr(r.out, "    frequency: 7                                # --set\n"));
	assert_non_null(strstr(r.out, "  tid: true                                     # --set\n"));
	assert_non_null(strstr(r.out, path));
}

static void the_reference_is_printed(void **state)
{
	struct result r = RUN("reference");

	(void)state;
	assert_int_equal(r.status, 0);
	assert_non_null(
		strstr(r.out, "| `profiling.cpu.frequency` | `99` | a whole number from 1 to 1000 |"));
}

static void wrong_usage_is_status_2(void **state)
{
	struct result r = RUN("frobnicate");

	(void)state;
	assert_int_equal(r.status, 2);
	assert_non_null(strstr(r.err, "usage: everprof config check FILE"));
	assert_string_equal(r.out, "");
	assert_int_equal(run((const char *const[]){NULL}).status, 2);
	assert_int_equal(RUN("check").status, 2);
	assert_int_equal(RUN("check", "a", "b").status, 2);
	assert_int_equal(RUN("check", "-c", "a", "b").status, 2);
	assert_int_equal(RUN("show", "x").status, 2);
	assert_int_equal(RUN("show", "--frob").status, 2);
	assert_int_equal(RUN("show", "--set").status, 2);
}

static void help_is_status_0(void **state)
{
	struct result r = RUN("--help");

	(void)state;
	assert_int_equal(r.status, 0);
	assert_string_equal(r.err, "");
	assert_non_null(strstr(r.out, "--set KEY=VALUE"));
	assert_int_equal(RUN("show", "-h").status, 0);
	assert_int_equal(RUN("check", "--help").status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_file_is_checked_in_silence),
		cmocka_unit_test(a_bad_file_is_one_line_and_status_1),
		cmocka_unit_test(a_check_is_of_the_file_and_not_of_the_environment),
		cmocka_unit_test(effective_values_are_shown_with_their_origin),
		cmocka_unit_test(the_reference_is_printed),
		cmocka_unit_test(wrong_usage_is_status_2),
		cmocka_unit_test(help_is_status_0),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
