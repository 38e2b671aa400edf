// SPDX-License-Identifier: Apache-2.0
/*
 * probe_host - the kernel and our privileges, as /proc and /sys tell them.
 *
 * A privilege that is missing here may still be made up for (CAP_SYS_ADMIN stands in for several), and one that is there may be of no use (a user
 * namespace of our own); the trials of probe_bpf and probe_perf have the last word on what can run.
 */
#include "user/kernel/probe_impl.h"
#include "user/process/namespace.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

/* include/linux/proc_ns.h: the first namespaces have fixed inodes */
#define USER_NS_INIT_INO 0xEFFFFFFDull
#define FULL_RELEASE     PROBE_RELEASE(6, 1)
#define OLDEST_RELEASE   PROBE_RELEASE(5, 10)
#define BPF_CAP_RELEASE  PROBE_RELEASE(5, 8)

/* ---- kernel ---- */

static void host__release(struct probe *p, const struct probe_subject *s)
{
	char text[PROBE_FILE_MAX] = "";
	int err = probe__read(p, "proc/sys/kernel/osrelease", text);

	text[strcspn(text, "\n")] = '\0';
	if (err || !p->release)
		probe__say(p, s, PROBE_REDUCED, "not known: /proc/sys/kernel/osrelease cannot be read");
	else if (p->release >= FULL_RELEASE)
		probe__say(p, s, PROBE_OK, "Linux %.200s", text);
	else if (p->release >= OLDEST_RELEASE)
		probe__say(p, s, PROBE_REDUCED, "Linux %.200s, older than 6.1", text);
	else
		probe__say(p, s, PROBE_MISSING, "Linux %.200s, older than 5.10", text);
}

static void host__machine(struct probe *p, const struct probe_subject *s)
{
	struct utsname name;
	const char *machine = p->opts->machine;

	if (!machine)
		machine = uname(&name) ? "unknown" : name.machine;
	probe__say(p, s, strcmp(machine, "x86_64") ? PROBE_MISSING : PROBE_OK, "%s", machine);
}

static void host__btf(struct probe *p, const struct probe_subject *s)
{
	char text[PROBE_FILE_MAX];
	int err = probe__read(p, "sys/kernel/btf/vmlinux", text);

	if (err)
		probe__say(p, s, PROBE_MISSING, "/sys/kernel/btf/vmlinux: %s", strerror(-err));
	else
		probe__say(p, s, PROBE_OK, "/sys/kernel/btf/vmlinux");
}

/* "none [integrity] confidentiality"; the file is there only with securityfs and the lockdown module. */
static void host__lockdown(struct probe *p, const struct probe_subject *s)
{
	char text[PROBE_FILE_MAX];

	if (probe__read(p, "sys/kernel/security/lockdown", text))
		probe__say(p, s, PROBE_OK, "not in use (or securityfs is not mounted)");
	else if (strstr(text, "[confidentiality]"))
		probe__say(p, s, PROBE_MISSING, "confidentiality: BPF programs may not read kernel memory");
	else if (strstr(text, "[integrity]"))
		probe__say(p, s, PROBE_OK, "integrity: forbids nothing that is needed");
	else
		probe__say(p, s, PROBE_OK, "none");
}

static void host__jit(struct probe *p, const struct probe_subject *s)
{
	long long on;

	if (probe__read_number(p, "proc/sys/net/core/bpf_jit_enable", &on))
		probe__say(p, s, PROBE_OK, "not told; assumed to be on");
	else
		probe__say(p, s, on ? PROBE_OK : PROBE_REDUCED, on ? "on" : "off: programs are interpreted");
}

/* ---- privileges ---- */

static void host__user_namespace(struct probe *p, const struct probe_subject *s)
{
	char link[64] = "";
	uint64_t inode = 0;
	ssize_t n = readlinkat(p->root_fd, "proc/self/ns/user", link, sizeof(link) - 1);

	if (n < 0)
		probe__say(p, s, PROBE_OK, "the first (the kernel has no others)");
	else if (!parse_namespace_link(link, "user", &inode) && inode == USER_NS_INIT_INO)
		probe__say(p, s, PROBE_OK, "the first: capabilities are real");
	else
		probe__say(p, s, PROBE_MISSING,
			   "one of its own: capabilities here do not count for the kernel");
}

/* CAP_SYS_ADMIN is what these were split from; DAC_OVERRIDE includes reading. */
static enum probe_capability stands_in(enum probe_capability cap)
{
	switch (cap) {
	case PROBE_CAP_BPF:
	case PROBE_CAP_PERFMON:
	case PROBE_CAP_CHECKPOINT_RESTORE:
		return PROBE_CAP_SYS_ADMIN;
	case PROBE_CAP_DAC_READ_SEARCH:
		return PROBE_CAP_DAC_OVERRIDE;
	default:
		return cap;
	}
}

static void host__capability(struct probe *p, const struct probe_subject *s)
{
	enum probe_capability cap = (enum probe_capability)s->value, other = stands_in(cap);

	if (probe__has(p, cap))
		probe__say(p, s, PROBE_OK, "effective");
	else if (probe__has(p, other))
		probe__say(p, s, PROBE_OK, "%s stands in for it",
			   other == PROBE_CAP_SYS_ADMIN ? "CAP_SYS_ADMIN" : "CAP_DAC_OVERRIDE");
	else
		probe__say(p, s, PROBE_MISSING, "not among the effective capabilities%s",
			   other == PROBE_CAP_SYS_ADMIN && p->release && p->release < BPF_CAP_RELEASE
				   ? "; this kernel wants CAP_SYS_ADMIN"
				   : "");
}

