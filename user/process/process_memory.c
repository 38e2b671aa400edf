// SPDX-License-Identifier: Apache-2.0
/*
 * Idea: process_vm_readv copies many scattered pieces in one call, some 0.5 us each. It stops at the first piece that it cannot read; that one is
 * passed over, and the call goes on behind it. Addresses that no process has are not even asked for. The call is made by the memory reader, which does
 * not wait for ever, and from whose memory the pieces are copied to where they are wanted.
 */
#include "user/process/process_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "user/base/io.h"
#include "user/base/proc_file.h"
#include "user/process/memory_reader.h"
#include "user/process/proc_dir.h"

#define ADDRESS_MAX (1ull << 47) /* user space of x86-64 with four levels, and of arm64 as it is used */

static bool is_sound(const struct memory_span *s)
{
	return s->addr && s->addr < ADDRESS_MAX && s->len <= ADDRESS_MAX - s->addr;
}

/* As many of the spans as one job takes. */
static size_t fill(struct memory_job *job, const struct memory_span *spans, size_t n)
{
	size_t room = MEMORY_JOB_BYTES;

	for (job->n = 0; job->n < n && job->n < IOV_MAX; job->n++) {
		const struct memory_span *s = &spans[job->n];

		if (!is_sound(s) || s->len > room)
			break;
		room -= s->len;
		job->there[job->n] =
			(struct iovec){.iov_base = (void *)(uintptr_t)s->addr, .iov_len = s->len};
	}
	return job->n;
}

/* The spans that came whole, from the first on. */
static size_t deliver(const struct memory_job *job, struct memory_span *spans, ssize_t got)
{
	const uint8_t *from = job->bytes;
	size_t whole = 0;

	for (; whole < job->n && got >= (ssize_t)spans[whole].len; whole++) {
		memcpy(spans[whole].to, from, spans[whole].len);
		spans[whole].is_read = true;
		from += spans[whole].len;
		got -= spans[whole].len;
	}
	return whole;
}

/* Where a span is to be read: of a thread, or by a descriptor of the process's memory. */
struct place {
	uint32_t pid, tid;
	int mem_fd;
};

/* One job's worth; how many spans it is done with. */
static int read_some(const struct place *place, struct memory_span *spans, size_t n, size_t *ret_done)
{
	struct memory_job *job;
	size_t asked, whole = 0;
	ssize_t got = 0;
	int err = memory_reader__take(&job);

	if (err)
		return err;
	job->pid = place->pid;
	job->tid = place->tid;
	job->mem_fd = place->mem_fd;
	asked = fill(job, spans, n);
	if (asked)
		got = memory_reader__read(job);
	if (got > 0)
		whole = deliver(job, spans, got);
	memory_reader__put();
	*ret_done = whole < asked || !asked ? whole + 1 : whole; /* that one cannot be read */
	return got < 0 && got != -EFAULT ? (int)got : 0;
}

static int read_whole(const struct place *place, uint64_t addr, void *to, size_t len)
{
	for (size_t at = 0, part; at < len; at += part) {
		part = len - at < MEMORY_JOB_BYTES ? len - at : MEMORY_JOB_BYTES;
		struct memory_span s = {.addr = addr + at, .to = (uint8_t *)to + at, .len = (uint32_t)part};
		size_t done;
		int err = read_some(place, &s, 1, &done);

		if (err || !s.is_read)
			return err ? err : -EFAULT;
	}
	return 0;
}

int process_memory__read(uint32_t pid, uint64_t addr, void *to, size_t len)
{
	return read_whole(&(struct place){.pid = pid, .tid = pid, .mem_fd = FD_CLOSED}, addr, to, len);
}

int process_memory__read_open(int mem_fd, uint32_t pid, uint64_t addr, void *to, size_t len)
{
	return read_whole(&(struct place){.pid = pid, .tid = pid, .mem_fd = mem_fd}, addr, to, len);
}

int process_memory__open(int proc_root_fd, uint32_t pid, uint64_t start_ns, int *ret_fd)
{
	int dir_fd = FD_CLOSED, err;
	struct proc_stat stat;

	err = proc_dir__open(proc_root_fd, pid, start_ns, &dir_fd, &stat);
	if (err)
		return err;
	err = proc_file__open(pid, dir_fd, "mem", O_RDONLY, ret_fd);
	io__close(&dir_fd);
	return err;
}

int process_memory__read_thread(uint32_t pid, uint32_t tid, struct memory_span *spans, size_t n)
{
	const struct place place = {.pid = pid, .tid = tid, .mem_fd = FD_CLOSED};

	for (size_t i = 0; i < n; i++)
		spans[i].is_read = false;
	for (size_t done; n; spans += done, n -= done) {
		int err = read_some(&place, spans, n, &done);

		if (err)
			return err;
	}
	return 0;
}

int process_memory__read_spans(uint32_t pid, struct memory_span *spans, size_t n)
{
	return process_memory__read_thread(pid, pid, spans, n);
}
