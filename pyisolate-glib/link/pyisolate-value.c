/* SPDX-License-Identifier: MIT */
/* What a C host needs to tell None, which GVariant lacks, from other values. */
#include "config.h"

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

  inner = g_variant_ref (value);
  while (g_variant_is_of_type (inner, G_VARIANT_TYPE_VARIANT))
    {
      GVariant *child = g_variant_get_variant (inner);

      g_variant_unref (inner);
      inner = child;
    }
  return g_variant_is_of_type (inner, G_VARIANT_TYPE_OBJECT_PATH)
         && strcmp (g_variant_get_string (inner, NULL), PYISOLATE_TAG_NONE) == 0;
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
