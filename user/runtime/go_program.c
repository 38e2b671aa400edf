// SPDX-License-Identifier: Apache-2.0
/*
 * Problem: the list of all goroutines hangs on a variable of the runtime. Its address stands in the symbol table, which most programs in containers do
 * not have; and what the runtime calls a reason to wait is a number that changes with the release.
 *
 * Idea: symbols where there are some. Else the functions that use the variables are found by name in the table that the runtime itself needs
 * (gopclntab), and the addresses in their code are candidates. Which one it is shows in the memory of a process: only one is a slice that begins with sound
 * goroutines, only one is a table whose second string says "GC assist marking". A place by symbol is checked the same way.
 *
 *      allgs               ptr ──> g*, g*, g* …  each with a word that points back to itself (goroutine__parse)
 *                          len, cap
 *      waitReasonStrings   {0, 0}, {ptr, 17} ──> "GC assist marking", …
 *      mbuckets            ptr ──> a bucket whose type is memory
 *      MemProfileRate      a number: without a symbol only the usual one is believed
 *
 * Cost: with symbols, one pass over them; without, one over the function names: 20 ms for 100 000. Once a file.
 *
 * What it does not do: more than one runtime in a process (plugins share the program's).
 *
 * Reference: Go runtime/proc.go (allgadd), runtime/traceback.go (goroutineheader, isSystemGoroutine), runtime/runtime2.go.
 */
#include "user/runtime/go_program.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/bisect.h"
#include "user/base/buf.h"
#include "user/base/hashmap.h"
#include "user/base/io.h"
#include "user/object/elf.h"
#include "user/object/gopclntab.h"
#include "user/object/variable.h"
#include "user/object/x86_insn.h"
#include "user/process/process_memory.h"
#include "user/runtime/go_memory.h"
#include "user/runtime/goroutine.h"

#define FIRST_REASON "GC assist marking"
#define RATE_USUAL   (512 * 1024)
#define CALL_MAX     8 /* bytes of the longest call */

static const char *const variable_names[GO_VARIABLES] = {
	[GO_ALL_GOROUTINES] = "runtime.allgs",
	[GO_WAIT_REASONS] = "runtime.waitReasonStrings",
	[GO_MEMORY_BUCKETS] = "runtime.mbuckets",
	[GO_MEMORY_RATE] = "runtime.MemProfileRate",
};

/* Which functions use them. */
static const char *const user_names[GO_VARIABLES] = {
	[GO_ALL_GOROUTINES] = "runtime.allgadd",
	[GO_WAIT_REASONS] = "runtime.goroutineheader",
	[GO_MEMORY_BUCKETS] = "runtime.stkbucket",
	[GO_MEMORY_RATE] = "runtime.profilealloc",
};

/* -- the file -- */

static void take_operands(const struct elf *e, const struct gopclntab_function *f, struct go_place *place)
{
	uint64_t len = f->end - f->start;
	struct buf code;

	if (len > VARIABLE_CODE_MAX)
		return;
	buf__init(&code, VARIABLE_CODE_MAX);
	if (!elf__read_vaddr(e, f->start, len, &code))
		place->n_candidates = (uint32_t)variable__parse_operands(
			code.data, code.len, f->start, place->candidates, GO_CANDIDATES_MAX);
	buf__done(&code);
}

static bool has_places(const struct go_program *p)
{
	for (int v = 0; v < GO_VARIABLES; v++)
		if (!p->places[v].n_candidates)
			return false;
	return true;
}

static void search_code(const struct elf *e, struct go_program *p)
{
	uint32_t n = gopclntab__count(p->functions);

	for (uint32_t i = 0; i < n && !has_places(p); i++) {
		struct gopclntab_function f;

		if (gopclntab__get(p->functions, i, &f) || strncmp(f.name, "runtime.", 8))
			continue;
		for (int v = 0; v < GO_VARIABLES; v++)
			if (!p->places[v].n_candidates && !strcmp(f.name, user_names[v]))
				take_operands(e, &f, &p->places[v]);
	}
}

static void search_symbols(const struct elf *e, struct go_program *p)
{
	uint64_t vaddrs[GO_VARIABLES] = {0};

	if (variable__find_symbols(e, variable_names, GO_VARIABLES, vaddrs))
		return;
	for (int v = 0; v < GO_VARIABLES; v++) {
		p->places[v].candidates[0] = vaddrs[v];
		p->places[v].n_candidates = vaddrs[v] != 0;
	}
}

/* The file and its table, where they are not open. */
static int open_functions(struct go_program *p)
{
	int err;

	if (p->functions)
		return 0;
	err = p->file.open(p->file.ctx, &p->fd);
	if (!err)
		err = elf__open(p->fd, &p->elf);
	if (!err)
		err = gopclntab__load(p->elf, GO_TABLE_MAX, &p->functions);
	if (err)
		go_program__rest(p);
	return err;
}

void go_program__rest(struct go_program *p)
{
	gopclntab__free(p->functions);
	p->functions = NULL;
	elf__free(p->elf);
	p->elf = NULL;
	io__close(&p->fd);
}

