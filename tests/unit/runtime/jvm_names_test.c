/* SPDX-License-Identifier: Apache-2.0 */
/* A made-up JVM's method, from its piece of code to its names, in a block of memory. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "user/process/process_memory.h"
#include "user/runtime/jvm_names.h"

#define BASE   0x10000u
#define METHOD 0x100
#define CONST  0x200
#define POOL   0x300
#define KLASS  0x400
#define CLASS  0x500
#define NAME   0x600
#define STRING 0xb00

static uint8_t image[4096];
static uint32_t n_reads;

static int read_image(void *ctx, struct memory_span *spans, size_t n)
{
	(void)ctx;
	n_reads++;
	for (size_t i = 0; i < n; i++) {
		uint64_t at = spans[i].addr - BASE;

		spans[i].is_read =
			spans[i].addr >= BASE && at <= sizeof(image) && spans[i].len <= sizeof(image) - at;
		if (spans[i].is_read)
			memcpy(spans[i].to, image + at, spans[i].len);
	}
	return 0;
}

static const struct jvm_memory memory = {read_image, NULL};
static const struct jvm_layout layout = {
	.fields = {[JVM_METHOD_CONST] = {8, 8},
		   [JVM_CONST_POOL] = {8, 8},
		   [JVM_CONST_NAME] = {34, 2},
		   [JVM_POOL_HOLDER] = {24, 8},
		   [JVM_KLASS_NAME] = {24, 8},
		   [JVM_SYMBOL_LENGTH] = {4, 2},
		   [JVM_SYMBOL_BODY] = {6, 0},
		   [JVM_POOL_BYTES] = {72, 8}},
	.has_names = true,
};
static struct jvm_blob blobs[] = {
	{.start = 0x5000, .bytes = 64, .is_method = true, .named_by = BASE + METHOD},
	{.start = 0x6000, .bytes = 64, .named_by = BASE + STRING},
};
static const struct jvm_code code = {.blobs = blobs, .n = 2};

static void put(uint64_t at, uint64_t v, size_t width)
{
	memcpy(image + at, &v, width);
}

static void put_symbol(uint64_t at, const char *text)
{
	put(at + 4, strlen(text), 2);
	memcpy(image + at + 6, text, strlen(text));
}

static int make_image(void **state)
{
	(void)state;
	n_reads = 0;
	memset(image, 0, sizeof(image));
	put(METHOD + 8, BASE + CONST, 8);
	put(CONST + 8, BASE + POOL, 8);
	put(CONST + 34, 5, 2);
	put(POOL + 24, BASE + KLASS, 8);
	put(POOL + 72 + 5 * 8, BASE + NAME, 8);
	put(KLASS + 24, BASE + CLASS, 8);
	put_symbol(CLASS, "java/util/TreeMap");
	put_symbol(NAME, "put");
	strcpy((char *)image + STRING, "StubRoutines (1)");
	return 0;
}

static void assert_names(const char *method, const char *other)
{
	struct jvm_names names;

	assert_int_equal(jvm_names__read(&memory, &layout, &code, NULL, NULL, &names), 0);
	if (method)
		assert_string_equal(jvm_names__find(&names, 0), method);
	else
		assert_null(jvm_names__find(&names, 0));
	if (other)
		assert_string_equal(jvm_names__find(&names, 1), other);
	else
		assert_null(jvm_names__find(&names, 1));
	jvm_names__done(&names);
}

static void a_method_by_its_class_and_a_stub_by_its_string(void **state)
{
	(void)state;
	assert_names("java.util.TreeMap.put", "StubRoutines (1)");
}

static void what_leads_nowhere_has_no_name(void **state)
{
	static const uint64_t steps[] = {METHOD + 8, CONST + 8, POOL + 24, POOL + 72 + 40, KLASS + 24};

	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		make_image(state);
		put(steps[i], 0, 8);
		assert_names(NULL, "StubRoutines (1)");
		put(steps[i], UINT64_MAX - 8, 8);
		assert_names(NULL, "StubRoutines (1)");
	}
	make_image(state);
	put(NAME + 4, 0, 2);
	assert_names(NULL, "StubRoutines (1)");
	image[STRING] = 0;
	assert_names(NULL, NULL);
}

static void a_name_is_cut_where_it_is_longer_than_any(void **state)
{
	char text[JVM_NAME_MAX + 3 + 1] = "A.";

	(void)state;
	put_symbol(CLASS, "A");
	put(NAME + 4, 1000, 2);
	memset(image + NAME + 6, 'x', 1000);
	memset(text + 2, 'x', JVM_NAME_MAX);
	assert_names(text, "StubRoutines (1)");
}

static void names_are_read_once(void **state)
{
	struct jvm_names first, second;

	(void)state;
	assert_int_equal(jvm_names__read(&memory, &layout, &code, NULL, NULL, &first), 0);
	n_reads = 0;
	put_symbol(NAME, "get"); /* nobody looks */
	assert_int_equal(jvm_names__read(&memory, &layout, &code, &code, &first, &second), 0);
	assert_int_equal(n_reads, 0);
	assert_string_equal(jvm_names__find(&second, 0), "java.util.TreeMap.put");
	assert_string_equal(jvm_names__find(&second, 1), "StubRoutines (1)");
	jvm_names__done(&second);

	/* another method in the same place */
	blobs[0].named_by++;
	image[METHOD + 9 + 7] = 0;
	memmove(image + METHOD + 9, image + METHOD + 8, 8);
	{
		struct jvm_blob was[2] = {blobs[0], blobs[1]};
		const struct jvm_code before = {.blobs = was, .n = 2};

		was[0].named_by--;
		assert_int_equal(jvm_names__read(&memory, &layout, &code, &before, &first, &second), 0);
	}
	blobs[0].named_by--;
	assert_string_equal(jvm_names__find(&second, 0), "java.util.TreeMap.get");
	jvm_names__done(&first);
	jvm_names__done(&second);
}

static void assert_format(const char *class_name, const char *method, const char *is)
{
	char to[2 * JVM_NAME_MAX + 2];

	assert_int_equal(jvm_names__format(class_name, strlen(class_name), method, strlen(method), to),
			 strlen(is));
	assert_string_equal(to, is);
}

static void a_name_is_as_in_java_and_the_same_in_each_run(void **state)
{
	(void)state;
	assert_format("Busy", "main", "Busy.main");
	assert_format("a/b/C$D", "<init>", "a.b.C$D.<init>");
	assert_format("a/L$MH+0x00007f2a04001000", "invoke", "a.L$MH.invoke");
	assert_format("A+0", "b", "A+0.b");
	assert_format("A\n", "b\x7f", "A?.b?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_method_by_its_class_and_a_stub_by_its_string, make_image),
		cmocka_unit_test_setup(what_leads_nowhere_has_no_name, make_image),
		cmocka_unit_test_setup(a_name_is_cut_where_it_is_longer_than_any, make_image),
		cmocka_unit_test_setup(names_are_read_once, make_image),
		cmocka_unit_test_setup(a_name_is_as_in_java_and_the_same_in_each_run, make_image),
	};

	return cmocka_run_group_tests_name("jvm_names", tests, NULL, NULL);
}
