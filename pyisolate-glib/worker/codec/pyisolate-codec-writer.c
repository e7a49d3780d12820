/* SPDX-License-Identifier: MIT */
/* The buffer of the encoder, and the words for what cannot be put into it. */
#include "config.h"

#include "pyisolate-codec-writer.h"

#include <unistd.h>

#define FIRST_CAPACITY 512
#define SPARE_CAPACITY (16 * 1024)
#define MAX_KEY_CHARACTERS 40

/* One buffer is used again and again, while nobody keeps what is in it for long. */
static gpointer spare;

static void
give_back (gpointer data)
{
  if (!g_atomic_pointer_compare_and_exchange (&spare, NULL, data))
    g_free (data);
}

void
_pyisolate_encoder_begin (Encoder *self)
{
  static gboolean is_made; /* guarded by the GIL */

  if (!is_made)
    give_back (g_malloc (SPARE_CAPACITY));
  is_made = TRUE;

  self->data = g_atomic_pointer_exchange (&spare, NULL);
  self->is_spare = self->data != NULL;
  self->capacity = self->is_spare ? SPARE_CAPACITY : 0;
}

/* What was written. */
GBytes *
_pyisolate_encoder_take (Encoder *self)
{
  if (self->is_spare)
    return g_bytes_new_with_free_func (self->data, self->len, give_back, self->data);
  return g_bytes_new_take (self->data, self->len);
}

void
_pyisolate_encoder_drop (Encoder *self)
{
  if (self->is_spare)
    give_back (self->data);
  else
    g_free (self->data);
}

static gboolean
check_size (Encoder *self,
            gsize    size)
{
  if (size <= PYISOLATE_VALUE_MAX_SIZE)
    return TRUE;
  _pyisolate_encoder_fail (self, PyExc_ValueError,
                           "cannot send %" G_GSIZE_FORMAT " bytes or more at once, the limit is %d",
                           size, PYISOLATE_VALUE_MAX_SIZE);
  return FALSE;
}

/* Whether all that was written can be sent. */
gboolean
_pyisolate_encoder_fits (Encoder *self)
{
  return check_size (self, self->len);
}

gboolean
_pyisolate_encoder_grow (Encoder *self,
                         gsize    n_bytes)
{
  gsize needed = self->len + n_bytes;
  gsize capacity = MAX (self->capacity * 2, FIRST_CAPACITY);
  guint8 *data;

  if (!check_size (self, needed))
    return FALSE;

  capacity = CLAMP (capacity, needed + ENCODER_SLACK, PYISOLATE_VALUE_MAX_SIZE + ENCODER_SLACK);
  data = g_try_realloc (self->is_spare ? NULL : self->data, capacity);
  if (data == NULL)
    {
      PyErr_NoMemory ();
      return FALSE;
    }
  if (self->is_spare)
    {
      memcpy (data, self->data, self->len);
      give_back (self->data);
      self->is_spare = FALSE;
    }
  self->data = data;
  self->capacity = capacity;
  return TRUE;
}

gboolean
_pyisolate_encoder_grow_ends (Encoder *self)
{
  gsize capacity = self->ends_capacity * 2;
  gboolean is_first = self->ends == self->first_ends;
  guint32 *ends = g_try_realloc_n (is_first ? NULL : self->ends, capacity, sizeof *ends);

  if (ends == NULL)
    {
      PyErr_NoMemory ();
      return FALSE;
    }
  if (is_first)
    memcpy (ends, self->first_ends, sizeof self->first_ends);
  self->ends = ends;
  self->ends_capacity = capacity;
  return TRUE;
}

/* @step: 1 or -1, to the next of @ends */
static inline void
put_offsets (guint8        *to,
             const guint32 *ends,
             gssize         step,
             gsize          n_offsets,
             guint          width)
{
  for (gsize i = 0; i < n_offsets; i++)
    {
      guint32 little = GUINT32_TO_LE (ends[(gssize) i * step]);

      memcpy (to + i * width, &little, width);
    }
}

/* Appends the offsets above @mark to the container that began at @start. */
gboolean
_pyisolate_encoder_close (Encoder *self,
                          gsize    start,
                          gsize    mark,
                          gboolean reversed)
{
  gsize n_offsets = self->n_ends - mark;
  gsize total = _pyisolate_framed_size (self->len - start, n_offsets);
  guint width = _pyisolate_offset_width (total);
  const guint32 *ends = &self->ends[reversed && n_offsets > 0 ? self->n_ends - 1 : mark];
  gssize step = reversed ? -1 : 1;
  guint8 *to;

  if (!encoder_reserve (self, n_offsets * width))
    return FALSE;
  to = self->data + self->len;
  if (width == 1)
    put_offsets (to, ends, step, n_offsets, 1);
  else if (width == 2)
    put_offsets (to, ends, step, n_offsets, 2);
  else
    put_offsets (to, ends, step, n_offsets, 4);
  self->len += n_offsets * width;
  self->n_ends = mark;
  return TRUE;
}

