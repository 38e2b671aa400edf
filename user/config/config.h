/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config - the effective configuration: every value, typed, checked, and where it came from.
 *
 * Order, the later wins: built-in defaults < file < environment < --set. A loaded configuration never changes; a reload loads a fresh
 * one with the same options and, where that fails, goes on with the old. No module but those in cmd/ and pipeline/ sees a
 * whole struct config: each gets a small _opts of its own, filled from here.
 *
 * Owns: all texts and lists, in one arena. Thread: one loader; any number of readers. Limit: YAML's limits on the file,
 * CONFIG_ARENA_MAX. Errors: -EINVAL with one line "FILE:LINE: KEY: expected …, found …", -ENOENT, -E2BIG, -ENOMEM.
 */
#ifndef EVERPROF_CONFIG_CONFIG_H
#define EVERPROF_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/config/event.h"
#include "user/config/idle_pattern.h"
#include "user/config/rule.h"
#include "user/config/target.h"

struct config_state;
struct err;
struct key;

#define CONFIG_ARENA_MAX (4u << 20)

enum config_clock { CONFIG_CLOCK_AUTO, CONFIG_CLOCK_CYCLES, CONFIG_CLOCK_CPU };
enum config_format { CONFIG_FORMAT_PPROF };
enum config_compression { CONFIG_COMPRESSION_GZIP, CONFIG_COMPRESSION_ZSTD };

struct config_event {
	bool enabled;
	uint64_t snapshot_interval_ns; /* never 0: profiling.window where nothing else was said */
	uint64_t budget_ppm;           /* of the machine's CPU time; 0 for events that have none */
};

/* What each member means, its unit, default and range stand in the table of key.c. */
struct config {
	struct {
		bool enabled;
		uint64_t window_ns, history_ns, max_duration_ns;
	} profiling;
	struct config_event event[EVENT_N];
	struct {
		uint64_t frequency_hz;
		uint32_t clock; /* enum config_clock */
		bool kernel;
		uint64_t duration_ns, interval_ns; /* both 0: continuous */
	} cpu;
	struct {
		struct idle_list idle;
		bool waker;
	} offcpu;
	struct {
		const char *directory;
		uint32_t format;      /* enum config_format */
		uint32_t compression; /* enum config_compression */
		uint64_t retention_ns, window_retention_ns, max_size_bytes, cleanup_interval_ns;
	} output;
	struct {
		struct target_set include, exclude; /* exclude wins; an empty include is everything */
	} targets;
	struct {
		uint64_t before_ns, after_ns, retention_ns, max_size_bytes, max_per_rule;
		bool command_lines;
	} captures;
	struct {
		bool tid;
	} labels;
	struct {
		const char *listen, *socket; /* NULL: off */
		bool open_to_the_network;
		const char *credentials; /* NULL: none */
		const char *tls_certificate, *tls_key, *tls_client_ca;
		struct text_list hosts;
		uint64_t max_connections, max_captures;
	} server;
	struct rule_list alerts;
	struct {
		struct rule_source rules, defaults, templates; /* what `alerts` is read from */
		uint64_t captures_per_hour, capture_bytes_per_day;
		const char *external_url, *run_as,
			*ca_file; /* NULL: the server's own; nobody; the system's */
	} alerting;
	uint32_t n_exporters; /* always 0 in this version */
	struct {
		uint64_t memory_bytes, cpu_ppm;
	} limits;
	struct {
		uint32_t level; /* enum log_level of user/base/log.h */
	} log;
	struct {
		struct text_list debug_directories;
		bool perf_maps;
	} symbols;
	struct config_state *state; /* arena and origins, see config__origin */
};

struct config_opts {
	const char *path; /* NULL: /etc/everprof/profiler.yaml, then ./profiler.yaml, then defaults alone */
	const char *const *sets; /* "key=value" of --set, in their order */
	uint32_t n_sets;
	char *const *env; /* as environ; NULL: none */
};

int config__load(const struct config_opts *o, struct config **ret_config, struct err *e);
/* Pure: the same with the file's bytes at hand; `name` stands for its path (NULL: there is no file), o->path is not looked at. */
int config__parse(const struct config_opts *o, const char *name, const void *bytes, size_t len,
		  struct config **ret_config, struct err *e);
void config__free(struct config *c);

/* The file that was read, or NULL. */
const char *config__path(const struct config *c);
/* "default", "/etc/everprof/profiler.yaml:12", "environment PROFILING_ENABLED", "--set"; borrowed. */
const char *config__origin(const struct config *c, const struct key *k);

#endif
