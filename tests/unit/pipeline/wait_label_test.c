// SPDX-License-Identifier: Apache-2.0
/* Stacks of the kernel as /proc/PID/stack of programs that waited in each way had them (6.18; some of 6.1), and which pattern calls them idle. */
#include "tests/unit/pipeline/window.h"

#include <fnmatch.h>

#include "bpf/frame.h"
#include "bpf/wait.h"
#include "user/base/arena.h"
#include "user/config/idle_pattern.h"
#include "user/config/yaml.h"
#include "user/pipeline/idle_match.h"
#include "user/pipeline/wait_label.h"
#include "user/profile/profile.h"

#define KERNEL     0xffffffff81000000ull
#define FRAMES_MAX 256

/* A window of waits whose frames have the names that the test says. */
struct waits {
	struct window *w;
	struct profile *p;
	struct idle_match *idle;
	char names[FRAMES_MAX][64];
	uint64_t words[FRAMES_MAX];
	uint32_t n;
	uint32_t *locations;
	struct wait_labels *labels;
};

static int setup(void **state)
{
	struct waits *s = calloc(1, sizeof(*s));

	s->w = begun_window();
	s->w->event = EVENT_OFFCPU;
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct waits *s = *state;

	wait_labels__free(s->labels);
	profile__free(s->p);
	idle_match__unref(s->idle);
	window__unref(s->w);
	free(s->locations);
	free(s);
	return 0;
}

/* The word of a function: the kernel's before the blank bar, the program's after it. */
static uint64_t word_of(struct waits *s, const char *name, size_t len, bool is_kernel)
{
	for (uint32_t i = 0; i < s->n; i++)
		if (strlen(s->names[i]) == len && !memcmp(s->names[i], name, len))
			return s->words[i];
	assert_true(s->n < FRAMES_MAX);
	memcpy(s->names[s->n], name, len);
	s->words[s->n] = is_kernel ? KERNEL + s->n * 16 : frame_of_raw(0x1000 + s->n * 16);
	return s->words[s->n++];
}

/* A row: "leaf caller … | leaf of the program …", its state and system call. */
static void add_row(struct waits *s, const char *stack, enum wait_state state, int syscall, uint32_t tgid,
		    const char *comm)
{
	uint64_t words[64];
	uint32_t n = 0;
	bool is_kernel = true;

	while (*stack) {
		size_t len = strcspn(stack, " ");

		if (len == 1 && *stack == '|')
			is_kernel = false;
		else
			words[n++] = word_of(s, stack, len, is_kernel);
		stack += len + strspn(stack + len, " ");
	}
	struct window_sample sample = {
		.process = process_of(s->w, tgid),
		.tid = s->w->n_rows + 1,
		.comm = comm,
		.words = words,
		.n_words = n,
		.count = 1,
		.value = 1,
		.tag = {.event = EVENT_OFFCPU, .state = (uint8_t)state, .syscall = (int16_t)syscall},
	};

	assert_int_equal(window__add(s->w, &sample, NULL, NULL), 0);
}

static void set_idle(struct waits *s, const char *yaml)
{
	struct idle_list list;
	struct arena arena;
	struct yaml y;

	arena__init(&arena, 8 << 20);
	assert_int_equal(yaml__parse("t", yaml, strlen(yaml), &y, NULL), 0);
	assert_int_equal(idle_list__take(y.root, &arena, &list, NULL), 0);
	assert_int_equal(idle_match__new(&list, &s->idle), 0);
	yaml__done(&y);
	arena__done(&arena);
}

static const char *name_of(const struct waits *s, uint64_t word)
{
	for (uint32_t i = 0; i < s->n; i++)
		if (s->words[i] == word)
			return s->names[i];
	fail_msg("%llx is no frame", (unsigned long long)word);
	return NULL;
}

