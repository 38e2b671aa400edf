/* SPDX-License-Identifier: Apache-2.0 */
/*
 * capture_name - what the folder of a capture is called.
 *
 *   <store>/captures/<rule>/<YYYYmmddTHHMMSS.mmmZ>_<host>_<target>_<value>_<id>/
 *
 * Time first, so that text order is time order. Fields hold letters, digits, '.' and '-' only: everything else becomes '-', since '_'
 * separates, and since a target's name is chosen by whoever runs the program. The parser accepts what the formatter writes.
 *
 * Owns: nothing. Thread: any. Limit: the fields' sizes, longer ones are cut. Errors: -EINVAL.
 */
#ifndef EVERPROF_STORE_CAPTURE_NAME_H
#define EVERPROF_STORE_CAPTURE_NAME_H

#include <stdint.h>

#define CAPTURE_FIELD_MAX 49
#define CAPTURE_RULE_MAX  65
#define CAPTURE_NAME_MAX  (21 + 4 * CAPTURE_FIELD_MAX)

struct capture_name {
	uint64_t time_ms; /* UTC, of the crossing */
	char host[CAPTURE_FIELD_MAX];
	char target[CAPTURE_FIELD_MAX]; /* what the rule was about: "system", "pid-4711", "web" */
	char value[CAPTURE_FIELD_MAX];  /* of the condition: "93.5", "120MB" */
	char id[CAPTURE_FIELD_MAX];
};

/* Empty fields become "-". -EINVAL: the time is after 2499. */
int capture_name__init(struct capture_name *n, uint64_t real_ns, const char *host, const char *target,
		       const char *value, const char *id);
void capture_name__format(const struct capture_name *n, char ret_name[CAPTURE_NAME_MAX]);
int capture_name__parse(const char *text, struct capture_name *ret);
/* A rule's name as a folder: as above, also without a dot in front. */
void capture_name__format_rule(const char *rule, char ret_folder[CAPTURE_RULE_MAX]);

#endif
