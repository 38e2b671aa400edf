// SPDX-License-Identifier: Apache-2.0
/* What a command line means by a table, what is said of slips, and the help of the same table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "user/base/buf.h"
#include "user/base/err.h"
#include "user/cmd/command.h"

enum colour { COLOUR_RED, COLOUR_GREEN };

struct request {
	const char *path, *first;
	uint32_t n_rows, n_operands;
	enum colour colour;
	bool quiet, verbose;
};

static int play(void *request, char **operands, uint32_t n)
{
	struct request *r = request;

	r->first = *operands;
	r->n_operands = n;
	return 7;
}

static const struct command_word words[] = {
	{"play", "SONG...", 1, 2, play, "songs, one after the other"},
	{"pause", NULL, 0, 0, play, "nothing"},
};

static const struct command_option options[] = {
	{'o', "output", "FILE", OPTION_TEXT(struct request, path), "where it goes"},
	{'n', "rows", "N", OPTION_COUNT(struct request, n_rows), "how many"},
	{.text = "of taste:"},
	{0, "colour", "red|green|bluish", OPTION_CHOICE(struct request, colour),
	 "a text that is so long that it does not fit into one line of the help, however wide it may be, and "
	 "goes on"},
	{'q', "quiet", NULL, OPTION_FLAG(struct request, quiet), "say nothing"},
	{'v', "verbose", NULL, OPTION_FLAG(struct request, verbose), "say all"},
};

static const struct command command = {
	.name = "music",
	.synopsis = "[options] WHAT",
	.text = "Plays music.",
	.end = "It ends.",
	COMMAND_WORDS(words),
	COMMAND_OPTIONS(options),
};

static struct command ends_early;
static struct request request;
static struct operands operands;
static char out[8192], said[2048];

/* Standard output and error of what is between, as text. */
static void catch (FILE *stream, int fd, char *text, size_t size, int *keep, FILE **to)
{
	if (!*to) {
		*to = tmpfile();
		*keep = dup(fd);
		fflush(stream);
		dup2(fileno(*to), fd);
		return;
	}
	fflush(stream);
	dup2(*keep, fd);
	close(*keep);
	rewind(*to);
	text[fread(text, 1, size - 1, *to)] = '\0';
	fclose(*to);
	*to = NULL;
}

static int run(const struct command *c, const char *line, bool with_word)
{
	static char copy[256], *argv[16];
	FILE *o = NULL, *e = NULL;
	int argc = 1, status, keep_o, keep_e;

	snprintf(copy, sizeof(copy), "music %s", line);
	argv[0] = strtok(copy, " ");
	while ((argv[argc] = strtok(NULL, " ")))
		argc++;
	request = (struct request){0};
	catch (stdout, 1, out, sizeof(out), &keep_o, &o);
	catch (stderr, 2, said, sizeof(said), &keep_e, &e);
	status = command__parse(c, argc, argv, &request, &operands);
	if (status == COMMAND_GO_ON && with_word)
		status = command__run(c, &operands, &request);
	catch (stdout, 1, out, sizeof(out), &keep_o, &o);
	catch (stderr, 2, said, sizeof(said), &keep_e, &e);
	return status;
}

static int parse(const char *line)
{
	return run(&command, line, false);
}

#define USAGE "\nusage: everprof music [options] WHAT\n"

static void refused(const char *line, const char *what)
{
	char expected[512];

	snprintf(expected, sizeof(expected), "everprof: music: %s" USAGE, what);
	assert_int_equal(parse(line), EXIT_USAGE);
	assert_string_equal(said, expected);
	assert_string_equal(out, "");
}

static void a_value_is_taken_in_each_way_of_writing(void **state)
{
	static const char *const lines[] = {"-n 5", "-n5", "--rows 5", "--rows=5", "--ro 5", "--r=5"};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		assert_int_equal(parse(lines[i]), COMMAND_GO_ON);
		assert_int_equal(request.n_rows, 5);
		assert_int_equal(operands.n, 0);
		assert_string_equal(said, "");
	}
	assert_int_equal(parse("-qvoFILE --colour green"), COMMAND_GO_ON);
	assert_true(request.quiet && request.verbose);
	assert_string_equal(request.path, "FILE");
	assert_int_equal(request.colour, COLOUR_GREEN);
	assert_int_equal(parse("--output="), COMMAND_GO_ON);
	assert_string_equal(request.path, "");
}

static void operands_stand_anywhere_and_keep_their_order(void **state)
{
	(void)state;
	assert_int_equal(parse("a -q - --rows 2 b -- -v c"), COMMAND_GO_ON);
	assert_int_equal(operands.n, 5);
	assert_string_equal(operands.items[0], "a");
	assert_string_equal(operands.items[1], "-");
	assert_string_equal(operands.items[2], "b");
	assert_string_equal(operands.items[3], "-v");
	assert_string_equal(operands.items[4], "c");
	assert_null(operands.items[5]);
	assert_true(request.quiet && !request.verbose && operands.are_behind_dashes);
}

