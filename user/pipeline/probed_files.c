// SPDX-License-Identifier: Apache-2.0
#include "user/pipeline/probed_files.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bpf/alloc.h"
#include "user/base/clock.h"
#include "user/base/io.h"
#include "user/base/log.h"
#include "user/kernel/watched_code.h"
#include "user/kernel/uprobe.h"
#include "user/kernel/uprobe_holder.h"
#include "user/object/alloc_sites.h"
#include "user/pipeline/footprint.h"

#define ATTACH_FAILURES 3
/* A window says little of a time that is longer past. */
#define PROBED_OWED_MAX_NS (10.0 * NS_PER_SEC)
/* A program that starts maps a library as data for some 0.1 ms, before it maps its code: worth waiting for. And who does much to his memory has its lock taken for a part of the
 * time that is not small: nine tenths of it are in so many looks one time of 66. */
#define SPARE_TRIES   4
#define HELD_TRIES    40
#define SPARE_WAIT_NS (NS_PER_MS / 2)
#define OWN_HOLDER    PROBED_LINKS_MAX
#define N_HOLDERS     (PROBED_LINKS_MAX + 1)

struct probed_file {
	int fd;
	uint64_t dev, ino;
	char name[64];
	struct uprobe_place places[ALLOC_SITES_MAX];
	uint32_t n_places, n_failures, id;
	double owed_ns; /* time that windows without it stood for */
	bool is_seen, is_dead, is_linked, is_read;
	bool is_alias;   /* another target is the same file: that one is probed while it is there */
	bool has_probes; /* in this window, or the one that has just ended */
	struct watched_code code;
};

struct probed_files {
	pthread_mutex_t lock;
	int prog_fd, reader_fd;
	struct probed_file *targets[PROBED_FILES_MAX];
	struct probed_file *chosen[PROBED_LINKS_MAX], *spared[PROBED_LINKS_MAX];
	uint32_t n_targets, n_chosen, n_spared_now, n_ids; /* n_ids: never used twice */
	struct uprobe_holder *holders[N_HOLDERS];          /* one a link of a window, and of our own code */
	struct watched_code own;
	bool is_own_linked, are_stuck;
	uint64_t n_failed, n_spared;
};

int probed_files__new(int prog_fd, int reader_fd, struct probed_files **ret)
{
	struct probed_files *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	f->prog_fd = prog_fd;
	f->reader_fd = reader_fd;
	pthread_mutex_init(&f->lock, NULL);
	*ret = f;
	return 0;
}

static void free_target(struct probed_file *t)
{
	watched_code__done(&t->code);
	io__close(&t->fd);
	free(t);
}

/* Only the thread, or who ended it, changes them; others look at them under the lock. */
static void put_holder(struct probed_files *f, uint32_t i, struct uprobe_holder *h)
{
	struct uprobe_holder *old = f->holders[i];

	pthread_mutex_lock(&f->lock);
	f->holders[i] = h;
	pthread_mutex_unlock(&f->lock);
	uprobe_holder__free(old);
}

static int new_holder(struct probed_files *f, uint32_t i)
{
	struct uprobe_holder *h = NULL;
	int err = uprobe_holder__new(f->prog_fd, &h);

	if (!err)
		put_holder(f, i, h);
	return err;
}

static void drop_holder(struct probed_files *f, uint32_t i)
{
	put_holder(f, i, NULL);
}

