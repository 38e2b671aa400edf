/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Problem: the file may come from anybody. It refers forward (strings stand last), numbers as it likes, and may be made to hurt: bombs, dangling
 * ids, a million empty messages.
 *
 * Idea: four walks over the bytes, each of which needs only what those before have read: strings; then types, mappings, functions and
 * the head; then locations; then samples. Walking skips by length, so three walks more cost little. Everything goes
 * into the profile through its own checked adders, under its own limit.
 *
 * Invariants: no id is used before it was found in its table. Strings are borrowed from the bytes until something refers to them; those that
 * nothing needs are never copied.
 *
 * Cost: about 20 bytes a string, 16 an id, besides the decompressed bytes and the profile.
 *
 * What it does not do: keep what our profile has no place for: unknown fields, the second value of a label key, samples of value zero.
 */
#include "exporters/format/pprof.h"

#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "exporters/format/id_table.h"
#include "exporters/format/label_cache.h"
#include "exporters/format/pprof_fields.h"
#include "exporters/format/proto.h"
#include "user/base/buf.h"
#include "user/base/err.h"
#include "user/profile/profile.h"

#define DEFAULT_LIMIT_BYTES ((size_t)256 << 20)
#define FIRST_STRINGS       1024u

struct file_string {
	const uint8_t *bytes;
	uint32_t len;
	uint32_t id; /* in the profile, 0: not asked for yet, or "" */
};

struct decoder {
	struct profile *p;
	struct err *err;
	struct file_string *strings;
	uint32_t n_strings, cap_strings;
	struct id_table mappings, functions, locations;
	struct label_cache label_sets;
	uint32_t n_samples;                /* seen, for messages */
	uint32_t stack[PROFILE_DEPTH_MAX]; /* of this sample, leaf first */
	uint32_t depth;
	struct { /* of the last one, root first */
		uint32_t location, node;
	} path[PROFILE_DEPTH_MAX];
	uint32_t path_depth;
	struct cursor packed,
		last_packed; /* this sample's frames, not read yet, and the last one's; without bytes: none */
	int64_t values[PROFILE_VALUES_MAX];
	uint32_t n_values;
	bool too_many;
};

typedef int (*field_fn)(struct decoder *d, struct proto_field *f);

static int damaged(struct decoder *d, const char *what)
{
	return err__set(d->err, -EBADMSG, "pprof: %s", what);
}

/* Each flat message is read into an array of its numbers, by field number. */
static int read_numbers(struct decoder *d, const struct proto_field *f, uint64_t *values, uint32_t n,
			const char *what)
{
	struct cursor c = f->bytes;
	struct proto_field inner;

	if (f->wire != PROTO_BYTES)
		return damaged(d, what);
	while (proto__next(&c, &inner)) {
		if (inner.number >= n)
			continue;
		if (inner.wire != PROTO_VARINT)
			return damaged(d, what);
		values[inner.number] = inner.value;
	}
	return c.bad ? damaged(d, what) : 0;
}

static int read_string(struct decoder *d, struct proto_field *f)
{
	if (f->number != PPROF_STRING_TABLE)
		return 0;
	if (f->wire != PROTO_BYTES)
		return damaged(d, "a string is not one");
	if (!d->n_strings && cursor__left(&f->bytes))
		return damaged(d, "the first string is not empty");
	if (d->n_strings == PPROF_TABLE_MAX)
		return err__set(d->err, -E2BIG, "pprof: more than %u strings", PPROF_TABLE_MAX);
	if (d->n_strings == d->cap_strings) {
		uint32_t cap = d->cap_strings ? d->cap_strings * 2 : FIRST_STRINGS;
		struct file_string *strings = realloc(d->strings, (size_t)cap * sizeof(*strings));

		if (!strings)
			return -ENOMEM;
		d->strings = strings;
		d->cap_strings = cap;
	}
	d->strings[d->n_strings++] =
		(struct file_string){.bytes = f->bytes.p, .len = (uint32_t)cursor__left(&f->bytes)};
	return 0;
}

