/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-lane-private.h"

G_BEGIN_DECLS

/* One side's book of calls over a link: which of ours wait for an answer, which of theirs wait for ours. A link is a
 * transport for everything, and lanes for calls. */

#define PYISOLATE_TYPE_ENDPOINT (_pyisolate_endpoint_get_type ())
G_DECLARE_FINAL_TYPE (PyIsolateEndpoint, _pyisolate_endpoint, PYISOLATE, ENDPOINT, GObject)

/* More calls of the other side in flight than this are answered with LIMIT. */
#define PYISOLATE_MAX_CALLS_IN 4096

/* So are calls that would make it more descriptors that came with all of these. */
#define PYISOLATE_MAX_FDS_IN 512

/* When more than so many bytes have arrived that nobody has taken yet, the link ends with LIMIT. */
#define PYISOLATE_MAX_BYTES_IN ((gsize) 1 << 30)

/* They are called from the thread that reads. `incoming` gets CALL, CANCEL, LOG and every EVENT. When the endpoint fails it
 * gets a CANCEL for each CALL that is not answered. `lane_lost` (may be NULL): the other side has closed a lane. */
typedef struct {
  void (*incoming) (PyIsolateEndpoint *endpoint,
                    PyIsolateFrame    *frame /* transfer full */,
                    gpointer           user_data);
  void (*closed)   (PyIsolateEndpoint *endpoint,
                    const GError      *error,
                    gpointer           user_data);
  void (*lane_lost) (PyIsolateEndpoint *endpoint,
                     gpointer           user_data);
} PyIsolateEndpointHandler;

/* At most so many lanes at a time. */
#define PYISOLATE_MAX_LANES 64

/* Called from the thread that reads with each PROGRESS and EVENT of a call and at last with its RETURN or ERROR; or with
 * an @error and no frame when the endpoint fails. */
typedef void (*PyIsolateReplyFunc) (PyIsolateFrame *frame /* transfer full, nullable */,
                                    const GError   *error,
                                    gpointer        user_data);

/* A call that waits, of pyisolate-endpoint-calls-out.c; zeros at first. */
typedef struct {
  gatomicrefcount ref_count;
  gboolean is_own; /* the endpoint's */
  guint64 id;
  PyIsolateTransport *transport; /* by which it went; only to be compared, or while its lane is in the book */
  PyIsolateReplyFunc func; /* NULL: cancelled */
  gpointer user_data;
  GDestroyNotify destroy;
} PyIsolatePending;

PyIsolateEndpoint *_pyisolate_endpoint_new     (PyIsolateTransport             *transport,
                                                guint32                         peer_link);
/* Of its transport, or NULL. */
PyIsolateMemoryBook *_pyisolate_endpoint_get_memory (PyIsolateEndpoint         *self);
void               _pyisolate_endpoint_start   (PyIsolateEndpoint              *self,
                                                const PyIsolateEndpointHandler *handler,
                                                gpointer                        user_data,
                                                GDestroyNotify                  destroy);
/* Lanes. @take_fd: one end of the first, of which the other side has the other end. */
void               _pyisolate_endpoint_allow_lanes (PyIsolateEndpoint          *self,
                                                    PyIsolateLane              *lane);
/* A lane for somebody who will read it; NULL: there is none to be had. */
PyIsolateLane     *_pyisolate_endpoint_open_lane   (PyIsolateEndpoint          *self);
/* Handles in this thread what is there on all lanes. */
void               _pyisolate_endpoint_drain       (PyIsolateEndpoint          *self);
guint64            _pyisolate_endpoint_new_id  (void);
/* @lane: (nullable): by which it goes */
gboolean           _pyisolate_endpoint_call    (PyIsolateEndpoint              *self,
                                                PyIsolateLane                  *lane,
                                                PyIsolateFrame                 *frame /* transfer full */,
                                                PyIsolateReplyFunc              func,
                                                gpointer                        user_data,
                                                GDestroyNotify                  destroy,
                                                GError                        **error);
gboolean           _pyisolate_endpoint_call_by (PyIsolateEndpoint              *self,
                                                PyIsolateLane                  *lane,
                                                PyIsolateFrame                 *frame /* transfer full */,
                                                PyIsolatePending               *pending,
                                                PyIsolateReplyFunc              func,
                                                gpointer                        user_data,
                                                GDestroyNotify                  destroy,
                                                GError                        **error);
void               _pyisolate_endpoint_cancel  (PyIsolateEndpoint              *self,
                                                guint64                         id);
void               _pyisolate_endpoint_respond (PyIsolateEndpoint              *self,
                                                PyIsolateFrame                 *frame /* transfer full */);
/* Notes what handles a call of theirs, without a reference, until the call is answered: which it must be before the object is
 * finalized, in its dispose() at the latest. FALSE: the call is cancelled, and whoever was told so found nothing attached. */
gboolean           _pyisolate_endpoint_attach  (PyIsolateEndpoint              *self,
                                                guint64                         id,
                                                GObject                        *object) G_GNUC_WARN_UNUSED_RESULT;
GObject           *_pyisolate_endpoint_dup_attached (PyIsolateEndpoint         *self,
                                                     guint64                    id);
void               _pyisolate_endpoint_fail    (PyIsolateEndpoint              *self,
                                                const GError                   *error);
void               _pyisolate_endpoint_close   (PyIsolateEndpoint              *self,
                                                const GError                   *reason);

G_END_DECLS
