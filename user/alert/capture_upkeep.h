/* SPDX-License-Identifier: Apache-2.0 */
/*
 * capture_upkeep - keeps the captures of a store within their limits, by the rules of user/store/capture_retention.h.
 *
 * Owns: what it remembers of each capture, so that a meta.json is read once. Thread: one, that may wait for a disk. Limit: none, it sees all that is there. Errors: -errno.
 */
#ifndef EVERPROF_ALERT_CAPTURE_UPKEEP_H
#define EVERPROF_ALERT_CAPTURE_UPKEEP_H

#include <stdint.h>

#include "user/store/capture_retention.h"

struct capture_upkeep;

struct capture_upkeep *capture_upkeep__new(void);
void capture_upkeep__free(struct capture_upkeep *u);
/* ret_bytes: what is there afterwards. */
int capture_upkeep__run(struct capture_upkeep *u, const char *store_dir, const struct capture_limits *limits,
			uint32_t *ret_n_deleted, uint64_t *ret_bytes);

#endif
