/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image - lets go of those pages of our program and its libraries that only the start needed.
 *
 * Linking forty libraries, their constructors and the reading of a configuration touch ten megabytes of code and tables; what follows runs in three. The
 * pages stay in the page cache; they stop to be ours, and what is touched again comes back by a minor fault of sixteen pages.
 *
 * Owns: nothing. Thread: any. Limit: IMAGE_SMAPS_MAX bytes of smaps. Errors: none; where smaps cannot be read, all stays as it is.
 */
#ifndef EVERPROF_BASE_IMAGE_H
#define EVERPROF_BASE_IMAGE_H

#define IMAGE_SMAPS_MAX ((size_t)4 << 20)

void image__give_back(void);

#endif
