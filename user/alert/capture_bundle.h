/* SPDX-License-Identifier: Apache-2.0 */
/*
 * capture_bundle - the files of one capture, as bytes: profiles, baselines, differences, texts, meta.json.
 *
 *   <event>.pb.gz            from before the moment to after it           before.<event>.pb.gz, after.<event>.pb.gz   its two parts
 *   baseline.<event>.pb.gz   what normal looked like, of the same length  diff.<event>.pb.gz, diff.<event>.txt        what is other than that
 *   summary.txt              all of it for a person, in one page          meta.json                                   for a program
 *
 * Owns: the bytes. Thread: one that may wait; the case is only read. Limit: BUNDLE_BYTES_MAX. Errors: -ENOMEM, -E2BIG; a profile that is missing is told, not
 * an error.
 */
#ifndef EVERPROF_ALERT_CAPTURE_BUNDLE_H
#define EVERPROF_ALERT_CAPTURE_BUNDLE_H

#include "user/store/capture_folder.h"

#define BUNDLE_BYTES_MAX ((size_t)64 << 20)
#define CAPTURE_SUMMARY  "summary.txt"

struct capture_case;
struct store;

struct capture_bundle {
	struct capture_file files[CAPTURE_FILES_MAX]; /* their bytes are ours */
	uint32_t n;
	size_t bytes;
	uint32_t events; /* bits 1 << enum event: of which there is a profile */
};

/* store NULL: no baselines. */
int capture_bundle__make(const struct capture_case *c, struct store *store, struct capture_bundle *ret);
void capture_bundle__done(struct capture_bundle *b);

#endif
