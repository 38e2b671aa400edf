// SPDX-License-Identifier: Apache-2.0
/* Any bytes as a delivery: what is taken is within its limits, and is written to bytes that are taken as the same. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "user/alert/delivery.h"
#include "user/base/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_again(const struct delivery *d)
{
	struct delivery *again = malloc(sizeof(*again));
	const char *args[DELIVERY_ARGS_MAX];
	struct buf b;

	if (!again)
		return;
	for (uint32_t i = 0; i < d->n_args; i++)
		args[i] = d->args[i];
	buf__init(&b, DELIVERY_BYTES_MAX + 65536);
	/* a line at the very limit of reading is over that of writing */
	if (!delivery__write(d->kind, d->created_ns, d->kind == DELIVERY_POST ? d->url : NULL, args,
			     d->n_args, d->body, d->body_len, &b) &&
	    b.len <= DELIVERY_BYTES_MAX) {
		if (delivery__parse(b.data, b.len, again) || again->n_args != d->n_args ||
		    again->kind != d->kind || again->created_ns != d->created_ns ||
		    strcmp(again->url, d->url) || again->body_len != d->body_len ||
		    memcmp(again->body, d->body, d->body_len))
			abort();
		for (uint32_t i = 0; i < d->n_args; i++)
			if (strcmp(again->args[i], d->args[i]))
				abort();
	}
	buf__done(&b);
	free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct delivery *d = malloc(sizeof(*d));

	if (d && !delivery__parse(data, size, d)) {
		if (d->kind == DELIVERY_RUN && (!d->n_args || d->args[0][0] != '/'))
			abort();
		if (d->kind == DELIVERY_RUN && d->body_len && d->body[d->body_len - 1])
			abort();
		write_again(d);
	}
	free(d);
	return 0;
}
