/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Targets of requests, as they come from the network: whatever the bytes, a path that passes has no way up, and every text is one.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "user/profile/utf8.h"
#include "user/server/ask.h"
#include "user/server/http.h"
#include "user/server/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *s)
{
	if (!utf8__valid(s, strlen(s)))
		abort();
	for (; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct request r;
	struct ask_for a;
	uint64_t n;

	if (request__parse((const char *)data, size, &r))
		return 0;
	check_text(r.path);
	if (*r.path != '/' || strstr(r.path, "/../") || strstr(r.path, "//") || strstr(r.path, "/./"))
		abort();
	if (strlen(r.path) > 2 && !strcmp(r.path + strlen(r.path) - 3, "/.."))
		abort();
	for (uint32_t i = 0; i < r.n_params; i++) {
		check_text(r.params[i].name);
		check_text(r.params[i].value);
		if (!request__number(&r, r.params[i].name, 0, 1000, &n) && n > 1000)
			abort();
		http__is_our_host(r.params[i].value, NULL, 0);
		http__is_same_origin(r.params[i].value, r.params[i].name);
	}
	if (!ask__read(&r, &a, NULL) && (a.range.from_ns >= a.range.to_ns || a.selection.n > SELECTION_MAX))
		abort();
	request__done(&r);
	return 0;
}
