// SPDX-License-Identifier: Apache-2.0
#include "user/query/go_waits.h"

#include <string.h>

#include "user/profile/profile.h"

#define FRAMES_LOOKED_AT 16

/* In the words of the runtime, 1.18 to 1.26: what another goroutine ends. Go runtime/runtime2.go, waitReasonStrings. */
static const char *const reasons[GO_WAITS_REASONS] = {
	"chan receive",
	"chan receive (nil chan)",
	"chan send",
	"chan send (nil chan)",
	"select",
	"select (no cases)",
	"semacquire",
	"sync.Mutex.Lock",
	"sync.RWMutex.Lock",
	"sync.RWMutex.RLock",
	"sync.Cond.Wait",
	"sync.WaitGroup.Wait",
	"synctest.Wait",
};

const char *go_waits__reason(uint32_t i)
{
	return reasons[i];
}

static struct go_waits *of_process(const struct profile *p, const struct sample *s, struct go_waits *all,
				   uint32_t *n)
{
	const struct label *pid = profile__find_label(p, s->labels, "pid"),
			   *name = profile__find_label(p, s->labels, "process");
	uint32_t i = 0;

	while (i < *n && all[i].pid != (pid ? pid->num : 0))
		i++;
	if (i == GO_WAITS_MAX)
		return NULL;
	if (i == *n)
		all[(*n)++] = (struct go_waits){.pid = pid ? pid->num : 0,
						.process = name ? profile__str(p, name->str) : ""};
	return &all[i];
}

/* The one that waits for signals, in whoever takes any: it wakes nobody unless somebody sends one. */
static bool is_signal_loop(const struct profile *p, uint32_t stack)
{
	uint32_t at[FRAMES_LOOKED_AT], n = profile__get_stack(p, stack, at, FRAMES_LOOKED_AT);

	for (uint32_t i = 0; i < n && i < FRAMES_LOOKED_AT; i++) {
		const struct location *l = profile__get_location(p, at[i]);

		if (l->n_lines &&
		    !strcmp(profile__str(p, profile__get_function(p, profile__lines(p, l)[0].function)->name),
			    "os/signal.loop"))
			return true;
	}
	return false;
}

uint32_t go_waits__of(const struct profile *p, struct go_waits ret[GO_WAITS_MAX])
{
	uint32_t type, n = 0;

	if (profile__find_type(p, "goroutines", &type))
		return 0;
	for (uint32_t i = 0; i < profile__n_samples(p); i++) {
		const struct sample *s = profile__get_sample(p, i);
		const struct label *wait = profile__find_label(p, s->labels, "wait");
		struct go_waits *w = of_process(p, s, ret, &n);

		if (!w || is_signal_loop(p, s->stack))
			continue;
		w->total += s->values[type];
		for (uint32_t r = 0; wait && r < GO_WAITS_REASONS; r++) {
			if (strcmp(profile__str(p, wait->str), reasons[r]))
				continue;
			w->by_reason[r] += s->values[type];
			w->n_for_another += s->values[type];
		}
	}
	return n;
}

bool go_waits__all_stand(const struct go_waits *w)
{
	return w->total > 1 && w->n_for_another == w->total;
}
