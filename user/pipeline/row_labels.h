/* SPDX-License-Identifier: Apache-2.0 */
/*
 * row_labels - what a sample says of its thread and process, gathered label by label. What is not known is left out.
 *
 * Owns: nothing. Thread: the profile's builder. Limit: ROW_LABELS_MAX. Errors: -ENOMEM, -E2BIG.
 */
#ifndef EVERPROF_PIPELINE_ROW_LABELS_H
#define EVERPROF_PIPELINE_ROW_LABELS_H

#include <stdint.h>

#include "user/profile/profile.h"

#define ROW_LABELS_MAX 24

struct window;

struct row_labels {
	struct profile *profile;
	struct label labels[ROW_LABELS_MAX];
	uint32_t n;
};

/* "" is not known. */
int row_labels__text(struct row_labels *l, const char *key, const char *text);
/* Lines of key=value, those of keys that end in _tid as numbers. */
int row_labels__lines(struct row_labels *l, const char *text);
/* pid, tid (0: not told), comm (a string of the window) and all that is known of the process. */
int row_labels__thread(struct row_labels *l, const struct window *w, uint32_t process, uint32_t tid,
		       uint32_t comm);

#endif