/* All rows are in; names for their frames. */
static void name(struct waits *s)
{
	end_window(s->w);
	s->p = profile__new(NULL);
	s->locations = calloc(s->w->n_frames + 1, sizeof(*s->locations));
	for (uint32_t i = 0; i < s->w->n_frames; i++) {
		const char *text = name_of(s, s->w->frames[i].word);
		struct function f = {0};
		struct line l = {0};

		assert_int_equal(profile__string(s->p, text, &f.name), 0);
		assert_int_equal(profile__function(s->p, &f, &l.function), 0);
		assert_int_equal(profile__location(s->p, 0, 16 + i, false, &l, 1, &s->locations[i]), 0);
	}
	assert_int_equal(wait_labels__new(s->w, s->p, s->locations, s->idle, &s->labels), 0);
}

static struct wait_label label(struct waits *s, uint32_t row)
{
	return wait_labels__of(s->labels, &s->w->rows[row]);
}

#define SYSCALL_END "do_syscall_64 entry_SYSCALL_64_after_hwframe"

/* clang-format off */
static const struct {
	const char *stack, *wait;
	enum wait_state state;
	int syscall;
} known_rows[] = {
	{"__schedule schedule futex_do_wait __futex_wait futex_wait do_futex "
	 "__x64_sys_futex " SYSCALL_END,
	 "futex", WAIT_BLOCKED, 202},
	{"__schedule schedule futex_wait_queue_me futex_wait do_futex " SYSCALL_END, "futex",
	 WAIT_BLOCKED, 202},
	{"do_epoll_wait __x64_sys_epoll_wait " SYSCALL_END, "epoll", WAIT_BLOCKED, 232},
	{"schedule_hrtimeout_range_clock ep_poll do_epoll_wait " SYSCALL_END, "epoll", WAIT_BLOCKED,
	 232},
	{"poll_schedule_timeout.constprop.0 do_sys_poll __x64_sys_poll " SYSCALL_END, "poll",
	 WAIT_BLOCKED, 7},
	{"poll_schedule_timeout.constprop.0 do_select core_sys_select "
	 "do_pselect.constprop.0 " SYSCALL_END,
	 "select", WAIT_BLOCKED, 270},
	{"hrtimer_nanosleep common_nsleep __x64_sys_clock_nanosleep " SYSCALL_END, "sleep",
	 WAIT_BLOCKED, 230},
	{"anon_pipe_read vfs_read ksys_read " SYSCALL_END, "pipe", WAIT_BLOCKED, 0},
	{"unix_stream_read_generic unix_stream_recvmsg sock_recvmsg sock_read_iter vfs_read "
	 "ksys_read " SYSCALL_END,
	 "unix", WAIT_BLOCKED, 0},
	{"sock_alloc_send_pskb unix_dgram_sendmsg sock_write_iter vfs_write " SYSCALL_END, "unix",
	 WAIT_BLOCKED, 1},
	{"__skb_wait_for_more_packets __unix_dgram_recvmsg sock_recvmsg " SYSCALL_END, "unix",
	 WAIT_BLOCKED, 0},
	{"__skb_wait_for_more_packets __skb_recv_udp udp_recvmsg sock_recvmsg " SYSCALL_END, "udp",
	 WAIT_BLOCKED, 0},
	{"__skb_wait_for_more_packets __skb_recv_datagram skb_recv_datagram packet_recvmsg "
	 "sock_recvmsg " SYSCALL_END,
	 "socket", WAIT_BLOCKED, 0},
	{"__skb_wait_for_more_packets __skb_recv_datagram skb_recv_datagram netlink_recvmsg "
	 "sock_recvmsg " SYSCALL_END,
	 "netlink", WAIT_BLOCKED, 0},
	{"wait_woken sk_wait_data tcp_recvmsg_locked tcp_recvmsg sock_recvmsg " SYSCALL_END, "tcp",
	 WAIT_BLOCKED, 0},
	{"wait_woken sk_stream_wait_memory tcp_sendmsg_locked tcp_sendmsg " SYSCALL_END, "tcp",
	 WAIT_BLOCKED, 1},
	{"wait_woken __inet_stream_connect inet_stream_connect __sys_connect " SYSCALL_END, "connect",
	 WAIT_BLOCKED, 42},
	{"inet_csk_accept inet_accept do_accept __sys_accept4 " SYSCALL_END, "accept", WAIT_BLOCKED,
	 43},
	{"__skb_wait_for_more_packets __skb_recv_datagram skb_recv_datagram unix_accept "
	 "do_accept " SYSCALL_END,
	 "accept", WAIT_BLOCKED, 43},
	{"do_wait_intr_irq eventfd_read vfs_read " SYSCALL_END, "eventfd", WAIT_BLOCKED, 0},
	{"do_wait_intr_irq timerfd_read_iter vfs_read " SYSCALL_END, "timer", WAIT_BLOCKED, 0},
	{"wait_woken inotify_read vfs_read " SYSCALL_END, "inotify", WAIT_BLOCKED, 0},
	{"do_wait kernel_wait4 " SYSCALL_END, "child", WAIT_BLOCKED, 61},
	{"kernel_clone __do_sys_vfork " SYSCALL_END, "child", WAIT_DISK, 58},
	{"do_sigtimedwait.isra.0 __x64_sys_rt_sigtimedwait " SYSCALL_END, "signal", WAIT_BLOCKED,
	 128},
	{"locks_lock_inode_wait __do_sys_flock " SYSCALL_END, "file lock", WAIT_BLOCKED, 73},
	{"do_msgrcv " SYSCALL_END, "message", WAIT_BLOCKED, 70},
	{"wait_woken n_tty_read tty_read vfs_read " SYSCALL_END, "tty", WAIT_BLOCKED, 0},
	{"io_cqring_wait __do_sys_io_uring_enter " SYSCALL_END, "io_uring", WAIT_BLOCKED, 426},
	{"io_schedule __iomap_dio_rw iomap_dio_rw ext4_file_read_iter vfs_read " SYSCALL_END, "file",
	 WAIT_DISK, 17},
	{"io_schedule folio_wait_bit_common filemap_fault __do_fault handle_mm_fault exc_page_fault "
	 "asm_exc_page_fault",
	 "page fault", WAIT_DISK, -1},
	{"handle_userfault __handle_mm_fault handle_mm_fault exc_page_fault asm_exc_page_fault",
	 "page fault", WAIT_BLOCKED, -1},
	{"schedule rwsem_down_read_slowpath down_read_killable lock_mm_and_find_vma exc_page_fault "
	 "asm_exc_page_fault",
	 "kernel lock", WAIT_DISK, -1},
	{"io_schedule folio_wait_bit_common folio_wait_writeback __filemap_fdatawait_range "
	 "file_write_and_wait_range ext4_sync_file vfs_fsync_range " SYSCALL_END,
	 "fsync", WAIT_DISK, 74},
	{"schedule jbd2_log_wait_commit jbd2_complete_transaction ext4_sync_file "
	 "do_fsync " SYSCALL_END,
	 "fsync", WAIT_DISK, 74},
	{"schedule wait_transaction_locked add_transaction_credits start_this_handle "
	 "ext4_dirty_inode " SYSCALL_END,
	 "journal", WAIT_DISK, 1},
	{"do_signal_stop get_signal arch_do_signal_or_restart exit_to_user_mode_loop " SYSCALL_END,
	 "stop", WAIT_STOPPED, 234},
	{"do_freezer_trap get_signal arch_do_signal_or_restart " SYSCALL_END, "freezer", WAIT_STOPPED,
	 234},
	/* the kernel leaves out of a sleeper's stack what waits for its locks */
	{"lock_mm_and_find_vma exc_page_fault asm_exc_page_fault", "kernel lock", WAIT_DISK, -1},
	{"dup_mmap copy_process kernel_clone __do_sys_clone " SYSCALL_END, "kernel lock", WAIT_DISK, 56},
	{"folio_wait_bit_common lock_mm_and_find_vma exc_page_fault", "page fault", WAIT_DISK, -1},
	{"schedule percpu_rwsem_wait mnt_want_write path_openat do_filp_open " SYSCALL_END, "freezer",
	 WAIT_DISK, 257},
	{"percpu_rwsem_wait vfs_write __x64_sys_pwrite64 " SYSCALL_END, "freezer", WAIT_DISK, 18},
	{"percpu_rwsem_wait __percpu_down_read vfs_write ksys_write " SYSCALL_END, "freezer", WAIT_DISK, 1}, /* 6.1 */
	{"percpu_rwsem_wait ext4_page_mkwrite do_page_mkwrite do_wp_page exc_page_fault asm_exc_page_fault",
	 "freezer", WAIT_DISK, -1},
	{"percpu_rwsem_wait cgroup_procs_write vfs_write " SYSCALL_END, "kernel lock", WAIT_DISK, 1},
	{"folio_wait_bit_common ext4_page_mkwrite do_page_mkwrite do_wp_page exc_page_fault asm_exc_page_fault",
	 "page fault", WAIT_DISK, -1},
	{"get_signal arch_do_signal_or_restart irqentry_exit_to_user_mode asm_sysvec_apic_timer_interrupt",
	 "freezer", WAIT_STOPPED, -1},
	{"schedule percpu_rwsem_wait cgroup_threadgroup_change_begin " SYSCALL_END, "kernel lock", WAIT_DISK, 56},
	{"schedule worker_thread kthread ret_from_fork ret_from_fork_asm", "kernel thread",
	 WAIT_BLOCKED, -1},
	{"schedule some_driver_sleeps process_one_work worker_thread kthread ret_from_fork", "",
	 WAIT_BLOCKED, -1},
	{"schedule nobody_knows_this vfs_read " SYSCALL_END, "", WAIT_BLOCKED, 0},
};
/* clang-format on */