/* Before maps were charged to the memory cgroup, room for them; since then the kernel's own triggers on pressure. */
static void host__sys_resource(struct probe *p, const struct probe_subject *s)
{
	if (probe__has(p, PROBE_CAP_SYS_RESOURCE))
		probe__say(p, s, PROBE_OK, "effective");
	else if (p->release >= PROBE_RELEASE(5, 11))
		probe__say(p, s, PROBE_REDUCED, "not effective: rules on pressure go by its sums alone");
	else
		probe__say(p, s, PROBE_REDUCED, "not among the effective capabilities");
}

/* 3 and 4 are of distributions; they ask for CAP_SYS_ADMIN, some for CAP_PERFMON. */
static void host__paranoid(struct probe *p, const struct probe_subject *s)
{
	long long level;

	if (probe__read_number(p, "proc/sys/kernel/perf_event_paranoid", &level))
		probe__say(p, s, PROBE_MISSING,
			   "no /proc/sys/kernel/perf_event_paranoid: a kernel without perf events");
	else if (level > 2 && !probe__has(p, PROBE_CAP_SYS_ADMIN))
		probe__say(p, s, PROBE_REDUCED, "%lld, and no CAP_SYS_ADMIN", level);
	else
		probe__say(p, s, PROBE_OK, "%lld", level);
}

/* 0: no filter, 2: filter; from the status of this very process. */
static void host__seccomp(struct probe *p, const struct probe_subject *s)
{
	char text[PROBE_FILE_MAX];
	uint64_t mode = 0;

	if (!probe__read(p, "proc/self/status", text))
		parse_status_field(text, "Seccomp", 10, &mode);
	probe__say(p, s, PROBE_OK, mode ? "filtered; the trials tell what it forbids" : "not filtered");
}

#define KERNEL     "kernel"
#define PRIVILEGES "privileges"
#define GIVE_CAPABILITY                                                                                 \
	"run as root, or add it to AmbientCapabilities= (systemd) or securityContext.capabilities.add " \
	"(Kubernetes)"

const struct probe_subject probe_host_subjects[] = {
	{KERNEL, "release", "release", PROBE_FEATURE, host__release,
	 "what the lines below say; kernels before 6.1 lack parts, those before 5.10 are not tried by "
	 "anybody",
	 "use Linux 6.1 or later"},
	{KERNEL, "machine", "processor", PROBE_VITAL, host__machine,
	 "everything: stacks are walked on x86-64 only in this version", "use an x86-64 machine"},
	{KERNEL, "btf", "type information", PROBE_VITAL, host__btf,
	 "everything: programs find the kernel's structures by it",
	 "use a kernel with CONFIG_DEBUG_INFO_BTF (Debian's have it); in a container let /sys show"},
	{KERNEL, "lockdown", "lockdown", PROBE_VITAL, host__lockdown,
	 "everything: no BPF program that reads kernel memory is loaded",
	 "boot with lockdown=integrity or without lockdown"},
	{KERNEL, "bpf_jit", "BPF compiler", PROBE_FEATURE, host__jit,
	 "speed: each sample costs several times as much", "sysctl net.core.bpf_jit_enable=1"},
	{PRIVILEGES, "user_namespace", "user namespace", PROBE_VITAL, host__user_namespace, "everything",
	 "run outside of the user namespace: no rootless container, no PrivateUsers="},
	{PRIVILEGES, "cap_bpf", "CAP_BPF", PROBE_VITAL, host__capability,
	 "everything: no program can be loaded", GIVE_CAPABILITY, PROBE_CAP_BPF},
	{PRIVILEGES, "cap_perfmon", "CAP_PERFMON", PROBE_VITAL, host__capability,
	 "everything: no CPU can be sampled", GIVE_CAPABILITY, PROBE_CAP_PERFMON},
	{PRIVILEGES, "cap_sys_ptrace", "CAP_SYS_PTRACE", PROBE_FEATURE, host__capability,
	 "mappings and files of other users' processes: their stacks have neither names nor unwind tables",
	 GIVE_CAPABILITY, PROBE_CAP_SYS_PTRACE},
	{PRIVILEGES, "cap_checkpoint_restore", "CAP_CHECKPOINT_RESTORE", PROBE_FEATURE, host__capability,
	 "binaries that were deleted or replaced while they run: their frames have no names", GIVE_CAPABILITY,
	 PROBE_CAP_CHECKPOINT_RESTORE},
	{PRIVILEGES, "cap_dac_read_search", "CAP_DAC_READ_SEARCH", PROBE_FEATURE, host__capability,
	 "binaries that their owners let nobody read: no names and no unwind tables", GIVE_CAPABILITY,
	 PROBE_CAP_DAC_READ_SEARCH},
	{PRIVILEGES, "cap_syslog", "CAP_SYSLOG", PROBE_FEATURE, host__capability,
	 "kernel addresses where kernel.kptr_restrict hides them: kernel frames have no names",
	 GIVE_CAPABILITY, PROBE_CAP_SYSLOG},
	{PRIVILEGES, "cap_sys_resource", "CAP_SYS_RESOURCE", PROBE_FEATURE, host__sys_resource,
	 "pressure that lies between two looks, for rules (docs/rules.md); before Linux 5.11 room for BPF "
	 "maps past the limit of locked memory",
	 GIVE_CAPABILITY},
	{PRIVILEGES, "perf_event_paranoid", "perf_event_paranoid", PROBE_FEATURE, host__paranoid,
	 "perf events, if this kernel wants CAP_SYS_ADMIN at that level",
	 "sysctl kernel.perf_event_paranoid=2, or add CAP_SYS_ADMIN"},
	{PRIVILEGES, "seccomp", "system call filter", PROBE_SPARE, host__seccomp, "", ""},
	{0},
};
