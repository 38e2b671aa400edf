/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Problem: a window of a busy host has some ten thousand distinct frames in hundreds of files. Names cost the most
 * where they are asked one by one: each file would be opened, sorted and thrown away for one address.
 *
 * Idea: the caller groups its addresses by file and asks once for each. The addresses are sorted, the file's tables
 * taken from the cache or loaded, and both walked together; addresses of the same function share one line,
 * demangled once.
 *
 *      vaddrs ──sort──> order ──┐
 *                               ├──> symbols out[], lines and strings in the call's arena
 *      cache (object)   <─load──┘
 *
 * Lifetime: names that are in a table are borrowed from it, those that are made stand in an arena; both live until
 * the next call, which is when the cache evicts, too. So nothing is copied that the caller would copy anyway.
 *
 * The kernel's table is read at the first kernel address, and again where an address is not in it: after
 * kernel_refresh_ns, and ever more rarely as long as that does not help, for it takes 57 ms of CPU. An address of a
 * module may be another one's by now: before its name is given, the list of modules is asked whether it is still the
 * one of before, once in kernel_refresh_ns. Of BPF programs there is no list: their names are not trusted for longer
 * than KERNEL_STALE times that.
 *
 * A function of a stripped file has no name, but mostly unwind rules, which know where it begins: its addresses are told with that start, so that
 * whoever shows them can show them as one.
 *
 * What is not remembered: that a file could not be opened (another process may have it), and tables that were made
 * for one call only.
 *
 * Cost: with the tables cached 0.2 us an address of C code, 0.6 us of C++, most of which is demangling, 1 to 3 us
 * of Go, most of which is the line.
 */
#include "user/symbolize/symbolizer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/base/arena.h"
#include "user/base/clock.h"
#include "user/base/err.h"
#include "user/base/io.h"
#include "user/base/log.h"
#include "user/object/elf.h"
#include "user/object/function_range.h"
#include "user/object/gopclntab.h"
#include "user/object/symtab.h"
#include "user/symbolize/demangle.h"
#include "user/symbolize/kallsyms.h"

/* addresses of a file that it is not made whole for, where the cache has no room for it */
#define IN_PART_MAX 256
#define LINES_NS \
	(500 *   \
	 NS_PER_MS) /* for the lines of a Go file, a batch: 1 to 5 us each, and up to a ms in one that was made to be slow */
#define KERNEL_IMAGE UINT32_MAX /* in the range cache: no object has that number */
#define KERNEL_STALE 30         /* times kernel_refresh_ns: how old the name of a BPF program may be */
/* times kernel_refresh_ns: as rarely is the table read for addresses that never get a name */
#define KERNEL_BACKOFF_MAX 32

struct symbolizer {
	struct symbolizer_opts opts;
	struct symbolizer_ports ports;
	char *proc_root;
	int host_root_fd;
	struct symbol_cache *cache;
	struct range_cache *ranges;
	struct demangler demangler;
	struct arena strings; /* of the last call */
	struct kallsyms *kernel;
	struct err kernel_err;
	int kernel_code; /* of the last read */
	bool kernel_tried;
	uint64_t kernel_read_ns, kernel_interval_ns;
	uint64_t modules, modules_read_ns; /* that the table has; when they were compared */
	uint64_t n_by_reason[SYMBOL_REASON_MAX];
	uint64_t n_loads, load_ns, n_kernel_loads, kernel_load_ns;
};

/* An address and where its answer goes. */
struct question {
	uint64_t vaddr;
	size_t index;
};

/* One batch on its way: what the range cache did not know. */
struct batch {
	uint32_t object;            /* id */
	struct question *questions; /* ascending by address */
	uint64_t *vaddrs;           /* the same addresses, for those who look at nothing else */
	size_t n;
	int fd;             /* of the file, where it is open */
	bool is_gone;       /* the file was wanted and could not be opened */
	struct symbol last; /* of the function before: the next address is often in it, too */
	uint64_t last_end;
	uint64_t lines_until_ns; /* of this thread's CPU time: who comes later has no line */
};

