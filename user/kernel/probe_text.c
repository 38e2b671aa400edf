// SPDX-License-Identifier: Apache-2.0
/*
 * probe_text - the formats of /proc and /sys that the probe reads. All pure: text in, numbers out.
 */
#include "user/kernel/probe_impl.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *next_line(const char *at)
{
	at = strchr(at, '\n');
	return at ? at + 1 : NULL;
}

int parse_kernel_release(const char *text, uint32_t *ret_release)
{
	unsigned int major, minor;

	if (!isdigit((unsigned char)*text) || sscanf(text, "%5u.%5u", &major, &minor) != 2 ||
	    major > 0xffff || minor > 0xffff)
		return -EBADMSG;
	*ret_release = PROBE_RELEASE(major, minor);
	return 0;
}

int parse_status_field(const char *text, const char *key, int base, uint64_t *ret)
{
	size_t len = strlen(key);

	for (const char *at = text; at; at = next_line(at)) {
		char *end;
		uint64_t n;

		if (strncmp(at, key, len) || at[len] != ':')
			continue;
		at += len + 1;
		at += strspn(at, " \t");
		if (!isxdigit((unsigned char)*at))
			return -EBADMSG;
		errno = 0;
		n = strtoull(at, &end, base);
		if (end == at || errno)
			return -EBADMSG;
		*ret = n;
		return 0;
	}
	return -ENOENT;
}

static int parse_limit_value(const char **at, uint64_t *ret)
{
	char *end;

	*at += strspn(*at, " ");
	if (!strncmp(*at, "unlimited", 9)) {
		*at += 9;
		*ret = UINT64_MAX;
		return 0;
	}
	if (!isdigit((unsigned char)**at))
		return -EBADMSG;
	*ret = strtoull(*at, &end, 10);
	*at = end;
	return 0;
}

int parse_limit(const char *limits, const char *name, uint64_t *ret_soft, uint64_t *ret_hard)
{
	size_t len = strlen(name);
	uint64_t soft, hard;
	int err;

	for (const char *at = limits; at; at = next_line(at)) {
		if (strncmp(at, name, len) || at[len] != ' ')
			continue;
		at += len;
		err = parse_limit_value(&at, &soft);
		if (!err)
			err = parse_limit_value(&at, &hard);
		if (err)
			return err;
		*ret_soft = soft;
		*ret_hard = hard;
		return 0;
	}
	return -ENOENT;
}

/* Field `n` of a line, from 0, or NULL; fields are separated by one blank. */
static const char *field(const char *line, const char *end, int n)
{
	while (n--) {
		line = memchr(line, ' ', (size_t)(end - line));
		if (!line)
			return NULL;
		line++;
	}
	return line;
}

/* "22 1 0:21 / /proc rw,relatime shared:5 - proc proc rw,hidepid=invisible" */
static bool parse_proc_line(const char *line, const char *end, char ret_options[PROBE_TEXT_MAX])
{
	static const char place[] = "/proc ", kind[] = " - proc ";
	const char *at = field(line, end, 4), *options;

	if (!at || (size_t)(end - at) < sizeof(place) || strncmp(at, place, sizeof(place) - 1))
		return false;
	at = memmem(at, (size_t)(end - at), kind, sizeof(kind) - 1);
	options = at ? field(at + 1, end, 3) : NULL;
	if (!options)
		return false;
	snprintf(ret_options, PROBE_TEXT_MAX, "%.*s", (int)(end - options), options);
	return true;
}

void parse_proc_mount(const char *mountinfo, char ret_options[PROBE_TEXT_MAX])
{
	ret_options[0] = '\0';
	for (const char *at = mountinfo; at && *at; at = next_line(at))
		parse_proc_line(at, at + strcspn(at, "\n"), ret_options);
}

/* Is `controller` one of the names in "cpu,cpuacct"? */
static bool list_has(const char *list, size_t len, const char *controller)
{
	size_t want = strlen(controller);

	while (len) {
		size_t n = 0;

		while (n < len && list[n] != ',')
			n++;
		if (n == want && !memcmp(list, controller, n))
			return true;
		n += n < len;
		list += n;
		len -= n;
	}
	return false;
}

/* "0::/system.slice/everprof.service", "4:memory:/x", "2:cpu,cpuacct:/" */
int parse_own_cgroup(const char *cgroups, const char *controller, char ret_path[PROBE_TEXT_MAX])
{
	for (const char *at = cgroups; at && *at; at = next_line(at)) {
		const char *end = at + strcspn(at, "\n");
		const char *list = memchr(at, ':', (size_t)(end - at));
		const char *path = list ? memchr(list + 1, ':', (size_t)(end - list - 1)) : NULL;
		size_t list_len = path ? (size_t)(path - list - 1) : 0;

		if (!path || path[1] != '/' || (size_t)(end - path) > PROBE_TEXT_MAX)
			continue;
		if (*controller ? !list_has(list + 1, list_len, controller) : list_len != 0)
			continue;
		snprintf(ret_path, PROBE_TEXT_MAX, "%.*s", (int)(end - path - 1), path + 1);
		return 0;
	}
	return -ENOENT;
}
