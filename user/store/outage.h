/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outage - the time during which writing does not work: when to try again, and what to tell once.
 *
 * A state machine without a clock of its own. The first failure begins an outage and is worth a line in the log; those that follow make the
 * pause longer, from OUTAGE_FIRST_NS to OUTAGE_LONGEST_NS; success ends it and is worth the second line.
 *
 * Owns: nothing. Thread: one owner. Limit: none. Errors: none.
 */
#ifndef EVERPROF_STORE_OUTAGE_H
#define EVERPROF_STORE_OUTAGE_H

#include <stdbool.h>
#include <stdint.h>

#define OUTAGE_FIRST_NS   1000000000ull
#define OUTAGE_LONGEST_NS 60000000000ull

struct outage {
	int err; /* negative errno of the first failure; 0: all is well */
	uint32_t n_failures;
	uint64_t since_ns, next_try_ns, pause_ns;
};

static inline bool outage__may_try(const struct outage *o, uint64_t mono_ns)
{
	return !o->err || mono_ns >= o->next_try_ns;
}

/* True if this failure begins the outage. */
static inline bool outage__fail(struct outage *o, int err, uint64_t mono_ns)
{
	bool is_first = !o->err;

	if (is_first)
		*o = (struct outage){.err = err, .since_ns = mono_ns, .pause_ns = OUTAGE_FIRST_NS};
	else
		o->pause_ns = o->pause_ns * 2 < OUTAGE_LONGEST_NS ? o->pause_ns * 2 : OUTAGE_LONGEST_NS;
	o->n_failures++;
	o->next_try_ns = mono_ns + o->pause_ns;
	return is_first;
}

/* True if there was one; its length goes to ret_ns. */
static inline bool outage__end(struct outage *o, uint64_t mono_ns, uint64_t *ret_ns)
{
	bool was = o->err != 0;

	if (was)
		*ret_ns = mono_ns - o->since_ns;
	*o = (struct outage){0};
	return was;
}

#endif
