// SPDX-License-Identifier: Apache-2.0
/*
 * uprobe_holder - probes go away whoever is killed.
 *
 * Problem: a link is a descriptor, and the kernel closes it for whoever is killed. But where the kill comes while that process is within the call that puts probes
 *   in place or takes them away, the kernel cannot touch the pages of others any more (a fatal signal is pending), gives up, and says "failed to unregister,
 *   leaking uprobe": the traps stay in all processes for as long as they live (seen on 6.18, kernel/events/uprobes.c: uprobe_unregister_nosync).
 * Idea: those calls are made by a process that nobody kills when they kill us: in a session of its own, deaf to all signals that can be blocked. When we are gone, its
 *   socket ends; it finishes its call, takes the probes away, and ends. Should somebody kill it alone, we make another, and its first link and the end of it
 *   put right what was left: the kernel goes through all mappings both times.
 * It is a copy of this process that calls nothing but the kernel: no thread, no allocation, no lock that another thread of ours could have held. What it
 *   does not need of us it gives back at once: only loaded objects and the one stack stay. Otherwise each page that we write to later would be copied for its sake.
 * Cost: some 0.3 MB each, of which most is shared with us.
 * Invariants: whoever asks is never in that call himself: the kernel waits in it for the mmap_lock of each process that has the file mapped, which one may keep for ever, and no signal ends that.
 * What it does not do: survive a SIGKILL to both at the same moment (of a whole control group). What that may leave goes with the first window of the next
 *   start (tests/results/crash_windows.md has how often that is, and what it does).
 */
#include "user/kernel/uprobe_holder.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "user/base/clock.h"
#include "user/base/io.h"

#define HOLDER_PATIENCE_S 10
#define KEPT_MAX          64
/* Of user space with 48 bits of address: there is no more of ours. */
#define ADDRESS_END (((uintptr_t)1 << 47) - 4096)
/* AddressSanitizer looks up each access in memory of its own. */
#ifdef __SANITIZE_ADDRESS__
#define IS_SANITIZED true
#else
#define IS_SANITIZED false
#endif
/* Descriptors of the child: what else it inherited is closed. */
#define CHILD_SOCKET 0
#define CHILD_PROG   1

struct request {
	uint32_t n; /* 0: take away */
	uint32_t pid;
	struct uprobe_place places[UPROBE_PLACES_MAX];
};

struct answer {
	int32_t err;
	uint32_t reserved;
	uint64_t cpu_ns;
};

struct uprobe_holder {
	pid_t pid;
	int socket;
	bool is_left, is_gone;
};

/* Memory that the child needs, in order of addresses; n 0: all of it. */
struct kept {
	struct range {
		uintptr_t start, end;
	} ranges[KEPT_MAX];
	uint32_t n;
};

/* ---- what the child keeps ---- */

static int keep(struct kept *k, uintptr_t start, uintptr_t end)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uint32_t at = k->n;

	if (k->n == KEPT_MAX)
		return -E2BIG;
	while (at && k->ranges[at - 1].start > start)
		at--;
	memmove(&k->ranges[at + 1], &k->ranges[at], (k->n - at) * sizeof(*k->ranges));
	k->ranges[at] = (struct range){.start = start & -page, .end = (end + page - 1) & -page};
	k->n++;
	return 0;
}

static int keep_object(struct dl_phdr_info *info, size_t size, void *ctx)
{
	uintptr_t start = UINTPTR_MAX, end = 0;

	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *h = &info->dlpi_phdr[i];
		uintptr_t from = info->dlpi_addr + h->p_vaddr;

		if (h->p_type != PT_LOAD)
			continue;
		start = from < start ? from : start;
		end = from + h->p_memsz > end ? from + h->p_memsz : end;
	}
	return start < end ? keep(ctx, start, end) : 0;
}

