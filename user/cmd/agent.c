// SPDX-License-Identifier: Apache-2.0
/*
 * everprof agent: records everything, always, into a store, until it is told to stop.
 */
#include "user/cmd/cmd.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "user/alert/capture_request.h"
#include "user/base/buf.h"
#include "user/base/clock.h"
#include "user/base/err.h"
#include "user/base/image.h"
#include "user/base/log.h"
#include "user/base/io.h"
#include "user/base/loop.h"
#include "user/cmd/alerting.h"
#include "user/cmd/capturing.h"
#include "user/cmd/command.h"
#include "user/cmd/config_watch.h"
#include "user/cmd/control.h"
#include "user/cmd/serving.h"
#include "user/cmd/config_choice.h"
#include "user/cmd/watching.h"
#include "user/config/config.h"
#include "user/config/key.h"
#include "user/config/listing.h"
#include "user/pipeline/ceiling.h"
#include "user/pipeline/collector.h"
#include "user/pipeline/cost.h"
#include "user/pipeline/idle_match.h"
#include "user/pipeline/publish.h"
#include "user/store/store.h"

#define COST_LOG_NS (3600 * NS_PER_SEC)

struct agent {
	struct config_choice choice;
	struct config *config, *started; /* the newest; the first, for what only a start changes */
	struct loop *loop;
	struct config_watch *watch;
	struct store *store;
	struct collector *collector;
	struct publisher *publisher;
	struct ceiling *ceiling;
	struct watching *watching;
	struct control *control;
	struct capturing *capturing;
	struct alerting *alerting;
	struct serving *serving;
	uint64_t started_ns;
	bool told_first;
};

/* --store DIR and --listen ADDR are settings by another name. */
static int take_store(const struct command_option *o, void *at, char *value, struct err *e)
{
	(void)o;
	return config_choice__add(at, "profiling.output.directory", value, e);
}

static int take_listen(const struct command_option *o, void *at, char *value, struct err *e)
{
	(void)o;
	return config_choice__add(at, "server.listen", value, e);
}

static const struct command_option options[] = {
	{CONFIG_CHOICE_FILE(struct agent, choice)},
	{CONFIG_CHOICE_SET(struct agent, choice)},
	{0, "store", "DIR", take_store, OPTION_AT(struct agent, choice, struct config_choice),
	 "the same as --set profiling.output.directory=DIR"},
	{0, "listen", "ADDR", take_listen, OPTION_AT(struct agent, choice, struct config_choice),
	 "the same as --set server.listen=ADDR"},
};

static const struct command agent = {
	.name = "agent",
	.synopsis = "[-c FILE] [--set KEY=VALUE]... [--store DIR] [--listen ADDR]",
	.text = "Records where all processes spend their time, always, as pprof files a minute in a store "
		"that keeps itself in bounds.",
	.end = "SIGHUP, or a change of the file, loads the configuration again; a bad one is refused and "
	       "the running one stays. SIGUSR1 prints what everprof itself costs, SIGUSR2 keeps what was "
	       "recorded around this moment (`everprof captures`). SIGINT and SIGTERM write the last window "
	       "and end.",
	COMMAND_OPTIONS(options),
};

static enum clock_kind clock_of(uint32_t config_clock)
{
	return config_clock == CONFIG_CLOCK_CYCLES ? CLOCK_CYCLES
	       : config_clock == CONFIG_CLOCK_CPU  ? CLOCK_CPU
						   : CLOCK_AUTO;
}

/* The collector's part of the configuration. */
static struct collector_opts agent__collector_opts(const struct config *c)
{
	struct collector_opts o = {
		.frequency_hz = (uint32_t)c->cpu.frequency_hz,
		.may_change = true,
		.clock = clock_of(c->cpu.clock),
		.history_ns = c->profiling.history_ns,
		.duty_on_ns = c->cpu.duration_ns,
		.duty_every_ns = c->cpu.interval_ns,
		.kernel_stacks = c->cpu.kernel,
		.wakers = c->offcpu.waker,
		.perf_maps = c->symbols.perf_maps,
		.selector = {.include = &c->targets.include, .exclude = &c->targets.exclude},
	};

	for (int ev = 0; ev < EVENT_N; ev++)
		o.events[ev] = (struct collector_event){
			.on = c->profiling.enabled && c->event[ev].enabled &&
			      collector__can_record((enum event)ev),
			.window_ns = c->event[ev].snapshot_interval_ns,
			.budget_ppm = c->event[ev].budget_ppm,
		};
	governor__budgets(c->limits.memory_bytes, &o.budgets);
	return o;
}

