// SPDX-License-Identifier: Apache-2.0
/*
 * collector_jit - Idea: a program is asked when it is seen. One whose JIT has one rule for all code is never asked again. A JVM makes code all the time: it is asked again
 *   when a stack was cut in its code, which is what a method that is not known does. A new reading has a new number for its pages of rows; those that walks met
 *   are made before the kernel is told the number, so that no stack waits for them.
 */
#include "user/pipeline/collector_jit.h"

#include <errno.h>
#include <string.h>

#include "bpf/code_pages.h"
#include "bpf/walk.h"
#include "user/base/clock.h"
#include "user/base/far_file.h"
#include "user/base/io.h"
#include "user/base/log.h"
#include "user/object/object_cache.h"
#include "user/pipeline/collector_impl.h"
#include "user/pipeline/collector_process.h"
#include "user/pipeline/jit_asker.h"
#include "user/pipeline/window.h"
#include "user/process/namespace.h"
#include "user/process/proc_dir.h"
#include "user/process/process_memory.h"
#include "user/process/process_table.h"
#include "user/runtime/jvm.h"
#include "user/runtime/jvm_rows.h"
#include "user/symbolize/jit_maps.h"

#define LIBJVM           "libjvm.so"
#define JVM_PAUSE_MIN_NS (100 * NS_PER_MS)
#define JVM_RETRY_NS     (50 * NS_PER_MS)
#define JVM_PAUSE_SHARE  50 /* a pause is at least so many times the CPU time of a reading */

void collector_jit__done(struct collector_jit *j)
{
	jit_asker__free(j->asker);
	jvms__done(&j->jvms);
	held_stacks__done(&j->held);
}

static void set_rule(struct collector *c, struct process *p, uint64_t start, uint64_t end,
		     const struct unwind_row *row)
{
	struct code_rule rule = {.start = start, .end = end};

	if (row)
		memcpy(&rule.row, row, sizeof(*row));
	process_table__set_rule(c->processes, p, &rule); /* on failure the next rescan takes it */
	collector__push_dirty(c);
}

int collector__build_jit_page(void *ctx, uint32_t number, uint64_t vaddr, struct unwind_row *rows,
			      uint32_t max, uint32_t *ret_n)
{
	const struct collector *c = ctx;
	const struct jvms_entry *e = jvms__find_number(&c->jit.jvms, number);

	return e ? jvm_rows__build(&e->jvm->code, vaddr, rows, max, ret_n) : -ENOENT;
}

/* The pages that walks met by the last reading are made of this one. */
static void make_pages(struct collector *c, const struct jvm_code *code, uint32_t last, uint32_t number)
{
	struct unwind_row row;

	for (uint64_t at = code->low; at < code->high; at += ROW_PAGE_SIZE)
		if (tables__has(c->tables, last, at))
			tables__row(c->tables, number, at, &row);
}

static void take_jvm(struct collector *c, struct process *p, const struct jit_question *q,
		     const struct jit_answer *answer)
{
	const struct jvms_entry *e = jvms__find(&c->jit.jvms, &p->key);
	const struct jvm_code *code = &answer->jvm->code;
	uint32_t last = e ? e->number : 0, number;
	/* the first took most of its time for what need not be read again */
	uint64_t pause_ns = q->last ? answer->cpu_ns * JVM_PAUSE_SHARE : 0;
	struct unwind_row row;

	p->n_jit_asks = 0;
	p->jit_ask_ns = clock__mono_ns() + (pause_ns > JVM_PAUSE_MIN_NS ? pause_ns : JVM_PAUSE_MIN_NS);
	if (jvms__put(&c->jit.jvms, &p->key, answer->jvm, &number)) {
		set_rule(c, p, code->low, code->high, NULL);
		p->n_jit_asks = JIT_ASKS_MAX;
	} else {
		log_debug("collector: process %u has %zu pieces of Java code, read in %llu us", p->key.tgid,
			  code->n, (unsigned long long)(answer->cpu_ns / 1000));
		make_pages(c, code, last, number);
		row = code_pages__row(number);
		set_rule(c, p, code->low, code->high, &row);
	}
	if (last)
		tables__forget(c->tables, last);
	for (enum event ev = 0; ev < EVENT_N; ev++)
		if (c->windows[ev])
			window__name_frames(c->windows[ev], &p->key, collector__jit_name, c);
	c->jit.is_releasing = true;
	held_stacks__answer(&c->jit.held, &p->key, answer->began_ns, collector__on_unfinished, c);
	c->jit.is_releasing = false;
}