static int string_of(struct decoder *d, uint64_t i, uint32_t *ret_id)
{
	struct file_string *s;
	int err;

	if (i >= d->n_strings) {
		if (!i) { /* a file without strings may still say "no string" */
			*ret_id = 0;
			return 0;
		}
		return err__set(d->err, -EBADMSG, "pprof: string %" PRIu64 " is not there", i);
	}
	s = &d->strings[i];
	if (!s->id && s->len) {
		err = profile__string_n(d->p, (const char *)s->bytes, s->len, &s->id);
		if (err)
			return err;
	}
	*ret_id = s->id;
	return 0;
}

static int read_value_type(struct decoder *d, const struct proto_field *f, struct value_type *ret_vt)
{
	uint64_t v[PPROF_VT_UNIT + 1] = {0};
	int err = read_numbers(d, f, v, PPROF_VT_UNIT + 1, "a sample type is damaged");

	if (!err)
		err = string_of(d, v[PPROF_VT_TYPE], &ret_vt->type);
	if (!err)
		err = string_of(d, v[PPROF_VT_UNIT], &ret_vt->unit);
	return err;
}

static int read_type(struct decoder *d, const struct proto_field *f)
{
	struct value_type vt;
	int err = read_value_type(d, f, &vt);

	if (!err)
		err = profile__add_type(d->p, profile__str(d->p, vt.type), profile__str(d->p, vt.unit));
	if (err == -E2BIG)
		return err__set(d->err, err, "pprof: more than %d sample types", PROFILE_VALUES_MAX);
	return err;
}

static int add_id(struct decoder *d, struct id_table *t, uint64_t file_id, uint32_t id, const char *what)
{
	int err = id_table__add(t, file_id, id);

	if (err == -EEXIST || err == -EINVAL)
		return err__set(d->err, -EBADMSG, "pprof: %s %" PRIu64 " %s", what, file_id,
				file_id ? "is there twice" : "is no valid id");
	if (err == -E2BIG)
		return err__set(d->err, err, "pprof: more than %us", PPROF_TABLE_MAX);
	return err;
}

static int read_mapping(struct decoder *d, const struct proto_field *f)
{
	uint64_t v[PPROF_MAPPING_HAS_INLINES + 1] = {0};
	struct mapping m;
	uint32_t id;
	int err = read_numbers(d, f, v, PPROF_MAPPING_HAS_INLINES + 1, "a mapping is damaged");

	m = (struct mapping){.start = v[PPROF_MAPPING_START],
			     .limit = v[PPROF_MAPPING_LIMIT],
			     .offset = v[PPROF_MAPPING_OFFSET],
			     .has_functions = v[PPROF_MAPPING_HAS_FUNCTIONS],
			     .has_filenames = v[PPROF_MAPPING_HAS_FILES],
			     .has_line_numbers = v[PPROF_MAPPING_HAS_LINES],
			     .has_inline_frames = v[PPROF_MAPPING_HAS_INLINES]};
	if (!err)
		err = string_of(d, v[PPROF_MAPPING_FILE], &m.filename);
	if (!err)
		err = string_of(d, v[PPROF_MAPPING_BUILD_ID], &m.build_id);
	if (!err)
		err = profile__mapping(d->p, &m, &id);
	return err ? err : add_id(d, &d->mappings, v[PPROF_MAPPING_ID], id, "mapping");
}

static int read_function(struct decoder *d, const struct proto_field *f)
{
	uint64_t v[PPROF_FUNCTION_START_LINE + 1] = {0};
	struct function fn = {0};
	uint32_t id;
	int err = read_numbers(d, f, v, PPROF_FUNCTION_START_LINE + 1, "a function is damaged");

	fn.start_line = (int64_t)v[PPROF_FUNCTION_START_LINE];
	if (!err)
		err = string_of(d, v[PPROF_FUNCTION_NAME], &fn.name);
	if (!err)
		err = string_of(d, v[PPROF_FUNCTION_SYSTEM_NAME], &fn.system_name);
	if (!err)
		err = string_of(d, v[PPROF_FUNCTION_FILE], &fn.filename);
	if (!err)
		err = profile__function(d->p, &fn, &id);
	return err ? err : add_id(d, &d->functions, v[PPROF_FUNCTION_ID], id, "function");
}

