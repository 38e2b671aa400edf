// SPDX-License-Identifier: Apache-2.0
/*
 * everprof record: one recording into one file, of the machine, of some processes, or of a command.
 */
#include "user/cmd/cmd.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/base/clock.h"
#include "user/base/err.h"
#include "user/base/log.h"
#include "user/base/io.h"
#include "user/base/loop.h"
#include "user/cmd/child.h"
#include "user/cmd/command.h"
#include "user/cmd/output.h"
#include "user/config/config.h"
#include "user/config/event.h"
#include "user/config/suggest.h"
#include "user/config/units.h"
#include "user/pipeline/collector.h"
#include "user/pipeline/event_source.h"
#include "user/pipeline/idle_match.h"
#include "user/pipeline/publish.h"
#include "user/pipeline/wall_profile.h"
#include "user/profile/profile.h"

#define PATTERNS_MAX     64
#define PROGRESS_NS      (250 * NS_PER_MS)
#define MEMORY_BYTES     (256u << 20)
#define WAIT_BUDGET_PPM  10000 /* somebody waits for the answer: more than the agent takes */
#define ALLOC_BUDGET_PPM 20000 /* likewise */
#define EXIT_PROFILER    125   /* with a command: the profiler itself failed */

static const char *const kinds[] = {"comm", "process", "exe", "cgroup", "unit", "container", "pod"};
#define N_KINDS (sizeof(kinds) / sizeof(*kinds))

/* Patterns of all kinds, in the storage that the target_set's lists point to. */
struct patterns {
	struct target_set set;
	const char *texts[N_KINDS][PATTERNS_MAX];
	uint32_t pids[PATTERNS_MAX];
};

struct record {
	struct collector_opts collector;
	struct patterns include, exclude;
	uint64_t duration_ns;
	const char *path; /* of the file; of more than one event: of their directory */
	char default_path[64];
	uint32_t n_events;
	bool quiet, keep_idle, has_command, has_duration, exec_failed;
	/* while running */
	struct loop *loop;
	struct loop_source *end_timer;
	struct collector *c;
	struct child child;
	struct window *windows[EVENT_N];
	struct idle_match *idle;
	uint64_t began_ns, progress_at_ns;
	uint32_t n_interrupts;
};

/* Adds a pattern of a kind. */
static int patterns__add(struct patterns *p, const char *kind, const char *glob, struct err *e)
{
	struct text_list *lists[] = {&p->set.comm, &p->set.process,   &p->set.exe, &p->set.cgroup,
				     &p->set.unit, &p->set.container, &p->set.pod};
	bool is_pid = !strcmp(kind, "pid");
	uint64_t pid;
	size_t i = 0;

	while (!is_pid && i < N_KINDS && strcmp(kind, kinds[i]))
		i++;
	if (i == N_KINDS)
		return err__set(e, -EINVAL, "there is no kind '%s'", units__quote(kind).text);
	if ((is_pid ? p->set.pid.n : lists[i]->n) == PATTERNS_MAX)
		return err__set(e, -E2BIG, "at most %d can be given", PATTERNS_MAX);
	if (is_pid) {
		if (units__parse_count(glob, &pid, NULL) || !pid || pid > TARGET_PID_MAX)
			return err__set(e, -EINVAL, "not a process id: '%s'", units__quote(glob).text);
		p->pids[p->set.pid.n] = (uint32_t)pid;
		p->set.pid = (struct pid_list){.items = p->pids, .n = p->set.pid.n + 1};
		return 0;
	}
	if (!*glob)
		return err__set(e, -EINVAL, "a pattern is needed");
	p->texts[i][lists[i]->n] = glob;
	*lists[i] = (struct text_list){.items = p->texts[i], .n = lists[i]->n + 1};
	return 0;
}

/* -p, --comm and the others are called as their kinds. */
static int take_pattern(const struct command_option *o, void *at, char *value, struct err *e)
{
	return patterns__add(at, o->name, value, e);
}

