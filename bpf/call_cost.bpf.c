// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* call_cost - does nothing. What the kernel takes to call a program at all is seen from outside (user/kernel/call_cost). */
#include "bpf/kernel.bpf.h"

SEC("?tp_btf/sched_process_wait")
int BPF_PROG(call_cost)
{
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
