/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Authorization headers against a list of who may ask: nobody gets in by anything but his very secret. The first byte tells whether the rest is a header or a file.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "user/server/credential.h"

#define LINES "view basic ann secret-1\ncapture bearer token-12345\n"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct credential_list l;
	char *text;
	enum role role;

	if (!size)
		return 0;
	if (*data & 1) {
		credential_list__parse("fuzz", (const char *)data + 1, size - 1, &l, NULL);
		if (l.n > CREDENTIALS_MAX)
			abort();
		return 0;
	}
	if (credential_list__parse("fuzz", LINES, strlen(LINES), &l, NULL))
		abort();
	text = malloc(size);
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	role = credential_list__check(&l, text);
	if (role == ROLE_CAPTURE && strcmp(text + 7, "token-12345"))
		abort();
	free(text);
	return 0;
}
