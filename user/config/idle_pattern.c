// SPDX-License-Identifier: Apache-2.0
/*
 * Problem: pool threads that wait for work dominate every profile of waits, and which waits those are depends on programs and their libraries.
 *
 * Idea: patterns are data, read by one parser: those that come with everprof are YAML too, in this file. A person sees in `config show` and in the reference what
 *   they are, takes one out by "!name", and adds others in the same words.
 *
 * Invariants: names differ, every pattern has a condition besides `except`, kinds of waits and system calls are known ones (or shell patterns).
 *
 * What it does not do: match (user/pipeline/idle_match).
 */
#include "user/config/idle_pattern.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "user/base/arena.h"
#include "user/base/buf.h"
#include "user/base/err.h"
#include "user/base/syscall_name.h"
#include "user/config/suggest.h"
#include "user/config/units.h"
#include "user/config/wait_kind.h"
#include "user/config/yaml.h"

#define DEFAULTS "defaults"
#define SHELL    "*?["

/* clang-format off */
static const char shipped_text[] =
	/* first what names its pool, then the general */
	"- {name: kernel thread, wait: kernel thread}\n"
	"- {name: go runtime, function: [runtime.findRunnable, runtime.findrunnable, runtime.stopm, runtime.mPark, runtime.sysmon, "
	 "runtime.templateThread, runtime.stoplockedm, runtime.sigNoteSleep, os/signal.signal_recv, runtime.gcBgMarkWorker, runtime.bgsweep, runtime.bgscavenge]}\n"
	"- {name: jvm, wait: [futex, sleep], function: ['*ForkJoinPool*awaitWork*', '*ForkJoinPool*scan*', '*LinkedBlockingQueue*take*', '*LinkedBlockingQueue*poll*', "
	 "'*ThreadPoolExecutor*getTask*', '*DelayedWorkQueue*', '*SynchronousQueue*', '*ReferenceQueue*remove*', '*ReferenceHandler*', 'GangWorker::*', "
	 "'WorkerThread::run', 'WorkerThread::loop', 'ConcurrentGCThread::*', 'G1*Thread::*', 'VMThread::*', 'WatcherThread::*', 'CompileQueue::get', "
	 "'CompileBroker::compiler_thread_loop', 'ServiceThread::*', 'MonitorDeflationThread::*', 'NotificationThread::*', 'os::signal_wait*', 'ZWorker*', "
	 "'ShenandoahControlThread::*']}\n"
	"- {name: jvm, wait: futex, comm: ['GC Thread#*', 'G1 *', 'C1 CompilerThre*', 'C2 CompilerThre*', 'VM Thread', 'VM Periodic Tas*', 'Signal Dispatch', Finalizer, "
	 "'Reference Handl', 'Common-Cleaner', 'Service Thread', 'Monitor Deflati', 'Sweeper thread', 'Notification Th']}\n"
	"- {name: jvm, wait: futex, function: Unsafe_Park, comm: ['pool-*-thread*', 'ForkJoinPool*', 'http-nio*', 'qtp*', 'Catalina*', 'scheduling-*', '*-exec-*', "
	 "'*-worker-*', 'OkHttp*', 'grpc-default-*']}\n"
	"- {name: timer, wait: futex, function: [JVM_Sleep, 'JavaThread::sleep*']}\n"
	"- {name: rust pool, wait: futex, function: ['tokio::runtime::*::park*', '*tokio::runtime::*Parker*park*', 'tokio::runtime::blocking::pool::Inner::run', "
	 "'*rayon_core::sleep::Sleep::sleep', 'rayon_core::registry::WorkerThread::wait_until_cold', '*async_std::*park*', 'futures_executor::thread_pool::*']}\n"
	"- {name: libuv pool, wait: futex, function: [uv_cond_wait, uv_sem_wait, 'node::*BlockingPop*', 'v8::platform::*TaskQueue*GetNext*', 'v8::base::ConditionVariable::Wait', "
	 "'v8::base::Semaphore::Wait']}\n"
	"- {name: glib pool, wait: futex, function: ['g_async_queue_*pop*', g_thread_pool_wait_for_new_task, g_thread_pool_thread_proxy]}\n"
	"- {name: openmp pool, wait: futex, function: [gomp_thread_start, '__kmp_launch_worker', '__kmp_fork_barrier*']}\n"
	"- {name: libc helper, wait: [futex, signal], function: [timer_helper_thread, handle_fildes_io, handle_requests]}\n"
	"- {name: database pool, wait: [futex, aio, sleep], function: [bioProcessBackgroundJobs, IOThreadMain, '*Per_thread_connection_handler::block_until_new_connection*', 'io_handler_thread*', "
	 "'srv_*_thread', buf_flush_page_cleaner_thread, 'rocksdb::ThreadPoolImpl::*', 'leveldb::*BackgroundThreadMain*', 'mongo::*ServiceExecutor*']}\n"
	"- {name: postgres, process: postgres, wait: epoll, except: [ProcSleep, 'ConditionVariable*Sleep', SyncRepWaitForLSN, ProcWaitForSignal, 'shm_mq_*', 'WaitForParallelWorkers*', 'libpq*', 'pgfdw_*']}\n"
	"- {name: allocator, wait: futex, comm: [jemalloc_bg_thd]}\n"
	"- {name: join, wait: futex, function: [pthread_join, __pthread_clockjoin_ex, __pthread_timedjoin_ex, 'std::thread::join', '*thread*JoinHandle*join*']}\n"
	"- {name: browser pool, wait: futex, comm: ['ThreadPool*', HangWatcher, 'CompositorTile*', 'Chrome_*', 'VizCompositor*', MemoryInfra, VideoCaptureThr, ANGLE-GC, "
	 "'StyleThread*', 'DOM Worker', 'BgIOThr*', 'Cache2 I/O', Compositor]}\n"
	"- {name: everprof, process: everprof, wait: futex, function: [publisher__run, workers__run]}\n"
	"- {name: log flusher, wait: futex, comm: ['log-flush*', 'rs:main*', 'in:im*', 'async-log*', 'logger*']}\n"
	"- {name: session, process: ['sshd*', login, '(sd-pam)', 'systemd*', agetty, screen, 'tmux*', dbus-daemon, dbus-broker], wait: [unix, socket, pipe, poll, epoll, select, signal, child, tty]}\n"
	"- {name: shell, exe: ['*/sh', '*/bash', '*/dash', '*/ash', '*/zsh', '*/fish', '*/ksh*', '*/busybox', '*/make', '*/tini', '*/dumb-init', '*/catatonit', '*/s6-*', '*/runsv', '*/docker-init', '*/conmon', '*/timeout', '*/flock', '*/xargs', '*/watch', '*/script', '*/sudo', '*/su', '*/time'], wait: [child, tty, signal, pipe]}\n"
	"- {name: event loop, wait: epoll, except: [ProcSleep, 'ConditionVariable*Sleep', SyncRepWaitForLSN, ProcWaitForSignal, 'shm_mq_*', 'libpq*', 'curl_multi_*wait', curl_multi_poll]}\n"
	"- {name: event loop, wait: [poll, select], except: [PQgetResult, 'pqWait*', 'pqSocket*', 'PQ*', curl_easy_perform, curl_multi_wait, curl_multi_poll, 'mysql_*', vio_io_wait, "
	 "'vio_*', 'res_*query*', '__res_*', getaddrinfo, 'getaddrinfo*', 'nss_*', '_nss_*', 'SSL_connect*', 'ssl_*connect*', 'connect_*', 'xcb_wait_for_reply*', 'ldap_*', 'redis*Reply*', 'g_dbus_*sync*']}\n"
	"- {name: accept, wait: accept}\n"
	"- {name: timer, wait: [sleep, timer]}\n"
	"- {name: signal, wait: signal}\n"
	"- {name: notification, wait: [inotify, netlink, eventfd]}\n"
	"- {name: kernel log, leaf: [devkmsg_read, syslog_print, do_syslog]}\n";
