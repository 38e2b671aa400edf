// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "user/base/buf.h"
#include "user/base/err.h"
#include "user/config/yaml.h"

static struct yaml read_good(const char *text)
{
	struct err e = {0};
	struct yaml y;

	if (yaml__parse("f", text, strlen(text), &y, &e))
		fail_msg("%s", e.text);
	return y;
}

static int read_bad(const void *text, size_t len, struct err *e)
{
	struct yaml y;
	int err;

	e->text[0] = '\0';
	err = yaml__parse("f", text, len, &y, e);
	if (!err)
		yaml__done(&y);
	return err;
}

static void every_value_knows_its_line(void **state)
{
	struct yaml y = read_good("# c\na: 1\nb:\n  - x\n  - {k: v,\n     l: [1, 2, 3]}\nc:\n");
	const struct yaml_node *b, *item;

	(void)state;
	assert_int_equal(y.root->kind, YAML_MAP);
	assert_int_equal(y.root->n, 3);
	assert_string_equal(yaml__child(y.root, "a")->text, "1");
	assert_int_equal(yaml__child(y.root, "a")->key_line, 2);
	b = yaml__child(y.root, "b");
	assert_int_equal(b->kind, YAML_LIST);
	assert_int_equal(b->key_line, 3);
	item = b->first->next;
	assert_int_equal(item->kind, YAML_MAP);
	assert_int_equal(item->line, 5);
	assert_int_equal(yaml__child(item, "l")->n, 3);
	assert_int_equal(yaml__child(item, "l")->key_line, 6);
	assert_int_equal(yaml__child(y.root, "c")->kind, YAML_NOTHING);
	assert_null(yaml__child(y.root, "d"));
	yaml__done(&y);
}

static void an_empty_file_is_nothing(void **state)
{
	struct yaml y = read_good("");

	(void)state;
	assert_int_equal(y.root->kind, YAML_NOTHING);
	yaml__done(&y);
	y = read_good("# only a comment\n");
	assert_int_equal(y.root->kind, YAML_NOTHING);
	yaml__done(&y);
	y = read_good("---\n...\n");
	assert_int_equal(y.root->kind, YAML_NOTHING);
	yaml__done(&y);
}

static void only_bare_null_means_nothing(void **state)
{
	struct yaml y = read_good("[null, ~, \"null\", '', '~', x]");
	static const enum yaml_kind kinds[] = {YAML_NOTHING, YAML_NOTHING, YAML_SCALAR,
					       YAML_SCALAR,  YAML_SCALAR,  YAML_SCALAR};
	const struct yaml_node *n;
	size_t i = 0;

	(void)state;
	assert_int_equal(y.root->n, 6);
	yaml__for_each(n, y.root)
	{
		assert_int_equal(n->kind, kinds[i++]);
	}
	yaml__done(&y);
}

static void errors_name_file_and_line(void **state)
{
	static const struct {
		const char *text, *where, *what;
	} bad[] = {
		{"a: 1\nb: [1\nc: 2\n", "f:3: ", "not valid YAML"},
		{"a: 1\n\tb: 2\n", "f:2: ", "found a tab character"},
		{"a:\n\t- b: 2\n", "f:2: ", "(indent with spaces, not tabs;"},
		{"a:\n  - b: 1\n   c: 2\n", "f:3: ", "(is it indented as the lines above?)"},
		{"a: 1\nb: 2\na: 3\n", "f:3: ", "a: key stands twice, first in line 1"},
		{"x: &anchor 1\n", "f:1: ", "anchors"},
		{"x: 1\ny: &a {z: 1}\n", "f:2: ", "anchors"},
		{"x: &a [1]\n", "f:1: ", "anchors"},
		{"x: 1\ny: *nothing\n", "f:2: ", "aliases"},
		{"x: !!int 3\n", "f:1: ", "tags"},
		{"x: !mine [3]\n", "f:1: ", "tags"},
		{"a: 1\n---\nb: 1\n", "f:2: ", "a second document"},
		{"? [a, b]\n: 1\n", "f:1: ", "expected a key"},
		{"? {a: b}\n: 1\n", "f:1: ", "expected a key"},
		{"\"\": 1\n", "f:1: ", "an empty key"},
		{"a: \"x\\0y\"\n", "f:1: ", "control character (0x00)"},
		{"a: \"x\\ey\"\n", "f:1: ", "control character (0x1b)"},
	};
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(read_bad(bad[i].text, strlen(bad[i].text), &e), -EINVAL);
		if (strncmp(e.text, bad[i].where, strlen(bad[i].where)) || !strstr(e.text, bad[i].what))
			fail_msg("%s -> %s", bad[i].text, e.text);
		assert_null(strchr(e.text, '\n'));
	}
}

