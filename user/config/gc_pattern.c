// SPDX-License-Identifier: Apache-2.0
#include "user/config/gc_pattern.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* What a name begins with. */
struct pattern {
	enum gc_runtime runtime;
	const char *prefix;
};

static const struct pattern functions[] = {
	{GC_GO, "runtime.gcBgMarkWorker"},
	{GC_GO, "runtime.gcAssistAlloc"},
	{GC_GO, "runtime.gcDrain"},
	{GC_GO, "runtime.gcMark"},
	{GC_GO, "runtime.gcStart"},
	{GC_GO, "runtime.gcSweep"},
	{GC_GO, "runtime.gcFlushBgCredit"},
	{GC_GO, "runtime.markroot"},
	{GC_GO, "runtime.scanobject"},
	{GC_GO, "runtime.scanblock"},
	{GC_GO, "runtime.scanstack"},
	{GC_GO, "runtime.greyobject"},
	{GC_GO, "runtime.bgsweep"},
	{GC_GO, "runtime.sweepone"},
	{GC_GO, "runtime.(*sweepLocked).sweep"},
	{GC_GO, "runtime.(*mspan).sweep"},
	{GC_GO, "runtime.bgscavenge"},
	{GC_GO, "runtime.wbBufFlush"},
	{GC_JVM, "VM_GC_Operation"},
	{GC_JVM, "VM_CollectForAllocation"},
	{GC_JVM, "VM_CollectForMetadataAllocation"},
	{GC_JVM, "VM_G1"},
	{GC_JVM, "VM_ParallelGC"},
	{GC_JVM, "VM_ParallelCollect"},
	{GC_JVM, "VM_GenCollect"},
	{GC_JVM, "VM_SerialCollect"},
	{GC_JVM, "VM_SerialGC"},
	{GC_JVM, "VM_Shenandoah"},
	{GC_JVM, "GenCollectedHeap::do_collection"},
	{GC_JVM, "SerialHeap::do_collection"},
	{GC_JVM, "G1CollectedHeap::do_collection"},
	{GC_JVM, "PSScavenge::"},
	{GC_JVM, "PSParallelCompact::"},
	{GC_V8, "v8::internal::Heap::CollectGarbage"},
	{GC_V8, "v8::internal::Heap::PerformGarbageCollection"},
	{GC_V8, "v8::internal::Heap::CollectAllGarbage"},
	{GC_V8, "v8::internal::MarkCompactCollector::"},
	{GC_V8, "v8::internal::MinorMarkCompact"},
	{GC_V8, "v8::internal::MinorMarkSweep"},
	{GC_V8, "v8::internal::Scavenge"},
	{GC_V8, "v8::internal::ConcurrentMarking::"},
	{GC_V8, "v8::internal::IncrementalMarking::"},
	{GC_V8, "v8::internal::Sweeper::"},
	{GC_V8, "v8::internal::ArrayBufferSweeper::"},
	{GC_V8, "v8::internal::PointersUpdatingJob"},
	{GC_V8, "v8::internal::PageEvacuationJob"},
	{GC_V8, "cppgc::internal::Sweeper"},
	{GC_V8, "cppgc::internal::ConcurrentMarker"},
	{GC_V8, "cppgc::internal::MarkerBase"},
	{GC_CPYTHON, "gc_collect_main"},
	{GC_CPYTHON, "gc_collect_with_callback"},
	{GC_CPYTHON, "gc_collect_generations"},
	{GC_CPYTHON, "gc_collect_region"},
	{GC_CPYTHON, "gc_collect_impl"},
	{GC_CPYTHON, "_PyGC_Collect"},
	{GC_CPYTHON, "PyGC_Collect"},
	{GC_CPYTHON, "_Py_RunGC"},
};

/* 15 characters are all that there is of a name. */
static const struct pattern threads[] = {
	{GC_JVM, "GC Thread#"}, {GC_JVM, "G1 Main Marker"}, {GC_JVM, "G1 Conc#"},   {GC_JVM, "G1 Refine#"},
	{GC_JVM, "G1 Service"}, {GC_JVM, "ParGC Thread"},   {GC_JVM, "Shenandoah"}, {GC_JVM, "ZWorker"},
	{GC_JVM, "ZDriver"},    {GC_JVM, "ZDirector"},      {GC_JVM, "XWorker"},    {GC_JVM, "XDriver"},
	{GC_JVM, "XDirector"},
};

const char *gc_runtime__name(enum gc_runtime r)
{
	static const char *const names[GC_N] = {"", "go", "jvm", "v8", "cpython"};

	return names[r];
}

static enum gc_runtime find(const struct pattern *patterns, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (*patterns[i].prefix == *name &&
		    !strncmp(patterns[i].prefix, name, strlen(patterns[i].prefix)))
			return patterns[i].runtime;
	return GC_NONE;
}

enum gc_runtime gc_pattern__of_function(const char *name)
{
	/* what none of them begins with, which is nearly all */
	if (!*name || !strchr("rVGSPvcg_", *name))
		return GC_NONE;
	return find(functions, sizeof(functions) / sizeof(*functions), name);
}

enum gc_runtime gc_pattern__of_thread(const char *comm)
{
	return find(threads, sizeof(threads) / sizeof(*threads), comm);
}

enum gc_runtime gc_pattern__of_binary(const char *path)
{
	const char *slash = strrchr(path, '/');

	return !strcmp(slash ? slash + 1 : path, "libjvm.so") ? GC_JVM : GC_NONE;
}
