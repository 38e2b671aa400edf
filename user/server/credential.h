/* SPDX-License-Identifier: Apache-2.0 */
/*
 * credential - who may ask, and for what: the lines of server.credentials, and the check of an Authorization header.
 *
 *      view bearer TOKEN                 # a comment
 *      capture basic NAME PASSWORD       (a name has no ':', neither has blanks)
 *
 * A check takes the same time whatever is wrong: every line is compared, and every comparison goes over the whole secret.
 *
 * Owns: nothing (flat structs). Thread: any. Limit: CREDENTIALS_MAX lines. Errors: -EINVAL with the line, -E2BIG.
 */
#ifndef EVERPROF_SERVER_CREDENTIAL_H
#define EVERPROF_SERVER_CREDENTIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CREDENTIALS_MAX        32
#define CREDENTIAL_SECRET_MAX  320 /* "NAME:PASSWORD", or a token */
#define CREDENTIAL_SECRET_MIN  8   /* of a password or token */
#define CREDENTIALS_FILE_BYTES (32u << 10)

struct err;

enum role { ROLE_NONE, ROLE_VIEW, ROLE_CAPTURE }; /* each includes those before it */

struct credential {
	uint32_t role; /* enum role */
	bool is_bearer;
	char secret[CREDENTIAL_SECRET_MAX];
};

struct credential_list {
	uint32_t n;
	struct credential items[CREDENTIALS_MAX];
};

/* Pure. `name` is the file's, for the err. */
int credential_list__parse(const char *name, const char *text, size_t len, struct credential_list *ret,
			   struct err *err);
/* A regular file that only its owner may read. */
int credential_list__read(const char *path, struct credential_list *ret, struct err *err);
/* What the header (NULL: none) gives; everything where the list is empty. */
enum role credential_list__check(const struct credential_list *l, const char *authorization);

#endif