/* clang-format on */

struct reader {
	struct arena *arena;
	struct err *e;
	struct idle_list shipped;
	struct idle_pattern *patterns;
	uint32_t n;
};

static const struct {
	const char *key;
	size_t offset;
} conditions[] = {
#define IDLE_OFFSET(member, text) {#member, offsetof(struct idle_pattern, member)},
	IDLE_CONDITIONS(IDLE_OFFSET)
#undef IDLE_OFFSET
};

#define N_CONDITIONS (sizeof(conditions) / sizeof(*conditions))

static const struct text_list *condition(const struct idle_pattern *p, size_t i)
{
	return (const struct text_list *)((const char *)p + conditions[i].offset);
}

static int wrong(struct reader *r, const struct yaml_node *node, const char *expected)
{
	char scratch[YAML_DESCRIBE_MAX];

	return err__set(r->e, -EINVAL, "expected %s, found %s", expected, yaml__describe(node, scratch));
}

/* The name becomes a label's text. */
static bool is_name(const char *s)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.- ";
	size_t len = strlen(s);

	return len && len <= IDLE_NAME_MAX && strspn(s, letters) == len && *s != ' ' && s[len - 1] != ' ' &&
	       strcmp(s, DEFAULTS);
}

/* A kind that does not exist would never match. */
static int check_wait(struct reader *r, const char *text)
{
	enum wait_kind kind;
	struct suggest s;

	if (strpbrk(text, SHELL) || !wait_kind__find(text, &kind))
		return 0;
	suggest__init(&s, text);
	for (int k = WAIT_KIND_NONE + 1; k < WAIT_KIND_N; k++)
		suggest__offer(&s, wait_kind__name((enum wait_kind)k));
	return err__set(r->e, -EINVAL, "wait: no kind of wait '%s'%s", units__quote(text).text,
			suggest__text(&s));
}

