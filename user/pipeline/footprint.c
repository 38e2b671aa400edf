// SPDX-License-Identifier: Apache-2.0
/*
 * footprint - Problem: the pages of a BPF map that a process has mapped are in its resident set (as file pages of `anon_inode:bpf-map`) and in the
 *   kernel's account of the map as well. RssFile does not tell them from the pages of libraries.
 * Idea: /proc/PID/smaps tells both for each mapping: its name in the head line, then `Rss:` in kB.
 * Cost: the kernel walks our page tables: about a millisecond with 30 MiB resident.
 */
#include "user/pipeline/footprint.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "user/base/buf.h"
#include "user/base/io.h"

#define BPF_MAP_NAME "anon_inode:bpf-map"
#define RSS_FIELD    "Rss:"

static bool ends_with(const char *line, size_t len, const char *end)
{
	size_t n = strlen(end);

	return len >= n && !memcmp(line + len - n, end, n);
}

/* "Rss:     1234 kB" to bytes; absurd numbers saturate at what no machine has. */
static uint64_t parse_kib(const char *at, const char *end)
{
	uint64_t kib = 0;

	while (at < end && *at == ' ')
		at++;
	for (; at < end && *at >= '0' && *at <= '9' && kib < 1ull << 40; at++)
		kib = kib * 10 + (uint64_t)(*at - '0');
	return kib << 10;
}

/* Head lines begin with an address in lower case hex, fields with a capital. */
static bool is_head(const char *line, size_t len)
{
	return len && ((line[0] >= '0' && line[0] <= '9') || (line[0] >= 'a' && line[0] <= 'f'));
}

int footprint__parse_smaps(const char *text, size_t len, struct footprint *ret)
{
	const char *end = text + len, *line = text;
	const size_t field = strlen(RSS_FIELD);
	struct footprint f = {};
	bool in_map = false, any = false;

	while (line < end) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));
		size_t n = (size_t)((newline ? newline : end) - line);
		uint64_t bytes;

		if (is_head(line, n)) {
			in_map = ends_with(line, n, BPF_MAP_NAME);
		} else if (n > field && !memcmp(line, RSS_FIELD, field)) {
			bytes = parse_kib(line + field, line + n);
			f.resident_bytes += bytes;
			f.bpf_bytes += in_map ? bytes : 0;
			any = true;
		}
		line = newline ? newline + 1 : end;
	}
	if (!any)
		return -EBADMSG;
	*ret = f;
	return 0;
}

int footprint__read(const char *pid_dir, struct footprint *ret)
{
	char path[64];
	struct buf b;
	int err;

	if (snprintf(path, sizeof(path), "%s/smaps", pid_dir) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	buf__init(&b, FOOTPRINT_SMAPS_MAX);
	err = io__read_at(-1, path, FOOTPRINT_SMAPS_MAX, &b);
	if (!err)
		err = footprint__parse_smaps((const char *)b.data, b.len, ret);
	buf__done(&b);
	return err;
}

/* smaps_rollup has one mapping, and for it what smaps has of each. */
uint64_t footprint__proportional(const char *pid_dir)
{
	static const char field[] = "\nPss:";
	char path[64];
	const char *at = NULL;
	uint64_t bytes = 0;
	struct buf b;

	if (snprintf(path, sizeof(path), "%s/smaps_rollup", pid_dir) >= (int)sizeof(path))
		return 0;
	buf__init(&b, 4096);
	if (!io__read_at(-1, path, 4096, &b))
		at = strstr(buf__str(&b), field);
	if (at)
		bytes = parse_kib(at + strlen(field), buf__str(&b) + b.len);
	buf__done(&b);
	return bytes;
}

/* Second field of statm, in pages. */
uint64_t footprint__resident(const char *pid_dir)
{
	unsigned long long total, resident = 0;
	char path[64];
	struct buf b;

	if (snprintf(path, sizeof(path), "%s/statm", pid_dir) >= (int)sizeof(path))
		return 0;
	buf__init(&b, 4096);
	if (io__read_at(-1, path, 4096, &b) || sscanf(buf__str(&b), "%llu %llu", &total, &resident) != 2)
		resident = 0;
	buf__done(&b);
	return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}
