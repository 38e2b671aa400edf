/* SPDX-License-Identifier: Apache-2.0 */
/*
 * amount - a profile's value as people read it: 12.34s, 1.50MB, 1234.
 *
 * Times go up to seconds, and to hours from ten hours on; bytes by thousands (kB, MB, GB: 1 MB is 1000000 bytes, as in the configuration);
 * counts stay whole; a unit that is not known follows the number.
 *
 * Owns: nothing. Thread: any. Limit: AMOUNT_TEXT_MAX bytes, cut. Errors: none.
 */
#ifndef EVERPROF_PROFILE_AMOUNT_H
#define EVERPROF_PROFILE_AMOUNT_H

#include <stdint.h>

#define AMOUNT_TEXT_MAX 40

struct amount_text {
	char text[AMOUNT_TEXT_MAX];
};

struct amount_text amount__format(int64_t value, const char *unit);
/* "12.34%" of a total, "-" where the total is 0. */
struct amount_text amount__percent(int64_t value, int64_t total);

#endif
