/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wait_kind - the kinds of things that a thread waits for, by the names of the label `wait`, and the functions of the kernel that tell them.
 *
 * A function has a role and, but for plumbing, a kind. Of a stack the first function with the highest role decides, seen from the leaf:
 *
 *      do_wait_intr_irq       plumbing       passed over: it says that somebody waits, not for what
 *      sk_wait_data           general        some socket
 *      tcp_recvmsg_locked     place          TCP: this is the one
 *      filemap_fault          place
 *      exc_page_fault         purpose        a page fault, whatever it waits for on its way
 *      lock_mm_and_find_vma   locker         as a lock where it is the leaf, else nothing: all that it waits for itself is one
 *      rwsem_down_read_…      lock           contention inside the kernel, whatever it was about
 *
 * Of a thread that does not run, the kernel leaves out what waits for its mutexes and semaphores (__sched): then the leaf is who wanted the lock.
 *
 * Owns: nothing (constant data). Thread: any. Limit: none. Errors: -ENOENT for an unknown name.
 */
#ifndef EVERPROF_CONFIG_WAIT_KIND_H
#define EVERPROF_CONFIG_WAIT_KIND_H

#include <stdbool.h>

/*  id, label, what is waited for */
#define WAIT_KINDS(X)                                                                       \
	X(NONE, "", "not known")                                                            \
	X(CPU, "cpu", "a CPU: it could run")                                                \
	X(FUTEX, "futex", "a lock, condition variable, semaphore or thread of its program") \
	X(EPOLL, "epoll", "any of many files or sockets (epoll)")                           \
	X(POLL, "poll", "any of some files or sockets (poll)")                              \
	X(SELECT, "select", "any of some files or sockets (select)")                        \
	X(IO_URING, "io_uring", "completions of an io_uring")                               \
	X(AIO, "aio", "completions of asynchronous I/O (io_getevents)")                     \
	X(SLEEP, "sleep", "a time")                                                         \
	X(TIMER, "timer", "a timer (timerfd)")                                              \
	X(EVENTFD, "eventfd", "an eventfd")                                                 \
	X(SIGNAL, "signal", "a signal")                                                     \
	X(CHILD, "child", "a child process")                                                \
	X(ACCEPT, "accept", "a connection to a listening socket")                           \
	X(CONNECT, "connect", "a connection of its own to come about")                      \
	X(TCP, "tcp", "data, or room for data, of a TCP connection")                        \
	X(UDP, "udp", "a datagram")                                                         \
	X(UNIX, "unix", "the other end of a Unix socket")                                   \
	X(NETLINK, "netlink", "a message of the kernel (netlink)")                          \
	X(SOCKET, "socket", "some other socket")                                            \
	X(PIPE, "pipe", "the other end of a pipe")                                          \
	X(MESSAGE, "message", "a message queue or semaphore (System V, POSIX)")             \
	X(TTY, "tty", "a terminal")                                                         \
	X(DEVICE, "device", "some other device")                                            \
	X(INOTIFY, "inotify", "changes of files (inotify, fanotify)")                       \
	X(FILE, "file", "reading or writing a file, or its blocks")                         \
	X(FSYNC, "fsync", "that what was written is safe on the disk")                      \
	X(JOURNAL, "journal", "the journal of a file system")                               \
	X(FILE_LOCK, "file lock", "a lock on a file (flock, fcntl)")                        \
	X(FUSE, "fuse", "the program behind a FUSE file system")                            \
	X(NFS, "nfs", "a server of a network file system")                                  \
	X(PAGE_FAULT, "page fault", "a page of its memory to be read in")                   \
	X(MEMORY, "memory", "memory to be freed, or written back")                          \
	X(KERNEL_LOCK, "kernel lock", "a lock inside the kernel")                           \
	X(RCU, "rcu", "other CPUs to pass a point, or a worker of the kernel to be done")   \
	X(STOP, "stop", "to be continued: a signal, a debugger")                            \
	X(FREEZER, "freezer", "to be thawed: its control group, or the file system")        \
	X(KERNEL_THREAD, "kernel thread", "work: a thread of the kernel without any")

enum wait_kind {
#define WAIT_KIND_ID(id, name, text) WAIT_KIND_##id,
	WAIT_KINDS(WAIT_KIND_ID)
#undef WAIT_KIND_ID
		WAIT_KIND_N,
};

/* A higher one beats a lower one. */
enum wait_role {
	WAIT_ROLE_NONE,
	WAIT_ROLE_PLUMBING,
	WAIT_ROLE_GENERAL,
	WAIT_ROLE_PLACE,
	WAIT_ROLE_PURPOSE,
	WAIT_ROLE_LOCKER,
	WAIT_ROLE_LOCK
};

struct wait_function {
	enum wait_role role;
	enum wait_kind kind;
	bool is_writer; /* where it called what waits in a per-CPU semaphore, that is a file system to be thawed */
};

const char *wait_kind__name(enum wait_kind k); /* "" for NONE */
const char *wait_kind__text(enum wait_kind k);
int wait_kind__find(const char *name, enum wait_kind *ret_kind);
/* What a function of the kernel tells; suffixes of compilers (.isra.0) do not matter. */
struct wait_function wait_kind__of_function(const char *name);
/* Where the kernel's frames are not to be had: what a system call waits for whenever it waits; else NONE. */
enum wait_kind wait_kind__of_syscall(const char *name);

#endif
