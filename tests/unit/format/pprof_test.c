/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "exporters/format/pprof.h"
#include "exporters/format/pprof_fields.h"
#include "exporters/format/proto.h"
#include "tests/support/profile_dump.h"
#include "tests/support/profile_text.h"
#include "user/base/err.h"
#include "user/profile/diff.h"
#include "user/profile/merge.h"

#define MIB    ((size_t)1 << 20)
#define GOLDEN "tests/golden/pprof/small"
#define SECOND 1000000000ll

/* Everything that a file can say, and things that no sample needs and that must not be written. */
static struct profile *small(void)
{
	struct profile *p = text_profile("samples", "count", "cpu", "nanoseconds");
	struct profile_meta *m = profile__meta_mut(p);
	struct function unused = {.name = text_string(p, "never_called")};
	struct line line = {.line = 1};
	uint32_t id;

	assert_int_equal(profile__function(p, &unused, &line.function), 0);
	assert_int_equal(profile__location(p, 0, 0x99, false, &line, 1, &id), 0);
	m->time_ns = 1700000000 * SECOND;
	m->duration_ns = 60 * SECOND;
	m->period_type = (struct value_type){text_string(p, "cpu"), text_string(p, "nanoseconds")};
	m->period = 10101010;
	m->default_type = text_string(p, "cpu");
	m->doc_url = text_string(p, "https://example.org/help");
	m->drop_frames = text_string(p, "dropped");
	m->keep_frames = text_string(p, "kept");
	profile__comment(p, "everprof 1.0");
	profile__comment(p, "lost count_full: 3");
	put(p, "main@/usr/bin/app;work~inner@/usr/bin/app;read@[kernel.kallsyms]", "comm=worker,pid=7 id", 3,
	    30000000);
	put(p, "main@/usr/bin/app;work~inner@/usr/bin/app", "comm=worker,pid=7 id", 1, 10000000);
	put(p, "main@/usr/bin/app", "comm=worker,pid=8 id", 1, 10000000);
	put(p, "start@/usr/lib/libc.so.6;[truncated: no_rows]", "comm=na\xc3\xafve", 2, 20000000);
	put(p, "", "comm=empty", 1, 1);
	put(p, "cancelled", "", 1, 1);
	put(p, "cancelled", "", -1, -1);
	assert_int_equal(profile__seal(p), 0);
	return p;
}

static void encode(const struct profile *p, enum compression kind, struct buf *to)
{
	buf__init(to, 64 * MIB);
	assert_int_equal(pprof__encode(p, &(struct pprof_opts){.compression = kind}, to), 0);
}

static struct profile *decode(const struct buf *b)
{
	struct profile *p = NULL;
	struct err e = {""};
	int err = pprof__decode(b->data, b->len, NULL, &p, &e);

	assert_string_equal(e.text, "");
	assert_int_equal(err, 0);
	return p;
}

static void a_profile_comes_back_equal_through_each_compression(void **state)
{
	static const enum compression kinds[] = {COMPRESSION_GZIP, COMPRESSION_ZSTD, COMPRESSION_NONE};
	struct profile *p = small(), *q;
	char *x = profile_text(p), *y;
	struct buf b;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		encode(p, kinds[i], &b);
		q = decode(&b);
		y = profile_text(q);
		assert_string_equal(x, y);
		assert_true(profile__sealed(q));
		free(y);
		profile__free(q);
		buf__done(&b);
	}
	free(x);
	profile__free(p);
}

