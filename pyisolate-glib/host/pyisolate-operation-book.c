/* SPDX-License-Identifier: MIT */
/* The calls that are under way: what an extension asks of the host because of one can be done where the call was made. */
#include "config.h"

#include "pyisolate-operation-struct-private.h"

#include "pyisolate-id-table-private.h"

static GMutex all_mutex;
static PyIsolateIdTable all; /* → PyIsolateOperation, not referenced */

static void
set_body (PyIsolateOperation *self)
{
  g_autoptr (GBytes) body = NULL;

  if (self->small_body != NULL)
    body = g_bytes_new (self->small_body, self->small_size);
  else if (self->body != NULL)
    body = g_bytes_ref (self->body);
  if (body != NULL)
    pyisolate_call_set_body (self->call, body);
}

/* With the lock held. */
static PyIsolateCall *
ref_call_locked (PyIsolateOperation *self)
{
  if (self->over)
    return NULL;

  if (self->call == NULL)
    {
      self->call = pyisolate_call_new (self->method);
      set_body (self);
      pyisolate_call_set_args (self->call, self->args);
      pyisolate_call_set_kwargs (self->call, self->kwargs);
    }

  return g_object_ref (self->call);
}

PyIsolateCall *
_pyisolate_operation_ref_call (PyIsolateOperation *self)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&all_mutex);

  return ref_call_locked (self);
}

void
_pyisolate_operation_be_over (PyIsolateOperation *self)
{
  self->over = TRUE;
  g_clear_object (&self->cancellable);
  if (self->call != NULL) /* nobody else sets it any more, but the deadline may just ask for its name */
    {
      g_autoptr (PyIsolateCall) call = NULL;

      g_mutex_lock (&all_mutex);
      call = g_steal_pointer (&self->call);
      g_mutex_unlock (&all_mutex);
    }
}

char *
_pyisolate_operation_dup_method (PyIsolateOperation *self)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&all_mutex);

  if (self->method != NULL)
    return g_strdup (self->method);

  return g_strdup (self->call != NULL ? pyisolate_call_get_method (self->call) : "");
}

void
_pyisolate_operation_enter (PyIsolateOperation *self)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&all_mutex);

  self->entered = TRUE;
  _pyisolate_id_table_insert (&all, self->id, self);
}

void
_pyisolate_operation_leave (PyIsolateOperation *self)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&all_mutex);

  if (self->entered)
    _pyisolate_id_table_steal (&all, self->id);
  self->entered = FALSE;
}

PyIsolateMailbox *
_pyisolate_operation_ref_mailbox (guint64 id)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&all_mutex);
  PyIsolateOperation *self = _pyisolate_id_table_lookup (&all, id);

  return self != NULL ? _pyisolate_mailbox_ref (self->mailbox) : NULL;
}

PyIsolateCall *
_pyisolate_operation_dup_call (guint64  id,
                               gboolean even_a_request)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&all_mutex);
  PyIsolateOperation *self = _pyisolate_id_table_lookup (&all, id);

  if (self == NULL || (self->answer_func != NULL && !even_a_request))
    return NULL;

  return ref_call_locked (self);
}

/* FALSE: it is being freed. */
static gboolean
try_ref (PyIsolateOperation *self)
{
  int n;

  do
    n = g_atomic_int_get (&self->ref_count);
  while (n > 0 && !g_atomic_int_compare_and_exchange (&self->ref_count, n, n + 1));

  return n > 0;
}

PyIsolateOperation *
_pyisolate_operation_lookup (guint64 id)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&all_mutex);
  PyIsolateOperation *self = _pyisolate_id_table_lookup (&all, id);

  return self != NULL && try_ref (self) ? self : NULL;
}
