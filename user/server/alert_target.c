// SPDX-License-Identifier: Apache-2.0
#include "user/server/alert_target.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "user/base/buf.h"

#define CONTAINER_DIGITS 12

static const char *label(const json_t *labels, const char *key)
{
	const char *s = json_string_value(json_object_get(labels, key));

	return s && *s && !strchr(s, '\n') ? s : NULL;
}

/* -- whose it is -- */

static bool same_host(const char *name, size_t len, const char *host)
{
	size_t ours = strcspn(host, "."), theirs;

	if (strlen(host) == len && !strncasecmp(name, host, len))
		return true;
	/* one of the two may be without its domain */
	for (theirs = 0; theirs < len && name[theirs] != '.'; theirs++)
		;
	return (theirs == len || !host[ours]) && theirs == ours && !strncasecmp(name, host, ours);
}

/* An address says nothing: which ones this host has is not known here, and who sent the alert here meant us. */
static bool is_address(const char *name, size_t len)
{
	unsigned char room[sizeof(struct in6_addr)];
	char text[64];

	if (!len || len >= sizeof(text))
		return false;
	memcpy(text, name, len);
	text[len] = '\0';
	return inet_pton(AF_INET, text, room) == 1 || inet_pton(AF_INET6, text, room) == 1 || text[0] == '[';
}

static bool is_ours(const char *name, const char (*hosts)[SETTINGS_HOST_MAX], uint32_t n_hosts)
{
	const char *colon = strrchr(name, ':');
	size_t len = colon && colon == strchr(name, ':') ? (size_t)(colon - name) : strlen(name);

	if (is_address(name, len) || (len == 9 && !strncasecmp(name, "localhost", 9)))
		return true;
	for (uint32_t i = 0; i < n_hosts; i++)
		if (same_host(name, len, hosts[i]))
			return true;
	return false;
}

static bool is_of_this_host(const json_t *labels, const char (*hosts)[SETTINGS_HOST_MAX], uint32_t n_hosts)
{
	static const char *const keys[] = {"node", "nodename", "hostname", "host", "instance"};

	/* the first that is there decides: `instance` may be that of an exporter elsewhere */
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		const char *name = label(labels, keys[i]);

		if (name)
			return is_ours(name, hosts, n_hosts);
	}
	return true;
}

/* -- what it is about -- */

static bool is_container_id(const char *id)
{
	size_t n = strspn(id, "0123456789abcdef");

	return n >= CONTAINER_DIGITS && !id[n];
}

/* A name as a pattern that matches it alone. */
static void append_exact(struct buf *to, const char *key, const char *value, const char *more)
{
	buf__printf(to, "%s=", key);
	for (; *value; value++) {
		if (strchr("*?[\\", *value))
			buf__append_char(to, '\\');
		buf__append_char(to, *value);
	}
	buf__printf(to, "%s\n", more);
}

static bool map_container(const json_t *labels, struct buf *to)
{
	static const char *const keys[] = {"container_id", "container", "id"};

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		const char *id = label(labels, keys[i]), *scheme = id ? strstr(id, "://") : NULL;

		if (scheme)
			id = scheme + 3;
		if (!id || !is_container_id(id))
			continue;
		append_exact(to, "container", id, "*");
		return true;
	}
	return false;
}

static bool map_group(const json_t *labels, struct buf *to)
{
	static const char *const units[] = {".service", ".scope", ".slice", ".socket"};
	const char *path = label(labels, "cgroup") ?: label(labels, "id");
	const char *unit = label(labels, "unit") ?: label(labels, "name"),
		   *dot = unit ? strrchr(unit, '.') : NULL;

	if (label(labels, "pod_uid")) {
		append_exact(to, "pod", label(labels, "pod_uid"), "");
		return true;
	}
	for (size_t i = 0; dot && i < sizeof(units) / sizeof(*units); i++) {
		if (strcmp(dot, units[i]))
			continue;
		append_exact(to, "unit", unit, "");
		return true;
	}
	if (!path || *path != '/' || !path[1])
		return false;
	append_exact(to, "cgroup", path, ""); /* of one label any pattern may match */
	append_exact(to, "cgroup", path, "/*");
	return true;
}

static void map_process(const json_t *labels, struct buf *to)
{
	static const char *const keys[][2] = {
		{"comm", "comm"}, {"groupname", "comm"}, {"process", "process"}, {"exe", "exe"}};
	const char *pid = label(labels, "pid");

	if (pid && !pid[strspn(pid, "0123456789")]) {
		buf__printf(to, "pid=%s\n", pid);
		return;
	}
	if (map_container(labels, to) || map_group(labels, to))
		return;
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		const char *name = label(labels, keys[i][0]);

		if (!name)
			continue;
		append_exact(to, keys[i][1], name, "");
		return;
	}
}

static void append_pairs(struct buf *to, const char *prefix, json_t *pairs)
{
	const char *key;
	json_t *value;

	json_object_foreach(pairs, key, value)
	{
		const char *text = json_string_value(value);

		/* what has no place in a line is left out; so is what would make the text too long */
		if (text && !strpbrk(key, "=\n") && !strchr(text, '\n') && strlen(key) + strlen(text) < 300)
			buf__printf(to, "%s.%s=%s\n", prefix, key, text);
	}
}

int alert_target__map(const json_t *alert, const char (*hosts)[SETTINGS_HOST_MAX], uint32_t n_hosts,
		      struct buf *to)
{
	json_t *labels = json_object_get(alert, "labels"),
	       *annotations = json_object_get(alert, "annotations");
	const char *name = label(labels, "alertname"), *summary = label(annotations, "summary");

	if (!json_is_object(labels))
		return -EINVAL;
	if (!is_of_this_host(labels, hosts, n_hosts))
		return -EXDEV;
	map_process(labels, to);
	buf__printf(to, "rule=%s\ncause=an alert of Prometheus%s%.200s\n", name ? name : "alertmanager",
		    summary ? ": " : "", summary ? summary : "");
	append_pairs(to, "label", labels);
	append_pairs(to, "annotation", annotations);
	return buf__err(to);
}
