/* SPDX-License-Identifier: MIT */
/* What is inside of the most common objects, without a call for each. The limited API gives and takes items, numbers and texts
 * one by one, by calls that cost more than the rest that is done for them. All CPythons so far lay these types out alike, or in
 * one of two ways; how this one does it is seen before it is relied upon. Where it is not known, the calls are made.
 *
 * All of this is for objects of the exact types. */
#pragma once

#include "pyisolate-python-private.h"

#include <glib.h>
#include <string.h>

G_BEGIN_DECLS

typedef struct {
  PyVarObject base;
  PyObject  **items;
  Py_ssize_t  n_allocated;
} CodecList;

typedef struct {
  PyVarObject base;
  PyObject   *items[1];
} CodecTuple;

typedef struct {
  PyObject base;
  double   value;
} CodecFloat;

#define CODEC_INT_DIGIT_BITS 30

typedef struct {
  PyObject base;
  gssize   head; /* says how many digits there are, and the sign */
  guint32  digits[2];
} CodecInt;

typedef enum {
  CODEC_INTS_UNKNOWN,
  CODEC_INTS_BY_SIZE, /* the head is the number of digits, negative for a negative number: until 3.11 */
  CODEC_INTS_BY_TAG,  /* the sign is in its two lowest bits, 0, 1 for zero or 2, the number is above the third */
} CodecIntHead;

/* How a text is stored: one block, of ASCII alone. */
#define CODEC_TEXT_STATE_MASK 0x7c
#define CODEC_TEXT_STATE_ASCII 0x64

typedef struct {
  PyObject   base;
  Py_ssize_t length;
  Py_hash_t  hash;
  guint32    state;
} CodecText;

typedef struct {
  gboolean     lists;
  gboolean     tuples;
  gboolean     floats;
  CodecIntHead ints;
  gsize        ascii; /* where the characters are in a text that is ASCII; 0: unknown */
} CodecKnown;

/* Set once, before all else. */
extern CodecKnown _pyisolate_known;

gboolean _pyisolate_objects_init (void);

/* --- Lists and tuples --- */

/* Where the items of @list are until it changes; NULL: nobody knows. Nothing that runs Python code may be called as long as that
 * is looked at. */
static inline PyObject **
_pyisolate_list_places (PyObject *list)
{
  return G_LIKELY (_pyisolate_known.lists) ? ((CodecList *) list)->items : NULL;
}

static inline Py_ssize_t
_pyisolate_list_size (PyObject *list)
{
  return G_LIKELY (_pyisolate_known.lists) ? ((CodecList *) list)->base.ob_size : PyList_Size (list);
}

static inline PyObject *
_pyisolate_list_item (PyObject   *list,
                      PyObject  **places,
                      Py_ssize_t  i)
{
  return G_LIKELY (places != NULL) ? places[i] : PyList_GetItem (list, i);
}

/* Item @i of a list as PyList_New() made it, which takes @item. FALSE with an exception: there is no such place any more. */
static inline gboolean
_pyisolate_list_fill (PyObject   *list,
                      Py_ssize_t  i,
                      PyObject   *item)
{
  CodecList *inside = (CodecList *) list;

  if (G_LIKELY (_pyisolate_known.lists && i < inside->base.ob_size && inside->items[i] == NULL))
    {
      inside->items[i] = item;
      return TRUE;
    }
  return PyList_SetItem (list, i, item) == 0;
}

static inline Py_ssize_t
_pyisolate_tuple_size (PyObject *tuple)
{
  return G_LIKELY (_pyisolate_known.tuples) ? ((CodecTuple *) tuple)->base.ob_size : PyTuple_Size (tuple);
}

static inline PyObject *
_pyisolate_tuple_item (PyObject   *tuple,
                       Py_ssize_t  i)
{
  return G_LIKELY (_pyisolate_known.tuples) ? ((CodecTuple *) tuple)->items[i] : PyTuple_GetItem (tuple, i);
}

/* Item @i of a tuple that PyTuple_New() made, which takes @item. */
static inline gboolean
_pyisolate_tuple_fill (PyObject   *tuple,
                       Py_ssize_t  i,
                       PyObject   *item)
{
  if (G_LIKELY (_pyisolate_known.tuples))
    {
      ((CodecTuple *) tuple)->items[i] = item;
      return TRUE;
    }
  return PyTuple_SetItem (tuple, i, item) == 0;
}

/* --- Numbers --- */

static inline double
_pyisolate_float_value (PyObject *object)
{
  return G_LIKELY (_pyisolate_known.floats) ? ((CodecFloat *) object)->value : PyFloat_AsDouble (object);
}

/* FALSE: it has more than two digits. */
static inline gboolean
_pyisolate_int_read (PyObject     *object,
                     CodecIntHead  form,
                     gint64       *value)
{
  const CodecInt *number = (const CodecInt *) object;
  gboolean is_tagged = form == CODEC_INTS_BY_TAG;
  gssize head = number->head;
  gsize n_digits = is_tagged ? (gsize) head >> 3 : (gsize) ABS (head);
  gint64 sign = is_tagged ? 1 - (head & 3) : (head > 0) - (head < 0);

  if (n_digits > 2)
    return FALSE;
  *value = n_digits == 0 ? 0 : number->digits[0];
  if (n_digits == 2)
    *value |= (gint64) number->digits[1] << CODEC_INT_DIGIT_BITS;
  *value *= sign;
  return TRUE;
}

/* The head of a positive number of one digit. */
static inline gssize
_pyisolate_int_usual_head (CodecIntHead form)
{
  return form == CODEC_INTS_BY_TAG ? 1 << 3 : 1;
}

/* @form: that of _pyisolate_known; a loop has it at hand. FALSE: it has more than 64 bits. */
static inline gboolean
_pyisolate_int_value_in (PyObject     *object,
                         CodecIntHead  form,
                         gint64       *value)
{
  int overflow;

  if (G_LIKELY (form != CODEC_INTS_UNKNOWN))
    {
      if (G_LIKELY (((const CodecInt *) object)->head == _pyisolate_int_usual_head (form)))
        {
          *value = ((const CodecInt *) object)->digits[0];
          return TRUE;
        }
      if (_pyisolate_int_read (object, form, value))
        return TRUE;
    }
  *value = PyLong_AsLongLongAndOverflow (object, &overflow);
  return overflow == 0;
}

static inline gboolean
_pyisolate_int_value (PyObject *object,
                      gint64   *value)
{
  return _pyisolate_int_value_in (object, _pyisolate_known.ints, value);
}

/* --- Texts --- */

/* The characters of a text that is ASCII, with a NUL after them, for as long as it lives. NULL: it is not, or nobody knows. */
static inline const char *
_pyisolate_text_ascii (PyObject   *object,
                       Py_ssize_t *length)
{
  const CodecText *text = (const CodecText *) object;

  if (G_UNLIKELY (_pyisolate_known.ascii == 0
                  || (text->state & CODEC_TEXT_STATE_MASK) != CODEC_TEXT_STATE_ASCII))
    return NULL;
  *length = text->length;
  return (const char *) object + _pyisolate_known.ascii;
}

G_END_DECLS
