/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-endpoint-private.h"
#include "pyisolate-early-cancels-private.h"
#include "pyisolate-id-table-private.h"

G_BEGIN_DECLS

/* For the files that an endpoint is made of: pyisolate-endpoint.c, what comes and where it goes;
 * pyisolate-endpoint-calls-out.c, our calls; pyisolate-endpoint-calls-in.c, theirs; pyisolate-endpoint-lanes.c, the lanes. */
struct _PyIsolateEndpoint {
  GObject parent_instance;

  PyIsolateTransport *transport; /* of everything */
  guint32 peer_link; /* the upper half of the ids that the other side gives */

  const PyIsolateEndpointHandler *handler;
  gpointer user_data;
  GDestroyNotify destroy;

  PyIsolateBudget *budget;

  GMutex mutex;
  PyIsolateIdTable calls_out; /* → Pending, ours that have no answer yet */
  PyIsolateIdTable calls_in;  /* → CallIn, theirs that we have not answered */
  guint n_fds_in;             /* that came with them */
  PyIsolateEarlyCancels early_cancels; /* of calls that have not come */
  GError *failure;      /* after fail(): what every further call gets */
  GPtrArray *lanes;     /* of PyIsolateLane; NULL: there can be none */
  PyIsolateLane *spare; /* one of them, which nobody has yet */
  GPtrArray *offered;   /* of PyIsolateLane: those that the other side has not said it takes; as `lanes` */
  gboolean lanes_refused; /* it takes no more */
};

/* pyisolate-endpoint.c: of the transport and of all lanes. */
void _pyisolate_endpoint_on_frame    (PyIsolateTransport *transport,
                                      PyIsolateFrame     *frame,
                                      gpointer            user_data);
void _pyisolate_endpoint_bad_message (PyIsolateEndpoint  *self,
                                      const char         *format,
                                      ...) G_GNUC_PRINTF (2, 3);

/* pyisolate-endpoint-calls-out.c: the table of those that wait, and what comes for them. Each takes the frame. */
void _pyisolate_endpoint_handle_reply    (PyIsolateEndpoint  *self,
                                          PyIsolateTransport *transport,
                                          PyIsolateFrame     *frame_to_take);
void _pyisolate_endpoint_handle_part     (PyIsolateEndpoint  *self,
                                          PyIsolateFrame     *frame_to_take);
void _pyisolate_endpoint_fail_calls_out  (PyIsolateEndpoint  *self,
                                          const GError       *error);
/* Those that went by @transport, which nobody will answer. */
void _pyisolate_endpoint_fail_calls_by   (PyIsolateEndpoint  *self,
                                          PyIsolateTransport *transport,
                                          const GError       *error);
void _pyisolate_endpoint_clear_calls_out (PyIsolateEndpoint  *self);
/* With the lock held: by that way nothing will come any more. */
void _pyisolate_endpoint_forget_cancelled (PyIsolateEndpoint  *self,
                                           PyIsolateTransport *transport);

/* pyisolate-endpoint-calls-in.c: the table of those that are handled here, and what comes of them. */
void _pyisolate_endpoint_handle_call     (PyIsolateEndpoint  *self,
                                          PyIsolateTransport *transport,
                                          PyIsolateFrame     *frame_to_take);
void _pyisolate_endpoint_handle_cancel   (PyIsolateEndpoint  *self,
                                          PyIsolateTransport *transport,
                                          PyIsolateFrame     *frame_to_take);
void _pyisolate_endpoint_cancel_calls_in (PyIsolateEndpoint  *self);
void _pyisolate_endpoint_clear_calls_in  (PyIsolateEndpoint  *self);

/* pyisolate-endpoint-lanes.c */
void _pyisolate_endpoint_drop_lanes  (PyIsolateEndpoint  *self);

G_END_DECLS
