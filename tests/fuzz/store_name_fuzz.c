// SPDX-License-Identifier: Apache-2.0
/*
 * Any text as the name of a file in the store, and as the name of its folder. What is accepted is written back letter for letter, lies in
 * its day, and stands in one order with every other name; a window that is named from any numbers is read back as it was.
 *
 * Input: <folder> NUL <file> NUL <another file>; the same bytes serve as event, start and length of a window.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/clock.h"
#include "user/store/name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static bool parse(const char *folder, const char *file, struct store_name *ret)
{
	char date[STORE_DATE_MAX], again[STORE_NAME_MAX], path[STORE_PATH_MAX];
	uint64_t day_s;

	if (store_name__parse_date(folder, &day_s))
		return false;
	require(day_s % STORE_DAY_SECONDS == 0 && day_s < STORE_START_MAX);
	if (store_name__parse(file, day_s, ret))
		return false;
	require(ret->start_s >= day_s && ret->start_s < day_s + STORE_DAY_SECONDS);
	require(ret->seconds >= 1 && ret->seconds <= STORE_SECONDS_MAX);
	store_name__format_date(ret, date);
	store_name__format(ret, again);
	require(strcmp(date, folder) == 0 && strcmp(again, file) == 0);
	store_name__format_path(ret, path);
	require(strlen(path) == strlen(date) + 1 + strlen(again));
	return true;
}

static void compare(const struct store_name *a, const struct store_name *b)
{
	char name_a[STORE_PATH_MAX], name_b[STORE_PATH_MAX];

	store_name__format_path(a, name_a);
	store_name__format_path(b, name_b);
	require((store_name__compare(a, b) < 0) == (store_name__compare(b, a) > 0));
	require((store_name__compare(a, b) == 0) == (strcmp(name_a, name_b) == 0));
	require(!(store_name__is_within(a, b) && store_name__is_within(b, a)));
	require(!store_name__is_within(a, a));
}

static void build(const char *text, size_t size)
{
	uint64_t start_ns = 0, duration_ns = 0;
	char date[STORE_DATE_MAX], file[STORE_NAME_MAX];
	struct store_name n, again;
	uint32_t len = size < 8 ? (uint32_t)size : 8;

	memcpy(&start_ns, text, len);
	memcpy(&duration_ns, text + size - len, len);
	if (store_name__window(text, start_ns, duration_ns % (90000 * NS_PER_SEC),
			       size % 2 ? STORE_GZIP : STORE_ZSTD, &n))
		return;
	require(store_name__level(&n) == STORE_WINDOW);
	store_name__format_date(&n, date);
	store_name__format(&n, file);
	require(parse(date, file, &again) && store_name__compare(&n, &again) == 0);
	for (int level = STORE_HOUR; level <= STORE_DAY; level++) {
		struct store_name rollup = store_name__rollup(n.event, n.start_s, (enum store_level)level);

		require((int)store_name__level(&rollup) == level && store_name__is_within(&n, &rollup));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 3);
	struct store_name first, second;
	const char *file, *other;
	bool is_first;

	if (!text)
		return 0;
	/* three strings, whatever the bytes are */
	if (size)
		memcpy(text, data, size);
	memset(text + size, 0, 3);
	file = text + strlen(text) + 1;
	other = file < text + size + 2 ? file + strlen(file) + 1 : file;
	if (other > text + size + 2)
		other = text + size + 2;
	is_first = parse(text, file, &first);
	if (is_first && parse(text, other, &second))
		compare(&first, &second);
	build(text, size);
	free(text);
	return 0;
}
