/* SPDX-License-Identifier: Apache-2.0 */
/*
 * profile - THE product: values of stacks under labels, with names.
 *
 * The same shape as a pprof file, and no wider: sample types, strings, mappings, functions, locations, stacks, label sets,
 * samples. It is built by adding, then sealed; a sealed profile never changes, so any number of threads may read it.
 * Everything is interned: equal strings, functions, locations, stacks and label sets are stored once, and adding a sample with a (stack, label set)
 * that is there adds the values. Ids are indices, 0 means none (string 0 is ""). Strings are UTF-8; invalid bytes
 * and NULs become U+FFFD on the way in.
 *
 *      sample {stack, labels, values[n]}
 *         |       └─> label set: sorted {key, string | number + unit}
 *         └─> stack: leaf .. root as a tree of {parent, location}: stacks that share their root share nodes
 *                └─> location {mapping, address, lines[]: innermost inlined function first}
 *                        └─> function {name, system name, file, first line}
 *
 * Owns: all of it. Thread: one builder; readers after seal. Limit: limit_bytes given at new; past it adding fails with -E2BIG.
 * Errors: -ENOMEM, -E2BIG (the limits here, too), -EINVAL for a dangling id or a label key given twice, -EROFS after seal.
 */
#ifndef EVERPROF_PROFILE_PROFILE_H
#define EVERPROF_PROFILE_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROFILE_VALUES_MAX 4
#define PROFILE_DEPTH_MAX  4096 /* frames of one stack */
#define PROFILE_LABELS_MAX 64   /* labels of one sample */
#define PROFILE_LINES_MAX  256  /* inlined functions at one location */

/* By the label's name: as what the samples without it are shown. */
#define PROFILE_NO_LABEL "(no %s)"

struct profile;

struct value_type {
	uint32_t type; /* string */
	uint32_t unit; /* string */
};

struct mapping {
	uint64_t start, limit,
		offset;    /* ELF virtual addresses [start, limit) of the segment, file offset of start */
	uint32_t filename; /* string */
	uint32_t build_id; /* string, lower-case hex */
	bool has_functions, has_filenames, has_line_numbers, has_inline_frames;
};

struct function {
	uint32_t name;        /* string, demangled */
	uint32_t system_name; /* string, as in the symbol table; 0 where it is the same as the name */
	uint32_t filename;    /* string */
	int64_t start_line;
};

struct line {
	uint32_t function; /* id */
	int64_t line, column;
};

struct location {
	uint32_t mapping; /* id, 0 none */
	uint64_t address;
	uint32_t first_line, n_lines; /* into the profile's lines, see profile__lines */
	bool is_folded;
};

struct label {
	uint32_t key; /* string */
	uint32_t str; /* string; 0: the label is a number */
	int64_t num;
	uint32_t num_unit; /* string */
};

struct sample {
	uint32_t stack;  /* id, 0: the empty stack */
	uint32_t labels; /* id, 0: none */
	int64_t values[PROFILE_VALUES_MAX];
};

struct profile_opts {
	size_t limit_bytes; /* 0: 1 GiB */
	/* Equal stacks and samples are kept side by side, in the order of adding: for what is only read to be added to another profile, which finds them. */
	bool is_list;
	/* Equal samples are added up when there are twice as many as the last time, and at the end: quicker by half where most of millions are met once or twice. */
	bool adds_late;
};

/* What stands once in a profile. */
struct profile_meta {
	int64_t time_ns; /* CLOCK_REALTIME of the first nanosecond */
	int64_t duration_ns;
	struct value_type period_type;
	int64_t period;
	uint32_t default_type; /* string; 0: the last sample type */
	uint32_t doc_url;      /* string */
	uint32_t drop_frames, keep_frames;
};

struct profile *profile__new(const struct profile_opts *opts);
void profile__free(struct profile *p);

