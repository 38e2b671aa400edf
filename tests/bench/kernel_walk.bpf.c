// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * kernel_walk - what the kernel itself needs to walk a stack: the ruler that our own walk is held against.
 *
 * Four programs, each on a clock of its own on every CPU: nothing, the kernel's stack, the user's (frame pointers), both. Idle ticks and,
 * with `only_tgid`, those of other processes are left out of `walked`, which is what a mean is taken over.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define WALKS      4
#define FRAMES_MAX 127

const volatile __u32 only_tgid = 0;

struct stack {
	__u64 words[2 * FRAMES_MAX];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, WALKS);
	__type(key, __u32);
	__type(value, struct stack);
} stacks SEC(".maps");

/* By program: ticks that it walked in, frames found in all of them, and all ticks. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 3 * WALKS);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

static __always_inline void add(__u32 at, __u64 n)
{
	__u64 *count = bpf_map_lookup_elem(&counts, &at);

	if (count)
		*count += n;
}

static __always_inline int walk(void *ctx, __u32 which, int kernel, int user)
{
	struct stack *s = bpf_map_lookup_elem(&stacks, &which);
	__u64 frames = 0;
	__u64 pid_tgid = bpf_get_current_pid_tgid();
	long bytes;

	add(2 * WALKS + which, 1);
	if (!s || !(__u32)pid_tgid || (only_tgid && only_tgid != pid_tgid >> 32))
		return 0;
	add(which, 1);
	if (kernel) {
		bytes = bpf_get_stack(ctx, s->words, sizeof(__u64) * FRAMES_MAX, 0);
		frames += bytes > 0 ? (__u64)bytes / sizeof(__u64) : 0;
	}
	if (user) {
		bytes = bpf_get_stack(ctx, &s->words[FRAMES_MAX], sizeof(__u64) * FRAMES_MAX,
				      BPF_F_USER_STACK);
		frames += bytes > 0 ? (__u64)bytes / sizeof(__u64) : 0;
	}
	add(WALKS + which, frames);
	return 0;
}

SEC("perf_event")
int walk_nothing(void *ctx)
{
	return walk(ctx, 0, 0, 0);
}

SEC("perf_event")
int walk_kernel(void *ctx)
{
	return walk(ctx, 1, 1, 0);
}

SEC("perf_event")
int walk_user(void *ctx)
{
	return walk(ctx, 2, 0, 1);
}

SEC("perf_event")
int walk_both(void *ctx)
{
	return walk(ctx, 3, 1, 1);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
