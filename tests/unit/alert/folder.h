/* SPDX-License-Identifier: Apache-2.0 */
/* folder - an empty folder for each test, gone with all that is in it afterwards. */
#ifndef EVERPROF_TESTS_ALERT_FOLDER_H
#define EVERPROF_TESTS_ALERT_FOLDER_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char dir[64];

static int make_dir(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/everprof-alert.XXXXXX"); /* the letters are mkdtemp's */
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static int remove_dir(void **state)
{
	(void)state;
	return nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
