/* SPDX-License-Identifier: Apache-2.0 */
/*
 * profiles - what captures' tests are answered with: small profiles, bare and in a memfd as the agent has them.
 *
 * Owns: fds are the caller's. Thread: one. Limit: none. Errors: a failed assertion.
 */
#ifndef EVERPROF_TESTS_ALERT_PROFILES_H
#define EVERPROF_TESTS_ALERT_PROFILES_H

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "exporters/format/pprof.h"
#include "tests/support/profile_text.h"
#include "user/base/buf.h"
#include "user/base/clock.h"
#include "user/base/io.h"
#include "user/base/memfd.h"

#define FIRED_S  1769817600ull /* 2026-01-31 */
#define FIRED_NS (FIRED_S * NS_PER_SEC)

/* CPU time of two processes: `ms` in main;burn of pid 7, and a second in main;idle of pid 8. */
static inline struct profile *cpu_profile(uint64_t from_ns, uint64_t duration_ns, int64_t ms)
{
	struct profile *p = text_profile("samples", "count", "cpu", "nanoseconds");
	struct profile_meta *m = profile__meta_mut(p);

	m->time_ns = (int64_t)from_ns;
	m->duration_ns = (int64_t)duration_ns;
	if (ms)
		put(p, "main@/bin/work;burn@/bin/work", "process=work,pid=7 id", ms / 10, ms * 1000000);
	put(p, "main@/bin/other;idle@/bin/other", "process=other,pid=8 id", 100, 1000000000);
	assert_int_equal(profile__comment(p, "lost count_full: 3 (the table was full)"), 0);
	assert_int_equal(profile__comment(p, "lost in all: 3"), 0);
	assert_int_equal(profile__seal(p), 0);
	return p;
}

/* Takes the profile. */
static inline void encode(struct profile *p, enum compression compression, struct buf *b)
{
	const struct pprof_opts opts = {.compression = compression};

	buf__init(b, 1 << 20);
	assert_int_equal(pprof__encode(p, &opts, b), 0);
	profile__free(p);
}

static inline int profile_fd(struct profile *p)
{
	struct buf b;
	int fd;

	encode(p, COMPRESSION_NONE, &b);
	assert_int_equal(memfd__new("test", b.data, b.len, &fd), 0);
	buf__done(&b);
	return fd;
}

/* The sum of the last sample type. */
static inline int64_t total_of(const void *bytes, size_t len, uint32_t *ret_n)
{
	struct profile *p;
	int64_t sum = 0;

	assert_int_equal(pprof__decode(bytes, len, NULL, &p, NULL), 0);
	for (uint32_t i = 0; i < profile__n_samples(p); i++)
		sum += profile__get_sample(p, i)->values[profile__n_types(p) - 1];
	if (ret_n)
		*ret_n = profile__n_samples(p);
	profile__free(p);
	return sum;
}

#endif
