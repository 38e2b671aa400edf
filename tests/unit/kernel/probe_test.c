// SPDX-License-Identifier: Apache-2.0
/*
 * The probe on machines that are folders: each test starts from a machine on which everything works, changes one thing, and says what has to be
 * found. What is tried on the running kernel is tested at the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "tests/support/folder.h"
#include "user/base/buf.h"
#include "user/base/io.h"
#include "user/kernel/probe.h"
#include "user/kernel/probe_impl.h"
#include "user/kernel/probe_report.h"

/* All capabilities of Linux 6. */
#define CAPS_ALL "000001ffffffffff"
#define STATUS(caps)                                                                            \
	"Name:\teverprof\nCapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t" caps \
	"\nSeccomp:\t0\n"

struct machine {
	char root[FOLDER_MAX];
	struct probe_opts opts;
	struct probe_report report;
};

static void put(struct machine *m, const char *path, const char *text)
{
	char at[512];
	FILE *f;

	snprintf(at, sizeof(at), "%s/%s", m->root, path);
	*strrchr(at, '/') = '\0';
	assert_int_equal(io__mkdir_p(at, 0755), 0);
	snprintf(at, sizeof(at), "%s/%s", m->root, path);
	f = fopen(at, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void take(struct machine *m, const char *path)
{
	char at[512];

	snprintf(at, sizeof(at), "%s/%s", m->root, path);
	assert_int_equal(unlink(at), 0);
}

static void put_link(struct machine *m, const char *path, const char *to)
{
	char at[512];

	snprintf(at, sizeof(at), "%s/%s", m->root, path);
	*strrchr(at, '/') = '\0';
	assert_int_equal(io__mkdir_p(at, 0755), 0);
	snprintf(at, sizeof(at), "%s/%s", m->root, path);
	unlink(at);
	assert_int_equal(symlink(to, at), 0);
}

static int setup(void **state)
{
	struct machine *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	assert_int_equal(folder__make(m->root), 0);
	put(m, "proc/sys/kernel/osrelease", "6.1.0-21-amd64\n");
	put(m, "proc/sys/kernel/perf_event_paranoid", "2\n");
	put(m, "proc/sys/kernel/kptr_restrict", "0\n");
	put(m, "proc/sys/net/core/bpf_jit_enable", "1\n");
	put(m, "proc/self/status", STATUS(CAPS_ALL));
	put(m, "proc/self/mountinfo",
	    "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n22 1 0:21 / /proc rw,relatime shared:5 - proc proc rw\n");
	put(m, "proc/self/cgroup", "0::/system.slice/everprof.service\n");
	put(m, "proc/self/limits",
	    "Limit                     Soft Limit           Hard Limit           Units     \n"
	    "Max open files            1048576              1048576              files     \n"
	    "Max locked memory         8388608              8388608              bytes     \n");
	put(m, "proc/self/map_files/400000-401000", "");
	put(m, "proc/1/maps", "");
	put(m, "proc/kallsyms", "0000000000000000 A fixed_percpu_data\nffffffff81000000 T _text\n");
	put(m, "sys/kernel/btf/vmlinux", "\x9f\xeb");
	put(m, "sys/fs/cgroup/system.slice/everprof.service/memory.max", "max\n");
	put(m, "usr/lib/debug/readme", "");
	put_link(m, "proc/self/ns/user", "user:[4026531837]");
	put_link(m, "proc/self/ns/pid", "pid:[4026531836]");
	put_link(m, "proc/self/ns/cgroup", "cgroup:[4026531835]");
	m->opts.root = m->root;
	m->opts.machine = "x86_64";
	*state = m;
	return 0;
}

static int teardown(void **state)
{
	struct machine *m = *state;

	assert_int_equal(folder__remove(m->root), 0);
	free(m);
	return 0;
}

static const struct probe_check *look(struct machine *m, const char *name)
{
	const struct probe_check *c;

	assert_int_equal(probe__run(&m->opts, &m->report), 0);
	c = probe_report__find(&m->report, name);
	if (!c)
		fail_msg("no check '%s'", name);
	return c;
}

static const char *verdict(struct machine *m)
{
	static char text[1024];
	struct buf b;

	assert_int_equal(probe__run(&m->opts, &m->report), 0);
	buf__init(&b, 4096);
	probe_report__format_verdict(&m->report, &b);
	snprintf(text, sizeof(text), "%s", buf__str(&b));
	buf__done(&b);
	return text;
}

/* One thing was changed: that check says so, no other does, and the verdict counts it. */
static void expect(struct machine *m, const char *name, enum probe_state state, const char *found)
{
	const struct probe_check *c = look(m, name);

	assert_int_equal(c->state, state);
	if (!strstr(c->found, found))
		fail_msg("'%s' is not in '%s'", found, c->found);
	for (uint32_t i = 0; i < m->report.n; i++)
		if (&m->report.checks[i] != c)
			assert_int_equal(m->report.checks[i].state, PROBE_OK);
	if (state == PROBE_OK)
		return;
	if (c->need != PROBE_SPARE)
		assert_true(strlen(c->lost) > 0 && strlen(c->remedy) > 0);
	if (c->need == PROBE_VITAL && state == PROBE_MISSING) {
		assert_ptr_equal(probe_report__obstacle(&m->report), c);
		assert_ptr_equal(strstr(verdict(m), "cannot run: "), verdict(m));
	} else {
		assert_string_equal(verdict(m), c->need == PROBE_SPARE ? "everything works"
								       : "works, with 1 feature reduced");
	}
}

static void a_good_machine_has_nothing_to_complain_of(void **state)
{
	struct machine *m = *state;

	assert_string_equal(verdict(m), "everything works");
	assert_true(m->report.n >= 20);
	for (uint32_t i = 0; i < m->report.n; i++) {
		assert_int_equal(m->report.checks[i].state, PROBE_OK);
		assert_string_equal(m->report.checks[i].lost, "");
	}
}

static void an_old_kernel_is_reduced_and_an_ancient_one_missing(void **state)
{
	struct machine *m = *state;

	put(m, "proc/sys/kernel/osrelease", "6.0.19\n");
	expect(m, "release", PROBE_REDUCED, "6.0.19");
	put(m, "proc/sys/kernel/osrelease", "5.15.0-100-generic\n");
	expect(m, "release", PROBE_REDUCED, "5.15.0-100-generic");
	put(m, "proc/sys/kernel/osrelease", "10.0.1\n");
	expect(m, "release", PROBE_OK, "10.0.1");
	put(m, "proc/sys/kernel/osrelease", "nonsense\n");
	expect(m, "release", PROBE_REDUCED, "not known");
	/* this one has a limit on locked memory, too: CAP_SYS_RESOURCE overrules it */
	put(m, "proc/sys/kernel/osrelease", "4.19.0-26-amd64\n");
	expect(m, "release", PROBE_MISSING, "older than 5.10");
}

static void another_processor_cannot_run(void **state)
{
	struct machine *m = *state;

	m->opts.machine = "aarch64";
	expect(m, "machine", PROBE_MISSING, "aarch64");
}

static void a_kernel_without_type_information_cannot_run(void **state)
{
	struct machine *m = *state;

	take(m, "sys/kernel/btf/vmlinux");
	expect(m, "btf", PROBE_MISSING, "/sys/kernel/btf/vmlinux: No such file");
}

static void lockdown_counts_by_its_level(void **state)
{
	struct machine *m = *state;

	put(m, "sys/kernel/security/lockdown", "[none] integrity confidentiality\n");
	expect(m, "lockdown", PROBE_OK, "none");
	put(m, "sys/kernel/security/lockdown", "none [integrity] confidentiality\n");
	expect(m, "lockdown", PROBE_OK, "integrity");
	put(m, "sys/kernel/security/lockdown", "none integrity [confidentiality]\n");
	expect(m, "lockdown", PROBE_MISSING, "confidentiality");
}

static void an_interpreted_bpf_is_slow(void **state)
{
	struct machine *m = *state;

	put(m, "proc/sys/net/core/bpf_jit_enable", "0\n");
	expect(m, "bpf_jit", PROBE_REDUCED, "off");
}

static void each_capability_has_its_own_loss(void **state)
{
	static const struct {
		const char *name, *caps;
	} lacking[] = {
		/* all but the one, and but what stands in for it */
		{"cap_bpf", STATUS("0000017fffdfffff")},
		{"cap_perfmon", STATUS("000001bfffdfffff")},
		{"cap_checkpoint_restore", STATUS("000000ffffdfffff")},
		{"cap_sys_ptrace", STATUS("000001fffff7ffff")},
		{"cap_dac_read_search", STATUS("000001fffffffff9")},
		{"cap_syslog", STATUS("000001fbffffffff")},
	};
	struct machine *m = *state;

	for (size_t i = 0; i < sizeof(lacking) / sizeof(*lacking); i++) {
		put(m, "proc/self/status", lacking[i].caps);
		expect(m, lacking[i].name, PROBE_MISSING, "not among the effective");
	}
}

static void older_capabilities_stand_in_for_newer_ones(void **state)
{
	struct machine *m = *state;

	/* DAC_OVERRIDE, SYS_PTRACE, SYS_ADMIN, SYS_RESOURCE, SYSLOG: what there was before Linux 5.8 */
	put(m, "proc/self/status", STATUS("0000000401280002"));
	expect(m, "cap_bpf", PROBE_OK, "CAP_SYS_ADMIN stands in");
	expect(m, "cap_dac_read_search", PROBE_OK, "CAP_DAC_OVERRIDE stands in");
}

static void nobody_cannot_run_and_is_told_by_one_line(void **state)
{
	struct machine *m = *state;

	put(m, "proc/self/status", STATUS("0000000000000000"));
	assert_non_null(strstr(verdict(m), "cannot run: CAP_BPF: "));
	assert_null(strchr(verdict(m), '\n'));
}

static void capabilities_of_a_user_namespace_are_not_real(void **state)
{
	struct machine *m = *state;

	put_link(m, "proc/self/ns/user", "user:[4026532000]");
	expect(m, "user_namespace", PROBE_MISSING, "do not count");
	take(m, "proc/self/ns/user"); /* CONFIG_USER_NS=n */
	expect(m, "user_namespace", PROBE_OK, "no others");
}

static void a_raised_paranoid_level_wants_sys_admin(void **state)
{
	struct machine *m = *state;

	put(m, "proc/sys/kernel/perf_event_paranoid", "4\n");
	expect(m, "perf_event_paranoid", PROBE_OK, "4");
	put(m, "proc/self/status", STATUS("000001ffffdfffff")); /* no CAP_SYS_ADMIN */
	expect(m, "perf_event_paranoid", PROBE_REDUCED, "4, and no CAP_SYS_ADMIN");
	put(m, "proc/sys/kernel/perf_event_paranoid", "-1\n");
	expect(m, "perf_event_paranoid", PROBE_OK, "-1");
}

static void other_namespaces_are_told(void **state)
{
	struct machine *m = *state;

	put_link(m, "proc/self/ns/pid", "pid:[4026532412]");
	expect(m, "pid_namespace", PROBE_MISSING, "one of its own");
	put_link(m, "proc/self/ns/pid", "pid:[4026531836]");
	put_link(m, "proc/self/ns/cgroup", "cgroup:[4026532413]");
	expect(m, "cgroup_namespace", PROBE_REDUCED, "one of its own");
}

static void hidden_processes_are_seen_with_ptrace_only(void **state)
{
	static const char hidden[] = "22 1 0:21 / /proc rw,relatime - proc proc rw,gid=4,hidepid=invisible\n";
	struct machine *m = *state;

	put(m, "proc/self/mountinfo", hidden);
	expect(m, "hidepid", PROBE_OK, "hidepid=invisible, which CAP_SYS_PTRACE overrules");
	put(m, "proc/self/status", STATUS("000001fffff7ffff"));
	assert_int_equal(look(m, "hidepid")->state, PROBE_MISSING);
	put(m, "proc/self/mountinfo", "22 1 0:21 / /proc rw - proc proc rw,hidepid=0\n");
	assert_int_equal(look(m, "hidepid")->state, PROBE_OK);
	/* the mount that came last is the one that is seen */
	put(m, "proc/self/mountinfo",
	    "22 1 0:21 / /proc rw - proc proc rw,hidepid=2\n40 22 0:50 / /proc rw - proc proc rw\n");
	assert_int_equal(look(m, "hidepid")->state, PROBE_OK);
}

static void map_files_that_cannot_be_followed_are_told(void **state)
{
	struct machine *m = *state;

	put_link(m, "proc/self/map_files/400000-401000", "/nowhere/at/all");
	expect(m, "map_files", PROBE_MISSING, "cannot be followed");
}

static void kernel_symbols_without_addresses_are_none(void **state)
{
	struct machine *m = *state;

	put(m, "proc/kallsyms", "0000000000000000 T _text\n0000000000000000 T start_kernel\n");
	put(m, "proc/sys/kernel/kptr_restrict", "2\n");
	expect(m, "kallsyms", PROBE_MISSING, "kernel.kptr_restrict is 2");
	take(m, "proc/kallsyms");
	expect(m, "kallsyms", PROBE_MISSING, "No such file");
}

static void debug_files_are_looked_for_where_they_are_configured(void **state)
{
	static const char *const dirs[] = {"/opt/debug", "/srv/debug"};
	struct machine *m = *state;

	m->opts.debug_directories = dirs;
	m->opts.n_debug_directories = 2;
	expect(m, "debug_files", PROBE_MISSING, "no /opt/debug");
	put(m, "srv/debug/readme", "");
	expect(m, "debug_files", PROBE_OK, "/srv/debug");
}

static void too_few_open_files_are_told(void **state)
{
	struct machine *m = *state;

	put(m, "proc/self/limits",
	    "Max open files            256                  1048576              files     \n");
	expect(m, "open_files", PROBE_REDUCED, "256, up to ");
	put(m, "proc/self/limits",
	    "Max open files            unlimited            unlimited            files     \n");
	assert_int_equal(look(m, "open_files")->state, PROBE_OK);
}

static void locked_memory_bounds_maps_of_old_kernels(void **state)
{
	struct machine *m = *state;

	put(m, "proc/sys/kernel/osrelease", "5.10.0-32-amd64\n");
	put(m, "proc/self/status", STATUS("000001fffeffffff")); /* no CAP_SYS_RESOURCE */
	assert_int_equal(look(m, "locked_memory")->state, PROBE_REDUCED);
	assert_string_equal(look(m, "locked_memory")->found,
			    "8192 KiB, and CAP_SYS_RESOURCE to raise it is missing");
	assert_int_equal(look(m, "cap_sys_resource")->state, PROBE_REDUCED);
	put(m, "proc/sys/kernel/osrelease", "5.11.0\n");
	assert_int_equal(look(m, "locked_memory")->state, PROBE_OK);
	/* not for maps any more */
	assert_int_equal(look(m, "cap_sys_resource")->state, PROBE_REDUCED);
	assert_string_equal(look(m, "cap_sys_resource")->found,
			    "not effective: rules on pressure go by its sums alone");
}

static void the_smallest_memory_limit_up_the_tree_counts(void **state)
{
	struct machine *m = *state;

	put(m, "sys/fs/cgroup/system.slice/everprof.service/memory.max", "1073741824\n");
	expect(m, "memory", PROBE_OK, "1024 MiB from a control group");
	put(m, "sys/fs/cgroup/system.slice/memory.max", "33554432\n");
	expect(m, "memory", PROBE_REDUCED, "32 MiB from a control group, 64 MiB are wanted");
	m->opts.memory_bytes = 16u << 20;
	expect(m, "memory", PROBE_OK, "32 MiB");
}

static void the_first_version_of_control_groups_is_read_too(void **state)
{
	struct machine *m = *state;

	put(m, "proc/self/cgroup", "9:name=systemd:/x\n4:cpu,memory:/a/b\n0::/\n");
	put(m, "sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "9223372036854771712\n"); /* no limit */
	expect(m, "memory", PROBE_OK, "no limit");
	put(m, "sys/fs/cgroup/memory/a/memory.limit_in_bytes", "1048576\n");
	expect(m, "memory", PROBE_REDUCED, "1 MiB");
	/* a path that leads out of its namespace is not followed */
	put(m, "proc/self/cgroup", "4:memory:/../../a/b\n");
	expect(m, "memory", PROBE_OK, "no limit");
}

static void a_container_is_told(void **state)
{
	struct machine *m = *state;

	put(m, "proc/self/cgroup", "0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-0123.scope\n");
	expect(m, "container", PROBE_OK, "in a container (kubepods)");
	put(m, ".dockerenv", "");
	expect(m, "container", PROBE_OK, "in a container (docker)");
}

static void the_store_is_tried_and_nothing_is_left_in_it(void **state)
{
	struct machine *m = *state;
	char store[128], file[256];

	snprintf(store, sizeof(store), "%s/var/lib/everprof", m->root);
	m->opts.store = store;
	assert_int_equal(look(m, "store")->state, PROBE_OK);
	assert_non_null(strstr(look(m, "store")->found, "(to be made)"));
	assert_int_equal(access(store, F_OK), -1);
	assert_int_equal(io__mkdir_p(store, 0755), 0);
	assert_int_equal(look(m, "store")->state, PROBE_OK);
	assert_null(strstr(look(m, "store")->found, "(to be made)"));
	assert_int_equal(rmdir(store), 0); /* empty */
	snprintf(file, sizeof(file), "%s/usr/lib/debug/readme/store", m->root);
	m->opts.store = file;
	expect(m, "store", PROBE_MISSING, "Not a directory");
}

static void an_empty_root_gives_findings_and_no_error(void **state)
{
	struct machine *m = *state;
	char empty[128];

	snprintf(empty, sizeof(empty), "%s/usr/lib/debug", m->root);
	m->opts.root = empty;
	assert_non_null(strstr(verdict(m), "cannot run: "));
	m->opts.root = "/nowhere/at/all";
	assert_int_equal(probe__run(&m->opts, &m->report), -ENOENT);
}

/* ---- texts ---- */

static void formats_of_proc_are_parsed_strictly(void **state)
{
	uint64_t soft = 1, hard = 2, n = 3;
	char text[PROBE_TEXT_MAX];
	uint32_t release = 0;

	(void)state;
	assert_int_equal(parse_kernel_release("6.12.117+deb12-amd64", &release), 0);
	assert_int_equal(release, PROBE_RELEASE(6, 12));
	assert_int_equal(parse_kernel_release("", &release), -EBADMSG);
	assert_int_equal(parse_kernel_release("-1.2", &release), -EBADMSG);
	assert_int_equal(parse_kernel_release("6", &release), -EBADMSG);
	assert_int_equal(parse_kernel_release("99999.99999", &release), -EBADMSG);
	assert_int_equal(parse_limit("Max open files\n", "Max open files", &soft, &hard), -ENOENT);
	assert_int_equal(parse_limit("Max open files   5\n", "Max open files", &soft, &hard), -EBADMSG);
	assert_int_equal(soft, 1);
	assert_int_equal(
		parse_limit("Max x  1 2\nMax open files  5  unlimited", "Max open files", &soft, &hard), 0);
	assert_int_equal(soft, 5);
	assert_true(hard == UINT64_MAX);
	assert_int_equal(parse_status_field("NotCapEff:\t1\nCapEff:\tff\n", "CapEff", 16, &n), 0);
	assert_int_equal(n, 0xff);
	assert_int_equal(parse_status_field("CapEff:\t-1\n", "CapEff", 16, &n), -EBADMSG);
	assert_int_equal(parse_status_field("CapEff:\n", "CapEff", 16, &n), -EBADMSG);
	assert_int_equal(parse_status_field("CapEff:\tfffffffffffffffff\n", "CapEff", 16, &n), -EBADMSG);
	parse_proc_mount("22 1 0:21 / /proc/fs rw - proc proc hidepid=2\n9 /proc - proc\n", text);
	assert_string_equal(text, "");
	assert_int_equal(parse_own_cgroup("4:memoryx:/a\n", "memory", text), -ENOENT);
	assert_int_equal(parse_own_cgroup("::::\n0:\n0::relative\n", "", text), -ENOENT);
	assert_int_equal(parse_own_cgroup("1:net,memory,x:/a:b\n", "memory", text), 0);
	assert_string_equal(text, "/a:b");
}

static void json_holds_each_check_and_the_verdict(void **state)
{
	struct machine *m = *state;
	json_t *root, *checks, *c;
	struct buf b;

	put(m, "proc/sys/kernel/osrelease", "5.15.0-\xff\x1b[31m\n");
	assert_int_equal(probe__run(&m->opts, &m->report), 0);
	buf__init(&b, 1u << 20);
	assert_int_equal(probe_report__encode_json(&m->report, &b), 0);
	root = json_loads(buf__str(&b), 0, NULL);
	assert_non_null(root);
	assert_string_equal(json_string_value(json_object_get(root, "verdict")),
			    "works, with 1 feature reduced");
	assert_true(json_is_true(json_object_get(root, "can_run")));
	assert_int_equal(json_integer_value(json_object_get(root, "reduced")), 1);
	checks = json_object_get(root, "checks");
	assert_int_equal(json_array_size(checks), m->report.n);
	c = json_array_get(checks, 0);
	assert_string_equal(json_string_value(json_object_get(c, "name")), "release");
	assert_string_equal(json_string_value(json_object_get(c, "state")), "reduced");
	assert_string_equal(json_string_value(json_object_get(c, "need")), "feature");
	assert_true(strlen(json_string_value(json_object_get(c, "remedy"))) > 0);
	json_decref(root);
	buf__done(&b);
}

static void text_has_colours_only_where_they_are_wanted(void **state)
{
	struct machine *m = *state;
	struct buf b;

	put(m, "proc/sys/kernel/osrelease", "5.15.0-\x1b[31m\n");
	assert_int_equal(probe__run(&m->opts, &m->report), 0);
	buf__init(&b, 1u << 20);
	probe_report__format(&m->report, false, &b);
	assert_null(strchr(buf__str(&b), '\033')); /* not from the system's texts either */
	assert_non_null(strstr(buf__str(&b), "reduced   release"));
	assert_non_null(strstr(buf__str(&b), "lost: "));
	assert_non_null(strstr(buf__str(&b), "to do: use Linux 6.1 or later\n"));
	assert_non_null(strstr(buf__str(&b), "\nworks, with 1 feature reduced\n"));
	buf__clear(&b);
	probe_report__format(&m->report, true, &b);
	assert_non_null(strstr(buf__str(&b), "\033[33mreduced"));
	buf__done(&b);
}

static void a_full_report_takes_no_more(void **state)
{
	struct machine *m = *state;
	struct probe_check c = {.group = "g", .name = "n", .title = "t", .lost = "", .remedy = ""};

	for (int i = 0; i < PROBE_CHECKS_MAX + 5; i++)
		probe_report__add(&m->report, &c);
	assert_int_equal(m->report.n, PROBE_CHECKS_MAX);
}

/* ---- this machine ---- */

static uint32_t open_files(void)
{
	uint32_t n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void trials_on_this_machine_leave_no_descriptor_behind(void **state)
{
	const struct probe_opts live = {.live = true};
	struct machine *m = *state;
	uint32_t before = open_files();
	const struct probe_check *c;

	assert_int_equal(probe__run(&live, &m->report), 0);
	assert_int_equal(open_files(), before);
	c = probe_report__find(&m->report, "programs");
	assert_non_null(c);
	/* the parts and the whole agree */
	if (c->state == PROBE_OK)
		for (uint32_t i = 0; i < m->report.n; i++)
			if (!strcmp(m->report.checks[i].group, "BPF") &&
			    m->report.checks[i].need == PROBE_VITAL)
				assert_int_equal(m->report.checks[i].state, PROBE_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_good_machine_has_nothing_to_complain_of),
		TEST(an_old_kernel_is_reduced_and_an_ancient_one_missing),
		TEST(another_processor_cannot_run),
		TEST(a_kernel_without_type_information_cannot_run),
		TEST(lockdown_counts_by_its_level),
		TEST(an_interpreted_bpf_is_slow),
		TEST(each_capability_has_its_own_loss),
		TEST(older_capabilities_stand_in_for_newer_ones),
		TEST(nobody_cannot_run_and_is_told_by_one_line),
		TEST(capabilities_of_a_user_namespace_are_not_real),
		TEST(a_raised_paranoid_level_wants_sys_admin),
		TEST(other_namespaces_are_told),
		TEST(hidden_processes_are_seen_with_ptrace_only),
		TEST(map_files_that_cannot_be_followed_are_told),
		TEST(kernel_symbols_without_addresses_are_none),
		TEST(debug_files_are_looked_for_where_they_are_configured),
		TEST(too_few_open_files_are_told),
		TEST(locked_memory_bounds_maps_of_old_kernels),
		TEST(the_smallest_memory_limit_up_the_tree_counts),
		TEST(the_first_version_of_control_groups_is_read_too),
		TEST(a_container_is_told),
		TEST(the_store_is_tried_and_nothing_is_left_in_it),
		TEST(an_empty_root_gives_findings_and_no_error),
		TEST(formats_of_proc_are_parsed_strictly),
		TEST(json_holds_each_check_and_the_verdict),
		TEST(text_has_colours_only_where_they_are_wanted),
		TEST(a_full_report_takes_no_more),
		TEST(trials_on_this_machine_leave_no_descriptor_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
