// SPDX-License-Identifier: Apache-2.0
/*
 * The table. Order is the order of `config show`, of profiler.yaml and of the reference.
 */
#include "user/config/key.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "user/config/config.h"
#include "user/config/units.h"

#define NS         1000000000ull
#define MINUTE     (60 * NS)
#define HOUR       (3600 * NS)
#define DAY        (86400 * NS)
#define MIB        (1ull << 20)
#define PERCENT    PPM_PER_PERCENT
#define AT(member) offsetof(struct config, member)
#define NOW        KEY_CHANGES_NOW
#define START      KEY_CHANGES_AT_START

#define SNAPSHOT_INTERVAL(id, event_name)                                                                    \
	{                                                                                                    \
		"profiling." event_name ".snapshot_interval", KEY_DURATION,                                  \
			AT(event[EVENT_##id].snapshot_interval_ns), "window", NS, HOUR, "window", NULL, NOW, \
			"Length of this event's snapshots, where it differs from `profiling.window`."        \
	}

/* The section of an event that has nothing but a switch and a window. */
#define EVENT_SECTION(id, event_name, on, what) \
	{"profiling." event_name ".enabled",    \
	 KEY_BOOL,                              \
	 AT(event[EVENT_##id].enabled),         \
	 on,                                    \
	 0,                                     \
	 0,                                     \
	 NULL,                                  \
	 NULL,                                  \
	 NOW,                                   \
	 what},                                 \
		SNAPSHOT_INTERVAL(id, event_name)

#define TARGET_KEY(which, kind, what)                                                                        \
	{                                                                                                    \
		"targets." #which "." #kind, KEY_TEXTS, AT(targets.which.kind), "[]", 0, 0, NULL, NULL, NOW, \
			what                                                                                 \
	}

/* clang-format off */
#define TARGET_SECTION(which, verb)                                                                                         \
	TARGET_KEY(which, comm, verb " processes and threads by name (`comm`), shell patterns."),                           \
	TARGET_KEY(which, process, verb " processes by the name of their main thread."),                                    \
	TARGET_KEY(which, exe, verb " processes by the path of their executable."),                                         \
	TARGET_KEY(which, cgroup, verb " processes by the path of their cgroup, such as `/kubepods.slice/*`."),             \
	TARGET_KEY(which, unit, verb " processes by their systemd unit, such as `nginx.service`."),                         \
	TARGET_KEY(which, container, verb " processes by the id (or the beginning of it with `*`) of their container."),    \
	TARGET_KEY(which, pod, verb " processes by the uid of their Kubernetes pod."),                                      \
	{"targets." #which ".pid", KEY_PIDS, AT(targets.which.pid), "[]", 0, 0, NULL, NULL, NOW, verb " processes by their id."}

static const struct key keys[] = {
	{"profiling.enabled", KEY_BOOL, AT(profiling.enabled), "true", 0, 0, NULL, "PROFILING_ENABLED", NOW,
	 "The one switch: off, the agent runs but records nothing until a reload turns it on."},
	{"profiling.window", KEY_DURATION, AT(profiling.window_ns), "60s", NS, HOUR, NULL, NULL, NOW,
	 "Length of a snapshot: one file for each event and window. Shorter ones show more and take more room on the disk."},
	{"profiling.history", KEY_DURATION, AT(profiling.history_ns), "5m", 10 * NS, HOUR, NULL, NULL, NOW,
	 "How long slices of one second are kept in memory; captures can begin this long before their alarm."},
	{"profiling.max_duration", KEY_DURATION, AT(profiling.max_duration_ns), "1h", NS, DAY, NULL, "MAX_PROFILE_DURATION", START,
	 "The longest profile that can be asked for on demand."},

	{"profiling.cpu.enabled", KEY_BOOL, AT(event[EVENT_CPU].enabled), "true", 0, 0, NULL, NULL, NOW,
	 "On-CPU time, kernel and user."},
	{"profiling.cpu.frequency", KEY_COUNT, AT(cpu.frequency_hz), "99", 1, 1000, NULL, NULL, NOW,
	 "Samples a second on each CPU. A number that is not round keeps out of step with timers."},
	{"profiling.cpu.clock", KEY_CHOICE, AT(cpu.clock), "auto", 0, 0, "auto|cycles|cpu-clock", NULL, START,
	 "What ticks: hardware cycles, the kernel's clock (which sees no code that runs with interrupts off), or cycles where there are any."},
	{"profiling.cpu.kernel", KEY_BOOL, AT(cpu.kernel), "true", 0, 0, NULL, NULL, NOW,
	 "Take kernel frames too."},
	{"profiling.cpu.duration", KEY_DURATION, AT(cpu.duration_ns), "off", NS, DAY, "off", NULL, NOW,
	 "With `interval`, a duty cycle: sample for `duration` out of every `interval`. Both off: continuous."},
	{"profiling.cpu.interval", KEY_DURATION, AT(cpu.interval_ns), "off", NS, 7 * DAY, "off", NULL, NOW,
	 "See `duration`, which it must not be shorter than."},
	SNAPSHOT_INTERVAL(CPU, "cpu"),

	EVENT_SECTION(OFFCPU, "offcpu", "true", "Time not running, with the reason."),
	{"profiling.offcpu.budget", KEY_SHARE, AT(event[EVENT_OFFCPU].budget_ppm), "0.25%", 100, 10 * PERCENT, NULL, NULL, NOW,
	 "Share of the machine's CPU time that it may cost; fewer and longer waits are recorded to stay below."},
	{"profiling.offcpu.idle", KEY_IDLE, AT(offcpu.idle), "[defaults]", 0, 0, NULL, NULL, NOW,
	 "Which waits are those of threads that only wait for work: they get the label `idle`, and are hidden until one asks for them. Listed below."},
	{"profiling.offcpu.waker", KEY_BOOL, AT(offcpu.waker), "false", 0, 0, NULL, NULL, NOW,
	 "Tell who ended a wait: its stack, below the frame `[woken by]`, and the labels `waker` and `waker_tid`. It costs some 100 ns a wake-up, 10 us one whose wait is taken, and files grow with the number of pairs."},
	EVENT_SECTION(MEMORY, "memory", "true", "Where resident memory grew."),
	{"profiling.memory.budget", KEY_SHARE, AT(event[EVENT_MEMORY].budget_ppm), "0.1%", 100, 10 * PERCENT, NULL, NULL, NOW,
	 "Share of the machine's CPU time that it may cost; of fewer page faults it is asked where they came from, to stay below."},
	EVENT_SECTION(ALLOC, "alloc", "true", "Allocation through malloc and its family."),
	{"profiling.alloc.budget", KEY_SHARE, AT(event[EVENT_ALLOC].budget_ppm), "0.5%", 100, 10 * PERCENT, NULL, NULL, NOW,
	 "Share of any thread's time, and of the machine's CPU time, that its probes may cost; they are in place more rarely to stay below."},
	EVENT_SECTION(HEAP, "heap", "false", "Allocated and not yet freed."),
	EVENT_SECTION(LOCK, "lock", "false", "Waits for locks."),
	EVENT_SECTION(THREADS, "threads", "false", "The stack of every thread, once a window."),
	EVENT_SECTION(GOROUTINE, "goroutine", "false", "The stack of every goroutine, once a window."),
	EVENT_SECTION(THREADCREATE, "threadcreate", "false", "Where threads and processes were created."),
	EVENT_SECTION(KMEM, "kmem", "false", "Allocations inside the kernel."),
	{"profiling.kmem.budget", KEY_SHARE, AT(event[EVENT_KMEM].budget_ppm), "0.25%", 100, 10 * PERCENT, NULL, NULL, NOW,
	 "Share of the machine's CPU time that its stacks may cost; fewer are taken to stay below. Looking at each allocation costs some 50 ns besides."},

	{"profiling.output.directory", KEY_PATH, AT(output.directory), "/var/lib/everprof", 0, 0, NULL, NULL, START,
	 "The store: snapshots and captures, one file each. Made where it is missing."},
	{"profiling.output.format", KEY_CHOICE, AT(output.format), "pprof", 0, 0, "pprof", NULL, NOW,
	 "Format of the files."},
	{"profiling.output.compression", KEY_CHOICE, AT(output.compression), "gzip", 0, 0, "gzip|zstd", NULL, START,
	 "Of the files of a window: gzip opens in every tool, zstd is cheaper and a seventh larger."},
	{"profiling.output.retention", KEY_DURATION, AT(output.retention_ns), "7d", MINUTE, 3650 * DAY, NULL, NULL, NOW,
	 "How long files are kept."},
	{"profiling.output.window_retention", KEY_DURATION, AT(output.window_retention_ns), "2d", HOUR, 3650 * DAY, NULL, NULL, NOW,
	 "How long the windows of an hour are kept beside its roll-up, which has all values by function, process and label, but no lines, addresses and minutes."},
	{"profiling.output.max_size", KEY_SIZE, AT(output.max_size_bytes), "2GiB", 16 * MIB, 1ull << 50, NULL, NULL, NOW,
	 "How many bytes the store may take; the oldest files go first."},
	{"profiling.output.cleanup_interval", KEY_DURATION, AT(output.cleanup_interval_ns), "1m", NS, DAY, NULL, "PROFILE_CLEANUP_INTERVAL", NOW,
	 "How often `retention` and `max_size` are enforced, apart from at the start and after each file that is written."},

	{"profiling.captures.before", KEY_DURATION, AT(captures.before_ns), "60s", 0, HOUR, NULL, NULL, NOW,
	 "How much is kept from before the moment when somebody asks for a capture (SIGUSR2, `everprof captures trigger`, the HTTP interface); at most `history` is there."},
	{"profiling.captures.after", KEY_DURATION, AT(captures.after_ns), "10s", 0, HOUR, NULL, NULL, NOW,
	 "How much follows it."},
	{"profiling.captures.retention", KEY_DURATION, AT(captures.retention_ns), "30d", MINUTE, 3650 * DAY, NULL, NULL, NOW,
	 "How long captures are kept, of rules and others; those that are pinned stay."},
	{"profiling.captures.max_size", KEY_SIZE, AT(captures.max_size_bytes), "1GiB", MIB, 1ull << 50, NULL, NULL, NOW,
	 "How many bytes captures may take, besides those of the snapshots. The oldest go first; the first and the highest of an episode after all others, a pinned one never."},
	{"profiling.captures.max_per_rule", KEY_COUNT, AT(captures.max_per_rule), "50", 1, 10000, NULL, NULL, NOW,
	 "How many captures of one rule are kept, pinned ones aside."},
	{"profiling.captures.command_lines", KEY_BOOL, AT(captures.command_lines), "false", 0, 0, NULL, NULL, NOW,
	 "Keep the command lines of the processes in a capture. They may hold secrets."},

	TARGET_SECTION(include, "Profile only"),
	TARGET_SECTION(exclude, "Never profile"),

	{"labels.tid", KEY_BOOL, AT(labels.tid), "false", 0, 0, NULL, NULL, START,
	 "Tell the threads of a process apart in snapshots, by a label `tid`. Files grow with the number of threads."},

	{"server.listen", KEY_ADDRESS, AT(server.listen), "127.0.0.1:9909", 0, 0, "off", NULL, START,
	 "Where the page and the HTTP interface are served; port 0 picks one and prints it, `off` serves none."},
	{"server.socket", KEY_PATH, AT(server.socket), "off", 0, 0, "off", NULL, START,
	 "A Unix socket that serves the same, for this host's root and group root only."},
	{"server.credentials", KEY_PATH, AT(server.credentials), "off", 0, 0, "off", NULL, START,
	 "File of who may ask: lines `view|capture basic NAME PASSWORD` or `view|capture bearer TOKEN`. It must not be readable by others."},
	{"server.listen_without_authentication", KEY_BOOL, AT(server.open_to_the_network), "false", 0, 0, NULL, NULL, START,
	 "Serve beyond this host although nobody has to say who he is. Everybody who can connect sees all processes of the host."},
	{"server.hosts", KEY_TEXTS, AT(server.hosts), "[]", 0, 0, NULL, NULL, START,
	 "Names under which the server may be asked, besides addresses, `localhost` and the host's own name. Others are refused, so that no foreign page gets at it by DNS."},
	{"server.tls_certificate", KEY_PATH, AT(server.tls_certificate), "off", 0, 0, "off", NULL, START,
	 "PEM file with the certificate and its chain: serves TLS. A renewed file is taken within 20 s."},
	{"server.tls_key", KEY_PATH, AT(server.tls_key), "off", 0, 0, "off", NULL, START,
	 "PEM file with its private key."},
	{"server.tls_client_ca", KEY_PATH, AT(server.tls_client_ca), "off", 0, 0, "off", NULL, START,
	 "PEM file with the authorities whose client certificates are asked for; without a good one nobody is let in."},
	{"server.max_connections", KEY_COUNT, AT(server.max_connections), "256", 4, 4096, NULL, NULL, START,
	 "Connections at once; more wait."},
	{"server.max_captures", KEY_COUNT, AT(server.max_captures), "4", 1, 16, NULL, NULL, START,
	 "Profiles that are recorded for somebody at once, sessions and those with `seconds=` together; one more is refused with 429."},

	{"alerts", KEY_RULES, AT(alerting.rules), "[]", 0, 0, NULL, NULL, NOW,
	 "Rules that capture by themselves; the fields of a rule are listed below."},
	{"alerting.defaults", KEY_RULE_PARTS, AT(alerting.defaults), "{}", 0, 0, NULL, NULL, NOW,
	 "Fields that all rules have where they, and their templates, say nothing else."},
	{"alerting.templates", KEY_RULE_PARTS, AT(alerting.templates), "{}", 0, 0, NULL, NULL, NOW,
	 "Fields of rules by the name under which a rule's `template` asks for them."},
	{"alerting.captures_per_hour", KEY_COUNT, AT(alerting.captures_per_hour), "30", 1, 1000, NULL, NULL, NOW,
	 "Captures of all rules together in any hour; alerts go on being told when it is reached."},
	{"alerting.capture_bytes_per_day", KEY_SIZE, AT(alerting.capture_bytes_per_day), "1GiB", MIB, 1ull << 50, NULL, NULL, NOW,
	 "What captures of all rules may write in any 24 hours."},
	{"alerting.external_url", KEY_TEXT, AT(alerting.external_url), "off", 0, 0, "off", NULL, NOW,
	 "Where people reach this agent's page, for links in what is told, `https://profiles.example/host-7/`; else the address that it listens on."},
	{"alerting.ca_file", KEY_TEXT, AT(alerting.ca_file), "system", 0, 0, "system", NULL, NOW,
	 "Certificates (PEM) by which those who are told over https are known; any user must be able to read the file; `system` for those that the system trusts."},
	{"alerting.run_as", KEY_TEXT, AT(alerting.run_as), "nobody", 0, 0, "nobody", NULL, NOW,
	 "The user that programs of `notify: [{run: …}]` run as; `nobody` has no privileges and owns nothing."},
	{"exporters", KEY_EXPORTERS, AT(n_exporters), "[]", 0, 0, NULL, NULL, NOW,
	 "Where profiles are sent besides the store. This version has no exporters: the list must be empty."},

	{"limits.memory", KEY_SIZE, AT(limits.memory_bytes), "128MiB", 48 * MIB, 1ull << 40, NULL, NULL, NOW,
	 "Ceiling on the agent's resident memory and its BPF maps together; kept by giving up history, caches, budgets of events and at last frequency."},
	{"limits.cpu", KEY_SHARE, AT(limits.cpu_ppm), "1%", 1000, 100 * PERCENT, NULL, NULL, NOW,
	 "Ceiling on the CPU time of the agent and its BPF programs, as a share of the machine; kept by lowering budgets and frequency."},

	{"log.level", KEY_CHOICE, AT(log.level), "info", 0, 0, "error|warn|info|debug", NULL, NOW,
	 "What is written to the log: this and what is worse."},

	{"symbols.debug_directories", KEY_TEXTS, AT(symbols.debug_directories), "[/usr/lib/debug]", 0, 0, NULL, NULL, START,
	 "Where separate debug files are looked for, by build-id and by name, in this order."},
	{"symbols.perf_maps", KEY_BOOL, AT(symbols.perf_maps), "true", 0, 0, NULL, NULL, START,
	 "Read `/tmp/perf-PID.map` of processes that compile at run time."},
};
/* clang-format on */

#define N_KEYS (sizeof(keys) / sizeof(keys[0]))

uint32_t key__count(void)
{
	return N_KEYS;
}

const struct key *key__get(uint32_t i)
{
	return &keys[i];
}

uint32_t key__index(const struct key *k)
{
	return k - keys;
}

const struct key *key__find(const char *name)
{
	for (size_t i = 0; i < N_KEYS; i++) {
		if (!strcmp(keys[i].name, name))
			return &keys[i];
	}
	return NULL;
}

bool key__is_section(const char *prefix)
{
	size_t len = strlen(prefix);

	for (size_t i = 0; i < N_KEYS; i++) {
		if (!strncmp(keys[i].name, prefix, len) && keys[i].name[len] == '.')
			return true;
	}
	return false;
}

void key__env_name(const struct key *k, char ret_name[KEY_ENV_MAX])
{
	snprintf(ret_name, KEY_ENV_MAX, "EVERPROF_%s", k->name);
	for (char *p = ret_name; *p; p++)
		*p = *p == '.' ? '_' : toupper((unsigned char)*p);
}

static void format_bound(const struct key *k, uint64_t v, char ret_text[UNITS_TEXT_MAX])
{
	switch (k->type) {
	case KEY_DURATION:
		units__format_duration(v, ret_text);
		break;
	case KEY_SIZE:
		units__format_size(v, ret_text);
		break;
	case KEY_SHARE:
		units__format_share(v, ret_text);
		break;
	default:
		snprintf(ret_text, UNITS_TEXT_MAX, "%" PRIu64, v);
	}
}

void key__expected(const struct key *k, char ret_text[KEY_EXPECTED_MAX])
{
	static const char *const plain[] = {
		[KEY_BOOL] = "true or false",
		[KEY_PATH] = "a path",
		[KEY_ADDRESS] = "an address such as 127.0.0.1:9909 or [::1]:9909",
		[KEY_TEXT] = "a text",
		[KEY_TEXTS] = "a list of texts",
		[KEY_PIDS] = "a list of process ids",
		[KEY_IDLE] = "a list of idle patterns, or their names",
		[KEY_RULES] = "a list of rules",
		[KEY_RULE_PARTS] = "a section of a rule's fields",
		[KEY_EXPORTERS] = "an empty list",
	};
	static const char *const ranged[] = {
		[KEY_COUNT] = "a whole number",
		[KEY_DURATION] = "a duration with its unit",
		[KEY_SIZE] = "a size with its unit",
		[KEY_SHARE] = "a percentage",
	};
	char min[UNITS_TEXT_MAX], max[UNITS_TEXT_MAX];
	int n;

	if (k->type == KEY_CHOICE) {
		n = snprintf(ret_text, KEY_EXPECTED_MAX, "%s", strchr(k->words, '|') ? "one of " : "");
		for (const char *p = k->words; *p && n + 3 < KEY_EXPECTED_MAX; p++)
			n += sprintf(ret_text + n, "%.*s", *p == '|' ? 2 : 1, *p == '|' ? ", " : p);
		return;
	}
	if (k->max) {
		format_bound(k, k->min, min);
		format_bound(k, k->max, max);
		n = snprintf(ret_text, KEY_EXPECTED_MAX, "%s from %s to %s", ranged[k->type], min, max);
	} else {
		n = snprintf(ret_text, KEY_EXPECTED_MAX, "%s", plain[k->type]);
	}
	if (k->words)
		snprintf(ret_text + n, KEY_EXPECTED_MAX - n, ", or %s", k->words);
}
