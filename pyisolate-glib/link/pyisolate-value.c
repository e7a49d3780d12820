/* SPDX-License-Identifier: MIT */
/* What a C host needs to tell None, which GVariant lacks, from other values. */
#include "config.h"

#include "pyisolate-tensor-wire-private.h"
#include "pyisolate-value-private.h"

/**
 * pyisolate_value_new_none:
 *
 * Creates the value that Python code sees as `None`.
 *
 * A maybe type that is nothing is sent as `None`, too; this one also fits where D-Bus types are
 * asked for.
 *
 * Returns: (transfer none): a floating reference to a new value
 *
 * Since: 0.1
 */
GVariant *
pyisolate_value_new_none (void)
{
  return g_variant_new_object_path (PYISOLATE_TAG_NONE);
}

/**
 * pyisolate_value_is_none:
 * @value: a value
 *
 * Tells whether @value is what Python's `None` arrives as. Variants are looked into.
 *
 * Returns: %TRUE if it is
 *
 * Since: 0.1
 */
gboolean
pyisolate_value_is_none (GVariant *value)
{
  g_autoptr(GVariant) inner = NULL;

  g_return_val_if_fail (value != NULL, FALSE);

  inner = _pyisolate_value_unbox (value);
  return g_variant_is_of_type (inner, G_VARIANT_TYPE_OBJECT_PATH)
         && strcmp (g_variant_get_string (inner, NULL), PYISOLATE_TAG_NONE) == 0;
}

/**
 * pyisolate_value_is_tensor:
 * @value: a value
 *
 * Tells whether @value is what a NumPy array or a torch tensor arrives as. Then [method@PyIsolate.CallResult.dup_tensor] or
 * [method@PyIsolate.Invocation.dup_tensor] makes a tensor of it. Variants are looked into.
 *
 * Returns: %TRUE if it is
 *
 * Since: 0.1
 */
gboolean
pyisolate_value_is_tensor (GVariant *value)
{
  g_autoptr(GVariant) inner = NULL;

  g_return_val_if_fail (value != NULL, FALSE);

  inner = _pyisolate_value_unbox (value);
  return _pyisolate_tensor_wire_is_tensor (inner);
}

/* What is inside all the variants around @value. Full. */
GVariant *
_pyisolate_value_unbox (GVariant *value)
{
  GVariant *inner = g_variant_ref (value);

  while (g_variant_is_of_type (inner, G_VARIANT_TYPE_VARIANT))
    {
      GVariant *child = g_variant_get_variant (inner);

      g_variant_unref (inner);
      inner = child;
    }
  return inner;
}

static const char *const tags[] = {
  PYISOLATE_TAG_INT,
  PYISOLATE_TAG_STR,
  PYISOLATE_TAG_BYTES,
  PYISOLATE_TAG_BYTEARRAY,
  PYISOLATE_TAG_MEMORYVIEW,
  PYISOLATE_TAG_TUPLE,
  PYISOLATE_TAG_SET,
  PYISOLATE_TAG_FROZENSET,
  PYISOLATE_TAG_DICT,
  PYISOLATE_TAG_COMPLEX,
  PYISOLATE_TAG_DATETIME,
  PYISOLATE_TAG_DATE,
  PYISOLATE_TAG_TIME,
  PYISOLATE_TAG_TIMEDELTA,
  PYISOLATE_TAG_TIMEZONE,
  PYISOLATE_TAG_ZONEINFO,
  PYISOLATE_TAG_DECIMAL,
  PYISOLATE_TAG_UUID,
  PYISOLATE_TAG_PURE_POSIX_PATH,
  PYISOLATE_TAG_PURE_WINDOWS_PATH,
  PYISOLATE_TAG_POSIX_PATH,
  PYISOLATE_TAG_WINDOWS_PATH,
  PYISOLATE_TAG_TENSOR,
  PYISOLATE_TAG_OBJECT,
  PYISOLATE_TAG_EXT,
};

/* What @value is marked as, one of PYISOLATE_TAG_*, and its payload without variants around it.
 * NULL: it is not a tagged value. Variants around it are looked through. */
const char *
_pyisolate_value_untag (GVariant  *value,
                        GVariant **payload)
{
  g_autoptr(GVariant) inner = _pyisolate_value_unbox (value);
  g_autoptr(GVariant) tag = NULL;
  g_autoptr(GVariant) boxed = NULL;
  const char *path;

  if (!g_variant_is_of_type (inner, G_VARIANT_TYPE ("(ov)")))
    return NULL;
  tag = g_variant_get_child_value (inner, 0);
  path = g_variant_get_string (tag, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (tags); i++)
    {
      if (strcmp (tags[i], path) == 0)
        {
          boxed = g_variant_get_child_value (inner, 1);
          *payload = _pyisolate_value_unbox (boxed);
          return tags[i];
        }
    }
  return NULL;
}

/* What the value is in Python, for messages. */
const char *
_pyisolate_value_python_type (GVariant *value)
{
  g_autoptr(GVariant) inner = _pyisolate_value_unbox (value);
  g_autoptr(GVariant) payload = NULL;
  const char *tag = _pyisolate_value_untag (inner, &payload);
  const char *type = g_variant_get_type_string (inner);

  if (tag != NULL)
    return tag + strlen (PYISOLATE_TAG_PREFIX);
  if (g_str_equal (type, "ay"))
    return "bytes";
  if (g_str_has_prefix (type, "a{"))
    return "dict";
  switch (type[0])
    {
    case 'b':
      return "bool";
    case 'd':
      return "float";
    case 'o':
      if (pyisolate_value_is_none (inner))
        return "None";
      return g_str_equal (g_variant_get_string (inner, NULL), PYISOLATE_TAG_EMPTY_TUPLE) ? "tuple"
                                                                                        : "str";
    case 's':
    case 'g':
      return "str";
    case 'h':
      return "FileDescriptor";
    case 'a':
      return "list";
    case '(':
      return "tuple";
    default:
      return "int";
    }
}

gboolean
_pyisolate_value_check_size (gsize    size,
                             GError **error)
{
  if (size <= PYISOLATE_VALUE_MAX_SIZE)
    return TRUE;
  g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_VALUE,
               "Cannot send %" G_GSIZE_FORMAT " bytes at once, the limit is %d", size,
               PYISOLATE_VALUE_MAX_SIZE);
  return FALSE;
}
