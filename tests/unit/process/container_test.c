/* SPDX-License-Identifier: Apache-2.0 */
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

#include "user/process/container.h"
#include "user/process/container_table.h"

#define ID         "4f6f1a7c1d6c1f1c0e4b2a9d8c7b6a5948372615f0e1d2c3b4a5968778695a4b"
#define ID2        "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define UID        "2f3b0c9e-6c1e-4b0a-9d53-0f1e2d3c4b5a"
#define UID_       "2f3b0c9e_6c1e_4b0a_9d53_0f1e2d3c4b5a"
#define STATIC_UID "0f1e2d3c4b5a69788796a5b4c3d2e1f0"

struct golden {
	const char *text, *cgroup, *unit, *id, *pod;
};

static void assert_golden(const struct golden *g, const struct container_names *names)
{
	assert_string_equal(names->cgroup, g->cgroup ? g->cgroup : g->text);
	assert_string_equal(names->unit, g->unit);
	assert_string_equal(names->id, g->id);
	assert_string_equal(names->pod, g->pod);
}

static const struct golden dialects[] = {
	{"/", NULL, "", "", ""},
	{"/init.scope", NULL, "init.scope", "", ""},
	{"/system.slice/nginx.service", NULL, "nginx.service", "", ""},
	{"/system.slice/system-getty.slice/getty@tty1.service", NULL, "getty@tty1.service", "", ""},
	{"/system.slice/my\\x2dapp.service", NULL, "my\\x2dapp.service", "", ""},
	{"/system.slice/_cpu.service", NULL, "cpu.service", "", ""},
	{"/user.slice/user-1000.slice/session-3.scope", NULL, "session-3.scope", "", ""},
	{"/user.slice/user-1000.slice/user@1000.service/app.slice/app-foo.service", NULL, "app-foo.service",
	 "", ""},
	{"/user.slice/user-1000.slice", NULL, "", "", ""},
	/* docker */
	{"/system.slice/docker-" ID ".scope", NULL, "docker-" ID ".scope", ID, ""},
	{"/docker/" ID, NULL, "", ID, ""},
	{"/docker/" ID "/docker/" ID2, NULL, "", ID2, ""},
	{"/docker/" ID "/system.slice/cron.service", NULL, "cron.service", ID, ""},
	{"/system.slice/docker.service", NULL, "docker.service", "", ""},
	{"/docker/buildx", NULL, "", "", ""},
	/* kubernetes, systemd driver */
	{"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" UID_ ".slice/cri-containerd-" ID
	 ".scope",
	 NULL, "cri-containerd-" ID ".scope", ID, UID},
	{"/kubepods.slice/kubepods-pod" UID_ ".slice/cri-containerd-" ID ".scope", NULL,
	 "cri-containerd-" ID ".scope", ID, UID},
	{"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" UID_ ".slice/crio-" ID ".scope",
	 NULL, "crio-" ID ".scope", ID, UID},
	{"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" UID_ ".slice/crio-" ID
	 ".scope/container",
	 NULL, "crio-" ID ".scope", ID, UID},
	{"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" UID_ ".slice/docker-" ID ".scope",
	 NULL, "docker-" ID ".scope", ID, UID},
	{"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" STATIC_UID
	 ".slice/cri-containerd-" ID ".scope",
	 NULL, "cri-containerd-" ID ".scope", ID, STATIC_UID},
	{"/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod" UID_ ".slice/cri-containerd-" ID
	 ".scope",
	 NULL, "cri-containerd-" ID ".scope", ID, UID},
	/* the runtime's monitor is in the pod, not in the container */
	{"/kubepods.slice/kubepods-pod" UID_ ".slice/crio-conmon-" ID ".scope", NULL,
	 "crio-conmon-" ID ".scope", "", UID},
	{"/machine.slice/libpod-conmon-" ID ".scope", NULL, "libpod-conmon-" ID ".scope", "", ""},
	/* kubernetes, cgroupfs driver */
	{"/kubepods/burstable/pod" UID "/" ID, NULL, "", ID, UID},
	{"/kubepods/pod" UID "/" ID, NULL, "", ID, UID},
	{"/kubepods/besteffort/pod" STATIC_UID "/" ID, NULL, "", ID, STATIC_UID},
	{"/kubepods/burstable/pod" UID, NULL, "", "", UID},
	{"/kubepods/burstable/pod" UID "/crio-" ID, NULL, "", ID, UID},
	/* systemd names without systemd */
	{"/system.slice/containerd.service/kubepods-burstable-pod" UID_ ".slice:cri-containerd:" ID, NULL,
	 "containerd.service", ID, UID},
	{"/kubepods-besteffort-pod" UID_ ".slice:crio:" ID, NULL, "", ID, UID},
	{"/system.slice/containerd.service/default/" ID, NULL, "containerd.service", ID, ""},
	/* kubernetes in docker: the innermost */
	{"/docker/" ID2 "/kubelet/kubepods/burstable/pod" UID "/" ID, NULL, "", ID, UID},
	{"/system.slice/docker-" ID2 ".scope/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod" UID_
	 ".slice/cri-containerd-" ID ".scope",
	 NULL, "cri-containerd-" ID ".scope", ID, UID},
	/* podman */
	{"/machine.slice/libpod-" ID ".scope/container", NULL, "libpod-" ID ".scope", ID, ""},
	{"/machine.slice/libpod-" ID ".scope", NULL, "libpod-" ID ".scope", ID, ""},
	{"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" ID ".scope/container", NULL,
	 "libpod-" ID ".scope", ID, ""},
	{"/libpod_parent/libpod-" ID, NULL, "", ID, ""},
	{"/libpod_parent/" ID, NULL, "", ID, ""},
	{"/system.slice/nerdctl-" ID ".scope", NULL, "nerdctl-" ID ".scope", ID, ""},
	/* elsewhere */
	{"/ecs/0123456789abcdef0123456789abcdef/" ID, NULL, "", ID, ""},
	{"/ecs/0123456789abcdef0123456789abcdef/0123456789abcdef0123456789abcdef-1234567890", NULL, "",
	 "0123456789abcdef0123456789abcdef-1234567890", ""},
	{"/lxc.payload.web-1/system.slice/ssh.service", NULL, "ssh.service", "web-1", ""},
	{"/lxc.monitor.web-1", NULL, "", "", ""},
	{"/lxc/101/ns/init.scope", NULL, "init.scope", "101", ""},
	{"/machine.slice/machine-bookworm.scope/payload", NULL, "machine-bookworm.scope", "bookworm", ""},
	{"/machine.slice/systemd-nspawn@web.service/payload/init.scope", NULL, "init.scope", "web", ""},
	{"/machine.slice/machine-qemu\\x2d1\\x2dvm.scope/libvirt", NULL, "machine-qemu\\x2d1\\x2dvm.scope",
	 "", ""},
	/* a container seen from inside another control group namespace */
	{"/../../docker-" ID ".scope", NULL, "docker-" ID ".scope", ID, ""},
	/* near misses */
	{"/docker/" ID "0", NULL, "", "", ""},
	{"/docker-" ID "g.scope", NULL, "docker-" ID "g.scope", "", ""},
	{"/kubepods/podXYZ3b0c9e-6c1e-4b0a-9d53-0f1e2d3c4b5a", NULL, "", "", ""},
	{"/mypod" UID, NULL, "", "", ""},
	{"//a//", NULL, "", "", ""},
};