static bool add_comment(uint64_t v, void *ctx)
{
	struct decoder *d = ctx;
	uint32_t id = 0;

	/* a reference is a byte: the rest has nothing to say that so many have not */
	if (profile__n_comments(d->p) >= PPROF_COMMENTS_MAX)
		return true;
	return !string_of(d, v, &id) && (!id || !profile__comment(d->p, "%s", profile__str(d->p, id)));
}

static int read_head_number(struct decoder *d, const struct proto_field *f)
{
	struct profile_meta *m = profile__meta_mut(d->p);

	switch (f->number) {
	case PPROF_DROP_FRAMES:
		return string_of(d, f->value, &m->drop_frames);
	case PPROF_KEEP_FRAMES:
		return string_of(d, f->value, &m->keep_frames);
	case PPROF_TIME_NANOS:
		m->time_ns = (int64_t)f->value;
		return 0;
	case PPROF_DURATION_NANOS:
		m->duration_ns = (int64_t)f->value;
		return 0;
	case PPROF_PERIOD:
		m->period = (int64_t)f->value;
		return 0;
	case PPROF_DEFAULT_SAMPLE_TYPE:
		return string_of(d, f->value, &m->default_type);
	case PPROF_DOC_URL:
		return string_of(d, f->value, &m->doc_url);
	default:
		return 0;
	}
}

static int read_head(struct decoder *d, struct proto_field *f)
{
	switch (f->number) {
	case PPROF_SAMPLE_TYPE:
		return read_type(d, f);
	case PPROF_MAPPING:
		return read_mapping(d, f);
	case PPROF_FUNCTION:
		return read_function(d, f);
	case PPROF_PERIOD_TYPE:
		return read_value_type(d, f, &profile__meta_mut(d->p)->period_type);
	case PPROF_COMMENT:
		return proto__numbers(f, add_comment, d) ? 0 : damaged(d, "a comment is damaged");
	case PPROF_SAMPLE:
	case PPROF_LOCATION:
	case PPROF_STRING_TABLE:
		return 0;
	default:
		if (f->number <= PPROF_DOC_URL && f->wire != PROTO_VARINT)
			return damaged(d, "the head is damaged");
		return read_head_number(d, f);
	}
}

/* Adds the line of one field of a location. */
static int read_line(struct decoder *d, const struct proto_field *f, struct line *lines, uint32_t *n)
{
	uint64_t v[PPROF_LINE_COLUMN + 1] = {0};
	int err = read_numbers(d, f, v, PPROF_LINE_COLUMN + 1, "a line is damaged");
	uint32_t function;

	if (err || !v[PPROF_LINE_FUNCTION])
		return err; /* a line of no function tells nothing */
	function = id_table__find(&d->functions, v[PPROF_LINE_FUNCTION]);
	if (!function)
		return err__set(d->err, -EBADMSG, "pprof: function %" PRIu64 " is not there",
				v[PPROF_LINE_FUNCTION]);
	if (*n == PROFILE_LINES_MAX)
		return err__set(d->err, -E2BIG, "pprof: more than %d lines at one location",
				PROFILE_LINES_MAX);
	lines[(*n)++] = (struct line){.function = function,
				      .line = (int64_t)v[PPROF_LINE_LINE],
				      .column = (int64_t)v[PPROF_LINE_COLUMN]};
	return 0;
}

