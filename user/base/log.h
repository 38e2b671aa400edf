/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log - lines on stderr: `level: subsystem: action 'object': cause`.
 *
 * Libraries return errors; only those who decide log, once. Where stderr is the journal, lines carry the
 * syslog priority prefix ("<4>"), on a terminal the level is coloured (NO_COLOR obeyed), else it is plain.
 * A call site that repeats is rate-limited: LOG_BURST lines per LOG_INTERVAL_NS, then one line that
 * counts what was suppressed.
 *
 * Owns: the process-wide level. Thread: any. Limit: one line of LOG_LINE_MAX bytes, cut. Errors: none.
 */
#ifndef EVERPROF_BASE_LOG_H
#define EVERPROF_BASE_LOG_H

#include <stdint.h>

#define LOG_LINE_MAX    2048
#define LOG_BURST       5
#define LOG_INTERVAL_NS (60ull * 1000 * 1000 * 1000)

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* One per call site; zero-initialised static storage. */
struct log_site {
	uint64_t window_start_ns;
	uint32_t n_in_window;
	uint32_t n_suppressed;
};

void log__set_level(enum log_level level);
enum log_level log__level(void);
void log__write(enum log_level level, struct log_site *site, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#define LOG_AT_(level, ...)                                 \
	do {                                                \
		static struct log_site log_site_;           \
		log__write(level, &log_site_, __VA_ARGS__); \
	} while (0)

#define log_error(...) LOG_AT_(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...)  LOG_AT_(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...)  LOG_AT_(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) LOG_AT_(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
