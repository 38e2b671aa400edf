/* SPDX-License-Identifier: Apache-2.0 */
#include "user/query/selection.h"

#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "user/profile/merge.h"
#include "user/profile/profile.h"

/* The labels that docs/files.md lists. */
static const char *const keys[] = {"pid",     "tid",      "comm",      "process",  "exe",
				   "cgroup",  "unit",     "container", "pod",      "namespace",
				   "node",    "state",    "syscall",   "wait",     "idle",
				   "runtime", "trace_id", "span_id",   "endpoint", "gc"};

bool selection__is_key(const char *key)
{
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (!strcmp(keys[i], key))
			return true;
	return false;
}

int selection__add(struct selection *s, const char *key, const char *pattern)
{
	if (!selection__is_key(key))
		return -ENOENT;
	if (s->n == SELECTION_MAX)
		return -E2BIG;
	s->items[s->n].key = key;
	s->items[s->n++].pattern = pattern;
	return 0;
}

static bool matches_text(const char *key, const char *pattern, const char *text)
{
	size_t len = strlen(pattern);

	if (!text)
		return false;
	if (!fnmatch(pattern, text, 0))
		return true;
	return len >= SELECTION_PREFIX_MIN && (!strcmp(key, "container") || !strcmp(key, "pod")) &&
	       !strncmp(text, pattern, len);
}

static bool matches_item(const struct selection *s, uint32_t i, selection_text_fn text, const void *row,
			 const void *ctx)
{
	const char *key = s->items[i].key, *pattern = s->items[i].pattern;
	char number[SELECTION_TEXT_MAX];

	if (matches_text(key, pattern, text(row, key, number, ctx)))
		return true;
	return !strcmp(key, "comm") && matches_text(key, pattern, text(row, "process", number, ctx));
}

bool selection__matches(const struct selection *s, selection_text_fn text, const void *row, const void *ctx)
{
	for (uint32_t i = 0; i < s->n; i++) {
		bool any = false;

		for (uint32_t j = 0; j < s->n && !any; j++)
			any = !strcmp(s->items[i].key, s->items[j].key) && matches_item(s, j, text, row, ctx);
		if (!any)
			return false;
	}
	return true;
}

static const char *label_text(const void *row, const char *key, char number[SELECTION_TEXT_MAX],
			      const void *ctx)
{
	const struct profile *p = ctx;
	const struct label *l = profile__find_label(p, *(const uint32_t *)row, key);

	if (!l)
		return NULL;
	if (l->str)
		return profile__str(p, l->str);
	snprintf(number, SELECTION_TEXT_MAX, "%" PRId64, l->num);
	return number;
}

bool selection__keeps(const struct profile *p, uint32_t labels, void *ctx)
{
	return selection__matches(ctx, label_text, &labels, p);
}

int selection__merge(const struct selection *s, struct profile *into, const struct profile *from)
{
	const struct profile_merge_opts opts = {.keep = s && s->n ? selection__keeps : NULL,
						.keep_ctx = (void *)s};

	return profile__merge_as(into, from, &opts);
}