static const struct symbolizer_opts defaults = {
	.proc_root = "/proc",
	.host_root = "/",
	.cache_bytes = 8u << 20,
	.range_bytes = 6u << 20,
	.table_bytes = 8u << 20,
	.read_bytes = 128u << 20,
	.kernel_refresh_ns = 10 * NS_PER_SEC,
};

static uint64_t real_now(void *ctx)
{
	(void)ctx;
	return clock__mono_ns();
}

static uint64_t now_ns(const struct symbolizer *s)
{
	return s->ports.now_ns(s->ports.ctx);
}

#define DEFAULT(field) \
	if (!o->field) \
	o->field = defaults.field

static void apply_defaults(struct symbolizer_opts *o)
{
	DEFAULT(proc_root);
	DEFAULT(host_root);
	DEFAULT(cache_bytes);
	DEFAULT(range_bytes);
	DEFAULT(table_bytes);
	DEFAULT(read_bytes);
	DEFAULT(kernel_refresh_ns);
}

static int open_parts(struct symbolizer *s)
{
	s->proc_root = strdup(s->opts.proc_root);
	s->cache = symbol_cache__new(s->opts.cache_bytes);
	s->ranges = range_cache__new(s->opts.range_bytes);
	/* without it our own debug files are not found, nothing worse */
	s->host_root_fd = open(s->opts.host_root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return s->proc_root && s->cache && s->ranges ? 0 : -ENOMEM;
}

int symbolizer__new(const struct symbolizer_opts *opts, const struct symbolizer_ports *ports,
		    struct symbolizer **ret_symbolizer)
{
	struct symbolizer *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	if (opts)
		s->opts = *opts;
	apply_defaults(&s->opts);
	if (ports)
		s->ports = *ports;
	if (!s->ports.now_ns)
		s->ports.now_ns = real_now;
	s->host_root_fd = FD_CLOSED;
	s->kernel_interval_ns = s->opts.kernel_refresh_ns;
	arena__init(&s->strings, SYMBOLIZER_STRINGS_MAX);
	err = open_parts(s);
	if (err) {
		symbolizer__free(s);
		return err;
	}
	*ret_symbolizer = s;
	return 0;
}

void symbolizer__free(struct symbolizer *s)
{
	if (!s)
		return;
	symbol_cache__free(s->cache);
	range_cache__free(s->ranges);
	kallsyms__free(s->kernel);
	arena__done(&s->strings);
	io__close(&s->host_root_fd);
	free(s->proc_root);
	free(s);
}

void symbolizer__rest(struct symbolizer *s)
{
	arena__done(&s->strings);
	symbol_cache__trim(s->cache);
}

/* -- making symbols -- */

static void unnamed(struct symbol *sym, enum symbol_reason reason)
{
	*sym = (struct symbol){.reason = reason};
}

/* A symbol of one line; the strings must live as long as the call's. */
static void named(struct symbolizer *s, struct symbol *sym, uint64_t start, const struct symbol_line *line)
{
	struct symbol_line *own = arena__alloc(&s->strings, sizeof(*own));

	if (!own) {
		unnamed(sym, SYMBOL_NO_MEMORY);
		return;
	}
	*own = *line;
	*sym = (struct symbol){.reason = SYMBOL_NAMED, .n_lines = 1, .lines = own, .start = start};
}

/* The answer of the range cache, which is one more that was given. */
static void remembered(struct symbolizer *s, const struct cached_range *r, struct symbol *sym)
{
	if (r->reason == SYMBOL_NAMED)
		named(s, sym, r->start,
		      &(struct symbol_line){.name = r->name, .system_name = r->system_name, .file = ""});
	else
		*sym = (struct symbol){.reason = r->reason, .start = r->start};
	s->n_by_reason[sym->reason]++;
}

/* The readable form: `name` itself where that is it already. */
static const char *readable(struct symbolizer *s, const char *name)
{
	char out[DEMANGLE_OUTPUT_MAX];
	const char *copy;

	demangler__name(&s->demangler, name, out, sizeof(out));
	if (strcmp(out, name) == 0)
		return name;
	copy = arena__strndup(&s->strings, out, strlen(out));
	return copy ? copy : name;
}

/* -- the kernel -- */

/* Since the table was read. Looks once in kernel_refresh_ns. */
static bool modules_have_changed(struct symbolizer *s)
{
	if (now_ns(s) - s->modules_read_ns < s->opts.kernel_refresh_ns)
		return false;
	s->modules_read_ns = now_ns(s);
	return kallsyms__modules(s->proc_root) != s->modules;
}

static void read_kernel(struct symbolizer *s)
{
	/* before the table: one that comes in between is seen the next time */
	uint64_t start = clock__mono_ns(), modules = kallsyms__modules(s->proc_root);
	int before = s->kernel_code;

	s->kernel_err.text[0] = '\0';
	if (s->kernel)
		s->kernel_code = kallsyms__refresh(s->kernel, s->proc_root, &s->kernel_err);
	else
		s->kernel_code = kallsyms__load(s->proc_root, &s->kernel, &s->kernel_err);
	if (s->kernel_code && s->kernel_code != before)
		log_warn("%s", symbolizer__kernel_error(s));
	if (!s->kernel_code)
		s->modules = modules;
	s->kernel_tried = true;
	s->kernel_read_ns = s->modules_read_ns = now_ns(s);
	s->n_kernel_loads++;
	s->kernel_load_ns += clock__mono_ns() - start;
}

static int find_kernel(struct symbolizer *s, uint64_t addr, struct kallsym *ret)
{
	return s->kernel ? kallsyms__find(s->kernel, addr, ret) : -ENOENT;
}

static const char *module_file(struct symbolizer *s, const char *module)
{
	size_t len = strlen(module);
	char *file;

	if (!len)
		return "";
	file = arena__alloc(&s->strings, len + 3);
	if (!file)
		return "";
	snprintf(file, len + 3, "[%s]", module);
	return file;
}

/* Is it time to read the kernel's table for an address that was not found (NULL), or is this one? */
static bool kernel_is_due(struct symbolizer *s, const struct kallsym *found)
{
	uint64_t age_ns = now_ns(s) - s->kernel_read_ns;

	if (!found && (!s->kernel_tried || age_ns >= s->kernel_interval_ns))
		return true;
	if (found && !strcmp(found->module, KALLSYMS_BPF) &&
	    age_ns >= KERNEL_STALE * s->opts.kernel_refresh_ns)
		return true;
	return (!found || *found->module) && modules_have_changed(s);
}

/* Reads it, and looks again. Where reading again did not help, the next time is put off: some addresses are in
 * no table ever. */
static int find_kernel_anew(struct symbolizer *s, uint64_t addr, struct kallsym *ret)
{
	bool was_tried = s->kernel_tried;
	int err;

	read_kernel(s);
	err = find_kernel(s, addr, ret);
	if (!err)
		s->kernel_interval_ns = s->opts.kernel_refresh_ns;
	else if (was_tried && s->kernel_interval_ns < KERNEL_BACKOFF_MAX * s->opts.kernel_refresh_ns)
		s->kernel_interval_ns *= 2;
	return err;
}

/* Code of the image stays where it is, unlike that of modules and BPF programs: its functions need not be looked up again. */
static void remember_kernel(struct symbolizer *s, const struct kallsym *k, const struct symbol *sym)
{
	if (!*k->module && sym->reason == SYMBOL_NAMED)
		(void)range_cache__add(s->ranges, KERNEL_IMAGE,
				       &(struct cached_range){.start = k->start,
							      .end = k->end,
							      .name = sym->lines[0].name,
							      .system_name = sym->lines[0].system_name,
							      .reason = SYMBOL_NAMED});
}

void symbolizer__kernel(struct symbolizer *s, uint64_t addr, struct symbol *ret_symbol,
			const char **ret_module)
{
	struct cached_range r;
	struct kallsym k;
	int err;

	symbolizer__rest(s);
	*ret_module = "";
	if (range_cache__find(s->ranges, KERNEL_IMAGE, addr, &r) == 0) {
		remembered(s, &r, ret_symbol);
		return;
	}
	err = find_kernel(s, addr, &k);
	if (kernel_is_due(s, err ? NULL : &k))
		err = find_kernel_anew(s, addr, &k);
	if (err) {
		unnamed(ret_symbol, s->kernel ? SYMBOL_GAP : SYMBOL_HIDDEN);
	} else {
		const struct symbol_line line = {
			.name = readable(s, k.name),
			.system_name = k.name,
			.file = module_file(s, k.module),
		};

		named(s, ret_symbol, k.start, &line);
		*ret_module = k.module;
		remember_kernel(s, &k, ret_symbol);
	}
	s->n_by_reason[ret_symbol->reason]++;
}

const char *symbolizer__kernel_error(const struct symbolizer *s)
{
	return s->kernel_code ? err__text(&s->kernel_err, s->kernel_code) : NULL;
}

/* -- files -- */

static int compare_questions(const void *va, const void *vb)
{
	const struct question *a = va, *b = vb;

	return a->vaddr < b->vaddr ? -1 : a->vaddr > b->vaddr;
}

/* Answers what the range cache knows, and sorts the rest. */
static int sort_questions(struct symbolizer *s, struct batch *b, const uint64_t *vaddrs, size_t n,
			  struct symbol *out)
{
	struct cached_range r;

	b->questions = calloc(n, sizeof(*b->questions));
	b->vaddrs = calloc(n, sizeof(*b->vaddrs));
	if (!b->questions || !b->vaddrs)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		if (range_cache__find(s->ranges, b->object, vaddrs[i], &r)) {
			b->questions[b->n++] = (struct question){.vaddr = vaddrs[i], .index = i};
			continue;
		}
		remembered(s, &r, &out[i]);
	}
	qsort(b->questions, b->n, sizeof(*b->questions), compare_questions);
	for (size_t i = 0; i < b->n; i++)
		b->vaddrs[i] = b->questions[i].vaddr;
	return 0;
}

