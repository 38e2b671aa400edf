// SPDX-License-Identifier: Apache-2.0
/*
 * Idea: a stack is known by a hash of its functions' names, so that stacks of two profiles, whose ids mean nothing to each other, can be compared. Stacks are a tree,
 * and the hash of one is that of its caller's with one more function mixed in: each node is hashed once.
 *
 * Cost: 8 bytes a node of either tree, 32 a stack.
 */
#include "user/query/hot_stacks.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/buf.h"
#include "user/base/hashmap.h"
#include "user/profile/profile.h"
#include "user/query/printable.h"

#define KERNEL_FILE "[kernel.kallsyms]"
#define SHOWN_FIRST 2 /* functions, where not all are */
#define SHOWN_LAST  8

struct stacks {
	struct {
		uint64_t hash;
		struct hot_stack hot;
	} * items;
	uint32_t n, cap;
	struct hashmap by_hash;
};

static bool stacks__eq(uint32_t index, const void *key, const void *owner)
{
	return ((const struct stacks *)owner)->items[index].hash == *(const uint64_t *)key;
}

/* ret[stack]; a caller's id is always smaller, for it is made first. */
static uint64_t *hash_stacks(const struct profile *p)
{
	uint32_t n = profile__n_stacks(p);
	uint64_t *hashes = calloc((size_t)n + 1, sizeof(*hashes));

	for (uint32_t i = 1; hashes && i <= n; i++) {
		uint32_t location, parent;
		const struct location *l;

		profile__get_stack_node(p, i, &location, &parent);
		l = profile__get_location(p, location);
		hashes[i] = hashes[parent];
		/* the outermost inlined function first, as it calls */
		for (uint32_t k = l->n_lines; k-- > 0;) {
			const char *name = profile__str(
				p, profile__get_function(p, profile__lines(p, l)[k].function)->name);

			hashes[i] = hash_pair(hashes[i], hash_bytes(name, strlen(name)));
		}
	}
	return hashes;
}

static int stacks__add(struct stacks *s, uint64_t hash, uint32_t stack, int64_t value)
{
	uint32_t i = hashmap__find(&s->by_hash, hash, stacks__eq, &hash, s);

	if (i == HASHMAP_NONE) {
		if (s->n == s->cap) {
			uint32_t cap = s->cap ? 2 * s->cap : 256;
			void *items = realloc(s->items, cap * sizeof(*s->items));

			if (!items)
				return -ENOMEM;
			s->items = items;
			s->cap = cap;
		}
		i = s->n++;
		s->items[i].hash = hash;
		s->items[i].hot = (struct hot_stack){.stack = stack};
		if (hashmap__add(&s->by_hash, hash, i))
			return -ENOMEM;
	}
	s->items[i].hot.value += value;
	return 0;
}

static int add_all(struct stacks *s, const struct profile *p)
{
	uint64_t *hashes = hash_stacks(p);
	uint32_t type = 0;
	int err = hashes ? profile__find_type(p, NULL, &type) : -ENOMEM;

	for (uint32_t i = 0; !err && i < profile__n_samples(p); i++) {
		const struct sample *one = profile__get_sample(p, i);

		err = stacks__add(s, hashes[one->stack], one->stack, one->values[type]);
	}
	free(hashes);
	return err;
}

static int add_normal(struct stacks *s, const struct profile *p)
{
	uint64_t *hashes = hash_stacks(p);
	uint32_t type = 0;
	int err = hashes ? profile__find_type(p, NULL, &type) : -ENOMEM;

	for (uint32_t i = 0; !err && i < profile__n_samples(p); i++) {
		const struct sample *one = profile__get_sample(p, i);
		uint32_t at =
			hashmap__find(&s->by_hash, hashes[one->stack], stacks__eq, &hashes[one->stack], s);

		if (at != HASHMAP_NONE)
			s->items[at].hot.normal += one->values[type];
	}
	free(hashes);
	return err;
}

static uint32_t take_largest(const struct stacks *s, struct hot_stack ret[HOT_STACKS_MAX])
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < s->n; i++) {
		const struct hot_stack *one = &s->items[i].hot;
		uint32_t at = n;

		while (at && ret[at - 1].value < one->value)
			at--;
		if (at == HOT_STACKS_MAX || one->value <= 0)
			continue;
		n += n < HOT_STACKS_MAX;
		memmove(&ret[at + 1], &ret[at], (n - 1 - at) * sizeof(*ret));
		ret[at] = *one;
	}
	return n;
}

