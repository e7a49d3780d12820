/* SPDX-License-Identifier: MIT */
/* From what Python sent to the D-Bus types that a signature asks for.
 *
 * Python has one integer type, and a list says nothing about its items until they are looked at:
 * "as" may come as an empty "av", "ai" as "ax", "(ii)" as a list of two. What fits without a loss
 * is accepted; everything else is an error that names the place.
 */
#include "config.h"

#include "pyisolate-value-private.h"

#define MAX_KEY_CHARACTERS 40

typedef struct {
  GString  *place; /* "[2]['x']", as far as the walk has come */
  GError  **error;
  gboolean  failed;
} Coercion;

static GVariant *coerce (Coercion           *self,
                         GVariant           *value,
                         const GVariantType *target);

static const char *
at (Coercion *self)
{
  return self->place->len > 0 ? " at " : "";
}

/* Always NULL. */
static G_GNUC_PRINTF (2, 3) GVariant *
fail (Coercion   *self,
      const char *format,
      ...)
{
  va_list args;

  va_start (args, format);
  if (self->error != NULL)
    *self->error = g_error_new_valist (PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_VALUE, format, args);
  va_end (args);
  self->failed = TRUE;
  return NULL;
}

static GVariant *
mismatch (Coercion           *self,
          GVariant           *value,
          const GVariantType *target)
{
  g_autofree char *type = g_variant_type_dup_string (target);

  return fail (self, "“%s” is needed%s%s, not %s", type, at (self), self->place->str,
               _pyisolate_value_python_type (value));
}

static GVariant *
out_of_range (Coercion           *self,
              const GVariantType *target)
{
  g_autofree char *type = g_variant_type_dup_string (target);

  return fail (self, "an int%s%s does not fit into “%s”", at (self), self->place->str, type);
}

static GVariant *
coerce_at_index (Coercion           *self,
                 gsize               index,
                 GVariant           *value,
                 const GVariantType *target)
{
  gsize length = self->place->len;
  GVariant *result;

  g_string_append_printf (self->place, "[%" G_GSIZE_FORMAT "]", index);
  result = coerce (self, value, target);
  g_string_truncate (self->place, length);
  return result;
}

static GVariant *
coerce_at_key (Coercion           *self,
               GVariant           *key,
               GVariant           *value,
               const GVariantType *target)
{
  gsize length = self->place->len;
  g_autofree char *text = g_variant_print (key, FALSE);
  GVariant *result;

  if (g_utf8_strlen (text, -1) > MAX_KEY_CHARACTERS)
    *g_utf8_offset_to_pointer (text, MAX_KEY_CHARACTERS) = '\0';
  g_string_append_printf (self->place, "[%s]", text);
  result = coerce (self, value, target);
  g_string_truncate (self->place, length);
  return result;
}

/* --- Basic types --- */

typedef struct {
  gboolean negative;
  guint64  magnitude;
  gboolean huge; /* more than the magnitude can hold */
} Integer;

static Integer
integer_from_signed (gint64 number)
{
  return (Integer) { number < 0, number < 0 ? -(guint64) number : (guint64) number, FALSE };
}

static gboolean
get_tagged_integer (GVariant *value,
                    Integer  *integer)
{
  g_autoptr(GVariant) payload = NULL;
  const char *digits;

  if (g_strcmp0 (_pyisolate_value_untag (value, &payload), PYISOLATE_TAG_INT) != 0
      || !g_variant_is_of_type (payload, G_VARIANT_TYPE_STRING))
    return FALSE;

  digits = g_variant_get_string (payload, NULL);
  *integer = (Integer) { digits[0] == '-', 0, FALSE };
  digits += integer->negative ? 1 : 0;
  if (!g_str_has_prefix (digits, "0x"))
    return FALSE;
  integer->huge = !g_ascii_string_to_unsigned (digits + 2, 16, 0, G_MAXUINT64,
                                               &integer->magnitude, NULL);
  return TRUE;
}