static void a_list_has_samples_as_the_file_has_them_and_adds_up_to_the_same(void **state)
{
	const struct pprof_decode_opts as_list = {.as_list = true};
	struct profile *p = small(), *list, *whole, *sum = profile__new(NULL);
	char *x, *y;
	struct buf b;

	(void)state;
	encode(p, COMPRESSION_GZIP, &b);
	assert_int_equal(pprof__decode(b.data, b.len, &as_list, &list, NULL), 0);
	assert_true(profile__sealed(list));
	whole = decode(&b);
	assert_int_equal(profile__n_samples(list), profile__n_samples(whole));
	for (int i = 0; i < 2; i++)
		assert_int_equal(profile__merge(sum, list), 0);
	assert_int_equal(profile__merge_as(sum, whole, &(struct profile_merge_opts){.negate = true}), 0);
	/* losses were added three times, and time is the time of all */
	profile__meta_mut(sum)->duration_ns = profile__meta(whole)->duration_ns;
	assert_int_equal(profile__seal(sum), 0);
	x = profile_text(whole);
	y = profile_text(sum);
	assert_non_null(strstr(y, "lost count_full: 9"));
	memcpy(strstr(y, "lost count_full: 9"), "lost count_full: 3", 18);
	assert_string_equal(x, y);
	free(x);
	free(y);
	profile__free(list);
	profile__free(whole);
	profile__free(sum);
	profile__free(p);
	buf__done(&b);
}

static void a_diff_with_negative_values_comes_back_equal(void **state)
{
	struct profile *p = small(), *diff, *q;
	char *x, *y;
	struct buf b;

	(void)state;
	assert_int_equal(profile__diff(p, p, NULL, &diff), 0);
	encode(diff, COMPRESSION_GZIP, &b);
	q = decode(&b);
	x = profile_text(diff);
	y = profile_text(q);
	assert_string_equal(x, y);
	free(x);
	free(y);
	buf__done(&b);
	profile__free(p);
	profile__free(q);
	profile__free(diff);
}

static void the_same_profile_gives_the_same_bytes(void **state)
{
	struct profile *p = small(), *q = small();
	struct buf a, b;

	(void)state;
	encode(p, COMPRESSION_GZIP, &a);
	encode(q, COMPRESSION_GZIP, &b);
	assert_int_equal(a.len, b.len);
	assert_memory_equal(a.data, b.data, a.len);
	buf__done(&a);
	buf__done(&b);
	profile__free(p);
	profile__free(q);
}

/* The golden bytes were checked by hand against profile.proto; EVERPROF_GOLDEN=write makes them anew. */
static void the_bytes_are_the_golden_ones(void **state)
{
	struct profile *p = small();
	uint8_t golden[8192];
	struct buf b;
	size_t len;
	FILE *f;

	(void)state;
	encode(p, COMPRESSION_NONE, &b);
	if (getenv("EVERPROF_GOLDEN")) {
		f = fopen(GOLDEN ".pb", "w");
		assert_non_null(f);
		assert_int_equal(fwrite(b.data, 1, b.len, f), b.len);
		fclose(f);
	}
	f = fopen(GOLDEN ".pb", "r");
	assert_non_null(f);
	len = fread(golden, 1, sizeof(golden), f);
	fclose(f);
	assert_int_equal(len, b.len);
	assert_memory_equal(golden, b.data, len);
	buf__done(&b);
	profile__free(p);
}

/* What strict readers ask: counts each table while walking the raw bytes. */
static void ids_run_from_one_and_only_what_is_needed_is_written(void **state)
{
	struct profile *p = small();
	uint64_t next[PPROF_DOC_URL + 1] = {0};
	struct proto_field f, inner;
	struct cursor c, m;
	struct buf b;

	(void)state;
	encode(p, COMPRESSION_NONE, &b);
	cursor__init(&c, b.data, b.len);
	while (proto__next(&c, &f)) {
		assert_in_range(f.number, 1, PPROF_DOC_URL);
		if (f.number == PPROF_STRING_TABLE) {
			if (!next[f.number])
				assert_int_equal(cursor__left(&f.bytes), 0);
			assert_null(memmem(f.bytes.p, cursor__left(&f.bytes), "never_called", 12));
			assert_null(memmem(f.bytes.p, cursor__left(&f.bytes), "cancelled", 9));
		}
		next[f.number]++;
		if (f.number == PPROF_MAPPING || f.number == PPROF_LOCATION || f.number == PPROF_FUNCTION) {
			m = f.bytes;
			assert_true(proto__next(&m, &inner));
			assert_int_equal(inner.number, 1);
			assert_int_equal(inner.value, next[f.number]);
		}
	}
	assert_false(c.bad);
	assert_int_equal(next[PPROF_SAMPLE_TYPE], 2);
	assert_int_equal(next[PPROF_SAMPLE], 5);
	assert_int_equal(next[PPROF_MAPPING], 3);
	assert_int_equal(next[PPROF_LOCATION], 5);
	assert_int_equal(next[PPROF_FUNCTION], 6);
	assert_int_equal(next[PPROF_COMMENT], 2);
	buf__done(&b);
	profile__free(p);
}