/*
 * Loaded objects, and the stack of this thread with its own variables, which are at the end of one that the C library made. Functions of libraries were bound
 * when the program was loaded (-z now): what binds them later needs memory of its own.
 */
static void keep_what_is_needed(struct kept *k)
{
	uintptr_t own = (uintptr_t)&errno;
	pthread_attr_t attr;
	void *stack = NULL;
	size_t size = 0;

	k->n = 0;
	if (IS_SANITIZED || pthread_getattr_np(pthread_self(), &attr))
		return;
	pthread_attr_getstack(&attr, &stack, &size);
	pthread_attr_destroy(&attr);
	if (own - (uintptr_t)stack >= size || keep(k, (uintptr_t)stack, (uintptr_t)stack + size) ||
	    dl_iterate_phdr(keep_object, k))
		k->n = 0;
}

/* ---- the child ---- */

/* `k` is on the stack, which stays. What the kernel will not take stays, too. */
static void give_back(const struct kept *k)
{
	uintptr_t from = 0;

	for (uint32_t i = 0; i < k->n; i++) {
		if (k->ranges[i].start > from)
			munmap((void *)from, k->ranges[i].start - from);
		if (k->ranges[i].end > from)
			from = k->ranges[i].end;
	}
	if (k->n && from < ADDRESS_END)
		munmap((void *)from, ADDRESS_END - from);
}

/* The clocks of the C library are in memory that is gone. */
static uint64_t cpu_ns(void)
{
	struct rusage u = {0};

	getrusage(RUSAGE_SELF, &u);
	return ((uint64_t)u.ru_utime.tv_sec + (uint64_t)u.ru_stime.tv_sec) * NS_PER_SEC +
	       ((uint64_t)u.ru_utime.tv_usec + (uint64_t)u.ru_stime.tv_usec) * 1000;
}

/* A request, and the descriptor that came with it. Negative: nobody will ask any more. */
static ssize_t receive(struct request *r, int *ret_fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = {.iov_base = r, .iov_len = sizeof(*r)};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control.bytes,
			   .msg_controllen = sizeof(control.bytes)};
	ssize_t got = recvmsg(CHILD_SOCKET, &m, MSG_CMSG_CLOEXEC);
	struct cmsghdr *c = got > 0 ? CMSG_FIRSTHDR(&m) : NULL;

	*ret_fd = FD_CLOSED;
	if (c && c->cmsg_type == SCM_RIGHTS)
		memcpy(ret_fd, CMSG_DATA(c), sizeof(*ret_fd));
	return got > 0 ? got : -1;
}

static void serve(void)
{
	static struct request r;
	int link_fd = FD_CLOSED, file_fd;

	while (receive(&r, &file_fd) >= 0) {
		uint64_t cpu = cpu_ns();
		struct answer a = {0};

		io__close(&link_fd);
		if (r.n)
			a.err = file_fd < 0
					? -EBADF
					: uprobe__attach(CHILD_PROG, file_fd, r.places, r.n, r.pid, &link_fd);
		io__close(&file_fd);
		a.cpu_ns = cpu_ns() - cpu;
		if (send(CHILD_SOCKET, &a, sizeof(a), MSG_NOSIGNAL) != sizeof(a))
			break;
	}
	io__close(&link_fd);
}

static _Noreturn void be_child(int socket, int prog_fd, const struct kept *kept)
{
	sigset_t all;

	give_back(kept);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	setsid();
	prctl(PR_SET_NAME, "everprof-probe");
	/* the two may be each other's number, or one of those */
	socket = fcntl(socket, F_DUPFD_CLOEXEC, 3);
	prog_fd = fcntl(prog_fd, F_DUPFD_CLOEXEC, 3);
	if (socket < 0 || prog_fd < 0 || dup2(socket, CHILD_SOCKET) < 0 || dup2(prog_fd, CHILD_PROG) < 0)
		_exit(1);
	syscall(SYS_close_range, CHILD_PROG + 1, ~0u, 0);
	serve();
	_exit(0);
}

