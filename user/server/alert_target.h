/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alert_target - what an alert of Prometheus is about, as the text of a trigger (user/alert/capture_trigger.h): its labels are mapped to ours.
 *
 *      pid                                              that process
 *      container_id, container (of 12 hex digits and more)   container=… (with a scheme such as containerd:// in front, which is left out)
 *      pod_uid                                          pod=…
 *      id, cgroup (a path)                              cgroup=… and what is below it
 *      name, unit (ending in .service and the like)     unit=…
 *      comm, groupname, process, exe                    the same
 *      instance, node, nodename, host, hostname         whose it is: an alert of another host is none of ours
 *
 * Owns: nothing. Thread: any. Limit: the buf's. Errors: -EXDEV it is of another host; -EINVAL it has no labels.
 */
#ifndef EVERPROF_SERVER_ALERT_TARGET_H
#define EVERPROF_SERVER_ALERT_TARGET_H

#include <jansson.h>
#include <stdint.h>

#include "user/server/settings.h"

struct buf;

/* alert: one of `alerts` in the body of a webhook, version 4. Pure. hosts: names of this one. */
int alert_target__map(const json_t *alert, const char (*hosts)[SETTINGS_HOST_MAX], uint32_t n_hosts,
		      struct buf *to);

#endif
