/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command - what a subcommand takes and tells, as one table: its words, its options, its help, and how it ends.
 *
 * A subcommand declares its `struct command`; the command line is parsed by that table, `--help` is printed from it, and a slip is answered with one line and
 * what is near it. An option puts its value into the command's request, at the place that the table names. As everywhere: -n5, -n 5, --rows=5, --rows 5,
 * --row 5 where that can mean nothing else, flags together (-qv), operands between, `--` ends the options. -h and --help are known to all.
 *
 * Owns: nothing; operands are those of argv, which is put in another order. Thread: the main one. Limit: none. Errors: an exit status; what is wrong was said on stderr.
 */
#ifndef EVERPROF_CMD_COMMAND_H
#define EVERPROF_CMD_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;

enum { EXIT_DONE, EXIT_FAILED, EXIT_USAGE, EXIT_NOT_HELD };
#define COMMAND_GO_ON (-1)

struct command_option {
	char letter;       /* 0: none */
	const char *name;  /* NULL: only `text` is printed, as a heading of what follows */
	const char *value; /* what the help calls it; NULL: it takes none */
	/* value: of argv, NULL without one. 0, or -errno and what is expected in *e; the option's own name is put before it */
	int (*take)(const struct command_option *o, void *at, char *value, struct err *e);
	size_t at; /* into the request */
	const char *text;
};

int command_option__take_flag(const struct command_option *o, void *at, char *value, struct err *e);
int command_option__take_text(const struct command_option *o, void *at, char *value, struct err *e);
int command_option__take_count(const struct command_option *o, void *at, char *value, struct err *e);
/* One of those in o->value, as auto|always|never: its number into an enum. */
int command_option__take_choice(const struct command_option *o, void *at, char *value, struct err *e);

/* take and at, with the field's type looked after */
#define OPTION_AT(type, field, of) \
	(offsetof(type, field) +   \
	 0 * sizeof(char[__builtin_types_compatible_p(__typeof__(((type *)0)->field), of) ? 1 : -1]))
#define OPTION_FLAG(type, field)  command_option__take_flag, OPTION_AT(type, field, bool)
#define OPTION_TEXT(type, field)  command_option__take_text, OPTION_AT(type, field, const char *)
#define OPTION_COUNT(type, field) command_option__take_count, OPTION_AT(type, field, uint32_t)
#define OPTION_CHOICE(type, field)   \
	command_option__take_choice, \
		offsetof(type, field) + 0 * sizeof(char[sizeof(((type *)0)->field) == sizeof(int) ? 1 : -1])

/* What comes first of a command with several: `rules check`. */
struct command_word {
	const char *name, *operands; /* as the help calls them; NULL: it takes none */
	uint32_t n_min, n_max;       /* of operands */
	/* n operands, and NULL behind them */
	int (*run)(void *request, char **operands, uint32_t n);
	const char *text;
};

struct command {
	const char *name, *synopsis; /* of several forms, a line each */
	const char *text, *end;      /* paragraphs before and behind the options; NULL: none */
	const struct command_word *words;
	const struct command_option *options;
	uint32_t n_words, n_options;
	bool first_is_default; /* without a word, the first */
	bool ends_at_operand;  /* what follows the first operand is another program's */
};

#define COMMAND_OPTIONS(table) .options = (table), .n_options = sizeof(table) / sizeof(*(table))
#define COMMAND_WORDS(table)   .words = (table), .n_words = sizeof(table) / sizeof(*(table))
#define COMMAND_TAKES_NONE     "'%s' is too much: it takes options only"

struct operands {
	char **items;
	uint32_t n;
	bool are_behind_dashes;
};

/* COMMAND_GO_ON, or what to exit with: help was printed, or wrong usage told. */
int command__parse(const struct command *c, int argc, char **argv, void *request, struct operands *ret);
/* The word that the operands begin with. Its exit status, or EXIT_USAGE. */
int command__run(const struct command *c, const struct operands *o, void *request);

/* "everprof: NAME: what", and the usage; EXIT_USAGE. */
int command__misuse(const struct command *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* "everprof: NAME: what"; EXIT_FAILED. */
int command__fail(const struct command *c, const struct err *e, int code);
/* What was made, to standard output; EXIT_DONE, or EXIT_FAILED and told. */
int command__print(const struct command *c, struct buf *b);

#endif
