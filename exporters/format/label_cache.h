/* SPDX-License-Identifier: Apache-2.0 */
/*
 * label_cache - label sets by the bytes that a file has for them.
 *
 * A file has some hundred label sets and a hundred thousand samples, and writes the labels of each sample out: the same bytes again. Looking those up costs a
 * tenth of reading eight labels.
 *
 * Owns: nothing; the bytes are the file's, and must outlive the cache. Thread: one owner. Limit: LABEL_CACHE_SIZE sets, the last one of a slot stays. Errors: none.
 */
#ifndef EVERPROF_FORMAT_LABEL_CACHE_H
#define EVERPROF_FORMAT_LABEL_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LABEL_CACHE_SIZE 4096u

struct label_cache {
	struct {
		const uint8_t *bytes;
		uint32_t len, id;
	} slots[LABEL_CACHE_SIZE];
};

bool label_cache__find(const struct label_cache *c, const uint8_t *bytes, size_t len, uint32_t *ret_id);
void label_cache__keep(struct label_cache *c, const uint8_t *bytes, size_t len, uint32_t id);

#endif
