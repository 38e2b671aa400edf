// SPDX-License-Identifier: Apache-2.0
/*
 * Problem. A configuration that reads `10m` as ten, `1_000` as one or 2^64 seconds as three is worse than one that
 * refuses to start: it does something else, silently, on every host.
 *
 * Idea. One scanner reads `digits[.digits]`, one table per kind says what a unit is worth in base units (nanoseconds, bytes),
 * and one multiplication in 128 bits decides whether the product fits 64. What is left over after the unit is an error.
 *
 * Invariants. format(x) parses back to exactly x. No value is ever rounded upwards. Nothing depends on the locale
 * (strtod would read `1,5` in some of them).
 *
 * What it does not do. No exponents, no signs, no hexadecimal, no thousands separators: no example in the world writes a
 * retention as 6.048e5.
 */
#include "user/config/units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "user/base/err.h"

struct unit {
	const char *name;
	uint64_t worth;
};

#define NS_SECOND 1000000000ull

static const struct unit duration_units[] = {
	{"w", 604800 * NS_SECOND},
	{"d", 86400 * NS_SECOND},
	{"h", 3600 * NS_SECOND},
	{"m", 60 * NS_SECOND},
	{"s", NS_SECOND},
	{"ms", 1000000},
	{"us", 1000},
	{"ns", 1},
	{NULL},
};

static const struct unit size_units[] = {
	{"PiB", 1ull << 50},
	{"PB", 1000000000000000ull},
	{"TiB", 1ull << 40},
	{"TB", 1000000000000ull},
	{"GiB", 1ull << 30},
	{"GB", 1000000000ull},
	{"MiB", 1ull << 20},
	{"MB", 1000000},
	{"KiB", 1ull << 10},
	{"kB", 1000},
	{"KB", 1000},
	{"B", 1},
	{NULL},
};

static const struct unit per_units[] = {
	{"s", 1},    {"sec", 1},     {"second", 1}, {"m", 60},      {"min", 60}, {"minute", 60},
	{"h", 3600}, {"hour", 3600}, {"d", 86400},  {"day", 86400}, {NULL},
};

struct decimal {
	uint64_t whole;
	uint64_t fraction; /* of fraction_scale */
	uint64_t fraction_scale;
};

struct units_quote units__quote(const char *text)
{
	struct units_quote q;
	size_t n = 0;

	for (; *text && n < UNITS_QUOTE_MAX; text++) {
		unsigned char c = *text;

		/* '?' rather than \x..: the place is told by line, the bytes do not help a person */
		q.text[n++] = c < ' ' || c >= 0x7f ? '?' : c;
	}
	q.text[n] = '\0';
	if (*text)
		strcpy(q.text + n, "…");
	return q;
}

static int refuse(struct err *e, int code, const char *expected, const char *text)
{
	if (!*text)
		return err__set(e, code, "expected %s, found nothing", expected);
	return err__set(e, code, "expected %s, found '%s'", expected, units__quote(text).text);
}

static const char *skip_blanks(const char *p)
{
	while (*p == ' ' || *p == '\t')
		p++;
	return p;
}

/* Reads digits[.digits] at *p. Fraction digits past the ninth are read and cut. */
static int scan_decimal(const char **p, struct decimal *ret)
{
	struct decimal d = {.fraction_scale = 1};
	const char *s = *p;

	if (*s < '0' || *s > '9')
		return -EINVAL;
	for (; *s >= '0' && *s <= '9'; s++) {
		if (__builtin_mul_overflow(d.whole, 10, &d.whole) ||
		    __builtin_add_overflow(d.whole, (uint64_t)(*s - '0'), &d.whole))
			return -ERANGE;
	}
	if (*s == '.') {
		s++;
		if (*s < '0' || *s > '9')
			return -EINVAL;
		for (; *s >= '0' && *s <= '9'; s++) {
			if (d.fraction_scale == 1000000000)
				continue;
			d.fraction = d.fraction * 10 + (*s - '0');
			d.fraction_scale *= 10;
		}
	}
	*p = s;
	*ret = d;
	return 0;
}

static int scale(const struct decimal *d, uint64_t worth, uint64_t *ret_value)
{
	unsigned __int128 v = (unsigned __int128)d->whole * worth;

	/* a worth is at most 2^60 and a fraction below 10^9: no overflow of 128 bits in sight */
	v += (unsigned __int128)d->fraction * worth / d->fraction_scale;
	if (v > UINT64_MAX)
		return -ERANGE;
	*ret_value = v;
	return 0;
}

/* The unit whose name is the run of letters at *p, or NULL. */
static const struct unit *scan_unit(const char **p, const struct unit *units)
{
	size_t n = 0;

	while (((*p)[n] >= 'a' && (*p)[n] <= 'z') || ((*p)[n] >= 'A' && (*p)[n] <= 'Z'))
		n++;
	for (; n && units->name; units++) {
		if (strlen(units->name) == n && !memcmp(units->name, *p, n)) {
			*p += n;
			return units;
		}
	}
	return NULL;
}

/* One `number unit` at *p; a bare zero is fine when nothing follows it. */
static int scan_quantity(const char **p, const struct unit *units, const struct unit **ret_unit,
			 uint64_t *ret_value)
{
	const struct unit *unit;
	struct decimal d;
	int err;

	*ret_unit = NULL;
	err = scan_decimal(p, &d);
	if (err)
		return err;
	*p = skip_blanks(*p);
	if (!**p && !d.whole && !d.fraction) {
		*ret_value = 0;
		return 0;
	}
	unit = scan_unit(p, units);
	if (!unit)
		return -EINVAL;
	*ret_unit = unit;
	return scale(&d, unit->worth, ret_value);
}

