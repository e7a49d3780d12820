/* SPDX-License-Identifier: MIT */
/* The items of a list, without a call for each. */
#pragma once

#include "pyisolate-python-private.h"

#include <glib.h>

G_BEGIN_DECLS

typedef struct {
  PyVarObject base;
  PyObject  **items;
  Py_ssize_t  n_allocated;
} CodecList;

extern gboolean _pyisolate_lists_are_known;

gboolean _pyisolate_lists_init (void);

/* Where the items of @list, an exact one, are until it changes; NULL: nobody knows. Nothing that runs Python code may be called
 * as long as that is looked at. */
static inline PyObject **
_pyisolate_list_places (PyObject *list)
{
  return G_LIKELY (_pyisolate_lists_are_known) ? ((CodecList *) list)->items : NULL;
}

static inline PyObject *
_pyisolate_list_item (PyObject   *list,
                      PyObject  **places,
                      Py_ssize_t  i)
{
  return G_LIKELY (places != NULL) ? places[i] : PyList_GetItem (list, i);
}

G_END_DECLS
