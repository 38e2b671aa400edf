// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "user/base/err.h"
#include "user/base/log.h"
#include "user/config/config.h"
#include "user/config/key.h"

#define S 1000000000ull

static int parse_with(const struct config_opts *o, const char *text, struct config **ret, struct err *e)
{
	e->text[0] = '\0';
	return config__parse(o, "f.yaml", text, strlen(text), ret, e);
}

static struct config *good_with(const struct config_opts *o, const char *text)
{
	struct config *c = NULL;
	struct err e;

	if (parse_with(o, text, &c, &e))
		fail_msg("%s -> %s", text, e.text);
	return c;
}

static struct config *good(const char *text)
{
	return good_with(&(struct config_opts){0}, text);
}

static const char *origin(const struct config *c, const char *key)
{
	return config__origin(c, key__find(key));
}

static void assert_refused(const struct config_opts *o, const char *text, const char *what)
{
	struct config untouched, *c = &untouched;
	struct err e;

	if (!parse_with(o, text, &c, &e))
		fail_msg("was taken: %s", text);
	if (!strstr(e.text, what))
		fail_msg("%s -> %s\nexpected: %s", text, e.text, what);
	assert_null(strchr(e.text, '\n'));
	assert_ptr_equal(c, &untouched);
}

static void defaults_are_those_of_the_contract(void **state)
{
	struct config *c = good("");

	(void)state;
	assert_true(c->profiling.enabled);
	assert_int_equal(c->profiling.window_ns, 60 * S);
	assert_int_equal(c->profiling.history_ns, 300 * S);
	assert_true(c->event[EVENT_CPU].enabled);
	assert_true(c->event[EVENT_OFFCPU].enabled);
	assert_true(c->event[EVENT_MEMORY].enabled);
	assert_true(c->event[EVENT_ALLOC].enabled);
	for (int ev = EVENT_HEAP; ev < EVENT_N; ev++)
		assert_false(c->event[ev].enabled);
	for (int ev = 0; ev < EVENT_N; ev++)
		assert_int_equal(c->event[ev].snapshot_interval_ns, 60 * S);
	assert_int_equal(c->event[EVENT_ALLOC].budget_ppm, 5000);
	assert_int_equal(c->cpu.frequency_hz, 99);
	assert_int_equal(c->cpu.clock, CONFIG_CLOCK_AUTO);
	assert_int_equal(c->cpu.duration_ns, 0);
	assert_string_equal(c->output.directory, "/var/lib/everprof");
	assert_int_equal(c->output.retention_ns, 604800 * S);
	assert_int_equal(c->output.max_size_bytes, 2ull << 30);
	assert_true(target_set__is_empty(&c->targets.include));
	assert_true(target_set__is_empty(&c->targets.exclude));
	assert_false(c->labels.tid);
	assert_string_equal(c->server.listen, "127.0.0.1:9909");
	assert_int_equal(c->alerts.n, 0);
	assert_int_equal(c->log.level, LOG_LEVEL_INFO);
	assert_int_equal(c->symbols.debug_directories.n, 1);
	assert_string_equal(origin(c, "profiling.window"), "default");
	config__free(c);
}

static void the_profiling_block_of_the_contract_is_taken(void **state)
{
	struct config *c = good("profiling:\n"
				"  enabled: true\n"
				"  cpu:\n"
				"    enabled: true\n"
				"    duration: 30s        # optional duty cycle\n"
				"    interval: 5m\n"
				"  memory:\n"
				"    enabled: true\n"
				"    snapshot_interval: 1m\n"
				"  output:\n"
				"    directory: /var/log/tsiot/profiles\n"
				"    format: pprof\n"
				"    retention: 7d\n");

	(void)state;
	assert_int_equal(c->cpu.duration_ns, 30 * S);
	assert_int_equal(c->cpu.interval_ns, 300 * S);
	assert_true(c->event[EVENT_MEMORY].enabled);
	assert_int_equal(c->event[EVENT_MEMORY].snapshot_interval_ns, 60 * S);
	assert_string_equal(c->output.directory, "/var/log/tsiot/profiles");
	assert_int_equal(c->output.retention_ns, 7 * 86400 * S);
	assert_string_equal(origin(c, "profiling.cpu.interval"), "f.yaml:6");
	assert_string_equal(origin(c, "profiling.cpu.frequency"), "default");
	config__free(c);
}

