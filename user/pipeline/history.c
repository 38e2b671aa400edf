// SPDX-License-Identifier: Apache-2.0
#include "user/pipeline/history.h"

#include "user/pipeline/window.h"

void history__init(struct history *h, uint64_t age_ns, size_t limit_bytes)
{
	*h = (struct history){.age_ns = age_ns, .limit_bytes = limit_bytes};
}

static void history__drop_oldest(struct history *h)
{
	struct window *w = h->windows[h->first];

	h->bytes -= window__bytes(w);
	window__unref(w);
	h->windows[h->first] = NULL;
	h->first = (h->first + 1) % HISTORY_WINDOWS_MAX;
	h->n--;
}

void history__done(struct history *h)
{
	while (h->n)
		history__drop_oldest(h);
}

void history__trim(struct history *h, uint64_t now_ns)
{
	while (h->n && h->windows[h->first]->to_ns + h->age_ns < now_ns)
		history__drop_oldest(h);
	while (h->n && h->bytes > h->limit_bytes && h->windows[h->first]->to_ns + HISTORY_TAKEN_NS < now_ns) {
		history__drop_oldest(h);
		h->n_evicted++;
	}
}

void history__add(struct history *h, struct window *w)
{
	if (h->n == HISTORY_WINDOWS_MAX) {
		history__drop_oldest(h);
		h->n_evicted++;
	}
	h->windows[(h->first + h->n++) % HISTORY_WINDOWS_MAX] = w;
	h->bytes += window__bytes(w);
	history__trim(h, w->to_ns);
}

struct window *history__get(const struct history *h, uint32_t i)
{
	return i < h->n ? h->windows[(h->first + i) % HISTORY_WINDOWS_MAX] : NULL;
}