static struct governor_opts agent__governor_opts(const struct config *c)
{
	return (struct governor_opts){
		.memory_bytes = c->limits.memory_bytes,
		.cpu_ppm = c->limits.cpu_ppm,
		.frequency_hz = (uint32_t)c->cpu.frequency_hz,
	};
}

static void agent__window(void *ctx, struct window *w)
{
	struct agent *a = ctx;

	if (!a->told_first && a->store) {
		a->told_first = true;
		log_info("agent: the first window is complete; profiles are in '%s/snapshots'",
			 a->started->output.directory);
	}
	publisher__put(a->publisher, w);
}

static void agent__happened(void *ctx, const struct host_event *e)
{
	struct agent *a = ctx;

	if (a->watching)
		watching__happened(a->watching, e);
}

static int on_stop(int signo, void *ctx)
{
	struct agent *a = ctx;

	log_info("agent: %s, writing the last window", signo == SIGINT ? "interrupted" : "told to end");
	loop__stop(a->loop);
	return 0;
}

static void log_run_queue(const char *cgroup, const struct run_queue *r, void *ctx)
{
	(void)ctx;
	log__write(LOG_LEVEL_INFO, NULL,
		   "cost: threads of '%s' waited for a CPU, median %.3g ms, 95 %% below %.3g ms, 99 %% "
		   "below %.3g ms",
		   cgroup, (double)run_queue__quantile_ns(r, 0.5) / 1e6,
		   (double)run_queue__quantile_ns(r, 0.95) / 1e6,
		   (double)run_queue__quantile_ns(r, 0.99) / 1e6);
}

static void agent__log_cost(struct agent *a)
{
	struct cost *c = malloc(sizeof(*c));

	if (!c)
		return;
	cost__gather(c, a->started_ns, a->collector, a->publisher, a->store, a->ceiling);
	cost__log(c);
	collector__run_queues(a->collector, log_run_queue, NULL);
	free(c);
}

static int on_usr1(int signo, void *ctx)
{
	(void)signo;
	agent__log_cost(ctx);
	return 0;
}

/* Keeps what was recorded around this moment. */
static int on_usr2(int signo, void *ctx)
{
	struct agent *a = ctx;
	char text[] = "";
	struct err err = {""};
	struct buf id;
	int ret;

	(void)signo;
	if (!a->capturing)
		return 0;
	buf__init(&id, CAPTURE_ID_MAX + 1);
	ret = capturing__trigger(a->capturing, text, "SIGUSR2", &id, &err);
	if (ret)
		log_warn("agent: SIGUSR2: no capture: %s", err__text(&err, ret));
	else
		log_info("agent: SIGUSR2: capture %.*s begins", (int)id.len - 1, buf__str(&id));
	buf__done(&id);
	return 0;
}

static int on_cost_timer(uint64_t n_expired, void *ctx)
{
	(void)n_expired;
	agent__log_cost(ctx);
	return 0;
}

static void agent__warn_of_waiting(const struct agent *a, const struct config *fresh)
{
	struct buf names;

	buf__init(&names, key__count() * (KEY_NAME_MAX + 2));
	listing__waiting(a->started, fresh, &names);
	if (names.len)
		log_warn("agent: another value counts with the next start, ignoring: %s", buf__str(&names));
	buf__done(&names);
}

static void agent__take(struct agent *a, struct config *fresh)
{
	const struct governor_opts limits = agent__governor_opts(fresh);

	capturing__set_config(a->capturing, fresh);
	alerting__set_config(a->alerting, fresh);
	ceiling__set_opts(a->ceiling, &limits);
	if (a->store)
		store__set_limits(a->store, fresh->output.retention_ns, fresh->output.window_retention_ns,
				  fresh->output.max_size_bytes);
	publisher__set_cleanup(a->publisher, fresh->output.cleanup_interval_ns);
	serving__renew(a->serving);
	log__set_level((enum log_level)fresh->log.level);
	if (a->config != a->started)
		config__free(a->config);
	a->config = fresh;
}

