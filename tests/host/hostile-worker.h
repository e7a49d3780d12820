/* SPDX-License-Identifier: MIT */
/* Between the files of the hostile worker: hostile-worker.c, its life, and what it does on a lane; hostile-say.c, how it says
 * things; hostile-flood.c, hostile-link.c, hostile-memory.c and hostile-ring.c, what it says and does wrongly. */
#pragma once

#include "pyisolate-lane-private.h"

#include <gio/gio.h>

G_BEGIN_DECLS

#define LINK_INTERFACE "org.pyisolate.Link1"

extern GDBusConnection *hostile_connection;
extern GAsyncQueue *hostile_incoming; /* of GDBusMessage */
extern guint32 hostile_link_number;

gboolean      way_is               (const char       *name);
void          say_ready            (void);
void          send_on_lane         (PyIsolateLane    *lane,
                                    PyIsolateFrameKind kind,
                                    guint64           id,
                                    const char       *name,
                                    const char       *body);

/* hostile-say.c: bodies, as bytes */
GVariant     *bytes_of             (GVariant         *value);
GVariant     *bytes_from_text      (const char       *text);
GVariant     *no_arguments         (void);
guint64       next_id              (void);
void          send_message         (GDBusMessage     *message);
/* Sends a CALL, with bytes for a body; @n_chain: of how many calls. */
void          send_call_full       (guint64           id,
                                    guint             n_chain,
                                    const char       *target,
                                    const char       *method,
                                    GVariant         *bytes);
void          send_call            (const char       *target,
                                    const char       *method,
                                    GVariant         *kwargs);
void          send_signal          (const char       *member,
                                    GVariant         *body);
void          reply_with           (GDBusMessage     *call,
                                    GVariant         *body);
void          reply                (GDBusMessage     *call,
                                    GVariant         *value);
/* To a message that nobody has sent. */
void          reply_to_serial      (guint32           serial);
GDBusMessage *next_of_type         (GDBusMessageType  type);
void          write_raw            (const void       *data,
                                    gsize             length);

/* Answer the call; FALSE: the way is another one. */
gboolean      misbehave_by_reply   (GDBusMessage     *go);
gboolean      misbehave_by_call    (GDBusMessage     *go);
gboolean      misbehave_by_message (GDBusMessage     *go,
                                    guint64           go_id);
gboolean      misbehave_by_memory  (GDBusMessage     *go);
/* Odd, but nothing to end a worker for. */
gboolean      be_odd               (GDBusMessage     *go);

/* hostile-flood.c: for ever; or for so long, with frames that nobody counts, and, perhaps, cancellations of what nobody called */
#define HOSTILE_FLOOD_SECONDS 60

void          flood_with_events    (PyIsolateLane    *lane);
void          flood_with_memory    (PyIsolateLane    *lane,
                                    gboolean          cancels);
void          send_cancel          (guint64           id);

/* hostile-ring.c */
void          scribble_on_rings    (void);
void          hold_bell            (int               wait_fd);

G_END_DECLS