static gboolean
get_integer (GVariant *value,
             Integer  *integer)
{
  switch (g_variant_classify (value))
    {
    case G_VARIANT_CLASS_BYTE:
      *integer = integer_from_signed (g_variant_get_byte (value));
      return TRUE;
    case G_VARIANT_CLASS_INT16:
      *integer = integer_from_signed (g_variant_get_int16 (value));
      return TRUE;
    case G_VARIANT_CLASS_UINT16:
      *integer = integer_from_signed (g_variant_get_uint16 (value));
      return TRUE;
    case G_VARIANT_CLASS_INT32:
      *integer = integer_from_signed (g_variant_get_int32 (value));
      return TRUE;
    case G_VARIANT_CLASS_UINT32:
      *integer = integer_from_signed (g_variant_get_uint32 (value));
      return TRUE;
    case G_VARIANT_CLASS_INT64:
      *integer = integer_from_signed (g_variant_get_int64 (value));
      return TRUE;
    case G_VARIANT_CLASS_UINT64:
      *integer = (Integer) { FALSE, g_variant_get_uint64 (value), FALSE };
      return TRUE;
    default:
      return get_tagged_integer (value, integer);
    }
}

/* NULL: it does not fit. */
static GVariant *
new_integer (char           type,
             const Integer *integer)
{
  guint64 magnitude = integer->magnitude;
  guint64 most = type == 'y' ? G_MAXUINT8 : type == 'q' ? G_MAXUINT16 : type == 'u' ? G_MAXUINT32
                 : type == 't' ? G_MAXUINT64 : type == 'n' ? G_MAXINT16 : type == 'i' ? G_MAXINT32
                 : G_MAXINT64;
  gboolean is_signed = strchr ("nix", type) != NULL;
  gint64 number = integer->negative ? (gint64) -magnitude : (gint64) magnitude;

  if (integer->huge || (integer->negative && magnitude > 0 && (!is_signed || magnitude - 1 > most))
      || (!integer->negative && magnitude > most))
    return NULL;

  switch (type)
    {
    case 'y':
      return g_variant_new_byte (number);
    case 'n':
      return g_variant_new_int16 (number);
    case 'q':
      return g_variant_new_uint16 (number);
    case 'i':
      return g_variant_new_int32 (number);
    case 'u':
      return g_variant_new_uint32 (number);
    case 't':
      return g_variant_new_uint64 (magnitude);
    default:
      return g_variant_new_int64 (number);
    }
}

static GVariant *
coerce_integer (Coercion           *self,
                GVariant           *value,
                const GVariantType *target)
{
  Integer integer;
  GVariant *result;

  if (!get_integer (value, &integer))
    return mismatch (self, value, target);
  result = new_integer (g_variant_type_peek_string (target)[0], &integer);
  return result != NULL ? g_variant_ref_sink (result) : out_of_range (self, target);
}

/* As Python does it where a float is needed, but only where the float is that very number. */
static GVariant *
coerce_double (Coercion           *self,
               GVariant           *value,
               const GVariantType *target)
{
  Integer integer;
  double number;

  if (!get_integer (value, &integer))
    return mismatch (self, value, target);
  number = integer.magnitude;
  /* 2^64 itself, to which the largest are rounded, is out of the range of guint64. */
  if (integer.huge || number >= 18446744073709551616.0 || (guint64) number != integer.magnitude)
    return out_of_range (self, target);
  return g_variant_ref_sink (g_variant_new_double (integer.negative ? -number : number));
}

/* "s", "o" and "g" from each other, where they are valid. */
static GVariant *
coerce_string (Coercion           *self,
               GVariant           *value,
               const GVariantType *target)
{
  const char *string;

  if (!g_variant_is_of_type (value, G_VARIANT_TYPE_STRING)
      && !g_variant_is_of_type (value, G_VARIANT_TYPE_OBJECT_PATH)
      && !g_variant_is_of_type (value, G_VARIANT_TYPE_SIGNATURE))
    return mismatch (self, value, target);

  string = g_variant_get_string (value, NULL);
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_OBJECT_PATH)
      && g_str_has_prefix (string, PYISOLATE_TAG_PREFIX))
    return mismatch (self, value, target);
  if (g_variant_type_equal (target, G_VARIANT_TYPE_STRING))
    return g_variant_ref_sink (g_variant_new_string (string));
  if (g_variant_type_equal (target, G_VARIANT_TYPE_OBJECT_PATH)
      && g_variant_is_object_path (string))
    return g_variant_ref_sink (g_variant_new_object_path (string));
  if (g_variant_type_equal (target, G_VARIANT_TYPE_SIGNATURE) && g_variant_is_signature (string))
    return g_variant_ref_sink (g_variant_new_signature (string));
  return mismatch (self, value, target);
}

/* --- Containers --- */

