// SPDX-License-Identifier: Apache-2.0
/*
 * collector_jit - Problem: a program with code in no file tells what it looks like some time after that code is mapped, and its first stacks come before.
 * Idea: a program is asked when it is seen, and until it has answered the kernel has pages for its code that are never there (CODE_PAGES_UNTOLD): so its stacks come
 *   here, are held, and the program is asked again after 10, 20, 40 ms. One that tells nothing is followed by frame pointers from then on. One whose JIT has one rule for all
 *   code is never asked again. A JVM makes code all the time: it is asked again when a stack was cut in its code, which is what a method that is not known does. A new reading
 *   has a new number for its pages of rows; those that walks met are made before the kernel is told the number, so that no stack waits for them.
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
#define JVM_RETRY_NS     (50 * NS_PER_MS) /* its layout takes some 25 ms of CPU time each time */
#define RULE_RETRY_NS    (10 * NS_PER_MS)
#define JVM_PAUSE_SHARE  50 /* a pause is at least so many times the CPU time of a reading */

static const struct unwind_row by_frame_pointer = {.cfa = ROW_CFA_FRAME_POINTER};

void collector_jit__done(struct collector_jit *j)
{
	jit_asker__free(j->asker);
	jvms__done(&j->jvms);
	held_stacks__done(&j->held);
}

static struct code_rule rule_of(uint64_t start, uint64_t end, const struct unwind_row *row)
{
	struct code_rule rule = {.start = start, .end = end};

	memcpy(&rule.row, row, sizeof(*row));
	return rule;
}

struct code_rule collector_jit__first_rule(void)
{
	const struct unwind_row row = code_pages__row(CODE_PAGES_UNTOLD);

	return rule_of(0, UINT64_MAX, &row);
}

static void set_rule(struct collector *c, struct process *p, uint64_t start, uint64_t end,
		     const struct unwind_row *row)
{
	struct code_rule rule = rule_of(start, end, row);

	process_table__set_rule(c->processes, p, &rule); /* on failure the next rescan takes it */
	collector__push_dirty(c);
}

/* May it tell in time what its stacks wait for? Not where whoever is asked now does not answer: nobody else is asked meanwhile. */
static bool may_tell(const struct collector *c, const struct process *p)
{
	return !(p->flags & PROCESS_ENDED) && p->n_jit_asks < JIT_ASKS_HELD &&
	       (!c->jit.asked_ns || clock__mono_ns() - c->jit.asked_ns < JIT_HOLD_NS);
}

/* Its stacks are not sent here any more. The kernel learns that with the next push. */
static void follow_frame_pointers(struct collector *c, struct process *p)
{
	const struct code_rule first = collector_jit__first_rule();
	struct code_rule rule = rule_of(0, UINT64_MAX, &by_frame_pointer);

	if (p->rule.row == first.row)
		process_table__set_rule(c->processes, p, &rule);
}

/* Counts those stacks of the process that are older, with what is known of it now. */
static void release(struct collector *c, const struct task_key *key, uint64_t before_ns)
{
	c->jit.is_releasing = true;
	held_stacks__answer(&c->jit.held, key, before_ns, collector__on_unfinished, c);
	c->jit.is_releasing = false;
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
		     const struct jit_answer *answer, int mem_fd)
{
	const struct jvms_entry *e = jvms__find(&c->jit.jvms, &p->key);
	const struct jvm_code *code = &answer->jvm->code;
	uint32_t last = e ? e->number : 0, number;
	/* the first took most of its time for what need not be read again */
	uint64_t pause_ns = q->last ? answer->cpu_ns * JVM_PAUSE_SHARE : 0;
	struct unwind_row row;

	p->n_jit_asks = 0;
	p->jit_ask_ns = clock__mono_ns() + (pause_ns > JVM_PAUSE_MIN_NS ? pause_ns : JVM_PAUSE_MIN_NS);
	if (jvms__put(&c->jit.jvms, &p->key, answer->jvm, mem_fd, &number)) {
		set_rule(c, p, code->low, code->high, &by_frame_pointer);
		p->n_jit_asks = JIT_ASKS_MAX;
	} else {
		log_debug("collector: process %u has %zu pieces of Java code, read in %llu us", p->key.tgid,
			  code->n, (unsigned long long)(answer->cpu_ns / 1000));
		if (last)
			make_pages(c, code, last, number);
		row = code_pages__row(number);
		set_rule(c, p, code->low, code->high, &row);
	}
	if (last)
		tables__forget(c->tables, last);
	for (enum event ev = 0; ev < EVENT_N; ev++)
		if (c->windows[ev])
			window__name_frames(c->windows[ev], &p->key, collector__jit_name, c);
	release(c, &p->key, answer->began_ns);
}

static void take_rule(struct collector *c, struct process *p, const struct jit_rule *rule)
{
	log_debug("collector: process %u tells one rule for its code at 0x%llx to 0x%llx", p->key.tgid,
		  (unsigned long long)rule->start, (unsigned long long)rule->end);
	p->n_jit_asks = JIT_ASKS_MAX;
	set_rule(c, p, rule->start, rule->end, &rule->row);
	release(c, &p->key, UINT64_MAX);
}

/* A JVM, and a program that tells debuggers nothing yet, may tell later. */
static void take_refusal(struct collector *c, struct process *p, const struct jit_question *q, int err)
{
	if (!q->is_jvm && err != -ENODATA)
		p->n_jit_asks = JIT_ASKS_MAX;
	if (may_tell(c, p))
		return;
	follow_frame_pointers(c, p);
	collector__push_dirty(c);
	release(c, &p->key, UINT64_MAX);
}

