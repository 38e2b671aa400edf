// SPDX-License-Identifier: Apache-2.0
#include "user/cmd/config_watch.h"

#include <errno.h>
#include <libgen.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "user/base/file_stamp.h"
#include "user/base/io.h"
#include "user/base/loop.h"

struct config_watch {
	struct loop *loop;
	struct loop_source *source, *timer;
	int fd;
	char *path;
	struct file_stamp seen;
	void (*changed)(void *ctx);
	void *ctx;
};

/* Something happened in the folder: see in a moment whether it was our file. */
static int on_event(int fd, uint32_t events, void *ctx)
{
	struct config_watch *w = ctx;
	char bytes[4096];

	(void)events;
	while (read(fd, bytes, sizeof(bytes)) > 0)
		;
	return loop__set_timer(w->timer, WATCH_SETTLE_NS, 0);
}

static int on_settled(uint64_t n_expired, void *ctx)
{
	struct config_watch *w = ctx;
	struct file_stamp now;

	(void)n_expired;
	if (!file_stamp__take(w->path, &now))
		return 0; /* gone for the moment: the running configuration stays */
	if (file_stamp__is_same(&now, &w->seen))
		return 0;
	w->seen = now;
	w->changed(w->ctx);
	return 0;
}

int config_watch__new(struct loop *loop, const char *path, void (*changed)(void *ctx), void *ctx,
		      struct config_watch **ret)
{
	struct config_watch *w = calloc(1, sizeof(*w));
	char *copy = strdup(path);
	int err = -ENOMEM;

	if (!w || !copy)
		goto out;
	*w = (struct config_watch){.loop = loop, .fd = FD_CLOSED, .changed = changed, .ctx = ctx};
	w->path = strdup(path);
	if (!w->path)
		goto out;
	file_stamp__take(path, &w->seen);
	w->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (w->fd < 0 || inotify_add_watch(w->fd, dirname(copy),
					   IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_DELETE) < 0) {
		err = -errno;
		goto out;
	}
	err = loop__add_fd(loop, w->fd, EPOLLIN, on_event, w, &w->source);
	if (!err)
		err = loop__add_timer(loop, LOOP_TIMER_OFF, 0, on_settled, w, &w->timer);
	if (!err) {
		*ret = w;
		w = NULL;
	}
out:
	config_watch__free(w);
	free(copy);
	return err;
}

void config_watch__free(struct config_watch *w)
{
	if (!w)
		return;
	if (w->source)
		loop__remove(w->loop, w->source);
	if (w->timer)
		loop__remove(w->loop, w->timer);
	io__close(&w->fd);
	free(w->path);
	free(w);
}
