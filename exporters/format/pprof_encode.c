/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Problem: a file every minute, for months: bytes count, and so does the memory that writing takes on a busy machine. Readers are
 * strict in different ways.
 *
 * Idea: number things in the order in which sealed samples first need them, and stream. Samples stand in tree order, so neighbours share
 * their callers' ids at the end of their lists, new ids are one more than the last, and gzip finds both. Nothing that no sample needs gets a
 * number, so nothing unneeded is written.
 *
 * Layout of the file: types, samples (numbering locations and label texts), locations (numbering mappings and functions), mappings,
 * functions, the rest of the head, and the strings last, when all are numbered.
 *
 * Invariants: order[n - 1] is the profile's id of the file's n; file_ids[order[n - 1]] = n. Tables are written in that order, so ids
 * in the file are 1..n.
 *
 * Cost: eight bytes an id while the call lasts, 16 a set of labels and what its labels take, one message of scratch, the compressor's state, and the
 * compressed bytes.
 *
 * What it does not do: split files that are too large for some service. That is for the sender, who knows the limit.
 */
#include "exporters/format/pprof.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "exporters/format/pprof_fields.h"
#include "exporters/format/proto.h"
#include "user/base/buf.h"
#include "user/profile/profile.h"

#define FLUSH_BYTES   ((size_t)64 * 1024)
#define MESSAGE_LIMIT ((size_t)1 << 31)

struct numbering {
	uint32_t *file_ids; /* [profile's id] = the file's, 0: none yet */
	uint32_t *order;
	uint32_t n;
};

/* The labels of a set as they stand in each of its samples, encoded once: sets are few, and most of a sample's fields. */
struct set_bytes {
	size_t at, len; /* of `sets`; nothing: not encoded yet */
};

struct encoder {
	const struct profile *p;
	struct compressor *out;
	struct buf msg; /* encoded, not yet compressed */
	struct buf sets;
	struct set_bytes *set_bytes; /* by label set */
	struct numbering strings, mappings, functions, locations;
	uint32_t stack[PROFILE_DEPTH_MAX];
};

static int numbering__init(struct numbering *n, uint32_t count)
{
	n->file_ids = calloc((size_t)count + 1, sizeof(*n->file_ids));
	n->order = calloc((size_t)count + 1, sizeof(*n->order));
	return n->file_ids && n->order ? 0 : -ENOMEM;
}

static void numbering__done(struct numbering *n)
{
	free(n->file_ids);
	free(n->order);
}

static uint32_t number_of(struct numbering *n, uint32_t id)
{
	if (!id)
		return 0;
	if (!n->file_ids[id]) {
		n->order[n->n++] = id;
		n->file_ids[id] = n->n;
	}
	return n->file_ids[id];
}

static uint32_t string_number(struct encoder *e, uint32_t id)
{
	return number_of(&e->strings, id);
}

static void flush(struct encoder *e, size_t at_least)
{
	if (e->msg.len < at_least || e->msg.err)
		return;
	compressor__write(e->out, e->msg.data, e->msg.len);
	buf__clear(&e->msg);
}

static void encode_value_type(struct encoder *e, uint32_t field, struct value_type vt)
{
	uint32_t type = string_number(e, vt.type), unit = string_number(e, vt.unit);

	proto__open(&e->msg, field,
		    proto__uint_size(PPROF_VT_TYPE, type) + proto__uint_size(PPROF_VT_UNIT, unit));
	proto__uint(&e->msg, PPROF_VT_TYPE, type);
	proto__uint(&e->msg, PPROF_VT_UNIT, unit);
}

static size_t label_size(struct encoder *e, const struct label *l)
{
	return proto__uint_size(PPROF_LABEL_KEY, string_number(e, l->key)) +
	       proto__uint_size(PPROF_LABEL_STR, string_number(e, l->str)) +
	       proto__uint_size(PPROF_LABEL_NUM, (uint64_t)l->num) +
	       proto__uint_size(PPROF_LABEL_UNIT, string_number(e, l->num_unit));
}

/* Of a label set, encoded; the strings of a new one get their numbers now. */
static struct set_bytes encode_set(struct encoder *e, uint32_t set)
{
	struct set_bytes *bytes = &e->set_bytes[set];
	uint32_t n;
	const struct label *labels = profile__get_labels(e->p, set, &n);

