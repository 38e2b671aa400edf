/* SPDX-License-Identifier: Apache-2.0 */
/*
 * capture_head - what a list of captures says of each: read from its meta.json, and from its folder's name where that cannot be read.
 *
 * Owns: its texts (embedded). Thread: any. Limit: CAPTURE_META_BYTES_MAX. Errors: -EBADMSG no meta.json of ours, -errno.
 */
#ifndef EVERPROF_ALERT_CAPTURE_HEAD_H
#define EVERPROF_ALERT_CAPTURE_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CAPTURE_META_BYTES_MAX ((size_t)16 << 20)

struct capture_folder;

struct capture_head {
	char id[64], rule[72];
	uint64_t fired_ns; /* CLOCK_REALTIME */
	char target[160], condition[256], cause[160], value[64], metric[64];
	uint64_t episode;
	double severity; /* more is worse; 0 where there is no metric */
	double before_seconds, after_seconds;
	uint32_t events; /* bits 1 << enum event: of which there is a profile */
	bool is_cut_short;
};

/* Pure. */
int capture_head__parse(const void *bytes, size_t len, struct capture_head *ret);
int capture_head__read(const char *store_dir, const struct capture_folder *f, struct capture_head *ret);

#endif
