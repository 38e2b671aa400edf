/* SPDX-License-Identifier: Apache-2.0 */
/* The way from a file to a profile, as any reader of the file would go it. Apart from the rest of expect, which needs no format. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "exporters/format/pprof.h"
#include "tests/support/expect.h"
#include "user/base/buf.h"
#include "user/base/err.h"
#include "user/base/io.h"
#include "user/profile/profile.h"

#define FILE_MAX_BYTES (256u << 20)

int expect__read_profile(const char *path, struct profile **ret_profile, struct err *err)
{
	struct buf bytes;
	int status;

	buf__init(&bytes, FILE_MAX_BYTES);
	status = io__read_at(AT_FDCWD, path, FILE_MAX_BYTES, &bytes);
	if (status)
		err__set(err, status, "read '%s': %s", path, strerror(-status));
	else
		status = pprof__decode(bytes.data, bytes.len, NULL, ret_profile, err);
	buf__done(&bytes);
	return status;
}

struct profile *expect_profile(const char *path)
{
	struct profile *p = NULL;
	struct err err = {};
	int status = expect__read_profile(path, &p, &err);

	if (status)
		fail_msg("'%s': %s", path, err__text(&err, status));
	return p;
}
