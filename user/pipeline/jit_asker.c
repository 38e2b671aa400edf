// SPDX-License-Identifier: Apache-2.0
#include "user/pipeline/jit_asker.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "user/base/clock.h"
#include "user/base/io.h"
#include "user/base/loop.h"
#include "user/object/elf.h"
#include "user/runtime/jvm.h"

#define THREAD_STACK (256 * 1024)

/* Shared with the thread; whoever lets go last frees it. */
struct question {
	struct jit_question asked;
	struct jit_answer answer;
	int event_fd;
	atomic_bool is_answered;
	atomic_int n_users;
};

struct jit_asker {
	struct loop *loop;
	struct loop_source *source;
	int event_fd;
	jit_asker_fn fn;
	void *ctx;
	struct question *question; /* NULL: none */
};

static void question__unref(struct question *q)
{
	if (atomic_fetch_sub(&q->n_users, 1) > 1)
		return;
	io__close(&q->asked.fd);
	io__close(&q->event_fd);
	jvm__unref(q->asked.last);
	jvm__unref(q->answer.jvm);
	free(q);
}

static void *question__answer(void *ctx)
{
	const uint64_t one = 1;
	struct question *q = ctx;
	const struct jit_question *asked = &q->asked;
	struct jit_answer *answer = &q->answer;
	uint64_t cpu_ns = clock__thread_cpu_ns();
	struct elf *file = NULL;

	answer->began_ns = clock__mono_ns();
	answer->err = elf__open(asked->fd, &file);
	if (!answer->err && asked->is_jvm)
		answer->err = jvm__read(asked->key.tgid, file, asked->bias, asked->last, asked->methods,
					asked->n_methods, &answer->jvm);
	else if (!answer->err)
		answer->err = jit_rule__read(asked->key.tgid, file, asked->bias, &answer->rule);
	elf__free(file);
	answer->cpu_ns = clock__thread_cpu_ns() - cpu_ns;
	atomic_store(&q->is_answered, true);
	if (write(q->event_fd, &one, sizeof(one)) < 0)
		(void)0; /* full: the loop is awake */
	question__unref(q);
	return NULL;
}

static int on_answer(int fd, uint32_t events, void *ctx)
{
	struct jit_asker *a = ctx;
	struct question *q = a->question;
	uint64_t n;

	(void)events;
	if (read(fd, &n, sizeof(n)) != sizeof(n) || !q || !atomic_load(&q->is_answered))
		return 0;
	a->question = NULL;
	a->fn(a->ctx, &q->asked, &q->answer);
	question__unref(q);
	return 0;
}

int jit_asker__new(struct loop *loop, jit_asker_fn fn, void *ctx, struct jit_asker **ret_asker)
{
	struct jit_asker *a = calloc(1, sizeof(*a));
	int err;

	if (!a)
		return -ENOMEM;
	*a = (struct jit_asker){.loop = loop, .fn = fn, .ctx = ctx};
	a->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	err = a->event_fd < 0 ? -errno : loop__add_fd(loop, a->event_fd, EPOLLIN, on_answer, a, &a->source);
	if (err)
		jit_asker__free(a);
	else
		*ret_asker = a;
	return err;
}

void jit_asker__free(struct jit_asker *a)
{
	if (!a)
		return;
	if (a->question)
		question__unref(a->question); /* a thread that waits for ever ends with the process */
	if (a->source)
		loop__remove(a->loop, a->source);
	io__close(&a->event_fd);
	free(a);
}

static int start_thread(struct question *q)
{
	pthread_attr_t attr;
	pthread_t thread;
	int err;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, THREAD_STACK);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	err = -pthread_create(&thread, &attr, question__answer, q);
	pthread_attr_destroy(&attr);
	return err;
}

int jit_asker__ask(struct jit_asker *a, const struct jit_question *asked)
{
	struct question *q = calloc(1, sizeof(*q));
	int err;

	if (!q) {
		int fd = asked->fd;

		io__close(&fd);
		jvm__unref(asked->last);
		return -ENOMEM;
	}
	q->asked = *asked;
	q->event_fd = a->question ? FD_CLOSED : dup(a->event_fd);
	atomic_init(&q->is_answered, false);
	atomic_init(&q->n_users, 2);
	err = a->question ? -EBUSY : q->event_fd < 0 ? -errno : start_thread(q);
	if (err) {
		atomic_store(&q->n_users, 1);
		question__unref(q);
		return err;
	}
	a->question = q;
	return 0;
}
