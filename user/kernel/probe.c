// SPDX-License-Identifier: Apache-2.0
/*
 * probe - Problem: a feature is lost for many reasons, of kernel, privileges, mounts, limits and filters, and the kernel's answer to all of
 *   them is mostly EPERM or EINVAL.
 * Idea: one table of subjects. Each has texts that do not change (what is lost, what to do) and a function that looks or tries and says what it
 *   found. Those that only read files take a root directory and are tested on trees made for it; those that ask the kernel run in `live` mode.
 * Invariants: a subject says exactly one thing. Nothing that a trial made is left behind.
 * Cost: half a second, nearly all of it the kernel's type information and the verification of our own programs.
 */
#include "user/kernel/probe_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "user/base/io.h"
#include "user/kernel/perf_event.h"

static const char *const state_names[] = {
	[PROBE_OK] = "ok",
	[PROBE_REDUCED] = "reduced",
	[PROBE_MISSING] = "missing",
};

static const char *const need_names[] = {
	[PROBE_VITAL] = "vital",
	[PROBE_FEATURE] = "feature",
	[PROBE_SPARE] = "spare",
};

const char *probe_state__name(enum probe_state state)
{
	return state_names[state];
}

const char *probe_need__name(enum probe_need need)
{
	return need_names[need];
}

/* ---- the report ---- */

void probe_report__add(struct probe_report *r, const struct probe_check *check)
{
	if (r->n < PROBE_CHECKS_MAX)
		r->checks[r->n++] = *check;
}

const struct probe_check *probe_report__find(const struct probe_report *r, const char *name)
{
	for (uint32_t i = 0; i < r->n; i++)
		if (!strcmp(r->checks[i].name, name))
			return &r->checks[i];
	return NULL;
}

const struct probe_check *probe_report__obstacle(const struct probe_report *r)
{
	for (uint32_t i = 0; i < r->n; i++)
		if (r->checks[i].need == PROBE_VITAL && r->checks[i].state == PROBE_MISSING)
			return &r->checks[i];
	return NULL;
}

uint32_t probe_report__n_reduced(const struct probe_report *r)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < r->n; i++)
		n += r->checks[i].need != PROBE_SPARE && r->checks[i].state != PROBE_OK;
	return n;
}

void probe__say(struct probe *p, const struct probe_subject *s, enum probe_state state, const char *fmt, ...)
{
	struct probe_check c = {
		.group = s->group,
		.name = s->name,
		.title = s->title,
		.need = s->need,
		.state = state,
		.lost = state == PROBE_OK ? "" : s->lost,
		.remedy = state == PROBE_OK ? "" : s->remedy,
	};
	va_list args;

	va_start(args, fmt);
	vsnprintf(c.found, sizeof(c.found), fmt, args);
	va_end(args);
	probe_report__add(p->report, &c);
}

void probe__refuse(struct probe *p, const struct probe_subject *s, const char *what, int err)
{
	struct probe_subject subject = *s;

	if (err == -EPERM || err == -EACCES)
		subject.remedy = "what the privileges above lack; a security module or a seccomp profile may "
				 "forbid it, too";
	if (err == -ENOENT || err == -EOPNOTSUPP)
		probe__say(p, &subject, PROBE_MISSING, "%s%snot in this kernel", what, *what ? ": " : "");
	else
		probe__say(p, &subject, PROBE_MISSING, "%s%s%s", what, *what ? ": " : "", strerror(-err));
}

/* ---- reading ---- */

bool probe__has(const struct probe *p, enum probe_capability cap)
{
	return p->capabilities >> cap & 1;
}

int probe__read(const struct probe *p, const char *path, char text[PROBE_FILE_MAX])
{
	size_t len = 0;
	ssize_t n;
	int fd, err;

	err = io__open_regular(p->root_fd, path, &fd);
	if (err)
		return err;
	do {
		n = read(fd, text + len, PROBE_FILE_MAX - 1 - len);
		if (n > 0)
			len += (size_t)n;
	} while (n > 0 || (n < 0 && errno == EINTR));
	err = n < 0 ? -errno : 0;
	io__close(&fd);
	text[len] = '\0';
	return err;
}

int probe__read_number(const struct probe *p, const char *path, long long *ret)
{
	char text[PROBE_FILE_MAX], *end;
	long long n;
	int err = probe__read(p, path, text);

	if (err)
		return err;
	errno = 0;
	n = strtoll(text, &end, 10);
	if (end == text || errno || (*end && *end != '\n'))
		return -EBADMSG;
	*ret = n;
	return 0;
}

/* What many checks hang on. Where it cannot be read the checks themselves will tell. */
static void probe__learn(struct probe *p)
{
	static uint32_t cpus[CPUS_MAX]; /* large; one probe at a time */
	char text[PROBE_FILE_MAX];
	int n;

	if (!probe__read(p, "proc/sys/kernel/osrelease", text))
		parse_kernel_release(text, &p->release);
	if (!probe__read(p, "proc/self/status", text))
		parse_status_field(text, "CapEff", 16, &p->capabilities);
	n = cpus__online(cpus, CPUS_MAX);
	p->n_cpus = n > 0 ? (uint32_t)n : 1;
	p->first_cpu = n > 0 ? cpus[0] : 0;
	if (p->opts->live) {
		libbpf_set_print(NULL);
		p->btf = btf__load_vmlinux_btf();
		if (libbpf_get_error(p->btf))
			p->btf = NULL;
	}
}

static void probe__look(struct probe *p, const struct probe_subject *subjects)
{
	for (const struct probe_subject *s = subjects; s->name; s++)
		s->run(p, s);
}

int probe__run(const struct probe_opts *opts, struct probe_report *ret_report)
{
	struct probe p = {.opts = opts, .report = ret_report};
	const char *root = opts->root ? opts->root : "/";

	p.root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (p.root_fd < 0)
		return -errno;
	ret_report->n = 0;
	probe__learn(&p);
	probe__look(&p, probe_host_subjects);
	if (opts->live) {
		probe__look(&p, probe_perf_subjects);
		probe__look(&p, probe_bpf_subjects);
	}
	probe__look(&p, probe_place_subjects);
	btf__free(p.btf);
	io__close(&p.root_fd);
	return 0;
}
