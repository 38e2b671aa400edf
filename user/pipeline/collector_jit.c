// SPDX-License-Identifier: Apache-2.0
#include "user/pipeline/collector_jit.h"

#include <errno.h>
#include <string.h>

#include "bpf/frame.h"
#include "user/base/clock.h"
#include "user/base/io.h"
#include "user/base/log.h"
#include "user/object/object_cache.h"
#include "user/pipeline/collector_impl.h"
#include "user/pipeline/collector_process.h"
#include "user/pipeline/jit_asker.h"
#include "user/pipeline/window.h"
#include "user/process/process_table.h"

static void on_rule(void *ctx, const struct task_key *key, int err, const struct jit_rule *told)
{
	struct collector *c = ctx;
	struct process *p = process_table__find(c->processes, key);
	struct code_rule rule;

	/* that it still runs says that it was its memory, not another's with the same pid */
	if (!p || p->flags & PROCESS_ENDED)
		return;
	if (err) {
		if (err != -ENODATA) /* else it may tell later */
			p->n_rule_asks = RULE_ASKS_MAX;
		return;
	}
	rule = (struct code_rule){.start = told->start, .end = told->end};
	memcpy(&rule.row, &told->row, sizeof(told->row));
	log_debug("collector: process %u tells one rule for its code at 0x%llx to 0x%llx", key->tgid,
		  (unsigned long long)rule.start, (unsigned long long)rule.end);
	process_table__set_rule(c->processes, p, &rule); /* on failure the next rescan takes it */
	collector__push_dirty(c);
}

/* The program itself: the first that was mapped, for most. */
static const struct code_mapping *find_program(const struct process *p)
{
	uint32_t n;
	const struct code_mapping *m = mapping_set__mappings(p->mappings, &n);

	for (uint32_t i = 0; i < n; i++)
		if (m[i].object)
			return &m[i];
	return NULL;
}

static int ask(struct collector *c, const struct process *p, uint64_t now_ns)
{
	const struct code_mapping *m = find_program(p);
	int fd = FD_CLOSED, err = 0;

	if (!m)
		return -ENOENT;
	if (!c->jit_asker)
		err = jit_asker__new(c->loop, on_rule, c, &c->jit_asker);
	if (!err)
		err = object_cache__open_fd(c->objects, m->object, now_ns, &fd);
	return err ? err : jit_asker__ask(c->jit_asker, &p->key, fd, m->bias);
}

/* Is the frame at which the stack was cut code of no file? */
static bool ended_in_jit(const struct window_sample *s)
{
	uint32_t n = s->n_words;

	if (s->end == END_END_MARK)
		return false;
	if (n && FRAME_KIND(s->words[n - 1]) == FRAME_CUT)
		n--;
	return n && FRAME_KIND(s->words[n - 1]) == FRAME_RAW;
}

void collector__ask_for_rule(struct collector *c, struct process *p)
{
	uint64_t now_ns;

	if (p->n_rule_asks >= RULE_ASKS_MAX || p->rule.end ||
	    p->flags & (PROCESS_ENDED | PROCESS_UNLEARNT | PROCESS_KERNEL_THREAD))
		return;
	now_ns = clock__mono_ns();
	if (now_ns < p->rule_ask_ns || ask(c, p, now_ns) == -EBUSY)
		return;
	p->rule_ask_ns = now_ns + (NS_PER_SEC << p->n_rule_asks++);
}

void collector__look_for_rule(struct collector *c, const struct task_key *key, const struct window_sample *s)
{
	struct process *p = ended_in_jit(s) ? process_table__find(c->processes, key) : NULL;

	if (p)
		collector__ask_for_rule(c, p);
}