int units__parse_duration(const char *text, uint64_t *ret_ns, struct err *e)
{
	static const char expected[] = "a duration with its unit such as 500ms, 30s, 5m, 1h or 7d";
	const struct unit *unit, *last = NULL;
	const char *p = skip_blanks(text);
	uint64_t part, total = 0;
	int err;

	do {
		err = scan_quantity(&p, duration_units, &unit, &part);
		/* 1h30m, but neither 30m1h nor 1m1m: each part is of a smaller unit */
		if (!err && last && (!unit || unit <= last))
			err = -EINVAL;
		if (!err && __builtin_add_overflow(total, part, &total))
			err = -ERANGE;
		if (err)
			return refuse(e, err, err == -ERANGE ? "a duration below 584 years" : expected, text);
		last = unit;
	} while (*p >= '0' && *p <= '9');
	if (*skip_blanks(p))
		return refuse(e, -EINVAL, expected, text);
	*ret_ns = total;
	return 0;
}

int units__parse_size(const char *text, uint64_t *ret_bytes, struct err *e)
{
	static const char expected[] = "a size with its unit such as 64KiB, 10MB or 2GiB";
	const char *p = skip_blanks(text);
	const struct unit *unit;
	uint64_t bytes;
	int err;

	err = scan_quantity(&p, size_units, &unit, &bytes);
	if (!err && *skip_blanks(p))
		err = -EINVAL;
	if (err)
		return refuse(e, err, err == -ERANGE ? "a size below 16384PiB" : expected, text);
	*ret_bytes = bytes;
	return 0;
}

int units__parse_count(const char *text, uint64_t *ret_n, struct err *e)
{
	const char *p = skip_blanks(text);
	struct decimal d;
	int err;

	err = scan_decimal(&p, &d);
	if (!err && (d.fraction_scale != 1 || *skip_blanks(p)))
		err = -EINVAL;
	if (err)
		return refuse(e, err, err == -ERANGE ? "a whole number below 2^64" : "a whole number", text);
	*ret_n = d.whole;
	return 0;
}

int units__parse_share(const char *text, uint64_t *ret_ppm, struct err *e)
{
	const char *p = skip_blanks(text);
	struct decimal d;
	uint64_t ppm;
	int err;

	err = scan_decimal(&p, &d);
	if (!err)
		err = scale(&d, PPM_PER_PERCENT, &ppm);
	if (!err) {
		p = skip_blanks(p);
		if (*p == '%')
			p++;
		if (*skip_blanks(p))
			err = -EINVAL;
	}
	if (err)
		return refuse(e, err, "a percentage such as 80% or 0.5%", text);
	*ret_ppm = ppm;
	return 0;
}

/* "/hour" and the end of the text. */
static int scan_per(const char *p, uint64_t *ret_seconds)
{
	const struct unit *per;

	p = skip_blanks(p);
	if (*p++ != '/')
		return -EINVAL;
	p = skip_blanks(p);
	per = scan_unit(&p, per_units);
	if (!per || *skip_blanks(p))
		return -EINVAL;
	*ret_seconds = per->worth;
	return 0;
}

int units__parse_size_rate(const char *text, double *ret_per_second, struct err *e)
{
	const char *p = skip_blanks(text);
	const struct unit *unit;
	uint64_t bytes, seconds;
	int err;

	/* "0/s" has a unit for its time only, which is enough for nothing at all */
	if (*p == '0' && skip_blanks(p + 1)[0] == '/') {
		bytes = 0;
		p++;
		err = 0;
	} else {
		err = scan_quantity(&p, size_units, &unit, &bytes);
	}
	if (!err)
		err = scan_per(p, &seconds);
	if (err)
		return refuse(e, err, "a rate with its units such as 100MB/hour or 2MiB/s", text);
	*ret_per_second = (double)bytes / (double)seconds;
	return 0;
}

int units__parse_count_rate(const char *text, double *ret_per_second, struct err *e)
{
	const char *p = skip_blanks(text);
	struct decimal d;
	uint64_t seconds;
	int err;

	err = scan_decimal(&p, &d);
	if (!err)
		err = scan_per(p, &seconds);
	if (err)
		return refuse(e, err, "a rate with its unit of time such as 1000/s or 5/minute", text);
	*ret_per_second = ((double)d.whole + (double)d.fraction / (double)d.fraction_scale) / (double)seconds;
	return 0;
}

void units__format_duration(uint64_t ns, char ret_text[UNITS_TEXT_MAX])
{
	const struct unit *u = duration_units + 1; /* 7d rather than 1w: it is what people write */

	if (!ns) {
		strcpy(ret_text, "0s");
		return;
	}
	while (ns % u->worth)
		u++;
	snprintf(ret_text, UNITS_TEXT_MAX, "%" PRIu64 "%s", ns / u->worth, u->name);
}

void units__format_size(uint64_t bytes, char ret_text[UNITS_TEXT_MAX])
{
	const struct unit *u = size_units;

	if (!bytes) {
		strcpy(ret_text, "0B");
		return;
	}
	while (bytes % u->worth)
		u++;
	snprintf(ret_text, UNITS_TEXT_MAX, "%" PRIu64 "%s", bytes / u->worth, u->name);
}

void units__format_share(uint64_t ppm, char ret_text[UNITS_TEXT_MAX])
{
	uint64_t fraction = ppm % PPM_PER_PERCENT;
	int width = 4;

	if (!fraction) {
		snprintf(ret_text, UNITS_TEXT_MAX, "%" PRIu64 "%%", ppm / PPM_PER_PERCENT);
		return;
	}
	for (; fraction % 10 == 0; width--)
		fraction /= 10;
	snprintf(ret_text, UNITS_TEXT_MAX, "%" PRIu64 ".%0*" PRIu64 "%%", ppm / PPM_PER_PERCENT, width,
		 fraction);
}