static void every_dialect_of_a_path_is_understood(void **state)
{
	struct container_names names;

	(void)state;
	for (size_t i = 0; i < sizeof(dialects) / sizeof(dialects[0]); i++) {
		assert_int_equal(parse_cgroup_path(dialects[i].text, strlen(dialects[i].text), &names), 0);
		assert_golden(&dialects[i], &names);
	}
}

static void the_right_hierarchy_is_chosen(void **state)
{
	static const struct golden cases[] = {
		{"0::/system.slice/cron.service\n", "/system.slice/cron.service", "cron.service", "", ""},
		{"0::/system.slice/cron.service", "/system.slice/cron.service", "cron.service", "", ""},
		{"0::/\n", "/", "", "", ""},
		/* version 1 */
		{"12:pids:/system.slice/ssh.service\n5:cpu,cpuacct:/system.slice\n1:name=systemd:/"
		 "system.slice/ssh.service\n",
		 "/system.slice/ssh.service", "ssh.service", "", ""},
		{"11:memory:/docker/" ID "\n1:name=systemd:/docker/" ID "\n", "/docker/" ID, "", ID, ""},
		{"4:memory:/docker/" ID "\n3:cpu:/\n1:name=systemd:/\n", "/docker/" ID, "", ID, ""},
		{"4:memory:/batch/job7\n3:cpu:/\n", "/batch/job7", "", "", ""},
		/* both: the unified one is there, with or without anything in it */
		{"4:memory:/docker/" ID "\n1:name=systemd:/docker/" ID
		 "\n0::/system.slice/containerd.service\n",
		 "/docker/" ID, "", ID, ""},
		{"4:memory:/x\n1:name=systemd:/system.slice/a.service\n0::/\n", "/system.slice/a.service",
		 "a.service", "", ""},
		{"1:name=systemd:/system.slice/a.service\n0::/system.slice/b.service\n",
		 "/system.slice/b.service", "b.service", "", ""},
		/* a control group that was removed under its process */
		{"0::/system.slice/run-1.scope (deleted)\n", "/system.slice/run-1.scope", "run-1.scope", "",
		 ""},
		{"rubbish\n:::\n0::/a.scope\n", "/a.scope", "a.scope", "", ""},
	};
	struct container_names names;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(parse_proc_cgroup(cases[i].text, strlen(cases[i].text), &names), 0);
		assert_golden(&cases[i], &names);
	}
}