static void the_first_mapping_is_the_most_sampled_binary(void **state)
{
	struct profile *p = text_profile("samples", "count", "cpu", "nanoseconds"), *q;
	struct buf b;

	(void)state;
	put(p, "swapper@[kernel.kallsyms]", "", 9, 900);
	put(p, "main@/bin/small;memcpy@/lib/libc.so.6", "exe=/bin/small", 1, 100);
	put(p, "main@/bin/big;memcpy@/lib/libc.so.6;page_fault@[kernel.kallsyms]", "exe=/bin/big", 2, 200);
	put(p, "main@/bin/unlabelled", "", 1, 150);
	assert_int_equal(profile__seal(p), 0);
	encode(p, COMPRESSION_GZIP, &b);
	q = decode(&b);
	assert_string_equal(profile__str(q, profile__get_mapping(q, 1)->filename), "/bin/big");
	buf__done(&b);
	profile__free(q);
	profile__free(p);
}

static char *run(const char *command)
{
	FILE *f = popen(command, "r");
	char *text = calloc(1, MIB);
	size_t len;

	assert_non_null(f);
	len = fread(text, 1, MIB - 1, f);
	text[len] = '\0';
	if (pclose(f)) {
		free(text);
		return NULL;
	}
	return text;
}

static void write_file(const char *path, const struct buf *b)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(b->data, 1, b->len, f), b->len);
	assert_int_equal(fclose(f), 0);
}

/* Versions of pprof differ in what they say of the head and in columns: from the samples on, without ":0". */
static char *samples_on(char *text)
{
	char *from = strstr(text, "Samples:\n"), *column;

	assert_non_null(from);
	while ((column = strstr(from, ":0 s=")))
		memmove(column, column + 2, strlen(column + 2) + 1);
	return from;
}

/* The reference reader agrees: its text of our file is the one that was checked by hand. */
static void go_tool_pprof_reads_the_file_as_it_is_meant(void **state)
{
	char dir[] = "/tmp/everprof-pprof-test.XXXXXX", path[64], command[512], *text;
	static char golden[MIB];
	struct profile *p = small();
	struct buf b;
	size_t len;
	FILE *f;

	(void)state;
	text = run("go version 2>/dev/null");
	if (!text) {
		print_message("go is not installed: package golang-go\n");
		profile__free(p);
		skip();
	}
	free(text);
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/small.pb.gz", dir);
	encode(p, COMPRESSION_GZIP, &b);
	write_file(path, &b);
	snprintf(command, sizeof(command),
		 "export HOME=\"${HOME:-/root}\" && XDG_CONFIG_HOME=%s TZ=UTC PPROF_TMPDIR=%s go tool pprof "
		 "-raw %s 2>&1",
		 dir, dir, path);
	text = run(command);
	assert_non_null(text);
	if (getenv("EVERPROF_GOLDEN")) {
		f = fopen(GOLDEN ".raw", "w");
		fputs(text, f);
		fclose(f);
	}
	f = fopen(GOLDEN ".raw", "r");
	assert_non_null(f);
	len = fread(golden, 1, sizeof(golden) - 1, f);
	golden[len] = '\0';
	fclose(f);
	assert_non_null(strstr(text, "Comment: everprof 1.0\nComment: lost count_full: 3\n"));
	assert_non_null(
		strstr(text, "PeriodType: cpu nanoseconds\nPeriod: 10101010\nTime: 2023-11-14 22:13:20"));
	assert_non_null(strstr(text, "\nDuration: 1m"));
	assert_string_equal(samples_on(text), samples_on(golden));
	free(text);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	assert_int_equal(system(command), 0);
	buf__done(&b);
	profile__free(p);
}