static void the_alerts_block_of_the_contract_is_taken(void **state)
{
	struct config *c = good("alerts:\n"
				"  - name: HighCPUUsage\n"
				"    condition: cpu_usage_percent > 80\n"
				"    duration: 5m\n"
				"    action: capture_cpu_profile\n"
				"  - name: MemoryLeak\n"
				"    condition: memory_growth_rate > 100MB/hour\n"
				"    duration: 30m\n"
				"    action: capture_memory_profile\n"
				"  - name: GoroutineLeak\n"
				"    condition: goroutine_count > 10000\n"
				"    duration: 10m\n"
				"    action: capture_goroutine_profile\n");

	(void)state;
	assert_int_equal(c->alerts.n, 3);
	assert_string_equal(c->alerts.items[0].name, "HighCPUUsage");
	assert_int_equal(c->alerts.items[0].duration_ns, 300 * S);
	assert_int_equal(c->alerts.items[0].capture_events, 1u << EVENT_CPU);
	assert_int_equal(c->alerts.items[1].condition.terms[0].metric, METRIC_memory_growth_rate);
	assert_int_equal(c->alerts.items[1].capture_events, 1u << EVENT_MEMORY);
	assert_int_equal(c->alerts.items[2].duration_ns, 600 * S);
	assert_int_equal(c->alerts.items[2].capture_events, 1u << EVENT_GOROUTINE);
	config__free(c);
}

static void values_of_every_type_are_read(void **state)
{
	struct config *c = good("profiling:\n"
				"  enabled: no\n"
				"  window: 30s\n"
				"  cpu: {frequency: \"199\", clock: cpu-clock, snapshot_interval: 10s}\n"
				"  offcpu: {budget: 1%}\n"
				"  heap: {snapshot_interval: window}\n"
				"  output: {compression: zstd, max_size: 500MB}\n"
				"targets:\n"
				"  include: {comm: nginx, cgroup: [\"/a/*\", /b]}\n"
				"  exclude:\n"
				"    pid: [1, 22]\n"
				"server: {listen: \"[::1]:0\"}\n"
				"log: {level: debug}\n"
				"symbols: {debug_directories: []}\n"
				"limits:\n");

	(void)state;
	assert_false(c->profiling.enabled);
	assert_int_equal(c->cpu.frequency_hz, 199);
	assert_int_equal(c->cpu.clock, CONFIG_CLOCK_CPU);
	assert_int_equal(c->event[EVENT_CPU].snapshot_interval_ns, 10 * S);
	assert_int_equal(c->event[EVENT_HEAP].snapshot_interval_ns, 30 * S);
	assert_int_equal(c->event[EVENT_MEMORY].snapshot_interval_ns, 30 * S);
	assert_int_equal(c->event[EVENT_OFFCPU].budget_ppm, 10000);
	assert_int_equal(c->output.compression, CONFIG_COMPRESSION_ZSTD);
	assert_int_equal(c->output.max_size_bytes, 500000000);
	assert_int_equal(c->targets.include.comm.n, 1);
	assert_string_equal(c->targets.include.comm.items[0], "nginx");
	assert_int_equal(c->targets.include.cgroup.n, 2);
	assert_int_equal(c->targets.exclude.pid.n, 2);
	assert_int_equal(c->targets.exclude.pid.items[1], 22);
	assert_string_equal(c->server.listen, "[::1]:0");
	assert_int_equal(c->log.level, LOG_LEVEL_DEBUG);
	assert_int_equal(c->symbols.debug_directories.n, 0);
	config__free(c);
	c = good("server: {listen: off}");
	assert_null(c->server.listen);
	config__free(c);
}