/* -- building; every ret_id is set only on success -- */
int profile__string(struct profile *p, const char *s, uint32_t *ret_id); /* NULL counts as "" */
int profile__string_n(struct profile *p, const char *s, size_t len, uint32_t *ret_id);
int profile__add_type(struct profile *p, const char *type, const char *unit);
int profile__mapping(struct profile *p, const struct mapping *m, uint32_t *ret_id);
int profile__function(struct profile *p, const struct function *f, uint32_t *ret_id);
int profile__location(struct profile *p, uint32_t mapping, uint64_t address, bool is_folded,
		      const struct line *lines, uint32_t n_lines, uint32_t *ret_id);
/* locations leaf first; n = 0 gives 0 */
int profile__stack(struct profile *p, const uint32_t *locations, uint32_t n, uint32_t *ret_id);
/* One step of the tree: the stack `parent` (0: root) plus a callee. Cheaper than profile__stack where the caller walks a tree itself. */
int profile__stack_push(struct profile *p, uint32_t parent, uint32_t location, uint32_t *ret_id);
/* labels in any order, at most one value a key; n = 0 gives 0 */
int profile__labels(struct profile *p, const struct label *labels, uint32_t n, uint32_t *ret_id);
/* Adds values[0 .. number of types) to the sample (stack, labels). */
int profile__add(struct profile *p, uint32_t stack, uint32_t labels, const int64_t *values);
int profile__comment(struct profile *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
struct profile_meta *profile__meta_mut(struct profile *p);
/* Marks mapping `id` as having functions, files, lines, inlined frames (or-ed in). */
void profile__mapping_has(struct profile *p, uint32_t id, bool functions, bool filenames, bool lines,
			  bool inlined);
/* Drops zero samples, names locations without a function "[binary]+0xADDRESS", orders samples by stack so that files
 * compress well, gives back spare memory. */
int profile__seal(struct profile *p);
/* The end of whoever builds one: seals p and hands it over, or frees it where that fails or `err` says that something before did. p may be NULL then. Returns the error. */
int profile__finish(struct profile *p, int err, struct profile **ret);

/* -- reading (borrowed until free) -- */
const struct profile_meta *profile__meta(const struct profile *p);
bool profile__sealed(const struct profile *p);
uint32_t profile__n_types(const struct profile *p);
struct value_type profile__type(const struct profile *p, uint32_t i);
/* Index of the sample type named `name` (NULL: the default one); -ENOENT. */
int profile__find_type(const struct profile *p, const char *name, uint32_t *ret_i);
const char *profile__str(const struct profile *p, uint32_t id);
uint32_t profile__n_strings(const struct profile *p);
/* ids run from 1 to the count */
uint32_t profile__n_mappings(const struct profile *p);
const struct mapping *profile__get_mapping(const struct profile *p, uint32_t id);
uint32_t profile__n_functions(const struct profile *p);
const struct function *profile__get_function(const struct profile *p, uint32_t id);
uint32_t profile__n_locations(const struct profile *p);
const struct location *profile__get_location(const struct profile *p, uint32_t id);
const struct line *profile__lines(const struct profile *p, const struct location *l);
/* The tree: location of this node, and the id of its caller's node (0: this is the root frame). */
uint32_t profile__n_stacks(const struct profile *p);
void profile__get_stack_node(const struct profile *p, uint32_t stack, uint32_t *ret_location,
			     uint32_t *ret_parent);
/* Location ids leaf first into out[max]; returns the depth, which may be more than max. */
uint32_t profile__get_stack(const struct profile *p, uint32_t stack, uint32_t *out, uint32_t max);
uint32_t profile__n_label_sets(const struct profile *p);
const struct label *profile__get_labels(const struct profile *p, uint32_t labels, uint32_t *ret_n);
/* The label with that key, or NULL. */
const struct label *profile__find_label(const struct profile *p, uint32_t labels, const char *key);
/* samples are numbered from 0 */
uint32_t profile__n_samples(const struct profile *p);
const struct sample *profile__get_sample(const struct profile *p, uint32_t i);
uint32_t profile__n_comments(const struct profile *p);
uint32_t profile__comment_string(const struct profile *p, uint32_t i); /* string */
const char *profile__get_comment(const struct profile *p, uint32_t i);
size_t profile__bytes(const struct profile *p);

#endif
