/* SPDX-License-Identifier: Apache-2.0 */
#include "user/server/sandbox.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "user/base/err.h"

/* Where the range of our user is not mapped (a container with few ids), "nobody" has to do. */
#define NOBODY_UID 65534

/* What memory, threads, clocks, and sockets that are open already need; and writing to standard error. */
static const int allowed[] = {
	/* memory */
	SCMP_SYS(brk),
	SCMP_SYS(mmap),
	SCMP_SYS(munmap),
	SCMP_SYS(mprotect),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	/* threads and signals of our own */
	SCMP_SYS(futex),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(rseq),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	SCMP_SYS(gettid),
	SCMP_SYS(getpid),
	SCMP_SYS(sched_yield),
	SCMP_SYS(sched_getaffinity),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(rt_sigtimedwait),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(membarrier),
	/* clocks */
	SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(nanosleep),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(getrusage),
	SCMP_SYS(getrandom),
	SCMP_SYS(uname),
	/* files and sockets that are open; no path is ever opened */
	SCMP_SYS(read),
	SCMP_SYS(readv),
	SCMP_SYS(pread64),
	SCMP_SYS(write),
	SCMP_SYS(writev),
	SCMP_SYS(close),
	SCMP_SYS(fstat),
	SCMP_SYS(lseek),
	SCMP_SYS(fcntl),
	SCMP_SYS(recvfrom),
	SCMP_SYS(recvmsg),
	SCMP_SYS(sendto),
	SCMP_SYS(sendmsg),
	SCMP_SYS(accept),
	SCMP_SYS(accept4),
	SCMP_SYS(shutdown),
	SCMP_SYS(getsockname),
	SCMP_SYS(getpeername),
	SCMP_SYS(getsockopt),
	SCMP_SYS(setsockopt),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(epoll_create1),
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(eventfd2),
	SCMP_SYS(sendfile),
	SCMP_SYS(ioctl),
};

/* What looking up a host and connecting to it need besides. */
static const int allowed_to_deliver[] = {
	SCMP_SYS(connect),    SCMP_SYS(bind),       SCMP_SYS(sendmmsg),   SCMP_SYS(recvmmsg),
	SCMP_SYS(newfstatat), SCMP_SYS(stat),       SCMP_SYS(lstat),      SCMP_SYS(statx),
	SCMP_SYS(statfs),     SCMP_SYS(fstatfs),    SCMP_SYS(access),     SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2), SCMP_SYS(readlink),   SCMP_SYS(readlinkat), SCMP_SYS(getdents64),
	SCMP_SYS(pipe2),      SCMP_SYS(socketpair), SCMP_SYS(select),     SCMP_SYS(pselect6),
	SCMP_SYS(getuid),     SCMP_SYS(geteuid),    SCMP_SYS(getgid),     SCMP_SYS(getegid),
	SCMP_SYS(getppid),    SCMP_SYS(prlimit64),  SCMP_SYS(sysinfo),    SCMP_SYS(dup),
};

static int limit_resources(void)
{
	const struct rlimit files = {SANDBOX_FILES_MAX, SANDBOX_FILES_MAX}, none = {0, 0};
	struct rlimit now;
	int err = 0;

	if (setrlimit(RLIMIT_CORE, &none))
		err = -errno;
	if (!err && !getrlimit(RLIMIT_NOFILE, &now) && now.rlim_max > SANDBOX_FILES_MAX &&
	    setrlimit(RLIMIT_NOFILE, &files))
		err = -errno;
#ifndef __SANITIZE_ADDRESS__
	{
		const struct rlimit memory = {SANDBOX_MEMORY, SANDBOX_MEMORY};

		if (!err && setrlimit(RLIMIT_AS, &memory))
			err = -errno;
	}
#endif
	return err;
}

/* Nothing to change where we are nobody already: an agent that was started with capabilities only. */
static int change_user(void)
{
	if (geteuid() && getuid())
		return 0;
	if (setgroups(0, NULL))
		return -errno;
	if (setresgid(SANDBOX_UID, SANDBOX_UID, SANDBOX_UID) && setresgid(NOBODY_UID, NOBODY_UID, NOBODY_UID))
		return -errno;
	if (setresuid(SANDBOX_UID, SANDBOX_UID, SANDBOX_UID) && setresuid(NOBODY_UID, NOBODY_UID, NOBODY_UID))
		return -errno;
	return 0;
}

