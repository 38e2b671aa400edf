// SPDX-License-Identifier: Apache-2.0
#include "user/cmd/capturing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/alert/capture.h"
#include "user/alert/capture_case.h"
#include "user/alert/capture_trigger.h"
#include "user/base/buf.h"
#include "user/base/clock.h"
#include "user/base/err.h"
#include "user/base/io.h"
#include "user/cmd/control.h"
#include "user/cmd/watching.h"
#include "user/config/config.h"
#include "user/pipeline/collector.h"
#include "user/pipeline/event_source.h"
#include "user/pipeline/live.h"
#include "user/pipeline/publish.h"
#include "user/process/container.h"
#include "user/process/proc_dir.h"
#include "user/process/process_tree.h"
#include "user/query/printable.h"
#include "user/store/capture_folder.h"

#define CGROUP_ROOT "/sys/fs/cgroup"
#define PAST_MAX    600

struct capturing {
	struct capturing_parts parts;
	struct live *live;
	struct captures *captures;
	char *store_dir;
	uint64_t before_ns, after_ns;
	uint32_t recorded; /* events that are configured, bits */
	int proc_fd;
};

/* -- what captures need -- */

static uint32_t on_recorded(void *ctx)
{
	const struct capturing *g = ctx;
	uint32_t bits = 0;

	for (enum event ev = 0; ev < EVENT_N; ev++)
		if (g->recorded >> ev & 1 && collector__seen_ns(g->parts.collector, ev))
			bits |= 1u << ev;
	return bits;
}

static void on_profile(void *ctx, uint64_t id, int err, int fd)
{
	captures__profile_done(((struct capturing *)ctx)->captures, id, err, fd);
}

static int ask_profile(void *ctx, uint64_t ask, enum event ev, uint64_t from_ns, uint64_t to_ns)
{
	const struct live_want want = {.event = ev, .from_ns = from_ns, .to_ns = to_ns};

	if (!collector__can_record(ev))
		return -ENOENT;
	return live__ask(((struct capturing *)ctx)->live, ask, &want, on_profile, ctx);
}

/* An ask for a state that is not past is a look at it now, at all processes; the samples of others are left out later. */
static int ask_dump(void *ctx, uint64_t ask, enum event ev, const struct metric_target *target)
{
	uint64_t now = clock__mono_ns();
	const struct live_want want = {.event = ev, .from_ns = now, .to_ns = now + NS_PER_SEC};

	(void)target;
	if (!event_source__is_state(ev))
		return -EOPNOTSUPP;
	return live__ask(((struct capturing *)ctx)->live, ask, &want, on_profile, ctx);
}

static void cancel_profile(void *ctx, uint64_t ask)
{
	live__cancel(((struct capturing *)ctx)->live, ask);
}

struct errand {
	void (*fn)(void *ctx, bool is_ending);
	void *ctx;
};

static void run_errand(const struct naming *naming, void *ctx)
{
	struct errand e = *(struct errand *)ctx;

	free(ctx);
	e.fn(e.ctx, naming == NULL);
}

static int run_later(void *ctx, void (*fn)(void *fn_ctx, bool is_ending), void *fn_ctx)
{
	struct errand *e = malloc(sizeof(*e));
	int err;

	if (!e)
		return -EAGAIN;
	*e = (struct errand){fn, fn_ctx};
	err = publisher__run_job(((struct capturing *)ctx)->parts.publisher, run_errand, e);
	if (err)
		free(e);
	return err;
}

static uint32_t raise_frequency(void *ctx, uint32_t frequency_hz)
{
	return collector__raise(((struct capturing *)ctx)->parts.collector, RAISED_BY_CAPTURE, frequency_hz);
}

struct telling {
	capture_process_fn add;
	void *ctx;
};

static void tell(void *ctx, const struct process_tree_node *n)
{
	const struct telling *t = ctx;
	const struct capture_process p = {
		.pid = n->pid,
		.parent = n->parent,
		.n_threads = n->n_threads,
		.start_ns = n->start_ns,
		.resident_bytes = n->resident_bytes,
		.depth = n->depth,
		.state = n->state,
		.comm = n->comm,
		.exe = n->exe,
		.cgroup = n->cgroup,
		.command_line = n->command_line,
	};

	t->add(t->ctx, &p);
}

