// SPDX-License-Identifier: Apache-2.0
/*
 * Problem. The store must find, order, count and delete its files after any crash, and must never touch a file that it did not
 *   write. A catalogue beside the files can be lost, stale or torn.
 *
 * Idea. The name is the catalogue. It is fixed-width where it can be, so that `ls` shows time order, and the parser takes
 *   nothing that the formatter would not have written: after reading the fields it formats them again and compares. So "ours" has
 *   one definition, without a list of exceptions (leading zeros, signs, lower case, a day that does not exist).
 *
 * Layout.   143000Z . 60s . cpu [. late] [. 2] . pb.gz
 *           start     len   event  late    n    codec      under the folder of its day, 2026-01-31
 *
 * Invariants. parse(format(n)) == n for every name that store_name__window and store_name__rollup give;
 *   format(parse(t)) == t for every text that is accepted; a window never has the shape of a roll-up.
 *
 * Cost. No allocation; one timegm a date, none a file.
 *
 * What it does not do. Fractions of a second are not in the name (they are in the profile): windows that start within one second
 *   are kept apart by the suffix.
 */
#include "user/store/name.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "user/base/clock.h"

/* A reader of text: on the first thing that does not fit, `p` becomes NULL and stays so. */
struct scan {
	const char *p;
};

static void scan__literal(struct scan *s, const char *text)
{
	size_t len = strlen(text);

	if (s->p && strncmp(s->p, text, len) == 0)
		s->p += len;
	else
		s->p = NULL;
}

static bool scan__try(struct scan *s, const char *text)
{
	size_t len = strlen(text);

	if (!s->p || strncmp(s->p, text, len) != 0)
		return false;
	s->p += len;
	return true;
}

/* min to max digits; at most nine, so that the value cannot overflow. */
static uint32_t scan__digits(struct scan *s, int min, int max)
{
	uint32_t v = 0;
	int n = 0;

	if (!s->p)
		return 0;
	while (n < max && *s->p >= '0' && *s->p <= '9') {
		v = v * 10 + (uint32_t)(*s->p++ - '0');
		n++;
	}
	if (n < min)
		s->p = NULL;
	return v;
}

static bool is_event(const char *s, size_t len)
{
	if (len == 0 || len >= STORE_EVENT_MAX || s[0] < 'a' || s[0] > 'z')
		return false;
	for (size_t i = 1; i < len; i++)
		if (!((s[i] >= 'a' && s[i] <= 'z') || (s[i] >= '0' && s[i] <= '9')))
			return false;
	return true;
}

static void scan__event(struct scan *s, char ret_event[STORE_EVENT_MAX])
{
	size_t len;

	if (!s->p)
		return;
	len = strcspn(s->p, ".");
	if (!is_event(s->p, len)) {
		s->p = NULL;
		return;
	}
	memcpy(ret_event, s->p, len);
	ret_event[len] = 0;
	s->p += len;
}

int store_name__window(const char *event, uint64_t start_real_ns, uint64_t duration_ns,
		       enum store_codec codec, struct store_name *ret)
{
	struct store_name n = {.start_s = start_real_ns / NS_PER_SEC, .codec = (uint8_t)codec};
	size_t len = event ? strlen(event) : 0;
	uint64_t seconds = duration_ns / NS_PER_SEC + (duration_ns % NS_PER_SEC >= NS_PER_SEC / 2);

	if (!is_event(event, len) || n.start_s >= STORE_START_MAX || seconds > STORE_SECONDS_MAX)
		return -EINVAL;
	n.seconds = seconds ? (uint32_t)seconds : 1;
	memcpy(n.event, event, len);
	/* A window of a full hour in zstd would pass for that hour's roll-up and hide its siblings. */
	if (store_name__level(&n) != STORE_WINDOW)
		n.serial = 2;
	*ret = n;
	return 0;
}

struct store_name store_name__rollup(const char *event, uint64_t start_s, enum store_level level)
{
	struct store_name n = {.codec = STORE_ZSTD};

	n.seconds = level == STORE_DAY ? STORE_DAY_SECONDS : STORE_HOUR_SECONDS;
	n.start_s = start_s - start_s % n.seconds;
	snprintf(n.event, sizeof(n.event), "%s", event);
	return n;
}

enum store_level store_name__level(const struct store_name *n)
{
	if (n->codec != STORE_ZSTD || n->serial || n->is_late)
		return STORE_WINDOW;
	if (n->seconds == STORE_HOUR_SECONDS && n->start_s % STORE_HOUR_SECONDS == 0)
		return STORE_HOUR;
	if (n->seconds == STORE_DAY_SECONDS && n->start_s % STORE_DAY_SECONDS == 0)
		return STORE_DAY;
	return STORE_WINDOW;
}

uint64_t store_name__end_s(const struct store_name *n)
{
	return n->start_s + n->seconds;
}

