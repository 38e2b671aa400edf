/* SPDX-License-Identifier: Apache-2.0 */
/*
 * window_copy - what an open window has now, as a closed one.
 *
 * Owns: the copy is the caller's to unref. Thread: the window's writer, between two slices. Limit: that of the window. Errors: -ENOMEM, -E2BIG.
 */
#ifndef EVERPROF_PIPELINE_WINDOW_COPY_H
#define EVERPROF_PIPELINE_WINDOW_COPY_H

struct window;

int window__copy(const struct window *w, struct window **ret);

#endif
