/* SPDX-License-Identifier: Apache-2.0 */
/*
 * utf8 - is it UTF-8, and if not, what is the nearest text that is?
 *
 * Names come from symbol tables, file systems and processes, which promise nothing; readers of profiles reject a file for one
 * bad byte. A NUL counts as bad too, for the text of a profile is handed out as C strings.
 *
 * Owns: nothing. Thread: any. Limit: the caller's. Errors: none.
 */
#ifndef EVERPROF_PROFILE_UTF8_H
#define EVERPROF_PROFILE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that utf8__clean may need for len bytes of input. */
#define UTF8_CLEAN_MAX(len) ((len)*3)

/* Length of the character at s, or minus the length of the piece that is none (a NUL is none). left > 0; in a text that NUL ends, 4 will do. */
int utf8__step(const char *s, size_t left);
bool utf8__valid(const char *s, size_t len);
/* Copies, with U+FFFD for each maximal piece that is no character; returns the length (no NUL is added). */
size_t utf8__clean(const char *s, size_t len, char *out);

#endif
