// SPDX-License-Identifier: Apache-2.0
/*
 * collector_host_event - what happens once: a kill for memory, a signal that ends a process, a new build of a program.
 *
 * Kills and ends come with the events of processes, so that they are told within a quarter of a second, in their order, and before the process is
 * forgotten. Signals count that dump core by default: a fault, an abort, a time limit; to be told to end is no failure. A build is new where a program of
 * that name ran before from a file with another build-id: the first of a name is only learnt, or each new program of the host would be one. It is looked at
 * when a program's mappings are first shown to the kernel, which those that end at once never are. On a machine so busy that a program comes and goes before its events
 * are read, it is looked at with its end, where it lived for LIVED_NS; its file then has to be where it was.
 *
 * Cost: two comparisons for an event; for a new program that lives, a look through its mappings and some 1000 pairs of numbers.
 */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "user/base/clock.h"
#include "user/base/hashmap.h"
#include "user/pipeline/collector_impl.h"

#define CORE_SIGNALS                                                                             \
	(1ull << SIGQUIT | 1ull << SIGILL | 1ull << SIGTRAP | 1ull << SIGABRT | 1ull << SIGBUS | \
	 1ull << SIGFPE | 1ull << SIGSEGV | 1ull << SIGXCPU | 1ull << SIGXFSZ | 1ull << SIGSYS)

#define LIVED_NS (100 * NS_PER_MS)

static const char *or_null(const char *text)
{
	return *text ? text : NULL;
}

static void collector__tell(struct collector *c, struct host_event *e, const struct task_key *key,
			    const struct process *p)
{
	struct process_labels l;

	e->target.scope = SCOPE_PROCESS;
	e->target.pid = key->tgid;
	e->target.start_ns = key->start_ns;
	if (p) {
		process__labels(p, &l);
		e->target.start_ns = p->key.start_ns;
		e->target.cgroup_id = p->cgroup_id;
		e->target.comm = or_null(l.process);
		e->target.exe = or_null(l.exe);
		e->target.cgroup = or_null(l.cgroup);
		e->target.unit = or_null(l.unit);
		e->target.container = or_null(l.container);
		e->target.pod = or_null(l.pod);
	}
	c->stats.host_events[e->kind]++;
	if (c->ports.happened)
		c->ports.happened(c->ports.ctx, e);
}

void collector__on_oom(void *ctx, const struct process_record *r)
{
	struct collector *c = ctx;
	struct host_event e = {.kind = HOST_EVENT_OOM_KILL,
			       .at_ns = r->time_ns,
			       .signal = SIGKILL,
			       .rss_bytes = r->rss_pages * (uint64_t)sysconf(_SC_PAGESIZE)};
	const struct process *p = r->key.start_ns
					  ? process_table__find(c->processes, &r->key)
					  : process_table__find_pid(c->processes, r->key.tgid, r->time_ns);
	const struct task_key *key = p ? &p->key : &r->key;

	/* one that does not die at once is chosen again */
	if (key->tgid == c->host_events.last_victim.tgid &&
	    key->start_ns == c->host_events.last_victim.start_ns)
		return;
	c->host_events.last_victim = *key;
	collector__tell(c, &e, key, p);
}

void collector__tell_end(struct collector *c, const struct process_record *r)
{
	struct host_event e = {
		.kind = HOST_EVENT_FATAL_SIGNAL, .at_ns = r->time_ns, .signal = (int)r->signal};

	if (r->signal < 64 && CORE_SIGNALS >> r->signal & 1)
		collector__tell(c, &e, &r->key, process_table__find(c->processes, &r->key));
}

static void take_build(const struct object *o, struct host_build *ret)
{
	ret->build = hash_bytes(o->build_id, o->build_id_len);
	object__format_build_id(o, ret->id);
}

/*
 * The program's own file: among the objects that it has mapped, that of its path; where another path of the same build was met before, that is the object's, and
 * the program is the one that the kernel mapped lowest.
 */
static bool collector__read_build(struct collector *c, const struct process *p, struct host_build *ret)
{
	uint32_t n, last = 0;
	const struct code_mapping *m = mapping_set__mappings(p->mappings, &n);
	const char *slash = strrchr(p->exe, '/'), *name = slash ? slash + 1 : p->exe;
	bool found = false, is_lowest = true;

	ret->name = hash_bytes(name, strlen(name));
	for (uint32_t i = 0; i < n; i++) {
		const struct object *o;
		bool is_own;

		if (!m[i].object || m[i].object == last || object_cache__get(c->objects, m[i].object, &o))
			continue;
		last = m[i].object;
		is_own = o->build_id_len && o->path && !strcmp(o->path, p->exe);
		if (is_own || (is_lowest && o->build_id_len)) {
			take_build(o, ret);
			found = true;
		}
		is_lowest = false;
		object_cache__put(c->objects, last);
		if (is_own)
			break;
	}
	return found;
}

void collector__look_at_build(struct collector *c, struct process *p)
{
	struct host_event e = {.kind = HOST_EVENT_NEW_BUILD, .at_ns = clock__mono_ns()};
	struct host_build b;

	if (p->flags & (PROCESS_BUILD_KNOWN | PROCESS_FORKED) || !p->exe || !collector__read_build(c, p, &b))
		return;
	p->flags |= PROCESS_BUILD_KNOWN;
	if (!host_builds__note(&c->host_events.builds, &b))
		return;
	e.build_id = b.id;
	e.path = p->exe;
	collector__tell(c, &e, &p->key, p);
}

void collector__look_at_last(struct collector *c, const struct process_record *r)
{
	struct process *p = process_table__find(c->processes, &r->key);

	if (!p || p->flags & (PROCESS_BUILD_KNOWN | PROCESS_FORKED | PROCESS_KERNEL_THREAD) ||
	    r->time_ns < p->born_ns + LIVED_NS)
		return;
	process_table__settle(c->processes, p);
	collector__look_at_build(c, p);
}
