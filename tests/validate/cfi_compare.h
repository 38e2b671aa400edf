/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cfi_compare - asks libdw and our unwind tables the same question at every row boundary of a file, and compares the answers.
 *
 * The question is put with numbers: registers and memory hold made-up values, both sides compute the caller's CFA, frame pointer, stack pointer and
 * return address from them, and the results must be equal. What a row cannot say must have a reason that libdw's rule shows, too.
 *
 * Owns: nothing between calls. Thread: one. Limit: none (trusted files of a test machine). Errors: -errno; a file that is no ELF is -ENOEXEC.
 */
#ifndef EVERPROF_TESTS_VALIDATE_CFI_COMPARE_H
#define EVERPROF_TESTS_VALIDATE_CFI_COMPARE_H

#include <stdint.h>
#include <stdio.h>

/* Differences that have a name: our row says that it does not know, or says more than libdw does, and why is checked. */
#define CFI_EXPLAINED(X)                                                                            \
	X(CFA_OFFSET, "unsupported: CFA offset is no multiple of 8 or too large")                   \
	X(CFA_EXPRESSION, "unsupported: CFA by an expression of another shape")                     \
	X(CFA_REGISTER, "unsupported: CFA from a register that a row cannot name")                  \
	X(RA_RULE, "unsupported: return address neither at CFA-8 nor in a register")                \
	X(SP_RULE, "unsupported: the caller's stack pointer is not the CFA")                        \
	X(FP_RULE, "frame pointer given up: its rule does not fit a row")                           \
	X(PADDING, "padding of up to 15 bytes goes on with the rule before it")                     \
	X(SIGNAL, "signal trampoline: the row starts one byte early, or was found by its bytes")    \
	X(ENTRY, "entry point without CFI: an end mark")                                            \
	X(ROOT, "call of main or of a thread's function, without CFI: an end mark")                 \
	X(CONTEXT, "what contexts of makecontext return to: an end mark")                           \
	X(FRAME_POINTER, "code without CFI of a compiler that keeps frame pointers")                \
	X(GO, "code without CFI of Go, by the tables of its runtime")                               \
	X(DERIVED, "code without CFI, by its instructions (sweep_oracle says how good they are)")   \
	X(OVERLAP, "overlapping FDEs: the one that starts last wins")                               \
	X(OVERLAP_ORACLE, "overlapping FDEs: libdw has no answer or keeps to the one it saw first") \
	X(NO_CODE, "FDE outside of executable segments")                                            \
	X(DAMAGED, "FDE that neither side can read")

#define CFI_DISAGREEMENTS(X)                                       \
	X(CFA, "the CFA differs")                                  \
	X(FP, "the frame pointer differs")                         \
	X(RA, "the return address differs")                        \
	X(RBX, "RBX differs, where it is followed")                \
	X(END, "an end mark on one side only")                     \
	X(UNCOVERED, "libdw has a rule, we have none")             \
	X(INVENTED, "we have a rule, libdw has none")              \
	X(UNSUPPORTED, "we gave up on a rule that a row can hold") \
	X(BUILD, "a page could not be built")

enum cfi_explained {
#define X(id, text) CFI_EXPLAINED_##id,
	CFI_EXPLAINED(X)
#undef X
		CFI_EXPLAINED_MAX
};

enum cfi_disagreement {
#define X(id, text) CFI_DISAGREES_##id,
	CFI_DISAGREEMENTS(X)
#undef X
		CFI_DISAGREEMENTS_MAX
};

struct cfi_comparison {
	uint64_t files, fdes, rows, boundaries, agreed;
	uint64_t explained[CFI_EXPLAINED_MAX];
	uint64_t disagreed[CFI_DISAGREEMENTS_MAX];
	uint64_t pages, build_ns, open_ns, table_bytes;
};

extern const char *const cfi_explained_text[CFI_EXPLAINED_MAX];
extern const char *const cfi_disagreement_text[CFI_DISAGREEMENTS_MAX];

/* Adds the file's results to *c; disagreements are written to `report`, one a line, at most a few a kind and file. */
int cfi_compare__file(const char *path, struct cfi_comparison *c, FILE *report);
uint64_t cfi_comparison__n_disagreed(const struct cfi_comparison *c);

#endif