static int load_release(struct go_program *p)
{
	uint32_t minor;
	int err = gobuildinfo__load(p->elf, p->version);

	if (!err)
		err = go_layout__parse_version(p->version, &minor) ? -EOPNOTSUPP : 0;
	return err ? err : go_layout__of_release(minor, &p->layout);
}

/* Without the texts of the reasons it goes on, without goroutines it does not. */
static int load_places(struct go_program *p)
{
	if (elf__machine(p->elf) != EM_X86_64)
		return -EOPNOTSUPP;
	search_symbols(p->elf, p);
	if (!has_places(p))
		search_code(p->elf, p);
	return p->places[GO_ALL_GOROUTINES].n_candidates ? 0 : -EOPNOTSUPP;
}

int go_program__load(const struct go_file *file, struct go_program **ret_program)
{
	struct go_program *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return -ENOMEM;
	p->file = *file;
	p->fd = FD_CLOSED;
	err = p->file.open(p->file.ctx, &p->fd);
	if (!err)
		err = elf__open(p->fd, &p->elf);
	if (!err)
		err = load_release(p);
	if (!err)
		err = gopclntab__load(p->elf, GO_TABLE_MAX, &p->functions);
	if (!err)
		err = load_places(p);
	go_program__rest(p);
	if (err)
		free(p);
	else
		*ret_program = p;
	return err;
}

void go_program__free(struct go_program *p)
{
	if (!p)
		return;
	go_program__rest(p);
	free(p->starts);
	free(p->callers);
	free(p->reasons);
	free(p);
}

/* -- what a goroutine began with -- */

enum go_start go_program__start_of(const char *function)
{
	static const char *const own[] = {"runtime.main", "runtime.corostart", "runtime.handleAsyncEvent"};
	static const char *const finalizers[] = {"runtime.runfinq", "runtime.runFinalizers",
						 "runtime.runCleanups"};

	if (strncmp(function, "runtime.", 8))
		return GO_START_USER;
	for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++)
		if (!strcmp(function, own[i]))
			return GO_START_USER;
	for (size_t i = 0; i < sizeof(finalizers) / sizeof(*finalizers); i++)
		if (!strcmp(function, finalizers[i]))
			return GO_START_FINALIZER;
	return GO_START_SYSTEM;
}

/* Where it stands in the memo, or has to be put. */
static uint32_t memo_place(const struct go_program *p, uint64_t vaddr)
{
	return bisect__count(p->n_starts, i, p->starts[i].vaddr < vaddr);
}

enum go_start go_program__start(struct go_program *p, uint64_t vaddr)
{
	uint32_t at = memo_place(p, vaddr);
	struct gopclntab_function f;
	enum go_start kind;

	if (at < p->n_starts && p->starts[at].vaddr == vaddr)
		return p->starts[at].kind;
	kind = open_functions(p) || gopclntab__find(p->functions, vaddr, &f) ? GO_START_USER
									     : go_program__start_of(f.name);
	if (p->n_starts == GO_STARTS_MAX)
		return kind;
	if (!p->starts)
		p->starts = malloc(GO_STARTS_MAX * sizeof(*p->starts));
	if (!p->starts)
		return kind;
	memmove(p->starts + at + 1, p->starts + at, (p->n_starts - at) * sizeof(*p->starts));
	p->starts[at] = (struct go_start_memo){.vaddr = vaddr, .kind = kind};
	p->n_starts++;
	return kind;
}

/* -- calls -- */

static bool ends_call(const uint8_t *bytes, size_t len)
{
	for (size_t n = 2; n <= len; n++) {
		struct x86_insn in;
		enum x86_flow flow;

		if (x86_insn__parse(bytes + len - n, n, &in) || in.len != n)
			continue;
		flow = x86_insn__flow(&in);
		if (flow == X86_FLOW_CALL || flow == X86_FLOW_CALL_INDIRECT)
			return true;
	}
	return false;
}

static struct go_caller look_at_caller(struct go_program *p, uint64_t vaddr)
{
	struct go_caller caller = {.vaddr = vaddr, .is_called = true};
	struct gopclntab_function f;
	struct buf code;

	if (vaddr < CALL_MAX || open_functions(p))
		return caller;
	buf__init(&code, CALL_MAX);
	if (!elf__read_vaddr(p->elf, vaddr - CALL_MAX, CALL_MAX, &code))
		caller.is_called = ends_call(code.data, code.len);
	buf__done(&code);
	if (!gopclntab__find(p->functions, vaddr - 1, &f))
		caller.is_runtime =
			!strncmp(f.name, "runtime.", 8) || !strncmp(f.name, "internal/runtime/", 17);
	return caller;
}

struct go_caller go_program__caller(struct go_program *p, uint64_t vaddr)
{
	struct go_caller *memo;

