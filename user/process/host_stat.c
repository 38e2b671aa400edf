// SPDX-License-Identifier: Apache-2.0
#include "user/process/host_stat.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "user/base/clock.h"
#include "user/base/key_lines.h"

#define CPU_FIELDS 8 /* user nice system idle iowait irq softirq steal; guests are part of user */

enum { CPU_IDLE = 3, CPU_IOWAIT = 4, CPU_STEAL = 7 };

const char *pressure_kind__name(enum pressure_kind kind)
{
	static const char *const names[PRESSURE_N] = {"cpu", "memory", "io"};

	return names[kind];
}

int parse_host_cpu(const char *text, size_t len, struct host_cpu *ret)
{
	const uint64_t tick_ns = NS_PER_SEC / (uint64_t)sysconf(_SC_CLK_TCK);
	struct host_cpu c = {0};
	const struct key_field switches = {"ctxt", &c.switches};
	size_t at = 4;

	if (len < 5 || memcmp(text, "cpu ", 4))
		return -EBADMSG;
	for (int i = 0; i < CPU_FIELDS; i++) {
		uint64_t ticks;
		size_t n;

		while (at < len && text[at] == ' ')
			at++;
		n = key_lines__number(text + at, len - at, &ticks);
		if (!n || ticks > UINT64_MAX / tick_ns / CPU_FIELDS)
			return -EBADMSG;
		at += n;
		if (i == CPU_STEAL) {
			c.stolen_ns = ticks * tick_ns;
			break;
		}
		c.all_ns += ticks * tick_ns;
		if (i != CPU_IDLE && i != CPU_IOWAIT)
			c.busy_ns += ticks * tick_ns;
	}
	c.has_switches = key_lines__read(text, len, &switches, 1) == 1;
	*ret = c;
	return 0;
}

int parse_host_memory(const char *text, size_t len, struct host_memory *ret)
{
	struct host_memory m = {0};
	const struct key_field fields[] = {
		{"MemTotal:", &m.total_bytes},
		{"MemFree:", &m.free_bytes},
		{"MemAvailable:", &m.available_bytes},
		{"AnonPages:", &m.anon_bytes},
		{"Mapped:", &m.mapped_bytes},
		{"Cached:", &m.cached_bytes},
		{"Shmem:", &m.shmem_bytes},
		{"SwapTotal:", &m.swap_total_bytes},
		{"SwapFree:", &m.swap_free_bytes},
	};
	const uint32_t n = sizeof(fields) / sizeof(*fields);

	key_lines__read(text, len, fields, n);
	if (!m.total_bytes)
		return -EBADMSG;
	for (uint32_t i = 0; i < n; i++) /* they are in KiB */
		*fields[i].value = *fields[i].value > UINT64_MAX >> 10 ? UINT64_MAX : *fields[i].value << 10;
	*ret = m;
	return 0;
}
