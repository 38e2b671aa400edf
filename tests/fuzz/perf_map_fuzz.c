/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a perf map, read at once and read in two parts as a file that grows: both tables give every address
 * the same name, and it is that of the last line that covers it.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "user/runtime/perf_map.h"

#define INPUT_MAX 4096 /* the check below is quadratic */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* By definition: the last line of the text that covers the address. */
static bool expect(const char *text, size_t len, uint64_t addr, struct perf_map_entry *ret)
{
	bool found = false;

	for (const char *p = text, *nl; (nl = memchr(p, '\n', len - (size_t)(p - text))); p = nl + 1) {
		struct perf_map_entry e;

		if (perf_map__parse_line(p, (size_t)(nl - p), &e) || addr < e.start ||
		    addr - e.start >= e.size)
			continue;
		*ret = e;
		found = true;
	}
	return found;
}

static void check(const struct perf_map *m, const char *text, size_t len, uint64_t addr)
{
	struct perf_map_entry want, got;
	bool found = expect(text, len, addr, &want);

	if (found != (perf_map__find(m, addr, &got) == 0))
		abort();
	if (found && (want.start != got.start || want.size != got.size || want.name_len != got.name_len ||
		      memcmp(want.name, got.name, want.name_len)))
		abort();
}

static void check_all(const struct perf_map *m, const char *text, size_t len)
{
	for (const char *p = text, *nl; (nl = memchr(p, '\n', len - (size_t)(p - text))); p = nl + 1) {
		struct perf_map_entry e;

		if (perf_map__parse_line(p, (size_t)(nl - p), &e))
			continue;
		check(m, text, len, e.start - 1);
		check(m, text, len, e.start);
		check(m, text, len, e.start + e.size / 2);
		check(m, text, len, e.start + e.size - 1);
		check(m, text, len, e.start + e.size);
	}
}

static void grow(int fd, const uint8_t *data, size_t len, struct perf_map *m)
{
	bool changed;

	if (write(fd, data, len) != (ssize_t)len || perf_map__read(m, fd, &changed))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct perf_map *whole, *grown;
	size_t half;
	int fd;

	if (size < 2 || size > INPUT_MAX)
		return 0;
	half = 1 + data[0] * (size - 1) /
			   256; /* the first byte says where it is cut, and is read with the rest */
	whole = perf_map__new(NULL);
	grown = perf_map__new(NULL);
	fd = memfd_create("perf_map_fuzz", MFD_CLOEXEC);
	if (!whole || !grown || fd < 0)
		abort();
	grow(fd, data, half, grown);
	grow(fd, data + half, size - half, grown);
	grow(fd, data, 0, whole);
	check_all(whole, (const char *)data, size);
	check_all(grown, (const char *)data, size);
	close(fd);
	perf_map__free(whole);
	perf_map__free(grown);
	return 0;
}
