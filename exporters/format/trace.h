/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trace - a recorded timeline as bytes: what passes from who records it to who shows it.
 *
 *      head | threads [n_threads] | records [n_records] | texts [text_bytes], each ended by NUL
 *
 * Records are in no order. Texts are named by where they begin; 0 is "".
 *
 * Owns: a struct trace borrows the bytes. Thread: any. Limit: TRACE_BYTES_MAX. Errors: -EBADMSG what is no trace, or names what is not there.
 */
#ifndef EVERPROF_FORMAT_TRACE_H
#define EVERPROF_FORMAT_TRACE_H

#include <stddef.h>
#include <stdint.h>

#include "bpf/trace.h"

#define TRACE_MAGIC       0x31637274u /* "trc1" */
#define TRACE_BYTES_MAX   ((size_t)64 << 20)
#define TRACE_RECORDS_MAX (512u * 1024)

/* The labels of a thread, as they are called in profiles. */
#define TRACE_LABELS(X) X(comm) X(process) X(exe) X(cgroup) X(unit) X(container) X(pod)

struct trace_thread {
	uint32_t tid, tgid;
#define TRACE_LABEL_MEMBER(name) uint32_t name;
	TRACE_LABELS(TRACE_LABEL_MEMBER)
#undef TRACE_LABEL_MEMBER
	uint32_t zero;
};

struct trace_head {
	uint32_t magic, n_threads, n_records, text_bytes;
	uint64_t from_ns, to_ns; /* CLOCK_MONOTONIC, as the records */
	uint64_t real_ns;        /* CLOCK_REALTIME at from_ns */
	uint64_t lost;           /* records that had no room */
	uint64_t cut_ns;         /* not 0: from here on there was no room at all */
};

struct trace {
	const struct trace_head *head;
	const struct trace_thread *threads;
	const struct trace_record *records;
	const char *texts;
};

/* Pure. bytes must be aligned for uint64_t. */
int trace__parse(const void *bytes, size_t len, struct trace *ret);
/* The text of a label of the thread, NULL where it has none of that name or it is empty. */
const char *trace__label(const struct trace *t, const struct trace_thread *thread, const char *key);

#endif
