// SPDX-License-Identifier: Apache-2.0
/* A kernel that lacks a function, for a profiler that this is loaded into: $LACKS is in no type information of any kernel any more. */
#include <bpf/btf.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

__s32 btf__find_by_name_kind(const struct btf *btf, const char *type_name, __u32 kind)
{
	const char *lacks = getenv("LACKS");
	__s32 (*find)(const struct btf *, const char *, __u32) =
		(__s32(*)(const struct btf *, const char *, __u32))dlsym(RTLD_NEXT, "btf__find_by_name_kind");

	if (!find || (lacks && !strcmp(type_name, lacks)))
		return -ENOENT;
	return find(btf, type_name, kind);
}
