/* SPDX-License-Identifier: MIT */
/* Values whose long bytes and strings came in shared memory, as a C host gets them: with the bytes in them. Those are copied:
 * a value does not change any more. */
#include "config.h"

#include "pyisolate-tensor-wire-private.h"
#include "pyisolate-value-private.h"

typedef struct {
  GPtrArray *memories;
  GHashTable *copied; /* those of them that bytes were made of: each once, as each copy was given a piece of its own; else a
                       * few bytes that name one piece again and again would become more than there is memory for */
} Expansion;

static GVariant *expand (Expansion *self,
                         GVariant  *value);

static GVariant *
box (GVariant *value)
{
  g_autoptr (GVariant) owned = value;

  return g_variant_is_of_type (value, G_VARIANT_TYPE_VARIANT) ? g_steal_pointer (&owned)
                                                              : g_variant_ref_sink (g_variant_new_variant (value));
}

/* With a NUL behind them. NULL: what it names did not come, is not so long, was copied before, or is more than there is memory
 * for. */
static char *
copy_bytes (Expansion *self,
            GVariant  *payload,
            gsize     *out_size)
{
  PyIsolateMemory *memory;
  const guint8 *data;
  guint32 index;
  guint64 size;
  char *copy;

  g_variant_get (payload, "(ut)", &index, &size);
  if (index >= self->memories->len)
    return NULL;

  memory = g_ptr_array_index (self->memories, index);
  data = size <= pyisolate_memory_get_size (memory) ? pyisolate_memory_map (memory, NULL) : NULL;
  copy = data != NULL && g_hash_table_add (self->copied, memory) ? g_try_malloc (size + 1) : NULL;
  if (copy == NULL)
    return NULL;

  memcpy (copy, data, size);
  copy[size] = '\0';
  *out_size = size;
  return copy;
}

/* Consumes @copy, which is of @type. */
static GVariant *
new_from_copy (const GVariantType *type,
               char               *copy,
               gsize               size)
{
  return g_variant_ref_sink (g_variant_new_from_data (type, copy, size, TRUE, g_free, copy));
}

/* Of a tagged value that names memory, or is a tensor, which goes on naming it; else NULL. */
static GVariant *
expand_tagged (Expansion *self,
               GVariant  *value)
{
  g_autoptr (GVariant) payload = NULL;
  g_autoptr (GVariant) bytes = NULL;
  const char *tag;
  char *copy;
  gsize size;

  if (!g_variant_is_of_type (value, G_VARIANT_TYPE ("(ov)")))
    return NULL;
  if (_pyisolate_tensor_wire_is_tensor (value))
    return g_variant_ref (value);
  tag = _pyisolate_value_untag (value, &payload);
  if (tag == NULL || !g_variant_is_of_type (payload, G_VARIANT_TYPE ("(ut)")))
    return NULL;

  copy = copy_bytes (self, payload, &size);
  if (copy == NULL)
    return NULL;
  if (g_str_equal (tag, PYISOLATE_TAG_STR) && size > 0 && g_utf8_validate_len (copy, size, NULL))
    return new_from_copy (G_VARIANT_TYPE_STRING, copy, size + 1);

  bytes = new_from_copy (G_VARIANT_TYPE_BYTESTRING, copy, size);
  if (g_str_equal (tag, PYISOLATE_TAG_BYTES))
    return g_steal_pointer (&bytes);

  return g_variant_ref_sink (g_variant_new ("(ov)", tag, bytes));
}

/* The children, each expanded; whether any is another one. */
static GPtrArray *
expand_children (Expansion *self,
                 GVariant  *value,
                 gboolean  *changed)
{
  GPtrArray *children = g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref);

  *changed = FALSE;
  for (gsize i = 0; i < g_variant_n_children (value); i++)
    {
      g_autoptr (GVariant) child = g_variant_get_child_value (value, i);
      GVariant *expanded = expand (self, child);

      *changed = *changed || expanded != child;
      g_ptr_array_add (children, expanded);
    }

  return children;
}

static GVariant *
expand_array (Expansion *self,
              GVariant  *value)
{
  gboolean changed;
  g_autoptr (GPtrArray) children = expand_children (self, value, &changed);
  const GVariantType *element = g_variant_type_element (g_variant_get_type (value));
  GVariantBuilder builder;

  if (!changed)
    return g_variant_ref (value);

  /* What stands in a variant may be of any type; what does not now stands in one. */
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_DICTIONARY))
    {
      g_autofree char *key = g_variant_type_dup_string (g_variant_type_key (element));
      g_autofree char *type = g_strconcat ("a{", key, "v}", NULL);

      g_variant_builder_init (&builder, G_VARIANT_TYPE (type));
      for (guint i = 0; i < children->len; i++)
        {
          g_autoptr (GVariant) name = g_variant_get_child_value (children->pdata[i], 0);
          g_autoptr (GVariant) item = box (g_variant_get_child_value (children->pdata[i], 1));

          g_variant_builder_add_value (&builder, g_variant_new_dict_entry (name, item));
        }
      return g_variant_ref_sink (g_variant_builder_end (&builder));
    }

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("av"));
  for (guint i = 0; i < children->len; i++)
    {
      g_autoptr (GVariant) item = box (g_variant_ref (children->pdata[i]));

      g_variant_builder_add_value (&builder, item);
    }
  return g_variant_ref_sink (g_variant_builder_end (&builder));
}

static GVariant *
expand_tuple (Expansion *self,
              GVariant  *value)
{
  GVariant *expanded = expand_tagged (self, value);
  g_autoptr (GPtrArray) children = NULL;
  gboolean changed;

  if (expanded != NULL)
    return expanded;

  children = expand_children (self, value, &changed);
  if (!changed)
    return g_variant_ref (value);
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_DICT_ENTRY))
    return g_variant_ref_sink (g_variant_new_dict_entry (children->pdata[0], children->pdata[1]));

  return g_variant_ref_sink (g_variant_new_tuple ((GVariant *const *) children->pdata, children->len));
}

static GVariant *
expand (Expansion *self,
        GVariant  *value)
{
  g_autoptr (GVariant) child = NULL;
  g_autoptr (GVariant) expanded = NULL;

  switch (g_variant_classify (value))
    {
    case G_VARIANT_CLASS_VARIANT:
      child = g_variant_get_variant (value);
      expanded = expand (self, child);
      return expanded != child ? box (g_steal_pointer (&expanded)) : g_variant_ref (value);

    case G_VARIANT_CLASS_ARRAY:
      return strpbrk (g_variant_get_type_string (value), "v") != NULL ? expand_array (self, value)
                                                                      : g_variant_ref (value);

    case G_VARIANT_CLASS_TUPLE:
    case G_VARIANT_CLASS_DICT_ENTRY:
      return expand_tuple (self, value);

    default:
      return g_variant_ref (value);
    }
}

/*< private >
 * @value: all of a message, which has been checked
 * @memories: (nullable): the memory that came with it
 *
 * Returns: (transfer full): @value, with long bytes and strings in it in place of where they lie. What lies nowhere, or in a
 *   piece that others lie in, too, stays as it is
 */
GVariant *
_pyisolate_value_expand (GVariant  *value,
                         GPtrArray *memories)
{
  g_autoptr (GHashTable) copied = NULL;

  if (memories == NULL || memories->len == 0)
    return g_variant_ref (value);

  copied = g_hash_table_new (NULL, NULL);
  return expand (&(Expansion) { memories, copied }, value);
}
