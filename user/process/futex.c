// SPDX-License-Identifier: Apache-2.0
/*
 * Layouts, which have not changed in a decade and are part of the ABI of static initializers:
 *
 *      pthread_mutex_t    { lock, count, owner, nusers, kind, … }                       waits at lock: 2 while somebody waits
 *      pthread_rwlock_t   { readers, writers, wrphase_futex, writers_futex, pad, pad, cur_writer, … }
 *                                                                                       waits at one of the futexes, with bit 1 set
 *
 * Other things that wait at a word of 2 or 3 are told apart by what lies beside it: numbers that fit neither picture are no holder. That leaves guesses
 * that happen to fit; who draws conclusions asks for more (a cycle of threads that all stand still).
 *
 * Reference: futex(2); glibc sysdeps/nptl/bits/struct_mutex.h, struct_rwlock.h, nptl/lowlevellock.h.
 */
#include "user/process/futex.h"

#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>

#include "user/config/target.h"

/* Registers of a system call's arguments, by DWARF number. */
#define ARG_ADDR    5  /* rdi */
#define ARG_OP      4  /* rsi */
#define ARG_TIMEOUT 10 /* r10 */

#define LOCK_WAITED  2u /* of a mutex: taken, and somebody waits */
#define RWLOCK_USED  2u
#define MUTEX_KIND   0x3ffu
#define MUTEX_ROBUST 0x10u
#define OP_LOCK_PI2  13
#define WORDS        (FUTEX_LOOK_BYTES / 4)

bool futex__parse_wait(int syscall, const __u64 regs[REGS_N], struct futex_wait *ret)
{
	uint32_t op = (uint32_t)regs[ARG_OP] & (uint32_t)FUTEX_CMD_MASK;

	if (syscall != SYS_futex || regs[ARG_ADDR] & 3)
		return false;
	if (op != FUTEX_WAIT && op != FUTEX_WAIT_BITSET && op != FUTEX_LOCK_PI && op != OP_LOCK_PI2)
		return false;
	*ret = (struct futex_wait){.addr = regs[ARG_ADDR],
				   .has_timeout = regs[ARG_TIMEOUT] != 0,
				   .is_pi = op == FUTEX_LOCK_PI || op == OP_LOCK_PI2};
	return true;
}

/* words: lock, count, owner, nusers, kind. A robust one has its owner in the lock, too. */
static uint32_t mutex_holder(const uint32_t *words)
{
	uint32_t want = words[4] & MUTEX_ROBUST ? FUTEX_WAITERS | words[2] : LOCK_WAITED;

	return words[0] == want && words[3] && !(words[4] & ~MUTEX_KIND) ? words[2] : 0;
}

/* Who writes, where readers or the next writer wait. */
static uint32_t rwlock_holder(const uint32_t *words)
{
	if (words[0] != RWLOCK_USED && words[0] != (RWLOCK_USED | 1))
		return 0;
	if (!words[2] && !words[3]) /* at wrphase_futex: writers_futex, two of padding, cur_writer */
		return words[4];
	if (!words[1] && !words[2]) /* at writers_futex: two of padding, cur_writer, shared */
		return words[4] <= 1 ? words[3] : 0;
	return 0;
}

uint32_t futex__parse_holder(const struct futex_wait *w, const void *bytes, size_t len)
{
	uint32_t words[WORDS] = {0}, holder;

	memcpy(words, bytes, len < sizeof(words) ? len : sizeof(words));
	if (w->is_pi)
		return words[0] & FUTEX_TID_MASK;
	if (len < sizeof(words))
		return 0;
	holder = mutex_holder(words);
	if (!holder)
		holder = rwlock_holder(words);
	return holder > TARGET_PID_MAX ? 0 : holder;
}