static void ask_waiting(struct collector *c);

static void on_answer(void *ctx, const struct jit_question *q, const struct jit_answer *answer)
{
	struct collector *c = ctx;
	int mem_fd = FD_CLOSED;
	struct process *p;

	c->jit.asked_ns = 0;
	if (q->is_jvm && !answer->err) /* without it, its code is not looked at */
		process_memory__open(c->proc_fd, q->key.tgid, q->key.start_ns, &mem_fd);
	/* that it still runs, by all that happened until now, says that all this was its memory, not another's with the same pid */
	collector__catch_up(c);
	p = process_table__find(c->processes, &q->key);
	if (p && !(p->flags & PROCESS_ENDED)) {
		if (answer->err)
			take_refusal(c, p, q, answer->err);
		else if (q->is_jvm)
			take_jvm(c, p, q, answer, mem_fd);
		else
			take_rule(c, p, &answer->rule);
	} else {
		io__close(&mem_fd);
	}
	ask_waiting(c);
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
		namespace__open_root(p->key.tgid, dir_fd, &jp.root_fd);
	far_mounts__init(&mounts, p->key.tgid, dir_fd, "");
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

static int ask_file(struct collector *c, struct process *p, const struct code_mapping *m, uint64_t now_ns,
		    struct jit_question *q)
{
	const struct jvms_entry *e = jvms__find(&c->jit.jvms, &p->key);
	int err = 0;

	if (!c->jit.asker)
		err = jit_asker__new(c->loop, on_answer, c, &c->jit.asker);
	if (!err)
		err = object_cache__open_fd(c->objects, m->object, now_ns, &q->fd);
	if (err)
		return err;
	q->last = jvm__ref(e ? e->jvm : NULL);
	q->bias = m->bias;
	q->n_methods = take_methods(&c->jit, &p->key, q->methods);
	err = jit_asker__ask(c->jit.asker, q);
	for (size_t i = 0; i < q->n_methods && err; i++)
		meet_method(&c->jit, e, q->methods[i]);
	return err;
}

/* Asks, and says when it may be asked next if that brings no answer: where somebody else is being asked, after that. */
static void ask(struct collector *c, struct process *p, uint64_t now_ns)
{
	struct jit_question q = {.key = p->key};
	const struct code_mapping *m = find_file(c, p, &q.is_jvm);
	int err = m ? ask_file(c, p, m, now_ns, &q) : -ENOENT;

	if (err == -EBUSY)
		return;
	if (!err)
		c->jit.asked_ns = now_ns;
	p->jit_ask_ns = now_ns + ((q.is_jvm ? JVM_RETRY_NS : RULE_RETRY_NS) << p->n_jit_asks);
	p->n_jit_asks++;
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
	if (now_ns >= p->jit_ask_ns)
		ask(c, p, now_ns);
}

/* Wakes us when a process for which stacks wait may be asked; it is not long where another one is being asked now. */
static void set_alarm(struct collector *c, const struct process *p)
{
	uint64_t now_ns = clock__mono_ns(), soonest_ns = now_ns + RULE_RETRY_NS;
	uint64_t due_ns = p->jit_ask_ns > soonest_ns ? p->jit_ask_ns : soonest_ns;

	if (due_ns >= c->jit.due_ns)
		return;
	c->jit.due_ns = due_ns;
	loop__set_timer(c->jit.timer, due_ns - now_ns, 0); /* on failure it is on_events that asks */
}

/* Asks those for whom stacks wait, if that is due; stacks of one that does not tell any more wait for nothing. */
static void ask_waiting(struct collector *c)
{
	const struct held_stacks *held = &c->jit.held;

	c->jit.due_ns = UINT64_MAX;
	for (uint32_t i = 0; i < held->n;) {
		const struct task_key key = held->stacks[i].record->key;
		struct process *p = process_table__find(c->processes, &key);

		if (p)
			ask_if_due(c, p);
		if (p && may_tell(c, p)) {
			set_alarm(c, p);
			i++;
		} else {
			release(c, &key, UINT64_MAX); /* those before are of others */
		}
	}
}

static int on_alarm(uint64_t n_expired, void *ctx)
{
	(void)n_expired;
	ask_waiting(ctx);
	return 0;
}

int collector_jit__start(struct collector *c)
{
	c->jit.due_ns = UINT64_MAX;
	return loop__add_timer(c->loop, LOOP_TIMER_OFF, 0, on_alarm, c, &c->jit.timer);
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
	const struct jvms_entry *e = jvms__find(&c->jit.jvms, key);

	if (!e || e->mem_fd < 0)
		return -ENOENT;
	return process_memory__read_open(e->mem_fd, key->tgid, addr, to, len);
}

bool collector__hold_for_jit(struct collector *c, struct unfinished_record *r, size_t size)
{
	struct process *p;

	if (c->walk->end != END_NO_ROWS || c->walk->mapping.object || c->jit.is_releasing)
		return false;
	p = process_table__find(c->processes, &r->key);
	if (p && may_tell(c, p)) {
		ask_if_due(c, p);
		if (!held_stacks__add(&c->jit.held, r, clock__mono_ns() + JIT_HOLD_NS)) {
			set_alarm(c, p);
			return true;
		}
	} else if (p) {
		follow_frame_pointers(c, p);
	}
	collector__walk(c, r, size, true); /* it was sound before */
	return false;
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
	ask_waiting(c);
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
