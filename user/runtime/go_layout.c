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

/* From the release in the first column to that before the next row's. */
/* clang-format off */
static const struct go_layout layouts[] = {
	/* minor    bp  sysc.sp    pc    bp  status  goid  since  reason  lockedm  parent  gopc  startpc  waiting  bytes  procid */
	{     18,  104,     112,  120,    0,    144,  152,   168,    176,     232,      0,  296,     312,     328,   336,     72},
	{     21,  104,     112,  120,    0,    144,  152,   168,    176,     208,    272,  280,     296,     312,   320,     72},
	{     23,  104,     112,  120,  128,    152,  160,   176,    184,     216,    280,  288,     304,     320,   328,     72},
	{     25,   96,     104,  112,  120,    144,  152,   168,    176,     208,    272,  280,     296,     312,   320,     64},
	{     26,   96,     104,  112,  120,    144,  152,   168,    176,     208,    280,  288,     304,     320,   328,     64},
};
/* clang-format on */

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
