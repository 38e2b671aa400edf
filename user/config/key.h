/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key - the one table of configuration keys.
 *
 * Parsing, ranges, defaults, environment names, `config show` and docs/configuration.md all come from it: a key that is not here does
 * not exist.
 *
 * Owns: nothing (constant data). Thread: any. Limit: KEY_NAME_MAX. Errors: NULL for an unknown name.
 */
#ifndef EVERPROF_CONFIG_KEY_H
#define EVERPROF_CONFIG_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEY_NAME_MAX 64
#define KEY_ENV_MAX  80

/* What stands there, and the member of struct config that takes it. */
enum key_type {
	KEY_BOOL,       /* bool */
	KEY_COUNT,      /* uint64_t */
	KEY_DURATION,   /* uint64_t, ns; 0 where `words` was said */
	KEY_SIZE,       /* uint64_t, bytes */
	KEY_SHARE,      /* uint64_t, millionths */
	KEY_CHOICE,     /* uint32_t, the place in `words` */
	KEY_PATH,       /* const char * */
	KEY_ADDRESS,    /* const char *, NULL where `words` was said */
	KEY_TEXT,       /* const char *, NULL where `words` was said */
	KEY_TEXTS,      /* struct text_list */
	KEY_PIDS,       /* struct pid_list */
	KEY_IDLE,       /* struct idle_list */
	KEY_RULES,      /* struct rule_source; what is shown is the list that was read from it */
	KEY_RULE_PARTS, /* struct rule_source */
	KEY_EXPORTERS,  /* uint32_t, their number */
};

/* When another value counts that a reload finds. Every key says it: there is no name for nothing. */
enum key_change {
	KEY_CHANGES_NOW = 1,
	KEY_CHANGES_AT_START, /* of the agent; a reload tells that it does not yet */
};

struct key {
	const char *name; /* dotted */
	enum key_type type;
	size_t offset;        /* into struct config */
	const char *fallback; /* the default, as it would stand in YAML */
	uint64_t min, max;    /* COUNT, DURATION, SIZE, SHARE, in base units, both included */
	const char *words;    /* CHOICE: "a|b|c"; DURATION, ADDRESS: the word that means none */
	const char *env;      /* a second name in the environment, or NULL */
	enum key_change change;
	const char *help; /* one or two sentences */
};

/* Keys are numbered from 0. */
uint32_t key__count(void);
const struct key *key__get(uint32_t i);
uint32_t key__index(const struct key *k);
const struct key *key__find(const char *name);
/* Some key's name begins with `prefix` and a dot. */
bool key__is_section(const char *prefix);
/* profiling.cpu.frequency is EVERPROF_PROFILING_CPU_FREQUENCY. */
void key__env_name(const struct key *k, char ret_name[KEY_ENV_MAX]);
/* "duration, 1s to 1h" and the like, from type, range and words: the same text in errors and in the reference. */
#define KEY_EXPECTED_MAX 192
void key__expected(const struct key *k, char ret_text[KEY_EXPECTED_MAX]);

#endif