static void what_is_no_cgroup_file_is_refused(void **state)
{
	static const char *const bad[] = {
		"", "\n", "0", "0:", "0:/", "0:: ", "0::relative", ":::", "2:name=a:b:/odd:path\n"};
	struct container_names names;
	char *path = malloc(CONTAINER_CGROUP_MAX + 1);

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(parse_proc_cgroup(bad[i], strlen(bad[i]), &names), -EBADMSG);
	assert_int_equal(parse_cgroup_path("", 0, &names), -EBADMSG);
	assert_int_equal(parse_cgroup_path("/a\0b", 4, &names), -EBADMSG);
	memset(path, '/', CONTAINER_CGROUP_MAX + 1);
	assert_int_equal(parse_cgroup_path(path, CONTAINER_CGROUP_MAX, &names), -E2BIG);
	assert_int_equal(parse_cgroup_path(path, CONTAINER_CGROUP_MAX - 1, &names), 0);
	free(path);
}

static void a_name_that_does_not_fit_is_left_out_whole(void **state)
{
	char path[512] = "/system.slice/";
	struct container_names names;

	(void)state;
	memset(path + strlen(path), 'u', CONTAINER_UNIT_MAX);
	strcat(path, ".service");
	assert_int_equal(parse_cgroup_path(path, strlen(path), &names), 0);
	assert_string_equal(names.unit, "");
}

static void a_place_that_one_id_tells_is_known_as_such(void **state)
{
	static const char one[] = "0::/system.slice/cron.service\n";
	static const char both[] = "1:name=systemd:/a\n0::/system.slice/cron.service\n";
	struct container_names names;

	(void)state;
	assert_int_equal(parse_proc_cgroup(one, strlen(one), &names), 0);
	assert_true(names.only_unified);
	assert_int_equal(parse_proc_cgroup(both, strlen(both), &names), 0);
	assert_false(names.only_unified);
}

static void our_own_cgroup_is_read(void **state)
{
	int fd = open("/proc/self", O_RDONLY | O_DIRECTORY);
	struct container_names names;

	(void)state;
	assert_int_equal(read_proc_cgroup(fd, "cgroup", &names), 0);
	assert_int_equal(names.cgroup[0], '/');
	close(fd);
}

static void places_are_shared_and_go_with_their_last_process(void **state)
{
	struct container_table *t = container_table__new();
	struct container_names names;
	struct container *a, *b, *c;

	(void)state;
	parse_cgroup_path("/docker/" ID, strlen("/docker/" ID), &names);
	assert_int_equal(container_table__intern(t, &names, &a), 0);
	assert_int_equal(container_table__intern(t, &names, &b), 0);
	assert_ptr_equal(a, b);
	assert_string_equal(a->id, ID);
	assert_string_equal(a->cgroup, "/docker/" ID);
	parse_cgroup_path("/x.scope", 8, &names);
	assert_int_equal(container_table__intern(t, &names, &c), 0);
	assert_ptr_not_equal(a, c);
	assert_string_equal(c->unit, "x.scope");
	assert_int_equal(container_table__count(t), 2);
	container_table__put(t, a);
	assert_int_equal(container_table__count(t), 2);
	container_table__put(t, b);
	container_table__put(t, NULL);
	assert_int_equal(container_table__count(t), 1);
	container_table__put(t, c);
	assert_int_equal(container_table__count(t), 0);
	container_table__free(t);
}

static void many_places_in_turn_need_no_more_room_than_one(void **state)
{
	struct container_table *t = container_table__new();
	struct container_names names;
	size_t bytes = 0;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		struct container *c;
		char path[64];
		int n = snprintf(path, sizeof(path), "/ci.slice/job-%06d.scope", i);

		parse_cgroup_path(path, (size_t)n, &names);
		assert_int_equal(container_table__intern(t, &names, &c), 0);
		container_table__put(t, c);
		if (i == 0)
			bytes = container_table__bytes(t);
	}
	assert_int_equal(container_table__bytes(t), bytes);
	container_table__free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_dialect_of_a_path_is_understood),
		cmocka_unit_test(the_right_hierarchy_is_chosen),
		cmocka_unit_test(what_is_no_cgroup_file_is_refused),
		cmocka_unit_test(a_name_that_does_not_fit_is_left_out_whole),
		cmocka_unit_test(a_place_that_one_id_tells_is_known_as_such),
		cmocka_unit_test(our_own_cgroup_is_read),
		cmocka_unit_test(places_are_shared_and_go_with_their_last_process),
		cmocka_unit_test(many_places_in_turn_need_no_more_room_than_one),
	};

	return cmocka_run_group_tests_name("container", tests, NULL, NULL);
}
