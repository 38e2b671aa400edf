// SPDX-License-Identifier: Apache-2.0
#include "exporters/format/label_cache.h"

#include <string.h>

#include "user/base/hashmap.h"

static uint32_t slot_of(const uint8_t *bytes, size_t len)
{
	return (uint32_t)hash_bytes(bytes, len) % LABEL_CACHE_SIZE;
}

bool label_cache__find(const struct label_cache *c, const uint8_t *bytes, size_t len, uint32_t *ret_id)
{
	uint32_t i = slot_of(bytes, len);

	if (!c->slots[i].bytes || c->slots[i].len != len || memcmp(c->slots[i].bytes, bytes, len))
		return false;
	*ret_id = c->slots[i].id;
	return true;
}

void label_cache__keep(struct label_cache *c, const uint8_t *bytes, size_t len, uint32_t id)
{
	uint32_t i = slot_of(bytes, len);

	c->slots[i].bytes = bytes;
	c->slots[i].len = (uint32_t)len;
	c->slots[i].id = id;
}