/* ---- us ---- */

int uprobe_holder__new(int prog_fd, struct uprobe_holder **ret)
{
	const struct timeval patience = {.tv_sec = HOLDER_PATIENCE_S};
	struct uprobe_holder *h = calloc(1, sizeof(*h));
	struct kept kept;
	int pair[2], err;

	if (!h)
		return -ENOMEM;
	keep_what_is_needed(&kept);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
		err = -errno;
		free(h);
		return err;
	}
	/* as fork, but without a signal at its end, which others may wait for */
	h->pid = (pid_t)syscall(SYS_clone, 0, NULL, NULL, NULL, 0);
	if (!h->pid)
		be_child(pair[1], prog_fd, &kept);
	err = h->pid < 0 ? -errno : 0;
	io__close(&pair[1]);
	h->socket = pair[0];
	if (!err && setsockopt(h->socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)))
		err = -errno;
	if (err) {
		uprobe_holder__free(h);
		return err;
	}
	*ret = h;
	return 0;
}

pid_t uprobe_holder__pid(const struct uprobe_holder *h)
{
	return h->pid;
}

void uprobe_holder__free(struct uprobe_holder *h)
{
	if (!h)
		return;
	io__close(&h->socket);
	if (h->pid > 0 && !h->is_left)
		while (waitpid(h->pid, NULL, __WALL) < 0 && errno == EINTR)
			;
	free(h);
}

void uprobe_holder__leave(struct uprobe_holder *h)
{
	io__close(&h->socket);
	h->is_left = true;
}

bool uprobe_holder__is_gone(struct uprobe_holder *h)
{
	if (h->pid > 0 && !h->is_gone)
		h->is_gone = waitpid(h->pid, NULL, __WALL | WNOHANG) != 0;
	return h->is_gone;
}

static int ask(struct uprobe_holder *h, const struct request *r, size_t len, int file_fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {.bytes = {0}};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)r, .iov_len = len};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};

	if (file_fd >= 0) {
		control.align = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
						 .cmsg_type = SCM_RIGHTS,
						 .cmsg_len = CMSG_LEN(sizeof(file_fd))};
		memcpy(CMSG_DATA(&control.align), &file_fd, sizeof(file_fd));
		m.msg_control = control.bytes;
		m.msg_controllen = sizeof(control.bytes);
	}
	return sendmsg(h->socket, &m, MSG_NOSIGNAL) == (ssize_t)len ? 0 : -EPIPE;
}

static int await(struct uprobe_holder *h, uint64_t *ret_cpu_ns)
{
	struct answer a;
	ssize_t got;

	do
		got = recv(h->socket, &a, sizeof(a), 0);
	while (got < 0 && errno == EINTR);
	if (got < 0 && errno == EAGAIN)
		return -ETIMEDOUT;
	if (got != sizeof(a))
		return -EPIPE;
	*ret_cpu_ns += a.cpu_ns;
	return a.err;
}

int uprobe_holder__attach(struct uprobe_holder *h, int file_fd, const struct uprobe_place *places, uint32_t n,
			  uint32_t pid, uint64_t *ret_cpu_ns)
{
	struct request r;
	int err;

	if (!n || n > UPROBE_PLACES_MAX)
		return -E2BIG;
	r.n = n;
	r.pid = pid;
	memcpy(r.places, places, n * sizeof(*places));
	err = ask(h, &r, offsetof(struct request, places) + n * sizeof(*places), file_fd);
	return err ? err : await(h, ret_cpu_ns);
}

int uprobe_holder__begin_detach(struct uprobe_holder *h)
{
	const struct request r = {.n = 0};

	return ask(h, &r, offsetof(struct request, places), FD_CLOSED);
}

int uprobe_holder__end_detach(struct uprobe_holder *h, uint64_t *ret_cpu_ns)
{
	return await(h, ret_cpu_ns);
}
