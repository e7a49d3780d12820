/* SPDX-License-Identifier: MIT */
/* Tensors whose elements lie in a file descriptor of the caller's, an `h` as on D-Bus. Each becomes one in shared memory, as if
 * the caller had made a PyIsolateTensor of it, and so travels by whatever carries the call. */
#include "config.h"

#include "pyisolate-attachments-private.h"

#include "pyisolate-value-private.h"

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

/* @payload: of a tensor whose elements lie in a descriptor */
static GVariant *
adopt_tensor (Adopting  *self,
              GVariant  *payload,
              gint32     index,
              GError   **error)
{
  PyIsolateMemory *memory = get_memory (self, index, error);
  g_autoptr (GPtrArray) memories = g_ptr_array_new ();
  GVariant *members[PYISOLATE_TENSOR_N_MEMBERS];
  g_autoptr (GVariant) value = NULL;
  g_autoptr (PyIsolateTensor) tensor = NULL;

  if (memory == NULL)
    return NULL;

  g_ptr_array_add (memories, memory);
  for (guint i = 0; i < PYISOLATE_TENSOR_DATA_MEMBER; i++)
    members[i] = g_variant_get_child_value (payload, i);
  members[PYISOLATE_TENSOR_DATA_MEMBER] = g_variant_new_variant (g_variant_new_uint32 (0));
  value = g_variant_ref_sink (g_variant_new ("(ov)", PYISOLATE_TAG_TENSOR,
                                             g_variant_new_tuple (members, PYISOLATE_TENSOR_N_MEMBERS)));
  for (guint i = 0; i < PYISOLATE_TENSOR_DATA_MEMBER; i++)
    g_variant_unref (members[i]);

  tensor = _pyisolate_tensor_new_from_variant (value, memories, error);
  return tensor != NULL ? g_variant_ref_sink (_pyisolate_attachments_add_tensor (self->attachments, tensor)) : NULL;
}

/* What becomes of a tagged value; NULL without an error: it is no such tensor, or none at all. */
static GVariant *
adopt_tagged (Adopting  *self,
              GVariant  *value,
              GError   **error)
{
  g_autoptr (GVariant) payload = NULL;
  g_autoptr (GVariant) boxed = NULL;
  g_autoptr (GVariant) data = NULL;

  if (g_strcmp0 (_pyisolate_value_untag (value, &payload), PYISOLATE_TAG_TENSOR) != 0 ||
      !g_variant_is_of_type (payload, G_VARIANT_TYPE (PYISOLATE_TENSOR_TYPE)))
    return NULL;
  boxed = g_variant_get_child_value (payload, PYISOLATE_TENSOR_DATA_MEMBER);
  data = g_variant_get_variant (boxed);
  if (!g_variant_is_of_type (data, G_VARIANT_TYPE_HANDLE))
    return NULL;

  return adopt_tensor (self, payload, g_variant_get_handle (data), error);
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
      tensor = adopt_tagged (self, value, &local_error);
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
