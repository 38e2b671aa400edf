// SPDX-License-Identifier: Apache-2.0
/* Where threads and processes are made: the kernel counts them (bpf/thread_create.bpf.c), here is only when. */
#include "user/pipeline/event_source.h"

#include "user/kernel/loader.h"
#include "user/pipeline/collector_impl.h"

static int start_creations(struct collector *c)
{
	return loader__hook(c->loader, HOOK_thread_create, true);
}

static void stop_creations(struct collector *c)
{
	loader__hook(c->loader, HOOK_thread_create, false);
}

/* Each one is counted. */
static uint64_t creation_period(const struct collector *c)
{
	(void)c;
	return 1;
}

const struct event_source create_source = {
	.start = start_creations, .stop = stop_creations, .period = creation_period};
