/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd - the subcommands of everprof, one function each.
 *
 * argv[0] is the subcommand's own name, the rest its arguments. The result is the exit status: 0 done, 1 failed (one clear line on
 * stderr), 2 wrong usage, 3 an assertion, a threshold or a comparison did not hold.
 *
 * Owns: nothing. Thread: the main one. Limit: none. Errors: the exit status.
 */
#ifndef EVERPROF_CMD_CMD_H
#define EVERPROF_CMD_CMD_H

int cmd_agent(int argc, char **argv);
int cmd_captures(int argc, char **argv);
int cmd_config(int argc, char **argv);
int cmd_record(int argc, char **argv);
int cmd_flamegraph(int argc, char **argv);
int cmd_merge(int argc, char **argv);
int cmd_diff(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_rules(int argc, char **argv);
int cmd_top(int argc, char **argv);

#endif