/* Loads the configuration again and applies what can change while running: all of it or nothing. What can fail comes before the first thing that changes, or changes nothing where it fails. */
static void agent__reload(struct agent *a)
{
	struct collector_opts opts;
	struct idle_match *idle = NULL;
	struct config *fresh = NULL;
	struct err err = {0};
	int ret = config__load(&a->choice.opts, &fresh, &err);

	if (!ret)
		ret = idle_match__new(&fresh->offcpu.idle, &idle);
	if (!ret)
		ret = alerting__prepare(a->alerting, fresh, &err);
	if (!ret) {
		opts = agent__collector_opts(fresh);
		opts.clock = clock_of(a->started->cpu.clock); /* it waits, and the rest need not */
		ret = collector__reconfigure(a->collector, &opts, &err);
	}
	if (ret) {
		log_error("agent: %s; the running configuration stays", err__text(&err, ret));
		idle_match__unref(idle);
		config__free(fresh);
		return;
	}
	publisher__set_idle(a->publisher, idle);
	agent__warn_of_waiting(a, fresh);
	agent__take(a, fresh);
	log_info("agent: configuration loaded from '%s'",
		 config__path(fresh) ? config__path(fresh) : "defaults");
}

static int on_hup(int signo, void *ctx)
{
	(void)signo;
	agent__reload(ctx);
	return 0;
}

static void on_file_changed(void *ctx)
{
	agent__reload(ctx);
}

static int agent__add_sources(struct agent *a)
{
	int err = loop__add_signal(a->loop, SIGINT, on_stop, a, NULL);

	if (!err)
		err = loop__add_signal(a->loop, SIGTERM, on_stop, a, NULL);
	if (!err)
		err = loop__add_signal(a->loop, SIGHUP, on_hup, a, NULL);
	if (!err)
		err = loop__add_signal(a->loop, SIGUSR1, on_usr1, a, NULL);
	if (!err)
		err = loop__add_signal(a->loop, SIGUSR2, on_usr2, a, NULL);
	if (!err)
		err = loop__add_timer(a->loop, COST_LOG_NS, COST_LOG_NS, on_cost_timer, a, NULL);
	if (!err && config__path(a->config))
		err = config_watch__new(a->loop, config__path(a->config), on_file_changed, a, &a->watch);
	return err;
}

static int agent__open_store(struct agent *a, struct err *err)
{
	const struct config *c = a->config;
	const struct store_opts opts = {
		.dir = c->output.directory,
		.retention_ns = c->output.retention_ns,
		.window_retention_ns = c->output.window_retention_ns,
		.max_bytes = c->output.max_size_bytes,
	};

	return store__open(&opts, &a->store, err);
}

static int agent__open_publisher(struct agent *a, struct err *err)
{
	const struct config *c = a->config;
	struct governor_budgets budgets;
	struct collector_stats stats;
	int ret;
	struct publish_opts opts = {
		.label_tid = c->labels.tid,
		.zstd = c->output.compression == CONFIG_COMPRESSION_ZSTD,
		.cleanup_ns = c->output.cleanup_interval_ns,
		.objects = collector__objects(a->collector),
		.debug_dirs = c->symbols.debug_directories.items,
		.n_debug_dirs = c->symbols.debug_directories.n,
	};

	governor__budgets(c->limits.memory_bytes, &budgets);
	opts.symbol_bytes = budgets.symbol_bytes;
	opts.section_bytes = budgets.section_bytes;
	collector__stats(a->collector, &stats);
	opts.clock = stats.clock;
	ret = idle_match__new(&c->offcpu.idle, &opts.idle);
	if (!ret)
		ret = publisher__new(&opts, a->store, &a->publisher, err);
	idle_match__unref(opts.idle);
	return ret;
}

static int agent__serve(struct agent *a, struct err *err)
{
	const struct serving_parts parts = {
		.loop = a->loop,
		.collector = a->collector,
		.publisher = a->publisher,
		.store = a->store,
		.ceiling = a->ceiling,
		.watching = a->watching,
		.alerting = a->alerting,
		.capturing = a->capturing,
		.control = a->control,
		.started_ns = a->started_ns,
	};

	return serving__new(a->config, &parts, &a->serving, err);
}

static int agent__capture(struct agent *a, struct err *err)
{
	struct capturing_parts parts = {.loop = a->loop,
					.collector = a->collector,
					.publisher = a->publisher,
					.store = a->store,
					.watching = a->watching};

	/* without the socket only `everprof captures trigger` does not work */
	if (control__new(a->loop, a->config->output.directory, a->store, &a->control))
		log_warn("agent: no memory for the socket that commands ask at, ignoring");
	parts.control = a->control;
	return capturing__new(a->config, &parts, &a->capturing, err);
}

static int agent__watch(struct agent *a, struct err *err)
{
	const struct alerting_parts parts = {
		.loop = a->loop,
		.watching = a->watching,
		.captures = capturing__captures(a->capturing),
		.publisher = a->publisher,
		.store = a->store,
		.control = a->control,
	};

	return alerting__new(a->config, &parts, &a->alerting, err);
}

