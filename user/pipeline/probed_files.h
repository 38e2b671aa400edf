/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probed_files - the files that windows on allocations put probes on, and the links that do it.
 *
 * Owns: descriptors of the files, and the processes that hold links, one of them of our own code. Thread: files are added and seen by any, one mutex, never held while the kernel is waited for;
 * choose, attach and detach are of the thread that opens windows. Limit: PROBED_FILES_MAX files, PROBED_LINKS_MAX at a time (more take turns). Errors: -errno; a file
 * that cannot be probed is told once and left.
 */
#ifndef EVERPROF_PIPELINE_PROBED_FILES_H
#define EVERPROF_PIPELINE_PROBED_FILES_H

#include <stdbool.h>
#include <stdint.h>

struct alloc_sites;
struct probed_files;
struct uprobe_place;

#define PROBED_FILES_MAX 256
#define PROBED_LINKS_MAX 8

struct probed_files_stats {
	uint64_t n_failed; /* files that could not be probed */
	uint64_t
		n_spared; /* times that a file was left out of a window, because somebody read its code as data, or kept the lock of his memory */
	uint64_t holders_bytes; /* resident, shared pages by their share */
	uint32_t n_files, n_places;
};

int probed_files__new(int prog_fd, int reader_fd, struct probed_files **ret);
/* No probe is left. */
void probed_files__free(struct probed_files *f);
/* Probes the file from the next window on; fd is taken. A file that is there already is seen once more. -E2BIG. */
int probed_files__add(struct probed_files *f, int fd, uint64_t dev, uint64_t ino, const char *name,
		      const struct alloc_sites *sites);
/* Is it there? Then it is seen. */
bool probed_files__see(struct probed_files *f, uint64_t dev, uint64_t ino);
/* Lets go of files that were not seen since the last call. */
void probed_files__forget_unseen(struct probed_files *f);
/*
 * The files whose turn it is in this window, one group of ret_groups that draw, in [0, 1), chooses; returns how many, and the dead ones go. Only this takes
 * files away: those chosen hold without the lock.
 */
uint32_t probed_files__choose(struct probed_files *f, double draw, uint32_t *ret_groups);
/* Is none of the chosen files read as data now, or mapped by a process that keeps its lock? Those that were when they were left out last do not count. */
bool probed_files__are_free(struct probed_files *f);
/* Leaves out those whose code somebody reads as data, or that a process has mapped that keeps its lock; returns how many are left. Waits some milliseconds for who is soon done. */
uint32_t probed_files__spare(struct probed_files *f);
/*
 * A window of the chosen files is over that stood for so much time. Who uses a file that had no probes, because its code was read, was not seen: the file's next window stands
 * for that time, too, as far as it is not long past.
 */
void probed_files__end_window(struct probed_files *f, double stretch_ns);
/* Of files, as bits by what probed_files__bit says of their calls. */
uint64_t probed_files__bit(uint32_t site);
/* Has any of them no probes in this window, though it was its turn? */
bool probed_files__miss(const struct probed_files *f, uint64_t files);
/* By which share the time that this window stands for is longer for who uses them: the longest of all. */
double probed_files__longer(const struct probed_files *f, uint64_t files, double stretch_ns);
/* Has somebody begun to, since? Of those with probes. */
bool probed_files__are_read(const struct probed_files *f);
/* Puts a probe on a place of our own code, in us only. cpu_ns: what the process that does it used is added. -errno; -EBUSY: somebody who has our file mapped keeps his lock. */
int probed_files__attach_own(struct probed_files *f, const struct uprobe_place *place, uint64_t *cpu_ns);
/* Puts probes on the chosen files. Returns how many were linked; 0: also where it got stuck on the way. */
uint32_t probed_files__attach(struct probed_files *f, uint64_t *cpu_ns);
/* Takes all away, our own too. */
void probed_files__detach(struct probed_files *f, uint64_t *cpu_ns);
/* Did the kernel not come back from a call, and has not yet? Told when it begins, and when it ends; nothing is to be put in place or taken away meanwhile. */
bool probed_files__are_stuck(struct probed_files *f);
void probed_files__stats(struct probed_files *f, struct probed_files_stats *ret);

#endif