/* What has items in Python's eyes: an array or struct, also one under a tag. Full, or NULL. */
static GVariant *
get_items (GVariant *value)
{
  g_autoptr(GVariant) payload = NULL;
  const char *tag = _pyisolate_value_untag (value, &payload);

  if (tag != NULL)
    {
      static const char *const lists[] = { PYISOLATE_TAG_TUPLE, PYISOLATE_TAG_SET,
                                           PYISOLATE_TAG_FROZENSET, PYISOLATE_TAG_BYTEARRAY, NULL };

      if (!g_strv_contains (lists, tag) || !g_variant_is_of_type (payload, G_VARIANT_TYPE_ARRAY))
        return NULL;
      return g_steal_pointer (&payload);
    }
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_OBJECT_PATH)
      && g_str_equal (g_variant_get_string (value, NULL), PYISOLATE_TAG_EMPTY_TUPLE))
    return g_variant_ref_sink (g_variant_new_tuple (NULL, 0));
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_DICTIONARY)
      || !(g_variant_is_of_type (value, G_VARIANT_TYPE_ARRAY)
           || g_variant_is_of_type (value, G_VARIANT_TYPE_TUPLE)))
    return NULL;
  return g_variant_ref (value);
}

static GVariant *
coerce_array (Coercion           *self,
              GVariant           *value,
              const GVariantType *target)
{
  const GVariantType *element = g_variant_type_element (target);
  g_autoptr(GVariant) items = get_items (value);
  g_autoptr(GPtrArray) results = g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref);
  gsize n_items;

  if (items == NULL)
    return mismatch (self, value, target);
  if (g_variant_is_of_type (items, target))
    return g_steal_pointer (&items);

  n_items = g_variant_n_children (items);
  for (gsize i = 0; i < n_items; i++)
    {
      g_autoptr(GVariant) item = g_variant_get_child_value (items, i);
      GVariant *result = coerce_at_index (self, i, item, element);

      if (result == NULL)
        return NULL;
      g_ptr_array_add (results, result);
    }
  return g_variant_ref_sink (g_variant_new_array (element, (GVariant *const *) results->pdata,
                                                  results->len));
}

static gboolean
add_entry (Coercion           *self,
           GVariantBuilder    *builder,
           const GVariantType *entry,
           GVariant           *key,
           GVariant           *value)
{
  g_autoptr(GVariant) target_key = NULL;
  g_autoptr(GVariant) target_value = NULL;

  target_key = coerce_at_key (self, key, key, g_variant_type_key (entry));
  if (target_key == NULL)
    return FALSE;
  target_value = coerce_at_key (self, key, value, g_variant_type_value (entry));
  if (target_value == NULL)
    return FALSE;
  g_variant_builder_add_value (builder, g_variant_new_dict_entry (target_key, target_value));
  return TRUE;
}

/* Keys and values from the two lists of a tagged dict. */
static gboolean
add_columns (Coercion           *self,
             GVariantBuilder    *builder,
             const GVariantType *entry,
             GVariant           *value)
{
  g_autoptr(GVariant) payload = NULL;
  g_autoptr(GVariant) keys = NULL;
  g_autoptr(GVariant) values = NULL;
  gsize n_items;

  if (g_strcmp0 (_pyisolate_value_untag (value, &payload), PYISOLATE_TAG_DICT) != 0
      || !g_variant_is_of_type (payload, G_VARIANT_TYPE ("(a*a*)")))
    return FALSE;

  keys = g_variant_get_child_value (payload, 0);
  values = g_variant_get_child_value (payload, 1);
  n_items = g_variant_n_children (keys);
  if (g_variant_n_children (values) != n_items)
    return FALSE;
  for (gsize i = 0; i < n_items; i++)
    {
      g_autoptr(GVariant) key = g_variant_get_child_value (keys, i);
      g_autoptr(GVariant) item = g_variant_get_child_value (values, i);
      g_autoptr(GVariant) plain_key = _pyisolate_value_unbox (key);

      if (!add_entry (self, builder, entry, plain_key, item))
        return FALSE;
    }
  return TRUE;
}

static gboolean
add_entries (Coercion           *self,
             GVariantBuilder    *builder,
             const GVariantType *entry,
             GVariant           *value)
{
  gsize n_items = g_variant_n_children (value);

  for (gsize i = 0; i < n_items; i++)
    {
      g_autoptr(GVariant) child = g_variant_get_child_value (value, i);
      g_autoptr(GVariant) key = g_variant_get_child_value (child, 0);
      g_autoptr(GVariant) item = g_variant_get_child_value (child, 1);

      if (!add_entry (self, builder, entry, key, item))
        return FALSE;
    }
  return TRUE;
}