	if (bytes->len || !n)
		return *bytes;
	bytes->at = e->sets.len;
	for (uint32_t i = 0; i < n; i++) {
		proto__open(&e->sets, PPROF_SAMPLE_LABEL, label_size(e, &labels[i]));
		proto__uint(&e->sets, PPROF_LABEL_KEY, string_number(e, labels[i].key));
		proto__uint(&e->sets, PPROF_LABEL_STR, string_number(e, labels[i].str));
		proto__uint(&e->sets, PPROF_LABEL_NUM, (uint64_t)labels[i].num);
		proto__uint(&e->sets, PPROF_LABEL_UNIT, string_number(e, labels[i].num_unit));
	}
	bytes->len = e->sets.len - bytes->at;
	return *bytes;
}

/* A packed list, which takes so many bytes. */
static void encode_ids(struct encoder *e, const uint32_t *ids, uint32_t n, size_t bytes)
{
	uint8_t *to = buf__reserve(&e->msg, bytes);

	for (uint32_t i = 0; to && i < n; i++)
		to = proto__put_varint(to, ids[i]);
	e->msg.len += to ? bytes : 0;
}

static void encode_sample(struct encoder *e, const struct sample *s)
{
	uint32_t depth = profile__get_stack(e->p, s->stack, e->stack, PROFILE_DEPTH_MAX);
	uint32_t n_types = profile__n_types(e->p);
	size_t locations = 0, values = 0, all;
	struct set_bytes labels;

	for (uint32_t i = depth; i-- > 0;) /* callers first: what is common gets the lower numbers */
		e->stack[i] = number_of(&e->locations, e->stack[i]);
	for (uint32_t i = 0; i < depth; i++)
		locations += proto__varint_size(e->stack[i]);
	for (uint32_t i = 0; i < n_types; i++)
		values += proto__varint_size((uint64_t)s->values[i]);
	labels = encode_set(e, s->labels);
	all = proto__bytes_size(PPROF_SAMPLE_VALUE, values) + labels.len;
	if (depth)
		all += proto__bytes_size(PPROF_SAMPLE_LOCATION, locations);

	proto__open(&e->msg, PPROF_SAMPLE, all);
	if (depth)
		proto__open(&e->msg, PPROF_SAMPLE_LOCATION, locations);
	encode_ids(e, e->stack, depth, locations);
	proto__open(&e->msg, PPROF_SAMPLE_VALUE, values);
	for (uint32_t i = 0; i < n_types; i++)
		proto__varint(&e->msg, (uint64_t)s->values[i]);
	if (labels.len)
		buf__append(&e->msg, e->sets.data + labels.at, labels.len);
}

static size_t line_size(struct encoder *e, const struct line *l)
{
	return proto__uint_size(PPROF_LINE_FUNCTION, number_of(&e->functions, l->function)) +
	       proto__uint_size(PPROF_LINE_LINE, (uint64_t)l->line) +
	       proto__uint_size(PPROF_LINE_COLUMN, (uint64_t)l->column);
}

static void encode_location(struct encoder *e, uint32_t file_id, const struct location *l)
{
	const struct line *lines = profile__lines(e->p, l);
	uint32_t mapping = number_of(&e->mappings, l->mapping);
	size_t all = proto__uint_size(PPROF_LOCATION_ID, file_id) +
		     proto__uint_size(PPROF_LOCATION_MAPPING, mapping) +
		     proto__uint_size(PPROF_LOCATION_ADDRESS, l->address) +
		     proto__uint_size(PPROF_LOCATION_FOLDED, l->is_folded);

	for (uint32_t i = 0; i < l->n_lines; i++)
		all += proto__bytes_size(PPROF_LOCATION_LINE, line_size(e, &lines[i]));
	proto__open(&e->msg, PPROF_LOCATION, all);
	proto__uint(&e->msg, PPROF_LOCATION_ID, file_id);
	proto__uint(&e->msg, PPROF_LOCATION_MAPPING, mapping);
	proto__uint(&e->msg, PPROF_LOCATION_ADDRESS, l->address);
	for (uint32_t i = 0; i < l->n_lines; i++) {
		proto__open(&e->msg, PPROF_LOCATION_LINE, line_size(e, &lines[i]));
		proto__uint(&e->msg, PPROF_LINE_FUNCTION, number_of(&e->functions, lines[i].function));
		proto__uint(&e->msg, PPROF_LINE_LINE, (uint64_t)lines[i].line);
		proto__uint(&e->msg, PPROF_LINE_COLUMN, (uint64_t)lines[i].column);
	}
	proto__uint(&e->msg, PPROF_LOCATION_FOLDED, l->is_folded);
}

