// SPDX-License-Identifier: Apache-2.0
/*
 * Layers of values, and the walk that puts a file's tree onto the table of keys.
 *
 * Problem. Four sources may set a key; a person who sees an unexpected value wants to know which one did, and one who misspells a
 * key wants the line, not silence.
 *
 * Idea. A key's origin is kept beside its value, and each layer overwrites both. Sections are not described anywhere: a section
 * is whatever a dotted name of the table has before a dot, so the walk joins names on its way down and asks the table.
 *
 *      profiling ─> cpu ─> frequency: 199        "profiling.cpu.frequency" is a key: take the value
 *                       └> freqency: 199         neither a key nor a section: unknown, suggest its neighbours
 *
 * Invariants. A struct config that leaves this file has passed every check, those between keys included. Nothing is global: two loads
 * share nothing.
 *
 * What it does not do. It does not say whether a directory can be written or an address bound: that is known only to those who try.
 */
#include "user/config/config.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/arena.h"
#include "user/base/buf.h"
#include "user/base/err.h"
#include "user/base/io.h"
#include "user/config/key.h"
#include "user/config/suggest.h"
#include "user/config/units.h"
#include "user/config/value.h"
#include "user/config/yaml.h"

struct config_state {
	struct arena arena;
	const char *path;
	const char **origins; /* by key */
};

struct loader {
	struct config *c;
	struct config_state *s;
	const char *file;
	struct err *e;
};

static const char *const search_paths[] = {"/etc/everprof/profiler.yaml", "./profiler.yaml"};

static int out_of_memory(struct loader *l)
{
	return err__set(l->e, -ENOMEM, "configuration: out of memory");
}

