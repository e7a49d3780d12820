/* SPDX-License-Identifier: MIT */
/* The threads that run methods, and which call each of them runs. */
#include "config.h"

#include "pyisolate-runtime-private.h"

static void
free_runner (gpointer data)
{
  PyIsolateRunner *runner = data;

  if (runner->home == PYISOLATE_HOME_MAIN)
    return; /* it ends with the process */

  if (!_pyisolate_runtime_is_forked ())
    {
      g_mutex_lock (&_pyisolate_runtime.mutex);
      if (_pyisolate_runtime.second_runner == runner)
        _pyisolate_runtime.second_runner = NULL;
      g_mutex_unlock (&_pyisolate_runtime.mutex);
    }
  _pyisolate_inbox_unref (runner->inbox);
  g_free (runner);
}

static GPrivate this_runner = G_PRIVATE_INIT (free_runner);

/* Of this thread. The first to ask is the main thread. */
PyIsolateRunner *
_pyisolate_runner_get (unsigned long ident)
{
  PyIsolateRunner *runner = g_private_get (&this_runner);

  if (runner != NULL)
    return runner;

  runner = g_new0 (PyIsolateRunner, 1);
  runner->thread = pthread_self ();
  runner->ident = ident;
  runner->home = PYISOLATE_N_HOMES;
  if (_pyisolate_runtime.main_runner == NULL)
    {
      runner->home = PYISOLATE_HOME_MAIN;
      runner->inbox = _pyisolate_inbox_new_beside (_pyisolate_runtime.inboxes[PYISOLATE_HOME_MAIN]);
      _pyisolate_runtime.main_runner = runner;
    }
  else
    {
      runner->inbox = _pyisolate_inbox_new (FALSE);
    }
  g_private_set (&this_runner, runner);

  return runner;
}

/* FALSE: the call is cancelled already. */
gboolean
_pyisolate_runner_begin (PyIsolateRunner *runner,
                         guint64          id)
{
  PyIsolateInCall *call;
  gboolean go_on = TRUE;

  g_mutex_lock (&_pyisolate_runtime.mutex);
  call = _pyisolate_id_table_lookup (&_pyisolate_runtime.calls_in, id);
  if (call == NULL || call->cancelled)
    {
      go_on = FALSE;
    }
  else
    {
      call->runner = runner;
      call->outer = runner->top;
      call->outer_masked = runner->masked;
      runner->top = call;
      runner->masked = FALSE;
    }
  g_mutex_unlock (&_pyisolate_runtime.mutex);

  return go_on;
}

/* TRUE: the call's def was told that it is cancelled. */
gboolean
_pyisolate_runner_end (PyIsolateRunner *runner)
{
  PyIsolateInCall *call;
  gboolean raised;

  g_mutex_lock (&_pyisolate_runtime.mutex);
  call = runner->top;
  runner->top = call->outer;
  runner->masked = call->outer_masked;
  call->runner = NULL;
  raised = call->raised;
  g_mutex_unlock (&_pyisolate_runtime.mutex);

  return raised;
}

/* Whether the def that this thread runs knows that it is cancelled. */
gboolean
_pyisolate_runner_is_told (PyIsolateRunner *runner)
{
  gboolean told;

  g_mutex_lock (&_pyisolate_runtime.mutex);
  told = runner->top != NULL && runner->top->raised;
  g_mutex_unlock (&_pyisolate_runtime.mutex);

  return told;
}

void
_pyisolate_runner_set_masked (PyIsolateRunner *runner,
                              gboolean         masked)
{
  g_mutex_lock (&_pyisolate_runtime.mutex);
  runner->masked = masked;
  g_mutex_unlock (&_pyisolate_runtime.mutex);
}

static gboolean
is_untold_locked (PyIsolateRunner *runner)
{
  PyIsolateInCall *call = runner->top;

  return call != NULL && !runner->masked && call->cancelled && !call->raised;
}

static gboolean
must_raise_locked (PyIsolateRunner *runner)
{
  if (!is_untold_locked (runner))
    return FALSE;

  runner->top->raised = TRUE;
  return TRUE;
}

/* Whether the def that this thread runs is cancelled and does not know yet. Who asks must tell
 * it. */
gboolean
_pyisolate_runner_must_raise (PyIsolateRunner *runner)
{
  gboolean must_raise;

  g_mutex_lock (&_pyisolate_runtime.mutex);
  must_raise = must_raise_locked (runner);
  g_mutex_unlock (&_pyisolate_runtime.mutex);

  return must_raise;
}

/* How many signals find a loop at work before one interrupts what is no Python in a callback of it. */
#define MAX_ASKED 5

/* Whether it may be left to the main thread's event loop to ask that. */
gboolean
_pyisolate_runner_may_ask (PyIsolateRunner *runner)
{
  gboolean may_ask;

  g_mutex_lock (&_pyisolate_runtime.mutex);
  may_ask = is_untold_locked (runner) && runner->top->n_asked < MAX_ASKED;
  if (may_ask)
    runner->top->n_asked++;
  g_mutex_unlock (&_pyisolate_runtime.mutex);

  return may_ask;
}

static PyIsolateRunner *
find_untold_locked (guint64 id)
{
  PyIsolateInCall *call = _pyisolate_id_table_lookup (&_pyisolate_runtime.calls_in, id);
  PyIsolateRunner *runner = call != NULL ? call->runner : NULL;

  return runner != NULL && runner->top == call && is_untold_locked (runner) ? runner : NULL;
}

/* Python's number of the thread whose def is call @id's, if that is to be told; 0: it is not. */
unsigned long
_pyisolate_runner_find_untold (guint64 id)
{
  PyIsolateRunner *runner;
  unsigned long ident;

  g_mutex_lock (&_pyisolate_runtime.mutex);
  runner = find_untold_locked (id);
  ident = runner != NULL ? runner->ident : 0;
  g_mutex_unlock (&_pyisolate_runtime.mutex);

  return ident;
}

/* The same for who tells it. If it returns one, the mutex is locked, so that the def cannot end
 * before it was told. */
PyIsolateRunner *
_pyisolate_runner_lock_to_raise (guint64 id)
{
  PyIsolateRunner *runner;

  g_mutex_lock (&_pyisolate_runtime.mutex);
  runner = find_untold_locked (id);
  if (runner != NULL && must_raise_locked (runner))
    return runner;
  g_mutex_unlock (&_pyisolate_runtime.mutex);

  return NULL;
}