static int check_words(struct reader *r, const struct idle_pattern *p)
{
	int err = 0;

	for (uint32_t i = 0; i < p->wait.n && !err; i++)
		err = check_wait(r, p->wait.items[i]);
	for (uint32_t i = 0; i < p->syscall.n && !err; i++)
		if (!strpbrk(p->syscall.items[i], SHELL) && !syscall_name__is_known(p->syscall.items[i]))
			err = err__set(r->e, -EINVAL, "syscall: no system call '%s'",
				       units__quote(p->syscall.items[i]).text);
	return err;
}

static int take_condition(struct reader *r, const struct yaml_node *node, struct idle_pattern *p)
{
	struct suggest s;
	int err;

	for (size_t i = 0; i < N_CONDITIONS; i++) {
		if (strcmp(conditions[i].key, node->key))
			continue;
		err = text_list__take(node, r->arena, (struct text_list *)((char *)p + conditions[i].offset),
				      r->e);
		return err ? err__prefix(r->e, err, "%s", node->key) : 0;
	}
	suggest__init(&s, node->key);
	suggest__offer(&s, "name");
	for (size_t i = 0; i < N_CONDITIONS; i++)
		suggest__offer(&s, conditions[i].key);
	return err__set(r->e, -EINVAL, "unknown key '%s'%s", units__quote(node->key).text, suggest__text(&s));
}

static int take_pattern(struct reader *r, const struct yaml_node *node, struct idle_pattern *ret_pattern)
{
	const struct yaml_node *child, *name = yaml__child(node, "name");
	struct idle_pattern p = {0};
	uint32_t n = 0;
	int err = 0;

	if (!name || name->kind != YAML_SCALAR || !is_name(name->text))
		return err__set(r->e, -EINVAL,
				"expected a name of at most %d letters, digits, blanks, '_', '.' and '-'",
				IDLE_NAME_MAX);
	p.name = arena__strndup(r->arena, name->text, strlen(name->text));
	if (!p.name)
		return err__set(r->e, -ENOMEM, "out of memory");
	yaml__for_each(child, node)
	{
		if (child != name)
			err = take_condition(r, child, &p);
		if (err)
			return err__prefix(r->e, err, "%s", p.name);
	}
	for (size_t i = 0; i < N_CONDITIONS; i++)
		n += conditions[i].offset != offsetof(struct idle_pattern, except) ? condition(&p, i)->n : 0;
	if (!n)
		return err__set(r->e, -EINVAL, "%s: expected a condition, else every wait would be idle",
				p.name);
	err = check_words(r, &p);
	if (err)
		return err__prefix(r->e, err, "%s", p.name);
	*ret_pattern = p;
	return 0;
}

static int append(struct reader *r, const struct idle_pattern *p)
{
	if (r->n == IDLE_PATTERNS_MAX)
		return err__set(r->e, -E2BIG, "more than %d patterns", IDLE_PATTERNS_MAX);
	r->patterns[r->n++] = *p;
	return 0;
}

