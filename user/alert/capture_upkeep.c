// SPDX-License-Identifier: Apache-2.0
#include "user/alert/capture_upkeep.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/alert/capture_head.h"
#include "user/base/clock.h"
#include "user/base/hashmap.h"
#include "user/store/capture_folder.h"

/* Of one capture; the array is in the order of capture_folder__list. */
struct memory {
	uint64_t time_ms, episode;
	char text[CAPTURE_NAME_MAX];
	double severity;
};

struct capture_upkeep {
	struct memory *known;
	uint32_t n_known;
};

struct capture_upkeep *capture_upkeep__new(void)
{
	return calloc(1, sizeof(struct capture_upkeep));
}

void capture_upkeep__free(struct capture_upkeep *u)
{
	if (!u)
		return;
	free(u->known);
	free(u);
}

static int compare(const struct memory *m, const struct capture_folder *f)
{
	if (m->time_ms != f->name.time_ms)
		return m->time_ms < f->name.time_ms ? -1 : 1;
	return strcmp(m->text, f->text);
}

/* Both are in the same order: what is known is met on the way. */
static int remember(struct capture_upkeep *u, const char *store_dir, const struct capture_folder *all,
		    uint32_t n)
{
	struct memory *fresh = calloc(n ? n : 1, sizeof(*fresh));
	uint32_t old = 0;

	if (!fresh)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		struct memory *m = &fresh[i];
		struct capture_head h = {0};

		while (old < u->n_known && compare(&u->known[old], &all[i]) < 0)
			old++;
		if (old < u->n_known && !compare(&u->known[old], &all[i])) {
			*m = u->known[old];
			continue;
		}
		/* one that cannot be read is its own episode */
		if (capture_head__read(store_dir, &all[i], &h))
			h.episode = hash_bytes(all[i].text, strlen(all[i].text));
		m->time_ms = all[i].name.time_ms;
		memcpy(m->text, all[i].text, sizeof(m->text));
		m->episode = h.episode;
		m->severity = h.severity;
	}
	free(u->known);
	u->known = fresh;
	u->n_known = n;
	return 0;
}

/* One for each rule that there was before, or the next; firsts: where each has its first capture. */
static uint32_t rule_number(const struct capture_folder *all, uint32_t i, uint32_t *firsts, uint32_t *n_rules)
{
	for (uint32_t rule = 0; rule < *n_rules; rule++)
		if (!strcmp(all[firsts[rule]].rule, all[i].rule))
			return rule;
	firsts[*n_rules] = i;
	return (*n_rules)++;
}

static int sort_out(struct capture_upkeep *u, const char *store_dir, const struct capture_folder *all,
		    uint32_t n, const struct capture_limits *limits, uint32_t *ret_n_deleted,
		    uint64_t *ret_bytes)
{
	struct capture_standing *s = calloc(n ? n : 1, sizeof(*s));
	uint32_t *firsts = calloc(n ? n : 1, sizeof(*firsts));
	uint32_t n_going = 0, n_rules = 0;
	int err = s && firsts ? 0 : -ENOMEM;

	for (uint32_t i = 0; !err && i < n; i++)
		s[i] = (struct capture_standing){.time_ms = all[i].name.time_ms,
						 .bytes = all[i].bytes,
						 .rule = rule_number(all, i, firsts, &n_rules),
						 .episode = u->known[i].episode,
						 .severity = u->known[i].severity,
						 .is_pinned = all[i].is_pinned};
	if (!err)
		err = capture_retention__choose(s, n, clock__real_ns() / NS_PER_MS, limits, &n_going);
	for (uint32_t i = 0; !err && i < n; i++) {
		bool is_gone = s[i].goes && !capture_folder__delete(store_dir, &all[i]);

		*ret_n_deleted += is_gone;
		*ret_bytes += is_gone ? 0 : all[i].bytes;
	}
	free(firsts);
	free(s);
	return err;
}

int capture_upkeep__run(struct capture_upkeep *u, const char *store_dir, const struct capture_limits *limits,
			uint32_t *ret_n_deleted, uint64_t *ret_bytes)
{
	struct capture_folder *all = NULL;
	uint32_t n = 0;
	int err = capture_folder__list(store_dir, UINT32_MAX, &all, &n);

	*ret_n_deleted = 0;
	*ret_bytes = 0;
	if (!err)
		err = remember(u, store_dir, all, n);
	if (!err)
		err = sort_out(u, store_dir, all, n, limits, ret_n_deleted, ret_bytes);
	free(all);
	return err;
}
