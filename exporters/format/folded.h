/* SPDX-License-Identifier: Apache-2.0 */
/*
 * folded - one line a stack, "root;caller;leaf value", as flame graph tools read it.
 *
 * Kernel frames end in _[k], inlined ones in _[i]. Equal lines are added up; lines are ordered frame by frame, so the same
 * profile gives the same text. ';' inside a name becomes ':', control characters become blanks. Lines of value 0 are left out, a negative
 * value stands as it is, and a sample without any frame is "[no stack]".
 *
 * Owns: nothing. Thread: any. Limit: output that of the buf. Errors: -EINVAL not sealed, -ENOENT no such sample type, -ENOMEM, the
 * buf's.
 */
#ifndef EVERPROF_FORMAT_FOLDED_H
#define EVERPROF_FORMAT_FOLDED_H

struct buf;
struct profile;

struct folded_opts {
	const char *type;       /* sample type; NULL: the default one */
	const char *root_label; /* this label's value as the first frame, where a sample has it; NULL: none */
};

int folded__encode(const struct profile *p, const struct folded_opts *opts, struct buf *to);

#endif