void probed_files__free(struct probed_files *f)
{
	if (!f)
		return;
	for (uint32_t i = 0; i < N_HOLDERS; i++)
		drop_holder(f, i);
	for (uint32_t i = 0; i < f->n_targets; i++)
		free_target(f->targets[i]);
	watched_code__done(&f->own);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

static struct probed_file *find_target(struct probed_files *f, uint64_t dev, uint64_t ino)
{
	for (uint32_t i = 0; i < f->n_targets; i++)
		if (f->targets[i]->dev == dev && f->targets[i]->ino == ino && !f->targets[i]->is_dead)
			return f->targets[i];
	return NULL;
}

bool probed_files__see(struct probed_files *f, uint64_t dev, uint64_t ino)
{
	struct probed_file *t;

	pthread_mutex_lock(&f->lock);
	t = find_target(f, dev, ino);
	if (t)
		t->is_seen = true;
	pthread_mutex_unlock(&f->lock);
	return t != NULL;
}

/* The pages that its probes are in. */
static int watch(struct probed_file *t, int fd, const struct alloc_sites *sites)
{
	uint64_t first = UINT64_MAX, last = 0;

	for (uint32_t i = 0; i < sites->n; i++) {
		first = sites->sites[i].offset < first ? sites->sites[i].offset : first;
		last = sites->sites[i].offset > last ? sites->sites[i].offset : last;
	}
	return watched_code__init(&t->code, fd, first, last);
}

int probed_files__add(struct probed_files *f, int fd, uint64_t dev, uint64_t ino, const char *name,
		      const struct alloc_sites *sites)
{
	struct probed_file *t = calloc(1, sizeof(*t));
	int err = t ? watch(t, fd, sites) : -ENOMEM;

	pthread_mutex_lock(&f->lock);
	if (!err && f->n_targets == PROBED_FILES_MAX)
		err = -E2BIG;
	if (!err && !find_target(f, dev, ino)) {
		t->fd = fd;
		t->dev = dev;
		t->ino = ino;
		t->is_seen = true;
		t->id = f->n_ids;
		snprintf(t->name, sizeof(t->name), "%s", name);
		for (uint32_t i = 0; i < sites->n; i++)
			t->places[t->n_places++] = (struct uprobe_place){
				.offset = sites->sites[i].offset,
				.cookie = ((uint64_t)f->n_ids << 8 | i) << ALLOC_COOKIE_SITE_SHIFT |
					  sites->sites[i].size,
			};
		f->n_ids++;
		log_debug("alloc: '%s' has %u allocators to probe", t->name, t->n_places);
		f->targets[f->n_targets++] = t;
		t = NULL;
		fd = FD_CLOSED;
	}
	pthread_mutex_unlock(&f->lock);
	io__close(&fd);
	if (t) {
		t->fd = FD_CLOSED;
		free_target(t);
	}
	return err;
}

void probed_files__forget_unseen(struct probed_files *f)
{
	pthread_mutex_lock(&f->lock);
	for (uint32_t i = 0; i < f->n_targets; i++) {
		f->targets[i]->is_dead |= !f->targets[i]->is_seen;
		f->targets[i]->is_seen = false;
	}
	pthread_mutex_unlock(&f->lock);
}

/* Told once while it lasts, not for every window. */
static void tell_reader(const struct probed_file *t, const struct code_reader *r)
{
	uint32_t len = r->program_len < CODE_READER_NAME ? r->program_len : CODE_READER_NAME;

	if (r->kind == CODE_READER_HELD)
		log_warn("alloc: process %u keeps the lock of its memory, for which the kernel would wait: "
			 "'%s', which it has "
			 "mapped, is not probed meanwhile",
			 r->held_pid, t->name);
	else if (r->kind == CODE_READER_UNKNOWN)
		log_warn("alloc: find who reads the code of '%s' as data: too much changed, not probed "
			 "meanwhile",
			 t->name);
	else
		log_info("alloc: process %u (%.*s) reads the code of '%s' as data and could take a probe for "
			 "it: not probed meanwhile",
			 r->pid, (int)len, r->program + CODE_READER_NAME - len, t->name);
}

/* A file that cannot be asked about is not known to be safe; where nothing can be asked, that was told at the start. */
static bool is_read(const struct probed_files *f, struct watched_code *code, struct code_reader *answer)
{
	if (f->reader_fd < 0)
		*answer = (struct code_reader){.kind = CODE_READER_NONE};
	else if (watched_code__ask(code, f->reader_fd, answer))
		*answer = (struct code_reader){.kind = CODE_READER_UNKNOWN};
	return answer->kind != CODE_READER_NONE;
}

/*
 * A file below several mounts of overlayfs, as the containers of one image have it, has a device and a number in each, and the kernel puts probes on what lies below them all: each call would
 * run as many as there are mounts. So files are told apart by what their mappings lead to; where that could not be asked for yet, by the rest.
 */
static bool is_among(struct probed_file *const *files, uint32_t n, const struct probed_file *t)
{
	for (uint32_t i = 0; i < n; i++)
		if (t->code.tree && files[i]->code.tree == t->code.tree)
			return true;
	return false;
}

/* Those that can be probed, each once; how many. */
static uint32_t find_distinct(struct probed_files *f, struct probed_file **distinct)
{
	struct code_reader r = {0};
	uint32_t n = 0;

	for (uint32_t i = 0; i < f->n_targets; i++) {
		struct probed_file *t = f->targets[i];

		if (t->n_failures >= ATTACH_FAILURES)
			continue;
		if (!t->code.tree)
			(void)is_read(f, &t->code, &r);
		t->is_alias = is_among(distinct, n, t);
		if (!t->is_alias)
			distinct[n++] = t;
	}
	return n;
}

uint32_t probed_files__choose(struct probed_files *f, double draw, uint32_t *ret_groups)
{
	struct probed_file *distinct[PROBED_FILES_MAX];
	uint32_t n = 0, kept = 0, n_distinct, groups, group;

	pthread_mutex_lock(&f->lock);
	for (uint32_t i = 0; i < f->n_targets; i++) {
		if (f->targets[i]->is_dead)
			free_target(f->targets[i]);
		else
			f->targets[kept++] = f->targets[i];
	}
	f->n_targets = kept;
	n_distinct = find_distinct(f, distinct);
	groups = (n_distinct + PROBED_LINKS_MAX - 1) / PROBED_LINKS_MAX;
	group = groups ? (uint32_t)(draw * groups) : 0;
	for (uint32_t i = group; i < n_distinct; i += groups)
		f->chosen[n++] = distinct[i];
	pthread_mutex_unlock(&f->lock);
	f->n_chosen = n;
	f->n_spared_now = 0;
	*ret_groups = groups;
	return n;
}

/* The same process has its lock taken, or (readers_too) the code is read, in look after look. */
static bool is_kept(const struct probed_files *f, struct watched_code *code, bool readers_too,
		    struct code_reader *ret)
{
	const struct timespec wait = {.tv_nsec = SPARE_WAIT_NS};

	ret->held = UINT64_MAX;
	for (int i = 1; i <= HELD_TRIES; i++) {
		bool reads = is_read(f, code, ret) && readers_too;

		if (reads && i >= SPARE_TRIES)
			return true;
		if (ret->kind == CODE_READER_UNKNOWN)
			ret->held = UINT64_MAX;
		else if (!reads && !ret->held)
			return false;
		nanosleep(&wait, NULL);
	}
	ret->kind = CODE_READER_HELD;
	return true;
}

bool probed_files__are_free(struct probed_files *f)
{
	struct code_reader r;

	for (uint32_t i = 0; i < f->n_chosen; i++)
		if (!f->chosen[i]->is_read && is_kept(f, &f->chosen[i]->code, true, &r))
			return false;
	return true;
}

uint32_t probed_files__spare(struct probed_files *f)
{
	uint32_t n = 0;
	struct code_reader r = {0};

	for (uint32_t i = 0; i < f->n_chosen; i++) {
		struct probed_file *t = f->chosen[i];
		bool was_read = t->is_read;

		t->is_read = (was_read && is_read(f, &t->code, &r)) || is_kept(f, &t->code, true, &r);
		if (t->is_read && !was_read)
			tell_reader(t, &r);
		if (t->is_read)
			f->spared[f->n_spared_now++] = t;
		else
			f->chosen[n++] = t;
	}
	pthread_mutex_lock(&f->lock);
	f->n_spared += f->n_spared_now;
	pthread_mutex_unlock(&f->lock);
	f->n_chosen = n;
	return n;
}

bool probed_files__are_read(const struct probed_files *f)
{
	struct code_reader r = {0};

	for (uint32_t i = 0; i < f->n_chosen; i++)
		if (f->chosen[i]->is_linked && is_read(f, &f->chosen[i]->code, &r))
			return true;
	return false;
}

bool probed_files__are_stuck(struct probed_files *f)
{
	if (!f->are_stuck)
		return false;
	for (uint32_t i = 0; i < N_HOLDERS; i++)
		if (f->holders[i] && !uprobe_holder__is_gone(f->holders[i]))
			return true;
	for (uint32_t i = 0; i < N_HOLDERS; i++)
		drop_holder(f, i);
	pthread_mutex_lock(&f->lock);
	f->are_stuck = f->is_own_linked = false;
	pthread_mutex_unlock(&f->lock);
	log_info("alloc: the kernel has taken the probes away: allocations are recorded again");
	return false;
}

static void tell_stuck(struct probed_files *f)
{
	char who[32] = "a process";
	struct code_reader r = {0};
	uint32_t pid = 0;

	for (uint32_t i = 0; i <= f->n_chosen && !pid; i++) {
		struct watched_code *code = i < f->n_chosen ? &f->chosen[i]->code : &f->own;

		if (code->page && is_kept(f, code, false, &r))
			pid = r.held_pid;
	}
	if (pid)
		snprintf(who, sizeof(who), "process %u", pid);
	log_error("alloc: %s keeps the lock of its memory, which the kernel waits for to change probes, and "
		  "nobody on this machine can fork meanwhile: end it, or the file system that it waits for; "
		  "allocations are not recorded until then",
		  who);
}

/* The kernel waits for somebody in a call of one of them, and would in those of the others. */
static void be_stuck(struct probed_files *f)
{
	pthread_mutex_lock(&f->lock);
	f->are_stuck = true;
	pthread_mutex_unlock(&f->lock);
	for (uint32_t i = 0; i < N_HOLDERS; i++)
		if (f->holders[i])
			uprobe_holder__leave(f->holders[i]);
	tell_stuck(f);
}

/* Of a holder's answer. */
static int judge(struct probed_files *f, uint32_t i, int err)
{
	if (err == -ETIMEDOUT)
		be_stuck(f);
	else if (err == -EPIPE)
		drop_holder(f, i);
	return err;
}

static int attach_one(struct probed_files *f, uint32_t i, int fd, const struct uprobe_place *places,
		      uint32_t n, uint32_t pid, uint64_t *cpu_ns)
{
	int err = f->holders[i] ? 0 : new_holder(f, i);

	if (!err)
		err = uprobe_holder__attach(f->holders[i], fd, places, n, pid, cpu_ns);
	return judge(f, i, err);
}

int probed_files__attach_own(struct probed_files *f, const struct uprobe_place *place, uint64_t *cpu_ns)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), err = fd < 0 ? -errno : 0;
	struct code_reader r;

	if (!err && !f->own.page)
		err = watched_code__init(&f->own, fd, place->offset, place->offset);
	/* the locks of all who have the file mapped are taken, whoever gets the probe; nobody else's code is changed */
	if (!err && is_kept(f, &f->own, false, &r))
		err = -EBUSY;
	if (!err)
		err = attach_one(f, OWN_HOLDER, fd, place, 1, (uint32_t)getpid(), cpu_ns);
	io__close(&fd);
	f->is_own_linked = !err;
	return err;
}