static int read_location(struct decoder *d, struct proto_field *f)
{
	struct line lines[PROFILE_LINES_MAX];
	uint64_t v[PPROF_LOCATION_FOLDED + 1] = {0};
	uint32_t n_lines = 0, mapping = 0, id;
	struct cursor c = f->bytes;
	struct proto_field inner;
	int err = 0;

	if (f->number != PPROF_LOCATION)
		return 0;
	if (f->wire != PROTO_BYTES)
		return damaged(d, "a location is damaged");
	while (!err && proto__next(&c, &inner)) {
		if (inner.number == PPROF_LOCATION_LINE)
			err = read_line(d, &inner, lines, &n_lines);
		else if (inner.number <= PPROF_LOCATION_FOLDED && inner.wire != PROTO_VARINT)
			err = damaged(d, "a location is damaged");
		else if (inner.number <= PPROF_LOCATION_FOLDED)
			v[inner.number] = inner.value;
	}
	if (err || c.bad)
		return err ? err : damaged(d, "a location is damaged");
	if (v[PPROF_LOCATION_MAPPING]) {
		mapping = id_table__find(&d->mappings, v[PPROF_LOCATION_MAPPING]);
		if (!mapping)
			return err__set(d->err, -EBADMSG, "pprof: mapping %" PRIu64 " is not there",
					v[PPROF_LOCATION_MAPPING]);
	}
	err = profile__location(d->p, mapping, v[PPROF_LOCATION_ADDRESS], v[PPROF_LOCATION_FOLDED], lines,
				n_lines, &id);
	return err ? err : add_id(d, &d->locations, v[PPROF_LOCATION_ID], id, "location");
}

static inline bool add_frame(struct decoder *d, uint64_t v)
{
	uint32_t id = id_table__find(&d->locations, v);

	d->too_many |= d->depth == PROFILE_DEPTH_MAX;
	if (!id || d->too_many)
		return false;
	d->stack[d->depth++] = id;
	return true;
}

/* As proto__numbers does it, without a call a frame: this is most of a file. */
static bool add_frames(struct decoder *d, const struct proto_field *f)
{
	struct cursor c = f->bytes;
	bool good = true;

	if (f->wire == PROTO_VARINT)
		return add_frame(d, f->value);
	if (f->wire != PROTO_BYTES)
		return false;
	while (good && c.p < c.end)
		good = add_frame(d, proto__read_varint(&c)) && !c.bad;
	return good;
}

/* A list that stands alone waits for push_stack; frames that come in pieces are put together here. */
static bool take_frames(struct decoder *d, const struct proto_field *f)
{
	const struct proto_field waiting = {.wire = PROTO_BYTES, .bytes = d->packed};

	if (!d->depth && !d->packed.p && f->wire == PROTO_BYTES) {
		d->packed = f->bytes;
		return true;
	}
	d->packed = (struct cursor){0};
	return (!waiting.bytes.p || add_frames(d, &waiting)) && add_frames(d, f);
}

static bool add_value(uint64_t v, void *ctx)
{
	struct decoder *d = ctx;

	if (d->n_values == profile__n_types(d->p))
		return false;
	d->values[d->n_values++] = (int64_t)v;
	return true;
}

static int read_label(struct decoder *d, const struct proto_field *f, struct label *labels, uint32_t *n)
{
	uint64_t v[PPROF_LABEL_UNIT + 1] = {0};
	struct label l = {0};
	int err = read_numbers(d, f, v, PPROF_LABEL_UNIT + 1, "a label is damaged");

	if (!err)
		err = string_of(d, v[PPROF_LABEL_KEY], &l.key);
	if (!err)
		err = string_of(d, v[PPROF_LABEL_STR], &l.str);
	if (!err)
		err = string_of(d, v[PPROF_LABEL_UNIT], &l.num_unit);
	if (err)
		return err;
	if (!l.key)
		return damaged(d, "a label has no key");
	l.num = (int64_t)v[PPROF_LABEL_NUM];
	for (uint32_t i = 0; i < *n; i++) {
		if (labels[i].key == l.key)
			return 0;
	}
	if (*n == PROFILE_LABELS_MAX)
		return err__set(d->err, -E2BIG, "pprof: more than %d labels at one sample",
				PROFILE_LABELS_MAX);
	labels[(*n)++] = l;
	return 0;
}

static int bad_frames(struct decoder *d)
{
	if (d->too_many)
		return err__set(d->err, -E2BIG, "pprof: sample %u is deeper than %d frames", d->n_samples,
				PROFILE_DEPTH_MAX);
	return err__set(d->err, -EBADMSG, "pprof: sample %u has a location that is not there", d->n_samples);
}