/* A flat message of numbers: field i + 1 holds values[i]. */
static void encode_numbers(struct encoder *e, uint32_t field, const uint64_t *values, uint32_t n)
{
	size_t all = 0;

	for (uint32_t i = 0; i < n; i++)
		all += proto__uint_size(i + 1, values[i]);
	proto__open(&e->msg, field, all);
	for (uint32_t i = 0; i < n; i++)
		proto__uint(&e->msg, i + 1, values[i]);
}

static void encode_mapping(struct encoder *e, uint32_t file_id, const struct mapping *m)
{
	const uint64_t values[] = {file_id,
				   m->start,
				   m->limit,
				   m->offset,
				   string_number(e, m->filename),
				   string_number(e, m->build_id),
				   m->has_functions,
				   m->has_filenames,
				   m->has_line_numbers,
				   m->has_inline_frames};

	_Static_assert(PPROF_MAPPING_HAS_INLINES == sizeof(values) / sizeof(*values), "one value a field");
	encode_numbers(e, PPROF_MAPPING, values, PPROF_MAPPING_HAS_INLINES);
}

static void encode_function(struct encoder *e, uint32_t file_id, const struct function *f)
{
	const uint64_t values[] = {file_id, string_number(e, f->name), string_number(e, f->system_name),
				   string_number(e, f->filename), (uint64_t)f->start_line};

	_Static_assert(PPROF_FUNCTION_START_LINE == sizeof(values) / sizeof(*values), "one value a field");
	encode_numbers(e, PPROF_FUNCTION, values, PPROF_FUNCTION_START_LINE);
}

/* One piece of `weights` a mapping: the binary that a sample's process runs where the label says it, else the leaf's one in user space. */
static void weigh_mappings(struct encoder *e, uint32_t type, uint64_t *weights, uint32_t *by_file,
			   uint32_t *by_set)
{
	const struct profile *p = e->p;

	for (uint32_t id = profile__n_mappings(p); id > 0; id--)
		by_file[profile__get_mapping(p, id)->filename] = id;
	by_file[0] = 0;
	for (uint32_t set = 1; set <= profile__n_label_sets(p); set++) {
		const struct label *exe = profile__find_label(p, set, "exe");

		by_set[set] = exe ? by_file[exe->str] : 0;
	}
	for (uint32_t i = 0; i < profile__n_samples(p); i++) {
		const struct sample *s = profile__get_sample(p, i);
		uint32_t mapping = by_set[s->labels], node = s->stack, location;

		while (!mapping && node) {
			profile__get_stack_node(p, node, &location, &node);
			mapping = profile__get_location(p, location)->mapping;
			if (mapping && profile__str(p, profile__get_mapping(p, mapping)->filename)[0] == '[')
				mapping = 0;
		}
		if (s->values[type] != INT64_MIN)
			weights[mapping] += (uint64_t)llabs(s->values[type]);
	}
}

/* Readers call the whole file after its first mapping: it becomes the binary with the most value that some location is in. */
static int number_main_mapping(struct encoder *e)
{
	uint64_t *weights = calloc((size_t)profile__n_mappings(e->p) + 1, sizeof(*weights));
	uint32_t *by_file = calloc(profile__n_strings(e->p), sizeof(*by_file));
	uint32_t *by_set = calloc((size_t)profile__n_label_sets(e->p) + 1, sizeof(*by_set));
	uint32_t main_mapping = 0, type;
	int err = weights && by_file && by_set ? 0 : -ENOMEM;

	if (err)
		goto out;
	if (profile__find_type(e->p, NULL, &type))
		type = profile__n_types(e->p) - 1;
	weigh_mappings(e, type, weights, by_file, by_set);
	weights[0] = 0;
	for (uint32_t i = 0; i < e->locations.n; i++) {
		uint32_t mapping = profile__get_location(e->p, e->locations.order[i])->mapping;

		if (weights[mapping] > weights[main_mapping])
			main_mapping = mapping;
	}
	number_of(&e->mappings, main_mapping);
out:
	free(weights);
	free(by_file);
	free(by_set);
	return err;
}