/* The first file, mostly the C library, last: its traps stay for the shortest time. */
uint32_t probed_files__attach(struct probed_files *f, uint64_t *cpu_ns)
{
	uint32_t n_linked = 0;

	for (uint32_t i = f->n_chosen; i-- && !f->are_stuck;) {
		struct probed_file *t = f->chosen[i];
		int err = attach_one(f, i, t->fd, t->places, t->n_places, 0, cpu_ns);

		t->is_linked = t->has_probes = !err;
		if (!err) {
			t->n_failures = 0;
			n_linked++;
			continue;
		}
		if (f->are_stuck || ++t->n_failures < ATTACH_FAILURES)
			continue;
		f->n_failed++;
		log_warn("alloc: probe '%s': %s, its allocations are not seen", t->name, strerror(-err));
	}
	return f->are_stuck ? 0 : n_linked;
}

static void begin_detach(struct probed_files *f, uint32_t i)
{
	if (!f->are_stuck && uprobe_holder__begin_detach(f->holders[i]))
		log_warn("alloc: the process that holds probes is gone, ignoring");
}

/* Where one is gone the next one puts right what is left. */
static void end_detach(struct probed_files *f, uint32_t i, uint64_t *cpu_ns)
{
	if (!f->are_stuck)
		judge(f, i, uprobe_holder__end_detach(f->holders[i], cpu_ns));
}