	if (!p->callers)
		p->callers = calloc(GO_CALLERS, sizeof(*p->callers));
	if (!p->callers)
		return look_at_caller(p, vaddr);
	memo = &p->callers[hash_u64(vaddr) & (GO_CALLERS - 1)];
	if (memo->vaddr != vaddr)
		*memo = look_at_caller(p, vaddr);
	return *memo;
}

/* -- a process -- */

/* Is that where the slice of all goroutines lies? The first ones are there from the start: main's, and the runtime's own. */
static bool is_all_goroutines(const struct go_process *g, uint64_t vaddr)
{
	uint8_t bytes[GO_LAYOUT_G_MAX];
	uint64_t slice[3], first;
	struct goroutine one;
	int parsed;

	if (process_memory__read(g->pid, vaddr + g->bias, slice, sizeof(slice)) || !slice[1] ||
	    slice[1] > slice[2] || slice[1] > GOROUTINES_MAX ||
	    process_memory__read(g->pid, slice[0], &first, sizeof(first)) ||
	    process_memory__read(g->pid, first, bytes, g->program->layout.g_bytes))
		return false;
	parsed = goroutine__parse(&g->program->layout, first, bytes, g->program->layout.g_bytes, &one);
	return !parsed || parsed == -ENOENT; /* the main function may have called Goexit */
}

static bool is_wait_reasons(const struct go_process *g, uint64_t vaddr)
{
	char text[sizeof(FIRST_REASON)] = "";
	uint64_t strings[4];

	return !process_memory__read(g->pid, vaddr + g->bias, strings, sizeof(strings)) && !strings[1] &&
	       strings[3] == strlen(FIRST_REASON) &&
	       !process_memory__read(g->pid, strings[2], text, strlen(FIRST_REASON)) &&
	       !strcmp(text, FIRST_REASON);
}

/* The lists of other kinds of buckets, which hang on the same code, have another type. */
static bool is_memory_buckets(const struct go_process *g, uint64_t vaddr)
{
	uint8_t head[GO_BUCKET_HEAD];
	uint64_t first;

	return !process_memory__read(g->pid, vaddr + g->bias, &first, sizeof(first)) && first &&
	       !process_memory__read(g->pid, first, head, sizeof(head)) && go_bucket__bytes(head);
}

/* By symbol any rate is one; found in code only the one that nearly all programs have. */
static bool is_memory_rate(const struct go_process *g, uint64_t vaddr)
{
	uint64_t rate;

	if (process_memory__read(g->pid, vaddr + g->bias, &rate, sizeof(rate)))
		return false;
	return g->program->places[GO_MEMORY_RATE].n_candidates == 1 ? rate < 1ull << 48 : rate == RATE_USUAL;
}

static bool is_place(const struct go_process *g, enum go_variable variable, uint64_t vaddr)
{
	switch (variable) {
	case GO_ALL_GOROUTINES:
		return is_all_goroutines(g, vaddr);
	case GO_WAIT_REASONS:
		return is_wait_reasons(g, vaddr);
	case GO_MEMORY_BUCKETS:
		return is_memory_buckets(g, vaddr);
	default:
		return is_memory_rate(g, vaddr);
	}
}

/* All texts, as far as the table goes. */
static void read_reasons(const struct go_process *g)
{
	struct go_program *p = g->program;
	uint64_t at = p->places[GO_WAIT_REASONS].vaddr + g->bias, strings[2];

	p->reasons = calloc(GO_REASONS_MAX, sizeof(*p->reasons));
	for (uint32_t i = 1; p->reasons && i < GO_REASONS_MAX; i++) {
		char *text = p->reasons[i];

		if (process_memory__read(g->pid, at + i * sizeof(strings), strings, sizeof(strings)) ||
		    !strings[1] || strings[1] >= GO_REASON_MAX ||
		    process_memory__read(g->pid, strings[0], text, strings[1]))
			break;
		for (uint64_t j = 0; j < strings[1]; j++)
			if (text[j] < ' ' || text[j] > '~') {
				*text = '\0';
				return;
			}
	}
}

int go_process__settle(const struct go_process *g)
{
	for (enum go_variable v = 0; v < GO_VARIABLES; v++) {
		struct go_place *place = &g->program->places[v];

		for (uint32_t i = 0; i < place->n_candidates && !place->vaddr; i++)
			if (is_place(g, v, place->candidates[i]))
				place->vaddr = place->candidates[i];
	}
	if (!g->program->places[GO_ALL_GOROUTINES].vaddr)
		return -EOPNOTSUPP;
	if (g->program->places[GO_WAIT_REASONS].vaddr && !g->program->reasons)
		read_reasons(g);
	return 0;
}

int go_process__read_word(const struct go_process *g, enum go_variable variable, uint64_t *ret_word)
{
	uint64_t vaddr = g->program->places[variable].vaddr;

	return vaddr ? process_memory__read(g->pid, vaddr + g->bias, ret_word, sizeof(*ret_word))
		     : -EOPNOTSUPP;
}

const char *go_process__reason(const struct go_process *g, uint32_t reason)
{
	return g->program->reasons && reason < GO_REASONS_MAX ? g->program->reasons[reason] : "";
}
