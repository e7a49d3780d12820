/* SPDX-License-Identifier: MIT */
/* How a call becomes the frame that travels. */
#include "config.h"

#include "pyisolate-call-struct-private.h"

#include "pyisolate-endpoint-private.h"
#include "pyisolate-error.h"
#include "pyisolate-fd-private.h"
#include "pyisolate-invocation-private.h"
#include "pyisolate-value-private.h"

/* NULL: it is nested too deep. */
static PyIsolateFrame *
new_call_frame (const char           *target,
                const char           *method,
                PyIsolateInvocation  *parent,
                GError              **error)
{
  g_autoptr (PyIsolateFrame) frame = _pyisolate_frame_new (PYISOLATE_FRAME_CALL, _pyisolate_endpoint_new_id ());
  gsize n_chain = 0;
  g_autofree guint64 *chain = _pyisolate_invocation_dup_chain (parent, &n_chain);

  if (n_chain > PYISOLATE_MAX_CHAIN)
    {
      g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT,
                   "The call of “%s” is nested deeper than %d calls", method, PYISOLATE_MAX_CHAIN);
      return NULL;
    }
  if (n_chain > 0)
    _pyisolate_frame_set_chain (frame, chain, n_chain);
  _pyisolate_frame_set_target (frame, target != NULL ? target : "");
  _pyisolate_frame_set_name (frame, method);

  return g_steal_pointer (&frame);
}

static gboolean
check_body (PyIsolateFrame  *frame,
            GError         **error)
{
  return frame->body != NULL && _pyisolate_value_check_size (g_bytes_get_size (frame->body), error);
}

PyIsolateFrame *
_pyisolate_call_new_plain_frame (const char  *method,
                                 GVariant    *args,
                                 GVariant    *kwargs,
                                 GError     **error)
{
  g_autoptr (PyIsolateFrame) frame = new_call_frame (NULL, method, NULL, error);

  if (frame == NULL)
    return NULL;

  frame->body = _pyisolate_call_body_new (args, kwargs, error);
  return check_body (frame, error) ? g_steal_pointer (&frame) : NULL;
}

PyIsolateFrame *
_pyisolate_call_new_request_frame (PyIsolateRequest     *request,
                                   PyIsolateMemoryBook  *memory,
                                   GError              **error)
{
  g_autoptr (PyIsolateFrame) frame = new_call_frame (NULL, request->method, request->parent, error);

  if (frame == NULL || !_pyisolate_attachments_check (request->memories, memory, error))
    return NULL;

  frame->body = g_bytes_ref (request->body);
  if (request->fds != NULL)
    _pyisolate_frame_take_fds (frame, g_steal_pointer (&request->fds), request->n_fds);
  request->n_fds = 0;
  if (request->memories != NULL)
    _pyisolate_frame_take_memories (frame, g_steal_pointer (&request->memories));

  return check_body (frame, error) ? g_steal_pointer (&frame) : NULL;
}

/* What travels of an argument: tensors may lie in the descriptors that go along. Full; NULL with @error set if it is none. */
static GVariant *
adopt_fds (PyIsolateCall  *self,
           GVariant       *value,
           GError        **error)
{
  if (self->fds->len == 0)
    return g_variant_ref (value);

  return _pyisolate_attachments_adopt_fds (_pyisolate_call_get_attachments (self), value,
                                           (const int *) (void *) self->fds->data, self->fds->len, error);
}

static GBytes *
make_body (PyIsolateCall  *self,
           GError        **error)
{
  g_autoptr (GVariant) args = NULL;
  g_autoptr (GVariant) kwargs = NULL;

  if (self->args != NULL && (args = adopt_fds (self, self->args, error)) == NULL)
    return NULL;
  if (self->kwargs != NULL && (kwargs = adopt_fds (self, self->kwargs, error)) == NULL)
    return NULL;

  return _pyisolate_call_body_new (args, kwargs, error);
}

static gboolean
set_body (PyIsolateCall   *self,
          PyIsolateFrame  *frame,
          GError         **error)
{
  frame->body = self->body != NULL ? g_bytes_ref (self->body) : make_body (self, error);

  return check_body (frame, error);
}

static gboolean
move_fds (PyIsolateCall   *self,
          PyIsolateFrame  *frame,
          GError         **error)
{
  guint n_fds = self->fds->len;
  g_autofree int *fds = g_new (int, n_fds);

  for (guint i = 0; i < n_fds; i++)
    {
      fds[i] = _pyisolate_dup_fd (g_array_index (self->fds, int, i), error);
      if (fds[i] < 0)
        {
          while (i-- > 0)
            _pyisolate_clear_fd (&fds[i]);
          return FALSE;
        }
    }

  _pyisolate_frame_take_fds (frame, g_steal_pointer (&fds), n_fds);
  return TRUE;
}

PyIsolateFrame *
_pyisolate_call_make_frame (PyIsolateCall        *self,
                            PyIsolateMemoryBook  *memory,
                            GError              **error)
{
  g_autoptr (PyIsolateFrame) frame = NULL;

  g_assert (PYISOLATE_IS_CALL (self));

  if (self->made)
    {
      g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_FAILED,
                   "This call of “%s” was made before; make a new one for each time", self->method);
      return NULL;
    }
  self->made = TRUE;

  frame = new_call_frame (self->target, self->method, self->parent, error);
  if (frame == NULL)
    return NULL;
  if (!set_body (self, frame, error) || !move_fds (self, frame, error) ||
      !_pyisolate_attachments_move (self->attachments, memory, frame, error))
    return NULL;

  return g_steal_pointer (&frame);
}