/* For the next window. Whether it could be kept does not matter to this one. */
static void remember(struct symbolizer *s, uint32_t object, const struct object_symbols *o, uint64_t vaddr,
		     const struct symbol *sym)
{
	struct cached_range r = {
		.start = vaddr,
		.end = vaddr + 1,
		.name = sym->lines[0].name,
		.system_name = sym->lines[0].system_name,
		.reason = sym->reason,
	};

	if (o->table &&
	    o->reach) { /* one that has only what was asked does not know how far its answers go */
		symtab__stretch(o->table, vaddr, &r.start, &r.end);
		if (vaddr - r.start > o->reach)
			r.start = vaddr - o->reach;
		if (r.end - vaddr > o->reach)
			r.end = vaddr + o->reach;
	}
	(void)range_cache__add(s->ranges, object, &r);
}

static void answer_go(struct symbolizer *s, const struct batch *b, const struct object_symbols *o,
		      uint64_t vaddr, const struct gopclntab_function *f, struct symbol *sym)
{
	struct symbol_line line = {
		.name = f->name, .system_name = f->name, .file = "", .start_line = f->start_line};
	struct gopclntab_line at;

	if (clock__thread_cpu_ns() < b->lines_until_ns && gopclntab__line(o->go, vaddr, &at) == 0) {
		line.file = at.file;
		line.line = at.line;
	}
	named(s, sym, f->start, &line);
}

