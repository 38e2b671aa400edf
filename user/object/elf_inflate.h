/* SPDX-License-Identifier: Apache-2.0 */
/*
 * elf_inflate - the bytes of a compressed ELF section, with a limit on what comes out.
 *
 * Owns: nothing. Thread: any. Limit: `limit` bytes of output; the size that the section claims is checked against it before anything
 * is decompressed, and the output must have exactly that size.
 * Errors: -EBADMSG damaged, -EOPNOTSUPP another kind of compression, -E2BIG over the limit, -ENOMEM.
 */
#ifndef EVERPROF_OBJECT_ELF_INFLATE_H
#define EVERPROF_OBJECT_ELF_INFLATE_H

#include <stddef.h>
#include <stdint.h>

struct buf;

/* Pure: bytes of a SHF_COMPRESSED section (Elf64_Chdr, then zlib or zstd), appended to `to`. */
int elf_inflate__section(const uint8_t *bytes, size_t len, size_t limit, struct buf *to);
/* Pure: bytes of a .zdebug_* section ("ZLIB", size as 8 bytes big-endian, then zlib). */
int elf_inflate__zdebug(const uint8_t *bytes, size_t len, size_t limit, struct buf *to);

#endif
