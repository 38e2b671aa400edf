// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/base/clock.h"
#include "user/base/log.h"

/* stderr goes to a file while a test logs. */
static FILE *captured;
static int real_stderr;
static char text[64 * 1024];

static int capture_begin(void **state)
{
	(void)state;
	unsetenv("JOURNAL_STREAM");
	log__set_level(LOG_LEVEL_INFO);
	captured = tmpfile();
	if (!captured)
		return -1;
	fflush(stderr);
	real_stderr = dup(STDERR_FILENO);
	return dup2(fileno(captured), STDERR_FILENO) < 0 ? -1 : 0;
}

static int capture_end(void **state)
{
	(void)state;
	dup2(real_stderr, STDERR_FILENO);
	close(real_stderr);
	return fclose(captured);
}

static const char *logged(void)
{
	ssize_t n = pread(fileno(captured), text, sizeof(text) - 1, 0);

	assert_true(n >= 0);
	text[n] = '\0';
	return text;
}

static unsigned int count_of(const char *needle)
{
	unsigned int n = 0;

	for (const char *p = logged(); (p = strstr(p, needle)); p += strlen(needle))
		n++;
	return n;
}

static void line_in_a_file_is_plain(void **state)
{
	(void)state;
	log_warn("store: failed to write '%s': %s", "x.pb.gz", "disk full");
	assert_string_equal(logged(), "warning: store: failed to write 'x.pb.gz': disk full\n");
}

static void quieter_levels_say_nothing(void **state)
{
	(void)state;
	log_debug("kernel: not this");
	log__set_level(LOG_LEVEL_ERROR);
	log_warn("kernel: nor this");
	log_error("kernel: but this");
	assert_string_equal(logged(), "error: kernel: but this\n");
}

static void repeating_site_is_limited_and_counted_later(void **state)
{
	struct log_site site = {0};

	(void)state;
	for (int i = 0; i < LOG_BURST + 20; i++)
		log__write(LOG_LEVEL_WARN, &site, "elf: damaged %d", i);
	assert_int_equal(count_of("damaged"), LOG_BURST);

	/* a minute later */
	site.window_start_ns -= LOG_INTERVAL_NS;
	log__write(LOG_LEVEL_WARN, &site, "elf: damaged again");
	assert_int_equal(count_of("damaged"), LOG_BURST + 1);
	assert_int_equal(count_of("warning: log: 20 lines like the one above were suppressed\n"), 1);
}

static void other_sites_stay_audible(void **state)
{
	(void)state;
	for (int i = 0; i < 3 * LOG_BURST; i++)
		log_info("noisy");
	log_info("quiet");
	assert_int_equal(count_of("noisy"), LOG_BURST);
	assert_int_equal(count_of("quiet"), 1);
}

static void debug_and_lines_without_site_are_not_limited(void **state)
{
	(void)state;
	log__set_level(LOG_LEVEL_DEBUG);
	for (int i = 0; i < 3 * LOG_BURST; i++) {
		log_debug("detail");
		log__write(LOG_LEVEL_INFO, NULL, "statistic");
	}
	assert_int_equal(count_of("detail"), 3 * LOG_BURST);
	assert_int_equal(count_of("statistic"), 3 * LOG_BURST);
}

static void control_bytes_of_strangers_are_defused(void **state)
{
	(void)state;
	log_info("process: '%s'", "evil\033[2J\nerror: forged\r");
	assert_string_equal(logged(), "info: process: 'evil?[2J?error: forged?'\n");
}

static void long_line_is_cut_and_ends_in_one_newline(void **state)
{
	char big[2 * LOG_LINE_MAX];

	(void)state;
	memset(big, 'b', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	log_info("%s", big);
	assert_in_range(strlen(logged()), LOG_LINE_MAX - 2, LOG_LINE_MAX);
	assert_int_equal(count_of("\n"), 1);
}

static void journal_gets_the_priority(void **state)
{
	char stream[64];
	struct stat st;

	(void)state;
	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_error("a");
	/* inherited from a parent whose stderr was another one */
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino + 1);
	setenv("JOURNAL_STREAM", stream, 1);
	log_error("b");
	unsetenv("JOURNAL_STREAM");
	assert_string_equal(logged(), "<3>error: a\nerror: b\n");
}

static void errno_survives_and_can_be_printed(void **state)
{
	(void)state;
	errno = ENOENT;
	log_info("x: %m");
	assert_int_equal(errno, ENOENT);
	assert_string_equal(logged(), "info: x: No such file or directory\n");
}

#define LOG_TEST(name) cmocka_unit_test_setup_teardown(name, capture_begin, capture_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LOG_TEST(line_in_a_file_is_plain),
		LOG_TEST(quieter_levels_say_nothing),
		LOG_TEST(repeating_site_is_limited_and_counted_later),
		LOG_TEST(other_sites_stay_audible),
		LOG_TEST(debug_and_lines_without_site_are_not_limited),
		LOG_TEST(control_bytes_of_strangers_are_defused),
		LOG_TEST(long_line_is_cut_and_ends_in_one_newline),
		LOG_TEST(journal_gets_the_priority),
		LOG_TEST(errno_survives_and_can_be_printed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