static const struct {
	const char *text, *what;
} bad_files[] = {
	{"profiling:\n  cpu:\n    freqency: 99\n",
	 "f.yaml:3: profiling.cpu.freqency: unknown key, did you mean 'frequency'?"},
	{"profilling: {}\n", "f.yaml:1: profilling: unknown key, did you mean 'profiling'?"},
	{"xyz: 1\n", "f.yaml:1: xyz: unknown key; known here: profiling, targets, labels, server, "
		     "alerts, alerting, exporters, "
		     "limits, log, symbols"},
	{"profiling.cpu.frequency: 99\n",
	 "f.yaml:1: profiling.cpu.frequency: expected keys nested in sections, found dots"},
	{"profiling:\n  cpu.enabled: true\n",
	 "f.yaml:2: profiling.cpu.enabled: expected keys nested in sections, found dots"},
	{"profiling:\n  window: 60\n",
	 "f.yaml:2: profiling.window: expected a duration with its unit from 1s to 1h, found '60'"},
	{"profiling:\n  window: 2h\n", "expected a duration with its unit from 1s to 1h, found '2h'"},
	{"profiling:\n  window:\n", "f.yaml:2: profiling.window: expected a duration with its unit "
				    "from 1s to 1h, found nothing"},
	{"profiling:\n  window: [60s]\n", "found a list"},
	{"profiling:\n  cpu: {frequency: 0}\n",
	 "profiling.cpu.frequency: expected a whole number from 1 to 1000, found '0'"},
	{"profiling:\n  cpu: {frequency: 1001}\n", "from 1 to 1000, found '1001'"},
	{"profiling:\n  cpu: {frequency: 99Hz}\n", "from 1 to 1000, found '99Hz'"},
	{"profiling:\n  cpu: {frequency: 99999999999999999999}\n",
	 "profiling.cpu.frequency: expected a whole number"},
	{"profiling:\n  cpu: {clock: fast}\n", "expected one of auto, cycles, cpu-clock, found 'fast'"},
	{"profiling:\n  cpu: {clock: cyc}\n", "found 'cyc'"},
	{"profiling:\n  cpu: {clock: \"auto|cycles\"}\n", "found 'auto|cycles'"},
	{"profiling:\n  cpu: {clock: \"\"}\n", "found ''"},
	{"profiling:\n  enabled: maybe\n",
	 "f.yaml:2: profiling.enabled: expected true or false, found 'maybe'"},
	{"profiling:\n  enabled: 1\n", "expected true or false, found '1'"},
	{"profiling:\n  alloc: {budget: 50%}\n", "expected a percentage from 0.01% to 10%, found '50%'"},
	{"profiling:\n  output: {max_size: 100}\n",
	 "expected a size with its unit from 16MiB to 1PiB, found '100'"},
	{"profiling:\n  output: {retention: 7}\n",
	 "profiling.output.retention: expected a duration with its unit"},
	{"profiling:\n  output: {directory: \"\"}\n", "expected a path, found ''"},
	{"profiling:\n  output: {directory: \"a\\nb\"}\n", "expected a path, found 'a?b'"},
	{"profiling:\n  output: {format: jfr}\n", "expected pprof, found 'jfr'"},
	{"profiling: on\n", "f.yaml:1: profiling: expected a section of keys, found 'on'"},
	{"profiling:\n  cpu: [1]\n", "f.yaml:2: profiling.cpu: expected a section of keys, found a list"},
	{"- a\n", "f.yaml:1: expected a section of keys, found a list"},
	{"profiling:\n  window: 60s\n  window: 60s\n", "f.yaml:3: window: key stands twice, first in line 2"},
	{"profiling:\n  cpu: {duration: 30s}\n",
	 "f.yaml:2: profiling.cpu.duration: expected profiling.cpu.interval beside it"},
	{"profiling:\n  cpu:\n    interval: 5m\n",
	 "f.yaml:3: profiling.cpu.interval: expected profiling.cpu.duration"},
	{"profiling:\n  cpu:\n    interval: 5m\n    duration: 6m\n",
	 "f.yaml:4: profiling.cpu.duration: expected at most profiling.cpu.interval, which is 5m"},
	{"server: {listen: 9909}\n",
	 "server.listen: expected an address such as 127.0.0.1:9909 or [::1]:9909, or off"},
	{"server: {listen: \"a:65536\"}\n", "expected an address"},
	{"server: {listen: \"a: 80\"}\n", "expected an address"},
	{"server: {listen: \"::1:80\"}\n", "expected an address"},
	{"server: {listen: \"[::1]\"}\n", "expected an address"},
	{"server: {listen: \"[::1]x80\"}\n", "expected an address"},
	{"server: {listen: \"a/b:80\"}\n", "expected an address"},
	{"targets: {include: [nginx]}\n",
	 "f.yaml:1: targets.include: expected a section of keys, found a list"},
	{"targets: {include: {com: x}}\n", "targets.include.com: unknown key, did you mean 'comm'?"},
	{"targets: {exclude: {pid: [0]}}\n",
	 "targets.exclude.pid: expected process ids from 1 to 4194304, found '0'"},
	{"exporters: [{otlp: x}]\n", "f.yaml:1: exporters: expected an empty list"},
	{"exporters: x\n", "exporters: expected an empty list"},
	{"alerts:\n  - name: a\n    conditions: x\n",
	 "f.yaml:3: alerts[0] a.conditions: unknown key, did you mean 'condition'?"},
	{"profiling: {history: 20s}\nalerts:\n  - {name: a, condition: rss > 1GiB, duration: 5m, "
	 "action: "
	 "capture_cpu_profile}\n",
	 "rule a (line 3): capture.before: expected at most profiling.history, which is 20s"},
};