static int agent__open(struct agent *a, struct err *err)
{
	const struct collector_ports ports = {.window = agent__window, .happened = agent__happened, .ctx = a};
	struct governor_opts limits;
	struct collector_opts opts;
	int ret;

	ret = config__load(&a->choice.opts, &a->config, err);
	if (ret)
		return ret;
	a->started = a->config;
	log__set_level((enum log_level)a->config->log.level);
	io__limit_files(IO_FILES_MANY); /* three for each CPU, and the files of which tables are made */
	ret = loop__new(&a->loop);
	if (!ret)
		ret = agent__add_sources(a);
	if (ret)
		return err__set(err, ret, "cannot start: %s", strerror(-ret));
	ret = agent__open_store(a, err);
	if (ret)
		return ret;
	opts = agent__collector_opts(a->config);
	ret = collector__new(&opts, &ports, a->loop, &a->collector, err);
	if (!ret)
		ret = agent__open_publisher(a, err);
	if (!ret)
		ret = collector__start(a->collector, err);
	if (ret)
		return ret;
	limits = agent__governor_opts(a->config);
	ret = ceiling__new(&limits, a->loop, a->collector, a->publisher, &a->ceiling);
	if (ret)
		return err__set(err, ret, "cannot watch over the limits: %s", strerror(-ret));
	ret = watching__new(a->loop, a->collector, a->ceiling, &a->watching);
	if (ret)
		return err__set(err, ret, "cannot watch over processes: %s", strerror(-ret));
	ret = agent__capture(a, err);
	if (!ret)
		ret = agent__watch(a, err);
	if (!ret)
		ret = agent__serve(a, err);
	if (!ret)
		alerting__set_url(a->alerting, serving__url(a->serving));
	return ret;
}

static void agent__close(struct agent *a)
{
	/* the last window first, then whoever writes it, then what it was made with */
	serving__stop(a->serving);
	alerting__stop(a->alerting);
	capturing__stop(a->capturing);
	if (a->collector && a->publisher)
		collector__flush(a->collector);
	ceiling__free(a->ceiling);
	publisher__free(a->publisher);
	serving__free(a->serving);
	watching__free(a->watching);
	a->watching = NULL;
	control__free(a->control);
	capturing__free(a->capturing);
	alerting__free(a->alerting);
	collector__free(a->collector);
	store__close(a->store);
	config_watch__free(a->watch);
	loop__free(a->loop);
	if (a->config != a->started)
		config__free(a->config);
	config__free(a->started);
}

/* The configuration of all versions is understood by each: what this one does not do yet is said, not passed over. */
static void agent__tell_what_waits(const struct config *c)
{
	char names[256] = "";
	size_t n = 0;

	for (int ev = 0; ev < EVENT_N; ev++)
		if (!collector__can_record((enum event)ev) && c->event[ev].enabled && n < sizeof(names))
			n += (size_t)snprintf(names + n, sizeof(names) - n, " %s",
					      event__name((enum event)ev));
	if (n)
		log_info("agent: configured, but not recorded by this version:%s", names);
	if (c->alerts.n)
		log_info("agent: %u rules are in force", c->alerts.n);
}

static int agent__run(struct agent *a, struct err *err)
{
	struct collector_stats stats;
	int ret = agent__open(a, err);

	if (ret)
		return ret;
	collector__stats(a->collector, &stats);
	log_info("agent: everprof %s samples %u CPUs at %u Hz by %s; a window of %.4g s each into '%s'",
		 EVERPROF_VERSION, stats.n_cpus, stats.frequency_hz, stats.clock,
		 (double)a->config->event[EVENT_CPU].snapshot_interval_ns / NS_PER_SEC,
		 a->config->output.directory);
	agent__tell_what_waits(a->config);
	if (!a->config->profiling.enabled)
		log_warn("agent: profiling.enabled is false: nothing is sampled");
	image__give_back();
	ret = loop__run(a->loop);
	return ret ? err__set(err, ret, "ended early: %s", strerror(-ret)) : 0;
}

int cmd_agent(int argc, char **argv)
{
	static struct agent a; /* there is one */
	struct operands rest;
	struct err err = {0};
	int ret;

	a = (struct agent){.choice = {.opts = {.env = environ}}, .started_ns = clock__mono_ns()};
	ret = command__parse(&agent, argc, argv, &a, &rest);
	if (ret != COMMAND_GO_ON)
		return ret;
	if (rest.n)
		return command__misuse(&agent, COMMAND_TAKES_NONE, *rest.items);
	ret = agent__run(&a, &err);
	agent__close(&a);
	if (ret)
		return command__fail(&agent, &err, ret);
	log_info("agent: ended");
	return EXIT_DONE;
}
