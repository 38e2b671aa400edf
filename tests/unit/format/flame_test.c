/* SPDX-License-Identifier: Apache-2.0 */
/* What is drawn from call trees: flame JSON, speedscope, SVG and the report, read back where a reader is at hand. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>

#include "exporters/format/call_tree.h"
#include "exporters/format/flamegraph.h"
#include "exporters/format/format.h"
#include "exporters/format/json.h"
#include "tests/support/profile_text.h"

#define EVIL "</script><script>alert(1)</script>&\"'\\"

static struct profile *sample(void)
{
	struct profile *p = text_profile("samples", "count", "cpu", "nanoseconds");

	put(p, "main@/bin/a;outer~inner@/bin/a;read@[kernel.kallsyms]", "process=a", 2, 200);
	put(p, "main@/bin/a;" EVIL "@/bin/a", "process=b", 1, 100);
	put(p, "main@/bin/a", "", 1, 50);
	assert_int_equal(profile__seal(p), 0);
	return p;
}

static void encode(const char *format, const struct format_opts *opts, struct buf *b)
{
	struct profile *p = sample();

	buf__init(b, 1 << 24);
	assert_int_equal(format__by_name(format)->encode(p, opts, b), 0);
	profile__free(p);
}

static json_t *encode_json(const char *format, const struct format_opts *opts)
{
	struct buf b;
	json_error_t e;
	json_t *root;

	encode(format, opts, &b);
	root = json_loadb((const char *)b.data, b.len, JSON_REJECT_DUPLICATES, &e);
	if (!root)
		fail_msg("%s: %s at %d", format, e.text, e.position);
	buf__done(&b);
	return root;
}

static const char *text_of(json_t *flame, size_t frame)
{
	size_t name = (size_t)json_integer_value(json_array_get(json_object_get(flame, "frames"), 3 * frame));

	return json_string_value(json_array_get(json_object_get(flame, "texts"), name));
}

static long long at(json_t *flame, const char *column, size_t i)
{
	return json_integer_value(json_array_get(json_object_get(flame, column), i));
}

static void flame_json_has_every_node_in_preorder(void **state)
{
	json_t *d = encode_json("flame", &(struct format_opts){0});
	static const struct {
		const char *name;
		long long depth, self;
	} want[] = {{"all", 0, 0},   {"main", 1, 50}, {EVIL, 2, 100},
		    {"outer", 2, 0}, {"inner", 3, 0}, {"read", 4, 200}};

	(void)state;
	assert_string_equal(json_string_value(json_object_get(d, "type")), "cpu");
	assert_string_equal(json_string_value(json_object_get(d, "unit")), "nanoseconds");
	assert_int_equal(json_array_size(json_object_get(d, "depth")), 6);
	for (size_t i = 0; i < 6; i++) {
		assert_string_equal(text_of(d, (size_t)at(d, "frame", i)), want[i].name);
		assert_int_equal(at(d, "depth", i), want[i].depth);
		assert_int_equal(at(d, "self", i), want[i].self);
	}
	assert_null(json_object_get(d, "base"));
	json_decref(d);
}

static void speedscope_has_each_type_with_inlined_frames_and_its_sum(void **state)
{
	json_t *d = encode_json("speedscope", &(struct format_opts){0});
	json_t *profiles = json_object_get(d, "profiles"), *cpu = json_array_get(profiles, 1), *weights,
	       *samples;
	json_t *frames = json_object_get(json_object_get(d, "shared"), "frames");
	static const char *const longest[] = {"main", "outer", "inner", "read"};
	long long sum = 0;

	(void)state;
	assert_int_equal(json_array_size(profiles), 2);
	assert_int_equal(json_integer_value(json_object_get(d, "activeProfileIndex")), 1);
	assert_string_equal(json_string_value(json_object_get(cpu, "unit")), "nanoseconds");
	assert_string_equal(json_string_value(json_object_get(json_array_get(profiles, 0), "unit")), "none");
	weights = json_object_get(cpu, "weights");
	samples = json_object_get(cpu, "samples");
	assert_int_equal(json_array_size(weights), 3);
	assert_int_equal(json_array_size(samples), 3);
	for (size_t i = 0; i < 3; i++)
		sum += json_integer_value(json_array_get(weights, i));
	assert_int_equal(sum, 350);
	assert_int_equal(json_integer_value(json_object_get(cpu, "endValue")), 350);
	samples = json_array_get(samples, 2);
	assert_int_equal(json_array_size(samples), 4);
	for (size_t i = 0; i < 4; i++) {
		size_t frame = (size_t)json_integer_value(json_array_get(samples, i));

		assert_string_equal(json_string_value(json_object_get(json_array_get(frames, frame), "name")),
				    longest[i]);
	}
	json_decref(d);
}

static void svg_widths_are_shares_and_names_cannot_break_out(void **state)
{
	struct buf b;

	(void)state;
	encode("svg", &(struct format_opts){0}, &b);
	/* read has 200 of 350 of 1180 pixels, and begins after the other child and the 0 of nothing else */
	assert_non_null(strstr(buf__str(&b),
			       "data-x=\"337.143\" data-w=\"674.286\" data-d=\"4\" data-name=\"read\""));
	assert_non_null(
		strstr(buf__str(&b),
		       "data-x=\"0.000\" data-w=\"337.143\" data-d=\"2\" data-name=\"&lt;/script&gt;"));
	assert_null(strstr(buf__str(&b), "alert(1)</script>"));
	assert_string_equal(buf__str(&b) + b.len - 7, "</svg>\n");
	buf__done(&b);
}