static void on_answer(void *ctx, const struct jit_question *q, const struct jit_answer *answer)
{
	struct collector *c = ctx;
	struct process *p = process_table__find(c->processes, &q->key);

	/* that it still runs says that it was its memory, not another's with the same pid */
	if (!p || p->flags & PROCESS_ENDED)
		return;
	if (q->is_jvm && !answer->err) {
		take_jvm(c, p, q, answer);
	} else if (!answer->err) {
		log_debug("collector: process %u tells one rule for its code at 0x%llx to 0x%llx",
			  q->key.tgid, (unsigned long long)answer->rule.start,
			  (unsigned long long)answer->rule.end);
		p->n_jit_asks = JIT_ASKS_MAX;
		set_rule(c, p, answer->rule.start, answer->rule.end, &answer->rule.row);
	} else if (!q->is_jvm && answer->err != -ENODATA) { /* else it may tell later */
		p->n_jit_asks = JIT_ASKS_MAX;
	}
}

/* Where there is no room, it is met again. */
static void meet_method(struct collector_jit *j, const struct jvms_entry *jvm, uint64_t method)
{
	if (jvm && j->n_methods < JIT_METHODS_MAX && !jvm__has_met(jvm->jvm, method))
		j->methods[j->n_methods++] = (struct jit_method){.key = jvm->key, .at = method};
}

/* Those of the process are no longer waited for; `to` is NULL or takes them. How many they are. */
static size_t take_methods(struct collector_jit *j, const struct task_key *key, uint64_t *to)
{
	size_t kept = 0, n = 0;

	for (size_t i = 0; i < j->n_methods; i++)
		if (!process_key__eq(&j->methods[i].key, key))
			j->methods[kept++] = j->methods[i];
		else if (to)
			to[n++] = j->methods[i].at;
	j->n_methods = kept;
	return n;
}

const char *collector__jit_name(void *ctx, const struct task_key *key, uint64_t addr)
{
	struct collector *c = ctx;
	const struct jvms_entry *jvm = jvms__find(&c->jit.jvms, key);
	const char *name = jvm ? jvm__name(jvm->jvm, addr) : NULL;
	struct process *p = c->jit_maps && !name ? collector__process(c, key) : NULL;
	struct far_mounts mounts;
	struct jit_process jp = {
		.start_time = key->start_ns + key->exec_id, .root_fd = FD_CLOSED, .mounts = &mounts};
	int dir_fd = FD_CLOSED, err;
	struct perf_map_entry e;
	struct proc_stat stat;

	if (addr & FRAME_METHOD && !name)
		meet_method(&c->jit, jvm, addr & ~FRAME_METHOD);
	if (!p || addr & FRAME_METHOD)
		return name;
	jp.pid = (pid_t)p->key.tgid;
	jp.ns_pid = (pid_t)process_table__ns_pid(c->processes, p);
	/* without a root, what is known already is searched */
	if (!proc_dir__open(c->proc_fd, p->key.tgid, p->key.start_ns, &dir_fd, &stat))
		namespace__open_root(dir_fd, &jp.root_fd);
	far_mounts__init(&mounts, dir_fd, "");
	err = jit_maps__find(c->jit_maps, &jp, clock__mono_ns(), addr, &e);
	io__close(&jp.root_fd);
	io__close(&dir_fd);
	far_mounts__done(&mounts);
	return err ? NULL : e.name;
}

static bool is_libjvm(struct collector *c, uint32_t id)
{
	const struct object *o;
	bool is = false;

	if (!object_cache__get(c->objects, id, &o)) {
		is = !strcmp(o->basename, LIBJVM);
		object_cache__put(c->objects, id);
	}
	return is;
}

/* The file whose symbols are looked at: a JVM's library, or the program itself: the first that was mapped, for most. */
static const struct code_mapping *find_file(struct collector *c, const struct process *p, bool *ret_is_jvm)
{
	uint32_t n;
	const struct code_mapping *m = mapping_set__mappings(p->mappings, &n), *program = NULL;

	*ret_is_jvm = false;
	for (uint32_t i = 0; i < n && !*ret_is_jvm; i++) {
		if (!m[i].object || (i && m[i].object == m[i - 1].object))
			continue;
		*ret_is_jvm = is_libjvm(c, m[i].object);
		if (!program || *ret_is_jvm)
			program = &m[i];
	}
	return program;
}

