// SPDX-License-Identifier: Apache-2.0
#include "tests/support/captured.h"

#include <fcntl.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/support/expect.h"
#include "user/base/buf.h"
#include "user/base/io.h"

#define PATH_BYTES 4096

int captured__find(const struct recording *r, struct captured *ret)
{
	static json_t *meta;
	char pattern[1100], path[2100];
	glob_t found = {0};
	int n;

	snprintf(pattern, sizeof(pattern), "%s/store/captures/*/*", r->dir);
	assert_true(glob(pattern, GLOB_ERR, NULL, &found) != GLOB_ABORTED);
	n = (int)found.gl_pathc;
	if (n) {
		snprintf(ret->dir, sizeof(ret->dir), "%s", found.gl_pathv[n - 1]);
		snprintf(ret->id, sizeof(ret->id), "%s", strrchr(ret->dir, '_') + 1);
		snprintf(path, sizeof(path), "%s/meta.json", ret->dir);
		json_decref(meta);
		meta = json_load_file(path, 0, NULL);
		assert_non_null(meta);
		ret->meta = meta;
	}
	globfree(&found);
	return n;
}

void captured__expect(const struct recording *r, struct captured *ret)
{
	for (int i = 0; i < 300; i++) {
		if (captured__find(r, ret) == 1)
			return;
		usleep(100000);
	}
	fail_msg("no capture appears in '%s'", r->dir);
}

const char *captured__text(const struct captured *c, const char *key)
{
	const char *s = json_string_value(json_object_get(c->meta, key));

	return s ? s : "";
}

json_t *captured__event(const struct captured *c, const char *event)
{
	return json_object_get(json_object_get(c->meta, "events"), event);
}

struct profile *captured__profile(const struct captured *c, const char *file)
{
	char path[PATH_BYTES];

	snprintf(path, sizeof(path), "%s/%s", c->dir, file);
	return expect_profile(path);
}

char *captured__read(const struct captured *c, const char *file)
{
	char path[PATH_BYTES], *text = NULL;
	struct buf b;

	snprintf(path, sizeof(path), "%s/%s", c->dir, file);
	buf__init(&b, 16 << 20);
	if (!io__read_at(AT_FDCWD, path, 16 << 20, &b))
		text = strdup(buf__str(&b));
	buf__done(&b);
	return text;
}
