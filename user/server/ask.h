/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ask - the parameters that requests for profiles have in common, read and checked.
 *
 *      event=cpu from=now-1h to=now type=cpu by=container threshold=0.1%   and selectors: comm=… pid=… container=…
 *
 * Owns: nothing (borrowed from the request). Thread: any. Limit: none. Errors: -EINVAL; the err names the parameter.
 */
#ifndef EVERPROF_SERVER_ASK_H
#define EVERPROF_SERVER_ASK_H

#include "exporters/format/format.h"
#include "user/query/selection.h"
#include "user/server/range.h"

#define ASK_DEFAULT_NS (10ull * 60 * 1000000000)

struct err;
struct request;

struct ask_for {
	struct range range;
	struct selection selection;
	struct format_opts format;
};

/* from and to: ASK_DEFAULT_NS up to now, where they are not given. */
int ask__read(const struct request *r, struct ask_for *ret, struct err *err);
/* `rate`, samples a second of what is captured; 0 where it is not given. */
int ask__rate(const struct request *r, uint32_t *ret_hz, struct err *err);
/* The selectors alone. */
int ask__selection(const struct request *r, struct selection *ret, struct err *err);
/* A range by two parameters of other names; false where neither is there. */
int ask__range(const struct request *r, const char *from, const char *to, struct range *ret,
	       bool *ret_is_there, struct err *err);

#endif
