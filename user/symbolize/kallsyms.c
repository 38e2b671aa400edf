/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Problem: a kernel frame is an address; /proc/kallsyms has 120,000 and more lines of names (a distribution's kernel with its modules twice as many), which an
 * always-on program has to keep in little memory and to search for every distinct kernel frame.
 *
 * Idea: names of neighbours resemble each other, so they are kept packed, in blocks of some 4 KiB of text (130 symbols), and few kernel functions are ever asked for. An index has the
 * first address of each block; the block that was asked last stays unpacked.
 *
 * Layout:
 *      blocks[n]   first address, place in `packed`; ascending
 *      packed      blocks, each a frame of zstd: records { u32 offset from the block's first address, u16 module, name, NUL }, ascending, an offset once
 *      modules[m]  u32 offset of a NUL-terminated name in module_names; module 0 is "", the image
 *
 * Invariants: addresses strictly ascending over all records; every record ends in a NUL inside its block; module indices are below m.
 *
 * Aliases: several names may stand at one address. One stays, by a rule that does not depend on the file's order:
 * global before weak before local; then fewest leading underscores; then no dot (a compiler's clone); then the
 * shorter; then alphabetical order.
 *
 * Cost: 122,000 lines take 75 ms of CPU and 20 MiB while they are read, 1.05 MiB afterwards. A block is unpacked and searched in 18 us, of which 10 are a new context of zstd: who asks
 * keeps the answers (symbolizer).
 *
 * Rejected: plain arrays of addresses and names (4.6 MiB for the same; found in 0.13 us); larger blocks (a tenth smaller, and four times as long to unpack); a
 * dictionary (3 % smaller).
 *
 * What it does not do: sizes. kallsyms has none, so code that belongs to no symbol, between two symbols, is given
 * to the first (as the kernel itself does in its own stack traces), except over more than KALLSYMS_SPAN_MAX. Where a
 * module ends: /proc/modules has the size of all its parts, which need not lie together.
 *
 * Reference: Linux kernel/kallsyms.c (s_show: format "%px %c %s\t[%s]\n"), include/linux/kallsyms.h; the file's
 * type letters are those of nm(1).
 */
#include "user/symbolize/kallsyms.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "user/base/bisect.h"
#include "user/base/buf.h"
#include "user/base/err.h"
#include "user/base/hashmap.h"
#include "user/base/io.h"

#define KALLSYMS_MODULES_MAX   UINT16_MAX
#define KALLSYMS_PACKED_MAX    (256u << 20)
#define KALLSYMS_BLOCK_BYTES   4096 /* of text: a block ends with the record that goes past it */
#define KALLSYMS_MODULES_BYTES (4u << 20)
#define KALLSYMS_LEVEL         1 /* of zstd: higher ones gain 7 % and take several times as long */

struct record {
	uint32_t offset;
	uint16_t module;
} __attribute__((packed));

struct text {
	char bytes[KALLSYMS_BLOCK_BYTES + sizeof(struct record) + KALLSYMS_NAME_MAX + 1];
	size_t len;
};

struct block {
	uint64_t start;
	uint32_t at, len; /* in `packed` */
};

struct kallsyms {
	struct block *blocks;
	uint32_t n_blocks;
	uint32_t n; /* symbols */
	uint8_t *packed;
	size_t packed_len;
	char *module_names;
	size_t module_names_len;
	uint32_t *modules;
	uint32_t n_modules;
	struct text text;
	uint32_t unpacked; /* which block's `text` is; n_blocks: none's */
};

/* One line, borrowed from the file's bytes. */
struct kallsyms_line {
	uint64_t addr;
	char type;
	const char *name;
	uint16_t name_len;
	const char *module;
	uint16_t module_len;
};

/* A symbol on its way into the table: the file's bytes are still there. */
struct candidate {
	uint64_t addr;
	uint32_t name; /* offset in the file's bytes */
	uint16_t name_len;
	uint16_t module;
	uint8_t rank; /* by binding: global 0, weak 1, local 2 */
};

struct candidates {
	struct candidate *items;
	uint32_t n, cap;
	const char *bytes;
};

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

static bool is_word_char(char c)
{
	return (unsigned char)c > ' ' && c != 0x7f;
}

/* "ffffffff81000000 T name\t[module]": false where the line is something else. */
static bool parse_line(const char *p, const char *end, struct kallsyms_line *ret)
{
	struct kallsyms_line l = {.module = ""};
	const char *start = p;

	while (p < end && p - start < 16 && hex_digit(*p) >= 0)
		l.addr = l.addr << 4 | (uint64_t)hex_digit(*p++);
	if (p == start || end - p < 4 || p[0] != ' ' || p[2] != ' ')
		return false;
	l.type = p[1];
	p += 3;
	l.name = p;
	while (p < end && is_word_char(*p))
		p++;
	if (p == l.name || p - l.name > KALLSYMS_NAME_MAX)
		return false;
	l.name_len = (uint16_t)(p - l.name);
	while (p < end && (*p == '\t' || *p == ' '))
		p++;
	if (p < end && *p == '[') {
		l.module = ++p;
		while (p < end && is_word_char(*p) && *p != ']')
			p++;
		if (p == end || *p != ']' || p - l.module > KALLSYMS_NAME_MAX)
			return false;
		l.module_len = (uint16_t)(p - l.module);
	}
	*ret = l;
	return true;
}

/* Modules stand in runs in the file, so the last one seen is nearly always the one. */
static int intern_module(struct kallsyms *k, struct buf *names, const char *name, uint16_t len, uint16_t *ret)
{
	uint32_t *grown;

	for (uint32_t i = k->n_modules; i-- > 0;) {
		const char *have = (const char *)names->data + k->modules[i];

		if (strncmp(have, name, len) == 0 && have[len] == '\0') {
			*ret = (uint16_t)i;
			return 0;
		}
	}
	if (k->n_modules >= KALLSYMS_MODULES_MAX)
		return -E2BIG;
	if ((k->n_modules & (k->n_modules - 1)) == 0) { /* grows at powers of two */
		grown = realloc(k->modules, (k->n_modules ? 2 * (size_t)k->n_modules : 1) * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		k->modules = grown;
	}
	*ret = (uint16_t)k->n_modules;
	k->modules[k->n_modules++] = (uint32_t)names->len;
	buf__append(names, name, len);
	buf__append_char(names, '\0');
	return buf__err(names);
}

static int add_candidate(struct candidates *c, const struct kallsyms_line *l, uint16_t module)
{
	struct candidate *grown;
	uint32_t cap;

	if (c->n == c->cap) {
		if (c->n >= KALLSYMS_SYMBOLS_MAX)
			return -E2BIG;
		cap = c->cap ? c->cap * 2 : 4096;
		grown = realloc(c->items, cap * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		c->items = grown;
		c->cap = cap;
	}
	c->items[c->n++] = (struct candidate){
		.addr = l->addr,
		.name = (uint32_t)(l->name - c->bytes),
		.name_len = l->name_len,
		.module = module,
		.rank = l->type == 'T' ? 0 : (l->type == 't' ? 2 : 1),
	};
	return 0;
}

static uint16_t leading_underscores(const char *s, uint16_t len)
{
	uint16_t n = 0;

	while (n < len && s[n] == '_')
		n++;
	return n;
}

static int compare_candidates(const void *va, const void *vb, void *vbytes)
{
	const struct candidate *a = va, *b = vb;
	const char *bytes = vbytes, *na = bytes + a->name, *nb = bytes + b->name;
	int ua, ub, da, db;

	if (a->addr != b->addr)
		return a->addr < b->addr ? -1 : 1;
	if (a->rank != b->rank)
		return a->rank - b->rank;
	ua = leading_underscores(na, a->name_len);
	ub = leading_underscores(nb, b->name_len);
	if (ua != ub)
		return ua - ub;
	da = memchr(na, '.', a->name_len) != NULL;
	db = memchr(nb, '.', b->name_len) != NULL;
	if (da != db)
		return da - db;
	if (a->name_len != b->name_len)
		return a->name_len - b->name_len;
	return memcmp(na, nb, a->name_len);
}

static int collect(struct kallsyms *k, struct candidates *c, struct buf *module_names, size_t len)
{
	const char *p = c->bytes, *end = c->bytes + len;
	bool any_line = false, any_addr = false;
	int err = 0;

	while (p < end && !err) {
		const char *nl = memchr(p, '\n', (size_t)(end - p)), *stop = nl ? nl : end;
		struct kallsyms_line l;
		uint16_t module;

		if (parse_line(p, stop, &l)) {
			any_line = true;
			any_addr |= l.addr != 0;
			if (l.addr && strchr("tTwW", l.type) && l.type) {
				err = intern_module(k, module_names, l.module, l.module_len, &module);
				if (!err)
					err = add_candidate(c, &l, module);
			}
		}
		p = nl ? nl + 1 : end;
	}
	if (err)
		return err;
	if (!any_line)
		return -EBADMSG;
	if (!any_addr)
		return -EPERM;
	return c->n ? 0 : -ENOENT;
}

/* What is built: the blocks that are done, and the text of the next one. */
struct packer {
	struct text text;
	uint64_t start;
	struct buf blocks, packed;
	ZSTD_CCtx *zstd;
};

static int pack(struct packer *p)
{
	size_t room = ZSTD_compressBound(p->text.len), len;
	void *to = buf__reserve(&p->packed, room);

	if (!to)
		return buf__err(&p->packed);
	len = ZSTD_compressCCtx(p->zstd, to, room, p->text.bytes, p->text.len, KALLSYMS_LEVEL);
	if (ZSTD_isError(len))
		return -ENOMEM;
	const struct block b = {.start = p->start, .at = (uint32_t)p->packed.len, .len = (uint32_t)len};

	buf__append(&p->blocks, &b, sizeof(b));
	p->packed.len += len;
	p->text.len = 0;
	return buf__err(&p->blocks);
}

static int add_record(struct packer *p, const struct candidate *s, const char *name)
{
	struct text *t = &p->text;
	struct record r = {.module = s->module};
	int err = 0;

	if (t->len >= KALLSYMS_BLOCK_BYTES || (t->len && s->addr - p->start > UINT32_MAX))
		err = pack(p);
	if (err)
		return err;
	if (!t->len)
		p->start = s->addr;
	r.offset = (uint32_t)(s->addr - p->start);
	memcpy(t->bytes + t->len, &r, sizeof(r));
	memcpy(t->bytes + t->len + sizeof(r), name, s->name_len);
	t->len += sizeof(r) + s->name_len;
	t->bytes[t->len++] = '\0';
	return 0;
}

/* The bytes of a finished buffer, exact, or NULL. */
static void *take(struct buf *b, size_t *ret_len)
{
	void *bytes = realloc(b->data, b->len);

	if (bytes) {
		*ret_len = b->len;
		b->data = NULL;
	}
	return bytes;
}

static int build(struct kallsyms *k, struct candidates *c)
{
	struct packer p = {.zstd = ZSTD_createCCtx()};
	int err = p.zstd ? 0 : -ENOMEM;
	size_t len = 0;

	buf__init(&p.blocks, KALLSYMS_PACKED_MAX);
	buf__init(&p.packed, KALLSYMS_PACKED_MAX);
	/* equal addresses are neighbours now, the best name first */
	qsort_r(c->items, c->n, sizeof(*c->items), compare_candidates, (void *)c->bytes);
	for (uint32_t i = 0; i < c->n && !err; i++) {
		const struct candidate *s = &c->items[i];

		if (i && s->addr == s[-1].addr)
			continue;
		err = add_record(&p, s, c->bytes + s->name);
		k->n++;
	}
	if (!err)
		err = pack(&p);
	if (!err) {
		k->packed = take(&p.packed, &k->packed_len);
		k->blocks = take(&p.blocks, &len);
		k->unpacked = k->n_blocks = (uint32_t)(len / sizeof(*k->blocks));
		err = k->packed && k->blocks ? 0 : -ENOMEM;
	}
	ZSTD_freeCCtx(p.zstd);
	buf__done(&p.blocks);
	buf__done(&p.packed);
	return err;
}

int kallsyms__parse(const char *bytes, size_t len, struct kallsyms **ret_table)
{
	struct candidates c = {.bytes = bytes};
	struct buf module_names;
	struct kallsyms *k;
	uint16_t image;
	int err;

	if (len > KALLSYMS_FILE_MAX)
		return -E2BIG;
	buf__init(&module_names, KALLSYMS_FILE_MAX);
	k = calloc(1, sizeof(*k));
	err = k ? intern_module(k, &module_names, "", 0, &image) : -ENOMEM;
	if (!err)
		err = collect(k, &c, &module_names, len);
	if (!err)
		err = build(k, &c);
	if (!err) {
		k->module_names = take(&module_names, &k->module_names_len);
		err = k->module_names ? 0 : -ENOMEM;
	}
	if (err)
		kallsyms__free(k);
	else
		*ret_table = k;
	free(c.items);
	buf__done(&module_names);
	return err;
}

int kallsyms__load(const char *proc_root, struct kallsyms **ret_table, struct err *err)
{
	char path[PATH_MAX];
	struct buf bytes;
	int code;

	buf__init(&bytes, KALLSYMS_FILE_MAX);
	code = snprintf(path, sizeof(path), "%s/kallsyms", proc_root) < (int)sizeof(path) ? 0 : -ENAMETOOLONG;
	if (!code)
		code = io__read_at(AT_FDCWD, path, KALLSYMS_FILE_MAX, &bytes);
	if (code) {
		err__set(err, code, "kernel symbols: read '%s': %s", path, strerror(-code));
		goto out;
	}
	code = kallsyms__parse((const char *)bytes.data, bytes.len, ret_table);
	if (code == -EPERM)
		err__set(err, code,
			 "kernel symbols: '%s' shows no addresses: kernel frames stay unnamed; run with "
			 "CAP_SYSLOG "
			 "and set kernel.kptr_restrict to 0 or 1",
			 path);
	else if (code)
		err__set(err, code, "kernel symbols: parse '%s': %s", path, strerror(-code));
out:
	buf__done(&bytes);
	return code;
}

/* "ext4 1060864 2 jbd2, Live 0xffffffffc0100000": how many use it, and who, changes all the time. */
uint64_t kallsyms__modules(const char *proc_root)
{
	char path[PATH_MAX], name[KALLSYMS_NAME_MAX + 1], *rest;
	unsigned long long size, addr;
	uint64_t all = 0;
	struct buf text;

	buf__init(&text, KALLSYMS_MODULES_BYTES);
	if (snprintf(path, sizeof(path), "%s/modules", proc_root) < (int)sizeof(path) &&
	    !io__read_at(AT_FDCWD, path, KALLSYMS_MODULES_BYTES, &text) && *buf__str(&text))
		for (char *line = strtok_r((char *)text.data, "\n", &rest); line;
		     line = strtok_r(NULL, "\n", &rest))
			if (sscanf(line, "%511s %llu %*s %*s %*s %llx", name, &size, &addr) == 3)
				all = hash_pair(hash_pair(hash_pair(all, addr), size),
						hash_bytes(name, strlen(name)));
	buf__done(&text);
	return all;
}

static void release(struct kallsyms *k)
{
	free(k->blocks);
	free(k->packed);
	free(k->module_names);
	free(k->modules);
}

int kallsyms__refresh(struct kallsyms *k, const char *proc_root, struct err *err)
{
	struct kallsyms *fresh;
	int code = kallsyms__load(proc_root, &fresh, err);

	if (code)
		return code;
	release(k);
	*k = *fresh;
	free(fresh);
	return 0;
}

void kallsyms__free(struct kallsyms *k)
{
	if (!k)
		return;
	release(k);
	free(k);
}

static int unpack(struct kallsyms *k, uint32_t block)
{
	const struct block *b = &k->blocks[block];
	size_t len;

	if (k->unpacked == block)
		return 0;
	k->unpacked = k->n_blocks;
	len = ZSTD_decompress(k->text.bytes, sizeof(k->text.bytes), k->packed + b->at, b->len);
	if (ZSTD_isError(len))
		return -ENOMEM; /* we packed it ourselves: nothing else can be wrong */
	k->text.len = len;
	k->unpacked = block;
	return 0;
}

int kallsyms__find(struct kallsyms *k, uint64_t addr, struct kallsym *ret_symbol)
{
	uint32_t n = (uint32_t)bisect__count(k->n_blocks, i, k->blocks[i].start <= addr);
	const struct block *b;
	struct record r = {}, next;
	const char *name = "", *module;
	uint64_t end, span;
	int err;

	if (!n)
		return -ENOENT;
	err = unpack(k, n - 1);
	if (err)
		return err;
	b = &k->blocks[n - 1];
	end = n < k->n_blocks ? b[1].start : UINT64_MAX;
	for (const char *p = k->text.bytes; p < k->text.bytes + k->text.len; p = name + strlen(name) + 1) {
		memcpy(&next, p, sizeof(next));
		if (next.offset > addr - b->start) {
			end = b->start + next.offset;
			break;
		}
		r = next;
		name = p + sizeof(r);
	}
	module = k->module_names + k->modules[r.module];
	span = *module && strcmp(module, KALLSYMS_BPF) ? KALLSYMS_MODULE_SPAN_MAX : KALLSYMS_SPAN_MAX;
	*ret_symbol = (struct kallsym){
		.start = b->start + r.offset,
		.end = end,
		.name = name,
		.module = module,
	};
	if (end - ret_symbol->start > span)
		ret_symbol->end = ret_symbol->start + span;
	return addr < ret_symbol->end ? 0 : -ENOENT;
}

uint32_t kallsyms__count(const struct kallsyms *k)
{
	return k->n;
}

size_t kallsyms__bytes(const struct kallsyms *k)
{
	return sizeof(*k) + k->n_blocks * sizeof(*k->blocks) + k->packed_len + k->module_names_len +
	       k->n_modules * sizeof(*k->modules);
}
