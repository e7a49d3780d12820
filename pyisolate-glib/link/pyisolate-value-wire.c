/* SPDX-License-Identifier: MIT */
/* What a C host gives, in the form that travels.
 *
 * A host may use all of GVariant. D-Bus has no maybe types, no empty tuple, no dict entry outside
 * of a dict and no long signatures: values of those types get the forms that Python's have. Most
 * values have none of these and stay as they are.
 */
#include "config.h"

#include "pyisolate-value-private.h"

/* Of GVariant; a value that is deeper cannot even be made from bytes. */
#define MAX_RECURSION 128

/* How much of a way to a place an error tells. */
#define MAX_PLACE 60

static GVariant *to_wire (GVariant *value,
                          guint     recursion);

static gboolean
is_wire_type (const char *type)
{
  const PyIsolateDepth top = { 0, 0, 0 };
  PyIsolateTypeNode nodes[PYISOLATE_VALUE_MAX_SIGNATURE];

  return _pyisolate_type_parse (type, strlen (type), top, nodes) != 0;
}

/* A variant of @value, which is itself where it is one. Consumes @value. */
static GVariant *
box (GVariant *value)
{
  GVariant *boxed;

  if (g_variant_is_of_type (value, G_VARIANT_TYPE_VARIANT))
    return value;
  boxed = g_variant_ref_sink (g_variant_new_variant (value));
  g_variant_unref (value);
  return boxed;
}

/* The children of @value in their forms; %NULL with @n_children set if nested too deep.
 * @changed: whether one differs. */
static GPtrArray *
wire_children (GVariant *value,
               guint     recursion,
               gboolean *changed)
{
  g_autoptr(GPtrArray) children = g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref);
  gsize n_children = g_variant_n_children (value);

  *changed = FALSE;
  for (gsize i = 0; i < n_children; i++)
    {
      g_autoptr(GVariant) child = g_variant_get_child_value (value, i);
      GVariant *wire = to_wire (child, recursion + 1);

      if (wire == NULL)
        return NULL;
      *changed = *changed || wire != child;
      g_ptr_array_add (children, wire);
    }
  return g_steal_pointer (&children);
}

static GVariant *
new_list (GPtrArray *children)
{
  for (guint i = 0; i < children->len; i++)
    children->pdata[i] = box (children->pdata[i]);
  return g_variant_new_array (G_VARIANT_TYPE_VARIANT, (GVariant *const *) children->pdata,
                              children->len);
}

static GVariant *
new_tagged (const char *tag,
            GVariant   *payload)
{
  return g_variant_new ("(ov)", tag, payload);
}

static GVariant *
wire_tuple (GVariant *value,
            guint     recursion)
{
  g_autoptr(GPtrArray) children = NULL;
  g_autoptr(GVariant) tuple = NULL;
  gboolean changed;

  if (g_variant_n_children (value) == 0)
    return g_variant_ref_sink (g_variant_new_object_path (PYISOLATE_TAG_EMPTY_TUPLE));

  children = wire_children (value, recursion, &changed);
  if (children == NULL)
    return NULL;
  if (!changed && is_wire_type (g_variant_get_type_string (value)))
    return g_variant_ref (value);

  tuple = g_variant_ref_sink (g_variant_new_tuple ((GVariant *const *) children->pdata,
                                                   children->len));
  if (is_wire_type (g_variant_get_type_string (tuple)))
    return g_steal_pointer (&tuple);
  return g_variant_ref_sink (new_tagged (PYISOLATE_TAG_TUPLE, new_list (children)));
}

/* A dict whose values become variants; the keys are of a basic type and stay. */
static GVariant *
new_dict (GVariant  *value,
          GPtrArray *values)
{
  const GVariantType *entry = g_variant_type_element (g_variant_get_type (value));
  g_autofree char *key_type = g_variant_type_dup_string (g_variant_type_key (entry));
  g_autofree char *type = g_strconcat ("a{", key_type, "v}", NULL);
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE (type));
  for (guint i = 0; i < values->len; i++)
    {
      g_autoptr(GVariant) child = g_variant_get_child_value (value, i);
      g_autoptr(GVariant) key = g_variant_get_child_value (child, 0);

      values->pdata[i] = box (values->pdata[i]);
      g_variant_builder_add_value (&builder, g_variant_new_dict_entry (key, values->pdata[i]));
    }
  return g_variant_builder_end (&builder);
}

