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
/* Of what waits in memory when the disk works again: each takes two syncs, on the thread that measures. */
#define WRITES_A_TURN 2

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
	if (!q->entries[i].memory)
		unlinkat(q->dir_fd, name, 0);
	free(q->entries[i].memory);
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

/* 0: that is no name of ours. */
static uint64_t parse_name(const char *name)
{
	char *end;
	uint64_t seq = strtoull(name, &end, 16);

	return end != name + 16 || strcmp(end, SUFFIX) ? 0 : seq;
}

static void take_file(struct delivery_queue *q, const char *name)
{
	uint64_t seq = parse_name(name);
	struct delivery_entry entry;
	struct buf b;
	int err;

	if (!seq) {
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

/* Makes the folder where it is not there, and calls fn for each name in it. */
static int open_folder(struct delivery_queue *q, void (*fn)(struct delivery_queue *q, const char *name))
{
	struct dirent *d;
	DIR *dir;
	int fd;

	if (q->store_fd < 0)
		return -ENOENT;
	if (mkdirat(q->store_fd, DELIVERY_FOLDER, 0700) && errno != EEXIST)
		return -errno;
	q->dir_fd = openat(q->store_fd, DELIVERY_FOLDER, O_DIRECTORY | O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	fd = q->dir_fd < 0 ? -1 : dup(q->dir_fd);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		int err = -errno;

		io__close(&fd);
		io__close(&q->dir_fd);
		return err;
	}
	while ((d = readdir(dir)))
		fn(q, d->d_name);
	closedir(dir);
	return 0;
}

int delivery_queue__open(struct delivery_queue *q, int store_fd)
{
	*q = (struct delivery_queue){.store_fd = store_fd, .dir_fd = FD_CLOSED, .next_seq = 1};
	q->err = open_folder(q, take_file);
	qsort(q->entries, q->n, sizeof(*q->entries), by_seq);
	return q->err;
}

void delivery_queue__close(struct delivery_queue *q)
{
	for (uint32_t i = 0; i < q->n; i++)
		free(q->entries[i].memory);
	q->n = 0;
	io__close(&q->dir_fd);
}

/* What is in another folder than before is of an earlier agent, and waits for the next start. */
static void pass_name(struct delivery_queue *q, const char *name)
{
	uint64_t seq = parse_name(name);

	if (seq >= q->next_seq)
		q->next_seq = seq + 1;
}

static bool read_along(struct delivery_queue *q, struct delivery_entry *e)
{
	char name[NAME_MAX_];
	struct buf b;

	buf__init(&b, DELIVERY_BYTES_MAX);
	format_name(e->seq, name);
	if (io__read_at(q->dir_fd, name, DELIVERY_BYTES_MAX, &b) || b.len != e->bytes) {
		buf__done(&b);
		return false;
	}
	unlinkat(q->dir_fd, name, 0);
	e->memory = b.data;
	return true;
}

/* What can still be read in the folder that is left behind waits in memory from now on; of what is under way the bytes are not needed, unless it fails. */
static void take_along(struct delivery_queue *q)
{
	for (uint32_t i = 0; i < q->n;) {
		struct delivery_entry *e = &q->entries[i];

		if (e->memory || read_along(q, e) || e->is_under_way) {
			i++;
		} else {
			forget(q, i);
			q->n_lost++;
		}
	}
}

static int write_entry(struct delivery_queue *q, struct delivery_entry *e)
{
	char name[NAME_MAX_];
	int err;

	format_name(e->seq, name);
	err = io__write_new(q->dir_fd, name, e->memory, e->bytes, 0600);
	if (err == -EEXIST) /* an earlier agent's: this one stays in memory */
		return 0;
	if (err) {
		/* whole, where only the folder could not be synced */
		unlinkat(q->dir_fd, name, 0);
		return err;
	}
	free(e->memory);
	e->memory = NULL;
	return 0;
}

/* The folder may have been removed, or another put in its place. */
static int stay_in_folder(struct delivery_queue *q)
{
	if (q->dir_fd >= 0 && io__leads_to(q->store_fd, DELIVERY_FOLDER, q->dir_fd))
		return 0;
	take_along(q);
	io__close(&q->dir_fd);
	return open_folder(q, pass_name);
}

/* What waits in memory, as far as the disk takes it; what comes first goes first. */
static void write_some(struct delivery_queue *q, uint32_t most)
{
	q->err = stay_in_folder(q);
	for (uint32_t i = 0; i < q->n && most && !q->err; i++) {
		if (!q->entries[i].memory)
			continue;
		q->err = write_entry(q, &q->entries[i]);
		most -= !q->entries[i].memory;
	}
}

void delivery_queue__write(struct delivery_queue *q)
{
	for (uint32_t i = 0; i < q->n && !q->err; i++)
		if (q->entries[i].memory) {
			write_some(q, WRITES_A_TURN);
			return;
		}
}

void delivery_queue__set_store(struct delivery_queue *q, int store_fd)
{
	q->store_fd = store_fd;
	write_some(q, WRITES_A_TURN);
}

uint32_t delivery_queue__keep(struct delivery_queue *q)
{
	uint32_t n_left = 0;

	write_some(q, DELIVERY_QUEUE_MAX);
	for (uint32_t i = 0; i < q->n; i++)
		n_left += q->entries[i].memory != NULL;
	return n_left;
}

/* ---- deliveries ------------------------------------------------------------------------------------------------------- */

int delivery_queue__add(struct delivery_queue *q, const void *bytes, size_t len)
{
	struct delivery_entry entry;
	int err;

	/* first, since another folder may have names that are taken */
	q->err = stay_in_folder(q);
	err = describe(bytes, len, q->next_seq, &entry);
	if (!err) {
		entry.memory = malloc(len);
		err = entry.memory ? 0 : -ENOMEM;
	}
	if (err) {
		q->n_lost++;
		return err;
	}
	memcpy(entry.memory, bytes, len);
	q->next_seq++;
	append(q, &entry);
	if (!q->err)
		write_some(q, WRITES_A_TURN);
	return 0;
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
		if (e->memory) {
			buf__append(to, e->memory, e->bytes);
		} else if (io__read_at(q->dir_fd, name, DELIVERY_BYTES_MAX, to)) {
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
	/* it waits for longer: another try to have it outlive the agent */
	if (e->memory)
		write_some(q, WRITES_A_TURN);
}

bool delivery_queue__has(const struct delivery_queue *q, const char *address, uint64_t seq)
{
	uint64_t hash = hash_address(address);

	for (uint32_t i = 0; i < q->n; i++)
		if (q->entries[i].address == hash && q->entries[i].seq < seq)
			return true;
	return false;
}
