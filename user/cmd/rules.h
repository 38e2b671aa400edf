/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rules - the parts of `everprof rules` that need no agent: is a file of rules good, and what would its rules have done.
 *
 * Owns: nothing. Thread: one. Limit: none of its own. Errors: -errno, and one line that says where and what to do.
 */
#ifndef EVERPROF_CMD_RULES_H
#define EVERPROF_CMD_RULES_H

struct config;
struct err;

/* Prints each rule and what is doubtful about it, on this host, now. */
void rules__check(const struct config *c);
/* Prints what the rules would have told over the series (rules_series.h) of that file. */
int rules__replay(const struct config *c, const char *series_path, struct err *e);

#endif