static int read_sample_field(struct decoder *d, struct proto_field *f, struct label *labels,
			     uint32_t *n_labels)
{
	switch (f->number) {
	case PPROF_SAMPLE_LOCATION:
		return take_frames(d, f) ? 0 : bad_frames(d);
	case PPROF_SAMPLE_VALUE:
		if (proto__numbers(f, add_value, d))
			return 0;
		return err__set(d->err, -EBADMSG, "pprof: sample %u has more values than there are types",
				d->n_samples);
	case PPROF_SAMPLE_LABEL:
		return read_label(d, f, labels, n_labels);
	default:
		return 0;
	}
}

/* How many bytes at the end of both are the same numbers: the numbers before may share their last bytes, which do not count. */
static size_t common_tail(const struct cursor *a, const struct cursor *b)
{
	size_t a_len = (size_t)(a->end - a->p), b_len = (size_t)(b->end - b->p), n = 0;
	size_t most = a_len < b_len ? a_len : b_len;

	for (uint64_t x, y; n + sizeof(x) <= most; n += sizeof(x)) {
		memcpy(&x, a->end - n - sizeof(x), sizeof(x));
		memcpy(&y, b->end - n - sizeof(y), sizeof(y));
		if (x != y)
			break;
	}
	while (n < most && a->end[-1 - (ptrdiff_t)n] == b->end[-1 - (ptrdiff_t)n])
		n++;
	if ((n < a_len && a->end[-1 - (ptrdiff_t)n] >= 0x80) ||
	    (n < b_len && b->end[-1 - (ptrdiff_t)n] >= 0x80))
		while (n && a->end[-(ptrdiff_t)n--] >= 0x80)
			;
	return n;
}

/* Each number ends in the one byte of it that is below 0x80. */
static uint32_t count_numbers(const uint8_t *bytes, size_t n)
{
	uint32_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += bytes[i] < 0x80;
	return count;
}

/*
 * Samples of a file that was written in tree order share most of their callers with the one before. Frames stand leaf first, so those are the same bytes at the
 * end, and only what stands before them is read; without such bytes, frames are compared.
 */
static int shared_depth(struct decoder *d, uint32_t *ret_at)
{
	size_t tail;
	uint32_t at = 0;

	if (!d->packed.p) {
		for (; at < d->depth && at < d->path_depth &&
		       d->path[at].location == d->stack[d->depth - 1 - at];)
			at++;
		d->last_packed = (struct cursor){0};
		*ret_at = at;
		return 0;
	}
	tail = d->last_packed.p ? common_tail(&d->packed, &d->last_packed) : 0;
	at = count_numbers(d->packed.end - tail, tail);
	d->last_packed = d->packed;
	d->packed.end -= tail;
	if (!add_frames(d, &(struct proto_field){.wire = PROTO_BYTES, .bytes = d->packed}))
		return bad_frames(d);
	d->too_many = d->depth + at > PROFILE_DEPTH_MAX;
	d->depth += at;
	*ret_at = at;
	return d->too_many ? bad_frames(d) : 0;
}

static int push_stack(struct decoder *d, uint32_t *ret_stack)
{
	uint32_t node, at = 0;
	int err = shared_depth(d, &at);

	if (err)
		return err;
	node = at ? d->path[at - 1].node : 0;
	for (d->path_depth = at; at < d->depth; d->path_depth = ++at) {
		d->path[at].location = d->stack[d->depth - 1 - at];
		err = profile__stack_push(d->p, node, d->path[at].location, &node);
		if (err)
			return err;
		d->path[at].node = node;
	}
	*ret_stack = node;
	return 0;
}

