// SPDX-License-Identifier: Apache-2.0
/* Any text as the trigger of a capture, and as a capture's meta.json. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "user/alert/capture_head.h"
#include "user/alert/capture_trigger.h"
#include "user/base/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void trigger(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct capture_trigger t;
	struct err e = {""};

	if (!text)
		return;
	memcpy(text, data, size);
	text[size] = '\0';
	capture_trigger__init(&t, 1, 1);
	if (!capture_trigger__parse(text, &t, &e)) {
		if (!t.request.rule || !*t.request.rule || t.request.n_labels > CAPTURE_PAIRS_MAX ||
		    t.selection.n > SELECTION_MAX || t.request.before_ns > CAPTURE_RANGE_MAX_NS ||
		    (t.pid && t.request.selection))
			abort();
	} else if (!*e.text) {
		abort(); /* an error has its line */
	}
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct capture_head h;

	trigger(data, size);
	if (!capture_head__parse(data, size, &h) && strnlen(h.id, sizeof(h.id)) == sizeof(h.id))
		abort();
	return 0;
}
