// SPDX-License-Identifier: Apache-2.0
#include "user/pipeline/row_labels.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/pipeline/window.h"

static int row_labels__add(struct row_labels *l, const struct label *label)
{
	if (l->n == ROW_LABELS_MAX)
		return -E2BIG;
	l->labels[l->n++] = *label;
	return 0;
}

int row_labels__text(struct row_labels *l, const char *key, const char *text)
{
	struct label label = {};
	int err;

	if (!*text)
		return 0;
	err = profile__string(l->profile, key, &label.key);
	if (!err)
		err = profile__string(l->profile, text, &label.str);
	return err ? err : row_labels__add(l, &label);
}

/* A number with the unit "id". */
static int row_labels__id(struct row_labels *l, const char *key, uint32_t id)
{
	struct label label = {.num = id};
	int err = profile__string(l->profile, key, &label.key);

	if (!err)
		err = profile__string(l->profile, "id", &label.num_unit);
	return err ? err : row_labels__add(l, &label);
}

static int row_labels__line(struct row_labels *l, const char *line, size_t len)
{
	static const char number[] = "_tid";
	const char *equals = memchr(line, '=', len);
	size_t n = equals ? (size_t)(equals - line) : 0;
	char key[32], value[128];

	if (!n || n >= sizeof(key) || len - n - 1 >= sizeof(value))
		return -EINVAL;
	snprintf(key, sizeof(key), "%.*s", (int)n, line);
	snprintf(value, sizeof(value), "%.*s", (int)(len - n - 1), equals + 1);
	if (n >= sizeof(number) && !strcmp(key + n - strlen(number), number))
		return row_labels__id(l, key, (uint32_t)strtoul(value, NULL, 10));
	return row_labels__text(l, key, value);
}

int row_labels__lines(struct row_labels *l, const char *text)
{
	int err = 0;

	while (*text && !err) {
		size_t len = strcspn(text, "\n");

		err = row_labels__line(l, text, len);
		text += len + (text[len] == '\n');
	}
	return err;
}

int row_labels__thread(struct row_labels *l, const struct window *w, uint32_t process, uint32_t tid,
		       uint32_t comm)
{
	const struct window_process *p = &w->processes[process];
	const struct {
		const char *key;
		uint32_t text;
	} texts[] = {
		{"comm", comm},    {"process", p->name},        {"exe", p->exe}, {"cgroup", p->cgroup},
		{"unit", p->unit}, {"container", p->container}, {"pod", p->pod}, {"namespace", p->name_space},
	};
	int err = row_labels__id(l, "pid", p->key.tgid);

	if (!err && tid)
		err = row_labels__id(l, "tid", tid);
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts) && !err; i++)
		err = row_labels__text(l, texts[i].key, window__str(w, texts[i].text));
	return err;
}