static int read_sample(struct decoder *d, struct proto_field *f)
{
	const uint8_t *at, *rest = NULL; /* from the first label on, where nothing but labels follows */
	struct label labels[PROFILE_LABELS_MAX];
	uint32_t n_labels = 0, stack, label_set;
	struct cursor c = f->bytes;
	struct proto_field inner;
	bool is_known = false;
	int err = 0;

	if (f->number != PPROF_SAMPLE)
		return 0;
	if (f->wire != PROTO_BYTES)
		return damaged(d, "a sample is damaged");
	d->depth = 0;
	d->packed = (struct cursor){0};
	d->n_values = 0;
	d->n_samples++;
	for (at = c.p; !err && !is_known && proto__next(&c, &inner); at = c.p) {
		if (inner.number != PPROF_SAMPLE_LABEL) {
			rest = NULL;
		} else if (!n_labels) {
			rest = at;
			is_known =
				label_cache__find(&d->label_sets, rest, (size_t)(c.end - rest), &label_set);
		}
		if (!is_known)
			err = read_sample_field(d, &inner, labels, &n_labels);
	}
	if (err || c.bad)
		return err ? err : damaged(d, "a sample is damaged");
	if (d->n_values != profile__n_types(d->p) || !d->n_values)
		return err__set(d->err, -EBADMSG, "pprof: sample %u has %u values for %u types", d->n_samples,
				d->n_values, profile__n_types(d->p));
	err = push_stack(d, &stack);
	if (!err && !is_known)
		err = profile__labels(d->p, labels, n_labels, &label_set);
	if (!err && !is_known && rest)
		label_cache__keep(&d->label_sets, rest, (size_t)(c.end - rest), label_set);
	return err ? err : profile__add(d->p, stack, label_set, d->values);
}

static int walk(struct decoder *d, const struct buf *bytes, field_fn fn)
{
	struct proto_field f;
	struct cursor c;
	int err = 0;

	cursor__init(&c, bytes->data, bytes->len);
	while (!err && proto__next(&c, &f))
		err = fn(d, &f);
	if (!err && c.bad)
		err = err__set(d->err, -EBADMSG, "pprof: damaged at byte %zu", cursor__offset(&c));
	return err;
}

static int decode_plain(struct decoder *d, const struct buf *bytes)
{
	static const field_fn walks[] = {read_string, read_head, read_location, read_sample};
	int err = 0;

	if (!bytes->len)
		return damaged(d, "the file is empty");
	for (size_t i = 0; !err && i < sizeof(walks) / sizeof(*walks); i++)
		err = walk(d, bytes, walks[i]);
	if (!err && !profile__n_types(d->p))
		err = damaged(d, "there is no sample type: this is no profile");
	return err ? err : profile__seal(d->p);
}

static int inflate_all(const void *bytes, size_t len, size_t limit, struct buf *to, struct err *e)
{
	int err = decompress(bytes, len, limit, to);

	if (err == -EBADMSG)
		return err__set(e, err, "pprof: the compressed bytes are damaged or cut short");
	if (err == -E2BIG)
		return err__set(e, err, "pprof: more than %zu bytes after decompression", limit);
	return err;
}

int pprof__decode(const void *bytes, size_t len, const struct pprof_decode_opts *opts,
		  struct profile **ret_profile, struct err *e)
{
	size_t limit = opts && opts->limit_bytes ? opts->limit_bytes : DEFAULT_LIMIT_BYTES;
	struct decoder *d = calloc(1, sizeof(*d));
	struct buf plain;
	int err;

	if (!d)
		return -ENOMEM;
	d->err = e;
	id_table__init(&d->mappings, PPROF_TABLE_MAX);
	id_table__init(&d->functions, PPROF_TABLE_MAX);
	id_table__init(&d->locations, PPROF_TABLE_MAX);
	buf__init(&plain, limit + 1);
	d->p = profile__new(&(struct profile_opts){.limit_bytes = opts ? opts->profile_limit_bytes : 0,
						   .is_list = opts && opts->as_list});
	err = d->p ? inflate_all(bytes, len, limit, &plain, e) : -ENOMEM;
	if (!err)
		err = decode_plain(d, &plain);
	if (err)
		profile__free(d->p);
	else
		*ret_profile = d->p;
	buf__done(&plain);
	id_table__done(&d->mappings);
	id_table__done(&d->functions);
	id_table__done(&d->locations);
	free(d->strings);
	free(d);
	return err;
}