static void the_kernels_frames_tell_what_is_waited_for(void **state)
{
	struct waits *s = *state;

	for (size_t i = 0; i < sizeof(known_rows) / sizeof(*known_rows); i++)
		add_row(s, known_rows[i].stack, known_rows[i].state, known_rows[i].syscall, 7, "t");
	name(s);
	for (uint32_t i = 0; i < sizeof(known_rows) / sizeof(*known_rows); i++)
		if (strcmp(label(s, i).wait, known_rows[i].wait))
			fail_msg("%s: '%s', not '%s'", known_rows[i].stack, label(s, i).wait,
				 known_rows[i].wait);
}

static void state_and_system_call_have_their_names(void **state)
{
	struct waits *s = *state;

	add_row(s, "schedule anon_pipe_read", WAIT_BLOCKED, 0, 7, "t");
	add_row(s, "schedule x", WAIT_DISK, 202, 7, "t");
	add_row(s, "schedule x", WAIT_THROTTLED, SYSCALL_NONE, 7, "t");
	add_row(s, "schedule x", WAIT_STOPPED, 9999, 7, "t");
	name(s);
	assert_string_equal(label(s, 0).state, "blocked");
	assert_string_equal(label(s, 0).syscall, "read");
	assert_string_equal(label(s, 1).state, "disk");
	assert_string_equal(label(s, 1).syscall, "futex");
	assert_string_equal(label(s, 2).state, "throttled");
	assert_string_equal(label(s, 2).syscall, "");
	assert_string_equal(label(s, 3).state, "stopped");
	assert_string_equal(label(s, 3).syscall, "");
}

