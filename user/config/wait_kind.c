// SPDX-License-Identifier: Apache-2.0
/*
 * Problem: a stack of the kernel names the code that sleeps. People ask what it sleeps for, and those names change with the kernel's version and its
 *   compiler.
 * Idea: one table of names across versions (5.17 to 6.18), as data, with the role that each plays (wait_kind.h). A name that ends in `*` stands for all
 *   that begin so. Most were seen in /proc/PID/stack of programs that wait in each way, on 6.18; older names are from the sources of those kernels.
 * Cost: a walk over a few hundred short names; callers keep the answer for each function.
 * What it does not do: guess. A stack without a known name has no kind, and its frames still tell.
 */
#include "user/config/wait_kind.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static const struct {
	const char *name, *text;
} kinds[WAIT_KIND_N] = {
#define WAIT_KIND_TEXT(id, name_, text_) {name_, text_},
	WAIT_KINDS(WAIT_KIND_TEXT)
#undef WAIT_KIND_TEXT
};

/* clang-format off */
static const struct {
	enum wait_role role;
	enum wait_kind kind;
	const char *names; /* blanks between */
} functions[] = {
	{WAIT_ROLE_PLUMBING, WAIT_KIND_NONE,
	 "__schedule __sched_text_start schedule schedule_* preempt_schedule* __cond_resched io_schedule io_schedule_* __wait_for_common "
	 "wait_for_common wait_for_completion* wait_woken woken_wake_function do_wait_intr do_wait_intr_irq prepare_to_wait* __wait_on_bit* "
	 "out_of_line_wait_on_bit* bit_wait* do_nanosleep usleep_range* msleep* __x64_sys_* __ia32_sys_* __arm64_sys_* do_syscall_64 do_syscall_x64 "
	 "do_fast_syscall_32 __do_fast_syscall_32 do_int80_syscall_32 entry_SYSCALL_64* entry_SYSENTER_compat* entry_INT80_compat* ret_from_fork* kthread "
	 "exit_to_user_mode* syscall_exit_to_user_mode* irqentry_exit* asm_sysvec_* sysvec_* asm_common_interrupt common_interrupt raw_irqentry_exit_cond_resched cond_resched* finish_task_switch* "
	 "perf_trace_* bpf_trace_* __bpf_trace_* bpf_prog_* __traceiter_* __rt_mutex_schedule* rt_mutex_schedule rt_mutex_pre_schedule swake* dynamic_preempt*"},

	{WAIT_ROLE_PLACE, WAIT_KIND_FUTEX,
	 "futex_do_wait futex_wait_queue futex_wait_queue_me futex_wait futex_wait_multiple futex_wait_multiple_* futex_sleep_multiple "
	 "futex_unqueue_multiple __futex_wait futex_wait_requeue_pi futex_lock_pi do_futex"},
	{WAIT_ROLE_PLACE, WAIT_KIND_EPOLL, "do_epoll_wait ep_poll do_epoll_pwait ep_schedule_timeout*"},
	{WAIT_ROLE_GENERAL, WAIT_KIND_POLL, "poll_schedule_timeout"},
	{WAIT_ROLE_PLACE, WAIT_KIND_POLL, "do_sys_poll do_poll"},
	{WAIT_ROLE_PLACE, WAIT_KIND_SELECT, "do_select core_sys_select do_pselect kern_select"},
	{WAIT_ROLE_PLACE, WAIT_KIND_IO_URING, "io_cqring_wait io_cqring_schedule_timeout io_wq_worker io_wqe_worker io_sq_thread io_uring_cancel_generic"},
	{WAIT_ROLE_PLACE, WAIT_KIND_AIO, "read_events do_io_getevents"},
	{WAIT_ROLE_PLACE, WAIT_KIND_SLEEP, "hrtimer_nanosleep common_nsleep common_nsleep_timens alarm_timer_nsleep alarmtimer_do_nsleep __x64_sys_nanosleep"},
	{WAIT_ROLE_PLACE, WAIT_KIND_TIMER, "timerfd_read timerfd_read_iter"},
	{WAIT_ROLE_PLACE, WAIT_KIND_EVENTFD, "eventfd_read eventfd_write"},
	{WAIT_ROLE_PLACE, WAIT_KIND_SIGNAL, "do_sigtimedwait sigsuspend __do_sys_pause signalfd_read signalfd_read_iter signalfd_dequeue sys_pause"},
	{WAIT_ROLE_PLACE, WAIT_KIND_CHILD,
	 "do_wait do_wait_pid kernel_wait4 kernel_waitid kernel_wait wait_for_vfork_done"},
	{WAIT_ROLE_GENERAL, WAIT_KIND_CHILD, "kernel_clone __do_sys_vfork"}, /* vfork's wait is inlined there */

	{WAIT_ROLE_PURPOSE, WAIT_KIND_ACCEPT,
	 "inet_csk_accept unix_accept vsock_accept __sys_accept4 do_accept __sys_accept4_file inet_csk_wait_for_connect sctp_accept"},
	{WAIT_ROLE_PURPOSE, WAIT_KIND_CONNECT, "__inet_stream_connect inet_stream_connect unix_wait_for_peer unix_stream_connect vsock_connect __sys_connect"},
	{WAIT_ROLE_GENERAL, WAIT_KIND_SOCKET,
	 "sk_wait_data __skb_wait_for_more_packets sk_stream_wait_memory sock_alloc_send_pskb sock_wait_for_wmem sk_stream_wait_connect "
	 "sk_stream_wait_close sock_recvmsg sock_sendmsg sock_read_iter sock_write_iter lock_sock_nested __lock_sock packet_recvmsg "
	 "vsock_* sctp_* raw_recvmsg ping_recvmsg"},
	{WAIT_ROLE_PLACE, WAIT_KIND_TCP,
	 "tcp_recvmsg tcp_recvmsg_locked tcp_sendmsg tcp_sendmsg_locked tcp_splice_read tcp_close __tcp_close tls_sw_* tls_rx_rec_wait mptcp_*"},
	{WAIT_ROLE_PLACE, WAIT_KIND_UDP, "__skb_recv_udp udp_recvmsg udpv6_recvmsg udp_sendmsg udpv6_sendmsg"},
	{WAIT_ROLE_PLACE, WAIT_KIND_UNIX,
	 "unix_stream_read_generic unix_stream_data_wait unix_stream_recvmsg unix_stream_sendmsg unix_dgram_recvmsg __unix_dgram_recvmsg "
	 "unix_dgram_sendmsg unix_seqpacket_*"},
	{WAIT_ROLE_PLACE, WAIT_KIND_NETLINK, "netlink_recvmsg netlink_attachskb netlink_unicast"},
	{WAIT_ROLE_PLACE, WAIT_KIND_PIPE,
	 "pipe_read pipe_write anon_pipe_read anon_pipe_write fifo_pipe_read fifo_pipe_write pipe_wait_readable pipe_wait_writable "
	 "wait_for_partner fifo_open ipipe_prep opipe_prep wait_for_space splice_from_pipe_next"},
	{WAIT_ROLE_PLACE, WAIT_KIND_MESSAGE, "do_msgrcv do_msgsnd do_semtimedop __do_semtimedop wq_sleep do_mq_timedreceive do_mq_timedsend"},
	{WAIT_ROLE_PLACE, WAIT_KIND_TTY,
	 "n_tty_read n_tty_write tty_read tty_write tty_wait_until_sent tty_port_block_til_ready tty_ldisc_ref_wait job_control __tty_check_change"},
	{WAIT_ROLE_PLACE, WAIT_KIND_DEVICE,
	 "devkmsg_read syslog_print do_syslog evdev_read input_read hidraw_read snd_* usb_* fb_* drm_* dma_fence_* i915_* amdgpu_* nvidia_* "
	 "watchdog_* rtc_dev_read random_read_iter wait_for_random_bytes uio_read tun_do_read tun_ring_recv kvm_vcpu_block kvm_vcpu_halt blk_execute_rq "
	 "scsi_execute_cmd __scsi_execute virtqueue_* tpm_* i2c_* spi_* mmc_wait_* vhost_worker vhost_task_fn perf_read tracing_* ring_buffer_wait"},
	{WAIT_ROLE_PLACE, WAIT_KIND_INOTIFY, "inotify_read fanotify_read fanotify_handle_event fsnotify_wait_*"},

	{WAIT_ROLE_GENERAL, WAIT_KIND_FILE,
	 "folio_wait_* __folio_wait_* folio_lock* __folio_lock* wait_on_page_* __lock_page* put_and_wait_on_page_locked* folio_put_wait_locked "
	 "__wait_on_buffer __bread_gfp blk_mq_get_tag blk_mq_submit_bio rq_qos_wait wbt_wait blkcg_maybe_throttle_current blk_throttle_* submit_bio_wait "
	 "bio_await* blk_queue_enter __bio_queue_enter bdev_* blkdev_*"},
	{WAIT_ROLE_PLACE, WAIT_KIND_FILE,
	 "__iomap_dio_rw iomap_* filemap_* generic_file_read_iter generic_perform_write page_cache_* ext4_* xfs_* btrfs_* f2fs_* ovl_* erofs_* "
	 "squashfs_* zfs_* zpl_* __blockdev_direct_IO do_blockdev_direct_IO iterate_dir netfs_* bch2_* isofs_* fat_* exfat_* ntfs_* inode_sleep_on_writeback "
	 "d_alloc_parallel d_wait_lookup __wait_on_freeing_inode find_inode* iget_locked iget5_locked inode_wait_for_writeback"},
	{WAIT_ROLE_PLACE, WAIT_KIND_JOURNAL,
	 "jbd2_* wait_transaction_locked* start_this_handle add_transaction_credits do_get_write_access xlog_* xfs_log_* xfs_trans_alloc* xfsaild* "
	 "btrfs_commit_transaction btrfs_wait_for_commit wait_current_trans wait_for_commit btrfs_sync_log ext4_fc_* f2fs_issue_checkpoint "
	 "f2fs_write_checkpoint"},
	{WAIT_ROLE_PURPOSE, WAIT_KIND_FSYNC,
	 "vfs_fsync_range vfs_fsync do_fsync __do_sys_fsync __do_sys_fdatasync ksys_sync ksys_sync_file_range sync_file_range __do_sys_syncfs "
	 "sync_filesystem sync_inodes_sb iterate_supers generic_write_sync __x64_sys_fsync __x64_sys_fdatasync __x64_sys_sync __x64_sys_syncfs "
	 "__do_sys_msync"},
	{WAIT_ROLE_PURPOSE, WAIT_KIND_FILE_LOCK,
	 "locks_lock_inode_wait flock_lock_inode_wait posix_lock_inode_wait fcntl_setlk fcntl_setlk64 do_lock_file_wait __do_sys_flock __break_lease"},
	{WAIT_ROLE_PURPOSE, WAIT_KIND_FUSE, "fuse_* __fuse_* request_wait_answer"},
	{WAIT_ROLE_PURPOSE, WAIT_KIND_NFS, "nfs_* nfs4_* nfsd rpc_* __rpc_* cifs_* smb2_* ceph_* v9fs_* p9_* afs_* svc_recv lockd"},

	{WAIT_ROLE_PURPOSE, WAIT_KIND_PAGE_FAULT,
	 "exc_page_fault asm_exc_page_fault do_user_addr_fault do_page_fault do_mem_abort el0_da el0_ia handle_userfault fixup_user_fault "
	 "faultin_page migration_entry_wait* __migration_entry_wait* do_swap_page"},
	{WAIT_ROLE_PURPOSE, WAIT_KIND_MEMORY,
	 "try_to_free_pages try_to_free_mem_cgroup_pages __alloc_pages_direct_* __alloc_pages_slowpath shrink_* reclaim_throttle throttle_direct_reclaim "
	 "do_try_to_free_pages mem_cgroup_handle_over_high __mem_cgroup_handle_over_high mem_cgroup_oom_synchronize balance_dirty_pages balance_dirty_pages_* "
	 "compact_zone* try_to_compact_pages congestion_wait* out_of_memory __node_reclaim"},
	{WAIT_ROLE_LOCK, WAIT_KIND_KERNEL_LOCK,
	 "rwsem_down_* down_read* down_write* __down* down down_interruptible down_killable down_timeout __mutex_lock* mutex_lock* "
	 "ww_mutex_lock* percpu_down_write __rt_mutex_* rt_mutex_slowlock* rt_mutex_lock* rwbase_* rt_spin_lock* "
	 "rtlock_slowlock* queued_spin_lock_slowpath"},
	{WAIT_ROLE_LOCKER, WAIT_KIND_KERNEL_LOCK,
	 "lock_mm_and_find_vma dup_mmap vm_mmap_pgoff __vm_munmap vm_munmap do_mprotect_pkey __do_sys_brk __do_sys_mremap do_madvise madvise_lock do_mlock __gup_longterm_locked "
	 "__get_user_pages_remote exit_mm lookup_slow walk_component open_last_lookups filename_create do_unlinkat do_rmdir do_renameat2 lock_rename"},
	{WAIT_ROLE_PURPOSE, WAIT_KIND_KERNEL_LOCK, "percpu_rwsem_wait __percpu_down_read"},
	{WAIT_ROLE_LOCK, WAIT_KIND_FREEZER, "mnt_want_write mnt_want_write_file __sb_start_write sb_start_pagefault sb_start_write"},
	{WAIT_ROLE_PURPOSE, WAIT_KIND_RCU,
	 "synchronize_rcu* synchronize_srcu* __synchronize_srcu rcu_barrier* srcu_barrier __wait_rcu_gp synchronize_net cpus_read_lock "
	 "synchronize_sched stop_machine* stop_one_cpu stop_two_cpus __flush_work flush_work __flush_workqueue flush_workqueue drain_workqueue kthread_stop "
	 "rcu_sync_enter affine_move_task"},
	{WAIT_ROLE_PURPOSE, WAIT_KIND_STOP, "do_signal_stop ptrace_stop ptrace_notify do_jobctl_trap ptrace_do_notify coredump_wait do_coredump"},
	{WAIT_ROLE_PURPOSE, WAIT_KIND_FREEZER, "do_freezer_trap __refrigerator __thaw_task cgroup_enter_frozen"},
	{WAIT_ROLE_GENERAL, WAIT_KIND_FREEZER, "get_signal"}, /* do_freezer_trap, inlined */
	{WAIT_ROLE_PLACE, WAIT_KIND_KERNEL_THREAD,
	 "worker_thread rescuer_thread kthread_worker_fn smpboot_thread_fn kthreadd kswapd kcompactd khugepaged ksm_scan_thread kdamond_fn "
	 "oom_reaper kauditd_thread devtmpfs_work_loop devtmpfsd irq_thread rcu_gp_fqs_loop rcu_gp_kthread rcu_tasks_one_gp rcu_tasks_kthread rcu_nocb_* "
	 "rcu_boost_kthread hwrng_fillfn watchdog kjournald2 kswapd_try_to_sleep migration_cpu_stop cpuhp_* scsi_error_handler loop_thread md_thread "
	 "dmcrypt_write kcryptd* cleaner_kthread transaction_kthread psi_rollover_poll psi_poll_worker psi_rtpoll_worker napi_threaded_poll* "
	 "nvme_* balloon* kvm_nx_huge_page_recovery_worker"},
};