/* All at once: each waits until nobody is in its probes any more, and the traps of the next one would stay meanwhile. */
void probed_files__detach(struct probed_files *f, uint64_t *cpu_ns)
{
	for (uint32_t i = 0; i < f->n_chosen; i++)
		if (f->chosen[i]->is_linked)
			begin_detach(f, i);
	if (f->is_own_linked)
		begin_detach(f, OWN_HOLDER);
	for (uint32_t i = 0; i < f->n_chosen; i++) {
		if (f->chosen[i]->is_linked)
			end_detach(f, i, cpu_ns);
		f->chosen[i]->is_linked = false;
	}
	if (f->is_own_linked)
		end_detach(f, OWN_HOLDER, cpu_ns);
	f->is_own_linked = false;
}

void probed_files__end_window(struct probed_files *f, double stretch_ns)
{
	for (uint32_t i = 0; i < f->n_chosen; i++)
		f->chosen[i]->owed_ns = 0;
	for (uint32_t i = 0; i < f->n_spared_now; i++)
		f->spared[i]->owed_ns = fmin(f->spared[i]->owed_ns + stretch_ns, PROBED_OWED_MAX_NS);
}

/* Ids that are 64 apart share one: then a window counts for less than it might. */
static uint64_t bit_of(uint32_t id)
{
	return 1ull << (id & 63);
}