/* Where it slept before is not what it waits for now. */
static void who_waits_for_a_cpu_waits_for_that(void **state)
{
	struct waits *s = *state;

	add_row(s, "schedule futex_do_wait", WAIT_RUNNABLE, 202, 7, "t");
	add_row(s, "schedule exit_to_user_mode_loop", WAIT_PREEMPTED, SYSCALL_NONE, 7, "t");
	name(s);
	assert_string_equal(label(s, 0).wait, "cpu");
	assert_string_equal(label(s, 0).state, "runnable");
	assert_string_equal(label(s, 1).wait, "cpu");
}

static void without_kernel_frames_the_system_call_tells(void **state)
{
	struct waits *s = *state;

	add_row(s, "| epoll_wait main", WAIT_BLOCKED, 232, 7, "t");
	add_row(s, "| read main", WAIT_BLOCKED, 0, 7, "t");
	add_row(s, "", WAIT_BLOCKED, 202, 7, "t");
	add_row(s, "| wait main", WAIT_DISK, 202, 7, "t");
	name(s);
	assert_string_equal(label(s, 0).wait, "epoll");
	assert_string_equal(label(s, 1).wait, "");
	assert_string_equal(label(s, 2).wait, "futex");
	assert_string_equal(label(s, 3).wait, "");
}

