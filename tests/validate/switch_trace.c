// SPDX-License-Identifier: Apache-2.0
/*
 * switch_trace OBJECT OUT - records every switch and wake-up of the machine (switch_trace.bpf.c) from when it says "ready" until its standard input ends; then writes
 * to OUT, in the order of time:
 *
 *      switch NS CPU TID NEXT_TID STATE PREEMPTED COMM
 *      woken|new NS CPU TID
 *      lost N                  records for which there was no room
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "tests/validate/switch_trace.h"

#define LOST_MAP ".bss"

struct trace {
	struct switch_record *records;
	size_t n, cap;
};

static int keep(void *ctx, void *data, size_t size)
{
	struct trace *t = ctx;

	if (size != sizeof(*t->records))
		return -EBADMSG;
	if (t->n == t->cap) {
		t->cap = t->cap ? 2 * t->cap : 1 << 16;
		t->records = realloc(t->records, t->cap * sizeof(*t->records));
		if (!t->records)
			return -ENOMEM;
	}
	memcpy(&t->records[t->n++], data, size);
	return 0;
}

/* Of one CPU they are in order as they come; of two, their clocks were read before they came in. */
static int by_time(const void *a, const void *b)
{
	const struct switch_record *x = a, *y = b;

	return x->at_ns < y->at_ns ? -1 : x->at_ns > y->at_ns;
}

static void write_record(FILE *f, const struct switch_record *r)
{
	char comm[sizeof(r->comm) + 1] = "";

	for (size_t i = 0; i < sizeof(r->comm) && r->comm[i]; i++)
		comm[i] = r->comm[i] >= ' ' ? r->comm[i] : '?';
	if (r->kind == SWITCH_LEFT)
		fprintf(f, "switch %llu %u %u %u %u %u %s\n", (unsigned long long)r->at_ns, r->cpu, r->tid,
			r->next_tid, r->state, r->is_preempted, comm);
	else
		fprintf(f, "%s %llu %u %u\n", r->kind == SWITCH_NEW ? "new" : "woken",
			(unsigned long long)r->at_ns, r->cpu, r->tid);
}

static int write_out(struct bpf_object *object, struct trace *t, const char *path)
{
	struct bpf_map *lost = bpf_object__find_map_by_name(object, LOST_MAP);
	uint64_t n_lost = 0;
	uint32_t zero = 0;
	FILE *f = fopen(path, "we");

	if (!f)
		return -errno;
	qsort(t->records, t->n, sizeof(*t->records), by_time);
	for (size_t i = 0; i < t->n; i++)
		write_record(f, &t->records[i]);
	if (!lost || bpf_map_lookup_elem(bpf_map__fd(lost), &zero, &n_lost))
		return -ENOENT;
	fprintf(f, "lost %llu\n", (unsigned long long)n_lost);
	return fclose(f) ? -errno : 0;
}

int main(int argc, char **argv)
{
	struct bpf_object *object = argc == 3 ? bpf_object__open_file(argv[1], NULL) : NULL;
	struct bpf_link *links[8] = {NULL};
	struct bpf_program *program;
	struct ring_buffer *ring;
	struct trace trace = {0};
	int n = 0, err;
	char c;

	if (argc != 3) {
		fprintf(stderr, "usage: switch_trace OBJECT OUT\n");
		return 2;
	}
	err = object ? bpf_object__load(object) : -errno;
	bpf_object__for_each_program(program, object)
	{
		links[n] = err ? NULL : bpf_program__attach(program);
		if (!err && !links[n++])
			err = -errno;
	}
	if (err) {
		fprintf(stderr, "switch_trace: %s: %s\n", argv[1], strerror(-err));
		return 1;
	}
	puts("ready");
	fflush(stdout);
	while (read(STDIN_FILENO, &c, 1) > 0)
		;
	while (n)
		bpf_link__destroy(links[--n]);
	ring = ring_buffer__new(bpf_object__find_map_fd_by_name(object, "records"), keep, &trace, NULL);
	err = ring ? ring_buffer__consume(ring) : -errno;
	if (err >= 0)
		err = write_out(object, &trace, argv[2]);
	if (err)
		fprintf(stderr, "switch_trace: %s: %s\n", argv[2], strerror(-err));
	ring_buffer__free(ring);
	bpf_object__close(object);
	free(trace.records);
	return err != 0;
}