static int set_origin(struct loader *l, const struct key *k, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int set_origin(struct loader *l, const struct key *k, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	const char *copy;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	copy = arena__strndup(&l->s->arena, text, strlen(text));
	if (!copy)
		return out_of_memory(l);
	l->s->origins[key__index(k)] = copy;
	return 0;
}

/* --- defaults --------------------------------------------------------------------------------------------------- */

static int take_defaults(struct loader *l)
{
	for (uint32_t i = 0; i < key__count(); i++) {
		const struct key *k = key__get(i);
		int err = value__take_text(k, k->fallback, "default", &l->s->arena, l->c, l->e);

		if (err)
			return err__prefix(l->e, err, "default of %s", k->name);
		l->s->origins[i] = "default";
	}
	return 0;
}

/* --- the file --------------------------------------------------------------------------------------------------- */

/* The words that may stand below `prefix` ("" for the top), each once. */
static void offer_below(struct suggest *s, const char *prefix, char words[][KEY_NAME_MAX])
{
	size_t len = strlen(prefix), n = 0;

	for (uint32_t i = 0; i < key__count(); i++) {
		const char *name = key__get(i)->name;
		size_t word_len;

		if (strncmp(name, prefix, len))
			continue;
		word_len = strcspn(name + len, ".");
		/* keys of one section stand together in the table */
		if (n && strlen(words[n - 1]) == word_len && !strncmp(words[n - 1], name + len, word_len))
			continue;
		snprintf(words[n], KEY_NAME_MAX, "%.*s", (int)word_len, name + len);
		suggest__offer(s, words[n]);
		n++;
	}
}

static int unknown_key(struct loader *l, const struct yaml_node *node, const char *prefix)
{
	char(*words)[KEY_NAME_MAX] = calloc(key__count(), KEY_NAME_MAX);
	struct suggest s;

	if (!words)
		return out_of_memory(l);
	suggest__init(&s, node->key);
	offer_below(&s, prefix, words);
	err__set(l->e, -EINVAL, "%s:%u: %s%s: unknown key%s", l->file, node->key_line, prefix,
		 units__quote(node->key).text, suggest__text(&s));
	free(words);
	return -EINVAL;
}

static int take_key(struct loader *l, const struct key *k, const struct yaml_node *node)
{
	int err = value__take(k, node, l->file, &l->s->arena, l->c, l->e);

	if (!err)
		return set_origin(l, k, "%s:%u", l->file, node->key_line);
	return err__prefix(l->e, err, "%s:%u: %s", l->file, node->key_line, k->name);
}

/* `prefix` is "" or ends in a dot. The depth is bounded by the table: a name that is no section is not followed. */
static int take_section(struct loader *l, const struct yaml_node *section, const char *prefix)
{
	char name[KEY_NAME_MAX], below[KEY_NAME_MAX + 1], scratch[YAML_DESCRIBE_MAX];
	const struct yaml_node *node;
	const struct key *k;
	int err = 0;

	if (section->kind == YAML_NOTHING)
		return 0;
	if (section->kind != YAML_MAP)
		return err__set(l->e, -EINVAL, "%s:%u: %.*s%sexpected a section of keys, found %s", l->file,
				section->line, (int)strlen(prefix) - (*prefix != 0), prefix,
				*prefix ? ": " : "", yaml__describe(section, scratch));
	yaml__for_each(node, section)
	{
		if (snprintf(name, sizeof(name), "%s%s", prefix, node->key) >= (int)sizeof(name))
			return unknown_key(l, node, prefix);
		k = key__find(name);
		/* a.b beside a: {b: …} would hide that a key stands twice */
		if (strchr(node->key, '.') && (k || key__is_section(name)))
			return err__set(l->e, -EINVAL,
					"%s:%u: %s: expected keys nested in sections, found dots", l->file,
					node->key_line, name);
		if (k) {
			err = take_key(l, k, node);
		} else if (key__is_section(name)) {
			snprintf(below, sizeof(below), "%s.", name);
			err = take_section(l, node, below);
		} else {
			return unknown_key(l, node, prefix);
		}
		if (err)
			return err;
	}
	return 0;
}

static int take_file(struct loader *l, const void *bytes, size_t len)
{
	struct yaml y;
	int err;

	err = yaml__parse(l->file, bytes, len, &y, l->e);
	if (err)
		return err;
	err = take_section(l, y.root, "");
	yaml__done(&y);
	return err;
}

/* --- the environment -------------------------------------------------------------------------------------------- */

static const char *find_env(char *const *env, const char *name)
{
	size_t len = strlen(name);

	for (; *env; env++) {
		if (!strncmp(*env, name, len) && (*env)[len] == '=')
			return *env + len + 1;
	}
	return NULL;
}

static int take_env(struct loader *l, const struct key *k, char *const *env, const char *name)
{
	const char *text = find_env(env, name);
	char where[KEY_ENV_MAX + 16];
	int err;

	if (!text)
		return 0;
	snprintf(where, sizeof(where), "environment %s", name);
	err = value__take_text(k, text, where, &l->s->arena, l->c, l->e);
	if (!err)
		return set_origin(l, k, "%s", where);
	return err__prefix(l->e, err, "%s", where);
}

/*
 * Kubernetes gives every container variables named after the services around it: a service `everprof-server` makes
 * EVERPROF_SERVER_PORT=tcp://… and more. Those are nobody's misspelt keys.
 */
static bool is_service_link(const char *name, size_t len)
{
	char text[KEY_ENV_MAX];
	const char *port;

	if (len >= sizeof(text))
		return true;
	memcpy(text, name, len);
	text[len] = '\0';
	if (strstr(text, "_SERVICE_HOST") || strstr(text, "_SERVICE_PORT"))
		return true;
	port = strstr(text, "_PORT");
	return port && (!port[5] || (port[5] == '_' && isdigit((unsigned char)port[6])));
}

/* EVERPROF_ and a top-level key of ours and _: only those can be misspelt keys, other programs may use the rest. */
static bool in_our_section(const char *name)
{
	char env[KEY_ENV_MAX];

	for (uint32_t i = 0; i < key__count(); i++) {
		const char *dot = strchr(key__get(i)->name, '.');

		key__env_name(key__get(i), env);
		if (dot && !strncmp(name, env, strlen("EVERPROF_") + (dot - key__get(i)->name) + 1))
			return true;
	}
	return false;
}

static int refuse_unknown_env(struct loader *l, const char *entry)
{
	size_t len = strcspn(entry, "=");
	char(*names)[KEY_ENV_MAX], name[KEY_ENV_MAX];
	struct suggest s;
	int err = 0;

	if (!in_our_section(entry) || is_service_link(entry, len))
		return 0;
	names = calloc(key__count(), KEY_ENV_MAX);
	if (!names)
		return out_of_memory(l);
	snprintf(name, sizeof(name), "%.*s", (int)len, entry);
	suggest__init(&s, name);
	for (uint32_t i = 0; i < key__count(); i++) {
		key__env_name(key__get(i), names[i]);
		if (!strcmp(names[i], name))
			goto out;
		suggest__offer(&s, names[i]);
	}
	err = err__set(l->e, -EINVAL, "environment %s: no key has this name%s", units__quote(name).text,
		       s.best ? suggest__text(&s) : "");
out:
	free(names);
	return err;
}

static int take_environment(struct loader *l, char *const *env)
{
	char name[KEY_ENV_MAX];
	int err = 0;

	for (uint32_t i = 0; i < key__count() && !err; i++) {
		const struct key *k = key__get(i);

		/* our own name is the more exact one and wins */
		if (k->env)
			err = take_env(l, k, env, k->env);
		key__env_name(k, name);
		if (!err)
			err = take_env(l, k, env, name);
	}
	for (; *env && !err; env++)
		err = refuse_unknown_env(l, *env);
	return err;
}

/* --- --set ------------------------------------------------------------------------------------------------------ */

static int take_set(struct loader *l, const char *set)
{
	const char *equals = strchr(set, '=');
	struct suggest s;
	const struct key *k;
	char name[KEY_NAME_MAX];
	int err;

	if (!equals)
		return err__set(l->e, -EINVAL, "--set: expected key=value, found '%s'",
				units__quote(set).text);
	snprintf(name, sizeof(name), "%.*s", (int)(equals - set), set);
	k = (size_t)(equals - set) < sizeof(name) ? key__find(name) : NULL;
	if (!k) {
		suggest__init(&s, name);
		for (uint32_t i = 0; i < key__count(); i++)
			suggest__offer(&s, key__get(i)->name);
		return err__set(l->e, -EINVAL, "--set %s: unknown key%s", units__quote(name).text,
				s.best ? suggest__text(&s) : "");
	}
	err = value__take_text(k, equals + 1, "--set", &l->s->arena, l->c, l->e);
	if (!err)
		return set_origin(l, k, "--set");
	return err__prefix(l->e, err, "--set %s", k->name);
}

/* --- between keys ----------------------------------------------------------------------------------------------- */

static int refuse(struct loader *l, const char *key, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int refuse(struct loader *l, const char *key, const char *fmt, ...)
{
	const struct key *k = key__find(key);
	char text[ERR_TEXT_MAX / 2];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err__set(l->e, -EINVAL, "%s: %s: %s", l->s->origins[key__index(k)], key, text);
}

static int check_duty_cycle(struct loader *l)
{
	const struct config *c = l->c;
	char text[UNITS_TEXT_MAX];

	if (c->cpu.duration_ns && !c->cpu.interval_ns)
		return refuse(l, "profiling.cpu.duration",
			      "expected profiling.cpu.interval beside it (sample for `duration` out of every "
			      "`interval`)");
	if (c->cpu.interval_ns && !c->cpu.duration_ns)
		return refuse(l, "profiling.cpu.interval",
			      "expected profiling.cpu.duration beside it (sample for `duration` out of every "
			      "`interval`)");
	if (c->cpu.duration_ns > c->cpu.interval_ns) {
		units__format_duration(c->cpu.interval_ns, text);
		return refuse(l, "profiling.cpu.duration",
			      "expected at most profiling.cpu.interval, which is %s", text);
	}
	return 0;
}

/* What a rule keeps from before its alarm has to be in the history. */
static int check_alerts(struct loader *l)
{
	char history[UNITS_TEXT_MAX];

	units__format_duration(l->c->profiling.history_ns, history);
	for (uint32_t i = 0; i < l->c->alerts.n; i++) {
		const struct rule *r = &l->c->alerts.items[i];

		if (r->before_ns > l->c->profiling.history_ns)
			return refuse(l, "alerts",
				      "rule %s (line %u): capture.before: expected at most "
				      "profiling.history, which is %s",
				      r->name, r->line, history);
	}
	return 0;
}

/* What is wrong inside a rule has its own line and name. */
static int read_alerts(struct loader *l)
{
	struct config *c = l->c;

	return rule__parse_list(&c->alerting.rules, &c->alerting.defaults, &c->alerting.templates,
				&l->s->arena, &c->alerts, l->e);
}

static int finish(struct loader *l)
{
	for (int ev = 0; ev < EVENT_N; ev++) {
		if (!l->c->event[ev].snapshot_interval_ns)
			l->c->event[ev].snapshot_interval_ns = l->c->profiling.window_ns;
	}
	return check_duty_cycle(l) ?: read_alerts(l) ?: check_alerts(l);
}

/* --- loading ---------------------------------------------------------------------------------------------------- */

static int new_config(struct loader *l, const char *name)
{
	l->c = calloc(1, sizeof(*l->c));
	l->s = calloc(1, sizeof(*l->s));
	if (!l->c || !l->s) {
		free(l->s);
		free(l->c);
		l->c = NULL;
		return out_of_memory(l);
	}
	l->c->state = l->s;
	arena__init(&l->s->arena, CONFIG_ARENA_MAX);
	l->s->origins = arena__alloc(&l->s->arena, key__count() * sizeof(*l->s->origins));
	if (!l->s->origins)
		return out_of_memory(l);
	if (name) {
		l->s->path = arena__strndup(&l->s->arena, name, strlen(name));
		if (!l->s->path)
			return out_of_memory(l);
	}
	return 0;
}

int config__parse(const struct config_opts *o, const char *name, const void *bytes, size_t len,
		  struct config **ret_config, struct err *e)
{
	struct loader l = {.file = name, .e = e};
	int err;

	err = new_config(&l, name);
	if (err)
		goto out;
	err = take_defaults(&l);
	if (!err && name)
		err = take_file(&l, bytes, len);
	if (!err && o->env)
		err = take_environment(&l, o->env);
	for (uint32_t i = 0; i < o->n_sets && !err; i++)
		err = take_set(&l, o->sets[i]);
	if (!err)
		err = finish(&l);
	if (err)
		goto out;
	*ret_config = l.c;
	l.c = NULL;
out:
	config__free(l.c);
	return err;
}

/* The file that was asked for, or the first of the usual ones; ret_path NULL where there is none of those. */
static int read_file(const struct config_opts *o, struct buf *to, const char **ret_path, struct err *e)
{
	size_t n = o->path ? 1 : sizeof(search_paths) / sizeof(search_paths[0]);
	const char *const *paths = o->path ? &o->path : search_paths;

	*ret_path = NULL;
	for (size_t i = 0; i < n; i++) {
		int err = io__read_at(AT_FDCWD, paths[i], YAML_BYTES_MAX, to);

		if (!err) {
			*ret_path = paths[i];
			return 0;
		}
		if (err == -ENOENT && !o->path)
			continue;
		if (err == -E2BIG)
			return err__set(e, err, "%s: larger than %u bytes, which no configuration is",
					paths[i], YAML_BYTES_MAX);
		return err__set(e, err, "%s: cannot read the configuration: %s", paths[i],
				err == -EINVAL ? "not a regular file" : strerror(-err));
	}
	return 0;
}

int config__load(const struct config_opts *o, struct config **ret_config, struct err *e)
{
	const char *path;
	struct buf bytes;
	int err;

	buf__init(&bytes, YAML_BYTES_MAX);
	err = read_file(o, &bytes, &path, e);
	if (!err)
		err = config__parse(o, path, bytes.data, bytes.len, ret_config, e);
	buf__done(&bytes);
	return err;
}

void config__free(struct config *c)
{
	if (!c)
		return;
	arena__done(&c->state->arena);
	free(c->state);
	free(c);
}

const char *config__path(const struct config *c)
{
	return c->state->path;
}

const char *config__origin(const struct config *c, const struct key *k)
{
	return c->state->origins[key__index(k)];
}