#define FUTEX "schedule futex_do_wait __x64_sys_futex do_syscall_64"
#define EPOLL "schedule do_epoll_wait __x64_sys_epoll_wait do_syscall_64"

static void waits_for_work_are_idle_and_others_are_not(void **state)
{
	static const struct {
		const char *stack, *idle;
		enum wait_state state;
		const char *comm;
	} rows[] = {
		{FUTEX " | runtime.futex runtime.notesleep runtime.stopm runtime.findRunnable "
		       "runtime.schedule runtime.mcall",
		 "go runtime", WAIT_BLOCKED, "etcd"},
		{FUTEX " | __pthread_cond_wait uv_cond_wait worker start_thread", "libuv pool", WAIT_BLOCKED,
		 "node"},
		{FUTEX " | __pthread_cond_wait Monitor::wait WorkerThread::run", "jvm", WAIT_BLOCKED, "java"},
		{FUTEX " | pthread_cond_wait", "jvm", WAIT_BLOCKED, "GC Thread#0"},
		{FUTEX " | pthread_cond_wait Parker::park Unsafe_Park", "jvm", WAIT_BLOCKED,
		 "pool-1-thread-3"},
		{FUTEX " | pthread_cond_wait Parker::park Unsafe_Park", "", WAIT_BLOCKED, "main"},
		{FUTEX " | __pthread_clockjoin_ex main", "join", WAIT_BLOCKED, "t"},
		{FUTEX " | syscall tokio::runtime::scheduler::multi_thread::park::Inner::park start_thread",
		 "rust pool", WAIT_BLOCKED, "tokio"},
		{FUTEX " | syscall <rayon_core::sleep::Sleep>::sleep", "", WAIT_BLOCKED, "x"},
		{FUTEX " | syscall rayon_core::sleep::Sleep::sleep "
		       "rayon_core::registry::WorkerThread::wait_until_cold",
		 "rust pool", WAIT_BLOCKED, "x"},
		{FUTEX " | lll_lock_wait pthread_mutex_lock work main", "", WAIT_BLOCKED, "t"},
		{EPOLL " | epoll_wait ngx_epoll_process_events main", "event loop", WAIT_BLOCKED, "nginx"},
		{EPOLL " | epoll_wait WaitEventSetWait WaitLatch ProcSleep LockAcquire main", "",
		 WAIT_BLOCKED, "postgres"},
		{"schedule inet_csk_accept do_accept | accept main", "accept", WAIT_BLOCKED, "t"},
		{"schedule hrtimer_nanosleep | nanosleep main", "timer", WAIT_BLOCKED, "t"},
		{"schedule worker_thread kthread ret_from_fork", "kernel thread", WAIT_BLOCKED,
		 "kworker/0:1"},
		{"schedule jbd2_log_do_checkpoint process_one_work worker_thread kthread", "", WAIT_BLOCKED,
		 "kworker/0:1"},
		{EPOLL " | epoll_wait main", "", WAIT_DISK, "t"},
		{EPOLL " | epoll_wait main", "", WAIT_RUNNABLE, "t"},
		{EPOLL " | epoll_wait main", "", WAIT_PREEMPTED, "t"},
		{EPOLL " | epoll_wait main", "", WAIT_STOPPED, "t"},
	};
	struct waits *s = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		add_row(s, rows[i].stack, rows[i].state, SYSCALL_NONE, 7, rows[i].comm);
	set_idle(s, "[defaults]");
	name(s);
	for (uint32_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (strcmp(label(s, i).idle, rows[i].idle))
			fail_msg("%s: '%s', not '%s'", rows[i].stack, label(s, i).idle, rows[i].idle);
}

/* A script's process is called by the script's name. */
static void a_shell_is_known_by_its_program(void **state)
{
	const char *const labels[WL_MAX] = {[WL_NAME] = "deploy", [WL_EXE] = "/usr/bin/dash"};
	struct task_key key = key_of(7);
	struct waits *s = *state;
	uint32_t index;

	assert_int_equal(window__add_process(s->w, &key, labels, &index), 0);
	add_row(s, "schedule do_wait kernel_wait4 | wait4 main", WAIT_BLOCKED, 61, 7, "deploy");
	add_row(s, "schedule do_wait kernel_wait4 | wait4 main", WAIT_BLOCKED, 61, 8, "server");
	set_idle(s, "[defaults]");
	name(s);
	assert_string_equal(label(s, 0).idle, "shell");
	assert_string_equal(label(s, 1).idle, "");
}

static void patterns_of_ones_own_go_by_all_their_conditions(void **state)
{
	struct waits *s = *state;

	add_row(s, FUTEX " | pool_wait_for_job main", WAIT_BLOCKED, 202, 7, "worker-1");
	add_row(s, FUTEX " | pool_wait_for_job main", WAIT_BLOCKED, 202, 8, "worker-1");
	add_row(s, FUTEX " | pool_wait_for_job main", WAIT_BLOCKED, 202, 7, "main");
	add_row(s, FUTEX " | pool_wait_for_job pool_flush main", WAIT_BLOCKED, 202, 7, "worker-1");
	add_row(s, FUTEX " | other main", WAIT_BLOCKED, 202, 7, "worker-1");
	add_row(s, "schedule read_it | pool_wait_for_job main", WAIT_BLOCKED, 0, 7, "worker-1");
	add_row(s, "schedule read_it | x", WAIT_BLOCKED, 17, 9, "worker-1");
	set_idle(
		s,
		"[{name: mine, wait: futex, syscall: \"fut?x\", function: \"pool_*_job\", process: p7, comm: "
		"\"worker-[0-9]\", except: pool_flush}, {name: leafy, leaf: read_it, process: p9}]");
	name(s);
	assert_string_equal(label(s, 0).idle, "mine");
	for (uint32_t i = 1; i < 6; i++)
		assert_string_equal(label(s, i).idle, "");
	assert_string_equal(label(s, 6).idle, "leafy");
}

/* The same as the shell's own matching, on all short texts of a few letters. */
static void stars_match_as_the_shell_does(void **state)
{
	static const char *const patterns[] = {"*",    "a*",  "*a",    "*a*",   "a*b",  "*ab*",
					       "a*a",  "aa*", "*aa",   "a**",   "*a*b", "a*b*",
					       "*b*b", "**",  "ab*ba", "*ab*ab"};
	char text[8], yaml[64];

	(void)state;
	for (size_t i = 0; i < sizeof(patterns) / sizeof(*patterns); i++) {
		struct waits s = {0};

		snprintf(yaml, sizeof(yaml), "[{name: n, function: \"%s\"}]", patterns[i]);
		set_idle(&s, yaml);
		for (uint32_t bits = 0; bits < 1u << 8; bits++) {
			uint32_t len = bits & 7;
			const char *p = patterns[i];

			for (uint32_t k = 0; k < len; k++)
				text[k] = bits >> 3 & 1u << (k % 5) ? 'b' : 'a';
			text[len] = '\0';
			assert_int_equal(idle_match__is_in_set(s.idle, 0, text), !fnmatch(p, text, 0));
		}
		idle_match__unref(s.idle);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_kernels_frames_tell_what_is_waited_for, setup, teardown),
		cmocka_unit_test_setup_teardown(state_and_system_call_have_their_names, setup, teardown),
		cmocka_unit_test_setup_teardown(who_waits_for_a_cpu_waits_for_that, setup, teardown),
		cmocka_unit_test_setup_teardown(without_kernel_frames_the_system_call_tells, setup, teardown),
		cmocka_unit_test_setup_teardown(waits_for_work_are_idle_and_others_are_not, setup, teardown),
		cmocka_unit_test_setup_teardown(a_shell_is_known_by_its_program, setup, teardown),
		cmocka_unit_test_setup_teardown(patterns_of_ones_own_go_by_all_their_conditions, setup,
						teardown),
		cmocka_unit_test(stars_match_as_the_shell_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
