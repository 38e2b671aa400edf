// SPDX-License-Identifier: Apache-2.0
#include "user/process/cgroup_stat.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "user/base/key_lines.h"

/* Version 1 counts pages up to the largest long: what is above this is no limit. */
#define V1_UNLIMITED (UINT64_MAX / 2 - (1ull << 20))

static uint64_t to_ns(uint64_t us)
{
	return us > UINT64_MAX / 1000 ? UINT64_MAX : us * 1000;
}

int parse_cgroup_cpu_stat(const char *text, size_t len, struct cgroup_cpu *ret)
{
	uint64_t usage_us = 0, throttled_us = 0, throttled_ns = 0;
	struct cgroup_cpu c = {0};
	const struct key_field fields[] = {
		{"usage_usec", &usage_us},         {"nr_periods", &c.n_periods},
		{"nr_throttled", &c.n_throttled},  {"throttled_usec", &throttled_us},
		{"throttled_time", &throttled_ns},
	};

	if (!key_lines__read(text, len, fields, sizeof(fields) / sizeof(*fields)))
		return -EBADMSG;
	c.usage_ns = to_ns(usage_us);
	c.throttled_ns = throttled_ns ? throttled_ns : to_ns(throttled_us);
	*ret = c;
	return 0;
}

int parse_cgroup_memory_stat(const char *text, size_t len, struct cgroup_memory *ret)
{
	struct cgroup_memory m = {0}, v1 = {0};
	uint64_t is_v1 = 0;
	const struct key_field fields[] = {
		{"anon", &m.anon_bytes},
		{"file_mapped", &m.mapped_bytes},
		{"shmem", &m.shmem_bytes},
		{"inactive_file", &m.inactive_file_bytes},
		{"hierarchical_memory_limit", &is_v1},
		{"total_rss", &v1.anon_bytes},
		{"total_mapped_file", &v1.mapped_bytes},
		{"total_shmem", &v1.shmem_bytes},
		{"total_inactive_file", &v1.inactive_file_bytes},
	};

	if (!key_lines__read(text, len, fields, sizeof(fields) / sizeof(*fields)))
		return -EBADMSG;
	*ret = is_v1 ? v1 : m;
	return 0;
}

int parse_cgroup_cpu_max(const char *text, size_t len, double *ret_cpus)
{
	uint64_t quota = 0, period = 0;
	bool is_unlimited = len >= 4 && !memcmp(text, "max ", 4);
	size_t n = is_unlimited ? 3 : key_lines__number(text, len, &quota);

	if (!n || n + 1 >= len || text[n] != ' ' || !key_lines__number(text + n + 1, len - n - 1, &period) ||
	    !period)
		return -EBADMSG;
	*ret_cpus = is_unlimited ? 0 : (double)quota / (double)period;
	return 0;
}

int parse_cgroup_number(const char *text, size_t len, uint64_t *ret)
{
	uint64_t v;

	if (len >= 3 && !memcmp(text, "max", 3))
		v = CGROUP_UNLIMITED;
	else if (len >= 2 && !memcmp(text, "-1", 2))
		v = CGROUP_UNLIMITED;
	else if (!key_lines__number(text, len, &v))
		return -EBADMSG;
	*ret = v >= V1_UNLIMITED ? CGROUP_UNLIMITED : v;
	return 0;
}

/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=123", in microseconds */
static int parse_pressure_line(const char *text, size_t len, const char *kind, uint64_t *ret_ns)
{
	static const char total[] = "total=";
	const char *line = memmem(text, len, kind, strlen(kind)), *end, *at;
	uint64_t us;

	if (!line || (line > text && line[-1] != '\n'))
		return -EBADMSG;
	len -= (size_t)(line - text);
	end = memchr(line, '\n', len);
	len = end ? (size_t)(end - line) : len;
	at = memmem(line, len, total, sizeof(total) - 1);
	if (!at)
		return -EBADMSG;
	at += sizeof(total) - 1;
	if (!key_lines__number(at, len - (size_t)(at - line), &us))
		return -EBADMSG;
	*ret_ns = to_ns(us);
	return 0;
}

int parse_pressure(const char *text, size_t len, struct pressure *ret)
{
	struct pressure p = {0};

	if (parse_pressure_line(text, len, "some ", &p.some_ns))
		return -EBADMSG;
	p.has_full = !parse_pressure_line(text, len, "full ", &p.full_ns);
	*ret = p;
	return 0;
}
