/* SPDX-License-Identifier: MIT */
/* Inbox: answers to the calls made in one context, on their way to Python.
 *
 * They are put in by whoever reads them, most of the time the context's own thread, with locks of the library's held and
 * without the GIL. Calls under way keep it, also after its context has gone. */
#include "pyisolate-host-private.h"

#define FIRST_PLACES 16

struct _PyIsolateHostInbox {
  gatomicrefcount ref_count;
  GMainContext *context;

  GMutex mutex; /* guards the rest */
  PyIsolateAnswer **answers; /* a ring of so many places */
  guint n_places;
  guint first;
  guint n_answers; /* atomic to read */
  guint n_parts;   /* the same: of them, those that are not the end of a call */
};

static _Thread_local PyIsolateHostInbox *read_here;

/* What is at the beginning stays in order. */
static void
grow_locked (PyIsolateHostInbox *self)
{
  guint n_places = MAX (self->n_places * 2, FIRST_PLACES);
  PyIsolateAnswer **answers = g_new (PyIsolateAnswer *, n_places);

  for (guint i = 0; i < self->n_answers; i++)
    answers[i] = self->answers[(self->first + i) % self->n_places];
  g_free (self->answers);
  self->answers = answers;
  self->n_places = n_places;
  self->first = 0;
}

static gboolean
is_part (PyIsolateAnswer *answer)
{
  return answer->text != NULL || answer->name != NULL;
}

static void
push_locked (PyIsolateHostInbox *self,
             PyIsolateAnswer    *answer)
{
  if (self->n_answers == self->n_places)
    grow_locked (self);
  self->answers[(self->first + self->n_answers) % self->n_places] = answer;
  g_atomic_int_set (&self->n_answers, self->n_answers + 1);
  if (is_part (answer))
    g_atomic_int_set (&self->n_parts, self->n_parts + 1);
}

/* NULL: there is none. */
static PyIsolateAnswer *
pop_locked (PyIsolateHostInbox *self)
{
  PyIsolateAnswer *answer;

  if (self->n_answers == 0)
    return NULL;

  answer = self->answers[self->first];
  self->first = (self->first + 1) % self->n_places;
  g_atomic_int_set (&self->n_answers, self->n_answers - 1);
  if (is_part (answer))
    g_atomic_int_set (&self->n_parts, self->n_parts - 1);

  return answer;
}

PyIsolateHostInbox *
_pyisolate_host_inbox_new (GMainContext *context)
{
  PyIsolateHostInbox *self = g_new0 (PyIsolateHostInbox, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->context = g_main_context_ref (context);
  g_mutex_init (&self->mutex);

  return self;
}

PyIsolateHostInbox *
_pyisolate_host_inbox_ref (PyIsolateHostInbox *self)
{
  g_atomic_ref_count_inc (&self->ref_count);

  return self;
}

void
_pyisolate_host_inbox_unref (gpointer data)
{
  PyIsolateHostInbox *self = data;

  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;

  while (self->n_answers > 0)
    {
      PyIsolateAnswer *answer = pop_locked (self);

      pyisolate_answer_pass_on (answer);
      pyisolate_answer_free (answer);
    }
  g_free (self->answers);
  g_main_context_unref (self->context);
  g_mutex_clear (&self->mutex);
  g_free (self);
}

PyIsolateHostInbox *
_pyisolate_host_inbox_set_read (PyIsolateHostInbox *self)
{
  PyIsolateHostInbox *before = read_here;

  read_here = self;
  return before;
}

void
_pyisolate_host_inbox_put (PyIsolateAnswer *answer,
                           gpointer         data)
{
  PyIsolateHostInbox *self = data;

  g_mutex_lock (&self->mutex);
  push_locked (self, answer);
  g_mutex_unlock (&self->mutex);

  if (read_here != self)
    g_main_context_wakeup (self->context);
}

PyIsolateAnswer *
_pyisolate_host_inbox_take (PyIsolateHostInbox *self)
{
  PyIsolateAnswer *answer;

  if (!_pyisolate_host_inbox_has_any (self))
    return NULL;

  g_mutex_lock (&self->mutex);
  answer = pop_locked (self);
  g_mutex_unlock (&self->mutex);

  return answer;
}

gboolean
_pyisolate_host_inbox_has_any (PyIsolateHostInbox *self)
{
  return g_atomic_int_get (&self->n_answers) > 0;
}

gboolean
_pyisolate_host_inbox_has_parts (PyIsolateHostInbox *self)
{
  return read_here == self && g_atomic_int_get (&self->n_parts) > 0;
}