/*
 * What these wait for in a per-CPU semaphore is a frozen file system that they want to write to. Nobody names the lock: what takes it is inlined, and other per-CPU semaphores are
 * locks as others are.
 */
static const char *const writers =
	"vfs_write vfs_writev vfs_iter_write vfs_iocb_iter_write do_iter_write do_pwritev do_writev ksys_write ksys_pwrite64 aio_write io_write vfs_fallocate "
	"vfs_copy_file_range vfs_clone_file_range do_clone_file_range vfs_dedupe_file_range vfs_dedupe_file_range_one do_sendfile do_splice do_splice_from iter_file_splice_write "
	"ext4_page_mkwrite ext4_dax_huge_fault ext4_evict_inode ext2_dax_fault xfs_filemap_page_mkwrite xfs_filemap_fault __xfs_filemap_fault xfs_write_fault* xfs_trans_alloc* "
	"xfs_trans_reserve* btrfs_page_mkwrite start_transaction f2fs_vm_page_mkwrite f2fs_evict_inode filemap_page_mkwrite block_page_mkwrite iomap_page_mkwrite gfs2_page_mkwrite "
	"fuse_page_mkwrite ocfs2_page_mkwrite nilfs_page_mkwrite do_page_mkwrite";

/* System calls that wait for one kind of thing. */
static const struct {
	enum wait_kind kind;
	const char *names;
} syscalls[] = {
	{WAIT_KIND_FUTEX, "futex futex_waitv futex_wait"},
	{WAIT_KIND_EPOLL, "epoll_wait epoll_pwait epoll_pwait2"},
	{WAIT_KIND_POLL, "poll ppoll"},
	{WAIT_KIND_SELECT, "select pselect6"},
	{WAIT_KIND_IO_URING, "io_uring_enter"},
	{WAIT_KIND_AIO, "io_getevents io_pgetevents"},
	{WAIT_KIND_SLEEP, "nanosleep clock_nanosleep"},
	{WAIT_KIND_SIGNAL, "pause rt_sigtimedwait rt_sigsuspend"},
	{WAIT_KIND_CHILD, "wait4 waitid vfork"},
	{WAIT_KIND_ACCEPT, "accept accept4"},
	{WAIT_KIND_CONNECT, "connect"},
	{WAIT_KIND_MESSAGE, "msgrcv msgsnd semop semtimedop mq_timedreceive mq_timedsend"},
	{WAIT_KIND_FSYNC, "fsync fdatasync sync syncfs msync sync_file_range"},
	{WAIT_KIND_FILE_LOCK, "flock"},
};
/* clang-format on */