static int drop_bounding_set(void)
{
	for (int cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
		if (prctl(PR_CAPBSET_DROP, cap) && errno != EPERM)
			return -errno;
	return 0;
}

static int drop_capabilities(void)
{
	capng_clear(CAPNG_SELECT_ALL);
	return capng_apply(CAPNG_SELECT_CAPS) || capng_apply(CAPNG_SELECT_AMBIENT) ? -EPERM : 0;
}

static int allow_to_deliver(scmp_filter_ctx f)
{
	static const int families[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};
	int err = 0;

	for (size_t i = 0; !err && i < sizeof(allowed_to_deliver) / sizeof(*allowed_to_deliver); i++)
		err = seccomp_rule_add(f, SCMP_ACT_ALLOW, allowed_to_deliver[i], 0);
	for (size_t i = 0; !err && i < sizeof(families) / sizeof(*families); i++)
		err = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
				       SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i]));
	/* for reading only */
	if (!err)
		err = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1,
				       SCMP_A2(SCMP_CMP_MASKED_EQ, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY));
	if (!err)
		err = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(open), 1,
				       SCMP_A1(SCMP_CMP_MASKED_EQ, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY));
	return err;
}

static int filter_calls(enum sandbox_kind kind)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int err = f ? 0 : -ENOMEM;

	for (size_t i = 0; !err && i < sizeof(allowed) / sizeof(*allowed); i++)
		err = seccomp_rule_add(f, SCMP_ACT_ALLOW, allowed[i], 0);
	/* Threads, no processes. The flags of clone3 lie in memory where no filter looks: libc falls back to clone. */
	if (!err)
		err = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
				       SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD | CLONE_VM | CLONE_SIGHAND,
					       CLONE_THREAD | CLONE_VM | CLONE_SIGHAND));
	if (!err)
		err = seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	if (!err && kind == SANDBOX_DELIVERS)
		err = allow_to_deliver(f);
	/* fstat() of newer C libraries; the flag does not keep a path out, but nothing is told of a file here than that it is there */
	if (!err && kind == SANDBOX_SERVES)
		err = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(newfstatat), 1,
				       SCMP_A3(SCMP_CMP_EQ, AT_EMPTY_PATH));
	/* abort() and the names of threads */
	if (!err)
		err = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
				       SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
	if (!err)
		err = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1,
				       SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME));
	if (!err)
		err = seccomp_load(f);
	seccomp_release(f);
	return err;
}

/* The collector's thread hurries, and whom it starts inherits that. */
static void give_up_priority(void)
{
	errno = 0;
	if (getpriority(PRIO_PROCESS, 0) < 0 && !errno)
		setpriority(PRIO_PROCESS, 0, 0);
}

int sandbox__enter(enum sandbox_kind kind, struct err *err)
{
	int code;

	give_up_priority();
	code = limit_resources();
	if (code)
		return err__set(err, code, "server: cannot limit itself: %s", strerror(-code));
	code = drop_bounding_set();
	if (!code)
		code = change_user();
	if (!code)
		code = drop_capabilities();
	if (code)
		return err__set(err, code, "server: cannot give up its privileges: %s", strerror(-code));
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) ||
	    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)) /* after the change of user, which clears it */
		return err__set(err, -errno, "server: cannot close itself in: %s", strerror(errno));
	code = filter_calls(kind);
	return code ? err__set(err, code, "server: cannot filter its system calls: %s", strerror(-code)) : 0;
}

/* A user by name, with its groups. */
static int change_user_to(const struct passwd *user)
{
	return initgroups(user->pw_name, user->pw_gid) ||
			       setresgid(user->pw_gid, user->pw_gid, user->pw_gid) ||
			       setresuid(user->pw_uid, user->pw_uid, user->pw_uid)
		       ? -errno
		       : 0;
}

int sandbox__become(const char *user, struct err *err)
{
	const struct passwd *who = NULL;
	int code;

	give_up_priority();
	if (user) {
		errno = 0;
		who = getpwnam(user);
		if (!who)
			return err__set(err, errno ? -errno : -ENOENT, "there is no user '%s'", user);
		if (!who->pw_uid)
			return 0;
	}
	code = drop_bounding_set();
	if (!code)
		code = who ? change_user_to(who) : change_user();
	if (!code)
		code = drop_capabilities();
	if (!code && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		code = -errno;
	return code ? err__set(err, code, "cannot give up privileges: %s", strerror(-code)) : 0;
}
