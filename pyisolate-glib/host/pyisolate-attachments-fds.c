/* SPDX-License-Identifier: MIT */
/* Tensors whose elements lie in a file descriptor of the caller's, an `h` as on D-Bus. Each becomes one in shared memory, as if
 * the caller had made a PyIsolateTensor of it, and so travels by whatever carries the call. */
#include "config.h"

#include "pyisolate-attachments-private.h"

#include <string.h>

/* Of GVariant; what is deeper cannot travel, which others say. */
#define MAX_RECURSION 128

typedef struct {
  PyIsolateAttachments *attachments;
  const int *fds;
  guint n_fds;
  PyIsolateMemory **memories; /* of the descriptors, where one is a tensor's already; owned */
} Adopting;

static GVariant *adopt (Adopting  *self,
                        GVariant  *value,
                        guint      recursion,
                        GError   **error);

static PyIsolateMemory *
get_memory (Adopting  *self,
            gint32     index,
            GError   **error)
{
  if (index < 0 || (guint) index >= self->n_fds)
    {
      g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_TENSOR,
                   "A tensor lies in the file descriptor %d of %u that go with the call", index, self->n_fds);
      return NULL;
    }
  if (self->memories[index] == NULL)
    self->memories[index] = pyisolate_memory_new_from_fd (self->fds[index], error);

  return self->memories[index];
}

/* What becomes of a tensor whose elements lie in a descriptor; NULL without an error: it is none. */
static GVariant *
adopt_tensor (Adopting  *self,
              GVariant  *value,
              GError   **error)
{
  PyIsolateTensorWire wire;
  const char *problem = _pyisolate_tensor_wire_read_value (value, &wire);
  g_autoptr (PyIsolateTensor) tensor = NULL;
  PyIsolateMemory *memory;

  if (wire.data_type != 'h')
    return NULL;
  if (problem != NULL)
    {
      _pyisolate_tensor_set_error (error, problem);
      return NULL;
    }

  memory = get_memory (self, (gint32) wire.index, error);
  tensor = memory != NULL ? _pyisolate_tensor_new_from_wire (&wire, memory, NULL, error) : NULL;
  return tensor != NULL ? g_variant_ref_sink (_pyisolate_attachments_add_tensor (self->attachments, tensor)) : NULL;
}

/* The type stays: what changes is within variants. */
static GVariant *
build (GVariant  *value,
       GPtrArray *children)
{
  GVariant **items = (GVariant **) children->pdata;

  switch (g_variant_classify (value))
    {
    case G_VARIANT_CLASS_VARIANT:
      return g_variant_new_variant (items[0]);
    case G_VARIANT_CLASS_MAYBE:
      return g_variant_new_maybe (NULL, items[0]);
    case G_VARIANT_CLASS_DICT_ENTRY:
      return g_variant_new_dict_entry (items[0], items[1]);
    case G_VARIANT_CLASS_ARRAY:
      return g_variant_new_array (g_variant_type_element (g_variant_get_type (value)), items, children->len);
    default:
      return g_variant_new_tuple (items, children->len);
    }
}

static GVariant *
adopt_children (Adopting  *self,
                GVariant  *value,
                guint      recursion,
                GError   **error)
{
  g_autoptr (GPtrArray) children = g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref);
  gsize n_children = g_variant_n_children (value);
  gboolean changed = FALSE;

  for (gsize i = 0; i < n_children; i++)
    {
      g_autoptr (GVariant) child = g_variant_get_child_value (value, i);
      GVariant *adopted = adopt (self, child, recursion + 1, error);

      if (adopted == NULL)
        return NULL;
      changed |= adopted != child;
      g_ptr_array_add (children, adopted);
    }

  return changed ? g_variant_ref_sink (build (value, children)) : g_variant_ref (value);
}

/* Full; @value itself where there is no such tensor in it. */
static GVariant *
adopt (Adopting  *self,
       GVariant  *value,
       guint      recursion,
       GError   **error)
{
  GError *local_error = NULL;
  GVariant *tensor;

  if (recursion > MAX_RECURSION || strchr (g_variant_get_type_string (value), 'v') == NULL)
    return g_variant_ref (value);

  if (g_variant_is_of_type (value, G_VARIANT_TYPE ("(ov)")))
    {
      tensor = adopt_tensor (self, value, &local_error);
      if (tensor != NULL)
        return tensor;
      if (local_error != NULL)
        {
          g_propagate_error (error, local_error);
          return NULL;
        }
    }

  return adopt_children (self, value, recursion, error);
}

GVariant *
_pyisolate_attachments_adopt_fds (PyIsolateAttachments  *self,
                                  GVariant              *value,
                                  const int             *fds,
                                  guint                  n_fds,
                                  GError               **error)
{
  g_autofree PyIsolateMemory **memories = g_new0 (PyIsolateMemory *, n_fds + 1);
  Adopting adopting = { self, fds, n_fds, memories };
  GVariant *adopted = adopt (&adopting, value, 0, error);

  for (guint i = 0; i < n_fds; i++)
    g_clear_pointer (&memories[i], pyisolate_memory_unref);

  return adopted;
}
