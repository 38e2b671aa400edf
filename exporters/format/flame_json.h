/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flame_json - a call tree as the JSON that our viewer draws, compact enough for a hundred thousand functions.
 *
 *   {"format":"everprof-flame-1","type":"cpu","unit":"nanoseconds","types":[["samples","count"],…],"time_ms":…,"duration_ns":…,
 *    "comments":[…],"diff":false,"folded":0,"texts":["",…],
 *    "frames":[name,binary,kind, …],                 three numbers a frame; name and binary are places in texts, kind is enum frame_kind
 *    "depth":[0,1,…],"frame":[…],"self":[…],"base":[…]}   one entry a node, in preorder; base only in a difference
 *
 * Owns: nothing. Thread: any. Limit: the buf's. Errors: as call_tree.h, the buf's.
 */
#ifndef EVERPROF_FORMAT_FLAME_JSON_H
#define EVERPROF_FORMAT_FLAME_JSON_H

struct buf;
struct call_tree;
struct profile;

/* The tree with its rows; of the profile its head alone is used. */
int flame_json__write(const struct profile *head, const struct call_tree *t, struct buf *to);

#endif
