// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "user/base/buf.h"
#include "user/base/err.h"
#include "user/base/io.h"
#include "user/config/config.h"
#include "user/config/key.h"
#include "user/config/listing.h"
#include "user/config/units.h"
#include "user/config/value.h"

/* Tests run from the top of the source tree. */
#define SHIPPED   "profiler.yaml"
#define REFERENCE "docs/configuration.md"

static struct config *parse_with(const struct config_opts *o, const char *text)
{
	struct config *c = NULL;
	struct err e = {0};

	if (config__parse(o, "f", text, strlen(text), &c, &e))
		fail_msg("%s\n%s", e.text, text);
	return c;
}

static struct config *parse(const char *text)
{
	return parse_with(&(struct config_opts){0}, text);
}

/* Every key of both has the same value, as text. */
static void assert_same_values(const struct config *a, const struct config *b)
{
	struct buf x, y;

	buf__init(&x, 1 << 20);
	buf__init(&y, 1 << 20);
	for (uint32_t i = 0; i < key__count(); i++) {
		buf__clear(&x);
		buf__clear(&y);
		value__format(key__get(i), a, &x);
		value__format(key__get(i), b, &y);
		if (strcmp(buf__str(&x), buf__str(&y)))
			fail_msg("%s: '%s' and '%s'", key__get(i)->name, buf__str(&x), buf__str(&y));
	}
	assert_int_equal(buf__err(&x), 0);
	buf__done(&x);
	buf__done(&y);
}

static void the_shipped_file_sets_every_key_to_its_default(void **state)
{
	struct config_opts o = {.path = SHIPPED};
	struct config *shipped = NULL, *defaults = parse("");
	struct err e = {0};

	(void)state;
	if (config__load(&o, &shipped, &e))
		fail_msg("%s", e.text);
	assert_same_values(shipped, defaults);
	for (uint32_t i = 0; i < key__count(); i++) {
		if (strncmp(config__origin(shipped, key__get(i)), SHIPPED ":", strlen(SHIPPED) + 1))
			fail_msg("%s is missing in " SHIPPED, key__get(i)->name);
	}
	config__free(shipped);
	config__free(defaults);
}

/* The commented example of the shipped file, with the comment signs taken off, from "alerts:" to the end of the comment. */
static void the_example_of_rules_in_the_shipped_file_is_good(void **state)
{
	struct buf file, example;
	struct config *c;
	char *p;

	(void)state;
	buf__init(&file, 1 << 20);
	buf__init(&example, 1 << 20);
	assert_int_equal(io__read_at(AT_FDCWD, SHIPPED, 1 << 18, &file), 0);
	p = strstr(buf__str(&file), "#   alerts:\n");
	assert_non_null(p);
	for (; !strncmp(p, "#   ", 4); p = strchr(p, '\n') + 1) {
		buf__append(&example, p + 4, strchr(p, '\n') + 1 - (p + 4));
	}
	c = parse(buf__str(&example));
	assert_int_equal(c->alerts.n, 2);
	/* together they show every field */
	for (const struct rule_field *f = rule__fields(); f->name; f++) {
		if (!strstr(buf__str(&example), f->name))
			fail_msg("the example shows no '%s'", f->name);
	}
	config__free(c);
	buf__done(&file);
	buf__done(&example);
}

static void the_reference_is_fresh(void **state)
{
	struct buf there, fresh;

	(void)state;
	buf__init(&there, 1 << 20);
	buf__init(&fresh, 1 << 20);
	assert_int_equal(io__read_at(AT_FDCWD, REFERENCE, 1 << 20, &there), 0);
	listing__reference(&fresh);
	assert_int_equal(buf__err(&fresh), 0);
	if (strcmp(buf__str(&there), buf__str(&fresh)))
		fail_msg(REFERENCE " is stale: build/everprof config reference > " REFERENCE);
	buf__done(&there);
	buf__done(&fresh);
}

static const char full[] =
	"profiling:\n"
	"  window: 90s\n"
	"  cpu: {duration: 1500ms, interval: 1h30m, clock: cycles, snapshot_interval: 10s}\n"
	"  alloc: {budget: 0.75%}\n"
	"  output: {directory: \"/a b/\\\"c\\\\d: # e\", max_size: 123456789B, compression: zstd}\n"
	"targets:\n"
	"  include: {comm: [\"a, b\", \"[x]*\", 'null', \"# no\"], pid: [1, 4194304]}\n"
	"  exclude: {cgroup: \"/ö/*\"}\n"
	"server: {listen: off}\n"
	"alerts:\n"
	"  - {name: a, condition: rss > 1GiB, duration: 0s, action: capture_cpu_profile}\n"
	"  - name: b\n"
	"    condition: \"alloc_rate >= 1MB/s\"\n"
	"    duration: 5m\n"
	"    action: [capture_alloc_profile, capture_lock_profile]\n"
	"    scope: process\n"
	"    match: {comm: [\"x\\\"\", y], pod: z, pid: [4, 5]}\n"
	"    capture: {before: 1m, after: 500ms}\n";