static GVariant *
coerce_dict (Coercion           *self,
             GVariant           *value,
             const GVariantType *target)
{
  const GVariantType *entry = g_variant_type_element (target);
  g_auto(GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (target);
  gboolean done;

  if (g_variant_is_of_type (value, G_VARIANT_TYPE_DICTIONARY))
    done = add_entries (self, &builder, entry, value);
  else
    done = add_columns (self, &builder, entry, value);
  if (done)
    return g_variant_ref_sink (g_variant_builder_end (&builder));
  return self->failed ? NULL : mismatch (self, value, target);
}

static GVariant *
coerce_tuple (Coercion           *self,
              GVariant           *value,
              const GVariantType *target)
{
  const GVariantType *member = g_variant_type_first (target);
  g_autoptr(GVariant) items = get_items (value);
  g_autoptr(GPtrArray) results = g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref);
  gsize n_items;

  if (items == NULL)
    return mismatch (self, value, target);

  n_items = g_variant_n_children (items);
  if (n_items != g_variant_type_n_items (target))
    return fail (self, "%" G_GSIZE_FORMAT " items are needed%s%s, not %" G_GSIZE_FORMAT,
                 g_variant_type_n_items (target), at (self), self->place->str, n_items);
  for (gsize i = 0; i < n_items; i++)
    {
      g_autoptr(GVariant) item = g_variant_get_child_value (items, i);
      GVariant *result = coerce_at_index (self, i, item, member);

      if (result == NULL)
        return NULL;
      g_ptr_array_add (results, result);
      member = g_variant_type_next (member);
    }
  return g_variant_ref_sink (g_variant_new_tuple ((GVariant *const *) results->pdata,
                                                  results->len));
}

static GVariant *
coerce_maybe (Coercion           *self,
              GVariant           *value,
              const GVariantType *target)
{
  const GVariantType *element = g_variant_type_element (target);
  GVariant *child;
  GVariant *result;

  if (pyisolate_value_is_none (value))
    return g_variant_ref_sink (g_variant_new_maybe (element, NULL));
  child = coerce (self, value, element);
  if (child == NULL)
    return NULL;
  result = g_variant_ref_sink (g_variant_new_maybe (element, child));
  g_variant_unref (child);
  return result;
}

/* --- Everything --- */

static GVariant *
coerce_plain (Coercion           *self,
              GVariant           *value,
              const GVariantType *target)
{
  switch (g_variant_type_peek_string (target)[0])
    {
    case 'y':
    case 'n':
    case 'q':
    case 'i':
    case 'u':
    case 'x':
    case 't':
      return coerce_integer (self, value, target);
    case 'd':
      return coerce_double (self, value, target);
    case 's':
    case 'o':
    case 'g':
      return coerce_string (self, value, target);
    case 'm':
      return coerce_maybe (self, value, target);
    case 'v':
      return g_variant_ref_sink (g_variant_new_variant (value));
    case 'a':
      if (g_variant_type_is_subtype_of (target, G_VARIANT_TYPE_DICTIONARY))
        return coerce_dict (self, value, target);
      return coerce_array (self, value, target);
    case '(':
      return coerce_tuple (self, value, target);
    default:
      return mismatch (self, value, target);
    }
}

static GVariant *
coerce (Coercion           *self,
        GVariant           *value,
        const GVariantType *target)
{
  g_autoptr(GVariant) plain = _pyisolate_value_unbox (value);

  /* An object path may be one of our constants. */
  if (g_variant_is_of_type (plain, target)
      && !g_variant_is_of_type (plain, G_VARIANT_TYPE_OBJECT_PATH))
    return g_steal_pointer (&plain);
  return coerce_plain (self, plain, target);
}

/*< private >
 * _pyisolate_value_coerce:
 * @value: a value in the form in which it travels
 * @target: a definite type
 * @error: return location for a %PYISOLATE_ERROR_BAD_VALUE
 *
 * Makes a value of the type that a C method asks for out of what Python sent.
 *
 * Returns: (transfer full) (nullable): the value
 */
GVariant *
_pyisolate_value_coerce (GVariant            *value,
                         const GVariantType  *target,
                         GError             **error)
{
  g_autoptr(GString) place = g_string_new (NULL);
  Coercion self = { place, error, FALSE };

  g_assert (value != NULL);
  g_assert (g_variant_type_is_definite (target));

  return coerce (&self, value, target);
}
