// SPDX-License-Identifier: Apache-2.0
#include "user/base/syscall_name.h"

#include <stddef.h>
#include <string.h>

static const char *const names[] = {
#include "syscall_names.h"
};

/* What a build on an older system does not know; from 424 on, the numbers are the same everywhere. */
static const struct {
	int number;
	const char *name;
} newer[] = {
	{450, "set_mempolicy_home_node"},
	{451, "cachestat"},
	{452, "fchmodat2"},
	{453, "map_shadow_stack"},
	{454, "futex_wake"},
	{455, "futex_wait"},
	{456, "futex_requeue"},
	{457, "statmount"},
	{458, "listmount"},
	{459, "lsm_get_self_attr"},
	{460, "lsm_set_self_attr"},
	{461, "lsm_list_modules"},
	{462, "mseal"},
	{463, "setxattrat"},
	{464, "getxattrat"},
	{465, "listxattrat"},
	{466, "removexattrat"},
	{467, "open_tree_attr"},
	{468, "file_getattr"},
	{469, "file_setattr"},
	{470, "listns"},
};

#define N_NAMES ((int)(sizeof(names) / sizeof(*names)))
#define N_NEWER (sizeof(newer) / sizeof(*newer))

const char *syscall_name__get(int number)
{
	if (number >= 0 && number < N_NAMES && names[number])
		return names[number];
	for (size_t i = 0; i < N_NEWER; i++)
		if (newer[i].number == number)
			return newer[i].name;
	return NULL;
}

bool syscall_name__is_known(const char *name)
{
	for (int i = 0; i < N_NAMES; i++)
		if (names[i] && !strcmp(names[i], name))
			return true;
	for (size_t i = 0; i < N_NEWER; i++)
		if (!strcmp(newer[i].name, name))
			return true;
	return false;
}