static int take_exclusion(const struct command_option *o, void *at, char *value, struct err *e)
{
	char kind[16];
	size_t len = strcspn(value, "=");

	(void)o;
	if (!value[len] || len >= sizeof(kind))
		return err__set(e, -EINVAL, "expected KIND=GLOB, found '%s'", units__quote(value).text);
	snprintf(kind, sizeof(kind), "%.*s", (int)len, value);
	return patterns__add(at, kind, value + len + 1, e);
}

static int unknown_event(const char *name, struct err *e)
{
	struct suggest s;

	suggest__init(&s, name);
	for (enum event ev = 0; ev < EVENT_N; ev++)
		if (collector__can_record(ev))
			suggest__offer(&s, event__name(ev));
	return err__set(e, -EINVAL, "unknown event '%s'%s", units__quote(name).text, suggest__text(&s));
}

/* "cpu,offcpu": adds to what is recorded. */
static int take_events(const struct command_option *o, void *at, char *value, struct err *e)
{
	struct record *r = at;
	enum event ev;

	(void)o;
	for (char *rest = value, *name; (name = strsep(&rest, ","));) {
		if (!*name)
			continue;
		if (event__find(name, &ev))
			return unknown_event(name, e);
		if (!collector__can_record(ev))
			return err__set(e, -EOPNOTSUPP, "event '%s' cannot be recorded by this version",
					name);
		r->n_events += !r->collector.events[ev].on;
		r->collector.events[ev].on = true;
	}
	return r->n_events ? 0 : err__set(e, -EINVAL, "an event is needed");
}

static int take_duration(const struct command_option *o, void *at, char *value, struct err *e)
{
	struct record *r = at;

	(void)o;
	r->has_duration = true;
	return units__parse_duration(value, &r->duration_ns, e);
}

static int take_frequency(const struct command_option *o, void *at, char *value, struct err *e)
{
	uint64_t n;

	(void)o;
	if (units__parse_count(value, &n, NULL) || n < 1 || n > 1000)
		return err__set(e, -ERANGE, "expected 1 to 1000, found '%s'", units__quote(value).text);
	*(uint32_t *)at = (uint32_t)n;
	return 0;
}

static int take_no_kernel(const struct command_option *o, void *at, char *value, struct err *e)
{
	(void)o, (void)value, (void)e;
	*(bool *)at = false;
	return 0;
}

static int take_verbose(const struct command_option *o, void *at, char *value, struct err *e)
{
	(void)o, (void)at, (void)value, (void)e;
	log__set_level(LOG_LEVEL_DEBUG);
	return 0;
}

#define PATTERN take_pattern, OPTION_AT(struct record, include, struct patterns)

static const struct command_option options[] = {
	{'e', "event", "EVENT", take_events, 0,
	 "cpu (default), offcpu, memory, alloc, kmem, heap, lock, threads, goroutine, threadcreate; "
	 "several with commas between, or -e again"},
	{'d', "duration", "TIME", take_duration, 0, "30s (default), 5m, …; 0: until Ctrl-C"},
	{'F', "frequency", "HZ", take_frequency, OPTION_AT(struct record, collector.frequency_hz, uint32_t),
	 "samples a second and CPU, 1 to 1000 (default 99)"},
	{'o', "output", "FILE", OPTION_TEXT(struct record, path),
	 "default everprof.EVENT.pb.gz; by its end: .pb.gz .pb.zst pprof, .folded folded stacks, .svg "
	 "flame graph, .html the same to look around in, .json speedscope; - is standard output (pprof); "
	 "of several events, a directory (everprof) with EVENT.pb.gz each"},
	{'p', "pid", "PID", PATTERN, "only this process, all its threads; may be given again"},
	{0, "comm", "GLOB", PATTERN, "only threads of that name, or all of processes of that name"},
	{0, "process", "GLOB", PATTERN, "only processes of that name"},
	{0, "exe", "GLOB", PATTERN, "only processes that run this file (path)"},
	{0, "cgroup", "GLOB", PATTERN, "only processes in this cgroup (path)"},
	{0, "unit", "GLOB", PATTERN, "only processes of this systemd unit"},
	{0, "container", "GLOB", PATTERN, "only processes of this container (id)"},
	{0, "pod", "GLOB", PATTERN, "only processes of this pod"},
	{0, "exclude", "KIND=GLOB", take_exclusion, OPTION_AT(struct record, exclude, struct patterns),
	 "not these; KIND as above: pid, comm, process, exe, cgroup, unit, container, pod"},
	{0, "clock", "auto|cycles|cpu-clock", OPTION_CHOICE(struct record, collector.clock),
	 "what ticks (default auto: cycles where there is a PMU)"},
	{0, "no-kernel", NULL, take_no_kernel, OPTION_AT(struct record, collector.kernel_stacks, bool),
	 "user stacks only"},
	{0, "idle", NULL, OPTION_FLAG(struct record, keep_idle),
	 "in pictures: waits of threads that only wait for work, too"},
	{0, "waker", NULL, OPTION_FLAG(struct record, collector.wakers),
	 "of waits, who ended them too: stack and labels waker, waker_tid"},
	{'q', "quiet", NULL, OPTION_FLAG(struct record, quiet), "no progress and no summary"},
	{'v', "verbose", NULL, take_verbose, 0, "say what goes on"},
};