static void bytes_that_are_not_text_are_refused(void **state)
{
	struct err e;

	(void)state;
	assert_int_equal(read_bad("a: \xff\xfe\n", 6, &e), -EINVAL);
	assert_non_null(strstr(e.text, "f: byte "));
	assert_int_equal(read_bad("a: b\0c\n", 7, &e), -EINVAL);
	assert_int_equal(read_bad("\x7f"
				  "ELF\x02\x01\x01",
				  7, &e),
			 -EINVAL);
}

/* text repeated n times between two ends */
static void fill(struct buf *b, const char *head, const char *text, size_t n)
{
	buf__init(b, 1 << 20);
	buf__append_str(b, head);
	while (n--)
		buf__append_str(b, text);
	assert_int_equal(buf__err(b), 0);
}

static void every_limit_holds(void **state)
{
	struct err e;
	struct buf b;

	(void)state;
	fill(&b, "", "[", YAML_DEPTH_MAX + 1);
	assert_int_equal(read_bad(b.data, b.len, &e), -E2BIG);
	assert_non_null(strstr(e.text, "nested deeper than 16"));
	buf__done(&b);

	fill(&b, "", "- ", YAML_DEPTH_MAX + 1);
	buf__append_str(&b, "x\n");
	assert_int_equal(read_bad(b.data, b.len, &e), -E2BIG);
	buf__done(&b);

	fill(&b, "a: ", "x", YAML_SCALAR_MAX + 1);
	assert_int_equal(read_bad(b.data, b.len, &e), -E2BIG);
	assert_non_null(strstr(e.text, "at most 4096"));
	buf__done(&b);

	fill(&b, "", "- x\n", YAML_ITEMS_MAX + 1);
	assert_int_equal(read_bad(b.data, b.len, &e), -E2BIG);
	assert_non_null(strstr(e.text, "more than 1024 entries"));
	buf__done(&b);

	fill(&b, "", "- [1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]\n", 1000);
	assert_int_equal(read_bad(b.data, b.len, &e), -E2BIG);
	assert_non_null(strstr(e.text, "more than 16384 values"));
	buf__done(&b);

	fill(&b, "", "#", YAML_BYTES_MAX + 1);
	assert_int_equal(read_bad(b.data, b.len, &e), -E2BIG);
	buf__done(&b);
}

static void what_is_within_the_limits_is_taken(void **state)
{
	struct yaml y;
	struct buf b;

	(void)state;
	fill(&b, "", "- x\n", YAML_ITEMS_MAX);
	y = read_good(buf__str(&b));
	assert_int_equal(y.root->n, YAML_ITEMS_MAX);
	yaml__done(&y);
	buf__done(&b);

	fill(&b, "a: ", "x", YAML_SCALAR_MAX);
	y = read_good(buf__str(&b));
	assert_int_equal(strlen(y.root->first->text), YAML_SCALAR_MAX);
	yaml__done(&y);
	buf__done(&b);
}

static void what_was_found_is_described(void **state)
{
	struct yaml y = read_good("[x, [], {}, ~, \"a\\nb\"]");
	static const char *const words[] = {"'x'", "a list", "a section", "nothing", "'a?b'"};
	char scratch[YAML_DESCRIBE_MAX];
	const struct yaml_node *n;
	size_t i = 0;

	(void)state;
	yaml__for_each(n, y.root)
	{
		assert_string_equal(yaml__describe(n, scratch), words[i++]);
	}
	assert_int_equal(i, 5);
	yaml__done(&y);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_value_knows_its_line),
		cmocka_unit_test(an_empty_file_is_nothing),
		cmocka_unit_test(only_bare_null_means_nothing),
		cmocka_unit_test(errors_name_file_and_line),
		cmocka_unit_test(bytes_that_are_not_text_are_refused),
		cmocka_unit_test(every_limit_holds),
		cmocka_unit_test(what_is_within_the_limits_is_taken),
		cmocka_unit_test(what_was_found_is_described),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