/* A target that was looked up in /proc has its start in ticks, and nothing else knows it by that: its number will do for one that is there now. */
static void past(void *ctx, const struct metric_target *target, uint64_t from_ns, capture_past_fn add,
		 void *add_ctx)
{
	static const enum metric_id metrics[] = {METRIC_cpu_usage_percent, METRIC_rss, METRIC_thread_count,
						 METRIC_major_fault_rate};
	const struct capturing *g = ctx;
	struct metric_target t = *target;
	static struct usage_value values[PAST_MAX]; /* there is one loop */

	t.start_ns = 0;
	for (size_t m = 0; m < sizeof(metrics) / sizeof(*metrics); m++) {
		uint32_t n = usage__points(watching__usage(g->parts.watching), &t, metrics[m], from_ns,
					   values, PAST_MAX);

		for (uint32_t i = 0; i < n; i++)
			add(add_ctx, metrics[m], values[i].at_ns, values[i].value);
	}
}

static bool is_asking(void *ctx)
{
	return captures__are_tracked(((struct capturing *)ctx)->captures);
}

static void on_sample(void *ctx, const struct metric_sample *s)
{
	captures__take_sample(((struct capturing *)ctx)->captures, s);
}

static void on_pass_done(void *ctx, uint64_t at_ns)
{
	captures__pass_done(((struct capturing *)ctx)->captures, at_ns);
}

static void describe(void *ctx, const struct metric_target *target, bool command_lines,
		     capture_process_fn add, void *add_ctx)
{
	const struct capturing *g = ctx;
	struct telling t = {add, add_ctx};
	char path[CONTAINER_CGROUP_MAX + sizeof(CGROUP_ROOT)];
	int fd;

	if (target->scope == SCOPE_PROCESS) {
		read_process_tree(g->proc_fd, target->pid, target->start_ns, command_lines, tell, &t);
	} else if (target->scope != SCOPE_SYSTEM && target->cgroup) {
		snprintf(path, sizeof(path), CGROUP_ROOT "%s", target->cgroup);
		fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0)
			read_group_processes(g->proc_fd, fd, command_lines, tell, &t);
		io__close(&fd);
	}
}

/* -- who asks -- */

/* The process that has the pid now, as a target; its texts are in `keep`. */
struct found_process {
	struct metric_target target;
	char comm[64];
	struct container_names names;
};

static int find_process(const struct capturing *g, uint32_t pid, struct found_process *ret, struct err *err)
{
	struct proc_stat st;
	int dir, code = proc_dir__open(g->proc_fd, pid, 0, &dir, &st);

	if (code)
		return err__set(err, code, "pid %u: %s", pid, strerror(-code));
	snprintf(ret->comm, sizeof(ret->comm), "%s", st.comm);
	ret->target = (struct metric_target){.scope = SCOPE_PROCESS, .pid = pid, .comm = ret->comm};
	ret->target.start_ns = st.start_ticks * (NS_PER_SEC / 100);
	if (!read_proc_cgroup(dir, "cgroup", &ret->names)) {
		ret->target.cgroup = ret->names.cgroup;
		ret->target.unit = ret->names.unit;
		ret->target.container = ret->names.id;
		ret->target.pod = ret->names.pod;
	}
	io__close(&dir);
	return 0;
}

int capturing__trigger(struct capturing *g, char *text, const char *cause, struct buf *to, struct err *err)
{
	static struct capture_trigger t; /* there is one loop */
	static struct found_process process;
	char id[CAPTURE_ID_MAX];
	int code;

	capture_trigger__init(&t, g->before_ns, g->after_ns);
	code = capture_trigger__parse(text, &t, err);
	if (cause)
		t.request.cause = cause;
	if (!code && t.pid)
		code = find_process(g, t.pid, &process, err);
	if (!code && t.pid)
		t.request.target = process.target;
	if (!code)
		code = captures__begin(g->captures, &t.request, id, err);
	if (!code)
		buf__printf(to, "%s\n", id);
	return code;
}