/* Is the name one of the list? Its length counts without a compiler's suffix. */
static bool is_in(const char *list, const char *name, size_t len)
{
	while (*list) {
		size_t n = strcspn(list, " ");

		if (list[n - 1] == '*' ? len >= n - 1 && !memcmp(list, name, n - 1)
				       : len == n && !memcmp(list, name, n))
			return true;
		list += n + strspn(list + n, " ");
	}
	return false;
}

const char *wait_kind__name(enum wait_kind k)
{
	return kinds[k].name;
}

const char *wait_kind__text(enum wait_kind k)
{
	return kinds[k].text;
}

int wait_kind__find(const char *name, enum wait_kind *ret_kind)
{
	for (int k = WAIT_KIND_NONE + 1; k < WAIT_KIND_N; k++) {
		if (!strcmp(kinds[k].name, name)) {
			*ret_kind = (enum wait_kind)k;
			return 0;
		}
	}
	return -ENOENT;
}

struct wait_function wait_kind__of_function(const char *name)
{
	struct wait_function f = {.role = WAIT_ROLE_NONE, .kind = WAIT_KIND_NONE};
	size_t len = strcspn(name, ".");

	for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++)
		if (functions[i].role > f.role && is_in(functions[i].names, name, len))
			f = (struct wait_function){.role = functions[i].role, .kind = functions[i].kind};
	f.is_writer = is_in(writers, name, len);
	return f;
}

enum wait_kind wait_kind__of_syscall(const char *name)
{
	for (size_t i = 0; i < sizeof(syscalls) / sizeof(*syscalls); i++)
		if (is_in(syscalls[i].names, name, strlen(name)))
			return syscalls[i].kind;
	return WAIT_KIND_NONE;
}