static void what_is_shown_loads_to_the_same_values(void **state)
{
	struct config *c = parse(full), *again;
	struct buf shown;

	(void)state;
	buf__init(&shown, 1 << 20);
	listing__show(c, &shown);
	assert_int_equal(buf__err(&shown), 0);
	again = parse(buf__str(&shown));
	assert_same_values(c, again);
	assert_int_equal(again->alerts.n, 2);
	assert_int_equal(again->alerts.items[1].after_ns, 500000000);
	assert_string_equal(again->output.directory, "/a b/\"c\\d: # e");
	config__free(c);
	config__free(again);
	buf__done(&shown);
}

static void every_value_shown_says_where_it_came_from(void **state)
{
	struct config *c = parse("profiling:\n  cpu:\n    frequency: 49\n");
	struct buf shown;
	uint32_t n = 0;

	(void)state;
	buf__init(&shown, 1 << 20);
	listing__show(c, &shown);
	assert_non_null(
		strstr(buf__str(&shown), "\n    frequency: 49                               # f:3\n"));
	assert_non_null(
		strstr(buf__str(&shown), "\n  window: 1m                                    # default\n"));
	assert_non_null(strstr(buf__str(&shown),
			       "snapshot_interval: 1m                       # default: profiling.window\n"));
	for (const char *p = buf__str(&shown); (p = strstr(p, " # ")); p++)
		n++;
	assert_int_equal(n, key__count());
	config__free(c);
	buf__done(&shown);
}

/* A value that the key has not by default. */
static void format_other(const struct key *k, char to[128])
{
	char number[UNITS_TEXT_MAX];

	switch (k->type) {
	case KEY_BOOL:
		sprintf(to, "%s", strcmp(k->fallback, "true") ? "true" : "false");
		break;
	case KEY_COUNT:
		sprintf(to, "%llu", (unsigned long long)k->max);
		break;
	case KEY_DURATION:
		units__format_duration(k->max, number);
		sprintf(to, "%s", number);
		break;
	case KEY_CHOICE:
		sprintf(to, "%s", strrchr(k->words, '|') + 1);
		break;
	case KEY_ADDRESS:
		sprintf(to, "127.0.0.1:1");
		break;
	case KEY_TEXTS:
		sprintf(to, "[other]");
		break;
	case KEY_PATH:
		sprintf(to, "/other");
		break;
	default:
		fail_msg("%s: a value of another kind is wanted here", k->name);
	}
}

/* A reload that does not act says so, whatever the key. */
static void what_waits_for_the_next_start_is_listed(void **state)
{
	struct config *running = parse(""), *fresh;
	struct buf names;

	(void)state;
	buf__init(&names, 1 << 16);
	for (uint32_t i = 0; i < key__count(); i++) {
		const struct key *k = key__get(i);
		char set[KEY_NAME_MAX + 128];
		const char *sets[] = {set};

		if (k->change != KEY_CHANGES_AT_START)
			continue;
		format_other(k, set + sprintf(set, "%s=", k->name));
		fresh = parse_with(&(struct config_opts){.sets = sets, .n_sets = 1}, "");
		buf__clear(&names);
		listing__waiting(running, fresh, &names);
		assert_string_equal(buf__str(&names), k->name);
		config__free(fresh);
	}
	fresh = parse("labels: {tid: true}\n"
		      "server: {hosts: [a, b], tls_key: /k, tls_client_ca: /c}\n"
		      "profiling: {max_duration: 5m, window: 10s, cpu: {frequency: 7}}\n"
		      "log: {level: debug}\n");
	buf__clear(&names);
	listing__waiting(running, fresh, &names);
	assert_string_equal(buf__str(&names),
			    "profiling.max_duration, labels.tid, server.hosts, server.tls_key, "
			    "server.tls_client_ca");
	buf__clear(&names);
	listing__waiting(fresh, fresh, &names);
	assert_string_equal(buf__str(&names), "");
	config__free(fresh);
	config__free(running);
	buf__done(&names);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_waits_for_the_next_start_is_listed),
		cmocka_unit_test(the_shipped_file_sets_every_key_to_its_default),
		cmocka_unit_test(the_example_of_rules_in_the_shipped_file_is_good),
		cmocka_unit_test(the_reference_is_fresh),
		cmocka_unit_test(what_is_shown_loads_to_the_same_values),
		cmocka_unit_test(every_value_shown_says_where_it_came_from),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
