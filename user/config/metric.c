// SPDX-License-Identifier: Apache-2.0
#include "user/config/metric.h"

#include <errno.h>
#include <string.h>

static const char *const scope_names[SCOPE_N] = {
	[SCOPE_SYSTEM] = "system",
	[SCOPE_CGROUP] = "cgroup",
	[SCOPE_CONTAINER] = "container",
	[SCOPE_PROCESS] = "process",
};

static const char *const unit_names[] = {
	[METRIC_PERCENT] = "percentage",    [METRIC_BYTES] = "size",
	[METRIC_BYTE_RATE] = "size rate",   [METRIC_COUNT] = "count",
	[METRIC_COUNT_RATE] = "count rate", [METRIC_DURATION] = "duration",
};

static const struct metric metrics[METRIC_N] = {
#define METRIC_ROW(name, unit, scopes, help) {#name, METRIC_##unit, scopes, help},
	METRICS(METRIC_ROW)
#undef METRIC_ROW
};

const char *scope__name(enum scope scope)
{
	return scope_names[scope];
}

int scope__find(const char *name, enum scope *ret_scope)
{
	for (int i = 0; i < SCOPE_N; i++) {
		if (!strcmp(scope_names[i], name)) {
			*ret_scope = i;
			return 0;
		}
	}
	return -ENOENT;
}

const struct metric *metric__get(enum metric_id id)
{
	return &metrics[id];
}

int metric__find(const char *name, enum metric_id *ret_id)
{
	for (int i = 0; i < METRIC_N; i++) {
		if (!strcmp(metrics[i].name, name)) {
			*ret_id = i;
			return 0;
		}
	}
	return -ENOENT;
}

/* A threshold beyond it is a mistake. */
double metric__most(enum metric_id id, enum scope scope)
{
	switch (id) {
	case METRIC_cpu_usage_percent:
		return scope == SCOPE_SYSTEM ? 100 : 0;
	case METRIC_throttled_percent:
	case METRIC_memory_limit_percent:
	case METRIC_memory_available_percent:
	case METRIC_blocked_percent:
	case METRIC_disk_wait_percent:
	case METRIC_psi_cpu_some_percent ... METRIC_everprof_cpu_percent:
		return 100;
	default:
		return 0;
	}
}

const char *metric__unit_name(enum metric_unit unit)
{
	return unit_names[unit];
}