static void answer(struct symbolizer *s, struct batch *b, const struct object_symbols *o, uint64_t vaddr,
		   struct symbol *sym)
{
	struct gopclntab_function f;
	struct symtab_symbol t;

	if (o->go && gopclntab__find(o->go, vaddr, &f) == 0) {
		answer_go(s, b, o, vaddr, &f, sym);
	} else if (o->table && symtab__find(o->table, vaddr, &t) == 0) {
		/* the same start and end: the same symbol, whose line is there already */
		if (b->last.n_lines && b->last.start == t.start && b->last_end == t.start + t.size) {
			*sym = b->last;
			return;
		}
		named(s, sym, t.start,
		      &(struct symbol_line){.name = readable(s, t.name), .system_name = t.name, .file = ""});
		b->last = *sym;
		b->last_end = t.start + t.size;
		if (sym->reason == SYMBOL_NAMED)
			remember(s, b->object, o, vaddr, sym);
	} else {
		unnamed(sym, b->is_gone ? SYMBOL_OBJECT_GONE : o->reason);
		sym->start = vaddr;
	}
}

/* -- functions without a name -- */

static bool is_nameless(const struct symbol *sym)
{
	return sym->reason == SYMBOL_GAP || sym->reason == SYMBOL_STRIPPED;
}

