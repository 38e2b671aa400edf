/* SPDX-License-Identifier: Apache-2.0 */
/*
 * merge - adds one profile to another, by content.
 *
 * Two things are the same where their texts and numbers are: locations by (build-id, file, address, lines), stacks by their
 * locations, label sets by their labels. Ids of one profile mean nothing in the other.
 *
 * Owns: nothing; `from` is only read. Thread: the builder of `into`. Limit: that of `into`; MERGE_COMMENTS_MAX comments.
 * Errors: -EINVAL where sample types do not agree, -EROFS where `into` is sealed, else as profile.h. After an error `into` holds a part
 * of `from` and is good for nothing but profile__free.
 */
#ifndef EVERPROF_PROFILE_MERGE_H
#define EVERPROF_PROFILE_MERGE_H

#include <stdbool.h>
#include <stdint.h>

struct label;
struct profile;

#define MERGE_COMMENTS_MAX 1024
#define MERGE_REASON_MAX   256 /* of a loss, that adds up with others of its */

/*
 * Where samples go whose stacks do not come in: below a stack that does (`anchor`), as a frame of that name in their leaf's binary, and where they are enough, below that as
 * their leaf. Made by profile/fold.
 */
struct merge_place {
	uint32_t anchor, leaf; /* stack, location */
	bool is_named;
};
struct merge_places {
	const char *name;
	uint32_t name_id; /* the name where `from` has it: frames of that name take in more; 0: it has not */
	const uint32_t *of_stack; /* [stack of from] = place + 1; 0: it comes in */
	const struct merge_place *places;
	uint32_t n;
};

struct profile_merge_opts {
	bool negate;               /* subtract instead of adding */
	const char *label_key;     /* a label for every sample that comes in; replaces one of that key */
	const char *label_value;   /* its text */
	const char *without_label; /* samples that have a label of this key stay behind */
	/* Which samples come in, by their label set (0: none); asked once for each set. NULL: all. */
	bool (*keep)(const struct profile *from, uint32_t labels, void *ctx);
	void *keep_ctx;
	/* Which labels of a label set stay behind; samples that then have the same labels add up. NULL: none. */
	bool (*drop)(const struct profile *from, uint32_t labels, const struct label *l, void *ctx);
	void *drop_ctx;
	/* Locations become their functions (inlined ones too): no address, no line, no name of the symbol table. */
	bool functions_only;
	/* Values times scale_num / scale_den; remainders go on from sample to sample, so that sums are exact. scale_den 0: as they are. */
	uint64_t scale_num, scale_den;
	const struct merge_places *places; /* NULL: all stacks come in */
};

/*
 * An `into` without sample types takes those of `from`; else both must have the same types, in any order.
 * Time: from the earlier start; the duration is the sum of both, or the time from first start to last end where that is less
 * (they overlap), so that gaps between windows do not count as observed. Comments: each once; those of the form "lost <reason>: <n>"
 * add up. Default type, period, and the rest are kept where `into` has them.
 */
int profile__merge(struct profile *into, const struct profile *from);
int profile__merge_as(struct profile *into, const struct profile *from,
		      const struct profile_merge_opts *opts);

#endif
