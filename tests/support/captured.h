/* SPDX-License-Identifier: Apache-2.0 */
/*
 * captured - the captures of an agent of one test, as anybody finds them on the disk.
 *
 * Owns: meta of the last one that was looked for; it holds until the next call. Thread: one. Limit: none. Errors: functions named captured__expect_* fail the running
 * test; so does a capture that is not whole.
 */
#ifndef EVERPROF_TESTS_SUPPORT_CAPTURED_H
#define EVERPROF_TESTS_SUPPORT_CAPTURED_H

#include <jansson.h>

#include "tests/support/recording.h"

struct profile;

struct captured {
	char dir[2048], id[64];
	json_t *meta; /* borrowed */
};

/* How many there are; the last of them, by rule and time, in *ret. */
int captured__find(const struct recording *r, struct captured *ret);
/* Within half a minute there is one. */
void captured__expect(const struct recording *r, struct captured *ret);
/* A text at the top of meta.json, "" where there is none. */
const char *captured__text(const struct captured *c, const char *key);
/* What meta.json says of an event. */
json_t *captured__event(const struct captured *c, const char *event);
struct profile *captured__profile(const struct captured *c, const char *file);
/* A file of it as text, NULL: it has none. Free it. */
char *captured__read(const struct captured *c, const char *file);

#endif
