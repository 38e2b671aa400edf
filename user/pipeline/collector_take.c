/* SPDX-License-Identifier: Apache-2.0 */
/* What was recorded in a range, for who asks between the windows. */
#include <errno.h>

#include "user/pipeline/collector_impl.h"
#include "user/pipeline/window_copy.h"

static int take_one(struct window *w, struct window **windows, uint32_t max, uint32_t *n)
{
	if (*n == max)
		return -E2BIG;
	windows[(*n)++] = w;
	return 0;
}

int collector__take(struct collector *c, enum event ev, uint64_t from_ns, uint64_t to_ns, bool open,
		    struct window **ret_windows, uint32_t max, uint32_t *ret_n)
{
	struct window *w;
	uint32_t n = 0;
	int err = 0;

	for (uint32_t i = 0; !err && (w = history__get(&c->history, i)); i++) {
		if (w->event != ev || w->to_ns <= from_ns || w->from_ns >= to_ns)
			continue;
		err = take_one(w, ret_windows, max, &n);
		if (!err)
			window__ref(w);
	}
	if (!err && open && c->windows[ev] && c->windows[ev]->from_ns < to_ns) {
		err = n == max ? -E2BIG : window__copy(c->windows[ev], &w);
		if (!err)
			err = take_one(w, ret_windows, max, &n);
	}
	if (err) {
		while (n)
			window__unref(ret_windows[--n]);
		return err;
	}
	*ret_n = n;
	return 0;
}

uint64_t collector__seen_ns(const struct collector *c, enum event ev)
{
	return c->windows[ev] ? c->windows[ev]->to_ns : 0;
}
