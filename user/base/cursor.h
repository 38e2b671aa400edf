/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cursor - reads bytes that an enemy may have written.
 *
 * Every read is bounds-checked; the first one that does not fit makes the cursor `bad`, after which all reads give zero and do not move.
 * A parser reads what it wants and looks at `bad` where it decides. All integers little-endian unless `big` is set.
 *
 * Owns: nothing (borrowed bytes). Thread: one owner. Limit: the bytes given. Errors: `bad`.
 */
#ifndef EVERPROF_BASE_CURSOR_H
#define EVERPROF_BASE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cursor {
	const uint8_t *start, *p, *end;
	bool bad;
	bool big;
};

void cursor__init(struct cursor *c, const void *bytes, size_t len);
size_t cursor__left(const struct cursor *c);
size_t cursor__offset(const struct cursor *c);
void cursor__seek(struct cursor *c, size_t offset);
void cursor__skip(struct cursor *c, size_t n);
uint8_t cursor__u8(struct cursor *c);
uint16_t cursor__u16(struct cursor *c);
uint32_t cursor__u32(struct cursor *c);
uint64_t cursor__u64(struct cursor *c);
uint64_t cursor__uleb(struct cursor *c); /* over 64 bits: bad */
int64_t cursor__sleb(struct cursor *c);
/* The next n bytes, borrowed, or NULL (and bad). */
const void *cursor__bytes(struct cursor *c, size_t n);
/* The NUL-terminated string here, borrowed; moves past the NUL. "" and bad where no NUL follows. */
const char *cursor__cstr(struct cursor *c);
/* A cursor over the next n bytes, which are skipped here. */
struct cursor cursor__sub(struct cursor *c, size_t n);

#endif
