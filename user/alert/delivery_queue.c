// SPDX-License-Identifier: Apache-2.0
#include "user/alert/delivery_queue.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/alert/delivery.h"
#include "user/base/buf.h"
#include "user/base/hashmap.h"
#include "user/base/io.h"

#define NAME_MAX_    40
#define SUFFIX       ".delivery"
#define PAUSE_MIN_NS 1000000000ull
#define PAUSE_MAX_NS 300000000000ull

static void format_name(uint64_t seq, char ret[NAME_MAX_])
{
	snprintf(ret, NAME_MAX_, "%016" PRIx64 SUFFIX, seq);
}

static uint64_t hash_address(const char *address)
{
	return hash_bytes(address, strlen(address));
}

static void forget(struct delivery_queue *q, uint32_t i)
{
	char name[NAME_MAX_];

	format_name(q->entries[i].seq, name);
	unlinkat(q->dir_fd, name, 0);
	q->bytes -= q->entries[i].bytes;
	memmove(&q->entries[i], &q->entries[i + 1], (q->n - i - 1) * sizeof(*q->entries));
	q->n--;
}

static struct delivery_entry *find(struct delivery_queue *q, uint64_t seq)
{
	for (uint32_t i = 0; i < q->n; i++)
		if (q->entries[i].seq == seq)
			return &q->entries[i];
	return NULL;
}

/* Takes the place at the end; the oldest that is not just being sent goes where there is no room. */
static void append(struct delivery_queue *q, const struct delivery_entry *entry)
{
	while (q->n && (q->n == DELIVERY_QUEUE_MAX || q->bytes + entry->bytes > DELIVERY_QUEUE_BYTES)) {
		forget(q, q->entries[0].is_under_way && q->n > 1 ? 1 : 0);
		q->n_lost++;
	}
	q->entries[q->n++] = *entry;
	q->bytes += entry->bytes;
}

static int describe(const void *bytes, size_t len, uint64_t seq, struct delivery_entry *ret)
{
	struct delivery *d = malloc(sizeof(*d));
	int err = d ? delivery__parse(bytes, len, d) : -ENOMEM;

	if (!err)
		*ret = (struct delivery_entry){
			.kind = d->kind,
			.seq = seq,
			.bytes = len,
			.created_ns = d->created_ns,
			.address = hash_address(d->kind == DELIVERY_RUN ? d->args[0] : d->url)};
	free(d);
	return err;
}

/* ---- the folder ------------------------------------------------------------------------------------------------------- */

static int by_seq(const void *a, const void *b)
{
	const struct delivery_entry *x = a, *y = b;

	return x->seq < y->seq ? -1 : x->seq > y->seq;
}

static void take_file(struct delivery_queue *q, const char *name)
{
	struct delivery_entry entry;
	struct buf b;
	uint64_t seq;
	char *end;
	int err;

	seq = strtoull(name, &end, 16);
	if (end != name + 16 || strcmp(end, SUFFIX) || !seq) {
		if (!strncmp(name, IO_TMP_PREFIX, strlen(IO_TMP_PREFIX)))
			unlinkat(q->dir_fd, name, 0);
		return;
	}
	if (seq >= q->next_seq)
		q->next_seq = seq + 1;
	buf__init(&b, DELIVERY_BYTES_MAX);
	err = io__read_at(q->dir_fd, name, DELIVERY_BYTES_MAX, &b);
	if (!err)
		err = describe(b.data, b.len, seq, &entry);
	if (err || q->n == DELIVERY_QUEUE_MAX) {
		unlinkat(q->dir_fd, name, 0);
		q->n_lost++;
	} else {
		append(q, &entry);
	}
	buf__done(&b);
}