/* -- hostile and foreign files, made field by field -- */

static void message(struct buf *b, uint32_t field, const struct buf *inner)
{
	proto__bytes(b, field, inner->data, inner->len);
}

/* A file with one type, strings "", "t", "u" and what the caller adds. */
static void begin(struct buf *b)
{
	static const char *strings[] = {"", "t", "u"};
	struct buf m;

	buf__init(b, 64 * MIB);
	buf__init(&m, MIB);
	proto__uint(&m, PPROF_VT_TYPE, 1);
	proto__uint(&m, PPROF_VT_UNIT, 2);
	message(b, PPROF_SAMPLE_TYPE, &m);
	for (size_t i = 0; i < 3; i++)
		proto__bytes(b, PPROF_STRING_TABLE, strings[i], strlen(strings[i]));
	buf__done(&m);
}

/* Appends a message whose fields are {number, value} pairs. */
static void add(struct buf *b, uint32_t field, const uint64_t (*pairs)[2], size_t n)
{
	struct buf m;

	buf__init(&m, MIB);
	for (size_t i = 0; i < n; i++) {
		proto__varint(&m, pairs[i][0] << 3);
		proto__varint(&m, pairs[i][1]);
	}
	message(b, field, &m);
	buf__done(&m);
}
#define ADD(b, field, ...)                                               \
	do {                                                             \
		const uint64_t pairs_[][2] = {__VA_ARGS__};              \
		add(b, field, pairs_, sizeof(pairs_) / sizeof(*pairs_)); \
	} while (0)

static void refused(struct buf *b, int want, const char *text)
{
	struct profile *p = NULL;
	struct err e = {""};

	assert_int_equal(pprof__decode(b->data, b->len, NULL, &p, &e), want);
	assert_null(p);
	if (!strstr(e.text, text))
		fail_msg("'%s' is not in '%s'", text, e.text);
	buf__done(b);
}

static void dangling_and_doubled_ids_are_named(void **state)
{
	struct buf b;

	(void)state;
	begin(&b);
	ADD(&b, PPROF_SAMPLE, {PPROF_SAMPLE_LOCATION, 5}, {PPROF_SAMPLE_VALUE, 1});
	refused(&b, -EBADMSG, "sample 1 has a location that is not there");
	begin(&b);
	ADD(&b, PPROF_LOCATION, {PPROF_LOCATION_ID, 1}, {PPROF_LOCATION_MAPPING, 9});
	refused(&b, -EBADMSG, "mapping 9 is not there");
	begin(&b);
	ADD(&b, PPROF_FUNCTION, {PPROF_FUNCTION_ID, 1}, {PPROF_FUNCTION_NAME, 3});
	refused(&b, -EBADMSG, "string 3 is not there");
	begin(&b);
	ADD(&b, PPROF_FUNCTION, {PPROF_FUNCTION_ID, 7}, {PPROF_FUNCTION_NAME, 1});
	ADD(&b, PPROF_FUNCTION, {PPROF_FUNCTION_ID, 7}, {PPROF_FUNCTION_NAME, 2});
	refused(&b, -EBADMSG, "function 7 is there twice");
	begin(&b);
	ADD(&b, PPROF_LOCATION, {PPROF_LOCATION_ADDRESS, 7});
	refused(&b, -EBADMSG, "location 0 is no valid id");
	begin(&b);
	ADD(&b, PPROF_SAMPLE, {PPROF_SAMPLE_VALUE, 1}, {PPROF_SAMPLE_VALUE, 1});
	refused(&b, -EBADMSG, "more values than there are types");
	begin(&b);
	ADD(&b, PPROF_SAMPLE, {9, 1});
	refused(&b, -EBADMSG, "0 values for 1 types");
	begin(&b);
	proto__bytes(&b, PPROF_SAMPLE, "\x1a\x00", 2);
	refused(&b, -EBADMSG, "a label has no key");
}

