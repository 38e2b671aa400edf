/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report - a profile as one page of HTML that holds everything: the viewer of the agent's page, and the data.
 *
 * It fetches nothing, so it can be mailed, kept with a ticket, and opened years later. What has less than the threshold is folded away.
 *
 * Owns: nothing. Thread: any. Limit: the buf's. Errors: as call_tree.h, the buf's.
 */
#ifndef EVERPROF_FORMAT_REPORT_H
#define EVERPROF_FORMAT_REPORT_H

struct buf;
struct call_tree;
struct profile;

/* The tree with its rows; of the profile its head alone is used. */
int report__write_html(const struct profile *head, const struct call_tree *t, struct buf *to);
/* The two parts of the viewer as they stand in the binary (gzip), for a server of pages. */
struct asset report__viewer_js(void);
struct asset report__viewer_css(void);

#endif
