/* SPDX-License-Identifier: Apache-2.0 */
/*
 * capture_account - what a capture has of one event, as its texts tell it.
 *
 * Owns: its profiles and texts until done. Thread: one owner. Limit: the profiles'. Errors: none.
 */
#ifndef EVERPROF_ALERT_CAPTURE_ACCOUNT_H
#define EVERPROF_ALERT_CAPTURE_ACCOUNT_H

#include <jansson.h>
#include <stdint.h>

#include "user/alert/capture_baseline.h"
#include "user/alert/capture_case.h"
#include "user/query/idle.h"

#define ACCOUNT_REASON_MAX 200

struct buf;
struct profile;

struct capture_account {
	enum event event;
	bool is_state;              /* as it was then; there is no after */
	bool is_extra;              /* nobody asked for it by name: no word where there is none */
	struct profile *of[WHEN_N]; /* sealed, of the target; NULL: none */
	struct profile *whole;      /* both; NULL: see missing */
	struct profile *diff;       /* against the baseline; NULL: none */
	/* What people are shown of whole and baseline: without waits for work. NULL: as they are. */
	struct profile *shown, *shown_normal;
	struct idle_hidden hidden;
	struct capture_baseline baseline; /* profile NULL: see no_baseline */
	char missing[ACCOUNT_REASON_MAX], no_baseline[ACCOUNT_REASON_MAX];
};

/* The value of all samples, of the default type; its unit in *ret_unit (may be NULL), borrowed. */
int64_t capture_account__total(const struct profile *p, const char **ret_unit);

/* What people are shown; normal NULL: there is none. */
const struct profile *capture_account__whole(const struct capture_account *a);
const struct profile *capture_account__normal(const struct capture_account *a);

struct capture_file;

/* "66.67% of one CPU", "3.2 threads at a time", "12.30MB/s", "5 threads": how much of it there was. */
#define ACCOUNT_RATE_MAX 64
void capture_account__format_rate(const struct capture_account *a, const struct profile *p,
				  char ret_text[ACCOUNT_RATE_MAX]);
/* All of one event, for a person. */
void capture_summary__print_event(const struct capture_case *c, const struct capture_account *a,
				  struct buf *to);
/* The page for a person. */
void capture_summary__print(const struct capture_case *c, const struct capture_account *accounts, uint32_t n,
			    struct buf *to);
/* meta.json; files are those that stand beside it. */
int capture_meta__encode(const struct capture_case *c, const struct capture_account *accounts, uint32_t n,
			 const struct capture_file *files, uint32_t n_files, struct buf *to);
/* Takes the root; a line a member. */
int capture_meta__write_json(json_t *root, struct buf *to);

#endif
