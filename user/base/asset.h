/* SPDX-License-Identifier: Apache-2.0 */
/*
 * asset - a file that is part of the binary: pages, scripts and styles, compressed by the build (mk/web.mk).
 *
 * ASSET(name, "x.js.gz") in one source file defines it; what it holds is the gzip file, which may go to a browser as it is.
 *
 * Owns: nothing (constant data). Thread: any. Limit: none. Errors: a file that is not there does not build.
 */
#ifndef EVERPROF_BASE_ASSET_H
#define EVERPROF_BASE_ASSET_H

#include <stddef.h>
#include <stdint.h>

struct asset {
	const uint8_t *bytes;
	size_t len;
};

#define ASSET(name, file)                                                          \
	__asm__(".pushsection .rodata\n"                                           \
		".balign 16\n"                                                     \
		".globl asset_" #name ", asset_" #name "_end\n"                    \
		"asset_" #name ":\n"                                               \
		".incbin \"" EVERPROF_ASSETS "/" file "\"\n"                       \
		"asset_" #name "_end:\n"                                           \
		".byte 0\n"                                                        \
		".popsection\n");                                                  \
	extern const uint8_t asset_##name[] __attribute__((visibility("hidden"))); \
	extern const uint8_t asset_##name##_end[] __attribute__((visibility("hidden")))

static inline struct asset asset_between(const uint8_t *begin, const uint8_t *end)
{
	return (struct asset){begin, (size_t)(end - begin)};
}

#define ASSET_OF(name) asset_between(asset_##name, asset_##name##_end)

#endif
