// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* empty_hook - what the least program on context switches costs. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

SEC("tp_btf/sched_switch")
int empty_hook(void *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
