/* SPDX-License-Identifier: Apache-2.0 */
/* The library behind plt_spin: functions that cost nothing, so that the way to them is what is seen. */
int plt_target(int v);
int plt_target(int v)
{
	return v + 1;
}