static void bad_files_are_refused_in_one_line(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad_files) / sizeof(bad_files[0]); i++)
		assert_refused(&(struct config_opts){0}, bad_files[i].text, bad_files[i].what);
}

static void a_very_long_key_is_unknown_and_no_crash(void **state)
{
	char text[3000];

	(void)state;
	memset(text, 'k', sizeof(text));
	strcpy(text + sizeof(text) - 4, ": 1");
	assert_refused(&(struct config_opts){0}, text, "f.yaml:1: ");
	memcpy(text, "profiling: {", 12);
	strcpy(text + sizeof(text) - 6, ": {}}");
	assert_refused(&(struct config_opts){0}, text, "f.yaml:1: ");
}

static void the_later_source_wins_and_is_named(void **state)
{
	char *env[] = {"PATH=/bin", "EVERPROF_PROFILING_CPU_FREQUENCY=49", "EVERPROF_PROFILING_HISTORY=2m",
		       "EVERPROF_TARGETS_EXCLUDE_COMM=a,b*", NULL};
	const char *sets[] = {"profiling.cpu.frequency=7", "profiling.cpu.frequency=8",
			      "targets.exclude.pid=[3, 4]"};
	struct config_opts o = {.env = env, .sets = sets, .n_sets = 3};
	struct config *c =
		good_with(&o, "profiling:\n  window: 30s\n  history: 1m\n  cpu:\n    frequency: 11\n");

	(void)state;
	assert_int_equal(c->cpu.frequency_hz, 8);
	assert_string_equal(origin(c, "profiling.cpu.frequency"), "--set");
	assert_int_equal(c->profiling.history_ns, 120 * S);
	assert_string_equal(origin(c, "profiling.history"), "environment EVERPROF_PROFILING_HISTORY");
	assert_int_equal(c->profiling.window_ns, 30 * S);
	assert_string_equal(origin(c, "profiling.window"), "f.yaml:2");
	assert_int_equal(c->targets.exclude.comm.n, 2);
	assert_string_equal(c->targets.exclude.comm.items[1], "b*");
	assert_int_equal(c->targets.exclude.pid.n, 2);
	assert_string_equal(config__path(c), "f.yaml");
	config__free(c);
}

static void blanks_around_the_items_of_a_list_are_not_of_them(void **state)
{
	char *env[] = {"EVERPROF_TARGETS_EXCLUDE_COMM= nginx, my app ,redis  ",
		       "EVERPROF_TARGETS_EXCLUDE_EXE= ", NULL};
	const char *sets[] = {"targets.exclude.pid=3 , 4"};
	struct config_opts o = {.env = env, .sets = sets, .n_sets = 1};
	struct config *c = good_with(&o, "targets: {exclude: {exe: [x]}}");

	(void)state;
	assert_int_equal(c->targets.exclude.comm.n, 3);
	assert_string_equal(c->targets.exclude.comm.items[0], "nginx");
	assert_string_equal(c->targets.exclude.comm.items[1], "my app");
	assert_string_equal(c->targets.exclude.comm.items[2], "redis");
	assert_int_equal(c->targets.exclude.exe.n, 0);
	assert_int_equal(c->targets.exclude.pid.n, 2);
	assert_int_equal(c->targets.exclude.pid.items[1], 4);
	config__free(c);
}