bool store_name__is_within(const struct store_name *n, const struct store_name *rollup)
{
	return !n->is_late && n->start_s >= rollup->start_s && n->start_s < store_name__end_s(rollup) &&
	       store_name__level(n) < store_name__level(rollup) && strcmp(n->event, rollup->event) == 0;
}

int store_name__compare(const struct store_name *a, const struct store_name *b)
{
	int rc;

	if (a->start_s != b->start_s)
		return a->start_s < b->start_s ? -1 : 1;
	if (a->seconds != b->seconds)
		return a->seconds > b->seconds ? -1 : 1;
	rc = strcmp(a->event, b->event);
	if (rc)
		return rc;
	if (a->codec != b->codec)
		return (int)a->codec - (int)b->codec;
	if (a->is_late != b->is_late)
		return (int)a->is_late - (int)b->is_late;
	return (int)a->serial - (int)b->serial;
}

void store_name__format_date(const struct store_name *n, char ret_date[STORE_DATE_MAX])
{
	clock__format_date(n->start_s * NS_PER_SEC, ret_date);
}

void store_name__format(const struct store_name *n, char ret_file[STORE_NAME_MAX])
{
	uint32_t of_day = (uint32_t)(n->start_s % STORE_DAY_SECONDS);
	char serial[16] = "";

	if (n->serial)
		snprintf(serial, sizeof(serial), ".%u", n->serial);
	snprintf(ret_file, STORE_NAME_MAX, "%02u%02u%02uZ.%us.%s%s%s.pb.%s", of_day / 3600, of_day / 60 % 60,
		 of_day % 60, n->seconds, n->event, n->is_late ? ".late" : "", serial,
		 n->codec == STORE_ZSTD ? "zst" : "gz");
}

void store_name__format_path(const struct store_name *n, char ret_path[STORE_PATH_MAX])
{
	char date[STORE_DATE_MAX], file[STORE_NAME_MAX];

	store_name__format_date(n, date);
	store_name__format(n, file);
	snprintf(ret_path, STORE_PATH_MAX, "%s/%s", date, file);
}

int store_name__parse_date(const char *text, uint64_t *ret_day_s)
{
	struct scan s = {text};
	struct tm tm = {0};
	char again[STORE_DATE_MAX];
	time_t t;

	tm.tm_year = (int)scan__digits(&s, 4, 4) - 1900;
	scan__literal(&s, "-");
	tm.tm_mon = (int)scan__digits(&s, 2, 2) - 1;
	scan__literal(&s, "-");
	tm.tm_mday = (int)scan__digits(&s, 2, 2);
	if (!s.p || *s.p)
		return -EINVAL;
	t = timegm(&tm);
	if (t < 0 || (uint64_t)t >= STORE_START_MAX)
		return -EINVAL;
	/* timegm makes 3 March of 31 February: the date that comes back differs. */
	clock__format_date((uint64_t)t * NS_PER_SEC, again);
	if (strcmp(again, text) != 0)
		return -EINVAL;
	*ret_day_s = (uint64_t)t;
	return 0;
}

int store_name__parse(const char *text, uint64_t day_s, struct store_name *ret)
{
	struct scan s = {text};
	struct store_name n = {0};
	char again[STORE_NAME_MAX];
	uint32_t h, m, sec;

	h = scan__digits(&s, 2, 2);
	m = scan__digits(&s, 2, 2);
	sec = scan__digits(&s, 2, 2);
	scan__literal(&s, "Z.");
	n.seconds = scan__digits(&s, 1, 5);
	scan__literal(&s, "s.");
	scan__event(&s, n.event);
	n.is_late = scan__try(&s, ".late");
	scan__literal(&s, ".");
	if (s.p && *s.p >= '0' && *s.p <= '9') {
		n.serial = (uint16_t)scan__digits(&s, 1, 4);
		scan__literal(&s, ".");
		if (n.serial < 2)
			return -EINVAL;
	}
	scan__literal(&s, "pb.");
	n.codec = scan__try(&s, "zst") ? STORE_ZSTD : STORE_GZIP;
	if (n.codec == STORE_GZIP)
		scan__literal(&s, "gz");
	if (!s.p || *s.p || h > 23 || m > 59 || sec > 59 || n.seconds == 0 || n.seconds > STORE_SECONDS_MAX)
		return -EINVAL;
	n.start_s = day_s + h * 3600 + m * 60 + sec;
	store_name__format(&n, again);
	if (strcmp(again, text) != 0)
		return -EINVAL;
	*ret = n;
	return 0;
}

int store_name__parse_codec(const void *bytes, size_t len, enum store_codec *ret)
{
	static const uint8_t gzip[] = {0x1f, 0x8b}, zstd[] = {0x28, 0xb5, 0x2f, 0xfd};

	if (len >= sizeof(zstd) && memcmp(bytes, zstd, sizeof(zstd)) == 0)
		*ret = STORE_ZSTD;
	else if (len >= sizeof(gzip) && memcmp(bytes, gzip, sizeof(gzip)) == 0)
		*ret = STORE_GZIP;
	else
		return -EINVAL;
	return 0;
}
