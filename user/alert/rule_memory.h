/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rule_memory - what rules remember over a restart, as bytes: alarms that fire, cooling targets, captures of the last hour and bytes of the last day.
 *
 *      header  magic, sizes, boot id, captures[], hours[], programs[]      alerts  one fixed record each      checksum  of all before it
 *
 * Owns: nothing; rule_memory__parse gives a view into the bytes. Thread: any. Limit: RULE_MEMORY_ALERTS_MAX. Errors: -EBADMSG for what is no such file, or a
 * damaged one.
 */
#ifndef EVERPROF_ALERT_RULE_MEMORY_H
#define EVERPROF_ALERT_RULE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include "user/alert/alert_programs.h"
#include "user/alert/alert_quota.h"

#define RULE_MEMORY_FILE       "alerts.state" /* in the store */
#define RULE_MEMORY_ALERTS_MAX 1024
#define RULE_MEMORY_BOOT_MAX   40
#define RULE_MEMORY_BYTES_MAX  ((size_t)4 << 20)
#define RULE_MEMORY_NAMES      6
#define RULE_MEMORY_NAME_MAX   256

struct rule_memory_header {
	char magic[8];
	uint32_t n_alerts, alert_size;
	char boot_id[RULE_MEMORY_BOOT_MAX];
	uint64_t next_episode;
	struct alert_quota quota;
	struct alert_programs programs;
};

struct rule_memory_alert {
	uint64_t rule, rule_name; /* hashes */
	uint32_t scope, pid;
	uint64_t start_ns, cgroup_id;
	uint32_t phase, term;
	uint32_t
		is_under_way; /* the capture: what there is of it is in memory. of an earlier format: anything */
	uint32_t is_event;
	uint64_t over_real_ns, fired_real_ns, cooling_until_ns, episode; /* CLOCK_REALTIME */
	double reserved, threshold, worst;                               /* of the term */
	double captured; /* how bad it was, as those of the programs; of an earlier format: a value of the term */
	char capture[32];
	char names[RULE_MEMORY_NAMES][RULE_MEMORY_NAME_MAX];
};

struct rule_memory {
	struct rule_memory_header header;
	const uint8_t *alerts; /* unaligned */
};

/* FNV-1a, over more bytes: the same in every process, which hash_bytes is not. */
#define RULE_MEMORY_HASH 14695981039346656037ull
uint64_t rule_memory__hash(uint64_t h, const void *bytes, size_t len);
/* Of all before the checksum. */
uint64_t rule_memory__checksum(const void *bytes, size_t len);
/* All fields are in their ranges, all texts end. */
int rule_memory__parse(const void *bytes, size_t len, struct rule_memory *ret);

#endif
