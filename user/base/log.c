// SPDX-License-Identifier: Apache-2.0
/*
 * Problem    A daemon that watches every process of a machine quotes strings that others chose (names, paths), and meets the same
 *            failure thousands of times a second. Its log must neither be flooded nor carry somebody's terminal escapes.
 *
 * Idea       One line is built in one buffer and leaves in one write(2), so that lines of several threads do not mix. Control
 *            bytes become '?'. Each call site has a small window counter of its own: a site that repeats says so
 *            later in one line, while other sites stay audible.
 *
 * Invariants The line ends in exactly one newline. errno is what it was before the call. A line that cannot be written is
 *            dropped: logging never fails and never retries.
 *
 * Cost       Two or three system calls a line (where does stderr go?); nothing is cached, so that a redirected stderr is seen.
 *
 * What it does not do  Debug lines are not limited: who asks for them wants all. Counts of a site that never logs again are
 *            not printed.
 *
 * Reference  systemd.exec(5) JOURNAL_STREAM, sd-daemon(3) for the prefix, no-color.org.
 */
#include "user/base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/base/clock.h"

enum log_style { STYLE_PLAIN, STYLE_COLOUR, STYLE_JOURNAL };

static const struct {
	const char *name;
	const char *colour;
	const char *priority;
} levels[] = {
	[LOG_LEVEL_ERROR] = {"error", "\033[1;31m", "<3>"},
	[LOG_LEVEL_WARN] = {"warning", "\033[33m", "<4>"},
	[LOG_LEVEL_INFO] = {"info", "\033[32m", "<6>"},
	[LOG_LEVEL_DEBUG] = {"debug", "\033[2m", "<7>"},
};

/* The process-wide state that the header owns up to: how much is said, and who may touch a site. */
static _Atomic int current_level = LOG_LEVEL_INFO;
static pthread_mutex_t site_lock = PTHREAD_MUTEX_INITIALIZER;

void log__set_level(enum log_level level)
{
	atomic_store_explicit(&current_level, (int)level, memory_order_relaxed);
}

enum log_level log__level(void)
{
	return (enum log_level)atomic_load_explicit(&current_level, memory_order_relaxed);
}

static enum log_style stderr_style(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	const char *no_color = getenv("NO_COLOR");
	unsigned long long dev, ino;
	struct stat st;

	/* The variable is inherited by children whose stderr goes elsewhere: only the very same socket counts. */
	if (stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 && fstat(STDERR_FILENO, &st) == 0 &&
	    st.st_dev == dev && st.st_ino == ino)
		return STYLE_JOURNAL;
	if (isatty(STDERR_FILENO) && !(no_color && no_color[0]))
		return STYLE_COLOUR;
	return STYLE_PLAIN;
}

/* May this line be printed? *ret_suppressed: lines of the last window that were not. */
static bool site_admits(struct log_site *site, uint32_t *ret_suppressed)
{
	uint64_t now_ns = clock__mono_ns();
	bool admitted;

	*ret_suppressed = 0;
	pthread_mutex_lock(&site_lock);
	if (site->window_start_ns == 0 || now_ns - site->window_start_ns >= LOG_INTERVAL_NS) {
		*ret_suppressed = site->n_suppressed;
		site->window_start_ns = now_ns;
		site->n_in_window = 0;
		site->n_suppressed = 0;
	}
	admitted = site->n_in_window < LOG_BURST;
	if (admitted)
		site->n_in_window++;
	else if (site->n_suppressed < UINT32_MAX)
		site->n_suppressed++;
	pthread_mutex_unlock(&site_lock);
	return admitted;
}

/* Appends to line[*len], cut at one byte before the end, where the newline goes. */
__attribute__((format(printf, 3, 0))) static void line_vadd(char *line, size_t *len, const char *fmt,
							    va_list args)
{
	size_t room = LOG_LINE_MAX - 1 - *len;
	int n = vsnprintf(line + *len, room, fmt, args);

	if (n > 0)
		*len += (size_t)n < room ? (size_t)n : room - 1;
}

__attribute__((format(printf, 3, 4))) static void line_add(char *line, size_t *len, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	line_vadd(line, len, fmt, args);
	va_end(args);
}

static size_t line_start(char *line, enum log_level level)
{
	size_t len = 0;

	switch (stderr_style()) {
	case STYLE_JOURNAL:
		line_add(line, &len, "%s%s: ", levels[level].priority, levels[level].name);
		break;
	case STYLE_COLOUR:
		line_add(line, &len, "%s%s:\033[0m ", levels[level].colour, levels[level].name);
		break;
	case STYLE_PLAIN:
		line_add(line, &len, "%s: ", levels[level].name);
		break;
	}
	return len;
}

static void line_send(char *line, size_t text_start, size_t len)
{
	ssize_t n;

	for (size_t i = text_start; i < len; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = line[i] == '\t' ? '\t' : '?';
	line[len++] = '\n';
	n = write(STDERR_FILENO, line, len);
	(void)n;
}

void log__write(enum log_level level, struct log_site *site, const char *fmt, ...)
{
	int saved_errno = errno;
	uint32_t n_suppressed = 0;
	char line[LOG_LINE_MAX];
	size_t start, len;
	va_list args;

	if (level > log__level())
		return;
	if (site && level != LOG_LEVEL_DEBUG && !site_admits(site, &n_suppressed))
		goto out;
	start = len = line_start(line, level);
	errno = saved_errno; /* for %m */
	va_start(args, fmt);
	line_vadd(line, &len, fmt, args);
	va_end(args);
	line_send(line, start, len);

	if (n_suppressed) {
		start = len = line_start(line, level);
		line_add(line, &len, "log: %u lines like the one above were suppressed", n_suppressed);
		line_send(line, start, len);
	}
out:
	errno = saved_errno;
}