static void the_three_plain_variables_are_understood(void **state)
{
	char *plain[] = {"PROFILING_ENABLED=0", "MAX_PROFILE_DURATION=5m", "PROFILE_CLEANUP_INTERVAL=10m",
			 NULL};
	char *both[] = {"EVERPROF_PROFILING_ENABLED=true", "PROFILING_ENABLED=false", NULL};
	struct config *c = good_with(&(struct config_opts){.env = plain}, "profiling: {enabled: true}");

	(void)state;
	assert_false(c->profiling.enabled);
	assert_string_equal(origin(c, "profiling.enabled"), "environment PROFILING_ENABLED");
	assert_int_equal(c->profiling.max_duration_ns, 300 * S);
	assert_int_equal(c->output.cleanup_interval_ns, 600 * S);
	config__free(c);
	c = good_with(&(struct config_opts){.env = both}, "");
	assert_true(c->profiling.enabled);
	config__free(c);
}

static void a_bad_variable_or_set_is_named(void **state)
{
	static const struct {
		const char *env, *set, *what;
	} bad[] = {
		{"EVERPROF_PROFILING_WINDOW=60", NULL,
		 "environment EVERPROF_PROFILING_WINDOW: expected a duration with its unit from 1s to 1h, "
		 "found '60'"},
		{"MAX_PROFILE_DURATION=60", NULL,
		 "environment MAX_PROFILE_DURATION: expected a duration with its unit"},
		{"EVERPROF_PROFILING_WINDOW=", NULL, "found nothing"},
		{"EVERPROF_PROFILING_WINDOWS=60s", NULL,
		 "environment EVERPROF_PROFILING_WINDOWS: no key has this name, did you mean "
		 "'EVERPROF_PROFILING_WINDOW'?"},
		{"EVERPROF_SERVER_LISTEN=a\nb:80", NULL, "a control character"},
		{"EVERPROF_TARGETS_INCLUDE_COMM=a,,b", NULL,
		 "EVERPROF_TARGETS_INCLUDE_COMM: expected texts of 1 to 255 bytes"},
		{"EVERPROF_TARGETS_INCLUDE_COMM=a, ,b", NULL,
		 "EVERPROF_TARGETS_INCLUDE_COMM: expected texts of 1 to 255 bytes"},
		{"EVERPROF_ALERTS=[{name: a}]", NULL,
		 "environment EVERPROF_ALERTS:1: alerts[0] a: expected 'condition'"},
		{NULL, "profiling.cpu.frequency",
		 "--set: expected key=value, found 'profiling.cpu.frequency'"},
		{NULL, "profiling.cpu.freq=1", "--set profiling.cpu.freq: unknown key"},
		{NULL, "profiling.cpu.frequencies=1", "did you mean 'profiling.cpu.frequency'?"},
		{NULL, "=1", "unknown key"},
		{NULL, "profiling=1", "--set profiling: unknown key"},
		{NULL, "profiling.cpu.frequency=0",
		 "--set profiling.cpu.frequency: expected a whole number from 1 to 1000"},
		{NULL, "profiling.cpu.duration=10s",
		 "--set: profiling.cpu.duration: expected profiling.cpu.interval"},
		{NULL, "alerts=x", "--set:1: alerts: expected a list of rules, found 'x'"},
		{NULL, "targets.include.comm=[a", "not valid YAML"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char *env[] = {(char *)(uintptr_t)bad[i].env, NULL};
		const char *sets[] = {bad[i].set};

		assert_refused(&(struct config_opts){.env = env, .sets = sets, .n_sets = bad[i].set != NULL},
			       "", bad[i].what);
	}
}

static void variables_of_others_are_left_alone(void **state)
{
	char *env[] = {"EVERPROF_VERSION=3",
		       "EVERPROF_SERVER_SERVICE_HOST=10.0.0.1",
		       "EVERPROF_SERVER_SERVICE_PORT_HTTP=9909",
		       "EVERPROF_SERVER_PORT=tcp://10.0.0.1:9909",
		       "EVERPROF_SERVER_PORT_9909_TCP_ADDR=10.0.0.1",
		       "EVERPROF_PORT=tcp://10.0.0.1:9909",
		       "PROFILING_ENABLED_NOT=x",
		       "noequals",
		       NULL};

	(void)state;
	config__free(good_with(&(struct config_opts){.env = env}, ""));
}

static void a_file_is_loaded_and_a_missing_one_is_named(void **state)
{
	char path[] = "/tmp/everprof-config-XXXXXX";
	int fd = mkstemp(path);
	struct config_opts o = {.path = path};
	struct config *c = NULL;
	struct err e = {0};

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "log: {level: warn}\n", 19), 19);
	assert_int_equal(config__load(&o, &c, &e), 0);
	assert_int_equal(c->log.level, LOG_LEVEL_WARN);
	assert_string_equal(config__path(c), path);
	config__free(c);

	assert_int_equal(ftruncate(fd, 300 << 10), 0);
	assert_int_equal(config__load(&o, &c, &e), -E2BIG);
	assert_non_null(strstr(e.text, path));
	close(fd);
	unlink(path);

	assert_int_equal(config__load(&o, &c, &e), -ENOENT);
	assert_non_null(strstr(e.text, path));
	assert_non_null(strstr(e.text, "No such file"));
	o.path = "/tmp";
	assert_int_equal(config__load(&o, &c, &e), -EINVAL);
	assert_string_equal(e.text, "/tmp: cannot read the configuration: not a regular file");
}