static void what_is_no_profile_says_so(void **state)
{
	struct buf b;

	(void)state;
	buf__init(&b, MIB);
	refused(&b, -EBADMSG, "the file is empty");
	buf__init(&b, MIB);
	buf__append_str(&b, "main;work 5\n");
	refused(&b, -EBADMSG, "pprof: damaged at byte");
	buf__init(&b, MIB);
	proto__bytes(&b, PPROF_STRING_TABLE, "x", 1);
	refused(&b, -EBADMSG, "the first string is not empty");
	buf__init(&b, MIB);
	proto__bytes(&b, PPROF_STRING_TABLE, "", 0);
	refused(&b, -EBADMSG, "there is no sample type");
	buf__init(&b, MIB);
	buf__append(&b, "\x1f\x8b\x08\x00\x00", 5);
	refused(&b, -EBADMSG, "damaged or cut short");
}

static void limits_hold(void **state)
{
	const struct pprof_decode_opts opts = {.limit_bytes = 1000, .profile_limit_bytes = 64 * 1024};
	struct profile *p = NULL;
	struct err e = {""};
	struct buf b;

	(void)state;
	begin(&b);
	ADD(&b, PPROF_LOCATION, {PPROF_LOCATION_ID, 1});
	proto__open(&b, PPROF_SAMPLE, PROFILE_DEPTH_MAX + 1 + 3 + 2);
	proto__open(&b, PPROF_SAMPLE_LOCATION, PROFILE_DEPTH_MAX + 1);
	for (int i = 0; i <= PROFILE_DEPTH_MAX; i++)
		proto__varint(&b, 1);
	proto__uint(&b, PPROF_SAMPLE_VALUE, 1);
	assert_int_equal(pprof__decode(b.data, b.len, &opts, &p, &e), -E2BIG);
	assert_non_null(strstr(e.text, "more than 1000 bytes"));
	refused(&b, -E2BIG, "deeper than 4096 frames");

	begin(&b);
	for (int i = 0; i < 4; i++)
		ADD(&b, PPROF_SAMPLE_TYPE, {PPROF_VT_TYPE, 1});
	refused(&b, -E2BIG, "more than 4 sample types");

	begin(&b);
	for (uint32_t i = 0; i < PPROF_TABLE_MAX; i++)
		buf__append(&b, "\x32\x00", 2);
	refused(&b, -E2BIG, "strings");
}

/* Ids that are addresses, unknown fields, a location without function, a label key twice, invalid UTF-8. */
/* A byte each in the file, and each is compared with those of other files when it is added to them. */
static void of_very_many_comments_the_first_are_taken(void **state)
{
	struct profile *p = text_profile("samples", "count", NULL, NULL), *back;
	struct err err;
	struct buf b;

	(void)state;
	for (int i = 0; i < 2 * PPROF_COMMENTS_MAX; i++)
		assert_int_equal(profile__comment(p, "comment %d", i % 100), 0);
	assert_int_equal(profile__seal(p), 0);
	encode(p, COMPRESSION_NONE, &b);
	assert_int_equal(pprof__decode(b.data, b.len, NULL, &back, &err), 0);
	assert_int_equal(profile__n_comments(back), PPROF_COMMENTS_MAX);
	assert_string_equal(profile__get_comment(back, 101), "comment 1");
	buf__done(&b);
	profile__free(back);
	profile__free(p);
}

