/* SPDX-License-Identifier: Apache-2.0 */
/*
 * folder - an empty folder for a test, gone afterwards with all that is in it.
 *
 * Owns: the folder, until it is removed. Thread: any; folder__set_up one. Limit: none. Errors: -1, as a set-up and a tear-down of cmocka tell it.
 */
#ifndef EVERPROF_TESTS_SUPPORT_FOLDER_H
#define EVERPROF_TESTS_SUPPORT_FOLDER_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FOLDER_MAX 40

static inline int folder__make(char ret_dir[FOLDER_MAX])
{
	strcpy(ret_dir, "/tmp/everprof-test.XXXXXX"); /* the letters are mkdtemp's */
	return mkdtemp(ret_dir) ? 0 : -1;
}

static inline int folder__remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

/* Neither through links nor into what is mounted there. */
static inline int folder__remove(const char *dir)
{
	return nftw(dir, folder__remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

/* For tests that need one, a new one each. */
static char test_dir[FOLDER_MAX];

static inline int folder__set_up(void **state)
{
	(void)state;
	return folder__make(test_dir);
}

static inline int folder__tear_down(void **state)
{
	(void)state;
	return folder__remove(test_dir);
}

#define folder_test(fn) cmocka_unit_test_setup_teardown(fn, folder__set_up, folder__tear_down)

#endif
