/* SPDX-License-Identifier: MIT */
/* The calls that are under way: what an extension asks of the host because of one can be done where the call was made. */
#include "config.h"

#include "pyisolate-operation-struct-private.h"

#include "pyisolate-id-table-private.h"

static GMutex all_mutex;
static PyIsolateIdTable all; /* → PyIsolateOperation, not referenced */

/* With the lock held. */
static PyIsolateCall *
get_call_locked (PyIsolateOperation *self)
{
  if (self->call == NULL)
    {
      self->call = pyisolate_call_new (self->method);
      if (self->body != NULL)
        pyisolate_call_set_body (self->call, self->body);
      pyisolate_call_set_args (self->call, self->args);
      pyisolate_call_set_kwargs (self->call, self->kwargs);
    }

  return self->call;
}

PyIsolateCall *
_pyisolate_operation_get_call (PyIsolateOperation *self)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&all_mutex);

  return get_call_locked (self);
}

void
_pyisolate_operation_enter (PyIsolateOperation *self)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&all_mutex);

  _pyisolate_id_table_insert (&all, self->id, self);
}

void
_pyisolate_operation_leave (PyIsolateOperation *self)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&all_mutex);

  _pyisolate_id_table_steal (&all, self->id);
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

  return g_object_ref (get_call_locked (self));
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
