/* SPDX-License-Identifier: MIT */
/* Where a list has its items. The limited API gives and takes them one by one, by a call that costs more than the rest that is
 * done for a number. All CPythons so far lay lists out alike; that this one does is seen before it is relied upon. */
#include "config.h"

#include "pyisolate-codec-lists.h"

#include "pyisolate-codec-internal.h"

gboolean _pyisolate_lists_are_known;

/* -1: an exception is set. */
static int
has_size (PyObject   *list,
          Py_ssize_t  size)
{
  PyObject *basic_size = _pyisolate_codec_get ((PyObject *) Py_TYPE (list), "__basicsize__");
  Py_ssize_t n_bytes = basic_size != NULL ? PyLong_AsSsize_t (basic_size) : -1;

  Py_XDECREF (basic_size);
  return PyErr_Occurred () ? -1 : n_bytes == size;
}

static gboolean
looks_like (PyObject        *object,
            PyObject *const *items,
            Py_ssize_t       n_items)
{
  const CodecList *list = (const CodecList *) object;

  return list->base.ob_size == n_items && list->n_allocated >= n_items
         && list->n_allocated < 64 && list->items != NULL
         && memcmp (list->items, items, n_items * sizeof *items) == 0;
}

gboolean
_pyisolate_lists_init (void)
{
  PyObject *items[] = { Py_None, Py_True, Py_False, (PyObject *) &PyList_Type };
  const Py_ssize_t n_items = G_N_ELEMENTS (items);
  PyObject *list = PyList_New (0);
  int known;

  if (list == NULL)
    return FALSE;
  for (Py_ssize_t i = 0; i < n_items; i++)
    {
      if (PyList_Append (list, items[i]) < 0)
        {
          Py_DECREF (list);
          return FALSE;
        }
    }

  known = has_size (list, sizeof (CodecList));
  _pyisolate_lists_are_known = known > 0 && looks_like (list, items, n_items);
  Py_DECREF (list);
  return known >= 0;
}
