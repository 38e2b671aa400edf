/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto - the protobuf wire format, as much of it as profiles need.
 *
 * Writing: fields appended to a buf; a nested message's length is known before its bytes, so nothing is moved. Fields of value 0 are left
 * out, as proto3 does. Reading: one field after the other over a cursor; lengths are checked, groups refused.
 *
 * Owns: nothing. Thread: any. Limit: that of the buf or the bytes. Errors: sticky in the buf; the cursor's `bad`.
 * Reference: protobuf.dev/programming-guides/encoding.
 */
#ifndef EVERPROF_FORMAT_PROTO_H
#define EVERPROF_FORMAT_PROTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/base/cursor.h"

struct buf;

enum proto_wire { PROTO_VARINT = 0, PROTO_FIXED64 = 1, PROTO_BYTES = 2, PROTO_FIXED32 = 5 };

/* -- sizes -- */
size_t proto__varint_size(uint64_t v);
/* Of a field with its tag; 0 for the value 0. Signed values are passed as their two's complement. */
size_t proto__uint_size(uint32_t field, uint64_t v);
/* Of a length-delimited field with its tag and length. */
size_t proto__bytes_size(uint32_t field, size_t len);

/* -- writing -- */
/* Where there is room for it; returns what is behind it. */
static inline uint8_t *proto__put_varint(uint8_t *to, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		*to++ = (uint8_t)v | 0x80;
	*to++ = (uint8_t)v;
	return to;
}
void proto__varint(struct buf *b, uint64_t v);
void proto__uint(struct buf *b, uint32_t field, uint64_t v); /* nothing for 0 */
void proto__bytes(struct buf *b, uint32_t field, const void *bytes, size_t len);
/* Tag and length of a nested message or packed list whose len bytes the caller appends next. */
void proto__open(struct buf *b, uint32_t field, size_t len);

/* -- reading -- */
/*
 * A profile is nearly all varints, most of one byte, so they do not go through a call a byte. What is over 64 bits is
 * damaged.
 */
static inline uint64_t proto__read_varint(struct cursor *c)
{
	const uint8_t *p = c->p;
	uint64_t v = 0;

	if (!c->bad && p < c->end && *p < 0x80) {
		c->p++;
		return *p;
	}
	for (unsigned shift = 0; !c->bad && shift < 64 && p < c->end; shift += 7, p++) {
		if (shift == 63 && *p > 1)
			break;
		v |= (uint64_t)(*p & 0x7f) << shift;
		if (*p < 0x80) {
			c->p = p + 1;
			return v;
		}
	}
	c->bad = true;
	return 0;
}

struct proto_field {
	uint32_t number;
	enum proto_wire wire;
	uint64_t value;      /* of a varint or fixed field */
	struct cursor bytes; /* of a length-delimited one */
};

bool proto__next_of_any(struct cursor *c, struct proto_field *ret_field);
/* The next field; false at the end or where the bytes are damaged (then c->bad). Short messages, of which a file has most, take no call. */
static inline bool proto__next(struct cursor *c, struct proto_field *ret_field)
{
	const uint8_t *p = c->p;

	if (c->bad || c->end - p < 2 || p[0] >= 0x80 || p[0] < 8 || (p[0] & 7) != PROTO_BYTES ||
	    p[1] >= 0x80 || p[1] > c->end - p - 2)
		return proto__next_of_any(c, ret_field);
	c->p = p + 2 + p[1];
	*ret_field = (struct proto_field){.number = p[0] >> 3,
					  .wire = PROTO_BYTES,
					  .bytes = {.start = p + 2, .p = p + 2, .end = c->p, .big = c->big}};
	return true;
}
/*
 * A repeated number comes packed or one by one. Calls the function for each number in this field; false where the field is not
 * a list of varints or `fn` said no.
 */
typedef bool (*proto_number_fn)(uint64_t v, void *ctx);
bool proto__numbers(const struct proto_field *f, proto_number_fn fn, void *ctx);

#endif
