/* SPDX-License-Identifier: Apache-2.0 */
/*
 * go_layout - where the Go runtime keeps what of a goroutine, by release.
 *
 * Owns: nothing. Thread: any. Limit: GO_LAYOUT_G_MAX. Errors: -EOPNOTSUPP a release that is not known (go_layout__releases says which are), -EBADMSG not a version.
 */
#ifndef EVERPROF_RUNTIME_GO_LAYOUT_H
#define EVERPROF_RUNTIME_GO_LAYOUT_H

#include <stdint.h>

#define GO_LAYOUT_G_MAX 512 /* bytes of runtime.g that may be read */
#define GO_LAYOUT_NONE  0   /* of a member: this release has none */

/* Offsets in runtime.g that change from release to release. */
struct go_layout {
	uint16_t minor; /* of 1.minor */
	uint16_t sched_bp, syscallsp, syscallpc, syscallbp;
	uint16_t status, goid, waitsince, waitreason;
	uint16_t lockedm, parent_goid, gopc, startpc, waiting;
	uint16_t g_bytes;  /* all that is wanted of it lies below */
	uint16_t m_procid; /* in runtime.m */
};

/* In all of them: */
enum go_g {
	GO_G_STACK_LO = 0,
	GO_G_STACK_HI = 8,
	GO_G_M = 48,
	GO_G_SCHED_SP = 56,
	GO_G_SCHED_PC = 64,
	GO_G_SCHED_G = 72, /* the goroutine itself */
};

/* "go1.22.12", "go1.26-devel_abc", "devel go1.27-…": the minor number. */
int go_layout__parse_version(const char *version, uint32_t *ret_minor);
int go_layout__of_release(uint32_t minor, struct go_layout *ret_layout);

#endif
