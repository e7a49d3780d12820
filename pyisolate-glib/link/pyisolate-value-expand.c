/* SPDX-License-Identifier: MIT */
/* Values whose long bytes and strings came in shared memory, as a C host gets them: with the bytes in them. Those are copied:
 * a value does not change any more. */
#include "config.h"

#include "pyisolate-tensor-wire-private.h"
#include "pyisolate-value-private.h"

static GVariant *expand (GVariant  *value,
                         GPtrArray *memories);

static GVariant *
box (GVariant *value)
{
  g_autoptr (GVariant) owned = value;

  return g_variant_is_of_type (value, G_VARIANT_TYPE_VARIANT) ? g_steal_pointer (&owned)
                                                              : g_variant_ref_sink (g_variant_new_variant (value));
}

/* NULL: what it names did not come, or is not so long. */
static GVariant *
copy_bytes (GVariant  *payload,
            GPtrArray *memories)
{
  PyIsolateMemory *memory;
  const guint8 *data;
  guint32 index;
  guint64 size;

  g_variant_get (payload, "(ut)", &index, &size);
  if (index >= memories->len)
    return NULL;

  memory = g_ptr_array_index (memories, index);
  data = size <= pyisolate_memory_get_size (memory) ? pyisolate_memory_map (memory, NULL) : NULL;

  return data != NULL ? g_variant_ref_sink (g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, data, size, 1)) : NULL;
}

/* A string of what is one, in the copy. */
static GVariant *
new_string (GVariant *bytes)
{
  gsize size = g_variant_get_size (bytes);
  const char *data = g_variant_get_data (bytes);
  g_autofree char *text = NULL;

  if (size == 0 || !g_utf8_validate_len (data, size, NULL))
    return NULL;

  text = g_strndup (data, size);
  return g_variant_ref_sink (g_variant_new_take_string (g_steal_pointer (&text)));
}

/* Of a tagged value that names memory, or is a tensor, which goes on naming it; else NULL. */
static GVariant *
expand_tagged (GVariant  *value,
               GPtrArray *memories)
{
  g_autoptr (GVariant) payload = NULL;
  g_autoptr (GVariant) bytes = NULL;
  const char *tag;
  GVariant *string;

  if (!g_variant_is_of_type (value, G_VARIANT_TYPE ("(ov)")))
    return NULL;
  if (_pyisolate_tensor_wire_is_tensor (value))
    return g_variant_ref (value);
  tag = _pyisolate_value_untag (value, &payload);
  if (tag == NULL || !g_variant_is_of_type (payload, G_VARIANT_TYPE ("(ut)")))
    return NULL;

  bytes = copy_bytes (payload, memories);
  if (bytes == NULL)
    return NULL;
  if (g_str_equal (tag, PYISOLATE_TAG_BYTES))
    return g_steal_pointer (&bytes);

  string = g_str_equal (tag, PYISOLATE_TAG_STR) ? new_string (bytes) : NULL;
  return string != NULL ? string : g_variant_ref_sink (g_variant_new ("(ov)", tag, bytes));
}

/* The children, each expanded; whether any is another one. */
static GPtrArray *
expand_children (GVariant  *value,
                 GPtrArray *memories,
                 gboolean  *changed)
{
  GPtrArray *children = g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref);

  *changed = FALSE;
  for (gsize i = 0; i < g_variant_n_children (value); i++)
    {
      g_autoptr (GVariant) child = g_variant_get_child_value (value, i);
      GVariant *expanded = expand (child, memories);

      *changed = *changed || expanded != child;
      g_ptr_array_add (children, expanded);
    }

  return children;
}

static GVariant *
expand_array (GVariant  *value,
              GPtrArray *memories)
{
  gboolean changed;
  g_autoptr (GPtrArray) children = expand_children (value, memories, &changed);
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
expand_tuple (GVariant  *value,
              GPtrArray *memories)
{
  GVariant *expanded = expand_tagged (value, memories);
  g_autoptr (GPtrArray) children = NULL;
  gboolean changed;

  if (expanded != NULL)
    return expanded;

  children = expand_children (value, memories, &changed);
  if (!changed)
    return g_variant_ref (value);
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_DICT_ENTRY))
    return g_variant_ref_sink (g_variant_new_dict_entry (children->pdata[0], children->pdata[1]));

  return g_variant_ref_sink (g_variant_new_tuple ((GVariant *const *) children->pdata, children->len));
}

static GVariant *
expand (GVariant  *value,
        GPtrArray *memories)
{
  g_autoptr (GVariant) child = NULL;
  g_autoptr (GVariant) expanded = NULL;

  switch (g_variant_classify (value))
    {
    case G_VARIANT_CLASS_VARIANT:
      child = g_variant_get_variant (value);
      expanded = expand (child, memories);
      return expanded != child ? box (g_steal_pointer (&expanded)) : g_variant_ref (value);

    case G_VARIANT_CLASS_ARRAY:
      return strpbrk (g_variant_get_type_string (value), "v") != NULL ? expand_array (value, memories)
                                                                      : g_variant_ref (value);

    case G_VARIANT_CLASS_TUPLE:
    case G_VARIANT_CLASS_DICT_ENTRY:
      return expand_tuple (value, memories);

    default:
      return g_variant_ref (value);
    }
}

/*< private >
 * @value: a value that has been checked
 * @memories: (nullable): the memory that came with it
 *
 * Returns: (transfer full): @value, with long bytes and strings in it in place of where they lie. What lies nowhere stays as
 *   it is
 */
GVariant *
_pyisolate_value_expand (GVariant  *value,
                         GPtrArray *memories)
{
  return memories != NULL && memories->len > 0 ? expand (value, memories) : g_variant_ref (value);
}
