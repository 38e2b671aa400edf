/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "user/runtime/go_layout.h"

static void versions_as_they_are_written(void **state)
{
	static const struct {
		const char *text;
		int err;
		uint32_t minor;
	} cases[] = {
		{"go1.22.12", 0, 22},
		{"go1.26", 0, 26},
		{"go1.21rc2", 0, 21},
		{"go1.26-devel_2f8a X:jsonv2", 0, 26},
		{"devel go1.27-0a1b2c3d Fri Nov 28", 0, 27},
		{"devel +0a1b2c3d", -EBADMSG, 0},
		{"go2.1", -EBADMSG, 0},
		{"go1.", -EBADMSG, 0},
		{"go1.99999999999999999999", -EBADMSG, 0},
		{"", -EBADMSG, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint32_t minor = 0;

		assert_int_equal(go_layout__parse_version(cases[i].text, &minor), cases[i].err);
		assert_int_equal(minor, cases[i].minor);
	}
}

/* Offsets of the members in the order of the structure, as far as the release has them. */
static void each_release_has_sound_offsets(void **state)
{
	(void)state;
	for (uint32_t minor = 0; minor < 60; minor++) {
		struct go_layout l;
		int err = go_layout__of_release(minor, &l);

		if (minor < 18 || minor > 26) {
			assert_int_equal(err, -EOPNOTSUPP);
			continue;
		}
		assert_int_equal(err, 0);
		assert_true(l.minor <= minor);
		assert_true(l.sched_bp > GO_G_SCHED_G);
		assert_true(l.syscallsp > l.sched_bp && l.syscallpc == l.syscallsp + 8);
		assert_true(!l.syscallbp || l.syscallbp == l.syscallpc + 8);
		assert_true(l.status > l.syscallpc && l.goid > l.status && l.waitsince > l.goid);
		assert_true(l.waitreason == l.waitsince + 8 && l.lockedm > l.waitreason);
		assert_int_equal(!l.parent_goid, minor < 21);
		assert_true(l.gopc > l.lockedm && l.startpc > l.gopc && l.waiting > l.startpc);
		assert_true(l.g_bytes >= l.waiting + 8 && l.g_bytes <= GO_LAYOUT_G_MAX);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(versions_as_they_are_written),
		cmocka_unit_test(each_release_has_sound_offsets),
	};

	return cmocka_run_group_tests_name("go_layout", tests, NULL, NULL);
}
