// SPDX-License-Identifier: Apache-2.0
#include "user/pipeline/row_labels.h"

#include <errno.h>

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

int row_labels__id(struct row_labels *l, const char *key, uint32_t id)
{
	struct label label = {.num = id};
	int err = profile__string(l->profile, key, &label.key);

	if (!err)
		err = profile__string(l->profile, "id", &label.num_unit);
	return err ? err : row_labels__add(l, &label);
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