int delivery_queue__open(struct delivery_queue *q, int store_fd)
{
	struct dirent *d;
	DIR *dir;
	int fd;

	*q = (struct delivery_queue){.dir_fd = FD_CLOSED, .next_seq = 1};
	if (store_fd < 0)
		return -ENOENT;
	if (mkdirat(store_fd, DELIVERY_FOLDER, 0700) && errno != EEXIST)
		return -errno;
	q->dir_fd = openat(store_fd, DELIVERY_FOLDER, O_DIRECTORY | O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	fd = q->dir_fd < 0 ? -1 : dup(q->dir_fd);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		int err = -errno;

		io__close(&fd);
		io__close(&q->dir_fd);
		return err;
	}
	while ((d = readdir(dir)))
		take_file(q, d->d_name);
	closedir(dir);
	qsort(q->entries, q->n, sizeof(*q->entries), by_seq);
	return 0;
}

void delivery_queue__close(struct delivery_queue *q)
{
	io__close(&q->dir_fd);
	q->n = 0;
}

/* ---- deliveries ------------------------------------------------------------------------------------------------------- */

int delivery_queue__add(struct delivery_queue *q, const void *bytes, size_t len)
{
	struct delivery_entry entry;
	char name[NAME_MAX_];
	int err = q->dir_fd < 0 ? -ENOENT : describe(bytes, len, q->next_seq, &entry);

	if (!err) {
		format_name(q->next_seq++, name);
		err = io__write_new(q->dir_fd, name, bytes, len, 0600);
	}
	if (err)
		q->n_lost++;
	else
		append(q, &entry);
	return err;
}

/* Does an older one to the same address wait? */
static bool is_behind(const struct delivery_queue *q, uint32_t i)
{
	for (uint32_t k = 0; k < i; k++)
		if (q->entries[k].address == q->entries[i].address)
			return true;
	return false;
}

static void give_up_old(struct delivery_queue *q, uint64_t real_ns)
{
	for (uint32_t i = 0; i < q->n;) {
		struct delivery_entry *e = &q->entries[i];

		if (!e->is_under_way && real_ns > e->created_ns &&
		    real_ns - e->created_ns > DELIVERY_AGE_NS) {
			forget(q, i);
			q->n_given_up++;
		} else {
			i++;
		}
	}
}

uint64_t delivery_queue__next(struct delivery_queue *q, enum delivery_kind kind, uint64_t mono_ns,
			      uint64_t real_ns, struct buf *to)
{
	char name[NAME_MAX_];

	give_up_old(q, real_ns);
	for (uint32_t i = 0; i < q->n; i++) {
		struct delivery_entry *e = &q->entries[i];

		if (e->kind != kind || e->is_under_way || e->next_try_ns > mono_ns || is_behind(q, i))
			continue;
		format_name(e->seq, name);
		buf__clear(to);
		if (io__read_at(q->dir_fd, name, DELIVERY_BYTES_MAX, to)) {
			forget(q, i--);
			q->n_lost++;
			continue;
		}
		e->is_under_way = true;
		return e->seq;
	}
	return 0;
}

void delivery_queue__done(struct delivery_queue *q, uint64_t seq)
{
	struct delivery_entry *e = find(q, seq);

	if (!e)
		return;
	q->n_done++;
	forget(q, (uint32_t)(e - q->entries));
}

void delivery_queue__refused(struct delivery_queue *q, uint64_t seq)
{
	struct delivery_entry *e = find(q, seq);

	if (!e)
		return;
	q->n_lost++;
	forget(q, (uint32_t)(e - q->entries));
}

void delivery_queue__failed(struct delivery_queue *q, uint64_t seq, uint64_t mono_ns, uint64_t after_ns)
{
	struct delivery_entry *e = find(q, seq);
	uint64_t pause;

	q->n_failed_tries++;
	if (!e)
		return;
	pause = e->pause_ns ? e->pause_ns * 2 : PAUSE_MIN_NS;
	e->pause_ns = pause < PAUSE_MAX_NS ? pause : PAUSE_MAX_NS;
	e->next_try_ns = mono_ns + (after_ns > e->pause_ns ? after_ns : e->pause_ns);
	e->is_under_way = false;
}

bool delivery_queue__has(const struct delivery_queue *q, const char *address)
{
	uint64_t hash = hash_address(address);

	for (uint32_t i = 0; i < q->n; i++)
		if (q->entries[i].address == hash)
			return true;
	return false;
}
