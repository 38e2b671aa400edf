/* SPDX-License-Identifier: Apache-2.0 */
/*
 * err - the one clear line that a failing call leaves for a person.
 *
 * A fallible function returns 0 or -errno. Where the number alone would not tell a person what
 * to do, the function also takes a `struct err *` (NULL allowed) and fills it with one line that
 * says what failed, where, and what to do about it. Whoever decides prints it, once.
 *
 * Owns: nothing (embedded text). Thread: any, one owner. Limit: ERR_TEXT_MAX bytes, cut. Errors: none.
 */
#ifndef EVERPROF_BASE_ERR_H
#define EVERPROF_BASE_ERR_H

#include <stdarg.h>

#define ERR_TEXT_MAX 1024

struct err {
	char text[ERR_TEXT_MAX];
};

/* Formats the text and returns `code` (a negative errno), so that `return err__set(e, -EINVAL, …)` works. */
int err__set(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Puts "prefix: " in front of the text that is there; returns `code`. */
int err__prefix(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* The text, or the name of errno `-code` where no text was set. Never NULL. */
const char *err__text(const struct err *e, int code);

#endif
