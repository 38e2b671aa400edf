// SPDX-License-Identifier: Apache-2.0
#include "user/store/capture_name.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "user/base/clock.h"
#include "user/store/name.h"

#define TIME_LEN 20 /* 20260131T143000.123Z */

static bool is_field_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
	       c == '-';
}

static void clean(const char *from, char *to, size_t size)
{
	size_t n = 0;

	for (; from && from[n] && n < size - 1; n++)
		to[n] = is_field_char(from[n]) ? from[n] : '-';
	if (!n)
		to[n++] = '-';
	to[n] = 0;
}

int capture_name__init(struct capture_name *n, uint64_t real_ns, const char *host, const char *target,
		       const char *value, const char *id)
{
	if (real_ns / NS_PER_SEC >= STORE_START_MAX)
		return -EINVAL;
	n->time_ms = real_ns / NS_PER_MS;
	clean(host, n->host, sizeof(n->host));
	clean(target, n->target, sizeof(n->target));
	clean(value, n->value, sizeof(n->value));
	clean(id, n->id, sizeof(n->id));
	return 0;
}

void capture_name__format(const struct capture_name *n, char ret_name[CAPTURE_NAME_MAX])
{
	char date[11], hms[7];

	clock__format_date(n->time_ms * NS_PER_MS, date);
	clock__format_hms(n->time_ms * NS_PER_MS, hms);
	snprintf(ret_name, CAPTURE_NAME_MAX, "%.4s%.2s%.2sT%s.%03uZ_%s_%s_%s_%s", date, date + 5, date + 8,
		 hms, (unsigned)(n->time_ms % 1000), n->host, n->target, n->value, n->id);
}

/* The digits at `text`; false where one is not. */
static bool parse_digits(const char *text, int n, uint32_t *ret)
{
	uint32_t v = 0;

	for (int i = 0; i < n; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		v = v * 10 + (uint32_t)(text[i] - '0');
	}
	*ret = v;
	return true;
}

/* The time in front; its shape is judged by formatting it again. */
static bool parse_time(const char *text, uint64_t *ret_ms)
{
	uint32_t h, m, s, ms;
	char date[STORE_DATE_MAX];
	uint64_t day_s;

	if (strlen(text) < TIME_LEN || !parse_digits(text + 9, 2, &h) || !parse_digits(text + 11, 2, &m) ||
	    !parse_digits(text + 13, 2, &s) || !parse_digits(text + 16, 3, &ms) || h > 23 || m > 59 || s > 59)
		return false;
	snprintf(date, sizeof(date), "%.4s-%.2s-%.2s", text, text + 4, text + 6);
	if (store_name__parse_date(date, &day_s))
		return false;
	*ret_ms = (day_s + h * 3600 + m * 60 + s) * 1000 + ms;
	return true;
}

int capture_name__parse(const char *text, struct capture_name *ret)
{
	struct capture_name n = {0};
	char *const fields[] = {n.host, n.target, n.value, n.id};
	char again[CAPTURE_NAME_MAX];
	const char *p;

	if (!parse_time(text, &n.time_ms))
		return -EINVAL;
	p = text + TIME_LEN;
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		size_t len;

		if (*p++ != '_')
			return -EINVAL;
		len = strcspn(p, "_");
		if (len == 0 || len >= CAPTURE_FIELD_MAX)
			return -EINVAL;
		for (size_t c = 0; c < len; c++)
			if (!is_field_char(p[c]))
				return -EINVAL;
		memcpy(fields[i], p, len);
		p += len;
	}
	capture_name__format(&n, again);
	if (strcmp(again, text) != 0)
		return -EINVAL;
	*ret = n;
	return 0;
}

void capture_name__format_rule(const char *rule, char ret_folder[CAPTURE_RULE_MAX])
{
	size_t n = 0;

	for (; rule[n] && n < CAPTURE_RULE_MAX - 1; n++)
		ret_folder[n] = is_field_char(rule[n]) || rule[n] == '_' ? rule[n] : '-';
	if (!n)
		ret_folder[n++] = '-';
	ret_folder[n] = 0;
	if (ret_folder[0] == '.')
		ret_folder[0] = '-';
}
