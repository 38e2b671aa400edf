/* SPDX-License-Identifier: Apache-2.0 */
/*
 * capture_account - what a capture has of one event, as its texts tell it.
 *
 * Owns: its profiles and texts until done. Thread: one owner. Limit: the profiles'. Errors: none.
 */
#ifndef EVERPROF_ALERT_CAPTURE_ACCOUNT_H
#define EVERPROF_ALERT_CAPTURE_ACCOUNT_H

#include <stdint.h>

#include "user/alert/capture_baseline.h"
#include "user/alert/capture_case.h"

#define ACCOUNT_REASON_MAX 200

struct buf;
struct profile;

struct capture_account {
	enum event event;
	struct profile *of[WHEN_N];       /* sealed, of the target; NULL: none */
	struct profile *whole;            /* both; NULL: see missing */
	struct profile *diff;             /* against the baseline; NULL: none */
	struct capture_baseline baseline; /* profile NULL: see no_baseline */
	char missing[ACCOUNT_REASON_MAX], no_baseline[ACCOUNT_REASON_MAX];
};

/* The value of all samples, of the default type; its unit in *ret_unit (may be NULL), borrowed. */
int64_t capture_account__total(const struct profile *p, const char **ret_unit);

struct capture_file;

/* The page for a person. */
void capture_summary__print(const struct capture_case *c, const struct capture_account *accounts, uint32_t n,
			    struct buf *to);
/* meta.json; files are those that stand beside it. */
int capture_meta__encode(const struct capture_case *c, const struct capture_account *accounts, uint32_t n,
			 const struct capture_file *files, uint32_t n_files, struct buf *to);

#endif