uint64_t probed_files__bit(uint32_t site)
{
	return bit_of(site >> 8);
}

bool probed_files__miss(const struct probed_files *f, uint64_t files)
{
	uint64_t missing = 0;

	for (uint32_t i = 0; i < f->n_spared_now; i++)
		missing |= bit_of(f->spared[i]->id);
	for (uint32_t i = 0; i < f->n_chosen; i++)
		missing |= f->chosen[i]->has_probes ? 0 : bit_of(f->chosen[i]->id);
	return (missing & files) != 0;
}

double probed_files__longer(const struct probed_files *f, uint64_t files, double stretch_ns)
{
	double owed_ns = 0;

	for (uint32_t i = 0; i < f->n_chosen; i++)
		if (bit_of(f->chosen[i]->id) & files)
			owed_ns = fmax(owed_ns, f->chosen[i]->owed_ns);
	return owed_ns / stretch_ns;
}

void probed_files__stats(struct probed_files *f, struct probed_files_stats *ret)
{
	pid_t holders[N_HOLDERS];
	char dir[32];

	pthread_mutex_lock(&f->lock);
	*ret = (struct probed_files_stats){.n_failed = f->n_failed, .n_spared = f->n_spared};
	for (uint32_t i = 0; i < f->n_targets; i++) {
		ret->n_files += !f->targets[i]->is_alias;
		ret->n_places += f->targets[i]->is_alias ? 0 : f->targets[i]->n_places;
	}
	for (uint32_t i = 0; i < N_HOLDERS; i++)
		holders[i] = f->holders[i] && !f->are_stuck ? uprobe_holder__pid(f->holders[i]) : 0;
	pthread_mutex_unlock(&f->lock);
	for (uint32_t i = 0; i < N_HOLDERS; i++) {
		snprintf(dir, sizeof(dir), "/proc/%d", (int)holders[i]);
		ret->holders_bytes += holders[i] ? footprint__proportional(dir) : 0;
	}
}
