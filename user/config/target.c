// SPDX-License-Identifier: Apache-2.0
#include "user/config/target.h"

#include <errno.h>
#include <string.h>

#include "user/base/arena.h"
#include "user/base/buf.h"
#include "user/base/err.h"
#include "user/config/units.h"
#include "user/config/yaml.h"

bool target_set__is_empty(const struct target_set *t)
{
	uint32_t n = t->pid.n;

#define TARGET_COUNT(kind) n += t->kind.n;
	TARGET_PATTERNS(TARGET_COUNT)
#undef TARGET_COUNT
	return n == 0;
}

/* The scalars that a list or a lone scalar holds: the first of them and how many, or what else was there. */
static int scalars(const struct yaml_node *node, const char *expected, const struct yaml_node **ret_first,
		   uint32_t *ret_n, struct err *e)
{
	char scratch[YAML_DESCRIBE_MAX];
	const struct yaml_node *item;

	if (node->kind == YAML_NOTHING) {
		*ret_first = NULL;
		*ret_n = 0;
		return 0;
	}
	if (node->kind == YAML_SCALAR) {
		*ret_first = node;
		*ret_n = 1;
		return 0;
	}
	if (node->kind == YAML_MAP)
		return err__set(e, -EINVAL, "expected a list of %s, found a section", expected);
	yaml__for_each(item, node)
	{
		if (item->kind != YAML_SCALAR)
			return err__set(e, -EINVAL, "expected a list of %s, found %s in it", expected,
					yaml__describe(item, scratch));
	}
	*ret_first = node->first;
	*ret_n = node->n;
	return 0;
}

int text_list__take_up_to(size_t max, const struct yaml_node *node, struct arena *arena,
			  struct text_list *ret_list, struct err *e)
{
	const struct yaml_node *item;
	const char **items;
	uint32_t n;
	int err;

	err = scalars(node, "texts", &item, &n, e);
	if (err)
		return err;
	items = arena__alloc(arena, (n + 1) * sizeof(*items));
	if (!items)
		return err__set(e, -ENOMEM, "out of memory");
	for (uint32_t i = 0; i < n; i++, item = item->next) {
		size_t len = strlen(item->text);

		if (!len || len > max)
			return err__set(e, -EINVAL, "expected texts of 1 to %zu bytes, found one of %zu", max,
					len);
		items[i] = arena__strndup(arena, item->text, len);
		if (!items[i])
			return err__set(e, -ENOMEM, "out of memory");
	}
	*ret_list = (struct text_list){items, n};
	return 0;
}

int text_list__take(const struct yaml_node *node, struct arena *arena, struct text_list *ret_list,
		    struct err *e)
{
	return text_list__take_up_to(TARGET_PATTERN_MAX, node, arena, ret_list, e);
}

int pid_list__take(const struct yaml_node *node, struct arena *arena, struct pid_list *ret_list,
		   struct err *e)
{
	const struct yaml_node *item;
	uint32_t *items, n;
	uint64_t pid;
	int err;

	err = scalars(node, "process ids", &item, &n, e);
	if (err)
		return err;
	items = arena__alloc(arena, (n + 1) * sizeof(*items));
	if (!items)
		return err__set(e, -ENOMEM, "out of memory");
	for (uint32_t i = 0; i < n; i++, item = item->next) {
		if (units__parse_count(item->text, &pid, NULL) || pid < 1 || pid > TARGET_PID_MAX)
			return err__set(e, -EINVAL, "expected process ids from 1 to %u, found '%s'",
					TARGET_PID_MAX, units__quote(item->text).text);
		items[i] = pid;
	}
	*ret_list = (struct pid_list){items, n};
	return 0;
}

void text_list__format(const struct text_list *l, struct buf *to)
{
	buf__append_char(to, '[');
	for (uint32_t i = 0; i < l->n; i++) {
		buf__append_str(to, i ? ", " : "");
		yaml__quote(l->items[i], to);
	}
	buf__append_char(to, ']');
}

void pid_list__format(const struct pid_list *l, struct buf *to)
{
	buf__append_char(to, '[');
	for (uint32_t i = 0; i < l->n; i++)
		buf__printf(to, "%s%u", i ? ", " : "", l->items[i]);
	buf__append_char(to, ']');
}