/* Asks, and says when it may be asked next if that brings no answer: a JVM has its code a moment after its first mapping. */
static int ask(struct collector *c, struct process *p, uint64_t now_ns)
{
	struct jit_question q = {.key = p->key};
	const struct code_mapping *m = find_file(c, p, &q.is_jvm);
	const struct jvms_entry *e;
	int err = 0;

	if (!m)
		return -ENOENT;
	if (!c->jit.asker)
		err = jit_asker__new(c->loop, on_answer, c, &c->jit.asker);
	if (!err)
		err = object_cache__open_fd(c->objects, m->object, now_ns, &q.fd);
	if (err)
		return err;
	e = jvms__find(&c->jit.jvms, &p->key);
	q.last = jvm__ref(e ? e->jvm : NULL);
	q.bias = m->bias;
	q.n_methods = take_methods(&c->jit, &p->key, q.methods);
	err = jit_asker__ask(c->jit.asker, &q);
	for (size_t i = 0; i < q.n_methods && err; i++)
		meet_method(&c->jit, e, q.methods[i]);
	if (err != -EBUSY)
		p->jit_ask_ns = now_ns + ((q.is_jvm ? JVM_RETRY_NS : NS_PER_SEC) << p->n_jit_asks);
	return err;
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

static void ask_if_due(struct collector *c, struct process *p)
{
	uint64_t now_ns;

	if (p->n_jit_asks >= JIT_ASKS_MAX ||
	    p->flags & (PROCESS_ENDED | PROCESS_UNLEARNT | PROCESS_KERNEL_THREAD))
		return;
	if (collector__verdict(c, p) == VERDICT_EXCLUDE) /* nothing is read of what is excluded */
		return;
	now_ns = clock__mono_ns();
	if (now_ns >= p->jit_ask_ns && ask(c, p, now_ns) != -EBUSY)
		p->n_jit_asks++;
}

void collector__meet_jit(struct collector *c, struct process *p)
{
	if (!jvms__find(&c->jit.jvms,
			&p->key)) /* of one that is known, a stack tells when it is to be asked again */
		ask_if_due(c, p);
}

void collector__look_at_jit(struct collector *c, const struct task_key *key, const struct window_sample *s)
{
	struct process *p = ended_in_jit(s) ? process_table__find(c->processes, key) : NULL;

	if (p)
		ask_if_due(c, p);
}

int collector__read_jit(struct collector *c, const struct task_key *key, uint64_t addr, void *to, size_t len)
{
	if (!jvms__find(&c->jit.jvms, key))
		return -ENOENT;
	return process_memory__read(key->tgid, addr, to, len);
}

/* A JVM that cannot be asked any more has nothing to wait for; nor has a stack for which there is no room. */
bool collector__hold_for_jit(struct collector *c, struct unfinished_record *r, size_t size)
{
	struct process *p;

	if (c->walk->end != END_NO_ROWS || c->walk->mapping.object || c->jit.is_releasing)
		return false;
	p = process_table__find(c->processes, &r->key);
	if (p && !(p->flags & PROCESS_ENDED) && p->n_jit_asks < JIT_ASKS_MAX) {
		ask_if_due(c, p);
		if (!held_stacks__add(&c->jit.held, r, clock__mono_ns() + JIT_HOLD_NS))
			return true;
	}
	c->jit.is_releasing = true;
	collector__on_unfinished(c, r, size);
	c->jit.is_releasing = false;
	return true;
}

/* The process whose Method was met first. */
static void ask_for_methods(struct collector *c)
{
	const struct task_key key = c->jit.n_methods ? c->jit.methods[0].key : (struct task_key){0};
	struct process *p = c->jit.n_methods ? process_table__find(c->processes, &key) : NULL;

	if (!p || p->flags & PROCESS_ENDED || p->n_jit_asks >= JIT_ASKS_MAX)
		take_methods(&c->jit, &key, NULL);
	else
		ask_if_due(c, p);
}

void collector__release_held(struct collector *c, uint64_t now_ns)
{
	c->jit.is_releasing = true;
	held_stacks__expire(&c->jit.held, now_ns, collector__on_unfinished, c);
	c->jit.is_releasing = false;
	for (uint32_t i = 0; i < c->jit.held.n; i++) {
		struct process *p = process_table__find(c->processes, &c->jit.held.stacks[i].record->key);

		if (p)
			ask_if_due(c, p);
	}
	ask_for_methods(c);
}

void collector__retire_jvms(struct collector *c)
{
	for (uint32_t i = c->jit.jvms.n; i-- > 0;) {
		const struct jvms_entry *e = &c->jit.jvms.entries[i];

		if (process_table__find(c->processes, &e->key))
			continue;
		tables__forget(c->tables, e->number);
		jvms__remove(&c->jit.jvms, &(struct task_key){e->key.start_ns, e->key.tgid, e->key.exec_id});
	}
}
