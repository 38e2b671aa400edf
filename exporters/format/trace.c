/* SPDX-License-Identifier: Apache-2.0 */
#include "exporters/format/trace.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

static bool names_texts(const struct trace_thread *t, uint32_t text_bytes)
{
#define CHECK(name)                \
	if (t->name >= text_bytes) \
		return false;
	TRACE_LABELS(CHECK)
#undef CHECK
	return true;
}

int trace__parse(const void *bytes, size_t len, struct trace *ret)
{
	const struct trace_head *h = bytes;
	const char *at = bytes;
	uint64_t need;

	if (len < sizeof(*h) || len > TRACE_BYTES_MAX || h->magic != TRACE_MAGIC || !h->text_bytes ||
	    h->n_records > TRACE_RECORDS_MAX || h->from_ns > h->to_ns)
		return -EBADMSG;
	need = sizeof(*h) + (uint64_t)h->n_threads * sizeof(struct trace_thread) +
	       (uint64_t)h->n_records * sizeof(struct trace_record) + h->text_bytes;
	if (need != len)
		return -EBADMSG;
	ret->head = h;
	ret->threads = (const void *)(at + sizeof(*h));
	ret->records = (const void *)(ret->threads + h->n_threads);
	ret->texts = (const void *)(ret->records + h->n_records);
	if (ret->texts[0] || ret->texts[h->text_bytes - 1])
		return -EBADMSG;
	for (uint32_t i = 0; i < h->n_threads; i++)
		if (!names_texts(&ret->threads[i], h->text_bytes))
			return -EBADMSG;
	for (uint32_t i = 0; i < h->n_records; i++)
		if (ret->records[i].kind >= TRACE_KINDS)
			return -EBADMSG;
	return 0;
}

const char *trace__label(const struct trace *t, const struct trace_thread *thread, const char *key)
{
	const char *text = NULL;

#define PICK(name)               \
	if (!strcmp(key, #name)) \
		text = t->texts + thread->name;
	TRACE_LABELS(PICK)
#undef PICK
	return text && *text ? text : NULL;
}
