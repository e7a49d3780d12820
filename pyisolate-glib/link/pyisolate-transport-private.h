/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-frame-private.h"
#include "pyisolate-memory-private.h"

G_BEGIN_DECLS

/* What carries frames between a host and one worker, in order. Implementations: PyIsolateDBusTransport, PyIsolateLane. */

#define PYISOLATE_TYPE_TRANSPORT (_pyisolate_transport_get_type ())
G_DECLARE_DERIVABLE_TYPE (PyIsolateTransport, _pyisolate_transport, PYISOLATE, TRANSPORT, GObject)

/* Called from a thread of the transport's own choice, never two at a time. `closed` comes once, after the last frame, with
 * the error that ended the transport, or NULL at the other side's orderly end or after `close`. */
typedef struct {
  void (*frame)  (PyIsolateTransport *transport,
                  PyIsolateFrame     *frame /* transfer full */,
                  gpointer            user_data);
  void (*closed) (PyIsolateTransport *transport,
                  const GError       *error,
                  gpointer            user_data);
} PyIsolateTransportHandler;

struct _PyIsolateTransportClass {
  GObjectClass parent_class;

  void     (*start) (PyIsolateTransport *self);
  gboolean (*send)  (PyIsolateTransport *self,
                     PyIsolateFrame     *frame,
                     GError            **error);
  void     (*close) (PyIsolateTransport *self,
                     const GError       *reason);
  /* Optional: keeps *@frame, which it steals, to send it later by _pyisolate_transport_send_now(). FALSE: it is an error
   * that it would have to. */
  gboolean (*hold)  (PyIsolateTransport *self,
                     PyIsolateFrame    **frame,
                     GError            **error);
};

/* From then on frames give and take shared memory. To be set before the start. */
void     _pyisolate_transport_set_memory (PyIsolateTransport          *self,
                                          PyIsolateMemoryBook         *memory);
PyIsolateMemoryBook *_pyisolate_transport_get_memory (PyIsolateTransport *self);
void     _pyisolate_transport_start  (PyIsolateTransport              *self,
                                      const PyIsolateTransportHandler *handler,
                                      gpointer                         user_data,
                                      GDestroyNotify                   destroy);
gboolean _pyisolate_transport_send   (PyIsolateTransport              *self,
                                      PyIsolateFrame                  *frame /* transfer full */,
                                      GError                         **error);
void     _pyisolate_transport_close  (PyIsolateTransport              *self,
                                      const GError                    *reason);

/* For implementations. */
gboolean _pyisolate_transport_send_now    (PyIsolateTransport *self,
                                           PyIsolateFrame     *frame /* transfer full */,
                                           GError            **error);
void     _pyisolate_transport_emit_frame  (PyIsolateTransport *self,
                                           PyIsolateFrame     *frame /* transfer full */);
void     _pyisolate_transport_emit_closed (PyIsolateTransport *self,
                                           const GError       *error);

G_END_DECLS
