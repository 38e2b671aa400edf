/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_watch - tells when a file changed, however it was changed: written, replaced by rename, or through a symbolic link as Kubernetes does.
 *
 * Watches the file's folder, and waits for WATCH_SETTLE_NS of quiet, since editors write in several steps.
 *
 * Owns: an inotify descriptor, a timer. Thread: its loop's. Limit: one file. Errors: -errno at the start.
 */
#ifndef EVERPROF_CMD_CONFIG_WATCH_H
#define EVERPROF_CMD_CONFIG_WATCH_H

#define WATCH_SETTLE_NS (200ull * 1000 * 1000)

struct config_watch;
struct loop;

int config_watch__new(struct loop *loop, const char *path, void (*changed)(void *ctx), void *ctx,
		      struct config_watch **ret);
void config_watch__free(struct config_watch *w);

#endif