/* Where the functions of these addresses are; nothing is known of them where the file tells nothing. */
static void find_ranges(const struct batch *b, const uint64_t *vaddrs, size_t n,
			struct function_range *ranges)
{
	struct elf *e;

	memset(ranges, 0, n * sizeof(*ranges));
	if (b->fd < 0 || elf__open(b->fd, &e))
		return;
	(void)function_range__find(e, vaddrs, n, ranges);
	elf__free(e);
}

/* Where symbols cover a part of a function, that part is known by their names: all of a PLT is one function by its unwind rules. */
static void clip_to_gap(const struct symtab *table, uint64_t vaddr, const struct function_range *f,
			struct cached_range *r)
{
	uint64_t start = 0, end = UINT64_MAX;

	if (table)
		symtab__stretch(table, vaddr, &start, &end);
	r->start = f->start > start ? f->start : start;
	r->end = f->end < end ? f->end : end;
}

/* Gives each nameless address the start of its function, and remembers how far that reaches. -ENOMEM. */
static int place_nameless(struct symbolizer *s, const struct symbol_object *object,
			  const struct object_symbols *o, struct batch *b, struct symbol *out)
{
	uint64_t *vaddrs = calloc(b->n, sizeof(*vaddrs));
	struct symbol **symbols = calloc(b->n, sizeof(struct symbol *));
	struct function_range *ranges = calloc(b->n, sizeof(*ranges));
	size_t n = 0;
	int err = vaddrs && symbols && ranges ? 0 : -ENOMEM;

	for (size_t i = 0; i < b->n && !err; i++) {
		struct symbol *sym = &out[b->questions[i].index];

		if (!is_nameless(sym))
			continue;
		symbols[n] = sym;
		vaddrs[n++] = b->questions[i].vaddr;
	}
	if (n && b->fd < 0)
		b->fd = object->open(object->ctx);
	if (n)
		find_ranges(b, vaddrs, n, ranges);
	for (size_t i = 0; i < n; i++) {
		struct cached_range r = {vaddrs[i], vaddrs[i] + 1, "", "", symbols[i]->reason};

		if (ranges[i].end)
			clip_to_gap(o->table, vaddrs[i], &ranges[i], &r);
		symbols[i]->start = r.start;
		if (o->reach) /* else a table that does not know what else is named there */
			(void)range_cache__add(s->ranges, b->object, &r);
	}
	free(vaddrs);
	free(symbols);
	free(ranges);
	return err;
}

static int load_object(struct symbolizer *s, const struct symbol_object *object, const struct batch *b,
		       struct object_symbols **ret)
{
	const struct object_symbols_opts opts = {
		.table_bytes = s->opts.table_bytes,
		.read_bytes = s->opts.read_bytes,
		.debug = {.dirs = s->opts.debug_dirs, .n_dirs = s->opts.n_debug_dirs},
	};
	int root = object->open_root ? object->open_root(object->ctx) : FD_CLOSED;
	struct symbol_cache_stats cache;
	struct object_symbols_request request = {
		.fd = b->fd,
		.path = object->path,
		.roots = {.process = root < 0 ? FD_CLOSED : root, .host = s->host_root_fd},
		.vaddrs = b->vaddrs,
		.n = b->n,
	};
	struct object_symbols loaded = {0};
	uint64_t start = clock__mono_ns();
	int err;