static GVariant *
wire_dict (GVariant *value,
           guint     recursion)
{
  g_autoptr(GPtrArray) values = g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref);
  gsize n_children = g_variant_n_children (value);
  gboolean changed = !is_wire_type (g_variant_get_type_string (value));

  for (gsize i = 0; i < n_children; i++)
    {
      g_autoptr(GVariant) entry = g_variant_get_child_value (value, i);
      g_autoptr(GVariant) child = g_variant_get_child_value (entry, 1);
      GVariant *wire = to_wire (child, recursion + 2);

      if (wire == NULL)
        return NULL;
      changed = changed || wire != child;
      g_ptr_array_add (values, wire);
    }
  if (!changed)
    return g_variant_ref (value);
  return g_variant_ref_sink (new_dict (value, values));
}

static GVariant *
wire_array (GVariant *value,
            guint     recursion)
{
  g_autoptr(GPtrArray) children = NULL;
  gboolean changed;

  if (g_variant_is_of_type (value, G_VARIANT_TYPE_DICTIONARY))
    return wire_dict (value, recursion);

  children = wire_children (value, recursion, &changed);
  if (children == NULL)
    return NULL;
  if (!changed && is_wire_type (g_variant_get_type_string (value)))
    return g_variant_ref (value);
  return g_variant_ref_sink (new_list (children));
}

static GVariant *
wire_variant (GVariant *value,
              guint     recursion)
{
  g_autoptr(GVariant) child = g_variant_get_variant (value);
  GVariant *wire = to_wire (child, recursion + 1);

  if (wire == child)
    {
      g_variant_unref (wire);
      return g_variant_ref (value);
    }
  return wire != NULL ? box (wire) : NULL;
}

static GVariant *
wire_maybe (GVariant *value,
            guint     recursion)
{
  g_autoptr(GVariant) child = g_variant_get_maybe (value);

  if (child == NULL)
    return g_variant_ref_sink (pyisolate_value_new_none ());
  return to_wire (child, recursion + 1);
}

/* New reference to a form of @value that D-Bus has types for; %NULL: nested too deep. */
static GVariant *
to_wire (GVariant *value,
         guint     recursion)
{
  const char *type = g_variant_get_type_string (value);

  if (recursion > MAX_RECURSION)
    return NULL;
  /* Where there is no variant inside, the type says it all. */
  if (strchr (type, 'v') == NULL && is_wire_type (type))
    return g_variant_ref (value);

  switch (g_variant_classify (value))
    {
    case G_VARIANT_CLASS_MAYBE:
      return wire_maybe (value, recursion);
    case G_VARIANT_CLASS_VARIANT:
      return wire_variant (value, recursion);
    case G_VARIANT_CLASS_ARRAY:
      return wire_array (value, recursion);
    case G_VARIANT_CLASS_DICT_ENTRY: /* on its own: a tuple of two */
    case G_VARIANT_CLASS_TUPLE:
      return wire_tuple (value, recursion);
    default:
      return g_variant_ref (value);
    }
}

static gboolean
has_parts (GVariant *value)
{
  const GVariantType *type = g_variant_get_type (value);

  return g_variant_type_is_container (type) &&
         !(g_variant_type_is_array (type) && g_variant_type_is_basic (g_variant_type_element (type)));
}

static guint
count_levels (GVariant *value,
              guint     recursion)
{
  guint deepest = 0;

  if (!has_parts (value) || recursion > MAX_RECURSION)
    return 0;
  for (gsize i = 0; i < g_variant_n_children (value); i++)
    {
      g_autoptr(GVariant) child = g_variant_get_child_value (value, i);
      guint n_levels = count_levels (child, recursion + 1);

      deepest = MAX (deepest, n_levels);
    }
  return deepest + 1;
}