static int on_control(void *ctx, char *text, struct buf *to, struct err *err)
{
	return capturing__trigger(ctx, text, NULL, to, err);
}

/* For who waits for one; written means that it is found on the disk, so that is looked at first. */
static int on_state(void *ctx, char *text, struct buf *to, struct err *err)
{
	const struct capturing *g = ctx;
	struct capture_folder f;
	int code = captures__state(g->captures, text);

	buf__append_str(to, code ? "written\n" : "under way\n");
	if (code == -ENOENT && !capture_folder__find(g->store_dir, text, &f))
		return 0;
	return code ? err__set(err, code, "the capture is lost: %s", strerror(-code)) : 0;
}

/* A line for people of each that is not written yet; text: of this rule only, or empty. */
static int on_under_way(void *ctx, char *text, struct buf *to, struct err *err)
{
	const struct capturing *g = ctx;
	const struct capture_case *kase;
	uint64_t now_ns = clock__mono_ns();
	char target[CAPTURE_PATH_MAX];
	uint32_t cursor = 0;

	(void)err;
	while ((kase = captures__next_under_way(g->captures, &cursor))) {
		const struct capture_request *r = &kase->request;
		uint64_t end_ns = r->fired_mono_ns + r->after_ns;

		if (*text && strcmp(text, r->rule))
			continue;
		capture_target__describe(&r->target, r->selection, target, sizeof(target));
		buf__printf(to, "%-12s  under way, for %llu s more: ", kase->id,
			    end_ns > now_ns ? (unsigned long long)((end_ns - now_ns) / NS_PER_SEC) : 0);
		printable__append(to, r->rule);
		buf__append_str(to, ": ");
		printable__append(to, target);
		buf__append_char(to, '\n');
	}
	return 0;
}

/* For who cannot reach the folder: the process that serves. */
static int change(const struct capturing *g, const char *id,
		  int (*fn)(const char *dir, const struct capture_folder *f), struct err *err)
{
	struct capture_folder f;
	int code = capture_folder__find(g->store_dir, id, &f);

	if (!code)
		code = fn(g->store_dir, &f);
	return code ? err__set(err, code, "%s",
			       code == -EBUSY    ? "it is pinned: unpin it first"
			       : code == -ENOENT ? "there is no such capture"
						 : strerror(-code))
		    : 0;
}

static int pin(const char *dir, const struct capture_folder *f)
{
	return capture_folder__pin(dir, f, true);
}

static int unpin(const char *dir, const struct capture_folder *f)
{
	return capture_folder__pin(dir, f, false);
}

static int on_pin(void *ctx, char *text, struct buf *to, struct err *err)
{
	(void)to;
	return change(ctx, text, pin, err);
}

static int on_unpin(void *ctx, char *text, struct buf *to, struct err *err)
{
	(void)to;
	return change(ctx, text, unpin, err);
}

static int on_delete(void *ctx, char *text, struct buf *to, struct err *err)
{
	(void)to;
	return change(ctx, text, capture_folder__delete, err);
}

/* -- life -- */

static struct captures_opts opts_of(const struct capturing *g, const struct config *c)
{
	return (struct captures_opts){
		.store_dir = g->store_dir,
		.retention_ns = c->captures.retention_ns,
		.max_bytes = c->captures.max_size_bytes,
		.max_per_rule = (uint32_t)c->captures.max_per_rule,
		.frequency_hz = (uint32_t)c->cpu.frequency_hz,
		.max_frequency_hz = (uint32_t)c->cpu.frequency_hz * 2,
		.command_lines = c->captures.command_lines,
	};
}

static void take_config(struct capturing *g, const struct config *c)
{
	g->before_ns = c->captures.before_ns;
	g->after_ns = c->captures.after_ns;
	g->recorded = 0;
	for (int ev = 0; ev < EVENT_N; ev++)
		if (c->profiling.enabled && c->event[ev].enabled)
			g->recorded |= 1u << ev;
}