static void the_same_profile_gives_the_same_picture(void **state)
{
	static const char *const formats[] = {"svg", "html", "flame", "speedscope"};

	(void)state;
	for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++) {
		struct buf a, b;

		encode(formats[i], &(struct format_opts){.root_label = "process"}, &a);
		encode(formats[i], &(struct format_opts){.root_label = "process"}, &b);
		assert_int_equal(a.len, b.len);
		assert_memory_equal(a.data, b.data, a.len);
		buf__done(&a);
		buf__done(&b);
	}
}

static void a_report_holds_its_data_and_fetches_nothing(void **state)
{
	struct buf b;
	char *data, *end;
	json_t *d;

	(void)state;
	encode("html", &(struct format_opts){0}, &b);
	data = strstr(buf__str(&b), "id=\"profile\">");
	assert_non_null(data);
	data += strlen("id=\"profile\">");
	end = strstr(data, "</script>");
	assert_non_null(end);
	d = json_loadb(data, (size_t)(end - data), 0, NULL);
	assert_non_null(d); /* a name that ends scripts did not end this one */
	assert_string_equal(text_of(d, (size_t)at(d, "frame", 2)), EVIL);
	assert_null(strstr(buf__str(&b), "src="));
	assert_null(strstr(buf__str(&b), "href=\"http"));
	assert_null(strstr(buf__str(&b), "@import"));
	json_decref(d);
	buf__done(&b);
}

static void json_text_is_what_a_reader_gets_back(void **state)
{
	static const char *const texts[] = {
		"", "plain", "tab\there", "\x01\x1f\x7f", "é\xe2\x80\xa8\xe2\x80\xa9𝕏", "<&>\"\\/"};
	struct buf b;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		json_t *v;

		buf__init(&b, 1 << 16);
		json__string(&b, texts[i]);
		v = json_loadb((const char *)b.data, b.len, JSON_DECODE_ANY, NULL);
		assert_non_null(v);
		assert_string_equal(json_string_value(v), texts[i]);
		assert_null(memchr(b.data, '<', b.len));
		json_decref(v);
		buf__done(&b);
	}
	buf__init(&b, 1 << 16);
	json__string(&b, "a\xff\xc0\x80z");
	assert_string_equal(buf__str(&b), "\"a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz\"");
	buf__clear(&b);
	json__int(&b, INT64_MIN);
	json__int(&b, 0);
	json__int(&b, INT64_MAX);
	assert_string_equal(buf__str(&b), "-922337203685477580809223372036854775807");
	buf__done(&b);
}

static void formats_are_found_by_the_end_of_a_name(void **state)
{
	(void)state;
	assert_string_equal(format__by_path("x.flame.json")->name, "flame");
	assert_string_equal(format__by_path("x.json")->name, "speedscope");
	assert_string_equal(format__by_path("x.svg")->name, "svg");
	assert_string_equal(format__by_path("x.html")->name, "html");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flame_json_has_every_node_in_preorder),
		cmocka_unit_test(speedscope_has_each_type_with_inlined_frames_and_its_sum),
		cmocka_unit_test(svg_widths_are_shares_and_names_cannot_break_out),
		cmocka_unit_test(the_same_profile_gives_the_same_picture),
		cmocka_unit_test(a_report_holds_its_data_and_fetches_nothing),
		cmocka_unit_test(json_text_is_what_a_reader_gets_back),
		cmocka_unit_test(formats_are_found_by_the_end_of_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