static const struct command record = {
	.name = "record",
	.synopsis = "[options] [-- COMMAND [ARG]...]",
	.text = "Records where time goes, for a while, into a file that `go tool pprof` opens.",
	.end = "Patterns of several kinds add up; exclusion beats inclusion. With COMMAND, it and its "
	       "children are recorded for as long as it runs, or for the duration if that was given, and its "
	       "exit status is passed on (125: everprof itself failed).",
	.ends_at_operand = true,
	COMMAND_OPTIONS(options),
};

/* What is not said: the event, the path. */
static void record__complete(struct record *r)
{
	if (!r->n_events) {
		r->collector.events[EVENT_CPU].on = true;
		r->n_events = 1;
	}
	if (r->path)
		return;
	for (enum event ev = 0; ev < EVENT_N; ev++)
		if (r->collector.events[ev].on)
			snprintf(r->default_path, sizeof(r->default_path), "everprof.%s.pb.gz",
				 event__name(ev));
	r->path = r->n_events > 1 ? "everprof" : r->default_path;
}

/* What the command line says as a whole; as command__parse(). */
static int record__parse(struct record *r, int argc, char **argv, struct operands *command)
{
	int status = command__parse(&record, argc, argv, r, command);

	if (status != COMMAND_GO_ON)
		return status;
	record__complete(r);
	r->has_command = command->n;
	if (r->has_command && !r->has_duration)
		r->duration_ns = 0;
	if (r->has_command && !command->are_behind_dashes)
		return command__misuse(&record, "put -- before the command '%s'", *command->items);
	if (r->has_command && !target_set__is_empty(&r->include.set))
		return command__misuse(&record, "a command and a choice of processes exclude each other");
	if (r->n_events > 1 && !strcmp(r->path, "-"))
		return command__misuse(&record,
				       "several events do not fit on standard output: -o names a directory");
	if (r->n_events == 1 && !output__is_known(r->path))
		return command__misuse(&record, OUTPUT_UNKNOWN, r->path);
	return COMMAND_GO_ON;
}

static void record__take_window(void *ctx, struct window *w)
{
	struct record *r = ctx;

	window__unref(r->windows[w->event]);
	r->windows[w->event] = w;
}

static int on_end(uint64_t n_expired, void *ctx)
{
	(void)n_expired;
	loop__stop(((struct record *)ctx)->loop);
	return 0;
}

/* Ctrl-C reaches the command too: its end is waited for, unless one insists. */
static int on_interrupt(int signo, void *ctx)
{
	struct record *r = ctx;

	if (!r->has_command || signo == SIGTERM || r->n_interrupts++)
		loop__stop(r->loop);
	return 0;
}

static int on_child(int signo, void *ctx)
{
	struct record *r = ctx;

	(void)signo;
	if (child__poll(&r->child))
		loop__stop(r->loop);
	return 0;
}

static int on_progress(uint64_t n_expired, void *ctx)
{
	struct record *r = ctx;
	double s = (double)(clock__mono_ns() - r->began_ns) / NS_PER_SEC;

	(void)n_expired;
	fprintf(stderr, "\rrecording: %.1f s", s);
	if (r->duration_ns)
		fprintf(stderr, " of %.4g s", (double)r->duration_ns / NS_PER_SEC);
	fprintf(stderr, ", %llu samples\033[K", (unsigned long long)collector__samples(r->c));
	fflush(stderr);
	return 0;
}