static void encode_head(struct encoder *e)
{
	const struct profile_meta *m = profile__meta(e->p);
	struct value_type last;

	proto__uint(&e->msg, PPROF_DROP_FRAMES, string_number(e, m->drop_frames));
	proto__uint(&e->msg, PPROF_KEEP_FRAMES, string_number(e, m->keep_frames));
	proto__uint(&e->msg, PPROF_TIME_NANOS, (uint64_t)m->time_ns);
	proto__uint(&e->msg, PPROF_DURATION_NANOS, (uint64_t)m->duration_ns);
	if (m->period_type.type || m->period_type.unit)
		encode_value_type(e, PPROF_PERIOD_TYPE, m->period_type);
	proto__uint(&e->msg, PPROF_PERIOD, (uint64_t)m->period);
	for (uint32_t i = 0; i < profile__n_comments(e->p); i++)
		proto__uint(&e->msg, PPROF_COMMENT, string_number(e, profile__comment_string(e->p, i)));
	last = profile__type(e->p, profile__n_types(e->p) - 1);
	proto__uint(&e->msg, PPROF_DEFAULT_SAMPLE_TYPE,
		    string_number(e, m->default_type ? m->default_type : last.type));
	proto__uint(&e->msg, PPROF_DOC_URL, string_number(e, m->doc_url));
}

static int encode_tables(struct encoder *e)
{
	const struct profile *p = e->p;
	int err;

	for (uint32_t i = 0; i < profile__n_types(p); i++)
		encode_value_type(e, PPROF_SAMPLE_TYPE, profile__type(p, i));
	for (uint32_t i = 0; i < profile__n_samples(p); i++) {
		encode_sample(e, profile__get_sample(p, i));
		flush(e, FLUSH_BYTES);
	}
	err = number_main_mapping(e);
	if (err)
		return err;
	for (uint32_t i = 0; i < e->locations.n; i++) {
		encode_location(e, i + 1, profile__get_location(p, e->locations.order[i]));
		flush(e, FLUSH_BYTES);
	}
	for (uint32_t i = 0; i < e->mappings.n; i++)
		encode_mapping(e, i + 1, profile__get_mapping(p, e->mappings.order[i]));
	for (uint32_t i = 0; i < e->functions.n; i++) {
		encode_function(e, i + 1, profile__get_function(p, e->functions.order[i]));
		flush(e, FLUSH_BYTES);
	}
	encode_head(e);
	proto__bytes(&e->msg, PPROF_STRING_TABLE, "", 0);
	for (uint32_t i = 0; i < e->strings.n; i++) {
		const char *s = profile__str(p, e->strings.order[i]);

		proto__bytes(&e->msg, PPROF_STRING_TABLE, s, strlen(s));
		flush(e, FLUSH_BYTES);
	}
	flush(e, 1);
	return buf__err(&e->sets) ? buf__err(&e->sets) : buf__err(&e->msg);
}

int pprof__encode(const struct profile *p, const struct pprof_opts *opts, struct buf *to)
{
	const struct pprof_opts defaults = {.compression = COMPRESSION_GZIP};
	struct encoder *e;
	int err;

	if (!profile__sealed(p) || !profile__n_types(p))
		return -EINVAL;
	if (!opts)
		opts = &defaults;
	e = calloc(1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	e->p = p;
	buf__init(&e->msg, MESSAGE_LIMIT);
	buf__init(&e->sets, MESSAGE_LIMIT);
	e->set_bytes = calloc((size_t)profile__n_label_sets(p) + 1, sizeof(*e->set_bytes));
	err = e->set_bytes ? numbering__init(&e->strings, profile__n_strings(p)) : -ENOMEM;
	if (!err)
		err = numbering__init(&e->mappings, profile__n_mappings(p));
	if (!err)
		err = numbering__init(&e->functions, profile__n_functions(p));
	if (!err)
		err = numbering__init(&e->locations, profile__n_locations(p));
	if (!err)
		err = compressor__new(opts->compression, opts->level, to, &e->out);
	if (!err)
		err = encode_tables(e);
	if (!err)
		err = compressor__finish(e->out);
	compressor__free(e->out);
	numbering__done(&e->strings);
	numbering__done(&e->mappings);
	numbering__done(&e->functions);
	numbering__done(&e->locations);
	buf__done(&e->msg);
	buf__done(&e->sets);
	free(e->set_bytes);
	free(e);
	return err;
}
