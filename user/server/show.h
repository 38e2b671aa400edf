/* SPDX-License-Identifier: Apache-2.0 */
/*
 * show - a profile, or the parts of one, as a request wants it: the viewer's tree, a table, a file of any format.
 *
 *      format=json|pprof|folded|speedscope|svg|html|top|text  type by threshold idle=1 download=1   n sort=cum focus (of tables)
 *
 * Owns: nothing. Thread: any. Limit: the response's. Errors: -EINVAL, -ENOENT, -errno; the err tells.
 */
#ifndef EVERPROF_SERVER_SHOW_H
#define EVERPROF_SERVER_SHOW_H

struct ask_for;
struct err;
struct parts;
struct profile;
struct request;
struct response;

/* Is the format known? Before what costs something. */
int show__check(const struct request *r, struct err *e);
/* What the parts are together, or how that differs from the base (NULL: alone). */
int show__parts(const struct request *r, const struct ask_for *a, const struct parts *parts,
		const struct parts *base, struct response *to, struct err *e);
/* *p may be replaced by one without idle waits; it stays the caller's. */
int show__profile(const struct request *r, const struct ask_for *a, struct profile **p, struct response *to,
		  struct err *e);

#endif
