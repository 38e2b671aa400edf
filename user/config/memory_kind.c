// SPDX-License-Identifier: Apache-2.0
#include "user/config/memory_kind.h"

const char *memory_kind__name(unsigned int kind)
{
	static const char *const names[MEMORY_KIND_MAX] = {
#define X(id, name, in_rss, text) [MEMORY_##id] = name,
		MEMORY_KINDS(X)
#undef X
	};

	return kind < MEMORY_KIND_MAX ? names[kind] : "";
}

const char *kmem_kind__name(unsigned int kind)
{
	static const char *const names[KMEM_KIND_MAX] = {
#define X(id, name, text) [KMEM_##id] = name,
		KMEM_KINDS(X)
#undef X
	};

	return kind < KMEM_KIND_MAX ? names[kind] : "";
}
