// SPDX-License-Identifier: Apache-2.0
/*
 * The offsets are those that each release's own DWARF tells; a test compares them with a program of every release that is at hand. What they lead to is
 * checked again in each process (goroutine.c): a word that must point to the goroutine itself, a state that exists, a stack that holds its pointer.
 *
 * Reference: Go runtime/runtime2.go, types g, gobuf and m.
 */
#include "user/runtime/go_layout.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RELEASE_FIRST 18
#define RELEASE_LAST  26

static const struct go_layout layouts[] = {
	{
		.minor = 18, /* to 1.20 */
		.sched_bp = 104,
		.syscallsp = 112,
		.syscallpc = 120,
		.status = 144,
		.goid = 152,
		.waitsince = 168,
		.waitreason = 176,
		.lockedm = 232,
		.gopc = 296,
		.startpc = 312,
		.waiting = 328,
		.g_bytes = 336,
		.m_procid = 72,
	},
	{
		.minor = 21, /* and 1.22 */
		.sched_bp = 104,
		.syscallsp = 112,
		.syscallpc = 120,
		.status = 144,
		.goid = 152,
		.waitsince = 168,
		.waitreason = 176,
		.lockedm = 208,
		.parent_goid = 272,
		.gopc = 280,
		.startpc = 296,
		.waiting = 312,
		.g_bytes = 320,
		.m_procid = 72,
	},
	{
		.minor = 23, /* and 1.24 */
		.sched_bp = 104,
		.syscallsp = 112,
		.syscallpc = 120,
		.syscallbp = 128,
		.status = 152,
		.goid = 160,
		.waitsince = 176,
		.waitreason = 184,
		.lockedm = 216,
		.parent_goid = 280,
		.gopc = 288,
		.startpc = 304,
		.waiting = 320,
		.g_bytes = 328,
		.m_procid = 72,
	},
	{
		.minor = 25,
		.sched_bp = 96,
		.syscallsp = 104,
		.syscallpc = 112,
		.syscallbp = 120,
		.status = 144,
		.goid = 152,
		.waitsince = 168,
		.waitreason = 176,
		.lockedm = 208,
		.parent_goid = 272,
		.gopc = 280,
		.startpc = 296,
		.waiting = 312,
		.g_bytes = 320,
		.m_procid = 64,
	},
	{
		.minor = 26,
		.sched_bp = 96,
		.syscallsp = 104,
		.syscallpc = 112,
		.syscallbp = 120,
		.status = 144,
		.goid = 152,
		.waitsince = 168,
		.waitreason = 176,
		.lockedm = 208,
		.parent_goid = 280,
		.gopc = 288,
		.startpc = 304,
		.waiting = 320,
		.g_bytes = 328,
		.m_procid = 64,
	},
};

int go_layout__parse_version(const char *version, uint32_t *ret_minor)
{
	const char *at = strstr(version, "go1.");
	unsigned long minor;
	char *end;

	if (!at || !isdigit((unsigned char)at[4]))
		return -EBADMSG;
	minor = strtoul(at + 4, &end, 10);
	if (minor > 999 || isdigit((unsigned char)*end))
		return -EBADMSG;
	*ret_minor = (uint32_t)minor;
	return 0;
}

int go_layout__of_release(uint32_t minor, struct go_layout *ret_layout)
{
	if (minor < RELEASE_FIRST || minor > RELEASE_LAST)
		return -EOPNOTSUPP;
	for (size_t i = sizeof(layouts) / sizeof(*layouts); i-- > 0;) {
		if (layouts[i].minor > minor)
			continue;
		*ret_layout = layouts[i];
		return 0;
	}
	return -EOPNOTSUPP;
}

const char *go_layout__releases(void)
{
	return "1.18 to 1.26";
}
