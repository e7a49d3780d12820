/* SPDX-License-Identifier: MIT */
/* Whether objects look inside as they are thought to: some are made by the limited API, and what is read from within is compared
 * with what that says of them. */
#include "config.h"

#include "pyisolate-codec-objects.h"

#include "pyisolate-codec-internal.h"

CodecKnown _pyisolate_known;

/* An attribute of a type. -1: an exception is set. */
static Py_ssize_t
get_size (PyTypeObject *type,
          const char   *name)
{
  PyObject *object = _pyisolate_codec_get ((PyObject *) type, name);
  Py_ssize_t size = object != NULL ? PyLong_AsSsize_t (object) : -1;

  Py_XDECREF (object);
  return size;
}

static gboolean
has_sizes (PyTypeObject *type,
           Py_ssize_t    basic,
           Py_ssize_t    item)
{
  return get_size (type, "__basicsize__") == basic && get_size (type, "__itemsize__") == item;
}

/* --- Lists and tuples --- */

static gboolean
are_items (PyObject *const *items)
{
  return items[0] == Py_None && items[1] == Py_True && items[2] == Py_False
         && items[3] == (PyObject *) &PyList_Type;
}

static gboolean
know_list (void)
{
  PyObject *object = Py_BuildValue ("[OOOO]", Py_None, Py_True, Py_False, &PyList_Type);
  PyObject *empty = PyList_New (2);
  const CodecList *list = (const CodecList *) object;
  gboolean known = FALSE;

  if (object != NULL && empty != NULL && has_sizes (&PyList_Type, sizeof *list, 0))
    {
      const CodecList *places = (const CodecList *) empty;

      known = list->base.ob_size == 4 && list->n_allocated >= 4 && list->n_allocated < 64
              && list->items != NULL && are_items (list->items)
              && places->base.ob_size == 2 && places->n_allocated >= 2 && places->items != NULL
              && places->items[0] == NULL && places->items[1] == NULL;
    }
  Py_XDECREF (object);
  Py_XDECREF (empty);
  return known;
}

static gboolean
know_tuple (void)
{
  PyObject *object = Py_BuildValue ("(OOOO)", Py_None, Py_True, Py_False, &PyList_Type);
  const CodecTuple *tuple = (const CodecTuple *) object;
  gboolean known = FALSE;

  if (object != NULL && has_sizes (&PyTuple_Type, G_STRUCT_OFFSET (CodecTuple, items), sizeof tuple->items[0]))
    known = tuple->base.ob_size == 4 && are_items (tuple->items);
  Py_XDECREF (object);
  return known;
}

/* --- Numbers --- */

#define MAX_TWO_DIGITS (((gint64) 1 << (2 * CODEC_INT_DIGIT_BITS)) - 1)

static gboolean
know_float (void)
{
  static const double samples[] = { 1.5, -0.1, 1e300 };
  gboolean known = has_sizes (&PyFloat_Type, sizeof (CodecFloat), 0);

  for (guint i = 0; known && i < G_N_ELEMENTS (samples); i++)
    {
      PyObject *object = PyFloat_FromDouble (samples[i]);

      known = object != NULL && memcmp (&((CodecFloat *) object)->value, &samples[i], sizeof samples[i]) == 0;
      Py_XDECREF (object);
    }
  return known;
}

/* Whether all numbers of up to two digits, and no others, are read right. */
static gboolean
reads_ints (CodecIntHead form)
{
  static const gint64 samples[] = {
    0, 1, 7, -1, -5, 256, 257, -257, (1 << 29) + 3, (1 << 30) - 1, -(1 << 30) + 1, 1 << 30, -(1 << 30),
    G_GINT64_CONSTANT (0x0123456789abcde), -G_GINT64_CONSTANT (0x0edcba987654321),
    MAX_TWO_DIGITS, MAX_TWO_DIGITS + 1, -MAX_TWO_DIGITS, -MAX_TWO_DIGITS - 1, G_MAXINT64, G_MININT64,
  };
  gboolean right = TRUE;

  for (guint i = 0; right && i < G_N_ELEMENTS (samples); i++)
    {
      PyObject *object = PyLong_FromLongLong (samples[i]);
      gboolean is_short = samples[i] >= -MAX_TWO_DIGITS && samples[i] <= MAX_TWO_DIGITS;
      gint64 value;

      right = object != NULL && _pyisolate_int_read (object, form, &value) == is_short
              && (!is_short || value == samples[i]);
      Py_XDECREF (object);
    }
  return right;
}

static CodecIntHead
know_int (void)
{
  if (!has_sizes (&PyLong_Type, G_STRUCT_OFFSET (CodecInt, digits), sizeof (guint32)))
    return CODEC_INTS_UNKNOWN;
  if (reads_ints (CODEC_INTS_BY_SIZE))
    return CODEC_INTS_BY_SIZE;
  return reads_ints (CODEC_INTS_BY_TAG) ? CODEC_INTS_BY_TAG : CODEC_INTS_UNKNOWN;
}

/* --- Texts --- */

/* Where the characters of @utf8 are in a string made of it; 0: it is not stored as ASCII. */
static gsize
find_ascii (const char *utf8)
{
  PyObject *object = PyUnicode_FromString (utf8);
  const CodecText *text = (const CodecText *) object;
  const char *inside = object != NULL ? PyUnicode_AsUTF8AndSize (object, NULL) : NULL;
  gsize at = 0;

  if (inside != NULL && text->length == PyUnicode_GetLength (object)
      && (text->state & CODEC_TEXT_STATE_MASK) == CODEC_TEXT_STATE_ASCII)
    at = inside - (const char *) object;
  Py_XDECREF (object);
  return at;
}

static gsize
know_text (void)
{
  static const char *const others[] = { "\xc3\xa9", "a\xc3\xa9", "a\xe2\x82\xac", "a\xf0\x9f\x98\x80" };
  static const char *const samples[] = { "", "a", "some text", "a text that is longer than what is thought to be short" };
  gsize at = find_ascii (samples[0]);

  if (at < sizeof (CodecText) || at > 64)
    return 0;
  for (guint i = 0; i < G_N_ELEMENTS (samples); i++)
    {
      if (find_ascii (samples[i]) != at)
        return 0;
    }
  for (guint i = 0; i < G_N_ELEMENTS (others); i++)
    {
      if (find_ascii (others[i]) != 0)
        return 0;
    }
  return at;
}

gboolean
_pyisolate_objects_init (void)
{
  CodecKnown known;

  known.lists = know_list ();
  known.tuples = know_tuple ();
  known.floats = know_float ();
  known.ints = know_int ();
  known.ascii = know_text ();
  if (PyErr_Occurred ())
    return FALSE;
  _pyisolate_known = known;
  return TRUE;
}
