// SPDX-License-Identifier: Apache-2.0
/* Any bytes as what rules remember: what is taken is within its limits, and saves to a file that is taken again. The checksum is put right, else nothing gets past it. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "user/alert/rule_engine.h"
#include "user/alert/rule_memory.h"
#include "user/base/arena.h"
#include "user/base/buf.h"
#include "user/config/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char rules_text[] =
	"- {name: a, condition: cpu_usage_percent > 80, duration: 0s, action: keep, scope: process}\n"
	"- {name: b, condition: cpu_usage_percent > 80, duration: 0s, action: keep}\n";

static struct rule_engine *new_engine(const struct rule_time *now)
{
	static const struct rule_engine_opts opts = {.captures_per_hour = 9,
						     .capture_bytes_per_day = 1 << 20};
	static struct rule_list rules;
	static struct arena arena;
	struct rule_engine *e = NULL;
	struct yaml y;

	if (!rules.n) {
		arena__init(&arena, 1 << 20);
		if (yaml__parse("f", rules_text, strlen(rules_text), &y, NULL) ||
		    rule__parse_list(&(struct rule_source){"f", y.root}, NULL, NULL, &arena, &rules, NULL))
			abort();
		yaml__done(&y);
	}
	if (rule_engine__new(&opts, &(struct rule_port){0}, &rules, now, &e))
		abort();
	return e;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct rule_time now = {1000000000000, 1700000000000000000, 1000000000000};
	struct rule_engine *e;
	struct rule_memory m;
	uint64_t checksum;
	struct buf again;
	uint8_t *bytes;

	if (size < sizeof(checksum) || size > RULE_MEMORY_BYTES_MAX)
		return 0;
	bytes = malloc(size);
	if (!bytes)
		return 0;
	memcpy(bytes, data, size);
	checksum = rule_memory__checksum(bytes, size - sizeof(checksum));
	memcpy(bytes + size - sizeof(checksum), &checksum, sizeof(checksum));
	e = new_engine(&now);
	if (!rule_engine__restore(e, "boot", bytes, size, &now)) {
		rule_engine__begin(e, &now);
		rule_engine__end(e);
		buf__init(&again, RULE_MEMORY_BYTES_MAX);
		if (rule_engine__save(e, "boot", &again) || rule_memory__parse(again.data, again.len, &m))
			abort();
		buf__done(&again);
	}
	rule_engine__free(e);
	free(bytes);
	return 0;
}