static void a_foreign_file_is_understood(void **state)
{
	struct profile *p;
	const struct label *l;
	struct buf b, m;
	uint32_t n;

	(void)state;
	begin(&b);
	proto__bytes(&b, PPROF_STRING_TABLE, "/x/bin\xff", 7);
	ADD(&b, PPROF_MAPPING, {PPROF_MAPPING_ID, 0xffff000000000000ull}, {PPROF_MAPPING_FILE, 3}, {77, 5});
	ADD(&b, PPROF_LOCATION, {PPROF_LOCATION_ID, 0x401000},
	    {PPROF_LOCATION_MAPPING, 0xffff000000000000ull}, {PPROF_LOCATION_ADDRESS, 0x401000});
	buf__init(&m, MIB);
	proto__uint(&m, PPROF_SAMPLE_LOCATION, 0x401000);
	proto__uint(&m, PPROF_SAMPLE_VALUE, (uint64_t)-5);
	ADD(&m, PPROF_SAMPLE_LABEL, {PPROF_LABEL_KEY, 1}, {PPROF_LABEL_NUM, 5});
	ADD(&m, PPROF_SAMPLE_LABEL, {PPROF_LABEL_KEY, 1}, {PPROF_LABEL_NUM, 6});
	message(&b, PPROF_SAMPLE, &m);
	p = decode(&b);
	assert_int_equal(profile__n_samples(p), 1);
	assert_int_equal(profile__get_sample(p, 0)->values[0], -5);
	l = profile__get_labels(p, profile__get_sample(p, 0)->labels, &n);
	assert_int_equal(n, 1);
	assert_int_equal(l->num, 5);
	assert_string_equal(profile__str(p, profile__get_function(p, 1)->name), "[bin\xef\xbf\xbd]+0x401000");
	buf__done(&m);
	buf__done(&b);
	profile__free(p);
}

/* Each byte of a good file turned over: no crash, and what is accepted can be written again. */
static void every_flipped_byte_is_refused_or_understood(void **state)
{
	struct profile *p = small(), *q;
	struct buf good, again;
	size_t n_refused = 0;

	(void)state;
	encode(p, COMPRESSION_NONE, &good);
	for (size_t i = 0; i < good.len; i++) {
		for (int bit = 0; bit < 8; bit++) {
			good.data[i] ^= (uint8_t)(1 << bit);
			if (!pprof__decode(good.data, good.len, NULL, &q, NULL)) {
				encode(q, COMPRESSION_NONE, &again);
				buf__done(&again);
				profile__free(q);
			} else {
				n_refused++;
			}
			good.data[i] ^= (uint8_t)(1 << bit);
		}
	}
	assert_true(n_refused > good.len);
	buf__done(&good);
	profile__free(p);
}

static void an_unsealed_profile_is_not_written(void **state)
{
	struct profile *p = text_profile("samples", "count", NULL, NULL);
	struct buf b;

	(void)state;
	buf__init(&b, MIB);
	assert_int_equal(pprof__encode(p, NULL, &b), -EINVAL);
	profile__free(p);
	buf__done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_profile_comes_back_equal_through_each_compression),
		cmocka_unit_test(a_list_has_samples_as_the_file_has_them_and_adds_up_to_the_same),
		cmocka_unit_test(a_diff_with_negative_values_comes_back_equal),
		cmocka_unit_test(the_same_profile_gives_the_same_bytes),
		cmocka_unit_test(the_bytes_are_the_golden_ones),
		cmocka_unit_test(ids_run_from_one_and_only_what_is_needed_is_written),
		cmocka_unit_test(the_first_mapping_is_the_most_sampled_binary),
		cmocka_unit_test(go_tool_pprof_reads_the_file_as_it_is_meant),
		cmocka_unit_test(dangling_and_doubled_ids_are_named),
		cmocka_unit_test(what_is_no_profile_says_so),
		cmocka_unit_test(limits_hold),
		cmocka_unit_test(of_very_many_comments_the_first_are_taken),
		cmocka_unit_test(a_foreign_file_is_understood),
		cmocka_unit_test(every_flipped_byte_is_refused_or_understood),
		cmocka_unit_test(an_unsealed_profile_is_not_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
