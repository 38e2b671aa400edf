/* SPDX-License-Identifier: Apache-2.0 */
/* ring - io_uring with one entry: what its worker does, the kernel does, in a thread of the program that never is in user space. */
#ifndef EVERPROF_TESTS_WORKLOADS_RING_H
#define EVERPROF_TESTS_WORKLOADS_RING_H

#include <linux/io_uring.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

struct ring {
	int fd;
	char *queues;
	struct io_uring_sqe *entries;
	struct io_uring_params params;
};

/* False: there is no io_uring here. */
static inline bool ring__open(struct ring *r)
{
	size_t size;

	*r = (struct ring){0};
	r->fd = (int)syscall(SYS_io_uring_setup, 1, &r->params);
	if (r->fd < 0 || !(r->params.features & IORING_FEAT_SINGLE_MMAP))
		return false;
	size = r->params.cq_off.cqes + r->params.cq_entries * sizeof(struct io_uring_cqe) + 4096;
	r->queues = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, IORING_OFF_SQ_RING);
	r->entries = mmap(NULL, r->params.sq_entries * sizeof(*r->entries), PROT_READ | PROT_WRITE,
			  MAP_SHARED, r->fd, (off_t)IORING_OFF_SQES);
	return r->queues != MAP_FAILED && r->entries != MAP_FAILED;
}

static inline unsigned int *ring__at(struct ring *r, unsigned int offset)
{
	return (unsigned int *)(void *)(r->queues + offset);
}

/* By a worker, even where it would not have to wait; which then waits for more. */
static inline bool ring__read(struct ring *r, int fd, char *to, unsigned int n)
{
	unsigned int *cq_head = ring__at(r, r->params.cq_off.head);
	const struct io_uring_cqe *done = (const void *)(r->queues + r->params.cq_off.cqes);
	int result;

	*r->entries = (struct io_uring_sqe){
		.opcode = IORING_OP_READ, .flags = IOSQE_ASYNC, .fd = fd, .addr = (uintptr_t)to, .len = n};
	*ring__at(r, r->params.sq_off.array) = 0;
	__atomic_add_fetch(ring__at(r, r->params.sq_off.tail), 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, r->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) != 1)
		return false;
	result = done[*cq_head & *ring__at(r, r->params.cq_off.ring_mask)].res;
	__atomic_add_fetch(cq_head, 1, __ATOMIC_RELEASE);
	return result == (int)n;
}

#endif
