/* SPDX-License-Identifier: Apache-2.0 */
#include "exporters/format/proto.h"

#include "user/base/buf.h"

#define FIELD_MAX ((1u << 29) - 1)

static uint32_t tag(uint32_t field, enum proto_wire wire)
{
	return field << 3 | (uint32_t)wire;
}

size_t proto__varint_size(uint64_t v)
{
	unsigned bits = 64 - (unsigned)__builtin_clzll(v | 1);

	return (bits + 6) / 7;
}

size_t proto__uint_size(uint32_t field, uint64_t v)
{
	return v ? proto__varint_size(tag(field, PROTO_VARINT)) + proto__varint_size(v) : 0;
}

size_t proto__bytes_size(uint32_t field, size_t len)
{
	return proto__varint_size(tag(field, PROTO_BYTES)) + proto__varint_size(len) + len;
}

void proto__varint(struct buf *b, uint64_t v)
{
	size_t len = proto__varint_size(v);
	uint8_t *to = buf__reserve(b, len);

	if (!to)
		return;
	proto__put_varint(to, v);
	b->len += len;
}

void proto__uint(struct buf *b, uint32_t field, uint64_t v)
{
	if (!v)
		return;
	proto__varint(b, tag(field, PROTO_VARINT));
	proto__varint(b, v);
}

void proto__open(struct buf *b, uint32_t field, size_t len)
{
	proto__varint(b, tag(field, PROTO_BYTES));
	proto__varint(b, len);
}

void proto__bytes(struct buf *b, uint32_t field, const void *bytes, size_t len)
{
	proto__open(b, field, len);
	buf__append(b, bytes, len);
}

bool proto__next_of_any(struct cursor *c, struct proto_field *ret_field)
{
	struct proto_field f = {0};
	uint64_t key, len;

	if (c->bad || !cursor__left(c))
		return false;
	key = proto__read_varint(c);
	if (key >> 3 == 0 || key >> 3 > FIELD_MAX)
		c->bad = true;
	f.number = (uint32_t)(key >> 3);
	f.wire = (enum proto_wire)(key & 7);
	switch (f.wire) {
	case PROTO_VARINT:
		f.value = proto__read_varint(c);
		break;
	case PROTO_FIXED64:
		f.value = cursor__u64(c);
		break;
	case PROTO_FIXED32:
		f.value = cursor__u32(c);
		break;
	case PROTO_BYTES:
		len = proto__read_varint(c);
		if (len > cursor__left(c))
			c->bad = true;
		else
			f.bytes = cursor__sub(c, (size_t)len);
		break;
	default:
		c->bad = true;
	}
	if (c->bad)
		return false;
	*ret_field = f;
	return true;
}

bool proto__numbers(const struct proto_field *f, proto_number_fn fn, void *ctx)
{
	struct cursor c = f->bytes;

	if (f->wire == PROTO_VARINT)
		return fn(f->value, ctx);
	if (f->wire != PROTO_BYTES)
		return false;
	while (cursor__left(&c)) {
		uint64_t v = proto__read_varint(&c);

		if (c.bad || !fn(v, ctx))
			return false;
	}
	return true;
}
