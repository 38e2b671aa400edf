/* SPDX-License-Identifier: Apache-2.0 */
#include "user/query/time_point.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "user/base/clock.h"
#include "user/base/err.h"
#include "user/config/units.h"

#define YEAR_FIRST  1970
#define YEAR_LAST   2261 /* nanoseconds in 63 bits end in 2262 */
#define SECONDS_MAX 9214646400ll

static bool is_number(const char *s)
{
	return *s && strspn(s, "0123456789") == strlen(s);
}

static int parse_seconds(const char *text, uint64_t *ret_ns)
{
	uint64_t seconds = 0;

	for (; *text; text++) {
		seconds = seconds * 10 + (uint64_t)(*text - '0');
		if (seconds > SECONDS_MAX)
			return -EINVAL;
	}
	*ret_ns = seconds * NS_PER_SEC;
	return 0;
}

/* Digits, exactly n; what follows is where *s points afterwards. */
static bool take_digits(const char **s, int n, int *ret_value)
{
	int value = 0;

	for (int i = 0; i < n; i++, (*s)++) {
		if (**s < '0' || **s > '9')
			return false;
		value = value * 10 + (**s - '0');
	}
	*ret_value = value;
	return true;
}

static bool take(const char **s, char c)
{
	if (**s != c)
		return false;
	(*s)++;
	return true;
}

static int parse_date(const char *s, uint64_t *ret_ns)
{
	struct tm tm = {0}, normal;
	time_t seconds;

	if (!take_digits(&s, 4, &tm.tm_year) || !take(&s, '-') || !take_digits(&s, 2, &tm.tm_mon) ||
	    !take(&s, '-') || !take_digits(&s, 2, &tm.tm_mday))
		return -EINVAL;
	if (take(&s, 'T') || take(&s, ' ')) {
		if (!take_digits(&s, 2, &tm.tm_hour) || !take(&s, ':') || !take_digits(&s, 2, &tm.tm_min))
			return -EINVAL;
		if (take(&s, ':') && !take_digits(&s, 2, &tm.tm_sec))
			return -EINVAL;
	}
	take(&s, 'Z');
	if (*s || tm.tm_year < YEAR_FIRST || tm.tm_year > YEAR_LAST)
		return -EINVAL;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	normal = tm;
	seconds = timegm(&normal);
	/* timegm takes the 31st of February for the 3rd of March: we do not */
	if (normal.tm_mon != tm.tm_mon || normal.tm_mday != tm.tm_mday || normal.tm_hour != tm.tm_hour ||
	    normal.tm_min != tm.tm_min || normal.tm_sec != tm.tm_sec)
		return -EINVAL;
	*ret_ns = (uint64_t)seconds * NS_PER_SEC;
	return 0;
}

int time_point__parse(const char *text, uint64_t now_ns, uint64_t *ret_ns, struct err *e)
{
	uint64_t back_ns = 0;
	int err = 0;

	if (!strncmp(text, "now", 3) && (!text[3] || text[3] == '-')) {
		if (text[3])
			err = units__parse_duration(text + 4, &back_ns, NULL);
		if (!err)
			*ret_ns = back_ns < now_ns ? now_ns - back_ns : 0;
	} else if (is_number(text)) {
		err = parse_seconds(text, ret_ns);
	} else {
		err = parse_date(text, ret_ns);
	}
	if (err)
		return err__set(
			e, -EINVAL,
			"'%s' is no time: expected now, now-1h, 2026-01-31T10:00:00Z or seconds since 1970",
			units__quote(text).text);
	return 0;
}
