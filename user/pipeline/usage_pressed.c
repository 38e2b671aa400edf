// SPDX-License-Identifier: Apache-2.0
#include "user/pipeline/usage_pressed.h"

#include <limits.h>

void usage_pressed__arm(struct usage_pressed *p, struct pressure_triggers *of, uint32_t turn,
			const double above[PRESSURE_LINES], usage_pressed_path_fn path, void *ctx)
{
	bool is_new = p->turn != turn;
	char text[PATH_MAX];

	if (is_new)
		usage_pressed__disarm(p);
	p->turn = turn;
	for (int i = 0; i < PRESSURE_LINES; i++) {
		struct pressure_trigger *t = &p->lines[i];
		bool is_gone = !is_new && t->is_gone;

		if ((is_new || is_gone) && above[i] > 0 &&
		    path(ctx, pressure_line__kind(i), text, sizeof(text)))
			t->is_gone = pressure_trigger__arm(t, of, text, i, above[i]) && is_gone;
	}
}

void usage_pressed__disarm(struct usage_pressed *p)
{
	for (int i = 0; i < PRESSURE_LINES; i++)
		pressure_trigger__disarm(&p->lines[i]);
}

void usage_pressed__raise(struct usage_pressed *p, double values[METRIC_N], uint64_t *known)
{
	for (int i = 0; i < PRESSURE_LINES; i++) {
		enum metric_id id = METRIC_psi_cpu_some_percent + i;
		double least = pressure_trigger__take(&p->lines[i]);

		if (least > 0 && (!(*known >> id & 1) || values[id] < least)) {
			values[id] = least;
			*known |= 1ull << id;
		}
	}
}
