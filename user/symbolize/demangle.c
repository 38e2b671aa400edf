/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Problem: mangled names are programs for a small machine with back references. A hostile symbol table can hold a
 * name of a hundred bytes whose demangled form has 2^40 characters, or one that nests until the stack is gone.
 *
 * Idea: libiberty's demanglers, in their callback form, with their recursion limits left on, an input limit before
 * them, and an output limit that *stops* them: the callback that finds the buffer full leaves by longjmp, so that
 * the time is bounded by the output too.
 *
 * Why longjmp is sound here: the callback forms are made to run without the heap (the C++ one is what the runtime
 * uses after a failed allocation), so that there is nothing to free between our setjmp and the callback. The one
 * exception is an identifier in punycode inside a Rust v0 name, whose decoded characters stand in a heap block
 * while they are printed. A name that is cut at that very place leaves that block behind: at most 16 KiB.
 * DEMANGLE_CUT_MAX cut names later, Rust v0 names stay mangled; so the sum is bounded, and only a process that
 * makes such names on purpose gets there.
 *
 * Recursion: libiberty refuses C++ names of more than 1024 characters for that reason (DEMANGLE_RECURSION_LIMIT /
 * 2), and they stay mangled.
 *
 * Clone suffixes: gcc's ".cold" half of a function is the same function to a reader, and is dropped from every
 * name, so that both halves add up. C names keep the others (".part.0", ".isra.0", ".constprop.0"), as every other
 * tool shows them; C++ names lose them all, because without parameters there is no place where they would read
 * well. The linkage name is kept beside by the caller.
 *
 * Cost: about 0.6 us a name.
 *
 * What it does not do: D, Ada, Swift, OCaml names; parameters. Go and Java names are not mangled.
 *
 * Reference: Itanium C++ ABI 5.1; Rust RFC 2603 (v0); libiberty's demangle.h.
 */
#include "user/symbolize/demangle.h"

#include <setjmp.h>
#include <string.h>

#include <libiberty/demangle.h>

#define CUT_MARK     "\xe2\x80\xa6" /* … */
#define CUT_MARK_LEN 3

struct output {
	jmp_buf full;
	char *bytes;
	size_t len;
	size_t cap; /* without the NUL and the mark */
};

static void append(const char *s, size_t len, void *vout)
{
	struct output *o = vout;
	size_t room = o->cap - o->len;

	if (!len)
		return; /* and `s` may be NULL */
	memcpy(o->bytes + o->len, s, len < room ? len : room);
	o->len += len < room ? len : room;
	if (len > room)
		longjmp(o->full, 1);
}

/* 1 done, 0 not such a name, -1 cut. Its own function, and no locals that change: setjmp must not see a
 * clobbered frame. */
static int __attribute__((noinline)) run(const char *name, bool is_rust, struct output *o)
{
	if (setjmp(o->full))
		return -1;
	if (is_rust)
		return rust_demangle_callback(name, DMGL_RUST, append, o) != 0;
	return cplus_demangle_v3_callback(name, DMGL_GNU_V3 | DMGL_ANSI, append, o) != 0;
}

static bool is_rust_legacy(const char *name, size_t len)
{
	/* …17h<16 hex digits>E, perhaps with a clone suffix that libiberty knows to handle itself */
	return len > 24 && strncmp(name, "_ZN", 3) == 0 && strstr(name, "17h") != NULL;
}

/* Length without ".cold" or ".cold.N". */
static size_t length_without_cold(const char *name, size_t len)
{
	size_t digits = len;

	while (digits && name[digits - 1] >= '0' && name[digits - 1] <= '9')
		digits--;
	if (digits < len && digits && name[digits - 1] == '.')
		digits--;
	else
		digits = len;
	if (digits > 5 && memcmp(name + digits - 5, ".cold", 5) == 0)
		return digits - 5;
	return len;
}

/* Length without an unfinished UTF-8 character at the end, so that a cut never leaves half of one. */
static size_t whole_characters(const char *s, size_t len)
{
	size_t lead = len;
	unsigned char c;

	while (lead && len - lead < 3 && ((unsigned char)s[lead - 1] & 0xc0) == 0x80)
		lead--;
	if (!lead)
		return len;
	c = (unsigned char)s[lead - 1];
	if ((c >= 0xf0 && len - lead < 3) || (c >= 0xe0 && len - lead < 2) || (c >= 0xc0 && len - lead < 1))
		return lead - 1;
	return len;
}

static void copy_cut(const char *name, size_t len, char *out, size_t cap)
{
	if (len < cap) {
		memcpy(out, name, len);
		out[len] = '\0';
		return;
	}
	len = whole_characters(name, cap - 1 - CUT_MARK_LEN);
	memcpy(out, name, len);
	memcpy(out + len, CUT_MARK, CUT_MARK_LEN + 1);
}

static bool is_plain_character(unsigned char c)
{
	return c > ' ' && c != 0x7f;
}

/* True where the name is one that a mangler could have made: printable, and of a length that we take. */
static bool is_candidate(const char *name, size_t len)
{
	if (len < 4 || len > DEMANGLE_INPUT_MAX || name[0] != '_' || (name[1] != 'Z' && name[1] != 'R'))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!is_plain_character((unsigned char)name[i]))
			return false;
	return true;
}

bool demangler__name(struct demangler *d, const char *name, char *out, size_t cap)
{
	size_t len = strnlen(name, DEMANGLE_INPUT_MAX + 1);
	struct output o = {.bytes = out, .cap = cap - 1 - CUT_MARK_LEN};
	bool is_v0 = name[0] == '_' && name[1] == 'R';
	int done = 0;

	if (is_candidate(name, len) && !(is_v0 && d->n_cut >= DEMANGLE_CUT_MAX)) {
		if (is_v0 || is_rust_legacy(name, len))
			done = run(name, true, &o);
		if (!done && !is_v0) {
			o.len = 0;
			done = run(name, false, &o);
		}
	}
	if (!done || o.len == 0) {
		copy_cut(name, length_without_cold(name, len), out, cap);
		return false;
	}
	out[o.len] = '\0';
	if (done < 0) {
		d->n_cut++;
		o.len = whole_characters(out, o.len);
		memcpy(out + o.len, CUT_MARK, CUT_MARK_LEN + 1);
	}
	return true;
}