static void without_any_file_the_defaults_are_whole(void **state)
{
	struct config *c = NULL;
	struct err e = {0};

	(void)state;
	assert_int_equal(config__parse(&(struct config_opts){0}, NULL, NULL, 0, &c, &e), 0);
	assert_null(config__path(c));
	assert_int_equal(c->cpu.frequency_hz, 99);
	config__free(c);
}

/* On a machine where everprof is installed the first place has a file, elsewhere the second one here. */
static void the_usual_places_are_searched_in_order(void **state)
{
	bool installed = access("/etc/everprof/profiler.yaml", F_OK) == 0;
	char dir[] = "/tmp/everprof-config-XXXXXX", here[4096];
	struct config *c = NULL;
	struct err e = {0};
	FILE *f;

	(void)state;
	assert_non_null(getcwd(here, sizeof(here)));
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chdir(dir), 0);
	assert_int_equal(config__load(&(struct config_opts){0}, &c, &e), 0);
	if (!installed)
		assert_null(config__path(c));
	config__free(c);
	f = fopen("profiler.yaml", "w");
	assert_non_null(f);
	fputs("profiling: {cpu: {frequency: 77}}\n", f);
	fclose(f);
	assert_int_equal(config__load(&(struct config_opts){0}, &c, &e), 0);
	unlink("profiler.yaml");
	assert_int_equal(chdir(here), 0);
	rmdir(dir);
	assert_string_equal(config__path(c), installed ? "/etc/everprof/profiler.yaml" : "./profiler.yaml");
	assert_true(installed || c->cpu.frequency_hz == 77);
	config__free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_those_of_the_contract),
		cmocka_unit_test(the_profiling_block_of_the_contract_is_taken),
		cmocka_unit_test(the_alerts_block_of_the_contract_is_taken),
		cmocka_unit_test(values_of_every_type_are_read),
		cmocka_unit_test(bad_files_are_refused_in_one_line),
		cmocka_unit_test(a_very_long_key_is_unknown_and_no_crash),
		cmocka_unit_test(the_later_source_wins_and_is_named),
		cmocka_unit_test(blanks_around_the_items_of_a_list_are_not_of_them),
		cmocka_unit_test(the_three_plain_variables_are_understood),
		cmocka_unit_test(a_bad_variable_or_set_is_named),
		cmocka_unit_test(variables_of_others_are_left_alone),
		cmocka_unit_test(a_file_is_loaded_and_a_missing_one_is_named),
		cmocka_unit_test(without_any_file_the_defaults_are_whole),
		cmocka_unit_test(the_usual_places_are_searched_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