int hot_stacks__find(const struct profile *p, const struct profile *normal,
		     struct hot_stack ret[HOT_STACKS_MAX], uint32_t *ret_n)
{
	struct stacks s = {0};
	int err;

	hashmap__init(&s.by_hash);
	err = add_all(&s, p);
	if (!err && normal)
		err = add_normal(&s, normal);
	if (!err)
		*ret_n = take_largest(&s, ret);
	hashmap__done(&s.by_hash);
	free(s.items);
	return err;
}

/* -- as text -- */

static bool is_kernel(const struct profile *p, const struct location *l)
{
	return l->mapping &&
	       !strcmp(profile__str(p, profile__get_mapping(p, l->mapping)->filename), KERNEL_FILE);
}

static const char *name_of(const struct profile *p, const struct location *l, uint32_t line)
{
	return profile__str(p, profile__get_function(p, profile__lines(p, l)[line].function)->name);
}

/* How every system call begins tells nothing. */
static bool is_entry(const char *name)
{
	return !strncmp(name, "entry_SYSCALL", 13) || !strcmp(name, "do_syscall_64") ||
	       !strncmp(name, "asm_", 4) || !strcmp(name, "x64_sys_call") || !strncmp(name, "el0", 3) ||
	       !strcmp(name, "invoke_syscall");
}

/* The kernel's part: which begins at `from`, and goes down to the leaf. */
static void print_kernel(const struct profile *p, const uint32_t *at, uint32_t from, struct buf *to)
{
	const struct location *leaf = profile__get_location(p, at[0]);
	uint32_t first = from;

	while (first > 0 && is_entry(name_of(p, profile__get_location(p, at[first]), 0)))
		first--;
	buf__append_char(to, '[');
	if (first) {
		printable__append(to, name_of(p, profile__get_location(p, at[first]), 0));
		buf__append_str(to, " … ");
	}
	printable__append(to, name_of(p, leaf, 0));
	buf__append_char(to, ']');
}

/* How every thread begins tells nothing, either. */
static bool is_beginning(const char *name)
{
	static const char *const names[] = {"_start",
					    "__libc_start_main",
					    "__libc_start_main_impl",
					    "__libc_start_main@@GLIBC_2.34",
					    "__libc_start_call_main",
					    "start_thread",
					    "clone",
					    "clone3",
					    "__clone3",
					    "runtime.goexit",
					    "runtime.main"};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strcmp(names[i], name))
			return true;
	return false;
}

/* Of locations [last, n), root last, those that are left when the beginning is left out: [last, ret). */
static uint32_t skip_beginning(const struct profile *p, const uint32_t *at, uint32_t n, uint32_t last)
{
	uint32_t left = n;

	while (left > last + 1 && is_beginning(name_of(p, profile__get_location(p, at[left - 1]), 0)))
		left--;
	return left;
}

/* locations [last, n) are of user space, root last. */
static void print_user(const struct profile *p, const uint32_t *at, uint32_t n, uint32_t last, struct buf *to)
{
	uint32_t n_functions = 0, i_function = 0;

	for (uint32_t i = n; i-- > last;)
		n_functions += profile__get_location(p, at[i])->n_lines;
	for (uint32_t i = n; i-- > last;) {
		const struct location *l = profile__get_location(p, at[i]);

		for (uint32_t k = l->n_lines; k-- > 0; i_function++) {
			bool is_long = n_functions > SHOWN_FIRST + SHOWN_LAST + 1;

			if (is_long && i_function == SHOWN_FIRST)
				buf__printf(to, " > … %u …", n_functions - SHOWN_FIRST - SHOWN_LAST);
			if (is_long && i_function >= SHOWN_FIRST && i_function < n_functions - SHOWN_LAST)
				continue;
			buf__append_str(to, i_function ? " > " : "");
			printable__append(to, name_of(p, l, k));
		}
	}
}

void hot_stack__print(const struct profile *p, uint32_t stack, struct buf *to)
{
	uint32_t at[PROFILE_DEPTH_MAX], n = profile__get_stack(p, stack, at, PROFILE_DEPTH_MAX), kernel = 0;

	if (n > PROFILE_DEPTH_MAX)
		n = PROFILE_DEPTH_MAX;
	if (!n)
		buf__append_str(to, "(no stack)");
	while (kernel < n && is_kernel(p, profile__get_location(p, at[kernel])))
		kernel++;
	print_user(p, at, skip_beginning(p, at, n, kernel), kernel, to);
	if (!kernel)
		return;
	buf__append_str(to, kernel < n ? " > " : "");
	print_kernel(p, at, kernel - 1, to);
}
