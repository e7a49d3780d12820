/* SPDX-License-Identifier: MIT */
/* A thread that does what the owner of a lane does: it waits for the socket, reads, and sends what waits. */
#pragma once

#include "pyisolate-lane-private.h"

G_BEGIN_DECLS

typedef struct _LaneReader LaneReader;

/* Before the lane is used, */
LaneReader *lane_reader_new   (PyIsolateLane *lane);
/* once it has a handler, */
void        lane_reader_start (LaneReader    *reader);
/* and when it is closed, if it was started. */
void        lane_reader_free  (LaneReader    *reader);

G_END_DECLS