	symbol_cache__stats(s->cache, &cache);
	request.in_part = b->n <= IN_PART_MAX && cache.bytes > s->opts.cache_bytes / 4 * 3;
	err = object_symbols__load(&loaded, &request, &opts);

	if (!err)
		err = symbol_cache__add(s->cache, object->id, &loaded, ret);
	s->n_loads++;
	s->load_ns += clock__mono_ns() - start;
	io__close(&request.roots.process);
	return err;
}

/* The object's symbols, from the cache or its file, which stays open for the batch; NULL where it cannot be opened. */
static int symbols_of(struct symbolizer *s, const struct symbol_object *object, struct batch *b,
		      struct object_symbols **ret)
{
	struct object_symbols *o = symbol_cache__find(s->cache, object->id);
	bool is_enough = o && !object_symbols__needs_table(o, b->vaddrs, b->n);

	*ret = o;
	if (is_enough && !object_symbols__wants_file(o))
		return 0;
	b->fd = object->open(object->ctx);
	b->is_gone = b->fd < 0;
	if (b->is_gone)
		return 0; /* what the cache has is better than nothing */
	if (!is_enough)
		return load_object(s, object, b, ret);
	object_symbols__attach(o, b->fd);
	return 0;
}

static void close_file(struct symbolizer *s, struct batch *b, struct object_symbols *o)
{
	if (b->fd < 0)
		return;
	if (o) {
		object_symbols__attach(o, FD_CLOSED);
		symbol_cache__measure(s->cache, o, s->opts.table_bytes);
	}
	close(b->fd);
}

int symbolizer__object(struct symbolizer *s, const struct symbol_object *object, const uint64_t *vaddrs,
		       size_t n, struct symbol *out)
{
	struct object_symbols *o = NULL;
	struct batch b = {.object = object->id, .fd = FD_CLOSED};
	int err;

	symbolizer__rest(s);
	if (!n)
		return 0;
	range_cache__trim(s->ranges);
	err = sort_questions(s, &b, vaddrs, n, out);
	if (!err && b.n)
		err = symbols_of(s, object, &b, &o);
	if (err)
		goto out;
	b.lines_until_ns = clock__thread_cpu_ns() + LINES_NS;
	for (size_t i = 0; i < b.n; i++) {
		struct symbol *sym = &out[b.questions[i].index];

		if (o)
			answer(s, &b, o, b.questions[i].vaddr, sym);
		else
			*sym = (struct symbol){.reason = SYMBOL_OBJECT_GONE, .start = b.questions[i].vaddr};
		s->n_by_reason[sym->reason]++;
	}
	if (o && !o->go && b.n)
		err = place_nameless(s, object, o, &b, out);
out:
	close_file(s, &b, err ? NULL : o);
	free(b.questions);
	free(b.vaddrs);
	return err;
}

void symbolizer__set_cache_bytes(struct symbolizer *s, size_t bytes)
{
	s->opts.cache_bytes = bytes ? bytes : defaults.cache_bytes;
	symbol_cache__set_limit(s->cache, s->opts.cache_bytes);
}

void symbolizer__stats(const struct symbolizer *s, struct symbolizer_stats *ret_stats)
{
	struct symbolizer_stats stats = {
		.n_loads = s->n_loads,
		.load_ns = s->load_ns,
		.n_kernel_loads = s->n_kernel_loads,
		.kernel_load_ns = s->kernel_load_ns,
		.kernel_bytes = s->kernel ? kallsyms__bytes(s->kernel) : 0,
	};

	memcpy(stats.n_by_reason, s->n_by_reason, sizeof(stats.n_by_reason));
	symbol_cache__stats(s->cache, &stats.cache);
	range_cache__stats(s->ranges, &stats.ranges);
	*ret_stats = stats;
}