static void another_programs_options_are_its_own(void **state)
{
	(void)state;
	ends_early = command;
	ends_early.ends_at_operand = true;
	assert_int_equal(run(&ends_early, "-q ls -n x --frob", false), COMMAND_GO_ON);
	assert_int_equal(operands.n, 4);
	assert_false(operands.are_behind_dashes);
	assert_int_equal(run(&ends_early, "-q -- ls -n x", false), COMMAND_GO_ON);
	assert_int_equal(operands.n, 3);
	assert_true(operands.are_behind_dashes);
}

static void a_slip_is_told_with_what_is_near(void **state)
{
	(void)state;
	refused("--rwos 5", "unknown option '--rwos', did you mean '--rows'?");
	refused("--entirely-else", "unknown option '--entirely-else': see --help");
	refused("--=5", "unknown option '--': see --help");
	refused("-x", "unknown option '-x': see --help");
	refused("-qx", "unknown option '-x': see --help");
	refused("-n", "-n wants its N");
	refused("--rows", "--rows wants its N");
	refused("--rows x", "--rows: expected a whole number, found 'x'");
	refused("-n 4294967296", "-n: expected at most 4294967295, found '4294967296'");
	refused("--quiet=yes", "--quiet takes no value");
	refused("--colour blue", "--colour: expected red|green|bluish, found 'blue'");
	refused("--colour re", "--colour: expected red|green|bluish, found 're'");
}

static void a_beginning_that_two_have_is_told(void **state)
{
	static const struct command_option near[] = {
		{0, "from", "TIME", OPTION_TEXT(struct request, path), ""},
		{0, "focus", "REGEX", OPTION_TEXT(struct request, path), ""},
	};
	static const struct command c = {.name = "music", .synopsis = "", .text = "", COMMAND_OPTIONS(near)};

	(void)state;
	assert_int_equal(run(&c, "--f x", false), EXIT_USAGE);
	assert_non_null(strstr(said, "option '--f' can be --from or --focus"));
	assert_int_equal(run(&c, "--fo x", false), COMMAND_GO_ON);
}

static void the_word_decides_what_is_run(void **state)
{
	(void)state;
	assert_int_equal(run(&command, "play -q a b", true), 7);
	assert_string_equal(request.first, "a");
	assert_int_equal(request.n_operands, 2);
	assert_int_equal(run(&command, "pause", true), 7);
	assert_int_equal(run(&command, "paly a", true), EXIT_USAGE);
	assert_non_null(strstr(said, "music: there is no 'paly', did you mean 'play'?\n"));
	assert_int_equal(run(&command, "play", true), EXIT_USAGE);
	assert_non_null(strstr(said, "music: play wants SONG...\n"));
	assert_int_equal(run(&command, "play a b c", true), EXIT_USAGE);
	assert_non_null(strstr(said, "music: 'c' is too much for play\n"));
	assert_int_equal(run(&command, "", true), EXIT_USAGE);
	assert_non_null(strstr(said, "music: a word is needed; known here: play, pause\n"));
	ends_early = command;
	ends_early.first_is_default = true;
	assert_int_equal(run(&ends_early, "", true), EXIT_USAGE);
	assert_non_null(strstr(said, "play wants SONG..."));
}

static void help_is_the_table(void **state)
{
	(void)state;
	assert_int_equal(parse("--rows 3 --help --frob"), EXIT_DONE);
	assert_string_equal(said, "");
	assert_string_equal(out, "usage: everprof music [options] WHAT\n"
				 "\n"
				 "Plays music.\n"
				 "\n"
				 "  play SONG...       songs, one after the other\n"
				 "  pause              nothing\n"
				 "\n"
				 "  -o, --output FILE  where it goes\n"
				 "  -n, --rows N       how many\n"
				 "\n"
				 "of taste:\n"
				 "      --colour red|green|bluish\n"
				 "                     a text that is so long that it does not fit into one "
				 "line of the help, however\n"
				 "                     wide it may be, and goes on\n"
				 "  -q, --quiet        say nothing\n"
				 "  -v, --verbose      say all\n"
				 "  -h, --help         this text\n"
				 "\n"
				 "It ends.\n");
}

static void what_cannot_be_printed_is_a_failure(void **state)
{
	struct buf b;

	(void)state;
	buf__init(&b, 2);
	buf__append_str(&b, "too long");
	assert_int_equal(command__print(&command, &b), EXIT_FAILED);
	buf__done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_value_is_taken_in_each_way_of_writing),
		cmocka_unit_test(operands_stand_anywhere_and_keep_their_order),
		cmocka_unit_test(another_programs_options_are_its_own),
		cmocka_unit_test(a_slip_is_told_with_what_is_near),
		cmocka_unit_test(a_beginning_that_two_have_is_told),
		cmocka_unit_test(the_word_decides_what_is_run),
		cmocka_unit_test(help_is_the_table),
		cmocka_unit_test(what_cannot_be_printed_is_a_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