int capturing__new(const struct config *c, const struct capturing_parts *parts, struct capturing **ret,
		   struct err *err)
{
	struct capturing *g = calloc(1, sizeof(*g));
	struct captures_opts opts;
	const struct capture_port port = {.recorded = on_recorded,
					  .profile = ask_profile,
					  .dump = ask_dump,
					  .cancel = cancel_profile,
					  .run = run_later,
					  .raise = raise_frequency,
					  .past = past,
					  .describe = describe,
					  .ctx = g};
	const struct watcher watcher = {
		.ctx = g, .is_asking = is_asking, .sample = on_sample, .done = on_pass_done};
	static const struct {
		const char *name;
		control_fn fn;
	} verbs[] = {{"trigger", on_control}, {"capture", on_state}, {"captures", on_under_way},
		     {"pin", on_pin},         {"unpin", on_unpin},   {"delete", on_delete}};
	int code;

	if (!g)
		return -ENOMEM;
	g->parts = *parts;
	g->proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	/* who is told where a capture is may stand elsewhere */
	g->store_dir = realpath(c->output.directory, NULL);
	if (!g->store_dir)
		g->store_dir = strdup(c->output.directory);
	opts = opts_of(g, c);
	take_config(g, c);
	code = g->proc_fd < 0 || !g->store_dir
		       ? -ENOMEM
		       : live__new(parts->loop, parts->collector, parts->publisher, &g->live);
	if (!code)
		code = captures__new(&opts, &port, parts->store, parts->loop, &g->captures, err);
	if (!code)
		code = watching__add(parts->watching, &watcher) < 0 ? -E2BIG : 0;
	for (size_t i = 0; !code && parts->control && i < sizeof(verbs) / sizeof(*verbs); i++)
		code = control__add(parts->control, verbs[i].name, true, verbs[i].fn, g);
	if (code) {
		capturing__free(g);
		return err__set(err, code, "captures: cannot start: %s", strerror(-code));
	}
	*ret = g;
	return 0;
}

void capturing__set_config(struct capturing *g, const struct config *c)
{
	const struct captures_opts opts = opts_of(g, c);

	captures__set_opts(g->captures, &opts);
	take_config(g, c);
}

void capturing__stop(struct capturing *g)
{
	if (g)
		captures__stop(g->captures);
}

void capturing__free(struct capturing *g)
{
	if (!g)
		return;
	live__free(g->live); /* what it still owes is answered, with -ECANCELED */
	captures__free(g->captures);
	io__close(&g->proc_fd);
	free(g->store_dir);
	free(g);
}

struct captures *capturing__captures(struct capturing *g)
{
	return g->captures;
}

void capturing__print_metrics(const struct capturing *g, struct buf *to)
{
	struct captures_stats s;

	if (!g)
		return;
	captures__stats(g->captures, &s);
	const struct {
		const char *name, *type, *help;
		double value;
	} all[] = {
		{"everprof_captures_written_total", "counter", "Captures that were written.",
		 (double)s.n_written},
		{"everprof_captures_failed_total", "counter",
		 "Captures that were lost: the agent ended, or the disk refused them for too long.",
		 (double)s.n_failed},
		{"everprof_captures_refused_total", "counter",
		 "Captures that were not begun: one of that target was under way, or as many as may be.",
		 (double)s.n_refused},
		{"everprof_captures_deleted_total", "counter",
		 "Captures that were deleted to stay within their limits.", (double)s.n_deleted},
		{"everprof_captures_running", "gauge", "Captures under way.", s.n_running},
		{"everprof_captures_waiting_for_disk", "gauge", "Captures that the disk refuses now.",
		 s.n_waiting_for_disk},
		{"everprof_captures_bytes", "gauge",
		 "What captures take on the disk, as of the last time that it was looked at.",
		 (double)s.kept_bytes},
		{"everprof_raised_frequency_seconds_total", "counter",
		 "Time in which captures had the frequency raised.", (double)s.raised_ns / NS_PER_SEC},
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		buf__printf(to, "# HELP %s %s\n# TYPE %s %s\n%s %.15g\n", all[i].name, all[i].help,
			    all[i].name, all[i].type, all[i].name, all[i].value);
}
