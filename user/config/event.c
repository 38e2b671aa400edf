// SPDX-License-Identifier: Apache-2.0
#include "user/config/event.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

static const struct {
	const char *name, *counted, *added, *unit, *help;
} events[EVENT_N] = {
#define EVENT_TEXT(id, name_, on, counted_, added_, unit_, help_) {name_, counted_, added_, unit_, help_},
	EVENTS(EVENT_TEXT)
#undef EVENT_TEXT
};

const char *event__name(enum event ev)
{
	return events[ev].name;
}

const char *event__help(enum event ev)
{
	return events[ev].help;
}

const char *event__counted(enum event ev)
{
	return events[ev].counted;
}

const char *event__added(enum event ev)
{
	return events[ev].added;
}

const char *event__unit(enum event ev)
{
	return events[ev].unit;
}

int event__find(const char *name, enum event *ret_ev)
{
	for (int i = 0; i < EVENT_N; i++) {
		if (!strcmp(events[i].name, name)) {
			*ret_ev = i;
			return 0;
		}
	}
	return -ENOENT;
}

bool event__is_state(const char *name)
{
	enum event ev;

	return !event__find(name, &ev) && (ev == EVENT_HEAP || ev == EVENT_THREADS || ev == EVENT_GOROUTINE);
}