const char *
_pyisolate_encoder_any_utf8 (PyObject   *string,
                             Py_ssize_t *length)
{
  const char *utf8 = PyUnicode_AsUTF8AndSize (string, length);

  if (utf8 == NULL)
    {
      if (PyErr_ExceptionMatches (PyExc_UnicodeError))
        PyErr_Clear ();
      return NULL;
    }
  return memchr (utf8, 0, *length) == NULL ? utf8 : NULL;
}

/* Takes what was put in after that many descriptors and pieces of memory out of the parcel. */
void
_pyisolate_encoder_unpack (Encoder *self,
                           guint    n_fds,
                           guint    n_memories)
{
  GArray *fds = self->parcel != NULL ? self->parcel->fds : NULL;

  for (guint i = n_fds; fds != NULL && i < fds->len; i++)
    close (g_array_index (fds, int, i));
  if (fds != NULL)
    g_array_set_size (fds, n_fds);
  if (encoder_count_memories (self->parcel) > n_memories)
    g_ptr_array_set_size (*self->parcel->memories, n_memories);
}

/* --- Messages --- */

/* A key as Python writes it; other types than the plain ones might run code: only their name. */
static void
append_key (GString  *place,
            PyObject *key)
{
  PyTypeObject *type = Py_TYPE (key);
  PyObject *text = NULL, *ascii = NULL;
  const char *utf8 = NULL;
  Py_ssize_t length;

  if (type == &PyUnicode_Type)
    text = PyUnicode_Substring (key, 0, MAX_KEY_CHARACTERS);
  else if (type == &PyLong_Type && PyLong_AsLongLong (key) != -1)
    {
      text = key;
      Py_INCREF (text);
    }
  PyErr_Clear ();

  if (text != NULL)
    ascii = PyObject_ASCII (text);
  if (ascii != NULL)
    utf8 = PyUnicode_AsUTF8AndSize (ascii, &length);
  if (utf8 != NULL)
    {
      g_string_append (place, utf8);
    }
  else
    {
      g_autofree char *name = _pyisolate_codec_type_name (type);

      g_string_append (place, name);
    }
  PyErr_Clear ();
  Py_XDECREF (text);
  Py_XDECREF (ascii);
}

static void
append_step (GString           *place,
             const EncoderStep *step)
{
  switch (step->kind)
    {
    case STEP_INDEX:
    case STEP_KEY:
      g_string_append_c (place, '[');
      if (step->key != NULL)
        append_key (place, step->key);
      else
        g_string_append_printf (place, "%" G_GSSIZE_FORMAT, (gssize) step->index);
      g_string_append_c (place, ']');
      break;
    case STEP_ATTRIBUTE:
      {
        const char *name = step->name;

        if (step->key != NULL)
          name = PyUnicode_AsUTF8AndSize (step->key, NULL);
        if (name != NULL)
          g_string_append_printf (place, ".%s", name);
        PyErr_Clear ();
      }
      break;
    case STEP_ELEMENT:
      g_string_append (place, "{…}");
      break;
    case STEP_ARGUMENT:
    case STEP_INSIDE:
    default:
      break;
    }
}

/* "argument 2 → ['image'][0]" */
static char *
encoder_place (Encoder *self)
{
  GString *place = g_string_new (NULL);
  guint first = 0;
  gsize before;

  if (self->n_steps > 0 && self->steps[0].kind == STEP_ARGUMENT)
    {
      const EncoderStep *step = &self->steps[0];

      g_string_append (place, "argument ");
      if (step->key != NULL)
        append_key (place, step->key);
      else
        g_string_append_printf (place, "%" G_GSSIZE_FORMAT, (gssize) step->index + 1);
      first = 1;
    }
  else
    {
      g_string_append (place, self->what);
    }

  before = place->len;
  for (guint i = first; i < self->n_steps; i++)
    append_step (place, &self->steps[i]);
  if (place->len > before)
    g_string_insert (place, before, " → ");
  return g_string_free (place, FALSE);
}

/* Sets an exception that says where it happened. Always -1. */
int
_pyisolate_encoder_fail (Encoder    *self,
                         PyObject   *exception,
                         const char *format,
                         ...)
{
  g_autofree char *place = encoder_place (self);
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);

  PyErr_Format (exception, "%s (at %s)", text, place);
  return -1;
}

int
_pyisolate_encoder_too_deep (Encoder *self)
{
  return _pyisolate_encoder_fail (self, PyExc_ValueError,
                                  "nested deeper than can be sent: at most %d arrays, %d structs, "
                                  "%d levels in all; something that contains itself has no end",
                                  PYISOLATE_VALUE_MAX_ARRAYS, PYISOLATE_VALUE_MAX_STRUCTS,
                                  PYISOLATE_VALUE_MAX_LEVELS);
}
