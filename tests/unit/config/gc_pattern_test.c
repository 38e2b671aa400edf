// SPDX-License-Identifier: Apache-2.0
/* Names as profiles of go 1.19 to 1.24, OpenJDK 17, node 20 and CPython 3.9 to 3.13 had them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "user/config/gc_pattern.h"

static void functions_of_collectors_are_known(void **state)
{
	static const struct {
		const char *name;
		enum gc_runtime runtime;
	} functions[] = {
		{"runtime.gcBgMarkWorker", GC_GO},
		{"runtime.gcBgMarkWorker.func2", GC_GO},
		{"runtime.gcAssistAlloc1", GC_GO},
		{"runtime.(*sweepLocked).sweep", GC_GO},
		{"v8::internal::ScavengerCollector::CollectGarbage", GC_V8},
		{"v8::internal::Sweeper::RawSweep", GC_V8},
		{"gc_collect_main", GC_CPYTHON},
		{"gc_collect_main.constprop.0", GC_CPYTHON},
		{"VM_G1CollectForAllocation::doit", GC_JVM},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++)
		assert_int_equal(gc_pattern__of_function(functions[i].name), functions[i].runtime);
}

static void what_is_beside_them_is_not_theirs(void **state)
{
	static const char *const names[] = {"",
					    "runtime.mallocgc",
					    "runtime.gosched",
					    "runtime.(*gcControllerState).trigger",
					    "main.gcStart",
					    "v8::internal::Heap::AllocateRaw",
					    "gc_alloc",
					    "PyObject_GC_New",
					    "_PyObject_GC_Alloc",
					    "collect",
					    "Object::VM_G1"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		assert_int_equal(gc_pattern__of_function(names[i]), GC_NONE);
}

static void threads_are_told_by_the_first_15_characters(void **state)
{
	(void)state;
	assert_int_equal(gc_pattern__of_thread("GC Thread#0"), GC_JVM);
	assert_int_equal(gc_pattern__of_thread("G1 Main Marker"), GC_JVM);
	assert_int_equal(gc_pattern__of_thread("Shenandoah GC T"), GC_JVM);
	assert_int_equal(gc_pattern__of_thread("GC"), GC_NONE);
	assert_int_equal(gc_pattern__of_thread("VM Thread"), GC_NONE);
	assert_int_equal(gc_pattern__of_binary("/usr/lib/jvm/java-17/lib/server/libjvm.so"), GC_JVM);
	assert_int_equal(gc_pattern__of_binary("/usr/lib/libjvm.so.1"), GC_NONE);
	assert_int_equal(gc_pattern__of_binary(""), GC_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(functions_of_collectors_are_known),
		cmocka_unit_test(what_is_beside_them_is_not_theirs),
		cmocka_unit_test(threads_are_told_by_the_first_15_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