/* "defaults", the name of one of those, or "!name": without it. */
static int take_word(struct reader *r, const char *word)
{
	bool without = *word == '!', all = !strcmp(word, DEFAULTS);
	uint32_t found = 0, kept = 0;
	struct suggest s;
	int err = 0;

	if (without) {
		for (uint32_t i = 0; i < r->n; i++) {
			found += !strcmp(r->patterns[i].name, word + 1);
			if (strcmp(r->patterns[i].name, word + 1))
				r->patterns[kept++] = r->patterns[i];
		}
		r->n = kept;
	}
	for (uint32_t i = 0; !without && i < r->shipped.n && !err; i++) {
		if (!all && strcmp(r->shipped.patterns[i].name, word))
			continue;
		err = append(r, &r->shipped.patterns[i]);
		found++;
	}
	if (err || found)
		return err;
	suggest__init(&s, word + without);
	suggest__offer(&s, DEFAULTS);
	for (uint32_t i = 0; i < r->shipped.n; i++)
		if (!i || strcmp(r->shipped.patterns[i].name, r->shipped.patterns[i - 1].name))
			suggest__offer(&s, r->shipped.patterns[i].name);
	return err__set(r->e, -EINVAL, "no idle pattern '%s'%s%s", units__quote(word + without).text,
			without ? " to be left out" : "", suggest__text(&s));
}

static int take_item(struct reader *r, const struct yaml_node *node, struct idle_item *ret_item)
{
	int err;

	if (node->kind == YAML_SCALAR) {
		err = take_word(r, node->text);
		if (err)
			return err;
		ret_item->word = arena__strndup(r->arena, node->text, strlen(node->text));
		return ret_item->word ? 0 : err__set(r->e, -ENOMEM, "out of memory");
	}
	if (node->kind != YAML_MAP)
		return wrong(r, node,
			     "a pattern such as {name: pool, function: \"pool_*\"}, or the name of one");
	err = take_pattern(r, node, &ret_item->pattern);
	return err ? err : append(r, &ret_item->pattern);
}

static int take_list(struct reader *r, const struct yaml_node *node, struct idle_list *ret_list)
{
	const struct yaml_node *item, *first = node->kind == YAML_SCALAR ? node : node->first;
	uint32_t n = node->kind == YAML_SCALAR ? 1 : node->n, i = 0;
	struct idle_item *items = arena__alloc(r->arena, (n + 1) * sizeof(*items));
	int err;

	if (node->kind == YAML_MAP)
		return wrong(r, node, "a list of idle patterns");
	r->patterns = arena__alloc(r->arena, IDLE_PATTERNS_MAX * sizeof(*r->patterns));
	if (!items || !r->patterns)
		return err__set(r->e, -ENOMEM, "out of memory");
	for (item = first; i < n; item = item->next, i++) {
		items[i] = (struct idle_item){0};
		err = take_item(r, item, &items[i]);
		if (err)
			return err__prefix(r->e, err, "[%u]", i);
	}
	*ret_list = (struct idle_list){.items = items, .n_items = n, .patterns = r->patterns, .n = r->n};
	return 0;
}

int idle_list__take(const struct yaml_node *node, struct arena *arena, struct idle_list *ret_list,
		    struct err *e)
{
	struct reader shipped = {.arena = arena, .e = e}, r = {.arena = arena, .e = e};
	struct yaml y;
	int err = yaml__parse("shipped", shipped_text, sizeof(shipped_text) - 1, &y, e);

	if (err)
		return err;
	err = take_list(&shipped, y.root, &r.shipped);
	yaml__done(&y);
	return err ? err : take_list(&r, node, ret_list);
}

void idle_pattern__format(const struct idle_pattern *p, struct buf *to)
{
	buf__append_str(to, "{name: ");
	yaml__quote(p->name, to);
	for (size_t i = 0; i < N_CONDITIONS; i++) {
		const struct text_list *l = condition(p, i);

		if (l->n)
			buf__printf(to, ", %s: [", conditions[i].key);
		for (uint32_t k = 0; k < l->n; k++) {
			buf__append_str(to, k ? ", " : "");
			yaml__quote(l->items[k], to);
		}
		buf__append_str(to, l->n ? "]" : "");
	}
	buf__append_char(to, '}');
}

void idle_list__format(const struct idle_list *l, struct buf *to)
{
	buf__append_char(to, '[');
	for (uint32_t i = 0; i < l->n_items; i++) {
		buf__append_str(to, i ? ", " : "");
		if (!l->items[i].word)
			idle_pattern__format(&l->items[i].pattern, to);
		else if (strpbrk(l->items[i].word, "! "))
			yaml__quote(l->items[i].word, to);
		else
			buf__append_str(to, l->items[i].word);
	}
	buf__append_char(to, ']');
}