static void
append_step (GString  *place,
             GVariant *value,
             GVariant *child,
             gsize     index)
{
  if (g_variant_is_of_type (child, G_VARIANT_TYPE_DICT_ENTRY))
    {
      g_autoptr(GVariant) key = g_variant_get_child_value (child, 0);
      g_autofree char *text = g_variant_print (key, FALSE);

      g_string_append_printf (place, "[%s]", text);
    }
  else if (g_variant_is_of_type (value, G_VARIANT_TYPE_ARRAY) ||
           g_variant_is_of_type (value, G_VARIANT_TYPE_TUPLE))
    {
      g_string_append_printf (place, "[%" G_GSIZE_FORMAT "]", index);
    }
}

/* The way to what lies deepest, as Python writes it; its beginning, which says enough. */
static char *
describe_deepest (GVariant *value)
{
  g_autoptr(GVariant) here = g_variant_ref (value);
  g_autoptr(GString) place = g_string_new (NULL);

  while (has_parts (here) && g_variant_n_children (here) > 0)
    {
      g_autoptr(GVariant) deepest = NULL;
      guint n_levels = 0;
      gsize index = 0;

      for (gsize i = 0; i < g_variant_n_children (here); i++)
        {
          g_autoptr(GVariant) child = g_variant_get_child_value (here, i);
          guint n = count_levels (child, 0);

          if (deepest != NULL && n <= n_levels)
            continue;
          g_clear_pointer (&deepest, g_variant_unref);
          deepest = g_steal_pointer (&child);
          n_levels = n;
          index = i;
        }
      append_step (place, here, deepest, index);
      g_variant_unref (here);
      here = g_steal_pointer (&deepest);
      if (place->len > MAX_PLACE)
        {
          g_string_append (place, "…");
          break;
        }
    }
  return g_string_free (g_steal_pointer (&place), FALSE);
}

static const char *
find_problem (GVariant *value)
{
  /* As deep as a keyword argument lies in the body of a call. */
  const PyIsolateDepth outer = { 1, 2, 4 };
  const char *type = g_variant_get_type_string (value);

  return _pyisolate_value_find_problem (type, strlen (type), g_variant_get_data (value),
                                        g_variant_get_size (value), outer);
}

/*< private >
 * _pyisolate_value_to_wire:
 * @value: a value of any type
 * @error: return location for a %PYISOLATE_ERROR_BAD_VALUE
 *
 * Brings a value that a C host gives into the form that travels as an argument or a result.
 *
 * Returns: (transfer full) (nullable): the form, which is @value itself where that can be, in
 *   normal form and without a variant around it
 */
GVariant *
_pyisolate_value_to_wire (GVariant  *value,
                          GError   **error)
{
  g_autoptr(GVariant) plain = NULL;
  g_autoptr(GVariant) normal = NULL;
  g_autoptr(GVariant) wire = NULL;
  const char *problem = "nested too deep";

  g_assert (value != NULL);

  plain = _pyisolate_value_unbox (value);
  normal = g_variant_get_normal_form (plain);
  if (find_problem (normal) == NULL)
    return g_steal_pointer (&normal);

  wire = to_wire (normal, 0);
  if (wire != NULL)
    {
      if (!_pyisolate_value_check_size (g_variant_get_size (wire), error))
        return NULL;
      problem = find_problem (wire);
    }
  if (problem != NULL)
    {
      g_autofree char *place = describe_deepest (normal);

      g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_VALUE,
                   "Cannot send a value of the type “%s”: %s at %s (at most %d arrays, %d structs, "
                   "%d levels in all)",
                   g_variant_get_type_string (value), problem, place, PYISOLATE_VALUE_MAX_ARRAYS,
                   PYISOLATE_VALUE_MAX_STRUCTS, PYISOLATE_VALUE_MAX_LEVELS);
      return NULL;
    }
  return g_steal_pointer (&wire);
}
