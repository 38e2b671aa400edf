// SPDX-License-Identifier: Apache-2.0
/*
 * drain - see bpf/count.bpf.h for the protocol: a program raises `writers` of the half that it read from the gate and looks at the
 * gate again; we turn the gate over first and wait for zero afterwards. Both sides use full barriers, so one of the two sees the other.
 */
#include "user/kernel/drain.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "user/base/clock.h"
#include "user/kernel/loader.h"

void drain__init(struct drain *d, const struct kernel_maps *maps)
{
	*d = (struct drain){.maps = maps, .turned_ns = clock__mono_ns()};
}

/* A program is in a half for some microseconds, with interrupts off mostly. */
static int drain__wait(struct count_half *half)
{
	uint64_t until = clock__mono_ns() + DRAIN_GRACE_NS;
	const struct timespec pause = {.tv_nsec = 20000};

	while (__atomic_load_n(&half->writers, __ATOMIC_SEQ_CST)) {
		if (clock__mono_ns() > until)
			return -EAGAIN;
		nanosleep(&pause, NULL);
	}
	return 0;
}

/* The words of a slot, if they lie where they can. */
static const uint64_t *drain__words(const struct kernel_maps *m, uint32_t half, const struct count_slot *slot)
{
	uint64_t total = (uint64_t)m->n_frame_chunks * FRAME_CHUNK_WORDS;
	uint64_t n = (uint64_t)slot->n_kernel + slot->n_user;

	if (slot->frames == FRAMES_NONE || (uint64_t)slot->frames + n > total || n > STACK_WORDS_MAX)
		return NULL;
	return m->count_words + half * total + slot->frames;
}

int drain__turn(struct drain *d)
{
	const struct kernel_maps *m = d->maps;
	uint32_t half = m->gate->half & 1;
	uint64_t turned_ns = clock__mono_ns();
	int ret;

	__atomic_store_n(&m->gate->half, half ^ 1, __ATOMIC_SEQ_CST);
	ret = drain__wait(&m->halves[half]);
	if (ret) {
		/* give it back: programs go on in the old half, which is then read a slice later */
		__atomic_store_n(&m->gate->half, half, __ATOMIC_SEQ_CST);
		d->stats.late++;
		return ret;
	}
	d->turned_ns = turned_ns;
	return 0;
}

int drain__read(struct drain *d, drain_fn fn, void *ctx)
{
	const struct kernel_maps *m = d->maps;
	uint32_t half = (m->gate->half & 1) ^ 1;
	struct count_half *state = &m->halves[half];
	struct count_slot *slots = m->count_slots + (uint64_t)half * m->n_count_slots;
	uint64_t n_used = state->slots_used;
	int ret = 0;

	d->stats.slots = n_used;
	d->stats.words = state->words_used;
	for (uint32_t i = 0; i < m->n_count_slots && n_used; i++) {
		if (!slots[i].hash)
			continue;
		n_used--;
		if (!ret)
			ret = fn(&slots[i], drain__words(m, half, &slots[i]), ctx);
		memset(&slots[i], 0, sizeof(slots[i]));
	}
	state->slots_used = 0;
	state->words_used = 0;
	return ret;
}