static int record__add_sources(struct record *r)
{
	bool progress = !r->quiet && isatty(STDERR_FILENO);
	int err;

	/* set off when the clocks run: the start takes some hundred milliseconds */
	err = loop__add_timer(r->loop, LOOP_TIMER_OFF, 0, on_end, r, &r->end_timer);
	if (!err && progress)
		err = loop__add_timer(r->loop, PROGRESS_NS, PROGRESS_NS, on_progress, r, NULL);
	if (!err)
		err = loop__add_signal(r->loop, SIGINT, on_interrupt, r, NULL);
	if (!err)
		err = loop__add_signal(r->loop, SIGTERM, on_interrupt, r, NULL);
	if (!err && r->has_command)
		err = loop__add_signal(r->loop, SIGCHLD, on_child, r, NULL);
	return err;
}

/* Nothing but states, of what runs already: there is nothing to wait for. */
static bool record__is_instant(const struct record *r)
{
	for (enum event ev = 0; ev < EVENT_N; ev++)
		if (r->collector.events[ev].on && !event_source__is_state(ev))
			return false;
	return !r->has_command && !r->has_duration;
}

/* Starts the clocks, lets the command go, and runs until the end of either. */
static int record__run(struct record *r, struct err *err)
{
	int ret;

	ret = r->has_command ? collector__include_tree(r->c, (uint32_t)r->child.pid) : 0;
	if (ret)
		return err__set(err, ret, "cannot follow the command: %s", strerror(-ret));
	ret = collector__start(r->c, err);
	if (ret)
		return ret;
	r->began_ns = clock__mono_ns();
	if (r->duration_ns)
		loop__set_timer(r->end_timer, r->duration_ns, 0);
	if (r->has_command) {
		ret = child__release(&r->child);
		r->exec_failed = ret != 0;
		if (ret)
			return err__set(err, ret, "cannot run the command: %s", strerror(-ret));
	}
	if (!r->child.is_done && !record__is_instant(r))
		ret = loop__run(r->loop);
	if (!r->quiet && isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
	return ret ? err__set(err, ret, "recording ended early: %s", strerror(-ret)) : collector__flush(r->c);
}

/* What this host's configuration calls idle; where that cannot be read, what everprof comes with. */
static int record__idle(struct record *r)
{
	const struct config_opts host = {.env = environ}, none = {0};
	struct config *c = NULL;
	struct err err = {0};
	int ret = config__load(&host, &c, &err);

	if (ret) {
		log_warn("record: idle waits go by the patterns that come with everprof: %s",
			 err__text(&err, ret));
		ret = config__parse(&none, NULL, NULL, 0, &c, &err);
	}
	if (!ret)
		ret = idle_match__new(&c->offcpu.idle, &r->idle);
	config__free(c);
	return ret;
}

static int record__write_one(struct record *r, const struct window *w, const char *path, struct err *err)
{
	struct collector_stats stats;
	struct publish_opts opts = {.label_tid = true, .idle = r->idle};
	struct profile *p = NULL;
	int ret;

	collector__stats(r->c, &stats);
	opts.clock = stats.clock;
	opts.objects = collector__objects(r->c);
	ret = publish__once(&opts, w, &p);
	if (ret)
		return err__set(err, ret, "cannot name the profile: %s", strerror(-ret));
	ret = output__write_as(p, path, &(struct output_opts){.keep_idle = r->keep_idle, .quiet = r->quiet},
			       err);
	if (!ret && !r->quiet)
		output__print_summary(p, w, path);
	profile__free(p);
	return ret;
}

/* DIR/NAME.pb.gz */
static int record__path_in(const struct record *r, const char *name, char path[PATH_MAX], struct err *err)
{
	if ((size_t)snprintf(path, PATH_MAX, "%s/%s.pb.gz", r->path, name) < PATH_MAX)
		return 0;
	return err__set(err, -ENAMETOOLONG, "the path '%s' is too long", r->path);
}

/* Beside waits, what the kernel accounts of their threads. */
static int record__write_wall(struct record *r, const struct window *w, struct err *err)
{
	struct profile *p = NULL;
	char path[PATH_MAX];
	int ret = record__path_in(r, WALL_EVENT, path, err);

	if (ret || w->event != EVENT_OFFCPU)
		return ret;
	ret = wall_profile__make(w, true, &p);
	if (ret)
		return err__set(err, ret, "cannot make the account of threads: %s", strerror(-ret));
	ret = output__write_as(p, path, &(struct output_opts){.keep_idle = true, .quiet = true}, err);
	profile__free(p);
	return ret;
}

/* One event into the file; several into a directory, a file each. */
static int record__write(struct record *r, struct err *err)
{
	char path[PATH_MAX];
	int ret = record__idle(r);

	if (ret)
		return err__set(err, ret, "cannot read the idle patterns: %s", strerror(-ret));
	if (r->n_events > 1 && mkdir(r->path, 0755) && errno != EEXIST)
		return err__set(err, -errno, "cannot make the directory '%s': %s", r->path, strerror(errno));
	for (enum event ev = 0; ev < EVENT_N && !ret; ev++) {
		const struct window *w = r->windows[ev];

		if (!w)
			continue;
		if (r->n_events == 1)
			return record__write_one(r, w, r->path, err);
		ret = record__path_in(r, event__name(ev), path, err);
		if (!ret)
			ret = record__write_one(r, w, path, err);
		if (!ret)
			ret = record__write_wall(r, w, err);
	}
	return ret;
}

static int record__go(struct record *r, char **command, struct err *err)
{
	const struct collector_ports ports = {.window = record__take_window, .ctx = r};
	sigset_t mask;
	int ret;

	sigprocmask(SIG_BLOCK, NULL, &mask);
	ret = loop__new(&r->loop);
	if (!ret)
		ret = record__add_sources(r);
	if (!ret && r->has_command)
		ret = child__hold(&r->child, command, &mask);
	if (ret)
		return err__set(err, ret, "cannot start: %s", strerror(-ret));
	io__limit_files(IO_FILES_MANY); /* ours, not the command's */
	ret = collector__new(&r->collector, &ports, r->loop, &r->c, err);
	if (!ret)
		ret = record__run(r, err);
	if (!ret)
		ret = record__write(r, err);
	return ret;
}

int cmd_record(int argc, char **argv)
{
	static struct record r; /* large, and there is one */
	struct operands command;
	struct err err = {0};
	int ret;

	r = (struct record){
		.collector = {.frequency_hz = 99, .kernel_stacks = true, .perf_maps = true},
		.duration_ns = 30 * NS_PER_SEC,
		.child = {.pid = -1, .go_fd = -1, .failed_fd = -1},
	};
	for (int ev = 0; ev < EVENT_N; ev++)
		r.collector.events[ev].budget_ppm = ev == EVENT_ALLOC ? ALLOC_BUDGET_PPM : WAIT_BUDGET_PPM;
	governor__budgets(MEMORY_BYTES, &r.collector.budgets);
	r.collector.budgets.window_bytes = MEMORY_BYTES / 2; /* there is one, however long it takes */
	log__set_level(LOG_LEVEL_WARN);
	ret = record__parse(&r, argc, argv, &command);
	if (ret != COMMAND_GO_ON)
		return ret;
	r.collector.selector = (struct selector){
		.include = &r.include.set,
		.exclude = &r.exclude.set,
		.only_tree = r.has_command,
	};
	ret = record__go(&r, command.items, &err);
	collector__free(r.c);
	child__done(&r.child);
	loop__free(r.loop);
	idle_match__unref(r.idle);
	for (int ev = 0; ev < EVENT_N; ev++)
		window__unref(r.windows[ev]);
	if (ret) {
		command__fail(&record, &err, ret);
		if (r.exec_failed)
			return child__exit_status(&r.child); /* 126 or 127, as a shell says it */
		return r.has_command ? EXIT_PROFILER : EXIT_FAILED;
	}
	return r.has_command ? child__exit_status(&r.child) : EXIT_DONE;
}
