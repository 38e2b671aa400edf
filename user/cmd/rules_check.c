// SPDX-License-Identifier: Apache-2.0
/*
 * everprof rules check: beyond what the configuration itself refuses, what will not do what it says on this host: profiles that this version does not record, patterns that
 * nothing can have, and patterns that nothing has now.
 */
#include "user/cmd/rules.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/alert/rule_engine.h"
#include "user/base/buf.h"
#include "user/base/io.h"
#include "user/base/proc_file.h"
#include "user/config/config.h"
#include "user/pipeline/collector.h"
#include "user/process/container.h"

#define COMM_MAX 16
#define EXE_MAX  4096

/* ---- who is there ----------------------------------------------------------------------------------------------------- */

struct present {
	const struct rule_list *rules;
	bool *matched; /* as rules */
	uint32_t n_processes;
};

static const char *or_null(const char *text)
{
	return *text ? text : NULL;
}

static void try_target(struct present *p, const struct metric_target *t)
{
	for (uint32_t i = 0; i < p->rules->n; i++)
		if (!p->matched[i] && rule__matches(&p->rules->items[i], t))
			p->matched[i] = true;
}

/* Its control group, all around it, and its container. */
static void try_groups(struct present *p, struct container_names *c)
{
	struct metric_target t = {.scope = SCOPE_CGROUP,
				  .cgroup = c->cgroup,
				  .unit = or_null(c->unit),
				  .container = or_null(c->id),
				  .pod = or_null(c->pod)};
	char *slash;

	if (*c->id) {
		t.scope = SCOPE_CONTAINER;
		try_target(p, &t);
		t.scope = SCOPE_CGROUP;
	}
	while (*c->cgroup) {
		try_target(p, &t);
		slash = strrchr(c->cgroup, '/');
		if (!slash)
			break;
		*slash = '\0';
	}
}

static void try_process(struct present *p, int proc_fd, const char *pid)
{
	static struct container_names c;
	char path[64], comm[COMM_MAX + 1] = "", exe[EXE_MAX + 1] = "";
	struct metric_target t = {.scope = SCOPE_PROCESS, .pid = (uint32_t)strtoul(pid, NULL, 10)};
	ssize_t n;
	struct buf b;

	buf__init(&b, COMM_MAX + 1);
	snprintf(path, sizeof(path), "%s/comm", pid);
	if (!io__read_at(proc_fd, path, COMM_MAX + 1, &b))
		snprintf(comm, sizeof(comm), "%.*s", (int)strcspn(buf__str(&b), "\n"), buf__str(&b));
	buf__done(&b);
	snprintf(path, sizeof(path), "%s/exe", pid);
	n = proc_file__read_link(t.pid, proc_fd, path, exe, EXE_MAX);
	exe[n > 0 ? n : 0] = '\0';
	snprintf(path, sizeof(path), "%s/cgroup", pid);
	if (read_proc_cgroup(proc_fd, path, &c))
		c = (struct container_names){0};
	t.comm = or_null(comm);
	t.exe = or_null(exe);
	t.cgroup = or_null(c.cgroup);
	t.unit = or_null(c.unit);
	t.container = or_null(c.id);
	t.pod = or_null(c.pod);
	p->n_processes++;
	try_target(p, &t);
	try_groups(p, &c);
}

static void look_around(struct present *p)
{
	DIR *proc = opendir("/proc");
	const struct metric_target system = {.scope = SCOPE_SYSTEM};
	struct dirent *d;

	try_target(p, &system);
	while (proc && (d = readdir(proc)))
		if (isdigit((unsigned char)*d->d_name))
			try_process(p, dirfd(proc), d->d_name);
	if (proc)
		closedir(proc);
}

/* ---- what is doubtful ------------------------------------------------------------------------------------------------- */

static void print_rule(const struct rule *r, bool is_matched, const struct present *p)
{
	bool by_process = r->match.comm.n || r->match.process.n || r->match.exe.n || r->match.pid.n;

	printf("%s: %s, scope %s\n", r->name, r->condition.text, scope__name(r->scope));
	for (enum event ev = 0; ev < EVENT_N; ev++)
		if (r->capture_events >> ev & 1 && !collector__can_record(ev))
			printf("  warning: captures %s, which this version does not record\n",
			       event__name(ev));
	if (r->scope != SCOPE_PROCESS && by_process)
		printf("  warning: matches by a process's name or id, which a %s does not have: it never "
		       "fires\n",
		       scope__name(r->scope));
	else if (!is_matched && p->n_processes)
		printf("  warning: nothing matches now, of %u processes and their groups\n", p->n_processes);
	if (r->captures && !r->duration_ns && !r->hits && !condition_set__is_event(&r->condition))
		printf("  warning: fires with the first value that holds\n");
}

void rules__check(const struct config *c)
{
	bool *matched = calloc(c->alerts.n + 1, sizeof(*matched));
	struct present p = {.rules = &c->alerts, .matched = matched};

	if (matched)
		look_around(&p);
	for (uint32_t i = 0; i < c->alerts.n; i++)
		print_rule(&c->alerts.items[i], matched && matched[i], &p);
	printf("%u %s good\n", c->alerts.n, c->alerts.n == 1 ? "rule is" : "rules are");
	free(matched);
}
